/* The arithmetic of profiles, on samples made here in the place of measure/probe.c: every option
 * has a known time, the machine is slow for a while, some samples are far off. */
#include <math.h>
#include <stdlib.h>

#include "elastic/supernet.h"
#include "measure/probe.h"
#include "measure/table.h"
#include "support/elastic.h"
#include "support/fault.h"
#include "support/test.h"
#include "support/zoo.h"

enum { MOST = 256, PHASE = 40 };

/* What the machine does at a call of the probe: slower in one phase of three, or in two. */
static struct {
  const anet_space *space;
  double ms[MOST], cold[MOST], fixed; /* ms: what the marks between positions tell */
  double whole;                       /* a run from end to end over the sum of its parts */
  double slow, outlier;               /* factors of a busy phase, and of each ninth sample */
  int64_t calls, warm, references, totals;
  double crowd; /* what whole runs take longer for each option that is not keep */
  bool often;
  uint8_t seen[3 * 64][ANET_MAX_POSITIONS]; /* genomes that were run as a whole */
  int32_t batch;
  double region[ANET_MAX_POSITIONS + 1];
} machine;

static double pace(void)
{
  const int64_t call = machine.calls++;
  return (call / PHASE % 3 == 1) != machine.often ? machine.slow : 1;
}

static double parts(const uint8_t *genome, const double *ms, double pace, double outlier)
{
  double sum = machine.region[0] = machine.fixed * pace;
  for (int32_t i = 0; i < anet_space_positions(machine.space); i++) {
    if (genome[i] == ANET_COVERED) continue;
    const double time = ms[anet_space_index(machine.space, i, genome[i])] * pace;
    sum += time;
    machine.region[i + 1] = time * outlier;
  }
  return sum;
}

static double oracle_sum(void)
{
  const uint8_t keep[ANET_MAX_POSITIONS] = {0};
  return parts(keep, machine.ms, 1, 1);
}

int anet__probe_new(anet_supernet *supernet, anet_pool *pool, int32_t batch, anet__probe *out)
{
  (void)pool;
  machine.space = anet_supernet_space(supernet);
  machine.batch = batch;
  *out = (anet__probe){.region = machine.region, .positions = anet_space_positions(machine.space)};
  return ANET_OK;
}

void anet__probe_free(anet__probe *probe)
{
  (void)probe;
}

int anet__probe_reference(anet__probe *probe)
{
  machine.references++;
  const double now = pace();
  probe->reference_ms = machine.whole * oracle_sum() * now;
  return ANET_OK;
}

int anet__probe_total(anet__probe *probe, const uint8_t *genome)
{
  if (machine.totals < ANET_COUNT(machine.seen))
    memcpy(machine.seen[machine.totals], genome, (size_t)anet_space_positions(machine.space));
  machine.totals++;
  const double now = pace();
  int32_t changed = 0;
  for (int32_t i = 0; i < anet_space_positions(machine.space); i++) changed += genome[i] != 0;
  probe->total_ms =
      machine.whole * parts(genome, machine.ms, now, 1) * (1 + machine.crowd * changed);
  return ANET_OK;
}

int anet__probe_regions(anet__probe *probe, const uint8_t *genome)
{
  const double now = pace();
  const double outlier = machine.warm++ % 9 == 0 ? machine.outlier : 1;
  probe->total_ms = machine.whole * parts(genome, machine.ms, now, outlier);
  return ANET_OK;
}

int anet__probe_cold(anet__probe *probe, const uint8_t *genome)
{
  (void)probe;
  parts(genome, machine.cold, 1, 1);
  return ANET_OK;
}

double anet__probe_disturbed(const anet__probe *probe)
{
  (void)probe;
  return 0.25;
}

static anet_supernet *make_supernet(void)
{
  const int32_t widths[3] = {8, 8, 16};
  anet_net *oracle = zoo_resnet20(8, widths, 2, 10, 1);
  anet_supernet *supernet = elastic_supernet(oracle);
  anet_net_release(oracle);
  CHECK_OK(anet_supernet_seal(supernet));
  return supernet;
}

