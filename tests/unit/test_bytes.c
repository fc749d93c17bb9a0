/* Networks in bytes: what a plan runs on whole numbers is what the same net computes in floats,
 * ranges, options. */
#include "elastic/quantized.h"
#include "elastic/supernet.h"
#include "plan/plan.h"
#include "support/elastic.h"
#include "support/fault.h"
#include "support/nets.h"

enum { IMAGES = 5, LEVELS = 255 };

/* ---- nets -------------------------------------------------------------------------------------
 */

static int32_t put(anet_net *net, const char *op, anet_attr attr, int32_t in)
{
  int32_t value;
  CHECK_OK(anet_net_add(net, op, NULL, &attr, &in, 1, &value));
  return value;
}

/* Stem of 3 channels, inverted residual with a shortcut, strides, awkward channels, head. */
static anet_net *net_of_windows(anet_attr square, anet_attr wide)
{
  anet_net *net = NULL;
  int32_t x, y, in[2];
  const anet_attr expand = {.kernel = {1, 1}, .channels = 37},
                  project = {.kernel = {1, 1}, .channels = 13, .bias = 1};
  const anet_attr window = {.kernel = {3, 3}, .stride = {1, 1}, .pad = {1, 1, 1, 1}};
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "image", &(anet_shape){3, {19, 17, 3}}, &x));
  x = put(net, "relu6", (anet_attr){0},
          put(net, "norm", (anet_attr){0}, put(net, "conv", square, x)));
  y = put(net, "relu6", (anet_attr){0},
          put(net, "norm", (anet_attr){0}, put(net, "conv", expand, x)));
  y = put(net, "relu6", (anet_attr){0},
          put(net, "norm", (anet_attr){0}, put(net, "depthwise", window, y)));
  in[0] = put(net, "norm", (anet_attr){0}, put(net, "conv", project, y));
  in[1] = x;
  CHECK_OK(anet_net_add(net, "add", NULL, &(anet_attr){0}, in, 2, &x));
  x = put(net, "hard_swish", (anet_attr){0}, put(net, "depthwise", wide, x));
  x = put(net, "flatten", (anet_attr){0}, put(net, "global_pool", (anet_attr){0}, x));
  CHECK_OK(anet_net_output(net, put(net, "linear", (anet_attr){.channels = 7, .bias = 1}, x)));
  CHECK_OK(anet_net_init(net, 4));
  return net;
}

static anet_net *mobile_net(void)
{
  return net_of_windows(
      (anet_attr){.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1}, .channels = 13},
      (anet_attr){.kernel = {5, 5}, .stride = {2, 2}, .pad = {2, 2, 2, 2}});
}

/* Most windows lie in padding alone. */
static anet_net *far_net(void)
{
  return net_of_windows(
      (anet_attr){.kernel = {3, 3}, .stride = {9, 17}, .pad = {33, 50, 41, 61}, .channels = 13},
      (anet_attr){.kernel = {5, 5}, .stride = {7, 30}, .pad = {40, 90, 20, 40}});
}

static float *noise(size_t count, double seed)
{
  anet_rng rng;
  float *x = malloc(count * sizeof *x);
  anet_rng_seed(&rng, seed);
  for (size_t i = 0; x && i < count; i++) x[i] = (float)(anet_rng_uniform(&rng) * 2 - 1);
  return x;
}

static float *images_of(const anet_net *net)
{
  return noise(IMAGES * anet__shape_size(&net->node[net->input[0]].shape), 3);
}

/* Weights of all layers that read bytes rounded as packing rounds them. */
static void round_weights(anet_net *net)
{
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = anet__net_at(net, v);
    if (!node->inputs || net->node[node->in[0]].op != ANET_OP_QUANTIZE) continue;
    anet_tensor *w = node->param[0];
    const size_t channels = (size_t)w->shape.dim[w->shape.rank - 1];
    const size_t count = anet__shape_size(&w->shape);
    float *x = anet__f32(w);
    for (size_t c = 0; c < channels; c++) {
      float most = 0;
      for (size_t i = c; i < count; i += channels) most = fmaxf(most, fabsf(x[i]));
      const float scale = most > 0 ? most / 127 : 1;
      for (size_t i = c; i < count; i += channels) x[i] = rintf(x[i] / scale) * scale;
    }
  }
}

/* The same net, whose quantised values are outputs as well: then plans keep them in floats. */
static anet_net *in_floats(anet_net *net)
{
  anet_net *copy = NULL;
  CHECK_OK(anet_net_copy(net, &copy));
  for (int32_t v = 0; v < copy->count; v++)
    if (copy->node[v].op == ANET_OP_QUANTIZE) CHECK_OK(anet_net_output(copy, v));
  return copy;
}

