/* Plans: what is fused, where values live, and that runs give what the nodes would one by one. */
#include <stdlib.h>
#include "base/alloc.h"
#include "plan/workspace.h"
#include "support/nets.h"

/* ---- random networks ------------------------------------------------------------------------ */

enum { BATCH = 3, MAX_NODES = 40 };

static float noise(anet_rng *rng, float low, float high)
{
  return low + (high - low) * (float)anet_rng_uniform(rng);
}

/* One that steps over the image, and lies in padding alone where it does not. */
static anet_attr far_window(anet_rng *rng, int32_t channels)
{
  anet_attr a = {.kernel = {anet_rng_int(rng, 1, 5), anet_rng_int(rng, 1, 5)},
                 .channels = channels};
  for (int32_t i = 0; i < 4; i++) a.pad[i] = anet_rng_int(rng, 0, 60);
  for (int32_t i = 0; i < 2; i++) a.stride[i] = anet_rng_int(rng, 8, 60);
  return a;
}

/* More often than not one that keeps height and width, so that additions find partners. */
static anet_attr window(anet_rng *rng, int32_t channels)
{
  if (anet_rng_int(rng, 0, 15) == 0) return far_window(rng, channels);
  int32_t k = anet_rng_int(rng, 1, 3), p = anet_rng_int(rng, 0, k / 2), stride = 1;
  if (anet_rng_int(rng, 0, 2))
    p = (k |= 1) / 2;
  else
    stride = anet_rng_int(rng, 1, 2);
  return (anet_attr){.kernel = {k, k},
                     .stride = {stride, stride},
                     .pad = {p, p, p, p},
                     .channels = channels,
                     .bias = anet_rng_int(rng, 0, 1)};
}

/* Values are drawn from the latest few more often than not: chains as well as branches. */
static int32_t pick(anet_rng *rng, const anet_net *net)
{
  int32_t back = 1 << anet_rng_int(rng, 0, 5);
  return anet_rng_int(rng, ANET_MAX(0, net->count - back), net->count - 1);
}

static int32_t pick_like(anet_rng *rng, const anet_net *net, int32_t value)
{
  for (int32_t i = 0; i < 30; i++) {
    int32_t other = anet_rng_int(rng, 0, net->count - 1);
    if (anet__shape_equal(&net->node[other].shape, &net->node[value].shape)) return other;
  }
  return value;
}

/* Ops that have no kernels of their own. What has a domain reads values of [1, 1.25] made for it.
 */
static void grow_more(anet_rng *rng, anet_net *net)
{
  static const char *const ops[] = {
      "clip",        "affine",        "elu",        "gelu",     "mish",      "softplus",
      "tanh",        "sub",           "threshold",  "minimum",  "maximum",   "abs",
      "softsign",    "erf",           "scale",      "prelu",    "matmul",    "expand",
      "reduce_mean", "instance_norm", "layer_norm", "lrn",      "sin",       "reduce_sum",
      "cos",         "log_softmax",   "reduce_max", "constant", "transpose", "conv_transpose",
      "div",         "pow",           "sqrt",       "exp",      "log",       "reciprocal",
      "power",       "floor",         "ceil",       "round",    "sign",      "trunc",
      "mod",         "equal",         "less",       "where",    "gather",    "less_equal",
      "reduce_prod", "top_k"};
  const int32_t chosen = anet_rng_int(rng, 0, ANET_COUNT(ops) - 1);
  const char *op = ops[chosen];
  int32_t in[3] = {pick(rng, net)}, inputs = strcmp(op, "constant") != 0;
  for (int32_t i = 0; chosen >= 30 && i < 2; i++) {
    const anet_attr line = {.alpha = 0.25f, .beta = 1};
    if (anet_net_add(net, i ? "affine" : "sigmoid", NULL, &line, in, 1, &in[0])) return;
  }
  const anet_shape *shape = &net->node[in[0]].shape;
  anet_attr attr = {.kernel = {3, 2}, .channels = 6, .alpha = 0.5f, .beta = 0.75f};
  for (int32_t i = 0; i < shape->rank && i < 4; i++)
    attr.dim[i] = strcmp(op, "transpose") == 0 ? shape->rank - i : shape->dim[i];
  if (strcmp(op, "lrn") == 0) attr.size = 3, attr.epsilon = 1;
  if (strcmp(op, "conv_transpose") == 0) attr.dim[0] = attr.dim[1] = 0;
  if (strcmp(op, "expand") == 0 && shape->dim[0] == 1) attr.dim[0] = 3;
  if (strcmp(op, "sub") == 0 || strcmp(op, "minimum") == 0 || strcmp(op, "maximum") == 0 ||
      strcmp(op, "matmul") == 0)
    in[inputs++] = pick_like(rng, net, in[0]);
  if (strcmp(op, "top_k") == 0) attr.size = 1;
  static const char *const twice[] = {"div",  "pow",        "mod",   "equal",
                                      "less", "less_equal", "where", "gather"};
  for (int32_t i = 0; i < ANET_COUNT(twice); i++)
    if (strcmp(op, twice[i]) == 0) in[inputs++] = in[0];
  if (strcmp(op, "where") == 0) in[inputs++] = in[0];
  int32_t value;
  (void)anet_net_add(net, op, NULL, &attr, in, inputs, &value);
}

