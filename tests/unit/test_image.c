#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "image/augment.h"
#include "image/fit.h"
#include "image/resample.h"
#include "support/fault.h"
#include "support/scratch.h"
#include "tensor/tensor.h"

enum { SEED = 11 };

/* Random bytes (height, width, channels). */
static anet_tensor *noise(int32_t height, int32_t width, int32_t channels)
{
  const anet_shape shape = {3, {height, width, channels}};
  anet_tensor *image = NULL;
  anet_rng rng;
  anet_rng_seed(&rng, SEED);
  CHECK_OK(anet_tensor_new(ANET_U8, &shape, &image));
  uint8_t *data = anet_tensor_data(image);
  for (int32_t i = 0; i < height * width * channels; i++)
    data[i] = (uint8_t)anet__rng_below(&rng, 256);
  return image;
}

static bool same_pixels(anet_tensor *a, anet_tensor *b)
{
  return anet__shape_equal(&a->shape, &b->shape) && anet_tensor_dense(a) && anet_tensor_dense(b) &&
         memcmp(anet_tensor_data(a), anet_tensor_data(b), (size_t)anet_tensor_count(a)) == 0;
}

/* ---- files -------------------------------------------------------------------------------- */

TEST(png_comes_back_bit_for_bit)
{
  char folder[SCRATCH_PATH], path[SCRATCH_PATH];
  test_scratch_new(folder);
  test_scratch_path(folder, "image.png", path);
  for (int32_t channels = 1; channels <= 3; channels += 2)
    for (int32_t width = 1; width < 40; width += 19) {
      anet_tensor *image = noise(7, width, channels), *back = NULL;
      CHECK_OK(anet_image_save(image, path));
      CHECK_OK(anet_image_load(path, channels, &back));
      CHECK(same_pixels(image, back));
      anet_tensor_release(image);
      anet_tensor_release(back);
    }
  test_scratch_remove(folder);
}

TEST(png_of_a_view_or_with_alpha)
{
  char folder[SCRATCH_PATH], path[SCRATCH_PATH];
  test_scratch_new(folder);
  test_scratch_path(folder, "image.png", path);
  anet_tensor *image = noise(9, 8, 4), *view, *colours, *dense, *back;
  const int32_t begin[3] = {2, 1, 0};
  const anet_shape window = {3, {5, 6, 4}}, without_alpha = {3, {5, 6, 3}};
  CHECK_OK(anet_tensor_view(image, begin, &window, &view));
  CHECK_OK(anet_tensor_view(image, begin, &without_alpha, &colours));
  CHECK_OK(anet_tensor_new(ANET_U8, &without_alpha, &dense));
  CHECK_OK(anet_tensor_copy(dense, colours));
  CHECK_OK(anet_image_save(colours, path));
  CHECK_OK(anet_image_load(path, 3, &back));
  CHECK(same_pixels(dense, back));
  anet_tensor_release(back);
  CHECK_OK(anet_image_save(view, path)); /* alpha is dropped on the way in */
  CHECK_OK(anet_image_load(path, 3, &back));
  CHECK(same_pixels(dense, back));
  anet_tensor_release(back), anet_tensor_release(dense), anet_tensor_release(colours);
  anet_tensor_release(view), anet_tensor_release(image);
  test_scratch_remove(folder);
}

TEST(pnm_is_read_and_greyed)
{
  static const char file[] = "P6 2 1 255\n\x0a\x14\x1e\xff\xff\xff";
  anet_tensor *image;
  CHECK_OK(anet_image_decode(file, sizeof file - 1, 3, &image));
  CHECK(image->shape.dim[0] == 1 && image->shape.dim[1] == 2);
  CHECK(memcmp(anet_tensor_data(image), file + 11, 6) == 0);
  anet_tensor_release(image);
  CHECK_OK(anet_image_decode(file, sizeof file - 1, 1, &image));
  CHECK_NEAR(anet_tensor_get(image, (int32_t[]){0, 0, 0}), 18, 1);
  CHECK_EQ_I(anet_tensor_get(image, (int32_t[]){0, 1, 0}), 255);
  anet_tensor_release(image);
}

