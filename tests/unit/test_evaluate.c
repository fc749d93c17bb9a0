/* Candidates evaluated together must get what each would get alone, for the work of the ideal trie.
 */
#include <math.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "elastic/supernet.h"
#include "measure/evaluate.h"
#include "support/elastic.h"
#include "support/fault.h"
#include "support/test.h"
#include "support/zoo.h"

enum { SIZE = 16, CLASSES = 7, ITEMS = 37, MOST = 64 };
static const anet_input INPUT = {SIZE, SIZE, 3, {0.5F, 0.45F, 0.4F}, {0.25F, 0.3F, 0.2F}};

/* ---- worlds ------------------------------------------------------------------------------- */

static anet_net *network(int32_t which)
{
  const int32_t width[3] = {4, 6, 8};
  switch (which) {
    case 0:
      return zoo_resnet20(SIZE, width, 3, CLASSES, 1);
    case 1:
      return zoo_vgg(SIZE, 6, 1, CLASSES, 2); /* pools between its trunks */
    case 2:
      return zoo_preact(SIZE, 4, 2, CLASSES, 3);
    default:
      return zoo_mobilenetv2(SIZE, 8, CLASSES, 4);
  }
}
enum { NETWORKS = 4 };

static anet_supernet *supernet_of(int32_t which)
{
  anet_net *oracle = network(which);
  anet_supernet *supernet = elastic_supernet(oracle);
  CHECK_OK(anet_supernet_seal(supernet));
  anet_net_release(oracle);
  return supernet;
}

static anet_dataset *random_data(bool labelled, double seed)
{
  const anet_shape shape = {4, {ITEMS, SIZE, SIZE, 3}}, flat = {1, {ITEMS}};
  anet_tensor *images, *labels;
  anet_dataset *data = NULL;
  anet_rng rng;
  anet_rng_seed(&rng, seed);
  CHECK_OK(anet_tensor_new(ANET_U8, &shape, &images));
  CHECK_OK(anet_tensor_new(ANET_I32, &flat, &labels));
  uint8_t *byte = anet_tensor_data(images);
  int32_t *label = anet_tensor_data(labels);
  for (int32_t i = 0; i < ITEMS * SIZE * SIZE * 3; i++)
    byte[i] = (uint8_t)anet_rng_int(&rng, 0, 255);
  for (int32_t i = 0; i < ITEMS; i++) label[i] = labelled ? anet_rng_int(&rng, 0, CLASSES - 1) : -1;
  CHECK_OK(anet_dataset_new(images, labels, CLASSES, &data));
  anet_tensor_release(images);
  anet_tensor_release(labels);
  return data;
}

/* Random genomes, the oracle among them, and some of them twice. */
static void random_genomes(anet_supernet *supernet, int32_t n, double seed, uint8_t *genomes)
{
  const anet_space *space = anet_supernet_space(supernet);
  const int32_t positions = anet_space_positions(space);
  anet_rng rng;
  anet_rng_seed(&rng, seed);
  for (int32_t i = 0; i < n; i++)
    CHECK_OK(anet_genome_sample(space, &rng, genomes + i * positions));
  if (n > 4) {
    memset(genomes + 2 * positions, 0, (size_t)positions);
    memcpy(genomes + (n - 1) * positions, genomes, (size_t)positions);
  }
}

typedef struct outcome {
  uint8_t hits[MOST * ITEMS];
  double loss[MOST];
  anet_evaluation_stats stats;
} outcome;

static void evaluate(anet_supernet *supernet, anet_dataset *data, int32_t threads,
                     const uint8_t *genomes, int32_t n, const anet_evaluation_desc *desc,
                     outcome *out)
{
  anet_pool *pool;
  anet_evaluator *evaluator;
  memset(out, 0, sizeof *out);
  CHECK_OK(anet_pool_new(threads, &pool));
  CHECK_OK(anet_evaluator_new(supernet, data, &INPUT, pool, &evaluator));
  CHECK_OK(anet_evaluate(evaluator, genomes, n, desc, out->hits, out->loss, &out->stats));
  anet_evaluator_release(evaluator);
  anet_pool_release(pool);
}

