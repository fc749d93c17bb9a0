/* Norm statistics anew from data. */
#include <stdlib.h>

#include "support/fault.h"
#include "support/nets.h"

enum { IMAGES = 40, PIXELS = 64, CLASSES = 5 };

static float images[IMAGES * PIXELS];

static anet_net *small_net(void)
{
  fill_normal(images, IMAGES * PIXELS, 71);
  return net_resnet(8, 1, 4, 1, CLASSES);
}

/* Mean and variance of the first norm's input, by hand, over all images. */
TEST(the_first_norm_gets_the_moments_of_its_input)
{
  anet_net *net = small_net(), *made;
  anet_tape *tape;
  double sum = 0, square = 0;
  const float *in = images;
  CHECK_OK(anet_net_output(net, 1)); /* what the first norm reads */
  CHECK_OK(anet_net_calibrate(net, images, IMAGES, 16, NULL, &made));
  CHECK_OK(anet_tape_new(net, IMAGES, NULL, &tape));
  CHECK_OK(anet_tape_forward(tape, &in, IMAGES, 0, 0));
  const float *x = anet_tape_value(tape, 1);
  for (int32_t i = 0; i < IMAGES * PIXELS; i++) {
    sum += (double)x[4 * i + 2];
    square += (double)x[4 * i + 2] * (double)x[4 * i + 2];
  }
  const double rows = IMAGES * PIXELS, mean = sum / rows;
  const double variance = (square - rows * mean * mean) / (rows - 1);
  const int32_t channel = 2;
  CHECK_NEAR(anet_tensor_get(anet_net_param(made, 2, 2), &channel), mean, 1e-5);
  CHECK_NEAR(anet_tensor_get(anet_net_param(made, 2, 3), &channel), variance, 1e-4 * variance);
  anet_tape_release(tape);
  anet_net_release(made);
  anet_net_release(net);
}

/* One batch of everything: running statistics then say what the batch's own do. */
TEST(one_batch_is_what_training_sees)
{
  anet_net *net = small_net(), *made;
  anet_tape *a, *b;
  const float *in = images;
  CHECK_OK(anet_net_calibrate(net, images, IMAGES, IMAGES, NULL, &made));
  CHECK_OK(anet_tape_new(net, IMAGES, NULL, &a));
  CHECK_OK(anet_tape_new(made, IMAGES, NULL, &b));
  CHECK_OK(anet_tape_forward(a, &in, IMAGES, 1, 0));
  CHECK_OK(anet_tape_forward(b, &in, IMAGES, 0, 0));
  const float *x = anet_tape_value(a, anet_net_output_at(net, 0));
  const float *y = anet_tape_value(b, anet_net_output_at(net, 0));
  /* they differ by the variance's n / (n - 1), 160 rows at the deepest norm */
  for (int32_t i = 0; i < IMAGES * CLASSES; i++)
    CHECK_NEAR(x[i], y[i], 0.02 * (1 + fabs((double)x[i])));
  anet_tape_release(a);
  anet_tape_release(b);
  anet_net_release(made);
  anet_net_release(net);
}

static bool same_tensor(anet_tensor *a, anet_tensor *b)
{
  return memcmp(anet_tensor_data(a), anet_tensor_data(b),
                (size_t)anet_tensor_count(a) * sizeof(float)) == 0;
}

/* Weights are shared, statistics are not; the net that was given stays as it was, frozen or not. */
TEST(only_statistics_are_new)
{
  anet_net *net = small_net(), *before, *made;
  CHECK_OK(anet_net_freeze(net, -1, 1));
  CHECK_OK(anet_net_copy(net, &before));
  CHECK_OK(anet_net_calibrate(net, images, IMAGES, 13, NULL, &made));
  CHECK_EQ_I(anet_net_count(made), anet_net_count(net));
  for (int32_t v = 0; v < anet_net_count(net); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS && anet_net_param(net, v, p); p++) {
      const char *name = anet_net_param_name(net, v, p);
      const bool stat = !strcmp(name, "mean") || !strcmp(name, "var");
      CHECK_EQ_I(anet_net_param(made, v, p) != anet_net_param(net, v, p), stat);
      CHECK(same_tensor(anet_net_param(net, v, p), anet_net_param(before, v, p)));
      if (stat) CHECK(!same_tensor(anet_net_param(net, v, p), anet_net_param(made, v, p)));
    }
  anet_net_release(made);
  anet_net_release(before);
  anet_net_release(net);
}

