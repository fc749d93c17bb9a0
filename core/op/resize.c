/* resize: (h, w, c) to (dim[0], dim[1], c), without antialiasing. attr: dim, mode
 * (ANET_RESIZE_NEAREST, …), begin (ANET_RESIZE_CENTRE, …: where pixels of the output lie in the
 * input), size (ANET_RESIZE_HALF_DOWN, …: which pixel is the nearest). */
#include <string.h>

#include "base/error.h"
#include "op/work.h"

static int resize_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  size_t count;
  ANET_TRY(anet__want_image("resize", in));
  if (a->mode != ANET_RESIZE_NEAREST && a->mode != ANET_RESIZE_BILINEAR)
    return anet_fail(ANET_RANGE, "resize: mode %d is not %d or %d", a->mode, ANET_RESIZE_NEAREST,
                     ANET_RESIZE_BILINEAR);
  if (a->begin < 0 || a->begin > ANET_RESIZE_ALIGN || a->size < 0 || a->size > ANET_RESIZE_HALF_UP)
    return anet_fail(ANET_RANGE, "resize: centre %d or rounding %d is not within 0 to %d, %d",
                     a->begin, a->size, ANET_RESIZE_ALIGN, ANET_RESIZE_HALF_UP);
  *out = (anet_shape){3, {a->dim[0], a->dim[1], in->dim[2]}};
  if (a->dim[0] < 1 || a->dim[1] < 1 || !anet__shape_count(out, &count))
    return anet_fail(ANET_SHAPE, "resize: cannot make (%d, %d) of input %s", a->dim[0], a->dim[1],
                     anet__shape_text(in, text));
  return ANET_OK;
}

/* An output pixel is (1 - weight) of input pixel a and weight of pixel b. */
typedef struct blend {
  int32_t a, b;
  float weight;
} blend;

/* Where output pixel o lies in the input, as a fraction twice / full of whole numbers, so that
 * nothing depends on rounding: half pixels (2 o + 1) in / (2 out) - 1/2, corners o in / out, or
 * aligned o (in - 1) / (out - 1). */
typedef struct place {
  int64_t twice, full;
} place;

static place place_of(int32_t centre, int32_t o, int32_t in, int32_t out)
{
  if (centre == ANET_RESIZE_CORNER) return (place){2 * (int64_t)o * in, 2 * (int64_t)out};
  if (centre == ANET_RESIZE_ALIGN)
    return (place){2 * (int64_t)o * (in - 1), 2 * (int64_t)ANET_MAX(out - 1, 1)};
  return (place){(2 * (int64_t)o + 1) * in - out, 2 * (int64_t)out};
}

