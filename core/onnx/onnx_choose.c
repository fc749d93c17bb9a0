/* Elements by their places: Gather, GatherElements, TopK, ArgMax, ArgMin. Places are whole numbers,
 * which floats hold up to 2^24. */
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_import.h"

/* ---- constant places ------------------------------------------------------------------------ */

int anet__onnx_take_places(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                           anet__onnx_value *x, int32_t axis, int32_t at, const int64_t *place,
                           int32_t count)
{
  const anet_shape *shape = &anet__net_at(im->net, x->node)->shape;
  const anet_attr along = {.axis = at};
  int32_t in[2] = {x->node};
  anet_attr line = {0};
  if (shape->rank > ANET_COUNT(line.dim))
    return anet__onnx_unsupported("its input has %d axes beside the batch", shape->rank);
  for (int32_t d = 0; d < shape->rank; d++) line.dim[d] = d == shape->rank - 1 - at ? count : 1;
  ANET_TRY(anet__onnx_add(im, node, ".places", "constant", &line, NULL, 0, &in[1]));
  float *to = anet__onnx_param(im, in[1], 0);
  for (int32_t i = 0; i < count; i++) to[i] = (float)place[i];
  ANET_TRY(anet__onnx_add(im, node, suffix, "gather", &along, in, 2, &x->node));
  return anet__onnx_resized(x, axis, count, &x->layout);
}

/* ---- Gather --------------------------------------------------------------------------------- */

enum { MOST_RUNS = 8 };

/* Places along an axis of `size`, none negative. */
static int read_places(anet__onnx_import *im, const anet__onnx_array *index, int64_t size,
                       int64_t **out)
{
  size_t at;
  int64_t *place = anet__onnx_take(&im->model.pool, index->count, sizeof *place);
  if (!place) return im->model.pool.rc;
  for (size_t i = 0; i < index->count; i++) {
    ANET_TRY(anet__onnx_place(index, i, size, &at));
    place[i] = (int64_t)at;
  }
  *out = place;
  return ANET_OK;
}

static int32_t run_end(const int64_t *place, int32_t count, int32_t begin)
{
  int32_t end = begin + 1;
  while (end < count && place[end] == place[begin] + end - begin) end++;
  return end;
}

/* A few runs of places that follow each other are parts, joined again: channels stay channels to
 * those who read the net. */
static int join_runs(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                     int32_t axis, int32_t at, const int64_t *place, int32_t count)
{
  int32_t in[ANET_MAX_INPUTS], held = 0;
  for (int32_t i = 0; i < count; i = run_end(place, count, i)) {
    anet__onnx_value part;
    ANET_TRY(anet__onnx_cut(im, node, x, axis, at, place[i], run_end(place, count, i) - i, ".part",
                            &part));
    in[held++] = part.node;
  }
  ANET_TRY(anet__onnx_add(im, node, "", "concat", &(anet_attr){.axis = at}, in, held, &x->node));
  return anet__onnx_resized(x, axis, count, &x->layout);
}

static int gather_constant(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                           const anet__onnx_array *index, int32_t axis)
{
  const int32_t count = (int32_t)index->count;
  int64_t *place = NULL;
  int32_t at = 0, runs = 0;
  if (index->count == 0 || index->count > INT16_MAX)
    return anet__onnx_unsupported("it gathers %zu places", index->count);
  ANET_TRY(anet__onnx_store_axis(im, node, x, axis, &at));
  ANET_TRY(read_places(im, index, anet__layout_dim(&x->layout, axis), &place));
  for (int32_t i = 0; i < count; i = run_end(place, count, i)) runs++;
  if (runs > MOST_RUNS) return anet__onnx_take_places(im, node, "", x, axis, at, place, count);
  if (runs > 1) return join_runs(im, node, x, axis, at, place, count);
  return anet__onnx_cut(im, node, x, axis, at, place[0], count, "", x);
}

/* Computed places, of data without a batch: as (outer, size, inner), from which all of `outer` take
 * the same. Where places have a batch, it is the batch of the result, so nothing may stand before
 * it. */