/* One node of a random op on random values; what does not fit is refused and leaves no trace. */
static void grow(anet_rng *rng, anet_net *net)
{
  static const char *const ops[] = {
      "conv",   "conv",    "conv",       "conv",    "norm",     "norm",         "norm",
      "norm",   "relu",    "relu",       "relu6",   "add",      "add",          "add",
      "add",    "mul",     "concat",     "split",   "max_pool", "avg_pool",     "pad",
      "linear", "resize",  "depthwise",  "dropout", "identity", "global_pool",  "flatten",
      "swish",  "reshape", "hard_swish", "sigmoid", "softmax",  "hard_sigmoid", "leaky_relu"};
  if (anet_rng_int(rng, 0, 5) == 0) {
    grow_more(rng, net);
    return;
  }
  const char *op = ops[anet_rng_int(rng, 0, ANET_COUNT(ops) - 1)];
  int32_t in[2] = {pick(rng, net)}, inputs = 1, value;
  const anet_shape *shape = &net->node[in[0]].shape;
  int32_t channels = shape->dim[shape->rank - 1];
  anet_attr attr = window(rng, anet_rng_int(rng, 0, 1) ? channels : anet_rng_int(rng, 1, 12));
  attr.alpha = 0.25f;
  if (strcmp(op, "add") == 0 || strcmp(op, "mul") == 0 || strcmp(op, "concat") == 0) {
    in[inputs++] = anet_rng_int(rng, 0, 4) ? pick_like(rng, net, in[0]) : pick(rng, net);
  } else if (strcmp(op, "split") == 0) {
    attr.begin = anet_rng_int(rng, 0, channels - 1);
    attr.size = anet_rng_int(rng, 1, channels - attr.begin);
  } else if (strcmp(op, "pad") == 0) {
    attr.mode = ANET_PAD_CONSTANT;
  } else if (strcmp(op, "resize") == 0) {
    attr.dim[0] = attr.dim[1] = anet_rng_int(rng, 1, 9);
    attr.mode = anet_rng_int(rng, ANET_RESIZE_NEAREST, ANET_RESIZE_BILINEAR);
  } else if (strcmp(op, "reshape") == 0) {
    attr.dim[0] = (int32_t)(anet__shape_size(shape) / (size_t)channels);
    attr.dim[1] = channels;
  }
  if (strstr(op, "pool") && attr.pad[0] * 2 > attr.kernel[0]) return;
  (void)anet_net_add(net, op, NULL, &attr, in, inputs, &value);
}

/* Norms as they are after training. */
static void stir(anet_rng *rng, anet_net *net)
{
  for (int32_t v = 0; v < net->count; v++) {
    anet__param_spec spec[ANET_MAX_PARAMS];
    int32_t params = anet__net_specs(net, v, spec);
    for (int32_t i = 0; i < params; i++) {
      float *data = anet__f32(net->node[v].param[i]);
      bool positive = spec[i].role == ANET_PARAM_SCALE || spec[i].role == ANET_PARAM_VARIANCE;
      if (spec[i].role == ANET_PARAM_WEIGHT) continue;
      for (int32_t k = 0; k < spec[i].shape.dim[0]; k++)
        data[k] = positive ? noise(rng, 0.5f, 1.5f) : noise(rng, -0.5f, 0.5f);
    }
  }
}

static anet_net *random_net(anet_rng *rng)
{
  anet_net *net;
  int32_t value, regions = anet_rng_int(rng, 0, 3);
  if (anet_net_new(&net)) return NULL;
  for (int32_t i = anet_rng_int(rng, 1, 2); i > 0; i--) {
    anet_shape shape = {
        3, {anet_rng_int(rng, 3, 9), anet_rng_int(rng, 3, 9), anet_rng_int(rng, 1, 9)}};
    CHECK_OK(anet_net_input(net, NULL, &shape, &value));
  }
  int32_t nodes = anet_rng_int(rng, 3, MAX_NODES);
  for (int32_t i = 0; i < nodes; i++) grow(rng, net);
  for (int32_t v = 0; v < net->count; v++)
    net->node[v].region = regions ? v * (regions + 1) / net->count - 1 : -1;
  for (int32_t i = anet_rng_int(rng, 1, 4); i > 0; i--)
    CHECK_OK(anet_net_output(net, i == 1 ? net->count - 1 : pick(rng, net)));
  CHECK_OK(anet_net_init(net, anet_rng_int(rng, 0, 1000000)));
  stir(rng, net);
  return net;
}

/* ---- data and the naive run -------------------------------------------------------------------
 */

/* Buffers of a run of `n` images, each with a guard behind it. */
typedef struct buffers {
  int32_t count;
  size_t size[ANET_MAX_OUTPUTS]; /* floats, without the guard */
  float *data[ANET_MAX_OUTPUTS];
} buffers;

enum { GUARD = 32 };
static const float GUARD_VALUE = -12345.0f;

static void buffers_new(buffers *b, const anet_shape *shape, int32_t count, int32_t n)
{
  b->count = count;
  for (int32_t i = 0; i < count; i++) {
    b->size[i] = anet__shape_size(&shape[i]) * (size_t)n;
    b->data[i] = malloc((b->size[i] + GUARD) * sizeof(float));
    for (size_t k = 0; k < b->size[i] + GUARD; k++) b->data[i][k] = GUARD_VALUE;
  }
}