static int32_t steps_in_bytes(const anet_plan *plan)
{
  int32_t count = 0;
  for (int32_t i = 0; i < plan->steps; i++) count += plan->step[i].method == ANET_METHOD_BYTES;
  return count;
}

/* Runs a plan of the net; the first output. */
static float *run(anet_net *net, const float *in, int32_t threads, int32_t *in_bytes)
{
  anet_plan *plan = NULL;
  anet_workspace *workspace = NULL;
  anet_pool *pool = NULL;
  float *out[ANET_MAX_OUTPUTS];
  CHECK_OK(anet_pool_new(threads, &pool));
  CHECK_OK(anet_plan_new(net, IMAGES, &plan));
  CHECK_OK(anet_workspace_new(plan, pool, &workspace));
  for (int32_t i = 0; i < plan->outputs; i++)
    out[i] = calloc(IMAGES * anet__shape_size(&plan->output[i]), sizeof(float));
  anet__alloc_stats before, after;
  anet__alloc_read(&before);
  CHECK_OK(anet_run(plan, workspace, &in, out, IMAGES));
  anet__alloc_read(&after);
  CHECK_EQ_I(after.calls, before.calls);
  if (in_bytes) *in_bytes = steps_in_bytes(plan);
  for (int32_t i = 1; i < plan->outputs; i++) free(out[i]);
  anet_workspace_release(workspace);
  anet_plan_release(plan);
  anet_pool_release(pool);
  return out[0];
}

static double difference(const float *a, const float *b, size_t count)
{
  double worst = 0, range = 0;
  for (size_t i = 0; i < count; i++) {
    worst = fmax(worst, fabs((double)a[i] - b[i]));
    range = fmax(range, fabs((double)b[i]));
  }
  return worst / range;
}

/* ---- plans ------------------------------------------------------------------------------------
 */

/* A sum may round to the next level where floats round otherwise; what such a level does to the
 * logits is small. */
static void check_whole_numbers(anet_net *net)
{
  anet_net *bytes = NULL;
  float *in = images_of(net);
  int32_t fast = 0, slow = 0;
  CHECK_OK(anet_net_quantize(net, in, IMAGES, NULL, &bytes));
  anet_net *floats = in_floats(bytes);
  round_weights(floats);
  float *want = run(floats, in, 1, &slow), *got = run(bytes, in, 1, &fast),
        *two = run(bytes, in, 2, NULL);
  float *plain = run(net, in, 1, NULL);
  CHECK_EQ_I(slow, 0);
  CHECK_EQ_I(fast, 6); /* all convolutions and the linear layer */
  CHECK(difference(got, want, IMAGES * 7) < 2.0 / LEVELS);
  CHECK(difference(got, plain, IMAGES * 7) < 0.1);
  CHECK(difference(got, plain, IMAGES * 7) > 0);
  CHECK_EQ_I(memcmp(got, two, IMAGES * 7 * sizeof *got), 0);
  free(in), free(want), free(got), free(two), free(plain);
  anet_net_release(floats);
  anet_net_release(bytes);
  anet_net_release(net);
}

TEST(whole_numbers_give_what_floats_give)
{
  check_whole_numbers(mobile_net());
  check_whole_numbers(far_net());
}

/* What leaves for others has weights as plans round them, and shares the rest. */
TEST(rounded_weights)
{
  anet_net *net = mobile_net(), *bytes = NULL, *rounded = NULL, *same = NULL, *want = NULL;
  float *in = images_of(net);
  CHECK_OK(anet_net_quantize(net, in, IMAGES, NULL, &bytes));
  CHECK_OK(anet__quantized_round(bytes, &rounded));
  CHECK_OK(anet__quantized_round(net, &same));
  CHECK(same == net);
  CHECK_OK(anet_net_copy(bytes, &want));
  round_weights(want);
  int32_t own = 0;
  for (int32_t v = 0; v < bytes->count; v++)
    for (int32_t p = 0; p < bytes->node[v].params; p++) {
      const anet_tensor *a = rounded->node[v].param[p], *b = want->node[v].param[p];
      CHECK_EQ_I(memcmp(anet__f32(a), anet__f32(b), anet__shape_size(&a->shape) * sizeof(float)),
                 0);
      own += a != bytes->node[v].param[p];
    }
  CHECK_EQ_I(own, 6);
  anet_net_release(want);
  anet_net_release(same);
  anet_net_release(rounded);
  anet_net_release(bytes);
  anet_net_release(net);
  free(in);
}

