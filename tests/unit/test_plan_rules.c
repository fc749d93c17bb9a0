/* What a plan fuses, shares and places, rule by rule; results are those of the net with every value
 * as an output, which leaves nothing to fuse. */
#include "base/alloc.h"
#include "base/pool.h"
#include "plan/plan.h"
#include "support/nets.h"
#include "support/test.h"

enum { MOST = 1 << 16 };

static float image[MOST], one[MOST], other[MOST];

static anet_plan *plan_of(anet_net *net)
{
  anet_plan *plan = NULL;
  CHECK_OK(anet_plan_new(net, 1, &plan));
  return plan;
}

/* The first output, of one image. */
static int32_t run(anet_net *net, float *out)
{
  anet_plan *plan = plan_of(net);
  anet_workspace *workspace;
  const float *in[ANET_MAX_INPUTS];
  float *to[ANET_MAX_OUTPUTS] = {out};
  for (int32_t i = 0; i < ANET_MAX_INPUTS; i++) in[i] = image;
  for (int32_t i = 1; i < plan->outputs; i++)
    to[i] = anet__alloc_array(anet__shape_size(&plan->output[i]), sizeof(float));
  CHECK_OK(anet_workspace_new(plan, NULL, &workspace));
  CHECK_OK(anet_run(plan, workspace, in, to, 1));
  const int32_t count = (int32_t)anet__shape_size(&plan->output[0]);
  for (int32_t i = 1; i < plan->outputs; i++) anet__free(to[i]);
  anet_workspace_release(workspace);
  anet_plan_release(plan);
  return count;
}

/* The same numbers, fused or not. */
static void check_result(anet_net *net, double tolerance)
{
  anet_net *open;
  CHECK_OK(anet_net_copy(net, &open));
  for (int32_t v = 0; v < open->count; v++) CHECK_OK(anet_net_output(open, v));
  const int32_t count = run(net, one);
  CHECK_EQ_I(run(open, other), count);
  double most = 0;
  for (int32_t i = 0; i < count; i++) most = fmax(most, fabs((double)one[i] - other[i]));
  if (!(most <= tolerance)) TEST_FAIL("differs by %g from the unfused net", most);
  anet_net_release(open);
}

static anet_net *net_new(int32_t size, int32_t channels, int32_t *x)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  *x = net_image(net, size, channels);
  fill_normal(image, MOST, 5);
  return net;
}

static anet_net *done(anet_net *net, int32_t x)
{
  CHECK_OK(anet_net_output(net, x));
  CHECK_OK(anet_net_init(net, 3));
  return net;
}

/* ---- clamps ------------------------------------------------------------------------------------
 */

/* A range that lies outside the next one becomes a point of that. */
TEST(clamps_of_ranges_apart)
{
  static const struct {
    float low, high;
    const char *then;
    float want;
  } cases[] = {{-3, -1, "relu", 0}, {7, 9, "relu6", 6}, {-2, -1, "relu6", 0}};
  for (int32_t i = 0; i < ANET_COUNT(cases); i++) {
    int32_t x;
    const anet_attr clip = {.alpha = cases[i].low, .beta = cases[i].high};
    anet_net *net = net_new(6, 3, &x);
    x = net_put(net, "clip", NULL, &clip, net_conv(net, NULL, x, 8, 3, 1, 1), -1);
    net = done(net, net_op(net, cases[i].then, x));
    anet_plan *plan = plan_of(net);
    CHECK_EQ_I(plan->steps, 1);
    anet_plan_release(plan);
    const int32_t count = run(net, one);
    for (int32_t k = 0; k < count; k++) CHECK_NEAR(one[k], cases[i].want, 0);
    anet_net_release(net);
  }
}

/* ---- concats -----------------------------------------------------------------------------------
 */

