/* Folders for the files of a test, and where data for tests is. */
#ifndef ANET_SCRATCH_H
#define ANET_SCRATCH_H

#include <stddef.h>

enum { SCRATCH_PATH = 512 };

/* A new empty folder under TMPDIR. */
void test_scratch_new(char folder[SCRATCH_PATH]);
void test_scratch_remove(const char *folder); /* and all in it */
/* path = folder/name; gives it back. */
const char *test_scratch_path(const char *folder, const char *name, char path[SCRATCH_PATH]);
void test_scratch_write(const char *folder, const char *name, const void *data, size_t bytes);
void test_scratch_folder(const char *folder, const char *name);
/* Folder `name` of the data that is not part of the project (environment ANET_SHARED); NULL, with
 * a line that says what is skipped, where it is absent. */
const char *test_shared(const char *name, const char *skipped, char path[SCRATCH_PATH]);

#endif
