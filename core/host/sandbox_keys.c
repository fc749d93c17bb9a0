/* The keys of a table in an order of their own: numbers, then texts, then false and true, each by
 * value. LuaJIT's order differs between processes. Sorting is C's, so that its price does not
 * depend on the order that the keys come in. */
#include <lauxlib.h>
#include <math.h>
#include <string.h>
#include "host/sandbox.h"

typedef struct key {
  const char *text; /* borrowed from the table's key; NULL: a number or boolean */
  size_t size;
  double number; /* a boolean: 0, 1 */
  int kind;      /* 1 number, 2 text, 3 boolean */
} key;

typedef struct keys {
  key *key, *spare; /* (count) in userdata, which the collector frees however the call ends */
  int count;
} keys;

enum { KEYS_A_CHECK = 1024 };

static bool comes_before(const key *a, const key *b)
{
  if (a->kind != b->kind) return a->kind < b->kind;
  if (a->kind != 2) return a->number < b->number;
  const int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
  return order ? order < 0 : a->size < b->size;
}

/* The key on top, which stays. */
static key read_key(lua_State *L)
{
  switch (lua_type(L, -1)) {
    case LUA_TNUMBER:
      return (key){.number = lua_tonumber(L, -1), .kind = 1};
    case LUA_TSTRING: {
      key k = {.kind = 2};
      k.text = lua_tolstring(L, -1, &k.size);
      return k;
    }
    case LUA_TBOOLEAN:
      return (key){.number = lua_toboolean(L, -1), .kind = 3};
    default:
      luaL_error(L, "a %s is a key, which has no order; keep a list instead", luaL_typename(L, -1));
      return (key){0};
  }
}

static int count_keys(lua_State *L)
{
  int count = 0;
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) count++;
  return count;
}

static void merge(const key *from, key *to, int low, int middle, int high)
{
  int left = low, right = middle;
  for (int i = low; i < high; i++) {
    const bool take_right =
        left >= middle || (right < high && comes_before(&from[right], &from[left]));
    to[i] = from[take_right ? right++ : left++];
  }
}

static int least(int a, int b)
{
  return a < b ? a : b;
}

/* Bottom up; looks at the budget after every so many keys. */
static void sort_keys(lua_State *L, keys *k)
{
  int unpaid = 0;
  for (int width = 1; width < k->count; width *= 2) {
    for (int low = 0; low < k->count; low += 2 * width) {
      const int middle = least(low + width, k->count), high = least(low + 2 * width, k->count);
      merge(k->key, k->spare, low, middle, high);
      unpaid += high - low;
      if (unpaid < KEYS_A_CHECK) continue;
      if (!anet__sandbox_spend(L, 0, 0)) luaL_error(L, "over its budget");
      unpaid = 0;
    }
    key *sorted = k->spare;
    k->spare = k->key;
    k->key = sorted;
  }
}

static void push_key(lua_State *L, const key *k)
{
  if (k->kind == 1)
    lua_pushnumber(L, k->number);
  else if (k->kind == 2)
    lua_pushlstring(L, k->text, k->size);
  else
    lua_pushboolean(L, k->number != 0);
}

/* keys(table) -> its keys, in order */
static int native_keys(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  keys k = {.count = count_keys(L)};
  const size_t bytes = (size_t)(k.count + 1) * sizeof *k.key;
  if (!anet__sandbox_spend(L, k.count * (1 + log2(k.count + 1.0)), 0))
    return luaL_error(L, "over its budget");
  k.key = lua_newuserdata(L, bytes);
  k.spare = lua_newuserdata(L, bytes);
  int at = 0;
  for (lua_pushnil(L); lua_next(L, 1);) {
    lua_pop(L, 1);
    k.key[at++] = read_key(L);
  }
  sort_keys(L, &k);
  lua_createtable(L, k.count, 0);
  for (int i = 0; i < k.count; i++) {
    push_key(L, &k.key[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

void anet__sandbox_keys(lua_State *L)
{
  lua_pushcfunction(L, native_keys);
  lua_setfield(L, -2, "keys");
}
