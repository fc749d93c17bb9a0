/* Nets of a supernet: what a genome selects, and the oracle with its boundaries as outputs. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/supernet.h"

typedef struct weaver {
  const anet_supernet *supernet;
  const uint8_t *genome;
  anet_net *net;
  int32_t *map;      /* (oracle's count) the oracle's values in net; -1: none (yet), owned */
  int32_t *block_of; /* (oracle's count) position of each node, -1: frozen; owned */
  int32_t *option;   /* (positions) option that stands for each position's block; owned */
  bool *placed;      /* (positions) whether the option that begins there is in net; owned */
} weaver;

static int append_node(weaver *w, int32_t value, int32_t region)
{
  const anet__node *node = anet__net_at(w->supernet->oracle, value);
  int32_t in[ANET_MAX_INPUTS];
  for (int32_t i = 0; i < node->inputs; i++) in[i] = w->map[node->in[i]];
  ANET_TRY(anet__net_append(w->net, node, in, &w->map[value]));
  w->net->node[w->map[value]].region = region;
  return ANET_OK;
}

/* The piece takes the place of its blocks' nodes when the walk meets the first of them. */
static int place_piece(weaver *w, int32_t index)
{
  const anet_option *o = &w->supernet->space->option[index];
  const anet__block *block = w->supernet->blocks->block;
  if (w->placed[o->position]) return ANET_OK;
  w->placed[o->position] = true;
  return anet__net_inline(w->net, w->supernet->piece[index], &w->map[block[o->position].face.entry],
                          o->position, &w->map[block[o->position + o->span - 1].face.exit]);
}

static int weave_node(weaver *w, int32_t value)
{
  const int32_t position = w->block_of[value];
  if (position < 0) return append_node(w, value, -1);
  const int32_t option = w->option[position];
  if (w->supernet->space->option[option].kind == ANET_KEEP) return append_node(w, value, position);
  return place_piece(w, option);
}

static int weave(weaver *w)
{
  const anet_net *oracle = w->supernet->oracle;
  for (int32_t v = 0; v < oracle->count; v++) ANET_TRY(weave_node(w, v));
  for (int32_t i = 0; i < oracle->outputs; i++)
    ANET_TRY(anet_net_output(w->net, w->map[oracle->output[i]]));
  return ANET_OK;
}

static int prepare(weaver *w)
{
  const anet_blocks *blocks = w->supernet->blocks;
  const anet_space *space = w->supernet->space;
  const size_t count = (size_t)w->supernet->oracle->count, positions = (size_t)space->positions;
  w->map = anet__alloc_array(count, sizeof *w->map);
  w->block_of = anet__alloc_array(count, sizeof *w->block_of);
  w->option = anet__alloc_array(positions, sizeof *w->option);
  w->placed = anet__alloc_array(positions, sizeof *w->placed);
  if (!w->map || !w->block_of || !w->option || !w->placed) return ANET_NOMEM;
  memset(w->block_of, -1, count * sizeof *w->block_of);
  for (int32_t p = 0; p < space->positions; p++) {
    const bool covered = w->genome[p] == ANET_COVERED;
    w->option[p] = covered ? w->option[p - 1] : anet_space_index(space, p, w->genome[p]);
    for (int32_t n = 0; n < blocks->block[p].face.nodes; n++)
      w->block_of[blocks->block[p].node[n]] = p;
  }
  return anet_net_new(&w->net);
}

int anet_supernet_subnet(anet_supernet *supernet, const uint8_t *genome, anet_net **out)
{
  weaver w = {.supernet = supernet, .genome = genome};
  *out = NULL;
  ANET_TRY(anet_genome_check(supernet->space, genome));
  int rc = prepare(&w);
  if (!rc) rc = weave(&w);
  anet__free(w.map);
  anet__free(w.block_of);
  anet__free(w.option);
  anet__free(w.placed);
  if (rc)
    anet_net_release(w.net);
  else
    *out = w.net;
  return rc;
}

/* ---- taps -------------------------------------------------------------------------------------
 */

static int append_oracle(const anet_net *oracle, anet_net *net)
{
  int32_t value;
  for (int32_t v = 0; v < oracle->count; v++)
    ANET_TRY(anet__net_append(net, anet__net_at(oracle, v), oracle->node[v].in, &value));
  for (int32_t i = 0; i < oracle->outputs; i++) ANET_TRY(anet_net_output(net, oracle->output[i]));
  return ANET_OK;
}

/* Which output `value` is, appended if it is none yet. */
static int tap(anet_net *net, int32_t value, int32_t *output)
{
  for (int32_t i = 0; i < net->outputs; i++)
    if (net->output[i] == value) return *output = i, ANET_OK;
  *output = net->outputs;
  return anet_net_output(net, value);
}

static int append_taps(const anet_blocks *blocks, anet_net *net, int32_t *entry, int32_t *exit)
{
  for (int32_t p = 0; p < blocks->count; p++) {
    ANET_TRY(tap(net, blocks->block[p].face.entry, &entry[p]));
    ANET_TRY(tap(net, blocks->block[p].face.exit, &exit[p]));
  }
  return ANET_OK;
}

int anet_supernet_taps(anet_supernet *supernet, anet_net **out, int32_t *entry, int32_t *exit)
{
  anet_net *net;
  *out = NULL;
  ANET_TRY(anet_net_new(&net));
  int rc = append_oracle(supernet->oracle, net);
  if (!rc) rc = append_taps(supernet->blocks, net, entry, exit);
  if (rc)
    anet_net_release(net);
  else
    *out = net;
  return rc;
}
