#include <stdlib.h>

#include "base/error.h"
#include "base/rng.h"
#include "image/augment.h"
#include "support/fault.h"
#include "support/scratch.h"
#include "tensor/tensor.h"

static const char FASHION[] = "/usr/share/datasets/fashion-mnist";

/* ---- small sets --------------------------------------------------------------------------- */

enum { COUNT = 11, SIDE = 6, CLASSES = 4 };

/* Item i is all i except its first pixel, which is 200 + i; its label is i % CLASSES. */
static anet_dataset *small_set(int32_t channels)
{
  const anet_shape images = {4, {COUNT, SIDE, SIDE, channels}}, labels = {1, {COUNT}};
  anet_tensor *x = NULL, *y = NULL;
  anet_dataset *data = NULL;
  CHECK_OK(anet_tensor_new(ANET_U8, &images, &x));
  CHECK_OK(anet_tensor_new(ANET_I32, &labels, &y));
  const size_t item = (size_t)(SIDE * SIDE * channels);
  for (int32_t i = 0; i < COUNT; i++) {
    uint8_t *image = (uint8_t *)anet_tensor_data(x) + (size_t)i * item;
    memset(image, i, item);
    memset(image, 200 + i, (size_t)channels);
    ((int32_t *)anet_tensor_data(y))[i] = i % CLASSES;
  }
  CHECK_OK(anet_dataset_new(x, y, CLASSES, &data));
  anet_tensor_release(x), anet_tensor_release(y);
  return data;
}

/* Bytes as they are: x = byte / 255. */
static anet_input plain_input(int32_t side, int32_t channels)
{
  return (anet_input){side, side, channels, {0}, {1, 1, 1, 1}};
}

typedef struct buffers {
  anet_tensor *x, *y;
} buffers;

static buffers new_buffers(int32_t n, const anet_input *input, int32_t classes)
{
  const anet_shape images = {4, {n, input->height, input->width, input->channels}};
  const anet_shape targets = {2, {n, classes}};
  buffers b = {0};
  CHECK_OK(anet_tensor_new(ANET_F32, &images, &b.x));
  CHECK_OK(anet_tensor_new(ANET_F32, &targets, &b.y));
  return b;
}

static void free_buffers(buffers *b)
{
  anet_tensor_release(b->x);
  anet_tensor_release(b->y);
}

/* Which item an unchanged image of small_set is. */
static int32_t item_of(const buffers *b, int32_t place)
{
  const size_t pixels = (size_t)b->x->stride[0];
  return (int32_t)lrintf(anet__f32(b->x)[(size_t)place * pixels + pixels - 1] * 255);
}

/* ---- the handle --------------------------------------------------------------------------- */

TEST(sets_are_made_of_tensors)
{
  anet_dataset *data = small_set(3), *bare;
  CHECK_EQ_I(anet_dataset_count(data), COUNT);
  CHECK_EQ_I(anet_dataset_classes(data), CLASSES);
  CHECK(anet_dataset_class(data, 0) == NULL);
  CHECK_OK(anet_dataset_new(anet_dataset_images(data), NULL, 0, &bare));
  CHECK_EQ_I(anet_tensor_get(anet_dataset_labels(bare), (int32_t[]){5}), -1);
  anet_dataset_release(data);
  CHECK_EQ_I(anet_tensor_get(anet_dataset_images(bare), (int32_t[]){5, 1, 1, 1}), 5);
  anet_dataset_release(bare);
  anet_dataset_release(NULL);
}

TEST(sets_are_checked)
{
  anet_dataset *data = small_set(3), *out;
  anet_tensor *x = anet_dataset_images(data), *y = anet_dataset_labels(data), *part;
  CHECK_FAILS(anet_dataset_new(y, NULL, 4, &out), ANET_SHAPE, "type i32");
  CHECK_FAILS(anet_dataset_new(x, x, 4, &out), ANET_SHAPE, "want i32 (11)");
  CHECK_FAILS(anet_dataset_new(x, y, 3, &out), ANET_RANGE, "label 3 of item 3, want -1 .. 2");
  CHECK_FAILS(anet_dataset_new(x, y, -1, &out), ANET_RANGE, "-1 classes");
  const anet_shape window = {4, {COUNT, SIDE, SIDE - 1, 3}};
  CHECK_OK(anet_tensor_view(x, (int32_t[4]){0}, &window, &part));
  CHECK_FAILS(anet_dataset_new(part, y, 4, &out), ANET_STATE, "gaps");
  anet_tensor_release(part);
  CHECK(out == NULL);
  anet_dataset_release(data);
}

