/* The command from outside: what it says, where, and its status. A command that did nothing would
 * pass every test that is a script of its own. */
#include <libgen.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "support/scratch.h"
#include "support/test.h"

static char folder[SCRATCH_PATH], anet[SCRATCH_PATH], tree[SCRATCH_PATH];

static void begin(void)
{
  char self[SCRATCH_PATH];
  const ssize_t bytes = readlink("/proc/self/exe", self, sizeof self - 1);
  if (bytes < 0) abort();
  self[bytes] = '\0';
  snprintf(anet, sizeof anet, "%s/anet", dirname(self));
  snprintf(tree, sizeof tree, "%s", getenv("ANET_LUA") ? getenv("ANET_LUA") : "");
  test_scratch_new(folder);
  setenv("A", anet, 1);
  setenv("F", folder, 1);
}

static void end(void)
{
  setenv("ANET_LUA", tree, 1);
  test_scratch_remove(folder);
}

static void put(const char *name, const char *text)
{
  test_scratch_write(folder, name, text, strlen(text));
}

static char said[65536];
static int status;

/* A line of sh in which $A is the command and $F the folder. */
static const char *run(const char *line)
{
  FILE *pipe = popen(line, "r");
  const size_t bytes = fread(said, 1, sizeof said - 1, pipe);
  said[bytes] = '\0';
  const int ended = pclose(pipe);
  status = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
  return said;
}

#define CHECK_RUN(line, want_status, want)                                                         \
  do {                                                                                             \
    run(line);                                                                                     \
    CHECK_EQ_S(said, want);                                                                        \
    CHECK_EQ_I(status, want_status);                                                               \
  } while (0)

#define CHECK_SAYS(line, want_status, words)                                                       \
  do {                                                                                             \
    run(line);                                                                                     \
    if (!strstr(said, words)) TEST_FAIL("%s: '%s' has no '%s'", line, said, words);                \
    CHECK_EQ_I(status, want_status);                                                               \
  } while (0)

/* ---- what it is asked ---------------------------------------------------------------------- */

TEST(versions_and_usage)
{
  char want[64];
  begin();
  snprintf(want, sizeof want, "anet %s\n", anet_version());
  CHECK_RUN("$A --version 2>&1", 0, want);
  CHECK_SAYS("$A 2>&1 >/dev/null </dev/null", 2, "usage: anet");
  CHECK_RUN("$A 2>/dev/null </dev/null", 2, "");
  static const char *const asked[] = {"$A help 2>/dev/null", "$A --help 2>/dev/null",
                                      "$A -h 2>/dev/null"};
  for (int i = 0; i < ANET_COUNT(asked); i++) CHECK_SAYS(asked[i], 0, "usage: anet");
  CHECK_SAYS("$A help info 2>/dev/null", 0, "anet info");
  CHECK_SAYS("$A help no-such 2>&1", 1, "no-such");
  CHECK_SAYS("$A infi 2>&1", 1, "no such verb; did you mean 'info'?");
  end();
}

/* ---- scripts ------------------------------------------------------------------------------- */

TEST(a_scripts_status)
{
  static const struct {
    const char *text;
    int status;
  } cases[] = {{"", 0},           {"return 7", 7},   {"return true", 0}, {"return false", 1},
               {"return nil", 0}, {"return 'x'", 0}, {"return 0, 5", 0}, {"os.exit(9)", 9}};
  begin();
  for (int i = 0; i < ANET_COUNT(cases); i++) {
    put("s.lua", cases[i].text);
    CHECK_RUN("$A $F/s.lua 2>&1", cases[i].status, "");
  }
  end();
}

TEST(a_scripts_arguments)
{
  begin();
  put("s.lua",
      "print(#arg, arg[1], arg[2], arg[3], ...) io.stdout:write(arg[0], ' ', arg[-1], '\\n')");
  char want[4 * SCRATCH_PATH];
  snprintf(want, sizeof want, "3\tone\ttwo words\t--three\tone\ttwo words\t--three\n%s/s.lua %s\n",
           folder, anet);
  CHECK_RUN("$A $F/s.lua one 'two words' --three 2>&1", 0, want);
  /* As many as there may be. */
  put("s.lua", "print(select('#', ...), (select(3000, ...)))");
  CHECK_RUN("$A $F/s.lua $(seq 3000) 2>&1", 0, "3000\t3000\n");
  end();
}

TEST(a_script_that_fails)
{
  begin();
  put("s.lua", "local function f() error 'oh' end\nf()\n");
  CHECK_SAYS("$A $F/s.lua 2>&1 >/dev/null", 1, "/s.lua:1: oh\nstack traceback:");
  CHECK_RUN("$A $F/s.lua 2>/dev/null", 1, "");
  CHECK(strncmp(run("$A $F/s.lua 2>&1"), "anet: ", 6) == 0);
  put("s.lua", "return +");
  CHECK_SAYS("$A $F/s.lua 2>&1", 1, "s.lua:1: unexpected symbol");
  put("s.lua", "error(setmetatable({}, {__tostring = function() return 'mine' end}))");
  CHECK_SAYS("$A $F/s.lua 2>&1", 1, "anet: mine");
  CHECK_SAYS("$A $F/none.lua 2>&1", 1, "none.lua");
  end();
}

