#include "base/index.h"

#include "base/alloc.h"
#include "base/error.h"

static void link_item(anet__index *index, int32_t item)
{
  int32_t *first = &index->first[index->item[item].hash & (uint64_t)(index->lists - 1)];
  index->item[item].next = *first;
  *first = item;
}

/* Lists for one more item. */
static int make_room(anet__index *index)
{
  enum { FIRST = 64 };
  if (index->count < index->lists) return ANET_OK;
  const int32_t lists = index->lists ? 2 * index->lists : FIRST;
  int32_t *first = anet__alloc_array((size_t)lists, sizeof *first);
  if (!first) return ANET_NOMEM;
  anet__free(index->first);
  index->first = first;
  index->lists = lists;
  for (int32_t i = 0; i < lists; i++) first[i] = -1;
  for (int32_t i = 0; i < index->count; i++) link_item(index, i);
  return ANET_OK;
}

int anet__index_add(anet__index *index, uint64_t hash, int32_t value)
{
  void *items = index->item;
  ANET_TRY(make_room(index));
  const int rc = anet__grow(&items, &index->capacity, index->count, sizeof *index->item);
  index->item = items;
  if (rc) return rc;
  index->item[index->count] = (anet__index_item){.hash = hash, .value = value};
  link_item(index, index->count++);
  return ANET_OK;
}

int32_t anet__index_find(const anet__index *index, uint64_t hash, int32_t after)
{
  int32_t i = after >= 0     ? index->item[after].next
              : index->lists ? index->first[hash & (uint64_t)(index->lists - 1)]
                             : -1;
  while (i >= 0 && index->item[i].hash != hash) i = index->item[i].next;
  return i;
}

void anet__index_free(anet__index *index)
{
  anet__free(index->item);
  anet__free(index->first);
  *index = (anet__index){0};
}
