/* norm: batch normalisation over all but the last axis (Ioffe & Szegedy 2015).
 * in, out (…, c); gamma, beta, mean, var (c). attr: epsilon momentum. */
#include <math.h>
#include <stdatomic.h>

#include "base/error.h"
#include "op/work.h"

enum { GAMMA, BETA, MEAN, VAR };

static int norm_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  if (in->rank < 1) return anet_fail(ANET_SHAPE, "norm: input () has no channels");
  if (!(a->epsilon > 0) || !(a->momentum >= 0 && a->momentum <= 1))
    return anet_fail(ANET_RANGE, "norm: epsilon %g must be over 0, momentum %g within [0, 1]",
                     (double)a->epsilon, (double)a->momentum);
  return anet__same_shape(a, in, inputs, out);
}

static int norm_params(const anet_attr *a, const anet_shape *in, anet__param_spec *spec,
                       int32_t *count)
{
  const anet_shape shape = {1, {anet__channels(in)}};
  spec[GAMMA] = (anet__param_spec){.name = "gamma", .role = ANET_PARAM_SCALE, .shape = shape};
  spec[BETA] = (anet__param_spec){.name = "beta", .role = ANET_PARAM_BIAS, .shape = shape};
  spec[MEAN] = (anet__param_spec){.name = "mean", .role = ANET_PARAM_MEAN, .shape = shape};
  spec[VAR] = (anet__param_spec){.name = "var", .role = ANET_PARAM_VARIANCE, .shape = shape};
  *count = 4;
  return ANET_OK;
}

static bool learns(const anet__call *c)
{
  return c->training && !c->frozen;
}

static size_t rows_of(const anet__call *c)
{
  return (size_t)c->n * anet__pixels(&c->in_shape[0]);
}

/* Scratch, as offsets in floats: vectors of coefficients, and sums. */
typedef struct layout {
  size_t a, b, c, scale, shift, sums, floats;
} layout;

static layout layout_of(const anet__call *call, bool training)
{
  const int32_t channels = anet__channels(&call->in_shape[0]);
  layout l = {0};
  l.a = anet__take(&l.floats, (size_t)channels);
  l.b = anet__take(&l.floats, (size_t)channels);
  l.c = anet__take(&l.floats, (size_t)channels);
  l.scale = anet__take(&l.floats, (size_t)channels);
  l.shift = anet__take(&l.floats, (size_t)channels);
  l.sums = anet__take(&l.floats, training ? anet__sums_floats(rows_of(call), channels) : 0);
  return l;
}

static size_t norm_scratch(const anet__call *call, bool training)
{
  return layout_of(call, training).floats * sizeof(float);
}

/* Mean and inverse deviation of the batch. */
static size_t norm_saved(const anet__call *call)
{
  return 2 * (size_t)anet__channels(&call->in_shape[0]) * sizeof(float);
}

/* -- forward -------------------------------------------------------------------------------- */

typedef struct rows_job {
  const anet__call *call;
  anet__post post; /* of row 0 */
  const float *x;
  float *y;
} rows_job;

static void affine_rows(const void *context, size_t begin, size_t end)
{
  const rows_job *j = context;
  const int32_t channels = anet__channels(&j->call->in_shape[0]);
  anet__post post = j->post;
  if (post.add) post.add += begin * post.add_ld;
  const size_t at = begin * (size_t)channels;
  j->call->kernels->affine(j->y + at, j->x + at, (int32_t)(end - begin), channels, &post);
}

