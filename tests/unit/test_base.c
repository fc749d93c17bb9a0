#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/rng.h"
#include "support/fault.h"
#include "support/scratch.h"

/* ---- errors ------------------------------------------------------------------------------- */

static void *read_error(void *out)
{
  snprintf(out, 64, "%s", anet_error());
  anet_fail(ANET_IO, "of another thread");
  return NULL;
}

TEST(error_is_of_its_thread)
{
  pthread_t thread;
  char other[64] = "unset";
  CHECK_EQ_I(anet_fail(ANET_SHAPE, "conv: got %d channels, want %d", 3, 4), ANET_SHAPE);
  CHECK_EQ_S(anet_error(), "conv: got 3 channels, want 4");
  pthread_create(&thread, NULL, read_error, other);
  pthread_join(thread, NULL);
  CHECK_EQ_S(other, "");
  CHECK_EQ_S(anet_error(), "conv: got 3 channels, want 4");
}

TEST(error_takes_a_prefix_and_may_quote_itself)
{
  anet_fail(ANET_SHAPE, "got 3");
  CHECK_EQ_I(anet__fail_in(ANET_SHAPE, "node '%s'", "a"), ANET_SHAPE);
  CHECK_EQ_S(anet_error(), "node 'a': got 3");
  anet_fail(ANET_SHAPE, "again: %s", anet_error());
  CHECK_EQ_S(anet_error(), "again: node 'a': got 3");
}

TEST(error_is_cut_not_overrun)
{
  char text[2000];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  anet_fail(ANET_IO, "%s", text);
  CHECK_EQ_I(strlen(anet_error()), 511);
  anet__fail_in(ANET_IO, "%s", text);
  CHECK_EQ_I(strlen(anet_error()), 511);
  anet_fail(ANET_IO, "short");
  CHECK_EQ_S(anet_error(), "short");
}

