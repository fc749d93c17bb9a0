/* One op, set up to run: what to run it on, and the buffers. For tests of ops. */
#ifndef OPCASE_H
#define OPCASE_H

#include "op/op.h"

typedef struct op_case {
  const char *op;
  anet_attr attr; /* zeros get their defaults */
  int32_t n, inputs;
  anet_shape in[ANET_MAX_INPUTS];
  bool training, frozen;
} op_case;

/* All that a run owns. Invariants: every buffer has exactly the size the op asked for and outputs,
 * gradients for data, saved and scratch start as NaN, so that whatever an op forgets shows. */
typedef struct op_run {
  anet__op_id id;
  const anet__op *op;
  anet_attr attr;
  anet__grad_call grad;
  anet_tensor *param[ANET_MAX_PARAMS];
  anet__param_spec spec[ANET_MAX_PARAMS];
  int32_t params;
  size_t in_count[ANET_MAX_INPUTS], out_count, param_count[ANET_MAX_PARAMS]; /* of all images */
  float *in[ANET_MAX_INPUTS], *out, *dout;
  size_t saved_bytes, scratch_bytes;
} op_run;

/* Random inputs, parameters and dout from `seed`: the same for any pool and kernels. */
int op_run_new(const op_case *what, double seed, const anet__kernels *kernels, anet_pool *pool,
               op_run *run);
int op_run_method(op_run *run, anet__method method); /* how it runs from now on */
void op_run_free(op_run *run);
void op_run_forward(op_run *run);
void op_run_backward(op_run *run); /* fills scratch with NaN first */
/* A normal number as an input that the op can be tested on: roots, logarithms and quotients want
 * numbers above 0, and what compares or chooses wants some that are equal. */
float op_case_input(const char *op, float normal);
bool op_case_positive(const char *op);
void op_fill_nan(void *memory, size_t bytes);
/* "conv kernel 3x3 stride 2x2 … in (5, 6, 3) n 2", for messages; text: 256 bytes. */
const char *op_case_text(const op_case *what, char *text);

#endif
