/* Functions of one value: activations, Clip, Dropout, Softmax. They leave the layout as it is. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_import.h"

/* A node of op `op` on v, which then stands for it. */
static int apply(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                 const char *op, const anet_attr *attr, anet__onnx_value *v)
{
  return anet__onnx_add(im, node, suffix, op, attr, &v->node, 1, &v->node);
}

static int unary(anet__onnx_import *im, const anet__onnx_node *node, const char *op,
                 const anet_attr *attr)
{
  anet__onnx_value x;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(apply(im, node, "", op, attr, &x));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}

/* The engine's name of an op without attributes. */
int anet__onnx_op_plain(anet__onnx_import *im, const anet__onnx_node *node)
{
  static const struct {
    const char *onnx, *op;
  } table[] = {
      {"Relu", "relu"},   {"Sigmoid", "sigmoid"},   {"HardSwish", "hard_swish"},
      {"Mish", "mish"},   {"Softplus", "softplus"}, {"Softsign", "softsign"},
      {"Tanh", "tanh"},   {"Sqrt", "sqrt"},         {"Exp", "exp"},
      {"Log", "log"},     {"Abs", "abs"},           {"Reciprocal", "reciprocal"},
      {"Erf", "erf"},     {"Sin", "sin"},           {"Cos", "cos"},
      {"Floor", "floor"}, {"Ceil", "ceil"},         {"Round", "round"},
      {"Sign", "sign"},   {"Identity", "identity"},
  };
  for (int32_t i = 0; i < ANET_COUNT(table); i++)
    if (strcmp(node->op, table[i].onnx) == 0) return unary(im, node, table[i].op, NULL);
  return ANET_ABSENT;
}

int anet__onnx_op_neg(anet__onnx_import *im, const anet__onnx_node *node)
{
  return unary(im, node, "affine", &(anet_attr){.alpha = -1});
}

int anet__onnx_op_leaky_relu(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet_attr attr = {.alpha = anet__onnx_real(node, "alpha", 0.01F)};
  return unary(im, node, "leaky_relu", &attr);
}

int anet__onnx_op_thresholded_relu(anet__onnx_import *im, const anet__onnx_node *node)
{
  return unary(im, node, "threshold", &(anet_attr){.alpha = anet__onnx_real(node, "alpha", 1)});
}

int anet__onnx_op_elu(anet__onnx_import *im, const anet__onnx_node *node)
{
  return unary(im, node, "elu", &(anet_attr){.alpha = anet__onnx_real(node, "alpha", 1)});
}

int anet__onnx_op_gelu(anet__onnx_import *im, const anet__onnx_node *node)
{
  const bool tanh = strcmp(anet__onnx_word(node, "approximate", "none"), "tanh") == 0;
  return unary(im, node, "gelu", &(anet_attr){.mode = tanh});
}

/* Scales before and after a function: out * f(in * x). */
static int scaled(anet__onnx_import *im, const anet__onnx_node *node, float in, const char *op,
                  const anet_attr *attr, float out)
{
  anet__onnx_value x;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  if (in != 1) ANET_TRY(apply(im, node, ".in", "affine", &(anet_attr){.alpha = in}, &x));
  ANET_TRY(apply(im, node, ".f", op, attr, &x));
  ANET_TRY(apply(im, node, "", "affine", &(anet_attr){.alpha = out}, &x));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}

int anet__onnx_op_selu(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet_attr elu = {.alpha = anet__onnx_real(node, "alpha", 1.67326319F)};
  return scaled(im, node, 1, "elu", &elu, anet__onnx_real(node, "gamma", 1.05070102F));
}

int anet__onnx_op_celu(anet__onnx_import *im, const anet__onnx_node *node)
{
  const float alpha = anet__onnx_real(node, "alpha", 1);
  return scaled(im, node, 1 / alpha, "elu", &(anet_attr){.alpha = 1}, alpha);
}

/* The engine's own has the slope 1/6; others are a line and a clip. */
int anet__onnx_op_hard_sigmoid(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet_attr line = {.alpha = anet__onnx_real(node, "alpha", 0.2F),
                          .beta = anet__onnx_real(node, "beta", 0.5F)};
  anet__onnx_value x;
  if (fabsf(line.alpha - 1.0F / 6.0F) < 1e-6F && line.beta == 0.5F)
    return unary(im, node, "hard_sigmoid", NULL);
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(apply(im, node, ".line", "affine", &line, &x));
  ANET_TRY(apply(im, node, "", "clip", &(anet_attr){.beta = 1}, &x));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}

