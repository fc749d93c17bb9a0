/* Changes to ONNX files by what they mean: numbers of attributes, sizes, constants, ops and
 * operands, nodes of other files. Bytes that are no model, and a third of the others, are changed
 * as libFuzzer changes any. */
#include <string.h>

#include "fuzz/change.h"
#include "onnx/onnx_message.h"
#include "onnx/onnx_ops.def"

enum { POOL_BYTES = 1 << 26, MOST_ELEMENTS = 64 };

/* clang-format off */
static const char *const OP[] = {
#define X(name, handler) #name,
    ANET_ONNX_OP_MAP(X)
#undef X
    "Constant", "ConstantOfShape", "Shape", "Size", "Range", "NonZero", "Tile"};

static const char *const ATTRIBUTE[] = {
    "pads", "strides", "dilations", "kernel_shape", "axis", "axes", "group", "ceil_mode",
    "auto_pad", "keepdims", "perm", "blocksize", "mode", "alpha", "beta", "epsilon", "size",
    "transA", "transB", "largest", "allowzero", "starts", "ends", "split", "output_shape",
    "num_groups", "batch_dims", "num_outputs", "storage_order", "output_padding",
    "exclude_outside", "count_include_pad", "noop_with_empty_axes", "to"};
/* clang-format on */

static const char *const WORD[] = {"SAME_UPPER", "SAME_LOWER", "VALID", "reflect", "edge",
                                   "wrap",       "linear",     "cubic", "CRD"};

typedef struct change {
  anet_rng rng;
  anet__onnx_pool pool;
  Onnx__ModelProto *model;
  Onnx__GraphProto *graph;
} change;

static size_t below(change *c, size_t count)
{
  return anet__rng_below(&c->rng, (uint32_t)count);
}

static bool open_model(change *c, const uint8_t *data, size_t bytes, unsigned seed)
{
  void *model = NULL;
  *c = (change){.pool = {.left = POOL_BYTES}};
  anet_rng_seed(&c->rng, seed);
  if (anet__onnx_unpack(&c->pool, &onnx__model_proto__descriptor, (const char *)data, bytes,
                        &model))
    return false;
  c->model = model;
  c->graph = c->model->graph;
  return c->graph && c->graph->n_node > 0;
}

/* The model's bytes; 0: they are over `most`. */
static size_t close_model(change *c, uint8_t *out, size_t most)
{
  const size_t bytes = onnx__model_proto__get_packed_size(c->model);
  const size_t written = c->pool.rc || bytes > most ? 0 : onnx__model_proto__pack(c->model, out);
  anet__onnx_pool_free(&c->pool);
  return written;
}

/* A list of one item more, the last of them zero; NULL: out of the pool's memory. */
static void *longer(change *c, const void *list, size_t count, size_t size)
{
  void *copy = anet__onnx_take(&c->pool, count + 1, size);
  if (copy && count) memcpy(copy, list, count * size);
  return copy;
}

/* ---- attributes -------------------------------------------------------------------------------
 */

static void change_ints(change *c, Onnx__AttributeProto *a)
{
  const size_t kind = below(c, 8);
  if (kind == 0)
    a->n_ints--;
  else if (kind == 1) {
    int64_t *ints = longer(c, a->ints, a->n_ints, sizeof *ints);
    if (!ints) return;
    ints[a->n_ints++] = fuzz_whole(&c->rng);
    a->ints = ints;
  } else
    a->ints[below(c, a->n_ints)] = fuzz_whole(&c->rng);
}

static void change_attribute(change *c)
{
  const Onnx__NodeProto *node = c->graph->node[below(c, c->graph->n_node)];
  if (!node->n_attribute) return;
  Onnx__AttributeProto *a = node->attribute[below(c, node->n_attribute)];
  if (a->n_ints) change_ints(c, a);
  if (a->n_floats) a->floats[below(c, a->n_floats)] = fuzz_real(&c->rng);
  if (a->has_i) a->i = fuzz_whole(&c->rng);
  if (a->has_f) a->f = fuzz_real(&c->rng);
}

