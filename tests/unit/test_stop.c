/* Long calls end when their pool's flag is set, at any moment, and leave things as they were. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/pool.h"
#include "elastic/supernet.h"
#include "support/elastic.h"
#include "support/nets.h"
#include "support/scratch.h"
#include "support/test.h"
#include "support/zoo.h"

enum { SIZE = 16, CLASSES = 7, ITEMS = 64, BATCH = 16, GENOMES = 12, MOMENTS = 6 };
static const anet_input INPUT = {SIZE, SIZE, 3, {0.5F, 0.45F, 0.4F}, {0.25F, 0.3F, 0.2F}};

/* ---- a world ------------------------------------------------------------------------------ */

typedef struct world {
  anet_pool *pool;
  volatile int32_t stop;
  anet_net *oracle, *learner;
  anet_supernet *supernet, *plain; /* plain: its options have norms to settle */
  anet_dataset *data;
  anet_tensor *images; /* (ITEMS, …) */
  anet_plan *plan;
  anet_workspace *workspace;
  anet_evaluator *evaluator;
  anet_tape *tape;
  float *out;                /* (ITEMS, CLASSES) */
  char folder[SCRATCH_PATH]; /* of images */
  uint8_t genomes[GENOMES * ANET_MAX_POSITIONS];
} world;

static anet_dataset *make_data(void)
{
  const anet_shape shape = {4, {ITEMS, SIZE, SIZE, 3}}, flat = {1, {ITEMS}};
  anet_tensor *images, *labels;
  anet_dataset *data = NULL;
  anet_rng rng;
  anet_rng_seed(&rng, 3);
  CHECK_OK(anet_tensor_new(ANET_U8, &shape, &images));
  CHECK_OK(anet_tensor_new(ANET_I32, &flat, &labels));
  for (int32_t i = 0; i < ITEMS * SIZE * SIZE * 3; i++)
    ((uint8_t *)anet_tensor_data(images))[i] = (uint8_t)anet_rng_int(&rng, 0, 255);
  for (int32_t i = 0; i < ITEMS; i++)
    ((int32_t *)anet_tensor_data(labels))[i] = anet_rng_int(&rng, 0, CLASSES - 1);
  CHECK_OK(anet_dataset_new(images, labels, CLASSES, &data));
  anet_tensor_release(images);
  anet_tensor_release(labels);
  return data;
}

/* Two classes of images as files. */
static void write_images(world *w)
{
  const anet_shape shape = {3, {SIZE, SIZE, 3}};
  char name[64], path[SCRATCH_PATH];
  anet_tensor *image;
  test_scratch_new(w->folder);
  test_scratch_folder(w->folder, "train");
  CHECK_OK(anet_tensor_new(ANET_U8, &shape, &image));
  for (int32_t c = 0; c < 2; c++) {
    snprintf(name, sizeof name, "train/%d", c);
    test_scratch_folder(w->folder, name);
    for (int32_t i = 0; i < ITEMS / 2; i++) {
      snprintf(name, sizeof name, "train/%d/%d.png", c, i);
      CHECK_OK(anet_image_save(image, test_scratch_path(w->folder, name, path)));
    }
  }
  anet_tensor_release(image);
}

static anet_supernet *supernet_of(anet_net *oracle, int32_t norms)
{
  anet_supernet *s = NULL;
  CHECK_OK(anet_supernet_new(oracle, &s));
  anet_supernet_norms(s, norms);
  const int32_t blocks = anet_blocks_count(anet_supernet_blocks(s));
  for (int32_t p = 0; p + 1 < blocks; p++) {
    const anet_option merge = {.kind = ANET_MERGE, .position = p, .span = 2, .width = 1};
    const anet_option half = {.kind = ANET_SHRINK, .position = p, .span = 1, .width = 0.5F};
    (void)anet_supernet_add(s, &merge, NULL);
    (void)anet_supernet_add(s, &half, NULL);
  }
  CHECK_OK(anet_supernet_seal(s));
  return s;
}

