/* What saving asks of the system, in which order, and each of these calls made to fail once. The
 * calls of this program come through here. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/scratch.h"
#include "support/test.h"

/* ---- the shim ----------------------------------------------------------------------------- */

enum call {
  OPEN_FOLDER,
  OPEN_NAMELESS,
  OPEN_NAMED,
  WRITE,
  SYNC,
  MODE,
  LINK,
  RENAME,
  SYNC_FOLDER,
  UNLINK,
  CALLS
};
static const char *const call_name[CALLS] = {"open folder", "open nameless", "open named", "write",
                                             "sync",        "mode",          "link",       "rename",
                                             "sync folder", "unlink"};
/* What a message says was done to the file. */
static const char *const verb[CALLS] = {"create",          "",       "create",    "write", "sync",
                                        "set the mode of", "create", "rename to", "",      ""};
enum { MOST = 256 };

static enum call log_of[MOST];
static int32_t logged, seen[CALLS];
static int32_t failing = -1, failing_turn; /* the call that fails, its turn */
static int reason = EIO, failures = 1;     /* what it says, and how often */
static char given[2][64];                  /* temporary names that were given last */
static bool no_nameless;                   /* a file system without O_TMPFILE */
static bool watching;

/* Whether this one is to fail. */
static bool fails(enum call call)
{
  if (!watching) return false;
  if (logged < MOST) log_of[logged++] = call;
  if ((int32_t)call != failing) return false;
  const int32_t turn = seen[call]++;
  if (turn < failing_turn || turn >= failing_turn + failures) return false;
  errno = reason;
  return true;
}

static void keep_name(const char *name)
{
  memcpy(given[0], given[1], sizeof given[0]);
  snprintf(given[1], sizeof given[1], "%s", name);
}

static bool is_folder(int file)
{
  struct stat info;
  return fstat(file, &info) == 0 && S_ISDIR(info.st_mode);
}

