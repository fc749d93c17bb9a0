/* AVX-512 (F, DQ, BW, VL): 32 registers of 16 floats. */
#include "kernel/avx512.inc"

#define ANET_ISA_HERE ANET_ISA_AVX512
#define ANET_TABLE anet__kernels_avx512
#include "kernel/simd.inc"