static int64_t floor_of(int64_t a, int64_t b)
{
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

static int64_t nearest(place p, int32_t round)
{
  const int64_t half = p.full / 2;
  switch (round) {
    case ANET_RESIZE_DOWN:
      return floor_of(p.twice, p.full);
    case ANET_RESIZE_UP:
      return -floor_of(-p.twice, p.full);
    case ANET_RESIZE_HALF_UP:
      return floor_of(p.twice + half, p.full);
    default: /* half down */
      return -floor_of(half - p.twice, p.full);
  }
}

static blend blend_at(const anet_attr *a, int32_t o, int32_t in, int32_t out)
{
  const place p = place_of(a->begin, o, in, out);
  if (a->mode == ANET_RESIZE_NEAREST) {
    const int64_t at = nearest(p, a->size);
    const int32_t near = (int32_t)ANET_MIN(ANET_MAX(at, 0), (int64_t)in - 1);
    return (blend){near, near, 0.0F};
  }
  const int64_t at = ANET_MIN(ANET_MAX(p.twice, 0), (int64_t)(in - 1) * p.full);
  const int32_t low = (int32_t)(at / p.full), high = ANET_MIN(low + 1, in - 1);
  return (blend){low, high, low == high ? 0.0F : (float)(at % p.full) / (float)p.full};
}

static void resize_line(const anet__call *c, float *to, const float *above, const float *below,
                        float down)
{
  const int32_t in = c->in_shape[0].dim[1], out = c->out_shape.dim[1];
  const size_t channels = (size_t)c->out_shape.dim[2];
  for (int32_t x = 0; x < out; x++, to += channels) {
    const blend b = blend_at(c->attr, x, in, out);
    const size_t left = (size_t)b.a * channels, right = (size_t)b.b * channels;
    const float u = 1.0F - b.weight, v = b.weight;
    if (c->attr->mode == ANET_RESIZE_NEAREST) {
      memcpy(to, above + left, channels * sizeof *to);
      continue;
    }
    for (size_t i = 0; i < channels; i++)
      to[i] = (1.0F - down) * (u * above[left + i] + v * above[right + i]) +
              down * (u * below[left + i] + v * below[right + i]);
  }
}

static void resize_lines(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const int32_t in = c->in_shape[0].dim[0], out = c->out_shape.dim[0];
  const size_t line = (size_t)c->in_shape[0].dim[1] * (size_t)c->in_shape[0].dim[2];
  const size_t out_line = (size_t)c->out_shape.dim[1] * (size_t)c->out_shape.dim[2];
  for (size_t i = begin; i < end; i++) {
    const blend b = blend_at(c->attr, (int32_t)(i % (size_t)out), in, out);
    const float *image = c->in[0] + i / (size_t)out * (size_t)in * line;
    resize_line(c, c->out + i * out_line, image + (size_t)b.a * line, image + (size_t)b.b * line,
                b.weight);
  }
}

static void resize_forward(const anet__call *c)
{
  const size_t lines = (size_t)c->n * (size_t)c->out_shape.dim[0];
  anet__split(c->pool, lines, 4 * anet__total(c) / lines, resize_lines, c);
}

/* The same blends, spread instead of gathered. */
static void spread_line(const anet__call *c, const float *dy, float *to, float weight)
{
  const int32_t in = c->in_shape[0].dim[1], out = c->out_shape.dim[1];
  const size_t channels = (size_t)c->out_shape.dim[2];
  if (weight == 0.0F) return;
  for (int32_t x = 0; x < out; x++, dy += channels) {
    const blend b = blend_at(c->attr, x, in, out);
    c->kernels->axpy(to + (size_t)b.a * channels, weight * (1.0F - b.weight), dy, channels);
    if (b.weight != 0.0F)
      c->kernels->axpy(to + (size_t)b.b * channels, weight * b.weight, dy, channels);
  }
}

static void grad_images(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const anet__call *c = &g->call;
  const int32_t in = c->in_shape[0].dim[0], out = c->out_shape.dim[0];
  const size_t line = (size_t)c->in_shape[0].dim[1] * (size_t)c->in_shape[0].dim[2];
  const size_t out_line = (size_t)c->out_shape.dim[1] * (size_t)c->out_shape.dim[2];
  for (size_t i = begin; i < end; i++) {
    float *dx = g->din[0] + i * (size_t)in * line;
    const float *dy = g->dout + i * (size_t)out * out_line;
    if (!g->add[0]) memset(dx, 0, (size_t)in * line * sizeof *dx);
    for (int32_t y = 0; y < out; y++, dy += out_line) {
      const blend b = blend_at(c->attr, y, in, out);
      spread_line(c, dy, dx + (size_t)b.a * line, 1.0F - b.weight);
      spread_line(c, dy, dx + (size_t)b.b * line, b.weight);
    }
  }
}

static void resize_backward(const anet__grad_call *g)
{
  const size_t cost = 4 * anet__shape_size(&g->call.out_shape);
  if (g->din[0]) anet__split(g->call.pool, (size_t)g->call.n, cost, grad_images, g);
}

const anet__op anet__op_resize = {
    .name = "resize",
    .min_inputs = 1,
    .max_inputs = 1,
    .shape = resize_shape,
    .forward = resize_forward,
    .backward = resize_backward,
};
