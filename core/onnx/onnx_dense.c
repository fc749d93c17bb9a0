/* Products of matrices, and norms: Gemm, MatMul, BatchNormalization, … */
#include <float.h>
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "onnx/onnx_import.h"

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

static void fill_row(const anet__onnx_array *bias, float beta, int32_t columns, float *to)
{
  for (int32_t i = 0; i < columns; i++)
    to[i] = beta * (float)anet__onnx_at(bias, bias->count == 1 ? 0 : (size_t)i);
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

/* What is added to a product: a constant, one number or one a column, times beta; NULL: nothing. */
typedef struct shift {
  const anet__onnx_array *row;
  float beta;
} shift;

static bool is_row(const anet__onnx_array *a, int32_t columns)
{
  return a->count == 1 || (a->count == (size_t)columns && a->dim[a->rank - 1] == columns);
}

/* (N, features) times the matrix: the rows follow the order in which the features are stored. */
static int add_linear(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                      anet__onnx_value *x, const matrix *m, shift s)
{
  const anet_attr attr = {.channels = matrix_columns(m), .bias = s.row != NULL};
  const int64_t dim[2] = {1, attr.channels};
  int32_t *map = anet__onnx_take(&im->model.pool, (size_t)matrix_rows(m), sizeof *map);
  if (!map) return im->model.pool.rc;
  ANET_TRY(anet__onnx_store_flat(im, node, x));
  ANET_TRY(anet__onnx_add(im, node, suffix, "linear", &attr, &x->node, 1, &x->node));
  anet__layout_map(&x->layout, map);
  fill_matrix(m, map, anet__onnx_param(im, x->node, 0));
  if (s.row) fill_row(s.row, s.beta, attr.channels, anet__onnx_param(im, x->node, 1));
  return anet__layout_natural(x->layout.batch, 2, dim, &x->layout);
}

/* (…, features) times the matrix, for every row: a 1x1 convolution over rows of pixels. */
static int add_rows(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                    anet__onnx_value *x, const matrix *m, shift s)
{
  const anet_attr attr = {.kernel = {1, 1}, .channels = matrix_columns(m), .bias = s.row != NULL};
  const int64_t rows = anet__layout_count(&x->layout) / matrix_rows(m);
  const anet_shape shape = {3, {(int32_t)rows, 1, matrix_rows(m)}};
  int64_t dim[ANET_ONNX_RANK];
  ANET_TRY(anet__onnx_store_natural(im, node, x));
  ANET_TRY(anet__onnx_reshape(im, node, x, &shape));
  ANET_TRY(anet__onnx_add(im, node, suffix, "conv", &attr, &x->node, 1, &x->node));
  fill_matrix(m, NULL, anet__onnx_param(im, x->node, 0));
  if (s.row) fill_row(s.row, s.beta, attr.channels, anet__onnx_param(im, x->node, 1));
  anet__layout_dims(&x->layout, dim);
  dim[x->layout.axes - 1] = attr.channels;
  return anet__layout_natural(x->layout.batch, x->layout.axes, dim, &x->layout);
}

/* The first input, transposed where Gemm says so. */
static int get_turned(anet__onnx_import *im, const anet__onnx_node *node, int32_t index, bool turns,
                      anet__onnx_value *out)
{
  ANET_TRY(anet__onnx_get_value(im, node, index, out));
  if (!turns) return ANET_OK;
  const anet__layout plain = out->layout;
  if (plain.batch || plain.axes != 2)
    return anet__onnx_unsupported("trans%c would transpose the batch", "AB"[index]);
  anet__layout_transpose(&plain, (const int32_t[]){1, 0}, &out->layout);
  return ANET_OK;
}

/* *x becomes its product with a constant matrix. */
static int multiply(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                    const matrix *m, shift s, anet__onnx_value *x)
{
  ANET_TRY(get_turned(im, node, 0, m->flips, x));
  if (x->layout.axes < 1) return anet__onnx_unsupported("its first input is a single number");
  const int32_t last = x->layout.axes - 1;
  ANET_TRY(check_matrix(m, anet__layout_dim(&x->layout, last)));
  const bool flat = anet__layout_count(&x->layout) == matrix_rows(m) && x->layout.axes == 2;
  return flat ? add_linear(im, node, suffix, x, m, s) : add_rows(im, node, suffix, x, m, s);
}

/* A matrix that has no batch, to be multiplied by one that has: the same for every image. */
static void repeat_matrix(anet__onnx_value *v, const anet__onnx_value *other)
{
  const anet__layout plain = v->layout;
  int64_t dim[ANET_ONNX_RANK] = {1};
  if (plain.batch || !other->layout.batch) return;
  if (plain.axes + 1 == other->layout.axes) {
    anet__layout_dims(&plain, dim + 1);
    if (!anet__layout_reshape(&plain, plain.axes + 1, dim, &v->layout)) return;
  } else if (plain.axes != other->layout.axes || anet__layout_dim(&plain, 0) != 1)
    return;
  v->layout.batch = true;
}

/* v[0] becomes the product of two computed matrices, or of stacks of them. */
static int multiply_both(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                         anet__onnx_value *v)
{
  int64_t dim[ANET_ONNX_RANK];
  int32_t in[2];
  for (int32_t i = 0; i < 2; i++) {
    repeat_matrix(&v[i], &v[1 - i]);
    ANET_TRY(anet__onnx_store_natural(im, node, &v[i]));
    in[i] = v[i].node;
  }
  const int32_t axes = v[0].layout.axes;
  if (axes != v[1].layout.axes || v[0].layout.batch != v[1].layout.batch ||
      axes < (v[0].layout.batch ? 3 : 2))
    return anet__onnx_unsupported("its inputs have %d and %d axes, and %s batch", axes,
                                  v[1].layout.axes,
                                  v[0].layout.batch == v[1].layout.batch ? "a" : "not both a");
  ANET_TRY(anet__onnx_add(im, node, suffix, "matmul", NULL, in, 2, &v[0].node));
  anet__layout_dims(&v[0].layout, dim);
  dim[axes - 1] = anet__layout_dim(&v[1].layout, axes - 1);
  return anet__layout_natural(v[0].layout.batch, axes, dim, &v[0].layout);
}

/* alpha * A * B + beta * C, one step after the other, where B is computed or C is no row. */
static int gemm_in_steps(anet__onnx_import *im, const anet__onnx_node *node, const matrix *m)
{
  const float beta = anet__onnx_real(node, "beta", 1);
  const bool adds = anet__onnx_input(node, 2) && beta != 0;
  const char *suffix = adds ? ".product" : "";
  const anet_attr scale = {.alpha = m->alpha}, share = {.alpha = beta};
  anet__onnx_value v[2];
  if (m->array)
    ANET_TRY(multiply(im, node, suffix, m, (shift){0}, &v[0]));
  else {
    ANET_TRY(get_turned(im, node, 0, m->flips, &v[0]));
    ANET_TRY(get_turned(im, node, 1, m->transposed, &v[1]));
    ANET_TRY(multiply_both(im, node, m->alpha == 1 ? suffix : ".matmul", v));
    if (m->alpha != 1)
      ANET_TRY(anet__onnx_add(im, node, suffix, "affine", &scale, &v[0].node, 1, &v[0].node));
  }
  if (adds) {
    ANET_TRY(anet__onnx_get_value(im, node, 2, &v[1]));
    if (beta != 1)
      ANET_TRY(anet__onnx_add(im, node, ".beta", "affine", &share, &v[1].node, 1, &v[1].node));
    ANET_TRY(anet__onnx_two(im, node, "", "add", v));
  }
  return anet__onnx_bind_node(im, node, 0, v[0].node, &v[0].layout);
}

int anet__onnx_op_gemm(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_value *b, *c = NULL;
  matrix m = {.transposed = anet__onnx_int(node, "transB", 0) != 0,
              .flips = anet__onnx_int(node, "transA", 0) != 0,
              .alpha = anet__onnx_real(node, "alpha", 1)};
  anet__onnx_value x;
  ANET_TRY(anet__onnx_get(im, node, 1, &b));
  m.array = b->array;
  if (m.array && m.array->rank != 2) return check_matrix(&m, 0);
  if (anet__onnx_input(node, 2)) ANET_TRY(anet__onnx_get(im, node, 2, &c));
  if (!m.array || (c && !(c->array && is_row(c->array, matrix_columns(&m)))))
    return gemm_in_steps(im, node, &m);
  const shift s = {c ? c->array : NULL, anet__onnx_real(node, "beta", 1)};
  ANET_TRY(multiply(im, node, "", &m, s, &x));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}

int anet__onnx_op_mat_mul(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_value *right;
  anet__onnx_value v[2];
  ANET_TRY(anet__onnx_get(im, node, 1, &right));
  const matrix m = {.array = right->array, .alpha = 1};
  if (m.array && m.array->rank == 2)
    ANET_TRY(multiply(im, node, "", &m, (shift){0}, &v[0]));
  else {
    for (int32_t i = 0; i < 2; i++) ANET_TRY(anet__onnx_get_value(im, node, i, &v[i]));
    ANET_TRY(multiply_both(im, node, "", v));
  }
  return anet__onnx_bind_node(im, node, 0, v[0].node, &v[0].layout);
}

/* ---- norms ---------------------------------------------------------------------------------- */

enum { GAMMA, BETA, MEAN, VAR, NORM_PARAMS };

static float norm_epsilon(const anet__onnx_node *node)
{
  return anet__onnx_real(node, "epsilon", 1e-5F);
}

/* Channels last, as they are in images and rows of features; of a row, in the order it is stored.
 * What has more axes than an image becomes one of a single column. */
static int store_channels(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x)
{
  const int32_t pixels = x->layout.axes - 2;
  int32_t axis[ANET_ONNX_RANK] = {0}, end[3] = {pixels, pixels, pixels + 1};
  if (x->layout.axes == 2) return anet__onnx_store_flat(im, node, x);
  if (x->layout.axes < 5) return anet__onnx_store_image(im, node, x);
  for (int32_t i = 0; i < pixels; i++) axis[i] = 2 + i;
  axis[pixels] = 1;
  return anet__onnx_store(im, node, x, axis, end, 3);
}

int anet__onnx_op_batch_normalization(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_array *param[NORM_PARAMS];
  const float momentum = anet__onnx_real(node, "momentum", 0.9F);
  const anet_attr attr = {.epsilon = fmaxf(norm_epsilon(node), 1e-12F),
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

/* A norm of x that scales and shifts by so many numbers; absent ones are 1 and 0, and one is for
 * all. */
static int add_norm(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                    const char *op, const anet__onnx_array *scale, const anet__onnx_array *shift,
                    int32_t count, int32_t x, int32_t *value)
{
  const anet__onnx_array *from[2] = {scale, shift};
  const anet_attr attr = {.epsilon = norm_epsilon(node)};
  ANET_TRY(anet__onnx_spend(&im->model.pool, (size_t)count, 2 * sizeof(float)));
  ANET_TRY(anet__onnx_add(im, node, suffix, op, &attr, &x, 1, value));
  for (int32_t p = 0; p < 2; p++) {
    float *to = anet__onnx_param(im, *value, p);
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
  anet__onnx_value x;
  int32_t value;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_array(im, node, 1, &scale));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &shift));
  ANET_TRY(anet__onnx_store_image(im, node, &x));
  const int32_t channels = anet__net_at(im->net, x.node)->shape.dim[2];
  ANET_TRY(add_norm(im, node, "", "instance_norm", scale, shift, channels, x.node, &value));
  return anet__onnx_bind_image(im, node, value, x.layout.axes, x.layout.batch);
}

/* The further outputs of LayerNormalization: the mean of every row of x, and one over its
 * deviation. */
static int layer_statistics(anet__onnx_import *im, const anet__onnx_node *node,
                            const anet__onnx_value *x, int32_t axis)
{
  int64_t dim[ANET_ONNX_RANK];
  anet__layout layout;
  int32_t mean, square, both[2];
  anet__layout_dims(&x->layout, dim);
  for (int32_t a = axis; a < x->layout.axes; a++) dim[a] = 1;
  ANET_TRY(anet__layout_natural(x->layout.batch, x->layout.axes, dim, &layout));
  const anet_attr squared = {.alpha = 2}, root = {.alpha = -0.5F},
                  line = {.alpha = 1, .beta = norm_epsilon(node)};
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
  if (wanted) ANET_TRY(layer_statistics(im, node, &x, axis));
  ANET_TRY(add_norm(im, node, "", "layer_norm", scale, shift, row, x.node, &value));
  return anet__onnx_bind_node(im, node, 0, value, &x.layout);
}

/* Is the slope one for all, or one a channel (axis 1)? */
static bool is_channel_slope(const anet__onnx_array *slope, const anet__layout *l, int64_t opset)
{
  if (slope->count == 1) return true;
  if (!l->batch || l->axes < 2 || (int64_t)slope->count != anet__layout_dim(l, 1)) return false;
  const int32_t axis = 1 - (l->axes - slope->rank); /* of the slope, right-aligned */
  const bool own = slope->rank == 1;                /* the first opsets say it so */
  return own || (axis >= 0 && slope->dim[axis] == (int64_t)slope->count);
}

/* A slope of any other shape: max(x, 0) + slope * min(x, 0). */
static int prelu_in_parts(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x)
{
  const anet_attr below = {.alpha = -FLT_MAX};
  anet__onnx_value low[2] = {*x, {0}}, both[2] = {*x, {0}};
  ANET_TRY(anet__onnx_get_value(im, node, 1, &low[1]));
  ANET_TRY(anet__onnx_add(im, node, ".below", "clip", &below, &x->node, 1, &low[0].node));
  ANET_TRY(anet__onnx_two(im, node, ".sloped", "mul", low));
  ANET_TRY(anet__onnx_add(im, node, ".above", "relu", NULL, &x->node, 1, &both[0].node));
  both[1] = low[0];
  ANET_TRY(anet__onnx_two(im, node, "", "add", both));
  return anet__onnx_bind_node(im, node, 0, both[0].node, &both[0].layout);
}

int anet__onnx_op_prelu(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_value *found;
  anet__onnx_value x;
  int32_t value;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get(im, node, 1, &found));
  const anet__onnx_array *slope = found->array;
  if (slope && slope->count == 0) return anet_fail(ANET_FORMAT, "it has no slope");
  if (!slope || !is_channel_slope(slope, &x.layout, im->model.opset))
    return prelu_in_parts(im, node, &x);
  if (slope->count > 1) ANET_TRY(store_channels(im, node, &x));
  const anet_shape *shape = &anet__net_at(im->net, x.node)->shape;
  const int32_t channels = shape->dim[shape->rank - 1];
  ANET_TRY(anet__onnx_spend(&im->model.pool, (size_t)channels, sizeof(float)));
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
  ANET_TRY(add_norm(im, node, ".groups", "instance_norm", NULL, NULL, (int32_t)groups, g.node,
                    &g.node));
  const anet__layout grouped = g.layout;
  if (!anet__layout_reshape(&grouped, x.layout.axes, dim, &g.layout))
    return anet__onnx_unsupported("its groups do not lie together");
  ANET_TRY(anet__onnx_store_image(im, node, &g));
  ANET_TRY(anet__onnx_spend(&im->model.pool, (size_t)dim[1], 2 * sizeof(float)));
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
