/* Convolutions of every ISA against ref.
 *
 * Bounds: a sum of K products and `extra` more operations, in any order, fused or not, is within
 * (K + extra) * u * S of the exact value, S the same sum over absolute values, u = eps / 2
 * (Higham, 3.1). Two such results differ by at most (K + extra) * eps * S; S comes from ref. */
#include "compare.h"

enum { SPLITS = 4 };

/* One random problem: all arrays, guarded. The taps of a row are random rows of x. */
typedef struct problem {
  int32_t rows, taps, cin, cout, pixels;
  box x, w, y, add, scale, shift;
  size_t y_ld, add_ld;
  const float **tap;
  bool in_place; /* post.add is the output */
  anet__post post;
} problem;

/* mode bits: 1 scale, 2 shift, 4 clamp, 8 add, 16 in place */
static problem problem_new(int32_t rows, int32_t taps, int32_t cin, int32_t cout, int32_t mode)
{
  problem p = {.rows = rows, .taps = taps, .cin = cin, .cout = cout, .pixels = rows + 3};
  p.y_ld = (size_t)(cout + roll(0, 3));
  p.add_ld = (size_t)(cout + roll(0, 3));
  p.x = box_new((size_t)(p.pixels * cin), roll(0, 3));
  p.w = box_new((size_t)(taps * cin * cout), roll(0, 3));
  p.y = box_new((size_t)rows * p.y_ld, roll(0, 3));
  p.add = box_new((size_t)rows * p.add_ld, roll(0, 3));
  p.scale = box_new((size_t)cout, roll(0, 3));
  p.shift = box_new((size_t)cout, roll(0, 3));
  p.tap = malloc((size_t)(rows * taps + 1) * sizeof *p.tap);
  if (!p.tap) abort();
  for (int32_t i = 0; i < rows * taps; i++) p.tap[i] = p.x.v + roll(0, p.pixels - 1) * cin;
  p.in_place = mode & 16;
  p.post = (anet__post){.low = mode & 4 ? -0.5f : -INFINITY, .high = mode & 4 ? 1.0f : INFINITY};
  if (mode & 1) p.post.scale = p.scale.v;
  if (mode & 2) p.post.shift = p.shift.v;
  if (mode & 8 && !p.in_place) p.post.add = p.add.v, p.post.add_ld = p.add_ld;
  return p;
}

/* The same problem over absolute values: its result bounds the error. */
static problem problem_abs(const problem *from)
{
  problem p = *from;
  p.x = box_abs(&from->x);
  p.w = box_abs(&from->w);
  p.y = box_abs(&from->y);
  p.add = box_abs(&from->add);
  p.scale = box_abs(&from->scale);
  p.shift = box_abs(&from->shift);
  p.tap = malloc((size_t)(p.rows * p.taps + 1) * sizeof *p.tap);
  if (!p.tap) abort();
  for (int32_t i = 0; i < p.rows * p.taps; i++) p.tap[i] = p.x.v + (from->tap[i] - from->x.v);
  p.post.low = -INFINITY, p.post.high = INFINITY;
  if (p.post.scale) p.post.scale = p.scale.v;
  if (p.post.shift) p.post.shift = p.shift.v;
  if (p.post.add) p.post.add = p.add.v;
  return p;
}

static void problem_free(problem *p)
{
  box_free(&p->x, "x");
  box_free(&p->w, "w");
  box_free(&p->y, "y");
  box_free(&p->add, "add");
  box_free(&p->scale, "scale");
  box_free(&p->shift, "shift");
  free(p->tap);
}

/* Which of the four kernels; the gradients read y as dy and add to w. */
typedef void (*runner)(const anet__kernels *k, const problem *p, int32_t r0, int32_t r1, box *out);

static void run_conv(const anet__kernels *k, const problem *p, int32_t r0, int32_t r1, box *out)
{
  const size_t need = k->conv_pack_size(p->taps, p->cin, p->cout);
  box packed = box_new(need, 0);
  k->conv_pack(packed.v, p->w.v, p->taps, p->cin, p->cout, (size_t)(p->cin * p->cout),
               (size_t)p->cout, 1);
  anet__conv_args a = {.tap = p->tap + (ptrdiff_t)r0 * p->taps,
                       .rows = r1 - r0,
                       .taps = p->taps,
                       .cin = p->cin,
                       .cout = p->cout,
                       .packed = packed.v,
                       .ahead = r0 ? packed.v : NULL,
                       .out = out->v + (size_t)r0 * p->y_ld,
                       .out_ld = p->y_ld,
                       .post = p->post};
  if (p->in_place)
    a.post.add = a.out, a.post.add_ld = p->y_ld;
  else if (a.post.add)
    a.post.add += (size_t)r0 * p->add_ld;
  k->conv(&a);
  box_free(&packed, "conv_pack");
}

