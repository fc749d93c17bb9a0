/* depthwise: in (h, w, c), weight (kh, kw, c), out (ho, wo, c).
 * attr: kernel stride dilation pad bias. */
#include "base/error.h"
#include "op/lines.h"
#include "op/phase.h"
#include "op/sweep.h"
#include "op/work.h"

#include <string.h>

static int depthwise_shape(const anet_attr *a, const anet_shape *in, int32_t inputs,
                           anet_shape *out)
{
  return anet__window_shape("depthwise", a, in, in->dim[2], out);
}

static int depthwise_params(const anet_attr *a, const anet_shape *in, anet__param_spec *spec,
                            int32_t *count)
{
  spec[0] = (anet__param_spec){
      .name = "weight",
      .role = ANET_PARAM_WEIGHT,
      .shape = {3, {a->kernel[0], a->kernel[1], in->dim[2]}},
      .fan = (double)a->kernel[0] * a->kernel[1],
  };
  *count = 1;
  if (a->bias)
    spec[(*count)++] =
        (anet__param_spec){.name = "bias", .role = ANET_PARAM_BIAS, .shape = {1, {in->dim[2]}}};
  return ANET_OK;
}

anet__filter anet__depthwise_filter(const anet__call *c)
{
  const anet_tensor *w = c->param[0];
  ANET_ASSERT(w->stride[0] == c->attr->kernel[1] * w->stride[1]);
  return (anet__filter){
      .w = anet__f32(w),
      .taps = c->attr->kernel[0] * c->attr->kernel[1],
      .cin = 1,
      .cout = c->in_shape[0].dim[2],
      .groups = 1,
      .ld_tap = (size_t)w->stride[1],
      .ld_in = 0,
      .ld_out = 1,
  };
}

static anet__data_grad data_grad(const anet__call *c)
{
  const anet__filter f = anet__depthwise_filter(c);
  return (anet__data_grad){.call = c,
                           .weight = f.w,
                           .ld_tap = f.ld_tap,
                           .cin = 1,
                           .cout = f.cout,
                           .groups = 1,
                           .depthwise = true};
}

static anet__filter_grad filter_grad(const anet__call *c)
{
  return (anet__filter_grad){.kernels = c->kernels,
                             .taps = anet__taps_window(c->attr, &c->in_shape[0], &c->out_shape),
                             .images = c->n,
                             .cin = 1,
                             .cout = c->in_shape[0].dim[2],
                             .groups = 1,
                             .depthwise = true};
}

/* Scratch, as offsets in floats. */
typedef struct layout {
  size_t outside, packed, partial, sums, floats;
} layout;

static layout layout_of(const anet__call *c, bool backward)
{
  const anet__data_grad data = data_grad(c);
  const anet__filter_grad filter = filter_grad(c);
  const size_t rows = (size_t)c->n * anet__pixels(&c->out_shape);
  layout l = {0};
  l.outside = anet__take(&l.floats, (size_t)data.cout);
  if (!backward) return l;
  l.packed = anet__take(&l.floats, c->packed_back ? 0 : anet__data_grad_packed(&data));
  l.partial = anet__take(&l.floats, anet__filter_grad_floats(&filter));
  l.sums = anet__take(&l.floats, c->attr->bias ? anet__sums_floats(rows, data.cout) : 0);
  return l;
}

static size_t depthwise_scratch(const anet__call *c, bool training)
{
  return layout_of(c, training).floats * sizeof(float);
}

static void depthwise_forward(const anet__call *c)
{
  float *outside = c->scratch;
  anet__sweep s = {
      .kernels = c->kernels,
      .filter = anet__depthwise_filter(c),
      .taps = anet__taps_window(c->attr, &c->in_shape[0], &c->out_shape),
      .images = c->n,
      .post = c->post,
  };
  memset(outside, 0, (size_t)s.filter.cout * sizeof *outside);
  s.taps.base = c->in[0];
  s.taps.outside = outside;
  anet__sweep_dense(&s, c->out);
  if (anet__lines_fit(&s.taps))
    anet__lines_depthwise(c->pool, &s);
  else
    anet__sweep_depthwise(c->pool, &s);
}

static size_t depthwise_pack_back_size(const anet__call *c)
{
  const anet__data_grad data = data_grad(c);
  return anet__data_grad_packed(&data);
}

static void depthwise_pack_back(const anet__call *c, float *packed)
{
  const anet__data_grad data = data_grad(c);
  anet__data_grad_pack(&data, NULL, packed);
}

static void depthwise_backward(const anet__grad_call *g)
{
  const anet__call *c = &g->call;
  const int32_t channels = c->in_shape[0].dim[2];
  const layout l = layout_of(c, true);
  float *scratch = c->scratch, *outside = scratch + l.outside;
  memset(outside, 0, (size_t)channels * sizeof *outside);
  if (g->dparam[0]) {
    anet__filter_grad filter = filter_grad(c);
    filter.taps.base = c->in[0];
    filter.taps.outside = outside;
    filter.dy = g->dout;
    filter.dw = g->dparam[0];
    filter.partial = scratch + l.partial;
    anet__filter_grad_run(c->pool, &filter);
  }
  if (g->dparam[1])
    anet__bias_grad(c, g->dout, (size_t)c->n * anet__pixels(&c->out_shape), channels,
                    (double *)(scratch + l.sums), g->dparam[1]);
  if (g->din[0]) {
    anet__data_grad data = data_grad(c);
    data.dout = g->dout;
    data.din = g->din[0];
    data.add = g->add[0];
    data.outside = outside;
    data.packed = c->packed_back;
    if (!data.packed) {
      depthwise_pack_back(c, scratch + l.packed);
      data.packed = scratch + l.packed;
    }
    anet__data_grad_run(&data);
  }
}

static double depthwise_macs(const anet_attr *a, const anet_shape *in, const anet_shape *out)
{
  return (double)anet__shape_size(out) * a->kernel[0] * a->kernel[1];
}

const anet__op anet__op_depthwise = {
    .name = "depthwise",
    .min_inputs = 1,
    .max_inputs = 1,
    .by_image = true,
    .has_post = true,
    .grad_needs_in = true,
    .shape = depthwise_shape,
    .params = depthwise_params,
    .forward = depthwise_forward,
    .backward = depthwise_backward,
    .scratch = depthwise_scratch,
    .pack_back_size = depthwise_pack_back_size,
    .pack_back = depthwise_pack_back,
    .macs = depthwise_macs,
};
