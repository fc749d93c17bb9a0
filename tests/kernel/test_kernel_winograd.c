/* The transforms of Winograd's convolution against ref.
 *
 * Bounds: each result is two nested sums of at most six products whose factors are at most 2.9;
 * rounding errors of either order add to less than 16 eps times the sum of absolute values, which
 * ref gives over |x| with a bound for the matrices' entries (2.9 * 2.9 * sum |x|). */
#include "compare.h"

enum { MOST_TILES = 9 };

typedef struct problem {
  int32_t m, tiles, channels, pixels;
  box x, scale, shift, add;
  const float *tap[MOST_TILES * 36];
} problem;

static problem problem_new(int32_t m, int32_t tiles, int32_t channels)
{
  problem p = {.m = m, .tiles = tiles, .channels = channels, .pixels = 60};
  p.x = box_new((size_t)(p.pixels * channels), roll(0, 3));
  for (int32_t i = 0; i < tiles * (m + 2) * (m + 2); i++)
    p.tap[i] = p.x.v + roll(0, p.pixels - 1) * channels;
  return p;
}

static void run_in(const anet__kernels *k, const problem *p, box *v)
{
  k->winograd_in(&(anet__winograd_in_args){.tap = p->tap,
                                           .m = p->m,
                                           .tiles = p->tiles,
                                           .channels = p->channels,
                                           .v = v->v,
                                           .ld_point = (size_t)(p->tiles * p->channels),
                                           .ld_tile = (size_t)p->channels});
}

static double largest(const box *b)
{
  double most = 0;
  for (size_t i = 0; i < b->n; i++)
    if (isfinite(b->v[i])) most = fmax(most, fabs((double)b->v[i]));
  return most;
}

TEST(pixels_become_points)
{
  for (int32_t i = 0; i < 60; i++) {
    reseed(i);
    problem p = problem_new(i % 2 ? 4 : 2, roll(1, MOST_TILES), i < 52 ? i + 1 : roll(60, 150));
    const size_t count = (size_t)((p.m + 2) * (p.m + 2) * p.tiles * p.channels);
    box want = box_new(count, 0);
    run_in(plain(), &p, &want);
    const double bound = 16 * FLT_EPSILON * 36 * 2.9 * 2.9 * largest(&p.x);
    EACH_ISA(k)
    {
      box got = box_new(count, roll(0, 3));
      run_in(k, &p, &got);
      for (size_t n = 0; n < count; n++)
        agree("winograd_in", k->isa, n, (double)got.v[n], (double)want.v[n], bound);
      box_free(&got, "winograd_in");
    }
    box_free(&want, "winograd_in by ref");
    box_free(&p.x, "x");
  }
}

/* Tiles of an image that they cover but for `rest` lines and columns; what is outside them must
 * stay as it was. */
static void spots(const problem *p, anet__winograd_spot *spot, int32_t rest, size_t ld_pixel)
{
  const size_t side = (size_t)(p->m * p->m) * ld_pixel;
  for (int32_t t = 0; t < p->tiles; t++)
    spot[t] = (anet__winograd_spot){.at = (size_t)t * side,
                                    .rows = t % 2 ? p->m : p->m - rest,
                                    .cols = t % 3 ? p->m : p->m - rest};
}

static void run_out(const anet__kernels *k, const problem *p, const anet__post *post,
                    const anet__winograd_spot *spot, size_t ld_pixel, box *out)
{
  k->winograd_out(&(anet__winograd_out_args){.product = p->x.v,
                                             .ld_point = (size_t)(p->tiles * p->channels),
                                             .ld_tile = (size_t)p->channels,
                                             .spot = spot,
                                             .m = p->m,
                                             .tiles = p->tiles,
                                             .channels = p->channels,
                                             .out = out->v,
                                             .ld_line = (size_t)p->m * ld_pixel,
                                             .ld_pixel = ld_pixel,
                                             .post = *post});
}

