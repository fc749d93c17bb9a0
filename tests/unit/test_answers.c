/* What a network's outputs say: told once, and believed by losses, evaluation and sessions. */
#include "graph/answers.h"
#include <math.h>
#include <stdlib.h>
#include "support/elastic.h"
#include "support/nets.h"

enum { SIZE = 8, BATCH = 6, CLASSES = 5, PIXELS = SIZE * SIZE };

/* ---- nets --------------------------------------------------------------------------------- */

/* The small ResNet and, behind its logits, some ops one after the other; NULL ends them. */
static anet_net *ending_in(const char *const *ops)
{
  anet_net *body = net_resnet(SIZE, 1, 4, 1, CLASSES), *net;
  int32_t value = anet_net_output_at(body, 0), in[1] = {anet_net_input_at(body, 0)};
  CHECK_OK(anet__net_extract(body, in, 1, &value, 1, NULL, &net)); /* outputs can only be added */
  anet_net_release(body);
  value = net->output[0];
  net->outputs = 0;
  for (int32_t i = 0; ops[i]; i++) {
    const anet_attr attr = {.dim = {1, 1, CLASSES}};
    value = net_put(net, ops[i], NULL, &attr, value, -1);
  }
  CHECK_OK(anet_net_output(net, value));
  return net;
}

static anet_answers answers_of(const char *const *ops)
{
  anet_net *net = ending_in(ops);
  anet_answers a;
  CHECK_OK(anet_net_answers(net, 0, &a));
  a.logits -= anet_net_find(net, "head"); /* 0: what the classifier gives */
  anet_net_release(net);
  return a;
}

TEST(the_end_of_a_net_tells_what_it_says)
{
  static const struct {
    const char *ops[5];
    int32_t kind, logits;
  } end[] = {
      {{NULL}, ANET_ANSWER_LOGITS, 0},
      {{"softmax"}, ANET_ANSWER_PROBABILITIES, 0},
      {{"softmax", "reshape", "identity"}, ANET_ANSWER_PROBABILITIES, 0},
      {{"reshape", "softmax", "flatten", "dropout"}, ANET_ANSWER_PROBABILITIES, 1},
      {{"sigmoid"}, ANET_ANSWER_INDEPENDENT, 0},
      {{"sigmoid", "flatten"}, ANET_ANSWER_INDEPENDENT, 0},
      {{"log_softmax"}, ANET_ANSWER_LOGITS, 1},
      {{"softmax", "log"}, ANET_ANSWER_LOGITS, 2},
      {{"softmax", "relu"}, ANET_ANSWER_LOGITS, 2},
  };
  for (int32_t i = 0; i < ANET_COUNT(end); i++) {
    const anet_answers a = answers_of(end[i].ops);
    CHECK_EQ_I(a.kind, end[i].kind);
    CHECK_EQ_I(a.logits, end[i].logits);
    CHECK_EQ_I(a.classes, CLASSES);
    CHECK_EQ_I(a.rows, 1);
  }
}

static anet_answers softmax_over(anet_shape shape, int32_t axis)
{
  anet_net *net;
  anet_answers a;
  int32_t in;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "x", &shape, &in));
  CHECK_OK(anet_net_output(net, net_put(net, "softmax", NULL, &(anet_attr){.axis = axis}, in, -1)));
  CHECK_OK(anet_net_answers(net, 0, &a));
  CHECK_FAILS(anet_net_answers(net, 1, &a), ANET_RANGE, "output 1 of a net with 1");
  anet_net_release(net);
  return a;
}

TEST(rows_are_the_lines_of_the_softmax)
{
  anet_answers a = softmax_over((anet_shape){3, {4, 6, 7}}, 0); /* a map of classes */
  CHECK_EQ_I(a.kind, ANET_ANSWER_PROBABILITIES);
  CHECK_EQ_I(a.classes, 7);
  CHECK_EQ_I(a.rows, 24);
  a = softmax_over((anet_shape){3, {9, 1, 1}}, 2);
  CHECK_EQ_I(a.kind, ANET_ANSWER_PROBABILITIES);
  CHECK_EQ_I(a.classes, 9);
  a = softmax_over((anet_shape){3, {4, 6, 7}}, 2); /* classes lie apart: nobody's rows */
  CHECK_EQ_I(a.kind, ANET_ANSWER_LOGITS);
}

