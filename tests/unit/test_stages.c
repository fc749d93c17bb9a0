/* Tapes in stages: what runs a few images or pixels at a time gives what the whole batch would. */
#include <stdlib.h>

#include "base/alloc.h"
#include "support/fault.h"
#include "support/nets.h"
#include "tensor/tensor.h"
#include "train/tape.h"

/* Large enough that stages have several parts and parts several chunks, in both directions. */
enum { SIZE = 20, COLOURS = 3, BATCH = 21, CLASSES = 4, PIXELS = SIZE * SIZE * COLOURS };

static const anet_loss labels_loss = {.kind = ANET_LOSS_LABELS, .weight = 1};

typedef struct batch {
  float in[BATCH * PIXELS], labels[BATCH * CLASSES];
} batch;

static batch *batch_new(void)
{
  batch *b = malloc(sizeof *b);
  if (!b) abort();
  fill_normal(b->in, ANET_COUNT(b->in), 31);
  fill_labels(b->labels, BATCH, CLASSES, 32);
  return b;
}

/* An inverted residual (Sandler et al. 2018). */
static int32_t inverted(anet_net *net, const char *norm, int32_t x, int32_t hidden,
                        int32_t channels, int32_t stride)
{
  const anet_attr depth = {.kernel = {3, 3}, .stride = {stride, stride}, .pad = {1, 1, 1, 1}};
  int32_t y = net_conv(net, NULL, x, hidden, 1, 1, 0);
  y = net_op(net, "relu6", net_put(net, "norm", norm, NULL, y, -1));
  y = net_op(net, "norm", net_put(net, "depthwise", NULL, &depth, y, -1));
  y = net_conv(net, NULL, net_op(net, "relu6", y), channels, 1, 1, 0);
  y = net_op(net, "norm", y);
  return stride == 1 ? net_put(net, "add", NULL, NULL, y, x) : y;
}

/* Inverted residuals, a 3x3 convolution with a bias, and a branch of its own resolution. */
static anet_net *stage_net(void)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  int32_t x = net_conv(net, "stem", net_image(net, SIZE, COLOURS), 8, 3, 1, 0);
  x = net_op(net, "relu6", net_op(net, "norm", x));
  x = inverted(net, "frozen", x, 40, 8, 1);
  x = inverted(net, NULL, x, 40, 20, 2);
  x = net_op(net, "relu", net_op(net, "norm", net_conv(net, NULL, x, 24, 3, 1, 1)));
  x = inverted(net, NULL, x, 72, 24, 1);
  const int32_t side = net_op(net, "swish", net_conv(net, NULL, x, 24, 3, 1, 1));
  x = net_put(net, "add", NULL, NULL, net_op(net, "norm", side), x);
  x = net_op(net, "flatten", net_op(net, "global_pool", x));
  CHECK_OK(anet_net_output(net, net_linear(net, "head", x, CLASSES)));
  CHECK_OK(anet_net_init(net, 7));
  return net;
}

static double step(anet_tape *tape, const batch *b, int32_t n)
{
  const float *in = b->in, *target = b->labels;
  anet_step_stats stats = {0};
  CHECK_OK(anet_tape_step(tape, &in, n, &labels_loss, &target, 1, 0, &stats));
  return stats.loss;
}

/* The largest difference of a parameter's gradient, over the largest gradient; 0 for equal bits. */
static double gap_of(const float *a, const float *b, int32_t count)
{
  double gap = 0, size = 0;
  if (!memcmp(a, b, (size_t)count * sizeof *a)) return 0;
  for (int32_t i = 0; i < count; i++) {
    gap = fmax(gap, fabs((double)a[i] - (double)b[i]));
    size = fmax(size, fabs((double)b[i]));
  }
  return gap / (size + 1e-3) + 1e-30;
}

