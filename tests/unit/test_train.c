/* Tapes and optimisers: gradients, memory sharing, updates, resuming. */
#include <stdlib.h>

#include "base/alloc.h"
#include "support/fault.h"
#include "support/nets.h"
#include "tensor/tensor.h"
#include "train/optim.h"

enum { SIZE = 6, BATCH = 6, CLASSES = 5, MOST = 4096 };

static const anet_loss labels_loss = {.kind = ANET_LOSS_LABELS, .weight = 1};

/* ---- a net with everything ---------------------------------------------------------------- */

/* A frozen start, a parameter used twice, a residual addition, a join and two outputs. `act` is
 * the activation after norms: smooth where slopes are measured. */
static anet_net *mixed_net(const char *act)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  const int32_t in = net_image(net, SIZE, 2);
  const int32_t stem = net_conv(net, "stem", in, 4, 3, 1, 1);
  const int32_t frozen_norm = net_put(net, "norm", "stem_norm", NULL, stem, -1);
  const int32_t x = net_op(net, "relu", frozen_norm);
  const int32_t c1 = net_conv(net, "c1", x, 4, 3, 1, 0);
  const int32_t n1 = net_op(net, act, net_put(net, "norm", "n1", NULL, c1, -1));
  const int32_t c2 = net_conv(net, "c2", n1, 4, 3, 1, 0);
  const int32_t n2 = net_put(net, "norm", "n2", NULL, c2, -1);
  const int32_t sum = net_op(net, act, net_put(net, "add", NULL, NULL, n2, n1));
  const int32_t c3 = net_op(net, act, net_conv(net, "c3", sum, 3, 1, 1, 1));
  const int32_t joined = net_put(net, "concat", NULL, NULL, sum, c3);
  const int32_t again = net_put(net, "add", NULL, NULL, joined, joined);
  const int32_t flat = net_op(net, "flatten", net_op(net, "global_pool", again));
  CHECK_OK(anet_net_output(net, net_linear(net, "head", flat, CLASSES)));
  CHECK_OK(anet_net_output(net, sum));
  CHECK_OK(anet_net_init(net, 3));
  CHECK_OK(anet_net_set_param(net, c2, 0, anet_net_param(net, c1, 0)));
  CHECK_OK(anet_net_freeze(net, stem, 1));
  CHECK_OK(anet_net_freeze(net, frozen_norm, 1));
  return net;
}

typedef struct example {
  float in[BATCH * SIZE * SIZE * 2], labels[BATCH * CLASSES], teacher[BATCH * CLASSES];
  float feature[BATCH * SIZE * SIZE * 4];
} example;

static example *example_new(void)
{
  example *e = malloc(sizeof *e);
  fill_normal(e->in, ANET_COUNT(e->in), 11);
  fill_normal(e->teacher, ANET_COUNT(e->teacher), 12);
  fill_normal(e->feature, ANET_COUNT(e->feature), 13);
  fill_labels(e->labels, BATCH, CLASSES, 14);
  return e;
}

static const anet_loss mixed_loss[3] = {
    {.kind = ANET_LOSS_LABELS, .output = 0, .weight = 1, .smoothing = 0.1f},
    {.kind = ANET_LOSS_TEACHER, .output = 0, .weight = 0.5f, .temperature = 2},
    {.kind = ANET_LOSS_FEATURE, .output = 1, .weight = 0.7f},
};

static double mixed_step(anet_tape *tape, const example *e, anet_step_stats *stats)
{
  const float *in = e->in, *target[3] = {e->labels, e->teacher, e->feature};
  CHECK_OK(anet_tape_step(tape, &in, BATCH, mixed_loss, target, 3, 5, stats));
  return stats->loss;
}

static void shift_param(anet_tensor *param, const float *direction, float k)
{
  float *w = anet_tensor_data(param);
  for (int32_t i = 0; i < (int32_t)anet_tensor_count(param); i++) w[i] += k * direction[i];
}

/* The slope of the loss along a random direction of one parameter against its gradient. The loss
 * is a sum of float activations of about 1, good to some 1e-6; the step of 1e-2 makes that 1e-4,
 * and its own curvature error is 1e-4 of the third derivative. */
static void check_slope(anet_net *net, anet_tape *tape, const example *e, int32_t v, int32_t p)
{
  static float direction[MOST], grad[MOST];
  anet_tensor *param = anet_net_param(net, v, p);
  const int32_t count = (int32_t)anet_tensor_count(param);
  const float h = 1e-2f;
  anet_step_stats stats;
  anet_node node;
  double slope = 0, size = 0;
  mixed_step(tape, e, &stats);
  memcpy(grad, anet_tape_grad(tape, v, p), (size_t)count * sizeof *grad);
  fill_normal(direction, (size_t)count, 100 * v + p);
  for (int32_t i = 0; i < count; i++) size += (double)direction[i] * (double)direction[i];
  for (int32_t i = 0; i < count; i++) {
    direction[i] /= (float)sqrt(size);
    slope += (double)direction[i] * (double)grad[i];
  }
  shift_param(param, direction, h);
  const double above = mixed_step(tape, e, &stats);
  shift_param(param, direction, -2 * h);
  const double below = mixed_step(tape, e, &stats);
  shift_param(param, direction, h);
  CHECK_OK(anet_net_node(net, v, &node));
  const double measured = (above - below) / (2 * (double)h), gap = fabs(measured - slope);
  test_checks++;
  if (!(gap <= 5e-4 + 5e-3 * fabs(slope)))
    TEST_FAIL("%s param %d: slope %.6g, gradient says %.6g", node.name, p, measured, slope);
}

