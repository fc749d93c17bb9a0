/* Ladders in bundles: what a search left, opened by a C program. */
#include <stdio.h>
#include <string.h>
#include "support/fault.h"
#include "support/zoo.h"

enum { SIZE = 8, CLASSES = 4, PIXELS = SIZE * SIZE * 3, MOST_POSITIONS = 16 };

/* Three blocks, of which the first may be skipped: genomes "000" and "100". */
static anet_supernet *small_supernet(void)
{
  const int32_t width[3] = {8, 8, 16};
  const anet_option skip = {.kind = ANET_SKIP, .position = 0, .span = 1, .width = 1};
  anet_net *oracle = zoo_resnet20(SIZE, width, 1, CLASSES, 1);
  anet_supernet *supernet;
  CHECK_OK(anet_supernet_new(oracle, &supernet));
  CHECK_OK(anet_supernet_add(supernet, &skip, NULL));
  CHECK_OK(anet_supernet_seal(supernet));
  anet_net_release(oracle);
  return supernet;
}

/* ---- bundles --------------------------------------------------------------------------------- */

/* A norm inside a block, and the index of one of its parameters. */
static int32_t find_norm(const anet_net *net, const char *what, int32_t *param)
{
  anet_node node = {0};
  int32_t found = -1;
  for (int32_t v = 0; found < 0 && v < anet_net_count(net); v++) {
    CHECK_OK(anet_net_node(net, v, &node));
    if (strcmp(node.op, "norm") == 0 && node.region >= 0) found = v;
  }
  CHECK(found >= 0);
  for (*param = 0; strcmp(anet_net_param_name(net, found, *param), what) != 0;) ++*param;
  return found;
}

/* What a recalibration of the oracle would leave for rung `number`: other numbers in one parameter
 * of a norm, its mean. */
static void set_param(anet_bundle *bundle, anet_supernet *supernet, int32_t number,
                      const char *what, float more)
{
  char name[128];
  int32_t param;
  anet_node node;
  anet_net *net = NULL;
  const uint8_t keep[MOST_POSITIONS] = {0};
  CHECK_OK(anet_supernet_subnet(supernet, keep, &net));
  const int32_t norm = find_norm(net, what, &param);
  anet_tensor *old = anet_net_param(net, norm, param), *other = NULL;
  anet_shape shape;
  anet_tensor_shape(old, &shape);
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &other));
  CHECK_OK(anet_tensor_copy(other, old));
  *(float *)anet_tensor_data(other) += more;
  CHECK_OK(anet_net_node(net, norm, &node));
  snprintf(name, sizeof name, "ladder/%d/%s.%s", (int)number, node.name, what);
  CHECK_OK(anet_bundle_set_tensor(bundle, name, other));
  anet_tensor_release(other);
  anet_net_release(net);
}

static void set_statistic(anet_bundle *bundle, anet_supernet *supernet, int32_t number)
{
  set_param(bundle, supernet, number, "mean", 0.5F);
}

/* The first number of a parameter of that norm. */
static double param_of(anet_net *net, const char *what)
{
  int32_t param;
  const int32_t norm = find_norm(net, what, &param);
  return *(const float *)anet_tensor_data(anet_net_param(net, norm, param));
}

/* A bundle with this text as its ladder. */
static anet_bundle *bundle_with(anet_supernet *supernet, const char *ladder)
{
  anet_bundle *bundle;
  CHECK_OK(anet_bundle_new(&bundle));
  CHECK_OK(anet_bundle_set_supernet(bundle, supernet));
  CHECK_OK(anet_bundle_set_text(bundle, "ladder", ladder));
  return bundle;
}

static void answer(anet_plan *plan, float *out)
{
  static float image[PIXELS];
  const float *in = image;
  anet_workspace *work;
  for (int32_t i = 0; i < PIXELS; i++) image[i] = (float)(i % 7) / 3 - 1;
  CHECK_OK(anet_workspace_new(plan, NULL, &work));
  CHECK_OK(anet_run(plan, work, &in, &out, 1));
  anet_workspace_release(work);
}