static void run_conv_grad(const anet__kernels *k, const problem *p, int32_t r0, int32_t r1,
                          box *out)
{
  const anet__conv_grad_args a = {
      p->tap + (ptrdiff_t)r0 * p->taps, r1 - r0, p->taps, p->cin,         p->cout,
      p->y.v + (size_t)r0 * p->y_ld,    p->y_ld, out->v,  (size_t)p->cout};
  k->conv_grad(&a);
}

static void run_depthwise(const anet__kernels *k, const problem *p, int32_t r0, int32_t r1,
                          box *out)
{
  anet__depthwise_args a = {
      p->tap + (ptrdiff_t)r0 * p->taps, r1 - r0, p->taps, p->cin, p->w.v, (size_t)p->cout,
      out->v + (size_t)r0 * p->y_ld,    p->y_ld, p->post};
  if (p->in_place)
    a.post.add = a.out, a.post.add_ld = p->y_ld;
  else if (a.post.add)
    a.post.add += (size_t)r0 * p->add_ld;
  k->depthwise(&a);
}

static void run_depthwise_grad(const anet__kernels *k, const problem *p, int32_t r0, int32_t r1,
                               box *out)
{
  const anet__depthwise_grad_args a = {
      p->tap + (ptrdiff_t)r0 * p->taps, r1 - r0, p->taps, p->cin,
      p->y.v + (size_t)r0 * p->y_ld,    p->y_ld, out->v,  (size_t)p->cout};
  k->depthwise_grad(&a);
}

/* Runs p by ref and by every ISA, whole and in pieces; `terms` bounds a sum's operations. */
static void compare(const char *what, const problem *p, runner run, bool grad, int32_t terms)
{
  problem size = problem_abs(p);
  box want = box_copy(grad ? &p->w : &p->y), bound = box_copy(grad ? &size.w : &size.y);
  run(plain(), p, 0, p->rows, &want);
  run(plain(), &size, 0, p->rows, &bound);
  EACH_ISA(k)
  {
    box got = box_copy(grad ? &p->w : &p->y), pieces = box_copy(grad ? &p->w : &p->y);
    run(k, p, 0, p->rows, &got);
    for (size_t i = 0; i < got.n; i++) {
      const double s = (double)bound.v[i];
      agree(what, k->isa, i, (double)got.v[i], (double)want.v[i],
            isfinite(s) ? (double)terms * FLT_EPSILON * s + FLT_MIN : 0.0);
    }
    for (int32_t r = 0, end; r < p->rows; r = end) {
      const int32_t step = roll(1, p->rows / SPLITS + 1);
      end = ANET_MIN(p->rows, r + step);
      run(k, p, r, end, &pieces);
    }
    agree_bits(what, k->isa, pieces.v, got.v, got.n);
    box_free(&got, what);
    box_free(&pieces, what);
  }
  box_free(&want, what);
  box_free(&bound, what);
  problem_free(&size);
}

static int32_t some_rows(void)
{
  return roll(0, 3) ? roll(0, 31) : roll(32, 300);
}

static int32_t some_taps(void)
{
  static const int32_t taps[] = {1, 1, 2, 4, 9, 9, 25};
  return taps[roll(0, ANET_COUNT(taps) - 1)];
}

static void conv_case(int32_t rows, int32_t taps, int32_t cin, int32_t cout, int32_t mode,
                      int32_t spoiled)
{
  problem p = problem_new(rows, taps, cin, cout, mode);
  box_spoil(&p.x, spoiled);
  compare("conv", &p, run_conv, false, taps * cin + 3);
  compare("conv_grad", &p, run_conv_grad, true, rows + 1);
  problem_free(&p);
}

TEST(conv_every_width)
{
  for (int32_t cout = 0; cout <= 4 * MAX_LANES + 1; cout++) {
    reseed(1000 + cout);
    conv_case(roll(1, 20), roll(0, 1) ? 1 : 3, roll(1, 5), cout, cout % 32, 0);
  }
}

