/* Every op of the engine as ONNX says it. */
#include "onnx/onnx_export.h"

#include <math.h>

#include "base/error.h"
#include "op/bytes.h"

typedef anet__onnx_export exporter;

static const anet__node *at(const exporter *ex, int32_t value)
{
  return anet__net_at(ex->net, value);
}

static const char *input(const exporter *ex, int32_t value, int32_t index)
{
  return anet__onnx_name(ex, at(ex, value)->in[index]);
}

static const anet_shape *in_shape(const exporter *ex, int32_t value, int32_t index)
{
  return &at(ex, at(ex, value)->in[index])->shape;
}

/* The node of one input and no attributes. */
static int plain(exporter *ex, int32_t value, const char *op)
{
  const char *in[1] = {input(ex, value, 0)};
  ANET_MADE(anet__onnx_emit(ex, op, anet__onnx_name(ex, value), in, 1));
  return ANET_OK;
}

/* ---- parameters ----------------------------------------------------------------------------- */

/* Parameter `index` as (in, out) = its last two axes or (1, out), `taps` of them: element (t, i,
 * o). */
typedef struct weights {
  const anet_tensor *tensor;
  int64_t taps, in, out;
} weights;

static weights weights_of(const exporter *ex, int32_t value, int32_t index)
{
  const anet_tensor *t = at(ex, value)->param[index];
  const int32_t rank = t->shape.rank;
  weights w = {t, 1, 1, t->shape.dim[rank - 1]};
  if (rank == 2) w.in = t->shape.dim[0];
  if (rank == 4) w.in = t->shape.dim[2];
  if (rank >= 3) w.taps = (int64_t)t->shape.dim[0] * t->shape.dim[1];
  return w;
}

static float weight_at(const weights *w, int64_t t, int64_t i, int64_t o)
{
  const int64_t *stride = w->tensor->stride;
  const int32_t rank = w->tensor->shape.rank;
  const int64_t tap = rank >= 3 ? t * stride[1] : 0;
  const int64_t row = rank == 2 ? i * stride[0] : rank == 4 ? i * stride[2] : 0;
  return anet__f32(w->tensor)[tap + row + o];
}

/* (taps, in, out) as (out, in, taps): ONNX's weights. */
static const char *kernel_array(exporter *ex, int32_t value)
{
  const weights w = weights_of(ex, value, 0);
  const int32_t *kernel = at(ex, value)->attr.kernel;
  const int64_t dim[4] = {w.out, w.in, kernel[0], kernel[1]};
  anet__onnx_array *a;
  const char *name = anet__onnx_emit_array(ex, value, "weight", true, 4, dim, &a);
  float *to = name ? a->f : NULL;
  for (int64_t o = 0; to && o < w.out; o++)
    for (int64_t i = 0; i < w.in; i++)
      for (int64_t t = 0; t < w.taps; t++) *to++ = weight_at(&w, t, i, o);
  return name;
}

/* A vector parameter; for an image's channels (c, 1, 1). */
static const char *vector_array(exporter *ex, int32_t value, int32_t index, const char *part,
                                bool image)
{
  const weights w = weights_of(ex, value, index);
  const int64_t dim[3] = {w.out, 1, 1};
  anet__onnx_array *a;
  const char *name = anet__onnx_emit_array(ex, value, part, true, image ? 3 : 1, dim, &a);
  for (int64_t o = 0; name && o < w.out; o++) a->f[o] = weight_at(&w, 0, 0, o);
  return name;
}

/* ---- windows -------------------------------------------------------------------------------- */

static int emit_window(exporter *ex, const anet_attr *a, bool dilates)
{
  int64_t kernel[2], stride[2], dilation[2], pad[4];
  for (int32_t i = 0; i < 2; i++) {
    kernel[i] = a->kernel[i];
    stride[i] = a->stride[i];
    dilation[i] = a->dilation[i];
  }
  for (int32_t i = 0; i < 4; i++) pad[i] = a->pad[i];
  ANET_TRY(anet__onnx_emit_ints(ex, "kernel_shape", kernel, 2));
  ANET_TRY(anet__onnx_emit_ints(ex, "strides", stride, 2));
  if (dilates) ANET_TRY(anet__onnx_emit_ints(ex, "dilations", dilation, 2));
  return anet__onnx_emit_ints(ex, "pads", pad, 4);
}