static double worst_gap(anet_net *net, const anet_tape *a, const anet_tape *b)
{
  double worst = 0;
  for (int32_t v = 0; v < anet_net_count(net); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS; p++) {
      const float *x = anet_tape_grad(a, v, p), *y = anet_tape_grad(b, v, p);
      CHECK_EQ_I(!x, !y);
      if (x && y)
        worst = fmax(worst, gap_of(x, y, (int32_t)anet_tensor_count(anet_net_param(net, v, p))));
    }
  return worst;
}

/* All statistics of the two nets, bit for bit. */
static void check_same_stats(anet_net *a, anet_net *b)
{
  for (int32_t v = 0; v < anet_net_count(a); v++)
    for (int32_t p = 2; p < 4; p++) {
      anet_tensor *x = anet_net_param(a, v, p), *y = anet_net_param(b, v, p);
      if (x) CHECK(!memcmp(anet__f32(x), anet__f32(y), (size_t)anet_tensor_count(x) * 4));
    }
}

/* The tape does have what these tests are about. */
TEST(stages_have_parts_and_chunks)
{
  anet_net *net = stage_net();
  anet_tape *tape;
  int32_t parted[2] = {0}, chunked[2] = {0}, bands[2] = {0}, pixelwise = 0, local = 0, again = 0, grads = 0;
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  for (int32_t i = 0; i < tape->forward + tape->backward; i++) {
    const anet__tape_stage *s = &tape->stage[i];
    const int32_t back = i >= tape->forward;
    parted[back] += s->part < BATCH * s->units;
    chunked[back] += s->chunk < s->part;
    bands[back] += s->band;
    pixelwise += s->units > 1;
  }
  for (int32_t v = 0; v < tape->count; v++) {
    local += tape->node[v].value_local;
    again += tape->node[v].value_again;
    grads += tape->node[v].grad_local;
  }
  CHECK(parted[0] > 0 && parted[1] > 0 && chunked[0] > 0 && chunked[1] > 0);
  CHECK(bands[0] > 2 && bands[1] > 2);
  CHECK(pixelwise > 0 && local >= again && again > 3 && grads > 3);
  anet_tape_release(tape);
  anet_net_release(net);
}

/* All but the stem, the head and the third block: gradients pass through what is frozen. */
static void freeze(anet_net *net)
{
  for (int32_t v = 4; v < anet_net_count(net) - 1; v++)
    if (v < 20 || v > 26) CHECK_OK(anet_net_freeze(net, v, 1));
  fill_normal(anet__f32(anet_net_param(net, anet_net_find(net, "frozen"), 2)), 40, 41);
}

/* Frozen norms run in convolutions' epilogues. */
TEST(frozen_norms_are_folded)
{
  anet_net *net = stage_net();
  anet_tape *tape;
  int32_t folded = 0, masks = 0;
  freeze(net);
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  for (int32_t v = 0; v < tape->count; v++) {
    folded += tape->node[v].call.folded;
    masks += tape->node[v].call.folded && tape->node[v].masks;
  }
  CHECK(folded >= 6 && masks >= 3);
  anet_tape_release(tape);
  anet_net_release(net);
}

/* With every value an output nothing stays with a chunk, is made again or passes through. */
static void compare_open(int32_t fixed, int32_t frozen, int32_t n)
{
  anet_net *net = stage_net(), *open = stage_net();
  if (frozen) freeze(net), freeze(open);
  anet_tape *a, *b;
  batch *data = batch_new();
  for (int32_t v = 1; v < anet_net_count(open); v++) CHECK_OK(anet_net_output(open, v));
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &a));
  CHECK_OK(anet_tape_new(open, BATCH, NULL, &b));
  anet_tape_fix_norms(a, fixed);
  anet_tape_fix_norms(b, fixed);
  CHECK_NEAR(step(a, data, n), step(b, data, n), 1e-5);
  CHECK_NEAR(worst_gap(net, a, b), 0, 1e-3);
  CHECK(anet_tape_bytes(b) > 1.4 * anet_tape_bytes(a));
  anet_tape_release(a);
  anet_tape_release(b);
  anet_net_release(net);
  anet_net_release(open);
  free(data);
}