/* ---- one subnet alone --------------------------------------------------------------------- */

static void run_alone(anet_supernet *supernet, anet_dataset *data, const uint8_t *genome, float *y)
{
  const anet_shape shape = {4, {ITEMS, SIZE, SIZE, 3}};
  anet_net *net;
  anet_plan *plan;
  anet_workspace *workspace;
  anet_tensor *images;
  int32_t filled;
  CHECK_OK(anet_supernet_subnet(supernet, genome, &net));
  CHECK_OK(anet_plan_new(net, ITEMS, &plan));
  CHECK_OK(anet_workspace_new(plan, NULL, &workspace));
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &images));
  CHECK_OK(anet_dataset_batch(data, &INPUT, NULL, 0, -1, 0, NULL, images, NULL, &filled));
  const float *in = anet_tensor_data(images);
  CHECK_OK(anet_run(plan, workspace, &in, &y, ITEMS));
  anet_tensor_release(images);
  anet_workspace_release(workspace);
  anet_plan_release(plan);
  anet_net_release(net);
}

static void log_softmax(const float *y, double *log_p)
{
  double sum = 0;
  for (int32_t i = 0; i < CLASSES; i++) sum += exp((double)y[i]);
  for (int32_t i = 0; i < CLASSES; i++) log_p[i] = y[i] - log(sum);
}

static int32_t largest(const double *x)
{
  int32_t best = 0;
  for (int32_t i = 1; i < CLASSES; i++)
    if (x[i] > x[best]) best = i;
  return best;
}

/* The gap between the two largest: a tie may go either way. */
static double gap(const double *x)
{
  const int32_t best = largest(x);
  double least = INFINITY;
  for (int32_t i = 0; i < CLASSES; i++)
    if (i != best) least = fmin(least, x[best] - x[i]);
  return least;
}

static double divergence(const double *log_p, const double *oracle)
{
  double loss = 0;
  for (int32_t i = 0; i < CLASSES; i++) loss += exp(oracle[i]) * (oracle[i] - log_p[i]);
  return loss;
}

/* label < 0: the oracle's answer counts. */
static void check_alone(const outcome *got, int32_t index, const float *y, const float *oracle_y,
                        const int32_t *label)
{
  double loss = 0, log_p[CLASSES], oracle[CLASSES];
  for (int32_t i = 0; i < ITEMS; i++) {
    log_softmax(y + i * CLASSES, log_p);
    log_softmax(oracle_y + i * CLASSES, oracle);
    loss += divergence(log_p, oracle);
    const int32_t right = label[i] >= 0 ? label[i] : largest(oracle);
    if (gap(log_p) < 1e-4 || (label[i] < 0 && gap(oracle) < 1e-4)) continue;
    CHECK_EQ_I(got->hits[index * ITEMS + i], largest(log_p) == right);
  }
  CHECK_NEAR(got->loss[index], loss / ITEMS, 1e-5 * (1 + loss / ITEMS));
}

TEST(each_gets_what_it_would_get_alone)
{
  enum { N = 24 };
  static float y[ITEMS * CLASSES], oracle_y[ITEMS * CLASSES];
  static outcome got;
  static uint8_t genomes[N * ANET_MAX_POSITIONS];
  const uint8_t keep[ANET_MAX_POSITIONS] = {0};
  for (int32_t which = 0; which < 2 * NETWORKS; which++) {
    anet_supernet *supernet = supernet_of(which / 2);
    anet_dataset *data = random_data(which % 2, which);
    const int32_t positions = anet_space_positions(anet_supernet_space(supernet));
    const anet_evaluation_desc desc = {.count = ITEMS};
    random_genomes(supernet, N, which, genomes);
    evaluate(supernet, data, 2, genomes, N, &desc, &got);
    run_alone(supernet, data, keep, oracle_y);
    for (int32_t i = 0; i < N; i++) {
      run_alone(supernet, data, genomes + i * positions, y);
      check_alone(&got, i, y, oracle_y, anet_tensor_data(anet_dataset_labels(data)));
    }
    CHECK_NEAR(got.loss[2], 0, 1e-6); /* the oracle agrees with itself */
    if (which % 2 == 0) {
      for (int32_t i = 0; i < ITEMS; i++) CHECK(got.hits[2 * ITEMS + i]);
    }
    anet_dataset_release(data);
    anet_supernet_release(supernet);
  }
}

