/* Ladders, what a session sees, and the built-in policy in simulated time. */
#include <math.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "edge/ladder.h"
#include "edge/session.h"
#include "support/fault.h"
#include "support/test.h"

enum { FEATURES = 12, CLASSES = 5, RUNGS = 5 };
static const double RUNG_MS[RUNGS] = {3, 4.5, 6, 8, 10};

/* ---- small worlds ------------------------------------------------------------------------- */

/* A perceptron: rungs need plans that run, not plans that are good. */
static anet_plan *small_plan(int32_t hidden, int32_t classes)
{
  const anet_shape shape = {1, {FEATURES}};
  const anet_attr wide = {.channels = hidden, .bias = 1}, last = {.channels = classes, .bias = 1};
  anet_net *net;
  anet_plan *plan = NULL;
  int32_t value;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "x", &shape, &value));
  CHECK_OK(anet_net_add(net, "linear", NULL, &wide, &value, 1, &value));
  CHECK_OK(anet_net_add(net, "relu", NULL, NULL, &value, 1, &value));
  CHECK_OK(anet_net_add(net, "linear", NULL, &last, &value, 1, &value));
  CHECK_OK(anet_net_output(net, value));
  CHECK_OK(anet_net_init(net, hidden));
  CHECK_OK(anet_plan_new(net, 2, &plan));
  anet_net_release(net);
  return plan;
}

static anet_ladder *small_ladder(void)
{
  anet_ladder *ladder;
  CHECK_OK(anet_ladder_new(&ladder));
  for (int32_t i = 0; i < RUNGS; i++) {
    anet_plan *plan = small_plan(8 * (i + 1), CLASSES);
    const anet_rung rung = {"00", RUNG_MS[i], RUNG_MS[i], 0.5 + 0.1 * i};
    CHECK_OK(anet_ladder_add(ladder, plan, &rung));
    anet_plan_release(plan);
  }
  return ladder;
}

static anet_session *small_session(anet_session_policy policy, double budget_ms)
{
  anet_ladder *ladder = small_ladder();
  const anet_session_desc desc = {.budget_ms = budget_ms, .policy = policy, .rung = -1};
  anet_session *session;
  CHECK_OK(anet_session_new(ladder, NULL, &desc, &session));
  anet_ladder_release(ladder); /* the session needs it no more */
  return session;
}

static int32_t rung_of(anet_session *session)
{
  anet_state state;
  CHECK_OK(anet_session_read(session, &state));
  return state.rung;
}

/* One simulated frame under `load`, +- jitter; whether the rung changed. */
static int32_t frame(anet_session *session, anet_rng *rng, double load, double jitter)
{
  const int32_t rung = rung_of(session);
  const double noise = 1 + jitter * (2 * anet_rng_uniform(rng) - 1);
  anet__session_note(session, RUNG_MS[rung] * load * noise);
  return rung_of(session) != rung;
}

static int32_t frames(anet_session *session, anet_rng *rng, double load, double jitter, int32_t n)
{
  int32_t switches = 0;
  for (int32_t i = 0; i < n; i++) switches += frame(session, rng, load, jitter);
  return switches;
}

/* ---- the ladder --------------------------------------------------------------------------- */

TEST(sorting_keeps_exactly_the_front)
{
  enum { COUNT = 40 };
  anet_plan *plan = small_plan(8, CLASSES);
  for (int32_t seed = 0; seed < 20; seed++) {
    anet_rng rng;
    anet_ladder *ladder;
    anet_rung all[COUNT], rung, before = {.accuracy = -1};
    anet_rng_seed(&rng, seed);
    CHECK_OK(anet_ladder_new(&ladder));
    for (int32_t i = 0; i < COUNT; i++) {
      all[i] = (anet_rung){"0", 1, anet_rng_int(&rng, 1, 20), 0.05 * anet_rng_int(&rng, 0, 20)};
      CHECK_OK(anet_ladder_add(ladder, plan, &all[i]));
    }
    CHECK_OK(anet_ladder_sort(ladder));
    for (int32_t k = 0; k < anet_ladder_count(ladder); k++, before = rung) {
      CHECK_OK(anet_ladder_get(ladder, k, &rung));
      CHECK(rung.measured_ms > before.measured_ms && rung.accuracy > before.accuracy);
    }
    for (int32_t i = 0; i < COUNT; i++) { /* whatever was dropped has one that is no worse */
      bool matched = false;
      for (int32_t k = 0; k < anet_ladder_count(ladder); k++) {
        CHECK_OK(anet_ladder_get(ladder, k, &rung));
        matched |= rung.measured_ms <= all[i].measured_ms && rung.accuracy >= all[i].accuracy;
      }
      CHECK(matched);
    }
    anet_ladder_release(ladder);
  }
  anet_plan_release(plan);
}