/* Of tiles of every width, whole and not, and past the first panel. */
TEST(conv_every_height)
{
  for (int32_t rows = 0; rows <= 43; rows++)
    for (int32_t vectors = 0; vectors < 5; vectors++) {
      reseed(2000 + rows * 5 + vectors);
      const int32_t first = vectors * MAX_LANES;
      conv_case(rows, 3, 3, rows % 2 ? first + MAX_LANES : roll(first + 1, first + MAX_LANES),
                rows % 32, 0);
    }
}

TEST(conv_every_depth)
{
  for (int32_t cin = 0; cin <= 3 * MAX_LANES + 1; cin++) {
    reseed(3000 + cin);
    conv_case(roll(1, 20), some_taps(), cin, roll(1, 40), cin % 32, 0);
  }
}

TEST(conv_every_post)
{
  for (int32_t mode = 0; mode < 32; mode++) {
    reseed(4000 + mode);
    conv_case(17, 2, 5, 37, mode, 0);
  }
}

TEST(conv_at_random)
{
  for (int32_t i = 0; i < 150; i++) {
    reseed(5000 + i);
    conv_case(some_rows(), some_taps(), roll(1, 40), roll(1, 70), roll(0, 31), i % 3 ? 0 : 3);
  }
}

/* More rows than a cache block of any kernel. */
TEST(conv_blocks)
{
  reseed(6000);
  conv_case(3000, 1, 3, 16, 7, 0);
  conv_case(700, 9, 3, 33, 7, 0);
}

/* A transposed packing equals packing the transpose. */
TEST(conv_pack_strides)
{
  reseed(7000);
  enum { TAPS = 3, IN = 5, OUT = 37 };
  box w = box_new(TAPS * IN * OUT, 1), t = box_new(TAPS * IN * OUT, 2);
  for (size_t k = 0; k < TAPS; k++)
    for (size_t i = 0; i < IN; i++)
      for (size_t o = 0; o < OUT; o++) t.v[(o * TAPS + k) * IN + i] = w.v[(k * IN + i) * OUT + o];
  for (int isa = 0; isa < ANET_ISA_COUNT; isa++) {
    const anet__kernels *k = anet__kernels_for((anet__isa)isa);
    if (!k) continue;
    const size_t n = k->conv_pack_size(TAPS, IN, OUT);
    box a = box_new(n, 0), b = box_new(n, 0);
    k->conv_pack(a.v, w.v, TAPS, IN, OUT, IN * OUT, OUT, 1);
    k->conv_pack(b.v, t.v, TAPS, IN, OUT, IN, 1, TAPS * IN);
    agree_bits("conv_pack", k->isa, a.v, b.v, n);
    box_free(&a, "conv_pack");
    box_free(&b, "conv_pack");
  }
  box_free(&w, "w");
  box_free(&t, "t");
}

static void depthwise_case(int32_t rows, int32_t taps, int32_t channels, int32_t mode,
                           int32_t spoiled)
{
  problem p = problem_new(rows, taps, channels, channels, mode);
  box_spoil(&p.x, spoiled);
  compare("depthwise", &p, run_depthwise, false, taps + 3);
  compare("depthwise_grad", &p, run_depthwise_grad, true, rows + 1);
  problem_free(&p);
}

TEST(depthwise_every_width)
{
  for (int32_t c = 0; c <= 3 * MAX_LANES + 1; c++)
    for (int32_t taps = 9; taps <= 25; taps += 16) {
      reseed(8000 + c * 100 + taps);
      depthwise_case(roll(1, 14), taps, c, c % 32, c % 4 ? 0 : 2);
    }
}

TEST(depthwise_every_height)
{
  for (int32_t rows = 0; rows <= 13; rows++) {
    reseed(9000 + rows);
    depthwise_case(rows, roll(1, 12), roll(1, 40), rows, 0);
  }
}

TEST(depthwise_every_post)
{
  for (int32_t mode = 0; mode < 32; mode++) {
    reseed(9500 + mode);
    depthwise_case(11, mode & 1 ? 9 : 4, 37, mode, 0);
    depthwise_case(11, mode & 1 ? 4 : 9, 37, mode, 0);
  }
}

TEST(depthwise_blocks)
{
  reseed(9900);
  depthwise_case(1200, 9, 19, 31, 0);
}

TEST_MAIN(CASE(conv_every_width), CASE(conv_every_height), CASE(conv_every_depth),
          CASE(conv_every_post), CASE(conv_at_random), CASE(conv_blocks), CASE(conv_pack_strides),
          CASE(depthwise_every_width), CASE(depthwise_every_height), CASE(depthwise_every_post),
          CASE(depthwise_blocks))
