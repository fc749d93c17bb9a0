#include "op/sweep.h"

#include <string.h>

#include "op/work.h"

enum {
  BLOCK = 64, /* output channels of a block: a whole number of panels on every ISA */
  MANY = 48   /* rows a worker that make sharing by rows pay */
};

/* -- packed weights ------------------------------------------------------------------------- */

static int32_t blocks(const anet__filter *f)
{
  return (f->cout + BLOCK - 1) / BLOCK;
}

/* Unit u is block u % blocks of group u / blocks. */
typedef struct unit {
  int32_t group, begin, cout; /* output channels begin .. begin+cout-1 of the group */
} unit;

static unit unit_at(const anet__filter *f, size_t u)
{
  const size_t n = (size_t)blocks(f);
  unit at = {.group = (int32_t)(u / n), .begin = (int32_t)(u % n) * BLOCK};
  at.cout = ANET_MIN(BLOCK, f->cout - at.begin);
  return at;
}

static size_t group_floats(const anet__kernels *k, const anet__filter *f)
{
  const int32_t rest = f->cout % BLOCK, whole = f->cout / BLOCK;
  size_t n = rest ? k->conv_pack_size(f->taps, f->cin, rest) : 0;
  if (whole) n += (size_t)whole * k->conv_pack_size(f->taps, f->cin, BLOCK);
  return n;
}

static size_t unit_offset(const anet__kernels *k, const anet__filter *f, unit u)
{
  size_t at = (size_t)u.group * group_floats(k, f);
  if (u.begin) at += (size_t)(u.begin / BLOCK) * k->conv_pack_size(f->taps, f->cin, BLOCK);
  return at;
}

size_t anet__filter_floats(const anet__kernels *k, const anet__filter *f)
{
  return (size_t)f->groups * group_floats(k, f);
}

/* Half a block, where whole panels make it up. */
int32_t anet__filter_panel(const anet__kernels *k)
{
  return k->panel && BLOCK / 2 % k->panel == 0 ? BLOCK / 2 : BLOCK;
}

size_t anet__filter_offset(const anet__kernels *k, const anet__filter *f, int32_t channel)
{
  const size_t in_block = (size_t)f->taps * (size_t)f->cin * (size_t)(channel % BLOCK);
  return unit_offset(k, f, unit_at(f, (size_t)(channel / BLOCK))) + in_block;
}

typedef struct packing {
  const anet__kernels *kernels;
  const anet__filter *filter;
  float *packed;
} packing;

static void pack_units(const void *context, size_t begin, size_t end)
{
  const packing *p = context;
  const anet__filter *f = p->filter;
  for (size_t i = begin; i < end; i++) {
    const unit u = unit_at(f, i);
    const float *w = f->w + (size_t)u.group * f->ld_group + (size_t)u.begin * f->ld_out;
    p->kernels->conv_pack(p->packed + unit_offset(p->kernels, f, u), w, f->taps, f->cin, u.cout,
                          f->ld_tap, f->ld_in, f->ld_out);
  }
}

void anet__filter_pack(const anet__kernels *k, anet_pool *pool, const anet__filter *f,
                       float *packed)
{
  const packing p = {k, f, packed};
  const size_t units = (size_t)f->groups * (size_t)blocks(f);
  anet__split(pool, units, (size_t)f->taps * (size_t)f->cin * BLOCK, pack_units, &p);
}

/* -- sweeps --------------------------------------------------------------------------------- */

static size_t pixels_out(const anet__taps *t)
{
  return (size_t)t->out[0] * (size_t)t->out[1];
}

void anet__sweep_dense(anet__sweep *s, float *out)
{
  anet__sweep_even(s, out, (size_t)s->filter.groups * (size_t)s->filter.cout);
}

void anet__sweep_even(anet__sweep *s, float *out, size_t ld_pixel)
{
  s->out = out;
  s->ld_pixel = ld_pixel;
  s->ld_line = s->ld_pixel * (size_t)s->taps.out[1];
  s->ld_image = s->ld_line * (size_t)s->taps.out[0];
}

/* The pixels from `first` on, at most `rows`, that lie evenly apart in the output. */
typedef struct run {
  size_t rows, at, add; /* floats from the start of out and of post.add */
} run;

static run run_at(const anet__sweep *s, size_t first, size_t rows)
{
  const size_t width = (size_t)s->taps.out[1], height = (size_t)s->taps.out[0];
  if (s->ld_line == width * s->ld_pixel && s->ld_image == height * s->ld_line)
    return (run){rows, first * s->ld_pixel, first * s->post.add_ld};
  const size_t x = first % width, line = first / width;
  const size_t at = line / height * s->ld_image + line % height * s->ld_line + x * s->ld_pixel;
  return (run){ANET_MIN(rows, width - x), at, at};
}

/* The post of a run, from output channel o on. */
static anet__post post_at(const anet__post *whole, run r, size_t o)
{
  anet__post post = *whole;
  if (post.scale) post.scale += o;
  if (post.shift) post.shift += o;
  if (post.add) post.add += r.add + o;
  return post;
}

