/* Arrays of NumPy, written and read to the byte. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "support/fault.h"
#include "support/scratch.h"
#include "tensor/tensor.h"

static char folder[SCRATCH_PATH], path[SCRATCH_PATH];

/* ---- reading -------------------------------------------------------------------------------- */

/* A file of this version whose header is `dict`, and then `bytes` of data. */
static int load(int version, const char *dict, const void *data, size_t bytes, anet_tensor **out)
{
  char file[4096] = "\x93NUMPY";
  const size_t length = strlen(dict), prefix = version == 1 ? 10 : 12;
  file[6] = (char)version;
  for (size_t i = 8; i < prefix; i++) file[i] = (char)(length >> (8 * (i - 8)));
  memcpy(file + prefix, dict, length);
  memcpy(file + prefix + length, data, bytes);
  test_scratch_write(folder, "x.npy", file, prefix + length + bytes);
  return anet_tensor_load(path, out);
}

#define DICT(type, shape) "{'descr': " type ", 'fortran_order': False, 'shape': " shape ", }\n"

#define CHECK_VALUES(kind, format, ...)                                                            \
  do {                                                                                             \
    static const kind values[3] = {__VA_ARGS__};                                                   \
    anet_tensor *t = NULL;                                                                         \
    CHECK_OK(load(1, DICT(format, "(3,)"), values, sizeof values, &t));                            \
    CHECK(t && t->type == ANET_F32 && t->shape.rank == 1 && t->shape.dim[0] == 3);                 \
    for (int32_t i = 0; t && i < 3; i++)                                                           \
      CHECK_NEAR(anet_tensor_get(t, &i), (double)(float)values[i], 0);                             \
    anet_tensor_release(t);                                                                        \
  } while (0)

TEST(every_type)
{
  CHECK_VALUES(float, "'<f4'", 1.5f, -3e38f, 0.1f);
  CHECK_VALUES(double, "'<f8'", 1.5, -1e30, 0.1);
  CHECK_VALUES(uint8_t, "'|u1'", 0, 255, 7);
  CHECK_VALUES(int8_t, "'|i1'", -128, 127, -1);
  CHECK_VALUES(uint16_t, "'<u2'", 0, 65535, 258);
  CHECK_VALUES(int16_t, "'<i2'", -32768, 32767, 258);
  CHECK_VALUES(uint32_t, "'<u4'", 0, 1 << 23, 65537);
  CHECK_VALUES(int32_t, "'<i4'", -65537, 1 << 23, -1);
  CHECK_VALUES(int64_t, "'<i8'", -65537, 1ll << 40, -1);
  CHECK_VALUES(uint64_t, "'<u8'", 3, 1ull << 40, 65537);
  CHECK_VALUES(uint8_t, "'|b1'", 0, 1, 1);
  anet_tensor *t = NULL;
  static const uint16_t halves[3] = {0x3e00, 0xfbff, 0x0001};
  static const double want[3] = {1.5, -65504, 0x1p-24};
  CHECK_OK(load(1, DICT("\"<f2\"", "(3,)"), halves, 6, &t)); /* the other quotes, too */
  for (int32_t i = 0; t && i < 3; i++) CHECK_NEAR(anet_tensor_get(t, &i), want[i], 0);
  anet_tensor_release(t);
}

static void check_shape(const char *dict, int32_t count, anet_shape want)
{
  float data[64];
  anet_tensor *t = NULL;
  for (int32_t i = 0; i < 64; i++) data[i] = (float)i;
  for (int version = 1; version <= 3; version++) {
    CHECK_OK(load(version, dict, data, (size_t)count * 4, &t));
    CHECK(t && anet__shape_equal(&t->shape, &want));
    for (int32_t i = 0; t && i < count; i++) CHECK_NEAR((double)anet__f32(t)[i], i, 0);
    anet_tensor_release(t);
  }
}

