/* Exporting what is whole numbers or booleans to ONNX and floats to the engine: casts stand around
 * it. */
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_export.h"
#include "op/gather.h"

typedef anet__onnx_export exporter;

static const anet__node *at(const exporter *ex, int32_t value)
{
  return anet__net_at(ex->net, value);
}

static const char *input(const exporter *ex, int32_t value, int32_t index)
{
  return anet__onnx_name(ex, at(ex, value)->in[index]);
}

int anet__onnx_export_trunc(exporter *ex, int32_t value)
{
  const char *whole = anet__onnx_emit_cast(ex, input(ex, value, 0), ANET_ONNX_INT64, NULL);
  ANET_MADE(whole && anet__onnx_emit_cast(ex, whole, ANET_ONNX_FLOAT, at(ex, value)->name));
  return ANET_OK;
}

int anet__onnx_export_compare(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const char *in[2] = {input(ex, value, 0), input(ex, value, 1)};
  const char *op = node->op == ANET_OP_EQUAL  ? "Equal"
                   : node->op == ANET_OP_LESS ? "Less"
                                              : "LessOrEqual";
  const char *truth = anet__onnx_emit(ex, op, NULL, in, 2);
  ANET_MADE(truth && anet__onnx_emit_cast(ex, truth, ANET_ONNX_FLOAT, node->name));
  return ANET_OK;
}

int anet__onnx_export_where(exporter *ex, int32_t value)
{
  const char *in[3] = {anet__onnx_emit_cast(ex, input(ex, value, 0), ANET_ONNX_BOOL, NULL),
                       input(ex, value, 1), input(ex, value, 2)};
  ANET_MADE(in[0] && anet__onnx_emit(ex, "Where", at(ex, value)->name, in, 3));
  return ANET_OK;
}

int anet__onnx_export_top_k(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const int64_t count[1] = {node->attr.size};
  const bool places = node->attr.mode == ANET_TOP_PLACES;
  const char *in[2] = {input(ex, value, 0), anet__onnx_emit_row(ex, value, "k", count, 1)};
  ANET_MADE(anet__onnx_emit(ex, "TopK", places ? NULL : node->name, in, 2));
  ANET_TRY(anet__onnx_emit_int(ex, "axis", anet__onnx_axis_at(ex, value)));
  ANET_TRY(anet__onnx_emit_int(ex, "largest", node->attr.begin == ANET_TOP_LARGEST));
  const char *place = anet__onnx_emit_second(ex);
  ANET_MADE(place);
  if (places) ANET_MADE(anet__onnx_emit_cast(ex, place, ANET_ONNX_FLOAT, node->name));
  return ANET_OK;
}

/* ---- gather --------------------------------------------------------------------------------- */

/* Are the places the same along all axes but the gathered one? */
static bool is_line(const anet__node *node, const anet_shape *places)
{
  return anet__shape_size(places) == (size_t)places->dim[places->rank - 1 - node->attr.axis];
}

/* Constant places along one axis: ONNX's Gather. */
static int gather_line(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value), *places = at(ex, node->in[1]);
  const anet_shape *of = &at(ex, node->in[0])->shape;
  const int32_t axis = places->shape.rank - 1 - node->attr.axis;
  const int64_t count[1] = {places->shape.dim[axis]};
  int32_t index[ANET_MAX_RANK] = {0};
  anet__onnx_array *a;
  const char *in[2] = {input(ex, value, 0),
                       anet__onnx_emit_array(ex, value, "places", false, 1, count, &a)};
  ANET_MADE(in[1]);
  for (index[axis] = 0; index[axis] < count[0]; index[axis]++)
    a->i[index[axis]] = (int64_t)anet__gather_place(
        (float)anet_tensor_get(places->param[0], index), (size_t)of->dim[axis]);
  ANET_MADE(anet__onnx_emit(ex, "Gather", node->name, in, 2));
  return anet__onnx_emit_int(ex, "axis", anet__onnx_axis_at(ex, value));
}

/* A constant table of lines, of which an image takes those it names: ONNX's Gather again, whose
 * axis is then the batch's neighbour. */
static int gather_table(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const anet_shape *table = &at(ex, node->in[0])->shape;
  const int64_t row[2] = {0, node->shape.dim[0]}, whole[2] = {table->dim[0], table->dim[1]};
  if (table->rank != 2 || node->attr.axis != 1 || !is_line(node, &at(ex, node->in[1])->shape))
    return anet_fail(ANET_UNSUPPORTED, "it gathers from a constant that is no table of lines");
  const char *in[2] = {input(ex, value, 0), anet__onnx_emit_row(ex, value, "table", whole, 2)};
  ANET_MADE(in[0] = in[1] ? anet__onnx_emit(ex, "Reshape", NULL, in, 2) : NULL);
  const char *places[2] = {input(ex, value, 1), anet__onnx_emit_row(ex, value, "row", row, 2)};
  ANET_MADE(places[0] = places[1] ? anet__onnx_emit(ex, "Reshape", NULL, places, 2) : NULL);
  ANET_MADE(in[1] = anet__onnx_emit_cast(ex, places[0], ANET_ONNX_INT64, NULL));
  ANET_MADE(anet__onnx_emit(ex, "Gather", node->name, in, 2));
  return anet__onnx_emit_int(ex, "axis", 0);
}

/* Places of their own for every image: GatherElements, which repeats nothing. */
int anet__onnx_export_gather(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const anet_shape *places = &at(ex, node->in[1])->shape;
  if (at(ex, node->in[1])->op == ANET_OP_CONSTANT && is_line(node, places))
    return gather_line(ex, value);
  if (ex->alone[node->in[0]] && !ex->alone[node->in[1]]) return gather_table(ex, value);
  if (ex->alone[node->in[1]] && !ex->alone[node->in[0]])
    return anet_fail(ANET_UNSUPPORTED, "its places are the same for every image, and no line");
  const int32_t rank = node->shape.rank;
  int64_t dim[ANET_MAX_RANK + 1] = {1};
  for (int32_t i = 0; i < rank; i++) dim[anet__onnx_axis_of(rank, i)] = node->shape.dim[i];
  const char *in[2] = {input(ex, value, 1)};
  if (!anet__shape_equal(places, &node->shape)) {
    ANET_MADE(in[1] = anet__onnx_emit_row(ex, value, "shape", dim, rank + 1));
    ANET_MADE(in[0] = anet__onnx_emit(ex, "Expand", NULL, in, 2));
  }
  ANET_MADE(in[1] = anet__onnx_emit_cast(ex, in[0], ANET_ONNX_INT64, NULL));
  in[0] = input(ex, value, 0);
  ANET_MADE(anet__onnx_emit(ex, "GatherElements", node->name, in, 2));
  return anet__onnx_emit_int(ex, "axis", anet__onnx_axis_at(ex, value));
}
