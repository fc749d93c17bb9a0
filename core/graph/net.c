/* Building networks. Every node is checked as it is added, so a net is valid at all times. */
#include "graph/net.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "graph/netattr.h"

int anet_net_new(anet_net **out)
{
  anet_net *net = *out = anet__alloc(sizeof *net);
  if (!net) return ANET_NOMEM;
  atomic_init(&net->refs, 1);
  return ANET_OK;
}

anet_net *anet_net_retain(anet_net *net)
{
  if (net) atomic_fetch_add(&net->refs, 1);
  return net;
}

void anet_net_release(anet_net *net)
{
  if (!net || atomic_fetch_sub(&net->refs, 1) > 1) return;
  anet__net_truncate(net, 0);
  anet__free(net->node);
  anet__free(net->named);
  anet__free(net);
}

/* ---- nodes -------------------------------------------------------------------------------- */

int anet__node_fail(const anet__node *node, int rc)
{
  const char *op = anet__op_get(node->op)->name, *message = anet_error();
  size_t length = strlen(op);
  if (strncmp(message, op, length) == 0 && message[length] == ':')
    return anet_fail(rc, "%s '%s'%s", op, node->name, message + length);
  return anet__fail_in(rc, "%s '%s'", op, node->name);
}

static void node_clear(anet__node *node)
{
  for (int32_t i = 0; i < ANET_MAX_PARAMS; i++) anet_tensor_release(node->param[i]);
  anet__free(node->name);
}

void anet__net_truncate(anet_net *net, int32_t count)
{
  while (net->count > count) {
    anet__net_name_drop(net, net->count - 1);
    node_clear(&net->node[--net->count]);
  }
  while (net->inputs && net->input[net->inputs - 1] >= count) net->inputs--;
}

void anet__net_in_shapes(const anet_net *net, int32_t value, anet_shape *in)
{
  const anet__node *node = anet__net_at(net, value);
  for (int32_t i = 0; i < node->inputs; i++) in[i] = net->node[node->in[i]].shape;
}

int32_t anet__net_specs(const anet_net *net, int32_t value, anet__param_spec *spec)
{
  const anet__node *node = anet__net_at(net, value);
  anet_shape in[ANET_MAX_INPUTS];
  int32_t count = 0;
  if (!node->params) return 0;
  anet__net_in_shapes(net, value, in);
  if (anet__op_get(node->op)->params(&node->attr, in, spec, &count)) return 0;
  return count;
}

static int check_inputs(const anet_net *net, const anet__node *node)
{
  const anet__op *op = anet__op_get(node->op);
  if (node->inputs < op->min_inputs || node->inputs > op->max_inputs)
    return anet_fail(ANET_RANGE, "got %d inputs, want %d to %d", node->inputs, op->min_inputs,
                     op->max_inputs);
  for (int32_t i = 0; i < node->inputs; i++)
    if (node->in[i] < 0 || node->in[i] >= net->count)
      return anet_fail(ANET_RANGE, "input %d is value %d, the net has %d", i, node->in[i],
                       net->count);
  return ANET_OK;
}

static int check_param(const anet__param_spec *spec, const anet_tensor *param)
{
  char got[ANET_SHAPE_TEXT], want[ANET_SHAPE_TEXT];
  if (param->type != ANET_F32)
    return anet_fail(ANET_SHAPE, "%s is %s, want f32", spec->name, anet__type_name(param->type));
  if (!anet__shape_equal(&param->shape, &spec->shape))
    return anet_fail(ANET_SHAPE, "%s has shape %s, want %s", spec->name,
                     anet__shape_text(&param->shape, got), anet__shape_text(&spec->shape, want));
  if (param->shape.rank > 2 && param->stride[0] != param->shape.dim[1] * param->stride[1])
    return anet_fail(ANET_UNSUPPORTED, "%s is a window that cuts the kernel's columns", spec->name);
  return ANET_OK;
}

/* Shares the parameters of `lender`, or makes zeros where it is NULL. */
static int take_params(anet__node *node, const anet_shape *in, const anet__node *lender)
{
  const anet__op *op = anet__op_get(node->op);
  anet__param_spec spec[ANET_MAX_PARAMS];
  int32_t count = 0;
  if (op->params) ANET_TRY(op->params(&node->attr, in, spec, &count));
  if (lender && lender->params != count)
    return anet_fail(ANET_SHAPE, "got %d parameters, want %d", lender->params, count);
  node->params = count;
  for (int32_t i = 0; i < count; i++) {
    if (!lender) {
      ANET_TRY(anet_tensor_new(ANET_F32, &spec[i].shape, &node->param[i]));
      continue;
    }
    ANET_TRY(check_param(&spec[i], lender->param[i]));
    node->param[i] = anet_tensor_retain(lender->param[i]);
  }
  return ANET_OK;
}

