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
/* The `bytes` bytes from `offset` on. ANET_IO where the file ends before. */
int anet__file_part(const char *path, size_t offset, void *out, size_t bytes);
/* Write under a temporary name, sync, rename: a crash leaves the old file whole. `fill` writes the
 * contents piece by piece; when it fails the old file stays and its status is passed on. */
typedef struct anet__sink anet__sink;
typedef int (*anet__fill)(anet__sink *sink, void *context);
int anet__sink_put(anet__sink *sink, const void *data, size_t bytes);
int anet__file_save(const char *path, anet__fill fill, void *context);
/* As save, of contents that are in memory already. */
int anet__file_write(const char *path, const void *data, size_t bytes);
int anet__file_size(const char *path, size_t *bytes); /* of a regular file */
bool anet__file_exists(const char *path);
char *anet__path_join(const char *folder, const char *name) ANET_MUST_USE; /* anet__free it */

#endif
