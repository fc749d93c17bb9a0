/* pad: (h, w, c) with pixels around it, and channels of the constant before and after its own.
 * attr: pad, dim (channels before, after), mode (anet_pad_mode), alpha (the constant). */
#include <string.h>

#include "base/error.h"
#include "op/work.h"

static int pad_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  size_t count;
  ANET_TRY(anet__want_image("pad", in));
  if (a->mode < ANET_PAD_CONSTANT || a->mode > ANET_PAD_EDGE)
    return anet_fail(ANET_RANGE, "pad: mode %d is not one of %d to %d", a->mode, ANET_PAD_CONSTANT,
                     ANET_PAD_EDGE);
  *out = *in;
  for (int32_t i = 0; i < 2; i++) {
    const int32_t before = a->pad[i], after = a->pad[i + 2];
    const int64_t size = (int64_t)in->dim[i] + before + after;
    if (before < 0 || after < 0 || size > INT32_MAX)
      return anet_fail(ANET_RANGE, "pad: (%d, %d) around %d is out of range", before, after,
                       in->dim[i]);
    if (a->mode == ANET_PAD_REFLECT && (before >= in->dim[i] || after >= in->dim[i]))
      return anet_fail(ANET_SHAPE, "pad: cannot reflect (%d, %d) pixels of input %s", before, after,
                       anet__shape_text(in, text));
    out->dim[i] = (int32_t)size;
  }
  if (a->dim[0] < 0 || a->dim[1] < 0 || a->dim[0] > INT32_MAX - in->dim[2] - a->dim[1])
    return anet_fail(ANET_RANGE, "pad: (%d, %d) channels around %d are out of range", a->dim[0],
                     a->dim[1], in->dim[2]);
  if ((a->dim[0] || a->dim[1]) && a->mode != ANET_PAD_CONSTANT)
    return anet_fail(ANET_UNSUPPORTED, "pad: mode %d has no channels to add, want %d", a->mode,
                     ANET_PAD_CONSTANT);
  out->dim[2] += a->dim[0] + a->dim[1];
  if (!anet__shape_count(out, &count))
    return anet_fail(ANET_SHAPE, "pad: output %s is too large", anet__shape_text(out, text));
  return ANET_OK;
}

/* Which of `size` pixels stands at `at`, inside the image or beside it; -1: the constant. */
static int32_t source(int32_t at, int32_t size, int32_t mode)
{
  if (at >= 0 && at < size) return at;
  if (mode == ANET_PAD_CONSTANT) return -1;
  if (mode == ANET_PAD_EDGE) return at < 0 ? 0 : size - 1;
  return at < 0 ? -at : 2 * (size - 1) - at;
}

static void fill(float *to, size_t count, float value)
{
  for (size_t i = 0; i < count; i++) to[i] = value;
}

/* One pixel with its own channels and those around them. */
static void pad_pixel(const anet__call *c, float *to, const float *from)
{
  const size_t before = (size_t)c->attr->dim[0], after = (size_t)c->attr->dim[1];
  const size_t channels = (size_t)c->in_shape[0].dim[2];
  fill(to, before, c->attr->alpha);
  memcpy(to + before, from, channels * sizeof *to);
  fill(to + before + channels, after, c->attr->alpha);
}

/* Pixels [begin, end) of output line `to`, which lie beside or in input line `from`. */
static void pad_part(const anet__call *c, float *to, const float *from, int32_t begin, int32_t end)
{
  const size_t wide = (size_t)c->out_shape.dim[2], channels = (size_t)c->in_shape[0].dim[2];
  for (int32_t x = begin; x < end; x++) {
    const int32_t s = source(x - c->attr->pad[1], c->in_shape[0].dim[1], c->attr->mode);
    if (s < 0)
      fill(to + (size_t)x * wide, wide, c->attr->alpha);
    else
      pad_pixel(c, to + (size_t)x * wide, from + (size_t)s * channels);
  }
}

static void pad_line(const anet__call *c, float *to, const float *from)
{
  const int32_t left = c->attr->pad[1], width = c->in_shape[0].dim[1];
  const size_t channels = (size_t)c->out_shape.dim[2];
  if (c->out_shape.dim[2] != c->in_shape[0].dim[2]) {
    pad_part(c, to, from, 0, c->out_shape.dim[1]);
    return;
  }
  pad_part(c, to, from, 0, left);
  memcpy(to + (size_t)left * channels, from, (size_t)width * channels * sizeof *to);
  pad_part(c, to, from, left + width, c->out_shape.dim[1]);
}

static void pad_lines(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const size_t height = (size_t)c->out_shape.dim[0], in_height = (size_t)c->in_shape[0].dim[0];
  const size_t line = anet__shape_size(&c->out_shape) / height;
  const size_t in_line = anet__shape_size(&c->in_shape[0]) / in_height;
  for (size_t i = begin; i < end; i++) {
    const int32_t y =
        source((int32_t)(i % height) - c->attr->pad[0], (int32_t)in_height, c->attr->mode);
    if (y < 0)
      fill(c->out + i * line, line, c->attr->alpha);
    else
      pad_line(c, c->out + i * line, c->in[0] + (i / height * in_height + (size_t)y) * in_line);
  }
}

static void pad_forward(const anet__call *c)
{
  const size_t lines = (size_t)c->n * (size_t)c->out_shape.dim[0];
  anet__split(c->pool, lines, anet__total(c) / lines, pad_lines, c);
}

/* Lines of one image: each output pixel adds to the one that it showed. */
static void grad_image(const anet__grad_call *g, float *dx, const float *dy)
{
  const anet__call *c = &g->call;
  const anet_shape *in = &c->in_shape[0], *out = &c->out_shape;
  const size_t channels = (size_t)in->dim[2], width = (size_t)in->dim[1];
  const size_t wide = (size_t)out->dim[2];
  dy += c->attr->dim[0];
  for (int32_t y = 0; y < out->dim[0]; y++) {
    const int32_t sy = source(y - c->attr->pad[0], in->dim[0], c->attr->mode);
    for (int32_t x = 0; x < out->dim[1]; x++, dy += wide) {
      const int32_t sx = source(x - c->attr->pad[1], in->dim[1], c->attr->mode);
      if (sy < 0 || sx < 0) continue;
      float *to = dx + ((size_t)sy * width + (size_t)sx) * channels;
      c->kernels->add(to, to, dy, channels);
    }
  }
}

static void grad_images(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const size_t in = anet__shape_size(&g->call.in_shape[0]);
  const size_t out = anet__shape_size(&g->call.out_shape);
  for (size_t i = begin; i < end; i++) {
    float *dx = g->din[0] + i * in;
    if (!g->add[0]) memset(dx, 0, in * sizeof *dx);
    grad_image(g, dx, g->dout + i * out);
  }
}

static void pad_backward(const anet__grad_call *g)
{
  const size_t cost = 2 * anet__shape_size(&g->call.out_shape);
  if (g->din[0]) anet__split(g->call.pool, (size_t)g->call.n, cost, grad_images, g);
}

const anet__op anet__op_pad = {
    .name = "pad",
    .min_inputs = 1,
    .max_inputs = 1,
    .shape = pad_shape,
    .forward = pad_forward,
    .backward = pad_backward,
};
