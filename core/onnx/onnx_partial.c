#include "onnx/onnx_partial.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/index.h"
#include "base/json.h"
#include "bundle/bundle.h"
#include "onnx/onnx_tail.h"

/* ---- what a node reads ------------------------------------------------------------------------
 */

static int visit_node(const Onnx__NodeProto *node, anet__onnx_visitor *visit, void *context);

static int visit_graph(const Onnx__GraphProto *graph, anet__onnx_visitor *visit, void *context)
{
  for (size_t i = 0; i < graph->n_node; i++) ANET_TRY(visit_node(graph->node[i], visit, context));
  for (size_t i = 0; i < graph->n_output; i++)
    if (graph->output[i]->name) ANET_TRY(visit(context, graph->output[i]->name));
  return ANET_OK;
}

/* It nests no deeper than unpacking allowed. */
static int visit_node(const Onnx__NodeProto *node, anet__onnx_visitor *visit, void *context)
{
  for (size_t i = 0; i < node->n_input; i++)
    if (node->input[i][0]) ANET_TRY(visit(context, node->input[i]));
  for (size_t i = 0; i < node->n_attribute; i++) {
    const Onnx__AttributeProto *a = node->attribute[i];
    if (a->g) ANET_TRY(visit_graph(a->g, visit, context));
    for (size_t k = 0; k < a->n_graphs; k++) ANET_TRY(visit_graph(a->graphs[k], visit, context));
  }
  return ANET_OK;
}

int anet__onnx_visit_reads(const anet__onnx_node *node, anet__onnx_visitor *visit, void *context)
{
  return visit_node(node->message, visit, context);
}

/* ---- named outputs ----------------------------------------------------------------------------
 */

typedef struct names {
  const char **at; /* (count), owned */
  int32_t count, capacity;
  anet__index index; /* of at */
} names;

static bool has_name(const names *n, const char *name)
{
  const uint64_t hash = anet__hash_text(ANET_HASH_NONE, name);
  for (int32_t i = -1; (i = anet__index_find(&n->index, hash, i)) >= 0;)
    if (strcmp(n->at[n->index.item[i].value], name) == 0) return true;
  return false;
}

/* Once each. */
static int add_name(void *context, const char *name)
{
  names *n = context;
  void *list = n->at;
  if (has_name(n, name)) return ANET_OK;
  const int rc = anet__grow(&list, &n->capacity, n->count, sizeof *n->at);
  n->at = list;
  if (rc) return rc;
  ANET_TRY(anet__index_add(&n->index, anet__hash_text(ANET_HASH_NONE, name), n->count));
  n->at[n->count++] = name;
  return ANET_OK;
}

static void free_names(names *n)
{
  anet__free(n->at);
  anet__index_free(&n->index);
}

static bool makes_one_of(const anet__onnx_node *node, const names *n)
{
  for (int32_t i = 0; i < node->outputs; i++)
    if (has_name(n, node->output[i])) return true;
  return false;
}

/* From the last node to the first: those that make what is wanted stay, in the last places of the
 * list. */
static int keep_needed(anet__onnx_model *m, names *wanted)
{
  int32_t first = m->nodes;
  for (int32_t i = m->nodes - 1; i >= 0; i--) {
    if (!makes_one_of(&m->node[i], wanted)) continue;
    ANET_TRY(anet__onnx_visit_reads(&m->node[i], add_name, wanted));
    m->node[--first] = m->node[i];
  }
  m->node += first;
  m->nodes -= first;
  return ANET_OK;
}

static int check_made(const anet__onnx_model *m, const char *name)
{
  for (int32_t i = 0; i < m->nodes; i++)
    for (int32_t o = 0; o < m->node[i].outputs; o++)
      if (strcmp(m->node[i].output[o], name) == 0) return ANET_OK;
  return anet_fail(ANET_RANGE, "outputs: no node makes '%s'", name);
}

int anet__onnx_name_outputs(anet__onnx_model *m, const anet_onnx_desc *desc)
{
  names wanted = {0};
  int rc = ANET_OK;
  if (!desc || desc->outputs == 0) return ANET_OK;
  m->output = anet__onnx_take(&m->pool, (size_t)desc->outputs, sizeof *m->output);
  if (!m->output) return m->pool.rc;
  m->outputs = desc->outputs;
  for (int32_t i = 0; !rc && i < desc->outputs; i++) {
    m->output[i] = (anet__onnx_face){.name = desc->output[i], .rank = -1};
    rc = check_made(m, desc->output[i]);
    if (!rc) rc = add_name(&wanted, desc->output[i]);
  }
  if (!rc) rc = keep_needed(m, &wanted);
  free_names(&wanted);
  return rc;
}

/* ---- leaving nodes out --------------------------------------------------------------------------
 */

const char *anet__onnx_reads_left(const anet__onnx_import *im, const anet__onnx_node *node)
{
  for (int32_t i = 0; i < node->inputs; i++) {
    const anet__onnx_value *value = anet__onnx_find(im, node->input[i]);
    if (value && value->left) return value->left;
  }
  return NULL;
}

