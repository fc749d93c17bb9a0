/* The graph: nodes in topological order, each with one output value of the same number. */
#ifndef ANET_NET_H
#define ANET_NET_H

#include "op/op.h"

typedef struct anet__node {
  anet__op_id op;
  char *name;                          /* unique in the net; owned; anet__net_rename changes it */
  int32_t next_named;                  /* in its list of names; -1: it is the last */
  int32_t inputs, in[ANET_MAX_INPUTS]; /* in[i] < this node's number */
  anet_attr attr;                      /* defaults filled in */
  anet_shape shape;                    /* of one image */
  int32_t params;
  anet_tensor *param[ANET_MAX_PARAMS]; /* retained; the shape that the op's `params` says */
  bool frozen;
  int32_t region; /* position in a subnet's space; -1: outside all */
} anet__node;

/* Invariants: every in[] is smaller than its node's number; names are unique; inputs are nodes of
 * op `input`; all parameter shapes fit their op. */
struct anet_net {
  atomic_int refs;
  anet__node *node; /* (count), owned */
  int32_t count, capacity;
  int32_t *named, lists; /* (lists), owned: the first node of each list of names, -1: none; netnames.c */
  int32_t inputs, input[ANET_MAX_INPUTS];
  int32_t outputs, output[ANET_MAX_OUTPUTS];
};

static inline const anet__node *anet__net_at(const anet_net *net, int32_t value)
{
  return &net->node[value];
}

/* Make the message of a failure one of this node's, "conv 'stem': …" (an op's own message begins
 * with its name, others do not), and give rc back. */
int anet__node_fail(const anet__node *node, int rc);
/* `base`, or with a suffix "_2", "_3", … that makes it unique; NULL: out of memory. The caller frees. */
char *anet__net_name_new(const anet_net *net, const char *base);
int anet__net_rename(anet_net *net, int32_t value, const char *base); /* to one that name_new makes */
/* Room for one more name; the node's name is, or is no longer, found. What adds and drops nodes calls them. */
int anet__net_name_room(anet_net *net);
void anet__net_name_add(anet_net *net, int32_t value);
void anet__net_name_drop(anet_net *net, int32_t value);
/* Append a copy of `node` whose inputs are `in` and whose parameters are shared with it; a name
 * that is taken gets a suffix. Shapes are inferred anew, parameter shapes checked. */
int anet__net_append(anet_net *net, const anet__node *node, const int32_t *in, int32_t *value);
/* As append, under another name, and with parameters of its own (zeros, shapes by the op). */
int anet__net_append_new(anet_net *net, const anet__node *node, const char *name, const int32_t *in,
                         int32_t *value);
/* Drop the nodes from number `count` on (inputs among them too; no output may be one of them): what
 * undoes a half-done change. */
void anet__net_truncate(anet_net *net, int32_t count);
/* Shapes of what node `value` reads: in (its inputs). */
void anet__net_in_shapes(const anet_net *net, int32_t value, anet_shape *in);
/* What its parameters are: spec (ANET_MAX_PARAMS); gives their number. */
int32_t anet__net_specs(const anet_net *net, int32_t value, anet__param_spec *spec);
/* readers[v]: how many nodes and outputs read value v; (count), the caller frees. */
int anet__net_readers(const anet_net *net, int32_t **readers);
/* The part of `net` from `entry` values (they become inputs, in order) to `exit` values (outputs):
 * only nodes that the exits need, parameters shared. map (net->count, may be NULL): new number
 * of each value, -1 where it has none. ANET_STATE if the exits need an input outside `entry`. */
int anet__net_extract(const anet_net *net, const int32_t *entry, int32_t entries,
                      const int32_t *exit, int32_t exits, int32_t *map, anet_net **out);
/* As extract, of a region whose nodes (in order, the last one its exit) read only each other and `entry`: it takes as
 * long as the region is large, not the net. */
int anet__net_region(const anet_net *net, int32_t entry, const int32_t *node, int32_t nodes,
                     anet_net **out);
/* Append all nodes of `piece` to net with its inputs bound to `in`; out (piece->outputs) = values.
 */
int anet__net_inline(anet_net *net, const anet_net *piece, const int32_t *in, int32_t region,
                     int32_t *out);

/* JSON of the structure (no weights) and back; parameters are named "node.param" and looked up by
 * `find`, whose tensors are borrowed. Declared here, implemented in graph/netjson.c. */
struct json_t;
typedef int anet__net_find_param(void *context, const char *name, anet_tensor **out);
int anet__net_to_json(const anet_net *net, struct json_t **out);
int anet__net_from_json(const struct json_t *json, anet__net_find_param *find, void *context,
                        anet_net **out);

#endif