TEST(a_ladder_refuses_what_does_not_fit)
{
  anet_ladder *ladder = small_ladder();
  anet_plan *other = small_plan(8, CLASSES + 1);
  anet_rung rung = {NULL, 1, 1, 0.5};
  CHECK_FAILS(anet_ladder_add(ladder, other, &rung), ANET_SHAPE, "(6)");
  rung.measured_ms = 0;
  CHECK_FAILS(anet_ladder_add(ladder, other, &rung), ANET_RANGE, "0 ms");
  rung = (anet_rung){NULL, 1, 1, NAN};
  CHECK_FAILS(anet_ladder_add(ladder, other, &rung), ANET_RANGE, "accuracy");
  CHECK_FAILS(anet_ladder_get(ladder, RUNGS, &rung), ANET_RANGE, "5 of 5");
  CHECK(anet_ladder_plan(ladder, -1) == NULL);
  CHECK_EQ_I(anet_ladder_count(ladder), RUNGS);
  anet_plan_release(other);
  anet_ladder_release(ladder);
}

TEST(a_ladder_keeps_its_own_genomes)
{
  char text[] = "0-1";
  anet_ladder *ladder;
  anet_plan *plan = small_plan(8, CLASSES);
  anet_rung rung = {text, 2, 1, 0.5};
  CHECK_OK(anet_ladder_new(&ladder));
  CHECK_OK(anet_ladder_add(ladder, plan, &rung));
  anet_plan_release(plan);
  memset(text, 'x', sizeof text - 1);
  CHECK_OK(anet_ladder_get(ladder, 0, &rung));
  CHECK_EQ_S(rung.genome, "0-1");
  CHECK(rung.predicted_ms == 2 && rung.measured_ms == 1);
  anet_ladder_release(ladder);
}

/* ---- starting a session ------------------------------------------------------------------- */

TEST(the_first_rung_is_the_best_that_fits)
{
  const double budget[] = {1, 3, 4.4, 7, 100};
  const int32_t want[] = {0, 0, 0, 2, RUNGS - 1};
  for (int32_t i = 0; i < ANET_COUNT(want); i++) {
    anet_session *session = small_session(ANET_POLICY_FIXED, budget[i]);
    CHECK_EQ_I(rung_of(session), want[i]);
    anet_session_release(session);
  }
}

TEST(a_session_refuses_what_makes_no_sense)
{
  anet_ladder *ladder = small_ladder(), *empty;
  anet_session *session;
  anet_plan *plan = small_plan(8, CLASSES);
  const anet_rung fast = {NULL, 1, 1, 0.4};
  anet_session_desc desc = {.budget_ms = 5, .rung = RUNGS};
  CHECK_OK(anet_ladder_new(&empty));
  CHECK_FAILS(anet_session_new(empty, NULL, &desc, &session), ANET_STATE, "no rung");
  CHECK(session == NULL);
  CHECK_FAILS(anet_session_new(ladder, NULL, &desc, &session), ANET_RANGE, "first rung 5");
  desc = (anet_session_desc){.budget_ms = 0};
  CHECK_FAILS(anet_session_new(ladder, NULL, &desc, &session), ANET_RANGE, "0 ms");
  desc = (anet_session_desc){.budget_ms = NAN};
  CHECK_FAILS(anet_session_new(ladder, NULL, &desc, &session), ANET_RANGE, "nan");
  desc = (anet_session_desc){.budget_ms = 5, .policy = 7};
  CHECK_FAILS(anet_session_new(ladder, NULL, &desc, &session), ANET_RANGE, "policy 7");
  desc = (anet_session_desc){.budget_ms = 5, .window = -3};
  CHECK_FAILS(anet_session_new(ladder, NULL, &desc, &session), ANET_RANGE, "-3");
  CHECK_OK(anet_ladder_add(ladder, plan, &fast));
  desc = (anet_session_desc){.budget_ms = 5};
  CHECK_FAILS(anet_session_new(ladder, NULL, &desc, &session), ANET_STATE, "not sorted");
  CHECK_OK(anet_ladder_sort(ladder));
  CHECK_OK(anet_session_new(ladder, NULL, &desc, &session));
  CHECK_FAILS(anet_session_switch(session, 99), ANET_RANGE, "99");
  CHECK_FAILS(anet_session_budget(session, -1), ANET_RANGE, "-1");
  CHECK_FAILS(anet_session_deadline(session, NAN), ANET_RANGE, "nan");
  anet_session_release(session);
  anet_plan_release(plan);
  anet_ladder_release(empty);
  anet_ladder_release(ladder);
}

