/* Ctrl-C by signals that the test raises itself, on a clock and a timer of its own; what ends the
 * process is tried in a child. */
#define _GNU_SOURCE
#include "host/signals.h"

#include <dlfcn.h>
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "support/test.h"

/* ---- a clock and a timer ------------------------------------------------------------------- */

static volatile int64_t ms_now = 5000;

int clock_gettime(clockid_t id, struct timespec *out)
{
  (void)id;
  *out = (struct timespec){.tv_sec = ms_now / 1000, .tv_nsec = ms_now % 1000 * 1000000};
  return 0;
}

/* Set within a call of raise, of which compilers think that it changes nothing here. */
static volatile int64_t set_seconds, set_ns, set_again;
static volatile int times_set;

int timer_settime(timer_t timer, int flags, const struct itimerspec *in, struct itimerspec *old)
{
  (void)timer;
  (void)flags;
  (void)old;
  set_seconds = in->it_value.tv_sec;
  set_ns = in->it_value.tv_nsec;
  set_again = in->it_interval.tv_sec + in->it_interval.tv_nsec;
  times_set++;
  errno = EINVAL; /* as calls within a handler may leave it */
  return 0;
}

/* The end of the process, where a test waits for it; so it needs no child for that. */
static sigjmp_buf ended;
static volatile int waits_for_end, end_status;

void _exit(int status)
{
  end_status = status;
  if (waits_for_end) siglongjmp(ended, 1);
  for (;;) syscall(SYS_exit_group, status);
}

/* What fork gives here: -1, 0, or else what it gives elsewhere. */
static int fork_gives = 1;

pid_t fork(void)
{
  pid_t (*real)(void);
  *(void **)&real = dlsym(RTLD_NEXT, "fork");
  if (fork_gives < 0) errno = EAGAIN;
  return fork_gives > 0 ? real() : fork_gives;
}

/* ---- a state ------------------------------------------------------------------------------- */

static lua_State *L;

static int lua_raise(lua_State *state)
{
  raise((int)luaL_checkinteger(state, 1));
  return 0;
}

static void begin(void)
{
  L = luaL_newstate();
  luaL_openlibs(L);
  lua_newtable(L);
  anet__signals_open(L);
  lua_pushcfunction(L, lua_raise);
  lua_setfield(L, -2, "raise");
  lua_setglobal(L, "s");
}

static void end(void)
{
  if (luaL_dostring(L, "s.hook(nil) s.forget()")) TEST_FAIL("%s", lua_tostring(L, -1));
  lua_close(L);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  signal(SIGALRM, SIG_DFL);
}

/* Runs a chunk of this name; its error, or its first value, as a text that lasts until the next. */
static const char *run_as(const char *name, const char *text)
{
  lua_settop(L, 0);
  if (!luaL_loadbuffer(L, text, strlen(text), name)) lua_pcall(L, 0, 1, 0);
  return lua_isnil(L, -1) ? "nil" : lua_tostring(L, -1);
}

static const char *run(const char *text)
{
  return run_as("@user.lua", text);
}

/* What a child that runs this says on its standard error, and its status as wait has it. */
static int child(const char *text, void (*then)(void), char *said, size_t size)
{
  int ends[2], status;
  fflush(NULL);
  if (pipe(ends)) abort();
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    run(text);
    if (then) then();
    _exit(77);
  }
  close(ends[1]);
  size_t held = 0;
  for (ssize_t got; (got = read(ends[0], said + held, size - 1 - held)) > 0;) held += (size_t)got;
  said[held] = '\0';
  close(ends[0]);
  waitpid(pid, &status, 0);
  return status;
}

/* The same of what runs here: the status that it ends with, or that `finish` gives. */
static int here(const char *text, int (*finish)(void), char *said, size_t size)
{
  int ends[2];
  fflush(NULL);
  if (pipe(ends)) abort();
  const int old = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  end_status = -1;
  waits_for_end = 1;
  if (sigsetjmp(ended, 1) == 0) {
    run(text);
    if (finish) end_status = finish();
  }
  waits_for_end = 0;
  dup2(old, STDERR_FILENO);
  close(old);
  const ssize_t got = read(ends[0], said, size - 1);
  said[got > 0 ? got : 0] = '\0';
  close(ends[0]);
  return end_status;
}

