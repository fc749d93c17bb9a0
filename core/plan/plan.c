/* Compiling a network. */
#include "plan/plan.h"

#include "base/alloc.h"
#include "base/error.h"
#include "op/bytes.h"
#include "plan/plan_draft.h"

/* ---- steps -------------------------------------------------------------------------------- */

const anet__op *anet__step_op(const anet__step *step)
{
  return step->method == ANET_METHOD_BYTES ? &anet__op_bytes : anet__op_get(step->op);
}

void anet__step_call(const anet__step *step, int32_t n, anet_pool *pool, anet__call *call)
{
  *call = (anet__call){
      .attr = &step->attr,
      .kernels = anet__kernels_best(),
      .pool = pool,
      .n = n,
      .inputs = step->inputs,
      .out_shape = step->out_shape,
      .out_ld = (size_t)step->wide,
      .method = step->method,
      .packed = step->packed ? anet__packed_data(step->packed) : NULL,
      .post = {.scale = step->scale, .shift = step->shift, .low = step->low, .high = step->high},
      .bytes = step->bytes,
      .frozen = true};
  for (int32_t i = 0; i < step->inputs; i++) call->in_shape[i] = step->in_shape[i];
  for (int32_t i = 0; i < ANET_MAX_PARAMS; i++) call->param[i] = step->param[i];
}

anet__fused anet__step_fused(const anet__step *step, int32_t n, anet_pool *pool, anet__call *calls)
{
  for (int32_t i = 0; i < step->fused; i++) anet__step_call(&step[i], n, pool, &calls[i]);
  if (step->fused == 2) return (anet__fused){NULL, &calls[0], &calls[1]};
  return (anet__fused){&calls[0], &calls[1], &calls[2]};
}

/* ---- how runs go ---------------------------------------------------------------------------- */

enum {
  PART_BYTES = 1 << 20, /* slots of a part that stay in the second-level cache */
  MOST_PART = 8
};

static size_t step_scratch(const anet__step *step, int32_t n, anet_pool *pool)
{
  const anet__op *op = anet__step_op(step);
  anet__call calls[ANET_FUSED_MOST];
  size_t bytes = 0;
  if (step->fused) {
    const anet__fused fused = anet__step_fused(step, n, pool, calls);
    bytes = anet__fused_scratch(&fused);
  }
  if (!op->scratch) return bytes;
  anet__step_call(step, n, pool, calls);
  return ANET_MAX(bytes, op->scratch(calls, false));
}

/* Parts of at most `most` images, all workers alike busy with them. */
static int32_t even_part(int32_t n, int32_t most, int32_t workers)
{
  const int32_t rounds = (n + most * workers - 1) / (most * workers);
  return ANET_MAX(1, (n + rounds * workers - 1) / (rounds * workers));
}

static size_t scratch_of(const anet_plan *plan, int32_t n, anet_pool *pool)
{
  size_t bytes = 0;
  for (int32_t i = 0; i < plan->steps; i++)
    bytes = ANET_MAX(bytes, step_scratch(&plan->step[i], n, pool));
  return (bytes + ANET_ALIGN - 1) / ANET_ALIGN * ANET_ALIGN;
}

anet__course anet__plan_course(const anet_plan *plan, int32_t n, anet_pool *pool)
{
  const int32_t workers = anet__pool_workers(pool);
  const bool light = (double)plan->packed_bytes < 2 * plan->activation_bytes;
  const size_t fit = PART_BYTES / (plan->slot_bytes + 1);
  anet__course c = {.apart = light && n >= workers, .part = ANET_MIN(n, MOST_PART)};
  if (c.apart) c.part = even_part(n, (int32_t)ANET_MAX(1, ANET_MIN(fit, MOST_PART)), workers);
  const bool plain = c.part == 1 && (c.apart || workers == 1);
  c.arena_bytes = (size_t)c.part * plan->slot_bytes +
                  (plain ? plan->scratch_bytes : scratch_of(plan, c.part, c.apart ? NULL : pool));
  c.bytes = c.arena_bytes * (c.apart ? (size_t)workers : 1);
  return c;
}

/* A smaller run may go another way than the largest. */
size_t anet__plan_arena(const anet_plan *plan, anet_pool *pool)
{
  const int32_t most = ANET_MIN(plan->batch, MOST_PART * anet__pool_workers(pool));
  size_t bytes = 0;
  for (int32_t n = 1; n <= most; n++)
    bytes = ANET_MAX(bytes, anet__plan_course(plan, n, pool).bytes);
  return bytes;
}

