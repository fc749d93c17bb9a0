/* Saving files: whole or not at all. */
#define _GNU_SOURCE /* O_TMPFILE, O_PATH */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"

static int fail_io(const char *verb, const char *path)
{
  return anet_fail(ANET_IO, "cannot %s '%s': %s", verb, path, strerror(errno));
}

/* ---- sinks -------------------------------------------------------------------------------- */

struct anet__sink {
  int file;
  const char *path; /* that it will have, for messages */
};

int anet__sink_put(anet__sink *sink, const void *data, size_t bytes)
{
  const char *from = data;
  for (size_t done = 0; done < bytes;) {
    const ssize_t put = write(sink->file, from + done, bytes - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_io("write", sink->path);
    done += (size_t)put;
  }
  return ANET_OK;
}

/* ---- temporary names: .anet-PID-XXXXXX, in the folder of the file to be ------------------- */

enum { TEMPORARY = 48, RANDOM = 6, ATTEMPTS = 100 };
static const char prefix[] = ".anet-", letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

static void write_temporary(char *name, int32_t attempt)
{
  uint64_t number = (uint64_t)anet__now_ns() + (uint64_t)attempt;
  const int length = snprintf(name, TEMPORARY, "%s%ld-", prefix, (long)getpid());
  for (int32_t i = 0; i < RANDOM; i++, number /= sizeof letters - 1)
    name[length + i] = letters[number % (sizeof letters - 1)];
  name[length + RANDOM] = '\0';
}

/* The process that made a file of this name; 0: it is no temporary name. */
static pid_t maker_of(const char *name)
{
  char *end;
  if (strncmp(name, prefix, sizeof prefix - 1) != 0) return 0;
  const long pid = strtol(name + sizeof prefix - 1, &end, 10);
  const bool ours =
      pid > 0 && *end == '-' && strlen(end + 1) == RANDOM && strspn(end + 1, letters) == RANDOM;
  return ours ? (pid_t)pid : 0;
}

/* Its maker holds a lock on it, which also tells of processes that have no number here. */
static void sweep_one(int folder, const char *name)
{
  struct stat info;
  const int file = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return;
  if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && flock(file, LOCK_EX | LOCK_NB) == 0)
    (void)unlinkat(folder, name, 0);
  close(file);
}

/* Remove the temporary files of processes that are dead. */
static void sweep(int folder)
{
  const int file = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = file < 0 ? NULL : fdopendir(file);
  if (!list) {
    if (file >= 0) close(file);
    return;
  }
  for (const struct dirent *entry; (entry = readdir(list));) {
    const pid_t maker = maker_of(entry->d_name);
    if (maker && kill(maker, 0) && errno == ESRCH) sweep_one(folder, entry->d_name);
  }
  closedir(list);
}

/* ---- drafts ------------------------------------------------------------------------------- */

/* A file in the making. Where the file system can do that it has no name before it is whole, so
 * that nothing is left of a program that is killed; elsewhere it has a temporary one. */
typedef struct draft {
  const char *path; /* as the caller says it; borrowed */
  char *target;     /* the folder, and after its end the file's name: where links lead; owned */
  const char *name; /* in target; NULL: the path is of a device or a pipe, which is written to */
  mode_t mode;
  int folder, file;          /* -1: not open */
  char temporary[TEMPORARY]; /* "": the file has no name yet */
} draft;

static int open_device(draft *d)
{
  d->file = open(d->path, O_WRONLY | O_CLOEXEC);
  return d->file < 0 ? fail_io("open", d->path) : ANET_OK;
}

static int open_folder(draft *d)
{
  char *slash = strrchr(d->target, '/');
  d->name = slash ? slash + 1 : d->target;
  if (slash) *slash = '\0';
  const char *folder = !slash ? "." : slash == d->target ? "/" : d->target;
  d->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return d->folder < 0 ? fail_io("create", d->path) : ANET_OK;
}

