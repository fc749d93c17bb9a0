/* What a plan's kernels read: packed weights, which all plans of the same weights share, and one
 * block of scales and shifts. */
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "op/bytes.h"
#include "op/work.h"
#include "plan/plan_draft.h"
#include "plan/tune.h"

enum { PARAM_BIAS = 1 };                                      /* of conv, depthwise, linear */
enum { PARAM_GAMMA, PARAM_BETA, PARAM_MEAN, PARAM_VARIANCE }; /* of norm */

static size_t channels(const anet__step *step)
{
  return (size_t)anet__channels(&step->out_shape);
}

static bool has_bias(const anet__step *step)
{
  bool weighs =
      step->op == ANET_OP_CONV || step->op == ANET_OP_DEPTHWISE || step->op == ANET_OP_LINEAR;
  return weighs && step->attr.bias;
}

/* The next `floats` of the block; NULL while there is no block. */
static float *take(float *base, size_t *used, size_t floats)
{
  size_t at = anet__take(used, floats);
  return base ? base + at : NULL;
}

/* Floats that the steps need; gives them their parts of the block once there is one. */
static size_t lay_out(const anet__draft *draft, float *base)
{
  const anet_plan *plan = draft->plan;
  size_t used = 0;
  for (int32_t i = 0; i < plan->steps; i++) {
    anet__step *step = &plan->step[i];
    const bool scaled = draft->norms[i] || step->bytes.in;
    if (scaled) step->scale = take(base, &used, channels(step));
    if (scaled || has_bias(step)) step->shift = take(base, &used, channels(step));
  }
  return used;
}

static void start_fold(const anet__step *step)
{
  const float *bias = has_bias(step) ? anet__f32(step->param[PARAM_BIAS]) : NULL;
  if (!step->scale && !step->shift) return;
  for (size_t c = 0; c < channels(step); c++) {
    if (step->scale) step->scale[c] = 1;
    if (step->shift) step->shift[c] = bias ? bias[c] : 0;
  }
}

/* gamma * (y - mean) / sqrt(variance + epsilon) + beta, where y = scale * x + shift. */
static void fold_norm(const anet__step *step, const anet__node *norm)
{
  const float *gamma = anet__f32(norm->param[PARAM_GAMMA]);
  const float *beta = anet__f32(norm->param[PARAM_BETA]);
  const float *mean = anet__f32(norm->param[PARAM_MEAN]);
  const float *variance = anet__f32(norm->param[PARAM_VARIANCE]);
  for (size_t c = 0; c < channels(step); c++) {
    double k = gamma[c] / sqrt((double)variance[c] + norm->attr.epsilon);
    step->shift[c] = (float)(k * ((double)step->shift[c] - mean[c]) + beta[c]);
    step->scale[c] = (float)(k * step->scale[c]);
  }
}

/* The first node of a step is its op; norms among the others were taken in, in order. */
static void fold_norms(const anet__draft *draft)
{
  const anet_net *net = draft->plan->net;
  int32_t opened = 0;
  for (int32_t v = 0; v < net->count; v++) {
    if (draft->step[v] == opened)
      opened++;
    else if (draft->step[v] >= 0 && net->node[v].op == ANET_OP_NORM)
      fold_norm(&draft->plan->step[draft->step[v]], &net->node[v]);
  }
}

/* Sums of (byte - offset) * weight level become values: products of both scales, less what the level of 0 adds. Where
 * the output is bytes, its levels. */
static void fold_levels(const anet__draft *draft, anet__step *step)
{
  const anet_net *net = draft->plan->net;
  const anet__levels in = anet__levels_of(&net->node[step->in[0]].attr);
  const float *packed = anet__packed_data(step->packed), *weight = anet__bytes_scale(packed);
  anet__levels out = {1, 0};
  anet__call call;
  if (step->bytes.out) {
    out = anet__levels_of(&net->node[step->out].attr);
    step->low = fmaxf(0, step->low * out.levels + out.zero);
    step->high = fminf(255, step->high * out.levels + out.zero);
  }
  step->bytes.zero = (uint8_t)in.zero;
  step->bytes.add_scale = out.levels;
  anet__step_call(step, 1, NULL, &call);
  for (int32_t c = 0; c < anet__channels(&step->out_shape); c++) {
    const double scale = (double)step->scale[c] * weight[c] / in.levels;
    const double shift = step->shift[c] - scale * anet__bytes_rest(&call, packed, c, in.zero);
    step->scale[c] = (float)(scale * out.levels);
    step->shift[c] = (float)(shift * out.levels + out.zero);
  }
}

