/* AVX2 with FMA: 16 registers of 8 floats. */
#include <immintrin.h>

#define ANET_LANES 8
#include "kernel/vec.inc"

/* clang-format off
 * X(rows): the heights of a convolution's register tile, tallest first; the last is 1. */
#define ANET_TILES_2(X) X(6) X(4) X(2) X(1)
#define ANET_TILES_1(X) X(12) X(6) X(4) X(2) X(1)
/* clang-format on */
enum {
  DEPTH_2 = 1, /* input channels a turn of the inner loop, tiles 2 vectors wide */
  DEPTH_1 = 2, /* and 1 vector wide */
  GRAD_2 = 4,  /* input channels of the gradient's tile, 2 vectors wide */
  GRAD_1 = 8,  /* and 1 vector wide */
  DEPTHWISE_ROWS = 4,
  DEPTHWISE_WIDE = 1, /* vectors of the 3 x 3 tile, all weights in registers */
  DEPTHWISE_TAPS = 5, /* of the gradient's tile */
  STRIP = 4           /* vectors of channels that pass over rows at a time */
};

ANET_FORCE vf v_fma(vf a, vf b, vf c)
{
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

ANET_FORCE vf v_max(vf a, vf b)
{
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
}

ANET_FORCE vf v_min(vf a, vf b)
{
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
}

ANET_FORCE vf v_sqrt(vf a)
{
  return (vf)_mm256_sqrt_ps((__m256)a);
}

ANET_FORCE vf v_select(vi mask, vf a, vf b)
{
  return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
}

/* v where low < y < high, else 0. */
ANET_FORCE vf v_within(vf v, vf y, vf low, vf high)
{
  return (vf)((vi)v & (low < y) & (y < high));
}

static inline __m256i first(size_t n)
{
  static const int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256((const __m256i *)(window + 8 - n));
}

ANET_FORCE vf v_load_n(const float *p, size_t n)
{
  return (vf)_mm256_maskload_ps(p, first(n));
}

ANET_FORCE void v_store_n(float *p, vf v, size_t n)
{
  _mm256_maskstore_ps(p, first(n), (__m256)v);
}

ANET_FORCE vi v_bytes(const uint8_t *p)
{
  return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}

#define ANET_ISA_HERE ANET_ISA_AVX2
#define ANET_TABLE anet__kernels_avx2
#include "kernel/simd.inc"
