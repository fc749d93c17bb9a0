/* What a set refuses, word for word; what its parts and batches hold, item by item; lists of names.
 */
#include "base/error.h"
#include "data/dataset.h"
#include "data/names.h"
#include "image/augment.h"
#include "support/fault.h"
#include "support/scratch.h"
#include "tensor/tensor.h"

static anet_tensor *tensor(int32_t type, anet_shape shape)
{
  anet_tensor *t = NULL;
  CHECK_OK(anet_tensor_new(type, &shape, &t));
  return t;
}

/* Items of 3 x 4 pixels of two channels, all i; labels i % classes - 1. */
static anet_dataset *numbered(int32_t count, int32_t classes)
{
  anet_tensor *x = tensor(ANET_U8, (anet_shape){4, {count, 3, 4, 2}});
  anet_tensor *y = tensor(ANET_I32, (anet_shape){1, {count}});
  anet_dataset *data = NULL;
  for (int32_t i = 0; i < count; i++) {
    memset((uint8_t *)anet_tensor_data(x) + i * 24, i, 24);
    ((int32_t *)anet_tensor_data(y))[i] = i % (classes + 1) - 1;
  }
  CHECK_OK(anet_dataset_new(x, y, classes, &data));
  anet_tensor_release(x), anet_tensor_release(y);
  return data;
}

static void check_message(int rc, int want, const char *words)
{
  CHECK_EQ_I(rc, want);
  CHECK_EQ_S(anet_error(), words);
}

/* ---- the handle ----------------------------------------------------------------------------- */

static void check_images(int32_t type, anet_shape shape, const char *words)
{
  anet_tensor *x = tensor(type, shape);
  anet_dataset *data = (anet_dataset *)x;
  const int rc = anet_dataset_new(x, NULL, 0, &data);
  if (words)
    check_message(rc, ANET_SHAPE, words);
  else
    CHECK_OK(rc);
  CHECK_EQ_I(rc == ANET_OK, data != NULL);
  anet_dataset_release(data);
  anet_tensor_release(x);
}

TEST(images_that_are_none)
{
  check_images(ANET_I8, (anet_shape){4, {2, 3, 4, 1}}, "dataset: images of type i8, want u8");
  check_images(ANET_U8, (anet_shape){3, {2, 3, 4}},
               "dataset: images of shape (2, 3, 4), want (count, height, width, 1 .. 4)");
  check_images(ANET_U8, (anet_shape){4, {2, 0, 4, 1}},
               "dataset: images of shape (2, 0, 4, 1), want (count, height, width, 1 .. 4)");
  check_images(ANET_U8, (anet_shape){4, {2, 3, 0, 1}},
               "dataset: images of shape (2, 3, 0, 1), want (count, height, width, 1 .. 4)");
  check_images(ANET_U8, (anet_shape){4, {2, 3, 4, 0}},
               "dataset: images of shape (2, 3, 4, 0), want (count, height, width, 1 .. 4)");
  check_images(ANET_U8, (anet_shape){4, {2, 3, 4, 5}},
               "dataset: images of shape (2, 3, 4, 5), want (count, height, width, 1 .. 4)");
  check_images(ANET_U8, (anet_shape){4, {2, 1, 1, 4}}, NULL);
  check_images(ANET_U8, (anet_shape){4, {0, 3, 4, 1}}, NULL);
  anet_tensor *x = tensor(ANET_U8, (anet_shape){4, {2, 3, 4, 2}}), *part;
  anet_dataset *data;
  CHECK_OK(anet_tensor_view(x, (int32_t[4]){0}, &(anet_shape){4, {2, 3, 3, 2}}, &part));
  check_message(anet_dataset_new(part, NULL, 0, &data), ANET_STATE,
                "dataset: images of shape (2, 3, 3, 2) are a view with gaps");
  anet_tensor_release(part), anet_tensor_release(x);
}

static void check_labels(int32_t type, anet_shape shape, int32_t last, int32_t classes, int want,
                         const char *words)
{
  anet_tensor *x = tensor(ANET_U8, (anet_shape){4, {2, 3, 4, 1}}), *y = tensor(type, shape);
  anet_dataset *data;
  if (type == ANET_I32 && shape.rank == 1) ((int32_t *)anet_tensor_data(y))[1] = last;
  const int rc = anet_dataset_new(x, y, classes, &data);
  CHECK_EQ_I(rc, want);
  if (rc) CHECK_EQ_S(anet_error(), words);
  anet_dataset_release(data);
  anet_tensor_release(x), anet_tensor_release(y);
}

