/* Windows over volumes (N, C, D, H, W): Conv, ConvTranspose, MaxPool, AveragePool. A volume is a
 * line of planes, which are images: each plane of the output is a sum (or a maximum, or a mean) of
 * what the window's planes make of those of the input. Weights of a tap are shared by all planes.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_window.h"

enum { MOST_PLANES = 512, MOST_TERMS = 4096 }; /* so that a small file cannot ask for many nodes */

typedef struct volume {
  anet__onnx_import *im;
  const anet__onnx_node *node;
  anet__onnx_node plane; /* the same op, of two axes */
  anet_attr depth;       /* the window along the third, [0] of its fields */
  int32_t end;           /* where padding that a mean counts ends */
  int32_t in, out;       /* planes */
  bool back;             /* ConvTranspose */
  const char *slice;     /* planes of the input are called so, with a number */
} volume;

/* ---- a node of fewer axes ------------------------------------------------------------------- */

/* The same node for axes [first, first + axes) of three: attributes with a number (or two) an axis
 * are cut. */
static int node_for(volume *v, int32_t first, int32_t axes, anet__onnx_node *out)
{
  anet__onnx_pool *pool = &v->im->model.pool;
  *out = *v->node;
  out->attr = anet__onnx_take(pool, (size_t)out->attrs, sizeof *out->attr);
  int64_t *number = anet__onnx_take(pool, (size_t)(out->attrs * 2 * axes), sizeof *number);
  if (!out->attr || !number) return pool->rc;
  for (int32_t i = 0; i < out->attrs; i++) {
    anet__onnx_attr *a = &out->attr[i];
    *a = v->node->attr[i];
    if (a->kind != ANET_ONNX_ATTR_INTS || (a->count != 3 && a->count != 6)) continue;
    for (size_t side = 0; side < a->count / 3; side++)
      memcpy(number + (int32_t)side * axes, a->ints + side * 3 + (size_t)first,
             (size_t)axes * sizeof *number);
    a->ints = number;
    a->count = a->count / 3 * (size_t)axes;
    number += 2 * axes;
  }
  return ANET_OK;
}

static int read_depth(volume *v, const anet__onnx_array *weights)
{
  const anet_shape in = {3, {v->in, 1, 1}};
  anet__onnx_node line;
  anet__onnx_window w;
  ANET_TRY(node_for(v, 0, 1, &line));
  ANET_TRY(anet__onnx_read_window(&line, 1, weights ? weights->dim + 2 : NULL, &in, &w));
  if (v->back) ANET_TRY(anet__onnx_read_output(&line, &in, &w));
  v->end = v->in + w.attr.pad[2];
  if (anet__onnx_int(&line, "ceil_mode", 0)) anet__onnx_pad_ceil(&w.attr, &in);
  const int64_t span = (int64_t)(w.attr.kernel[0] - 1) * w.attr.dilation[0] + 1;
  const int64_t pads = w.attr.pad[0] + w.attr.pad[2], stride = w.attr.stride[0];
  if (stride < 1 || span < 1) return anet_fail(ANET_RANGE, "its window has no depth, or no stride");
  const int64_t out = v->back ? (v->in - 1) * stride + span - pads + w.attr.dim[0]
                              : (v->in + pads - span) / stride + 1;
  if (out < 1 || out > MOST_PLANES || v->in > MOST_PLANES || out * w.attr.kernel[0] > MOST_TERMS)
    return anet__onnx_unsupported(
        "%d planes become %lld by windows of %d: at most %d are supported", v->in, (long long)out,
        w.attr.kernel[0], MOST_PLANES);
  v->depth = w.attr;
  v->out = (int32_t)out;
  return node_for(v, 1, 2, &v->plane);
}

/* The plane of the input that tap k of output plane z reads; false: there is none. */
static bool plane_of(const volume *v, int32_t z, int32_t k, int32_t *plane)
{
  const anet_attr *a = &v->depth;
  const int64_t tap = (int64_t)k * a->dilation[0], stride = a->stride[0];
  const int64_t at = v->back ? z + a->pad[0] - tap : z * stride - a->pad[0] + tap;
  if (v->back && at % stride) return false;
  *plane = (int32_t)ANET_MAX(ANET_MIN(v->back ? at / stride : at, INT32_MAX), -1);
  return at >= 0 && *plane < v->in;
}

/* ---- planes --------------------------------------------------------------------------------- */

