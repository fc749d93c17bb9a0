/* What holds for all ops beside their maths: shapes, epilogues, threads, windows, statistics. */
#include <stdlib.h>

#include "../grad/opcases.h"
#include "base/alloc.h"
#include "graph/netattr.h"
#include "support/opcase.h"
#include "support/test.h"

TEST(names_find_their_ops)
{
  anet__op_id id;
  for (int32_t i = 0; i < ANET_OP_COUNT; i++) {
    CHECK(anet__op_find(anet__op_get((anet__op_id)i)->name, &id));
    CHECK_EQ_I(id, i);
  }
  CHECK(!anet__op_find("convolution", &id));
}

/* -- shapes --------------------------------------------------------------------------------- */

static int shape_of(const char *name, anet_attr attr, const anet_shape *in, int32_t inputs,
                    anet_shape *out)
{
  anet__op_id id;
  CHECK(anet__op_find(name, &id));
  anet__attr_default(&attr);
  return anet__op_get(id)->shape(&attr, in, inputs, out);
}

TEST(shapes_of_windows)
{
  anet_shape out;
  const anet_shape in = IMAGE(28, 27, 3);
  const anet_attr conv = {.kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1, 1, 1}, .channels = 8};
  CHECK_OK(shape_of("conv", conv, &in, 1, &out));
  CHECK(anet__shape_equal(&out, &(anet_shape)IMAGE(14, 14, 8)));
  const anet_attr wide = {.kernel = {3, 5}, .dilation = {2, 1}};
  CHECK_OK(shape_of("depthwise", wide, &in, 1, &out));
  CHECK(anet__shape_equal(&out, &(anet_shape)IMAGE(24, 23, 3)));
}