/* ---- the work ----------------------------------------------------------------------------- */

/* Distinct prefixes, one by one against all those before. */
static double prefixes_by_force(const anet_space *space, const uint8_t *genomes, int32_t n)
{
  const int32_t positions = anet_space_positions(space);
  double count = 0;
  for (int32_t i = 0; i < n; i++) {
    for (int32_t p = 0; p < positions; p++) {
      const uint8_t *genome = genomes + i * positions;
      anet_option option;
      bool seen = false;
      if (genome[p] == ANET_COVERED) continue;
      CHECK_OK(anet_space_option(space, anet_space_index(space, p, genome[p]), &option));
      for (int32_t k = 0; k < i && !seen; k++)
        seen = memcmp(genome, genomes + k * positions, (size_t)(p + option.span)) == 0;
      count += !seen;
    }
  }
  return count;
}

static double options_of(const uint8_t *genomes, size_t genes)
{
  double count = 0;
  for (size_t i = 0; i < genes; i++) count += genomes[i] != ANET_COVERED;
  return count;
}

TEST(the_work_is_that_of_the_ideal_trie)
{
  static uint8_t genomes[MOST * ANET_MAX_POSITIONS];
  static outcome got;
  anet_supernet *supernet = supernet_of(0);
  anet_dataset *data = random_data(true, 9);
  const anet_space *space = anet_supernet_space(supernet);
  for (int32_t n = 1; n <= MOST; n += 9) {
    const anet_evaluation_desc desc = {.count = 5 + n % ITEMS / 2, .chunk = 1 + n % 4};
    random_genomes(supernet, n, n, genomes);
    evaluate(supernet, data, 1 + n % 2, genomes, n, &desc, &got);
    CHECK_NEAR(got.stats.ideal_runs, prefixes_by_force(space, genomes, n), 0);
    CHECK_NEAR(got.stats.block_runs, got.stats.ideal_runs, 0);
    CHECK_NEAR(got.stats.naive_runs, options_of(genomes, (size_t)(n * anet_space_positions(space))),
               0);
    CHECK(n == 1 ? fabs(got.stats.saved_time) < 1e-9
                 : got.stats.saved_time > 0 && got.stats.saved_time < 1);
    CHECK(got.stats.feature_bytes > 0 && got.stats.seconds > 0);
  }
  anet_dataset_release(data);
  anet_supernet_release(supernet);
}

/* ---- memory and threads ------------------------------------------------------------------- */

static bool same(const outcome *a, const outcome *b, int32_t n)
{
  return memcmp(a->hits, b->hits, (size_t)(n * ITEMS)) == 0 &&
         memcmp(a->loss, b->loss, (size_t)n * sizeof *a->loss) == 0;
}

TEST(no_limit_chunk_or_thread_changes_a_result)
{
  enum { N = 16 };
  static uint8_t genomes[N * ANET_MAX_POSITIONS];
  static outcome want, got;
  for (int32_t labelled = 0; labelled < 2; labelled++) {
    anet_supernet *supernet = supernet_of(1);
    anet_dataset *data = random_data(labelled, 21);
    anet_evaluation_desc desc = {.count = ITEMS, .chunk = 1};
    random_genomes(supernet, N, 5, genomes);
    evaluate(supernet, data, 1, genomes, N, &desc, &want);
    const double one = want.stats.feature_bytes; /* of an image */
    for (int32_t i = 0; i < 24; i++) {
      desc.chunk = (int32_t[]){0, 1, 3, 50}[i % 4];
      desc.byte_limit = (double[]){0, one, 2.5 * one, 11 * one}[i / 4 % 4];
      evaluate(supernet, data, 1 + i % 3, genomes, N, &desc, &got);
      test_checks++;
      if (!same(&want, &got, N))
        TEST_FAIL("chunk %d, limit %g, threads %d: other results", desc.chunk, desc.byte_limit,
                  1 + i % 3);
      CHECK(desc.byte_limit == 0 || got.stats.feature_bytes <= desc.byte_limit);
      CHECK_NEAR(got.stats.block_runs, got.stats.ideal_runs, 0);
    }
    anet_dataset_release(data);
    anet_supernet_release(supernet);
  }
}

