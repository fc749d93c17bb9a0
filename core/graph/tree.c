#include "graph/tree.h"

#include "base/alloc.h"
#include "base/error.h"

int anet__tree_new(int32_t nodes, anet__tree *out)
{
  const size_t count = (size_t)nodes;
  *out = (anet__tree){.parent = anet__alloc_array(count, 3 * sizeof *out->parent)};
  if (!out->parent) return ANET_NOMEM;
  out->depth = out->parent + count;
  out->jump = out->depth + count;
  return ANET_OK;
}

void anet__tree_free(anet__tree *tree)
{
  anet__free(tree->parent);
  *tree = (anet__tree){0};
}

void anet__tree_hang(anet__tree *tree, int32_t node, int32_t parent)
{
  const int32_t near = tree->jump[parent], far = tree->jump[near];
  const int32_t *depth = tree->depth;
  tree->parent[node] = parent;
  tree->depth[node] = depth[parent] + 1;
  tree->jump[node] = depth[parent] - depth[near] == depth[near] - depth[far] ? far : parent;
}

int32_t anet__tree_up(const anet__tree *tree, int32_t node, int32_t depth)
{
  while (tree->depth[node] > depth)
    node = tree->depth[tree->jump[node]] >= depth ? tree->jump[node] : tree->parent[node];
  return node;
}

int32_t anet__tree_meet(const anet__tree *tree, int32_t a, int32_t b)
{
  a = anet__tree_up(tree, a, tree->depth[b]);
  b = anet__tree_up(tree, b, tree->depth[a]);
  while (a != b) {
    const bool far = tree->jump[a] != tree->jump[b];
    a = far ? tree->jump[a] : tree->parent[a];
    b = far ? tree->jump[b] : tree->parent[b];
  }
  return a;
}
