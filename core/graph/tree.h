/* Trees of nodes 0 (the root), 1, 2, …, in which ancestors are found in as many steps as a depth has digits. */
#ifndef ANET_TREE_H
#define ANET_TREE_H

#include "base/compiler.h"

/* jump: an ancestor that lies as far up as skew binary numbers say (Myers 1983), so that two ways up of the same depth
 * jump alike. */
typedef struct anet__tree {
  int32_t *parent, *depth, *jump; /* (nodes) one block, owned by parent */
} anet__tree;

int anet__tree_new(int32_t nodes, anet__tree *out);
void anet__tree_free(anet__tree *tree);
/* Hang a node, once, on one that hangs already. */
void anet__tree_hang(anet__tree *tree, int32_t node, int32_t parent);
/* The ancestor of a node, or itself, at this depth; its own must be at least that. */
int32_t anet__tree_up(const anet__tree *tree, int32_t node, int32_t depth);
/* The deepest node that both hang below, or are. */
int32_t anet__tree_meet(const anet__tree *tree, int32_t a, int32_t b);

#endif
