/* A model's messages in the neutral form of onnx.h; and arrays in files of their own. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/index.h"
#include "onnx/onnx_message.h"

typedef struct reader {
  anet__onnx_pool *pool;
  const char *path; /* the model's file */
} reader;

static const char *text_or_empty(const char *text)
{
  return text ? text : "";
}

static const char *text_of(const reader *r, ProtobufCBinaryData bytes)
{
  return anet__onnx_text(r->pool, "%.*s", (int)ANET_MIN(bytes.len, (size_t)INT32_MAX),
                         bytes.data ? (const char *)bytes.data : "");
}

/* Files of the first versions do not say which field is used. */
static int read_attr(const reader *r, const Onnx__AttributeProto *from, anet__onnx_attr *to)
{
  to->name = text_or_empty(from->name);
  to->kind = ANET_ONNX_ATTR_OTHER;
  if (from->t) {
    anet__onnx_array *array;
    to->kind = ANET_ONNX_ATTR_ARRAY;
    ANET_TRY(anet__onnx_decode(r->pool, r->path, from->t, &array));
    to->array = array;
  } else if (from->n_ints || from->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS) {
    to->kind = ANET_ONNX_ATTR_INTS;
    to->ints = from->ints;
    to->count = from->n_ints;
  } else if (from->n_floats || from->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS) {
    to->kind = ANET_ONNX_ATTR_REALS;
    to->reals = from->floats;
    to->count = from->n_floats;
  } else if (from->has_s) {
    to->kind = ANET_ONNX_ATTR_TEXT;
    to->text = text_of(r, from->s);
    if (!to->text) return r->pool->rc;
  } else if (from->has_f) {
    to->kind = ANET_ONNX_ATTR_REAL;
    to->f = from->f;
  } else if (from->has_i) {
    to->kind = ANET_ONNX_ATTR_INT;
    to->i = from->i;
  }
  return ANET_OK;
}

static int read_node(const reader *r, const Onnx__NodeProto *from, anet__onnx_node *to)
{
  if (from->n_input > INT16_MAX || from->n_output > INT16_MAX || from->n_attribute > INT16_MAX)
    return anet_fail(ANET_FORMAT, "a node has %zu inputs, %zu outputs, %zu attributes",
                     from->n_input, from->n_output, from->n_attribute);
  *to = (anet__onnx_node){.message = from,
                          .op = text_or_empty(from->op_type),
                          .name = text_or_empty(from->name),
                          .domain = text_or_empty(from->domain),
                          .input = (const char **)from->input,
                          .output = (const char **)from->output,
                          .inputs = (int32_t)from->n_input,
                          .outputs = (int32_t)from->n_output,
                          .attrs = (int32_t)from->n_attribute};
  to->attr = anet__onnx_take(r->pool, from->n_attribute, sizeof *to->attr);
  if (!to->attr) return r->pool->rc;
  for (int32_t i = 0; i < to->attrs; i++) {
    const int rc = read_attr(r, from->attribute[i], &to->attr[i]);
    if (rc) return anet__fail_in(rc, "%s '%s': attribute '%s'", to->op, to->name, to->attr[i].name);
  }
  return ANET_OK;
}

static int read_face(const Onnx__ValueInfoProto *from, anet__onnx_face *to)
{
  *to = (anet__onnx_face){.name = text_or_empty(from->name), .rank = -1};
  if (!from->type || from->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
      !from->type->tensor_type)
    return ANET_OK;
  const Onnx__TypeProto__Tensor *type = from->type->tensor_type;
  to->type = type->elem_type;
  if (!type->shape) return ANET_OK;
  if (type->shape->n_dim > ANET_ONNX_RANK)
    return anet_fail(ANET_UNSUPPORTED, "'%s' has %zu dimensions, the most is %d", to->name,
                     type->shape->n_dim, ANET_ONNX_RANK);
  to->rank = (int32_t)type->shape->n_dim;
  for (int32_t i = 0; i < to->rank; i++) {
    const Onnx__TensorShapeProto__Dimension *d = type->shape->dim[i];
    const bool number = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    to->dim[i] = number && d->dim_value > 0 ? d->dim_value : -1;
  }
  return ANET_OK;
}

