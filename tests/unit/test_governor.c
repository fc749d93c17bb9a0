/* The built-in latency policy frame by frame, by hand: when it falls and climbs, and to what. */
#include "edge/governor.h"
#include "support/test.h"

enum { LOOK = ANET_GOVERNOR_LOOK, CALM = ANET_GOVERNOR_CALM, LASTING = 4 * CALM };

/* A machine on one rung of a ladder. */
typedef struct world {
  anet__governor governor;
  const double *ms; /* (rungs) */
  int32_t rungs, rung;
  double budget;
} world;

static const double FOUR[] = {2, 4, 8, 10};

static world begin(const double *ms, int32_t rungs, int32_t rung, double budget)
{
  world w = {.ms = ms, .rungs = rungs, .rung = rung, .budget = budget};
  memset(&w.governor, 0x55, sizeof w.governor); /* whatever was there */
  anet__governor_reset(&w.governor);
  return w;
}

/* A frame that is slowed down so; the rung for the next. */
static int32_t frame(world *w, double slowdown)
{
  w->rung = anet__governor_next(&w->governor, w->ms, w->rungs, w->rung, w->budget,
                                w->ms[w->rung] * slowdown);
  return w->rung;
}

/* Frames until the rung changes, at most `most`; 0: it does not. */
static int32_t wait(world *w, double slowdown, int32_t most)
{
  const int32_t rung = w->rung;
  for (int32_t i = 1; i <= most; i++)
    if (frame(w, slowdown) != rung) return i;
  return 0;
}

/* ---- down --------------------------------------------------------------------------------- */

TEST(three_late_frames_of_five_are_the_most)
{
  world w = begin(FOUR, 4, 3, 11);
  CHECK_EQ_I(wait(&w, 1.2, 100), LOOK / 2 + 1);
  CHECK_EQ_I(w.rung, 2); /* 8 * 1.2 <= 0.9 * 11 */
  /* What was seen on another rung counts no more. */
  CHECK_EQ_I(wait(&w, 1.5, 100), LOOK / 2 + 1);

  w = begin(FOUR, 4, 3, 11);
  for (int32_t i = 0; i < 5; i++) CHECK_EQ_I(frame(&w, i % 2 ? 1 : 1.2), i < 4 ? 3 : 2);

  w = begin(FOUR, 4, 3, 11);
  for (int32_t i = 0; i < 200; i++) CHECK_EQ_I(frame(&w, i % 5 < 2 ? 1.2 : 1), 3);

  w = begin(FOUR, 4, 3, 11);
  for (int32_t i = 0; i < 200; i++) CHECK_EQ_I(frame(&w, i % 3 ? 1 : 1.2), 3); /* one of three */
}

TEST(a_frame_of_the_whole_budget_is_not_late)
{
  const double ms[] = {4, 8};
  world w = begin(ms, 2, 1, 12);
  CHECK_EQ_I(wait(&w, 1.5, 200), 0);
  CHECK_EQ_I(wait(&w, 1.50001, 200), LOOK / 2 + 1);
}

TEST(it_falls_by_the_median_of_the_late_frames)
{
  world w = begin(FOUR, 4, 3, 11);
  frame(&w, 3);
  frame(&w, 1); /* in time: it does not count */
  frame(&w, 1.2);
  CHECK_EQ_I(frame(&w, 2), 1); /* 4 * 2 <= 9.9 < 8 * 2; by the least it were 2, by the most 0 */
}

TEST(nine_tenths_of_the_budget_are_for_the_lower_rung)
{
  const double fits[] = {2, 4.5, 10}, over[] = {2, 4.501, 10};
  world w = begin(fits, 3, 2, 10);
  CHECK_EQ_I(wait(&w, 2, 10), 3);
  CHECK_EQ_I(w.rung, 1);
  w = begin(over, 3, 2, 10);
  CHECK_EQ_I(wait(&w, 2, 10), 3);
  CHECK_EQ_I(w.rung, 0);
}

TEST(from_the_fastest_it_falls_no_further)
{
  world w = begin(FOUR, 4, 3, 11);
  CHECK_EQ_I(wait(&w, 50, 10), 3);
  CHECK_EQ_I(w.rung, 0); /* it does not fit either, but nothing is faster */
  CHECK_EQ_I(wait(&w, 50, 500), 0);
  CHECK_EQ_I(wait(&w, 1, 500), 9); /* of the last twelve, nine are as fast as that */
  w = begin(FOUR, 1, 0, 11);
  CHECK_EQ_I(wait(&w, 50, 100), 0);
  CHECK_EQ_I(wait(&w, 0.1, 100), 0);
}

/* ---- up ----------------------------------------------------------------------------------- */

