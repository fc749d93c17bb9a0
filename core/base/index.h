/* Numbers found by a hash: what makes a search through a list short. The owner keeps the list, and compares. */
#ifndef ANET_INDEX_H
#define ANET_INDEX_H

#include "base/compiler.h"

typedef struct anet__index_item {
  uint64_t hash;
  int32_t value, next; /* next: another item of the same list, -1: none */
} anet__index_item;

/* All zero: an empty one. Invariant: items are fewer than lists, or there are none of either. */
typedef struct anet__index {
  anet__index_item *item; /* (count), owned */
  int32_t *first;         /* (lists, a power of two) an item, -1: none; owned */
  int32_t count, capacity, lists;
} anet__index;

int anet__index_add(anet__index *index, uint64_t hash, int32_t value);
/* The next item of this hash, the latest first; after: where to go on, -1: from the beginning. -1: there is none. */
int32_t anet__index_find(const anet__index *index, uint64_t hash, int32_t after);
void anet__index_free(anet__index *index);

#endif