/* Two convolutions side by side are joined along channels, unless something is in the way. */
TEST(what_writes_into_its_concat)
{
  for (int32_t kind = 0; kind < 6; kind++) {
    int32_t x;
    anet_net *net = net_new(4, 6, &x);
    int32_t a = net_conv(net, NULL, x, 6, 3, 1, 1), b = net_conv(net, NULL, x, 6, 1, 1, 1);
    anet_attr attr = {.axis = kind == 1 || kind == 2 ? kind : 0};
    if (kind == 3) { /* other pixels than the concat's */
      const anet_attr shape = {.dim = {4, 2, 12}};
      a = net_put(net, "reshape", NULL, &shape, a, -1);
      b = net_put(net, "reshape", NULL, &shape, b, -1);
    }
    if (kind == 5) a = net_put(net, "add", NULL, NULL, a, x);
    const int32_t both = net_put(net, "concat", NULL, &attr, a, b);
    if (kind == 4) net->node[both].region = 1; /* of another block */
    net = done(net, net_op(net, "sigmoid", both));
    anet_plan *plan = plan_of(net);
    int32_t joined = 0;
    for (int32_t i = 0; i < plan->steps; i++) {
      joined += plan->step[i].done;
      if (plan->step[i].done) CHECK_EQ_I(plan->step[i].inputs, 0);
    }
    if (joined != (kind == 0)) TEST_FAIL("case %d: %d concats joined", kind, joined);
    check_result(net, 1e-5);
    anet_plan_release(plan);
    anet_net_release(net);
  }
}

/* ---- chains ------------------------------------------------------------------------------------
 */

/* expand, depthwise, project on what a stem makes; what is in the way of running them as one. */
TEST(which_chains_run_as_one)
{
  enum { PLAIN, OTHER_READER, DEEP_READER, REGION, LATER_REGION, ADDED, DEEP_ADDED, JOINED, CASES };
  /* without its expansion a chain may still be one of two */
  static const int32_t want[CASES] = {3, 2, 0, 0, 2, 2, 0, 0};
  for (int32_t kind = 0; kind < CASES; kind++) {
    int32_t x;
    anet_net *net = net_new(8, 3, &x);
    const anet_attr deep = {.kernel = {3, 3}, .pad = {1, 1, 1, 1}, .bias = 1};
    const int32_t stem = net_op(net, "relu", net_conv(net, NULL, x, 16, 3, 1, 1));
    int32_t wide = net_conv(net, NULL, stem, kind == ADDED ? 16 : 32, 1, 1, 1);
    if (kind == ADDED) wide = net_put(net, "add", NULL, NULL, wide, stem);
    wide = net_op(net, "relu", wide);
    int32_t mid = net_put(net, "depthwise", NULL, &deep, wide, -1);
    if (kind == DEEP_ADDED)
      mid = net_put(net, "add", NULL, NULL, mid, net_op(net, "sigmoid", wide));
    mid = net_op(net, "relu", mid);
    int32_t end = net_conv(net, NULL, mid, 8, 1, 1, 1);
    if (kind == REGION) net->node[end].region = 4;
    if (kind == LATER_REGION)
      for (int32_t v = wide + 1; v <= end; v++) net->node[v].region = 4;
    if (kind == OTHER_READER)
      end = net_put(net, "concat", NULL, NULL, net_op(net, "sigmoid", end), wide);
    if (kind == DEEP_READER)
      end = net_put(net, "concat", NULL, NULL, net_op(net, "sigmoid", end), mid);
    if (kind == JOINED)
      end = net_put(net, "concat", NULL, NULL, end, net_conv(net, NULL, stem, 8, 1, 1, 1));
    net = done(net, net_conv(net, NULL, net_op(net, "sigmoid", end), 4, 3, 1, 1));
    anet_plan *plan = plan_of(net);
    int32_t longest = 0;
    for (int32_t i = 0; i < plan->steps; i++) longest = ANET_MAX(longest, plan->step[i].fused);
    if (longest != want[kind]) TEST_FAIL("case %d: a chain of %d runs as one", kind, longest);
    check_result(net, 1e-4);
    anet_plan_release(plan);
    anet_net_release(net);
  }
}

