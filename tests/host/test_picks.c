/* Who picks when policies fail and are reloaded, what a policy is told, what it may take, and what
 * is said of one that is refused; on a clock that the test moves. */
#include <math.h>
#include <string.h>
#include "support/moved_clock.h"

#include "anet_host.h"
#include "base/alloc.h"
#include "edge/session.h"
#include "support/rungs.h"
#include "support/scratch.h"
#include "support/test.h"

enum { RUNGS = 4, MS = 1000000 };

/* ---- small worlds ------------------------------------------------------------------------- */

/* A policy whose pick is this body; calls counts from 1. */
#define PICK(body) PICK_WITH("rung = 1", body)
#define PICK_WITH(defaults, body)                                                                  \
  "return {api = 1, kind = 'latency', defaults = {" defaults "}, new = function(options, rng) "    \
  "local calls = 0 return {pick = function(self, ladder, state) calls = calls + 1 " body           \
  " end} end}"

typedef struct world {
  size_t bytes; /* held before it */
  anet_ladder *ladder;
  anet_session *session;
  anet_policy *policy;
} world;

static anet_policy_desc named(const char *text)
{
  return (anet_policy_desc){.name = "test", .text = text};
}

static size_t live_bytes(void)
{
  anet__alloc_stats stats;
  anet__alloc_read(&stats);
  return stats.live_bytes;
}

static world begin_with(const anet_policy_desc *desc)
{
  world w = {.bytes = live_bytes()};
  w.ladder = small_ladder(RUNGS);
  const anet_session_desc wanted = {.budget_ms = 100, .policy = ANET_POLICY_HOST, .rung = 0};
  wall_step = cpu_step = 0;
  CHECK_OK(anet_session_new(w.ladder, NULL, &wanted, &w.session));
  CHECK_OK(anet_policy_new(desc, w.ladder, &w.policy));
  return w;
}

static world begin(const char *text)
{
  const anet_policy_desc desc = named(text);
  return begin_with(&desc);
}

static void end(world *w)
{
  anet_policy_release(w->policy);
  anet_session_release(w->session);
  anet_ladder_release(w->ladder);
  CHECK_EQ_I(live_bytes(), w->bytes);
}

static void reload(world *w, const char *text, int32_t frames)
{
  const anet_policy_desc desc = named(text);
  CHECK_OK(anet_policy_reload(w->policy, &desc, w->ladder, frames));
}

static anet_state state_of(const world *w)
{
  anet_state state;
  CHECK_OK(anet_session_read(w->session, &state));
  return state;
}

/* The rung after one more pick, from 1; 0 where it failed. */
static int32_t pick(world *w)
{
  if (anet_policy_pick(w->policy, w->session)) return 0;
  return state_of(w).rung + 1;
}

static void check_picks(world *w, const int32_t *want, int32_t count)
{
  for (int32_t i = 0; i < count; i++) {
    const int32_t got = pick(w);
    test_checks++;
    if (got != want[i]) TEST_FAIL("pick %d: rung %d, want %d", i + 1, got, want[i]);
  }
}

#define CHECK_PICKS(w, ...)                                                                        \
  check_picks(w, (const int32_t[]){__VA_ARGS__}, ANET_COUNT(((const int32_t[]){__VA_ARGS__})))

/* Whether the session's own policy is at work: three frames over the budget make it fall. */
static bool built_in_picks(world *w)
{
  CHECK_OK(anet_session_switch(w->session, 3));
  for (int32_t i = 0; i < 3; i++) anet__session_note(w->session, 400);
  return state_of(w).rung == 0;
}

/* ---- reloads ------------------------------------------------------------------------------ */

TEST(a_shadow_is_asked_and_not_heard)
{
  world w = begin(PICK("return 1"));
  reload(&w,
         PICK("assert(state.rungs == 4 and state.budget_ms == 100 and state.rung == 1) "
              "return calls == 4 and 4 or calls"),
         3);
  CHECK_EQ_I(anet_policy_shadowed(w.policy), 1);
  CHECK_PICKS(&w, 1, 1, 1);
  CHECK_EQ_I(anet_policy_shadowed(w.policy), 0);
  CHECK_PICKS(&w, 4); /* its fourth */
  end(&w);
}

