/* Files are saved whole or not at all, and nothing else is left. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "support/fault.h"
#include "support/scratch.h"
#include "support/test.h"

static char folder[SCRATCH_PATH], path[SCRATCH_PATH], other[SCRATCH_PATH];

static void begin(void)
{
  test_scratch_new(folder);
  test_scratch_path(folder, "file", path);
  test_scratch_path(folder, "other", other);
}

static int32_t count_files(void)
{
  int32_t count = 0;
  DIR *list = opendir(folder);
  for (const struct dirent *e; list && (e = readdir(list));)
    count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  if (list) closedir(list);
  return count;
}

static void check_text(const char *at, const char *want)
{
  char *text = NULL;
  size_t bytes;
  CHECK_OK(anet__file_read(at, 1000, &text, &bytes));
  CHECK_EQ_S(text, want);
  anet__free(text);
}

static int put_half(anet__sink *sink, void *context)
{
  (void)context;
  ANET_TRY(anet__sink_put(sink, "half", 4));
  return anet_fail(ANET_FORMAT, "no more");
}

static int put_text(anet__sink *sink, void *context)
{
  return anet__sink_put(sink, context, strlen(context));
}

TEST(a_failure_leaves_what_was_there)
{
  begin();
  CHECK_FAILS(anet__file_save(path, put_half, NULL), ANET_FORMAT, "no more");
  CHECK_EQ_I(count_files(), 0);
  CHECK_OK(anet__file_write(path, "old", 3));
  CHECK_FAILS(anet__file_save(path, put_half, NULL), ANET_FORMAT, "no more");
  check_text(path, "old");
  CHECK_OK(anet__file_write(path, "new", 3));
  check_text(path, "new");
  CHECK_EQ_I(count_files(), 1);
  CHECK_FAILS(anet__file_write(folder, "x", 1), ANET_IO, "folder");
  CHECK_FAILS(anet__file_write("/no/such/folder/x", "x", 1), ANET_IO, "/no/such/folder/x");
  test_scratch_remove(folder);
}

TEST(files_that_belong_together)
{
  begin();
  const anet__save bad[] = {{path, put_text, "one"}, {other, put_half, NULL}};
  const anet__save good[] = {{path, put_text, "one"}, {other, put_text, "two"}};
  CHECK_OK(anet__file_write(path, "old", 3));
  CHECK_FAILS(anet__files_save(bad, 2), ANET_FORMAT, "no more");
  check_text(path, "old");
  CHECK_EQ_I(count_files(), 1);
  CHECK_OK(anet__files_save(good, 2));
  check_text(path, "one");
  check_text(other, "two");
  CHECK_EQ_I(count_files(), 2);
  test_scratch_remove(folder);
}

TEST(links_modes_and_devices_stay)
{
  struct stat info;
  char device[SCRATCH_PATH];
  begin();
  CHECK_OK(anet__file_write(path, "old", 3));
  CHECK_EQ_I(chmod(path, 0640), 0);
  CHECK_EQ_I(symlink("file", other), 0);
  CHECK_OK(anet__file_write(other, "new", 3));
  check_text(path, "new");
  CHECK(lstat(other, &info) == 0 && S_ISLNK(info.st_mode));
  CHECK(stat(path, &info) == 0);
  CHECK_EQ_I(info.st_mode & 0777, 0640);
  test_scratch_path(folder, "device", device);
  CHECK_EQ_I(symlink("/dev/null", device), 0);
  CHECK_OK(anet__file_write(device, "gone", 4));
  CHECK(stat(device, &info) == 0 && S_ISCHR(info.st_mode));
  CHECK_FAILS(anet__file_write("/dev/full", "x", 1), ANET_IO, "/dev/full");
  CHECK_EQ_I(count_files(), 3);
  test_scratch_remove(folder);
}

/* ---- sweeping ----------------------------------------------------------------------------- */

static pid_t dead_process(void)
{
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  CHECK(waitpid(pid, NULL, 0) == pid);
  return pid;
}

static void leave(const char *format, long pid)
{
  char name[64];
  snprintf(name, sizeof name, format, pid);
  test_scratch_write(folder, name, "left", 4);
}

