/* Windows over images: Conv, MaxPool, AveragePool, the global pools. Weights are permuted once,
 * here. Volumes are onnx_volume.c's. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_window.h"

/* ---- what windows share --------------------------------------------------------------------- */

typedef anet__onnx_window window;

static int read_pair(const anet__onnx_node *node, const char *name, int32_t axes, int32_t most,
                     int64_t *out)
{
  const int32_t count = anet__onnx_ints(node, name, out, most);
  const int32_t limit = strcmp(name, "strides") == 0 ? INT32_MAX : INT16_MAX;
  for (int32_t i = 0; i < ANET_MIN(count, most); i++)
    if (out[i] < 0 || out[i] > limit)
      return anet_fail(ANET_UNSUPPORTED, "%s has %lld, want 0 to %d", name, (long long)out[i],
                       limit);
  if (count == 0 || count == most) return ANET_OK;
  return anet_fail(ANET_FORMAT, "%s has %d numbers, want %d for %d axes", name, count, most, axes);
}

/* Padding that makes the output as large as the input over the stride. */
static void pad_same(anet_attr *a, const anet_shape *in, bool upper)
{
  for (int32_t i = 0; i < 2; i++) {
    const int64_t span = (int64_t)(a->kernel[i] - 1) * a->dilation[i] + 1;
    const int64_t stride = ANET_MAX(a->stride[i], 1);
    const int64_t out = (in->dim[i] + stride - 1) / stride;
    const int64_t all = (out - 1) * stride + span - in->dim[i];
    const int32_t total = (int32_t)ANET_MAX(all, 0);
    a->pad[i] = upper ? total / 2 : (total + 1) / 2;
    a->pad[i + 2] = total - a->pad[i];
  }
}

int anet__onnx_read_window(const anet__onnx_node *node, int32_t axes, const int64_t *kernel,
                           const anet_shape *in, window *out)
{
  int64_t size[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1}, pad[4] = {0};
  const char *automatic = anet__onnx_word(node, "auto_pad", "NOTSET");
  ANET_TRY(read_pair(node, "kernel_shape", axes, axes, size));
  ANET_TRY(read_pair(node, "strides", axes, axes, stride));
  ANET_TRY(read_pair(node, "dilations", axes, axes, dilation));
  ANET_TRY(read_pair(node, "pads", axes, 2 * axes, pad));
  *out = (window){.axes = axes, .attr = {.kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}}};
  for (int32_t i = 0; i < axes; i++) {
    if (kernel && kernel[i] != size[i] && anet__onnx_attr_find(node, "kernel_shape"))
      return anet_fail(ANET_SHAPE, "kernel_shape has %lld, the weights %lld", (long long)size[i],
                       (long long)kernel[i]);
    out->attr.kernel[i] = (int32_t)(kernel ? kernel[i] : size[i]);
    out->attr.stride[i] = (int32_t)stride[i];
    out->attr.dilation[i] = (int32_t)dilation[i];
    out->attr.pad[i] = (int32_t)pad[i];
    out->attr.pad[i + 2] = (int32_t)pad[i + axes];
  }
  if (strncmp(automatic, "SAME", 4) == 0)
    pad_same(&out->attr, in, strcmp(automatic, "SAME_UPPER") == 0);
  return ANET_OK;
}

/* More axes than images have? */
static bool is_volume(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_value *x;
  return anet__onnx_get(im, node, 0, &x) == ANET_OK && !x->array && x->layout.axes > 4;
}

static int input_image(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *x,
                       const anet_shape **shape)
{
  ANET_TRY(anet__onnx_get_value(im, node, 0, x));
  if (x->layout.axes < 3)
    return anet__onnx_unsupported("its input has %d axes, want images (N, C, H, W)",
                                  x->layout.axes);
  ANET_TRY(anet__onnx_store_image(im, node, x));
  *shape = &anet__net_at(im->net, x->node)->shape;
  return ANET_OK;
}

/* ---- Conv ----------------------------------------------------------------------------------- */

