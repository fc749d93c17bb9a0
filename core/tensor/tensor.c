#include "tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* ---- types and shapes --------------------------------------------------------------------- */

static const struct {
  const char *name;
  size_t bytes;
  double low, high; /* of integers */
} type_table[ANET_TYPE_COUNT] = {
    [ANET_F32] = {"f32", 4, 0, 0},
    [ANET_U8] = {"u8", 1, 0, UINT8_MAX},
    [ANET_I32] = {"i32", 4, INT32_MIN, INT32_MAX},
    [ANET_I8] = {"i8", 1, INT8_MIN, INT8_MAX},
};

size_t anet__type_bytes(anet_type type)
{
  return type_table[type].bytes;
}

const char *anet__type_name(anet_type type)
{
  return type_table[type].name;
}

bool anet__shape_count(const anet_shape *shape, size_t *count)
{
  *count = 1;
  if (shape->rank < 0 || shape->rank > ANET_MAX_RANK) return false;
  for (int32_t i = 0; i < shape->rank; i++)
    if (shape->dim[i] < 0 || !anet__mul(*count, (size_t)shape->dim[i], count)) return false;
  return true;
}

bool anet__shape_equal(const anet_shape *a, const anet_shape *b)
{
  if (a->rank != b->rank) return false;
  for (int32_t i = 0; i < a->rank; i++)
    if (a->dim[i] != b->dim[i]) return false;
  return true;
}

const char *anet__shape_text(const anet_shape *shape, char *text)
{
  const int32_t rank = ANET_MIN(shape->rank, ANET_MAX_RANK);
  int used = snprintf(text, ANET_SHAPE_TEXT, "(");
  for (int32_t i = 0; i < rank; i++)
    used += snprintf(text + used, ANET_SHAPE_TEXT - (size_t)used, i ? ", %d" : "%d", shape->dim[i]);
  snprintf(text + used, ANET_SHAPE_TEXT - (size_t)used, ")");
  return text;
}

/* ---- life --------------------------------------------------------------------------------- */

static void storage_release(anet__storage *storage)
{
  if (!storage || atomic_fetch_sub(&storage->refs, 1) != 1) return;
  storage->close(storage->owner);
  anet__free(storage);
}

/* A tensor on `storage` (retained by it) with neither shape nor strides. */
static anet_tensor *new_header(anet_type type, anet__storage *storage)
{
  anet_tensor *tensor = anet__alloc(sizeof *tensor);
  if (!tensor) return NULL;
  atomic_init(&tensor->refs, 1);
  tensor->type = type;
  tensor->storage = storage;
  atomic_fetch_add(&storage->refs, 1);
  return tensor;
}

static void set_dense(anet_tensor *tensor, const anet_shape *shape)
{
  int64_t stride = 1;
  tensor->shape = *shape;
  for (int32_t i = shape->rank - 1; i >= 0; i--) {
    tensor->stride[i] = stride;
    stride *= shape->dim[i];
  }
}

/* Checks type and shape; *bytes: of the dense array. Every stride fits the int32_t that
 * anet_tensor_strides gives, even where a dimension is 0. */
static int check_layout(int32_t type, const anet_shape *shape, size_t *bytes)
{
  char text[ANET_SHAPE_TEXT];
  if (type < 0 || type >= ANET_TYPE_COUNT)
    return anet_fail(ANET_RANGE, "tensor: type %d, want 0 .. %d", type, ANET_TYPE_COUNT - 1);
  if (shape->rank < 0 || shape->rank > ANET_MAX_RANK)
    return anet_fail(ANET_SHAPE, "tensor: rank %d, want 0 .. %d", shape->rank, ANET_MAX_RANK);
  size_t stride = 1; /* at most 2^31, so that the product below cannot overflow */
  for (int32_t i = shape->rank - 1; i >= 0; i--) {
    if (shape->dim[i] < 0)
      return anet_fail(ANET_SHAPE, "tensor: dimension %d of shape %s is negative", i,
                       anet__shape_text(shape, text));
    if (stride > INT32_MAX)
      return anet_fail(ANET_RANGE, "tensor: shape %s has a stride of %zu, want at most %d",
                       anet__shape_text(shape, text), stride, INT32_MAX);
    stride *= (size_t)shape->dim[i];
  }
  if (!anet__mul(stride, anet__type_bytes((anet_type)type), bytes) || *bytes > PTRDIFF_MAX)
    return anet_fail(ANET_NOMEM, "tensor: shape %s is more than memory can address",
                     anet__shape_text(shape, text));
  return ANET_OK;
}

