/* Every form of data set, from files written here: what each holds, which is preferred, and the
 * exact message for what is wrong. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.h"
#include "data/dataset.h"
#include "support/fault.h"
#include "support/scratch.h"
#include "tensor/tensor.h"

static char folder[SCRATCH_PATH];

static const char *in(const char *name)
{
  static char path[4][SCRATCH_PATH];
  static int turn;
  return test_scratch_path(folder, name, path[turn++ % 4]);
}

static void begin(void)
{
  test_scratch_new(folder);
}

static int open_part(const char *part, int32_t size)
{
  anet_dataset *data = (anet_dataset *)folder;
  const int rc = anet_dataset_open(folder, part, size, NULL, &data);
  CHECK_EQ_I(rc == ANET_OK, data != NULL);
  anet_dataset_release(data);
  return rc;
}

static anet_dataset *opened(const char *path, const char *part, int32_t size)
{
  anet_dataset *data = NULL;
  CHECK_OK(anet_dataset_open(path, part, size, NULL, &data));
  return data;
}

/* The whole message: the words, in which %s is the path of `name`. */
static void check_message(int rc, int want, const char *words, const char *name)
{
  char text[2 * SCRATCH_PATH];
  snprintf(text, sizeof text, words, in(name));
  CHECK_EQ_I(rc, want);
  CHECK_EQ_S(anet_error(), text);
}

static int32_t label_of(anet_dataset *data, int32_t item)
{
  return *anet__dataset_label(data, item);
}

static int32_t pixel_of(anet_dataset *data, int32_t item, int32_t y, int32_t x, int32_t c)
{
  return (int32_t)anet_tensor_get(anet_dataset_images(data), (int32_t[]){item, y, x, c});
}

/* ---- IDX ------------------------------------------------------------------------------------ */

/* IDX images of these sizes, each byte `from` and counting, and as many labels. */
static size_t idx_images(uint8_t *file, uint32_t count, uint32_t height, uint32_t width,
                         uint8_t from)
{
  const uint32_t word[4] = {0x803, count, height, width};
  for (int i = 0; i < 16; i++) file[i] = (uint8_t)(word[i / 4] >> (24 - i % 4 * 8));
  for (uint32_t i = 0; i < count * height * width; i++) file[16 + i] = (uint8_t)(from + i);
  return 16 + count * height * width;
}

static size_t idx_labels(uint8_t *file, uint32_t count, uint8_t from)
{
  const uint32_t word[2] = {0x801, count};
  for (int i = 0; i < 8; i++) file[i] = (uint8_t)(word[i / 4] >> (24 - i % 4 * 8));
  for (uint32_t i = 0; i < count; i++) file[8 + i] = (uint8_t)(from + i);
  return 8 + count;
}

static void write_pair(const char *part, const char *suffix, uint32_t count, uint8_t from)
{
  uint8_t file[4096];
  char name[64];
  const size_t images = idx_images(file, count, 2, 3, from);
  for (int k = 0; k < 2; k++) {
    const size_t bytes = k ? idx_labels(file, count, from) : images;
    snprintf(name, sizeof name, "%s-%s-ubyte%s", part, k ? "labels-idx1" : "images-idx3", suffix);
    if (!*suffix) {
      test_scratch_write(folder, name, file, bytes);
      continue;
    }
    gzFile out = gzopen(in(name), "wb");
    CHECK(out && gzwrite(out, file, (unsigned)bytes) == (int)bytes && gzclose(out) == Z_OK);
  }
}

