/* The bundle's file, made by hand: what is written is what the format says, and each field that is
 * damaged, with its checksum right, has its own message. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "bundle/bundle.h"
#include "support/fault.h"
#include "support/scratch.h"
#include "tensor/tensor.h"

static char folder[SCRATCH_PATH], path[SCRATCH_PATH];

/* ---- files by hand -------------------------------------------------------------------------- */

/* Two tensors, the padding between them, and what only metadata has. */
#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}"
#define PAD "\"__pad.0\":{\"dtype\":\"U8\",\"shape\":[48],\"data_offsets\":[16,64]}"
#define B "\"b\":{\"dtype\":\"I8\",\"shape\":[3],\"data_offsets\":[64,67]}"
#define PAD1 "\"__pad.1\":{\"dtype\":\"U8\",\"shape\":[61],\"data_offsets\":[67,128]}"
#define NOTE ",\"note\":\"a text\""
enum { DATA = 128 };

static char data[DATA];

static uint32_t crc(const void *bytes, size_t count)
{
  return (uint32_t)crc32(0, bytes, (unsigned)count);
}

/* The sums of a and b, as metadata has them. */
static const char *sums(void)
{
  static char text[80];
  snprintf(text, sizeof text, "{\\\"a\\\":\\\"%08x\\\",\\\"b\\\":\\\"%08x\\\"}", crc(data, 16),
           crc(data + 64, 3));
  return text;
}

/* entries: of the header, with a comma behind; metadata: after the checksums; the header is padded
 * with spaces to a boundary, and its own checksum right. */
static void write_file(const char *entries, const char *all_sums, const char *metadata,
                       size_t bytes)
{
  static char file[8192];
  char *text = file + 8, digits[9];
  uint64_t length =
      (uint64_t)snprintf(text, sizeof file - 8,
                         "{%s\"__metadata__\":{\"checksums\":\"%s\",\"checksum\":\"00000000\"%s}}",
                         entries, all_sums, metadata);
  while ((length + 8) % 64) text[length++] = ' ';
  memcpy(file, &length, 8);
  snprintf(digits, sizeof digits, "%08x", crc(file, 8 + length));
  memcpy(strstr(text, "\"checksum\":\"") + 12, digits, 8);
  memcpy(text + length, data, bytes);
  test_scratch_write(folder, "x.anet", file, 8 + length + bytes);
}

static int open_bundle(void)
{
  anet_bundle *bundle = (anet_bundle *)folder;
  const int rc = anet_bundle_open(path, &bundle);
  CHECK_EQ_I(rc == ANET_OK, bundle != NULL);
  anet_bundle_release(bundle);
  return rc;
}

/* The whole message, after the path. */
static void check_message(int status, const char *words)
{
  char whole[2 * SCRATCH_PATH];
  anet_memory before, after;
  anet_memory_read(&before);
  const int rc = open_bundle();
  anet_memory_read(&after);
  CHECK_EQ_I(rc, status);
  snprintf(whole, sizeof whole, "%s: %s", path, words);
  CHECK_EQ_S(anet_error(), whole);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
}

static void check_entries(const char *entries, int status, const char *words)
{
  write_file(entries, sums(), "", DATA);
  check_message(status, words);
}

static void begin(void)
{
  for (int i = 0; i < DATA; i++) data[i] = 0;
  const float a[4] = {1, 2, 3, 4};
  memcpy(data, a, 16);
  memcpy(data + 64, "\x01\xff\x7f", 3);
}

