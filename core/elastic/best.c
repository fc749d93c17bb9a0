/* The k least damaging genomes within a budget. Labels tell for each boundary how little damage
 * the positions before it can do at what cost; the search goes from the last position back to the
 * first, always on with the partial genome that can end best (A* with an exact bound), so it
 * opens hardly more than the k answers' own partial genomes. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/space.h"

/* A partial genome: its options from `boundary` to the end. */
typedef struct partial {
  double bound; /* damage of the best genome that ends so */
  int32_t boundary;
  int32_t parent, option; /* the partial that it adds `option` to; -1: the empty one */
} partial;

typedef struct finder {
  const anet_space *space;
  const double *cost, *damage;
  double budget;
  const anet__meter *meter; /* may be NULL */
  anet__arrivals arrivals;
  anet__labels labels;
  partial *part; /* all partials ever opened, owned */
  int32_t parts, part_capacity;
  int32_t *heap; /* those not looked at yet: a heap by (bound, boundary, age); owned */
  int32_t count, capacity;
} finder;

/* ---- the heap -------------------------------------------------------------------------------- */

/* Among equals the one that is nearer to its end, so that ties are not searched breadth first. */
static bool comes_before(const finder *f, int32_t a, int32_t b)
{
  const partial *x = &f->part[a], *y = &f->part[b];
  if (x->bound != y->bound) return x->bound < y->bound;
  if (x->boundary != y->boundary) return x->boundary < y->boundary;
  return a < b;
}

static int heap_push(finder *f, int32_t part)
{
  ANET_TRY(anet__grow((void **)&f->heap, &f->capacity, f->count, sizeof *f->heap));
  int32_t at = f->count++;
  for (; at > 0 && comes_before(f, part, f->heap[(at - 1) / 2]); at = (at - 1) / 2)
    f->heap[at] = f->heap[(at - 1) / 2];
  f->heap[at] = part;
  return ANET_OK;
}

static int32_t heap_pop(finder *f)
{
  const int32_t top = f->heap[0], moved = f->heap[--f->count];
  int32_t at = 0;
  for (int32_t child; (child = 2 * at + 1) < f->count; at = child) {
    if (child + 1 < f->count && comes_before(f, f->heap[child + 1], f->heap[child])) child++;
    if (!comes_before(f, f->heap[child], moved)) break;
    f->heap[at] = f->heap[child];
  }
  f->heap[at] = moved;
  return top;
}

/* ---- the search -------------------------------------------------------------------------------
 */

/* start + the figures of a partial's options, summed from its first position on, as labels and
 * genomes are: so bounds are exact to the last bit. */
static double finish(const finder *f, double start, const double *figure, int32_t part)
{
  for (const partial *p = &f->part[part]; p->option >= 0; p = &f->part[p->parent])
    start += figure[p->option];
  return start;
}

/* The dearest label that the partial can follow within the budget, by halving; -1: none. Dearer
 * labels do less damage. */
static int32_t best_label(const finder *f, int32_t part)
{
  const int32_t begin = f->labels.first[f->part[part].boundary];
  int32_t low = begin, high = f->labels.first[f->part[part].boundary + 1];
  while (low < high) {
    const int32_t middle = low + (high - low) / 2;
    if (finish(f, f->labels.label[middle].cost, f->cost, part) <= f->budget)
      low = middle + 1;
    else
      high = middle;
  }
  return low > begin ? low - 1 : -1;
}

static int open_partial(finder *f, int32_t boundary, int32_t parent, int32_t option)
{
  const int32_t part = f->parts;
  ANET_TRY(anet__grow((void **)&f->part, &f->part_capacity, part, sizeof *f->part));
  f->part[part] = (partial){.boundary = boundary, .parent = parent, .option = option};
  const int32_t label = best_label(f, part);
  if (label < 0) return ANET_OK;
  f->part[part].bound = finish(f, f->labels.label[label].damage, f->damage, part);
  f->parts++;
  return heap_push(f, part);
}