static void buffers_fill(buffers *b, anet_rng *rng)
{
  for (int32_t i = 0; i < b->count; i++)
    for (size_t k = 0; k < b->size[i]; k++) b->data[i][k] = noise(rng, -1, 1);
}

static void buffers_free(buffers *b)
{
  for (int32_t i = 0; i < b->count; i++) {
    for (size_t k = 0; k < GUARD; k++)
      if (b->data[i][b->size[i] + k] != GUARD_VALUE) TEST_FAIL("buffer %d: guard written", i);
    free(b->data[i]);
  }
}

/* Node by node, each value in memory of its own, nothing fused. value: (count) owned by caller. */
static void naive_node(const anet_net *net, int32_t v, int32_t n, float **value)
{
  const anet__node *node = anet__net_at(net, v);
  const anet__op *op = anet__op_get(node->op);
  anet__call call = {.attr = &node->attr,
                     .kernels = anet__kernels_best(),
                     .n = n,
                     .inputs = node->inputs,
                     .out_shape = node->shape,
                     .frozen = true,
                     .post = anet__post_none()};
  anet__net_in_shapes(net, v, call.in_shape);
  for (int32_t i = 0; i < node->inputs; i++) call.in[i] = value[node->in[i]];
  for (int32_t i = 0; i < node->params; i++) call.param[i] = node->param[i];
  if (node->params == 2) call.post.shift = anet__f32(node->param[1]); /* a bias */
  call.out = value[v] =
      anet__alloc_array((size_t)n * anet__shape_size(&node->shape), sizeof(float));
  float *packed = op->pack_size ? anet__alloc_array(op->pack_size(&call), sizeof(float)) : NULL;
  if (packed) op->pack(&call, packed);
  call.packed = packed;
  call.scratch = op->scratch ? anet__alloc(op->scratch(&call, false)) : NULL;
  op->forward(&call);
  anet__free(packed);
  anet__free(call.scratch);
}

static void naive_run(const anet_net *net, const buffers *in, buffers *out, int32_t n)
{
  float **value = calloc((size_t)net->count, sizeof *value);
  for (int32_t i = 0; i < net->inputs; i++) value[net->input[i]] = in->data[i];
  for (int32_t v = 0; v < net->count; v++)
    if (net->node[v].op != ANET_OP_INPUT) naive_node(net, v, n, value);
  for (int32_t i = 0; i < net->outputs; i++)
    memcpy(out->data[i], value[net->output[i]], out->size[i] * sizeof(float));
  for (int32_t v = 0; v < net->count; v++)
    if (net->node[v].op != ANET_OP_INPUT) anet__free(value[v]);
  free(value);
}

/* Relative to the largest value: fusion rounds less often. */
static void check_close(const buffers *got, const buffers *want, double tolerance, int32_t seed)
{
  for (int32_t i = 0; i < want->count; i++) {
    double most = 1, worst = 0;
    for (size_t k = 0; k < want->size[i]; k++) {
      double difference = fabs((double)got->data[i][k] - want->data[i][k]);
      most = fmax(most, fabs(want->data[i][k]));
      if (!(difference <= worst)) worst = difference;
    }
    test_checks++;
    if (!(worst <= tolerance * most))
      TEST_FAIL("seed %d, output %d: off by %g of %g", seed, i, worst, most);
  }
}

static void check_same(const buffers *got, const buffers *want, size_t part, size_t whole,
                       const char *what, int32_t seed)
{
  for (int32_t i = 0; i < want->count; i++) {
    test_checks++;
    if (memcmp(got->data[i], want->data[i], want->size[i] / whole * part * sizeof(float)))
      TEST_FAIL("seed %d, output %d: %s changes the bits", seed, i, what);
  }
}

/* ---- the invariants that plan.h states ----------------------------------------------------------
 */

typedef struct life {
  int32_t begin, end;
  size_t bytes;
} life;

static void lives_of(const anet_plan *plan, life *lives)
{
  for (int32_t s = 0; s < plan->slots; s++) lives[s] = (life){.begin = -1};
  for (int32_t i = 0; i < plan->steps; i++) {
    const anet__step *step = &plan->step[i];
    size_t bytes = anet__shape_size(&step->out_shape) * sizeof(float);
    for (int32_t k = 0; k <= step->inputs; k++) {
      int32_t slot = k < step->inputs ? step->in[k] : step->add;
      if (slot < 0) continue;
      CHECK(plan->slot[slot].place == ANET_PLACE_INPUT || lives[slot].begin >= 0);
      lives[slot].end = i;
    }
    CHECK(plan->slot[step->out].place != ANET_PLACE_INPUT);
    if (lives[step->out].begin < 0) lives[step->out].begin = i;
    lives[step->out].end = i;
    lives[step->out].bytes = ANET_MAX(lives[step->out].bytes, bytes);
  }
}