TEST(a_shadow_waits_32_frames_where_nothing_is_said)
{
  static const int32_t said[] = {0, -5};
  for (int32_t i = 0; i < 2; i++) {
    world w = begin(PICK("return 1"));
    reload(&w, PICK("return 2"), said[i]);
    for (int32_t frame = 0; frame < 32; frame++) {
      CHECK_EQ_I(anet_policy_shadowed(w.policy), 1);
      CHECK_PICKS(&w, 1);
    }
    CHECK_EQ_I(anet_policy_shadowed(w.policy), 0);
    CHECK_PICKS(&w, 2);
    end(&w);
  }
}

TEST(a_second_reload_takes_the_place_of_the_first)
{
  world w = begin(PICK("return 1"));
  reload(&w, PICK("return 2"), 2);
  CHECK_PICKS(&w, 1);
  reload(&w, PICK("return 3"), 2);
  CHECK_PICKS(&w, 1, 1, 3, 3);
  end(&w);
}

TEST(a_shadow_that_fails_leaves_the_pick)
{
  world w = begin(PICK("return calls"));
  reload(&w, PICK("error('oh', 0)"), 3);
  CHECK_FAILS(anet_policy_pick(w.policy, w.session), ANET_POLICY,
              "the reloaded policy was dropped: policy 'test': oh");
  CHECK(state_of(&w).rung == 0 && state_of(&w).failures == 1);
  CHECK_EQ_I(anet_policy_shadowed(w.policy), 0);
  reload(&w, PICK("error('oh', 0)"), 3);
  CHECK_FAILS(anet_policy_pick(w.policy, w.session), ANET_POLICY, "dropped");
  CHECK_EQ_I(state_of(&w).rung, 1); /* what the one that serves said */
  CHECK_PICKS(&w, 3, 4);
  CHECK(state_of(&w).failures == 2);
  end(&w);
}

/* ---- failures ----------------------------------------------------------------------------- */

TEST(one_before_comes_back_but_not_two)
{
  world w = begin(PICK("return 1"));
  reload(&w, PICK("if calls == 5 then error 'oh' end return 2"), 1);
  CHECK_PICKS(&w, 1, 2);
  reload(&w, PICK("if calls == 3 then error 'oh' end return 3"), 1);
  CHECK_PICKS(&w, 2, 3, 0, 2, 0);
  CHECK(state_of(&w).failures == 2);
  CHECK(built_in_picks(&w));
  CHECK_OK(anet_policy_pick(w.policy, w.session)); /* nobody is asked */
  CHECK(state_of(&w).failures == 2);
  end(&w);
}

TEST(while_a_script_picks_the_built_in_does_not)
{
  world w = begin(PICK("if calls == 2 then error 'oh' end return 4"));
  CHECK(!built_in_picks(&w));
  CHECK_PICKS(&w, 4);
  CHECK(!built_in_picks(&w));
  CHECK_PICKS(&w, 0);
  CHECK(built_in_picks(&w));
  reload(&w, PICK("return 2"), 2);
  CHECK_PICKS(&w, 1);
  CHECK(built_in_picks(&w));
  CHECK_PICKS(&w, 1); /* where the built-in is */
  CHECK(!built_in_picks(&w));
  CHECK_PICKS(&w, 2);
  end(&w);
}

TEST(with_a_reloaded_one_before_it_the_host_goes_on_picking)
{
  world w = begin(PICK("return 2"));
  reload(&w, PICK("if calls == 2 then error 'oh' end return 3"), 1);
  CHECK_PICKS(&w, 2, 0);
  CHECK(!built_in_picks(&w));
  CHECK_PICKS(&w, 2);
  end(&w);
}

TEST(the_next_one_waits_where_none_serves)
{
  world w = begin(PICK("error 'oh'"));
  reload(&w, PICK("if calls == 2 then error 'two' end return 2"), 5);
  CHECK_PICKS(&w, 0); /* the shadow is not asked in a frame that failed */
  CHECK_EQ_I(anet_policy_shadowed(w.policy), 1);
  CHECK_PICKS(&w, 1);
  CHECK_FAILS(anet_policy_pick(w.policy, w.session), ANET_POLICY, "two");
  CHECK_EQ_I(anet_policy_shadowed(w.policy), 0);
  CHECK(built_in_picks(&w));
  end(&w);
}

/* ---- what is asked and answered ----------------------------------------------------------- */

