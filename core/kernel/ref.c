/* The specification of every kernel, in plain C. The vector files are tested against this one,
 * so clarity comes first; loops are still ordered so that a compiler can vectorise them. */
#include "kernel/ref.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 64 }; /* channels accumulated at a time */

/* NaN stays NaN: both comparisons are false for it. */
static float clamp(float v, float low, float high)
{
  v = v < low ? low : v;
  return v > high ? high : v;
}

/* out[c] = post(acc[c]) for channels c0 .. c0+n-1 of row r; out points at channel c0. */
static void finish(float *out, const float *acc, int32_t n, const anet__post *post, size_t r,
                   int32_t c0)
{
  const float *add = post->add ? post->add + r * post->add_ld + c0 : NULL;
  for (int32_t c = 0; c < n; c++) {
    const float k = post->scale ? post->scale[c0 + c] : 1.0f;
    const float s = post->shift ? post->shift[c0 + c] : 0.0f;
    out[c] = clamp(k * acc[c] + s + (add ? add[c] : 0.0f), post->low, post->high);
  }
}

/* -- convolution ---------------------------------------------------------------------------- */

size_t anet__ref_conv_pack_size(int32_t taps, int32_t cin, int32_t cout)
{
  return (size_t)taps * (size_t)cin * (size_t)cout;
}

/* Here packed is simply (taps, cin, cout). */
void anet__ref_conv_pack(float *packed, const float *w, int32_t taps, int32_t cin, int32_t cout,
                         size_t ld_tap, size_t ld_in, size_t ld_out)
{
  for (int32_t t = 0; t < taps; t++)
    for (int32_t i = 0; i < cin; i++)
      for (int32_t o = 0; o < cout; o++)
        *packed++ = w[(size_t)t * ld_tap + (size_t)i * ld_in + (size_t)o * ld_out];
}

/* acc[o] = sum over taps, then over input channels, in this order. */
static void conv_row(float *acc, const anet__conv_args *a, size_t r, int32_t o0, int32_t n)
{
  memset(acc, 0, BLOCK * sizeof *acc);
  const float *w = a->packed + o0;
  for (int32_t t = 0; t < a->taps; t++) {
    const float *x = a->tap[r * (size_t)a->taps + (size_t)t];
    for (int32_t i = 0; i < a->cin; i++, w += a->cout)
      for (int32_t o = 0; o < n; o++) acc[o] += x[i] * w[o];
  }
}

void anet__ref_conv(const anet__conv_args *a)
{
  float acc[BLOCK];
  for (size_t r = 0; r < (size_t)a->rows; r++)
    for (int32_t o = 0; o < a->cout; o += BLOCK) {
      const int32_t n = ANET_MIN(BLOCK, a->cout - o);
      conv_row(acc, a, r, o, n);
      finish(a->out + r * a->out_ld + o, acc, n, &a->post, r, o);
    }
}

void anet__ref_conv_grad(const anet__conv_grad_args *a)
{
  for (size_t r = 0; r < (size_t)a->rows; r++) {
    const float *dy = a->dy + r * a->dy_ld;
    for (int32_t t = 0; t < a->taps; t++) {
      const float *x = a->tap[r * (size_t)a->taps + (size_t)t];
      for (int32_t i = 0; i < a->cin; i++) {
        float *dw = a->dw + ((size_t)t * (size_t)a->cin + (size_t)i) * a->dw_ld;
        for (int32_t o = 0; o < a->cout; o++) dw[o] += x[i] * dy[o];
      }
    }
  }
}

static void depthwise_row(float *acc, const anet__depthwise_args *a, size_t r, int32_t c0,
                          int32_t n)
{
  memset(acc, 0, BLOCK * sizeof *acc);
  for (int32_t t = 0; t < a->taps; t++) {
    const float *x = a->tap[r * (size_t)a->taps + (size_t)t] + c0;
    const float *w = a->weight + (size_t)t * a->weight_ld + c0;
    for (int32_t c = 0; c < n; c++) acc[c] += x[c] * w[c];
  }
}

