/* The neutral form of onnx.h as messages of protobuf, and as files. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "onnx/onnx_message.h"
#include "onnx/onnx_tail.h"

/* ---- arrays --------------------------------------------------------------------------------- */

/* Of a whole number in so many bytes the lowest come first. */
void anet__onnx_fill_tensor(const char *name, const anet__onnx_array *a, Onnx__TensorProto *t)
{
  const bool byte = !a->real && a->type == ANET_ONNX_UINT8 && a->count == 1;
  *t = (Onnx__TensorProto)ONNX__TENSOR_PROTO__INIT;
  t->name = (char *)name;
  t->n_dims = (size_t)a->rank;
  t->dims = (int64_t *)a->dim;
  t->has_data_type = 1;
  t->data_type = a->real ? ANET_ONNX_FLOAT : byte ? ANET_ONNX_UINT8 : ANET_ONNX_INT64;
  t->has_raw_data = 1;
  t->raw_data.len = byte ? 1 : a->count * (a->real ? sizeof *a->f : sizeof *a->i);
  t->raw_data.data = a->real ? (uint8_t *)a->f : (uint8_t *)a->i;
}

/* ---- files ---------------------------------------------------------------------------------- */

/* What protobuf-c packs goes straight to the file, and the first failure is kept. */
typedef struct stream {
  ProtobufCBuffer base;
  anet__sink *sink;
  int rc;
} stream;

static void append(ProtobufCBuffer *buffer, size_t bytes, const uint8_t *data)
{
  stream *s = (stream *)buffer;
  if (!s->rc) s->rc = anet__sink_put(s->sink, data, bytes);
}

enum { CHUNK = 1 << 16 };

/* Small pieces are gathered. */
typedef struct gather {
  stream stream;
  size_t used;
  uint8_t data[CHUNK];
} gather;

static void gather_append(ProtobufCBuffer *buffer, size_t bytes, const uint8_t *data)
{
  gather *g = (gather *)buffer;
  if (g->used + bytes > CHUNK) {
    append(buffer, g->used, g->data);
    g->used = 0;
  }
  if (bytes > CHUNK) {
    append(buffer, bytes, data);
    return;
  }
  if (bytes) memcpy(g->data + g->used, data, bytes); /* nothing may be at NULL */
  g->used += bytes;
}

static int fill_file(anet__sink *sink, void *context)
{
  gather *g = anet__alloc(sizeof *g);
  if (!g) return ANET_NOMEM;
  g->stream = (stream){.base = {gather_append}, .sink = sink};
  protobuf_c_message_pack_to_buffer(context, &g->stream.base);
  append(&g->stream.base, g->used, g->data);
  const int rc = g->stream.rc;
  anet__free(g);
  return rc;
}

int anet__onnx_write_array(const char *path, const anet__onnx_array *array)
{
  Onnx__TensorProto t;
  anet__onnx_fill_tensor(NULL, array, &t);
  return anet__file_save(path, fill_file, &t);
}

/* ---- models --------------------------------------------------------------------------------- */

/* Messages are taken from the model's pool and borrow its names and arrays. */
#define TAKE(pool, to, count)                                                                      \
  do {                                                                                             \
    (to) = anet__onnx_take(pool, (size_t)(count), sizeof *(to));                                   \
    if (!(to)) return (pool)->rc;                                                                  \
  } while (0)

static int write_attr(anet__onnx_pool *pool, const anet__onnx_attr *a, Onnx__AttributeProto **out)
{
  Onnx__AttributeProto *to;
  TAKE(pool, to, 1);
  *to = (Onnx__AttributeProto)ONNX__ATTRIBUTE_PROTO__INIT;
  to->name = (char *)a->name;
  to->has_type = 1;
  switch (a->kind) {
    case ANET_ONNX_ATTR_INT:
      to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
      to->has_i = 1;
      to->i = a->i;
      break;
    case ANET_ONNX_ATTR_REAL:
      to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
      to->has_f = 1;
      to->f = a->f;
      break;
    case ANET_ONNX_ATTR_TEXT:
      to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
      to->has_s = 1;
      to->s = (ProtobufCBinaryData){strlen(a->text), (uint8_t *)a->text};
      break;
    default:
      to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
      to->n_ints = a->count;
      to->ints = (int64_t *)a->ints;
  }
  *out = to;
  return ANET_OK;
}