TEST(it_climbs_after_twelve_calm_frames)
{
  world w = begin(FOUR, 4, 0, 11);
  CHECK_EQ_I(wait(&w, 1, 100), CALM);
  CHECK_EQ_I(w.rung, 2); /* straight: 8 <= 0.85 * 11 < 10 */
  CHECK_EQ_I(wait(&w, 1, 500), 0);
  w.budget = 12;
  CHECK_EQ_I(wait(&w, 1, 500), 1); /* it has been calm for long */
  CHECK_EQ_I(w.rung, 3);
}

TEST(eighty_five_percent_of_the_budget_are_for_the_higher_rung)
{
  const double fits[] = {2, 8.5}, over[] = {2, 8.501};
  world w = begin(fits, 2, 0, 10);
  CHECK_EQ_I(wait(&w, 1, 100), CALM);
  w = begin(over, 2, 0, 10);
  CHECK_EQ_I(wait(&w, 1, 1000), 0);
}

TEST(three_of_four_frames_tell_the_slowdown_to_climb_with)
{
  world w = begin(FOUR, 4, 0, 11);
  for (int32_t i = 0; i < CALM; i++) frame(&w, i % 4 == 2 ? 1.5 : 1);
  CHECK_EQ_I(w.rung, 2);
  w = begin(FOUR, 4, 0, 11);
  for (int32_t i = 0; i < CALM; i++) frame(&w, i % 4 == 2 || i == 5 ? 1.5 : 1);
  CHECK_EQ_I(w.rung, 1); /* 4 * 1.5 fits, 8 * 1.5 does not */
}

/* ---- climbs that were mistakes ------------------------------------------------------------ */

static const double TWO[] = {2, 8};

/* Calm until it is on the upper rung; then `frames` more there, of which the last three are late,
 * so that it falls with the last. Gives how many calm frames the climb took. */
static int32_t climb_and_fall(world *w, int32_t frames)
{
  const int32_t waited = wait(w, 1, 100000);
  for (int32_t i = 1; i <= frames; i++) frame(w, i > frames - 3 ? 1.5 : 1);
  CHECK_EQ_I(w->rung, 0);
  return waited;
}

TEST(each_climb_that_does_not_last_doubles_the_wait)
{
  static const int32_t want[] = {1, 2, 4, 8, 16, 32, 32, 32};
  world w = begin(TWO, 2, 0, 11);
  for (int32_t i = 0; i < ANET_COUNT(want); i++) CHECK_EQ_I(climb_and_fall(&w, 3), want[i] * CALM);
}

TEST(a_climb_that_has_lasted_is_forgiven)
{
  world w = begin(TWO, 2, 0, 11);
  climb_and_fall(&w, LASTING - 1);
  CHECK_EQ_I(climb_and_fall(&w, 2 * LASTING - 1),
             2 * CALM); /* which must now last for twice that */
  CHECK_EQ_I(climb_and_fall(&w, 4 * LASTING), 4 * CALM);
  CHECK_EQ_I(climb_and_fall(&w, LASTING), CALM);
  CHECK_EQ_I(climb_and_fall(&w, 3), CALM);
  CHECK_EQ_I(climb_and_fall(&w, 3), 2 * CALM);
}

TEST(a_fall_from_where_it_began_is_no_mistake)
{
  world w = begin(TWO, 2, 1, 11);
  CHECK_EQ_I(wait(&w, 1.5, 10), 3);
  CHECK_EQ_I(climb_and_fall(&w, 3), CALM);
  anet__governor_reset(&w.governor);
  CHECK_EQ_I(climb_and_fall(&w, 3), CALM);
}

/* A fall in two steps is one mistake. */
TEST(falling_on_is_no_second_mistake)
{
  const double ms[] = {2, 4, 8};
  world w = begin(ms, 3, 0, 11);
  CHECK_EQ_I(wait(&w, 1, 100), CALM);
  CHECK_EQ_I(w.rung, 2);
  CHECK_EQ_I(wait(&w, 1.5, 10), 3);
  CHECK_EQ_I(w.rung, 1);
  CHECK_EQ_I(wait(&w, 3, 10), 3);
  CHECK_EQ_I(w.rung, 0);
  CHECK_EQ_I(wait(&w, 1, 1000), 2 * CALM);
}

TEST_MAIN(CASE(three_late_frames_of_five_are_the_most),
          CASE(a_frame_of_the_whole_budget_is_not_late),
          CASE(it_falls_by_the_median_of_the_late_frames),
          CASE(nine_tenths_of_the_budget_are_for_the_lower_rung),
          CASE(from_the_fastest_it_falls_no_further), CASE(it_climbs_after_twelve_calm_frames),
          CASE(eighty_five_percent_of_the_budget_are_for_the_higher_rung),
          CASE(three_of_four_frames_tell_the_slowdown_to_climb_with),
          CASE(each_climb_that_does_not_last_doubles_the_wait),
          CASE(a_climb_that_has_lasted_is_forgiven), CASE(a_fall_from_where_it_began_is_no_mistake),
          CASE(falling_on_is_no_second_mistake))
