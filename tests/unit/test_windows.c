/* Arrays and their windows against plain indexing, over random shapes: views, copies, transposes,
 * the array that a window was cut from; and the limits of shapes. */
#include "base/error.h"
#include "base/rng.h"
#include "support/fault.h"
#include "tensor/tensor.h"

static void close_nothing(void *owner)
{
  (void)owner;
}

/* A tensor of that shape over memory that nobody looks at. */
static int check_shape(anet_type type, int32_t a, int32_t b, int32_t c)
{
  static char nothing[1];
  const anet_shape shape = {3, {a, b, c}};
  anet_tensor *t = NULL;
  const int rc = anet__tensor_wrap(type, &shape, nothing, close_nothing, NULL, &t);
  CHECK_EQ_I(rc == ANET_OK, t != NULL);
  anet_tensor_release(t);
  return rc;
}

TEST(limits_of_shapes)
{
  const int32_t most = INT32_MAX;
  CHECK_OK(
      check_shape(ANET_I8, most, most, 1)); /* 2^62 bytes can be addressed, four times that not */
  CHECK_OK(check_shape(ANET_I8, most, 1, most));
  CHECK_FAILS(check_shape(ANET_F32, most, most, 1), ANET_NOMEM,
              "tensor: shape (2147483647, 2147483647, 1) is more than memory can address");
  CHECK_FAILS(
      check_shape(ANET_I8, 1, 2, 1 << 30), ANET_RANGE,
      "tensor: shape (1, 2, 1073741824) has a stride of 2147483648, want at most 2147483647");
  CHECK_OK(check_shape(ANET_I8, 2, 1, most));
  CHECK_OK(check_shape(ANET_I8, 0, 1, most));
  CHECK_FAILS(check_shape(ANET_I8, 0, 2, most), ANET_RANGE, "stride of 4294967294");
  CHECK_FAILS(check_shape(ANET_I8, 1, -1, 5), ANET_SHAPE,
              "tensor: dimension 1 of shape (1, -1, 5) is negative");
  CHECK_FAILS(check_shape((anet_type)ANET_TYPE_COUNT, 1, 1, 1), ANET_RANGE, "type 4, want 0 .. 3");
  CHECK_FAILS(check_shape((anet_type)-1, 1, 1, 1), ANET_RANGE, "type -1, want 0 .. 3");
  anet_tensor *t;
  CHECK_FAILS(anet_tensor_new(ANET_F32, &(anet_shape){.rank = 6}, &t), ANET_SHAPE,
              "rank 6, want 0 .. 5");
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){5, {1, 2, 1, 2, 1}}, &t));
  anet_tensor_release(t);
}

TEST(types)
{
  static const char *const name[] = {"f32", "u8", "i32", "i8"};
  static const size_t bytes[] = {4, 1, 4, 1};
  static const double low[] = {-1e30, 0, INT32_MIN, -128}, high[] = {1e30, 255, INT32_MAX, 127};
  for (int32_t type = 0; type < ANET_TYPE_COUNT; type++) {
    anet_tensor *t = NULL;
    anet__alloc_stats before, after;
    CHECK_EQ_S(anet__type_name((anet_type)type), name[type]);
    CHECK_EQ_I(anet__type_bytes((anet_type)type), bytes[type]);
    anet__alloc_read(&before);
    CHECK_OK(anet_tensor_new(type, &(anet_shape){2, {3, 1000}}, &t));
    anet__alloc_read(&after);
    const size_t used = after.live_bytes - before.live_bytes;
    CHECK(used >= 3000 * bytes[type] && used < 3000 * bytes[type] + 400);
    const int32_t at[2] = {2, 999}, past[2] = {2, 1000}, before_it[2] = {2, 998};
    const unsigned version = atomic_load(&t->storage->version);
    anet_tensor_set(t, past, 1);
    CHECK_EQ_I(atomic_load(&t->storage->version), version); /* nothing was written */
    anet_tensor_set(t, at, type == ANET_F32 ? low[type] : low[type] - 1);
    CHECK_EQ_I(atomic_load(&t->storage->version), version + 1);
    CHECK_NEAR(anet_tensor_get(t, at), (double)(float)low[type], 0);
    anet_tensor_set(t, at, type == ANET_F32 ? high[type] : high[type] + 1);
    CHECK_NEAR(anet_tensor_get(t, at), type == ANET_F32 ? (double)1e30f : high[type], 0);
    CHECK_NEAR(anet_tensor_get(t, before_it), 0, 0);
    anet_tensor_release(t);
  }
}

/* ---- random windows ----------------------------------------------------------------------- */

/* A random array of `rank` whose element at an index is the index written as digits of base 10. */
static anet_tensor *digits(anet_rng *rng, int32_t rank)
{
  anet_shape shape = {.rank = rank};
  anet_tensor *t = NULL;
  for (int32_t i = 0; i < rank; i++) shape.dim[i] = anet_rng_int(rng, 1, 5);
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &t));
  for (int32_t k = 0; k < (int32_t)anet_tensor_count(t); k++) {
    int32_t rest = k, value = 0, scale = 1;
    for (int32_t i = rank - 1; i >= 0; i--, scale *= 10) {
      value += rest % shape.dim[i] * scale;
      rest /= shape.dim[i];
    }
    anet__f32(t)[k] = (float)value;
  }
  return t;
}

