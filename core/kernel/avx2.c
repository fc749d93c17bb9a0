/* AVX2 with FMA: 16 registers of 8 floats. */
#include "kernel/avx2.inc"

#define ANET_ISA_HERE ANET_ISA_AVX2
#define ANET_TABLE anet__kernels_avx2
#include "kernel/simd.inc"