TEST(bad_images_are_named)
{
  char folder[SCRATCH_PATH], path[SCRATCH_PATH];
  anet_tensor *image;
  test_scratch_new(folder);
  CHECK_FAILS(anet_image_load("no/such.png", 3, &image), ANET_IO, "no/such.png");
  CHECK_FAILS(anet_image_decode("", 0, 3, &image), ANET_FORMAT, "image");
  CHECK_FAILS(anet_image_decode("hello, world", 12, 3, &image), ANET_FORMAT, "image");
  CHECK_FAILS(anet_image_decode("P6 1 1 255\n", 11, 2, &image), ANET_RANGE, "2 channels");
  CHECK_FAILS(anet_image_decode("P6 1 1 255\n", -1, 3, &image), ANET_RANGE, "-1 bytes");
  CHECK_FAILS(anet_image_decode("P6 1 1 255\n", NAN, 3, &image), ANET_RANGE, "bytes");
  CHECK_FAILS(anet_image_decode("P6 9000 9000 255\n", 17, 3, &image), ANET_RANGE, "9000 x 9000");
  CHECK_FAILS(anet_image_decode("P6 900000 2 255\n", 16, 3, &image), ANET_RANGE, "900000");
  test_scratch_write(folder, "bad.png", "hello", 5);
  test_scratch_path(folder, "bad.png", path);
  CHECK_FAILS(anet_image_load(path, 3, &image), ANET_FORMAT, path);
  CHECK(image == NULL);

  anet_tensor *two = noise(3, 3, 2), *floats;
  CHECK_OK(anet_tensor_new(ANET_F32, &two->shape, &floats));
  CHECK_FAILS(anet_image_save(two, path), ANET_SHAPE, "u8 (3, 3, 2)");
  CHECK_FAILS(anet_image_save(floats, path), ANET_SHAPE, "f32");
  anet_tensor_release(floats), anet_tensor_release(two);
  image = noise(3, 3, 1);
  CHECK_FAILS(anet_image_save(image, "no/such/folder.png"), ANET_IO, "no/such/folder.png");
  anet_tensor_release(image);
  test_scratch_remove(folder);
}

/* Cut anywhere or with any byte changed, a file is an image or an error, and leaves no memory. */
TEST(damaged_png_is_survived)
{
  char folder[SCRATCH_PATH], path[SCRATCH_PATH], *bytes;
  size_t count;
  test_scratch_new(folder);
  test_scratch_path(folder, "image.png", path);
  anet_tensor *image = noise(6, 5, 3), *back;
  CHECK_OK(anet_image_save(image, path));
  CHECK_OK(anet__file_read(path, 1 << 16, &bytes, &count));
  anet_memory before, after;
  anet_memory_read(&before);
  for (size_t i = 0; i < count; i++) {
    if (anet_image_decode(bytes, (double)i, 3, &back) == ANET_OK) anet_tensor_release(back);
    bytes[i] ^= 0x55;
    if (anet_image_decode(bytes, (double)count, 3, &back) == ANET_OK) anet_tensor_release(back);
    bytes[i] ^= 0x55;
  }
  anet_memory_read(&after);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
  anet__free(bytes);
  anet_tensor_release(image);
  test_scratch_remove(folder);
}

typedef struct files {
  char path[SCRATCH_PATH];
  anet_tensor *image;
} files;

static int save_load_resize(void *context)
{
  const files *f = context;
  anet_tensor *back = NULL, *small = NULL;
  int rc = anet_image_save(f->image, f->path);
  if (!rc) rc = anet_image_load(f->path, 3, &back);
  if (!rc) rc = anet_image_resize(back, 3, 4, &small);
  anet_tensor_release(small);
  anet_tensor_release(back);
  return rc;
}

TEST(images_survive_lack_of_memory)
{
  char folder[SCRATCH_PATH];
  files f = {.image = noise(6, 5, 3)};
  test_scratch_new(folder);
  test_scratch_path(folder, "image.png", f.path);
  test_each_allocation(save_load_resize, &f);
  anet_tensor_release(f.image);
  test_scratch_remove(folder);
}

/* ---- resampling --------------------------------------------------------------------------- */

/* The contract in one place: a triangle over the centre of the output pixel in each direction. */
static double triangle(int32_t at, int32_t out, int32_t in, int32_t i)
{
  const double scale = (double)in / out, reach = fmax(scale, 1);
  return fmax(1 - fabs(i + 0.5 - (at + 0.5) * scale) / reach, 0);
}

static double slow_pixel(anet_tensor *in, const anet_shape *out, int32_t y, int32_t x, int32_t c)
{
  double sum = 0, weights = 0;
  for (int32_t i = 0; i < in->shape.dim[0]; i++)
    for (int32_t j = 0; j < in->shape.dim[1]; j++) {
      const double w = triangle(y, out->dim[0], in->shape.dim[0], i) *
                       triangle(x, out->dim[1], in->shape.dim[1], j);
      sum += w * anet_tensor_get(in, (int32_t[]){i, j, c});
      weights += w;
    }
  return sum / weights;
}

