/* Each loss, its gradient and its count of right answers against the formula in double. */
#include "support/nets.h"
#include "train/loss.h"

enum { MOST = 4096 };

/* A term on answers of one kind: images, rows of an image, classes of a row. */
typedef struct problem {
  anet_loss term;
  int32_t answers, n, rows, classes;
} problem;

typedef struct outcome {
  double loss, correct;
  float grad[MOST];
} outcome;

static float value[MOST], target[MOST];

static double sigmoid64(double x)
{
  return 1 / (1 + exp(-x));
}

static int32_t top_of(const float *x, int32_t n)
{
  int32_t best = 0;
  for (int32_t i = 1; i < n; i++)
    if (x[i] > x[best]) best = i;
  return best;
}

/* q = softmax(x / heat). */
static void soften64(double *q, const double *x, int32_t n, double heat)
{
  double most = x[0], sum = 0;
  for (int32_t i = 1; i < n; i++) most = fmax(most, x[i]);
  for (int32_t i = 0; i < n; i++) sum += q[i] = exp((x[i] - most) / heat);
  for (int32_t i = 0; i < n; i++) q[i] /= sum;
}

/* ---- by hand -------------------------------------------------------------------------------- */

/* Cross-entropy with the labels mixed with the uniform; independent: with 1/2. */
static double labels64(const problem *p, const float *y, const float *t, double *grad)
{
  const double s = (double)p->term.smoothing;
  double mass = 0, loss = 0, logits[64] = {0}, q[64];
  for (int32_t i = 0; i < p->classes; i++) mass += (double)t[i], logits[i] = (double)y[i];
  soften64(q, logits, p->classes, 1);
  for (int32_t i = 0; i < p->classes; i++) {
    if (p->answers == ANET_ANSWER_INDEPENDENT) {
      const double want = (1 - s) * (double)t[i] + s / 2, one = sigmoid64((double)y[i]);
      loss -= mass > 0 ? want * log(one) + (1 - want) * log(1 - one) : 0;
      grad[i] = mass > 0 ? one - want : 0;
    } else {
      const double want = (1 - s) * (double)t[i] + s * mass / p->classes;
      loss -= want * log(q[i]);
      grad[i] = mass * q[i] - want;
    }
  }
  return loss;
}

/* T^2 times the divergence of the softened answers; its gradient has one T left. */
static double teacher64(const problem *p, const float *y, const float *t, double *grad)
{
  const double heat = p->term.temperature > 0 ? (double)p->term.temperature : 1;
  double loss = 0, a[64] = {0}, b[64] = {0}, net[64], teacher[64];
  for (int32_t i = 0; i < p->classes; i++) {
    const double x = (double)t[i];
    a[i] = (double)y[i];
    b[i] = p->answers == ANET_ANSWER_LOGITS          ? x
           : p->answers == ANET_ANSWER_PROBABILITIES ? log(x)
                                                     : log(x) - log(1 - x);
  }
  soften64(net, a, p->classes, heat);
  soften64(teacher, b, p->classes, heat);
  for (int32_t i = 0; i < p->classes; i++) {
    if (p->answers == ANET_ANSWER_INDEPENDENT) {
      const double one = sigmoid64(a[i] / heat), other = sigmoid64(b[i] / heat);
      loss += other * log(other / one) + (1 - other) * log((1 - other) / (1 - one));
      grad[i] = heat * (one - other);
    } else {
      loss += teacher[i] * log(teacher[i] / net[i]);
      grad[i] = heat * (net[i] - teacher[i]);
    }
  }
  return loss * heat * heat;
}

/* Squared distance over the target's square. */
static double feature64(const problem *p, double *grad)
{
  const int32_t count = p->n * p->rows * p->classes;
  double gap = 0, size = 1e-8 * count;
  for (int32_t i = 0; i < count; i++) {
    gap += pow((double)value[i] - (double)target[i], 2);
    size += (double)target[i] * (double)target[i];
  }
  for (int32_t i = 0; i < count; i++) grad[i] = 2 * ((double)value[i] - (double)target[i]) / size;
  return gap / size;
}

static double by_hand(const problem *p, double *grad, double *correct)
{
  const int32_t rows = p->n * p->rows;
  double loss = 0;
  *correct = 0;
  if (p->term.kind == ANET_LOSS_FEATURE) return feature64(p, grad);
  for (int32_t r = 0; r < rows; r++) {
    const float *y = value + r * p->classes, *t = target + r * p->classes;
    const int32_t top = top_of(t, p->classes);
    const bool known = p->term.kind == ANET_LOSS_TEACHER || t[top] > 0;
    double *g = grad + r * p->classes;
    loss += p->term.kind == ANET_LOSS_LABELS ? labels64(p, y, t, g) : teacher64(p, y, t, g);
    for (int32_t i = 0; i < p->classes; i++) g[i] /= rows;
    *correct += known && top_of(y, p->classes) == top ? 1.0 / p->rows : 0;
  }
  return loss / rows;
}

/* ---- the product's -------------------------------------------------------------------------- */