static int check_weights(const anet__onnx_array *w, int32_t axes, int32_t channels, int64_t groups)
{
  char text[ANET_SHAPE_TEXT];
  const bool fits = w && w->rank == axes + 2 && w->count > 0 && groups > 0 && groups <= w->dim[0] &&
                    w->dim[1] * groups == channels && w->dim[0] % groups == 0;
  if (fits) return ANET_OK;
  if (!w) return anet_fail(ANET_FORMAT, "it has no weights");
  return anet_fail(ANET_SHAPE, "weights %s do not fit %d channels in %lld groups",
                   anet__onnx_dims_text(w->rank, w->dim, text), channels, (long long)groups);
}

/* (out, in / groups, taps) to (taps, in / groups, out). */
static void permute_weights(const anet__onnx_array *w, float *to)
{
  const size_t out = (size_t)w->dim[0], in = (size_t)w->dim[1], taps = w->count / out / in;
  for (size_t o = 0; o < out; o++)
    for (size_t i = 0; i < in; i++)
      for (size_t t = 0; t < taps; t++)
        to[(t * in + i) * out + o] = (float)anet__onnx_at(w, (o * in + i) * taps + t);
}

static int fill_bias(anet__onnx_import *im, const anet__onnx_array *bias, int32_t channels,
                     int32_t value)
{
  if (bias->count != (size_t)channels)
    return anet_fail(ANET_SHAPE, "its bias has %zu numbers, want %d", bias->count, channels);
  float *to = anet__onnx_param(im, value, 1);
  for (size_t i = 0; i < bias->count; i++) to[i] = (float)anet__onnx_at(bias, i);
  return ANET_OK;
}

int anet__onnx_op_conv(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_array *w, *bias;
  const anet_shape *in = NULL;
  const int64_t groups = anet__onnx_int(node, "group", 1);
  anet__onnx_value x;
  window win;
  int32_t value;
  if (is_volume(im, node)) return anet__onnx_volume(im, node);
  ANET_TRY(input_image(im, node, &x, &in));
  ANET_TRY(anet__onnx_get_array(im, node, 1, &w));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &bias));
  ANET_TRY(check_weights(w, x.layout.axes - 2, in->dim[2], groups));
  ANET_TRY(anet__onnx_read_window(node, x.layout.axes - 2, w->dim + 2, in, &win));
  const bool depthwise = groups == in->dim[2] && w->dim[0] == groups && groups > 1;
  win.attr.bias = bias != NULL;
  win.attr.channels = depthwise ? 0 : (int32_t)w->dim[0];
  win.attr.groups = depthwise ? 1 : (int32_t)groups;
  ANET_TRY(anet__onnx_add(im, node, "", depthwise ? "depthwise" : "conv", &win.attr, &x.node, 1,
                          &value));
  permute_weights(w, anet__onnx_param(im, value, 0));
  if (bias) ANET_TRY(fill_bias(im, bias, (int32_t)w->dim[0], value));
  return anet__onnx_bind_image(im, node, value, x.layout.axes, x.layout.batch);
}

/* ---- ConvTranspose -------------------------------------------------------------------------- */

/* Padding at the end that makes the output so large; `whole`: as it is without any padding. */
static int pad_to(const anet__onnx_node *node, anet_attr *a, int32_t i, int64_t whole, int64_t want)
{
  const int64_t all = whole - want;
  const bool upper = strcmp(anet__onnx_word(node, "auto_pad", "NOTSET"), "SAME_UPPER") == 0;
  if (want < 1 || all > INT16_MAX || all < -INT16_MAX)
    return anet_fail(ANET_SHAPE, "its output cannot have %lld of %lld", (long long)want,
                     (long long)whole);
  if (all < 0) { /* larger than all that is reached: zeros at the end */
    a->pad[i] = a->pad[i + 2] = 0;
    a->dim[i] = (int32_t)-all;
    return ANET_OK;
  }
  a->pad[i] = (int32_t)(upper ? all / 2 : all - all / 2);
  a->pad[i + 2] = (int32_t)all - a->pad[i];
  return ANET_OK;
}

