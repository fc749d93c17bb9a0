/* What crosses a sandbox's border and at which bounds it is refused; keys in order, and their
 * price. */
#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <string.h>
#include "host/sandbox.h"
#include "support/test.h"

static lua_State *from, *to;

static void begin(void)
{
  from = luaL_newstate();
  to = luaL_newstate();
  luaL_openlibs(from);
  luaL_openlibs(to);
}

static void end(void)
{
  lua_close(from);
  lua_close(to);
}

static void make(const char *text)
{
  if (luaL_dostring(from, text)) TEST_FAIL("%s: %s", text, lua_tostring(from, -1));
}

static const char *copy(double most_bytes)
{
  return anet__sandbox_copy(from, -1, to, most_bytes);
}

/* The value that `text` gives crosses, and what arrives makes `test`, a function, say true. */
static void crosses(const char *text, const char *test)
{
  const int before = lua_gettop(from);
  make(text);
  const char *why = copy(1e6);
  CHECK_EQ_I(lua_gettop(from), before + 1);
  lua_pop(from, 1);
  if (why) {
    TEST_FAIL("%s: %s", text, why);
    return;
  }
  CHECK_EQ_I(lua_gettop(to), 1);
  if (luaL_loadstring(to, test)) TEST_FAIL("%s: %s", test, lua_tostring(to, -1));
  lua_insert(to, 1);
  if (lua_pcall(to, 1, 1, 0) || !lua_toboolean(to, -1)) TEST_FAIL("%s: not %s", text, test);
  test_checks++;
  lua_settop(to, 0);
}

static void refused(const char *text, double most_bytes, const char *words)
{
  const int before = lua_gettop(from);
  make(text);
  lua_pushliteral(to, "below");
  const char *why = copy(most_bytes);
  if (!why || !strstr(why, words)) TEST_FAIL("%s: %s, want '%s'", text, why, words);
  test_checks++;
  CHECK_EQ_I(lua_gettop(from), before + 1);
  CHECK_EQ_I(lua_gettop(to), 1); /* nothing is pushed */
  lua_pop(from, 1);
  lua_settop(to, 0);
}

TEST(plain_values_cross_as_they_are)
{
  begin();
  crosses("return nil", "return ... == nil");
  crosses("return false", "return ... == false");
  crosses("return true", "return ... == true");
  crosses("return -0.5", "return ... == -0.5");
  crosses("return 'a\\0b'", "return ... == 'a\\0b'");
  crosses("return {1, 'x', {y = true}, [0.5] = 7, [false] = 8, ['9'] = 9}",
          "local t = ... return t[1] == 1 and t[2] == 'x' and t[3].y and t[0.5] == 7 and "
          "t[false] == 8 and t['9'] == 9 and t[9] == nil");
  crosses("local s, t = {1}, {} for i = 1, 3 do t[i] = s end t[4] = {1} return t",
          "local t = ... return t[1] == t[2] and t[2] == t[3] and t[1] ~= t[4] and t[1][1] == 1");
  crosses("return setmetatable({1}, {__index = error, __newindex = error, __pairs = error, "
          "__len = error})",
          "local t = ... return #t == 1 and not getmetatable(t) and t[2] == nil");
  end();
}

TEST(an_index_from_below_or_above)
{
  begin();
  make("return 'one', 'two', 'three'");
  CHECK(!anet__sandbox_copy(from, 1, to, 100));
  CHECK(!anet__sandbox_copy(from, -2, to, 100));
  CHECK_EQ_S(lua_tostring(to, 1), "one");
  CHECK_EQ_S(lua_tostring(to, 2), "two");
  CHECK_EQ_I(lua_gettop(from), 3);
  end();
}

TEST(what_is_no_plain_data_stays)
{
  static const char *const words =
      "only nil, booleans, numbers, strings and tables of them may cross";
  begin();
  refused("return print", 1e6, words);
  refused("return {{1, coroutine.create(print)}}", 1e6, words);
  refused("return {[print] = 1}", 1e6, words);
  refused("return io.stdout", 1e6, words);
  refused("local t = {} t[1] = t return t", 1e6, "a value contains itself");
  refused("local t = {} t[1] = {{t}} return t", 1e6, "a value contains itself");
  refused("local t = {} t[t] = 1 return t", 1e6, "a value contains itself");
  end();
}

