#include "graph/flow.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/tree.h"

/* ---- trees ----------------------------------------------------------------------------------- */

/* What finding regions needs. Value v is node v + 1 of the trees, whose root stands before the
 * inputs or behind the outputs and the values that nobody reads. */
typedef struct finder {
  anet__flow *flow;
  anet__tree before, behind; /* dominators, and their like from the ends */
  int32_t *fate; /* (count) the first node of `behind` that all of v and of what leads to it, since
                    their common dominator, must pass */
  bool *closed;  /* (count) v ends a closed region */
  bool *deep;    /* (count) something that makes a nest is dominated by v */
  bool *nest;    /* (count) the same of what leads to v since its dominator */
} finder;

/* Nodes are in topological order, so one pass finds dominators (Cooper, Harvey & Kennedy 2001). */
static void find_before(finder *f)
{
  const anet_net *net = f->flow->net;
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = anet__net_at(net, v);
    int32_t meet = node->inputs ? node->in[0] + 1 : 0;
    for (int32_t i = 1; i < node->inputs; i++)
      meet = anet__tree_meet(&f->before, meet, node->in[i] + 1);
    anet__tree_hang(&f->before, v + 1, meet);
    f->flow->dominator[v] = meet - 1;
  }
}

/* The same from behind; `fate` holds what the readers so far meet in, -1: none. */
static void find_behind(finder *f)
{
  const anet_net *net = f->flow->net;
  int32_t *meet = f->fate;
  for (int32_t v = 0; v < net->count; v++) meet[v] = -1;
  for (int32_t i = 0; i < net->outputs; i++) meet[net->output[i]] = 0;
  for (int32_t v = net->count - 1; v >= 0; v--) {
    const anet__node *node = anet__net_at(net, v);
    anet__tree_hang(&f->behind, v + 1, ANET_MAX(meet[v], 0));
    for (int32_t i = 0; i < node->inputs; i++) {
      int32_t *in = &meet[node->in[i]];
      *in = *in < 0 ? v + 1 : anet__tree_meet(&f->behind, *in, v + 1);
    }
  }
}

/* ---- regions -------------------------------------------------------------------------------- */

/* What input i of v comes through: the value that v's dominator dominates directly; -1: it is the
 * dominator. */
static int32_t branch_of(const finder *f, int32_t v, int32_t i)
{
  const int32_t entry = f->flow->dominator[v] + 1, in = anet__net_at(f->flow->net, v)->in[i] + 1;
  if (in == entry) return -1;
  return anet__tree_up(&f->before, in, f->before.depth[entry] + 1) - 1;
}

/* The region between v and its dominator is closed if from all that leads to v since then every way
 * goes through v. It is enough to look at one value of each branch, for the rest of it lies behind
 * that. */
static void find_closed(finder *f)
{
  const anet_net *net = f->flow->net;
  const anet__tree *behind = &f->behind;
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = anet__net_at(net, v);
    int32_t fate = v + 1;
    bool closed = node->inputs > 1 && f->flow->dominator[v] >= 0;
    for (int32_t i = 0; i < node->inputs; i++) {
      const int32_t branch = branch_of(f, v, i);
      if (branch < 0) continue;
      const int32_t to = f->fate[branch];
      closed = closed && behind->depth[to] >= behind->depth[v + 1] &&
               anet__tree_up(behind, to, behind->depth[v + 1]) == v + 1;
      fate = anet__tree_meet(behind, fate, to);
    }
    f->fate[v] = fate;
    f->closed[v] = closed;
  }
}

static bool changes_size(const anet__node *node)
{
  return node->op == ANET_OP_RESIZE || node->op == ANET_OP_CONV_TRANSPOSE;
}

/* Around smaller things than a block: a decoder that comes back to a larger size, or whole residual
 * blocks, which are those that end between but do not begin where the region does. */
static void find_nests(finder *f)
{
  const anet_net *net = f->flow->net;
  for (int32_t v = net->count - 1; v >= 0; v--) {
    const anet__node *node = anet__net_at(net, v);
    const int32_t entry = f->flow->dominator[v];
    const bool own = changes_size(node) || (node->op == ANET_OP_ADD && f->closed[v]);
    if (entry >= 0) f->deep[entry] |= own || f->deep[v];
  }
  for (int32_t v = 0; v < net->count; v++)
    for (int32_t i = 0; i < net->node[v].inputs; i++) {
      const int32_t branch = branch_of(f, v, i);
      if (branch < 0) continue;
      f->nest[v] |= f->nest[branch] || f->deep[branch] || changes_size(anet__net_at(net, branch));
    }
}

