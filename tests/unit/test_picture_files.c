/* What is looked at before a stranger's picture is decoded, to the byte; what saving refuses; and
 * how many pixels a file may say that it has. */
#include <limits.h>
#include <png.h>

#include "base/alloc.h"
#include "base/error.h"
#include "image/guard.h"
#include "image/limits.h"
#include "support/fault.h"
#include "support/scratch.h"
#include "tensor/tensor.h"

/* ---- JPEG: tables of codes ------------------------------------------------------------------ */

typedef struct bytes {
  uint8_t at[4096];
  size_t count;
} bytes;

static void put(bytes *b, const char *data, size_t count)
{
  memcpy(b->at + b->count, data, count);
  b->count += count;
}

#define PUT(b, text) put(b, text, sizeof text - 1)

/* A table: a class and number, so many codes of each length, and the codes. */
static void put_table(bytes *b, int32_t codes)
{
  uint8_t count[17] = {0};
  for (int32_t i = 1, left = codes; i <= 16; i++) {
    count[i] = (uint8_t)ANET_MIN(left, 255);
    left -= count[i];
  }
  put(b, (const char *)count, 17);
  for (int32_t i = 0; i < codes; i++) PUT(b, "\0");
}

/* A segment of tables with these numbers of codes. */
static void put_codes(bytes *b, int32_t first, int32_t second)
{
  const size_t start = b->count;
  PUT(b, "\xff\xc4\0\0");
  put_table(b, first);
  if (second >= 0) put_table(b, second);
  const size_t length = b->count - start - 2;
  b->at[start + 2] = (uint8_t)(length >> 8);
  b->at[start + 3] = (uint8_t)length;
}

static int guard(const bytes *b)
{
  uint8_t *exact = malloc(b->count); /* so that a byte too far is seen */
  memcpy(exact, b->at, b->count);
  const int rc = anet__guard_parts(exact, b->count);
  free(exact);
  return rc;
}

TEST(tables_of_a_jpeg)
{
  for (int32_t codes = 254; codes <= 259; codes++) {
    bytes one = {.count = 0}, two = {.count = 0}, after = {.count = 0};
    char words[80];
    snprintf(words, sizeof words, "image: a table of %d Huffman codes, the most is 256", codes);
    PUT(&one, "\xff\xd8");
    put_codes(&one, codes, -1);
    PUT(&two, "\xff\xd8");
    put_codes(&two, 12, codes); /* the second of a segment */
    PUT(&after, "\xff\xd8");
    put_codes(&after, 12, 3); /* and of another segment, after padding */
    PUT(&after, "\xff\xe0\x00\x04zz\xff\xff\xff");
    put_codes(&after, codes, -1);
    for (int32_t k = 0; k < 3; k++) {
      const bytes *b = k == 0 ? &one : k == 1 ? &two : &after;
      if (codes > 256)
        CHECK_FAILS(guard(b), ANET_FORMAT, words);
      else
        CHECK_OK(guard(b));
    }
  }
}

/* Segments are as long as they say, and what they hold is no marker. */
TEST(segments_of_a_jpeg)
{
  bytes hidden = {.count = 0}, open = {.count = 0}, tiny = {.count = 0};
  PUT(&hidden, "\xff\xd8\xff\xfe\x01\x60"); /* a comment around a table of too many codes */
  put_codes(&hidden, 300, -1);
  while (hidden.count < 4 + 0x160) PUT(&hidden, "z");
  PUT(&hidden, "\xff\xd9");
  CHECK_OK(guard(&hidden));
  hidden.at[4] =
      0; /* a comment that is shorter: its end is found in the middle of what was in it */
  hidden.at[5] = 2;
  CHECK_FAILS(guard(&hidden), ANET_FORMAT, "300 Huffman codes");
  PUT(&open, "\xff\xd8zz"); /* between segments anything but a marker is passed over */
  put_codes(&open, 300, -1);
  CHECK_FAILS(guard(&open), ANET_FORMAT, "300 Huffman codes");
  PUT(&tiny, "\xff\xd8\xff\xe0\x00\x00"); /* a length less than its own two bytes is two */
  put_codes(&tiny, 300, -1);
  CHECK_FAILS(guard(&tiny), ANET_FORMAT, "300 Huffman codes");
}