TEST(a_pick_costs_its_processor_time)
{
  const float in[RUNGS_FEATURES] = {1};
  float out[RUNGS_CLASSES];
  world w = begin(PICK("return 1"));
  wall_step = 3 * MS;
  CHECK_OK(anet_session_run(w.session, in, out, 1));
  wall_step = 0;
  CHECK_NEAR(state_of(&w).frame_ms, 3, 1e-9);
  cpu_step = 2 * MS;
  looks = 0;
  CHECK_OK(anet_policy_pick(w.policy, w.session));
  cpu_step = 0;
  const double want = 3 + 2.0 * (double)looks;
  CHECK(want > 3);
  CHECK_NEAR(state_of(&w).frame_ms, want, 1e-9);
  /* Not the time that others took. */
  wall_step = 50 * MS;
  const double before = state_of(&w).frame_ms;
  CHECK_OK(anet_policy_pick(w.policy, w.session));
  CHECK_NEAR(state_of(&w).frame_ms, before, 1e-9);
  end(&w);
}

/* In the order of names, as the policy below lists them. */
#define STATE_MAP(X)                                                                               \
  X(battery)                                                                                       \
  X(budget_ms)                                                                                     \
  X(drift)                                                                                         \
  X(failures)                                                                                      \
  X(frame_ms) X(frames) X(frames_on_rung) X(free_bytes) X(last_ms) X(late) X(load) X(mean_ms)      \
      X(p50_ms) X(p90_ms) X(p99_ms) X(rung) X(rungs) X(slowdown) X(temperature) X(time_left_ms)

TEST(a_policy_is_told_the_whole_state)
{
  char want[2048], *at = want;
  world w = begin(PICK("local t = {} for k, v in pairs(state) do t[#t + 1] = k .. '=' .. "
                       "('%.6g'):format(v) end error(table.concat(t, ' '), 0)"));
  for (int32_t i = 0; i < 5; i++) anet__session_note(w.session, 90 + 5 * i);
  CHECK_OK(anet_session_deadline(w.session, 77));
  CHECK_OK(anet_session_switch(w.session, 2));
  for (int32_t i = 0; i < 3; i++) anet__session_note(w.session, 92.5 + 5 * i);
  for (int32_t i = 0; i < 40; i++) anet__session_top(w.session, i < 32 ? 0.5 : 0.75);
  anet_state state = state_of(&w);
  state.rung++;
#define X(name) at += sprintf(at, #name "=%.6g ", (double)state.name);
  STATE_MAP(X)
#undef X
  at[-1] = '\0';
  CHECK_FAILS(anet_policy_pick(w.policy, w.session), ANET_POLICY, "battery=");
  const char *got = strstr(anet_error(), "battery=");
  CHECK_EQ_S(got, want);
  end(&w);
}

TEST(a_policy_is_told_the_whole_ladder)
{
  world w = {.bytes = live_bytes()};
  anet_plan *plan = small_plan(4);
  const anet_rung rung[] = {{"01", 1.5, 2, 0.25}, {"10", 3.5, 4, 0.75}};
  const anet_session_desc wanted = {.budget_ms = 100};
  const anet_policy_desc desc =
      named(PICK("local t = {} for i, r in ipairs(ladder) do for k, v in pairs(r) do "
                 "t[#t + 1] = i .. k .. v end end error(table.concat(t, ' '), 0)"));
  CHECK_OK(anet_ladder_new(&w.ladder));
  for (int32_t i = 0; i < 2; i++) CHECK_OK(anet_ladder_add(w.ladder, plan, &rung[i]));
  CHECK_OK(anet_session_new(w.ladder, NULL, &wanted, &w.session));
  CHECK_OK(anet_policy_new(&desc, w.ladder, &w.policy));
  CHECK_FAILS(anet_policy_pick(w.policy, w.session), ANET_POLICY,
              "policy 'test': 1accuracy0.25 1genome01 1ms2 1predicted_ms1.5 "
              "2accuracy0.75 2genome10 2ms4 2predicted_ms3.5");
  anet_plan_release(plan);
  end(&w);
}

