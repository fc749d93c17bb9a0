#include <stdlib.h>

#include "base/error.h"
#include "support/fault.h"
#include "tensor/tensor.h"

static anet_tensor *new_tensor(int32_t type, anet_shape shape)
{
  anet_tensor *tensor = NULL;
  CHECK_OK(anet_tensor_new(type, &shape, &tensor));
  return tensor;
}

/* f32 of this shape with values 0, 1, 2, … */
static anet_tensor *counting(anet_shape shape)
{
  anet_tensor *tensor = new_tensor(ANET_F32, shape);
  for (int32_t i = 0; i < (int32_t)anet_tensor_count(tensor); i++) anet__f32(tensor)[i] = (float)i;
  return tensor;
}

static int view_of(anet_tensor *base, const int32_t *begin, anet_shape size, anet_tensor **out)
{
  return anet_tensor_view(base, begin, &size, out);
}

static int reshaped(anet_tensor *base, anet_shape shape, anet_tensor **out)
{
  return anet_tensor_reshape(base, &shape, out);
}

#define SHAPE(...)                                                                                 \
  (anet_shape)                                                                                     \
  {                                                                                                \
    sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t),                                            \
    {                                                                                              \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }

/* ---- tests -------------------------------------------------------------------------------- */

TEST(new_tensors_are_dense_zeros)
{
  for (int32_t type = 0; type < ANET_TYPE_COUNT; type++) {
    anet_tensor *t = new_tensor(type, SHAPE(2, 3, 4));
    int32_t stride[3];
    anet_tensor_strides(t, stride);
    CHECK_EQ_I(stride[0], 12);
    CHECK_EQ_I(stride[1], 4);
    CHECK_EQ_I(stride[2], 1);
    CHECK_EQ_I(anet_tensor_type(t), type);
    CHECK_EQ_I(anet_tensor_count(t), 24);
    CHECK(anet_tensor_dense(t));
    CHECK_EQ_I((uintptr_t)anet_tensor_data(t) % ANET_ALIGN, 0);
    for (int32_t i = 0; i < 24; i++)
      CHECK_EQ_I(anet_tensor_get(t, (int32_t[]){i / 12, i / 4 % 3, i % 4}), 0);
    anet_tensor_release(t);
  }
  anet_tensor_release(NULL);
  CHECK(anet_tensor_retain(NULL) == NULL);
}

TEST(shapes_are_checked)
{
  const int32_t big = INT32_MAX;
  anet_tensor *t;
  CHECK_FAILS(anet_tensor_new(ANET_F32, &SHAPE(2, -3), &t), ANET_SHAPE, "dimension 1 of shape");
  CHECK_FAILS(anet_tensor_new(9, &SHAPE(2), &t), ANET_RANGE, "type 9");
  CHECK_FAILS(anet_tensor_new(ANET_F32, &(anet_shape){.rank = 6}, &t), ANET_SHAPE, "rank 6");
  CHECK_FAILS(anet_tensor_new(ANET_F32, &(anet_shape){.rank = -1}, &t), ANET_SHAPE, "rank -1");
  CHECK_FAILS(anet_tensor_new(ANET_F32, &SHAPE(big, big), &t), ANET_NOMEM, "shape (2147483647, ");
  CHECK_FAILS(anet_tensor_new(ANET_F32, &SHAPE(0, big, big, big, big), &t), ANET_RANGE, "stride");
  CHECK(t == NULL);

  size_t count;
  CHECK(anet__shape_count(&SHAPE(3, 4), &count) && count == 12);
  CHECK(!anet__shape_count(&SHAPE(big, big, big, big), &count));
  CHECK(!anet__shape_count(&SHAPE(-1), &count));
  CHECK(anet__shape_equal(&SHAPE(3, 4), &SHAPE(3, 4)));
  CHECK(!anet__shape_equal(&SHAPE(3, 4), &SHAPE(3, 5)));
  CHECK(!anet__shape_equal(&SHAPE(3, 4), &SHAPE(3, 4, 1)));

  char text[ANET_SHAPE_TEXT];
  CHECK_EQ_S(anet__shape_text(&SHAPE(28, 28, 16), text), "(28, 28, 16)");
  CHECK_EQ_S(anet__shape_text(&(anet_shape){0}, text), "()");
  const int32_t low = INT32_MIN;
  CHECK_EQ_I(strlen(anet__shape_text(&SHAPE(low, low, low, low, low), text)), 65);
}

TEST(empty_tensors_and_scalars_work)
{
  anet_tensor *empty = new_tensor(ANET_F32, SHAPE(3, 0, 2)), *none, *scalar;
  CHECK_EQ_I(anet_tensor_count(empty), 0);
  CHECK(anet_tensor_dense(empty));
  CHECK_OK(view_of(empty, (int32_t[]){3, 0, 2}, SHAPE(0, 0, 0), &none));
  CHECK_OK(anet_tensor_copy(empty, empty));
  anet_tensor_release(none);
  anet_tensor_release(empty);
  scalar = new_tensor(ANET_I32, (anet_shape){0});
  anet_tensor_set(scalar, NULL, 5);
  CHECK_EQ_I(anet_tensor_get(scalar, NULL), 5);
  CHECK_OK(anet_tensor_copy(scalar, scalar));
  CHECK_EQ_I(anet_tensor_count(scalar), 1);
  anet_tensor_release(scalar);
}

