/* Latency policies for C programs: a sandbox, perhaps with a successor in its shadow. */
#include <jansson.h>
#include <lauxlib.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "anet_host.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "host/embed.h"
#include "host/sandbox.h"

enum { SHADOW_FRAMES = 32, MOST_TEXT = 1 << 20, OPTION_DEPTH = 16 };

/* Invariants: `active` is NULL where it failed and had none before it: then the session's built-in
 * policy picks; `shadow` is NULL or waits for `frames_left` more picks; `previous` is NULL or what
 * served before `active`. */
struct anet_policy {
  anet__sandbox *active, *shadow, *previous;
  int32_t frames_left;
};

/* ---- loading ------------------------------------------------------------------------------- */

static const anet__file *find_builtin(const char *name)
{
  static const char FOLDER[] = "policies/latency/";
  size_t folder = sizeof FOLDER - 1, length = strlen(name);
  for (const anet__file *f = anet__files; f->path; f++) {
    if (strncmp(f->path, FOLDER, folder) == 0 && strncmp(f->path + folder, name, length) == 0 &&
        strcmp(f->path + folder + length, ".lua") == 0)
      return f;
  }
  return NULL;
}

/* The policy's text; *owned is what to free after use, or NULL. */
static int find_text(const anet_policy_desc *desc, const char **text, size_t *size, char **owned)
{
  *owned = NULL;
  if (desc->text) {
    *text = desc->text;
    *size = strlen(desc->text);
    return ANET_OK;
  }
  const anet__file *file = find_builtin(desc->name);
  if (file) {
    *text = file->text;
    *size = file->size;
    return ANET_OK;
  }
  if (!strchr(desc->name, '.') && !strchr(desc->name, '/'))
    return anet_fail(ANET_ABSENT, "there is no latency policy '%s'", desc->name);
  ANET_TRY(anet__file_read(desc->name, MOST_TEXT, owned, size));
  *text = *owned;
  return ANET_OK;
}

static void push_json(lua_State *L, const json_t *value, int depth)
{
  const char *key;
  json_t *item;
  size_t index;
  if (depth >= OPTION_DEPTH) luaL_error(L, "the options have more than %d levels", OPTION_DEPTH);
  luaL_checkstack(L, 4, "the options have too many levels");
  if (json_is_object(value)) {
    lua_newtable(L);
    json_object_foreach ((json_t *)value, key, item) {
      push_json(L, item, depth + 1);
      lua_setfield(L, -2, key);
    }
  } else if (json_is_array(value)) {
    lua_newtable(L);
    json_array_foreach (value, index, item) {
      push_json(L, item, depth + 1);
      lua_rawseti(L, -2, (int)index + 1);
    }
  } else if (json_is_string(value)) {
    lua_pushstring(L, json_string_value(value));
  } else if (json_is_number(value)) {
    lua_pushnumber(L, json_number_value(value));
  } else if (json_is_boolean(value)) {
    lua_pushboolean(L, json_is_true(value));
  } else {
    lua_pushnil(L);
  }
}

typedef struct start_args {
  const json_t *options;
  double seed;
} start_args;

static int push_start(lua_State *L, void *data)
{
  const start_args *args = data;
  if (args->options)
    push_json(L, args->options, 0);
  else
    lua_newtable(L);
  lua_pushnumber(L, args->seed);
  lua_pushliteral(L, "latency");
  return 3;
}