TEST(slices_share_and_picks_copy)
{
  static const int32_t index[] = {9, 0, 9};
  anet_dataset *data = small_set(1), *slice, *inner, *pick;
  CHECK_OK(anet_dataset_slice(data, 3, 6, &slice));
  CHECK_OK(anet_dataset_slice(slice, 1, 2, &inner));
  CHECK_OK(anet_dataset_pick(data, index, 3, &pick));
  anet_tensor_set(anet_dataset_images(data), (int32_t[]){4, 2, 2, 0}, 77);
  anet_dataset_release(data);
  anet_dataset_release(slice);
  CHECK_EQ_I(anet_dataset_count(inner), 2);
  CHECK_EQ_I(anet_tensor_get(anet_dataset_images(inner), (int32_t[]){0, 2, 2, 0}), 77);
  CHECK_EQ_I(anet_tensor_get(anet_dataset_labels(inner), (int32_t[]){1}), 5 % CLASSES);
  for (int32_t i = 0; i < 3; i++) {
    const int32_t at[4] = {i, 1, 1, 0};
    CHECK_EQ_I(anet_tensor_get(anet_dataset_images(pick), at), index[i]);
    CHECK_EQ_I(anet_tensor_get(anet_dataset_labels(pick), at), index[i] % CLASSES);
  }
  anet_dataset_release(inner);
  CHECK_FAILS(anet_dataset_slice(pick, 2, 2, &inner), ANET_RANGE, "2 items from 2 of 3");
  CHECK_FAILS(anet_dataset_slice(pick, -1, 2, &inner), ANET_RANGE, "from -1");
  CHECK_FAILS(anet_dataset_slice(pick, 2, INT32_MAX, &inner), ANET_RANGE, "of 3");
  CHECK_FAILS(anet_dataset_pick(pick, index, 1, &inner), ANET_RANGE, "item 9 to pick, want 0 .. 2");
  CHECK_FAILS(anet_dataset_pick(pick, index, -1, &inner), ANET_RANGE, "-1 items");
  CHECK_OK(anet_dataset_slice(pick, 3, 0, &inner));
  CHECK_EQ_I(anet_dataset_count(inner), 0);
  anet_dataset_release(inner);
  anet_dataset_release(pick);
}

/* ---- batches ------------------------------------------------------------------------------ */

TEST(batches_keep_the_order_they_are_told)
{
  enum { N = 4 };
  anet_dataset *data = small_set(1);
  const anet_input input = plain_input(SIDE, 1);
  buffers b = new_buffers(N, &input, CLASSES);
  int32_t filled, seen = 0;
  for (int32_t index = 0; index < 4; index++) {
    CHECK_OK(anet_dataset_batch(data, &input, NULL, 1, -1, index, NULL, b.x, b.y, &filled));
    CHECK_EQ_I(filled, index == 3 ? 0 : index == 2 ? 3 : N);
    for (int32_t i = 0; i < filled; i++, seen++) {
      CHECK_EQ_I(item_of(&b, i), seen);
      for (int32_t c = 0; c < CLASSES; c++)
        CHECK_EQ_I(anet_tensor_get(b.y, (int32_t[]){i, c}), c == seen % CLASSES);
    }
  }
  CHECK_EQ_I(seen, COUNT);
  CHECK_OK(anet_dataset_batch(data, &input, NULL, 1, -1, INT32_MAX, NULL, b.x, NULL, &filled));
  CHECK_EQ_I(filled, 0);
  free_buffers(&b);
  anet_dataset_release(data);
}

/* The items of an epoch in its order, with batches of n. */
static void read_epoch(anet_dataset *data, double seed, int32_t epoch, int32_t n, int32_t *order)
{
  const anet_input input = plain_input(SIDE, 1);
  buffers b = new_buffers(n, &input, CLASSES);
  int32_t filled, seen = 0;
  for (int32_t index = 0;; index++) {
    CHECK_OK(anet_dataset_batch(data, &input, NULL, seed, epoch, index, NULL, b.x, b.y, &filled));
    if (filled == 0) break;
    for (int32_t i = 0; i < filled && seen < COUNT; i++) order[seen++] = item_of(&b, i);
  }
  CHECK_EQ_I(seen, COUNT);
  free_buffers(&b);
}

TEST(epochs_are_shuffled_by_seed_and_number)
{
  anet_dataset *data = small_set(1);
  int32_t first[COUNT], other[COUNT], seen[COUNT] = {0};
  read_epoch(data, 5, 0, 4, first);
  for (int32_t i = 0; i < COUNT; i++) seen[first[i]]++;
  for (int32_t i = 0; i < COUNT; i++) CHECK_EQ_I(seen[i], 1);
  read_epoch(data, 5, 1, 4, other);
  CHECK(memcmp(first, other, sizeof first) != 0);
  read_epoch(data, 6, 0, 4, other);
  CHECK(memcmp(first, other, sizeof first) != 0);
  read_epoch(data, 5, 0, 3, other); /* again, after others, in batches of another size */
  CHECK(memcmp(first, other, sizeof first) == 0);
  anet_dataset_release(data);
}

static const anet_augment ALL = {.pad = 2, .flip = 1, .cutout = 3, .mixup = 0.4F};

