/* What a session remembers of its frames, on rings so short that every figure is known by hand. */
#include "edge/monitor.h"
#include "support/fault.h"
#include "support/test.h"

enum { WINDOW = 4, UNLOADED = 2, BUDGET = 5 };

static anet__monitor begin(int32_t window)
{
  anet__monitor m;
  CHECK_OK(anet__monitor_new(window, &m));
  return m;
}

static void note(anet__monitor *m, double ms)
{
  anet__monitor_note(m, ms, UNLOADED, BUDGET);
}

static anet_state read_state(const anet__monitor *m)
{
  anet_state state;
  memset(&state, 0x55, sizeof state);
  anet__monitor_read(m, &state);
  return state;
}

#define CHECK_LATENCY(state, last, mean, p50, p90, p99)                                            \
  do {                                                                                             \
    CHECK_NEAR((state).last_ms, last, 1e-12);                                                      \
    CHECK_NEAR((state).mean_ms, mean, 1e-12);                                                      \
    CHECK_NEAR((state).p50_ms, p50, 1e-12);                                                        \
    CHECK_NEAR((state).p90_ms, p90, 1e-12);                                                        \
    CHECK_NEAR((state).p99_ms, p99, 1e-12);                                                        \
  } while (0)

TEST(before_the_first_frame_nothing_is_known)
{
  anet__monitor m = begin(WINDOW);
  anet__monitor_add(&m, 3, UNLOADED, BUDGET); /* there is no frame to add it to */
  const anet_state s = read_state(&m);
  CHECK_LATENCY(s, -1, -1, -1, -1, -1);
  CHECK(s.frames == 0 && s.frames_on_rung == 0);
  CHECK(s.slowdown == -1 && s.late == -1 && s.frame_ms == -1 && s.drift == 0);
  anet__monitor_free(&m);
}

TEST(latencies_are_of_the_window)
{
  anet__monitor m = begin(WINDOW);
  note(&m, 7);
  CHECK_LATENCY(read_state(&m), 7, 7, 7, 7, 7);
  note(&m, 3);
  CHECK_LATENCY(read_state(&m), 3, 5, 5, 3 + 0.9 * 4, 3 + 0.99 * 4);
  for (int32_t i = 0; i < 3; i++) note(&m, 4 + i);
  const anet_state s = read_state(&m); /* 3, 4, 5, 6: the 7 has gone */
  CHECK_LATENCY(s, 6, 4.5, 4.5, 3 + 0.9 * 3, 3 + 0.99 * 3);
  CHECK(s.frames == 5 && s.frames_on_rung == 5);
  CHECK(s.frame_ms == 6);
  CHECK_NEAR(s.slowdown, 4.5 / UNLOADED, 1e-12);
  CHECK_NEAR(s.late, 0.25, 1e-12); /* 5 is the budget, and not late */
  anet__monitor_free(&m);
}

TEST(latencies_are_of_a_rung_and_slowdown_of_the_machine)
{
  anet__monitor m = begin(WINDOW);
  note(&m, 6);
  note(&m, 6);
  anet__monitor_switch(&m);
  anet_state s = read_state(&m);
  CHECK_LATENCY(s, -1, -1, -1, -1, -1);
  CHECK(s.frames == 2 && s.frames_on_rung == 0 && s.frame_ms == 6);
  CHECK_NEAR(s.slowdown, 3, 1e-12);
  CHECK_NEAR(s.late, 1, 1e-12);
  anet__monitor_note(&m, 1, 1, BUDGET); /* another rung has another time */
  s = read_state(&m);
  CHECK_LATENCY(s, 1, 1, 1, 1, 1);
  CHECK_NEAR(s.slowdown, 3, 1e-12); /* median of 3, 3, 1 */
  CHECK_NEAR(s.late, 2.0 / 3, 1e-12);
  CHECK(s.frames == 3 && s.frames_on_rung == 1 && s.frame_ms == 1);
  anet__monitor_free(&m);
}

