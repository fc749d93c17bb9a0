#include "base/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"

/* A network is some twenty steps of some twenty microseconds: who waits for the next one first
 * watches for it this long, since falling asleep and waking up costs as much as a step. */
enum { SPIN_NS = 50000, PAUSES_A_LOOK = 32, MOST_THREADS = 1024 };

/* ---- gates: a number that one thread sets and another waits for --------------------------- */

/* The setter stores the value, then looks for a sleeper; the sleeper says so, then looks at the
 * value once more (in the kernel). Both orders are sequentially consistent, so one of the two
 * always sees the other. */
typedef struct gate {
  ANET_ALIGNED(ANET_ALIGN) atomic_uint value;
  atomic_uint asleep;
} gate;

static long futex(atomic_uint *word, int operation, uint32_t value)
{
  return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void gate_set(gate *g, uint32_t value)
{
  atomic_store(&g->value, value);
  if (atomic_load(&g->asleep)) futex(&g->value, FUTEX_WAKE, 1);
}

static void pause_cpu(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static bool gate_spin(gate *g, uint32_t old, int64_t spin_ns)
{
  if (atomic_load_explicit(&g->value, memory_order_acquire) != old) return true;
  if (spin_ns == 0) return false;
  const int64_t end = anet__now_ns() + spin_ns;
  do {
    for (int32_t i = 0; i < PAUSES_A_LOOK; i++) {
      pause_cpu();
      if (atomic_load_explicit(&g->value, memory_order_acquire) != old) return true;
    }
  } while (anet__now_ns() < end);
  return false;
}

/* Returns the value once it is not `old`. */
static uint32_t gate_wait(gate *g, uint32_t old, int64_t spin_ns)
{
  if (!gate_spin(g, old, spin_ns)) {
    atomic_store(&g->asleep, 1);
    while (atomic_load(&g->value) == old) futex(&g->value, FUTEX_WAIT, old);
    atomic_store(&g->asleep, 0);
  }
  return atomic_load(&g->value);
}

/* ---- the pool ----------------------------------------------------------------------------- */

typedef struct worker {
  gate posted; /* number of the last job it has a share in */
  anet_pool *pool;
  int32_t index;
  pthread_t thread;
} worker;

/* Parts are claimed one by one, so that a worker which the system keeps waiting holds nobody up.
 * Invariants: worker 0 is the caller and has no thread. `run` and `context` are written by the
 * caller while no part is unfinished, and read by a worker only while it holds a part. `ticket` has
 * the job's number above and its next part below: a worker that comes late, to a job that is over,
 * finds another number and leaves. */
struct anet_pool {
  atomic_int refs;
  int32_t threads, started; /* started: workers that have a thread, worker 0 counted */
  int64_t spin_ns;
  worker *worker; /* (threads), owned */
  atomic_bool ending;
  const volatile int32_t *stop; /* the caller's flag, or NULL */

  uint32_t number; /* of the job */
  anet__job run;
  void *context;
  atomic_int parts;
  ANET_ALIGNED(ANET_ALIGN) atomic_uint_least64_t ticket;
  atomic_int unfinished; /* parts */
  gate done;             /* number of the last job that was finished */
};

static const uint64_t CLOSED = UINT32_MAX; /* a part that no job has, of a job that is none */

/* The next part of job `number`; false where none is left. */
static bool claim(anet_pool *pool, uint32_t number, int32_t *part)
{
  uint64_t ticket = atomic_load(&pool->ticket);
  do {
    const uint32_t next = (uint32_t)ticket;
    if ((uint32_t)(ticket >> 32) != number || next >= (uint32_t)atomic_load(&pool->parts))
      return false;
    *part = (int32_t)next;
  } while (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket + 1));
  return true;
}

static void run_parts(anet_pool *pool, uint32_t number, int32_t index)
{
  for (int32_t part; claim(pool, number, &part);) {
    pool->run(pool->context, part, index);
    if (atomic_fetch_sub(&pool->unfinished, 1) == 1) gate_set(&pool->done, number);
  }
}

static void *work(void *argument)
{
  worker *me = argument;
  anet_pool *pool = me->pool;
  uint32_t number = 0;
  for (;;) {
    number = gate_wait(&me->posted, number, pool->spin_ns);
    if (atomic_load(&pool->ending)) return NULL;
    run_parts(pool, number, me->index);
  }
}

/* Tells workers 1 .. count of job `number`. */
static void post(anet_pool *pool, int32_t count)
{
  for (int32_t i = 1; i <= count; i++) gate_set(&pool->worker[i].posted, pool->number);
}

void anet__pool_run(anet_pool *pool, anet__job job, void *context, int32_t parts)
{
  if (!pool || pool->threads == 1 || parts <= 1) {
    for (int32_t part = 0; part < parts; part++) job(context, part, 0);
    return;
  }
  const uint32_t before = pool->number;      /* which is in `done`, too */
  if (++pool->number == 0) pool->number = 1; /* no job has number 0 */
  /* A worker that is late may still compare the old ticket with `parts`: close it before they
   * change. */
  atomic_store(&pool->ticket, CLOSED);
  pool->run = job;
  pool->context = context;
  atomic_store(&pool->parts, parts);
  atomic_store(&pool->unfinished, parts);
  atomic_store(&pool->ticket, (uint64_t)pool->number << 32);
  post(pool, ANET_MIN(parts, pool->threads) - 1);
  run_parts(pool, pool->number, 0);
  gate_wait(&pool->done, before, pool->spin_ns);
}

bool anet__pool_stopped(const anet_pool *pool)
{
  return pool && pool->stop && __atomic_load_n(pool->stop, __ATOMIC_RELAXED) != 0;
}

int anet__pool_check(const anet_pool *pool)
{
  return anet__pool_stopped(pool) ? anet_fail(ANET_STOPPED, "stopped") : ANET_OK;
}

int32_t anet__pool_workers(const anet_pool *pool)
{
  return pool ? pool->threads : 1;
}

void anet__slice(int32_t count, int32_t part, int32_t parts, int32_t *begin, int32_t *end)
{
  *begin = (int32_t)((int64_t)count * part / parts);
  *end = (int32_t)((int64_t)count * (part + 1) / parts);
}

/* ---- life --------------------------------------------------------------------------------- */

static int start_workers(anet_pool *pool)
{
  for (pool->started = 1; pool->started < pool->threads; pool->started++) {
    worker *next = &pool->worker[pool->started];
    next->pool = pool;
    next->index = pool->started;
    const int error = pthread_create(&next->thread, NULL, work, next);
    if (error)
      return anet_fail(ANET_NOMEM, "pool: cannot start thread %d of %d: %s", pool->started + 1,
                       pool->threads, strerror(error));
  }
  return ANET_OK;
}

int anet_pool_new(int32_t threads, anet_pool **out)
{
  *out = NULL;
  if (threads < 0 || threads > MOST_THREADS)
    return anet_fail(ANET_RANGE, "pool: %d threads, want 0 .. %d", threads, MOST_THREADS);
  anet_pool *pool = anet__alloc(sizeof *pool);
  if (!pool) return ANET_NOMEM;
  const int32_t processors = anet__cpu_count();
  int rc = ANET_NOMEM;
  atomic_init(&pool->refs, 1);
  pool->threads = threads ? threads : ANET_MIN(processors, MOST_THREADS);
  pool->spin_ns = pool->threads > processors ? 0 : SPIN_NS;
  pool->worker = anet__alloc_array((size_t)pool->threads, sizeof *pool->worker);
  if (!pool->worker || (rc = start_workers(pool))) {
    anet_pool_release(pool);
    return rc;
  }
  *out = pool;
  return ANET_OK;
}

anet_pool *anet__pool_retain(anet_pool *pool)
{
  if (pool) atomic_fetch_add(&pool->refs, 1);
  return pool;
}

void anet_pool_release(anet_pool *pool)
{
  if (!pool || atomic_fetch_sub(&pool->refs, 1) != 1) return;
  atomic_store(&pool->ending, true);
  pool->number++;
  post(pool, pool->started - 1);
  for (int32_t i = 1; i < pool->started; i++) pthread_join(pool->worker[i].thread, NULL);
  anet__free(pool->worker);
  anet__free(pool);
}

int anet_pool_watch(anet_pool *pool, const volatile int32_t *stop)
{
  if (!pool) return anet_fail(ANET_RANGE, "pool: NULL cannot be watched, want a pool");
  pool->stop = stop;
  return ANET_OK;
}

int32_t anet_pool_threads(const anet_pool *pool)
{
  return anet__pool_workers(pool);
}
