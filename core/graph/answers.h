/* What the numbers of an output say: logits, or probabilities already. The one place that knows. */
#ifndef ANET_ANSWERS_H
#define ANET_ANSWERS_H

#include "graph/net.h"

/* As anet_net_answers, of any value of the net. */
anet_answers anet__net_answers(const anet_net *net, int32_t value);

/* The largest of y (n), the first of equals; -1 where one of them is NaN: such an answer is never
 * right. */
int32_t anet__answers_top(const float *y, int32_t n);

/* The largest probability that one row of answers, y (classes), gives. */
double anet__answers_confidence(const anet_answers *answers, const float *y);

#endif
