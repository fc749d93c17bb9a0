/* Products with constant matrices, and norms: Gemm, MatMul, BatchNormalization. */
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/onnx_import.h"

/* ---- matrices ------------------------------------------------------------------------------- */

/* Rows by columns of a constant matrix, as (in, out) in the order in which `x` stores its features.
 */
typedef struct matrix {
  const anet__onnx_array *array;
  bool transposed; /* (out, in) */
  bool flips;      /* what it is multiplied with is transposed first */
  float alpha;
} matrix;

static int32_t matrix_rows(const matrix *m)
{
  return (int32_t)m->array->dim[m->transposed ? 1 : 0];
}

static int32_t matrix_columns(const matrix *m)
{
  return (int32_t)m->array->dim[m->transposed ? 0 : 1];
}

/* map: row of the matrix for each stored feature, or NULL. */
static void fill_matrix(const matrix *m, const int32_t *map, float *to)
{
  const int32_t rows = matrix_rows(m), columns = matrix_columns(m);
  for (int32_t r = 0; r < rows; r++) {
    const size_t from = (size_t)(map ? map[r] : r);
    for (int32_t c = 0; c < columns; c++) {
      const size_t at =
          m->transposed ? (size_t)c * (size_t)rows + from : from * (size_t)columns + (size_t)c;
      *to++ = m->alpha * (float)anet__onnx_at(m->array, at);
    }
  }
}

static int fill_row(const anet__onnx_array *bias, float beta, int32_t columns, float *to)
{
  char text[ANET_SHAPE_TEXT];
  const bool row = bias->count == (size_t)columns && bias->dim[bias->rank - 1] == columns;
  if (bias->count != 1 && !row)
    return anet__onnx_unsupported("its third input %s is no row of %d",
                                  anet__onnx_dims_text(bias->rank, bias->dim, text), columns);
  for (int32_t i = 0; i < columns; i++)
    to[i] = beta * (float)anet__onnx_at(bias, bias->count == 1 ? 0 : (size_t)i);
  return ANET_OK;
}

static int check_matrix(const matrix *m, int64_t features)
{
  char text[ANET_SHAPE_TEXT];
  if (m->array && m->array->rank == 2 && m->array->count > 0 && matrix_rows(m) == features)
    return ANET_OK;
  if (!m->array) return anet_fail(ANET_FORMAT, "its matrix is missing");
  return anet_fail(ANET_SHAPE, "its matrix %s%s does not fit %lld features",
                   anet__onnx_dims_text(m->array->rank, m->array->dim, text),
                   m->transposed ? ", transposed," : "", (long long)features);
}

/* (N, features) times the matrix: the rows follow the order in which the features are stored. */
static int add_linear(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                      const matrix *m, const anet__onnx_array *bias, float beta)
{
  const anet_attr attr = {.channels = matrix_columns(m), .bias = bias != NULL};
  const int64_t dim[2] = {1, attr.channels};
  anet__layout layout;
  int32_t value;
  int32_t *map = anet__onnx_take(&im->model.pool, (size_t)matrix_rows(m), sizeof *map);
  if (!map) return im->model.pool.rc;
  ANET_TRY(anet__onnx_store_flat(im, node, x));
  ANET_TRY(anet__onnx_add(im, node, "", "linear", &attr, &x->node, 1, &value));
  anet__layout_map(&x->layout, map);
  fill_matrix(m, map, anet__onnx_param(im, value, 0));
  if (bias) ANET_TRY(fill_row(bias, beta, attr.channels, anet__onnx_param(im, value, 1)));
  ANET_TRY(anet__layout_natural(x->layout.batch, 2, dim, &layout));
  return anet__onnx_bind_node(im, node, 0, value, &layout);
}