static void check_invariants(const anet_plan *plan, int32_t seed)
{
  life lives[2 * MAX_NODES + ANET_MAX_INPUTS];
  lives_of(plan, lives);
  for (int32_t a = 0; a < plan->slots; a++) {
    if (plan->slot[a].place != ANET_PLACE_ARENA) continue;
    CHECK_EQ_I(plan->slot[a].offset % ANET_ALIGN, 0);
    CHECK(plan->slot[a].offset + lives[a].bytes <= plan->slot_bytes);
    for (int32_t b = 0; b < a; b++) {
      if (plan->slot[b].place != ANET_PLACE_ARENA) continue;
      bool together = lives[a].begin <= lives[b].end && lives[b].begin <= lives[a].end;
      bool apart = plan->slot[a].offset + lives[a].bytes <= plan->slot[b].offset ||
                   plan->slot[b].offset + lives[b].bytes <= plan->slot[a].offset;
      if (together && !apart) TEST_FAIL("seed %d: slots %d and %d overlap", seed, a, b);
    }
  }
  CHECK_EQ_I(plan->slot_bytes % ANET_ALIGN, 0);
  CHECK(plan->slot_bytes <= plan->arena_bytes);
}

/* ---- random networks against the naive run ------------------------------------------------------
 */

static void run_all(const anet_net *net, anet_plan *plan, anet_pool *pool, anet_rng *rng,
                    int32_t seed)
{
  buffers in, kept, want, one, many, few, timed;
  anet_workspace *alone, *shared;
  anet_memory before, after;
  int64_t time[8] = {0}, total = 0;
  int32_t n = anet_rng_int(rng, 1, BATCH - 1);
  buffers *outs[] = {&want, &one, &many, &few, &timed};
  buffers_new(&in, plan->input, plan->inputs, BATCH);
  buffers_new(&kept, plan->input, plan->inputs, BATCH);
  for (int32_t i = 0; i < ANET_COUNT(outs); i++)
    buffers_new(outs[i], plan->output, plan->outputs, BATCH);
  buffers_fill(&in, rng);
  for (int32_t i = 0; i < in.count; i++)
    memcpy(kept.data[i], in.data[i], in.size[i] * sizeof(float));
  CHECK_OK(anet_workspace_new(plan, NULL, &alone));
  CHECK_OK(anet_workspace_new(plan, pool, &shared));
  const float *const *source = (const float *const *)in.data;
  naive_run(net, &in, &want, BATCH);
  memset(alone->arena, 0xff, alone->bytes); /* NaN: nothing may be read before it is written */
  anet_memory_read(&before);
  CHECK_OK(anet_run(plan, alone, source, one.data, BATCH));
  anet_memory_read(&after);
  CHECK_EQ_I(after.calls, before.calls);
  CHECK_OK(anet_run(plan, shared, source, many.data, BATCH));
  CHECK_OK(anet_run(plan, alone, source, few.data, n));
  CHECK_OK(anet__run_timed(plan, alone, source, timed.data, BATCH, time));
  check_close(&one, &want, 1e-5, seed);
  check_same(&many, &one, 1, 1, "the number of threads", seed);
  check_same(&few, &one, (size_t)n, BATCH, "the number of images", seed);
  check_same(&timed, &one, 1, 1, "timing", seed);
  check_same(&kept, &in, 1, 1, "a run on its input", seed);
  for (int32_t i = 0; i < ANET_COUNT(time); i++) total += time[i];
  CHECK(total > 0 || plan->steps == 0);
  anet_workspace_release(alone);
  anet_workspace_release(shared);
  buffers_free(&in);
  buffers_free(&kept);
  for (int32_t i = 0; i < ANET_COUNT(outs); i++) buffers_free(outs[i]);
}

TEST(random_networks)
{
  anet_pool *pool;
  int32_t used[ANET_OP_COUNT] = {0}, fused = 0, added = 0, copied = 0;
  CHECK_OK(anet_pool_new(3, &pool));
  for (int32_t seed = 0; seed < 1000; seed++) {
    anet_rng rng;
    anet_plan *plan = NULL;
    anet_rng_seed(&rng, seed);
    anet_net *net = random_net(&rng);
    CHECK_OK(anet_plan_new(net, BATCH, &plan));
    if (plan) {
      check_invariants(plan, seed);
      run_all(net, plan, pool, &rng, seed);
      for (int32_t v = 0; v < net->count; v++) used[net->node[v].op]++;
      for (int32_t i = 0; i < plan->steps; i++) fused += plan->step[i].scale != NULL;
      for (int32_t i = 0; i < plan->steps; i++) added += plan->step[i].add >= 0;
      for (int32_t i = 0; i < plan->outputs; i++) copied += plan->copy_from[i] >= 0;
    }
    anet_plan_release(plan);
    anet_net_release(net);
  }
  used[ANET_OP_QUANTIZE] = 1; /* what reads it rounds its weights as well: test_bytes.c */
  for (int32_t op = 0; op < ANET_OP_COUNT; op++)
    if (!used[op]) TEST_FAIL("no network used %s", anet__op_get((anet__op_id)op)->name);
  CHECK(fused > 100 && added > 50 && copied > 100);
  anet_pool_release(pool);
}

/* ---- what is fused ------------------------------------------------------------------------------
 */

