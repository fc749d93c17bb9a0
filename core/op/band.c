#include "op/band.h"

#include <string.h>

#include "op/norm.h"
#include "op/sweep.h"
#include "op/work.h"

enum {
  KERNEL = 3,
  PIXELS = 32,    /* about as many of a band: enough for its sums, few enough for the caches */
  MOST_LINES = 72 /* of the ring that a band reads */
};

bool anet__band_fits(const anet__call *d)
{
  const anet_attr *a = d->attr;
  for (int32_t i = 0; i < 2; i++)
    if (a->kernel[i] != KERNEL || a->dilation[i] != 1 || a->stride[i] > 2) return false;
  for (int32_t i = 0; i < 4; i++)
    if (a->pad[i] >= KERNEL) return false;
  return a->stride[0] == a->stride[1] && !a->bias;
}

/* ---- geometry -------------------------------------------------------------------------------- */

/* Bands of `lines` lines of the outer image, what is written; the ring holds lines of the inner
 * one. */
typedef struct geometry {
  int32_t lines, height; /* of a band, of the outer image */
  int32_t inner, width;  /* lines of the inner image, and its pixels a line */
  int32_t lead[2];       /* lines and columns of zeros that are read before the inner image */
  int32_t columns, slots;
  size_t channels, line; /* floats of a ring's line */
} geometry;

static int32_t lines_of(const anet_shape *outer, int32_t stride)
{
  return ANET_MIN(outer->dim[0], ANET_MAX(stride, PIXELS / outer->dim[1]));
}

static geometry forward_geometry(const anet__call *d)
{
  const anet_attr *a = d->attr;
  const anet_shape *in = &d->in_shape[0], *out = &d->out_shape;
  geometry g = {.lines = lines_of(out, 1),
                .height = out->dim[0],
                .inner = in->dim[0],
                .width = in->dim[1],
                .lead = {a->pad[0], a->pad[1]},
                .channels = (size_t)in->dim[2]};
  g.columns = ANET_MAX(g.lead[1] + g.width, (out->dim[1] - 1) * a->stride[1] + KERNEL);
  g.slots = (g.lines - 1) * a->stride[0] + KERNEL;
  g.line = (size_t)g.columns * g.channels;
  return g;
}

/* What a tap's position is counted from: see anet__depthwise_back_args. */
static int32_t phase_of(const anet__call *d, const geometry *g, int i, int32_t at)
{
  const int32_t stride = d->attr->stride[i];
  return d->attr->pad[i] + g->lead[i] * stride + at % stride;
}

static geometry back_geometry(const anet__call *d)
{
  const anet_attr *a = d->attr;
  const anet_shape *in = &d->in_shape[0], *out = &d->out_shape;
  geometry g = {.lines = lines_of(in, a->stride[0]),
                .height = in->dim[0],
                .inner = out->dim[0],
                .width = out->dim[1],
                .channels = (size_t)in->dim[2]};
  for (int i = 0; i < 2; i++)
    g.lead[i] = (ANET_MAX(KERNEL - 1 - a->pad[i], 0) + a->stride[i] - 1) / a->stride[i];
  g.columns =
      (in->dim[1] - 1 + phase_of(d, &g, 1, 0)) / a->stride[1] + 1; /* lead + width, or more */
  g.slots = (g.lines - 1 + phase_of(d, &g, 0, a->stride[0] - 1)) / a->stride[0] + 1;
  g.line = (size_t)g.columns * g.channels;
  return g;
}

/* Scratch, as offsets in floats. */
typedef struct layout {
  size_t zeros, ring, again, dx, dw, floats;
} layout;

static layout layout_of(const geometry *g, const anet__call *d, bool back)
{
  layout l = {0};
  const size_t band = (size_t)g->lines * (size_t)d->in_shape[0].dim[1] * g->channels;
  l.zeros = anet__take(&l.floats, g->line);
  l.ring = anet__take(&l.floats, (size_t)g->slots * g->line);
  if (!back) return l;
  l.again = anet__take(&l.floats, band);
  l.dx = anet__take(&l.floats, band); /* where nobody wants the gradients: */
  l.dw = anet__take(&l.floats, KERNEL * KERNEL * g->channels);
  return l;
}

size_t anet__band_floats(const anet__call *d, bool back)
{
  const geometry g = back ? back_geometry(d) : forward_geometry(d);
  return layout_of(&g, d, back).floats;
}

/* ---- lines of calls -------------------------------------------------------------------------- */

