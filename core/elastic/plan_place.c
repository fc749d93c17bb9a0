/* Where values live. A value gets a slot; ops that may write over what they read for the last time
 * share its slot; slots that are alive together get disjoint parts of the arena. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/plan_draft.h"

/* A slot's time in the arena: from the step that writes it first to the one that reads it last. */
typedef struct room {
  int32_t slot, begin, end;
  size_t bytes, offset;
} room;

/* ---- slots -------------------------------------------------------------------------------- */

typedef struct placing {
  anet__draft *draft;
  int32_t *memory; /* of the arrays, owned */
  int32_t *slot;   /* (values) */
  int32_t *last;   /* (values) the last step that reads it; `steps`: it is an output */
  room *room;      /* (slots), owned */
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
  if (step->wide || step->bytes.out) return -1;
  bool alike = anet__shape_equal(&step->in_shape[0], &step->out_shape);
  int32_t value = !op->in_place ? step->add : alike ? step->in[0] : -1;
  return value >= 0 && reads(step, value) == 1 && may_replace(p, value, number) ? value : -1;
}

static int32_t new_slot(const placing *p, anet__slot slot, int32_t begin)
{
  anet_plan *plan = p->draft->plan;
  p->room[plan->slots] = (room){.slot = plan->slots, .begin = begin};
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
    p->room[slot].end = p->last[step->out];
    p->room[slot].bytes = value_bytes(step, &plan->net->node[step->out].shape);
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

static size_t align(size_t bytes)
{
  return (bytes + ANET_ALIGN - 1) / ANET_ALIGN * ANET_ALIGN;
}

/* Largest first; of equals the earlier slot, so that every machine places alike. */
static int by_size(const void *left, const void *right)
{
  const room *a = left, *b = right;
  if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
  return a->slot - b->slot;
}

/* The smallest gap that takes the room between those that are alive with it, or the end of them.
 * placed: in order of offsets. */
static size_t find_gap(const room *placed, int32_t count, const room *r)
{
  size_t top = 0, best = SIZE_MAX, best_bytes = SIZE_MAX;
  for (int32_t i = 0; i < count; i++) {
    const room *other = &placed[i];
    if (other->end < r->begin || r->end < other->begin) continue;
    size_t gap = other->offset > top ? other->offset - top : 0;
    if (gap >= r->bytes && gap < best_bytes) {
      best = top;
      best_bytes = gap;
    }
    top = ANET_MAX(top, other->offset + other->bytes);
  }
  return best == SIZE_MAX ? top : best;
}

/* Greedy by size. The rooms placed so far stand at the front of the array, by offset. */
static void place_rooms(anet_plan *plan, room *rooms, int32_t count)
{
  qsort(rooms, (size_t)count, sizeof *rooms, by_size);
  for (int32_t i = 0; i < count; i++) {
    room r = rooms[i];
    int32_t at = i;
    r.offset = find_gap(rooms, i, &r);
    while (at > 0 && rooms[at - 1].offset > r.offset) at--;
    memmove(&rooms[at + 1], &rooms[at], (size_t)(i - at) * sizeof *rooms);
    rooms[at] = r;
    plan->slot[r.slot].offset = r.offset;
    plan->slot_bytes = ANET_MAX(plan->slot_bytes, r.offset + r.bytes);
  }
}

static void assign_offsets(const placing *p)
{
  anet_plan *plan = p->draft->plan;
  int32_t count = 0;
  for (int32_t i = 0; i < plan->slots; i++) {
    if (plan->slot[i].place != ANET_PLACE_ARENA) continue;
    p->room[count] = p->room[i];
    p->room[count++].bytes = align(p->room[i].bytes);
  }
  place_rooms(plan, p->room, count);
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
  p->room = anet__alloc_array(slots, sizeof *p->room);
  plan->slot = anet__alloc_array(slots, sizeof *plan->slot);
  if (!p->memory || !p->room || !plan->slot) return ANET_NOMEM;
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
    assign_offsets(&p);
  }
  anet__free(p.memory);
  anet__free(p.room);
  return rc;
}