/* (…, features) times the matrix, for every row: a 1x1 convolution over rows of pixels. */
static int add_rows(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                    const matrix *m, const anet__onnx_array *bias, float beta)
{
  const anet_attr attr = {.kernel = {1, 1}, .channels = matrix_columns(m), .bias = bias != NULL};
  const int64_t rows = anet__layout_count(&x->layout) / matrix_rows(m);
  const anet_shape shape = {3, {(int32_t)rows, 1, matrix_rows(m)}};
  int64_t dim[ANET_ONNX_RANK];
  anet__layout layout;
  int32_t value;
  ANET_TRY(anet__onnx_store_natural(im, node, x));
  ANET_TRY(anet__onnx_reshape(im, node, x, &shape));
  ANET_TRY(anet__onnx_add(im, node, "", "conv", &attr, &x->node, 1, &value));
  fill_matrix(m, NULL, anet__onnx_param(im, value, 0));
  if (bias) ANET_TRY(fill_row(bias, beta, attr.channels, anet__onnx_param(im, value, 1)));
  anet__layout_dims(&x->layout, dim);
  dim[x->layout.axes - 1] = attr.channels;
  ANET_TRY(anet__layout_natural(x->layout.batch, x->layout.axes, dim, &layout));
  return anet__onnx_bind_node(im, node, 0, value, &layout);
}

static int multiply(anet__onnx_import *im, const anet__onnx_node *node, const matrix *m,
                    const anet__onnx_array *bias, float beta)
{
  anet__onnx_value x;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  if (m->flips) {
    const anet__layout plain = x.layout;
    if (plain.batch || plain.axes != 2)
      return anet__onnx_unsupported("transA would transpose the batch");
    anet__layout_transpose(&plain, (const int32_t[]){1, 0}, &x.layout);
  }
  if (x.layout.axes < 1) return anet__onnx_unsupported("its first input is a single number");
  const int32_t last = x.layout.axes - 1;
  ANET_TRY(check_matrix(m, anet__layout_dim(&x.layout, last)));
  const bool flat = anet__layout_count(&x.layout) == matrix_rows(m) && x.layout.axes == 2;
  return flat ? add_linear(im, node, &x, m, bias, beta) : add_rows(im, node, &x, m, bias, beta);
}

int anet__onnx_op_gemm(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_array *bias;
  matrix m = {.transposed = anet__onnx_int(node, "transB", 0) != 0,
              .flips = anet__onnx_int(node, "transA", 0) != 0,
              .alpha = anet__onnx_real(node, "alpha", 1)};
  ANET_TRY(anet__onnx_get_array(im, node, 1, &m.array));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &bias));
  return multiply(im, node, &m, bias, anet__onnx_real(node, "beta", 1));
}

/* Two computed matrices, or stacks of them. */
static int multiply_both(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_value v[2];
  int64_t dim[ANET_ONNX_RANK];
  anet__layout layout;
  int32_t in[2], value;
  for (int32_t i = 0; i < 2; i++) {
    ANET_TRY(anet__onnx_get_value(im, node, i, &v[i]));
    ANET_TRY(anet__onnx_store_natural(im, node, &v[i]));
    in[i] = v[i].node;
  }
  const int32_t axes = v[0].layout.axes;
  if (axes != v[1].layout.axes || v[0].layout.batch != v[1].layout.batch ||
      axes < (v[0].layout.batch ? 3 : 2))
    return anet__onnx_unsupported("its inputs have %d and %d axes, and %s batch", axes,
                                  v[1].layout.axes,
                                  v[0].layout.batch == v[1].layout.batch ? "a" : "not both a");
  ANET_TRY(anet__onnx_add(im, node, "", "matmul", NULL, in, 2, &value));
  anet__layout_dims(&v[0].layout, dim);
  dim[axes - 1] = anet__layout_dim(&v[1].layout, axes - 1);
  ANET_TRY(anet__layout_natural(v[0].layout.batch, axes, dim, &layout));
  return anet__onnx_bind_node(im, node, 0, value, &layout);
}

int anet__onnx_op_mat_mul(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_value *right;
  ANET_TRY(anet__onnx_get(im, node, 1, &right));
  const matrix m = {.array = right->array, .alpha = 1};
  if (!m.array || m.array->rank != 2) return multiply_both(im, node);
  return multiply(im, node, &m, NULL, 1);
}

/* ---- norms ---------------------------------------------------------------------------------- */

enum { GAMMA, BETA, MEAN, VAR, NORM_PARAMS };

/* Channels last, as they are in images and rows of features; of a row, in the order it is stored.
 */
static int store_channels(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x)
{
  if (x->layout.axes == 2) return anet__onnx_store_flat(im, node, x);
  return anet__onnx_store_image(im, node, x);
}

