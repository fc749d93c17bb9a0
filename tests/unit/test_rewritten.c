/* Nets that are written anew: norms behind convolutions, and bytes before them; which nodes get
 * one, and what else stays as it was. */
#include "base/alloc.h"
#include "elastic/piece.h"
#include "elastic/quantized.h"
#include "support/nets.h"
#include "support/test.h"

static anet_net *net_new(int32_t height, int32_t width, int32_t channels, int32_t *x)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "image", &(anet_shape){3, {height, width, channels}}, x));
  return net;
}

/* ---- norms -------------------------------------------------------------------------------------
 */

/* Behind convolutions of images that have a bias; gates of one pixel and those without bias have
 * none. */
TEST(which_convolutions_get_a_norm)
{
  int32_t x;
  anet_net *net = net_new(2, 4, 8, &x);
  x = net_conv(net, "image_conv", x, 8, 3, 1, 1);
  const anet_attr row = {.kernel = {2, 1}, .channels = 8, .bias = 1};
  const anet_attr deep = {.kernel = {1, 1}, .bias = 1},
                  column = {.kernel = {1, 4}, .channels = 8, .bias = 1};
  x = net_put(net, "depthwise", "deep", &deep, x, -1);
  const int32_t tall = net_put(net, "conv", "column", &column, x, -1); /* 2 x 1 */
  x = net_conv(net, "plain", x, 8, 1, 1, 0);
  x = net_put(net, "conv", "row", &row, x, -1); /* 1 x 4 */
  const anet_attr all = {.kernel = {1, 4}};
  x = net_conv(net, "gate", net_put(net, "avg_pool", NULL, &all, x, -1), 8, 1, 1, 1);
  CHECK_OK(anet_net_output(net, x));
  CHECK_OK(anet_net_output(net, tall));
  CHECK_OK(anet_net_init(net, 2));
  for (int32_t v = 0; v < net->count; v++) net->node[v].region = v;
  anet_net *piece = anet_net_retain(net);
  CHECK_OK(anet__piece_renorm(&piece));
  CHECK(piece != net);
  static const char *const normed[] = {"image_conv", "deep", "column", "row"};
  CHECK_EQ_I(piece->count, net->count + ANET_COUNT(normed));
  for (int32_t i = 0; i < ANET_COUNT(normed); i++) {
    char name[64];
    snprintf(name, sizeof name, "%s.norm", normed[i]);
    const int32_t norm = anet_net_find(piece, name), conv = anet_net_find(piece, normed[i]);
    CHECK(norm >= 0 && conv >= 0);
    if (norm < 0 || conv < 0) continue;
    CHECK_EQ_I(piece->node[norm].in[0], conv);
    CHECK_EQ_I(piece->node[norm].region, anet_net_find(net, normed[i]));
    CHECK_EQ_I(piece->node[conv].region, anet_net_find(net, normed[i]));
    CHECK_EQ_I(piece->node[conv].attr.bias, 0);
    CHECK(anet__norm_is_neutral(&piece->node[norm]));
  }
  CHECK_EQ_I(piece->node[anet_net_find(piece, "gate")].attr.bias, 1);
  CHECK_EQ_S(piece->node[piece->output[0]].name, "gate");
  CHECK_EQ_S(piece->node[piece->output[1]].name, "column.norm");
  anet_net *again = anet_net_retain(piece); /* it has norms now */
  CHECK_OK(anet__piece_renorm(&again));
  CHECK(again == piece);
  anet_net_release(again);
  anet_net_release(piece);
  anet_net_release(net);
}

/* The shift is the bias and may be anything; the rest must be as it was put there. */
TEST(what_a_neutral_norm_is)
{
  int32_t x;
  anet_net *net = net_new(4, 4, 3, &x);
  x = net_op(net, "norm", net_conv(net, NULL, x, 5, 3, 1, 0));
  CHECK_OK(anet_net_output(net, x));
  anet__node *norm = &net->node[x];
  CHECK(!anet__norm_is_neutral(&net->node[x - 1]));
  for (int32_t p = -1; p < 4; p++) {
    for (int32_t c = 0; c < 5; c++) {
      const float neutral[] = {1, (float)c, 0, 1 - norm->attr.epsilon};
      for (int32_t i = 0; i < 4; i++) anet__f32(norm->param[i])[c] = neutral[i];
    }
    if (p >= 0) anet__f32(norm->param[p])[4] += 0.5F;
    CHECK_EQ_I(anet__norm_is_neutral(norm), p == -1 || p == 1);
  }
  anet_net_release(net);
}

/* ---- bytes -------------------------------------------------------------------------------------
 */

/* One quantize for all that read a value, of its range, in its region, and once only. */
TEST(values_become_bytes_once)
{
  int32_t x;
  anet_net *net = net_new(8, 8, 16, &x), *bytes, *twice;
  x = net_conv(net, "first", x, 16, 3, 1, 1);
  const int32_t mid = net_op(net, "relu", x);
  const int32_t a = net_conv(net, "a", mid, 16, 3, 1, 1), b = net_conv(net, "b", mid, 16, 3, 1, 1);
  x = net_put(net, "add", "sum", NULL, a, b);
  CHECK_OK(anet_net_output(net, x));
  CHECK_OK(anet_net_init(net, 2));
  for (int32_t v = 0; v < net->count; v++) net->node[v].region = v;
  bool *read;
  CHECK_OK(anet__quantize_candidates(net, &read));
  for (int32_t v = 0; v < net->count; v++) CHECK_EQ_I(read[v], v == 0 || v == mid);
  anet__free(read);
  anet__range range[8];
  for (int32_t v = 0; v < 8; v++) range[v] = (anet__range){-1 - (float)v, 10 + (float)v};
  CHECK_OK(anet__quantize_net(net, range, &bytes));
  CHECK_EQ_I(bytes->count, net->count + 2);
  const int32_t of_image = anet_net_find(bytes, "image.bytes"),
                of_mid = anet_net_find(bytes, "relu.bytes");
  CHECK(of_image > 0 && of_mid > 0);
  CHECK_EQ_I(bytes->node[of_mid].region, mid);
  CHECK_EQ_I(bytes->node[of_mid].in[0], anet_net_find(bytes, "relu"));
  CHECK_NEAR(bytes->node[of_mid].attr.alpha, -1 - mid, 0);
  CHECK_NEAR(bytes->node[of_mid].attr.beta, 10 + mid, 0);
  CHECK_EQ_I(bytes->node[anet_net_find(bytes, "first")].in[0], of_image);
  CHECK_EQ_I(bytes->node[anet_net_find(bytes, "a")].in[0], of_mid);
  CHECK_EQ_I(bytes->node[anet_net_find(bytes, "b")].in[0], of_mid);
  CHECK(bytes->node[anet_net_find(bytes, "a")].param[0] == net->node[a].param[0]);
  CHECK_OK(anet__quantize_net(bytes, range, &twice));
  CHECK_EQ_I(twice->count, bytes->count);
  for (int32_t v = 0; v < twice->count && v < bytes->count; v++) {
    CHECK_EQ_S(twice->node[v].name, bytes->node[v].name);
    for (int32_t i = 0; i < twice->node[v].inputs; i++)
      CHECK_EQ_I(twice->node[v].in[i], bytes->node[v].in[i]);
  }
  anet_net_release(twice);
  anet_net_release(bytes);
  anet_net_release(net);
}

TEST_MAIN(CASE(which_convolutions_get_a_norm), CASE(what_a_neutral_norm_is),
          CASE(values_become_bytes_once))
