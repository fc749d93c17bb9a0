/* Functions of two values with broadcasting: the two are stored alike, then added, multiplied, … A
 * constant that is one number, or one a channel, becomes an attribute or a parameter. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_import.h"

/* ---- alike ---------------------------------------------------------------------------------- */

/* The same value with axes of 1 put before its own (the batch stays in front). */
static void widen(anet__layout *l, int32_t axes)
{
  const int32_t more = axes - l->axes;
  if (more == 0) return;
  for (int32_t a = l->axes; a >= 0; a--) l->first[a + more] = l->first[a];
  for (int32_t a = 0; a < more; a++) l->first[a] = 0;
  l->axes = axes;
}

static int check_batches(anet__onnx_value *v)
{
  for (int32_t i = 0; i < 2; i++) {
    const anet__layout *l = &v[i].layout, *other = &v[1 - i].layout;
    if (!other->batch || l->batch) continue;
    if (l->axes > 0 && l->axes == other->axes && anet__layout_dim(l, 0) != 1)
      return anet__onnx_unsupported("'%s' has %lld where '%s' has its batch", v[i].name,
                                    (long long)anet__layout_dim(l, 0), v[1 - i].name);
  }
  for (int32_t i = 0; i < 2; i++)
    if (v[i].layout.batch && v[i].layout.axes < v[1 - i].layout.axes)
      return anet__onnx_unsupported("'%s' has %d axes, '%s' %d: its batch is no batch there",
                                    v[i].name, v[i].layout.axes, v[1 - i].name,
                                    v[1 - i].layout.axes);
  return ANET_OK;
}

/* Cut the atoms of each axis that both have until they are the same; false where that cannot be. */
static bool refine(anet__layout *a, anet__layout *b)
{
  for (int32_t axis = 0; axis < a->axes; axis++) {
    int32_t i = a->first[axis], k = b->first[axis];
    if (i == a->first[axis + 1] || k == b->first[axis + 1]) continue;
    for (; i < a->first[axis + 1] && k < b->first[axis + 1]; i++, k++) {
      if (a->size[i] == b->size[k]) continue;
      const bool left = a->size[i] > b->size[k];
      anet__layout *larger = left ? a : b;
      const int32_t atom = left ? i : k, size = left ? b->size[k] : a->size[i];
      if (larger->size[atom] % size || larger->atoms == ANET_ATOMS) return false;
      anet__layout_split(larger, atom, size);
    }
    if (i != a->first[axis + 1] || k != b->first[axis + 1]) return false;
  }
  return true;
}

static bool covers(const anet__layout *big, const anet__layout *small)
{
  for (int32_t a = 0; a < big->axes; a++)
    if (big->first[a] == big->first[a + 1] && small->first[a] < small->first[a + 1]) return false;
  return true;
}

static int check_dims(const anet__onnx_value *v)
{
  char a[ANET_SHAPE_TEXT], b[ANET_SHAPE_TEXT];
  int64_t x[ANET_ONNX_RANK], y[ANET_ONNX_RANK];
  bool fits = true;
  anet__layout_dims(&v[0].layout, x);
  anet__layout_dims(&v[1].layout, y);
  for (int32_t i = 0; i < v[0].layout.axes; i++)
    fits &= x[i] == y[i] || x[i] == 1 || y[i] == 1 || x[i] < 0 || y[i] < 0;
  if (fits) return ANET_OK;
  return anet_fail(ANET_SHAPE, "%s and %s cannot be broadcast",
                   anet__onnx_dims_text(v[0].layout.axes, x, a),
                   anet__onnx_dims_text(v[1].layout.axes, y, b));
}

/* atom[i]: the atom of `big` that atom i of `small` is. */
static void match_atoms(const anet__layout *big, const anet__layout *small, int32_t *atom)
{
  for (int32_t a = 0; a < small->axes; a++)
    for (int32_t i = small->first[a]; i < small->first[a + 1]; i++)
      atom[i] = big->first[a] + i - small->first[a];
}

/* Store `small` in the order of `big`, its atoms those of `big` that it has. has[k]: does it have
 * the atom that big stores at k? */
