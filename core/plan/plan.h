/* A subnet compiled for running. */
#ifndef ANET_PLAN_H
#define ANET_PLAN_H

#include "graph/net.h"
#include "op/fused.h"
#include "tensor/packed.h"

/* Where a value lives: in the arena, or outside (an input or output of the run). */
typedef enum anet__place { ANET_PLACE_ARENA, ANET_PLACE_INPUT, ANET_PLACE_OUTPUT } anet__place;
typedef struct anet__slot {
  anet__place place;
  int32_t index; /* of the input or output */
  size_t offset; /* ARENA: in bytes, for one image; with room for n images it is n times as far */
} anet__slot;

/* One op with what was fused into it. in[] and add are numbers of slots. */
typedef struct anet__step {
  anet__op_id op;
  anet__method method;
  anet_attr attr;
  int32_t inputs, in[ANET_MAX_INPUTS], out, add; /* add: slot of a fused addition, -1 none */
  anet_shape in_shape[ANET_MAX_INPUTS], out_shape;
  const anet_tensor *param[ANET_MAX_PARAMS]; /* of nodes of the retained net */
  anet__packed *packed;                      /* held by the plan, or NULL */
  float *scale, *shift;                      /* fused norm and bias; owned by the plan, or NULL */
  float low, high;                           /* fused clamp */
  int32_t region;
  int32_t wide, channel; /* it writes the channels from `channel` on of pixels that have `wide`; 0: all */
  anet__bytes bytes;
  bool done;             /* a concat whose inputs were written where it would put them */
  int32_t fused; /* so many steps from here on can be run as one (op/fused.h); 0: none */
} anet__step;

/* Immutable once anet_plan_new returns, so threads may share one.
 * Invariants: every step reads slots written by an earlier step or inputs; arena slots that are
 * alive together never overlap; steps never write to a slot of an input. */
struct anet_plan {
  atomic_int refs;
  anet_net *net; /* retained: parameters */
  int32_t batch;
  anet__step *step; /* (steps) in execution order, owned */
  int32_t steps;
  anet__slot *slot; /* (slots) owned */
  int32_t slots;
  int32_t inputs, outputs;
  anet_shape input[ANET_MAX_INPUTS], output[ANET_MAX_OUTPUTS];
  /* -1: a step writes the output where it belongs; else it is an input, or another output too, and
   * is copied from this slot */
  int32_t copy_from[ANET_MAX_OUTPUTS];
  size_t slot_bytes;    /* all slots, for one image */
  size_t scratch_bytes; /* that steps share, for one image and one worker */
  size_t arena_bytes;   /* with the scratch of one worker */
  size_t packed_bytes;  /* of the weights that its steps read, shared or not */
  float *posts;         /* one block: all scales and shifts, owned */
  double macs;
  double activation_bytes; /* of all steps' outputs, one image */
};

/* What runs a step: its op, or op/bytes.h in its place. */
const anet__op *anet__step_op(const anet__step *step);
/* What a step's op is called with, but for the pointers to data (in, out, add, scratch). */
void anet__step_call(const anet__step *step, int32_t n, anet_pool *pool, anet__call *call);
/* The calls of a chain of steps, and the chain of these calls. */
anet__fused anet__step_fused(const anet__step *step, int32_t n, anet_pool *pool, anet__call *calls);
/* How a run of n images goes: in parts of so many images, each of which passes all steps before the
 * next begins, so that activations stay in the caches. Apart: every worker takes parts of its own,
 * in an arena of its own; else the workers share each step. Weights that outweigh the activations
 * are read once a part, so there parts are larger. */
typedef struct anet__course {
  bool apart;
  int32_t part;       /* images */
  size_t arena_bytes; /* of one arena: part * slot_bytes, and scratch */
  size_t bytes;       /* of all arenas */
} anet__course;
anet__course anet__plan_course(const anet_plan *plan, int32_t n, anet_pool *pool);
/* Bytes of workspace that runs of the plan need when this pool works. */
size_t anet__plan_arena(const anet_plan *plan, anet_pool *pool);

#endif
