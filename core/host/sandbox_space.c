/* front and best of a space for policies. A space crosses as flat lists, because nothing but plain
 * data crosses: trunk (positions), options {position, gene, kind, span, width} in order. */
#include <lauxlib.h>
#include <string.h>
#include "anet.h"
#include "host/sandbox.h"

enum { MOST_GENOMES = 4096 };

/* Userdata that releases what it holds however the call ends. */
typedef struct holder {
  anet_space *space;
  anet_front *front;
} holder;

static int holder_release(lua_State *L)
{
  holder *h = lua_touserdata(L, 1);
  anet_front_release(h->front);
  anet_space_release(h->space);
  *h = (holder){0};
  return 0;
}

static holder *push_holder(lua_State *L)
{
  holder *h = lua_newuserdata(L, sizeof *h);
  *h = (holder){0};
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, holder_release);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return h;
}

static void check(lua_State *L, int status)
{
  if (status) luaL_error(L, "%s", anet_error());
}

static double number_at(lua_State *L, int table, int index)
{
  lua_rawgeti(L, table, index);
  double value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

static double field(lua_State *L, const char *name)
{
  lua_getfield(L, -1, name);
  double value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

/* The numbers of a list argument, in userdata that the collector frees. */
static double *check_list(lua_State *L, int argument, int count)
{
  luaL_checktype(L, argument, LUA_TTABLE);
  if ((int)lua_objlen(L, argument) != count)
    luaL_error(L, "got %d figures, want one for each of %d options", (int)lua_objlen(L, argument),
               count);
  double *list = lua_newuserdata(L, (size_t)(count + 1) * sizeof *list);
  for (int i = 0; i < count; i++) list[i] = number_at(L, argument, i + 1);
  return list;
}

/* The kind of the option on top, by its name. */
static int32_t kind_of(lua_State *L)
{
  static const char *const names[ANET_OPTION_COUNT + 1] = {"keep", "merge", "shrink", "skip", "int8", NULL};
  lua_getfield(L, -1, "kind");
  const char *name = lua_tostring(L, -1);
  int32_t kind = 0;
  while (names[kind] && strcmp(names[kind], name ? name : "") != 0) kind++;
  if (!names[kind]) luaL_error(L, "option: no kind '%s'", name ? name : "nil");
  lua_pop(L, 1);
  return kind;
}

/* The space of arguments 1 (trunk) and 2 (options). Every position has its keep already. */
static anet_space *check_space(lua_State *L, holder *h)
{
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  int positions = (int)lua_objlen(L, 1), options = (int)lua_objlen(L, 2);
  int32_t *trunk = lua_newuserdata(L, (size_t)(positions + 1) * sizeof *trunk);
  for (int i = 0; i < positions; i++) trunk[i] = (int32_t)number_at(L, 1, i + 1);
  check(L, anet_space_new(trunk, positions, &h->space));
  for (int i = 1; i <= options; i++) {
    lua_rawgeti(L, 2, i);
    if (!lua_istable(L, -1)) luaL_error(L, "option %d is no table", i);
    anet_option option = {.kind = kind_of(L),
                          .position = (int32_t)field(L, "position") - 1,
                          .span = (int32_t)field(L, "span"),
                          .width = (float)field(L, "width"),
                          .hidden = (int32_t)field(L, "hidden")};
    lua_pop(L, 1);
    if (option.kind != ANET_KEEP) check(L, anet_space_add(h->space, &option));
  }
  return h->space;
}

static void push_genome(lua_State *L, const anet_space *space, const uint8_t *genome)
{
  char *text = lua_newuserdata(L, (size_t)anet_space_positions(space) + 1);
  check(L, anet_genome_print(space, genome, text));
  lua_pushstring(L, text);
  lua_remove(L, -2);
}

/* front(trunk, options, cost, damage) -> {{genome, cost, damage}, …}, fastest first */
static int native_front(lua_State *L)
{
  lua_settop(L, 4);
  holder *h = push_holder(L);
  const anet_space *space = check_space(L, h);
  int options = anet_space_options(space);
  const double *cost = check_list(L, 3, options), *damage = check_list(L, 4, options);
  uint8_t *genome = lua_newuserdata(L, (size_t)anet_space_positions(space) + 1);
  check(L, anet_space_front(space, cost, damage, &h->front));
  int count = anet_front_count(h->front);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    double least_cost, least_damage;
    check(L, anet_front_get(h->front, i, genome, &least_cost, &least_damage));
    lua_createtable(L, 0, 3);
    push_genome(L, space, genome);
    lua_setfield(L, -2, "genome");
    lua_pushnumber(L, least_cost);
    lua_setfield(L, -2, "cost");
    lua_pushnumber(L, least_damage);
    lua_setfield(L, -2, "damage");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* best(trunk, options, cost, damage, budget, k) -> {genome, …}, least damage first; empty where
 * nothing meets the budget */
static int native_best(lua_State *L)
{
  double budget = luaL_checknumber(L, 5);
  int k = (int)luaL_checknumber(L, 6);
  luaL_argcheck(L, k >= 1 && k <= MOST_GENOMES, 6, "want 1 to 4096 genomes");
  lua_settop(L, 4);
  holder *h = push_holder(L);
  const anet_space *space = check_space(L, h);
  int options = anet_space_options(space), positions = anet_space_positions(space);
  const double *cost = check_list(L, 3, options), *damage = check_list(L, 4, options);
  uint8_t *genomes = lua_newuserdata(L, (size_t)k * (size_t)positions + 1);
  int32_t found = 0;
  int status = anet_space_best(space, cost, damage, budget, k, genomes, &found);
  if (status != ANET_INFEASIBLE)
    check(L, status);
  else
    found = 0;
  lua_createtable(L, found, 0);
  for (int i = 0; i < found; i++) {
    push_genome(L, space, genomes + (size_t)i * (size_t)positions);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

void anet__sandbox_natives(lua_State *L)
{
  lua_pushcfunction(L, native_front);
  lua_setfield(L, -2, "front");
  lua_pushcfunction(L, native_best);
  lua_setfield(L, -2, "best");
}
