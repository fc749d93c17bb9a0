/* Reductions over axes, and what moves pixels and channels: DepthToSpace, SpaceToDepth,
 * Expand; QuantizeLinear and DequantizeLinear of computed values. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_import.h"

/* ---- reductions ----------------------------------------------------------------------------- */

static int read_axes(anet__onnx_import *im, const anet__onnx_node *node, const anet__layout *l,
                     bool *mark, int32_t *marked)
{
  int64_t axis[ANET_ONNX_RANK];
  int32_t count;
  memset(mark, 0, ANET_ONNX_RANK * sizeof *mark);
  ANET_TRY(anet__onnx_get_ints(im, node, "axes", 1, axis, ANET_ONNX_RANK, &count));
  *marked = 0;
  if (count <= 0 && anet__onnx_int(node, "noop_with_empty_axes", 0)) return ANET_OK;
  for (int32_t a = 0; count <= 0 && a < l->axes; a++) mark[a] = true;
  for (int32_t i = 0; i < count; i++) {
    int32_t a;
    ANET_TRY(anet__onnx_axis(node, axis[i], l->axes, &a));
    mark[a] = true;
  }
  for (int32_t a = 0; a < l->axes; a++) *marked += mark[a];
  if (mark[0] && l->batch) return anet__onnx_unsupported("it runs over axis 0, the batch");
  return ANET_OK;
}

/* Reduce one run of stored atoms that follow each other and are all marked; false: there is none
 * left. */
static bool next_run(const anet__layout *l, const bool *gone, int32_t *first, int32_t *end)
{
  for (*first = 0; *first < l->atoms && !gone[l->order[*first]];) ++*first;
  for (*end = *first; *end < l->atoms && gone[l->order[*end]];) ++*end;
  return *first < *end;
}

static int32_t run_size(const anet__layout *l, int32_t first, int32_t end)
{
  int32_t size = 1;
  for (int32_t k = first; k < end; k++) size *= l->size[l->order[k]];
  return size;
}

/* The layout without the atoms that are stored at first .. end - 1. */
static void drop_atoms(anet__layout *l, int32_t first, int32_t end, bool *gone)
{
  for (int32_t n = end - first; n > 0; n--) {
    const int32_t atom = l->order[first];
    for (int32_t k = first; k + 1 < l->atoms; k++) l->order[k] = l->order[k + 1];
    for (int32_t i = atom; i + 1 < l->atoms; i++) {
      l->size[i] = l->size[i + 1];
      gone[i] = gone[i + 1];
    }
    l->atoms--;
    for (int32_t k = 0; k < l->atoms; k++) l->order[k] -= l->order[k] > atom;
    for (int32_t a = 0; a <= l->axes; a++) l->first[a] -= l->first[a] > atom;
  }
}

/* v without the marked axes, which stay as axes of 1. */
static int reduce_value(anet__onnx_import *im, const anet__onnx_node *node, const char *op,
                        const bool *mark, anet__onnx_value *v)
{
  anet__layout *l = &v->layout;
  bool gone[ANET_ATOMS] = {0};
  int32_t first, end;
  for (int32_t a = 0; a < l->axes; a++)
    for (int32_t i = l->first[a]; i < l->first[a + 1]; i++) gone[i] = mark[a];
  while (next_run(l, gone, &first, &end)) {
    const anet_shape rows = {
        3, {run_size(l, 0, first), run_size(l, first, end), run_size(l, end, l->atoms)}};
    ANET_TRY(anet__onnx_reshape(im, node, v, &rows));
    ANET_TRY(anet__onnx_add(im, node, ".part", op, &(anet_attr){.axis = 1}, &v->node, 1, &v->node));
    drop_atoms(l, first, end, gone);
  }
  return ANET_OK;
}

/* What goes before and after a reduction to make it another: sum of absolutes, root of squares, …
 */
typedef struct recipe {
  const char *before, *reduce, *after; /* unary ops, or NULL */
  anet_attr first, last;
} recipe;

static int reduce(anet__onnx_import *im, const anet__onnx_node *node, const recipe *r)
{
  bool mark[ANET_ONNX_RANK];
  int64_t dim[ANET_ONNX_RANK];
  anet__onnx_value x;
  int32_t marked, rank = 0;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(read_axes(im, node, &x.layout, mark, &marked));
  if (r->before && marked)
    ANET_TRY(anet__onnx_add(im, node, ".in", r->before, &r->first, &x.node, 1, &x.node));
  ANET_TRY(reduce_value(im, node, r->reduce, mark, &x));
  if (r->after && marked)
    ANET_TRY(anet__onnx_add(im, node, ".out", r->after, &r->last, &x.node, 1, &x.node));
  const bool keeps = anet__onnx_int(node, "keepdims", 1) != 0 || !marked;
  for (int32_t a = 0; a < x.layout.axes; a++)
    if (keeps || !mark[a]) dim[rank++] = anet__layout_dim(&x.layout, a);
  anet__layout layout;
  if (!anet__layout_reshape(&x.layout, rank, dim, &layout))
    return anet__onnx_unsupported("its axes are mixed in memory");
  return anet__onnx_bind_node(im, node, 0, x.node, &layout);
}

