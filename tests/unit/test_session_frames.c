/* Sessions on a clock that the test moves: what a frame took, deadlines, charges, who picks, and
 * what is refused in which words. */
#include <fcntl.h>
#include <math.h>

#include "support/moved_clock.h"

#include "base/alloc.h"
#include "edge/session.h"
#include "support/test.h"

enum { CLASSES = 3, RUNGS = 3, MS = 1000000 };
static const double RUNG_MS[RUNGS] = {2, 4, 8};

/* ---- small worlds ------------------------------------------------------------------------- */

/* Answers are its input: logits, of `rows` rows, or twice the same where `outputs` is 2. */
static anet_plan *echo_plan(int32_t rows, int32_t inputs, int32_t outputs)
{
  const anet_shape shape = rows > 1 ? (anet_shape){2, {rows, CLASSES}} : (anet_shape){1, {CLASSES}};
  anet_net *net;
  anet_plan *plan = NULL;
  int32_t value[2];
  CHECK_OK(anet_net_new(&net));
  for (int32_t i = 0; i < inputs; i++)
    CHECK_OK(anet_net_input(net, i ? "y" : "x", &shape, &value[i]));
  CHECK_OK(
      anet_net_add(net, "add", NULL, NULL, (int32_t[]){value[0], value[inputs - 1]}, 2, &value[0]));
  for (int32_t i = 0; i < outputs; i++) CHECK_OK(anet_net_output(net, value[0]));
  CHECK_OK(anet_plan_new(net, 2, &plan));
  anet_net_release(net);
  return plan;
}

static anet_ladder *ladder_of(int32_t rungs, const double *ms)
{
  anet_ladder *ladder;
  anet_plan *plan = echo_plan(1, 1, 1);
  CHECK_OK(anet_ladder_new(&ladder));
  for (int32_t i = 0; i < rungs; i++) {
    const anet_rung rung = {"0", ms[i], ms[i], 0.5 + 0.1 * i};
    CHECK_OK(anet_ladder_add(ladder, plan, &rung));
  }
  anet_plan_release(plan);
  return ladder;
}

static anet_session *session_of(const anet_session_desc *desc)
{
  anet_ladder *ladder = ladder_of(RUNGS, RUNG_MS);
  anet_session *session = NULL;
  CHECK_OK(anet_session_new(ladder, NULL, desc, &session));
  anet_ladder_release(ladder);
  return session;
}

static anet_session *begin(int32_t policy, double budget_ms, int32_t rung)
{
  wall_step = 0;
  return session_of(
      &(anet_session_desc){.budget_ms = budget_ms, .policy = policy, .window = 2, .rung = rung});
}

static anet_state state_of(anet_session *session)
{
  anet_state state;
  const int64_t step = wall_step;
  wall_step = 0;
  CHECK_OK(anet_session_read(session, &state));
  wall_step = step;
  return state;
}

/* A frame of n images with these inputs; the clock goes on by `ms` while it runs. */
static void serve(anet_session *session, const float *in, int32_t n, double ms)
{
  float out[2 * CLASSES];
  wall_step = (int64_t)(ms * MS);
  CHECK_OK(anet_session_run(session, in, out, n));
  wall_step = 0;
  for (int32_t i = 0; i < n * CLASSES; i++) CHECK_NEAR(out[i], 2 * in[i], 1e-6);
}

/* ---- frames ------------------------------------------------------------------------------- */