TEST(error_is_one_printable_line)
{
  static const char *pairs[][2] = {
      {"\x1b[31mred\x07", "\\x1b[31mred\\x07"},
      {"a\nb\r\tc\x7f", "a\\x0ab\\x0d\\x09c\\x7f"},
      {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
      {"\xc2\x9b", "\\xc2\\x9b"},              /* a C1 control */
      {"\xe2\x80\xae x", "\\xe2\\x80\\xae x"}, /* right to left */
      {"\xe2\x81\xa6\xe2\x80\xa8", "\\xe2\\x81\\xa6\\xe2\\x80\\xa8"},
      {"\xff\xc3", "\\xff\\xc3"},                            /* no UTF-8 */
      {"\xc0\xaf\xed\xa0\x80", "\\xc0\\xaf\\xed\\xa0\\x80"}, /* overlong, a surrogate */
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
      {"C:\\x1b", "C:\\x1b"},
  };
  for (int i = 0; i < ANET_COUNT(pairs); i++) {
    anet_fail(ANET_IO, "%s", pairs[i][0]);
    CHECK_EQ_S(anet_error(), pairs[i][1]);
    anet__fail_in(ANET_IO, "%s", pairs[i][0]);
    char twice[128];
    snprintf(twice, sizeof twice, "%s: %s", pairs[i][1], pairs[i][1]);
    CHECK_EQ_S(anet_error(), twice);
  }
  char text[2000];
  memset(text, 1, sizeof text - 1);
  text[sizeof text - 1] = '\0';
  anet_fail(ANET_IO, "%s", text);
  CHECK_EQ_I(strlen(anet_error()), 508); /* whole escapes */
}

TEST(status_has_a_text)
{
#define X(name, number, text)                                                                      \
  CHECK_EQ_I(ANET_##name, number);                                                                 \
  CHECK_EQ_S(anet_status_text(number), text);
  ANET_STATUS_MAP(X)
#undef X
  CHECK_EQ_S(anet_status_text(-1), "unknown status");
  CHECK_EQ_S(anet_status_text(ANET_STATUS_COUNT), "unknown status");
}

/* ---- memory ------------------------------------------------------------------------------- */

TEST(memory_is_aligned_zeroed_and_counted)
{
  static const size_t size[] = {0, 1, 63, 64, 65, 4096, 1000003};
  anet__alloc_stats before, now;
  anet__alloc_read(&before);
  for (int i = 0; i < ANET_COUNT(size); i++) {
    uint8_t *block = anet__alloc(size[i]);
    CHECK(block != NULL);
    CHECK_EQ_I((uintptr_t)block % ANET_ALIGN, 0);
    for (size_t b = 0; b < size[i]; b++)
      if (block[b]) TEST_FAIL("byte %zu of %zu is %d", b, size[i], block[b]);
    memset(block, 1, size[i]);
    anet__alloc_read(&now);
    CHECK_EQ_I(now.live_bytes, before.live_bytes + size[i]);
    CHECK(now.peak_bytes >= now.live_bytes);
    anet__free(block);
  }
  anet__alloc_read(&now);
  CHECK_EQ_I(now.live_bytes, before.live_bytes);
  CHECK_EQ_I(now.calls, before.calls + (size_t)ANET_COUNT(size));
  anet__free(NULL);
}

TEST(memory_refuses_what_cannot_be)
{
  size_t product;
  CHECK(anet__mul(1u << 20, 1u << 20, &product) && product == (size_t)1 << 40);
  CHECK(!anet__mul(SIZE_MAX, 2, &product));
  CHECK(anet__alloc(SIZE_MAX) == NULL);
  CHECK(strstr(anet_error(), "18446744073709551615"));
  CHECK(anet__alloc(SIZE_MAX - 100) == NULL);
  CHECK(anet__alloc_array(SIZE_MAX / 2, 3) == NULL);
}

TEST(memory_fails_where_it_is_told_to)
{
  anet__alloc_arm(2);
  void *a = anet__alloc(8), *b = anet__alloc(8);
  CHECK(a && b && !anet__alloc_fired());
  CHECK(anet__alloc(8) == NULL);
  CHECK(anet__alloc_fired());
  void *c = anet__alloc(8);
  CHECK(c != NULL); /* once only */
  anet__free(a), anet__free(b), anet__free(c);
  anet__alloc_arm(-1);
  CHECK(!anet__alloc_fired());
}

TEST(arrays_grow)
{
  int32_t *array = NULL, capacity = 0;
  for (int32_t i = 0; i < 1000; i++) {
    CHECK_OK(anet__grow((void **)&array, &capacity, i, sizeof *array));
    array[i] = i;
  }
  for (int32_t i = 0; i < 1000; i++)
    if (array[i] != i) TEST_FAIL("array[%d] = %d", i, array[i]);
  anet__alloc_arm(0);
  int32_t *same = array;
  CHECK_FAILS(anet__grow((void **)&array, &capacity, capacity, sizeof *array), ANET_NOMEM, "bytes");
  CHECK(array == same && array[999] == 999);
  anet__alloc_arm(-1);
  anet__free(array);
  capacity = INT32_MAX;
  CHECK_FAILS(anet__grow((void **)&array, &capacity, INT32_MAX, 4), ANET_NOMEM, "2147483647");
}

/* ---- random numbers ----------------------------------------------------------------------- */

/* Known numbers of splitmix64 from 0, and of xoshiro256** from 1, 2, 3, 4. */
TEST(rng_is_xoshiro)
{
  anet_rng rng;
  anet_rng_seed(&rng, 0);
  CHECK(rng.state[0] == 0xe220a8397b1dcdaf && rng.state[1] == 0x6e789e6aa1b965f4);
  CHECK(rng.state[2] == 0x06c45d188009454f && rng.state[3] == 0xf88bb8a8724c81ec);
  anet_rng small = {{1, 2, 3, 4}};
  static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240};
  for (int i = 0; i < 4; i++) {
    const uint64_t got = anet__rng_next(&small);
    if (got != want[i]) TEST_FAIL("number %d is %" PRIu64 ", want %" PRIu64, i, got, want[i]);
  }
}

TEST(rng_seeds_differ)
{
  anet_rng a, b;
  const double seed[] = {0, 1, -1, 0x1p53, 0.5, NAN, INFINITY};
  for (int i = 0; i < ANET_COUNT(seed); i++) {
    anet_rng_seed(&a, seed[i]);
    CHECK(a.state[0] | a.state[1] | a.state[2] | a.state[3]);
  }
  anet__rng_at(&a, 1, 2);
  anet__rng_at(&b, 2, 1);
  CHECK(memcmp(&a, &b, sizeof a) != 0);
  anet__rng_at(&b, 1, 2);
  CHECK(memcmp(&a, &b, sizeof a) == 0);
}

TEST(rng_has_its_moments)
{
  enum { N = 200000 };
  anet_rng rng;
  double sum = 0, square = 0, normal = 0, normal_square = 0, fourth = 0;
  anet_rng_seed(&rng, 7);
  for (int i = 0; i < N; i++) {
    const double u = anet_rng_uniform(&rng), f = (double)anet__rng_uniform(&rng);
    const double z = (double)anet__rng_normal(&rng);
    if (!(u >= 0 && u < 1 && f >= 0 && f < 1)) TEST_FAIL("uniform %g, %g", u, f);
    sum += u, square += f * f, normal += z, normal_square += z * z, fourth += z * z * z * z;
  }
  CHECK_NEAR(sum / N, 0.5, 0.003);
  CHECK_NEAR(square / N, 1.0 / 3, 0.003);
  CHECK_NEAR(normal / N, 0, 0.01);
  CHECK_NEAR(normal_square / N, 1, 0.015);
  CHECK_NEAR(fourth / N, 3, 0.1);
}

TEST(rng_integers_are_fair_and_inside)
{
  enum { N = 60000, SIDES = 6 };
  int32_t seen[SIDES] = {0};
  anet_rng rng;
  anet_rng_seed(&rng, 3);
  for (int i = 0; i < N; i++) {
    const int32_t x = anet_rng_int(&rng, -2, 3);
    if (x < -2 || x > 3) TEST_FAIL("drew %d of -2 .. 3", x);
    seen[x + 2]++;
  }
  for (int i = 0; i < SIDES; i++) CHECK_NEAR(seen[i], N / SIDES, 400);
  CHECK_EQ_I(anet_rng_int(&rng, 5, 5), 5);
  CHECK_EQ_I(anet_rng_int(&rng, 5, 4), 5);
  int32_t low = 0, high = 0;
  for (int i = 0; i < 100; i++) {
    const int32_t x = anet_rng_int(&rng, INT32_MIN, INT32_MAX);
    low += x < 0, high += x >= 0;
  }
  CHECK(low > 20 && high > 20);
  CHECK_EQ_I(anet__rng_below(&rng, 1), 0);
}

/* ---- machine ------------------------------------------------------------------------------ */

TEST(clocks_go_forward)
{
  const int64_t wall = anet__now_ns(), cpu = anet__cpu_ns();
  const double ms = anet_clock_ms();
  volatile double x = 1;
  for (int i = 0; i < 1000000; i++) x = x * 1.0000001;
  CHECK(anet__now_ns() > wall);
  CHECK(anet__cpu_ns() > cpu);
  const double took = anet_clock_ms() - ms; /* within the span of the other clock */
  CHECK(took >= 0 && took <= (double)(anet__now_ns() - wall) * 1e-6 + 1e-3);
}

TEST(cpu_knows_its_instruction_sets)
{
  anet__isa isa;
  CHECK(anet__cpu_has(ANET_ISA_REF));
  CHECK(!anet__cpu_has(ANET_ISA_COUNT));
  CHECK(anet__cpu_has(anet__cpu_best()));
#define X(upper, lower)                                                                            \
  CHECK_EQ_S(anet__isa_name(ANET_ISA_##upper), #lower);                                            \
  CHECK(anet__isa_parse(#lower, &isa) && isa == ANET_ISA_##upper);
  ANET_ISA_MAP(X)
#undef X
  CHECK(!anet__isa_parse("mmx", &isa) && !anet__isa_parse("", &isa));
  setenv("ANET_ISA", "ref", 1);
  CHECK_EQ_I(anet__cpu_chosen(), ANET_ISA_REF);
  setenv("ANET_ISA", "mmx", 1);
  CHECK_EQ_I(anet__cpu_chosen(), anet__cpu_best());
  unsetenv("ANET_ISA");
}

TEST(fingerprint_has_five_fields)
{
  char text[512], cut[8];
  anet__cpu_fingerprint(3, text, sizeof text);
  int slashes = 0;
  for (const char *c = text; *c; c++) slashes += *c == '/';
  if (slashes != 4) TEST_FAIL("'%s'", text);
  CHECK(strstr(text, "/3/"));
  CHECK(strstr(text, anet_version()));
  CHECK(strstr(text, anet__isa_name(anet__cpu_chosen())));
  anet__cpu_fingerprint(3, cut, sizeof cut);
  CHECK_EQ_I(strlen(cut), sizeof cut - 1);
  CHECK(strncmp(cut, text, sizeof cut - 1) == 0);
}

/* ---- pool --------------------------------------------------------------------------------- */

enum { MOST_PARTS = 100 };

typedef struct tally {
  atomic_int runs[MOST_PARTS];
  int worker[MOST_PARTS];
  int plain; /* written by the caller between jobs, read by workers */
  atomic_int wrong;
} tally;

static void count_part(void *context, int32_t part, int32_t worker)
{
  tally *t = context;
  atomic_fetch_add(&t->runs[part], 1);
  t->worker[part] = worker;
  if (t->plain != 42) atomic_fetch_add(&t->wrong, 1);
}

static void check_job(anet_pool *pool, int32_t parts)
{
  static const tally zero;
  tally t = zero;
  t.plain = 42;
  anet__pool_run(pool, count_part, &t, parts);
  t.plain = 0;
  const int32_t threads = anet__pool_workers(pool);
  for (int32_t p = 0; p < parts; p++) {
    if (t.runs[p] != 1) TEST_FAIL("part %d of %d ran %d times", p, parts, t.runs[p]);
    if (t.worker[p] < 0 || t.worker[p] >= threads)
      TEST_FAIL("part %d ran on %d of %d workers", p, t.worker[p], threads);
  }
  CHECK_EQ_I(t.wrong, 0);
}

TEST(pool_runs_every_part_once)
{
  static const int32_t threads[] = {1, 2, 3, 8}, parts[] = {0, 1, 2, 3, 7, 8, 9, 100};
  for (int t = 0; t < ANET_COUNT(threads); t++) {
    anet_pool *pool;
    CHECK_OK(anet_pool_new(threads[t], &pool));
    CHECK_EQ_I(anet_pool_threads(pool), threads[t]);
    for (int round = 0; round < 20; round++)
      for (int p = 0; p < ANET_COUNT(parts); p++) check_job(pool, parts[p]);
    anet_pool_release(pool);
  }
  check_job(NULL, 7);
  CHECK_EQ_I(anet__pool_workers(NULL), 1);
}

/* Long and short pauses between jobs: workers are met asleep, falling asleep and awake. */
TEST(pool_wakes_at_any_time)
{
  anet_pool *pool;
  CHECK_OK(anet_pool_new(2, &pool));
  for (int i = 0; i < 300; i++) {
    const int64_t until = anet__now_ns() + (int64_t)(i % 30) * 5000;
    while (anet__now_ns() < until) {
    }
    check_job(pool, 5);
  }
  anet_pool_release(pool);
}

TEST(pool_is_counted_and_checked)
{
  anet_pool *pool;
  CHECK_OK(anet_pool_new(0, &pool));
  CHECK_EQ_I(anet_pool_threads(pool), anet_cpu_count());
  CHECK(anet__pool_retain(pool) == pool);
  anet_pool_release(pool);
  check_job(pool, 3);
  anet_pool_release(pool);
  anet_pool_release(NULL);
  CHECK(anet__pool_retain(NULL) == NULL);
  CHECK_FAILS(anet_pool_new(-1, &pool), ANET_RANGE, "-1 threads");
  CHECK_FAILS(anet_pool_new(5000, &pool), ANET_RANGE, "5000 threads");
}

static int make_pool(void *context)
{
  (void)context;
  anet_pool *pool;
  ANET_TRY(anet_pool_new(3, &pool));
  anet_pool_release(pool);
  return ANET_OK;
}

TEST(pool_survives_lack_of_memory)
{
  test_each_allocation(make_pool, NULL);
}

TEST(slices_cover_everything)
{
  static const int32_t count[] = {0, 1, 5, 64, 1000003, INT32_MAX};
  for (int c = 0; c < ANET_COUNT(count); c++)
    for (int32_t parts = 1; parts < 9; parts++) {
      int32_t at = 0, begin, end;
      for (int32_t p = 0; p < parts; p++, at = end) {
        anet__slice(count[c], p, parts, &begin, &end);
        if (begin != at || end < begin) TEST_FAIL("%d of %d: %d .. %d", p, parts, begin, end);
      }
      CHECK_EQ_I(at, count[c]);
    }
}

/* ---- JSON --------------------------------------------------------------------------------- */

static json_t *parse(const char *text)
{
  json_t *value = NULL;
  CHECK_OK(anet__json_parse(text, strlen(text), "test", &value));
  return value;
}

TEST(json_is_read_by_key)
{
  json_t *value = parse("{\"n\": 7, \"x\": 0.5, \"s\": \"t\", \"a\": [1], \"o\": {}, \"z\": null}");
  int64_t n;
  double x;
  const char *s;
  json_t *inner;
  CHECK_OK(anet__json_int(value, "n", 0, 7, &n));
  CHECK_EQ_I(n, 7);
  CHECK_OK(anet__json_number(value, "x", &x));
  CHECK_NEAR(x, 0.5, 0);
  CHECK_OK(anet__json_number(value, "n", &x));
  CHECK_OK(anet__json_string(value, "s", &s));
  CHECK_EQ_S(s, "t");
  CHECK_OK(anet__json_array(value, "a", &inner));
  CHECK_OK(anet__json_object(value, "o", &inner));
  CHECK_FAILS(anet__json_int(value, "n", 8, 9, &n), ANET_FORMAT, "'n' is 7, want 8 .. 9");
  CHECK_FAILS(anet__json_int(value, "x", 0, 9, &n), ANET_FORMAT, "'x' is a number, want an int");
  CHECK_FAILS(anet__json_int(value, "y", 0, 9, &n), ANET_FORMAT, "'y' is missing");
  CHECK_FAILS(anet__json_string(value, "z", &s), ANET_FORMAT, "'z' is null, want a string");
  CHECK_FAILS(anet__json_array(value, "o", &inner), ANET_FORMAT, "'o' is an object");
  CHECK_FAILS(anet__json_object(value, "a", &inner), ANET_FORMAT, "'a' is an array");
  CHECK_FAILS(anet__json_object(NULL, "a", &inner), ANET_FORMAT, "'a' is missing");
  json_decref(value);
}

TEST(json_keeps_its_order_and_numbers)
{
  static const char text[] = "{\"b\":1,\"a\":[0.1,1e300,true,\"\\u00e9\"],\"c\":{}}";
  json_t *value = parse(text);
  char *again = anet__json_text(value);
  json_t *back = parse(again);
  CHECK(json_equal(value, back));
  CHECK(strncmp(again, "{\"b\":1,\"a\":", 11) == 0);
  anet__free(again);
  json_decref(back);
  json_decref(value);
}

TEST(json_names_the_place_of_an_error)
{
  json_t *value;
  CHECK_FAILS(anet__json_parse("{\"a\":\n1,}", 9, "header", &value), ANET_FORMAT, "header");
  CHECK(value == NULL && strstr(anet_error(), "line 2"));
  CHECK_FAILS(anet__json_parse("{\"a\":1,\"a\":2}", 13, "x", &value), ANET_FORMAT, "duplicate");
  CHECK_FAILS(anet__json_parse("", 0, "x", &value), ANET_FORMAT, "x");
}

/* ---- files -------------------------------------------------------------------------------- */

static int rewrite_file(void *path)
{
  char *bytes;
  size_t count;
  ANET_TRY(anet__file_write(path, "again", 5));
  ANET_TRY(anet__file_read(path, 100, &bytes, &count));
  const bool same = count == 5 && strcmp(bytes, "again") == 0;
  anet__free(bytes);
  return same ? ANET_OK : anet_fail(ANET_FORMAT, "read back %zu bytes", count);
}

TEST(files_are_replaced_whole)
{
  char folder[SCRATCH_PATH], path[SCRATCH_PATH], *bytes;
  size_t count;
  test_scratch_new(folder);
  test_scratch_path(folder, "f", path);
  CHECK(!anet__file_exists(path));
  CHECK_FAILS(anet__file_read(path, 100, &bytes, &count), ANET_IO, path);
  CHECK(strstr(anet_error(), "No such file"));
  CHECK_OK(anet__file_write(path, "first", 5));
  CHECK(anet__file_exists(path));
  test_each_allocation(rewrite_file, path);
  CHECK_OK(anet__file_size(path, &count));
  CHECK_EQ_I(count, 5);
  CHECK_FAILS(anet__file_read(path, 4, &bytes, &count), ANET_RANGE, "5 bytes, want at most 4");
  CHECK_FAILS(anet__file_read(folder, 100, &bytes, &count), ANET_IO,
              "it is a folder, want a regular file");
  CHECK_FAILS(anet__file_write(folder, "x", 1), ANET_IO, folder);
  char *joined = anet__path_join(folder, "none/f");
  CHECK_FAILS(anet__file_write(joined, "x", 1), ANET_IO, "No such file");
  anet__free(joined);
  joined = anet__path_join("a/", "b");
  CHECK_EQ_S(joined, "a/b");
  anet__free(joined);
  test_scratch_remove(folder);
}

TEST(nothing_is_left)
{
  anet_memory memory;
  anet_memory_read(&memory);
  CHECK_EQ_I(memory.live_bytes, 0);
  CHECK(memory.calls > 0 && memory.peak_bytes > 0);
}

TEST_MAIN(CASE(error_is_of_its_thread), CASE(error_takes_a_prefix_and_may_quote_itself),
          CASE(error_is_cut_not_overrun), CASE(error_is_one_printable_line),
          CASE(status_has_a_text), CASE(memory_is_aligned_zeroed_and_counted),
          CASE(memory_refuses_what_cannot_be), CASE(memory_fails_where_it_is_told_to),
          CASE(arrays_grow), CASE(rng_is_xoshiro), CASE(rng_seeds_differ),
          CASE(rng_has_its_moments), CASE(rng_integers_are_fair_and_inside),
          CASE(clocks_go_forward), CASE(cpu_knows_its_instruction_sets),
          CASE(fingerprint_has_five_fields), CASE(pool_runs_every_part_once),
          CASE(pool_wakes_at_any_time), CASE(pool_is_counted_and_checked),
          CASE(pool_survives_lack_of_memory), CASE(slices_cover_everything),
          CASE(json_is_read_by_key), CASE(json_keeps_its_order_and_numbers),
          CASE(json_names_the_place_of_an_error), CASE(files_are_replaced_whole),
          CASE(nothing_is_left))
