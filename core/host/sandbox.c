#include "host/sandbox.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "host/host.h"

enum {
  STEPS_A_HOOK = 50,     /* instructions between two looks at the budget */
  BYTES_A_STEP = 32,     /* an allocation of so many bytes costs one step */
  COLLECTED_A_STEP = 64, /* and so does collecting so many */
  MOST_TEXT = 1 << 16,   /* bytes of a text that a policy makes */
  MOST_WORK = 10 << 20,  /* steps of one call of a native */
  PARSER_STACK = 4 << 20 /* bytes */
};

/* Invariant: the state's allocator is `charge_alloc` with this as its data, so that every coroutine
 * of the state leads back here. */
struct anet__sandbox {
  lua_State *L;
  lua_Alloc base_alloc; /* LuaJIT's own, which knows where its pointers may lie */
  void *base_data;
  char *name;
  double held, native_held, most_bytes; /* bytes: of the state, of natives at work */
  double collect_at;                    /* bytes held */
  double steps, most_steps;
  double most_ms, cpu_began, deadline; /* see late */
  const volatile int32_t *stop;        /* the caller's flag, or NULL */
  int period;                          /* instructions between two calls of the hook */
  bool armed;                          /* a call is running */
  bool over;                           /* it went over its budget */
  bool texts_bounded;                  /* see is_long_text */
  const char *refused;                 /* what the last allocation that failed was too much of */
  int trampoline, dispatch, chunk;     /* registry references: see ask, and build */
};

/* ---- budgets ------------------------------------------------------------------------------- */

static bool is_power_of_two(size_t n)
{
  return n && !(n & (n - 1));
}

/* Would this make a text of more than MOST_TEXT bytes possible? LuaJIT joins texts in one buffer
 * that is never given back whole and whose sizes are powers of two; no other block of that size
 * grows in place. (Sizes of tables' parts are a slot more than a power, or three times one.) */
static bool is_long_text(const anet__sandbox *s, size_t old_size, size_t new_size)
{
  return s->texts_bounded && new_size > MOST_TEXT && is_power_of_two(old_size) &&
         is_power_of_two(new_size);
}

static void *charge_alloc(void *data, void *block, size_t old_size, size_t new_size)
{
  anet__sandbox *s = data;
  if (new_size > old_size) {
    const double more = (double)(new_size - old_size);
    s->steps += more / BYTES_A_STEP;
    s->refused = is_long_text(s, old_size, new_size) ? "a text of more than 65536 bytes" : NULL;
    if (s->refused) return NULL;
    s->refused = "over its memory";
    if (s->held + s->native_held + more > s->most_bytes) return NULL;
    if (s->armed && s->steps > s->most_steps) return NULL;
  }
  void *got = s->base_alloc(s->base_data, block, old_size, new_size);
  if (got || new_size == 0) s->held += (double)new_size - (double)old_size;
  return got;
}

static anet__sandbox *sandbox_of(lua_State *L)
{
  void *data;
  lua_getallocf(L, &data);
  return data;
}

static double cpu_ms(void)
{
  return (double)anet__cpu_ns() * 1e-6;
}

/* Has the call used up its processor time? The wall clock, which is cheap to read, says when that
 * can be at the earliest; on a busy machine it goes on for longer. */
static bool late(anet__sandbox *s)
{
  double now = anet_clock_ms();
  if (now < s->deadline) return false;
  double left = s->most_ms - (cpu_ms() - s->cpu_began);
  s->deadline = now + left;
  return left <= 0;
}

/* A quarter of what is free may become garbage before the next collection. The collector's own pace
 * would depend on the order of strings in its table, which differs between processes. */
static void collect(anet__sandbox *s, lua_State *L)
{
  s->steps += s->held / COLLECTED_A_STEP;
  lua_gc(L, LUA_GCCOLLECT, 0);
  lua_gc(L, LUA_GCSTOP, 0);
  s->collect_at = s->held + fmax((s->most_bytes - s->held) / 4, s->most_bytes / 32);
}

static bool within_budget(anet__sandbox *s)
{
  return !s->over && s->steps <= s->most_steps && !(s->stop && *s->stop) && !late(s);
}

static void on_count(lua_State *L, lua_Debug *where);

static void end_call(anet__sandbox *s, lua_State *L)
{
  s->over = true;
  lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
}