/* In what a scan codes, 0xff 0 is a byte and restarts go on; the next marker ends it. */
TEST(scans_of_a_jpeg)
{
  bytes b = {.count = 0}, after = {.count = 0};
  PUT(&b, "\xff\xd8\xff\xda\x00\x03z");
  PUT(&b, "a\xff\x00\xff\xd0\xff\xd7 b\xff\x00\xff\xc4"); /* a marker, of a table cut off */
  CHECK_OK(guard(&b));
  PUT(&b, "\x01\x50\x00");
  for (int32_t i = 0; i < 16; i++) PUT(&b, "\x20"); /* of 512 codes, which lie beyond */
  CHECK_FAILS(guard(&b), ANET_FORMAT, "512 Huffman codes");
  PUT(&after, "\xff\xd8\xff\xda\x00\x03z\xff\x00\x00\x40"); /* no segment of 64 bytes begins here */
  put_codes(&after, 300, -1);
  CHECK_FAILS(guard(&after), ANET_FORMAT, "300 Huffman codes");
  after.at[8] = 0xd4; /* nor here */
  CHECK_FAILS(guard(&after), ANET_FORMAT, "300 Huffman codes");
}

/* Wherever a file ends, no byte after it is read, and no table is made up. */
TEST(cut_jpegs)
{
  bytes whole = {.count = 0};
  PUT(&whole, "\xff\xd8\xff\xe0\x00\x04zz");
  put_codes(&whole, 20, 256);
  PUT(&whole, "\xff\xda\x00\x03za\xff\x00");
  for (; whole.count > 0; whole.count--) CHECK_OK(guard(&whole));
  CHECK_OK(anet__guard_parts((const uint8_t *)"", 0));
}

/* ---- PNG: pieces ---------------------------------------------------------------------------- */

static void put_piece(bytes *b, uint32_t says, const char *name, size_t has)
{
  const char length[4] = {(char)(says >> 24), (char)(says >> 16), (char)(says >> 8), (char)says};
  put(b, length, 4);
  put(b, name, 4);
  for (size_t i = 0; i < has; i++) PUT(b, "\x01");
}

TEST(pieces_of_a_png)
{
  for (int32_t more = -1; more <= 2; more++) {
    bytes b = {.count = 0};
    PUT(&b, "\x89PNG\r\n\x1a\n");
    put_piece(&b, 5, "IHDR", 5 + 4);
    put_piece(&b, 0, "NONE", 4);
    put_piece(&b, (uint32_t)(300 + more), "IDAT", 300);
    if (more > 0) {
      char words[80];
      snprintf(words, sizeof words, "image: a piece of a PNG has 300 bytes, it says %d",
               300 + more);
      CHECK_FAILS(guard(&b), ANET_FORMAT, words);
    } else {
      CHECK_OK(guard(&b));
    }
  }
  bytes b = {.count = 0};
  PUT(&b, "\x89PNG\r\n\x1a\n");
  put_piece(&b, 0x01020304, "IDAT", 0);
  CHECK_FAILS(guard(&b), ANET_FORMAT, "has 0 bytes, it says 16909060");
  memcpy(b.at + 12, "IEND", 4); /* the last one, whatever it says */
  put_piece(&b, 0x01020304, "IDAT", 0);
  CHECK_OK(guard(&b));
  b.at[0] = 'x'; /* no PNG */
  b.at[12] = 'J';
  CHECK_OK(guard(&b));
}

TEST(cut_pngs)
{
  bytes b = {.count = 0};
  PUT(&b, "\x89PNG\r\n\x1a\n");
  put_piece(&b, 0, "IHDR", 4);
  put_piece(&b, 0, "IEND", 4);
  for (; b.count > 0; b.count--) CHECK_OK(guard(&b));
}

/* ---- how many pixels ------------------------------------------------------------------------ */

