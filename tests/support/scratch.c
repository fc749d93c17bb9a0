#define _GNU_SOURCE /* nftw */
#include "support/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int good, const char *what, const char *path)
{
  if (good) return;
  fprintf(stderr, "cannot %s '%s'\n", what, path);
  exit(2);
}

void test_scratch_new(char folder[SCRATCH_PATH])
{
  const char *root = getenv("TMPDIR");
  snprintf(folder, SCRATCH_PATH, "%s/anet-test-XXXXXX", root && *root ? root : P_tmpdir);
  must(mkdtemp(folder) != NULL, "make", folder);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
  (void)info, (void)type, (void)walk;
  return remove(path);
}

void test_scratch_remove(const char *folder)
{
  nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_scratch_path(const char *folder, const char *name, char path[SCRATCH_PATH])
{
  snprintf(path, SCRATCH_PATH, "%s/%s", folder, name);
  return path;
}

void test_scratch_write(const char *folder, const char *name, const void *data, size_t bytes)
{
  char path[SCRATCH_PATH];
  FILE *file = fopen(test_scratch_path(folder, name, path), "wb");
  must(file != NULL, "create", path);
  must(fwrite(data, 1, bytes, file) == bytes && fclose(file) == 0, "write", path);
}

void test_scratch_folder(const char *folder, const char *name)
{
  char path[SCRATCH_PATH];
  must(mkdir(test_scratch_path(folder, name, path), 0777) == 0 || errno == EEXIST, "make", path);
}

const char *test_shared(const char *name, const char *skipped, char path[SCRATCH_PATH])
{
  const char *root = getenv("ANET_SHARED");
  if (root) {
    snprintf(path, SCRATCH_PATH, "%s/data/%s", root, name);
    if (access(path, R_OK) == 0) return path;
  }
  printf("%s: skipped, no data/%s under ANET_SHARED ('%s')\n", skipped, name, root ? root : "");
  return NULL;
}