/* LuaJIT's hooks are global to a state: this one also runs inside coroutines. Over the budget it is
 * set to every instruction, so that whatever catches the error fails at its own next step. */
static void on_count(lua_State *L, lua_Debug *where)
{
  (void)where;
  anet__sandbox *s = sandbox_of(L);
  s->steps += s->over ? 1 : s->period;
  if (s->held > s->collect_at && !s->over) collect(s, L);
  if (within_budget(s)) return;
  if (!s->over) end_call(s, L);
  luaL_error(L, "over its budget");
}

bool anet__sandbox_spend(lua_State *L, double steps, double bytes)
{
  anet__sandbox *s = sandbox_of(L);
  s->steps += steps > 0 ? steps : 0;
  s->native_held = bytes;
  if (s->held + bytes > s->most_bytes) return false;
  if (!s->armed || within_budget(s)) return true;
  end_call(s, L);
  return false;
}

/* charge(steps): for work that C does on the policy's behalf. */
static int native_charge(lua_State *L)
{
  if (anet__sandbox_spend(L, luaL_checknumber(L, 1), 0)) return 0;
  return luaL_error(L, "over its budget");
}

/* metatable(value): the real one, whatever it says of itself. */
static int native_metatable(lua_State *L)
{
  luaL_checkany(L, 1);
  return lua_getmetatable(L, 1);
}

static void arm(anet__sandbox *s, lua_State *L)
{
  s->steps = 0;
  s->over = false;
  s->cpu_began = cpu_ms();
  s->deadline = anet_clock_ms() + s->most_ms;
  s->armed = true;
  lua_sethook(L, on_count, LUA_MASKCOUNT, s->period);
  if (s->held > s->collect_at) collect(s, L);
}

static void disarm(anet__sandbox *s)
{
  s->armed = false;
  s->native_held = 0;
  lua_sethook(s->L, NULL, 0, 0);
}

/* ---- calls --------------------------------------------------------------------------------- */

static int fail_over(const anet__sandbox *s)
{
  return anet_fail(ANET_POLICY, "policy '%s': over its budget of %.0f steps or %.3g s", s->name,
                   s->most_steps, s->most_ms / 1000);
}

/* A wrong call of what the sandbox grants is told of at our own line, which is none of the policy's
 * author's business. */
static const char *skip_place(const char *text)
{
  static const char ours[] = "lua/anet/policy/";
  if (strncmp(text, ours, sizeof ours - 1) != 0) return text;
  const char *line = strstr(text, ".lua:");
  if (!line) return text;
  line += strlen(".lua:");
  const char *rest = line + strspn(line, "0123456789");
  return strncmp(rest, ": ", 2) == 0 ? rest + 2 : text;
}

/* The status of a failed call; its error value is on top. No metamethod of that value runs. */
static int fail_with_error(anet__sandbox *s, int lua_status)
{
  const char *text = lua_type(s->L, -1) == LUA_TSTRING ? lua_tostring(s->L, -1) : NULL;
  if (s->over || s->steps > s->most_steps) return fail_over(s);
  if (lua_status == LUA_ERRMEM)
    return anet_fail(ANET_POLICY, "policy '%s': %s", s->name, s->refused);
  if (!text)
    return anet_fail(ANET_POLICY, "policy '%s': the error is a %s", s->name,
                     luaL_typename(s->L, -1));
  return anet_fail(ANET_POLICY, "policy '%s': %.400s", s->name, skip_place(text));
}

/* A question on its way into the state. */
typedef struct question {
  anet__sandbox *sandbox;
  const char *method;
  anet__sandbox_push *push;
  void *data;
} question;

/* Runs protected with a question as light userdata: arguments first, which cost the policy
 * nothing, then the dispatcher under the budget. */
static int trampoline(lua_State *L)
{
  const question *q = lua_touserdata(L, 1);
  lua_settop(L, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, q->sandbox->dispatch);
  lua_pushstring(L, q->method);
  int arguments = q->push ? q->push(L, q->data) : 0;
  arm(q->sandbox, L);
  lua_call(L, arguments + 1, LUA_MULTRET);
  return lua_gettop(L);
}