TEST(chunks_give_what_the_batch_gives)
{
  for (int32_t kind = 0; kind < 4; kind++) {
    compare_open(kind % 2, kind / 2, BATCH);
    compare_open(kind % 2, kind / 2, BATCH - 4); /* a part that is cut short */
    compare_open(kind % 2, kind / 2, 1);
  }
}

TEST(threads_change_no_bit)
{
  batch *data = batch_new();
  for (int32_t fixed = 0; fixed < 2; fixed++)
    for (int32_t threads = 2; threads <= 7; threads += 5) {
      anet_net *net = stage_net(), *other = stage_net();
      anet_tape *a, *b;
      anet_pool *pool;
      CHECK_OK(anet_pool_new(threads, &pool));
      CHECK_OK(anet_tape_new(net, BATCH, NULL, &a));
      CHECK_OK(anet_tape_new(other, BATCH, pool, &b));
      anet_tape_fix_norms(a, fixed);
      anet_tape_fix_norms(b, fixed);
      for (int32_t n = BATCH; n > 0; n -= 9) {
        CHECK_NEAR(step(a, data, n), step(b, data, n), 0);
        CHECK_NEAR(worst_gap(net, a, b), 0, 0);
      }
      check_same_stats(net, other);
      anet_tape_release(a);
      anet_tape_release(b);
      anet_pool_release(pool);
      anet_net_release(net);
      anet_net_release(other);
    }
  free(data);
}

/* Fixing norms and letting them go lays the tape out anew, once. */
TEST(norms_are_fixed_and_freed)
{
  anet_net *net = stage_net(), *other = stage_net();
  anet_tape *tape, *fresh;
  anet_memory before, after;
  batch *data = batch_new();
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  anet_tape_fix_norms(tape, 1);
  step(tape, data, BATCH);
  CHECK(anet_tape_value(tape, anet_net_output_at(net, 0)) != NULL);
  anet_tape_fix_norms(tape, 0);
  CHECK(anet_tape_value(tape, anet_net_output_at(net, 0)) == NULL); /* of a layout that is gone */
  CHECK_OK(anet_tape_new(other, BATCH, NULL, &fresh));
  CHECK_NEAR(step(tape, data, BATCH), step(fresh, data, BATCH), 0);
  CHECK_NEAR(worst_gap(net, tape, fresh), 0, 0);
  check_same_stats(net, other);
  anet_tape_fix_norms(tape, 0); /* nothing new */
  anet_memory_read(&before);
  step(tape, data, BATCH);
  anet_memory_read(&after);
  CHECK_EQ_I(after.calls, before.calls);
  anet_tape_release(tape);
  anet_tape_release(fresh);
  anet_net_release(net);
  anet_net_release(other);
  free(data);
}

/* Running low while norms are fixed leaves a tape that can still be released, or tried again. */
static int fix_once(void *context)
{
  static float in[2 * PIXELS], labels[2 * CLASSES];
  const float *from = in, *target = labels;
  anet_tape *tape = NULL;
  anet_step_stats stats;
  int rc = anet_tape_new(context, 2, NULL, &tape);
  if (!rc) {
    anet_tape_fix_norms(tape, 1);
    rc = anet_tape_step(tape, &from, 2, &labels_loss, &target, 1, 0, &stats);
    if (rc == ANET_NOMEM)
      CHECK_OK(anet_tape_step(tape, &from, 2, &labels_loss, &target, 1, 0, &stats));
  }
  anet_tape_release(tape);
  return rc;
}

TEST(every_allocation_may_fail)
{
  anet_net *net = stage_net();
  test_each_allocation(fix_once, net);
  anet_net_release(net);
}

TEST_MAIN(CASE(stages_have_parts_and_chunks), CASE(frozen_norms_are_folded), CASE(chunks_give_what_the_batch_gives),
          CASE(threads_change_no_bit), CASE(norms_are_fixed_and_freed),
          CASE(every_allocation_may_fail))