int anet__tensor_wrap(anet_type type, const anet_shape *shape, void *data, void (*close)(void *),
                      void *owner, anet_tensor **out)
{
  size_t bytes;
  *out = NULL;
  ANET_TRY(check_layout((int32_t)type, shape, &bytes));
  anet__storage *storage = anet__alloc(sizeof *storage);
  if (!storage) return ANET_NOMEM;
  storage->data = data;
  storage->bytes = bytes;
  storage->close = close;
  storage->owner = owner;
  anet_tensor *tensor = new_header(type, storage);
  if (!tensor) {
    anet__free(storage);
    return ANET_NOMEM;
  }
  set_dense(tensor, shape);
  *out = tensor;
  return ANET_OK;
}

int anet_tensor_new(int32_t type, const anet_shape *shape, anet_tensor **out)
{
  size_t bytes;
  *out = NULL;
  ANET_TRY(check_layout(type, shape, &bytes));
  void *data = anet__alloc(bytes);
  if (!data) return ANET_NOMEM;
  const int rc = anet__tensor_wrap((anet_type)type, shape, data, anet__free, data, out);
  if (rc) anet__free(data);
  return rc;
}

int anet_tensor_view(anet_tensor *base, const int32_t *begin, const anet_shape *size,
                     anet_tensor **out)
{
  *out = NULL;
  if (size->rank != base->shape.rank)
    return anet_fail(ANET_RANGE, "view: rank %d of a tensor of rank %d", size->rank,
                     base->shape.rank);
  for (int32_t i = 0; i < size->rank; i++) {
    const int32_t dim = base->shape.dim[i];
    if (begin[i] < 0 || size->dim[i] < 0 || size->dim[i] > dim || begin[i] > dim - size->dim[i])
      return anet_fail(ANET_RANGE, "view: %d from %d in dimension %d, which has %d", size->dim[i],
                       begin[i], i, dim);
  }
  anet_tensor *tensor = new_header(base->type, base->storage);
  if (!tensor) return ANET_NOMEM;
  tensor->shape = *size;
  tensor->offset = base->offset;
  for (int32_t i = 0; i < size->rank; i++) {
    tensor->stride[i] = base->stride[i];
    tensor->offset += begin[i] * base->stride[i];
  }
  *out = tensor;
  return ANET_OK;
}

int anet_tensor_reshape(anet_tensor *base, const anet_shape *shape, anet_tensor **out)
{
  char from[ANET_SHAPE_TEXT], to[ANET_SHAPE_TEXT];
  size_t bytes, have;
  *out = NULL;
  ANET_TRY(check_layout((int32_t)base->type, shape, &bytes));
  ANET_TRY(check_layout((int32_t)base->type, &base->shape, &have));
  if (bytes != have)
    return anet_fail(ANET_SHAPE, "reshape: %s has other elements than %s",
                     anet__shape_text(&base->shape, from), anet__shape_text(shape, to));
  if (!anet_tensor_dense(base))
    return anet_fail(ANET_STATE, "reshape: a view of shape %s is not dense",
                     anet__shape_text(&base->shape, from));
  anet_tensor *tensor = new_header(base->type, base->storage);
  if (!tensor) return ANET_NOMEM;
  tensor->offset = base->offset;
  set_dense(tensor, shape);
  *out = tensor;
  return ANET_OK;
}