static int export_conv(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const bool back = node->op == ANET_OP_CONV_TRANSPOSE;
  const char *in[3] = {input(ex, value, 0), kernel_array(ex, value), ""};
  if (node->attr.bias) in[2] = vector_array(ex, value, 1, "bias", false);
  ANET_MADE(anet__onnx_emit(ex, back ? "ConvTranspose" : "Conv", node->name, in,
                            node->attr.bias ? 3 : 2));
  const int64_t more[2] = {node->attr.dim[0], node->attr.dim[1]};
  const int32_t groups =
      node->op == ANET_OP_DEPTHWISE ? in_shape(ex, value, 0)->dim[2] : node->attr.groups;
  ANET_TRY(emit_window(ex, &node->attr, true));
  if (back) ANET_TRY(anet__onnx_emit_ints(ex, "output_padding", more, 2));
  return anet__onnx_emit_int(ex, "group", groups);
}

/* Dilated averages are beyond the opset: they are a depthwise convolution where nothing is left
 * out. */
static int export_pool(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const bool average = node->op == ANET_OP_AVG_POOL;
  if (average && (node->attr.dilation[0] > 1 || node->attr.dilation[1] > 1))
    return anet_fail(ANET_UNSUPPORTED, "opset %d has no averages with a dilation", ANET_ONNX_OPSET);
  ANET_TRY(plain(ex, value, average ? "AveragePool" : "MaxPool"));
  ANET_TRY(emit_window(ex, &node->attr, !average));
  return average ? anet__onnx_emit_int(ex, "count_include_pad", node->attr.mode) : ANET_OK;
}

static int export_global_pool(exporter *ex, int32_t value)
{
  const char *in[1] = {input(ex, value, 0)};
  ANET_MADE(in[0] = anet__onnx_emit(ex, "GlobalAveragePool", NULL, in, 1));
  ANET_MADE(anet__onnx_emit(ex, "Flatten", at(ex, value)->name, in, 1));
  return ANET_OK;
}

static int export_pad(exporter *ex, int32_t value)
{
  static const char *const mode[] = {"constant", "reflect", "edge"};
  const anet_attr *a = &at(ex, value)->attr;
  const int64_t pad[8] = {0, a->dim[0], a->pad[0], a->pad[1], 0, a->dim[1], a->pad[2], a->pad[3]};
  const char *in[3] = {input(ex, value, 0), anet__onnx_emit_row(ex, value, "pads", pad, 8),
                       anet__onnx_emit_number(ex, value, "value", a->alpha)};
  ANET_MADE(anet__onnx_emit(ex, "Pad", at(ex, value)->name, in, 3));
  return anet__onnx_emit_text(ex, "mode", mode[a->mode]);
}

/* The least scale with which floor(in * scale) is `out`, in float as in double. */
static float scale_of(int32_t in, int32_t out)
{
  float scale = (float)out / (float)in;
  while (floorf((float)in * scale) < (float)out || floor((double)in * (double)scale) < out)
    scale = nextafterf(scale, INFINITY);
  return scale;
}

static int export_resize(exporter *ex, int32_t value)
{
  static const char *const mode[] = {"nearest", "linear"};
  static const char *const centre[] = {"half_pixel", "asymmetric", "align_corners"};
  static const char *const round[] = {"round_prefer_floor", "floor", "ceil", "round_prefer_ceil"};
  const anet_attr *a = &at(ex, value)->attr;
  const anet_shape *from = in_shape(ex, value, 0);
  const int64_t dim[1] = {4};
  anet__onnx_array *scales;
  const char *in[3] = {input(ex, value, 0), "",
                       anet__onnx_emit_array(ex, value, "scales", true, 1, dim, &scales)};
  ANET_MADE(in[2]);
  scales->f[0] = scales->f[1] = 1;
  for (int32_t i = 0; i < 2; i++) scales->f[2 + i] = scale_of(from->dim[i], a->dim[i]);
  ANET_MADE(anet__onnx_emit(ex, "Resize", at(ex, value)->name, in, 3));
  ANET_TRY(anet__onnx_emit_text(ex, "mode", mode[a->mode]));
  ANET_TRY(anet__onnx_emit_text(ex, "coordinate_transformation_mode", centre[a->begin]));
  return anet__onnx_emit_text(ex, "nearest_mode", round[a->size]);
}

/* ---- products and norms --------------------------------------------------------------------- */

