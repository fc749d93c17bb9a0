#include "measure/probe.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "plan/workspace.h"

enum { REFERENCE, SUBNET };
enum { REGION_RUNS = 3 };

static int run_one(void *context, int32_t plan, anet__run_time *out)
{
  const anet__probe *probe = context;
  return anet__time_run(plan == REFERENCE ? probe->reference : probe->subnet, probe->workspace,
                        &probe->feed, probe->batch, out);
}

/* ---- life --------------------------------------------------------------------------------- */

static int new_arrays(anet__probe *probe)
{
  const size_t regions = (size_t)probe->positions + 1;
  probe->time = anet__alloc_array(regions, sizeof *probe->time);
  probe->region = anet__alloc_array(regions, sizeof *probe->region);
  probe->lap = anet__alloc_array(regions, REGION_RUNS * sizeof *probe->lap);
  return probe->time && probe->region && probe->lap ? ANET_OK : ANET_NOMEM;
}

int anet__probe_new(anet_supernet *supernet, anet_pool *pool, int32_t batch, anet__probe *out)
{
  *out = (anet__probe){.supernet = supernet, .batch = batch};
  out->positions = anet_space_positions(anet_supernet_space(supernet));
  out->waits = anet__pool_workers(pool) > 1;
  out->pace = out->reference_pace = anet__pace_new(out->waits);
  int rc;
  if ((rc = new_arrays(out)) ||
      (rc = anet_plan_new(anet_supernet_oracle(supernet), batch, &out->reference)) ||
      (rc = anet_workspace_new(out->reference, pool, &out->workspace)) ||
      (rc = anet__feed_new(out->reference, &out->feed)))
    anet__probe_free(out);
  return rc;
}

void anet__probe_free(anet__probe *probe)
{
  anet__sweep_free(&probe->sweep);
  anet__free(probe->lap);
  anet__free(probe->region);
  anet__free(probe->time);
  anet__feed_free(&probe->feed);
  anet_workspace_release(probe->workspace);
  anet_plan_release(probe->reference);
  *probe = (anet__probe){0};
}

/* ---- visits ------------------------------------------------------------------------------- */

static int compile(anet__probe *probe, const uint8_t *genome)
{
  anet_net *net;
  ANET_TRY(anet_supernet_subnet(probe->supernet, genome, &net));
  int rc = anet_plan_new(net, probe->batch, &probe->subnet);
  anet_net_release(net);
  return rc ? rc : anet_workspace_fit(probe->workspace, probe->subnet);
}

static void let_go(anet__probe *probe)
{
  anet_plan_release(probe->subnet);
  probe->subnet = NULL;
}

/* One run; its regions' times are run `index` of `lap`. */
static int run_regions(anet__probe *probe, int32_t index)
{
  memset(probe->time, 0, ((size_t)probe->positions + 1) * sizeof *probe->time);
  ANET_TRY(anet__run_timed(probe->subnet, probe->workspace, probe->feed.in, probe->feed.out,
                           probe->batch, probe->time));
  for (int32_t r = 0; r <= probe->positions; r++)
    probe->lap[r * REGION_RUNS + index] = (double)probe->time[r] * 1e-6;
  return ANET_OK;
}

static int run_all_regions(anet__probe *probe, int32_t runs)
{
  for (int32_t i = 0; i < runs; i++) ANET_TRY(run_regions(probe, i));
  for (int32_t r = 0; r <= probe->positions; r++)
    probe->region[r] = anet__median(probe->lap + (size_t)r * REGION_RUNS, runs);
  return ANET_OK;
}

static int visit(anet__probe *probe, int32_t plan, anet__pace *pace, double *ms)
{
  const anet__sampler sampler = {run_one, NULL, probe, probe->waits};
  return anet__visit(&sampler, plan, pace, ms);
}

/* Each subnet waits for its workers in its own way. */
static int visit_subnet(anet__probe *probe)
{
  probe->pace.idle = probe->waits ? 1 : 0;
  return visit(probe, SUBNET, &probe->pace, &probe->total_ms);
}

int anet__probe_reference(anet__probe *probe)
{
  return visit(probe, REFERENCE, &probe->reference_pace, &probe->reference_ms);
}

int anet__probe_total(anet__probe *probe, const uint8_t *genome)
{
  int rc = compile(probe, genome);
  if (!rc) rc = visit_subnet(probe);
  let_go(probe);
  return rc;
}

int anet__probe_regions(anet__probe *probe, const uint8_t *genome)
{
  int rc = compile(probe, genome);
  if (!rc) rc = visit_subnet(probe);
  if (!rc) rc = run_all_regions(probe, REGION_RUNS);
  let_go(probe);
  return rc;
}

int anet__probe_cold(anet__probe *probe, const uint8_t *genome)
{
  int rc = compile(probe, genome);
  if (!rc) rc = anet__sweep_caches(&probe->sweep);
  if (!rc) rc = run_all_regions(probe, 1);
  let_go(probe);
  return rc;
}

double anet__probe_disturbed(const anet__probe *probe)
{
  const anet__pace *a = &probe->pace, *b = &probe->reference_pace;
  return (double)(a->disturbed + b->disturbed) / ANET_MAX(a->runs + b->runs, 1);
}
