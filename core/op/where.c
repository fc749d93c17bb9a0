/* where: element by element in[1] where in[0] is not 0, else in[2]; all of one shape. */
#include "base/error.h"
#include "op/work.h"

enum { COST = 4 };

static int where_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char text[3][ANET_SHAPE_TEXT];
  if (!anet__shape_equal(&in[0], &in[1]) || !anet__shape_equal(&in[0], &in[2]))
    return anet_fail(ANET_SHAPE, "where: inputs %s, %s and %s differ",
                     anet__shape_text(&in[0], text[0]), anet__shape_text(&in[1], text[1]),
                     anet__shape_text(&in[2], text[2]));
  *out = in[0];
  return ANET_OK;
}

static void choose_run(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  for (size_t i = begin; i < end; i++) c->out[i] = c->in[0][i] != 0 ? c->in[1][i] : c->in[2][i];
}

static void where_forward(const anet__call *c)
{
  anet__split(c->pool, anet__total(c), COST, choose_run, c);
}

/* The choice itself has no slope. */
static void grad_run(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  for (int32_t k = 0; k < 3; k++) {
    float *to = g->din[k];
    for (size_t i = begin; to && i < end; i++) {
      const bool chosen = k > 0 && (g->call.in[0][i] != 0) == (k == 1);
      const float v = chosen ? g->dout[i] : 0.0F;
      to[i] = g->add[k] ? to[i] + v : v;
    }
  }
}

static void where_backward(const anet__grad_call *g)
{
  anet__split(g->call.pool, anet__total(&g->call), 3 * COST, grad_run, g);
}

const anet__op anet__op_where = {
    .name = "where",
    .min_inputs = 3,
    .max_inputs = 3,
    .grad_needs_in = true,
    .shape = where_shape,
    .forward = where_forward,
    .backward = where_backward,
};