int anet__onnx_op_batch_normalization(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_array *param[NORM_PARAMS];
  const float momentum = anet__onnx_real(node, "momentum", 0.9F);
  const anet_attr attr = {.epsilon = fmaxf(anet__onnx_real(node, "epsilon", 1e-5F), 1e-12F),
                          .momentum = momentum < 1 ? 1 - momentum : 0};
  anet__onnx_value x;
  int32_t value;
  if (anet__onnx_int(node, "training_mode", 0))
    return anet__onnx_unsupported("it is in training mode; export the model for inference");
  if (!anet__onnx_int(node, "spatial", 1))
    return anet__onnx_unsupported("spatial = 0, statistics a pixel, is not supported");
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(store_channels(im, node, &x));
  const anet_shape *shape = &anet__net_at(im->net, x.node)->shape;
  const int32_t channels = shape->dim[shape->rank - 1];
  for (int32_t p = 0; p < NORM_PARAMS; p++) {
    ANET_TRY(anet__onnx_get_array(im, node, p + 1, &param[p]));
    if (!param[p] || param[p]->count != (size_t)channels)
      return anet_fail(ANET_SHAPE, "input %d has %zu numbers, want %d", p + 1,
                       param[p] ? param[p]->count : 0, channels);
  }
  int32_t *map = anet__onnx_take(&im->model.pool, (size_t)channels, sizeof *map);
  if (!map) return im->model.pool.rc;
  if (x.layout.axes == 2)
    anet__layout_map(&x.layout, map);
  else
    for (int32_t c = 0; c < channels; c++) map[c] = c;
  ANET_TRY(anet__onnx_add(im, node, "", "norm", &attr, &x.node, 1, &value));
  for (int32_t p = 0; p < NORM_PARAMS; p++) {
    float *to = anet__onnx_param(im, value, p);
    for (int32_t c = 0; c < channels; c++) to[c] = (float)anet__onnx_at(param[p], (size_t)map[c]);
  }
  return anet__onnx_bind_node(im, node, 0, value, &x.layout);
}

/* Scale and shift of so many numbers into parameters 0 and 1 of a node; absent ones are 1 and 0. */
static int fill_scale(anet__onnx_import *im, const anet__onnx_array *scale,
                      const anet__onnx_array *shift, int32_t count, int32_t value)
{
  const anet__onnx_array *from[2] = {scale, shift};
  for (int32_t p = 0; p < 2; p++) {
    float *to = anet__onnx_param(im, value, p);
    if (from[p] && from[p]->count != (size_t)count && from[p]->count != 1)
      return anet_fail(ANET_SHAPE, "its %s has %zu numbers, want %d", p ? "shift" : "scale",
                       from[p]->count, count);
    for (int32_t c = 0; c < count; c++)
      to[c] = !from[p] ? (p ? 0.0F : 1.0F)
                       : (float)anet__onnx_at(from[p], from[p]->count == 1 ? 0 : (size_t)c);
  }
  return ANET_OK;
}

int anet__onnx_op_instance_normalization(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_array *scale, *shift;
  const anet_attr attr = {.epsilon = anet__onnx_real(node, "epsilon", 1e-5F)};
  anet__onnx_value x;
  int32_t value;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_array(im, node, 1, &scale));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &shift));
  ANET_TRY(anet__onnx_store_image(im, node, &x));
  ANET_TRY(anet__onnx_add(im, node, "", "instance_norm", &attr, &x.node, 1, &value));
  ANET_TRY(fill_scale(im, scale, shift, anet__net_at(im->net, value)->shape.dim[2], value));
  return anet__onnx_bind_image(im, node, value, x.layout.axes, x.layout.batch);
}

/* The further outputs of LayerNormalization: the mean of every row of x, and one over its
 * deviation. */