static void set_number(lua_State *L, const char *name, double value)
{
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* The rungs as the policy sees them: {genome, ms, predicted_ms, accuracy}, fastest first. */
static int push_ladder(lua_State *L, void *data)
{
  const anet_ladder *ladder = data;
  int32_t count = anet_ladder_count(ladder);
  lua_createtable(L, count, 0);
  for (int32_t i = 0; i < count; i++) {
    anet_rung rung;
    if (anet_ladder_get(ladder, i, &rung)) luaL_error(L, "%s", anet_error());
    lua_createtable(L, 0, 4);
    lua_pushstring(L, rung.genome);
    lua_setfield(L, -2, "genome");
    set_number(L, "ms", rung.measured_ms);
    set_number(L, "predicted_ms", rung.predicted_ms);
    set_number(L, "accuracy", rung.accuracy);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int start(anet__sandbox *s, const anet_policy_desc *desc, const anet_ladder *ladder)
{
  json_t *options = NULL;
  if (desc->options)
    ANET_TRY(anet__json_parse(desc->options, strlen(desc->options), "policy options", &options));
  int results, rc = ANET_OK;
  if (options && !json_is_object(options))
    rc = anet_fail(ANET_FORMAT, "policy '%s': its options are no JSON object", desc->name);
  start_args args = {options, desc->seed};
  if (!rc) rc = anet__sandbox_ask(s, "start", push_start, &args, &results);
  if (!rc) rc = anet__sandbox_ask(s, "ladder", push_ladder, (void *)ladder, &results);
  json_decref(options);
  return rc;
}

/* A sandbox that is ready to be asked. */
static int load(const anet_policy_desc *desc, const anet_ladder *ladder, anet__sandbox **out)
{
  *out = NULL;
  char *owned;
  anet__sandbox_desc plan = {.name = desc->name ? desc->name : "policy",
                             .steps = desc->steps > 0 ? desc->steps : ANET_PICK_STEPS,
                             .seconds = desc->seconds > 0 ? desc->seconds : ANET_PICK_MS / 1e3,
                             .bytes = desc->bytes > 0 ? desc->bytes : ANET_PICK_BYTES};
  if (!desc->name && !desc->text) return anet_fail(ANET_RANGE, "policy: neither name nor text");
  ANET_TRY(find_text(desc, &plan.text, &plan.size, &owned));
  int rc = anet__sandbox_new(&plan, out);
  anet__free(owned);
  if (!rc) rc = start(*out, desc, ladder);
  if (rc) {
    anet__sandbox_release(*out);
    *out = NULL;
  }
  return rc;
}

int anet_policy_new(const anet_policy_desc *desc, const anet_ladder *ladder, anet_policy **out)
{
  *out = NULL;
  anet_policy *policy = anet__alloc(sizeof *policy);
  if (!policy) return ANET_NOMEM;
  int rc = load(desc, ladder, &policy->active);
  if (rc) {
    anet_policy_release(policy);
    return rc;
  }
  *out = policy;
  return ANET_OK;
}

void anet_policy_release(anet_policy *policy)
{
  if (!policy) return;
  anet__sandbox_release(policy->active);
  anet__sandbox_release(policy->shadow);
  anet__sandbox_release(policy->previous);
  anet__free(policy);
}

int anet_policy_reload(anet_policy *policy, const anet_policy_desc *desc, const anet_ladder *ladder,
                       int32_t frames)
{
  anet__sandbox *shadow;
  ANET_TRY(load(desc, ladder, &shadow));
  anet__sandbox_release(policy->shadow);
  policy->shadow = shadow;
  policy->frames_left = frames > 0 ? frames : SHADOW_FRAMES;
  return ANET_OK;
}

int32_t anet_policy_shadowed(const anet_policy *policy)
{
  return policy->shadow != NULL;
}

/* ---- asking -------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
  const char *name;
  size_t offset;
} state_fields[] = {
#define FIELD(name) {#name, offsetof(anet_state, name)}
  FIELD(budget_ms), FIELD(frames), FIELD(frames_on_rung), FIELD(last_ms), FIELD(mean_ms),
  FIELD(p50_ms), FIELD(p90_ms), FIELD(p99_ms), FIELD(slowdown), FIELD(late), FIELD(load),
  FIELD(free_bytes), FIELD(temperature), FIELD(battery), FIELD(time_left_ms),
  FIELD(drift), FIELD(frame_ms), FIELD(failures),
#undef FIELD
};
/* clang-format on */

/* Rungs count from 1. */
static int push_state(lua_State *L, void *data)
{
  const anet_state *state = data;
  lua_createtable(L, 0, 24);
  for (int32_t i = 0; i < ANET_COUNT(state_fields); i++)
    set_number(L, state_fields[i].name,
               *(const double *)((const char *)state + state_fields[i].offset));
  set_number(L, "rung", state->rung + 1);
  set_number(L, "rungs", state->rungs);
  return 1;
}

static int ask(anet__sandbox *s, anet_state *state, int32_t *rung)
{
  int results;
  ANET_TRY(anet__sandbox_ask(s, "pick", push_state, state, &results));
  lua_State *L = anet__sandbox_state(s);
  if (results < 1 || lua_type(L, 1) != LUA_TNUMBER)
    return anet_fail(ANET_POLICY, "policy '%s': pick gives a %s, want a rung of 1 to %d",
                     anet__sandbox_name(s), results < 1 ? "nothing" : luaL_typename(L, 1),
                     (int)state->rungs);
  double answer = lua_tonumber(L, 1);
  if (!(answer >= 1 && answer <= state->rungs && answer == floor(answer)))
    return anet_fail(ANET_POLICY, "policy '%s': pick gives rung %.10g, want a whole one of 1 to %d",
                     anet__sandbox_name(s), answer, (int)state->rungs);
  *rung = (int32_t)answer - 1;
  return ANET_OK;
}

/* The shadow has waited long enough. */
static void promote(anet_policy *policy)
{
  anet__sandbox_release(policy->previous);
  policy->previous = policy->active;
  policy->active = policy->shadow;
  policy->shadow = NULL;
}

/* One frame of the shadow: dropped where it fails, promoted when its time has come. */
static int ask_shadow(anet_policy *policy, anet_state *state)
{
  int32_t ignored;
  if (!policy->shadow) return ANET_OK;
  int rc = ask(policy->shadow, state, &ignored);
  if (rc) {
    anet__sandbox_release(policy->shadow);
    policy->shadow = NULL;
    return anet__fail_in(rc, "the reloaded policy was dropped");
  }
  if (--policy->frames_left <= 0) promote(policy);
  return ANET_OK;
}

static void fall_back(anet_policy *policy)
{
  anet__sandbox_release(policy->active);
  policy->active = policy->previous;
  policy->previous = NULL;
}

static int ask_active(anet_policy *policy, anet_state *state, int32_t *rung)
{
  if (!policy->active) return ANET_OK;
  int rc = ask(policy->active, state, rung);
  if (rc) fall_back(policy);
  return rc;
}

int anet_policy_pick(anet_policy *policy, anet_session *session)
{
  anet_state state;
  const int64_t began = anet__cpu_ns();
  const bool serving = policy->active;
  ANET_TRY(anet_session_read(session, &state));
  int32_t rung = state.rung;
  int rc = ask_active(policy, &state, &rung);
  const bool answered = serving && !rc;
  if (!rc) rc = ask_shadow(policy, &state);
  /* Not by the wall's clock: a thread that has used its slice is often put off at a call like
   * these, and that is none of the policy's time. */
  const double ms = (double)(anet__cpu_ns() - began) * 1e-6;
  ANET_TRY(anet_session_charge(session, ms, rc != ANET_OK));
  if (answered) ANET_TRY(anet_session_switch(session, rung));
  if (serving != (policy->active != NULL))
    ANET_TRY(anet_session_govern(session, serving ? ANET_POLICY_HYSTERESIS : ANET_POLICY_HOST));
  return rc;
}
