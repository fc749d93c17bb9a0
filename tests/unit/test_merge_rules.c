/* What a merge over blocks becomes: its shortcut, its stride, its channels and its weights, on
 * blocks made for it. */
#include "elastic/supernet.h"
#include "support/nets.h"
#include "support/says.h"

/* ---- blocks ------------------------------------------------------------------------------------
 */

typedef struct maker {
  anet_net *net;
  int32_t x; /* the last value */
} maker;

static maker maker_new(int32_t size, int32_t channels)
{
  maker m;
  CHECK_OK(anet_net_new(&m.net));
  m.x = net_conv(m.net, "stem", net_image(m.net, size, 3), channels, 3, 1, 0);
  m.x = net_op(m.net, "relu", net_op(m.net, "norm", m.x));
  return m;
}

/* Pooled and weighed, filled and cut into blocks. */
static anet_supernet *maker_end(maker *m)
{
  anet_supernet *s = NULL;
  const int32_t x = net_op(m->net, "flatten", net_op(m->net, "global_pool", m->x));
  CHECK_OK(anet_net_output(m->net, net_linear(m->net, "head", x, 5)));
  CHECK_OK(anet_net_init(m->net, 9));
  CHECK_OK(anet_supernet_new(m->net, &s));
  anet_net_release(m->net);
  return s;
}

static int32_t channels_at(const maker *m, int32_t value)
{
  return m->net->node[value].shape.dim[2];
}

static void basic(maker *m, int32_t channels, int32_t stride)
{
  m->x = net_basic(m->net, m->x, channels, stride);
}

static int32_t conv(maker *m, int32_t in, int32_t channels, int32_t kernel, int32_t high,
                    int32_t wide, int32_t groups, int32_t bias)
{
  const int32_t p = kernel / 2;
  const anet_attr attr = {.kernel = {kernel, kernel},
                          .stride = {high, wide},
                          .pad = {p, p, p, p},
                          .groups = groups,
                          .channels = channels,
                          .bias = bias};
  return net_put(m->net, "conv", NULL, &attr, in, -1);
}

/* The sum of two 3 x 3 convolutions (without norms if `bias`) and `side`, activated. */
static void join(maker *m, int32_t channels, int32_t high, int32_t wide, int32_t groups,
                 int32_t bias, int32_t side)
{
  int32_t x = conv(m, m->x, channels, 3, high, wide, 1, bias);
  if (!bias) x = net_op(m->net, "norm", x);
  x = conv(m, net_op(m->net, "relu", x), channels, 3, 1, 1, groups, bias);
  if (!bias) x = net_op(m->net, "norm", x);
  m->x = net_op(m->net, "relu", net_put(m->net, "add", NULL, NULL, x, side));
}

/* Branches side by side: 1 x 1 with `a` channels, and 3 x 3 with `b`. */
static void branches(maker *m, int32_t a, int32_t b, int32_t high, int32_t wide)
{
  const int32_t left = net_op(m->net, "relu", conv(m, m->x, a, 1, high, wide, 1, 1));
  const int32_t right = net_op(m->net, "relu", conv(m, m->x, b, 3, high, wide, 1, 1));
  m->x = net_put(m->net, "concat", NULL, NULL, left, right);
}

/* What is there and `more` channels (DenseNet). */
static void dense(maker *m, int32_t more)
{
  const int32_t x =
      conv(m, net_op(m->net, "relu", net_op(m->net, "norm", m->x)), more, 3, 1, 1, 1, 0);
  m->x = net_put(m->net, "concat", NULL, NULL, m->x, x);
}

/* ---- what came of it
 * ------------------------------------------------------------------------------ */

/* Node after node: what it is and what it reads; convolutions with kernel / stride and channels. */
static void describe(const anet_net *net, char *text, size_t size)
{
  size_t used = 0;
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = &net->node[v];
    const anet_attr *a = &node->attr;
    used += (size_t)snprintf(text + used, size - used, "%s%s", v ? "; " : "",
                             anet__op_get(node->op)->name);
    if (node->op == ANET_OP_CONV)
      used += (size_t)snprintf(text + used, size - used, " %d/%dx%d:%d%s", a->kernel[0],
                               a->stride[0], a->stride[1], a->channels, a->bias ? "b" : "");
    for (int32_t i = 0; i < node->inputs; i++)
      used += (size_t)snprintf(text + used, size - used, " %d", node->in[i]);
  }
}

