#ifndef ANET_WORKSPACE_H
#define ANET_WORKSPACE_H

#include "plan/plan.h"

struct anet_workspace {
  anet_pool *pool; /* retained, or NULL */
  char *arena;     /* owned */
  size_t bytes;
};

/* As anet_run, and time[r + 1] += nanoseconds spent in steps of region r; time[0]: in region -1,
 * outside all. time: (regions + 1). The clock is read only where the region changes. */
int anet__run_timed(const anet_plan *plan, anet_workspace *workspace, const float *const *in,
                    float *const *out, int32_t n, int64_t *time);

#endif