TEST(what_is_added_is_the_last_frames)
{
  anet__monitor m = begin(WINDOW);
  for (int32_t i = 0; i < WINDOW + 1; i++) note(&m, 4);
  anet__monitor_add(&m, 1, UNLOADED, BUDGET);
  anet_state s = read_state(&m);
  CHECK_LATENCY(s, 5, 4.25, 4, 4 + 0.7, 4 + 0.97);
  CHECK(s.late == 0 && s.frame_ms == 5 && s.frames == WINDOW + 1);
  anet__monitor_add(&m, 1, UNLOADED, BUDGET);
  s = read_state(&m);
  CHECK(s.last_ms == 6 && s.late == 0.25 && s.frame_ms == 6);
  for (int32_t i = 0; i < 3; i++) { /* most of the window is as slow as that */
    note(&m, 4);
    anet__monitor_add(&m, 4, UNLOADED, BUDGET);
  }
  CHECK_NEAR(read_state(&m).slowdown, 4, 1e-12);
  anet__monitor_free(&m);
}

TEST(drift_is_against_a_rungs_first_frames)
{
  anet__monitor m = begin(2);
  anet__surety first = {0}, second = {0};
  anet__monitor_top(&m, &first, 0.8);
  anet__monitor_top(&m, &first, 0.6); /* its first frames: 0.7 */
  CHECK_NEAR(read_state(&m).drift, 0, 1e-12);
  anet__monitor_top(&m, &first, 0.9);
  CHECK_NEAR(read_state(&m).drift, 0.2, 1e-12);
  anet__monitor_top(&m, &second, 0.3); /* another rung is less sure: that is no drift */
  anet__monitor_top(&m, &second, 0.5);
  CHECK_NEAR(read_state(&m).drift, 0.2, 1e-12);
  anet__monitor_top(&m, &second, 0.7);
  CHECK_NEAR(read_state(&m).drift, (0.2 + 0.3) / 2, 1e-12);
  anet__monitor_top(&m, &first, 0.6);
  CHECK_NEAR(read_state(&m).drift, (0.3 - 0.1) / 2, 1e-12); /* the last two */
  anet__monitor_free(&m);
}

TEST(windows_have_bounds)
{
  static const int32_t good[] = {1, 1 << 16}, bad[] = {0, -1, (1 << 16) + 1};
  anet__monitor m;
  for (int32_t i = 0; i < ANET_COUNT(good); i++) {
    m = begin(good[i]);
    for (int32_t k = 0; k < 3; k++) note(&m, k + 1);
    const double last_of_one = 3, of_three = 2;
    CHECK_NEAR(read_state(&m).p50_ms, good[i] == 1 ? last_of_one : of_three, 1e-12);
    anet__monitor_free(&m);
    CHECK(!m.lap && !m.change && !m.scratch && m.window == 0);
  }
  for (int32_t i = 0; i < ANET_COUNT(bad); i++) {
    CHECK_FAILS(anet__monitor_new(bad[i], &m), ANET_RANGE, "frames, want 1 .. 65536");
    CHECK(!m.lap && !m.change && !m.scratch);
  }
}

static int make(void *context)
{
  (void)context;
  anet__monitor m;
  const int rc = anet__monitor_new(WINDOW, &m);
  if (rc) CHECK(!m.lap && !m.change && !m.scratch);
  anet__monitor_free(&m);
  return rc;
}

TEST(every_allocation_may_fail)
{
  test_each_allocation(make, NULL);
}

TEST_MAIN(CASE(before_the_first_frame_nothing_is_known), CASE(latencies_are_of_the_window),
          CASE(latencies_are_of_a_rung_and_slowdown_of_the_machine),
          CASE(what_is_added_is_the_last_frames), CASE(drift_is_against_a_rungs_first_frames),
          CASE(windows_have_bounds), CASE(every_allocation_may_fail))