static int follow(anet__onnx_import *im, const anet__onnx_node *node, const anet__onnx_value *big,
                  anet__onnx_value *small, bool *has)
{
  int32_t atom[ANET_ATOMS], kept = 0;
  anet__onnx_value v = *small;
  anet__layout *l = &v.layout;
  match_atoms(&big->layout, l, atom);
  int32_t order[ANET_ATOMS], axis[ANET_ATOMS], end[1];
  for (int32_t k = 0; k < big->layout.atoms; k++) {
    has[k] = false;
    for (int32_t i = 0; i < l->atoms; i++)
      if (atom[i] == big->layout.order[k]) {
        order[kept++] = i;
        has[k] = true;
      }
  }
  /* as if every atom were an axis */
  if (anet__layout_is_order(l, order)) return ANET_OK;
  if (l->atoms > ANET_ONNX_RANK)
    return anet__onnx_unsupported("'%s' would have to be reordered by %d axes", small->name,
                                  l->atoms);
  l->axes = l->atoms;
  for (int32_t i = 0; i <= l->atoms; i++) l->first[i] = i;
  memcpy(axis, order, (size_t)l->atoms * sizeof *axis);
  l->batch = false;
  end[0] = l->atoms;
  ANET_TRY(anet__onnx_store(im, node, &v, axis, end, 1));
  small->node = v.node;
  memcpy(small->layout.order, order, (size_t)kept * sizeof *order);
  return ANET_OK;
}

static bool is_row(const anet_shape *shape, const anet__onnx_value *small, const bool *has,
                   int32_t atoms)
{
  int32_t k = 0;
  while (k < atoms && !has[k]) k++;
  for (int32_t i = k; i < atoms; i++)
    if (!has[i]) return false;
  return shape->rank == 3 && anet__layout_count(&small->layout) == shape->dim[2];
}

/* Repeat `small` to the size of `big`. */
static int spread(anet__onnx_import *im, const anet__onnx_node *node, const anet__onnx_value *big,
                  anet__onnx_value *small, const bool *has)
{
  anet_shape shape = {0};
  anet_attr attr = {0};
  const anet__layout *l = &big->layout;
  for (int32_t k = 0; k < l->atoms; k++) {
    const int32_t size = l->size[l->order[k]];
    if (k == 0 || has[k] != has[k - 1]) {
      if (shape.rank == ANET_COUNT(attr.dim))
        return anet__onnx_unsupported("'%s' is broadcast in over %d places", small->name,
                                      shape.rank);
      attr.dim[shape.rank] = shape.dim[shape.rank] = 1;
      shape.rank++;
    }
    attr.dim[shape.rank - 1] *= size;
    if (has[k]) shape.dim[shape.rank - 1] *= size;
  }
  if (shape.rank == 0) attr.dim[0] = shape.dim[0] = shape.rank = 1;
  ANET_TRY(anet__onnx_reshape(im, node, small, &shape));
  return anet__onnx_add(im, node, ".expand", "expand", &attr, &small->node, 1, &small->node);
}

/* The layout of both where neither has all axes: each is stored naturally and repeated. */
static int spread_both(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v)
{
  int64_t x[ANET_ONNX_RANK], y[ANET_ONNX_RANK], dim[ANET_ONNX_RANK];
  anet__onnx_value both = {0};
  bool has[ANET_ATOMS];
  anet__layout_dims(&v[0].layout, x);
  anet__layout_dims(&v[1].layout, y);
  for (int32_t i = 0; i < v[0].layout.axes; i++) dim[i] = ANET_MAX(x[i], y[i]);
  ANET_TRY(anet__layout_natural(v[0].layout.batch || v[1].layout.batch, v[0].layout.axes, dim,
                                &both.layout));
  for (int32_t i = 0; i < 2; i++) {
    if (!refine(&both.layout, &v[i].layout))
      return anet__onnx_unsupported("'%s' has axes that were folded together", v[i].name);
  }
  for (int32_t i = 0; i < 2; i++) {
    if (!refine(&both.layout, &v[i].layout)) return anet__onnx_unsupported("its axes are mixed");
    ANET_TRY(follow(im, node, &both, &v[i], has));
    ANET_TRY(spread(im, node, &both, &v[i], has));
    v[i].layout = both.layout;
  }
  const anet_shape shape = anet__net_at(im->net, v[0].node)->shape;
  return anet__onnx_reshape(im, node, &v[1], &shape);
}

/* Which of the two the other is stored like: one that has all axes, and no constant if both do. */
static int32_t larger_of(const anet__onnx_import *im, const anet__onnx_value *v)
{
  const bool first = covers(&v[0].layout, &v[1].layout),
             second = covers(&v[1].layout, &v[0].layout);
  const bool constant = anet__net_at(im->net, v[0].node)->op == ANET_OP_CONSTANT;
  return first && !(second && constant) ? 0 : 1;
}

/* Store v[0] and v[1] alike; with `row`, the smaller may stay one row of channels, and is v[1]
 * then. */