TEST(values_are_rounded_into_their_type)
{
  static const struct {
    int32_t type;
    double in, out;
  } row[] = {
      {ANET_F32, 0.1, 0.1F},
      {ANET_F32, -INFINITY, -INFINITY},
      {ANET_U8, 254.6, 255},
      {ANET_U8, 300, 255},
      {ANET_U8, -3, 0},
      {ANET_U8, NAN, 0},
      {ANET_I8, -200, -128},
      {ANET_I8, 2.5, 2},
      {ANET_I32, 3e9, INT32_MAX},
      {ANET_I32, -3e9, INT32_MIN},
      {ANET_I32, 1e300, INT32_MAX},
      {ANET_I8, INFINITY, 127},
  };
  const int32_t at[1] = {1};
  for (int i = 0; i < ANET_COUNT(row); i++) {
    anet_tensor *t = new_tensor(row[i].type, SHAPE(3));
    anet_tensor_set(t, at, row[i].in);
    const double got = anet_tensor_get(t, at);
    if (got != row[i].out)
      TEST_FAIL("%s of %g is %g, want %g", anet__type_name((anet_type)row[i].type), row[i].in, got,
                row[i].out);
    anet_tensor_release(t);
  }
}

TEST(indices_are_checked)
{
  anet_tensor *t = counting(SHAPE(2, 3));
  CHECK_EQ_I(anet_tensor_get(t, (int32_t[]){1, 2}), 5);
  CHECK(isnan(anet_tensor_get(t, (int32_t[]){2, 0})));
  CHECK(strstr(anet_error(), "index 2 in dimension 0, which has 2"));
  CHECK(isnan(anet_tensor_get(t, (int32_t[]){0, -1})));
  anet_tensor_set(t, (int32_t[]){0, 3}, 99);
  for (int32_t i = 0; i < 6; i++) CHECK_EQ_I(anet__f32(t)[i], i);
  anet_tensor_release(t);
}

/* A view of a view reads the same values as indexing the array, and keeps the memory alive. */
TEST(views_are_windows)
{
  anet_tensor *base = counting(SHAPE(4, 5, 6)), *outer, *inner, *copy;
  CHECK_OK(view_of(base, (int32_t[]){1, 1, 2}, SHAPE(3, 4, 4), &outer));
  CHECK_OK(view_of(outer, (int32_t[]){1, 0, 1}, SHAPE(2, 3, 2), &inner));
  CHECK(!anet_tensor_dense(inner));
  anet_tensor_release(base);
  anet_tensor_release(outer);
  copy = new_tensor(ANET_F32, SHAPE(2, 3, 2));
  CHECK_OK(anet_tensor_copy(copy, inner));
  for (int32_t i = 0; i < 12; i++) {
    const int32_t at[3] = {i / 6, i / 2 % 3, i % 2};
    const double want = (at[0] + 2) * 30 + (at[1] + 1) * 6 + at[2] + 3;
    CHECK_EQ_I(anet_tensor_get(inner, at), want);
    CHECK_EQ_I(anet_tensor_get(copy, at), want);
  }
  anet_tensor_set(inner, (int32_t[]){0, 0, 0}, -7);
  CHECK_EQ_I(*(float *)anet_tensor_data(inner), -7);
  anet_tensor_release(inner);
  anet_tensor_release(copy);
}

TEST(views_that_do_not_fit_are_refused)
{
  anet_tensor *base = counting(SHAPE(4, 5)), *view;
  CHECK_FAILS(view_of(base, (int32_t[]){0, 3}, SHAPE(4, 3), &view), ANET_RANGE, "3 from 3 in");
  CHECK_FAILS(view_of(base, (int32_t[]){-1, 0}, SHAPE(1, 1), &view), ANET_RANGE, "1 from -1");
  CHECK_FAILS(view_of(base, (int32_t[]){0, 0}, SHAPE(-1, 1), &view), ANET_RANGE, "-1 from 0");
  CHECK_FAILS(view_of(base, (int32_t[]){INT32_MAX, 0}, SHAPE(1, 1), &view), ANET_RANGE, "has 4");
  CHECK_FAILS(view_of(base, (int32_t[]){0}, SHAPE(1), &view), ANET_RANGE, "rank 1");
  CHECK(view == NULL);
  anet_tensor_release(base);
}

