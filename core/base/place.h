/* Buffers that live for a while, placed in one block so that those alive together are apart. */
#ifndef ANET_PLACE_H
#define ANET_PLACE_H

#include "base/compiler.h"

typedef struct anet__span {
  int32_t first, last; /* alive from time first to time last, both included */
  size_t bytes;        /* rounded up to a multiple of ANET_ALIGN by placing */
  size_t offset;       /* the answer; a multiple of ANET_ALIGN */
} anet__span;

/* More spans than this are placed as they come, each where an earlier one has ended: fewer are compared with each
 * other, which takes the square of their number, and need less memory. */
enum { ANET_SPANS_COMPARED = 4096 };

/* Fill every offset; *total: bytes of the block. ANET_NOMEM, also when the block would be too big to address. */
int anet__spans_place(anet__span *span, int32_t count, size_t *total);

#endif
