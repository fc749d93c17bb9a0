/* Packed forms: found by values, window and form, shared while somebody holds them, in a slab while
 * that has room. */
#include "base/error.h"
#include "support/fault.h"
#include "tensor/packed.h"

static const anet__form form = {1, 2, 3, {4, 5, 6, 7}};

static anet_tensor *ramp(int32_t rows, int32_t columns)
{
  const anet_shape shape = {2, {rows, columns}};
  anet_tensor *t = NULL;
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &t));
  for (int32_t i = 0; i < rows * columns; i++) anet__f32(t)[i] = (float)i;
  return t;
}

static anet_tensor *window(anet_tensor *base, int32_t y, int32_t x, int32_t rows, int32_t columns)
{
  const anet_shape size = {2, {rows, columns}};
  const int32_t begin[2] = {y, x};
  anet_tensor *view = NULL;
  CHECK_OK(anet_tensor_view(base, begin, &size, &view));
  return view;
}

/* ---- the hash of values -------------------------------------------------------------------- */

TEST(a_hash_is_of_the_values_in_order)
{
  anet_tensor *base = ramp(4, 6), *view = window(base, 1, 2, 2, 3), *copy = NULL, *t;
  CHECK_OK(anet_tensor_new(ANET_F32, &view->shape, &copy));
  CHECK_OK(anet_tensor_copy(copy, view));
  const uint64_t hash = anet__packed_values(view);
  CHECK(anet__packed_values(copy) == hash); /* wherever they lie */
  for (int32_t i = 0; i < 24; i++) {        /* each of its values counts, and no other */
    const int32_t y = i / 6, x = i % 6;
    const bool inside = y >= 1 && y < 3 && x >= 2 && x < 5;
    anet__f32(base)[i] += 100;
    CHECK_EQ_I(anet__packed_values(view) != hash, inside);
    anet__f32(base)[i] -= 100;
  }
  anet__f32(copy)[0] = anet__f32(view)[1], anet__f32(copy)[1] = anet__f32(view)[0];
  CHECK(anet__packed_values(copy) != hash);
  anet_tensor_release(copy), anet_tensor_release(view), anet_tensor_release(base);

  /* three axes, one, none: FNV-1a over words */
  const anet_shape deep = {3, {2, 2, 2}}, flat = {1, {8}}, one = {0};
  anet_tensor *a = NULL, *b = NULL;
  CHECK_OK(anet_tensor_new(ANET_F32, &deep, &a));
  for (int32_t i = 0; i < 8; i++) anet__f32(a)[i] = (float)i;
  CHECK_OK(anet_tensor_reshape(a, &flat, &b));
  CHECK(anet__packed_values(a) == anet__packed_values(b));
  CHECK_OK(anet_tensor_view(a, (int32_t[]){1, 0, 1}, &(anet_shape){3, {1, 2, 1}}, &t));
  const uint64_t of_two = anet__packed_values(t);
  anet_tensor_release(b), anet_tensor_release(t);
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){2, {2, 1}}, &b));
  anet__f32(b)[0] = 5, anet__f32(b)[1] = 7;
  CHECK(anet__packed_values(b) == of_two);
  anet_tensor_release(a), anet_tensor_release(b);
  CHECK_OK(anet_tensor_new(ANET_F32, &one, &a));
  CHECK(anet__packed_values(a) == 14695981039346656037u * 1099511628211u); /* a word of 0 */
  anet_tensor_release(a);
}

/* ---- forms -------------------------------------------------------------------------------- */

static anet__packed *offered(anet_tensor *t, const anet__form *of, anet__slab *slab)
{
  anet__packed *p = anet__packed_new(t, anet__packed_values(t), of, 10, slab);
  CHECK(p != NULL);
  anet__packed_offer(p);
  return p;
}

static bool found(anet_tensor *t, uint64_t values, const anet__form *of)
{
  anet__packed *p = anet__packed_find(t, values, of);
  anet__packed_release(p);
  return p != NULL;
}

TEST(a_form_is_found_while_it_is_held)
{
  anet_tensor *base = ramp(4, 6), *t = window(base, 1, 1, 2, 3);
  const uint64_t values = anet__packed_values(t);
  CHECK(!found(t, values, &form));
  anet__packed *p = anet__packed_new(t, values, &form, 10, NULL);
  CHECK_EQ_I(anet__packed_bytes(p), 40);
  CHECK_EQ_I((uintptr_t)anet__packed_data(p) % ANET_ALIGN, 0);
  CHECK(!found(t, values, &form)); /* not filled yet */
  anet__packed_offer(p);
  anet__packed *again = anet__packed_find(t, values, &form);
  CHECK(again == p && anet__packed_data(again) == anet__packed_data(p));
  anet__packed_release(p);
  CHECK(found(t, values, &form)); /* somebody holds it */

  CHECK(!found(t, values + 1, &form));
  for (int32_t i = 0; i < 7; i++) {
    anet__form other = form;
    ((int32_t *)&other)[i]++;
    CHECK(!found(t, values, &other));
  }
  static const int32_t windows[][4] = {{1, 1, 2, 2}, {1, 1, 1, 3}, {1, 2, 2, 3}, {2, 1, 2, 3}};
  for (int i = 0; i < ANET_COUNT(windows); i++) {
    anet_tensor *other = window(base, windows[i][0], windows[i][1], windows[i][2], windows[i][3]);
    CHECK(!found(other, values, &form));
    anet_tensor_release(other);
  }
  anet_tensor *same = window(base, 1, 1, 2, 3);
  CHECK(found(same, values, &form));
  same->stride[0]++;
  CHECK(!found(same, values, &form));
  anet_tensor_release(same);
  anet_tensor *stranger = ramp(4, 6), *there = window(stranger, 1, 1, 2, 3);
  CHECK(!found(there, values, &form)); /* of other memory */
  anet_tensor_release(there), anet_tensor_release(stranger);
  anet__packed_release(again);
  CHECK(!found(t, values, &form));
  anet__packed_release(NULL);
  anet_tensor_release(t), anet_tensor_release(base);
}

