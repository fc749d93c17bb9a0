/* Residual blocks: which branch of an addition is the shortcut, and what the other one is. */
#include <string.h>

#include "graph/blocks.h"

/* The convolutions on the way from the sum's dominator to one of its inputs, in order, a letter
 * each: p point, c spatial, d depthwise. Those of squeezed images (one pixel) do not count. */
enum { MOST_LETTERS = 15 };
typedef struct branch {
  char letters[MOST_LETTERS + 1];
  int32_t convs, nodes;
  bool spatial;
} branch;

static bool squeezed(const anet_shape *shape)
{
  return shape->rank < 3 || (shape->dim[0] == 1 && shape->dim[1] == 1);
}

static char letter_of(const anet__node *node)
{
  if (node->op == ANET_OP_DEPTHWISE) return ANET_TOKEN_DEPTHWISE;
  return anet__node_is_point(node) ? ANET_TOKEN_POINT : ANET_TOKEN_SPATIAL;
}

/* `small`: the block's own image is one pixel, so that size tells nothing. */
static void count_node(const anet__node *node, bool small, branch *b)
{
  b->nodes++;
  if (!anet__op_convolves(node->op) || node->op == ANET_OP_LINEAR) return;
  if (!small && squeezed(&node->shape)) return;
  const char letter = letter_of(node);
  if (b->convs < MOST_LETTERS) b->letters[b->convs] = letter;
  b->convs++;
  b->spatial |= letter != ANET_TOKEN_POINT;
}

static branch walk_branch(anet__flow *flow, int32_t sum, int32_t input)
{
  const anet_net *net = flow->net;
  const int32_t entry = flow->dominator[sum], end = net->node[sum].in[input];
  const bool small = squeezed(&net->node[sum].shape);
  branch b = {0};
  if (end == entry) return b;
  anet__flow_mark(flow, entry, end);
  for (int32_t i = 0; i < flow->marks; i++) count_node(anet__net_at(net, flow->mark[i]), small, &b);
  count_node(anet__net_at(net, end), small, &b);
  return b;
}

static bool is_lighter(const branch *a, const branch *b)
{
  return a->convs != b->convs ? a->convs < b->convs : a->nodes < b->nodes;
}

int32_t anet__shortcut_find(anet__flow *flow, int32_t sum)
{
  const anet__node *node = anet__net_at(flow->net, sum);
  if (node->inputs != 2) return -1;
  const branch b[2] = {walk_branch(flow, sum, 0), walk_branch(flow, sum, 1)};
  const int32_t lighter = is_lighter(&b[0], &b[1]) ? 0 : 1;
  const anet_shape *shape = &flow->net->node[node->in[lighter]].shape;
  if (b[lighter].spatial || b[1 - lighter].convs == 0) return -1;
  return anet__shape_equal(shape, &node->shape) ? lighter : -1;
}

const char *anet__residual_kind(anet__flow *flow, int32_t sum, int32_t shortcut)
{
  if (shortcut < 0) return "residual";
  const branch b = walk_branch(flow, sum, 1 - shortcut);
  const char *depthwise = strchr(b.letters, ANET_TOKEN_DEPTHWISE);
  if (depthwise && !strchr(depthwise + 1, ANET_TOKEN_DEPTHWISE)) return "inverted";
  if (strcmp(b.letters, "cc") == 0) return "basic";
  if (strcmp(b.letters, "pcp") == 0) return "bottleneck";
  return "residual";
}
