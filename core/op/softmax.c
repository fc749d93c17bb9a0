/* softmax and its logarithm, log_softmax, along attr.axis, counted from the last: 0 = channels. */
#include <math.h>

#include "base/error.h"
#include "op/work.h"

static int softmax_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  if (a->axis < 0 || a->axis >= in->rank)
    return anet_fail(ANET_RANGE, "softmax: axis %d (counted from the last) is not one of input %s",
                     a->axis, anet__shape_text(in, text));
  return anet__same_shape(a, in, inputs, out);
}

/* Line i of an axis: `count` values, `step` apart, from `at` on. */
typedef struct line {
  size_t at, count, step;
} line;

static line line_at(const anet__call *c, size_t i)
{
  const anet_shape *s = &c->out_shape;
  line l = {.count = (size_t)s->dim[s->rank - 1 - c->attr->axis], .step = 1};
  for (int32_t d = s->rank - c->attr->axis; d < s->rank; d++) l.step *= (size_t)s->dim[d];
  l.at = i / l.step * l.count * l.step + i % l.step;
  return l;
}

static void softmax_line(float *y, const float *x, line l)
{
  float top = -INFINITY, sum = 0.0F;
  for (size_t i = 0; i < l.count; i++) top = ANET_MAX(top, x[i * l.step]);
  for (size_t i = 0; i < l.count; i++) sum += y[i * l.step] = expf(x[i * l.step] - top);
  for (size_t i = 0; i < l.count; i++) y[i * l.step] /= sum;
}

static void softmax_lines(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  if (c->attr->axis == 0) {
    const int32_t channels = anet__channels(&c->out_shape);
    const size_t at = begin * (size_t)channels;
    c->kernels->softmax(c->out + at, c->in[0] + at, (int32_t)(end - begin), channels, 1.0F);
    return;
  }
  for (size_t i = begin; i < end; i++) {
    const line l = line_at(c, i);
    softmax_line(c->out + l.at, c->in[0] + l.at, l);
  }
}

static void softmax_forward(const anet__call *c)
{
  const size_t count = line_at(c, 0).count;
  anet__split(c->pool, anet__total(c) / count, 8 * count, softmax_lines, c);
}

/* din = y * (dout - sum of y * dout). */
static void grad_lines(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  for (size_t i = begin; i < end; i++) {
    const line l = line_at(&g->call, i);
    const float *y = g->call.out + l.at, *dy = g->dout + l.at;
    float *dx = g->din[0] + l.at;
    double sum = 0.0;
    for (size_t k = 0; k < l.count; k++) sum += (double)y[k * l.step] * (double)dy[k * l.step];
    for (size_t k = 0; k < l.count; k++) {
      const float v = y[k * l.step] * (dy[k * l.step] - (float)sum);
      dx[k * l.step] = g->add[0] ? dx[k * l.step] + v : v;
    }
  }
}

static void softmax_backward(const anet__grad_call *g)
{
  const size_t count = line_at(&g->call, 0).count;
  if (g->din[0]) anet__split(g->call.pool, anet__total(&g->call) / count, 2 * count, grad_lines, g);
}

const anet__op anet__op_softmax = {
    .name = "softmax",
    .min_inputs = 1,
    .max_inputs = 1,
    .grad_needs_out = true,
    .shape = softmax_shape,
    .forward = softmax_forward,
    .backward = softmax_backward,
};

/* ---- log_softmax -------------------------------------------------------------------------- */

static void log_line(float *y, const float *x, line l)
{
  float top = -INFINITY;
  double sum = 0.0;
  for (size_t i = 0; i < l.count; i++) top = ANET_MAX(top, x[i * l.step]);
  for (size_t i = 0; i < l.count; i++) sum += (double)expf(x[i * l.step] - top);
  const float shift = top + (float)log(sum);
  for (size_t i = 0; i < l.count; i++) y[i * l.step] = x[i * l.step] - shift;
}

static void log_lines(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  for (size_t i = begin; i < end; i++) {
    const line l = line_at(c, i);
    log_line(c->out + l.at, c->in[0] + l.at, l);
  }
}

static void log_softmax_forward(const anet__call *c)
{
  const size_t count = line_at(c, 0).count;
  anet__split(c->pool, anet__total(c) / count, 8 * count, log_lines, c);
}

/* din = dout - exp(y) * sum of dout. */
static void log_grad_lines(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  for (size_t i = begin; i < end; i++) {
    const line l = line_at(&g->call, i);
    const float *y = g->call.out + l.at, *dy = g->dout + l.at;
    float *dx = g->din[0] + l.at;
    double sum = 0.0;
    for (size_t k = 0; k < l.count; k++) sum += (double)dy[k * l.step];
    for (size_t k = 0; k < l.count; k++) {
      const float v = dy[k * l.step] - expf(y[k * l.step]) * (float)sum;
      dx[k * l.step] = g->add[0] ? dx[k * l.step] + v : v;
    }
  }
}

static void log_softmax_backward(const anet__grad_call *g)
{
  const size_t count = line_at(&g->call, 0).count;
  if (g->din[0])
    anet__split(g->call.pool, anet__total(&g->call) / count, 8 * count, log_grad_lines, g);
}

const anet__op anet__op_log_softmax = {
    .name = "log_softmax",
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = true,
    .grad_needs_out = true,
    .shape = softmax_shape,
    .forward = log_softmax_forward,
    .backward = log_softmax_backward,
};