static void add_attribute(change *c)
{
  Onnx__NodeProto *node = c->graph->node[below(c, c->graph->n_node)];
  Onnx__AttributeProto **list = longer(c, node->attribute, node->n_attribute, sizeof *list);
  Onnx__AttributeProto *a = anet__onnx_take(&c->pool, 1, sizeof *a);
  if (!list || !a) return;
  onnx__attribute_proto__init(a);
  a->name = (char *)FUZZ_ONE_OF(&c->rng, ATTRIBUTE);
  a->has_type = true;
  switch (below(c, 4)) {
    case 0:
      a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
      a->has_i = true;
      a->i = fuzz_whole(&c->rng);
      break;
    case 1:
      a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
      a->has_f = true;
      a->f = fuzz_real(&c->rng);
      break;
    case 2:
      a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
      a->has_s = true;
      a->s.data = (uint8_t *)FUZZ_ONE_OF(&c->rng, WORD);
      a->s.len = strlen((const char *)a->s.data);
      break;
    default:
      a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
      a->n_ints = 1 + below(c, 4);
      a->ints = anet__onnx_take(&c->pool, a->n_ints, sizeof *a->ints);
      for (size_t i = 0; a->ints && i < a->n_ints; i++) a->ints[i] = fuzz_whole(&c->rng);
  }
  list[node->n_attribute++] = a;
  node->attribute = list;
}

/* ---- values -----------------------------------------------------------------------------------
 */

static Onnx__TensorShapeProto *shape_of(const Onnx__ValueInfoProto *value)
{
  const Onnx__TypeProto *type = value->type;
  const bool tensor =
      type && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE && type->tensor_type;
  return tensor ? type->tensor_type->shape : NULL;
}

static void change_size(change *c)
{
  if (!c->graph->n_input) return;
  const Onnx__TensorShapeProto *shape = shape_of(c->graph->input[below(c, c->graph->n_input)]);
  if (!shape || !shape->n_dim) return;
  Onnx__TensorShapeProto__Dimension *dim = shape->dim[below(c, shape->n_dim)];
  dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
  dim->dim_value = fuzz_whole(&c->rng);
}

static void change_raw(change *c, const Onnx__TensorProto *t)
{
  const bool real = t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
  const size_t size = real || t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32 ? 4
                      : t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64       ? 8
                                                                                   : 1;
  const int64_t number = fuzz_whole(&c->rng);
  const float level = fuzz_real(&c->rng);
  if (t->raw_data.len < size) return;
  memcpy(t->raw_data.data + below(c, t->raw_data.len / size) * size,
         real ? (const void *)&level : &number, size);
}

static void change_constant(change *c)
{
  if (!c->graph->n_initializer) return;
  Onnx__TensorProto *t = c->graph->initializer[below(c, c->graph->n_initializer)];
  if (t->n_dims && below(c, 4) == 0) t->dims[below(c, t->n_dims)] = fuzz_whole(&c->rng);
  if (t->has_raw_data) change_raw(c, t);
  if (t->n_int64_data) t->int64_data[below(c, t->n_int64_data)] = fuzz_whole(&c->rng);
  if (t->n_int32_data) t->int32_data[below(c, t->n_int32_data)] = (int32_t)fuzz_whole(&c->rng);
  if (t->n_float_data) t->float_data[below(c, t->n_float_data)] = fuzz_real(&c->rng);
}

/* An input becomes a constant of numbers at random. */
static void make_constant(change *c)
{
  Onnx__GraphProto *g = c->graph;
  if (!g->n_input) return;
  const size_t at = below(c, g->n_input);
  const Onnx__TensorShapeProto *shape = shape_of(g->input[at]);
  Onnx__TensorProto **list = longer(c, g->initializer, g->n_initializer, sizeof *list);
  Onnx__TensorProto *t = anet__onnx_take(&c->pool, 1, sizeof *t);
  int64_t count = 1;
  if (!shape || !list || !t) return;
  onnx__tensor_proto__init(t);
  t->name = g->input[at]->name;
  t->has_data_type = true;
  t->data_type = g->input[at]->type->tensor_type->elem_type;
  t->n_dims = shape->n_dim;
  t->dims = anet__onnx_take(&c->pool, shape->n_dim + 1, sizeof *t->dims);
  for (size_t i = 0; t->dims && i < shape->n_dim; i++) {
    const Onnx__TensorShapeProto__Dimension *dim = shape->dim[i];
    const bool known = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    t->dims[i] =
        known && dim->dim_value >= 0 && dim->dim_value <= MOST_ELEMENTS ? dim->dim_value : 1;
    count = count <= MOST_ELEMENTS ? count * t->dims[i] : count;
  }
  if (count > MOST_ELEMENTS) return;
  const bool real = t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
  if (real) {
    t->n_float_data = (size_t)count;
    t->float_data = anet__onnx_take(&c->pool, (size_t)count + 1, sizeof *t->float_data);
    for (int64_t i = 0; t->float_data && i < count; i++) t->float_data[i] = fuzz_real(&c->rng);
  } else {
    t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    t->n_int64_data = (size_t)count;
    t->int64_data = anet__onnx_take(&c->pool, (size_t)count + 1, sizeof *t->int64_data);
    for (int64_t i = 0; t->int64_data && i < count; i++) t->int64_data[i] = fuzz_whole(&c->rng);
  }
  list[g->n_initializer++] = t;
  g->initializer = list;
  g->input[at] = g->input[--g->n_input];
}

