#include "train/tape_place.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/error.h"

static int by_size(const void *a, const void *b)
{
  const anet__span *x = *(anet__span *const *)a, *y = *(anet__span *const *)b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x < y ? -1 : 1;
}

static int by_offset(const void *a, const void *b)
{
  const anet__span *x = *(anet__span *const *)a, *y = *(anet__span *const *)b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return x < y ? -1 : 1;
}

static bool meet(const anet__span *a, const anet__span *b)
{
  return a->first <= b->last && b->first <= a->last;
}

/* The lowest gap that `s` fits into between the spans that it meets; false: none below SIZE_MAX. */
static bool place_one(anet__span *s, anet__span *const *placed, int32_t count, anet__span **met)
{
  int32_t meets = 0;
  for (int32_t i = 0; i < count; i++)
    if (placed[i]->bytes > 0 && meet(s, placed[i])) met[meets++] = placed[i];
  if (meets > 1) qsort(met, (size_t)meets, sizeof *met, by_offset);
  size_t at = 0, end;
  for (int32_t i = 0; i < meets; i++) {
    if (met[i]->offset >= at && met[i]->offset - at >= s->bytes) break;
    at = ANET_MAX(at, met[i]->offset + met[i]->bytes);
  }
  s->offset = at;
  return !__builtin_add_overflow(at, s->bytes, &end);
}

int anet__spans_place(anet__span *span, int32_t count, size_t *total)
{
  int rc = ANET_OK;
  anet__span **order = anet__alloc_array((size_t)count, sizeof *order);
  anet__span **met = anet__alloc_array((size_t)count, sizeof *met);
  *total = 0;
  if (!order || !met) {
    rc = ANET_NOMEM;
    goto done;
  }
  for (int32_t i = 0; i < count; i++) {
    span[i].bytes = (span[i].bytes + ANET_ALIGN - 1) / ANET_ALIGN * ANET_ALIGN;
    order[i] = &span[i];
  }
  if (count > 1) qsort(order, (size_t)count, sizeof *order, by_size);
  for (int32_t i = 0; i < count; i++) {
    if (!place_one(order[i], order, i, met)) {
      rc = anet_fail(ANET_NOMEM, "buffers of a step need more than %zu bytes", SIZE_MAX);
      goto done;
    }
    *total = ANET_MAX(*total, order[i]->offset + order[i]->bytes);
  }
done:
  anet__free(met);
  anet__free(order);
  return rc;
}
