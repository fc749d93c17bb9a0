/* Where values live. A value gets a slot; ops that may write over what they read for the last time
 * share its slot; slots that are alive together get disjoint parts of the arena. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/place.h"
#include "plan/plan_draft.h"

/* ---- slots -------------------------------------------------------------------------------- */

typedef struct placing {
  anet__draft *draft;
  int32_t *memory; /* of the arrays, owned */
  int32_t *slot;   /* (values) */
  int32_t *last;   /* (values) the last step that reads it; `steps`: it is an output */
  anet__span
      *span; /* (slots) from the step that writes it first to the one that reads it last; owned */
} placing;

static void find_last_reads(const placing *p)
{
  const anet_plan *plan = p->draft->plan;
  const anet_net *net = plan->net;
  for (int32_t i = 0; i < plan->steps; i++) {
    const anet__step *step = &plan->step[i];
    for (int32_t k = 0; k < step->inputs; k++) p->last[step->in[k]] = i;
    if (step->add >= 0) p->last[step->add] = i;
  }
  /* a chain reads its input until its last step has written the last line */
  for (int32_t i = 0; i < plan->steps; i++)
    if (plan->step[i].fused)
      p->last[plan->step[i].in[0]] =
          ANET_MAX(p->last[plan->step[i].in[0]], i + plan->step[i].fused);
  for (int32_t i = 0; i < net->outputs; i++)
    p->last[p->draft->source[net->output[i]]] = plan->steps;
}

/* May step `number` write where `value` is? Nobody reads it later, and it is not the run's input.
 */
static bool may_replace(const placing *p, int32_t value, int32_t number)
{
  const anet_plan *plan = p->draft->plan;
  return p->last[value] == number && plan->slot[p->slot[value]].place == ANET_PLACE_ARENA;
}

static int32_t reads(const anet__step *step, int32_t value)
{
  int32_t count = step->add == value;
  for (int32_t i = 0; i < step->inputs; i++) count += step->in[i] == value;
  return count;
}

/* The value whose slot the step's output takes over, or -1: the first input of an op that works
 * element by element, or the addend of one that does not and so reads it as it writes. */
static int32_t replaced(const placing *p, int32_t number)
{
  const anet__step *step = &p->draft->plan->step[number];
  const anet__op *op = anet__op_get(step->op);
  if (step->bytes.out) return -1;
  bool alike = anet__shape_equal(&step->in_shape[0], &step->out_shape);
  int32_t value = !op->in_place ? step->add : alike ? step->in[0] : -1;
  return value >= 0 && reads(step, value) == 1 && may_replace(p, value, number) ? value : -1;
}

static int32_t new_slot(const placing *p, anet__slot slot, int32_t begin)
{
  anet_plan *plan = p->draft->plan;
  p->span[plan->slots] = (anet__span){.first = begin};
  plan->slot[plan->slots] = slot;
  return plan->slots++;
}

/* Kernels read up to 3 bytes past a pixel (kernel/int8.h). */
static size_t value_bytes(const anet__step *step, const anet_shape *shape)
{
  const size_t elements = anet__shape_size(shape);
  return step->bytes.out ? elements + 3 : elements * sizeof(float);
}

static void assign_slots(const placing *p)
{
  const anet_plan *plan = p->draft->plan;
  for (int32_t i = 0; i < plan->net->inputs; i++)
    p->slot[plan->net->input[i]] =
        new_slot(p, (anet__slot){.place = ANET_PLACE_INPUT, .index = i}, 0);
  for (int32_t i = 0; i < plan->steps; i++) {
    const anet__step *step = &plan->step[i];
    int32_t over = replaced(p, i), slot = p->slot[step->out];
    if (over >= 0) slot = p->slot[over];
    if (slot < 0) slot = new_slot(p, (anet__slot){0}, i);
    p->slot[step->out] = slot;
    p->span[slot].last = p->last[step->out];
    p->span[slot].bytes = value_bytes(step, &plan->net->node[step->out].shape);
  }
}

/* An output is written in place by its step; one that is an input, or that another output holds
 * already, is copied at the end of the run. */
static void assign_outputs(const placing *p)
{
  anet_plan *plan = p->draft->plan;
  for (int32_t i = 0; i < plan->outputs; i++) {
    int32_t number = p->slot[p->draft->source[plan->net->output[i]]];
    anet__slot *slot = &plan->slot[number];
    bool there = slot->place == ANET_PLACE_ARENA;
    plan->copy_from[i] = there ? -1 : number;
    if (there) *slot = (anet__slot){.place = ANET_PLACE_OUTPUT, .index = i};
  }
}

static void number_slots(const placing *p)
{
  anet_plan *plan = p->draft->plan;
  for (int32_t i = 0; i < plan->steps; i++) {
    anet__step *step = &plan->step[i];
    for (int32_t k = 0; k < step->inputs; k++) step->in[k] = p->slot[step->in[k]];
    if (step->add >= 0) step->add = p->slot[step->add];
    step->out = p->slot[step->out];
  }
}

/* ---- offsets ------------------------------------------------------------------------------ */

/* What is not in the arena takes no room there. */
static int assign_offsets(const placing *p)
{
  anet_plan *plan = p->draft->plan;
  int32_t count = 0;
  for (int32_t i = 0; i < plan->slots; i++)
    if (plan->slot[i].place == ANET_PLACE_ARENA) p->span[count++] = p->span[i];
  ANET_TRY(anet__spans_place(p->span, count, &plan->slot_bytes));
  for (int32_t i = 0, k = 0; i < plan->slots; i++)
    if (plan->slot[i].place == ANET_PLACE_ARENA) plan->slot[i].offset = p->span[k++].offset;
  return ANET_OK;
}

/* ---- all of it ---------------------------------------------------------------------------- */

/* Kernels count the elements of a batch in 32 bits. */
static int check_sizes(const anet_plan *plan)
{
  for (int32_t v = 0; v < plan->net->count; v++) {
    const anet__node *node = anet__net_at(plan->net, v);
    size_t count = anet__shape_size(&node->shape);
    if (count > (size_t)INT32_MAX / (size_t)plan->batch)
      return anet_fail(ANET_RANGE, "plan: %d images of '%s' have more than %d elements",
                       plan->batch, node->name, INT32_MAX);
  }
  return ANET_OK;
}

static int placing_new(anet__draft *draft, placing *p)
{
  anet_plan *plan = draft->plan;
  size_t values = (size_t)plan->net->count, slots = (size_t)(plan->inputs + plan->steps);
  *p = (placing){.draft = draft};
  p->memory = anet__alloc_array(2 * values, sizeof *p->memory);
  p->span = anet__alloc_array(slots, sizeof *p->span);
  plan->slot = anet__alloc_array(slots, sizeof *plan->slot);
  if (!p->memory || !p->span || !plan->slot) return ANET_NOMEM;
  p->slot = p->memory;
  p->last = p->memory + values;
  for (size_t v = 0; v < values; v++) p->slot[v] = -1; /* none yet; several steps may write one */
  return ANET_OK;
}

int anet__plan_place(anet__draft *draft)
{
  placing p;
  ANET_TRY(check_sizes(draft->plan));
  int rc = placing_new(draft, &p);
  if (!rc) {
    find_last_reads(&p);
    assign_slots(&p);
    assign_outputs(&p);
    number_slots(&p);
    rc = assign_offsets(&p);
  }
  anet__free(p.memory);
  anet__free(p.span);
  return rc;
}