TEST(a_file_by_hand_is_read)
{
  anet_bundle *bundle = NULL;
  begin();
  write_file(A "," PAD "," B "," PAD1 ",", sums(), NOTE ",\"format\":\"anet\"", DATA);
  CHECK_OK(anet_bundle_open(path, &bundle));
  if (!bundle) return;
  CHECK_EQ_I(anet_bundle_tensors(bundle), 2);
  CHECK_EQ_S(anet_bundle_tensor_name(bundle, 0), "a");
  CHECK_EQ_S(anet_bundle_tensor_name(bundle, 1), "b");
  CHECK(!anet_bundle_tensor_name(bundle, 2) && !anet_bundle_tensor_name(bundle, -1));
  CHECK_NEAR(anet_tensor_get(anet_bundle_tensor(bundle, "a"), (int32_t[]){1, 0}), 3, 0);
  CHECK_NEAR(anet_tensor_get(anet_bundle_tensor(bundle, "b"), (int32_t[]){1}), -1, 0);
  CHECK_EQ_I(anet_tensor_type(anet_bundle_tensor(bundle, "b")), ANET_I8);
  CHECK(!anet_bundle_tensor(bundle, "__pad.0"));
  CHECK_EQ_S(anet_bundle_text(bundle, "note"), "a text");
  /* what belongs to the format is no text of the bundle */
  CHECK(!anet_bundle_text(bundle, "format") && !anet_bundle_text(bundle, "checksum"));
  CHECK(!anet_bundle_text(bundle, "checksums"));
  CHECK_EQ_I(json_object_size(bundle->text), 1);
  anet_tensor *a = anet_tensor_retain(anet_bundle_tensor(bundle, "a"));
  anet_bundle_release(bundle);
  CHECK_NEAR(anet_tensor_get(a, (int32_t[]){1, 1}), 4, 0); /* the file stays mapped */
  anet_tensor_release(a);
  write_file("", "{}", NOTE, 0);
  CHECK_OK(open_bundle());
}

TEST(each_type_has_its_name)
{
  static const char *const name[] = {"F32", "U8", "I32", "I8"};
  begin();
  for (int32_t type = 0; type < ANET_TYPE_COUNT; type++) {
    char entries[400];
    anet_bundle *bundle = NULL;
    const bool wide = type == ANET_F32 || type == ANET_I32;
    snprintf(entries, sizeof entries,
             "\"a\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[0,16]}," PAD "," B "," PAD1
             ",",
             name[type], wide ? 4 : 16);
    write_file(entries, sums(), "", DATA);
    CHECK_OK(anet_bundle_open(path, &bundle));
    if (bundle) CHECK_EQ_I(anet_tensor_type(anet_bundle_tensor(bundle, "a")), type);
    anet_bundle_release(bundle);
  }
}

#define ENTRY(type, shape, from, to)                                                               \
  "\"a\":{\"dtype\":" type ",\"shape\":" shape ",\"data_offsets\":[" from "," to "]},"
#define REST PAD "," B "," PAD1 ","