TEST(pixels_that_bytes_can_say)
{
  static const struct {
    uint8_t first;
    int64_t ratio;
  } form[] = {{0x89, 1032 * 8}, {'G', 4095 * 8 / 12}, {0xff, 512},
              {'P', 128},       {'B', 128},           {0, 128}};
  for (int i = 0; i < ANET_COUNT(form); i++)
    for (size_t count = 1; count < 3000; count = count * 3 + 1) {
      const uint8_t data[1] = {form[i].first};
      const int64_t most = ANET_IMAGE_FREE + (int64_t)count * form[i].ratio;
      char words[128];
      snprintf(words, sizeof words, "image: %lld pixels in %zu bytes, which can hold %lld at most",
               (long long)most + 1, count, (long long)most);
      CHECK_OK(anet__guard_pixels(data, count, most));
      CHECK_FAILS(anet__guard_pixels(data, count, most + 1), ANET_FORMAT, words);
    }
  CHECK_OK(anet__guard_pixels(NULL, 0, ANET_IMAGE_FREE));
  CHECK_FAILS(anet__guard_pixels(NULL, 0, ANET_IMAGE_FREE + 1), ANET_FORMAT, "in 0 bytes");
  /* no more than an image may have at all, and no overflow */
  CHECK_OK(anet__guard_pixels((const uint8_t *)"G", SIZE_MAX, ANET_IMAGE_PIXELS));
  CHECK_FAILS(anet__guard_pixels((const uint8_t *)"P", SIZE_MAX, ANET_IMAGE_PIXELS + 1),
              ANET_FORMAT, "which can hold 67108864 at most");
  CHECK_EQ_I(anet__guard_most(0), 1 << 21);
  CHECK_EQ_I(anet__guard_most(1000), (1 << 21) + 1032 * 8 * 1000);
  CHECK_EQ_I(anet__guard_most(SIZE_MAX), 1 << 26);
}

/* ---- decoding ------------------------------------------------------------------------------- */

static int decode(const char *data, size_t count)
{
  anet_tensor *image = (anet_tensor *)&count;
  const int rc = anet_image_decode(data, (double)count, 3, &image);
  CHECK_EQ_I(rc == ANET_OK, image != NULL);
  anet_tensor_release(image);
  return rc;
}

/* A grey PNM of these sides and as many bytes, all the same. */
static int decode_pnm(int32_t height, int32_t width)
{
  const size_t room = (size_t)height * (size_t)width + 64;
  char *data = calloc(room, 1);
  const int head = snprintf(data, room, "P5 %d %d 255\n", width, height);
  const int rc = decode(data, (size_t)head + (size_t)height * (size_t)width);
  free(data);
  return rc;
}

TEST(sides_of_an_image)
{
  CHECK_OK(decode_pnm(1, 65536));
  CHECK_OK(decode_pnm(65536, 1));
  CHECK_FAILS(decode_pnm(1, 65537), ANET_RANGE,
              "image: 1 x 65537 pixels, want sides 1 .. 65536, at most 67108864 in all");
  CHECK_FAILS(decode_pnm(65537, 1), ANET_RANGE, "image: 65537 x 1 pixels");
  /* the sizes are looked at before the bytes: these are not there */
  CHECK_FAILS(decode("P5 8192 8193 255\n", 17), ANET_RANGE, "image: 8193 x 8192 pixels");
  CHECK_FAILS(decode("P5 8192 8192 255\n", 17), ANET_FORMAT,
              "image: 67108864 pixels in 17 bytes, which can hold 2099328 at most");
  CHECK_FAILS(decode("P5 2 2 65535\n01234567", 21), ANET_UNSUPPORTED,
              "image: a PNM of 16 bits a value, 8 are supported");
  CHECK_FAILS(decode("hello", 5), ANET_FORMAT,
              "image: not a PNG, JPEG, BMP, TGA, PNM or GIF, or a damaged one");
  anet_tensor *image;
  CHECK_FAILS(anet_image_decode("P5", (double)INT_MAX + 1, 3, &image), ANET_RANGE,
              "image: 2147483648 bytes, want 0 .. 2147483647");
  CHECK_FAILS(anet_image_decode("P5", 2, 4, &image), ANET_RANGE, "image: 4 channels, want 1 or 3");
  CHECK_FAILS(anet_image_decode("P5", 2, 0, &image), ANET_RANGE, "image: 0 channels, want 1 or 3");
}