TEST(a_frame_took_what_the_clock_says)
{
  const float in[CLASSES] = {0, 0, 0};
  anet_session *session = begin(ANET_POLICY_HOST, 6, 1);
  serve(session, in, 1, 5);
  anet_state state = state_of(session);
  CHECK_NEAR(state.last_ms, 5, 1e-9);
  CHECK_NEAR(state.frame_ms, 5, 1e-9);
  CHECK_NEAR(state.slowdown, 5 / RUNG_MS[1], 1e-9);
  CHECK(state.late == 0 && state.frames == 1 && state.budget_ms == 6);
  CHECK_EQ_I(state.rung, 1);
  CHECK_EQ_I(state.rungs, RUNGS);
  serve(session, in, 1, 7);
  CHECK_NEAR(state_of(session).late, 0.5, 1e-12);
  CHECK_OK(anet_session_budget(session, 8));
  serve(session, in, 1, 7.5);
  state = state_of(session);
  CHECK_NEAR(state.late, 0.5, 1e-12); /* what was late stays so, as long as the window has it */
  CHECK(state.budget_ms == 8);
  serve(session, in, 1, 7.5);
  CHECK_NEAR(state_of(session).late, 0, 1e-12);
  anet_session_release(session);
}

static double confidence(const float *in)
{
  double sum = 0, most = fmax(fmax(in[0], in[1]), in[2]);
  for (int32_t i = 0; i < CLASSES; i++) sum += exp(2 * (in[i] - most));
  return 1 / sum;
}

TEST(drift_is_of_the_mean_confidence_of_a_frame)
{
  const float sure[2 * CLASSES] = {2, 0, 0, 0, 3, 1}, less[2 * CLASSES] = {0, 0, 1, 0.5f, 0, 0.25f};
  const double was = (confidence(sure) + confidence(sure + CLASSES)) / 2,
               is = (confidence(less) + confidence(less + CLASSES)) / 2;
  anet_session *session = begin(ANET_POLICY_HOST, 6, 0);
  for (int32_t i = 0; i < 2; i++) serve(session, sure, 2, 1);
  CHECK(state_of(session).drift == 0);
  serve(session, less, 2, 1);
  CHECK_NEAR(state_of(session).drift, is - was, 1e-6);
  serve(session, less, 1, 1);
  CHECK_NEAR(state_of(session).drift, (is - was + confidence(less) - was) / 2, 1e-6);
  anet_session_release(session);
}

TEST(many_rows_of_answers_have_no_confidence)
{
  anet_ladder *ladder;
  anet_session *session;
  anet_plan *plan = echo_plan(2, 1, 1);
  const anet_rung rung = {"0", 1, 1, 0.5};
  float in[2 * CLASSES] = {5}, out[2 * CLASSES];
  CHECK_OK(anet_ladder_new(&ladder));
  CHECK_OK(anet_ladder_add(ladder, plan, &rung));
  CHECK_OK(
      anet_session_new(ladder, NULL, &(anet_session_desc){.budget_ms = 1, .window = 1}, &session));
  for (int32_t i = 0; i < 4; i++, in[0] = 0) CHECK_OK(anet_session_run(session, in, out, 1));
  CHECK(state_of(session).drift == 0);
  anet_session_release(session);
  anet_ladder_release(ladder);
  anet_plan_release(plan);
}

TEST(a_frame_that_fails_is_none)
{
  const float in[3 * CLASSES] = {0};
  float out[3 * CLASSES];
  anet_session *session = begin(ANET_POLICY_HOST, 6, 0);
  CHECK_OK(anet_session_deadline(session, 10));
  CHECK_FAILS(anet_session_run(session, in, out, 3), ANET_RANGE, "3");
  CHECK(state_of(session).frames == 0);
  CHECK_NEAR(state_of(session).time_left_ms, 10, 1e-9); /* its answer is still awaited */
  anet_session_release(session);
}

/* ---- the host's side ---------------------------------------------------------------------- */

