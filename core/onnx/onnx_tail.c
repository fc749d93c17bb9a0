#include "onnx/onnx_tail.h"

#include <string.h>

#include "base/error.h"
#include "onnx/onnx_export.h"
#include "tensor/tensor.h"

static const char tensor_name[] = "onnx.tail";

#define TAKE(pool, to, count)                                                                      \
  do {                                                                                             \
    (to) = anet__onnx_take(pool, (size_t)(count), sizeof *(to));                                   \
    if (!(to)) return (pool)->rc;                                                                  \
  } while (0)

/* ---- versions of ops ----------------------------------------------------------------------------
 */

/* Ops of ends, and the opsets in which they say the same as in that which is exported (17). */
static const struct {
  const char *op;
  int32_t since, until;
} stable[] = {
    // clang-format off
    {"Abs", 6, 21}, {"Add", 7, 21}, {"And", 7, 21}, {"ArgMax", 12, 21}, {"ArgMin", 12, 21}, {"Cast", 6, 21}, {"Ceil", 6, 21},
    {"Clip", 11, 21}, {"Compress", 9, 21}, {"Concat", 4, 21}, {"Constant", 1, 21}, {"ConstantOfShape", 9, 21}, {"CumSum", 11, 21},
    {"Div", 7, 21}, {"Equal", 7, 21}, {"Exp", 6, 21}, {"Expand", 8, 21}, {"Flatten", 9, 21}, {"Floor", 6, 21}, {"GRU", 7, 21},
    {"Gather", 1, 21}, {"GatherElements", 11, 21}, {"GatherND", 12, 21}, {"Gemm", 7, 21}, {"Greater", 7, 21},
    {"GreaterOrEqual", 12, 21}, {"Identity", 1, 21}, {"If", 1, 21}, {"LSTM", 7, 21}, {"Less", 7, 21}, {"LessOrEqual", 12, 21},
    {"Log", 6, 21}, {"LogSoftmax", 13, 21}, {"Loop", 1, 21}, {"MatMul", 1, 21}, {"Max", 8, 21}, {"Min", 8, 21}, {"Mod", 10, 21},
    {"Mul", 7, 21}, {"Neg", 6, 21}, {"NonMaxSuppression", 10, 21}, {"NonZero", 9, 21}, {"Not", 1, 21}, {"OneHot", 11, 21},
    {"Or", 7, 21}, {"Pow", 7, 21}, {"RNN", 7, 21}, {"Range", 11, 21}, {"ReduceMax", 1, 17}, {"ReduceMean", 1, 17},
    {"ReduceMin", 1, 17}, {"ReduceProd", 1, 17}, {"ReduceSum", 1, 21}, {"Relu", 6, 21}, {"Reshape", 5, 21}, {"RoiAlign", 16, 21},
    {"Round", 11, 21}, {"ScatterElements", 11, 21}, {"ScatterND", 11, 21}, {"Shape", 1, 21}, {"Sigmoid", 6, 21}, {"Sign", 9, 21},
    {"Slice", 10, 21}, {"Softmax", 13, 21}, {"Split", 2, 17}, {"Sqrt", 6, 21}, {"Squeeze", 1, 21}, {"Sub", 7, 21}, {"Tanh", 6, 21},
    {"Tile", 6, 21}, {"TopK", 11, 21}, {"Transpose", 1, 21}, {"Unsqueeze", 1, 21}, {"Where", 9, 21},
    // clang-format on
};

/* An attribute that became an input in opset 13, the second one. */
static const char *moved_attribute(const char *op)
{
  if (strcmp(op, "Squeeze") == 0 || strcmp(op, "Unsqueeze") == 0 || strcmp(op, "ReduceSum") == 0)
    return "axes";
  return strcmp(op, "Split") == 0 ? "split" : NULL;
}

static bool is_own(const char *domain)
{
  return !domain || !domain[0] || strcmp(domain, "ai.onnx") == 0;
}

