#include "host/repl.h"

#include <lauxlib.h>

#ifdef ANET_WITH_EDIT
#include <editline/readline.h>
#include <stdlib.h>
#include <string.h>

/* libedit's callbacks carry no data of ours: the state whose read() is waiting, else NULL. */
static lua_State *reader;

static char COMPLETER, MATCHES; /* their addresses are registry keys */

static void get_slot(lua_State *L, char *key)
{
  lua_pushlightuserdata(L, key);
  lua_rawget(L, LUA_REGISTRYINDEX);
}

static void set_slot(lua_State *L, char *key)
{
  lua_pushlightuserdata(L, key);
  lua_insert(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

/* The matches of a word, asked of Lua at state 0 and handed out one by one. */
static char *next_match(const char *word, int state)
{
  lua_State *L = reader;
  if (state == 0) {
    get_slot(L, &COMPLETER);
    lua_pushstring(L, word);
    if (lua_pcall(L, 1, 1, 0)) {
      lua_pop(L, 1);
      return NULL;
    }
    set_slot(L, &MATCHES);
  }
  get_slot(L, &MATCHES);
  char *match = NULL;
  if (lua_istable(L, -1)) {
    lua_rawgeti(L, -1, state + 1);
    if (lua_isstring(L, -1)) match = strdup(lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return match;
}

static char **complete(const char *word, int start, int end)
{
  (void)start;
  (void)end;
  rl_attempted_completion_over = 1; /* never file names */
  rl_completion_append_character = 0;
  return reader ? rl_completion_matches(word, next_match) : NULL;
}

/* read(prompt) -> line, or nil at the end of input */
static int edit_read(lua_State *L)
{
  const char *prompt = luaL_checkstring(L, 1);
  reader = L;
  char *line = readline(prompt);
  reader = NULL;
  if (!line) return 0;
  lua_pushstring(L, line);
  free(line);
  return 1;
}

/* remember(line): put it into the history */
static int edit_remember(lua_State *L)
{
  add_history(luaL_checkstring(L, 1));
  return 0;
}

/* load(path), save(path): the history file */
static int edit_load(lua_State *L)
{
  lua_pushboolean(L, read_history(luaL_checkstring(L, 1)) == 0);
  return 1;
}

static int edit_save(lua_State *L)
{
  stifle_history(2000);
  lua_pushboolean(L, write_history(luaL_checkstring(L, 1)) == 0);
  return 1;
}

/* start(completer): completer(word) -> {match, …} */
static int edit_start(lua_State *L)
{
  static const char breaks[] = " \t\n\"'`@$><=;|&{}()[]+-*/%^#,~?";
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  set_slot(L, &COMPLETER);
  rl_readline_name = "anet";
  rl_basic_word_break_characters = breaks; /* what libedit reads */
  rl_attempted_completion_function = complete;
  using_history();
  return 0;
}

static const luaL_Reg functions[] = {
    {"read", edit_read}, {"remember", edit_remember}, {"load", edit_load},
    {"save", edit_save}, {"start", edit_start},       {NULL, NULL},
};
#else
static const luaL_Reg functions[] = {{NULL, NULL}};
#endif

void anet__repl_open(lua_State *L)
{
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  lua_newtable(L);
  luaL_register(L, NULL, functions);
  lua_setfield(L, -2, "anet.edit");
  lua_pop(L, 1);
}
