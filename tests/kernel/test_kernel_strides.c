/* Leading dimensions: on every instruction set, ref too, arrays with gaps give the bits of dense
 * ones, and gaps stay as they are. */
#include "compare.h"

enum { ROWS = 11, TAPS = 6, IN = 5, OUT = 37, PIXELS = 9 };

/* Rows of `width` floats, `ld` apart; gaps are guards. */
static box spread(const box *dense, size_t width, size_t ld)
{
  const size_t rows = dense->n / width;
  box b = box_new(rows * ld, 1);
  for (size_t i = 0; i < b.n; i++) memcpy(b.v + i, &band, sizeof band);
  for (size_t r = 0; r < rows; r++)
    memcpy(b.v + r * ld, dense->v + r * width, width * sizeof(float));
  return b;
}

static void check_spread(const char *what, anet__isa isa, const box *wide, const box *dense,
                         size_t width, size_t ld)
{
  for (size_t r = 0; r < dense->n / width; r++) {
    agree_bits(what, isa, wide->v + r * ld, dense->v + r * width, width);
    for (size_t c = width; c < ld; c++) {
      test_checks++;
      if (memcmp(wide->v + r * ld + c, &band, sizeof band) != 0)
        TEST_FAIL("%s %s wrote beside row %zu", anet__isa_name(isa), what, r);
    }
  }
}

typedef void (*each)(const anet__kernels *k);

static void on_every_table(each run)
{
  for (int isa = 0; isa < ANET_ISA_COUNT; isa++) {
    const anet__kernels *k = anet__kernels_for((anet__isa)isa);
    reseed(100);
    if (k) run(k);
  }
}

static void pick_taps(const float **tap, const float *x, int32_t count, int32_t channels)
{
  for (int32_t i = 0; i < count; i++) tap[i] = x + roll(0, PIXELS - 1) * channels;
}

/* ---- weights -------------------------------------------------------------------------------- */

/* Filters with their axes in any order, with gaps, pack as dense ones do. */
static void pack(const anet__kernels *k)
{
  enum { STEP_OUT = 3, STEP_IN = OUT * STEP_OUT + 2, STEP_TAP = IN * STEP_IN + 1 };
  box w = box_new(9 * IN * OUT, 0), strange = box_new(9 * STEP_TAP, 2);
  for (size_t i = 0; i < strange.n; i++) strange.v[i] = NAN;
  for (size_t t = 0; t < 9; t++)
    for (size_t i = 0; i < IN; i++)
      for (size_t o = 0; o < OUT; o++)
        strange.v[t * STEP_TAP + i * STEP_IN + o * STEP_OUT] = w.v[(t * IN + i) * OUT + o];
  for (int32_t m = 0; m <= 4; m += 2) { /* 0: no tiles */
    const size_t points = (size_t)((m + 2) * (m + 2));
    const size_t n = m ? points * k->conv_pack_size(1, IN, OUT) : k->conv_pack_size(9, IN, OUT);
    box a = box_new(n, 0), b = box_new(n, 0);
    memset(a.v, 0, n * sizeof *a.v), memset(b.v, 0, n * sizeof *b.v); /* what fills up panels */
    if (m) {
      k->winograd_pack(a.v, w.v, m, IN, OUT, IN * OUT, OUT, 1);
      k->winograd_pack(b.v, strange.v, m, IN, OUT, STEP_TAP, STEP_IN, STEP_OUT);
    } else {
      k->conv_pack(a.v, w.v, 9, IN, OUT, IN * OUT, OUT, 1);
      k->conv_pack(b.v, strange.v, 9, IN, OUT, STEP_TAP, STEP_IN, STEP_OUT);
    }
    agree_bits(m ? "winograd_pack" : "conv_pack", k->isa, b.v, a.v, n);
    box_free(&a, "packed");
    box_free(&b, "packed");
  }
  box_free(&w, "w");
  box_free(&strange, "w");
}

/* ---- gradients of weights ------------------------------------------------------------------- */

