/* The front and the k best genomes, against brute force on random small spaces. */
#include <stdlib.h>

#include "base/alloc.h"
#include "support/test.h"

enum { MOST_POSITIONS = 6, MOST_OPTIONS = 64, MOST_GENOMES = 20000 };

typedef struct point {
  double cost, damage;
} point;

typedef struct fixture {
  anet_space *space;
  double cost[MOST_OPTIONS], damage[MOST_OPTIONS];
  point point[MOST_GENOMES]; /* of all genomes */
  int32_t points;
} fixture;

/* Figures of small integers make ties; real ones do not. */
static double figure(anet_rng *rng, int integers)
{
  return integers ? anet_rng_int(rng, 0, 4) : anet_rng_uniform(rng);
}

static void walk(fixture *f, int32_t position, point sum)
{
  anet_option o;
  if (position == anet_space_positions(f->space)) {
    f->point[f->points++] = sum;
    return;
  }
  for (int32_t g = 0; g < anet_space_genes(f->space, position); g++) {
    const int32_t i = anet_space_index(f->space, position, g);
    anet_space_option(f->space, i, &o);
    walk(f, position + o.span, (point){sum.cost + f->cost[i], sum.damage + f->damage[i]});
  }
}

static void fixture_new(fixture *f, anet_rng *rng)
{
  const int32_t positions = anet_rng_int(rng, 1, MOST_POSITIONS),
                integers = anet_rng_int(rng, 0, 1);
  int32_t trunk[MOST_POSITIONS];
  for (int32_t p = 0; p < positions; p++) trunk[p] = p && anet_rng_int(rng, 0, 4) == 0 ? p : 0;
  CHECK_OK(anet_space_new(trunk, positions, &f->space));
  for (int32_t p = 0; p < positions; p++)
    for (int32_t tries = 0; tries < 4; tries++) {
      const int32_t span = anet_rng_int(rng, 1, 3);
      const anet_option o = {
          .kind = span > 1 ? ANET_MERGE : ANET_SKIP, .position = p, .span = span, .width = 1};
      anet_space_add(f->space, &o); /* what does not fit is not added */
    }
  for (int32_t i = 0; i < anet_space_options(f->space); i++) {
    f->cost[i] = figure(rng, integers);
    f->damage[i] = figure(rng, integers) - 1;
  }
  f->points = 0;
  walk(f, 0, (point){0, 0});
}

static int by_cost(const void *a, const void *b)
{
  const point *x = a, *y = b;
  if (x->cost != y->cost) return x->cost < y->cost ? -1 : 1;
  return (x->damage > y->damage) - (x->damage < y->damage);
}

static int by_damage(const void *a, const void *b)
{
  const point *x = a, *y = b;
  return (x->damage > y->damage) - (x->damage < y->damage);
}

static int32_t prune(point *p, int32_t count)
{
  int32_t kept = 0;
  qsort(p, (size_t)count, sizeof *p, by_cost);
  for (int32_t i = 0; i < count; i++)
    if (!kept || p[i].damage < p[kept - 1].damage) p[kept++] = p[i];
  return kept;
}

static point figures_of(const fixture *f, const uint8_t *genome)
{
  point sum = {0, 0};
  for (int32_t p = 0; p < anet_space_positions(f->space); p++) {
    if (genome[p] == ANET_COVERED) continue;
    const int32_t i = anet_space_index(f->space, p, genome[p]);
    sum.cost += f->cost[i], sum.damage += f->damage[i];
  }
  return sum;
}

static void check_front(fixture *f, int32_t seed)
{
  anet_front *front;
  uint8_t genome[MOST_POSITIONS];
  point got;
  CHECK_OK(anet_space_front(f->space, f->cost, f->damage, &front));
  const int32_t count = prune(f->point, f->points);
  if (anet_front_count(front) != count)
    TEST_FAIL("seed %d: %d points, want %d", seed, anet_front_count(front), count);
  for (int32_t i = 0; i < anet_front_count(front) && i < count; i++) {
    CHECK_OK(anet_front_get(front, i, genome, &got.cost, &got.damage));
    CHECK_OK(anet_genome_check(f->space, genome));
    const point sum = figures_of(f, genome), want = f->point[i];
    if (got.cost != want.cost || got.damage != want.damage || sum.cost != want.cost ||
        sum.damage != want.damage)
      TEST_FAIL("seed %d, point %d: got (%g, %g), genome's (%g, %g), want (%g, %g)", seed, i,
                got.cost, got.damage, sum.cost, sum.damage, want.cost, want.damage);
  }
  CHECK_FAILS(anet_front_get(front, anet_front_count(front), genome, &got.cost, &got.damage),
              ANET_RANGE, "front");
  anet_front_release(front);
}