int anet__onnx_leave(anet__onnx_import *im, int32_t index, const char *why)
{
  const anet__onnx_node *node = &im->model.node[index];
  const anet__onnx_value left = {.node = -1, .left = ""};
  im->why[index] = anet__onnx_text(&im->model.pool, "%s", why);
  if (!im->why[index]) return im->model.pool.rc;
  for (int32_t i = 0; i < node->outputs; i++) {
    anet__onnx_value *made = anet__onnx_find(im, node->output[i]); /* before it failed */
    if (made)
      *made = (anet__onnx_value){.name = made->name, .node = -1, .left = ""};
    else
      ANET_TRY(anet__onnx_bind(im, node->output[i], &left));
  }
  return ANET_OK;
}

int anet__onnx_leave_input(anet__onnx_import *im, const char *name, const char *why)
{
  const char *own = anet__onnx_text(&im->model.pool, "%s", why);
  const anet__onnx_value left = {.node = -1, .left = own};
  return own ? anet__onnx_bind(im, name, &left) : im->model.pool.rc;
}

/* Constants of constants: what is left out takes them along, in their own types. */
static bool is_constant(const anet__onnx_import *im, const anet__onnx_node *node)
{
  for (int32_t i = 0; i < node->inputs; i++) {
    const anet__onnx_value *value = anet__onnx_find(im, node->input[i]);
    if (value && !value->array) return false;
  }
  return true;
}

bool anet__onnx_in_tail(const anet__onnx_import *im, int32_t index)
{
  const anet__onnx_node *node = &im->model.node[index];
  bool wanted = false;
  for (int32_t i = 0; i < node->outputs; i++) {
    const anet__onnx_value *value = anet__onnx_find(im, node->output[i]);
    wanted |= value && value->wanted && (value->left || value->array);
  }
  return wanted && (im->why[index] || is_constant(im, node));
}

bool anet__onnx_feeds_tail(const anet__onnx_value *value)
{
  return value->wanted && !value->left && !value->array;
}

/* ---- the cut ------------------------------------------------------------------------------------
 */

static int want(void *context, const char *name)
{
  anet__onnx_value *value = anet__onnx_find(context, name);
  if (value) value->wanted = true; /* else a name within a subgraph */
  return ANET_OK;
}

static int mark_wanted(anet__onnx_import *im)
{
  const anet__onnx_model *m = &im->model;
  for (int32_t i = 0; i < m->outputs; i++) {
    anet__onnx_value *value = anet__onnx_find(im, m->output[i].name);
    if (value) value->wanted = value->left != NULL;
  }
  for (int32_t i = m->nodes - 1; i >= 0; i--)
    if (anet__onnx_in_tail(im, i)) ANET_TRY(anet__onnx_visit_reads(&m->node[i], want, im));
  return ANET_OK;
}

/* Why the first node that is missed was left out, or the first input. */
static const char *first_why(const anet__onnx_import *im)
{
  for (int32_t i = 0; i < im->model.nodes; i++)
    if (im->why[i] && im->why[i][0] && anet__onnx_in_tail(im, i)) return im->why[i];
  for (int32_t i = 0; i < im->values; i++)
    if (im->value[i].left && im->value[i].left[0]) return im->value[i].left;
  return "it";
}

/* Blocks are made of convolutions: where some would be left out, so would be a trunk. */
static int check_end(const anet__onnx_import *im)
{
  const anet__onnx_node *first = NULL;
  int32_t count = 0;
  for (int32_t i = 0; i < im->model.nodes; i++) {
    const anet__onnx_node *node = &im->model.node[i];
    if (!im->why[i] || !strstr(node->op, "Conv") || !anet__onnx_in_tail(im, i)) continue;
    if (count++ == 0) first = node;
  }
  if (count == 0) return ANET_OK;
  return anet_fail(ANET_UNSUPPORTED,
                   "%s. Only the end of a model can be left out, and %d convolution%s would be, "
                   "'%s' the first: name outputs before it",
                   first_why(im), count, count == 1 ? "" : "s",
                   first->outputs ? first->output[0] : first->name);
}

/* The outputs of the file that are left, then what the end reads and no output is yet. */
static int fill_outputs(const anet__onnx_import *im, anet__onnx_face *face, int32_t *count,
                        names *kept)
{
  const anet__onnx_model *m = &im->model;
  for (int32_t i = 0; i < m->outputs; i++) {
    const anet__onnx_value *value = anet__onnx_find(im, m->output[i].name);
    if (value && value->left) continue;
    face[(*count)++] = m->output[i];
    ANET_TRY(add_name(kept, m->output[i].name));
  }
  for (int32_t i = 0; i < im->values; i++) {
    const anet__onnx_value *value = &im->value[i];
    if (!anet__onnx_feeds_tail(value) || has_name(kept, value->name)) continue;
    if (anet__net_at(im->net, value->node)->op == ANET_OP_INPUT) continue;
    face[(*count)++] = (anet__onnx_face){.name = value->name, .rank = -1};
  }
  return ANET_OK;
}

