/* Networks out of networks: extracting a part, inlining a piece, copying. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/net.h"

int anet__net_readers(const anet_net *net, int32_t **readers)
{
  int32_t *count = *readers = anet__alloc_array((size_t)net->count, sizeof *count);
  if (!count) return ANET_NOMEM;
  for (int32_t v = 0; v < net->count; v++)
    for (int32_t i = 0; i < net->node[v].inputs; i++) count[net->node[v].in[i]]++;
  for (int32_t i = 0; i < net->outputs; i++) count[net->output[i]]++;
  return ANET_OK;
}

/* Append node `value` of `from`, reading the values that map gives; map learns its number. */
static int carry(anet_net *net, const anet_net *from, int32_t value, int32_t *map)
{
  const anet__node *node = anet__net_at(from, value);
  int32_t in[ANET_MAX_INPUTS];
  for (int32_t i = 0; i < node->inputs; i++) in[i] = map[node->in[i]];
  return anet__net_append(net, node, in, &map[value]);
}

/* ---- extract ------------------------------------------------------------------------------ */

enum { MAP_NONE = -1, MAP_WANTED = -2 }; /* instead of a number in the new net */

static int check_values(const anet_net *net, const int32_t *value, int32_t count)
{
  for (int32_t i = 0; i < count; i++)
    if (value[i] < 0 || value[i] >= net->count)
      return anet_fail(ANET_RANGE, "there is no value %d, the net has %d", value[i], net->count);
  return ANET_OK;
}

/* The entries become inputs under their own names. */
static int extract_entries(const anet_net *net, const int32_t *entry, int32_t entries, int32_t *map,
                           anet_net *part)
{
  for (int32_t i = 0; i < entries; i++) {
    anet__node input = {
        .op = ANET_OP_INPUT, .name = net->node[entry[i]].name, .shape = net->node[entry[i]].shape};
    ANET_TRY(anet__net_append(part, &input, NULL, &map[entry[i]]));
  }
  return ANET_OK;
}

/* Marks what the exits need, back to the entries. */
static void extract_mark(const anet_net *net, const int32_t *exit, int32_t exits, int32_t *map)
{
  for (int32_t i = 0; i < exits; i++)
    if (map[exit[i]] == MAP_NONE) map[exit[i]] = MAP_WANTED;
  for (int32_t v = net->count - 1; v >= 0; v--) {
    const anet__node *node = anet__net_at(net, v);
    for (int32_t i = 0; map[v] == MAP_WANTED && i < node->inputs; i++)
      if (map[node->in[i]] == MAP_NONE) map[node->in[i]] = MAP_WANTED;
  }
}

static int extract_nodes(const anet_net *net, const int32_t *exit, int32_t exits, int32_t *map,
                         anet_net *part)
{
  for (int32_t v = 0; v < net->count; v++) {
    if (map[v] != MAP_WANTED) continue;
    if (net->node[v].op == ANET_OP_INPUT)
      return anet_fail(ANET_STATE, "the part needs input '%s', which is not among its entries",
                       net->node[v].name);
    ANET_TRY(carry(part, net, v, map));
  }
  for (int32_t i = 0; i < exits; i++) ANET_TRY(anet_net_output(part, map[exit[i]]));
  return ANET_OK;
}

int anet__net_extract(const anet_net *net, const int32_t *entry, int32_t entries,
                      const int32_t *exit, int32_t exits, int32_t *map, anet_net **out)
{
  anet_net *part = NULL;
  int32_t *number = NULL;
  int rc;
  *out = NULL;
  ANET_TRY(check_values(net, entry, entries));
  ANET_TRY(check_values(net, exit, exits));
  number = anet__alloc_array((size_t)net->count, sizeof *number);
  if (!number) return ANET_NOMEM;
  for (int32_t v = 0; v < net->count; v++) number[v] = MAP_NONE;
  if ((rc = anet_net_new(&part)) || (rc = extract_entries(net, entry, entries, number, part)))
    goto done;
  extract_mark(net, exit, exits, number);
  if ((rc = extract_nodes(net, exit, exits, number, part))) goto done;
  if (map) memcpy(map, number, (size_t)net->count * sizeof *map);
  *out = part;
  part = NULL;
done:
  anet_net_release(part);
  anet__free(number);
  return rc;
}

