/* Optimisers: state by parameter memory. */
#ifndef ANET_OPTIM_H
#define ANET_OPTIM_H

#include "tensor/tensor.h"

/* The state of the memory that `param` is a window of, made (zero) if there is none yet: flat f32
 * tensors as long as the memory, NULL where the kind of optimiser has none; borrowed from the
 * optimiser. *steps: updates so far, to read or to set. */
int anet__optim_state(anet_optim *optim, const anet_tensor *param, anet_tensor *state[2],
                      int64_t **steps);

#endif
