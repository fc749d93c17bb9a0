/* conv: in (h, w, cin), weight (kh, kw, cin / groups, cout), out (ho, wo, cout).
 * attr: kernel stride dilation pad groups channels bias. */
#include "base/error.h"
#include "op/phase.h"
#include "op/sweep.h"
#include "op/winograd.h"
#include "op/work.h"

#include <string.h>

static int conv_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  if (a->channels < 1 || a->groups < 1)
    return anet_fail(ANET_RANGE, "conv: channels %d and groups %d must be at least 1", a->channels,
                     a->groups);
  ANET_TRY(anet__window_shape("conv", a, in, a->channels, out));
  if (in->dim[2] % a->groups || a->channels % a->groups)
    return anet_fail(ANET_SHAPE, "conv: input %s and %d output channels do not divide by %d groups",
                     anet__shape_text(in, text), a->channels, a->groups);
  return ANET_OK;
}

static int conv_params(const anet_attr *a, const anet_shape *in, anet__param_spec *spec,
                       int32_t *count)
{
  const int32_t cin = in->dim[2] / a->groups;
  spec[0] = (anet__param_spec){
      .name = "weight",
      .role = ANET_PARAM_WEIGHT,
      .shape = {4, {a->kernel[0], a->kernel[1], cin, a->channels}},
      .fan = (double)a->kernel[0] * a->kernel[1] * a->channels / a->groups,
  };
  *count = 1;
  if (a->bias)
    spec[(*count)++] =
        (anet__param_spec){.name = "bias", .role = ANET_PARAM_BIAS, .shape = {1, {a->channels}}};
  return ANET_OK;
}

/* Taps of a window lie evenly apart only if it is cut along its last two axes alone. */
anet__filter anet__conv_filter(const anet__call *c)
{
  const anet_attr *a = c->attr;
  const anet_tensor *w = c->param[0];
  const int32_t cout = a->channels / a->groups;
  ANET_ASSERT(w->stride[0] == a->kernel[1] * w->stride[1]);
  return (anet__filter){
      .w = anet__f32(w),
      .taps = a->kernel[0] * a->kernel[1],
      .cin = c->in_shape[0].dim[2] / a->groups,
      .cout = cout,
      .groups = a->groups,
      .ld_tap = (size_t)w->stride[1],
      .ld_in = (size_t)w->stride[2],
      .ld_out = 1,
      .ld_group = (size_t)cout,
  };
}

/* Side of a Winograd tile; 0: the method is a sweep. */
static int32_t tile_side(const anet__call *c)
{
  return c->method == ANET_METHOD_WINOGRAD_2 ? 2 : c->method == ANET_METHOD_WINOGRAD_4 ? 4 : 0;
}

static size_t conv_pack_size(const anet__call *c)
{
  const anet__filter f = anet__conv_filter(c);
  const int32_t m = tile_side(c);
  return m ? anet__winograd_floats(c->kernels, &f, m) : anet__filter_floats(c->kernels, &f);
}

static void conv_pack(const anet__call *c, float *packed)
{
  const anet__filter f = anet__conv_filter(c);
  const int32_t m = tile_side(c);
  if (m)
    anet__winograd_pack(c->kernels, c->pool, &f, m, packed);
  else
    anet__filter_pack(c->kernels, c->pool, &f, packed);
}

static anet__winograd winograd_of(const anet__call *c)
{
  return (anet__winograd){.m = tile_side(c),
                          .filter = anet__conv_filter(c),
                          .packed = c->packed,
                          .in = c->in[0],
                          .out = c->out,
                          .out_ld = c->out_ld ? c->out_ld : (size_t)c->attr->channels,
                          .images = c->n,
                          .pad = {c->attr->pad[0], c->attr->pad[1]},
                          .in_shape = &c->in_shape[0],
                          .out_shape = &c->out_shape,
                          .post = c->post};
}

/* Scratch, as offsets in floats; backward starts anew. */
typedef struct layout {
  size_t outside, packed, copy, winograd, gather, data, partial, sums, floats;
} layout;

/* Joining taps wants all channels in one group, and the weights of a line of taps side by side. */
static bool joined(const anet__call *c)
{
  const anet__taps taps = anet__taps_window(c->attr, &c->in_shape[0], &c->out_shape);
  const anet__filter f = anet__conv_filter(c);
  return f.groups == 1 && f.ld_tap == (size_t)f.cin * f.ld_in && anet__taps_joins(&taps);
}

