/* Ctrl-C, and processes that make load.
 *
 * A signal can reach nothing but a global: these are the command's, none is the engine's. The first
 * SIGINT or SIGTERM raises the flag that all pools watch. What does not look at it in time (a
 * library's loop, compiled Lua) is ended by a timer with the status that the signal has: everything
 * that is saved is saved whole or not at all, so nothing is lost by it. Who has something to save
 * first takes the timer off (hold). A second signal ends the process at once. */
#define _GNU_SOURCE /* SIGEV_SIGNAL */
#include "host/signals.h"

#include <errno.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Signals that come this soon are one: a group and a process of it may both be sent it. */
enum { SAME_MS = 100 };

static volatile int32_t stop;  /* the signal that came, or 0 */
static volatile int64_t came;  /* when, ms */
static volatile int32_t grace; /* ms that a stop may take; 0: any time */
static timer_t late;           /* set where grace is not 0 */
static lua_State
    *volatile hooked;          /* whose next instruction is to raise what `raised` names, or NULL */
static int raised = LUA_NOREF; /* reference of the value */
static char last_words[512];   /* what the timer says */

static int64_t now_ms(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- handlers ------------------------------------------------------------------------------ */

/* Not in the engine's own code, whose objects would be left half changed: that looks at the flag
 * itself, and soon. */
static void raise_in_lua(lua_State *L, lua_Debug *at)
{
  static const char engine[] = "@lua/anet/";
  if (!lua_getinfo(L, "S", at) || strncmp(at->source, engine, sizeof engine - 1) == 0) {
    lua_sethook(L, raise_in_lua, LUA_MASKCOUNT, 10000);
    return;
  }
  lua_sethook(L, NULL, 0, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, raised);
  lua_error(L);
}

static void set_timer(int32_t ms)
{
  const struct itimerspec in = {.it_value = {ms / 1000, ms % 1000 * 1000000L}};
  timer_settime(late, 0, &in, NULL);
}

static void on_stop(int signal_number)
{
  const int error = errno;
  if (stop && now_ms() - came >= SAME_MS) {
    signal(signal_number, SIG_DFL);
    raise(signal_number);
  } else if (!stop) {
    came = now_ms();
    stop = signal_number;
    if (hooked) lua_sethook(hooked, raise_in_lua, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
    if (grace) set_timer(grace);
  }
  errno = error;
}

static void say_last_words(void)
{
  if (write(STDERR_FILENO, last_words, strlen(last_words)) < 0) { /* nobody is there to be told */
  }
}

static void on_late(int signal_number)
{
  (void)signal_number;
  if (!stop || !grace) return;
  say_last_words();
  _exit(128 + stop);
}

static void handle(int signal_number, void (*handler)(int), int flags)
{
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigemptyset(&action.sa_mask);
  sigaction(signal_number, &action, NULL);
}

/* ---- what Lua sets ------------------------------------------------------------------------- */

/* catch(ms, wake): from now on the first SIGINT or SIGTERM raises the flag, and ends the process
 * after `ms` (0: never). wake: it also ends a read that waits for input. */
static int signals_catch(lua_State *L)
{
  const int32_t ms = (int32_t)luaL_checkinteger(L, 1);
  const int flags = lua_toboolean(L, 2) ? 0 : SA_RESTART;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
  stop = 0;
  handle(SIGALRM, on_late, SA_RESTART);
  grace = ms > 0 && timer_create(CLOCK_MONOTONIC, &event, &late) == 0 ? ms : 0;
  handle(SIGINT, on_stop, flags);
  handle(SIGTERM, on_stop, flags);
  return 0;
}

/* hold(): a stop may take any time from here on, and raises nothing by itself. */
static int signals_hold(lua_State *L)
{
  (void)L;
  grace = 0;
  hooked = NULL;
  return 0;
}

/* hook(value): until hook(nil) a signal raises this value in Lua code, where that is interpreted.
 */
static int signals_hook(lua_State *L)
{
  lua_settop(L, 1);
  hooked = NULL;
  lua_sethook(L, NULL, 0, 0);
  luaL_unref(L, LUA_REGISTRYINDEX, raised);
  raised = LUA_NOREF;
  if (lua_isnil(L, 1)) return 0;
  raised = luaL_ref(L, LUA_REGISTRYINDEX);
  hooked = L;
  return 0;
}

/* interrupted() -> the signal that came, or nil */
static int signals_interrupted(lua_State *L)
{
  if (!stop) return 0;
  lua_pushinteger(L, stop);
  return 1;
}

/* forget(): as if no signal had come */
static int signals_forget(lua_State *L)
{
  (void)L;
  stop = 0;
  return 0;
}

/* flag() -> the address of the flag, an int32_t, for anet_pool_watch */
static int signals_flag(lua_State *L)
{
  lua_pushlightuserdata(L, (void *)&stop);
  return 1;
}

/* last_words(text): what is said where the timer ends the process */
static int signals_last_words(lua_State *L)
{
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  const size_t kept = size < sizeof last_words ? size : sizeof last_words - 1;
  last_words[0] = '\0'; /* a signal that comes meanwhile says nothing */
  memcpy(last_words + 1, text + 1, kept ? kept - 1 : 0);
  memset(last_words + kept, 0, sizeof last_words - kept);
  if (kept) last_words[0] = text[0];
  return 0;
}

/* ---- processes that make load ---------------------------------------------------------------- */

/* In the child, where threads have left no lock to wait for: system calls alone. */
static void be_busy(pid_t parent, rlim_t seconds)
{
  const struct rlimit limit = {seconds, seconds};
  const int signals[] = {SIGINT, SIGTERM, SIGALRM};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0); /* it was gone before that */
  setrlimit(RLIMIT_CPU, &limit);
  for (int file = 0; file < 256; file++) close(file);
  for (volatile uint32_t turns = 0;; turns++) {
  }
}

/* busy(seconds) -> pid of a process that keeps a processor busy: for `seconds` of its time, until
 * idle(pid), or until this process ends, however that comes. nil and a message: there is none. */
static int signals_busy(lua_State *L)
{
  const rlim_t seconds = (rlim_t)luaL_checkinteger(L, 1);
  const pid_t parent = getpid(), pid = fork();
  if (pid == 0) be_busy(parent, seconds);
  if (pid < 0) {
    lua_pushnil(L);
    lua_pushfstring(L, "cannot start a process: %s", strerror(errno));
    return 2;
  }
  lua_pushinteger(L, pid);
  return 1;
}

/* idle(pid): ends a process that busy started */
static int signals_idle(lua_State *L)
{
  const pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  if (pid > 0 && kill(pid, SIGKILL) == 0)
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
  return 0;
}

const volatile int32_t *anet__signals_flag(void)
{
  return &stop;
}

int anet__signals_end(int status)
{
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  if (status || !stop) return status;
  say_last_words();
  return 128 + stop;
}

void anet__signals_open(lua_State *L)
{
  static const luaL_Reg functions[] = {
      {"catch", signals_catch},
      {"hold", signals_hold},
      {"hook", signals_hook},
      {"interrupted", signals_interrupted},
      {"forget", signals_forget},
      {"flag", signals_flag},
      {"last_words", signals_last_words},
      {"busy", signals_busy},
      {"idle", signals_idle},
      {NULL, NULL},
  };
  luaL_register(L, NULL, functions);
}
