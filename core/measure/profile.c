/* The latency table from measurements.
 *
 * A round visits the oracle, two subnets near it, and a fresh random set that together use every
 * option. Every visit gives a sample for each option on its path, timed inside the running network,
 * and the time of the whole. The reference runs between visits, as warm, and tells
 * which moments were quiet: the table holds their medians, on the scale of anet_time_plans. What
 * the marks between positions cost, and that a sum of medians is no median of sums, goes into one
 * factor taken from the wholes. Held-out subnets are visited in the same rounds, for the error.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/rng.h"
#include "measure/probe.h"
#include "measure/table.h"

enum { DEFAULT_BATCH = 1, DEFAULT_ROUNDS = 20, DEFAULT_HELD_OUT = 50 };
enum { COLD_ROUNDS = 3, SWEEPS = 3 }; /* sweeps over the held-out subnets, spread over the rounds */
enum { EVERY = 2 };                   /* visits to a visit of the reference */
enum {
  NEAR = 3
}; /* visits of the reference before and after one that tell how fast the machine was */

/* One measured time of an option; option = that of the space, or `options` for what is fixed. */
typedef struct sample {
  int32_t option, visit;
  double ms;
} sample;

/* A subnet from end to end. */
typedef struct whole {
  int32_t visit;
  double ms;
  uint8_t genome[ANET_MAX_POSITIONS];
} whole;

typedef struct profiler {
  const anet_space *space; /* borrowed */
  int32_t positions, options, batch, rounds, held_out;
  anet__probe probe;
  anet_rng rng;
  anet_table *table;
  bool *covered;  /* (options) in this round, owned */
  sample *sample; /* (samples) warm ones, owned */
  int32_t samples, sample_capacity;
  sample *cold; /* (colds) owned */
  int32_t colds, cold_capacity;
  whole *whole; /* (wholes) owned */
  int32_t wholes, whole_capacity;
  whole *test; /* (SWEEPS, held_out) owned */
  int32_t visits;
  double *reference; /* (references) ms, before each visit whose number EVERY divides; owned */
  int32_t references, reference_capacity;
} profiler;

/* ---- subnets that cover ------------------------------------------------------------------- */

/* A random option from boundary `from` that ends no later than `to`; -1: there is none. */
static int32_t pick(profiler *p, int32_t from, int32_t to, bool fresh)
{
  const anet_space *space = p->space;
  int32_t seen = 0, picked = -1;
  for (int32_t i = space->first[from]; i < space->first[from + 1]; i++) {
    if (from + space->option[i].span > to || (fresh && p->covered[i])) continue;
    if (anet__rng_below(&p->rng, (uint32_t)++seen) == 0) picked = i;
  }
  return picked;
}

static void put(const profiler *p, int32_t index, uint8_t *genome)
{
  const anet_option *option = &p->space->option[index];
  memset(genome + option->position, ANET_COVERED, (size_t)option->span);
  genome[option->position] = (uint8_t)option->gene;
  p->covered[index] = true;
}

/* A random walk between two boundaries, options not yet covered first. Keep always fits, so there
 * are no dead ends. */
static void walk(profiler *p, int32_t from, int32_t to, uint8_t *genome)
{
  while (from < to) {
    int32_t picked = pick(p, from, to, true);
    if (picked < 0) picked = pick(p, from, to, false);
    put(p, picked, genome);
    from += p->space->option[picked].span;
  }
}

/* A random subnet through one option. */
static void cover(profiler *p, int32_t index, uint8_t *genome)
{
  const anet_option *option = &p->space->option[index];
  put(p, index, genome);
  walk(p, 0, option->position, genome);
  walk(p, option->position + option->span, p->positions, genome);
}

/* ---- measuring ---------------------------------------------------------------------------- */

static int add_sample(sample **list, int32_t *count, int32_t *capacity, sample s)
{
  ANET_TRY(anet__grow((void **)list, capacity, *count, sizeof s));
  (*list)[(*count)++] = s;
  return ANET_OK;
}

