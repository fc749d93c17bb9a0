#include "op/phase.h"

#include <string.h>

#include "op/work.h"

anet__phase_axis anet__phase_axis_at(const anet_attr *a, int32_t i, int32_t size, int32_t p)
{
  const int32_t s = a->stride[i], d = a->dilation[i], pad = a->pad[i];
  anet__phase_axis x = {.start = p, .first = -1, .skip = 1};
  x.count = (size - p + s - 1) / s;
  for (int32_t k = 0; k < a->kernel[i]; k++) {
    if ((p + pad - k * d) % s) continue;
    if (x.taps == 0) x.first = k;
    if (x.taps == 1) x.skip = k - x.first;
    x.taps++;
  }
  if (!x.taps) return x;
  x.offset = (p + pad - x.first * d) / s;
  x.step = -(x.skip * d / s);
  return x;
}

/* Are weights gathered before they are packed? */
static bool gathers(const anet__data_grad *g)
{
  const anet_attr *a = g->call->attr;
  return a->stride[0] > 1 || a->stride[1] > 1;
}

/* One tap of the weights. */
static size_t tap_floats(const anet__data_grad *g)
{
  return (size_t)g->cin * (size_t)g->groups * (size_t)g->cout;
}

/* Weights of the phase's taps without gaps, the form in which any of them can be packed. */
static void gather(const anet__data_grad *g, const anet__phase_axis *y, const anet__phase_axis *x,
                   float *to)
{
  const int32_t width = g->call->attr->kernel[1];
  const size_t row = (size_t)g->groups * (size_t)g->cout;
  for (int32_t ky = 0; ky < y->taps; ky++)
    for (int32_t kx = 0; kx < x->taps; kx++) {
      const int32_t t = (y->first + ky * y->skip) * width + x->first + kx * x->skip;
      const float *from = g->weight + (size_t)t * g->ld_tap;
      for (int32_t i = 0; i < g->cin; i++, to += row)
        memcpy(to, from + (size_t)i * g->ld_in, row * sizeof *to);
    }
}

/* The weights of `taps` taps, transposed: from output to input channels. w: as they are, or as
 * gathered where windows are strided. */
static anet__filter transposed(const anet__data_grad *g, int32_t taps, const float *w)
{
  const bool dense = gathers(g);
  const size_t row = (size_t)g->groups * (size_t)g->cout;
  const size_t ld_tap = dense ? row * (size_t)g->cin : g->ld_tap;
  if (g->depthwise)
    return (anet__filter){.w = w,
                          .taps = taps,
                          .cin = 1,
                          .cout = g->cout,
                          .groups = 1,
                          .ld_tap = ld_tap,
                          .ld_out = 1};
  return (anet__filter){.w = w,
                        .taps = taps,
                        .cin = g->cout,
                        .cout = g->cin,
                        .groups = g->groups,
                        .ld_tap = ld_tap,
                        .ld_in = 1,
                        .ld_out = dense ? row : g->ld_in,
                        .ld_group = (size_t)g->cout};
}

/* A phase and where its weights lie, in floats. */
typedef struct phase {
  anet__phase_axis y, x;
  int32_t taps;
  size_t packed;
} phase;

typedef void (*each)(const anet__data_grad *g, const phase *p, float *gathered, float *packed);

/* The phase whose first tap is k; false: it has an earlier one, or no pixels. There may be far more
 * phases than taps: those without any are never looked at. */
static bool phase_from(const anet__data_grad *g, int32_t i, int32_t k, anet__phase_axis *x)
{
  const anet_attr *a = g->call->attr;
  const int32_t s = a->stride[i], size = g->call->in_shape[0].dim[i];
  const int32_t p = ((k * a->dilation[i] - a->pad[i]) % s + s) % s;
  if (p >= size) return false;
  *x = anet__phase_axis_at(a, i, size, p);
  return x->first == k;
}

