#include "train/loss.h"

#include <float.h>
#include <math.h>

#include "base/error.h"

/* Work is cut into this many parts whatever the number of threads, and sums are added in their
 * order, so that they do not depend on it. */
enum { PARTS = 64 };

/* Keeps the loss of a feature that is all zero finite. */
static const double FEATURE_EPSILON = 1e-8;

typedef struct job {
  const anet__loss_call *call;
  int32_t classes, rows; /* rows: of all images. A feature is rows of one number */
  double sum[PARTS], norm[PARTS], correct[PARTS];
  float scale; /* of the gradient */
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

int anet__loss_fits(const anet_loss *term, int32_t number, const anet_shape *output)
{
  const size_t size = anet__shape_size(output);
  if (term->numbers == 0 || (term->numbers > 0 && (size_t)term->numbers == size)) return ANET_OK;
  return anet_fail(ANET_SHAPE, "loss %d: its target has %d numbers an image, output %d has %zu",
                   number, term->numbers, term->output, size);
}

enum { ROWS = 3 }; /* of scratch: probabilities, the teacher's, its logits */

size_t anet__loss_scratch(const anet_answers *answers)
{
  return (size_t)PARTS * ROWS * (size_t)answers->classes * sizeof(float);
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

/* log p, of a probability that floats may have rounded to nothing. */
static float log_of(float p)
{
  return logf(fmaxf(p, FLT_MIN));
}

/* log(1 + exp(x)) without overflow. */
static double soft_plus(double x)
{
  return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double sigmoid(double x)
{
  return 1 / (1 + exp(-x));
}

/* ---- cross-entropy ------------------------------------------------------------------------ */

/* A row of zeros is an image without a label: no loss, no gradient, never correct. */
static double labels_row(const job *j, const float *y, const float *t, float *grad, float *p)
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
  return loss;
}

/* The same of independent answers, each yes or no; smoothing moves both towards 1/2. */
static double binary_labels_row(const job *j, const float *y, const float *t, float *grad)
{
  const anet__loss_call *call = j->call;
  const double smoothing = (double)call->term->smoothing;
  double mass = 0, loss = 0;
  for (int32_t i = 0; i < j->classes; i++) mass += (double)t[i];
  for (int32_t i = 0; i < j->classes; i++) {
    const double x = (double)y[i], want = (1 - smoothing) * (double)t[i] + smoothing / 2;
    if (mass > 0) loss += soft_plus(x) - want * x;
    if (grad) put(call, grad, i, mass > 0 ? j->scale * (float)(sigmoid(x) - want) : 0);
  }
  return loss;
}

/* ---- a teacher's answer ------------------------------------------------------------------- */

static float heat_of(const anet_loss *term)
{
  return term->temperature > 0 ? term->temperature : 1.0f;
}

/* t: the teacher's logits. */
static double teacher_row(const job *j, const float *y, const float *t, float *grad, float *p)
{
  const anet__loss_call *call = j->call;
  const float heat = heat_of(call->term), k = 1.0f / heat;
  float *q = p + j->classes;
  const double total = soften(call->kernels, p, y, j->classes, k);
  const double teacher = soften(call->kernels, q, t, j->classes, k);
  double loss = 0;
  for (int32_t i = 0; i < j->classes; i++) {
    loss += (double)q[i] * ((double)k * ((double)t[i] - (double)y[i]) - teacher + total);
    if (grad) put(call, grad, i, j->scale * heat * (p[i] - q[i]));
  }
  return loss * (double)heat * (double)heat;
}

/* The same of independent answers: with x and z the logits of net and teacher over the temperature
 * and q = sigmoid(z), a class gives q log(q / p) + (1 - q) log((1 - q) / (1 - p)) = q (z - x) +
 * softplus(x) - softplus(z). */
static double binary_teacher_row(const job *j, const float *y, const float *t, float *grad)
{
  const float heat = heat_of(j->call->term);
  double loss = 0;
  for (int32_t i = 0; i < j->classes; i++) {
    const double x = (double)(y[i] / heat), z = (double)(t[i] / heat), q = sigmoid(z);
    loss += q * (z - x) + soft_plus(x) - soft_plus(z);
    if (grad) put(j->call, grad, i, j->scale * heat * (float)(sigmoid(x) - q));
  }
  return loss * (double)heat * (double)heat;
}

/* Logits of what a teacher answered: softmax(log p) = p, under a temperature too. */
static const float *logits_of(const job *j, const float *t, float *logits)
{
  const int32_t kind = j->call->answers->kind;
  if (kind == ANET_ANSWER_LOGITS) return t;
  for (int32_t i = 0; i < j->classes; i++)
    logits[i] = log_of(t[i]) - (kind == ANET_ANSWER_INDEPENDENT ? log_of(1 - t[i]) : 0);
  return logits;
}

/* ---- rows of answers ---------------------------------------------------------------------- */

static double answers_row(const job *j, const float *y, const float *t, float *grad, float *p)
{
  const bool binary = j->call->answers->kind == ANET_ANSWER_INDEPENDENT;
  if (j->call->term->kind == ANET_LOSS_LABELS)
    return binary ? binary_labels_row(j, y, t, grad) : labels_row(j, y, t, grad, p);
  t = logits_of(j, t, p + 2 * (size_t)j->classes);
  return binary ? binary_teacher_row(j, y, t, grad) : teacher_row(j, y, t, grad, p);
}

/* Is the largest answer the target's? A row of zeros has none. */
static bool is_right(const job *j, const float *y, const float *t)
{
  const int32_t top = largest(t, j->classes);
  const bool known = j->call->term->kind != ANET_LOSS_LABELS || t[top] > 0;
  return known && largest(y, j->classes) == top;
}

static void rows_part(void *context, int32_t part, int32_t worker)
{
  job *j = context;
  const anet__loss_call *call = j->call;
  float *p = call->scratch + (size_t)part * ROWS * (size_t)j->classes;
  int32_t begin, end;
  (void)worker;
  anet__slice(j->rows, part, PARTS, &begin, &end);
  for (int32_t r = begin; r < end; r++) {
    const size_t at = (size_t)r * (size_t)j->classes;
    const float *y = call->value + at, *t = call->target + at;
    j->sum[part] += answers_row(j, y, t, call->grad ? call->grad + at : NULL, p);
    j->correct[part] += is_right(j, y, t);
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
  const bool feature = call->term->kind == ANET_LOSS_FEATURE;
  job j = {.call = call, .classes = feature ? 1 : call->answers->classes};
  j.rows = (int32_t)((size_t)call->n * call->size / (size_t)j.classes);
  const double value = feature ? run_feature(&j) : run_rows(&j, correct);
  *loss += (double)call->term->weight * value;
}
