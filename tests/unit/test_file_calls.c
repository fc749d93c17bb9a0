/* Reading files as the system gives them: in small parts, interrupted, failing, of other kinds; and
 * what walks from folder to folder. The calls of this program come through here. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "support/scratch.h"
#include "support/test.h"

/* ---- the shim ----------------------------------------------------------------------------- */

static struct {
  bool on;
  size_t most;    /* bytes of a read */
  int32_t turn;   /* every second one is interrupted first */
  int32_t broken; /* reads until one fails; -1: none */
  bool bad_seek, bad_stat;
} shim = {.broken = -1};

ssize_t read(int file, void *to, size_t bytes)
{
  if (!shim.on) return syscall(SYS_read, file, to, bytes);
  if (shim.turn++ % 2 == 0) {
    errno = EINTR;
    return -1;
  }
  if (shim.broken-- == 0) {
    errno = EIO;
    return -1;
  }
  return syscall(SYS_read, file, to, bytes < shim.most ? bytes : shim.most);
}

off_t lseek(int file, off_t offset, int from)
{
  if (!shim.bad_seek) return syscall(SYS_lseek, file, offset, from);
  errno = EIO;
  return -1;
}

int fstat(int file, struct stat *out)
{
  if (!shim.bad_stat) return syscall(SYS_fstat, file, out) < 0 ? -1 : 0;
  errno = EIO;
  return -1;
}

/* ---- reading ------------------------------------------------------------------------------ */

static char folder[SCRATCH_PATH], path[SCRATCH_PATH];

static int32_t open_files(void)
{
  int32_t count = 0;
  DIR *list = opendir("/proc/self/fd");
  while (list && readdir(list)) count++;
  if (list) closedir(list);
  return count;
}

TEST(reading_goes_on_until_all_is_there)
{
  char *bytes;
  size_t count;
  test_scratch_write(folder, "f", "0123456789", 10);
  const int32_t files = open_files();
  for (size_t most = 1; most < 12; most += 3) {
    shim.on = true;
    shim.most = most;
    CHECK_OK(anet__file_read(path, 10, &bytes, &count));
    shim.on = false;
    CHECK_EQ_I(count, 10);
    CHECK_EQ_S(bytes, "0123456789");
    anet__free(bytes);
  }
  shim.on = true;
  shim.most = 3;
  shim.broken = 2; /* after six bytes */
  CHECK_FAILS(anet__file_read(path, 10, &bytes, &count), ANET_IO, path);
  shim.on = false;
  shim.broken = -1;
  CHECK(bytes == NULL && strstr(anet_error(), strerror(EIO)) &&
        strstr(anet_error(), "cannot read"));
  CHECK_FAILS(anet__file_read(path, 9, &bytes, &count), ANET_RANGE,
              "f' has 10 bytes, want at most 9");
  shim.bad_stat = true;
  CHECK_FAILS(anet__file_read(path, 10, &bytes, &count), ANET_IO, strerror(EIO));
  shim.bad_stat = false;
  test_scratch_write(folder, "f", "", 0);
  CHECK_OK(anet__file_read(path, 0, &bytes, &count));
  CHECK_EQ_S(bytes, "");
  CHECK_EQ_I(count, 0);
  anet__free(bytes);
  CHECK_EQ_I(open_files(), files);
}

TEST(parts_of_a_file)
{
  int file;
  size_t bytes;
  char part[5] = "";
  test_scratch_write(folder, "f", "0123456789", 10);
  CHECK_OK(anet__file_open(path, &file, &bytes));
  CHECK_EQ_I(bytes, 10);
  CHECK_OK(anet__file_part(file, "name", 6, part, 4));
  CHECK_EQ_S(part, "6789");
  CHECK_OK(anet__file_part(file, "name", 0, part, 4));
  CHECK_EQ_S(part, "0123");
  CHECK_FAILS(anet__file_part(file, "name", 8, part, 4), ANET_IO,
              "cannot read 'name': it ended after 2 of 4 bytes");
  shim.bad_seek = true;
  CHECK_FAILS(anet__file_part(file, "name", 0, part, 4), ANET_IO, "'name'");
  CHECK(strstr(anet_error(), strerror(EIO)));
  shim.bad_seek = false;
  shim.bad_stat = true;
  CHECK_FAILS(anet__file_bytes(file, "name", &bytes), ANET_IO, "cannot read 'name'");
  shim.bad_stat = false;
  CHECK_OK(anet__file_bytes(file, "name", &bytes));
  CHECK_EQ_I(bytes, 10);
  CHECK(fcntl(file, F_GETFD) & FD_CLOEXEC);
  anet__file_close(file);
  CHECK_EQ_I(fcntl(file, F_GETFD), -1);
}

