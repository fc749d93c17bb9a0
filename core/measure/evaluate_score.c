/* One answer against a label, and against the oracle's answer. In double: a thousand terms. */
#include <float.h>
#include <math.h>

#include "graph/answers.h"
#include "measure/evaluate.h"

/* log of the sum of exp(y), without overflow. */
static double log_sum(const float *y, int32_t n)
{
  double most = (double)y[0], sum = 0;
  for (int32_t i = 1; i < n; i++) most = fmax(most, (double)y[i]);
  for (int32_t i = 0; i < n; i++) sum += exp((double)y[i] - most);
  return most + log(sum);
}

/* Logarithm of a probability that floats may have rounded to nothing. */
static double log_of(double p)
{
  return log(fmax(p, (double)FLT_MIN));
}

/* log p of one number of a row; sum: log_sum of a row of logits. */
static double log_p(const anet_evaluator *e, float y, double sum)
{
  return e->answers == ANET_ANSWER_LOGITS ? (double)y - sum : isnan(y) ? NAN : log_of((double)y);
}

static double sum_of(const anet_evaluator *e, const float *y)
{
  return e->answers == ANET_ANSWER_LOGITS ? log_sum(y, e->classes) : 0;
}

void anet__teach(const anet_evaluator *e, const float *y, float *teacher)
{
  const double sum = sum_of(e, y);
  for (int32_t i = 0; i < e->classes; i++) teacher[i] = (float)log_p(e, y[i], sum);
}

/* What the other half of a binary answer adds: both given as log p. */
static double against(double teacher, double mine)
{
  const double t = 1 - exp(teacher), p = 1 - exp(mine);
  return t > 0 ? t * (log_of(t) - log_of(p)) : 0;
}

/* KL(teacher || y), of independent answers the sum over them. */
static double divergence(const anet_evaluator *e, const float *teacher, const float *y)
{
  const double sum = sum_of(e, y);
  double loss = 0;
  for (int32_t i = 0; i < e->classes; i++) {
    const double t = (double)teacher[i], mine = log_p(e, y[i], sum);
    loss += exp(t) * (t - mine);
    if (e->answers == ANET_ANSWER_INDEPENDENT) loss += against(t, mine);
  }
  return loss;
}

static int32_t label_of(const anet_evaluator *e, int32_t item)
{
  return ((const int32_t *)anet_tensor_data(anet_dataset_labels(e->data)))[item];
}

void anet__score(const anet_evaluator *e, const float *y, int32_t item, bool *hit, double *loss)
{
  const float *teacher = e->teacher + (size_t)item * (size_t)e->classes;
  const int32_t top = anet__answers_top(y, e->classes);
  const int32_t right = e->labelled ? label_of(e, item) : anet__answers_top(teacher, e->classes);
  *loss = divergence(e, teacher, y);
  *hit = top >= 0 && top == right;
}
