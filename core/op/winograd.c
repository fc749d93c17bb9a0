#include "op/winograd.h"

#include "base/pool.h"
#include "op/work.h"

/* Tiles go in blocks: a block's pixels become points; then, for each unit of output channels, the
 * matrices of all points are multiplied and the products become pixels. Where there are tiles
 * enough every worker takes blocks of its own, and what it writes it reads; else all share a block,
 * first its tiles, then its units. A product of one tile depends on nothing but that tile, so
 * neither changes a bit. */
enum {
  UNIT = 64,            /* output channels that are done at a time: whole panels on every ISA */
  LEAST_BLOCK = 16,     /* tiles of a block: the weights it streams are to be worth it */
  MOST_BLOCK = 56,      /* and their pixel pointers are to fit ANET_TAP_ROOM */
  BLOCK_FLOATS = 160000 /* points of a block that the second-level cache holds */
};

bool anet__winograd_fits(const anet_attr *a)
{
  return a->kernel[0] == 3 && a->kernel[1] == 3 && a->stride[0] == 1 && a->stride[1] == 1 &&
         a->dilation[0] == 1 && a->dilation[1] == 1 && a->groups == 1;
}

static int32_t points(int32_t m)
{
  return (m + 2) * (m + 2);
}

/* ---- packed weights: unit by unit, each all points one after the other
 * --------------------------- */

static size_t unit_floats(const anet__kernels *k, const anet__filter *f, int32_t m, int32_t cout)
{
  return (size_t)points(m) * k->conv_pack_size(1, f->cin, cout);
}

static int32_t units(const anet__filter *f)
{
  return (f->cout + UNIT - 1) / UNIT;
}

size_t anet__winograd_floats(const anet__kernels *k, const anet__filter *f, int32_t m)
{
  const int32_t rest = f->cout % UNIT;
  return (size_t)(f->cout / UNIT) * unit_floats(k, f, m, UNIT) +
         (rest ? unit_floats(k, f, m, rest) : 0);
}

typedef struct packing {
  const anet__kernels *kernels;
  const anet__filter *filter;
  int32_t m;
  float *packed;
} packing;

static void pack_units(const void *context, size_t begin, size_t end)
{
  const packing *p = context;
  const anet__filter *f = p->filter;
  const size_t whole = unit_floats(p->kernels, f, p->m, UNIT);
  for (size_t u = begin; u < end; u++)
    p->kernels->winograd_pack(p->packed + u * whole, f->w + u * UNIT * f->ld_out, p->m, f->cin,
                              ANET_MIN(UNIT, f->cout - (int32_t)u * UNIT), f->ld_tap, f->ld_in,
                              f->ld_out);
}

void anet__winograd_pack(const anet__kernels *kernels, anet_pool *pool, const anet__filter *filter,
                         int32_t m, float *packed)
{
  const packing p = {kernels, filter, m, packed};
  anet__split(pool, (size_t)units(filter), (size_t)filter->cin * UNIT * 64, pack_units, &p);
}

/* ---- tiles
 * ------------------------------------------------------------------------------------------ */

typedef struct grid {
  int32_t lines, columns; /* of tiles in an image */
  int32_t tiles, blocks;  /* of all images */
  int32_t block;          /* the most tiles of a block */
  bool apart;             /* a worker a block */
} grid;

static grid grid_of(const anet__winograd *w, int32_t workers)
{
  grid g = {.lines = (w->out_shape->dim[0] + w->m - 1) / w->m,
            .columns = (w->out_shape->dim[1] + w->m - 1) / w->m};
  const int32_t fit = BLOCK_FLOATS / (points(w->m) * w->filter.cin);
  const int32_t most = ANET_MAX(LEAST_BLOCK, ANET_MIN(fit, MOST_BLOCK));
  g.tiles = w->images * g.lines * g.columns;
  g.blocks = (g.tiles + most - 1) / most;
  g.apart = g.tiles >= LEAST_BLOCK * workers;
  if (g.apart) g.blocks = (g.blocks + workers - 1) / workers * workers;
  g.block = (g.tiles + g.blocks - 1) / g.blocks;
  return g;
}

