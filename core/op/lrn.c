/* lrn: x over a power of the mean square of the channels around it (Krizhevsky et al. 2012):
 * y = x * (epsilon + alpha / size * sum of squares)^-beta over `size` channels, of which one more
 * lies behind than before where size is even. attr: size alpha beta epsilon. */
#include <math.h>

#include "base/error.h"
#include "op/work.h"

static int lrn_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  if (a->size < 1 || !(a->alpha >= 0) || !(a->epsilon > 0))
    return anet_fail(ANET_RANGE, "lrn: size %d, alpha %g, epsilon %g; want at least 1, 0, above 0",
                     a->size, (double)a->alpha, (double)a->epsilon);
  return anet__same_shape(a, in, inputs, out);
}

/* Channels [begin, end) that count for channel c; with `back` those for which c counts. */
static void window_of(const anet_attr *a, int32_t c, int32_t channels, bool back, int32_t *begin,
                      int32_t *end)
{
  const int32_t before = (a->size - 1) / 2, behind = a->size / 2;
  *begin = ANET_MAX(0, c - (back ? behind : before));
  *end = (int32_t)ANET_MIN((int64_t)channels, (int64_t)c + (back ? before : behind) + 1);
}

static float base_of(const anet_attr *a, const float *x, int32_t c, int32_t channels)
{
  int32_t begin, end;
  float sum = 0;
  window_of(a, c, channels, false, &begin, &end);
  for (int32_t k = begin; k < end; k++) sum += x[k] * x[k];
  return a->epsilon + a->alpha / (float)a->size * sum;
}

static void forward_pixels(const void *context, size_t begin, size_t end)
{
  const anet__call *call = context;
  const int32_t channels = anet__channels(&call->out_shape);
  for (size_t p = begin; p < end; p++) {
    const float *x = call->in[0] + p * (size_t)channels;
    float *y = call->out + p * (size_t)channels;
    for (int32_t c = 0; c < channels; c++)
      y[c] = x[c] * powf(base_of(call->attr, x, c, channels), -call->attr->beta);
  }
}

static void grad_pixels(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const anet_attr *a = g->call.attr;
  const int32_t channels = anet__channels(&g->call.out_shape);
  const float k = 2.0F * a->alpha * a->beta / (float)a->size;
  for (size_t p = begin; p < end; p++) {
    const float *x = g->call.in[0] + p * (size_t)channels, *dy = g->dout + p * (size_t)channels;
    float *dx = g->din[0] + p * (size_t)channels;
    for (int32_t c = 0; c < channels; c++) {
      int32_t first, last;
      float sum = 0;
      window_of(a, c, channels, true, &first, &last);
      for (int32_t j = first; j < last; j++)
        sum += dy[j] * x[j] * powf(base_of(a, x, j, channels), -a->beta - 1.0F);
      const float d = dy[c] * powf(base_of(a, x, c, channels), -a->beta) - k * x[c] * sum;
      dx[c] = g->add[0] ? dx[c] + d : d;
    }
  }
}

static size_t cost(const anet__call *call)
{
  return (size_t)anet__channels(&call->out_shape) * ((size_t)call->attr->size + 16);
}

static void lrn_forward(const anet__call *call)
{
  const size_t pixels = anet__total(call) / (size_t)anet__channels(&call->out_shape);
  anet__split(call->pool, pixels, cost(call), forward_pixels, call);
}

static void lrn_backward(const anet__grad_call *g)
{
  const size_t pixels = anet__total(&g->call) / (size_t)anet__channels(&g->call.out_shape);
  if (g->din[0])
    anet__split(g->call.pool, pixels, cost(&g->call) * (size_t)g->call.attr->size, grad_pixels, g);
}

const anet__op anet__op_lrn = {
    .name = "lrn",
    .min_inputs = 1,
    .max_inputs = 1,
    .grad_needs_in = true,
    .shape = lrn_shape,
    .forward = lrn_forward,
    .backward = lrn_backward,
};
