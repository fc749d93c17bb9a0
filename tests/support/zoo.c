#include "support/zoo.h"

#include <stdio.h>
#include <string.h>

/* ---- building blocks --------------------------------------------------------------------------
 */

/* A net under construction. After a failure all further steps do nothing. */
typedef struct builder {
  anet_net *net;
  int rc;
  const char *act; /* activation after norms */
  int norms;       /* 0: biases instead */
} builder;

static builder begin(const char *act, int norms)
{
  builder b = {.act = act, .norms = norms};
  b.rc = anet_net_new(&b.net);
  return b;
}

static anet_net *finish(builder *b, double seed)
{
  if (!b->rc) b->rc = zoo_fill(b->net, seed);
  if (!b->rc) return b->net;
  fprintf(stderr, "zoo: %s: %s\n", anet_status_text(b->rc), anet_error());
  anet_net_release(b->net);
  return NULL;
}

static int32_t input(builder *b, int32_t size, int32_t channels)
{
  const anet_shape shape = {3, {size, size, channels}};
  int32_t value = 0;
  if (!b->rc) b->rc = anet_net_input(b->net, "image", &shape, &value);
  return value;
}

static int32_t add2(builder *b, const char *op, const anet_attr *attr, int32_t x, int32_t y)
{
  const int32_t in[2] = {x, y};
  int32_t value = 0;
  if (!b->rc) b->rc = anet_net_add(b->net, op, NULL, attr, in, y < 0 ? 1 : 2, &value);
  return value;
}

static int32_t add1(builder *b, const char *op, const anet_attr *attr, int32_t x)
{
  return add2(b, op, attr, x, -1);
}

static void output(builder *b, int32_t value)
{
  if (!b->rc) b->rc = anet_net_output(b->net, value);
}

static int32_t channels_of(builder *b, int32_t value)
{
  anet_node node;
  if (b->rc || (b->rc = anet_net_node(b->net, value, &node))) return 0;
  return node.shape.dim[node.shape.rank - 1];
}

static anet_attr window(int32_t kernel, int32_t stride, int32_t channels)
{
  const int32_t pad = kernel / 2;
  return (anet_attr){.kernel = {kernel, kernel},
                     .stride = {stride, stride},
                     .pad = {pad, pad, pad, pad},
                     .channels = channels};
}

/* Convolution and norm (or bias) without activation. */
static int32_t conv(builder *b, int32_t x, int32_t kernel, int32_t stride, int32_t channels)
{
  anet_attr attr = window(kernel, stride, channels);
  attr.bias = !b->norms;
  x = add1(b, "conv", &attr, x);
  return b->norms ? add1(b, "norm", NULL, x) : x;
}

static int32_t conv_act(builder *b, int32_t x, int32_t kernel, int32_t stride, int32_t channels)
{
  return add1(b, b->act, NULL, conv(b, x, kernel, stride, channels));
}

static int32_t depthwise_act(builder *b, int32_t x, int32_t kernel, int32_t stride)
{
  const anet_attr attr = window(kernel, stride, 0);
  x = add1(b, "depthwise", &attr, x);
  if (b->norms) x = add1(b, "norm", NULL, x);
  return add1(b, b->act, NULL, x);
}

static int32_t linear(builder *b, int32_t x, int32_t channels)
{
  const anet_attr attr = {.channels = channels, .bias = 1};
  return add1(b, "linear", &attr, x);
}

static int32_t max_pool(builder *b, int32_t x)
{
  const anet_attr attr = {.kernel = {2, 2}, .stride = {2, 2}};
  return add1(b, "max_pool", &attr, x);
}

static int32_t classify(builder *b, int32_t x, int32_t classes)
{
  x = linear(b, add1(b, "global_pool", NULL, x), classes);
  output(b, x);
  return x;
}

/* ---- residual networks --------------------------------------------------------------------------
 */

static int32_t shortcut(builder *b, int32_t x, int32_t stride, int32_t channels)
{
  return stride == 1 && channels_of(b, x) == channels ? x : conv(b, x, 1, stride, channels);
}

static int32_t basic(builder *b, int32_t x, int32_t stride, int32_t channels)
{
  int32_t y = conv_act(b, x, 3, stride, channels);
  y = conv(b, y, 3, 1, channels);
  return add1(b, b->act, NULL, add2(b, "add", NULL, y, shortcut(b, x, stride, channels)));
}

static int32_t bottleneck(builder *b, int32_t x, int32_t stride, int32_t width)
{
  int32_t y = conv_act(b, x, 1, 1, width);
  y = conv_act(b, y, 3, stride, width);
  y = conv(b, y, 1, 1, 4 * width);
  return add1(b, b->act, NULL, add2(b, "add", NULL, y, shortcut(b, x, stride, 4 * width)));
}

