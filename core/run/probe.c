#include "run/probe.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "run/workspace.h"

/* A visit repeats runs of one kind so often, and fewer when they take long: the best of them is
 * the one that other programs disturbed least. */
enum { MOST_REPEATS = 5 };
static const double VISIT_MS = 3;

static int run_once(anet__probe *probe, const anet_plan *plan, double *ms)
{
  const int64_t start = anet__now_ns();
  ANET_TRY(anet_run(plan, probe->workspace, probe->feed.in, probe->feed.out, probe->batch));
  *ms = (double)(anet__now_ns() - start) * 1e-6;
  return ANET_OK;
}

/* The first run fills the caches. */
static int run_best(anet__probe *probe, const anet_plan *plan, int32_t repeats, double *best_ms)
{
  double ms;
  ANET_TRY(run_once(probe, plan, &ms));
  *best_ms = INFINITY;
  for (int32_t i = 0; i < repeats; i++) {
    ANET_TRY(run_once(probe, plan, &ms));
    *best_ms = fmin(*best_ms, ms);
  }
  return ANET_OK;
}

/* ---- life --------------------------------------------------------------------------------- */

static int new_arrays(anet__probe *probe)
{
  const size_t regions = (size_t)probe->positions + 1;
  probe->time = anet__alloc_array(regions, sizeof *probe->time);
  probe->region = anet__alloc_array(regions, sizeof *probe->region);
  return probe->time && probe->region ? ANET_OK : ANET_NOMEM;
}

int anet__probe_new(anet_supernet *supernet, anet_pool *pool, int32_t batch, anet__probe *out)
{
  *out = (anet__probe){.supernet = supernet, .batch = batch};
  out->positions = anet_space_positions(anet_supernet_space(supernet));
  int rc;
  if ((rc = new_arrays(out)) ||
      (rc = anet_plan_new(anet_supernet_oracle(supernet), batch, &out->reference)) ||
      (rc = anet_workspace_new(out->reference, pool, &out->workspace)) ||
      (rc = anet__feed_new(out->reference, &out->feed)) ||
      (rc = run_best(out, out->reference, MOST_REPEATS, &out->reference_ms))) {
    anet__probe_free(out);
    return rc;
  }
  const double fit = VISIT_MS / out->reference_ms;
  out->repeats = fit >= MOST_REPEATS ? MOST_REPEATS : fit <= 1 ? 1 : (int32_t)fit;
  return ANET_OK;
}

void anet__probe_free(anet__probe *probe)
{
  anet__free(probe->sweep);
  anet__free(probe->region);
  anet__free(probe->time);
  anet__feed_free(&probe->feed);
  anet_workspace_release(probe->workspace);
  anet_plan_release(probe->reference);
  *probe = (anet__probe){0};
}

/* ---- visits ------------------------------------------------------------------------------- */

static int compile(anet__probe *probe, const uint8_t *genome, anet_plan **out)
{
  anet_net *net;
  *out = NULL;
  ANET_TRY(anet_supernet_subnet(probe->supernet, genome, &net));
  int rc = anet_plan_new(net, probe->batch, out);
  anet_net_release(net);
  if (!rc && (rc = anet_workspace_fit(probe->workspace, *out))) {
    anet_plan_release(*out);
    *out = NULL;
  }
  return rc;
}

static void clear_regions(anet__probe *probe)
{
  for (int32_t r = 0; r <= probe->positions; r++) probe->region[r] = INFINITY;
}

/* One run; the best time of each region stays. */
static int run_regions(anet__probe *probe, const anet_plan *plan)
{
  memset(probe->time, 0, ((size_t)probe->positions + 1) * sizeof *probe->time);
  ANET_TRY(anet__run_timed(plan, probe->workspace, probe->feed.in, probe->feed.out, probe->batch,
                           probe->time));
  for (int32_t r = 0; r <= probe->positions; r++)
    probe->region[r] = fmin(probe->region[r], (double)probe->time[r] * 1e-6);
  return ANET_OK;
}

static int visit(anet__probe *probe, const anet_plan *plan, bool regions)
{
  ANET_TRY(run_best(probe, probe->reference, probe->repeats, &probe->reference_ms));
  ANET_TRY(run_best(probe, plan, probe->repeats, &probe->total_ms));
  clear_regions(probe);
  for (int32_t i = 0; i < probe->repeats && regions; i++) ANET_TRY(run_regions(probe, plan));
  return ANET_OK;
}

int anet__probe_regions(anet__probe *probe, const uint8_t *genome)
{
  anet_plan *plan;
  ANET_TRY(compile(probe, genome, &plan));
  const int rc = visit(probe, plan, true);
  anet_plan_release(plan);
  return rc;
}

int anet__probe_total(anet__probe *probe, const uint8_t *genome)
{
  anet_plan *plan;
  ANET_TRY(compile(probe, genome, &plan));
  const int rc = visit(probe, plan, false);
  anet_plan_release(plan);
  return rc;
}

/* ---- cold --------------------------------------------------------------------------------- */

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
static int sweep_caches(anet__probe *probe)
{
  enum { LINE = 64 };
  if (!probe->sweep) {
    probe->sweep_bytes = sweep_size();
    probe->sweep = anet__alloc(probe->sweep_bytes);
    if (!probe->sweep) return ANET_NOMEM;
  }
  volatile char *line = probe->sweep;
  for (size_t i = 0; i < probe->sweep_bytes; i += LINE) line[i] = (char)(line[i] + 1);
  return ANET_OK;
}

int anet__probe_cold(anet__probe *probe, const uint8_t *genome)
{
  anet_plan *plan;
  ANET_TRY(compile(probe, genome, &plan));
  clear_regions(probe);
  int rc = sweep_caches(probe);
  if (!rc) rc = run_regions(probe, plan);
  anet_plan_release(plan);
  return rc;
}
