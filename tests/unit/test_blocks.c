/* The block finder on nets of the well-known shapes: what is found, what stays frozen and why. */
#include "base/alloc.h"
#include "graph/blocks.h"
#include "support/test.h"
#include "support/zoo.h"

static const int32_t few[4] = {3, 4, 6, 3};

/* "basic*9/1,..." : runs of blocks of one kind and trunk. */
static void describe(const anet_blocks *blocks, char *text, size_t size)
{
  size_t used = 0;
  text[0] = 0;
  for (int32_t i = 0, run; i < anet_blocks_count(blocks); i += run) {
    anet_block first, next;
    anet_blocks_get(blocks, i, &first);
    for (run = 1; i + run < anet_blocks_count(blocks); run++) {
      anet_blocks_get(blocks, i + run, &next);
      if (strcmp(first.kind, next.kind) != 0 || first.trunk != next.trunk) break;
    }
    used += (size_t)snprintf(text + used, size - used, "%s%d %s in %d", i ? ", " : "", run,
                             first.kind, first.trunk);
  }
}

static anet_blocks *find(anet_net *net, const char *want)
{
  anet_blocks *blocks = NULL;
  char text[1000];
  CHECK(net);
  CHECK_OK(anet_blocks_find(net, &blocks));
  describe(blocks, text, sizeof text);
  CHECK_EQ_S(text, want);
  return blocks;
}

/* The space of all merges over up to 3 blocks. */
static void check_merges(const anet_blocks *blocks, int32_t from, const char *want)
{
  int32_t trunk[256];
  const int32_t count = anet_blocks_count(blocks);
  anet_space *space;
  anet_block face;
  char text[64];
  for (int32_t p = 0; p < count; p++) anet_blocks_get(blocks, p, &face), trunk[p] = face.trunk;
  CHECK_OK(anet_space_new(trunk, count, &space));
  for (int32_t p = from; p < count; p++) {
    anet_blocks_get(blocks, p, &face);
    for (int32_t span = 2; span <= 3 && span <= face.most_span; span++) {
      const anet_option option = {.kind = ANET_MERGE, .position = p, .span = span, .width = 1};
      CHECK_OK(anet_space_add(space, &option));
    }
  }
  CHECK_OK(anet_space_size(space, text, sizeof text));
  CHECK_EQ_S(text, want);
  anet_space_release(space);
}

/* Blocks and frozen runs tell of every node once; blocks in a trunk are chained. */
static void check_whole(anet_net *net, const anet_blocks *blocks)
{
  int32_t told = 0;
  for (int32_t i = 0; i < blocks->count; i++) {
    const anet_block *face = &blocks->block[i].face;
    told += face->nodes;
    CHECK_EQ_I(blocks->block[i].node[face->nodes - 1], face->exit);
    CHECK(face->most_span >= 1 && face->macs > 0 && face->params > 0);
    if (i && face->trunk == blocks->block[i - 1].face.trunk)
      CHECK_EQ_I(face->entry, blocks->block[i - 1].face.exit);
  }
  for (int32_t i = 0; i < anet_blocks_frozen_count(blocks); i++) {
    anet_frozen frozen;
    CHECK_OK(anet_blocks_frozen(blocks, i, &frozen));
    told += frozen.last - frozen.first + 1;
    CHECK(frozen.reason && frozen.reason[0]);
  }
  CHECK_EQ_I(told, anet_net_count(net) - anet_net_inputs(net));
}

static void check_frozen(const anet_blocks *blocks, const char *want)
{
  char text[1000] = "";
  size_t used = 0;
  for (int32_t i = 0; i < anet_blocks_frozen_count(blocks); i++) {
    anet_frozen frozen;
    anet_blocks_frozen(blocks, i, &frozen);
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? "; " : "", frozen.reason);
  }
  CHECK_EQ_S(text, want);
}

