/* Kernels by the name of their instruction set. */
#ifndef ANET_PEAK_H
#define ANET_PEAK_H

#include "kernel/kernel.h"

/* NULL: those in use. ANET_ABSENT: no such set, or not on this machine. */
int anet__isa_named(const char *name, const anet__kernels **out);

#endif
