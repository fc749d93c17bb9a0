/* Plans timed as they will run: each alone until the caches hold what it needs, then compared with
 * plan 0, which ran just before and just after and was as warm. Pure arithmetic: a sampler makes
 * the runs. */
#ifndef ANET_RACE_H
#define ANET_RACE_H

#include <stdbool.h>

#include "anet.h"

/* One run. */
typedef struct anet__run_time {
  double ms;      /* on the wall's clock */
  double idle_ms; /* of which the calling thread had no processor */
} anet__run_time;

/* Makes the runs. Failures are passed on. */
typedef struct anet__sampler {
  int (*run)(void *context, int32_t plan, anet__run_time *out);
  int (*chill)(void *context); /* drives everything out of the caches; NULL: it cannot */
  void *context;
  bool waits; /* the calling thread waits for other threads: some of its idleness is its own */
} anet__sampler;

/* What is known of one plan's runs, over all visits. A run is disturbed where the thread had no
 * processor for 2 % of it more than it has of its own. */
typedef struct anet__pace {
  double idle;     /* the share of a run that it waits: the least seen; 0 where it never does */
  double least_ms; /* of the runs that counted; INFINITY: none did */
  double spent_ms;
  int32_t runs, disturbed;
} anet__pace;

anet__pace anet__pace_new(bool waits);

/* Runs one plan until the last few runs, none disturbed, are no longer faster than those before.
 * *ms: their median. Where every run is disturbed, it is made of the time on the processor. */
int anet__visit(const anet__sampler *sampler, int32_t plan, anet__pace *pace, double *ms);

/* What other programs do to caches and memory slows a plan the more the larger it is, and no clock
 * tells. So figures are of quiet moments: the sixth of the visits, at least five, in which the
 * reference was fastest. */
typedef struct anet__moment {
  double reference, value; /* ms of the reference; what was found beside it */
} anet__moment;

/* The median of the values of quiet moments, of n > 0; *error (may be NULL): half the width of its
 * 95 % interval, all of it where there are too few moments. Sorts. */
double anet__quiet_median(anet__moment *moment, int32_t n, double *error);
/* The same of the reference's own times; *error: how far the median of all is from it.
 * Sorts. */
double anet__quiet_ms(double *ms, int32_t n, double *error);

/* As anet_time_plans. out: (plans). */
int anet__race(const anet__sampler *sampler, int32_t plans, const anet_timing_desc *desc,
               anet_timing *out);

#endif
