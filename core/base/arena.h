/* A bump allocator over one block: scratch of one call, freed whole. */
#ifndef ANET_ARENA_H
#define ANET_ARENA_H

#include "base/compiler.h"

typedef struct anet__arena {
  char *base;          /* owned */
  size_t bytes, used;  /* used <= bytes */
} anet__arena;

int anet__arena_new(size_t bytes, anet__arena *out);
void anet__arena_free(anet__arena *arena);
/* Aligned to ANET_ALIGN, not zeroed; NULL when it is full (the caller sized it: a bug). */
void *anet__arena_take(anet__arena *arena, size_t bytes);
void anet__arena_reset(anet__arena *arena);

#endif
