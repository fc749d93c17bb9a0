/* Speed of the kernels that networks spend their time in, each alone, on one thread. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "anet.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "elastic/blas.h"
#include "kernel/peak.h"
#include "measure/layerspeed.h"

/* What one case works on; anet__alloc gives each, release() takes all back. */
enum { MOST_BLOCKS = 12 };
typedef struct pieces {
  void *block[MOST_BLOCKS];
  int32_t count;
} pieces;

static void *take(pieces *p, size_t count, size_t size)
{
  ANET_ASSERT(p->count < MOST_BLOCKS);
  return p->block[p->count++] = anet__alloc_array(count, size);
}

/* Values in [-1/2, 1/2). */
static float *noise(pieces *p, size_t count)
{
  float *v = take(p, count, sizeof *v);
  uint32_t state = 1;
  for (size_t i = 0; v && i < count; i++) {
    state = state * 1664525u + 1013904223u;
    v[i] = (float)(state >> 8) / (float)(1 << 24) - 0.5f;
  }
  return v;
}

static bool complete(const pieces *p)
{
  for (int32_t i = 0; i < p->count; i++)
    if (!p->block[i]) return false;
  return true;
}

static void release(pieces *p)
{
  while (p->count > 0) anet__free(p->block[--p->count]);
}

/* ---- convolutions --------------------------------------------------------------------------- */

typedef enum kind { CONV, CONV_GRAD, DEPTHWISE, DEPTHWISE_GRAD } kind;
static const char *const kind_name[] = {"conv", "conv_grad", "depthwise", "depthwise_grad"};

/* A batch of `size` x `size` images, k x k taps of stride 1. */
typedef struct shape {
  int32_t images, size, k, cin, cout;
} shape;

static const shape dense_shapes[] = {
    {4, 28, 3, 3, 16},   {4, 28, 3, 16, 16},   {8, 14, 3, 32, 32},  {16, 7, 3, 64, 64},
    {1, 56, 3, 64, 64},  {1, 14, 3, 256, 256}, {1, 7, 3, 512, 512}, {1, 112, 1, 16, 96},
    {1, 56, 1, 64, 256}, {1, 28, 1, 24, 144},  {1, 28, 1, 144, 24}, {1, 14, 1, 96, 576},
    {1, 56, 1, 576, 64}, {1, 7, 1, 960, 320},
};
static const shape depthwise_shapes[] = {
    {4, 28, 3, 32, 32}, {1, 28, 3, 144, 144}, {1, 14, 3, 576, 576}, {1, 112, 3, 32, 32}};
enum { DENSE = ANET_COUNT(dense_shapes), CHANNELWISE = ANET_COUNT(depthwise_shapes) };

/* One case: buffers and arguments for all four kernels. */
typedef struct job {
  shape s;
  int32_t rows, taps;
  const float **tap; /* (rows, taps) */
  const float *zero; /* (cin) */
  float *x, *w, *packed, *y, *dw, *scale;
  float *gathered; /* (rows, taps * cin) for sgemm */
  pieces memory;
} job;

/* Pointers of a `same` convolution; padding points at zeros. */
static void find_taps(job *j)
{
  const int32_t size = j->s.size, k = j->s.k;
  const float **p = j->tap;
  for (int32_t n = 0; n < j->s.images; n++)
    for (int32_t i = 0; i < size * size; i++)
      for (int32_t t = 0; t < j->taps; t++) {
        const int32_t v = i / size + t / k - k / 2, u = i % size + t % k - k / 2;
        const bool in = v >= 0 && v < size && u >= 0 && u < size;
        *p++ = in ? j->x + (size_t)((n * size + v) * size + u) * (size_t)j->s.cin : j->zero;
      }
}