static const anet_net *merge(anet_supernet *s, int32_t position, int32_t span)
{
  const anet_option o = {.kind = ANET_MERGE, .position = position, .span = span, .width = 1};
  CHECK_OK(anet_supernet_add(s, &o, NULL));
  return s->piece[s->space->first[position + 1] - 1];
}

static void check_merge(anet_supernet *s, int32_t position, int32_t span, const char *want)
{
  char text[1024];
  describe(merge(s, position, span), text, sizeof text);
  CHECK_EQ_S(text, want);
}

static void refused(anet_supernet *s, int32_t position, int32_t span, int status,
                    const char *message)
{
  const anet_option o = {.kind = ANET_MERGE, .position = position, .span = span, .width = 1};
  const int32_t options = s->space->options;
  CHECK_SAYS(anet_supernet_add(s, &o, NULL), status, message);
  CHECK_EQ_I(s->space->options, options);
}

/* ---- shortcuts
 * ------------------------------------------------------------------------------------ */

TEST(shortcuts_stay_where_shapes_agree_and_are_projected_where_not)
{
  maker m = maker_new(16, 8);
  basic(&m, 8, 1);  /* 0 */
  basic(&m, 8, 1);  /* 1 */
  basic(&m, 12, 1); /* 2: wider, as large */
  basic(&m, 12, 2); /* 3: with a projection of its own */
  basic(&m, 12, 1); /* 4 */
  basic(&m, 16, 1); /* 5 */
  anet_supernet *s = maker_end(&m);
  check_merge(s, 0, 2,
              "input; conv 3/1x1:8 0; norm 1; relu 2; conv 3/1x1:8 3; norm 4; add 5 0; relu 6");
  check_merge(s, 1, 2,
              "input; conv 3/1x1:8 0; norm 1; relu 2; conv 3/1x1:12 3; norm 4; conv 1/1x1:12 0; "
              "norm 6; add 5 7; relu 8");
  check_merge(s, 1, 3,
              "input; conv 3/2x2:8 0; norm 1; relu 2; conv 3/1x1:12 3; norm 4; conv 1/2x2:12 0; "
              "norm 6; add 5 7; relu 8");
  /* the first block's own branch carries its stride already, and is made wider */
  check_merge(s, 3, 2,
              "input; conv 3/2x2:12 0; norm 1; relu 2; conv 3/1x1:12 3; norm 4; conv 1/2x2:12 0; "
              "norm 6; add 5 7; relu 8");
  check_merge(s, 3, 3,
              "input; conv 3/2x2:12 0; norm 1; relu 2; conv 3/1x1:16 3; norm 4; conv 1/2x2:16 0; "
              "norm 6; add 5 7; relu 8");
  /* a branch that must carry another's stride goes */
  check_merge(s, 2, 2,
              "input; conv 3/2x2:12 0; norm 1; relu 2; conv 3/1x1:12 3; norm 4; conv 1/2x2:12 0; "
              "norm 6; add 5 7; relu 8");
  const anet_net *own = s->piece[s->space->first[4] - 1], *new = s->piece[s->space->first[3] - 1];
  CHECK(strstr(own->node[6].name, ".project") == NULL);
  CHECK(strstr(new->node[6].name, ".m2.project") != NULL);
  CHECK(strstr(new->node[7].name, ".m2.norm") != NULL);
  anet_supernet_release(s);
}

/* A shortcut without weights cannot be made to fit: a projection takes its place. */
TEST(a_shortcut_without_weights_is_projected)
{
  maker m = maker_new(16, 8);
  const anet_attr half = {.kernel = {2, 2}, .stride = {2, 2}};
  join(&m, 8, 2, 2, 1, 0, net_put(m.net, "avg_pool", NULL, &half, m.x, -1));
  basic(&m, 8, 1);
  anet_supernet *s = maker_end(&m);
  check_merge(s, 0, 2,
              "input; conv 3/2x2:8 0; norm 1; relu 2; conv 3/1x1:8 3; norm 4; conv 1/2x2:8 0; "
              "norm 6; add 5 7; relu 8");
  anet_supernet_release(s);
}

