/* Speed of the kernels that networks spend their time in, one thread, every ISA of this machine.
 * Tab separated: name, isa, shape, ns a call, GFLOP/s, ratio to ref. Usage: bench_kernel [filter
 * [ms]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/kernel.h"

typedef enum kind { CONV, CONV_GRAD, DEPTHWISE, DEPTHWISE_GRAD } kind;
static const char *const kind_name[] = {"conv", "conv_grad", "depthwise", "depthwise_grad"};

/* A batch of `size` x `size` images, k x k taps of stride 1. */
typedef struct shape {
  int32_t images, size, k, cin, cout;
} shape;

static const shape conv_shapes[] = {
    {4, 28, 3, 3, 16},    {4, 28, 3, 16, 16},  {8, 14, 3, 32, 32},  {16, 7, 3, 64, 64},
    {1, 28, 1, 24, 144},  {1, 28, 1, 144, 24}, {1, 14, 1, 96, 576}, {1, 56, 1, 576, 64},
    {1, 14, 3, 256, 256}, {1, 7, 1, 960, 320},
};
static const shape depthwise_shapes[] = {
    {4, 28, 3, 32, 32}, {1, 28, 3, 144, 144}, {1, 14, 3, 576, 576}, {1, 112, 3, 32, 32}};

/* One case: buffers and arguments for all four kernels. Memory lives as long as the process. */
typedef struct job {
  shape s;
  int32_t rows, taps;
  const float **tap;
  float *x, *w, *packed, *y, *dw, *scale;
} job;