TEST(gradients_are_slopes)
{
  anet_net *net = mixed_net("swish");
  anet_tape *tape;
  anet_step_stats stats;
  example *e = example_new();
  int32_t learning = 0;
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  mixed_step(tape, e, &stats);
  for (int32_t v = 0; v < anet_net_count(net); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS; p++) {
      if (!anet_tape_grad(tape, v, p)) continue;
      learning++;
      check_slope(net, tape, e, v, p);
    }
  CHECK_EQ_I(learning, 2 + 4 + 2 + 2); /* two uses of a weight, two norms, c3, head */
  CHECK(anet_tape_grad(tape, anet_net_find(net, "stem"), 0) == NULL);
  CHECK(anet_tape_grad(tape, anet_net_find(net, "c1"), 0) ==
        anet_tape_grad(tape, anet_net_find(net, "c2"), 0));
  anet_tape_release(tape);
  anet_net_release(net);
  free(e);
}

/* With fixed norms the net is trained as it runs: slopes are those of the running statistics, which
 * stay. */
TEST(fixed_norms_train_the_net_as_it_runs)
{
  anet_net *net = mixed_net("swish");
  anet_tape *tape;
  anet_step_stats stats;
  example *e = example_new();
  const int32_t norm = anet_net_find(net, "n1");
  float before[2][4];
  fill_normal(anet_tensor_data(anet_net_param(net, norm, 2)), 4, 21);
  for (int32_t i = 0; i < 2; i++)
    memcpy(before[i], anet_tensor_data(anet_net_param(net, norm, 2 + i)), sizeof before[i]);
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  anet_tape_fix_norms(tape, 1);
  for (int32_t v = 0; v < anet_net_count(net); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS; p++) {
      mixed_step(tape, e, &stats);
      if (anet_tape_grad(tape, v, p)) check_slope(net, tape, e, v, p);
    }
  for (int32_t i = 0; i < 2; i++)
    CHECK(memcmp(before[i], anet_tensor_data(anet_net_param(net, norm, 2 + i)), sizeof before[i]) ==
          0);
  const float *in = e->in, *out = NULL;
  float kept[BATCH * CLASSES];
  memcpy(kept, anet_tape_value(tape, anet_net_output_at(net, 0)), sizeof kept);
  CHECK_OK(anet_tape_forward(tape, &in, BATCH, 0, 0));
  out = anet_tape_value(tape, anet_net_output_at(net, 0));
  CHECK(memcmp(kept, out, sizeof kept) == 0);
  anet_tape_release(tape);
  anet_net_release(net);
  free(e);
}

/* A tape that was another net's gives the bits of a new one, with memory left over or too small. */
TEST(a_renewed_tape_is_as_a_new_one)
{
  anet_net *small = net_resnet(8, 1, 4, 1, CLASSES), *large = mixed_net("relu");
  anet_tape *fresh, *used;
  anet_step_stats want, got;
  example *e = example_new();
  const int32_t head = anet_net_find(large, "head");
  CHECK_OK(anet_tape_new(large, BATCH, NULL, &fresh));
  CHECK_OK(anet_tape_new(small, BATCH, NULL, &used));
  for (int32_t round = 0; round < 2; round++) {
    CHECK_OK(anet_tape_renew(used, large));
    mixed_step(fresh, e, &want);
    mixed_step(used, e, &got);
    CHECK_NEAR(got.loss, want.loss, 0);
    CHECK(memcmp(anet_tape_grad(fresh, head, 0), anet_tape_grad(used, head, 0), 4 * CLASSES) == 0);
    CHECK_OK(anet_tape_renew(used, small));
  }
  anet_tape_release(used);
  anet_tape_release(fresh);
  anet_net_release(large);
  anet_net_release(small);
  free(e);
}

/* With every value an output, nothing is fused, overwritten or shared; the gradients are the same
 * but for rounding. */
static void check_same_gradients(anet_net *net, anet_tape *plain, anet_tape *open)
{
  for (int32_t v = 0; v < anet_net_count(net); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS; p++) {
      const float *a = anet_tape_grad(plain, v, p), *b = anet_tape_grad(open, v, p);
      CHECK(!a || b); /* a node that nobody needs has none */
      if (!a) continue;
      const int32_t count = (int32_t)anet_tensor_count(anet_net_param(net, v, p));
      double gap = 0, size = 0;
      for (int32_t i = 0; i < count; i++) {
        gap = fmax(gap, fabs((double)a[i] - (double)b[i]));
        size = fmax(size, fabs((double)b[i]));
      }
      CHECK_NEAR(gap / (size + 1e-3), 0, 2e-3);
    }
}

