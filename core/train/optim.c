#include "train/optim.h"

#include <math.h>
#include <string.h>
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/index.h"
#include "train/tape.h"

/* What belongs to one parameter memory: sgd's momentum, or adamw's mean and mean square. */
typedef struct slot {
  const anet__storage *key; /* the memory */
  anet_tensor *param;       /* retained: a window of the memory, so that it stays */
  anet_tensor *state[2];
  int64_t *steps; /* owned; apart, so that it stays where it is as slots grow */
  bool counted;   /* of the step in hand */
} slot;

struct anet_optim {
  anet_optim_desc desc; /* defaults filled in */
  slot *slot;           /* (slots) owned */
  int32_t slots, capacity;
  anet__index storages; /* of slots: by their keys */
  int32_t *found;       /* (found_count) slot of each parameter of the tape in hand; owned */
  int32_t found_count;
};

/* ---- life --------------------------------------------------------------------------------- */

static int check_share(const char *name, float value)
{
  if (value >= 0 && value < 1) return ANET_OK;
  return anet_fail(ANET_RANGE, "optim: %s %g, want 0 <= %s < 1", name, (double)value, name);
}

static int check_size(const char *name, float value)
{
  if (value >= 0 && isfinite(value)) return ANET_OK;
  return anet_fail(ANET_RANGE, "optim: %s %g, want 0 or more", name, (double)value);
}

static int check_desc(const anet_optim_desc *desc)
{
  if (desc->kind != ANET_SGD && desc->kind != ANET_ADAMW)
    return anet_fail(ANET_RANGE, "optim: kind %d, want %d or %d", desc->kind, ANET_SGD, ANET_ADAMW);
  ANET_TRY(check_share("momentum", desc->momentum));
  ANET_TRY(check_share("beta2", desc->beta2));
  ANET_TRY(check_size("epsilon", desc->epsilon));
  ANET_TRY(check_size("decay", desc->decay));
  return check_size("clip", desc->clip);
}

int anet_optim_new(const anet_optim_desc *desc, anet_optim **out)
{
  *out = NULL;
  ANET_TRY(check_desc(desc));
  anet_optim *optim = anet__alloc(sizeof *optim);
  if (!optim) return ANET_NOMEM;
  optim->desc = *desc;
  if (desc->beta2 == 0) optim->desc.beta2 = 0.999f;
  if (desc->epsilon == 0) optim->desc.epsilon = 1e-8f;
  *out = optim;
  return ANET_OK;
}

static void slot_clear(slot *s)
{
  anet_tensor_release(s->param);
  anet_tensor_release(s->state[0]);
  anet_tensor_release(s->state[1]);
  anet__free(s->steps);
}

void anet_optim_release(anet_optim *optim)
{
  if (!optim) return;
  for (int32_t i = 0; i < optim->slots; i++) slot_clear(&optim->slot[i]);
  anet__free(optim->slot);
  anet__index_free(&optim->storages);
  anet__free(optim->found);
  anet__free(optim);
}

/* ---- state -------------------------------------------------------------------------------- */

static int32_t find_slot(const anet_optim *optim, const anet__storage *storage)
{
  const uint64_t hash = anet__hash_pointer(storage);
  for (int32_t i = -1; (i = anet__index_find(&optim->storages, hash, i)) >= 0;)
    if (optim->slot[optim->storages.item[i].value].key == storage)
      return optim->storages.item[i].value;
  return -1;
}

static int fill_slot(const anet_optim *optim, const anet_tensor *param, slot *s)
{
  const size_t floats = param->storage->bytes / sizeof(float);
  if (floats > INT32_MAX)
    return anet_fail(ANET_UNSUPPORTED, "optim: a parameter of %zu floats, the most is %d", floats,
                     INT32_MAX);
  const anet_shape shape = {.rank = 1, .dim = {(int32_t)floats}};
  const int32_t states = optim->desc.kind == ANET_ADAMW ? 2 : 1;
  for (int32_t i = 0; i < states; i++) ANET_TRY(anet_tensor_new(ANET_F32, &shape, &s->state[i]));
  s->steps = anet__alloc(sizeof *s->steps);
  return s->steps ? ANET_OK : ANET_NOMEM;
}

static int add_slot(anet_optim *optim, const anet_tensor *param)
{
  slot s = {0};
  void *grown = optim->slot;
  int rc = fill_slot(optim, param, &s);
  if (!rc) rc = anet__grow(&grown, &optim->capacity, optim->slots, sizeof *optim->slot);
  optim->slot = grown;
  if (!rc) rc = anet__index_add(&optim->storages, anet__hash_pointer(param->storage), optim->slots);
  if (rc) {
    slot_clear(&s);
    return rc;
  }
  s.param = anet_tensor_retain((anet_tensor *)param);
  s.key = param->storage;
  optim->slot[optim->slots++] = s;
  return ANET_OK;
}

static int need_slot(anet_optim *optim, const anet_tensor *param, int32_t *number)
{
  *number = find_slot(optim, param->storage);
  if (*number >= 0) return ANET_OK;
  ANET_TRY(add_slot(optim, param));
  *number = optim->slots - 1;
  return ANET_OK;
}

int anet__optim_state(anet_optim *optim, const anet_tensor *param, anet_tensor *state[2],
                      int64_t **steps)
{
  int32_t number;
  ANET_TRY(need_slot(optim, param, &number));
  state[0] = optim->slot[number].state[0];
  state[1] = optim->slot[number].state[1];
  *steps = optim->slot[number].steps;
  return ANET_OK;
}

/* ---- updates ------------------------------------------------------------------------------ */

