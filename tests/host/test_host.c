/* Scripted latency policies for C programs: picking, failing, reloading. */
#include <stdio.h>
#include <stdlib.h>
#include "anet_host.h"
#include "support/fault.h"
#include "support/rungs.h"
#include "support/test.h"

enum { RUNGS = 4 };

/* ---- small worlds ------------------------------------------------------------------------- */

static anet_session *small_session(anet_ladder *ladder)
{
  const anet_session_desc desc = {.budget_ms = 1000, .policy = ANET_POLICY_HOST, .rung = 0};
  anet_session *session;
  CHECK_OK(anet_session_new(ladder, NULL, &desc, &session));
  return session;
}

static void serve(anet_session *session)
{
  const float in[RUNGS_FEATURES] = {1, 2, 3, 4, 5, 6};
  float out[RUNGS_CLASSES];
  CHECK_OK(anet_session_run(session, in, out, 1));
}

/* The rung of the next frame: serves it to find out. */
static int32_t rung_of(anet_session *session)
{
  anet_state state;
  serve(session);
  CHECK_OK(anet_session_read(session, &state));
  return state.rung;
}

/* A policy whose pick is this body. */
#define PICK(body)                                                                                 \
  "return {api = 1, kind = 'latency', defaults = {rung = 1}, new = function(options, rng) "        \
  "local calls = 0 return {pick = function(self, ladder, state) calls = calls + 1 " body           \
  " end} end}"

static anet_policy *make(const char *text, const anet_ladder *ladder)
{
  const anet_policy_desc desc = {.name = "test", .text = text};
  anet_policy *policy = NULL;
  CHECK_OK(anet_policy_new(&desc, ladder, &policy));
  return policy;
}

/* ---- cases -------------------------------------------------------------------------------- */

TEST(policies_pick)
{
  anet_ladder *ladder = small_ladder(RUNGS);
  anet_session *session = small_session(ladder);
  serve(session);
  anet_policy *policy = make(PICK("return #ladder - 1"), ladder);
  CHECK_OK(anet_policy_pick(policy, session));
  CHECK_EQ_I(rung_of(session), RUNGS - 2);
  anet_policy_release(policy);
  policy = make(PICK("assert(state.rung == 3 and state.rungs == 4 and state.budget_ms == 1000 and "
                     "state.frames > 0 and ladder[2].ms == 2 and ladder[1].accuracy == 0.5) "
                     "return 1"),
                ladder);
  CHECK_OK(anet_policy_pick(policy, session));
  CHECK_EQ_I(rung_of(session), 0);
  anet_policy_release(policy);
  anet_session_release(session);
  anet_ladder_release(ladder);
}

TEST(builtin_policies_serve)
{
  static const char *const names[] = {"hysteresis", "deadline", "fixed"};
  anet_ladder *ladder = small_ladder(RUNGS);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    anet_session *session = small_session(ladder);
    anet_policy *policy = NULL;
    CHECK_OK(anet_policy_new(&(anet_policy_desc){.name = names[i]}, ladder, &policy));
    for (int32_t frame = 0; frame < 200; frame++) {
      serve(session);
      CHECK_OK(anet_policy_pick(policy, session));
    }
    CHECK_EQ_I(rung_of(session), RUNGS - 1); /* the budget is large */
    anet_policy_release(policy);
    anet_session_release(session);
  }
  anet_ladder_release(ladder);
}

TEST(options_are_checked)
{
  anet_ladder *ladder = small_ladder(RUNGS);
  anet_session *session = small_session(ladder);
  const char *text = PICK("return options.rung");
  anet_policy_desc desc = {.name = "test", .text = text, .options = "{\"rung\": 2}"};
  anet_policy *policy;
  serve(session);
  CHECK_OK(anet_policy_new(&desc, ladder, &policy));
  CHECK_OK(anet_policy_pick(policy, session));
  CHECK_EQ_I(rung_of(session), 1);
  anet_policy_release(policy);
  desc.options = "{\"rang\": 2}";
  CHECK_FAILS(anet_policy_new(&desc, ladder, &policy), ANET_POLICY, "did you mean 'rung'?");
  CHECK(!policy);
  desc.options = "{\"rung\": \"two\"}";
  CHECK_FAILS(anet_policy_new(&desc, ladder, &policy), ANET_POLICY, "want a number");
  desc.options = "[1]";
  CHECK_FAILS(anet_policy_new(&desc, ladder, &policy), ANET_FORMAT, "no JSON object");
  desc.options = "{";
  CHECK_FAILS(anet_policy_new(&desc, ladder, &policy), ANET_FORMAT, "");
  anet_session_release(session);
  anet_ladder_release(ladder);
}