static void compare_open(anet_net *net, anet_net *open, int32_t from, double *saved)
{
  anet_tape *a, *b;
  anet_step_stats sa, sb;
  example *e = example_new();
  for (int32_t v = from; v < anet_net_count(open); v++) CHECK_OK(anet_net_output(open, v));
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &a));
  CHECK_OK(anet_tape_new(open, BATCH, NULL, &b));
  const float *in = e->in, *target = e->labels;
  CHECK_OK(anet_tape_step(a, &in, BATCH, &labels_loss, &target, 1, 5, &sa));
  CHECK_OK(anet_tape_step(b, &in, BATCH, &labels_loss, &target, 1, 5, &sb));
  CHECK_NEAR(sa.loss, sb.loss, 1e-4);
  check_same_gradients(net, a, b);
  *saved = anet_tape_bytes(b) / anet_tape_bytes(a);
  anet_tape_release(a);
  anet_tape_release(b);
  free(e);
}

TEST(sharing_memory_changes_nothing)
{
  static const char *const act[] = {"relu", "relu6", "leaky_relu", "hard_swish"};
  double saved;
  for (int32_t i = 0; i < ANET_COUNT(act); i++) {
    anet_net *net = mixed_net(act[i]), *open = mixed_net(act[i]);
    compare_open(net, open, 0, &saved);
    anet_net_release(net);
    anet_net_release(open);
  }
  anet_net *net = net_resnet(SIZE, 2, 4, 2, CLASSES), *open = net_resnet(SIZE, 2, 4, 2, CLASSES);
  compare_open(net, open, anet_net_count(net) - 30, &saved);
  CHECK(saved > 1.3);
  anet_net_release(net);
  anet_net_release(open);
}

/* A random net on values of one shape: chains, diamonds, values that many read or none. */
static anet_net *random_net(double seed)
{
  static const char *const ops[] = {"relu", "swish", "add",      "add",   "add",    "mul",
                                    "norm", "conv",  "identity", "relu6", "dropout"};
  enum { NODES = 16 };
  anet_net *net;
  anet_rng rng;
  CHECK_OK(anet_net_new(&net));
  anet_rng_seed(&rng, seed);
  int32_t value = net_conv(net, NULL, net_image(net, SIZE, 2), 4, 1, 1, 1);
  for (int32_t i = 0; i < NODES; i++) {
    const char *op = ops[anet_rng_int(&rng, 0, ANET_COUNT(ops) - 1)];
    const int32_t a = anet_rng_int(&rng, ANET_MAX(1, value - 3), value);
    const int32_t b = anet_rng_int(&rng, ANET_MAX(1, value - 5), value);
    const bool two = !strcmp(op, "add") || !strcmp(op, "mul");
    if (!strcmp(op, "conv"))
      value = net_conv(net, NULL, a, 4, 3, 1, 0);
    else
      value = net_put(net, op, NULL, &(anet_attr){.alpha = 0.2f}, a, two ? b : -1);
  }
  const int32_t last = net_put(net, "norm", NULL, NULL, value, -1);
  const int32_t flat = net_op(net, "flatten", net_op(net, "global_pool", last));
  CHECK_OK(anet_net_output(net, net_linear(net, "head", flat, CLASSES)));
  CHECK_OK(anet_net_init(net, seed));
  return net;
}

TEST(sharing_memory_in_random_nets)
{
  double saved;
  for (int32_t seed = 1; seed <= 200 && !test_failures; seed++) {
    anet_net *net = random_net(seed), *open = random_net(seed);
    compare_open(net, open, 0, &saved);
    if (test_failures) TEST_FAIL("seed %d", seed);
    anet_net_release(net);
    anet_net_release(open);
  }
}

/* ---- forward ------------------------------------------------------------------------------ */

static void train_some(anet_net *net, anet_optim *optim, anet_pool *pool, const float *in,
                       const float *labels, int32_t n, int32_t steps)
{
  anet_tape *tape;
  anet_step_stats stats;
  CHECK_OK(anet_tape_new(net, n, pool, &tape));
  for (int32_t i = 0; i < steps; i++) {
    CHECK_OK(anet_tape_step(tape, &in, n, &labels_loss, &labels, 1, i, &stats));
    CHECK_OK(anet_optim_step(optim, tape, 0.05, &stats));
  }
  anet_tape_release(tape);
}

TEST(forward_agrees_with_a_plan)
{
  anet_net *net = net_resnet(8, 2, 8, 1, CLASSES);
  anet_optim *optim;
  anet_tape *tape;
  anet_plan *plan;
  anet_workspace *workspace;
  float in[BATCH * 8 * 8 * 2], labels[BATCH * CLASSES], out[BATCH * CLASSES];
  fill_normal(in, ANET_COUNT(in), 21);
  fill_labels(labels, BATCH, CLASSES, 22);
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f}, &optim));
  train_some(net, optim, NULL, in, labels, BATCH, 5);
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  CHECK_OK(anet_plan_new(net, BATCH, &plan));
  CHECK_OK(anet_workspace_new(plan, NULL, &workspace));
  const float *from = in;
  float *to = out;
  CHECK_OK(anet_tape_forward(tape, &from, BATCH, 0, 0));
  CHECK_OK(anet_run(plan, workspace, &from, &to, BATCH));
  const float *y = anet_tape_value(tape, anet_net_output_at(net, 0));
  for (int32_t i = 0; i < ANET_COUNT(out); i++)
    CHECK_NEAR(y[i], out[i], 1e-5 * (1 + fabs((double)out[i])));
  anet_workspace_release(workspace);
  anet_plan_release(plan);
  anet_tape_release(tape);
  anet_optim_release(optim);
  anet_net_release(net);
}