/* ---- compiling ---------------------------------------------------------------------------- */

static int draft_new(anet_plan *plan, anet__draft *draft)
{
  size_t values = (size_t)plan->net->count;
  *draft = (anet__draft){.plan = plan};
  draft->memory = anet__alloc_array(6 * values, sizeof *draft->memory);
  if (!draft->memory) return ANET_NOMEM;
  draft->source = draft->memory;
  draft->readers = draft->source + values;
  draft->reader = draft->readers + values;
  draft->step = draft->reader + values;
  draft->norms = draft->step + values;
  draft->bytes = draft->norms + values;
  return ANET_OK;
}

static int compile(anet_plan *plan)
{
  anet__draft draft;
  int rc = draft_new(plan, &draft);
  if (!rc) rc = anet__plan_fuse(&draft);
  if (!rc) rc = anet__plan_pack(&draft);
  if (!rc) rc = anet__plan_place(&draft);
  anet__free(draft.memory);
  return rc;
}

static void copy_face(anet_plan *plan)
{
  const anet_net *net = plan->net;
  plan->inputs = net->inputs;
  plan->outputs = net->outputs;
  for (int32_t i = 0; i < net->inputs; i++) plan->input[i] = net->node[net->input[i]].shape;
  for (int32_t i = 0; i < net->outputs; i++) plan->output[i] = net->node[net->output[i]].shape;
}

/* Of what runs: norms and additions that were fused are free. */
static void measure_work(anet_plan *plan)
{
  for (int32_t i = 0; i < plan->steps; i++) {
    const anet__step *step = &plan->step[i];
    const anet__op *op = anet__op_get(step->op);
    if (op->macs) plan->macs += op->macs(&step->attr, step->in_shape, &step->out_shape);
    plan->activation_bytes +=
        (double)anet__shape_size(&step->out_shape) * (step->bytes.out ? 1 : sizeof(float));
  }
}

int anet_plan_new(anet_net *net, int32_t batch, anet_plan **out)
{
  *out = NULL;
  if (batch < 1) return anet_fail(ANET_RANGE, "plan: the batch is %d, want 1 or more", batch);
  if (!net->outputs) return anet_fail(ANET_STATE, "plan: the net has no output");
  anet_plan *plan = anet__alloc(sizeof *plan);
  if (!plan) return ANET_NOMEM;
  atomic_init(&plan->refs, 1);
  plan->net = anet_net_retain(net);
  plan->batch = batch;
  copy_face(plan);
  int rc = compile(plan);
  if (rc) {
    anet_plan_release(plan);
    return rc;
  }
  measure_work(plan);
  plan->scratch_bytes = scratch_of(plan, 1, NULL);
  plan->arena_bytes = anet__plan_arena(plan, NULL);
  *out = plan;
  return ANET_OK;
}

anet_plan *anet_plan_retain(anet_plan *plan)
{
  if (plan) atomic_fetch_add(&plan->refs, 1);
  return plan;
}

void anet_plan_release(anet_plan *plan)
{
  if (!plan || atomic_fetch_sub(&plan->refs, 1) > 1) return;
  for (int32_t i = 0; plan->step && i < plan->steps; i++)
    anet__packed_release(plan->step[i].packed);
  anet__free(plan->posts);
  anet__free(plan->slot);
  anet__free(plan->step);
  anet_net_release(plan->net);
  anet__free(plan);
}

/* ---- reading ------------------------------------------------------------------------------ */

void anet_plan_read(const anet_plan *plan, anet_plan_info *out)
{
  *out = (anet_plan_info){.batch = plan->batch,
                          .steps = plan->steps,
                          .inputs = plan->inputs,
                          .outputs = plan->outputs,
                          .arena_bytes = (double)plan->arena_bytes,
                          .packed_bytes = (double)plan->packed_bytes,
                          .macs = plan->macs};
}

int anet_plan_input_shape(const anet_plan *plan, int32_t index, anet_shape *out)
{
  if (index < 0 || index >= plan->inputs)
    return anet_fail(ANET_RANGE, "plan: there is no input %d, it has %d", index, plan->inputs);
  *out = plan->input[index];
  return ANET_OK;
}

int anet_plan_output_shape(const anet_plan *plan, int32_t index, anet_shape *out)
{
  if (index < 0 || index >= plan->outputs)
    return anet_fail(ANET_RANGE, "plan: there is no output %d, it has %d", index, plan->outputs);
  *out = plan->output[index];
  return ANET_OK;
}