static void answer_of(anet_net *net, float *out)
{
  anet_plan *plan;
  CHECK_OK(anet_plan_new(net, 1, &plan));
  answer(plan, out);
  anet_plan_release(plan);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* As a search of before left it, in the order of budgets: the oracle; the oracle recalibrated,
 * faster by chance and less accurate; a subnet that skips; one that is slower and no better than
 * that. */
static const char four[] = "{\"rungs\": ["
                           "{\"genome\": \"000\", \"predicted_ms\": 3, \"measured_ms\": 3.5, "
                           "\"score\": 0.9, \"calibrated\": false},"
                           "{\"genome\": \"000\", \"predicted_ms\": 2, \"measured_ms\": 2.5, "
                           "\"score\": 0.8, \"calibrated\": true},"
                           "{\"genome\": \"100\", \"predicted_ms\": 1, \"measured_ms\": 1.5, "
                           "\"score\": 0.7, \"calibrated\": false},"
                           "{\"genome\": \"000\", \"predicted_ms\": 4, \"measured_ms\": 2, "
                           "\"score\": 0.7, \"calibrated\": false}]}";

TEST(a_ladder_comes_back_sorted_and_with_its_statistics)
{
  anet_supernet *supernet = small_supernet();
  anet_bundle *bundle = bundle_with(supernet, four);
  anet_ladder *ladder;
  float oracle[CLASSES], want[CLASSES], got[CLASSES];
  set_statistic(bundle, supernet, 2);
  answer_of(anet_supernet_oracle(supernet), oracle);
  CHECK_OK(anet_bundle_ladder(bundle, 1, &ladder));
  CHECK_EQ_I(anet_ladder_count(ladder), 3);
  for (int32_t i = 0; i < 3; i++) {
    anet_rung rung;
    anet_net *net;
    CHECK_OK(anet_ladder_get(ladder, i, &rung));
    CHECK_NEAR(rung.predicted_ms, 1 + i, 0);
    CHECK_NEAR(rung.measured_ms, 1.5 + i, 0);
    CHECK_NEAR(rung.accuracy, i == 2 ? 0.9 : i == 1 ? 0.8 : 0.7, 0);
    CHECK_EQ_S(rung.genome, i == 0 ? "100" : "000");
    CHECK_OK(anet_bundle_rung(bundle, supernet, i, &net));
    answer_of(net, want);
    answer(anet_ladder_plan(ladder, i), got);
    CHECK(memcmp(want, got, sizeof want) == 0);
    CHECK_EQ_I(memcmp(oracle, got, sizeof oracle) == 0, i == 2);
    anet_net_release(net);
  }
  anet_ladder_release(ladder);
  anet_bundle_release(bundle);
  anet_supernet_release(supernet);
}

TEST(a_rung_has_the_statistics_of_its_own_number_alone)
{
  anet_supernet *supernet = small_supernet();
  anet_bundle *bundle = bundle_with(supernet, four);
  anet_net *oracle, *net;
  const uint8_t keep[MOST_POSITIONS] = {0};
  const char *const all[] = {"gamma", "beta", "mean", "var"};
  CHECK_OK(anet_supernet_subnet(supernet, keep, &oracle));
  for (int32_t number = 0; number <= 4; number++)
    for (int32_t i = 0; i < 4; i++)
      set_param(bundle, supernet, number, all[i], 10.0F * (float)number + 1);
  for (int32_t rung = 1; rung <= 2; rung++) { /* the second and the first of the text */
    CHECK_OK(anet_bundle_rung(bundle, supernet, rung, &net));
    for (int32_t i = 0; i < 4;
         i++) { /* gamma and beta are no statistics, the first is not recalibrated */
      const double more = i >= 2 && rung == 1 ? 21 : 0;
      CHECK_NEAR(param_of(net, all[i]), param_of(oracle, all[i]) + more, 1e-5);
    }
    anet_net_release(net);
  }
  anet_net_release(oracle);
  anet_bundle_release(bundle);
  anet_supernet_release(supernet);
}

/* Of `count` rungs, rung i taking i + 1 ms. */
static anet_bundle *long_ladder(anet_supernet *supernet, int32_t count)
{
  static char text[300 * 100];
  size_t used = (size_t)snprintf(text, sizeof text, "{\"rungs\": [");
  for (int32_t i = 0; i < count; i++)
    used += (size_t)snprintf(
        text + used, sizeof text - used,
        "%s{\"genome\": \"%d00\", \"predicted_ms\": 1, \"measured_ms\": %d, \"score\": 0.%03d}",
        i ? ", " : "", (int)(i % 2), (int)i + 1, (int)i + 1);
  snprintf(text + used, sizeof text - used, "]}");
  return bundle_with(supernet, text);
}

TEST(a_ladder_has_as_many_rungs_as_there_is_room_for)
{
  anet_supernet *supernet = small_supernet();
  anet_bundle *most = long_ladder(supernet, 256), *more = long_ladder(supernet, 257);
  anet_ladder *ladder;
  anet_net *net;
  CHECK_OK(anet_bundle_rung(most, supernet, 255, &net));
  anet_net_release(net);
  CHECK_FAILS(anet_bundle_rung(most, supernet, 256, &net), ANET_RANGE,
              "rung 256 of a ladder of 256");
  CHECK_FAILS(anet_bundle_rung(more, supernet, 0, &net), ANET_FORMAT, "257 rungs, at most 256");
  CHECK_FAILS(anet_bundle_ladder(more, 1, &ladder), ANET_FORMAT, "257 rungs, at most 256");
  anet_bundle_release(more);
  anet_bundle_release(most);
  anet_supernet_release(supernet);
}

TEST(its_plans_are_for_as_many_images_as_asked_for)
{
  anet_supernet *supernet = small_supernet();
  anet_bundle *bundle = bundle_with(supernet, four);
  anet_ladder *ladder;
  anet_plan_info info;
  CHECK_OK(anet_bundle_ladder(bundle, 5, &ladder));
  for (int32_t i = 0; i < 3; i++) {
    anet_plan_read(anet_ladder_plan(ladder, i), &info);
    CHECK_EQ_I(info.batch, 5);
  }
  anet_ladder_release(ladder);
  CHECK_EQ_I(anet_bundle_ladder(bundle, 0, &ladder), ANET_RANGE);
  CHECK(!ladder);
  anet_bundle_release(bundle);
  anet_supernet_release(supernet);
}

TEST(an_order_has_the_fastest_first_and_none_that_is_dominated)
{
  const anet_rung rungs[] = {
      {"oracle", 9, 9, 0.9},  {"as good, faster", 5, 5, 0.9},
      {"fast", 1, 1, 0.5},    {"twin of fast", 1, 1, 0.5},
      {"slow", 8, 8, 0.4},    {"as fast, better", 1, 1, 0.6},
      {"best", 12, 12, 0.95},
  };
  int32_t order[ANET_COUNT(rungs)];
  CHECK_EQ_I(anet_rung_order(rungs, ANET_COUNT(rungs), order), 3);
  CHECK_EQ_S(rungs[order[0]].genome, "as fast, better");
  CHECK_EQ_S(rungs[order[1]].genome, "as good, faster");
  CHECK_EQ_S(rungs[order[2]].genome, "best");
  CHECK_EQ_I(anet_rung_order(rungs + 2, 2, order), 1);
  CHECK_EQ_S(rungs[2 + order[0]].genome, "fast");
  CHECK_EQ_I(anet_rung_order(rungs, 0, order), 0);
}

TEST(what_is_wrong_is_said)
{
  static const struct {
    const char *ladder, *message;
    int status;
  } wrong[] = {
      {"{}", "'rungs' is missing", ANET_FORMAT},
      {"{\"rungs\": [{}]}", "'genome' is missing", ANET_FORMAT},
      {"{\"rungs\": [{\"genome\": \"00000\", \"predicted_ms\": 1, \"measured_ms\": 1, \"score\": "
       "1}]}",
       "00000", ANET_RANGE},
      {"{\"rungs\": [{\"genome\": \"000\", \"predicted_ms\": 1, \"measured_ms\": \"1\", \"score\": "
       "1}]}",
       "'measured_ms' is a string", ANET_FORMAT},
      {"{\"rungs\": [{\"genome\": \"000\", \"predicted_ms\": [], \"measured_ms\": 1, \"score\": "
       "1}]}",
       "'predicted_ms' is an array", ANET_FORMAT},
      {"{\"rungs\": [{\"genome\": \"000\", \"predicted_ms\": 1, \"measured_ms\": 1}]}",
       "'score' is missing", ANET_FORMAT},
      {"{\"rungs\": [{\"genome\": 0, \"predicted_ms\": 1, \"measured_ms\": 1, \"score\": 1}]}",
       "'genome' is", ANET_FORMAT},
      {"{\"rungs\": {}}", "'rungs' is an object", ANET_FORMAT},
      {"{\"rungs\": [{\"genome\": \"000\", \"predicted_ms\": 1, \"measured_ms\": 0, \"score\": "
       "1}]}",
       "measured time 0 ms", ANET_RANGE},
  };
  anet_supernet *supernet = small_supernet();
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    anet_bundle *bundle = bundle_with(supernet, wrong[i].ladder);
    anet_ladder *ladder;
    anet_net *net;
    CHECK_FAILS(anet_bundle_ladder(bundle, 1, &ladder), wrong[i].status, wrong[i].message);
    CHECK(!ladder);
    CHECK_FAILS(anet_bundle_rung(bundle, supernet, 0, &net), wrong[i].status, wrong[i].message);
    CHECK(!net);
    anet_bundle_release(bundle);
  }
  anet_supernet_release(supernet);
}

