#include "graph/chain.h"

#include "base/alloc.h"
#include "base/error.h"

/* ---- what a step does ------------------------------------------------------------------------ */

bool anet__op_activates(anet__op_id op)
{
  return op >= ANET_OP_RELU && op <= ANET_OP_THRESHOLD;
}

bool anet__op_convolves(anet__op_id op)
{
  return op == ANET_OP_CONV || op == ANET_OP_DEPTHWISE || op == ANET_OP_LINEAR;
}

bool anet__node_widens(const anet__node *node)
{
  return node->op == ANET_OP_PAD && (node->attr.dim[0] || node->attr.dim[1]);
}

bool anet__node_is_point(const anet__node *node)
{
  return node->op == ANET_OP_CONV && node->attr.kernel[0] == 1 && node->attr.kernel[1] == 1 &&
         node->attr.groups == 1;
}

/* x * f(x): an activation spelled out if there is nothing that learns in f. The mark is the
 * region's. */
static anet__token product_token(const anet__flow *flow)
{
  for (int32_t i = 0; i < flow->marks; i++)
    if (!anet__op_activates(flow->net->node[flow->mark[i]].op)) return ANET_TOKEN_GATE;
  return ANET_TOKEN_ACTIVATION;
}

static anet__token token_of(const anet__flow *flow, const anet__item *item)
{
  const anet__node *node = anet__net_at(flow->net, item->exit);
  if (anet__op_activates(node->op)) return ANET_TOKEN_ACTIVATION;
  switch (node->op) {
    case ANET_OP_CONV:
      return anet__node_is_point(node) ? ANET_TOKEN_POINT : ANET_TOKEN_SPATIAL;
    case ANET_OP_DEPTHWISE:
      return ANET_TOKEN_DEPTHWISE;
    case ANET_OP_NORM:
    case ANET_OP_INSTANCE_NORM:
    case ANET_OP_LAYER_NORM:
      return ANET_TOKEN_NORM;
    case ANET_OP_ADD:
      return ANET_TOKEN_SUM;
    case ANET_OP_CONCAT:
      return node->attr.axis == 0 ? ANET_TOKEN_CONCAT : ANET_TOKEN_OTHER;
    case ANET_OP_MUL:
      return product_token(flow);
    case ANET_OP_PAD:
      return anet__node_widens(node) ? ANET_TOKEN_OTHER : ANET_TOKEN_PASS;
    case ANET_OP_DROPOUT:
    case ANET_OP_IDENTITY:
    case ANET_OP_SCALE:
      return ANET_TOKEN_PASS;
    default:
      return ANET_TOKEN_OTHER;
  }
}

/* ---- the walk ---------------------------------------------------------------------------------
 */

typedef struct walker {
  anet__flow *flow;
  anet__chains *chains;
  bool *seen; /* (count) nodes that are in an item */
  int32_t items, capacity, chain_capacity;
} walker;

static int add_item(walker *w, int32_t entry, int32_t exit)
{
  anet__chains *c = w->chains;
  anet__item item = {.entry = entry, .exit = exit};
  ANET_TRY(anet__grow((void **)&c->item, &w->capacity, w->items, sizeof *c->item));
  anet__flow_mark(w->flow, entry, exit);
  item.token = token_of(w->flow, &item);
  item.joined = w->flow->inside[entry] == w->flow->readers[entry];
  for (int32_t i = 0; i < w->flow->marks; i++) w->seen[w->flow->mark[i]] = true;
  w->seen[exit] = true;
  c->item[w->items++] = item;
  return ANET_OK;
}

/* How many items patterns pass over from each on, to get to one that they name. */
static void count_passed(anet__item *item, int32_t items)
{
  for (int32_t i = items - 1; i >= 0; i--) {
    const bool goes_on = i + 1 < items && item[i + 1].joined && item[i + 1].passed >= 0;
    item[i].passed = item[i].token != ANET_TOKEN_PASS ? 0 : goes_on ? item[i + 1].passed + 1 : -1;
  }
}

/* The chain whose first step leads from `entry` to `exit`. */
static int add_chain(walker *w, int32_t entry, int32_t exit)
{
  anet__chains *c = w->chains;
  for (; exit >= 0; entry = exit, exit = w->flow->next[exit]) ANET_TRY(add_item(w, entry, exit));
  ANET_TRY(anet__grow((void **)&c->first, &w->chain_capacity, c->count + 1, sizeof *c->first));
  const int32_t first = c->first[c->count];
  count_passed(c->item + first, w->items - first);
  c->first[++c->count] = w->items;
  return ANET_OK;
}

static int walk(walker *w)
{
  const anet_net *net = w->flow->net;
  ANET_TRY(anet__grow((void **)&w->chains->first, &w->chain_capacity, 0, sizeof(int32_t)));
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = anet__net_at(net, v);
    if (w->seen[v]) continue;
    if (node->inputs == 1)
      ANET_TRY(add_chain(w, node->in[0], v));
    else if (w->flow->next[v] >= 0)
      ANET_TRY(add_chain(w, v, w->flow->next[v]));
  }
  return ANET_OK;
}

int anet__chains_find(anet__flow *flow, anet__chains *out)
{
  walker w = {.flow = flow, .chains = out};
  *out = (anet__chains){0};
  w.seen = anet__alloc_array((size_t)flow->net->count, sizeof *w.seen);
  if (!w.seen) return ANET_NOMEM;
  const int rc = walk(&w);
  anet__free(w.seen);
  if (rc) anet__chains_free(out);
  return rc;
}

void anet__chains_free(anet__chains *chains)
{
  anet__free(chains->item);
  anet__free(chains->first);
  *chains = (anet__chains){0};
}
