#include "train/tape.h"

#include <math.h>
#include <string.h>
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "train/loss.h"
#include "base/place.h"

/* ---- nodes -------------------------------------------------------------------------------- */

/* As before the tape was laid out. */
static void unplace_node(anet__tape_node *node, int32_t v)
{
  node->tail = node->head = v;
  node->addend = node->norm = node->measure = node->measure_back = node->back_time = -1;
  node->value_span = node->grad_span = node->saved_span = -1;
  node->time = 0;
  node->fused = node->masks = node->overwritten = node->grad_joined = false;
  node->value_local = node->value_again = node->grad_local = false;
  node->call.folded = false;
  node->call.post.add = NULL;
  node->call.post.scale = NULL;
  node->call.post.low = -INFINITY;
  node->call.post.high = INFINITY;
}

/* The cheapest way to do a node's batch, by its op's own estimate. */
static anet__method choose(const anet__op *op, const anet__call *call)
{
  anet__method best = ANET_METHOD_DIRECT;
  double least = INFINITY;
  for (anet__method m = ANET_METHOD_DIRECT; op->cost && m < ANET_METHOD_COUNT; m++) {
    const double cost = op->cost(call, m);
    if (cost > 0 && cost < least) best = m, least = cost;
  }
  return best;
}

static void copy_node(anet_tape *tape, const anet_net *net, int32_t v)
{
  const anet__node *from = anet__net_at(net, v);
  anet__tape_node *node = &tape->node[v];
  anet__call *call = &node->call;
  node->id = from->op;
  node->op = anet__op_get(from->op);
  node->attr = from->attr;
  node->last_reader = node->other_reader = node->first_reader = -1;
  for (int32_t i = 0; i < ANET_MAX_PARAMS; i++) {
    node->param[i] = anet_tensor_retain(from->param[i]);
    node->learns[i] = -1;
    call->param[i] = node->param[i];
  }
  memcpy(node->in, from->in, sizeof node->in);
  anet__net_in_shapes(net, v, call->in_shape);
  call->attr = &node->attr;
  call->kernels = tape->kernels;
  call->pool = tape->pool;
  call->n = tape->batch;
  call->inputs = from->inputs;
  call->out_shape = from->shape;
  call->post = anet__post_none();
  call->method = choose(node->op, call);
  unplace_node(node, v);
  call->frozen = from->frozen || (tape->fixed_norms && node->id == ANET_OP_NORM);
  if (tape->statistics && node->id == ANET_OP_NORM) {
    call->frozen = false;
    node->attr.momentum = 1.0f;
  }
}

static void mark_needed(anet_tape *tape)
{
  for (int32_t i = 0; i < tape->outputs; i++) {
    tape->node[tape->output[i]].output = true;
    tape->node[tape->output[i]].needed = true;
    tape->node[tape->answers[i].logits].output = true; /* a loss reads it and begins its gradient */
  }
  for (int32_t v = tape->count - 1; v >= 0; v--) {
    const anet__tape_node *node = &tape->node[v];
    for (int32_t i = 0; node->needed && i < node->call.inputs; i++) {
      anet__tape_node *in = &tape->node[node->in[i]];
      in->needed = true;
      in->readers++;
      in->first_reader = v;
      if (in->last_reader < 0)
        in->last_reader = v;
      else if (in->other_reader < 0)
        in->other_reader = v;
    }
  }
}