TEST(idx_pairs_and_their_names)
{
  begin();
  write_pair("train", "", 4, 250);
  write_pair("test", ".gz", 2, 7);
  write_pair("t10k", "", 3, 20);
  write_pair("exactly16letters", "", 1, 1);
  write_pair("of17letters.which", "", 1, 1);
  test_scratch_write(folder, "classes.txt", "a\n\n\nb\r\nc", 8);
  anet_dataset *data = opened(folder, "train", 9); /* a size that IDX has no use for */
  CHECK_EQ_I(anet_dataset_count(data), 4);
  for (int32_t i = 0; i < 4; i++) {
    CHECK_EQ_I(label_of(data, i), 250 + i);
    CHECK_EQ_I(pixel_of(data, i, 1, 2, 0), (uint8_t)(250 + i * 6 + 5));
  }
  CHECK_EQ_I(anet_dataset_classes(data), 254);
  CHECK_EQ_S(anet_dataset_class(data, 0), "a");
  CHECK_EQ_S(anet_dataset_class(data, 2), "c");
  CHECK(!anet_dataset_class(data, 3) && !anet_dataset_class(data, -1));
  anet_dataset_release(data);
  data = opened(folder, "test", 0); /* the name of the part comes before MNIST's */
  CHECK_EQ_I(anet_dataset_count(data), 2);
  CHECK_EQ_I(label_of(data, 1), 8);
  anet_dataset_release(data);
  CHECK_EQ_I(unlink(in("test-images-idx3-ubyte.gz")), 0);
  data = opened(folder, "test", 0);
  CHECK_EQ_I(anet_dataset_count(data), 3);
  CHECK_EQ_I(label_of(data, 2), 22);
  anet_dataset_release(data);
  data = opened(in("t10k-images-idx3-ubyte"), "train",
                0); /* a file by its own name: the part is its */
  CHECK_EQ_I(anet_dataset_count(data), 3);
  CHECK_EQ_I(anet_dataset_classes(data), 23); /* without the folder's names */
  anet_dataset_release(data);
  CHECK_OK(open_part("exactly16letters", 0));
  CHECK_EQ_I(open_part("of17letters.which", 0), ANET_FORMAT);
  CHECK_EQ_I(open_part("t10", 0), ANET_FORMAT);
  write_pair("none", "", 0, 0);
  data = opened(folder, "none", 0);
  CHECK_EQ_I(anet_dataset_count(data), 0);
  CHECK_EQ_I(anet_dataset_classes(data), 3); /* as many as names */
  anet_dataset_release(data);
  test_scratch_remove(folder);
}

/* Images of which the bytes at `at` are replaced, cut to `bytes`: the message about the file. */
static void check_images(size_t at, const char *with, size_t with_bytes, size_t bytes,
                         const char *words)
{
  uint8_t file[64] = {0};
  idx_images(file, 2, 2, 3, 0); /* 28 bytes */
  memcpy(file + at, with, with_bytes);
  test_scratch_write(folder, "train-images-idx3-ubyte", file, bytes);
  check_message(open_part("train", 0), ANET_FORMAT, words, "train-images-idx3-ubyte");
}

static void check_labels(size_t at, char with, size_t bytes, const char *words)
{
  uint8_t file[16] = {0};
  idx_labels(file, 2, 0); /* 10 bytes */
  file[at] = (uint8_t)with;
  test_scratch_write(folder, "train-labels-idx1-ubyte", file, bytes);
  check_message(open_part("train", 0), ANET_FORMAT, words, "train-labels-idx1-ubyte");
}

TEST(wrong_idx_files)
{
  begin();
  write_pair("train", "", 2, 0);
  check_images(0, "", 0, 9, "'%s' ends after 9 of 16 bytes");
  check_images(2, "\x09", 1, 28,
               "'%s' starts with 0x00000903, an IDX file of images with 0x00000803");
  check_images(0, "\x01\x02", 2, 28,
               "'%s' starts with 0x01020803, an IDX file of images with 0x00000803");
  check_images(4, "\x80\0\0\0", 4, 28,
               "'%s' has 2147483648 images of 2 x 3, want sides 1 .. 16384");
  check_images(8, "\0\0\0\0", 4, 28, "'%s' has 2 images of 0 x 3, want sides 1 .. 16384");
  check_images(12, "\0\0\0\0", 4, 28, "'%s' has 2 images of 2 x 0, want sides 1 .. 16384");
  check_images(8, "\0\0\x40\x01", 4, 28, "'%s' has 2 images of 16385 x 3, want sides 1 .. 16384");
  check_images(12, "\0\0\x40\x01", 4, 28, "'%s' has 2 images of 2 x 16385, want sides 1 .. 16384");
  /* 28 bytes can hold 28896: 4816 images are 28896 bytes, 4817 too many */
  check_images(4, "\0\0\x12\xd1", 4, 28, "'%s' says it has 4817 images of 2 x 3, but is too short");
  check_images(4, "\0\0\x12\xd0", 4, 28, "'%s' ends after 12 of 28896 bytes");
  check_images(8, "\0\0\x40\0", 4, 28, "'%s' says it has 2 images of 16384 x 3, but is too short");
  check_images(12, "\0\0\x40\0", 4, 28, "'%s' says it has 2 images of 2 x 16384, but is too short");
  check_images(0, "", 0, 27, "'%s' ends after 11 of 12 bytes");
  check_images(0, "", 0, 29, "'%s' has more bytes than its header says");
  write_pair("train", "", 2, 0);
  check_labels(0, 0, 7, "'%s' ends after 7 of 8 bytes");
  check_labels(3, 3, 10, "'%s' starts with 0x00000803, an IDX file of labels with 0x00000801");
  check_labels(7, 3, 10, "'%s' has 3 labels for 2 images");
  check_labels(7, 1, 9, "'%s' has 1 labels for 2 images");
  check_labels(0, 0, 9, "'%s' ends after 1 of 2 bytes");
  check_labels(0, 0, 11, "'%s' has more bytes than its header says");
  write_pair("train", "", 0, 0);
  test_scratch_write(folder, "train-labels-idx1-ubyte", "\0\0\x08\x01\0\0\0\0x", 9);
  check_message(open_part("train", 0), ANET_FORMAT, "'%s' has more bytes than its header says",
                "train-labels-idx1-ubyte");
  CHECK_EQ_I(unlink(in("train-labels-idx1-ubyte")), 0);
  check_message(open_part("train", 0), ANET_IO, "cannot read '%s': No such file or directory",
                "train-labels-idx1-ubyte");
  CHECK_EQ_I(anet_dataset_open(in("train.bin"), NULL, 0, NULL, &(anet_dataset *){NULL}), ANET_IO);
  test_scratch_write(folder, "train.png", "", 0);
  anet_dataset *data;
  check_message(anet_dataset_open(in("train.png"), NULL, 0, NULL, &data), ANET_FORMAT,
                "'%s': a file of a data set is named …images-idx3-ubyte[.gz]", "train.png");
  test_scratch_remove(folder);
}