TEST(confidence_is_the_largest_probability)
{
  const float logits[3] = {1, 3, 2}, p[3] = {0.2F, 0.7F, 0.1F}, each[3] = {0.9F, 0.8F, 0.1F};
  anet_answers a = {.kind = ANET_ANSWER_LOGITS, .classes = 3};
  CHECK_NEAR(anet__answers_confidence(&a, logits), exp(3) / (exp(1) + exp(2) + exp(3)), 1e-6);
  a.kind = ANET_ANSWER_PROBABILITIES;
  CHECK_NEAR(anet__answers_confidence(&a, p), 0.7, 1e-6);
  a.kind = ANET_ANSWER_INDEPENDENT;
  CHECK_NEAR(anet__answers_confidence(&a, each), 0.9, 1e-6);
}

TEST(an_answer_of_nans_is_no_class)
{
  const float y[4] = {1, 3, NAN, 3}, same[3] = {2, 2, 1};
  CHECK_EQ_I(anet__answers_top(y, 4), -1);
  CHECK_EQ_I(anet__answers_top(same, 3), 0);
}

/* ---- losses ------------------------------------------------------------------------------- */

typedef struct example {
  float in[BATCH * PIXELS], labels[BATCH * CLASSES], logits[BATCH * CLASSES];
  float target[BATCH * CLASSES];
} example;

static void example_new(example *e)
{
  fill_normal(e->in, BATCH * PIXELS, 11);
  fill_labels(e->labels, BATCH, CLASSES, 14);
  fill_normal(e->logits, BATCH * CLASSES, 12);
}

static double step(anet_net *net, const example *e, anet_loss loss, const float *target,
                   anet_tensor *grad)
{
  anet_tape *tape;
  anet_step_stats stats = {0};
  const float *in = e->in;
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  CHECK_OK(anet_tape_step(tape, &in, BATCH, &loss, &target, 1, 1, &stats));
  const float *from = anet_tape_grad(tape, 1, 0); /* of the first convolution */
  CHECK(from != NULL);
  if (grad && from)
    memcpy(anet_tensor_data(grad), from, (size_t)anet_tensor_count(grad) * sizeof(float));
  anet_tape_release(tape);
  return stats.loss;
}

static anet_tensor *like_first(const anet_net *net)
{
  anet_tensor *grad;
  CHECK_OK(anet_tensor_new(ANET_F32, &net->node[1].param[0]->shape, &grad));
  return grad;
}

static void check_same(const anet_tensor *a, const anet_tensor *b, double tolerance)
{
  const float *x = anet_tensor_data((anet_tensor *)a), *y = anet_tensor_data((anet_tensor *)b);
  for (int32_t i = 0; i < (int32_t)anet_tensor_count(a); i++) CHECK_NEAR(x[i], y[i], tolerance);
}

static void softmax_rows(const float *logits, float *p)
{
  for (int32_t i = 0; i < BATCH; i++) {
    double sum = 0;
    for (int32_t c = 0; c < CLASSES; c++) sum += exp((double)logits[i * CLASSES + c]);
    for (int32_t c = 0; c < CLASSES; c++)
      p[i * CLASSES + c] = (float)(exp((double)logits[i * CLASSES + c]) / sum);
  }
}