int anet__onnx_read_output(const anet__onnx_node *node, const anet_shape *in, window *w)
{
  int64_t more[2] = {0, 0}, shape[2] = {0, 0};
  const bool same = strncmp(anet__onnx_word(node, "auto_pad", "NOTSET"), "SAME", 4) == 0;
  const bool given = anet__onnx_attr_find(node, "output_shape") != NULL;
  ANET_TRY(read_pair(node, "output_padding", w->axes, w->axes, more));
  ANET_TRY(read_pair(node, "output_shape", w->axes, w->axes, shape));
  for (int32_t i = 0; i < w->axes; i++) {
    const int64_t span = (int64_t)(w->attr.kernel[i] - 1) * w->attr.dilation[i] + 1;
    const int64_t whole = (int64_t)(in->dim[i] - 1) * w->attr.stride[i] + span + more[i];
    const int64_t want = given ? shape[i] : (int64_t)in->dim[i] * w->attr.stride[i];
    w->attr.dim[i] = (int32_t)more[i];
    if (given || same) ANET_TRY(pad_to(node, &w->attr, i, whole, want));
  }
  return ANET_OK;
}

int anet__onnx_op_conv_transpose(anet__onnx_import *im, const anet__onnx_node *node)
{
  char text[ANET_SHAPE_TEXT];
  const anet__onnx_array *w, *bias;
  const anet_shape *in = NULL;
  const int64_t groups = anet__onnx_int(node, "group", 1);
  anet__onnx_value x;
  window win;
  int32_t value;
  if (is_volume(im, node)) return anet__onnx_volume(im, node);
  ANET_TRY(input_image(im, node, &x, &in));
  ANET_TRY(anet__onnx_get_array(im, node, 1, &w));
  ANET_TRY(anet__onnx_get_array(im, node, 2, &bias));
  if (!w || w->count == 0 || w->rank != x.layout.axes || w->dim[0] != in->dim[2] || groups < 1 ||
      groups > INT16_MAX || w->dim[1] * groups > INT32_MAX)
    return anet_fail(ANET_SHAPE, "weights %s do not fit %d channels in %lld groups",
                     w ? anet__onnx_dims_text(w->rank, w->dim, text) : "()", in->dim[2],
                     (long long)groups);
  ANET_TRY(anet__onnx_read_window(node, x.layout.axes - 2, w->dim + 2, in, &win));
  ANET_TRY(anet__onnx_read_output(node, in, &win));
  win.attr.bias = bias != NULL;
  win.attr.channels = (int32_t)(w->dim[1] * groups);
  win.attr.groups = (int32_t)groups;
  ANET_TRY(anet__onnx_add(im, node, "", "conv_transpose", &win.attr, &x.node, 1, &value));
  permute_weights(w, anet__onnx_param(im, value, 0));
  if (bias) ANET_TRY(fill_bias(im, bias, win.attr.channels, value));
  return anet__onnx_bind_image(im, node, value, x.layout.axes, x.layout.batch);
}

/* ---- pools ---------------------------------------------------------------------------------- */

void anet__onnx_pad_ceil(anet_attr *a, const anet_shape *in)
{
  for (int32_t i = 0; i < 2; i++) {
    const int64_t span = (int64_t)(a->kernel[i] - 1) * a->dilation[i] + 1, stride = a->stride[i];
    const int64_t room = (int64_t)in->dim[i] + a->pad[i] + a->pad[i + 2] - span;
    if (room < 0 || stride == 0) continue;
    int64_t out = (room + stride - 1) / stride + 1;
    if ((out - 1) * stride >= (int64_t)in->dim[i] + a->pad[i]) out--;
    const int64_t more = (out - 1) * stride - room;
    if (more > 0) a->pad[i + 2] += (int32_t)ANET_MIN(more, INT16_MAX);
  }
}

/* The file's padding as a node of its own, for an average that counts it; what ceil_mode has added
 * behind it stays, and is not counted. */
