#include "edge/governor.h"

#include "measure/timing.h"

enum { LOOK = ANET_GOVERNOR_LOOK, CALM = ANET_GOVERNOR_CALM };
enum { LASTING = 4 * CALM, MOST_DOUBLINGS = 5 };
static const double DOWN_ROOM = 0.90, UP_ROOM = 0.85; /* of the budget, for the rung to go to */

/* The slowdown i frames ago. */
static double slowdown_at(const anet__governor *g, int32_t i)
{
  return g->recent[(g->frames - 1 - i) % CALM];
}

/* The best rung that the slowdown leaves inside the budget; the fastest if there is none. */
static int32_t best_rung(const double *unloaded_ms, int32_t rungs, double slowdown,
                         double budget_ms)
{
  int32_t best = 0;
  for (int32_t i = 1; i < rungs; i++)
    if (unloaded_ms[i] * slowdown <= budget_ms) best = i;
  return best;
}

/* The median slowdown of the late frames among the last few, if those are the most. */
static bool is_late(const anet__governor *g, double most, double *slowdown)
{
  double late[LOOK];
  int32_t n = 0;
  for (int32_t i = 0; i < LOOK && i < g->frames; i++)
    if (slowdown_at(g, i) > most) late[n++] = slowdown_at(g, i);
  if (n <= LOOK / 2) return false;
  *slowdown = anet__median(late, n);
  return true;
}

/* A slowdown that three of four frames stay under, once there have been enough of them. It is one
 * of those measured: between a frame of a load that has gone and one without, there is no in
 * between. */
static bool is_calm(const anet__governor *g, double *slowdown)
{
  double recent[CALM];
  if (g->frames < (int64_t)CALM << g->doublings) return false;
  for (int32_t i = 0; i < CALM; i++) recent[i] = g->recent[i];
  anet__sort(recent, CALM);
  *slowdown = recent[CALM * 3 / 4 - 1];
  return true;
}

static void start_rung(anet__governor *g, bool climbed)
{
  g->frames = 0;
  g->climbed = climbed;
}

void anet__governor_reset(anet__governor *governor)
{
  *governor = (anet__governor){0};
}

int32_t anet__governor_next(anet__governor *governor, const double *unloaded_ms, int32_t rungs,
                            int32_t rung, double budget_ms, double ms)
{
  anet__governor *g = governor;
  double slowdown;
  g->recent[g->frames++ % CALM] = ms / unloaded_ms[rung];
  if (g->climbed && g->frames >= (int64_t)LASTING << g->doublings) {
    g->climbed = false;
    g->doublings = 0;
  }
  if (rung > 0 && is_late(g, budget_ms / unloaded_ms[rung], &slowdown)) {
    if (g->climbed && g->doublings < MOST_DOUBLINGS) g->doublings++;
    start_rung(g, false);
    return best_rung(unloaded_ms, rung, slowdown, DOWN_ROOM * budget_ms);
  }
  if (!is_calm(g, &slowdown)) return rung;
  const int32_t best = best_rung(unloaded_ms, rungs, slowdown, UP_ROOM * budget_ms);
  if (best <= rung) return rung;
  start_rung(g, true);
  return best;
}
