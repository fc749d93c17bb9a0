/* For fuzzers that change inputs by what they mean: numbers that are easily wrong, and libFuzzer's
 * own changes. */
#ifndef FUZZ_CHANGE_H
#define FUZZ_CHANGE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t most);
/* What a change_NAME.c defines. Both give the bytes written, the second 0 where there are none. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_bytes, const uint8_t *other,
                                 size_t other_bytes, uint8_t *out, size_t most, unsigned seed);

#define FUZZ_ONE_OF(rng, list) ((list)[anet__rng_below(rng, ANET_COUNT(list))])

/* Usual numbers more often than not, so that inputs stay whole. */
static inline int64_t fuzz_whole(anet_rng *rng)
{
  static const int64_t usual[] = {0, 1, 2, 3, 4, 5, 6, 8, 12};
  static const int64_t odd[] = {17,        30,        64,        93,        255,       256,
                                1000,      65536,     -1,        -2,        -3,        -4,
                                1 << 20,   1 << 30,   INT16_MAX, INT32_MAX, INT32_MIN, 1LL << 31,
                                1LL << 62, INT64_MAX, INT64_MIN};
  return anet__rng_below(rng, 5) < 3 ? FUZZ_ONE_OF(rng, usual) : FUZZ_ONE_OF(rng, odd);
}

static inline float fuzz_real(anet_rng *rng)
{
  static const float real[] = {0,     1,     -1,     0.5F,   2.5F,     -2.5F, 3.999F,
                               1e10F, 1e30F, 1e-30F, 1e-45F, INFINITY, NAN};
  return FUZZ_ONE_OF(rng, real);
}

#endif
