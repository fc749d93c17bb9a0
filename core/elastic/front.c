/* The front of the space by label setting. A boundary's labels are the k-way merge of those of the
 * boundaries that options arrive from, each list shifted by its option's figures; lists are sorted
 * by rising cost, so a merged label is kept if and only if it has less damage than all before it.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/space.h"

/* ---- merging --------------------------------------------------------------------------------- */

/* An arriving option's way through the labels of the boundary that it starts from. */
typedef struct cursor {
  double cost; /* of label `at` with the option's added */
  double add_cost, add_damage;
  int32_t at, end, option;
} cursor;

typedef struct merger {
  cursor *cursor;           /* (options that arrive at one boundary, the most) owned */
  int32_t *heap;            /* (alike) numbers of cursors, a heap by (cost, number); owned */
  int32_t count;            /* in the heap */
  const anet__meter *meter; /* may be NULL */
  int32_t looks;            /* at labels, since the meter was last asked */
} merger;

enum { LOOKS_A_CHARGE = 1024 };

int anet__meter_charge(const anet__meter *meter, double labels, double bytes)
{
  if (!meter || meter->charge(meter->data, labels, bytes)) return ANET_OK;
  return anet_fail(ANET_RANGE, "front: %.0f bytes of labels are over the limit", bytes);
}

static int charge_looks(merger *m, const anet__labels *l)
{
  if (m->looks < LOOKS_A_CHARGE) return ANET_OK;
  const double looks = m->looks;
  m->looks = 0;
  return anet__meter_charge(m->meter, looks, (double)ANET_GROWING * l->capacity * sizeof *l->label);
}

static bool comes_before(const merger *m, int32_t a, int32_t b)
{
  const double x = m->cursor[a].cost, y = m->cursor[b].cost;
  return x < y || (x == y && a < b);
}

static void sift_down(merger *m, int32_t at)
{
  const int32_t moved = m->heap[at];
  for (int32_t child; (child = 2 * at + 1) < m->count; at = child) {
    if (child + 1 < m->count && comes_before(m, m->heap[child + 1], m->heap[child])) child++;
    if (!comes_before(m, m->heap[child], moved)) break;
    m->heap[at] = m->heap[child];
  }
  m->heap[at] = moved;
}

/* Move the first cursor on to its next label with less than `best` damage, if it has one. */
static void advance_first(merger *m, const anet__label *label, double best)
{
  cursor *c = &m->cursor[m->heap[0]];
  for (; c->at < c->end && label[c->at].damage + c->add_damage >= best; c->at++) m->looks++;
  if (c->at < c->end)
    c->cost = label[c->at].cost + c->add_cost;
  else
    m->heap[0] = m->heap[--m->count];
  if (m->count > 1) sift_down(m, 0);
}

static int push_label(anet__labels *l, const anet__label *label)
{
  if (l->count == l->capacity)
    ANET_TRY(anet__grow((void **)&l->label, &l->capacity, l->count, sizeof *l->label));
  l->label[l->count++] = *label;
  return ANET_OK;
}

/* Append the labels of the next boundary; the heap is its cursors. */
static int merge_labels(merger *m, double limit, anet__labels *l)
{
  const int32_t begin = l->count;
  double best = INFINITY;
  while (m->count > 0) {
    const cursor *c = &m->cursor[m->heap[0]];
    const anet__label next = {c->cost, l->label[c->at].damage + c->add_damage, c->at, c->option};
    if (next.cost > limit) return ANET_OK;
    if (next.damage < best) {
      /* an equal cost (rounding may make one) with more damage is dominated after all */
      if (l->count > begin && l->label[l->count - 1].cost == next.cost) l->count--;
      ANET_TRY(push_label(l, &next));
      best = next.damage;
    }
    m->looks++;
    advance_first(m, l->label, best);
    ANET_TRY(charge_looks(m, l));
  }
  return ANET_OK;
}

static void aim_cursors(merger *m, const anet_space *space, const anet__arrivals *arrivals,
                        int32_t boundary, const double *cost, const double *damage,
                        const anet__labels *l)
{
  m->count = 0;
  for (int32_t i = arrivals->first[boundary]; i < arrivals->first[boundary + 1]; i++) {
    const int32_t option = arrivals->option[i], from = space->option[option].position;
    if (l->first[from] == l->first[from + 1]) continue;
    cursor *c = &m->cursor[m->count];
    *c = (cursor){.add_cost = cost[option],
                  .add_damage = damage[option],
                  .at = l->first[from],
                  .end = l->first[from + 1],
                  .option = option};
    c->cost = l->label[c->at].cost + c->add_cost;
    m->heap[m->count] = m->count;
    m->count++;
  }
  for (int32_t i = m->count / 2 - 1; i >= 0; i--) sift_down(m, i);
}

static int check_figures(const anet_space *space, const double *cost, const double *damage)
{
  for (int32_t i = 0; i < space->options; i++) {
    const anet_option *o = &space->option[i];
    if (!isfinite(cost[i]) || cost[i] < 0)
      return anet_fail(ANET_RANGE, "position %d, gene %d: cost %g, want a finite one of at least 0",
                       o->position, o->gene, cost[i]);
    if (!isfinite(damage[i]))
      return anet_fail(ANET_RANGE, "position %d, gene %d: damage %g, want a finite one",
                       o->position, o->gene, damage[i]);
  }
  return ANET_OK;
}