static int export_linear(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const weights w = weights_of(ex, value, 0);
  const int64_t dim[2] = {w.in, w.out};
  anet__onnx_array *a;
  const char *in[3] = {input(ex, value, 0),
                       anet__onnx_emit_array(ex, value, "weight", true, 2, dim, &a), ""};
  ANET_MADE(in[1]);
  for (int64_t i = 0; i < w.in; i++)
    for (int64_t o = 0; o < w.out; o++) a->f[i * w.out + o] = weight_at(&w, 0, i, o);
  if (node->attr.bias) in[2] = vector_array(ex, value, 1, "bias", false);
  ANET_MADE(anet__onnx_emit(ex, "Gemm", node->name, in, node->attr.bias ? 3 : 2));
  return ANET_OK;
}

static int export_matmul(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const char *in[2] = {anet__onnx_stored(ex, node->in[0]), anet__onnx_stored(ex, node->in[1])};
  const char *out = anet__onnx_emit(ex, "MatMul", NULL, in, 2);
  ANET_MADE(out && anet__onnx_from_stored(ex, &node->shape, out, node->name));
  return ANET_OK;
}

static int export_norm(exporter *ex, int32_t value)
{
  static const char *const part[] = {"gamma", "beta", "mean", "var"};
  const anet__node *node = at(ex, value);
  const char *in[5] = {input(ex, value, 0)};
  if (node->shape.rank != 3 && node->shape.rank != 1)
    return anet_fail(ANET_UNSUPPORTED, "its %d axes have no channels in ONNX", node->shape.rank);
  for (int32_t p = 0; p < 4; p++) ANET_MADE(in[p + 1] = vector_array(ex, value, p, part[p], false));
  ANET_MADE(anet__onnx_emit(ex, "BatchNormalization", node->name, in, 5));
  ANET_TRY(anet__onnx_emit_real(ex, "epsilon", node->attr.epsilon));
  return anet__onnx_emit_real(ex, "momentum", 1 - node->attr.momentum);
}

static int export_line_norm(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const bool layer = node->op == ANET_OP_LAYER_NORM;
  const char *in[3] = {input(ex, value, 0), vector_array(ex, value, 0, "gamma", false),
                       vector_array(ex, value, 1, "beta", false)};
  if (!layer && node->shape.rank != 3)
    return anet_fail(ANET_UNSUPPORTED, "its %d axes have no channels in ONNX", node->shape.rank);
  if (!layer) {
    ANET_MADE(anet__onnx_emit(ex, "InstanceNormalization", node->name, in, 3));
    return anet__onnx_emit_real(ex, "epsilon", node->attr.epsilon);
  }
  ANET_MADE(in[0] = anet__onnx_stored(ex, node->in[0]));
  const char *out = anet__onnx_emit(ex, "LayerNormalization", NULL, in, 3);
  ANET_MADE(out);
  ANET_TRY(anet__onnx_emit_int(ex, "axis", -1));
  ANET_TRY(anet__onnx_emit_real(ex, "epsilon", node->attr.epsilon));
  ANET_MADE(anet__onnx_from_stored(ex, &node->shape, out, node->name));
  return ANET_OK;
}

static int export_lrn(exporter *ex, int32_t value)
{
  const anet_attr *a = &at(ex, value)->attr;
  if (at(ex, value)->shape.rank != 3)
    return anet_fail(ANET_UNSUPPORTED, "its %d axes have no channels in ONNX",
                     at(ex, value)->shape.rank);
  ANET_TRY(plain(ex, value, "LRN"));
  ANET_TRY(anet__onnx_emit_int(ex, "size", a->size));
  ANET_TRY(anet__onnx_emit_real(ex, "alpha", a->alpha));
  ANET_TRY(anet__onnx_emit_real(ex, "beta", a->beta));
  return anet__onnx_emit_real(ex, "bias", a->epsilon);
}

static int export_scale(exporter *ex, int32_t value)
{
  const bool image = at(ex, value)->shape.rank == 3;
  const char *in[2] = {input(ex, value, 0), vector_array(ex, value, 0, "gamma", image)};
  ANET_MADE(in[0] = anet__onnx_emit(ex, "Mul", NULL, in, 2));
  ANET_MADE(in[1] = vector_array(ex, value, 1, "beta", image));
  ANET_MADE(anet__onnx_emit(ex, "Add", at(ex, value)->name, in, 2));
  return ANET_OK;
}

