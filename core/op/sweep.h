/* Convolution as a sweep over output pixels, for conv, depthwise, linear and their gradients. */
#ifndef ANET_SWEEP_H
#define ANET_SWEEP_H

#include "op/taps.h"

/* Weights in any order of axes: w[group * ld_group + t * ld_tap + i * ld_in + o * ld_out]. */
typedef struct anet__filter {
  const float *w;
  int32_t taps, cin, cout, groups; /* cin, cout: of one group */
  size_t ld_tap, ld_in, ld_out, ld_group;
} anet__filter;

/* The filters of the ops of those names (conv.c, depthwise.c). */
anet__filter anet__conv_filter(const anet__call *call);
anet__filter anet__depthwise_filter(const anet__call *call);

/* Packed weights: for each group, blocks of so many output channels, each as conv_pack lays it out.
 * Workers share an image by rows where it has many, else by blocks. */
size_t anet__filter_floats(const anet__kernels *kernels, const anet__filter *filter);
void anet__filter_pack(const anet__kernels *kernels, anet_pool *pool, const anet__filter *filter,
                       float *packed);

/* Output channels that can be asked of conv by themselves, from a multiple of so many on, and where their packed
 * weights start (groups 1). */
int32_t anet__filter_panel(const anet__kernels *kernels);
size_t anet__filter_offset(const anet__kernels *kernels, const anet__filter *filter, int32_t channel);

/* Output pixel (image, y, x) lies at out + image * ld_image + y * ld_line + x * ld_pixel, its
 * channels (groups, cout) side by side. post.add: rows of pixels where the output has no gaps,
 * else it must be `out`. */
typedef struct anet__sweep {
  const anet__kernels *kernels;
  anet__filter filter; /* depthwise: cin 1, cout the channels, ld_out 1 */
  const float *packed; /* conv */
  anet__taps taps;     /* of the first group */
  int32_t images;
  float *out;
  size_t ld_image, ld_line, ld_pixel;
  anet__post post;
} anet__sweep;

/* out with pixels so many floats apart; or without gaps between them. */
void anet__sweep_even(anet__sweep *sweep, float *out, size_t ld_pixel);
void anet__sweep_dense(anet__sweep *sweep, float *out);
void anet__sweep_conv(anet_pool *pool, const anet__sweep *sweep);
void anet__sweep_depthwise(anet_pool *pool, const anet__sweep *sweep);

/* dw += gradient for weights: (taps, cin, groups * cout), or (taps, cout) for depthwise. dy has no
 * gaps. Rows go in chunks that depend on the shapes alone, the first of which adds to dw itself. */
typedef struct anet__filter_grad {
  const anet__kernels *kernels;
  anet__taps taps; /* over the input */
  int32_t images, cin, cout, groups;
  bool depthwise; /* cin 1, groups 1, cout the channels */
  const float *dy;
  float *dw;
  float *partial; /* anet__filter_grad_floats */
  int32_t slices; /* of output channels; set by the run */
} anet__filter_grad;

size_t anet__filter_grad_floats(const anet__filter_grad *grad);
void anet__filter_grad_run(anet_pool *pool, const anet__filter_grad *grad);

/* db[c] += sum over rows of dy. partial: anet__sums_floats. */
void anet__bias_grad(const anet__call *call, const float *dy, size_t rows, int32_t channels,
                     double *partial, float *db);

#endif
