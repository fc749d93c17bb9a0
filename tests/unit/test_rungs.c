/* The order of rungs by hand, and what a ladder refuses in which words. */
#include <math.h>
#include "edge/ladder.h"
#include "support/fault.h"
#include "support/test.h"

/* ---- order -------------------------------------------------------------------------------- */

/* The order of rungs of these times and accuracies, as a text. */
static const char *order_of(int32_t count, const double (*figures)[2])
{
  static char text[64];
  anet_rung rung[16] = {{0}};
  int32_t order[16];
  char *at = text;
  *at = '\0';
  for (int32_t i = 0; i < count; i++) {
    rung[i].measured_ms = figures[i][0];
    rung[i].accuracy = figures[i][1];
    rung[i].predicted_ms = -figures[i][0]; /* which does not count */
  }
  const int32_t kept = anet_rung_order(rung, count, order);
  for (int32_t i = 0; i < kept; i++) at += sprintf(at, "%d ", (int)order[i]);
  return text;
}

#define CHECK_ORDER(want, ...)                                                                     \
  CHECK_EQ_S(order_of((int32_t)(sizeof((const double[][2]){__VA_ARGS__}) / (2 * sizeof(double))),  \
                      (const double[][2]){__VA_ARGS__}),                                           \
             want)

TEST(fastest_first_and_none_dominated)
{
  CHECK_EQ_S(order_of(0, NULL), "");
  CHECK_ORDER("0 ", {5, 0.5});
  CHECK_ORDER("0 1 ", {1, 0.5}, {2, 0.6});
  CHECK_ORDER("1 0 ", {2, 0.6}, {1, 0.5});
  CHECK_ORDER("1 ", {2, 0.5}, {1, 0.6}); /* slower and worse */
  CHECK_ORDER("0 ", {1, 0.5}, {2, 0.5}); /* slower and no better */
  CHECK_ORDER("1 ", {1, 0.5}, {1, 0.6}); /* as fast and worse */
  CHECK_ORDER("0 ", {1, 0.5}, {1, 0.5}); /* alike: the first stays */
  CHECK_ORDER("2 0 ", {3, 0.9}, {2, 0.4}, {1, 0.5});
  CHECK_ORDER("3 2 0 ", {4, 0.9}, {3, 0.6}, {2, 0.7}, {1, 0.1});
  CHECK_ORDER("0 ", {1, -0.5}, {2, -0.6}); /* any number may be a merit */
}

/* ---- ladders ------------------------------------------------------------------------------ */

/* Inputs and outputs of these features. */
static anet_plan *plan_of(int32_t inputs, int32_t in, int32_t outputs, int32_t out)
{
  const anet_shape shape = {1, {in}};
  const anet_attr wide = {.channels = out};
  anet_net *net;
  anet_plan *plan = NULL;
  int32_t value[2], y;
  CHECK_OK(anet_net_new(&net));
  for (int32_t i = 0; i < inputs; i++)
    CHECK_OK(anet_net_input(net, i ? "b" : "a", &shape, &value[i]));
  CHECK_OK(anet_net_add(net, "add", NULL, NULL, (int32_t[]){value[0], value[inputs - 1]}, 2, &y));
  CHECK_OK(anet_net_add(net, "linear", NULL, &wide, &y, 1, &y));
  for (int32_t i = 0; i < outputs; i++) CHECK_OK(anet_net_output(net, y));
  CHECK_OK(anet_net_init(net, 1));
  CHECK_OK(anet_plan_new(net, 1, &plan));
  anet_net_release(net);
  return plan;
}

static void refused(anet_ladder *ladder, anet_plan *plan, const char *words)
{
  const anet_rung rung = {"0", 1, 1, 0.5};
  const int32_t before = anet_ladder_count(ladder);
  CHECK_FAILS(anet_ladder_add(ladder, plan, &rung), ANET_SHAPE, words);
  CHECK_EQ_I(anet_ladder_count(ladder), before);
  anet_plan_release(plan);
}