static int export_prelu(exporter *ex, int32_t value)
{
  const char *in[2] = {input(ex, value, 0),
                       vector_array(ex, value, 0, "slope", at(ex, value)->shape.rank == 3)};
  ANET_MADE(anet__onnx_emit(ex, "PRelu", at(ex, value)->name, in, 2));
  return ANET_OK;
}

/* ---- functions ------------------------------------------------------------------------------ */

static int export_clip(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const bool six = node->op == ANET_OP_RELU6;
  const char *in[3] = {input(ex, value, 0),
                       anet__onnx_emit_number(ex, value, "min", six ? 0 : node->attr.alpha),
                       anet__onnx_emit_number(ex, value, "max", six ? 6 : node->attr.beta)};
  ANET_MADE(anet__onnx_emit(ex, "Clip", node->name, in, 3));
  return ANET_OK;
}

static int export_quantize(exporter *ex, int32_t value)
{
  const anet__levels l = anet__levels_of(&at(ex, value)->attr);
  anet__onnx_array *zero;
  const char *in[3] = {input(ex, value, 0),
                       anet__onnx_emit_number(ex, value, "scale", 1 / l.levels),
                       anet__onnx_emit_array(ex, value, "zero", false, 0, NULL, &zero)};
  ANET_MADE(in[2]);
  zero->type = ANET_ONNX_UINT8;
  zero->i[0] = (int64_t)l.zero;
  ANET_MADE(in[0] = anet__onnx_emit(ex, "QuantizeLinear", NULL, in, 3));
  ANET_MADE(anet__onnx_emit(ex, "DequantizeLinear", at(ex, value)->name, in, 3));
  return ANET_OK;
}

static int export_alpha(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  ANET_TRY(plain(ex, value,
                 node->op == ANET_OP_LEAKY_RELU ? "LeakyRelu"
                 : node->op == ANET_OP_ELU      ? "Elu"
                                                : "ThresholdedRelu"));
  return anet__onnx_emit_real(ex, "alpha", node->attr.alpha);
}

static int export_hard_sigmoid(exporter *ex, int32_t value)
{
  ANET_TRY(plain(ex, value, "HardSigmoid"));
  ANET_TRY(anet__onnx_emit_real(ex, "alpha", 1.0F / 6.0F));
  return anet__onnx_emit_real(ex, "beta", 0.5F);
}

/* `op` of what is made so far and a number; name NULL: between. */
static const char *with_number(exporter *ex, int32_t value, const char *op, const char *in,
                               const char *part, float k, const char *name)
{
  const char *both[2] = {in, anet__onnx_emit_number(ex, value, part, k)};
  return anet__onnx_emit(ex, op, name, both, 2);
}

static int export_affine(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const char *x = input(ex, value, 0);
  const bool adds = node->attr.beta != 0;
  ANET_MADE(
      x = with_number(ex, value, "Mul", x, "alpha", node->attr.alpha, adds ? NULL : node->name));
  if (adds) ANET_MADE(with_number(ex, value, "Add", x, "beta", node->attr.beta, node->name));
  return ANET_OK;
}

static int export_power(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  ANET_MADE(
      with_number(ex, value, "Pow", input(ex, value, 0), "exponent", node->attr.alpha, node->name));
  return ANET_OK;
}

/* x times a function of it: swish, mish. */
static int export_gated(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const bool mish = node->op == ANET_OP_MISH;
  const char *in[2] = {input(ex, value, 0)}, *gate[1] = {in[0]};
  ANET_MADE(gate[0] = anet__onnx_emit(ex, mish ? "Softplus" : "Sigmoid", NULL, gate, 1));
  if (mish) ANET_MADE(gate[0] = anet__onnx_emit(ex, "Tanh", NULL, gate, 1));
  in[1] = gate[0];
  ANET_MADE(anet__onnx_emit(ex, "Mul", node->name, in, 2));
  return ANET_OK;
}