static int complete(const anet_net *net, anet__node *node, const anet__node *lender)
{
  anet_shape in[ANET_MAX_INPUTS];
  size_t count;
  ANET_TRY(check_inputs(net, node));
  anet__attr_default(&node->attr);
  ANET_TRY(anet__attr_check(&node->attr));
  if (node->op != ANET_OP_INPUT) {
    for (int32_t i = 0; i < node->inputs; i++) in[i] = net->node[node->in[i]].shape;
    ANET_TRY(anet__op_get(node->op)->shape(&node->attr, in, node->inputs, &node->shape));
    if (node->shape.rank < 1)
      return anet_fail(ANET_SHAPE, "what it makes would have no axes, want one or more");
    ANET_TRY(take_params(node, in, lender));
  }
  if (!anet__shape_count(&node->shape, &count) || count > INT32_MAX)
    return anet_fail(ANET_SHAPE, "a value may have %d elements at most", INT32_MAX);
  return ANET_OK;
}

/* Append `node`, whose op, name, attr, in (and an input's shape) are set. Its name becomes the
 * net's, or is freed on failure, when the net is as it was. */
static int push(anet_net *net, anet__node *node, const anet__node *lender, int32_t *value)
{
  void *grown = net->node;
  int rc = complete(net, node, lender);
  if (!rc) rc = anet__grow(&grown, &net->capacity, net->count, sizeof *net->node);
  net->node = grown;
  if (!rc) rc = anet__net_name_room(net);
  if (rc) {
    anet__node_fail(node, rc);
    node_clear(node);
    return rc;
  }
  if (node->op == ANET_OP_INPUT) net->input[net->inputs++] = net->count;
  *value = net->count;
  net->node[net->count] = *node;
  anet__net_name_add(net, net->count++);
  return ANET_OK;
}

static int check_input(const anet_net *net, const char *name, const anet_shape *shape)
{
  bool whole = shape->rank > 0 && shape->rank < ANET_MAX_RANK; /* a batch adds one dimension */
  if (net->inputs == ANET_MAX_INPUTS)
    return anet_fail(ANET_RANGE, "input '%s': a net has %d inputs at most", name, ANET_MAX_INPUTS);
  for (int32_t i = 0; whole && i < shape->rank; i++) whole = shape->dim[i] > 0;
  if (whole) return ANET_OK;
  return anet_fail(ANET_SHAPE, "input '%s': rank %d, want 1 to %d dimensions above 0", name,
                   shape->rank, ANET_MAX_RANK - 1);
}

/* A name of the caller's choice, or one made from `base`. */
static int name_choose(const anet_net *net, const char *name, const char *base, char **out)
{
  *out = NULL;
  if (name && anet_net_find(net, name) >= 0)
    return anet_fail(ANET_RANGE, "%s '%s': the name is taken", base, name);
  *out = anet__net_name_new(net, name ? name : base);
  return *out ? ANET_OK : ANET_NOMEM;
}

int anet_net_input(anet_net *net, const char *name, const anet_shape *shape, int32_t *value)
{
  anet__node node = {.op = ANET_OP_INPUT, .shape = *shape, .region = -1};
  ANET_TRY(check_input(net, name ? name : "", shape));
  ANET_TRY(name_choose(net, name, "input", &node.name));
  return push(net, &node, NULL, value);
}

int anet_net_add(anet_net *net, const char *op, const char *name, const anet_attr *attr,
                 const int32_t *in, int32_t inputs, int32_t *value)
{
  anet__node node = {.inputs = inputs, .region = -1};
  if (!anet__op_find(op, &node.op)) return anet_fail(ANET_ABSENT, "there is no op '%s'", op);
  if (node.op == ANET_OP_INPUT)
    return anet_fail(ANET_RANGE, "input '%s': inputs are not added as nodes", name ? name : "");
  if (inputs < 0 || inputs > ANET_MAX_INPUTS)
    return anet_fail(ANET_RANGE, "%s '%s': got %d inputs, the most is %d", op, name ? name : "",
                     inputs, ANET_MAX_INPUTS);
  if (attr) node.attr = *attr;
  if (inputs) memcpy(node.in, in, (size_t)inputs * sizeof *in);
  ANET_TRY(name_choose(net, name, op, &node.name));
  return push(net, &node, NULL, value);
}