/* Zeros that padding reads: a pixel, or a line of taps. */
static size_t outside_floats(const anet__call *c)
{
  return (size_t)c->in_shape[0].dim[2] / (size_t)c->attr->groups *
         (joined(c) ? (size_t)c->attr->kernel[1] : 1);
}

static layout forward_layout(const anet__call *c)
{
  layout l = {0};
  l.outside = anet__take(&l.floats, outside_floats(c));
  l.packed = anet__take(&l.floats, c->packed ? 0 : conv_pack_size(c));
  if (tile_side(c)) {
    const anet__winograd w = winograd_of(c);
    l.winograd = anet__take(&l.floats, anet__winograd_scratch(&w, c->pool));
  } else {
    const anet__taps taps = anet__taps_window(c->attr, &c->in_shape[0], &c->out_shape);
    l.copy =
        anet__take(&l.floats, joined(c) ? anet__taps_join_floats(&taps, c->n)
                                        : anet__taps_spread_floats(&taps, c->n, c->kernels->rows));
  }
  return l;
}

static anet__data_grad data_grad(const anet__call *c)
{
  const anet__filter f = anet__conv_filter(c);
  return (anet__data_grad){.call = c,
                           .tile = anet__data_grad_tiles(c->attr) ? tile_side(c) : 0,
                           .weight = f.w,
                           .ld_tap = f.ld_tap,
                           .ld_in = f.ld_in,
                           .cin = f.cin,
                           .cout = f.cout,
                           .groups = f.groups};
}

static anet__filter_grad filter_grad(const anet__call *c)
{
  const anet__filter f = anet__conv_filter(c);
  return (anet__filter_grad){.kernels = c->kernels,
                             .taps = anet__taps_window(c->attr, &c->in_shape[0], &c->out_shape),
                             .images = c->n,
                             .cin = f.cin,
                             .cout = f.cout,
                             .groups = f.groups};
}

static layout backward_layout(const anet__call *c)
{
  const anet__data_grad data = data_grad(c);
  const anet__filter_grad filter = filter_grad(c);
  const size_t rows = (size_t)c->n * anet__pixels(&c->out_shape);
  layout l = {0};
  l.outside = anet__take(&l.floats, (size_t)ANET_MAX(data.cin, data.cout));
  l.packed = anet__take(&l.floats, c->packed_back ? 0 : anet__data_grad_packed(&data));
  l.gather = anet__take(&l.floats, c->packed_back ? 0 : anet__data_grad_gather(&data));
  l.data = anet__take(&l.floats, anet__data_grad_scratch(&data));
  l.partial = anet__take(&l.floats, anet__filter_grad_floats(&filter));
  l.sums = anet__take(&l.floats, c->attr->bias ? anet__sums_floats(rows, c->attr->channels) : 0);
  return l;
}

static size_t conv_scratch(const anet__call *c, bool training)
{
  const size_t forward = forward_layout(c).floats;
  const size_t backward = training ? backward_layout(c).floats : 0;
  return ANET_MAX(forward, backward) * sizeof(float);
}

static void conv_winograd(const anet__call *c, const float *packed, const float *outside,
                          float *scratch)
{
  anet__winograd w = winograd_of(c);
  w.packed = packed;
  w.outside = outside;
  w.scratch = scratch;
  anet__winograd_run(c->kernels, c->pool, &w);
}

static void conv_sweep(const anet__call *c, const float *packed, const float *outside,
                       float *scratch)
{
  anet__sweep s = {
      .kernels = c->kernels,
      .filter = anet__conv_filter(c),
      .packed = packed,
      .taps = anet__taps_window(c->attr, &c->in_shape[0], &c->out_shape),
      .images = c->n,
      .post = c->post,
  };
  s.taps.base = c->in[0];
  s.taps.outside = outside;
  if (joined(c)) {
    anet__taps_join(c->pool, &s.taps, c->n, scratch);
    s.filter.cin *= c->attr->kernel[1];
    s.filter.taps = c->attr->kernel[0];
  } else {
    anet__taps_spread(c->pool, &s.taps, c->n, c->kernels->rows, scratch);
  }
  anet__sweep_even(&s, c->out, c->out_ld ? c->out_ld : (size_t)c->attr->channels);
  anet__sweep_conv(c->pool, &s);
}

