/* Filters and fits against doubles at awkward sizes; what they write stays in what they asked for.
 */
#include "base/error.h"
#include "base/rng.h"
#include "image/fit.h"
#include "image/limits.h"
#include "support/fault.h"
#include "tensor/tensor.h"

/* ---- filters -------------------------------------------------------------------------------- */

static const int32_t sides[] = {1, 2, 3, 5, 7, 16, 31, 64, 97, 255};

/* The weight of source place i for output place `at`, by the contract: a triangle over the centre,
 * as wide as the scale where it shrinks, in doubles. */
static double triangle(int32_t at, int32_t out, int32_t in, int32_t i)
{
  const double scale = (double)in / out;
  return fmax(1 - fabs(i + 0.5 - (at + 0.5) * scale) / fmax(scale, 1), 0);
}

static void check_filter(const anet__filter *f, int32_t in, int32_t out)
{
  for (int32_t at = 0; at < out; at++) {
    double sum = 0, weights = 0;
    for (int32_t i = 0; i < in; i++) weights += triangle(at, out, in, i);
    const int32_t first = f->first[at];
    test_checks++;
    if (first < 0 || first + f->taps > in)
      TEST_FAIL("%d to %d: place %d reads %d .. %d", in, out, at, first, first + f->taps - 1);
    for (int32_t i = 0; i < in; i++) {
      const bool inside = i >= first && i < first + f->taps;
      const double got = inside ? (double)f->weight[at * f->taps + i - first] : 0;
      const double want = triangle(at, out, in, i) / weights;
      sum += got;
      if (fabs(got - want) > 1e-6)
        TEST_FAIL("%d to %d: weight of %d for %d is %g, want %g", in, out, i, at, got, want);
    }
    CHECK_NEAR(sum, 1, 1e-5);
  }
}

TEST(weights_are_a_triangle_of_sum_1)
{
  for (int i = 0; i < ANET_COUNT(sides); i++)
    for (int o = 0; o < ANET_COUNT(sides); o++) {
      const int32_t from[2] = {sides[i], sides[o]}, to[2] = {sides[o], sides[i]};
      anet__resampler r;
      CHECK_OK(anet__resampler_new(from, to, 2, &r));
      CHECK(r.rows.in == from[0] && r.rows.out == to[0] && r.columns.in == from[1]);
      check_filter(&r.rows, from[0], to[0]);
      check_filter(&r.columns, from[1], to[1]);
      CHECK_EQ_I(anet__resampler_scratch(&r), from[1] * 2);
      anet__resampler_free(&r);
      CHECK(!r.rows.weight && !r.rows.first && !r.columns.weight);
    }
}

TEST(sizes_are_checked)
{
  anet__resampler r;
  for (int32_t k = 0; k < 4; k++) {
    int32_t side[4] = {2, 3, 4, 5};
    char words[100];
    side[k] = 0;
    snprintf(words, sizeof words, "resize: from %d x %d to %d x %d, want at least 1 x 1", side[0],
             side[1], side[2], side[3]);
    CHECK_FAILS(anet__resampler_new(side, side + 2, 1, &r), ANET_RANGE, words);
    side[k] = 1;
    CHECK_OK(anet__resampler_new(side, side + 2, 1, &r));
    anet__resampler_free(&r);
  }
}

static anet_tensor *noise(anet_rng *rng, int32_t height, int32_t width, int32_t channels)
{
  const anet_shape shape = {3, {height, width, channels}};
  anet_tensor *image = NULL;
  CHECK_OK(anet_tensor_new(ANET_U8, &shape, &image));
  uint8_t *data = anet_tensor_data(image);
  for (int32_t i = 0; i < height * width * channels; i++)
    data[i] = (uint8_t)anet__rng_below(rng, 256);
  return image;
}

static double slow_pixel(const uint8_t *in, const int32_t *from, int32_t channels,
                         const int32_t *to, int32_t y, int32_t x, int32_t c)
{
  double sum = 0, weights = 0;
  for (int32_t i = 0; i < from[0]; i++)
    for (int32_t j = 0; j < from[1]; j++) {
      const double w = triangle(y, to[0], from[0], i) * triangle(x, to[1], from[1], j);
      sum += w * in[(i * from[1] + j) * channels + c];
      weights += w;
    }
  return sum / weights;
}