/* Are there pixels that no tap reads? */
static bool has_gaps(const anet__data_grad *g)
{
  const anet_attr *a = g->call->attr;
  bool gaps = false;
  for (int32_t i = 0; i < 2; i++) {
    int32_t found = 0;
    anet__phase_axis x;
    for (int32_t k = 0; k < a->kernel[i]; k++) found += phase_from(g, i, k, &x);
    gaps = gaps || found < ANET_MIN(a->stride[i], g->call->in_shape[0].dim[i]);
  }
  return gaps;
}

/* Runs `run`, if any, for every phase that has taps; gives the floats of all their weights. */
static size_t phases(const anet__data_grad *g, each run, float *gathered, float *packed)
{
  const anet_attr *a = g->call->attr;
  size_t floats = 0;
  phase p;
  for (int32_t ky = 0; ky < a->kernel[0]; ky++) {
    if (!phase_from(g, 0, ky, &p.y)) continue;
    for (int32_t kx = 0; kx < a->kernel[1]; kx++) {
      if (!phase_from(g, 1, kx, &p.x)) continue;
      p.taps = p.y.taps * p.x.taps;
      const anet__filter f = transposed(g, p.taps, NULL);
      const size_t size = !g->depthwise ? anet__filter_floats(g->call->kernels, &f)
                          : gathers(g)  ? tap_floats(g) * (size_t)p.taps
                                        : 0;
      p.packed = anet__take(&floats, size);
      if (run) run(g, &p, gathered, packed);
    }
  }
  return floats;
}

size_t anet__data_grad_gather(const anet__data_grad *g)
{
  const anet_attr *a = g->call->attr;
  return (gathers(g) && !g->depthwise) || g->tile ? tap_floats(g) * (size_t)(a->kernel[0] * a->kernel[1]) : 0;
}

static void phase_pack(const anet__data_grad *g, const phase *p, float *gathered, float *packed)
{
  const bool dense = gathers(g);
  if (g->depthwise) {
    if (dense) gather(g, &p->y, &p->x, packed + p->packed);
    return;
  }
  if (dense) gather(g, &p->y, &p->x, gathered);
  const anet__filter f = transposed(g, p->taps, dense ? gathered : g->weight);
  anet__filter_pack(g->call->kernels, g->call->pool, &f, packed + p->packed);
}

/* ---- Winograd's tiles: the gradient is a convolution of dout with the window turned round ------ */

bool anet__data_grad_tiles(const anet_attr *a)
{
  return anet__winograd_fits(a) && a->pad[0] <= 2 && a->pad[1] <= 2;
}

/* Weights (9, cin, cout) as (9, cout, cin), the taps in reverse: a few lines of either at a time. */
typedef struct turning {
  const anet__data_grad *grad;
  float *to;
} turning;

static void turn_outputs(const void *context, size_t begin, size_t end)
{
  const turning *j = context;
  const anet__data_grad *g = j->grad;
  const size_t cin = (size_t)g->cin, cout = (size_t)g->cout, step = 16;
  for (size_t t = 0; t < 9; t++) {
    const float *from = g->weight + (8 - t) * g->ld_tap;
    float *to = j->to + t * cin * cout;
    for (size_t o0 = begin; o0 < end; o0 += step)
      for (size_t i0 = 0; i0 < cin; i0 += step)
        for (size_t o = o0; o < ANET_MIN(o0 + step, end); o++)
          for (size_t i = i0; i < ANET_MIN(i0 + step, cin); i++)
            to[o * cin + i] = from[i * g->ld_in + o];
  }
}

static void turn(const anet__data_grad *g, float *to)
{
  const turning j = {g, to};
  anet__split(g->call->pool, (size_t)g->cout, 9 * (size_t)g->cin, turn_outputs, &j);
}

static anet__filter turned(const anet__data_grad *g, const float *w)
{
  return (anet__filter){.w = w,
                        .taps = 9,
                        .cin = g->cout,
                        .cout = g->cin,
                        .groups = 1,
                        .ld_tap = (size_t)g->cin * (size_t)g->cout,
                        .ld_in = (size_t)g->cin,
                        .ld_out = 1};
}