static void run(const problem *p, anet_pool *pool, bool add, bool wanted, outcome *o)
{
  const anet_answers answers = {.kind = p->answers, .classes = p->classes, .rows = p->rows};
  float *scratch = malloc(anet__loss_scratch(&answers));
  const anet__loss_call call = {.term = &p->term,
                                .answers = &answers,
                                .kernels = anet__kernels_best(),
                                .pool = pool,
                                .n = p->n,
                                .size = (size_t)(p->rows * p->classes),
                                .value = value,
                                .target = target,
                                .grad = wanted ? o->grad : NULL,
                                .add = add,
                                .scratch = scratch};
  anet__loss_run(&call, &o->loss, &o->correct);
  free(scratch);
}

static void fill(const problem *p)
{
  const size_t count = (size_t)(p->n * p->rows * p->classes);
  const bool shares = p->answers != ANET_ANSWER_LOGITS, labels = p->term.kind == ANET_LOSS_LABELS;
  CHECK(count <= MOST);
  fill_normal(value, count, 3);
  fill_normal(target, count, 4);
  for (size_t i = 0; i < count; i++) value[i] *= 3;
  if (labels && p->answers == ANET_ANSWER_INDEPENDENT)
    for (size_t i = 0; i < count; i++) target[i] = target[i] > 0.5f;
  else if (labels)
    fill_labels(target, p->n * p->rows, p->classes, 5);
  else if (shares && p->term.kind == ANET_LOSS_TEACHER)
    for (size_t i = 0; i < count; i++) target[i] = (float)sigmoid64((double)target[i]);
  if (labels) memset(target, 0, (size_t)p->classes * sizeof *target); /* an image without a label */
}

static void check_grad(const problem *p, const outcome *o, const double *want, double more)
{
  for (int32_t i = 0; i < p->n * p->rows * p->classes; i++) {
    const double w = (double)p->term.weight * want[i] + more;
    test_checks++;
    if (fabs((double)o->grad[i] - w) <= 2e-6 * (1 + fabs(w))) continue;
    TEST_FAIL("kind %d of answers %d: grad[%d] = %.9g, want %.9g", p->term.kind, p->answers, i,
              (double)o->grad[i], w);
    return;
  }
}

static void check(const problem *p, anet_pool *pool)
{
  static double grad[MOST];
  static outcome one, two;
  double correct;
  fill(p);
  const double loss = (double)p->term.weight * by_hand(p, grad, &correct);
  one = two = (outcome){.loss = 7, .correct = 3}; /* what is there already stays */
  for (int32_t i = 0; i < MOST; i++) one.grad[i] = two.grad[i] = 0.5f;
  run(p, NULL, false, true, &one);
  CHECK_NEAR(one.loss - 7, loss, 1e-6 * (7 + fabs(loss)));
  CHECK_NEAR(one.correct - 3, correct, 1e-9);
  check_grad(p, &one, grad, 0);
  CHECK(one.grad[p->n * p->rows * p->classes] == 0.5f);
  run(p, NULL, true, true, &two);
  check_grad(p, &two, grad, 0.5);
  two = (outcome){.loss = 7, .correct = 3};
  run(p, pool, false, true, &two);
  CHECK(memcmp(&one.loss, &two.loss, 2 * sizeof one.loss) == 0);
  CHECK(memcmp(one.grad, two.grad, (size_t)(p->n * p->rows * p->classes) * sizeof *two.grad) == 0);
  two = (outcome){.loss = 7, .correct = 3};
  run(p, NULL, false, false, &two);
  CHECK(memcmp(&one.loss, &two.loss, 2 * sizeof one.loss) == 0);
  CHECK(two.grad[0] == 0);
}

TEST(values_and_gradients_by_hand)
{
  static const anet_loss terms[] = {
      {.kind = ANET_LOSS_LABELS, .weight = 1},
      {.kind = ANET_LOSS_LABELS, .weight = 0.75f, .smoothing = 0.3f},
      {.kind = ANET_LOSS_TEACHER, .weight = 1},
      {.kind = ANET_LOSS_TEACHER, .weight = -1.5f, .temperature = 4},
      {.kind = ANET_LOSS_TEACHER, .weight = 2, .temperature = 0.5f},
      {.kind = ANET_LOSS_FEATURE, .weight = 1.25f},
  };
  static const int32_t sizes[][3] = {{1, 1, 2}, {5, 1, 7}, {90, 1, 3}, {3, 6, 10}, {2, 70, 4}};
  anet_pool *pool;
  CHECK_OK(anet_pool_new(3, &pool));
  for (int32_t t = 0; t < ANET_COUNT(terms); t++)
    for (int32_t a = ANET_ANSWER_LOGITS; a <= ANET_ANSWER_INDEPENDENT; a++)
      for (int32_t s = 0; s < ANET_COUNT(sizes); s++)
        check(&(problem){terms[t], a, sizes[s][0], sizes[s][1], sizes[s][2]}, pool);
  anet_pool_release(pool);
}

