/* Ops that move or regroup elements: Flatten, Reshape, Squeeze, Unsqueeze, Transpose, Concat,
 * Split, Slice, Pad. What only regroups changes the layout alone. */
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_import.h"

/* ---- regrouping ----------------------------------------------------------------------------- */

/* Bind v under other axes. Where its storage does not allow them, it is stored naturally first. A
 * value that becomes one row is flattened under its own name, so that nets read as they did. */
static int regroup(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v,
                   int32_t rank, const int64_t *dim)
{
  anet__layout layout;
  if (!anet__layout_reshape(&v->layout, rank, dim, &layout)) {
    ANET_TRY(anet__onnx_store_natural(im, node, v));
    if (!anet__layout_reshape(&v->layout, rank, dim, &layout))
      return anet__onnx_unsupported("it cuts axes into more parts than %d", ANET_ATOMS);
  }
  if (rank == 2 && v->layout.batch && anet__net_at(im->net, v->node)->shape.rank > 1)
    ANET_TRY(anet__onnx_add(im, node, "", "flatten", NULL, &v->node, 1, &v->node));
  return anet__onnx_bind_node(im, node, 0, v->node, &layout);
}

int anet__onnx_op_flatten(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_value x;
  int64_t axis = anet__onnx_int(node, "axis", 1), dim[2] = {1, 1};
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  if (axis < 0) axis += x.layout.axes;
  if (axis < 0 || axis > x.layout.axes)
    return anet_fail(ANET_FORMAT, "axis %lld of a value with %d", (long long)axis, x.layout.axes);
  if (x.layout.batch && axis != 1)
    return anet__onnx_unsupported("axis %lld would fold the batch into the features",
                                  (long long)axis);
  for (int32_t a = x.layout.batch ? 1 : 0; a < x.layout.axes; a++)
    dim[a >= axis] *= anet__layout_dim(&x.layout, a);
  return regroup(im, node, &x, 2, dim);
}

/* The shape that Reshape asks for: 0 copies a dimension, -1 is what is left, the batch stays in
 * front. */
static int wanted_shape(const anet__onnx_import *im, const anet__onnx_node *node,
                        const anet__layout *l, int64_t *dim, int32_t rank)
{
  const bool zero = anet__onnx_int(node, "allowzero", 0) != 0;
  int64_t left = anet__layout_count(l);
  int32_t open = -1;
  for (int32_t a = 0; a < rank; a++) {
    if (dim[a] == 0 && !zero && a < l->axes)
      dim[a] = a == 0 && l->batch ? ANET_ONNX_BATCH : anet__layout_dim(l, a);
    const bool batch = a == 0 && l->batch &&
                       (dim[a] == ANET_ONNX_BATCH || dim[a] == -1 || dim[a] == im->batch ||
                        (dim[a] == 1 && im->batch < 0));
    if (batch && dim[a] == -1) open = a; /* what is left for -1 may be the batch: see below */
    if (batch) continue;
    if (a == 0 && l->batch)
      return anet__onnx_unsupported("it puts %lld where the batch was", (long long)dim[a]);
    if (dim[a] == -1 && open < 0) {
      open = a;
      continue;
    }
    if (dim[a] < 1 || left % dim[a])
      return anet__onnx_unsupported("dimension %d, %lld, does not divide the %lld elements left", a,
                                    (long long)dim[a], (long long)left);
    left /= dim[a];
  }
  if (open >= 0 && !(open == 0 && l->batch)) dim[open] = left;
  if ((open < 0 || (open == 0 && l->batch)) && left != 1)
    return anet__onnx_unsupported("its shape leaves %lld elements of an image over",
                                  (long long)left);
  return ANET_OK;
}

int anet__onnx_op_reshape(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_value x;
  int64_t dim[ANET_ONNX_RANK];
  int32_t rank;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_ints(im, node, "shape", 1, dim, ANET_ONNX_RANK, &rank));
  if (rank < 0) return anet_fail(ANET_FORMAT, "it has no shape");
  if (rank == 0 && x.layout.batch) return anet__onnx_unsupported("it drops the batch");
  ANET_TRY(wanted_shape(im, node, &x.layout, dim, rank));
  return regroup(im, node, &x, rank, dim);
}

