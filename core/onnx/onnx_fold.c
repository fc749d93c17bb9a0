/* Constant folding: what a graph computes of shapes and constants alone, done while it is read. The
 * batch is passed on as ANET_ONNX_BATCH by what moves numbers; arithmetic on it is not supported.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_import.h"

typedef anet__onnx_import importer;
typedef anet__onnx_node onnx_node;
typedef anet__onnx_array array;

static int make(importer *im, const array *like, int32_t rank, const int64_t *dim, array **out)
{
  ANET_TRY(anet__onnx_array_new(&im->model.pool, like->real, rank, dim, out));
  (*out)->type = like->type;
  return ANET_OK;
}

static int give(importer *im, const onnx_node *node, const array *a)
{
  return anet__onnx_bind_array(im, node, 0, a);
}

static void copy_at(array *to, size_t at, const array *from, size_t index)
{
  if (to->real)
    to->f[at] = from->f[index];
  else
    to->i[at] = from->i[index];
}

static int input(importer *im, const onnx_node *node, int32_t index, const array **out)
{
  ANET_TRY(anet__onnx_get_array(im, node, index, out));
  return *out ? ANET_OK : anet_fail(ANET_FORMAT, "input %d is missing", index);
}

/* The same elements under another shape of as many. */
static int reshaped(importer *im, const onnx_node *node, const array *a, int32_t rank,
                    const int64_t *dim)
{
  char from[ANET_SHAPE_TEXT], to[ANET_SHAPE_TEXT];
  array *out = anet__onnx_take(&im->model.pool, 1, sizeof *out);
  size_t count;
  if (!out) return im->model.pool.rc;
  if (!anet__onnx_count(rank, dim, &count) || count != a->count)
    return anet_fail(ANET_SHAPE, "%s cannot become %s", anet__onnx_dims_text(a->rank, a->dim, from),
                     anet__onnx_dims_text(rank, dim, to));
  *out = *a;
  out->rank = rank;
  if (rank) memcpy(out->dim, dim, (size_t)rank * sizeof *dim);
  return give(im, node, out);
}

/* Calls with every index of `out`: steps of up to two inputs along its axes, 0 where repeated. */
typedef struct walk {
  int64_t index[ANET_ONNX_RANK];
  int64_t step[2][ANET_ONNX_RANK];
  size_t at[2];
} walk;

static void walk_steps(const array *a, int32_t rank, int64_t *step)
{
  int64_t all = 1;
  for (int32_t i = rank - 1; i >= 0; i--) {
    const int32_t own = i - (rank - a->rank);
    step[i] = own < 0 || a->dim[own] == 1 ? 0 : all;
    all *= own < 0 ? 1 : a->dim[own];
  }
}

static void walk_next(walk *w, const array *out)
{
  for (int32_t d = out->rank - 1; d >= 0; d--) {
    for (int32_t k = 0; k < 2; k++) w->at[k] += (size_t)w->step[k][d];
    if (++w->index[d] < out->dim[d]) return;
    for (int32_t k = 0; k < 2; k++) w->at[k] -= (size_t)(w->step[k][d] * out->dim[d]);
    w->index[d] = 0;
  }
}

static int broadcast_dims(const array *a, const array *b, int32_t *rank, int64_t *dim)
{
  char x[ANET_SHAPE_TEXT], y[ANET_SHAPE_TEXT];
  *rank = ANET_MAX(a->rank, b->rank);
  for (int32_t i = 0; i < *rank; i++) {
    const int32_t ia = i - (*rank - a->rank), ib = i - (*rank - b->rank);
    const int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
    if (da != db && da != 1 && db != 1)
      return anet_fail(ANET_SHAPE, "%s and %s cannot be broadcast",
                       anet__onnx_dims_text(a->rank, a->dim, x),
                       anet__onnx_dims_text(b->rank, b->dim, y));
    dim[i] = da == 1 ? db : da;
  }
  return ANET_OK;
}