static void conv_grad(const anet__kernels *k)
{
  const float *tap[ROWS * TAPS];
  box x = box_new(PIXELS * IN, 0), dy = box_new(ROWS * OUT, 0), dw = box_new(TAPS * IN * OUT, 0);
  box dy_wide = spread(&dy, OUT, OUT + 3), dw_wide = spread(&dw, OUT, OUT + 2);
  pick_taps(tap, x.v, ROWS * TAPS, IN);
  k->conv_grad(&(anet__conv_grad_args){tap, ROWS, TAPS, IN, OUT, dy.v, OUT, dw.v, OUT});
  k->conv_grad(
      &(anet__conv_grad_args){tap, ROWS, TAPS, IN, OUT, dy_wide.v, OUT + 3, dw_wide.v, OUT + 2});
  check_spread("conv_grad", k->isa, &dw_wide, &dw, OUT, OUT + 2);
  box_free(&x, "x"), box_free(&dy, "dy"), box_free(&dw, "dw");
  box_free(&dy_wide, "dy"), box_free(&dw_wide, "dw");
}

static void depthwise_grad(const anet__kernels *k)
{
  const float *tap[ROWS * TAPS];
  box x = box_new(PIXELS * OUT, 0), dy = box_new(ROWS * OUT, 0), dw = box_new(TAPS * OUT, 0);
  box dy_wide = spread(&dy, OUT, OUT + 3), dw_wide = spread(&dw, OUT, OUT + 2);
  pick_taps(tap, x.v, ROWS * TAPS, OUT);
  k->depthwise_grad(&(anet__depthwise_grad_args){tap, ROWS, TAPS, OUT, dy.v, OUT, dw.v, OUT});
  k->depthwise_grad(
      &(anet__depthwise_grad_args){tap, ROWS, TAPS, OUT, dy_wide.v, OUT + 3, dw_wide.v, OUT + 2});
  check_spread("depthwise_grad", k->isa, &dw_wide, &dw, OUT, OUT + 2);
  box_free(&x, "x"), box_free(&dy, "dy"), box_free(&dw, "dw");
  box_free(&dy_wide, "dy"), box_free(&dw_wide, "dw");
}

/* ---- outputs -------------------------------------------------------------------------------- */

static void depthwise(const anet__kernels *k)
{
  const float *tap[ROWS * TAPS];
  box x = box_new(PIXELS * OUT, 0), w = box_new(TAPS * OUT, 0), add = box_new(ROWS * OUT, 0);
  box y = box_new(ROWS * OUT, 0), y_wide = spread(&y, OUT, OUT + 5);
  box w_wide = spread(&w, OUT, OUT + 1), add_wide = spread(&add, OUT, OUT + 4);
  pick_taps(tap, x.v, ROWS * TAPS, OUT);
  k->depthwise(&(anet__depthwise_args){
      tap, ROWS, TAPS, OUT, w.v, OUT, y.v, OUT, {NULL, NULL, add.v, OUT, -1, 2}});
  k->depthwise(&(anet__depthwise_args){tap,
                                       ROWS,
                                       TAPS,
                                       OUT,
                                       w_wide.v,
                                       OUT + 1,
                                       y_wide.v,
                                       OUT + 5,
                                       {NULL, NULL, add_wide.v, OUT + 4, -1, 2}});
  check_spread("depthwise", k->isa, &y_wide, &y, OUT, OUT + 5);
  box_free(&x, "x"), box_free(&w, "w"), box_free(&add, "add"), box_free(&y, "y");
  box_free(&y_wide, "y"), box_free(&w_wide, "w"), box_free(&add_wide, "add");
}