/* A message that an earlier failure left says nothing about this one. */
TEST(an_old_message_is_no_reason)
{
  anet_fail(ANET_NOMEM, "an old failure");
  CHECK_FAILS(decode("hello", 5), ANET_FORMAT, "image: not a PNG");
  anet_fail(ANET_NOMEM, "an old failure");
  CHECK_OK(decode("P5 1 1 255\n7", 12));
}

TEST(a_file_is_named_in_front)
{
  char folder[SCRATCH_PATH], path[SCRATCH_PATH], words[2 * SCRATCH_PATH];
  anet_tensor *image;
  test_scratch_new(folder);
  test_scratch_write(folder, "x.png", "hello", 5);
  test_scratch_path(folder, "x.png", path);
  snprintf(words, sizeof words, "'%s': image: not a PNG", path);
  CHECK_FAILS(anet_image_load(path, 3, &image), ANET_FORMAT, words);
  CHECK_EQ_I(anet_image_load("no/such", 3, &image), ANET_IO);
  CHECK_EQ_S(anet_error(), "cannot open 'no/such': No such file or directory");
  test_scratch_remove(folder);
}

/* ---- saving --------------------------------------------------------------------------------- */

static bool png_fails;

/* libpng's own, which this program can make fail. */
int png_image_write_to_memory(png_imagep image, void *memory, png_alloc_size_t *bytes, int convert,
                              const void *buffer, png_int_32 stride, const void *colormap)
{
  FILE *file = png_fails ? NULL : tmpfile();
  (void)colormap, (void)convert;
  if (!file) {
    snprintf(image->message, sizeof image->message, "made to fail");
    return 0;
  }
  const int good = png_image_write_to_stdio(image, file, 0, buffer, stride, NULL);
  *bytes = (png_alloc_size_t)ftell(file);
  rewind(file);
  const bool read = fread(memory, 1, *bytes, file) == *bytes;
  fclose(file);
  return good && read;
}

static int save(int32_t type, anet_shape shape, const char *path)
{
  anet_tensor *image = NULL;
  CHECK_OK(anet_tensor_new(type, &shape, &image));
  const int rc = anet_image_save(image, path);
  anet_tensor_release(image);
  return rc;
}

TEST(what_is_saved_is_checked)
{
  char folder[SCRATCH_PATH], path[SCRATCH_PATH];
  anet_memory before, after;
  test_scratch_new(folder);
  test_scratch_path(folder, "x.png", path);
  anet_memory_read(&before);
  const char want[] = "want u8 (height, width, 1 | 3 | 4)";
  CHECK_FAILS(save(ANET_U8, (anet_shape){3, {2, 3, 2}}, path), ANET_SHAPE, "image: u8 (2, 3, 2), ");
  CHECK(strstr(anet_error(), want));
  CHECK_FAILS(save(ANET_U8, (anet_shape){3, {2, 3, 5}}, path), ANET_SHAPE, want);
  CHECK_FAILS(save(ANET_I8, (anet_shape){3, {2, 3, 1}}, path), ANET_SHAPE, "image: i8 (2, 3, 1)");
  CHECK_FAILS(save(ANET_U8, (anet_shape){2, {2, 3}}, path), ANET_SHAPE, "image: u8 (2, 3), want");
  CHECK_FAILS(save(ANET_U8, (anet_shape){3, {0, 3, 1}}, path), ANET_RANGE,
              "image: 0 x 3 pixels, want sides 1 .. 65536");
  CHECK_FAILS(save(ANET_U8, (anet_shape){3, {3, 0, 1}}, path), ANET_RANGE, "image: 3 x 0 pixels");
  CHECK_FAILS(save(ANET_U8, (anet_shape){3, {65537, 1, 1}}, path), ANET_RANGE, "65537 x 1 pixels");
  CHECK_FAILS(save(ANET_U8, (anet_shape){3, {1, 65537, 1}}, path), ANET_RANGE, "1 x 65537 pixels");
  CHECK_OK(save(ANET_U8, (anet_shape){3, {65536, 1, 1}}, path));
  CHECK_OK(save(ANET_U8, (anet_shape){3, {1, 65536, 4}}, path));
  png_fails = true;
  CHECK_FAILS(save(ANET_U8, (anet_shape){3, {2, 2, 1}}, path), ANET_FORMAT, "image: made to fail");
  png_fails = false;
  anet_memory_read(&after);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
  test_scratch_remove(folder);
}