/* A window keeps its array's strides, so the array's dimensions are their ratios. */
int anet__tensor_whole(const anet_tensor *window, anet_tensor **out, int32_t *begin)
{
  char text[ANET_SHAPE_TEXT];
  const int32_t rank = window->shape.rank;
  const size_t size = anet__type_bytes(window->type);
  anet_shape shape = {.rank = rank};
  int64_t outer = (int64_t)(window->storage->bytes / size), at = window->offset, used = 1;
  *out = NULL;
  for (int32_t i = 0; i < rank; i++) {
    const int64_t stride = window->stride[i], dim = stride > 0 ? outer / stride : 0;
    shape.dim[i] = dim <= INT32_MAX ? (int32_t)dim : 0;
    begin[i] = stride > 0 ? (int32_t)(at / stride) : 0;
    at -= begin[i] * stride;
    used *= shape.dim[i];
    outer = stride;
  }
  if (used * (int64_t)size != (int64_t)window->storage->bytes || at != 0)
    return anet_fail(ANET_UNSUPPORTED, "tensor: %s is not a window of an array of %zu bytes",
                     anet__shape_text(&window->shape, text), window->storage->bytes);
  anet_tensor *whole = new_header(window->type, window->storage);
  if (!whole) return ANET_NOMEM;
  set_dense(whole, &shape);
  *out = whole;
  return ANET_OK;
}

anet_tensor *anet_tensor_retain(anet_tensor *tensor)
{
  if (tensor) atomic_fetch_add(&tensor->refs, 1);
  return tensor;
}

void anet_tensor_release(anet_tensor *tensor)
{
  if (!tensor || atomic_fetch_sub(&tensor->refs, 1) != 1) return;
  storage_release(tensor->storage);
  anet__free(tensor);
}

/* ---- values ------------------------------------------------------------------------------- */

static char *element(const anet_tensor *tensor, int64_t offset)
{
  const int64_t at = tensor->offset + offset;
  return (char *)tensor->storage->data + at * (int64_t)anet__type_bytes(tensor->type);
}

static void touch(anet_tensor *tensor)
{
  atomic_fetch_add(&tensor->storage->version, 1);
}

/* Copies dimension `axis` and those inside it. */
static void copy_from_axis(anet_tensor *to, const anet_tensor *from, int32_t axis, int64_t to_at,
                           int64_t from_at)
{
  const anet_shape *shape = &to->shape;
  if (axis >= shape->rank - 1) { /* a row: its stride is 1 */
    const size_t items = shape->rank ? (size_t)shape->dim[axis] : 1;
    memmove(element(to, to_at), element(from, from_at), items * anet__type_bytes(to->type));
    return;
  }
  for (int32_t i = 0; i < shape->dim[axis]; i++)
    copy_from_axis(to, from, axis + 1, to_at + i * to->stride[axis],
                   from_at + i * from->stride[axis]);
}

int anet_tensor_transpose(const anet_tensor *from, const int32_t *axis, anet_tensor **out)
{
  char text[ANET_SHAPE_TEXT];
  const int32_t rank = from->shape.rank;
  anet_shape shape = {.rank = rank};
  int32_t seen = 0, index[ANET_MAX_RANK] = {0};
  *out = NULL;
  if (from->type != ANET_F32)
    return anet_fail(ANET_UNSUPPORTED, "transpose: the tensor is %s, want f32",
                     anet__type_name(from->type));
  for (int32_t i = 0; i < rank; i++) {
    if (axis[i] < 0 || axis[i] >= rank || seen & 1 << axis[i])
      return anet_fail(ANET_RANGE,
                       "transpose: axis %d, for place %d, is not one of the others of %s", axis[i],
                       i, anet__shape_text(&from->shape, text));
    seen |= 1 << axis[i];
    shape.dim[i] = from->shape.dim[axis[i]];
  }
  ANET_TRY(anet_tensor_new(ANET_F32, &shape, out));
  float *to = anet__f32(*out);
  const float *at = anet__f32(from);
  for (double left = anet_tensor_count(*out); left > 0; left--) {
    *to++ = *at;
    for (int32_t d = rank - 1; d >= 0; d--) {
      at += from->stride[axis[d]];
      if (++index[d] < shape.dim[d]) break;
      at -= from->stride[axis[d]] * shape.dim[d];
      index[d] = 0;
    }
  }
  return ANET_OK;
}