static void drop(anet_net *net, anet_blocks *blocks)
{
  check_whole(net, blocks);
  anet_blocks_release(blocks);
  anet_net_release(net);
}

TEST(resnet20)
{
  anet_net *net = zoo_resnet20(16, (const int32_t[]){8, 12, 16}, 3, 10, 1);
  anet_blocks *blocks = find(net, "9 basic in 0");
  anet_block face;
  check_frozen(blocks, "stem; head");
  CHECK_OK(anet_blocks_get(blocks, 0, &face));
  CHECK_EQ_I(face.shortcut, 1);
  CHECK_EQ_I(face.stride, 1);
  CHECK_EQ_I(face.hidden, 8);
  CHECK_EQ_I(face.nodes, 7);
  CHECK_EQ_I(face.can_skip, 1);
  CHECK_EQ_I(face.most_span, 6); /* up to the second strided block */
  CHECK_EQ_I(face.macs, 2 * 16 * 16 * 9 * 8 * 8 + 16 * 16 * 8 * 2); /* convolutions and norms */
  CHECK_OK(anet_blocks_get(blocks, 3, &face));
  CHECK_EQ_I(face.shortcut, 0);
  CHECK_EQ_I(face.stride, 2);
  CHECK_EQ_I(face.can_skip, 0);
  CHECK_EQ_I(face.most_span, 3);
  CHECK_OK(anet_blocks_get(blocks, 8, &face));
  CHECK_EQ_I(face.most_span, 1);
  CHECK_FAILS(anet_blocks_get(blocks, 9, &face), ANET_RANGE, "9");
  drop(net, blocks);
}

TEST(resnet50)
{
  anet_net *net = zoo_resnet50(32, 8, few, 10, 1);
  anet_blocks *blocks = find(net, "16 bottleneck in 0");
  anet_block face;
  check_merges(blocks, 0, "10609");
  check_frozen(blocks, "stem; head");
  anet_blocks_get(blocks, 1, &face);
  CHECK_EQ_I(face.hidden, 16);
  drop(net, blocks);
}

TEST(detector)
{
  anet_net *net = zoo_detector(32, 4, few, 1);
  anet_blocks *blocks = find(net, "7 bottleneck in 0, 6 bottleneck in 1, 3 bottleneck in 2");
  check_merges(blocks, 0, "4224");
  check_frozen(blocks, "stem; head");
  drop(net, blocks);
}

TEST(segmenter)
{
  anet_net *net = zoo_segmenter(32, 4, few, 1);
  anet_blocks *blocks =
      find(net, "3 bottleneck in 0, 4 bottleneck in 1, 6 bottleneck in 2, 3 bottleneck in 3");
  check_merges(blocks, 0, "2688");
  drop(net, blocks);
}

TEST(mobilenetv2)
{
  anet_net *net = zoo_mobilenetv2(32, 4, 10, 1);
  anet_blocks *blocks = find(net, "17 inverted in 0");
  anet_block face;
  check_merges(blocks, 1, "8904");
  check_frozen(blocks, "stem; head");
  anet_blocks_get(blocks, 0, &face);
  CHECK_EQ_I(face.hidden, 0);
  anet_blocks_get(blocks, 2, &face);
  CHECK_EQ_I(face.hidden, 36);
  CHECK_EQ_I(face.shortcut, 1);
  drop(net, blocks);
}

TEST(efficientnet)
{
  anet_net *net = zoo_efficientnet(32, 10, 1);
  anet_blocks *blocks = find(net, "1 inverted in 0, 1 residual in 0, 4 inverted in 0");
  anet_block face;
  anet_blocks_get(blocks, 3, &face);
  CHECK_EQ_I(face.hidden, 48 + 4); /* expansion and the squeeze's inner channels */
  drop(net, blocks);
}