TEST(wrong_shapes_are_named)
{
  anet_shape out;
  const anet_shape image = IMAGE(5, 6, 4), small = IMAGE(2, 2, 4), flat = FLAT(7);
  const anet_shape pair[2] = {image, small};
  const anet_attr conv = {.kernel = {3, 3}, .channels = 8};
  CHECK_FAILS(shape_of("conv", conv, &flat, 1, &out), ANET_SHAPE, "(7)");
  CHECK_FAILS(shape_of("conv", conv, &small, 1, &out), ANET_SHAPE, "(2, 2, 4)");
  CHECK_FAILS(
      shape_of("conv", (anet_attr){.kernel = {1, 1}, .channels = 8, .groups = 3}, &image, 1, &out),
      ANET_SHAPE, "3 groups");
  CHECK_FAILS(shape_of("conv", (anet_attr){.channels = 8}, &image, 1, &out), ANET_RANGE,
              "kernel 0");
  CHECK_FAILS(shape_of("conv", (anet_attr){.kernel = {1, 1}}, &image, 1, &out), ANET_RANGE,
              "channels 0");
  CHECK_FAILS(shape_of("conv", (anet_attr){.kernel = {64, 64}, .channels = 8}, &image, 1, &out),
              ANET_UNSUPPORTED, "2048");
  CHECK_FAILS(shape_of("conv",
                       (anet_attr){.kernel = {1, 1}, .stride = {1, INT32_MAX}, .channels = 8},
                       &image, 1, &out),
              ANET_RANGE, "columns: stride 2147483647 is over 1073741824");
  CHECK_FAILS(
      shape_of(
          "conv",
          (anet_attr){.kernel = {1, 1}, .pad = {0, 1 << 30}, .stride = {1, 1 << 30}, .channels = 8},
          &image, 1, &out),
      ANET_SHAPE, "over 1073741824 places");
  CHECK_FAILS(shape_of("conv_transpose",
                       (anet_attr){.kernel = {2, 2}, .stride = {1, -3}, .channels = 8}, &image, 1,
                       &out),
              ANET_RANGE, "stride -3");
  CHECK_FAILS(shape_of("linear", (anet_attr){.channels = 8}, &image, 1, &out), ANET_SHAPE,
              "(5, 6, 4)");
  CHECK_FAILS(shape_of("add", (anet_attr){.mode = 0}, pair, 2, &out), ANET_SHAPE,
              "(5, 6, 4) and (2, 2, 4)");
  CHECK_FAILS(shape_of("mul", (anet_attr){.mode = 0}, pair, 2, &out), ANET_SHAPE,
              "(5, 6, 4) and (2, 2, 4)");
  CHECK_FAILS(shape_of("concat", (anet_attr){.axis = 0}, pair, 2, &out), ANET_SHAPE,
              "(5, 6, 4) and (2, 2, 4)");
  CHECK_FAILS(shape_of("concat", (anet_attr){.axis = 3}, pair, 2, &out), ANET_RANGE, "axis 3");
  CHECK_FAILS(shape_of("split", (anet_attr){.begin = 3, .size = 2}, &image, 1, &out), ANET_RANGE,
              "(5, 6, 4)");
  CHECK_FAILS(
      shape_of("max_pool", (anet_attr){.kernel = {2, 2}, .pad = {2, 0, 0, 0}}, &image, 1, &out),
      ANET_RANGE, "padding 2");
  CHECK_FAILS(shape_of("max_pool", (anet_attr){.kernel = {2, 2}}, &flat, 1, &out), ANET_SHAPE,
              "(7)");
  CHECK_FAILS(
      shape_of("pad", (anet_attr){.pad = {5, 0, 0, 0}, .mode = ANET_PAD_REFLECT}, &image, 1, &out),
      ANET_SHAPE, "(5, 6, 4)");
  CHECK_FAILS(shape_of("reshape", (anet_attr){.dim = {7, 3}}, &image, 1, &out), ANET_SHAPE,
              "(7, 3)");
  CHECK_FAILS(shape_of("resize", (anet_attr){.dim = {7, 0}}, &image, 1, &out), ANET_SHAPE,
              "(7, 0)");
  CHECK_FAILS(shape_of("dropout", (anet_attr){.alpha = 1}, &image, 1, &out), ANET_RANGE, "1");
  CHECK_FAILS(shape_of("norm", (anet_attr){.epsilon = -1}, &image, 1, &out), ANET_RANGE, "-1");
  CHECK_FAILS(shape_of("layer_norm", (anet_attr){.epsilon = -1}, &image, 1, &out), ANET_RANGE,
              "-1");
  CHECK_FAILS(shape_of("instance_norm", (anet_attr){.epsilon = -1}, &image, 1, &out), ANET_RANGE,
              "-1");
  CHECK_FAILS(shape_of("transpose", (anet_attr){.dim = {2, INT32_MIN, 1}}, &image, 1, &out),
              ANET_SHAPE, "-2147483648");
  CHECK_FAILS(shape_of("softmax", (anet_attr){.axis = -1}, &image, 1, &out), ANET_RANGE, "-1");
}

/* Whatever number stands anywhere, an op refuses it or has a shape; sanitizers see what overflows.
 */
TEST(odd_numbers_are_refused_or_have_a_shape)
{
  static const int32_t odd[] = {INT32_MIN, -1, 0, 3, 255, INT16_MAX + 1, 1 << 30, INT32_MAX};
  int32_t shaped = 0, refused = 0;
  for (int32_t k = 0; k < ANET_COUNT(op_cases); k++)
    for (int32_t f = 0; f < ANET_ATTR_FIELDS; f++) {
      const anet__attr_field *field = &anet__attr_field_at[f];
      for (int32_t i = 0; field->kind != ANET_ATTR_REAL && i < field->count; i++)
        for (int32_t o = 0; o < ANET_COUNT(odd); o++) {
          const op_case *c = &op_cases[k];
          anet_attr attr = c->attr;
          anet_shape out;
          ((int32_t *)((char *)&attr + field->offset))[i] = odd[o];
          const bool made = shape_of(c->op, attr, c->in, c->inputs, &out) == ANET_OK;
          made ? shaped++ : refused++;
          for (int32_t d = 0; made && d < out.rank; d++) CHECK(out.dim[d] > 0);
        }
    }
  CHECK(shaped > 1000 && refused > 1000);
}