static int job_new(job *j, shape s, kind what, const anet__kernels *k)
{
  *j = (job){.s = s, .rows = s.images * s.size * s.size, .taps = s.k * s.k};
  const bool dense = what <= CONV_GRAD;
  const size_t rows = (size_t)j->rows, depth = (size_t)j->taps * (size_t)s.cin;
  const size_t weights = depth * (size_t)(dense ? s.cout : 1);
  j->x = noise(&j->memory, rows * (size_t)s.cin);
  j->y = noise(&j->memory, rows * (size_t)s.cout);
  j->w = noise(&j->memory, weights);
  j->dw = noise(&j->memory, weights);
  j->scale = noise(&j->memory, (size_t)s.cout);
  j->zero = take(&j->memory, (size_t)s.cin, sizeof *j->zero);
  j->tap = take(&j->memory, rows * (size_t)j->taps, sizeof *j->tap);
  if (dense) {
    j->packed = noise(&j->memory, k->conv_pack_size(j->taps, s.cin, s.cout));
    j->gathered = noise(&j->memory, rows * depth);
  }
  if (!complete(&j->memory)) return ANET_NOMEM;
  find_taps(j);
  if (dense)
    k->conv_pack(j->packed, j->w, j->taps, s.cin, s.cout, (size_t)(s.cin * s.cout), (size_t)s.cout,
                 1);
  return ANET_OK;
}

static void job_run(job *j, kind what, const anet__kernels *k)
{
  const shape s = j->s;
  const size_t cout = (size_t)s.cout;
  const anet__post post = {.scale = j->scale, .shift = j->scale, .low = 0.0f, .high = 6.0f};
  const anet__conv_args conv = {.tap = j->tap,
                                .rows = j->rows,
                                .taps = j->taps,
                                .cin = s.cin,
                                .cout = s.cout,
                                .packed = j->packed,
                                .out = j->y,
                                .out_ld = cout,
                                .post = post};
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

/* The same product by OpenBLAS, its input gathered beforehand. */
static void job_sgemm(job *j, kind what, const anet__blas *blas)
{
  const int32_t depth = j->taps * j->s.cin, cout = j->s.cout;
  if (what == CONV)
    blas->cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, j->rows, cout, depth, 1,
                      j->gathered, depth, j->w, cout, 0, j->y, cout);
  else
    blas->cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, depth, cout, j->rows, 1, j->gathered,
                      depth, j->y, cout, 0, j->dw, cout);
}

static int64_t timed_job(job *j, kind what, const anet__kernels *k, const anet__blas *blas)
{
  const int64_t begin = anet__now_ns();
  if (k)
    job_run(j, what, k);
  else
    job_sgemm(j, what, blas);
  return anet__now_ns() - begin;
}

/* The fastest call within `budget` ns, two at least (the first warms up); no kernels: sgemm of
 * `blas`. */
static double job_time(job *j, kind what, const anet__kernels *k, const anet__blas *blas,
                       double budget)
{
  double best = INFINITY;
  const size_t weights = (size_t)(j->taps * j->s.cin * (what <= CONV_GRAD ? j->s.cout : 1));
  memset(j->dw, 0, weights * sizeof *j->dw);
  double spent = 0;
  for (int32_t calls = 0; calls < 2 || spent < budget; calls++) {
    const double took = (double)timed_job(j, what, k, blas);
    best = fmin(best, took);
    spent += took;
  }
  return best;
}

/* What a case is and how much there is to do. */
static void describe(shape s, kind what, anet_kernel_speed *out)
{
  const double rows = (double)s.images * s.size * s.size, depth = (double)s.k * s.k * s.cin;
  const double columns = what <= CONV_GRAD ? s.cout : 1;
  out->name = kind_name[what];
  snprintf(out->shape, sizeof out->shape, "%dx%dx%d k%d %d->%d", s.images, s.size, s.size, s.k,
           s.cin, s.cout);
  out->flops = 2.0 * rows * depth * columns;
  out->bytes = sizeof(float) * (rows * ((double)s.cin + s.cout) + depth * columns);
}

static int time_spatial(shape s, kind what, const anet__kernels *k, double budget,
                        anet_kernel_speed *out)
{
  describe(s, what, out);
  if (budget <= 0) return ANET_OK;
  job j;
  anet__blas blas;
  const int rc = job_new(&j, s, what, k);
  if (!rc) out->ns = job_time(&j, what, k, NULL, budget);
  if (!rc && what <= CONV_GRAD && anet__blas_open(&blas) == ANET_OK) {
    out->sgemm_ns = job_time(&j, what, NULL, &blas, budget);
    out->sgemm_core = blas.openblas_get_corename();
    anet__blas_close(&blas);
  }
  release(&j.memory);
  return rc;
}

