#include "data/names.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"

int anet__names_add(anet__names *names, const char *name)
{
  ANET_TRY(anet__grow((void **)&names->at, &names->capacity, names->count, sizeof *names->at));
  names->at[names->count] = anet__strdup(name);
  if (!names->at[names->count]) return ANET_NOMEM;
  names->count++;
  return ANET_OK;
}

int anet__names_add_path(anet__names *names, const char *folder, const char *name)
{
  char *path = anet__path_join(folder, name);
  if (!path) return ANET_NOMEM;
  const int rc = anet__names_add(names, path);
  anet__free(path);
  return rc;
}

void anet__names_free(anet__names *names)
{
  for (int32_t i = 0; i < names->count; i++) anet__free(names->at[i]);
  anet__free(names->at);
  *names = (anet__names){0};
}

int anet__names_read(const char *path, anet__names *out)
{
  const size_t limit = 1 << 20;
  char *text;
  size_t bytes;
  int rc = ANET_OK;
  ANET_TRY(anet__file_read(path, limit, &text, &bytes));
  for (char *line = text, *next; !rc && *line; line = next) {
    const size_t length = strcspn(line, "\r\n");
    next = line + length + strspn(line + length, "\r\n");
    line[length] = '\0';
    if (length) rc = anet__names_add(out, line);
  }
  anet__free(text);
  return rc;
}

static int by_bytes(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

int anet__names_list(const char *folder, anet__names *out)
{
  int rc = ANET_OK;
  DIR *stream = opendir(folder);
  if (!stream) return anet_fail(ANET_IO, "cannot list '%s': %s", folder, strerror(errno));
  for (const struct dirent *entry; !rc && (entry = readdir(stream));)
    if (entry->d_name[0] != '.') rc = anet__names_add(out, entry->d_name);
  closedir(stream);
  if (out->count) qsort(out->at, (size_t)out->count, sizeof *out->at, by_bytes);
  return rc;
}

bool anet__name_ends(const char *name, const char *suffix)
{
  const size_t length = strlen(name), tail = strlen(suffix);
  return length >= tail && strcasecmp(name + length - tail, suffix) == 0;
}