TEST(wrong_entries)
{
  begin();
  check_entries(ENTRY("\"F64\"", "[2]", "0", "16") REST, ANET_FORMAT,
                "tensor 'a' has type 'F64', F32, U8, I32 or I8 are read");
  check_entries(ENTRY("7", "[2]", "0", "16") REST, ANET_FORMAT,
                "tensor 'a' has type 'none', F32, U8, I32 or I8 are read");
  check_entries(ENTRY("\"F32\"", "[1,1,1,1,2,2]", "0", "16") REST, ANET_FORMAT,
                "tensor 'a' has 6 dimensions, at most 5 are read");
  check_entries(ENTRY("\"F32\"", "4", "0", "16") REST, ANET_FORMAT,
                "tensor 'a' has 0 dimensions, at most 5 are read");
  check_entries(ENTRY("\"F32\"", "[2,-2]", "0", "16") REST, ANET_FORMAT,
                "tensor 'a' has a dimension of -2");
  check_entries(ENTRY("\"F32\"", "[2147483648]", "0", "16") REST, ANET_FORMAT,
                "tensor 'a' has a dimension of 2147483648");
  write_file(ENTRY("\"F32\"", "[1,1,1,2,2]", "0", "16") REST, sums(), "", DATA);
  CHECK_OK(open_bundle());
  static const struct {
    const char *entry, *found, *want;
  } row[] = {
      {ENTRY("\"F32\"", "[2,2]", "0", "12") REST, "0 to 12", "16 at 0"},
      {ENTRY("\"F32\"", "[2,2]", "0", "20") REST, "0 to 20", "16 at 0"},
      {ENTRY("\"F32\"", "[2,2]", "1", "17") REST, "1 to 17", "16 at 0"},
      {ENTRY("\"F32\"", "[2,2]", "-16", "0") REST, "-16 to 0", "16 at 0"},
      {ENTRY("\"F32\"", "[2,2]", "0", "-16") REST, "0 to -16", "16 at 0"},
      {ENTRY("\"F32\"", "[2,3]", "0", "16") REST, "0 to 16", "24 at 0"},
      {ENTRY("\"F32\"", "[33]", "0", "132"), "0 to 132", "132 at 0"},
      {ENTRY("\"I8\"", "[2147483647,2147483647,2147483647]", "0", "0"), "0 to 0", "0 at 0"},
      {ENTRY("\"F32\"", "[2147483647,2147483647,8]", "0", "0"), "0 to 0", "0 at 0"},
      {ENTRY("\"F32\"", "[2,2]", "\"0\"", "12") REST, "0 to 12", "16 at 0"},
  };
  for (int i = 0; i < ANET_COUNT(row); i++) {
    char words[200];
    snprintf(words, sizeof words, "tensor 'a' spans bytes %s of 128, its shape needs %s",
             row[i].found, row[i].want);
    if (i == 7 || i == 8) { /* more than can be counted: what is said of it matters little */
      write_file(row[i].entry, sums(), "", DATA);
      CHECK_FAILS(open_bundle(), ANET_FORMAT, "tensor 'a' spans bytes 0 to 0 of 128");
      continue;
    }
    check_entries(row[i].entry, ANET_FORMAT, words);
  }
  /* holes and overlaps between tensors */
  check_entries(A "," B "," PAD1 ",", ANET_FORMAT,
                "tensor 'b' spans bytes 64 to 67 of 128, its shape needs 3 at 16");
  check_entries(A "," PAD "," PAD1 ",", ANET_FORMAT,
                "tensor '__pad.1' spans bytes 67 to 128 of 128, its shape needs 61 at 64");
  check_entries(B "," A ",", ANET_FORMAT,
                "tensor 'b' spans bytes 64 to 67 of 128, its shape needs 3 at 0");
  check_entries(A "," PAD "," B ",", ANET_FORMAT, "its tensors end at byte 67 of 128");
  check_entries("", ANET_FORMAT, "its tensors end at byte 0 of 128");
  write_file(A "," PAD "," B "," PAD1 ",", sums(), "", DATA - 1);
  check_message(ANET_FORMAT,
                "tensor '__pad.1' spans bytes 67 to 128 of 127, its shape needs 61 at 67");
}

TEST(tensors_begin_on_boundaries)
{
  char all[100];
  begin();
  snprintf(all, sizeof all, "{\\\"a\\\":\\\"%08x\\\",\\\"b\\\":\\\"%08x\\\"}", crc(data, 16),
           crc(data + 16, 112));
  write_file(A ",\"b\":{\"dtype\":\"I8\",\"shape\":[112],\"data_offsets\":[16,128]},", all, "",
             DATA);
  const int rc = open_bundle();
  CHECK_EQ_I(rc, ANET_FORMAT);
  CHECK(strstr(anet_error(), ": tensor 'b' begins at byte ") &&
        strstr(anet_error(), ", no multiple of 64"));
  size_t bytes;
  CHECK_OK(anet__file_size(path, &bytes));
  char words[100];
  snprintf(words, sizeof words, "at byte %zu, no", bytes - 112);
  CHECK(strstr(anet_error(), words));
}

