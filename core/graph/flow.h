/* How values flow through a net: dominators, and the steps of its chains. */
#ifndef ANET_FLOW_H
#define ANET_FLOW_H

#include "graph/net.h"

/* A step leads from a value to a later one: a node with one input, or a closed region, where
 * branches part and meet again and nobody outside reads what is in between.
 * Invariants: dominator[v] < v; next[v] > v or -1; next is one to one. */
typedef struct anet__flow {
  const anet_net *net;
  int32_t *readers;   /* (count) nodes and outputs that read a value, with repetition */
  int32_t *dominator; /* (count) the last value before it that all paths from the inputs pass; -1 */
  int32_t *next;      /* (count) the value that the chain's next step leads to; -1: it ends */
  int32_t *inside;    /* (count) of the last mark: how often a value is read there; 0: it is not marked */
  int32_t *mark;      /* (marks) the values marked, in order, but for the entry */
  int32_t marks, entry;
} anet__flow;

int anet__flow_find(const anet_net *net, anet__flow *out);
void anet__flow_free(anet__flow *flow);

/* Mark what lies on paths from `entry` to `exit`, between the two: it takes as long as that is large. Only values
 * after the entry count, which for a region that it dominates are all. */
void anet__flow_mark(anet__flow *flow, int32_t entry, int32_t exit);

#endif