static int32_t add_node(anet_net *net, const char *op, int32_t channels, int32_t a, int32_t b)
{
  anet_attr attr = {.kernel = {3, 3}, .pad = {1, 1, 1, 1}, .channels = channels, .bias = 0};
  int32_t value = -1, in[2] = {a, b};
  CHECK_OK(anet_net_add(net, op, NULL, &attr, in, b < 0 ? 1 : 2, &value));
  return value;
}

static int32_t chain(anet_net *net, const char *const *ops, int32_t count, int32_t value)
{
  for (int32_t i = 0; i < count; i++) value = add_node(net, ops[i], 8, value, -1);
  return value;
}

static anet_net *start_net(int32_t *x)
{
  anet_net *net = NULL;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "x", &(anet_shape){3, {6, 6, 8}}, x));
  return net;
}

/* Compiles, checks the number of steps, and releases the net. */
static anet_plan *compile(anet_net *net, int32_t output, int32_t steps)
{
  anet_plan *plan = NULL;
  CHECK_OK(anet_net_output(net, output));
  CHECK_OK(anet_net_init(net, 1));
  CHECK_OK(anet_plan_new(net, BATCH, &plan));
  CHECK_EQ_I(plan->steps, steps);
  check_invariants(plan, -1);
  anet_net_release(net);
  return plan;
}

TEST(residual_block_is_two_steps)
{
  int32_t x, y;
  anet_net *net = start_net(&x);
  y = chain(net, (const char *[]){"conv", "norm", "relu", "conv", "norm"}, 5, x);
  y = add_node(net, "add", 0, x, y);
  y = chain(net, (const char *[]){"dropout", "relu6"}, 2, y);
  anet_plan *plan = compile(net, y, 2);
  CHECK(plan->step[0].scale && plan->step[0].shift && plan->step[0].low == 0);
  CHECK_EQ_I(plan->slot[plan->step[1].add].place, ANET_PLACE_INPUT);
  CHECK(plan->step[1].low == 0 && plan->step[1].high == 6);
  CHECK_EQ_I(plan->slot[plan->step[1].out].place, ANET_PLACE_OUTPUT);
  anet_plan_release(plan);
}

/* Of two branches the later takes the addition, whichever operand it is. */
TEST(projection_is_added_by_the_later_branch)
{
  for (int32_t first = 0; first < 2; first++) {
    int32_t x, side, main;
    anet_net *net = start_net(&x);
    side = chain(net, (const char *[]){"conv", "norm"}, 2, x);
    main = chain(net, (const char *[]){"conv", "norm", "relu", "conv", "norm"}, 5, x);
    main = first ? add_node(net, "add", 0, main, side) : add_node(net, "add", 0, side, main);
    main = chain(net, (const char *[]){"relu", "global_pool"}, 2, main);
    anet_plan *plan = compile(net, main, 4);
    CHECK(plan->step[0].add < 0 && plan->step[1].add < 0);
    CHECK_EQ_I(plan->step[2].add, plan->step[0].out);
    CHECK_EQ_I(plan->step[2].out, plan->step[0].out); /* in place of the addend */
    anet_plan_release(plan);
  }
}

/* A value that two read is stored as it is; so is an output, and the last of a region. */
TEST(fusion_stops)
{
  int32_t x, y, z;
  anet_net *net = start_net(&x);
  y = chain(net, (const char *[]){"conv"}, 1, x);
  z = chain(net, (const char *[]){"norm"}, 1, y);
  anet_plan_release(compile(net, add_node(net, "concat", 0, y, z), 3));

  net = start_net(&x);
  y = chain(net, (const char *[]){"conv"}, 1, x);
  CHECK_OK(anet_net_output(net, y));
  anet_plan_release(compile(net, chain(net, (const char *[]){"relu"}, 1, y), 2));

  net = start_net(&x);
  y = chain(net, (const char *[]){"conv", "norm", "relu"}, 3, x);
  net->node[1].region = net->node[2].region = 4;
  anet_plan_release(compile(net, y, 2));

  net = start_net(&x); /* clamped before the addition */
  y = chain(net, (const char *[]){"conv", "relu"}, 2, x);
  anet_plan_release(compile(net, add_node(net, "add", 0, x, y), 2));

  net = start_net(&x); /* a gate's addition broadcasts */
  y = chain(net, (const char *[]){"global_pool"}, 1, x);
  z = chain(net, (const char *[]){"conv"}, 1, x);
  anet_plan_release(compile(net, add_node(net, "add", 0, z, y), 3));
}

TEST(what_nobody_needs_does_not_run)
{
  int32_t x, y;
  anet_net *net = start_net(&x);
  y = chain(net, (const char *[]){"conv", "identity", "dropout"}, 3, x);
  chain(net, (const char *[]){"conv", "conv"}, 2, y);
  anet_plan *plan = compile(net, y, 1);
  anet_plan_info info;
  anet_shape shape;
  anet_plan_read(plan, &info);
  CHECK_NEAR(info.macs, 6 * 6 * 8 * 72, 0);
  CHECK_EQ_I(info.batch, BATCH);
  CHECK_OK(anet_plan_output_shape(plan, 0, &shape));
  CHECK_EQ_I(shape.dim[2], 8);
  CHECK_OK(anet_plan_input_shape(plan, 0, &shape));
  CHECK_FAILS(anet_plan_input_shape(plan, 1, &shape), ANET_RANGE, "1");
  CHECK_FAILS(anet_plan_output_shape(plan, -1, &shape), ANET_RANGE, "-1");
  anet_plan_release(plan);
}