/* next[e] = the exit of the largest region that begins at e and is no nest. */
static void find_regions(finder *f)
{
  anet__flow *flow = f->flow;
  find_before(f);
  find_behind(f);
  find_closed(f);
  find_nests(f);
  for (int32_t v = 0; v < flow->net->count; v++)
    if (f->closed[v] && !f->nest[v]) flow->next[flow->dominator[v]] = v;
}

static int finder_new(anet__flow *flow, finder *f)
{
  const int32_t count = flow->net->count;
  *f = (finder){.flow = flow};
  ANET_TRY(anet__tree_new(count + 1, &f->before));
  ANET_TRY(anet__tree_new(count + 1, &f->behind));
  f->fate = anet__alloc_array((size_t)count, sizeof *f->fate);
  f->closed = anet__alloc_array((size_t)count, 3 * sizeof *f->closed);
  f->deep = f->closed + count;
  f->nest = f->deep + count;
  return f->fate && f->closed ? ANET_OK : ANET_NOMEM;
}

static void finder_free(finder *f)
{
  anet__tree_free(&f->before);
  anet__tree_free(&f->behind);
  anet__free(f->fate);
  anet__free(f->closed);
}

/* ---- marks ---------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return x < y ? -1 : x > y;
}

static void mark_inputs(anet__flow *flow, int32_t v, int32_t entry)
{
  const anet__node *node = anet__net_at(flow->net, v);
  for (int32_t i = 0; i < node->inputs; i++) {
    const int32_t in = node->in[i];
    if (in < entry) continue;
    if (flow->inside[in]++ == 0 && in > entry) flow->mark[flow->marks++] = in;
  }
}

void anet__flow_mark(anet__flow *flow, int32_t entry, int32_t exit)
{
  for (int32_t i = 0; i < flow->marks; i++) flow->inside[flow->mark[i]] = 0;
  flow->inside[flow->entry] = 0;
  flow->entry = entry;
  flow->marks = 0;
  mark_inputs(flow, exit, entry);
  for (int32_t i = 0; i < flow->marks; i++) mark_inputs(flow, flow->mark[i], entry);
  if (flow->marks > 1) qsort(flow->mark, (size_t)flow->marks, sizeof *flow->mark, ascending);
}

/* ---- chains --------------------------------------------------------------------------------- */

/* Where no region begins, the chain goes on with the reader that leads furthest. */
static int find_next(anet__flow *flow)
{
  const anet_net *net = flow->net;
  int32_t *length = anet__alloc_array((size_t)net->count, sizeof *length);
  int32_t *reader = anet__alloc_array((size_t)net->count, sizeof *reader);
  for (int32_t v = net->count - 1; length && reader && v >= 0; v--) {
    const anet__node *node = anet__net_at(net, v);
    if (flow->next[v] < 0 && reader[v]) flow->next[v] = reader[v];
    length[v] = flow->next[v] < 0 ? 1 : 1 + length[flow->next[v]];
    if (node->inputs != 1) continue;
    const int32_t from = node->in[0];
    if (!reader[from] || length[v] >= length[reader[from]]) reader[from] = v;
  }
  const int rc = length && reader ? ANET_OK : ANET_NOMEM;
  anet__free(length);
  anet__free(reader);
  return rc;
}

int anet__flow_find(const anet_net *net, anet__flow *out)
{
  const size_t count = (size_t)net->count;
  *out = (anet__flow){.net = net};
  out->dominator = anet__alloc_array(count, sizeof(int32_t));
  out->next = anet__alloc_array(count, sizeof(int32_t));
  out->inside = anet__alloc_array(count, sizeof(int32_t));
  out->mark = anet__alloc_array(count, sizeof(int32_t));
  finder f = {0};
  int rc = out->dominator && out->next && out->inside && out->mark ? ANET_OK : ANET_NOMEM;
  if (!rc) rc = anet__net_readers(net, &out->readers);
  if (!rc) rc = finder_new(out, &f);
  for (int32_t v = 0; v < net->count && !rc; v++) out->next[v] = -1;
  if (!rc) find_regions(&f);
  finder_free(&f);
  if (!rc) rc = find_next(out);
  if (rc) anet__flow_free(out);
  return rc;
}

void anet__flow_free(anet__flow *flow)
{
  anet__free(flow->readers);
  anet__free(flow->dominator);
  anet__free(flow->next);
  anet__free(flow->inside);
  anet__free(flow->mark);
  *flow = (anet__flow){0};
}
