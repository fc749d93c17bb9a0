/* Hashes: FNV-1a over texts, one after the other; pointers. */
#ifndef ANET_HASH_H
#define ANET_HASH_H

#include <stdint.h>

static const uint64_t ANET_HASH_NONE = 0xcbf29ce484222325u; /* of no text */

static inline uint64_t anet__hash_text(uint64_t hash, const char *text)
{
  for (const char *c = text; *c; c++) hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
  return hash;
}

/* A multiplication that mixes all bits of a pointer into the low ones. */
static inline uint64_t anet__hash_pointer(const void *pointer)
{
  const uint64_t mixed = (uint64_t)(uintptr_t)pointer * 0x9e3779b97f4a7c15u;
  return mixed ^ mixed >> 32;
}

#endif
