/* expand, depthwise and project as one against the three ops in turn: the same bits. */
#include <stdlib.h>

#include "base/alloc.h"
#include "op/fused.h"
#include "support/opcase.h"
#include "support/test.h"

static const struct shape {
  int32_t height, width, cin, hidden, cout, kernel, stride, n;
  bool expand, residual;
  int32_t more; /* padding beyond half the kernel */
} shapes[] = {
    {7, 22, 5, 40, 9, 3, 1, 1, true, false, 0},      {24, 20, 16, 96, 16, 3, 1, 2, true, true, 0},
    {33, 40, 8, 70, 24, 3, 2, 1, true, false, 0},    {112, 112, 3, 33, 70, 5, 2, 1, true, false, 0},
    {21, 21, 6, 24, 6, 5, 1, 3, true, true, 0},      {30, 24, 32, 32, 17, 3, 1, 2, false, false, 0},
    {41, 43, 20, 20, 130, 3, 2, 1, false, false, 0}, {1, 20, 4, 8, 4, 3, 1, 1, true, true, 0},
    {60, 60, 24, 256, 24, 3, 1, 1, true, true, 0},   {7, 22, 5, 40, 9, 3, 1, 2, true, false, 30},
    {5, 6, 5, 20, 9, 5, 40, 1, true, false, 200},    {5, 6, 20, 20, 9, 3, 17, 1, false, false, 93},
};

typedef struct trio {
  op_run expand, depthwise, project;
  anet__fused fused;
} trio;

static void clamp(op_run *run)
{
  run->grad.call.post.low = 0;
  run->grad.call.post.high = 6;
}

static anet_shape image(int32_t height, int32_t width, int32_t channels)
{
  return (anet_shape){3, {height, width, channels}};
}

static void prepare(trio *t, const struct shape *s, anet_pool *pool)
{
  const int32_t pad = s->kernel / 2 + s->more;
  const op_case expand = {.op = "conv",
                          .attr = {.kernel = {1, 1}, .channels = s->hidden, .bias = 1},
                          .n = s->n,
                          .inputs = 1,
                          .in = {image(s->height, s->width, s->cin)}};
  const op_case depthwise = {.op = "depthwise",
                             .attr = {.kernel = {s->kernel, s->kernel},
                                      .stride = {s->stride, s->stride},
                                      .pad = {pad, pad, pad, pad},
                                      .bias = 1},
                             .n = s->n,
                             .inputs = 1,
                             .in = {image(s->height, s->width, s->hidden)}};
  CHECK_OK(op_run_new(&expand, 1, anet__kernels_best(), pool, &t->expand));
  CHECK_OK(op_run_new(&depthwise, 2, anet__kernels_best(), pool, &t->depthwise));
  const anet_shape *mid = &t->depthwise.grad.call.out_shape;
  const op_case project = {.op = "conv",
                           .attr = {.kernel = {1, 1}, .channels = s->cout, .bias = 1},
                           .n = s->n,
                           .inputs = 1,
                           .in = {*mid}};
  CHECK_OK(op_run_new(&project, 3, anet__kernels_best(), pool, &t->project));
  clamp(&t->expand);
  clamp(&t->depthwise);
  t->fused = (anet__fused){s->expand ? &t->expand.grad.call : NULL, &t->depthwise.grad.call,
                           &t->project.grad.call};
}

static float *pack(op_run *run)
{
  anet__call *c = &run->grad.call;
  float *packed = anet__alloc_array(run->op->pack_size(c), sizeof *packed);
  run->op->pack(c, packed);
  c->packed = packed;
  return packed;
}

static void in_turn(trio *t, const struct shape *s)
{
  if (s->expand) {
    op_run_forward(&t->expand);
    t->depthwise.grad.call.in[0] = t->expand.out;
  }
  op_run_forward(&t->depthwise);
  t->project.grad.call.in[0] = t->depthwise.out;
  op_run_forward(&t->project);
}

static void at_once(trio *t)
{
  void *own = t->project.grad.call.scratch;
  const size_t bytes = anet__fused_scratch(&t->fused);
  void *scratch = anet__alloc(bytes);
  op_fill_nan(scratch, bytes);
  t->project.grad.call.scratch = scratch;
  anet__fused_run(&t->fused);
  t->project.grad.call.scratch = own;
  anet__free(scratch);
}

static void compare(const struct shape *s, anet_pool *pool)
{
  trio t;
  prepare(&t, s, pool);
  CHECK(anet__fused_fits(&t.fused));
  float *packed[2] = {pack(&t.expand), pack(&t.project)};
  anet__call *last = &t.project.grad.call;
  if (s->residual) { /* of any values */
    last->post.add = t.project.dout;
    last->post.add_ld = (size_t)s->cout;
  }
  in_turn(&t, s);
  float *want = anet__alloc_array(t.project.out_count, sizeof *want);
  memcpy(want, t.project.out, t.project.out_count * sizeof *want);
  op_fill_nan(t.project.out, t.project.out_count * sizeof *want);
  at_once(&t);
  CHECK(memcmp(want, t.project.out, t.project.out_count * sizeof *want) == 0);
  anet__free(want);
  anet__free(packed[0]);
  anet__free(packed[1]);
  op_run_free(&t.expand);
  op_run_free(&t.depthwise);
  op_run_free(&t.project);
}

TEST(the_bits_are_those_of_the_ops)
{
  for (size_t i = 0; i < ANET_COUNT(shapes); i++) compare(&shapes[i], NULL);
}

TEST(threads_change_none)
{
  for (int32_t threads = 2; threads <= 5; threads += 3) {
    anet_pool *pool;
    CHECK_OK(anet_pool_new(threads, &pool));
    for (size_t i = 0; i < ANET_COUNT(shapes); i++) compare(&shapes[i], pool);
    anet_pool_release(pool);
  }
}

TEST(only_pointwise_neighbours_fit)
{
  trio t;
  prepare(&t, &shapes[1], NULL);
  CHECK(anet__fused_fits(&t.fused));
  t.project.attr.stride[0] = 2;
  CHECK(!anet__fused_fits(&t.fused));
  t.project.attr.stride[0] = 1;
  t.depthwise.attr.dilation[1] = 2;
  CHECK(!anet__fused_fits(&t.fused));
  t.depthwise.attr.dilation[1] = 1;
  t.expand.attr.kernel[0] = 3;
  CHECK(!anet__fused_fits(&t.fused));
  op_run_free(&t.expand);
  op_run_free(&t.depthwise);
  op_run_free(&t.project);
}

TEST_MAIN(CASE(the_bits_are_those_of_the_ops), CASE(threads_change_none),
          CASE(only_pointwise_neighbours_fit))
