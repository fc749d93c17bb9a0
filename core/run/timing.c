#include "run/timing.h"

#include <math.h>

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

/* ---- anet_time_plans ---------------------------------------------------------------------- */

typedef struct race {
  anet_plan *const *plans;
  int32_t count, n, rounds;
  anet_workspace *workspace;
  anet__feed *feed; /* (count) owned */
  double *sample;   /* (count, rounds) ms, owned */
} race;

static int check_race(const race *r)
{
  if (r->count < 1 || r->rounds < 1)
    return anet_fail(ANET_RANGE, "time: %d plans in %d rounds, want at least 1 of each", r->count,
                     r->rounds);
  for (int32_t i = 0; i < r->count; i++) {
    if (r->n < 1 || r->n > r->plans[i]->batch)
      return anet_fail(ANET_RANGE, "time: %d images, want 1 .. %d, the batch of plan %d", r->n,
                       r->plans[i]->batch, i);
  }
  return ANET_OK;
}

static int race_new(race *r, anet_pool *pool)
{
  r->feed = anet__alloc_array((size_t)r->count, sizeof *r->feed);
  size_t samples;
  if (!r->feed) return ANET_NOMEM;
  if (!anet__mul((size_t)r->count, (size_t)r->rounds, &samples))
    return anet_fail(ANET_NOMEM, "time: %d plans in %d rounds are too many", r->count, r->rounds);
  r->sample = anet__alloc_array(samples, sizeof *r->sample);
  if (!r->sample) return ANET_NOMEM;
  ANET_TRY(anet_workspace_new(r->plans[0], pool, &r->workspace));
  for (int32_t i = 0; i < r->count; i++) {
    ANET_TRY(anet_workspace_fit(r->workspace, r->plans[i]));
    ANET_TRY(anet__feed_new(r->plans[i], &r->feed[i]));
  }
  return ANET_OK;
}

static void race_free(race *r)
{
  anet_workspace_release(r->workspace);
  for (int32_t i = 0; r->feed && i < r->count; i++) anet__feed_free(&r->feed[i]);
  anet__free(r->feed);
  anet__free(r->sample);
}

/* One run warms the caches, the next one counts. */
static int race_visit(const race *r, int32_t i, double *ms)
{
  const anet__feed *feed = &r->feed[i];
  ANET_TRY(anet_run(r->plans[i], r->workspace, feed->in, feed->out, r->n));
  const int64_t start = anet__now_ns();
  ANET_TRY(anet_run(r->plans[i], r->workspace, feed->in, feed->out, r->n));
  *ms = (double)(anet__now_ns() - start) * 1e-6;
  return ANET_OK;
}

static int race_run(const race *r)
{
  for (int32_t round = 0; round < r->rounds; round++) {
    for (int32_t k = 0; k < r->count; k++) {
      const int32_t i = (k + round) % r->count; /* no plan always follows the same one */
      ANET_TRY(race_visit(r, i, &r->sample[(size_t)i * (size_t)r->rounds + (size_t)round]));
    }
  }
  return ANET_OK;
}

int anet_time_plans(anet_plan *const *plans, int32_t count, anet_pool *pool, int32_t n,
                    int32_t rounds, double *median, double *quartile)
{
  race r = {.plans = plans, .count = count, .n = n, .rounds = rounds};
  int rc = check_race(&r);
  if (rc) return rc;
  if ((rc = race_new(&r, pool)) || (rc = race_run(&r))) goto out;
  for (int32_t i = 0; i < count; i++) {
    double *sample = r.sample + (size_t)i * (size_t)rounds;
    median[i] = anet__median(sample, rounds);
    if (quartile)
      quartile[i] = anet__quantile(sample, rounds, 0.75) - anet__quantile(sample, rounds, 0.25);
  }
out:
  race_free(&r);
  return rc;
}