/* x / 2 * (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) * (x + 0.044715 x^3)). */
static int export_gelu(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const char *x = input(ex, value, 0), *in[2] = {x}, *one[1];
  if (node->attr.mode) {
    ANET_MADE(one[0] = with_number(ex, value, "Pow", x, "three", 3, NULL));
    ANET_MADE(one[0] = with_number(ex, value, "Mul", one[0], "cubic", 0.044715F, NULL));
    const char *sum[2] = {x, one[0]};
    ANET_MADE(one[0] = anet__onnx_emit(ex, "Add", NULL, sum, 2));
    ANET_MADE(one[0] = with_number(ex, value, "Mul", one[0], "slope", 0.79788456F, NULL));
  } else
    ANET_MADE(one[0] = with_number(ex, value, "Mul", x, "slope", 0.70710678F, NULL));
  ANET_MADE(one[0] = anet__onnx_emit(ex, node->attr.mode ? "Tanh" : "Erf", NULL, one, 1));
  ANET_MADE(one[0] = with_number(ex, value, "Add", one[0], "one", 1, NULL));
  ANET_MADE(in[1] = with_number(ex, value, "Mul", one[0], "half", 0.5F, NULL));
  ANET_MADE(anet__onnx_emit(ex, "Mul", node->name, in, 2));
  return ANET_OK;
}

static int export_dropout(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const char *in[2] = {input(ex, value, 0),
                       anet__onnx_emit_number(ex, value, "ratio", node->attr.alpha)};
  ANET_MADE(anet__onnx_emit(ex, "Dropout", node->name, in, 2));
  return ANET_OK;
}

/* Ops of ONNX's that have one input and no attributes. */
static int export_plain(exporter *ex, int32_t value)
{
  static const struct {
    anet__op_id op;
    const char *onnx;
  } table[] = {
      {ANET_OP_RELU, "Relu"},
      {ANET_OP_SIGMOID, "Sigmoid"},
      {ANET_OP_HARD_SWISH, "HardSwish"},
      {ANET_OP_SOFTPLUS, "Softplus"},
      {ANET_OP_TANH, "Tanh"},
      {ANET_OP_SOFTSIGN, "Softsign"},
      {ANET_OP_SQRT, "Sqrt"},
      {ANET_OP_EXP, "Exp"},
      {ANET_OP_LOG, "Log"},
      {ANET_OP_ABS, "Abs"},
      {ANET_OP_RECIPROCAL, "Reciprocal"},
      {ANET_OP_ERF, "Erf"},
      {ANET_OP_SIN, "Sin"},
      {ANET_OP_COS, "Cos"},
      {ANET_OP_FLOOR, "Floor"},
      {ANET_OP_CEIL, "Ceil"},
      {ANET_OP_ROUND, "Round"},
      {ANET_OP_SIGN, "Sign"},
      {ANET_OP_IDENTITY, "Identity"},
  };
  for (int32_t i = 0; i < ANET_COUNT(table); i++)
    if (table[i].op == at(ex, value)->op) return plain(ex, value, table[i].onnx);
  return anet_fail(ANET_UNSUPPORTED, "ONNX has no such op");
}

/* A row of channels against an image is (N, c, 1, 1). */
static const char *row_of(exporter *ex, int32_t value, int32_t index)
{
  static const int64_t axes[2] = {2, 3};
  const char *in[2] = {input(ex, value, index)};
  if (in_shape(ex, value, index)->rank != 1 || at(ex, value)->shape.rank != 3) return in[0];
  in[1] = anet__onnx_emit_row(ex, value, "axes", axes, 2);
  return in[1] ? anet__onnx_emit(ex, "Unsqueeze", NULL, in, 2) : NULL;
}

static int export_binary(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const char *op = node->op == ANET_OP_ADD       ? "Add"
                   : node->op == ANET_OP_SUB     ? "Sub"
                   : node->op == ANET_OP_MUL     ? "Mul"
                   : node->op == ANET_OP_DIV     ? "Div"
                   : node->op == ANET_OP_MINIMUM ? "Min"
                   : node->op == ANET_OP_MAXIMUM ? "Max"
                   : node->op == ANET_OP_MOD     ? "Mod"
                                                 : "Pow";
  const char *in[2] = {row_of(ex, value, 0), row_of(ex, value, 1)};
  ANET_MADE(anet__onnx_emit(ex, op, node->name, in, 2));
  return node->op == ANET_OP_MOD ? anet__onnx_emit_int(ex, "fmod", 1) : ANET_OK;
}

/* ---- axes ----------------------------------------------------------------------------------- */

int32_t anet__onnx_axis_at(const exporter *ex, int32_t value)
{
  const int32_t rank = in_shape(ex, value, 0)->rank;
  return anet__onnx_axis_of(rank, rank - 1 - at(ex, value)->attr.axis);
}

static int export_softmax(exporter *ex, int32_t value)
{
  ANET_TRY(plain(ex, value, at(ex, value)->op == ANET_OP_SOFTMAX ? "Softmax" : "LogSoftmax"));
  return anet__onnx_emit_int(ex, "axis", anet__onnx_axis_at(ex, value));
}