static void begin(double whole, double slow, double outlier)
{
  memset(&machine, 0, sizeof machine);
  machine.whole = whole;
  machine.slow = slow;
  machine.outlier = outlier;
  machine.fixed = 0.5;
  for (int32_t i = 0; i < MOST; i++) {
    machine.ms[i] = 0.2 + 0.05 * (i * 7 % 11);
    machine.cold[i] = 3 + i;
  }
}

static anet_table *profiled(anet_supernet *supernet, const anet_profile_desc *desc)
{
  anet_table *table = NULL;
  CHECK_OK(anet_profile(supernet, NULL, desc, &table));
  return table;
}

/* Times are those of quiet moments, on the scale of whole runs. */
static void check_table(anet_supernet *supernet, double tolerance)
{
  const anet_profile_desc desc = {.rounds = 30, .held_out = 40, .batch = 3, .seed = 5};
  anet_table *table = profiled(supernet, &desc);
  for (int32_t i = 0; i < table->options; i++) {
    const double want = machine.whole * machine.ms[i];
    CHECK_NEAR(table->ms[i], want, tolerance * want);
    CHECK_NEAR(table->cold_ms[i], machine.cold[i], 1e-12);
    if (machine.slow == 1 && machine.outlier == 1) CHECK_NEAR(table->error[i], 0, 1e-12);
  }
  CHECK_NEAR(table->fixed_ms, machine.whole * machine.fixed, tolerance * machine.whole);
  const double oracle = machine.whole * oracle_sum();
  CHECK_NEAR(table->oracle_ms, oracle, tolerance * oracle);
  CHECK_NEAR(table->median_error, 0, tolerance);
  CHECK_NEAR(table->p95_error, 0, machine.slow == 1 ? tolerance : 1);
  CHECK(table->median_error <= table->p95_error);
  CHECK(table->oracle_error <= 0.1 || machine.often);
  if (machine.often) CHECK_NEAR(table->oracle_error, machine.slow - 1, 1e-9); /* its median */
  CHECK_NEAR(table->drift, machine.slow, 1e-9);
  CHECK_NEAR(table->disturbed, 0.25, 0);
  CHECK_EQ_I(table->batch, 3);
  CHECK_EQ_I(machine.batch, 3);
  CHECK_EQ_I(table->rounds, 30);
  CHECK_EQ_I(table->threads, 1);
  CHECK(table->seconds >= 0 && table->seconds < 60);
  CHECK_OK(anet_table_check(table, 1));
  anet_table_release(table);
}

TEST(a_quiet_machine)
{
  anet_supernet *supernet = make_supernet();
  begin(1, 1, 1);
  check_table(supernet, 1e-9);
  begin(1.25, 1, 1); /* what a sum of parts leaves out goes into one factor */
  check_table(supernet, 1e-9);
  begin(0.8, 1, 1);
  check_table(supernet, 1e-9);
  anet_supernet_release(supernet);
}

TEST(a_machine_that_is_slow_for_a_while)
{
  anet_supernet *supernet = make_supernet();
  begin(1.05, 2, 1);
  check_table(supernet, 1e-6);
  begin(1.05, 1.3, 1);
  check_table(supernet, 1e-6);
  begin(1.05, 1.3, 1);
  machine.often = true; /* most of what is seen is not what it says */
  check_table(supernet, 1e-6);
  anet_supernet_release(supernet);
}

TEST(samples_that_are_far_off)
{
  anet_supernet *supernet = make_supernet();
  begin(1.05, 1, 20);
  check_table(supernet, 1e-6);
  begin(1.05, 2, 20);
  check_table(supernet, 1e-6);
  anet_supernet_release(supernet);
}