static double now_ns(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static float *noise(size_t n)
{
  float *v = aligned_alloc(64, (n * sizeof *v + 64) / 64 * 64);
  uint32_t state = 1;
  if (!v) abort();
  for (size_t i = 0; i < n; i++) {
    state = state * 1664525u + 1013904223u;
    v[i] = (float)(state >> 8) / (float)(1 << 24) - 0.5f;
  }
  return v;
}

/* Pointers of a `same` convolution; padding points at zeros. */
static void find_taps(job *j)
{
  const int32_t size = j->s.size, k = j->s.k;
  const float *zero = calloc((size_t)j->s.cin, sizeof *zero);
  const float **p = j->tap = malloc((size_t)j->rows * (size_t)j->taps * sizeof *p);
  if (!zero || !p) abort();
  for (int32_t n = 0; n < j->s.images; n++)
    for (int32_t i = 0; i < size * size; i++)
      for (int32_t t = 0; t < j->taps; t++) {
        const int32_t v = i / size + t / k - k / 2, u = i % size + t % k - k / 2;
        const bool in = v >= 0 && v < size && u >= 0 && u < size;
        *p++ = in ? j->x + (size_t)((n * size + v) * size + u) * (size_t)j->s.cin : zero;
      }
}

static job job_new(shape s)
{
  job j = {.s = s, .rows = s.images * s.size * s.size, .taps = s.k * s.k};
  const size_t weights = (size_t)(j.taps * s.cin * s.cout);
  j.x = noise((size_t)j.rows * (size_t)s.cin);
  j.y = noise((size_t)j.rows * (size_t)s.cout);
  j.w = noise(weights);
  j.dw = noise(weights);
  j.scale = noise((size_t)s.cout);
  j.packed = noise(weights + (size_t)(j.taps * s.cin * 64));
  find_taps(&j);
  return j;
}

static void job_run(job *j, kind what, const anet__kernels *k)
{
  const shape s = j->s;
  const size_t cout = (size_t)s.cout;
  const anet__post post = {.scale = j->scale, .shift = j->scale, .low = 0.0f, .high = 6.0f};
  const anet__conv_args conv = {j->tap,    j->rows, j->taps, s.cin, s.cout,
                                j->packed, j->y,    cout,    post};
  const anet__conv_grad_args grad = {j->tap, j->rows, j->taps, s.cin, s.cout,
                                     j->y,   cout,    j->dw,   cout};
  const anet__depthwise_args dw = {j->tap, j->rows, j->taps, s.cin, j->w, cout, j->y, cout, post};
  const anet__depthwise_grad_args dgrad = {j->tap, j->rows, j->taps, s.cin,
                                           j->y,   cout,    j->dw,   cout};
  switch (what) {
    case CONV:
      k->conv(&conv);
      break;
    case CONV_GRAD:
      k->conv_grad(&grad);
      break;
    case DEPTHWISE:
      k->depthwise(&dw);
      break;
    case DEPTHWISE_GRAD:
      k->depthwise_grad(&dgrad);
      break;
  }
}

/* The fastest call within `budget` ns. */
static double measure(job *j, kind what, const anet__kernels *k, double budget)
{
  double best = 1e30, spent = 0.0;
  k->conv_pack(j->packed, j->w, j->taps, j->s.cin, what <= CONV_GRAD ? j->s.cout : 1,
               (size_t)(j->s.cin * j->s.cout), (size_t)j->s.cout, 1);
  while (spent < budget) {
    const double start = now_ns();
    job_run(j, what, k);
    const double took = now_ns() - start;
    best = took < best ? took : best;
    spent += took;
  }
  return best;
}

static void bench(shape s, kind what, const char *filter, double budget)
{
  if (filter && !strstr(kind_name[what], filter)) return;
  job j = job_new(s);
  const double flop = 2.0 * j.rows * j.taps * s.cin * (what <= CONV_GRAD ? s.cout : 1);
  double ref = 0.0;
  for (int isa = 0; isa < ANET_ISA_COUNT; isa++) {
    const anet__kernels *k = anet__kernels_for((anet__isa)isa);
    if (!k) continue;
    memset(j.dw, 0, (size_t)(j.taps * s.cin * (what <= CONV_GRAD ? s.cout : 1)) * sizeof *j.dw);
    const double ns = measure(&j, what, k, budget);
    if (isa == ANET_ISA_REF) ref = ns;
    printf("%s\t%s\t%dx%dx%d k%d %d->%d\t%.0f\t%.1f\t%.2f\n", kind_name[what],
           anet__isa_name((anet__isa)isa), s.images, s.size, s.size, s.k, s.cin, s.cout, ns,
           flop / ns, ref / ns);
  }
}

/* -- the rest: rows of channels and flat runs, GB/s of what must be read and written ---------- */

enum { ROWS = 4 * 28 * 28, CHANNELS = 32, RUN = ROWS * CHANNELS };

typedef struct pile {
  float *a, *b, *c, *y; /* (RUN) */
  double *sum, *dot;    /* (CHANNELS) */
  uint8_t *bytes;       /* (RUN) */
  const float **tap;    /* (ROWS, 4) */
  anet__norm_args norm; /* behind a clamp */
} pile;

/* clang-format off
 * X(name, arrays of RUN floats that move, call on pile p by table k) */
#define SIMPLE_MAP(X)                                                                              \
  X(max_pool, 5, k->max_pool(p->y, p->bytes, p->tap, ROWS, 4, CHANNELS))                           \
  X(avg_pool, 5, k->avg_pool(p->y, p->tap, ROWS, 4, CHANNELS, 0))                                  \
  X(mean_rows, 1, k->mean_rows(p->y, p->a, ROWS, CHANNELS))                                        \
  X(affine, 2,                                                                                     \
    k->affine(p->y, p->a, ROWS, CHANNELS, &(anet__post){.scale = p->b, .shift = p->c, .high = 6})) \
  X(moments, 1, k->moments(p->sum, p->dot, p->a, ROWS, CHANNELS))                                  \
  X(norm_sums, 2, k->norm_sums(p->sum, p->dot, &p->norm))                                          \
  X(norm_grad, 3, k->norm_grad(p->y, &p->norm, 0))                                                 \
  X(mul_channels, 2, k->mul_channels(p->y, p->a, p->b, ROWS, CHANNELS))                            \
  X(dot_rows, 2, k->dot_rows(p->y, p->a, p->b, ROWS, CHANNELS))                                    \
  X(add, 3, k->add(p->y, p->a, p->b, RUN))                                                         \
  X(mul, 3, k->mul(p->y, p->a, p->b, RUN))                                                         \
  X(axpy, 3, k->axpy(p->y, 1e-3f, p->a, RUN))                                                      \
  X(muladd, 4, k->muladd(p->y, p->a, p->b, RUN))                                                   \
  X(affine_clamp, 2, k->affine_clamp(p->y, p->a, RUN, 2, 1, 0, 6))                                 \
  X(clamp_grad, 3, k->clamp_grad(p->y, p->a, p->b, RUN, 0, 6, 0))                                  \
  X(act_sigmoid, 2, k->act(p->y, p->a, RUN, ANET_ACT_SIGMOID, 0))                                  \
  X(act_hard_swish, 2, k->act(p->y, p->a, RUN, ANET_ACT_HARD_SWISH, 0))                            \
  X(act_grad_swish, 3, k->act_grad(p->y, p->a, p->b, RUN, ANET_ACT_SWISH, 0, 0))                   \
  X(softmax, 2, k->softmax(p->y, p->a, ROWS, CHANNELS, 1))                                         \
  X(dot, 2, p->sum[0] = k->dot(p->a, p->b, RUN))                                                   \
  X(distance, 2, p->sum[0] = k->distance(p->a, p->b, RUN))                                         \
  X(from_bytes, 1.25, k->from_bytes(p->y, p->bytes, RUN / 3, 3, p->a, p->b))                       \
  X(sgd, 5, k->sgd(&(anet__sgd_args){p->y, p->c, p->a, RUN, 1e-3f, 0.9f, 1e-4f, 0}))               \
  X(adam, 7,                                                                                       \
    k->adam(&(anet__adam_args){p->y, p->c, p->b, p->a, RUN, 1e-3f, 0.9f, 0.99f, 1e-8f, 0, 0.1f,    \
                               0.1f}))
/* clang-format on */

#define X(name, arrays, call)                                                                      \
  static void simple_##name(const anet__kernels *k, pile *p)                                       \
  {                                                                                                \
    call;                                                                                          \
  }
SIMPLE_MAP(X)
#undef X

typedef struct simple {
  const char *name;
  double arrays;
  void (*run)(const anet__kernels *k, pile *p);
} simple;

#define X(name, arrays, call) {#name, arrays, simple_##name},
static const simple simples[] = {SIMPLE_MAP(X)};
#undef X

static pile pile_new(void)
{
  pile p = {.a = noise(RUN),
            .b = noise(RUN),
            .c = noise(RUN),
            .y = noise(RUN),
            .sum = calloc(CHANNELS, 8),
            .dot = calloc(CHANNELS, 8),
            .bytes = calloc(RUN, 1),
            .tap = malloc(ROWS * 4 * sizeof *p.tap)};
  if (!p.sum || !p.dot || !p.bytes || !p.tap) abort();
  for (int32_t i = 0; i < RUN; i++) p.b[i] += 0.5f; /* adam's squares */
  p.norm = (anet__norm_args){.dy = p.a,
                             .x = p.b,
                             .rows = ROWS,
                             .channels = CHANNELS,
                             .scale = p.c,
                             .shift = p.c,
                             .high = 6,
                             .mean = p.c,
                             .a = p.c,
                             .b = p.c,
                             .c = p.c};
  for (int32_t i = 0; i < ROWS * 4; i++)
    p.tap[i] = p.a + (size_t)((i / 4 + i % 4) % ROWS) * CHANNELS;
  return p;
}

static void bench_simple(const simple *s, pile *p, double budget)
{
  double ref = 0.0;
  for (int isa = 0; isa < ANET_ISA_COUNT; isa++) {
    const anet__kernels *k = anet__kernels_for((anet__isa)isa);
    double best = 1e30, spent = 0.0;
    while (k && spent < budget) {
      const double start = now_ns();
      s->run(k, p);
      const double took = now_ns() - start;
      best = took < best ? took : best;
      spent += took;
    }
    if (isa == ANET_ISA_REF) ref = best;
    if (k)
      printf("%s\t%s\t%dx%d\t%.0f\t%.1f GB/s\t%.2f\n", s->name, anet__isa_name((anet__isa)isa),
             ROWS, CHANNELS, best, s->arrays * RUN * 4 / best, ref / best);
  }
}

int main(int argc, char **argv)
{
  const char *filter = argc > 1 ? argv[1] : NULL;
  const double budget = 1e6 * (argc > 2 ? atof(argv[2]) : 100.0);
  printf("name\tisa\tshape\tns\tgflops\tratio\n");
  for (int32_t i = 0; i < ANET_COUNT(conv_shapes); i++) {
    bench(conv_shapes[i], CONV, filter, budget);
    bench(conv_shapes[i], CONV_GRAD, filter, budget);
  }
  for (int32_t i = 0; i < ANET_COUNT(depthwise_shapes); i++) {
    bench(depthwise_shapes[i], DEPTHWISE, filter, budget);
    bench(depthwise_shapes[i], DEPTHWISE_GRAD, filter, budget);
  }
  pile p = pile_new();
  for (int32_t i = 0; i < ANET_COUNT(simples); i++)
    if (!filter || strstr(simples[i].name, filter)) bench_simple(&simples[i], &p, budget / 4);
  return 0;
}