/* Four channels are not narrowed any more, so there is nothing to shrink. */
TEST(too_narrow)
{
  anet_net *net = zoo_resnet20(16, (const int32_t[]){4, 4, 8}, 1, 10, 1);
  anet_blocks *blocks = find(net, "3 basic in 0");
  CHECK_EQ_I(blocks->block[0].face.hidden, 0);
  CHECK_EQ_I(blocks->block[2].face.hidden, 8);
  drop(net, blocks);
}

TEST(mobilenetv1)
{
  anet_net *net = zoo_mobilenetv1(32, 4, 10, 1);
  drop(net, find(net, "6 separable in 0"));
}

TEST(squeezenet)
{
  anet_net *net = zoo_squeezenet(32, 8, 10, 1);
  anet_blocks *blocks = find(net, "3 fire in 0, 4 fire in 1, 1 fire in 2");
  anet_block face;
  check_frozen(blocks, "stem; pooling between blocks; pooling between blocks; head");
  anet_blocks_get(blocks, 0, &face);
  CHECK_EQ_I(face.hidden, 8);
  drop(net, blocks);
}

TEST(vgg)
{
  for (int32_t norms = 0; norms < 2; norms++) {
    anet_net *net = zoo_vgg(16, 4, norms, 10, 1);
    anet_blocks *blocks = find(net, "1 plain in 0, 2 plain in 1, 3 plain in 2");
    check_frozen(blocks, "stem; pooling between blocks; pooling between blocks; head");
    drop(net, blocks);
  }
}

TEST(preact)
{
  anet_net *net = zoo_preact(16, 4, 3, 10, 1);
  anet_blocks *blocks = find(net, "6 basic in 0");
  check_frozen(blocks, "stem; head");
  drop(net, blocks);
}

TEST(nests_are_looked_into)
{
  anet_net *edsr = zoo_edsr(8, 4, 4, 1), *unet = zoo_unet(8, 4, 1);
  anet_blocks *blocks = find(edsr, "4 basic in 0");
  check_frozen(blocks, "stem; head");
  drop(edsr, blocks);
  blocks = find(unet, "1 basic in 0, 2 basic in 1, 2 basic in 2");
  check_frozen(blocks, "stem; pooling between blocks; an operation between blocks; "
                       "a branch beside the blocks; head");
  drop(unet, blocks);
}

static int32_t add(anet_net *net, const char *op, const anet_attr *attr, int32_t in)
{
  int32_t value = 0;
  CHECK_OK(anet_net_add(net, op, NULL, attr, &in, 1, &value));
  return value;
}

/* Strided convolutions as Keras exports them: padding is a node of its own. */
TEST(padding_apart)
{
  const anet_attr stem = {.kernel = {3, 3}, .pad = {1, 1, 1, 1}, .channels = 8},
                  pad = {.pad = {0, 0, 1, 1}}, point = {.kernel = {1, 1}, .channels = 8},
                  strided = {.kernel = {3, 3}, .stride = {2, 2}},
                  flat = {.kernel = {3, 3}, .pad = {1, 1, 1, 1}};
  const anet_shape shape = {3, {16, 16, 3}};
  anet_net *net;
  int32_t x;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "image", &shape, &x));
  x = add(net, "relu", NULL, add(net, "conv", &stem, x));
  for (int32_t i = 0; i < 4; i++) {
    if (i % 2 == 0) x = add(net, "pad", &pad, x);
    x = add(net, "relu", NULL, add(net, "depthwise", i % 2 ? &flat : &strided, x));
    x = add(net, "dropout", NULL, add(net, "conv", &point, x));
    x = add(net, "relu", NULL, x);
  }
  CHECK_OK(anet_net_output(net, x));
  anet_blocks *blocks = find(net, "4 separable in 0");
  check_frozen(blocks, "stem");
  CHECK_EQ_I(blocks->block[0].face.most_span, 2);
  CHECK_EQ_I(blocks->block[1].face.most_span, 3);
  drop(net, blocks);
}

