/* Values across the border of a sandbox, as plain data; what is shared is copied once. */
#include <lauxlib.h>
#include "host/sandbox.h"

enum {
  COPY_DEPTH = 16,       /* nested tables in a value */
  COPY_VALUES = 1 << 20, /* values in a value */
  MEMO_TEXT = 64         /* shorter strings are as quickly made again as found */
};

/* `memo` is a table on `to`'s stack: by the address in `from`, what it became in `to`; false while
 * a table is under way. */
typedef struct copier {
  lua_State *from, *to;
  int memo, values;
  double bytes, most_bytes;
} copier;

static const char *copy_value(copier *c, int index, int depth);

static void remember(copier *c, const void *address)
{
  lua_pushlightuserdata(c->to, (void *)address);
  lua_pushvalue(c->to, -2);
  lua_rawset(c->to, c->memo);
}

/* Pushes what the value at an address became, if it was met before. */
static bool recall(copier *c, const void *address)
{
  lua_pushlightuserdata(c->to, (void *)address);
  lua_rawget(c->to, c->memo);
  if (!lua_isnil(c->to, -1)) return true;
  lua_pop(c->to, 1);
  return false;
}

/* The entries of the table at `index` into the new one on top. */
static const char *copy_entries(copier *c, int index, int depth)
{
  lua_pushnil(c->from);
  while (lua_next(c->from, index)) {
    int top = lua_gettop(c->from);
    const char *why = copy_value(c, top - 1, depth + 1);
    if (!why && (why = copy_value(c, top, depth + 1))) lua_pop(c->to, 1);
    if (why) {
      lua_pop(c->from, 2);
      return why;
    }
    lua_rawset(c->to, -3);
    lua_pop(c->from, 1);
  }
  return NULL;
}

static const char *copy_table(copier *c, int index, int depth)
{
  const void *address = lua_topointer(c->from, index);
  if (recall(c, address)) {
    if (lua_istable(c->to, -1)) return NULL;
    lua_pop(c->to, 1);
    return "a value contains itself";
  }
  if (depth >= COPY_DEPTH) return "a value has too many levels";
  if (!lua_checkstack(c->from, 4) || !lua_checkstack(c->to, 6)) return "a value is too deep";
  lua_pushboolean(c->to, 0);
  remember(c, address);
  lua_pop(c->to, 1);
  lua_newtable(c->to);
  const char *why = copy_entries(c, index, depth);
  if (why)
    lua_pop(c->to, 1);
  else
    remember(c, address);
  return why;
}

static const char *copy_text(copier *c, int index)
{
  size_t size;
  const char *text = lua_tolstring(c->from, index, &size);
  if (size >= MEMO_TEXT && recall(c, text)) return NULL;
  c->bytes += (double)size;
  if (c->bytes > c->most_bytes) return "a value has too long texts";
  lua_pushlstring(c->to, text, size);
  if (size >= MEMO_TEXT) remember(c, text);
  return NULL;
}

/* index is absolute; keys are copied as they are, so that a number stays one. */
static const char *copy_value(copier *c, int index, int depth)
{
  if (++c->values > COPY_VALUES) return "a value is too large";
  switch (lua_type(c->from, index)) {
    case LUA_TNIL:
      lua_pushnil(c->to);
      return NULL;
    case LUA_TBOOLEAN:
      lua_pushboolean(c->to, lua_toboolean(c->from, index));
      return NULL;
    case LUA_TNUMBER:
      lua_pushnumber(c->to, lua_tonumber(c->from, index));
      return NULL;
    case LUA_TSTRING:
      return copy_text(c, index);
    case LUA_TTABLE:
      return copy_table(c, index, depth);
    default:
      return "only nil, booleans, numbers, strings and tables of them may cross";
  }
}

const char *anet__sandbox_copy(lua_State *from, int index, lua_State *to, double most_bytes)
{
  if (index < 0) index = lua_gettop(from) + 1 + index;
  if (!lua_checkstack(to, 6)) return "the stack is full";
  lua_newtable(to);
  copier c = {from, to, lua_gettop(to), 0, 0, most_bytes};
  const char *why = copy_value(&c, index, 0);
  lua_remove(to, c.memo);
  return why;
}