#define CHECK_EXIT(status, code)                                                                   \
  do {                                                                                             \
    CHECK(WIFEXITED(status));                                                                      \
    CHECK_EQ_I(WEXITSTATUS(status), code);                                                         \
  } while (0)

/* ---- the first signal ---------------------------------------------------------------------- */

TEST(the_first_signal_raises_the_flag)
{
  begin();
  static const int numbers[] = {SIGINT, SIGTERM};
  for (int i = 0; i < 2; i++) {
    CHECK_EQ_S(run("s.catch(0) return s.interrupted()"), "nil");
    CHECK_EQ_I(*anet__signals_flag(), 0);
    raise(numbers[i]);
    CHECK_EQ_I(*anet__signals_flag(), numbers[i]);
    CHECK_EQ_S(run("return s.interrupted()"), i ? "15" : "2");
    raise(SIGINT + SIGTERM - numbers[i]); /* the group's and its own are one */
    CHECK_EQ_I(*anet__signals_flag(), numbers[i]);
    CHECK_EQ_S(run("s.forget() return s.interrupted()"), "nil");
  }
  raise(SIGINT);
  run("s.catch(0)"); /* begins anew */
  CHECK_EQ_I(*anet__signals_flag(), 0);
  run("return s.flag()");
  CHECK(lua_touserdata(L, -1) == (void *)anet__signals_flag());
  end();
}

static bool restarts(int number)
{
  struct sigaction now;
  sigaction(number, NULL, &now);
  return now.sa_flags & SA_RESTART;
}

TEST(they_give_nothing)
{
  begin();
  CHECK_EQ_S(
      run("return select('#', s.catch(0)) + select('#', s.hold()) + select('#', s.hook(1)) + "
          "select('#', s.hook(nil)) + select('#', s.forget()) + select('#', s.last_words '') "
          "+ select('#', s.idle(0)) + select('#', s.interrupted())"),
      "0");
  end();
}

TEST(a_read_that_waits_ends_where_that_is_wanted)
{
  begin();
  run("s.catch(0, true)");
  CHECK(!restarts(SIGINT) && !restarts(SIGTERM));
  run("s.catch(0)");
  CHECK(restarts(SIGINT) && restarts(SIGTERM));
  end();
}

TEST(errno_is_as_it_was)
{
  begin();
  run("s.catch(50)");
  errno = 7;
  raise(SIGINT);
  CHECK_EQ_I(errno, 7);
  end();
}

/* ---- the second ---------------------------------------------------------------------------- */

static void again_after_99_ms(void)
{
  ms_now += 99;
  raise(SIGTERM);
}

static void again_after_100_ms(void)
{
  ms_now += 100;
  raise(SIGTERM);
}

TEST(a_second_signal_ends_the_process)
{
  char said[256];
  begin();
  int status = child("s.catch(0) s.raise(2)", again_after_99_ms, said, sizeof said);
  CHECK_EXIT(status, 77);
  status = child("s.catch(0) s.raise(2)", again_after_100_ms, said, sizeof said);
  CHECK(WIFSIGNALED(status));
  CHECK_EQ_I(WTERMSIG(status), SIGTERM);
  CHECK_EQ_S(said, "");
  end();
}

/* ---- the timer ----------------------------------------------------------------------------- */

TEST(a_stop_may_take_so_long)
{
  begin();
  times_set = 0;
  run("s.catch(2150)");
  CHECK_EQ_I(times_set, 0);
  raise(SIGINT);
  CHECK_EQ_I(times_set, 1);
  CHECK_EQ_I(set_seconds, 2);
  CHECK_EQ_I(set_ns, 150000000);
  CHECK_EQ_I(set_again, 0);
  static const char *const none[] = {"s.catch(0)", "s.catch(-1)", "s.catch(50) s.hold()"};
  for (int i = 0; i < ANET_COUNT(none); i++) {
    run(none[i]);
    raise(SIGINT);
    CHECK_EQ_I(times_set, 1);
  }
  end();
}