TEST(labels_that_are_none)
{
  check_labels(ANET_F32, (anet_shape){1, {2}}, 0, 4, ANET_SHAPE,
               "dataset: labels are f32 (2), want i32 (2), one an image");
  check_labels(ANET_I32, (anet_shape){2, {2, 1}}, 0, 4, ANET_SHAPE,
               "dataset: labels are i32 (2, 1), want i32 (2), one an image");
  check_labels(ANET_I32, (anet_shape){1, {3}}, 0, 4, ANET_SHAPE,
               "dataset: labels are i32 (3), want i32 (2), one an image");
  check_labels(ANET_I32, (anet_shape){1, {2}}, 4, 4, ANET_RANGE,
               "dataset: label 4 of item 1, want -1 .. 3");
  check_labels(ANET_I32, (anet_shape){1, {2}}, -2, 4, ANET_RANGE,
               "dataset: label -2 of item 1, want -1 .. 3");
  check_labels(ANET_I32, (anet_shape){1, {2}}, 3, 4, ANET_OK, "");
  check_labels(ANET_I32, (anet_shape){1, {2}}, -1, 4, ANET_OK, "");
  check_labels(ANET_I32, (anet_shape){1, {2}}, 0, -1, ANET_RANGE,
               "dataset: -1 classes, want at least 0");
  check_labels(ANET_I32, (anet_shape){1, {2}}, 0, 0, ANET_RANGE,
               "dataset: label 0 of item 0, want -1 .. -1");
}

TEST(parts_of_a_set)
{
  anet_dataset *data = numbered(7, 3), *out;
  for (int32_t first = -1; first <= 8; first++)
    for (int32_t count = -1; count <= 8; count++) {
      const bool good = first >= 0 && count >= 0 && first + count <= 7;
      const int rc = anet_dataset_slice(data, first, count, &out);
      CHECK_EQ_I(rc, good ? ANET_OK : ANET_RANGE);
      CHECK_EQ_I(out != NULL, good);
      for (int32_t i = 0; good && i < count; i++) {
        CHECK_EQ_I(*anet__dataset_image(out, i), first + i);
        CHECK_EQ_I(*anet__dataset_label(out, i), (first + i) % 4 - 1);
      }
      if (good) CHECK(anet_dataset_classes(out) == 3 && anet_dataset_count(out) == count);
      anet_dataset_release(out);
    }
  check_message(anet_dataset_slice(data, 2, 6, &out), ANET_RANGE, "dataset: 6 items from 2 of 7");
  check_message(anet_dataset_pick(data, (int32_t[]){0, 7}, 2, &out), ANET_RANGE,
                "dataset: item 7 to pick, want 0 .. 6");
  check_message(anet_dataset_pick(data, (int32_t[]){-1}, 1, &out), ANET_RANGE,
                "dataset: item -1 to pick, want 0 .. 6");
  check_message(anet_dataset_pick(data, NULL, -1, &out), ANET_RANGE, "dataset: -1 items to pick");
  CHECK_OK(anet_dataset_pick(data, (int32_t[]){6, 0, 6}, 3, &out));
  CHECK(out && *anet__dataset_label(out, 0) == 1 && *anet__dataset_label(out, 1) == -1);
  for (int32_t k = 0; out && k < 24; k++) {
    CHECK_EQ_I(anet__dataset_image(out, 2)[k], 6);
    CHECK_EQ_I(anet__dataset_image(out, 1)[k], 0);
  }
  CHECK_EQ_I(anet_dataset_classes(out), 3);
  anet_dataset_release(out);
  anet_dataset_release(data);
}

