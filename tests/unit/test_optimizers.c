/* Optimisers: several steps of every kind by hand in double, whom decay and clipping concern, state
 * by memory, and what is refused. */
#include "support/nets.h"
#include "tensor/tensor.h"
#include "train/optim.h"
#include "train/tape.h"

enum { IN = 3, OUT = 4, BATCH = 5, MOST = 64 };

static const anet_loss feature_loss = {.kind = ANET_LOSS_FEATURE, .weight = 1};

/* A linear layer and a scale with a shift behind it: weights, a bias, what norms have. */
typedef struct rig {
  anet_net *net;
  anet_tape *tape;
  float in[BATCH * IN], want[BATCH * OUT];
} rig;

static void rig_new(rig *r)
{
  int32_t value;
  CHECK_OK(anet_net_new(&r->net));
  CHECK_OK(anet_net_input(r->net, NULL, &(anet_shape){1, {IN}}, &value));
  value = net_op(r->net, "norm", net_linear(r->net, "linear", value, OUT));
  CHECK_OK(anet_net_output(r->net, value));
  CHECK_OK(anet_net_init(r->net, 5));
  for (int32_t p = 0; p < 2; p++) {
    fill_normal(anet__f32(anet_net_param(r->net, 1, p)), p ? OUT : IN * OUT, 40 + p);
    fill_normal(anet__f32(anet_net_param(r->net, 2, p)), OUT, 42 + p);
  }
  CHECK_OK(anet_tape_new(r->net, BATCH, NULL, &r->tape));
  fill_normal(r->in, ANET_COUNT(r->in), 31);
  fill_normal(r->want, ANET_COUNT(r->want), 32);
}

static void rig_free(rig *r)
{
  anet_tape_release(r->tape);
  anet_net_release(r->net);
}

static void rig_step(rig *r, anet_step_stats *stats)
{
  const float *in = r->in, *target = r->want;
  CHECK_OK(anet_tape_step(r->tape, &in, BATCH, &feature_loss, &target, 1, 0, stats));
}

/* One parameter's state, in double. */
typedef struct hand {
  double first[MOST], second[MOST];
} hand;

/* SGD as Sutskever et al. (2013) and torch have it; AdamW as Loshchilov & Hutter (2019). */
static double updated(const anet_optim_desc *d, hand *h, int32_t i, double w, double g,
                      double decay, double rate, int32_t step)
{
  const double keep = (double)d->momentum;
  if (d->kind == ANET_SGD) {
    g += decay * w;
    h->first[i] = keep * h->first[i] + g;
    return w - rate * (d->nesterov ? g + keep * h->first[i] : h->first[i]);
  }
  const double b2 = d->beta2 > 0 ? (double)d->beta2 : (double)0.999f;
  const double epsilon = d->epsilon > 0 ? (double)d->epsilon : 1e-8;
  h->first[i] = keep * h->first[i] + (1 - keep) * g;
  h->second[i] = b2 * h->second[i] + (1 - b2) * g * g;
  const double mean = h->first[i] / (1 - pow(keep, step));
  const double square = h->second[i] / (1 - pow(b2, step));
  return w - rate * (mean / (sqrt(square) + epsilon) + decay * w);
}

/* The whole gradient's norm, as the tape has it now. */
static double norm_of(const rig *r)
{
  double sum = 0;
  for (int32_t v = 1; v <= 2; v++)
    for (int32_t p = 0; p < 2; p++)
      for (int32_t i = 0; i < (int32_t)anet_tensor_count(anet_net_param(r->net, v, p)); i++)
        sum += pow((double)anet_tape_grad(r->tape, v, p)[i], 2);
  return sqrt(sum);
}

