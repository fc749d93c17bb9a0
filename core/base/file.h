/* Whole files. Every failure names the path and what the system said. */
#ifndef ANET_FILE_H
#define ANET_FILE_H

#include "base/compiler.h"

/* Opens for reading, without waiting: *file is for close(). ANET_IO: there is none, or it is not a
 * regular file (a pipe, a folder, a device). */
int anet__file_open(const char *path, int *file, size_t *bytes);
/* *out (freed with anet__free) = the file's bytes and a 0 after them. ANET_IO: it cannot be read;
 * ANET_RANGE: it has more than `limit` bytes. */
int anet__file_read(const char *path, size_t limit, char **out, size_t *bytes);
/* Saving (save.c). A file is written apart, synced and renamed: a crash leaves the old one whole,
 * and nothing else; what a killed program left under a temporary name goes with the next save into
 * that folder. A link's target is replaced, not the link; a device or a pipe is written to. `fill`
 * writes the contents piece by piece; when it fails the old file stays and its status is passed on.
 */
typedef struct anet__sink anet__sink;
typedef int (*anet__fill)(anet__sink *sink, void *context);
int anet__sink_put(anet__sink *sink, const void *data, size_t bytes);
int anet__file_save(const char *path, anet__fill fill, void *context);

/* Files that belong together: none gets its name before all are whole. */
enum { ANET_SAVES = 4 };
typedef struct anet__save {
  const char *path;
  anet__fill fill;
  void *context;
} anet__save;
int anet__files_save(const anet__save *saves, int32_t count);

/* As save, of contents that are in memory already. */
typedef struct anet__contents {
  const void *data;
  size_t count;
} anet__contents;
int anet__put_bytes(anet__sink *sink, void *bytes);
int anet__file_write(const char *path, const void *data, size_t bytes);
/* *file = a descriptor of the file that another file names: `name`, a path below the folder of the file
 * `beside`. Wherever links lead, it must lie in the real folder of `beside` or below, also while
 * somebody moves things there. ANET_FORMAT: it does not; ANET_IO: it cannot be read, or is not a regular file. */
int anet__file_beside(const char *beside, const char *name, int *file);
/* The bytes of such a descriptor, and `bytes` of them from `offset` on; name: for messages. */
int anet__file_bytes(int file, const char *name, size_t *bytes);
int anet__file_part(int file, const char *name, size_t offset, void *out, size_t bytes);
void anet__file_close(int file);
int anet__file_size(const char *path, size_t *bytes); /* of a regular file */
bool anet__file_exists(const char *path);
char *anet__path_join(const char *folder, const char *name) ANET_MUST_USE; /* anet__free it */

#endif