TEST(shapes_and_versions)
{
  check_shape(DICT("'<f4'", "(2, 3)"), 6, (anet_shape){2, {2, 3}});
  check_shape(DICT("'<f4'", "(4,)"), 4, (anet_shape){1, {4}});
  check_shape(DICT("'<f4'", "()"), 1, (anet_shape){1, {1}});
  check_shape(DICT("'<f4'", "(12,1,2)"), 24, (anet_shape){3, {12, 1, 2}});
  check_shape(DICT("'<f4'", "(1, 2, 2, 2, 3)"), 24, (anet_shape){5, {1, 2, 2, 2, 3}});
  check_shape("{'shape': (2,), 'fortran_order': False, 'descr': '<f4'}", 2, (anet_shape){1, {2}});
  check_shape(DICT("'<f4'", "( 2, )"), 2, (anet_shape){1, {2}});
  char dict[1000]; /* a header longer than what is looked at */
  memset(dict, ' ', sizeof dict);
  memcpy(dict, DICT("'<f4'", "(2,)"), sizeof DICT("'<f4'", "(2,)") - 1);
  dict[999] = 0;
  check_shape(dict, 2, (anet_shape){1, {2}});
}

static void check_wrong(const char *dict, size_t bytes, int status, const char *words)
{
  static const char data[256];
  char whole[2 * SCRATCH_PATH];
  anet_tensor *t = (anet_tensor *)whole;
  CHECK_EQ_I(load(1, dict, data, bytes, &t), status);
  snprintf(whole, sizeof whole, "'%s': %s", path, words);
  CHECK_EQ_S(anet_error(), whole);
  CHECK(t == NULL);
}

TEST(wrong_headers)
{
  const char none[] = "its header says no descr, fortran_order and shape";
  check_wrong("{'descr': '<f4', 'shape': (2,)}", 8, ANET_FORMAT, none);
  check_wrong("{'descr': '<f4', 'fortran_order': False}", 8, ANET_FORMAT, none);
  check_wrong("{'fortran_order': False, 'shape': (2,)}", 8, ANET_FORMAT, none);
  check_wrong("{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}", 8, ANET_UNSUPPORTED,
              "it is stored in Fortran's order; save it in C's");
  check_wrong(DICT("'<f4'", "(2, x)"), 8, ANET_FORMAT, "its header has no shape");
  check_wrong(DICT("'<f4'", "2, 3]"), 8, ANET_FORMAT, "its header has no shape");
  check_wrong(DICT("'<f4'", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)"), 4, ANET_UNSUPPORTED,
              "it has over 8 dimensions");
  const char want[] =
      "want <f2, <f4, <f8, |b1, or whole numbers |i1, |u1, <i2, <u2, <i4, <u4, <i8, "
      "<u8; convert it (astype)";
  char words[300];
  snprintf(words, sizeof words, "its elements are '>f4', %s", want);
  check_wrong(DICT("'>f4'", "(2,)"), 8, ANET_UNSUPPORTED, words);
  snprintf(words, sizeof words, "its elements are '[('a', '<f4'), ('b', '<f4')]', %s", want);
  check_wrong(DICT("[('a', '<f4'), ('b', '<f4')]", "(2,)"), 8, ANET_UNSUPPORTED, words);
  snprintf(words, sizeof words, "its elements are '%s', %s",
           "1234567890123456789012345678901234567890", want);
  check_wrong(DICT("'1234567890123456789012345678901234567890'", "(2,)"), 8, ANET_UNSUPPORTED,
              words);
  snprintf(words, sizeof words, "its elements are '%s…', %s",
           "1234567890123456789012345678901234567890", want);
  check_wrong(DICT("'12345678901234567890123456789012345678901'", "(2,)"), 8, ANET_UNSUPPORTED,
              words);
}

static void check_bytes(const char *file, size_t bytes, const char *words)
{
  char whole[2 * SCRATCH_PATH];
  anet_tensor *t;
  test_scratch_write(folder, "x.npy", file, bytes);
  CHECK_EQ_I(anet_tensor_load(path, &t), ANET_FORMAT);
  snprintf(whole, sizeof whole, "'%s': %s", path, words);
  CHECK_EQ_S(anet_error(), whole);
}

