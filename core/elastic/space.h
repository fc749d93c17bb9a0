#ifndef ANET_SPACE_H
#define ANET_SPACE_H

#include <stdatomic.h>
#include "anet.h"
#include "base/compiler.h"

enum { ANET_MAX_POSITIONS = 256, ANET_MAX_GENES = 36 };

/* Options sorted by (position, gene); first[p] .. first[p + 1] - 1 are those of position p.
 * Invariants: gene 0 of each position is keep; no option crosses a trunk. */
struct anet_space {
  atomic_int refs;
  int32_t positions;
  int32_t *trunk;       /* (positions) owned */
  anet_option *option;  /* (options) owned */
  int32_t options, capacity;
  int32_t *first;       /* (positions + 1) owned */
};

#endif
