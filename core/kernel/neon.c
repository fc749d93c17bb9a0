/* AArch64's Advanced SIMD: 32 registers of 4 floats. */
#include <arm_neon.h>

#define ANET_LANES 4
#include "kernel/vec.inc"

/* clang-format off
 * X(rows): the heights of a convolution's register tile, tallest first; the last is 1. */
#define ANET_TILES_2(X) X(12) X(6) X(4) X(2) X(1)
#define ANET_TILES_1(X) X(12) X(6) X(4) X(2) X(1)
/* clang-format on */
enum {
  DEPTH_2 = 1, /* input channels a turn of the inner loop, tiles 2 vectors wide */
  DEPTH_1 = 2, /* and 1 vector wide */
  GRAD_2 = 8,  /* input channels of the gradient's tile, 2 vectors wide */
  GRAD_1 = 16, /* and 1 vector wide */
  DEPTHWISE_ROWS = 4,
  DEPTHWISE_WIDE = 2, /* vectors of the 3 x 3 tile, all weights in registers */
  DEPTHWISE_TAPS = 9, /* of the gradient's tile */
  STRIP = 4           /* vectors of channels that pass over rows at a time */
};

ANET_FORCE vf v_fma(vf a, vf b, vf c)
{
  return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}

ANET_FORCE vf v_max(vf a, vf b)
{
  return (vf)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
}

ANET_FORCE vf v_min(vf a, vf b)
{
  return (vf)vminq_f32((float32x4_t)a, (float32x4_t)b);
}

ANET_FORCE vf v_sqrt(vf a)
{
  return (vf)vsqrtq_f32((float32x4_t)a);
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
  return (vi){p[0], p[1], p[2], p[3]};
}

#define ANET_ISA_HERE ANET_ISA_NEON
#define ANET_TABLE anet__kernels_neon
#include "kernel/simd.inc"