/* The part of a path before the last slash is no file's name. */
TEST(a_folder_is_no_idx_file)
{
  begin();
  test_scratch_folder(folder, "images-idx3");
  test_scratch_write(folder, "images-idx3/x", "", 0);
  anet_dataset *data;
  check_message(anet_dataset_open(in("images-idx3/x"), NULL, 0, NULL, &data), ANET_FORMAT,
                "'%s': a file of a data set is named …images-idx3-ubyte[.gz]", "images-idx3/x");
  test_scratch_remove(folder);
}

TEST(damaged_gzip_is_named)
{
  begin();
  write_pair("train", ".gz", 40, 3);
  FILE *file = fopen(in("train-images-idx3-ubyte.gz"), "r+b");
  fseek(file, 14, SEEK_SET);
  fputs("\xff\xff\xff\xff", file);
  fclose(file);
  CHECK_EQ_I(open_part("train", 0), ANET_IO);
  char words[SCRATCH_PATH + 40];
  snprintf(words, sizeof words, "cannot read '%s': ", in("train-images-idx3-ubyte.gz"));
  CHECK(strncmp(anet_error(), words, strlen(words)) == 0 && strlen(anet_error()) > strlen(words));
  /* cut off within the checksum, after all bytes are there */
  write_pair("train", ".gz", 40, 3);
  struct stat info;
  CHECK_EQ_I(stat(in("train-images-idx3-ubyte.gz"), &info), 0);
  CHECK_EQ_I(truncate(in("train-images-idx3-ubyte.gz"), info.st_size - 3), 0);
  CHECK_FAILS(open_part("train", 0), ANET_IO, "unexpected end of file");
  CHECK(strstr(anet_error(), in("train-images-idx3-ubyte.gz")));
  test_scratch_remove(folder);
}

/* ---- CIFAR ---------------------------------------------------------------------------------- */

/* Records of CIFAR: `labels` bytes of labels, the last of which is `label`; planes that count. */
static void write_cifar(const char *name, int32_t labels, const char *label, size_t records)
{
  const size_t record = (size_t)labels + 3072;
  uint8_t *file = calloc(records + 1, record);
  for (size_t k = 0; k < records; k++) {
    uint8_t *at = file + k * record;
    at[labels - 1] = (uint8_t)label[k];
    for (int32_t i = 0; i < 3072; i++)
      at[labels + i] = (uint8_t)(i / 1024 * 80 + i % 79 + (int32_t)k);
  }
  test_scratch_write(folder, name, file, records * record);
  free(file);
}

