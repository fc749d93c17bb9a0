#include "base/arena.h"

#include "base/alloc.h"
#include "base/error.h"

int anet__arena_new(size_t bytes, anet__arena *out)
{
  *out = (anet__arena){0};
  char *base = anet__alloc(bytes);
  if (!base) return ANET_NOMEM;
  *out = (anet__arena){.base = base, .bytes = bytes};
  return ANET_OK;
}

void anet__arena_free(anet__arena *arena)
{
  anet__free(arena->base);
  *arena = (anet__arena){0};
}

/* `used` is kept a multiple of ANET_ALIGN, or is `bytes` when the last piece ends there. */
void *anet__arena_take(anet__arena *arena, size_t bytes)
{
  const size_t left = arena->bytes - arena->used;
  ANET_ASSERT(bytes <= left);
  if (bytes > left) return NULL;
  char *piece = arena->base + arena->used;
  const size_t padding = (ANET_ALIGN - bytes % ANET_ALIGN) % ANET_ALIGN;
  arena->used += bytes + ANET_MIN(padding, left - bytes);
  return piece;
}

void anet__arena_reset(anet__arena *arena)
{
  arena->used = 0;
}
