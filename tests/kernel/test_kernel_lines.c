/* Depthwise convolution by lines, and its gradients, against ref; bounds as in test_kernel_conv.c. */
#include "compare.h"

enum { MOST_LINES = 16 };

typedef struct problem {
  anet__depthwise_lines_args args; /* but for `out` */
  box x, w, y, add, scale, shift;
  const float *line[MOST_LINES];
} problem;

/* mode bits: 1 scale, 2 shift, 4 clamp, 8 add, 16 a line of padding above, 32 below */
static problem problem_new(int32_t kernel, int32_t stride, int32_t channels, int32_t mode)
{
  problem p = {0};
  const int32_t columns = roll(1, 12), pad = roll(0, kernel - 1), lines = roll(1, 4);
  const int32_t pixels = columns + 2 * pad < kernel ? 1 : (columns + 2 * pad - kernel) / stride + 1;
  const int32_t in_lines = (lines - 1) * stride + kernel;
  const size_t pixel = (size_t)(channels + roll(0, 5));
  p.x = box_new((size_t)(in_lines * columns) * pixel, roll(0, 3));
  p.w = box_new((size_t)(kernel * kernel * channels), roll(0, 3));
  p.y = box_new((size_t)(lines * pixels) * ((size_t)channels + 2), roll(0, 3));
  p.add = box_new(p.y.n, roll(0, 3));
  p.scale = box_new((size_t)channels, roll(0, 3));
  p.shift = box_new((size_t)channels, roll(0, 3));
  for (int32_t k = 0; k < in_lines; k++) p.line[k] = p.x.v + (size_t)(k * columns) * pixel;
  if (mode & 16) p.line[0] = NULL;
  if (mode & 32) p.line[in_lines - 1] = NULL;
  p.args = (anet__depthwise_lines_args){.kernel = {kernel, kernel},
                                        .stride = {stride, stride},
                                        .offset = -pad,
                                        .columns = columns,
                                        .lines = lines,
                                        .pixels = pixels,
                                        .channels = channels,
                                        .pixel = pixel,
                                        .weight = p.w.v,
                                        .weight_ld = (size_t)channels,
                                        .out_ld = (size_t)channels + 2,
                                        .post = {.scale = mode & 1 ? p.scale.v : NULL,
                                                 .shift = mode & 2 ? p.shift.v : NULL,
                                                 .add = mode & 8 ? p.add.v : NULL,
                                                 .add_ld = (size_t)channels + 2,
                                                 .low = mode & 4 ? -0.5f : -INFINITY,
                                                 .high = mode & 4 ? 1.0f : INFINITY}};
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
}

static void run(const anet__kernels *k, problem *p, box *y)
{
  p->args.line = p->line;
  p->args.out = y->v;
  k->depthwise_lines(&p->args);
}

TEST(every_table_agrees)
{
  for (int32_t i = 0; i < 400; i++) {
    reseed(i);
    static const int32_t kernels[] = {3, 3, 5, 1, 2};
    const int32_t kernel = kernels[i % 5], channels = i < 120 ? i % 40 + 1 : roll(1, 130);
    problem p = problem_new(kernel, roll(1, 2), channels, roll(0, 63));
    if (i % 7 == 0) box_spoil(&p.x, 5);
    box want = box_copy(&p.y);
    run(plain(), &p, &want);
    const double terms = kernel * kernel + 4, size = terms * 4 + 4; /* every factor is at most 2 */
    EACH_ISA(k)
    {
      box got = box_copy(&p.y);
      run(k, &p, &got);
      for (size_t n = 0; n < got.n; n++) {
        const double w = (double)want.v[n];
        const double far = i % 7 ? size * 2 : fmax(size * 2, 1e31);
        agree("depthwise_lines", k->isa, n, (double)got.v[n], w, terms * FLT_EPSILON * far);
      }
      box_free(&got, "depthwise_lines");
    }
    box_free(&want, "depthwise_lines by ref");
    problem_free(&p);
  }
}

/* A pixel's bits depend neither on the lines it is asked with nor on the ends of its line. */
TEST(lines_alone_are_the_same)
{
  for (int32_t i = 0; i < 60; i++) {
    reseed(i);
    problem p = problem_new(3, 1 + i % 2, i + 1, i);
    EACH_ISA(k)
    {
      box whole = box_copy(&p.y), apart = box_copy(&p.y);
      run(k, &p, &whole);
      const anet__depthwise_lines_args all = p.args;
      for (int32_t y = 0; y < all.lines; y++) {
        const size_t row = (size_t)(y * all.pixels);
        anet__depthwise_lines_args one = all;
        one.line = p.line + y * all.stride[0];
        one.lines = 1;
        one.out = apart.v + row * all.out_ld;
        if (one.post.add) one.post.add += row * one.post.add_ld;
        k->depthwise_lines(&one);
      }
      agree_bits("depthwise_lines", k->isa, apart.v, whole.v, whole.n);
      box_free(&whole, "depthwise_lines");
      box_free(&apart, "depthwise_lines");
    }
    problem_free(&p);
  }
}

/* ---- both gradients --------------------------------------------------------------------------- */

typedef struct back_problem {
  anet__depthwise_back_args args; /* but for x's lines */
  box dy, x, w, dx, dw;
  const float *line[2 * MOST_LINES];
} back_problem;

