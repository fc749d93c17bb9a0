/* One block instead of several. A merge over blocks first .. last has
 *   the structure and hidden width of the first, with the last's channels at its exit;
 *   the greatest stride of the covered blocks, carried by its spatial convolution;
 *   a shortcut where shapes agree; where they do not, a 1x1 convolution in its place, but none in
 *   an inverted residual;
 *   its weights from the first block wherever a window of a tensor fits, else random. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/piece.h"

typedef enum joint { JOINT_NONE, JOINT_IDENTITY, JOINT_BRANCH, JOINT_PROJECT } joint;

typedef struct merger {
  const anet_block *first, *last;
  int32_t span;
  anet_net *from;     /* the first block's net */
  anet__flow flow;    /* of from */
  int32_t sum;        /* its addition, -1: it has none */
  int32_t main, side; /* inputs of the sum: the block's own, and the shortcut's */
  joint joint;
  int32_t carrier;   /* node that carries the stride, -1: all is as in the first block */
  int32_t stride[2]; /* by which the carrier's is multiplied */
  int32_t *channels; /* (from->count) that each value is to have; 0: as it has */
  bool *dropped;     /* (from->count) nodes of a shortcut that goes */
  int32_t *map;      /* (from->count) values in net */
  anet_net *net;
} merger;

static const anet__node *node_at(const merger *m, int32_t value)
{
  return anet__net_at(m->from, value);
}

/* ---- the shortcut ------------------------------------------------------------------------------
 */

static bool is_inverted(const merger *m)
{
  return strcmp(m->first->kind, "inverted") == 0;
}

/* Is there a convolution on the shortcut? The mark is left for drop_side. */
static bool side_convolves(merger *m)
{
  const int32_t root = m->flow.dominator[m->sum];
  anet__flow_mark(&m->flow, root, m->side);
  for (int32_t v = root + 1; v <= m->side; v++)
    if ((v == m->side || m->flow.inside[v]) && anet__op_convolves(node_at(m, v)->op)) return true;
  return false;
}

static void choose_joint(merger *m)
{
  if (m->sum < 0) {
    const bool fits = anet__shape_equal(&m->first->in, &m->last->out);
    m->joint = is_inverted(m) && fits ? JOINT_IDENTITY : JOINT_NONE;
    return;
  }
  const anet_shape *root = &node_at(m, m->flow.dominator[m->sum])->shape;
  if (anet__shape_equal(root, &m->last->out))
    m->joint = JOINT_IDENTITY;
  else if (is_inverted(m))
    m->joint = JOINT_NONE;
  else
    m->joint = m->carrier < 0 && side_convolves(m) ? JOINT_BRANCH : JOINT_PROJECT;
}

/* What only the shortcut needs goes with it. */
static void drop_side(merger *m)
{
  if (m->sum < 0 || m->joint == JOINT_BRANCH) return;
  const int32_t root = m->flow.dominator[m->sum];
  anet__flow_mark(&m->flow, root, m->side);
  for (int32_t v = root + 1; v <= m->side; v++)
    m->dropped[v] = v == m->side || m->flow.inside[v] > 0;
  anet__flow_mark(&m->flow, root, m->main);
  for (int32_t v = root + 1; v <= m->main; v++)
    if (v == m->main || m->flow.inside[v] > 0) m->dropped[v] = false;
}

/* ---- the stride --------------------------------------------------------------------------------
 */

static bool is_spatial(const anet__node *node)
{
  return node->op == ANET_OP_DEPTHWISE || (node->op == ANET_OP_CONV && !anet__node_is_point(node));
}

/* Of the convolutions that all paths pass: the first spatial one, else the first. */
static int32_t find_carrier(const merger *m)
{
  int32_t any = -1, spatial = -1;
  for (int32_t v = m->main; v >= 0; v = m->flow.dominator[v]) {
    const anet__node *node = node_at(m, v);
    if (is_spatial(node))
      spatial = v;
    else if (node->op == ANET_OP_CONV)
      any = v;
  }
  return spatial >= 0 ? spatial : any;
}

static int choose_carrier(merger *m)
{
  bool strided = false;
  m->carrier = -1;
  for (int32_t i = 0; i < 2; i++) {
    const double own = (double)m->first->in.dim[i] / m->first->out.dim[i];
    const double all = (double)m->first->in.dim[i] / m->last->out.dim[i];
    m->stride[i] = (int32_t)(lround(all) / ANET_MAX(1, lround(own)));
    strided |= m->stride[i] > 1;
  }
  if (!strided) return ANET_OK;
  m->carrier = find_carrier(m);
  if (m->carrier >= 0) return ANET_OK;
  return anet_fail(ANET_UNSUPPORTED, "merge: block '%s' has no convolution to carry a stride of %d",
                   m->first->name, ANET_MAX(m->stride[0], m->stride[1]));
}

/* ---- the channels -------------------------------------------------------------------------------
 */

static int want_channels(merger *m, int32_t value, int32_t channels);