static void check_cifar(const char *part, const char *label, int32_t count, int32_t classes,
                        const char *first)
{
  anet_dataset *data = opened(folder, part, 5);
  if (!data) return;
  CHECK_EQ_I(anet_dataset_count(data), count);
  CHECK_EQ_I(anet_dataset_classes(data), classes);
  CHECK_EQ_S(anet_dataset_class(data, 0), first);
  const anet_shape *shape = &anet_dataset_images(data)->shape;
  CHECK(shape->dim[1] == 32 && shape->dim[2] == 32 && shape->dim[3] == 3);
  for (int32_t i = 0; i < count; i++) {
    CHECK_EQ_I(label_of(data, i), label[i]);
    for (int32_t c = 0; c < 3; c++) {
      CHECK_EQ_I(pixel_of(data, i, 0, 1, c), c * 80 + (c * 1024 + 1) % 79 + i % 2);
      CHECK_EQ_I(pixel_of(data, i, 31, 31, c), c * 80 + (c * 1024 + 1023) % 79 + i % 2);
    }
  }
  anet_dataset_release(data);
}

TEST(cifar_sets)
{
  begin();
  char name[32];
  for (int32_t i = 1; i <= 5; i++) {
    snprintf(name, sizeof name, "data_batch_%d.bin", i);
    write_cifar(name, 1, &"\x09\x00\x01\x02\x03\x04\x05\x06\x07\x08"[2 * (i - 1)], 2);
  }
  write_cifar("test_batch.bin", 1, "\x05\x06", 2);
  test_scratch_write(folder, "batches.meta.txt", "plane\n", 6);
  check_cifar("train", "\x09\x00\x01\x02\x03\x04\x05\x06\x07\x08", 10, 10, "plane");
  check_cifar("test", "\x05\x06", 2, 10, "plane");
  CHECK_EQ_I(open_part("other", 0), ANET_FORMAT);
  CHECK_EQ_I(open_part(NULL, 0), ANET_FORMAT);
  write_cifar("test_batch.bin", 1, "\x05\x0a", 2);
  check_message(open_part("test", 0), ANET_FORMAT, "'%s': label 10 of record 1, want 0 .. 9",
                "test_batch.bin");
  CHECK_EQ_I(truncate(in("test_batch.bin"), 3074), 0);
  check_message(open_part("test", 0), ANET_FORMAT,
                "'%s' has 3074 bytes, want a multiple of 3073 up to 1073741824", "test_batch.bin");
  CHECK_EQ_I(truncate(in("test_batch.bin"), 0), 0);
  check_message(open_part("test", 0), ANET_FORMAT,
                "'%s' has 0 bytes, want a multiple of 3073 up to 1073741824", "test_batch.bin");
  CHECK_EQ_I(truncate(in("test_batch.bin"), (off_t)3073 * 349526), 0); /* all holes */
  check_message(open_part("test", 0), ANET_FORMAT,
                "'%s' has 1074093398 bytes, want a multiple of 3073 up to 1073741824",
                "test_batch.bin");
  CHECK_EQ_I(unlink(in("data_batch_3.bin")), 0);
  check_message(open_part("train", 0), ANET_IO, "cannot read '%s': No such file or directory",
                "data_batch_3.bin");
  test_scratch_remove(folder);

  begin();
  write_cifar("train.bin", 2, "\x63\x00", 2);
  write_cifar("test.bin", 2, "\x02", 1);
  test_scratch_write(folder, "fine_label_names.txt", "apple\n", 6);
  check_cifar("train", "\x63\x00", 2, 100, "apple");
  check_cifar("test", "\x02", 1, 100, "apple");
  write_cifar("test.bin", 2, "\x64", 1);
  check_message(open_part("test", 0), ANET_FORMAT, "'%s': label 100 of record 0, want 0 .. 99",
                "test.bin");
  test_scratch_remove(folder);
}

/* ---- pictures ------------------------------------------------------------------------------- */

/* A grey PNM whose pixel (y, x) is `from` + 10 y + x. */
static void write_picture(const char *name, int32_t height, int32_t width, int32_t from)
{
  char file[4096];
  int at = snprintf(file, sizeof file, "P5 %d %d 255\n", width, height);
  for (int32_t y = 0; y < height; y++)
    for (int32_t x = 0; x < width; x++) file[at++] = (char)(from + 10 * y + x);
  test_scratch_write(folder, name, file, (size_t)at);
}

