/* A net compiled for training: what runs forward and backward, and where everything lives. */
#ifndef ANET_TAPE_H
#define ANET_TAPE_H

#include "base/index.h"
#include "graph/answers.h"

/* Nodes run in stages. A stage is a few nodes that run one after the other on a few images at a
 * time, so that what one writes the next still finds in the cache; or one node that wants the whole
 * batch. A stage ends where the statistics of a batch are needed: it makes the sums for the norms
 * that read what it wrote, and these begin later stages. Backward it is the same with gradients.
 *
 * Images go in parts, which threads share; sums over the batch, gradients of parameters among them,
 * are made part by part and added in order. Parts and chunks depend on the net and the batch alone.
 *
 * Time is counted in stages: forward from 0, the losses, and back. Values, gradients and saved state
 * are alive for a while of it, and those alive together are apart in one block. */
typedef struct anet__tape_stage {
  int32_t first, count; /* of its nodes in tape->order */
  bool by_image;        /* else it is one node on the whole batch */
  bool band;            /* a depthwise convolution and a norm, some lines at a time (op/band.h) */
  int32_t units;        /* of an image: 1, or its pixels where nodes treat each on its own */
  int32_t part, chunk;  /* units; chunk <= part */
  int32_t norm, norms;  /* in tape->measured: norms whose sums it makes, once its nodes have run */
  size_t worker, worker_floats; /* scratch: from where on, and how much a worker */
} anet__tape_stage;

/* One node, of the number it has in the net. */
typedef struct anet__tape_node {
  const anet__op *op;
  anet__op_id id;
  anet_attr attr;
  anet_tensor *param[ANET_MAX_PARAMS]; /* retained */
  int32_t learns[ANET_MAX_PARAMS];     /* number of the tape's parameter, -1: it does not learn */
  int32_t in[ANET_MAX_INPUTS];
  anet__call call; /* all but n, in, training and seed is set when the tape is made */
  anet__grad_call grad_call; /* of this step's backward pass */
  bool wanted;               /* of it: a gradient comes in and one goes out */
  bool needed;     /* an output depends on it */
  bool flows;      /* a gradient reaches its value: it depends on a parameter that learns */
  bool output;
  int32_t readers, last_reader, other_reader; /* of the needed: how many, the two last, or -1 */
  int32_t first_reader;

  int32_t time, back_time;       /* of its stages */
  int32_t measure, measure_back; /* norm: the stage, by its time, that makes its sums; -1: its own */
  /* Scratch of its stages, in floats. */
  size_t packed_at, packed_back_at, partial_at[ANET_MAX_PARAMS], sums_at, sums_back_at;

  /* Forward, an addition and a clamp run in the epilogue of the node before (its head). */
  int32_t tail;   /* the head: the node whose value it writes, else itself */
  int32_t addend; /* the head: the value that its epilogue adds, or -1 */
  int32_t norm;   /* the head: the frozen norm in its epilogue, or -1 */
  bool fused;     /* it runs as part of its head, */
  int32_t head;   /* which is part of, or is, the node that runs */
  bool masks;     /* norm: its backward undoes the clamp of its only reader as well */

  /* What never leaves a stage has memory of a chunk's size, of the worker's own. */
  bool value_local; /* all who read it run in its stage */
  bool value_again; /* but for the backward pass of its only reader: that makes it again, by a norm */
  bool grad_local;  /* its reader's backward pass and its own are in one stage */
  size_t value_at, value_back_at, grad_at; /* in the worker's scratch */

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
  int32_t *reader;       /* nodes that are needed, by what they read, in order; owned */
  int32_t *reader_of;    /* (count + 1) where in it those of each value begin; owned */
  int32_t inputs, input[ANET_MAX_INPUTS];
  int32_t outputs, output[ANET_MAX_OUTPUTS];
  anet_answers answers[ANET_MAX_OUTPUTS]; /* of each output; losses of answers sit on the logits */
  bool fixed_norms; /* norms that learn use their running statistics, and leave them */
  bool statistics; /* see anet__tape_new_statistics */
  bool stale;      /* stages and memory are of other norms: to be laid out again */

  anet__tape_stage *stage; /* (forward + backward) owned; forward ones first, in order of time */
  int32_t forward, backward;
  int32_t *order, ordered;   /* (2 * count) nodes, as stages run them; owned */
  int32_t *measured, measures; /* (2 * count) norms, as stages sum for them; owned */

  struct anet__span *span; /* (spans) owned */
  int32_t spans;
  char *block;   /* values, gradients, saved state; owned */
  char *scratch; /* of the op that runs, and of the losses; owned */
  size_t block_bytes, scratch_bytes; /* that this net needs */
  size_t block_room, scratch_room;   /* that there are */

  anet__tape_param *param; /* (params) owned */
  anet__index storages;    /* of param: by their storages; while it is compiled */
  int32_t params;
  anet__tape_stat *stat; /* (stats) owned */
  int32_t stats;
  float *grads; /* of all parameters, one after the other, then stats' `before`; owned */
  size_t grads_count, before_count;

  anet__tape_state state; /* what ran last */
  double loss;            /* of the last step */
};

/* The times of the losses and of the last stage. */
static inline int32_t anet__tape_loss_time(const anet_tape *tape)
{
  return tape->forward;
}

static inline int32_t anet__tape_end(const anet_tape *tape)
{
  return tape->forward + tape->backward;
}

/* Does a norm use the batch's statistics, when training? */
static inline bool anet__tape_batch_norm(const anet_tape *tape, int32_t v)
{
  return tape->node[v].id == ANET_OP_NORM && !tape->node[v].call.frozen;
}

/* Does node v learn though its statistics are fixed? Its own stage makes its sums. */
static inline bool anet__tape_fixed_norm(const anet_tape *tape, int32_t v)
{
  const anet__tape_node *node = &tape->node[v];
  return node->id == ANET_OP_NORM && node->call.frozen && (node->learns[0] >= 0 || node->learns[1] >= 0);
}

/* Lay a stale tape out again. ANET_NOMEM: it stays stale. */
int anet__tape_refresh(anet_tape *tape);

/* A tape that only runs forward, to measure: norms, frozen or not, use the statistics of each batch
 * and leave exactly those in their running ones; all else is as when not training. */
int anet__tape_new_statistics(anet_net *net, int32_t batch, anet_pool *pool, anet_tape **out);

/* Give a call of the stage the shapes of a unit. */
static inline void anet__tape_unit(const anet__tape_stage *stage, anet__call *call)
{
  if (stage->units == 1) return;
  for (int32_t i = 0; i < call->inputs; i++)
    call->in_shape[i].dim[0] = call->in_shape[i].dim[1] = 1;
  call->out_shape.dim[0] = call->out_shape.dim[1] = 1;
}

/* Cut the net into stages, once epilogues are known. */
int anet__tape_stages(anet_tape *tape);
/* Give stages their scratch; the most floats that one needs. */
int anet__tape_stage_scratch(anet_tape *tape, size_t *floats);

/* Give spans to values, gradients and saved state (tape->span), with fusion and sharing decided. */
int anet__tape_layout(anet_tape *tape);

/* Run all stages; calls were prepared for n images. Backward prepares its own as it goes. */
int anet__tape_run_forward(anet_tape *tape, int32_t n);
int anet__tape_run_backward(anet_tape *tape, int32_t n);
void anet__tape_prepare_back(anet_tape *tape, int32_t v);

/* Put the running statistics back to where they were before the last step. */
void anet__tape_undo(anet_tape *tape);

#endif