/* -- epilogues ------------------------------------------------------------------------------ */

/* out with a post must be the post of out without one. */
static void check_post(const op_case *what)
{
  char text[256];
  op_run run, plain;
  CHECK_OK(op_run_new(what, 3, anet__kernels_best(), NULL, &run));
  CHECK_OK(op_run_new(what, 3, anet__kernels_best(), NULL, &plain));
  const int32_t channels = run.grad.call.out_shape.dim[run.grad.call.out_shape.rank - 1];
  float *scale = malloc((size_t)channels * sizeof *scale);
  float *shift = malloc((size_t)channels * sizeof *shift);
  for (int32_t c = 0; c < channels; c++) {
    scale[c] = 0.5F + 0.1F * (float)(c % 5);
    shift[c] = 0.2F * (float)(c % 3) - 0.1F;
  }
  plain.grad.call.post = anet__post_none();
  op_run_forward(&plain);
  for (int32_t kind = 0; kind < 8; kind++) {
    anet__post post = {.low = -1.5F, .high = 2.0F};
    if (kind & 1) post.scale = scale;
    if (kind & 2) post.shift = shift;
    if (kind & 4) post.add = run.dout, post.add_ld = (size_t)channels;
    run.grad.call.post = post;
    op_run_forward(&run);
    for (size_t i = 0; i < run.out_count; i++) {
      const double k = post.scale ? (double)scale[i % (size_t)channels] : 1;
      const double s = post.shift ? (double)shift[i % (size_t)channels] : 0;
      double want = k * (double)plain.out[i] + s + (post.add ? (double)run.dout[i] : 0);
      want = fmin(fmax(want, -1.5), 2);
      if (fabs(want - (double)run.out[i]) <= 1e-5) continue;
      TEST_FAIL("%s: post %d: out[%zu] = %g, want %g", op_case_text(what, text), kind, i,
                (double)run.out[i], want);
      break;
    }
    test_checks++;
  }
  free(scale);
  free(shift);
  op_run_free(&run);
  op_run_free(&plain);
}

TEST(posts_are_applied)
{
  const op_case cases[] = {
      {"conv",
       {.kernel = {3, 3}, .pad = {1, 1, 1, 1}, .channels = 70},
       2,
       1,
       {IMAGE(6, 7, 3)},
       0,
       0},
      {"conv", {.kernel = {3, 3}, .groups = 2, .channels = 6}, 2, 1, {IMAGE(6, 7, 4)}, 0, 0},
      {"depthwise", {.kernel = {3, 3}, .stride = {2, 2}}, 2, 1, {IMAGE(9, 9, 13)}, 0, 0},
      {"linear", {.channels = 9}, 5, 1, {FLAT(8)}, 0, 0},
      {"norm", {.mode = 0}, 2, 1, {IMAGE(3, 4, 9)}, 0, 0},
      {"add", {.mode = 0}, 2, 2, {IMAGE(3, 4, 9), IMAGE(3, 4, 9)}, 0, 0},
      {"add", {.mode = 0}, 2, 2, {IMAGE(3, 4, 9), FLAT(9)}, 0, 0},
  };
  for (int32_t i = 0; i < ANET_COUNT(cases); i++) check_post(&cases[i]);
}

TEST(in_place_is_the_same)
{
  static const char *const names[] = {"norm", "relu",     "hard_swish", "add",
                                      "mul",  "identity", "dropout"};
  for (int32_t i = 0; i < ANET_COUNT(names); i++) {
    op_case what = {names[i], {.alpha = 0.3F}, 2, 1, {IMAGE(3, 4, 9), IMAGE(3, 4, 9)}, false,
                    false};
    op_run run;
    what.inputs = strcmp(names[i], "add") && strcmp(names[i], "mul") ? 1 : 2;
    CHECK_OK(op_run_new(&what, 4, anet__kernels_best(), NULL, &run));
    CHECK(run.op->in_place);
    op_run_forward(&run);
    run.grad.call.out = run.in[0];
    op_run_forward(&run);
    test_checks++;
    if (memcmp(run.in[0], run.out, run.out_count * sizeof(float)) != 0)
      TEST_FAIL("%s in place differs", names[i]);
    op_run_free(&run);
  }
}

