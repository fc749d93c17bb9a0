#include "image/fit.h"

#include <string.h>

#include "base/error.h"

int anet__fit_new(const anet_shape *from, const anet_input *to, anet__fit *out)
{
  const int32_t *dim = from->dim + from->rank - 3;
  const int32_t have[2] = {dim[0], dim[1]}, want[2] = {to->height, to->width};
  const size_t pixels = (size_t)to->height * (size_t)to->width;
  *out = (anet__fit){.height = to->height,
                     .width = to->width,
                     .from = dim[2],
                     .to = to->channels,
                     .source_width = dim[1]};
  if (out->from != out->to && out->to != 1 && out->to != 3)
    return anet_fail(ANET_SHAPE, "input: %d channels cannot be made of images with %d", out->to,
                     out->from);
  if (have[0] != want[0] || have[1] != want[1]) {
    out->resize = true;
    ANET_TRY(anet__resampler_new(have, want, out->from, &out->resampler));
    out->scratch_bytes += anet__resampler_scratch(&out->resampler) * sizeof(float);
    out->scratch_bytes += pixels * (size_t)out->from;
  }
  if (out->from != out->to) out->scratch_bytes += pixels * (size_t)out->to;
  out->scratch_bytes += (ANET_ALIGN - out->scratch_bytes % ANET_ALIGN) % ANET_ALIGN;
  return ANET_OK;
}

void anet__fit_free(anet__fit *fit)
{
  anet__resampler_free(&fit->resampler);
}

/* Grey becomes equal colours, colours become grey by their luma (BT.601), alpha is dropped. */
static void convert_channels(const uint8_t *in, int32_t from, uint8_t *out, int32_t to,
                             size_t pixels)
{
  for (size_t i = 0; i < pixels; i++, in += from, out += to) {
    if (from <= 2) {
      memset(out, in[0], (size_t)to);
    } else if (to == 1) {
      out[0] = (uint8_t)((77 * in[0] + 150 * in[1] + 29 * in[2] + 128) >> 8);
    } else {
      memcpy(out, in, (size_t)to);
    }
  }
}

const uint8_t *anet__fit_run(const anet__fit *fit, const uint8_t *image, void *scratch)
{
  const size_t pixels = (size_t)fit->height * (size_t)fit->width;
  uint8_t *free_bytes = scratch;
  if (fit->resize) {
    uint8_t *resized = free_bytes + anet__resampler_scratch(&fit->resampler) * sizeof(float);
    anet__resampler_run(&fit->resampler, image, (int64_t)fit->source_width * fit->from, scratch,
                        resized);
    image = resized;
    free_bytes = resized + pixels * (size_t)fit->from;
  }
  if (fit->from == fit->to) return image;
  convert_channels(image, fit->from, free_bytes, fit->to, pixels);
  return free_bytes;
}
