/* Narrower blocks. A position's hidden channels are sorted once, the most important first; every
 * width then is a prefix of the same buffers, so a switch of width copies nothing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/piece.h"

void anet__node_set_channels(anet__node *node, int32_t channels)
{
  if (node->op == ANET_OP_CONV || node->op == ANET_OP_LINEAR) node->attr.channels = channels;
  if (node->op == ANET_OP_RESHAPE) node->attr.dim[node->shape.rank - 1] = channels;
}

int anet__piece_hidden(const anet_net *piece, int32_t *out)
{
  anet__groups groups;
  ANET_TRY(anet__groups_find(piece, &groups));
  *out = groups.hidden;
  anet__groups_free(&groups);
  return ANET_OK;
}

/* ---- which dimensions are whose channels ----------------------------------------------------- */

/* Group of dimension `dim` of parameter `index` of node `value`; -1: no channels. */
static int32_t group_of_dim(const anet_net *net, const anet__groups *groups, int32_t value,
                            int32_t index, int32_t dim)
{
  const anet__node *node = anet__net_at(net, value);
  const int32_t rank = node->param[index]->shape.rank;
  if (dim == rank - 1) return groups->of[value];
  const bool reads = anet__node_weighs(node) && index == 0 && dim == rank - 2;
  return reads ? groups->of[node->in[0]] : -1;
}

static bool is_hidden(const anet__groups *groups, int32_t group)
{
  return group >= 0 && groups->role[group] == ANET_GROUP_HIDDEN;
}

/* ---- ranking ----------------------------------------------------------------------------------
 */

typedef struct ranking {
  anet_net *net;
  anet__groups groups;
  double *score;  /* (hidden) importance */
  int32_t *order; /* (hidden) channels of each group, the most important first */
  float *scratch; /* of the largest parameter */
} ranking;

/* Highest score first, then lowest channel; insertion keeps equals in order. */
static void sort_group(const double *score, int32_t channels, int32_t *order)
{
  for (int32_t c = 0; c < channels; c++) {
    int32_t at = c;
    for (; at > 0 && score[order[at - 1]] < score[c]; at--) order[at] = order[at - 1];
    order[at] = c;
  }
}

/* Gather the parameter's dimension `dim` in the given order. */
static void permute(anet_tensor *param, int32_t dim, const int32_t *order, float *scratch)
{
  size_t outer = 1, inner = 1;
  const size_t channels = (size_t)param->shape.dim[dim];
  for (int32_t i = 0; i < dim; i++) outer *= (size_t)param->shape.dim[i];
  for (int32_t i = dim + 1; i < param->shape.rank; i++) inner *= (size_t)param->shape.dim[i];
  float *data = anet__f32(param);
  for (size_t o = 0; o < outer; o++)
    for (size_t c = 0; c < channels; c++)
      memcpy(scratch + (o * channels + c) * inner, data + (o * channels + (size_t)order[c]) * inner,
             inner * sizeof *data);
  memcpy(data, scratch, outer * channels * inner * sizeof *data);
}

static void permute_params(ranking *r, int32_t value)
{
  const anet__node *node = anet__net_at(r->net, value);
  for (int32_t p = 0; p < node->params; p++)
    for (int32_t d = 0; d < node->param[p]->shape.rank; d++) {
      const int32_t group = group_of_dim(r->net, &r->groups, value, p, d);
      if (is_hidden(&r->groups, group))
        permute(node->param[p], d, r->order + r->groups.first[group], r->scratch);
    }
}

static int ranking_new(ranking *r)
{
  size_t most = 0;
  ANET_TRY(anet__groups_find(r->net, &r->groups));
  for (int32_t v = 0; v < r->net->count; v++)
    for (int32_t p = 0; p < r->net->node[v].params; p++)
      most = ANET_MAX(most, anet__shape_size(&r->net->node[v].param[p]->shape));
  r->score = anet__alloc_array((size_t)r->groups.hidden, sizeof *r->score);
  r->order = anet__alloc_array((size_t)r->groups.hidden, sizeof *r->order);
  r->scratch = anet__alloc_array(most, sizeof *r->scratch);
  return r->score && r->order && r->scratch ? ANET_OK : ANET_NOMEM;
}

static void score_channels(ranking *r, const float *importance)
{
  for (int32_t c = 0; importance && c < r->groups.hidden; c++) r->score[c] = importance[c];
  for (int32_t v = 0; !importance && v < r->net->count; v++) {
    const anet__node *node = anet__net_at(r->net, v);
    const int32_t first = node->inputs ? r->groups.first[r->groups.of[node->in[0]]] : -1;
    if (first >= 0 && anet__node_weighs(node)) anet__weight_squares(node, r->score + first);
  }
}