TEST(absent_and_beyond_are_named)
{
  anet_supernet *supernet = small_supernet();
  anet_bundle *bundle = bundle_with(supernet, four);
  anet_ladder *ladder;
  anet_net *net;
  CHECK_FAILS(anet_bundle_rung(bundle, supernet, 3, &net), ANET_RANGE, "rung 3 of a ladder of 3");
  CHECK_FAILS(anet_bundle_rung(bundle, supernet, -1, &net), ANET_RANGE, "rung -1 of a ladder of 3");
  CHECK(!net);
  CHECK_OK(anet_bundle_set_text(bundle, "ladder", NULL));
  CHECK_EQ_I(anet_bundle_rung(bundle, supernet, 0, &net), ANET_ABSENT);
  CHECK_EQ_I(anet_bundle_ladder(bundle, 1, &ladder), ANET_ABSENT);
  anet_bundle_release(bundle);
  anet_supernet_release(supernet);
}

TEST(a_statistic_of_another_shape_is_refused)
{
  const anet_shape shape = {1, {3}};
  anet_supernet *supernet = small_supernet();
  anet_bundle *bundle = bundle_with(supernet, four);
  anet_ladder *ladder;
  anet_net *net;
  anet_tensor *odd;
  set_statistic(bundle, supernet, 2);
  CHECK_OK(anet_tensor_new(ANET_F32, &shape, &odd));
  for (int32_t i = 0; i < anet_bundle_tensors(bundle); i++) {
    const char *name = anet_bundle_tensor_name(bundle, i);
    if (strncmp(name, "ladder/", 7) == 0) CHECK_OK(anet_bundle_set_tensor(bundle, name, odd));
  }
  CHECK_EQ_I(anet_bundle_ladder(bundle, 1, &ladder), ANET_SHAPE);
  CHECK(!ladder);
  CHECK_EQ_I(anet_bundle_rung(bundle, supernet, 1, &net), ANET_SHAPE);
  CHECK(!net);
  anet_tensor_release(odd);
  anet_bundle_release(bundle);
  anet_supernet_release(supernet);
}