TEST(names_of_tensors)
{
  begin();
  char entries[400];
  snprintf(entries, sizeof entries, "\"_a\":%s,", strchr(A, ':') + 1);
  char all[100];
  snprintf(all, sizeof all, "{\\\"_a\\\":\\\"%08x\\\"}", crc(data, 16));
  write_file(entries, all, "", 16);
  CHECK_FAILS(open_bundle(), ANET_RANGE, "bundle: '_a' cannot name a tensor: empty or with a lead");
  snprintf(entries, sizeof entries, "\"\":%s,", strchr(A, ':') + 1);
  snprintf(all, sizeof all, "{\\\"\\\":\\\"%08x\\\"}", crc(data, 16));
  write_file(entries, all, "", 16);
  CHECK_FAILS(open_bundle(), ANET_RANGE, "bundle: '' cannot name a tensor");
  write_file(A "," A ",", sums(), "", 16);
  CHECK_FAILS(open_bundle(), ANET_FORMAT, "JSON, line 1, column");
  CHECK(strstr(anet_error(), "duplicate object key"));
}

TEST(wrong_sums)
{
  char words[200];
  begin();
  const uint32_t sum = crc(data, 16);
  write_file(A "," PAD "," B "," PAD1 ",", "{\\\"a\\\":\\\"00000000\\\"}", "", DATA);
  snprintf(words, sizeof words, "tensor 'a' is damaged: checksum %08x, want 00000000", sum);
  check_message(ANET_CHECKSUM, words);
  write_file(A "," PAD "," B "," PAD1 ",", "{}", "", DATA);
  snprintf(words, sizeof words, "tensor 'a' is damaged: checksum %08x, want one", sum);
  check_message(ANET_CHECKSUM, words);
  const char *right = sums();
  for (int32_t at = 0; at < DATA; at++) { /* every byte of the data is vouched for */
    data[at] ^= 0x10;
    write_file(A "," PAD "," B "," PAD1 ",", right, "", DATA);
    const int rc = open_bundle();
    const char *name = at < 16   ? "tensor 'a' is"
                       : at < 64 ? "padding '__pad.0' is"
                       : at < 67 ? "tensor 'b' is"
                                 : "padding '__pad.1' is";
    test_checks++;
    if (rc != ANET_CHECKSUM || !strstr(anet_error(), name))
      TEST_FAIL("byte %d: status %d (%s)", at, rc, anet_error());
    data[at] ^= 0x10;
  }
  data[20] = 1;
  write_file(A "," PAD "," B "," PAD1 ",", right, "", DATA);
  check_message(ANET_CHECKSUM, "padding '__pad.0' is damaged");
  data[20] = 0;
}

TEST(wrong_metadata)
{
  begin();
  write_file("", "{}", ",\"x\":1", 0);
  check_message(ANET_FORMAT, "metadata 'x' is not text");
  write_file("", "[", "", 0);
  check_message(ANET_FORMAT, "JSON, line 1, column 1: ']' expected near end of file");
  static const char none[] = "{\"x\":\"\",\"__metadata__\":{\"checksum\":\"00000000\"}}           ";
  char file[8 + sizeof none], digits[9];
  const uint64_t length = sizeof none - 1;
  memcpy(file, &length, 8);
  memcpy(file + 8, none, length);
  snprintf(digits, sizeof digits, "%08x", crc(file, 8 + length));
  memcpy(strstr(file + 8, "00000000"), digits, 8);
  test_scratch_write(folder, "x.anet", file, 8 + length);
  check_message(ANET_FORMAT, "no checksums in its metadata");
}

/* ---- the header ----------------------------------------------------------------------------- */

static void write_header(uint64_t length, const char *text, size_t bytes)
{
  char file[1000] = {0};
  memcpy(file, &length, 8);
  memcpy(file + 8, text, strlen(text));
  test_scratch_write(folder, "x.anet", file, bytes);
}