static int gather_computed(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                           anet__onnx_value *index, int32_t axis)
{
  const int32_t size = (int32_t)anet__layout_dim(&x->layout, axis);
  const int32_t count = (int32_t)anet__layout_count(&index->layout);
  int32_t outer = 1, in[2];
  if (x->layout.batch || (index->layout.batch && axis > 0))
    return anet__onnx_unsupported("places that are computed point into a batch");
  for (int32_t a = 0; a < axis; a++) outer *= (int32_t)anet__layout_dim(&x->layout, a);
  const int32_t inner = (int32_t)(anet__layout_count(&x->layout) / size / outer);
  const bool table = outer == 1;
  const anet_shape lines =
      table ? (anet_shape){2, {size, inner}} : (anet_shape){3, {outer, size, inner}};
  const anet_shape places = table ? (anet_shape){2, {count, 1}} : (anet_shape){3, {1, count, 1}};
  ANET_TRY(anet__onnx_store_natural(im, node, x));
  ANET_TRY(anet__onnx_store_natural(im, node, index));
  ANET_TRY(anet__onnx_reshape(im, node, x, &lines));
  ANET_TRY(anet__onnx_reshape(im, node, index, &places));
  in[0] = x->node;
  in[1] = index->node;
  return anet__onnx_add(im, node, "", "gather", &(anet_attr){.axis = 1}, in, 2, &x->node);
}

/* Axes of the places stand where the gathered axis stood. */
static int gathered_dims(const int64_t *data, int32_t axes, const int64_t *places, int32_t more,
                         int32_t axis, int64_t *dim, int32_t *rank)
{
  *rank = 0;
  for (int32_t a = 0; a < axes; a++) {
    if (a != axis) dim[(*rank)++] = data[a];
    for (int32_t i = 0; a == axis && i < more; i++) dim[(*rank)++] = places[i];
  }
  return *rank <= ANET_ONNX_RANK ? ANET_OK : anet__onnx_unsupported("it makes %d axes", *rank);
}

int anet__onnx_op_gather(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_value *found;
  anet__onnx_value x, index;
  int64_t dim[2 * ANET_ONNX_RANK], now[ANET_ONNX_RANK], places[ANET_ONNX_RANK];
  anet__layout layout;
  int32_t axis, rank;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get(im, node, 1, &found));
  index = *found;
  ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", 0), x.layout.axes, &axis));
  anet__layout_dims(&x.layout, now);
  if (index.array) {
    const anet__onnx_array *array = index.array;
    ANET_TRY(gather_constant(im, node, &x, array, axis));
    ANET_TRY(gathered_dims(now, x.layout.axes, array->dim, array->rank, axis, dim, &rank));
    if (!anet__layout_reshape(&x.layout, rank, dim, &layout))
      return anet__onnx_unsupported("it makes %d axes that are mixed in memory", rank);
    return anet__onnx_bind_node(im, node, 0, x.node, &layout);
  }
  anet__layout_dims(&index.layout, places);
  ANET_TRY(gathered_dims(now, x.layout.axes, places, index.layout.axes, axis, dim, &rank));
  ANET_TRY(gather_computed(im, node, &x, &index, axis));
  ANET_TRY(anet__layout_natural(index.layout.batch, rank, dim, &layout));
  return anet__onnx_bind_node(im, node, 0, x.node, &layout);
}

/* A place for every element of the result. */
int anet__onnx_op_gather_elements(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_value v[2];
  int32_t axis, at = 0, in[2], value;
  for (int32_t i = 0; i < 2; i++) ANET_TRY(anet__onnx_get_value(im, node, i, &v[i]));
  ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", 0), v[0].layout.axes, &axis));
  if (v[0].layout.axes != v[1].layout.axes || v[0].layout.batch != v[1].layout.batch)
    return anet__onnx_unsupported("its inputs have %d and %d axes, and %s batch", v[0].layout.axes,
                                  v[1].layout.axes,
                                  v[0].layout.batch == v[1].layout.batch ? "a" : "not both a");
  for (int32_t a = v[0].layout.batch ? 1 : 0; a < v[0].layout.axes; a++)
    if (a != axis && anet__layout_dim(&v[0].layout, a) != anet__layout_dim(&v[1].layout, a))
      return anet__onnx_unsupported("places along axis %d leave out some of axis %d", axis, a);
  for (int32_t i = 0; i < 2; i++) {
    ANET_TRY(anet__onnx_store_axis(im, node, &v[i], axis, &at));
    in[i] = v[i].node;
  }
  ANET_TRY(anet__onnx_add(im, node, "", "gather", &(anet_attr){.axis = at}, in, 2, &value));
  return anet__onnx_bind_node(im, node, 0, value, &v[1].layout);
}