/* Parts that can change share what the others leave, in proportion. */
static int want_parts(merger *m, const anet__node *concat, int32_t channels)
{
  int32_t fixed = 0, old = 0, left = channels;
  for (int32_t i = 0; i < concat->inputs; i++) {
    const int32_t part = anet__shape_channels(&node_at(m, concat->in[i])->shape);
    *(node_at(m, concat->in[i])->op == ANET_OP_INPUT ? &fixed : &old) += part;
  }
  left -= fixed;
  for (int32_t i = 0; i < concat->inputs; i++) {
    if (node_at(m, concat->in[i])->op == ANET_OP_INPUT) continue;
    const int32_t part = anet__shape_channels(&node_at(m, concat->in[i])->shape);
    const int32_t share = old ? (int32_t)((int64_t)part * left / old) : 0;
    if (share < 1)
      return anet_fail(ANET_UNSUPPORTED,
                       "merge: block '%s' cannot have %d channels of which %d are "
                       "its input's",
                       m->first->name, channels, fixed);
    ANET_TRY(want_channels(m, concat->in[i], share));
    left -= share;
    old -= part;
  }
  return ANET_OK;
}

/* Make `value` have so many channels: found back to the convolutions that make them. */
static int want_channels(merger *m, int32_t value, int32_t channels)
{
  const anet__node *node = node_at(m, value);
  if (anet__shape_channels(&node->shape) == channels) return ANET_OK;
  m->channels[value] = channels;
  if (node->op == ANET_OP_LINEAR) return ANET_OK;
  if (node->op == ANET_OP_CONV && channels % node->attr.groups == 0) return ANET_OK;
  if (node->op == ANET_OP_CONCAT && node->attr.axis == 0) return want_parts(m, node, channels);
  if (node->op == ANET_OP_INPUT || !anet__node_keeps_channels(m->from, value))
    return anet_fail(ANET_UNSUPPORTED,
                     "merge: block '%s' cannot have %d channels at its exit, %s "
                     "'%s' stands in the way",
                     m->first->name, channels, anet__op_get(node->op)->name, node->name);
  for (int32_t i = 0; i < node->inputs; i++) {
    if (value == m->sum && node->in[i] == m->side && m->joint != JOINT_BRANCH) continue;
    ANET_TRY(want_channels(m, node->in[i], channels));
  }
  return ANET_OK;
}

/* ---- building -----------------------------------------------------------------------------------
 */

static int append(merger *m, const anet__node *node, const char *suffix, const int32_t *in,
                  int32_t *value)
{
  char name[ANET_PIECE_NAME];
  snprintf(name, sizeof name, "%.200s.m%d%s", node->name, m->span, suffix);
  return anet__net_append_new(m->net, node, name, in, value);
}

static bool has_norms(const merger *m)
{
  for (int32_t v = 0; v < m->from->count; v++)
    if (node_at(m, v)->op == ANET_OP_NORM) return true;
  return false;
}

/* 1x1 convolution, and a norm where the block has them, from `value` to the shape of `like`. */
static int project(merger *m, const anet__node *sum, int32_t *value, const anet_shape *like)
{
  const anet_shape *in = &m->net->node[*value].shape;
  const bool norms = has_norms(m);
  anet__node conv = {.op = ANET_OP_CONV, .name = sum->name, .inputs = 1, .region = -1};
  const anet__node norm = {.op = ANET_OP_NORM, .name = sum->name, .inputs = 1, .region = -1};
  conv.attr = (anet_attr){.kernel = {1, 1}, .channels = like->dim[2], .bias = !norms};
  for (int32_t i = 0; i < 2; i++)
    conv.attr.stride[i] = (int32_t)lround((double)in->dim[i] / like->dim[i]);
  ANET_TRY(append(m, &conv, ".project", value, value));
  return norms ? append(m, &norm, ".norm", value, value) : ANET_OK;
}

/* Add the shortcut to `main`, in place of node `sum` of the first block. */
static int join(merger *m, const anet__node *sum, int32_t main, int32_t root, int32_t *value)
{
  const anet_shape like = m->net->node[main].shape;
  int32_t side = root;
  *value = main;
  if (m->joint == JOINT_NONE) return ANET_OK;
  if (m->joint == JOINT_PROJECT) ANET_TRY(project(m, sum, &side, &like));
  return append(m, sum, "", (const int32_t[]){main, side}, value);
}

static int clone(merger *m, int32_t value)
{
  anet__node node = *node_at(m, value);
  int32_t in[ANET_MAX_INPUTS];
  if (m->channels[value]) anet__node_set_channels(&node, m->channels[value]);
  for (int32_t i = 0; value == m->carrier && i < 2; i++) node.attr.stride[i] *= m->stride[i];
  for (int32_t i = 0; i < node.inputs; i++) in[i] = m->map[node.in[i]];
  return append(m, &node, "", in, &m->map[value]);
}

static int build_node(merger *m, int32_t value)
{
  const anet__node *node = node_at(m, value);
  if (m->dropped[value]) return ANET_OK;
  if (node->op == ANET_OP_INPUT)
    return anet_net_input(m->net, node->name, &node->shape, &m->map[value]);
  if (value == m->sum && m->joint != JOINT_BRANCH)
    return join(m, node, m->map[m->main], m->map[m->flow.dominator[value]], &m->map[value]);
  return clone(m, value);
}