TEST(names_of_pictures)
{
  static const char *const good[] = {"a.png", "a.PNG", "a.b.jpg", "a.Jpeg", "a.bmp", "a.tga",
                                     "a.ppm", "a.pgm", "a.pnm",   "a.gif",  ".gif"};
  static const char *const bad[] = {"png", "a.pngx", "a.txt", "", "a.png.labels", "agif"};
  for (int i = 0; i < ANET_COUNT(good); i++) CHECK(anet__dataset_is_image(good[i]));
  for (int i = 0; i < ANET_COUNT(bad); i++) CHECK(!anet__dataset_is_image(bad[i]));
}

TEST(folders_that_are_classes)
{
  begin();
  test_scratch_folder(folder, "train");
  test_scratch_folder(folder, "train/b");
  test_scratch_folder(folder, "train/a");
  test_scratch_folder(folder, "train/empty");
  test_scratch_folder(folder, "train/.hidden");
  test_scratch_folder(folder, "val");
  test_scratch_folder(folder, "val/z");
  write_picture("train/b/1.pgm", 3, 4, 0);
  write_picture("train/b/0.pgm", 3, 4, 100);
  write_picture("train/b/.2.pgm", 3, 4, 100);
  write_picture("train/a/5.pgm", 3, 4, 50);
  write_picture("train/.hidden/1.pgm", 3, 4, 0);
  write_picture("train/loose.pgm", 3, 4, 0);
  write_picture("val/z/0.pgm", 2, 2, 7);
  anet_dataset *data = opened(folder, "train", 0);
  CHECK_EQ_I(anet_dataset_count(data), 3);
  CHECK_EQ_I(anet_dataset_classes(data), 3); /* an empty one is one */
  CHECK_EQ_S(anet_dataset_class(data, 0), "a");
  CHECK_EQ_S(anet_dataset_class(data, 1), "b");
  CHECK_EQ_S(anet_dataset_class(data, 2), "empty");
  static const int32_t label[] = {0, 1, 1}, from[] = {50, 100, 0};
  for (int32_t i = 0; i < 3; i++) {
    CHECK_EQ_I(label_of(data, i), label[i]);
    CHECK_EQ_I(pixel_of(data, i, 2, 3, 1), from[i] + 23);
  }
  anet_dataset_release(data);
  data = opened(folder, "val", 0); /* any part that is there */
  CHECK_EQ_I(anet_dataset_count(data), 1);
  anet_dataset_release(data);
  /* one that is not there, beside one of the usual names, is an error; else every part is all */
  CHECK_EQ_I(open_part("test", 0), ANET_FORMAT);
  CHECK_EQ_I(rename(in("train"), in("test")), 0);
  CHECK_EQ_I(open_part("train", 0), ANET_FORMAT);
  CHECK_EQ_I(rename(in("test"), in("some")), 0);
  data = opened(in("some"), "whatever", 0);
  CHECK_EQ_I(anet_dataset_count(data), 3);
  anet_dataset_release(data);
  data = opened(in("some"), NULL, 0);
  CHECK_EQ_I(anet_dataset_count(data), 3);
  anet_dataset_release(data);
  write_picture("some/empty/1.pgm", 4, 3, 0);
  anet_dataset *bad;
  check_message(anet_dataset_open(in("some"), NULL, 0, NULL, &bad), ANET_SHAPE,
                "'%s': 4 x 3 pixels, the first image has 3 x 4: give a size", "some/empty/1.pgm");
  write_picture("some/empty/1.pgm", 3, 3, 0);
  check_message(anet_dataset_open(in("some"), NULL, 0, NULL, &bad), ANET_SHAPE,
                "'%s': 3 x 3 pixels, the first image has 3 x 4: give a size", "some/empty/1.pgm");
  write_picture("some/empty/1.pgm", 2, 4, 0);
  CHECK_EQ_I(anet_dataset_open(in("some"), NULL, 0, NULL, &bad), ANET_SHAPE);
  test_scratch_remove(folder);
}

/* The middle of a picture whose shorter side is as asked; the sides are rounded. */
static void check_scaled(int32_t height, int32_t width, int32_t size)
{
  const int32_t shorter = ANET_MIN(height, width);
  const int32_t to[2] = {(int32_t)lround((double)height * size / shorter),
                         (int32_t)lround((double)width * size / shorter)};
  anet_tensor *image = NULL, *scaled = NULL;
  begin();
  test_scratch_folder(folder, "a");
  write_picture("a/1.pgm", height, width, 0);
  anet_dataset *data = opened(folder, NULL, size);
  CHECK_OK(anet_image_load(in("a/1.pgm"), 3, &image));
  CHECK_OK(anet_image_resize(image, to[0], to[1], &scaled));
  for (int32_t y = 0; y < size; y++)
    for (int32_t x = 0; x < size; x++)
      CHECK_EQ_I(
          pixel_of(data, 0, y, x, 1),
          anet_tensor_get(scaled, (int32_t[]){y + (to[0] - size) / 2, x + (to[1] - size) / 2, 1}));
  anet_tensor_release(image), anet_tensor_release(scaled);
  anet_dataset_release(data);
  test_scratch_remove(folder);
}

