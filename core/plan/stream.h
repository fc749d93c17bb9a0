/* A net that is run batch after batch, with memory for its outputs. */
#ifndef ANET_STREAM_H
#define ANET_STREAM_H

#include "plan/plan.h"

typedef struct anet__stream {
  anet_plan *plan;              /* retained */
  anet_workspace *workspace;    /* owned */
  float *out[ANET_MAX_OUTPUTS]; /* (batch images each) in one block, owned */
} anet__stream;

int anet__stream_new(anet_net *net, int32_t batch, anet_pool *pool, anet__stream *out);
void anet__stream_free(anet__stream *stream);
/* Run n images from one input on; the results are in out. */
int anet__stream_run(anet__stream *stream, const float *in, int32_t n);

#endif
