/* Scaling images of bytes with a triangle filter: bilinear, and widened when shrinking so that
 * every source pixel counts. Rows and columns apart, one output row at a time. */
#ifndef ANET_RESAMPLE_H
#define ANET_RESAMPLE_H

#include "base/compiler.h"

/* Output place i is the sum over t < taps of weight[i][t] * source[first[i] + t]; weights sum to
 * 1, and every first[i] + t is inside the source. */
typedef struct anet__filter {
  int32_t in, out, taps;
  int32_t *first; /* (out), owned */
  float *weight;  /* (out, taps), owned */
} anet__filter;

/* From one size to another; immutable, so that threads may share it. */
typedef struct anet__resampler {
  int32_t channels;
  anet__filter rows, columns;
} anet__resampler;

/* ANET_RANGE: a size is not positive. On failure *out needs no free, and may have one. */
int anet__resampler_new(const int32_t from[2], const int32_t to[2], int32_t channels,
                        anet__resampler *out); /* sizes: (height, width) */
void anet__resampler_free(anet__resampler *resampler);
size_t anet__resampler_scratch(const anet__resampler *resampler); /* floats that a run needs */
/* in: rows of in_stride bytes; out: dense. */
void anet__resampler_run(const anet__resampler *resampler, const uint8_t *in, int64_t in_stride,
                         float *scratch, uint8_t *out);

#endif