/* Begins a visit. */
static int begin_visit(profiler *p, int32_t *visit)
{
  *visit = p->visits++;
  if (*visit % EVERY != 0) return ANET_OK;
  ANET_TRY(anet__grow((void **)&p->reference, &p->reference_capacity, p->references,
                      sizeof *p->reference));
  ANET_TRY(anet__probe_reference(&p->probe));
  p->reference[p->references++] = p->probe.reference_ms;
  return ANET_OK;
}

/* The reference around a visit. */
static double near_reference(const profiler *p, int32_t visit)
{
  double near[2 * NEAR + 1];
  int32_t n = 0;
  for (int32_t i = visit / EVERY - NEAR; i <= visit / EVERY + NEAR; i++)
    if (i >= 0 && i < p->references) near[n++] = p->reference[i];
  return anet__median(near, n);
}

static int add_whole(profiler *p, const uint8_t *genome, int32_t visit)
{
  ANET_TRY(anet__grow((void **)&p->whole, &p->whole_capacity, p->wholes, sizeof *p->whole));
  whole *w = &p->whole[p->wholes++];
  *w = (whole){.visit = visit, .ms = p->probe.total_ms};
  memcpy(w->genome, genome, (size_t)p->positions);
  return ANET_OK;
}

static int visit_warm(profiler *p, const uint8_t *genome)
{
  int32_t visit;
  ANET_TRY(begin_visit(p, &visit));
  ANET_TRY(anet__probe_regions(&p->probe, genome));
  ANET_TRY(add_whole(p, genome, visit));
  for (int32_t i = -1; i < p->positions; i++) {
    if (i >= 0 && genome[i] == ANET_COVERED) continue;
    const int32_t option = i < 0 ? p->options : anet_space_index(p->space, i, genome[i]);
    const sample s = {option, visit, p->probe.region[i + 1]};
    ANET_TRY(add_sample(&p->sample, &p->samples, &p->sample_capacity, s));
  }
  return ANET_OK;
}

static int visit_cold(profiler *p, const uint8_t *genome)
{
  ANET_TRY(anet__probe_cold(&p->probe, genome));
  for (int32_t i = 0; i < p->positions; i++) {
    if (genome[i] == ANET_COVERED) continue;
    const sample s = {anet_space_index(p->space, i, genome[i]), 0, p->probe.region[i + 1]};
    ANET_TRY(add_sample(&p->cold, &p->colds, &p->cold_capacity, s));
  }
  return ANET_OK;
}

/* The oracle, and subnets that keep the blocks on one side of a boundary. What a network takes from
 * the caches decides how fast its options are, and most rungs keep most blocks. */
static int visit_kept(profiler *p)
{
  uint8_t genome[ANET_MAX_POSITIONS] = {0};
  const int32_t cut = anet_rng_int(&p->rng, 0, p->positions);
  ANET_TRY(visit_warm(p, genome));
  walk(p, 0, cut, genome);
  ANET_TRY(visit_warm(p, genome));
  memset(genome, 0, sizeof genome);
  walk(p, cut, p->positions, genome);
  return visit_warm(p, genome);
}

/* Starts at a random option, so that none is always covered first. */
static int run_round(profiler *p, bool warm)
{
  uint8_t genome[ANET_MAX_POSITIONS];
  if (warm) ANET_TRY(visit_kept(p));
  memset(p->covered, 0, (size_t)p->options * sizeof *p->covered);
  const int32_t start = anet_rng_int(&p->rng, 0, p->options - 1);
  for (int32_t k = 0; k < p->options; k++) {
    const int32_t option = (start + k) % p->options;
    if (p->covered[option]) continue;
    cover(p, option, genome);
    ANET_TRY(warm ? visit_warm(p, genome) : visit_cold(p, genome));
  }
  return ANET_OK;
}

/* ---- the table ---------------------------------------------------------------------------- */

/* Of the warm samples of an option. moment: (samples) scratch. */
static double option_ms(profiler *p, int32_t option, anet__moment *moment, double *error)
{
  int32_t n = 0;
  for (int32_t i = 0; i < p->samples; i++)
    if (p->sample[i].option == option)
      moment[n++] = (anet__moment){near_reference(p, p->sample[i].visit), p->sample[i].ms};
  return anet__quiet_median(moment, n, error);
}

