/* Loss terms: a value and its gradient at one output. */
#ifndef ANET_LOSS_H
#define ANET_LOSS_H

#include "graph/answers.h"

/* A term bound to an output. Those of answers work on rows of logits, those of features on all
 * numbers alike. */
typedef struct anet__loss_call {
  const anet_loss *term;
  const anet_answers *answers; /* of the output */
  const anet__kernels *kernels;
  anet_pool *pool;
  int32_t n;           /* images */
  size_t size;         /* numbers an image */
  const float *value;  /* (n, size): logits, or the output of a feature */
  const float *target; /* (n, size): labels, the teacher's output, or the feature */
  float *grad;         /* (n, size), or NULL: not wanted */
  bool add;            /* grad += instead of = */
  float *scratch;      /* anet__loss_scratch bytes */
} anet__loss_call;

/* ANET_RANGE names the term's number and what is wrong with it. */
int anet__loss_check(const anet_loss *term, int32_t number, int32_t outputs);
/* ANET_SHAPE: its target has other numbers an image than the output of that shape. */
int anet__loss_fits(const anet_loss *term, int32_t number, const anet_shape *output);
size_t anet__loss_scratch(const anet_answers *answers);
/* *loss += weight * term, *correct (may be NULL) += images whose largest entry is the target's. The
 * same bits for any number of threads. */
void anet__loss_run(const anet__loss_call *call, double *loss, double *correct);

#endif