void anet__ref_depthwise(const anet__depthwise_args *a)
{
  float acc[BLOCK];
  for (size_t r = 0; r < (size_t)a->rows; r++)
    for (int32_t c = 0; c < a->channels; c += BLOCK) {
      const int32_t n = ANET_MIN(BLOCK, a->channels - c);
      depthwise_row(acc, a, r, c, n);
      finish(a->out + r * a->out_ld + c, acc, n, &a->post, r, c);
    }
}

/* As depthwise, but for taps that are padding: they do not count. */
static void lines_pixel(float *acc, const anet__depthwise_lines_args *a, int32_t y, int32_t x,
                        int32_t c0, int32_t n)
{
  memset(acc, 0, BLOCK * sizeof *acc);
  for (int32_t t = 0; t < a->kernel[0] * a->kernel[1]; t++) {
    const float *line = a->line[y * a->stride[0] + t / a->kernel[1]];
    const int32_t column = x * a->stride[1] + a->offset + t % a->kernel[1];
    if (!line || column < 0 || column >= a->columns) continue;
    const float *v = line + (size_t)column * a->pixel + c0;
    const float *w = a->weight + (size_t)t * a->weight_ld + c0;
    for (int32_t c = 0; c < n; c++) acc[c] += v[c] * w[c];
  }
}

void anet__ref_depthwise_lines(const anet__depthwise_lines_args *a)
{
  float acc[BLOCK];
  for (size_t r = 0; r < (size_t)a->lines * (size_t)a->pixels; r++)
    for (int32_t c = 0; c < a->channels; c += BLOCK) {
      const int32_t n = ANET_MIN(BLOCK, a->channels - c);
      lines_pixel(acc, a, (int32_t)r / a->pixels, (int32_t)r % a->pixels, c, n);
      finish(a->out + r * a->out_ld + c, acc, n, &a->post, r, c);
    }
}

void anet__ref_depthwise_grad(const anet__depthwise_grad_args *a)
{
  for (size_t r = 0; r < (size_t)a->rows; r++) {
    const float *dy = a->dy + r * a->dy_ld;
    for (int32_t t = 0; t < a->taps; t++) {
      const float *x = a->tap[r * (size_t)a->taps + (size_t)t];
      float *dw = a->dw + (size_t)t * a->dw_ld;
      for (int32_t c = 0; c < a->channels; c++) dw[c] += x[c] * dy[c];
    }
  }
}

/* The taps that read input pixel (y, x), n channels from c. */
static void back_pixel(const anet__depthwise_back_args *a, int32_t y, int32_t x, int32_t c,
                       int32_t n)
{
  const size_t ld = (size_t)a->channels, at = (size_t)(y * a->pixels + x) * ld + (size_t)c;
  float acc[BLOCK] = {0};
  for (int32_t ky = (y + a->phase[0]) % a->stride[0]; ky < a->kernel[0]; ky += a->stride[0])
    for (int32_t kx = (x + a->phase[1]) % a->stride[1]; kx < a->kernel[1]; kx += a->stride[1]) {
      const int32_t tap = ky * a->kernel[1] + kx, column = (x + a->phase[1] - kx) / a->stride[1];
      const float *dy = a->dy[(y + a->phase[0] - ky) / a->stride[0]] + (size_t)column * ld + c;
      const float *w = a->weight + (size_t)tap * a->weight_ld + c;
      float *dw = a->dw + (size_t)tap * ld + c;
      for (int32_t i = 0; i < n; i++) acc[i] += dy[i] * w[i];
      for (int32_t i = 0; i < n; i++) dw[i] += a->x[at + (size_t)i] * dy[i];
    }
  for (int32_t i = 0; i < n; i++)
    a->dx[at + (size_t)i] = (a->accumulate ? a->dx[at + (size_t)i] : 0.0f) + acc[i];
}

void anet__ref_depthwise_back(const anet__depthwise_back_args *a)
{
  for (int32_t r = 0; r < a->lines * a->pixels; r++)
    for (int32_t c = 0; c < a->channels; c += BLOCK)
      back_pixel(a, r / a->pixels, r % a->pixels, c, ANET_MIN(BLOCK, a->channels - c));
}

/* -- pooling -------------------------------------------------------------------------------- */