static int list_outputs(anet__onnx_import *im)
{
  anet__onnx_model *m = &im->model;
  anet__onnx_face *face =
      anet__onnx_take(&m->pool, (size_t)m->outputs + (size_t)im->values, sizeof *face);
  int32_t count = 0;
  names kept = {0};
  if (!face) return m->pool.rc;
  const int rc = fill_outputs(im, face, &count, &kept);
  free_names(&kept);
  m->output = face;
  m->outputs = count;
  return rc;
}

/* Was nothing left out? An input that was may be an output by itself, with no node between. */
static bool is_whole(const anet__onnx_import *im)
{
  const anet__onnx_model *m = &im->model;
  bool whole = true;
  for (int32_t i = 0; i < m->nodes; i++) whole &= im->why[i] == NULL;
  for (int32_t i = 0; i < m->outputs; i++) {
    const anet__onnx_value *value = anet__onnx_find(im, m->output[i].name);
    whole &= !value || !value->left;
  }
  return whole;
}

int anet__onnx_cut_end(anet__onnx_import *im)
{
  if (is_whole(im)) return ANET_OK;
  ANET_TRY(mark_wanted(im));
  ANET_TRY(check_end(im));
  ANET_TRY(list_outputs(im));
  if (im->model.outputs) return ANET_OK;
  return anet_fail(ANET_UNSUPPORTED, "%s, and nothing is left of the model without it",
                   first_why(im));
}

/* needed[v]: do outputs depend on value v? */
static void mark_needed(const anet_net *net, bool *needed)
{
  for (int32_t i = 0; i < net->outputs; i++) needed[net->output[i]] = true;
  for (int32_t v = net->count - 1; v >= 0; v--)
    for (int32_t i = 0; needed[v] && i < net->node[v].inputs; i++)
      needed[net->node[v].in[i]] = true;
}

int anet__onnx_trim(anet__onnx_import *im)
{
  anet_net *net = im->net, *part = NULL;
  anet__onnx_model *m = &im->model;
  int32_t entry[ANET_MAX_INPUTS], entries = 0, inputs = 0;
  bool *needed = anet__onnx_take(&m->pool, (size_t)net->count, sizeof *needed);
  if (!needed) return m->pool.rc;
  mark_needed(net, needed);
  for (int32_t i = 0; i < net->inputs; i++)
    if (needed[net->input[i]]) entry[entries++] = net->input[i];
  ANET_TRY(anet__net_extract(net, entry, entries, net->output, net->outputs, NULL, &part));
  for (int32_t i = 0; i < m->inputs; i++)
    if (anet_net_find(part, m->input[i].name) >= 0) m->input[inputs++] = m->input[i];
  m->inputs = inputs;
  anet_net_release(net);
  im->net = part;
  return ANET_OK;
}

/* ---- the report ---------------------------------------------------------------------------------
 */

/* {op: how many}; reasons are added to `why`. False: no memory. */
static bool count_ops(const anet__onnx_import *im, json_t *ops, json_t **why)
{
  for (int32_t i = 0; i < im->model.nodes; i++) {
    const char *op = im->model.node[i].op;
    if (!im->why[i] || !anet__onnx_in_tail(im, i)) continue;
    const json_int_t before = json_integer_value(json_object_get(ops, op));
    if (json_object_set_new(ops, op, json_integer(before + 1))) return false;
    if (im->why[i][0]) *why = anet__json_push(*why, anet__json_message(im->why[i]));
  }
  return *why != NULL;
}

static json_t *list_values(const anet__onnx_import *im, bool left)
{
  const Onnx__GraphProto *graph = ((const Onnx__ModelProto *)im->model.message)->graph;
  json_t *list = json_array();
  for (size_t i = 0; left && i < graph->n_output; i++) {
    const char *name = graph->output[i]->name;
    const anet__onnx_value *value = name ? anet__onnx_find(im, name) : NULL;
    if (value && value->left) list = anet__json_push(list, json_string(name));
  }
  for (int32_t i = 0; !left && i < im->values; i++)
    if (anet__onnx_feeds_tail(&im->value[i]))
      list = anet__json_push(list, json_string(im->value[i].name));
  return list;
}

int anet__onnx_left_write(anet__onnx_import *im, anet_bundle *about)
{
  const char *gone = NULL;
  bool any = false;
  for (int32_t i = 0; im->why && i < im->model.nodes; i++)
    any |= im->why[i] && anet__onnx_in_tail(im, i);
  if (!any) return ANET_OK;
  ANET_TRY(anet__onnx_tail_keep(im, about, &gone));
  json_t *why = json_array(), *ops = json_object();
  if (!count_ops(im, ops, &why)) {
    json_decref(ops);
    ops = NULL;
  }
  json_t *left = json_pack("{s:o, s:o, s:o, s:o}", "ops", ops, "why", why, "outputs",
                           list_values(im, true), "reads", list_values(im, false));
  if (gone && json_object_set_new(left, "gone", anet__json_message(gone))) {
    json_decref(left);
    left = NULL;
  }
  return anet__bundle_set_json(about, "left_out", left);
}