TEST(wrong_headers)
{
  char words[200];
  write_header(2, "{}", 15);
  check_message(ANET_FORMAT, "15 bytes are too few for a bundle");
  write_header(2, "{}", 16);
  check_message(ANET_FORMAT, "its header has no checksum: not written by anet, or damaged");
  static const uint64_t lengths[] = {0, 1, 93, (100u << 20) + 1, UINT64_MAX, 1ull << 63};
  for (int i = 0; i < ANET_COUNT(lengths); i++) {
    write_header(lengths[i], "{}", 100);
    snprintf(words, sizeof words, "header of %llu bytes in a file of 100: cut off, or not a bundle",
             (unsigned long long)lengths[i]);
    check_message(ANET_FORMAT, words);
  }
  write_header(92, "{}", 100); /* up to the end */
  check_message(ANET_FORMAT, "its header has no checksum: not written by anet, or damaged");
  write_header(19, "\"checksum\":\"1234567", 100);
  check_message(ANET_FORMAT, "its header has no checksum: not written by anet, or damaged");
  write_header(20, "\"checksum\":\"12345678", 100);
  CHECK_EQ_I(open_bundle(), ANET_CHECKSUM);
  CHECK(strstr(anet_error(), ", want 12345678") && strstr(anet_error(), "the header is damaged"));
  char zeros[29] = "";
  const uint64_t twenty = 20;
  memcpy(zeros, &twenty, 8);
  memcpy(zeros + 8, "\"checksum\":\"00000000", 20);
  snprintf(words, sizeof words, "the header is damaged: checksum %08x, want 12345678",
           crc(zeros, 28));
  check_message(ANET_CHECKSUM, words);
}

/* As large as other readers take, and one byte more. */
TEST(the_largest_header)
{
  write_header(100u << 20, "{}", 10);
  CHECK_EQ_I(truncate(path, 110 << 20), 0);
  check_message(ANET_FORMAT, "its header has no checksum: not written by anet, or damaged");
  write_header((100u << 20) + 1, "{}", 10);
  CHECK_EQ_I(truncate(path, 110 << 20), 0);
  check_message(ANET_FORMAT,
                "header of 104857601 bytes in a file of 115343360: cut off, or not a bundle");
}

/* ---- the system, and memory ----------------------------------------------------------------- */

static bool map_fails;

void *mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset)
{
  if (map_fails && file >= 0) {
    errno = ENODEV;
    return MAP_FAILED;
  }
  return (void *)syscall(SYS_mmap, at, bytes, protection, flags, file, offset);
}

TEST(a_file_that_cannot_be_mapped)
{
  begin();
  write_file("", "{}", "", 0);
  size_t bytes;
  char words[100];
  CHECK_OK(anet__file_size(path, &bytes));
  snprintf(words, sizeof words, "cannot map %zu bytes: No such device", bytes);
  map_fails = true;
  check_message(ANET_IO, words);
  map_fails = false;
  CHECK_OK(open_bundle());
}

static int32_t left = -1; /* allocations of jansson that succeed; -1: all */
static int32_t asked;

static void *json_memory(size_t bytes)
{
  asked++;
  return left >= 0 && left-- == 0 ? NULL : malloc(bytes);
}

/* The last thing that jansson is asked for is the place of a text. */
TEST(no_memory_for_a_text)
{
  begin();
  write_file("", "{}", NOTE, 0);
  json_set_alloc_funcs(json_memory, free);
  asked = 0;
  CHECK_OK(open_bundle());
  left = asked - 1;
  check_message(ANET_NOMEM, "no memory for metadata 'note'");
  left = -1;
  json_set_alloc_funcs(malloc, free);
}

/* ---- writing -------------------------------------------------------------------------------- */

static anet_tensor *counting(int32_t type, anet_shape shape)
{
  anet_tensor *t = NULL;
  CHECK_OK(anet_tensor_new(type, &shape, &t));
  uint8_t *bytes = anet_tensor_data(t);
  for (size_t i = 0; i < t->storage->bytes; i++) bytes[i] = (uint8_t)(i % 100 + 1);
  return t;
}

