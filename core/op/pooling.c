/* max_pool, avg_pool: a window (kernel) over (h, w, c); padding never wins and, unless attr.mode
 * is 1, does not count. global_pool: the mean of all pixels, (h, w, c) to (c).
 * attr: kernel stride dilation pad, mode (avg_pool). */
#include <string.h>

#include "base/error.h"
#include "op/taps.h"
#include "op/work.h"

/* A window that lies in the padding alone would have nothing to give. */
static int pool_shape(const char *op, const anet_attr *a, const anet_shape *in, anet_shape *out)
{
  ANET_TRY(anet__window_shape(op, a, in, in->rank == 3 ? in->dim[2] : 0, out));
  for (int32_t i = 0; i < 4; i++) {
    const int32_t span = (a->kernel[i % 2] - 1) * a->dilation[i % 2] + 1;
    if (a->pad[i] >= span)
      return anet_fail(ANET_RANGE, "%s: padding %d is not below the window's %d", op, a->pad[i],
                       span);
  }
  return ANET_OK;
}

static int max_pool_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  ANET_TRY(pool_shape("max_pool", a, in, out));
  if (a->kernel[0] * a->kernel[1] > UINT8_MAX + 1) /* the tap that won is kept in a byte */
    return anet_fail(ANET_UNSUPPORTED, "max_pool: kernel (%d, %d) has over %d taps", a->kernel[0],
                     a->kernel[1], UINT8_MAX + 1);
  return ANET_OK;
}

static int avg_pool_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  return pool_shape("avg_pool", a, in, out);
}

static size_t max_pool_saved(const anet__call *c)
{
  return anet__total(c);
}

static void max_pool_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const float *tap[ANET_TAP_ROOM];
  anet__taps t = anet__taps_window(c->attr, &c->in_shape[0], &c->out_shape);
  t.base = c->in[0];
  const size_t step = anet__taps_fit(&t), channels = t.pixel;
  uint8_t *index = c->saved; /* NULL when nothing learns */
  for (size_t r = begin; r < end; r += step) {
    const size_t rows = ANET_MIN(step, end - r), at = r * channels;
    anet__taps_fill(&t, r, rows, tap);
    c->kernels->max_pool(c->out + at, index ? index + at : NULL, tap, (int32_t)rows,
                         anet__taps_count(&t), (int32_t)channels);
  }
}

static void avg_pool_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const float *tap[ANET_TAP_ROOM];
  anet__taps t = anet__taps_window(c->attr, &c->in_shape[0], &c->out_shape);
  t.base = c->in[0];
  const size_t step = anet__taps_fit(&t);
  for (size_t r = begin; r < end; r += step) {
    const size_t rows = ANET_MIN(step, end - r);
    anet__taps_fill(&t, r, rows, tap);
    c->kernels->avg_pool(c->out + r * t.pixel, tap, (int32_t)rows, anet__taps_count(&t),
                         (int32_t)t.pixel, c->attr->mode);
  }
}

static size_t row_cost(const anet__call *c)
{
  const size_t taps = (size_t)c->attr->kernel[0] * (size_t)c->attr->kernel[1];
  return taps * (size_t)c->out_shape.dim[2];
}

static void max_pool_forward(const anet__call *c)
{
  const size_t rows = (size_t)c->n * anet__pixels(&c->out_shape);
  anet__split(c->pool, rows, row_cost(c), max_pool_rows, c);
}

static void avg_pool_forward(const anet__call *c)
{
  const size_t rows = (size_t)c->n * anet__pixels(&c->out_shape);
  anet__split(c->pool, rows, row_cost(c), avg_pool_rows, c);
}

/* -- backward: windows overlap within an image, so each image is one worker's ------------------ */

/* The taps over din; kernels and pointers are const, this memory is ours to write. */
static anet__taps grad_taps(const anet__grad_call *g)
{
  anet__taps t = anet__taps_window(g->call.attr, &g->call.in_shape[0], &g->call.out_shape);
  t.base = g->din[0];
  return t;
}

static void max_pool_spread(const anet__grad_call *g, const float *const *tap, size_t first,
                            size_t rows)
{
  const size_t channels = (size_t)g->call.out_shape.dim[2];
  const size_t taps = (size_t)g->call.attr->kernel[0] * (size_t)g->call.attr->kernel[1];
  const uint8_t *index = (const uint8_t *)g->call.saved + first * channels;
  const float *dy = g->dout + first * channels;
  for (size_t r = 0; r < rows; r++, tap += taps, index += channels, dy += channels)
    for (size_t c = 0; c < channels; c++) ((float *)tap[index[c]])[c] += dy[c];
}