/* A softmax at the end changes neither what a loss is nor where it leads. */
TEST(a_net_that_ends_in_softmax_learns_as_one_that_does_not)
{
  anet_net *plain = ending_in((const char *[]){NULL});
  anet_net *soft = ending_in((const char *[]){"softmax", "reshape", NULL});
  anet_tensor *a = like_first(plain), *b = like_first(soft);
  example e;
  example_new(&e);
  const anet_loss labels = {.kind = ANET_LOSS_LABELS, .weight = 1, .smoothing = 0.1F};
  CHECK_NEAR(step(soft, &e, labels, e.labels, b), step(plain, &e, labels, e.labels, a), 0);
  check_same(a, b, 0);
  softmax_rows(e.logits, e.target);
  for (float heat = 1; heat <= 4; heat += 3) {
    const anet_loss teacher = {.kind = ANET_LOSS_TEACHER, .weight = 1, .temperature = heat};
    CHECK_NEAR(step(soft, &e, teacher, e.target, b), step(plain, &e, teacher, e.logits, a), 1e-5);
    check_same(a, b, 1e-5);
  }
  anet_tensor_release(a);
  anet_tensor_release(b);
  anet_net_release(plain);
  anet_net_release(soft);
}

/* The slope of a loss along the gradient of the first weights is that gradient's length. */
static void check_slope(anet_net *net, const example *e, anet_loss loss, const float *target)
{
  anet_tensor *grad = like_first(net);
  float *w = anet_tensor_data(net->node[1].param[0]), *g = anet_tensor_data(grad);
  const int32_t count = (int32_t)anet_tensor_count(grad);
  double length = 0;
  step(net, e, loss, target, grad);
  for (int32_t i = 0; i < count; i++) length += (double)g[i] * (double)g[i];
  length = sqrt(length);
  const float h = 1e-3F / (float)length;
  for (int32_t i = 0; i < count; i++) w[i] += h * g[i];
  const double above = step(net, e, loss, target, NULL);
  for (int32_t i = 0; i < count; i++) w[i] -= 2 * h * g[i];
  const double below = step(net, e, loss, target, NULL);
  for (int32_t i = 0; i < count; i++) w[i] += h * g[i];
  CHECK_NEAR((above - below) / 2e-3, length, 0.02 * length + 1e-3);
  anet_tensor_release(grad);
}

TEST(gradients_of_every_kind_of_answer_are_slopes)
{
  static const char *const end[3][3] = {{NULL}, {"softmax", NULL}, {"sigmoid", "reshape", NULL}};
  example e;
  example_new(&e);
  for (int32_t i = 0; i < 3; i++) {
    anet_net *net = ending_in(end[i]);
    softmax_rows(e.logits, e.target); /* whatever the kind, numbers of 0 to 1 */
    for (int32_t kind = ANET_LOSS_LABELS; kind <= ANET_LOSS_FEATURE; kind++) {
      const anet_loss loss = {.kind = kind, .weight = 2, .temperature = 2, .smoothing = 0.2F};
      check_slope(net, &e, loss, kind == ANET_LOSS_LABELS ? e.labels : e.target);
    }
    anet_net_release(net);
  }
}

/* With one class, or with many that are all unlikely, a softmax would see nothing to learn. */
TEST(independent_answers_are_binary_terms)
{
  anet_net *net = ending_in((const char *[]){"sigmoid", NULL});
  anet_plan *plan;
  anet_workspace *work;
  float y[BATCH * CLASSES], *out = y;
  example e;
  double labels = 0, teacher = 0;
  example_new(&e);
  const float *in = e.in;
  CHECK_OK(anet_net_freeze(net, -1, 1)); /* norms as they run */
  CHECK_OK(anet_net_freeze(net, 1, 0));
  CHECK_OK(anet_plan_new(net, BATCH, &plan));
  CHECK_OK(anet_workspace_new(plan, NULL, &work));
  CHECK_OK(anet_run(plan, work, &in, &out, BATCH));
  for (int32_t i = 0; i < BATCH * CLASSES; i++) e.target[i] = 1 / (1 + expf(-e.logits[i]));
  for (int32_t i = 0; i < BATCH * CLASSES; i++) {
    const double p = (double)y[i], t = (double)e.labels[i], q = (double)e.target[i];
    labels -= t * log(p) + (1 - t) * log(1 - p);
    teacher += q * log(q / p) + (1 - q) * log((1 - q) / (1 - p));
  }
  const anet_loss by_label = {.kind = ANET_LOSS_LABELS, .weight = 1};
  const anet_loss by_teacher = {.kind = ANET_LOSS_TEACHER, .weight = 1};
  CHECK_NEAR(step(net, &e, by_label, e.labels, NULL), labels / BATCH, 1e-4);
  CHECK_NEAR(step(net, &e, by_teacher, e.target, NULL), teacher / BATCH, 1e-4);
  anet_workspace_release(work);
  anet_plan_release(plan);
  anet_net_release(net);
}

