/* Convolutions and linear layers whose input is bytes: what a plan runs instead of an op that reads a `quantize`.
 *
 * A byte u of a value that was quantised to [low, high] stands for (u - zero) / levels. Weights are rounded to 255
 * levels a channel of output, w = scale[c] * k, |k| <= 127, when they are packed; channels are independent, so a norm
 * that is folded into the epilogue changes nothing (as in Jacob et al. 2018, section 3, but per channel). */
#ifndef ANET_BYTES_H
#define ANET_BYTES_H

#include "op/op.h"

typedef struct anet__levels {
  float levels; /* a unit */
  float zero;   /* the level of 0: a whole number, 0 .. 255 */
} anet__levels;
anet__levels anet__levels_of(const anet_attr *quantize);

/* Whether an op can read `in` as bytes: conv without groups, depthwise, linear, where sums of products fit 32 bits. */
bool anet__bytes_reads(anet__op_id op, const anet_attr *attr, const anet_shape *in);
/* Weights as packing rounds them, dense, into `to` (of the tensor's size). */
void anet__bytes_round(const anet_tensor *weight, float *to);
/* Its forward, scratch, pack_size and pack; call->bytes.in is set. */
extern const anet__op anet__op_bytes;
/* Of what `pack` wrote, a channel of output: the scale of its weights, and what its sum of products is when each byte is
 * `zero`. */
const float *anet__bytes_scale(const float *packed);
float anet__bytes_rest(const anet__call *call, const float *packed, int32_t channel, float zero);

#endif