static back_problem back_new(int32_t kernel, int32_t stride, int32_t channels)
{
  back_problem p = {0};
  const int32_t lines = roll(1, 5), pixels = roll(1, 9), phase = kernel - 1 + roll(0, 3);
  const int32_t above = (lines - 1 + phase) / stride + 1, columns = (pixels - 1 + phase) / stride + 1;
  const size_t c = (size_t)channels;
  p.dy = box_new((size_t)(above * columns) * c, roll(0, 3));
  p.x = box_new((size_t)(lines * pixels) * c, roll(0, 3));
  p.dx = box_new(p.x.n, roll(0, 3));
  p.w = box_new((size_t)(kernel * kernel) * (c + 1), roll(0, 3));
  p.dw = box_new((size_t)(kernel * kernel) * c, roll(0, 3));
  for (int32_t k = 0; k < above; k++) p.line[k] = p.dy.v + (size_t)(k * columns) * c;
  p.args = (anet__depthwise_back_args){.kernel = {kernel, kernel},
                                       .stride = {stride, stride},
                                       .phase = {phase, phase},
                                       .lines = lines,
                                       .pixels = pixels,
                                       .channels = channels,
                                       .x = p.x.v,
                                       .accumulate = roll(0, 1),
                                       .weight = p.w.v,
                                       .weight_ld = c + 1};
  return p;
}

static void back_free(back_problem *p)
{
  box_free(&p->dy, "dy");
  box_free(&p->x, "x");
  box_free(&p->w, "w");
  box_free(&p->dx, "dx");
  box_free(&p->dw, "dw");
}

static void run_back(const anet__kernels *k, back_problem *p, box *dx, box *dw)
{
  p->args.dy = p->line;
  p->args.dx = dx->v;
  p->args.dw = dw->v;
  p->args.ahead = (anet__ahead){{p->x.v, NULL, dx->v + p->x.n}};
  k->depthwise_back(&p->args);
}

static void agree_all(const char *what, anet__isa isa, const box *got, const box *want, double terms,
                      bool spoiled)
{
  const double size = (terms * 4 + 4) * 2; /* every factor is at most 2 */
  for (size_t n = 0; n < got->n; n++)
    agree(what, isa, n, (double)got->v[n], (double)want->v[n],
          (terms + 2) * FLT_EPSILON * (spoiled ? fmax(size, 1e31) : size));
}

TEST(both_gradients_agree)
{
  for (int32_t i = 0; i < 400; i++) {
    reseed(i);
    static const int32_t kernels[] = {3, 3, 3, 5, 2};
    const int32_t kernel = kernels[i % 5], channels = i < 120 ? i % 40 + 1 : roll(1, 130);
    back_problem p = back_new(kernel, roll(1, 3), channels);
    if (i % 7 == 0) box_spoil(&p.x, 5);
    box dx = box_copy(&p.dx), dw = box_copy(&p.dw);
    run_back(plain(), &p, &dx, &dw);
    EACH_ISA(k)
    {
      box got_dx = box_copy(&p.dx), got_dw = box_copy(&p.dw);
      run_back(k, &p, &got_dx, &got_dw);
      agree_all("dx", k->isa, &got_dx, &dx, kernel * kernel, false);
      agree_all("dw", k->isa, &got_dw, &dw, p.args.lines * p.args.pixels, i % 7 == 0);
      box_free(&got_dx, "dx");
      box_free(&got_dw, "dw");
    }
    box_free(&dx, "dx by ref");
    box_free(&dw, "dw by ref");
    back_free(&p);
  }
}

/* What ref computes are the definition's sums, one tap and pixel at a time. */
TEST(both_gradients_are_those_of_taps)
{
  for (int32_t i = 0; i < 40; i++) {
    reseed(i);
    const int32_t kernel = roll(1, 4), stride = roll(1, 3), c = roll(1, 5);
    back_problem p = back_new(kernel, stride, c);
    box dx = box_copy(&p.dx), dw = box_copy(&p.dw);
    const anet__depthwise_back_args *a = &p.args;
    for (int32_t n = 0; n < (int32_t)p.x.n; n++) {
      const int32_t channel = n % c, x = n / c % a->pixels, y = n / c / a->pixels;
      double sum = a->accumulate ? (double)p.dx.v[n] : 0;
      for (int32_t t = 0; t < kernel * kernel; t++) {
        const int32_t down = y + a->phase[0] - t / kernel, across = x + a->phase[1] - t % kernel;
        if (down % stride || across % stride) continue;
        const float dy = p.line[down / stride][across / stride * c + channel];
        sum += (double)dy * (double)p.w.v[t * (c + 1) + channel];
        dw.v[t * c + channel] += dy * p.x.v[n];
      }
      dx.v[n] = (float)sum;
    }
    box got_dx = box_copy(&p.dx), got_dw = box_copy(&p.dw);
    run_back(plain(), &p, &got_dx, &got_dw);
    agree_all("dx", ANET_ISA_REF, &got_dx, &dx, kernel * kernel, false);
    agree_all("dw", ANET_ISA_REF, &got_dw, &dw, a->lines * a->pixels, false);
    box_free(&got_dx, "dx");
    box_free(&got_dw, "dw");
    box_free(&dx, "dx by taps");
    box_free(&dw, "dw by taps");
    back_free(&p);
  }
}

TEST_MAIN(CASE(every_table_agrees), CASE(lines_alone_are_the_same), CASE(both_gradients_agree),
          CASE(both_gradients_are_those_of_taps))