TEST(batches_are_the_same_for_any_threads)
{
  enum { N = 7, PLACES = 9 };
  anet_dataset *data = small_set(1);
  const anet_input input = {PLACES, PLACES, 3, {0.1F, 0.2F, 0.3F}, {0.5F, 0.6F, 0.7F}};
  buffers a = new_buffers(N, &input, CLASSES), b = new_buffers(N, &input, CLASSES);
  for (int32_t threads = 1; threads <= 4; threads++) {
    anet_pool *pool;
    CHECK_OK(anet_pool_new(threads, &pool));
    for (int32_t index = 0; index < 2; index++) {
      int32_t x, y;
      CHECK_OK(anet_dataset_batch(data, &input, &ALL, 3, 2, index, NULL, a.x, a.y, &x));
      CHECK_OK(anet_dataset_batch(data, &input, &ALL, 3, 2, index, pool, b.x, b.y, &y));
      CHECK_EQ_I(x, y);
      CHECK(memcmp(anet__f32(a.x), anet__f32(b.x), (size_t)a.x->stride[0] * (size_t)x * 4) == 0);
      CHECK(memcmp(anet__f32(a.y), anet__f32(b.y), (size_t)(CLASSES * x * 4)) == 0);
    }
    anet_pool_release(pool);
  }
  free_buffers(&a), free_buffers(&b);
  anet_dataset_release(data);
}

/* What is done to an item is drawn from (seed, epoch, item), not from its place in a batch. */
TEST(augmentation_belongs_to_the_item)
{
  const anet_augment augment = {.pad = 2, .flip = 1, .cutout = 3};
  anet_dataset *data = small_set(1);
  const anet_input input = plain_input(SIDE, 1);
  buffers all = new_buffers(COUNT, &input, CLASSES), one = new_buffers(1, &input, CLASSES);
  int32_t filled, differ = 0;
  CHECK_OK(anet_dataset_batch(data, &input, &augment, 9, 4, 0, NULL, all.x, all.y, &filled));
  const size_t pixels = (size_t)one.x->stride[0];
  for (int32_t i = 0; i < COUNT; i++) {
    CHECK_OK(anet_dataset_batch(data, &input, &augment, 9, 4, i, NULL, one.x, one.y, &filled));
    const float *from = anet__f32(all.x) + (size_t)i * pixels;
    CHECK(memcmp(from, anet__f32(one.x), pixels * sizeof *from) == 0);
    differ += memcmp(from, anet__f32(all.x), pixels * sizeof *from) != 0;
  }
  CHECK(differ > 0);
  free_buffers(&all), free_buffers(&one);
  anet_dataset_release(data);
}

/* Mixing keeps the sum of each pair, in images and in targets, and the same share in both. */
TEST(mixup_mixes_pairs)
{
  const anet_augment mixup = {.mixup = 1};
  anet_dataset *data = small_set(1);
  const anet_input input = plain_input(SIDE, 1);
  buffers plain = new_buffers(COUNT, &input, CLASSES), mixed = new_buffers(COUNT, &input, CLASSES);
  int32_t filled;
  CHECK_OK(anet_dataset_batch(data, &input, NULL, 9, 0, 0, NULL, plain.x, plain.y, &filled));
  CHECK_OK(anet_dataset_batch(data, &input, &mixup, 9, 0, 0, NULL, mixed.x, mixed.y, &filled));
  float lambda = -1;
  for (int32_t i = 0; i < COUNT; i++) {
    const int32_t j = COUNT - 1 - i;
    float row = 0;
    for (int32_t c = 0; c < CLASSES; c++) row += anet__f32(mixed.y)[i * CLASSES + c];
    CHECK_NEAR((double)row, 1, 1e-6);
    const float a = anet__f32(plain.x)[i * 36], b = anet__f32(plain.x)[j * 36];
    const float x = anet__f32(mixed.x)[i * 36];
    if (i == j) CHECK(x == a);
    if (i == j) continue;
    if (lambda < 0) lambda = (x - b) / (a - b);
    CHECK_NEAR((double)x, (double)(lambda * a + (1 - lambda) * b), 1e-5);
    CHECK_NEAR((double)(x + anet__f32(mixed.x)[j * 36]), (double)(a + b), 1e-5);
    for (int32_t c = 0; c < CLASSES; c++) {
      const float p = anet__f32(plain.y)[i * CLASSES + c], q = anet__f32(plain.y)[j * CLASSES + c];
      CHECK_NEAR((double)anet__f32(mixed.y)[i * CLASSES + c],
                 (double)(lambda * p + (1 - lambda) * q), 1e-4);
    }
  }
  CHECK(lambda > 0 && lambda < 1);
  free_buffers(&plain), free_buffers(&mixed);
  anet_dataset_release(data);
}

TEST(images_are_fitted_to_the_input)
{
  anet_dataset *data = small_set(1);
  const anet_input input = {12, 4, 3, {0.5F, 0.5F, 0.25F}, {1, 0.5F, 1}};
  buffers b = new_buffers(2, &input, CLASSES);
  int32_t filled;
  CHECK_OK(anet_dataset_batch(data, &input, NULL, 0, -1, 1, NULL, b.x, b.y, &filled));
  for (int32_t i = 0; i < 2; i++)
    for (int32_t c = 0; c < 3; c++) {
      const double byte = 2 + i, want = (byte / 255 - input.mean[c]) / input.deviation[c];
      CHECK_NEAR(anet_tensor_get(b.x, (int32_t[]){i, 11, 3, c}), want, 1e-5);
    }
  free_buffers(&b);
  anet_dataset_release(data);
}

