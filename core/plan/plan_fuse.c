/* From nodes to steps: drops what the outputs do not need and what moves no data, and gathers into
 * one step what its kernel can do on the way out: y = clamp(scale * acc + shift + add). */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "op/bytes.h"
#include "op/work.h"
#include "plan/plan_draft.h"

/* At inference these only rename their input. */
static bool vanishes(anet__op_id op)
{
  return op == ANET_OP_IDENTITY || op == ANET_OP_DROPOUT || op == ANET_OP_FLATTEN ||
         op == ANET_OP_RESHAPE;
}

static void find_sources(anet__draft *draft)
{
  const anet_net *net = draft->plan->net;
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = anet__net_at(net, v);
    draft->source[v] = vanishes(node->op) ? draft->source[node->in[0]] : v;
  }
}

/* Backwards, so that all readers of a value were counted before its own node is asked for. */
static void count_readers(anet__draft *draft)
{
  const anet_net *net = draft->plan->net;
  for (int32_t v = 0; v < net->count; v++) draft->reader[v] = draft->step[v] = -1;
  for (int32_t i = 0; i < net->outputs; i++) draft->readers[draft->source[net->output[i]]]++;
  for (int32_t v = net->count - 1; v >= 0; v--) {
    const anet__node *node = anet__net_at(net, v);
    if (draft->source[v] != v || !draft->readers[v]) continue;
    for (int32_t i = 0; i < node->inputs; i++) {
      int32_t source = draft->source[node->in[i]];
      draft->readers[source]++;
      draft->reader[source] = v;
    }
  }
}

static void step_open(const anet__draft *draft, int32_t value, anet__step *step)
{
  const anet__node *node = anet__net_at(draft->plan->net, value);
  *step = (anet__step){.op = node->op,
                       .attr = node->attr,
                       .inputs = node->inputs,
                       .out = value,
                       .add = -1,
                       .out_shape = node->shape,
                       .low = -INFINITY,
                       .high = INFINITY,
                       .region = node->region};
  for (int32_t i = 0; i < node->inputs; i++) step->in[i] = draft->source[node->in[i]];
  anet__net_in_shapes(draft->plan->net, value, step->in_shape);
  step->bytes.out = draft->bytes[value];
  step->bytes.in = node->inputs && draft->bytes[step->in[0]] &&
                   anet__bytes_reads(node->op, &node->attr, &step->in_shape[0]);
  if (step->bytes.in) step->method = ANET_METHOD_BYTES;
  for (int32_t i = 0; i < node->params; i++) step->param[i] = node->param[i];
}

/* The other operand of an addition that reads the step's value, if it has the same shape and is
 * there before the step runs; else -1. Of two branches, the later thus takes the addition. */
static int32_t addend(const anet__draft *draft, const anet__step *step, const anet__node *node)
{
  const anet_net *net = draft->plan->net;
  for (int32_t i = 0; i < 2; i++)
    if (!anet__shape_equal(&net->node[node->in[i]].shape, &node->shape)) return -1;
  int32_t side = draft->source[node->in[0]] == step->out;
  int32_t other = draft->source[node->in[side]];
  bool there = net->node[other].op == ANET_OP_INPUT || draft->step[other] >= 0;
  return there ? other : -1;
}

/* What comes out of [low, high] of the step, clamped once more. */
static void clamp(anet__step *step, float low, float high)
{
  step->low = fminf(fmaxf(step->low, low), high);
  step->high = fminf(fmaxf(step->high, low), high);
}

/* Takes the one reader of the step's value into the step, if the epilogue can still do its work
 * and it belongs to the same region. Order: scale and shift, then add, then clamp, then rounding to bytes. */
static bool absorb(anet__draft *draft, anet__step *step, int32_t number)
{
  int32_t value = draft->readers[step->out] == 1 ? draft->reader[step->out] : -1;
  if (value < 0) return false;
  const anet__node *node = anet__net_at(draft->plan->net, value);
  bool clamped = step->low > -INFINITY || step->high < INFINITY;
  bool linear = !clamped && step->add < 0;
  if (node->region != step->region || step->bytes.out) return false;
  switch (node->op) {
    case ANET_OP_NORM:
      if (!linear || anet__channels(&node->shape) != anet__channels(&step->out_shape)) return false;
      draft->norms[number]++;
      break;
    case ANET_OP_ADD:
      if (!linear) return false;
      step->add = addend(draft, step, node);
      if (step->add < 0) return false;
      break;
    case ANET_OP_RELU:
      clamp(step, 0, INFINITY);
      break;
    case ANET_OP_RELU6:
      clamp(step, 0, 6);
      break;
    case ANET_OP_CLIP:
      clamp(step, node->attr.alpha, node->attr.beta);
      break;
    case ANET_OP_QUANTIZE:
      if (!step->bytes.in || !draft->bytes[value]) return false;
      step->bytes.out = true;
      break;
    default:
      return false;
  }
  draft->step[value] = number;
  step->out = value;
  return true;
}

/* A step for every node that is needed, does something and was not absorbed by an earlier one. */
static int32_t gather(anet__draft *draft, anet__step *step)
{
  const anet_net *net = draft->plan->net;
  int32_t steps = 0;
  for (int32_t v = 0; v < net->count; v++) {
    anet__op_id op = net->node[v].op;
    if (op == ANET_OP_INPUT || draft->source[v] != v || !draft->readers[v]) continue;
    if (draft->step[v] >= 0) continue;
    step_open(draft, v, &step[steps]);
    draft->step[v] = steps;
    while (anet__op_get(op)->has_post && absorb(draft, &step[steps], steps)) continue;
    steps++;
  }
  return steps;
}

