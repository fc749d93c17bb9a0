/* Small networks and data for tests. Calls that fail are reported and give -1. */
#ifndef ANET_NETS_H
#define ANET_NETS_H

#include "base/rng.h"
#include "support/test.h"

static inline int32_t net_put(anet_net *net, const char *op, const char *name,
                              const anet_attr *attr, int32_t a, int32_t b)
{
  int32_t value = -1, in[2] = {a, b};
  CHECK_OK(anet_net_add(net, op, name, attr, in, b < 0 ? 1 : 2, &value));
  return value;
}

static inline int32_t net_conv(anet_net *net, const char *name, int32_t in, int32_t channels,
                               int32_t kernel, int32_t stride, int32_t bias)
{
  const int32_t p = kernel / 2;
  const anet_attr attr = {.kernel = {kernel, kernel},
                          .stride = {stride, stride},
                          .pad = {p, p, p, p},
                          .channels = channels,
                          .bias = bias};
  return net_put(net, "conv", name, &attr, in, -1);
}

static inline int32_t net_op(anet_net *net, const char *op, int32_t in)
{
  return net_put(net, op, NULL, NULL, in, -1);
}

static inline int32_t net_linear(anet_net *net, const char *name, int32_t in, int32_t channels)
{
  return net_put(net, "linear", name, &(anet_attr){.channels = channels, .bias = 1}, in, -1);
}

static inline int32_t net_image(anet_net *net, int32_t size, int32_t channels)
{
  int32_t value = -1;
  CHECK_OK(anet_net_input(net, "image", &(anet_shape){3, {size, size, channels}}, &value));
  return value;
}

/* A basic residual block (He et al. 2016), with a projection where the shapes differ. */
static inline int32_t net_basic(anet_net *net, int32_t in, int32_t channels, int32_t stride)
{
  anet_node node;
  CHECK_OK(anet_net_node(net, in, &node));
  int32_t x = net_op(net, "norm", net_conv(net, NULL, in, channels, 3, stride, 0));
  x = net_op(net, "norm", net_conv(net, NULL, net_op(net, "relu", x), channels, 3, 1, 0));
  if (stride != 1 || node.shape.dim[2] != channels)
    in = net_op(net, "norm", net_conv(net, NULL, in, channels, 1, stride, 0));
  return net_op(net, "relu", net_put(net, "add", NULL, NULL, x, in));
}

/* ResNet with stages of `blocks` basic blocks of width, 2 width, 4 width. */
static inline anet_net *net_resnet(int32_t size, int32_t channels, int32_t width, int32_t blocks,
                                   int32_t classes)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  int32_t x = net_conv(net, NULL, net_image(net, size, channels), width, 3, 1, 0);
  x = net_op(net, "relu", net_op(net, "norm", x));
  for (int32_t s = 0; s < 3; s++)
    for (int32_t b = 0; b < blocks; b++) x = net_basic(net, x, width << s, s && !b ? 2 : 1);
  x = net_op(net, "flatten", net_op(net, "global_pool", x));
  CHECK_OK(anet_net_output(net, net_linear(net, "head", x, classes)));
  CHECK_OK(anet_net_init(net, 1));
  return net;
}

static inline void fill_normal(float *x, size_t n, double seed)
{
  anet_rng rng;
  anet_rng_seed(&rng, seed);
  for (size_t i = 0; i < n; i++) x[i] = anet__rng_normal(&rng);
}

/* One-hot rows of random classes. */
static inline void fill_labels(float *t, int32_t n, int32_t classes, double seed)
{
  anet_rng rng;
  anet_rng_seed(&rng, seed);
  memset(t, 0, (size_t)n * (size_t)classes * sizeof *t);
  for (int32_t i = 0; i < n; i++) t[i * classes + anet_rng_int(&rng, 0, classes - 1)] = 1;
}

#endif
