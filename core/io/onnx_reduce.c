/* Reductions over axes, and what moves pixels and channels: Resize, DepthToSpace, SpaceToDepth,
 * Expand; QuantizeLinear and DequantizeLinear of computed values. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "io/onnx_import.h"

/* ---- reductions ----------------------------------------------------------------------------- */

static int read_axes(anet__onnx_import *im, const anet__onnx_node *node, const anet__layout *l,
                     bool *mark, int32_t *marked)
{
  int64_t axis[ANET_ONNX_RANK];
  int32_t count;
  memset(mark, 0, ANET_ONNX_RANK * sizeof *mark);
  ANET_TRY(anet__onnx_get_ints(im, node, "axes", 1, axis, ANET_ONNX_RANK, &count));
  *marked = 0;
  if (count == 0 && anet__onnx_int(node, "noop_with_empty_axes", 0)) return ANET_OK;
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

/* ---- Resize --------------------------------------------------------------------------------- */

static int find_word(const char *what, const char *word, const char *const *list, int32_t count,
                     int32_t *out)
{
  for (*out = 0; *out < count; ++*out)
    if (strcmp(list[*out], word) == 0) return ANET_OK;
  return anet__onnx_unsupported("%s '%s' is not supported", what, word);
}

static int resize_kind(anet__onnx_import *im, const anet__onnx_node *node, anet_attr *attr)
{
  static const char *const mode[] = {"nearest", "linear"};
  static const char *const centre[] = {"half_pixel", "asymmetric", "align_corners"};
  static const char *const round[] = {"round_prefer_floor", "floor", "ceil", "round_prefer_ceil"};
  const bool old = im->model.opset < 11; /* Upsample, and Resize before it could be told */
  const char *word = anet__onnx_word(node, "mode", "nearest");
  const char *where =
      anet__onnx_word(node, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  if (strcmp(word, "bilinear") == 0) word = "linear";
  if (strcmp(where, "pytorch_half_pixel") == 0) where = "half_pixel"; /* but for outputs of 1 */
  ANET_TRY(find_word("mode", word, mode, ANET_COUNT(mode), &attr->mode));
  ANET_TRY(
      find_word("coordinate_transformation_mode", where, centre, ANET_COUNT(centre), &attr->begin));
  return find_word("nearest_mode",
                   anet__onnx_word(node, "nearest_mode", old ? "floor" : "round_prefer_floor"),
                   round, ANET_COUNT(round), &attr->size);
}

/* Sizes of all axes, from sizes or scales; a scale must be what the sizes give, else pixels would
 * correspond otherwise. */
static int resize_sizes(anet__onnx_import *im, const anet__onnx_node *node, const anet__layout *l,
                        int64_t *size)
{
  const bool old = im->model.opset < 11;
  const anet__onnx_array *scales = NULL, *sizes = NULL;
  const anet__onnx_attr *given = anet__onnx_attr_find(node, "scales");
  if (!given) ANET_TRY(anet__onnx_get_array(im, node, old ? 1 : 2, &scales));
  if (!old) ANET_TRY(anet__onnx_get_array(im, node, 3, &sizes));
  if (given && !given->reals) return anet_fail(ANET_FORMAT, "its scales are no floats");
  const size_t count = given ? given->count
                       : sizes && sizes->count ? sizes->count
                       : scales                ? scales->count
                                               : 0;
  if (count != (size_t)l->axes)
    return anet_fail(ANET_SHAPE, "it has %zu scales or sizes for %d axes", count, l->axes);
  for (int32_t a = 0; a < l->axes; a++) {
    const double now = a == 0 && l->batch ? 1 : (double)anet__layout_dim(l, a);
    if (!given && sizes && sizes->count) {
      size[a] = (int64_t)anet__onnx_at(sizes, (size_t)a);
      if (a == 0 && l->batch) size[a] = 1;
      continue;
    }
    const double scale = given ? (double)given->reals[a] : anet__onnx_at(scales, (size_t)a);
    const double all = now * scale;
    if (!(all >= 1 && all < 0x1p31))
      return anet_fail(ANET_RANGE, "scale %g of axis %d makes %g", scale, a, all);
    size[a] = (int64_t)floor(all + 1e-4);
    if (fabs(all - (double)size[a]) > 1e-3)
      return anet__onnx_unsupported("scale %g of %g is no whole size; export it with sizes", scale,
                                    now);
  }
  return ANET_OK;
}

int anet__onnx_op_resize(anet__onnx_import *im, const anet__onnx_node *node)
{
  int64_t size[ANET_ONNX_RANK];
  anet__onnx_value x;
  anet_attr attr = {0};
  int32_t value;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(resize_kind(im, node, &attr));
  ANET_TRY(resize_sizes(im, node, &x.layout, size));
  ANET_TRY(anet__onnx_store_image(im, node, &x));
  if (size[0] != 1 || size[1] != anet__layout_dim(&x.layout, 1))
    return anet__onnx_unsupported("it resizes the batch or the channels");
  for (int32_t i = 0; i < 2; i++) {
    const int64_t want = i + 2 < x.layout.axes ? size[i + 2] : 1;
    attr.dim[i] = (int32_t)ANET_MIN(ANET_MAX(want, 0), INT32_MAX);
    if (want == 1 && i + 2 < x.layout.axes && anet__layout_dim(&x.layout, i + 2) > 1 &&
        strcmp(anet__onnx_word(node, "coordinate_transformation_mode", ""), "pytorch_half_pixel") ==
            0)
      return anet__onnx_unsupported("pytorch_half_pixel to a size of 1 is not supported");
  }
  ANET_TRY(anet__onnx_add(im, node, "", "resize", &attr, &x.node, 1, &value));
  return anet__onnx_bind_image(im, node, value, x.layout.axes, x.layout.batch);
}

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
  if (!anet__layout_reshape(&b, 4, join, &c)) {
    x->layout = b;
    ANET_TRY(anet__onnx_store_natural(im, node, x));
    if (!anet__layout_reshape(&x->layout, 4, join, &c)) return anet__onnx_unsupported("its blocks");
  }
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

/* A network that was quantised is read as the reals it stands for: the rounding between
 * QuantizeLinear and DequantizeLinear is left out. But quantisers drop a Relu where the least
 * number of the type stands for 0, so that is a Relu again. */
int anet__onnx_op_quantize_linear(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_array *zero;
  anet__onnx_value x;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &zero));
  const int32_t type = zero ? zero->type : ANET_ONNX_UINT8;
  const double least = type == ANET_ONNX_INT8 ? -128 : type == ANET_ONNX_INT16 ? -32768 : 0;
  bool clips = !zero || zero->count > 0;
  for (size_t i = 0; zero && i < zero->count; i++) clips &= anet__onnx_at(zero, i) == least;
  if (clips && !is_positive(im->net, x.node))
    ANET_TRY(anet__onnx_add(im, node, "", "relu", NULL, &x.node, 1, &x.node));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}

int anet__onnx_op_dequantize_linear(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_value x;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}