/* Batches of any size, the last a single image, are as one; a norm that no output needs stays. */
TEST(batches_are_merged)
{
  anet_net *net, *one, *many;
  CHECK_OK(anet_net_new(&net));
  const int32_t in = net_image(net, 8, 1), used = net_op(net, "norm", in);
  const int32_t unused = net_op(net, "norm", in);
  CHECK_OK(anet_net_output(net, used));
  CHECK_OK(anet_net_init(net, 1));
  fill_normal(images, IMAGES * PIXELS, 72);
  for (int32_t i = 0; i < IMAGES * PIXELS; i++) images[i] += 30 + 3 * (float)(i / PIXELS);
  CHECK_OK(anet_net_calibrate(net, images, IMAGES, IMAGES, NULL, &one));
  for (int32_t batch = 2; batch < IMAGES; batch += 11) { /* 2, 13, 24, 35 */
    CHECK_OK(anet_net_calibrate(net, images, IMAGES - 1, batch, NULL, &many));
    double sum = 0, square = 0;
    const double rows = (IMAGES - 1) * PIXELS;
    for (int32_t i = 0; i < rows; i++) sum += (double)images[i] / rows;
    for (int32_t i = 0; i < rows; i++) square += pow((double)images[i] - sum, 2) / (rows - 1);
    const int32_t at = 0;
    CHECK_NEAR(anet_tensor_get(anet_net_param(many, used, 2), &at), sum, 1e-5 * sum);
    CHECK_NEAR(anet_tensor_get(anet_net_param(many, used, 3), &at), square, 2e-5 * square);
    CHECK_NEAR(anet_tensor_get(anet_net_param(many, unused, 2), &at), 0, 0);
    CHECK_NEAR(anet_tensor_get(anet_net_param(many, unused, 3), &at), 1, 0);
    anet_net_release(many);
  }
  CHECK_OK(anet_net_calibrate(net, images, 2, 2, NULL, &many)); /* the least */
  anet_net_release(many);
  CHECK_FAILS(anet_net_calibrate(net, images, 2, 1, NULL, &many), ANET_RANGE,
              "calibrate: 2 images in batches of 1, want 2 or more");
  CHECK(!many);
  int32_t other;
  CHECK_OK(anet_net_input(net, "other", &(anet_shape){1, {3}}, &other));
  CHECK_FAILS(anet_net_calibrate(net, images, 4, 2, NULL, &many), ANET_UNSUPPORTED,
              "calibrate: the net has 2 inputs, want 1");
  anet_net_release(one);
  anet_net_release(net);
}

TEST(threads_do_not_matter)
{
  anet_net *net = small_net(), *a, *b;
  anet_pool *pool;
  CHECK_OK(anet_pool_new(3, &pool));
  CHECK_OK(anet_net_calibrate(net, images, IMAGES, 16, NULL, &a));
  CHECK_OK(anet_net_calibrate(net, images, IMAGES, 16, pool, &b));
  for (int32_t v = 0; v < anet_net_count(a); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS && anet_net_param(a, v, p); p++)
      CHECK(same_tensor(anet_net_param(a, v, p), anet_net_param(b, v, p)));
  anet_net_release(a);
  anet_net_release(b);
  anet_pool_release(pool);
  anet_net_release(net);
}

TEST(a_collapse_is_told)
{
  anet_net *net = small_net(), *made;
  const int32_t head = anet_net_find(net, "head"), at = 0;
  images[5 * PIXELS] = NAN;
  CHECK_FAILS(anet_net_calibrate(net, images, IMAGES, 16, NULL, &made), ANET_COLLAPSED, "head");
  images[5 * PIXELS] = 0;
  anet_tensor_set(anet_net_param(net, head, 1), &at, INFINITY);
  CHECK_FAILS(anet_net_calibrate(net, images, IMAGES, 16, NULL, &made), ANET_COLLAPSED, "head");
  CHECK(made == NULL);
  CHECK_FAILS(anet_net_calibrate(net, images, 1, 16, NULL, &made), ANET_RANGE, "1 images");
  anet_net_release(net);
}

static int calibrate_once(void *context)
{
  anet_net *made = NULL;
  const int rc = anet_net_calibrate(context, images, 4, 2, NULL, &made);
  anet_net_release(made);
  return rc;
}

TEST(every_allocation_may_fail)
{
  anet_net *net = small_net();
  test_each_allocation(calibrate_once, net);
  anet_net_release(net);
}

TEST_MAIN(CASE(the_first_norm_gets_the_moments_of_its_input), CASE(one_batch_is_what_training_sees),
          CASE(only_statistics_are_new), CASE(batches_are_merged), CASE(threads_do_not_matter),
          CASE(a_collapse_is_told), CASE(every_allocation_may_fail))