/* The input of a chain stays until its output is whole. */
TEST(a_chain_keeps_its_input)
{
  static const int32_t channels[] = {8, 16, 32, 64};
  int32_t chains = 0;
  for (int32_t kind = 0; kind < 64; kind++) {
    int32_t x;
    const int32_t in = channels[kind % 4], mid = channels[kind / 4 % 4], out = channels[kind / 16];
    anet_net *net = net_new(8, 3, &x);
    const anet_attr deep = {.kernel = {3, 3}, .pad = {1, 1, 1, 1}, .bias = 1};
    const int32_t stem = net_op(net, "relu", net_conv(net, NULL, x, in, 3, 1, 1));
    x = net_op(net, "relu", net_conv(net, NULL, stem, mid, 1, 1, 1));
    x = net_op(net, "relu", net_put(net, "depthwise", NULL, &deep, x, -1));
    x = net_conv(net, NULL, x, out, 1, 1, 1);
    if (in == out) x = net_put(net, "add", NULL, NULL, x, stem);
    net = done(net, net_conv(net, NULL, net_op(net, "softplus", x), 4, 3, 1, 1));
    anet_plan *plan = plan_of(net);
    for (int32_t i = 0; i < plan->steps; i++) {
      const int32_t length = plan->step[i].fused;
      if (!length) continue;
      const anet__step *first = &plan->step[i], *last = &plan->step[i + length - 1];
      const anet__slot *from = &plan->slot[first->in[0]], *to = &plan->slot[last->out];
      const size_t read = anet__shape_size(&first->in_shape[0]) * 4,
                   made = anet__shape_size(&last->out_shape) * 4;
      CHECK(from->place == ANET_PLACE_ARENA && to->place == ANET_PLACE_ARENA);
      if (from->offset + read > to->offset && to->offset + made > from->offset)
        TEST_FAIL("channels %d, %d, %d: the output lies on the input", in, mid, out);
      chains++;
    }
    anet_plan_release(plan);
    anet_net_release(net);
  }
  CHECK(chains > 30);
}

/* ---- weights -----------------------------------------------------------------------------------
 */

/* Scale where a norm or bytes want it, shift where there is a bias too. */
TEST(who_has_a_scale_and_a_shift)
{
  for (int32_t bias = 0; bias < 2; bias++)
    for (int32_t norm = 0; norm < 2; norm++) {
      int32_t x;
      anet_net *net = net_new(6, 3, &x);
      x = net_conv(net, NULL, x, 8, 3, 1, bias);
      net = done(net, norm ? net_op(net, "norm", x) : x);
      anet_plan *plan = plan_of(net);
      anet_plan_info info;
      CHECK_EQ_I(plan->step[0].scale != NULL, norm);
      CHECK_EQ_I(plan->step[0].shift != NULL, norm || bias);
      anet_plan_read(plan, &info);
      const double packed = (double)anet__packed_bytes(plan->step[0].packed),
                   posts = info.packed_bytes - packed;
      CHECK(packed >= 4 * 27 * 8);
      const double least = 4 * 8 * (norm ? 2 : bias);
      if (!(posts >= least && posts <= 4 * least))
        TEST_FAIL("%g bytes of scales and shifts, want %g", posts, least);
      anet_plan_release(plan);
      anet_net_release(net);
    }
}

/* Packed bytes are of all steps. */
TEST(all_steps_weights_count)
{
  int32_t x;
  anet_net *net = net_new(6, 64, &x);
  for (int32_t i = 0; i < 3; i++) x = net_conv(net, NULL, x, 64, 3, 1, 0);
  net = done(net, x);
  anet_plan *plan = plan_of(net);
  size_t sum = 0;
  for (int32_t i = 0; i < 3; i++) sum += anet__packed_bytes(plan->step[i].packed);
  CHECK_EQ_I(plan->packed_bytes, sum);
  /* a second plan finds all of them and takes no room for more */
  anet__alloc_stats before, after;
  anet__alloc_read(&before);
  anet_plan *again = plan_of(net);
  anet__alloc_read(&after);
  CHECK_EQ_I(again->packed_bytes, sum);
  CHECK(sum >= 3 * 4 * 9 * 64 * 64);
  CHECK(after.live_bytes - before.live_bytes < sum / 3);
  for (int32_t i = 0; i < 3; i++) CHECK(again->step[i].packed == plan->step[i].packed);
  anet_plan_release(again);
  anet_plan *both = plan_of(net);
  anet_plan_release(plan);
  anet_plan_release(both);
  anet_net_release(net);
}

