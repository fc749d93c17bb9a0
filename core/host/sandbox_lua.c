/* Sandboxes as Lua objects: the module "anet.native_sandbox", which lua/anet/sandbox.lua wraps. */
#include <lauxlib.h>
#include <math.h>
#include "anet.h"
#include "host/host.h"
#include "host/sandbox.h"
#include "host/signals.h"

static const char TYPE[] = "anet.sandbox";

enum { ANSWER_BYTES = 8 << 20 }; /* of texts in one value of an answer */

static anet__sandbox *check_sandbox(lua_State *L)
{
  anet__sandbox **box = luaL_checkudata(L, 1, TYPE);
  if (!*box) luaL_error(L, "the sandbox is closed");
  return *box;
}

/* new(text, name, steps, seconds, bytes) -> sandbox, or nil and a message */
static int sandbox_new(lua_State *L)
{
  anet__sandbox_desc desc = {.name = luaL_checkstring(L, 2),
                             .steps = luaL_optnumber(L, 3, 0),
                             .seconds = luaL_optnumber(L, 4, 0),
                             .bytes = luaL_optnumber(L, 5, 0),
                             .stop = anet__signals_flag()};
  desc.text = luaL_checklstring(L, 1, &desc.size);
  anet__sandbox **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  luaL_getmetatable(L, TYPE);
  lua_setmetatable(L, -2);
  if (anet__sandbox_new(&desc, box) == ANET_OK) return 1;
  lua_pushnil(L);
  lua_pushstring(L, anet_error());
  return 2;
}

static int sandbox_gc(lua_State *L)
{
  anet__sandbox **box = luaL_checkudata(L, 1, TYPE);
  anet__sandbox_release(*box);
  *box = NULL;
  return 0;
}

/* Arguments of `ask`: the values from 3 on. */
static int push_arguments(lua_State *to, void *data)
{
  lua_State *from = data;
  int top = lua_gettop(from);
  for (int i = 3; i <= top; i++) {
    const char *why =
        anet__sandbox_copy(from, i, to, INFINITY); /* what is too much is refused there */
    if (why) luaL_error(to, "argument %d: %s", i - 2, why);
  }
  return top - 2;
}

/* sandbox:ask(method, …) -> true and results, or false and a message */
static int sandbox_ask(lua_State *L)
{
  anet__sandbox *s = check_sandbox(L);
  const char *method = luaL_checkstring(L, 2);
  luaL_argcheck(L, lua_gettop(L) <= 18, 3, "more than 16 arguments");
  int results = 0;
  int rc = anet__sandbox_ask(s, method, push_arguments, L, &results);
  lua_settop(L, 0);
  lua_pushboolean(L, rc == ANET_OK);
  if (rc) {
    lua_pushstring(L, anet_error());
    return 2;
  }
  if (results > 16) results = 16;
  for (int i = 1; i <= results; i++) {
    const char *why = anet__sandbox_copy(anet__sandbox_state(s), i, L, ANSWER_BYTES);
    if (!why) continue;
    lua_settop(L, 0);
    lua_pushboolean(L, 0);
    lua_pushfstring(L, "result %d: %s", i, why);
    return 2;
  }
  return results + 1;
}

static int sandbox_steps(lua_State *L)
{
  lua_pushnumber(L, anet__sandbox_steps(check_sandbox(L)));
  return 1;
}

static int sandbox_bytes(lua_State *L)
{
  lua_pushnumber(L, anet__sandbox_bytes(check_sandbox(L)));
  return 1;
}

void anet__sandbox_open(lua_State *L)
{
  static const luaL_Reg methods[] = {
      {"ask", sandbox_ask},
      {"steps", sandbox_steps},
      {"bytes", sandbox_bytes},
      {NULL, NULL},
  };
  luaL_newmetatable(L, TYPE);
  lua_pushcfunction(L, sandbox_gc);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  luaL_register(L, NULL, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  lua_pushcfunction(L, sandbox_new);
  lua_setfield(L, -2, "anet.native_sandbox");
  lua_pop(L, 1);
}
