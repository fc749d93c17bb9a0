/* Ladders for tests of who picks the rung: plans that run, not plans that are good. */
#ifndef ANET_TEST_RUNGS_H
#define ANET_TEST_RUNGS_H

#include "anet.h"
#include "support/test.h"

enum { RUNGS_FEATURES = 6, RUNGS_CLASSES = 3 };

/* A perceptron. */
static inline anet_plan *small_plan(int32_t hidden)
{
  const anet_shape shape = {1, {RUNGS_FEATURES}};
  const anet_attr wide = {.channels = hidden, .bias = 1},
                  last = {.channels = RUNGS_CLASSES, .bias = 1};
  anet_net *net;
  anet_plan *plan = NULL;
  int32_t value;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "x", &shape, &value));
  CHECK_OK(anet_net_add(net, "linear", NULL, &wide, &value, 1, &value));
  CHECK_OK(anet_net_add(net, "linear", NULL, &last, &value, 1, &value));
  CHECK_OK(anet_net_output(net, value));
  CHECK_OK(anet_net_init(net, hidden));
  CHECK_OK(anet_plan_new(net, 1, &plan));
  anet_net_release(net);
  return plan;
}

/* Rung i takes i + 1 ms and is right on 50 + 10 i % of the images. */
static inline anet_ladder *small_ladder(int32_t rungs)
{
  anet_ladder *ladder;
  CHECK_OK(anet_ladder_new(&ladder));
  for (int32_t i = 0; i < rungs; i++) {
    anet_plan *plan = small_plan(4 * (i + 1));
    const anet_rung rung = {"00", i + 1.0, i + 1.0, 0.5 + 0.1 * i};
    CHECK_OK(anet_ladder_add(ladder, plan, &rung));
    anet_plan_release(plan);
  }
  return ladder;
}

#endif
