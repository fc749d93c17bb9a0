/* prelu: x where it is above 0, else slope * x; a slope a channel (the last axis), which learns. */
#include "op/work.h"

static int prelu_params(const anet_attr *a, const anet_shape *in, anet__param_spec *spec,
                        int32_t *count)
{
  spec[0] = (anet__param_spec){
      .name = "slope", .role = ANET_PARAM_BIAS, .shape = {1, {anet__channels(in)}}};
  *count = 1;
  return ANET_OK;
}

static void prelu_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const size_t channels = (size_t)anet__channels(&c->out_shape);
  const float *slope = anet__f32(c->param[0]);
  for (size_t r = begin; r < end; r++)
    for (size_t k = 0, at = r * channels; k < channels; k++, at++) {
      const float x = c->in[0][at];
      c->out[at] = x > 0 ? x : slope[k] * x;
    }
}

static void prelu_forward(const anet__call *c)
{
  const size_t channels = (size_t)anet__channels(&c->out_shape);
  anet__split(c->pool, anet__total(c) / channels, channels, prelu_rows, c);
}

static void grad_rows(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const size_t channels = (size_t)anet__channels(&g->call.out_shape);
  const float *slope = anet__f32(g->call.param[0]);
  for (size_t r = begin; r < end; r++)
    for (size_t k = 0, at = r * channels; k < channels; k++, at++) {
      const float v = g->dout[at] * (g->call.in[0][at] > 0 ? 1.0F : slope[k]);
      g->din[0][at] = g->add[0] ? g->din[0][at] + v : v;
    }
}

/* The slopes' sums go over all rows in order; din may be written over dout, so it comes last. */
static void prelu_backward(const anet__grad_call *g)
{
  const size_t channels = (size_t)anet__channels(&g->call.out_shape);
  const size_t rows = anet__total(&g->call) / channels;
  for (size_t r = 0; g->dparam[0] && r < rows; r++)
    for (size_t k = 0, at = r * channels; k < channels; k++, at++)
      if (!(g->call.in[0][at] > 0)) g->dparam[0][k] += g->dout[at] * g->call.in[0][at];
  if (g->din[0]) anet__split(g->call.pool, rows, 2 * channels, grad_rows, g);
}

const anet__op anet__op_prelu = {
    .name = "prelu",
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = true,
    .grad_needs_in = true,
    .shape = anet__same_shape,
    .params = prelu_params,
    .forward = prelu_forward,
    .backward = prelu_backward,
};
