/* Bytes on plain NEON: one product a lane, in 16 bits. */
#include "kernel/neon.inc"

#include "kernel/int8.h"

enum { INT8_GROUP = 1, INT8_OFFSET = 0 };
#define ANET_INT8_TILES(X, v) ANET_UP_TO_8(X, v)

typedef struct int8_x {
  vi v[4];
} int8_x;

/* What counts is the lower half of each vector, four 16-bit integers. */
ANET_FORCE vi half(int16x4_t v)
{
  return (vi)vcombine_s16(v, v);
}

ANET_FORCE int16x4_t half_of(vi v)
{
  return vget_low_s16(vreinterpretq_s16_s32((int32x4_t)v));
}

ANET_FORCE int8_x v_four(const uint8_t *p)
{
  return (int8_x){{half(vdup_n_s16(p[0])), half(vdup_n_s16(p[1])), half(vdup_n_s16(p[2])),
                   half(vdup_n_s16(p[3]))}};
}

ANET_FORCE vi v_weights(const int8_t *w)
{
  int32_t four;
  memcpy(&four, w, sizeof four);
  return (vi)vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
}

ANET_FORCE vi v_dot(vi sum, vi x, vi w)
{
  return (vi)vmlal_s16((int32x4_t)sum, half_of(x), half_of(w));
}

#include "kernel/neon_bytes.inc"
#include "kernel/int8.inc"

INT8_TABLE(anet__int8_neon, "neon", plain)
