/* A depthwise convolution line by line, with no pointer a tap. */
#ifndef ANET_LINES_H
#define ANET_LINES_H

#include "op/sweep.h"

/* Of narrower images the ends of lines, which go pixel by pixel, are too many. */
enum { ANET_LINES_WIDE = 12 };
bool anet__lines_fit(const anet__taps *taps); /* no dilation, strides and kernel of a usual size */
/* As anet__sweep_depthwise, of a dense output. */
void anet__lines_depthwise(anet_pool *pool, const anet__sweep *sweep);

#endif
