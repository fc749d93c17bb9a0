#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

static int fail_io(const char *verb, const char *path)
{
  return anet_fail(ANET_IO, "cannot %s '%s': %s", verb, path, strerror(errno));
}

static const char *kind_of(mode_t mode)
{
  return S_ISDIR(mode)    ? "a folder"
         : S_ISFIFO(mode) ? "a pipe"
         : S_ISSOCK(mode) ? "a socket"
                          : "a device";
}

static int check_regular(const struct stat *info, const char *path, size_t *bytes)
{
  if (!S_ISREG(info->st_mode))
    return anet_fail(ANET_IO, "cannot read '%s': it is %s, want a regular file", path,
                     kind_of(info->st_mode));
  *bytes = (size_t)info->st_size;
  return ANET_OK;
}

int anet__file_size(const char *path, size_t *bytes)
{
  struct stat info;
  if (stat(path, &info)) return fail_io("read", path);
  return check_regular(&info, path, bytes);
}

bool anet__file_exists(const char *path)
{
  return access(path, F_OK) == 0;
}

char *anet__path_join(const char *folder, const char *name)
{
  const size_t length = strlen(folder);
  const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
  const size_t bytes = length + strlen(name) + 2;
  char *path = anet__alloc(bytes);
  if (path) snprintf(path, bytes, "%s%s%s", folder, slash, name);
  return path;
}

/* ---- reading ------------------------------------------------------------------------------ */

static int read_all(int file, const char *path, char *to, size_t bytes)
{
  for (size_t done = 0; done < bytes;) {
    const ssize_t got = read(file, to + done, bytes - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_io("read", path);
    if (got == 0)
      return anet_fail(ANET_IO, "cannot read '%s': it ended after %zu of %zu bytes", path, done,
                       bytes);
    done += (size_t)got;
  }
  return ANET_OK;
}

int anet__file_bytes(int file, const char *name, size_t *bytes)
{
  struct stat info;
  return fstat(file, &info) ? fail_io("read", name) : check_regular(&info, name, bytes);
}

int anet__file_open(const char *path, int *file, size_t *bytes)
{
  *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* never waits for a pipe */
  if (*file < 0) return fail_io("open", path);
  const int rc = anet__file_bytes(*file, path, bytes);
  if (rc) close(*file);
  return rc;
}

static int read_open(int file, const char *path, size_t limit, char **out, size_t bytes)
{
  if (bytes > limit)
    return anet_fail(ANET_RANGE, "'%s' has %zu bytes, want at most %zu", path, bytes, limit);
  char *data = anet__alloc(bytes + 1);
  if (!data) return ANET_NOMEM;
  const int rc = read_all(file, path, data, bytes);
  if (rc) {
    anet__free(data);
    return rc;
  }
  *out = data;
  return ANET_OK;
}

int anet__file_read(const char *path, size_t limit, char **out, size_t *bytes)
{
  int file;
  *out = NULL;
  *bytes = 0;
  ANET_TRY(anet__file_open(path, &file, bytes));
  const int rc = read_open(file, path, limit, out, *bytes);
  close(file);
  return rc;
}

int anet__file_part(int file, const char *name, size_t offset, void *out, size_t bytes)
{
  if (lseek(file, (off_t)offset, SEEK_SET) < 0) return fail_io("read", name);
  return read_all(file, name, out, bytes);
}

void anet__file_close(int file)
{
  close(file);
}