/* A chain needs room for two values, however long it is. */
TEST(chain_uses_two_slots)
{
  int32_t x, y;
  anet_net *net = start_net(&x);
  y = x;
  for (int32_t i = 0; i < 10; i++) y = chain(net, (const char *[]){"conv", "norm", "swish"}, 3, y);
  anet_plan *plan = compile(net, add_node(net, "global_pool", 0, y, -1), 21);
  CHECK_EQ_I(plan->slot_bytes, 2 * 6 * 6 * 8 * sizeof(float));
  anet_plan_release(plan);
}

/* ---- refusals and failures ----------------------------------------------------------------------
 */

/* ---- chains that run as one ---------------------------------------------------------------- */

/* expand, depthwise, project, and the input added where the shapes agree. */
static int32_t inverted(anet_net *net, int32_t x, int32_t hidden, int32_t channels, int32_t stride)
{
  const anet_attr depth = {.kernel = {3, 3}, .stride = {stride, stride}, .pad = {1, 1, 1, 1}};
  int32_t y = net_conv(net, NULL, x, hidden, 1, 1, 0);
  y = net_op(net, "relu6", net_op(net, "norm", y));
  y = net_put(net, "depthwise", NULL, &depth, y, -1);
  y = net_op(net, "relu6", net_op(net, "norm", y));
  y = net_op(net, "norm", net_conv(net, NULL, y, channels, 1, 1, 0));
  if (!anet__shape_equal(&net->node[x].shape, &net->node[y].shape)) return y;
  return net_put(net, "add", NULL, NULL, y, x);
}

/* open: every value is an output, so that no step has a single reader. */
static anet_net *mobile_net(bool open)
{
  anet_net *net;
  anet_rng rng;
  CHECK_OK(anet_net_new(&net));
  int32_t x = net_conv(net, NULL, net_image(net, 50, 3), 8, 3, 1, 0);
  x = inverted(net, x, 24, 8, 1);
  x = inverted(net, x, 40, 12, 2);
  x = inverted(net, x, 36, 12, 1);
  x = inverted(net, x, 36, 12, 1);
  CHECK_OK(anet_net_output(net, x));
  for (int32_t v = 0; open && v < x; v++) CHECK_OK(anet_net_output(net, v));
  CHECK_OK(anet_net_init(net, 5));
  anet_rng_seed(&rng, 8);
  stir(&rng, net);
  return net;
}

static float *mobile_answers(bool open, int32_t threads)
{
  enum { IMAGES = 3, SIZE = 50 * 50 * 3, OUT = 25 * 25 * 12 };
  anet_net *net = mobile_net(open);
  anet_pool *pool;
  anet_plan *plan;
  anet_workspace *workspace;
  float *out[ANET_MAX_OUTPUTS], *in = calloc((size_t)IMAGES * SIZE, sizeof *in);
  CHECK_OK(anet_pool_new(threads, &pool));
  CHECK_OK(anet_plan_new(net, IMAGES, &plan));
  CHECK_OK(anet_workspace_new(plan, pool, &workspace));
  int32_t fused = 0;
  for (int32_t i = 0; i < plan->steps; i++) fused += plan->step[i].fused > 0;
  CHECK_EQ_I(fused, open ? 0 : 4);
  fill_normal(in, (size_t)IMAGES * SIZE, 4);
  for (int32_t i = 0; i < plan->outputs; i++)
    out[i] = calloc(IMAGES * anet__shape_size(&plan->output[i]), sizeof(float));
  const float *from = in;
  CHECK_OK(anet_run(plan, workspace, &from, out, IMAGES));
  for (int32_t i = 1; i < plan->outputs; i++) free(out[i]);
  free(in);
  anet_workspace_release(workspace);
  anet_plan_release(plan);
  anet_pool_release(pool);
  anet_net_release(net);
  return out[0];
}

TEST(chains_run_as_one_give_the_same_bits)
{
  enum { OUT = 3 * 25 * 25 * 12 };
  float *want = mobile_answers(true, 1);
  for (int32_t threads = 1; threads <= 3; threads++) {
    float *got = mobile_answers(false, threads);
    CHECK(memcmp(got, want, OUT * sizeof *got) == 0);
    free(got);
  }
  free(want);
}

/* ---- concats ------------------------------------------------------------------------------- */

