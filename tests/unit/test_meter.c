/* What the searches charge while they run: steps and bytes apart, each step once, at least the
 * bytes that are held, and nothing any more once a charge was refused. */
#include "base/alloc.h"
#include "elastic/space.h"
#include "support/test.h"

enum { MOST_CHARGES = 4096, ALL = MOST_CHARGES + 1, LABEL = sizeof(anet__label), MANY = 14 };

/* A meter that writes down what it is asked, and refuses from charge `refused` on. */
typedef struct record {
  double steps[MOST_CHARGES], bytes[MOST_CHARGES], held[MOST_CHARGES];
  size_t before; /* bytes alive before the search */
  int32_t count, refused;
} record;

static size_t alive(void)
{
  anet__alloc_stats stats;
  anet__alloc_read(&stats);
  return stats.live_bytes;
}

static bool charge(void *data, double steps, double bytes)
{
  record *r = data;
  if (r->count >= MOST_CHARGES) return false;
  r->steps[r->count] = steps;
  r->bytes[r->count] = bytes;
  r->held[r->count] = (double)(alive() - r->before);
  return r->count++ < r->refused;
}

static record *record_new(int32_t refused)
{
  static record r;
  r = (record){.refused = refused, .before = alive()};
  return &r;
}

/* Each position may be skipped. */
static anet_space *skips(int32_t positions)
{
  static const int32_t trunk[ANET_MAX_POSITIONS];
  anet_space *space;
  CHECK_OK(anet_space_new(trunk, positions, &space));
  for (int32_t p = 0; p < positions; p++) {
    const anet_option o = {.kind = ANET_SKIP, .position = p, .span = 1, .width = 1};
    CHECK_OK(anet_space_add(space, &o));
  }
  return space;
}

/* What one saves another loses: all 2^positions genomes are on the front. */
static void trade(int32_t positions, double *cost, double *damage)
{
  for (int32_t p = 0; p < positions; p++) {
    cost[2 * p] = damage[2 * p + 1] = (double)(1 << p);
    cost[2 * p + 1] = damage[2 * p] = 0;
  }
}

/* Every label is looked at twice: where it is merged, and where the next one is looked for. */
TEST(a_front_charges_every_look_once)
{
  anet_space *space = skips(MANY);
  double cost[2 * MANY], damage[2 * MANY];
  anet_front *front;
  trade(MANY, cost, damage);
  record *r = record_new(ALL);
  const anet__meter meter = {charge, r};
  CHECK_OK(anet__space_front(space, cost, damage, &meter, &front));
  const double genomes = 1 << MANY, labels = 2 * genomes - 1, looks = 2 * (labels - 1);
  CHECK_EQ_I(anet_front_count(front), genomes);
  CHECK_EQ_I(r->count, (int32_t)(looks / 1024) + 1);
  for (int32_t i = 0; i + 1 < r->count; i++) {
    const double known = 1 + 512.0 * (i + 1); /* labels by then: two looks each, and the start */
    if (r->steps[i] != 1024) TEST_FAIL("charge %d: %g steps, want 1024", i, r->steps[i]);
    double room = 8; /* a list that doubles, and is beside its next self for a while */
    while (room < known) room *= 2;
    if (r->bytes[i] != 3 * room * LABEL)
      TEST_FAIL("charge %d: %g bytes of %g labels", i, r->bytes[i], known);
    if (!(r->bytes[i] >= r->held[i] - 4096))
      TEST_FAIL("charge %d: %g bytes, %g are held", i, r->bytes[i], r->held[i]);
  }
  /* the last one is for the genomes that will be written, beside the labels' room */
  const int32_t last = r->count - 1;
  CHECK_EQ_I(r->steps[last], genomes);
  const double room = (r->bytes[last] - genomes * (MANY + 16)) / LABEL;
  if (!(room >= labels && room <= 2 * labels && room == floor(room)))
    TEST_FAIL("room for %g labels, there are %g", room, labels);
  anet_front_release(front);
  anet_space_release(space);
}

/* Those that are passed over because they do too much damage are looked at too. */
TEST(labels_that_are_passed_over_are_charged)
{
  enum { CHOICES = 11 };
  anet_space *space = skips(CHOICES + 1);
  double cost[2 * (CHOICES + 1)], damage[2 * (CHOICES + 1)];
  anet_front *front;
  trade(CHOICES, cost, damage);
  cost[2 * CHOICES] = damage[2 * CHOICES] = 0;
  cost[2 * CHOICES + 1] = damage[2 * CHOICES + 1] = 0.5; /* never of use */
  record *r = record_new(ALL);
  const anet__meter meter = {charge, r};
  double steps = 0;
  CHECK_OK(anet__space_front(space, cost, damage, &meter, &front));
  CHECK_EQ_I(anet_front_count(front), 1 << CHOICES);
  for (int32_t i = 0; i + 1 < r->count; i++) steps += r->steps[i];
  /* two a label that is kept (4 x 2^11 less the start); of the useless ones each at least once */
  const double least = 2 * (3 * (1 << CHOICES) - 2) + (1 << CHOICES) - 1024;
  if (!(steps >= least && steps <= least + 1024 + 4 * (1 << CHOICES)))
    TEST_FAIL("%g steps, want at least %g", steps, least);
  anet_front_release(front);
  anet_space_release(space);
}

/* One genome: its partials are opened one by one, from the last position to the first. Each takes a
 * halving of the labels for each option behind it and its own. */
