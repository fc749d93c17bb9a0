#include <stdatomic.h>
#include <stdlib.h>

#include "kernel/ref.h"

static const anet__kernels *compiled(anet__isa isa)
{
  switch (isa) {
  case ANET_ISA_REF: return &anet__kernels_ref;
#if defined(__x86_64__)
  case ANET_ISA_SSE2: return &anet__kernels_sse2;
  case ANET_ISA_AVX2: return &anet__kernels_avx2;
  case ANET_ISA_AVX512: return &anet__kernels_avx512;
#elif defined(__aarch64__)
  case ANET_ISA_NEON: return &anet__kernels_neon;
#endif
  default: return NULL;
  }
}

const anet__kernels *anet__kernels_for(anet__isa isa)
{
  return isa == ANET_ISA_REF || anet__cpu_has(isa) ? compiled(isa) : NULL;
}

static const anet__kernels *choose(void)
{
  const char *name = getenv("ANET_ISA");
  anet__isa isa;
  const anet__kernels *table = NULL;
  if (name && anet__isa_parse(name, &isa)) table = anet__kernels_for(isa);
  if (!table) table = anet__kernels_for(anet__cpu_best());
  return table ? table : &anet__kernels_ref;
}

/* Threads that race here all find the same table, and the first to store it wins, so the
 * environment cannot change the answer later. */
const anet__kernels *anet__kernels_best(void)
{
  static _Atomic(const anet__kernels *) chosen;
  const anet__kernels *table = atomic_load_explicit(&chosen, memory_order_acquire);
  if (ANET_LIKELY(table != NULL)) return table;
  const anet__kernels *found = choose();
  return atomic_compare_exchange_strong(&chosen, &table, found) ? found : table;
}
