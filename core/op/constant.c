/* constant: values that depend on no input, the same for every image; they may learn.
 * attr: dim (the shape). Parameter: value. */
#include <string.h>

#include "base/error.h"
#include "op/work.h"

static int constant_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  size_t count;
  *out = (anet_shape){0};
  while (out->rank < ANET_COUNT(a->dim) && a->dim[out->rank]) {
    out->dim[out->rank] = a->dim[out->rank];
    out->rank++;
  }
  if (out->rank && anet__shape_count(out, &count)) return ANET_OK;
  return anet_fail(ANET_SHAPE, "constant: there is no shape %s", anet__shape_text(out, text));
}

static int constant_params(const anet_attr *a, const anet_shape *in, anet__param_spec *spec,
                           int32_t *count)
{
  spec[0] = (anet__param_spec){.name = "value", .role = ANET_PARAM_BIAS};
  ANET_TRY(constant_shape(a, in, 0, &spec[0].shape));
  *count = 1;
  return ANET_OK;
}

/* A window's rows lie apart: element by element, the last axis in runs. */
static void constant_forward(const anet__call *c)
{
  const anet_tensor *value = c->param[0];
  const anet_shape *s = &value->shape;
  const size_t run = (size_t)anet__channels(s), rows = anet__pixels(s);
  for (size_t r = 0; r < rows; r++) {
    int64_t at = 0;
    for (size_t i = r, d = (size_t)s->rank - 1; d-- > 0; i /= (size_t)s->dim[d])
      at += (int64_t)(i % (size_t)s->dim[d]) * value->stride[d];
    memcpy(c->out + r * run, anet__f32(value) + at, run * sizeof *c->out);
  }
  for (int32_t n = 1; n < c->n; n++)
    memcpy(c->out + (size_t)n * rows * run, c->out, rows * run * sizeof *c->out);
}

static void constant_backward(const anet__grad_call *g)
{
  const size_t size = anet__shape_size(&g->call.out_shape);
  for (int32_t n = 0; g->dparam[0] && n < g->call.n; n++)
    g->call.kernels->add(g->dparam[0], g->dparam[0], g->dout + (size_t)n * size, size);
}

const anet__op anet__op_constant = {
    .name = "constant",
    .shape = constant_shape,
    .params = constant_params,
    .forward = constant_forward,
    .backward = constant_backward,
};