/* Scratch, as offsets in floats. */
typedef struct layout {
  size_t points, product;         /* of the first worker */
  size_t per_points, per_product; /* from one worker's to the next's */
  size_t floats;
} layout;

static layout layout_of(const anet__winograd *w, const grid *g, int32_t workers)
{
  const size_t n = (size_t)points(w->m) * (size_t)g->block;
  layout l = {.per_points = g->apart ? n * (size_t)w->filter.cin : 0,
              .per_product = n * (size_t)ANET_MIN(UNIT, w->filter.cout)};
  const size_t holders = g->apart ? (size_t)workers : 1;
  l.points = anet__take(&l.floats, holders * n * (size_t)w->filter.cin);
  l.product = anet__take(&l.floats, (size_t)workers * l.per_product);
  return l;
}

size_t anet__winograd_scratch(const anet__winograd *w, anet_pool *pool)
{
  const int32_t workers = anet__pool_workers(pool);
  const grid g = grid_of(w, workers);
  return layout_of(w, &g, workers).floats;
}

typedef struct job {
  const anet__winograd *w;
  const anet__kernels *kernels;
  grid grid;
  layout layout;
  anet__taps taps; /* of tiles: n x n pixels, m apart */
} job;

/* Some tiles, their points and room for their products. */
typedef struct block {
  const job *job;
  int32_t first, tiles;
  float *points, *product; /* (n * n, tiles, cin); (n * n, tiles, unit) */
} block;

static block block_at(const job *j, int32_t index, int32_t worker)
{
  block b = {.job = j};
  int32_t end;
  anet__slice(j->grid.tiles, index, j->grid.blocks, &b.first, &end);
  b.tiles = end - b.first;
  b.points = j->w->scratch + j->layout.points + (size_t)worker * j->layout.per_points;
  b.product = j->w->scratch + j->layout.product + (size_t)worker * j->layout.per_product;
  return b;
}

static anet__taps tile_taps(const anet__winograd *w, const grid *g)
{
  anet__taps t = {.base = w->in, .outside = w->outside, .pixel = (size_t)w->filter.cin};
  for (int32_t i = 0; i < 2; i++) {
    t.in[i] = w->in_shape->dim[i];
    t.out[i] = i ? g->columns : g->lines;
    t.kernel[i] = w->m + 2;
    t.stride[i] = w->m;
    t.offset[i] = -w->pad[i];
    t.step[i] = 1;
  }
  return t;
}

/* ---- pixels to points
 * --------------------------------------------------------------------------------- */

static void to_points(const void *context, size_t begin, size_t end)
{
  const block *b = context;
  const job *j = b->job;
  const float *tap[ANET_TAP_ROOM];
  const size_t step = anet__taps_fit(&j->taps), cin = (size_t)j->w->filter.cin;
  for (size_t t = begin; t < end; t += step) {
    const size_t tiles = ANET_MIN(step, end - t);
    anet__taps_fill(&j->taps, (size_t)b->first + t, tiles, tap);
    j->kernels->winograd_in(&(anet__winograd_in_args){.tap = tap,
                                                      .m = j->w->m,
                                                      .tiles = (int32_t)tiles,
                                                      .channels = (int32_t)cin,
                                                      .v = b->points + t * cin,
                                                      .ld_point = (size_t)b->tiles * cin,
                                                      .ld_tile = cin});
  }
}

/* ---- products, and back to pixels
 * ------------------------------------------------------------------------ */

/* The products of all points, for one unit. */
static void multiply(const block *b, int32_t unit, int32_t cout)
{
  const anet__winograd *w = b->job->w;
  const anet__kernels *k = b->job->kernels;
  const size_t cin = (size_t)w->filter.cin, tiles = (size_t)b->tiles;
  const size_t matrix = k->conv_pack_size(1, w->filter.cin, cout);
  const float *row[MOST_BLOCK];
  anet__conv_args args = {.tap = row,
                          .rows = b->tiles,
                          .taps = 1,
                          .cin = w->filter.cin,
                          .cout = cout,
                          .packed =
                              w->packed + (size_t)unit * unit_floats(k, &w->filter, w->m, UNIT),
                          .out = b->product,
                          .out_ld = (size_t)cout,
                          .post = anet__post_none()};
  for (int32_t p = 0; p < points(w->m); p++) {
    for (size_t t = 0; t < tiles; t++) row[t] = b->points + ((size_t)p * tiles + t) * cin;
    args.ahead = args.packed + matrix; /* of the next point, or of the next unit */
    k->conv(&args);
    args.packed = args.ahead;
    args.out += tiles * (size_t)cout;
  }
}