/* Answers that are all but sure are worth what they say, and nothing is infinite. */
TEST(sure_answers_have_finite_losses)
{
  static const int32_t kinds[] = {ANET_ANSWER_LOGITS, ANET_ANSWER_PROBABILITIES,
                                  ANET_ANSWER_INDEPENDENT};
  for (int32_t k = 0; k < ANET_COUNT(kinds); k++) {
    problem p = {{.kind = ANET_LOSS_LABELS, .weight = 1}, kinds[k], 1, 1, 2};
    outcome o = {0};
    memcpy(value, (float[]){200, -200}, 2 * sizeof *value);
    memcpy(target, (float[]){0, 1}, 2 * sizeof *target);
    run(&p, NULL, false, true, &o);
    CHECK_NEAR(o.loss, 400, 1e-3); /* of logits: the gap; of two independent: 200 each */
    CHECK_NEAR(o.grad[0], 1, 1e-6);
    CHECK_NEAR(o.grad[1], -1, 1e-6);
    CHECK_NEAR(o.correct, 0, 0);
    p.term.kind = ANET_LOSS_TEACHER;
    p.term.temperature = 2;
    o = (outcome){0};
    if (p.answers == ANET_ANSWER_LOGITS) memcpy(target, (float[]){-200, 200}, 2 * sizeof *target);
    run(&p, NULL, false, true, &o);
    CHECK(isfinite(o.loss) && o.loss > 300);
    CHECK_NEAR(o.grad[0], 2, 1e-5);
    CHECK_NEAR(o.grad[1], -2, 1e-5);
  }
}

/* A feature of zeros does not divide by 0. */
TEST(a_feature_of_nothing_is_finite)
{
  problem p = {{.kind = ANET_LOSS_FEATURE, .weight = 1}, ANET_ANSWER_LOGITS, 1, 1, 4};
  outcome o = {0};
  for (int32_t i = 0; i < 4; i++) value[i] = 1e-4f, target[i] = 0;
  run(&p, NULL, false, true, &o);
  CHECK_NEAR(o.loss, 1, 1e-5); /* 4 * 1e-8 over 4 * 1e-8 */
  CHECK_NEAR(o.grad[3], 2 * 1e-4 / 4e-8, 1);
  CHECK_NEAR(o.correct, 0, 0);
}

TEST(terms_are_checked)
{
  const anet_loss good = {.kind = ANET_LOSS_FEATURE, .output = 1, .weight = -2};
  anet_loss l = good;
  CHECK_OK(anet__loss_check(&good, 0, 2));
  CHECK_FAILS(anet__loss_check(&good, 3, 1), ANET_RANGE, "loss 3: output 1 of a net with 1");
  l.output = -1;
  CHECK_FAILS(anet__loss_check(&l, 0, 2), ANET_RANGE, "loss 0: output -1 of a net with 2");
  l = good, l.kind = ANET_LOSS_FEATURE + 1;
  CHECK_FAILS(anet__loss_check(&l, 4, 2), ANET_RANGE, "loss 4: kind 3, want 0 .. 2");
  l.kind = -1;
  CHECK_FAILS(anet__loss_check(&l, 4, 2), ANET_RANGE, "loss 4: kind -1, want 0 .. 2");
  l = good, l.weight = INFINITY;
  CHECK_FAILS(anet__loss_check(&l, 5, 2), ANET_RANGE, "loss 5: weight inf is not finite");
  l = good, l.temperature = -0.5f;
  CHECK_FAILS(anet__loss_check(&l, 6, 2), ANET_RANGE,
              "loss 6: temperature -0.5, want 0 (for 1) or more");
  l.temperature = INFINITY;
  CHECK_FAILS(anet__loss_check(&l, 6, 2), ANET_RANGE, "temperature inf");
  l.temperature = NAN;
  CHECK_FAILS(anet__loss_check(&l, 6, 2), ANET_RANGE, "temperature");
  l = good, l.smoothing = 1;
  CHECK_FAILS(anet__loss_check(&l, 7, 2), ANET_RANGE,
              "loss 7: smoothing 1, want 0 <= smoothing < 1");
  l.smoothing = -0.25f;
  CHECK_FAILS(anet__loss_check(&l, 7, 2), ANET_RANGE, "smoothing -0.25");
  l.smoothing = 0.99f;
  CHECK_OK(anet__loss_check(&l, 7, 2));
}

TEST(targets_have_the_outputs_numbers)
{
  const anet_shape map = {3, {2, 3, 4}};
  anet_loss l = {.kind = ANET_LOSS_FEATURE, .output = 1};
  CHECK_OK(anet__loss_fits(&l, 2, &map)); /* 0: as many */
  l.numbers = 24;
  CHECK_OK(anet__loss_fits(&l, 2, &map));
  l.numbers = 23;
  CHECK_FAILS(anet__loss_fits(&l, 2, &map), ANET_SHAPE,
              "loss 2: its target has 23 numbers an image, output 1 has 24");
  l.numbers = -24;
  CHECK_FAILS(anet__loss_fits(&l, 2, &map), ANET_SHAPE, "-24 numbers");
}

TEST_MAIN(CASE(values_and_gradients_by_hand), CASE(sure_answers_have_finite_losses),
          CASE(a_feature_of_nothing_is_finite), CASE(terms_are_checked),
          CASE(targets_have_the_outputs_numbers))
