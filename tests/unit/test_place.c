/* Buffers placed in one block, on random lives: those alive together are apart, and the block is
 * near the least there can be, the most bytes that are alive at a time. */
#include "base/place.h"
#include "base/rng.h"
#include "support/fault.h"

enum { MOST = ANET_SPANS_COMPARED + 2000, STEPS = 600 };

static anet__span span[MOST];
static size_t asked[MOST];

static size_t rounded(size_t bytes)
{
  return (bytes + ANET_ALIGN - 1) / ANET_ALIGN * ANET_ALIGN;
}

/* The most bytes that are alive at a time. */
static size_t least(int32_t count, int32_t times)
{
  size_t most = 0;
  for (int32_t t = 0; t < times; t++) {
    size_t alive = 0;
    for (int32_t i = 0; i < count; i++)
      if (span[i].first <= t && t <= span[i].last) alive += rounded(asked[i]);
    most = ANET_MAX(most, alive);
  }
  return most;
}

static size_t place(int32_t count)
{
  size_t total = 1, end = 0;
  for (int32_t i = 0; i < count; i++) {
    asked[i] = span[i].bytes;
    span[i].offset = 1;
  }
  CHECK_OK(anet__spans_place(span, count, &total));
  for (int32_t i = 0; i < count; i++) {
    test_checks++;
    if (span[i].bytes != rounded(asked[i]) || span[i].offset % ANET_ALIGN)
      TEST_FAIL("span %d of %zu bytes: %zu at %zu", i, asked[i], span[i].bytes, span[i].offset);
    end = ANET_MAX(end, span[i].offset + span[i].bytes);
    for (int32_t k = 0; k < i; k++)
      if (span[i].first <= span[k].last && span[k].first <= span[i].last &&
          span[i].offset < span[k].offset + span[k].bytes &&
          span[k].offset < span[i].offset + span[i].bytes)
        TEST_FAIL("spans %d and %d of %d overlap at %zu and %zu", k, i, count, span[k].offset,
                  span[i].offset);
  }
  CHECK_EQ_I(total, end);
  return total;
}

static void draw(anet_rng *rng, int32_t i, int32_t times, int32_t life, uint32_t bytes)
{
  const int32_t first = anet_rng_int(rng, 0, times - 1);
  span[i] = (anet__span){.first = first,
                         .last = ANET_MIN(first + anet_rng_int(rng, 0, life), times - 1),
                         .bytes = anet__rng_below(rng, bytes)};
}

TEST(few_spans)
{
  anet_rng rng;
  double ratio = 0, worst = 0;
  enum { ROUNDS = 300 };
  for (int32_t seed = 0; seed < ROUNDS; seed++) {
    anet_rng_seed(&rng, seed);
    const int32_t count = anet_rng_int(&rng, 1, 60);
    for (int32_t i = 0; i < count; i++) draw(&rng, i, 40, 1 + seed % 12, 5000);
    const size_t total = place(count), low = least(count, 40);
    CHECK(total >= low);
    ratio += low ? (double)total / (double)low : 1;
    if (low) worst = fmax(worst, (double)total / (double)low);
  }
  printf("few: %.4f of the least on average, %.3f at worst\n", ratio / ROUNDS, worst);
  CHECK(ratio / ROUNDS < 1.04);
  CHECK(worst < 1.35);
}

/* A chain that becomes smaller, where each buffer lives until the next has been made, needs its
 * largest pair, which is the first. */
TEST(chains_need_their_largest_pair)
{
  anet_rng rng;
  for (int32_t seed = 0; seed < 50; seed++) {
    anet_rng_seed(&rng, seed);
    const int32_t count = anet_rng_int(&rng, 2, 30);
    size_t bytes = 100000;
    for (int32_t i = 0; i < count; i++) {
      bytes -= 1 + anet__rng_below(&rng, 3000);
      span[i] = (anet__span){.first = i, .last = i + 1, .bytes = bytes};
    }
    CHECK_EQ_I(place(count), rounded(asked[0]) + rounded(asked[1]));
  }
}

static void set(int32_t i, int32_t first, int32_t last, size_t lines)
{
  span[i] = (anet__span){.first = first, .last = last, .bytes = lines * ANET_ALIGN};
}

static void check_offset(int32_t i, size_t lines)
{
  test_checks++;
  if (span[i].offset != lines * ANET_ALIGN)
    TEST_FAIL("span %d lies at line %zu, want %zu", i, span[i].offset / ANET_ALIGN, lines);
}

TEST(the_smallest_gap_that_fits)
{
  /* Two gaps under spans that outlive them, of 6 and of 3 lines. */
  set(0, 0, 0, 20), set(1, 0, 9, 19), set(2, 0, 0, 18); /* at 0, 20, 39 */
  set(3, 1, 9, 17);                                     /* at 0: leaves 17 .. 20 */
  set(4, 0, 9, 16);                                     /* at 57 */
  set(5, 1, 9, 12);                                     /* at 39: leaves 51 .. 57 */
  set(6, 1, 9, 3);
  set(7, 1, 9, 2);
  const size_t total = place(8);
  check_offset(0, 0), check_offset(1, 20), check_offset(2, 39), check_offset(3, 0);
  check_offset(4, 57), check_offset(5, 39);
  check_offset(6, 17); /* exactly */
  check_offset(7, 51);
  CHECK_EQ_I(total, 73 * ANET_ALIGN);
}