static void check_resize(anet_tensor *in, int32_t height, int32_t width)
{
  anet_tensor *out = NULL;
  CHECK_OK(anet_image_resize(in, height, width, &out));
  for (int32_t y = 0; y < height; y++)
    for (int32_t x = 0; x < width; x++)
      for (int32_t c = 0; c < in->shape.dim[2]; c++) {
        const double got = anet_tensor_get(out, (int32_t[]){y, x, c});
        const double want = slow_pixel(in, &out->shape, y, x, c);
        test_checks++;
        if (!(fabs(got - want) <= 0.501))
          TEST_FAIL("%d x %d to %d x %d at (%d, %d, %d): %g, want %g", in->shape.dim[0],
                    in->shape.dim[1], height, width, y, x, c, got, want);
      }
  anet_tensor_release(out);
}

TEST(resize_is_a_triangle_filter)
{
  static const int32_t size[] = {1, 2, 3, 7, 12, 20};
  for (int32_t channels = 1; channels <= 4; channels += 3) {
    anet_tensor *in = noise(12, 7, channels);
    for (int h = 0; h < ANET_COUNT(size); h++)
      for (int w = 0; w < ANET_COUNT(size); w++) check_resize(in, size[h], size[w]);
    anet_tensor_release(in);
  }
  anet_tensor *dot = noise(1, 1, 3);
  check_resize(dot, 5, 4);
  anet_tensor_release(dot);
}

TEST(resize_to_its_own_size_changes_nothing)
{
  anet_tensor *in = noise(13, 17, 3), *out;
  CHECK_OK(anet_image_resize(in, 13, 17, &out));
  CHECK(same_pixels(in, out));
  anet_tensor_release(out);
  memset(anet_tensor_data(in), 255, 13 * 17 * 3); /* white stays white */
  CHECK_OK(anet_image_resize(in, 5, 40, &out));
  const uint8_t *data = anet_tensor_data(out);
  for (int32_t i = 0; i < 5 * 40 * 3; i++)
    if (data[i] != 255) TEST_FAIL("white became %d at %d", data[i], i);
  anet_tensor_release(out);
  anet_tensor_release(in);
}

TEST(resize_reads_windows_of_images)
{
  anet_tensor *base = noise(12, 10, 3), *window, *dense, *a, *b;
  const int32_t begin[3] = {3, 2, 0};
  const anet_shape size = {3, {6, 7, 3}}, red = {3, {6, 7, 1}};
  CHECK_OK(anet_tensor_view(base, begin, &size, &window));
  CHECK_OK(anet_tensor_new(ANET_U8, &size, &dense));
  CHECK_OK(anet_tensor_copy(dense, window));
  CHECK_OK(anet_image_resize(window, 4, 9, &a));
  CHECK_OK(anet_image_resize(dense, 4, 9, &b));
  CHECK(same_pixels(a, b));
  anet_tensor_release(a), anet_tensor_release(b);
  anet_tensor_release(dense), anet_tensor_release(window);
  CHECK_OK(anet_tensor_view(base, begin, &red, &window));
  CHECK_FAILS(anet_image_resize(window, 4, 9, &a), ANET_STATE, "view");
  anet_tensor_release(window);
  CHECK_FAILS(anet_image_resize(base, 0, 9, &a), ANET_RANGE, "to 0 x 9");
  CHECK_FAILS(anet_image_resize(base, 60000, 60000, &a), ANET_RANGE, "60000");
  CHECK(a == NULL);
  anet_tensor_release(base);
}

/* ---- augmentation ------------------------------------------------------------------------- */

static const anet_input SMALL = {6, 5, 3, {0.5F, 0.25F, 0}, {0.25F, 0.5F, 1}};

/* What the pixel (y, x) of the output is, read backwards: cut, mirrored, shifted, normalised. */
static double slow_change(const anet__change *change, const uint8_t *image, int32_t y, int32_t x,
                          int32_t c)
{
  const int32_t in_y = y - change->cut_y, in_x = x - change->cut_x;
  if (in_y >= 0 && in_y < change->cut && in_x >= 0 && in_x < change->cut) return 0;
  const int32_t from_y = y + change->shift_y;
  const int32_t from_x = (change->flip ? SMALL.width - 1 - x : x) + change->shift_x;
  if (from_y < 0 || from_y >= SMALL.height || from_x < 0 || from_x >= SMALL.width) return 0;
  const double byte = image[(from_y * SMALL.width + from_x) * SMALL.channels + c];
  return (byte / 255 - (double)SMALL.mean[c]) / (double)SMALL.deviation[c];
}