/* Who reads what, of what is needed. */
static int list_readers(anet_tape *tape)
{
  int32_t reads = 0;
  tape->reader_of = anet__alloc_array((size_t)tape->count + 1, sizeof *tape->reader_of);
  if (!tape->reader_of) return ANET_NOMEM;
  for (int32_t v = 0; v < tape->count; v++) {
    tape->reader_of[v] = reads;
    reads += tape->node[v].readers;
  }
  tape->reader_of[tape->count] = reads;
  tape->reader = anet__alloc_array((size_t)reads, sizeof *tape->reader);
  if (!tape->reader) return ANET_NOMEM;
  for (int32_t v = tape->count - 1; v >= 0; v--) { /* filled from behind, ends become beginnings */
    const anet__tape_node *node = &tape->node[v];
    for (int32_t i = node->needed ? node->call.inputs - 1 : -1; i >= 0; i--)
      tape->reader[--tape->reader_of[node->in[i] + 1]] = v;
  }
  memmove(tape->reader_of, tape->reader_of + 1, (size_t)tape->count * sizeof *tape->reader_of);
  tape->reader_of[tape->count] = reads;
  return ANET_OK;
}

/* Every value has one count of elements in a batch, which kernels count in 32 bits. */
static int check_sizes(const anet_tape *tape, const anet_net *net)
{
  for (int32_t v = 0; v < tape->count; v++) {
    const size_t size = anet__shape_size(&tape->node[v].call.out_shape);
    if (size > (size_t)INT32_MAX / (size_t)tape->batch)
      return anet_fail(ANET_RANGE, "tape: %d images of '%s' have more than %d elements",
                       tape->batch, net->node[v].name, INT32_MAX);
  }
  return ANET_OK;
}

/* ---- parameters --------------------------------------------------------------------------- */

static bool same_window(const anet_tensor *a, const anet_tensor *b)
{
  return a->storage == b->storage && a->offset == b->offset &&
         anet__shape_equal(&a->shape, &b->shape) &&
         memcmp(a->stride, b->stride, (size_t)a->shape.rank * sizeof *a->stride) == 0;
}

/* One past the last element of a window. */
static int64_t window_end(const anet_tensor *t)
{
  int64_t end = t->offset + 1;
  for (int32_t i = 0; i < t->shape.rank; i++) end += (t->shape.dim[i] - 1) * t->stride[i];
  return end;
}

static bool overlap(const anet_tensor *a, const anet_tensor *b)
{
  return a->storage == b->storage && a->offset < window_end(b) && b->offset < window_end(a);
}

/* The tape's parameter that is this window, or else one that shares elements with it (*whole: the
 * first); -1. */
static int32_t find_param(const anet_tape *tape, const anet_tensor *tensor, bool *whole)
{
  const uint64_t hash = anet__hash_pointer(tensor->storage);
  int32_t found = -1;
  *whole = false;
  for (int32_t i = -1; (i = anet__index_find(&tape->storages, hash, i)) >= 0;) {
    const int32_t param = tape->storages.item[i].value;
    *whole = same_window(tape->param[param].tensor, tensor);
    if (*whole) return param;
    if (overlap(tape->param[param].tensor, tensor)) found = param;
  }
  return found;
}

static bool role_learns(anet__param_role role)
{
  return role == ANET_PARAM_WEIGHT || role == ANET_PARAM_BIAS || role == ANET_PARAM_SCALE;
}

static int add_param(anet_tape *tape, const anet_net *net, int32_t v, int32_t p,
                     anet__param_role role)
{
  anet__tape_node *node = &tape->node[v];
  anet_tensor *tensor = node->param[p];
  bool whole;
  int32_t number = find_param(tape, tensor, &whole);
  if (number >= 0 && !whole)
    return anet_fail(ANET_UNSUPPORTED,
                     "tape: %s of '%s' overlaps in part with another parameter "
                     "that learns",
                     anet_net_param_name(net, v, p), net->node[v].name);
  if (number < 0) {
    ANET_TRY(anet__index_add(&tape->storages, anet__hash_pointer(tensor->storage), tape->params));
    number = tape->params++;
    tape->param[number] = (anet__tape_param){.tensor = tensor, .role = role};
    if (!anet__shape_count(&tensor->shape, &tape->param[number].count))
      return anet_fail(ANET_NOMEM, "tape: a parameter of '%s' is too big", net->node[v].name);
    tape->grads_count += tape->param[number].count;
  }
  node->learns[p] = number;
  return ANET_OK;
}

