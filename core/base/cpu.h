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

/* What a processor can do, as far as it decides which kernels it gets: upper, bit, the compiler's
 * name. */
#define ANET_CPU_X86_MAP(X)                                                                        \
  X(AVX2, 0, "avx2")                                                                               \
  X(FMA, 1, "fma") X(AVX512F, 2, "avx512f") X(AVX512DQ, 3, "avx512dq") X(AVX512BW, 4, "avx512bw")  \
      X(AVX512VL, 5, "avx512vl") X(VNNI, 6, "avx512vnni")
enum {
#define X(upper, bit, name) ANET_CPU_##upper = 1 << bit,
  ANET_CPU_X86_MAP(X)
#undef X
      ANET_CPU_X86 = 1 << 7,
  ANET_CPU_ARM = 1 << 8, /* 64 bits, so with NEON */
  ANET_CPU_DOTPROD = 1 << 9
};
uint32_t anet__cpu_features(void);                     /* of this machine */
bool anet__isa_runs(anet__isa isa, uint32_t features); /* can a processor run it? */
/* What `name` (may be NULL) says if the processor has it, else the best. */
anet__isa anet__isa_choose(const char *name, uint32_t features);

/* The same of this machine. */
bool anet__cpu_has(anet__isa isa);
bool anet__cpu_dots(void); /* dot products of bytes: AVX-512 VNNI, Armv8.2's dotprod */
anet__isa anet__cpu_best(void);
anet__isa anet__cpu_chosen(void); /* what ANET_ISA names, as above */
const char *anet__isa_name(anet__isa isa);
bool anet__isa_parse(const char *name, anet__isa *out);

int32_t anet__cpu_count(void); /* processors this process may use */
/* "model name/threads/governor/isa/version": what a latency table is only valid for.
 * Always ends in NUL. */
void anet__cpu_fingerprint(int32_t threads, char *text, size_t size);

#endif
