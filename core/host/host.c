/* The module "anet.host", and the searcher that finds the embedded Lua files. */
#include "host/host.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "host/embed.h"
#include "host/signals.h"

/* ---- files ------------------------------------------------------------------------------- */

static bool push_stream(lua_State *L, FILE *stream)
{
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  size_t got;
  do {
    char *room = luaL_prepbuffer(&buffer);
    got = fread(room, 1, LUAL_BUFFERSIZE, stream);
    luaL_addsize(&buffer, got);
  } while (got == LUAL_BUFFERSIZE);
  luaL_pushresult(&buffer);
  return !ferror(stream);
}

/* The file below the folder that ANET_LUA names. */
static bool push_override(lua_State *L, const char *path)
{
  const char *root = getenv("ANET_LUA");
  if (!root || !*root) return false;
  FILE *stream = fopen(lua_pushfstring(L, "%s/%s", root, path), "rb");
  lua_pop(L, 1);
  if (!stream) return false;
  bool ok = push_stream(L, stream);
  fclose(stream);
  if (!ok) lua_pop(L, 1);
  return ok;
}

bool anet__host_file(lua_State *L, const char *path)
{
  if (push_override(L, path)) return true;
  for (const anet__file *f = anet__files; f->path; f++) {
    if (strcmp(f->path, path) != 0) continue;
    lua_pushlstring(L, f->text, f->size);
    return true;
  }
  return false;
}

/* file(path) -> text or nil */
static int host_file(lua_State *L)
{
  return anet__host_file(L, luaL_checkstring(L, 1)) ? 1 : 0;
}

/* files() -> {path, …} of the embedded files */
static int host_files(lua_State *L)
{
  lua_newtable(L);
  int n = 0;
  for (const anet__file *f = anet__files; f->path; f++) {
    lua_pushstring(L, f->path);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* nil, the message of a failure, and a code. */
static int push_failure(lua_State *L, int rc)
{
  lua_pushnil(L);
  lua_pushstring(L, anet_error());
  lua_pushstring(L, rc == ANET_IO ? "io" : rc == ANET_RANGE ? "range" : "nomem");
  return 3;
}

/* read(path, limit) -> the bytes of a regular file of at most `limit`, or nil, a message and a
 * code. Never waits: pipes and devices are refused. */
static int host_read(lua_State *L)
{
  const char *path = luaL_checkstring(L, 1);
  char *bytes;
  size_t count;
  const int rc = anet__file_read(path, (size_t)luaL_checknumber(L, 2), &bytes, &count);
  if (rc) return push_failure(L, rc);
  lua_pushlstring(L, bytes, count);
  anet__free(bytes);
  return 1;
}

/* write(path, bytes) -> true, or nil, a message and a code. What was there stays until all is
 * written. */
static int host_write(lua_State *L)
{
  size_t count;
  const char *path = luaL_checkstring(L, 1), *bytes = luaL_checklstring(L, 2, &count);
  const int rc = anet__file_write(path, bytes, count);
  if (rc) return push_failure(L, rc);
  lua_pushboolean(L, 1);
  return 1;
}

/* exists(path) -> whether there is something of that name */
static int host_exists(lua_State *L)
{
  lua_pushboolean(L, anet__file_exists(luaL_checkstring(L, 1)));
  return 1;
}

/* A package loader: "anet" is lua/anet/init.lua, "anet.x.y" is lua/anet/x/y.lua. */
static int search(lua_State *L)
{
  const char *name = luaL_checkstring(L, 1);
  if (strcmp(name, "anet") == 0) name = "anet.init";
  if (strncmp(name, "anet.", 5) != 0) return 0;
  const char *path = lua_pushfstring(L, "lua/%s.lua", luaL_gsub(L, name, ".", "/"));
  if (!anet__host_file(L, path)) {
    lua_pushfstring(L, "\n\tno embedded file '%s'", path);
    return 1;
  }
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  if (luaL_loadbuffer(L, text, size, lua_pushfstring(L, "@%s", path))) return lua_error(L);
  return 1;
}

/* ---- the process ------------------------------------------------------------------------- */

/* terminal(stream number) -> columns, or nil where it is no terminal */
static int host_terminal(lua_State *L)
{
  int fd = (int)luaL_checkinteger(L, 1);
  if (!isatty(fd)) return 0;
  struct winsize size = {0};
  ioctl(fd, TIOCGWINSZ, &size);
  lua_pushinteger(L, size.ws_col ? size.ws_col : 80);
  return 1;
}

static bool make_one_folder(const char *path)
{
  struct stat info;
  if (mkdir(path, 0777) == 0) return true;
  if (errno != EEXIST || stat(path, &info)) return false;
  if (!S_ISDIR(info.st_mode)) errno = ENOTDIR;
  return S_ISDIR(info.st_mode);
}

/* make_folder(path) -> true, or nil and a message; with those above it. One that exists is fine. */
static int host_make_folder(lua_State *L)
{
  const char *path = luaL_checkstring(L, 1);
  bool ok = true;
  for (const char *slash = strchr(path, '/'); ok && slash; slash = strchr(slash + 1, '/')) {
    if (slash == path) continue;
    lua_pushlstring(L, path, (size_t)(slash - path));
    ok = make_one_folder(lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_pushboolean(L, 1);
  if (ok && make_one_folder(path)) return 1;
  lua_pushnil(L);
  lua_pushfstring(L, "cannot make the folder '%s': %s", path, strerror(errno));
  return 2;
}

void anet__host_open(lua_State *L)
{
  static const luaL_Reg functions[] = {
      {"file", host_file},
      {"files", host_files},
      {"read", host_read},
      {"write", host_write},
      {"exists", host_exists},
      {"terminal", host_terminal},
      {"make_folder", host_make_folder},
      {NULL, NULL},
  };
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "loaded");
  lua_newtable(L);
  luaL_register(L, NULL, functions);
  anet__signals_open(L);
  lua_setfield(L, -2, "anet.host");
  lua_pop(L, 1);

  /* Second, after package.preload: an `anet` folder beside the user cannot shadow the engine. */
  lua_getfield(L, -1, "loaders");
  for (int i = (int)lua_objlen(L, -1); i >= 2; i--) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 2);
  anet__sandbox_open(L);
}
