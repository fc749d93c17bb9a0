/* Every op again in double, by naive loops over indices and nothing of the engine's: what forward
 * must give, and what gradients are measured on. */
#ifndef REF64_H
#define REF64_H

#include "op/op.h"

typedef struct ref64_call {
  anet__op_id op;
  const anet_attr *attr;
  int32_t n, inputs;
  const double *in[ANET_MAX_INPUTS], *param[ANET_MAX_PARAMS]; /* dense; NULL: absent */
  anet_shape in_shape[ANET_MAX_INPUTS], out_shape;
  double *out;
  bool training, frozen;
  uint64_t seed;
} ref64_call;

/* The ops that ONNX brings (ref64more.c); false: it is none of these. */
bool ref64_more(const ref64_call *call);
/* Bias included. */
void ref64_forward(const ref64_call *call);

#endif
