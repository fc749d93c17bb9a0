#include "elastic/space.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* ---- life --------------------------------------------------------------------------------- */

static anet_option keep_at(int32_t position)
{
  return (anet_option){.kind = ANET_KEEP, .position = position, .span = 1, .width = 1};
}

static int fill_keeps(anet_space *space, const int32_t *trunk)
{
  const size_t positions = (size_t)space->positions;
  space->trunk = anet__alloc_array(positions, sizeof *space->trunk);
  space->first = anet__alloc_array(positions + 1, sizeof *space->first);
  space->option = anet__alloc_array(positions, sizeof *space->option);
  if (!space->trunk || !space->first || !space->option) return ANET_NOMEM;
  memcpy(space->trunk, trunk, positions * sizeof *trunk);
  for (int32_t p = 0; p < space->positions; p++) {
    space->option[p] = keep_at(p);
    space->first[p + 1] = p + 1;
  }
  space->options = space->capacity = space->positions;
  return ANET_OK;
}

int anet_space_new(const int32_t *trunk, int32_t positions, anet_space **out)
{
  *out = NULL;
  if (positions < 1 || positions > ANET_MAX_POSITIONS)
    return anet_fail(ANET_RANGE, "space: got %d positions, want 1 to %d", positions,
                     ANET_MAX_POSITIONS);
  anet_space *space = anet__alloc(sizeof *space);
  if (!space) return ANET_NOMEM;
  atomic_init(&space->refs, 1);
  space->positions = positions;
  const int rc = fill_keeps(space, trunk);
  if (rc) {
    anet_space_release(space);
    return rc;
  }
  *out = space;
  return ANET_OK;
}

anet_space *anet_space_retain(anet_space *space)
{
  if (space) atomic_fetch_add(&space->refs, 1);
  return space;
}

void anet_space_release(anet_space *space)
{
  if (!space || atomic_fetch_sub(&space->refs, 1) != 1) return;
  anet__free(space->trunk);
  anet__free(space->first);
  anet__free(space->option);
  anet__free(space);
}

/* ---- options ------------------------------------------------------------------------------ */

static int check_kind(const anet_option *o)
{
  const int32_t p = o->position;
  if (o->kind == ANET_KEEP) return anet_fail(ANET_RANGE, "position %d has its keep already", p);
  if (o->kind < 0 || o->kind >= ANET_OPTION_COUNT)
    return anet_fail(ANET_RANGE, "position %d: option kind %d, want 0 to %d", p, o->kind,
                     ANET_OPTION_COUNT - 1);
  if (o->kind == ANET_MERGE && o->span < 2)
    return anet_fail(ANET_RANGE, "position %d: a merge over %d blocks, want 2 or more", p, o->span);
  if (o->kind != ANET_MERGE && o->span != 1)
    return anet_fail(ANET_RANGE, "position %d: an option over %d blocks, want 1", p, o->span);
  if (o->kind == ANET_SHRINK && !(o->width > 0 && o->width < 1))
    return anet_fail(ANET_RANGE, "position %d: a shrink to width %g, want one between 0 and 1", p,
                     o->width);
  if (o->kind != ANET_SHRINK && o->width != 1)
    return anet_fail(ANET_RANGE, "position %d: an option of width %g, want 1", p, o->width);
  return ANET_OK;
}

static int check_trunk(const anet_space *space, const anet_option *o)
{
  if (o->span > space->positions - o->position)
    return anet_fail(ANET_RANGE, "position %d: an option over %d blocks, but only %d are left",
                     o->position, o->span, space->positions - o->position);
  for (int32_t p = o->position + 1; p < o->position + o->span; p++)
    if (space->trunk[p] != space->trunk[o->position])
      return anet_fail(ANET_RANGE, "position %d: an option over %d blocks leaves trunk %d at %d",
                       o->position, o->span, space->trunk[o->position], p);
  return ANET_OK;
}

static bool options_alike(const anet_option *a, const anet_option *b)
{
  if (a->kind != b->kind || a->span != b->span) return false;
  return a->width == b->width || (a->hidden && a->hidden == b->hidden);
}