static void add_stat(anet_tape *tape, anet_tensor *tensor)
{
  tape->stat[tape->stats++].tensor = tensor;
  tape->before_count += (size_t)tensor->shape.dim[0];
}

/* What of node v learns, whether a gradient reaches its value, and where its bias goes: an op with
 * weights adds it in its epilogue. */
static int scan_params(anet_tape *tape, const anet_net *net, int32_t v)
{
  anet__tape_node *node = &tape->node[v];
  anet__param_spec spec[ANET_MAX_PARAMS];
  const int32_t count = anet__net_specs(net, v, spec);
  bool weighs = false;
  for (int32_t p = 0; p < count; p++) {
    weighs |= spec[p].role == ANET_PARAM_WEIGHT;
    if (weighs && spec[p].role == ANET_PARAM_BIAS)
      node->call.post.shift = anet__f32(node->param[p]);
    if (net->node[v].frozen || tape->statistics) continue;
    if (role_learns(spec[p].role)) {
      ANET_TRY(add_param(tape, net, v, p, spec[p].role));
      node->flows = true;
    } else {
      add_stat(tape, node->param[p]);
    }
  }
  for (int32_t i = 0; i < node->call.inputs; i++) node->flows |= tape->node[node->in[i]].flows;
  if (node->flows && !node->op->backward)
    return anet_fail(ANET_UNSUPPORTED, "tape: %s '%s' has no gradient", node->op->name,
                     net->node[v].name);
  return ANET_OK;
}

/* A frozen node's weights must not change, whoever else uses them. */
static int check_frozen(const anet_tape *tape, const anet_net *net)
{
  bool whole;
  for (int32_t v = 0; v < tape->count; v++) {
    const anet__tape_node *node = &tape->node[v];
    for (int32_t p = 0; net->node[v].frozen && p < net->node[v].params; p++)
      if (find_param(tape, node->param[p], &whole) >= 0)
        return anet_fail(ANET_STATE, "tape: %s of frozen '%s' is shared with a node that learns",
                         anet_net_param_name(net, v, p), net->node[v].name);
  }
  return ANET_OK;
}

static int compile_params(anet_tape *tape, const anet_net *net)
{
  const size_t most = (size_t)tape->count * ANET_MAX_PARAMS;
  tape->param = anet__alloc_array(most, sizeof *tape->param);
  tape->stat = anet__alloc_array(most, sizeof *tape->stat);
  if (!tape->param || !tape->stat) return ANET_NOMEM;
  for (int32_t v = 0; v < tape->count; v++)
    if (tape->node[v].needed) ANET_TRY(scan_params(tape, net, v));
  ANET_TRY(check_frozen(tape, net));
  anet__index_free(&tape->storages);
  tape->grads = anet__alloc_array(tape->grads_count + tape->before_count, sizeof *tape->grads);
  if (!tape->grads) return ANET_NOMEM;
  float *at = tape->grads;
  for (int32_t i = 0; i < tape->params; i++) {
    tape->param[i].grad = at;
    at += tape->param[i].count;
  }
  for (int32_t i = 0; i < tape->stats; i++) {
    tape->stat[i].before = at;
    at += tape->stat[i].tensor->shape.dim[0];
  }
  return ANET_OK;
}

/* ---- memory ------------------------------------------------------------------------------- */

static size_t scratch_of(const anet_tape *tape, int32_t v)
{
  const anet__tape_node *node = &tape->node[v];
  size_t bytes = 0;
  if (node->op->scratch && !node->op->by_image)
    bytes = ANET_MAX(node->op->scratch(&node->call, true), node->op->scratch(&node->call, false));
  return bytes;
}

static void *at_span(const anet_tape *tape, int32_t span)
{
  return span < 0 ? NULL : tape->block + tape->span[span].offset;
}