static bool is_stable(const Onnx__NodeProto *node, int64_t opset)
{
  if (!is_own(node->domain)) return true;
  for (int32_t i = 0; i < ANET_COUNT(stable); i++)
    if (strcmp(node->op_type, stable[i].op) == 0)
      return opset >= stable[i].since && opset <= stable[i].until;
  return false;
}

static const Onnx__NodeProto *find_unstable(const Onnx__GraphProto *graph, int64_t opset)
{
  for (size_t i = 0; i < graph->n_node; i++) {
    const Onnx__NodeProto *node = graph->node[i];
    if (!node->op_type || !is_stable(node, opset)) return node;
    for (size_t k = 0; k < node->n_attribute; k++) {
      const Onnx__GraphProto *inner = node->attribute[k]->g;
      const Onnx__NodeProto *found = inner ? find_unstable(inner, opset) : NULL;
      if (found) return found;
    }
  }
  return NULL;
}

/* ---- keeping ------------------------------------------------------------------------------------
 */

typedef struct keeper {
  anet__onnx_import *im;
  const Onnx__GraphProto *from;
  Onnx__GraphProto graph;
  const char *why; /* it cannot be exported again */
} keeper;

static bool is_input(const anet__onnx_model *m, const char *name)
{
  for (int32_t i = 0; i < m->inputs; i++)
    if (strcmp(m->input[i].name, name) == 0) return true;
  return false;
}

static const Onnx__ValueInfoProto *find_info(Onnx__ValueInfoProto *const *list, size_t count,
                                             const char *name)
{
  for (size_t i = 0; i < count; i++)
    if (list[i]->name && strcmp(list[i]->name, name) == 0) return list[i];
  return NULL;
}

static int32_t type_of(const Onnx__ValueInfoProto *info)
{
  const bool known = info && info->type &&
                     info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE &&
                     info->type->tensor_type;
  return known ? info->type->tensor_type->elem_type : 0;
}

static int keep_nodes(keeper *k)
{
  const anet__onnx_model *m = &k->im->model;
  TAKE(&k->im->model.pool, k->graph.node, m->nodes);
  for (int32_t i = 0; i < m->nodes; i++)
    if (anet__onnx_in_tail(k->im, i))
      k->graph.node[k->graph.n_node++] = (Onnx__NodeProto *)m->node[i].message;
  return ANET_OK;
}

static int keep_reads(keeper *k)
{
  anet__onnx_import *im = k->im;
  Onnx__GraphProto *g = &k->graph;
  TAKE(&im->model.pool, g->value_info, im->values);
  TAKE(&im->model.pool, g->input, k->from->n_input);
  for (int32_t i = 0; i < im->values; i++) {
    const anet__onnx_value *value = &im->value[i];
    if (!anet__onnx_feeds_tail(value)) continue;
    if (!is_input(&im->model, value->name) &&
        find_info(k->from->input, k->from->n_input, value->name))
      continue; /* it went with what is left out */
    if (anet__onnx_type_of(value) != ANET_ONNX_FLOAT)
      k->why = "what it reads is not of f32 numbers";
    Onnx__ValueInfoProto *info;
    TAKE(&im->model.pool, info, 1);
    *info = (Onnx__ValueInfoProto)ONNX__VALUE_INFO_PROTO__INIT;
    info->name = (char *)value->name;
    g->value_info[g->n_value_info++] = info;
  }
  for (size_t i = 0; i < k->from->n_input; i++) {
    const char *name = k->from->input[i]->name;
    const anet__onnx_value *value = name ? anet__onnx_find(im, name) : NULL;
    const int32_t type = type_of(k->from->input[i]);
    if (!value || value->array) continue;
    if (is_input(&im->model, value->name)) {
      if (type && type != ANET_ONNX_FLOAT) k->why = "the model's numbers are not f32";
    } else if (value->wanted) {
      g->input[g->n_input++] = k->from->input[i];
    }
  }
  return ANET_OK;
}

