/* SSE2, what every x86-64 has: 16 registers of 4 floats, no fused multiply-add. */
#include "kernel/sse2.inc"

#define ANET_ISA_HERE ANET_ISA_SSE2
#define ANET_TABLE anet__kernels_sse2
#include "kernel/simd.inc"