static int layer_statistics(anet__onnx_import *im, const anet__onnx_node *node,
                            const anet__onnx_value *x, int32_t axis, float epsilon)
{
  int64_t dim[ANET_ONNX_RANK];
  anet__layout layout;
  int32_t mean, square, both[2];
  anet__layout_dims(&x->layout, dim);
  for (int32_t a = axis; a < x->layout.axes; a++) dim[a] = 1;
  ANET_TRY(anet__layout_natural(x->layout.batch, x->layout.axes, dim, &layout));
  const anet_attr squared = {.alpha = 2}, root = {.alpha = -0.5F},
                  line = {.alpha = 1, .beta = epsilon};
  ANET_TRY(anet__onnx_add(im, node, ".mean", "reduce_mean", NULL, &x->node, 1, &mean));
  ANET_TRY(anet__onnx_bind_node(im, node, 1, mean, &layout));
  ANET_TRY(anet__onnx_add(im, node, ".square", "power", &squared, &x->node, 1, &square));
  ANET_TRY(anet__onnx_add(im, node, ".square", "reduce_mean", NULL, &square, 1, &both[0]));
  ANET_TRY(anet__onnx_add(im, node, ".square", "power", &squared, &mean, 1, &both[1]));
  ANET_TRY(anet__onnx_add(im, node, ".var", "sub", NULL, both, 2, &square));
  ANET_TRY(anet__onnx_add(im, node, ".var", "affine", &line, &square, 1, &square));
  ANET_TRY(anet__onnx_add(im, node, ".scale", "power", &root, &square, 1, &square));
  return anet__onnx_bind_node(im, node, 2, square, &layout);
}

/* Store x so that its axes from `axis` on are one dimension of `row`, the last. The axes before may
 * lie in any order. */
static int store_rows(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                      int32_t axis, int32_t row)
{
  int32_t order[ANET_ATOMS], used = 0;
  for (int32_t k = 0; k < x->layout.atoms; k++)
    if (x->layout.order[k] < x->layout.first[axis]) order[used++] = x->layout.order[k];
  for (int32_t i = x->layout.first[axis]; i < x->layout.atoms; i++) order[used++] = i;
  if (!anet__layout_is_order(&x->layout, order)) ANET_TRY(anet__onnx_store_natural(im, node, x));
  const anet_shape *shape = &anet__net_at(im->net, x->node)->shape;
  if (shape->dim[shape->rank - 1] == row) return ANET_OK;
  const int32_t all = (int32_t)anet__layout_count(&x->layout);
  return anet__onnx_reshape(im, node, x, &(anet_shape){2, {all / row, row}});
}

/* Over the last axes, from `axis` on: rows of so many numbers. */
int anet__onnx_op_layer_normalization(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_array *scale, *shift;
  const anet_attr attr = {.epsilon = anet__onnx_real(node, "epsilon", 1e-5F)};
  anet__onnx_value x;
  int32_t axis, value, row = 1;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_array(im, node, 1, &scale));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &shift));
  ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", -1), x.layout.axes, &axis));
  if (axis == 0 && x.layout.batch) return anet__onnx_unsupported("it runs over the batch");
  for (int32_t a = axis; a < x.layout.axes; a++) row *= (int32_t)anet__layout_dim(&x.layout, a);
  ANET_TRY(store_rows(im, node, &x, axis, row));
  bool wanted = false;
  for (int32_t i = 1; i < node->outputs; i++) wanted |= node->output[i][0] != 0;
  if (wanted) ANET_TRY(layer_statistics(im, node, &x, axis, attr.epsilon));
  ANET_TRY(anet__onnx_add(im, node, "", "layer_norm", &attr, &x.node, 1, &value));
  ANET_TRY(fill_scale(im, scale, shift, row, value));
  return anet__onnx_bind_node(im, node, 0, value, &x.layout);
}