/* Statistics of the batch into saved; the running ones move towards them. */
static void batch_statistics(const anet__call *call, double *partial)
{
  const int32_t channels = anet__channels(&call->in_shape[0]);
  const double rows = (double)rows_of(call), keep = 1.0 - (double)call->attr->momentum;
  float *mean = call->saved, *inverse = mean + channels;
  float *running = anet__f32(call->param[MEAN]), *variance = anet__f32(call->param[VAR]);
  const anet__sums sums = {.kernels = call->kernels,
                           .kind = ANET_SUM_SQUARE,
                           .x = call->in[0],
                           .rows = rows_of(call),
                           .channels = channels,
                           .partial = partial};
  anet__sums_run(call->pool, &sums);
  for (int32_t c = 0; c < channels; c++) {
    const double m = partial[c] / rows;
    const double v = fmax(partial[channels + c] / rows - m * m, 0.0);
    const double unbiased = v * rows / fmax(rows - 1.0, 1.0);
    mean[c] = (float)m;
    inverse[c] = (float)(1.0 / sqrt(v + (double)call->attr->epsilon));
    running[c] = (float)(keep * (double)running[c] + (1.0 - keep) * m);
    variance[c] = (float)(keep * (double)variance[c] + (1.0 - keep) * unbiased);
  }
  atomic_fetch_add(&call->param[MEAN]->storage->version, 1);
  if (call->param[VAR]->storage != call->param[MEAN]->storage)
    atomic_fetch_add(&call->param[VAR]->storage->version, 1);
}

/* gamma / deviation of channel c by the running statistics. */
static double running_scale(const anet__call *call, int32_t c)
{
  const double variance = (double)anet__f32(call->param[VAR])[c] + (double)call->attr->epsilon;
  return (double)anet__f32(call->param[GAMMA])[c] / sqrt(variance);
}

/* The whole op, and the post after it, as one scale and shift a channel. */
static void coefficients(const anet__call *call, float *scale, float *shift)
{
  const int32_t channels = anet__channels(&call->in_shape[0]);
  const float *gamma = anet__f32(call->param[GAMMA]), *beta = anet__f32(call->param[BETA]);
  const float *mean = learns(call) ? call->saved : anet__f32(call->param[MEAN]);
  const float *inverse = learns(call) ? mean + channels : NULL;
  const anet__post *post = &call->post;
  for (int32_t c = 0; c < channels; c++) {
    const double after = post->scale ? (double)post->scale[c] : 1.0;
    const double k = inverse ? (double)gamma[c] * (double)inverse[c] : running_scale(call, c);
    const double offset = (double)beta[c] - k * (double)mean[c];
    scale[c] = (float)(after * k);
    shift[c] = (float)(after * offset + (post->shift ? (double)post->shift[c] : 0.0));
  }
}

static void norm_forward(const anet__call *call)
{
  const layout l = layout_of(call, call->training);
  float *scratch = call->scratch, *scale = scratch + l.scale, *shift = scratch + l.shift;
  if (learns(call)) batch_statistics(call, (double *)(scratch + l.sums));
  coefficients(call, scale, shift);
  rows_job job = {.call = call, .post = call->post, .x = call->in[0], .y = call->out};
  job.post.scale = scale;
  job.post.shift = shift;
  anet__split(call->pool, rows_of(call), (size_t)anet__channels(&call->in_shape[0]), affine_rows,
              &job);
}

/* -- backward ------------------------------------------------------------------------------- */

typedef struct grad_job {
  const anet__grad_call *grad;
  anet__norm_args norm; /* of row 0 */
} grad_job;

static void grad_rows(const void *context, size_t begin, size_t end)
{
  const grad_job *j = context;
  const size_t at = begin * (size_t)j->norm.channels;
  anet__norm_args norm = j->norm;
  norm.dy += at;
  norm.x += at;
  norm.rows = (int32_t)(end - begin);
  j->grad->call.kernels->norm_grad(j->grad->din[0] + at, &norm, j->grad->add[0]);
}

/* What the kernels read: the rows, and the clamp's bounds as the forward pass had them. */
static anet__norm_args norm_args(const anet__grad_call *g, float *scratch, layout l)
{
  const anet__call *call = &g->call;
  anet__norm_args norm = {
      .dy = g->dout,
      .x = call->in[0],
      .rows = (int32_t)rows_of(call),
      .channels = anet__channels(&call->in_shape[0]),
      .mean = learns(call) ? call->saved : anet__f32(call->param[MEAN]),
      .a = scratch + l.a,
      .b = scratch + l.b,
      .c = scratch + l.c,
  };
  if (!g->clamped) return norm;
  coefficients(call, scratch + l.scale, scratch + l.shift);
  norm.scale = scratch + l.scale;
  norm.shift = scratch + l.shift;
  norm.low = call->post.low;
  norm.high = call->post.high;
  return norm;
}