static int append(anet_net *net, const anet__node *node, const char *name, const int32_t *in,
                  const anet__node *lender, int32_t *value)
{
  anet__node copy = {.op = node->op,
                     .inputs = node->inputs,
                     .attr = node->attr,
                     .frozen = node->frozen,
                     .region = node->region};
  if (node->op == ANET_OP_INPUT) ANET_TRY(check_input(net, name, &node->shape));
  copy.name = anet__net_name_new(net, name);
  if (!copy.name) return ANET_NOMEM;
  if (node->op == ANET_OP_INPUT) copy.shape = node->shape;
  if (node->inputs) memcpy(copy.in, in, (size_t)node->inputs * sizeof *in);
  return push(net, &copy, lender, value);
}

int anet__net_append(anet_net *net, const anet__node *node, const int32_t *in, int32_t *value)
{
  return append(net, node, node->name, in, node, value);
}

int anet__net_append_new(anet_net *net, const anet__node *node, const char *name, const int32_t *in,
                         int32_t *value)
{
  return append(net, node, name, in, NULL, value);
}

/* ---- changes ------------------------------------------------------------------------------ */

static int check_value(const anet_net *net, int32_t value)
{
  if (value >= 0 && value < net->count) return ANET_OK;
  return anet_fail(ANET_RANGE, "there is no node %d, the net has %d", value, net->count);
}

int anet_net_output(anet_net *net, int32_t value)
{
  ANET_TRY(check_value(net, value));
  if (net->outputs == ANET_MAX_OUTPUTS)
    return anet_fail(ANET_RANGE, "a net has %d outputs at most", ANET_MAX_OUTPUTS);
  net->output[net->outputs++] = value;
  return ANET_OK;
}

int anet_net_freeze(anet_net *net, int32_t node, int32_t frozen)
{
  if (node >= 0) ANET_TRY(check_value(net, node));
  for (int32_t i = 0; i < net->count; i++)
    if (node < 0 || i == node) net->node[i].frozen = frozen != 0;
  return ANET_OK;
}

int anet_net_set_param(anet_net *net, int32_t node, int32_t index, anet_tensor *tensor)
{
  anet__param_spec spec[ANET_MAX_PARAMS];
  ANET_TRY(check_value(net, node));
  anet__node *at = &net->node[node];
  if (index < 0 || index >= at->params)
    return anet_fail(ANET_RANGE, "%s '%s': there is no parameter %d, it has %d",
                     anet__op_get(at->op)->name, at->name, index, at->params);
  anet__net_specs(net, node, spec);
  int rc = check_param(&spec[index], tensor);
  if (rc) return anet__node_fail(at, rc);
  anet_tensor_retain(tensor);
  anet_tensor_release(at->param[index]);
  at->param[index] = tensor;
  return ANET_OK;
}

/* ---- initial values ----------------------------------------------------------------------- */

/* Of "node.param". */
static uint64_t param_hash(const char *node, const char *param)
{
  const uint64_t hash = anet__hash_text(anet__hash_text(ANET_HASH_NONE, node), ".");
  return anet__hash_text(hash, param);
}

/* Normal values, or `mean` alone where the deviation is 0. A window is filled row after row. */
static void param_fill(anet_tensor *param, float mean, float deviation, anet_rng *rng)
{
  int32_t last = param->shape.rank - 1, index[ANET_MAX_RANK] = {0};
  for (int32_t d = 0; d >= 0;) {
    float *row = anet__f32(param);
    for (int32_t i = 0; i < last; i++) row += index[i] * param->stride[i];
    for (int32_t i = 0; i < param->shape.dim[last]; i++)
      row[i] = deviation > 0 ? mean + deviation * anet__rng_normal(rng) : mean;
    for (d = last - 1; d >= 0 && ++index[d] == param->shape.dim[d]; d--) index[d] = 0;
  }
  atomic_fetch_add(&param->storage->version, 1);
}

/* Each parameter draws from a stream of its own name: no other node has a say in it. */
int anet_net_init(anet_net *net, double seed)
{
  if (!(fabs(seed) <= 0x1p53)) return anet_fail(ANET_RANGE, "the seed %g is not within 2^53", seed);
  for (int32_t v = 0; v < net->count; v++) {
    anet__param_spec spec[ANET_MAX_PARAMS];
    int32_t params = anet__net_specs(net, v, spec);
    for (int32_t i = 0; i < params; i++) {
      bool weight = spec[i].role == ANET_PARAM_WEIGHT;
      bool unit = spec[i].role == ANET_PARAM_SCALE || spec[i].role == ANET_PARAM_VARIANCE;
      anet_rng rng;
      anet__rng_at(&rng, (uint64_t)(int64_t)seed, param_hash(net->node[v].name, spec[i].name));
      param_fill(net->node[v].param[i], unit ? 1.0f : 0.0f,
                 weight ? (float)sqrt(2.0 / spec[i].fan) : 0.0f, &rng);
    }
  }
  return ANET_OK;
}