/* ---- losses ------------------------------------------------------------------------------- */

/* A net that does nothing but flatten and pass on what it gets. */
static anet_net *wire_net(anet_shape shape)
{
  anet_net *net;
  int32_t value;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, NULL, &shape, &value));
  CHECK_OK(anet_net_output(net, net_op(net, "identity", value)));
  return net;
}

static anet_step_stats loss_of(anet_shape shape, const float *y, const float *t, int32_t n,
                               anet_loss loss)
{
  anet_net *net = wire_net(shape);
  anet_tape *tape;
  anet_step_stats stats;
  CHECK_OK(anet_tape_new(net, n, NULL, &tape));
  CHECK_OK(anet_tape_step(tape, &y, n, &loss, &t, 1, 0, &stats));
  anet_tape_release(tape);
  anet_net_release(net);
  return stats;
}

TEST(losses_by_hand)
{
  const float y[] = {1, 2, 0, 3, 3, -1}, t[] = {0, 1, 0, 0, 0, 1}, none[6] = {0};
  const anet_shape three = {1, {3}};
  const double row0 = log(exp(-1) + 1 + exp(-2)), row1 = log(2 + exp(-4)) + 4;
  anet_step_stats s = loss_of(three, y, t, 2, labels_loss);
  CHECK_NEAR(s.loss, (row0 + row1) / 2, 1e-6);
  CHECK_EQ_I(s.correct, 1);
  anet_loss loss = labels_loss;
  loss.weight = 2;
  loss.smoothing = 0.3f;
  s = loss_of(three, y, t, 1, loss);
  CHECK_NEAR(s.loss, 2 * (row0 + 0.1 * (1 + 0 + 2)), 1e-5);
  s = loss_of(three, y, none, 2, loss); /* no labels: nothing to learn */
  CHECK_NEAR(s.loss, 0, 0);
  CHECK_EQ_I(s.correct, 0);
  loss = (anet_loss){.kind = ANET_LOSS_FEATURE, .weight = 3};
  s = loss_of(three, y, t, 2, loss);
  CHECK_NEAR(s.loss, 3 * (1 + 1 + 0 + 9 + 9 + 4) / 2.0, 1e-5);
  loss = (anet_loss){.kind = ANET_LOSS_TEACHER, .weight = 1, .temperature = 2};
  s = loss_of(three, y, y, 2, loss);
  CHECK_NEAR(s.loss, 0, 1e-6);
  CHECK_EQ_I(s.correct, 2);
  const float a[] = {0, 0}, b[] = {2 * logf(3), 0}; /* halves against three quarters */
  s = loss_of((anet_shape){1, {2}}, a, b, 1, loss);
  CHECK_NEAR(s.loss, 4 * (0.75 * log(1.5) + 0.25 * log(0.5)), 1e-5);
}

/* A map of classes: every pixel is a row, and an image counts by the share of its right pixels. */
TEST(losses_of_maps)
{
  const float y[] = {1, 0, 0, 1, 1, 0, 0, 1}, t[] = {1, 0, 1, 0, 1, 0, 0, 1};
  const anet_step_stats s = loss_of((anet_shape){3, {2, 1, 2}}, y, t, 2, labels_loss);
  CHECK_NEAR(s.loss, (3 * log(1 + exp(-1)) + log(1 + exp(1))) / 4, 1e-6);
  CHECK_NEAR(s.correct, 1.5, 0);
}

/* ---- optimisers --------------------------------------------------------------------------- */

/* One linear layer, 4 to CLASSES. */
typedef struct tiny {
  anet_net *net;
  anet_tape *tape;
  anet_tensor *weight, *bias;
  float in[BATCH * 4], labels[BATCH * CLASSES];
} tiny;

static void tiny_new(tiny *t)
{
  int32_t value;
  CHECK_OK(anet_net_new(&t->net));
  CHECK_OK(anet_net_input(t->net, NULL, &(anet_shape){1, {4}}, &value));
  value = net_linear(t->net, "only", value, CLASSES);
  CHECK_OK(anet_net_output(t->net, value));
  CHECK_OK(anet_net_init(t->net, 5));
  CHECK_OK(anet_tape_new(t->net, BATCH, NULL, &t->tape));
  t->weight = anet_net_param(t->net, value, 0);
  t->bias = anet_net_param(t->net, value, 1);
  fill_normal(t->in, ANET_COUNT(t->in), 31);
  fill_labels(t->labels, BATCH, CLASSES, 32);
}

static void tiny_free(tiny *t)
{
  anet_tape_release(t->tape);
  anet_net_release(t->net);
}

static void tiny_step(tiny *t, anet_step_stats *stats)
{
  const float *in = t->in, *target = t->labels;
  CHECK_OK(anet_tape_step(t->tape, &in, BATCH, &labels_loss, &target, 1, 0, stats));
}

enum { WEIGHTS = 4 * CLASSES };

