/* Measures subnets one at a time: each is compiled, visited beside the reference (the oracle) and
 * let go, so that no more than two plans are ever in memory. */
#ifndef ANET_PROBE_H
#define ANET_PROBE_H

#include "elastic/supernet.h"
#include "measure/timing.h"

/* Invariants: `region` and the `_ms` are of the last visit; the workspace fits the reference. */
typedef struct anet__probe {
  anet_supernet *supernet; /* borrowed */
  int32_t positions, batch;
  bool waits;                    /* for other threads */
  anet_plan *reference, *subnet; /* subnet: while it is visited */
  anet_workspace *workspace;
  anet__feed feed;
  anet__sweep sweep;
  anet__pace pace, reference_pace;
  int64_t *time;   /* (positions + 1) ns of one run, owned */
  double *region;  /* (positions + 1) ms, owned; 0 is what lies outside all positions */
  double *lap;     /* (positions + 1, runs) the same of some runs, owned */
  double total_ms; /* end to end */
  double reference_ms;
} anet__probe;

int anet__probe_new(anet_supernet *supernet, anet_pool *pool, int32_t batch, anet__probe *out);
void anet__probe_free(anet__probe *probe); /* accepts a half-built one */

/* Warm, as anet__visit has it. */
int anet__probe_reference(anet__probe *probe);                    /* reference_ms */
int anet__probe_total(anet__probe *probe, const uint8_t *genome); /* total_ms */
int anet__probe_regions(anet__probe *probe,
                        const uint8_t *genome); /* total_ms, region: medians of some more runs */
/* One run after everything was driven out of the caches. */
int anet__probe_cold(anet__probe *probe, const uint8_t *genome); /* region */
/* Share of all runs that lost the processor. */
double anet__probe_disturbed(const anet__probe *probe);

#endif