/* A bundle of every type and some windows. */
static anet_bundle *sample(void)
{
  anet_bundle *bundle = NULL;
  CHECK_OK(anet_bundle_new(&bundle));
  static const anet_shape shapes[] = {{2, {5, 7}}, {0, {0}}, {3, {2, 0, 3}}, {1, {64}}};
  for (int32_t i = 0; i < 4; i++) {
    char name[32];
    snprintf(name, sizeof name, "t%d", i);
    anet_tensor *t = counting(i, shapes[i]);
    CHECK_OK(anet_bundle_set_tensor(bundle, name, t));
    anet_tensor_release(t);
  }
  anet_tensor *t = counting(ANET_F32, (anet_shape){3, {4, 5, 6}}), *view;
  CHECK_OK(anet_tensor_view(t, (int32_t[]){1, 2, 3}, &(anet_shape){3, {2, 3, 2}}, &view));
  CHECK_OK(anet_bundle_set_tensor(bundle, "window", view));
  anet_tensor_release(view), anet_tensor_release(t);
  CHECK_OK(anet_bundle_set_text(bundle, "note", "\"quoted\" \xc2\xb5"));
  return bundle;
}

/* The entry of a tensor: where it is said to lie. */
static void check_entry(const json_t *header, anet_bundle *bundle, const char *name,
                        const char *file, size_t begin_of_data, size_t *end)
{
  static const char *const types[] = {"F32", "U8", "I32", "I8"};
  anet_tensor *t = anet_bundle_tensor(bundle, name), *dense = NULL;
  const json_t *entry = json_object_get(header, name), *shape = json_object_get(entry, "shape");
  CHECK_OK(anet_tensor_new(anet_tensor_type(t), &t->shape, &dense));
  CHECK_OK(anet_tensor_copy(dense, t));
  const size_t bytes = dense->storage->bytes;
  CHECK_EQ_S(json_string_value(json_object_get(entry, "dtype")), types[t->type]);
  CHECK_EQ_I(json_array_size(shape), t->shape.rank);
  for (int32_t i = 0; i < t->shape.rank; i++)
    CHECK_EQ_I(json_integer_value(json_array_get(shape, (size_t)i)), t->shape.dim[i]);
  const json_t *offsets = json_object_get(entry, "data_offsets");
  CHECK_EQ_I(json_integer_value(json_array_get(offsets, 0)), *end);
  CHECK_EQ_I(json_integer_value(json_array_get(offsets, 1)), *end + bytes);
  CHECK_EQ_I((begin_of_data + *end) % 64, 0);
  CHECK(memcmp(file + begin_of_data + *end, anet_tensor_data(dense), bytes) == 0);
  *end += bytes;
  anet_tensor_release(dense);
}

TEST(what_is_written)
{
  char *file, text[16];
  size_t bytes, end = 0;
  uint64_t length;
  json_t *header = NULL;
  anet_bundle *bundle = sample();
  CHECK_OK(anet_bundle_save(bundle, path));
  CHECK_OK(anet__file_read(path, 1 << 20, &file, &bytes));
  memcpy(&length, file, 8);
  CHECK_EQ_I((length + 8) % 64, 0);
  CHECK_OK(anet__json_parse(file + 8, length, "header", &header));
  const json_t *meta = json_object_get(header, "__metadata__");
  CHECK_EQ_I(json_object_size(meta), 4);
  CHECK_EQ_S(json_string_value(json_object_get(meta, "format")), "anet");
  CHECK_EQ_S(json_string_value(json_object_get(meta, "note")), "\"quoted\" \xc2\xb5");
  json_t *all = NULL;
  const char *sum_text = json_string_value(json_object_get(meta, "checksums"));
  CHECK_OK(anet__json_parse(sum_text, strlen(sum_text), "sums", &all));
  CHECK_EQ_I(json_object_size(all), 5);
  int32_t pads = 0;
  const char *key;
  json_t *entry;
  json_object_foreach (header, key, entry) { /* in the order of the data */
    if (strcmp(key, "__metadata__") == 0) continue;
    if (strncmp(key, "__pad.", 6) == 0) {
      const json_t *offsets = json_object_get(entry, "data_offsets");
      const size_t to = (size_t)json_integer_value(json_array_get(offsets, 1));
      CHECK_EQ_I(atoi(key + 6), pads++);
      CHECK_EQ_I(json_integer_value(json_array_get(offsets, 0)), end);
      CHECK(to > end && to < end + 64 && to % 64 == 0);
      CHECK_EQ_I(json_integer_value(json_array_get(json_object_get(entry, "shape"), 0)), to - end);
      for (; end < to; end++) CHECK_EQ_I(file[8 + length + end], 0);
      continue;
    }
    const size_t from = end;
    check_entry(header, bundle, key, file, 8 + length, &end);
    snprintf(text, sizeof text, "%08x", crc(file + 8 + length + from, end - from));
    CHECK_EQ_S(json_string_value(json_object_get(all, key)), text);
  }
  CHECK_EQ_I(end, bytes - 8 - length);
  CHECK_EQ_I(pads, 3); /* one of 64 bytes and an empty one need none */
  char *digits = strstr(file + 8, "\"checksum\":\"") + 12;
  snprintf(text, sizeof text, "%.8s", digits);
  memcpy(digits, "00000000", 8);
  char want[16];
  snprintf(want, sizeof want, "%08x", crc(file, 8 + length));
  CHECK_EQ_S(text, want);
  anet_bundle *back = NULL;
  CHECK_OK(anet_bundle_open(path, &back));
  CHECK_EQ_I(anet_bundle_tensors(back), 5);
  for (int32_t i = 0; i < 5; i++) {
    const char *name = anet_bundle_tensor_name(bundle, i);
    anet_tensor *a = anet_bundle_tensor(bundle, name), *b = anet_bundle_tensor(back, name);
    CHECK_EQ_S(anet_bundle_tensor_name(back, i), name);
    CHECK(a->type == b->type && anet__shape_equal(&a->shape, &b->shape));
  }
  anet_bundle_release(back), anet_bundle_release(bundle);
  json_decref(all), json_decref(header);
  anet__free(file);
}

