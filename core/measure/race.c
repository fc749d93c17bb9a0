#include "measure/race.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "measure/timing.h"

/* ---- visits ------------------------------------------------------------------------------- */

/* A visit counts runs of 8 ms together, as far as that are 1 to 7. Caches that evict at random
 * need some five runs until they hold all of a plan; VISIT_MS bounds that for plans that take long.
 */
enum { MOST_COUNTED = 7, MOST_RUNS = 40, LEAST_POOR = 3 };
static const double COUNTED_MS = 8, VISIT_MS = 60;
static const double FALLING = 0.01, DISTURBED = 0.02; /* shares of a run's time */

/* The last so many runs of a kind. */
typedef struct window {
  double ms[MOST_COUNTED];
  int32_t count; /* of all that were added */
} window;

/* Invariant: `good` are undisturbed runs since the last one that was clearly faster than all
 * before. */
typedef struct visitor {
  window good, poor; /* poor: disturbed ones, without the time that they had no processor */
  double best;       /* INFINITY until the first undisturbed run, which only warms */
  int32_t wanted;
  double spent_ms;
} visitor;

anet__pace anet__pace_new(bool waits)
{
  return (anet__pace){.idle = waits ? 1 : 0, .least_ms = INFINITY};
}

static void window_add(window *w, double ms)
{
  w->ms[w->count++ % MOST_COUNTED] = ms;
}

static double window_median(window w)
{
  return anet__median(w.ms, ANET_MIN(w.count, MOST_COUNTED));
}

static int32_t wanted_runs(double ms)
{
  const double fit = COUNTED_MS / ms;
  return fit >= MOST_COUNTED ? MOST_COUNTED : fit <= 1 ? 1 : (int32_t)fit;
}

static void add_undisturbed(visitor *v, double ms, anet__pace *pace)
{
  if (isinf(v->best)) {
    v->best = ms;
    v->wanted = wanted_runs(ms);
    return;
  }
  if (ms < v->best * (1 - FALLING)) {
    v->best = ms;
    v->good.count = 0;
  }
  window_add(&v->good, ms);
  pace->least_ms = fmin(pace->least_ms, ms);
}

static void visitor_add(visitor *v, const anet__run_time *took, anet__pace *pace)
{
  const double idle = fmax(took->idle_ms, 0) / took->ms;
  pace->idle = fmin(pace->idle, idle);
  pace->runs++;
  pace->spent_ms += took->ms;
  v->spent_ms += took->ms;
  if (idle <= pace->idle + DISTURBED) {
    add_undisturbed(v, took->ms, pace);
  } else {
    pace->disturbed++;
    window_add(&v->poor, took->ms * (1 - idle + pace->idle));
  }
}

static bool visitor_done(const visitor *v)
{
  if (v->wanted && v->good.count >= v->wanted) return true;
  return v->spent_ms > VISIT_MS && (v->good.count > 0 || v->poor.count >= LEAST_POOR);
}

int anet__visit(const anet__sampler *sampler, int32_t plan, anet__pace *pace, double *ms)
{
  visitor v = {.best = INFINITY};
  for (int32_t i = 0; i < MOST_RUNS && !visitor_done(&v); i++) {
    anet__run_time took;
    ANET_TRY(sampler->run(sampler->context, plan, &took));
    visitor_add(&v, &took, pace);
  }
  *ms = window_median(v.good.count > 0 ? v.good : v.poor);
  return ANET_OK;
}

/* ---- figures of visits -------------------------------------------------------------------- */

enum { LEAST_VISITS = 5, QUIET = 6 }; /* one in QUIET is quiet */

static int by_reference(const void *a, const void *b)
{
  const anet__moment *x = a, *y = b;
  return (x->reference > y->reference) - (x->reference < y->reference);
}

static int by_value(const void *a, const void *b)
{
  const anet__moment *x = a, *y = b;
  return (x->value > y->value) - (x->value < y->value);
}

/* Of moments sorted by value. */
static double value_quantile(const anet__moment *moment, int32_t n, double q)
{
  const double place = q * (n - 1);
  const int32_t below = (int32_t)place, above = ANET_MIN(below + 1, n - 1);
  return moment[below].value + (place - below) * (moment[above].value - moment[below].value);
}

double anet__quiet_median(anet__moment *moment, int32_t n, double *error)
{
  const int32_t quiet = ANET_MAX(n / QUIET, ANET_MIN(n, LEAST_VISITS));
  qsort(moment, (size_t)n, sizeof *moment, by_reference);
  qsort(moment, (size_t)quiet, sizeof *moment, by_value);
  const double median = value_quantile(moment, quiet, 0.5);
  const double range = value_quantile(moment, quiet, 0.75) - value_quantile(moment, quiet, 0.25);
  if (error) /* McGill, Tukey, Larsen 1978 */
    *error = n < LEAST_VISITS ? median : 1.57 * range / sqrt(quiet);
  return median;
}

double anet__quiet_ms(double *ms, int32_t n, double *error)
{
  const double quiet = anet__quantile(ms, n, 0.5 / QUIET);
  if (error) *error = n < LEAST_VISITS ? quiet : anet__median(ms, n) - quiet;
  return quiet;
}

/* ---- the race ----------------------------------------------------------------------------- */

enum { ROUNDS = 30, MORE = 3, COLD_RUNS = 3 }; /* up to MORE times the rounds where they disagree */
static const double ERROR = 0.03, LIMIT_MS = 20000;