/* ---- sources -------------------------------------------------------------------------------- */

static int fold_constant(importer *im, const onnx_node *node)
{
  const anet__onnx_attr *a;
  array *out;
  if ((a = anet__onnx_attr_find(node, "value")) && a->array) return give(im, node, a->array);
  if ((a = anet__onnx_attr_find(node, "value_float"))) {
    ANET_TRY(anet__onnx_array_new(&im->model.pool, true, 0, NULL, &out));
    out->f[0] = a->f;
  } else if ((a = anet__onnx_attr_find(node, "value_int"))) {
    ANET_TRY(anet__onnx_array_new(&im->model.pool, false, 0, NULL, &out));
    out->i[0] = a->i;
  } else if ((a = anet__onnx_attr_find(node, "value_ints")) && a->ints) {
    ANET_TRY(anet__onnx_array_new(&im->model.pool, false, 1, (int64_t[]){(int64_t)a->count}, &out));
    memcpy(out->i, a->ints, a->count * sizeof *a->ints);
  } else if ((a = anet__onnx_attr_find(node, "value_floats")) && a->reals) {
    ANET_TRY(anet__onnx_array_new(&im->model.pool, true, 1, (int64_t[]){(int64_t)a->count}, &out));
    memcpy(out->f, a->reals, a->count * sizeof *a->reals);
  } else
    return anet__onnx_unsupported("its value is no array of numbers");
  return give(im, node, out);
}

static int fold_constant_of_shape(importer *im, const onnx_node *node)
{
  const anet__onnx_attr *value = anet__onnx_attr_find(node, "value");
  const array zero = {.real = true, .type = ANET_ONNX_FLOAT};
  const array *shape, *like = value && value->array ? value->array : &zero;
  array *out;
  ANET_TRY(input(im, node, 0, &shape));
  if (shape->real || shape->count > ANET_ONNX_RANK)
    return anet__onnx_unsupported("its shape has %zu numbers", shape->count);
  ANET_TRY(make(im, like, (int32_t)shape->count, shape->i, &out));
  for (size_t i = 0; like->count && i < out->count; i++) copy_at(out, i, like, 0);
  return give(im, node, out);
}

/* Of a computed value too: the batch is ANET_ONNX_BATCH unless the file fixes it. */
static int fold_shape(importer *im, const onnx_node *node)
{
  const anet__onnx_value *v;
  int64_t dim[ANET_ONNX_RANK];
  array *out;
  ANET_TRY(anet__onnx_get(im, node, 0, &v));
  const int32_t rank = v->array ? v->array->rank : v->layout.axes;
  if (v->array && rank)
    memcpy(dim, v->array->dim, (size_t)rank * sizeof *dim);
  else if (!v->array)
    anet__layout_dims(&v->layout, dim);
  if (!v->array && v->layout.batch) dim[0] = ANET_ONNX_BATCH;
  int64_t start = anet__onnx_int(node, "start", 0), end = anet__onnx_int(node, "end", rank);
  start = ANET_MIN(ANET_MAX(start < 0 ? start + rank : start, 0), rank);
  end = ANET_MIN(ANET_MAX(end < 0 ? end + rank : end, 0), rank);
  ANET_TRY(
      anet__onnx_array_new(&im->model.pool, false, 1, (int64_t[]){ANET_MAX(end - start, 0)}, &out));
  for (size_t i = 0; i < out->count; i++) out->i[i] = dim[start + (int64_t)i];
  return give(im, node, out);
}

static int fold_size(importer *im, const onnx_node *node)
{
  const anet__onnx_value *v;
  array *out;
  ANET_TRY(anet__onnx_get(im, node, 0, &v));
  if (!v->array && v->layout.batch) return anet__onnx_unsupported("it counts the batch");
  ANET_TRY(anet__onnx_array_new(&im->model.pool, false, 0, NULL, &out));
  out->i[0] = v->array ? (int64_t)v->array->count : anet__layout_count(&v->layout);
  return give(im, node, out);
}