/* A constant that the walk computed, of shapes mostly. */
static int keep_folded(keeper *k, const anet__onnx_value *value)
{
  const anet__onnx_array *a = value->array;
  Onnx__TensorProto *t;
  for (size_t i = 0; !a->real && i < a->count; i++)
    if (a->i[i] == ANET_ONNX_BATCH) k->why = "it needs the size of the batch";
  if (a->type && a->type != ANET_ONNX_FLOAT && a->type != ANET_ONNX_INT64)
    k->why = "a constant that it needs is of another type by now";
  if (k->why) return ANET_OK;
  TAKE(&k->im->model.pool, t, 1);
  anet__onnx_fill_tensor(value->name, a, t);
  k->graph.initializer[k->graph.n_initializer++] = t;
  return ANET_OK;
}

/* Inputs that the caller made constants. */
static int keep_given(keeper *k)
{
  for (size_t i = 0; i < k->from->n_input; i++) {
    const Onnx__ValueInfoProto *input = k->from->input[i];
    const anet__onnx_value *value = input->name ? anet__onnx_find(k->im, input->name) : NULL;
    bool initial = false;
    for (size_t t = 0; value && t < k->from->n_initializer; t++)
      initial |= k->im->model.initial[t].array == value->array;
    if (!value || !value->wanted || !value->array || initial) continue;
    if (type_of(input) != ANET_ONNX_FLOAT) k->why = "a constant that it needs is of no f32 numbers";
    ANET_TRY(keep_folded(k, value));
  }
  return ANET_OK;
}

static int keep_constants(keeper *k)
{
  const anet__onnx_model *m = &k->im->model;
  const anet__onnx_value *value;
  TAKE(&k->im->model.pool, k->graph.initializer, k->from->n_initializer + (size_t)k->im->values);
  ANET_TRY(keep_given(k));
  for (size_t i = 0; i < k->from->n_initializer; i++) {
    Onnx__TensorProto *t = k->from->initializer[i];
    value = t->name ? anet__onnx_find(k->im, t->name) : NULL;
    if (!value || !value->wanted) continue;
    if (t->n_external_data)
      ANET_TRY(keep_folded(k, value));
    else
      k->graph.initializer[k->graph.n_initializer++] = t;
  }
  for (int32_t i = 0; i < m->nodes; i++)
    for (int32_t o = 0; !anet__onnx_in_tail(k->im, i) && o < m->node[i].outputs; o++) {
      value = anet__onnx_find(k->im, m->node[i].output[o]);
      if (value && value->wanted && value->array) ANET_TRY(keep_folded(k, value));
    }
  return ANET_OK;
}

static int pack(const Onnx__ModelProto *model, anet_bundle *about)
{
  const size_t bytes = onnx__model_proto__get_packed_size(model);
  anet_tensor *tensor;
  if (bytes > INT32_MAX)
    return anet_fail(ANET_UNSUPPORTED, "what is left out has %zu bytes", bytes);
  ANET_TRY(anet_tensor_new(ANET_U8, &(anet_shape){1, {(int32_t)bytes}}, &tensor));
  onnx__model_proto__pack(model, anet_tensor_data(tensor));
  const int rc = anet_bundle_set_tensor(about, tensor_name, tensor);
  anet_tensor_release(tensor);
  return rc;
}

