/* Kernels over flat runs, of every ISA against ref, and exp against the C library in double. */
#include "compare.h"

static const double eps = FLT_EPSILON;

enum { INPUTS = 4, LONG_RUN = 4099 };

/* One run: inputs a b c d of n, and y, which starts as d. */
typedef struct run_case {
  size_t n;
  box in[INPUTS], got, want;
  int32_t variant;
} run_case;

typedef void (*flat_fn)(const anet__kernels *k, run_case *r);

static void one_run(const anet__kernels *k, size_t n, int32_t offset, int32_t variant, flat_fn run)
{
  run_case r = {.n = n, .variant = variant};
  for (int32_t i = 0; i < INPUTS; i++) {
    r.in[i] = box_new(n, (offset + i) % 4);
    if (variant % 2) box_spoil(&r.in[i], 3);
  }
  r.got = box_copy(&r.in[3]);
  r.want = box_copy(&r.in[3]);
  run(k, &r);
  box_free(&r.got, "got");
  box_free(&r.want, "want");
  for (int32_t i = 0; i < INPUTS; i++) box_free(&r.in[i], "input");
}

static void every_run(flat_fn run, int64_t first_seed)
{
  EACH_ISA(k)
  for (int32_t n = 0; n <= 3 * k->lanes + 2; n++)
    for (int32_t offset = 0; offset < 4; offset++)
      for (int32_t variant = 0; variant < 4; variant++) {
        reseed(first_seed + n * 16 + offset * 4 + variant);
        one_run(k, n == 3 * k->lanes + 2 ? LONG_RUN : (size_t)n, offset, variant, run);
      }
}

/* sizes[i] is the sum of |terms| of result i; `ulps` of it is allowed. */
static double within(double ulps, double a, double b, double c)
{
  const double size = fabs(a) + fabs(b) + fabs(c);
  return isfinite(size) ? ulps * eps * size + (double)FLT_MIN : 0.0;
}

/* -- arithmetic: exact where one operation rounds once -------------------------------------- */

static void run_add(const anet__kernels *k, run_case *r)
{
  k->add(r->got.v, r->in[0].v, r->in[1].v, r->n);
  plain()->add(r->want.v, r->in[0].v, r->in[1].v, r->n);
  for (size_t i = 0; i < r->n; i++)
    agree("add", k->isa, i, (double)r->got.v[i], (double)r->want.v[i], 0.0);
  k->add(r->got.v, r->got.v, r->in[1].v, r->n); /* in place */
  plain()->add(r->want.v, r->want.v, r->in[1].v, r->n);
  for (size_t i = 0; i < r->n; i++)
    agree("add in place", k->isa, i, (double)r->got.v[i], (double)r->want.v[i], 0.0);
}

static void run_mul(const anet__kernels *k, run_case *r)
{
  k->mul(r->got.v, r->in[0].v, r->in[1].v, r->n);
  plain()->mul(r->want.v, r->in[0].v, r->in[1].v, r->n);
  for (size_t i = 0; i < r->n; i++)
    agree("mul", k->isa, i, (double)r->got.v[i], (double)r->want.v[i], 0.0);
}

static void run_axpy(const anet__kernels *k, run_case *r)
{
  k->axpy(r->got.v, 1.7f, r->in[0].v, r->n);
  plain()->axpy(r->want.v, 1.7f, r->in[0].v, r->n);
  for (size_t i = 0; i < r->n; i++)
    agree("axpy", k->isa, i, (double)r->got.v[i], (double)r->want.v[i],
          within(2, 1.7 * (double)r->in[0].v[i], (double)r->in[3].v[i], 0));
}

/* Products that overflow before they are added may differ by design: keep the run tame. */
static void run_muladd(const anet__kernels *k, run_case *r)
{
  for (size_t i = 0; i < r->n; i++)
    if (fabsf(r->in[1].v[i]) > 1e6f) r->in[1].v[i] = 2.0f;
  k->muladd(r->got.v, r->in[0].v, r->in[1].v, r->n);
  plain()->muladd(r->want.v, r->in[0].v, r->in[1].v, r->n);
  for (size_t i = 0; i < r->n; i++)
    agree("muladd", k->isa, i, (double)r->got.v[i], (double)r->want.v[i],
          within(2, (double)r->in[0].v[i] * (double)r->in[1].v[i], (double)r->in[3].v[i], 0));
}

static void run_affine_clamp(const anet__kernels *k, run_case *r)
{
  const float high = r->variant < 2 ? 6.0f : INFINITY;
  k->affine_clamp(r->got.v, r->in[0].v, r->n, 1.7f, 0.3f, 0.0f, high);
  plain()->affine_clamp(r->want.v, r->in[0].v, r->n, 1.7f, 0.3f, 0.0f, high);
  for (size_t i = 0; i < r->n; i++) {
    agree("affine_clamp", k->isa, i, (double)r->got.v[i], (double)r->want.v[i],
          within(2, 1.7 * (double)r->in[0].v[i], 0.3, 0));
    if (isnan(r->in[0].v[i])) CHECK(isnan(r->got.v[i]));
  }
}

