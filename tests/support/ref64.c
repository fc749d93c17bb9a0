#include "support/ref64.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

static size_t size_of(const anet_shape *s)
{
  size_t n = 1;
  for (int32_t i = 0; i < s->rank; i++) n *= (size_t)s->dim[i];
  return n;
}

/* Element (n, y, x, c) of images of shape s. */
static size_t at(const anet_shape *s, int32_t n, int32_t y, int32_t x, int32_t c)
{
  return (((size_t)n * (size_t)s->dim[0] + (size_t)y) * (size_t)s->dim[1] + (size_t)x) *
             (size_t)s->dim[2] +
         (size_t)c;
}

static bool inside(const anet_shape *s, int32_t y, int32_t x)
{
  return y >= 0 && y < s->dim[0] && x >= 0 && x < s->dim[1];
}

/* Calls `pixel` for every element of an image-shaped output. */
typedef double (*pixel_fn)(const ref64_call *k, int32_t n, int32_t y, int32_t x, int32_t c);

static void each(const ref64_call *k, pixel_fn pixel)
{
  const anet_shape *s = &k->out_shape;
  for (int32_t n = 0; n < k->n; n++)
    for (int32_t y = 0; y < s->dim[0]; y++)
      for (int32_t x = 0; x < s->dim[1]; x++)
        for (int32_t c = 0; c < s->dim[2]; c++) k->out[at(s, n, y, x, c)] = pixel(k, n, y, x, c);
}

static int32_t row_of(const anet_attr *a, int32_t y, int32_t ky)
{
  return y * a->stride[0] - a->pad[0] + ky * a->dilation[0];
}

static int32_t column_of(const anet_attr *a, int32_t x, int32_t kx)
{
  return x * a->stride[1] - a->pad[1] + kx * a->dilation[1];
}

/* -- windows -------------------------------------------------------------------------------- */

static double conv(const ref64_call *k, int32_t n, int32_t y, int32_t x, int32_t c)
{
  const anet_attr *a = k->attr;
  const anet_shape *s = &k->in_shape[0];
  const int32_t cin = s->dim[2] / a->groups, first = c / (a->channels / a->groups) * cin;
  double sum = a->bias ? k->param[1][c] : 0;
  for (int32_t ky = 0; ky < a->kernel[0]; ky++)
    for (int32_t kx = 0; kx < a->kernel[1]; kx++) {
      const int32_t iy = row_of(a, y, ky), ix = column_of(a, x, kx);
      if (!inside(s, iy, ix)) continue;
      for (int32_t i = 0; i < cin; i++) {
        const int32_t w = ((ky * a->kernel[1] + kx) * cin + i) * a->channels + c;
        sum += k->in[0][at(s, n, iy, ix, first + i)] * k->param[0][w];
      }
    }
  return sum;
}

static double depthwise(const ref64_call *k, int32_t n, int32_t y, int32_t x, int32_t c)
{
  const anet_attr *a = k->attr;
  const anet_shape *s = &k->in_shape[0];
  double sum = a->bias ? k->param[1][c] : 0;
  for (int32_t ky = 0; ky < a->kernel[0]; ky++)
    for (int32_t kx = 0; kx < a->kernel[1]; kx++) {
      const int32_t iy = row_of(a, y, ky), ix = column_of(a, x, kx);
      if (inside(s, iy, ix))
        sum +=
            k->in[0][at(s, n, iy, ix, c)] * k->param[0][(ky * a->kernel[1] + kx) * s->dim[2] + c];
    }
  return sum;
}

static double max_pool(const ref64_call *k, int32_t n, int32_t y, int32_t x, int32_t c)
{
  double best = -INFINITY;
  for (int32_t ky = 0; ky < k->attr->kernel[0]; ky++)
    for (int32_t kx = 0; kx < k->attr->kernel[1]; kx++) {
      const int32_t iy = row_of(k->attr, y, ky), ix = column_of(k->attr, x, kx);
      if (inside(&k->in_shape[0], iy, ix))
        best = fmax(best, k->in[0][at(&k->in_shape[0], n, iy, ix, c)]);
    }
  return best;
}

static double avg_pool(const ref64_call *k, int32_t n, int32_t y, int32_t x, int32_t c)
{
  double sum = 0, count = 0;
  for (int32_t ky = 0; ky < k->attr->kernel[0]; ky++)
    for (int32_t kx = 0; kx < k->attr->kernel[1]; kx++) {
      const int32_t iy = row_of(k->attr, y, ky), ix = column_of(k->attr, x, kx);
      const bool in = inside(&k->in_shape[0], iy, ix);
      if (in) sum += k->in[0][at(&k->in_shape[0], n, iy, ix, c)];
      count += in || k->attr->mode;
    }
  return sum / count;
}

static int32_t padded(int32_t i, int32_t size, int32_t mode)
{
  if (mode == ANET_PAD_EDGE) return i < 0 ? 0 : i >= size ? size - 1 : i;
  if (mode == ANET_PAD_REFLECT) return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i;
  return i;
}