#define REDUCE(handler, ...)                                                                       \
  int anet__onnx_op_##handler(anet__onnx_import *im, const anet__onnx_node *node)                  \
  {                                                                                                \
    const recipe r = __VA_ARGS__;                                                                  \
    return reduce(im, node, &r);                                                                   \
  }
REDUCE(reduce_mean, {NULL, "reduce_mean", NULL, {.mode = 0}, {.mode = 0}})
REDUCE(reduce_sum, {NULL, "reduce_sum", NULL, {.mode = 0}, {.mode = 0}})
REDUCE(reduce_max, {NULL, "reduce_max", NULL, {.mode = 0}, {.mode = 0}})
REDUCE(reduce_prod, {NULL, "reduce_prod", NULL, {.mode = 0}, {.mode = 0}})
REDUCE(reduce_min, {"affine", "reduce_max", "affine", {.alpha = -1}, {.alpha = -1}})
REDUCE(reduce_l1, {"abs", "reduce_sum", NULL, {.mode = 0}, {.mode = 0}})
REDUCE(reduce_l2, {"power", "reduce_sum", "sqrt", {.alpha = 2}, {.mode = 0}})
REDUCE(reduce_sum_square, {"power", "reduce_sum", NULL, {.alpha = 2}, {.mode = 0}})
REDUCE(reduce_log_sum, {NULL, "reduce_sum", "log", {.mode = 0}, {.mode = 0}})
REDUCE(reduce_log_sum_exp, {"exp", "reduce_sum", "log", {.mode = 0}, {.mode = 0}})

/* ---- channels and pixels -------------------------------------------------------------------- */

/* Regroup as `cut`, transpose by `perm`, regroup as `join`: the layout alone changes. */
static int shuffle(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                   const int64_t *cut, const int32_t *perm, const int64_t *join)
{
  anet__layout a, b, c;
  if (!anet__layout_reshape(&x->layout, 6, cut, &a)) {
    ANET_TRY(anet__onnx_store_natural(im, node, x));
    if (!anet__layout_reshape(&x->layout, 6, cut, &a))
      return anet__onnx_unsupported("its blocks do not divide the image");
  }
  anet__layout_transpose(&a, perm, &b);
  if (!anet__layout_reshape(&b, 4, join, &c))
    return anet__onnx_unsupported("it cuts axes into more parts than %d", ANET_ATOMS);
  return anet__onnx_bind_node(im, node, 0, x->node, &c);
}

static int image_dims(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                      int64_t *dim, int64_t *block)
{
  ANET_TRY(anet__onnx_get_value(im, node, 0, x));
  *block = anet__onnx_int(node, "blocksize", 0);
  if (x->layout.axes != 4 || !x->layout.batch || *block < 1 || *block > INT16_MAX)
    return anet__onnx_unsupported("blocks of %lld of a value with %d axes", (long long)*block,
                                  x->layout.axes);
  anet__layout_dims(&x->layout, dim);
  return ANET_OK;
}

int anet__onnx_op_depth_to_space(anet__onnx_import *im, const anet__onnx_node *node)
{
  static const int32_t dcr[] = {0, 3, 4, 1, 5, 2}, crd[] = {0, 1, 4, 2, 5, 3};
  const bool rows_last = strcmp(anet__onnx_word(node, "mode", "DCR"), "CRD") == 0;
  int64_t d[ANET_ONNX_RANK], b;
  anet__onnx_value x;
  ANET_TRY(image_dims(im, node, &x, d, &b));
  if (d[1] % (b * b))
    return anet_fail(ANET_SHAPE, "%lld channels, blocks of %lld", (long long)d[1], (long long)b);
  const int64_t depth = d[1] / (b * b);
  const int64_t first[6] = {1, b, b, depth, d[2], d[3]}, last[6] = {1, depth, b, b, d[2], d[3]};
  const int64_t join[4] = {1, depth, d[2] * b, d[3] * b};
  return shuffle(im, node, &x, rows_last ? last : first, rows_last ? crd : dcr, join);
}