int anet__sandbox_ask(anet__sandbox *s, const char *method, anet__sandbox_push *push, void *data,
                      int *results)
{
  question q = {s, method, push, data};
  lua_settop(s->L, 0);
  lua_rawgeti(s->L, LUA_REGISTRYINDEX, s->trampoline);
  lua_pushlightuserdata(s->L, &q);
  int status = lua_pcall(s->L, 1, LUA_MULTRET, 0);
  bool over = s->over;
  disarm(s);
  if (status) return fail_with_error(s, status);
  if (over) return fail_over(s);
  *results = lua_gettop(s->L);
  return ANET_OK;
}

lua_State *anet__sandbox_state(anet__sandbox *s)
{
  return s->L;
}

const char *anet__sandbox_name(const anet__sandbox *s)
{
  return s->name;
}

double anet__sandbox_steps(const anet__sandbox *s)
{
  return s->steps;
}

double anet__sandbox_bytes(const anet__sandbox *s)
{
  return s->held;
}

/* ---- building ------------------------------------------------------------------------------ */

static void open_library(lua_State *L, const char *name, lua_CFunction open)
{
  lua_pushcfunction(L, open);
  lua_pushstring(L, name);
  lua_call(L, 1, 0);
}

/* Forget every global: from here on only what the prelude kept exists. */
static void wipe_globals(lua_State *L)
{
  lua_newtable(L);
  lua_replace(L, LUA_GLOBALSINDEX);
  lua_newtable(L);
  lua_setfield(L, LUA_REGISTRYINDEX, "_LOADED");
}

static void load(lua_State *L, const char *text, size_t size, const char *name)
{
  if (luaL_loadbufferx(L, text, size, lua_pushfstring(L, "=%s", name), "t")) lua_error(L);
  lua_remove(L, -2); /* the name */
}

typedef struct plan {
  anet__sandbox *sandbox;
  const anet__sandbox_desc *desc;
} plan;

/* Run one of the engine's files; its value stays on top. */
static void run_file(lua_State *L, const char *path, int arguments)
{
  size_t size;
  if (!anet__host_file(L, path)) luaL_error(L, "there is no file '%s'", path);
  const char *text = lua_tolstring(L, -1, &size);
  load(L, text, size, path);
  lua_remove(L, -2); /* the text */
  lua_insert(L, -1 - arguments);
  lua_call(L, arguments, LUA_MULTRET);
}

/* Files that the prelude finds in the table of natives, each run with that table; later ones see
 * the earlier. */
static const struct beside {
  const char *field, *path;
} beside[] = {
    {"text", "lua/anet/text.lua"},
    {"race", "lua/anet/policy/race.lua"},
    {"libraries", "lua/anet/policy/libraries.lua"},
    {"random", "lua/anet/policy/random.lua"},
    {"genomes", "lua/anet/policy/genomes.lua"},
};

/* The table of natives is at 1. */
static void run_beside(lua_State *L, const struct beside *file)
{
  lua_pushvalue(L, 1);
  run_file(L, file->path, 1);
  lua_setfield(L, 1, file->field);
}

/* Runs protected with a plan as light userdata. The prelude gives the dispatcher and the
 * environment of the policy's chunk, and that is all that the chunk can reach. */