/* Equals keep their order, whatever sorts them. */
TEST(equals_are_placed_in_order)
{
  for (int32_t i = 0; i < 40; i++) set(i, 0, 5, 3);
  CHECK_EQ_I(place(40), 40 * 3 * ANET_ALIGN);
  for (int32_t i = 0; i < 40; i++) check_offset(i, (size_t)i * 3);
}

/* Both ends of a life count. */
TEST(touching_lives_are_apart)
{
  set(0, 0, 3, 2), set(1, 3, 5, 2), set(2, 6, 9, 2);
  CHECK_EQ_I(place(3), 4 * ANET_ALIGN);
  check_offset(0, 0), check_offset(1, 2), check_offset(2, 0);
}

TEST(none_and_empty_ones)
{
  size_t total = 7;
  CHECK_OK(anet__spans_place(span, 0, &total));
  CHECK_EQ_I(total, 0);
  set(0, 0, 0, 0), set(1, 0, 0, 1);
  span[1].bytes = 1;
  CHECK_EQ_I(place(2), ANET_ALIGN);
}

TEST(too_big_a_block)
{
  const size_t half = SIZE_MAX / 2 / ANET_ALIGN * ANET_ALIGN;
  size_t total;
  for (int32_t i = 0; i < 3; i++) span[i] = (anet__span){0, 1, half, 0};
  CHECK_OK(anet__spans_place(span, 2, &total));
  CHECK_EQ_I(total, 2 * half);
  CHECK_FAILS(anet__spans_place(span, 3, &total), ANET_NOMEM, "18446744073709551615 bytes");
  for (int32_t i = 0; i < MOST; i++) span[i] = (anet__span){0, 1, half / 2048, 0};
  CHECK_FAILS(anet__spans_place(span, MOST, &total), ANET_NOMEM, "18446744073709551615 bytes");
}

/* ---- many --------------------------------------------------------------------------------- */

static void draw_many(int32_t count, int32_t sizes, anet_rng *rng)
{
  for (int32_t i = 0; i < count; i++) {
    draw(rng, i, STEPS, 8, 1);
    span[i].bytes = (size_t)anet_rng_int(rng, 1, sizes) * ANET_ALIGN;
  }
}

TEST(many_spans)
{
  static const int32_t sizes[] = {1, 4, 40, 3000};
  static const double most[] = {1.001, 1.2, 1.4, 3.3};
  anet_rng rng;
  for (int k = 0; k < ANET_COUNT(sizes); k++) {
    anet_rng_seed(&rng, k);
    draw_many(MOST, sizes[k], &rng);
    const size_t total = place(MOST);
    const double ratio = (double)total / (double)least(MOST, STEPS);
    printf("many of %d sizes: %.3f of the least\n", sizes[k], ratio);
    CHECK(ratio >= 1 && ratio < most[k]);
  }
}

/* Of one size there is no waste at all: a place is taken again as soon as its span has ended. */
TEST(many_of_one_size_need_the_least)
{
  const int32_t count = ANET_SPANS_COMPARED + 1;
  anet_rng rng;
  anet_rng_seed(&rng, 3);
  draw_many(count, 1, &rng);
  CHECK_EQ_I(place(count), least(count, STEPS));
  /* one fewer is compared with each other, and needs no more either */
  draw_many(count - 1, 1, &rng);
  CHECK_EQ_I(place(count - 1), least(count - 1, STEPS));
}

/* A free place of the smallest size that has room, not the newest nor the largest. */
TEST(many_take_the_closest_place)
{
  const int32_t count = ANET_SPANS_COMPARED + 1, first = count - 6;
  for (int32_t i = 0; i < first; i++) set(i, 100, 100, 1);
  set(first, 0, 0, 9), set(first + 1, 0, 0, 5), set(first + 2, 0, 0, 7); /* at 0, 9, 14 */
  set(first + 3, 1, 2, 4);                                               /* takes that of 5 */
  set(first + 4, 1, 2, 6);                                               /* takes that of 7 */
  set(first + 5, 3, 3, 8);                                               /* takes that of 9 */
  place(count);
  check_offset(first, 0), check_offset(first + 1, 9), check_offset(first + 2, 14);
  check_offset(first + 3, 9);
  check_offset(first + 4, 14);
  check_offset(first + 5, 0);
}

static int place_again(void *context)
{
  size_t total;
  return anet__spans_place(span, *(int32_t *)context, &total);
}

TEST(allocations)
{
  int32_t few = 20, many = MOST;
  for (int32_t i = 0; i < MOST; i++) set(i, i, i + 1, 1);
  test_each_allocation(place_again, &few);
  test_each_allocation(place_again, &many);
}

TEST_MAIN(CASE(few_spans), CASE(chains_need_their_largest_pair), CASE(the_smallest_gap_that_fits),
          CASE(equals_are_placed_in_order), CASE(touching_lives_are_apart),
          CASE(none_and_empty_ones), CASE(too_big_a_block), CASE(many_spans),
          CASE(many_of_one_size_need_the_least), CASE(many_take_the_closest_place),
          CASE(allocations))
