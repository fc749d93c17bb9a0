/* Figures, the latency table, and measuring. Time is never the same twice: what is checked of it
 * holds with a wide margin. */
#include <math.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/cpu.h"
#include "elastic/supernet.h"
#include "measure/table.h"
#include "measure/timing.h"
#include "support/elastic.h"
#include "support/fault.h"
#include "support/test.h"
#include "support/zoo.h"

/* ---- figures ------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

TEST(sorting_sorts)
{
  enum { MOST = 2000 };
  static double x[MOST], want[MOST];
  anet_rng rng;
  anet_rng_seed(&rng, 1);
  for (int32_t n = 0; n <= MOST; n += 1 + n / 3) {
    for (int32_t i = 0; i < n; i++) want[i] = x[i] = anet_rng_int(&rng, 0, n) * 0.5;
    qsort(want, (size_t)n, sizeof *want, by_value);
    anet__sort(x, n);
    CHECK(memcmp(x, want, (size_t)n * sizeof *x) == 0);
  }
}

TEST(quantiles_and_spread)
{
  double x[] = {5, 1, 4, 2, 3}, one[] = {7}, two[] = {4, 2}, noise[] = {9, 10, 11, 10, 1000};
  CHECK_NEAR(anet__median(x, 5), 3, 0);
  CHECK_NEAR(anet__quantile(x, 5, 0), 1, 0);
  CHECK_NEAR(anet__quantile(x, 5, 1), 5, 0);
  CHECK_NEAR(anet__quantile(x, 5, 0.9), 4.6, 1e-12);
  CHECK_NEAR(anet__median(one, 1), 7, 0);
  CHECK_NEAR(anet__median(two, 2), 3, 0);
  CHECK_NEAR(anet__spread(noise, 5, 10), 1.4826, 1e-9); /* the outlier does not count */
}

/* ---- supernets ---------------------------------------------------------------------------- */

static anet_supernet *resnet(int32_t size, int32_t width, int32_t blocks)
{
  const int32_t widths[3] = {width, 2 * width, 4 * width};
  anet_net *oracle = zoo_resnet20(size, widths, blocks, 10, 1);
  anet_supernet *supernet = elastic_supernet(oracle);
  anet_net_release(oracle);
  CHECK_OK(anet_supernet_seal(supernet));
  return supernet;
}

/* ---- the table ---------------------------------------------------------------------------- */

/* A table of made-up times for a space. */
static anet_table *made_up(const anet_space *space)
{
  anet_table *table;
  CHECK_OK(anet__table_new(anet_space_options(space), &table));
  for (int32_t i = 0; i < table->options; i++) {
    table->ms[i] = 1 + 0.25 * i;
    table->error[i] = 0.01 * i;
    table->cold_ms[i] = 2 + i;
  }
  table->fixed_ms = 0.125;
  return table;
}

TEST(a_prediction_is_the_sum)
{
  anet_supernet *supernet = resnet(8, 4, 2);
  const anet_space *space = anet_supernet_space(supernet);
  anet_table *table = made_up(space);
  uint8_t genome[ANET_MAX_POSITIONS];
  anet_rng rng;
  double got, ms, error, cold;
  anet_rng_seed(&rng, 4);
  for (int32_t i = 0; i < 50; i++) {
    double want = 0.125;
    CHECK_OK(anet_genome_sample(space, &rng, genome));
    for (int32_t p = 0; p < anet_space_positions(space); p++) {
      if (genome[p] == ANET_COVERED) continue;
      CHECK_OK(anet_table_get(table, anet_space_index(space, p, genome[p]), &ms, &error, &cold));
      want += ms;
    }
    CHECK_OK(anet_table_predict(table, space, genome, &got));
    CHECK_NEAR(got, want, 1e-12);
  }
  CHECK_OK(anet_table_get(table, 3, &ms, &error, &cold));
  CHECK(ms == 1.75 && error == 0.03 && cold == 5);
  CHECK_FAILS(anet_table_get(table, table->options, &ms, NULL, NULL), ANET_RANGE, "option");
  genome[0] = 99;
  CHECK_FAILS(anet_table_predict(table, space, genome, &got), ANET_RANGE, "99");
  anet_table *other;
  CHECK_OK(anet__table_new(table->options - 1, &other));
  CHECK_FAILS(anet_table_predict(other, space, genome, &got), ANET_SHAPE, "options");
  anet_table_release(other);
  anet_table_release(table);
  anet_supernet_release(supernet);
}