/* mark[a]: is axis a among them? Axes count over `rank`. */
static int mark_axes(const anet__onnx_node *node, const int64_t *axis, int32_t count, int32_t rank,
                     bool *mark)
{
  memset(mark, 0, ANET_ONNX_RANK * sizeof *mark);
  for (int32_t i = 0; i < count; i++) {
    int32_t a;
    ANET_TRY(anet__onnx_axis(node, axis[i], rank, &a));
    if (mark[a]) return anet_fail(ANET_FORMAT, "axis %d is named twice", a);
    mark[a] = true;
  }
  return ANET_OK;
}

int anet__onnx_op_squeeze(anet__onnx_import *im, const anet__onnx_node *node)
{
  int64_t axis[ANET_ONNX_RANK], dim[ANET_ONNX_RANK], now[ANET_ONNX_RANK];
  bool mark[ANET_ONNX_RANK];
  anet__onnx_value x;
  int32_t count, rank = 0;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_ints(im, node, "axes", 1, axis, ANET_ONNX_RANK, &count));
  ANET_TRY(mark_axes(node, axis, count, x.layout.axes, mark));
  anet__layout_dims(&x.layout, now);
  for (int32_t a = 0; a < x.layout.axes; a++) {
    if (count < 0) mark[a] = now[a] == 1;
    if (mark[a] && now[a] != 1)
      return anet__onnx_unsupported("axis %d has size %lld, not 1", a, (long long)now[a]);
    if (!mark[a]) dim[rank++] = now[a];
  }
  return regroup(im, node, &x, rank, dim);
}

int anet__onnx_op_unsqueeze(anet__onnx_import *im, const anet__onnx_node *node)
{
  int64_t axis[ANET_ONNX_RANK], dim[ANET_ONNX_RANK], now[ANET_ONNX_RANK];
  bool mark[ANET_ONNX_RANK];
  anet__onnx_value x;
  int32_t count;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_ints(im, node, "axes", 1, axis, ANET_ONNX_RANK, &count));
  const int32_t rank = x.layout.axes + ANET_MAX(count, 0);
  if (rank > ANET_ONNX_RANK) return anet__onnx_unsupported("it makes %d axes", rank);
  ANET_TRY(mark_axes(node, axis, count, rank, mark));
  if (mark[0] && x.layout.batch) return anet__onnx_unsupported("it moves the batch to axis 1");
  anet__layout_dims(&x.layout, now);
  for (int32_t a = 0, from = 0; a < rank; a++) dim[a] = mark[a] ? 1 : now[from++];
  return regroup(im, node, &x, rank, dim);
}

int anet__onnx_op_transpose(anet__onnx_import *im, const anet__onnx_node *node)
{
  int64_t perm[ANET_ONNX_RANK];
  int32_t axis[ANET_ONNX_RANK], seen = 0;
  anet__onnx_value x;
  anet__layout layout;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  const int32_t rank = x.layout.axes, given = anet__onnx_ints(node, "perm", perm, ANET_ONNX_RANK);
  const bool fits = given == 0 || given == rank;
  for (int32_t a = 0; a < rank && fits; a++) {
    if (given && (perm[a] < 0 || perm[a] >= rank)) break;
    axis[a] = given ? (int32_t)perm[a] : rank - 1 - a;
    seen |= 1 << axis[a];
  }
  if (!fits || seen != (1 << rank) - 1)
    return anet_fail(ANET_FORMAT, "perm is no order of its input's %d axes", rank);
  if (x.layout.batch && axis[0] != 0)
    return anet__onnx_unsupported("it moves axis 0, the batch, to another place");
  anet__layout_transpose(&x.layout, axis, &layout);
  return anet__onnx_bind_node(im, node, 0, x.node, &layout);
}

/* ---- along one axis ------------------------------------------------------------------------- */

int anet__onnx_resized(const anet__onnx_value *v, int32_t axis, int64_t size, anet__layout *out)
{
  int64_t dim[ANET_ONNX_RANK];
  anet__layout_dims(&v->layout, dim);
  dim[axis] = size;
  return v->layout.axes == 4 && v->layout.batch
             ? anet__layout_image(true, 4, dim, out)
             : anet__layout_natural(v->layout.batch, v->layout.axes, dim, out);
}

