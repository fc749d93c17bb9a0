/* The memory of an ONNX model, its constant arrays, and reading attributes. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "onnx/onnx.h"
#include "tensor/tensor.h"

/* ---- memory ------------------------------------------------------------------------------------
 */

int anet__onnx_spend(anet__onnx_pool *pool, size_t count, size_t size)
{
  size_t bytes;
  if (!anet__mul(count, size, &bytes) || bytes > pool->left)
    return pool->rc =
               anet_fail(ANET_RANGE, "it asks for %zu times %zu bytes, more than such a file may",
                         count, size);
  pool->left -= bytes;
  return ANET_OK;
}

void *anet__onnx_take(anet__onnx_pool *pool, size_t count, size_t size)
{
  void *list = pool->at;
  if (anet__onnx_spend(pool, count, size)) return NULL;
  const int rc = anet__grow(&list, &pool->capacity, pool->count, sizeof *pool->at);
  pool->at = list;
  if (rc) {
    pool->rc = rc;
    return NULL;
  }
  void *memory = anet__alloc(count * size);
  if (!memory) {
    pool->rc = ANET_NOMEM;
    return NULL;
  }
  return pool->at[pool->count++] = memory;
}

char *anet__onnx_text(anet__onnx_pool *pool, const char *format, ...)
{
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  const size_t bytes = (size_t)vsnprintf(NULL, 0, format, again) + 1;
  char *text = anet__onnx_take(pool, bytes, 1);
  if (text) vsnprintf(text, bytes, format, args);
  va_end(again);
  va_end(args);
  return text;
}

void anet__onnx_pool_free(anet__onnx_pool *pool)
{
  for (int32_t i = 0; i < pool->count; i++) anet__free(pool->at[i]);
  anet__free(pool->at);
  *pool = (anet__onnx_pool){0};
}

/* ---- arrays ------------------------------------------------------------------------------------
 */

const char *anet__onnx_dims_text(int32_t rank, const int64_t *dim, char *text)
{
  size_t used = 0;
  text[used++] = '(';
  for (int32_t i = 0; i < rank && used < ANET_SHAPE_TEXT - 24; i++)
    used += (size_t)snprintf(text + used, ANET_SHAPE_TEXT - used, dim[i] < 0 ? "%s?" : "%s%lld",
                             i ? ", " : "", (long long)dim[i]);
  snprintf(text + used, ANET_SHAPE_TEXT - used, ")");
  return text;
}

bool anet__onnx_count(int32_t rank, const int64_t *dim, size_t *count)
{
  static const size_t MOST = (size_t)1 << 48;
  size_t room = 1;
  *count = 1;
  for (int32_t i = 0; i < rank; i++) {
    if (dim[i] < 0 || dim[i] > INT32_MAX) return false;
    *count *= (size_t)dim[i];
    room *= (size_t)ANET_MAX(dim[i], 1);
    if (room > MOST) return false;
  }
  return true;
}

int anet__onnx_array_new(anet__onnx_pool *pool, bool real, int32_t rank, const int64_t *dim,
                         anet__onnx_array **out)
{
  char text[ANET_SHAPE_TEXT];
  size_t count;
  if (rank > ANET_ONNX_RANK)
    return anet_fail(ANET_UNSUPPORTED, "an array has %d dimensions, the most is %d", rank,
                     ANET_ONNX_RANK);
  if (!anet__onnx_count(rank, dim, &count))
    return anet_fail(ANET_SHAPE, "an array of shape %s cannot be",
                     anet__onnx_dims_text(rank, dim, text));
  anet__onnx_array *a = anet__onnx_take(pool, 1, sizeof *a);
  if (!a) return pool->rc;
  *a = (anet__onnx_array){
      .real = real, .type = real ? ANET_ONNX_FLOAT : ANET_ONNX_INT64, .rank = rank, .count = count};
  if (rank) memcpy(a->dim, dim, (size_t)rank * sizeof *dim);
  if (real)
    a->f = anet__onnx_take(pool, count, sizeof *a->f);
  else
    a->i = anet__onnx_take(pool, count, sizeof *a->i);
  if (!a->f && !a->i) {
    const int rc = pool->rc;
    return anet__fail_in(rc, "an array of shape %s", anet__onnx_dims_text(rank, dim, text));
  }
  *out = a;
  return ANET_OK;
}

double anet__onnx_at(const anet__onnx_array *a, size_t index)
{
  return a->real ? (double)a->f[index] : (double)a->i[index];
}

void anet__onnx_put(anet__onnx_array *a, size_t index, double value)
{
  if (a->real)
    a->f[index] = (float)value;
  else if (value >= -0x1p63 && value < 0x1p63)
    a->i[index] = (int64_t)value;
}

int anet__onnx_place(const anet__onnx_array *a, size_t index, int64_t size, size_t *place)
{
  const double given = anet__onnx_at(a, index), from = given < 0 ? given + (double)size : given;
  if (!(from >= 0 && from < (double)size))
    return anet_fail(ANET_RANGE, "place %g of an axis of %lld", given, (long long)size);
  *place = (size_t)from;
  return ANET_OK;
}

/* IEEE 754 half precision; subnormals are multiples of 2^-24. */
float anet__onnx_half(uint16_t bits)
{
  const int32_t exponent = bits >> 10 & 31, mantissa = bits & 1023;
  float value = exponent == 0    ? ldexpf((float)mantissa, -24)
                : exponent == 31 ? (mantissa ? NAN : INFINITY)
                                 : ldexpf((float)(mantissa + 1024), exponent - 25);
  return bits >> 15 ? -value : value;
}

bool anet__onnx_is_real(int32_t type)
{
  return type == ANET_ONNX_FLOAT || type == ANET_ONNX_FLOAT16 || type == ANET_ONNX_DOUBLE ||
         type == ANET_ONNX_BFLOAT16;
}

/* ---- attributes --------------------------------------------------------------------------------
 */

const anet__onnx_attr *anet__onnx_attr_find(const anet__onnx_node *node, const char *name)
{
  for (int32_t i = 0; i < node->attrs; i++)
    if (strcmp(node->attr[i].name, name) == 0) return &node->attr[i];
  return NULL;
}

int64_t anet__onnx_int(const anet__onnx_node *node, const char *name, int64_t other)
{
  const anet__onnx_attr *a = anet__onnx_attr_find(node, name);
  return a && a->kind == ANET_ONNX_ATTR_INT ? a->i : other;
}

float anet__onnx_real(const anet__onnx_node *node, const char *name, float other)
{
  const anet__onnx_attr *a = anet__onnx_attr_find(node, name);
  return a && a->kind == ANET_ONNX_ATTR_REAL ? a->f : other;
}

const char *anet__onnx_word(const anet__onnx_node *node, const char *name, const char *other)
{
  const anet__onnx_attr *a = anet__onnx_attr_find(node, name);
  return a && a->kind == ANET_ONNX_ATTR_TEXT ? a->text : other;
}

int32_t anet__onnx_ints(const anet__onnx_node *node, const char *name, int64_t *out, int32_t most)
{
  const anet__onnx_attr *a = anet__onnx_attr_find(node, name);
  if (!a || a->kind != ANET_ONNX_ATTR_INTS) return 0;
  for (size_t i = 0; i < a->count && (int32_t)i < most; i++) out[i] = a->ints[i];
  return (int32_t)ANET_MIN(a->count, (size_t)INT32_MAX);
}

const char *anet__onnx_input(const anet__onnx_node *node, int32_t index)
{
  return index < node->inputs && node->input[index][0] ? node->input[index] : NULL;
}