TEST(time_left_goes_down_to_nothing)
{
  const float in[CLASSES] = {0};
  anet_session *session = begin(ANET_POLICY_HOST, 6, 0);
  CHECK(state_of(session).time_left_ms == -1);
  CHECK_OK(anet_session_deadline(session, 12.5));
  CHECK_NEAR(state_of(session).time_left_ms, 12.5, 1e-9);
  wall_ns += 8 * MS;
  CHECK_NEAR(state_of(session).time_left_ms, 4.5, 1e-9);
  wall_ns += 8 * MS;
  CHECK(state_of(session).time_left_ms == 0); /* it is late, and -1 would say that there is none */
  serve(session, in, 1, 1);
  CHECK(state_of(session).time_left_ms == -1);
  CHECK_OK(anet_session_deadline(session, 0));
  CHECK(state_of(session).time_left_ms == 0);
  CHECK_OK(anet_session_deadline(session, 1e9));
  CHECK_NEAR(state_of(session).time_left_ms, 1e9, 1e-3);
  CHECK_FAILS(anet_session_deadline(session, -0.1), ANET_RANGE,
              "session: a deadline in -0.1 ms, want 0 .. 1e+09");
  CHECK_FAILS(anet_session_deadline(session, 1.001e9), ANET_RANGE, "1.001e+09 ms");
  CHECK_NEAR(state_of(session).time_left_ms, 1e9, 1e-3); /* what is refused changes nothing */
  anet_session_release(session);
}

TEST(a_charge_is_the_last_frames)
{
  const float in[CLASSES] = {0};
  anet_session *session = begin(ANET_POLICY_HOST, 6, 1);
  CHECK_OK(anet_session_charge(session, 1, 0)); /* before the first frame there is none */
  CHECK(state_of(session).frame_ms == -1 && state_of(session).failures == 0);
  serve(session, in, 1, 5);
  CHECK_OK(anet_session_charge(session, 0, 0));
  CHECK_OK(anet_session_charge(session, 1, 0));
  CHECK_NEAR(state_of(session).frame_ms, 6, 1e-9);
  CHECK(state_of(session).late == 0);
  CHECK_OK(anet_session_charge(session, 0.5, 7));
  anet_state state = state_of(session);
  CHECK_NEAR(state.last_ms, 6.5, 1e-9);
  CHECK_NEAR(state.slowdown, 6.5 / RUNG_MS[1], 1e-9);
  CHECK(state.late == 1 && state.failures == 1 && state.frames == 1);
  CHECK_OK(anet_session_charge(session, 0, -1));
  CHECK(state_of(session).failures == 2);
  CHECK_FAILS(anet_session_charge(session, -1, 1), ANET_RANGE,
              "session: picking took -1 ms, want 0 or more");
  CHECK_FAILS(anet_session_charge(session, NAN, 1), ANET_RANGE, "nan ms");
  CHECK(state_of(session).failures == 2 && state_of(session).frames == 1);
  anet_session_release(session);
}

TEST(a_switch_to_the_same_rung_is_none)
{
  const float in[CLASSES] = {0};
  anet_session *session = begin(ANET_POLICY_HOST, 6, 1);
  serve(session, in, 1, 1);
  CHECK_OK(anet_session_switch(session, 1));
  CHECK(state_of(session).frames_on_rung == 1 && state_of(session).last_ms > 0);
  CHECK_OK(anet_session_switch(session, 2));
  CHECK(state_of(session).frames_on_rung == 0 && state_of(session).last_ms == -1);
  CHECK_OK(anet_session_switch(session, 0));
  CHECK_FAILS(anet_session_switch(session, RUNGS), ANET_RANGE, "session: rung 3 of 3");
  CHECK_FAILS(anet_session_switch(session, -1), ANET_RANGE, "session: rung -1 of 3");
  CHECK_EQ_I(state_of(session).rung, 0);
  anet_session_release(session);
}

/* ---- who picks ---------------------------------------------------------------------------- */

static void note(anet_session *session, double ms, int32_t frames)
{
  for (int32_t i = 0; i < frames; i++) anet__session_note(session, ms);
}

