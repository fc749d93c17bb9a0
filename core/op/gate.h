/* Two inputs of one shape, or the second (c) or (1, 1, c) against an image (h, w, c): add, mul. */
#ifndef ANET_GATE_H
#define ANET_GATE_H

#include "op/work.h"

int anet__gate_shape(const char *op, const anet_shape *in, anet_shape *out);

/* Is in[1] one row of channels for a whole image? */
static inline bool anet__gate_wide(const anet__call *call)
{
  return !anet__shape_equal(&call->in_shape[0], &call->in_shape[1]);
}

#endif