static int build(merger *m)
{
  const int32_t exit = m->from->output[0];
  char got[ANET_SHAPE_TEXT], want[ANET_SHAPE_TEXT];
  for (int32_t v = 0; v < m->from->count; v++) m->map[v] = -1;
  for (int32_t v = 0; v < m->from->count; v++) ANET_TRY(build_node(m, v));
  int32_t value = m->map[exit];
  if (m->sum < 0 && m->joint == JOINT_IDENTITY) {
    const anet__node sum = {
        .op = ANET_OP_ADD, .name = (char *)m->first->name, .inputs = 2, .region = -1};
    ANET_TRY(join(m, &sum, value, m->map[m->from->input[0]], &value));
  }
  const anet_shape *shape = &m->net->node[value].shape;
  if (!anet__shape_equal(shape, &m->last->out))
    return anet_fail(ANET_SHAPE, "merge: '%s' over %d blocks makes %s, want %s", m->first->name,
                     m->span, anet__shape_text(shape, got), anet__shape_text(&m->last->out, want));
  return anet_net_output(m->net, value);
}

/* ---- weights
 * ------------------------------------------------------------------------------------- */

/* The largest window that both have, at the origin. */
static int copy_window(anet_tensor *to, anet_tensor *from)
{
  const int32_t begin[ANET_MAX_RANK] = {0};
  anet_shape size = to->shape;
  anet_tensor *target, *source;
  for (int32_t i = 0; i < size.rank; i++) size.dim[i] = ANET_MIN(size.dim[i], from->shape.dim[i]);
  ANET_TRY(anet_tensor_view(to, begin, &size, &target));
  int rc = anet_tensor_view(from, begin, &size, &source);
  if (!rc) {
    rc = anet_tensor_copy(target, source);
    anet_tensor_release(source);
  }
  anet_tensor_release(target);
  return rc;
}

/* A norm of other channels starts anew: statistics of some of them are no start for the rest. */
static int copy_params(const anet__node *from, anet__node *to)
{
  for (int32_t p = 0; p < from->params; p++) {
    const bool same = anet__shape_equal(&from->param[p]->shape, &to->param[p]->shape);
    if (same || from->op != ANET_OP_NORM) ANET_TRY(copy_window(to->param[p], from->param[p]));
  }
  return ANET_OK;
}

static int fill_weights(merger *m)
{
  ANET_TRY(anet_net_freeze(m->net, -1, 0));
  ANET_TRY(anet_net_init(m->net, m->span));
  for (int32_t v = 0; v < m->from->count; v++)
    if (m->map[v] >= 0 && m->net->node[m->map[v]].op == node_at(m, v)->op)
      ANET_TRY(copy_params(node_at(m, v), &m->net->node[m->map[v]]));
  return ANET_OK;
}

/* ---- all together
 * --------------------------------------------------------------------------------- */

static int allocate(merger *m)
{
  const size_t count = (size_t)m->from->count;
  m->channels = anet__alloc_array(count, sizeof *m->channels);
  m->dropped = anet__alloc_array(count, sizeof *m->dropped);
  m->map = anet__alloc_array(count, sizeof *m->map);
  if (!m->channels || !m->dropped || !m->map) return ANET_NOMEM;
  ANET_TRY(anet__flow_find(m->from, &m->flow));
  return anet_net_new(&m->net);
}

static int take_first(merger *m, const anet_blocks *blocks, int32_t position)
{
  const anet__block *block = &blocks->block[position];
  int32_t *map = anet__alloc_array((size_t)blocks->net->count, sizeof *map);
  if (!map) return ANET_NOMEM;
  const int rc = anet__piece_keep(blocks, position, map, &m->from);
  if (!rc) {
    m->sum = block->sum < 0 ? -1 : map[block->sum];
    m->main = m->from->output[0];
    m->side = -1;
    if (m->sum >= 0) {
      m->main = m->from->node[m->sum].in[1 - block->shortcut];
      m->side = m->from->node[m->sum].in[block->shortcut];
    }
  }
  anet__free(map);
  return rc;
}

static int merge(merger *m, const anet_blocks *blocks, int32_t position)
{
  ANET_TRY(take_first(m, blocks, position));
  ANET_TRY(allocate(m));
  ANET_TRY(choose_carrier(m));
  choose_joint(m);
  drop_side(m);
  ANET_TRY(want_channels(m, m->from->output[0], anet__shape_channels(&m->last->out)));
  ANET_TRY(build(m));
  return fill_weights(m);
}

int anet__piece_merge(const anet_blocks *blocks, int32_t position, int32_t span, anet_net **out)
{
  merger m = {.first = &blocks->block[position].face,
              .last = &blocks->block[position + span - 1].face,
              .span = span};
  *out = NULL;
  const int rc = merge(&m, blocks, position);
  anet__flow_free(&m.flow);
  anet__free(m.channels);
  anet__free(m.dropped);
  anet__free(m.map);
  anet_net_release(m.from);
  if (rc)
    anet_net_release(m.net);
  else
    *out = m.net;
  return rc;
}