TEST(pictures_are_scaled_and_cut_to_their_middle)
{
  check_scaled(5, 8, 4);
  check_scaled(8, 5, 4);
  check_scaled(7, 5, 4); /* 5.6 lines */
  check_scaled(5, 7, 4);
  check_scaled(6, 11, 6);
  check_scaled(3, 4, 9);
  check_scaled(7, 7, 3);
  check_scaled(9, 16, 5); /* 8.9 columns */
  check_scaled(8, 19, 5); /* 11.9 */
  begin();
  test_scratch_folder(folder, "a");
  write_picture("a/1.pgm", 1, 4000, 0);
  check_message(open_part(NULL, 17), ANET_RANGE,
                "'%s': resize: to 17 x 68000, want sides up to 65536, at most 67108864 pixels",
                "a/1.pgm");
  check_message(
      open_part(NULL, INT32_MAX), ANET_RANGE,
      "'%s': resize: to 2147483647 x 2147483647, want sides up to 65536, at most 67108864 "
      "pixels",
      "a/1.pgm");
  test_scratch_remove(folder);
}

TEST(pictures_named_by_their_class)
{
  begin();
  write_picture("1048575_x.pgm", 2, 2, 9);
  write_picture("0002_b.pgm", 2, 2, 2);
  write_picture("12_.pgm", 2, 2, 3);
  write_picture("1048576_x.pgm", 2, 2, 0); /* more classes than there are */
  write_picture("-1_x.pgm", 2, 2, 0);
  write_picture("+1_x.pgm", 2, 2, 0);
  write_picture("a1_x.pgm", 2, 2, 0);
  write_picture("3x_x.pgm", 2, 2, 0);
  write_picture("3.pgm", 2, 2, 0);
  write_picture(".3_x.pgm", 2, 2, 0);
  write_picture("99999999999999999999_x.pgm", 2, 2, 0);
  test_scratch_write(folder, "3_x.txt", "x", 1);
  test_scratch_write(folder, "labels.txt", "zero\none\n", 9);
  anet_dataset *data = opened(folder, "any", 0);
  CHECK_EQ_I(anet_dataset_count(data), 3);
  static const int32_t label[] = {2, 1048575, 12}, from[] = {2, 9, 3};
  for (int32_t i = 0; i < 3; i++) {
    CHECK_EQ_I(label_of(data, i), label[i]);
    CHECK_EQ_I(pixel_of(data, i, 0, 0, 0), from[i]);
  }
  CHECK_EQ_I(anet_dataset_classes(data), 1048576);
  CHECK_EQ_S(anet_dataset_class(data, 1), "one");
  anet_dataset_release(data);
  test_scratch_remove(folder);
}

TEST(no_form_at_all)
{
  char words[2 * SCRATCH_PATH];
  begin();
  const char text[] = "dataset '%s', part '%s': found no IDX files, CIFAR batches, PNG sheets, "
                      "folders of images, one a class, or images named NUMBER_…";
  snprintf(words, sizeof words, text, folder, "");
  CHECK_EQ_I(open_part(NULL, 0), ANET_FORMAT);
  CHECK_EQ_S(anet_error(), words);
  snprintf(words, sizeof words, text, folder, "val");
  CHECK_EQ_I(open_part("val", 0), ANET_FORMAT);
  CHECK_EQ_S(anet_error(), words);
  snprintf(words, sizeof words, "dataset '%s': size -1, want at least 0", folder);
  CHECK_EQ_I(open_part("val", -1), ANET_RANGE);
  CHECK_EQ_S(anet_error(), words);
  anet_dataset *data;
  check_message(anet_dataset_open(in("none"), NULL, 0, NULL, &data), ANET_IO,
                "cannot open '%s': No such file or directory", "none");
  test_scratch_remove(folder);
}

/* ---- sheets --------------------------------------------------------------------------------- */

