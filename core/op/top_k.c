/* top_k: the attr.size largest of each line along attr.axis (counted from the last, 0 = channels),
 * in their order; the first of equals comes first. attr: axis, size, begin (ANET_TOP_SMALLEST: the
 * smallest), mode (ANET_TOP_PLACES: their places along the axis instead of their values). A NaN is
 * beyond all numbers. */
#include <string.h>

#include "base/error.h"
#include "op/work.h"

static int top_k_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  if (a->axis < 0 || a->axis >= in->rank)
    return anet_fail(ANET_RANGE, "top_k: axis %d (counted from the last) is not one of input %s",
                     a->axis, anet__shape_text(in, text));
  const int32_t at = in->rank - 1 - a->axis;
  if (a->size < 1 || a->size > in->dim[at])
    return anet_fail(ANET_RANGE, "top_k: there are no %d of %d, of input %s", a->size, in->dim[at],
                     anet__shape_text(in, text));
  if (a->mode < 0 || a->mode > ANET_TOP_PLACES || a->begin < 0 || a->begin > ANET_TOP_SMALLEST)
    return anet_fail(ANET_RANGE, "top_k: mode %d or begin %d is not 0 or 1", a->mode, a->begin);
  *out = *in;
  out->dim[at] = a->size;
  return ANET_OK;
}

/* The input as (outer, count, inner), the output (outer, keep, inner). */
typedef struct view {
  size_t outer, count, inner, keep;
  bool smallest;
} view;

static view view_of(const anet__call *c)
{
  const anet_shape *s = &c->in_shape[0];
  view v = {.count = (size_t)s->dim[s->rank - 1 - c->attr->axis],
            .inner = 1,
            .keep = (size_t)c->attr->size,
            .smallest = c->attr->begin == ANET_TOP_SMALLEST};
  for (int32_t i = s->rank - c->attr->axis; i < s->rank; i++) v.inner *= (size_t)s->dim[i];
  v.outer = (size_t)c->n * anet__shape_size(s) / v.count / v.inner;
  return v;
}

static bool beats(float a, float b, bool smallest)
{
  return (smallest ? a < b : a > b) || (a != a && b == b);
}

/* Places of one line, whose elements are `inner` apart, by insertion: most are refused by the last
 * one kept. Places are whole numbers below 2^24, which floats hold. */
static void rank_line(const view *v, const float *x, float *place)
{
  size_t held = 0;
  for (size_t k = 0; k < v->count; k++) {
    const float value = x[k * v->inner];
    size_t at = held;
    while (at > 0 && beats(value, x[(size_t)place[(at - 1) * v->inner] * v->inner], v->smallest))
      at--;
    if (at == v->keep) continue;
    held += held < v->keep;
    for (size_t i = held - 1; i > at; i--) place[i * v->inner] = place[(i - 1) * v->inner];
    place[at * v->inner] = (float)k;
  }
}

static void rank_lines(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const view v = view_of(c);
  for (size_t l = begin; l < end; l++) {
    const float *x = c->in[0] + l / v.inner * v.count * v.inner + l % v.inner;
    float *to = c->out + l / v.inner * v.keep * v.inner + l % v.inner;
    rank_line(&v, x, to);
    for (size_t k = 0; c->attr->mode == ANET_TOP_VALUES && k < v.keep; k++)
      to[k * v.inner] = x[(size_t)to[k * v.inner] * v.inner];
  }
}

static void top_k_forward(const anet__call *c)
{
  const view v = view_of(c);
  anet__split(c->pool, v.outer * v.inner, 4 * v.count, rank_lines, c);
}

/* A value's gradient goes to where it stood; places are found again, in scratch. */
static void grad_lines(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const anet__call *c = &g->call;
  const view v = view_of(c);
  for (size_t l = begin; l < end; l++) {
    const size_t from = l / v.inner * v.count * v.inner + l % v.inner;
    const size_t at = l / v.inner * v.keep * v.inner + l % v.inner;
    float *place = (float *)c->scratch + at, *dx = g->din[0] + from;
    for (size_t k = 0; !g->add[0] && k < v.count; k++) dx[k * v.inner] = 0;
    if (c->attr->mode == ANET_TOP_PLACES) continue;
    rank_line(&v, c->in[0] + from, place);
    for (size_t k = 0; k < v.keep; k++)
      dx[(size_t)place[k * v.inner] * v.inner] += g->dout[at + k * v.inner];
  }
}

static void top_k_backward(const anet__grad_call *g)
{
  const view v = view_of(&g->call);
  if (g->din[0]) anet__split(g->call.pool, v.outer * v.inner, 8 * v.count, grad_lines, g);
}

static size_t top_k_scratch(const anet__call *c, bool training)
{
  return training ? anet__total(c) * sizeof(float) : 0;
}

const anet__op anet__op_top_k = {
    .name = "top_k",
    .min_inputs = 1,
    .max_inputs = 1,
    .grad_needs_in = true,
    .shape = top_k_shape,
    .forward = top_k_forward,
    .backward = top_k_backward,
    .scratch = top_k_scratch,
};
