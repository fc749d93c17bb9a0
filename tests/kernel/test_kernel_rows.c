/* Kernels over rows of channels, of every ISA against ref. Sums in float of R terms differ by at
 * most (R + 2) * eps * sum|terms| (see test_kernel_conv.c); sums in double of runs in
 * float as kernel.h says; a fused or unfused a * b + c by 2 * eps * (|a * b| + |c|). */
#include "compare.h"

static const double eps = FLT_EPSILON;

/* The shapes of every test: all widths, few and many rows, every offset. */
typedef void (*shape_fn)(const anet__kernels *k, int32_t rows, int32_t channels, int32_t offset,
                         int32_t variant);

static void every_shape(shape_fn run, int64_t first_seed)
{
  EACH_ISA(k)
  for (int32_t c = 0; c <= 3 * k->lanes + 1; c++)
    for (int32_t offset = 0; offset < 4; offset++) {
      static const int32_t rows[] = {0, 1, 2, 5, 37};
      reseed(first_seed + c * 4 + offset);
      const int32_t tall = c && c % 5 == 0 && !offset ? 20000 / c : rows[roll(0, 4)];
      run(k, tall, c, offset, c + offset);
    }
}

static double magnitude(double a, double b, double c)
{
  const double m = fabs(a) + fabs(b) + fabs(c);
  return isfinite(m) ? m : 0.0;
}

/* -- pooling -------------------------------------------------------------------------------- */

typedef struct pool_case {
  box x;
  const float **tap;
  int32_t taps;
} pool_case;

static pool_case pool_new(int32_t rows, int32_t channels, int32_t offset, int32_t spoiled)
{
  static const int32_t taps[] = {1, 4, 9};
  pool_case p = {.taps = taps[roll(0, 2)]};
  p.x = box_new((size_t)((rows + 2) * channels), offset);
  box_spoil(&p.x, spoiled);
  for (size_t i = 0; i < p.x.n; i += 3) p.x.v[i] = 0.25f; /* ties */
  p.tap = malloc((size_t)(rows * p.taps + 1) * sizeof *p.tap);
  if (!p.tap) abort();
  for (int32_t i = 0; i < rows * p.taps; i++) {
    const int32_t pixel = roll(0, rows + 1);
    p.tap[i] = roll(0, 3) ? p.x.v + pixel * channels : NULL; /* sometimes a whole row of NULL */
  }
  return p;
}

static void max_shape(const anet__kernels *k, int32_t rows, int32_t channels, int32_t offset,
                      int32_t variant)
{
  pool_case p = pool_new(rows, channels, offset, variant % 3 ? 0 : 5);
  const size_t n = (size_t)rows * (size_t)channels;
  box got = box_new(n, offset), want = box_new(n, offset);
  uint8_t *index = malloc(2 * (n + 2));
  if (!index) abort();
  memset(index, 0xa5, 2 * (n + 2));
  const bool indexed = variant & 1;
  plain()->max_pool(want.v, indexed ? index + 1 : NULL, p.tap, rows, p.taps, channels);
  k->max_pool(got.v, indexed ? index + n + 3 : NULL, p.tap, rows, p.taps, channels);
  for (size_t i = 0; i < n; i++)
    agree("max_pool", k->isa, i, (double)got.v[i], (double)want.v[i], 0.0);
  CHECK(memcmp(index, index + n + 2, n + 2) == 0); /* the bytes around it too */
  CHECK_EQ_I(index[n + 2], 0xa5);
  free(index);
  free(p.tap);
  box_free(&got, "max_pool");
  box_free(&want, "max_pool");
  box_free(&p.x, "max_pool's x");
}

static void avg_shape(const anet__kernels *k, int32_t rows, int32_t channels, int32_t offset,
                      int32_t variant)
{
  pool_case p = pool_new(rows, channels, offset, variant % 3 ? 0 : 5);
  const size_t n = (size_t)rows * (size_t)channels;
  box got = box_new(n, offset), want = box_new(n, offset);
  plain()->avg_pool(want.v, p.tap, rows, p.taps, channels, variant & 1);
  k->avg_pool(got.v, p.tap, rows, p.taps, channels, variant & 1);
  for (size_t i = 0; i < n; i++) /* the same additions in the same order */
    agree("avg_pool", k->isa, i, (double)got.v[i], (double)want.v[i], 0.0);
  free(p.tap);
  box_free(&got, "avg_pool");
  box_free(&want, "avg_pool");
  box_free(&p.x, "avg_pool's x");
}

