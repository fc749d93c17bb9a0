/* add: in[0] + in[1]; in[1] may be one row of channels. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "op/gate.h"

int anet__gate_shape(const char *op, const anet_shape *in, anet_shape *out)
{
  char a[ANET_SHAPE_TEXT], b[ANET_SHAPE_TEXT];
  const bool row = in[1].rank > 0 && anet__shape_size(&in[1]) == (size_t)anet__channels(&in[1]);
  const bool wide = in[0].rank == 3 && row && anet__channels(&in[1]) == in[0].dim[2];
  if (!anet__shape_equal(&in[0], &in[1]) && !wide)
    return anet_fail(ANET_SHAPE, "%s: inputs %s and %s differ", op, anet__shape_text(&in[0], a),
                     anet__shape_text(&in[1], b));
  *out = in[0];
  return ANET_OK;
}

static int add_shape(const anet_attr *attr, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  return anet__gate_shape("add", in, out);
}

/* The sum as the kernel's own epilogue: nothing is left to do after it but the clamp. */
static bool simple(const anet__post *p)
{
  return !p->scale && !p->shift && !p->add;
}

/* Rows [begin, end), or for a wide addition rows of images [begin, end). */
static void add_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const int32_t channels = anet__channels(&c->out_shape);
  const size_t at = begin * (size_t)channels, count = (end - begin) * (size_t)channels;
  anet__post post = c->post;
  if (simple(&post)) {
    post.add = c->in[1] + at;
    post.add_ld = (size_t)channels;
    c->kernels->affine(c->out + at, c->in[0] + at, (int32_t)(end - begin), channels, &post);
    return;
  }
  if (post.add) post.add += begin * post.add_ld;
  c->kernels->add(c->out + at, c->in[0] + at, c->in[1] + at, count);
  c->kernels->affine(c->out + at, c->out + at, (int32_t)(end - begin), channels, &post);
}

static void add_images(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const int32_t channels = anet__channels(&c->out_shape);
  const int32_t pixels = (int32_t)anet__pixels(&c->out_shape);
  for (size_t i = begin; i < end; i++) {
    const size_t at = i * (size_t)pixels * (size_t)channels;
    anet__post first = simple(&c->post) ? c->post : anet__post_none(), post = c->post;
    first.shift = c->in[1] + i * (size_t)channels;
    c->kernels->affine(c->out + at, c->in[0] + at, pixels, channels, &first);
    if (simple(&post)) continue;
    if (post.add) post.add += i * (size_t)pixels * post.add_ld;
    c->kernels->affine(c->out + at, c->out + at, pixels, channels, &post);
  }
}

static void add_forward(const anet__call *c)
{
  const size_t channels = (size_t)anet__channels(&c->out_shape);
  const size_t pixels = anet__pixels(&c->out_shape);
  if (anet__gate_wide(c))
    anet__split(c->pool, (size_t)c->n, pixels * channels, add_images, c);
  else
    anet__split(c->pool, (size_t)c->n * pixels, channels, add_rows, c);
}

/* din[1] of a wide addition: sums over the rows of an image. */
static void row_sums(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const size_t channels = (size_t)anet__channels(&g->call.out_shape);
  const size_t pixels = anet__pixels(&g->call.out_shape);
  for (size_t i = begin; i < end; i++) {
    float *to = g->din[1] + i * channels;
    const float *from = g->dout + i * pixels * channels;
    if (!g->add[1]) memset(to, 0, channels * sizeof *to);
    for (size_t p = 0; p < pixels; p++) g->call.kernels->add(to, to, from + p * channels, channels);
  }
}

static void add_backward(const anet__grad_call *g)
{
  const anet__call *c = &g->call;
  const size_t total = anet__total(c);
  if (g->din[0]) anet__copy(c, g->din[0], g->dout, total, g->add[0]);
  if (!g->din[1]) return;
  if (anet__gate_wide(c))
    anet__split(c->pool, (size_t)c->n, total / (size_t)c->n, row_sums, g);
  else
    anet__copy(c, g->din[1], g->dout, total, g->add[1]);
}

const anet__op anet__op_add = {
    .name = "add",
    .min_inputs = 2,
    .max_inputs = 2,
    .in_place = true,
    .by_image = true,
    .has_post = true,
    .shape = add_shape,
    .forward = add_forward,
    .backward = add_backward,
};