static void run_clamp_grad(const anet__kernels *k, run_case *r)
{
  k->clamp_grad(r->got.v, r->in[0].v, r->in[1].v, r->n, 0.0f, 1.0f, r->variant / 2);
  plain()->clamp_grad(r->want.v, r->in[0].v, r->in[1].v, r->n, 0.0f, 1.0f, r->variant / 2);
  for (size_t i = 0; i < r->n; i++)
    agree("clamp_grad", k->isa, i, (double)r->got.v[i], (double)r->want.v[i], 0.0);
}

/* -- activations ---------------------------------------------------------------------------- */

/* exp is within 2 ulp here and in the C library, the division and sum add 2: 6 in all; the kinds
 * multiplied by x cost one more, and slopes cancel in 1 - s, so their bound is absolute. Hard kinds
 * cancel near -3; where gelu is next to nothing the exponent of its tail, some x^2, was rounded. */
static double act_bound(anet__act kind, double x, double y)
{
  switch (kind) {
    case ANET_ACT_HARD_SIGMOID:
      return within(2, 1.0, 0, 0);
    case ANET_ACT_HARD_SWISH:
      return within(2, 1.0, x, 0);
    case ANET_ACT_GELU:
    case ANET_ACT_GELU_TANH:
      return within(4, x, y, 0);
    default:
      return within(8, y, 0, 0) + fabs(x) * (double)FLT_MIN;
  }
}

static void run_act(const anet__kernels *k, run_case *r)
{
  for (int kind = 0; kind < ANET_ACT_COUNT; kind++) {
    k->act(r->got.v, r->in[0].v, r->n, (anet__act)kind, 0.1f);
    plain()->act(r->want.v, r->in[0].v, r->n, (anet__act)kind, 0.1f);
    for (size_t i = 0; i < r->n; i++) {
      const double x = (double)r->in[0].v[i], want = (double)r->want.v[i];
      agree("act", k->isa, i, (double)r->got.v[i], want, act_bound((anet__act)kind, x, want));
    }
  }
}

static void run_act_grad(const anet__kernels *k, run_case *r)
{
  for (int kind = 0; kind < ANET_ACT_COUNT; kind++) {
    const bool more = r->variant / 2;
    memcpy(r->got.v, r->in[3].v, r->n * sizeof(float));
    memcpy(r->want.v, r->in[3].v, r->n * sizeof(float));
    k->act_grad(r->got.v, r->in[1].v, r->in[0].v, r->n, (anet__act)kind, 0.1f, more);
    plain()->act_grad(r->want.v, r->in[1].v, r->in[0].v, r->n, (anet__act)kind, 0.1f, more);
    for (size_t i = 0; i < r->n; i++) {
      const double dy = (double)r->in[1].v[i], x = (double)r->in[0].v[i];
      const double wide = fabs(x) < 200.0 ? fabs(dy * x) : 0.0; /* slopes are flat out there */
      agree("act_grad", k->isa, i, (double)r->got.v[i], (double)r->want.v[i],
            within(8, dy, wide, more ? (double)r->in[3].v[i] : 0.0));
    }
  }
}

/* A row (0, x, x, …) of large negative x has sum near 1: softmax shows exp itself. */
TEST(exp_error)
{
  enum { N = 64 };
  reseed(1);
  float x[N], y[N];
  double worst = 0.0;
  EACH_ISA(k)
  for (int32_t trial = 0; trial < 4000; trial++) {
    double sum = 0.0;
    x[0] = 0.0f;
    for (int32_t i = 1; i < N; i++) x[i] = -(float)(25.0 + 80.0 * anet_rng_uniform(&dice));
    for (int32_t i = 0; i < N; i++) sum += exp((double)x[i]);
    k->softmax(y, x, 1, N, 1.0f);
    for (int32_t i = 1; i < N; i++) {
      const double want = exp((double)x[i]) / sum;
      const double ulp = want > (double)FLT_MIN ? want * eps : 0x1p-149;
      const double error = fabs((double)y[i] - want) / ulp;
      worst = error > worst ? error : worst;
      agree("exp", k->isa, (size_t)i, (double)y[i], want, 2.0 * ulp);
    }
  }
  printf("exp: worst error %.2f ulp\n", worst);
}