/* The middle: of what is left over, the smaller half lies before it. */
TEST(middles_of_images)
{
  anet_dataset *data = numbered(2, 1), *out;
  for (int32_t k = 0; k < 48; k++) anet__dataset_image(data, 0)[k] = (uint8_t)k;
  for (int32_t height = 0; height <= 4; height++)
    for (int32_t width = 0; width <= 5; width++) {
      const bool good = height >= 1 && width >= 1 && height <= 3 && width <= 4;
      const int rc = anet_dataset_crop(data, height, width, &out);
      char words[100];
      snprintf(words, sizeof words, "dataset: a middle of %d x %d of images of 3 x 4", height,
               width);
      CHECK_EQ_I(rc, good ? ANET_OK : ANET_RANGE);
      if (!good) CHECK_EQ_S(anet_error(), words);
      if (!good) continue;
      for (int32_t i = 0; i < 2 * height * width * 2; i++) {
        const int32_t c = i % 2, x = i / 2 % width, y = i / 2 / width % height;
        const int32_t item = i / 2 / width / height;
        const int32_t want = item * 24 + ((y + (3 - height) / 2) * 4 + x + (4 - width) / 2) * 2 + c;
        CHECK_EQ_I(anet__dataset_image(out, 0)[i], want);
      }
      CHECK_EQ_I(*anet__dataset_label(out, 1), 0);
      anet_dataset_release(out);
    }
  anet_dataset_release(data);
}

/* ---- batches -------------------------------------------------------------------------------- */

static const anet_input input = {3, 4, 2, {0}, {1, 1}};

static int batch_of(anet_dataset *data, anet_tensor *x, anet_tensor *y)
{
  int32_t filled = 9;
  const int rc = anet_dataset_batch(data, &input, NULL, 1, -1, 0, NULL, x, y, &filled);
  if (rc) CHECK_EQ_I(filled, 0);
  return rc;
}

TEST(batches_that_cannot_be)
{
  anet_dataset *data = numbered(5, 3);
  anet_tensor *x = tensor(ANET_F32, (anet_shape){4, {2, 3, 4, 2}}), *none, *other, *wide, *part;
  anet_tensor *y = tensor(ANET_F32, (anet_shape){2, {2, 3}});
  other = tensor(ANET_F32, (anet_shape){4, {2, 4, 3, 2}});
  check_message(batch_of(data, other, y), ANET_SHAPE,
                "batch: images are f32 (2, 4, 3, 2), want f32 (2, 3, 4, 2)");
  anet_tensor_release(other);
  other = tensor(ANET_I32, (anet_shape){4, {2, 3, 4, 2}});
  check_message(batch_of(data, other, y), ANET_SHAPE,
                "batch: images are i32 (2, 3, 4, 2), want f32 (2, 3, 4, 2)");
  anet_tensor_release(other);
  other = tensor(ANET_F32, (anet_shape){0});
  check_message(batch_of(data, other, y), ANET_SHAPE,
                "batch: images are f32 (), want f32 (0, 3, 4, 2)");
  anet_tensor_release(other);
  other = tensor(ANET_F32, (anet_shape){2, {2, 4}});
  check_message(batch_of(data, x, other), ANET_SHAPE,
                "batch: targets are f32 (2, 4), want f32 (2, 3)");
  CHECK_OK(anet_tensor_view(other, (int32_t[]){0, 1}, &(anet_shape){2, {2, 3}}, &part));
  check_message(batch_of(data, x, part), ANET_STATE, "batch: targets are not dense");
  anet_tensor_release(part), anet_tensor_release(other);
  wide = tensor(ANET_F32, (anet_shape){4, {2, 3, 5, 2}});
  CHECK_OK(anet_tensor_view(wide, (int32_t[4]){0}, &(anet_shape){4, {2, 3, 4, 2}}, &part));
  check_message(batch_of(data, part, y), ANET_STATE, "batch: images are not dense");
  anet_tensor_release(part), anet_tensor_release(wide);
  none = tensor(ANET_F32, (anet_shape){4, {0, 3, 4, 2}});
  check_message(batch_of(data, none, NULL), ANET_RANGE, "batch: 0 images, want at least 1");
  anet_tensor_release(none);
  int32_t filled;
  check_message(anet_dataset_batch(data, &input, NULL, 1, -1, -2, NULL, x, y, &filled), ANET_RANGE,
                "batch: index -2, want at least 0");
  anet_tensor_release(x), anet_tensor_release(y), anet_dataset_release(data);
}