/* Two convolutions side by side, as a fire has them, and one that another node reads too. */
static anet_net *fire_net(bool open)
{
  anet_net *net;
  anet_rng rng;
  int32_t value;
  CHECK_OK(anet_net_new(&net));
  const int32_t x = net_op(net, "relu", net_conv(net, NULL, net_image(net, 13, 3), 8, 3, 1, 1));
  const int32_t a = net_op(net, "relu", net_conv(net, NULL, x, 20, 1, 1, 1));
  const int32_t b = net_op(net, "relu", net_conv(net, NULL, x, 36, 3, 1, 1));
  const int32_t c = net_conv(net, NULL, x, 5, 3, 1, 1);
  const anet_attr none = {0};
  CHECK_OK(anet_net_add(net, "concat", NULL, &none, (int32_t[]){b, a, c}, 3, &value));
  const int32_t y = net_conv(net, NULL, value, 9, 3, 1, 1),
                z = net_conv(net, NULL, value, 4, 1, 1, 1);
  CHECK_OK(anet_net_add(net, "concat", NULL, &none, (int32_t[]){y, z}, 2, &value));
  CHECK_OK(anet_net_output(net, value));
  for (int32_t v = 0; open && v < value; v++) CHECK_OK(anet_net_output(net, v));
  CHECK_OK(anet_net_init(net, 6));
  anet_rng_seed(&rng, 9);
  stir(&rng, net);
  return net;
}

TEST(convolutions_write_into_their_concat)
{
  enum { IMAGES = 2, IN = 13 * 13 * 3, OUT = 13 * 13 * 13 };
  float in[IMAGES * IN], *got[2];
  fill_normal(in, IMAGES * IN, 3);
  for (int32_t open = 0; open < 2; open++) {
    anet_net *net = fire_net(open);
    anet_plan *plan;
    anet_workspace *workspace;
    float *out[ANET_MAX_OUTPUTS];
    CHECK_OK(anet_plan_new(net, IMAGES, &plan));
    check_invariants(plan, open);
    CHECK_OK(anet_workspace_new(plan, NULL, &workspace));
    int32_t done = 0;
    for (int32_t i = 0; i < plan->steps; i++) done += plan->step[i].done;
    CHECK_EQ_I(done, open ? 0 : 2);
    for (int32_t i = 0; i < plan->outputs; i++)
      out[i] = calloc(IMAGES * anet__shape_size(&plan->output[i]), sizeof(float));
    const float *from = in;
    memset(workspace->arena, 0xff, workspace->bytes);
    CHECK_OK(anet_run(plan, workspace, &from, out, IMAGES));
    for (int32_t i = 1; i < plan->outputs; i++) free(out[i]);
    got[open] = out[0];
    anet_workspace_release(workspace);
    anet_plan_release(plan);
    anet_net_release(net);
  }
  CHECK(memcmp(got[0], got[1], IMAGES * OUT * sizeof(float)) == 0);
  free(got[0]);
  free(got[1]);
}

/* ---- packed weights ------------------------------------------------------------------------- */

/* A network streams through all its packed weights: they lie together, each at the start of a line of the caches. */
TEST(packed_forms_lie_together)
{
  anet_net *net = net_resnet(16, 3, 16, 1, 10);
  anet__alloc_stats before, after;
  anet_plan *plan;
  anet__alloc_read(&before);
  CHECK_OK(anet_plan_new(net, 1, &plan));
  uintptr_t first = UINTPTR_MAX, end = 0;
  size_t bytes = 0;
  for (int32_t i = 0; i < plan->steps; i++) {
    anet__packed *packed = plan->step[i].packed;
    if (!packed) continue;
    const uintptr_t at = (uintptr_t)anet__packed_data(packed);
    CHECK_EQ_I(at % ANET_ALIGN, 0);
    first = ANET_MIN(first, at);
    end = ANET_MAX(end, at + anet__packed_bytes(packed));
    bytes += (anet__packed_bytes(packed) + ANET_ALIGN - 1) / ANET_ALIGN * ANET_ALIGN;
  }
  CHECK(bytes > 0 && end - first <= bytes);
  anet_plan_release(plan);
  anet__alloc_read(&after);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
  anet_net_release(net);
}

/* A form outlives the plan whose slab it lies in. */
TEST(a_slab_lives_as_long_as_a_form_in_it)
{
  anet__alloc_stats before, after;
  anet__alloc_read(&before);
  anet_tensor *weights;
  anet__slab *slab;
  const anet__form form = {.op = 1}, other = {.op = 2};
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){1, {64}}, &weights));
  CHECK_OK(anet__slab_new(anet__slab_floats(100), &slab));
  anet__packed *a = anet__packed_new(weights, 0, &form, 100, slab);
  anet__packed *b = anet__packed_new(weights, 0, &other, 100, slab); /* no room: of its own */
  anet__slab_release(slab);
  memset(anet__packed_data(a), 1, anet__packed_bytes(a));
  memset(anet__packed_data(b), 2, anet__packed_bytes(b));
  CHECK_EQ_I(*(const char *)anet__packed_data(a), 1);
  anet__packed_release(a);
  anet__packed_release(b);
  anet_tensor_release(weights);
  anet__alloc_read(&after);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
}

