/* expand, depthwise, project: the chain of an inverted residual, or its last two, strip by strip.
 *
 * A strip is some lines of the depthwise output. Its channels are taken a panel at a time: lines of
 * the panel that are new are expanded into a ring, the depthwise reads them from there, and what it
 * makes of all panels is projected at once. What lies between the three never leaves the
 * second-level cache. Every value is computed as op by op, so not a bit differs. */
#ifndef ANET_FUSED_H
#define ANET_FUSED_H

#include "op/op.h"

enum { ANET_FUSED_MOST = 3 };

/* The calls of the ops as for their forward (expand: NULL where there is none); the first one's
 * in[0] is read, the last one's out written, which must not overlap. */
typedef struct anet__fused {
  const anet__call *expand, *depthwise, *project;
} anet__fused;

/* Whether the ops can be a chain. Looks at attributes and shapes alone. */
bool anet__fused_fits(const anet__fused *fused);
/* Whether that is thought faster than op by op, for the images and the pool of the calls. */
bool anet__fused_pays(const anet__fused *fused);
size_t anet__fused_scratch(const anet__fused *fused); /* bytes */
void anet__fused_run(const anet__fused *fused);       /* with the scratch of `project` */

#endif