static anet_tensor *window_of(anet_rng *rng, anet_tensor *base, int32_t *begin)
{
  anet_shape size = base->shape;
  anet_tensor *window = NULL;
  for (int32_t i = 0; i < size.rank; i++) {
    begin[i] = anet_rng_int(rng, 0, size.dim[i] - 1);
    size.dim[i] = anet_rng_int(rng, 1, size.dim[i] - begin[i]);
  }
  CHECK_OK(anet_tensor_view(base, begin, &size, &window));
  return window;
}

/* index = the k-th index of the shape. */
static void nth_index(const anet_shape *shape, int32_t k, int32_t *index)
{
  for (int32_t i = shape->rank - 1; i >= 0; i--) {
    index[i] = k % shape->dim[i];
    k /= shape->dim[i];
  }
}

static double want_at(const int32_t *index, const int32_t *begin, int32_t rank)
{
  double value = 0;
  for (int32_t i = 0; i < rank; i++) value = value * 10 + index[i] + begin[i];
  return value;
}

static void check_window(anet_rng *rng, int32_t rank)
{
  int32_t begin[5] = {0}, index[5], found[5] = {9, 9, 9, 9, 9}, axis[5] = {0, 1, 2, 3, 4},
          turned[5];
  anet_tensor *base = digits(rng, rank), *window = window_of(rng, base, begin), *copy, *whole,
              *other;
  const anet_shape shape = window->shape;
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &copy));
  CHECK_OK(anet_tensor_copy(copy, window));
  for (int32_t i = rank - 1; i > 0; i--) {
    const int32_t j = anet_rng_int(rng, 0, i), keep = axis[i];
    axis[i] = axis[j], axis[j] = keep;
  }
  CHECK_OK(anet_tensor_transpose(window, axis, &other));
  CHECK(anet_tensor_dense(copy) && anet_tensor_dense(other));
  const int32_t count = (int32_t)anet_tensor_count(window);
  bool dense = true;
  for (int32_t k = 0; k < count; k++) {
    nth_index(&shape, k, index);
    const double want = want_at(index, begin, rank);
    for (int32_t i = 0; i < rank; i++) turned[i] = index[axis[i]];
    test_checks++;
    if (anet_tensor_get(window, index) != want || anet_tensor_get(copy, index) != want ||
        anet_tensor_get(other, turned) != want)
      TEST_FAIL("element %d is %g, copied %g, turned %g, want %g", k,
                anet_tensor_get(window, index), anet_tensor_get(copy, index),
                anet_tensor_get(other, turned), want);
    dense &= (double)((const float *)anet_tensor_data(window))[dense ? k : 0] == want;
  }
  /* dense: the values lie one after the other */
  CHECK_EQ_I(anet_tensor_dense(window), dense);
  CHECK_OK(anet__tensor_whole(window, &whole, found));
  CHECK(anet__shape_equal(&whole->shape, &base->shape));
  CHECK(memcmp(found, begin, sizeof(int32_t) * (size_t)rank) == 0);
  CHECK(anet_tensor_data(whole) == anet_tensor_data(base));
  anet_tensor_release(whole), anet_tensor_release(other), anet_tensor_release(copy);
  /* copied back, another array has the window's values and no others */
  anet_tensor *fresh, *hole;
  CHECK_OK(anet_tensor_new(ANET_F32, &base->shape, &fresh));
  CHECK_OK(anet_tensor_view(fresh, begin, &shape, &hole));
  CHECK_OK(anet_tensor_copy(hole, window));
  double sum = 0, want = 0;
  for (int32_t k = 0; k < (int32_t)anet_tensor_count(fresh); k++)
    sum += (double)anet__f32(fresh)[k];
  for (int32_t k = 0; k < count; k++) {
    nth_index(&shape, k, index);
    want += want_at(index, begin, rank);
    CHECK_NEAR(anet_tensor_get(hole, index), want_at(index, begin, rank), 0);
  }
  CHECK_NEAR(sum, want, 0);
  anet_tensor_release(hole), anet_tensor_release(fresh);
  anet_tensor_release(window), anet_tensor_release(base);
}

TEST(windows_are_as_indexing_says)
{
  anet_rng rng;
  for (int32_t seed = 0; seed < 250; seed++) {
    anet_rng_seed(&rng, seed);
    check_window(&rng, seed % 6);
  }
}

TEST(rows_that_overlap_are_moved)
{
  anet_tensor *base = NULL, *low, *high;
  const anet_shape all = {1, {8}}, part = {1, {6}};
  CHECK_OK(anet_tensor_new(ANET_I32, &all, &base));
  for (int32_t i = 0; i < 8; i++) anet_tensor_set(base, &i, i);
  CHECK_OK(anet_tensor_view(base, (int32_t[]){0}, &part, &low));
  CHECK_OK(anet_tensor_view(base, (int32_t[]){2}, &part, &high));
  CHECK_OK(anet_tensor_copy(high, low));
  for (int32_t i = 0; i < 8; i++) CHECK_EQ_I(anet_tensor_get(base, &i), i < 2 ? i : i - 2);
  anet_tensor_release(low), anet_tensor_release(high), anet_tensor_release(base);
}