/* The same weights in one net: packed once for steps alike, and apart where groups or methods
 * differ. */
TEST(the_same_weights_in_other_steps)
{
  int32_t x, y;
  const anet_attr attr = {.kernel = {3, 3}, .pad = {1, 1, 1, 1}, .channels = 32};
  anet_attr halves = attr;
  halves.groups = 2;
  anet_net *net = net_new(28, 32, &x);
  CHECK_OK(anet_net_input(net, "small", &(anet_shape){3, {4, 4, 32}}, &y));
  const int32_t a = net_put(net, "conv", NULL, &attr, x, -1),
                b = net_put(net, "conv", NULL, &attr, x, -1);
  const int32_t c = net_put(net, "conv", NULL, &attr, y, -1);
  int32_t z;
  CHECK_OK(anet_net_input(net, "double", &(anet_shape){3, {28, 28, 64}}, &z));
  const int32_t d = net_put(net, "conv", NULL, &halves, z, -1);
  for (int32_t v = a; v <= d; v++)
    if (v != z) CHECK_OK(anet_net_output(net, v));
  CHECK_OK(anet_net_init(net, 3));
  CHECK_OK(anet_net_set_param(net, b, 0, anet_net_param(net, a, 0)));
  CHECK_OK(anet_net_set_param(net, c, 0, anet_net_param(net, a, 0)));
  CHECK_OK(anet_net_set_param(net, d, 0, anet_net_param(net, a, 0)));
  anet_plan *plan = plan_of(net);
  CHECK_EQ_I(plan->steps, 4);
  CHECK(plan->step[0].packed == plan->step[1].packed);
  CHECK(plan->step[0].method != plan->step[2].method);
  CHECK(plan->step[0].packed != plan->step[2].packed);
  CHECK(plan->step[0].packed != plan->step[3].packed &&
        plan->step[2].packed != plan->step[3].packed);
  anet_plan_release(plan);
  anet_net_release(net);
}

/* ---- bytes -------------------------------------------------------------------------------------
 */

/* image, quantised, convolved, quantised, `then`, convolved: are both quantised values bytes? */
TEST(values_in_bytes)
{
  for (int32_t relu = 0; relu < 2; relu++) {
    int32_t x;
    const anet_attr range = {.alpha = -4, .beta = 4};
    anet_net *net = net_new(8, 16, &x);
    x = net_conv(net, NULL, net_put(net, "quantize", NULL, &range, x, -1), 16, 3, 1, 1);
    x = net_put(net, "quantize", NULL, &range, x, -1);
    if (relu) x = net_op(net, "relu", x); /* reads what is no bytes then */
    net = done(net, net_conv(net, NULL, x, 8, 3, 1, 1));
    anet_plan *plan = plan_of(net);
    int32_t first = 0;
    while (!plan->step[first].bytes.in) first++;
    CHECK_EQ_I(plan->step[first].bytes.out, !relu);
    if (!relu) {
      CHECK_EQ_I(plan->steps, 3);
      CHECK_NEAR(plan->step[first].low, 0, 0);
      CHECK_NEAR(plan->step[first].high, 255, 0);
      /* kernels may read 3 bytes behind them: room for two values of 1024 and 3 */
      CHECK(plan->slot_bytes >= 2 * 1088 || plan->slot_bytes == 1088);
      /* the quantised values take a byte a number, the last one floats */
      CHECK_NEAR(plan->activation_bytes, 1024 + 1024 + 4 * 512, 0);
    }
    check_result(net, 0.2);
    anet_plan_release(plan);
    anet_net_release(net);
  }
}

/* ---- places ------------------------------------------------------------------------------------
 */