TEST(packing_ahead_is_the_same)
{
  const op_case cases[] = {
      {"conv", {.kernel = {3, 3}, .channels = 70}, 2, 1, {IMAGE(6, 7, 3)}, 0, 0},
      {"conv", {.kernel = {1, 1}, .groups = 2, .channels = 134}, 2, 1, {IMAGE(6, 7, 4)}, 0, 0},
      {"linear", {.channels = 99}, 1, 1, {FLAT(8)}, 0, 0},
  };
  for (int32_t i = 0; i < ANET_COUNT(cases); i++) {
    op_run run;
    CHECK_OK(op_run_new(&cases[i], 4, anet__kernels_best(), NULL, &run));
    anet__call *c = &run.grad.call;
    op_run_forward(&run);
    float *before = malloc(run.out_count * sizeof *before);
    float *packed = anet__alloc_array(run.op->pack_size(c), sizeof *packed);
    memcpy(before, run.out, run.out_count * sizeof *before);
    run.op->pack(c, packed);
    c->packed = packed;
    CHECK(run.op->scratch(c, false) <= run.scratch_bytes);
    op_run_forward(&run);
    CHECK(memcmp(before, run.out, run.out_count * sizeof *before) == 0);
    free(before);
    anet__free(packed);
    op_run_free(&run);
  }
}

/* -- threads -------------------------------------------------------------------------------- */

static void check_same(const char *what, const op_case *op, const void *a, const void *b,
                       size_t bytes, int32_t threads)
{
  char text[256];
  test_checks++;
  if (bytes && memcmp(a, b, bytes) != 0)
    TEST_FAIL("%s: %s differs with %d threads", op_case_text(op, text), what, threads);
}

static void check_threads(const op_case *what, anet_pool *const *pools, int32_t count)
{
  op_run one, many;
  CHECK_OK(op_run_new(what, 6, anet__kernels_best(), NULL, &one));
  op_run_forward(&one);
  op_run_backward(&one);
  for (int32_t p = 0; p < count; p++) {
    const int32_t threads = anet_pool_threads(pools[p]);
    CHECK_OK(op_run_new(what, 6, anet__kernels_best(), pools[p], &many));
    op_run_forward(&many);
    op_run_backward(&many);
    check_same("out", what, one.out, many.out, one.out_count * sizeof(float), threads);
    for (int32_t i = 0; i < what->inputs; i++)
      check_same("din", what, one.grad.din[i], many.grad.din[i], one.in_count[i] * sizeof(float),
                 threads);
    for (int32_t i = 0; i < one.params; i++) {
      const size_t bytes = one.param_count[i] * sizeof(float);
      check_same("parameter", what, anet__f32(one.param[i]), anet__f32(many.param[i]), bytes,
                 threads);
      if (one.grad.dparam[i])
        check_same("dparam", what, one.grad.dparam[i], many.grad.dparam[i], bytes, threads);
    }
    op_run_free(&many);
  }
  op_run_free(&one);
}

