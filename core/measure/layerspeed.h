/* Speed of layers by methods that are more than one kernel: cases of anet_kernel_time. */
#ifndef ANET_LAYERSPEED_H
#define ANET_LAYERSPEED_H

#include "anet.h"
#include "kernel/kernel.h"

int32_t anet__layer_cases(void);
/* As anet_kernel_time, `budget` in ns. */
int anet__layer_time(int32_t index, const anet__kernels *k, double budget, anet_kernel_speed *out);

#endif