/* An output is written where it belongs, but for one that is an input or another's. */
TEST(which_outputs_are_copied)
{
  int32_t x;
  anet_net *net = net_new(6, 3, &x);
  const int32_t y = net_conv(net, NULL, x, 8, 3, 1, 1);
  const int32_t want[] = {y, x, y, net_op(net, "identity", x)};
  for (int32_t i = 0; i < 4; i++) CHECK_OK(anet_net_output(net, want[i]));
  CHECK_OK(anet_net_init(net, 3));
  anet_plan *plan = plan_of(net);
  CHECK_EQ_I(plan->copy_from[0], -1);
  CHECK(plan->copy_from[1] >= 0 && plan->slot[plan->copy_from[1]].place == ANET_PLACE_INPUT);
  CHECK(plan->copy_from[2] >= 0 && plan->slot[plan->copy_from[2]].place == ANET_PLACE_OUTPUT);
  CHECK(plan->copy_from[3] >= 0 && plan->slot[plan->copy_from[3]].place == ANET_PLACE_INPUT);
  anet_plan_release(plan);
  anet_net_release(net);
}

/* ---- courses -----------------------------------------------------------------------------------
 */

/* How runs go by the plan's figures alone: a plan without steps needs no scratch but what it says.
 */
TEST(courses)
{
  enum { ROOM = 1 << 20 };
  static const struct {
    int32_t workers, n;
    size_t slots, packed;
    bool apart;
    int32_t part;
  } cases[] = {
      {1, 10, ROOM / 4 - 1, 0, true, 4},                           /* three rounds of 4 at most */
      {1, 9, ROOM / 4 - 1, 0, true, 3},                            /* even ones */
      {1, 8, ROOM / 4 - 1, 0, true, 4},  {1, 9, 100, 0, true, 5},  /* never more than 8 */
      {1, 8, 100, 0, true, 8},           {1, 5, ROOM, 0, true, 1}, /* one that fits nowhere */
      {1, 20, 100, 2000, false, 8}, /* weights that outweigh: read once a part */
      {1, 3, 100, 2000, false, 3},       {1, 8, 100, 1999, true, 8},
      {3, 2, 100, 0, false, 2},                                    /* too few to share out */
      {3, 3, 100, 0, true, 1},           {3, 25, 100, 0, true, 5}, /* two rounds of three workers */
      {3, 24, 100, 0, true, 8},          {3, 25, 100, 2000, false, 8},
  };
  for (int32_t i = 0; i < ANET_COUNT(cases); i++) {
    anet_pool *pool = NULL;
    if (cases[i].workers > 1) CHECK_OK(anet_pool_new(cases[i].workers, &pool));
    const anet_plan plan = {.batch = 64,
                            .slot_bytes = cases[i].slots,
                            .packed_bytes = cases[i].packed,
                            .activation_bytes = 1000,
                            .scratch_bytes = 10};
    const anet__course c = anet__plan_course(&plan, cases[i].n, pool);
    const bool plain = c.part == 1 && (c.apart || cases[i].workers == 1);
    const size_t arena = (size_t)cases[i].part * cases[i].slots + (plain ? 10 : 0);
    const size_t all = arena * (size_t)(cases[i].apart ? cases[i].workers : 1);
    if (c.apart != cases[i].apart || c.part != cases[i].part || c.arena_bytes != arena ||
        c.bytes != all)
      TEST_FAIL("case %d: apart %d, part %d, %zu and %zu bytes; want %d, %d, %zu, %zu", i, c.apart,
                c.part, c.arena_bytes, c.bytes, cases[i].apart, cases[i].part, arena, all);
    size_t most = 0;
    for (int32_t n = 1; n <= 64; n++)
      most = ANET_MAX(most, anet__plan_course(&plan, n, pool).bytes);
    CHECK_EQ_I(anet__plan_arena(&plan, pool), most);
    anet_pool_release(pool);
  }
}

TEST_MAIN(CASE(clamps_of_ranges_apart), CASE(what_writes_into_its_concat),
          CASE(which_chains_run_as_one), CASE(a_chain_keeps_its_input),
          CASE(who_has_a_scale_and_a_shift), CASE(all_steps_weights_count),
          CASE(the_same_weights_in_other_steps), CASE(values_in_bytes),
          CASE(which_outputs_are_copied), CASE(courses))
