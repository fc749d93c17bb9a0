/* Weights as kernels like them: laid out once, shared by all who run the same weights the same way.
 */
#ifndef ANET_PACKED_H
#define ANET_PACKED_H

#include "tensor/tensor.h"

/* Which form of a tensor's values: what else than the window itself decides about it. */
typedef struct anet__form {
  int32_t table, op, method; /* of kernels */
  int32_t detail[4];
} anet__form;

/* Immutable once filled. The storage that it was made from knows it as long as somebody holds it.
 * It is found by the values that it was made from, not by a promise that nobody has written to
 * them: pointers to data are public. */
typedef struct anet__packed anet__packed;
uint64_t anet__packed_values(const anet_tensor *tensor); /* a hash of its values as they are now */
/* The packed form of a tensor's values, retained; NULL: nobody has made it yet. */
anet__packed *anet__packed_find(const anet_tensor *tensor, uint64_t values, const anet__form *form);
/* One block for the packed forms of a plan: a network streams through all of them in every run, and
 * misses fewer translations where they lie together in huge pages. It lives as long as a form in
 * it. */
typedef struct anet__slab anet__slab;
int anet__slab_new(size_t floats, anet__slab **out);
void anet__slab_release(anet__slab *slab);
size_t anet__slab_floats(size_t floats); /* what a form of so many takes of it */
/* Room for `floats` in that form, retained; of the slab (may be NULL) where that has room. The
 * caller fills it and then offers it to others. NULL: no memory. */
anet__packed *anet__packed_new(const anet_tensor *tensor, uint64_t values, const anet__form *form,
                               size_t floats, anet__slab *slab);
void anet__packed_offer(anet__packed *packed);
void anet__packed_release(anet__packed *packed);
float *anet__packed_data(anet__packed *packed);
size_t anet__packed_bytes(const anet__packed *packed);

#endif