/* Labels that were written since the set was made. */
TEST(labels_that_have_changed)
{
  anet_dataset *data = numbered(5, 3);
  anet_tensor *x = tensor(ANET_F32, (anet_shape){4, {2, 3, 4, 2}});
  anet_tensor *y = tensor(ANET_F32, (anet_shape){2, {2, 3}});
  int32_t filled;
  *anet__dataset_label(data, 3) = 3;
  CHECK_OK(batch_of(data, x, y)); /* it is not in this one */
  check_message(anet_dataset_batch(data, &input, NULL, 1, -1, 1, NULL, x, y, &filled), ANET_RANGE,
                "batch: item 3 has label 3, want -1 .. 2");
  CHECK_OK(anet_dataset_batch(data, &input, NULL, 1, -1, 1, NULL, x, NULL, &filled));
  int32_t refused = 0;
  for (int32_t index = 0; index < 3; index++)
    if (anet_dataset_batch(data, &input, NULL, 1, 0, index, NULL, x, y, &filled)) {
      CHECK_EQ_S(anet_error(), "batch: item 3 has label 3, want -1 .. 2");
      refused++;
    }
  CHECK_EQ_I(refused, 1);
  *anet__dataset_label(data, 3) = -100; /* less than none is none */
  CHECK_OK(anet_dataset_batch(data, &input, NULL, 1, -1, 1, NULL, x, y, &filled));
  for (int32_t c = 0; c < 3; c++) CHECK(anet__f32(y)[3 + c] == 0);
  anet_tensor_release(x), anet_tensor_release(y), anet_dataset_release(data);
}

TEST(targets_are_one_hot)
{
  anet_dataset *data = numbered(8, 3);
  anet_tensor *x = tensor(ANET_F32, (anet_shape){4, {8, 3, 4, 2}});
  anet_tensor *y = tensor(ANET_F32, (anet_shape){2, {8, 3}});
  for (int32_t i = 0; i < 24; i++) anet__f32(y)[i] = 7;
  CHECK_OK(batch_of(data, x, y));
  for (int32_t i = 0; i < 8; i++)
    for (int32_t c = 0; c < 3; c++) CHECK_EQ_I(anet__f32(y)[i * 3 + c], c == i % 4 - 1);
  anet_tensor_release(x), anet_tensor_release(y), anet_dataset_release(data);
}

enum { ITEMS = 40 };

/* What an epoch makes of item i: its order, and every image by its item. */
typedef struct epoch {
  int32_t order[ITEMS];
  float image[ITEMS][24];
} epoch;

static void run_epoch(anet_dataset *data, const anet_augment *augment, double seed, int32_t number,
                      int32_t n, epoch *out)
{
  anet_tensor *x = tensor(ANET_F32, (anet_shape){4, {n, 3, 4, 2}});
  int32_t filled, at = 0;
  for (int32_t index = 0; at < ITEMS; index++) {
    CHECK_OK(
        anet_dataset_batch(data, &input, augment, seed, number, index, NULL, x, NULL, &filled));
    CHECK_EQ_I(filled, ANET_MIN(n, ITEMS - at));
    if (filled < 1) break;
    for (int32_t i = 0; i < filled; i++) {
      const float *image = anet__f32(x) + i * 24;
      float most = 0;
      for (int32_t k = 0; k < 24; k++) most = fmaxf(most, image[k]);
      const int32_t item = (int32_t)lrintf(most * 255) - 100;
      CHECK(item >= 0 && item < ITEMS);
      if (item < 0 || item >= ITEMS) continue;
      out->order[at++] = item;
      memcpy(out->image[item], image, sizeof out->image[item]);
    }
  }
  anet_tensor_release(x);
}

/* Items whose pixels differ, and are told apart by the largest, 100 and the item. */
static anet_dataset *marked(void)
{
  anet_dataset *data = numbered(ITEMS, 3);
  for (int32_t i = 0; i < ITEMS; i++)
    for (int32_t k = 0; k < 24; k++)
      anet__dataset_image(data, i)[k] = (uint8_t)(k / 2 == 5 ? 100 + i : 1 + k);
  return data;
}

static int32_t count_same(const epoch *a, const epoch *b)
{
  int32_t same = 0;
  for (int32_t i = 0; i < ITEMS; i++)
    same += memcmp(a->image[i], b->image[i], sizeof a->image[i]) == 0;
  return same;
}

static int32_t count_places(const epoch *a, const epoch *b)
{
  int32_t same = 0;
  for (int32_t i = 0; i < ITEMS; i++) same += a->order[i] == b->order[i];
  return same;
}

static bool has_all(const epoch *e)
{
  int32_t seen[ITEMS] = {0};
  bool all = true;
  for (int32_t i = 0; i < ITEMS; i++) seen[e->order[i]]++;
  for (int32_t i = 0; i < ITEMS; i++) all &= seen[i] == 1;
  return all;
}

/* Every epoch has each item once, in an order and with changes of its own; the same seed and epoch
 * give the same again, in batches of any size. */
