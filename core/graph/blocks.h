/* Blocks found in a net, and the channel groups inside a block: what may be narrowed or widened. */
#ifndef ANET_BLOCKS_H
#define ANET_BLOCKS_H

#include "graph/chain.h"

typedef struct anet__block {
  anet_block face;         /* what the public header shows */
  int32_t *node;           /* (face.nodes) nodes of the block in order, owned */
  int32_t sum, shortcut;   /* the addition of a residual block and which of its inputs is the
                              shortcut; -1: the block has none */
} anet__block;

/* Invariants: blocks are in topological order and disjoint; block i+1 of the same trunk starts where
 * block i ends (its entry is i's exit). */
struct anet_blocks {
  atomic_int refs;
  anet_net *net;           /* retained */
  anet__block *block;      /* (count) owned */
  int32_t count;
  struct anet_frozen *frozen; /* (frozen_count) owned */
  int32_t frozen_count;
};

/* The shortcut among the inputs of addition `sum`, whose branches part at its dominator: the lighter
 * of two branches, if it has no spatial convolution; -1: none. */
int32_t anet__shortcut_find(anet__flow *flow, int32_t sum);
/* What kind of residual block the branches of `sum` make. */
const char *anet__residual_kind(anet__flow *flow, int32_t sum, int32_t shortcut);

/* Fill in the faces of blocks whose kind, trunk, entry, exit, nodes and shortcut are known; trunks are
 * numbered anew, without gaps. */
int anet__blocks_face(anet_blocks *blocks);

/* Narrowed groups have a multiple of so many channels, which the kernels like, and at least as many. */
enum { ANET_CHANNEL_STEP = 4 };

static inline int32_t anet__shape_channels(const anet_shape *shape)
{
  return shape->rank ? shape->dim[shape->rank - 1] : 1;
}

/* Are the node's channels those of its inputs, one for one? */
bool anet__node_keeps_channels(const anet_net *net, int32_t value);

/* Channel groups of a net with one input and one output: values whose channels are tied, because
 * elementwise ops, norms and depthwise convolutions join them. Concatenations, grouped convolutions
 * and what else does not keep channels apart fix those that they read and make. */
typedef enum anet__group_role {
  ANET_GROUP_INPUT,   /* tied to the net's input: fixed by what comes before */
  ANET_GROUP_OUTPUT,  /* tied to the net's output: fixed by what comes after */
  ANET_GROUP_BOTH,    /* an identity shortcut ties the two */
  ANET_GROUP_HIDDEN   /* free: shrinks and merges may change it */
} anet__group_role;
typedef struct anet__groups {
  int32_t *of;                /* (net->count) group of each value's channels */
  int32_t count;
  anet__group_role *role;     /* (count) */
  int32_t *channels;          /* (count) */
  int32_t *first;             /* (count) where a hidden group begins in a list of all hidden groups'
                                 channels, in order; -1: not hidden */
  int32_t hidden;             /* length of that list */
} anet__groups;
int anet__groups_find(const anet_net *net, anet__groups *out);
void anet__groups_free(anet__groups *groups);

/* Does this node weigh each channel that it reads (a linear layer, a convolution of one group)? */
bool anet__node_weighs(const anet__node *node);
/* square[c] += the squares of the weights with which such a node reads channel c. */
void anet__weight_squares(const anet__node *node, double *square);

#endif