static void world_new(world *w, int32_t threads)
{
  const int32_t width[3] = {8, 12, 16};
  const anet_shape shape = {4, {ITEMS, SIZE, SIZE, 3}};
  int32_t filled;
  anet_rng rng;
  *w = (world){.data = make_data()};
  write_images(w);
  CHECK_OK(anet_pool_new(threads, &w->pool));
  w->oracle = zoo_resnet20(SIZE, width, 3, CLASSES, 1);
  w->learner = zoo_resnet20(SIZE, width, 3, CLASSES, 2);
  w->supernet = supernet_of(w->oracle, 0);
  anet_net *folded = zoo_vgg(SIZE, 8, 0, CLASSES, 2);
  w->plain = supernet_of(folded, 1);
  anet_net_release(folded);
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &w->images));
  CHECK_OK(anet_dataset_batch(w->data, &INPUT, NULL, 0, -1, 0, NULL, w->images, NULL, &filled));
  CHECK_OK(anet_plan_new(w->oracle, ITEMS, &w->plan));
  CHECK_OK(anet_workspace_new(w->plan, w->pool, &w->workspace));
  CHECK_OK(anet_evaluator_new(w->supernet, w->data, &INPUT, w->pool, &w->evaluator));
  CHECK_OK(anet_tape_new(w->learner, BATCH, w->pool, &w->tape));
  w->out = anet__alloc_array(ITEMS * CLASSES, sizeof *w->out);
  anet_rng_seed(&rng, 5);
  const anet_space *space = anet_supernet_space(w->supernet);
  for (int32_t i = 0; i < GENOMES; i++)
    CHECK_OK(anet_genome_sample(space, &rng, w->genomes + i * anet_space_positions(space)));
  CHECK_OK(anet_pool_watch(w->pool, &w->stop));
}

static void world_free(world *w)
{
  anet__free(w->out);
  anet_tape_release(w->tape);
  anet_evaluator_release(w->evaluator);
  anet_workspace_release(w->workspace);
  anet_plan_release(w->plan);
  anet_tensor_release(w->images);
  anet_supernet_release(w->plain);
  anet_supernet_release(w->supernet);
  anet_net_release(w->learner);
  anet_net_release(w->oracle);
  anet_dataset_release(w->data);
  anet_pool_release(w->pool);
  test_scratch_remove(w->folder);
}

/* ---- the calls ---------------------------------------------------------------------------- */

static const float *images_of(const world *w)
{
  return anet_tensor_data(w->images);
}

static int call_run(world *w)
{
  const float *in = images_of(w);
  return anet_run(w->plan, w->workspace, &in, &w->out, ITEMS);
}

static int call_accuracy(world *w)
{
  double correct;
  return anet_plan_accuracy(w->plan, w->data, &INPUT, w->pool, &correct, NULL);
}

static int call_evaluate(world *w)
{
  const anet_evaluation_desc desc = {.count = ITEMS};
  return anet_evaluate(w->evaluator, w->genomes, GENOMES, &desc, NULL, NULL, NULL);
}

static int call_step(world *w)
{
  const anet_loss loss = {.kind = ANET_LOSS_TEACHER, .weight = 1, .temperature = 1};
  const float *in = images_of(w), *target = w->out;
  anet_step_stats stats;
  return anet_tape_step(w->tape, &in, BATCH, &loss, &target, 1, 0, &stats);
}

static int call_forward(world *w)
{
  const float *in = images_of(w);
  return anet_tape_forward(w->tape, &in, BATCH, 1, 0);
}

static int drop_net(int rc, anet_net *net)
{
  CHECK((rc != 0) == (net == NULL));
  anet_net_release(net);
  return rc;
}

static int call_calibrate(world *w)
{
  anet_net *net;
  const int rc = anet_net_calibrate(w->oracle, images_of(w), ITEMS, BATCH, w->pool, &net);
  return drop_net(rc, net);
}

static int call_quantize(world *w)
{
  anet_net *net;
  const int rc = anet_net_quantize(w->oracle, images_of(w), ITEMS, w->pool, &net);
  return drop_net(rc, net);
}

static int call_widen(world *w)
{
  anet_supernet *wide;
  const int rc = anet_supernet_quantize(w->supernet, images_of(w), ITEMS, w->pool, &wide);
  CHECK((rc != 0) == (wide == NULL));
  anet_supernet_release(wide);
  return rc;
}

static int call_importance(world *w)
{
  static float importance[1024];
  return anet_supernet_importance(w->supernet, 1, images_of(w), ITEMS, w->pool, importance);
}

static int call_solve(world *w)
{
  return anet_supernet_solve(w->supernet, 1, images_of(w), ITEMS, 1e-3, w->pool);
}

static int call_settle(world *w)
{
  const int32_t options = anet_space_options(anet_supernet_space(w->plain));
  int rc = ANET_OK;
  for (int32_t i = 0; !rc && i < options; i++)
    rc = anet_supernet_settle(w->plain, i, images_of(w), ITEMS, w->pool);
  return rc;
}

