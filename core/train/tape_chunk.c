/* Running the stages of a tape: parts over the pool, each a few images at a time. */
#include <string.h>

#include "base/error.h"
#include "base/pool.h"
#include "op/band.h"
#include "op/norm.h"
#include "op/work.h"
#include "train/tape.h"

typedef struct job {
  anet_tape *tape;
  const anet__tape_stage *stage;
  const int32_t *norm;  /* (norms) whose sums are made */
  int32_t norms, nodes; /* nodes: 0 for sums alone */
  int32_t n;            /* units of the batch */
  bool back, shared;    /* shared: threads share the parts, else each op its work */
} job;

static int32_t parts_of(const job *j)
{
  return (j->n + j->stage->part - 1) / j->stage->part;
}

/* The scratch at an offset in floats. */
static float *at_scratch(const anet_tape *tape, size_t floats)
{
  return (float *)tape->scratch + floats;
}

/* ---- calls of some images ----------------------------------------------------------------- */

/* Units at .. at+n-1 of the batch. */
typedef struct images {
  int32_t at, n, part, worker;
} images;

/* shape: of a unit. */
static const float *image_at(const float *x, const anet_shape *shape, images m)
{
  return x ? x + (size_t)m.at * anet__shape_size(shape) : NULL;
}

/* A worker's own memory, from an offset on. */
static float *at_worker(const job *j, images m, size_t floats)
{
  return at_scratch(j->tape,
                    j->stage->worker + (size_t)m.worker * j->stage->worker_floats + floats);
}

static anet__call call_of(const job *j, const anet__tape_node *node, const anet__call *whole,
                          images m)
{
  const anet__tape_node *tail = &j->tape->node[node->tail];
  anet__call call = *whole;
  call.n = m.n;
  call.pool = j->shared ? NULL : call.pool;
  call.scratch = at_worker(j, m, 0);
  anet__tape_unit(j->stage, &call);
  for (int32_t i = 0; i < call.inputs; i++) {
    const anet__tape_node *in = &j->tape->node[node->in[i]];
    const bool own = j->back ? in->value_again : in->value_local;
    call.in[i] = own ? at_worker(j, m, j->back ? in->value_back_at : in->value_at)
                     : image_at(call.in[i], &call.in_shape[i], m);
  }
  call.out = tail->value_local && !j->back ? at_worker(j, m, tail->value_at)
                                           : (float *)image_at(call.out, &call.out_shape, m);
  if (node->addend >= 0 && !j->back && j->tape->node[node->addend].value_local)
    call.post.add = at_worker(j, m, j->tape->node[node->addend].value_at);
  else
    call.post.add = image_at(call.post.add, &call.out_shape, m);
  return call;
}

static anet__grad_call grad_of(const job *j, const anet__tape_node *node,
                               const anet__grad_call *whole, images m)
{
  anet__grad_call grad = *whole;
  grad.call = call_of(j, node, &whole->call, m);
  grad.dout = node->grad_local ? at_worker(j, m, node->grad_at)
                               : image_at(whole->dout, &grad.call.out_shape, m);
  for (int32_t i = 0; i < whole->call.inputs; i++) {
    const anet__tape_node *in = &j->tape->node[node->in[i]];
    grad.din[i] = whole->din[i] && in->grad_local
                      ? at_worker(j, m, in->grad_at)
                      : (float *)image_at(whole->din[i], &grad.call.in_shape[i], m);
  }
  return grad;
}

/* Where part p of node v adds the gradient of its parameter i; the first to the parameter's own. */
static float *param_grad(const job *j, int32_t v, int32_t i, int32_t p)
{
  const anet__tape_node *node = &j->tape->node[v];
  const anet__tape_param *param = &j->tape->param[node->learns[i]];
  return p ? at_scratch(j->tape, node->partial_at[i]) + (size_t)(p - 1) * param->count
           : param->grad;
}

static double *sums_of(const job *j, int32_t v, int32_t part)
{
  const anet__tape_node *node = &j->tape->node[v];
  const size_t channels = (size_t)anet__channels(&node->call.out_shape);
  return (double *)at_scratch(j->tape, j->back ? node->sums_back_at : node->sums_at) +
         (size_t)part * 2 * channels;
}

static bool has_partial(const anet__tape_node *node, int32_t i)
{
  return node->id != ANET_OP_NORM && node->learns[i] >= 0;
}

