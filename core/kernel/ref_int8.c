/* The specification of the kernels on whole numbers. */
#include <math.h>
#include <string.h>

#include "kernel/int8.h"

static float clamp(float v, float low, float high)
{
  return fminf(fmaxf(v, low), high);
}

static uint8_t to_byte(float levels)
{
  return (uint8_t)clamp(rintf(levels), 0.0F, 255.0F);
}

static void finish(void *out, size_t at, int32_t sum, const anet__int8_post *post, size_t row,
                   int32_t c)
{
  const float add = post->add ? post->add_scale * post->add[row * post->add_ld + (size_t)c] : 0.0F;
  const float y = clamp(post->scale[c] * (float)sum + post->shift[c] + add, post->low, post->high);
  if (post->bytes)
    ((uint8_t *)out)[at] = to_byte(y);
  else
    ((float *)out)[at] = y;
}

/* Here packed weights are as they come. */
size_t anet__ref_int8_conv_pack_size(int32_t taps, int32_t cin, int32_t cout)
{
  return (size_t)taps * (size_t)cin * (size_t)cout;
}

void anet__ref_int8_conv_pack(int8_t *packed, const int8_t *w, int32_t taps, int32_t cin,
                              int32_t cout)
{
  memcpy(packed, w, anet__ref_int8_conv_pack_size(taps, cin, cout));
}

void anet__ref_int8_conv(const anet__int8_conv_args *a)
{
  for (size_t r = 0; r < (size_t)a->rows; r++)
    for (int32_t o = 0; o < a->cout; o++) {
      const int8_t *w = a->packed + o;
      int32_t sum = 0;
      for (int32_t t = 0; t < a->taps; t++)
        for (int32_t i = 0; i < a->cin; i++, w += a->cout)
          sum += a->tap[r * (size_t)a->taps + (size_t)t][i] * *w;
      finish(a->out, r * a->out_ld + (size_t)o, sum, &a->post, r, o);
    }
}

size_t anet__ref_int8_depthwise_pack_size(int32_t rows, int32_t columns, int32_t channels)
{
  return (size_t)rows * (size_t)columns * (size_t)channels;
}

void anet__ref_int8_depthwise_pack(int8_t *packed, const int8_t *w, int32_t rows, int32_t columns,
                                   int32_t channels)
{
  memcpy(packed, w, anet__ref_int8_depthwise_pack_size(rows, columns, channels));
}

void anet__ref_int8_depthwise(const anet__int8_depthwise_args *a)
{
  const size_t channels = (size_t)a->channels;
  for (int32_t x = 0; x < a->pixels; x++)
    for (size_t c = 0; c < channels; c++) {
      const int8_t *w = a->packed + c;
      int32_t sum = 0;
      for (int32_t ky = 0; ky < a->kernel[0]; ky++)
        for (int32_t kx = 0; kx < a->kernel[1]; kx++, w += channels) {
          const int32_t at = x * a->stride + a->offset + kx * a->step;
          const bool there = a->line[ky] && at >= 0 && at < a->columns;
          sum += (there ? a->line[ky][(size_t)at * channels + c] : a->zero) * *w;
        }
      finish(a->out, (size_t)x * channels + c, sum, &a->post, (size_t)x, (int32_t)c);
    }
}

void anet__ref_int8_quantize(uint8_t *y, const float *x, size_t n, float levels, float zero)
{
  for (size_t i = 0; i < n; i++) y[i] = to_byte(levels * x[i] + zero);
}
