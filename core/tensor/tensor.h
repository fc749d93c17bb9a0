/* Arrays and windows of arrays. */
#ifndef ANET_TENSOR_H
#define ANET_TENSOR_H

#include <stdatomic.h>
#include "anet.h"
#include "base/compiler.h"

/* Memory that tensors share: the owner of the bytes. `close` frees them (the allocator's free, or
 * a mapped file's release); it is called once, with `owner`. */
typedef struct anet__storage {
  atomic_int refs;
  atomic_flag packing;        /* lock of the list (tensor/packed.h) */
  struct anet__packed *packs; /* packed forms that are in use */
  atomic_uint version; /* raised whenever training changes the values: packed copies go stale */
  void *data;
  size_t bytes;
  void (*close)(void *owner);
  void *owner;
} anet__storage;

/* Invariants: the window [offset, …) lies inside the storage; stride[i] >= dim[i+1] * stride[i+1]
 * (row-major order, last stride 1); refs >= 1. Strides and offset are in elements. */
struct anet_tensor {
  atomic_int refs;
  anet_type type;
  anet_shape shape;
  int64_t stride[ANET_MAX_RANK];
  int64_t offset;
  anet__storage *storage; /* retained */
};

/* A tensor over memory that someone else owns; close(owner) runs when the last user is
 * gone; on failure it does not run. */
int anet__tensor_wrap(anet_type type, const anet_shape *shape, void *data, void (*close)(void *),
                      void *owner, anet_tensor **out);
size_t anet__type_bytes(anet_type type);
const char *anet__type_name(anet_type type); /* "f32" */
/* Elements of a shape: false on overflow or a dimension < 0. */
bool anet__shape_count(const anet_shape *shape, size_t *count) ANET_MUST_USE;
bool anet__shape_equal(const anet_shape *a, const anet_shape *b);
/* "(28, 28, 16)"; text of at least 80 bytes; gives text back. */
const char *anet__shape_text(const anet_shape *shape, char *text);
enum { ANET_SHAPE_TEXT = 80 };

/* The whole array that a window was cut from, and where the window begins in it (rank). Shares the
 * memory. ANET_UNSUPPORTED if the strides are not those of a window. */
int anet__tensor_whole(const anet_tensor *window, anet_tensor **out, int32_t *begin);

static inline float *anet__f32(const anet_tensor *t)
{
  return (float *)t->storage->data + t->offset;
}

#endif
