#ifndef ANET_CLOCK_H
#define ANET_CLOCK_H

#include <stdint.h>

int64_t anet__now_ns(void);     /* monotonic */
int64_t anet__cpu_ns(void);     /* processor time of the calling thread */

#endif