static void conv_forward(const anet__call *c)
{
  const layout l = forward_layout(c);
  float *scratch = c->scratch, *outside = scratch + l.outside;
  const float *packed = c->packed;
  memset(outside, 0, outside_floats(c) * sizeof *outside);
  if (!packed) {
    conv_pack(c, scratch + l.packed);
    packed = scratch + l.packed;
  }
  if (tile_side(c))
    conv_winograd(c, packed, outside, scratch + l.winograd);
  else
    conv_sweep(c, packed, outside, scratch + l.copy);
}

static size_t conv_pack_back_size(const anet__call *c)
{
  const anet__data_grad data = data_grad(c);
  return anet__data_grad_packed(&data);
}

static void conv_pack_back(const anet__call *c, float *packed)
{
  const anet__data_grad data = data_grad(c);
  anet__data_grad_pack(&data, (float *)c->scratch + backward_layout(c).gather, packed);
}

static void conv_backward(const anet__grad_call *g)
{
  const anet__call *c = &g->call;
  const layout l = backward_layout(c);
  float *scratch = c->scratch;
  if (g->dparam[0]) {
    anet__filter_grad filter = filter_grad(c);
    memset(scratch + l.outside, 0, (size_t)filter.cin * sizeof *scratch);
    filter.taps.base = c->in[0];
    filter.taps.outside = scratch + l.outside;
    filter.dy = g->dout;
    filter.dw = g->dparam[0];
    filter.partial = scratch + l.partial;
    anet__filter_grad_run(c->pool, &filter);
  }
  if (g->dparam[1])
    anet__bias_grad(c, g->dout, (size_t)c->n * anet__pixels(&c->out_shape), c->attr->channels,
                    (double *)(scratch + l.sums), g->dparam[1]);
  if (g->din[0]) {
    anet__data_grad data = data_grad(c);
    data.dout = g->dout;
    data.din = g->din[0];
    data.add = g->add[0];
    data.outside = scratch + l.outside;
    data.scratch = scratch + l.data;
    data.packed = c->packed_back;
    if (!data.packed) {
      conv_pack_back(c, scratch + l.packed);
      data.packed = scratch + l.packed;
    }
    anet__data_grad_run(&data);
  }
}

/* A sweep runs near the peak where a register tile has some depth. A matrix of Winograd's runs as
 * well, its tiles cover more pixels than there are, and transforms move every point through the
 * caches; where an image has few tiles, the larger weights come from memory and are hardly used,
 * and they take that memory from others. */
static double conv_cost(const anet__call *c, anet__method method)
{
  const double cin = c->in_shape[0].dim[2], cout = c->out_shape.dim[2], n = c->n;
  if (method == ANET_METHOD_DIRECT)
    return n * (double)anet__pixels(&c->out_shape) * c->attr->kernel[0] * c->attr->kernel[1] * cin *
           cout / c->attr->groups;
  if (!anet__winograd_fits(c->attr)) return 0;
  const int32_t m = method == ANET_METHOD_WINOGRAD_2 ? 2 : 4;
  const double points = (m + 2) * (m + 2);
  const double tiles =
      (double)((c->out_shape.dim[0] + m - 1) / m) * (double)((c->out_shape.dim[1] + m - 1) / m);
  return points * (n * tiles * (cin * cout + 20 * (cin + cout)) + 10 * cin * cout);
}

static double conv_macs(const anet_attr *a, const anet_shape *in, const anet_shape *out)
{
  return (double)anet__shape_size(out) * a->kernel[0] * a->kernel[1] * in->dim[2] / a->groups;
}

const anet__op anet__op_conv = {
    .name = "conv",
    .min_inputs = 1,
    .max_inputs = 1,
    .by_image = true,
    .has_post = true,
    .grad_needs_in = true,
    .shape = conv_shape,
    .params = conv_params,
    .forward = conv_forward,
    .backward = conv_backward,
    .scratch = conv_scratch,
    .pack_size = conv_pack_size,
    .pack = conv_pack,
    .cost = conv_cost,
    .pack_back_size = conv_pack_back_size,
    .pack_back = conv_pack_back,
    .macs = conv_macs,
};