int anet_tensor_copy(anet_tensor *to, const anet_tensor *from)
{
  char a[ANET_SHAPE_TEXT], b[ANET_SHAPE_TEXT];
  if (to->type != from->type)
    return anet_fail(ANET_SHAPE, "copy: from type %s to %s", anet__type_name(from->type),
                     anet__type_name(to->type));
  if (!anet__shape_equal(&to->shape, &from->shape))
    return anet_fail(ANET_SHAPE, "copy: from shape %s to %s", anet__shape_text(&from->shape, a),
                     anet__shape_text(&to->shape, b));
  copy_from_axis(to, from, 0, 0, 0);
  touch(to);
  return ANET_OK;
}

/* *at = the element's offset from the first; ANET_RANGE if the index is outside. */
static int locate(const anet_tensor *tensor, const int32_t *index, int64_t *at)
{
  *at = 0;
  for (int32_t i = 0; i < tensor->shape.rank; i++) {
    if (index[i] < 0 || index[i] >= tensor->shape.dim[i])
      return anet_fail(ANET_RANGE, "tensor: index %d in dimension %d, which has %d", index[i], i,
                       tensor->shape.dim[i]);
    *at += index[i] * tensor->stride[i];
  }
  return ANET_OK;
}

double anet_tensor_get(const anet_tensor *tensor, const int32_t *index)
{
  int64_t at;
  if (locate(tensor, index, &at)) return NAN;
  const void *from = element(tensor, at);
  switch (tensor->type) {
    case ANET_F32:
      return *(const float *)from;
    case ANET_U8:
      return *(const uint8_t *)from;
    case ANET_I32:
      return *(const int32_t *)from;
    default:
      return *(const int8_t *)from;
  }
}

/* The nearest integer that the type holds; 0 for NaN. */
static int32_t to_integer(anet_type type, double value)
{
  if (isnan(value)) return 0;
  const double low = type_table[type].low, high = type_table[type].high;
  return (int32_t)rint(ANET_MIN(ANET_MAX(value, low), high));
}

void anet_tensor_set(anet_tensor *tensor, const int32_t *index, double value)
{
  int64_t at;
  if (locate(tensor, index, &at)) return;
  void *to = element(tensor, at);
  switch (tensor->type) {
    case ANET_F32:
      *(float *)to = (float)value;
      break;
    case ANET_U8:
      *(uint8_t *)to = (uint8_t)to_integer(ANET_U8, value);
      break;
    case ANET_I32:
      *(int32_t *)to = to_integer(ANET_I32, value);
      break;
    default:
      *(int8_t *)to = (int8_t)to_integer(ANET_I8, value);
      break;
  }
  touch(tensor);
}

/* ---- reading a handle --------------------------------------------------------------------- */

void *anet_tensor_data(anet_tensor *tensor)
{
  return element(tensor, 0);
}

int32_t anet_tensor_type(const anet_tensor *tensor)
{
  return (int32_t)tensor->type;
}

void anet_tensor_shape(const anet_tensor *tensor, anet_shape *out)
{
  *out = tensor->shape;
}

void anet_tensor_strides(const anet_tensor *tensor, int32_t *out)
{
  for (int32_t i = 0; i < tensor->shape.rank; i++) out[i] = (int32_t)tensor->stride[i];
}

double anet_tensor_count(const anet_tensor *tensor)
{
  double count = 1;
  for (int32_t i = 0; i < tensor->shape.rank; i++) count *= tensor->shape.dim[i];
  return count;
}

/* The stride of a dimension of one item never moves anything, so it may be any. */
int32_t anet_tensor_dense(const anet_tensor *tensor)
{
  int64_t stride = 1;
  if (anet_tensor_count(tensor) == 0) return 1;
  for (int32_t i = tensor->shape.rank - 1; i >= 0; i--) {
    if (tensor->shape.dim[i] != 1 && tensor->stride[i] != stride) return 0;
    stride *= tensor->shape.dim[i];
  }
  return 1;
}