/* The window of the weights is part of what packed forms are known by; groups and the kernel's
 * sides are not seen from it. */
static anet__form form_of(const anet__step *step, const anet__call *call)
{
  return (anet__form){.table = (int32_t)call->kernels->isa,
                      .op = (int32_t)step->op,
                      .method = (int32_t)step->method,
                      .detail = {step->attr.groups}};
}

/* Finds what others have packed; the floats of the slab that the rest will take. values: (steps) of
 * the weights. */
static size_t find_packed(anet_plan *plan, uint64_t *values)
{
  size_t floats = 0;
  for (int32_t i = 0; i < plan->steps; i++) {
    anet__step *step = &plan->step[i];
    const anet__op *op = anet__step_op(step);
    anet__call call;
    if (!op->pack_size) continue;
    anet__step_call(step, 1, NULL, &call);
    const anet__form form = form_of(step, &call);
    values[i] = anet__packed_values(step->param[0]);
    step->packed = anet__packed_find(step->param[0], values[i], &form);
    if (!step->packed) floats += anet__slab_floats(op->pack_size(&call));
  }
  return floats;
}

/* Steps of one plan may read the same weights: what an earlier one has packed is looked for again. */
static int pack_step(anet__step *step, uint64_t values, anet__slab *slab)
{
  const anet__op *op = anet__step_op(step);
  anet__call call;
  if (!op->pack_size || step->packed) return ANET_OK;
  anet__step_call(step, 1, NULL, &call);
  const anet__form form = form_of(step, &call);
  step->packed = anet__packed_find(step->param[0], values, &form);
  if (step->packed) return ANET_OK;
  step->packed = anet__packed_new(step->param[0], values, &form, op->pack_size(&call), slab);
  if (!step->packed) return ANET_NOMEM;
  op->pack(&call, anet__packed_data(step->packed));
  anet__packed_offer(step->packed);
  return ANET_OK;
}

static int pack_steps(anet_plan *plan)
{
  anet__slab *slab = NULL;
  uint64_t *values = anet__alloc_array((size_t)plan->steps, sizeof *values);
  if (!values) return ANET_NOMEM;
  const size_t floats = find_packed(plan, values);
  int rc = floats > 0 ? anet__slab_new(floats, &slab) : ANET_OK;
  for (int32_t i = 0; i < plan->steps && !rc; i++) rc = pack_step(&plan->step[i], values[i], slab);
  anet__slab_release(slab);
  anet__free(values);
  return rc;
}

static void choose_methods(const anet_plan *plan)
{
  anet__tune tune;
  anet__tune_open(&tune);
  for (int32_t i = 0; i < plan->steps; i++)
    plan->step[i].method = anet__tune_choose(&tune, &plan->step[i]);
  anet__tune_close(&tune);
}

int anet__plan_pack(anet__draft *draft)
{
  anet_plan *plan = draft->plan;
  choose_methods(plan);
  size_t floats = lay_out(draft, NULL);
  plan->posts = anet__alloc_array(floats, sizeof(float));
  if (!plan->posts) return ANET_NOMEM;
  lay_out(draft, plan->posts);
  plan->packed_bytes = floats * sizeof(float);
  ANET_TRY(pack_steps(plan));
  for (int32_t i = 0; i < plan->steps; i++) {
    anet__step *step = &plan->step[i];
    if (step->packed) plan->packed_bytes += anet__packed_bytes(step->packed);
    start_fold(step);
  }
  fold_norms(draft);
  for (int32_t i = 0; i < plan->steps; i++)
    if (plan->step[i].bytes.in) fold_levels(draft, &plan->step[i]);
  return ANET_OK;
}
