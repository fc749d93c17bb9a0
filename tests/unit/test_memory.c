/* The allocator's accounts and its limits, and the index of numbers by their hashes. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/index.h"
#include "support/fault.h"

/* ---- accounts ----------------------------------------------------------------------------- */

TEST(the_peak_is_the_most_since_the_mark)
{
  anet_memory m;
  void *a = anet__alloc(1000), *b = anet__alloc(500);
  anet_memory_mark();
  anet_memory_read(&m);
  const double live = m.live_bytes, calls = m.calls;
  CHECK_NEAR(m.peak_bytes, live, 0);
  anet__free(b);
  anet_memory_read(&m);
  CHECK_NEAR(m.live_bytes, live - 500, 0);
  CHECK_NEAR(m.peak_bytes, live, 0); /* what is freed does not lower it */
  b = anet__alloc(400);
  anet_memory_read(&m);
  CHECK_NEAR(m.peak_bytes, live, 0); /* nor does less raise it */
  void *c = anet__alloc(101);
  anet_memory_read(&m);
  CHECK_NEAR(m.live_bytes, live + 1, 0);
  CHECK_NEAR(m.peak_bytes, live + 1, 0);
  CHECK_NEAR(m.calls, calls + 2, 0);
  anet__free(a), anet__free(b), anet__free(c);
  anet_memory_mark();
  anet_memory_read(&m);
  CHECK_NEAR(m.peak_bytes, m.live_bytes, 0);
}

/* What is not given does not count. */
TEST(failures_are_not_counted)
{
  anet__alloc_stats before, after;
  anet__alloc_read(&before);
  anet__alloc_arm(0);
  CHECK(anet__alloc(123) == NULL);
  CHECK_EQ_S(anet_error(), "cannot allocate 123 bytes");
  anet__alloc_arm(-1);
  CHECK(anet__alloc(SIZE_MAX - 64) == NULL);
  CHECK(anet__alloc(SIZE_MAX - 126) == NULL);
  CHECK(anet__alloc_array(SIZE_MAX / 2, 3) == NULL);
  CHECK_EQ_S(anet_error(), "cannot allocate 9223372036854775807 items of 3 bytes");
  anet__alloc_read(&after);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
  CHECK_EQ_I(after.calls, before.calls);
  CHECK_EQ_I(after.peak_bytes, before.peak_bytes);
}

TEST(an_armed_failure_comes_when_it_is_due)
{
  for (int64_t after = 0; after < 4; after++) {
    anet__alloc_arm(after);
    for (int64_t i = 0; i < 6; i++) {
      void *block = anet__alloc(1);
      CHECK_EQ_I(block == NULL, i == after);
      CHECK_EQ_I(anet__alloc_fired(), i >= after);
      anet__free(block);
    }
  }
  anet__alloc_arm(1);
  CHECK(!anet__alloc_fired()); /* arming anew forgets */
  anet__alloc_arm(-5);
  for (int32_t i = 0; i < 10; i++) anet__free(anet__alloc(1));
  CHECK(!anet__alloc_fired());
}

/* Huge pages begin on boundaries of their own; the block is zero and aligned all the same. */
TEST(large_blocks)
{
  static const size_t size[] = {8 << 20, (8 << 20) - 64, (8 << 20) - 65, (8 << 20) + 1, 11 << 20};
  for (int i = 0; i < ANET_COUNT(size); i++) {
    uint8_t *block = anet__alloc(size[i]);
    CHECK_EQ_I((uintptr_t)block % ANET_ALIGN, 0);
    if (size[i] + ANET_ALIGN >= 8 << 20) CHECK_EQ_I(((uintptr_t)block - ANET_ALIGN) % (2 << 20), 0);
    CHECK(block[0] == 0 && memcmp(block, block + 1, size[i] - 1) == 0);
    memset(block, 1, size[i]);
    anet__free(block);
  }
}

TEST(arrays_double)
{
  int32_t capacity = 0, most = 0;
  int64_t *array = NULL;
  for (int32_t i = 0; i < 100; i++) {
    CHECK_OK(anet__grow((void **)&array, &capacity, i, sizeof *array));
    if (i == 0) CHECK_EQ_I(capacity, 8);
    if (capacity != most) CHECK_EQ_I(capacity, most ? 2 * most : 8);
    CHECK(i < capacity);
    most = capacity;
    array[i] = i;
  }
  CHECK_EQ_I(capacity, 128);
  CHECK_EQ_I(array[99] + array[0] + array[63], 99 + 63);
  anet__free(array);
  array = NULL;
  capacity = INT32_MAX / 2 + 1; /* twice that is no int */
  CHECK_FAILS(anet__grow((void **)&array, &capacity, capacity, 8), ANET_NOMEM,
              "cannot grow an array of 1073741824 items");
}