static int fold_range(importer *im, const onnx_node *node)
{
  const array *a[3];
  array *out;
  for (int32_t i = 0; i < 3; i++) {
    ANET_TRY(input(im, node, i, &a[i]));
    if (a[i]->count != 1) return anet_fail(ANET_SHAPE, "input %d has %zu numbers", i, a[i]->count);
  }
  const double start = anet__onnx_at(a[0], 0), step = anet__onnx_at(a[2], 0);
  const double count = step != 0 ? ceil((anet__onnx_at(a[1], 0) - start) / step) : -1;
  if (!(count <= 0x1p31))
    return anet_fail(ANET_RANGE, "from %g in steps of %g it has no end", start, step);
  ANET_TRY(make(im, a[0], 1, (int64_t[]){(int64_t)ANET_MAX(count, 0)}, &out));
  for (size_t i = 0; i < out->count; i++) anet__onnx_put(out, i, start + (double)i * step);
  return give(im, node, out);
}

/* ---- moving --------------------------------------------------------------------------------- */

static int fold_identity(importer *im, const onnx_node *node)
{
  const array *a;
  ANET_TRY(input(im, node, 0, &a));
  return give(im, node, a);
}

static int fold_cast(importer *im, const onnx_node *node)
{
  const int32_t to = (int32_t)anet__onnx_int(node, "to", ANET_ONNX_FLOAT);
  const bool real = anet__onnx_is_real(to);
  const array *a;
  array *out;
  ANET_TRY(input(im, node, 0, &a));
  if (!anet__onnx_type_name(to))
    return anet__onnx_unsupported("a constant cannot become element type %d", to);
  ANET_TRY(anet__onnx_array_new(&im->model.pool, real, a->rank, a->dim, &out));
  out->type = to;
  for (size_t i = 0; i < a->count; i++) {
    const double v = anet__onnx_at(a, i);
    anet__onnx_put(out, i, to == ANET_ONNX_BOOL ? v != 0 : v);
  }
  return give(im, node, out);
}

static int fold_gather(importer *im, const onnx_node *node)
{
  const array *a, *index;
  array *out;
  int64_t dim[2 * ANET_ONNX_RANK];
  int32_t axis, rank = 0;
  ANET_TRY(input(im, node, 0, &a));
  ANET_TRY(input(im, node, 1, &index));
  ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", 0), a->rank, &axis));
  for (int32_t i = 0; i < axis; i++) dim[rank++] = a->dim[i];
  for (int32_t i = 0; i < index->rank; i++) dim[rank++] = index->dim[i];
  for (int32_t i = axis + 1; i < a->rank; i++) dim[rank++] = a->dim[i];
  ANET_TRY(make(im, a, rank, dim, &out));
  size_t inner = 1, outer = 1;
  for (int32_t i = 0; i < axis; i++) outer *= (size_t)a->dim[i];
  for (int32_t i = axis + 1; i < a->rank; i++) inner *= (size_t)a->dim[i];
  for (size_t o = 0; o < outer; o++)
    for (size_t k = 0; k < index->count; k++) {
      size_t at;
      ANET_TRY(anet__onnx_place(index, k, a->dim[axis], &at));
      for (size_t i = 0; i < inner; i++)
        copy_at(out, (o * index->count + k) * inner + i, a,
                (o * (size_t)a->dim[axis] + at) * inner + i);
    }
  return give(im, node, out);
}

static int read_axes(importer *im, const onnx_node *node, int32_t rank, bool *mark, int32_t *count)
{
  int64_t axis[ANET_ONNX_RANK];
  ANET_TRY(anet__onnx_get_ints(im, node, "axes", 1, axis, ANET_ONNX_RANK, count));
  memset(mark, 0, 2 * ANET_ONNX_RANK * sizeof *mark);
  for (int32_t i = 0; i < *count; i++) {
    int32_t a;
    ANET_TRY(anet__onnx_axis(node, axis[i], rank, &a));
    mark[a] = true;
  }
  return ANET_OK;
}