TEST(what_is_no_file_is_named)
{
  char *bytes, at[SCRATCH_PATH];
  size_t count;
  const int32_t files = open_files();
  CHECK_FAILS(anet__file_read(folder, 9, &bytes, &count), ANET_IO,
              "it is a folder, want a regular");
  CHECK_FAILS(anet__file_size(folder, &count), ANET_IO, "it is a folder");
  CHECK_FAILS(anet__file_size("/dev/null", &count), ANET_IO, "it is a device");
  CHECK_FAILS(anet__file_read("/dev/null", 9, &bytes, &count), ANET_IO, "it is a device");
  CHECK_EQ_I(mkfifo(test_scratch_path(folder, "pipe", at), 0600), 0);
  CHECK_FAILS(anet__file_read(at, 9, &bytes, &count), ANET_IO, "it is a pipe");
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%.100s/s", folder);
  const int end = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK_EQ_I(bind(end, (struct sockaddr *)&name, sizeof name), 0);
  CHECK_FAILS(anet__file_size(name.sun_path, &count), ANET_IO, "it is a socket");
  close(end);
  CHECK_FAILS(anet__file_size("no/such", &count), ANET_IO, "cannot read 'no/such': No such file");
  CHECK_FAILS(anet__file_read("no/such", 9, &bytes, &count), ANET_IO, "cannot open 'no/such'");
  CHECK(!anet__file_exists("no/such") && anet__file_exists(folder));
  CHECK_EQ_I(open_files(), files);
}

static void check_join(const char *a, const char *b, const char *want)
{
  char *joined = anet__path_join(a, b);
  CHECK_EQ_S(joined, want);
  anet__free(joined);
}

TEST(paths_are_joined)
{
  check_join("a", "b", "a/b");
  check_join("a/", "b/c", "a/b/c");
  check_join("/", "b", "/b");
  check_join("", "b", "/b");
  check_join("a", "", "a/");
}

/* ---- beside another file ------------------------------------------------------------------- */

TEST(files_beside_are_walked_to)
{
  char deep[SCRATCH_PATH], text[4] = "";
  int file = 7;
  test_scratch_folder(folder, "one");
  test_scratch_folder(folder, "one/two");
  test_scratch_write(folder, "one/two/x", "abc", 3);
  test_scratch_write(folder, "one/..x", "dot", 3);
  test_scratch_write(folder, "one/x", "xyz", 3);
  test_scratch_path(folder, "one/model", deep);
  test_scratch_write(folder, "one/model", "", 0);
  const int32_t files = open_files();
  CHECK_OK(anet__file_beside(deep, "two/x", &file));
  CHECK_OK(anet__file_part(file, "x", 0, text, 3));
  CHECK_EQ_S(text, "abc");
  CHECK(fcntl(file, F_GETFD) & FD_CLOEXEC);
  anet__file_close(file);
  CHECK_EQ_I(open_files(), files);                 /* no folder of the walk stays open */
  CHECK_OK(anet__file_beside(deep, "..x", &file)); /* a name that only begins so */
  anet__file_close(file);
  CHECK_FAILS(anet__file_beside(deep, "two/..", &file), ANET_FORMAT, "is not in the folder of");
  CHECK_FAILS(anet__file_beside(deep, "two/../x", &file), ANET_FORMAT, "is not in the folder of");
  CHECK_EQ_I(file, -1);
  CHECK_FAILS(anet__file_beside(deep, "two", &file), ANET_IO, "not a regular file");
  CHECK_FAILS(anet__file_beside(deep, "two/y", &file), ANET_IO, "one/two/y': No such file");
  CHECK_FAILS(anet__file_beside("no/model", "x", &file), ANET_IO, "cannot open 'no/model'");
  /* "one/././…/x": the longest path there can be, and one byte more. */
  char name[PATH_MAX + 2];
  const size_t room = PATH_MAX - 1 - strlen(folder) - strlen("/one/");
  for (size_t i = 0; i < room; i++) name[i] = "./"[i % 2];
  if (room % 2 == 0) name[room - 2] = '/';
  strcpy(name + room - 1, "x");
  CHECK_OK(anet__file_beside(deep, name, &file));
  anet__file_close(file);
  memmove(name + 1, name, room + 1);
  memcpy(name, ".//", 3);
  CHECK_FAILS(anet__file_beside(deep, name, &file), ANET_IO, "…': a path of over 4095 bytes");
  if (getuid() != 0) {
    CHECK_EQ_I(chmod(test_scratch_path(folder, "one/x", deep), 0), 0);
    test_scratch_path(folder, "one/model", deep);
    CHECK_FAILS(anet__file_beside(deep, "x", &file), ANET_IO, strerror(EACCES));
  }
  CHECK_EQ_I(file, -1);
  CHECK_EQ_I(open_files(), files);
}

int main(int argc, char **argv)
{
  static const test_case cases[] = {CASE(reading_goes_on_until_all_is_there), CASE(parts_of_a_file),
                                    CASE(what_is_no_file_is_named), CASE(paths_are_joined),
                                    CASE(files_beside_are_walked_to)};
  test_scratch_new(folder);
  test_scratch_path(folder, "f", path);
  const int rc = test_run(cases, (int)(sizeof cases / sizeof *cases), argc, argv);
  test_scratch_remove(folder);
  return rc;
}