static void sgd_by_hand(int32_t nesterov)
{
  const double rate = 0.1, keep = 0.9, decay = 0.01;
  double momentum[WEIGHTS + CLASSES] = {0}, want[WEIGHTS + CLASSES];
  tiny t;
  anet_optim *optim;
  anet_step_stats stats;
  tiny_new(&t);
  CHECK_OK(anet_optim_new(
      &(anet_optim_desc){
          .kind = ANET_SGD, .momentum = (float)keep, .decay = (float)decay, .nesterov = nesterov},
      &optim));
  for (int32_t step = 0; step < 4; step++) {
    tiny_step(&t, &stats);
    double norm = 0;
    for (int32_t i = 0; i < WEIGHTS + CLASSES; i++) {
      const bool weight = i < WEIGHTS;
      const int32_t at = weight ? i : i - WEIGHTS;
      const double w = ((float *)anet_tensor_data(weight ? t.weight : t.bias))[at];
      const double raw = anet_tape_grad(t.tape, 1, !weight)[at];
      const double g = raw + (weight ? decay * w : 0);
      norm += raw * raw;
      momentum[i] = keep * momentum[i] + g;
      want[i] = w - rate * (nesterov ? g + keep * momentum[i] : momentum[i]);
    }
    CHECK_OK(anet_optim_step(optim, t.tape, rate, &stats));
    CHECK_NEAR(stats.gradient, sqrt(norm), 1e-6);
    for (int32_t i = 0; i < WEIGHTS; i++)
      CHECK_NEAR(((float *)anet_tensor_data(t.weight))[i], want[i], 1e-6);
    for (int32_t i = 0; i < CLASSES; i++)
      CHECK_NEAR(((float *)anet_tensor_data(t.bias))[i], want[WEIGHTS + i], 1e-6);
  }
  anet_optim_release(optim);
  tiny_free(&t);
}

TEST(momentum_by_hand)
{
  sgd_by_hand(0);
  sgd_by_hand(1);
}

TEST(adamw_by_hand)
{
  const double rate = 0.01, b1 = 0.9, b2 = 0.99, decay = 0.1, epsilon = 1e-8;
  double mean[WEIGHTS] = {0}, square[WEIGHTS] = {0}, want[WEIGHTS];
  tiny t;
  anet_optim *optim;
  anet_step_stats stats;
  tiny_new(&t);
  CHECK_OK(anet_optim_new(
      &(anet_optim_desc){
          .kind = ANET_ADAMW, .momentum = (float)b1, .beta2 = (float)b2, .decay = (float)decay},
      &optim));
  for (int32_t step = 1; step <= 4; step++) {
    tiny_step(&t, &stats);
    for (int32_t i = 0; i < WEIGHTS; i++) {
      const double w = ((float *)anet_tensor_data(t.weight))[i];
      const double g = anet_tape_grad(t.tape, 1, 0)[i];
      mean[i] = b1 * mean[i] + (1 - b1) * g;
      square[i] = b2 * square[i] + (1 - b2) * g * g;
      const double m = mean[i] / (1 - pow(b1, step)), s = square[i] / (1 - pow(b2, step));
      want[i] = w - rate * (m / (sqrt(s) + epsilon) + decay * w);
    }
    CHECK_OK(anet_optim_step(optim, t.tape, rate, &stats));
    for (int32_t i = 0; i < WEIGHTS; i++)
      CHECK_NEAR(((float *)anet_tensor_data(t.weight))[i], want[i], 2e-6);
  }
  anet_optim_release(optim);
  tiny_free(&t);
}

TEST(clipping_keeps_the_direction)
{
  tiny t;
  anet_optim *optim;
  anet_step_stats stats;
  float before[WEIGHTS], grad[WEIGHTS];
  tiny_new(&t);
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.clip = 0.01f}, &optim));
  tiny_step(&t, &stats);
  memcpy(before, anet_tensor_data(t.weight), sizeof before);
  memcpy(grad, anet_tape_grad(t.tape, 1, 0), sizeof grad);
  CHECK_OK(anet_optim_step(optim, t.tape, 1, &stats));
  CHECK(stats.gradient > 0.01);
  for (int32_t i = 0; i < WEIGHTS; i++)
    CHECK_NEAR(((float *)anet_tensor_data(t.weight))[i],
               (double)before[i] - 0.01 / stats.gradient * (double)grad[i], 1e-6);
  anet_optim_release(optim);
  tiny_free(&t);
}

TEST(a_gradient_that_is_not_finite_changes_nothing)
{
  anet_net *net = net_resnet(8, 1, 4, 1, CLASSES);
  anet_optim *optim;
  anet_tape *tape;
  anet_step_stats stats;
  anet_net *before;
  float in[BATCH * 64], labels[BATCH * CLASSES];
  fill_normal(in, ANET_COUNT(in), 41);
  fill_labels(labels, BATCH, CLASSES, 42);
  in[77] = NAN;
  CHECK_OK(anet_net_copy(net, &before));
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f}, &optim));
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  const float *from = in, *target = labels;
  CHECK_OK(anet_tape_step(tape, &from, BATCH, &labels_loss, &target, 1, 0, &stats));
  CHECK_FAILS(anet_optim_step(optim, tape, 0.1, &stats), ANET_RANGE, "loss is");
  for (int32_t v = 0; v < anet_net_count(net); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS && anet_net_param(net, v, p); p++) {
      anet_tensor *a = anet_net_param(net, v, p), *b = anet_net_param(before, v, p);
      CHECK(memcmp(anet_tensor_data(a), anet_tensor_data(b),
                   (size_t)anet_tensor_count(a) * sizeof(float)) == 0);
    }
  anet_tape_release(tape);
  anet_optim_release(optim);
  anet_net_release(before);
  anet_net_release(net);
}