static int fold_unsqueeze(importer *im, const onnx_node *node)
{
  int64_t dim[2 * ANET_ONNX_RANK], axis[ANET_ONNX_RANK];
  bool mark[2 * ANET_ONNX_RANK];
  const array *a;
  int32_t count;
  ANET_TRY(input(im, node, 0, &a));
  ANET_TRY(anet__onnx_get_ints(im, node, "axes", 1, axis, ANET_ONNX_RANK, &count));
  const int32_t rank = a->rank + ANET_MAX(count, 0);
  ANET_TRY(read_axes(im, node, rank, mark, &count));
  if (rank > ANET_ONNX_RANK) return anet__onnx_unsupported("it makes %d axes", rank);
  for (int32_t i = 0, from = 0; i < rank; i++) {
    if (!mark[i] && from == a->rank) return anet_fail(ANET_FORMAT, "an axis is named twice");
    dim[i] = mark[i] ? 1 : a->dim[from++];
  }
  return reshaped(im, node, a, rank, dim);
}

static int fold_squeeze(importer *im, const onnx_node *node)
{
  int64_t dim[ANET_ONNX_RANK];
  bool mark[2 * ANET_ONNX_RANK];
  const array *a;
  int32_t count, rank = 0;
  ANET_TRY(input(im, node, 0, &a));
  ANET_TRY(read_axes(im, node, a->rank, mark, &count));
  for (int32_t i = 0; i < a->rank; i++)
    if (!(count < 0 ? a->dim[i] == 1 : mark[i])) dim[rank++] = a->dim[i];
  return reshaped(im, node, a, rank, dim);
}

static int fold_reshape(importer *im, const onnx_node *node)
{
  int64_t dim[ANET_ONNX_RANK];
  const array *a;
  int32_t rank, open = -1;
  size_t rest = 1;
  ANET_TRY(input(im, node, 0, &a));
  ANET_TRY(anet__onnx_get_ints(im, node, "shape", 1, dim, ANET_ONNX_RANK, &rank));
  for (int32_t i = 0; i < rank; i++) {
    if (dim[i] == 0 && i < a->rank && !anet__onnx_int(node, "allowzero", 0)) dim[i] = a->dim[i];
    if (dim[i] < 0)
      open = i;
    else
      rest *= (size_t)dim[i];
  }
  if (open >= 0) dim[open] = rest ? (int64_t)(a->count / rest) : 0;
  return reshaped(im, node, a, ANET_MAX(rank, 0), dim);
}

static int fold_flatten(importer *im, const onnx_node *node)
{
  int64_t axis = anet__onnx_int(node, "axis", 1), dim[2] = {1, 1};
  const array *a;
  ANET_TRY(input(im, node, 0, &a));
  if (axis < 0) axis += a->rank;
  for (int32_t i = 0; i < a->rank; i++) dim[i >= axis] *= a->dim[i];
  return reshaped(im, node, a, 2, dim);
}

static int fold_transpose(importer *im, const onnx_node *node)
{
  int64_t perm[ANET_ONNX_RANK], dim[ANET_ONNX_RANK], step[ANET_ONNX_RANK];
  const array *a;
  array *out;
  walk w = {0};
  ANET_TRY(input(im, node, 0, &a));
  const int32_t given = anet__onnx_ints(node, "perm", perm, ANET_ONNX_RANK);
  if (given && given != a->rank) return anet_fail(ANET_FORMAT, "perm has %d axes", given);
  walk_steps(a, a->rank, step);
  for (int32_t i = 0, seen = 0; i < a->rank; i++) {
    int32_t from;
    ANET_TRY(anet__onnx_axis(node, given ? perm[i] : a->rank - 1 - i, a->rank, &from));
    if (seen >> from & 1) return anet_fail(ANET_FORMAT, "perm names an axis twice");
    seen |= 1 << from;
    dim[i] = a->dim[from];
    w.step[0][i] = step[from];
  }
  ANET_TRY(make(im, a, a->rank, dim, &out));
  for (size_t i = 0; i < out->count; i++, walk_next(&w, out)) copy_at(out, i, a, w.at[0]);
  return give(im, node, out);
}