anet_net *zoo_resnet20(int32_t size, const int32_t width[3], int32_t blocks, int32_t classes,
                       double seed)
{
  builder b = begin("relu", 1);
  int32_t x = conv_act(&b, input(&b, size, 3), 3, 1, width[0]);
  for (int32_t s = 0; s < 3; s++)
    for (int32_t i = 0; i < blocks; i++) x = basic(&b, x, s > 0 && i == 0 ? 2 : 1, width[s]);
  classify(&b, x, classes);
  return finish(&b, seed);
}

/* end (4): the stages' last values. */
static void stages(builder *b, int32_t size, int32_t width, const int32_t blocks[4], int32_t *end)
{
  int32_t x = max_pool(b, conv_act(b, input(b, size, 3), 3, 1, width));
  for (int32_t s = 0; s < 4; s++) {
    for (int32_t i = 0; i < blocks[s]; i++)
      x = bottleneck(b, x, s > 0 && i == 0 ? 2 : 1, width << s);
    end[s] = x;
  }
}

anet_net *zoo_resnet50(int32_t size, int32_t width, const int32_t blocks[4], int32_t classes,
                       double seed)
{
  builder b = begin("relu", 1);
  int32_t end[4];
  stages(&b, size, width, blocks, end);
  classify(&b, end[3], classes);
  return finish(&b, seed);
}

static int32_t upsample(builder *b, int32_t x, int32_t size)
{
  const anet_attr attr = {.dim = {size, size}, .mode = ANET_RESIZE_NEAREST};
  return add1(b, "resize", &attr, x);
}

anet_net *zoo_detector(int32_t size, int32_t width, const int32_t blocks[4], double seed)
{
  builder b = begin("relu", 1);
  int32_t end[4], top = -1;
  stages(&b, size, width, blocks, end);
  for (int32_t s = 3; s >= 1; s--) {
    const int32_t lateral = conv(&b, end[s], 1, 1, width);
    top = top < 0 ? lateral : add2(&b, "add", NULL, lateral, upsample(&b, top, size >> (s + 1)));
    output(&b, conv(&b, top, 3, 1, width));
  }
  return finish(&b, seed);
}

anet_net *zoo_segmenter(int32_t size, int32_t width, const int32_t blocks[4], double seed)
{
  builder b = begin("relu", 1);
  int32_t end[4];
  stages(&b, size, width, blocks, end);
  for (int32_t s = 0; s < 4; s++) output(&b, end[s]);
  return finish(&b, seed);
}

static int32_t norm_act(builder *b, int32_t x)
{
  return add1(b, b->act, NULL, add1(b, "norm", NULL, x));
}

anet_net *zoo_preact(int32_t size, int32_t width, int32_t blocks, int32_t classes, double seed)
{
  builder b = begin("relu", 1);
  anet_attr attr = window(3, 1, width);
  int32_t x = add1(&b, "conv", &attr, input(&b, size, 3));
  for (int32_t s = 0; s < 2; s++)
    for (int32_t i = 0; i < blocks; i++) {
      const int32_t stride = s > 0 && i == 0 ? 2 : 1, y = norm_act(&b, x);
      const anet_attr first = window(3, stride, width << s), second = window(3, 1, width << s),
                      project = window(1, stride, width << s);
      const int32_t z = norm_act(&b, add1(&b, "conv", &first, y));
      const int32_t around = stride > 1 ? add1(&b, "conv", &project, y) : x;
      x = add2(&b, "add", NULL, add1(&b, "conv", &second, z), around);
    }
  classify(&b, norm_act(&b, x), classes);
  return finish(&b, seed);
}

anet_net *zoo_edsr(int32_t size, int32_t width, int32_t blocks, double seed)
{
  builder b = begin("relu", 0);
  const int32_t first = conv(&b, input(&b, size, 3), 3, 1, width);
  int32_t x = first;
  for (int32_t i = 0; i < blocks; i++)
    x = add2(&b, "add", NULL, conv(&b, conv_act(&b, x, 3, 1, width), 3, 1, width), x);
  x = add2(&b, "add", NULL, conv(&b, x, 3, 1, width), first);
  output(&b, conv(&b, upsample(&b, x, 2 * size), 3, 1, 3));
  return finish(&b, seed);
}

anet_net *zoo_unet(int32_t size, int32_t width, double seed)
{
  builder b = begin("relu", 1);
  const int32_t top = basic(&b, conv_act(&b, input(&b, size, 3), 3, 1, width), 1, width);
  int32_t x = max_pool(&b, top);
  for (int32_t i = 0; i < 2; i++) x = basic(&b, x, 1, 2 * width);
  x = add2(&b, "concat", NULL, upsample(&b, x, size), top);
  for (int32_t i = 0; i < 2; i++) x = basic(&b, x, 1, width);
  output(&b, conv(&b, x, 1, 1, 2));
  return finish(&b, seed);
}

