/* How images become a model's input, in a bundle: the text "input". */
#include <float.h>

#include "base/error.h"
#include "base/json.h"
#include "bundle/bundle.h"

enum { MOST_CHANNELS = 4, MOST_SIDE = 1 << 16 };

static json_t *floats_json(const float *values, int32_t count)
{
  json_t *array = json_array();
  for (int32_t i = 0; i < count; i++) array = anet__json_push(array, json_real((double)values[i]));
  return array;
}

int anet_bundle_set_input(anet_bundle *bundle, const anet_input *input)
{
  if (input->channels < 1 || input->channels > MOST_CHANNELS)
    return anet_fail(ANET_RANGE, "input: %d channels, want 1 to %d", input->channels,
                     MOST_CHANNELS);
  return anet__bundle_set_json(bundle, "input",
                               json_pack("{s:i, s:i, s:i, s:o, s:o}", "height", (int)input->height,
                                         "width", (int)input->width, "channels",
                                         (int)input->channels, "mean",
                                         floats_json(input->mean, input->channels), "deviation",
                                         floats_json(input->deviation, input->channels)));
}

static int read_floats(const json_t *json, const char *key, int32_t count, float *out)
{
  double value[MOST_CHANNELS];
  ANET_TRY(anet__json_numbers(json, key, -FLT_MAX, count, value));
  for (int32_t i = 0; i < count; i++) {
    if (value[i] > FLT_MAX)
      return anet_fail(ANET_FORMAT, "input: %g in '%s', want a float", value[i], key);
    out[i] = (float)value[i];
  }
  return ANET_OK;
}

static int read_input(const json_t *json, anet_input *out)
{
  int64_t height, width, channels;
  ANET_TRY(anet__json_int(json, "height", 1, MOST_SIDE, &height));
  ANET_TRY(anet__json_int(json, "width", 1, MOST_SIDE, &width));
  ANET_TRY(anet__json_int(json, "channels", 1, MOST_CHANNELS, &channels));
  *out = (anet_input){
      .height = (int32_t)height, .width = (int32_t)width, .channels = (int32_t)channels};
  ANET_TRY(read_floats(json, "mean", out->channels, out->mean));
  ANET_TRY(read_floats(json, "deviation", out->channels, out->deviation));
  for (int32_t c = 0; c < out->channels; c++)
    if (!(out->deviation[c] > 0))
      return anet_fail(ANET_FORMAT, "input: deviation %g of channel %d, want more than 0",
                       (double)out->deviation[c], c);
  return ANET_OK;
}

int anet_bundle_input(const anet_bundle *bundle, anet_input *out)
{
  json_t *json = NULL;
  *out = (anet_input){0};
  ANET_TRY(anet__bundle_json(bundle, "input", &json));
  const int rc = read_input(json, out);
  json_decref(json);
  return rc;
}