static int call_profile(world *w)
{
  const anet_profile_desc desc = {.rounds = 3, .held_out = 3};
  anet_table *table;
  const int rc = anet_profile(w->supernet, w->pool, &desc, &table);
  CHECK((rc != 0) == (table == NULL));
  anet_table_release(table);
  return rc;
}

static int call_time(world *w)
{
  anet_plan *plans[] = {w->plan, w->plan};
  const anet_timing_desc desc = {.rounds = 5, .limit_ms = 100};
  anet_timing timing[2];
  return anet_time_plans(plans, 2, w->pool, &desc, timing);
}

static int call_batch(world *w)
{
  int32_t filled;
  const int rc =
      anet_dataset_batch(w->data, &INPUT, NULL, 0, -1, 0, w->pool, w->images, NULL, &filled);
  CHECK_EQ_I(filled, rc ? 0 : ITEMS);
  return rc;
}

static int call_open(world *w)
{
  anet_dataset *data;
  const int rc = anet_dataset_open(w->folder, "train", 0, w->pool, &data);
  CHECK((rc != 0) == (data == NULL));
  anet_dataset_release(data);
  return rc;
}

static int call_peak(world *w)
{
  double flops;
  return anet_isa_peak(NULL, w->pool, &flops);
}

/* changes: a call that succeeds changes weights or statistics. */
typedef struct call {
  const char *name;
  int (*run)(world *w);
  bool changes;
} call;