static int check_new(const anet_space *space, const anet_option *o)
{
  const int32_t first = space->first[o->position], genes = space->first[o->position + 1] - first;
  for (int32_t g = 0; g < genes; g++)
    if (options_alike(o, &space->option[first + g]))
      return anet_fail(ANET_RANGE,
                       "position %d: gene %d is such an option already (span %d, "
                       "width %g, %d hidden)",
                       o->position, g, o->span, o->width, o->hidden);
  if (genes == ANET_MAX_GENES)
    return anet_fail(ANET_RANGE, "position %d: has %d options, the most is %d", o->position, genes,
                     ANET_MAX_GENES);
  return ANET_OK;
}

int anet__space_check(const anet_space *space, const anet_option *option)
{
  const int32_t p = option->position;
  if (p < 0 || p >= space->positions)
    return anet_fail(ANET_RANGE, "option: position %d, want 0 to %d", p, space->positions - 1);
  ANET_TRY(check_kind(option));
  ANET_TRY(check_trunk(space, option));
  return check_new(space, option);
}

int anet__space_insert(anet_space *space, const anet_option *option)
{
  const int32_t p = option->position;
  ANET_TRY(
      anet__grow((void **)&space->option, &space->capacity, space->options, sizeof *space->option));
  const int32_t at = space->first[p + 1];
  memmove(space->option + at + 1, space->option + at,
          (size_t)(space->options - at) * sizeof *space->option);
  space->option[at] = *option;
  space->option[at].gene = at - space->first[p];
  space->options++;
  for (int32_t q = p + 1; q <= space->positions; q++) space->first[q]++;
  return ANET_OK;
}

int anet_space_add(anet_space *space, const anet_option *option)
{
  if (space->bound)
    return anet_fail(ANET_STATE, "space: it is a supernet's, options are added to that");
  ANET_TRY(anet__space_check(space, option));
  return anet__space_insert(space, option);
}

/* ---- access ------------------------------------------------------------------------------- */

int32_t anet_space_positions(const anet_space *space)
{
  return space->positions;
}

int32_t anet_space_options(const anet_space *space)
{
  return space->options;
}

int32_t anet_space_genes(const anet_space *space, int32_t position)
{
  if (position < 0 || position >= space->positions) return 0;
  return space->first[position + 1] - space->first[position];
}

int anet_space_option(const anet_space *space, int32_t index, anet_option *out)
{
  if (index < 0 || index >= space->options)
    return anet_fail(ANET_RANGE, "option %d, want 0 to %d", index, space->options - 1);
  *out = space->option[index];
  return ANET_OK;
}

int32_t anet_space_index(const anet_space *space, int32_t position, int32_t gene)
{
  if (gene < 0 || gene >= anet_space_genes(space, position)) return -1;
  return space->first[position] + gene;
}

/* ---- as a graph --------------------------------------------------------------------------- */

int anet__arrivals_new(const anet_space *space, anet__arrivals *out)
{
  const int32_t positions = space->positions;
  out->first = anet__alloc_array((size_t)positions + 2, sizeof *out->first);
  out->option = anet__alloc_array((size_t)space->options, sizeof *out->option);
  if (!out->first || !out->option) {
    anet__arrivals_free(out);
    return ANET_NOMEM;
  }
  /* Counting sort by end: first[b + 1] begins as where b begins, and is b's cursor. */
  for (int32_t i = 0; i < space->options; i++) {
    const int32_t end = space->option[i].position + space->option[i].span;
    if (end < positions) out->first[end + 2]++;
  }
  for (int32_t b = 2; b <= positions + 1; b++) out->first[b] += out->first[b - 1];
  for (int32_t i = 0; i < space->options; i++) {
    const int32_t end = space->option[i].position + space->option[i].span;
    out->option[out->first[end + 1]++] = i;
  }
  return ANET_OK;
}

void anet__arrivals_free(anet__arrivals *arrivals)
{
  anet__free(arrivals->first);
  anet__free(arrivals->option);
  *arrivals = (anet__arrivals){0};
}