/* A quantised value that something else reads too stays in floats, and so does what reads it. */
TEST(other_readers_keep_floats)
{
  anet_net *net = NULL;
  int32_t x, q, in[2];
  const anet_attr conv = {.kernel = {3, 3}, .pad = {1, 1, 1, 1}, .channels = 4};
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "image", &(anet_shape){3, {6, 6, 4}}, &x));
  q = put(net, "quantize", (anet_attr){.alpha = -1, .beta = 1}, x);
  in[0] = put(net, "conv", conv, q);
  in[1] = q;
  CHECK_OK(anet_net_add(net, "add", NULL, &(anet_attr){0}, in, 2, &x));
  q = put(net, "quantize", (anet_attr){.alpha = -2, .beta = 2}, x);
  CHECK_OK(anet_net_output(net, put(net, "conv", conv, q)));
  CHECK_OK(anet_net_init(net, 1));
  anet_plan *plan = NULL;
  CHECK_OK(anet_plan_new(net, 1, &plan));
  CHECK_EQ_I(steps_in_bytes(plan), 1);
  CHECK(!plan->step[0].bytes.out);
  anet_plan_release(plan);
  anet_net_release(net);
}

TEST(values_in_bytes_take_a_quarter)
{
  anet_net *net = mobile_net(), *bytes = NULL;
  float *in = images_of(net);
  anet_plan *wide = NULL, *narrow = NULL;
  CHECK_OK(anet_net_quantize(net, in, IMAGES, NULL, &bytes));
  CHECK_OK(anet_plan_new(net, 1, &wide));
  CHECK_OK(anet_plan_new(bytes, 1, &narrow));
  CHECK(narrow->slot_bytes < wide->slot_bytes * 2 / 3);
  anet_plan_release(narrow);
  anet_plan_release(wide);
  anet_net_release(bytes);
  anet_net_release(net);
  free(in);
}

/* ---- ranges -----------------------------------------------------------------------------------
 */

enum { SIDE = 1200 };

/* A net whose conv reads these values, in bytes. */
static int quantize_values(float (*value)(size_t), anet_net **bytes)
{
  anet_net *net = NULL;
  int32_t x;
  float *in = malloc(SIDE * SIDE * sizeof *in);
  for (size_t i = 0; i < SIDE * SIDE; i++) in[i] = value(i);
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "x", &(anet_shape){3, {SIDE, SIDE, 1}}, &x));
  CHECK_OK(anet_net_output(net, put(net, "conv", (anet_attr){.kernel = {1, 1}, .channels = 1}, x)));
  const int rc = anet_net_quantize(net, in, 1, NULL, bytes);
  anet_net_release(net);
  free(in);
  return rc;
}

static anet__range range_of(float (*value)(size_t))
{
  anet_net *bytes = NULL;
  CHECK_OK(quantize_values(value, &bytes));
  const int32_t q = anet_net_find(bytes, "x.bytes");
  CHECK(q >= 0);
  const anet__range range = {bytes->node[q].attr.alpha, bytes->node[q].attr.beta};
  anet_net_release(bytes);
  return range;
}

static float even(size_t i)
{
  return (float)i / (SIDE * SIDE) - 0.25F;
}

/* One value of 1 is not worth such levels to a million others: (1 - h)^2 + N (h / 255)^2 / 12 is
 * least at h = 1 / (1 + N / (12 * 255^2)). */
static float outlier(size_t i)
{
  return i ? 0.25F * (float)i / (SIDE * SIDE) : 1.0F;
}

static float nothing(size_t i)
{
  return 0;
}

/* Each is a float, their distance is none. */
static float far_apart(size_t i)
{
  return i % 2 ? 3e38F : -3e38F;
}

/* Too close for levels that floats hold. */
static float next_to_nothing(size_t i)
{
  return i % 2 ? 0x1p-149F : 0;
}

TEST(ranges_cut_what_is_rare)
{
  const anet__range all = range_of(even), some = range_of(outlier), none = range_of(nothing);
  const anet__range least = range_of(next_to_nothing);
  CHECK_NEAR(all.low, -0.25, 0.01);
  CHECK_NEAR(all.high, 0.75, 0.01);
  CHECK(some.low == 0);
  CHECK_NEAR(some.high, 1 / (1 + SIDE * SIDE / (12.0 * LEVELS * LEVELS)), 0.01);
  CHECK(none.low == 0 && none.high > 0);
  CHECK(least.low == 0 && least.high == none.high);
  anet_net *bytes;
  CHECK_FAILS(quantize_values(far_apart, &bytes), ANET_RANGE, "-3e+38 to 3e+38");
}

