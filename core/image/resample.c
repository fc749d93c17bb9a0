#include "image/resample.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "image/limits.h"
#include "tensor/tensor.h"

/* ---- filters ------------------------------------------------------------------------------ */

/* The weights of output place `i`: a triangle over its centre, cut at the edges, of sum 1. */
static void set_taps(anet__filter *filter, int32_t i, double scale, double reach)
{
  const double centre = (i + 0.5) * scale;
  const int32_t low = ANET_MAX((int32_t)floor(centre - reach + 0.5), 0);
  const int32_t first = ANET_MIN(low, filter->in - filter->taps);
  float *weight = filter->weight + (size_t)i * (size_t)filter->taps;
  double sum = 0;
  for (int32_t t = 0; t < filter->taps; t++)
    sum += fmax(1 - fabs(first + t + 0.5 - centre) / reach, 0);
  for (int32_t t = 0; t < filter->taps; t++)
    weight[t] = (float)(fmax(1 - fabs(first + t + 0.5 - centre) / reach, 0) / sum);
  filter->first[i] = first;
}

static int filter_new(int32_t in, int32_t out, anet__filter *filter)
{
  const double scale = (double)in / out, reach = fmax(scale, 1);
  const int32_t taps = (int32_t)fmin(2 * ceil(reach) + 1, in);
  *filter = (anet__filter){.in = in, .out = out, .taps = taps};
  filter->first = anet__alloc_array((size_t)out, sizeof(int32_t));
  filter->weight = anet__alloc_array((size_t)out * (size_t)taps, sizeof(float));
  if (!filter->first || !filter->weight) return ANET_NOMEM;
  for (int32_t i = 0; i < out; i++) set_taps(filter, i, scale, reach);
  return ANET_OK;
}

static void filter_free(anet__filter *filter)
{
  anet__free(filter->first);
  anet__free(filter->weight);
  *filter = (anet__filter){0};
}

int anet__resampler_new(const int32_t from[2], const int32_t to[2], int32_t channels,
                        anet__resampler *out)
{
  *out = (anet__resampler){.channels = channels};
  if (from[0] < 1 || from[1] < 1 || to[0] < 1 || to[1] < 1)
    return anet_fail(ANET_RANGE, "resize: from %d x %d to %d x %d, want at least 1 x 1", from[0],
                     from[1], to[0], to[1]);
  int rc = filter_new(from[0], to[0], &out->rows);
  if (!rc) rc = filter_new(from[1], to[1], &out->columns);
  if (rc) anet__resampler_free(out);
  return rc;
}

void anet__resampler_free(anet__resampler *resampler)
{
  filter_free(&resampler->rows);
  filter_free(&resampler->columns);
}

/* ---- running ------------------------------------------------------------------------------ */

size_t anet__resampler_scratch(const anet__resampler *resampler)
{
  return (size_t)resampler->columns.in * (size_t)resampler->channels;
}

/* mix[k] = output row `y` before its columns are scaled. */
static void mix_rows(const anet__resampler *r, const uint8_t *in, int64_t in_stride, int32_t y,
                     float *mix)
{
  const int32_t width = r->columns.in * r->channels, taps = r->rows.taps;
  memset(mix, 0, (size_t)width * sizeof *mix);
  for (int32_t t = 0; t < taps; t++) {
    const float weight = r->rows.weight[(size_t)y * (size_t)taps + (size_t)t];
    const uint8_t *row = in + (r->rows.first[y] + t) * in_stride;
    if (weight == 0) continue;
    for (int32_t k = 0; k < width; k++) mix[k] += weight * (float)row[k];
  }
}

static void mix_columns(const anet__resampler *r, const float *mix, uint8_t *out)
{
  const int32_t channels = r->channels, taps = r->columns.taps;
  const float *weight = r->columns.weight;
  for (int32_t x = 0; x < r->columns.out; x++, weight += taps) {
    const float *from = mix + (size_t)r->columns.first[x] * (size_t)channels;
    for (int32_t c = 0; c < channels; c++) {
      float sum = 0.5F; /* weights sum to 1: no clamp is needed below 256 */
      for (int32_t t = 0; t < taps; t++) sum += weight[t] * from[t * channels + c];
      *out++ = (uint8_t)ANET_MIN(sum, 255);
    }
  }
}

void anet__resampler_run(const anet__resampler *resampler, const uint8_t *in, int64_t in_stride,
                         float *scratch, uint8_t *out)
{
  const size_t row = (size_t)resampler->columns.out * (size_t)resampler->channels;
  for (int32_t y = 0; y < resampler->rows.out; y++, out += row) {
    mix_rows(resampler, in, in_stride, y, scratch);
    mix_columns(resampler, scratch, out);
  }
}

/* ---- tensors ------------------------------------------------------------------------------ */

/* A view may have gaps between rows, not within one. */
static int check_image(const anet_tensor *image, int32_t height, int32_t width)
{
  char text[ANET_SHAPE_TEXT];
  const int32_t *dim = image->shape.dim;
  if (image->type != ANET_U8 || image->shape.rank != 3 || dim[2] < 1)
    return anet_fail(ANET_SHAPE, "resize: %s %s, want u8 (height, width, channels)",
                     anet__type_name(image->type), anet__shape_text(&image->shape, text));
  if (image->stride[1] != dim[2])
    return anet_fail(ANET_STATE, "resize: the image is a view of some of its channels");
  if (height > ANET_IMAGE_SIDE || width > ANET_IMAGE_SIDE ||
      (int64_t)height * width > ANET_IMAGE_PIXELS)
    return anet_fail(ANET_RANGE, "resize: to %d x %d, want sides up to %d, at most %d pixels",
                     height, width, ANET_IMAGE_SIDE, ANET_IMAGE_PIXELS);
  return ANET_OK;
}

static int resize(const anet__resampler *resampler, const anet_tensor *image, anet_tensor **out)
{
  const anet_shape shape = {3, {resampler->rows.out, resampler->columns.out, resampler->channels}};
  float *scratch = anet__alloc_array(anet__resampler_scratch(resampler), sizeof *scratch);
  if (!scratch) return ANET_NOMEM;
  const int rc = anet_tensor_new(ANET_U8, &shape, out);
  const uint8_t *in = (const uint8_t *)image->storage->data + image->offset;
  if (!rc) anet__resampler_run(resampler, in, image->stride[0], scratch, anet_tensor_data(*out));
  anet__free(scratch);
  return rc;
}

int anet_image_resize(const anet_tensor *image, int32_t height, int32_t width, anet_tensor **out)
{
  anet__resampler resampler;
  *out = NULL;
  ANET_TRY(check_image(image, height, width));
  const int32_t *dim = image->shape.dim, to[2] = {height, width};
  ANET_TRY(anet__resampler_new(dim, to, dim[2], &resampler));
  const int rc = resize(&resampler, image, out);
  anet__resampler_free(&resampler);
  return rc;
}