int anet__onnx_op_space_to_depth(anet__onnx_import *im, const anet__onnx_node *node)
{
  static const int32_t perm[] = {0, 3, 5, 1, 2, 4};
  int64_t d[ANET_ONNX_RANK], b;
  anet__onnx_value x;
  ANET_TRY(image_dims(im, node, &x, d, &b));
  if (d[2] % b || d[3] % b)
    return anet_fail(ANET_SHAPE, "%lld x %lld pixels, blocks of %lld", (long long)d[2],
                     (long long)d[3], (long long)b);
  const int64_t cut[6] = {1, d[1], d[2] / b, b, d[3] / b, b};
  const int64_t join[4] = {1, d[1] * b * b, d[2] / b, d[3] / b};
  return shuffle(im, node, &x, cut, perm, join);
}

/* ---- Expand --------------------------------------------------------------------------------- */

/* Axis a of the result, right-aligned: what the value has, and what is wanted. The batch stays as
 * it is. */
static int expand_dims(const anet__onnx_import *im, const anet__layout *l, const int64_t *want,
                       int32_t count, int32_t rank, int64_t *dim)
{
  for (int32_t a = 0; a < rank; a++) {
    const int32_t own = a - (rank - l->axes), given = a - (rank - count);
    const int64_t have = own < 0 ? 1 : anet__layout_dim(l, own), size = given < 0 ? 1 : want[given];
    dim[a] = have == 1 ? size : have;
    const bool batch = a == 0 && l->batch;
    if (batch && size != 1 && size != ANET_ONNX_BATCH && size != im->batch)
      return anet__onnx_unsupported("it repeats the batch");
    if (!batch && (size < 1 || size > INT32_MAX || (size != 1 && have != 1 && size != have)))
      return anet_fail(ANET_SHAPE, "axis %d of size %lld cannot become %lld", a, (long long)have,
                       (long long)size);
  }
  return ANET_OK;
}

int anet__onnx_op_expand(anet__onnx_import *im, const anet__onnx_node *node)
{
  static const int32_t image[3] = {2, 3, 1};
  int64_t want[ANET_ONNX_RANK], dim[ANET_ONNX_RANK];
  anet__onnx_value x;
  anet__layout layout;
  anet_attr attr = {0};
  int32_t count, at;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_ints(im, node, "shape", 1, want, ANET_ONNX_RANK, &count));
  const int32_t rank = ANET_MAX(count, x.layout.axes), first = x.layout.batch ? 1 : 0;
  if (rank > x.layout.axes && x.layout.batch)
    return anet__onnx_unsupported("it puts axes before the batch");
  if (rank - first > ANET_COUNT(attr.dim)) return anet__onnx_unsupported("it makes %d axes", rank);
  ANET_TRY(expand_dims(im, &x.layout, want, count, rank, dim));
  const bool as_image = rank == 4 && first == 1;
  if (x.layout.axes > first) ANET_TRY(anet__onnx_store_axis(im, node, &x, x.layout.axes - 1, &at));
  anet_shape shape = {.rank = rank - first};
  for (int32_t i = 0; i < shape.rank; i++) {
    const int32_t a = as_image ? image[i] : first + i, own = a - (rank - x.layout.axes);
    shape.dim[i] = own < 0 ? 1 : (int32_t)anet__layout_dim(&x.layout, own);
    attr.dim[i] = (int32_t)dim[a];
  }
  if (shape.rank == 0) attr.dim[0] = 1;
  ANET_TRY(anet__onnx_reshape(im, node, &x, &shape));
  ANET_TRY(anet__onnx_add(im, node, "", "expand", &attr, &x.node, 1, &x.node));
  ANET_TRY(as_image ? anet__layout_image(true, rank, dim, &layout)
                    : anet__layout_natural(x.layout.batch, rank, dim, &layout));
  return anet__onnx_bind_node(im, node, 0, x.node, &layout);
}

/* ---- quantised values ----------------------------------------------------------------------- */

/* Is nothing below 0 among its values, by what makes it? */
static bool is_positive(const anet_net *net, int32_t value)
{
  const anet__node *node = anet__net_at(net, value);
  switch (node->op) {
    case ANET_OP_RELU:
    case ANET_OP_RELU6:
    case ANET_OP_SIGMOID:
    case ANET_OP_HARD_SIGMOID:
    case ANET_OP_SOFTMAX:
      return true;
    case ANET_OP_CLIP:
      return node->attr.alpha >= 0;
    case ANET_OP_MAX_POOL:
    case ANET_OP_AVG_POOL:
    case ANET_OP_GLOBAL_POOL:
    case ANET_OP_FLATTEN:
    case ANET_OP_RESHAPE:
    case ANET_OP_TRANSPOSE:
    case ANET_OP_IDENTITY:
    case ANET_OP_DROPOUT:
    case ANET_OP_RESIZE:
    case ANET_OP_SPLIT:
    case ANET_OP_CONCAT:
    case ANET_OP_ADD:
    case ANET_OP_MUL:
      for (int32_t i = 0; i < node->inputs; i++)
        if (!is_positive(net, node->in[i])) return false;
      return true;
    default:
      return false;
  }
}