/* 200 ms after a signal that nobody looked at. */
TEST(a_script_that_does_not_look)
{
  char want[2 * SCRATCH_PATH];
  begin();
  put("s.lua", "local ffi = require 'ffi' ffi.cdef 'int raise(int); unsigned sleep(unsigned);' "
               "local function wait() ffi.C.raise(2) ffi.C.sleep(5) end "
               "jit.off(wait) pcall(wait) ffi.C.sleep(5)");
  snprintf(want, sizeof want, "anet: %s/s.lua: stopped\n", folder);
  CHECK_RUN("$A $F/s.lua 2>&1", 130, want);
  end();
}

/* ---- another tree -------------------------------------------------------------------------- */

TEST(what_main_gives_is_the_status)
{
  static const struct {
    const char *text;
    int status;
    const char *said;
  } cases[] = {
      {"return 5", 5, ""},
      {"return select('#', ...)", 3, ""},
      {"return arg[3] == 'c' and arg[0] and 6", 6, ""},
      {"", 0, ""},
      {"return 'x'", 0, ""},
      {"return +", 1, "anet: lua/anet/main.lua:1: unexpected symbol near '+'\n"},
      {"error({})", 1, ""},
      {"error('oh', 0)", 1,
       "anet: oh\nstack traceback:\n\t[C]: in function 'error'\n\tlua/anet/main.lua:1: in main "
       "chunk\n"},
      {"return require('anet.host') and package.loaded['anet.edit'] and 4", 4, ""},
  };
  begin();
  test_scratch_folder(folder, "lua");
  test_scratch_folder(folder, "lua/anet");
  setenv("ANET_LUA", folder, 1);
  for (int i = 0; i < ANET_COUNT(cases); i++) {
    put("lua/anet/main.lua", cases[i].text);
    CHECK_RUN("$A a b c 2>&1", cases[i].status, cases[i].said);
  }
  end();
}

/* ---- streams ------------------------------------------------------------------------------- */

TEST(what_cannot_be_written_is_a_failure)
{
  begin();
  if (access("/dev/full", W_OK) == 0)
    CHECK_RUN("$A --version 2>&1 >/dev/full", 1,
              "anet: cannot write to the standard output: No space left on device\n");
  CHECK_SAYS("$A --version 2>&1 >&-", 1, "anet: cannot write to the standard output");
  /* A file that is opened does not get the number of a stream that is closed. */
  put("s.lua", "local f = io.open(arg[1], 'w') print 'lost' f:write 'kept' f:close()");
  run("$A $F/s.lua $F/out >&- 2>/dev/null");
  CHECK_EQ_I(status, 1);
  CHECK_RUN("cat $F/out", 0, "kept");
  put("s.lua", "local f = io.open(arg[1], 'w') io.stderr:write 'lost' f:write 'kept' f:close()");
  CHECK_RUN("$A $F/s.lua $F/out 2>&-; cat $F/out", 0, "kept");
  put("s.lua",
      "local f = io.open(arg[1]) return io.read '*a' == '' and f:read '*a' == 'kept' and 3");
  run("$A $F/s.lua $F/out <&-");
  CHECK_EQ_I(status, 3);
  end();
}

/* ulimit counts blocks of 512 bytes. */
TEST(a_file_over_its_limit_is_a_failure_to_write)
{
  begin();
  put("s.lua",
      "local f = io.open(arg[1], 'w') f:setvbuf 'no' local ok, why = f:write(('x'):rep(1e5)) "
      "print(ok, why)");
  CHECK_SAYS("(ulimit -f 8; $A $F/s.lua $F/out) 2>&1", 0, "nil\tFile too large");
  end();
}

TEST(other_libraries_make_no_threads)
{
  begin();
  put("s.lua", "local ffi = require 'ffi' ffi.cdef 'char *getenv(const char *);' "
               "print(ffi.string(ffi.C.getenv 'OPENBLAS_NUM_THREADS'))");
  CHECK_RUN("env -u OPENBLAS_NUM_THREADS $A $F/s.lua 2>&1", 0, "1\n");
  CHECK_RUN("OPENBLAS_NUM_THREADS=3 $A $F/s.lua 2>&1", 0, "3\n"); /* who says so has a reason */
  end();
}

TEST_MAIN(CASE(versions_and_usage), CASE(a_scripts_status), CASE(a_scripts_arguments),
          CASE(a_script_that_fails), CASE(a_script_that_does_not_look),
          CASE(what_main_gives_is_the_status), CASE(what_cannot_be_written_is_a_failure),
          CASE(a_file_over_its_limit_is_a_failure_to_write), CASE(other_libraries_make_no_threads))