static const call calls[] = {
    {"run", call_run, false},           {"accuracy", call_accuracy, false},
    {"evaluate", call_evaluate, false}, {"step", call_step, true},
    {"forward", call_forward, true},    {"calibrate", call_calibrate, false},
    {"quantize", call_quantize, false}, {"widen", call_widen, false},
    {"solve", call_solve, true},        {"importance", call_importance, false},
    {"settle", call_settle, true},      {"profile", call_profile, false},
    {"time", call_time, false},         {"peak", call_peak, false},
    {"batch", call_batch, false},       {"open", call_open, false},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

/* ---- what is left ------------------------------------------------------------------------- */

static uint64_t add_net(uint64_t sum, anet_net *net)
{
  for (int32_t v = 0; v < anet_net_count(net); v++)
    for (int32_t p = 0; p < ANET_MAX_PARAMS; p++) {
      anet_tensor *t = anet_net_param(net, v, p), *dense = NULL;
      if (!t) continue;
      anet_shape shape;
      anet_tensor_shape(t, &shape);
      CHECK_OK(anet_tensor_new(ANET_F32, &shape, &dense));
      CHECK_OK(anet_tensor_copy(dense, t));
      const uint32_t *word = anet_tensor_data(dense);
      for (size_t i = 0; i < (size_t)anet_tensor_count(dense); i++)
        sum = (sum ^ word[i]) * UINT64_C(1099511628211);
      anet_tensor_release(dense);
    }
  return sum;
}

static uint64_t add_supernet(uint64_t sum, anet_supernet *s)
{
  for (int32_t i = 0; i < anet_space_options(anet_supernet_space(s)); i++)
    sum = add_net(sum, anet_supernet_piece(s, i));
  return sum;
}

/* Of all weights and statistics. */
static uint64_t digest(world *w)
{
  uint64_t sum = add_net(add_net(14695981039346656037U, w->oracle), w->learner);
  return add_supernet(add_supernet(sum, w->supernet), w->plain);
}

/* ---- stopping ----------------------------------------------------------------------------- */

typedef struct stopper {
  world *w;
  int64_t after_ns;
  atomic_bool *begun;
} stopper;

static void *set_flag(void *argument)
{
  const stopper *s = argument;
  while (!atomic_load(s->begun)) {
  }
  const int64_t end = anet__now_ns() + s->after_ns;
  while (anet__now_ns() < end) {
  }
  __atomic_store_n(&s->w->stop, 2, __ATOMIC_RELAXED);
  return NULL;
}

/* The status of a call whose flag another thread sets after so long. */
static int stop_after(world *w, const call *c, int64_t ns)
{
  atomic_bool begun = false;
  stopper s = {w, ns, &begun};
  pthread_t thread;
  CHECK_EQ_I(pthread_create(&thread, NULL, set_flag, &s), 0);
  atomic_store(&begun, true);
  const int rc = c->run(w);
  pthread_join(thread, NULL);
  w->stop = 0;
  return rc;
}

static void stop_at_moments(world *w, const call *c, int64_t ns)
{
  for (int32_t i = 0; i < MOMENTS; i++) {
    const uint64_t before = digest(w);
    const int rc = stop_after(w, c, ns * i / MOMENTS);
    if (rc && rc != ANET_STOPPED) TEST_FAIL("%s: status %d: %s", c->name, rc, anet_error());
    if (rc || !c->changes)
      if (digest(w) != before)
        TEST_FAIL("%s: stopped at %d of %d, weights changed", c->name, i, MOMENTS);
    test_checks++;
  }
}

static void stop_call(world *w, const call *c)
{
  const uint64_t before = digest(w);
  w->stop = 1;
  const int rc = c->run(w);
  if (rc != ANET_STOPPED) TEST_FAIL("%s: status %d with the flag set", c->name, rc);
  CHECK_EQ_S(anet_error()[0] ? "a message" : "", "a message");
  CHECK(digest(w) == before);
  w->stop = 0;
  const int64_t began = anet__now_ns();
  CHECK_OK(c->run(w));
  stop_at_moments(w, c, anet__now_ns() - began);
  CHECK_OK(c->run(w)); /* as if nothing had been */
}

TEST(every_long_call_stops)
{
  for (int32_t threads = 1; threads <= 3; threads += 2) {
    world w;
    world_new(&w, threads);
    for (int32_t i = 0; i < CALLS; i++) stop_call(&w, &calls[i]);
    world_free(&w);
  }
}

/* ---- afterwards --------------------------------------------------------------------------- */

/* What a call gives after it was stopped many times is what it gives in a world that never was. */
TEST(results_are_those_of_a_world_that_was_never_stopped)
{
  const anet_evaluation_desc desc = {.count = ITEMS};
  static uint8_t hits[2][GENOMES * ITEMS];
  double loss[2][GENOMES];
  for (int32_t stopped = 0; stopped < 2; stopped++) {
    world w;
    world_new(&w, 2);
    for (int32_t i = 1; stopped && i < 6; i++)
      for (int32_t k = 0; k < CALLS; k++)
        if (!calls[k].changes) (void)stop_after(&w, &calls[k], i * 200000);
    CHECK_OK(
        anet_evaluate(w.evaluator, w.genomes, GENOMES, &desc, hits[stopped], loss[stopped], NULL));
    world_free(&w);
  }
  CHECK(memcmp(hits[0], hits[1], sizeof hits[0]) == 0);
  for (int32_t i = 0; i < GENOMES; i++) CHECK_NEAR(loss[0][i], loss[1][i], 0);
}

TEST(a_step_that_was_stopped_cannot_be_applied)
{
  const anet_optim_desc sgd = {.kind = ANET_SGD};
  anet_optim *optim;
  anet_step_stats stats;
  world w;
  world_new(&w, 1);
  CHECK_OK(anet_optim_new(&sgd, &optim));
  CHECK_OK(call_step(&w));
  w.stop = 1;
  CHECK_EQ_I(call_step(&w), ANET_STOPPED);
  CHECK_FAILS(anet_optim_step(optim, w.tape, 0.1, &stats), ANET_STATE, "");
  w.stop = 0;
  CHECK_OK(call_step(&w));
  CHECK_OK(anet_optim_step(optim, w.tape, 0.1, &stats));
  anet_optim_release(optim);
  world_free(&w);
}

TEST(watching)
{
  volatile int32_t stop = 1;
  anet_pool *pool;
  CHECK_OK(anet_pool_new(1, &pool));
  CHECK(!anet__pool_stopped(pool));
  CHECK(!anet__pool_stopped(NULL));
  CHECK_OK(anet__pool_check(NULL));
  CHECK_OK(anet_pool_watch(pool, &stop));
  CHECK(anet__pool_stopped(pool));
  CHECK_FAILS(anet__pool_check(pool), ANET_STOPPED, "stopped");
  CHECK_OK(anet_pool_watch(pool, NULL));
  CHECK(!anet__pool_stopped(pool));
  CHECK_FAILS(anet_pool_watch(NULL, &stop), ANET_RANGE, "NULL");
  anet_pool_release(pool);
}

TEST_MAIN(CASE(every_long_call_stops), CASE(results_are_those_of_a_world_that_was_never_stopped),
          CASE(a_step_that_was_stopped_cannot_be_applied), CASE(watching))