static void spots(const job *j, size_t first, int32_t tiles, anet__winograd_spot *spot)
{
  const anet__winograd *w = j->w;
  const size_t per_image = (size_t)j->grid.lines * (size_t)j->grid.columns;
  const int32_t height = w->out_shape->dim[0], width = w->out_shape->dim[1];
  for (int32_t t = 0; t < tiles; t++) {
    const size_t tile = first + (size_t)t, in_image = tile % per_image;
    const int32_t y = (int32_t)(in_image / (size_t)j->grid.columns) * w->m;
    const int32_t x = (int32_t)(in_image % (size_t)j->grid.columns) * w->m;
    const size_t pixel =
        (tile / per_image * (size_t)height + (size_t)y) * (size_t)width + (size_t)x;
    spot[t] = (anet__winograd_spot){.at = pixel * w->out_ld,
                                    .rows = ANET_MIN(w->m, height - y),
                                    .cols = ANET_MIN(w->m, width - x)};
  }
}

static void to_pixels(const block *b, int32_t unit, int32_t cout)
{
  const job *j = b->job;
  const anet__winograd *w = j->w;
  const size_t o = (size_t)unit * UNIT;
  anet__winograd_spot spot[MOST_BLOCK];
  spots(j, (size_t)b->first, b->tiles, spot);
  anet__winograd_out_args args = {.product = b->product,
                                  .ld_point = (size_t)b->tiles * (size_t)cout,
                                  .ld_tile = (size_t)cout,
                                  .spot = spot,
                                  .m = w->m,
                                  .tiles = b->tiles,
                                  .channels = cout,
                                  .out = w->out + o,
                                  .ld_line = (size_t)w->out_shape->dim[1] * w->out_ld,
                                  .ld_pixel = w->out_ld,
                                  .post = w->post};
  if (args.post.scale) args.post.scale += o;
  if (args.post.shift) args.post.shift += o;
  if (args.post.add) args.post.add += o;
  j->kernels->winograd_out(&args);
}

static void do_unit(const block *b, int32_t unit)
{
  const int32_t cout = ANET_MIN(UNIT, b->job->w->filter.cout - unit * UNIT);
  multiply(b, unit, cout);
  to_pixels(b, unit, cout);
}

/* ---- all of them
 * ----------------------------------------------------------------------------------------- */

static void block_alone(void *context, int32_t part, int32_t worker)
{
  const block b = block_at(context, part, worker);
  to_points(&b, 0, (size_t)b.tiles);
  for (int32_t unit = 0; unit < units(&b.job->w->filter); unit++) do_unit(&b, unit);
}

static void unit_of_shared(void *context, int32_t part, int32_t worker)
{
  const block *shared = context;
  block b = *shared;
  b.product += (size_t)worker * b.job->layout.per_product;
  do_unit(&b, part);
}

void anet__winograd_run(const anet__kernels *kernels, anet_pool *pool, const anet__winograd *w)
{
  const int32_t workers = anet__pool_workers(pool);
  job j = {.w = w, .kernels = kernels, .grid = grid_of(w, workers)};
  j.layout = layout_of(w, &j.grid, workers);
  j.taps = tile_taps(w, &j.grid);
  if (j.grid.apart) {
    anet__pool_run(pool, block_alone, &j, j.grid.blocks);
    return;
  }
  for (int32_t i = 0; i < j.grid.blocks; i++) {
    block b = block_at(&j, i, 0);
    anet__split(pool, (size_t)b.tiles, (size_t)points(w->m) * (size_t)w->filter.cin * 2, to_points,
                &b);
    anet__pool_run(pool, unit_of_shared, &b, units(&w->filter));
  }
}
