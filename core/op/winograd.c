#include "op/winograd.h"

#include "op/work.h"

/* Tiles are taken in rounds of a block a worker. A round has two steps, each shared by the workers:
 * the blocks' pixels become points; then, for a block and a unit of output channels, the matrices
 * of all points are multiplied and the products become pixels. A product of one tile depends on
 * nothing but that tile, so neither blocks nor workers change a bit. */
enum {
  UNIT = 64,            /* output channels that are done at a time: whole panels on every ISA */
  LEAST_BLOCK = 16,     /* tiles of a block: the weights it streams are to be worth it */
  MOST_BLOCK = 56,      /* and their pixel pointers are to fit ANET_TAP_ROOM */
  BLOCK_STEP = 14,      /* whole register tiles */
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
  size_t tiles;           /* of all images */
  int32_t block;          /* tiles of a block */
  int32_t round;          /* tiles of a round, a whole number of blocks */
} grid;

static grid grid_of(const anet__winograd *w, int32_t workers)
{
  grid g = {.lines = (w->out_shape->dim[0] + w->m - 1) / w->m,
            .columns = (w->out_shape->dim[1] + w->m - 1) / w->m};
  g.tiles = (size_t)w->images * (size_t)g.lines * (size_t)g.columns;
  const int32_t fit = BLOCK_FLOATS / (points(w->m) * w->filter.cin);
  const int32_t most = ANET_MAX(LEAST_BLOCK, ANET_MIN(fit, MOST_BLOCK));
  g.block = g.tiles <= (size_t)most ? (int32_t)g.tiles : most / BLOCK_STEP * BLOCK_STEP;
  g.round = (int32_t)ANET_MIN((size_t)g.block * (size_t)workers, g.tiles);
  return g;
}

/* Scratch, as offsets in floats. */
typedef struct layout {
  size_t points, product, floats;
} layout;

static layout layout_of(const anet__winograd *w, const grid *g, int32_t workers)
{
  const size_t n = (size_t)points(w->m), width = (size_t)ANET_MIN(UNIT, w->filter.cout);
  layout l = {0};
  l.points = anet__take(&l.floats, n * (size_t)g->round * (size_t)w->filter.cin);
  l.product = anet__take(&l.floats, (size_t)workers * n * (size_t)g->block * width);
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
  anet__taps taps;         /* of tiles: n x n pixels, m apart */
  size_t first;            /* tile of the round */
  int32_t count, blocks;   /* tiles and blocks of the round */
  float *points, *product; /* (n * n, round, cin); (workers, n * n, block, unit) */
} job;

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
  const job *j = context;
  const float *tap[ANET_TAP_ROOM];
  const size_t step = anet__taps_fit(&j->taps), cin = (size_t)j->w->filter.cin;
  for (size_t t = begin; t < end; t += step) {
    const size_t tiles = ANET_MIN(step, end - t);
    anet__taps_fill(&j->taps, j->first + t, tiles, tap);
    j->kernels->winograd_in(&(anet__winograd_in_args){.tap = tap,
                                                      .m = j->w->m,
                                                      .tiles = (int32_t)tiles,
                                                      .channels = (int32_t)cin,
                                                      .v = j->points + t * cin,
                                                      .ld_point = (size_t)j->grid.round * cin,
                                                      .ld_tile = cin});
  }
}

/* ---- products, and back to pixels
 * ------------------------------------------------------------------------ */

/* The products of all points of `tiles` tiles from `from` on in the round, for one unit. */
static void multiply(const job *j, int32_t from, int32_t tiles, int32_t unit, int32_t cout,
                     float *product)
{
  const anet__filter *f = &j->w->filter;
  const size_t cin = (size_t)f->cin, matrix = j->kernels->conv_pack_size(1, f->cin, cout);
  const float *row[MOST_BLOCK];
  anet__conv_args args = {.tap = row,
                          .rows = tiles,
                          .taps = 1,
                          .cin = f->cin,
                          .cout = cout,
                          .out_ld = (size_t)cout,
                          .post = anet__post_none()};
  const float *packed = j->w->packed + (size_t)unit * unit_floats(j->kernels, f, j->w->m, UNIT);
  for (int32_t p = 0; p < points(j->w->m); p++) {
    const float *v = j->points + ((size_t)p * (size_t)j->grid.round + (size_t)from) * cin;
    for (int32_t t = 0; t < tiles; t++) row[t] = v + (size_t)t * cin;
    args.packed = packed + (size_t)p * matrix;
    args.out = product + (size_t)p * (size_t)tiles * (size_t)cout;
    j->kernels->conv(&args);
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

static void to_pixels(const job *j, int32_t from, int32_t tiles, int32_t unit, int32_t cout,
                      const float *product)
{
  const anet__winograd *w = j->w;
  const size_t o = (size_t)unit * UNIT;
  anet__winograd_spot spot[MOST_BLOCK];
  spots(j, j->first + (size_t)from, tiles, spot);
  anet__winograd_out_args args = {.product = product,
                                  .ld_point = (size_t)tiles * (size_t)cout,
                                  .ld_tile = (size_t)cout,
                                  .spot = spot,
                                  .m = w->m,
                                  .tiles = tiles,
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

/* Part i is unit i / blocks of block i % blocks, so that neighbours in time share weights. */
static void products(void *context, int32_t part, int32_t worker)
{
  const job *j = context;
  const anet__filter *f = &j->w->filter;
  const size_t room =
      (size_t)points(j->w->m) * (size_t)j->grid.block * (size_t)ANET_MIN(UNIT, f->cout);
  const int32_t unit = part / j->blocks, from = part % j->blocks * j->grid.block;
  const int32_t tiles = ANET_MIN(j->grid.block, j->count - from);
  const int32_t cout = ANET_MIN(UNIT, f->cout - unit * UNIT);
  float *product = j->product + (size_t)worker * room;
  multiply(j, from, tiles, unit, cout, product);
  to_pixels(j, from, tiles, unit, cout, product);
}

void anet__winograd_run(const anet__kernels *kernels, anet_pool *pool, const anet__winograd *w)
{
  const int32_t workers = anet__pool_workers(pool);
  job j = {.w = w, .kernels = kernels, .grid = grid_of(w, workers)};
  const layout l = layout_of(w, &j.grid, workers);
  j.taps = tile_taps(w, &j.grid);
  j.points = w->scratch + l.points;
  j.product = w->scratch + l.product;
  for (; j.first < j.grid.tiles; j.first += (size_t)j.grid.round) {
    j.count = (int32_t)ANET_MIN((size_t)j.grid.round, j.grid.tiles - j.first);
    j.blocks = (j.count + j.grid.block - 1) / j.grid.block;
    anet__split(pool, (size_t)j.count, (size_t)points(w->m) * (size_t)w->filter.cin * 2, to_points,
                &j);
    anet__pool_run(pool, products, &j, j.blocks * units(&w->filter));
  }
}
