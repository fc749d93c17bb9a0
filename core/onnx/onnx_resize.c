/* Resize and Upsample. What the engine's own op can say becomes that: nearest and linear, whole
 * sizes. All else is linear along each axis too (cubic, antialiased, by scales that make no whole
 * size, of a part of the input), so it is a constant matrix an axis. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_import.h"

typedef enum mode { NEAREST, LINEAR, CUBIC } mode;
typedef enum centre {
  HALF_PIXEL,
  ASYMMETRIC,
  ALIGN_CORNERS,
  PYTORCH_HALF_PIXEL,
  TF_HALF_PIXEL_FOR_NN,
  HALF_PIXEL_SYMMETRIC,
  TF_CROP_AND_RESIZE
} centre;
typedef enum rounding { PREFER_FLOOR, FLOOR, CEIL, PREFER_CEIL } rounding;

/* Along one axis: `in` pixels become `out`, `scale` times as many (which need not be whole). */
typedef struct line {
  int64_t in, out;
  double scale;
  double begin, end; /* TF_CROP_AND_RESIZE: the part of the input that is taken, 0 to 1 */
} line;

typedef struct resizing {
  int32_t mode, centre, round;
  bool antialias, excludes;
  double cubic; /* the coefficient a of Keys' kernel */
  float beyond; /* what stands where the part goes beyond the input */
  line line[ANET_ONNX_RANK];
} resizing;

/* ---- reading -------------------------------------------------------------------------------- */

static int find_word(const char *what, const char *word, const char *const *list, int32_t count,
                     int32_t *out)
{
  for (*out = 0; *out < count; ++*out)
    if (strcmp(list[*out], word) == 0) return ANET_OK;
  return anet__onnx_unsupported("%s '%s' is not supported", what, word);
}

/* Before opset 11 (Upsample, and the first Resize) corners correspond, and nothing could be told.
 */