/* ---- training ----------------------------------------------------------------------------- */

enum { IMAGES = 32, PIXELS = 8 * 8 };

typedef struct set {
  float in[IMAGES * PIXELS], labels[IMAGES * CLASSES];
} set;

static void set_fill(set *s)
{
  fill_normal(s->in, ANET_COUNT(s->in), 51);
  fill_labels(s->labels, IMAGES, CLASSES, 52);
}

TEST(overfits_a_few_images)
{
  anet_net *net = net_resnet(8, 1, 8, 1, CLASSES);
  anet_optim *optim;
  anet_tape *tape;
  anet_step_stats stats;
  set s;
  set_fill(&s);
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f}, &optim));
  CHECK_OK(anet_tape_new(net, IMAGES, NULL, &tape));
  const float *in = s.in, *target = s.labels;
  for (int32_t i = 0; i < 100; i++) {
    CHECK_OK(anet_tape_step(tape, &in, IMAGES, &labels_loss, &target, 1, i, &stats));
    CHECK_OK(anet_optim_step(optim, tape, 0.05, &stats));
  }
  CHECK_NEAR(stats.loss, 0, 0.05);
  CHECK_EQ_I(stats.correct, IMAGES);
  anet_tape_release(tape);
  anet_optim_release(optim);
  anet_net_release(net);
}

static void check_same_params(anet_net *a, anet_net *b)
{
  for (int32_t v = 0; v < anet_net_count(a); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS && anet_net_param(a, v, p); p++) {
      anet_tensor *x = anet_net_param(a, v, p), *y = anet_net_param(b, v, p);
      const size_t bytes = (size_t)anet_tensor_count(x) * sizeof(float);
      test_checks++;
      if (memcmp(anet_tensor_data(x), anet_tensor_data(y), bytes) != 0)
        TEST_FAIL("parameter %d of node %d differs", p, v);
    }
}

TEST(threads_do_not_matter)
{
  set s;
  set_fill(&s);
  anet_net *one = net_resnet(8, 1, 8, 1, CLASSES);
  for (int32_t threads = 2; threads <= 5; threads += 3) {
    anet_net *many = net_resnet(8, 1, 8, 1, CLASSES), *again = net_resnet(8, 1, 8, 1, CLASSES);
    anet_pool *pool;
    anet_optim *a, *b;
    CHECK_OK(anet_pool_new(threads, &pool));
    CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f, .clip = 1}, &a));
    CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f, .clip = 1}, &b));
    train_some(again, a, NULL, s.in, s.labels, IMAGES, 5);
    train_some(many, b, pool, s.in, s.labels, IMAGES, 5);
    check_same_params(again, many);
    anet_optim_release(a);
    anet_optim_release(b);
    anet_pool_release(pool);
    anet_net_release(many);
    anet_net_release(again);
  }
  anet_net_release(one);
}

static void copy_state(anet_optim *to, anet_net *to_net, anet_optim *from, anet_net *from_net)
{
  for (int32_t v = 0; v < anet_net_count(to_net); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS && anet_net_param(to_net, v, p); p++) {
      anet_tensor *a[2], *b[2];
      int64_t *steps_a, *steps_b;
      CHECK_OK(anet__optim_state(to, anet_net_param(to_net, v, p), a, &steps_a));
      CHECK_OK(anet__optim_state(from, anet_net_param(from_net, v, p), b, &steps_b));
      *steps_a = *steps_b;
      for (int32_t i = 0; i < 2; i++) {
        CHECK(!a[i] == !b[i]);
        if (a[i]) CHECK_OK(anet_tensor_copy(a[i], b[i]));
      }
    }
}

static void check_resume(const anet_optim_desc *desc)
{
  anet_net *straight = net_resnet(8, 1, 4, 1, CLASSES), *first = net_resnet(8, 1, 4, 1, CLASSES);
  anet_net *second;
  anet_optim *a, *b, *c;
  set s;
  set_fill(&s);
  CHECK_OK(anet_optim_new(desc, &a));
  CHECK_OK(anet_optim_new(desc, &b));
  CHECK_OK(anet_optim_new(desc, &c));
  train_some(straight, a, NULL, s.in, s.labels, IMAGES, 10);
  train_some(first, b, NULL, s.in, s.labels, IMAGES, 5);
  CHECK_OK(anet_net_copy(first, &second));
  copy_state(c, second, b, first);
  anet_optim_release(b);
  anet_net_release(first);
  train_some(second, c, NULL, s.in, s.labels, IMAGES, 5);
  check_same_params(straight, second);
  anet_optim_release(a);
  anet_optim_release(c);
  anet_net_release(straight);
  anet_net_release(second);
}