static int build(lua_State *L)
{
  const plan *p = lua_touserdata(L, 1);
  anet__sandbox *s = p->sandbox;
  lua_pushcfunction(L, trampoline);
  s->trampoline = luaL_ref(L, LUA_REGISTRYINDEX);
  open_library(L, "", luaopen_base);
  open_library(L, LUA_STRLIBNAME, luaopen_string);
  open_library(L, LUA_TABLIBNAME, luaopen_table);
  open_library(L, LUA_MATHLIBNAME, luaopen_math);
  open_library(L, LUA_BITLIBNAME, luaopen_bit);
  lua_settop(L, 0);
  lua_newtable(L);
  lua_pushcfunction(L, native_charge);
  lua_setfield(L, -2, "charge");
  lua_pushcfunction(L, native_metatable);
  lua_setfield(L, -2, "metatable");
  lua_pushinteger(L, MOST_TEXT);
  lua_setfield(L, -2, "most_text");
  lua_pushnumber(L, fmin(s->most_steps, MOST_WORK));
  lua_setfield(L, -2, "most_work");
  anet__sandbox_natives(L);
  anet__sandbox_keys(L);
  for (int i = 0; i < ANET_COUNT(beside); i++) run_beside(L, &beside[i]);
  run_file(L, "lua/anet/policy/prelude.lua", 1); /* -> dispatcher, environment */
  wipe_globals(L);
  load(L, p->desc->text, p->desc->size, p->desc->name);
  lua_insert(L, -2);
  lua_setfenv(L, -2);
  s->chunk = luaL_ref(L, LUA_REGISTRYINDEX);
  s->dispatch = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static int push_chunk(lua_State *to, void *data)
{
  const anet__sandbox *s = data;
  lua_rawgeti(to, LUA_REGISTRYINDEX, s->chunk);
  return 1;
}

/* The parser recurses as deep as a text is nested, so it gets a stack of known size. */
typedef struct parse {
  plan plan;
  int status;
} parse;

static void *run_build(void *data)
{
  parse *p = data;
  p->status = lua_cpcall(p->plan.sandbox->L, build, &p->plan);
  return NULL;
}

static int build_apart(parse *p)
{
  pthread_attr_t attributes;
  pthread_t thread;
  if (pthread_attr_init(&attributes))
    return anet_fail(ANET_NOMEM, "policy: no memory for a thread");
  pthread_attr_setstacksize(&attributes, PARSER_STACK);
  const int status = pthread_create(&thread, &attributes, run_build, p);
  pthread_attr_destroy(&attributes);
  if (status) return anet_fail(ANET_NOMEM, "policy: no thread to read it on: %s", strerror(status));
  pthread_join(thread, NULL);
  return p->status ? fail_with_error(p->plan.sandbox, p->status) : ANET_OK;
}

/* Make the buffer in which texts are joined as large as it may become; see is_long_text. */
static int bound_texts(lua_State *L)
{
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (int left = MOST_TEXT / 2; left > 0; left -= LUAL_BUFFERSIZE) {
    memset(luaL_prepbuffer(&buffer), ' ', LUAL_BUFFERSIZE);
    luaL_addsize(&buffer, LUAL_BUFFERSIZE);
  }
  luaL_pushresult(&buffer);
  return 0;
}

static int new_state(anet__sandbox *s)
{
  s->L = luaL_newstate();
  if (!s->name || !s->L) return anet_fail(ANET_NOMEM, "policy: no memory");
  luaJIT_setmode(s->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
  s->held = 1024.0 * lua_gc(s->L, LUA_GCCOUNT, 0) + lua_gc(s->L, LUA_GCCOUNTB, 0);
  s->base_alloc = lua_getallocf(s->L, &s->base_data);
  lua_setallocf(s->L, charge_alloc, s);
  lua_gc(s->L, LUA_GCSTOP, 0);
  return ANET_OK;
}

static int fill(anet__sandbox *s, const anet__sandbox_desc *desc)
{
  s->most_steps = desc->steps > 0 ? desc->steps : 50e6;
  s->stop = desc->stop;
  s->most_ms = 1000 * (desc->seconds > 0 ? desc->seconds : 10);
  s->most_bytes = desc->bytes > 0 ? desc->bytes : 64.0 * (1 << 20);
  s->collect_at = s->most_bytes / 4;
  s->period =
      (int)fmax(1, fmin(STEPS_A_HOOK, (double)STEPS_A_HOOK * MOST_TEXT / (double)(desc->size + 1)));
  s->name = anet__strdup(desc->name);
  ANET_TRY(new_state(s));
  parse p = {{s, desc}, 0};
  ANET_TRY(build_apart(&p));
  int results, status = lua_cpcall(s->L, bound_texts, NULL);
  if (status) return fail_with_error(s, status);
  s->texts_bounded = true;
  return anet__sandbox_ask(s, "admit", push_chunk, s, &results);
}

int anet__sandbox_new(const anet__sandbox_desc *desc, anet__sandbox **out)
{
  *out = NULL;
  anet__sandbox *s = anet__alloc(sizeof *s);
  if (!s) return ANET_NOMEM;
  int rc = fill(s, desc);
  if (rc) {
    anet__sandbox_release(s);
    return rc;
  }
  *out = s;
  return ANET_OK;
}

void anet__sandbox_release(anet__sandbox *s)
{
  if (!s) return;
  if (s->L) {
    if (s->base_alloc) lua_setallocf(s->L, s->base_alloc, s->base_data); /* it frees itself */
    lua_close(s->L);
  }
  anet__free(s->name);
  anet__free(s);
}
