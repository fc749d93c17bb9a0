/* How blocks are told apart, rule by rule, on chains made for it. */
#include "graph/blocks.h"
#include "support/nets.h"
#include "support/test.h"

static anet_net *net;
static int32_t x; /* the last value */

static void begin(void)
{
  CHECK_OK(anet_net_new(&net));
  x = net_op(net, "relu", net_conv(net, NULL, net_image(net, 8, 3), 8, 3, 1, 1));
}

static int32_t conv(int32_t in, int32_t channels, int32_t kernel, int32_t wide, int32_t groups)
{
  const int32_t p = kernel / 2;
  const anet_attr attr = {.kernel = {kernel, kernel},
                          .stride = {1, wide},
                          .pad = {p, p, p, p},
                          .groups = groups,
                          .channels = channels,
                          .bias = 1};
  return net_put(net, "conv", NULL, &attr, in, -1);
}

static int32_t sum(int32_t a, int32_t b)
{
  return net_put(net, "add", NULL, NULL, a, b);
}

/* Two 3 x 3 convolutions around x, of so wide a stride, and an activation (NULL: none). */
static void basic(int32_t wide, const char *activation)
{
  const int32_t y = conv(net_op(net, "relu", conv(x, 8, 3, wide, 1)), 8, 3, 1, 1);
  x = sum(y, wide > 1 ? conv(x, 8, 1, wide, 1) : x);
  if (activation) x = net_op(net, activation, x);
}

/* "kind/trunk ..." of all blocks, with the net's end behind them. */
static anet_blocks *end(const char *want)
{
  anet_blocks *blocks = NULL;
  char text[512] = "";
  x = net_op(net, "flatten", net_op(net, "global_pool", x));
  CHECK_OK(anet_net_output(net, net_linear(net, "head", x, 5)));
  CHECK_OK(anet_blocks_find(net, &blocks));
  for (int32_t i = 0; i < blocks->count; i++) {
    const size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "%s%s/%d", i ? " " : "", blocks->block[i].face.kind,
             blocks->block[i].face.trunk);
  }
  CHECK_EQ_S(text, want);
  anet_net_release(net);
  return blocks;
}

TEST(merges_span_8_blocks_at_most)
{
  begin();
  for (int32_t i = 0; i < 10; i++) basic(1, "relu");
  anet_blocks *blocks =
      end("basic/0 basic/0 basic/0 basic/0 basic/0 basic/0 basic/0 basic/0 basic/0 basic/0");
  for (int32_t i = 0; i < 10; i++) CHECK_EQ_I(blocks->block[i].face.most_span, ANET_MIN(8, 10 - i));
  anet_blocks_release(blocks);
}

/* Also one that thins out columns alone. */
TEST(merges_span_one_strided_block_at_most)
{
  begin();
  basic(1, "relu");
  basic(2, "relu");
  basic(1, "relu");
  basic(2, "relu");
  anet_blocks *blocks = end("basic/0 basic/0 basic/0 basic/0");
  const int32_t want[] = {3, 2, 2, 1};
  for (int32_t i = 0; i < 4; i++) CHECK_EQ_I(blocks->block[i].face.most_span, want[i]);
  anet_blocks_release(blocks);
}

/* One trunk is of blocks that end in the same activation, or in none. */
TEST(trunks_end_alike)
{
  begin();
  basic(1, "relu");
  basic(1, "relu");
  basic(1, "relu6");
  basic(1, NULL);
  basic(1, NULL);
  basic(1, "relu");
  anet_blocks_release(end("basic/0 basic/0 basic/1 basic/2 basic/2 basic/3"));
}

/* The lighter branch is the shortcut: fewer convolutions, then fewer nodes. */
TEST(the_lighter_branch_is_the_shortcut)
{
  for (int32_t side = 0; side < 2; side++) {
    begin();
    const int32_t light = conv(x, 8, 1, 1, 1), heavy = net_op(net, "relu", conv(x, 8, 1, 1, 1));
    x = side ? sum(heavy, light) : sum(light, heavy);
    anet_blocks *blocks = end("residual/0");
    CHECK_EQ_I(blocks->block[0].shortcut, side);
    CHECK_EQ_I(blocks->block[0].face.shortcut, 0);
    anet_blocks_release(blocks);
  }
}

/* A 1 x 1 convolution of groups is no point, nor does one of a squeezed image count. */
TEST(kinds_of_residual_blocks)
{
  begin();
  x = sum(conv(net_op(net, "relu", conv(x, 8, 1, 1, 2)), 8, 3, 1, 1), x);
  anet_blocks_release(end("basic/0"));
  begin();
  x = sum(conv(net_op(net, "relu", conv(x, 8, 1, 1, 1)), 8, 3, 1, 1), x);
  anet_blocks_release(end("residual/0"));
  begin();
  int32_t y = conv(net_op(net, "relu", conv(x, 8, 3, 1, 1)), 8, 3, 1, 1);
  const int32_t pooled = net_put(net, "avg_pool", NULL, &(anet_attr){.kernel = {8, 8}}, y, -1);
  const int32_t row =
      net_put(net, "reshape", NULL, &(anet_attr){.dim = {8}}, conv(pooled, 8, 1, 1, 1), -1);
  y = net_put(net, "mul", NULL, NULL, y, net_op(net, "sigmoid", row));
  x = sum(y, x);
  anet_blocks_release(end("basic/0"));
}

/* A spatial convolution and a point are an inverted residual only if the first makes more channels.
 */
TEST(expansion_tells_a_fused_residual_from_two_plain_ones)
{
  begin();
  x = conv(net_op(net, "relu", conv(x, 9, 3, 1, 1)), 8, 1, 1, 1);
  anet_blocks_release(end("inverted/0"));
  begin();
  x = conv(net_op(net, "relu", conv(x, 8, 3, 1, 1)), 8, 1, 1, 1);
  anet_blocks_release(end("plain/0 plain/1"));
}

TEST_MAIN(CASE(merges_span_8_blocks_at_most), CASE(merges_span_one_strided_block_at_most),
          CASE(trunks_end_alike), CASE(the_lighter_branch_is_the_shortcut),
          CASE(kinds_of_residual_blocks),
          CASE(expansion_tells_a_fused_residual_from_two_plain_ones))