TEST(epochs_and_their_changes)
{
  static epoch e[3], again, other;
  const anet_augment shift = {.pad = 1, .flip = 1};
  anet_dataset *data = marked();
  for (int32_t k = 0; k < 3; k++) {
    run_epoch(data, &shift, 7, k, 6, &e[k]);
    CHECK(has_all(&e[k]));
  }
  for (int32_t k = 0; k < 3; k++) {
    const epoch *a = &e[k], *b = &e[(k + 1) % 3];
    CHECK(count_places(a, b) < 10); /* of 40, one by chance */
    CHECK(count_same(a, b) < 15);   /* one of 18 changes is the same by chance */
    run_epoch(data, &shift, 7, k, 11, &again);
    CHECK_EQ_I(count_places(a, &again), ITEMS);
    CHECK_EQ_I(count_same(a, &again), ITEMS);
  }
  run_epoch(data, &shift, 8, 0, 6, &other);
  CHECK(has_all(&other) && count_places(&other, &e[0]) < 10 && count_same(&other, &e[0]) < 15);
  /* in their own order they are changed, too */
  run_epoch(data, &shift, 7, -1, 6, &other);
  for (int32_t i = 0; i < ITEMS; i++) CHECK_EQ_I(other.order[i], i);
  CHECK(count_same(&other, &e[0]) < 15);
  /* items of an epoch are not changed alike */
  int32_t alike = 0;
  for (int32_t i = 1; i < ITEMS; i++) {
    int32_t p = 0, q = 0;
    for (int32_t k = 0; k < 24; k++) {
      if (e[0].image[i][k] > 0.39F) p = k;
      if (e[0].image[0][k] > 0.39F) q = k;
    }
    alike += p == q;
  }
  CHECK(alike < 20);
  anet_dataset_release(data);
}

/* How much of each image is the one in front, for one batch. */
static double lambda_of(anet_dataset *data, double seed, int32_t number, int32_t index)
{
  const anet_augment mixup = {.mixup = 1};
  anet_tensor *x = tensor(ANET_F32, (anet_shape){4, {2, 3, 4, 2}}), *plain;
  plain = tensor(ANET_F32, (anet_shape){4, {2, 3, 4, 2}});
  int32_t filled;
  CHECK_OK(anet_dataset_batch(data, &input, NULL, seed, number, index, NULL, plain, NULL, &filled));
  CHECK_OK(anet_dataset_batch(data, &input, &mixup, seed, number, index, NULL, x, NULL, &filled));
  const double a = (double)anet__f32(plain)[10], b = (double)anet__f32(plain)[34];
  const double lambda = ((double)anet__f32(x)[10] - b) / (a - b);
  anet_tensor_release(x), anet_tensor_release(plain);
  return lambda;
}

/* Each batch is mixed by a share of its own. */
TEST(shares_of_mixing)
{
  anet_dataset *data = marked();
  double share[8];
  for (int32_t k = 0; k < 8; k++) {
    share[k] = lambda_of(data, k >> 2, k >> 1 & 1, k & 1);
    CHECK(share[k] >= -1e-3 && share[k] <= 1.001);
    CHECK_NEAR(lambda_of(data, k >> 2, k >> 1 & 1, k & 1), share[k], 0);
    for (int32_t i = 0; i < k; i++) CHECK(fabs(share[i] - share[k]) > 1e-4);
  }
  anet_dataset_release(data);
}

/* The order that a set remembers is of the seed and the epoch that were asked for last. */
TEST(orders_are_not_mixed_up)
{
  static epoch a, b, c;
  anet_dataset *data = marked();
  run_epoch(data, NULL, 1, 0, 5, &a);
  run_epoch(data, NULL, 2, 0, 5, &b);
  run_epoch(data, NULL, 2, 1, 5, &c);
  CHECK(count_places(&a, &b) < 10 && count_places(&b, &c) < 10);
  run_epoch(data, NULL, 1, 0, 5, &c);
  CHECK_EQ_I(count_places(&a, &c), ITEMS);
  anet_dataset_release(data);
}

