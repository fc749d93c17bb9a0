/* The pool under odd schedules: threads are put off at random where they look at the clock, sleep
 * and wake, and inside parts; threads that cannot be started; stops. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pool.h"
#include "support/test.h"

/* ---- hooks: this program's own clock, futex calls and threads ------------------------------ */

static atomic_uint chance = 12345;
static atomic_bool disturbing;
static int32_t threads_left = -1; /* that can still be started; -1: any number */

static uint32_t random_bits(void)
{
  uint32_t x = atomic_fetch_add(&chance, 0x9e3779b9u);
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  return x * 0x846ca68bu >> 8;
}

static void nap(int64_t ns)
{
  const struct timespec time = {0, ns};
  nanosleep(&time, NULL);
}

/* Mostly nothing, sometimes another thread's turn, now and then a while. */
static void disturb(void)
{
  if (!atomic_load(&disturbing)) return;
  const uint32_t bits = random_bits() % 64;
  if (bits < 12) sched_yield();
  if (bits == 63) nap(random_bits() % 60000);
}

int64_t anet__now_ns(void)
{
  struct timespec now;
  disturb();
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t anet__cpu_ns(void)
{
  return 0;
}

double anet_clock_ms(void)
{
  return (double)anet__now_ns() * 1e-6;
}

/* The system's own; found before there are threads. */
static long (*real_syscall)(long, ...);
static int (*real_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

__attribute__((constructor)) static void find_real(void)
{
  real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  real_create = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
      RTLD_NEXT, "pthread_create");
}

long syscall(long number, ...)
{
  long a[6];
  va_list args;
  va_start(args, number);
  for (int32_t i = 0; i < 6; i++) a[i] = va_arg(args, long);
  va_end(args);
  disturb();
  const long got = real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  disturb();
  return got;
}

/* ---- jobs --------------------------------------------------------------------------------- */

enum { MOST_PARTS = 64, MOST_WORKERS = 8 };

typedef struct tally {
  atomic_int times[MOST_PARTS];       /* that a part ran */
  atomic_int inside[MOST_WORKERS];    /* parts that a worker is in */
  atomic_int by[MOST_WORKERS], wrong; /* wrong: parts of no worker, or two at once */
  int32_t workers, parts;
} tally;

static void count_part(void *context, int32_t part, int32_t worker)
{
  tally *t = context;
  disturb();
  if (worker < 0 || worker >= t->workers || part < 0 || part >= t->parts) {
    atomic_fetch_add(&t->wrong, 1);
    return;
  }
  if (atomic_fetch_add(&t->inside[worker], 1) != 0) atomic_fetch_add(&t->wrong, 1);
  atomic_fetch_add(&t->times[part], 1);
  disturb();
  atomic_fetch_sub(&t->inside[worker], 1);
}

static void run_job(anet_pool *pool, int32_t parts)
{
  tally t = {.workers = anet__pool_workers(pool), .parts = parts};
  anet__pool_run(pool, count_part, &t, parts);
  test_checks++;
  bool right = atomic_load(&t.wrong) == 0;
  for (int32_t i = 0; i < MOST_PARTS; i++) right &= atomic_load(&t.times[i]) == (i < parts);
  if (!right) TEST_FAIL("%d parts of %d workers: not each once", parts, t.workers);
}

TEST(each_part_runs_once_and_jobs_end)
{
  for (int32_t threads = 1; threads <= 6; threads++) {
    anet_pool *pool;
    CHECK_OK(anet_pool_new(threads, &pool));
    CHECK_EQ_I(anet__pool_workers(pool), threads);
    atomic_store(&disturbing, true);
    for (int32_t i = 0; i < 150; i++) run_job(pool, (int32_t)(random_bits() % (MOST_PARTS + 1)));
    atomic_store(&disturbing, false);
    for (int32_t parts = 0; parts <= 8; parts++) run_job(pool, parts);
    anet_pool_release(pool);
  }
  run_job(NULL, 5); /* no pool is the caller alone */
}

/* A pool that was idle for longer than its workers watch is asleep. */
TEST(sleepers_wake)
{
  anet_pool *pool;
  CHECK_OK(anet_pool_new(3, &pool));
  for (int32_t i = 0; i < 40; i++) {
    nap((int64_t)(random_bits() % 200000));
    run_job(pool, 1 + i % 7);
  }
  anet_pool_release(pool);
}

typedef struct meeting {
  atomic_int there;
  int32_t wanted;
  atomic_int alone;
} meeting;

/* A part that waits for as many others as there are workers: they must all be at work. */
static void meet(void *context, int32_t part, int32_t worker)
{
  meeting *m = context;
  (void)part, (void)worker;
  atomic_fetch_add(&m->there, 1);
  for (int32_t i = 0; i < 20000 && atomic_load(&m->there) < m->wanted; i++) nap(500000);
  if (atomic_load(&m->there) < m->wanted) atomic_fetch_add(&m->alone, 1);
}

TEST(every_worker_gets_a_part)
{
  for (int32_t threads = 2; threads <= 5; threads++) {
    anet_pool *pool;
    CHECK_OK(anet_pool_new(threads, &pool));
    for (int32_t i = 0; i < 3; i++) {
      meeting m = {.wanted = threads};
      anet__pool_run(pool, meet, &m, threads);
      CHECK_EQ_I(atomic_load(&m.alone), 0);
    }
    anet_pool_release(pool);
  }
}

static void end_slowly(void *context, int32_t part, int32_t worker)
{
  (void)worker;
  if (part == 1) nap(20000000);
  atomic_fetch_add((atomic_int *)context, 1);
}

/* The caller, whose own part is soon done, waits for the others. */
TEST(a_job_ends_with_its_last_part)
{
  anet_pool *pool;
  CHECK_OK(anet_pool_new(2, &pool));
  for (int32_t i = 0; i < 5; i++) {
    atomic_int done = 0;
    anet__pool_run(pool, end_slowly, &done, 2);
    CHECK_EQ_I(atomic_load(&done), 2);
  }
  anet_pool_release(pool);
}

static void run_inner(void *context, int32_t part, int32_t worker)
{
  tally t = {.workers = 2, .parts = 3};
  (void)worker;
  anet_pool **inner = context;
  anet__pool_run(inner[part], count_part, &t, 3);
  for (int32_t i = 0; i < 3; i++)
    if (atomic_load(&t.times[i]) != 1) inner[part] = NULL;
}

TEST(pools_within_pools)
{
  anet_pool *outer, *inner[2];
  CHECK_OK(anet_pool_new(2, &outer));
  for (int32_t i = 0; i < 2; i++) CHECK_OK(anet_pool_new(2, &inner[i]));
  anet_pool *given[2] = {inner[0], inner[1]};
  anet__pool_run(outer, run_inner, given, 2);
  CHECK(given[0] && given[1]);
  for (int32_t i = 0; i < 2; i++) anet_pool_release(inner[i]);
  anet_pool_release(outer);
}

/* ---- the rest ----------------------------------------------------------------------------- */

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *data)
{
  if (threads_left == 0) return EAGAIN;
  if (threads_left > 0) threads_left--;
  return real_create(thread, how, run, data);
}

