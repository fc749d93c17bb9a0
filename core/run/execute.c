/* Running a plan. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "op/work.h"
#include "run/workspace.h"

typedef struct execution {
  const anet_plan *plan;
  const anet_workspace *workspace;
  const float *const *in;
  float *const *out;
  int32_t n;
} execution;

/* Slots of inputs are only read: the plan never writes to them. */
static float *slot_data(const execution *e, int32_t number)
{
  const anet__slot *slot = &e->plan->slot[number];
  switch (slot->place) {
    case ANET_PLACE_INPUT:
      return (float *)e->in[slot->index];
    case ANET_PLACE_OUTPUT:
      return e->out[slot->index];
    default:
      return (float *)(e->workspace->arena + slot->offset);
  }
}

/* Where a step's output goes, and what is added to it. */
static void step_outputs(const execution *e, const anet__step *step, anet__call *call)
{
  call->out = slot_data(e, step->out);
  if (step->add >= 0) {
    call->post.add = slot_data(e, step->add);
    call->post.add_ld = (size_t)anet__channels(&step->out_shape);
  }
  call->scratch = e->workspace->arena + e->plan->scratch_offset;
}

static void run_step(const execution *e, const anet__step *step)
{
  anet__call call;
  anet__step_call(step, e->n, e->workspace->pool, &call);
  for (int32_t i = 0; i < step->inputs; i++) call.in[i] = slot_data(e, step->in[i]);
  step_outputs(e, step, &call);
  anet__op_get(step->op)->forward(&call);
}

/* A chain of steps at once, where that pays. Returns how many steps were run. */
static int32_t run_fused(const execution *e, const anet__step *step)
{
  anet__call calls[ANET_FUSED_MOST];
  const anet__fused fused = anet__step_fused(step, e->n, e->workspace->pool, calls);
  anet__call *last = &calls[step->fused - 1];
  if (!anet__fused_pays(&fused)) return 0;
  calls[0].in[0] = slot_data(e, step->in[0]);
  step_outputs(e, &step[step->fused - 1], last);
  anet__fused_run(&fused);
  return step->fused;
}

/* One step, or the chain that begins here. Returns how many steps that was. */
static int32_t advance(const execution *e, const anet__step *step)
{
  const int32_t done = step->fused ? run_fused(e, step) : 0;
  if (!done) run_step(e, step);
  return done ? done : 1;
}

static void copy_outputs(const execution *e)
{
  for (int32_t i = 0; i < e->plan->outputs; i++) {
    if (e->plan->copy_from[i] < 0) continue;
    size_t bytes = anet__shape_size(&e->plan->output[i]) * sizeof(float) * (size_t)e->n;
    memcpy(e->out[i], slot_data(e, e->plan->copy_from[i]), bytes);
  }
}

static int check(const execution *e)
{
  const anet_plan *plan = e->plan;
  size_t bytes = anet__plan_arena(plan, e->workspace->pool);
  if (e->n < 1 || e->n > plan->batch)
    return anet_fail(ANET_RANGE, "run: %d images, the plan takes 1 to %d", e->n, plan->batch);
  if (bytes > e->workspace->bytes)
    return anet_fail(ANET_STATE, "run: the workspace has %zu bytes, the plan needs %zu",
                     e->workspace->bytes, bytes);
  for (int32_t i = 0; i < plan->inputs; i++)
    if (!e->in[i]) return anet_fail(ANET_RANGE, "run: input %d of %d is NULL", i, plan->inputs);
  for (int32_t i = 0; i < plan->outputs; i++)
    if (!e->out[i]) return anet_fail(ANET_RANGE, "run: output %d of %d is NULL", i, plan->outputs);
  return ANET_OK;
}

int anet_run(const anet_plan *plan, anet_workspace *workspace, const float *const *in,
             float *const *out, int32_t n)
{
  const execution e = {plan, workspace, in, out, n};
  ANET_TRY(check(&e));
  for (int32_t i = 0; i < plan->steps;) i += advance(&e, &plan->step[i]);
  copy_outputs(&e);
  return ANET_OK;
}

int anet__run_timed(const anet_plan *plan, anet_workspace *workspace, const float *const *in,
                    float *const *out, int32_t n, int64_t *time)
{
  const execution e = {plan, workspace, in, out, n};
  int32_t region = -1;
  ANET_TRY(check(&e));
  int64_t begin = anet__now_ns();
  for (int32_t i = 0; i < plan->steps;) {
    if (plan->step[i].region != region) {
      int64_t now = anet__now_ns();
      time[region + 1] += now - begin;
      begin = now;
      region = plan->step[i].region;
    }
    i += advance(&e, &plan->step[i]);
  }
  copy_outputs(&e);
  time[region + 1] += anet__now_ns() - begin;
  return ANET_OK;
}
