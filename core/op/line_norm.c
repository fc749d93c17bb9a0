/* layer_norm: each pixel's channels to mean 0 and variance 1, then times gamma plus beta.
 * instance_norm: the same over the pixels of each channel of each image. They have no running
 * statistics. attr: epsilon. */
#include <math.h>

#include "base/error.h"
#include "op/work.h"

enum { GAMMA, BETA };

/* What is normalised together: `count` values, `step` apart, from `at` on. Parameter of value k:
 * first + k * param_step. */
typedef struct line {
  size_t at, count, step, first, param_step;
} line;

typedef line line_of(const anet__call *c, size_t i);

static line layer_line(const anet__call *c, size_t i)
{
  const size_t channels = (size_t)anet__channels(&c->out_shape);
  return (line){i * channels, channels, 1, 0, 1};
}

static line instance_line(const anet__call *c, size_t i)
{
  const size_t channels = (size_t)anet__channels(&c->out_shape);
  const size_t pixels = anet__pixels(&c->out_shape), channel = i % channels;
  return (line){i / channels * pixels * channels + channel, pixels, channels, channel, 0};
}

/* Eight sums side by side, which is what keeps a processor busy. */
enum { SUMS = 8 };

static double add_up(const double *sum)
{
  return (sum[0] + sum[4] + (sum[2] + sum[6])) + (sum[1] + sum[5] + (sum[3] + sum[7]));
}

static inline void moments(const float *x, size_t count, size_t step, double *mean,
                           double *variance)
{
  double sum[SUMS] = {0}, square[SUMS] = {0};
  const size_t whole = count - count % SUMS;
  for (size_t k = 0; k < whole; k += SUMS)
    for (size_t i = 0; i < SUMS; i++) sum[i] += (double)x[(k + i) * step];
  for (size_t k = whole; k < count; k++) sum[k % SUMS] += (double)x[k * step];
  const double middle = add_up(sum) / (double)count;
  for (size_t k = 0; k < whole; k += SUMS)
    for (size_t i = 0; i < SUMS; i++) {
      const double d = (double)x[(k + i) * step] - middle;
      square[i] += d * d;
    }
  for (size_t k = whole; k < count; k++) {
    const double d = (double)x[k * step] - middle;
    square[k % SUMS] += d * d;
  }
  *mean = middle;
  *variance = add_up(square) / (double)count;
}

static void moments_of(const float *x, const line *l, float epsilon, float *mean, float *scale)
{
  double middle, variance;
  if (l->step == 1)
    moments(x + l->at, l->count, 1, &middle, &variance);
  else
    moments(x + l->at, l->count, l->step, &middle, &variance);
  *mean = (float)middle;
  *scale = (float)(1.0 / sqrt(variance + (double)epsilon));
}

typedef struct job {
  const anet__call *call;
  const anet__grad_call *grad;
  line_of *line;
} job;

static void forward_lines(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  const anet__call *c = j->call;
  const float *gamma = anet__f32(c->param[GAMMA]), *beta = anet__f32(c->param[BETA]);
  for (size_t i = begin; i < end; i++) {
    const line l = j->line(c, i);
    float mean, scale;
    moments_of(c->in[0], &l, c->attr->epsilon, &mean, &scale);
    for (size_t k = 0; k < l.count; k++) {
      const size_t at = l.at + k * l.step, p = l.first + k * l.param_step;
      c->out[at] = (c->in[0][at] - mean) * scale * gamma[p] + beta[p];
    }
  }
}