int anet__onnx_op_concat(anet__onnx_import *im, const anet__onnx_node *node)
{
  int32_t in[ANET_MAX_INPUTS], held = 0, axis = 0, at = 0;
  anet__onnx_value first = {0}, x;
  int64_t size = 0;
  for (int32_t i = 0; i < node->inputs; i++) {
    ANET_TRY(anet__onnx_get_value(im, node, i, &x));
    if (i > 0 && !x.layout.batch && first.layout.batch)
      return anet__onnx_unsupported("input %d has no batch, others have", i);
    ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", 1), x.layout.axes, &axis));
    ANET_TRY(anet__onnx_store_axis(im, node, &x, axis, &at));
    if (i == 0) first = x;
    size += anet__layout_dim(&x.layout, axis);
    in[held++] = x.node;
    if (held < ANET_MAX_INPUTS && i + 1 < node->inputs) continue;
    const char *suffix = i + 1 < node->inputs ? ".part" : "";
    ANET_TRY(
        anet__onnx_add(im, node, suffix, "concat", &(anet_attr){.axis = at}, in, held, &in[0]));
    held = 1; /* what was joined so far goes on as one */
  }
  if (node->inputs == 0) return anet_fail(ANET_FORMAT, "it has no inputs");
  anet__layout layout;
  ANET_TRY(anet__onnx_resized(&first, axis, size, &layout));
  return anet__onnx_bind_node(im, node, 0, in[0], &layout);
}

int anet__onnx_cut(anet__onnx_import *im, const anet__onnx_node *node, const anet__onnx_value *x,
                   int32_t axis, int32_t at, int64_t begin, int64_t size, const char *suffix,
                   anet__onnx_value *out)
{
  const anet_attr attr = {.axis = at, .begin = (int32_t)begin, .size = (int32_t)size};
  *out = *x;
  ANET_TRY(anet__onnx_resized(x, axis, size, &out->layout));
  return anet__onnx_add(im, node, suffix, "split", &attr, &x->node, 1, &out->node);
}

int anet__onnx_op_split(anet__onnx_import *im, const anet__onnx_node *node)
{
  int64_t part[64], begin = 0;
  int32_t count, axis, at = 0;
  anet__onnx_value x;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", 0), x.layout.axes, &axis));
  ANET_TRY(anet__onnx_store_axis(im, node, &x, axis, &at));
  ANET_TRY(anet__onnx_get_ints(im, node, "split", 1, part, ANET_COUNT(part), &count));
  const int64_t whole = anet__layout_dim(&x.layout, axis);
  if (count >= 0 && count != node->outputs)
    return anet_fail(ANET_FORMAT, "it has %d parts and %d outputs", count, node->outputs);
  for (int32_t i = 0; i < node->outputs; i++) {
    const int64_t each = (whole + node->outputs - 1) / node->outputs;
    const int64_t size = count >= 0 ? part[i] : ANET_MIN(each, whole - begin);
    anet__onnx_node own = *node; /* its part is called as its output is */
    own.output = node->output + i;
    own.outputs = node->outputs - i;
    if (size < 1 || size > whole - begin)
      return anet__onnx_unsupported("part %d has %lld of %lld", i, (long long)size,
                                    (long long)(whole - begin));
    anet__onnx_value v;
    ANET_TRY(anet__onnx_cut(im, &own, &x, axis, at, begin, size, "", &v));
    ANET_TRY(anet__onnx_bind_node(im, node, i, v.node, &v.layout));
    begin += size;
  }
  return ANET_OK;
}

/* Starts, ends, axes, steps: attributes before opset 10, inputs after. */
typedef struct bounds {
  int64_t start[ANET_ONNX_RANK], end[ANET_ONNX_RANK], axis[ANET_ONNX_RANK], step[ANET_ONNX_RANK];
  int32_t count;
} bounds;

