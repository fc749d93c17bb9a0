/* From bytes to messages. What comes in is trusted in nothing: protobuf-c would follow nested
 * messages as deep as they go, so the depth is measured first, and all its memory comes from a
 * bounded pool. */
#include "onnx/onnx_message.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"

enum { MOST_DEPTH = 32 };
static const size_t MOST_FILE = (size_t)1 << 36, BASE_BYTES = (size_t)1 << 24;
enum { BYTES_A_BYTE = 160 }; /* an empty message of two bytes becomes a struct of some 300 */

int anet__onnx_load(anet__onnx_pool *pool, const char *path, char **data, size_t *bytes)
{
  size_t room;
  ANET_TRY(anet__file_read(path, MOST_FILE, data, bytes));
  pool->left = anet__mul(*bytes, BYTES_A_BYTE, &room) ? BASE_BYTES + room : SIZE_MAX;
  return ANET_OK;
}

/* ---- depth ------------------------------------------------------------------------------------
 */

typedef struct cursor {
  const uint8_t *at, *end;
} cursor;

static bool read_varint(cursor *c, uint64_t *out)
{
  *out = 0;
  for (int32_t shift = 0; shift < 64 && c->at < c->end; shift += 7) {
    const uint8_t byte = *c->at++;
    *out |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return true;
  }
  return false;
}

static bool skip(cursor *c, uint64_t bytes)
{
  if (bytes > (uint64_t)(c->end - c->at)) return false;
  c->at += bytes;
  return true;
}

/* What is wrong with a message, before it is followed; NULL: nothing. It and those inside nest at
 * most `depth` deep (recursion is as deep as that), and no text has a zero byte: what is behind it
 * would be lost, so that two readers could take one name for two. */
static const char *fault_of(const ProtobufCMessageDescriptor *kind, cursor c, int32_t depth)
{
  static const char *const broken = "are cut off, or are none";
  enum { VARINT, EIGHT, BYTES, FOUR = 5 };
  while (c.at < c.end) {
    uint64_t key, size;
    if (!read_varint(&c, &key)) return broken;
    switch (key & 7) {
      case VARINT:
        if (!read_varint(&c, &size)) return broken;
        break;
      case EIGHT:
        if (!skip(&c, 8)) return broken;
        break;
      case FOUR:
        if (!skip(&c, 4)) return broken;
        break;
      case BYTES: {
        if (!read_varint(&c, &size)) return broken;
        const cursor inside = {c.at, c.at + ANET_MIN(size, (uint64_t)(c.end - c.at))};
        if (!skip(&c, size)) return broken;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(kind, (unsigned)(key >> 3));
        if (!field) break;
        if (field->type == PROTOBUF_C_TYPE_STRING && memchr(inside.at, 0, (size_t)size))
          return "have a text with a zero byte in it";
        if (field->type != PROTOBUF_C_TYPE_MESSAGE) break;
        if (depth == 0) return "nest too deep";
        const char *fault = fault_of(field->descriptor, inside, depth - 1);
        if (fault) return fault;
        break;
      }
      default:
        return broken;
    }
  }
  return NULL;
}

static void *pool_alloc(void *pool, size_t bytes)
{
  return anet__onnx_take(pool, 1, bytes);
}

static void pool_free(void *pool, void *memory)
{
}

int anet__onnx_unpack(anet__onnx_pool *pool, const ProtobufCMessageDescriptor *kind,
                      const char *data, size_t bytes, void **out)
{
  ProtobufCAllocator allocator = {pool_alloc, pool_free, pool};
  const cursor all = {(const uint8_t *)data, (const uint8_t *)data + bytes};
  const char *fault = fault_of(kind, all, MOST_DEPTH);
  if (fault)
    return anet_fail(ANET_FORMAT, "its %zu bytes %s (want a %s of ONNX)", bytes, fault,
                     kind->short_name);
  pool->rc = ANET_OK;
  *out = protobuf_c_message_unpack(kind, &allocator, bytes, all.at);
  if (pool->rc) return pool->rc; /* protobuf-c makes do without some of what it asks for */
  return *out ? ANET_OK
              : anet_fail(ANET_FORMAT, "its %zu bytes are no %s", bytes, kind->short_name);
}

/* ---- arrays ------------------------------------------------------------------------------------
 */