/* -- float sums over rows ------------------------------------------------------------------- */

static void sums_shape(const anet__kernels *k, int32_t rows, int32_t channels, int32_t offset,
                       int32_t variant)
{
  const size_t c = (size_t)channels, n = (size_t)rows * c;
  box a = box_new(n, offset), b = box_new(n, offset), start = box_new(c, offset);
  if (variant % 3 == 0) box_spoil(&a, 2);
  box mean = box_copy(&start), mean_ref = box_copy(&start), dot = box_copy(&start),
      dot_ref = box_copy(&start);
  k->mean_rows(mean.v, a.v, rows, channels);
  plain()->mean_rows(mean_ref.v, a.v, rows, channels);
  k->dot_rows(dot.v, a.v, b.v, rows, channels);
  plain()->dot_rows(dot_ref.v, a.v, b.v, rows, channels);
  for (size_t j = 0; j < c; j++) {
    double size = fabs((double)start.v[j]);
    for (size_t i = j; i < n; i += c) size += fabs((double)a.v[i] * (double)b.v[i]);
    if (!isfinite(size)) size = 0.0;
    agree("mean_rows", k->isa, j, (double)mean.v[j], (double)mean_ref.v[j], 0.0);
    agree("dot_rows", k->isa, j, (double)dot.v[j], (double)dot_ref.v[j], (rows + 2) * eps * size);
  }
  box_free(&a, "a");
  box_free(&b, "b");
  box_free(&start, "start");
  box_free(&mean, "mean_rows");
  box_free(&mean_ref, "mean_rows");
  box_free(&dot, "dot_rows");
  box_free(&dot_ref, "dot_rows");
}

/* -- double sums over rows ------------------------------------------------------------------ */

enum { MAX_CHANNELS = 3 * MAX_LANES + 1 };

static void fill_sums(double *v)
{
  for (int32_t i = 0; i < MAX_CHANNELS + 2; i++) v[i] = i * 0.125;
}

/* Runs of up to 64 rows in float, from a value of the run. The shift here stands for any mean. */
static void moments_shape(const anet__kernels *k, int32_t rows, int32_t channels, int32_t offset,
                          int32_t variant)
{
  const size_t c = (size_t)channels, n = (size_t)rows * c;
  const float far = variant % 4 == 2 ? 1000.0f : 0.0f;
  box x = box_new(n, offset);
  for (size_t i = 0; i < n; i++) x.v[i] += far;
  if (variant % 3 == 0) box_spoil(&x, 2);
  double sum[MAX_CHANNELS + 2], square[MAX_CHANNELS + 2], sum_ref[MAX_CHANNELS + 2],
      square_ref[MAX_CHANNELS + 2];
  fill_sums(sum), fill_sums(square), fill_sums(sum_ref), fill_sums(square_ref);
  const bool squares = variant & 1;
  k->moments(sum + 1, squares ? square + 1 : NULL, x.v, rows, channels);
  plain()->moments(sum_ref + 1, squares ? square_ref + 1 : NULL, x.v, rows, channels);
  for (size_t j = 0; j < MAX_CHANNELS + 2; j++) {
    double spread = 0, spread2 = 0, low = INFINITY, high = -INFINITY;
    bool finite = true;
    for (size_t i = j - 1; j && j <= c && i < n; i += c) {
      low = fmin(low, (double)x.v[i]), high = fmax(high, (double)x.v[i]);
      finite &= isfinite(x.v[i]) != 0;
    }
    if (high >= low) spread = rows * (high - low), spread2 = spread * (high - low);
    const double rest = rows * DBL_EPSILON * rows * (far + 4.0) * (far + 4.0);
    if (!finite) CHECK(!isfinite(sum[j])); /* an infinity may become a NaN */
    if (!finite || spread2 > 1e30) continue; /* or squares leave the range of float */
    agree("moments sum", k->isa, j, sum[j], sum_ref[j], 70 * eps * spread + rest);
    agree("moments square", k->isa, j, square[j], square_ref[j],
          70 * eps * (spread2 + 2 * (double)far * spread) + rest);
  }
  box_free(&x, "moments");
}

