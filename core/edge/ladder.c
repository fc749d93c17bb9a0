#include "edge/ladder.h"

#include <math.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "base/error.h"

int anet_ladder_new(anet_ladder **out)
{
  *out = anet__alloc(sizeof **out);
  if (!*out) return ANET_NOMEM;
  atomic_init(&(*out)->refs, 1);
  return ANET_OK;
}

anet_ladder *anet_ladder_retain(anet_ladder *ladder)
{
  if (ladder) atomic_fetch_add(&ladder->refs, 1);
  return ladder;
}

static void drop_rung(anet__rung *rung)
{
  anet__free(rung->genome);
  anet_plan_release(rung->plan);
}

void anet_ladder_release(anet_ladder *ladder)
{
  if (!ladder || atomic_fetch_sub(&ladder->refs, 1) != 1) return;
  for (int32_t i = 0; i < ladder->count; i++) drop_rung(&ladder->rung[i]);
  anet__free(ladder->rung);
  anet__free(ladder);
}

/* ---- adding ------------------------------------------------------------------------------- */

static int check_shapes(const char *what, const anet_shape *have, int32_t count,
                        const anet_shape *want, int32_t wanted)
{
  char a[ANET_SHAPE_TEXT], b[ANET_SHAPE_TEXT];
  if (count != wanted)
    return anet_fail(ANET_SHAPE, "ladder: the plan has %d %ss, the rungs have %d", count, what,
                     wanted);
  for (int32_t i = 0; i < count; i++)
    if (!anet__shape_equal(&have[i], &want[i]))
      return anet_fail(ANET_SHAPE, "ladder: the plan's %s %d is %s, the rungs' is %s", what, i,
                       anet__shape_text(&have[i], a), anet__shape_text(&want[i], b));
  return ANET_OK;
}

int anet__rung_check(const anet_rung *rung)
{
  if (!(rung->measured_ms > 0) || !isfinite(rung->measured_ms))
    return anet_fail(ANET_RANGE, "ladder: measured time %g ms, want more than 0",
                     rung->measured_ms);
  if (!isfinite(rung->accuracy))
    return anet_fail(ANET_RANGE, "ladder: accuracy %g, want a number", rung->accuracy);
  return ANET_OK;
}

static int check_plan(const anet_ladder *ladder, const anet_plan *plan)
{
  if (ladder->count == 0) return ANET_OK;
  const anet_plan *first = ladder->rung[0].plan;
  ANET_TRY(check_shapes("input", plan->input, plan->inputs, first->input, first->inputs));
  return check_shapes("output", plan->output, plan->outputs, first->output, first->outputs);
}

int anet_ladder_add(anet_ladder *ladder, anet_plan *plan, const anet_rung *rung)
{
  ANET_TRY(anet__rung_check(rung));
  ANET_TRY(check_plan(ladder, plan));
  ANET_TRY(
      anet__grow((void **)&ladder->rung, &ladder->capacity, ladder->count, sizeof *ladder->rung));
  char *genome = anet__strdup(rung->genome ? rung->genome : "");
  if (!genome) return ANET_NOMEM;
  anet__rung *added = &ladder->rung[ladder->count++];
  *added = (anet__rung){anet_plan_retain(plan), genome, *rung};
  added->face.genome = genome;
  return ANET_OK;
}

/* ---- sorting ------------------------------------------------------------------------------ */

/* Fastest first; of equally fast ones the most accurate. */
static bool is_before(const anet_rung *x, const anet_rung *y)
{
  if (x->measured_ms != y->measured_ms) return x->measured_ms < y->measured_ms;
  return x->accuracy > y->accuracy;
}

/* By insertion: ladders are short, and rungs that are alike keep their order. */
int32_t anet_rung_order(const anet_rung *rungs, int32_t count, int32_t *order)
{
  int32_t kept = 0;
  for (int32_t i = 0; i < count; i++) {
    int32_t at = i;
    for (; at > 0 && is_before(&rungs[i], &rungs[order[at - 1]]); at--) order[at] = order[at - 1];
    order[at] = i;
  }
  for (int32_t i = 0; i < count; i++)
    if (kept == 0 || rungs[order[i]].accuracy > rungs[order[kept - 1]].accuracy)
      order[kept++] = order[i];
  return kept;
}

/* Move the rungs that `order` names to the front, in its order, and drop the others. */
static void arrange(anet_ladder *ladder, const int32_t *order, int32_t kept, anet__rung *space)
{
  for (int32_t i = 0; i < kept; i++) {
    space[i] = ladder->rung[order[i]];
    ladder->rung[order[i]] = (anet__rung){0};
  }
  for (int32_t i = 0; i < ladder->count; i++) drop_rung(&ladder->rung[i]);
  for (int32_t i = 0; i < kept; i++) ladder->rung[i] = space[i];
  ladder->count = kept;
}

int anet_ladder_sort(anet_ladder *ladder)
{
  const size_t count = (size_t)ladder->count;
  if (count == 0) return ANET_OK;
  anet_rung *faces = anet__alloc_array(count, sizeof *faces);
  int32_t *order = anet__alloc_array(count, sizeof *order);
  anet__rung *space = anet__alloc_array(count, sizeof *space);
  const bool room = faces && order && space;
  if (room) {
    for (size_t i = 0; i < count; i++) faces[i] = ladder->rung[i].face;
    arrange(ladder, order, anet_rung_order(faces, ladder->count, order), space);
  }
  anet__free(space);
  anet__free(order);
  anet__free(faces);
  return room ? ANET_OK : ANET_NOMEM;
}

/* ---- reading ------------------------------------------------------------------------------ */

int32_t anet_ladder_count(const anet_ladder *ladder)
{
  return ladder->count;
}

int anet_ladder_get(const anet_ladder *ladder, int32_t index, anet_rung *out)
{
  if (index < 0 || index >= ladder->count)
    return anet_fail(ANET_RANGE, "ladder: rung %d of %d", index, ladder->count);
  *out = ladder->rung[index].face;
  return ANET_OK;
}

anet_plan *anet_ladder_plan(anet_ladder *ladder, int32_t index)
{
  return index >= 0 && index < ladder->count ? ladder->rung[index].plan : NULL;
}
