#include "edge/session.h"

#include <math.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "edge/ladder.h"

enum { DEFAULT_WINDOW = 32 };

/* ---- life --------------------------------------------------------------------------------- */

static int check_budget(double budget_ms)
{
  if (budget_ms > 0) return ANET_OK;
  return anet_fail(ANET_RANGE, "session: a budget of %g ms, want more than 0", budget_ms);
}

static int check_policy(int32_t policy)
{
  if (policy >= ANET_POLICY_HOST && policy <= ANET_POLICY_HYSTERESIS) return ANET_OK;
  return anet_fail(ANET_RANGE, "session: policy %d, want %d .. %d", policy, ANET_POLICY_HOST,
                   ANET_POLICY_HYSTERESIS);
}

static int check(const anet_ladder *ladder, const anet_session_desc *desc)
{
  if (ladder->count == 0) return anet_fail(ANET_STATE, "session: the ladder has no rung");
  const anet_plan *plan = ladder->rung[0].plan;
  if (plan->inputs != 1 || plan->outputs != 1)
    return anet_fail(ANET_UNSUPPORTED,
                     "session: the plans have %d inputs and %d outputs, want 1, 1", plan->inputs,
                     plan->outputs);
  for (int32_t i = 1; i < ladder->count; i++) {
    const double before = ladder->rung[i - 1].face.measured_ms,
                 ms = ladder->rung[i].face.measured_ms;
    if (ms <= before)
      return anet_fail(ANET_STATE,
                       "session: the ladder is not sorted: rung %d takes %g ms, rung %d %g", i - 1,
                       before, i, ms);
  }
  ANET_TRY(check_policy(desc->policy));
  if (desc->rung < -1 || desc->rung >= ladder->count)
    return anet_fail(ANET_RANGE, "session: first rung %d, want -1 .. %d", desc->rung,
                     ladder->count - 1);
  return check_budget(desc->budget_ms);
}

static int copy_ladder(anet_session *s, const anet_ladder *ladder, anet_pool *pool)
{
  s->tier = anet__alloc_array((size_t)ladder->count, sizeof *s->tier);
  s->unloaded_ms = anet__alloc_array((size_t)ladder->count, sizeof *s->unloaded_ms);
  if (!s->tier || !s->unloaded_ms) return ANET_NOMEM;
  ANET_TRY(anet_workspace_new(ladder->rung[0].plan, pool, &s->workspace));
  for (; s->tiers < ladder->count; s->tiers++) {
    const anet__rung *rung = &ladder->rung[s->tiers];
    ANET_TRY(anet_workspace_fit(s->workspace, rung->plan));
    s->tier[s->tiers].plan = anet_plan_retain(rung->plan);
    s->unloaded_ms[s->tiers] = rung->face.measured_ms;
  }
  return ANET_OK;
}

static void read_answer(anet_session *s)
{
  const anet_net *net = s->tier[0].plan->net;
  s->answers = anet__net_answers(net, net->output[0]);
  s->tells_top = s->answers.rows == 1 && s->answers.classes > 1;
}

static int32_t first_rung(const anet_session *s, int32_t wanted)
{
  if (wanted >= 0) return wanted;
  int32_t best = 0;
  for (int32_t i = 1; i < s->tiers; i++)
    if (s->unloaded_ms[i] <= s->budget_ms) best = i;
  return best;
}

int anet_session_new(anet_ladder *ladder, anet_pool *pool, const anet_session_desc *desc,
                     anet_session **out)
{
  *out = NULL;
  ANET_TRY(check(ladder, desc));
  anet_session *s = anet__alloc(sizeof *s);
  if (!s) return ANET_NOMEM;
  int rc = anet__monitor_new(desc->window ? desc->window : DEFAULT_WINDOW, &s->monitor);
  if (!rc) rc = copy_ladder(s, ladder, pool);
  anet__sensors_new("", anet__now_ns(), &s->sensors);
  if (rc) {
    anet_session_release(s);
    return rc;
  }
  s->policy = (anet_session_policy)desc->policy;
  s->budget_ms = desc->budget_ms;
  s->now = &s->tier[first_rung(s, desc->rung)];
  read_answer(s);
  *out = s;
  return ANET_OK;
}