static void avg_pool_spread(const anet__grad_call *g, const float *const *tap, size_t first,
                            size_t rows)
{
  const size_t channels = (size_t)g->call.out_shape.dim[2];
  const int32_t taps = g->call.attr->kernel[0] * g->call.attr->kernel[1];
  const float *dy = g->dout + first * channels;
  for (size_t r = 0; r < rows; r++, tap += taps, dy += channels) {
    int32_t count = 0;
    for (int32_t t = 0; t < taps; t++) count += tap[t] != NULL;
    const float k = 1.0F / (float)(g->call.attr->mode ? taps : count);
    for (int32_t t = 0; t < taps; t++)
      if (tap[t]) g->call.kernels->axpy((float *)tap[t], k, dy, channels);
  }
}

typedef void (*spread)(const anet__grad_call *g, const float *const *tap, size_t first,
                       size_t rows);

static void spread_images(const anet__grad_call *g, size_t begin, size_t end, spread run)
{
  const float *tap[ANET_TAP_ROOM];
  const anet__taps t = grad_taps(g);
  const size_t step = anet__taps_fit(&t), size = anet__shape_size(&g->call.in_shape[0]);
  const size_t pixels = anet__pixels(&g->call.out_shape);
  for (size_t i = begin; i < end; i++) {
    if (!g->add[0]) memset(g->din[0] + i * size, 0, size * sizeof(float));
    for (size_t r = 0; r < pixels; r += step) {
      const size_t rows = ANET_MIN(step, pixels - r), first = i * pixels + r;
      anet__taps_fill(&t, first, rows, tap);
      run(g, tap, first, rows);
    }
  }
}

static void max_pool_images(const void *context, size_t begin, size_t end)
{
  spread_images(context, begin, end, max_pool_spread);
}

static void avg_pool_images(const void *context, size_t begin, size_t end)
{
  spread_images(context, begin, end, avg_pool_spread);
}

static void max_pool_backward(const anet__grad_call *g)
{
  const size_t cost = 2 * anet__shape_size(&g->call.in_shape[0]);
  if (g->din[0]) anet__split(g->call.pool, (size_t)g->call.n, cost, max_pool_images, g);
}

static void avg_pool_backward(const anet__grad_call *g)
{
  const size_t cost = row_cost(&g->call) * anet__pixels(&g->call.out_shape);
  if (g->din[0]) anet__split(g->call.pool, (size_t)g->call.n, cost, avg_pool_images, g);
}

/* -- global --------------------------------------------------------------------------------- */

static int global_pool_shape(const anet_attr *a, const anet_shape *in, int32_t inputs,
                             anet_shape *out)
{
  ANET_TRY(anet__want_image("global_pool", in));
  *out = (anet_shape){1, {in->dim[2]}};
  return ANET_OK;
}

static void global_pool_images(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const size_t size = anet__shape_size(&c->in_shape[0]);
  const int32_t channels = c->in_shape[0].dim[2], pixels = (int32_t)anet__pixels(&c->in_shape[0]);
  for (size_t i = begin; i < end; i++)
    c->kernels->mean_rows(c->out + i * (size_t)channels, c->in[0] + i * size, pixels, channels);
}

static void global_pool_forward(const anet__call *c)
{
  anet__split(c->pool, (size_t)c->n, anet__shape_size(&c->in_shape[0]), global_pool_images, c);
}

static void global_pool_grad(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const size_t channels = (size_t)g->call.in_shape[0].dim[2];
  const size_t pixels = anet__pixels(&g->call.in_shape[0]);
  const float k = 1.0F / (float)pixels;
  for (size_t i = begin; i < end; i++) {
    const float *dy = g->dout + i * channels;
    float *dx = g->din[0] + i * pixels * channels;
    if (g->add[0]) {
      for (size_t p = 0; p < pixels; p++) g->call.kernels->axpy(dx + p * channels, k, dy, channels);
      continue;
    }
    for (size_t c = 0; c < channels; c++) dx[c] = k * dy[c];
    for (size_t p = 1; p < pixels; p++) memcpy(dx + p * channels, dx, channels * sizeof *dx);
  }
}

static void global_pool_backward(const anet__grad_call *g)
{
  const size_t cost = anet__shape_size(&g->call.in_shape[0]);
  if (g->din[0]) anet__split(g->call.pool, (size_t)g->call.n, cost, global_pool_grad, g);
}

const anet__op anet__op_max_pool = {
    .name = "max_pool",
    .min_inputs = 1,
    .max_inputs = 1,
    .shape = max_pool_shape,
    .forward = max_pool_forward,
    .backward = max_pool_backward,
    .saved = max_pool_saved,
};

const anet__op anet__op_avg_pool = {
    .name = "avg_pool",
    .min_inputs = 1,
    .max_inputs = 1,
    .shape = avg_pool_shape,
    .forward = avg_pool_forward,
    .backward = avg_pool_backward,
};

const anet__op anet__op_global_pool = {
    .name = "global_pool",
    .min_inputs = 1,
    .max_inputs = 1,
    .shape = global_pool_shape,
    .forward = global_pool_forward,
    .backward = global_pool_backward,
};
