/* reduce_mean, reduce_sum, reduce_max, reduce_prod: over attr.axis, counted from the last (0 =
 * channels), which goes; of a single axis one value is left. The gradient of a maximum goes to the
 * first of equals. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "op/work.h"

enum { LINES = 16 }; /* summed at a time: what a line has in cache is used by its neighbours */

static int reduce_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  if (a->axis < 0 || a->axis >= in->rank)
    return anet_fail(ANET_RANGE, "reduce: axis %d (counted from the last) is not one of input %s",
                     a->axis, anet__shape_text(in, text));
  *out = (anet_shape){0};
  for (int32_t i = 0; i < in->rank; i++)
    if (i != in->rank - 1 - a->axis) out->dim[out->rank++] = in->dim[i];
  if (out->rank == 0) *out = (anet_shape){1, {1}};
  return ANET_OK;
}

/* The input as (outer, count, inner); the output is (outer, inner). */
typedef struct view {
  size_t outer, count, inner;
} view;

static view view_of(const anet__call *c)
{
  const anet_shape *s = &c->in_shape[0];
  view v = {.count = (size_t)s->dim[s->rank - 1 - c->attr->axis], .inner = 1};
  for (int32_t i = s->rank - c->attr->axis; i < s->rank; i++) v.inner *= (size_t)s->dim[i];
  v.outer = (size_t)c->n * anet__shape_size(s) / v.count / v.inner;
  return v;
}

/* Sums of `n` lines that lie side by side, and times `share`. */
static inline void sum_lines(const float *from, const view *v, size_t n, double share, float *to)
{
  double sum[LINES] = {0};
  for (size_t k = 0; k < v->count; k++)
    for (size_t i = 0; i < n; i++) sum[i] += (double)from[k * v->inner + i];
  for (size_t i = 0; i < n; i++) to[i] = (float)(sum[i] * share);
}

static void sum_rows(const anet__call *c, size_t begin, size_t end, float share)
{
  const view v = view_of(c);
  for (size_t o = begin; o < end; o++) {
    const float *from = c->in[0] + o * v.count * v.inner;
    float *to = c->out + o * v.inner;
    size_t i = 0;
    for (; i + LINES <= v.inner; i += LINES) sum_lines(from + i, &v, LINES, (double)share, to + i);
    sum_lines(from + i, &v, v.inner - i, (double)share, to + i);
  }
}

static void reduce_mean_rows(const void *context, size_t begin, size_t end)
{
  sum_rows(context, begin, end, 1.0F / (float)view_of(context).count);
}

static void reduce_sum_rows(const void *context, size_t begin, size_t end)
{
  sum_rows(context, begin, end, 1.0F);
}

static void reduce_max_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const view v = view_of(c);
  for (size_t o = begin; o < end; o++) {
    const float *from = c->in[0] + o * v.count * v.inner;
    float *to = c->out + o * v.inner;
    memcpy(to, from, v.inner * sizeof *to);
    for (size_t k = 1; k < v.count; k++)
      for (size_t i = 0; i < v.inner; i++) to[i] = ANET_MAX(to[i], from[k * v.inner + i]);
  }
}

static void reduce_prod_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const view v = view_of(c);
  for (size_t o = begin; o < end; o++)
    for (size_t i = 0; i < v.inner; i++) {
      const float *from = c->in[0] + o * v.count * v.inner + i;
      double product = 1;
      for (size_t k = 0; k < v.count; k++) product *= (double)from[k * v.inner];
      c->out[o * v.inner + i] = (float)product;
    }
}

static void spread_rows(const anet__grad_call *g, size_t begin, size_t end, float share)
{
  const view v = view_of(&g->call);
  for (size_t o = begin; o < end; o++)
    for (size_t k = 0; k < v.count; k++) {
      float *to = g->din[0] + (o * v.count + k) * v.inner;
      if (!g->add[0]) memset(to, 0, v.inner * sizeof *to);
      g->call.kernels->axpy(to, share, g->dout + o * v.inner, v.inner);
    }
}

static void reduce_mean_grad(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  spread_rows(g, begin, end, 1.0F / (float)view_of(&g->call).count);
}

static void reduce_sum_grad(const void *context, size_t begin, size_t end)
{
  spread_rows(context, begin, end, 1.0F);
}

static void reduce_max_grad(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const view v = view_of(&g->call);
  for (size_t o = begin; o < end; o++) {
    const float *x = g->call.in[0] + o * v.count * v.inner;
    float *dx = g->din[0] + o * v.count * v.inner;
    if (!g->add[0]) memset(dx, 0, v.count * v.inner * sizeof *dx);
    for (size_t i = 0; i < v.inner; i++) {
      size_t best = i;
      for (size_t k = 1; k < v.count; k++)
        if (x[k * v.inner + i] > x[best]) best = k * v.inner + i;
      dx[best] += g->dout[o * v.inner + i];
    }
  }
}

/* The product of all others, with no division by a zero among them: where there is one, it alone
 * has a slope; where there are more, none has. */
static void reduce_prod_line(const float *x, float *dx, const view *v, double dout)
{
  double others = dout;
  size_t zeros = 0;
  for (size_t k = 0; k < v->count; k++)
    if (x[k * v->inner] == 0)
      zeros++;
    else
      others *= (double)x[k * v->inner];
  for (size_t k = 0; k < v->count; k++) {
    const float value = x[k * v->inner];
    if (zeros == 0) dx[k * v->inner] += (float)(others / (double)value);
    if (zeros == 1 && value == 0) dx[k * v->inner] += (float)others;
  }
}

static void reduce_prod_grad(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const view v = view_of(&g->call);
  for (size_t o = begin; o < end; o++) {
    const float *x = g->call.in[0] + o * v.count * v.inner;
    float *dx = g->din[0] + o * v.count * v.inner;
    if (!g->add[0]) memset(dx, 0, v.count * v.inner * sizeof *dx);
    for (size_t i = 0; i < v.inner; i++)
      reduce_prod_line(x + i, dx + i, &v, (double)g->dout[o * v.inner + i]);
  }
}

#define REDUCE(lower)                                                                              \
  static void lower##_forward(const anet__call *c)                                                 \
  {                                                                                                \
    const view v = view_of(c);                                                                     \
    anet__split(c->pool, v.outer, v.count *v.inner, lower##_rows, c);                              \
  }                                                                                                \
  static void lower##_backward(const anet__grad_call *g)                                           \
  {                                                                                                \
    const view v = view_of(&g->call);                                                              \
    if (g->din[0]) anet__split(g->call.pool, v.outer, 2 * v.count * v.inner, lower##_grad, g);     \
  }                                                                                                \
  const anet__op anet__op_##lower = {.name = #lower,                                               \
                                     .min_inputs = 1,                                              \
                                     .max_inputs = 1,                                              \
                                     .grad_needs_in = true,                                        \
                                     .shape = reduce_shape,                                        \
                                     .forward = lower##_forward,                                   \
                                     .backward = lower##_backward};
REDUCE(reduce_mean)
REDUCE(reduce_sum)
REDUCE(reduce_max)
REDUCE(reduce_prod)