static int read_kind(const anet__onnx_import *im, const anet__onnx_node *node, resizing *r)
{
  static const char *const mode[] = {"nearest", "linear", "cubic"};
  static const char *const centre[] = {
      "half_pixel",           "asymmetric",           "align_corners",     "pytorch_half_pixel",
      "tf_half_pixel_for_nn", "half_pixel_symmetric", "tf_crop_and_resize"};
  static const char *const round[] = {"round_prefer_floor", "floor", "ceil", "round_prefer_ceil"};
  const bool old = im->model.opset < 11;
  const char *word = anet__onnx_word(node, "mode", "nearest");
  const char *where =
      anet__onnx_word(node, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  const char *nearest = anet__onnx_word(node, "nearest_mode", old ? "floor" : "round_prefer_floor");
  if (strcmp(word, "bilinear") == 0) word = "linear";
  *r = (resizing){.antialias = anet__onnx_int(node, "antialias", 0) != 0,
                  .excludes = anet__onnx_int(node, "exclude_outside", 0) != 0,
                  .cubic = (double)anet__onnx_real(node, "cubic_coeff_a", -0.75F),
                  .beyond = anet__onnx_real(node, "extrapolation_value", 0)};
  ANET_TRY(find_word("mode", word, mode, ANET_COUNT(mode), &r->mode));
  ANET_TRY(
      find_word("coordinate_transformation_mode", where, centre, ANET_COUNT(centre), &r->centre));
  return find_word("nearest_mode", nearest, round, ANET_COUNT(round), &r->round);
}

/* Scales, sizes and parts of the input: how many axes they speak of, and which. */
typedef struct given {
  const anet__onnx_array *scales, *sizes, *parts;
  int32_t axis[ANET_ONNX_RANK], axes;
} given;

static int read_axes(const anet__onnx_node *node, const anet__layout *l, given *g)
{
  int64_t axis[ANET_ONNX_RANK];
  const int32_t count = anet__onnx_ints(node, "axes", axis, ANET_ONNX_RANK);
  if (count > ANET_ONNX_RANK) return anet_fail(ANET_FORMAT, "it has %d axes", count);
  g->axes = count ? count : l->axes;
  for (int32_t i = 0; i < g->axes; i++)
    ANET_TRY(anet__onnx_axis(node, count ? axis[i] : i, l->axes, &g->axis[i]));
  return ANET_OK;
}

static bool is_empty(const anet__onnx_array *a)
{
  return !a || a->count == 0;
}

/* Scales were an attribute of the first Upsample. */
static int read_given(anet__onnx_import *im, const anet__onnx_node *node, const anet__layout *l,
                      given *g)
{
  const bool old = im->model.opset < 11;
  const anet__onnx_attr *attr = anet__onnx_attr_find(node, "scales");
  *g = (given){0};
  ANET_TRY(read_axes(node, l, g));
  if (attr) {
    anet__onnx_array *scales;
    if (!attr->reals) return anet_fail(ANET_FORMAT, "its scales are no floats");
    ANET_TRY(
        anet__onnx_array_new(&im->model.pool, true, 1, (int64_t[]){(int64_t)attr->count}, &scales));
    memcpy(scales->f, attr->reals, attr->count * sizeof *scales->f);
    g->scales = scales;
  } else
    ANET_TRY(anet__onnx_get_array(im, node, old ? 1 : 2, &g->scales));
  if (!old) ANET_TRY(anet__onnx_get_array(im, node, 1, &g->parts));
  if (!old) ANET_TRY(anet__onnx_get_array(im, node, 3, &g->sizes));
  const anet__onnx_array *from = is_empty(g->sizes) ? g->scales : g->sizes;
  if (is_empty(from) || from->count != (size_t)g->axes)
    return anet_fail(ANET_SHAPE, "it has %zu scales or sizes for %d axes",
                     is_empty(from) ? 0 : from->count, g->axes);
  return ANET_OK;
}

/* A scale that all but gives a whole size is what that size says: files round it. */
static int from_scale(line *l, double scale, int32_t axis)
{
  const double all = (double)l->in * scale;
  if (!(all >= 1 && all < 0x1p31))
    return anet_fail(ANET_RANGE, "scale %g of axis %d makes %g", scale, axis, all);
  l->out = (int64_t)floor(all + 1e-4);
  l->scale = fabs(all - (double)l->out) > 1e-3 ? scale : (double)l->out / (double)l->in;
  return ANET_OK;
}

static int from_size(line *l, double size, int32_t axis)
{
  if (!(size >= 1 && size < 0x1p31))
    return anet_fail(ANET_RANGE, "axis %d of %lld becomes %g", axis, (long long)l->in, size);
  l->out = (int64_t)size;
  l->scale = size / (double)l->in;
  return ANET_OK;
}

/* keep_aspect_ratio_policy: one scale for all axes, the smallest or the largest. */
static int keep_ratio(const anet__onnx_node *node, const given *g, resizing *r)
{
  const char *policy = anet__onnx_word(node, "keep_aspect_ratio_policy", "stretch");
  const bool larger = strcmp(policy, "not_smaller") == 0;
  double scale = larger ? 0 : INFINITY;
  if (strcmp(policy, "stretch") == 0 || is_empty(g->sizes)) return ANET_OK;
  if (!larger && strcmp(policy, "not_larger") != 0)
    return anet__onnx_unsupported("keep_aspect_ratio_policy '%s' is not supported", policy);
  for (int32_t i = 0; i < g->axes; i++) {
    const double own = r->line[g->axis[i]].scale;
    scale = larger ? fmax(scale, own) : fmin(scale, own);
  }
  for (int32_t i = 0; i < g->axes; i++) {
    line *l = &r->line[g->axis[i]];
    ANET_TRY(from_size(l, floor(scale * (double)l->in + 0.5), g->axis[i]));
    l->scale = scale;
  }
  return ANET_OK;
}

static int read_lines(anet__onnx_import *im, const anet__onnx_node *node, const anet__layout *l,
                      resizing *r)
{
  given g;
  ANET_TRY(read_given(im, node, l, &g));
  for (int32_t a = 0; a < l->axes; a++) {
    const int64_t size = a == 0 && l->batch ? 1 : anet__layout_dim(l, a);
    r->line[a] = (line){size, size, 1, 0, 1};
  }
  for (int32_t i = 0; i < g.axes; i++) {
    const int32_t a = g.axis[i];
    if (is_empty(g.sizes))
      ANET_TRY(from_scale(&r->line[a], anet__onnx_at(g.scales, (size_t)i), a));
    else if (!(a == 0 && l->batch))
      ANET_TRY(from_size(&r->line[a], anet__onnx_at(g.sizes, (size_t)i), a));
  }
  ANET_TRY(keep_ratio(node, &g, r));
  if (r->centre != TF_CROP_AND_RESIZE) return ANET_OK;
  if (is_empty(g.parts) || g.parts->count != 2 * (size_t)g.axes)
    return anet_fail(ANET_SHAPE, "its roi has %zu numbers, want %d",
                     is_empty(g.parts) ? 0 : g.parts->count, 2 * g.axes);
  for (int32_t i = 0; i < g.axes; i++) {
    r->line[g.axis[i]].begin = anet__onnx_at(g.parts, (size_t)i);
    r->line[g.axis[i]].end = anet__onnx_at(g.parts, (size_t)(i + g.axes));
  }
  return ANET_OK;
}

/* ---- a matrix an axis ----------------------------------------------------------------------- */

/* Where pixel o of the output lies among those of the input. */
static double place_of(const resizing *r, const line *l, int64_t o)
{
  const double at = (double)o, in = (double)l->in, all = l->scale * in;
  switch (r->centre) {
    case ASYMMETRIC:
      return at / l->scale;
    case ALIGN_CORNERS:
      return all == 1 ? 0 : at * (in - 1) / (all - 1);
    case PYTORCH_HALF_PIXEL:
      return all > 1 ? (at + 0.5) / l->scale - 0.5 : 0;
    case TF_HALF_PIXEL_FOR_NN:
      return (at + 0.5) / l->scale;
    case HALF_PIXEL_SYMMETRIC:
      return in / 2 * (1 - (double)l->out / all) + (at + 0.5) / l->scale - 0.5;
    case TF_CROP_AND_RESIZE:
      if (l->out == 1) return (l->begin + l->end) / 2 * (in - 1);
      return l->begin * (in - 1) + at * (l->end - l->begin) * (in - 1) / ((double)l->out - 1);
    default:
      return (at + 0.5) / l->scale - 0.5;
  }
}

static double nearest_of(const resizing *r, double x)
{
  switch (r->round) {
    case FLOOR:
      return floor(x);
    case CEIL:
      return ceil(x);
    case PREFER_CEIL:
      return floor(x + 0.5);
    default:
      return ceil(x - 0.5);
  }
}

/* A tent, or Keys' cubic. */
static double kernel_at(const resizing *r, double x)
{
  const double a = r->cubic, d = fabs(x);
  if (r->mode == LINEAR) return fmax(1 - d, 0);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* Row o of the matrix: weights that sum to 1. What the kernel wants beyond an end it takes from the
 * end, or does without. */
static void fill_weights(const resizing *r, const line *l, double x, float *row)
{
  const double last = (double)l->in - 1;
  const double shrink = r->antialias ? fmin(l->scale, 1) : 1;
  const double reach = (r->mode == CUBIC ? 2 : 1) / shrink;
  double sum = 0;
  if (r->mode == NEAREST) {
    row[(size_t)fmin(fmax(nearest_of(r, x), 0), last)] = 1;
    return;
  }
  for (int32_t pass = 0; pass < 2; pass++)
    for (double p = floor(x - reach); p <= x + reach; p++) {
      const double weight = kernel_at(r, (p - x) * shrink);
      const bool inside = p >= 0 && p <= last;
      if (r->excludes && !inside) continue;
      if (pass == 0)
        sum += weight;
      else
        row[(size_t)fmin(fmax(p, 0), last)] += (float)(weight / sum);
    }
}

static int fill_matrix(const resizing *r, const line *l, float *to)
{
  for (int64_t o = 0; o < l->out; o++) {
    const double x = place_of(r, l, o), last = (double)l->in - 1;
    const bool inside = r->centre != TF_CROP_AND_RESIZE || (x >= 0 && x <= last);
    if (!isfinite(x) || fabs(x) > 0x1p31)
      return anet_fail(ANET_RANGE, "pixel %lld comes from %g", (long long)o, x);
    if (inside) fill_weights(r, l, x, to + o * l->in);
  }
  return ANET_OK;
}

/* v = the matrix times v along one axis, which is stored in front of all others for it. */
static int multiply_axis(anet__onnx_import *im, const anet__onnx_node *node, const resizing *r,
                         int32_t axis, anet__onnx_value *v)
{
  const line *l = &r->line[axis];
  const int32_t first = v->layout.batch ? 1 : 0, axes = v->layout.axes;
  const anet_attr shape = {.dim = {(int32_t)l->out, (int32_t)l->in}};
  int32_t order[ANET_ONNX_RANK] = {axis}, back[ANET_ONNX_RANK], used = 1, in[2];
  int64_t dim[ANET_ONNX_RANK], now[ANET_ONNX_RANK];
  anet__layout stored;
  /* the file's size bounds the matrix too */
  float *matrix = anet__onnx_take(&im->model.pool, (size_t)(l->out * l->in), sizeof *matrix);
  if (!matrix) return im->model.pool.rc;
  ANET_TRY(fill_matrix(r, l, matrix));
  for (int32_t a = first; a < axes; a++)
    if (a != axis) order[used++] = a;
  ANET_TRY(anet__onnx_store(im, node, v, order, (int32_t[]){1, used}, 2));
  ANET_TRY(anet__onnx_add(im, node, ".weights", "constant", &shape, NULL, 0, &in[0]));
  memcpy(anet__onnx_param(im, in[0], 0), matrix, (size_t)(l->out * l->in) * sizeof *matrix);
  in[1] = v->node;
  ANET_TRY(anet__onnx_add(im, node, ".axis", "matmul", NULL, in, 2, &v->node));
  anet__layout_dims(&v->layout, now);
  now[axis] = l->out;
  dim[0] = 1;
  for (int32_t i = 0; i < used; i++) {
    dim[first + i] = now[order[i]];
    back[order[i]] = first + i;
  }
  if (first) back[0] = 0;
  ANET_TRY(anet__layout_natural(v->layout.batch, axes, dim, &stored));
  anet__layout_transpose(&stored, back, &v->layout);
  return ANET_OK;
}

/* ---- the op --------------------------------------------------------------------------------- */

/* Rows and columns of images, each as its size says. */
static bool is_plain(const resizing *r, const anet__layout *l)
{
  bool plain = r->mode != CUBIC && (r->centre <= ALIGN_CORNERS || r->centre == PYTORCH_HALF_PIXEL);
  plain &= l->axes >= 2 && l->axes <= 4 && (l->batch || anet__layout_dim(l, 0) == 1);
  for (int32_t a = 0; a < l->axes; a++) {
    const line *s = &r->line[a];
    plain &= s->scale == (double)s->out / (double)s->in;
    plain &= !(r->antialias && s->scale < 1) && (a > 1 || s->out == s->in);
    plain &= r->centre != PYTORCH_HALF_PIXEL || s->out > 1 || s->in == 1;
  }
  return plain;
}

static int resize_image(anet__onnx_import *im, const anet__onnx_node *node, const resizing *r,
                        anet__onnx_value *x)
{
  const anet_attr attr = {.mode = r->mode == NEAREST ? ANET_RESIZE_NEAREST : ANET_RESIZE_BILINEAR,
                          .begin = r->centre == ASYMMETRIC      ? ANET_RESIZE_CORNER
                                   : r->centre == ALIGN_CORNERS ? ANET_RESIZE_ALIGN
                                                                : ANET_RESIZE_CENTRE,
                          .size = r->round == FLOOR         ? ANET_RESIZE_DOWN
                                  : r->round == CEIL        ? ANET_RESIZE_UP
                                  : r->round == PREFER_CEIL ? ANET_RESIZE_HALF_UP
                                                            : ANET_RESIZE_HALF_DOWN,
                          .dim = {x->layout.axes > 2 ? (int32_t)r->line[2].out : 1,
                                  x->layout.axes > 3 ? (int32_t)r->line[3].out : 1}};
  int32_t value;
  ANET_TRY(anet__onnx_store_image(im, node, x));
  ANET_TRY(anet__onnx_add(im, node, "", "resize", &attr, &x->node, 1, &value));
  return anet__onnx_bind_image(im, node, value, x->layout.axes, x->layout.batch);
}

int anet__onnx_op_resize(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_value x;
  resizing r;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &x));
  ANET_TRY(read_kind(im, node, &r));
  ANET_TRY(read_lines(im, node, &x.layout, &r));
  if (x.layout.batch && r.line[0].out != 1)
    return anet__onnx_unsupported("it resizes axis 0, the batch");
  if (is_plain(&r, &x.layout)) return resize_image(im, node, &r, &x);
  /* rows of zeros stand for what is beyond the input: it becomes 0 before, and what it is after */
  const anet_attr to_zero = {.alpha = 1, .beta = -r.beyond},
                  from_zero = {.alpha = 1, .beta = r.beyond};
  const bool beyond = r.centre == TF_CROP_AND_RESIZE && r.beyond != 0;
  if (beyond) ANET_TRY(anet__onnx_add(im, node, ".in", "affine", &to_zero, &x.node, 1, &x.node));
  for (int32_t a = 0; a < x.layout.axes; a++) {
    const bool crops =
        r.centre == TF_CROP_AND_RESIZE && (r.line[a].begin != 0 || r.line[a].end != 1);
    if (a == 0 && x.layout.batch && !crops) continue;
    if (crops || r.line[a].out != r.line[a].in || r.line[a].scale != 1)
      ANET_TRY(multiply_axis(im, node, &r, a, &x));
  }
  if (beyond) ANET_TRY(anet__onnx_add(im, node, "", "affine", &from_zero, &x.node, 1, &x.node));
  return anet__onnx_bind_node(im, node, 0, x.node, &x.layout);
}