TEST(parts_of_the_data_are_parts_of_the_result)
{
  enum { N = 8 };
  static uint8_t genomes[N * ANET_MAX_POSITIONS], hits[N * ITEMS];
  static outcome all;
  anet_supernet *supernet = supernet_of(0);
  anet_dataset *data = random_data(false, 2);
  anet_evaluator *evaluator;
  random_genomes(supernet, N, 6, genomes);
  evaluate(supernet, data, 1, genomes, N, &(anet_evaluation_desc){.count = ITEMS}, &all);
  CHECK_OK(anet_evaluator_new(supernet, data, &INPUT, NULL, &evaluator));
  double loss[N], total[N] = {0};
  const int32_t begin[] = {30, 0, 8, ITEMS}, count[] = {ITEMS - 30, 8, 22};
  for (int32_t k = 0; k < 3; k++) { /* out of order, one evaluator */
    const anet_evaluation_desc desc = {.begin = begin[k], .count = count[k], .chunk = 2 + k};
    CHECK_OK(anet_evaluate(evaluator, genomes, N, &desc, hits, loss, NULL));
    for (int32_t i = 0; i < N; i++) {
      CHECK(memcmp(hits + i * count[k], all.hits + i * ITEMS + begin[k], (size_t)count[k]) == 0);
      total[i] += loss[i] * count[k];
    }
  }
  for (int32_t i = 0; i < N; i++) CHECK_NEAR(total[i] / ITEMS, all.loss[i], 1e-12);
  anet_evaluator_release(evaluator);
  anet_dataset_release(data);
  anet_supernet_release(supernet);
}

/* Plans hold packed copies of weights: training between two calls must not go unseen. */
TEST(changed_weights_are_seen)
{
  static uint8_t genomes[ANET_MAX_POSITIONS];
  anet_supernet *supernet = supernet_of(0);
  anet_dataset *data = random_data(true, 2);
  const anet_evaluation_desc desc = {.count = ITEMS};
  const anet_space *space = anet_supernet_space(supernet);
  anet_evaluator *evaluator;
  anet_option first;
  double before, after, fresh;
  anet_rng rng;
  anet_rng_seed(&rng, 1);
  do {
    CHECK_OK(anet_genome_sample(space, &rng, genomes));
    CHECK_OK(anet_space_option(space, anet_space_index(space, 0, genomes[0]), &first));
  } while (first.kind != ANET_MERGE);
  CHECK_OK(anet_evaluator_new(supernet, data, &INPUT, NULL, &evaluator));
  CHECK_OK(anet_evaluate(evaluator, genomes, 1, &desc, NULL, &before, NULL));
  anet_net *piece = anet_supernet_piece(supernet, anet_space_index(space, 0, genomes[0]));
  for (int32_t v = 0; v < piece->count; v++) {
    for (int32_t p = 0; p < piece->node[v].params; p++) {
      anet_tensor *weights = piece->node[v].param[p];
      *anet__f32(weights) += 1;
      atomic_fetch_add(&weights->storage->version, 1);
    }
  }
  CHECK_OK(anet_evaluate(evaluator, genomes, 1, &desc, NULL, &after, NULL));
  anet_evaluator_release(evaluator);
  CHECK_OK(anet_evaluator_new(supernet, data, &INPUT, NULL, &evaluator));
  CHECK_OK(anet_evaluate(evaluator, genomes, 1, &desc, NULL, &fresh, NULL));
  CHECK(after != before);
  CHECK_NEAR(after, fresh, 0);
  anet_evaluator_release(evaluator);
  anet_dataset_release(data);
  anet_supernet_release(supernet);
}