static int make_session(void *context)
{
  const anet_session_desc desc = {.budget_ms = 5};
  anet_session *session;
  const int rc = anet_session_new(context, NULL, &desc, &session);
  anet_session_release(session);
  return rc;
}

static int make_ladder(void *context)
{
  const anet_rung rung = {"0", 1, 1, 1};
  anet_ladder *ladder;
  int rc = anet_ladder_new(&ladder);
  for (int32_t i = 0; i < 10 && !rc; i++) rc = anet_ladder_add(ladder, context, &rung);
  anet_ladder_release(ladder);
  return rc;
}

TEST(every_allocation_may_fail)
{
  anet_ladder *ladder = small_ladder();
  test_each_allocation(make_session, ladder);
  test_each_allocation(make_ladder, anet_ladder_plan(ladder, 0));
  anet_ladder_release(ladder);
}

/* ---- frames ------------------------------------------------------------------------------- */

static void check_frame(anet_session *session, anet_ladder *ladder, int32_t rung, const float *in)
{
  float out[2 * CLASSES], want[2 * CLASSES], *to = want;
  anet_plan *plan = anet_ladder_plan(ladder, rung);
  anet_workspace *workspace;
  CHECK_OK(anet_workspace_new(plan, NULL, &workspace));
  CHECK_OK(anet_run(plan, workspace, &in, &to, 2));
  CHECK_OK(anet_session_run(session, in, out, 2));
  CHECK(memcmp(out, want, sizeof out) == 0);
  anet_workspace_release(workspace);
}

TEST(a_frame_is_the_plan_of_its_rung)
{
  float in[2 * FEATURES];
  anet_session *session = small_session(ANET_POLICY_HOST, 100);
  anet_ladder *ladder = small_ladder();
  anet_state state;
  for (int32_t i = 0; i < ANET_COUNT(in); i++) in[i] = sinf((float)i);
  for (int32_t i = 0; i < 3 * RUNGS; i++) {
    const int32_t rung = (i * 2) % RUNGS;
    CHECK_OK(anet_session_switch(session, rung));
    check_frame(session, ladder, rung, in);
    CHECK_OK(anet_session_read(session, &state));
    CHECK_EQ_I(state.rung, rung);
    CHECK_EQ_I(state.frames, i + 1);
    CHECK_EQ_I(state.frames_on_rung, 1);
    CHECK(state.last_ms > 0);
  }
  float out[CLASSES];
  CHECK_FAILS(anet_session_run(session, in, out, 3), ANET_RANGE, "3");
  anet_ladder_release(ladder);
  anet_session_release(session);
}

TEST(frames_and_readings_allocate_nothing)
{
  float in[FEATURES] = {1}, out[CLASSES];
  anet_session *session = small_session(ANET_POLICY_HYSTERESIS, 1e-6); /* late at once */
  anet__alloc_stats before, after;
  anet_state state;
  CHECK_OK(anet_session_switch(session, RUNGS - 1));
  anet__alloc_read(&before);
  for (int32_t i = 0; i < 200; i++) {
    CHECK_OK(anet_session_run(session, in, out, 1));
    CHECK_OK(anet_session_read(session, &state));
    CHECK_OK(anet_session_switch(session, i % RUNGS));
  }
  anet__alloc_read(&after);
  CHECK_EQ_I(after.calls, before.calls);
  anet_session_release(session);
}

TEST(host_and_fixed_sessions_stay_where_they_are)
{
  for (int32_t policy = ANET_POLICY_HOST; policy <= ANET_POLICY_FIXED; policy++) {
    anet_session *session = small_session((anet_session_policy)policy, 11);
    anet_rng rng;
    anet_rng_seed(&rng, 1);
    CHECK_EQ_I(frames(session, &rng, 5, 0.1, 200), 0);
    anet_session_release(session);
  }
}