static void check_change(const anet__change *change, anet_tensor *image)
{
  enum { COUNT = 6 * 5 * 3 };
  float out[COUNT];
  anet__normal normal;
  CHECK_OK(anet__input_normal(&SMALL, &normal));
  for (int32_t i = 0; i < COUNT; i++) out[i] = NAN;
  anet__change_apply(change, &SMALL, &normal, anet_tensor_data(image), out);
  for (int32_t i = 0; i < COUNT; i++) {
    const int32_t y = i / 15, x = i / 3 % 5, c = i % 3;
    const double want = slow_change(change, anet_tensor_data(image), y, x, c);
    test_checks++;
    if (!(fabs((double)out[i] - want) < 1e-5))
      TEST_FAIL("shift (%d, %d) flip %d cut %d from (%d, %d), at (%d, %d, %d): %g, want %g",
                change->shift_y, change->shift_x, change->flip, change->cut, change->cut_y,
                change->cut_x, y, x, c, (double)out[i], want);
  }
}

TEST(changes_do_what_they_say)
{
  anet_tensor *image = noise(6, 5, 3);
  for (int32_t y = -7; y <= 7; y++)
    for (int32_t x = -6; x <= 6; x++)
      for (int32_t flip = 0; flip < 2; flip++) {
        const anet__change change = {.shift_y = y, .shift_x = x, .flip = flip};
        check_change(&change, image);
        const anet__change cut = {
            .shift_y = y % 2, .flip = flip, .cut_y = y, .cut_x = x, .cut = 1 + (x + y + 13) % 3};
        check_change(&cut, image);
      }
  anet_tensor_release(image);
}

TEST(changes_are_drawn_fairly)
{
  enum { N = 20000, PAD = 2 };
  const anet_augment augment = {.pad = PAD, .flip = 1, .cutout = 3};
  int32_t seen[2 * PAD + 1][2 * PAD + 1] = {0}, flips = 0;
  double centre_y = 0, centre_x = 0;
  for (int32_t i = 0; i < N; i++) {
    anet__change change;
    anet_rng rng;
    anet__rng_at(&rng, SEED, (uint64_t)i);
    anet__change_draw(&augment, &SMALL, &rng, &change);
    if (abs(change.shift_y) > PAD || abs(change.shift_x) > PAD)
      TEST_FAIL("shift (%d, %d)", change.shift_y, change.shift_x);
    else
      seen[change.shift_y + PAD][change.shift_x + PAD]++;
    flips += change.flip;
    centre_y += change.cut_y + 1, centre_x += change.cut_x + 1;
  }
  CHECK_NEAR(flips, N / 2, 300);
  CHECK_NEAR(centre_y / N, 2.5, 0.06);
  CHECK_NEAR(centre_x / N, 2, 0.06);
  for (int32_t i = 0; i < 25; i++) CHECK_NEAR(seen[i / 5][i % 5], N / 25, 150);
}

/* Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)). */
TEST(mixup_is_beta)
{
  static const float alpha[] = {0.01F, 0.2F, 0.99F, 1, 2, 8};
  enum { N = 20000 };
  for (int a = 0; a < ANET_COUNT(alpha); a++) {
    double sum = 0, square = 0;
    anet_rng rng;
    anet_rng_seed(&rng, SEED);
    for (int32_t i = 0; i < N; i++) {
      const double x = (double)anet__mixup_draw(alpha[a], &rng);
      if (!(x >= 0 && x <= 1)) TEST_FAIL("alpha %g drew %g", (double)alpha[a], x);
      sum += x, square += (x - 0.5) * (x - 0.5);
    }
    CHECK_NEAR(sum / N, 0.5, 0.015);
    CHECK_NEAR(square / N * 4 * (2 * (double)alpha[a] + 1), 1, 0.05);
  }
}