static int by_value(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* A table whose sums do not say what a subnet takes says so. */
TEST(errors_are_those_of_subnets_it_has_not_seen)
{
  anet_supernet *supernet = make_supernet();
  const anet_profile_desc desc = {.rounds = 30, .held_out = 40, .seed = 5};
  begin(1, 1, 1);
  anet_table *table = profiled(supernet, &desc);
  /* Three visits to each held-out subnet, sweep by sweep. */
  CHECK_EQ_I(machine.totals, 3 * 40);
  int32_t different = 0;
  for (int32_t i = 0; i < 2 * 40; i++) {
    CHECK(memcmp(machine.seen[i], machine.seen[i + 40], sizeof machine.seen[i]) == 0);
    different += memcmp(machine.seen[i], machine.seen[i + 1], sizeof machine.seen[i]) != 0;
  }
  CHECK(different > 70);
  /* The reference runs before every second visit. */
  const int64_t visits = machine.totals + machine.warm;
  CHECK_EQ_I(machine.references, (visits + 1) / 2);
  CHECK_NEAR(table->median_error, 0, 1e-9);
  anet_table_release(table);
  begin(1, 1, 1);
  machine.crowd = 0.02; /* what only held-out runs see */
  table = profiled(supernet, &desc);
  double error[41] = {0}; /* the oracle's is none */
  for (int32_t i = 0; i < 40; i++) {
    int32_t changed = 0;
    for (int32_t p = 0; p < anet_space_positions(machine.space); p++)
      changed += machine.seen[i][p] != 0;
    error[i + 1] = 1 - 1 / (1 + 0.02 * changed);
  }
  qsort(error, 41, sizeof *error, by_value);
  CHECK(error[20] > 0.02);
  CHECK_NEAR(table->median_error, error[20], 1e-9);
  CHECK_NEAR(table->p95_error, error[38], 1e-9);
  anet_table_release(table);
  anet_supernet_release(supernet);
}

TEST(what_nothing_is_said_of)
{
  anet_supernet *supernet = make_supernet();
  begin(1, 1, 1);
  anet_table *table = profiled(supernet, NULL);
  CHECK_EQ_I(table->batch, 1);
  CHECK_EQ_I(table->rounds, 20);
  CHECK_EQ_I(machine.totals, 3 * 50);
  anet_table_release(table);
  /* The seed decides which subnets are visited. */
  begin(1, 1, 1);
  table = profiled(supernet, &(anet_profile_desc){.rounds = 1, .held_out = 1});
  CHECK_EQ_I(table->rounds, 1);
  CHECK_EQ_I(machine.totals, 3);
  anet_table_release(table);
  CHECK_FAILS(anet_profile(supernet, NULL, &(anet_profile_desc){.rounds = -1}, &table), ANET_RANGE,
              "rounds -1");
  CHECK_FAILS(anet_profile(supernet, NULL, &(anet_profile_desc){.batch = -1}, &table), ANET_RANGE,
              "batch -1");
  CHECK_FAILS(anet_profile(supernet, NULL, &(anet_profile_desc){.held_out = -1}, &table),
              ANET_RANGE, "held out -1");
  CHECK(table == NULL);
  anet_supernet_release(supernet);
}

static int profile_once(void *supernet)
{
  anet_table *table = NULL;
  begin(1, 1, 1);
  const int rc =
      anet_profile(supernet, NULL, &(anet_profile_desc){.rounds = 2, .held_out = 3}, &table);
  anet_table_release(table);
  return rc;
}

TEST(every_allocation_may_fail)
{
  anet_supernet *supernet = make_supernet();
  test_each_allocation(profile_once, supernet);
  anet_supernet_release(supernet);
}

TEST_MAIN(CASE(every_allocation_may_fail), CASE(a_quiet_machine),
          CASE(a_machine_that_is_slow_for_a_while), CASE(samples_that_are_far_off),
          CASE(errors_are_those_of_subnets_it_has_not_seen), CASE(what_nothing_is_said_of))
