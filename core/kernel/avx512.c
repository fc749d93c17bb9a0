/* AVX-512 (F, DQ, BW, VL): 32 registers of 16 floats. */
#include <immintrin.h>

#define ANET_LANES 16
#include "kernel/vec.inc"

/* clang-format off
 * X(rows): the heights of a convolution's register tile, tallest first; the last is 1. */
#define ANET_TILES_2(X) X(14) X(7) X(4) X(2) X(1)
#define ANET_TILES_1(X) X(14) X(7) X(4) X(2) X(1)
/* clang-format on */
enum {
  DEPTH_2 = 1, /* input channels a turn of the inner loop, tiles 2 vectors wide */
  DEPTH_1 = 4, /* and 1 vector wide: loads bound these, so pointers are used 4 times */
  GRAD_2 = 8,  /* input channels of the gradient's tile, 2 vectors wide */
  GRAD_1 = 16, /* and 1 vector wide */
  DEPTHWISE_ROWS = 4,
  DEPTHWISE_WIDE = 2, /* vectors of the 3 x 3 tile, all weights in registers */
  DEPTHWISE_TAPS = 9, /* of the gradient's tile */
  STRIP = 2           /* vectors of channels that pass over rows at a time */
};

ANET_FORCE vf v_fma(vf a, vf b, vf c)
{
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

ANET_FORCE vf v_max(vf a, vf b)
{
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}

ANET_FORCE vf v_min(vf a, vf b)
{
  return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}

ANET_FORCE vf v_sqrt(vf a)
{
  return (vf)_mm512_sqrt_ps((__m512)a);
}

ANET_FORCE vf v_select(vi mask, vf a, vf b)
{
  return (vf)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)mask), (__m512)b, (__m512)a);
}

/* v where low < y < high, else 0. */
ANET_FORCE vf v_within(vf v, vf y, vf low, vf high)
{
  const __mmask16 above = _mm512_cmp_ps_mask((__m512)low, (__m512)y, _CMP_LT_OQ);
  return (vf)_mm512_maskz_mov_ps(
      _mm512_mask_cmp_ps_mask(above, (__m512)y, (__m512)high, _CMP_LT_OQ), (__m512)v);
}

static inline __mmask16 first(size_t n)
{
  return (__mmask16)((1u << n) - 1u);
}

ANET_FORCE vf v_load_n(const float *p, size_t n)
{
  return (vf)_mm512_maskz_loadu_ps(first(n), p);
}

ANET_FORCE void v_store_n(float *p, vf v, size_t n)
{
  _mm512_mask_storeu_ps(p, first(n), (__m512)v);
}

ANET_FORCE vi v_bytes(const uint8_t *p)
{
  return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}

#define ANET_ISA_HERE ANET_ISA_AVX512
#define ANET_TABLE anet__kernels_avx512
#include "kernel/simd.inc"