TEST(bad_input_is_refused)
{
  anet_net *net = mobile_net(), *out = NULL;
  float *in = images_of(net);
  int32_t x;
  CHECK_FAILS(anet_net_quantize(net, in, 0, NULL, &out), ANET_RANGE, "0 images");
  in[5] = NAN;
  CHECK_FAILS(anet_net_quantize(net, in, IMAGES, NULL, &out), ANET_COLLAPSED, "'image'");
  CHECK_FAILS(anet_net_add(net, "quantize", "q", &(anet_attr){.alpha = 1, .beta = 2},
                           (int32_t[]){0}, 1, &x),
              ANET_RANGE, "contains 0");
  anet_net_release(net);
  free(in);
}

typedef struct quantizing {
  anet_net *net;
  anet_supernet *supernet; /* or NULL */
  const float *in;
} quantizing;

static int quantize_once(void *context)
{
  const quantizing *q = context;
  anet_net *net = NULL, *rounded = NULL;
  anet_supernet *supernet = NULL;
  int rc = q->supernet ? anet_supernet_quantize(q->supernet, q->in, 2, NULL, &supernet)
                       : anet_net_quantize(q->net, q->in, 2, NULL, &net);
  if (!rc && net) rc = anet__quantized_round(net, &rounded);
  anet_net_release(rounded);
  anet_net_release(net);
  anet_supernet_release(supernet);
  return rc;
}

TEST(each_allocation_may_fail)
{
  anet_net *net = mobile_net(), *oracle = net_resnet(8, 3, 4, 1, 10);
  float *in = images_of(net), *small = images_of(oracle);
  anet_supernet *supernet = elastic_supernet(oracle);
  CHECK_OK(anet_supernet_seal(supernet));
  test_each_allocation(quantize_once, &(quantizing){.net = net, .in = in});
  test_each_allocation(quantize_once, &(quantizing){.supernet = supernet, .in = small});
  anet_supernet_release(supernet);
  anet_net_release(oracle);
  anet_net_release(net);
  free(in), free(small);
}

/* ---- options ----------------------------------------------------------------------------------
 */

TEST(every_block_gets_an_option)
{
  anet_net *oracle = net_resnet(12, 3, 8, 2, 10);
  anet_supernet *plain = elastic_supernet(oracle), *wide = NULL, *twice = NULL;
  float *in = images_of(oracle);
  CHECK_OK(anet_supernet_seal(plain));
  CHECK_OK(anet_supernet_quantize(plain, in, IMAGES, NULL, &wide));
  const anet_space *space = anet_supernet_space(wide);
  const int32_t positions = anet_space_positions(space);
  CHECK_EQ_I(space->options, anet_supernet_space(plain)->options + positions);
  uint8_t genome[ANET_MAX_POSITIONS];
  for (int32_t p = 0; p < positions; p++) {
    anet_option last;
    CHECK_OK(anet_space_option(space, space->first[p + 1] - 1, &last));
    CHECK_EQ_I(last.kind, ANET_INT8);
    genome[p] = (uint8_t)last.gene;
  }
  anet_net *subnet = NULL;
  int32_t fast = 0;
  CHECK_OK(anet_supernet_subnet(wide, genome, &subnet));
  float *got = run(subnet, in, 1, &fast), *want = run(oracle, in, 1, NULL);
  CHECK(fast >= 2 * positions);
  CHECK(difference(got, want, IMAGES * 10) < 0.1);
  CHECK(anet_supernet_bytes(wide) == anet_supernet_bytes(plain)); /* weights are shared */
  CHECK_FAILS(anet_supernet_quantize(wide, in, IMAGES, NULL, &twice), ANET_RANGE, "already");
  anet_supernet *open = elastic_supernet(oracle);
  const anet_option bare = {.kind = ANET_INT8, .span = 1, .width = 1};
  CHECK_FAILS(anet_supernet_add(open, &bare, NULL), ANET_UNSUPPORTED, "ranges");
  anet_supernet_release(open);
  free(got), free(want), free(in);
  anet_net_release(subnet);
  anet_supernet_release(wide);
  anet_supernet_release(plain);
  anet_net_release(oracle);
}

TEST_MAIN(CASE(whole_numbers_give_what_floats_give), CASE(rounded_weights),
          CASE(other_readers_keep_floats), CASE(values_in_bytes_take_a_quarter),
          CASE(ranges_cut_what_is_rare), CASE(bad_input_is_refused), CASE(each_allocation_may_fail),
          CASE(every_block_gets_an_option))