/* ---- the rest: rows of channels and flat runs ------------------------------------------------ */

enum { ROWS = 4 * 28 * 28, CHANNELS = 32, RUN = ROWS * CHANNELS };

typedef struct pile {
  float *a, *b, *c, *y; /* (RUN) */
  double *sum, *dot;    /* (CHANNELS) */
  uint8_t *bytes;       /* (RUN) */
  const float **tap;    /* (ROWS, 4) */
  anet__norm_args norm; /* behind a clamp */
  pieces memory;
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
  X(act_gelu, 2, k->act(p->y, p->a, RUN, ANET_ACT_GELU, 0))                                        \
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

static int pile_new(pile *p)
{
  *p = (pile){0};
  pieces *m = &p->memory;
  p->a = noise(m, RUN), p->b = noise(m, RUN), p->c = noise(m, RUN), p->y = noise(m, RUN);
  p->sum = take(m, CHANNELS, sizeof *p->sum), p->dot = take(m, CHANNELS, sizeof *p->dot);
  p->bytes = take(m, RUN, 1);
  p->tap = take(m, (size_t)ROWS * 4, sizeof *p->tap);
  if (!complete(m)) return ANET_NOMEM;
  for (int32_t i = 0; i < RUN; i++) p->b[i] += 0.5f; /* adam's squares */
  p->norm = (anet__norm_args){.dy = p->a,
                              .x = p->b,
                              .rows = ROWS,
                              .channels = CHANNELS,
                              .scale = p->c,
                              .shift = p->c,
                              .high = 6,
                              .mean = p->c,
                              .a = p->c,
                              .b = p->c,
                              .c = p->c};
  for (int32_t i = 0; i < ROWS * 4; i++)
    p->tap[i] = p->a + (size_t)((i / 4 + i % 4) % ROWS) * CHANNELS;
  return ANET_OK;
}

static int time_simple(const simple *s, const anet__kernels *k, double budget,
                       anet_kernel_speed *out)
{
  out->name = s->name;
  out->bytes = s->arrays * RUN * sizeof(float);
  snprintf(out->shape, sizeof out->shape, "%dx%d", ROWS, CHANNELS);
  if (budget <= 0) return ANET_OK;
  pile p;
  const int rc = pile_new(&p);
  double best = INFINITY, spent = 0;
  for (int32_t calls = 0; !rc && (calls < 2 || spent < budget); calls++) {
    const int64_t begin = anet__now_ns();
    s->run(k, &p);
    const double took = (double)(anet__now_ns() - begin);
    best = fmin(best, took);
    spent += took;
  }
  if (!rc) out->ns = best;
  release(&p.memory);
  return rc;
}

/* ---- cases by number ------------------------------------------------------------------------- */

enum { SPATIAL = 2 * (DENSE + CHANNELWISE) };

int32_t anet_kernel_cases(void)
{
  return SPATIAL + ANET_COUNT(simples) + anet__layer_cases();
}

int anet_kernel_time(int32_t index, const char *isa, double ms, anet_kernel_speed *out)
{
  const anet__kernels *k;
  *out = (anet_kernel_speed){.name = "", .sgemm_core = ""};
  if (index < 0 || index >= anet_kernel_cases())
    return anet_fail(ANET_RANGE, "kernel case %d, there are %d", index, anet_kernel_cases());
  ANET_TRY(anet__isa_named(isa, &k));
  const int32_t layer = index - SPATIAL - ANET_COUNT(simples);
  if (layer >= 0) return anet__layer_time(layer, k, 1e6 * ms, out);
  if (index >= SPATIAL) return time_simple(&simples[index - SPATIAL], k, 1e6 * ms, out);
  const kind backward = index % 2 ? CONV_GRAD : CONV; /* each shape forward, then backward */
  const int32_t at = index / 2;
  if (at < DENSE) return time_spatial(dense_shapes[at], backward, k, 1e6 * ms, out);
  return time_spatial(depthwise_shapes[at - DENSE], (kind)(DEPTHWISE + backward), k, 1e6 * ms, out);
}