TEST(threads_change_no_bit)
{
#define SAME .kernel = {3, 3}, .pad = { 1, 1, 1, 1 }
  const op_case cases[] = {
      {"conv", {SAME, .channels = 16, .bias = 1}, 9, 1, {IMAGE(28, 28, 5)}, true, false},
      {"conv", {SAME, .stride = {2, 2}, .channels = 40}, 5, 1, {IMAGE(28, 28, 16)}, true, false},
      {"conv", {SAME, .channels = 300}, 1, 1, {IMAGE(5, 5, 90)}, true, false},
      {"conv",
       {.kernel = {1, 1}, .channels = 64, .groups = 2},
       4,
       1,
       {IMAGE(20, 20, 32)},
       true,
       false},
      {"depthwise", {SAME, .bias = 1}, 9, 1, {IMAGE(20, 21, 24)}, true, false},
      {"depthwise", {SAME, .stride = {2, 2}}, 9, 1, {IMAGE(20, 21, 24)}, true, false},
      {"linear", {.channels = 1000, .bias = 1}, 1, 1, {FLAT(320)}, true, false},
      {"linear", {.channels = 70, .bias = 1}, 700, 1, {FLAT(96)}, true, false},
      {"norm", {.mode = 0}, 7, 1, {IMAGE(28, 28, 16)}, true, false},
      {"norm", {.mode = 0}, 7, 1, {IMAGE(28, 28, 16)}, true, true},
      {"relu6", {.mode = 0}, 7, 1, {IMAGE(28, 28, 16)}, true, false},
      {"swish", {.mode = 0}, 7, 1, {IMAGE(28, 28, 16)}, true, false},
      {"add", {.mode = 0}, 7, 2, {IMAGE(28, 28, 16), IMAGE(28, 28, 16)}, true, false},
      {"add", {.mode = 0}, 7, 2, {IMAGE(28, 28, 16), FLAT(16)}, true, false},
      {"mul", {.mode = 0}, 7, 2, {IMAGE(28, 28, 16), IMAGE(28, 28, 16)}, true, false},
      {"mul", {.mode = 0}, 7, 2, {IMAGE(28, 28, 16), FLAT(16)}, true, false},
      {"concat", {.axis = 0}, 7, 2, {IMAGE(28, 28, 16), IMAGE(28, 28, 8)}, true, false},
      {"split", {.axis = 0, .begin = 3, .size = 9}, 7, 1, {IMAGE(28, 28, 16)}, true, false},
      {"max_pool", {SAME, .stride = {2, 2}}, 7, 1, {IMAGE(28, 28, 16)}, true, false},
      {"avg_pool", {SAME, .stride = {2, 2}}, 7, 1, {IMAGE(28, 28, 16)}, true, false},
      {"global_pool", {.mode = 0}, 7, 1, {IMAGE(28, 28, 16)}, true, false},
      {"pad", {.pad = {1, 2, 3, 4}}, 7, 1, {IMAGE(28, 28, 16)}, true, false},
      {"softmax", {.axis = 0}, 70, 1, {FLAT(1000)}, true, false},
      {"resize", {.dim = {41, 17}, .mode = 1}, 7, 1, {IMAGE(28, 28, 16)}, true, false},
      {"dropout", {.alpha = 0.3F}, 7, 1, {IMAGE(28, 28, 16)}, true, false},
      {"flatten", {.mode = 0}, 7, 1, {IMAGE(28, 28, 16)}, true, false},
  };
  anet_pool *pools[3] = {0};
  for (int32_t i = 0; i < 3; i++) CHECK_OK(anet_pool_new(i + 1, &pools[i]));
  for (int32_t i = 0; i < ANET_COUNT(cases); i++) check_threads(&cases[i], pools, 3);
  for (int32_t i = 0; i < 3; i++) anet_pool_release(pools[i]);
}

/* Every op, of so many images that its work is worth sharing by three. */
TEST(threads_change_no_bit_of_many_images)
{
  enum { WORTH = 3 << 14 };
  anet_pool *pool;
  CHECK_OK(anet_pool_new(3, &pool));
  for (int32_t k = 0; k < ANET_COUNT(op_cases); k++) {
    op_case c = op_cases[k];
    if (c.inputs) c.n = ANET_MAX(c.n, (int32_t)(WORTH / anet__shape_size(&c.in[0])) + 1);
    c.training = true;
    check_threads(&c, &pool, 1);
  }
  anet_pool_release(pool);
}

/* -- gradients that are not wanted ---------------------------------------------------------- */