static double option_cold_ms(const profiler *p, int32_t option, double *values)
{
  int32_t n = 0;
  for (int32_t i = 0; i < p->colds; i++)
    if (p->cold[i].option == option) values[n++] = p->cold[i].ms;
  return anet__median(values, n);
}

static int fill_table(profiler *p)
{
  anet_table *t = p->table;
  double error;
  double *values = anet__alloc_array((size_t)ANET_MAX(p->references, p->colds), sizeof *values);
  anet__moment *moment = anet__alloc_array((size_t)p->samples, sizeof *moment);
  if (values && moment) {
    memcpy(values, p->reference, (size_t)p->references * sizeof *values);
    t->oracle_ms = anet__quiet_ms(values, p->references, &t->oracle_error);
    t->oracle_error /= t->oracle_ms;
    for (int32_t i = 0; i < p->options; i++) {
      t->ms[i] = option_ms(p, i, moment, &t->error[i]);
      t->cold_ms[i] = option_cold_ms(p, i, values);
    }
    t->fixed_ms = option_ms(p, p->options, moment, &error);
  }
  const int rc = values && moment ? ANET_OK : ANET_NOMEM;
  anet__free(moment);
  anet__free(values);
  return rc;
}

/* One factor brings the sums to the measured wholes. */
static int fit_wholes(profiler *p)
{
  anet_table *t = p->table;
  anet__moment *moment = anet__alloc_array((size_t)p->wholes, sizeof *moment);
  if (!moment) return ANET_NOMEM;
  int rc = ANET_OK;
  for (int32_t i = 0; i < p->wholes && !rc; i++) {
    const whole *w = &p->whole[i];
    double predicted;
    rc = anet_table_predict(t, p->space, w->genome, &predicted);
    if (!rc) moment[i] = (anet__moment){near_reference(p, w->visit), w->ms / predicted};
  }
  const double factor = rc ? 1 : anet__quiet_median(moment, p->wholes, NULL);
  for (int32_t i = 0; i < p->options; i++) {
    t->ms[i] *= factor;
    t->error[i] *= factor;
  }
  t->fixed_ms *= factor;
  anet__free(moment);
  return rc;
}

/* ---- the error on subnets it has not seen ------------------------------------------------- */

static int draw_tests(profiler *p)
{
  p->test = anet__alloc_array((size_t)p->held_out, SWEEPS * sizeof *p->test);
  if (!p->test) return ANET_NOMEM;
  for (int32_t i = 0; i < p->held_out; i++) {
    ANET_TRY(anet_genome_sample(p->space, &p->rng, p->test[i].genome));
    for (int32_t s = 1; s < SWEEPS; s++) p->test[s * p->held_out + i] = p->test[i];
  }
  return ANET_OK;
}

/* The share of a round, so that tests and samples see the same moments. */
static int run_tests(profiler *p, int32_t round)
{
  int32_t begin, end;
  anet__slice(p->held_out * SWEEPS, round, p->rounds, &begin, &end);
  for (int32_t i = begin; i < end; i++) {
    whole *w = &p->test[i];
    ANET_TRY(begin_visit(p, &w->visit));
    ANET_TRY(anet__probe_total(&p->probe, w->genome));
    w->ms = p->probe.total_ms;
  }
  return ANET_OK;
}

/* The visit to test `i` in its quietest moment. */
static const whole *quiet_test(const profiler *p, int32_t i)
{
  const whole *best = &p->test[i];
  for (int32_t s = 1; s < SWEEPS; s++) {
    const whole *w = &p->test[s * p->held_out + i];
    if (near_reference(p, w->visit) < near_reference(p, best->visit)) best = w;
  }
  return best;
}

static int error_of(const profiler *p, const uint8_t *genome, double measured, double *error)
{
  double predicted;
  ANET_TRY(anet_table_predict(p->table, p->space, genome, &predicted));
  *error = fabs(predicted - measured) / measured;
  return ANET_OK;
}