/* ---- what cannot be ----------------------------------------------------------------------- */

TEST(what_makes_no_sense_is_refused)
{
  uint8_t genome[ANET_MAX_POSITIONS] = {0}, hits[ITEMS];
  double loss;
  anet_supernet *supernet = supernet_of(0);
  anet_dataset *data = random_data(true, 1);
  anet_evaluator *evaluator = NULL;
  anet_input other = INPUT;
  other.height = 20;
  CHECK_FAILS(anet_evaluator_new(supernet, data, &other, NULL, &evaluator), ANET_SHAPE,
              "(20, 16, 3)");
  CHECK(evaluator == NULL);
  int32_t *label = anet_tensor_data(anet_dataset_labels(data));
  const int32_t right = label[3];
  label[3] = CLASSES + 4;
  CHECK_FAILS(anet_evaluator_new(supernet, data, &INPUT, NULL, &evaluator), ANET_RANGE, "item 3");
  label[3] = right;
  CHECK_OK(anet_evaluator_new(supernet, data, &INPUT, NULL, &evaluator));
  anet_evaluation_desc desc = {.count = ITEMS + 1};
  CHECK_FAILS(anet_evaluate(evaluator, genome, 1, &desc, hits, &loss, NULL), ANET_RANGE, "of 37");
  desc = (anet_evaluation_desc){.begin = -1, .count = 1};
  CHECK_FAILS(anet_evaluate(evaluator, genome, 1, &desc, hits, &loss, NULL), ANET_RANGE, "-1");
  desc = (anet_evaluation_desc){.count = ITEMS, .byte_limit = 100};
  CHECK_FAILS(anet_evaluate(evaluator, genome, 1, &desc, hits, &loss, NULL), ANET_RANGE,
              "limit is 100");
  desc = (anet_evaluation_desc){.count = ITEMS, .byte_limit = NAN};
  CHECK_FAILS(anet_evaluate(evaluator, genome, 1, &desc, hits, &loss, NULL), ANET_RANGE, "limit");
  desc = (anet_evaluation_desc){.count = ITEMS};
  CHECK_FAILS(anet_evaluate(evaluator, genome, 0, &desc, hits, &loss, NULL), ANET_RANGE,
              "0 genomes");
  genome[0] = 200;
  CHECK_FAILS(anet_evaluate(evaluator, genome, 1, &desc, hits, &loss, NULL), ANET_RANGE,
              "genome 0");
  genome[0] = 0;
  CHECK_OK(anet_evaluate(evaluator, genome, 1, &desc, hits, &loss, NULL)); /* still good */
  anet_evaluator_release(evaluator);
  anet_dataset_release(data);
  anet_supernet_release(supernet);
}

typedef struct world {
  anet_supernet *supernet;
  anet_dataset *data;
  uint8_t genomes[3 * ANET_MAX_POSITIONS];
} world;

static int evaluate_once(void *context)
{
  world *w = context;
  double loss[3];
  const anet_evaluation_desc desc = {.count = 9, .chunk = 2};
  anet_evaluator *evaluator;
  int rc = anet_evaluator_new(w->supernet, w->data, &INPUT, NULL, &evaluator);
  if (!rc) rc = anet_evaluate(evaluator, w->genomes, 3, &desc, NULL, loss, NULL);
  anet_evaluator_release(evaluator);
  return rc;
}

TEST(every_allocation_may_fail)
{
  world w = {supernet_of(1), random_data(false, 1), {0}};
  random_genomes(w.supernet, 3, 1, w.genomes);
  test_each_allocation(evaluate_once, &w);
  anet_dataset_release(w.data);
  anet_supernet_release(w.supernet);
}

TEST_MAIN(CASE(each_gets_what_it_would_get_alone), CASE(the_work_is_that_of_the_ideal_trie),
          CASE(no_limit_chunk_or_thread_changes_a_result),
          CASE(parts_of_the_data_are_parts_of_the_result), CASE(changed_weights_are_seen),
          CASE(what_makes_no_sense_is_refused), CASE(every_allocation_may_fail))