TEST(what_is_late_ends_with_the_signals_status)
{
  static const char late[] = "s.last_words('late\\n') s.catch(50) s.raise(15) s.raise(14)";
  char said[256];
  begin();
  CHECK_EQ_I(here(late, NULL, said, sizeof said), 128 + SIGTERM);
  CHECK_EQ_S(said, "late\n");
  CHECK_EXIT(child(late, NULL, said, sizeof said), 128 + SIGTERM);
  CHECK_EQ_S(said, "late\n");
  /* Not without a signal, nor where a stop may take any time. */
  int status = child("s.last_words('late\\n') s.catch(50) s.raise(14)", NULL, said, sizeof said);
  CHECK_EXIT(status, 77);
  status = child("s.catch(50) s.raise(2) s.hold() s.raise(14)", NULL, said, sizeof said);
  CHECK_EXIT(status, 77);
  status = child("s.catch(50) s.raise(2) s.forget() s.raise(14)", NULL, said, sizeof said);
  CHECK_EXIT(status, 77);
  CHECK_EQ_S(said, "");
  end();
}

TEST(last_words_have_511_bytes)
{
  static const int lengths[] = {0, 1, 2, 100, 511, 512, 3000};
  char said[1024], text[256], want[512];
  begin();
  for (int i = 0; i < ANET_COUNT(lengths); i++) {
    const int kept = lengths[i] < 511 ? lengths[i] : 511;
    snprintf(text, sizeof text,
             "s.last_words(('y'):rep(400)) s.last_words(('x'):rep(%d)) s.catch(50) s.raise(2) "
             "s.raise(14)",
             lengths[i]);
    memset(want, 'x', sizeof want);
    want[kept] = '\0';
    CHECK_EQ_I(here(text, NULL, said, sizeof said), 130);
    CHECK_EQ_S(said, want);
  }
  end();
}

/* ---- the end ------------------------------------------------------------------------------- */

static int status_then;

static int finish(void)
{
  return anet__signals_end(status_then);
}

static void finish_and_raise(void)
{
  anet__signals_end(0);
  ms_now += 50;
  raise(SIGINT);
}

TEST(the_end_says_what_was_stopped)
{
  static const struct {
    const char *text;
    int before, after;
    const char *words;
  } cases[] = {
      {"s.catch(50) s.last_words('bye')", 0, 0, ""},
      {"s.catch(50) s.last_words('bye')", 3, 3, ""},
      {"s.catch(50) s.last_words('bye') s.raise(2)", 0, 130, "bye"},
      {"s.catch(50) s.last_words('bye') s.raise(15)", 0, 143, "bye"},
      {"s.catch(50) s.last_words('bye') s.raise(2)", 3, 3, ""},
  };
  char said[256];
  begin();
  for (int i = 0; i < ANET_COUNT(cases); i++) {
    status_then = cases[i].before;
    CHECK_EQ_I(here(cases[i].text, finish, said, sizeof said), cases[i].after);
    CHECK_EQ_S(said, cases[i].words);
  }
  const int status = child("s.catch(50)", finish_and_raise, said, sizeof said);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
  end();
}

/* ---- hooks --------------------------------------------------------------------------------- */

TEST(a_signal_raises_a_value_in_lua)
{
  begin();
  CHECK_EQ_S(run("s.catch(0) s.hook('stop it') s.raise(2) local n = 0 for i = 1, 100 do n = n + i "
                 "end return 'done'"),
             "stop it");
  CHECK_EQ_S(run("for i = 1, 1000 do end return 'done'"), "done");   /* once */
  CHECK_EQ_S(run("s.forget() s.raise(2) return 'done'"), "stop it"); /* for each that is new */
  end();
}

TEST(not_where_it_is_not_wanted)
{
  begin();
  CHECK_EQ_S(run("s.catch(0) s.hook('no') s.hook(nil) s.raise(2) return 'done'"), "done");
  CHECK_EQ_S(run("s.forget() s.hook('no') s.hold() s.raise(2) return 'done'"), "done");
  CHECK_EQ_S(run("s.forget() s.raise(2) s.hook('no') for i = 1, 1e5 do end return 'done'"), "done");
  end();
}

/* The engine's own code is left whole; what it calls is not its own. */
TEST(the_engines_code_looks_at_the_flag_itself)
{
  begin();
  CHECK_EQ_S(run_as("@lua/anet/x.lua", "s.catch(0) s.hook('stop it') s.raise(2) local n = 0 "
                                       "for i = 1, 1e6 do n = n + i end return 'done'"),
             "done");
  CHECK_EQ_S(run_as("@user.lua",
                    "jit.off() for i = 1, 1e5 do local f = s.interrupted() end return 'done'"),
             "stop it");
  end();
}

