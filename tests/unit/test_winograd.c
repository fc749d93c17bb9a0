/* A convolution by Winograd's tiles against the sweep. */
#include <stdlib.h>

#include "base/alloc.h"
#include "support/opcase.h"
#include "support/test.h"

static const struct shape {
  int32_t height, width, cin, cout, pad, n;
} shapes[] = {{4, 4, 1, 1, 1, 1},      {5, 7, 3, 2, 1, 2},    {3, 3, 16, 17, 0, 1},
              {8, 8, 33, 64, 1, 3},    {13, 9, 20, 70, 1, 1}, {28, 28, 16, 16, 1, 2},
              {14, 14, 96, 130, 1, 1}, {7, 7, 200, 65, 1, 4}, {1, 1, 5, 5, 1, 1},
              {56, 3, 8, 40, 2, 1},    {5, 4, 6, 9, 20, 2}};

static op_case case_of(const struct shape *s)
{
  return (op_case){.op = "conv",
                   .attr = {.kernel = {3, 3},
                            .pad = {s->pad, s->pad, s->pad, s->pad},
                            .channels = s->cout,
                            .bias = 1},
                   .n = s->n,
                   .inputs = 1,
                   .in = {{3, {s->height, s->width, s->cin}}}};
}

static void prepare(op_run *run, const struct shape *s, anet__method method, anet_pool *pool)
{
  const op_case what = case_of(s);
  CHECK_OK(op_run_new(&what, 3, anet__kernels_best(), pool, run));
  CHECK_OK(op_run_method(run, method));
  run->grad.call.post.low = -4;
  run->grad.call.post.high = 5;
}

/* Of the square root of the terms times their size, as random signs would have it. */
TEST(the_output_is_the_sweeps)
{
  for (size_t i = 0; i < ANET_COUNT(shapes); i++) {
    op_run want;
    prepare(&want, &shapes[i], ANET_METHOD_DIRECT, NULL);
    op_run_forward(&want);
    for (int32_t m = ANET_METHOD_WINOGRAD_2; m <= ANET_METHOD_WINOGRAD_4; m++) {
      op_run got;
      prepare(&got, &shapes[i], (anet__method)m, NULL);
      op_run_forward(&got);
      const double size = sqrt(9.0 * shapes[i].cin);
      const double bound = (m == ANET_METHOD_WINOGRAD_2 ? 4e-6 : 2e-5) * size;
      for (size_t k = 0; k < want.out_count; k++)
        CHECK_NEAR((double)got.out[k], (double)want.out[k], bound);
      op_run_free(&got);
    }
    op_run_free(&want);
  }
}

TEST(threads_and_batches_change_no_bit)
{
  anet_pool *pool;
  CHECK_OK(anet_pool_new(3, &pool));
  for (size_t i = 0; i < ANET_COUNT(shapes); i++)
    for (int32_t m = ANET_METHOD_WINOGRAD_2; m <= ANET_METHOD_WINOGRAD_4; m++) {
      op_run one, many, last;
      struct shape single = shapes[i];
      single.n = 1;
      prepare(&one, &shapes[i], (anet__method)m, NULL);
      prepare(&many, &shapes[i], (anet__method)m, pool);
      prepare(&last, &single, (anet__method)m, NULL);
      op_run_forward(&one);
      op_run_forward(&many);
      CHECK(memcmp(one.out, many.out, one.out_count * sizeof(float)) == 0);
      /* the last image alone, with the same weights */
      const size_t in = one.in_count[0] / (size_t)shapes[i].n,
                   out = one.out_count / (size_t)shapes[i].n;
      memcpy(last.in[0], one.in[0] + one.in_count[0] - in, in * sizeof(float));
      for (int32_t k = 0; k < one.params; k++) last.grad.call.param[k] = one.param[k];
      last.grad.call.post.shift = one.grad.call.post.shift;
      op_run_forward(&last);
      CHECK(memcmp(last.out, one.out + one.out_count - out, out * sizeof(float)) == 0);
      op_run_free(&one);
      op_run_free(&many);
      op_run_free(&last);
    }
  anet_pool_release(pool);
}

/* Backward with dout; the second time adding to what is there, with weights packed beforehand. */
static void backward_twice(op_run *run)
{
  anet__call *c = &run->grad.call;
  float *packed = NULL;
  for (size_t k = 0; k < run->in_count[0]; k++) run->grad.din[0][k] = NAN;
  run->op->backward(&run->grad);
  run->grad.add[0] = true;
  packed = anet__alloc(run->op->pack_back_size(c) * sizeof(float));
  run->op->pack_back(c, packed);
  c->packed_back = packed;
  run->op->backward(&run->grad);
  c->packed_back = NULL;
  anet__free(packed);
}

TEST(the_gradient_is_the_sweeps)
{
  anet_pool *pool;
  CHECK_OK(anet_pool_new(3, &pool));
  for (size_t i = 0; i < ANET_COUNT(shapes); i++) {
    op_run want;
    prepare(&want, &shapes[i], ANET_METHOD_DIRECT, NULL);
    backward_twice(&want);
    for (int32_t m = ANET_METHOD_WINOGRAD_2; m <= ANET_METHOD_WINOGRAD_4; m++) {
      op_run got, many;
      prepare(&got, &shapes[i], (anet__method)m, NULL);
      prepare(&many, &shapes[i], (anet__method)m, pool);
      backward_twice(&got);
      backward_twice(&many);
      const double size = 4 * sqrt(9.0 * shapes[i].cout); /* two passes' worth, and their sum */
      const double bound = (m == ANET_METHOD_WINOGRAD_2 ? 4e-6 : 2e-5) * size;
      for (size_t k = 0; k < want.in_count[0]; k++)
        CHECK_NEAR((double)got.grad.din[0][k], (double)want.grad.din[0][k], bound);
      CHECK(memcmp(got.grad.din[0], many.grad.din[0], got.in_count[0] * sizeof(float)) == 0);
      op_run_free(&got);
      op_run_free(&many);
    }
    op_run_free(&want);
  }
  anet_pool_release(pool);
}

TEST(only_plain_windows_have_tiles)
{
  const anet_attr plain = {
      .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1, .channels = 8};
  anet_attr odd[] = {plain, plain, plain, plain};
  odd[0].kernel[1] = 5, odd[1].stride[0] = 2, odd[2].dilation[1] = 2, odd[3].groups = 2;
  anet__call call = {
      .attr = &plain, .in_shape = {{3, {16, 16, 8}}}, .out_shape = {3, {16, 16, 8}}, .n = 1};
  const anet__op *conv = anet__op_get(ANET_OP_CONV);
  CHECK(conv->cost(&call, ANET_METHOD_WINOGRAD_4) > 0);
  for (size_t i = 0; i < ANET_COUNT(odd); i++) {
    call.attr = &odd[i];
    CHECK(conv->cost(&call, ANET_METHOD_DIRECT) > 0);
    CHECK(conv->cost(&call, ANET_METHOD_WINOGRAD_2) == 0);
    CHECK(conv->cost(&call, ANET_METHOD_WINOGRAD_4) == 0);
  }
}

TEST_MAIN(CASE(the_output_is_the_sweeps), CASE(threads_and_batches_change_no_bit),
          CASE(the_gradient_is_the_sweeps),
          CASE(only_plain_windows_have_tiles))
