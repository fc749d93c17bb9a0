/* Tensors in files of their own: NumPy's .npy, and ONNX's TensorProto (.pb). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "data/names.h"
#include "onnx/onnx_message.h"
#include "tensor/tensor.h"

/* ---- .npy ----------------------------------------------------------------------------------- */

/* "\x93NUMPY", version, bytes of the header, and the header: a Python dict of three entries. */
static const char MAGIC[6] = "\x93NUMPY";
enum { PREFIX = 10, LONG_PREFIX = 12 }; /* version 1 has 2 bytes for the header's size, later 4 */

typedef struct header {
  int32_t type, rank;
  int64_t dim[ANET_ONNX_RANK];
  size_t begin; /* of the data */
} header;

/* What a file says its elements are (`descr`, of `length` bytes): a type of little-endian numbers.
 */
static int read_type(bool quoted, const char *descr, size_t length, int32_t *out)
{
  enum { MOST = 40 };
  static const struct {
    const char *name;
    int32_t type;
  } table[] = {
      {"<f4", ANET_ONNX_FLOAT},  {"<f8", ANET_ONNX_DOUBLE}, {"<f2", ANET_ONNX_FLOAT16},
      {"|u1", ANET_ONNX_UINT8},  {"|i1", ANET_ONNX_INT8},   {"|b1", ANET_ONNX_BOOL},
      {"<u2", ANET_ONNX_UINT16}, {"<i2", ANET_ONNX_INT16},  {"<u4", ANET_ONNX_UINT32},
      {"<i4", ANET_ONNX_INT32},  {"<i8", ANET_ONNX_INT64},  {"<u8", ANET_ONNX_UINT64},
  };
  for (int32_t i = 0; quoted && i < ANET_COUNT(table); i++)
    if (length == strlen(table[i].name) && memcmp(table[i].name, descr, length) == 0)
      return *out = table[i].type, ANET_OK;
  return anet_fail(ANET_UNSUPPORTED,
                   "its elements are '%.*s%s', want <f2, <f4, <f8, |b1, or whole numbers |i1, |u1, "
                   "<i2, <u2, <i4, <u4, <i8, <u8; convert it (astype)",
                   (int)ANET_MIN(length, (size_t)MOST), descr, length > MOST ? "…" : "");
}

/* The value of `descr`: what stands between quotes, or, of records, all up to the next entry. */
static int read_descr(const char *at, int32_t *type)
{
  at += strspn(at, " ");
  const bool quoted = *at == '\'' || *at == '"';
  const char *end = quoted ? strchr(at + 1, *at) : strstr(at, ", 'fortran_order'");
  if (!end) end = at + strlen(at);
  return read_type(quoted, at + quoted, (size_t)(end - at) - quoted, type);
}

static int read_shape(const char *at, header *h)
{
  while (*at == ' ' || *at == '(') at++;
  while (*at >= '0' && *at <= '9') {
    char *end;
    if (h->rank == ANET_ONNX_RANK)
      return anet_fail(ANET_UNSUPPORTED, "it has over %d dimensions", ANET_ONNX_RANK);
    h->dim[h->rank++] = strtoll(at, &end, 10);
    for (at = end; *at == ' ' || *at == ',';) at++;
  }
  return *at == ')' ? ANET_OK : anet_fail(ANET_FORMAT, "its header has no shape");
}

/* data ends with a 0. */
static int read_header(const char *data, size_t bytes, header *h)
{
  *h = (header){0};
  if (bytes < LONG_PREFIX || memcmp(data, MAGIC, sizeof MAGIC) != 0)
    return anet_fail(ANET_FORMAT, "it is no .npy file");
  const uint8_t *size = (const uint8_t *)data + 8;
  const bool old = data[6] == 1;
  const size_t prefix = old ? PREFIX : LONG_PREFIX;
  size_t length = (size_t)size[0] | (size_t)size[1] << 8;
  if (!old) length |= (size_t)size[2] << 16 | (size_t)size[3] << 24;
  if (length > bytes - prefix)
    return anet_fail(ANET_FORMAT, "its header of %zu bytes is cut off at %zu", length, bytes);
  char text[512] = "";
  memcpy(text, data + prefix, ANET_MIN(length, sizeof text - 1));
  const char *descr = strstr(text, "'descr':"), *order = strstr(text, "'fortran_order':");
  const char *shape = strstr(text, "'shape':");
  if (!descr || !order || !shape)
    return anet_fail(ANET_FORMAT, "its header says no descr, fortran_order and shape");
  h->begin = prefix + length;
  ANET_TRY(read_descr(descr + 8, &h->type));
  if (strncmp(order + 16, " True", 5) == 0)
    return anet_fail(ANET_UNSUPPORTED, "it is stored in Fortran's order; save it in C's");
  return read_shape(shape + 8, h);
}

