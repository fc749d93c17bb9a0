#include "image/augment.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "image/limits.h"
#include "kernel/kernel.h"

/* ---- what is asked for -------------------------------------------------------------------- */

int anet__input_normal(const anet_input *input, anet__normal *out)
{
  if (input->height < 1 || input->width < 1 || input->height > ANET_IMAGE_SIDE ||
      input->width > ANET_IMAGE_SIDE || (int64_t)input->height * input->width > ANET_IMAGE_PIXELS)
    return anet_fail(ANET_RANGE, "input: %d x %d pixels, want sides 1 .. %d, at most %d pixels",
                     input->height, input->width, ANET_IMAGE_SIDE, ANET_IMAGE_PIXELS);
  if (input->channels < 1 || input->channels > 4)
    return anet_fail(ANET_RANGE, "input: %d channels, want 1 .. 4", input->channels);
  for (int32_t c = 0; c < input->channels; c++) {
    const float mean = input->mean[c], deviation = input->deviation[c];
    if (!(deviation > 0) || !isfinite(deviation) || !isfinite(mean))
      return anet_fail(ANET_RANGE, "input: channel %d has mean %g, deviation %g, want more than 0",
                       c, (double)mean, (double)deviation);
    out->scale[c] = (float)(1 / (255.0 * deviation));
    out->shift[c] = (float)(-(double)mean / deviation);
  }
  return ANET_OK;
}

int anet__augment_check(const anet_augment *augment)
{
  enum { MOST = 1 << 16 };
  if (augment->pad < 0 || augment->pad > MOST || augment->cutout < 0 || augment->cutout > MOST)
    return anet_fail(ANET_RANGE, "augment: pad %d, cutout %d, want 0 .. %d", augment->pad,
                     augment->cutout, MOST);
  if (augment->mixup != 0 && !(augment->mixup >= 0.01F && augment->mixup <= 100))
    return anet_fail(ANET_RANGE, "augment: mixup %g, want 0 or 0.01 .. 100",
                     (double)augment->mixup);
  return ANET_OK;
}

/* ---- drawing ------------------------------------------------------------------------------ */

void anet__change_draw(const anet_augment *augment, const anet_input *input, anet_rng *rng,
                       anet__change *out)
{
  *out = (anet__change){.cut = augment->cutout};
  if (augment->pad) {
    out->shift_y = anet_rng_int(rng, -augment->pad, augment->pad);
    out->shift_x = anet_rng_int(rng, -augment->pad, augment->pad);
  }
  if (augment->flip) out->flip = anet__rng_below(rng, 2);
  if (augment->cutout) { /* its centre is inside the image */
    out->cut_y = (int32_t)anet__rng_below(rng, (uint32_t)input->height) - augment->cutout / 2;
    out->cut_x = (int32_t)anet__rng_below(rng, (uint32_t)input->width) - augment->cutout / 2;
  }
}

/* Gamma(alpha, 1) for alpha >= 1 (Marsaglia & Tsang 2000). */
static double draw_gamma(double alpha, anet_rng *rng)
{
  const double d = alpha - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    const double x = (double)anet__rng_normal(rng), v = pow(1 + c * x, 3);
    const double u = 1 - anet_rng_uniform(rng); /* not 0 */
    if (v > 0 && log(u) < x * x / 2 + d - d * v + d * log(v)) return d * v;
  }
}

/* Beta(alpha, alpha) for alpha < 1 (Johnk 1964), in logarithms since u^(1/alpha) may vanish. */
static double draw_small_beta(double alpha, anet_rng *rng)
{
  for (;;) {
    const double x = log(1 - anet_rng_uniform(rng)) / alpha;
    const double y = log(1 - anet_rng_uniform(rng)) / alpha;
    const double most = fmax(x, y), sum = most + log(exp(x - most) + exp(y - most));
    if (sum <= 0) return exp(x - sum);
  }
}

float anet__mixup_draw(float alpha, anet_rng *rng)
{
  if (alpha < 1) return (float)draw_small_beta((double)alpha, rng);
  const double a = draw_gamma((double)alpha, rng), b = draw_gamma((double)alpha, rng);
  return (float)(a / (a + b));
}

/* ---- applying ----------------------------------------------------------------------------- */

/* Rows [begin, end) of a size that are inside after a shift. */
static void inside(int32_t size, int32_t shift, int32_t *begin, int32_t *end)
{
  *begin = ANET_MIN(ANET_MAX(-shift, 0), size);
  *end = ANET_MAX(ANET_MIN(size - shift, size), *begin);
}

static void clear_pixels(float *out, const anet_input *input, int32_t y, int32_t begin, int32_t end)
{
  const size_t channels = (size_t)input->channels;
  float *row = out + (size_t)y * (size_t)input->width * channels;
  memset(row + (size_t)begin * channels, 0, (size_t)(end - begin) * channels * sizeof *row);
}

/* Rows of image and output are as long as each other and without gaps, so a shift in two dimensions
 * is one flat shift; what it brings from neighbouring rows is cleared with the rest. */
static void shift_and_scale(const anet__change *change, const anet_input *input,
                            const anet__normal *normal, const uint8_t *image, float *out)
{
  const int32_t width = input->width, channels = input->channels;
  int32_t top, bottom, left, right;
  inside(input->height, change->shift_y, &top, &bottom);
  inside(width, change->shift_x, &left, &right);
  if (top < bottom && left < right) {
    const int32_t to = top * width + left, pixels = (bottom - 1 - top) * width + right - left;
    const int64_t from = to + (int64_t)change->shift_y * width + change->shift_x;
    anet__kernels_best()->from_bytes(out + (int64_t)to * channels, image + from * channels, pixels,
                                     channels, normal->scale, normal->shift);
  }
  for (int32_t y = 0; y < input->height; y++) {
    const bool row_inside = y >= top && y < bottom;
    clear_pixels(out, input, y, 0, row_inside ? left : width);
    if (row_inside) clear_pixels(out, input, y, right, width);
  }
}

static void mirror_row(float *row, int32_t width, int32_t channels)
{
  for (int32_t x = 0, z = width - 1; x < z; x++, z--)
    for (int32_t c = 0; c < channels; c++) {
      const float keep = row[x * channels + c];
      row[x * channels + c] = row[z * channels + c];
      row[z * channels + c] = keep;
    }
}

void anet__change_apply(const anet__change *change, const anet_input *input,
                        const anet__normal *normal, const uint8_t *image, float *out)
{
  const int32_t height = input->height, width = input->width;
  shift_and_scale(change, input, normal, image, out);
  if (change->flip)
    for (int32_t y = 0; y < height; y++)
      mirror_row(out + (size_t)y * (size_t)(width * input->channels), width, input->channels);
  if (change->cut == 0) return;
  const int32_t left = ANET_MAX(change->cut_x, 0),
                right = ANET_MIN(change->cut_x + change->cut, width);
  const int32_t bottom = ANET_MIN(change->cut_y + change->cut, height);
  for (int32_t y = ANET_MAX(change->cut_y, 0); y < bottom; y++)
    if (left < right) clear_pixels(out, input, y, left, right);
}