static int align(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v, bool row)
{
  bool has[ANET_ATOMS];
  ANET_TRY(check_batches(v));
  const int32_t axes = ANET_MAX(v[0].layout.axes, v[1].layout.axes);
  for (int32_t i = 0; i < 2; i++) widen(&v[i].layout, axes);
  ANET_TRY(check_dims(v));
  for (int32_t i = 0; i < 2; i++)
    if (!refine(&v[0].layout, &v[1].layout)) ANET_TRY(anet__onnx_store_natural(im, node, &v[i]));
  const bool batch = v[0].layout.batch || v[1].layout.batch;
  const int32_t big = larger_of(im, v);
  if (!covers(&v[big].layout, &v[1 - big].layout)) return spread_both(im, node, v);
  anet__onnx_value *small = &v[1 - big];
  ANET_TRY(follow(im, node, &v[big], small, has));
  const anet_shape shape = anet__net_at(im->net, v[big].node)->shape;
  bool all = true;
  for (int32_t k = 0; k < v[big].layout.atoms; k++) all &= has[k];
  if (!all && row && is_row(&shape, small, has, v[big].layout.atoms)) {
    const anet_shape row_shape = {3, {1, 1, shape.dim[2]}};
    if (!anet__shape_equal(&anet__net_at(im->net, small->node)->shape, &row_shape))
      ANET_TRY(anet__onnx_store_flat(im, node, small));
    if (big == 1) {
      const anet__onnx_value swap = v[0];
      v[0] = v[1];
      v[1] = swap;
    }
  } else {
    if (!all) ANET_TRY(spread(im, node, &v[big], small, has));
    ANET_TRY(anet__onnx_reshape(im, node, small, &shape));
    v[1 - big].layout = v[big].layout;
  }
  v[0].layout.batch = v[1].layout.batch = batch;
  return ANET_OK;
}

int anet__onnx_align(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v)
{
  return align(im, node, v, false);
}

int anet__onnx_two(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                   const char *op, anet__onnx_value *v)
{
  const bool row = strcmp(op, "add") == 0 || strcmp(op, "mul") == 0;
  ANET_TRY(align(im, node, v, row));
  const int32_t in[2] = {v[0].node, v[1].node};
  return anet__onnx_add(im, node, suffix, op, NULL, in, 2, &v[0].node);
}

/* ---- constants ------------------------------------------------------------------------------ */

/* A constant operand: on which side, and its values. */
typedef struct operand {
  const anet__onnx_array *array; /* NULL: both are computed */
  bool first;
} operand;

/* One number: the op is a line, a clip or a power of the other. False: it is none of these. */
static bool as_unary(const char *op, const operand *k, const char **unary, anet_attr *attr)
{
  const float c = (float)anet__onnx_at(k->array, 0);
  *attr = (anet_attr){.alpha = 1};
  *unary = "affine";
  if (!isfinite(c)) return false;
  if (strcmp(op, "add") == 0)
    attr->beta = c;
  else if (strcmp(op, "mul") == 0)
    attr->alpha = c;
  else if (strcmp(op, "sub") == 0) {
    attr->alpha = k->first ? -1.0F : 1.0F;
    attr->beta = k->first ? c : -c;
  } else if (strcmp(op, "div") == 0 && !k->first && isfinite(1 / c))
    attr->alpha = 1 / c;
  else if (strcmp(op, "pow") == 0 && !k->first) {
    *unary = "power";
    attr->alpha = c;
  } else
    return false;
  return true;
}

/* Is there one number for each place along the axis of v that is stored last? */
static bool is_last(const anet__onnx_value *v, const anet__onnx_array *array)
{
  const anet__layout *l = &v->layout;
  int32_t at = -1;
  if (array->rank > l->axes) return false;
  for (int32_t i = 0; i < array->rank; i++)
    if ((size_t)array->dim[i] == array->count) at = i + l->axes - array->rank;
  if (array->count < 2 || at < 0 || anet__layout_dim(l, at) != (int64_t)array->count) return false;
  const int32_t first = l->first[at], atoms = l->first[at + 1] - first;
  for (int32_t i = 0; i < atoms; i++)
    if (l->order[l->atoms - atoms + i] != first + i) return false;
  return true;
}