/* Lines of pixels that lie further apart than their channels. */
static void depthwise_lines(const anet__kernels *k)
{
  enum { LINES = 3, WIDTH = 14 };
  box x = box_new((LINES + 2) * WIDTH * OUT, 0), x_wide = spread(&x, OUT, OUT + 2);
  box w = box_new(9 * OUT, 0), w_wide = spread(&w, OUT, OUT + 1);
  box y = box_new(LINES * WIDTH * OUT, 0), y_wide = spread(&y, OUT, OUT + 3);
  for (int32_t wide = 0; wide < 2; wide++) {
    const float *line[LINES + 2];
    const size_t pixel = wide ? OUT + 2 : OUT;
    for (size_t i = 0; i < LINES + 2; i++) line[i] = (wide ? x_wide.v : x.v) + i * WIDTH * pixel;
    k->depthwise_lines(&(anet__depthwise_lines_args){.line = line,
                                                     .kernel = {3, 3},
                                                     .stride = {1, 1},
                                                     .offset = -1,
                                                     .columns = WIDTH,
                                                     .lines = LINES,
                                                     .pixels = WIDTH,
                                                     .channels = OUT,
                                                     .pixel = pixel,
                                                     .weight = wide ? w_wide.v : w.v,
                                                     .weight_ld = wide ? OUT + 1 : OUT,
                                                     .out = wide ? y_wide.v : y.v,
                                                     .out_ld = wide ? OUT + 3 : OUT,
                                                     .post = {.low = -INFINITY, .high = INFINITY}});
  }
  check_spread("depthwise_lines", k->isa, &y_wide, &y, OUT, OUT + 3);
  box_free(&x, "x"), box_free(&w, "w"), box_free(&y, "y");
  box_free(&x_wide, "x"), box_free(&w_wide, "w"), box_free(&y_wide, "y");
}

/* Points with gaps between tiles and between points, both ways. */
static void winograd(const anet__kernels *k)
{
  enum { TILES = 4 };
  for (int32_t m = 2; m <= 4; m += 2) {
    const size_t points = (size_t)((m + 2) * (m + 2)), ld = OUT + 3, step = TILES * ld + 5;
    const float *tap[TILES * 36];
    anet__winograd_spot spot[TILES];
    box x = box_new(PIXELS * OUT, 0), v = box_new(points * TILES * OUT, 0);
    box v_wide = box_new(points * step, 0), y = box_new((size_t)(TILES * m * m) * OUT, 0);
    box y_wide = box_new(y.n, 0);
    pick_taps(tap, x.v, TILES * (int32_t)points, OUT);
    for (size_t i = 0; i < v_wide.n; i++) memcpy(v_wide.v + i, &band, sizeof band);
    k->winograd_in(&(anet__winograd_in_args){tap, m, TILES, OUT, v.v, TILES * OUT, OUT});
    k->winograd_in(&(anet__winograd_in_args){tap, m, TILES, OUT, v_wide.v, step, ld});
    for (size_t p = 0; p < points; p++) {
      box part = {NULL, v.v + p * TILES * OUT, TILES * OUT},
          wide = {NULL, v_wide.v + p * step, step};
      check_spread("winograd_in", k->isa, &wide, &part, OUT, ld);
      for (size_t i = TILES * ld; i < step; i++) CHECK(!memcmp(wide.v + i, &band, sizeof band));
    }
    for (int32_t t = 0; t < TILES; t++)
      spot[t] = (anet__winograd_spot){(size_t)(t * m * m) * OUT, m, m};
    anet__winograd_out_args out = {v.v,
                                   TILES * OUT,
                                   OUT,
                                   spot,
                                   m,
                                   TILES,
                                   OUT,
                                   y.v,
                                   0,
                                   OUT,
                                   {.low = -INFINITY, .high = INFINITY}};
    out.ld_line = (size_t)m * OUT;
    k->winograd_out(&out);
    out.product = v_wide.v, out.ld_point = step, out.ld_tile = ld, out.out = y_wide.v;
    k->winograd_out(&out);
    agree_bits("winograd_out", k->isa, y_wide.v, y.v, y.n);
    box_free(&x, "x"), box_free(&v, "v"), box_free(&v_wide, "v");
    box_free(&y, "y"), box_free(&y_wide, "y");
  }
}

TEST(weights_in_any_order)
{
  on_every_table(pack);
}

TEST(gradients_with_gaps)
{
  on_every_table(conv_grad);
  on_every_table(depthwise_grad);
}

TEST(outputs_with_gaps)
{
  on_every_table(depthwise);
  on_every_table(depthwise_lines);
  on_every_table(winograd);
}

TEST_MAIN(CASE(weights_in_any_order), CASE(gradients_with_gaps), CASE(outputs_with_gaps))