/* The gradient of a norm without a clamp, or with one whose bounds some values hit. */
typedef struct norm_case {
  box x, dy, mean, scale, shift, a, b, c;
  anet__norm_args args;
} norm_case;

static norm_case norm_new(int32_t rows, int32_t channels, int32_t offset, int32_t variant)
{
  const size_t c = (size_t)channels, n = (size_t)rows * c;
  norm_case t = {.x = box_new(n, offset),
                 .dy = box_new(n, 3 - offset),
                 .mean = box_new(c, offset),
                 .scale = box_new(c, 1),
                 .shift = box_new(c, 2),
                 .a = box_new(c, 0),
                 .b = box_new(c, 1),
                 .c = box_new(c, 2)};
  /* few bits each, so that fused or not the clamp's bounds are met exactly */
  for (size_t i = 0; i < c; i++) {
    t.scale.v[i] = (float)roll(-4, 4) * 0.25f;
    t.shift.v[i] = (float)roll(-4, 4) * 0.25f;
  }
  for (size_t i = 0; i < n; i++) t.x.v[i] = roundf(t.x.v[i] * 8.0f) * 0.125f;
  if (variant % 3 == 0) box_spoil(&t.x, 2), box_spoil(&t.dy, 2);
  t.args = (anet__norm_args){.dy = t.dy.v,
                             .x = t.x.v,
                             .rows = rows,
                             .channels = channels,
                             .mean = t.mean.v,
                             .a = t.a.v,
                             .b = t.b.v,
                             .c = t.c.v};
  if (variant & 2)
    t.args.scale = t.scale.v, t.args.shift = t.shift.v, t.args.low = 0.0f,
    t.args.high = variant & 4 ? 0.5f : INFINITY;
  return t;
}

static void norm_free(norm_case *t)
{
  box_free(&t->x, "x");
  box_free(&t->dy, "dy");
  box_free(&t->mean, "mean");
  box_free(&t->scale, "scale");
  box_free(&t->shift, "shift");
  box_free(&t->a, "a");
  box_free(&t->b, "b");
  box_free(&t->c, "c");
}

static void norm_sums_shape(const anet__kernels *k, int32_t rows, int32_t channels, int32_t offset,
                            int32_t variant)
{
  const size_t c = (size_t)channels, n = (size_t)rows * c;
  norm_case t = norm_new(rows, channels, offset, variant);
  double sum[MAX_CHANNELS + 2], dot[MAX_CHANNELS + 2], sum_ref[MAX_CHANNELS + 2],
      dot_ref[MAX_CHANNELS + 2];
  fill_sums(sum), fill_sums(dot), fill_sums(sum_ref), fill_sums(dot_ref);
  k->norm_sums(sum + 1, dot + 1, &t.args);
  plain()->norm_sums(sum_ref + 1, dot_ref + 1, &t.args);
  for (size_t j = 0; j < MAX_CHANNELS + 2; j++) {
    double size = 8.0, all = 8.0;
    for (size_t i = j - 1; j && j <= c && i < n; i += c) {
      all += fabs((double)t.dy.v[i]);
      size += fabs((double)t.dy.v[i]) * (fabs((double)t.x.v[i]) + 2.0);
    }
    if (size > 1e30 || !isfinite(size)) continue; /* not within the range of float's runs */
    agree("norm_sums sum", k->isa, j, sum[j], sum_ref[j], 70 * eps * all);
    agree("norm_sums dot", k->isa, j, dot[j], dot_ref[j], 70 * eps * size);
  }
  norm_free(&t);
}

/* -- rows in, rows out ---------------------------------------------------------------------- */

