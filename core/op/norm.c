/* norm: batch normalisation over all but the last axis (Ioffe & Szegedy 2015).
 * in, out (…, c); gamma, beta, mean, var (c). attr: epsilon momentum. */
#include <math.h>
#include <stdatomic.h>

#include "base/error.h"
#include "op/norm.h"
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

static int32_t channels_of(const anet__call *c)
{
  return anet__channels(&c->in_shape[0]);
}

/* What is kept from forward to backward, (channels) each: the batch's mean and inverse deviation,
 * the whole op as a scale and a shift, and the coefficients of its gradient. */
typedef struct kept {
  float *mean, *inverse, *scale, *shift, *a, *b, *c;
} kept;

enum { KEPT = 7 };

static kept kept_of(const anet__call *call)
{
  const size_t channels = (size_t)channels_of(call);
  float *at = call->saved;
  return (kept){at,
                at + channels,
                at + 2 * channels,
                at + 3 * channels,
                at + 4 * channels,
                at + 5 * channels,
                at + 6 * channels};
}

static size_t norm_saved(const anet__call *call)
{
  return KEPT * (size_t)channels_of(call) * sizeof(float);
}

/* Sums over the batch, and what is kept where nothing is: when not training. */
typedef struct layout {
  size_t kept, sums, floats;
} layout;

static layout layout_of(const anet__call *call, bool training)
{
  const int32_t channels = channels_of(call);
  layout l = {0};
  l.kept = anet__take(&l.floats, KEPT * (size_t)channels);
  l.sums = anet__take(&l.floats, training ? anet__sums_floats(rows_of(call), channels) : 0);
  return l;
}

static size_t norm_scratch(const anet__call *call, bool training)
{
  return layout_of(call, training).floats * sizeof(float);
}

/* -- forward -------------------------------------------------------------------------------- */

void anet__norm_measure(const anet__call *part, double *sums)
{
  const int32_t channels = channels_of(part);
  part->kernels->moments(sums, sums + channels, part->in[0], (int32_t)rows_of(part), channels);
}

