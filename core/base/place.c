#include "base/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

static int too_big(void)
{
  return anet_fail(ANET_NOMEM, "buffers of a step need more than %zu bytes", SIZE_MAX);
}

/* ---- few: largest first -------------------------------------------------------------------------
 */

/* Of equals the earlier, so that every machine places alike. */
static int by_size(const void *a, const void *b)
{
  const anet__span *x = *(anet__span *const *)a, *y = *(anet__span *const *)b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x < y ? -1 : 1;
}

/* The smallest gap that takes the span between those that are alive with it, or the end of them.
 * placed: in order of offsets. */
static size_t find_gap(anet__span *const *placed, int32_t count, const anet__span *s)
{
  size_t top = 0, best = SIZE_MAX, best_bytes = SIZE_MAX;
  for (int32_t i = 0; i < count; i++) {
    const anet__span *other = placed[i];
    if (other->last < s->first || s->last < other->first) continue;
    const size_t gap = other->offset > top ? other->offset - top : 0;
    if (gap >= s->bytes && gap < best_bytes) {
      best = top;
      best_bytes = gap;
    }
    top = ANET_MAX(top, other->offset + other->bytes);
  }
  return best == SIZE_MAX ? top : best;
}

/* order (count) is sorted by size, then filled anew from the front with what is placed, by offsets.
 */
static int place_few(anet__span **order, int32_t count, size_t *total)
{
  for (int32_t i = 0; i < count; i++) {
    anet__span *s = order[i];
    int32_t at = i;
    size_t end;
    s->offset = find_gap(order, i, s);
    if (__builtin_add_overflow(s->offset, s->bytes, &end)) return too_big();
    while (at > 0 && order[at - 1]->offset > s->offset) at--;
    memmove(&order[at + 1], &order[at], (size_t)(i - at) * sizeof *order);
    order[at] = s;
    *total = ANET_MAX(*total, end);
  }
  return ANET_OK;
}

/* ---- many: as they come -------------------------------------------------------------------------
 */

static int by_first(const void *a, const void *b)
{
  const anet__span *x = *(anet__span *const *)a, *y = *(anet__span *const *)b;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return x < y ? -1 : 1;
}

static int by_last(const void *a, const void *b)
{
  const anet__span *x = *(anet__span *const *)a, *y = *(anet__span *const *)b;
  if (x->last != y->last) return x->last < y->last ? -1 : 1;
  return x < y ? -1 : 1;
}

/* A place is as large as the first span that it was made for, and goes from one span to the next.
 * Places that are free wait in lists by their size. */
typedef struct sweep {
  anet__span *span, **end; /* (count) end: in the order in which they end */
  size_t *size;            /* (sizes) all that there are, falling */
  int32_t *free;           /* (sizes) a span whose place is free, -1: none */
  int32_t *next;           /* (count) another of the same size */
  int32_t *place;          /* (count) the size of the span's place */
  int32_t count, sizes, ended;
} sweep;

/* The first size, falling, that is smaller than `bytes`: those before it have room. */
static int32_t find_size(const sweep *s, size_t bytes)
{
  int32_t low = 0, high = s->sizes;
  while (low < high) {
    const int32_t middle = low + (high - low) / 2;
    if (s->size[middle] >= bytes)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void free_ended(sweep *s, int32_t time)
{
  for (; s->ended < s->count && s->end[s->ended]->last < time; s->ended++) {
    const int32_t i = (int32_t)(s->end[s->ended] - s->span), size = s->place[i];
    s->next[i] = s->free[size];
    s->free[size] = i;
  }
}

/* A free place of the smallest size that has room, or a new one at the end of the block. Sizes are
 * few: they are looked through. */
static int take_place(sweep *s, int32_t i, size_t *total)
{
  enum { LOOKED_AT = 64 };
  anet__span *span = &s->span[i];
  const int32_t own = find_size(s, span->bytes) - 1;
  int32_t size = own;
  while (size >= 0 && own - size < LOOKED_AT && s->free[size] < 0) size--;
  const bool found = size >= 0 && s->free[size] >= 0;
  s->place[i] = found ? size : own;
  span->offset = found ? s->span[s->free[size]].offset : *total;
  if (found)
    s->free[size] = s->next[s->free[size]];
  else if (__builtin_add_overflow(*total, span->bytes, total))
    return too_big();
  return ANET_OK;
}

/* order: by size, from which sizes are made; then by beginnings. */
static int place_many(sweep *s, anet__span **order, size_t *total)
{
  for (int32_t i = 0; i < s->count; i++)
    if (i == 0 || order[i]->bytes != order[i - 1]->bytes) s->size[s->sizes++] = order[i]->bytes;
  for (int32_t i = 0; i < s->sizes; i++) s->free[i] = -1;
  memcpy(s->end, order, (size_t)s->count * sizeof *order);
  qsort(s->end, (size_t)s->count, sizeof *s->end, by_last);
  qsort(order, (size_t)s->count, sizeof *order, by_first);
  for (int32_t i = 0; i < s->count; i++) {
    free_ended(s, order[i]->first);
    ANET_TRY(take_place(s, (int32_t)(order[i] - s->span), total));
  }
  return ANET_OK;
}

static int sweep_all(anet__span *span, anet__span **order, int32_t count, size_t *total)
{
  const size_t n = (size_t)count;
  sweep s = {.span = span, .count = count};
  s.end = anet__alloc_array(n, sizeof *s.end);
  s.size = anet__alloc_array(n, sizeof *s.size);
  s.free = anet__alloc_array(n, 3 * sizeof *s.free);
  s.next = s.free + n;
  s.place = s.next + n;
  const int rc = s.end && s.size && s.free ? place_many(&s, order, total) : ANET_NOMEM;
  anet__free(s.end);
  anet__free(s.size);
  anet__free(s.free);
  return rc;
}

int anet__spans_place(anet__span *span, int32_t count, size_t *total)
{
  anet__span **order = anet__alloc_array((size_t)count, sizeof *order);
  *total = 0;
  if (!order) return ANET_NOMEM;
  for (int32_t i = 0; i < count; i++) {
    span[i].bytes = (span[i].bytes + ANET_ALIGN - 1) / ANET_ALIGN * ANET_ALIGN;
    order[i] = &span[i];
  }
  if (count > 1) qsort(order, (size_t)count, sizeof *order, by_size);
  const int rc = count > ANET_SPANS_COMPARED ? sweep_all(span, order, count, total)
                                             : place_few(order, count, total);
  anet__free(order);
  return rc;
}