/* ---- processes that make load -------------------------------------------------------------- */

static void nap(void)
{
  usleep(2000);
}

static int files_of(pid_t pid)
{
  int count = 0;
  char path[64], target[64];
  for (int file = 0; file < 256; file++) {
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, file);
    count += readlink(path, target, sizeof target) >= 0;
  }
  return count;
}

/* Whether it is there and running: a process that has ended and waits to be fetched is gone. */
static bool is_alive(pid_t pid)
{
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "r");
  const size_t bytes = file ? fread(text, 1, sizeof text - 1, file) : 0;
  if (file) fclose(file);
  text[bytes] = '\0';
  const char *state = strrchr(text, ')');
  return state && state[2] != 'Z' && state[2] != 'X';
}

TEST(busy_processes_hold_nothing_and_end)
{
  begin();
  struct rlimit limit = {0, 0};
  const pid_t pid = (pid_t)atoi(run("return s.busy(3)"));
  CHECK(pid > 0 && is_alive(pid));
  for (int i = 0; i < 2000 && (limit.rlim_cur != 3 || files_of(pid)); i++, nap())
    prlimit(pid, RLIMIT_CPU, NULL, &limit);
  CHECK_EQ_I(limit.rlim_cur, 3);
  CHECK_EQ_I(limit.rlim_max, 3);
  CHECK_EQ_I(files_of(pid), 0);
  run("s.idle(0)"); /* that is nobody's */
  CHECK(is_alive(pid));
  lua_pushinteger(L, pid);
  lua_setglobal(L, "pid");
  run("s.idle(pid)");
  CHECK(!is_alive(pid));
  CHECK(waitpid(pid, NULL, WNOHANG) < 0 && errno == ECHILD); /* it was fetched */
  end();
}

static void tell_and_go(void)
{
  fprintf(stderr, "%s", run("return s.busy(3)"));
  fflush(stderr);
  for (int i = 0; i < 2000 && files_of((pid_t)atoi(lua_tostring(L, -1))); i++) nap();
}

TEST(busy_processes_end_with_their_parent)
{
  char said[64];
  begin();
  CHECK_EXIT(child("", tell_and_go, said, sizeof said), 77);
  const pid_t pid = (pid_t)atoi(said);
  CHECK(pid > 0);
  for (int i = 0; i < 2000 && is_alive(pid); i++) nap();
  CHECK(!is_alive(pid));
  end();
}

TEST(no_process_where_there_may_be_none)
{
  begin();
  fork_gives = -1;
  CHECK_EQ_S(run("local pid, why = s.busy(1) return tostring(pid) .. ' ' .. why"),
             "nil cannot start a process: Resource temporarily unavailable");
  fork_gives = 1;
  end();
}

static void be_the_busy_one(void)
{
  fork_gives = 0;
  run("s.busy(1)");
}

/* Its parent is another than it was started by: that one was gone already. In a child, for where
 * coverage is measured it begins anew behind such a fork. */
TEST(a_busy_process_that_comes_too_late_ends)
{
  char said[64];
  begin();
  CHECK_EXIT(child("", be_the_busy_one, said, sizeof said), 0);
  CHECK_EQ_S(said, "");
  end();
}

TEST_MAIN(CASE(the_first_signal_raises_the_flag), CASE(they_give_nothing),
          CASE(a_read_that_waits_ends_where_that_is_wanted), CASE(errno_is_as_it_was),
          CASE(a_second_signal_ends_the_process), CASE(a_stop_may_take_so_long),
          CASE(what_is_late_ends_with_the_signals_status), CASE(last_words_have_511_bytes),
          CASE(the_end_says_what_was_stopped), CASE(a_signal_raises_a_value_in_lua),
          CASE(not_where_it_is_not_wanted), CASE(the_engines_code_looks_at_the_flag_itself),
          CASE(busy_processes_hold_nothing_and_end), CASE(busy_processes_end_with_their_parent),
          CASE(no_process_where_there_may_be_none), CASE(a_busy_process_that_comes_too_late_ends))