/* Statistics of the batch are kept; the running ones move towards them. */
static void batch_statistics(const anet__call *call, const double *sums)
{
  const int32_t channels = channels_of(call);
  const double rows = (double)rows_of(call), keep = 1.0 - (double)call->attr->momentum;
  const kept k = kept_of(call);
  float *running = anet__f32(call->param[MEAN]), *variance = anet__f32(call->param[VAR]);
  for (int32_t c = 0; c < channels; c++) {
    const double m = sums[c] / rows;
    const double v = fmax(sums[channels + c] / rows - m * m, 0.0);
    const double unbiased = v * rows / fmax(rows - 1.0, 1.0);
    k.mean[c] = (float)m;
    k.inverse[c] = (float)(1.0 / sqrt(v + (double)call->attr->epsilon));
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
static void coefficients(const anet__call *call, kept k)
{
  const int32_t channels = channels_of(call);
  const bool batch = learns(call);
  const float *gamma = anet__f32(call->param[GAMMA]), *beta = anet__f32(call->param[BETA]);
  const float *mean = batch ? k.mean : anet__f32(call->param[MEAN]);
  const anet__post *post = &call->post;
  for (int32_t c = 0; c < channels; c++) {
    const double after = post->scale ? (double)post->scale[c] : 1.0;
    const double by = batch ? (double)gamma[c] * (double)k.inverse[c] : running_scale(call, c);
    const double offset = (double)beta[c] - by * (double)mean[c];
    k.scale[c] = (float)(after * by);
    k.shift[c] = (float)(after * offset + (post->shift ? (double)post->shift[c] : 0.0));
  }
}

void anet__norm_settle(const anet__call *call, const double *sums)
{
  if (learns(call)) batch_statistics(call, sums);
  coefficients(call, kept_of(call));
}

void anet__norm_affine(const anet__call *call, const float **scale, const float **shift)
{
  const kept k = kept_of(call);
  *scale = k.scale;
  *shift = k.shift;
}

static void affine_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *call = context;
  const kept k = kept_of(call);
  const int32_t channels = channels_of(call);
  const size_t at = begin * (size_t)channels;
  anet__post post = call->post;
  post.scale = k.scale;
  post.shift = k.shift;
  if (post.add) post.add += begin * post.add_ld;
  call->kernels->affine(call->out + at, call->in[0] + at, (int32_t)(end - begin), channels, &post);
}

/* Without a tape that settles things ahead. */
static void settle_alone(const anet__call *call, layout l)
{
  double *partial = (double *)((float *)call->scratch + l.sums);
  const anet__sums sums = {.kernels = call->kernels,
                           .kind = ANET_SUM_SQUARE,
                           .x = call->in[0],
                           .rows = rows_of(call),
                           .channels = channels_of(call),
                           .partial = partial};
  if (learns(call)) anet__sums_run(call->pool, &sums);
  anet__norm_settle(call, partial);
}

static void norm_forward(const anet__call *c)
{
  const layout l = layout_of(c, c->training);
  anet__call call = *c;
  if (!call.saved) call.saved = (float *)call.scratch + l.kept;
  if (!call.settled) settle_alone(&call, l);
  anet__split(call.pool, rows_of(&call), (size_t)channels_of(&call), affine_rows, &call);
}

/* -- backward ------------------------------------------------------------------------------- */

/* What the kernels read: the rows, and the clamp's bounds as the forward pass had them. */
static anet__norm_args norm_args(const anet__grad_call *g)
{
  const anet__call *call = &g->call;
  const kept k = kept_of(call);
  anet__norm_args norm = {
      .dy = g->dout,
      .x = call->folded ? call->out : call->in[0],
      .rows = (int32_t)rows_of(call),
      .channels = channels_of(call),
      .mean = learns(call) ? k.mean : anet__f32(call->param[MEAN]),
      .a = k.a,
      .b = k.b,
      .c = k.c,
  };
  if (!g->clamped) return norm;
  norm.scale = call->folded ? k.inverse : k.scale;
  norm.shift = call->folded ? k.b : k.shift;
  norm.low = call->post.low;
  norm.high = call->post.high;
  return norm;
}

void anet__norm_grad_measure(const anet__grad_call *part, double *sums)
{
  const anet__norm_args norm = norm_args(part);
  part->call.kernels->norm_sums(sums, sums + norm.channels, &norm);
}

/* din = gamma * inverse * (dout - sum / rows - normalised * dot * inverse / rows), where statistics
 * are the batch's, else gamma * inverse * dout. */
void anet__norm_grad_settle(const anet__grad_call *g, const double *sums)
{
  const anet__call *call = &g->call;
  const int32_t channels = channels_of(call);
  const bool batch = learns(call);
  const kept k = kept_of(call);
  const double rows = (double)rows_of(call), *dot = sums ? sums + channels : NULL;
  const float *gamma = anet__f32(call->param[GAMMA]), *variance = anet__f32(call->param[VAR]);
  for (int32_t c = 0; c < channels; c++) {
    const double r = batch ? (double)k.inverse[c]
                           : 1.0 / sqrt((double)variance[c] + (double)call->attr->epsilon);
    const double a = (double)gamma[c] * r, b = batch ? -a * r * r * dot[c] / rows : 0.0;
    if (g->dparam[GAMMA]) g->dparam[GAMMA][c] += (float)(dot[c] * r);
    if (g->dparam[BETA]) g->dparam[BETA][c] += (float)sums[c];
    if (call->folded) k.inverse[c] = 1.0f; /* with b as the shift: the clamp's bounds, of its output */
    k.a[c] = (float)a;
    k.b[c] = (float)b;
    k.c[c] = batch ? (float)(-a * sums[c] / rows - b * (double)k.mean[c]) : 0.0f;
  }
}

static void grad_rows(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  anet__norm_args norm = norm_args(g);
  const size_t at = begin * (size_t)norm.channels;
  if (!learns(&g->call) && !g->clamped) { /* nothing but a scale */
    anet__post post = anet__post_none();
    post.scale = norm.a;
    if (g->add[0]) post.add = g->din[0] + at, post.add_ld = (size_t)norm.channels;
    g->call.kernels->affine(g->din[0] + at, g->dout + at, (int32_t)(end - begin), norm.channels,
                            &post);
    return;
  }
  norm.dy += at;
  norm.x += at;
  norm.rows = (int32_t)(end - begin);
  g->call.kernels->norm_grad(g->din[0] + at, &norm, g->add[0]);
}

static void norm_backward(const anet__grad_call *g)
{
  const anet__call *call = &g->call;
  if (!call->settled) {
    const anet__norm_args norm = norm_args(g);
    double *partial = (double *)((float *)call->scratch + layout_of(call, true).sums);
    const anet__sums sums = {.kernels = call->kernels,
                             .kind = ANET_SUM_DOT,
                             .norm = &norm,
                             .rows = rows_of(call),
                             .channels = norm.channels,
                             .partial = partial};
    anet__sums_run(call->pool, &sums);
    anet__norm_grad_settle(g, partial);
  }
  if (g->din[0])
    anet__split(call->pool, rows_of(call), 2 * (size_t)channels_of(call), grad_rows, g);
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
    .by_image = true,
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