TEST(points_become_pixels)
{
  for (int32_t i = 0; i < 80; i++) {
    reseed(i);
    problem p = problem_new(i % 2 ? 4 : 2, roll(1, MOST_TILES), i < 52 ? i + 1 : roll(60, 150));
    const size_t points = (size_t)((p.m + 2) * (p.m + 2)),
                 ld_pixel = (size_t)(p.channels + roll(0, 2));
    const size_t count = (size_t)(p.tiles * p.m * p.m) * ld_pixel;
    anet__winograd_spot spot[MOST_TILES];
    box_free(&p.x, "x");
    p.x = box_new(points * (size_t)(p.tiles * p.channels), roll(0, 3));
    p.scale = box_new((size_t)p.channels, roll(0, 3));
    p.shift = box_new((size_t)p.channels, roll(0, 3));
    p.add = box_new(count, roll(0, 3));
    const anet__post post = {.scale = i & 2 ? p.scale.v : NULL,
                             .shift = i & 4 ? p.shift.v : NULL,
                             .add = i & 8 ? p.add.v : NULL,
                             .low = i & 16 ? -1.0f : -INFINITY,
                             .high = i & 16 ? 2.0f : INFINITY};
    spots(&p, spot, i % p.m, ld_pixel);
    box want = box_new(count, 0);
    box start = box_copy(&want);
    run_out(plain(), &p, &post, spot, ld_pixel, &want);
    const double bound = 16 * FLT_EPSILON * (2 * 36 * 2.9 * 2.9 * largest(&p.x) + 4);
    EACH_ISA(k)
    {
      box got = box_copy(&start);
      run_out(k, &p, &post, spot, ld_pixel, &got);
      for (size_t n = 0; n < count; n++)
        agree("winograd_out", k->isa, n, (double)got.v[n], (double)want.v[n], bound);
      box_free(&got, "winograd_out");
    }
    box_free(&start, "start");
    box_free(&want, "winograd_out by ref");
    box_free(&p.add, "add");
    box_free(&p.scale, "scale");
    box_free(&p.shift, "shift");
    box_free(&p.x, "product");
  }
}

/* A NaN makes NaN of the sums that it belongs to, and of no others. */
TEST(a_nan_spreads_alike)
{
  reseed(5);
  for (int32_t m = 2; m <= 4; m += 2) {
    problem p = problem_new(m, 4, 21);
    const size_t count = (size_t)((m + 2) * (m + 2) * p.tiles * p.channels);
    box want = box_new(count, 0);
    for (int32_t i = 0; i < 8; i++) p.x.v[roll(0, (int32_t)p.x.n - 1)] = NAN;
    run_in(plain(), &p, &want);
    EACH_ISA(k)
    {
      box got = box_new(count, 1);
      run_in(k, &p, &got);
      for (size_t n = 0; n < count; n++) CHECK_EQ_I(isnan(got.v[n]) != 0, isnan(want.v[n]) != 0);
      box_free(&got, "winograd_in");
    }
    box_free(&want, "winograd_in by ref");
    box_free(&p.x, "x");
  }
}

/* A table's own layout, seen through its own conv: one-hot rows read the matrices back. */
TEST(filters_become_matrices)
{
  for (int32_t i = 0; i < 24; i++) {
    reseed(i);
    const int32_t m = i % 2 ? 4 : 2, points = (m + 2) * (m + 2), cin = roll(1, 9),
                  cout = roll(1, 64);
    box w = box_new((size_t)(9 * cin * cout), roll(0, 3));
    box want = box_new((size_t)(points * cin * cout), 0);
    plain()->winograd_pack(want.v, w.v, m, cin, cout, (size_t)(cin * cout), (size_t)cout, 1);
    EACH_ISA(k)
    {
      const size_t matrix = k->conv_pack_size(1, cin, cout);
      box packed = box_new((size_t)points * matrix, 0), got = box_new((size_t)(cin * cout), 0);
      float one[9 * 9] = {0};
      const float *row[9];
      for (int32_t c = 0; c < cin; c++) one[c * cin + c] = 1.0f, row[c] = one + c * cin;
      k->winograd_pack(packed.v, w.v, m, cin, cout, (size_t)(cin * cout), (size_t)cout, 1);
      for (int32_t p = 0; p < points; p++) {
        k->conv(&(anet__conv_args){.tap = row,
                                   .rows = cin,
                                   .taps = 1,
                                   .cin = cin,
                                   .cout = cout,
                                   .packed = packed.v + (size_t)p * matrix,
                                   .out = got.v,
                                   .out_ld = (size_t)cout,
                                   .post = {.low = -INFINITY, .high = INFINITY}});
        agree_bits("winograd_pack", k->isa, got.v, want.v + p * cin * cout, got.n);
      }
      box_free(&packed, "winograd_pack");
      box_free(&got, "matrix");
    }
    box_free(&want, "winograd_pack by ref");
    box_free(&w, "w");
  }
}

TEST_MAIN(CASE(pixels_become_points), CASE(points_become_pixels), CASE(a_nan_spreads_alike),
          CASE(filters_become_matrices))
