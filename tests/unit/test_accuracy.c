/* Accuracy of a plan on labelled data. */
#include "support/fault.h"
#include "support/nets.h"

enum { COUNT = 23, SIZE = 8, CLASSES = 5 };

static const anet_input input = {
    .height = SIZE, .width = SIZE, .channels = 1, .mean = {0.5f}, .deviation = {0.25f}};

typedef struct bench {
  anet_net *net;
  anet_plan *plan;
  anet_dataset *data;
  anet_tensor *images, *labels;
  int32_t answer[COUNT]; /* the plan's own, image by image */
} bench;

static void answer_all(bench *b)
{
  anet_workspace *workspace;
  const uint8_t *byte = anet_tensor_data(b->images);
  CHECK_OK(anet_workspace_new(b->plan, NULL, &workspace));
  for (int32_t i = 0; i < COUNT; i++) {
    float x[SIZE * SIZE], y[CLASSES], *out = y;
    const float *in = x;
    for (int32_t k = 0; k < SIZE * SIZE; k++)
      x[k] = ((float)byte[i * SIZE * SIZE + k] / 255.0f - 0.5f) / 0.25f;
    CHECK_OK(anet_run(b->plan, workspace, &in, &out, 1));
    b->answer[i] = 0;
    for (int32_t c = 1; c < CLASSES; c++)
      if (y[c] > y[b->answer[i]]) b->answer[i] = c;
  }
  anet_workspace_release(workspace);
}

static void bench_new(bench *b, int32_t batch)
{
  anet_rng rng;
  anet_rng_seed(&rng, 81);
  b->net = net_resnet(SIZE, 1, 4, 1, CLASSES);
  CHECK_OK(anet_plan_new(b->net, batch, &b->plan));
  CHECK_OK(anet_tensor_new(ANET_U8, &(anet_shape){4, {COUNT, SIZE, SIZE, 1}}, &b->images));
  CHECK_OK(anet_tensor_new(ANET_I32, &(anet_shape){1, {COUNT}}, &b->labels));
  uint8_t *byte = anet_tensor_data(b->images);
  int32_t *label = anet_tensor_data(b->labels);
  for (int32_t i = 0; i < COUNT * SIZE * SIZE; i++) byte[i] = (uint8_t)anet_rng_int(&rng, 0, 255);
  answer_all(b);
  for (int32_t i = 0; i < COUNT; i++) /* right, wrong, unknown, right, … */
    label[i] = i % 3 == 0 ? b->answer[i] : i % 3 == 1 ? (b->answer[i] + 1) % CLASSES : -1;
  CHECK_OK(anet_dataset_new(b->images, b->labels, CLASSES, &b->data));
}

static void bench_free(bench *b)
{
  anet_dataset_release(b->data);
  anet_tensor_release(b->images);
  anet_tensor_release(b->labels);
  anet_plan_release(b->plan);
  anet_net_release(b->net);
}

TEST(counts_right_answers)
{
  for (int32_t batch = 1; batch <= 32; batch += 6) {
    bench b;
    double correct;
    uint8_t hits[COUNT];
    bench_new(&b, batch);
    CHECK_OK(anet_plan_accuracy(b.plan, b.data, &input, NULL, &correct, hits));
    CHECK_EQ_I(correct, (COUNT + 2) / 3);
    for (int32_t i = 0; i < COUNT; i++) CHECK_EQ_I(hits[i], i % 3 == 0);
    CHECK_OK(anet_plan_accuracy(b.plan, b.data, &input, NULL, &correct, NULL));
    CHECK_EQ_I(correct, (COUNT + 2) / 3);
    bench_free(&b);
  }
}

TEST(mistakes_are_told)
{
  bench b;
  double correct;
  anet_input other = input;
  anet_dataset *more;
  bench_new(&b, 4);
  other.width = 9;
  CHECK_FAILS(anet_plan_accuracy(b.plan, b.data, &other, NULL, &correct, NULL), ANET_SHAPE, "9");
  CHECK_OK(anet_dataset_new(b.images, b.labels, CLASSES + 1, &more));
  CHECK_FAILS(anet_plan_accuracy(b.plan, more, &input, NULL, &correct, NULL), ANET_SHAPE,
              "6 classes");
  anet_dataset_release(more);
  bench_free(&b);
}

static int measure_once(void *context)
{
  const bench *b = context;
  double correct;
  return anet_plan_accuracy(b->plan, b->data, &input, NULL, &correct, NULL);
}

TEST(every_allocation_may_fail)
{
  bench b;
  bench_new(&b, 4);
  test_each_allocation(measure_once, &b);
  bench_free(&b);
}

TEST_MAIN(CASE(counts_right_answers), CASE(mistakes_are_told), CASE(every_allocation_may_fail))
