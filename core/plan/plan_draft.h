/* A plan under construction: what its stages hand on. Only the plan_*.c files see it. */
#ifndef ANET_PLAN_DRAFT_H
#define ANET_PLAN_DRAFT_H

#include "plan/plan.h"

/* While drafted, in[], out and add of the plan's steps are values; placing makes them slots.
 * Ops that move no data vanish: their value lives where their source lives. */
typedef struct anet__draft {
  anet_plan *plan;
  int32_t *memory;  /* of the arrays below, each (values); owned */
  int32_t *source;  /* the value that holds the data: itself, unless its node vanishes */
  int32_t *readers; /* of a source: how many steps-to-be and outputs read it; 0: nobody needs it */
  int32_t *reader;  /* the node that reads it last; with one reader that is an output: -1 */
  int32_t *step;    /* the step that computes it, -1 while there is none */
  int32_t *norms;   /* (steps) norms that a step took in */
  int32_t *bytes;   /* of a quantize: 1, its value is stored as bytes, for steps on whole numbers alone read it */
} anet__draft;

/* Nodes that the outputs need, gathered into steps. */
int anet__plan_fuse(anet__draft *draft);
/* Weights packed, norms and biases folded into scale and shift. */
int anet__plan_pack(anet__draft *draft);
/* Slots for values, and offsets for slots. */
int anet__plan_place(anet__draft *draft);

#endif