/* ---- bytes
 * ---------------------------------------------------------------------------------------- */

/* Hope for every quantize, but for outputs. */
static void hope_for_bytes(const anet__draft *draft)
{
  const anet_net *net = draft->plan->net;
  for (int32_t v = 0; v < net->count; v++) draft->bytes[v] = net->node[v].op == ANET_OP_QUANTIZE;
  for (int32_t i = 0; i < net->outputs; i++) draft->bytes[draft->source[net->output[i]]] = 0;
}

/* Gives up a value if it is stored as bytes. */
static bool give_up(const anet__draft *draft, int32_t value)
{
  const bool was = draft->bytes[value];
  draft->bytes[value] = 0;
  return was;
}

/* Gives up what others than steps on whole numbers read. False: nothing was given up. */
static bool give_up_some(const anet__draft *draft, const anet__step *step, int32_t steps)
{
  bool some = false;
  for (int32_t i = 0; i < steps; i++) {
    for (int32_t k = step[i].bytes.in; k < step[i].inputs; k++) some |= give_up(draft, step[i].in[k]);
    if (step[i].add >= 0) some |= give_up(draft, step[i].add);
  }
  return some;
}

/* Steps with as many values in bytes as can be: each round but the last gives up at least one. */
static int32_t gather_bytes(anet__draft *draft, anet__step *step)
{
  const size_t values = (size_t)draft->plan->net->count;
  hope_for_bytes(draft);
  for (;;) {
    const int32_t steps = gather(draft, step);
    if (!give_up_some(draft, step, steps)) return steps;
    for (size_t v = 0; v < values; v++) draft->step[v] = -1;
    memset(draft->norms, 0, values * sizeof *draft->norms);
  }
}

/* ---- concats that need no copy
 * ------------------------------------------------------------------- */

/* The step that makes input i of a concat, if it can as well write it there; NULL: it cannot. */
static anet__step *writer(const anet__draft *draft, const anet__step *concat, int32_t i)
{
  const int32_t value = concat->in[i], number = draft->step[value];
  if (number < 0 || draft->readers[value] != 1) return NULL;
  anet__step *step = &draft->plan->step[number];
  const bool writes = step->op == ANET_OP_CONV && step->add < 0;
  const bool alike = anet__shape_equal(&step->out_shape, &concat->in_shape[i]);
  return writes && alike && step->region == concat->region ? step : NULL;
}

/* Convolutions that only a concat of channels reads write their part of it. */
static void join_writers(const anet__draft *draft, anet__step *concat)
{
  anet__step *step[ANET_MAX_INPUTS];
  int32_t channel = 0;
  if (concat->op != ANET_OP_CONCAT || concat->attr.axis != 0) return;
  for (int32_t i = 0; i < concat->inputs; i++)
    if (!(step[i] = writer(draft, concat, i))) return;
  for (int32_t i = 0; i < concat->inputs; i++) {
    step[i]->wide = anet__channels(&concat->out_shape);
    step[i]->channel = channel;
    step[i]->out = concat->out;
    channel += anet__channels(&step[i]->out_shape);
  }
  concat->done = true;
  concat->inputs = 0;
}

/* ---- chains that can run as one
 * ------------------------------------------------------------------ */

/* Whether step[i + 1] alone reads what step[i] makes, inside one region. */
static bool leads(const anet__draft *draft, const anet__step *step)
{
  return step[1].in[0] == step[0].out && draft->readers[step[0].out] == 1 &&
         step[0].region == step[1].region;
}

/* How many of the `left` steps from here on are a chain; 0: none. */
static int32_t fused_length(const anet__draft *draft, anet__step *step, int32_t left)
{
  const bool expand = step->op == ANET_OP_CONV;
  const int32_t length = expand ? 3 : 2;
  anet__call calls[ANET_FUSED_MOST];
  if (left < length) return 0;
  if (step[length - 1].wide) return 0;
  for (int32_t i = 0; i < length; i++)
    if (step[i].bytes.in) return 0;
  if (step[length - 2].op != ANET_OP_DEPTHWISE || step[length - 1].op != ANET_OP_CONV) return 0;
  for (int32_t i = 0; i < length - 1; i++)
    if (step[i].add >= 0 || !leads(draft, &step[i])) return 0;
  step->fused = length;
  const anet__fused fused = anet__step_fused(step, 1, NULL, calls);
  return anet__fused_fits(&fused) ? length : 0;
}

static void find_fused(const anet__draft *draft)
{
  anet__step *step = draft->plan->step;
  const int32_t steps = draft->plan->steps;
  for (int32_t i = 0; i < steps; i += ANET_MAX(step[i].fused, 1))
    step[i].fused = fused_length(draft, &step[i], steps - i);
}

int anet__plan_fuse(anet__draft *draft)
{
  anet_plan *plan = draft->plan;
  anet__step *step = anet__alloc_array((size_t)plan->net->count, sizeof *step);
  if (!step) return ANET_NOMEM;
  find_sources(draft);
  count_readers(draft);
  plan->steps = gather_bytes(draft, step);
  plan->step = anet__alloc_array((size_t)plan->steps, sizeof *step);
  if (plan->step && plan->steps) memcpy(plan->step, step, (size_t)plan->steps * sizeof *step);
  anet__free(step);
  if (!plan->step) return ANET_NOMEM;
  for (int32_t i = 0; i < plan->steps; i++) join_writers(draft, &plan->step[i]);
  find_fused(draft);
  return ANET_OK;
}