/* The call of `lines` lines of an image, from line `at` on, counted over all images. It treats each
 * pixel on its own. */
static anet__call lines_call(const anet__call *whole, size_t at, int32_t lines)
{
  anet__call call = *whole;
  const size_t line = (size_t)call.out_shape.dim[1] * (size_t)call.out_shape.dim[2];
  call.n = 1;
  call.pool = NULL;
  call.in_shape[0].dim[0] = call.out_shape.dim[0] = lines;
  if (call.in[0]) call.in[0] += at * line;
  if (call.out) call.out += at * line;
  return call;
}

static anet__grad_call lines_grad(const anet__grad_call *whole, size_t at, int32_t lines)
{
  anet__grad_call grad = *whole;
  const anet_shape *shape = &whole->call.out_shape;
  grad.call = lines_call(&whole->call, at, lines);
  grad.dout += at * (size_t)shape->dim[1] * (size_t)shape->dim[2];
  return grad;
}

/* ---- the ring -------------------------------------------------------------------------------- */

/* Lines of the inner image before `done` were made; the last `slots` of them are there. */
typedef struct ring {
  const geometry *g;
  float *zeros, *lines;
  int32_t done;
} ring;

static ring ring_new(const geometry *g, const layout *l, float *scratch)
{
  memset(scratch, 0, (l->ring + (size_t)g->slots * g->line) * sizeof *scratch);
  return (ring){g, scratch + l->zeros, scratch + l->ring, 0};
}

static float *ring_slot(const ring *r, int32_t y)
{
  return r->lines + (size_t)(y % r->g->slots) * r->g->line;
}

/* Where the norm writes the next line. */
static float *ring_next(ring *r)
{
  return ring_slot(r, r->done++) + (size_t)r->g->lead[1] * r->g->channels;
}

/* Pointers to lines from .. from+count-1 of the inner image, zeros where there are none. */
static void ring_read(const ring *r, int32_t from, int32_t count, const float **line)
{
  for (int32_t k = 0; k < count; k++)
    line[k] = from + k >= 0 && from + k < r->g->inner ? ring_slot(r, from + k) : r->zeros;
}

/* ---- what comes next ------------------------------------------------------------------------- */

/* Do the images on both sides lie alike? */
static bool alike(const anet__call *d)
{
  return d->in_shape[0].dim[0] == d->out_shape.dim[0] &&
         d->in_shape[0].dim[1] == d->out_shape.dim[1];
}

/* `floats` from the starts of arrays (4). */
static anet__ahead ahead_of(const float *const *from, size_t floats)
{
  anet__ahead ahead;
  for (int i = 0; i < ANET_COUNT(ahead.at); i++) ahead.at[i] = from[i] ? from[i] + floats : NULL;
  return ahead;
}

/* ---- forward --------------------------------------------------------------------------------- */

/* Lines up to `end` of the image's input. */
static void make_lines(const anet__band *b, ring *r, int32_t image, int32_t end)
{
  while (r->done < end) {
    anet__call call = lines_call(b->norm, (size_t)(image * r->g->inner + r->done), 1);
    call.out = ring_next(r);
    anet__op_norm.forward(&call);
  }
}

/* Output lines [y0, y1) of an image. */
static void forward_lines(const anet__band *b, ring *r, int32_t image, int32_t y0, int32_t y1)
{
  const anet__call *d = b->depthwise;
  const anet__filter filter = anet__depthwise_filter(d);
  const anet_attr *a = d->attr;
  const float *line[MOST_LINES];
  const int32_t top = y0 * a->stride[0] - a->pad[0];
  const int32_t count = (y1 - y0 - 1) * a->stride[0] + KERNEL;
  const size_t at = (size_t)(image * r->g->height + y0), pixel = at * (size_t)d->out_shape.dim[1];
  anet__post post = d->post;
  if (post.add) post.add += pixel * post.add_ld;
  make_lines(b, r, image, ANET_MIN(top + count, r->g->inner));
  ring_read(r, top, count, line);
  d->kernels->depthwise_lines(&(anet__depthwise_lines_args){
      .line = line,
      .kernel = {KERNEL, KERNEL},
      .stride = {a->stride[0], a->stride[1]},
      .columns = r->g->columns,
      .lines = y1 - y0,
      .pixels = d->out_shape.dim[1],
      .channels = filter.cout,
      .pixel = r->g->channels,
      .weight = filter.w,
      .weight_ld = filter.ld_tap,
      .out = d->out + pixel * r->g->channels,
      .out_ld = r->g->channels,
      .post = post,
      .ahead = ahead_of((const float *[4]){d->out, alike(d) ? b->norm->in[0] : NULL},
                        (at + (size_t)(y1 - y0)) * (size_t)d->out_shape.dim[1] * r->g->channels)});
  if (!b->measured) return;
  const anet__call measured = lines_call(b->measured, at, y1 - y0);
  anet__norm_measure(&measured, b->sums);
}