static double pad(const ref64_call *k, int32_t n, int32_t y, int32_t x, int32_t c)
{
  const anet_shape *s = &k->in_shape[0];
  c -= k->attr->dim[0];
  if (c < 0 || c >= s->dim[2]) return (double)k->attr->alpha;
  const int32_t iy = padded(y - k->attr->pad[0], s->dim[0], k->attr->mode);
  const int32_t ix = padded(x - k->attr->pad[1], s->dim[1], k->attr->mode);
  return inside(s, iy, ix) ? k->in[0][at(s, n, iy, ix, c)] : (double)k->attr->alpha;
}

static double centre(const ref64_call *k, int32_t o, int32_t in, int32_t out)
{
  if (k->attr->begin == ANET_RESIZE_CORNER) return (double)o * in / out;
  if (k->attr->begin == ANET_RESIZE_ALIGN) return out == 1 ? 0 : (double)o * (in - 1) / (out - 1);
  return (o + 0.5) * in / out - 0.5;
}

static double nearest(const ref64_call *k, int32_t o, int32_t in, int32_t out)
{
  const double at = centre(k, o, in, out);
  const double near = k->attr->size == ANET_RESIZE_DOWN      ? floor(at + 1e-9)
                      : k->attr->size == ANET_RESIZE_UP      ? ceil(at - 1e-9)
                      : k->attr->size == ANET_RESIZE_HALF_UP ? floor(at + 0.5 + 1e-9)
                                                             : ceil(at - 0.5 - 1e-9);
  return fmin(fmax(near, 0), in - 1);
}

/* Weight of input pixel i in output pixel o: a tent around the centre, held at the borders. */
static double tent(const ref64_call *k, int32_t i, int32_t o, int32_t in, int32_t out)
{
  const double at = fmin(fmax(centre(k, o, in, out), 0), in - 1);
  return fmax(0, 1 - fabs(at - i));
}

static double resize(const ref64_call *k, int32_t n, int32_t y, int32_t x, int32_t c)
{
  const anet_shape *s = &k->in_shape[0], *o = &k->out_shape;
  if (k->attr->mode == ANET_RESIZE_NEAREST)
    return k->in[0][at(s, n, (int32_t)nearest(k, y, s->dim[0], o->dim[0]),
                       (int32_t)nearest(k, x, s->dim[1], o->dim[1]), c)];
  double sum = 0;
  for (int32_t iy = 0; iy < s->dim[0]; iy++)
    for (int32_t ix = 0; ix < s->dim[1]; ix++)
      sum += tent(k, iy, y, s->dim[0], o->dim[0]) * tent(k, ix, x, s->dim[1], o->dim[1]) *
             k->in[0][at(s, n, iy, ix, c)];
  return sum;
}

/* -- vectors -------------------------------------------------------------------------------- */

static void linear(const ref64_call *k)
{
  const int32_t in = k->in_shape[0].dim[0], out = k->out_shape.dim[0];
  for (int32_t n = 0; n < k->n; n++)
    for (int32_t o = 0; o < out; o++) {
      double sum = k->attr->bias ? k->param[1][o] : 0;
      for (int32_t i = 0; i < in; i++) sum += k->in[0][n * in + i] * k->param[0][i * out + o];
      k->out[n * out + o] = sum;
    }
}

static void norm(const ref64_call *k)
{
  const size_t c = (size_t)k->out_shape.dim[k->out_shape.rank - 1];
  const size_t rows = (size_t)k->n * size_of(&k->out_shape) / c;
  for (size_t i = 0; i < c; i++) {
    double mean = k->param[2][i], variance = k->param[3][i];
    if (k->training && !k->frozen) {
      mean = variance = 0;
      for (size_t r = 0; r < rows; r++) mean += k->in[0][r * c + i] / (double)rows;
      for (size_t r = 0; r < rows; r++)
        variance += pow(k->in[0][r * c + i] - mean, 2) / (double)rows;
    }
    for (size_t r = 0; r < rows; r++)
      k->out[r * c + i] = (k->in[0][r * c + i] - mean) / sqrt(variance + (double)k->attr->epsilon) *
                              k->param[0][i] +
                          k->param[1][i];
  }
}

static double clamped(double x, double low, double high)
{
  return x < low ? low : x > high ? high : x;
}

static double activation(anet__op_id op, double x, double alpha)
{
  switch (op) {
    case ANET_OP_RELU:
      return x > 0 ? x : 0;
    case ANET_OP_RELU6:
      return clamped(x, 0, 6);
    case ANET_OP_LEAKY_RELU:
      return x > 0 ? x : alpha * x;
    case ANET_OP_SIGMOID:
      return 1 / (1 + exp(-x));
    case ANET_OP_HARD_SIGMOID:
      return clamped(x / 6 + 0.5, 0, 1);
    case ANET_OP_HARD_SWISH:
      return x * clamped(x / 6 + 0.5, 0, 1);
    case ANET_OP_SWISH:
      return x / (1 + exp(-x));
    default:
      return x;
  }
}