static void affine_shape(const anet__kernels *k, int32_t rows, int32_t channels, int32_t offset,
                         int32_t variant)
{
  const size_t c = (size_t)channels, n = (size_t)rows * c;
  box x = box_new(n, offset), add = box_new(n, offset), scale = box_new(c, 0),
      shift = box_new(c, 1), got = box_copy(&x), want = box_copy(&x);
  if (variant % 3 == 0) box_spoil(&got, 4);
  memcpy(want.v, got.v, n * sizeof(float));
  memcpy(x.v, got.v, n * sizeof(float));
  anet__post post = {.low = -INFINITY, .high = INFINITY};
  if (variant & 1) post.scale = scale.v;
  if (variant & 2) post.shift = shift.v;
  if (variant & 4) post.low = -0.5f, post.high = 1.0f;
  if (variant & 8) post.add = add.v, post.add_ld = c;
  k->affine(got.v, got.v, rows, channels, &post); /* in place */
  plain()->affine(want.v, x.v, rows, channels, &post);
  for (size_t i = 0; i < n; i++) {
    const double s = post.scale ? (double)scale.v[i % c] : 1.0;
    agree("affine", k->isa, i, (double)got.v[i], (double)want.v[i],
          4 * eps * magnitude(s * (double)x.v[i], 2.0, 2.0));
  }
  box_free(&x, "x");
  box_free(&add, "add");
  box_free(&scale, "scale");
  box_free(&shift, "shift");
  box_free(&got, "affine");
  box_free(&want, "affine");
}

static void norm_grad_shape(const anet__kernels *k, int32_t rows, int32_t channels, int32_t offset,
                            int32_t variant)
{
  const size_t n = (size_t)rows * (size_t)channels;
  norm_case t = norm_new(rows, channels, offset, variant);
  box got = box_new(n, offset), want = box_copy(&got);
  plain()->norm_grad(want.v, &t.args, variant & 1);
  k->norm_grad(got.v, &t.args, variant & 1);
  for (size_t i = 0; i < n; i++)
    agree("norm_grad", k->isa, i, (double)got.v[i], (double)want.v[i],
          4 * eps * magnitude(2.0 * (double)t.dy.v[i], 2.0 * (double)t.x.v[i], 4.0));
  if (!(variant & 1)) { /* in place */
    k->norm_grad(t.dy.v, &t.args, 0);
    agree_bits("norm_grad in place", k->isa, t.dy.v, got.v, variant % 3 ? n : 0);
  }
  norm_free(&t);
  box_free(&got, "norm_grad");
  box_free(&want, "norm_grad");
}

static void gate_shape(const anet__kernels *k, int32_t rows, int32_t channels, int32_t offset,
                       int32_t variant)
{
  const size_t c = (size_t)channels, n = (size_t)rows * c;
  box x = box_new(n, offset), gate = box_new(c, 3 - offset), got = box_new(n, offset),
      want = box_copy(&got);
  if (variant % 3 == 0) box_spoil(&x, 4);
  k->mul_channels(got.v, x.v, gate.v, rows, channels);
  plain()->mul_channels(want.v, x.v, gate.v, rows, channels);
  for (size_t i = 0; i < n; i++)
    agree("mul_channels", k->isa, i, (double)got.v[i], (double)want.v[i], 0.0);
  box_free(&x, "x");
  box_free(&gate, "gate");
  box_free(&got, "mul_channels");
  box_free(&want, "mul_channels");
}

TEST(max_pool)
{
  every_shape(max_shape, 10000);
}
TEST(avg_pool)
{
  every_shape(avg_shape, 20000);
}
TEST(sums)
{
  every_shape(sums_shape, 30000);
}
TEST(moments)
{
  every_shape(moments_shape, 40000);
}
TEST(norm_sums)
{
  every_shape(norm_sums_shape, 50000);
}
TEST(affine)
{
  every_shape(affine_shape, 60000);
}
TEST(norm_grad)
{
  every_shape(norm_grad_shape, 70000);
}
TEST(mul_channels)
{
  every_shape(gate_shape, 80000);
}

TEST_MAIN(CASE(max_pool), CASE(avg_pool), CASE(sums), CASE(moments), CASE(norm_sums), CASE(affine),
          CASE(norm_grad), CASE(mul_channels))