/* A bound that is an attribute (before opset 11) or an optional constant input. */
static int read_bound(anet__onnx_import *im, const anet__onnx_node *node, const char *name,
                      int32_t index, float other, float *out)
{
  ANET_TRY(anet__onnx_get_number(im, node, index, anet__onnx_real(node, name, other), out));
  *out = fminf(fmaxf(*out, -FLT_MAX), FLT_MAX);
  return ANET_OK;
}

int anet__onnx_op_clip(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet_attr attr = {0};
  ANET_TRY(read_bound(im, node, "min", 1, -FLT_MAX, &attr.alpha));
  ANET_TRY(read_bound(im, node, "max", 2, FLT_MAX, &attr.beta));
  if (attr.alpha == 0 && attr.beta == 6) return unary(im, node, "relu6", NULL);
  if (attr.alpha == 0 && attr.beta == FLT_MAX) return unary(im, node, "relu", NULL);
  return unary(im, node, "clip", &attr);
}

/* Outside training nothing is dropped, and the mask is true everywhere. */
int anet__onnx_op_dropout(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet_attr attr = {0};
  anet__onnx_value x;
  float training;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_get_number(im, node, 1, anet__onnx_real(node, "ratio", 0.5F), &attr.alpha));
  ANET_TRY(anet__onnx_get_number(im, node, 2, 0, &training));
  if (training != 0 && attr.alpha != 0)
    return anet__onnx_unsupported("it is in training mode; export the model for inference");
  ANET_TRY(apply(im, node, "", "dropout", &attr, &x));
  ANET_TRY(anet__onnx_bind_node(im, node, 0, x.node, &x.layout));
  if (node->outputs < 2 || !node->output[1][0]) return ANET_OK;
  const int32_t same[2] = {x.node, x.node};
  ANET_TRY(anet__onnx_add(im, node, ".mask", "equal", NULL, same, 2, &x.node));
  return anet__onnx_bind_node(im, node, 1, x.node, &x.layout);
}

/* Of whole numbers only what was a real has something to lose; a boolean says whether a number is
 * not 0. */
int anet__onnx_op_cast(anet__onnx_import *im, const anet__onnx_node *node)
{
  const int32_t to = (int32_t)anet__onnx_int(node, "to", ANET_ONNX_FLOAT);
  const int32_t from = anet__onnx_type_in(im, node, 0);
  anet__onnx_value x;
  if (!anet__onnx_type_name(to))
    return anet__onnx_unsupported("a computed value cannot become element type %d", to);
  if (from == ANET_ONNX_BOOL || anet__onnx_is_real(to)) return unary(im, node, "identity", NULL);
  if (to != ANET_ONNX_BOOL)
    return unary(im, node, anet__onnx_is_real(from) ? "trunc" : "identity", NULL);
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(apply(im, node, ".size", "abs", NULL, &x));
  ANET_TRY(apply(im, node, "", "sign", NULL, &x));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}

/* ---- softmax -------------------------------------------------------------------------------- */

/* Store v so that the softmax runs over one dimension of it: attr.axis, counted from the last.
 * Before opset 13 that is all axes from `axis` on, else the axis alone. */
static int store_lines(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v,
                       int32_t axis, anet_attr *attr)
{
  const int32_t first = v->layout.batch ? 1 : 0, axes = v->layout.axes;
  int32_t order[ANET_ONNX_RANK], end[ANET_ONNX_RANK], groups = 0;
  if (im->model.opset < 13 && axis == first) return anet__onnx_store_flat(im, node, v);
  if (im->model.opset >= 13) return anet__onnx_store_axis(im, node, v, axis, &attr->axis);
  for (int32_t a = first; a < axes; a++) {
    order[a - first] = a;
    if (a + 1 >= axis) end[groups++] = a + 1 - first;
    if (a + 1 > axis) groups--;
  }
  end[groups++] = axes - first;
  return anet__onnx_store(im, node, v, order, end, groups);
}

static int softmax(anet__onnx_import *im, const anet__onnx_node *node, bool logarithm)
{
  const int64_t usual = im->model.opset < 13 ? 1 : -1;
  anet_attr attr = {0};
  anet__onnx_value x;
  int32_t axis;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(anet__onnx_axis(node, anet__onnx_int(node, "axis", usual), x.layout.axes, &axis));
  if (axis == 0 && x.layout.batch) return anet__onnx_unsupported("it runs over axis 0, the batch");
  ANET_TRY(store_lines(im, node, &x, axis, &attr));
  ANET_TRY(apply(im, node, "", logarithm ? "log_softmax" : "softmax", &attr, &x));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}

int anet__onnx_op_softmax(anet__onnx_import *im, const anet__onnx_node *node)
{
  return softmax(im, node, false);
}

int anet__onnx_op_log_softmax(anet__onnx_import *im, const anet__onnx_node *node)
{
  return softmax(im, node, true);
}
