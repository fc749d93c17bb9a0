/* The built-in latency policy: down at once, up after a calm while. */
#ifndef ANET_GOVERNOR_H
#define ANET_GOVERNOR_H

#include "base/compiler.h"

enum {
  ANET_GOVERNOR_LOOK = 5,  /* most of so many last frames over the budget: go down */
  ANET_GOVERNOR_CALM = 12, /* frames on a rung before going up, if no climb failed before */
};

/* Slowdown is measured over unloaded time; it is taken to be the same for all rungs. So one look
 * tells the rung to go to, however far. A climb that does not last doubles the calm that the next
 * one needs, until one has lasted. */
typedef struct anet__governor {
  double recent[ANET_GOVERNOR_CALM]; /* slowdown; ring: frame f of this rung is in f % CALM */
  int64_t frames;                    /* on this rung */
  int32_t doublings;
  bool climbed; /* this rung was climbed to, and has yet to last */
} anet__governor;

void anet__governor_reset(anet__governor *governor); /* the host chose: forget all */
/* The rung for the next frame, after one of `ms` on `rung`. unloaded_ms: (rungs) rising. */
int32_t anet__governor_next(anet__governor *governor, const double *unloaded_ms, int32_t rungs,
                            int32_t rung, double budget_ms, double ms);

#endif
