/* Loss terms: a value and its gradient at one output. */
#ifndef ANET_LOSS_H
#define ANET_LOSS_H

#include "op/op.h"

/* A term bound to an output. Rows are the output's last axis: one an image for a classifier. */
typedef struct anet__loss_call {
  const anet_loss *term;
  const anet__kernels *kernels;
  anet_pool *pool;
  int32_t n;                   /* images */
  anet_shape shape;            /* of the output */
  const float *value, *target; /* (n, shape) */
  float *grad;                 /* (n, shape), or NULL: not wanted */
  bool add;                    /* grad += instead of = */
  float *scratch;              /* anet__loss_scratch(shape) bytes */
} anet__loss_call;

/* ANET_RANGE names the term's number and what is wrong with it. */
int anet__loss_check(const anet_loss *term, int32_t number, int32_t outputs);
size_t anet__loss_scratch(const anet_shape *shape);
/* *loss += weight * term, *correct (may be NULL) += images whose largest entry is the target's. The
 * same bits for any number of threads. */
void anet__loss_run(const anet__loss_call *call, double *loss, double *correct);

#endif