int anet__onnx_tail_keep(anet__onnx_import *im, anet_bundle *about, const char **why)
{
  const Onnx__ModelProto *from = im->model.message;
  const Onnx__NodeProto *unstable;
  Onnx__ModelProto model = *from;
  keeper k = {.im = im, .from = from->graph, .graph = ONNX__GRAPH_PROTO__INIT};
  if (im->desc && im->desc->outputs) k.why = "outputs were named";
  if (im->whole) k.why = "the model has no batch";
  ANET_TRY(keep_nodes(&k));
  ANET_TRY(keep_reads(&k));
  ANET_TRY(keep_constants(&k));
  if ((unstable = find_unstable(&k.graph, im->model.opset))) {
    k.why = anet__onnx_text(&im->model.pool, "%s of opset %lld has no like in opset %d",
                            unstable->op_type ? unstable->op_type : "", (long long)im->model.opset,
                            ANET_ONNX_OPSET);
    if (!k.why) return im->model.pool.rc;
  }
  *why = k.why;
  if (k.why) return ANET_OK;
  k.graph.name = "tail";
  k.graph.n_output = from->graph->n_output;
  k.graph.output = from->graph->output;
  model.graph = &k.graph;
  return pack(&model, about);
}

/* ---- attaching ----------------------------------------------------------------------------------
 */

int anet__onnx_tail_read(const anet_bundle *about, anet__onnx_pool *pool, void **tail)
{
  anet_tensor *tensor = about ? anet_bundle_tensor((anet_bundle *)about, tensor_name) : NULL;
  *tail = NULL;
  if (!tensor) return ANET_OK;
  if (tensor->type != ANET_U8 || !anet_tensor_dense(tensor))
    return anet_fail(ANET_FORMAT, "tensor '%s' is not of bytes", tensor_name);
  ANET_TRY(anet__onnx_unpack(pool, &onnx__model_proto__descriptor, anet_tensor_data(tensor),
                             (size_t)anet_tensor_count(tensor), tail));
  if (((const Onnx__ModelProto *)*tail)->graph) return ANET_OK;
  return anet_fail(ANET_FORMAT, "tensor '%s' holds no graph", tensor_name);
}

/* Append pointers to a list of pointers, which moves into the pool. list: where it is kept. */
static int join(anet__onnx_pool *pool, void *list, size_t *count, const void *more, size_t added)
{
  void **all, *before;
  TAKE(pool, all, *count + added);
  memcpy(&before, list, sizeof before);
  if (*count) memcpy(all, before, *count * sizeof *all);
  if (added) memcpy(all + *count, more, added * sizeof *all);
  memcpy(list, &all, sizeof all);
  *count += added;
  return ANET_OK;
}

static bool makes(const Onnx__GraphProto *graph, const char *name)
{
  for (size_t i = 0; i < graph->n_initializer; i++)
    if (graph->initializer[i]->name && strcmp(graph->initializer[i]->name, name) == 0) return true;
  for (size_t i = 0; i < graph->n_node; i++)
    for (size_t o = 0; o < graph->node[i]->n_output; o++)
      if (strcmp(graph->node[i]->output[o], name) == 0) return true;
  return find_info(graph->input, graph->n_input, name) != NULL;
}

static int check_name(const Onnx__GraphProto *graph, const char *name)
{
  if (!name || !name[0] || !makes(graph, name)) return ANET_OK;
  return anet_fail(ANET_UNSUPPORTED, "what was left out makes '%s', and so does the rest", name);
}

/* All that the tail reads is there, and nothing that it makes. */
static int check_names(const Onnx__GraphProto *tail, const Onnx__GraphProto *graph)
{
  for (size_t i = 0; i < tail->n_value_info; i++) {
    const char *name = tail->value_info[i]->name;
    if (!name || (!find_info(graph->output, graph->n_output, name) &&
                  !find_info(graph->input, graph->n_input, name)))
      return anet_fail(ANET_STATE, "what was left out reads '%s', which is no output",
                       name ? name : "");
  }
  for (size_t i = 0; i < tail->n_initializer; i++)
    ANET_TRY(check_name(graph, tail->initializer[i]->name));
  for (size_t i = 0; i < tail->n_input; i++) ANET_TRY(check_name(graph, tail->input[i]->name));
  for (size_t i = 0; i < tail->n_node; i++)
    for (size_t o = 0; o < tail->node[i]->n_output; o++)
      ANET_TRY(check_name(graph, tail->node[i]->output[o]));
  return ANET_OK;
}

