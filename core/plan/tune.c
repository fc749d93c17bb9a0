#include "plan/tune.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "op/work.h"

enum {
  ROUNDS = 5,          /* the methods are tried by turns, so often */
  MOST_TEXT = 4 << 20, /* bytes of a file that is believed to be one of ours */
  KEY = 640
};
static const double HOPELESS = 3; /* times the best estimate: not tried */
/* What a byte of packed weights is worth, in time, and one that the second-level cache has no room
 * for: larger tiles may gain a little, cost much memory and drive others out of the caches. */
static const double NS_A_BYTE = 0.02, NS_A_FAR_BYTE = 0.05;
static const size_t NEAR_BYTES = 1 << 20;

static double price_of(size_t bytes)
{
  const size_t near = ANET_MIN(bytes, NEAR_BYTES);
  return NS_A_BYTE * (double)near + NS_A_FAR_BYTE * (double)(bytes - near);
}

/* ---- the file -----------------------------------------------------------------------------------
 */

static void default_path(char *path, size_t size)
{
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  path[0] = 0;
  if (cache && *cache == '/')
    snprintf(path, size, "%s/anet/methods.tsv", cache);
  else if (home && *home == '/')
    snprintf(path, size, "%s/.cache/anet/methods.tsv", home);
}

/* The folders on the way to a file; those that cannot be made show when it is opened. */
static void make_folders(char *path)
{
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(path, 0777);
    *slash = '/';
  }
}

/* One write of one short line: programs that add theirs at the same time do not mix. A pipe that
 * nobody reads is refused, not waited for. */
static bool append(const anet__tune *t, const char *line)
{
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK;
  const int file = open(t->path, flags, 0666);
  if (file < 0) return false;
  const size_t bytes = strlen(line);
  const bool done = write(file, line, bytes) == (ssize_t)bytes;
  close(file);
  return done;
}

static void read_known(anet__tune *t)
{
  size_t bytes;
  anet__free(t->known);
  t->known = NULL;
  if (t->path[0] && anet__file_read(t->path, MOST_TEXT, &t->known, &bytes)) t->known = NULL;
}

void anet__tune_open(anet__tune *t)
{
  const char *said = getenv("ANET_TUNE");
  *t = (anet__tune){0};
  if (said && strcmp(said, "off") == 0) return;
  if (said && *said)
    snprintf(t->path, sizeof t->path, "%s", said);
  else
    default_path(t->path, sizeof t->path);
  if (!t->path[0]) return;
  make_folders(t->path);
  if (!append(t, "")) t->path[0] = 0;
  anet__cpu_fingerprint(1, t->machine, sizeof t->machine);
  for (char *c = t->machine; *c; c++)
    if (*c == '\t' || *c == '\n') *c = ' ';
  read_known(t);
}

int anet_tune_check(void)
{
  const char *said = getenv("ANET_TUNE");
  anet__tune t = {0};
  if (!said || !*said || strcmp(said, "off") == 0) return ANET_OK;
  if (strlen(said) >= sizeof t.path)
    return anet_fail(ANET_RANGE, "ANET_TUNE: a path of %zu bytes, at most %zu", strlen(said),
                     sizeof t.path - 1);
  snprintf(t.path, sizeof t.path, "%s", said);
  make_folders(t.path);
  if (append(&t, "")) return ANET_OK;
  return anet_fail(ANET_IO, "ANET_TUNE: cannot write '%s': %s (want the path of a file, or 'off')",
                   said, strerror(errno));
}

void anet__tune_close(anet__tune *t)
{
  anet__free(t->known);
  t->known = NULL;
}

/* ---- keys
 * ----------------------------------------------------------------------------------------- */

static const char *const method_name[ANET_METHOD_COUNT] = {"direct", "winograd2", "winograd4"};

/* "machine TAB op and shapes TAB" */
static void write_key(const anet__tune *t, const anet__step *step, char *key)
{
  const anet_attr *a = &step->attr;
  char in[ANET_SHAPE_TEXT], out[ANET_SHAPE_TEXT];
  snprintf(key, KEY, "%s\t%s %dx%d stride %d,%d dilation %d,%d pad %d,%d,%d,%d groups %d %s %s\t",
           t->machine, anet__op_get(step->op)->name, a->kernel[0], a->kernel[1], a->stride[0],
           a->stride[1], a->dilation[0], a->dilation[1], a->pad[0], a->pad[1], a->pad[2], a->pad[3],
           a->groups, anet__shape_text(&step->in_shape[0], in),
           anet__shape_text(&step->out_shape, out));
}

/* What the first line with this key says; false: there is none. */
static bool look_up(const anet__tune *t, const char *key, anet__method *method)
{
  const size_t length = strlen(key);
  for (const char *line = t->known; line && *line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (strncmp(line, key, length) != 0) continue;
    const char *name = line + length;
    const size_t name_length = strcspn(name, "\n");
    for (int32_t m = 0; m < ANET_METHOD_COUNT; m++)
      if (strlen(method_name[m]) == name_length && !strncmp(name, method_name[m], name_length)) {
        *method = (anet__method)m;
        return true;
      }
  }
  return false;
}

