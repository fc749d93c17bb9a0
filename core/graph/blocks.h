/* Blocks found in a net, and the channel groups inside a block: what may be narrowed or widened. */
#ifndef ANET_BLOCKS_H
#define ANET_BLOCKS_H

#include "graph/net.h"

typedef struct anet__block {
  anet_block face;         /* what the public header shows */
  int32_t *node;           /* (face.nodes) nodes of the block in order, owned */
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

/* Channel groups of a net with one input and one output: values whose channels are tied, because
 * elementwise ops, norms and depthwise convolutions join them. */
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
} anet__groups;
int anet__groups_find(const anet_net *net, anet__groups *out);
void anet__groups_free(anet__groups *groups);

#endif
