/* The values of a graph while it is imported: looking them up, binding them, and storing them in
 * the order that an op wants. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "onnx/onnx_import.h"

int anet__onnx_unsupported(const char *format, ...)
{
  char text[256];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return anet_fail(ANET_UNSUPPORTED, "%s", text);
}

/* ---- looking up ----------------------------------------------------------------------------- */

anet__onnx_value *anet__onnx_find(const anet__onnx_import *im, const char *name)
{
  const uint64_t hash = anet__hash_text(ANET_HASH_NONE, name);
  for (int32_t i = -1; (i = anet__index_find(&im->names, hash, i)) >= 0;) {
    anet__onnx_value *value = &im->value[im->names.item[i].value];
    if (strcmp(value->name, name) == 0) return value;
  }
  return NULL;
}

int anet__onnx_get(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                   const anet__onnx_value **out)
{
  const char *name = anet__onnx_input(node, index);
  if (!name) return anet_fail(ANET_FORMAT, "input %d is missing", index);
  *out = anet__onnx_find(im, name);
  return *out ? ANET_OK
              : anet_fail(ANET_FORMAT, "input %d, '%s', is made by no node before it", index, name);
}

int anet__onnx_get_value(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                         anet__onnx_value *out)
{
  const anet__onnx_value *found;
  ANET_TRY(anet__onnx_get(im, node, index, &found));
  if (found->array) return anet__onnx_constant(im, node, found->array, found->name, out);
  *out = *found;
  return ANET_OK;
}

int anet__onnx_get_array(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                         const anet__onnx_array **out)
{
  const anet__onnx_value *found;
  *out = NULL;
  if (!anet__onnx_input(node, index)) return ANET_OK;
  ANET_TRY(anet__onnx_get(im, node, index, &found));
  *out = found->array;
  return *out ? ANET_OK
              : anet__onnx_unsupported("input %d, '%s', must be a constant", index, found->name);
}

int anet__onnx_get_number(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                          float other, float *out)
{
  const anet__onnx_array *array;
  ANET_TRY(anet__onnx_get_array(im, node, index, &array));
  if (array && array->count != 1)
    return anet_fail(ANET_SHAPE, "input %d has %zu numbers, want 1", index, array->count);
  *out = array ? (float)anet__onnx_at(array, 0) : other;
  return ANET_OK;
}

int anet__onnx_get_ints(anet__onnx_import *im, const anet__onnx_node *node, const char *name,
                        int32_t index, int64_t *out, int32_t most, int32_t *count)
{
  const anet__onnx_array *array;
  *count = -1;
  if (anet__onnx_attr_find(node, name))
    *count = anet__onnx_ints(node, name, out, most);
  else {
    ANET_TRY(anet__onnx_get_array(im, node, index, &array));
    if (!array) return ANET_OK;
    *count = (int32_t)ANET_MIN(array->count, (size_t)INT32_MAX);
    for (int32_t i = 0; i < ANET_MIN(*count, most); i++) {
      if (array->real && !(fabs((double)array->f[i]) < 0x1p53))
        return anet_fail(ANET_FORMAT, "'%s' has %g, want whole numbers", name, (double)array->f[i]);
      out[i] = array->real ? (int64_t)array->f[i] : array->i[i];
    }
  }
  if (*count <= most) return ANET_OK;
  return anet_fail(ANET_FORMAT, "'%s' has %d numbers, want at most %d", name, *count, most);
}

int anet__onnx_axis(const anet__onnx_node *node, int64_t axis, int32_t rank, int32_t *out)
{
  if (axis < -rank || axis >= rank)
    return anet_fail(ANET_FORMAT, "axis %lld of a value with %d", (long long)axis, rank);
  *out = (int32_t)(axis < 0 ? axis + rank : axis);
  return ANET_OK;
}

/* ---- binding -------------------------------------------------------------------------------- */