/* What the block itself reads of its shortcut stays when that goes. */
TEST(what_both_branches_read_stays)
{
  maker m = maker_new(16, 8);
  const int32_t x = net_op(m.net, "sigmoid", m.x), side = conv(&m, x, 8, 1, 1, 1, 1, 1);
  const int32_t main = conv(&m, net_put(m.net, "mul", NULL, NULL, m.x, x), 8, 3, 1, 1, 1, 1);
  const int32_t longer = conv(&m, net_op(m.net, "relu", main), 8, 3, 1, 1, 1, 1);
  m.x = net_op(m.net, "relu", net_put(m.net, "add", NULL, NULL, longer, side));
  basic(&m, 12, 2);
  anet_supernet *s = maker_end(&m);
  check_merge(s, 0, 2,
              "input; sigmoid 0; mul 0 1; conv 3/2x2:8b 2; relu 3; conv 3/1x1:12b 4; "
              "conv 1/2x2:12b 0; add 5 6; relu 7");
  anet_supernet_release(s);
}

/* A branch of one convolution is a branch too. */
TEST(a_branch_of_one_convolution_is_kept)
{
  maker m = maker_new(16, 8);
  join(&m, 8, 2, 2, 1, 1, conv(&m, m.x, 8, 1, 2, 2, 1, 1));
  basic(&m, 12, 1);
  anet_supernet *s = maker_end(&m);
  check_merge(
      s, 0, 2,
      "input; conv 1/2x2:12b 0; conv 3/2x2:8b 0; relu 2; conv 3/1x1:12b 3; add 4 1; relu 5");
  anet_supernet_release(s);
}

/* Without norms the projection has a bias. */
TEST(a_block_without_norms_gets_none)
{
  maker m = maker_new(16, 8);
  join(&m, 8, 1, 1, 1, 1, m.x);
  basic(&m, 12, 2);
  anet_supernet *s = maker_end(&m);
  check_merge(
      s, 0, 2,
      "input; conv 3/2x2:8b 0; relu 1; conv 3/1x1:12b 2; conv 1/2x2:12b 0; add 3 4; relu 5");
  anet_supernet_release(s);
}

/* ---- strides
 * -------------------------------------------------------------------------------------- */

TEST(height_and_width_have_strides_of_their_own)
{
  maker m = maker_new(16, 8);
  basic(&m, 8, 1);
  join(&m, 8, 2, 1, 1, 0, conv(&m, m.x, 8, 1, 2, 1, 1, 0));
  anet_supernet *s = maker_end(&m);
  check_merge(s, 0, 2,
              "input; conv 3/2x1:8 0; norm 1; relu 2; conv 3/1x1:8 3; norm 4; conv 1/2x1:8 0; "
              "norm 6; add 5 7; relu 8");
  anet_supernet_release(s);
}

/* The first spatial convolution carries it, else the first. */
TEST(who_carries_the_stride)
{
  for (int32_t spatial = 0; spatial < 2; spatial++) {
    maker m = maker_new(16, 8);
    int32_t x = net_op(m.net, "relu", conv(&m, m.x, 4, 1, 1, 1, 1, 1));
    x = net_op(m.net, "relu", conv(&m, x, 4, spatial ? 3 : 1, 1, 1, 1, 1));
    x = net_op(m.net, "relu", conv(&m, x, 4, spatial ? 3 : 1, 1, 1, 1, 1));
    m.x = net_op(m.net, "relu",
                 net_put(m.net, "add", NULL, NULL, m.x, conv(&m, x, 8, 1, 1, 1, 1, 1)));
    basic(&m, 8, 2);
    anet_supernet *s = maker_end(&m);
    check_merge(s, 0, 2,
                spatial
                    ? "input; conv 1/1x1:4b 0; relu 1; conv 3/2x2:4b 2; relu 3; conv 3/1x1:4b 4; "
                      "relu 5; conv 1/1x1:8b 6; conv 1/2x2:8b 0; add 7 8; relu 9"
                    : "input; conv 1/2x2:4b 0; relu 1; conv 1/1x1:4b 2; relu 3; conv 1/1x1:4b 4; "
                      "relu 5; conv 1/1x1:8b 6; conv 1/2x2:8b 0; add 7 8; relu 9");
    anet_supernet_release(s);
  }
}