/* The kinds that polynomials make, against the C library in double. */
static double act_in_double(anet__act kind, double x)
{
  switch (kind) {
    case ANET_ACT_ELU:
      return x > 0 ? x : expm1(x);
    case ANET_ACT_GELU:
      return 0.5 * x * erfc(-sqrt(0.5) * x);
    case ANET_ACT_GELU_TANH:
      return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case ANET_ACT_MISH:
      return x * tanh(log1p(exp(x)));
    case ANET_ACT_SOFTPLUS:
      return log1p(exp(x));
    case ANET_ACT_TANH:
      return tanh(x);
    case ANET_ACT_ERF:
      return erf(x);
    default:
      return exp(x);
  }
}

TEST(activation_errors)
{
  enum { N = 8192 };
  static float x[N], y[N];
  for (int32_t i = 0; i < N; i++) x[i] = ((float)i - N / 2) * 0x1p-9f; /* -8 .. 8 */
  for (int isa = 0; isa < ANET_ISA_COUNT; isa++)
    for (int kind = ANET_ACT_ELU; kind < ANET_ACT_COUNT; kind++) {
      const anet__kernels *k = anet__kernels_for((anet__isa)isa);
      if (!k) continue;
      k->act(y, x, N, (anet__act)kind, 1.0f);
      for (size_t i = 0; i < N; i++) {
        const double want = act_in_double((anet__act)kind, (double)x[i]);
        agree("act", k->isa, i, (double)y[i], want, act_bound((anet__act)kind, (double)x[i], want));
      }
    }
}

TEST(sigmoid_limits)
{
  static const float x[] = {INFINITY, -INFINITY, 200.0f, -200.0f, 0.0f, -0.0f, 1e-42f, 17.0f};
  static const float want[] = {1.0f, 0.0f, 1.0f, 0.0f, 0.5f, 0.5f, 0.5f, 0.99999996f};
  for (int isa = 0; isa < ANET_ISA_COUNT; isa++) {
    const anet__kernels *k = anet__kernels_for((anet__isa)isa);
    float y[8];
    if (!k) continue;
    k->act(y, x, 8, ANET_ACT_SIGMOID, 0.0f);
    for (size_t i = 0; i < 8; i++) agree("sigmoid", k->isa, i, (double)y[i], (double)want[i], eps);
  }
}

/* The exponent k * (x - top) is rounded alike; then exp, a sum of n terms and a division. */
static void run_softmax(const anet__kernels *k, run_case *r)
{
  static const float scales[] = {1.0f, 0.3f, 1.0f, -2.0f};
  const int32_t rows = r->n > 20 ? 2 : 1, channels = (int32_t)r->n / rows;
  k->softmax(r->got.v, r->in[0].v, rows, channels, scales[r->variant]);
  plain()->softmax(r->want.v, r->in[0].v, rows, channels, scales[r->variant]);
  for (size_t i = 0; i < (size_t)(rows * channels); i++)
    agree("softmax", k->isa, i, (double)r->got.v[i], (double)r->want.v[i],
          (double)r->want.v[i] * eps * (8.0 + channels) + 0x1p-148);
}

/* -- sums in double ------------------------------------------------------------------------- */

static void run_dot(const anet__kernels *k, run_case *r)
{
  const float *a = r->in[0].v, *b = r->in[1].v;
  double dot = 0.0, gap = 0.0;
  for (size_t i = 0; i < r->n; i++) {
    dot += fabs((double)a[i] * (double)b[i]);
    gap += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
  }
  const double share = (double)(r->n + 2) * DBL_EPSILON;
  agree("dot", k->isa, 0, k->dot(a, b, r->n), plain()->dot(a, b, r->n),
        isfinite(dot) ? share * dot : 0.0);
  agree("distance", k->isa, 0, k->distance(a, b, r->n), plain()->distance(a, b, r->n),
        isfinite(gap) ? share * gap : 0.0);
}

/* -- pixels and parameters ------------------------------------------------------------------ */

TEST(from_bytes)
{
  EACH_ISA(k)
  for (int32_t channels = 1; channels <= 5; channels++)
    for (int32_t rows = 0; rows <= 3 * k->lanes + 1; rows++) {
      reseed(90000 + channels * 100 + rows);
      const size_t n = (size_t)(rows * channels), c = (size_t)channels;
      box got = box_new(n, roll(0, 3)), want = box_copy(&got), scale = box_new(c, 1),
          shift = box_new(c, 2);
      uint8_t bytes[5 * (3 * MAX_LANES + 1)];
      for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)roll(0, 255);
      k->from_bytes(got.v, bytes, rows, channels, scale.v, shift.v);
      plain()->from_bytes(want.v, bytes, rows, channels, scale.v, shift.v);
      for (size_t i = 0; i < n; i++)
        agree("from_bytes", k->isa, i, (double)got.v[i], (double)want.v[i],
              within(2, (double)scale.v[i % c] * bytes[i], 2, 0));
      box_free(&got, "from_bytes");
      box_free(&want, "from_bytes");
      box_free(&scale, "scale");
      box_free(&shift, "shift");
    }
}

