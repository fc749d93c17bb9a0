/* Reading networks. */
#include <string.h>

#include "base/error.h"
#include "graph/net.h"

int32_t anet_net_count(const anet_net *net)
{
  return net->count;
}

int32_t anet_net_inputs(const anet_net *net)
{
  return net->inputs;
}

int32_t anet_net_outputs(const anet_net *net)
{
  return net->outputs;
}

int32_t anet_net_input_at(const anet_net *net, int32_t index)
{
  return index >= 0 && index < net->inputs ? net->input[index] : -1;
}

int32_t anet_net_output_at(const anet_net *net, int32_t index)
{
  return index >= 0 && index < net->outputs ? net->output[index] : -1;
}

static double node_macs(const anet_net *net, int32_t value)
{
  const anet__node *node = anet__net_at(net, value);
  const anet__op *op = anet__op_get(node->op);
  anet_shape in[ANET_MAX_INPUTS];
  if (!op->macs) return 0;
  anet__net_in_shapes(net, value, in);
  return op->macs(&node->attr, in, &node->shape);
}

static double value_bytes(const anet_net *net, int32_t value)
{
  return (double)anet__shape_size(&net->node[value].shape) * sizeof(float);
}

/* What a node moves: its inputs and parameters in, its output out. An input moves nothing. */
static double node_bytes(const anet_net *net, int32_t value)
{
  const anet__node *node = anet__net_at(net, value);
  if (node->op == ANET_OP_INPUT) return 0;
  double bytes = value_bytes(net, value);
  for (int32_t i = 0; i < node->inputs; i++) bytes += value_bytes(net, node->in[i]);
  for (int32_t i = 0; i < node->params; i++)
    bytes += anet_tensor_count(node->param[i]) * sizeof(float);
  return bytes;
}

int anet_net_node(const anet_net *net, int32_t node, anet_node *out)
{
  if (node < 0 || node >= net->count)
    return anet_fail(ANET_RANGE, "there is no node %d, the net has %d", node, net->count);
  const anet__node *at = anet__net_at(net, node);
  *out = (anet_node){.op = anet__op_get(at->op)->name,
                     .name = at->name,
                     .inputs = at->inputs,
                     .params = at->params,
                     .frozen = at->frozen,
                     .region = at->region,
                     .attr = at->attr,
                     .shape = at->shape,
                     .macs = node_macs(net, node),
                     .bytes = node_bytes(net, node)};
  memcpy(out->in, at->in, sizeof out->in);
  return ANET_OK;
}

static bool has_param(const anet_net *net, int32_t node, int32_t index)
{
  return node >= 0 && node < net->count && index >= 0 && index < net->node[node].params;
}

anet_tensor *anet_net_param(anet_net *net, int32_t node, int32_t index)
{
  return has_param(net, node, index) ? net->node[node].param[index] : NULL;
}

const char *anet_net_param_name(const anet_net *net, int32_t node, int32_t index)
{
  anet__param_spec spec[ANET_MAX_PARAMS];
  if (!has_param(net, node, index)) return NULL;
  anet__net_specs(net, node, spec);
  return spec[index].name;
}

/* Is it the first use of this parameter? Shared ones count once. */
static bool first_use(const anet_net *net, int32_t node, int32_t index)
{
  const anet_tensor *param = net->node[node].param[index];
  for (int32_t v = 0; v <= node; v++)
    for (int32_t i = 0; i < net->node[v].params; i++)
      if (net->node[v].param[i] == param) return v == node && i == index;
  return true;
}

void anet_net_cost(const anet_net *net, anet_cost *out)
{
  *out = (anet_cost){0};
  for (int32_t v = 0; v < net->count; v++) {
    anet__param_spec spec[ANET_MAX_PARAMS];
    int32_t params = anet__net_specs(net, v, spec);
    out->macs += node_macs(net, v);
    out->activation_bytes += value_bytes(net, v);
    for (int32_t i = 0; i < params; i++) {
      double count = first_use(net, v, i) ? anet_tensor_count(net->node[v].param[i]) : 0;
      bool statistic = spec[i].role == ANET_PARAM_MEAN || spec[i].role == ANET_PARAM_VARIANCE;
      out->params += statistic ? 0 : count;
      out->param_bytes += count * sizeof(float);
    }
  }
}
