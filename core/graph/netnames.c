/* Names of nodes and who has them: lists of nodes by the hash of their name. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "graph/net.h"

/* Where the list begins that a name belongs to; there is one if the net has a node. */
static int32_t *list_of(const anet_net *net, const char *name)
{
  return &net->named[anet__hash_text(ANET_HASH_NONE, name) & (uint64_t)(net->lists - 1)];
}

int32_t anet_net_find(const anet_net *net, const char *name)
{
  int32_t v = net->count ? *list_of(net, name) : -1;
  while (v >= 0 && strcmp(net->node[v].name, name) != 0) v = net->node[v].next_named;
  return v;
}

void anet__net_name_add(anet_net *net, int32_t value)
{
  int32_t *first = list_of(net, net->node[value].name);
  net->node[value].next_named = *first;
  *first = value;
}

void anet__net_name_drop(anet_net *net, int32_t value)
{
  int32_t *at = list_of(net, net->node[value].name);
  while (*at != value) at = &net->node[*at].next_named;
  *at = net->node[value].next_named;
}

int anet__net_name_room(anet_net *net)
{
  enum { FIRST = 64 };
  if (net->count < net->lists) return ANET_OK;
  const int32_t lists = net->lists ? 2 * net->lists : FIRST;
  int32_t *named = anet__alloc_array((size_t)lists, sizeof *named);
  if (!named) return ANET_NOMEM;
  anet__free(net->named);
  net->named = named;
  net->lists = lists;
  for (int32_t i = 0; i < lists; i++) named[i] = -1;
  for (int32_t v = 0; v < net->count; v++) anet__net_name_add(net, v);
  return ANET_OK;
}

/* ---- other names ---------------------------------------------------------------------------- */

static bool is_taken(const anet_net *net, char *name, size_t size, const char *base, int32_t number)
{
  snprintf(name, size, "%s_%d", base, number);
  return anet_net_find(net, name) >= 0;
}

/* Numbers are mostly given without gaps, so the first free one is found by doubling and halving:
 * a thousand nodes may want the same name. */
char *anet__net_name_new(const anet_net *net, const char *base)
{
  const size_t size = strlen(base) + 16;
  int32_t taken = 1, number = 2;
  char *name = anet__alloc(size);
  if (!name) return NULL;
  memcpy(name, base, strlen(base) + 1);
  if (anet_net_find(net, name) < 0) return name;
  for (; is_taken(net, name, size, base, number); number *= 2) taken = number;
  while (number - taken > 1) {
    const int32_t middle = taken + (number - taken) / 2;
    *(is_taken(net, name, size, base, middle) ? &taken : &number) = middle;
  }
  snprintf(name, size, "%s_%d", base, number);
  return name;
}

int anet__net_rename(anet_net *net, int32_t value, const char *base)
{
  char *own = anet__net_name_new(net, base);
  if (!own) return ANET_NOMEM;
  anet__net_name_drop(net, value);
  anet__free(net->node[value].name);
  net->node[value].name = own;
  anet__net_name_add(net, value);
  return ANET_OK;
}
