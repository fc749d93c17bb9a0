/* Which pixels a sliding window reads, as the pointers that the kernels take.
 *
 * In each direction, tap k of output pixel o reads input pixel o * stride + offset + k * step, and
 * `outside` where that is none. A convolution has offset = -padding, step = dilation; its gradient
 * for data is the same with other numbers (phase.h). */
#ifndef ANET_TAPS_H
#define ANET_TAPS_H

#include "op/op.h"

/* Pointers filled at a time: they stay in the first-level cache, and a kernel has at most so many.
 */
enum { ANET_TAP_ROOM = 2048 };

typedef struct anet__taps {
  const float *base;                /* images, each (in[0], in[1]) pixels */
  const float *outside;             /* what padding reads; NULL for pools */
  size_t pixel;                     /* floats from one pixel to the next */
  int32_t in[2], out[2], kernel[2]; /* (rows, columns) */
  int32_t stride[2], offset[2], step[2];
} anet__taps;

/* The window of `attr` from images of shape `in` to images of shape `out`. */
anet__taps anet__taps_window(const anet_attr *attr, const anet_shape *in, const anet_shape *out);
/* One tap a row: row r reads row r. */
anet__taps anet__taps_rows(int32_t channels);
bool anet__taps_padded(const anet_attr *attr);

static inline int32_t anet__taps_count(const anet__taps *t)
{
  return t->kernel[0] * t->kernel[1];
}

/* How many output pixels the pointers fit. */
static inline size_t anet__taps_fit(const anet__taps *t)
{
  return (size_t)(ANET_TAP_ROOM / ANET_MAX(anet__taps_count(t), 1));
}

/* Pointers (rows, taps) of output pixels first .. first+rows-1, counted over all images. */
void anet__taps_fill(const anet__taps *t, size_t first, size_t rows, const float **tap);

/* Pixels that lie a multiple of a page apart share one set of the first-level cache, and a register
 * tile of many `rows` of them drives itself out of it. Such a window is given a copy of its images,
 * or of the pixels that it reads where it has one tap, with room between pixels. Floats of that
 * copy, 0 where none is needed. */
size_t anet__taps_spread_floats(const anet__taps *t, int32_t images, int32_t rows);
/* Fills the copy and makes the window read it. */
void anet__taps_spread(anet_pool *pool, anet__taps *t, int32_t images, int32_t rows, float *copy);

/* With few channels, the taps of a line are one tap with the channels of all: they lie side by
 * side, and packed weights do as well, if they are dense. For that, lines need their padding in
 * them: a copy of the images, of so many floats; 0 where there is none. `outside` then has to have
 * kernel[1] pixels. */
bool anet__taps_joins(const anet__taps *t);
size_t anet__taps_join_floats(const anet__taps *t, int32_t images);
void anet__taps_join(anet_pool *pool, anet__taps *t, int32_t images, float *copy);

#endif