static anet__winograd winograd_of(const anet__data_grad *g, const float *gathered)
{
  const anet__call *call = g->call;
  return (anet__winograd){.m = g->tile,
                          .filter = turned(g, gathered),
                          .packed = g->packed,
                          .in = g->dout,
                          .outside = g->outside,
                          .out = g->din,
                          .out_ld = (size_t)g->cin,
                          .images = call->n,
                          .pad = {2 - call->attr->pad[0], 2 - call->attr->pad[1]},
                          .in_shape = &call->out_shape,
                          .out_shape = &call->in_shape[0],
                          .post = anet__post_none(),
                          .scratch = g->scratch};
}

size_t anet__data_grad_scratch(const anet__data_grad *g)
{
  const anet__winograd w = winograd_of(g, NULL);
  return g->tile ? anet__winograd_scratch(&w, g->call->pool) : 0;
}

/* ------------------------------------------------------------------------------------------- */

size_t anet__data_grad_packed(const anet__data_grad *g)
{
  const anet__filter f = turned(g, NULL);
  if (g->tile) return anet__winograd_floats(g->call->kernels, &f, g->tile);
  return phases(g, NULL, NULL, NULL);
}

void anet__data_grad_pack(const anet__data_grad *g, float *gathered, float *packed)
{
  if (!g->tile) {
    phases(g, phase_pack, gathered, packed);
    return;
  }
  turn(g, gathered);
  const anet__filter f = turned(g, gathered);
  anet__winograd_pack(g->call->kernels, g->call->pool, &f, g->tile, packed);
}

static void phase_run(const anet__data_grad *g, const phase *p, float *gathered, float *unused)
{
  const anet__call *call = g->call;
  const anet_attr *a = call->attr;
  const anet_shape *in = &call->in_shape[0], *out = &call->out_shape;
  const size_t channels = (size_t)in->dim[2], width = (size_t)in->dim[1];
  const anet__phase_axis *y = &p->y, *x = &p->x;
  const float *packed = g->packed ? g->packed + p->packed : NULL;
  anet__sweep s = {
      .kernels = call->kernels,
      .filter = transposed(g, p->taps, gathers(g) ? packed : g->weight),
      .packed = packed,
      .images = call->n,
      .out = g->din + ((size_t)y->start * width + (size_t)x->start) * channels,
      .ld_image = (size_t)in->dim[0] * width * channels,
      .ld_line = (size_t)a->stride[0] * width * channels,
      .ld_pixel = (size_t)a->stride[1] * channels,
      .post = anet__post_none(),
      .taps = {.base = g->dout,
               .outside = g->outside,
               .pixel = (size_t)out->dim[2],
               .in = {out->dim[0], out->dim[1]},
               .out = {y->count, x->count},
               .kernel = {y->taps, x->taps},
               .stride = {1, 1},
               .offset = {y->offset, x->offset},
               .step = {y->step, x->step}},
  };
  if (g->add) s.post.add = s.out, s.post.add_ld = s.ld_pixel;
  if (g->depthwise)
    anet__sweep_depthwise(call->pool, &s);
  else
    anet__sweep_conv(call->pool, &s);
}

static void clear(const void *context, size_t begin, size_t end)
{
  const anet__data_grad *g = context;
  memset(g->din + begin, 0, (end - begin) * sizeof *g->din);
}

void anet__data_grad_run(const anet__data_grad *g)
{
  memset(g->outside, 0, (size_t)g->cout * sizeof *g->outside);
  if (!g->tile) {
    const size_t floats = (size_t)g->call->n * anet__shape_size(&g->call->in_shape[0]);
    if (!g->add && has_gaps(g)) anet__split(g->call->pool, floats, 1, clear, g);
    phases(g, phase_run, NULL, NULL);
    return;
  }
  anet__winograd w = winograd_of(g, NULL);
  if (g->add) w.post.add = g->din;
  anet__winograd_run(g->call->kernels, g->call->pool, &w);
}