/* A NaN wins over every number, and the first NaN over the others. A row with no tap gives 0. */
void anet__ref_max_pool(float *y, uint8_t *index, const float *const *tap, int32_t rows,
                        int32_t taps, int32_t channels)
{
  for (int32_t r = 0; r < rows; r++, tap += taps, y += channels)
    for (int32_t c = 0; c < channels; c++) {
      int32_t won = -1;
      float best = 0.0f;
      for (int32_t t = 0; t < taps; t++) {
        if (!tap[t]) continue;
        const float v = tap[t][c];
        if (won < 0 || v > best || (isnan(v) && !isnan(best))) won = t, best = v;
      }
      y[c] = best;
      if (index) index[(size_t)r * (size_t)channels + (size_t)c] = (uint8_t)ANET_MAX(won, 0);
    }
}

/* A row with no tap gives 0. */
void anet__ref_avg_pool(float *y, const float *const *tap, int32_t rows, int32_t taps,
                        int32_t channels, int32_t count_padding)
{
  for (int32_t r = 0; r < rows; r++, tap += taps, y += channels) {
    int32_t count = count_padding ? taps : 0;
    if (!count_padding)
      for (int32_t t = 0; t < taps; t++) count += tap[t] != NULL;
    const float k = 1.0f / (float)ANET_MAX(count, 1);
    for (int32_t c = 0; c < channels; c++) {
      float sum = 0.0f;
      for (int32_t t = 0; t < taps; t++)
        if (tap[t]) sum += tap[t][c];
      y[c] = sum * k;
    }
  }
}

void anet__ref_mean_rows(float *y, const float *x, int32_t rows, int32_t channels)
{
  memset(y, 0, (size_t)channels * sizeof *y);
  for (int32_t r = 0; r < rows; r++, x += channels)
    for (int32_t c = 0; c < channels; c++) y[c] += x[c];
  const float k = 1.0f / (float)ANET_MAX(rows, 1);
  for (int32_t c = 0; c < channels; c++) y[c] *= k;
}

/* -- rows of channels ----------------------------------------------------------------------- */

void anet__ref_affine(float *y, const float *x, int32_t rows, int32_t channels,
                      const anet__post *post)
{
  for (size_t r = 0; r < (size_t)rows; r++, x += channels, y += channels)
    finish(y, x, channels, post, r, 0);
}

void anet__ref_moments(double *sum, double *square, const float *x, int32_t rows, int32_t channels)
{
  for (int32_t r = 0; r < rows; r++, x += channels) {
    for (int32_t c = 0; c < channels; c++) sum[c] += (double)x[c];
    if (!square) continue;
    for (int32_t c = 0; c < channels; c++) square[c] += (double)x[c] * (double)x[c];
  }
}

/* What of dy gets through the clamp. */
static float passed(const anet__norm_args *a, float dy, float x, int32_t c)
{
  if (!a->scale) return dy;
  const float y = a->scale[c] * x + a->shift[c];
  return a->low < y && y < a->high ? dy : 0.0f;
}

void anet__ref_norm_sums(double *sum, double *dot, const anet__norm_args *a)
{
  const float *x = a->x, *dy = a->dy;
  for (int32_t r = 0; r < a->rows; r++, x += a->channels, dy += a->channels)
    for (int32_t c = 0; c < a->channels; c++) {
      const double g = (double)passed(a, dy[c], x[c], c);
      sum[c] += g;
      dot[c] += g * ((double)x[c] - (double)a->mean[c]);
    }
}

void anet__ref_norm_grad(float *dx, const anet__norm_args *a, int32_t accumulate)
{
  const float *x = a->x, *dy = a->dy;
  for (int32_t r = 0; r < a->rows; r++, x += a->channels, dy += a->channels, dx += a->channels)
    for (int32_t c = 0; c < a->channels; c++) {
      const float v = a->a[c] * passed(a, dy[c], x[c], c) + (a->b[c] * x[c] + a->c[c]);
      dx[c] = accumulate ? dx[c] + v : v;
    }
}

void anet__ref_mul_channels(float *y, const float *x, const float *gate, int32_t rows,
                            int32_t channels)
{
  for (int32_t r = 0; r < rows; r++, x += channels, y += channels)
    for (int32_t c = 0; c < channels; c++) y[c] = x[c] * gate[c];
}