/* What is saved again is the same file. */
TEST(saving_again)
{
  char *first, *second;
  size_t bytes, again;
  anet_bundle *bundle = sample(), *back = NULL;
  CHECK_OK(anet_bundle_save(bundle, path));
  anet_bundle_release(bundle);
  CHECK_OK(anet__file_read(path, 1 << 20, &first, &bytes));
  CHECK_OK(anet_bundle_open(path, &back));
  CHECK_OK(anet_bundle_save(back, path));
  anet_bundle_release(back);
  CHECK_OK(anet__file_read(path, 1 << 20, &second, &again));
  CHECK(bytes == again && memcmp(first, second, bytes) == 0);
  anet__free(first), anet__free(second);
}

/* ---- the bundle in memory ------------------------------------------------------------------- */

TEST(entries_and_texts)
{
  anet_bundle *bundle = NULL;
  anet_tensor *a = counting(ANET_U8, (anet_shape){1, {4}}),
              *b = counting(ANET_U8, (anet_shape){1, {5}});
  anet_tensor *view = NULL;
  CHECK_OK(anet_tensor_view(a, (int32_t[]){1}, &(anet_shape){1, {2}}, &view));
  CHECK_OK(anet_bundle_new(&bundle));
  CHECK(!anet__bundle_stored(bundle, a->storage) && !anet_bundle_tensor(bundle, "x"));
  CHECK_OK(anet_bundle_set_tensor(bundle, "x", a));
  CHECK_OK(anet_bundle_set_tensor(bundle, "y", view));
  CHECK_OK(anet_bundle_set_tensor(bundle, "x", a)); /* again */
  CHECK_EQ_I(anet_bundle_tensors(bundle), 2);
  CHECK_EQ_S(anet__bundle_stored(bundle, a->storage), "x"); /* the first */
  CHECK_OK(anet_bundle_set_tensor(bundle, "x", b));
  CHECK_EQ_I(anet_bundle_tensors(bundle), 2);
  CHECK(anet_bundle_tensor(bundle, "x") == b && anet_bundle_tensor(bundle, "y") == view);
  CHECK_EQ_S(anet__bundle_stored(bundle, a->storage), "y");
  CHECK_EQ_S(anet__bundle_stored(bundle, b->storage), "x");
  CHECK_OK(anet_bundle_set_tensor(bundle, "y", b));
  CHECK(!anet__bundle_stored(bundle, a->storage)); /* no longer */
  CHECK_FAILS(anet_bundle_set_tensor(bundle, "", a), ANET_RANGE,
              "bundle: '' cannot name a tensor: empty or with a leading '_'");
  CHECK_FAILS(anet_bundle_set_tensor(bundle, "_x", a), ANET_RANGE, "bundle: '_x' cannot name");
  CHECK_FAILS(anet_bundle_set_tensor(bundle, "a\xff", a), ANET_FORMAT,
              "bundle: the name 'a\\xff' of a tensor is not UTF-8");
  CHECK_OK(anet_bundle_set_text(bundle, "k", "one"));
  CHECK_OK(anet_bundle_set_text(bundle, "k", "two"));
  CHECK_EQ_S(anet_bundle_text(bundle, "k"), "two");
  CHECK_OK(anet_bundle_set_text(bundle, "k", NULL));
  CHECK_OK(anet_bundle_set_text(bundle, "none", NULL));
  CHECK(!anet_bundle_text(bundle, "k"));
  CHECK_FAILS(anet_bundle_set_text(bundle, "k", "\xff"), ANET_FORMAT,
              "bundle: the text of 'k' is not UTF-8");
  CHECK_FAILS(anet_bundle_set_text(bundle, "k\xff", "x"), ANET_FORMAT, "is not UTF-8");
  json_t *json = (json_t *)&bundle;
  CHECK_FAILS(anet__bundle_json(bundle, "k", &json), ANET_ABSENT, "bundle: it holds no k");
  CHECK(json == NULL);
  CHECK_OK(anet_bundle_set_text(bundle, "k", "[1"));
  CHECK_FAILS(anet__bundle_json(bundle, "k", &json), ANET_FORMAT, "k: JSON, line 1");
  anet_bundle_release(bundle), anet_bundle_release(NULL);
  anet_tensor_release(view), anet_tensor_release(a), anet_tensor_release(b);
}