static void check_best(fixture *f, int32_t k, double budget, int32_t seed)
{
  static uint8_t genome[MOST_GENOMES * MOST_POSITIONS];
  const int32_t positions = anet_space_positions(f->space);
  int32_t want = 0, found;
  qsort(f->point, (size_t)f->points, sizeof *f->point, by_cost);
  while (want < f->points && f->point[want].cost <= budget) want++;
  if (want == 0) {
    CHECK_FAILS(anet_space_best(f->space, f->cost, f->damage, budget, k, genome, &found),
                ANET_INFEASIBLE, "least");
    return;
  }
  qsort(f->point, (size_t)want, sizeof *f->point, by_damage);
  CHECK_OK(anet_space_best(f->space, f->cost, f->damage, budget, k, genome, &found));
  if (found != (want < k ? want : k))
    TEST_FAIL("seed %d: found %d of %d, k %d", seed, found, want, k);
  for (int32_t i = 0; i < found; i++) {
    const uint8_t *g = genome + i * positions;
    const point sum = figures_of(f, g);
    CHECK_OK(anet_genome_check(f->space, g));
    if (sum.cost > budget || sum.damage != f->point[i].damage)
      TEST_FAIL("seed %d, best %d of %d: got (%g, %g), want damage %g within %g", seed, i, k,
                sum.cost, sum.damage, f->point[i].damage, budget);
    for (int32_t j = 0; j < i; j++)
      CHECK(memcmp(g, genome + j * positions, (size_t)positions) != 0);
  }
}

TEST(against_brute_force)
{
  static fixture f;
  for (int32_t seed = 0; seed < 1000; seed++) {
    anet_rng rng;
    anet_rng_seed(&rng, seed);
    fixture_new(&f, &rng);
    const double some_cost = f.point[anet_rng_int(&rng, 0, f.points - 1)].cost;
    check_best(&f, anet_rng_int(&rng, 1, 20), some_cost, seed);
    check_best(&f, anet_rng_int(&rng, 1, 20), some_cost - 1e-9, seed);
    check_front(&f, seed); /* last: it prunes the points */
    anet_space_release(f.space);
  }
}

TEST(figures_are_checked)
{
  const int32_t trunk[2] = {0};
  double cost[2] = {1, 1}, damage[2] = {0, 0};
  anet_space *space;
  anet_front *front;
  uint8_t genome[2];
  int32_t found;
  CHECK_OK(anet_space_new(trunk, 2, &space));
  cost[1] = -1;
  CHECK_FAILS(anet_space_front(space, cost, damage, &front), ANET_RANGE,
              "position 1, gene 0: cost -1");
  CHECK(!front);
  cost[1] = 1, damage[0] = NAN;
  CHECK_FAILS(anet_space_front(space, cost, damage, &front), ANET_RANGE, "damage");
  damage[0] = 0;
  CHECK_FAILS(anet_space_best(space, cost, damage, 1.5, 1, genome, &found), ANET_INFEASIBLE,
              "the least is 2");
  CHECK_FAILS(anet_space_best(space, cost, damage, NAN, 1, genome, &found), ANET_RANGE, "budget");
  CHECK_FAILS(anet_space_best(space, cost, damage, 2, 0, genome, &found), ANET_RANGE, "k = 0");
  CHECK_EQ_I(found, 0);
  anet_space_release(space);
}

/* Every allocation fails once. */
static int search(const fixture *f)
{
  anet_front *front = NULL;
  uint8_t genome[MOST_POSITIONS * 8];
  int32_t found;
  int rc = anet_space_front(f->space, f->cost, f->damage, &front);
  if (!rc) rc = anet_space_best(f->space, f->cost, f->damage, 1e9, 8, genome, &found);
  anet_front_release(front);
  return rc;
}

TEST(memory_runs_out)
{
  static fixture f;
  anet_memory before, after;
  anet_rng rng;
  anet_rng_seed(&rng, 12);
  fixture_new(&f, &rng);
  anet_memory_read(&before);
  for (int64_t n = 0;; n++) {
    anet__alloc_arm(n);
    const int rc = search(&f);
    const bool fired = anet__alloc_fired();
    anet__alloc_arm(-1);
    anet_memory_read(&after);
    CHECK(after.live_bytes == before.live_bytes);
    if (!fired) break;
    CHECK_EQ_I(rc, ANET_NOMEM);
  }
  anet_space_release(f.space);
}

/* Nothing but ties: a search that went breadth first would never end. */
TEST(all_alike)
{
  enum { POSITIONS = 200, K = 50 };
  static int32_t trunk[POSITIONS];
  static double zero[POSITIONS * 3];
  static uint8_t genome[POSITIONS * K];
  anet_space *space;
  int32_t found;
  CHECK_OK(anet_space_new(trunk, POSITIONS, &space));
  for (int32_t p = 0; p < POSITIONS; p++)
    for (int32_t span = 2; span <= 3 && p + span <= POSITIONS; span++) {
      const anet_option o = {.kind = ANET_MERGE, .position = p, .span = span, .width = 1};
      CHECK_OK(anet_space_add(space, &o));
    }
  CHECK_OK(anet_space_best(space, zero, zero, 0, K, genome, &found));
  CHECK_EQ_I(found, K);
  anet_space_release(space);
}

TEST_MAIN(CASE(against_brute_force), CASE(figures_are_checked), CASE(memory_runs_out),
          CASE(all_alike))
