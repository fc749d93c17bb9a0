#include "run/probe.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "run/workspace.h"

enum { MOST_REPEATS = 5 };
static const double VISIT_MS = 3; /* runs of one kind that a visit repeats take about so long */

static int run_once(anet__probe *probe, const anet_plan *plan, double *ms)
{
  const int64_t start = anet__now_ns();
  ANET_TRY(anet_run(plan, probe->workspace, probe->feed.in, probe->feed.out, probe->batch));
  *ms = (double)(anet__now_ns() - start) * 1e-6;
  return ANET_OK;
}

static int run_reference(anet__probe *probe)
{
  ANET_TRY(run_once(probe, probe->reference, &probe->reference_ms)); /* fills the caches */
  return run_once(probe, probe->reference, &probe->reference_ms);
}

/* ---- life --------------------------------------------------------------------------------- */

static int new_arrays(anet__probe *probe)
{
  const size_t regions = (size_t)probe->positions + 1;
  probe->time = anet__alloc_array(regions, sizeof *probe->time);
  probe->region = anet__alloc_array(regions, sizeof *probe->region);
  probe->sample = anet__alloc_array((regions + 1) * MOST_REPEATS, sizeof *probe->sample);
  return probe->time && probe->region && probe->sample ? ANET_OK : ANET_NOMEM;
}

int anet__probe_new(anet_supernet *supernet, anet_pool *pool, int32_t batch, anet__probe *out)
{
  *out = (anet__probe){.supernet = supernet, .batch = batch};
  out->positions = anet_space_positions(anet_supernet_space(supernet));
  int rc;
  if ((rc = new_arrays(out)) ||
      (rc = anet_plan_new(anet_supernet_oracle(supernet), batch, &out->reference)) ||
      (rc = anet_workspace_new(out->reference, pool, &out->workspace)) ||
      (rc = anet__feed_new(out->reference, &out->feed)) || (rc = run_reference(out))) {
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
  anet__free(probe->sample);
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

static double *samples_of(anet__probe *probe, int32_t row)
{
  return probe->sample + (size_t)row * MOST_REPEATS;
}

static int time_regions(anet__probe *probe, const anet_plan *plan, int32_t repeat)
{
  memset(probe->time, 0, ((size_t)probe->positions + 1) * sizeof *probe->time);
  ANET_TRY(anet__run_timed(plan, probe->workspace, probe->feed.in, probe->feed.out, probe->batch,
                           probe->time));
  for (int32_t r = 0; r <= probe->positions; r++)
    samples_of(probe, r)[repeat] = (double)probe->time[r] * 1e-6;
  return ANET_OK;
}

static void take_regions(anet__probe *probe, int32_t repeats)
{
  for (int32_t r = 0; r <= probe->positions; r++)
    probe->region[r] = anet__median(samples_of(probe, r), repeats);
}

static int visit(anet__probe *probe, const anet_plan *plan, bool regions)
{
  double *total = samples_of(probe, probe->positions + 1);
  ANET_TRY(run_reference(probe));
  ANET_TRY(run_once(probe, plan, &probe->total_ms)); /* fills the caches */
  for (int32_t i = 0; i < probe->repeats; i++) {
    if (regions) ANET_TRY(time_regions(probe, plan, i));
    ANET_TRY(run_once(probe, plan, &total[i]));
  }
  if (regions) take_regions(probe, probe->repeats);
  probe->total_ms = anet__median(total, probe->repeats);
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
  int rc = sweep_caches(probe);
  if (!rc && !(rc = time_regions(probe, plan, 0))) take_regions(probe, 1);
  anet_plan_release(plan);
  return rc;
}