/* Pixels first .. first+rows-1, whose pointers are in `tap`, of one unit. */
static void conv_unit(const anet__sweep *s, const float *const *tap, size_t first, size_t rows,
                      unit u, const float *ahead)
{
  const anet__filter *f = &s->filter;
  const size_t o = (size_t)u.group * (size_t)f->cout + (size_t)u.begin;
  anet__conv_args args = {
      .taps = f->taps,
      .cin = f->cin,
      .cout = u.cout,
      .packed = s->packed + unit_offset(s->kernels, f, u),
      .ahead = ahead,
      .out_ld = s->ld_pixel,
  };
  for (size_t done = 0; done < rows;) {
    const run r = run_at(s, first + done, rows - done);
    args.tap = tap + done * (size_t)f->taps;
    args.rows = (int32_t)r.rows;
    args.out = s->out + r.at + o;
    args.post = post_at(&s->post, r, o);
    s->kernels->conv(&args);
    done += r.rows;
  }
}

/* Pixels [r0, r1) of units [u0, u1). */
static void conv_part(const anet__sweep *s, size_t r0, size_t r1, size_t u0, size_t u1)
{
  const anet__filter *f = &s->filter;
  const float *tap[ANET_TAP_ROOM];
  const size_t step = anet__taps_fit(&s->taps), per_group = (size_t)blocks(f);
  for (size_t r = r0; r < r1; r += step) {
    const size_t rows = ANET_MIN(step, r1 - r);
    for (size_t u = u0; u < u1;) {
      const size_t group = u / per_group, last = ANET_MIN(u1, (group + 1) * per_group);
      anet__taps taps = s->taps;
      taps.base += group * (size_t)f->cin;
      anet__taps_fill(&taps, r, rows, tap);
      for (; u < last; u++) {
        const float *ahead = NULL;
        if (u + 1 < u1) ahead = s->packed + unit_offset(s->kernels, f, unit_at(f, u + 1));
        conv_unit(s, tap, r, rows, unit_at(f, u), ahead);
      }
    }
  }
}

static void conv_rows(const void *context, size_t begin, size_t end)
{
  const anet__sweep *s = context;
  conv_part(s, begin, end, 0, (size_t)s->filter.groups * (size_t)blocks(&s->filter));
}

static void conv_units(const void *context, size_t begin, size_t end)
{
  const anet__sweep *s = context;
  conv_part(s, 0, (size_t)s->images * pixels_out(&s->taps), begin, end);
}

void anet__sweep_conv(anet_pool *pool, const anet__sweep *s)
{
  const anet__filter *f = &s->filter;
  const size_t rows = (size_t)s->images * pixels_out(&s->taps);
  const size_t units = (size_t)f->groups * (size_t)blocks(f);
  const size_t workers = (size_t)anet__pool_workers(pool);
  const size_t depth = (size_t)f->taps * (size_t)f->cin / 8 + 1;
  if (rows >= MANY * workers || units < workers)
    anet__split(pool, rows, depth * (size_t)f->cout * (size_t)f->groups, conv_rows, s);
  else
    anet__split(pool, units, depth * BLOCK * rows, conv_units, s);
}

static void depthwise_rows(const void *context, size_t begin, size_t end)
{
  const anet__sweep *s = context;
  const float *tap[ANET_TAP_ROOM];
  const size_t step = anet__taps_fit(&s->taps);
  anet__depthwise_args args = {
      .taps = s->filter.taps,
      .channels = s->filter.cout,
      .weight = s->filter.w,
      .weight_ld = s->filter.ld_tap,
      .out_ld = s->ld_pixel,
  };
  for (size_t first = begin; first < end; first += step) {
    const size_t rows = ANET_MIN(step, end - first);
    anet__taps_fill(&s->taps, first, rows, tap);
    for (size_t done = 0; done < rows;) {
      const run r = run_at(s, first + done, rows - done);
      args.tap = tap + done * (size_t)args.taps;
      args.rows = (int32_t)r.rows;
      args.out = s->out + r.at;
      args.post = post_at(&s->post, r, 0);
      s->kernels->depthwise(&args);
      done += r.rows;
    }
  }
}

void anet__sweep_depthwise(anet_pool *pool, const anet__sweep *s)
{
  const size_t rows = (size_t)s->images * pixels_out(&s->taps);
  const size_t cost = (size_t)(s->filter.taps + 8) * (size_t)s->filter.cout / 4;
  anet__split(pool, rows, cost, depthwise_rows, s);
}

/* -- gradient for weights ------------------------------------------------------------------- */

enum {
  GRAD_ROWS = 512, /* fewest pixels of a chunk: zeroing and adding its sums must not count */
  GRAD_CHUNKS = 16,
  GRAD_ROOM = 4 << 20 /* floats that all chunks may take */
};

static size_t grad_size(const anet__filter_grad *g)
{
  return (size_t)anet__taps_count(&g->taps) * (size_t)g->cin * (size_t)g->cout * (size_t)g->groups;
}

static size_t grad_pixels(const anet__filter_grad *g)
{
  return (size_t)g->images * pixels_out(&g->taps);
}