void anet__band_forward(const anet__band *b)
{
  const anet__call *d = b->depthwise;
  const geometry g = forward_geometry(d);
  const layout l = layout_of(&g, d, false);
  ring r = ring_new(&g, &l, d->scratch);
  for (int32_t image = 0; image < d->n; image++) {
    r.done = 0;
    for (int32_t y = 0; y < g.height; y += g.lines)
      forward_lines(b, &r, image, y, ANET_MIN(y + g.lines, g.height));
  }
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Lines up to `end` of the gradient of the image's output. */
static void make_grads(const anet__band_grad *b, ring *r, int32_t image, int32_t end)
{
  while (r->done < end) {
    anet__grad_call grad = lines_grad(b->norm, (size_t)(image * r->g->inner + r->done), 1);
    grad.din[0] = ring_next(r);
    anet__op_norm.backward(&grad);
  }
}

/* The convolution's input at some lines. */
static const float *input_at(const anet__band_grad *b, size_t at, int32_t lines, float *again)
{
  const anet__call *d = &b->depthwise->call;
  if (!b->again)
    return d->in[0] + at * (size_t)d->in_shape[0].dim[1] * (size_t)d->in_shape[0].dim[2];
  anet__call call = lines_call(b->again, at, lines);
  call.out = again;
  anet__op_norm.forward(&call);
  return again;
}

/* Input lines [y0, y1) of an image. */
static void backward_lines(const anet__band_grad *b, ring *r, const layout *l, int32_t image,
                           int32_t y0, int32_t y1)
{
  const anet__grad_call *grad = b->depthwise;
  const anet__call *d = &grad->call;
  const anet__filter filter = anet__depthwise_filter(d);
  float *scratch = d->scratch;
  const float *line[MOST_LINES];
  const int32_t stride = d->attr->stride[0], phase = phase_of(d, r->g, 0, y0), lines = y1 - y0;
  const int32_t from = y0 / stride - r->g->lead[0], count = (lines - 1 + phase) / stride + 1;
  const int32_t pixels = d->in_shape[0].dim[1];
  const size_t at = (size_t)(image * r->g->height + y0);
  float *dx = grad->din[0] ? grad->din[0] + at * (size_t)pixels * r->g->channels : NULL;
  make_grads(b, r, image, ANET_MIN(from + count, r->g->inner));
  ring_read(r, from, count, line);
  d->kernels->depthwise_back(&(anet__depthwise_back_args){
      .dy = line,
      .kernel = {KERNEL, KERNEL},
      .stride = {stride, d->attr->stride[1]},
      .phase = {phase, phase_of(d, r->g, 1, 0)},
      .lines = lines,
      .pixels = pixels,
      .channels = filter.cout,
      .x = input_at(b, at, lines, scratch + l->again),
      .dx = dx ? dx : scratch + l->dx,
      .accumulate = dx && grad->add[0],
      .weight = filter.w,
      .weight_ld = filter.ld_tap,
      .ahead = ahead_of((const float *[]){b->again ? b->again->in[0] : NULL, grad->din[0],
                                          alike(d) ? b->norm->dout : NULL,
                                          alike(d) ? b->norm->call.in[0] : NULL},
                        (at + (size_t)lines) * (size_t)pixels * r->g->channels),
      .dw = grad->dparam[0] ? grad->dparam[0] : scratch + l->dw});
  if (!b->measured) return;
  const anet__grad_call measured = lines_grad(b->measured, at, lines);
  anet__norm_grad_measure(&measured, b->sums);
}

void anet__band_backward(const anet__band_grad *b)
{
  const anet__call *d = &b->depthwise->call;
  const geometry g = back_geometry(d);
  const layout l = layout_of(&g, d, true);
  ring r = ring_new(&g, &l, d->scratch);
  for (int32_t image = 0; image < d->n; image++) {
    r.done = 0;
    for (int32_t y = 0; y < g.height; y += g.lines)
      backward_lines(b, &r, &l, image, y, ANET_MIN(y + g.lines, g.height));
  }
}
