#include "graph/flow.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* ---- dominators ---------------------------------------------------------------------------- */

/* Nodes are in topological order, so one pass finds them (Cooper, Harvey & Kennedy 2001). */
static int32_t meet(const int32_t *dominator, int32_t a, int32_t b)
{
  while (a != b) {
    if (a > b)
      a = dominator[a];
    else
      b = dominator[b];
  }
  return a;
}

static void find_dominators(const anet_net *net, int32_t *dominator)
{
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = anet__net_at(net, v);
    dominator[v] = node->inputs ? node->in[0] : -1;
    for (int32_t i = 1; i < node->inputs; i++)
      dominator[v] = meet(dominator, dominator[v], node->in[i]);
  }
}

/* ---- regions -------------------------------------------------------------------------------- */

static void count_reads(const anet__node *node, int32_t *inside)
{
  for (int32_t i = 0; i < node->inputs; i++) inside[node->in[i]]++;
}

bool anet__flow_mark(anet__flow *flow, int32_t entry, int32_t exit)
{
  memset(flow->inside + entry, 0, (size_t)(exit - entry + 1) * sizeof *flow->inside);
  count_reads(anet__net_at(flow->net, exit), flow->inside);
  for (int32_t v = exit - 1; v > entry; v--) { /* all its readers were seen before it */
    if (!flow->inside[v]) continue;
    if (flow->inside[v] != flow->readers[v]) return false;
    count_reads(anet__net_at(flow->net, v), flow->inside);
  }
  return true;
}

/* A region around smaller things than a block: a decoder that comes back to a larger size, or a
 * shortcut over whole residual blocks. The mark is the region's. */
static bool is_nest(const anet__flow *flow, const bool *closed, int32_t entry, int32_t exit)
{
  for (int32_t v = entry + 1; v < exit; v++) {
    const anet__op_id op = anet__net_at(flow->net, v)->op;
    if (!flow->inside[v]) continue;
    if (op == ANET_OP_RESIZE || op == ANET_OP_CONV_TRANSPOSE) return true;
    if (op == ANET_OP_ADD && closed[v] && flow->dominator[v] != entry) return true;
  }
  return false;
}

/* next[e] = the exit of the largest region that begins at e and is no nest. */
static int find_regions(anet__flow *flow)
{
  const anet_net *net = flow->net;
  bool *closed = anet__alloc_array((size_t)net->count, sizeof *closed);
  if (!closed) return ANET_NOMEM;
  for (int32_t v = 0; v < net->count; v++) {
    const int32_t entry = flow->dominator[v];
    if (net->node[v].inputs < 2 || entry < 0) continue;
    closed[v] = anet__flow_mark(flow, entry, v);
    if (closed[v] && !is_nest(flow, closed, entry, v)) flow->next[entry] = v;
  }
  anet__free(closed);
  return ANET_OK;
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
  int rc = out->dominator && out->next && out->inside ? ANET_OK : ANET_NOMEM;
  if (!rc) rc = anet__net_readers(net, &out->readers);
  if (!rc) {
    for (int32_t v = 0; v < net->count; v++) out->next[v] = -1;
    find_dominators(net, out->dominator);
    rc = find_regions(out);
  }
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
  *flow = (anet__flow){0};
}
