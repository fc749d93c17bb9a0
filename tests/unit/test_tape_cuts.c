/* How tapes are cut and what they keep: chains longer than a stage, nets that begin with a
 * constant, memory that chains share. */
#include <stdlib.h>

#include "support/nets.h"
#include "tensor/tensor.h"
#include "train/tape.h"

enum { SIZE = 12, CHANNELS = 4, BATCH = 12, VALUES = SIZE * SIZE * CHANNELS, LONGEST = 32 };

static const anet_loss feature_loss = {.kind = ANET_LOSS_FEATURE, .weight = 1};

static double step(anet_tape *tape)
{
  static float in[BATCH * VALUES], want[BATCH * VALUES];
  const float *from = in, *target = want;
  anet_step_stats stats = {0};
  fill_normal(in, ANET_COUNT(in), 1);
  fill_normal(want, ANET_COUNT(want), 2);
  CHECK_OK(anet_tape_step(tape, &from, BATCH, &feature_loss, &target, 1, 0, &stats));
  return stats.loss;
}

/* A convolution and `length` nodes behind it; those that learn all but pass on what they get. */
static anet_net *chain_net(const char *op, int32_t length)
{
  const anet_attr turned = {.dim = {2, 1, 3}}; /* transpose alone reads it */
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  int32_t x = net_conv(net, NULL, net_image(net, SIZE, CHANNELS), CHANNELS, 1, 1, 0);
  for (int32_t i = 0; i < length; i++)
    x = strcmp(op, "conv") ? net_put(net, op, NULL, &turned, x, -1)
                           : net_conv(net, NULL, x, CHANNELS, 1, 1, 0);
  CHECK_OK(anet_net_output(net, x));
  CHECK_OK(anet_net_init(net, 3));
  for (int32_t v = 1; v <= x; v++) {
    anet_tensor *w = anet_net_param(net, v, 0);
    for (int32_t i = 0; w && i < CHANNELS * CHANNELS; i++)
      anet__f32(w)[i] = 0.1f * anet__f32(w)[i] + (i % (CHANNELS + 1) == 0);
  }
  return net;
}

static void check_same(anet_net *net, anet_tape *a, anet_tape *b, double tolerance)
{
  const double one = step(a), two = step(b);
  CHECK_NEAR(one, two, tolerance * one);
  for (int32_t v = 0; v < anet_net_count(net); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS; p++) {
      const float *x = anet_tape_grad(a, v, p), *y = anet_tape_grad(b, v, p);
      CHECK_EQ_I(!x, !y);
      for (int32_t i = 0; x && y && i < (int32_t)anet_tensor_count(anet_net_param(net, v, p)); i++)
        CHECK_NEAR(x[i], y[i], tolerance * (1 + fabs((double)y[i])));
    }
}

/* Every node is in one stage of each direction, in order, and no stage has too many. */
static void check_stages(const anet_tape *tape, int32_t nodes)
{
  int32_t count[2] = {0};
  for (int32_t i = 0; i < tape->forward + tape->backward; i++) {
    const anet__tape_stage *s = &tape->stage[i];
    CHECK(s->count >= 1 && s->count <= LONGEST);
    CHECK_EQ_I(s->first, count[0] + count[1]);
    count[i >= tape->forward] += s->count;
    CHECK(s->chunk >= 1 && s->chunk <= s->part && s->part <= BATCH * s->units);
  }
  CHECK_EQ_I(count[0], nodes);
  CHECK_EQ_I(count[1], nodes);
  CHECK_EQ_I(tape->ordered, 2 * nodes);
}

