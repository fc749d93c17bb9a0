/* The gradient for data of a strided window, phase by phase.
 *
 * Input pixel y is read by tap k of output pixel (y + pad - k * dilation) / stride where that is
 * whole. So the pixels y = start + j * stride of one phase share their taps first, first + skip, …
 * and see the gradient through a window of their own, with stride 1: no tap is visited in vain. Pixels
 * of phases without taps get none. */
#ifndef ANET_PHASE_H
#define ANET_PHASE_H

#include "op/sweep.h"
#include "op/winograd.h"

typedef struct anet__phase_axis {
  int32_t start, count;      /* pixels start + j * stride, j < count */
  int32_t first, skip, taps; /* taps first + m * skip, m < taps */
  int32_t offset, step;      /* pixel j, tap m: output pixel j + offset + m * step */
} anet__phase_axis;

/* Phase p < min(stride[i], size), size: the input's. */
anet__phase_axis anet__phase_axis_at(const anet_attr *attr, int32_t i, int32_t size, int32_t p);

/* din = (add ? din : 0) + the gradient. weight (kernel, cin, groups * cout) is a window of which
 * the last axis is dense; depthwise: (kernel, channels), cin = 1, groups = 1. */
typedef struct anet__data_grad {
  const anet__call *call;
  const float *weight;
  size_t ld_tap, ld_in;
  int32_t cin, cout, groups;
  bool depthwise;
  int32_t tile;   /* side of a Winograd tile, 0: a sweep */
  const float *dout;
  float *din;
  bool add;
  float *outside;      /* scratch: (cout) */
  float *scratch;      /* anet__data_grad_scratch floats */
  const float *packed; /* by anet__data_grad_pack */
} anet__data_grad;

/* Can it be done by Winograd's tiles? */
bool anet__data_grad_tiles(const anet_attr *attr);
size_t anet__data_grad_scratch(const anet__data_grad *grad);
/* The weights as the run reads them: anet__data_grad_packed floats, with anet__data_grad_gather
 * floats of scratch. */
size_t anet__data_grad_gather(const anet__data_grad *grad);
size_t anet__data_grad_packed(const anet__data_grad *grad);
void anet__data_grad_pack(const anet__data_grad *grad, float *gather, float *packed);
void anet__data_grad_run(const anet__data_grad *grad);

#endif
