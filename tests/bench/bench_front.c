/* Processor time of the whole front and of the 64 best: 33 blocks, 5 options each. */
#include "base/clock.h"
#include "support/test.h"

static double now_ms(void)
{
  return (double)anet__cpu_ns() * 1e-6;
}

static anet_space *space_of(int32_t positions)
{
  int32_t trunk[256] = {0};
  anet_space *space;
  CHECK_OK(anet_space_new(trunk, positions, &space));
  for (int32_t p = 0; p < positions; p++) {
    const anet_option option[4] = {
        {.kind = ANET_MERGE, .position = p, .span = 2, .width = 1},
        {.kind = ANET_MERGE, .position = p, .span = 3, .width = 1},
        {.kind = ANET_SHRINK, .position = p, .span = 1, .width = 0.25f},
        {.kind = ANET_SHRINK, .position = p, .span = 1, .width = 0.5f},
    };
    for (int32_t i = 0; i < 4; i++)
      if (p + option[i].span <= positions) CHECK_OK(anet_space_add(space, &option[i]));
  }
  return space;
}

/* Random figures, or figures like measured ones: less time does more damage. */
static void draw(const anet_space *space, anet_rng *rng, int likely, double *cost, double *damage)
{
  for (int32_t i = 0; i < anet_space_options(space); i++) {
    anet_option o;
    anet_space_option(space, i, &o);
    cost[i] = anet_rng_uniform(rng);
    damage[i] = anet_rng_uniform(rng);
    if (!likely) continue;
    cost[i] = (o.kind == ANET_SHRINK ? 0.4 + o.width / 2 : 1) + 0.1 * cost[i];
    damage[i] *= o.kind == ANET_KEEP ? 0 : o.kind == ANET_SHRINK ? 1 - o.width : o.span;
  }
}

TEST(front)
{
  enum { ROUNDS = 50, K = 64 };
  static double cost[256 * 5], damage[256 * 5];
  static uint8_t genome[256 * K];
  anet_rng rng;
  anet_space *space = space_of(33);
  anet_rng_seed(&rng, 1);
  for (int likely = 0; likely < 2; likely++) {
    double sum = 0, worst = 0, points = 0, best = 0;
    for (int32_t i = 0; i < ROUNDS; i++) {
      anet_front *front;
      int32_t found;
      draw(space, &rng, likely, cost, damage);
      const double begin = now_ms();
      CHECK_OK(anet_space_front(space, cost, damage, &front));
      const double ms = now_ms() - begin;
      sum += ms, worst = ms > worst ? ms : worst, points += anet_front_count(front);
      double low, high, ignored;
      anet_front_get(front, 0, genome, &low, &ignored);
      anet_front_get(front, anet_front_count(front) - 1, genome, &high, &ignored);
      const double start = now_ms();
      CHECK_OK(anet_space_best(space, cost, damage, (low + high) / 2, K, genome, &found));
      best += now_ms() - start;
      anet_front_release(front);
    }
    printf("%s: front %.2f ms (worst %.2f), %.0f points; 64 best %.2f ms\n",
           likely ? "likely figures" : "random figures", sum / ROUNDS, worst, points / ROUNDS,
           best / ROUNDS);
  }
  anet_space_release(space);
}

TEST_MAIN(CASE(front))