static int as_scale(anet__onnx_import *im, const anet__onnx_node *node, const char *op,
                    const anet__onnx_array *array, anet__onnx_value *v)
{
  const anet_shape *shape = &anet__net_at(im->net, v->node)->shape;
  const int32_t count = (int32_t)array->count, all = (int32_t)anet__layout_count(&v->layout);
  if (shape->dim[shape->rank - 1] != count)
    ANET_TRY(anet__onnx_reshape(im, node, v, &(anet_shape){2, {all / count, count}}));
  ANET_TRY(anet__onnx_add(im, node, "", "scale", NULL, &v->node, 1, &v->node));
  float *gamma = anet__onnx_param(im, v->node, 0), *beta = anet__onnx_param(im, v->node, 1);
  for (size_t c = 0; c < array->count; c++) {
    const float k = (float)anet__onnx_at(array, c);
    gamma[c] = strcmp(op, "mul") == 0 ? k : strcmp(op, "div") == 0 ? 1 / k : 1.0F;
    beta[c] = strcmp(op, "add") == 0 ? k : strcmp(op, "sub") == 0 ? -k : 0.0F;
  }
  return anet__onnx_bind_node(im, node, 0, v->node, &v->layout);
}

/* How many inputs of nodes, and outputs, are this value. */
static int32_t count_readers(const anet__onnx_model *m, const char *name)
{
  int32_t count = 0;
  for (int32_t i = 0; i < m->nodes; i++)
    for (int32_t k = 0; k < m->node[i].inputs; k++) count += strcmp(m->node[i].input[k], name) == 0;
  for (int32_t i = 0; i < m->outputs; i++) count += strcmp(m->output[i].name, name) == 0;
  return count;
}

/* A product without a bias that was added last and is read here alone takes the sum as its bias. */
static bool takes_bias(const anet__onnx_import *im, const char *op, const anet__onnx_array *array,
                       const anet__onnx_value *v)
{
  const anet__node *from = anet__net_at(im->net, v->node);
  const bool product =
      from->op == ANET_OP_CONV || from->op == ANET_OP_DEPTHWISE || from->op == ANET_OP_LINEAR;
  return product && strcmp(op, "add") == 0 && !from->attr.bias && v->node == im->net->count - 1 &&
         from->shape.dim[from->shape.rank - 1] == (int32_t)array->count &&
         count_readers(&im->model, v->name) == 1;
}

static int as_bias(anet__onnx_import *im, const anet__onnx_node *node,
                   const anet__onnx_array *array, anet__onnx_value *v)
{
  const anet__node from = *anet__net_at(im->net, v->node);
  anet_tensor *weight = anet_tensor_retain(from.param[0]);
  anet_attr attr = from.attr;
  attr.bias = 1;
  anet__net_truncate(im->net, v->node);
  int rc = anet__onnx_add(im, node, "", anet__op_get(from.op)->name, &attr, from.in, 1, &v->node);
  if (!rc) rc = anet_net_set_param(im->net, v->node, 0, weight);
  anet_tensor_release(weight);
  if (rc) return rc;
  float *bias = anet__onnx_param(im, v->node, 1);
  for (size_t c = 0; c < array->count; c++) bias[c] = (float)anet__onnx_at(array, c);
  return anet__onnx_bind_node(im, node, 0, v->node, &v->layout);
}

/* A constant against a computed value; ANET_ABSENT where it is neither one number nor one a
 * channel. */
static int with_constant(anet__onnx_import *im, const anet__onnx_node *node, const char *op,
                         const operand *k)
{
  anet__onnx_value x;
  const char *unary;
  anet_attr attr;
  ANET_TRY(anet__onnx_get_value(im, node, k->first ? 1 : 0, &x));
  if (k->array->count == 1 && k->array->rank <= x.layout.axes && as_unary(op, k, &unary, &attr)) {
    ANET_TRY(anet__onnx_add(im, node, "", unary, &attr, &x.node, 1, &x.node));
    return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
  }
  const bool scales = strcmp(op, "add") == 0 || strcmp(op, "mul") == 0 ||
                      (!k->first && (strcmp(op, "sub") == 0 || strcmp(op, "div") == 0));
  if (scales && is_last(&x, k->array) && takes_bias(im, op, k->array, &x))
    return as_bias(im, node, k->array, &x);
  if (scales && is_last(&x, k->array)) return as_scale(im, node, op, k->array, &x);
  return ANET_ABSENT;
}

/* Before opset 7 `axis` says where a smaller second operand lies: axes of 1 behind it do the same.
 */
