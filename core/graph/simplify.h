/* The same net in fewer nodes. */
#ifndef ANET_SIMPLIFY_H
#define ANET_SIMPLIFY_H

#include "graph/net.h"

/* Activations, layer norms and softmax that were written in pieces become the one op that they are, constants
 * are stored as they are read, and what no output needs goes. Inputs stay, and so do the names of
 * the values that are left; parameters are shared. *out is NULL where there is nothing to do. */
int anet__net_simplify(const anet_net *net, anet_net **out);

#endif