static int32_t grad_chunks(const anet__filter_grad *g)
{
  const size_t most = ANET_MIN((size_t)GRAD_CHUNKS, 1 + GRAD_ROOM / (grad_size(g) + 1));
  return (int32_t)ANET_MAX((size_t)1, ANET_MIN(grad_pixels(g) / GRAD_ROWS, most));
}

size_t anet__filter_grad_floats(const anet__filter_grad *g)
{
  return (size_t)(grad_chunks(g) - 1) * grad_size(g);
}

/* Output channels [o0, o1) of each group, pixels [begin, end), into dw. */
static void grad_pixels_in(const anet__filter_grad *g, float *dw, size_t begin, size_t end,
                           int32_t o0, int32_t o1)
{
  const float *tap[ANET_TAP_ROOM];
  const size_t step = anet__taps_fit(&g->taps), width = (size_t)g->groups * (size_t)g->cout;
  for (size_t r = begin; r < end; r += step)
    for (int32_t k = 0; k < g->groups; k++) {
      const size_t rows = ANET_MIN(step, end - r), o = (size_t)k * (size_t)g->cout + (size_t)o0;
      anet__taps taps = g->taps;
      taps.base += (size_t)k * (size_t)g->cin;
      anet__taps_fill(&taps, r, rows, tap);
      if (g->depthwise) {
        g->kernels->depthwise_grad(&(anet__depthwise_grad_args){.tap = tap,
                                                                .rows = (int32_t)rows,
                                                                .taps = anet__taps_count(&taps),
                                                                .channels = g->cout,
                                                                .dy = g->dy + r * width,
                                                                .dy_ld = width,
                                                                .dw = dw,
                                                                .dw_ld = width});
      } else {
        g->kernels->conv_grad(&(anet__conv_grad_args){.tap = tap,
                                                      .rows = (int32_t)rows,
                                                      .taps = anet__taps_count(&taps),
                                                      .cin = g->cin,
                                                      .cout = o1 - o0,
                                                      .dy = g->dy + r * width + o,
                                                      .dy_ld = width,
                                                      .dw = dw + o,
                                                      .dw_ld = width});
      }
    }
}

static void clear(const anet__filter_grad *g, float *dw, int32_t o0, int32_t o1)
{
  const size_t rows = grad_size(g) / ((size_t)g->groups * (size_t)g->cout) * (size_t)g->groups;
  for (size_t r = 0; r < rows; r++)
    memset(dw + r * (size_t)g->cout + (size_t)o0, 0, (size_t)(o1 - o0) * sizeof *dw);
}

/* Task i is slice i % slices of chunk i / slices. */
static void grad_tasks(const void *context, size_t first, size_t last)
{
  const anet__filter_grad *g = context;
  const size_t slices = (size_t)g->slices, size = grad_size(g);
  for (size_t i = first; i < last; i++) {
    size_t begin, end;
    int32_t o0, o1;
    const size_t chunk = i / slices;
    anet__chunk(grad_pixels(g), grad_chunks(g), chunk, &begin, &end);
    anet__slice(g->cout, (int32_t)(i % slices), g->slices, &o0, &o1);
    float *dw = chunk ? g->partial + (chunk - 1) * size : g->dw;
    if (chunk) clear(g, dw, o0, o1);
    grad_pixels_in(g, dw, begin, end, o0, o1);
  }
}

/* Elements [begin, end) of dw take the other chunks' sums, in order. */
static void grad_reduce(const void *context, size_t begin, size_t end)
{
  const anet__filter_grad *g = context;
  const size_t size = grad_size(g), step = 2048;
  const int32_t chunks = grad_chunks(g);
  for (size_t i = begin; i < end; i += step)
    for (int32_t k = 1; k < chunks; k++)
      g->kernels->add(g->dw + i, g->dw + i, g->partial + (size_t)(k - 1) * size + i,
                      ANET_MIN(step, end - i));
}

void anet__filter_grad_run(anet_pool *pool, const anet__filter_grad *grad)
{
  anet__filter_grad g = *grad;
  const int32_t chunks = grad_chunks(&g), workers = anet__pool_workers(pool);
  const size_t size = grad_size(&g);
  g.slices = g.depthwise || chunks >= workers ? 1 : ANET_MIN(workers, (g.cout + BLOCK - 1) / BLOCK);
  const size_t tasks = (size_t)chunks * (size_t)g.slices;
  anet__split(pool, tasks, grad_pixels(&g) / tasks * (size / 8 + 1), grad_tasks, &g);
  if (chunks > 1) anet__split(pool, size, (size_t)chunks, grad_reduce, &g);
}

void anet__bias_grad(const anet__call *call, const float *dy, size_t rows, int32_t channels,
                     double *partial, float *db)
{
  const anet__sums sums = {.kernels = call->kernels,
                           .kind = ANET_SUM_PLAIN,
                           .x = dy,
                           .rows = rows,
                           .channels = channels,
                           .partial = partial};
  anet__sums_run(call->pool, &sums);
  for (int32_t c = 0; c < channels; c++) db[c] += (float)partial[c];
}
