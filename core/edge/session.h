/* One deployed model in a host program. */
#ifndef ANET_SESSION_H
#define ANET_SESSION_H

#include "edge/governor.h"
#include "edge/monitor.h"
#include "edge/sensors.h"
#include "graph/answers.h"
#include "plan/plan.h"

/* A rung as the session uses it. */
typedef struct anet__tier {
  anet_plan *plan;     /* retained */
  anet__surety surety; /* of its first answers */
} anet__tier;

/* A copy of the ladder as it was when the session began, so that nobody changes it under a frame.
 * Invariants: `now` points into `tier`; unloaded_ms rises; the workspace fits every plan. */
struct anet_session {
  anet__tier *tier;    /* (tiers) owned */
  double *unloaded_ms; /* (tiers) owned */
  int32_t tiers;
  const anet__tier *now;
  anet_workspace *workspace;
  anet_session_policy policy;
  double budget_ms;
  int64_t deadline_ns; /* of the next frame; 0: none */
  anet_answers answers;
  bool tells_top; /* an answer is one row of classes, of which the largest is the one that counts */
  double failures; /* of the host's policy */
  anet__monitor monitor;
  anet__governor governor;
  anet__sensors sensors;
};

/* A frame on the rung of now took so long: what anet_session_run does with what it measured. */
void anet__session_note(anet_session *session, double ms);
/* Its answer was so sure: mean largest probability over its images. */
void anet__session_top(anet_session *session, double top);

#endif
