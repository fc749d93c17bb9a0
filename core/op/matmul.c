/* matmul: (…, m, k) times (…, k, n), of 2 to 4 axes, all but the last two alike. Both are computed;
 * a product with constant weights is `linear` or `conv`. */
#include <string.h>

#include "base/error.h"
#include "op/work.h"

static int matmul_shape(const anet_attr *attr, const anet_shape *in, int32_t inputs,
                        anet_shape *out)
{
  char a[ANET_SHAPE_TEXT], b[ANET_SHAPE_TEXT];
  const int32_t rank = in[0].rank;
  bool fits = rank >= 2 && rank == in[1].rank && in[0].dim[rank - 1] == in[1].dim[rank - 2];
  for (int32_t i = 0; fits && i + 2 < rank; i++) fits = in[0].dim[i] == in[1].dim[i];
  if (!fits)
    return anet_fail(ANET_SHAPE, "matmul: inputs %s and %s do not fit", anet__shape_text(&in[0], a),
                     anet__shape_text(&in[1], b));
  *out = in[0];
  out->dim[rank - 1] = in[1].dim[rank - 1];
  return ANET_OK;
}

typedef struct sizes {
  size_t matrices, m, k, n;
} sizes;

static sizes sizes_of(const anet__call *c)
{
  const anet_shape *a = &c->in_shape[0], *y = &c->out_shape;
  sizes s = {.m = (size_t)a->dim[a->rank - 2],
             .k = (size_t)a->dim[a->rank - 1],
             .n = (size_t)y->dim[y->rank - 1]};
  s.matrices = anet__total(c) / s.m / s.n;
  return s;
}

/* Rows [begin, end) of all matrices. */
static void matmul_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const sizes s = sizes_of(c);
  for (size_t r = begin; r < end; r++) {
    const float *a = c->in[0] + r * s.k, *b = c->in[1] + r / s.m * s.k * s.n;
    float *y = c->out + r * s.n;
    memset(y, 0, s.n * sizeof *y);
    for (size_t k = 0; k < s.k; k++) c->kernels->axpy(y, a[k], b + k * s.n, s.n);
  }
}

static void grad_matrices(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const anet__kernels *kernels = g->call.kernels;
  const sizes s = sizes_of(&g->call);
  for (size_t i = begin; i < end; i++) {
    const float *a = g->call.in[0] + i * s.m * s.k, *b = g->call.in[1] + i * s.k * s.n;
    const float *dy = g->dout + i * s.m * s.n;
    float *da = g->din[0] ? g->din[0] + i * s.m * s.k : NULL;
    float *db = g->din[1] ? g->din[1] + i * s.k * s.n : NULL;
    if (da && !g->add[0]) memset(da, 0, s.m * s.k * sizeof *da);
    if (db && !g->add[1]) memset(db, 0, s.k * s.n * sizeof *db);
    for (size_t m = 0; m < s.m; m++)
      for (size_t k = 0; k < s.k; k++) {
        if (da) da[m * s.k + k] += (float)kernels->dot(dy + m * s.n, b + k * s.n, s.n);
        if (db) kernels->axpy(db + k * s.n, a[m * s.k + k], dy + m * s.n, s.n);
      }
  }
}

static void matmul_forward(const anet__call *c)
{
  const sizes s = sizes_of(c);
  anet__split(c->pool, s.matrices * s.m, s.k * s.n / 8 + 1, matmul_rows, c);
}

static void matmul_backward(const anet__grad_call *g)
{
  const sizes s = sizes_of(&g->call);
  anet__split(g->call.pool, s.matrices, s.m * s.k * s.n / 4 + 1, grad_matrices, g);
}

static double matmul_macs(const anet_attr *a, const anet_shape *in, const anet_shape *out)
{
  return (double)anet__shape_size(&in[0]) * out->dim[out->rank - 1];
}

const anet__op anet__op_matmul = {
    .name = "matmul",
    .min_inputs = 2,
    .max_inputs = 2,
    .grad_needs_in = true,
    .shape = matmul_shape,
    .forward = matmul_forward,
    .backward = matmul_backward,
    .macs = matmul_macs,
};
