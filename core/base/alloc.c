#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#ifdef __linux__
#include <sys/mman.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(begin, bytes) ((void)(begin), (void)(bytes))
#endif

/* Sits in front of every block and is as long as the alignment, so that the block keeps it. */
typedef struct header {
  size_t bytes;  /* that the caller asked for */
  uint64_t mark; /* LIVE or FREED */
} header;

static const uint64_t LIVE = 0x616e65742d6c6976, FREED = 0x616e65742d646561;

/* One of the two mutable globals. A negative countdown is disarmed. */
static struct {
  atomic_size_t live_bytes, peak_bytes, calls;
  atomic_llong countdown; /* allocations until the armed failure */
  atomic_bool fired;
} state = {.countdown = -1};

static bool fault_fires(void)
{
  if (ANET_LIKELY(atomic_load_explicit(&state.countdown, memory_order_relaxed) < 0)) return false;
  if (atomic_fetch_sub(&state.countdown, 1) != 0) return false;
  atomic_store(&state.fired, true);
  return true;
}

static void count_in(size_t bytes)
{
  const size_t live = atomic_fetch_add(&state.live_bytes, bytes) + bytes;
  size_t peak = atomic_load(&state.peak_bytes);
  while (live > peak && !atomic_compare_exchange_weak(&state.peak_bytes, &peak, live)) {
  }
  atomic_fetch_add(&state.calls, 1);
}

/* A large block is asked for in huge pages: those that stream through it miss fewer translations. */
static void *aligned_block(size_t total)
{
  enum { HUGE = 2 << 20 };
  if (total < 4 * (size_t)HUGE || total > SIZE_MAX - HUGE) return aligned_alloc(ANET_ALIGN, total);
  void *base = aligned_alloc(HUGE, (total + HUGE - 1) / HUGE * HUGE);
#ifdef MADV_HUGEPAGE
  if (base) madvise(base, total, MADV_HUGEPAGE); /* advice: nothing is lost where it is not taken */
#endif
  return base;
}

static header *new_block(size_t bytes)
{
  size_t total = ANET_ALIGN;
  if (fault_fires()) return NULL;
  if (__builtin_add_overflow(total, bytes, &total)) return NULL;
  if (__builtin_add_overflow(total, (size_t)(ANET_ALIGN - 1), &total)) return NULL;
  total -= total % ANET_ALIGN; /* aligned_alloc wants a multiple */
  char *base = aligned_block(total);
  if (!base) return NULL;
  memset(base, 0, total);
  return (header *)base;
}

void *anet__alloc(size_t bytes)
{
  _Static_assert(sizeof(header) <= ANET_ALIGN, "the header fits in front of an aligned block");
  header *head = new_block(bytes);
  if (!head) {
    anet_fail(ANET_NOMEM, "cannot allocate %zu bytes", bytes);
    return NULL;
  }
  *head = (header){bytes, LIVE};
  count_in(bytes);
  char *block = (char *)head + ANET_ALIGN;
  /* what the alignment left behind the block is nobody's */
  ASAN_POISON_MEMORY_REGION(block + bytes, (0 - bytes) % ANET_ALIGN);
  return block;
}

void *anet__alloc_array(size_t count, size_t size)
{
  size_t bytes;
  if (anet__mul(count, size, &bytes)) return anet__alloc(bytes);
  anet_fail(ANET_NOMEM, "cannot allocate %zu items of %zu bytes", count, size);
  return NULL;
}

int anet__grow(void **array, int32_t *capacity, int32_t count, size_t size)
{
  enum { FIRST = 8 };
  if (count < *capacity) return ANET_OK;
  if (*capacity > INT32_MAX / 2)
    return anet_fail(ANET_NOMEM, "cannot grow an array of %d items", *capacity);
  const int32_t wanted = ANET_MAX(FIRST, 2 * *capacity);
  void *grown = anet__alloc_array((size_t)wanted, size);
  if (!grown) return ANET_NOMEM;
  if (count > 0) memcpy(grown, *array, (size_t)count * size);
  anet__free(*array);
  *array = grown;
  *capacity = wanted;
  return ANET_OK;
}

char *anet__strdup(const char *text)
{
  const size_t bytes = strlen(text) + 1;
  char *copy = anet__alloc(bytes);
  return copy ? memcpy(copy, text, bytes) : NULL;
}

void anet__free(void *memory)
{
  if (!memory) return;
  header *head = (header *)((char *)memory - ANET_ALIGN);
  ANET_ASSERT(head->mark == LIVE); /* not ours, or freed twice */
  atomic_fetch_sub(&state.live_bytes, head->bytes);
#ifndef NDEBUG
  memset(memory, 0xff, head->bytes); /* NaNs, and pointers that trap */
#endif
  head->mark = FREED;
  free(head);
}

bool anet__mul(size_t a, size_t b, size_t *out)
{
  return !__builtin_mul_overflow(a, b, out);
}

void anet__alloc_read(anet__alloc_stats *out)
{
  out->live_bytes = atomic_load(&state.live_bytes);
  out->peak_bytes = atomic_load(&state.peak_bytes);
  out->calls = atomic_load(&state.calls);
}

void anet__alloc_arm(int64_t after)
{
  atomic_store(&state.fired, false);
  atomic_store(&state.countdown, after < 0 ? -1 : after);
}

bool anet__alloc_fired(void)
{
  return atomic_load(&state.fired);
}

void anet_memory_read(anet_memory *out)
{
  anet__alloc_stats now;
  anet__alloc_read(&now);
  out->live_bytes = (double)now.live_bytes;
  out->peak_bytes = (double)now.peak_bytes;
  out->calls = (double)now.calls;
}

void anet_memory_mark(void)
{
  atomic_store(&state.peak_bytes, atomic_load(&state.live_bytes));
}