static int place_operand(anet__onnx_import *im, const anet__onnx_node *node, operand *k)
{
  const anet__onnx_value *other;
  if (im->model.opset >= 7 || k->first || !anet__onnx_attr_find(node, "axis")) return ANET_OK;
  ANET_TRY(anet__onnx_get(im, node, 0, &other));
  const int32_t rank = other->array ? other->array->rank : other->layout.axes;
  int32_t axis;
  ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", 0), rank, &axis));
  anet__onnx_array *placed = anet__onnx_take(&im->model.pool, 1, sizeof *placed);
  if (!placed) return im->model.pool.rc;
  *placed = *k->array;
  while (placed->rank < rank - axis) placed->dim[placed->rank++] = 1;
  k->array = placed;
  return ANET_OK;
}

static int binary(anet__onnx_import *im, const anet__onnx_node *node, const char *op)
{
  anet__onnx_value v[2];
  operand k[2];
  if (node->inputs != 2) return anet_fail(ANET_FORMAT, "it has %d inputs, want 2", node->inputs);
  for (int32_t i = 0; i < 2; i++) {
    const anet__onnx_value *found;
    ANET_TRY(anet__onnx_get(im, node, i, &found));
    k[i] = (operand){found->array, i == 0};
    if (!k[i].array) continue;
    ANET_TRY(place_operand(im, node, &k[i]));
    const int rc = with_constant(im, node, op, &k[i]);
    if (rc != ANET_ABSENT) return rc;
  }
  for (int32_t i = 0; i < 2; i++)
    ANET_TRY(k[i].array ? anet__onnx_constant(im, node, k[i].array, node->input[i], &v[i])
                        : anet__onnx_get_value(im, node, i, &v[i]));
  ANET_TRY(anet__onnx_two(im, node, "", op, v));
  return anet__onnx_bind_node(im, node, 0, v[0].node, &v[0].layout);
}

/* Any number of values, two at a time. */
static int fold(anet__onnx_import *im, const anet__onnx_node *node, const char *op, bool mean)
{
  anet__onnx_value v[2];
  ANET_TRY(anet__onnx_get_value(im, node, 0, &v[0]));
  for (int32_t i = 1; i < node->inputs; i++) {
    ANET_TRY(anet__onnx_get_value(im, node, i, &v[1]));
    const bool last = i + 1 == node->inputs && !mean;
    ANET_TRY(anet__onnx_two(im, node, last ? "" : ".part", op, v));
  }
  const anet_attr share = {.alpha = 1.0F / (float)node->inputs};
  if (mean) ANET_TRY(anet__onnx_add(im, node, "", "affine", &share, &v[0].node, 1, &v[0].node));
  return anet__onnx_bind_node(im, node, 0, v[0].node, &v[0].layout);
}

/* Of whole numbers: the fraction is cut off. */
static int whole(anet__onnx_import *im, const anet__onnx_node *node, const char *op)
{
  anet__onnx_value v[2];
  for (int32_t i = 0; i < 2; i++) ANET_TRY(anet__onnx_get_value(im, node, i, &v[i]));
  ANET_TRY(anet__onnx_two(im, node, ".real", op, v));
  ANET_TRY(anet__onnx_add(im, node, "", "trunc", NULL, &v[0].node, 1, &v[0].node));
  return anet__onnx_bind_node(im, node, 0, v[0].node, &v[0].layout);
}

static bool is_whole(anet__onnx_import *im, const anet__onnx_node *node, int32_t index)
{
  return !anet__onnx_is_real(anet__onnx_type_in(im, node, index));
}

int anet__onnx_op_div(anet__onnx_import *im, const anet__onnx_node *node)
{
  return is_whole(im, node, 0) ? whole(im, node, "div") : binary(im, node, "div");
}

/* The result is of the base's type. */
int anet__onnx_op_pow(anet__onnx_import *im, const anet__onnx_node *node)
{
  const bool cuts = is_whole(im, node, 0) && !is_whole(im, node, 1);
  return cuts ? whole(im, node, "pow") : binary(im, node, "pow");
}

#define BINARY(handler, op)                                                                        \
  int anet__onnx_op_##handler(anet__onnx_import *im, const anet__onnx_node *node)                  \
  {                                                                                                \
    return binary(im, node, #op);                                                                  \
  }
BINARY(add, add)
BINARY(sub, sub)
BINARY(mul, mul)

#define FOLD(handler, op, mean)                                                                    \
  int anet__onnx_op_##handler(anet__onnx_import *im, const anet__onnx_node *node)                  \
  {                                                                                                \
    return fold(im, node, #op, mean);                                                              \
  }
FOLD(min, minimum, false)
FOLD(max, maximum, false)
FOLD(sum, add, false)
FOLD(mean, add, true)
