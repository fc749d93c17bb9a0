/* Ranges of values in bytes: of all images, each value's own, and those of least error. */
#include <math.h>

#include "elastic/quantized.h"
#include "support/nets.h"

enum { IMAGES = 11, SIDE = 40, LAYERS = 20, LEVELS = 255, CUTS = 96, COUNT = IMAGES * SIDE * SIDE };

static float in[COUNT];

/* Most values small and a few far off, farther above zero than
 * below. */
static void draw(void)
{
  fill_normal(in, COUNT, 9);
  for (int32_t i = 0; i < COUNT; i++) {
    const int32_t image = i / (SIDE * SIDE);
    in[i] *= in[i] * in[i] * (in[i] > 0 ? 3.0f : 1.0f) * (image + 1 == IMAGES ? 2.0f : 1.0f);
  }
}

/* Each layer doubles what it reads. */
static anet_net *doubling(void)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  int32_t x = net_image(net, SIDE, 1);
  for (int32_t i = 0; i < LAYERS; i++) {
    char name[24];
    snprintf(name, sizeof name, "layer%d", i);
    x = net_conv(net, name, x, 1, 1, 1, 0);
    anet_tensor_set(anet_net_param(net, x, 0), (int32_t[]){0, 0, 0, 0}, 2);
  }
  CHECK_OK(anet_net_output(net, x));
  return net;
}

/* Of a range, by the values themselves. */
static double error_of(double low, double high)
{
  const double level = (high - low) / LEVELS;
  double error = 0;
  for (int32_t i = 0; i < COUNT; i++) {
    const double x = (double)in[i], off = x < low ? low - x : x > high ? x - high : 0;
    error += off > 0 ? off * off : level * level / 12;
  }
  return error;
}

static double least_error(void)
{
  double least = INFINITY, low = 0, high = 0;
  for (int32_t i = 0; i < COUNT; i++)
    low = fmin(low, (double)in[i]), high = fmax(high, (double)in[i]);
  for (int32_t a = 0; a < CUTS; a++)
    for (int32_t b = 0; b < CUTS; b++)
      least = fmin(least, error_of(low * (CUTS - a) / CUTS, high * (CUTS - b) / CUTS));
  return least;
}

TEST(ranges_double_with_the_values)
{
  draw();
  anet_net *net = doubling(), *bytes;
  CHECK_OK(anet_net_quantize(net, in, IMAGES, NULL, &bytes));
  int32_t found = 0;
  double low = 0, high = 0;
  for (int32_t v = 0; v < bytes->count; v++) {
    const anet__node *node = &bytes->node[v];
    if (node->op != ANET_OP_QUANTIZE) continue;
    const double scale = ldexp(1, found);
    if (found++ == 0) low = (double)node->attr.alpha, high = (double)node->attr.beta;
    CHECK_NEAR((double)node->attr.alpha, scale * low, 1e-5 * scale * fabs(low));
    CHECK_NEAR((double)node->attr.beta, scale * high, 1e-5 * scale * high);
  }
  CHECK_EQ_I(found, LAYERS); /* more than are measured at a time */
  CHECK(low < 0 && high > 0);
  const double least = least_error();
  CHECK_NEAR(error_of(low, high), least, 0.01 * least);
  anet_net_release(bytes);
  anet_net_release(net);
}

/* Without the last image all ranges are smaller. */
TEST(every_image_is_seen)
{
  draw();
  anet_net *net = doubling(), *bytes;
  float most[2];
  for (int32_t k = 0; k < 2; k++) {
    CHECK_OK(anet_net_quantize(net, in, IMAGES - 3 * k, NULL, &bytes));
    const int32_t q = anet_net_find(bytes, "image.bytes");
    CHECK(q >= 0);
    most[k] = bytes->node[q].attr.beta;
    anet_net_release(bytes);
  }
  CHECK((double)most[0] > 1.01 * (double)most[1]);
  anet_net_release(net);
}

TEST_MAIN(CASE(ranges_double_with_the_values), CASE(every_image_is_seen))