/* ---- channels
 * ------------------------------------------------------------------------------------- */

/* Of 26 a branch of 7 beside one of 10 gets 10, and the other what is left. */
TEST(branches_share_channels_in_proportion)
{
  maker m = maker_new(8, 8);
  branches(&m, 7, 10, 1, 1);
  branches(&m, 13, 13, 1, 1);
  anet_supernet *s = maker_end(&m);
  check_merge(s, 0, 2, "input; conv 1/1x1:10b 0; relu 1; conv 3/1x1:16b 0; relu 3; concat 2 4");
  anet_supernet_release(s);
}

/* What the input has stays, the rest is the new channels'. */
TEST(dense_blocks_keep_their_input)
{
  maker m = maker_new(8, 8);
  dense(&m, 5);
  dense(&m, 6);
  anet_supernet *s = maker_end(&m);
  check_merge(s, 0, 2, "input; norm 0; relu 1; conv 3/1x1:11 2; concat 0 3");
  anet_supernet_release(s);
}

TEST(what_cannot_be_merged_is_named)
{
  char want[256];
  maker m = maker_new(8, 8);
  branches(&m, 4, 4, 1, 1);
  const int32_t first = m.x;
  branches(&m, 4, 4, 2, 1);
  anet_supernet *s = maker_end(&m);
  snprintf(want, sizeof want,
           "position 0: merge: block '%s' has no convolution to carry a stride of 2",
           s->oracle->node[first].name);
  refused(s, 0, 2, ANET_UNSUPPORTED, want);
  anet_supernet_release(s);

  m = maker_new(8, 8);
  join(&m, 8, 1, 1, 4, 0, m.x);
  const int32_t sum = m.net->node[m.x].in[0], grouped = m.net->node[m.net->node[sum].in[0]].in[0];
  const int32_t block = m.x;
  basic(&m, 10, 1);
  s = maker_end(&m);
  snprintf(want, sizeof want,
           "position 0: merge: block '%s' cannot have 10 channels at its exit, conv '%s' stands in "
           "the way",
           s->oracle->node[block].name, s->oracle->node[grouped].name);
  refused(s, 0, 2, ANET_UNSUPPORTED, want);
  anet_supernet_release(s);

  const int32_t few[] = {9, 16};
  for (int32_t i = 0; i < 2; i++) {
    m = maker_new(8, 16);
    dense(&m, 5);
    const int32_t concat = m.x, side = conv(&m, m.x, few[i], 1, 1, 1, 1, 1);
    m.x = net_put(m.net, "add", NULL, NULL, conv(&m, m.x, few[i], 3, 1, 1, 1, 1), side);
    s = maker_end(&m);
    snprintf(want, sizeof want,
             "position 0: merge: block '%s' cannot have %d channels of which 16 are its input's",
             s->oracle->node[concat].name, few[i]);
    refused(s, 0, 2, ANET_UNSUPPORTED, want);
    anet_supernet_release(s);
  }

  m = maker_new(7, 8); /* 7 pixels to 3, where the first block's kernel makes 4 */
  basic(&m, 8, 1);
  const int32_t name = m.x;
  const anet_attr half = {.kernel = {2, 2}, .stride = {2, 2}, .channels = 12, .bias = 1};
  const int32_t x = net_put(m.net, "conv", NULL, &half, m.x, -1);
  const int32_t other = conv(&m, net_put(m.net, "conv", NULL, &half, m.x, -1), 12, 3, 1, 1, 1, 1);
  m.x = net_op(m.net, "relu", net_put(m.net, "add", NULL, NULL, other, x));
  CHECK_EQ_I(channels_at(&m, m.x), 12);
  s = maker_end(&m);
  snprintf(want, sizeof want,
           "position 0: merge: '%s' over 2 blocks makes (4, 4, 12), want (3, 3, 12)",
           s->oracle->node[name].name);
  refused(s, 0, 2, ANET_SHAPE, want);
  anet_supernet_release(s);
}

