/* The host's own description of a space, and its front and best genomes, for policies. It is made
 * once, when the policy is told of the space, and the policy never gets hold of it. It comes as
 * flat lists, because nothing but plain data crosses: trunk (positions), options {position, gene,
 * kind, span, width} in order. */
#include <lauxlib.h>
#include <string.h>
#include "anet.h"
#include "elastic/space.h"
#include "host/sandbox.h"

enum { MOST_GENOMES = 4096 };

static const char SPACE[] = "anet.space", FRONT[] = "anet.front";

static int space_release(lua_State *L)
{
  anet_space **box = lua_touserdata(L, 1);
  anet_space_release(*box);
  *box = NULL;
  return 0;
}

static int front_release(lua_State *L)
{
  anet_front **box = lua_touserdata(L, 1);
  anet_front_release(*box);
  *box = NULL;
  return 0;
}

/* Userdata with a pointer that is released however the call ends. */
static void *push_box(lua_State *L, const char *type, lua_CFunction release)
{
  void **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  if (luaL_newmetatable(L, type)) {
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return box;
}

static bool spend(void *data, double labels, double bytes)
{
  return anet__sandbox_spend(data, labels, bytes);
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
  static const char *const names[ANET_OPTION_COUNT + 1] = {"keep", "merge", "shrink",
                                                           "skip", "int8",  NULL};
  lua_getfield(L, -1, "kind");
  const char *name = lua_tostring(L, -1);
  int32_t kind = 0;
  while (names[kind] && strcmp(names[kind], name ? name : "") != 0) kind++;
  if (!names[kind]) luaL_error(L, "option: no kind '%s'", name ? name : "nil");
  lua_pop(L, 1);
  return kind;
}

/* space(trunk, options) -> the space. Every position has its keep already. */
static int native_space(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  int positions = (int)lua_objlen(L, 1), options = (int)lua_objlen(L, 2);
  int32_t *trunk = lua_newuserdata(L, (size_t)(positions + 1) * sizeof *trunk);
  for (int i = 0; i < positions; i++) trunk[i] = (int32_t)number_at(L, 1, i + 1);
  anet_space **box = push_box(L, SPACE, space_release);
  check(L, anet_space_new(trunk, positions, box));
  for (int i = 1; i <= options; i++) {
    lua_rawgeti(L, 2, i);
    if (!lua_istable(L, -1)) luaL_error(L, "option %d is no table", i);
    anet_option option = {.kind = kind_of(L),
                          .position = (int32_t)field(L, "position") - 1,
                          .span = (int32_t)field(L, "span"),
                          .width = (float)field(L, "width"),
                          .hidden = (int32_t)field(L, "hidden")};
    lua_pop(L, 1);
    if (option.kind != ANET_KEEP) check(L, anet_space_add(*box, &option));
  }
  return 1;
}

static const anet_space *check_space(lua_State *L)
{
  return *(anet_space **)luaL_checkudata(L, 1, SPACE);
}

static void push_genome(lua_State *L, const anet_space *space, const uint8_t *genome)
{
  char *text = lua_newuserdata(L, (size_t)anet_space_positions(space) + 1);
  check(L, anet_genome_print(space, genome, text));
  lua_pushstring(L, text);
  lua_remove(L, -2);
}

static void push_point(lua_State *L, const anet_space *space, const anet_front *front, int i,
                       uint8_t *genome)
{
  double cost, damage;
  check(L, anet_front_get(front, i, genome, &cost, &damage));
  lua_createtable(L, 0, 3);
  push_genome(L, space, genome);
  lua_setfield(L, -2, "genome");
  lua_pushnumber(L, cost);
  lua_setfield(L, -2, "cost");
  lua_pushnumber(L, damage);
  lua_setfield(L, -2, "damage");
}

/* front(space, cost, damage) -> {{genome, cost, damage}, …}, fastest first */
static int native_front(lua_State *L)
{
  lua_settop(L, 3);
  const anet_space *space = check_space(L);
  int options = anet_space_options(space);
  const double *cost = check_list(L, 2, options), *damage = check_list(L, 3, options);
  uint8_t *genome = lua_newuserdata(L, (size_t)anet_space_positions(space) + 1);
  anet_front **front = push_box(L, FRONT, front_release);
  const anet__meter meter = {spend, L};
  check(L, anet__space_front(space, cost, damage, &meter, front));
  int count = anet_front_count(*front);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    push_point(L, space, *front, i, genome);
    lua_rawseti(L, -2, i + 1);
  }
  anet_front_release(*front);
  *front = NULL;
  anet__sandbox_spend(L, 0, 0);
  return 1;
}

/* best(space, cost, damage, budget, k) -> {genome, …}, least damage first; empty where nothing
 * meets the budget */
static int native_best(lua_State *L)
{
  double budget = luaL_checknumber(L, 4);
  double wanted = luaL_checknumber(L, 5);
  luaL_argcheck(L, wanted >= 1 && wanted <= MOST_GENOMES, 5, "want 1 to 4096 genomes");
  int k = (int)wanted;
  lua_settop(L, 3);
  const anet_space *space = check_space(L);
  int options = anet_space_options(space), positions = anet_space_positions(space);
  const double *cost = check_list(L, 2, options), *damage = check_list(L, 3, options);
  uint8_t *genomes = lua_newuserdata(L, (size_t)k * (size_t)positions + 1);
  int32_t found = 0;
  const anet__meter meter = {spend, L};
  int status = anet__space_best(space, cost, damage, budget, k, &meter, genomes, &found);
  anet__sandbox_spend(L, 0, 0);
  if (status != ANET_INFEASIBLE) check(L, status);
  lua_createtable(L, found, 0);
  for (int i = 0; i < found; i++) {
    push_genome(L, space, genomes + (size_t)i * (size_t)positions);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

void anet__sandbox_natives(lua_State *L)
{
  lua_pushcfunction(L, native_space);
  lua_setfield(L, -2, "space");
  lua_pushcfunction(L, native_front);
  lua_setfield(L, -2, "front");
  lua_pushcfunction(L, native_best);
  lua_setfield(L, -2, "best");
}