/* The colours of every kind, pixel by pixel. */
TEST(colours_come_back)
{
  char folder[SCRATCH_PATH], path[SCRATCH_PATH];
  test_scratch_new(folder);
  test_scratch_path(folder, "x.png", path);
  static const int32_t kinds[] = {1, 3, 4};
  for (int k = 0; k < 3; k++) {
    anet_tensor *image = NULL, *back, *grey;
    CHECK_OK(anet_tensor_new(ANET_U8, &(anet_shape){3, {3, 5, kinds[k]}}, &image));
    for (int32_t i = 0; i < 15 * kinds[k]; i++)
      ((uint8_t *)anet_tensor_data(image))[i] = (uint8_t)(i * 4);
    CHECK_OK(anet_image_save(image, path));
    CHECK_OK(anet_image_load(path, 3, &back));
    CHECK_OK(anet_image_load(path, 1, &grey));
    CHECK(back->shape.dim[0] == 3 && back->shape.dim[1] == 5 && back->shape.dim[2] == 3);
    CHECK(grey->shape.dim[0] == 3 && grey->shape.dim[1] == 5 && grey->shape.dim[2] == 1);
    for (int32_t y = 0; y < 3; y++)
      for (int32_t x = 0; x < 5; x++)
        for (int32_t c = 0; c < 3; c++)
          CHECK_EQ_I(anet_tensor_get(back, (int32_t[]){y, x, c}),
                     anet_tensor_get(image, (int32_t[]){y, x, kinds[k] == 1 ? 0 : c}));
    anet_tensor_release(image), anet_tensor_release(back), anet_tensor_release(grey);
  }
  test_scratch_remove(folder);
}

/* Rows of an image are dense, and begin further on. */
TEST(rows_of_an_image_are_saved)
{
  char folder[SCRATCH_PATH], path[SCRATCH_PATH];
  anet_tensor *image = NULL, *rows, *back;
  test_scratch_new(folder);
  test_scratch_path(folder, "x.png", path);
  CHECK_OK(anet_tensor_new(ANET_U8, &(anet_shape){3, {4, 5, 1}}, &image));
  for (int32_t i = 0; i < 20; i++) ((uint8_t *)anet_tensor_data(image))[i] = (uint8_t)(i * 9);
  CHECK_OK(anet_tensor_view(image, (int32_t[]){2, 0, 0}, &(anet_shape){3, {2, 5, 1}}, &rows));
  CHECK_OK(anet_image_save(rows, path));
  CHECK_OK(anet_image_load(path, 1, &back));
  for (int32_t i = 0; i < 10; i++)
    CHECK_EQ_I(((uint8_t *)anet_tensor_data(back))[i], (uint8_t)((i + 10) * 9));
  anet_tensor_release(back), anet_tensor_release(rows), anet_tensor_release(image);
  test_scratch_remove(folder);
}

TEST_MAIN(CASE(rows_of_an_image_are_saved), CASE(tables_of_a_jpeg), CASE(segments_of_a_jpeg),
          CASE(scans_of_a_jpeg), CASE(cut_jpegs), CASE(pieces_of_a_png), CASE(cut_pngs),
          CASE(pixels_that_bytes_can_say), CASE(sides_of_an_image),
          CASE(an_old_message_is_no_reason), CASE(a_file_is_named_in_front),
          CASE(what_is_saved_is_checked), CASE(colours_come_back))