/* ---- a part ------------------------------------------------------------------------------- */

/* The call that makes value v again. */
static anet__call again_call(const job *j, int32_t v, images m)
{
  const anet__tape_node *node = &j->tape->node[v];
  const anet__tape_node *head = &j->tape->node[node->fused ? node->head : v];
  anet__call call = call_of(j, head, &head->call, m);
  call.out = at_worker(j, m, node->value_back_at);
  return call;
}

/* The inputs of a node that its forward pass did not leave in memory. */
static void make_again(const job *j, const anet__tape_node *node, images m)
{
  for (int32_t i = 0; i < node->call.inputs; i++) {
    if (!j->tape->node[node->in[i]].value_again) continue;
    const anet__call call = again_call(j, node->in[i], m);
    anet__op_norm.forward(&call);
  }
}

static void run_node(const job *j, int32_t v, images m)
{
  const anet__tape_node *node = &j->tape->node[v];
  if (!j->back) {
    const anet__call call = call_of(j, node, &node->call, m);
    node->op->forward(&call);
    return;
  }
  if (!node->wanted) return;
  make_again(j, node, m);
  anet__grad_call grad = grad_of(j, node, &node->grad_call, m);
  for (int32_t i = 0; i < ANET_MAX_PARAMS; i++)
    grad.dparam[i] = has_partial(node, i) ? param_grad(j, v, i, m.part) : NULL;
  if (anet__tape_fixed_norm(j->tape, v)) anet__norm_grad_measure(&grad, sums_of(j, v, m.part));
  node->op->backward(&grad);
}

/* A norm takes part in the backward pass if a gradient reaches it; its own call may not be prepared
 * yet, but what its sums need is known. */
static anet__grad_call sums_call(const anet__tape_node *node)
{
  return (anet__grad_call){.call = node->call, .dout = node->grad, .clamped = node->masks};
}

/* Are sums over the batch wanted of norm v? */
static bool wants_sums(const job *j, int32_t v)
{
  const anet__tape_node *node = &j->tape->node[v];
  if (!j->back) return node->call.training && !node->call.frozen;
  return node->grad_written;
}

static void measure(const job *j, int32_t v, images m)
{
  const anet__tape_node *node = &j->tape->node[v];
  if (!j->back) {
    const anet__call call = call_of(j, node, &node->call, m);
    anet__norm_measure(&call, sums_of(j, v, m.part));
    return;
  }
  const anet__grad_call whole = sums_call(node), grad = grad_of(j, node, &whole, m);
  anet__norm_grad_measure(&grad, sums_of(j, v, m.part));
}

/* ---- a band ------------------------------------------------------------------------------- */

static void run_band_forward(const job *j, images m)
{
  const int32_t *v = &j->tape->order[j->stage->first];
  const anet__tape_node *norm = &j->tape->node[v[0]], *d = &j->tape->node[v[1]];
  const anet__call inner = call_of(j, norm, &norm->call, m), depthwise = call_of(j, d, &d->call, m);
  anet__band band = {.norm = &inner, .depthwise = &depthwise};
  anet__call measured;
  if (j->norms && wants_sums(j, j->norm[0])) {
    const anet__tape_node *next = &j->tape->node[j->norm[0]];
    measured = call_of(j, next, &next->call, m);
    band.measured = &measured;
    band.sums = sums_of(j, j->norm[0], m.part);
  }
  anet__band_forward(&band);
}

static void run_band_backward(const job *j, images m)
{
  const int32_t *v = &j->tape->order[j->stage->first];
  const anet__tape_node *norm = &j->tape->node[v[0]], *d = &j->tape->node[v[1]];
  if (!d->wanted) return;
  const anet__grad_call inner = grad_of(j, norm, &norm->grad_call, m);
  anet__grad_call depthwise = grad_of(j, d, &d->grad_call, m), measured;
  anet__call again;
  anet__band_grad band = {.norm = &inner, .depthwise = &depthwise};
  depthwise.dparam[0] = has_partial(d, 0) ? param_grad(j, v[1], 0, m.part) : NULL;
  if (j->tape->node[d->in[0]].value_again) {
    again = again_call(j, d->in[0], m);
    band.again = &again;
  }
  if (j->norms && wants_sums(j, j->norm[0])) {
    const anet__tape_node *next = &j->tape->node[j->norm[0]];
    const anet__grad_call whole = sums_call(next);
    measured = grad_of(j, next, &whole, m);
    band.measured = &measured;
    band.sums = sums_of(j, j->norm[0], m.part);
  }
  anet__band_backward(&band);
}