TEST(batches_are_checked)
{
  anet_dataset *data = small_set(3), *bare;
  anet_input input = plain_input(SIDE, 3);
  buffers b = new_buffers(2, &input, CLASSES), wrong = new_buffers(2, &input, CLASSES + 1);
  int32_t filled = 5;
  CHECK_FAILS(anet_dataset_batch(data, &input, NULL, 0, 0, -1, NULL, b.x, b.y, &filled), ANET_RANGE,
              "index -1");
  CHECK_EQ_I(filled, 0);
  CHECK_FAILS(anet_dataset_batch(data, &input, NULL, 0, 0, 0, NULL, b.x, wrong.y, &filled),
              ANET_SHAPE, "(2, 5), want f32 (2, 4)");
  CHECK_FAILS(anet_dataset_batch(data, &input, NULL, 0, 0, 0, NULL, b.y, b.y, &filled), ANET_SHAPE,
              "want f32 (2, 6, 6, 3)");
  const anet_augment augment = {.pad = -2};
  CHECK_FAILS(anet_dataset_batch(data, &input, &augment, 0, 0, 0, NULL, b.x, b.y, &filled),
              ANET_RANGE, "pad -2");
  input.deviation[2] = 0;
  CHECK_FAILS(anet_dataset_batch(data, &input, NULL, 0, 0, 0, NULL, b.x, b.y, &filled), ANET_RANGE,
              "channel 2");
  input.deviation[2] = 1;
  CHECK_OK(anet_dataset_new(anet_dataset_images(data), NULL, CLASSES, &bare));
  CHECK_OK(anet_dataset_batch(bare, &input, NULL, 0, 0, 0, NULL, b.x, b.y, &filled));
  for (int32_t c = 0; c < CLASSES; c++) CHECK_EQ_I(anet_tensor_get(b.y, (int32_t[]){1, c}), 0);
  anet_dataset_release(bare);
  free_buffers(&b), free_buffers(&wrong);
  anet_dataset_release(data);
}

static int use_set(void *context)
{
  static const int32_t index[] = {1, 1};
  anet_dataset *data = context, *slice = NULL, *pick = NULL;
  const anet_input input = plain_input(4, 3);
  const anet_shape images = {4, {2, 4, 4, 3}};
  anet_tensor *x = NULL;
  int32_t filled;
  int rc = anet_tensor_new(ANET_F32, &images, &x);
  if (!rc) rc = anet_dataset_slice(data, 0, 2, &slice);
  if (!rc) rc = anet_dataset_pick(slice, index, 2, &pick);
  if (!rc) rc = anet_dataset_batch(slice, &input, &ALL, 0, 0, 0, NULL, x, NULL, &filled);
  if (!rc) rc = anet_dataset_batch(pick, &input, &ALL, 0, 0, 0, NULL, x, NULL, &filled);
  anet_tensor_release(x);
  anet_dataset_release(pick);
  anet_dataset_release(slice);
  return rc;
}

TEST(sets_survive_lack_of_memory)
{
  anet_dataset *data = small_set(1);
  test_each_allocation(use_set, data);
  anet_dataset_release(data);
}

/* ---- files: IDX --------------------------------------------------------------------------- */

static const uint8_t IDX_IMAGES[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0,
                                     1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};
static const uint8_t IDX_LABELS[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 0};

static int open_and_close(const char *path, const char *part, int32_t size)
{
  anet_dataset *data;
  ANET_TRY(anet_dataset_open(path, part, size, NULL, &data));
  anet_dataset_release(data);
  return ANET_OK;
}

static int open_train(void *folder)
{
  return open_and_close(folder, "train", 0);
}

static int open_whole(void *folder)
{
  return open_and_close(folder, NULL, 0);
}