static int read_bounds(anet__onnx_import *im, const anet__onnx_node *node, bounds *b)
{
  int32_t ends, axes, steps;
  ANET_TRY(anet__onnx_get_ints(im, node, "starts", 1, b->start, ANET_ONNX_RANK, &b->count));
  ANET_TRY(anet__onnx_get_ints(im, node, "ends", 2, b->end, ANET_ONNX_RANK, &ends));
  ANET_TRY(anet__onnx_get_ints(im, node, "axes", 3, b->axis, ANET_ONNX_RANK, &axes));
  ANET_TRY(anet__onnx_get_ints(im, node, "steps", 4, b->step, ANET_ONNX_RANK, &steps));
  if (b->count < 0 || ends != b->count || (axes >= 0 && axes != b->count) ||
      (steps >= 0 && steps != b->count))
    return anet_fail(ANET_FORMAT, "it has %d starts, %d ends, %d axes, %d steps", b->count, ends,
                     axes, steps);
  for (int32_t i = 0; i < b->count; i++) {
    if (axes < 0) b->axis[i] = i;
    if (steps < 0) b->step[i] = 1;
  }
  return ANET_OK;
}

/* Every `step`-th place from `start` on, by their numbers. */
static int take_steps(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                      int32_t axis, int32_t at, int64_t start, int64_t count, int64_t step)
{
  int64_t *place = anet__onnx_take(&im->model.pool, (size_t)count, sizeof *place);
  if (!place) return im->model.pool.rc;
  for (int64_t i = 0; i < count; i++) place[i] = start + i * step;
  return anet__onnx_take_places(im, node, ".steps", x, axis, at, place, (int32_t)count);
}

/* Every `step`-th place of [start, end) of an axis. The places are cut out as `count` rows of
 * `step`, of which one column stays; where the last row would run over, the rows begin earlier. */
static int cut_steps(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                     int32_t axis, int32_t at, int64_t start, int64_t end, int64_t step)
{
  const int64_t size = anet__layout_dim(&x->layout, axis), count = (end - start + step - 1) / step;
  const int64_t over = ANET_MAX(start + count * step - size, 0);
  if (over > start) return take_steps(im, node, x, axis, at, start, count, step);
  if (count * step < size)
    ANET_TRY(anet__onnx_cut(im, node, x, axis, at, start - over, count * step, ".rows", x));
  anet_shape shape = anet__net_at(im->net, x->node)->shape;
  int32_t inner = 1, outer = 1;
  for (int32_t d = 0; d < shape.rank; d++) {
    if (d < shape.rank - 1 - at) outer *= shape.dim[d];
    if (d > shape.rank - 1 - at) inner *= shape.dim[d];
  }
  const anet_shape rows = {3, {outer, (int32_t)count, (int32_t)step * inner}};
  const anet_attr column = {.begin = (int32_t)over * inner, .size = inner};
  ANET_TRY(anet__onnx_reshape(im, node, x, &rows));
  ANET_TRY(anet__onnx_add(im, node, ".steps", "split", &column, &x->node, 1, &x->node));
  ANET_TRY(anet__onnx_resized(x, axis, count, &x->layout));
  shape.dim[shape.rank - 1 - at] = (int32_t)count;
  return anet__onnx_reshape(im, node, x, &shape);
}

/* One axis of a Slice. Bounds beyond an end are that end; going back, the end before the first
 * place is -1. */
static int slice_axis(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                      const bounds *b, int32_t i)
{
  int32_t axis, at = 0;
  ANET_TRY(anet__onnx_axis(node, b->axis[i], x->layout.axes, &axis));
  if (axis == 0 && x->layout.batch && b->start[i] == 0 && b->end[i] >= INT32_MAX && b->step[i] == 1)
    return ANET_OK;
  ANET_TRY(anet__onnx_store_axis(im, node, x, axis, &at));
  const int64_t size = anet__layout_dim(&x->layout, axis);
  const int64_t step = ANET_MIN(ANET_MAX(b->step[i], -size), size);
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  int64_t start = b->start[i] < 0 ? b->start[i] + size : b->start[i];
  int64_t end = b->end[i] < 0 ? b->end[i] + size : b->end[i];
  start = ANET_MIN(ANET_MAX(start, low), high);
  end = ANET_MIN(ANET_MAX(end, low), high);
  if (step == 0) return anet_fail(ANET_FORMAT, "its step is 0");
  if (step > 0 ? end <= start : end >= start)
    return anet__onnx_unsupported("nothing is left of axis %d", axis);
  if (step < 0)
    return take_steps(im, node, x, axis, at, start, (start - end - step - 1) / -step, step);
  if (step > 1) return cut_steps(im, node, x, axis, at, start, end, step);
  if (end - start == size) return ANET_OK;
  return anet__onnx_cut(im, node, x, axis, at, start, end - start, i + 1 < b->count ? ".part" : "",
                        x);
}

