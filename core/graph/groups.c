/* Channel groups: a union-find over values. */
#include "base/alloc.h"
#include "base/error.h"
#include "graph/blocks.h"

static int32_t find_root(int32_t *parent, int32_t v)
{
  while (parent[v] != v) v = parent[v] = parent[parent[v]];
  return v;
}

/* The lower number becomes the root, so groups come in the order of their first values. */
static void tie(int32_t *parent, int32_t a, int32_t b)
{
  a = find_root(parent, a);
  b = find_root(parent, b);
  if (a < b)
    parent[b] = a;
  else
    parent[a] = b;
}

bool anet__node_keeps_channels(const anet_net *net, int32_t value)
{
  const anet__node *node = anet__net_at(net, value);
  const anet_shape *in = node->inputs ? &net->node[node->in[0]].shape : NULL;
  if (anet__op_activates(node->op)) return true;
  switch (node->op) {
    case ANET_OP_DEPTHWISE:
    case ANET_OP_NORM:
    case ANET_OP_INSTANCE_NORM:
    case ANET_OP_ADD:
    case ANET_OP_MUL:
    case ANET_OP_MAX_POOL:
    case ANET_OP_AVG_POOL:
    case ANET_OP_GLOBAL_POOL:
    case ANET_OP_RESIZE:
    case ANET_OP_DROPOUT:
    case ANET_OP_IDENTITY:
    case ANET_OP_SCALE:
    case ANET_OP_QUANTIZE:
    case ANET_OP_SUB:
    case ANET_OP_DIV:
    case ANET_OP_MINIMUM:
    case ANET_OP_MAXIMUM:
    case ANET_OP_MOD:
    case ANET_OP_EQUAL:
    case ANET_OP_LESS:
    case ANET_OP_LESS_EQUAL:
    case ANET_OP_WHERE:
      return true;
    case ANET_OP_PAD:
      return !anet__node_widens(node);
    case ANET_OP_FLATTEN:
    case ANET_OP_RESHAPE: /* between (c) and (1, 1, c) */
      return anet__shape_size(in) == (size_t)anet__shape_channels(in) &&
             anet__shape_channels(in) == anet__shape_channels(&node->shape);
    default:
      return false;
  }
}

bool anet__node_weighs(const anet__node *node)
{
  return node->op == ANET_OP_LINEAR || (node->op == ANET_OP_CONV && node->attr.groups == 1);
}

static void tie_values(const anet_net *net, int32_t *parent)
{
  for (int32_t v = 0; v < net->count; v++) parent[v] = v;
  for (int32_t v = 0; v < net->count; v++)
    for (int32_t i = 0; anet__node_keeps_channels(net, v) && i < net->node[v].inputs; i++)
      tie(parent, v, net->node[v].in[i]);
}

static int number_groups(const anet_net *net, int32_t *parent, anet__groups *out)
{
  for (int32_t v = 0; v < net->count; v++) {
    const int32_t root = find_root(parent, v);
    out->of[v] = root == v ? out->count++ : out->of[root];
  }
  out->role = anet__alloc_array((size_t)out->count, sizeof *out->role);
  out->channels = anet__alloc_array((size_t)out->count, sizeof *out->channels);
  out->first = anet__alloc_array((size_t)out->count, sizeof *out->first);
  if (!out->role || !out->channels || !out->first) return ANET_NOMEM;
  for (int32_t v = 0; v < net->count; v++)
    out->channels[out->of[v]] = anet__shape_channels(&net->node[v].shape);
  return ANET_OK;
}

static void fix_group(anet__groups *groups, int32_t value, anet__group_role role)
{
  anet__group_role *now = &groups->role[groups->of[value]];
  *now = *now == ANET_GROUP_HIDDEN || *now == role ? role : ANET_GROUP_BOTH;
}

/* What neither keeps channels nor chooses them freely fixes those that it reads and makes. */
static void set_roles(const anet_net *net, anet__groups *groups)
{
  for (int32_t g = 0; g < groups->count; g++) groups->role[g] = ANET_GROUP_HIDDEN;
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = anet__net_at(net, v);
    if (node->op == ANET_OP_INPUT)
      fix_group(groups, v, ANET_GROUP_INPUT);
    else if (!anet__node_weighs(node) && !anet__node_keeps_channels(net, v)) {
      fix_group(groups, v, ANET_GROUP_OUTPUT);
      for (int32_t i = 0; i < node->inputs; i++) fix_group(groups, node->in[i], ANET_GROUP_OUTPUT);
    }
  }
  for (int32_t i = 0; i < net->outputs; i++) fix_group(groups, net->output[i], ANET_GROUP_OUTPUT);
}

static void list_hidden(anet__groups *groups)
{
  for (int32_t g = 0; g < groups->count; g++) {
    const bool hidden = groups->role[g] == ANET_GROUP_HIDDEN;
    groups->first[g] = hidden ? groups->hidden : -1;
    if (hidden) groups->hidden += groups->channels[g];
  }
}

int anet__groups_find(const anet_net *net, anet__groups *out)
{
  *out = (anet__groups){0};
  int32_t *parent = anet__alloc_array((size_t)net->count, sizeof *parent);
  out->of = anet__alloc_array((size_t)net->count, sizeof *out->of);
  int rc = parent && out->of ? ANET_OK : ANET_NOMEM;
  if (!rc) {
    tie_values(net, parent);
    rc = number_groups(net, parent, out);
  }
  if (!rc) {
    set_roles(net, out);
    list_hidden(out);
  }
  anet__free(parent);
  if (rc) anet__groups_free(out);
  return rc;
}

void anet__groups_free(anet__groups *groups)
{
  anet__free(groups->of);
  anet__free(groups->role);
  anet__free(groups->channels);
  anet__free(groups->first);
  *groups = (anet__groups){0};
}

/* Weights are (taps, channels, outputs); a window keeps the taps at one distance. */
void anet__weight_squares(const anet__node *node, double *square)
{
  const anet_tensor *w = node->param[0];
  const int32_t axis = w->shape.rank - 2, channels = w->shape.dim[axis];
  const int32_t outputs = w->shape.dim[axis + 1];
  const int32_t taps = axis > 0 ? w->shape.dim[0] * w->shape.dim[1] : 1;
  for (int32_t t = 0; t < taps; t++)
    for (int32_t c = 0; c < channels; c++) {
      const float *row = anet__f32(w) + (axis > 0 ? t * w->stride[1] : 0) + c * w->stride[axis];
      for (int32_t o = 0; o < outputs; o++) square[c] += (double)row[o] * row[o];
    }
}
