/* identity, flatten, reshape: the same values, copied unless out is the input.
 * attr: dim (reshape). */
#include "base/error.h"
#include "op/work.h"

static void copy_forward(const anet__call *c)
{
  anet__copy(c, c->out, c->in[0], anet__total(c), false);
}

static void copy_backward(const anet__grad_call *g)
{
  if (g->din[0]) anet__copy(&g->call, g->din[0], g->dout, anet__total(&g->call), g->add[0]);
}

static int flatten_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  const size_t count = anet__shape_size(in);
  if (count > INT32_MAX)
    return anet_fail(ANET_SHAPE, "flatten: input %s has over %d elements",
                     anet__shape_text(in, text), INT32_MAX);
  *out = (anet_shape){1, {(int32_t)count}};
  return ANET_OK;
}

static int reshape_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char from[ANET_SHAPE_TEXT], to[ANET_SHAPE_TEXT];
  size_t count;
  *out = (anet_shape){0};
  while (out->rank < ANET_COUNT(a->dim) && a->dim[out->rank]) {
    out->dim[out->rank] = a->dim[out->rank];
    out->rank++;
  }
  if (!anet__shape_count(out, &count) || count != anet__shape_size(in))
    return anet_fail(ANET_SHAPE, "reshape: input %s has not as many elements as %s",
                     anet__shape_text(in, from), anet__shape_text(out, to));
  return ANET_OK;
}

#define COPYING(lower, rule)                                                                       \
  const anet__op anet__op_##lower = {.name = #lower,                                               \
                                     .min_inputs = 1,                                              \
                                     .max_inputs = 1,                                              \
                                     .in_place = true,                                             \
                                     .shape = rule,                                                \
                                     .forward = copy_forward,                                      \
                                     .backward = copy_backward};
COPYING(identity, anet__same_shape)
COPYING(flatten, flatten_shape)
COPYING(reshape, reshape_shape)