TEST(plans_take_and_give_the_same)
{
  anet_ladder *ladder;
  anet_plan *first = plan_of(2, 4, 2, 3);
  const anet_rung rung = {"0", 1, 1, 0.5};
  CHECK_OK(anet_ladder_new(&ladder));
  CHECK_OK(anet_ladder_add(ladder, first, &rung));
  refused(ladder, plan_of(1, 4, 2, 3), "ladder: the plan has 1 inputs, the rungs have 2");
  refused(ladder, plan_of(2, 4, 1, 3), "ladder: the plan has 1 outputs, the rungs have 2");
  refused(ladder, plan_of(2, 5, 2, 3), "ladder: the plan's input 0 is (5), the rungs' is (4)");
  refused(ladder, plan_of(2, 4, 2, 7), "ladder: the plan's output 0 is (7), the rungs' is (3)");
  anet_plan_release(first);
  CHECK(anet_ladder_plan(ladder, 0) == first); /* which the ladder keeps */
  CHECK(anet_ladder_plan(ladder, 1) == NULL);
  anet_ladder_release(ladder);
  anet_ladder_release(NULL);
  CHECK(anet_ladder_retain(NULL) == NULL);
}

TEST(figures_are_numbers)
{
  static const struct {
    double ms, accuracy;
    const char *words;
  } wrong[] = {
      {0, 0.5, "ladder: measured time 0 ms, want more than 0"},
      {-1, 0.5, "measured time -1 ms"},
      {NAN, 0.5, "measured time nan ms"},
      {INFINITY, 0.5, "measured time inf ms"},
      {1, NAN, "ladder: accuracy nan, want a number"},
      {1, INFINITY, "ladder: accuracy inf"},
  };
  for (int32_t i = 0; i < ANET_COUNT(wrong); i++)
    CHECK_FAILS(anet__rung_check(&(anet_rung){NULL, 1, wrong[i].ms, wrong[i].accuracy}), ANET_RANGE,
                wrong[i].words);
  CHECK_OK(anet__rung_check(&(anet_rung){NULL, NAN, 1e-300, -7}));
}

static anet_ladder *three_rungs(anet_plan *plan)
{
  static const anet_rung rung[] = {{"c", 3, 3, 0.9}, {"b", 1, 2, 0.4}, {"a", 2, 1, 0.5}};
  anet_ladder *ladder;
  CHECK_OK(anet_ladder_new(&ladder));
  for (int32_t i = 0; i < 3; i++) CHECK_OK(anet_ladder_add(ladder, plan, &rung[i]));
  return ladder;
}

static void check_rungs(anet_ladder *ladder, const char *want)
{
  char text[64] = "";
  anet_rung rung;
  for (int32_t i = 0; i < anet_ladder_count(ladder); i++) {
    CHECK_OK(anet_ladder_get(ladder, i, &rung));
    strcat(text, rung.genome);
  }
  CHECK_EQ_S(text, want);
}

TEST(sorting_without_memory_changes_nothing)
{
  anet_plan *plan = plan_of(1, 4, 1, 3);
  for (int32_t nth = 0; nth < 3; nth++) {
    anet_ladder *ladder = three_rungs(plan);
    anet__alloc_arm(nth);
    const int rc = anet_ladder_sort(ladder);
    anet__alloc_arm(-1);
    CHECK_EQ_I(rc, ANET_NOMEM);
    check_rungs(ladder, "cba");
    CHECK_OK(anet_ladder_sort(ladder));
    check_rungs(ladder, "ac");
    anet_ladder_release(ladder);
  }
  anet_ladder *empty;
  CHECK_OK(anet_ladder_new(&empty));
  CHECK_OK(anet_ladder_sort(empty));
  CHECK_EQ_I(anet_ladder_count(empty), 0);
  anet_ladder_release(empty);
  anet_plan_release(plan);
}

TEST(a_ladder_is_gone_with_its_last_holder)
{
  anet__alloc_stats before, after;
  anet_rung rung;
  anet_plan *plan = plan_of(1, 4, 1, 3);
  anet__alloc_read(&before);
  anet_ladder *ladder = three_rungs(plan);
  CHECK(anet_ladder_retain(ladder) == ladder);
  anet_ladder_release(ladder);
  CHECK_OK(anet_ladder_get(ladder, 2, &rung));
  CHECK_FAILS(anet_ladder_get(ladder, 3, &rung), ANET_RANGE, "ladder: rung 3 of 3");
  CHECK_FAILS(anet_ladder_get(ladder, -1, &rung), ANET_RANGE, "ladder: rung -1 of 3");
  CHECK_OK(anet_ladder_sort(ladder));
  anet_ladder_release(ladder);
  anet__alloc_read(&after);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
  anet_plan_release(plan);
}

TEST_MAIN(CASE(fastest_first_and_none_dominated), CASE(plans_take_and_give_the_same),
          CASE(figures_are_numbers), CASE(sorting_without_memory_changes_nothing),
          CASE(a_ladder_is_gone_with_its_last_holder))