/* A sheet of `rows` of 50 tiles of `side` x `side`: pixel (y, x) of tile k is k + 10 y + x; and as
 * many labels, counting from `from`. */
static void write_sheet(const char *name, int32_t rows, int32_t side, int32_t labels, int32_t from)
{
  char file[64], label[400];
  anet_tensor *sheet = NULL;
  CHECK_OK(anet_tensor_new(ANET_U8, &(anet_shape){3, {rows * side, 50 * side, 3}}, &sheet));
  for (int32_t y = 0; y < rows * side; y++)
    for (int32_t x = 0; x < 50 * side; x++)
      for (int32_t c = 0; c < 3; c++)
        anet_tensor_set(sheet, (int32_t[]){y, x, c},
                        y / side * 50 + x / side + 10 * (y % side) + x % side);
  snprintf(file, sizeof file, "%s.png", name);
  CHECK_OK(anet_image_save(sheet, in(file)));
  anet_tensor_release(sheet);
  for (int32_t i = 0; i < labels; i++) label[i] = (char)(from + i);
  snprintf(file, sizeof file, "%s.labels", name);
  test_scratch_write(folder, file, label, (size_t)labels);
}

TEST(sheets)
{
  begin();
  write_sheet("train_1", 2, 3, 100, 0);
  write_sheet("train_0", 1, 3, 7, 200);
  write_sheet("training_0", 1, 3, 7, 9);
  write_sheet("test_0", 1, 2, 50, 0);
  test_scratch_write(folder, "train_.txt", "x", 1);
  anet_dataset *data = opened(folder, "train", 8);
  CHECK_EQ_I(anet_dataset_count(data), 107);
  CHECK_EQ_I(anet_dataset_classes(data), 207);
  for (int32_t i = 0; i < 107; i++) {
    const int32_t tile = i < 7 ? i : i - 7;
    CHECK_EQ_I(label_of(data, i), i < 7 ? 200 + i : i - 7);
    for (int32_t k = 0; k < 9; k++)
      CHECK_EQ_I(pixel_of(data, i, k / 3, k % 3, k % 3), tile + 10 * (k / 3) + k % 3);
  }
  anet_dataset_release(data);
  CHECK_EQ_I(open_part(NULL, 0), ANET_FORMAT); /* a sheet has a part */
  write_sheet("test_0", 2, 2, 51, 0);          /* the fewest that need two rows */
  CHECK_OK(open_part("test", 0));
  write_sheet("test_0", 2, 2, 50, 0);
  check_message(open_part("test", 0), ANET_FORMAT, "'%s': a sheet of 100 tiles has 50 labels",
                "test_0.png");
  write_sheet("test_0", 1, 2, 51, 0);
  check_message(open_part("test", 0), ANET_FORMAT, "'%s': a sheet of 50 tiles has 51 labels",
                "test_0.png");
  write_sheet("test_0", 1, 2, 1, 0);
  CHECK_OK(open_part("test", 0));
  write_sheet("test_1", 1, 3, 1, 0);
  check_message(open_part("test", 0), ANET_FORMAT,
                "'%s': a sheet of tiles of side 3, want 2 as in the first", "test_1.png");
  CHECK_EQ_I(unlink(in("test_1.png")), 0);
  check_message(open_part("test", 0), ANET_IO, "cannot open '%s': No such file or directory",
                "test_1.png");
  CHECK_EQ_I(unlink(in("test_1.labels")), 0);
  test_scratch_write(folder, "test_0.png", "P5 150 2 255\n", 13);
  CHECK(open_part("test", 0) != ANET_OK);
  test_scratch_remove(folder);
}

static bool one_less;

/* This program's own: files of labels may say that they have one less than is read afterwards. */
int stat(const char *path, struct stat *out)
{
  const long rc = syscall(SYS_newfstatat, AT_FDCWD, path, out, 0);
  if (rc == 0 && one_less && strstr(path, ".labels")) out->st_size--;
  return rc ? -1 : 0;
}

TEST(labels_that_grow_while_they_are_read)
{
  begin();
  write_sheet("test_0", 1, 2, 50, 0);
  write_sheet("test_1", 1, 2, 50, 0);
  CHECK_OK(open_part("test", 0));
  one_less = true; /* 98 in all, 50 + 50 are there */
  check_message(open_part("test", 0), ANET_FORMAT, "'%s': the labels changed while they were read",
                "test_1.png");
  one_less = false;
  test_scratch_remove(folder);
}