TEST(answers_are_rungs)
{
  static const struct {
    const char *text, *words;
  } wrong[] = {
      {PICK("return 0"), "policy 'test': pick gives rung 0, want a whole one of 1 to 4"},
      {PICK("return 5"), "pick gives rung 5, want"},
      {PICK("return 1.5"), "pick gives rung 1.5, want"},
      {PICK("return 1/0"), "pick gives rung inf, want"},
      {PICK("return -1"), "pick gives rung -1, want"},
      {PICK("return '2'"), "policy 'test': pick gives a string, want a rung of 1 to 4"},
      {PICK("return true"), "pick gives a boolean, want"},
      {PICK("return nil, 2"), "pick gives a nil, want"},
      {PICK(""), "pick gives a nothing, want"},
  };
  world w = begin(PICK("return calls"));
  CHECK_PICKS(&w, 1, 2, 3, 4);
  end(&w);
  w = begin(PICK("return 2, 'and more'"));
  CHECK_PICKS(&w, 2);
  end(&w);
  for (int32_t i = 0; i < ANET_COUNT(wrong); i++) {
    w = begin(wrong[i].text);
    CHECK_FAILS(anet_policy_pick(w.policy, w.session), ANET_POLICY, wrong[i].words);
    end(&w);
  }
}

/* ---- options and limits ------------------------------------------------------------------- */

TEST(options_are_what_json_says)
{
  anet_policy_desc desc =
      named(PICK_WITH("n = 1, s = '', b = false, list = {}, map = {}",
                      "local o = options error(table.concat({o.n, o.s, tostring(o.b), #o.list, "
                      "o.list[1], o.list[2].x, tostring(o.list[3]), tostring(o.map.deep.er[1]), "
                      "tostring(o.map.none)}, ' '), 0)"));
  desc.options = "{\"n\": 2.5, \"s\": \"two\", \"b\": true, \"list\": [7, {\"x\": 8}, false], "
                 "\"map\": {\"deep\": {\"er\": [true]}, \"none\": null}}";
  world w = begin_with(&desc);
  CHECK_FAILS(anet_policy_pick(w.policy, w.session), ANET_POLICY,
              "2.5 two true 3 7 8 false true nil");
  end(&w);
}

TEST(options_have_sixteen_levels)
{
  anet_ladder *ladder = small_ladder(RUNGS);
  anet_policy_desc desc = named(PICK_WITH("a = {}", "return 1"));
  for (int32_t levels = 14; levels < 20; levels++) { /* the object is one, and each bracket */
    char options[128] = "{\"a\": ";
    for (int32_t i = 1; i < levels; i++) strcat(options, "[");
    for (int32_t i = 1; i < levels; i++) strcat(options, "]");
    desc.options = strcat(options, "}");
    anet_policy *policy;
    if (levels <= 16) {
      CHECK_OK(anet_policy_new(&desc, ladder, &policy));
      anet_policy_release(policy);
    } else {
      CHECK_FAILS(anet_policy_new(&desc, ladder, &policy), ANET_POLICY,
                  "policy 'test': the options have more than 16 levels");
      CHECK(!policy);
    }
  }
  anet_ladder_release(ladder);
}

TEST(the_seed_is_the_policys)
{
  int32_t picked[3][8], same = 0;
  for (int32_t run = 0; run < 3; run++) {
    anet_policy_desc desc = named(PICK("return rng:int(1, 4)"));
    desc.seed = run == 2 ? 8 : 7;
    world w = begin_with(&desc);
    for (int32_t i = 0; i < 8; i++) picked[run][i] = pick(&w);
    end(&w);
  }
  CHECK(memcmp(picked[0], picked[1], sizeof picked[0]) == 0);
  for (int32_t i = 0; i < 8; i++) same += picked[0][i] == picked[2][i];
  CHECK(same < 8);
}

static void over(anet_policy_desc desc, const char *words)
{
  world w = begin_with(&desc);
  CHECK_FAILS(anet_policy_pick(w.policy, w.session), ANET_POLICY, words);
  end(&w);
}