/* Bytes of an element; 0: a type that has no numbers. */
static size_t type_bytes(int32_t type)
{
  switch (type) {
    case ANET_ONNX_UINT8:
    case ANET_ONNX_INT8:
    case ANET_ONNX_BOOL:
      return 1;
    case ANET_ONNX_UINT16:
    case ANET_ONNX_INT16:
    case ANET_ONNX_FLOAT16:
    case ANET_ONNX_BFLOAT16:
      return 2;
    case ANET_ONNX_FLOAT:
    case ANET_ONNX_INT32:
    case ANET_ONNX_UINT32:
      return 4;
    case ANET_ONNX_DOUBLE:
    case ANET_ONNX_INT64:
    case ANET_ONNX_UINT64:
      return 8;
    default:
      return 0;
  }
}

static float bfloat(uint16_t bits)
{
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

#define READ(type, to, expression)                                                                 \
  for (size_t k = 0; k < a->count; k++) {                                                          \
    type v;                                                                                        \
    memcpy(&v, raw + k * sizeof v, sizeof v);                                                      \
    a->to[k] = expression;                                                                         \
  }                                                                                                \
  break;

/* Little-endian elements, densely packed. */
static void read_raw(anet__onnx_array *a, const uint8_t *raw)
{
  switch (a->type) {
    case ANET_ONNX_FLOAT:
      if (a->count) memcpy(a->f, raw, a->count * sizeof *a->f);
      break;
    case ANET_ONNX_DOUBLE:
      READ(double, f, (float)v)
    case ANET_ONNX_FLOAT16:
      READ(uint16_t, f, anet__onnx_half(v))
    case ANET_ONNX_BFLOAT16:
      READ(uint16_t, f, bfloat(v))
    case ANET_ONNX_UINT8:
      READ(uint8_t, i, v)
    case ANET_ONNX_INT8:
      READ(int8_t, i, v)
    case ANET_ONNX_BOOL:
      READ(uint8_t, i, v != 0)
    case ANET_ONNX_UINT16:
      READ(uint16_t, i, v)
    case ANET_ONNX_INT16:
      READ(int16_t, i, v)
    case ANET_ONNX_INT32:
      READ(int32_t, i, v)
    case ANET_ONNX_UINT32:
      READ(uint32_t, i, v)
    default: /* int64 and uint64 */
      READ(int64_t, i, v)
  }
}

/* Elements that stand in a field of their type, as many as `have`. */
static void read_field(anet__onnx_array *a, const Onnx__TensorProto *t)
{
  for (size_t k = 0; k < a->count; k++) switch (a->type) {
      case ANET_ONNX_FLOAT:
        a->f[k] = t->float_data[k];
        break;
      case ANET_ONNX_DOUBLE:
        a->f[k] = (float)t->double_data[k];
        break;
      case ANET_ONNX_FLOAT16:
        a->f[k] = anet__onnx_half((uint16_t)t->int32_data[k]);
        break;
      case ANET_ONNX_BFLOAT16:
        a->f[k] = bfloat((uint16_t)t->int32_data[k]);
        break;
      case ANET_ONNX_INT64:
        a->i[k] = t->int64_data[k];
        break;
      case ANET_ONNX_UINT32:
      case ANET_ONNX_UINT64:
        a->i[k] = (int64_t)t->uint64_data[k];
        break;
      default:
        a->i[k] = t->int32_data[k];
    }
}

static size_t field_count(const Onnx__TensorProto *t, int32_t type)
{
  switch (type) {
    case ANET_ONNX_FLOAT:
      return t->n_float_data;
    case ANET_ONNX_DOUBLE:
      return t->n_double_data;
    case ANET_ONNX_INT64:
      return t->n_int64_data;
    case ANET_ONNX_UINT32:
    case ANET_ONNX_UINT64:
      return t->n_uint64_data;
    default:
      return t->n_int32_data;
  }
}

/* ---- data in files of their own ------------------------------------------------------------- */

static bool parse_size(const char *text, size_t *out)
{
  *out = 0;
  for (; *text; text++) {
    if (*text < '0' || *text > '9' || *out > (SIZE_MAX - 9) / 10) return false;
    *out = *out * 10 + (size_t)(*text - '0');
  }
  return true;
}

/* `want` bytes of the file that the message names. */
static int read_external(anet__onnx_pool *pool, const char *path, const Onnx__TensorProto *t,
                         size_t want, const uint8_t **raw)
{
  const char *location = "", *name = t->name ? t->name : "";
  size_t offset = 0, length = want, bytes;
  char *data;
  for (size_t i = 0; i < t->n_external_data; i++) {
    const char *key = t->external_data[i]->key, *value = t->external_data[i]->value;
    if (!key || !value) continue;
    if (strcmp(key, "location") == 0) location = value;
    const bool number = strcmp(key, "offset") == 0 || strcmp(key, "length") == 0;
    if (number && !parse_size(value, key[0] == 'o' ? &offset : &length))
      return anet_fail(ANET_FORMAT, "'%s': its data's %s is '%s', no number", name, key, value);
  }
  if (length != want)
    return anet_fail(ANET_FORMAT, "'%s': its data has %zu bytes, its shape wants %zu", name, length,
                     want);
  int file;
  int rc = anet__file_beside(path, location, &file);
  if (rc) return anet__fail_in(rc, "'%s': its data", name);
  rc = anet__file_bytes(file, location, &bytes);
  if (!rc && (offset > bytes || want > bytes - offset))
    rc = anet_fail(ANET_FORMAT, "'%s': '%s' has %zu bytes, its data ends at %zu", name, location,
                   bytes, offset + want);
  if (!rc) {
    pool->left += want;
    data = anet__onnx_take(pool, want, 1);
    rc = data ? anet__file_part(file, location, offset, data, want) : pool->rc;
    *raw = (const uint8_t *)data;
  }
  anet__file_close(file);
  return rc;
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* Elements of a shape, and their bytes, before any memory is asked for. */
static int measure(const char *name, int32_t type, size_t rank, const int64_t *dim, size_t *count,
                   size_t *bytes)
{
  const size_t each = type_bytes(type);
  *count = 1;
  if (!each)
    return anet_fail(ANET_UNSUPPORTED, "array '%s' has element type %d, which holds no numbers",
                     name, type);
  if (rank > ANET_ONNX_RANK)
    return anet_fail(ANET_UNSUPPORTED, "array '%s' has %zu dimensions, the most is %d", name, rank,
                     ANET_ONNX_RANK);
  for (size_t i = 0; i < rank; i++)
    if (dim[i] < 0 || !anet__mul(*count, (size_t)dim[i], count))
      return anet_fail(ANET_FORMAT, "array '%s': dimension %zu is %lld", name, i,
                       (long long)dim[i]);
  if (!anet__mul(*count, each, bytes))
    return anet_fail(ANET_FORMAT, "array '%s' is too large", name);
  return ANET_OK;
}

/* Its data is there: so may the array be, in eight bytes an element at most. */
static int new_array(anet__onnx_pool *pool, int32_t type, size_t rank, const int64_t *dim,
                     size_t count, anet__onnx_array **out)
{
  pool->left += sizeof **out + (count < SIZE_MAX / 16 ? count * 8 : 0);
  ANET_TRY(anet__onnx_array_new(pool, anet__onnx_is_real(type), (int32_t)rank, dim, out));
  (*out)->type = type;
  return ANET_OK;
}

int anet__onnx_from_raw(anet__onnx_pool *pool, const char *name, int32_t type, int32_t rank,
                        const int64_t *dim, const void *raw, size_t bytes, anet__onnx_array **out)
{
  size_t count, want;
  ANET_TRY(measure(name, type, (size_t)rank, dim, &count, &want));
  if (bytes != want)
    return anet_fail(ANET_FORMAT, "array '%s': %zu bytes of data, its shape wants %zu", name, bytes,
                     want);
  ANET_TRY(new_array(pool, type, (size_t)rank, dim, count, out));
  read_raw(*out, raw);
  return ANET_OK;
}

int anet__onnx_decode(anet__onnx_pool *pool, const char *path, const Onnx__TensorProto *t,
                      anet__onnx_array **out)
{
  const char *name = t->name ? t->name : "";
  const bool external =
      t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  const uint8_t *raw = NULL;
  size_t count, want;
  ANET_TRY(measure(name, t->data_type, t->n_dims, t->dims, &count, &want));
  if (external) {
    ANET_TRY(read_external(pool, path, t, want, &raw));
    return anet__onnx_from_raw(pool, name, t->data_type, (int32_t)t->n_dims, t->dims, raw, want,
                               out);
  }
  if (t->has_raw_data && (t->raw_data.len || want == 0))
    return anet__onnx_from_raw(pool, name, t->data_type, (int32_t)t->n_dims, t->dims,
                               t->raw_data.data, t->raw_data.len, out);
  if (field_count(t, t->data_type) != count)
    return anet_fail(ANET_FORMAT, "array '%s': %zu elements, its shape wants %zu", name,
                     field_count(t, t->data_type), count);
  ANET_TRY(new_array(pool, t->data_type, t->n_dims, t->dims, count, out));
  read_field(*out, t);
  return ANET_OK;
}