TEST(files_that_are_cut_off)
{
  anet_tensor *t;
  check_bytes("", 0, "it is no .npy file");
  check_bytes("\x93NUMPY\x01\x00\x00\x00z", 11, "it is no .npy file");
  check_bytes("\x93NUMPX\x01\x00\x00\x00zz", 12, "it is no .npy file");
  check_bytes("\x93NUMPY\x01\x00\x02\x00zz", 12,
              "its header says no descr, fortran_order and shape");
  check_bytes("\x93NUMPY\x01\x00\x03\x00zz", 12, "its header of 3 bytes is cut off at 12");
  check_bytes("\x93NUMPY\x01\x00\x03\x01zz", 12, "its header of 259 bytes is cut off at 12");
  check_bytes("\x93NUMPY\x02\x00\x03\x02\x01\x04zz", 14,
              "its header of 67174915 bytes is cut off at 14");
  check_bytes("\x93NUMPY\x02\x00\x02\x00\x00\x00zz", 14,
              "its header says no descr, fortran_order and shape");
  CHECK(load(1, DICT("'<f4'", "(2,)"), "01234567", 7, &t) != ANET_OK);
  CHECK(load(1, DICT("'<f4'", "(2,)"), "012345678", 9, &t) != ANET_OK);
  CHECK_OK(load(1, DICT("'<f4'", "(2,)"), "01234567", 8, &t));
  anet_tensor_release(t);
  char words[2 * SCRATCH_PATH];
  CHECK_EQ_I(load(1, DICT("'<f4'", "(1,1,1,1,1,2)"), "01234567", 8, &t), ANET_UNSUPPORTED);
  snprintf(words, sizeof words, "'%s' has 6 dimensions, the most is 5", path);
  CHECK_EQ_S(anet_error(), words);
}

/* ---- writing -------------------------------------------------------------------------------- */

static anet_tensor *ramp(anet_shape shape)
{
  anet_tensor *t = NULL;
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &t));
  for (int32_t i = 0; i < (int32_t)anet_tensor_count(t); i++) anet__f32(t)[i] = (float)i / 2;
  return t;
}

/* The whole file: the prefix, a header of `text`, spaces and an end of line up to `data`, the
 * values. */
static void check_saved(anet_shape shape, const char *text, size_t data)
{
  char *file;
  size_t bytes;
  anet_tensor *t = ramp(shape), *back = NULL;
  CHECK_OK(anet_tensor_save(t, path));
  CHECK_OK(anet__file_read(path, 1 << 20, &file, &bytes));
  const size_t values = (size_t)anet_tensor_count(t) * 4, length = strlen(text);
  CHECK_EQ_I(bytes, data + values);
  CHECK(memcmp(file, "\x93NUMPY\x01\x00", 8) == 0);
  CHECK_EQ_I((uint8_t)file[8] + 256 * (uint8_t)file[9], data - 10);
  CHECK(strncmp(file + 10, text, length) == 0);
  for (size_t i = 10 + length; i < data - 1; i++) CHECK_EQ_I(file[i], ' ');
  CHECK_EQ_I(file[data - 1], '\n');
  CHECK(memcmp(file + data, anet_tensor_data(t), values) == 0);
  anet__free(file);
  CHECK_OK(anet_tensor_load(path, &back));
  CHECK(back && memcmp(anet_tensor_data(t), anet_tensor_data(back), values) == 0);
  if (shape.rank) CHECK(back && anet__shape_equal(&back->shape, &shape));
  anet_tensor_release(t), anet_tensor_release(back);
}

