#include "tensor/packed.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"

/* Invariants: while offered, it is on the list of its storage, which it retains through `source`;
 * the list holds no reference. refs reaches 0 under the list's lock only, so that what is found on
 * a list is alive. */
struct anet__packed {
  int32_t refs; /* under the lock */
  bool offered;
  anet_tensor *source; /* retained */
  uint64_t values;     /* of the source, hashed */
  anet__form form;
  float *data;      /* of the slab, or owned */
  anet__slab *slab; /* retained, or NULL */
  size_t bytes;
  anet__packed *next;
};

/* Only its maker takes from it. */
struct anet__slab {
  atomic_int refs;
  size_t floats, used;
  float *data; /* (floats) owned */
};

int anet__slab_new(size_t floats, anet__slab **out)
{
  *out = anet__alloc(sizeof **out);
  if (!*out) return ANET_NOMEM;
  atomic_init(&(*out)->refs, 1);
  (*out)->floats = floats;
  (*out)->data = anet__alloc_array(floats, sizeof(float));
  if ((*out)->data) return ANET_OK;
  anet__free(*out);
  *out = NULL;
  return ANET_NOMEM;
}

void anet__slab_release(anet__slab *slab)
{
  if (!slab || atomic_fetch_sub(&slab->refs, 1) != 1) return;
  anet__free(slab->data);
  anet__free(slab);
}

size_t anet__slab_floats(size_t floats)
{
  const size_t line = ANET_ALIGN / sizeof(float);
  return (floats + line - 1) / line * line;
}

static float *slab_take(anet__slab *slab, size_t floats)
{
  const size_t size = anet__slab_floats(floats);
  if (!slab || slab->floats - slab->used < size) return NULL;
  float *data = slab->data + slab->used;
  slab->used += size;
  atomic_fetch_add(&slab->refs, 1);
  return data;
}

static void lock(anet__storage *storage)
{
  while (atomic_flag_test_and_set_explicit(&storage->packing, memory_order_acquire)) continue;
}

static void unlock(anet__storage *storage)
{
  atomic_flag_clear_explicit(&storage->packing, memory_order_release);
}

static bool same_window(const anet_tensor *a, const anet_tensor *b)
{
  return a->offset == b->offset && anet__shape_equal(&a->shape, &b->shape) &&
         memcmp(a->stride, b->stride, (size_t)a->shape.rank * sizeof *a->stride) == 0;
}

/* FNV-1a over words of four bytes, for the rows of the window in order. */
uint64_t anet__packed_values(const anet_tensor *t)
{
  const int32_t last = t->shape.rank - 1;
  const size_t width = last < 0 ? 1 : (size_t)t->shape.dim[last];
  size_t rows = 1;
  uint64_t hash = 14695981039346656037u;
  for (int32_t i = 0; i < last; i++) rows *= (size_t)t->shape.dim[i];
  for (size_t r = 0; r < rows; r++) {
    size_t left = r;
    const float *row = anet__f32(t);
    for (int32_t i = last - 1; i >= 0; left /= (size_t)t->shape.dim[i], i--)
      row += (int64_t)(left % (size_t)t->shape.dim[i]) * t->stride[i];
    for (size_t i = 0; i < width; i++) {
      uint32_t word;
      memcpy(&word, row + i, sizeof word);
      hash = (hash ^ word) * 1099511628211u;
    }
  }
  return hash;
}

anet__packed *anet__packed_find(const anet_tensor *tensor, uint64_t values, const anet__form *form)
{
  anet__storage *storage = tensor->storage;
  lock(storage);
  anet__packed *p = storage->packs;
  while (p && !(p->values == values && memcmp(&p->form, form, sizeof *form) == 0 &&
                same_window(p->source, tensor)))
    p = p->next;
  if (p) p->refs++;
  unlock(storage);
  return p;
}

anet__packed *anet__packed_new(const anet_tensor *tensor, uint64_t values, const anet__form *form,
                               size_t floats, anet__slab *slab)
{
  anet__packed *p = anet__alloc(sizeof *p);
  if (!p) return NULL;
  *p = (anet__packed){.refs = 1, .form = *form, .bytes = floats * sizeof(float)};
  p->source = anet_tensor_retain((anet_tensor *)tensor);
  p->values = values;
  p->data = slab_take(slab, floats);
  if (p->data)
    p->slab = slab;
  else
    p->data = anet__alloc_array(floats, sizeof(float));
  if (p->data) return p;
  anet__packed_release(p);
  return NULL;
}

void anet__packed_offer(anet__packed *p)
{
  anet__storage *storage = p->source->storage;
  lock(storage);
  p->next = storage->packs;
  p->offered = true;
  storage->packs = p;
  unlock(storage);
}

static void unlink_packed(anet__packed *p)
{
  anet__packed **at = &p->source->storage->packs;
  while (*at != p) at = &(*at)->next;
  *at = p->next;
}

void anet__packed_release(anet__packed *p)
{
  if (!p) return;
  anet__storage *storage = p->source->storage;
  lock(storage);
  const bool last = --p->refs == 0;
  if (last && p->offered) unlink_packed(p);
  unlock(storage);
  if (!last) return;
  anet_tensor_release(p->source);
  if (p->slab)
    anet__slab_release(p->slab);
  else
    anet__free(p->data);
  anet__free(p);
}

float *anet__packed_data(anet__packed *p)
{
  return p->data;
}

size_t anet__packed_bytes(const anet__packed *p)
{
  return p->bytes;
}