TEST(resizing_to_awkward_sizes)
{
  anet_rng rng;
  for (int32_t seed = 0; seed < 40; seed++) {
    anet_rng_seed(&rng, seed);
    const int32_t from[2] = {anet_rng_int(&rng, 1, 23), anet_rng_int(&rng, 1, 23)};
    const int32_t to[2] = {anet_rng_int(&rng, 1, 31), anet_rng_int(&rng, 1, 31)};
    const int32_t channels = 1 + seed % 4;
    anet_tensor *in = noise(&rng, from[0], from[1], channels), *out = NULL;
    CHECK_OK(anet_image_resize(in, to[0], to[1], &out));
    for (int32_t i = 0; i < to[0] * to[1] * channels; i++) {
      const int32_t y = i / channels / to[1], x = i / channels % to[1];
      const double want = slow_pixel(anet_tensor_data(in), from, channels, to, y, x, i % channels);
      const double got = ((uint8_t *)anet_tensor_data(out))[i];
      test_checks++;
      if (fabs(got - want) > 0.5 + 1e-3)
        TEST_FAIL("seed %d, (%d, %d): %g, want %g", seed, y, x, got, want);
    }
    anet_tensor_release(in), anet_tensor_release(out);
  }
}

TEST(what_is_resized_is_checked)
{
  anet_rng rng = {{1, 2, 3, 4}};
  anet_tensor *in = noise(&rng, 4, 3, 2), *out, *part, *flat;
  const int32_t side = ANET_IMAGE_SIDE;
  CHECK_OK(anet_image_resize(in, 1, side, &out));
  anet_tensor_release(out);
  CHECK_OK(anet_image_resize(in, side, 1, &out));
  anet_tensor_release(out);
  CHECK_FAILS(anet_image_resize(in, 1, side + 1, &out), ANET_RANGE,
              "resize: to 1 x 65537, want sides up to 65536, at most 67108864 pixels");
  CHECK_FAILS(anet_image_resize(in, side + 1, 1, &out), ANET_RANGE, "resize: to 65537 x 1, want");
  CHECK_FAILS(anet_image_resize(in, side, 1025, &out), ANET_RANGE, "resize: to 65536 x 1025, want");
  CHECK_OK(anet_tensor_view(in, (int32_t[]){0, 0, 1}, &(anet_shape){3, {4, 3, 1}}, &part));
  CHECK_FAILS(anet_image_resize(part, 2, 2, &out), ANET_STATE,
              "resize: the image is a view of some of its channels");
  anet_tensor_release(part);
  CHECK_OK(anet_tensor_reshape(in, &(anet_shape){2, {4, 6}}, &flat));
  CHECK_FAILS(anet_image_resize(flat, 2, 2, &out), ANET_SHAPE,
              "resize: u8 (4, 6), want u8 (height, width, channels)");
  anet_tensor_release(flat);
  CHECK_OK(anet_tensor_view(in, (int32_t[]){0, 0, 0}, &(anet_shape){3, {4, 3, 0}}, &part));
  CHECK_FAILS(anet_image_resize(part, 2, 2, &out), ANET_SHAPE, "resize: u8 (4, 3, 0), want u8");
  anet_tensor_release(part);
  CHECK_OK(anet_tensor_new(ANET_F32, &in->shape, &flat));
  CHECK_FAILS(anet_image_resize(flat, 2, 2, &out), ANET_SHAPE, "resize: f32 (4, 3, 2), want u8");
  CHECK(out == NULL);
  anet_tensor_release(flat), anet_tensor_release(in);
}

/* ---- fits ----------------------------------------------------------------------------------- */

enum { GUARD = 64 };

