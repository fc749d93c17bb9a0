/* Running a plan. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/pool.h"
#include "op/work.h"
#include "plan/workspace.h"

/* n images on their way through the steps. */
typedef struct execution {
  const anet_plan *plan;
  anet_pool *pool;                  /* shares a step; NULL: nobody */
  const anet_pool *watched;         /* may be stopped */
  const float *in[ANET_MAX_INPUTS]; /* of the first of them */
  float *out[ANET_MAX_OUTPUTS];
  char *arena; /* slots for n images, then scratch */
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
      return (float *)(e->arena + slot->offset * (size_t)e->n);
  }
}

/* Where a step's output goes, and what is added to it. */
static void step_outputs(const execution *e, const anet__step *step, anet__call *call)
{
  call->out = slot_data(e, step->out) + step->channel;
  if (step->add >= 0) {
    call->post.add = slot_data(e, step->add);
    call->post.add_ld = (size_t)anet__channels(&step->out_shape);
  }
  call->scratch = e->arena + e->plan->slot_bytes * (size_t)e->n;
}

static void run_step(const execution *e, const anet__step *step)
{
  anet__call call;
  if (step->done) return;
  anet__step_call(step, e->n, e->pool, &call);
  for (int32_t i = 0; i < step->inputs; i++) call.in[i] = slot_data(e, step->in[i]);
  step_outputs(e, step, &call);
  anet__step_op(step)->forward(&call);
}

/* A chain of steps at once, where that pays. Returns how many steps were run. */
static int32_t run_fused(const execution *e, const anet__step *step)
{
  anet__call calls[ANET_FUSED_MOST];
  const anet__fused fused = anet__step_fused(step, e->n, e->pool, calls);
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

/* Times of regions while steps pass; NULL: nobody asks. */
typedef struct stopwatch {
  int64_t *time; /* (regions + 1) */
  int64_t begin;
  int32_t region;
} stopwatch;

static void lap(stopwatch *w, int32_t region)
{
  if (!w || region == w->region) return;
  const int64_t now = anet__now_ns();
  w->time[w->region + 1] += now - w->begin;
  w->begin = now;
  w->region = region;
}

static void run_steps(const execution *e, stopwatch *watch)
{
  for (int32_t i = 0; i < e->plan->steps && !anet__pool_stopped(e->watched);) {
    lap(watch, e->plan->step[i].region);
    i += advance(e, &e->plan->step[i]);
  }
  copy_outputs(e);
}

/* ---- runs -------------------------------------------------------------------------------------
 */

typedef struct run {
  const anet_plan *plan;
  const anet_workspace *workspace;
  const float *const *in;
  float *const *out;
  int32_t n;
  anet__course course;
  stopwatch *watch;
} run;

/* Images [begin, end) in the arena of a worker. */
static void run_part(const run *r, int32_t begin, int32_t end, int32_t worker)
{
  const anet_plan *plan = r->plan;
  execution e = {.plan = plan,
                 .pool = r->course.apart ? NULL : r->workspace->pool,
                 .watched = r->workspace->pool,
                 .arena = r->workspace->arena + (size_t)worker * r->course.arena_bytes,
                 .n = end - begin};
  for (int32_t i = 0; i < plan->inputs; i++)
    e.in[i] = r->in[i] + (size_t)begin * anet__shape_size(&plan->input[i]);
  for (int32_t i = 0; i < plan->outputs; i++)
    e.out[i] = r->out[i] + (size_t)begin * anet__shape_size(&plan->output[i]);
  run_steps(&e, r->watch);
}

static void part_apart(void *context, int32_t part, int32_t worker)
{
  const run *r = context;
  const int32_t begin = part * r->course.part;
  run_part(r, begin, ANET_MIN(begin + r->course.part, r->n), worker);
}

static int check(const run *r)
{
  const anet_plan *plan = r->plan;
  if (r->n < 1 || r->n > plan->batch)
    return anet_fail(ANET_RANGE, "run: %d images, the plan takes 1 to %d", r->n, plan->batch);
  if (r->course.bytes > r->workspace->bytes)
    return anet_fail(ANET_STATE, "run: the workspace has %zu bytes, the plan needs %zu",
                     r->workspace->bytes, r->course.bytes);
  for (int32_t i = 0; i < plan->inputs; i++)
    if (!r->in[i]) return anet_fail(ANET_RANGE, "run: input %d of %d is NULL", i, plan->inputs);
  for (int32_t i = 0; i < plan->outputs; i++)
    if (!r->out[i]) return anet_fail(ANET_RANGE, "run: output %d of %d is NULL", i, plan->outputs);
  return ANET_OK;
}

static run run_of(const anet_plan *plan, const anet_workspace *workspace, const float *const *in,
                  float *const *out, int32_t n)
{
  return (run){.plan = plan,
               .workspace = workspace,
               .in = in,
               .out = out,
               .n = n,
               .course = anet__plan_course(plan, ANET_MAX(n, 1), workspace->pool)};
}

static int run_all(run *r)
{
  const int32_t part = r->course.part;
  if (r->course.apart)
    anet__pool_run(r->workspace->pool, part_apart, r, (r->n + part - 1) / part);
  else
    for (int32_t i = 0; i < r->n; i += part) run_part(r, i, ANET_MIN(i + part, r->n), 0);
  return anet__pool_check(r->workspace->pool);
}

int anet_run(const anet_plan *plan, anet_workspace *workspace, const float *const *in,
             float *const *out, int32_t n)
{
  run r = run_of(plan, workspace, in, out, n);
  ANET_TRY(check(&r));
  return run_all(&r);
}

/* Workers that go apart would need a clock each: here they share the steps, image by image. */
int anet__run_timed(const anet_plan *plan, anet_workspace *workspace, const float *const *in,
                    float *const *out, int32_t n, int64_t *time)
{
  run r = run_of(plan, workspace, in, out, n);
  ANET_TRY(check(&r));
  if (anet__pool_workers(workspace->pool) > 1) {
    r.course.apart = false;
    r.course.part = 1;
  }
  stopwatch watch = {time, anet__now_ns(), -1};
  r.watch = &watch;
  const int rc = run_all(&r);
  lap(&watch, -2);
  return rc;
}