int anet__onnx_op_slice(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_value x;
  bounds b = {0};
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(read_bounds(im, node, &b));
  for (int32_t i = 0; i < b.count; i++) ANET_TRY(slice_axis(im, node, &x, &b, i));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}

/* ---- Pad ------------------------------------------------------------------------------------ */

enum { PAD_WRAP = ANET_PAD_EDGE + 1 }; /* ONNX's alone */

static int pad_mode(const anet__onnx_node *node, int32_t *mode)
{
  static const char *const name[] = {"constant", "reflect", "edge", "wrap"};
  const char *word = anet__onnx_word(node, "mode", "constant");
  for (*mode = 0; *mode < ANET_COUNT(name); ++*mode)
    if (strcmp(word, name[*mode]) == 0) return ANET_OK;
  return anet__onnx_unsupported("mode '%s' is none of constant, reflect, edge, wrap", word);
}

static bool is_short(int64_t pad)
{
  return pad >= -INT16_MAX && pad <= INT16_MAX;
}

/* before[a], after[a] of each axis; negative ones cut. */
static int read_pads(anet__onnx_import *im, const anet__onnx_node *node, int32_t axes,
                     int64_t *before, int64_t *after, float *value)
{
  const char *name = anet__onnx_attr_find(node, "paddings") ? "paddings" : "pads";
  int64_t pad[2 * ANET_ONNX_RANK], axis[ANET_ONNX_RANK];
  const anet__onnx_array *constant;
  int32_t count, chosen;
  ANET_TRY(anet__onnx_get_ints(im, node, name, 1, pad, ANET_COUNT(pad), &count));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &constant));
  ANET_TRY(anet__onnx_get_ints(im, node, "axes", 3, axis, ANET_ONNX_RANK, &chosen));
  *value = constant && constant->count == 1 ? (float)anet__onnx_at(constant, 0)
                                            : anet__onnx_real(node, "value", 0);
  if (count != 2 * (chosen < 0 ? axes : chosen))
    return anet_fail(ANET_FORMAT, "it has %d pads for %d axes", count, chosen < 0 ? axes : chosen);
  for (int32_t i = 0; i < count / 2; i++) {
    int32_t a = i;
    if (chosen >= 0) ANET_TRY(anet__onnx_axis(node, axis[i], axes, &a));
    before[a] = pad[i];
    after[a] = pad[i + count / 2];
    if (!is_short(before[a]) || !is_short(after[a]))
      return anet__onnx_unsupported("it pads axis %d by %lld and %lld, the most is %d", a,
                                    (long long)before[a], (long long)after[a], INT16_MAX);
  }
  return ANET_OK;
}

/* Cut where a pad is negative. */
static int crop(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                int64_t *before, int64_t *after)
{
  for (int32_t a = 0; a < x->layout.axes; a++) {
    const int64_t front = ANET_MAX(-before[a], 0), back = ANET_MAX(-after[a], 0);
    int32_t at = 0;
    if (front + back == 0) continue;
    ANET_TRY(anet__onnx_store_axis(im, node, x, a, &at));
    const int64_t size = anet__layout_dim(&x->layout, a) - front - back;
    if (size < 1) return anet__onnx_unsupported("nothing is left of axis %d", a);
    ANET_TRY(anet__onnx_cut(im, node, x, a, at, front, size, ".crop", x));
    before[a] = ANET_MAX(before[a], 0);
    after[a] = ANET_MAX(after[a], 0);
  }
  return ANET_OK;
}