TEST(sixteen_levels)
{
  begin();
  crosses("local t = {7} for i = 2, 16 do t = {t} end return t",
          "local t = ... for i = 2, 16 do t = t[1] end return t[1] == 7");
  refused("local t = {7} for i = 2, 17 do t = {t} end return t", 1e6,
          "a value has too many levels");
  refused("local t = {7} for i = 2, 17 do t = {[t] = 1} end return t", 1e6, "too many levels");
  end();
}

/* A key is a value, too. */
TEST(a_mebi_of_values)
{
  begin();
  crosses("local t = {} for i = 1, 2^19 - 1 do t[i] = i end return t", "return #(...) == 2^19 - 1");
  refused("local t = {} for i = 1, 2^19 do t[i] = i end return t", 1e6, "a value is too large");
  end();
}

TEST(bytes_of_texts)
{
  begin();
  make("return {'abc', k = 'defg'}"); /* the key counts */
  CHECK(!copy(8));
  lua_settop(to, 0);
  lua_settop(from, 0);
  refused("return {'abc', k = 'defg'}", 7, "a value has too long texts");
  refused("return 'abc'", 2, "a value has too long texts");
  /* Texts of 64 bytes and more are counted once, as they are copied once. */
  make("local s = ('x'):rep(64) return {s, s, s}");
  CHECK(!copy(64));
  lua_settop(to, 0);
  lua_settop(from, 0);
  make("local s = ('x'):rep(63) return {s, s, s}");
  CHECK(!copy(3 * 63));
  lua_settop(to, 0);
  lua_settop(from, 0);
  refused("local s = ('x'):rep(63) return {s, s, s}", 3 * 63 - 1, "too long");
  refused("return {('x'):rep(64), ('y'):rep(64)}", 127, "too long");
  end();
}

TEST(full_stacks)
{
  enum { MOST = 8000 }; /* values of a stack of LuaJIT's that C may have */
  begin();
  make("return {{1}}");
  while (lua_checkstack(to, 7)) lua_pushnil(to);
  const int top = lua_gettop(to);
  CHECK(top > MOST / 2);
  const char *why = copy(100);
  CHECK(why && strstr(why, "a value is too deep"));
  CHECK_EQ_I(lua_gettop(to), top);
  lua_pushnil(to);
  why = copy(100);
  CHECK(why && strstr(why, "the stack is full"));
  CHECK_EQ_I(lua_gettop(to), top + 1);
  lua_settop(to, 0);
  while (lua_checkstack(from, 4)) lua_pushnil(from);
  why = anet__sandbox_copy(from, 1, to, 100);
  CHECK(why && strstr(why, "a value is too deep"));
  CHECK_EQ_I(lua_gettop(to), 0);
  end();
}

/* ---- keys --------------------------------------------------------------------------------- */

static anet__sandbox *box_of(const char *body, double bytes)
{
  static const char FORM[] = "return {api = 1, kind = 'latency', new = function() return "
                             "{pick = function(self, ladder, state) %s end} end}";
  char text[2048];
  anet__sandbox *s = NULL;
  snprintf(text, sizeof text, FORM, body);
  const anet__sandbox_desc desc = {
      .text = text, .size = strlen(text), .name = "box", .bytes = bytes};
  CHECK_OK(anet__sandbox_new(&desc, &s));
  return s;
}

static int push_start(lua_State *L, void *data)
{
  (void)data;
  lua_newtable(L);
  lua_pushnumber(L, 1);
  return 2;
}

static int push_numbers(lua_State *L, void *data)
{
  const int count = *(const int *)data;
  lua_newtable(L);
  for (int i = 1; i <= count; i++) {
    lua_pushnumber(L, 1);
    lua_rawseti(L, -2, i * 7919 % 10007);
  }
  return 1;
}

static double steps_of(anet__sandbox *s, int count)
{
  int results;
  CHECK_OK(anet__sandbox_ask(s, "pick", push_numbers, &count, &results));
  return anet__sandbox_steps(s);
}

