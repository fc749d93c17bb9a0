/* Files that other files name. Nothing such a name says is believed: the path is resolved, the
 * place that comes out is compared with the folder, and then walked to from the folder part by part
 * without following any link, so that what is opened lies there even if links change in between. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

static int fail(const char *name)
{
  return anet_fail(ANET_IO, "cannot open '%s': %s", name, strerror(errno));
}

static void cut_name(char *path)
{
  char *slash = strrchr(path, '/');
  if (!slash)
    strcpy(path, ".");
  else
    slash[slash == path] = '\0';
}

/* folder (PATH_MAX bytes): where `beside` really lies. */
static int real_folder(const char *beside, char *folder)
{
  if (!realpath(beside, folder)) return fail(beside);
  cut_name(folder);
  return ANET_OK;
}

/* real (PATH_MAX bytes): where links lead that `name` goes through. */
static int resolve(const char *beside, const char *name, char *real)
{
  char path[PATH_MAX];
  const char *slash = strrchr(beside, '/');
  const int folder = slash ? (int)(slash - beside) + 1 : 0;
  if (snprintf(path, sizeof path, "%.*s%s", folder, beside, name) >= (int)sizeof path)
    return anet_fail(ANET_IO, "cannot open '%.40s…': a path of over %d bytes", name, PATH_MAX - 1);
  return realpath(path, real) ? ANET_OK : fail(path);
}

/* The rest of `real` below `folder`; NULL: it lies elsewhere. */
static char *below(const char *folder, char *real)
{
  const size_t length = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
  return strncmp(real, folder, length) == 0 && real[length] == '/' ? real + length + 1 : NULL;
}

/* Only what is a regular file is opened: opening a device may do something. */
static int open_last(int folder, const char *part, const char *name, int *file)
{
  struct stat info;
  if (fstatat(folder, part, &info, AT_SYMLINK_NOFOLLOW)) return fail(name);
  if (!S_ISREG(info.st_mode))
    return anet_fail(ANET_IO, "cannot read '%s': not a regular file", name);
  *file = openat(folder, part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return *file < 0 ? fail(name) : ANET_OK;
}

/* From the open folder to `rest`, which is cut into its parts. */
static int walk(int folder, char *rest, const char *name, int *file)
{
  for (char *slash; (slash = strchr(rest, '/')); rest = slash + 1) {
    *slash = '\0';
    const int next = openat(folder, rest, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0) {
      const int rc = fail(name);
      close(folder);
      return rc;
    }
    close(folder);
    folder = next;
  }
  const int rc = open_last(folder, rest, name, file);
  close(folder);
  return rc;
}

static bool is_below(const char *name)
{
  if (!name[0] || name[0] == '/' || strchr(name, '\\')) return false;
  for (const char *part = name; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2])) return false;
  return true;
}

int anet__file_beside(const char *beside, const char *name, int *file)
{
  char folder[PATH_MAX], real[PATH_MAX], *rest;
  *file = -1;
  if (!is_below(name))
    return anet_fail(ANET_FORMAT, "the file '%s' is not in the folder of '%s'", name, beside);
  ANET_TRY(real_folder(beside, folder));
  ANET_TRY(resolve(beside, name, real));
  if (!(rest = below(folder, real)))
    return anet_fail(ANET_FORMAT,
                     "the file '%s' is a link to '%s', out of the folder '%s'; put it there", name,
                     real, folder);
  const int from = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return from < 0 ? fail(folder) : walk(from, rest, name, file);
}
