/* linear: in (features), weight (features, channels), out (channels). attr: channels bias. */
#include "base/error.h"
#include "op/sweep.h"
#include "op/work.h"

static int linear_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  if (in->rank != 1)
    return anet_fail(ANET_SHAPE, "linear: input %s has rank %d, want 1 (features)",
                     anet__shape_text(in, text), in->rank);
  if (a->channels < 1)
    return anet_fail(ANET_RANGE, "linear: channels %d must be at least 1", a->channels);
  *out = (anet_shape){1, {a->channels}};
  return ANET_OK;
}

static int linear_params(const anet_attr *a, const anet_shape *in, anet__param_spec *spec,
                         int32_t *count)
{
  spec[0] = (anet__param_spec){
      .name = "weight",
      .role = ANET_PARAM_WEIGHT,
      .shape = {2, {in->dim[0], a->channels}},
      .fan = in->dim[0],
  };
  *count = 1;
  if (a->bias)
    spec[(*count)++] =
        (anet__param_spec){.name = "bias", .role = ANET_PARAM_BIAS, .shape = {1, {a->channels}}};
  return ANET_OK;
}

static anet__filter linear_filter(const anet__call *c)
{
  return (anet__filter){
      .w = anet__f32(c->param[0]),
      .taps = 1,
      .cin = c->in_shape[0].dim[0],
      .cout = c->out_shape.dim[0],
      .groups = 1,
      .ld_in = (size_t)c->param[0]->stride[0],
      .ld_out = 1,
  };
}

static anet__filter transposed(const anet__call *c)
{
  anet__filter f = linear_filter(c);
  f.cin = c->out_shape.dim[0];
  f.cout = c->in_shape[0].dim[0];
  f.ld_out = f.ld_in;
  f.ld_in = 1;
  return f;
}

static anet__filter_grad filter_grad(const anet__call *c)
{
  return (anet__filter_grad){.kernels = c->kernels,
                             .taps = anet__taps_rows(c->in_shape[0].dim[0]),
                             .images = c->n,
                             .cin = c->in_shape[0].dim[0],
                             .cout = c->out_shape.dim[0],
                             .groups = 1};
}

static size_t linear_pack_size(const anet__call *c)
{
  const anet__filter f = linear_filter(c);
  return anet__filter_floats(c->kernels, &f);
}

static void linear_pack(const anet__call *c, float *packed)
{
  const anet__filter f = linear_filter(c);
  anet__filter_pack(c->kernels, c->pool, &f, packed);
}

/* Scratch of backward, as offsets in floats. Forward has its packed weights alone. */
typedef struct layout {
  size_t packed, partial, sums, floats;
} layout;

static layout backward_layout(const anet__call *c)
{
  const anet__filter f = transposed(c);
  const anet__filter_grad filter = filter_grad(c);
  layout l = {0};
  l.packed = anet__take(&l.floats, anet__filter_floats(c->kernels, &f));
  l.partial = anet__take(&l.floats, anet__filter_grad_floats(&filter));
  l.sums = anet__take(&l.floats, anet__sums_floats((size_t)c->n, f.cin));
  return l;
}

static size_t linear_scratch(const anet__call *c, bool training)
{
  const size_t forward = c->packed ? 0 : linear_pack_size(c);
  const size_t backward = training ? backward_layout(c).floats : 0;
  return ANET_MAX(forward, backward) * sizeof(float);
}

static anet__sweep linear_sweep(const anet__call *c, anet__filter f, const float *packed)
{
  anet__sweep s = {.kernels = c->kernels,
                   .filter = f,
                   .packed = packed,
                   .taps = anet__taps_rows(f.cin),
                   .images = c->n,
                   .post = anet__post_none()};
  return s;
}

static void linear_forward(const anet__call *c)
{
  if (!c->packed) linear_pack(c, c->scratch);
  anet__sweep s = linear_sweep(c, linear_filter(c), c->packed ? c->packed : c->scratch);
  s.taps.base = c->in[0];
  s.post = c->post;
  anet__sweep_dense(&s, c->out);
  anet__sweep_conv(c->pool, &s);
}

static void linear_data(const anet__grad_call *g, float *packed)
{
  const anet__call *c = &g->call;
  anet__sweep s = linear_sweep(c, transposed(c), packed);
  anet__filter_pack(c->kernels, c->pool, &s.filter, packed);
  s.taps.base = g->dout;
  anet__sweep_dense(&s, g->din[0]);
  if (g->add[0]) s.post.add = s.out, s.post.add_ld = s.ld_pixel;
  anet__sweep_conv(c->pool, &s);
}

static void linear_backward(const anet__grad_call *g)
{
  const anet__call *c = &g->call;
  const layout l = backward_layout(c);
  float *scratch = c->scratch;
  if (g->dparam[0]) {
    anet__filter_grad filter = filter_grad(c);
    filter.taps.base = c->in[0];
    filter.dy = g->dout;
    filter.dw = g->dparam[0];
    filter.partial = scratch + l.partial;
    anet__filter_grad_run(c->pool, &filter);
  }
  if (g->dparam[1])
    anet__bias_grad(c, g->dout, (size_t)c->n, c->out_shape.dim[0], (double *)(scratch + l.sums),
                    g->dparam[1]);
  if (g->din[0]) linear_data(g, scratch + l.packed);
}

static double linear_macs(const anet_attr *a, const anet_shape *in, const anet_shape *out)
{
  return (double)in->dim[0] * out->dim[0];
}

const anet__op anet__op_linear = {
    .name = "linear",
    .min_inputs = 1,
    .max_inputs = 1,
    .has_post = true,
    .grad_needs_in = true,
    .shape = linear_shape,
    .params = linear_params,
    .forward = linear_forward,
    .backward = linear_backward,
    .scratch = linear_scratch,
    .pack_size = linear_pack_size,
    .pack = linear_pack,
    .macs = linear_macs,
};