/* What this engine wrote comes back as the op it was. */
static bool is_own_quantize(const anet__onnx_import *im, const anet__onnx_array *scale,
                            const anet__onnx_array *zero)
{
  return strcmp(im->model.producer, "anet") == 0 && scale && zero && scale->real &&
         scale->count == 1 && zero->count == 1 && zero->type == ANET_ONNX_UINT8;
}

static int own_quantize(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                        const anet__onnx_array *scale, const anet__onnx_array *zero)
{
  const float level = (float)anet__onnx_at(scale, 0), at = (float)anet__onnx_at(zero, 0);
  const anet_attr attr = {.alpha = -at * level, .beta = (255 - at) * level};
  ANET_TRY(anet__onnx_add(im, node, "", "quantize", &attr, &x->node, 1, &x->node));
  return anet__onnx_bind_node(im, node, 0, x->node, &x->layout);
}

/* Another network that was quantised is read as the reals it stands for: the rounding between
 * QuantizeLinear and DequantizeLinear is left out. But quantisers drop a Relu where the least
 * number of the type stands for 0, so that is a Relu again. */
int anet__onnx_op_quantize_linear(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_array *scale, *zero;
  anet__onnx_value x;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_array(im, node, 1, &scale));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &zero));
  if (is_own_quantize(im, scale, zero)) return own_quantize(im, node, &x, scale, zero);
  const int32_t type = zero ? zero->type : ANET_ONNX_UINT8;
  const double least = type == ANET_ONNX_INT8 ? -128 : type == ANET_ONNX_INT16 ? -32768 : 0;
  bool clips = !zero || zero->count > 0;
  for (size_t i = 0; zero && i < zero->count; i++) clips &= anet__onnx_at(zero, i) == least;
  if (clips && !is_positive(im->net, x.node))
    ANET_TRY(anet__onnx_add(im, node, "", "relu", NULL, &x.node, 1, &x.node));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}

/* The scales along an axis as an operand that is broadcast; with `zero`, what zeros are scaled to,
 * negated. */
static int row_value(anet__onnx_import *im, const anet__onnx_node *node, const anet__layout *l,
                     int32_t axis, const anet__onnx_array *scale, const anet__onnx_array *zero,
                     anet__onnx_value *out)
{
  int64_t dim[ANET_ONNX_RANK];
  anet__onnx_array *row;
  for (int32_t a = 0; a < l->axes; a++) dim[a] = a == axis ? (int64_t)scale->count : 1;
  ANET_TRY(anet__onnx_array_new(&im->model.pool, true, l->axes, dim, &row));
  for (size_t i = 0; i < row->count; i++) {
    const double k = anet__onnx_at(scale, i);
    row->f[i] = (float)(zero ? -anet__onnx_at(zero, zero->count == 1 ? 0 : i) * k : k);
  }
  return anet__onnx_constant(im, node, row, node->output[0], out);
}

/* What QuantizeLinear made are reals still; whole numbers that come in from outside are not. */
int anet__onnx_op_dequantize_linear(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_array *scale, *zero;
  anet__onnx_value v[2];
  int32_t axis = 0;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &v[0]));
  if (anet__onnx_is_real(anet__onnx_type_in(im, node, 0)))
    return anet__onnx_bind_node(im, node, 0, v[0].node, &v[0].layout);
  ANET_TRY(anet__onnx_get_array(im, node, 1, &scale));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &zero));
  const size_t count = scale ? scale->count : 0;
  if (count > 1)
    ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", 1), v[0].layout.axes, &axis));
  if (count == 0 || (count > 1 && (int64_t)count != anet__layout_dim(&v[0].layout, axis)) ||
      (zero && zero->count != count && zero->count != 1))
    return anet_fail(ANET_SHAPE, "it has %zu scales and %zu zeros", count, zero ? zero->count : 0);
  ANET_TRY(row_value(im, node, &v[0].layout, axis, scale, NULL, &v[1]));
  ANET_TRY(anet__onnx_two(im, node, zero ? ".scaled" : "", "mul", v));
  if (zero) {
    const anet__onnx_value scaled = v[0];
    ANET_TRY(row_value(im, node, &scaled.layout, axis, scale, zero, &v[1]));
    ANET_TRY(anet__onnx_two(im, node, "", "add", v));
  }
  return anet__onnx_bind_node(im, node, 0, v[0].node, &v[0].layout);
}