static void rank_channels(ranking *r)
{
  for (int32_t g = 0; g < r->groups.count; g++) {
    const int32_t first = r->groups.first[g];
    if (first >= 0) sort_group(r->score + first, r->groups.channels[g], r->order + first);
  }
  for (int32_t v = 0; v < r->net->count; v++) permute_params(r, v);
}

int anet__piece_rank(const anet_net *block, const float *importance, anet_net **out)
{
  ranking r = {0};
  *out = NULL;
  ANET_TRY(anet_net_copy(block, &r.net));
  int rc = ranking_new(&r);
  if (!rc) {
    score_channels(&r, importance);
    rank_channels(&r);
    rc = anet_net_freeze(r.net, -1, 0);
  }
  anet__free(r.scratch);
  anet__free(r.order);
  anet__free(r.score);
  anet__groups_free(&r.groups);
  if (rc)
    anet_net_release(r.net);
  else
    *out = r.net;
  return rc;
}

/* ---- shrinking
 * ----------------------------------------------------------------------------------- */

/* Channels that stay of a group. */
static int32_t narrowed(int32_t channels, float width)
{
  const long steps = lroundf(width * (float)channels / ANET_CHANNEL_STEP);
  return ANET_MIN(channels, ANET_CHANNEL_STEP * (int32_t)ANET_MAX(1, steps));
}

/* Parameters of the narrow node: windows of the wide one's; a norm's are copies. */
static int take_windows(anet_net *net, int32_t value, const anet__node *wide)
{
  const int32_t begin[ANET_MAX_RANK] = {0};
  for (int32_t p = 0; p < wide->params; p++) {
    anet_tensor *own = net->node[value].param[p], *window;
    ANET_TRY(anet_tensor_view(wide->param[p], begin, &own->shape, &window));
    const int rc = wide->op == ANET_OP_NORM ? anet_tensor_copy(own, window)
                                            : anet_net_set_param(net, value, p, window);
    anet_tensor_release(window);
    if (rc) return rc;
  }
  return ANET_OK;
}

static int narrow_node(const anet_net *ranked, int32_t value, int32_t channels, int32_t hidden,
                       int32_t *map, anet_net *net)
{
  char name[ANET_PIECE_NAME];
  anet__node node = *anet__net_at(ranked, value);
  int32_t in[ANET_MAX_INPUTS];
  if (node.op == ANET_OP_INPUT) return anet_net_input(net, node.name, &node.shape, &map[value]);
  anet__node_set_channels(&node, channels);
  snprintf(name, sizeof name, "%.200s.s%d", node.name, hidden);
  for (int32_t i = 0; i < node.inputs; i++) in[i] = map[node.in[i]];
  ANET_TRY(anet__net_append_new(net, &node, name, in, &map[value]));
  return take_windows(net, map[value], anet__net_at(ranked, value));
}

static int narrow_nodes(const anet_net *ranked, const anet__groups *groups, float width,
                        int32_t *map, anet_net *net)
{
  int32_t hidden = 0;
  for (int32_t g = 0; g < groups->count; g++)
    if (is_hidden(groups, g)) hidden += narrowed(groups->channels[g], width);
  if (hidden == groups->hidden)
    return anet_fail(ANET_RANGE, "shrink: width %g of %d hidden channels leaves all of them", width,
                     hidden);
  for (int32_t v = 0; v < ranked->count; v++) {
    const int32_t channels = anet__shape_channels(&ranked->node[v].shape);
    ANET_TRY(narrow_node(ranked, v,
                         is_hidden(groups, groups->of[v]) ? narrowed(channels, width) : channels,
                         hidden, map, net));
  }
  return anet_net_output(net, map[ranked->output[0]]);
}

int anet__piece_shrink(const anet_net *ranked, float width, anet_net **out)
{
  anet__groups groups;
  anet_net *net = NULL;
  *out = NULL;
  ANET_TRY(anet__groups_find(ranked, &groups));
  int32_t *map = anet__alloc_array((size_t)ranked->count, sizeof *map);
  int rc = map ? anet_net_new(&net) : ANET_NOMEM;
  if (!rc) rc = narrow_nodes(ranked, &groups, width, map, net);
  anet__free(map);
  anet__groups_free(&groups);
  if (rc)
    anet_net_release(net);
  else
    *out = net;
  return rc;
}
