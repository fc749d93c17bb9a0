/* Forward of every op against the double reference, and its gradients against central differences
 * of that reference, on every instruction set of this machine. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "opcases.h"
#include "support/ref64.h"
#include "support/test.h"

enum { SAMPLES = 24 }; /* elements of each tensor whose gradient is measured */

/* The reference of a case: the same numbers in double. */
typedef struct twin {
  ref64_call call;
  double *in[ANET_MAX_INPUTS], *param[ANET_MAX_PARAMS];
  double *magnitude; /* (out) the reference of absolute values: what rounding errors scale with */
} twin;

static double *widen(const float *x, size_t count)
{
  double *y = malloc((count + 1) * sizeof *y);
  for (size_t i = 0; i < count; i++) y[i] = (double)x[i];
  return y;
}

static void twin_new(const op_run *run, twin *t)
{
  const anet__call *c = &run->grad.call;
  *t = (twin){.call = {.op = run->id,
                       .attr = &run->attr,
                       .n = c->n,
                       .inputs = c->inputs,
                       .out_shape = c->out_shape,
                       .training = c->training,
                       .frozen = c->frozen,
                       .seed = c->seed}};
  for (int32_t i = 0; i < c->inputs; i++) {
    t->call.in_shape[i] = c->in_shape[i];
    t->call.in[i] = t->in[i] = widen(run->in[i], run->in_count[i]);
  }
  for (int32_t i = 0; i < run->params; i++)
    t->call.param[i] = t->param[i] = widen(anet__f32(run->param[i]), run->param_count[i]);
  t->call.out = malloc(run->out_count * sizeof(double));
}

static void twin_free(twin *t)
{
  for (int32_t i = 0; i < ANET_MAX_INPUTS; i++) free(t->in[i]);
  for (int32_t i = 0; i < ANET_MAX_PARAMS; i++) free(t->param[i]);
  free(t->call.out);
}

/* A quantize passes its gradient straight through: what is measured is the clamp inside it. */
static void straighten(twin *t)
{
  if (t->call.op == ANET_OP_QUANTIZE) t->call.op = ANET_OP_CLIP;
}

/* sum of dout * out. */
static double loss(const op_run *run, const twin *t)
{
  double sum = 0;
  ref64_forward(&t->call);
  for (size_t i = 0; i < run->out_count; i++) sum += (double)run->dout[i] * t->call.out[i];
  return sum;
}

/* Both are functions of at most second order in an element, or smooth: the step's error is far
 * below what float can show. */
static double slope(const op_run *run, const twin *t, double *x)
{
  const double at = *x, step = 1e-5;
  *x = at + step;
  const double up = loss(run, t);
  *x = at - step;
  const double down = loss(run, t);
  *x = at;
  return (up - down) / (2 * step);
}

/* Sums of so many products, each rounded. */
static double depth(const op_run *run)
{
  double d = 8;
  if (run->params && run->spec[0].role == ANET_PARAM_WEIGHT)
    d += (double)run->param_count[0] / run->spec[0].shape.dim[run->spec[0].shape.rank - 1];
  return d;
}

static void check_forward(const op_run *run, const twin *t, const char *name)
{
  double most = 1;
  ref64_forward(&t->call);
  for (size_t i = 0; i < run->out_count; i++) most = fmax(most, fabs(t->call.out[i]));
  const double tolerance = 1.2e-7 * (8 + sqrt(depth(run))) * most;
  size_t worst = 0;
  double error = -1;
  for (size_t i = 0; i < run->out_count; i++) {
    const double e = fabs((double)run->out[i] - t->call.out[i]);
    if (!(e <= error)) error = e, worst = i;
  }
  test_checks++;
  if (!(error <= tolerance))
    TEST_FAIL("%s: out[%zu] = %.9g, want %.9g, error %.3g over %.3g", name, worst,
              (double)run->out[worst], t->call.out[worst], error, tolerance);
}

static double largest(const float *x, size_t count)
{
  double most = 0;
  for (size_t i = 0; i < count; i++) most = fmax(most, fabs((double)x[i]));
  return most;
}

/* Measured slopes of some elements of one tensor; index (SAMPLES), slope (SAMPLES). */
typedef struct samples {
  size_t index[SAMPLES];
  double slope[SAMPLES];
  int32_t count;
} samples;

static void measure(const op_run *run, const twin *t, double *x, size_t count, samples *s)
{
  anet_rng rng;
  anet_rng_seed(&rng, 5);
  s->count = (int32_t)ANET_MIN(count, (size_t)SAMPLES);
  for (int32_t i = 0; i < s->count; i++) {
    s->index[i] = count <= SAMPLES ? (size_t)i : anet__rng_below(&rng, (uint32_t)count);
    s->slope[i] = slope(run, t, &x[s->index[i]]);
  }
}

