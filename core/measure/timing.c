#include "measure/timing.h"

#include <math.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"

/* ---- figures ------------------------------------------------------------------------------ */

/* Shell's, with the gaps of Ciura (2001): a few hundred values at most, and often. */
void anet__sort(double *x, int32_t n)
{
  static const int32_t gap[] = {701, 301, 132, 57, 23, 10, 4, 1};
  for (int32_t g = 0; g < ANET_COUNT(gap); g++) {
    for (int32_t i = gap[g]; i < n; i++) {
      const double value = x[i];
      int32_t at = i;
      for (; at >= gap[g] && x[at - gap[g]] > value; at -= gap[g]) x[at] = x[at - gap[g]];
      x[at] = value;
    }
  }
}

double anet__quantile(double *x, int32_t n, double q)
{
  ANET_ASSERT(n > 0);
  anet__sort(x, n);
  const double place = q * (n - 1);
  const int32_t below = (int32_t)place;
  if (below >= n - 1) return x[n - 1];
  return x[below] + (place - below) * (x[below + 1] - x[below]);
}

double anet__median(double *x, int32_t n)
{
  return anet__quantile(x, n, 0.5);
}

double anet__spread(double *x, int32_t n, double centre)
{
  const double normal = 1.4826; /* deviation of a normal over its median absolute deviation */
  for (int32_t i = 0; i < n; i++) x[i] = fabs(x[i] - centre);
  return normal * anet__median(x, n);
}

/* ---- feeding plans ------------------------------------------------------------------------ */

static size_t aligned_floats(size_t count)
{
  const size_t step = ANET_ALIGN / sizeof(float);
  return (count + step - 1) / step * step;
}

/* Places everything one after the other from `base` on; the floats that takes. */
static size_t place_feed(const anet_plan *plan, anet__feed *feed, float *base)
{
  size_t used = 0;
  for (int32_t i = 0; i < plan->inputs; i++) {
    if (base) feed->in[i] = base + used;
    used += aligned_floats(anet__shape_size(&plan->input[i]) * (size_t)plan->batch);
  }
  for (int32_t i = 0; i < plan->outputs; i++) {
    if (base) feed->out[i] = base + used;
    used += aligned_floats(anet__shape_size(&plan->output[i]) * (size_t)plan->batch);
  }
  return used;
}

int anet__feed_new(const anet_plan *plan, anet__feed *out)
{
  *out = (anet__feed){0};
  const size_t floats = place_feed(plan, out, NULL);
  out->memory = anet__alloc_array(floats, sizeof *out->memory);
  if (!out->memory) return ANET_NOMEM;
  place_feed(plan, out, out->memory);
  anet_rng rng;
  anet__rng_at(&rng, 0, 0);
  for (size_t i = 0; i < floats; i++) out->memory[i] = 2 * anet__rng_uniform(&rng) - 1;
  return ANET_OK;
}

void anet__feed_free(anet__feed *feed)
{
  anet__free(feed->memory);
  *feed = (anet__feed){0};
}

/* The processor's clock is read outside the wall's: reading it takes longer. */
int anet__time_run(const anet_plan *plan, anet_workspace *workspace, const anet__feed *feed,
                   int32_t n, anet__run_time *out)
{
  const int64_t cpu = anet__cpu_ns(), wall = anet__now_ns();
  ANET_TRY(anet_run(plan, workspace, feed->in, feed->out, n));
  const int64_t ns = anet__now_ns() - wall;
  out->ms = (double)ANET_MAX(ns, 1) * 1e-6;
  out->idle_ms = (double)(ns - (anet__cpu_ns() - cpu)) * 1e-6;
  return ANET_OK;
}

/* ---- cold caches -------------------------------------------------------------------------- */

/* Twice the last cache, as far as the system tells it. */
static size_t sweep_size(void)
{
  const size_t least = (size_t)16 << 20, most = (size_t)128 << 20;
  long cache = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
  cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  if (cache <= 0) return least;
  return ANET_MIN(ANET_MAX(2 * (size_t)cache, least), most);
}

/* Writes a byte of every cache line, which leaves no room for anything else. */
int anet__sweep_caches(anet__sweep *sweep)
{
  enum { LINE = 64 };
  if (!sweep->memory) {
    sweep->bytes = sweep_size();
    sweep->memory = anet__alloc(sweep->bytes);
    if (!sweep->memory) return ANET_NOMEM;
  }
  volatile char *line = sweep->memory;
  for (size_t i = 0; i < sweep->bytes; i += LINE) line[i] = (char)(line[i] + 1);
  return ANET_OK;
}

void anet__sweep_free(anet__sweep *sweep)
{
  anet__free(sweep->memory);
  *sweep = (anet__sweep){0};
}

/* ---- anet_time_plans ---------------------------------------------------------------------- */

typedef struct runners {
  anet_plan *const *plans;
  int32_t count, n;
  anet_workspace *workspace;
  anet__feed *feed; /* (count) owned */
  anet__sweep sweep;
} runners;

static int run_one(void *context, int32_t plan, anet__run_time *out)
{
  const runners *r = context;
  return anet__time_run(r->plans[plan], r->workspace, &r->feed[plan], r->n, out);
}

static int chill(void *context)
{
  runners *r = context;
  return anet__sweep_caches(&r->sweep);
}

static int check_runners(const runners *r)
{
  if (r->count < 1) return anet_fail(ANET_RANGE, "time: %d plans, want at least 1", r->count);
  for (int32_t i = 0; i < r->count; i++) {
    if (r->n < 1 || r->n > r->plans[i]->batch)
      return anet_fail(ANET_RANGE, "time: %d images, want 1 .. %d, the batch of plan %d", r->n,
                       r->plans[i]->batch, i);
  }
  return ANET_OK;
}

static int runners_new(runners *r, anet_pool *pool)
{
  r->feed = anet__alloc_array((size_t)r->count, sizeof *r->feed);
  if (!r->feed) return ANET_NOMEM;
  ANET_TRY(anet_workspace_new(r->plans[0], pool, &r->workspace));
  for (int32_t i = 0; i < r->count; i++) {
    ANET_TRY(anet_workspace_fit(r->workspace, r->plans[i]));
    ANET_TRY(anet__feed_new(r->plans[i], &r->feed[i]));
  }
  return ANET_OK;
}

static void runners_free(runners *r)
{
  anet__sweep_free(&r->sweep);
  anet_workspace_release(r->workspace);
  for (int32_t i = 0; r->feed && i < r->count; i++) anet__feed_free(&r->feed[i]);
  anet__free(r->feed);
}

int anet_time_plans(anet_plan *const *plans, int32_t count, anet_pool *pool,
                    const anet_timing_desc *desc, anet_timing *out)
{
  runners r = {.plans = plans, .count = count, .n = desc && desc->n ? desc->n : 1};
  const anet__sampler sampler = {run_one, chill, &r, anet__pool_workers(pool) > 1};
  int rc = check_runners(&r);
  if (!rc) rc = runners_new(&r, pool);
  if (!rc) rc = anet__race(&sampler, count, desc, out);
  runners_free(&r);
  return rc;
}