/* ---- nodes ------------------------------------------------------------------------------------
 */

static void change_op(change *c)
{
  c->graph->node[below(c, c->graph->n_node)]->op_type = (char *)FUZZ_ONE_OF(&c->rng, OP);
}

/* The name of any value of the graph; "" is none. */
static char *any_value(change *c)
{
  const Onnx__GraphProto *g = c->graph;
  const Onnx__NodeProto *node = g->node[below(c, g->n_node)];
  const size_t kind = below(c, 4);
  char *name = NULL;
  if (kind == 0 && g->n_input) name = g->input[below(c, g->n_input)]->name;
  if (kind == 1 && g->n_initializer) name = g->initializer[below(c, g->n_initializer)]->name;
  if (kind >= 2 && node->n_output) name = node->output[0];
  return name ? name : "";
}

static void change_operand(change *c)
{
  Onnx__NodeProto *node = c->graph->node[below(c, c->graph->n_node)];
  if (node->n_input && below(c, 2)) {
    node->input[below(c, node->n_input)] = any_value(c);
    return;
  }
  char **input = longer(c, node->input, node->n_input, sizeof *input);
  if (!input) return;
  input[node->n_input++] = any_value(c);
  node->input = input;
}

typedef void change_of(change *c);
static change_of *const CHANGE[] = {
    change_attribute, change_attribute, change_attribute, add_attribute, change_size,   change_size,
    change_constant,  change_constant,  make_constant,    change_op,     change_operand};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed)
{
  change c;
  if (!open_model(&c, data, bytes, seed) || below(&c, 3) == 0) {
    anet__onnx_pool_free(&c.pool);
    return LLVMFuzzerMutate(data, bytes, most);
  }
  for (size_t i = 1 + below(&c, 3); i > 0 && !c.pool.rc; i--)
    CHANGE[below(&c, ANET_COUNT(CHANGE))](&c);
  const size_t written = close_model(&c, data, most);
  return written ? written : LLVMFuzzerMutate(data, bytes, most);
}

/* The constants that a node of another model reads, behind its first input. */
static void take_constants(change *c, const Onnx__GraphProto *from, const Onnx__NodeProto *node)
{
  Onnx__GraphProto *g = c->graph;
  for (size_t i = 1; i < node->n_input; i++)
    for (size_t k = 0; k < from->n_initializer; k++) {
      Onnx__TensorProto *t = from->initializer[k];
      if (!t->name || strcmp(t->name, node->input[i]) != 0) continue;
      Onnx__TensorProto **list = longer(c, g->initializer, g->n_initializer, sizeof *list);
      if (!list) return;
      list[g->n_initializer++] = t;
      g->initializer = list;
    }
}

/* A node of the other file behind those of this one: it reads one of this one's values and makes an
 * output. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_bytes, const uint8_t *other,
                                 size_t other_bytes, uint8_t *out, size_t most, unsigned seed)
{
  change c, from;
  size_t written = 0;
  const bool there = open_model(&from, other, other_bytes, seed);
  if (open_model(&c, one, one_bytes, seed) && there) {
    Onnx__GraphProto *g = c.graph;
    Onnx__NodeProto *node = from.graph->node[below(&c, from.graph->n_node)];
    Onnx__NodeProto **nodes = longer(&c, g->node, g->n_node, sizeof *nodes);
    if (node->n_input) node->input[0] = any_value(&c);
    take_constants(&c, from.graph, node);
    if (nodes) {
      nodes[g->n_node++] = node;
      g->node = nodes;
      if (g->n_output && node->n_output) g->output[0]->name = node->output[0];
      written = close_model(&c, out, most);
    }
  }
  anet__onnx_pool_free(&c.pool);
  anet__onnx_pool_free(&from.pool);
  return written;
}