TEST(unwanted_gradients_change_nothing)
{
  const op_case cases[] = {
      {"conv", {SAME, .channels = 6, .bias = 1}, 2, 1, {IMAGE(6, 7, 3)}, true, false},
      {"depthwise", {SAME, .bias = 1}, 2, 1, {IMAGE(6, 7, 3)}, true, false},
      {"linear", {.channels = 6, .bias = 1}, 2, 1, {FLAT(5)}, true, false},
      {"norm", {.mode = 0}, 2, 1, {IMAGE(6, 7, 3)}, true, false},
      {"norm", {.mode = 0}, 2, 1, {IMAGE(6, 7, 3)}, true, true},
      {"add", {.mode = 0}, 2, 2, {IMAGE(6, 7, 3), FLAT(3)}, true, false},
      {"mul", {.mode = 0}, 2, 2, {IMAGE(6, 7, 3), IMAGE(6, 7, 3)}, true, false},
      {"mul", {.mode = 0}, 2, 2, {IMAGE(6, 7, 3), FLAT(3)}, true, false},
      {"concat", {.mode = 0}, 2, 2, {IMAGE(6, 7, 3), IMAGE(6, 7, 2)}, true, false},
  };
  for (int32_t k = 0; k < ANET_COUNT(cases); k++) {
    op_run all, some;
    CHECK_OK(op_run_new(&cases[k], 8, anet__kernels_best(), NULL, &all));
    op_run_forward(&all);
    op_run_backward(&all);
    for (int32_t only = 0; only < cases[k].inputs + all.params; only++) {
      CHECK_OK(op_run_new(&cases[k], 8, anet__kernels_best(), NULL, &some));
      const anet__grad_call kept = some.grad;
      op_run_forward(&some);
      memset(some.grad.din, 0, sizeof some.grad.din);
      memset(some.grad.dparam, 0, sizeof some.grad.dparam);
      const int32_t p = only - cases[k].inputs;
      if (p < 0)
        some.grad.din[only] = kept.din[only];
      else
        some.grad.dparam[p] = kept.dparam[p];
      op_run_backward(&some);
      if (p < 0)
        check_same("din alone", &cases[k], all.grad.din[only], kept.din[only],
                   all.in_count[only] * sizeof(float), 1);
      else if (kept.dparam[p])
        check_same("dparam alone", &cases[k], all.grad.dparam[p], kept.dparam[p],
                   all.param_count[p] * sizeof(float), 1);
      memcpy(some.grad.din, kept.din, sizeof kept.din);
      memcpy(some.grad.dparam, kept.dparam, sizeof kept.dparam);
      op_run_free(&some);
    }
    op_run_free(&all);
  }
}

/* -- windows of parameters ------------------------------------------------------------------ */

/* The same parameter as a window of an array that is larger along its last axes. */
static anet_tensor *as_window(const anet_tensor *p, int32_t kept)
{
  anet_shape large = p->shape;
  int32_t begin[ANET_MAX_RANK] = {0};
  anet_tensor *base = NULL, *window = NULL;
  for (int32_t i = kept; i < large.rank; i++) {
    large.dim[i] += 5 + i;
    begin[i] = large.rank == 1 ? 0 : 2;
  }
  CHECK_OK(anet_tensor_new(ANET_F32, &large, &base));
  float *all = anet__f32(base);
  op_fill_nan(all, anet__shape_size(&large) * sizeof *all);
  CHECK_OK(anet_tensor_view(base, begin, &p->shape, &window));
  CHECK_OK(anet_tensor_copy(window, p));
  anet_tensor_release(base);
  return window;
}

