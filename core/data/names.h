/* Lists of names: of classes, of what is in a folder. */
#ifndef ANET_NAMES_H
#define ANET_NAMES_H

#include "base/compiler.h"

typedef struct anet__names {
  char **at; /* (count), owned */
  int32_t count, capacity;
} anet__names;

int anet__names_add(anet__names *names, const char *name);
int anet__names_add_path(anet__names *names, const char *folder, const char *name);
void anet__names_free(anet__names *names);
/* The lines of a text file; empty ones do not count. */
int anet__names_read(const char *path, anet__names *out);
/* What is in a folder without the hidden, in byte order. */
int anet__names_list(const char *folder, anet__names *out);
bool anet__name_ends(const char *name, const char *suffix); /* A-Z like a-z */

#endif