TEST(threads_that_cannot_be_started)
{
  anet_pool *pool;
  for (int32_t left = 0; left < 3; left++) {
    char words[64];
    threads_left = left;
    snprintf(words, sizeof words, "thread %d of 4", left + 2);
    CHECK_FAILS(anet_pool_new(4, &pool), ANET_NOMEM, words);
    CHECK(pool == NULL);
  }
  threads_left = 3;
  CHECK_OK(anet_pool_new(4, &pool));
  threads_left = -1;
  run_job(pool, 9);
  anet_pool_release(pool);
}

TEST(numbers_of_threads)
{
  anet_pool *pool;
  CHECK_FAILS(anet_pool_new(-1, &pool), ANET_RANGE, "-1 threads, want 0 .. 1024");
  CHECK_FAILS(anet_pool_new(1025, &pool), ANET_RANGE, "1025 threads");
  CHECK_OK(anet_pool_new(0, &pool));
  CHECK_EQ_I(anet_pool_threads(pool), anet_cpu_count());
  anet_pool_release(pool);
  CHECK_OK(anet_pool_new(1, &pool));
  CHECK_EQ_I(anet_pool_threads(pool), 1);
  anet__pool_retain(pool);
  anet_pool_release(pool);
  run_job(pool, 4); /* still there */
  anet_pool_release(pool);
  CHECK_EQ_I(anet_pool_threads(NULL), 1);
  anet_pool_release(NULL);
}

TEST(a_stop_is_seen)
{
  anet_pool *pool;
  volatile int32_t stop = 0;
  CHECK_OK(anet_pool_new(2, &pool));
  CHECK_OK(anet__pool_check(pool)); /* nobody watches */
  CHECK_OK(anet_pool_watch(pool, &stop));
  CHECK_OK(anet__pool_check(pool));
  stop = 1;
  CHECK(anet__pool_stopped(pool));
  CHECK_FAILS(anet__pool_check(pool), ANET_STOPPED, "stopped");
  CHECK_OK(anet_pool_watch(pool, NULL));
  CHECK_OK(anet__pool_check(pool));
  CHECK(!anet__pool_stopped(NULL));
  CHECK_FAILS(anet_pool_watch(NULL, &stop), ANET_RANGE, "NULL");
  anet_pool_release(pool);
}

TEST(slices_share_everything_out)
{
  for (int32_t parts = 1; parts <= 9; parts++)
    for (int32_t count = 0; count <= 30; count++) {
      int32_t at = 0, begin, end;
      for (int32_t part = 0; part < parts; part++) {
        anet__slice(count, part, parts, &begin, &end);
        CHECK_EQ_I(begin, at);
        CHECK(end - begin == count / parts || end - begin == count / parts + 1);
        at = end;
      }
      CHECK_EQ_I(at, count);
    }
  int32_t begin, end;
  anet__slice(INT32_MAX, 6, 7, &begin, &end); /* no product overflows */
  CHECK_EQ_I(end, INT32_MAX);
}

TEST_MAIN(CASE(each_part_runs_once_and_jobs_end), CASE(sleepers_wake),
          CASE(every_worker_gets_a_part), CASE(a_job_ends_with_its_last_part),
          CASE(pools_within_pools), CASE(threads_that_cannot_be_started), CASE(numbers_of_threads),
          CASE(a_stop_is_seen), CASE(slices_share_everything_out))
