/* Bytes on NEON with dot products (Armv8.2): four products a lane and instruction. They are of signed
 * bytes: 128 is taken from activations. */
#include "kernel/neon.inc"

#include "kernel/int8.h"

enum { INT8_GROUP = 4, INT8_OFFSET = 128 };
#define ANET_INT8_TILES(X, v) ANET_UP_TO_12(X, v)

typedef struct int8_x {
  vi v[1];
} int8_x;

ANET_FORCE int8_x v_four(const uint8_t *p)
{
  uint32_t four;
  memcpy(&four, p, sizeof four);
  return (int8_x){{(vi)vdupq_n_u32(four ^ 0x80808080u)}};
}

ANET_FORCE vi v_weights(const int8_t *w)
{
  return (vi)vld1q_s8(w);
}

ANET_FORCE vi v_dot(vi sum, vi x, vi w)
{
  return (vi)vdotq_s32((int32x4_t)sum, (int8x16_t)w, (int8x16_t)x);
}

#include "kernel/neon_bytes.inc"
#include "kernel/int8.inc"

INT8_TABLE(anet__int8_dot, "neon dot", plain)
