/* A net's structure as JSON:
 *   {"inputs": [names], "outputs": [names], "nodes": [
 *     {"name": "image", "op": "input", "shape": [28, 28, 1]},
 *     {"name": "stem", "op": "conv", "in": ["image"], "kernel": [3, 3], "channels": 16, …}]}
 * Attributes appear where they differ from their default, "frozen" where true, "region" where the
 * node has one. What is read is trusted in nothing. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "graph/net.h"
#include "graph/netattr.h"

enum { MAX_REGION = 255 }; /* a genome's positions are few */

/* ---- writing ------------------------------------------------------------------------------ */

/* Both give 0, or -1 where there is no value: jansson's constructors give NULL when they fail. */
static int put(json_t *object, const char *key, json_t *value)
{
  return json_object_set_new(object, key, value);
}

static int push(json_t *array, json_t *value)
{
  return json_array_append_new(array, value);
}

static json_t *names_json(const anet_net *net, const int32_t *value, int32_t count)
{
  json_t *names = json_array();
  for (int32_t i = 0; i < count; i++) {
    if (push(names, json_string(net->node[value[i]].name)) == 0) continue;
    json_decref(names);
    return NULL;
  }
  return names;
}

static json_t *scalar_json(const anet__attr_field *field, const anet_attr *attr, int32_t index)
{
  const char *at = (const char *)attr + field->offset;
  if (field->kind == ANET_ATTR_REAL) return json_real((double)((const float *)at)[index]);
  return json_integer(((const int32_t *)at)[index]);
}

static json_t *field_json(const anet__attr_field *field, const anet_attr *attr)
{
  if (field->count == 1) return scalar_json(field, attr, 0);
  json_t *array = json_array();
  for (int32_t i = 0; i < field->count; i++) {
    if (push(array, scalar_json(field, attr, i)) == 0) continue;
    json_decref(array);
    return NULL;
  }
  return array;
}

static int put_attr(json_t *json, const anet_attr *attr)
{
  anet_attr usual = {0};
  int bad = 0;
  anet__attr_default(&usual);
  for (int32_t f = 0; f < ANET_ATTR_FIELDS; f++) {
    const anet__attr_field *field = &anet__attr_field_at[f];
    const char *mine = (const char *)attr + field->offset;
    const char *theirs = (const char *)&usual + field->offset;
    if (memcmp(mine, theirs, (size_t)field->count * 4))
      bad |= put(json, field->name, field_json(field, attr));
  }
  return bad;
}

static json_t *shape_json(const anet_shape *shape)
{
  json_t *array = json_array();
  for (int32_t i = 0; i < shape->rank; i++) {
    if (push(array, json_integer(shape->dim[i])) == 0) continue;
    json_decref(array);
    return NULL;
  }
  return array;
}

static json_t *node_json(const anet_net *net, int32_t value)
{
  const anet__node *node = anet__net_at(net, value);
  json_t *json = json_object();
  int bad = put(json, "name", json_string(node->name));
  bad |= put(json, "op", json_string(anet__op_get(node->op)->name));
  if (node->op == ANET_OP_INPUT)
    bad |= put(json, "shape", shape_json(&node->shape));
  else
    bad |= put(json, "in", names_json(net, node->in, node->inputs));
  bad |= put_attr(json, &node->attr);
  if (node->frozen) bad |= put(json, "frozen", json_true());
  if (node->region >= 0) bad |= put(json, "region", json_integer(node->region));
  if (!bad) return json;
  json_decref(json);
  return NULL;
}

int anet__net_to_json(const anet_net *net, json_t **out)
{
  json_t *json = json_object(), *nodes = json_array();
  int bad = 0;
  *out = NULL;
  for (int32_t v = 0; v < net->count; v++) {
    if (anet__json_is_text(net->node[v].name)) continue;
    json_decref(json);
    json_decref(nodes);
    return anet_fail(ANET_FORMAT, "net: the name '%s' of node %d is not UTF-8; rename it",
                     net->node[v].name, v);
  }
  for (int32_t v = 0; v < net->count && !bad; v++) bad = push(nodes, node_json(net, v));
  bad |= put(json, "inputs", names_json(net, net->input, net->inputs));
  bad |= put(json, "outputs", names_json(net, net->output, net->outputs));
  bad |= put(json, "nodes", nodes);
  if (bad) {
    json_decref(json);
    return anet_fail(ANET_NOMEM, "net: no memory for its JSON");
  }
  *out = json;
  return ANET_OK;
}

