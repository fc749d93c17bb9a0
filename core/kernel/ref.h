/* The plain kernels by name, and the tables of all ISAs: shared by the files of this folder. */
#ifndef ANET_REF_H
#define ANET_REF_H

#include "kernel/kernel.h"

/* A vector table points here for whatever has no vector form worth keeping. */
#define X(result, name, args) result anet__ref_##name args;
ANET_KERNEL_MAP(X)
#undef X

extern const anet__kernels anet__kernels_ref, anet__kernels_sse2, anet__kernels_avx2,
    anet__kernels_avx512, anet__kernels_neon; /* defined for the ISAs of the target only */

#endif