TEST(resuming_goes_on_as_if_never_stopped)
{
  check_resume(&(anet_optim_desc){.kind = ANET_SGD, .momentum = 0.9f, .decay = 1e-3f});
  check_resume(&(anet_optim_desc){.kind = ANET_ADAMW, .momentum = 0.9f, .decay = 1e-3f});
}

TEST(frozen_nodes_stay_as_they_are)
{
  anet_net *net = net_resnet(8, 1, 4, 1, CLASSES), *before;
  anet_optim *optim;
  set s;
  set_fill(&s);
  for (int32_t v = 0; v < anet_net_count(net) / 2; v++) CHECK_OK(anet_net_freeze(net, v, 1));
  CHECK_OK(anet_net_copy(net, &before));
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f, .decay = 0.1f}, &optim));
  train_some(net, optim, NULL, s.in, s.labels, IMAGES, 3);
  for (int32_t v = 0; v < anet_net_count(net); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS && anet_net_param(net, v, p); p++) {
      anet_tensor *a = anet_net_param(net, v, p), *b = anet_net_param(before, v, p);
      const int same = memcmp(anet_tensor_data(a), anet_tensor_data(b),
                              (size_t)anet_tensor_count(a) * sizeof(float)) == 0;
      CHECK_EQ_I(same, v < anet_net_count(net) / 2);
    }
  anet_optim_release(optim);
  anet_net_release(before);
  anet_net_release(net);
}

/* ---- windows ------------------------------------------------------------------------------ */

/* conv 1x1 of `hidden` of 8 channels, whose weights are the first columns of `whole`. */
static anet_net *prefix_net(anet_tensor *whole, int32_t hidden)
{
  anet_net *net;
  anet_tensor *window;
  CHECK_OK(anet_net_new(&net));
  const int32_t conv = net_conv(net, "narrow", net_image(net, 4, 3), hidden, 3, 1, 0);
  const int32_t begin[4] = {0};
  CHECK_OK(anet_tensor_view(whole, begin, &(anet_shape){4, {3, 3, 3, hidden}}, &window));
  CHECK_OK(anet_net_set_param(net, conv, 0, window));
  anet_tensor_release(window);
  CHECK_OK(anet_net_output(net, net_op(net, "flatten", net_op(net, "global_pool", conv))));
  return net;
}

TEST(windows_train_as_part_of_the_whole)
{
  enum { WHOLE = 8, PART = 5, ROWS = 27 };
  anet_tensor *whole, *state[2];
  anet_optim *optim;
  anet_tape *tape;
  anet_step_stats stats;
  int64_t *steps;
  float in[2 * 4 * 4 * 3], labels[2 * PART], before[ROWS * WHOLE];
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){4, {3, 3, 3, WHOLE}}, &whole));
  float *w = anet_tensor_data(whole);
  fill_normal(w, ROWS * WHOLE, 61);
  memcpy(before, w, sizeof before);
  fill_normal(in, ANET_COUNT(in), 62);
  fill_labels(labels, 2, PART, 63);
  anet_net *net = prefix_net(whole, PART);
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f}, &optim));
  CHECK_OK(anet_tape_new(net, 2, NULL, &tape));
  const float *from = in, *target = labels;
  const unsigned version = whole->storage->version;
  CHECK_OK(anet_tape_step(tape, &from, 2, &labels_loss, &target, 1, 0, &stats));
  const float *grad = anet_tape_grad(tape, 1, 0);
  CHECK_OK(anet_optim_step(optim, tape, 0.5, &stats));
  CHECK(whole->storage->version > version);
  CHECK_OK(anet__optim_state(optim, whole, state, &steps));
  CHECK_EQ_I(*steps, 1);
  CHECK_EQ_I(anet_tensor_count(state[0]), ROWS * WHOLE);
  const float *momentum = anet_tensor_data(state[0]);
  for (int32_t r = 0; r < ROWS; r++)
    for (int32_t c = 0; c < WHOLE; c++) {
      const double g = c < PART ? (double)grad[r * PART + c] : 0;
      CHECK_NEAR(w[r * WHOLE + c], (double)before[r * WHOLE + c] - 0.5 * g, 1e-6);
      CHECK_NEAR(momentum[r * WHOLE + c], g, 0);
    }
  anet_tape_release(tape);
  anet_optim_release(optim);
  anet_net_release(net);
  anet_tensor_release(whole);
}

/* ---- errors ------------------------------------------------------------------------------- */