void anet_session_release(anet_session *session)
{
  if (!session) return;
  anet__sensors_free(&session->sensors);
  anet__monitor_free(&session->monitor);
  anet_workspace_release(session->workspace);
  for (int32_t i = 0; i < session->tiers; i++) anet_plan_release(session->tier[i].plan);
  anet__free(session->tier);
  anet__free(session->unloaded_ms);
  anet__free(session);
}

/* ---- frames ------------------------------------------------------------------------------- */

static int32_t rung_of(const anet_session *s)
{
  return (int32_t)(s->now - s->tier);
}

static void move_to(anet_session *s, int32_t rung)
{
  s->now = &s->tier[rung];
  anet__monitor_switch(&s->monitor);
}

void anet__session_note(anet_session *session, double ms)
{
  const int32_t rung = rung_of(session);
  anet__monitor_note(&session->monitor, ms, session->unloaded_ms[rung], session->budget_ms);
  if (session->policy != ANET_POLICY_HYSTERESIS) return;
  const int32_t next = anet__governor_next(&session->governor, session->unloaded_ms, session->tiers,
                                           rung, session->budget_ms, ms);
  if (next != rung) move_to(session, next);
}

void anet__session_top(anet_session *session, double top)
{
  anet__monitor_top(&session->monitor, &session->tier[rung_of(session)].surety, top);
}

static double mean_top(const anet_session *s, const float *out, int32_t n)
{
  double sum = 0;
  for (int32_t i = 0; i < n; i++)
    sum += anet__answers_confidence(&s->answers, out + (size_t)i * (size_t)s->answers.classes);
  return sum / n;
}

int anet_session_run(anet_session *session, const float *in, float *out, int32_t n)
{
  const int64_t start = anet__now_ns();
  ANET_TRY(anet_run(session->now->plan, session->workspace, &in, &out, n));
  const double ms = (double)(anet__now_ns() - start) * 1e-6;
  session->deadline_ns = 0;
  if (session->tells_top) anet__session_top(session, mean_top(session, out, n));
  anet__session_note(session, ms);
  return ANET_OK;
}

/* ---- the host's side ---------------------------------------------------------------------- */

int anet_session_read(anet_session *session, anet_state *out)
{
  const int64_t now = anet__now_ns();
  const anet__sensors *sensors = &session->sensors;
  anet__sensors_read(&session->sensors, now);
  *out = (anet_state){
      .budget_ms = session->budget_ms,
      .rung = rung_of(session),
      .rungs = session->tiers,
      .load = sensors->load,
      .free_bytes = sensors->free_bytes,
      .temperature = sensors->temperature,
      .battery = sensors->battery,
      .time_left_ms = -1,
      .failures = session->failures,
  };
  if (session->deadline_ns)
    out->time_left_ms = fmax((double)(session->deadline_ns - now) * 1e-6, 0);
  anet__monitor_read(&session->monitor, out);
  return ANET_OK;
}

int anet_session_switch(anet_session *session, int32_t rung)
{
  if (rung < 0 || rung >= session->tiers)
    return anet_fail(ANET_RANGE, "session: rung %d of %d", rung, session->tiers);
  if (rung == rung_of(session)) return ANET_OK;
  anet__governor_reset(&session->governor);
  move_to(session, rung);
  return ANET_OK;
}

int anet_session_budget(anet_session *session, double budget_ms)
{
  ANET_TRY(check_budget(budget_ms));
  session->budget_ms = budget_ms;
  session->governor.doublings = 0; /* climbs failed under another budget */
  return ANET_OK;
}

int anet_session_deadline(anet_session *session, double ms)
{
  const double most = 1e9;
  if (!(ms >= 0 && ms <= most))
    return anet_fail(ANET_RANGE, "session: a deadline in %g ms, want 0 .. %g", ms, most);
  session->deadline_ns = anet__now_ns() + (int64_t)(ms * 1e6);
  return ANET_OK;
}

int anet_session_charge(anet_session *session, double ms, int32_t failed)
{
  if (!(ms >= 0)) return anet_fail(ANET_RANGE, "session: picking took %g ms, want 0 or more", ms);
  anet__monitor_add(&session->monitor, ms, session->unloaded_ms[rung_of(session)],
                    session->budget_ms);
  session->failures += failed != 0;
  return ANET_OK;
}

int anet_session_govern(anet_session *session, int32_t policy)
{
  ANET_TRY(check_policy(policy));
  session->policy = (anet_session_policy)policy;
  anet__governor_reset(&session->governor);
  return ANET_OK;
}