/* ---- what is seen ------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

TEST(quantiles_are_of_the_window_on_this_rung)
{
  enum { WINDOW = 32 };
  anet_session *session = small_session(ANET_POLICY_HOST, 10);
  anet_rng rng;
  anet_state state;
  double all[200], last[WINDOW];
  anet_rng_seed(&rng, 3);
  CHECK_OK(anet_session_read(session, &state));
  CHECK(state.last_ms < 0 && state.p50_ms < 0 && state.slowdown < 0 && state.late < 0);
  for (int32_t i = 0; i < ANET_COUNT(all); i++) {
    all[i] = 5 + 10 * anet_rng_uniform(&rng);
    anet__session_note(session, all[i]);
    CHECK_OK(anet_session_read(session, &state));
    const int32_t n = ANET_MIN(i + 1, WINDOW);
    double late = 0;
    for (int32_t k = 0; k < n; k++) {
      last[k] = all[i - k];
      late += last[k] > 10;
    }
    qsort(last, (size_t)n, sizeof *last, by_value);
    CHECK_NEAR(state.last_ms, all[i], 0);
    CHECK_NEAR(state.late, late / n, 1e-12);
    CHECK(state.p50_ms >= last[(n - 1) / 2] && state.p50_ms <= last[n / 2]);
    CHECK(state.p99_ms <= last[n - 1] && state.p99_ms >= state.p90_ms &&
          state.p90_ms >= state.p50_ms);
    CHECK_NEAR(state.slowdown, state.p50_ms / RUNG_MS[RUNGS - 1], 1e-9);
  }
  CHECK_OK(anet_session_switch(session, 0));
  CHECK_OK(anet_session_read(session, &state));
  CHECK(state.p50_ms < 0 && state.slowdown > 0); /* the slowdown is the machine's, not the rung's */
  anet_session_release(session);
}

TEST(drift_is_the_change_since_a_rungs_first_frames)
{
  anet_session *session = small_session(ANET_POLICY_HOST, 10);
  anet_state state;
  const double sure[] = {0.9, 0.7}; /* a small rung is less sure: that is no drift */
  for (int32_t rung = 0; rung < 2; rung++) {
    CHECK_OK(anet_session_switch(session, rung));
    for (int32_t i = 0; i < 40; i++) anet__session_top(session, sure[rung]);
  }
  CHECK_OK(anet_session_read(session, &state));
  CHECK_NEAR(state.drift, 0, 1e-9);
  for (int32_t i = 0; i < 40; i++) anet__session_top(session, sure[1] - 0.25);
  CHECK_OK(anet_session_read(session, &state));
  CHECK_NEAR(state.drift, -0.25, 1e-9);
  anet_session_release(session);
}

TEST(deadlines_are_of_one_frame)
{
  float in[FEATURES] = {0}, out[CLASSES];
  anet_session *session = small_session(ANET_POLICY_HOST, 10);
  anet_state state;
  CHECK_OK(anet_session_read(session, &state));
  CHECK(state.time_left_ms < 0);
  CHECK_OK(anet_session_deadline(session, 1000));
  CHECK_OK(anet_session_read(session, &state));
  CHECK(state.time_left_ms > 500 && state.time_left_ms <= 1000);
  CHECK_OK(anet_session_run(session, in, out, 1));
  CHECK_OK(anet_session_read(session, &state));
  CHECK(state.time_left_ms < 0);
  anet_session_release(session);
}

/* ---- the built-in policy ------------------------------------------------------------------ */

/* The load rises at once and falls at once. Each time: within 20 frames, in at most 2 switches. */
TEST(a_change_of_load_is_met_within_20_frames)
{
  for (int32_t seed = 0; seed < 200; seed++) {
    const double budget = 11, load = 1.6 + 0.1 * (seed % 14), jitter = 0.02 + 0.01 * (seed % 7);
    anet_session *session = small_session(ANET_POLICY_HYSTERESIS, budget);
    anet_rng rng;
    anet_rng_seed(&rng, seed);
    const int32_t top = rung_of(session);
    CHECK_EQ_I(frames(session, &rng, 0.8, jitter, 100), 0);

    int32_t switches = frames(session, &rng, load, jitter, 20);
    const int32_t low = rung_of(session);
    const bool fits = RUNG_MS[low] * load <= budget || low == 0;
    switches += frames(session, &rng, load, jitter, 200);
    test_checks++;
    if (!fits || switches > 2)
      TEST_FAIL("seed %d: load %g: rung %d after 20 frames, %d switches", seed, load, low,
                switches);

    switches = frames(session, &rng, 0.8, jitter, 20);
    test_checks++;
    if (rung_of(session) != top || switches > 2)
      TEST_FAIL("seed %d: load %g gone: rung %d of %d after 20 frames, %d switches", seed, load,
                rung_of(session), top, switches);
    anet_session_release(session);
  }
}

/* As if the rung to go to were known: one switch, not rung by rung. */
TEST(a_heavy_load_is_met_in_one_switch)
{
  anet_session *session = small_session(ANET_POLICY_HYSTERESIS, 11);
  anet_rng rng;
  anet_rng_seed(&rng, 5);
  frames(session, &rng, 1, 0.02, 50);
  CHECK_EQ_I(rung_of(session), RUNGS - 1);
  CHECK_EQ_I(frames(session, &rng, 2.2, 0.05, 300), 1);
  CHECK_EQ_I(rung_of(session), 1); /* 4.5 * 2.2 = 9.9 */
  anet_session_release(session);
}