static void check_steps(const anet_optim_desc *d)
{
  static hand hands[2][2];
  const double rates[] = {0.1, 0.05, 0, 0.2};
  rig r;
  anet_optim *optim;
  rig_new(&r);
  memset(hands, 0, sizeof hands);
  CHECK_OK(anet_optim_new(d, &optim));
  for (int32_t step = 1; step <= ANET_COUNT(rates); step++) {
    double want[2][2][MOST];
    anet_step_stats stats;
    rig_step(&r, &stats);
    const double norm = norm_of(&r), clip = (double)d->clip;
    const double by = clip > 0 && norm > clip ? clip / norm : 1;
    for (int32_t v = 0; v < 2; v++)
      for (int32_t p = 0; p < 2; p++) {
        const anet_tensor *t = anet_net_param(r.net, v + 1, p);
        const double decay = v == 0 && p == 0 ? (double)d->decay : 0; /* neither norms nor biases */
        for (int32_t i = 0; i < (int32_t)anet_tensor_count(t); i++)
          want[v][p][i] = updated(d, &hands[v][p], i, (double)anet__f32(t)[i],
                                  by * (double)anet_tape_grad(r.tape, v + 1, p)[i], decay,
                                  rates[step - 1], step);
      }
    CHECK_OK(anet_optim_step(optim, r.tape, rates[step - 1], &stats));
    CHECK_NEAR(stats.gradient, norm, 1e-9 * norm);
    for (int32_t v = 0; v < 2; v++)
      for (int32_t p = 0; p < 2; p++) {
        const anet_tensor *t = anet_net_param(r.net, v + 1, p);
        for (int32_t i = 0; i < (int32_t)anet_tensor_count(t); i++)
          CHECK_NEAR(anet__f32(t)[i], want[v][p][i], 4e-6 * (1 + fabs(want[v][p][i])));
      }
  }
  anet_optim_release(optim);
  rig_free(&r);
}

TEST(steps_by_hand)
{
  static const anet_optim_desc kinds[] = {
      {.kind = ANET_SGD},
      {.kind = ANET_SGD, .momentum = 0.9f},
      {.kind = ANET_SGD, .momentum = 0.9f, .nesterov = 1, .decay = 0.05f},
      {.kind = ANET_SGD, .momentum = 0.5f, .decay = 0.1f, .clip = 0.05f},
      {.kind = ANET_SGD, .clip = 1e6f},
      {.kind = ANET_ADAMW, .momentum = 0.9f},
      {.kind = ANET_ADAMW, .momentum = 0.8f, .beta2 = 0.95f, .epsilon = 0.01f, .decay = 0.1f},
      {.kind = ANET_ADAMW, .beta2 = 0.5f, .decay = 0.1f, .clip = 0.05f},
  };
  for (int32_t i = 0; i < ANET_COUNT(kinds); i++) check_steps(&kinds[i]);
}

/* As its description says; 0 is the usual for two of them. */
TEST(what_is_no_description_is_refused)
{
  static const struct {
    anet_optim_desc desc;
    const char *words; /* NULL: it is fine */
  } cases[] = {
      {{.kind = ANET_SGD}, NULL},
      {{.kind = ANET_ADAMW,
        .momentum = 0.99f,
        .beta2 = 0.9999f,
        .epsilon = 1,
        .decay = 2,
        .clip = 9},
       NULL},
      {{.kind = -1}, "optim: kind -1, want 0 or 1"},
      {{.kind = 2}, "optim: kind 2, want 0 or 1"},
      {{.momentum = 1}, "optim: momentum 1, want 0 <= momentum < 1"},
      {{.momentum = -0.5f}, "optim: momentum -0.5, want"},
      {{.momentum = NAN}, "optim: momentum"},
      {{.kind = ANET_ADAMW, .beta2 = 1}, "optim: beta2 1, want 0 <= beta2 < 1"},
      {{.beta2 = -0.5f}, "optim: beta2 -0.5"},
      {{.epsilon = -1}, "optim: epsilon -1, want 0 or more"},
      {{.epsilon = INFINITY}, "optim: epsilon inf"},
      {{.decay = -0.5f}, "optim: decay -0.5, want 0 or more"},
      {{.decay = NAN}, "optim: decay"},
      {{.clip = -1}, "optim: clip -1, want 0 or more"},
      {{.clip = INFINITY}, "optim: clip inf"},
  };
  for (int32_t i = 0; i < ANET_COUNT(cases); i++) {
    anet_optim *optim = (anet_optim *)&optim;
    if (cases[i].words) {
      CHECK_FAILS(anet_optim_new(&cases[i].desc, &optim), ANET_RANGE, cases[i].words);
      CHECK(!optim);
    } else {
      CHECK_OK(anet_optim_new(&cases[i].desc, &optim));
      anet_optim_release(optim);
    }
  }
  anet_optim_release(NULL);
}