/* Holds texts of this many megabytes. */
#define HOLD(mib)                                                                                  \
  PICK("local t = {} for i = 1, " #mib " * 16 do t[i] = ('x'):rep(65000) .. i end return 1")

TEST(limits_are_those_that_are_said_or_known)
{
  anet_policy_desc desc = named(PICK("while true do end"));
  over(desc, "policy 'test': over its budget of 1000000 steps or 0.1 s");
  desc.steps = 2000;
  over(desc, "2000 steps or 0.1 s");
  desc.seconds = 2.5;
  over(desc, "2000 steps or 2.5 s");
  desc = named(HOLD(10));
  desc.steps = 1e8;
  over(desc, "policy 'test': over its memory");
  desc.bytes = 16 << 20;
  world w = begin_with(&desc);
  CHECK_PICKS(&w, 1);
  end(&w);
  desc = named(HOLD(6));
  desc.steps = 1e8;
  w = begin_with(&desc);
  CHECK_PICKS(&w, 1);
  end(&w);
  desc.bytes = 4 << 20;
  over(desc, "over its memory");
}

/* ---- where policies come from ------------------------------------------------------------- */

static void absent(const anet_ladder *ladder, const char *name, int status, const char *words)
{
  anet_policy *policy = (anet_policy *)1;
  CHECK_FAILS(anet_policy_new(&(anet_policy_desc){.name = name}, ladder, &policy), status, words);
  CHECK(!policy);
}

TEST(names_are_whole_and_others_are_paths)
{
  anet_ladder *ladder = small_ladder(RUNGS);
  anet_policy *policy;
  absent(ladder, "fixe", ANET_ABSENT, "there is no latency policy 'fixe'");
  absent(ladder, "fixedd", ANET_ABSENT, "there is no latency policy 'fixedd'");
  absent(ladder, "", ANET_ABSENT, "there is no latency policy ''");
  absent(ladder, "front", ANET_ABSENT, "there is no latency policy 'front'"); /* a search is none */
  absent(ladder, "fixed.lua", ANET_IO, "fixed.lua");
  absent(ladder, "no/such", ANET_IO, "no/such");
  absent(ladder, NULL, ANET_RANGE, "policy: neither name nor text");
  CHECK_FAILS(anet_policy_new(&(anet_policy_desc){.text = "error('oh', 0)"}, ladder, &policy),
              ANET_POLICY, "policy 'policy': oh");
  CHECK_OK(anet_policy_new(&(anet_policy_desc){.name = "fixed", .text = PICK("return 1")}, ladder,
                           &policy)); /* then the name is for messages alone */
  anet_policy_release(policy);
  anet_policy_release(NULL);
  anet_ladder_release(ladder);
}

TEST(a_file_of_at_most_a_mebibyte)
{
  enum { MOST = 1 << 20 };
  static const char text[] = PICK("return 3");
  char folder[SCRATCH_PATH], path[SCRATCH_PATH];
  char *bytes = malloc(MOST + 1);
  memset(bytes, '\n', MOST + 1);
  memcpy(bytes, text, sizeof text - 1);
  test_scratch_new(folder);
  test_scratch_write(folder, "mine.lua", bytes, MOST);
  const anet_policy_desc desc = {.name = test_scratch_path(folder, "mine.lua", path)};
  world w = begin_with(&desc);
  CHECK_PICKS(&w, 3);
  test_scratch_write(folder, "mine.lua", bytes, MOST + 1);
  CHECK_FAILS(anet_policy_reload(w.policy, &desc, w.ladder, 1), ANET_RANGE, "mine.lua");
  CHECK_EQ_I(anet_policy_shadowed(w.policy), 0);
  end(&w);
  test_scratch_remove(folder);
  free(bytes);
}

TEST_MAIN(CASE(a_shadow_is_asked_and_not_heard),
          CASE(a_shadow_waits_32_frames_where_nothing_is_said),
          CASE(a_second_reload_takes_the_place_of_the_first),
          CASE(a_shadow_that_fails_leaves_the_pick), CASE(one_before_comes_back_but_not_two),
          CASE(while_a_script_picks_the_built_in_does_not),
          CASE(with_a_reloaded_one_before_it_the_host_goes_on_picking),
          CASE(the_next_one_waits_where_none_serves), CASE(a_pick_costs_its_processor_time),
          CASE(a_policy_is_told_the_whole_state), CASE(a_policy_is_told_the_whole_ladder),
          CASE(answers_are_rungs), CASE(options_are_what_json_says),
          CASE(options_have_sixteen_levels), CASE(the_seed_is_the_policys),
          CASE(limits_are_those_that_are_said_or_known), CASE(names_are_whole_and_others_are_paths),
          CASE(a_file_of_at_most_a_mebibyte))