/* Certain teachers round to 0 and 1; the loss stays finite. */
TEST(a_certain_teacher_is_no_infinite_loss)
{
  static const char *const end[2][2] = {{"softmax", NULL}, {"sigmoid", NULL}};
  example e;
  example_new(&e);
  const anet_loss loss = {.kind = ANET_LOSS_TEACHER, .weight = 1, .temperature = 1};
  for (int32_t i = 0; i < 2; i++) {
    anet_net *net = ending_in(end[i]);
    anet_tensor *grad = like_first(net);
    CHECK(isfinite(step(net, &e, loss, e.labels, grad)));
    for (int32_t k = 0; k < (int32_t)anet_tensor_count(grad); k++)
      CHECK(isfinite(((const float *)anet_tensor_data(grad))[k]));
    anet_tensor_release(grad);
    anet_net_release(net);
  }
}

TEST(a_target_of_another_width_is_told)
{
  anet_net *net = ending_in((const char *[]){"softmax", NULL});
  anet_tape *tape;
  anet_step_stats stats;
  example e;
  example_new(&e);
  const float *in = e.in, two[BATCH * 2] = {0}, *target = two; /* asan sees a read past it */
  CHECK_OK(anet_tape_new(net, BATCH, NULL, &tape));
  for (int32_t kind = ANET_LOSS_LABELS; kind <= ANET_LOSS_FEATURE; kind++) {
    const anet_loss loss = {.kind = kind, .weight = 1, .numbers = 2};
    CHECK_FAILS(anet_tape_step(tape, &in, BATCH, &loss, &target, 1, 0, &stats), ANET_SHAPE,
                "2 numbers an image, output 0 has 5");
  }
  const anet_loss fits = {.kind = ANET_LOSS_LABELS, .weight = 1, .numbers = CLASSES};
  target = e.labels;
  CHECK_OK(anet_tape_step(tape, &in, BATCH, &fits, &target, 1, 0, &stats));
  anet_tape_release(tape);
  anet_net_release(net);
}

/* ---- evaluation --------------------------------------------------------------------------- */

static const anet_input INPUT = {SIZE, SIZE, 1, {0.5F}, {0.25F}};
enum { ITEMS = 20, GENOMES = 6 };

static anet_dataset *random_data(int32_t classes, int32_t label)
{
  anet_tensor *images, *labels;
  anet_dataset *data = NULL;
  anet_rng rng;
  anet_rng_seed(&rng, 3);
  CHECK_OK(anet_tensor_new(ANET_U8, &(anet_shape){4, {ITEMS, SIZE, SIZE, 1}}, &images));
  CHECK_OK(anet_tensor_new(ANET_I32, &(anet_shape){1, {ITEMS}}, &labels));
  uint8_t *byte = anet_tensor_data(images);
  for (int32_t i = 0; i < ITEMS * PIXELS; i++) byte[i] = (uint8_t)anet_rng_int(&rng, 0, 255);
  for (int32_t i = 0; i < ITEMS; i++) ((int32_t *)anet_tensor_data(labels))[i] = label;
  CHECK_OK(anet_dataset_new(images, labels, classes, &data));
  anet_tensor_release(images);
  anet_tensor_release(labels);
  return data;
}

