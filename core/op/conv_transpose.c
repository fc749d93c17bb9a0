/* conv_transpose: in (h, w, cin), weight (kh, kw, channels / groups, cin), out (ho, wo, channels):
 * what the convolution with these weights from `out` to `in` does to gradients of its output.
 * Forward is that convolution's gradient for data, backward its forward. attr: kernel stride
 * dilation pad groups channels bias, dim (rows, columns added at the end). */
#include <string.h>

#include "base/error.h"
#include "op/phase.h"
#include "op/sweep.h"
#include "op/work.h"

static int conv_transpose_shape(const anet_attr *a, const anet_shape *in, int32_t inputs,
                                anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  anet_shape back;
  size_t count;
  ANET_TRY(anet__want_image("conv_transpose", in));
  ANET_TRY(anet__window_check("conv_transpose", a));
  if (a->channels < 1 || a->groups < 1 || in->dim[2] % a->groups || a->channels % a->groups)
    return anet_fail(ANET_SHAPE, "conv_transpose: input %s, %d channels, %d groups do not divide",
                     anet__shape_text(in, text), a->channels, a->groups);
  *out = (anet_shape){3, {0, 0, a->channels}};
  for (int32_t i = 0; i < 2; i++) {
    const int64_t span = (int64_t)(a->kernel[i] - 1) * a->dilation[i] + 1;
    const int64_t size =
        (int64_t)(in->dim[i] - 1) * a->stride[i] + span + a->dim[i] - a->pad[i] - a->pad[i + 2];
    if (a->dim[i] < 0 || size < 1 || size > INT32_MAX)
      return anet_fail(ANET_SHAPE, "conv_transpose: of input %s it would make %lld %s",
                       anet__shape_text(in, text), (long long)size, i ? "columns" : "rows");
    out->dim[i] = (int32_t)size;
  }
  if (!anet__shape_count(out, &count))
    return anet_fail(ANET_SHAPE, "conv_transpose: output %s is too large",
                     anet__shape_text(out, text));
  return anet__window_shape("conv_transpose", a, out, in->dim[2], &back);
}

static int conv_transpose_params(const anet_attr *a, const anet_shape *in, anet__param_spec *spec,
                                 int32_t *count)
{
  spec[0] = (anet__param_spec){
      .name = "weight",
      .role = ANET_PARAM_WEIGHT,
      .shape = {4, {a->kernel[0], a->kernel[1], a->channels / a->groups, in->dim[2]}},
      .fan = (double)a->kernel[0] * a->kernel[1] * a->channels / a->groups,
  };
  *count = 1;
  if (a->bias)
    spec[(*count)++] =
        (anet__param_spec){.name = "bias", .role = ANET_PARAM_BIAS, .shape = {1, {a->channels}}};
  return ANET_OK;
}

/* The convolution that this one undoes: from our output to our input. */
static anet__call mirror(const anet__call *c)
{
  anet__call m = *c;
  m.in_shape[0] = c->out_shape;
  m.out_shape = c->in_shape[0];
  return m;
}

static anet__filter mirror_filter(const anet__call *c)
{
  const anet_attr *a = c->attr;
  const anet_tensor *w = c->param[0];
  const int32_t cout = c->in_shape[0].dim[2] / a->groups;
  return (anet__filter){
      .w = anet__f32(w),
      .taps = a->kernel[0] * a->kernel[1],
      .cin = a->channels / a->groups,
      .cout = cout,
      .groups = a->groups,
      .ld_tap = (size_t)w->stride[1],
      .ld_in = (size_t)w->stride[2],
      .ld_out = 1,
      .ld_group = (size_t)cout,
  };
}

static anet__data_grad data_of(const anet__call *m, const anet__call *c)
{
  const anet__filter f = mirror_filter(c);
  return (anet__data_grad){.call = m,
                           .weight = f.w,
                           .ld_tap = f.ld_tap,
                           .ld_in = f.ld_in,
                           .cin = f.cin,
                           .cout = f.cout,
                           .groups = f.groups};
}

static anet__filter_grad filter_grad(const anet__call *c)
{
  const anet__filter f = mirror_filter(c);
  return (anet__filter_grad){.kernels = c->kernels,
                             .taps = anet__taps_window(c->attr, &c->out_shape, &c->in_shape[0]),
                             .images = c->n,
                             .cin = f.cin,
                             .cout = f.cout,
                             .groups = f.groups};
}

/* Scratch, as offsets in floats; backward starts anew. */
typedef struct layout {
  size_t outside, packed, gather, data, partial, sums, floats;
} layout;