static int read_npy(const char *path, anet__onnx_pool *pool, anet__onnx_array **out)
{
  char *data = NULL;
  size_t bytes;
  header h;
  ANET_TRY(anet__onnx_load(pool, path, &data, &bytes));
  int rc = read_header(data, bytes, &h);
  if (!rc)
    rc = anet__onnx_from_raw(pool, "", h.type, h.rank, h.dim, data + h.begin, bytes - h.begin, out);
  anet__free(data);
  return rc ? anet__fail_in(rc, "'%s'", path) : ANET_OK;
}

/* The header's size is chosen so that the data begins on a multiple of 64. */
static int fill_npy(anet__sink *sink, void *context)
{
  const anet__onnx_array *a = context;
  char text[256], prefix[PREFIX] = {0};
  int used = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
  for (int32_t i = 0; i < a->rank; i++)
    used += snprintf(text + used, sizeof text - (size_t)used, "%lld,", (long long)a->dim[i]);
  used += snprintf(text + used, sizeof text - (size_t)used, "), }");
  const int padded = (PREFIX + used + 1 + 63) / 64 * 64 - PREFIX;
  while (used < padded - 1) text[used++] = ' ';
  text[used++] = '\n';
  memcpy(prefix, MAGIC, sizeof MAGIC);
  prefix[6] = 1;
  prefix[8] = (char)(used & 255);
  prefix[9] = (char)(used >> 8);
  ANET_TRY(anet__sink_put(sink, prefix, sizeof prefix));
  ANET_TRY(anet__sink_put(sink, text, (size_t)used));
  return anet__sink_put(sink, a->f, a->count * sizeof *a->f);
}

/* ---- the public face ------------------------------------------------------------------------ */

static int unknown_suffix(const char *path)
{
  return anet_fail(ANET_UNSUPPORTED, "'%s': want a name that ends in .npy or .pb", path);
}

static int to_tensor(const anet__onnx_array *a, const char *path, anet_tensor **out)
{
  anet_shape shape = {.rank = a->rank};
  if (a->rank > ANET_MAX_RANK)
    return anet_fail(ANET_UNSUPPORTED, "'%s' has %d dimensions, the most is %d", path, a->rank,
                     ANET_MAX_RANK);
  for (int32_t i = 0; i < a->rank; i++) shape.dim[i] = (int32_t)a->dim[i];
  if (a->rank == 0) shape = (anet_shape){1, {1}};
  ANET_TRY(anet_tensor_new(ANET_F32, &shape, out));
  for (size_t i = 0; i < a->count; i++) anet__f32(*out)[i] = (float)anet__onnx_at(a, i);
  return ANET_OK;
}

int anet_tensor_load(const char *path, anet_tensor **out)
{
  anet__onnx_pool pool = {0};
  anet__onnx_array *array;
  *out = NULL;
  int rc = anet__name_ends(path, ".npy")  ? read_npy(path, &pool, &array)
           : anet__name_ends(path, ".pb") ? anet__onnx_read_array(path, &pool, &array)
                                          : unknown_suffix(path);
  if (!rc) rc = to_tensor(array, path, out);
  anet__onnx_pool_free(&pool);
  return rc;
}

int anet_tensor_save(const anet_tensor *tensor, const char *path)
{
  char text[ANET_SHAPE_TEXT];
  if (tensor->type != ANET_F32 || !anet_tensor_dense(tensor))
    return anet_fail(ANET_STATE, "'%s': the tensor %s %s is not a dense f32 one", path,
                     anet__type_name(tensor->type), anet__shape_text(&tensor->shape, text));
  anet__onnx_array array = {.real = true,
                            .type = ANET_ONNX_FLOAT,
                            .rank = tensor->shape.rank,
                            .count = (size_t)anet_tensor_count(tensor),
                            .f = anet__f32(tensor)};
  for (int32_t i = 0; i < array.rank; i++) array.dim[i] = tensor->shape.dim[i];
  if (anet__name_ends(path, ".npy")) return anet__file_save(path, fill_npy, &array);
  if (anet__name_ends(path, ".pb")) return anet__onnx_write_array(path, &array);
  return unknown_suffix(path);
}
