#include "train/loss.h"

#include <math.h>
#include "base/error.h"

/* Work is cut into this many parts whatever the number of threads, and sums are added in their
 * order, so that they do not depend on it. */
enum { PARTS = 64 };

/* Keeps the loss of a feature that is all zero finite. */
static const double FEATURE_EPSILON = 1e-8;

typedef struct job {
  const anet__loss_call *call;
  int32_t classes, rows; /* rows: of all images */
  double sum[PARTS], norm[PARTS], correct[PARTS];
  float scale; /* feature: of the gradient */
} job;

int anet__loss_check(const anet_loss *term, int32_t number, int32_t outputs)
{
  if (term->kind < ANET_LOSS_LABELS || term->kind > ANET_LOSS_FEATURE)
    return anet_fail(ANET_RANGE, "loss %d: kind %d, want 0 .. %d", number, term->kind,
                     ANET_LOSS_FEATURE);
  if (term->output < 0 || term->output >= outputs)
    return anet_fail(ANET_RANGE, "loss %d: output %d of a net with %d", number, term->output,
                     outputs);
  if (!isfinite(term->weight))
    return anet_fail(ANET_RANGE, "loss %d: weight %g is not finite", number, (double)term->weight);
  if (!(term->temperature >= 0 && isfinite(term->temperature)))
    return anet_fail(ANET_RANGE, "loss %d: temperature %g, want 0 (for 1) or more", number,
                     (double)term->temperature);
  if (!(term->smoothing >= 0 && term->smoothing < 1))
    return anet_fail(ANET_RANGE, "loss %d: smoothing %g, want 0 <= smoothing < 1", number,
                     (double)term->smoothing);
  return ANET_OK;
}

static int32_t classes_of(const anet_shape *shape)
{
  return shape->rank ? shape->dim[shape->rank - 1] : 1;
}

size_t anet__loss_scratch(const anet_shape *shape)
{
  return (size_t)PARTS * 2 * (size_t)classes_of(shape) * sizeof(float);
}

static int32_t largest(const float *x, int32_t n)
{
  int32_t best = 0;
  for (int32_t i = 1; i < n; i++)
    if (x[i] > x[best]) best = i;
  return best;
}

/* p = softmax(k * x); gives log of the sum of exp(k * x), so that log p[i] = k * x[i] - it. The
 * largest p is exp(0) / sum, never below 1 / n, so its logarithm is exact where others are not. */
static double soften(const anet__kernels *kernels, float *p, const float *x, int32_t n, float k)
{
  const int32_t top = largest(x, n);
  kernels->softmax(p, x, 1, n, k);
  return (double)k * (double)x[top] - log((double)p[top]);
}

static void put(const anet__loss_call *call, float *grad, int32_t i, float g)
{
  grad[i] = call->add ? grad[i] + g : g;
}

/* ---- cross-entropy ------------------------------------------------------------------------ */

/* A row of zeros is an image without a label: no loss, no gradient, never correct. */
static double labels_row(const job *j, const float *y, const float *t, float *grad, float *p,
                         double *correct)
{
  const anet__loss_call *call = j->call;
  const float keep = 1.0f - call->term->smoothing;
  double mass = 0, loss = 0;
  for (int32_t i = 0; i < j->classes; i++) mass += (double)t[i];
  const float spread = call->term->smoothing * (float)mass / (float)j->classes;
  const double total = soften(call->kernels, p, y, j->classes, 1.0f);
  for (int32_t i = 0; i < j->classes; i++) {
    const float want = keep * t[i] + spread;
    if (want != 0) loss += (double)want * (total - (double)y[i]);
    if (grad) put(call, grad, i, j->scale * (p[i] * (float)mass - want));
  }
  *correct += mass > 0 && largest(y, j->classes) == largest(t, j->classes);
  return loss;
}

/* ---- a teacher's answer ------------------------------------------------------------------- */

