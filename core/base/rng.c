#include "base/rng.h"

#include <math.h>
#include <string.h>

/* splitmix64 (Steele et al. 2014): one step of the counter, scrambled. */
static uint64_t scramble(uint64_t *counter)
{
  uint64_t z = (*counter += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

static void fill(anet_rng *rng, uint64_t counter)
{
  for (int32_t i = 0; i < 4; i++) rng->state[i] = scramble(&counter);
}

void anet_rng_seed(anet_rng *rng, double seed)
{
  uint64_t counter;
  if (fabs(seed) <= 0x1p53) {
    counter = (uint64_t)(int64_t)seed;
  } else { /* outside the contract, NaN too: still defined, by its bits */
    memcpy(&counter, &seed, sizeof counter);
  }
  fill(rng, counter);
}

/* The index is scrambled before it meets the seed, so that (seed, index + 1) and (seed + 1, index)
 * are as far apart as any two. */
void anet__rng_at(anet_rng *rng, uint64_t seed, uint64_t index)
{
  fill(rng, seed ^ scramble(&index));
}

static uint64_t rotate(uint64_t x, int32_t bits)
{
  return (x << bits) | (x >> (64 - bits));
}

/* xoshiro256** (Blackman & Vigna 2018). */
uint64_t anet__rng_next(anet_rng *rng)
{
  uint64_t *s = rng->state;
  const uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate(s[3], 45);
  return result;
}

double anet_rng_uniform(anet_rng *rng)
{
  return (double)(anet__rng_next(rng) >> 11) * 0x1p-53;
}

float anet__rng_uniform(anet_rng *rng)
{
  return (float)(anet__rng_next(rng) >> 40) * 0x1p-24F;
}

/* The polar method (Marsaglia), in double: what a libm's log may differ by vanishes in the float.
 * The second value of each pair is dropped, so that the state is all there is. */
float anet__rng_normal(anet_rng *rng)
{
  double u, s;
  do {
    u = 2 * anet_rng_uniform(rng) - 1;
    const double v = 2 * anet_rng_uniform(rng) - 1;
    s = u * u + v * v;
  } while (s >= 1 || s == 0);
  return (float)(u * sqrt(-2 * log(s) / s));
}

/* Multiply and reject (Lemire 2019). n = 0 stands for 2^32. */
uint32_t anet__rng_below(anet_rng *rng, uint32_t n)
{
  if (n == 0) return (uint32_t)(anet__rng_next(rng) >> 32);
  const uint32_t reject = (0U - n) % n; /* 2^32 mod n */
  uint64_t product;
  do {
    product = (anet__rng_next(rng) >> 32) * n;
  } while ((uint32_t)product < reject);
  return (uint32_t)(product >> 32);
}

int32_t anet_rng_int(anet_rng *rng, int32_t low, int32_t high)
{
  if (high <= low) return low;
  const uint32_t range = (uint32_t)high - (uint32_t)low + 1;
  return (int32_t)((uint32_t)low + anet__rng_below(rng, range));
}