static anet_supernet *supernet_ending_in(const char *const *ops)
{
  anet_net *oracle = ending_in(ops);
  anet_supernet *supernet = elastic_supernet(oracle);
  CHECK_OK(anet_supernet_seal(supernet));
  anet_net_release(oracle);
  return supernet;
}

static void evaluate(anet_supernet *supernet, anet_dataset *data, uint8_t *hits, double *loss)
{
  const anet_evaluation_desc desc = {.count = ITEMS};
  uint8_t genomes[GENOMES * 8] = {0};
  anet_evaluator *evaluator;
  anet_rng rng;
  anet_rng_seed(&rng, 5);
  const anet_space *space = anet_supernet_space(supernet);
  CHECK(anet_space_positions(space) <= 8);
  for (int32_t i = 1; i < GENOMES; i++) /* the first is the oracle */
    CHECK_OK(anet_genome_sample(space, &rng, genomes + i * anet_space_positions(space)));
  CHECK_OK(anet_evaluator_new(supernet, data, &INPUT, NULL, &evaluator));
  CHECK_OK(anet_evaluate(evaluator, genomes, GENOMES, &desc, hits, loss, NULL));
  anet_evaluator_release(evaluator);
}

TEST(evaluation_sees_through_a_softmax)
{
  static const char *const end[3][4] = {
      {NULL}, {"softmax", "reshape", NULL}, {"log_softmax", NULL}};
  anet_dataset *data = random_data(CLASSES, -1);
  uint8_t hits[3][GENOMES * ITEMS];
  double loss[3][GENOMES];
  for (int32_t i = 0; i < 3; i++) {
    anet_supernet *supernet = supernet_ending_in(end[i]);
    evaluate(supernet, data, hits[i], loss[i]);
    for (int32_t k = 0; k < GENOMES; k++)
      CHECK_NEAR(loss[i][k], loss[0][k], 1e-4 * (1 + loss[0][k]));
    CHECK(memcmp(hits[i], hits[0], sizeof hits[i]) == 0);
    for (int32_t k = 0; k < ITEMS; k++) CHECK(hits[i][k]); /* with itself it agrees */
    anet_supernet_release(supernet);
  }
  anet_dataset_release(data);
}

TEST(independent_answers_diverge_class_by_class)
{
  anet_supernet *supernet = supernet_ending_in((const char *[]){"sigmoid", "reshape", NULL});
  anet_dataset *data = random_data(CLASSES, -1);
  uint8_t hits[GENOMES * ITEMS];
  double loss[GENOMES];
  evaluate(supernet, data, hits, loss);
  CHECK_NEAR(loss[0], 0, 1e-6);
  for (int32_t k = 1; k < GENOMES; k++) CHECK(isfinite(loss[k]) && loss[k] >= 0);
  anet_dataset_release(data);
  anet_supernet_release(supernet);
}

/* ---- sessions ----------------------------------------------------------------------------- */

/* How far the confidence of a session's later answers is from that of its first. */
static double drift_of(const char *const *ops)
{
  enum { FRAMES = 12, WINDOW = 4 };
  anet_net *net = ending_in(ops);
  anet_plan *plan;
  anet_ladder *ladder;
  anet_session *session;
  anet_state state;
  const anet_rung rung = {"0", 1, 1, 0.5};
  const anet_session_desc desc = {.budget_ms = 1e4, .policy = ANET_POLICY_FIXED, .window = WINDOW};
  float in[PIXELS], out[CLASSES];
  CHECK_OK(anet_plan_new(net, 1, &plan));
  CHECK_OK(anet_ladder_new(&ladder));
  CHECK_OK(anet_ladder_add(ladder, plan, &rung));
  CHECK_OK(anet_session_new(ladder, NULL, &desc, &session));
  for (int32_t f = 0; f < FRAMES; f++) {
    fill_normal(in, PIXELS, f);
    for (int32_t i = 0; i < PIXELS; i++) in[i] *= (float)(1 + f);
    CHECK_OK(anet_session_run(session, in, out, 1));
  }
  CHECK_OK(anet_session_read(session, &state));
  anet_session_release(session);
  anet_ladder_release(ladder);
  anet_plan_release(plan);
  anet_net_release(net);
  return state.drift;
}

