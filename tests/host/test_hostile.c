/* Policies that mean harm, in a C program: each of tests/support/hostile.txt is loaded and asked on
 * a thread with an ordinary stack and on one with 256 KB. The program lives, every frame is served,
 * a failure is one line, and time and memory keep to their limits. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "anet_host.h"
#include "base/clock.h"
#include "support/rungs.h"
#include "support/test.h"

enum { RUNGS = 3, MOST_BODY = 4096, FRAMES = 3 };

/* Sanitizers put more on the stack, and have memory of their own. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* ---- a small world ------------------------------------------------------------------------ */

static void serve(anet_session *session)
{
  const float in[RUNGS_FEATURES] = {1, 2, 3, 4, 5, 6};
  float out[RUNGS_CLASSES] = {-1e9f, -1e9f, -1e9f};
  CHECK_OK(anet_session_run(session, in, out, 1));
  CHECK(out[0] > -1e9f);
}

/* ---- memory ------------------------------------------------------------------------------- */

/* A figure of /proc/self/status, bytes; -1 where there is none. */
static double status_bytes(const char *name)
{
  char line[256];
  double kb = -1;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file))
    if (strncmp(line, name, strlen(name)) == 0) kb = atof(line + strlen(name));
  if (file) fclose(file);
  return kb < 0 ? -1 : 1024 * kb;
}

/* Make the peak begin anew. */
static void forget_peak(void)
{
  FILE *file = fopen("/proc/self/clear_refs", "w");
  if (!file) return;
  fputs("5", file);
  fclose(file);
}

/* ---- one policy --------------------------------------------------------------------------- */

typedef struct trial {
  anet_ladder *ladder;
  const char *body;
  double worst_ms;   /* processor time of a pick, or of loading */
  double more_bytes; /* than the process held before */
} trial;

static double cpu_since(int64_t began)
{
  return (double)(anet__cpu_ns() - began) * 1e-6;
}

static void check_status(const char *body, int status)
{
  if (status == ANET_OK) return;
  if (status != ANET_POLICY || strpbrk(anet_error(), "\n\r\033") || strlen(anet_error()) > 1000)
    printf("  %s\n", body);
  CHECK_EQ_I(status, ANET_POLICY);
  CHECK(!strpbrk(anet_error(), "\n\r\033"));
  CHECK(strlen(anet_error()) <= 1000);
}

static void pick_for_some_frames(trial *t, anet_policy *policy, anet_session *session)
{
  anet_state state;
  for (int32_t frame = 0; frame < FRAMES; frame++) {
    serve(session);
    const int64_t began = anet__cpu_ns();
    check_status(t->body, anet_policy_pick(policy, session));
    const double ms = cpu_since(began);
    if (ms > t->worst_ms) t->worst_ms = ms;
  }
  CHECK_OK(anet_session_read(session, &state));
  CHECK(state.rung >= 0 && state.rung < RUNGS);
}

static void *try_policy(void *data)
{
  static const char FORM[] =
      "return {api = 1, kind = 'latency', new = function(options, rng) return "
      "{pick = function(self, ladder, state) do %s end return 2 end} end}";
  trial *t = data;
  static char text[MOST_BODY + sizeof FORM]; /* one trial at a time */
  snprintf(text, sizeof text, FORM, t->body);
  const anet_session_desc desc = {.budget_ms = 1000, .policy = ANET_POLICY_HOST, .rung = 0};
  const anet_policy_desc wanted = {.name = "hostile", .text = text};
  anet_session *session;
  anet_policy *policy;
  CHECK_OK(anet_session_new(t->ladder, NULL, &desc, &session));
  forget_peak();
  const double before = status_bytes("VmRSS:");
  int status = anet_policy_new(&wanted, t->ladder, &policy);
  check_status(t->body, status);
  if (!status) {
    pick_for_some_frames(t, policy, session);
    t->more_bytes = status_bytes("VmHWM:") - before;
    anet_policy_release(policy);
  }
  anet_session_release(session);
  return NULL;
}

