/* Norms for options of blocks that have none. Where an exporter has folded the norms into the weights, an
 * option gets norms of its own again, one behind each convolution; they cost nothing when it runs. At
 * first they change nothing: the bias is their shift. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/piece.h"

enum { GAMMA, BETA, MEAN, VARIANCE };

static bool has_norms(const anet_net *net)
{
  for (int32_t v = 0; v < net->count; v++)
    if (net->node[v].op == ANET_OP_NORM) return true;
  return false;
}

/* A convolution of an image, with a bias. Gates of one pixel do without. */
static bool wants_norm(const anet__node *node)
{
  const bool convolves = node->op == ANET_OP_CONV || node->op == ANET_OP_DEPTHWISE;
  return convolves && node->attr.bias && node->shape.dim[0] * node->shape.dim[1] > 1;
}

bool anet__norm_is_neutral(const anet__node *node)
{
  if (node->op != ANET_OP_NORM) return false;
  const float variance = 1.0F - node->attr.epsilon;
  for (int32_t c = 0; c < node->param[GAMMA]->shape.dim[0]; c++)
    if (anet__f32(node->param[GAMMA])[c] != 1.0F || anet__f32(node->param[MEAN])[c] != 0.0F ||
        anet__f32(node->param[VARIANCE])[c] != variance)
      return false;
  return true;
}

static void set_neutral(anet__node *norm, const anet_tensor *bias)
{
  for (int32_t c = 0; c < bias->shape.dim[0]; c++) {
    anet__f32(norm->param[GAMMA])[c] = 1.0F;
    anet__f32(norm->param[BETA])[c] = anet__f32(bias)[c];
    anet__f32(norm->param[MEAN])[c] = 0.0F;
    anet__f32(norm->param[VARIANCE])[c] = 1.0F - norm->attr.epsilon;
  }
}

/* The convolution without its bias, which shares the weights, and a norm behind it. */
static int append_normed(anet_net *net, const anet__node *node, const int32_t *in, int32_t *value)
{
  char name[ANET_PIECE_NAME];
  anet__node conv = *node;
  anet__node norm = {.op = ANET_OP_NORM, .inputs = 1, .region = node->region};
  conv.attr.bias = 0;
  conv.params = 1;
  snprintf(name, sizeof name, "%.200s.norm", node->name);
  ANET_TRY(anet__net_append(net, &conv, in, value));
  ANET_TRY(anet__net_append_new(net, &norm, name, value, value));
  set_neutral(&net->node[*value], node->param[1]);
  return ANET_OK;
}

static int rebuild(const anet_net *piece, int32_t *map, anet_net *net)
{
  for (int32_t v = 0; v < piece->count; v++) {
    const anet__node *node = anet__net_at(piece, v);
    int32_t in[ANET_MAX_INPUTS];
    for (int32_t i = 0; i < node->inputs; i++) in[i] = map[node->in[i]];
    ANET_TRY(wants_norm(node) ? append_normed(net, node, in, &map[v])
                              : anet__net_append(net, node, in, &map[v]));
  }
  for (int32_t i = 0; i < piece->outputs; i++)
    ANET_TRY(anet_net_output(net, map[piece->output[i]]));
  return ANET_OK;
}

int anet__piece_renorm(anet_net **piece)
{
  anet_net *net = NULL;
  if (has_norms(*piece)) return ANET_OK;
  int32_t *map = anet__alloc_array((size_t)(*piece)->count, sizeof *map);
  int rc = map ? anet_net_new(&net) : ANET_NOMEM;
  if (!rc) rc = rebuild(*piece, map, net);
  anet__free(map);
  if (rc) {
    anet_net_release(net);
    return rc;
  }
  anet_net_release(*piece);
  *piece = net;
  return ANET_OK;
}