/* Many of them are found by their names. */
TEST(many_entries)
{
  enum { N = 300 };
  anet_bundle *bundle = NULL;
  anet_tensor *t[N];
  char name[32];
  CHECK_OK(anet_bundle_new(&bundle));
  for (int32_t i = 0; i < N; i++) {
    t[i] = counting(ANET_U8, (anet_shape){1, {1}});
    snprintf(name, sizeof name, "name %d", i);
    CHECK_OK(anet_bundle_set_tensor(bundle, name, t[i]));
  }
  for (int32_t i = 0; i < N; i++) {
    snprintf(name, sizeof name, "name %d", i);
    CHECK(anet_bundle_tensor(bundle, name) == t[i]);
    CHECK_EQ_S(anet__bundle_stored(bundle, t[i]->storage), name);
    CHECK_EQ_S(anet_bundle_tensor_name(bundle, i), name);
    anet_tensor_release(t[i]);
  }
  CHECK(!anet_bundle_tensor(bundle, "name 300"));
  anet_bundle_release(bundle);
}

TEST(nothing_is_left)
{
  anet_memory memory;
  anet_memory_read(&memory);
  CHECK_EQ_I(memory.live_bytes, 0);
}

int main(int argc, char **argv)
{
  static const test_case cases[] = {
      CASE(a_file_by_hand_is_read), CASE(each_type_has_its_name),
      CASE(wrong_entries),          CASE(tensors_begin_on_boundaries),
      CASE(names_of_tensors),       CASE(wrong_sums),
      CASE(wrong_metadata),         CASE(wrong_headers),
      CASE(the_largest_header),     CASE(a_file_that_cannot_be_mapped),
      CASE(no_memory_for_a_text),   CASE(what_is_written),
      CASE(saving_again),           CASE(entries_and_texts),
      CASE(many_entries),           CASE(nothing_is_left)};
  test_scratch_new(folder);
  test_scratch_path(folder, "x.anet", path);
  const int rc = test_run(cases, ANET_COUNT(cases), argc, argv);
  test_scratch_remove(folder);
  return rc;
}
