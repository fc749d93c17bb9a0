/* What ops share: splitting work over the pool, laying out scratch, checking shapes. */
#ifndef ANET_WORK_H
#define ANET_WORK_H

#include "op/op.h"

/* Does items [begin, end) of some work; the result must not depend on where it is cut. */
typedef void (*anet__body)(const void *context, size_t begin, size_t end);

/* Run body over items 0 .. count-1, cut into a part a worker, or fewer when it is too little work
 * to share. cost: of one item, in floats moved (or eight multiply-adds). */
void anet__split(anet_pool *pool, size_t count, size_t cost, anet__body body, const void *context);

/* Scratch is laid out in floats: the offset of the next piece, on a boundary of ANET_ALIGN. */
size_t anet__take(size_t *used, size_t floats);

/* Sums over rows go in chunks that depend on the rows alone and are added in order, so they are the
 * same for any number of threads. */
int32_t anet__chunks(size_t rows);
void anet__chunk(size_t rows, int32_t chunks, size_t index, size_t *begin, size_t *end);

/* Per channel, over rows (rows, channels), in double. With square: sum = x, square = x * x. With dot:
 * what norm_sums gives for the gradient of a norm. */
typedef enum anet__sum_kind { ANET_SUM_PLAIN, ANET_SUM_SQUARE, ANET_SUM_DOT } anet__sum_kind;
typedef struct anet__sums {
  const anet__kernels *kernels;
  anet__sum_kind kind;
  const float *x;
  const anet__norm_args *norm; /* ANET_SUM_DOT, in place of x; all but rows and channels is set */
  size_t rows;
  int32_t channels;
  double *partial; /* (chunks, 2, channels); afterwards the first chunk's hold the sums */
} anet__sums;
size_t anet__sums_floats(size_t rows, int32_t channels); /* of scratch that partial needs */
void anet__sums_run(anet_pool *pool, const anet__sums *sums);

/* to = from, or to += from, over the pool; nothing when they are the same memory. */
void anet__copy(const anet__call *call, float *to, const float *from, size_t count, bool add);

/* Checks; they name the op. */
int anet__want_image(const char *op, const anet_shape *in); /* (height, width, channels) */
/* Numbers of a window: at least 1, or 0 of padding, and none that overflows. */
int anet__window_check(const char *op, const anet_attr *attr);
/* Shape of a window that slides over an image: conv, depthwise, pools. */
int anet__window_shape(const char *op, const anet_attr *attr, const anet_shape *in,
                       int32_t channels, anet_shape *out);
int anet__same_shape(const anet_attr *attr, const anet_shape *in, int32_t inputs, anet_shape *out);

static inline int32_t anet__channels(const anet_shape *s)
{
  return s->dim[s->rank - 1];
}

/* Pixels of one image: elements over channels. */
static inline size_t anet__pixels(const anet_shape *s)
{
  size_t n = 1;
  for (int32_t i = 0; i + 1 < s->rank; i++) n *= (size_t)s->dim[i];
  return n;
}

/* Elements of all images of a call's output. */
static inline size_t anet__total(const anet__call *call)
{
  return (size_t)call->n * anet__shape_size(&call->out_shape);
}

#endif