static int open_ladder(void *bundle)
{
  anet_ladder *ladder;
  const int rc = anet_bundle_ladder(bundle, 1, &ladder);
  anet_ladder_release(ladder);
  return rc;
}

static int sort_again(void *ladder)
{
  return anet_ladder_sort(ladder);
}

TEST(each_allocation_may_fail)
{
  anet_ladder *ladder;
  anet_supernet *supernet = small_supernet();
  anet_bundle *bundle = bundle_with(supernet, four);
  set_statistic(bundle, supernet, 2);
  test_each_allocation(open_ladder, bundle);
  CHECK_OK(anet_bundle_ladder(bundle, 1, &ladder));
  test_each_allocation(sort_again, ladder);
  CHECK_EQ_I(anet_ladder_count(ladder), 3);
  anet_ladder_release(ladder);
  anet_bundle_release(bundle);
  anet_supernet_release(supernet);
}

TEST_MAIN(CASE(a_ladder_comes_back_sorted_and_with_its_statistics),
          CASE(a_rung_has_the_statistics_of_its_own_number_alone),
          CASE(a_ladder_has_as_many_rungs_as_there_is_room_for),
          CASE(its_plans_are_for_as_many_images_as_asked_for),
          CASE(an_order_has_the_fastest_first_and_none_that_is_dominated),
          CASE(what_is_wrong_is_said), CASE(absent_and_beyond_are_named),
          CASE(a_statistic_of_another_shape_is_refused), CASE(each_allocation_may_fail))