/* Three late frames of five make it fall. */
TEST(the_built_in_forgets_when_the_host_chooses)
{
  anet_session *session = begin(ANET_POLICY_HYSTERESIS, 9, 2);
  note(session, 10, 2);
  CHECK_OK(anet_session_switch(session, 2)); /* that is no choice */
  note(session, 10, 1);
  CHECK_EQ_I(state_of(session).rung, 1);
  CHECK(state_of(session).frames_on_rung == 0);
  CHECK_OK(anet_session_switch(session, 2));
  note(session, 10, 2);
  CHECK_OK(anet_session_govern(session, ANET_POLICY_HYSTERESIS)); /* it begins anew */
  note(session, 10, 2);
  CHECK_EQ_I(state_of(session).rung, 2);
  note(session, 10, 1);
  CHECK_EQ_I(state_of(session).rung, 1);
  note(session, 10, 2);
  CHECK_OK(anet_session_switch(session, 2));
  note(session, 10, 2);
  CHECK_EQ_I(state_of(session).rung, 2);
  anet_session_release(session);
}

TEST(who_picks_can_be_changed)
{
  anet_session *session = begin(ANET_POLICY_HOST, 9, 2);
  for (int32_t policy = ANET_POLICY_HOST; policy <= ANET_POLICY_FIXED; policy++) {
    CHECK_OK(anet_session_govern(session, policy));
    note(session, 30, 20);
    CHECK_EQ_I(state_of(session).rung, 2);
  }
  CHECK_OK(anet_session_govern(session, ANET_POLICY_HYSTERESIS));
  CHECK_FAILS(anet_session_govern(session, ANET_POLICY_HOST - 1), ANET_RANGE,
              "session: policy -1, want 0 .. 2");
  CHECK_FAILS(anet_session_govern(session, ANET_POLICY_HYSTERESIS + 1), ANET_RANGE, "policy 3");
  note(session, 30, 3);
  CHECK_EQ_I(state_of(session).rung, 0); /* 3.75 times as slow: 4 ms are too many, too */
  anet_session_release(session);
}

/* Climbs that failed under another budget say nothing of this one. */
TEST(a_new_budget_forgives)
{
  for (int32_t forgiven = 0; forgiven < 2; forgiven++) {
    anet_session *session = begin(ANET_POLICY_HYSTERESIS, 10, 1);
    note(session, 4, ANET_GOVERNOR_CALM);
    CHECK_EQ_I(state_of(session).rung, 2);
    note(session, 11, 3);
    CHECK_EQ_I(state_of(session).rung, 1);
    if (forgiven) CHECK_OK(anet_session_budget(session, 10.5));
    note(session, 4, ANET_GOVERNOR_CALM);
    CHECK_EQ_I(state_of(session).rung, forgiven ? 2 : 1);
    anet_session_release(session);
  }
}

/* ---- beginning ---------------------------------------------------------------------------- */

TEST(it_begins_on_the_rung_that_is_asked_for)
{
  for (int32_t rung = 0; rung < RUNGS; rung++) {
    anet_session *session = begin(ANET_POLICY_HOST, 0.001, rung);
    CHECK_EQ_I(state_of(session).rung, rung);
    anet_session_release(session);
  }
  anet_session *session = begin(ANET_POLICY_HOST, INFINITY, -1);
  CHECK_EQ_I(state_of(session).rung, RUNGS - 1);
  anet_session_release(session);
}

TEST(the_window_is_32_frames_where_nothing_is_said)
{
  anet_session *session = session_of(&(anet_session_desc){.budget_ms = 5});
  note(session, 6, 1);
  note(session, 1, 31);
  CHECK_NEAR(state_of(session).late, 1.0 / 32, 1e-12);
  note(session, 1, 1);
  CHECK(state_of(session).late == 0);
  anet_session_release(session);
}

static int open_files(void)
{
  int count = 0;
  for (int file = 0; file < 256; file++) count += fcntl(file, F_GETFD) >= 0;
  return count;
}

TEST(a_session_closes_what_it_opened)
{
  const int before = open_files();
  for (int32_t i = 0; i < 3; i++) {
    anet_session *session = begin(ANET_POLICY_HOST, 5, 0);
    CHECK(open_files() > before); /* what machines say of themselves */
    anet_session_release(session);
    CHECK_EQ_I(open_files(), before);
  }
}

