/* Measures subnets one at a time: each is compiled, warmed up, run a few times beside the
 * reference (the oracle) and let go, so that no more than two plans are ever in memory. */
#ifndef ANET_PROBE_H
#define ANET_PROBE_H

#include "elastic/supernet.h"
#include "run/timing.h"

/* Invariants: `region` and the `_ms` are of the last visit; the workspace fits the reference. */
typedef struct anet__probe {
  anet_supernet *supernet; /* borrowed */
  int32_t positions, batch, repeats;
  anet_plan *reference;
  anet_workspace *workspace;
  anet__feed feed;
  int64_t *time;   /* (positions + 1) ns of one run, owned */
  double *region;  /* (positions + 1) ms, owned; 0 is what lies outside all positions */
  double total_ms; /* end to end */
  double reference_ms;
  char *sweep; /* (sweep_bytes) larger than the caches, owned; NULL until needed */
  size_t sweep_bytes;
} anet__probe;

int anet__probe_new(anet_supernet *supernet, anet_pool *pool, int32_t batch, anet__probe *out);
void anet__probe_free(anet__probe *probe); /* accepts a half-built one */

/* Warm: the best of a few runs, after one that fills the caches, and the same of the reference. */
int anet__probe_regions(anet__probe *probe, const uint8_t *genome); /* region and total_ms */
int anet__probe_total(anet__probe *probe, const uint8_t *genome);   /* total_ms */
/* One run after everything was driven out of the caches; no reference. */
int anet__probe_cold(anet__probe *probe, const uint8_t *genome); /* region */

#endif