TEST(idx_files_are_read)
{
  char folder[SCRATCH_PATH], path[SCRATCH_PATH];
  anet_dataset *data, *slice;
  test_scratch_new(folder);
  test_scratch_write(folder, "train-images-idx3-ubyte", IDX_IMAGES, sizeof IDX_IMAGES);
  test_scratch_write(folder, "train-labels-idx1-ubyte", IDX_LABELS, sizeof IDX_LABELS);
  test_scratch_write(folder, "classes.txt", "zero\r\none\n", 10);
  CHECK_OK(anet_dataset_open(folder, "train", 0, NULL, &data));
  CHECK_EQ_I(anet_dataset_count(data), 2);
  CHECK_EQ_I(anet_dataset_classes(data), 8);
  CHECK_EQ_S(anet_dataset_class(data, 1), "one");
  CHECK(anet_dataset_class(data, 2) == NULL && anet_dataset_class(data, -1) == NULL);
  test_each_allocation(use_set, data);
  CHECK_OK(anet_dataset_slice(data, 1, 1, &slice));
  CHECK_EQ_S(anet_dataset_class(slice, 1), "one");
  anet_dataset_release(slice);
  CHECK_EQ_I(anet_tensor_get(anet_dataset_images(data), (int32_t[]){1, 0, 2, 0}), 6);
  CHECK_EQ_I(anet_tensor_get(anet_dataset_labels(data), (int32_t[]){0}), 7);
  CHECK_EQ_I(anet_tensor_get(anet_dataset_labels(data), (int32_t[]){1}), 0);
  anet_dataset_release(data);
  CHECK_OK(open_and_close(test_scratch_path(folder, "train-images-idx3-ubyte", path), NULL, 0));
  CHECK_FAILS(open_and_close(folder, "test", 0), ANET_FORMAT, "part 'test'");
  CHECK_FAILS(open_and_close(folder, NULL, 0), ANET_FORMAT, folder);
  CHECK_FAILS(open_and_close(test_scratch_path(folder, "classes.txt", path), NULL, 0), ANET_FORMAT,
              "images-idx3");
  test_each_allocation(open_train, folder);
  test_scratch_remove(folder);
}

/* The images of the set, with one byte changed and cut to `bytes`, must be refused with `word`. */
static void check_bad_idx(const char *folder, size_t at, uint8_t value, size_t bytes,
                          const char *word)
{
  uint8_t bad[sizeof IDX_IMAGES + 1] = {0};
  memcpy(bad, IDX_IMAGES, sizeof IDX_IMAGES);
  bad[at] = value;
  test_scratch_write(folder, "train-images-idx3-ubyte", bad, bytes);
  CHECK_FAILS(open_and_close(folder, "train", 0), ANET_FORMAT, word);
  CHECK(strstr(anet_error(), "train-images-idx3-ubyte"));
}

TEST(bad_idx_files_are_refused)
{
  char folder[SCRATCH_PATH];
  const size_t whole = sizeof IDX_IMAGES;
  test_scratch_new(folder);
  test_scratch_write(folder, "train-images-idx3-ubyte", IDX_IMAGES, whole);
  CHECK_FAILS(open_and_close(folder, "train", 0), ANET_IO, "train-labels-idx1-ubyte");
  test_scratch_write(folder, "train-labels-idx1-ubyte", IDX_LABELS, sizeof IDX_LABELS - 1);
  CHECK_FAILS(open_and_close(folder, "train", 0), ANET_FORMAT, "ends after 1 of 2");
  test_scratch_write(folder, "train-labels-idx1-ubyte", IDX_LABELS, sizeof IDX_LABELS);
  check_bad_idx(folder, 0, 0, 0, "ends after 0 of 16");
  check_bad_idx(folder, 0, 0, 15, "ends after 15 of 16");
  check_bad_idx(folder, 3, 1, whole, "0x00000801");
  check_bad_idx(folder, 7, 3, whole, "ends after 6 of 9");
  check_bad_idx(folder, 7, 1, whole, "more bytes");
  check_bad_idx(folder, 4, 0xff, whole, "4278190082 images");
  check_bad_idx(folder, 5, 0xff, whole, "too short"); /* 50 million bytes of a file of 22 */
  check_bad_idx(folder, 11, 0, whole, "2 images of 0 x 3");
  check_bad_idx(folder, 0, 0, whole + 1, "more bytes");
  test_scratch_remove(folder);
}

TEST(fashion_mnist_is_read)
{
  char path[SCRATCH_PATH];
  anet_dataset *data;
  test_scratch_path(FASHION, "t10k-labels-idx1-ubyte.gz", path);
  FILE *file = fopen(path, "rb");
  if (!file) {
    printf("fashion_mnist_is_read: skipped, no %s\n", path);
    return;
  }
  fclose(file);
  CHECK_OK(anet_dataset_open(FASHION, "test", 0, NULL, &data));
  CHECK_EQ_I(anet_dataset_count(data), 10000);
  CHECK_EQ_I(anet_dataset_classes(data), 10);
  int32_t seen[10] = {0};
  const int32_t *label = anet_tensor_data(anet_dataset_labels(data));
  for (int32_t i = 0; i < 10000; i++) seen[label[i]]++;
  for (int32_t c = 0; c < 10; c++) CHECK_EQ_I(seen[c], 1000);
  const uint8_t *byte = anet_tensor_data(anet_dataset_images(data));
  double sum = 0;
  for (int32_t i = 0; i < 10000 * 28 * 28; i++) sum += byte[i];
  CHECK_NEAR(sum / (10000.0 * 28 * 28 * 255), 0.2868, 0.0001);
  CHECK_EQ_I(label[0], 9); /* an ankle boot */
  anet_dataset_release(data);
}

/* ---- files: CIFAR ------------------------------------------------------------------------- */

enum { CIFAR_RECORD = 1 + 3072 };