/* Of several on a list each goes on its own, whichever is first. */
TEST(each_form_leaves_the_list_alone)
{
  enum { N = 4 };
  anet_tensor *t = ramp(2, 3);
  const uint64_t values = anet__packed_values(t);
  for (int32_t order = 0; order < N; order++) {
    anet__packed *p[N];
    anet__form f[N];
    for (int32_t i = 0; i < N; i++) {
      f[i] = form;
      f[i].method = i;
      p[i] = offered(t, &f[i], NULL);
    }
    for (int32_t i = 0; i < N; i++) {
      const int32_t at = (i + order) % N;
      anet__packed_release(p[at]);
      for (int32_t k = 0; k < N; k++) {
        bool gone = false;
        for (int32_t g = 0; g <= i; g++) gone |= k == (g + order) % N;
        CHECK_EQ_I(found(t, values, &f[k]), !gone);
      }
    }
  }
  anet_tensor_release(t);
}

/* A form keeps the weights that it was made from. */
TEST(a_form_retains_its_source)
{
  anet__alloc_stats before, after;
  anet__alloc_read(&before);
  anet_tensor *t = ramp(2, 3);
  anet__packed *p = offered(t, &form, NULL);
  anet_tensor_release(t);
  CHECK(found(t, anet__packed_values(t), &form));
  anet__packed_release(p);
  anet__alloc_read(&after);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
}

/* ---- slabs -------------------------------------------------------------------------------- */

TEST(forms_lie_in_a_slab_while_it_has_room)
{
  anet_tensor *t = ramp(2, 3);
  anet__slab *slab = NULL;
  anet__alloc_stats before, after;
  CHECK_EQ_I(anet__slab_floats(0), 0);
  CHECK_EQ_I(anet__slab_floats(1), 16);
  CHECK_EQ_I(anet__slab_floats(16), 16);
  CHECK_EQ_I(anet__slab_floats(17), 32);
  anet__alloc_read(&before);
  CHECK_OK(anet__slab_new(48, &slab));
  anet__packed *p[4];
  static const size_t floats[] = {10, 17, 1, 16};
  for (int32_t i = 0; i < 4; i++) p[i] = anet__packed_new(t, (uint64_t)i, &form, floats[i], slab);
  const float *first = anet__packed_data(p[0]);
  CHECK_EQ_I((uintptr_t)first % ANET_ALIGN, 0);
  CHECK(anet__packed_data(p[1]) == first + 16); /* to its end, and no further */
  CHECK(anet__packed_data(p[2]) < first || anet__packed_data(p[2]) >= first + 48);
  CHECK(anet__packed_data(p[3]) < first || anet__packed_data(p[3]) >= first + 48);
  for (int32_t i = 0; i < 4; i++) CHECK_EQ_I(anet__packed_bytes(p[i]), floats[i] * 4);
  anet__slab_release(slab); /* lives as long as a form in it */
  for (int32_t i = 3; i >= 0; i--) {
    memset(anet__packed_data(p[i]), 1, floats[i] * 4);
    anet__packed_release(p[i]);
  }
  anet__alloc_read(&after);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
  CHECK_OK(anet__slab_new(16, &slab));
  p[0] = anet__packed_new(t, 0, &form, 16, slab);
  anet__alloc_read(&before);
  anet__packed_release(p[0]); /* the slab's owner goes last */
  anet__alloc_read(&after);
  CHECK(before.live_bytes - after.live_bytes < 300);
  anet__slab_release(slab);
  anet__slab_release(NULL);
  anet_tensor_release(t);
}

static int use_slab(void *context)
{
  anet__slab *slab = NULL;
  int rc = anet__slab_new(16, &slab);
  for (int32_t i = 0; !rc && i < 2; i++) {
    anet__packed *p = anet__packed_new(context, 1, &form, 16, slab);
    if (!p) rc = ANET_NOMEM;
    anet__packed_release(p);
  }
  anet__slab_release(slab);
  return rc;
}

TEST(allocations)
{
  anet_tensor *t = ramp(2, 3);
  test_each_allocation(use_slab, t);
  anet_tensor_release(t);
}

TEST_MAIN(CASE(a_hash_is_of_the_values_in_order), CASE(a_form_is_found_while_it_is_held),
          CASE(each_form_leaves_the_list_alone), CASE(a_form_retains_its_source),
          CASE(forms_lie_in_a_slab_while_it_has_room), CASE(allocations))