static void bind(anet_tape *tape)
{
  for (int32_t v = tape->count - 1; v >= 0; v--) {
    anet__tape_node *node = &tape->node[v];
    node->grad = at_span(tape, node->grad_span);
    if (node->grad_local)
      node->grad = (float *)tape->scratch; /* wanted; its place is the chunk's */
    node->value = at_span(tape, node->value_span);
    node->call.saved = at_span(tape, node->saved_span);
    node->call.scratch = tape->scratch;
    node->call.out = at_span(tape, tape->node[node->tail].value_span);
    if (node->norm >= 0) tape->node[node->norm].call.out = node->call.out;
    if (node->addend < 0) continue;
    node->call.post.add_ld = (size_t)node->call.out_shape.dim[node->call.out_shape.rank - 1];
  }
}

/* Make *memory, which has room for *room bytes already, large enough. */
static int take_room(char **memory, size_t *room, size_t bytes)
{
  if (*memory && *room >= bytes) return ANET_OK;
  anet__free(*memory);
  *room = 0;
  *memory = anet__alloc(bytes);
  if (!*memory) return ANET_NOMEM;
  *room = bytes;
  return ANET_OK;
}

static void forget_layout(anet_tape *tape)
{
  anet__free(tape->span);
  anet__free(tape->measured);
  anet__free(tape->order);
  anet__free(tape->stage);
  tape->span = NULL;
  tape->measured = tape->order = NULL;
  tape->stage = NULL;
  tape->spans = tape->ordered = tape->measures = tape->forward = tape->backward = 0;
}

static int compile_memory(anet_tape *tape)
{
  ANET_TRY(anet__tape_layout(tape));
  ANET_TRY(anet__tape_stage_scratch(tape, &tape->scratch_bytes));
  tape->scratch_bytes *= sizeof(float);
  for (int32_t v = 0; v < tape->count; v++)
    if (tape->node[v].needed)
      tape->scratch_bytes = ANET_MAX(tape->scratch_bytes, scratch_of(tape, v));
  for (int32_t i = 0; i < tape->outputs; i++)
    tape->scratch_bytes = ANET_MAX(tape->scratch_bytes, anet__loss_scratch(&tape->answers[i]));
  ANET_TRY(take_room(&tape->block, &tape->block_room, tape->block_bytes));
  ANET_TRY(take_room(&tape->scratch, &tape->scratch_room, tape->scratch_bytes));
  bind(tape);
  return ANET_OK;
}

/* ---- life --------------------------------------------------------------------------------- */

static int tape_compile(anet_tape *tape, const anet_net *net)
{
  tape->count = net->count;
  tape->node = anet__alloc_array((size_t)net->count, sizeof *tape->node);
  if (!tape->node) {
    tape->count = 0;
    return ANET_NOMEM;
  }
  tape->inputs = net->inputs;
  memcpy(tape->input, net->input, sizeof tape->input);
  tape->outputs = net->outputs;
  memcpy(tape->output, net->output, sizeof tape->output);
  for (int32_t i = 0; i < net->outputs; i++)
    tape->answers[i] = anet__net_answers(net, net->output[i]);
  for (int32_t v = 0; v < net->count; v++) copy_node(tape, net, v);
  mark_needed(tape);
  ANET_TRY(list_readers(tape));
  ANET_TRY(check_sizes(tape, net));
  ANET_TRY(compile_params(tape, net));
  return compile_memory(tape);
}

static int check_outputs(const anet_net *net)
{
  if (net->outputs == 0) return anet_fail(ANET_STATE, "tape: the net has no output");
  return ANET_OK;
}

static int tape_new(anet_net *net, int32_t batch, anet_pool *pool, bool statistics, anet_tape **out)
{
  *out = NULL;
  if (batch < 1) return anet_fail(ANET_RANGE, "tape: batch %d, want at least 1", batch);
  ANET_TRY(check_outputs(net));
  anet_tape *tape = anet__alloc(sizeof *tape);
  if (!tape) return ANET_NOMEM;
  tape->pool = anet__pool_retain(pool);
  tape->kernels = anet__kernels_best();
  tape->batch = batch;
  tape->statistics = statistics;
  const int rc = tape_compile(tape, net);
  if (rc)
    anet_tape_release(tape);
  else
    *out = tape;
  return rc;
}

