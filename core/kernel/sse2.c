/* SSE2, what every x86-64 has: 16 registers of 4 floats, no fused multiply-add. */
#include <emmintrin.h>

#define ANET_LANES 4
#include "kernel/vec.inc"

/* clang-format off
 * X(rows): the heights of a convolution's register tile, tallest first; the last is 1. */
#define ANET_TILES_2(X) X(5) X(2) X(1)
#define ANET_TILES_1(X) X(8) X(4) X(2) X(1)
/* clang-format on */
enum {
  DEPTH_2 = 1, /* input channels a turn of the inner loop, tiles 2 vectors wide */
  DEPTH_1 = 1, /* and 1 vector wide */
  GRAD_2 = 4,  /* input channels of the gradient's tile, 2 vectors wide */
  GRAD_1 = 8,  /* and 1 vector wide */
  DEPTHWISE_ROWS = 4,
  DEPTHWISE_WIDE = 1, /* vectors of the 3 x 3 tile, all weights in registers */
  DEPTHWISE_TAPS = 5, /* of the gradient's tile */
  STRIP = 4           /* vectors of channels that pass over rows at a time */
};

ANET_FORCE vf v_fma(vf a, vf b, vf c)
{
  return a * b + c;
}

ANET_FORCE vf v_max(vf a, vf b)
{
  return (vf)_mm_max_ps((__m128)a, (__m128)b);
}

ANET_FORCE vf v_min(vf a, vf b)
{
  return (vf)_mm_min_ps((__m128)a, (__m128)b);
}

ANET_FORCE vf v_sqrt(vf a)
{
  return (vf)_mm_sqrt_ps((__m128)a);
}

ANET_FORCE vf v_select(vi mask, vf a, vf b)
{
  return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

/* v where low < y < high, else 0. */
ANET_FORCE vf v_within(vf v, vf y, vf low, vf high)
{
  return (vf)((vi)v & (low < y) & (y < high));
}

ANET_FORCE vf v_load_n(const float *p, size_t n)
{
  vf v = {0};
  for (size_t i = 0; i < n; i++) v[i] = p[i];
  return v;
}

ANET_FORCE void v_store_n(float *p, vf v, size_t n)
{
  for (size_t i = 0; i < n; i++) p[i] = v[i];
}

ANET_FORCE vi v_bytes(const uint8_t *p)
{
  const __m128i zero = _mm_setzero_si128();
  const __m128i shorts = _mm_unpacklo_epi8(_mm_loadu_si32(p), zero);
  return (vi)_mm_unpacklo_epi16(shorts, zero);
}

#define ANET_ISA_HERE ANET_ISA_SSE2
#define ANET_TABLE anet__kernels_sse2
#include "kernel/simd.inc"