/* A U-Net that comes back to the larger size by a transposed convolution: its arms are no block. */
TEST(nests_of_transposed_convolutions)
{
  const anet_attr plain = {.kernel = {3, 3}, .pad = {1, 1, 1, 1}, .channels = 8},
                  half = {.kernel = {2, 2}, .stride = {2, 2}},
                  twice = {.kernel = {2, 2}, .stride = {2, 2}, .channels = 8};
  const anet_shape shape = {3, {16, 16, 3}};
  anet_net *net;
  int32_t x, in[2];
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "image", &shape, &x));
  for (int32_t i = 0; i < 2; i++) x = add(net, "relu", NULL, add(net, "conv", &plain, x));
  in[0] = x;
  x = add(net, "max_pool", &half, x);
  for (int32_t i = 0; i < 2; i++) x = add(net, "relu", NULL, add(net, "conv", &plain, x));
  in[1] = add(net, "conv_transpose", &twice, x);
  CHECK_OK(anet_net_add(net, "concat", NULL, NULL, in, 2, &x));
  for (int32_t i = 0; i < 2; i++) x = add(net, "relu", NULL, add(net, "conv", &plain, x));
  CHECK_OK(anet_net_output(net, add(net, "conv", &plain, x)));
  drop(net, find(net, "1 plain in 0, 2 plain in 1, 2 plain in 2"));
}

TEST(less_usual)
{
  anet_net *net = zoo_oddities(16, 10, 1);
  anet_blocks *blocks = find(net, "2 bottleneck in 0, 1 basic in 0, 1 residual in 0, 1 basic in 0");
  CHECK_EQ_I(blocks->block[0].face.hidden, 0); /* fixed by the grouped convolution */
  CHECK_EQ_I(blocks->block[2].face.shortcut, 0);
  CHECK_EQ_I(blocks->block[3].sum, -1);
  CHECK_EQ_I(blocks->block[4].face.shortcut, 1);
  drop(net, blocks);
  net = zoo_densenet(16, 4, 10, 1);
  drop(net, find(net, "4 parallel in 0"));
  net = zoo_inception(16, 4, 10, 1);
  drop(net, find(net, "4 parallel in 0"));
}

/* Every allocation fails once. */
TEST(memory_runs_out)
{
  anet_net *net = zoo_unet(16, 8, 1);
  anet_memory before, after;
  anet_memory_read(&before);
  for (int64_t n = 0;; n++) {
    anet_blocks *blocks;
    anet__alloc_arm(n);
    const int rc = anet_blocks_find(net, &blocks);
    const bool fired = anet__alloc_fired();
    anet__alloc_arm(-1);
    anet_blocks_release(blocks);
    anet_memory_read(&after);
    CHECK(after.live_bytes == before.live_bytes);
    if (!fired) break;
    CHECK_EQ_I(rc, ANET_NOMEM);
  }
  anet_net_release(net);
}

/* A net of one node has no blocks, and says so. */
TEST(nothing_found)
{
  anet_net *net;
  int32_t value;
  const anet_shape shape = {1, {4}};
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "x", &shape, &value));
  CHECK_OK(anet_net_add(net, "linear", NULL, &(anet_attr){.channels = 3}, &value, 1, &value));
  CHECK_OK(anet_net_output(net, value));
  anet_blocks *blocks = find(net, "");
  check_frozen(blocks, "there are no blocks");
  drop(net, blocks);
}

TEST_MAIN(CASE(resnet20), CASE(resnet50), CASE(detector), CASE(segmenter), CASE(mobilenetv2),
          CASE(efficientnet), CASE(too_narrow), CASE(mobilenetv1), CASE(squeezenet), CASE(vgg),
          CASE(preact), CASE(nests_are_looked_into), CASE(padding_apart),
          CASE(nests_of_transposed_convolutions), CASE(less_usual),
          CASE(memory_runs_out), CASE(nothing_found))