TEST(reshape_keeps_values_and_memory)
{
  anet_tensor *base = counting(SHAPE(4, 6)), *other, *rows, *columns;
  CHECK_OK(reshaped(base, SHAPE(2, 3, 4), &other));
  CHECK(anet_tensor_data(other) == anet_tensor_data(base));
  CHECK_EQ_I(anet_tensor_get(other, (int32_t[]){1, 2, 3}), 23);
  anet_tensor_release(other);
  CHECK_FAILS(reshaped(base, SHAPE(5, 5), &other), ANET_SHAPE, "(4, 6)");
  CHECK_FAILS(reshaped(base, SHAPE(-4, -6), &other), ANET_SHAPE, "negative");

  CHECK_OK(view_of(base, (int32_t[]){1, 0}, SHAPE(2, 6), &rows)); /* rows of a dense array */
  CHECK(anet_tensor_dense(rows));
  CHECK_OK(reshaped(rows, SHAPE(12), &other));
  CHECK_EQ_I(anet_tensor_get(other, (int32_t[]){0}), 6);
  anet_tensor_release(other);
  CHECK_OK(view_of(base, (int32_t[]){0, 1}, SHAPE(4, 2), &columns));
  CHECK_FAILS(reshaped(columns, SHAPE(8), &other), ANET_STATE, "not dense");
  CHECK_OK(view_of(base, (int32_t[]){2, 1}, SHAPE(1, 2), &other)); /* a stride that moves nothing */
  CHECK(anet_tensor_dense(other));
  anet_tensor_release(other);
  anet_tensor_release(columns);
  anet_tensor_release(rows);
  anet_tensor_release(base);
}

TEST(copies_agree_in_shape_and_type)
{
  anet_tensor *a = counting(SHAPE(2, 3)), *b = new_tensor(ANET_F32, SHAPE(3, 2));
  anet_tensor *c = new_tensor(ANET_I32, SHAPE(2, 3)), *d = new_tensor(ANET_F32, SHAPE(2, 3));
  CHECK_FAILS(anet_tensor_copy(b, a), ANET_SHAPE, "(2, 3) to (3, 2)");
  CHECK_FAILS(anet_tensor_copy(c, a), ANET_SHAPE, "f32 to i32");
  const unsigned before = atomic_load(&d->storage->version);
  CHECK_OK(anet_tensor_copy(d, a));
  CHECK(memcmp(anet__f32(a), anet__f32(d), 24) == 0);
  CHECK(atomic_load(&d->storage->version) != before);
  anet_tensor_release(a), anet_tensor_release(b);
  anet_tensor_release(c), anet_tensor_release(d);
}

static void close_once(void *owner)
{
  ++*(int *)owner;
}

TEST(wrapped_memory_is_closed_once)
{
  float data[6] = {0, 1, 2, 3, 4, 5};
  int closed = 0;
  anet_tensor *t, *view;
  CHECK_OK(anet__tensor_wrap(ANET_F32, &SHAPE(2, 3), data, close_once, &closed, &t));
  CHECK(anet_tensor_data(t) == data);
  CHECK_OK(view_of(t, (int32_t[]){1, 0}, SHAPE(1, 3), &view));
  anet_tensor_release(t);
  CHECK_EQ_I(closed, 0);
  CHECK_EQ_I(anet_tensor_get(view, (int32_t[]){0, 0}), 3);
  anet_tensor_release(view);
  CHECK_EQ_I(closed, 1);
}

static int use_tensors(void *context)
{
  (void)context;
  anet_tensor *base = NULL, *view = NULL, *other = NULL;
  int rc = anet_tensor_new(ANET_F32, &SHAPE(4, 6), &base);
  if (!rc) rc = view_of(base, (int32_t[]){1, 0}, SHAPE(2, 6), &view);
  if (!rc) rc = reshaped(view, SHAPE(12), &other);
  anet_tensor_release(other);
  anet_tensor_release(view);
  anet_tensor_release(base);
  return rc;
}

TEST(tensors_survive_lack_of_memory)
{
  test_each_allocation(use_tensors, NULL);
}

/* The kernels' choice is made once a process: this only asks for the name that is in use. */
TEST(isa_is_reported)
{
  setenv("ANET_ISA", "mmx", 1);
  CHECK_FAILS(anet_isa_check(), ANET_ABSENT, "'mmx'");
  CHECK(strstr(anet_error(), anet_isa()));
  setenv("ANET_ISA", anet_isa(), 1);
  CHECK_OK(anet_isa_check());
  setenv("ANET_ISA", "", 1);
  CHECK_OK(anet_isa_check());
  unsetenv("ANET_ISA");
  CHECK_OK(anet_isa_check());
}

TEST_MAIN(CASE(new_tensors_are_dense_zeros), CASE(shapes_are_checked),
          CASE(empty_tensors_and_scalars_work), CASE(values_are_rounded_into_their_type),
          CASE(indices_are_checked), CASE(views_are_windows),
          CASE(views_that_do_not_fit_are_refused), CASE(reshape_keeps_values_and_memory),
          CASE(copies_agree_in_shape_and_type), CASE(wrapped_memory_is_closed_once),
          CASE(tensors_survive_lack_of_memory), CASE(isa_is_reported))