/* sum[c] of the gradient and dot[c] of gradient * (in - mean), for statistics of either kind. */
static void grad_sums(const anet__grad_call *g, const anet__norm_args *norm, double *partial)
{
  const anet__call *call = &g->call;
  const anet__sums sums = {.kernels = call->kernels,
                           .kind = ANET_SUM_DOT,
                           .norm = norm,
                           .rows = rows_of(call),
                           .channels = norm->channels,
                           .partial = partial};
  anet__sums_run(call->pool, &sums);
}

/* din = gamma * inverse * (dout - sum / rows - normalised * dot * inverse / rows). */
static void batch_coefficients(const anet__grad_call *g, float *scratch, layout l)
{
  const anet__call *call = &g->call;
  const int32_t channels = anet__channels(&call->in_shape[0]);
  const float *gamma = anet__f32(call->param[GAMMA]);
  const float *mean = call->saved, *inverse = mean + channels;
  const double rows = (double)rows_of(call), *sum = (double *)(scratch + l.sums);
  const double *dot = sum + channels;
  for (int32_t c = 0; c < channels; c++) {
    const double r = (double)inverse[c], k = (double)gamma[c] * r, b = -k * r * r * dot[c] / rows;
    if (g->dparam[GAMMA]) g->dparam[GAMMA][c] += (float)(dot[c] * r);
    if (g->dparam[BETA]) g->dparam[BETA][c] += (float)sum[c];
    scratch[l.a + (size_t)c] = (float)k;
    scratch[l.b + (size_t)c] = (float)b;
    scratch[l.c + (size_t)c] = (float)(-k * sum[c] / rows - b * (double)mean[c]);
  }
}

static void backward_batch(const anet__grad_call *g, float *scratch, layout l)
{
  const anet__call *call = &g->call;
  const grad_job job = {g, norm_args(g, scratch, l)};
  grad_sums(g, &job.norm, (double *)(scratch + l.sums));
  batch_coefficients(g, scratch, l);
  if (g->din[0])
    anet__split(call->pool, rows_of(call), 2 * (size_t)job.norm.channels, grad_rows, &job);
}

/* The statistics are constants: a scale a channel. */
static void backward_running(const anet__grad_call *g, float *scratch, layout l)
{
  const anet__call *call = &g->call;
  const grad_job job = {g, norm_args(g, scratch, l)};
  const int32_t channels = job.norm.channels;
  if (g->dparam[GAMMA] || g->dparam[BETA]) {
    const float *variance = anet__f32(call->param[VAR]);
    const double *sum = (double *)(scratch + l.sums), *dot = sum + channels;
    grad_sums(g, &job.norm, (double *)(scratch + l.sums));
    for (int32_t c = 0; c < channels; c++) {
      const double r = 1.0 / sqrt((double)variance[c] + (double)call->attr->epsilon);
      if (g->dparam[GAMMA]) g->dparam[GAMMA][c] += (float)(dot[c] * r);
      if (g->dparam[BETA]) g->dparam[BETA][c] += (float)sum[c];
    }
  }
  if (!g->din[0]) return;
  for (int32_t c = 0; c < channels; c++) {
    scratch[l.a + (size_t)c] = (float)running_scale(call, c);
    scratch[l.b + (size_t)c] = scratch[l.c + (size_t)c] = 0.0f;
  }
  anet__split(call->pool, rows_of(call), 2 * (size_t)channels, grad_rows, &job);
}

static void norm_backward(const anet__grad_call *g)
{
  const layout l = layout_of(&g->call, true);
  if (learns(&g->call))
    backward_batch(g, g->call.scratch, l);
  else
    backward_running(g, g->call.scratch, l);
}

static double norm_macs(const anet_attr *a, const anet_shape *in, const anet_shape *out)
{
  return (double)anet__shape_size(out);
}

const anet__op anet__op_norm = {
    .name = "norm",
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = true,
    .has_post = true,
    .grad_needs_in = true,
    .shape = norm_shape,
    .params = norm_params,
    .forward = norm_forward,
    .backward = norm_backward,
    .scratch = norm_scratch,
    .saved = norm_saved,
    .macs = norm_macs,
};
