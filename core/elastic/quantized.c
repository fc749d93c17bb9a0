#include "elastic/quantized.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/piece.h"
#include "op/bytes.h"

static bool reads_bytes(const anet_net *net, const anet__node *node)
{
  return node->inputs > 0 && anet__bytes_reads(node->op, &node->attr, &net->node[node->in[0]].shape);
}

int anet__quantize_candidates(const anet_net *net, bool **quantized)
{
  *quantized = anet__alloc_array((size_t)net->count, sizeof **quantized);
  if (!*quantized) return ANET_NOMEM;
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = anet__net_at(net, v);
    if (reads_bytes(net, node) && net->node[node->in[0]].op != ANET_OP_QUANTIZE)
      (*quantized)[node->in[0]] = true;
  }
  return ANET_OK;
}

/* The new net's values for the old one's: as they are, and quantised. */
typedef struct rewriting {
  anet_net *net;
  int32_t *plain, *bytes; /* (old count) */
  const anet__range *range;
} rewriting;

static int append_quantize(rewriting *r, const anet_net *old, int32_t value)
{
  char name[ANET_PIECE_NAME];
  const anet_attr attr = {.alpha = r->range[value].low, .beta = r->range[value].high};
  snprintf(name, sizeof name, "%.240s.bytes", old->node[value].name);
  ANET_TRY(anet_net_add(r->net, "quantize", name, &attr, &r->plain[value], 1, &r->bytes[value]));
  r->net->node[r->bytes[value]].region = old->node[value].region;
  return ANET_OK;
}

static int append(rewriting *r, const anet_net *old, int32_t value, bool quantized)
{
  const anet__node *node = anet__net_at(old, value);
  int32_t in[ANET_MAX_INPUTS];
  for (int32_t i = 0; i < node->inputs; i++) in[i] = r->plain[node->in[i]];
  if (reads_bytes(old, node) && r->bytes[node->in[0]] >= 0) in[0] = r->bytes[node->in[0]];
  r->bytes[value] = -1;
  if (node->op == ANET_OP_INPUT)
    ANET_TRY(anet_net_input(r->net, node->name, &node->shape, &r->plain[value]));
  else
    ANET_TRY(anet__net_append(r->net, node, in, &r->plain[value]));
  return quantized ? append_quantize(r, old, value) : ANET_OK;
}

static int rewrite(rewriting *r, const anet_net *net, const bool *quantized)
{
  ANET_TRY(anet_net_new(&r->net));
  for (int32_t v = 0; v < net->count; v++) ANET_TRY(append(r, net, v, quantized[v]));
  for (int32_t i = 0; i < net->outputs; i++)
    ANET_TRY(anet_net_output(r->net, r->plain[net->output[i]]));
  return ANET_OK;
}

int anet__quantize_net(const anet_net *net, const anet__range *range, anet_net **out)
{
  rewriting r = {.range = range};
  bool *quantized = NULL;
  const size_t values = (size_t)net->count;
  *out = NULL;
  int rc = anet__quantize_candidates(net, &quantized);
  r.plain = anet__alloc_array(2 * values, sizeof *r.plain);
  r.bytes = r.plain ? r.plain + values : NULL;
  if (!rc) rc = r.plain ? rewrite(&r, net, quantized) : ANET_NOMEM;
  anet__free(r.plain);
  anet__free(quantized);
  if (rc)
    anet_net_release(r.net);
  else
    *out = r.net;
  return rc;
}

/* ---- rounded weights ---------------------------------------------------------------------------- */

static bool is_rounded(const anet_net *net, int32_t value)
{
  const anet__node *node = anet__net_at(net, value);
  return reads_bytes(net, node) && net->node[node->in[0]].op == ANET_OP_QUANTIZE;
}

static int round_node(anet_net *net, int32_t value)
{
  const anet_tensor *weight = net->node[value].param[0];
  anet_tensor *own;
  ANET_TRY(anet_tensor_new(ANET_F32, &weight->shape, &own));
  anet__bytes_round(weight, anet__f32(own));
  const int rc = anet_net_set_param(net, value, 0, own);
  anet_tensor_release(own);
  return rc;
}

static int copy_rounded(const anet_net *net, anet_net *copy)
{
  int32_t value;
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = anet__net_at(net, v);
    if (node->op == ANET_OP_INPUT)
      ANET_TRY(anet_net_input(copy, node->name, &node->shape, &value));
    else
      ANET_TRY(anet__net_append(copy, node, node->in, &value));
    if (is_rounded(net, v)) ANET_TRY(round_node(copy, v));
  }
  for (int32_t i = 0; i < net->outputs; i++) ANET_TRY(anet_net_output(copy, net->output[i]));
  return ANET_OK;
}

int anet__quantized_round(anet_net *net, anet_net **out)
{
  bool any = false;
  for (int32_t v = 0; v < net->count; v++) any |= is_rounded(net, v);
  *out = NULL;
  if (!any) {
    *out = anet_net_retain(net);
    return ANET_OK;
  }
  anet_net *copy = NULL;
  int rc = anet_net_new(&copy);
  if (!rc) rc = copy_rounded(net, copy);
  if (rc)
    anet_net_release(copy);
  else
    *out = copy;
  return rc;
}
