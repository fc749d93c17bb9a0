/* The limits of a sandbox by a clock that the test moves: processor time, steps, memory, stops. */
#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

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
    "  for i = 1, state.waste or 0 do local t = {i, {}, {}} end\n"
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

/* Steps are counted as they run, and where a call ends they are few over what it may take; fewer
 * where the text is long, for its parts may be dear. */
TEST(steps_are_instructions)
{
  anet__sandbox *s = started(0, 0, 0, NULL);
  CHECK_OK(pick(s, "turns", 1000));
  const double few = anet__sandbox_steps(s);
  CHECK_OK(pick(s, "turns", 101000));
  CHECK_NEAR(anet__sandbox_steps(s) - few, 2 * 100000, 100); /* an addition and a turn */
  anet__sandbox_release(s);
}

TEST(a_long_text_is_watched_closely)
{
  enum { LENGTH = 1 << 20, MOST = 10007 };
  char *text = malloc(LENGTH + sizeof POLICY);
  memset(text, '\n', LENGTH);
  memcpy(text + LENGTH, POLICY, sizeof POLICY);
  for (int32_t is_long = 0; is_long < 2; is_long++) {
    int results;
    anet__sandbox *s = NULL;
    const anet__sandbox_desc desc = {.text = is_long ? text : POLICY,
                                     .size = sizeof POLICY - 1 + (is_long ? LENGTH : 0),
                                     .name = "p",
                                     .steps = MOST};
    wall_step = cpu_step = 0;
    CHECK_OK(anet__sandbox_new(&desc, &s));
    CHECK_OK(anet__sandbox_ask(s, "start", push_start, NULL, &results));
    CHECK_FAILS(pick(s, "endless", 1), ANET_POLICY, "over its budget of 10007 steps");
    const double more = anet__sandbox_steps(s) - MOST;
    CHECK(is_long ? more > 0 && more <= 8 : more > 8 && more <= 60);
    anet__sandbox_release(s);
  }
  free(text);
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

/* Of all memory that can be written: an emulator that runs this program counts itself among what is
 * resident. */
static double mapped_bytes(void)
{
  char line[512], rights[5];
  unsigned long begin, end, sum = 0;
  FILE *file = fopen("/proc/self/maps", "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "%lx-%lx %4s", &begin, &end, rights) == 3 && rights[1] == 'w')
      sum += end - begin;
  if (file) fclose(file);
  return (double)sum;
}

/* Wherever it runs out while the sandbox is made. */
static void try_bounds(void)
{
  int32_t failed = 0, made = 0;
  for (double bytes = 1000; bytes < 600000; bytes += 3000) {
    anet__sandbox *s;
    const anet__sandbox_desc desc = {
        .text = POLICY, .size = sizeof POLICY - 1, .name = "p", .bytes = bytes};
    const int rc = anet__sandbox_new(&desc, &s);
    if (rc == ANET_OK)
      made++;
    else
      failed++;
    CHECK(rc ? !s && rc == ANET_POLICY && !made : s != NULL);
    if (rc) CHECK(strstr(anet_error(), "policy 'p': ") && strstr(anet_error(), " memory"));
    anet__sandbox_release(s);
  }
  CHECK(failed > 10 && made > 10);
}

TEST(memory_may_be_too_little)
{
  const double before = mapped_bytes();
  CHECK(before > 1 << 20);
  try_bounds();
  CHECK(mapped_bytes() < before + (16 << 20)); /* nothing is left */
}

static int push_long(lua_State *L, void *data)
{
  luaL_Buffer buffer;
  lua_newtable(L);
  luaL_buffinit(L, &buffer);
  for (int i = 0; i < 6; i++) luaL_addlstring(&buffer, data, 10000);
  luaL_pushresult(&buffer);
  lua_setfield(L, -2, "text");
  return 1;
}

/* Those that come after as well: what is asked is not the policy's, but lies in its memory. */
TEST(garbage_is_no_memory)
{
  int results;
  static char text[10000];
  anet__sandbox *s = started(0, 0, 1 << 20, NULL);
  for (int32_t i = 0; i < 20; i++) CHECK_OK(pick(s, "waste", 5000));
  CHECK(anet__sandbox_bytes(s) < 1 << 20);
  for (int32_t i = 0; i < 100; i++) {
    memset(text, 'a' + i % 26, sizeof text);
    text[0] = (char)(1 + i);
    CHECK_OK(anet__sandbox_ask(s, "pick", push_long, text, &results));
  }
  anet__sandbox_release(s);
}

/* Bytes held after each of many small picks: the least, and the most that was reached after it; and
 * what the pick cost that collected. */
typedef struct swing {
  double least, most, price, usual;
} swing;

static swing swing_of(anet__sandbox *s)
{
  swing w = {.least = INFINITY};
  double before = INFINITY;
  for (int32_t i = 0; i < 3000; i++) {
    CHECK_OK(pick(s, "waste", 20));
    const double now = anet__sandbox_bytes(s);
    if (now < before) { /* collected */
      if (i > 0) w.price = anet__sandbox_steps(s);
      w.least = now;
      w.most = 0;
    } else {
      w.usual = anet__sandbox_steps(s);
    }
    w.most = fmax(w.most, fmax(now, before < INFINITY && now < before ? before : 0));
    before = now;
  }
  return w;
}

TEST(a_quarter_of_what_is_free_may_be_garbage)
{
  const double bytes = 4 << 20;
  anet__sandbox *s = started(0, 0, bytes, NULL);
  CHECK(anet__sandbox_bytes(s) < bytes / 8);
  double most = 0, before = 0;
  for (int32_t i = 0; i < 3000 && anet__sandbox_bytes(s) >= before; i++) {
    before = anet__sandbox_bytes(s);
    most = fmax(most, before);
    CHECK_OK(pick(s, "waste", 20));
  }
  CHECK_NEAR(most, bytes / 4, 10000); /* at first, of all */
  swing w = swing_of(s);
  CHECK_NEAR(w.most, w.least + (bytes - w.least) / 4, 10000);
  CHECK_NEAR(w.price - w.usual, w.most / 64, w.most / 640);
  anet__sandbox_release(s);
  /* Where little is free, no less than a part of all. */
  const double small = 3.6 * (1 << 20);
  s = started(0, 0, small, NULL);
  CHECK_OK(pick(s, "tables", 42000));
  w = swing_of(s);
  CHECK(small - w.least < small / 8);
  CHECK_NEAR(w.most, w.least + small / 32, 10000);
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
          CASE(steps_are_instructions), CASE(a_long_text_is_watched_closely),
          CASE(what_nothing_is_said_of), CASE(memory_may_be_too_little), CASE(garbage_is_no_memory),
          CASE(a_quarter_of_what_is_free_may_be_garbage), CASE(memory_has_its_bound),
          CASE(a_stop_ends_it))