TEST(what_is_no_policy_is_refused)
{
  static const struct {
    anet_policy_desc desc;
    int status;
    const char *word;
  } wrong[] = {
      {{.name = "hysteresys"}, ANET_ABSENT, "hysteresys"},
      {{.name = "./no-such-file.lua"}, ANET_IO, "no-such-file"},
      {{.name = NULL}, ANET_RANGE, "neither"},
      {{.name = "x", .text = "return {"}, ANET_POLICY, "x:1"},
      {{.name = "x", .text = "return {api = 1, kind = 'search', new = error}"},
       ANET_POLICY,
       "want latency"},
      {{.name = "x", .text = "while true do end"}, ANET_POLICY, "budget"},
      {{.name = "x", .text = "\033LJ"}, ANET_POLICY, "mode"},
  };
  anet_ladder *ladder = small_ladder(RUNGS);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    anet_policy *policy;
    CHECK_FAILS(anet_policy_new(&wrong[i].desc, ladder, &policy), wrong[i].status, wrong[i].word);
    CHECK(!policy);
  }
  anet_ladder_release(ladder);
}

TEST(a_failing_pick_leaves_the_rung)
{
  static const struct {
    const char *text, *word;
  } wrong[] = {
      {PICK("error 'oh'"), "oh"},
      {PICK("return 5"), "of 1 to 4"},
      {PICK("return 0"), "of 1 to 4"},
      {PICK("return 0/0"), "of 1 to 4"},
      {PICK("return 2.37"), "rung 2.37, want a whole one"},
      {PICK("return 'two'"), "a string"},
      {PICK("return"), "nothing"},
      {PICK("while true do end"), "budget"},
      {PICK("while true do pcall(function() while true do end end) end"), "budget"},
      {PICK("local t = {} for i = 1, 1e9 do t[i] = {} end"), ""},
  };
  anet_ladder *ladder = small_ladder(RUNGS);
  anet_session *session = small_session(ladder);
  CHECK_OK(anet_session_switch(session, 2));
  serve(session);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    anet_policy *policy = make(wrong[i].text, ladder);
    CHECK_FAILS(anet_policy_pick(policy, session), ANET_POLICY, wrong[i].word);
    CHECK_EQ_I(rung_of(session), 2);
    anet_policy_release(policy);
  }
  anet_session_release(session);
  anet_ladder_release(ladder);
}

/* The built-in policy serves until a reload: the failed one is not asked again. */
TEST(after_a_failure_the_built_in_picks)
{
  anet_ladder *ladder = small_ladder(RUNGS);
  anet_session *session = small_session(ladder);
  anet_policy *policy = make(PICK("if calls == 2 then error 'oh' end return 1"), ladder);
  anet_state state;
  serve(session);
  CHECK_OK(anet_policy_pick(policy, session));
  CHECK_FAILS(anet_policy_pick(policy, session), ANET_POLICY, "oh");
  for (int32_t frame = 0; frame < 200; frame++) {
    serve(session);
    CHECK_OK(anet_policy_pick(policy, session));
  }
  CHECK_EQ_I(rung_of(session), RUNGS - 1); /* the budget is large: it climbs */
  CHECK_OK(anet_session_read(session, &state));
  CHECK_EQ_I((int)state.failures, 1);
  const anet_policy_desc next = {.name = "next", .text = PICK("return 2")};
  CHECK_OK(anet_policy_reload(policy, &next, ladder, 2));
  for (int32_t frame = 0; frame < 2; frame++) CHECK_OK(anet_policy_pick(policy, session));
  CHECK_EQ_I(rung_of(session), RUNGS - 1);
  CHECK_OK(anet_policy_pick(policy, session));
  CHECK_EQ_I(rung_of(session), 1);
  anet_policy_release(policy);
  anet_session_release(session);
  anet_ladder_release(ladder);
}

TEST(a_pick_is_part_of_the_frame)
{
  anet_ladder *ladder = small_ladder(RUNGS);
  anet_session *session = small_session(ladder);
  anet_policy *policy = make(PICK("for i = 1, 3e5 do end return 3"), ladder);
  anet_state before, after;
  serve(session);
  CHECK_OK(anet_session_read(session, &before));
  CHECK_OK(anet_policy_pick(policy, session));
  CHECK_OK(anet_session_read(session, &after));
  CHECK(before.frame_ms == before.last_ms);
  CHECK(after.frame_ms > before.frame_ms + 0.1); /* 300 000 instructions */
  CHECK_EQ_I((int)after.frames, 1);
  CHECK(after.last_ms < 0); /* none on the new rung yet */
  anet_policy_release(policy);
  anet_session_release(session);
  anet_ladder_release(ladder);
}

