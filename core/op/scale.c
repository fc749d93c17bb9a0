/* scale: each channel (the last axis) times gamma, plus beta. Unlike a norm it has no statistics.
 */
#include "op/work.h"

enum { GAMMA, BETA };

static int scale_params(const anet_attr *a, const anet_shape *in, anet__param_spec *spec,
                        int32_t *count)
{
  const anet_shape shape = {1, {anet__channels(in)}};
  spec[GAMMA] = (anet__param_spec){.name = "gamma", .role = ANET_PARAM_SCALE, .shape = shape};
  spec[BETA] = (anet__param_spec){.name = "beta", .role = ANET_PARAM_BIAS, .shape = shape};
  *count = 2;
  return ANET_OK;
}

static void scale_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const int32_t channels = anet__channels(&c->out_shape);
  const size_t at = begin * (size_t)channels;
  anet__post post = anet__post_none();
  post.scale = anet__f32(c->param[GAMMA]);
  post.shift = anet__f32(c->param[BETA]);
  c->kernels->affine(c->out + at, c->in[0] + at, (int32_t)(end - begin), channels, &post);
}

static void scale_forward(const anet__call *c)
{
  const size_t channels = (size_t)anet__channels(&c->out_shape);
  anet__split(c->pool, anet__total(c) / channels, channels, scale_rows, c);
}

static void grad_rows(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const int32_t channels = anet__channels(&g->call.out_shape);
  const size_t at = begin * (size_t)channels;
  anet__post post = anet__post_none();
  post.scale = anet__f32(g->call.param[GAMMA]);
  if (g->add[0]) post.add = g->din[0] + at, post.add_ld = (size_t)channels;
  g->call.kernels->affine(g->din[0] + at, g->dout + at, (int32_t)(end - begin), channels, &post);
}

/* Sums over all rows, in order. */
static void scale_backward(const anet__grad_call *g)
{
  const anet__call *c = &g->call;
  const size_t channels = (size_t)anet__channels(&c->out_shape), rows = anet__total(c) / channels;
  if (g->dparam[GAMMA])
    c->kernels->dot_rows(g->dparam[GAMMA], g->dout, c->in[0], (int32_t)rows, (int32_t)channels);
  for (size_t r = 0; g->dparam[BETA] && r < rows; r++)
    c->kernels->add(g->dparam[BETA], g->dparam[BETA], g->dout + r * channels, channels);
  if (g->din[0]) anet__split(c->pool, rows, channels, grad_rows, g);
}

const anet__op anet__op_scale = {
    .name = "scale",
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = true,
    .grad_needs_in = true,
    .shape = anet__same_shape,
    .params = scale_params,
    .forward = scale_forward,
    .backward = scale_backward,
};
