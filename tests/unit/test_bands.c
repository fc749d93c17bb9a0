/* A norm and a depthwise convolution a few lines at a time, against the two ops in turn: all that a
 * window may do at an image's edges, images low and narrow, with and without what is optional. */
#include <stdlib.h>

#include "base/alloc.h"
#include "op/band.h"
#include "op/norm.h"
#include "support/opcase.h"
#include "support/test.h"

/* norm, clamp, depthwise, norm: forward the first two in a band, backward the last two. */
typedef struct trio {
  op_run before, depthwise, behind;
  double *sums; /* (2, channels) that the band makes */
  float *scratch;
  int32_t channels;
} trio;

typedef struct picture {
  int32_t height, width, channels, n, stride, pad[4];
} picture;

static void clamp(op_run *run)
{
  run->grad.call.post.low = 0;
  run->grad.call.post.high = 1.5f;
}

static void trio_new(trio *t, const picture *p)
{
  const op_case before = {"norm", {.mode = 0}, p->n, 1, {{3, {p->height, p->width, p->channels}}},
                          true,   false};
  op_case depthwise = before, behind = before;
  depthwise.op = "depthwise";
  depthwise.attr = (anet_attr){.kernel = {3, 3}, .stride = {p->stride, p->stride}};
  memcpy(depthwise.attr.pad, p->pad, sizeof p->pad);
  CHECK_OK(op_run_new(&before, 1, anet__kernels_best(), NULL, &t->before));
  CHECK_OK(op_run_new(&depthwise, 2, anet__kernels_best(), NULL, &t->depthwise));
  behind.in[0] = t->depthwise.grad.call.out_shape;
  CHECK_OK(op_run_new(&behind, 3, anet__kernels_best(), NULL, &t->behind));
  clamp(&t->before);
  clamp(&t->behind);
  t->before.grad.clamped = t->behind.grad.clamped = true;
  t->channels = p->channels;
  t->sums = calloc(2 * (size_t)p->channels, sizeof *t->sums);
}

static void trio_free(trio *t)
{
  free(t->sums);
  op_run_free(&t->before);
  op_run_free(&t->depthwise);
  op_run_free(&t->behind);
}

/* The three one after the other, forward and back. What is kept between stays for the band. */
static void in_turn(trio *t)
{
  memset(t->depthwise.grad.dparam[0], 0, t->depthwise.param_count[0] * sizeof(float));
  t->before.grad.call.settled = t->behind.grad.call.settled = false;
  op_run_forward(&t->before);
  t->depthwise.grad.call.in[0] = t->before.out;
  op_run_forward(&t->depthwise);
  t->behind.grad.call.in[0] = t->depthwise.out;
  op_run_forward(&t->behind);
  op_run_backward(&t->behind);
  t->depthwise.grad.dout = t->behind.grad.din[0];
  op_run_backward(&t->depthwise);
  t->before.grad.dout = t->depthwise.grad.din[0];
  t->before.grad.call.settled = t->behind.grad.call.settled = true;
}

static void check_near(const char *what, const picture *p, const float *got, const float *want,
                       size_t count)
{
  for (size_t i = 0; i < count; i++) {
    test_checks++;
    if (fabs((double)got[i] - (double)want[i]) <= 2e-5 * (1 + fabs((double)want[i]))) continue;
    TEST_FAIL("%dx%dx%d stride %d pad %d,%d,%d,%d: %s[%zu] = %.9g, want %.9g", p->height, p->width,
              p->channels, p->stride, p->pad[0], p->pad[1], p->pad[2], p->pad[3], what, i,
              (double)got[i], (double)want[i]);
    return;
  }
}

static void check_sums(const trio *t, const double *want)
{
  for (int32_t c = 0; c < 2 * t->channels; c++)
    CHECK_NEAR(t->sums[c], want[c], 2e-5 * (10 + fabs(want[c])));
}

static float *scratch_of(const anet__call *depthwise, bool back)
{
  const size_t floats = anet__band_floats(depthwise, back);
  float *scratch = anet__alloc_array(floats, sizeof *scratch);
  op_fill_nan(scratch, floats * sizeof *scratch);
  return scratch;
}

static void check_forward(trio *t, const picture *p, bool sums, bool add)
{
  anet__call before = t->before.grad.call, depthwise = t->depthwise.grad.call;
  const anet__call behind = t->behind.grad.call;
  const size_t bytes = t->depthwise.out_count * sizeof(float);
  float *want = malloc(bytes);
  double *wanted = calloc(2 * (size_t)t->channels, sizeof *wanted);
  if (add) depthwise.post.add = t->depthwise.dout, depthwise.post.add_ld = (size_t)p->channels;
  depthwise.post.low = add ? -0.5f : -INFINITY;
  t->depthwise.op->forward(&depthwise);
  memcpy(want, t->depthwise.out, bytes);
  anet__norm_measure(&behind, wanted);
  op_fill_nan(t->depthwise.out, bytes);
  memset(t->sums, 0, 2 * (size_t)t->channels * sizeof *t->sums);
  before.out = NULL;
  depthwise.in[0] = NULL;
  depthwise.scratch = scratch_of(&depthwise, false);
  anet__band_forward(
      &(anet__band){&before, &depthwise, sums ? &behind : NULL, sums ? t->sums : NULL});
  check_near("out", p, t->depthwise.out, want, t->depthwise.out_count);
  if (sums) check_sums(t, wanted);
  anet__free(depthwise.scratch);
  free(wanted);
  free(want);
}

