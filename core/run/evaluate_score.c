/* One answer against a label, and against the oracle's answer. In double: a thousand terms. */
#include "run/evaluate.h"

#include <float.h>
#include <math.h>

static int32_t largest(const float *y, int32_t n)
{
  int32_t best = 0;
  for (int32_t i = 1; i < n; i++)
    if (y[i] > y[best]) best = i;
  return best;
}

/* log of the sum of exp(y), without overflow. */
static double log_sum(const float *y, int32_t n)
{
  const double most = y[largest(y, n)];
  double sum = 0;
  for (int32_t i = 0; i < n; i++) sum += exp(y[i] - most);
  return most + log(sum);
}

/* sum: log_sum of logits; of probabilities it is not used. */
static double log_of(const anet_evaluator *e, float y, double sum)
{
  return e->probabilities ? log(fmax(y, FLT_MIN)) : y - sum;
}

static double sum_of(const anet_evaluator *e, const float *y)
{
  return e->probabilities ? 0 : log_sum(y, e->classes);
}

void anet__teach(const anet_evaluator *e, const float *y, float *log_p)
{
  const double sum = sum_of(e, y);
  for (int32_t i = 0; i < e->classes; i++) log_p[i] = (float)log_of(e, y[i], sum);
}

/* KL(teacher || y) */
static double divergence(const anet_evaluator *e, const float *log_p, const float *y, double sum)
{
  double loss = 0;
  for (int32_t i = 0; i < e->classes; i++)
    loss += exp(log_p[i]) * (log_p[i] - log_of(e, y[i], sum));
  return loss;
}

static int32_t label_of(const anet_evaluator *e, int32_t item)
{
  return ((const int32_t *)anet_tensor_data(anet_dataset_labels(e->data)))[item];
}

void anet__score(const anet_evaluator *e, const float *y, int32_t item, bool *hit, double *loss)
{
  const float *teacher = e->teacher + (size_t)item * (size_t)e->classes;
  const int32_t right = e->labelled ? label_of(e, item) : largest(teacher, e->classes);
  *loss = divergence(e, teacher, y, sum_of(e, y));
  *hit = largest(y, e->classes) == right && !isnan(*loss); /* an answer of NaNs is never right */
}