static int by_value(const void *a, const void *b)
{
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return x < y ? -1 : x > y;
}

/* The number in the part of `value`, which is the entry (0) or one of the nodes (1, 2, …). */
static int32_t number_in(const int32_t *node, int32_t nodes, int32_t entry, int32_t value)
{
  if (value == entry) return 0;
  const int32_t *at = bsearch(&value, node, (size_t)nodes, sizeof *node, by_value);
  return at ? (int32_t)(at - node) + 1 : -1;
}

static int fill_region(const anet_net *net, int32_t entry, const int32_t *node, int32_t nodes,
                       anet_net *part)
{
  const anet__node *from = anet__net_at(net, entry);
  const anet__node input = {.op = ANET_OP_INPUT, .name = from->name, .shape = from->shape};
  int32_t value, in[ANET_MAX_INPUTS];
  ANET_TRY(anet__net_append(part, &input, NULL, &value));
  for (int32_t n = 0; n < nodes; n++) {
    const anet__node *own = anet__net_at(net, node[n]);
    for (int32_t i = 0; i < own->inputs; i++) in[i] = number_in(node, nodes, entry, own->in[i]);
    ANET_TRY(anet__net_append(part, own, in, &value));
  }
  return anet_net_output(part, value);
}

int anet__net_region(const anet_net *net, int32_t entry, const int32_t *node, int32_t nodes,
                     anet_net **out)
{
  *out = NULL;
  ANET_TRY(anet_net_new(out));
  const int rc = fill_region(net, entry, node, nodes, *out);
  if (!rc) return ANET_OK;
  anet_net_release(*out);
  *out = NULL;
  return rc;
}

/* ---- inline and copy ---------------------------------------------------------------------- */

int anet__net_inline(anet_net *net, const anet_net *piece, const int32_t *in, int32_t region,
                     int32_t *out)
{
  int32_t before = net->count, inputs = 0;
  int rc = ANET_OK;
  int32_t *map = anet__alloc_array((size_t)piece->count, sizeof *map);
  if (!map) return ANET_NOMEM;
  for (int32_t v = 0; v < piece->count && !rc; v++) {
    if (piece->node[v].op == ANET_OP_INPUT) {
      map[v] = in[inputs++];
      continue;
    }
    rc = carry(net, piece, v, map);
    if (!rc) net->node[map[v]].region = region;
  }
  for (int32_t i = 0; i < piece->outputs && !rc; i++) out[i] = map[piece->output[i]];
  if (rc) anet__net_truncate(net, before);
  anet__free(map);
  return rc;
}

/* The node's parameters, each replaced by a dense copy. */
static int own_params(anet__node *node)
{
  for (int32_t i = 0; i < node->params; i++) {
    anet_tensor *copy;
    ANET_TRY(anet_tensor_new(node->param[i]->type, &node->param[i]->shape, &copy));
    int rc = anet_tensor_copy(copy, node->param[i]);
    if (rc) {
      anet_tensor_release(copy);
      return rc;
    }
    anet_tensor_release(node->param[i]);
    node->param[i] = copy;
  }
  return ANET_OK;
}

/* A copy of a whole net keeps the numbers of its values. */
int anet_net_copy(const anet_net *net, anet_net **out)
{
  anet_net *copy;
  int32_t value;
  int rc = ANET_OK;
  *out = NULL;
  ANET_TRY(anet_net_new(&copy));
  for (int32_t v = 0; v < net->count && !rc; v++) {
    rc = anet__net_append(copy, &net->node[v], net->node[v].in, &value);
    if (!rc) rc = own_params(&copy->node[v]);
  }
  for (int32_t i = 0; i < net->outputs && !rc; i++) rc = anet_net_output(copy, net->output[i]);
  if (rc) {
    anet_net_release(copy);
    return rc;
  }
  *out = copy;
  return ANET_OK;
}