TEST(single_spikes_move_nothing)
{
  anet_session *session = small_session(ANET_POLICY_HYSTERESIS, 11);
  anet_rng rng;
  int32_t switches = 0;
  anet_rng_seed(&rng, 7);
  for (int32_t i = 0; i < 2000; i++) {
    const bool spike = i % 9 == 4 || i % 9 == 5; /* pairs of them, even */
    switches += frame(session, &rng, spike ? 6 : 1, 0.03);
  }
  CHECK_EQ_I(switches, 0);
  anet_session_release(session);
}

/* Whatever the load, it is answered and then left alone: also where a rung just about fits. */
TEST(a_constant_load_comes_to_rest)
{
  for (int32_t i = 0; i < 100; i++) {
    const double load = 0.5 + 0.03 * i, jitter = 0.05;
    anet_session *session = small_session(ANET_POLICY_HYSTERESIS, 11);
    anet_rng rng;
    anet_rng_seed(&rng, i);
    int32_t switches = frames(session, &rng, load, jitter, 100);
    const int32_t late = frames(session, &rng, load, jitter, 1000);
    const int32_t rung = rung_of(session);
    test_checks++;
    if (switches > 2 || late > 1 || (rung > 0 && RUNG_MS[rung] * load > 1.03 * 11))
      TEST_FAIL("load %g: rung %d, %d switches in 100 frames, then %d", load, rung, switches, late);
    anet_session_release(session);
  }
}

/* A load that comes and goes: the policy learns to stay down, and never does more than follow. */
TEST(an_oscillating_load_is_followed_less_and_less)
{
  enum { PERIOD = 60, PERIODS = 60 };
  anet_session *session = small_session(ANET_POLICY_HYSTERESIS, 11);
  anet_rng rng;
  int32_t first = 0, last = 0;
  anet_rng_seed(&rng, 11);
  for (int32_t i = 0; i < PERIODS; i++) {
    const int32_t switches =
        frames(session, &rng, 2.2, 0.05, PERIOD / 2) + frames(session, &rng, 0.9, 0.05, PERIOD / 2);
    test_checks++;
    if (switches > 4) TEST_FAIL("period %d: %d switches", i, switches);
    if (i < PERIODS / 3) first += switches;
    if (i >= PERIODS - PERIODS / 3) last += switches;
  }
  if (last > first / 2) TEST_FAIL("%d switches at first, %d at last", first, last);
  frames(session, &rng, 0.9, 0.05, 1000); /* it does not stay down for ever */
  CHECK_EQ_I(rung_of(session), RUNGS - 1);
  anet_session_release(session);
}

TEST(a_new_budget_is_met)
{
  anet_session *session = small_session(ANET_POLICY_HYSTERESIS, 11);
  anet_rng rng;
  anet_rng_seed(&rng, 13);
  frames(session, &rng, 1, 0.03, 30);
  CHECK_OK(anet_session_budget(session, 5.5));
  CHECK_EQ_I(frames(session, &rng, 1, 0.03, 20), 1);
  CHECK_EQ_I(rung_of(session), 1);
  CHECK_OK(anet_session_budget(session, 14));
  CHECK_EQ_I(frames(session, &rng, 1, 0.03, 20), 1);
  CHECK_EQ_I(rung_of(session), RUNGS - 1);
  anet_session_release(session);
}

TEST_MAIN(CASE(sorting_keeps_exactly_the_front), CASE(a_ladder_refuses_what_does_not_fit),
          CASE(a_ladder_keeps_its_own_genomes), CASE(the_first_rung_is_the_best_that_fits),
          CASE(a_session_refuses_what_makes_no_sense), CASE(every_allocation_may_fail),
          CASE(a_frame_is_the_plan_of_its_rung), CASE(frames_and_readings_allocate_nothing),
          CASE(host_and_fixed_sessions_stay_where_they_are),
          CASE(quantiles_are_of_the_window_on_this_rung),
          CASE(drift_is_the_change_since_a_rungs_first_frames), CASE(deadlines_are_of_one_frame),
          CASE(a_change_of_load_is_met_within_20_frames), CASE(a_heavy_load_is_met_in_one_switch),
          CASE(single_spikes_move_nothing), CASE(a_constant_load_comes_to_rest),
          CASE(an_oscillating_load_is_followed_less_and_less), CASE(a_new_budget_is_met))
