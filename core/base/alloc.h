/* The one allocator. Everything the engine owns comes from here, is aligned to ANET_ALIGN and
 * zeroed, and is counted; tests can make the n-th allocation fail. */
#ifndef ANET_ALLOC_H
#define ANET_ALLOC_H

#include "base/compiler.h"

/* Zeroed memory, or NULL with an ANET_NOMEM message that names the size. bytes may be 0. */
void *anet__alloc(size_t bytes) ANET_MUST_USE;
/* count items of size bytes, overflow checked. */
void *anet__alloc_array(size_t count, size_t size) ANET_MUST_USE;
/* Grow *array (of `count` used items, *capacity allocated) so that one more fits. */
int anet__grow(void **array, int32_t *capacity, int32_t count, size_t size);
char *anet__strdup(const char *text) ANET_MUST_USE;
void anet__free(void *memory); /* NULL is fine */

/* *out = a * b; false on overflow. All products of dimensions go through it. */
bool anet__mul(size_t a, size_t b, size_t *out) ANET_MUST_USE;

/* Counters, for anet_memory() and for the test that counts allocations in anet_run. */
typedef struct anet__alloc_stats {
  size_t live_bytes, peak_bytes, calls;
} anet__alloc_stats;
void anet__alloc_read(anet__alloc_stats *out);

/* Fault point: let `after` more allocations succeed, then fail one. Negative: never fail.
 * Returns true if the armed failure has fired since it was armed. */
void anet__alloc_arm(int64_t after);
bool anet__alloc_fired(void);

#endif
