/* Networks whose convolutions read bytes. */
#ifndef ANET_QUANTIZED_H
#define ANET_QUANTIZED_H

#include "graph/net.h"

/* What a value lies in; low <= 0 <= high, and low < high where somebody may read it as bytes. */
typedef struct anet__range {
  float low, high;
} anet__range;

/* quantized[v]: some node reads value v that could read it as bytes; (count), the caller frees. */
int anet__quantize_candidates(const anet_net *net, bool **quantized);
/* The net, in which those nodes read a `quantize` of the range of what they read: one a value, named
 * "NAME.bytes". Parameters are shared. range: (count). */
int anet__quantize_net(const anet_net *net, const anet__range *range, anet_net **out);

/* The net with rounded copies of the weights that plans round, for whoever computes it in floats elsewhere; other
 * parameters are shared. A net with no such weights is retained as it is. */
int anet__quantized_round(anet_net *net, anet_net **out);

#endif
