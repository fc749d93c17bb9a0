/* What machine this is. */
#ifndef ANET_CPU_H
#define ANET_CPU_H

#include "base/compiler.h"

/* Ordered: a machine that has one has all before it in its family. */
#define ANET_ISA_MAP(X) X(REF, ref) X(SSE2, sse2) X(AVX2, avx2) X(AVX512, avx512) X(NEON, neon)
typedef enum anet__isa {
#define X(upper, lower) ANET_ISA_##upper,
  ANET_ISA_MAP(X)
#undef X
  ANET_ISA_COUNT
} anet__isa;

bool anet__cpu_has(anet__isa isa);       /* can this machine run it, and was it compiled in? */
bool anet__cpu_dots(void); /* dot products of bytes: AVX-512 VNNI, Armv8.2's dotprod */
anet__isa anet__cpu_best(void);
anet__isa anet__cpu_chosen(void); /* what ANET_ISA names if the machine has it, else the best */
const char *anet__isa_name(anet__isa isa);
bool anet__isa_parse(const char *name, anet__isa *out);

int32_t anet__cpu_count(void);           /* processors this process may use */
/* "model name/threads/governor/isa/version": what a latency table is only valid for.
 * Always ends in NUL. */
void anet__cpu_fingerprint(int32_t threads, char *text, size_t size);

#endif