static void clear_sums(const job *j, int32_t v, int32_t part)
{
  const size_t channels = (size_t)anet__channels(&j->tape->node[v].call.out_shape);
  memset(sums_of(j, v, part), 0, 2 * channels * sizeof(double));
}

static void clear_part(const job *j, int32_t part)
{
  for (int32_t i = 0; i < j->norms; i++) clear_sums(j, j->norm[i], part);
  for (int32_t i = 0; j->back && i < j->nodes; i++) {
    const int32_t v = j->tape->order[j->stage->first + i];
    const anet__tape_node *node = &j->tape->node[v];
    if (node->wanted && anet__tape_fixed_norm(j->tape, v)) clear_sums(j, v, part);
    for (int32_t p = 0; part && node->wanted && p < ANET_MAX_PARAMS; p++)
      if (has_partial(node, p))
        memset(param_grad(j, v, p, part), 0, j->tape->param[node->learns[p]].count * sizeof(float));
  }
}

static void run_part(void *context, int32_t part, int32_t worker)
{
  const job *j = context;
  const anet__tape_stage *s = j->stage;
  /* what the stage before has made last is still in the caches: there every other stage begins */
  if ((s - j->tape->stage) % 2) part = parts_of(j) - 1 - part;
  const int32_t begin = part * s->part, end = ANET_MIN(begin + s->part, j->n);
  clear_part(j, part);
  for (int32_t at = begin; at < end && !anet__pool_stopped(j->tape->pool); at += s->chunk) {
    const images m = {at, ANET_MIN(s->chunk, end - at), part, worker};
    if (s->band) {
      j->back ? run_band_backward(j, m) : run_band_forward(j, m);
      continue;
    }
    for (int32_t i = 0; i < j->nodes; i++) run_node(j, j->tape->order[s->first + i], m);
    for (int32_t i = 0; i < j->norms; i++)
      if (wants_sums(j, j->norm[i])) measure(j, j->norm[i], m);
  }
}

/* ---- a stage ------------------------------------------------------------------------------ */

static void run_parts(job *j)
{
  const int32_t parts = parts_of(j);
  j->shared = parts > 1 && parts >= anet__pool_workers(j->tape->pool);
  if (j->shared)
    anet__pool_run(j->tape->pool, run_part, j, parts);
  else
    for (int32_t p = 0; p < parts; p++) run_part(j, p, 0);
}

/* All parts' sums, in order, and what follows from them. */
static void settle(const job *j, int32_t v)
{
  anet__tape_node *node = &j->tape->node[v];
  const size_t width = 2 * (size_t)anet__channels(&node->call.out_shape);
  double *sums = sums_of(j, v, 0);
  for (int32_t p = 1; p < parts_of(j); p++) {
    const double *part = sums_of(j, v, p);
    for (size_t i = 0; i < width; i++) sums[i] += part[i];
  }
  if (!j->back) {
    anet__norm_settle(&node->call, sums);
    return;
  }
  anet__grad_call grad = sums_call(node);
  for (int32_t p = 0; p < ANET_MAX_PARAMS; p++)
    if (node->learns[p] >= 0) grad.dparam[p] = j->tape->param[node->learns[p]].grad;
  anet__norm_grad_settle(&grad, sums);
}

static void settle_all(const job *j)
{
  for (int32_t i = 0; i < j->norms; i++)
    if (wants_sums(j, j->norm[i])) settle(j, j->norm[i]);
  for (int32_t i = 0; j->back && i < j->nodes; i++) {
    const int32_t v = j->tape->order[j->stage->first + i];
    if (j->tape->node[v].wanted && anet__tape_fixed_norm(j->tape, v)) settle(j, v);
  }
}

/* A norm that no earlier stage has seen to. */
static void ready_norm(const job *j, int32_t v)
{
  const anet__tape_node *node = &j->tape->node[v];
  const bool batch = anet__tape_batch_norm(j->tape, v) && wants_sums(j, v);
  if (batch && (j->back ? node->measure_back : node->measure) >= 0) return;
  if (batch) {
    job alone = *j;
    alone.nodes = 0;
    alone.norm = &v;
    alone.norms = 1;
    run_parts(&alone);
    settle(&alone, v);
  } else if (!j->back) {
    anet__norm_settle(&node->call, NULL);
  } else {
    const anet__grad_call grad = sums_call(node);
    anet__norm_grad_settle(&grad, NULL);
  }
}