TEST(what_is_saved_is_as_numpy_wants_it)
{
  const char begin[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  static const struct {
    anet_shape shape;
    const char *dims;
  } row[] = {{{0, {0}}, ""},
             {{1, {3}}, "3,"},
             {{2, {2, 3}}, "2,3,"},
             {{5, {1, 2, 1, 2, 1}}, "1,2,1,2,1,"},
             {{2, {0, 1000000000}}, "0,1000000000,"},
             {{5, {1, 1, 1, 0, 1000000000}}, "1,1,1,0,1000000000,"}};
  for (int i = 0; i < ANET_COUNT(row); i++) {
    char text[256];
    snprintf(text, sizeof text, "%s%s), }", begin, row[i].dims);
    check_saved(row[i].shape, text, (10 + strlen(text) + 1 + 63) / 64 * 64);
  }
}

static void check_refused(anet_tensor *t, const char *name, int status, const char *words)
{
  char at[SCRATCH_PATH], whole[2 * SCRATCH_PATH];
  test_scratch_path(folder, name, at);
  CHECK_EQ_I(anet_tensor_save(t, at), status);
  snprintf(whole, sizeof whole, "'%s': %s", at, words);
  CHECK_EQ_S(anet_error(), whole);
  CHECK(!anet__file_exists(at));
}

TEST(what_cannot_be_saved)
{
  anet_tensor *t = ramp((anet_shape){2, {4, 3}}), *view, *bytes = NULL, *out;
  CHECK_OK(anet_tensor_view(t, (int32_t[]){0, 1}, &(anet_shape){2, {4, 2}}, &view));
  CHECK_OK(anet_tensor_new(ANET_U8, &(anet_shape){2, {4, 3}}, &bytes));
  check_refused(view, "a.npy", ANET_STATE, "the tensor f32 (4, 2) is not a dense f32 one");
  check_refused(bytes, "a.pb", ANET_STATE, "the tensor u8 (4, 3) is not a dense f32 one");
  check_refused(t, "a.np", ANET_UNSUPPORTED, "want a name that ends in .npy or .pb");
  char at[SCRATCH_PATH];
  CHECK_OK(anet_tensor_save(t, test_scratch_path(folder, "A.NPY", at)));
  CHECK_OK(anet_tensor_load(at, &out));
  anet_tensor_release(out);
  CHECK_OK(anet_tensor_save(t, test_scratch_path(folder, "a.Pb", at)));
  CHECK_OK(anet_tensor_load(at, &out));
  CHECK(out && anet__shape_equal(&out->shape, &t->shape));
  CHECK(out && memcmp(anet_tensor_data(out), anet_tensor_data(t), 48) == 0);
  anet_tensor_release(out);
  CHECK_FAILS(anet_tensor_load("a.np", &out), ANET_UNSUPPORTED,
              "'a.np': want a name that ends in .npy or .pb");
  CHECK(out == NULL);
  CHECK_FAILS(anet_tensor_load("no.npy", &out), ANET_IO, "no.npy");
  anet_tensor_release(view), anet_tensor_release(bytes), anet_tensor_release(t);
}

static int save_and_load(void *context)
{
  anet_tensor *back = NULL;
  ANET_TRY(anet_tensor_save(context, path));
  ANET_TRY(anet_tensor_load(path, &back));
  anet_tensor_release(back);
  return ANET_OK;
}

TEST(allocations)
{
  anet_tensor *t = ramp((anet_shape){2, {4, 3}});
  test_each_allocation(save_and_load, t);
  anet_tensor_release(t);
}

int main(int argc, char **argv)
{
  static const test_case cases[] = {CASE(every_type),
                                    CASE(shapes_and_versions),
                                    CASE(wrong_headers),
                                    CASE(files_that_are_cut_off),
                                    CASE(what_is_saved_is_as_numpy_wants_it),
                                    CASE(what_cannot_be_saved),
                                    CASE(allocations)};
  test_scratch_new(folder);
  test_scratch_path(folder, "x.npy", path);
  const int rc = test_run(cases, ANET_COUNT(cases), argc, argv);
  test_scratch_remove(folder);
  return rc;
}
