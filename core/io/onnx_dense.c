/* Products with constant matrices, and norms: Gemm, MatMul, BatchNormalization. */
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/onnx_import.h"

/* ---- matrices -------------------------------------------------------------------------------------- */

/* Rows by columns of a constant matrix, as (in, out) in the order in which `x` stores its features. */
typedef struct matrix {
  const anet__onnx_array *array;
  bool transposed; /* (out, in) */
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
      const size_t at = m->transposed ? (size_t)c * (size_t)rows + from
                                      : from * (size_t)columns + (size_t)c;
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
              .alpha = anet__onnx_real(node, "alpha", 1)};
  if (anet__onnx_int(node, "transA", 0))
    return anet__onnx_unsupported("transA would transpose the batch");
  ANET_TRY(anet__onnx_get_array(im, node, 1, &m.array));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &bias));
  return multiply(im, node, &m, bias, anet__onnx_real(node, "beta", 1));
}

int anet__onnx_op_mat_mul(anet__onnx_import *im, const anet__onnx_node *node)
{
  matrix m = {.alpha = 1};
  ANET_TRY(anet__onnx_get_array(im, node, 1, &m.array));
  return multiply(im, node, &m, NULL, 1);
}

/* ---- norms ------------------------------------------------------------------------------------------- */

enum { GAMMA, BETA, MEAN, VAR, NORM_PARAMS };

/* Channels last, as they are in images and rows of features; of a row, in the order it is stored. */
static int store_channels(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x)
{
  if (x->layout.axes == 2) return anet__onnx_store_flat(im, node, x);
  return anet__onnx_store_image(im, node, x);
}

int anet__onnx_op_batch_normalization(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_array *param[NORM_PARAMS];
  const float momentum = anet__onnx_real(node, "momentum", 0.9F);
  const anet_attr attr = {.epsilon = anet__onnx_real(node, "epsilon", 1e-5F),
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
    for (int32_t c = 0; c < channels; c++)
      to[c] = (float)anet__onnx_at(param[p], (size_t)map[c]);
  }
  return anet__onnx_bind_node(im, node, 0, value, &x.layout);
}
