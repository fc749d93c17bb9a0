/* A norm in parts, for those that run a batch a few images at a time: the sums of each part, then
 * what follows from all of them, then the op itself with call.settled set. `part` is the call with n,
 * in, out and dout of some of the images; `whole` that of the batch. */
#ifndef ANET_NORM_H
#define ANET_NORM_H

#include "op/op.h"

/* sums (2, channels) += of the part. */
void anet__norm_measure(const anet__call *part, double *sums);
/* sums: of the batch, read where its own statistics count. call->saved is filled. */
void anet__norm_settle(const anet__call *whole, const double *sums);

/* The whole op as a scale and a shift a channel, for an epilogue; of call->saved, once settled. */
void anet__norm_affine(const anet__call *whole, const float **scale, const float **shift);

/* The same for the gradient. Parameters' gradients are added to whole->dparam. */
void anet__norm_grad_measure(const anet__grad_call *part, double *sums);
void anet__norm_grad_settle(const anet__grad_call *whole, const double *sums);

#endif
