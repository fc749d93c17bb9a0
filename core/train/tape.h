/* A net compiled for training: what runs forward and backward, and where everything lives. */
#ifndef ANET_TAPE_H
#define ANET_TAPE_H

#include "graph/net.h"

/* Time runs once through the nodes forward and once back: node v runs forward at time v and
 * backward at anet__tape_back(v), the losses in between at time `count`. Values, gradients and
 * saved state are alive for a while of it, and those alive together are apart in one block. */

/* One node, of the number it has in the net. */
typedef struct anet__tape_node {
  const anet__op *op;
  anet__op_id id;
  anet_attr attr;
  anet_tensor *param[ANET_MAX_PARAMS]; /* retained */
  int32_t learns[ANET_MAX_PARAMS];     /* number of the tape's parameter, -1: it does not learn */
  int32_t in[ANET_MAX_INPUTS];
  anet__call call; /* all but n, in, training and seed is set when the tape is made */
  bool needed;     /* an output depends on it */
  bool flows;      /* a gradient reaches its value: it depends on a parameter that learns */
  bool output;
  int32_t readers, last_reader, other_reader; /* of the needed: how many, the two last, or -1 */

  /* Forward, an addition and a clamp run in the epilogue of the node before (its head). */
  int32_t tail;   /* the head: the node whose value it writes, else itself */
  int32_t addend; /* the head: the value that its epilogue adds, or -1 */
  bool fused;     /* it runs as part of its head */
  bool masks;     /* norm: its backward undoes the clamp of its only reader as well */

  int32_t value_span, grad_span, saved_span; /* -1: none */
  bool overwritten;                          /* a later node works in place on its value */
  bool grad_joined;   /* its gradient took over the memory of its last reader's */
  const float *value; /* of the batch; an input's is the caller's. NULL: never in memory */
  float *grad;
  bool grad_written; /* in this step's backward pass */
} anet__tape_node;

/* A parameter that learns; nodes that share it share the gradient. */
typedef struct anet__tape_param {
  anet_tensor *tensor; /* borrowed from its nodes */
  anet__param_role role;
  size_t count;
  float *grad; /* (count) dense */
} anet__tape_param;

/* Running statistics that a step changes, kept to undo a step that went wrong. */
typedef struct anet__tape_stat {
  anet_tensor *tensor; /* borrowed from its node */
  float *before;
} anet__tape_stat;

typedef enum anet__tape_state { ANET_TAPE_NEW, ANET_TAPE_FORWARD, ANET_TAPE_STEP } anet__tape_state;

struct anet_tape {
  anet_pool *pool; /* retained */
  const anet__kernels *kernels;
  int32_t batch, count;
  anet__tape_node *node; /* (count) owned */
  int32_t inputs, input[ANET_MAX_INPUTS];
  int32_t outputs, output[ANET_MAX_OUTPUTS];
  bool fixed_norms; /* norms that learn use their running statistics, and leave them */
  bool statistics; /* see anet__tape_new_statistics */

  struct anet__span *span; /* (spans) owned */
  int32_t spans;
  char *block;   /* values, gradients, saved state; owned */
  char *scratch; /* of the op that runs, and of the losses; owned */
  size_t block_bytes, scratch_bytes; /* that this net needs */
  size_t block_room, scratch_room;   /* that there are */

  anet__tape_param *param; /* (params) owned */
  int32_t params;
  anet__tape_stat *stat; /* (stats) owned */
  int32_t stats;
  float *grads; /* of all parameters, one after the other, then stats' `before`; owned */
  size_t grads_count, before_count;

  anet__tape_state state; /* what ran last */
  double loss;            /* of the last step */
};

static inline int32_t anet__tape_back(const anet_tape *tape, int32_t v)
{
  return 2 * tape->count - v;
}

/* A tape that only runs forward, to measure: norms, frozen or not, use the statistics of each batch
 * and leave exactly those in their running ones; all else is as when not training. */
int anet__tape_new_statistics(anet_net *net, int32_t batch, anet_pool *pool, anet_tape **out);

/* Give spans to values, gradients and saved state (tape->span), with fusion and sharing decided. */
int anet__tape_layout(anet_tape *tape);

/* Put the running statistics back to where they were before the last step. */
void anet__tape_undo(anet_tape *tape);

#endif