static int pad_before(anet__onnx_import *im, const anet__onnx_node *node, const int32_t *given,
                      anet_attr *a, int32_t *value)
{
  anet_attr pad = {0};
  memcpy(pad.pad, given, sizeof pad.pad);
  for (int32_t i = 0; i < ANET_COUNT(pad.pad); i++) a->pad[i] -= given[i];
  return anet__onnx_add(im, node, ".pad", "pad", &pad, value, 1, value);
}

/* The largest of a window is the largest of its rows' largest: a window with more taps than the
 * engine takes at once is cut so. */
static int largest_rows(anet__onnx_import *im, const anet__onnx_node *node, anet_attr *a,
                        int32_t *value)
{
  enum { MOST_TAPS = 256 };
  anet_attr rows = *a;
  if ((int64_t)a->kernel[0] * a->kernel[1] <= MOST_TAPS) return ANET_OK;
  a->kernel[0] = a->stride[0] = a->dilation[0] = rows.kernel[1] = rows.stride[1] =
      rows.dilation[1] = 1;
  a->pad[0] = a->pad[2] = rows.pad[1] = rows.pad[3] = 0;
  return anet__onnx_add(im, node, ".rows", "max_pool", &rows, value, 1, value);
}

static int pool(anet__onnx_import *im, const anet__onnx_node *node, const char *op)
{
  const bool average = strcmp(op, "avg_pool") == 0;
  const bool ceil_mode = anet__onnx_int(node, "ceil_mode", 0) != 0;
  const bool counts = average && anet__onnx_int(node, "count_include_pad", 0) != 0;
  const anet_shape *in = NULL;
  anet__onnx_value x;
  window win;
  int32_t value;
  if (node->outputs > 1 && node->output[1][0])
    return anet__onnx_unsupported("its second output, the indices, is not computed");
  if (is_volume(im, node)) return anet__onnx_volume(im, node);
  ANET_TRY(input_image(im, node, &x, &in));
  ANET_TRY(anet__onnx_read_window(node, x.layout.axes - 2, NULL, in, &win));
  const anet_attr given = win.attr;
  if (ceil_mode) anet__onnx_pad_ceil(&win.attr, in);
  if (counts && ceil_mode) ANET_TRY(pad_before(im, node, given.pad, &win.attr, &x.node));
  win.attr.mode = counts && !ceil_mode;
  if (!average) ANET_TRY(largest_rows(im, node, &win.attr, &x.node));
  ANET_TRY(anet__onnx_add(im, node, "", op, &win.attr, &x.node, 1, &value));
  return anet__onnx_bind_image(im, node, value, x.layout.axes, x.layout.batch);
}

int anet__onnx_op_max_pool(anet__onnx_import *im, const anet__onnx_node *node)
{
  return pool(im, node, "max_pool");
}

int anet__onnx_op_average_pool(anet__onnx_import *im, const anet__onnx_node *node)
{
  return pool(im, node, "avg_pool");
}

static int global_pool(anet__onnx_import *im, const anet__onnx_node *node, bool most)
{
  const anet_shape *in = NULL;
  const anet_attr pixels = {.axis = 1};
  anet__onnx_value x;
  int32_t value;
  ANET_TRY(input_image(im, node, &x, &in));
  const anet_shape rows = {2, {in->dim[0] * in->dim[1], in->dim[2]}};
  const int64_t dim[4] = {1, in->dim[2], 1, 1};
  anet__layout layout;
  if (most) ANET_TRY(anet__onnx_reshape(im, node, &x, &rows));
  ANET_TRY(anet__onnx_add(im, node, "", most ? "reduce_max" : "global_pool", most ? &pixels : NULL,
                          &x.node, 1, &value));
  ANET_TRY(anet__layout_natural(x.layout.batch, x.layout.axes, dim, &layout));
  return anet__onnx_bind_node(im, node, 0, value, &layout);
}

int anet__onnx_op_global_average_pool(anet__onnx_import *im, const anet__onnx_node *node)
{
  return global_pool(im, node, false);
}

int anet__onnx_op_global_max_pool(anet__onnx_import *im, const anet__onnx_node *node)
{
  return global_pool(im, node, true);
}