int anet__onnx_bind(anet__onnx_import *im, const char *name, const anet__onnx_value *value)
{
  void *list = im->value;
  if (!name[0]) return ANET_OK;
  if (!anet__json_is_text(name))
    return anet_fail(ANET_FORMAT, "the name '%s' of a value is not UTF-8", name);
  if (anet__onnx_find(im, name)) return anet_fail(ANET_FORMAT, "'%s' is made twice", name);
  const int rc = anet__grow(&list, &im->capacity, im->values, sizeof *im->value);
  im->value = list;
  if (rc) return rc;
  ANET_TRY(anet__index_add(&im->names, anet__hash_text(ANET_HASH_NONE, name), im->values));
  im->value[im->values] = *value;
  im->value[im->values++].name = name;
  return ANET_OK;
}

int anet__onnx_bind_node(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                         int32_t value, const anet__layout *layout)
{
  const anet__onnx_value made = {.node = value, .layout = *layout};
  return index < node->outputs ? anet__onnx_bind(im, node->output[index], &made) : ANET_OK;
}

int anet__onnx_bind_image(anet__onnx_import *im, const anet__onnx_node *node, int32_t value,
                          int32_t rank, bool batch)
{
  const anet_shape *s = &anet__net_at(im->net, value)->shape;
  const int64_t dim[4] = {1, s->dim[2], s->dim[0], s->dim[1]};
  anet__layout layout;
  ANET_TRY(anet__layout_image(batch, rank, dim, &layout));
  return anet__onnx_bind_node(im, node, 0, value, &layout);
}