TEST(windows_are_as_good_as_copies)
{
  const op_case cases[] = {
      {"conv", {SAME, .channels = 6, .bias = 1}, 2, 1, {IMAGE(6, 7, 3)}, true, false},
      {"conv", {SAME, .stride = {2, 2}, .channels = 6}, 2, 1, {IMAGE(6, 7, 3)}, true, false},
      {"conv", {SAME, .channels = 6, .groups = 2}, 2, 1, {IMAGE(6, 7, 4)}, true, false},
      {"depthwise", {SAME, .bias = 1}, 2, 1, {IMAGE(6, 7, 3)}, true, false},
      {"depthwise", {SAME, .stride = {2, 2}}, 2, 1, {IMAGE(6, 7, 3)}, true, false},
      {"linear", {.channels = 6, .bias = 1}, 2, 1, {FLAT(5)}, true, false},
      {"norm", {.mode = 0}, 2, 1, {IMAGE(6, 7, 3)}, true, false},
  };
  for (int32_t k = 0; k < ANET_COUNT(cases); k++) {
    op_run dense, window;
    CHECK_OK(op_run_new(&cases[k], 8, anet__kernels_best(), NULL, &dense));
    CHECK_OK(op_run_new(&cases[k], 8, anet__kernels_best(), NULL, &window));
    for (int32_t i = 0; i < window.params; i++) {
      anet_tensor *p = window.param[i];
      window.param[i] = as_window(p, p->shape.rank > 2 ? 2 : 0);
      window.grad.call.param[i] = window.param[i];
      if (window.grad.call.post.shift == anet__f32(p))
        window.grad.call.post.shift = anet__f32(window.param[i]);
      anet_tensor_release(p);
    }
    op_run_forward(&dense);
    op_run_forward(&window);
    op_run_backward(&dense);
    op_run_backward(&window);
    check_same("out", &cases[k], dense.out, window.out, dense.out_count * sizeof(float), 1);
    check_same("din", &cases[k], dense.grad.din[0], window.grad.din[0],
               dense.in_count[0] * sizeof(float), 1);
    for (int32_t i = 0; i < dense.params; i++)
      if (dense.grad.dparam[i])
        check_same("dparam", &cases[k], dense.grad.dparam[i], window.grad.dparam[i],
                   dense.param_count[i] * sizeof(float), 1);
    op_run_free(&dense);
    op_run_free(&window);
  }
}

/* -- running statistics --------------------------------------------------------------------- */

TEST(norm_moves_its_statistics)
{
  const op_case what = {"norm", {.momentum = 0.25F}, 3, 1, {IMAGE(4, 5, 2)}, true, false};
  op_run run;
  CHECK_OK(op_run_new(&what, 9, anet__kernels_best(), NULL, &run));
  float *mean = anet__f32(run.param[2]), *var = anet__f32(run.param[3]);
  const double before[2] = {(double)mean[1], (double)var[1]}, rows = 60;
  double m = 0, v = 0;
  for (int32_t r = 0; r < 60; r++) m += (double)run.in[0][2 * r + 1] / rows;
  for (int32_t r = 0; r < 60; r++) v += pow((double)run.in[0][2 * r + 1] - m, 2) / (rows - 1);
  const unsigned version = atomic_load(&run.param[2]->storage->version);
  op_run_forward(&run);
  CHECK_NEAR((double)mean[1], 0.75 * before[0] + 0.25 * m, 1e-6);
  CHECK_NEAR((double)var[1], 0.75 * before[1] + 0.25 * v, 1e-6);
  CHECK(atomic_load(&run.param[2]->storage->version) != version);
  run.grad.call.frozen = true;
  const float still = mean[1];
  op_run_forward(&run);
  CHECK(mean[1] == still);
  op_run_free(&run);
}

TEST_MAIN(CASE(names_find_their_ops), CASE(shapes_of_windows), CASE(wrong_shapes_are_named),
          CASE(odd_numbers_are_refused_or_have_a_shape), CASE(posts_are_applied),
          CASE(in_place_is_the_same), CASE(packing_ahead_is_the_same), CASE(threads_change_no_bit),
          CASE(threads_change_no_bit_of_many_images), CASE(unwanted_gradients_change_nothing),
          CASE(windows_are_as_good_as_copies), CASE(norm_moves_its_statistics))