static int write_node(anet__onnx_pool *pool, const anet__onnx_node *node, Onnx__NodeProto **out)
{
  Onnx__NodeProto *to;
  TAKE(pool, to, 1);
  *to = (Onnx__NodeProto)ONNX__NODE_PROTO__INIT;
  to->name = (char *)node->name;
  to->op_type = (char *)node->op;
  to->n_input = (size_t)node->inputs;
  to->input = (char **)node->input;
  to->n_output = (size_t)node->outputs;
  to->output = (char **)node->output;
  to->n_attribute = (size_t)node->attrs;
  TAKE(pool, to->attribute, node->attrs);
  for (int32_t i = 0; i < node->attrs; i++)
    ANET_TRY(write_attr(pool, &node->attr[i], &to->attribute[i]));
  *out = to;
  return ANET_OK;
}

static int write_face(anet__onnx_pool *pool, const anet__onnx_face *face,
                      Onnx__ValueInfoProto **out)
{
  Onnx__ValueInfoProto *to;
  Onnx__TypeProto *type;
  Onnx__TypeProto__Tensor *tensor;
  Onnx__TensorShapeProto *shape;
  TAKE(pool, to, 1);
  TAKE(pool, type, 1);
  TAKE(pool, tensor, 1);
  TAKE(pool, shape, 1);
  *to = (Onnx__ValueInfoProto)ONNX__VALUE_INFO_PROTO__INIT;
  *type = (Onnx__TypeProto)ONNX__TYPE_PROTO__INIT;
  *tensor = (Onnx__TypeProto__Tensor)ONNX__TYPE_PROTO__TENSOR__INIT;
  *shape = (Onnx__TensorShapeProto)ONNX__TENSOR_SHAPE_PROTO__INIT;
  to->name = (char *)face->name;
  to->type = type;
  type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  type->tensor_type = tensor;
  tensor->has_elem_type = 1;
  tensor->elem_type = face->type;
  tensor->shape = shape;
  shape->n_dim = (size_t)face->rank;
  TAKE(pool, shape->dim, face->rank);
  for (int32_t i = 0; i < face->rank; i++) {
    TAKE(pool, shape->dim[i], 1);
    *shape->dim[i] = (Onnx__TensorShapeProto__Dimension)ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
    if (face->dim[i] < 0) {
      shape->dim[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
      shape->dim[i]->dim_param = "N";
    } else {
      shape->dim[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
      shape->dim[i]->dim_value = face->dim[i];
    }
  }
  *out = to;
  return ANET_OK;
}

static int write_graph(anet__onnx_pool *pool, const anet__onnx_model *m, Onnx__GraphProto *g)
{
  *g = (Onnx__GraphProto)ONNX__GRAPH_PROTO__INIT;
  g->name = "anet";
  g->n_node = (size_t)m->nodes;
  g->n_initializer = (size_t)m->initials;
  g->n_input = (size_t)m->inputs;
  g->n_output = (size_t)m->outputs;
  TAKE(pool, g->node, m->nodes);
  TAKE(pool, g->initializer, m->initials);
  TAKE(pool, g->input, m->inputs);
  TAKE(pool, g->output, m->outputs);
  for (int32_t i = 0; i < m->nodes; i++) ANET_TRY(write_node(pool, &m->node[i], &g->node[i]));
  for (int32_t i = 0; i < m->inputs; i++) ANET_TRY(write_face(pool, &m->input[i], &g->input[i]));
  for (int32_t i = 0; i < m->outputs; i++) ANET_TRY(write_face(pool, &m->output[i], &g->output[i]));
  for (int32_t i = 0; i < m->initials; i++) {
    TAKE(pool, g->initializer[i], 1);
    anet__onnx_fill_tensor(m->initial[i].name, m->initial[i].array, g->initializer[i]);
  }
  return ANET_OK;
}

/* protobuf's messages end at 2 GiB. */
static int check_size(const Onnx__ModelProto *model)
{
  const size_t bytes = onnx__model_proto__get_packed_size(model);
  if (bytes < INT32_MAX) return ANET_OK;
  return anet_fail(ANET_UNSUPPORTED, "the model has %zu bytes, an ONNX file at most %d", bytes,
                   INT32_MAX);
}

int anet__onnx_write(const char *path, anet__onnx_model *m)
{
  Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
  Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets[1] = {&opset};
  Onnx__GraphProto graph;
  ANET_TRY(write_graph(&m->pool, m, &graph));
  opset.domain = "";
  opset.has_version = 1;
  opset.version = m->opset;
  model.has_ir_version = 1;
  model.ir_version = 8;
  model.producer_name = "anet";
  model.producer_version = (char *)anet_version();
  model.n_opset_import = 1;
  model.opset_import = opsets;
  model.graph = &graph;
  if (m->tail) ANET_TRY(anet__onnx_tail_attach(&m->pool, m->tail, &model));
  ANET_TRY(check_size(&model));
  return anet__file_save(path, fill_file, &model);
}