TEST(keys_have_an_order_and_a_price)
{
  int results, none = 0;
  anet__sandbox *s = box_of(
      "local t = {[3] = 1, [-1] = 1, [2.5] = 1, [1/0] = 1, [''] = 1, a = 1, ab = 1, ['a\\0'] = 1, "
      "b = 1, ['a\\0b'] = 1, [true] = 1, [false] = 1, ['10'] = 1, ['9'] = 1} local said = {} "
      "for k in pairs(t) do said[#said + 1] = tostring(k):gsub('%z', '0') end "
      "return table.concat(said, ' ')",
      0);
  CHECK_OK(anet__sandbox_ask(s, "start", push_start, NULL, &results));
  CHECK_OK(anet__sandbox_ask(s, "pick", push_numbers, &none, &results));
  CHECK_EQ_S(lua_tostring(anet__sandbox_state(s), 1),
             "-1 2.5 3 inf  10 9 a a0 a0b ab b false true");
  anet__sandbox_release(s);

  s = box_of("local f = pairs(state) return 1", 0);
  CHECK_OK(anet__sandbox_ask(s, "start", push_start, NULL, &results));
  const double nothing = steps_of(s, 0);
  for (int n = 100; n <= 6400; n *= 8) {
    const double price = n * (1 + log2(n + 1.0)), paid = steps_of(s, n) - nothing;
    test_checks++;
    if (!(paid > price && paid < price + 6 * n + 100))
      TEST_FAIL("%d keys cost %g steps, want about %g", n, paid, price);
  }
  anet__sandbox_release(s);
}

/* ---- what natives spend ------------------------------------------------------------------- */

enum { HELD = 100000 };

static int hold(lua_State *L)
{
  lua_newuserdata(L, HELD);
  return 0;
}

TEST(natives_spend_steps_and_bytes)
{
  const double most = 2 << 20;
  int results;
  anet__sandbox *s = box_of("return 1", most);
  CHECK_OK(anet__sandbox_ask(s, "start", push_start, NULL, &results));
  lua_State *L = anet__sandbox_state(s);
  const double steps = anet__sandbox_steps(s), left = most - anet__sandbox_bytes(s);
  CHECK(anet__sandbox_spend(L, 10, 0));
  CHECK(anet__sandbox_spend(L, -5, 0)); /* nothing is given back */
  CHECK_NEAR(anet__sandbox_steps(s), steps + 10, 1e-9);
  CHECK(anet__sandbox_spend(L, 0, left));
  CHECK(!anet__sandbox_spend(L, 0, left + 1));
  CHECK(anet__sandbox_spend(L, 0, left));
  CHECK_EQ_I(lua_cpcall(L, hold, NULL), LUA_ERRMEM); /* what they hold nobody else can have */
  CHECK(anet__sandbox_spend(L, 0, left - 2 * HELD));
  CHECK_EQ_I(lua_cpcall(L, hold, NULL), 0);
  lua_gc(L, LUA_GCCOLLECT, 0);
  /* What they still say at the end of a question is forgotten. */
  int none = 0;
  CHECK(anet__sandbox_spend(L, 0, most - anet__sandbox_bytes(s) - HELD / 2));
  CHECK_OK(anet__sandbox_ask(s, "pick", push_numbers, &none, &results));
  CHECK_EQ_I(lua_cpcall(L, hold, NULL), 0);
  CHECK(anet__sandbox_spend(L, 1e12, 0)); /* no call is running, so no budget is */
  CHECK_EQ_S(anet__sandbox_name(s), "box");
  anet__sandbox_release(s);
  anet__sandbox_release(NULL);
}

TEST_MAIN(CASE(plain_values_cross_as_they_are), CASE(an_index_from_below_or_above),
          CASE(what_is_no_plain_data_stays), CASE(sixteen_levels), CASE(a_mebi_of_values),
          CASE(bytes_of_texts), CASE(full_stacks), CASE(keys_have_an_order_and_a_price),
          CASE(natives_spend_steps_and_bytes))