TEST(plans_of_the_same_weights_share_their_packed_form)
{
  anet_net *net = net_resnet(16, 3, 16, 1, 10), *copy;
  anet_plan *one, *two, *other;
  CHECK_OK(anet_plan_new(net, 1, &one));
  CHECK_OK(anet_plan_new(net, 4, &two));
  CHECK_OK(anet_net_copy(net, &copy));
  CHECK_OK(anet_plan_new(copy, 1, &other));
  int32_t packed = 0;
  for (int32_t i = 0; i < one->steps; i++) {
    packed += one->step[i].packed != NULL;
    CHECK(one->step[i].packed == two->step[i].packed);
    CHECK(!one->step[i].packed || one->step[i].packed != other->step[i].packed);
  }
  CHECK(packed > 5);
  anet_plan_release(one);
  anet_plan_release(other);
  anet_net_release(copy);
  /* a plan that is left keeps them; a weight that was written to is packed anew, however it was
   * written to */
  const int32_t first = 1;
  float *weight = anet_tensor_data(anet_net_param(net, first, 0));
  CHECK_OK(anet_plan_new(net, 1, &one));
  CHECK(one->step[0].packed == two->step[0].packed);
  anet_plan_release(one);
  weight[3] += 1;
  CHECK_OK(anet_plan_new(net, 1, &one));
  CHECK(one->step[0].packed != two->step[0].packed);
  CHECK(one->step[1].packed == two->step[1].packed);
  anet_plan_release(one);
  anet_plan_release(two);
  anet_net_release(net);
}

TEST(refuse)
{
  int32_t x, y;
  anet_plan *plan = NULL, *large = NULL;
  anet_workspace *workspace;
  float data[BATCH * 6 * 6 * 8] = {0}, result[BATCH * 6 * 6 * 8];
  const float *in = data;
  float *out = result;
  anet_net *net = start_net(&x);
  y = chain(net, (const char *[]){"conv", "swish", "conv"}, 3, x);
  CHECK_FAILS(anet_plan_new(net, 1, &plan), ANET_STATE, "no output");
  CHECK_OK(anet_net_output(net, y));
  CHECK_FAILS(anet_plan_new(net, 0, &plan), ANET_RANGE, "0");
  CHECK_FAILS(anet_plan_new(net, INT32_MAX, &plan), ANET_RANGE, "elements");
  CHECK(plan == NULL);
  CHECK_OK(anet_plan_new(net, 1, &plan));
  CHECK_OK(anet_plan_new(net, BATCH, &large));
  CHECK_OK(anet_workspace_new(plan, NULL, &workspace));
  CHECK_FAILS(anet_run(plan, workspace, &in, &out, 0), ANET_RANGE, "0");
  CHECK_FAILS(anet_run(plan, workspace, &in, &out, 2), ANET_RANGE, "2");
  CHECK_FAILS(anet_run(large, workspace, &in, &out, BATCH), ANET_STATE, "bytes");
  CHECK_FAILS(anet_run(plan, workspace, &(const float *){NULL}, &out, 1), ANET_RANGE, "input 0");
  CHECK_FAILS(anet_run(plan, workspace, &in, &(float *){NULL}, 1), ANET_RANGE, "output 0");
  CHECK_OK(anet_workspace_fit(workspace, large));
  CHECK_OK(anet_run(large, workspace, &in, &out, BATCH));
  CHECK_OK(anet_run(plan, workspace, &in, &out, 1));
  anet_workspace_release(workspace);
  anet_plan_release(plan);
  anet_plan_release(large);
  anet_net_release(net);
}

static int build_and_run(void)
{
  static const char *const ops[] = {"conv", "norm", "relu", "depthwise", "swish", "global_pool"};
  anet_net *net = NULL;
  anet_plan *plan = NULL;
  anet_workspace *workspace = NULL;
  anet_attr attr = {.kernel = {3, 3}, .channels = 4};
  float data[6 * 6 * 8] = {0}, result[4];
  int32_t value;
  int rc = anet_net_new(&net);
  if (!rc) rc = anet_net_input(net, "x", &(anet_shape){3, {6, 6, 8}}, &value);
  for (int32_t i = 0; i < ANET_COUNT(ops) && !rc; i++)
    rc = anet_net_add(net, ops[i], NULL, &attr, &value, 1, &value);
  if (!rc) rc = anet_net_output(net, value);
  if (!rc) rc = anet_plan_new(net, 1, &plan);
  if (!rc) rc = anet_workspace_new(plan, NULL, &workspace);
  if (!rc) rc = anet_run(plan, workspace, &(const float *){data}, &(float *){result}, 1);
  anet_workspace_release(workspace);
  anet_plan_release(plan);
  anet_net_release(net);
  return rc;
}

TEST(every_allocation_fails_once)
{
  anet_memory before, after;
  anet_memory_read(&before);
  for (int32_t k = 0;; k++) {
    anet__alloc_arm(k);
    int rc = build_and_run();
    bool fired = anet__alloc_fired();
    anet__alloc_arm(-1);
    anet_memory_read(&after);
    CHECK_EQ_I(rc, fired ? ANET_NOMEM : ANET_OK);
    CHECK_EQ_I(after.live_bytes, before.live_bytes);
    if (!fired) break;
  }
}

TEST_MAIN(CASE(random_networks), CASE(residual_block_is_two_steps),
          CASE(projection_is_added_by_the_later_branch), CASE(fusion_stops),
          CASE(what_nobody_needs_does_not_run), CASE(chain_uses_two_slots),
          CASE(chains_run_as_one_give_the_same_bits), CASE(convolutions_write_into_their_concat),
          CASE(packed_forms_lie_together), CASE(a_slab_lives_as_long_as_a_form_in_it),
          CASE(plans_of_the_same_weights_share_their_packed_form), CASE(refuse),
          CASE(every_allocation_fails_once))
