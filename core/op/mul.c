/* mul: in[0] * in[1]; in[1] may be one row of channels (the gate of a squeeze-and-excitation). */
#include <string.h>

#include "op/gate.h"

static int mul_shape(const anet_attr *attr, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  return anet__gate_shape("mul", in, out);
}

static void mul_run(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  c->kernels->mul(c->out + begin, c->in[0] + begin, c->in[1] + begin, end - begin);
}

static void mul_images(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const int32_t channels = anet__channels(&c->out_shape);
  const size_t pixels = anet__pixels(&c->out_shape), size = pixels * (size_t)channels;
  for (size_t i = begin; i < end; i++)
    c->kernels->mul_channels(c->out + i * size, c->in[0] + i * size,
                             c->in[1] + i * (size_t)channels, (int32_t)pixels, channels);
}

static void mul_forward(const anet__call *c)
{
  const size_t total = anet__total(c);
  if (anet__gate_wide(c))
    anet__split(c->pool, (size_t)c->n, total / (size_t)c->n, mul_images, c);
  else
    anet__split(c->pool, total, 1, mul_run, c);
}

/* din[i] (+)= dout * the other input. */
static void grad_run(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  for (int32_t i = 0; i < 2; i++) {
    if (!g->din[i]) continue;
    void (*const product)(float *, const float *, const float *, size_t) =
        g->add[i] ? g->call.kernels->muladd : g->call.kernels->mul;
    product(g->din[i] + begin, g->dout + begin, g->call.in[1 - i] + begin, end - begin);
  }
}

static void grad_images(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const anet__call *c = &g->call;
  const int32_t channels = anet__channels(&c->out_shape);
  const int32_t pixels = (int32_t)anet__pixels(&c->out_shape);
  const size_t size = (size_t)pixels * (size_t)channels;
  for (size_t i = begin; i < end; i++) {
    const size_t at = i * size, row = i * (size_t)channels;
    if (g->din[1]) {
      if (!g->add[1]) memset(g->din[1] + row, 0, (size_t)channels * sizeof(float));
      c->kernels->dot_rows(g->din[1] + row, g->dout + at, c->in[0] + at, pixels, channels);
    }
    if (g->din[0]) {
      anet__post gate = anet__post_none();
      gate.scale = c->in[1] + row;
      if (g->add[0]) gate.add = g->din[0] + at, gate.add_ld = (size_t)channels;
      c->kernels->affine(g->din[0] + at, g->dout + at, pixels, channels, &gate);
    }
  }
}

static void mul_backward(const anet__grad_call *g)
{
  const anet__call *c = &g->call;
  const size_t total = anet__total(c);
  if (anet__gate_wide(c))
    anet__split(c->pool, (size_t)c->n, 2 * total / (size_t)c->n, grad_images, g);
  else
    anet__split(c->pool, total, 2, grad_run, g);
}

const anet__op anet__op_mul = {
    .name = "mul",
    .min_inputs = 2,
    .max_inputs = 2,
    .in_place = true,
    .grad_needs_in = true,
    .shape = mul_shape,
    .forward = mul_forward,
    .backward = mul_backward,
};
