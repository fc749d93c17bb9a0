#include "plan/stream.h"

#include "base/alloc.h"
#include "base/error.h"
#include "plan/workspace.h"

static int place_outputs(anet__stream *stream)
{
  const anet_plan *plan = stream->plan;
  size_t floats = 0, size, at = 0;
  for (int32_t i = 0; i < plan->outputs; i++) floats += anet__shape_size(&plan->output[i]);
  if (!anet__mul(floats, (size_t)plan->batch * sizeof(float), &size))
    return anet_fail(ANET_NOMEM, "cannot keep outputs of %d images", plan->batch);
  float *block = anet__alloc(size);
  if (!block) return ANET_NOMEM;
  for (int32_t i = 0; i < plan->outputs; i++) {
    stream->out[i] = block + at;
    at += (size_t)plan->batch * anet__shape_size(&plan->output[i]);
  }
  return ANET_OK;
}

int anet__stream_new(anet_net *net, int32_t batch, anet_pool *pool, anet__stream *out)
{
  *out = (anet__stream){0};
  int rc = anet_plan_new(net, batch, &out->plan);
  if (!rc) rc = anet_workspace_new(out->plan, pool, &out->workspace);
  if (!rc) rc = place_outputs(out);
  if (rc) anet__stream_free(out);
  return rc;
}

void anet__stream_free(anet__stream *stream)
{
  anet__free(stream->out[0]);
  anet_workspace_release(stream->workspace);
  anet_plan_release(stream->plan);
  *stream = (anet__stream){0};
}

int anet__stream_run(anet__stream *stream, const float *in, int32_t n)
{
  return anet_run(stream->plan, stream->workspace, &in, stream->out, n);
}