/* The attribute becomes an initialiser of the outer graph, which inner ones see. */
static int move_attribute(anet__onnx_pool *pool, Onnx__NodeProto *node, Onnx__GraphProto *graph)
{
  const char *word = is_own(node->domain) && node->op_type ? moved_attribute(node->op_type) : NULL;
  for (size_t i = 0; word && i < node->n_attribute; i++) {
    const Onnx__AttributeProto *a = node->attribute[i];
    if (!a->name || strcmp(a->name, word) != 0 || node->n_input != 1 || !node->n_output) continue;
    anet__onnx_array *array;
    Onnx__TensorProto *t;
    char *name = anet__onnx_text(pool, "%s.%s", node->output[0], word);
    if (!name) return pool->rc;
    TAKE(pool, t, 1);
    ANET_TRY(anet__onnx_array_new(pool, false, 1, &(int64_t){(int64_t)a->n_ints}, &array));
    if (a->n_ints) memcpy(array->i, a->ints, a->n_ints * sizeof *array->i);
    anet__onnx_fill_tensor(name, array, t);
    ANET_TRY(join(pool, &node->input, &node->n_input, &name, 1));
    node->attribute[i] = node->attribute[--node->n_attribute];
    return join(pool, &graph->initializer, &graph->n_initializer, &t, 1);
  }
  return ANET_OK;
}

static int modernise(anet__onnx_pool *pool, const Onnx__GraphProto *part, Onnx__GraphProto *graph)
{
  for (size_t i = 0; i < part->n_node; i++) {
    ANET_TRY(move_attribute(pool, part->node[i], graph));
    for (size_t k = 0; k < part->node[i]->n_attribute; k++)
      if (part->node[i]->attribute[k]->g)
        ANET_TRY(modernise(pool, part->node[i]->attribute[k]->g, graph));
  }
  return ANET_OK;
}

/* The outputs are those of the source, in its order; what the rest has of them says its own shape.
 */
static int set_outputs(anet__onnx_pool *pool, const Onnx__GraphProto *tail, Onnx__GraphProto *graph)
{
  Onnx__ValueInfoProto **all;
  TAKE(pool, all, tail->n_output);
  for (size_t i = 0; i < tail->n_output; i++) {
    const char *name = tail->output[i]->name ? tail->output[i]->name : "";
    const Onnx__ValueInfoProto *own = find_info(graph->output, graph->n_output, name);
    if (!own && !makes(tail, name))
      return anet_fail(ANET_STATE, "the model's output '%s' is made by nothing", name);
    all[i] = own ? (Onnx__ValueInfoProto *)own : tail->output[i];
  }
  graph->output = all;
  graph->n_output = tail->n_output;
  return ANET_OK;
}

int anet__onnx_tail_attach(anet__onnx_pool *pool, const void *message, Onnx__ModelProto *model)
{
  const Onnx__ModelProto *from = message;
  const Onnx__GraphProto *tail = from->graph;
  Onnx__GraphProto *graph = model->graph;
  ANET_TRY(check_names(tail, graph));
  ANET_TRY(set_outputs(pool, tail, graph));
  ANET_TRY(join(pool, &graph->node, &graph->n_node, tail->node, tail->n_node));
  ANET_TRY(join(pool, &graph->input, &graph->n_input, tail->input, tail->n_input));
  ANET_TRY(join(pool, &graph->initializer, &graph->n_initializer, tail->initializer,
                tail->n_initializer));
  ANET_TRY(modernise(pool, tail, graph));
  for (size_t i = 0; i < from->n_opset_import; i++)
    if (!is_own(from->opset_import[i]->domain))
      ANET_TRY(join(pool, &model->opset_import, &model->n_opset_import, &from->opset_import[i], 1));
  return ANET_OK;
}