static int merge_boundaries(merger *m, const anet_space *space, const anet__arrivals *arrivals,
                            const double *cost, const double *damage, double limit,
                            anet__labels *out)
{
  m->cursor = anet__alloc_array((size_t)space->options, sizeof *m->cursor);
  m->heap = anet__alloc_array((size_t)space->options, sizeof *m->heap);
  out->first = anet__alloc_array((size_t)space->positions + 2, sizeof *out->first);
  if (!m->cursor || !m->heap || !out->first) return ANET_NOMEM;
  ANET_TRY(push_label(out, &(anet__label){0, 0, -1, -1}));
  out->first[1] = 1;
  for (int32_t b = 1; b <= space->positions; b++) {
    aim_cursors(m, space, arrivals, b, cost, damage, out);
    ANET_TRY(merge_labels(m, limit, out));
    out->first[b + 1] = out->count;
  }
  return ANET_OK;
}

int anet__labels_new(const anet_space *space, const anet__arrivals *arrivals, const double *cost,
                     const double *damage, double limit, const anet__meter *meter,
                     anet__labels *out)
{
  merger m = {.meter = meter};
  *out = (anet__labels){0};
  ANET_TRY(check_figures(space, cost, damage));
  const int rc = merge_boundaries(&m, space, arrivals, cost, damage, limit, out);
  anet__free(m.heap);
  anet__free(m.cursor);
  if (rc) anet__labels_free(out);
  return rc;
}

void anet__labels_free(anet__labels *labels)
{
  anet__free(labels->label);
  anet__free(labels->first);
  *labels = (anet__labels){0};
}

/* ---- the front --------------------------------------------------------------------------------
 */

struct anet_front {
  int32_t count, positions;
  double *cost, *damage; /* (count) owned */
  uint8_t *genome;       /* (count, positions) owned */
};

static void trace_genome(const anet_space *space, const anet__labels *labels, int32_t at,
                         uint8_t *genome)
{
  memset(genome, ANET_COVERED, (size_t)space->positions);
  for (const anet__label *l = &labels->label[at]; l->option >= 0; l = &labels->label[l->parent])
    genome[space->option[l->option].position] = (uint8_t)space->option[l->option].gene;
}

static int fill_front(const anet_space *space, const anet__labels *labels, anet_front *front)
{
  const int32_t begin = labels->first[space->positions], count = labels->count - begin;
  front->positions = space->positions;
  front->count = count;
  front->cost = anet__alloc_array((size_t)count, sizeof *front->cost);
  front->damage = anet__alloc_array((size_t)count, sizeof *front->damage);
  front->genome = anet__alloc_array((size_t)count, (size_t)space->positions);
  if (!front->cost || !front->damage || !front->genome) return ANET_NOMEM;
  for (int32_t i = 0; i < count; i++) {
    front->cost[i] = labels->label[begin + i].cost;
    front->damage[i] = labels->label[begin + i].damage;
    trace_genome(space, labels, begin + i, front->genome + (size_t)i * (size_t)space->positions);
  }
  return ANET_OK;
}

/* The genomes of the last boundary's labels, before they are written. */
static int charge_genomes(const anet_space *space, const anet__labels *labels,
                          const anet__meter *meter)
{
  const double count = labels->count - labels->first[space->positions];
  const double bytes = count * (space->positions + 2.0 * sizeof(double));
  return anet__meter_charge(meter, count, bytes + (double)labels->capacity * sizeof *labels->label);
}

int anet__space_front(const anet_space *space, const double *cost, const double *damage,
                      const anet__meter *meter, anet_front **out)
{
  anet__arrivals arrivals;
  anet__labels labels = {0};
  anet_front *front = NULL;
  *out = NULL;
  ANET_TRY(anet__arrivals_new(space, &arrivals));
  int rc = anet__labels_new(space, &arrivals, cost, damage, INFINITY, meter, &labels);
  if (rc) goto done;
  if ((rc = charge_genomes(space, &labels, meter))) goto done;
  rc = ANET_NOMEM;
  if (!(front = anet__alloc(sizeof *front))) goto done;
  if ((rc = fill_front(space, &labels, front))) goto done;
  *out = front;
  front = NULL;
done:
  anet_front_release(front);
  anet__labels_free(&labels);
  anet__arrivals_free(&arrivals);
  return rc;
}

int anet_space_front(const anet_space *space, const double *cost, const double *damage,
                     anet_front **out)
{
  return anet__space_front(space, cost, damage, NULL, out);
}

void anet_front_release(anet_front *front)
{
  if (!front) return;
  anet__free(front->cost);
  anet__free(front->damage);
  anet__free(front->genome);
  anet__free(front);
}

int32_t anet_front_count(const anet_front *front)
{
  return front->count;
}

int anet_front_get(const anet_front *front, int32_t index, uint8_t *genome, double *cost,
                   double *damage)
{
  if (index < 0 || index >= front->count)
    return anet_fail(ANET_RANGE, "front: point %d, want 0 to %d", index, front->count - 1);
  const size_t positions = (size_t)front->positions;
  memcpy(genome, front->genome + (size_t)index * positions, positions);
  *cost = front->cost[index];
  *damage = front->damage[index];
  return ANET_OK;
}
