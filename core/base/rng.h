/* Random numbers that are the same on every machine: xoshiro256**, seeded by splitmix64. */
#ifndef ANET_RNG_H
#define ANET_RNG_H

#include "base/compiler.h"
#include "anet.h"

/* anet_rng itself is public (anet.h). These are its inner faces. */
uint64_t anet__rng_next(anet_rng *rng);
/* A generator for item `index` of stream `seed`: the same whatever thread asks, in any order. */
void anet__rng_at(anet_rng *rng, uint64_t seed, uint64_t index);
float anet__rng_uniform(anet_rng *rng);           /* [0, 1) */
float anet__rng_normal(anet_rng *rng);            /* mean 0, deviation 1 */
uint32_t anet__rng_below(anet_rng *rng, uint32_t n); /* 0 .. n-1, unbiased */

#endif
