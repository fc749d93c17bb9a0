/* The plans that a device keeps. */
#ifndef ANET_LADDER_H
#define ANET_LADDER_H

#include <stdatomic.h>
#include "plan/plan.h"

typedef struct anet__rung {
  anet_plan *plan; /* retained */
  char *genome;    /* owned; face.genome points here */
  anet_rung face;
} anet__rung;

/* Invariants: all plans take and give the same shapes, measured_ms > 0. Sorted once
 * anet_ladder_sort has run and until the next addition: times and accuracies both rise. */
struct anet_ladder {
  atomic_int refs;
  anet__rung *rung; /* (count) owned */
  int32_t count, capacity;
};

/* ANET_RANGE: its time is none, or its accuracy no number. */
int anet__rung_check(const anet_rung *rung);

#endif