TEST(best_charges_more_the_longer_the_partials)
{
  enum { POSITIONS = 5 };
  static const int32_t trunk[POSITIONS];
  const double zero[POSITIONS] = {0};
  anet_space *space;
  uint8_t genome[POSITIONS];
  int32_t found;
  CHECK_OK(anet_space_new(trunk, POSITIONS, &space));
  record *r = record_new(ALL);
  const anet__meter meter = {charge, r};
  CHECK_OK(anet__space_best(space, zero, zero, 0, 1, &meter, genome, &found));
  CHECK_EQ_I(found, 1);
  CHECK_EQ_I(r->count, POSITIONS);
  for (int32_t i = 0; i < r->count; i++) {
    CHECK_NEAR(r->steps[i], 3 * (i + 1) / 4.0, 1e-12); /* 6 labels: 3 halvings of 2 and them */
    CHECK_EQ_I(r->bytes[i], r->bytes[0]);              /* lists of 8 have room for all */
    CHECK(r->bytes[i] >= 8 * LABEL + 3 * 8 * (8 + 12 + 4));
    CHECK(r->bytes[i] <= 8 * LABEL + 3 * 8 * (8 + 16 + 8));
  }
  anet_space_release(space);
}

/* Two options a position: each opening looks at both. */
TEST(best_charges_each_option_it_opens)
{
  anet_space *space = skips(4);
  const double zero[8] = {0};
  uint8_t genome[4];
  int32_t found;
  record *r = record_new(ALL);
  const anet__meter meter = {charge, r};
  CHECK_OK(anet__space_best(space, zero, zero, 0, 1, &meter, genome, &found));
  CHECK_EQ_I(r->count, 4);
  for (int32_t i = 0; i < r->count; i++) CHECK_NEAR(r->steps[i], 2 * log2(7) * (i + 1) / 4, 1e-12);
  anet_space_release(space);
}

TEST(best_charges_what_it_holds)
{
  enum { POSITIONS = 9, K = 400 };
  anet_space *space = skips(POSITIONS);
  double cost[2 * POSITIONS], damage[2 * POSITIONS];
  static uint8_t genomes[K * POSITIONS];
  int32_t found;
  trade(POSITIONS, cost, damage);
  record *r = record_new(ALL);
  const anet__meter meter = {charge, r};
  CHECK_OK(anet__space_best(space, cost, damage, 1e9, K, &meter, genomes, &found));
  CHECK_EQ_I(found, K);
  CHECK(r->count > K);
  int32_t first = 0; /* opening; the labels come before */
  while (r->steps[first] == 1024) first++;
  for (int32_t i = first; i < r->count; i++) {
    if (i > first && r->bytes[i] < r->bytes[i - 1])
      TEST_FAIL("charge %d: %g bytes after %g", i, r->bytes[i], r->bytes[i - 1]);
    if (!(r->bytes[i] >= r->held[i] - 2048 && r->bytes[i] <= 3 * r->held[i] + 2048))
      TEST_FAIL("charge %d: %g bytes, %g are held", i, r->bytes[i], r->held[i]);
  }
  const double more = r->bytes[r->count - 1] - r->bytes[first];
  const double lists =
      3 * (r->count - first) * (8 + 12 + 4.0); /* each opening makes two partials or so */
  if (!(more >= lists && more <= 6 * lists))
    TEST_FAIL("%g bytes more, for partials of %g", more, lists);
  anet_space_release(space);
}

/* The search ends with the charge that is refused, names its bytes, and gives all memory back. */
TEST(a_refused_charge_ends_the_search)
{
  anet_space *space = skips(12);
  double cost[24], damage[24];
  static uint8_t genomes[64 * 12];
  trade(12, cost, damage);
  for (int32_t nth = 0; nth < 8; nth++)
    for (int32_t best = 0; best < 2; best++) {
      record *r = record_new(nth);
      const anet__meter meter = {charge, r};
      anet_front *front = (anet_front *)genomes;
      int32_t found = 7;
      char want[128];
      const int rc = best ? anet__space_best(space, cost, damage, 1e9, 64, &meter, genomes, &found)
                          : anet__space_front(space, cost, damage, &meter, &front);
      CHECK_EQ_I(rc, ANET_RANGE);
      CHECK_EQ_I(r->count, nth + 1);
      snprintf(want, sizeof want, "front: %.0f bytes of labels are over the limit", r->bytes[nth]);
      CHECK_EQ_S(anet_error(), want);
      if (best)
        CHECK_EQ_I(found, 0);
      else
        CHECK(!front);
      CHECK_EQ_I(alive(), r->before);
    }
  /* the genomes' own charge, the last of a front: 16 of 1024 looks come before it */
  record *r = record_new(15);
  const anet__meter meter = {charge, r};
  anet_front *front;
  CHECK_FAILS(anet__space_front(space, cost, damage, &meter, &front), ANET_RANGE, "over the limit");
  CHECK_EQ_I(r->steps[15], 1 << 12);
  CHECK(!front);
  CHECK_EQ_I(alive(), r->before);
  anet_space_release(space);
}

TEST_MAIN(CASE(a_front_charges_every_look_once), CASE(labels_that_are_passed_over_are_charged),
          CASE(best_charges_more_the_longer_the_partials), CASE(best_charges_each_option_it_opens),
          CASE(best_charges_what_it_holds), CASE(a_refused_charge_ends_the_search))