static void check_slopes(const float *grad, size_t count, const samples *s, const char *what,
                         const char *name)
{
  const double tolerance = 1e-4 * largest(grad, count) + 2e-6;
  for (int32_t i = 0; i < s->count; i++) {
    const double got = (double)grad[s->index[i]];
    test_checks++;
    if (!(fabs(got - s->slope[i]) <= tolerance))
      TEST_FAIL("%s: %s[%zu] = %.9g, want %.9g, tolerance %.3g", name, what, s->index[i], got,
                s->slope[i], tolerance);
  }
}

/* Everything is finite: no element was forgotten. */
static void check_finite(const float *x, size_t count, const char *what, const char *name)
{
  size_t bad = 0;
  for (size_t i = 0; i < count; i++) bad += !isfinite(x[i]);
  test_checks++;
  if (bad) TEST_FAIL("%s: %zu of %zu of %s are not finite", name, bad, count, what);
}

/* din of a second backward with add must be start + din of the first; dparam must double. */
static void check_adding(op_run *run, const char *name)
{
  float *first[ANET_MAX_INPUTS] = {0}, *param[ANET_MAX_PARAMS] = {0};
  for (int32_t i = 0; i < run->grad.call.inputs; i++) {
    first[i] = malloc(run->in_count[i] * sizeof(float));
    memcpy(first[i], run->grad.din[i], run->in_count[i] * sizeof(float));
    for (size_t k = 0; k < run->in_count[i]; k++) run->grad.din[i][k] = (float)(k % 7);
    run->grad.add[i] = true;
  }
  for (int32_t i = 0; i < run->params; i++) {
    if (!run->grad.dparam[i]) continue;
    param[i] = malloc(run->param_count[i] * sizeof(float));
    memcpy(param[i], run->grad.dparam[i], run->param_count[i] * sizeof(float));
  }
  op_run_backward(run);
  for (int32_t i = 0; i < run->grad.call.inputs; i++) {
    const double tolerance = 1e-6 * (8 + largest(first[i], run->in_count[i]));
    for (size_t k = 0; k < run->in_count[i]; k++) {
      const double want = (double)first[i][k] + (double)(k % 7), got = (double)run->grad.din[i][k];
      if (fabs(got - want) <= tolerance) continue;
      TEST_FAIL("%s: added din[%d][%zu] = %.9g, want %.9g", name, i, k, got, want);
      break;
    }
    free(first[i]);
    run->grad.add[i] = false;
  }
  for (int32_t i = 0; i < run->params; i++) {
    if (!param[i]) continue;
    const double tolerance = 1e-5 * largest(param[i], run->param_count[i]) + 1e-6;
    for (size_t k = 0; k < run->param_count[i]; k++) {
      const double want = 2 * (double)param[i][k], got = (double)run->grad.dparam[i][k];
      if (fabs(got - want) <= tolerance) continue;
      TEST_FAIL("%s: twice dparam[%d][%zu] = %.9g, want %.9g", name, i, k, got, want);
      break;
    }
    free(param[i]);
  }
}

typedef struct measured {
  samples in[ANET_MAX_INPUTS], param[ANET_MAX_PARAMS];
} measured;

static void check_case(const op_case *what, const anet__kernels *kernels, double seed,
                       measured *slopes, bool first)
{
  char text[256], name[300];
  op_run run;
  twin t;
  snprintf(name, sizeof name, "%s, %s, seed %g", op_case_text(what, text),
           anet__isa_name(kernels->isa), seed);
  const int rc = op_run_new(what, seed, kernels, NULL, &run);
  CHECK_EQ_I(rc, ANET_OK);
  if (rc) {
    TEST_FAIL("%s: %s", name, anet_error());
    op_run_free(&run);
    return;
  }
  twin_new(&run, &t);
  op_run_forward(&run);
  check_forward(&run, &t, name);
  straighten(&t);
  op_run_backward(&run);
  for (int32_t i = 0; i < what->inputs; i++) {
    if (first) measure(&run, &t, t.in[i], run.in_count[i], &slopes->in[i]);
    check_finite(run.grad.din[i], run.in_count[i], "din", name);
    check_slopes(run.grad.din[i], run.in_count[i], &slopes->in[i], "din", name);
  }
  for (int32_t i = 0; i < run.params; i++) {
    if (!run.grad.dparam[i]) continue;
    if (first) measure(&run, &t, t.param[i], run.param_count[i], &slopes->param[i]);
    check_slopes(run.grad.dparam[i], run.param_count[i], &slopes->param[i], run.spec[i].name, name);
  }
  check_adding(&run, name);
  twin_free(&t);
  op_run_free(&run);
}