/* With g = dout * gamma and h the normalised input: din = scale * (g - mean g - h * mean (g h)). */
static void grad_lines(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  const anet__grad_call *g = j->grad;
  const float *x = g->call.in[0], *gamma = anet__f32(g->call.param[GAMMA]);
  for (size_t i = begin; i < end; i++) {
    const line l = j->line(&g->call, i);
    float mean, scale;
    double sum = 0, dot = 0;
    moments_of(x, &l, g->call.attr->epsilon, &mean, &scale);
    for (size_t k = 0; k < l.count; k++) {
      const size_t at = l.at + k * l.step;
      const double v = (double)(g->dout[at] * gamma[l.first + k * l.param_step]);
      sum += v;
      dot += v * (double)((x[at] - mean) * scale);
    }
    sum /= (double)l.count;
    dot /= (double)l.count;
    for (size_t k = 0; k < l.count; k++) {
      const size_t at = l.at + k * l.step;
      const double v = (double)(g->dout[at] * gamma[l.first + k * l.param_step]);
      const double h = (double)((x[at] - mean) * scale);
      const float d = (float)((double)scale * (v - sum - h * dot));
      g->din[0][at] = g->add[0] ? g->din[0][at] + d : d;
    }
  }
}

/* In the order of the lines, by one worker: sums do not depend on how many there are. */
static void param_grads(const job *j, size_t lines)
{
  const anet__grad_call *g = j->grad;
  const float *x = g->call.in[0];
  for (size_t i = 0; i < lines; i++) {
    const line l = j->line(&g->call, i);
    float mean, scale;
    moments_of(x, &l, g->call.attr->epsilon, &mean, &scale);
    for (size_t k = 0; k < l.count; k++) {
      const size_t at = l.at + k * l.step, p = l.first + k * l.param_step;
      if (g->dparam[GAMMA]) g->dparam[GAMMA][p] += g->dout[at] * (x[at] - mean) * scale;
      if (g->dparam[BETA]) g->dparam[BETA][p] += g->dout[at];
    }
  }
}

static size_t count_lines(const anet__call *c, line_of *of)
{
  return anet__total(c) / of(c, 0).count;
}

static void forward(const anet__call *c, line_of *of)
{
  const job j = {.call = c, .line = of};
  const size_t lines = count_lines(c, of);
  anet__split(c->pool, lines, 4 * anet__total(c) / lines, forward_lines, &j);
}

static void backward(const anet__grad_call *g, line_of *of)
{
  const job j = {.call = &g->call, .grad = g, .line = of};
  const size_t lines = count_lines(&g->call, of);
  if (g->dparam[GAMMA] || g->dparam[BETA]) param_grads(&j, lines);
  if (g->din[0])
    anet__split(g->call.pool, lines, 8 * anet__total(&g->call) / lines, grad_lines, &j);
}

static int line_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  if (!(a->epsilon > 0))
    return anet_fail(ANET_RANGE, "epsilon %g must be over 0", (double)a->epsilon);
  return anet__same_shape(a, in, inputs, out);
}

static int line_params(const anet_attr *a, const anet_shape *in, anet__param_spec *spec,
                       int32_t *count)
{
  const anet_shape shape = {1, {anet__channels(in)}};
  spec[GAMMA] = (anet__param_spec){.name = "gamma", .role = ANET_PARAM_SCALE, .shape = shape};
  spec[BETA] = (anet__param_spec){.name = "beta", .role = ANET_PARAM_BIAS, .shape = shape};
  *count = 2;
  return ANET_OK;
}

#define LINE_NORM(lower, of)                                                                       \
  static void lower##_forward(const anet__call *c)                                                 \
  {                                                                                                \
    forward(c, of);                                                                                \
  }                                                                                                \
  static void lower##_backward(const anet__grad_call *g)                                           \
  {                                                                                                \
    backward(g, of);                                                                               \
  }                                                                                                \
  const anet__op anet__op_##lower = {.name = #lower,                                               \
                                     .min_inputs = 1,                                              \
                                     .max_inputs = 1,                                              \
                                     .grad_needs_in = true,                                        \
                                     .shape = line_shape,                                          \
                                     .params = line_params,                                        \
                                     .forward = lower##_forward,                                   \
                                     .backward = lower##_backward};
LINE_NORM(layer_norm, layer_line)
LINE_NORM(instance_norm, instance_line)
