/* The neutral form of onnx.h as messages of protobuf, and as files. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "io/onnx_message.h"

/* ---- arrays ------------------------------------------------------------------------------------------ */

/* A message whose memory is the array's. */
static void fill_tensor(const char *name, const anet__onnx_array *a, Onnx__TensorProto *t)
{
  *t = (Onnx__TensorProto)ONNX__TENSOR_PROTO__INIT;
  t->name = (char *)name;
  t->n_dims = (size_t)a->rank;
  t->dims = (int64_t *)a->dim;
  t->has_data_type = 1;
  t->data_type = a->real ? ANET_ONNX_FLOAT : ANET_ONNX_INT64;
  t->has_raw_data = 1;
  t->raw_data.len = a->count * (a->real ? sizeof *a->f : sizeof *a->i);
  t->raw_data.data = a->real ? (uint8_t *)a->f : (uint8_t *)a->i;
}

/* ---- files ------------------------------------------------------------------------------------------- */

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
  memcpy(g->data + g->used, data, bytes);
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
  fill_tensor(NULL, array, &t);
  return anet__file_save(path, fill_file, &t);
}
