#include "plan/workspace.h"

#include "base/alloc.h"
#include "base/error.h"

int anet_workspace_new(anet_plan *plan, anet_pool *pool, anet_workspace **out)
{
  *out = NULL;
  anet_workspace *workspace = anet__alloc(sizeof *workspace);
  if (!workspace) return ANET_NOMEM;
  workspace->pool = anet__pool_retain(pool);
  int rc = anet_workspace_fit(workspace, plan);
  if (rc) {
    anet_workspace_release(workspace);
    return rc;
  }
  *out = workspace;
  return ANET_OK;
}

/* The old arena is kept until the new one is there: a failure leaves the workspace usable. */
int anet_workspace_fit(anet_workspace *workspace, anet_plan *plan)
{
  size_t bytes = anet__plan_arena(plan, workspace->pool);
  if (workspace->arena && bytes <= workspace->bytes) return ANET_OK;
  char *arena = anet__alloc(bytes);
  if (!arena) return ANET_NOMEM;
  anet__free(workspace->arena);
  workspace->arena = arena;
  workspace->bytes = bytes;
  return ANET_OK;
}

void anet_workspace_release(anet_workspace *workspace)
{
  if (!workspace) return;
  anet__free(workspace->arena);
  anet_pool_release(workspace->pool);
  anet__free(workspace);
}
