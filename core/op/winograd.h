/* 3x3 convolutions of stride 1 by Winograd's tiles (kernel/winopoints.h): fewer multiplications
 * than a sweep, at the price of larger weights, transforms, and a rounding error some times as
 * large. */
#ifndef ANET_WINOGRAD_H
#define ANET_WINOGRAD_H

#include "op/sweep.h"

typedef struct anet__winograd {
  int32_t m;                 /* output pixels of a tile's side: 2 or 4 */
  anet__filter filter;       /* nine taps, one group */
  const float *packed;       /* by anet__winograd_pack */
  const float *in, *outside; /* outside: cin zeros */
  float *out;
  size_t out_ld; /* floats from a pixel to the next, of post.add too */
  int32_t images, pad[2]; /* pad: top, left */
  const anet_shape *in_shape, *out_shape;
  anet__post post;
  float *scratch; /* anet__winograd_scratch floats */
} anet__winograd;

/* Whether a convolution with these attributes can be done so. */
bool anet__winograd_fits(const anet_attr *attr);
size_t anet__winograd_floats(const anet__kernels *kernels, const anet__filter *filter, int32_t m);
void anet__winograd_pack(const anet__kernels *kernels, anet_pool *pool, const anet__filter *filter,
                         int32_t m, float *packed);
size_t anet__winograd_scratch(const anet__winograd *w, anet_pool *pool);
void anet__winograd_run(const anet__kernels *kernels, anet_pool *pool, const anet__winograd *w);

#endif