/* Nothing moves: no weight, no state, no statistics beyond what the step left. */
TEST(a_step_that_is_refused_changes_nothing)
{
  rig r;
  anet_optim *optim;
  anet_step_stats stats;
  anet_tensor *state[2];
  int64_t *steps;
  float before[IN * OUT];
  rig_new(&r);
  anet_tensor *weight = anet_net_param(r.net, 1, 0);
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f}, &optim));
  CHECK_FAILS(anet_optim_step(optim, r.tape, 0.1, NULL), ANET_STATE, "made no step");
  rig_step(&r, &stats);
  memcpy(before, anet__f32(weight), sizeof before);
  CHECK_FAILS(anet_optim_step(optim, r.tape, -0.1, NULL), ANET_RANGE,
              "optim: rate -0.1, want 0 or more");
  CHECK_FAILS(anet_optim_step(optim, r.tape, INFINITY, NULL), ANET_RANGE, "rate inf");
  CHECK_OK(anet__optim_state(optim, weight, state, &steps));
  CHECK_EQ_I(*steps, 0);
  CHECK(memcmp(before, anet__f32(weight), sizeof before) == 0);
  CHECK_OK(
      anet_optim_step(optim, r.tape, 0, NULL)); /* stats may be NULL; a rate of 0 moves nothing */
  CHECK_EQ_I(*steps, 1);
  CHECK(memcmp(before, anet__f32(weight), sizeof before) == 0);
  CHECK(anet__f32(state[0])[0] != 0); /* but is a step */
  CHECK(state[1] == NULL);
  const float *in = r.in;
  CHECK_OK(anet_tape_forward(r.tape, &in, BATCH, 0, 0));
  CHECK_FAILS(anet_optim_step(optim, r.tape, 0.1, NULL), ANET_STATE, "made no step");
  anet_optim_release(optim);
  rig_free(&r);
}

/* Gradients that overflow put the running statistics back to where they were. */
TEST(statistics_of_a_lost_step_are_taken_back)
{
  rig r;
  anet_optim *optim;
  anet_step_stats stats;
  float before[2][OUT];
  rig_new(&r);
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.kind = ANET_ADAMW}, &optim));
  for (int32_t i = 0; i < 2; i++)
    memcpy(before[i], anet__f32(anet_net_param(r.net, 2, 2 + i)), sizeof before[i]);
  r.want[7] = NAN;
  rig_step(&r, &stats);
  CHECK(memcmp(before[0], anet__f32(anet_net_param(r.net, 2, 2)), sizeof before[0]) != 0);
  const unsigned version = atomic_load(&anet_net_param(r.net, 2, 3)->storage->version);
  CHECK_FAILS(anet_optim_step(optim, r.tape, 0.1, &stats), ANET_RANGE, "the step's loss is");
  for (int32_t i = 0; i < 2; i++)
    CHECK(memcmp(before[i], anet__f32(anet_net_param(r.net, 2, 2 + i)), sizeof before[i]) == 0);
  CHECK(atomic_load(&anet_net_param(r.net, 2, 3)->storage->version) != version);
  anet_optim_release(optim);
  rig_free(&r);
}

/* ---- memories ------------------------------------------------------------------------------- */

/* Two layers of windows of one memory: the upper half of its rows, the lower. */
static anet_net *pair_net(anet_tensor *whole)
{
  anet_net *net;
  int32_t x, y[2];
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, NULL, &(anet_shape){1, {IN}}, &x));
  for (int32_t i = 0; i < 2; i++) {
    anet_tensor *window;
    y[i] = net_put(net, "linear", NULL, &(anet_attr){.channels = OUT}, x, -1);
    CHECK_OK(anet_tensor_view(whole, (int32_t[]){IN * i, 0}, &(anet_shape){2, {IN, OUT}}, &window));
    CHECK_OK(anet_net_set_param(net, y[i], 0, window));
    anet_tensor_release(window);
  }
  CHECK_OK(anet_net_output(net, net_put(net, "concat", NULL, NULL, y[0], y[1])));
  return net;
}

/* Two windows of a memory in one tape are one step of it, each with its own part of the state. */
TEST(a_memory_counts_a_step_once)
{
  enum { WIDE = 2 * OUT };
  anet_tensor *whole, *state[2], *again[2];
  anet_optim *optim;
  anet_tape *tape;
  anet_step_stats stats;
  int64_t *steps, *same;
  float in[BATCH * IN], want[BATCH * WIDE], before[IN * WIDE];
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){2, {2 * IN, OUT}}, &whole));
  fill_normal(anet__f32(whole), IN * WIDE, 51);
  fill_normal(in, ANET_COUNT(in), 52);
  fill_normal(want, ANET_COUNT(want), 53);
  anet_net *net = pair_net(whole);
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.kind = ANET_ADAMW, .momentum = 0.9f}, &optim));
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  for (int32_t step = 1; step <= 3; step++) {
    const float *from = in, *target = want;
    memcpy(before, anet__f32(whole), sizeof before);
    CHECK_OK(anet_tape_step(tape, &from, BATCH, &feature_loss, &target, 1, 0, &stats));
    const unsigned version = atomic_load(&whole->storage->version);
    CHECK_OK(anet_optim_step(optim, tape, 0.1, &stats));
    CHECK_EQ_I(atomic_load(&whole->storage->version) - version, 1);
    CHECK_OK(anet__optim_state(optim, whole, state, &steps));
    CHECK_EQ_I(*steps, step);
    for (int32_t i = 0; i < IN * WIDE;
         i++) { /* adam's first step is the rate, whatever the slope */
      const double moved = (double)before[i] - (double)anet__f32(whole)[i];
      if (step == 1) CHECK_NEAR(fabs(moved), 0.1, 1e-4);
      CHECK(moved != 0 && anet__f32(state[1])[i] > 0);
    }
  }
  CHECK_OK(anet__optim_state(optim, anet_net_param(net, 2, 0), again, &same));
  CHECK(again[0] == state[0] && again[1] == state[1] && same == steps);
  CHECK_EQ_I(anet_tensor_count(state[0]), IN * WIDE);
  anet_tape_release(tape);
  anet_net_release(net);
  anet_tensor_release(whole);
  anet_optim_release(optim);
}