static void refused(anet_ladder *ladder, anet_session_desc desc, int status, const char *words)
{
  anet_session *session = (anet_session *)1;
  anet__alloc_stats before, after;
  anet__alloc_read(&before);
  const int files = open_files();
  CHECK_FAILS(anet_session_new(ladder, NULL, &desc, &session), status, words);
  anet__alloc_read(&after);
  CHECK(!session);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
  CHECK_EQ_I(open_files(), files);
}

TEST(what_is_refused_and_in_which_words)
{
  static const double twice[] = {2, 3, 3}, back[] = {2, 3, 2.5};
  anet_ladder *ladder = ladder_of(RUNGS, RUNG_MS), *empty, *equal = ladder_of(3, twice),
              *fallen = ladder_of(3, back);
  CHECK_OK(anet_ladder_new(&empty));
  refused(empty, (anet_session_desc){.budget_ms = 1}, ANET_STATE,
          "session: the ladder has no rung");
  refused(equal, (anet_session_desc){.budget_ms = 1}, ANET_STATE,
          "session: the ladder is not sorted: rung 1 takes 3 ms, rung 2 3");
  refused(fallen, (anet_session_desc){.budget_ms = 1}, ANET_STATE, "rung 1 takes 3 ms, rung 2 2.5");
  refused(ladder, (anet_session_desc){.budget_ms = 1, .policy = -1}, ANET_RANGE,
          "session: policy -1, want 0 .. 2");
  refused(ladder, (anet_session_desc){.budget_ms = 1, .policy = 3}, ANET_RANGE, "policy 3");
  refused(ladder, (anet_session_desc){.budget_ms = 1, .rung = -2}, ANET_RANGE,
          "session: first rung -2, want -1 .. 2");
  refused(ladder, (anet_session_desc){.budget_ms = 1, .rung = 3}, ANET_RANGE, "first rung 3");
  refused(ladder, (anet_session_desc){.budget_ms = 0}, ANET_RANGE,
          "session: a budget of 0 ms, want more than 0");
  refused(ladder, (anet_session_desc){.budget_ms = 1, .window = 65537}, ANET_RANGE,
          "session: a window of 65537 frames, want 1 .. 65536");
  for (int32_t i = 0; i < 2; i++) {
    anet_ladder *wide;
    anet_plan *plan = echo_plan(1, i ? 2 : 1, i ? 1 : 2);
    const anet_rung rung = {"0", 1, 1, 0.5};
    CHECK_OK(anet_ladder_new(&wide));
    CHECK_OK(anet_ladder_add(wide, plan, &rung));
    refused(wide, (anet_session_desc){.budget_ms = 1}, ANET_UNSUPPORTED,
            i ? "session: the plans have 2 inputs and 1 outputs, want 1, 1"
              : "session: the plans have 1 inputs and 2 outputs");
    anet_plan_release(plan);
    anet_ladder_release(wide);
  }
  anet_session_release(NULL);
  anet_ladder_release(fallen);
  anet_ladder_release(equal);
  anet_ladder_release(empty);
  anet_ladder_release(ladder);
}

TEST_MAIN(CASE(a_frame_took_what_the_clock_says), CASE(drift_is_of_the_mean_confidence_of_a_frame),
          CASE(many_rows_of_answers_have_no_confidence), CASE(a_frame_that_fails_is_none),
          CASE(time_left_goes_down_to_nothing), CASE(a_charge_is_the_last_frames),
          CASE(a_switch_to_the_same_rung_is_none), CASE(the_built_in_forgets_when_the_host_chooses),
          CASE(who_picks_can_be_changed), CASE(a_new_budget_forgives),
          CASE(it_begins_on_the_rung_that_is_asked_for),
          CASE(the_window_is_32_frames_where_nothing_is_said),
          CASE(a_session_closes_what_it_opened), CASE(what_is_refused_and_in_which_words))
