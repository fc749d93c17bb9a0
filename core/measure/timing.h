/* What measuring has in common: robust figures of samples, and something to feed a plan with. */
#ifndef ANET_TIMING_H
#define ANET_TIMING_H

#include "measure/race.h"
#include "plan/plan.h"

void anet__sort(double *x, int32_t n); /* ascending, in place, without allocating */
/* The q-quantile of n > 0 values, between neighbours by weight. Sorts x. */
double anet__quantile(double *x, int32_t n, double q);
double anet__median(double *x, int32_t n);
/* Median absolute deviation from `centre`, scaled to a normal's standard deviation. Changes x. */
double anet__spread(double *x, int32_t n, double centre);

/* Inputs (arbitrary values in [-1, 1)) and room for the outputs of plans that have the same. */
typedef struct anet__feed {
  float *memory; /* owned */
  const float *in[ANET_MAX_INPUTS];
  float *out[ANET_MAX_OUTPUTS];
} anet__feed;
int anet__feed_new(const anet_plan *plan, anet__feed *out); /* for plan->batch images */
void anet__feed_free(anet__feed *feed);

/* One run on the clock. */
int anet__time_run(const anet_plan *plan, anet_workspace *workspace, const anet__feed *feed,
                   int32_t n, anet__run_time *out);

/* Memory larger than the caches, which drives everything else out of them when it is written. */
typedef struct anet__sweep {
  char *memory; /* owned; NULL until needed */
  size_t bytes;
} anet__sweep;
int anet__sweep_caches(anet__sweep *sweep); /* ANET_NOMEM */
void anet__sweep_free(anet__sweep *sweep);

#endif