/* A net of more parameters than the one before finds room for all of theirs. */
TEST(more_parameters_than_before)
{
  enum { LAYERS = 60 };
  anet_optim *optim;
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f}, &optim));
  for (int32_t layers = 1; layers <= LAYERS; layers += LAYERS - 1) {
    anet_net *net;
    anet_tape *tape;
    anet_step_stats stats;
    int32_t x;
    float in[BATCH * OUT], want[BATCH * OUT] = {0};
    const float *from = in, *target = want;
    fill_normal(in, ANET_COUNT(in), 61);
    want[0] = 1;
    CHECK_OK(anet_net_new(&net));
    CHECK_OK(anet_net_input(net, NULL, &(anet_shape){1, {OUT}}, &x));
    for (int32_t i = 0; i < layers; i++) x = net_op(net, "scale", x);
    CHECK_OK(anet_net_output(net, x));
    CHECK_OK(anet_net_init(net, 1));
    CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
    CHECK_OK(anet_tape_step(tape, &from, BATCH, &feature_loss, &target, 1, 0, &stats));
    CHECK_OK(anet_optim_step(optim, tape, 0.01, &stats));
    for (int32_t v = 1; v <= layers; v++)
      for (int32_t i = 0; i < OUT; i++)
        CHECK_NEAR(anet__f32(anet_net_param(net, v, 0))[i],
                   1 - 0.01 * (double)anet_tape_grad(tape, v, 0)[i], 1e-6);
    anet_tape_release(tape);
    anet_net_release(net);
  }
  anet_optim_release(optim);
}

/* One optimiser serves nets in turn; each keeps its own state. */
TEST(one_optimiser_serves_nets_in_turn)
{
  rig small, large[9];
  anet_optim *optim, *alone;
  anet_step_stats stats;
  anet_tensor *a[2], *b[2];
  int64_t *steps;
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f}, &optim));
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f}, &alone));
  rig_new(&small);
  for (int32_t i = 0; i < 9; i++) rig_new(&large[i]);
  for (int32_t round = 0; round < 3; round++) {
    rig_step(&small, &stats);
    CHECK_OK(anet_optim_step(optim, small.tape, 0.1, &stats));
    for (int32_t i = 0; i < 9; i++) {
      rig_step(&large[i], &stats);
      CHECK_OK(anet_optim_step(i == 4 ? alone : optim, large[i].tape, 0.1, &stats));
    }
  }
  CHECK_OK(anet__optim_state(optim, anet_net_param(small.net, 1, 0), a, &steps));
  CHECK_EQ_I(*steps, 3);
  for (int32_t i = 0; i < 9; i++) {
    anet_tensor *w = anet_net_param(large[i].net, 1, 0);
    CHECK(memcmp(anet__f32(w), anet__f32(anet_net_param(small.net, 1, 0)), IN * OUT * 4) == 0);
    CHECK_OK(anet__optim_state(i == 4 ? alone : optim, w, b, &steps));
    CHECK_EQ_I(*steps, 3);
    CHECK(a[0] != b[0] && memcmp(anet__f32(a[0]), anet__f32(b[0]), IN * OUT * 4) == 0);
    rig_free(&large[i]);
  }
  rig_free(&small);
  anet_optim_release(alone);
  anet_optim_release(optim);
}

TEST_MAIN(CASE(steps_by_hand), CASE(what_is_no_description_is_refused),
          CASE(a_step_that_is_refused_changes_nothing),
          CASE(statistics_of_a_lost_step_are_taken_back), CASE(a_memory_counts_a_step_once),
          CASE(more_parameters_than_before), CASE(one_optimiser_serves_nets_in_turn))