/* A chain that is longer than a stage may be is cut, in as few stages as hold it. */
TEST(long_chains_are_cut)
{
  static const int32_t lengths[] = {LONGEST - 1, LONGEST, 3 * LONGEST - 1};
  for (int32_t i = 0; i < ANET_COUNT(lengths); i++) {
    anet_net *net = chain_net("conv", lengths[i]), *open = chain_net("conv", lengths[i]);
    anet_tape *a, *b, *c;
    anet_pool *pool;
    const int32_t nodes = lengths[i] + 1, stages = (nodes + LONGEST - 1) / LONGEST;
    for (int32_t v = 1; v < lengths[i] && v < ANET_MAX_OUTPUTS; v++)
      CHECK_OK(anet_net_output(open, v));
    CHECK_OK(anet_pool_new(3, &pool));
    CHECK_OK(anet_tape_new(net, BATCH, NULL, &a));
    CHECK_OK(anet_tape_new(open, BATCH, NULL, &b));
    CHECK_OK(anet_tape_new(net, BATCH, pool, &c));
    CHECK_EQ_I(a->forward, stages);
    CHECK_EQ_I(a->backward, stages);
    check_stages(a, nodes);
    check_same(net, a, c, 0);
    check_same(net, a, b, 1e-4);
    anet_tape_release(a);
    anet_tape_release(b);
    anet_tape_release(c);
    anet_pool_release(pool);
    anet_net_release(net);
    anet_net_release(open);
  }
}

/* A constant may be the first node of all: it runs as any other. */
TEST(a_net_may_begin_with_a_constant)
{
  anet_net *net;
  anet_tape *tape;
  int32_t constant;
  const anet_attr shape = {.dim = {SIZE, SIZE, CHANNELS}};
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_add(net, "constant", "first", &shape, NULL, 0, &constant));
  CHECK_EQ_I(constant, 0);
  const int32_t in = net_image(net, SIZE, CHANNELS);
  CHECK_OK(anet_net_output(net, net_put(net, "add", NULL, NULL, in, constant)));
  CHECK_OK(anet_net_init(net, 1));
  for (int32_t i = 0; i < VALUES; i++) anet__f32(anet_net_param(net, 0, 0))[i] = (float)(i % 17);
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  float *x = calloc(BATCH * VALUES, sizeof *x);
  const float *from = x;
  for (int32_t i = 0; i < BATCH * VALUES; i++) x[i] = 0.5f * (float)(i % 5);
  CHECK_OK(anet_tape_forward(tape, &from, BATCH, 0, 0));
  const float *y = anet_tape_value(tape, anet_net_output_at(net, 0));
  for (int32_t i = 0; i < BATCH * VALUES; i++)
    CHECK_NEAR(y[i], 0.5 * (i % 5) + i % VALUES % 17, 1e-6);
  free(x);
  anet_tape_release(tape);
  anet_net_release(net);
}

/* Values of a batch that the block holds. */
static double values_held(const anet_net *net)
{
  anet_tape *tape;
  CHECK_OK(anet_tape_new((anet_net *)net, BATCH, NULL, &tape));
  const double held = (double)tape->block_bytes / (BATCH * VALUES * sizeof(float));
  anet_tape_release(tape);
  return held;
}

/* A chain's memory grows by what the gradient of a node reads, its output or its input, or by
 * nothing. */
TEST(chains_share_memory)
{
  static const struct {
    const char *op;
    double more; /* values a node more */
  } chains[] = {{"identity", 0}, {"relu", 1}, {"swish", 1},
                {"softplus", 1}, {"conv", 1}, {"transpose", 0}};
  for (int32_t i = 0; i < ANET_COUNT(chains); i++) {
    anet_net *some = chain_net(chains[i].op, 4), *more = chain_net(chains[i].op, 9);
    const double a = values_held(some), b = values_held(more);
    test_checks++;
    if (fabs(b - a - 5 * chains[i].more) > 0.1)
      TEST_FAIL("%s: 4 take %g values, 9 take %g, want %g more", chains[i].op, a, b,
                5 * chains[i].more);
    anet_net_release(some);
    anet_net_release(more);
  }
}

TEST_MAIN(CASE(long_chains_are_cut), CASE(a_net_may_begin_with_a_constant),
          CASE(chains_share_memory))