typedef struct update {
  const anet_optim *optim;
  const anet_tape *tape;
  float rate, scale; /* scale: of gradients, to clip them */
} update;

/* A dense run of n parameters at `at` in their memory. */
static void update_run(const update *u, const slot *s, const anet__tape_param *p, size_t at,
                       const float *grad, size_t n)
{
  const anet_optim_desc *d = &u->optim->desc;
  const float decay = p->role == ANET_PARAM_WEIGHT ? d->decay : 0.0f;
  float *w = (float *)p->tensor->storage->data + at;
  float *first = anet__f32(s->state[0]) + at;
  if (d->kind == ANET_SGD) {
    u->tape->kernels->sgd(&(anet__sgd_args){.w = w,
                                            .momentum = first,
                                            .grad = grad,
                                            .n = n,
                                            .rate = u->rate,
                                            .momentum_keep = d->momentum,
                                            .decay = decay,
                                            .nesterov = d->nesterov});
    return;
  }
  const double t = (double)*s->steps;
  u->tape->kernels->adam(&(anet__adam_args){.w = w,
                                            .mean = first,
                                            .square = anet__f32(s->state[1]) + at,
                                            .grad = grad,
                                            .n = n,
                                            .rate = u->rate,
                                            .beta1 = d->momentum,
                                            .beta2 = d->beta2,
                                            .epsilon = d->epsilon,
                                            .decay = decay,
                                            .bias1 = (float)(1.0 - pow((double)d->momentum, t)),
                                            .bias2 = (float)(1.0 - pow((double)d->beta2, t))});
}

/* How many elements at the end of the window lie side by side; *axes: dimensions before them. */
static size_t run_length(const anet_tensor *t, int32_t *axes)
{
  int64_t run = 1;
  *axes = t->shape.rank;
  while (*axes > 0 && (t->shape.dim[*axes - 1] == 1 || t->stride[*axes - 1] == run))
    run *= t->shape.dim[--*axes];
  return (size_t)run;
}

/* Offset in memory of run `number`, the outer axes counted in row-major order. */
static size_t run_offset(const anet_tensor *t, int32_t axes, size_t number)
{
  int64_t at = t->offset;
  for (int32_t i = axes - 1; i >= 0; i--) {
    at += (int64_t)(number % (size_t)t->shape.dim[i]) * t->stride[i];
    number /= (size_t)t->shape.dim[i];
  }
  return (size_t)at;
}

static void update_param(void *context, int32_t part, int32_t worker)
{
  const update *u = context;
  const anet__tape_param *p = &u->tape->param[part];
  const slot *s = &u->optim->slot[u->optim->found[part]];
  int32_t axes;
  const size_t run = run_length(p->tensor, &axes);
  (void)worker;
  if (u->scale < 1.0f)
    u->tape->kernels->affine_clamp(p->grad, p->grad, p->count, u->scale, 0.0f, -INFINITY, INFINITY);
  for (size_t i = 0; i * run < p->count; i++)
    update_run(u, s, p, run_offset(p->tensor, axes, i), p->grad + i * run, run);
}

/* ---- a step ------------------------------------------------------------------------------- */

/* All that may fail, before anything is changed. */
static int find_slots(anet_optim *optim, const anet_tape *tape)
{
  if (optim->found_count < tape->params) {
    int32_t *found = anet__alloc_array((size_t)tape->params, sizeof *found);
    if (!found) return ANET_NOMEM;
    anet__free(optim->found);
    optim->found = found;
    optim->found_count = tape->params;
  }
  for (int32_t i = 0; i < tape->params; i++)
    ANET_TRY(need_slot(optim, tape->param[i].tensor, &optim->found[i]));
  return ANET_OK;
}

/* One step a memory, however many windows of it the tape has. */
static void count_steps(const anet_optim *optim, const anet_tape *tape)
{
  for (int32_t i = 0; i < tape->params; i++) optim->slot[optim->found[i]].counted = false;
  for (int32_t i = 0; i < tape->params; i++) {
    slot *s = &optim->slot[optim->found[i]];
    if (s->counted) continue;
    s->counted = true;
    ++*s->steps;
    atomic_fetch_add(&tape->param[i].tensor->storage->version, 1);
  }
}

static double gradient_norm(const anet_tape *tape)
{
  double sum = 0;
  for (int32_t i = 0; i < tape->params; i++)
    sum += tape->kernels->dot(tape->param[i].grad, tape->param[i].grad, tape->param[i].count);
  return sqrt(sum);
}

int anet_optim_step(anet_optim *optim, anet_tape *tape, double rate, anet_step_stats *stats)
{
  const float clip = optim->desc.clip;
  if (tape->state != ANET_TAPE_STEP)
    return anet_fail(ANET_STATE,
                     "optim: the tape has made no step whose gradients could be applied");
  if (!(rate >= 0 && isfinite(rate)))
    return anet_fail(ANET_RANGE, "optim: rate %g, want 0 or more", rate);
  const double norm = gradient_norm(tape);
  if (stats) stats->gradient = norm;
  if (!isfinite(norm)) {
    anet__tape_undo(tape);
    return anet_fail(ANET_RANGE, "optim: a gradient is not finite; the step's loss is %g",
                     tape->loss);
  }
  ANET_TRY(find_slots(optim, tape));
  count_steps(optim, tape);
  update u = {.optim = optim, .tape = tape, .rate = (float)rate, .scale = 1.0f};
  if (clip > 0 && norm > (double)clip) u.scale = (float)((double)clip / norm);
  anet__pool_run(tape->pool, update_param, &u, tape->params);
  return ANET_OK;
}