/* A sheet of these sides, all grey, and one label. */
static int open_sheet(int32_t height, int32_t width)
{
  static char file[20000];
  const int at = snprintf(file, sizeof file, "P5 %d %d 255\n", width, height);
  test_scratch_write(folder, "test_0.png", file, (size_t)(at + height * width));
  test_scratch_write(folder, "test_0.labels", "\0", 1);
  return open_part("test", 0);
}

TEST(sheets_of_the_wrong_size)
{
  begin();
  CHECK_OK(open_sheet(1, 50));
  CHECK_OK(open_sheet(2, 100));
  check_message(open_sheet(1, 49), ANET_FORMAT,
                "'%s': a sheet of 1 x 49 pixels is not rows of 50 square tiles", "test_0.png");
  check_message(open_sheet(2, 101), ANET_FORMAT,
                "'%s': a sheet of 2 x 101 pixels is not rows of 50 square tiles", "test_0.png");
  check_message(open_sheet(3, 100), ANET_FORMAT,
                "'%s': a sheet of 3 x 100 pixels is not rows of 50 square tiles", "test_0.png");
  /* labels of which no image could have as many: a sheet in front says so first */
  write_sheet("test_0", 1, 2, 50, 0);
  struct stat info;
  CHECK_EQ_I(stat(in("test_0.png"), &info), 0);
  test_scratch_write(folder, "test_1.labels", "", 0);
  CHECK_EQ_I(truncate(in("test_1.labels"), 60000000), 0);
  char words[SCRATCH_PATH + 100];
  const long long most = (2 * (1 << 21) + (long long)info.st_size * 8256) / 4;
  snprintf(words, sizeof words,
           "'%%s': 60000050 labels for tiles of side 2, the sheets have %lld at most", most);
  check_message(open_part("test", 0), ANET_FORMAT, words, "test_0.png");
  CHECK_EQ_I(truncate(in("test_1.labels"), (off_t)INT32_MAX - 49), 0);
  CHECK_EQ_I(open_part("test", 0), ANET_RANGE);
  snprintf(words, sizeof words, "'%s' has 2147483648 labels, want at most 2147483647", folder);
  CHECK_EQ_S(anet_error(), words);
  CHECK_EQ_I(truncate(in("test_1.labels"), (off_t)INT32_MAX - 50), 0);
  CHECK_EQ_I(open_part("test", 0), ANET_FORMAT);
  test_scratch_remove(folder);
}

/* ---- stops ---------------------------------------------------------------------------------- */

/* A stop that is set ends each form before it is read. */
TEST(a_stop_ends_each_form)
{
  anet_pool *pool = NULL;
  anet_dataset *data;
  volatile int32_t stop = 1;
  CHECK_OK(anet_pool_new(1, &pool));
  CHECK_OK(anet_pool_watch(pool, &stop));
  for (int32_t form = 0; form < 5; form++) {
    begin();
    test_scratch_folder(folder, "a");
    if (form == 0) write_pair("test", "", 2, 0);
    if (form == 1) write_cifar("test_batch.bin", 1, "\x01", 1);
    if (form == 2) write_sheet("test_0", 1, 2, 3, 0);
    if (form == 3) write_picture("a/1.pgm", 2, 2, 0);
    if (form == 4) write_picture("1_x.pgm", 2, 2, 0);
    CHECK_FAILS(anet_dataset_open(folder, "test", 0, pool, &data), ANET_STOPPED, "stopped");
    CHECK(data == NULL);
    stop = 0;
    CHECK_OK(anet_dataset_open(folder, "test", 0, pool, &data));
    anet_dataset_release(data);
    stop = 1;
    test_scratch_remove(folder);
  }
  anet_pool_release(pool);
}

TEST(nothing_is_left)
{
  anet_memory memory;
  anet_memory_read(&memory);
  CHECK_EQ_I(memory.live_bytes, 0);
}

TEST_MAIN(CASE(idx_pairs_and_their_names), CASE(wrong_idx_files), CASE(a_folder_is_no_idx_file),
          CASE(damaged_gzip_is_named), CASE(cifar_sets), CASE(names_of_pictures),
          CASE(folders_that_are_classes), CASE(pictures_are_scaled_and_cut_to_their_middle),
          CASE(pictures_named_by_their_class), CASE(no_form_at_all), CASE(sheets),
          CASE(labels_that_grow_while_they_are_read), CASE(sheets_of_the_wrong_size),
          CASE(a_stop_ends_each_form), CASE(nothing_is_left))