static bool left(const char *format, long pid)
{
  char name[64], at[SCRATCH_PATH];
  snprintf(name, sizeof name, format, pid);
  return access(test_scratch_path(folder, name, at), F_OK) == 0;
}

TEST(temporary_files_of_the_dead_are_swept)
{
  const char *keep[] = {".anet-%ld-abc",    ".anet-%ld-abcdeF", ".anet-%ld-abcdefg",
                        "anet-%ld-abcdef",  ".anet-%ld.abcdef", ".anet--%ld-abcdef",
                        "x.anet-%ld-abcdef"};
  const long dead = dead_process();
  char at[SCRATCH_PATH], name[64];
  begin();
  leave(".anet-%ld-abcdef", dead);
  leave(".anet-%ld-k3j9z0", dead);
  leave(".anet-%ld-abcdef", getpid());
  leave(".anet-%ld-abcdef", 1);
  leave(".anet-%ld-locked", dead);
  for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) leave(keep[i], dead);
  snprintf(name, sizeof name, ".anet-%ld-locked", dead);
  const int file =
      open(test_scratch_path(folder, name, at), O_RDWR); /* its maker has no number here */
  CHECK_EQ_I(flock(file, LOCK_EX), 0);
  CHECK_OK(anet__file_write(path, "new", 3));
  CHECK(!left(".anet-%ld-abcdef", dead));
  CHECK(!left(".anet-%ld-k3j9z0", dead));
  CHECK(left(".anet-%ld-abcdef", getpid()));
  CHECK(left(".anet-%ld-abcdef", 1));
  CHECK(left(".anet-%ld-locked", dead));
  for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) CHECK(left(keep[i], dead));
  close(file);
  CHECK_OK(anet__file_write(path, "new", 3));
  CHECK(!left(".anet-%ld-locked", dead));
  test_scratch_remove(folder);
}

/* ---- the end ------------------------------------------------------------------------------ */

static int kill_self(anet__sink *sink, void *context)
{
  ANET_TRY(put_text(sink, context));
  return raise(SIGKILL);
}

TEST(a_kill_leaves_what_was_there)
{
  begin();
  CHECK_OK(anet__file_write(path, "old", 3));
  const pid_t pid = fork();
  if (pid == 0) {
    anet__file_save(path, kill_self, "new");
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
  check_text(path, "old");
  CHECK_OK(anet__file_write(path, "new", 3)); /* sweeps, where the file system gave it a name */
  CHECK_EQ_I(count_files(), 1);
  test_scratch_remove(folder);
}

static int put_much(anet__sink *sink, void *context)
{
  static const char block[4096];
  (void)context;
  for (int32_t i = 0; i < 64; i++) ANET_TRY(anet__sink_put(sink, block, sizeof block));
  return ANET_OK;
}

TEST(a_limit_of_size_is_an_error)
{
  begin();
  CHECK_OK(anet__file_write(path, "old", 3));
  const pid_t pid = fork();
  if (pid == 0) {
    const struct rlimit limit = {10000, 10000};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    const int rc = anet__file_save(path, put_much, NULL);
    _exit(rc == ANET_IO && strstr(anet_error(), "too large") ? 0 : 1);
  }
  int status = 0;
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  CHECK_EQ_I(WEXITSTATUS(status), 0);
  check_text(path, "old");
  CHECK_EQ_I(count_files(), 1);
  test_scratch_remove(folder);
}

static int save_both(void *context)
{
  const anet__save both[] = {{path, put_text, context}, {other, put_text, context}};
  return anet__files_save(both, 2);
}

TEST(allocations)
{
  begin();
  test_each_allocation(save_both, "text");
  check_text(path, "text");
  CHECK_EQ_I(count_files(), 2);
  test_scratch_remove(folder);
}

TEST_MAIN(CASE(a_failure_leaves_what_was_there), CASE(files_that_belong_together),
          CASE(links_modes_and_devices_stay), CASE(temporary_files_of_the_dead_are_swept),
          CASE(a_kill_leaves_what_was_there), CASE(a_limit_of_size_is_an_error), CASE(allocations))