/* The norm in a convolution's epilogue; the clamp there is the norm's as well, backward. */
static void fold_norm(anet_tape *tape, anet__tape_node *node)
{
  anet__call *norm = &tape->node[node->norm].call;
  anet__norm_settle(norm, NULL);
  anet__norm_affine(norm, &node->call.post.scale, &node->call.post.shift);
  norm->post.low = node->call.post.low;
  norm->post.high = node->call.post.high;
}

static void pack_node(const job *j, anet__tape_node *node)
{
  anet__call call = node->call;
  call.scratch = at_scratch(j->tape, j->stage->worker);
  if (!j->back && node->op->pack) {
    float *packed = at_scratch(j->tape, node->packed_at);
    node->op->pack(&call, packed);
    node->call.packed = packed;
  }
  if (j->back && node->op->pack_back) {
    float *packed = at_scratch(j->tape, node->packed_back_at);
    if (node->grad_call.din[0]) node->op->pack_back(&call, packed);
    node->grad_call.call.packed_back = packed; /* scratch was counted without */
  }
}

/* Elements [begin, end) of a parameter's gradient take the parts' sums, in order. */
typedef struct reduction {
  const job *job;
  int32_t v, param;
} reduction;

static void reduce_run(const void *context, size_t begin, size_t end)
{
  const reduction *r = context;
  const job *j = r->job;
  const size_t step = 2048;
  float *to = param_grad(j, r->v, r->param, 0);
  for (size_t i = begin; i < end; i += step)
    for (int32_t p = 1; p < parts_of(j); p++)
      j->tape->kernels->add(to + i, to + i, param_grad(j, r->v, r->param, p) + i,
                            ANET_MIN(step, end - i));
}

static void reduce_params(const job *j, int32_t v)
{
  const anet__tape_node *node = &j->tape->node[v];
  const int32_t parts = parts_of(j);
  for (int32_t p = 0; node->wanted && p < ANET_MAX_PARAMS; p++) {
    if (!has_partial(node, p) || parts == 1) continue;
    const reduction r = {j, v, p};
    anet__split(j->tape->pool, j->tape->param[node->learns[p]].count, (size_t)parts, reduce_run,
                &r);
  }
}

static void run_whole(const job *j, int32_t v)
{
  const anet__tape_node *node = &j->tape->node[v];
  if (!j->back)
    node->op->forward(&node->call);
  else if (node->wanted)
    node->op->backward(&node->grad_call);
}

static void run_stage(anet_tape *tape, const anet__tape_stage *s, int32_t n, bool back)
{
  job j = {.tape = tape,
           .stage = s,
           .norm = tape->measured + s->norm,
           .norms = s->norms,
           .nodes = s->count,
           .n = n * s->units,
           .back = back};
  for (int32_t i = 0; i < s->count; i++) {
    const int32_t v = tape->order[s->first + i];
    anet__tape_node *node = &tape->node[v];
    if (back) anet__tape_prepare_back(tape, v);
    if (back && !node->wanted) continue;
    if (node->id == ANET_OP_NORM) ready_norm(&j, v);
    if (!back && node->norm >= 0) fold_norm(tape, node);
    if (s->by_image) pack_node(&j, node);
  }
  if (!s->by_image) {
    run_whole(&j, tape->order[s->first]);
    return;
  }
  run_parts(&j);
  settle_all(&j);
  for (int32_t i = 0; back && i < s->count; i++) reduce_params(&j, tape->order[s->first + i]);
}

static int run_stages(anet_tape *tape, int32_t begin, int32_t end, int32_t n, bool back)
{
  for (int32_t i = begin; i < end; i++) {
    run_stage(tape, &tape->stage[i], n, back);
    ANET_TRY(anet__pool_check(tape->pool));
  }
  return ANET_OK;
}

int anet__tape_run_forward(anet_tape *tape, int32_t n)
{
  return run_stages(tape, 0, tape->forward, n, false);
}

int anet__tape_run_backward(anet_tape *tape, int32_t n)
{
  return run_stages(tape, tape->forward, tape->forward + tape->backward, n, true);
}
