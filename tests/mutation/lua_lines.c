/* Preloaded into a program that uses LuaJIT: which lines of which chunks ran, of every state, sandboxes too.
 * At its end the process writes "chunk:line" lines to a new file in the folder ANET_LINES. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <lua.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNKS = 512, LINES = 4096, STATES = 256, NAME = 256 };

typedef struct chunk {
  char name[NAME];
  uint8_t ran[LINES];
} chunk;

/* The program's own hook of a state, known by its registry: the hook of all its coroutines. */
typedef struct owner {
  const void *registry;
  lua_Hook hook;
  int mask;
} owner;

static chunk *chunks[CHUNKS];
static owner owners[STATES];
static int (*real_sethook)(lua_State *, lua_Hook, int, int);

static owner *owner_of(lua_State *L)
{
  const void *registry = lua_topointer(L, LUA_REGISTRYINDEX);
  for (int i = 0; i < STATES; i++) {
    if (!owners[i].registry) owners[i].registry = registry;
    if (owners[i].registry == registry) return &owners[i];
  }
  return &owners[0];
}

static chunk *chunk_of(const char *name)
{
  static chunk *recent;
  if (recent && strcmp(recent->name, name) == 0) return recent;
  for (int i = 0; i < CHUNKS; i++) {
    if (!chunks[i]) {
      chunks[i] = calloc(1, sizeof *chunks[i]);
      snprintf(chunks[i]->name, NAME, "%s", name);
    }
    if (strcmp(chunks[i]->name, name) == 0) return recent = chunks[i];
  }
  return chunks[0];
}

static void on_event(lua_State *L, lua_Debug *ar)
{
  const owner *o = owner_of(L);
  if (ar->event == LUA_HOOKLINE) {
    lua_Debug where;
    const int line = ar->currentline;
    memset(&where, 0, sizeof where);
    if (lua_getstack(L, 0, &where) && lua_getinfo(L, "S", &where) && strlen(where.source) < NAME && line > 0 && line < LINES)
      chunk_of(where.source)->ran[line] = 1;
  }
  if (o->hook && o->mask & 1 << ar->event) o->hook(L, ar);
}

int lua_sethook(lua_State *L, lua_Hook hook, int mask, int count)
{
  owner *o = owner_of(L);
  o->hook = mask ? hook : NULL;
  o->mask = mask;
  return real_sethook(L, on_event, LUA_MASKLINE | mask, count);
}

lua_State *luaL_newstate(void)
{
  lua_State *(*real)(void) = (lua_State * (*)(void)) dlsym(RTLD_NEXT, "luaL_newstate");
  real_sethook = (int (*)(lua_State *, lua_Hook, int, int))dlsym(RTLD_NEXT, "lua_sethook");
  lua_State *L = real();
  if (L) lua_sethook(L, NULL, 0, 0);
  return L;
}

__attribute__((destructor)) static void write_lines(void)
{
  char path[1024];
  const char *folder = getenv("ANET_LINES");
  if (!folder || !chunks[0]) return;
  snprintf(path, sizeof path, "%s/%d.lines", folder, (int)getpid());
  FILE *out = fopen(path, "a");
  if (!out) return;
  for (int i = 0; i < CHUNKS && chunks[i]; i++)
    for (int line = 1; line < LINES; line++)
      if (chunks[i]->ran[line]) fprintf(out, "%s:%d\n", chunks[i]->name, line);
  fclose(out);
}
