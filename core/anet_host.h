/* Scripted latency policies for C programs: link libanet_host (and LuaJIT) beside libanet.
 *
 *   anet_policy *policy;
 *   anet_policy_desc desc = {.name = "hysteresis"};
 *   if (anet_policy_new(&desc, ladder, &policy)) fail(anet_error());
 *   for (;;) {
 *     anet_session_run(session, in, out, 1);
 *     if (anet_policy_pick(policy, session)) log(anet_error()); // the frame was served all the
 * same
 *   }
 *
 * The session must have been made with ANET_POLICY_HOST. A policy runs in a sandbox: it can reach
 * nothing of the program, and its memory, steps, time and stack are bounded. 256 KB of stack are
 * enough for a thread that loads policies, picks and runs sessions.
 */
#ifndef ANET_HOST_H
#define ANET_HOST_H

#include "anet.h"

typedef struct anet_policy anet_policy;

/* What one pick may take where a desc does not say. */
enum { ANET_PICK_STEPS = 1000000, ANET_PICK_MS = 100, ANET_PICK_BYTES = 8388608 };

typedef struct anet_policy_desc {
  const char *name;    /* of a policy that comes with anet, or the path of a Lua file */
  const char *text;    /* the policy itself, where not NULL; `name` is then for messages only */
  const char *options; /* a JSON object, or NULL; an unknown key is an error */
  double seed;
  double steps;   /* of one pick; 0: 1 million; a step takes at most some 50 ns */
  double seconds; /* processor time of one pick, a net below the steps; 0: 0.1 */
  double bytes;   /* of everything that the policy holds; 0: 8 MiB */
} anet_policy_desc;

/* Load a latency policy for the rungs of a ladder, which is read once. ANET_ABSENT, ANET_IO: no
 * such policy. ANET_POLICY: it is none, or fails. ANET_FORMAT: the options are no JSON object. */
ANET_API int anet_policy_new(const anet_policy_desc *desc, const anet_ladder *ladder,
                             anet_policy **out);
ANET_API void anet_policy_release(anet_policy *policy);

/* Ask for the rung of the next frame and switch the session to it. The processor time that this
 * takes counts as the last frame's. ANET_POLICY: the policy failed, which anet_state counts. It is
 * not asked again: where it had been reloaded the one before it is back, else the session's
 * built-in policy (ANET_POLICY_HYSTERESIS) picks from the next frame on, and picks here are ANET_OK
 * and do nothing, until a reload. */
ANET_API int anet_policy_pick(anet_policy *policy, anet_session *session);

/* Replace the policy while the session runs. The new one is asked beside the old, or the built-in,
 * for `frames` picks (0: 32), whose answers are thrown away, and then takes over. Where it fails
 * before, the pick says so with ANET_POLICY, it is dropped, and the old one stays. ladder as in
 * anet_policy_new. */
ANET_API int anet_policy_reload(anet_policy *policy, const anet_policy_desc *desc,
                                const anet_ladder *ladder, int32_t frames);
/* 1 while a reloaded policy is being asked beside the old. */
ANET_API int32_t anet_policy_shadowed(const anet_policy *policy);

#endif