static int read_initials(const reader *r, const Onnx__GraphProto *graph, anet__onnx_model *m)
{
  if (graph->n_sparse_initializer)
    return anet_fail(ANET_UNSUPPORTED, "it has %zu sparse initialisers; export it with dense ones",
                     graph->n_sparse_initializer);
  m->initial = anet__onnx_take(r->pool, graph->n_initializer, sizeof *m->initial);
  if (!m->initial) return r->pool->rc;
  for (size_t i = 0; i < graph->n_initializer; i++) {
    anet__onnx_array *array;
    ANET_TRY(anet__onnx_decode(r->pool, r->path, graph->initializer[i], &array));
    m->initial[m->initials++] =
        (anet__onnx_named){text_or_empty(graph->initializer[i]->name), array};
  }
  return ANET_OK;
}

/* Inputs that are no initialisers: files of the first versions list those too. */
static int read_inputs(const Onnx__GraphProto *graph, anet__onnx_model *m)
{
  anet__index names = {0};
  int rc = ANET_OK;
  for (int32_t i = 0; i < m->initials && !rc; i++)
    rc = anet__index_add(&names, anet__hash_text(ANET_HASH_NONE, m->initial[i].name), i);
  for (size_t i = 0; i < graph->n_input && !rc; i++) {
    const char *name = text_or_empty(graph->input[i]->name);
    const uint64_t hash = anet__hash_text(ANET_HASH_NONE, name);
    bool initial = false;
    for (int32_t k = -1; !initial && (k = anet__index_find(&names, hash, k)) >= 0;)
      initial = strcmp(m->initial[names.item[k].value].name, name) == 0;
    if (!initial) rc = read_face(graph->input[i], &m->input[m->inputs++]);
  }
  anet__index_free(&names);
  return rc;
}

static int read_graph(const reader *r, const Onnx__GraphProto *graph, anet__onnx_model *m)
{
  ANET_TRY(read_initials(r, graph, m));
  m->node = anet__onnx_take(r->pool, graph->n_node, sizeof *m->node);
  m->input = anet__onnx_take(r->pool, graph->n_input, sizeof *m->input);
  m->output = anet__onnx_take(r->pool, graph->n_output, sizeof *m->output);
  if (!m->node || !m->input || !m->output) return r->pool->rc;
  for (size_t i = 0; i < graph->n_node; i++)
    ANET_TRY(read_node(r, graph->node[i], &m->node[m->nodes++]));
  ANET_TRY(read_inputs(graph, m));
  for (size_t i = 0; i < graph->n_output; i++)
    ANET_TRY(read_face(graph->output[i], &m->output[m->outputs++]));
  return ANET_OK;
}

static int read_model(const reader *r, const Onnx__ModelProto *from, anet__onnx_model *m)
{
  if (!from->graph) return anet_fail(ANET_FORMAT, "it holds no graph");
  if (from->n_functions)
    return anet_fail(ANET_UNSUPPORTED,
                     "it defines %zu functions of its own; inline them before the export",
                     from->n_functions);
  m->opset = 1;
  m->producer = text_or_empty(from->producer_name);
  for (size_t i = 0; i < from->n_opset_import; i++) {
    const char *domain = text_or_empty(from->opset_import[i]->domain);
    if (!domain[0] || strcmp(domain, "ai.onnx") == 0) m->opset = from->opset_import[i]->version;
  }
  return read_graph(r, from->graph, m);
}

int anet__onnx_read(const char *path, anet__onnx_model *out)
{
  char *data = NULL;
  size_t bytes;
  *out = (anet__onnx_model){0};
  int rc = anet__onnx_load(&out->pool, path, &data, &bytes);
  if (rc) return rc;
  const reader r = {.pool = &out->pool, .path = path};
  rc = anet__onnx_unpack(&out->pool, &onnx__model_proto__descriptor, data, bytes, &out->message);
  anet__free(data);
  if (!rc) rc = read_model(&r, out->message, out);
  if (!rc) return ANET_OK;
  anet__onnx_free(out);
  return anet__fail_in(rc, "'%s'", path);
}

void anet__onnx_free(anet__onnx_model *model)
{
  anet__onnx_pool_free(&model->pool);
  *model = (anet__onnx_model){0};
}

int anet__onnx_read_array(const char *path, anet__onnx_pool *pool, anet__onnx_array **out)
{
  char *data = NULL;
  size_t bytes;
  void *message = NULL;
  ANET_TRY(anet__onnx_load(pool, path, &data, &bytes));
  int rc = anet__onnx_unpack(pool, &onnx__tensor_proto__descriptor, data, bytes, &message);
  anet__free(data);
  if (!rc) rc = anet__onnx_decode(pool, path, message, out);
  return rc ? anet__fail_in(rc, "'%s'", path) : ANET_OK;
}
