#include "op/taps.h"

#include <string.h>

#include "op/work.h"

anet__taps anet__taps_window(const anet_attr *a, const anet_shape *in, const anet_shape *out)
{
  anet__taps t = {.pixel = (size_t)in->dim[2]};
  for (int32_t i = 0; i < 2; i++) {
    t.in[i] = in->dim[i];
    t.out[i] = out->dim[i];
    t.kernel[i] = a->kernel[i];
    t.stride[i] = a->stride[i];
    t.offset[i] = -a->pad[i];
    t.step[i] = a->dilation[i];
  }
  return t;
}

anet__taps anet__taps_rows(int32_t channels)
{
  return (anet__taps){
      .pixel = (size_t)channels,
      .in = {1, 1},
      .out = {1, 1},
      .kernel = {1, 1},
      .stride = {1, 1},
      .step = {1, 1},
  };
}

bool anet__taps_padded(const anet_attr *a)
{
  return a->pad[0] || a->pad[1] || a->pad[2] || a->pad[3];
}

/* Output pixels are the input's, one by one: no need to count lines. */
static bool straight(const anet__taps *t)
{
  return t->kernel[0] == 1 && t->kernel[1] == 1 && t->stride[0] == 1 && t->stride[1] == 1 &&
         t->offset[0] == 0 && t->offset[1] == 0 && t->in[0] == t->out[0] && t->in[1] == t->out[1];
}

/* Output columns [*begin, *end) of [x0, x1) whose tap in column kx falls into the image. */
static void inside(const anet__taps *t, int32_t kx, int32_t x0, int32_t x1, int32_t *begin,
                   int32_t *end)
{
  const int32_t at = t->offset[1] + kx * t->step[1], s = t->stride[1];
  const int32_t first = at >= 0 ? 0 : (-at + s - 1) / s;
  const int32_t last = at >= t->in[1] ? 0 : (t->in[1] - at + s - 1) / s;
  *begin = ANET_MIN(ANET_MAX(first, x0), x1);
  *end = ANET_MAX(ANET_MIN(last, x1), *begin);
}

/* Pixels x0 .. x1-1 of output line y: one column of taps after the other. */
static void fill_line(const anet__taps *t, const float *image, int32_t y, int32_t x0, int32_t x1,
                      const float **tap)
{
  const int32_t taps = anet__taps_count(t);
  const size_t step = (size_t)t->stride[1] * t->pixel;
  for (int32_t kx = 0; kx < t->kernel[1]; kx++) {
    int32_t begin, end;
    inside(t, kx, x0, x1, &begin, &end);
    const int32_t column = begin * t->stride[1] + t->offset[1] + kx * t->step[1];
    for (int32_t ky = 0; ky < t->kernel[0]; ky++) {
      const int32_t row = y * t->stride[0] + t->offset[0] + ky * t->step[0];
      const bool in = row >= 0 && row < t->in[0];
      const int32_t b = in ? begin : x1, e = in ? end : x1;
      const float **p = tap + ky * t->kernel[1] + kx;
      int32_t x = x0;
      for (; x < b; x++, p += taps) *p = t->outside;
      if (x < e) {
        const float *from = image + ((size_t)row * (size_t)t->in[1] + (size_t)column) * t->pixel;
        for (; x < e; x++, p += taps, from += step) *p = from;
      }
      for (; x < x1; x++, p += taps) *p = t->outside;
    }
  }
}

void anet__taps_fill(const anet__taps *t, size_t first, size_t rows, const float **tap)
{
  if (straight(t)) {
    const float *from = t->base + first * t->pixel;
    for (size_t r = 0; r < rows; r++, from += t->pixel) tap[r] = from;
    return;
  }
  const size_t width = (size_t)t->out[1], size = (size_t)t->out[0] * width;
  const size_t image = (size_t)t->in[0] * (size_t)t->in[1] * t->pixel;
  const float *base = t->base + first / size * image;
  int32_t y = (int32_t)(first % size / width), x = (int32_t)(first % width);
  while (rows > 0) {
    const int32_t end = (int32_t)ANET_MIN(width, (size_t)x + rows);
    fill_line(t, base, y, x, end, tap);
    tap += (size_t)(end - x) * (size_t)anet__taps_count(t);
    rows -= (size_t)(end - x);
    x = 0;
    if (++y == t->out[0]) y = 0, base += image;
  }
}

/* ---- spreading ------------------------------------------------------------------------------ */

enum { PAGE_FLOATS = 1024, ROOM = 16, FEW = 8 };

/* Any cache has room for FEW rows in a set. */
static bool collides(const anet__taps *t, int32_t rows)
{
  return t->pixel * (size_t)t->stride[1] % PAGE_FLOATS == 0 &&
         ANET_MIN(t->out[0] * t->out[1], rows) > FEW;
}

