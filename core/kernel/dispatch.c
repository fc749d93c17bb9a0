#include <stdatomic.h>

#include "kernel/ref.h"

static const anet__kernels *compiled(anet__isa isa)
{
  switch (isa) {
    case ANET_ISA_REF:
      return &anet__kernels_ref;
#if defined(__x86_64__)
    case ANET_ISA_SSE2:
      return &anet__kernels_sse2;
    case ANET_ISA_AVX2:
      return &anet__kernels_avx2;
    case ANET_ISA_AVX512:
      return &anet__kernels_avx512;
#elif defined(__aarch64__)
    case ANET_ISA_NEON:
      return &anet__kernels_neon;
#endif
    default:
      return NULL;
  }
}

const anet__kernels *anet__kernels_for(anet__isa isa)
{
  return anet__cpu_has(isa) ? compiled(isa) : NULL;
}

/* The environment is read once. Threads that race here find the same table, and the first to
 * store it wins. */
const anet__kernels *anet__kernels_best(void)
{
  static _Atomic(const anet__kernels *) chosen;
  const anet__kernels *known = atomic_load_explicit(&chosen, memory_order_acquire);
  if (ANET_LIKELY(known != NULL)) return known;
  const anet__kernels *found = anet__kernels_for(anet__cpu_chosen());
  if (!found) found = &anet__kernels_ref;
  return atomic_compare_exchange_strong(&chosen, &known, found) ? found : known;
}