/* add, mul: in[1] repeats over the pixels of an image where it is smaller. */
static void binary(const ref64_call *k)
{
  const size_t size = size_of(&k->out_shape), other = size_of(&k->in_shape[1]);
  for (size_t i = 0; i < (size_t)k->n * size; i++) {
    const double a = k->in[0][i], b = k->in[1][i / size * other + i % size % other];
    k->out[i] = k->op == ANET_OP_ADD ? a + b : a * b;
  }
}

static size_t inner_of(const ref64_call *k)
{
  size_t n = 1;
  for (int32_t i = 0; i < k->attr->axis; i++)
    n *= (size_t)k->out_shape.dim[k->out_shape.rank - 1 - i];
  return n;
}

static size_t axis_of(const ref64_call *k, const anet_shape *s)
{
  return (size_t)s->dim[s->rank - 1 - k->attr->axis];
}

static void concat(const ref64_call *k)
{
  const size_t inner = inner_of(k), whole = axis_of(k, &k->out_shape);
  const size_t outer = (size_t)k->n * size_of(&k->out_shape) / whole / inner;
  size_t begin = 0;
  for (int32_t i = 0; i < k->inputs; i++) {
    const size_t own = axis_of(k, &k->in_shape[i]);
    for (size_t o = 0; o < outer; o++)
      for (size_t p = 0; p < own; p++)
        for (size_t q = 0; q < inner; q++)
          k->out[(o * whole + begin + p) * inner + q] = k->in[i][(o * own + p) * inner + q];
    begin += own;
  }
}

static void split(const ref64_call *k)
{
  const size_t inner = inner_of(k), own = axis_of(k, &k->out_shape);
  const size_t whole = axis_of(k, &k->in_shape[0]), begin = (size_t)k->attr->begin;
  const size_t outer = (size_t)k->n * size_of(&k->out_shape) / own / inner;
  for (size_t o = 0; o < outer; o++)
    for (size_t p = 0; p < own; p++)
      for (size_t q = 0; q < inner; q++)
        k->out[(o * own + p) * inner + q] = k->in[0][(o * whole + begin + p) * inner + q];
}

static void softmax(const ref64_call *k)
{
  const size_t inner = inner_of(k), count = axis_of(k, &k->out_shape);
  const size_t outer = (size_t)k->n * size_of(&k->out_shape) / count / inner;
  for (size_t o = 0; o < outer; o++)
    for (size_t q = 0; q < inner; q++) {
      double sum = 0;
      for (size_t p = 0; p < count; p++) sum += exp(k->in[0][(o * count + p) * inner + q]);
      for (size_t p = 0; p < count; p++) {
        const size_t i = (o * count + p) * inner + q;
        k->out[i] = exp(k->in[0][i]) / sum;
      }
    }
}

static void global_pool(const ref64_call *k)
{
  const anet_shape *s = &k->in_shape[0];
  for (int32_t n = 0; n < k->n; n++)
    for (int32_t c = 0; c < s->dim[2]; c++) {
      double sum = 0;
      for (int32_t y = 0; y < s->dim[0]; y++)
        for (int32_t x = 0; x < s->dim[1]; x++) sum += k->in[0][at(s, n, y, x, c)];
      k->out[n * s->dim[2] + c] = sum / s->dim[0] / s->dim[1];
    }
}

/* The op's own stream of random numbers is part of what it promises: 4096 elements a generator. */
static void dropout(const ref64_call *k)
{
  const bool drops = k->training && !k->frozen;
  anet_rng rng;
  for (size_t i = 0; i < (size_t)k->n * size_of(&k->out_shape); i++) {
    if (i % 4096 == 0) anet__rng_at(&rng, k->seed, i / 4096);
    const bool kept = !drops || k->attr->alpha == 0 || anet__rng_uniform(&rng) >= k->attr->alpha;
    k->out[i] = kept ? k->in[0][i] / (drops ? 1 - (double)k->attr->alpha : 1) : 0;
  }
}

void ref64_forward(const ref64_call *k)
{
  if (ref64_more(k)) return;
  switch (k->op) {
    case ANET_OP_CONV:
      each(k, conv);
      return;
    case ANET_OP_DEPTHWISE:
      each(k, depthwise);
      return;
    case ANET_OP_LINEAR:
      linear(k);
      return;
    case ANET_OP_NORM:
      norm(k);
      return;
    case ANET_OP_ADD:
    case ANET_OP_MUL:
      binary(k);
      return;
    case ANET_OP_CONCAT:
      concat(k);
      return;
    case ANET_OP_SPLIT:
      split(k);
      return;
    case ANET_OP_MAX_POOL:
      each(k, max_pool);
      return;
    case ANET_OP_AVG_POOL:
      each(k, avg_pool);
      return;
    case ANET_OP_GLOBAL_POOL:
      global_pool(k);
      return;
    case ANET_OP_PAD:
      each(k, pad);
      return;
    case ANET_OP_SOFTMAX:
      softmax(k);
      return;
    case ANET_OP_RESIZE:
      each(k, resize);
      return;
    case ANET_OP_DROPOUT:
      dropout(k);
      return;
    default: /* activations, and the copies */
      for (size_t i = 0; i < (size_t)k->n * size_of(&k->out_shape); i++)
        k->out[i] = activation(k->op, k->in[0][i], (double)k->attr->alpha);
  }
}