/* ---- reading ------------------------------------------------------------------------------ */

typedef struct reader {
  anet_net *net;
  anet__net_find_param *find;
  void *context;
} reader;

static int read_scalar(const anet__attr_field *field, const json_t *json, void *out)
{
  if (field->kind == ANET_ATTR_REAL) {
    if (!json_is_number(json)) return anet_fail(ANET_FORMAT, "'%s' is no number", field->name);
    *(float *)out = (float)json_number_value(json);
    return ANET_OK;
  }
  json_int_t value = json_integer_value(json);
  if (!json_is_integer(json) || value < INT32_MIN || value > INT32_MAX)
    return anet_fail(ANET_FORMAT, "'%s' is no integer of 32 bits", field->name);
  *(int32_t *)out = (int32_t)value;
  return ANET_OK;
}

static int read_field(const anet__attr_field *field, const json_t *json, anet_attr *attr)
{
  char *out = (char *)attr + field->offset;
  if (field->count == 1) return read_scalar(field, json, out);
  if (!json_is_array(json) || json_array_size(json) != (size_t)field->count)
    return anet_fail(ANET_FORMAT, "'%s' is no array of %d numbers", field->name, field->count);
  for (int32_t i = 0; i < field->count; i++)
    ANET_TRY(read_scalar(field, json_array_get(json, (size_t)i), out + 4 * i));
  return ANET_OK;
}

static int read_shape(const json_t *json, anet_shape *shape)
{
  json_t *array;
  ANET_TRY(anet__json_array(json, "shape", &array));
  if (json_array_size(array) > ANET_MAX_RANK)
    return anet_fail(ANET_FORMAT, "'shape' has %zu dimensions, the most is %d",
                     json_array_size(array), ANET_MAX_RANK);
  shape->rank = (int32_t)json_array_size(array);
  for (int32_t i = 0; i < shape->rank; i++) {
    const json_t *item = json_array_get(array, (size_t)i);
    json_int_t dim = json_integer_value(item);
    if (!json_is_integer(item) || dim < 1 || dim > INT32_MAX)
      return anet_fail(ANET_FORMAT, "dimension %d of 'shape' is not in 1 .. %d", i, INT32_MAX);
    shape->dim[i] = (int32_t)dim;
  }
  return ANET_OK;
}

/* An array of names of nodes that are there already. */
static int read_names(const anet_net *net, const json_t *json, const char *key, int32_t most,
                      int32_t *value, int32_t *count)
{
  json_t *array;
  ANET_TRY(anet__json_array(json, key, &array));
  if (json_array_size(array) > (size_t)most)
    return anet_fail(ANET_FORMAT, "'%s' has %zu names, the most is %d", key, json_array_size(array),
                     most);
  *count = (int32_t)json_array_size(array);
  for (int32_t i = 0; i < *count; i++) {
    const char *name = json_string_value(json_array_get(array, (size_t)i));
    if (!name) return anet_fail(ANET_FORMAT, "item %d of '%s' is no string", i, key);
    value[i] = anet_net_find(net, name);
    if (value[i] < 0) return anet_fail(ANET_FORMAT, "'%s' names '%s', no earlier node", key, name);
  }
  return ANET_OK;
}

static const anet__attr_field *find_field(const char *name)
{
  for (int32_t f = 0; f < ANET_ATTR_FIELDS; f++)
    if (strcmp(anet__attr_field_at[f].name, name) == 0) return &anet__attr_field_at[f];
  return NULL;
}