TEST(turns_are_checked)
{
  anet_tensor *t = NULL, *bytes = NULL, *out;
  const anet_shape shape = {3, {2, 0, 3}};
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &t));
  CHECK_OK(anet_tensor_new(ANET_U8, &shape, &bytes));
  CHECK_FAILS(anet_tensor_transpose(t, (int32_t[]){0, 1, 3}, &out), ANET_RANGE,
              "transpose: axis 3, for place 2, is not one of the others of (2, 0, 3)");
  CHECK_FAILS(anet_tensor_transpose(t, (int32_t[]){-1, 1, 2}, &out), ANET_RANGE,
              "axis -1, for place 0");
  CHECK_FAILS(anet_tensor_transpose(t, (int32_t[]){2, 0, 2}, &out), ANET_RANGE,
              "axis 2, for place 2");
  CHECK_FAILS(anet_tensor_transpose(bytes, (int32_t[]){0, 1, 2}, &out), ANET_UNSUPPORTED,
              "transpose: the tensor is u8, want f32");
  CHECK(out == NULL);
  CHECK_OK(anet_tensor_transpose(t, (int32_t[]){2, 0, 1}, &out));
  CHECK(out->shape.dim[0] == 3 && out->shape.dim[1] == 2 && out->shape.dim[2] == 0);
  anet_tensor_release(out), anet_tensor_release(t), anet_tensor_release(bytes);
}

TEST(no_window_of_an_array)
{
  anet_tensor *base = NULL, *whole = (anet_tensor *)&base, *view;
  int32_t begin[3];
  const anet_shape shape = {3, {4, 3, 2}};
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &base));
  CHECK_OK(anet_tensor_view(base, (int32_t[]){1, 1, 0}, &(anet_shape){3, {2, 2, 2}}, &view));
  view->stride[0] = 5; /* no multiple of a row */
  CHECK_FAILS(anet__tensor_whole(view, &whole, begin), ANET_UNSUPPORTED,
              "tensor: (2, 2, 2) is not a window of an array of 96 bytes");
  CHECK(whole == NULL);
  view->stride[0] = 6, view->stride[2] = 2, view->offset = 1; /* between its elements */
  CHECK_FAILS(anet__tensor_whole(view, &whole, begin), ANET_UNSUPPORTED, "(2, 2, 2)");
  anet_tensor_release(view), anet_tensor_release(base);
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){3, {3, 0, 2}}, &base));
  CHECK_OK(anet__tensor_whole(base, &whole, begin)); /* an empty array has no values to miss */
  CHECK(begin[0] == 0 && begin[1] == 0 && begin[2] == 0 && anet_tensor_count(whole) == 0);
  anet_tensor_release(whole), anet_tensor_release(base);
}

TEST(views_to_the_edge)
{
  anet_tensor *base = NULL, *view;
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){2, {4, 5}}, &base));
  for (int32_t first = 0; first <= 5; first++)
    for (int32_t size = 0; size <= 6; size++) {
      const anet_shape want = {2, {1, size}};
      const int32_t begin[2] = {3, first};
      const int rc = anet_tensor_view(base, begin, &want, &view);
      CHECK_EQ_I(rc, first + size <= 5 ? ANET_OK : ANET_RANGE);
      anet_tensor_release(view);
    }
  CHECK_FAILS(anet_tensor_view(base, (int32_t[]){0, 2}, &(anet_shape){2, {1, 4}}, &view),
              ANET_RANGE, "view: 4 from 2 in dimension 1, which has 5");
  CHECK_FAILS(anet_tensor_view(base, (int32_t[]){0}, &(anet_shape){1, {1}}, &view), ANET_RANGE,
              "view: rank 1 of a tensor of rank 2");
  anet_tensor_release(base);
}

static int make_all(void *context)
{
  anet_tensor *base = context, *turned = NULL, *whole = NULL;
  const int32_t axis[2] = {1, 0};
  int32_t begin[2];
  int rc = anet_tensor_transpose(base, axis, &turned);
  if (!rc) rc = anet__tensor_whole(turned, &whole, begin);
  anet_tensor_release(turned), anet_tensor_release(whole);
  return rc;
}

TEST(allocations)
{
  anet_tensor *base = NULL;
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){2, {4, 5}}, &base));
  test_each_allocation(make_all, base);
  anet_tensor_release(base);
}

TEST(nothing_is_left)
{
  anet_memory memory;
  anet_memory_read(&memory);
  CHECK_EQ_I(memory.live_bytes, 0);
}

TEST_MAIN(CASE(limits_of_shapes), CASE(types), CASE(windows_are_as_indexing_says),
          CASE(rows_that_overlap_are_moved), CASE(turns_are_checked), CASE(no_window_of_an_array),
          CASE(views_to_the_edge), CASE(allocations), CASE(nothing_is_left))