/* Record k of file f: label (f + k) % 10, red 1, green 2, blue the label. */
static void write_cifar(const char *folder, const char *name, int32_t f, int32_t records)
{
  uint8_t bytes[3 * CIFAR_RECORD];
  for (int32_t k = 0; k < records; k++) {
    uint8_t *record = bytes + k * CIFAR_RECORD;
    record[0] = (uint8_t)((f + k) % 10);
    memset(record + 1, 1, 1024);
    memset(record + 1025, 2, 1024);
    memset(record + 2049, record[0], 1024);
  }
  test_scratch_write(folder, name, bytes, (size_t)records * CIFAR_RECORD);
}

TEST(cifar_files_are_read)
{
  char folder[SCRATCH_PATH], name[32];
  anet_dataset *data;
  test_scratch_new(folder);
  for (int32_t f = 1; f <= 4; f++) {
    snprintf(name, sizeof name, "data_batch_%d.bin", f);
    write_cifar(folder, name, f, 3);
  }
  CHECK_FAILS(open_and_close(folder, "train", 0), ANET_IO, "data_batch_5.bin");
  write_cifar(folder, "data_batch_5.bin", 5, 1);
  test_scratch_write(folder, "batches.meta.txt", "airplane\nautomobile\n\n", 21);
  CHECK_OK(anet_dataset_open(folder, "train", 0, NULL, &data));
  CHECK_EQ_I(anet_dataset_count(data), 13);
  CHECK_EQ_I(anet_dataset_classes(data), 10);
  CHECK_EQ_S(anet_dataset_class(data, 1), "automobile");
  for (int32_t i = 0; i < 13; i++) {
    const int32_t label = (i / 3 + 1 + i % 3) % 10;
    CHECK_EQ_I(anet_tensor_get(anet_dataset_labels(data), &i), label);
    CHECK_EQ_I(anet_tensor_get(anet_dataset_images(data), (int32_t[]){i, 31, 31, 0}), 1);
    CHECK_EQ_I(anet_tensor_get(anet_dataset_images(data), (int32_t[]){i, 0, 0, 1}), 2);
    CHECK_EQ_I(anet_tensor_get(anet_dataset_images(data), (int32_t[]){i, 7, 9, 2}), label);
  }
  anet_dataset_release(data);
  test_each_allocation(open_train, folder);

  uint8_t bad[CIFAR_RECORD] = {10};
  test_scratch_write(folder, "test_batch.bin", bad, sizeof bad);
  CHECK_FAILS(open_and_close(folder, "test", 0), ANET_FORMAT, "label 10 of record 0");
  test_scratch_write(folder, "test_batch.bin", bad, sizeof bad - 1);
  CHECK_FAILS(open_and_close(folder, "test", 0), ANET_FORMAT,
              "3072 bytes, want a multiple of 3073");
  test_scratch_remove(folder);
}

TEST(cifar_100_has_fine_labels)
{
  char folder[SCRATCH_PATH];
  anet_dataset *data;
  uint8_t record[1 + CIFAR_RECORD] = {3, 77};
  test_scratch_new(folder);
  test_scratch_write(folder, "test.bin", record, sizeof record);
  CHECK_OK(anet_dataset_open(folder, "test", 0, NULL, &data));
  CHECK_EQ_I(anet_dataset_classes(data), 100);
  CHECK_EQ_I(anet_tensor_get(anet_dataset_labels(data), (int32_t[]){0}), 77);
  anet_dataset_release(data);
  test_scratch_remove(folder);
}

/* ---- files: images ------------------------------------------------------------------------ */

/* A PNG of one colour (height, width, 3) except for a white middle column. */
static void write_png(const char *folder, const char *name, int32_t height, int32_t width,
                      uint8_t colour)
{
  char path[SCRATCH_PATH];
  const anet_shape shape = {3, {height, width, 3}};
  anet_tensor *image = NULL;
  CHECK_OK(anet_tensor_new(ANET_U8, &shape, &image));
  memset(anet_tensor_data(image), colour, (size_t)(height * width * 3));
  for (int32_t y = 0; y < height; y++) anet_tensor_set(image, (int32_t[]){y, width / 2, 0}, 255);
  CHECK_OK(anet_image_save(image, test_scratch_path(folder, name, path)));
  anet_tensor_release(image);
}

