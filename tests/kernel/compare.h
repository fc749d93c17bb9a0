/* What the kernel tests share: guarded buffers, hostile values, comparison with ref. */
#ifndef ANET_TEST_COMPARE_H
#define ANET_TEST_COMPARE_H

#include <float.h>
#include <stdlib.h>

#include "base/rng.h"
#include "kernel/kernel.h"
#include "support/test.h"

enum { GUARD = 32, MAX_LANES = 16 };

static anet_rng dice;
static int64_t seed; /* of the case at hand; printed by every failure */

static inline void reseed(int64_t value)
{
  seed = value;
  anet_rng_seed(&dice, (double)value);
}

static inline int32_t roll(int32_t low, int32_t high)
{
  return anet_rng_int(&dice, low, high);
}

static inline float noise(void)
{
  return (float)(anet_rng_uniform(&dice) * 4.0 - 2.0);
}

/* n floats that start `offset` floats off a 64-byte boundary, between bands nobody may touch. */
typedef struct box {
  float *memory, *v;
  size_t n;
} box;

static const uint32_t band = 0x7f8badc0u; /* a NaN: reading it into a result shows as well */

static inline box box_new(size_t n, int32_t offset)
{
  const size_t bytes = (n + 2 * GUARD + 16 + 15) / 16 * 64;
  box b = {.memory = aligned_alloc(64, bytes), .n = n};
  if (!b.memory) abort();
  for (size_t i = 0; i < bytes / 4; i++) memcpy(b.memory + i, &band, 4);
  b.v = b.memory + GUARD + offset;
  for (size_t i = 0; i < n; i++) b.v[i] = noise();
  return b;
}

static inline box box_copy(const box *from)
{
  box b = box_new(from->n, (int32_t)(from->v - from->memory) - GUARD);
  memcpy(b.v, from->v, b.n * sizeof(float));
  return b;
}

/* |x|, the input of an error bound. */
static inline box box_abs(const box *from)
{
  box b = box_copy(from);
  for (size_t i = 0; i < b.n; i++) b.v[i] = fabsf(b.v[i]);
  return b;
}

static inline void box_free(box *b, const char *what)
{
  for (int32_t i = 1; i <= GUARD; i++) {
    uint32_t before, after;
    memcpy(&before, b->v - i, 4);
    memcpy(&after, b->v + b->n + i - 1, 4);
    test_checks++;
    if (before != band || after != band)
      TEST_FAIL("seed %" PRId64 ": %s wrote %d outside a buffer of %zu", seed, what, i, b->n);
  }
  free(b->memory);
}

/* Values at which shortcuts break, scattered over b. */
static inline void box_spoil(box *b, int32_t count)
{
  static const float nasty[] = {NAN,     INFINITY, -INFINITY, -0.0f,  0.0f,  1e-42f,
                                -1e-42f, FLT_MIN,  1e30f,     -1e30f, 88.8f, -88.8f,
                                104.0f,  -104.0f,  3.0f,      -3.0f};
  for (int32_t i = 0; i < count && b->n; i++)
    b->v[roll(0, (int32_t)b->n - 1)] = nasty[roll(0, ANET_COUNT(nasty) - 1)];
}

static inline bool same_bits(float a, float b)
{
  return memcmp(&a, &b, sizeof a) == 0;
}

/* NaN equals NaN, an infinity itself; else |got - want| <= tolerance. */
static inline void agree(const char *what, anet__isa isa, size_t i, double got, double want,
                         double tolerance)
{
  test_checks++;
  if (isnan(got) && isnan(want)) return;
  if (got == want || fabs(got - want) <= tolerance) return;
  TEST_FAIL("seed %" PRId64 ": %s %s[%zu] = %.9g, ref %.9g, tolerance %.3g", seed,
            anet__isa_name(isa), what, i, got, want, tolerance);
}

static inline void agree_bits(const char *what, anet__isa isa, const float *got, const float *want,
                              size_t n)
{
  test_checks++;
  for (size_t i = 0; i < n; i++)
    if (!same_bits(got[i], want[i])) {
      TEST_FAIL("seed %" PRId64 ": %s %s[%zu] = %.9g (%a), want the bits of %.9g (%a)", seed,
                anet__isa_name(isa), what, i, (double)got[i], (double)got[i], (double)want[i],
                (double)want[i]);
      return;
    }
}

/* Each vector table of this machine, ref aside. */
#define EACH_ISA(k)                                                                                \
  for (int isa_ = ANET_ISA_REF + 1; isa_ < ANET_ISA_COUNT; isa_++)                                 \
    for (const anet__kernels *k = anet__kernels_for((anet__isa)isa_); k; k = NULL)

static inline const anet__kernels *plain(void)
{
  return anet__kernels_for(ANET_ISA_REF);
}

#endif