TEST(a_stale_table_is_refused_by_name)
{
  anet_table *table;
  CHECK_OK(anet__table_new(1, &table));
  anet__cpu_fingerprint(2, table->fingerprint, sizeof table->fingerprint);
  CHECK_OK(anet_table_check(table, 2));
  CHECK_FAILS(anet_table_check(table, 3), ANET_STALE, "threads was '2', is now '3'");
  strcat(table->fingerprint, "9");
  CHECK_FAILS(anet_table_check(table, 2), ANET_STALE, "version was");
  strcpy(table->fingerprint, "abacus");
  CHECK_FAILS(anet_table_check(table, 2), ANET_STALE, "processor was 'abacus'");
  strcpy(table->fingerprint, "");
  CHECK_FAILS(anet_table_check(table, 2), ANET_STALE, "processor");
  anet_table_release(table);
}

/* ---- measuring ---------------------------------------------------------------------------- */

TEST(a_profile_covers_everything)
{
  anet_supernet *supernet = resnet(32, 16, 3);
  const anet_space *space = anet_supernet_space(supernet);
  const anet_profile_desc desc = {.rounds = 8, .held_out = 20, .seed = 1};
  anet_table *table;
  anet_table_info info;
  CHECK_OK(anet_profile(supernet, NULL, &desc, &table));
  anet_table_read(table, &info);
  CHECK_EQ_I(info.options, anet_space_options(space));
  CHECK(info.batch == 1 && info.threads == 1 && info.rounds == 8);
  CHECK(info.fixed_ms > 0 && info.oracle_ms > info.fixed_ms && info.seconds > 0);
  CHECK(info.oracle_error >= 0 && info.disturbed >= 0 && info.disturbed <= 1);
  CHECK(info.drift >= 1 && info.median_error >= 0 && info.p95_error >= info.median_error);
  for (int32_t i = 0; i < info.options; i++) {
    anet_option option;
    double ms, error, cold;
    CHECK_OK(anet_space_option(space, i, &option));
    CHECK_OK(anet_table_get(table, i, &ms, &error, &cold));
    CHECK(option.kind == ANET_SKIP ? ms >= 0 && ms < 0.1 * info.oracle_ms : ms > 0);
    CHECK(error >= 0 && isfinite(error) && cold >= 0);
  }
  CHECK_OK(anet_table_check(table, 1));
  const uint8_t keep[ANET_MAX_POSITIONS] = {0};
  double sum;
  CHECK_OK(anet_table_predict(table, space, keep, &sum));
  CHECK(sum > 0.5 * info.oracle_ms && sum < 2 * info.oracle_ms);
  anet_table_release(table);
  anet_supernet_release(supernet);
}

/* A busy machine may spoil a profile, which its drift then says: those are not judged. */
TEST(predictions_are_near_what_is_measured)
{
  anet_supernet *supernet = resnet(32, 16, 3);
  double best = INFINITY, calmest = INFINITY;
  for (int32_t seed = 0; seed < 3 && best > 0.1; seed++) {
    const anet_profile_desc desc = {.rounds = 8, .held_out = 20, .seed = seed};
    anet_table *table;
    anet_table_info info;
    CHECK_OK(anet_profile(supernet, NULL, &desc, &table));
    anet_table_read(table, &info);
    calmest = fmin(calmest, info.drift);
    if (info.drift < 1.5) best = fmin(best, info.median_error);
    anet_table_release(table);
  }
  if (calmest < 1.5)
    CHECK_NEAR(best, 0, 0.1);
  else
    printf("predictions: not judged, the machine was busy (drift %.2f and more)\n", calmest);
  anet_supernet_release(supernet);
}