static int cut_planes(volume *v, anet__onnx_value *x)
{
  static const int32_t axis[4] = {2, 3, 4, 1}, end[3] = {2, 3, 4};
  anet__onnx_import *im = v->im;
  ANET_TRY(anet__onnx_store(im, v->node, x, axis, end, 3));
  const int32_t rows = (int32_t)anet__layout_dim(&x->layout, 3);
  const int64_t dim[4] = {1, anet__layout_dim(&x->layout, 1), rows,
                          anet__layout_dim(&x->layout, 4)};
  for (int32_t d = 0; d < v->in; d++) {
    const anet_attr part = {.axis = 2, .begin = d * rows, .size = rows};
    anet__onnx_value plane = {.node = x->node, .type = x->type};
    const char *name = anet__onnx_text(&im->model.pool, "%s.%d", v->slice, d);
    if (!name) return im->model.pool.rc;
    ANET_TRY(anet__layout_image(true, 4, dim, &plane.layout));
    ANET_TRY(anet__onnx_add(im, v->node, ".plane", "split", &part, &x->node, 1, &plane.node));
    ANET_TRY(anet__onnx_bind(im, name, &plane));
  }
  return ANET_OK;
}

/* Runs the op of two axes on plane d of the input, with further inputs; value: what it makes. */
static int run_plane(volume *v, int32_t d, const char *weights, const char *bias,
                     const char *suffix, int32_t *value)
{
  anet__onnx_import *im = v->im;
  anet__onnx_pool *pool = &im->model.pool;
  const char *in[3] = {anet__onnx_text(pool, "%s.%d", v->slice, d), weights, bias};
  const char *out[1] = {anet__onnx_text(pool, "%s.%s", v->node->output[0], suffix)};
  if (!in[0] || !out[0]) return pool->rc;
  anet__onnx_node node = v->plane;
  const anet__onnx_value *made;
  node.input = in;
  node.output = out;
  node.inputs = bias ? 3 : weights ? 2 : 1;
  node.outputs = 1;
  ANET_TRY(anet__onnx_handler_find(node.op)(im, &node));
  node.input = out;
  ANET_TRY(anet__onnx_get(im, &node, 0, &made));
  *value = made->node;
  return ANET_OK;
}

/* Join planes of the output, of one shape, row after row. */
static int join_planes(volume *v, const int32_t *plane, bool batch)
{
  const anet_shape s = anet__net_at(v->im->net, plane[0])->shape;
  const int64_t dim[5] = {1, s.dim[2], v->out, s.dim[0], s.dim[1]};
  int32_t in[ANET_MAX_INPUTS] = {plane[0]}, held = 1;
  anet__layout layout;
  for (int32_t z = 1; z < v->out; z++) {
    in[held++] = plane[z];
    if (held < ANET_MAX_INPUTS && z + 1 < v->out) continue;
    ANET_TRY(anet__onnx_add(v->im, v->node, z + 1 < v->out ? ".part" : "", "concat",
                            &(anet_attr){.axis = 2}, in, held, &in[0]));
    held = 1;
  }
  ANET_TRY(anet__layout_image(batch, 5, dim, &layout));
  return anet__onnx_bind_node(v->im, v->node, 0, in[0], &layout);
}

/* ---- convolutions --------------------------------------------------------------------------- */

/* (a, b, kd, kh, kw) at one kd, under a name. */
static int bind_tap(volume *v, const anet__onnx_array *w, int32_t k, const char **name)
{
  anet__onnx_pool *pool = &v->im->model.pool;
  const int64_t dim[4] = {w->dim[0], w->dim[1], w->dim[3], w->dim[4]};
  const size_t taps = (size_t)(dim[2] * dim[3]), depth = (size_t)w->dim[2];
  anet__onnx_array *tap;
  ANET_TRY(anet__onnx_array_new(pool, true, 4, dim, &tap));
  for (size_t i = 0; i < tap->count; i++)
    tap->f[i] = (float)anet__onnx_at(w, (i / taps * depth + (size_t)k) * taps + i % taps);
  *name = anet__onnx_text(pool, "%s.tap.%d", v->node->output[0], k);
  if (!*name) return pool->rc;
  return anet__onnx_bind(v->im, *name, &(anet__onnx_value){.array = tap, .node = -1});
}

/* Plane z: the sum of its taps, of which the first has the bias. first[k], first of all with a
 * bias: who else runs tap k takes their parameters. */
static int sum_taps(volume *v, int32_t z, const char *const *tap, int32_t *first, int32_t *biased,
                    int32_t *out)
{
  anet_net *net = v->im->net;
  const char *bias = anet__onnx_input(v->node, 2);
  *out = -1;
  for (int32_t k = 0; k < v->depth.kernel[0]; k++) {
    int32_t d, value;
    char suffix[32];
    if (!plane_of(v, z, k, &d)) continue;
    const bool has_bias = bias && *out < 0;
    snprintf(suffix, sizeof suffix, "%d.%d", z, k);
    ANET_TRY(run_plane(v, d, tap[k], has_bias ? bias : NULL, suffix, &value));
    if (first[k] >= 0) ANET_TRY(anet_net_set_param(net, value, 0, net->node[first[k]].param[0]));
    if (has_bias && *biased >= 0)
      ANET_TRY(anet_net_set_param(net, value, 1, net->node[*biased].param[1]));
    if (first[k] < 0) first[k] = value;
    if (has_bias && *biased < 0) *biased = value;
    const int32_t in[2] = {*out, value};
    if (*out < 0)
      *out = value;
    else
      ANET_TRY(anet__onnx_add(v->im, v->node, ".sum", "add", NULL, in, 2, out));
  }
  return *out >= 0 ? ANET_OK : anet__onnx_unsupported("plane %d of its output reads nothing", z);
}