static layout forward_layout(const anet__call *c)
{
  const anet__call m = mirror(c);
  const anet__data_grad data = data_of(&m, c);
  layout l = {0};
  l.outside = anet__take(&l.floats, (size_t)data.cout);
  l.packed = anet__take(&l.floats, anet__data_grad_packed(&data));
  l.gather = anet__take(&l.floats, anet__data_grad_gather(&data));
  l.data = anet__take(&l.floats, anet__data_grad_scratch(&data));
  return l;
}

static layout backward_layout(const anet__call *c)
{
  const anet__filter f = mirror_filter(c);
  const anet__filter_grad filter = filter_grad(c);
  const size_t rows = (size_t)c->n * anet__pixels(&c->out_shape);
  layout l = {0};
  l.outside = anet__take(&l.floats, (size_t)f.cin);
  l.packed = anet__take(&l.floats, anet__filter_floats(c->kernels, &f));
  l.partial = anet__take(&l.floats, anet__filter_grad_floats(&filter));
  l.sums = anet__take(&l.floats, c->attr->bias ? anet__sums_floats(rows, c->attr->channels) : 0);
  return l;
}

static size_t conv_transpose_scratch(const anet__call *c, bool training)
{
  const size_t forward = forward_layout(c).floats;
  const size_t backward = training ? backward_layout(c).floats : 0;
  return ANET_MAX(forward, backward) * sizeof(float);
}

static void add_bias(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const int32_t channels = c->attr->channels;
  float *rows = c->out + begin * (size_t)channels;
  anet__post post = anet__post_none();
  post.shift = anet__f32(c->param[1]);
  c->kernels->affine(rows, rows, (int32_t)(end - begin), channels, &post);
}

static void conv_transpose_forward(const anet__call *c)
{
  const layout l = forward_layout(c);
  const anet__call m = mirror(c);
  float *scratch = c->scratch;
  anet__data_grad data = data_of(&m, c);
  data.dout = c->in[0];
  data.din = c->out;
  data.outside = scratch + l.outside;
  data.scratch = scratch + l.data;
  anet__data_grad_pack(&data, scratch + l.gather, scratch + l.packed);
  data.packed = scratch + l.packed;
  anet__data_grad_run(&data);
  if (c->attr->bias)
    anet__split(c->pool, (size_t)c->n * anet__pixels(&c->out_shape), (size_t)c->attr->channels,
                add_bias, c);
}

static void conv_transpose_data(const anet__grad_call *g, float *outside, float *packed)
{
  const anet__call *c = &g->call;
  anet__sweep s = {.kernels = c->kernels,
                   .filter = mirror_filter(c),
                   .packed = packed,
                   .taps = anet__taps_window(c->attr, &c->out_shape, &c->in_shape[0]),
                   .images = c->n,
                   .post = anet__post_none()};
  anet__filter_pack(c->kernels, c->pool, &s.filter, packed);
  s.taps.base = g->dout;
  s.taps.outside = outside;
  anet__sweep_dense(&s, g->din[0]);
  if (g->add[0]) s.post.add = s.out, s.post.add_ld = s.ld_pixel;
  anet__sweep_conv(c->pool, &s);
}

static void conv_transpose_backward(const anet__grad_call *g)
{
  const anet__call *c = &g->call;
  const layout l = backward_layout(c);
  float *scratch = c->scratch;
  anet__filter_grad filter = filter_grad(c);
  memset(scratch + l.outside, 0, (size_t)filter.cin * sizeof *scratch);
  if (g->dparam[0]) {
    filter.taps.base = g->dout;
    filter.taps.outside = scratch + l.outside;
    filter.dy = c->in[0];
    filter.dw = g->dparam[0];
    filter.partial = scratch + l.partial;
    anet__filter_grad_run(c->pool, &filter);
  }
  if (g->dparam[1])
    anet__bias_grad(c, g->dout, (size_t)c->n * anet__pixels(&c->out_shape), c->attr->channels,
                    (double *)(scratch + l.sums), g->dparam[1]);
  if (g->din[0]) conv_transpose_data(g, scratch + l.outside, scratch + l.packed);
}

static double conv_transpose_macs(const anet_attr *a, const anet_shape *in, const anet_shape *out)
{
  return (double)anet__shape_size(in) * a->kernel[0] * a->kernel[1] * a->channels / a->groups;
}

const anet__op anet__op_conv_transpose = {
    .name = "conv_transpose",
    .min_inputs = 1,
    .max_inputs = 1,
    .grad_needs_in = true,
    .shape = conv_transpose_shape,
    .params = conv_transpose_params,
    .forward = conv_transpose_forward,
    .backward = conv_transpose_backward,
    .scratch = conv_transpose_scratch,
    .macs = conv_transpose_macs,
};