/* One plan's. Plan 0 has visits, the others pairs. */
typedef struct lane {
  double *ms;         /* (visits) owned */
  anet__moment *pair; /* (pairs) ratios beside the mean of the two times of plan 0; owned */
  int32_t visits, visit_capacity, pairs, pair_capacity;
  anet__pace pace;
  double cold[COLD_RUNS];
} lane;

typedef struct race {
  const anet__sampler *sampler;
  int32_t plans, rounds, done;
  double error, limit_ms;
  lane *lane;    /* (plans) owned */
  double before; /* the last visit to plan 0 */
} race;

static int visit(race *r, int32_t plan, double *ms)
{
  lane *l = &r->lane[plan];
  ANET_TRY(anet__grow((void **)&l->ms, &l->visit_capacity, l->visits, sizeof *l->ms));
  ANET_TRY(anet__visit(r->sampler, plan, &l->pace, ms));
  l->ms[l->visits++] = *ms;
  return ANET_OK;
}

/* A plan between two visits to plan 0. */
static int visit_pair(race *r, int32_t plan)
{
  lane *l = &r->lane[plan];
  double ms, after;
  ANET_TRY(anet__grow((void **)&l->pair, &l->pair_capacity, l->pairs, sizeof *l->pair));
  ANET_TRY(visit(r, plan, &ms));
  ANET_TRY(visit(r, 0, &after));
  const double reference = (r->before + after) / 2;
  l->pair[l->pairs++] = (anet__moment){reference, ms / reference};
  r->before = after;
  return ANET_OK;
}

static int run_round(race *r)
{
  const int32_t others = r->plans - 1;
  if (others == 0 || r->done == 0) ANET_TRY(visit(r, 0, &r->before));
  for (int32_t k = 0; k < others; k++) /* none is always early in its round */
    ANET_TRY(visit_pair(r, 1 + (k + r->done) % others));
  r->done++;
  return ANET_OK;
}

/* The quiet ms of plan 0, the ratio of another; and the relative error. */
static double lane_figure(const race *r, int32_t plan, double *error)
{
  lane *l = &r->lane[plan];
  const double figure = plan == 0 ? anet__quiet_ms(l->ms, l->visits, error)
                                  : anet__quiet_median(l->pair, l->pairs, error);
  *error /= figure;
  return figure;
}

static bool finished(const race *r)
{
  double spent = 0, worst = 0;
  for (int32_t i = 0; i < r->plans; i++) {
    double error;
    lane_figure(r, i, &error);
    worst = fmax(worst, error);
    spent += r->lane[i].pace.spent_ms;
  }
  if (r->done < ANET_MIN(r->rounds, LEAST_VISITS)) return false;
  if (spent > r->limit_ms || r->done >= MORE * r->rounds) return true;
  return r->done >= r->rounds && worst <= r->error;
}

static int run_cold(race *r)
{
  for (int32_t i = 0; r->sampler->chill && i < r->plans; i++) {
    for (int32_t k = 0; k < COLD_RUNS; k++) {
      anet__run_time took;
      ANET_TRY(r->sampler->chill(r->sampler->context));
      ANET_TRY(r->sampler->run(r->sampler->context, i, &took));
      r->lane[i].cold[k] = took.ms;
    }
  }
  return ANET_OK;
}

/* out[0] is known before the others. */
static void tell(const race *r, int32_t plan, anet_timing *out)
{
  lane *l = &r->lane[plan];
  double error;
  const double figure = lane_figure(r, plan, &error);
  out[plan] = (anet_timing){.ms = plan == 0 ? figure : figure * out[0].ms,
                            .ratio = plan == 0 ? 1 : figure,
                            .error = error,
                            .cold_ms = anet__median(l->cold, COLD_RUNS),
                            .least_ms = l->pace.least_ms,
                            .median_ms = anet__median(l->ms, l->visits),
                            .disturbed = (double)l->pace.disturbed / l->pace.runs,
                            .rounds = r->done};
  if (isinf(out[plan].least_ms)) out[plan].least_ms = l->ms[0]; /* sorted: none ran undisturbed */
  out[plan].settled = error <= r->error;
}

static int race_new(race *r)
{
  r->lane = anet__alloc_array((size_t)r->plans, sizeof *r->lane);
  if (!r->lane) return ANET_NOMEM;
  for (int32_t i = 0; i < r->plans; i++) r->lane[i].pace = anet__pace_new(r->sampler->waits);
  return ANET_OK;
}

static void race_free(race *r)
{
  for (int32_t i = 0; r->lane && i < r->plans; i++) {
    anet__free(r->lane[i].ms);
    anet__free(r->lane[i].pair);
  }
  anet__free(r->lane);
}

static int race_run(race *r, anet_timing *out)
{
  ANET_TRY(race_new(r));
  do ANET_TRY(run_round(r));
  while (!finished(r));
  ANET_TRY(run_cold(r));
  for (int32_t i = 0; i < r->plans; i++) tell(r, i, out);
  return ANET_OK;
}

int anet__race(const anet__sampler *sampler, int32_t plans, const anet_timing_desc *desc,
               anet_timing *out)
{
  race r = {.sampler = sampler,
            .plans = plans,
            .rounds = desc && desc->rounds ? desc->rounds : ROUNDS,
            .error = desc && desc->error > 0 ? desc->error : ERROR,
            .limit_ms = desc && desc->limit_ms > 0 ? desc->limit_ms : LIMIT_MS};
  if (plans < 1 || r.rounds < 1)
    return anet_fail(ANET_RANGE, "time: %d plans in %d rounds, want at least 1 of each", plans,
                     r.rounds);
  const int rc = race_run(&r, out);
  race_free(&r);
  return rc;
}