static int open_named(draft *d)
{
  for (int32_t i = 0; i < ATTEMPTS; i++) {
    write_temporary(d->temporary, i);
    d->file = openat(d->folder, d->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (d->file >= 0) return ANET_OK;
    if (errno != EEXIST) break;
  }
  d->temporary[0] = '\0';
  return fail_io("create", d->path);
}

static int open_draft(draft *d)
{
  ANET_TRY(open_folder(d));
  sweep(d->folder);
  d->file = openat(d->folder, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
  if (d->file < 0) ANET_TRY(open_named(d));
  (void)flock(d->file, LOCK_EX | LOCK_NB);
  return ANET_OK;
}

static int draft_new(draft *d, const char *path)
{
  struct stat info;
  *d = (draft){.path = path, .folder = -1, .file = -1, .mode = 0644};
  const bool there = stat(path, &info) == 0;
  if (there && S_ISDIR(info.st_mode))
    return anet_fail(ANET_IO, "cannot write '%s': it is a folder", path);
  if (there && !S_ISREG(info.st_mode)) return open_device(d);
  char *real = there ? realpath(path, NULL) : NULL;
  if (there) d->mode = info.st_mode & 0777;
  d->target = anet__strdup(real ? real : path);
  free(real);
  return d->target ? open_draft(d) : ANET_NOMEM;
}

static int draft_fill(draft *d, anet__fill fill, void *context)
{
  anet__sink sink = {d->file, d->path};
  ANET_TRY(fill(&sink, context));
  if (!d->name) return ANET_OK;
  if (fsync(d->file)) return fail_io("sync", d->path);
  return fchmod(d->file, d->mode) ? fail_io("set the mode of", d->path) : ANET_OK;
}

/* Give a file that has no name yet a temporary one: a name that is taken cannot be given. */
static int draft_name(draft *d)
{
  char self[32];
  snprintf(self, sizeof self, "/proc/self/fd/%d", d->file);
  for (int32_t i = 0; i < ATTEMPTS; i++) {
    write_temporary(d->temporary, i);
    if (!linkat(AT_FDCWD, self, d->folder, d->temporary, AT_SYMLINK_FOLLOW)) return ANET_OK;
    if (errno != EEXIST) break;
  }
  d->temporary[0] = '\0';
  return fail_io("create", d->path);
}

static int draft_rename(draft *d)
{
  if (!d->name) return ANET_OK;
  if (!d->temporary[0]) ANET_TRY(draft_name(d));
  if (renameat(d->folder, d->temporary, d->folder, d->name)) return fail_io("rename to", d->path);
  d->temporary[0] = '\0';
  /* A new name must survive a power cut, too. */
  const int folder = openat(d->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    (void)fsync(folder);
    close(folder);
  }
  return ANET_OK;
}

static void draft_free(draft *d)
{
  if (d->temporary[0]) (void)unlinkat(d->folder, d->temporary, 0);
  if (d->file >= 0) close(d->file);
  if (d->folder >= 0) close(d->folder);
  anet__free(d->target);
}

/* ---- saving ------------------------------------------------------------------------------- */

int anet__files_save(const anet__save *saves, int32_t count)
{
  draft drafts[ANET_SAVES];
  int32_t made = 0;
  int rc = ANET_OK;
  ANET_ASSERT(count <= ANET_SAVES);
  for (; !rc && made < count; made++) {
    rc = draft_new(&drafts[made], saves[made].path);
    if (!rc) rc = draft_fill(&drafts[made], saves[made].fill, saves[made].context);
  }
  for (int32_t i = 0; !rc && i < count; i++) rc = draft_rename(&drafts[i]);
  for (int32_t i = 0; i < made; i++) draft_free(&drafts[i]);
  return rc;
}

int anet__file_save(const char *path, anet__fill fill, void *context)
{
  const anet__save save = {path, fill, context};
  return anet__files_save(&save, 1);
}

int anet__put_bytes(anet__sink *sink, void *context)
{
  const anet__contents *all = context;
  return anet__sink_put(sink, all->data, all->count);
}

int anet__file_write(const char *path, const void *data, size_t bytes)
{
  anet__contents all = {data, bytes};
  return anet__file_save(path, anet__put_bytes, &all);
}
