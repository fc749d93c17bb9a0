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
/* The packed form of a tensor's values as they are now, retained; NULL: nobody has made it yet. */
anet__packed *anet__packed_find(const anet_tensor *tensor, const anet__form *form);
/* Room for `floats` in that form, retained; the caller fills it and then offers it to others. NULL:
 * no memory. */
anet__packed *anet__packed_new(const anet_tensor *tensor, const anet__form *form, size_t floats);
void anet__packed_offer(anet__packed *packed);
void anet__packed_release(anet__packed *packed);
float *anet__packed_data(anet__packed *packed);
size_t anet__packed_bytes(const anet__packed *packed);

#endif