/* All that stands in a node but name and op. */
static int read_members(const anet_net *net, const json_t *json, anet__node *node)
{
  const char *key;
  json_t *item;
  json_object_foreach ((json_t *)json, key, item) {
    const anet__attr_field *field = find_field(key);
    int64_t region;
    if (field)
      ANET_TRY(read_field(field, item, &node->attr));
    else if (strcmp(key, "name") == 0 || strcmp(key, "op") == 0)
      continue;
    else if (strcmp(key, "in") == 0)
      ANET_TRY(read_names(net, json, key, ANET_MAX_INPUTS, node->in, &node->inputs));
    else if (strcmp(key, "shape") == 0 && node->op == ANET_OP_INPUT)
      ANET_TRY(read_shape(json, &node->shape));
    else if (strcmp(key, "frozen") == 0 && json_is_boolean(item))
      node->frozen = json_is_true(item);
    else if (strcmp(key, "region") == 0) {
      ANET_TRY(anet__json_int(json, key, -1, MAX_REGION, &region));
      node->region = (int32_t)region;
    } else
      return anet_fail(ANET_FORMAT, "there is no place for '%s'", key);
  }
  return ANET_OK;
}

/* The parameters of "name.param", borrowed. Shapes are checked first: an op's `params` relies on
 * it; that the tensors fit is checked when the node is appended. */
static int find_params(const reader *r, anet__node *node)
{
  const anet__op *op = anet__op_get(node->op);
  anet__param_spec spec[ANET_MAX_PARAMS];
  anet_shape in[ANET_MAX_INPUTS];
  if (!op->params) return ANET_OK;
  if (node->inputs < op->min_inputs || node->inputs > op->max_inputs)
    return anet_fail(ANET_FORMAT, "got %d inputs, want %d to %d", node->inputs, op->min_inputs,
                     op->max_inputs);
  for (int32_t i = 0; i < node->inputs; i++) in[i] = r->net->node[node->in[i]].shape;
  anet__attr_default(&node->attr);
  ANET_TRY(op->shape(&node->attr, in, node->inputs, &node->shape));
  ANET_TRY(op->params(&node->attr, in, spec, &node->params));
  for (int32_t i = 0; i < node->params; i++) {
    size_t size = strlen(node->name) + strlen(spec[i].name) + 2;
    char *name = anet__alloc(size);
    if (!name) return ANET_NOMEM;
    snprintf(name, size, "%s.%s", node->name, spec[i].name);
    const int rc = r->find(r->context, name, &node->param[i]);
    anet__free(name);
    if (rc) return rc;
  }
  return ANET_OK;
}

static int read_node(const reader *r, const json_t *json)
{
  const char *name, *op;
  int32_t value;
  anet__node node = {.region = -1};
  ANET_TRY(anet__json_string(json, "name", &name));
  ANET_TRY(anet__json_string(json, "op", &op));
  if (!anet__op_find(op, &node.op)) return anet_fail(ANET_FORMAT, "'%s': no op '%s'", name, op);
  if (anet_net_find(r->net, name) >= 0) return anet_fail(ANET_FORMAT, "two nodes '%s'", name);
  node.name = (char *)name; /* borrowed: append copies it */
  int rc = read_members(r->net, json, &node);
  if (!rc) rc = find_params(r, &node);
  if (rc) return anet__node_fail(&node, rc);
  return anet__net_append(r->net, &node, node.in, &value);
}

/* Inputs stand in the order of their nodes; the list is there for people, and must agree. */
static int read_faces(const json_t *json, anet_net *net)
{
  int32_t value[ANET_MAX_OUTPUTS], count;
  ANET_TRY(read_names(net, json, "inputs", ANET_MAX_INPUTS, value, &count));
  if (count != net->inputs || memcmp(value, net->input, (size_t)count * sizeof *value))
    return anet_fail(ANET_FORMAT, "'inputs' has %d names, not the %d nodes of op input in order",
                     count, net->inputs);
  ANET_TRY(read_names(net, json, "outputs", ANET_MAX_OUTPUTS, value, &count));
  for (int32_t i = 0; i < count; i++) ANET_TRY(anet_net_output(net, value[i]));
  return ANET_OK;
}

int anet__net_from_json(const json_t *json, anet__net_find_param *find, void *context,
                        anet_net **out)
{
  reader r = {.find = find, .context = context};
  json_t *nodes;
  *out = NULL;
  int rc = anet__json_array(json, "nodes", &nodes);
  if (!rc) rc = anet_net_new(&r.net);
  for (size_t i = 0; !rc && i < json_array_size(nodes); i++)
    rc = read_node(&r, json_array_get(nodes, i));
  if (!rc) rc = read_faces(json, r.net);
  if (rc) {
    anet_net_release(r.net);
    return anet__fail_in(rc, "net");
  }
  *out = r.net;
  return ANET_OK;
}
