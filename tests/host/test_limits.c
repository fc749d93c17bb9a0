/* The limits of a sandbox by a clock that the test moves: processor time, steps, memory, stops. */
#include <lua.h>
#include <string.h>

#include "host/sandbox.h"
#include "support/moved_clock.h"
#include "support/test.h"

enum { MS = 1000000 };

/* Endless, or so many turns of a loop; `hold` keeps so many bytes. */
static const char POLICY[] =
    "local P = {} P.__index = P\n"
    "function P:pick(ladder, state)\n"
    "  if state.endless then while true do end end\n"
    "  if state.caught then while true do pcall(function() while true do end end) end end\n"
    "  local n = 0 for i = 1, state.turns or 0 do n = n + i end\n"
    "  if state.tables then self.held = {} for i = 1, state.tables do self.held[i] = {} end end\n"
    "  return 1\n"
    "end\n"
    "return {api = 1, kind = 'latency', name = 'p', defaults = {}, new = function() return "
    "setmetatable({}, P) end}\n";

static const char *field;
static double value;

static int push_state(lua_State *L, void *data)
{
  (void)data;
  lua_newtable(L);
  lua_pushnumber(L, value);
  lua_setfield(L, -2, field);
  return 1;
}

static int push_start(lua_State *L, void *data)
{
  (void)data;
  lua_newtable(L);
  lua_pushnumber(L, 1);
  lua_pushliteral(L, "latency");
  return 3;
}

static int push_ladder(lua_State *L, void *data)
{
  (void)data;
  lua_newtable(L);
  return 1;
}

static anet__sandbox *started(double steps, double seconds, double bytes,
                              const volatile int32_t *stop)
{
  int results;
  anet__sandbox *s = NULL;
  const anet__sandbox_desc desc = {.text = POLICY,
                                   .size = strlen(POLICY),
                                   .name = "p",
                                   .steps = steps,
                                   .seconds = seconds,
                                   .bytes = bytes,
                                   .stop = stop};
  wall_step = cpu_step = 0;
  CHECK_OK(anet__sandbox_new(&desc, &s));
  CHECK_OK(anet__sandbox_ask(s, "start", push_start, NULL, &results));
  CHECK_OK(anet__sandbox_ask(s, "ladder", push_ladder, NULL, &results));
  return s;
}

static int pick(anet__sandbox *s, const char *name, double number)
{
  int results;
  field = name;
  value = number;
  looks = 0;
  return anet__sandbox_ask(s, "pick", push_state, NULL, &results);
}

TEST(a_call_ends_when_its_processor_time_is_up)
{
  for (int32_t how = 0; how < 2; how++) {
    anet__sandbox *s = started(0, 0.1, 0, NULL);
    const char *name = how ? "caught" : "endless";
    wall_step = cpu_step = MS;
    const int64_t began = cpu_ns;
    CHECK_FAILS(pick(s, name, 1), ANET_POLICY, "over its budget of 50000000 steps or 0.1 s");
    const double took = (double)(cpu_ns - began) / MS;
    CHECK(took >= 99 && took <= 110);
    /* The next call has its own time. */
    wall_step = cpu_step = 0;
    CHECK_OK(pick(s, "turns", 1000));
    anet__sandbox_release(s);
  }
}

TEST(a_busy_machine_takes_no_time_from_a_call)
{
  anet__sandbox *s = started(0, 0.1, 0, NULL);
  wall_step = 20 * MS;
  cpu_step = MS;
  const int64_t began = cpu_ns, wall = wall_ns;
  CHECK_FAILS(pick(s, "endless", 1), ANET_POLICY, "over its budget");
  const double took = (double)(cpu_ns - began) / MS;
  CHECK(took >= 100 && took <= 110);
  CHECK((double)(wall_ns - wall) / MS >= 2000);
  anet__sandbox_release(s);
}

TEST(where_no_time_goes_by_steps_end_it)
{
  static const double limits[] = {2000, 100000};
  for (int32_t i = 0; i < 2; i++) {
    anet__sandbox *s = started(limits[i], 1e-3, 0, NULL);
    CHECK_FAILS(pick(s, "endless", 1), ANET_POLICY, "over its budget");
    CHECK(anet__sandbox_steps(s) > limits[i] && anet__sandbox_steps(s) <= limits[i] + 200);
    CHECK_OK(pick(s, "turns", limits[i] / 10));
    CHECK_FAILS(pick(s, "turns", limits[i] * 2), ANET_POLICY, "over its budget");
    anet__sandbox_release(s);
  }
}

TEST(what_nothing_is_said_of)
{
  anet__sandbox *s = started(0, 0, 0, NULL);
  wall_step = cpu_step = 100 * MS;
  const int64_t began = cpu_ns;
  CHECK_FAILS(pick(s, "endless", 1), ANET_POLICY, "50000000 steps or 10 s");
  CHECK_NEAR((double)(cpu_ns - began) / MS, 10000, 400);
  anet__sandbox_release(s);
}

TEST(memory_has_its_bound)
{
  const double bytes = 1 << 20;
  anet__sandbox *s = started(0, 0, bytes, NULL);
  CHECK_OK(pick(s, "tables", 1000));
  CHECK(anet__sandbox_bytes(s) < bytes);
  CHECK_FAILS(pick(s, "tables", 1e6), ANET_POLICY, "memory");
  CHECK(anet__sandbox_bytes(s) <= bytes);
  anet__sandbox_release(s);
}

TEST(a_stop_ends_it)
{
  volatile int32_t stop = 0;
  anet__sandbox *s = started(0, 0, 0, &stop);
  CHECK_OK(pick(s, "turns", 1000));
  stop = 1;
  CHECK_FAILS(pick(s, "endless", 1), ANET_POLICY, "over its budget");
  CHECK(anet__sandbox_steps(s) < 10000);
  anet__sandbox_release(s);
}

TEST_MAIN(CASE(a_call_ends_when_its_processor_time_is_up),
          CASE(a_busy_machine_takes_no_time_from_a_call), CASE(where_no_time_goes_by_steps_end_it),
          CASE(what_nothing_is_said_of), CASE(memory_has_its_bound), CASE(a_stop_ends_it))