static double teacher_row(const job *j, const float *y, const float *t, float *grad, float *p,
                          double *correct)
{
  const anet__loss_call *call = j->call;
  const float heat = call->term->temperature > 0 ? call->term->temperature : 1.0f, k = 1.0f / heat;
  float *q = p + j->classes;
  const double total = soften(call->kernels, p, y, j->classes, k);
  const double teacher = soften(call->kernels, q, t, j->classes, k);
  double loss = 0;
  for (int32_t i = 0; i < j->classes; i++) {
    loss += (double)q[i] * ((double)k * ((double)t[i] - (double)y[i]) - teacher + total);
    if (grad) put(call, grad, i, j->scale * heat * (p[i] - q[i]));
  }
  *correct += largest(y, j->classes) == largest(t, j->classes);
  return loss * (double)heat * (double)heat;
}

static void rows_part(void *context, int32_t part, int32_t worker)
{
  job *j = context;
  const anet__loss_call *call = j->call;
  float *p = call->scratch + (size_t)part * 2 * (size_t)j->classes;
  int32_t begin, end;
  (void)worker;
  anet__slice(j->rows, part, PARTS, &begin, &end);
  for (int32_t r = begin; r < end; r++) {
    const size_t at = (size_t)r * (size_t)j->classes;
    const float *y = call->value + at, *t = call->target + at;
    float *grad = call->grad ? call->grad + at : NULL;
    j->sum[part] += call->term->kind == ANET_LOSS_LABELS
                        ? labels_row(j, y, t, grad, p, &j->correct[part])
                        : teacher_row(j, y, t, grad, p, &j->correct[part]);
  }
}

/* ---- a feature ---------------------------------------------------------------------------- */

/* The flat run of values that a part does. */
static size_t run_of(const job *j, int32_t part, size_t *at)
{
  int32_t begin, end;
  anet__slice(j->rows, part, PARTS, &begin, &end);
  *at = (size_t)begin * (size_t)j->classes;
  return (size_t)(end - begin) * (size_t)j->classes;
}

static void distance_part(void *context, int32_t part, int32_t worker)
{
  job *j = context;
  size_t at;
  const size_t n = run_of(j, part, &at);
  const float *y = j->call->value + at, *t = j->call->target + at;
  (void)worker;
  j->sum[part] = j->call->kernels->distance(y, t, n);
  j->norm[part] = j->call->kernels->dot(t, t, n);
}

static void difference_part(void *context, int32_t part, int32_t worker)
{
  const job *j = context;
  size_t at;
  const size_t n = run_of(j, part, &at);
  const float *y = j->call->value + at, *t = j->call->target + at, k = j->scale;
  float *grad = j->call->grad + at;
  (void)worker;
  if (j->call->add)
    for (size_t i = 0; i < n; i++) grad[i] += k * (y[i] - t[i]);
  else
    for (size_t i = 0; i < n; i++) grad[i] = k * (y[i] - t[i]);
}

/* ------------------------------------------------------------------------------------------- */

static double total_of(const double *part)
{
  double total = 0;
  for (int32_t i = 0; i < PARTS; i++) total += part[i];
  return total;
}

static double run_feature(job *j)
{
  const anet__loss_call *call = j->call;
  const double count = (double)j->rows * j->classes;
  anet__pool_run(call->pool, distance_part, j, PARTS);
  const double norm = total_of(j->norm) + FEATURE_EPSILON * count;
  j->scale = (float)(2.0 * (double)call->term->weight / norm);
  if (call->grad) anet__pool_run(call->pool, difference_part, j, PARTS);
  return total_of(j->sum) / norm;
}

static double run_rows(job *j, double *correct)
{
  const anet__loss_call *call = j->call;
  j->scale = call->term->weight / (float)j->rows;
  anet__pool_run(call->pool, rows_part, j, PARTS);
  /* with many rows an image (a map of classes), each counts for its share of the image */
  if (correct) *correct += total_of(j->correct) * call->n / j->rows;
  return total_of(j->sum) / j->rows;
}

void anet__loss_run(const anet__loss_call *call, double *loss, double *correct)
{
  job j = {.call = call, .classes = classes_of(&call->shape)};
  j.rows = call->n * (int32_t)(anet__shape_size(&call->shape) / (size_t)j.classes);
  const double value =
      call->term->kind == ANET_LOSS_FEATURE ? run_feature(&j) : run_rows(&j, correct);
  *loss += (double)call->term->weight * value;
}