/* Of the held-out subnets and the oracle. */
static int measure_error(profiler *p)
{
  const int32_t n = p->held_out + 1;
  const uint8_t keep[ANET_MAX_POSITIONS] = {0};
  double *error = anet__alloc_array((size_t)n, sizeof *error);
  if (!error) return ANET_NOMEM;
  int rc = error_of(p, keep, p->table->oracle_ms, &error[0]);
  p->table->oracle_error = fmax(p->table->oracle_error, error[0]);
  for (int32_t i = 0; i < p->held_out && !rc; i++) {
    const whole *w = quiet_test(p, i);
    rc = error_of(p, w->genome, w->ms, &error[i + 1]);
  }
  p->table->median_error = anet__median(error, n);
  p->table->p95_error = anet__quantile(error, n, 0.95);
  anet__free(error);
  return rc;
}

/* ---- anet_profile ------------------------------------------------------------------------- */

static int or_default(int32_t value, int32_t usual)
{
  return value == 0 ? usual : value;
}

static int profiler_new(profiler *p, anet_supernet *supernet, anet_pool *pool,
                        const anet_profile_desc *desc)
{
  if (!supernet->sealed) return anet_fail(ANET_STATE, "profile: the supernet is not sealed");
  p->space = anet_supernet_space(supernet);
  p->positions = anet_space_positions(p->space);
  p->options = anet_space_options(p->space);
  p->batch = or_default(desc ? desc->batch : 0, DEFAULT_BATCH);
  p->rounds = or_default(desc ? desc->rounds : 0, DEFAULT_ROUNDS);
  p->held_out = or_default(desc ? desc->held_out : 0, DEFAULT_HELD_OUT);
  if (p->batch < 0 || p->rounds < 0 || p->held_out < 0)
    return anet_fail(ANET_RANGE,
                     "profile: batch %d, rounds %d, held out %d: want 0 or more of each", p->batch,
                     p->rounds, p->held_out);
  anet_rng_seed(&p->rng, desc ? desc->seed : 0);
  p->covered = anet__alloc_array((size_t)p->options, sizeof *p->covered);
  if (!p->covered) return ANET_NOMEM;
  ANET_TRY(anet__table_new(p->options, &p->table));
  p->table->batch = p->batch;
  p->table->rounds = p->rounds;
  p->table->threads = anet__pool_workers(pool);
  anet__cpu_fingerprint(p->table->threads, p->table->fingerprint, ANET_FINGERPRINT_BYTES);
  return anet__probe_new(supernet, pool, p->batch, &p->probe);
}

static void profiler_free(profiler *p)
{
  anet__probe_free(&p->probe);
  anet_table_release(p->table);
  anet__free(p->covered);
  anet__free(p->sample);
  anet__free(p->cold);
  anet__free(p->whole);
  anet__free(p->test);
  anet__free(p->reference);
}

static double drift(const profiler *p)
{
  double least = near_reference(p, 0), most = least;
  for (int32_t i = 1; i < p->visits; i += EVERY) {
    least = fmin(least, near_reference(p, i));
    most = fmax(most, near_reference(p, i));
  }
  return most / least;
}

static int profile_all(profiler *p)
{
  ANET_TRY(draw_tests(p));
  for (int32_t i = 0; i < p->rounds; i++) {
    ANET_TRY(run_round(p, true));
    ANET_TRY(run_tests(p, i));
  }
  for (int32_t i = 0; i < COLD_ROUNDS; i++) ANET_TRY(run_round(p, false));
  ANET_TRY(fill_table(p));
  ANET_TRY(fit_wholes(p));
  ANET_TRY(measure_error(p));
  p->table->drift = drift(p);
  p->table->disturbed = anet__probe_disturbed(&p->probe);
  return ANET_OK;
}

int anet_profile(anet_supernet *supernet, anet_pool *pool, const anet_profile_desc *desc,
                 anet_table **out)
{
  *out = NULL;
  const int64_t start = anet__now_ns();
  profiler p = {0};
  int rc = profiler_new(&p, supernet, pool, desc);
  if (!rc) rc = profile_all(&p);
  if (!rc) {
    p.table->seconds = (double)(anet__now_ns() - start) * 1e-9;
    *out = anet_table_retain(p.table);
  }
  profiler_free(&p);
  return rc;
}