static void run_sgd(const anet__kernels *k, run_case *r)
{
  box m = box_copy(&r->in[1]), m_ref = box_copy(&r->in[1]);
  anet__sgd_args a = {r->got.v, m.v, r->in[0].v, r->n, 0.1f, 0.9f, 1e-4f, r->variant / 2};
  k->sgd(&a);
  a.w = r->want.v, a.momentum = m_ref.v;
  plain()->sgd(&a);
  for (size_t i = 0; i < r->n; i++) {
    const double w = (double)r->in[3].v[i], g = (double)r->in[0].v[i], v = (double)r->in[1].v[i];
    agree("sgd momentum", k->isa, i, (double)m.v[i], (double)m_ref.v[i], within(4, w, g, v));
    agree("sgd w", k->isa, i, (double)r->got.v[i], (double)r->want.v[i], within(4, w, g, v));
  }
  box_free(&m, "sgd momentum");
  box_free(&m_ref, "sgd momentum");
}

/* Nothing hostile: a square is not negative, and a NaN parameter is the optimiser's to report. */
static void run_adam(const anet__kernels *k, run_case *r)
{
  for (int32_t i = 0; i < INPUTS; i++)
    for (size_t j = 0; j < r->n; j++)
      if (!(fabsf(r->in[i].v[j]) < 1e4f)) r->in[i].v[j] = 1.0f;
  memcpy(r->got.v, r->in[3].v, r->n * sizeof(float));
  memcpy(r->want.v, r->in[3].v, r->n * sizeof(float));
  box s = box_abs(&r->in[2]), s_ref = box_abs(&r->in[2]), m = box_copy(&r->in[1]),
      m_ref = box_copy(&r->in[1]);
  anet__adam_args a = {r->got.v, m.v,   s.v,   r->in[0].v, r->n,  1e-2f,
                       0.9f,     0.99f, 1e-8f, 1e-2f,      0.19f, 0.0199f};
  k->adam(&a);
  a.w = r->want.v, a.mean = m_ref.v, a.square = s_ref.v;
  plain()->adam(&a);
  for (size_t i = 0; i < r->n; i++) {
    const double w = (double)r->in[3].v[i], g = (double)r->in[0].v[i];
    const double v = (double)r->in[1].v[i], q = fabs((double)r->in[2].v[i]);
    const double root = sqrt((double)s_ref.v[i] / 0.0199) + 1e-8;
    const double step = 1e-2 * (fabs(v) + fabs(g)) / 0.19 / root;
    agree("adam mean", k->isa, i, (double)m.v[i], (double)m_ref.v[i], within(4, v, g, 0));
    agree("adam square", k->isa, i, (double)s.v[i], (double)s_ref.v[i], within(4, q, g * g, 0));
    agree("adam w", k->isa, i, (double)r->got.v[i], (double)r->want.v[i], within(8, w, step, 0));
  }
  box_free(&s, "adam square");
  box_free(&s_ref, "adam square");
  box_free(&m, "adam mean");
  box_free(&m_ref, "adam mean");
}

TEST(add)
{
  every_run(run_add, 1000);
}
TEST(mul)
{
  every_run(run_mul, 2000);
}
TEST(axpy)
{
  every_run(run_axpy, 3000);
}
TEST(muladd)
{
  every_run(run_muladd, 4000);
}
TEST(affine_clamp)
{
  every_run(run_affine_clamp, 5000);
}
TEST(clamp_grad)
{
  every_run(run_clamp_grad, 6000);
}
TEST(act)
{
  every_run(run_act, 7000);
}
TEST(act_grad)
{
  every_run(run_act_grad, 8000);
}
TEST(softmax)
{
  every_run(run_softmax, 9000);
}
TEST(dot_distance)
{
  every_run(run_dot, 10000);
}
TEST(sgd)
{
  every_run(run_sgd, 11000);
}
TEST(adam)
{
  every_run(run_adam, 12000);
}

/* The table in use is one of this machine, the same at every call. */
TEST(dispatch)
{
  const anet__kernels *k = anet__kernels_best();
  CHECK(k == anet__kernels_best());
  CHECK(k == anet__kernels_for(k->isa));
  CHECK(anet__kernels_for(ANET_ISA_REF) != NULL);
  CHECK(anet__kernels_for(ANET_ISA_COUNT) == NULL);
}

TEST_MAIN(CASE(add), CASE(mul), CASE(axpy), CASE(muladd), CASE(affine_clamp), CASE(clamp_grad),
          CASE(act), CASE(act_grad), CASE(exp_error), CASE(activation_errors), CASE(sigmoid_limits), CASE(softmax),
          CASE(dot_distance), CASE(from_bytes), CASE(sgd), CASE(adam), CASE(dispatch))