/* ---- mobile networks
 * ------------------------------------------------------------------------------ */

static int32_t squeeze_excite(builder *b, int32_t x, int32_t inner)
{
  int32_t gate = add1(b, "global_pool", NULL, x);
  gate = add1(b, "relu", NULL, linear(b, gate, inner));
  gate = add1(b, "sigmoid", NULL, linear(b, gate, channels_of(b, x)));
  return add2(b, "mul", NULL, x, gate);
}

typedef struct inverted_desc {
  int32_t expand, channels, stride, kernel, excite, fused;
} inverted_desc;

static int32_t inverted(builder *b, int32_t x, const inverted_desc *d)
{
  const int32_t in = channels_of(b, x), hidden = in * d->expand;
  int32_t y = x;
  if (d->fused)
    y = conv_act(b, y, d->kernel, d->stride, hidden);
  else {
    if (d->expand > 1) y = conv_act(b, y, 1, 1, hidden);
    y = depthwise_act(b, y, d->kernel, d->stride);
  }
  if (d->excite) y = squeeze_excite(b, y, in / 4 + 1);
  y = conv(b, y, 1, 1, d->channels);
  return d->stride == 1 && in == d->channels ? add2(b, "add", NULL, x, y) : y;
}

anet_net *zoo_mobilenetv2(int32_t size, int32_t thin, int32_t classes, double seed)
{
  static const int32_t group[7][4] = {/* expansion, channels, blocks, stride */
                                      {1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                      {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  builder b = begin("relu6", 1);
  int32_t x = conv_act(&b, input(&b, size, 3), 3, 2, 32 / thin);
  for (int32_t g = 0; g < 7; g++)
    for (int32_t i = 0; i < group[g][2]; i++) {
      const inverted_desc d = {group[g][0], group[g][1] / thin, i == 0 ? group[g][3] : 1, 3, 0, 0};
      x = inverted(&b, x, &d);
    }
  classify(&b, conv_act(&b, x, 1, 1, 1280 / thin), classes);
  return finish(&b, seed);
}

anet_net *zoo_efficientnet(int32_t size, int32_t classes, double seed)
{
  static const inverted_desc block[] = {{4, 8, 2, 3, 0, 1},  {4, 8, 1, 3, 0, 1},
                                        {4, 12, 2, 3, 1, 0}, {4, 12, 1, 3, 1, 0},
                                        {4, 12, 1, 5, 1, 0}, {6, 16, 1, 5, 1, 0}};
  builder b = begin("swish", 1);
  int32_t x = conv_act(&b, input(&b, size, 3), 3, 2, 4);
  for (size_t i = 0; i < sizeof block / sizeof *block; i++) x = inverted(&b, x, &block[i]);
  classify(&b, conv_act(&b, x, 1, 1, 32), classes);
  return finish(&b, seed);
}

anet_net *zoo_mobilenetv1(int32_t size, int32_t width, int32_t classes, double seed)
{
  static const int32_t block[6][2] = {{2, 1}, {4, 2}, {4, 1}, {8, 2}, {8, 1}, {8, 1}};
  builder b = begin("relu", 1);
  int32_t x = conv_act(&b, input(&b, size, 3), 3, 2, width);
  for (int32_t i = 0; i < 6; i++)
    x = conv_act(&b, depthwise_act(&b, x, 3, block[i][1]), 1, 1, width * block[i][0]);
  classify(&b, x, classes);
  return finish(&b, seed);
}

/* ---- networks without residuals
 * ------------------------------------------------------------------- */

static int32_t fire(builder *b, int32_t x, int32_t squeeze, int32_t expand)
{
  x = conv_act(b, x, 1, 1, squeeze);
  return add2(b, "concat", NULL, conv_act(b, x, 1, 1, expand), conv_act(b, x, 3, 1, expand));
}

anet_net *zoo_squeezenet(int32_t size, int32_t width, int32_t classes, double seed)
{
  static const int32_t of_group[3] = {3, 4, 1};
  builder b = begin("relu", 0);
  int32_t x = max_pool(&b, conv_act(&b, input(&b, size, 3), 3, 1, width));
  for (int32_t g = 0, i = 0; g < 3; g++) {
    for (int32_t n = 0; n < of_group[g]; n++, i++)
      x = fire(&b, x, width * (1 + i / 4), 2 * width * (1 + i / 2));
    if (g < 2) x = max_pool(&b, x);
  }
  output(&b, add1(&b, "global_pool", NULL, conv_act(&b, x, 1, 1, classes)));
  return finish(&b, seed);
}

anet_net *zoo_vgg(int32_t size, int32_t width, int32_t norms, int32_t classes, double seed)
{
  static const int32_t of_group[3] = {2, 2, 3};
  builder b = begin("relu", norms);
  int32_t x = input(&b, size, 3);
  for (int32_t g = 0; g < 3; g++) {
    for (int32_t i = 0; i < of_group[g]; i++) x = conv_act(&b, x, 3, 1, width << g);
    x = max_pool(&b, x);
  }
  x = add1(&b, "flatten", NULL, x);
  x = add1(&b, "relu", NULL, linear(&b, x, 4 * width));
  output(&b, linear(&b, x, classes));
  return finish(&b, seed);
}

/* ---- the less usual
 * -------------------------------------------------------------------------------- */

static int32_t grouped(builder *b, int32_t x, int32_t channels)
{
  anet_attr attr = window(3, 1, channels);
  attr.groups = 4;
  return add1(b, b->act, NULL, add1(b, "norm", NULL, add1(b, "conv", &attr, x)));
}

anet_net *zoo_oddities(int32_t size, int32_t classes, double seed)
{
  builder b = begin("relu", 1);
  const anet_attr thin = {.kernel = {1, 1}, .stride = {2, 2}};
  int32_t x = conv_act(&b, input(&b, size, 3), 3, 1, 16);
  for (int32_t i = 0; i < 2; i++) {
    const int32_t y = conv(&b, grouped(&b, conv_act(&b, x, 1, 1, 16), 16), 1, 1, 16);
    x = add1(&b, "relu", NULL, add2(&b, "add", NULL, x, y));
  }
  const int32_t half = add1(&b, "avg_pool", &thin, x);
  const int32_t side = add2(&b, "concat", NULL, half, half);
  x = conv(&b, conv_act(&b, x, 3, 2, 32), 3, 1, 32);
  x = add1(&b, "relu", NULL, add2(&b, "add", NULL, x, side));
  const int32_t left = conv(&b, x, 3, 1, 32), right = conv(&b, x, 3, 1, 32);
  x = add1(&b, "relu", NULL, add2(&b, "add", NULL, left, right));
  x = basic(&b, x, 1, 32);
  classify(&b, x, classes);
  return finish(&b, seed);
}

anet_net *zoo_densenet(int32_t size, int32_t layers, int32_t classes, double seed)
{
  builder b = begin("relu", 1);
  int32_t x = conv_act(&b, input(&b, size, 3), 3, 1, 12);
  for (int32_t i = 0; i < layers; i++) {
    const anet_attr point = window(1, 1, 24), last = window(3, 1, 12);
    const int32_t y = norm_act(&b, add1(&b, "conv", &point, norm_act(&b, x)));
    x = add2(&b, "concat", NULL, x, add1(&b, "conv", &last, y));
  }
  classify(&b, norm_act(&b, x), classes);
  return finish(&b, seed);
}

anet_net *zoo_inception(int32_t size, int32_t blocks, int32_t classes, double seed)
{
  builder b = begin("relu", 1);
  anet_attr pool = window(3, 1, 0);
  int32_t x = conv_act(&b, input(&b, size, 3), 3, 1, 16);
  for (int32_t i = 0; i < blocks; i++) {
    const int32_t in[3] = {conv_act(&b, x, 1, 1, 8 + 4 * i),
                           conv_act(&b, conv_act(&b, x, 1, 1, 12), 3, 1, 16 + 4 * i),
                           conv_act(&b, add1(&b, "max_pool", &pool, x), 1, 1, 8)};
    if (!b.rc) b.rc = anet_net_add(b.net, "concat", NULL, NULL, in, 3, &x);
  }
  classify(&b, x, classes);
  return finish(&b, seed);
}

/* ---- values -------------------------------------------------------------------------------------
 */

static void fill_norm(anet_net *net, int32_t node, anet_rng *rng)
{
  static const double centre[4] = {1, 0, 0, 1}, spread[4] = {0.5, 0.3, 0.3, 0.5};
  for (int32_t i = 0; i < 4; i++) {
    anet_tensor *param = anet_net_param(net, node, i);
    float *value = anet_tensor_data(param);
    for (int32_t c = 0; c < (int32_t)anet_tensor_count(param); c++)
      value[c] = (float)(centre[i] + spread[i] * (2 * anet_rng_uniform(rng) - 1));
  }
}

int zoo_fill(anet_net *net, double seed)
{
  anet_rng rng;
  anet_node node;
  const int rc = anet_net_init(net, seed);
  anet_rng_seed(&rng, seed);
  for (int32_t v = 0; !rc && v < anet_net_count(net); v++) {
    anet_net_node(net, v, &node);
    if (strcmp(node.op, "norm") == 0) fill_norm(net, v, &rng);
  }
  return rc;
}

void zoo_images(float *values, int32_t count, double seed)
{
  anet_rng rng;
  anet_rng_seed(&rng, seed);
  for (int32_t i = 0; i < count; i++) values[i] = (float)(2 * anet_rng_uniform(&rng) - 1);
}