/* ---- all of them -------------------------------------------------------------------------- */

static void run_on_stack(trial *t, size_t bytes)
{
  pthread_attr_t attributes;
  pthread_t thread;
  CHECK_EQ_I(pthread_attr_init(&attributes), 0);
  CHECK_EQ_I(pthread_attr_setstacksize(&attributes, bytes), 0);
  CHECK_EQ_I(pthread_create(&thread, &attributes, try_policy, t), 0);
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
}

/* How far over its limit a pick may be before it is a fault of the limit and not of a slow day. */
static const double LENIENT_MS = 100;

static void try_all(size_t stack)
{
  char body[MOST_BODY];
  double worst_ms = 0, worst_bytes = 0;
  int32_t count = 0;
  anet_ladder *ladder = small_ladder(RUNGS);
  FILE *file = fopen("tests/support/hostile.txt", "r");
  CHECK(file);
  while (file && fgets(body, sizeof body, file)) {
    body[strcspn(body, "\n")] = 0;
    if (!*body || *body == '#') continue;
    trial t = {.ladder = ladder, .body = body};
    run_on_stack(&t, stack);
    if (t.worst_ms > ANET_PICK_MS + LENIENT_MS) printf("  %.1f ms: %s\n", t.worst_ms, body);
    CHECK(t.worst_ms <= ANET_PICK_MS + LENIENT_MS);
    if (!SANITIZED && t.more_bytes > 2.0 * ANET_PICK_BYTES)
      printf("  %.1f MB: %s\n", t.more_bytes * 1e-6, body);
    if (!SANITIZED) CHECK(t.more_bytes <= 2.0 * ANET_PICK_BYTES);
    if (t.worst_ms > worst_ms) worst_ms = t.worst_ms;
    if (t.more_bytes > worst_bytes) worst_bytes = t.more_bytes;
    count++;
  }
  if (file) fclose(file);
  anet_ladder_release(ladder);
  CHECK(count >= 100);
  printf("%d policies on %zu KB of stack: at most %.1f ms a pick (limit %d), %.1f MB more (cap "
         "%.1f)\n",
         (int)count, stack >> 10, worst_ms, ANET_PICK_MS, worst_bytes * 1e-6,
         ANET_PICK_BYTES * 1e-6);
}

TEST(on_an_ordinary_stack)
{
  try_all((size_t)8 << 20);
}

TEST(on_a_small_stack)
{
  if (SANITIZED) printf("not on 256 KB: the sanitizers' own frames are larger\n");
  try_all((size_t)(SANITIZED ? 2048 : 256) << 10);
}

/* The text of a policy that is nested as deep as the parser goes. */
static void check_nested(const char *open, const char *inside, const char *close, int32_t depth)
{
  static char body[MOST_BODY];
  size_t used = 0;
  anet_ladder *ladder = small_ladder(RUNGS);
  for (int32_t i = 0; i < depth && used + 64 < sizeof body; i++)
    used += (size_t)snprintf(body + used, sizeof body - used, "%s", open);
  used += (size_t)snprintf(body + used, sizeof body - used, "%s", inside);
  for (int32_t i = 0; i < depth && used + 64 < sizeof body; i++)
    used += (size_t)snprintf(body + used, sizeof body - used, "%s", close);
  trial t = {.ladder = ladder, .body = body};
  run_on_stack(&t, (size_t)(SANITIZED ? 2048 : 256) << 10);
  anet_ladder_release(ladder);
}

TEST(nested_texts_need_no_stack_of_the_host)
{
  check_nested("x = (", "1", ")", 190);
  check_nested("x={", "1", "}", 190);
  check_nested("do ", "", " end ", 190);
  check_nested("f=function() ", "", " end ", 150);
  check_nested("x=(function() ", "return 1", " end)() ", 130);
  check_nested("(", "1", ")", 1500);
}

TEST_MAIN(CASE(on_an_ordinary_stack), CASE(on_a_small_stack),
          CASE(nested_texts_need_no_stack_of_the_host))
