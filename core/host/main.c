/* The `anet` command: a Lua state that runs lua/anet/main.lua with the arguments. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "host/host.h"
#include "host/repl.h"
#include "host/signals.h"

static int traceback(lua_State *L)
{
  if (!lua_isstring(L, 1)) return 1;
  luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

/* The global `arg`, as plain Lua has it: 0 is the command itself. */
static void set_arg(lua_State *L, int argc, char **argv)
{
  lua_createtable(L, argc, 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setglobal(L, "arg");
}

/* The number that main.lua returns; 1 where it fails. */
static int run(lua_State *L, int argc, char **argv)
{
  lua_pushcfunction(L, traceback);
  if (!anet__host_file(L, "lua/anet/main.lua")) return 1;
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  if (luaL_loadbuffer(L, text, size, "@lua/anet/main.lua")) return 1;
  luaL_checkstack(L, argc, "too many arguments");
  for (int i = 1; i < argc; i++) lua_pushstring(L, argv[i]);
  if (lua_pcall(L, argc - 1, 1, 1)) return 1;
  int status = (int)lua_tointeger(L, -1);
  lua_pushnil(L); /* no message */
  return status;
}

/* ---- standard streams ---------------------------------------------------------------------- */

/* A stream that is closed would give its number to the next file that is opened, and what is
 * printed would land there. */
static void hold_numbers(void)
{
  const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY}; /* reading gives nothing, printing fails */
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) < 0) _exit(1);
}

/* What was printed but cannot be written is a failure, however the program ends. */
static void close_output(void)
{
  const bool failed = ferror(stdout);
  errno = 0;
  if (fflush(stdout) == 0 && !failed) return;
  fprintf(stderr, "anet: cannot write to the standard output%s%s\n", errno ? ": " : "",
          errno ? strerror(errno) : "");
  _exit(1);
}

/* Files over the limit of their size (ulimit -f) are an error of writing, not the end. */
static void prepare_process(void)
{
  hold_numbers();
  signal(SIGXFSZ, SIG_IGN);
  setenv("OPENBLAS_NUM_THREADS", "1", 0); /* elastic/blas.h: where it is loaded, it makes no threads */
  atexit(close_output);
}

int main(int argc, char **argv)
{
  prepare_process();
  lua_State *L = luaL_newstate();
  if (!L) {
    fputs("anet: out of memory\n", stderr);
    return 1;
  }
  luaL_openlibs(L);
  anet__host_open(L);
  anet__repl_open(L);
  set_arg(L, argc, argv);
  int status = run(L, argc, argv);
  if (lua_isstring(L, -1)) fprintf(stderr, "anet: %s\n", lua_tostring(L, -1));
  lua_close(L);
  return anet__signals_end(status);
}