static int export_concat(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const char *in[ANET_MAX_INPUTS];
  for (int32_t i = 0; i < node->inputs; i++) in[i] = input(ex, value, i);
  ANET_MADE(anet__onnx_emit(ex, "Concat", node->name, in, node->inputs));
  return anet__onnx_emit_int(ex, "axis", anet__onnx_axis_at(ex, value));
}

static int export_split(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const int64_t begin[1] = {node->attr.begin},
                end[1] = {(int64_t)node->attr.begin + node->attr.size};
  const int64_t axis[1] = {anet__onnx_axis_at(ex, value)};
  const char *in[4] = {input(ex, value, 0), anet__onnx_emit_row(ex, value, "starts", begin, 1),
                       anet__onnx_emit_row(ex, value, "ends", end, 1),
                       anet__onnx_emit_row(ex, value, "axes", axis, 1)};
  ANET_MADE(anet__onnx_emit(ex, "Slice", node->name, in, 4));
  return ANET_OK;
}

/* Regrouping follows the order in which elements are stored. */
static int export_reshape(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const anet_shape *s = &node->shape, *from = in_shape(ex, value, 0);
  const bool point = from->rank == 3 && from->dim[0] * from->dim[1] == 1;
  const bool to_point = s->rank == 3 && s->dim[0] * s->dim[1] == 1;
  int64_t dim[ANET_MAX_RANK + 1] = {0};
  for (int32_t i = 0; i < s->rank; i++)
    dim[to_point ? anet__onnx_axis_of(3, i) : i + 1] = s->dim[i];
  const char *in[2] = {point ? input(ex, value, 0) : anet__onnx_stored(ex, node->in[0]),
                       anet__onnx_emit_row(ex, value, "shape", dim, s->rank + 1)};
  const bool last = s->rank != 3 || to_point;
  const char *out = anet__onnx_emit(ex, "Reshape", last ? node->name : NULL, in, 2);
  ANET_MADE(out);
  if (!last) ANET_MADE(anet__onnx_from_stored(ex, s, out, node->name));
  return ANET_OK;
}

static int export_transpose(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const int32_t rank = node->shape.rank;
  int64_t perm[ANET_MAX_RANK + 1] = {0};
  for (int32_t i = 0; i < rank; i++)
    perm[anet__onnx_axis_of(rank, i)] = anet__onnx_axis_of(rank, node->attr.dim[i] - 1);
  ANET_TRY(plain(ex, value, "Transpose"));
  return anet__onnx_emit_ints(ex, "perm", perm, rank + 1);
}

static int export_expand(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const int32_t rank = node->shape.rank;
  int64_t dim[ANET_MAX_RANK + 1] = {1};
  for (int32_t i = 0; i < rank; i++) dim[anet__onnx_axis_of(rank, i)] = node->shape.dim[i];
  const char *in[2] = {input(ex, value, 0), anet__onnx_emit_row(ex, value, "shape", dim, rank + 1)};
  ANET_MADE(anet__onnx_emit(ex, "Expand", node->name, in, 2));
  return ANET_OK;
}

static int export_reduce(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const bool sum = node->op == ANET_OP_REDUCE_SUM, single = in_shape(ex, value, 0)->rank == 1;
  const int64_t axis[1] = {in_shape(ex, value, 0)->rank - node->attr.axis};
  const char *in[2] = {anet__onnx_stored(ex, node->in[0]), ""};
  if (sum) in[1] = anet__onnx_emit_row(ex, value, "axes", axis, 1);
  const char *out = anet__onnx_emit(ex,
                                    sum                               ? "ReduceSum"
                                    : node->op == ANET_OP_REDUCE_MAX  ? "ReduceMax"
                                    : node->op == ANET_OP_REDUCE_PROD ? "ReduceProd"
                                                                      : "ReduceMean",
                                    NULL, in, sum ? 2 : 1);
  ANET_MADE(out);
  if (!sum) ANET_TRY(anet__onnx_emit_ints(ex, "axes", axis, 1));
  ANET_TRY(anet__onnx_emit_int(ex, "keepdims", single));
  ANET_MADE(anet__onnx_from_stored(ex, &node->shape, out, node->name));
  return ANET_OK;
}

