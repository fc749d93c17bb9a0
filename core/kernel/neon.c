/* AArch64's Advanced SIMD: 32 registers of 4 floats. */
#include "kernel/neon.inc"

#define ANET_ISA_HERE ANET_ISA_NEON
#define ANET_TABLE anet__kernels_neon
#include "kernel/simd.inc"