/* The last three dimensions of a value are an image to the engine's pad. */
static int pad_stored(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                      const int64_t *before, const int64_t *after, anet_attr attr)
{
  const bool image = x->layout.axes == 4 && x->layout.batch;
  const int32_t first = x->layout.batch ? 1 : 0, axes = x->layout.axes - first;
  static const int32_t image_axis[3] = {2, 3, 1};
  anet_shape shape = {3, {1, 1, 1}};
  int64_t dim[ANET_ONNX_RANK];
  if (axes > 3) return anet__onnx_unsupported("its input has %d axes beside the batch", axes);
  anet__layout_dims(&x->layout, dim);
  for (int32_t i = 0; i < axes; i++) {
    const int32_t a = image ? image_axis[i] : first + i, to = 3 - axes + i;
    int32_t *front = to == 2 ? &attr.dim[0] : &attr.pad[to];
    int32_t *back = to == 2 ? &attr.dim[1] : &attr.pad[to + 2];
    shape.dim[to] = (int32_t)dim[a];
    *front = (int32_t)before[a];
    *back = (int32_t)after[a];
    dim[a] += before[a] + after[a];
  }
  ANET_TRY(anet__onnx_reshape(im, node, x, &shape));
  ANET_TRY(anet__onnx_add(im, node, "", "pad", &attr, &x->node, 1, &x->node));
  return image ? anet__layout_image(true, 4, dim, &x->layout)
               : anet__layout_natural(x->layout.batch, x->layout.axes, dim, &x->layout);
}

/* Which of `size` places stands at `at`, beyond them too. */
static int64_t place_beyond(int64_t at, int64_t size, int32_t mode)
{
  const int64_t turn = mode == PAD_WRAP ? size : ANET_MAX(2 * (size - 1), 1);
  if (mode == ANET_PAD_EDGE) return ANET_MIN(ANET_MAX(at, 0), size - 1);
  const int64_t from = (at % turn + turn) % turn;
  return from < size ? from : turn - from;
}

/* Places of an axis repeated, where the engine's pad has no such mode or axis. */
static int pad_by_places(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                         const int64_t *before, const int64_t *after, int32_t mode)
{
  for (int32_t a = 0; a < x->layout.axes; a++) {
    int32_t at = 0;
    if (before[a] == 0 && after[a] == 0) continue;
    ANET_TRY(anet__onnx_store_axis(im, node, x, a, &at));
    const int64_t size = anet__layout_dim(&x->layout, a), count = before[a] + size + after[a];
    int64_t *place = anet__onnx_take(&im->model.pool, (size_t)count, sizeof *place);
    if (!place) return im->model.pool.rc;
    for (int64_t i = 0; i < count; i++) place[i] = place_beyond(i - before[a], size, mode);
    ANET_TRY(anet__onnx_take_places(im, node, ".pad", x, a, at, place, (int32_t)count));
  }
  return ANET_OK;
}

/* Rows and columns of images only? */
static bool pads_images(const anet__layout *l, const int64_t *before, const int64_t *after)
{
  bool image = l->axes == 4 && l->batch;
  for (int32_t a = 0; a < 2 && image; a++) image = before[a] == 0 && after[a] == 0;
  for (int32_t a = 2; a < 4 && image; a++)
    image = before[a] < anet__layout_dim(l, a) && after[a] < anet__layout_dim(l, a);
  return image;
}

int anet__onnx_op_pad(anet__onnx_import *im, const anet__onnx_node *node)
{
  int64_t before[ANET_ONNX_RANK] = {0}, after[ANET_ONNX_RANK] = {0};
  anet__onnx_value x;
  anet_attr attr = {0};
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(pad_mode(node, &attr.mode));
  ANET_TRY(read_pads(im, node, x.layout.axes, before, after, &attr.alpha));
  if (x.layout.batch && (before[0] || after[0]))
    return anet__onnx_unsupported("it pads axis 0, the batch");
  ANET_TRY(crop(im, node, &x, before, after));
  int32_t at = 0;
  if (attr.mode == PAD_WRAP ||
      (attr.mode != ANET_PAD_CONSTANT && !pads_images(&x.layout, before, after))) {
    ANET_TRY(pad_by_places(im, node, &x, before, after, attr.mode));
    return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
  }
  ANET_TRY(anet__onnx_store_axis(im, node, &x, x.layout.axes - 1, &at));
  ANET_TRY(pad_stored(im, node, &x, before, after, attr));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}