int anet__onnx_bind_array(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                          const anet__onnx_array *array)
{
  const anet__onnx_value made = {.array = array, .node = -1};
  return index < node->outputs ? anet__onnx_bind(im, node->output[index], &made) : ANET_OK;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

int anet__onnx_add(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                   const char *op, const anet_attr *attr, const int32_t *in, int32_t inputs,
                   int32_t *value)
{
  const char *own = node->outputs ? node->output[0] : "";
  const char *base = anet__onnx_text(&im->model.pool, "%s%s", own, suffix);
  if (!base) return im->model.pool.rc;
  char *name = base[0] ? anet__net_name_new(im->net, base) : NULL;
  if (base[0] && !name) return ANET_NOMEM;
  const int rc = anet_net_add(im->net, op, name, attr, in, inputs, value);
  anet__free(name);
  return rc;
}

float *anet__onnx_param(anet__onnx_import *im, int32_t value, int32_t index)
{
  return anet__f32(anet__net_at(im->net, value)->param[index]);
}

/* ---- storing -------------------------------------------------------------------------------- */

int anet__onnx_reshape(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v,
                       const anet_shape *shape)
{
  static const anet_shape scalar = {1, {1}};
  anet_attr attr = {0};
  if (shape->rank == 0) shape = &scalar;
  if (anet__shape_equal(&anet__net_at(im->net, v->node)->shape, shape)) return ANET_OK;
  if (shape->rank == 1)
    return anet__onnx_add(im, node, ".flat", "flatten", NULL, &v->node, 1, &v->node);
  if (shape->rank > ANET_COUNT(attr.dim))
    return anet__onnx_unsupported("it needs a value of %d dimensions, the most is %d", shape->rank,
                                  ANET_COUNT(attr.dim));
  for (int32_t i = 0; i < shape->rank; i++) attr.dim[i] = shape->dim[i];
  return anet__onnx_add(im, node, ".reshape", "reshape", &attr, &v->node, 1, &v->node);
}

/* Stored atoms in runs that stay together in `order`: run[k] of the k-th stored atom; gives how
 * many. */
static int32_t find_runs(const anet__layout *l, const int32_t *order, int32_t *run)
{
  int32_t place[ANET_ATOMS], runs = 0;
  for (int32_t k = 0; k < l->atoms; k++) place[order[k]] = k;
  for (int32_t k = 0; k < l->atoms; k++) {
    runs += k == 0 || place[l->order[k]] != place[l->order[k - 1]] + 1;
    run[k] = runs - 1;
  }
  return runs;
}

/* One transposition, of runs that are as many as the op has axes. */
static int permute_runs(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v,
                        const int32_t *order)
{
  anet__layout *l = &v->layout;
  int32_t run[ANET_ATOMS], of[ANET_ATOMS]; /* of[atom]: its run */
  anet_shape from = {0};
  anet_attr attr = {0};
  from.rank = find_runs(l, order, run);
  ANET_ASSERT(from.rank <= ANET_COUNT(attr.dim));
  for (int32_t k = 0; k < from.rank; k++) from.dim[k] = 1;
  for (int32_t k = 0; k < l->atoms; k++) {
    from.dim[run[k]] *= l->size[l->order[k]];
    of[l->order[k]] = run[k];
  }
  for (int32_t k = 0, d = 0; k < l->atoms; k++)
    if (k == 0 || of[order[k]] != of[order[k - 1]]) attr.dim[d++] = of[order[k]] + 1;
  ANET_TRY(anet__onnx_reshape(im, node, v, &from));
  ANET_TRY(anet__onnx_add(im, node, ".transpose", "transpose", &attr, &v->node, 1, &v->node));
  memcpy(l->order, order, (size_t)l->atoms * sizeof *order);
  return ANET_OK;
}

/* An order in which the last two runs of `order` follow each other, all else as it is stored: A p B
 * q C becomes A p q B C, and A q B p C becomes A B p q C. Of four runs, and then there is one less.
 */
static void join_last(const anet__layout *l, const int32_t *order, const int32_t *run,
                      int32_t *joined)
{
  int32_t place[ANET_ATOMS], used = 0;
  for (int32_t k = 0; k < l->atoms; k++) place[l->order[k]] = run[k];
  const int32_t q = place[order[l->atoms - 1]];
  int32_t k = l->atoms - 1;
  while (place[order[k]] == q) k--;
  const int32_t p = place[order[k]];
  for (int32_t i = 0; i < l->atoms; i++) {
    if (run[i] != q) joined[used++] = l->order[i];
    const bool after = run[i] == p && (i + 1 == l->atoms || run[i + 1] != p);
    for (int32_t j = 0; after && j < l->atoms; j++)
      if (run[j] == q) joined[used++] = l->order[j];
  }
}

/* Move data so that the atoms lie in this order. */
static int permute(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v,
                   const int32_t *order)
{
  enum { AXES = 4 }; /* of the op */
  int32_t run[ANET_ATOMS], joined[ANET_ATOMS];
  while (find_runs(&v->layout, order, run) > AXES) {
    join_last(&v->layout, order, run, joined);
    ANET_TRY(permute_runs(im, node, v, joined));
  }
  return permute_runs(im, node, v, order);
}

int anet__onnx_store(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v,
                     const int32_t *axis, const int32_t *end, int32_t groups)
{
  int32_t order[ANET_ATOMS];
  anet_shape shape = {.rank = groups};
  if (groups > ANET_MAX_RANK)
    return anet__onnx_unsupported("it has to lie in memory along %d axes, at most %d", groups,
                                  ANET_MAX_RANK);
  if (anet__layout_atoms(&v->layout, axis, groups ? end[groups - 1] : 0, order) != v->layout.atoms)
    return anet__onnx_unsupported("its input has %d axes and no batch in front of them",
                                  v->layout.axes);
  if (!anet__layout_is_order(&v->layout, order)) ANET_TRY(permute(im, node, v, order));
  for (int32_t g = 0; g < groups; g++) {
    shape.dim[g] = 1;
    for (int32_t i = g ? end[g - 1] : 0; i < end[g]; i++)
      shape.dim[g] *= (int32_t)anet__layout_dim(&v->layout, axis[i]);
  }
  return anet__onnx_reshape(im, node, v, &shape);
}

int anet__onnx_store_image(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v)
{
  const int32_t rank = v->layout.axes;
  static const int32_t axis[3] = {2, 3, 1}, end[3] = {1, 2, 3};
  static const int32_t line_axis[2] = {2, 1}, line_end[3] = {1, 1, 2};
  static const int32_t row_axis[1] = {1}, row_end[3] = {0, 0, 1};
  if (rank < 2 || rank > 4 || (!v->layout.batch && anet__layout_dim(&v->layout, 0) != 1))
    return anet__onnx_unsupported("its input has %d axes%s, want a batch of images (N, C, H, W)",
                                  rank, rank >= 2 && rank <= 4 ? " and no batch" : "");
  if (rank == 4) return anet__onnx_store(im, node, v, axis, end, 3);
  if (rank == 3) return anet__onnx_store(im, node, v, line_axis, line_end, 3);
  return anet__onnx_store(im, node, v, row_axis, row_end, 3);
}

int anet__onnx_store_flat(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v)
{
  const anet_shape shape = {1, {(int32_t)anet__layout_count(&v->layout)}};
  return anet__onnx_reshape(im, node, v, &shape);
}

int anet__onnx_store_natural(anet__onnx_import *im, const anet__onnx_node *node,
                             anet__onnx_value *v)
{
  int32_t axis[ANET_ONNX_RANK], end[ANET_ONNX_RANK];
  const int32_t first = v->layout.batch ? 1 : 0, groups = v->layout.axes - first;
  if (groups == 0) return anet__onnx_store_flat(im, node, v);
  for (int32_t i = 0; i < groups; i++) {
    axis[i] = first + i;
    end[i] = i + 1;
  }
  int64_t dim[ANET_ONNX_RANK];
  ANET_TRY(anet__onnx_store(im, node, v, axis, end, groups));
  anet__layout_dims(&v->layout, dim);
  return anet__layout_natural(v->layout.batch, v->layout.axes, dim, &v->layout);
}

int anet__onnx_store_axis(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v,
                          int32_t axis, int32_t *at)
{
  *at = 0;
  if (axis == 0 && v->layout.batch) return anet__onnx_unsupported("it works on axis 0, the batch");
  if (v->layout.axes == 4 && v->layout.batch) {
    *at = axis == 1 ? 0 : 4 - axis;
    return anet__onnx_store_image(im, node, v);
  }
  *at = v->layout.axes - 1 - axis;
  return anet__onnx_store_natural(im, node, v);
}

/* ---- constants ------------------------------------------------------------------------------ */

int anet__onnx_constant(anet__onnx_import *im, const anet__onnx_node *node,
                        const anet__onnx_array *array, const char *name, anet__onnx_value *out)
{
  anet_attr attr = {0};
  int32_t rank = 0;
  *out = (anet__onnx_value){.name = name, .type = array->type};
  for (size_t i = 0; !array->real && i < array->count; i++)
    if (array->i[i] == ANET_ONNX_BATCH)
      return anet__onnx_unsupported("'%s' holds the size of the batch", name);
  ANET_TRY(anet__layout_natural(false, array->rank, array->dim, &out->layout));
  for (int32_t i = 0; i < array->rank; i++) {
    if (array->dim[i] == 1) continue;
    if (rank == ANET_COUNT(attr.dim))
      return anet__onnx_unsupported("constant '%s' has over %d dimensions", name,
                                    ANET_COUNT(attr.dim));
    attr.dim[rank++] = (int32_t)array->dim[i];
  }
  if (rank == 0) attr.dim[0] = 1;
  ANET_TRY(anet__onnx_add(im, node, ".constant", "constant", &attr, NULL, 0, &out->node));
  float *to = anet__onnx_param(im, out->node, 0);
  for (size_t i = 0; i < array->count; i++) to[i] = (float)anet__onnx_at(array, i);
  return ANET_OK;
}