int anet_tape_new(anet_net *net, int32_t batch, anet_pool *pool, anet_tape **out)
{
  return tape_new(net, batch, pool, false, out);
}

int anet__tape_new_statistics(anet_net *net, int32_t batch, anet_pool *pool, anet_tape **out)
{
  return tape_new(net, batch, pool, true, out);
}

/* All that belongs to the net; the large memory stays. */
static void forget_net(anet_tape *tape)
{
  for (int32_t v = 0; v < tape->count; v++)
    for (int32_t i = 0; i < ANET_MAX_PARAMS; i++) anet_tensor_release(tape->node[v].param[i]);
  anet__free(tape->grads);
  anet__free(tape->stat);
  anet__free(tape->param);
  anet__index_free(&tape->storages);
  forget_layout(tape);
  anet__free(tape->reader);
  anet__free(tape->reader_of);
  anet__free(tape->node);
  *tape = (anet_tape){.pool = tape->pool,
                      .kernels = tape->kernels,
                      .batch = tape->batch,
                      .statistics = tape->statistics,
                      .fixed_norms = tape->fixed_norms,
                      .block = tape->block,
                      .block_room = tape->block_room,
                      .scratch = tape->scratch,
                      .scratch_room = tape->scratch_room};
}

void anet_tape_fix_norms(anet_tape *tape, int32_t fixed)
{
  if (tape->fixed_norms == (fixed != 0)) return;
  tape->fixed_norms = fixed != 0;
  tape->stale = true;
}

int anet__tape_refresh(anet_tape *tape)
{
  if (!tape->stale) return ANET_OK;
  tape->state = ANET_TAPE_NEW;
  forget_layout(tape);
  for (int32_t v = 0; v < tape->count; v++) {
    anet__tape_node *node = &tape->node[v];
    unplace_node(node, v);
    if (node->id == ANET_OP_NORM && (node->learns[0] >= 0 || node->learns[1] >= 0))
      node->call.frozen = tape->fixed_norms;
  }
  ANET_TRY(compile_memory(tape));
  tape->stale = false;
  return ANET_OK;
}

int anet_tape_renew(anet_tape *tape, anet_net *net)
{
  ANET_TRY(check_outputs(net));
  forget_net(tape);
  const int rc = tape_compile(tape, net);
  if (rc) forget_net(tape);
  return rc;
}

void anet_tape_release(anet_tape *tape)
{
  if (!tape) return;
  forget_net(tape);
  anet__free(tape->scratch);
  anet__free(tape->block);
  anet_pool_release(tape->pool);
  anet__free(tape);
}

/* ---- reading ------------------------------------------------------------------------------ */

const float *anet_tape_value(const anet_tape *tape, int32_t node)
{
  if (node < 0 || node >= tape->count || tape->state == ANET_TAPE_NEW || tape->stale) return NULL;
  const anet__tape_node *at = &tape->node[node];
  if (at->value_span < 0) return at->value; /* an input, or NULL */
  const int32_t now = tape->state == ANET_TAPE_FORWARD ? tape->forward - 1 : anet__tape_end(tape);
  return at->overwritten || tape->span[at->value_span].last < now ? NULL : at->value;
}

const float *anet_tape_grad(const anet_tape *tape, int32_t node, int32_t param)
{
  if (node < 0 || node >= tape->count || param < 0 || param >= ANET_MAX_PARAMS) return NULL;
  const int32_t number = tape->node[node].learns[param];
  return number < 0 || tape->state != ANET_TAPE_STEP ? NULL : tape->param[number].grad;
}

double anet_tape_bytes(const anet_tape *tape)
{
  const size_t grads = (tape->grads_count + tape->before_count) * sizeof *tape->grads;
  return (double)(tape->block_bytes + tape->scratch_bytes + grads);
}