TEST(mistakes_are_told)
{
  tiny t;
  anet_optim *optim = NULL;
  anet_tape *tape;
  anet_step_stats stats;
  anet_loss loss = labels_loss;
  tiny_new(&t);
  const float *in = t.in, *target = t.labels, *none = NULL;
  CHECK_FAILS(anet_tape_new(t.net, 0, NULL, &tape), ANET_RANGE, "batch 0");
  CHECK_FAILS(anet_tape_new(t.net, INT32_MAX, NULL, &tape), ANET_RANGE, "elements");
  CHECK_FAILS(anet_tape_forward(t.tape, &in, BATCH + 1, 0, 0), ANET_RANGE, "7 images");
  CHECK_FAILS(anet_tape_step(t.tape, &none, BATCH, &loss, &target, 1, 0, &stats), ANET_RANGE,
              "missing");
  CHECK_FAILS(anet_tape_step(t.tape, &in, BATCH, &loss, &none, 1, 0, &stats), ANET_RANGE, "target");
  loss.output = 1;
  CHECK_FAILS(anet_tape_step(t.tape, &in, BATCH, &loss, &target, 1, 0, &stats), ANET_RANGE,
              "output 1");
  loss = (anet_loss){.kind = 7};
  CHECK_FAILS(anet_tape_step(t.tape, &in, BATCH, &loss, &target, 1, 0, &stats), ANET_RANGE,
              "kind 7");
  loss = (anet_loss){.weight = 1, .smoothing = 1};
  CHECK_FAILS(anet_tape_step(t.tape, &in, BATCH, &loss, &target, 1, 0, &stats), ANET_RANGE,
              "smoothing");
  CHECK_FAILS(anet_optim_new(&(anet_optim_desc){.kind = 3}, &optim), ANET_RANGE, "kind 3");
  CHECK_FAILS(anet_optim_new(&(anet_optim_desc){.momentum = 1}, &optim), ANET_RANGE, "momentum");
  CHECK_FAILS(anet_optim_new(&(anet_optim_desc){.decay = -1}, &optim), ANET_RANGE, "decay");
  CHECK_OK(anet_optim_new(&(anet_optim_desc){0}, &optim));
  CHECK_FAILS(anet_optim_step(optim, t.tape, 0.1, &stats), ANET_STATE, "no step");
  tiny_step(&t, &stats);
  CHECK_FAILS(anet_optim_step(optim, t.tape, NAN, &stats), ANET_RANGE, "rate");
  anet_optim_release(optim);
  tiny_free(&t);
}

TEST(sharing_a_weight_with_a_frozen_node_is_refused)
{
  anet_net *net = mixed_net("relu");
  anet_tape *tape;
  CHECK_OK(anet_net_freeze(net, anet_net_find(net, "c1"), 1));
  CHECK_FAILS(anet_tape_new(net, BATCH, NULL, &tape), ANET_STATE, "c1");
  CHECK_OK(anet_net_freeze(net, anet_net_find(net, "c2"), 1));
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  anet_tape_release(tape);
  anet_net_release(net);
}

/* ---- memory ------------------------------------------------------------------------------- */

static int train_once(void *context)
{
  anet_tape *tape = NULL;
  anet_optim *optim = NULL;
  anet_step_stats stats;
  static float in[2 * 64], labels[2 * CLASSES];
  const float *from = in, *target = labels;
  int rc = anet_optim_new(&(anet_optim_desc){.kind = ANET_ADAMW}, &optim);
  if (!rc) rc = anet_tape_new(context, 2, NULL, &tape);
  if (!rc) rc = anet_tape_step(tape, &from, 2, &labels_loss, &target, 1, 0, &stats);
  if (!rc) rc = anet_optim_step(optim, tape, 0.1, &stats);
  anet_tape_release(tape);
  anet_optim_release(optim);
  return rc;
}

TEST(every_allocation_may_fail)
{
  anet_net *net = net_resnet(8, 1, 4, 1, CLASSES);
  test_each_allocation(train_once, net);
  anet_net_release(net);
}

TEST(steps_do_not_allocate)
{
  anet_net *net = net_resnet(8, 1, 4, 1, CLASSES);
  anet_optim *optim;
  anet_tape *tape;
  anet_step_stats stats;
  anet_memory before, after;
  set s;
  set_fill(&s);
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f}, &optim));
  CHECK_OK(anet_tape_new(net, IMAGES, NULL, &tape));
  const float *in = s.in, *target = s.labels;
  for (int32_t i = 0; i < 3; i++) {
    anet_memory_read(&before);
    CHECK_OK(anet_tape_step(tape, &in, IMAGES - i, &labels_loss, &target, 1, 0, &stats));
    if (i) CHECK_OK(anet_optim_step(optim, tape, 0.1, &stats));
    anet_memory_read(&after);
    if (i != 1) CHECK_EQ_I(after.calls, before.calls); /* the first update makes the state */
  }
  anet_tape_release(tape);
  anet_optim_release(optim);
  anet_net_release(net);
}

TEST_MAIN(CASE(gradients_are_slopes), CASE(fixed_norms_train_the_net_as_it_runs),
          CASE(a_renewed_tape_is_as_a_new_one), CASE(sharing_memory_changes_nothing),
          CASE(sharing_memory_in_random_nets), CASE(forward_agrees_with_a_plan),
          CASE(losses_by_hand), CASE(losses_of_maps), CASE(momentum_by_hand), CASE(adamw_by_hand),
          CASE(clipping_keeps_the_direction), CASE(a_gradient_that_is_not_finite_changes_nothing),
          CASE(overfits_a_few_images), CASE(threads_do_not_matter),
          CASE(resuming_goes_on_as_if_never_stopped), CASE(frozen_nodes_stay_as_they_are),
          CASE(windows_train_as_part_of_the_whole), CASE(mistakes_are_told),
          CASE(sharing_a_weight_with_a_frozen_node_is_refused), CASE(every_allocation_may_fail),
          CASE(steps_do_not_allocate))