TEST(folders_of_classes_are_read)
{
  char folder[SCRATCH_PATH];
  anet_dataset *data;
  test_scratch_new(folder);
  test_scratch_folder(folder, "train");
  test_scratch_folder(folder, "train/dog");
  test_scratch_folder(folder, "train/cat");
  test_scratch_write(folder, "train/cat/notes.txt", "x", 1);
  CHECK_FAILS(open_and_close(folder, "train", 0), ANET_FORMAT, "one a class");
  write_png(folder, "train/dog/b.png", 8, 8, 20);
  write_png(folder, "train/dog/a.PNG", 8, 8, 10);
  write_png(folder, "train/cat/z.png", 8, 8, 30);
  CHECK_OK(anet_dataset_open(folder, "train", 0, NULL, &data));
  CHECK_EQ_I(anet_dataset_count(data), 3);
  CHECK_EQ_I(anet_dataset_classes(data), 2);
  CHECK_EQ_S(anet_dataset_class(data, 0), "cat");
  CHECK_EQ_S(anet_dataset_class(data, 1), "dog");
  static const int32_t colour[] = {30, 10, 20}, label[] = {0, 1, 1};
  for (int32_t i = 0; i < 3; i++) {
    CHECK_EQ_I(anet_tensor_get(anet_dataset_images(data), (int32_t[]){i, 0, 0, 0}), colour[i]);
    CHECK_EQ_I(anet_tensor_get(anet_dataset_labels(data), &i), label[i]);
  }
  anet_dataset_release(data);
  CHECK_FAILS(open_and_close(folder, "nope", 0), ANET_FORMAT, "part 'nope'");
  char inside[SCRATCH_PATH];
  test_each_allocation(open_whole, (void *)test_scratch_path(folder, "train", inside));
  test_scratch_write(folder, "train/dog/c.jpg", "not one", 7);
  CHECK_FAILS(open_and_close(folder, "train", 0), ANET_FORMAT, "dog/c.jpg");
  test_scratch_remove(folder);
}

/* Scaling keeps the proportions and the middle. */
TEST(folder_images_are_scaled)
{
  char folder[SCRATCH_PATH];
  anet_dataset *data;
  test_scratch_new(folder);
  test_scratch_folder(folder, "a");
  write_png(folder, "a/1.png", 10, 31, 40);
  write_png(folder, "a/2.png", 45, 9, 50);
  CHECK_FAILS(open_and_close(folder, NULL, 0), ANET_SHAPE, "45 x 9 pixels, the first image has 10");
  CHECK(strstr(anet_error(), "a/2.png"));
  CHECK_OK(anet_dataset_open(folder, NULL, 5, NULL, &data));
  const anet_shape *shape = &anet_dataset_images(data)->shape;
  CHECK(shape->dim[0] == 2 && shape->dim[1] == 5 && shape->dim[2] == 5 && shape->dim[3] == 3);
  CHECK_EQ_I(anet_tensor_get(anet_dataset_images(data), (int32_t[]){0, 2, 0, 0}), 40);
  CHECK(anet_tensor_get(anet_dataset_images(data), (int32_t[]){0, 2, 2, 0}) > 60);
  CHECK(anet_tensor_get(anet_dataset_images(data), (int32_t[]){1, 2, 2, 0}) > 100);
  anet_dataset_release(data);
  CHECK_FAILS(open_and_close(folder, NULL, -5), ANET_RANGE, "size -5");
  CHECK_FAILS(open_and_close("no/such/place", NULL, 0), ANET_IO, "no/such/place");
  CHECK(strstr(anet_error(), "No such file"));
  test_scratch_remove(folder);
}

/* Images named after their class; their middles. */
TEST(named_images_are_read)
{
  char folder[SCRATCH_PATH];
  anet_dataset *data, *middle;
  test_scratch_new(folder);
  write_png(folder, "0007_fish.png", 9, 8, 10);
  write_png(folder, "2_bird.png", 9, 8, 60);
  write_png(folder, "other.png", 9, 8, 90);
  write_png(folder, "3-no.png", 9, 8, 90);
  test_scratch_write(folder, "labels.txt", "a\nb\nc\n", 6);
  CHECK_OK(anet_dataset_open(folder, "test", 0, NULL, &data));
  CHECK_EQ_I(anet_dataset_count(data), 2);
  CHECK_EQ_I(anet_dataset_classes(data), 8);
  CHECK_EQ_S(anet_dataset_class(data, 2), "c");
  static const int32_t label[] = {7, 2};
  for (int32_t i = 0; i < 2; i++)
    CHECK_EQ_I(anet_tensor_get(anet_dataset_labels(data), &i), label[i]);
  CHECK_OK(anet_dataset_crop(data, 3, 4, &middle));
  for (int32_t y = 0; y < 3; y++)
    for (int32_t x = 0; x < 4; x++)
      CHECK_EQ_I(anet_tensor_get(anet_dataset_images(middle), (int32_t[]){1, y, x, 1}),
                 anet_tensor_get(anet_dataset_images(data), (int32_t[]){1, y + 3, x + 2, 1}));
  CHECK_EQ_I(anet_tensor_get(anet_dataset_labels(middle), (int32_t[]){1}), 2);
  CHECK_EQ_S(anet_dataset_class(middle, 0), "a");
  anet_dataset_release(middle);
  CHECK_FAILS(anet_dataset_crop(data, 10, 4, &middle), ANET_RANGE, "10 x 4");
  CHECK_FAILS(anet_dataset_crop(data, 0, 4, &middle), ANET_RANGE, "0 x 4");
  anet_dataset_release(data);
  test_each_allocation(open_whole, folder);
  test_scratch_remove(folder);
}