/* The same for every image: an array with a batch of 1 (check_batches). */
static int export_constant(exporter *ex, int32_t value)
{
  const anet__node *node = at(ex, value);
  const int32_t rank = node->shape.rank;
  int64_t dim[ANET_MAX_RANK + 1] = {1};
  int32_t index[ANET_MAX_RANK];
  anet__onnx_array *a;
  for (int32_t i = 0; i < rank; i++) dim[anet__onnx_axis_of(rank, i)] = node->shape.dim[i];
  ANET_MADE(anet__onnx_emit_array(ex, value, "", true, rank + 1, dim, &a));
  for (size_t k = 0; k < a->count; k++) {
    size_t rest = k;
    for (int32_t d = rank; d >= 1; d--) {
      for (int32_t i = 0; i < rank; i++)
        if (anet__onnx_axis_of(rank, i) == d) index[i] = (int32_t)(rest % (size_t)dim[d]);
      rest /= (size_t)dim[d];
    }
    a->f[k] = (float)anet_tensor_get(node->param[0], index);
  }
  return ANET_OK;
}

/* ---- the table ------------------------------------------------------------------------------ */

anet__onnx_exporter *anet__onnx_exporter_find(anet__op_id op)
{
  if (op >= ANET_OP_SUB && op <= ANET_OP_MOD) return export_binary;
  switch (op) {
    case ANET_OP_INPUT:
      return NULL;
    case ANET_OP_CONV:
    case ANET_OP_DEPTHWISE:
    case ANET_OP_CONV_TRANSPOSE:
      return export_conv;
    case ANET_OP_LINEAR:
      return export_linear;
    case ANET_OP_MATMUL:
      return export_matmul;
    case ANET_OP_NORM:
      return export_norm;
    case ANET_OP_INSTANCE_NORM:
    case ANET_OP_LAYER_NORM:
      return export_line_norm;
    case ANET_OP_LRN:
      return export_lrn;
    case ANET_OP_SCALE:
      return export_scale;
    case ANET_OP_PRELU:
      return export_prelu;
    case ANET_OP_RELU6:
    case ANET_OP_CLIP:
      return export_clip;
    case ANET_OP_QUANTIZE:
      return export_quantize;
    case ANET_OP_LEAKY_RELU:
    case ANET_OP_ELU:
    case ANET_OP_THRESHOLD:
      return export_alpha;
    case ANET_OP_HARD_SIGMOID:
      return export_hard_sigmoid;
    case ANET_OP_AFFINE:
      return export_affine;
    case ANET_OP_POWER:
      return export_power;
    case ANET_OP_SWISH:
    case ANET_OP_MISH:
      return export_gated;
    case ANET_OP_GELU:
      return export_gelu;
    case ANET_OP_ADD:
    case ANET_OP_MUL:
      return export_binary;
    case ANET_OP_CONCAT:
      return export_concat;
    case ANET_OP_SPLIT:
      return export_split;
    case ANET_OP_MAX_POOL:
    case ANET_OP_AVG_POOL:
      return export_pool;
    case ANET_OP_GLOBAL_POOL:
      return export_global_pool;
    case ANET_OP_REDUCE_MEAN:
    case ANET_OP_REDUCE_SUM:
    case ANET_OP_REDUCE_MAX:
    case ANET_OP_REDUCE_PROD:
      return export_reduce;
    case ANET_OP_TRUNC:
      return anet__onnx_export_trunc;
    case ANET_OP_EQUAL:
    case ANET_OP_LESS:
    case ANET_OP_LESS_EQUAL:
      return anet__onnx_export_compare;
    case ANET_OP_WHERE:
      return anet__onnx_export_where;
    case ANET_OP_TOP_K:
      return anet__onnx_export_top_k;
    case ANET_OP_GATHER:
      return anet__onnx_export_gather;
    case ANET_OP_PAD:
      return export_pad;
    case ANET_OP_FLATTEN:
    case ANET_OP_RESHAPE:
      return export_reshape;
    case ANET_OP_SOFTMAX:
    case ANET_OP_LOG_SOFTMAX:
      return export_softmax;
    case ANET_OP_RESIZE:
      return export_resize;
    case ANET_OP_DROPOUT:
      return export_dropout;
    case ANET_OP_TRANSPOSE:
      return export_transpose;
    case ANET_OP_EXPAND:
      return export_expand;
    case ANET_OP_CONSTANT:
      return export_constant;
    default:
      return export_plain;
  }
}
