/* What a number means as a place, wherever gather is run or written down. */
#ifndef ANET_GATHER_H
#define ANET_GATHER_H

#include <stddef.h>

/* Of an axis of `count`: 0 .. count - 1, whatever the number, NaN included. */
size_t anet__gather_place(float place, size_t count);

#endif