/* ---- trying
 * ------------------------------------------------------------------------------------------ */

/* A step made ready to run by one method. */
typedef struct trial {
  anet__step step; /* as `call` points into it */
  anet__call call;
  anet__method method;
  float *packed, *scratch;
  int64_t best_ns;
  double price_ns; /* of the memory */
} trial;

static bool trial_new(trial *r, const anet__step *step, anet__method method, const float *in,
                      float *out)
{
  const anet__op *op = anet__op_get(step->op);
  r->step = *step;
  r->step.method = method;
  r->step.packed = NULL;
  r->step.wide = 0;
  anet__step_call(&r->step, 1, NULL, &r->call);
  r->method = method;
  r->best_ns = INT64_MAX;
  r->price_ns = price_of(op->pack_size(&r->call) * sizeof(float));
  r->packed = anet__alloc_array(op->pack_size(&r->call), sizeof(float));
  if (!r->packed) return false;
  op->pack(&r->call, r->packed);
  r->call.packed = r->packed;
  r->call.post = anet__post_none();
  r->call.in[0] = in;
  r->call.out = out;
  r->scratch = anet__alloc(op->scratch(&r->call, false));
  r->call.scratch = r->scratch;
  return r->scratch != NULL;
}

static void trial_run(trial *r, const anet__op *op)
{
  const int64_t begin = anet__now_ns();
  op->forward(&r->call);
  const int64_t ns = anet__now_ns() - begin;
  r->best_ns = ANET_MIN(r->best_ns, ns);
}

static int32_t make_trials(trial *trials, const anet__step *step, const double *cost, double least,
                           const float *in, float *out)
{
  int32_t count = 0;
  for (int32_t m = 0; m < ANET_METHOD_COUNT; m++) {
    if (cost[m] <= 0 || cost[m] > HOPELESS * least) continue;
    if (!trial_new(&trials[count++], step, (anet__method)m, in, out)) return 0;
  }
  return count;
}

/* The best of the methods whose cost is not hopeless; `fallback` where they cannot be tried. */
static anet__method measure(const anet__step *step, const double *cost, double least,
                            anet__method fallback)
{
  trial trials[ANET_METHOD_COUNT] = {0};
  const size_t count_in = anet__shape_size(&step->in_shape[0]);
  float *in = anet__alloc_array(count_in, sizeof *in);
  float *out = anet__alloc_array(anet__shape_size(&step->out_shape), sizeof *out);
  anet__method best = fallback;
  for (size_t i = 0; in && i < count_in; i++) in[i] = (float)(i % 17) - 8;
  const int32_t count = in && out ? make_trials(trials, step, cost, least, in, out) : 0;
  for (int32_t round = 0; round < ROUNDS; round++)
    for (int32_t i = 0; i < count; i++) trial_run(&trials[i], anet__op_get(step->op));
  double least_ns = INFINITY;
  for (int32_t i = 0; i < count; i++) {
    const double ns = (double)trials[i].best_ns + trials[i].price_ns;
    if (ns < least_ns) best = trials[i].method, least_ns = ns;
  }
  for (int32_t i = 0; i < ANET_METHOD_COUNT; i++) {
    anet__free(trials[i].packed);
    anet__free(trials[i].scratch);
  }
  anet__free(in);
  anet__free(out);
  return best;
}

/* ---- choosing
 * ------------------------------------------------------------------------------------------ */

/* Costs of the methods for one image; how many there are, and the least of them. */
static int32_t estimate(const anet__step *step, double *cost, double *least, anet__method *best)
{
  const anet__op *op = anet__op_get(step->op);
  anet__call call;
  int32_t count = 0;
  *least = INFINITY;
  *best = ANET_METHOD_DIRECT;
  if (!op->cost) return 1;
  anet__step_call(step, 1, NULL, &call);
  for (int32_t m = 0; m < ANET_METHOD_COUNT; m++) {
    cost[m] = op->cost(&call, (anet__method)m);
    if (cost[m] <= 0) continue;
    count++;
    if (cost[m] < *least) *least = cost[m], *best = (anet__method)m;
  }
  return count;
}

anet__method anet__tune_choose(anet__tune *t, const anet__step *step)
{
  double cost[ANET_METHOD_COUNT], least;
  char key[KEY + 16];
  anet__method best, found;
  if (step->method == ANET_METHOD_BYTES) return step->method;
  if (estimate(step, cost, &least, &best) < 2 || !t->path[0]) return best;
  write_key(t, step, key);
  if (look_up(t, key, &found)) return found;
  const size_t length = strlen(key);
  best = measure(step, cost, least, best);
  snprintf(key + length, sizeof key - length, "%s\n", method_name[best]);
  append(t, key);
  /* another program may have been first: everybody goes by the first line */
  read_known(t);
  key[length] = 0;
  return look_up(t, key, &found) ? found : best;
}
