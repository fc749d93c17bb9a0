/* Buffers that live for a while, placed in one block so that those alive together are apart. */
#ifndef ANET_TAPE_PLACE_H
#define ANET_TAPE_PLACE_H

#include "base/compiler.h"

typedef struct anet__span {
  int32_t first, last; /* alive from time first to time last, both included */
  size_t bytes;
  size_t offset; /* the answer; a multiple of ANET_ALIGN */
} anet__span;

/* Fill every offset; *total: bytes of the block. Largest first, each at the lowest place that is
 * free for all its life. ANET_NOMEM, also when the block would be too big to address. */
int anet__spans_place(anet__span *span, int32_t count, size_t *total);

#endif