TEST(a_profile_refuses_what_makes_no_sense)
{
  const int32_t widths[3] = {4, 8, 16};
  anet_net *oracle = zoo_resnet20(8, widths, 1, 10, 1);
  anet_supernet *open = elastic_supernet(oracle), *supernet = resnet(8, 4, 1);
  anet_table *table;
  CHECK_FAILS(anet_profile(open, NULL, NULL, &table), ANET_STATE, "sealed");
  CHECK(table == NULL);
  CHECK_FAILS(anet_profile(supernet, NULL, &(anet_profile_desc){.rounds = -1}, &table), ANET_RANGE,
              "-1");
  anet_supernet_release(open);
  anet_supernet_release(supernet);
  anet_net_release(oracle);
}

/* One in so many allocations fails: a profile makes too many to try them all. */
TEST(allocations_may_fail)
{
  enum { STRIDE = 37 };
  anet_supernet *supernet = resnet(8, 4, 1);
  const anet_profile_desc desc = {.rounds = 1, .held_out = 1};
  bool fired = true;
  for (int64_t nth = 0; fired; nth += nth < 2 * STRIDE ? 1 : STRIDE) {
    anet__alloc_stats before, after;
    anet_table *table;
    anet__alloc_read(&before);
    anet__alloc_arm(nth);
    const int rc = anet_profile(supernet, NULL, &desc, &table);
    fired = anet__alloc_fired();
    anet__alloc_arm(-1);
    anet_table_release(table);
    anet__alloc_read(&after);
    CHECK_EQ_I(rc, fired ? ANET_NOMEM : ANET_OK);
    CHECK_EQ_I(after.live_bytes, before.live_bytes);
  }
  anet_supernet_release(supernet);
}

static anet_plan *plan_of_width(int32_t width)
{
  const int32_t widths[3] = {width, width, width};
  anet_net *net = zoo_resnet20(16, widths, 2, 10, 1);
  anet_plan *plan;
  CHECK_OK(anet_plan_new(net, 2, &plan));
  anet_net_release(net);
  return plan;
}

static int time_once(void *context)
{
  anet_timing time[2];
  return anet_time_plans(context, 2, NULL, &(anet_timing_desc){.rounds = 1}, time);
}

TEST(a_wider_network_takes_longer)
{
  anet_plan *plans[] = {plan_of_width(48), plan_of_width(4)};
  anet_timing time[2];
  CHECK_OK(anet_time_plans(plans, 2, NULL, &(anet_timing_desc){.n = 2}, time));
  CHECK(time[0].ms > time[1].ms && time[1].ms > 0 && time[0].ratio == 1 && time[1].ratio < 1);
  for (int32_t i = 0; i < 2; i++) {
    CHECK(time[i].error >= 0 && time[i].cold_ms > 0 && time[i].rounds >= 5);
    CHECK(time[i].disturbed >= 0 && time[i].disturbed <= 1);
    CHECK(time[i].settled == (time[i].error <= 0.03));
    CHECK(time[i].least_ms > 0 && time[i].median_ms > 0);
  }
  CHECK_FAILS(anet_time_plans(plans, 2, NULL, &(anet_timing_desc){.n = 3}, time), ANET_RANGE,
              "3 images");
  CHECK_FAILS(anet_time_plans(plans, 2, NULL, &(anet_timing_desc){.rounds = -2}, time), ANET_RANGE,
              "-2 rounds");
  CHECK_FAILS(anet_time_plans(plans, 0, NULL, NULL, time), ANET_RANGE, "0 plans");
  test_each_allocation(time_once, plans);
  anet_plan_release(plans[0]);
  anet_plan_release(plans[1]);
}

TEST_MAIN(CASE(sorting_sorts), CASE(quantiles_and_spread), CASE(a_prediction_is_the_sum),
          CASE(a_stale_table_is_refused_by_name), CASE(a_profile_covers_everything),
          CASE(predictions_are_near_what_is_measured), CASE(a_profile_refuses_what_makes_no_sense),
          CASE(allocations_may_fail), CASE(a_wider_network_takes_longer))
