/* A depthwise convolution with the norm on its inner side, band by band: some lines of an image at
 * a time.
 *
 * Forward, the norm makes lines of the convolution's input just before they are read; backward,
 * that behind the convolution makes lines of its gradient. They go into a ring with zeros around
 * each line, so that windows need no borders. What the norm reads comes from memory once and what
 * lies between stays in the caches, as does the output until the next norm's sums have it. */
#ifndef ANET_BAND_H
#define ANET_BAND_H

#include "op/op.h"

/* Calls are of the same images. sums: of `measured`, which reads what the convolution writes. */
typedef struct anet__band {
  const anet__call *norm, *depthwise; /* the norm's out and the convolution's in are not there */
  const anet__call *measured;         /* or NULL */
  double *sums;
} anet__band;

typedef struct anet__band_grad {
  const anet__grad_call *norm,
      *depthwise; /* the norm's din and the convolution's dout are not there */
  const anet__call
      *again; /* a norm that makes the convolution's input again, or NULL: it is there */
  const anet__grad_call *measured; /* or NULL */
  double *sums;
} anet__band_grad;

/* Can the convolution be done so? Looks at attributes and shapes alone. */
bool anet__band_fits(const anet__call *depthwise);
/* Floats of the convolution's scratch. */
size_t anet__band_floats(const anet__call *depthwise, bool back);
void anet__band_forward(const anet__band *band);
void anet__band_backward(const anet__band_grad *band);

#endif