static int fold_concat(importer *im, const onnx_node *node)
{
  int64_t dim[ANET_ONNX_RANK] = {0}, at = 0;
  const array *a, *first;
  array *out;
  int32_t axis;
  ANET_TRY(input(im, node, 0, &first));
  ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", 1), first->rank, &axis));
  memcpy(dim, first->dim, sizeof dim);
  dim[axis] = 0;
  for (int32_t i = 0; i < node->inputs; i++) {
    ANET_TRY(input(im, node, i, &a));
    bool fits = a->rank == first->rank && a->real == first->real;
    for (int32_t d = 0; fits && d < a->rank; d++) fits = d == axis || a->dim[d] == dim[d];
    if (!fits) return anet_fail(ANET_SHAPE, "inputs 0 and %d differ beside axis %d", i, axis);
    dim[axis] += a->dim[axis];
  }
  ANET_TRY(make(im, first, first->rank, dim, &out));
  size_t inner = 1;
  for (int32_t d = axis + 1; d < first->rank; d++) inner *= (size_t)dim[d];
  for (int32_t i = 0; i < node->inputs; i++) {
    ANET_TRY(input(im, node, i, &a));
    const size_t run = (size_t)a->dim[axis] * inner, row = (size_t)dim[axis] * inner;
    for (size_t k = 0; k < a->count; k++)
      copy_at(out, k / run * row + (size_t)at * inner + k % run, a, k);
    at += a->dim[axis];
  }
  return give(im, node, out);
}

static int fold_slice(importer *im, const onnx_node *node)
{
  int64_t start[ANET_ONNX_RANK], end[ANET_ONNX_RANK], axis[ANET_ONNX_RANK], step[ANET_ONNX_RANK];
  int64_t dim[ANET_ONNX_RANK] = {0}, first = 0;
  int32_t starts, ends, axes, steps;
  const array *a;
  array *out;
  walk w = {0};
  ANET_TRY(input(im, node, 0, &a));
  ANET_TRY(anet__onnx_get_ints(im, node, "starts", 1, start, ANET_ONNX_RANK, &starts));
  ANET_TRY(anet__onnx_get_ints(im, node, "ends", 2, end, ANET_ONNX_RANK, &ends));
  ANET_TRY(anet__onnx_get_ints(im, node, "axes", 3, axis, ANET_ONNX_RANK, &axes));
  ANET_TRY(anet__onnx_get_ints(im, node, "steps", 4, step, ANET_ONNX_RANK, &steps));
  if (starts < 0 || ends != starts || (axes >= 0 && axes != starts) ||
      (steps >= 0 && steps != starts))
    return anet_fail(ANET_FORMAT, "it has %d starts, %d ends, %d axes, %d steps", starts, ends,
                     axes, steps);
  walk_steps(a, a->rank, w.step[0]);
  if (a->rank) memcpy(dim, a->dim, sizeof dim);
  for (int32_t i = 0, seen = 0; i < starts; i++) {
    int32_t d;
    ANET_TRY(anet__onnx_axis(node, axes < 0 ? i : axis[i], a->rank, &d));
    if (seen >> d & 1) return anet_fail(ANET_FORMAT, "axis %d is named twice", d);
    seen |= 1 << d;
    /* A step over the whole axis ends there, as larger ones do. */
    const int64_t size = a->dim[d], far = ANET_MAX(size, 1);
    const int64_t by = steps < 0 ? 1 : ANET_MIN(ANET_MAX(step[i], -far), far);
    if (by == 0) return anet_fail(ANET_FORMAT, "its step is 0");
    const int64_t low = by > 0 ? 0 : -1, high = by > 0 ? size : size - 1;
    int64_t b = start[i] < 0 ? start[i] + size : start[i];
    int64_t e = end[i] < 0 ? end[i] + size : end[i];
    b = ANET_MIN(ANET_MAX(b, by > 0 ? 0 : -1), high);
    e = ANET_MIN(ANET_MAX(e, low), high);
    const int64_t count = by > 0 ? (e - b + by - 1) / by : (b - e - by - 1) / -by;
    dim[d] = ANET_MAX(count, 0);
    first += b * w.step[0][d];
    w.step[0][d] *= by;
  }
  ANET_TRY(make(im, a, a->rank, dim, &out));
  w.at[0] = (size_t)first;
  for (size_t i = 0; i < out->count; i++, walk_next(&w, out)) copy_at(out, i, a, w.at[0]);
  return give(im, node, out);
}