/* On every instruction set of this machine. */
static void check_on_all(const op_case *what, double seed)
{
  measured slopes;
  bool first = true;
  for (int32_t isa = 0; isa < ANET_ISA_COUNT; isa++) {
    const anet__kernels *kernels = anet__kernels_for((anet__isa)isa);
    if (!kernels) continue;
    check_case(what, kernels, seed, &slopes, first);
    first = false;
  }
}

TEST(every_op_forward_and_backward)
{
  for (int32_t k = 0; k < ANET_COUNT(op_cases); k++) check_on_all(&op_cases[k], 1000 + k);
}

/* ---- windows of any kind ----------------------------------------------------------------------
 */

static int32_t one_of(anet_rng *rng, const int32_t *choice, int32_t count)
{
  return choice[anet__rng_below(rng, (uint32_t)count)];
}
#define ONE_OF(rng, ...)                                                                           \
  one_of(rng, (const int32_t[]){__VA_ARGS__}, ANET_COUNT(((const int32_t[]){__VA_ARGS__})))

/* Most are of the usual kind in one direction at least; the others step over the whole image, lie
 * in padding alone, or reach from one side to the other between two taps. */
static op_case random_window(anet_rng *rng)
{
  static const char *const ops[] = {"conv",     "conv",     "conv",          "depthwise",
                                    "max_pool", "avg_pool", "conv_transpose"};
  const char *op = ops[anet__rng_below(rng, ANET_COUNT(ops))];
  op_case c = {.op = op, .n = ONE_OF(rng, 1, 2, 3), .inputs = 1, .training = true};
  anet_attr *a = &c.attr;
  c.in[0] =
      (anet_shape){3, {ONE_OF(rng, 1, 2, 5, 9), ONE_OF(rng, 1, 2, 5, 9), ONE_OF(rng, 1, 3, 6, 17)}};
  for (int32_t i = 0; i < 2; i++) {
    const bool usual = anet__rng_below(rng, 2);
    a->kernel[i] = usual ? ONE_OF(rng, 1, 2, 3) : ONE_OF(rng, 1, 2, 3, 5, 11);
    a->stride[i] = usual ? ONE_OF(rng, 1, 2) : ONE_OF(rng, 1, 3, 7, 66, 1 << 30, INT32_MAX);
    a->dilation[i] = usual ? 1 : ONE_OF(rng, 1, 2, 8, 40, INT16_MAX, INT32_MAX);
    a->pad[i] = usual ? ONE_OF(rng, 0, 1) : ONE_OF(rng, 0, 1, 4, 20, 93, INT16_MAX, 1 << 30);
    a->pad[i + 2] = usual ? ONE_OF(rng, 0, 1) : ONE_OF(rng, 0, 1, 4, 20, 93, INT16_MAX, 1 << 29);
  }
  a->groups = c.in[0].dim[2] % 3 == 0 ? ONE_OF(rng, 1, 1, 3) : 1;
  a->channels = strstr(op, "conv") ? a->groups * ONE_OF(rng, 1, 4, 9) : 0;
  if (!strstr(op, "conv")) a->groups = 1;
  a->mode = ONE_OF(rng, 0, 1);
  a->bias = ONE_OF(rng, 0, 1);
  return c;
}

/* Does it fit, and is it small enough for naive loops? */
static bool can_be_checked(const op_case *c)
{
  const double most = 20000;
  anet__op_id id;
  anet_shape out;
  anet_attr a = c->attr;
  if (!anet__op_find(c->op, &id)) return false;
  anet__attr_default(&a);
  if (anet__op_get(id)->shape(&a, c->in, 1, &out)) return false;
  const double taps = (double)a.kernel[0] * a.kernel[1];
  return (double)anet__shape_size(&out) * taps * c->n <= most;
}

TEST(windows_of_any_kind)
{
  enum { WINDOWS = 400 };
  anet_rng rng;
  anet_rng_seed(&rng, 1);
  for (int32_t k = 0; k < WINDOWS;) {
    const op_case c = random_window(&rng);
    if (!can_be_checked(&c)) continue;
    check_on_all(&c, k++);
  }
}

TEST(every_op_has_a_case)
{
  for (int32_t id = 0; id < ANET_OP_COUNT; id++) {
    const anet__op *op = anet__op_get((anet__op_id)id);
    bool found = id == ANET_OP_INPUT;
    for (int32_t k = 0; k < ANET_COUNT(op_cases); k++)
      found |= strcmp(op_cases[k].op, op->name) == 0;
    test_checks++;
    if (!found) TEST_FAIL("op '%s' has no case", op->name);
  }
}

TEST_MAIN(CASE(every_op_forward_and_backward), CASE(windows_of_any_kind), CASE(every_op_has_a_case))