TEST(a_stop_ends_a_batch)
{
  anet_dataset *data = marked();
  anet_tensor *x = tensor(ANET_F32, (anet_shape){4, {2, 3, 4, 2}});
  anet_pool *pool = NULL;
  volatile int32_t stop = 1;
  int32_t filled = 5;
  CHECK_OK(anet_pool_new(2, &pool));
  CHECK_OK(anet_pool_watch(pool, &stop));
  for (int32_t i = 0; i < 48; i++) anet__f32(x)[i] = -3;
  CHECK_FAILS(anet_dataset_batch(data, &input, NULL, 1, 0, 0, pool, x, NULL, &filled), ANET_STOPPED,
              "stopped");
  CHECK_EQ_I(filled, 0);
  for (int32_t i = 0; i < 48; i++) CHECK(anet__f32(x)[i] == -3); /* nothing was begun */
  anet_pool_release(pool);
  anet_tensor_release(x), anet_dataset_release(data);
}

/* ---- names ---------------------------------------------------------------------------------- */

static char folder[SCRATCH_PATH], path[SCRATCH_PATH];

static void check_lines(const char *text, size_t bytes, const char *want)
{
  anet__names names = {0};
  char all[100] = "";
  test_scratch_write(folder, "n", text, bytes);
  CHECK_OK(anet__names_read(path, &names));
  for (int32_t i = 0; i < names.count; i++) {
    strcat(all, names.at[i]);
    strcat(all, "|");
  }
  CHECK_EQ_S(all, want);
  anet__names_free(&names);
  CHECK(names.count == 0 && names.at == NULL);
}

TEST(lines_are_names)
{
  test_scratch_new(folder);
  test_scratch_path(folder, "n", path);
  check_lines("", 0, "");
  check_lines("a", 1, "a|");
  check_lines("a\nb c\n", 6, "a|b c|");
  check_lines("\r\n\na\r\n\r\nb\r", 10, "a|b|");
  check_lines(" a \n", 4, " a |");
  check_lines("a\0b\nc", 5, "a|"); /* a zero ends a text */
  anet__names names = {0};
  char *large = calloc(1, (1 << 20) + 1);
  memset(large, '\n', (1 << 20) + 1);
  test_scratch_write(folder, "n", large, 1 << 20);
  CHECK_OK(anet__names_read(path, &names));
  test_scratch_write(folder, "n", large, (1 << 20) + 1);
  CHECK_FAILS(anet__names_read(path, &names), ANET_RANGE, "1048577 bytes, want at most 1048576");
  free(large);
  test_scratch_remove(folder);
}

TEST(folders_are_listed_in_order)
{
  static const char *const made[] = {"b", "B", "a10", "a9", ".x", "\xc3\xa9", "a"};
  static const char *const want[] = {"B", "a", "a10", "a9", "b", "\xc3\xa9"};
  anet__names names = {0};
  test_scratch_new(folder);
  CHECK_OK(anet__names_list(folder, &names));
  CHECK_EQ_I(names.count, 0);
  for (int i = 0; i < ANET_COUNT(made); i++) test_scratch_write(folder, made[i], "", 0);
  CHECK_OK(anet__names_list(folder, &names));
  CHECK_EQ_I(names.count, ANET_COUNT(want));
  for (int i = 0; i < names.count && i < ANET_COUNT(want); i++) CHECK_EQ_S(names.at[i], want[i]);
  anet__names_free(&names);
  check_message(anet__names_list("no/such", &names), ANET_IO,
                "cannot list 'no/such': No such file or directory");
  test_scratch_remove(folder);
}

TEST(ends_of_names)
{
  CHECK(anet__name_ends("a.png", ".png") && anet__name_ends("a.PnG", ".png"));
  CHECK(anet__name_ends(".png", ".png") && anet__name_ends("x", ""));
  CHECK(!anet__name_ends("png", ".png") && !anet__name_ends("a.pn", ".png"));
  CHECK(!anet__name_ends("a.png ", ".png") && !anet__name_ends("", ".png"));
}

TEST(nothing_is_left)
{
  anet_memory memory;
  anet_memory_read(&memory);
  CHECK_EQ_I(memory.live_bytes, 0);
}

TEST_MAIN(CASE(images_that_are_none), CASE(labels_that_are_none), CASE(parts_of_a_set),
          CASE(middles_of_images), CASE(batches_that_cannot_be), CASE(labels_that_have_changed),
          CASE(targets_are_one_hot), CASE(epochs_and_their_changes), CASE(shares_of_mixing),
          CASE(orders_are_not_mixed_up), CASE(a_stop_ends_a_batch), CASE(lines_are_names),
          CASE(folders_are_listed_in_order), CASE(ends_of_names), CASE(nothing_is_left))