TEST(augment_and_input_are_checked)
{
  anet__normal normal;
  anet_input input = SMALL;
  input.deviation[1] = 0;
  CHECK_FAILS(anet__input_normal(&input, &normal), ANET_RANGE, "channel 1");
  input.deviation[1] = NAN;
  CHECK_FAILS(anet__input_normal(&input, &normal), ANET_RANGE, "channel 1");
  input = SMALL;
  input.channels = 5;
  CHECK_FAILS(anet__input_normal(&input, &normal), ANET_RANGE, "5 channels");
  input = SMALL;
  input.width = 0;
  CHECK_FAILS(anet__input_normal(&input, &normal), ANET_RANGE, "6 x 0");
  CHECK_FAILS(anet__augment_check(&(anet_augment){.pad = -1}), ANET_RANGE, "pad -1");
  CHECK_FAILS(anet__augment_check(&(anet_augment){.cutout = -4}), ANET_RANGE, "cutout -4");
  CHECK_FAILS(anet__augment_check(&(anet_augment){.mixup = -1}), ANET_RANGE, "mixup -1");
  CHECK_FAILS(anet__augment_check(&(anet_augment){.mixup = NAN}), ANET_RANGE, "mixup nan");
  CHECK_OK(anet__augment_check(&(anet_augment){.pad = 4, .flip = 1, .cutout = 8, .mixup = 0.2F}));
}

/* ---- fitting ------------------------------------------------------------------------------ */

/* The image at another size and number of channels, through a fit. */
static anet_tensor *fitted(anet_tensor *image, int32_t height, int32_t width, int32_t channels)
{
  const anet_input to = {height, width, channels, {0}, {1, 1, 1, 1}};
  const anet_shape shape = {3, {height, width, channels}};
  anet__fit fit;
  anet_tensor *out;
  CHECK_OK(anet__fit_new(&image->shape, &to, &fit));
  CHECK_OK(anet_tensor_new(ANET_U8, &shape, &out));
  void *scratch = anet__alloc(fit.scratch_bytes);
  memcpy(anet_tensor_data(out), anet__fit_run(&fit, anet_tensor_data(image), scratch),
         (size_t)anet_tensor_count(out));
  anet__free(scratch);
  anet__fit_free(&fit);
  return out;
}

TEST(fit_changes_only_what_it_must)
{
  anet_tensor *image = noise(6, 5, 3), *same = fitted(image, 6, 5, 3), *resized;
  CHECK(same_pixels(image, same));
  anet_tensor *small = fitted(image, 3, 4, 3);
  CHECK_OK(anet_image_resize(image, 3, 4, &resized));
  CHECK(same_pixels(small, resized));
  anet_tensor_release(resized), anet_tensor_release(small);
  anet_tensor_release(same), anet_tensor_release(image);
}

TEST(fit_turns_grey_into_colour_and_back)
{
  anet_tensor *grey = noise(6, 5, 1), *colour = fitted(grey, 6, 5, 3);
  anet_tensor *back = fitted(colour, 6, 5, 1);
  CHECK(same_pixels(grey, back));
  CHECK_EQ_I(anet_tensor_get(colour, (int32_t[]){2, 3, 1}),
             anet_tensor_get(grey, (int32_t[]){2, 3, 0}));
  anet_tensor *large = fitted(grey, 12, 10, 3), *resized;
  CHECK_OK(anet_image_resize(colour, 12, 10, &resized));
  CHECK(same_pixels(large, resized));
  anet__fit fit;
  const anet_input four = {6, 5, 4, {0}, {1, 1, 1, 1}};
  CHECK_FAILS(anet__fit_new(&colour->shape, &four, &fit), ANET_SHAPE, "4 channels");
  anet_tensor_release(resized), anet_tensor_release(large), anet_tensor_release(back);
  anet_tensor_release(colour), anet_tensor_release(grey);
}

TEST(nothing_is_left)
{
  anet_memory memory;
  anet_memory_read(&memory);
  CHECK_EQ_I(memory.live_bytes, 0);
}

TEST_MAIN(CASE(png_comes_back_bit_for_bit), CASE(png_of_a_view_or_with_alpha),
          CASE(pnm_is_read_and_greyed), CASE(bad_images_are_named), CASE(damaged_png_is_survived),
          CASE(images_survive_lack_of_memory), CASE(resize_is_a_triangle_filter),
          CASE(resize_to_its_own_size_changes_nothing), CASE(resize_reads_windows_of_images),
          CASE(changes_do_what_they_say), CASE(changes_are_drawn_fairly), CASE(mixup_is_beta),
          CASE(augment_and_input_are_checked), CASE(fit_changes_only_what_it_must),
          CASE(fit_turns_grey_into_colour_and_back), CASE(nothing_is_left))