/* Every output pixel reads one input pixel, none of them padding. */
static bool picks(const anet__taps *t)
{
  bool one = anet__taps_count(t) == 1;
  for (int32_t i = 0; i < 2; i++)
    one = one && t->offset[i] == 0 && (t->out[i] - 1) * t->stride[i] < t->in[i];
  return one;
}

/* Lines and columns of the copy. */
static const int32_t *spread_size(const anet__taps *t)
{
  return picks(t) ? t->out : t->in;
}

size_t anet__taps_spread_floats(const anet__taps *t, int32_t images, int32_t rows)
{
  const int32_t *size = spread_size(t);
  if (!collides(t, rows)) return 0;
  return (size_t)images * (size_t)size[0] * (size_t)size[1] * (t->pixel + ROOM);
}

typedef struct spread {
  const anet__taps *taps;
  float *copy;
} spread;

/* Lines [begin, end) of the copy, counted over all images. */
static void spread_lines(const void *context, size_t begin, size_t end)
{
  const spread *s = context;
  const anet__taps *t = s->taps;
  const int32_t *size = spread_size(t);
  const bool pick = picks(t);
  const size_t width = (size_t)size[1], height = (size_t)size[0], row = (size_t)t->in[1] * t->pixel;
  const size_t step = (pick ? (size_t)t->stride[1] : 1) * t->pixel;
  for (size_t line = begin; line < end; line++) {
    const size_t image = line / height, y = line % height * (pick ? (size_t)t->stride[0] : 1);
    const float *from = t->base + (image * (size_t)t->in[0] + y) * row;
    float *to = s->copy + line * width * (t->pixel + ROOM);
    for (size_t x = 0; x < width; x++, from += step, to += t->pixel + ROOM)
      memcpy(to, from, t->pixel * sizeof *to);
  }
}

void anet__taps_spread(anet_pool *pool, anet__taps *t, int32_t images, int32_t rows, float *copy)
{
  const int32_t *size = spread_size(t);
  const spread s = {t, copy};
  if (!collides(t, rows)) return;
  anet__split(pool, (size_t)images * (size_t)size[0], (size_t)size[1] * t->pixel, spread_lines, &s);
  if (picks(t))
    for (int32_t i = 0; i < 2; i++) t->in[i] = t->out[i], t->stride[i] = 1;
  t->base = copy;
  t->pixel += ROOM;
}

/* ---- joining -------------------------------------------------------------------------------- */

enum { FEW_CHANNELS = 8 };

/* The copy has all that lies between windows: where they step over pixels, it could be any size. */
bool anet__taps_joins(const anet__taps *t)
{
  return t->pixel < FEW_CHANNELS && t->kernel[1] > 1 && t->step[1] == 1 &&
         t->stride[0] <= t->kernel[0] && t->stride[1] <= t->kernel[1];
}

/* Pixels that lines have to have. */
static int32_t reach(const anet__taps *t)
{
  return (t->out[1] - 1) * t->stride[1] + t->kernel[1];
}

static bool padded(const anet__taps *t)
{
  return t->offset[1] < 0 || t->offset[1] + reach(t) > t->in[1];
}

size_t anet__taps_join_floats(const anet__taps *t, int32_t images)
{
  if (!padded(t)) return 0;
  return (size_t)images * (size_t)t->in[0] * (size_t)reach(t) * t->pixel;
}

/* Lines [begin, end) of all images: zeros, what there is of the line, zeros. Either part may be all
 * of it: padding may be wider than what the window reaches. */
static void pad_lines(const void *context, size_t begin, size_t end)
{
  const spread *s = context;
  const anet__taps *t = s->taps;
  const int32_t width = reach(t), left = ANET_MIN(ANET_MAX(-t->offset[1], 0), width);
  const int32_t skip = ANET_MIN(ANET_MAX(t->offset[1], 0), t->in[1]);
  const int32_t count = ANET_MIN(t->in[1] - skip, width - left);
  const size_t before = (size_t)left * t->pixel, middle = (size_t)count * t->pixel;
  const size_t whole = (size_t)width * t->pixel;
  for (size_t line = begin; line < end; line++) {
    float *to = s->copy + line * whole;
    memset(to, 0, before * sizeof *to);
    memcpy(to + before, t->base + (line * (size_t)t->in[1] + (size_t)skip) * t->pixel,
           middle * sizeof *to);
    memset(to + before + middle, 0, (whole - before - middle) * sizeof *to);
  }
}

void anet__taps_join(anet_pool *pool, anet__taps *t, int32_t images, float *copy)
{
  const spread s = {t, copy};
  const int32_t width = reach(t);
  if (padded(t)) {
    anet__split(pool, (size_t)images * (size_t)t->in[0], (size_t)width * t->pixel, pad_lines, &s);
    t->base = copy;
    t->in[1] = width;
    t->offset[1] = 0;
  }
  t->kernel[1] = 1;
}
