/* Which tables for whole numbers there are, and which is the best. */
#include "kernel/int8.h"

extern const anet__int8 anet__int8_sse2, anet__int8_avx2, anet__int8_avx512, anet__int8_vnni,
    anet__int8_neon, anet__int8_dot;

static const anet__int8 plain = {
    .name = "ref",
#define X(result, name, args) .name = anet__ref_int8_##name,
    ANET_INT8_MAP(X)
#undef X
};

/* Tables of the target, the best of an ISA last. */
typedef struct entry {
  anet__isa isa;
  bool dots; /* it needs instructions for dot products of bytes */
  const anet__int8 *table;
} entry;

static const entry entries[] = {
    {ANET_ISA_REF, false, &plain},
#if defined(__x86_64__)
    {ANET_ISA_SSE2, false, &anet__int8_sse2},
    {ANET_ISA_AVX2, false, &anet__int8_avx2},
    {ANET_ISA_AVX512, false, &anet__int8_avx512},
    {ANET_ISA_AVX512, true, &anet__int8_vnni},
#elif defined(__aarch64__)
    {ANET_ISA_NEON, false, &anet__int8_neon},
    {ANET_ISA_NEON, true, &anet__int8_dot},
#endif
};

static bool runs(const entry *e)
{
  return anet__cpu_has(e->isa) && (!e->dots || anet__cpu_dots());
}

const anet__int8 *anet__int8_for(anet__isa isa)
{
  const anet__int8 *best = &plain;
  for (int32_t i = 0; i < ANET_COUNT(entries); i++)
    if (entries[i].isa == isa && runs(&entries[i])) best = entries[i].table;
  return best;
}

const anet__int8 *anet__int8_at(int32_t index)
{
  for (int32_t i = 0; i < ANET_COUNT(entries); i++)
    if (runs(&entries[i]) && index-- == 0) return entries[i].table;
  return NULL;
}