TEST(a_session_is_as_sure_with_a_softmax)
{
  const double plain = drift_of((const char *[]){NULL});
  CHECK(fabs(plain) > 1e-3);
  CHECK_NEAR(drift_of((const char *[]){"softmax", NULL}), plain, 1e-5);
  CHECK_NEAR(drift_of((const char *[]){"softmax", "flatten", "identity", NULL}), plain, 1e-5);
  CHECK_NEAR(drift_of((const char *[]){"log_softmax", NULL}), plain, 1e-5);
}

/* ---- labels ------------------------------------------------------------------------------- */

TEST(data_of_more_classes_than_answers_is_told)
{
  anet_supernet *supernet = supernet_ending_in((const char *[]){"softmax", NULL});
  anet_dataset *more = random_data(CLASSES + 3, 0), *unlabelled = random_data(CLASSES + 3, -1);
  anet_dataset *fewer = random_data(2, 1);
  anet_evaluator *evaluator;
  anet_plan *plan;
  double correct;
  CHECK_OK(anet_plan_new(anet_supernet_oracle(supernet), 4, &plan));
  CHECK_FAILS(anet_evaluator_new(supernet, more, &INPUT, NULL, &evaluator), ANET_SHAPE,
              "8 classes, the network gives 5 answers");
  CHECK_FAILS(anet_plan_accuracy(plan, more, &INPUT, NULL, &correct, NULL), ANET_SHAPE,
              "8 classes, the network gives 5 answers");
  CHECK_OK(anet_evaluator_new(supernet, unlabelled, &INPUT, NULL,
                              &evaluator)); /* its classes do not matter */
  anet_evaluator_release(evaluator);
  CHECK_OK(anet_evaluator_new(supernet, fewer, &INPUT, NULL, &evaluator));
  anet_evaluator_release(evaluator);
  CHECK_OK(anet_plan_accuracy(plan, fewer, &INPUT, NULL, &correct, NULL));
  anet_plan_release(plan);
  anet_dataset_release(more);
  anet_dataset_release(fewer);
  anet_dataset_release(unlabelled);
  anet_supernet_release(supernet);
}

/* Labels are the caller's memory: one that was changed since is found when it is used. */
TEST(a_label_that_was_changed_is_told)
{
  anet_dataset *data = random_data(CLASSES, 0);
  anet_tensor *images, *targets;
  int32_t filled;
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){4, {ITEMS, SIZE, SIZE, 1}}, &images));
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){2, {ITEMS, CLASSES}}, &targets));
  ((int32_t *)anet_tensor_data(anet_dataset_labels(data)))[7] = 1 << 20;
  for (int32_t epoch = -1; epoch < 1; epoch++)
    CHECK_FAILS(anet_dataset_batch(data, &INPUT, NULL, 0, epoch, 0, NULL, images, targets, &filled),
                ANET_RANGE, "item 7 has label 1048576, want -1 .. 4");
  anet_tensor_release(images);
  anet_tensor_release(targets);
  anet_dataset_release(data);
}

TEST_MAIN(CASE(the_end_of_a_net_tells_what_it_says), CASE(rows_are_the_lines_of_the_softmax),
          CASE(confidence_is_the_largest_probability), CASE(an_answer_of_nans_is_no_class),
          CASE(a_net_that_ends_in_softmax_learns_as_one_that_does_not),
          CASE(gradients_of_every_kind_of_answer_are_slopes),
          CASE(independent_answers_are_binary_terms), CASE(a_certain_teacher_is_no_infinite_loss),
          CASE(a_target_of_another_width_is_told), CASE(evaluation_sees_through_a_softmax),
          CASE(independent_answers_diverge_class_by_class),
          CASE(data_of_more_classes_than_answers_is_told), CASE(a_label_that_was_changed_is_told),
          CASE(a_session_is_as_sure_with_a_softmax))