/* A slope for all, or one a channel (axis 1). */
int anet__onnx_op_prelu(anet__onnx_import *im, const anet__onnx_node *node)
{
  char text[ANET_SHAPE_TEXT];
  const anet__onnx_array *slope;
  anet__onnx_value x;
  int32_t value;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_array(im, node, 1, &slope));
  if (!slope || slope->count == 0) return anet_fail(ANET_FORMAT, "it has no slope");
  if (x.layout.axes > 1 && x.layout.axes < 5 && x.layout.batch) {
    ANET_TRY(store_channels(im, node, &x));
  } else if (slope->count > 1)
    return anet__onnx_unsupported("a slope a channel wants images or rows of features");
  const anet_shape *shape = &anet__net_at(im->net, x.node)->shape;
  const int32_t channels = shape->dim[shape->rank - 1];
  const bool wide = slope->rank > 1 && slope->dim[slope->rank - 1] != 1;
  if (slope->count != 1 && (slope->count != (size_t)channels || (wide && x.layout.axes > 2)))
    return anet__onnx_unsupported("its slope %s is not one a channel of %d",
                                  anet__onnx_dims_text(slope->rank, slope->dim, text), channels);
  ANET_TRY(anet__onnx_add(im, node, "", "prelu", NULL, &x.node, 1, &value));
  float *to = anet__onnx_param(im, value, 0);
  for (int32_t c = 0; c < channels; c++)
    to[c] = (float)anet__onnx_at(slope, slope->count == 1 ? 0 : (size_t)c);
  return anet__onnx_bind_node(im, node, 0, value, &x.layout);
}

/* Statistics of groups of channels: an instance norm of the groups, then a scale of the channels.
 * Before opset 21 scale and shift are one a group. */
int anet__onnx_op_group_normalization(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_array *scale, *shift;
  const anet_attr attr = {.epsilon = anet__onnx_real(node, "epsilon", 1e-5F)};
  const int64_t groups = anet__onnx_int(node, "num_groups", 0);
  int64_t dim[ANET_ONNX_RANK], cut[3];
  anet__onnx_value x, g;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_array(im, node, 1, &scale));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &shift));
  ANET_TRY(anet__onnx_store_image(im, node, &x));
  anet__layout_dims(&x.layout, dim);
  if (groups < 1 || dim[1] % groups)
    return anet_fail(ANET_SHAPE, "%lld channels in %lld groups", (long long)dim[1],
                     (long long)groups);
  cut[0] = 1;
  cut[1] = groups;
  cut[2] = anet__layout_count(&x.layout) / groups;
  g = x;
  if (!anet__layout_reshape(&x.layout, 3, cut, &g.layout))
    return anet__onnx_unsupported("its groups do not lie together");
  ANET_TRY(anet__onnx_store_image(im, node, &g));
  ANET_TRY(anet__onnx_add(im, node, ".groups", "instance_norm", &attr, &g.node, 1, &g.node));
  ANET_TRY(fill_scale(im, NULL, NULL, (int32_t)groups, g.node));
  const anet__layout grouped = g.layout;
  if (!anet__layout_reshape(&grouped, x.layout.axes, dim, &g.layout))
    return anet__onnx_unsupported("its groups do not lie together");
  ANET_TRY(anet__onnx_store_image(im, node, &g));
  ANET_TRY(anet__onnx_add(im, node, "", "scale", NULL, &g.node, 1, &g.node));
  const anet__onnx_array *from[2] = {scale, shift};
  for (int32_t p = 0; p < 2; p++) {
    float *to = anet__onnx_param(im, g.node, p);
    const size_t count = from[p] ? from[p]->count : 0;
    if (count != (size_t)groups && count != (size_t)dim[1])
      return anet_fail(ANET_SHAPE, "its %s has %zu numbers, want %lld or %lld",
                       p ? "shift" : "scale", count, (long long)groups, (long long)dim[1]);
    for (int64_t c = 0; c < dim[1]; c++)
      to[c] = (float)anet__onnx_at(from[p], (size_t)(c * (int64_t)count / dim[1]));
  }
  return anet__onnx_bind_image(im, node, g.node, x.layout.axes, x.layout.batch);
}

int anet__onnx_op_lrn(anet__onnx_import *im, const anet__onnx_node *node)
{
  const int64_t size = anet__onnx_int(node, "size", 0);
  const anet_attr attr = {.size = size > 0 && size <= INT16_MAX ? (int32_t)size : 0,
                          .alpha = anet__onnx_real(node, "alpha", 1e-4F),
                          .beta = anet__onnx_real(node, "beta", 0.75F),
                          .epsilon = anet__onnx_real(node, "bias", 1)};
  anet__onnx_value x;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_store_image(im, node, &x));
  ANET_TRY(anet__onnx_add(im, node, "", "lrn", &attr, &x.node, 1, &x.node));
  return anet__onnx_bind_image(im, node, x.node, x.layout.axes, x.layout.batch);
}