/* ---- the largest ---------------------------------------------------------------------------- */

int anet__onnx_op_top_k(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet_attr attr = {.begin =
                        anet__onnx_int(node, "largest", 1) ? ANET_TOP_LARGEST : ANET_TOP_SMALLEST};
  int64_t count[1] = {anet__onnx_int(node, "k", 0)};
  anet__onnx_value x;
  int32_t axis, given;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  if (im->model.opset >= 10) {
    ANET_TRY(anet__onnx_get_ints(im, node, "", 1, count, 1, &given));
    if (given != 1) return anet_fail(ANET_FORMAT, "its second input is not one number");
  }
  ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", -1), x.layout.axes, &axis));
  ANET_TRY(anet__onnx_store_axis(im, node, &x, axis, &attr.axis));
  const int64_t size = anet__layout_dim(&x.layout, axis);
  if (count[0] < 1 || count[0] > size)
    return anet__onnx_unsupported("it takes %lld of %lld", (long long)count[0], (long long)size);
  attr.size = (int32_t)count[0];
  anet__layout layout;
  ANET_TRY(anet__onnx_resized(&x, axis, count[0], &layout));
  for (int32_t i = 0; i < ANET_MIN(node->outputs, 2); i++) {
    static const char *const suffix[] = {"", ".places"};
    int32_t value;
    if (!node->output[i][0]) continue;
    attr.mode = i == 0 ? ANET_TOP_VALUES : ANET_TOP_PLACES;
    ANET_TRY(anet__onnx_add(im, node, suffix[i], "top_k", &attr, &x.node, 1, &value));
    ANET_TRY(anet__onnx_bind_node(im, node, i, value, &layout));
  }
  return ANET_OK;
}

/* The last of equals is the first when the axis is read from its end. */
static int turn_round(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                      int32_t axis, int32_t at)
{
  const int32_t size = (int32_t)anet__layout_dim(&x->layout, axis);
  int64_t *place = anet__onnx_take(&im->model.pool, (size_t)size, sizeof *place);
  if (!place) return im->model.pool.rc;
  for (int32_t i = 0; i < size; i++) place[i] = size - 1 - i;
  return anet__onnx_take_places(im, node, ".turned", x, axis, at, place, size);
}

static int arg(anet__onnx_import *im, const anet__onnx_node *node, int32_t which)
{
  const bool last = anet__onnx_int(node, "select_last_index", 0) != 0;
  anet_attr attr = {.size = 1, .begin = which, .mode = ANET_TOP_PLACES};
  int64_t dim[ANET_ONNX_RANK];
  anet__onnx_value x;
  anet__layout layout;
  int32_t axis, rank = 0;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", 0), x.layout.axes, &axis));
  ANET_TRY(anet__onnx_store_axis(im, node, &x, axis, &attr.axis));
  const int32_t size = (int32_t)anet__layout_dim(&x.layout, axis);
  if (last) ANET_TRY(turn_round(im, node, &x, axis, attr.axis));
  ANET_TRY(anet__onnx_add(im, node, last ? ".found" : "", "top_k", &attr, &x.node, 1, &x.node));
  const anet_attr back = {.alpha = -1, .beta = (float)(size - 1)};
  if (last) ANET_TRY(anet__onnx_add(im, node, "", "affine", &back, &x.node, 1, &x.node));
  ANET_TRY(anet__onnx_resized(&x, axis, 1, &x.layout));
  for (int32_t a = 0; a < x.layout.axes; a++)
    if (a != axis || anet__onnx_int(node, "keepdims", 1))
      dim[rank++] = anet__layout_dim(&x.layout, a);
  if (!anet__layout_reshape(&x.layout, rank, dim, &layout))
    return anet__onnx_unsupported("its axes are mixed in memory");
  return anet__onnx_bind_node(im, node, 0, x.node, &layout);
}

int anet__onnx_op_arg_max(anet__onnx_import *im, const anet__onnx_node *node)
{
  return arg(im, node, ANET_TOP_LARGEST);
}

int anet__onnx_op_arg_min(anet__onnx_import *im, const anet__onnx_node *node)
{
  return arg(im, node, ANET_TOP_SMALLEST);
}