static int convolve(volume *v, anet__onnx_value *x)
{
  anet__onnx_pool *pool = &v->im->model.pool;
  const anet__onnx_array *w;
  int32_t biased = -1;
  ANET_TRY(anet__onnx_get_array(v->im, v->node, 1, &w));
  if (!w || w->rank != 5 || w->count == 0)
    return anet_fail(ANET_SHAPE, "its weights have %d axes, want 5", w ? w->rank : 0);
  ANET_TRY(read_depth(v, w));
  ANET_TRY(cut_planes(v, x));
  const int32_t taps = v->depth.kernel[0];
  const char **tap = anet__onnx_take(pool, (size_t)taps, sizeof *tap);
  int32_t *first = anet__onnx_take(pool, (size_t)taps, sizeof *first);
  int32_t *plane = anet__onnx_take(pool, (size_t)v->out, sizeof *plane);
  if (!tap || !first || !plane) return pool->rc;
  for (int32_t k = 0; k < taps; k++) {
    ANET_TRY(bind_tap(v, w, k, &tap[k]));
    first[k] = -1;
  }
  for (int32_t z = 0; z < v->out; z++) ANET_TRY(sum_taps(v, z, tap, first, &biased, &plane[z]));
  return join_planes(v, plane, x->layout.batch);
}

/* ---- pools ---------------------------------------------------------------------------------- */

/* Plane z: the largest, or the mean, of pooled planes. Padding counts where the op says so. */
static int pool_taps(volume *v, int32_t z, const int32_t *pooled, bool average, int32_t *out)
{
  const bool counts = anet__onnx_int(v->node, "count_include_pad", 0) != 0;
  const int64_t begin = (int64_t)z * v->depth.stride[0] - v->depth.pad[0];
  int32_t share = 0;
  *out = -1;
  for (int32_t k = 0; k < v->depth.kernel[0]; k++) {
    int32_t d;
    const bool there = plane_of(v, z, k, &d);
    share += counts ? begin + (int64_t)k * v->depth.dilation[0] < v->end : there;
    if (!there) continue;
    const int32_t in[2] = {*out, pooled[d]};
    if (*out < 0)
      *out = pooled[d];
    else
      ANET_TRY(
          anet__onnx_add(v->im, v->node, ".sum", average ? "add" : "maximum", NULL, in, 2, out));
  }
  if (*out < 0) return anet__onnx_unsupported("plane %d of its output reads nothing", z);
  const anet_attr mean = {.alpha = 1.0F / (float)share};
  if (!average || share == 1) return ANET_OK;
  return anet__onnx_add(v->im, v->node, ".mean", "affine", &mean, out, 1, out);
}

static int pool(volume *v, anet__onnx_value *x, bool average)
{
  anet__onnx_pool *memory = &v->im->model.pool;
  ANET_TRY(read_depth(v, NULL));
  ANET_TRY(cut_planes(v, x));
  int32_t *pooled = anet__onnx_take(memory, (size_t)v->in, sizeof *pooled);
  int32_t *plane = anet__onnx_take(memory, (size_t)v->out, sizeof *plane);
  if (!pooled || !plane) return memory->rc;
  for (int32_t d = 0; d < v->in; d++) {
    char suffix[16];
    snprintf(suffix, sizeof suffix, "%d", d);
    ANET_TRY(run_plane(v, d, NULL, NULL, suffix, &pooled[d]));
  }
  for (int32_t z = 0; z < v->out; z++) ANET_TRY(pool_taps(v, z, pooled, average, &plane[z]));
  return join_planes(v, plane, x->layout.batch);
}

int anet__onnx_volume(anet__onnx_import *im, const anet__onnx_node *node)
{
  volume v = {.im = im, .node = node, .back = strcmp(node->op, "ConvTranspose") == 0};
  anet__onnx_value x;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  if (x.layout.axes != 5 || !x.layout.batch || node->outputs < 1)
    return anet__onnx_unsupported("its input has %d axes%s, want images or volumes (N, C, D, H, W)",
                                  x.layout.axes, x.layout.batch ? "" : " and no batch");
  const int64_t planes = anet__layout_dim(&x.layout, 2);
  v.in = (int32_t)ANET_MIN(planes, MOST_PLANES + 1);
  v.slice = anet__onnx_text(&im->model.pool, "%s.in", node->output[0]);
  if (!v.slice) return im->model.pool.rc;
  if (strcmp(node->op, "MaxPool") == 0) return pool(&v, &x, false);
  if (strcmp(node->op, "AveragePool") == 0) return pool(&v, &x, true);
  return convolve(&v, &x);
}