TEST(texts_are_copied)
{
  anet__alloc_stats before, after;
  anet__alloc_read(&before);
  char *copy = anet__strdup("seven b");
  anet__alloc_read(&after);
  CHECK_EQ_S(copy, "seven b");
  CHECK_EQ_I(after.live_bytes - before.live_bytes, 8);
  anet__free(copy);
}

#ifndef NDEBUG
/* Builds with assertions stop at what is freed twice, and fill what is freed. */
static void free_foreign(void)
{
  static uint64_t other[16];
  anet__free(other + 8);
}

TEST(what_is_not_ours_traps)
{
  const pid_t pid = fork();
  if (pid == 0) {
    signal(SIGILL, SIG_DFL);
    free_foreign();
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(!(WIFEXITED(status) && WEXITSTATUS(status) == 0));
}
#define TRAPS CASE(what_is_not_ours_traps),
#else
#define TRAPS
#endif

/* ---- index -------------------------------------------------------------------------------- */

/* Hashes of a few values, many items each: the latest first, across growing. */
TEST(an_index_gives_all_of_a_hash_the_latest_first)
{
  enum { N = 1000, KINDS = 7 };
  anet__index index = {0};
  CHECK_EQ_I(anet__index_find(&index, 5, -1), -1);
  for (int32_t i = 0; i < N; i++) {
    CHECK_OK(anet__index_add(&index, (uint64_t)(i % KINDS) << 40 | 3, i));
    CHECK_EQ_I(index.count, i + 1);
    CHECK(index.lists >= index.count && (index.lists & (index.lists - 1)) == 0);
    CHECK(index.lists <= ANET_MAX(64, 2 * index.count));
  }
  CHECK_EQ_I(index.lists, 1024);
  for (int32_t kind = 0; kind < KINDS; kind++) {
    int32_t want = N - 1;
    while (want % KINDS != kind) want--;
    for (int32_t at = -1; (at = anet__index_find(&index, (uint64_t)kind << 40 | 3, at)) >= 0;) {
      CHECK_EQ_I(index.item[at].value, want);
      want -= KINDS;
    }
    CHECK(want < 0);
  }
  CHECK_EQ_I(anet__index_find(&index, 3 + 64, -1), -1); /* another in the same list */
  anet__index_free(&index);
  CHECK(index.count == 0 && index.lists == 0 && !index.item && !index.first);
}

/* Distinct hashes share no lists where they can help it. */
TEST(an_index_spreads)
{
  anet__index index = {0};
  for (int32_t i = 0; i < 64; i++) CHECK_OK(anet__index_add(&index, (uint64_t)i, i));
  CHECK_EQ_I(index.lists, 64);
  for (int32_t i = 0; i < 64; i++) {
    const int32_t at = anet__index_find(&index, (uint64_t)i, -1);
    CHECK(at >= 0 && index.item[at].value == i && index.item[at].next == -1);
  }
  CHECK_OK(anet__index_add(&index, 64, 64));
  CHECK_EQ_I(index.lists, 128);
  for (int32_t i = 0; i <= 64; i++) {
    const int32_t at = anet__index_find(&index, (uint64_t)i, -1);
    CHECK(at >= 0 && index.item[at].value == i && index.item[at].next == -1);
  }
  anet__index_free(&index);
}

static int fill_index(void *context)
{
  anet__index index = {0};
  int rc = ANET_OK;
  (void)context;
  for (int32_t i = 0; !rc && i < 70; i++) {
    rc = anet__index_add(&index, (uint64_t)i, i);
    for (int32_t k = 0; k <= i - (rc != 0); k++) { /* those before a failure stay */
      const int32_t at = anet__index_find(&index, (uint64_t)k, -1);
      CHECK(at >= 0 && index.item[at].value == k);
    }
  }
  anet__index_free(&index);
  return rc;
}

TEST(an_index_without_memory)
{
  test_each_allocation(fill_index, NULL);
}

/* ---- hashes ------------------------------------------------------------------------------- */

/* FNV-1a's own examples. */
TEST(hashes_of_texts)
{
  CHECK(anet__hash_text(ANET_HASH_NONE, "") == 0xcbf29ce484222325u);
  CHECK(anet__hash_text(ANET_HASH_NONE, "a") == 0xaf63dc4c8601ec8cu);
  CHECK(anet__hash_text(ANET_HASH_NONE, "foobar") == 0x85944171f73967e8u);
  CHECK(anet__hash_text(anet__hash_text(ANET_HASH_NONE, "foo"), "bar") == 0x85944171f73967e8u);
  CHECK(anet__hash_text(ANET_HASH_NONE, "\xff") == 0xaf64724c8602eb6eu);
}

TEST_MAIN(TRAPS CASE(the_peak_is_the_most_since_the_mark), CASE(failures_are_not_counted),
          CASE(an_armed_failure_comes_when_it_is_due), CASE(large_blocks), CASE(arrays_double),
          CASE(texts_are_copied), CASE(an_index_gives_all_of_a_hash_the_latest_first),
          CASE(an_index_spreads), CASE(an_index_without_memory), CASE(hashes_of_texts))