TEST(a_reloaded_policy_takes_over_after_its_shadow)
{
  anet_ladder *ladder = small_ladder(RUNGS);
  anet_session *session = small_session(ladder);
  anet_policy *policy = make(PICK("return 1"), ladder);
  const anet_policy_desc next = {.name = "next", .text = PICK("return 4")};
  serve(session);
  CHECK_OK(anet_policy_reload(policy, &next, ladder, 3));
  for (int32_t i = 0; i < 3; i++) {
    CHECK_EQ_I(anet_policy_shadowed(policy), 1);
    CHECK_OK(anet_policy_pick(policy, session));
    CHECK_EQ_I(rung_of(session), 0);
  }
  CHECK_EQ_I(anet_policy_shadowed(policy), 0);
  CHECK_OK(anet_policy_pick(policy, session));
  CHECK_EQ_I(rung_of(session), 3);
  anet_policy_release(policy);
  anet_session_release(session);
  anet_ladder_release(ladder);
}

TEST(a_bad_reload_never_takes_over)
{
  anet_ladder *ladder = small_ladder(RUNGS);
  anet_session *session = small_session(ladder);
  anet_policy *policy = make(PICK("return 2"), ladder);
  anet_policy_desc next = {.name = "next", .text = "return {"};
  serve(session);
  CHECK_FAILS(anet_policy_reload(policy, &next, ladder, 3), ANET_POLICY, "next");
  CHECK_EQ_I(anet_policy_shadowed(policy), 0);
  next.text = PICK("if calls == 2 then error 'late' end return 4");
  CHECK_OK(anet_policy_reload(policy, &next, ladder, 3));
  CHECK_OK(anet_policy_pick(policy, session));
  CHECK_FAILS(anet_policy_pick(policy, session), ANET_POLICY, "the reloaded policy was dropped");
  CHECK_EQ_I(anet_policy_shadowed(policy), 0);
  CHECK_OK(anet_policy_pick(policy, session));
  CHECK_EQ_I(rung_of(session), 1);
  anet_policy_release(policy);
  anet_session_release(session);
  anet_ladder_release(ladder);
}

TEST(the_last_good_policy_comes_back)
{
  anet_ladder *ladder = small_ladder(RUNGS);
  anet_session *session = small_session(ladder);
  anet_policy *policy = make(PICK("return 2"), ladder);
  const anet_policy_desc next = {.name = "next",
                                 .text = PICK("if calls == 3 then error 'late' end return 4")};
  serve(session);
  CHECK_OK(anet_policy_reload(policy, &next, ladder, 1));
  CHECK_OK(anet_policy_pick(policy, session)); /* the shadow's only frame */
  CHECK_OK(anet_policy_pick(policy, session));
  CHECK_EQ_I(rung_of(session), 3);
  CHECK_FAILS(anet_policy_pick(policy, session), ANET_POLICY, "late");
  CHECK_EQ_I(rung_of(session), 3);
  CHECK_OK(anet_policy_pick(policy, session));
  CHECK_EQ_I(rung_of(session), 1);
  anet_policy_release(policy);
  anet_session_release(session);
  anet_ladder_release(ladder);
}

static int make_and_drop(void *context)
{
  const anet_policy_desc desc = {.name = "hysteresis", .options = "{\"patience\": 5}"};
  anet_policy *policy;
  const int rc = anet_policy_new(&desc, context, &policy);
  anet_policy_release(policy);
  return rc;
}

TEST(every_allocation_may_fail)
{
  anet_ladder *ladder = small_ladder(RUNGS);
  test_each_allocation(make_and_drop, ladder);
  anet_ladder_release(ladder);
}

TEST_MAIN(CASE(policies_pick), CASE(builtin_policies_serve), CASE(options_are_checked),
          CASE(what_is_no_policy_is_refused), CASE(a_failing_pick_leaves_the_rung),
          CASE(after_a_failure_the_built_in_picks), CASE(a_pick_is_part_of_the_frame),
          CASE(a_reloaded_policy_takes_over_after_its_shadow), CASE(a_bad_reload_never_takes_over),
          CASE(the_last_good_policy_comes_back), CASE(every_allocation_may_fail))