static int fold_expand(importer *im, const onnx_node *node)
{
  int64_t dim[ANET_ONNX_RANK];
  const array *a;
  array *out, target = {0};
  walk w = {0};
  ANET_TRY(input(im, node, 0, &a));
  ANET_TRY(anet__onnx_get_ints(im, node, "shape", 1, target.dim, ANET_ONNX_RANK, &target.rank));
  if (target.rank < 0) return anet_fail(ANET_FORMAT, "it has no shape");
  int32_t rank;
  ANET_TRY(broadcast_dims(a, &target, &rank, dim));
  ANET_TRY(make(im, a, rank, dim, &out));
  walk_steps(a, rank, w.step[0]);
  for (size_t i = 0; i < out->count; i++, walk_next(&w, out)) copy_at(out, i, a, w.at[0]);
  return give(im, node, out);
}

/* ---- arithmetic ----------------------------------------------------------------------------- */

static double whole_quotient(double x, double y)
{
  return y == 0 ? 0 : trunc(x / y);
}

/* Of whole numbers with the sign of y, else with the sign of x. */
static double remainder_of(double x, double y, bool whole)
{
  const double rest = y == 0 ? 0 : fmod(x, y);
  return whole && rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

/* X(OnnxName, result of x and y): with `whole` it is of whole numbers. */
#define BINARY_MAP(X)                                                                              \
  X(Add, x + y)                                                                                    \
  X(Sub, x - y)                                                                                    \
  X(Mul, x *y)                                                                                     \
  X(Div, whole ? whole_quotient(x, y) : x / y)                                                     \
  X(Pow, pow(x, y))                                                                                \
  X(Mod, remainder_of(x, y, whole))                                                                \
  X(Min, fmin(x, y))                                                                               \
  X(Max, fmax(x, y))                                                                               \
  X(Equal, x == y)                                                                                 \
  X(Greater, x > y)                                                                                \
  X(GreaterOrEqual, x >= y)                                                                        \
  X(Less, x < y)                                                                                   \
  X(LessOrEqual, x <= y)                                                                           \
  X(Xor, (x != 0) != (y != 0))                                                                     \
  X(And, x != 0 && y != 0)                                                                         \
  X(Or, x != 0 || y != 0)

static double binary_of(const char *op, double x, double y, bool whole)
{
#define X(name, value)                                                                             \
  if (strcmp(op, #name) == 0) return value;
  BINARY_MAP(X)
#undef X
  return NAN;
}

static int fold_binary(importer *im, const onnx_node *node)
{
  int64_t dim[ANET_ONNX_RANK];
  const array *a, *b;
  array *out;
  walk w = {0};
  int32_t rank;
  ANET_TRY(input(im, node, 0, &a));
  if (node->inputs == 1) return give(im, node, a);
  ANET_TRY(input(im, node, 1, &b));
  if (node->inputs > 2) return ANET_ABSENT;
  ANET_TRY(broadcast_dims(a, b, &rank, dim));
  const bool compares = strchr("EGLAOX", node->op[0]) && strcmp(node->op, "Add") != 0;
  const bool power = strcmp(node->op, "Pow") == 0; /* is of the base's type */
  array like = *a;
  like.real = (a->real || (b->real && !power)) && !compares;
  if (compares) like.type = ANET_ONNX_BOOL;
  const bool whole = !like.real && !anet__onnx_int(node, "fmod", 0);
  ANET_TRY(make(im, &like, rank, dim, &out));
  walk_steps(a, rank, w.step[0]);
  walk_steps(b, rank, w.step[1]);
  for (size_t i = 0; i < out->count; i++, walk_next(&w, out)) {
    const double x = anet__onnx_at(a, w.at[0]), y = anet__onnx_at(b, w.at[1]);
    if (!like.real && !compares && (x == (double)ANET_ONNX_BATCH || y == (double)ANET_ONNX_BATCH)) {
      const bool same = (strcmp(node->op, "Mul") == 0 || strcmp(node->op, "Div") == 0) && y == 1;
      if (!same && !(strcmp(node->op, "Mul") == 0 && x == 1))
        return anet__onnx_unsupported("it calculates with the size of the batch");
      out->i[i] = ANET_ONNX_BATCH;
    } else
      anet__onnx_put(out, i, binary_of(node->op, x, y, whole));
  }
  return give(im, node, out);
}

static double unary_of(const char *op, double x)
{
  if (strcmp(op, "Neg") == 0) return -x;
  if (strcmp(op, "Abs") == 0) return fabs(x);
  if (strcmp(op, "Sqrt") == 0) return sqrt(x);
  if (strcmp(op, "Exp") == 0) return exp(x);
  if (strcmp(op, "Log") == 0) return log(x);
  if (strcmp(op, "Floor") == 0) return floor(x);
  if (strcmp(op, "Ceil") == 0) return ceil(x);
  if (strcmp(op, "Round") == 0) return rint(x);
  if (strcmp(op, "Reciprocal") == 0) return 1 / x;
  return x == 0; /* Not */
}

static int fold_unary(importer *im, const onnx_node *node)
{
  const array *a;
  array *out;
  ANET_TRY(input(im, node, 0, &a));
  ANET_TRY(make(im, a, a->rank, a->dim, &out));
  for (size_t i = 0; i < a->count; i++)
    anet__onnx_put(out, i, unary_of(node->op, anet__onnx_at(a, i)));
  return give(im, node, out);
}

static int fold_where(importer *im, const onnx_node *node)
{
  int64_t dim[ANET_ONNX_RANK];
  const array *choice, *a, *b;
  array *out, both = {0};
  walk w = {0}, c = {0};
  int32_t rank;
  ANET_TRY(input(im, node, 0, &choice));
  ANET_TRY(input(im, node, 1, &a));
  ANET_TRY(input(im, node, 2, &b));
  ANET_TRY(broadcast_dims(a, b, &both.rank, both.dim));
  ANET_TRY(broadcast_dims(&both, choice, &rank, dim));
  if (a->real != b->real) return anet_fail(ANET_FORMAT, "its inputs have different types");
  ANET_TRY(make(im, a, rank, dim, &out));
  walk_steps(choice, rank, c.step[0]);
  walk_steps(a, rank, w.step[0]);
  walk_steps(b, rank, w.step[1]);
  for (size_t i = 0; i < out->count; i++, walk_next(&w, out), walk_next(&c, out)) {
    const bool first = anet__onnx_at(choice, c.at[0]) != 0;
    copy_at(out, i, first ? a : b, w.at[first ? 0 : 1]);
  }
  return give(im, node, out);
}

/* Over all elements: what shape arithmetic needs. */
static int fold_reduce(importer *im, const onnx_node *node)
{
  const bool product = strcmp(node->op, "ReduceProd") == 0;
  int64_t axis[ANET_ONNX_RANK], dim[ANET_ONNX_RANK] = {0};
  const array *a;
  array *out;
  int32_t count;
  double result = product ? 1 : 0;
  ANET_TRY(input(im, node, 0, &a));
  ANET_TRY(anet__onnx_get_ints(im, node, "axes", 1, axis, ANET_ONNX_RANK, &count));
  if (a->rank > 1 && count >= 0 && count < a->rank)
    return ANET_ABSENT; /* beyond what shapes need */
  for (size_t i = 0; i < a->count; i++) {
    const double v = anet__onnx_at(a, i);
    if (v == (double)ANET_ONNX_BATCH)
      return anet__onnx_unsupported("it calculates with the size of the batch");
    result = product ? result * v : result + v;
  }
  const bool keeps = anet__onnx_int(node, "keepdims", 1) != 0;
  for (int32_t i = 0; i < a->rank; i++) dim[i] = 1;
  ANET_TRY(make(im, a, keeps ? a->rank : 0, dim, &out));
  anet__onnx_put(out, 0, result);
  return give(im, node, out);
}

/* Whole numbers times a scale: (x - zero) * scale, one for all or one a place of an axis. */
static int fold_dequantize(importer *im, const onnx_node *node)
{
  const array *a, *scale, *zero;
  array *out;
  int32_t axis = 0;
  size_t inner = 1;
  ANET_TRY(input(im, node, 0, &a));
  ANET_TRY(input(im, node, 1, &scale));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &zero));
  if (anet__onnx_int(node, "block_size", 0) != 0)
    return anet__onnx_unsupported("its scales are a block's; want one, or one a place of an axis");
  if (scale->count > 1) {
    ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", 1), a->rank, &axis));
    for (int32_t d = axis + 1; d < a->rank; d++) inner *= (size_t)a->dim[d];
    if (scale->count != (size_t)a->dim[axis] || (zero && zero->count != scale->count))
      return anet_fail(ANET_SHAPE, "it has %zu scales for an axis of %lld", scale->count,
                       (long long)a->dim[axis]);
  } else if (scale->count == 0 || (zero && zero->count == 0))
    return anet_fail(ANET_SHAPE, "it has no scale");
  ANET_TRY(anet__onnx_array_new(&im->model.pool, true, a->rank, a->dim, &out));
  for (size_t i = 0; i < a->count; i++) {
    const size_t s = scale->count > 1 ? i / inner % scale->count : 0;
    const double from = zero ? anet__onnx_at(zero, s) : 0;
    out->f[i] = (float)((anet__onnx_at(a, i) - from) * anet__onnx_at(scale, s));
  }
  return give(im, node, out);
}

/* ---- the table ------------------------------------------------------------------------------ */

anet__onnx_folder *anet__onnx_folder_find(const char *op)
{
  static const struct {
    const char *name;
    anet__onnx_folder *folder;
  } table[] = {{"Constant", fold_constant},
               {"ConstantOfShape", fold_constant_of_shape},
               {"Shape", fold_shape},
               {"Size", fold_size},
               {"Range", fold_range},
               {"Identity", fold_identity},
               {"Cast", fold_cast},
               {"Gather", fold_gather},
               {"Unsqueeze", fold_unsqueeze},
               {"Squeeze", fold_squeeze},
               {"Reshape", fold_reshape},
               {"Flatten", fold_flatten},
               {"Transpose", fold_transpose},
               {"Concat", fold_concat},
               {"Slice", fold_slice},
               {"Expand", fold_expand},
               {"Where", fold_where},
               {"ReduceProd", fold_reduce},
               {"ReduceSum", fold_reduce},
               {"DequantizeLinear", fold_dequantize},
               {"Neg", fold_unary},
               {"Abs", fold_unary},
               {"Sqrt", fold_unary},
               {"Exp", fold_unary},
               {"Log", fold_unary},
               {"Floor", fold_unary},
               {"Ceil", fold_unary},
               {"Round", fold_unary},
               {"Reciprocal", fold_unary},
               {"Not", fold_unary},
#define X(name, value) {#name, fold_binary},
               BINARY_MAP(X)
#undef X
  };
  for (int32_t i = 0; i < ANET_COUNT(table); i++)
    if (strcmp(table[i].name, op) == 0) return table[i].folder;
  return NULL;
}