int openat(int folder, const char *path, int flags, ...)
{
  va_list args;
  va_start(args, flags);
  const unsigned mode =
      (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, unsigned) : 0;
  va_end(args);
  if ((flags & O_TMPFILE) == O_TMPFILE) {
    if (no_nameless) {
      errno = EOPNOTSUPP;
      return -1;
    }
    if (fails(OPEN_NAMELESS)) return -1;
  } else if (flags & O_CREAT) {
    keep_name(path);
    if (fails(OPEN_NAMED)) return -1;
  }
  return (int)syscall(SYS_openat, folder, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
  va_list args;
  va_start(args, flags);
  const unsigned mode = flags & O_CREAT ? va_arg(args, unsigned) : 0;
  va_end(args);
  if (flags & O_PATH && fails(OPEN_FOLDER)) return -1;
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Half of it at a time, and interrupted now and then. */
ssize_t write(int file, const void *data, size_t bytes)
{
  static int32_t turn;
  if (fails(WRITE)) return -1;
  if (watching && turn++ % 3 == 1) {
    errno = EINTR;
    return -1;
  }
  return syscall(SYS_write, file, data, watching && bytes > 1 ? bytes / 2 : bytes);
}

int fsync(int file)
{
  if (fails(is_folder(file) ? SYNC_FOLDER : SYNC)) return -1;
  return (int)syscall(SYS_fsync, file);
}

int fchmod(int file, mode_t mode)
{
  return fails(MODE) ? -1 : (int)syscall(SYS_fchmod, file, mode);
}

int linkat(int from, const char *old, int to, const char *name, int flags)
{
  keep_name(name);
  return fails(LINK) ? -1 : (int)syscall(SYS_linkat, from, old, to, name, flags);
}

int renameat(int from, const char *old, int to, const char *name)
{
  return fails(RENAME) ? -1 : (int)syscall(SYS_renameat2, from, old, to, name, 0);
}

int unlinkat(int folder, const char *name, int flags)
{
  return fails(UNLINK) ? -1 : (int)syscall(SYS_unlinkat, folder, name, flags);
}

/* ---- saving two files --------------------------------------------------------------------- */

static char folder[SCRATCH_PATH], one[SCRATCH_PATH], two[SCRATCH_PATH];

static void check_text(const char *path, const char *want)
{
  char *text = NULL;
  size_t bytes;
  CHECK_OK(anet__file_read(path, 1000, &text, &bytes));
  CHECK_EQ_S(text, want);
  anet__free(text);
}

static int32_t count_files(void)
{
  int32_t count = 0;
  DIR *list = opendir(folder);
  for (const struct dirent *e; list && (e = readdir(list));)
    count += e->d_name[0] != '.' || strncmp(e->d_name, ".anet", 5) == 0;
  if (list) closedir(list);
  return count;
}

static int save_both(int32_t call, int32_t turn)
{
  anet__contents a = {"new one", 7}, b = {"new two", 7};
  const anet__save both[] = {{one, anet__put_bytes, &a}, {two, anet__put_bytes, &b}};
  logged = 0;
  memset(seen, 0, sizeof seen);
  failing = call;
  failing_turn = turn;
  watching = true;
  const int rc = anet__files_save(both, 2);
  watching = false;
  return rc;
}

static void begin(void)
{
  test_scratch_new(folder);
  test_scratch_path(folder, "one", one);
  test_scratch_path(folder, "two", two);
  test_scratch_write(folder, "one", "old one", 7);
  test_scratch_write(folder, "two", "old two", 7);
}

/* Whether this file system knows files without a name. */
static bool has_nameless(void)
{
  const int file = (int)syscall(SYS_openat, AT_FDCWD, folder, O_WRONLY | O_TMPFILE, 0600);
  if (file >= 0) close(file);
  return file >= 0;
}

static int32_t nth(enum call call, int32_t turn)
{
  for (int32_t i = 0; i < logged; i++)
    if (log_of[i] == call && turn-- == 0) return i;
  return -1;
}

static int32_t last(enum call call)
{
  for (int32_t i = logged - 1; i >= 0; i--)
    if (log_of[i] == call) return i;
  return -1;
}

static int32_t count(enum call call)
{
  int32_t n = 0;
  for (int32_t i = 0; i < logged; i++) n += log_of[i] == call;
  return n;
}

static void check_order(void)
{
  begin();
  CHECK_OK(save_both(-1, 0));
  check_text(one, "new one");
  check_text(two, "new two");
  CHECK_EQ_I(count_files(), 2);
  CHECK_EQ_I(count(SYNC), 2);
  CHECK_EQ_I(count(MODE), 2);
  CHECK_EQ_I(count(RENAME), 2);
  CHECK_EQ_I(count(SYNC_FOLDER), 2);
  const bool named = no_nameless || !has_nameless();
  CHECK_EQ_I(count(LINK), named ? 0 : 2);
  CHECK_EQ_I(count(OPEN_NAMED), named ? 2 : 0);
  CHECK_EQ_I(count(UNLINK), 0);
  /* All is on the disk before the first old file goes; and the new name after it. */
  CHECK(last(WRITE) >= 0 && last(WRITE) < last(SYNC));
  CHECK(last(SYNC) < nth(RENAME, 0) && last(MODE) < nth(RENAME, 0));
  CHECK(nth(WRITE, 0) < nth(SYNC, 0));
  for (int32_t k = 0; k < 2; k++) CHECK(nth(SYNC_FOLDER, k) > nth(RENAME, k));
  test_scratch_remove(folder);
}

TEST(what_is_written_is_synced_before_it_is_renamed)
{
  check_order();
  no_nameless = true;
  check_order();
  no_nameless = false;
}

/* The call fails once: both files are whole, the first perhaps new where the second was to be
 * renamed; nothing else is left; the message names a file and the reason. */
static void check_failure(enum call call, int32_t turn)
{
  char *text = NULL;
  size_t bytes;
  begin();
  const int rc = save_both((int32_t)call, turn);
  if (call == SYNC_FOLDER) { /* it is saved all the same */
    CHECK_EQ_I(rc, ANET_OK);
  } else if (seen[call] > turn) {
    const bool renamed = (call == RENAME || call == LINK) && turn == 1;
    test_checks++;
    if (rc != ANET_IO) TEST_FAIL("%s %d fails: status %d", call_name[call], turn, rc);
    char words[2][2 * SCRATCH_PATH];
    for (int32_t i = 0; i < 2; i++)
      snprintf(words[i], sizeof words[i], "cannot %s '%s': %s", verb[call], i ? two : one,
               strerror(EIO));
    if (call != WRITE || turn == 0) /* a file is written by several */
      CHECK_EQ_S(anet_error(), words[turn]);
    else
      CHECK(!strcmp(anet_error(), words[0]) || !strcmp(anet_error(), words[1]));
    CHECK_OK(anet__file_read(one, 100, &text, &bytes));
    CHECK_EQ_S(text, renamed ? "new one" : "old one");
    anet__free(text);
    check_text(two, "old two");
  }
  test_checks++;
  if (count_files() != 2)
    TEST_FAIL("%s %d fails: %d files are left", call_name[call], turn, count_files());
  test_scratch_remove(folder);
}

TEST(each_call_may_fail)
{
  static const enum call calls[] = {OPEN_FOLDER, WRITE, SYNC, MODE, RENAME, SYNC_FOLDER};
  for (int32_t mode = 0; mode < 2; mode++) {
    no_nameless = mode;
    for (int32_t c = 0; c < ANET_COUNT(calls); c++)
      for (int32_t turn = 0; turn < 2; turn++) check_failure(calls[c], turn);
    for (int32_t turn = 0; turn < 2; turn++) check_failure(mode ? OPEN_NAMED : LINK, turn);
  }
  no_nameless = false;
}

/* Where a nameless file cannot be had, for whatever reason, it has a name. */
TEST(a_nameless_file_is_no_must)
{
  begin();
  CHECK_OK(save_both(OPEN_NAMELESS, 0));
  CHECK_EQ_I(count(OPEN_NAMED), has_nameless() ? 1 : 2);
  CHECK_EQ_I(count(LINK), has_nameless() ? 1 : 0);
  check_text(one, "new one");
  check_text(two, "new two");
  CHECK_EQ_I(count_files(), 2);
  test_scratch_remove(folder);
}

static bool is_temporary(const char *name)
{
  char before[32];
  const size_t length = (size_t)snprintf(before, sizeof before, ".anet-%d-", (int)getpid());
  return strncmp(name, before, length) == 0 && strlen(name) == length + 6 &&
         strspn(name + length, "abcdefghijklmnopqrstuvwxyz0123456789") == 6;
}

/* A temporary name that is taken is left to its owner, and another is tried; not for ever. */
TEST(a_name_that_is_taken)
{
  for (int32_t mode = 0; mode < 2; mode++) {
    begin();
    no_nameless = mode || !has_nameless();
    const enum call call = no_nameless ? OPEN_NAMED : LINK;
    reason = EEXIST;
    CHECK_OK(save_both((int32_t)call, 0));
    check_text(one, "new one");
    check_text(two, "new two");
    CHECK_EQ_I(count(call), 3);
    CHECK(is_temporary(given[0]) && is_temporary(given[1]));
    failures = 99;
    CHECK_OK(save_both((int32_t)call, 0));
    failures = 100;
    CHECK_EQ_I(save_both((int32_t)call, 0), ANET_IO);
    char words[2 * SCRATCH_PATH];
    snprintf(words, sizeof words, "cannot create '%s': %s", one, strerror(EEXIST));
    CHECK_EQ_S(anet_error(), words);
    CHECK_EQ_I(count(call), 100);
    CHECK(strcmp(given[0], given[1]) != 0);
    CHECK_EQ_I(count(UNLINK), 0);
    failures = 1;
    reason = EIO;
    CHECK_EQ_I(save_both((int32_t)call, 0), ANET_IO); /* any other reason is one at once */
    CHECK_EQ_I(count(call), 1);
    CHECK_EQ_I(count_files(), 2);
    test_scratch_remove(folder);
  }
  no_nameless = false;
}

/* Where standard input is closed its number is a file's like any other. */
TEST(the_first_number_is_a_file)
{
  begin();
  const int input = dup(0);
  close(0);
  CHECK_OK(anet__file_write(one, "new one", 7));
  CHECK(fcntl(0, F_GETFD) < 0); /* all are closed again */
  CHECK_OK(anet__file_write("/dev/null", "x", 1));
  CHECK(fcntl(0, F_GETFD) < 0);
  char *text = NULL;
  size_t bytes;
  CHECK_OK(anet__file_read(one, 100, &text, &bytes));
  CHECK(fcntl(0, F_GETFD) < 0);
  if (input >= 0) {
    CHECK_EQ_I(dup2(input, 0), 0);
    close(input);
  }
  CHECK_EQ_S(text, "new one");
  anet__free(text);
  test_scratch_remove(folder);
}

TEST_MAIN(CASE(what_is_written_is_synced_before_it_is_renamed), CASE(each_call_may_fail),
          CASE(a_nameless_file_is_no_must), CASE(a_name_that_is_taken),
          CASE(the_first_number_is_a_file))