void anet__ref_dot_rows(float *y, const float *a, const float *b, int32_t rows, int32_t channels)
{
  for (int32_t r = 0; r < rows; r++, a += channels, b += channels)
    for (int32_t c = 0; c < channels; c++) y[c] += a[c] * b[c];
}

/* -- flat runs ------------------------------------------------------------------------------ */

void anet__ref_add(float *y, const float *a, const float *b, size_t n)
{
  for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

void anet__ref_mul(float *y, const float *a, const float *b, size_t n)
{
  for (size_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

void anet__ref_axpy(float *y, float k, const float *x, size_t n)
{
  for (size_t i = 0; i < n; i++) y[i] += k * x[i];
}

void anet__ref_muladd(float *y, const float *a, const float *b, size_t n)
{
  for (size_t i = 0; i < n; i++) y[i] += a[i] * b[i];
}

void anet__ref_affine_clamp(float *y, const float *x, size_t n, float k, float c, float low,
                            float high)
{
  for (size_t i = 0; i < n; i++) y[i] = clamp(k * x[i] + c, low, high);
}

void anet__ref_clamp_grad(float *dx, const float *dy, const float *y, size_t n, float low,
                          float high, int32_t accumulate)
{
  for (size_t i = 0; i < n; i++) {
    const float v = low < y[i] && y[i] < high ? dy[i] : 0.0f;
    dx[i] = accumulate ? dx[i] + v : v;
  }
}

/* -- activations ---------------------------------------------------------------------------- */

static float sigmoid(float x)
{
  return 1.0f / (1.0f + expf(-x));
}

static float hard_sigmoid(float x)
{
  return clamp(x * (1.0f / 6.0f) + 0.5f, 0.0f, 1.0f);
}

static float softplus(float x)
{
  return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
}

static const float ROOT_HALF = 0.70710678f, ROOT_8_OVER_PI = 1.59576912f;

static float gelu_tanh_gate(float x)
{
  return sigmoid(ROOT_8_OVER_PI * x * (1.0f + 0.044715f * x * x));
}

static float act_one(float x, anet__act kind, float alpha)
{
  switch (kind) {
    case ANET_ACT_SIGMOID:
      return sigmoid(x);
    case ANET_ACT_HARD_SIGMOID:
      return hard_sigmoid(x);
    case ANET_ACT_HARD_SWISH:
      return x * hard_sigmoid(x);
    case ANET_ACT_SWISH:
      return x * sigmoid(x);
    case ANET_ACT_LEAKY_RELU:
      return x > 0.0f ? x : alpha * x;
    case ANET_ACT_ELU:
      return x > 0.0f ? x : alpha * expm1f(x);
    case ANET_ACT_GELU: /* 1 + erf(z) = erfc(-z), which does not cancel */
      return 0.5f * x * erfcf(-ROOT_HALF * x);
    case ANET_ACT_GELU_TANH:
      return x * gelu_tanh_gate(x);
    case ANET_ACT_MISH:
      return x * tanhf(softplus(x));
    case ANET_ACT_SOFTPLUS:
      return softplus(x);
    case ANET_ACT_TANH:
      return tanhf(x);
    case ANET_ACT_ERF:
      return erff(x);
    case ANET_ACT_EXP:
      return expf(x);
    default:
      return x;
  }
}

/* At the corners of the piecewise linear kinds: the slope of the outer side. */
static float act_slope(float x, anet__act kind, float alpha)
{
  float s; /* what the kind is made of */
  switch (kind) {
    case ANET_ACT_SIGMOID:
      s = sigmoid(x);
      return s * (1.0f - s);
    case ANET_ACT_HARD_SIGMOID:
      return -3.0f < x && x < 3.0f ? 1.0f / 6.0f : 0.0f;
    case ANET_ACT_HARD_SWISH:
      return x <= -3.0f ? 0.0f : x >= 3.0f ? 1.0f : x * (1.0f / 3.0f) + 0.5f;
    case ANET_ACT_SWISH:
      s = sigmoid(x);
      return s + x * s * (1.0f - s);
    case ANET_ACT_LEAKY_RELU:
      return x > 0.0f ? 1.0f : alpha;
    case ANET_ACT_ELU:
      return x > 0.0f ? 1.0f : alpha * expf(x);
    case ANET_ACT_GELU:
      return 0.5f * erfcf(-ROOT_HALF * x) + 0.39894228f * x * expf(-0.5f * x * x);
    case ANET_ACT_GELU_TANH:
      s = gelu_tanh_gate(x);
      return s + x * s * (1.0f - s) * ROOT_8_OVER_PI * (1.0f + 0.134145f * x * x);
    case ANET_ACT_MISH:
      s = tanhf(softplus(x));
      return x > 20.0f ? 1.0f : s + x * (1.0f - s * s) * sigmoid(x);
    case ANET_ACT_SOFTPLUS:
      return sigmoid(x);
    case ANET_ACT_TANH:
      s = tanhf(x);
      return 1.0f - s * s;
    case ANET_ACT_ERF:
      return 1.12837917f * expf(-x * x);
    case ANET_ACT_EXP:
      return expf(x);
    default:
      return 1.0f;
  }
}

void anet__ref_act(float *y, const float *x, size_t n, anet__act kind, float alpha)
{
  for (size_t i = 0; i < n; i++) y[i] = act_one(x[i], kind, alpha);
}

void anet__ref_act_grad(float *dx, const float *dy, const float *x, size_t n, anet__act kind,
                        float alpha, int32_t accumulate)
{
  for (size_t i = 0; i < n; i++) {
    const float v = dy[i] * act_slope(x[i], kind, alpha);
    dx[i] = accumulate ? dx[i] + v : v;
  }
}

/* The x of the largest k * x is taken off first, so that nothing overflows and the largest exponent
 * is 0 exactly; a NaN makes its whole row NaN. */
void anet__ref_softmax(float *y, const float *x, int32_t rows, int32_t channels, float k)
{
  for (int32_t r = 0; r < rows; r++, x += channels, y += channels) {
    float top = k < 0.0f ? INFINITY : -INFINITY, sum = 0.0f;
    for (int32_t c = 0; c < channels; c++)
      if (k < 0.0f ? x[c] < top : x[c] > top) top = x[c];
    for (int32_t c = 0; c < channels; c++) sum += y[c] = expf(k * (x[c] - top));
    for (int32_t c = 0; c < channels; c++) y[c] /= sum;
  }
}

/* -- sums ----------------------------------------------------------------------------------- */

double anet__ref_dot(const float *a, const float *b, size_t n)
{
  double sum = 0.0;
  for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
  return sum;
}

double anet__ref_distance(const float *a, const float *b, size_t n)
{
  double sum = 0.0;
  for (size_t i = 0; i < n; i++) {
    const double d = (double)a[i] - (double)b[i];
    sum += d * d;
  }
  return sum;
}

/* -- pixels and parameters ------------------------------------------------------------------ */

void anet__ref_from_bytes(float *y, const uint8_t *x, int32_t rows, int32_t channels,
                          const float *scale, const float *shift)
{
  for (int32_t r = 0; r < rows; r++, x += channels, y += channels)
    for (int32_t c = 0; c < channels; c++) y[c] = scale[c] * (float)x[c] + shift[c];
}

void anet__ref_sgd(const anet__sgd_args *a)
{
  for (size_t i = 0; i < a->n; i++) {
    const float g = a->grad[i] + a->decay * a->w[i];
    const float m = a->momentum_keep * a->momentum[i] + g;
    a->momentum[i] = m;
    a->w[i] -= a->rate * (a->nesterov ? g + a->momentum_keep * m : m);
  }
}

void anet__ref_adam(const anet__adam_args *a)
{
  for (size_t i = 0; i < a->n; i++) {
    const float g = a->grad[i];
    const float m = a->beta1 * a->mean[i] + (1.0f - a->beta1) * g;
    const float s = a->beta2 * a->square[i] + (1.0f - a->beta2) * g * g;
    const float step = (m / a->bias1) / (sqrtf(s / a->bias2) + a->epsilon);
    a->mean[i] = m;
    a->square[i] = s;
    a->w[i] -= a->rate * (step + a->decay * a->w[i]);
  }
}

const anet__kernels anet__kernels_ref = {.isa = ANET_ISA_REF,
                                         .lanes = 1,
                                         .rows = 1,
#define X(result, name, args) .name = anet__ref_##name,
                                         ANET_KERNEL_MAP(X)
#undef X
};