/* Sheets of 50 columns of 2 x 2 tiles; tile k is of colour k % 200. */
static void write_sheet(const char *folder, const char *name, int32_t rows)
{
  char path[SCRATCH_PATH];
  const anet_shape shape = {3, {2 * rows, 100, 3}};
  anet_tensor *image = NULL;
  CHECK_OK(anet_tensor_new(ANET_U8, &shape, &image));
  uint8_t *data = anet_tensor_data(image);
  for (int32_t i = 0; i < 2 * rows * 300; i++)
    data[i] = (uint8_t)((i / 300 / 2 * 50 + i / 3 % 100 / 2) % 200);
  CHECK_OK(anet_image_save(image, test_scratch_path(folder, name, path)));
  anet_tensor_release(image);
}

TEST(sheets_of_tiles_are_read)
{
  char folder[SCRATCH_PATH];
  uint8_t labels[101];
  anet_dataset *data;
  for (int32_t i = 0; i < 101; i++) labels[i] = (uint8_t)(i % 7);
  test_scratch_new(folder);
  write_sheet(folder, "train_00.png", 2);
  write_sheet(folder, "train_01.png", 2);
  test_scratch_write(folder, "train_00.labels", labels, 100);
  test_scratch_write(folder, "train_01.labels", labels, 60); /* the last row is not full */
  test_scratch_write(folder, "classes.txt", "a\nb\nc\nd\ne\nf\ng\nh\n", 16);
  CHECK_OK(anet_dataset_open(folder, "train", 0, NULL, &data));
  CHECK_EQ_I(anet_dataset_count(data), 160);
  CHECK_EQ_I(anet_dataset_classes(data), 8);
  for (int32_t i = 0; i < 160; i++) {
    const int32_t tile = i < 100 ? i : i - 100;
    CHECK_EQ_I(anet_tensor_get(anet_dataset_images(data), (int32_t[]){i, 1, 1, 2}), tile);
    CHECK_EQ_I(anet_tensor_get(anet_dataset_images(data), (int32_t[]){i, 0, 0, 0}), tile);
    CHECK_EQ_I(anet_tensor_get(anet_dataset_labels(data), &i), tile % 7);
  }
  anet_dataset_release(data);
  test_each_allocation(open_train, folder);
  test_scratch_write(folder, "train_01.labels", labels, 101);
  CHECK_FAILS(open_and_close(folder, "train", 0), ANET_FORMAT, "100 tiles has 101 labels");
  test_scratch_write(folder, "train_01.labels", labels, 50);
  CHECK_FAILS(open_and_close(folder, "train", 0), ANET_FORMAT, "train_01.png");
  write_png(folder, "train_01.png", 4, 99, 1);
  CHECK_FAILS(open_and_close(folder, "train", 0), ANET_FORMAT, "4 x 99");
  test_scratch_write(folder, "train_02.labels", labels, 50);
  write_png(folder, "train_01.png", 3, 150, 1);
  CHECK_FAILS(open_and_close(folder, "train", 0), ANET_FORMAT, "side 3, want 2");
  test_scratch_remove(folder);
}

TEST(cifar_sheets_are_read)
{
  char path[SCRATCH_PATH];
  anet_dataset *data;
  if (!test_shared("cifar10", "cifar_sheets_are_read", path)) return;
  CHECK_OK(anet_dataset_open(path, "test", 0, NULL, &data));
  const anet_shape *shape = &anet_dataset_images(data)->shape;
  CHECK(shape->dim[0] == 5000 && shape->dim[1] == 32 && shape->dim[2] == 32 && shape->dim[3] == 3);
  CHECK_EQ_I(anet_dataset_classes(data), 10);
  CHECK_EQ_S(anet_dataset_class(data, 9), "truck");
  double sum = 0;
  const uint8_t *byte = anet_tensor_data(anet_dataset_images(data));
  for (int32_t i = 0; i < 5000 * 3072; i++) sum += byte[i];
  CHECK_NEAR(sum / (5000.0 * 3072 * 255), 0.4734, 0.01); /* mean of all CIFAR-10 */
  anet_dataset_release(data);
}

TEST(nothing_is_left)
{
  anet_memory memory;
  anet_memory_read(&memory);
  CHECK_EQ_I(memory.live_bytes, 0);
}

TEST_MAIN(CASE(sets_are_made_of_tensors), CASE(sets_are_checked), CASE(slices_share_and_picks_copy),
          CASE(batches_keep_the_order_they_are_told), CASE(epochs_are_shuffled_by_seed_and_number),
          CASE(batches_are_the_same_for_any_threads), CASE(augmentation_belongs_to_the_item),
          CASE(mixup_mixes_pairs), CASE(images_are_fitted_to_the_input), CASE(batches_are_checked),
          CASE(sets_survive_lack_of_memory), CASE(idx_files_are_read),
          CASE(bad_idx_files_are_refused), CASE(fashion_mnist_is_read), CASE(cifar_files_are_read),
          CASE(cifar_100_has_fine_labels), CASE(folders_of_classes_are_read),
          CASE(folder_images_are_scaled), CASE(named_images_are_read), CASE(sheets_of_tiles_are_read),
          CASE(cifar_sheets_are_read), CASE(nothing_is_left))