/* What opening the partials before `parent` takes: each looks at its own options once for every
 * halving of the labels. */
static int charge_opening(const finder *f, int32_t parent)
{
  const int32_t boundary = f->part[parent].boundary;
  const double opened = f->arrivals.first[boundary + 1] - f->arrivals.first[boundary];
  const double halvings = log2(2.0 + f->labels.count), options = f->space->positions - boundary + 1;
  const double growing =
      (double)f->part_capacity * sizeof *f->part + (double)f->capacity * sizeof *f->heap;
  const double bytes =
      (double)f->labels.capacity * sizeof *f->labels.label + ANET_GROWING * growing;
  return anet__meter_charge(f->meter, opened * halvings * options / 4, bytes);
}

static int open_next(finder *f, int32_t parent)
{
  const int32_t boundary = f->part[parent].boundary;
  ANET_TRY(charge_opening(f, parent));
  for (int32_t i = f->arrivals.first[boundary]; i < f->arrivals.first[boundary + 1]; i++) {
    const int32_t option = f->arrivals.option[i];
    ANET_TRY(open_partial(f, f->space->option[option].position, parent, option));
  }
  return ANET_OK;
}

static void write_genome(const finder *f, int32_t at, uint8_t *genome)
{
  memset(genome, ANET_COVERED, (size_t)f->space->positions);
  for (const partial *p = &f->part[at]; p->option >= 0; p = &f->part[p->parent])
    genome[f->space->option[p->option].position] = (uint8_t)f->space->option[p->option].gene;
}

static int find_best(finder *f, int32_t k, uint8_t *genomes, int32_t *found)
{
  const size_t positions = (size_t)f->space->positions;
  ANET_TRY(open_partial(f, f->space->positions, -1, -1));
  while (*found < k && f->count > 0) {
    const int32_t at = heap_pop(f);
    if (f->part[at].boundary > 0)
      ANET_TRY(open_next(f, at));
    else
      write_genome(f, at, genomes + (size_t)(*found)++ * positions);
  }
  return ANET_OK;
}

static int check_budget(const finder *f)
{
  anet__labels all;
  const int32_t end = f->space->positions;
  if (f->labels.first[end] < f->labels.first[end + 1]) return ANET_OK;
  ANET_TRY(anet__labels_new(f->space, &f->arrivals, f->cost, f->damage, INFINITY, f->meter, &all));
  const double least = all.label[all.first[end]].cost;
  anet__labels_free(&all);
  return anet_fail(ANET_INFEASIBLE, "no genome costs %g or less: the least is %g", f->budget,
                   least);
}

int anet__space_best(const anet_space *space, const double *cost, const double *damage,
                     double budget, int32_t k, const anet__meter *meter, uint8_t *genomes,
                     int32_t *found)
{
  finder f = {.space = space, .cost = cost, .damage = damage, .budget = budget, .meter = meter};
  *found = 0;
  if (isnan(budget)) return anet_fail(ANET_RANGE, "best: the budget is not a number");
  if (k < 1) return anet_fail(ANET_RANGE, "best: got k = %d, want 1 or more", k);
  ANET_TRY(anet__arrivals_new(space, &f.arrivals));
  int rc = anet__labels_new(space, &f.arrivals, cost, damage, budget, meter, &f.labels);
  if (!rc) rc = check_budget(&f);
  if (!rc) rc = find_best(&f, k, genomes, found);
  if (rc) *found = 0;
  anet__free(f.heap);
  anet__free(f.part);
  anet__labels_free(&f.labels);
  anet__arrivals_free(&f.arrivals);
  return rc;
}

int anet_space_best(const anet_space *space, const double *cost, const double *damage,
                    double budget, int32_t k, uint8_t *genomes, int32_t *found)
{
  return anet__space_best(space, cost, damage, budget, k, NULL, genomes, found);
}