/* What a fit makes of one pixel's channels. */
static int32_t converted(const uint8_t *pixel, int32_t from, int32_t to, int32_t c)
{
  if (from == to) return pixel[c];
  if (from <= 2) return pixel[0];
  if (to == 1) return (77 * pixel[0] + 150 * pixel[1] + 29 * pixel[2] + 128) / 256;
  return pixel[c];
}

/* The fit by its contract: resized (by the function tested above), then channel by channel. */
static void check_fit(anet_rng *rng, int32_t from, int32_t to, const int32_t have[2],
                      const int32_t want[2])
{
  const anet_input input = {want[0], want[1], to, {0}, {1, 1, 1, 1}};
  anet_tensor *image = noise(rng, have[0], have[1], from), *resized;
  anet__fit fit;
  CHECK_OK(anet__fit_new(&image->shape, &input, &fit));
  const bool same = have[0] == want[0] && have[1] == want[1];
  CHECK_EQ_I(fit.resize, !same);
  CHECK_EQ_I(fit.scratch_bytes % ANET_ALIGN, 0);
  if (same && from == to) CHECK_EQ_I(fit.scratch_bytes, 0);
  uint8_t *scratch = anet__alloc(fit.scratch_bytes + 2 * GUARD);
  memset(scratch, 0xa5, fit.scratch_bytes + 2 * GUARD);
  const uint8_t *out = anet__fit_run(&fit, anet_tensor_data(image), scratch + GUARD);
  for (size_t i = 0; i < GUARD; i++)
    CHECK(scratch[i] == 0xa5 && scratch[GUARD + fit.scratch_bytes + i] == 0xa5);
  if (same && from == to) CHECK(out == anet_tensor_data(image));
  CHECK_OK(anet_image_resize(image, want[0], want[1], &resized));
  const uint8_t *pixel = anet_tensor_data(resized);
  for (int32_t i = 0; i < want[0] * want[1] * to; i++) {
    const int32_t expected = converted(pixel + i / to * from, from, to, i % to);
    test_checks++;
    if (out[i] != expected)
      TEST_FAIL("%d to %d channels, byte %d: %d, want %d", from, to, i, out[i], expected);
  }
  anet_tensor_release(resized), anet_tensor_release(image);
  anet__free(scratch);
  anet__fit_free(&fit);
}

TEST(every_kind_of_image_is_fitted)
{
  static const int32_t size[][2] = {{5, 7}, {5, 9}, {6, 7}, {11, 3}};
  anet_rng rng = {{1, 2, 3, 4}};
  for (int32_t from = 1; from <= 4; from++)
    for (int32_t to = 1; to <= 4; to++)
      for (int k = 0; k < ANET_COUNT(size); k++)
        if (to == from || to == 1 || to == 3) check_fit(&rng, from, to, size[0], size[k]);
}

TEST(channels_that_cannot_be_made)
{
  anet__fit fit;
  for (int32_t from = 1; from <= 4; from++)
    for (int32_t to = 2; to <= 4; to += 2) {
      if (from == to) continue;
      char words[100];
      const anet_input input = {3, 3, to, {0}, {1, 1, 1, 1}};
      snprintf(words, sizeof words, "input: %d channels cannot be made of images with %d", to,
               from);
      CHECK_FAILS(anet__fit_new(&(anet_shape){4, {9, 3, 3, from}}, &input, &fit), ANET_SHAPE,
                  words);
    }
}

static int make_fit(void *context)
{
  const anet_input input = {3, 4, 1, {0}, {1, 1, 1, 1}};
  anet__fit fit;
  (void)context;
  ANET_TRY(anet__fit_new(&(anet_shape){4, {9, 5, 6, 3}}, &input, &fit));
  anet__fit_free(&fit);
  return ANET_OK;
}

TEST(allocations)
{
  test_each_allocation(make_fit, NULL);
}

TEST_MAIN(CASE(weights_are_a_triangle_of_sum_1), CASE(sizes_are_checked),
          CASE(resizing_to_awkward_sizes), CASE(what_is_resized_is_checked),
          CASE(every_kind_of_image_is_fitted), CASE(channels_that_cannot_be_made),
          CASE(allocations))