/* wanted: which gradients. again: the convolution's input is made again; add: to what is there. */
static void check_backward(trio *t, const picture *p, bool again, bool add, bool of_input,
                           bool of_weight)
{
  anet__grad_call behind = t->behind.grad, depthwise = t->depthwise.grad;
  const anet__call before = t->before.grad.call;
  const size_t inputs = t->depthwise.in_count[0], weights = t->depthwise.param_count[0];
  const bool sums = of_input && !add;
  float *din = malloc(inputs * sizeof *din), *dw = calloc(weights, sizeof *dw);
  double *wanted = calloc(2 * (size_t)t->channels, sizeof *wanted);
  anet__norm_grad_measure(&t->before.grad, wanted);
  for (size_t i = 0; i < inputs; i++) din[i] = add ? 0.25f : NAN;
  memset(t->sums, 0, 2 * (size_t)t->channels * sizeof *t->sums);
  anet__grad_call measured = t->before.grad;
  measured.dout = din;
  behind.din[0] = NULL;
  depthwise.dout = NULL;
  depthwise.din[0] = of_input ? din : NULL;
  depthwise.add[0] = add;
  depthwise.dparam[0] = of_weight ? dw : NULL;
  depthwise.call.scratch = scratch_of(&depthwise.call, true);
  if (again) depthwise.call.in[0] = NULL;
  anet__band_backward(&(anet__band_grad){&behind, &depthwise, again ? &before : NULL,
                                         sums ? &measured : NULL, sums ? t->sums : NULL});
  for (size_t i = 0; i < inputs && add; i++) din[i] -= 0.25f;
  if (of_input) check_near("din", p, din, t->depthwise.grad.din[0], inputs);
  if (of_weight) check_near("dweight", p, dw, t->depthwise.grad.dparam[0], weights);
  if (sums) check_sums(t, wanted);
  anet__free(depthwise.call.scratch);
  free(wanted);
  free(din);
  free(dw);
}

static void check(const picture *p)
{
  trio t;
  trio_new(&t, p);
  CHECK(anet__band_fits(&t.depthwise.grad.call));
  in_turn(&t);
  for (int32_t kind = 0; kind < 4; kind++) check_forward(&t, p, kind & 1, kind & 2);
  in_turn(&t); /* its output was another */
  for (int32_t kind = 0; kind < 16; kind++)
    check_backward(&t, p, kind & 1, kind & 2, kind & 4, kind & 8);
  trio_free(&t);
}

TEST(bands_are_the_ops_in_turn)
{
  static const picture pictures[] = {
      {20, 20, 8, 2, 1, {1, 1, 1, 1}}, {21, 20, 5, 3, 2, {1, 1, 1, 1}},
      {9, 40, 17, 2, 1, {0, 2, 1, 0}}, {9, 40, 3, 1, 2, {2, 0, 0, 1}},
      {40, 1, 4, 2, 1, {1, 1, 1, 1}},  {75, 2, 4, 1, 2, {0, 1, 2, 2}},
      {1, 30, 6, 2, 1, {1, 0, 1, 0}},  {3, 3, 9, 4, 1, {0, 0, 0, 0}},
      {4, 5, 9, 3, 2, {0, 0, 0, 0}},   {7, 6, 33, 2, 1, {2, 2, 2, 2}},
      {8, 7, 16, 2, 2, {2, 2, 1, 0}},  {12, 11, 2, 1, 1, {2, 1, 0, 2}},
      {9, 9, 4, 2, 2, {1, 1, 0, 0}},
  };
  for (int32_t i = 0; i < ANET_COUNT(pictures); i++) check(&pictures[i]);
}

/* What the kernels and the ring hold: windows of 3, dense, steps of 1 or 2 alike, little padding.
 */
TEST(what_fits)
{
  const anet_attr good = {
      .kernel = {3, 3}, .stride = {2, 2}, .dilation = {1, 1}, .pad = {2, 2, 2, 2}};
  anet_attr a = good;
  const anet__call call = {.attr = &a};
  CHECK(anet__band_fits(&call));
  for (int32_t i = 0; i < 2; i++) {
    a = good, a.kernel[i] = 5;
    CHECK(!anet__band_fits(&call));
    a = good, a.kernel[i] = 1;
    CHECK(!anet__band_fits(&call));
    a = good, a.dilation[i] = 2;
    CHECK(!anet__band_fits(&call));
    a = good, a.stride[i] = 1;
    CHECK(!anet__band_fits(&call));
  }
  for (int32_t i = 0; i < 4; i++) {
    a = good, a.pad[i] = 3;
    CHECK(!anet__band_fits(&call));
  }
  a = good, a.stride[0] = a.stride[1] = 1;
  CHECK(anet__band_fits(&call));
  a.stride[0] = a.stride[1] = 3;
  CHECK(!anet__band_fits(&call));
  a = good, a.bias = 1;
  CHECK(!anet__band_fits(&call));
}

TEST_MAIN(CASE(bands_are_the_ops_in_turn), CASE(what_fits))