/* ---- weights
 * -------------------------------------------------------------------------------------- */

static float at4(const anet_tensor *t, const int32_t *at)
{
  return (float)anet_tensor_get(t, at);
}

static bool inside(const anet_shape *shape, const int32_t *at)
{
  for (int32_t d = 0; d < shape->rank; d++)
    if (at[d] >= shape->dim[d]) return false;
  return true;
}

/* Elements of `got` that are neither those of `own` (where it has any) nor of `drawn`. */
static int32_t strangers(const anet_tensor *got, const anet_tensor *own, const anet_tensor *drawn)
{
  int32_t at[ANET_MAX_RANK] = {0}, wrong = 0;
  const anet_shape *shape = &got->shape;
  for (int32_t d = 0; d >= 0;) {
    const anet_tensor *want = own && inside(&own->shape, at) ? own : drawn;
    wrong += at4(got, at) != at4(want, at);
    for (d = shape->rank - 1; d >= 0 && ++at[d] == shape->dim[d]; d--) at[d] = 0;
  }
  return wrong;
}

/* Weights are those of the first block as far as they reach, and beyond it drawn, by the number of
 * blocks that the merge spans. A norm of other channels starts anew. */
TEST(weights_come_from_the_first_block_or_are_drawn)
{
  maker m = maker_new(16, 8);
  basic(&m, 8, 1);
  basic(&m, 12, 2);
  basic(&m, 12, 1);
  anet_supernet *s = maker_end(&m);
  const anet_net *keep = s->piece[0];
  for (int32_t v = 0; v < keep->count; v++) /* norms that are told from new ones */
    for (int32_t p = 0; keep->node[v].op == ANET_OP_NORM && p < 4; p++)
      for (int32_t c = 0; c < 8; c++) anet__f32(keep->node[v].param[p])[c] = 2.0f + (float)(p + c);
  for (int32_t span = 2; span <= 3; span++) {
    const anet_net *got = merge(s, 0, span);
    anet_net *drawn;
    CHECK_OK(anet_net_copy(got, &drawn));
    CHECK_OK(anet_net_init(drawn, span));
    /* nodes 0 to 5 are those of the first block, then come the projection and its norm */
    for (int32_t v = 0; v < got->count; v++) {
      const anet__node *node = &got->node[v];
      CHECK(!node->frozen);
      for (int32_t p = 0; p < node->params; p++) {
        const anet_tensor *own = v < 6 ? keep->node[v].param[p] : NULL;
        if (node->op == ANET_OP_NORM && v == 5) own = NULL; /* 12 channels of 8 */
        const int32_t wrong = strangers(node->param[p], own, drawn->node[v].param[p]);
        if (wrong)
          TEST_FAIL("span %d, %s '%s', parameter %d: %d strangers", span,
                    anet__op_get(node->op)->name, node->name, p, wrong);
      }
    }
    CHECK(at4(got->node[6].param[0], (const int32_t[]){0, 0, 3, 2}) != 0);
    CHECK_NEAR(at4(got->node[7].param[0], (const int32_t[]){11}), 1, 0);
    CHECK_NEAR(at4(got->node[2].param[3], (const int32_t[]){4}), 9, 0);
    anet_net_release(drawn);
  }
  anet_supernet_release(s);
}

TEST_MAIN(CASE(shortcuts_stay_where_shapes_agree_and_are_projected_where_not),
          CASE(a_shortcut_without_weights_is_projected), CASE(what_both_branches_read_stays),
          CASE(a_branch_of_one_convolution_is_kept), CASE(a_block_without_norms_gets_none),
          CASE(height_and_width_have_strides_of_their_own), CASE(who_carries_the_stride),
          CASE(branches_share_channels_in_proportion), CASE(dense_blocks_keep_their_input),
          CASE(what_cannot_be_merged_is_named),
          CASE(weights_come_from_the_first_block_or_are_drawn))
