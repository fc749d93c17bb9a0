/* Running a tape: forward, losses, backward. Nothing here allocates. */
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "op/work.h"
#include "train/loss.h"
#include "train/tape.h"

/* ---- forward ------------------------------------------------------------------------------ */

static int check_batch(const anet_tape *tape, const float *const *in, int32_t n)
{
  if (n < 1 || n > tape->batch)
    return anet_fail(ANET_RANGE, "tape: %d images, want 1 .. %d", n, tape->batch);
  for (int32_t i = 0; i < tape->inputs; i++)
    if (!in[i]) return anet_fail(ANET_RANGE, "tape: input %d of %d is missing", i, tape->inputs);
  return ANET_OK;
}

/* A number of its own for each node that draws at random. */
static uint64_t node_seed(uint64_t seed, int32_t v)
{
  anet_rng rng;
  anet__rng_at(&rng, seed, (uint64_t)v);
  return anet__rng_next(&rng);
}

/* The call of the whole batch. */
static void prepare_forward(anet_tape *tape, int32_t v, int32_t n, bool training, uint64_t seed)
{
  anet__tape_node *node = &tape->node[v];
  anet__call *call = &node->call;
  call->n = n;
  call->training = training && !(tape->statistics && node->id != ANET_OP_NORM);
  call->seed = node_seed(seed, v);
  call->settled = node->id == ANET_OP_NORM;
  for (int32_t i = 0; i < call->inputs; i++) call->in[i] = tape->node[node->in[i]].value;
  if (node->addend >= 0) call->post.add = tape->node[node->addend].value;
}

static int forward(anet_tape *tape, const float *const *in, int32_t n, bool training, double seed)
{
  anet_rng rng;
  anet_rng_seed(&rng, seed);
  const uint64_t stream = anet__rng_next(&rng);
  for (int32_t i = 0; i < tape->inputs; i++) tape->node[tape->input[i]].value = in[i];
  for (int32_t v = 0; v < tape->count; v++)
    if (tape->node[v].needed && tape->node[v].id != ANET_OP_INPUT)
      prepare_forward(tape, v, n, training, stream);
  tape->state = ANET_TAPE_NEW;
  ANET_TRY(anet__tape_run_forward(tape, n));
  tape->state = ANET_TAPE_FORWARD;
  return ANET_OK;
}

/* ---- running statistics ------------------------------------------------------------------- */

static void keep_stats(anet_tape *tape)
{
  for (int32_t i = 0; i < tape->stats; i++) {
    const anet_tensor *t = tape->stat[i].tensor;
    memcpy(tape->stat[i].before, anet__f32(t), (size_t)t->shape.dim[0] * sizeof(float));
  }
}

void anet__tape_undo(anet_tape *tape)
{
  for (int32_t i = 0; i < tape->stats; i++) {
    const anet_tensor *t = tape->stat[i].tensor;
    memcpy(anet__f32(t), tape->stat[i].before, (size_t)t->shape.dim[0] * sizeof(float));
    atomic_fetch_add(&t->storage->version, 1);
  }
}

int anet_tape_forward(anet_tape *tape, const float *const *in, int32_t n, int32_t training,
                      double seed)
{
  ANET_TRY(check_batch(tape, in, n));
  ANET_TRY(anet__tape_refresh(tape));
  keep_stats(tape);
  const int rc = forward(tape, in, n, training != 0, seed);
  if (rc) anet__tape_undo(tape);
  return rc;
}

/* ---- losses ------------------------------------------------------------------------------- */

static int check_losses(const anet_tape *tape, const anet_loss *losses, const float *const *target,
                        int32_t count)
{
  if (count < 1) return anet_fail(ANET_RANGE, "tape: %d losses, want at least 1", count);
  for (int32_t i = 0; i < count; i++) {
    ANET_TRY(anet__loss_check(&losses[i], i, tape->outputs));
    const anet__tape_node *output = &tape->node[tape->output[losses[i].output]];
    ANET_TRY(anet__loss_fits(&losses[i], i, &output->call.out_shape));
    if (!target[i]) return anet_fail(ANET_RANGE, "loss %d: its target is missing", i);
  }
  return ANET_OK;
}

static void run_losses(anet_tape *tape, int32_t n, const anet_loss *losses,
                       const float *const *target, int32_t count, anet_step_stats *stats)
{
  bool counted = false;
  for (int32_t i = 0; i < count; i++) {
    const int32_t output = losses[i].output;
    const anet_answers *answers = &tape->answers[output];
    const bool of_answers = losses[i].kind != ANET_LOSS_FEATURE;
    anet__tape_node *node = &tape->node[of_answers ? answers->logits : tape->output[output]];
    const bool counts = !counted && output == 0 && of_answers;
    const anet__loss_call call = {.term = &losses[i],
                                  .answers = answers,
                                  .kernels = tape->kernels,
                                  .pool = tape->pool,
                                  .n = n,
                                  .size = anet__shape_size(&node->call.out_shape),
                                  .value = node->value,
                                  .target = target[i],
                                  .grad = node->grad,
                                  .add = node->grad_written,
                                  .scratch = (float *)tape->scratch};
    anet__loss_run(&call, &stats->loss, counts ? &stats->correct : NULL);
    node->grad_written = node->grad != NULL;
    counted |= counts;
  }
}

/* ---- backward ----------------------------------------------------------------------------- */

/* Where the gradient of input i goes. One that shares memory with v's and is not changed on the way
 * (an addition's, or that of a clamp that its norm undoes) is there already. */
static bool route_input(anet_tape *tape, int32_t v, int32_t i, anet__grad_call *grad)
{
  const anet__tape_node *node = &tape->node[v];
  anet__tape_node *in = &tape->node[node->in[i]];
  if (!in->flows) return false;
  const bool there = in->masks || (node->id == ANET_OP_ADD && in->grad == node->grad);
  if (!there) {
    grad->din[i] = in->grad;
    grad->add[i] = in->grad_written;
  }
  in->grad_written = true;
  return !there;
}

/* The call of the whole batch, once all that flows into v's gradient is known. */
void anet__tape_prepare_back(anet_tape *tape, int32_t v)
{
  anet__tape_node *node = &tape->node[v];
  anet__grad_call *grad = &node->grad_call;
  node->wanted = false;
  if (!node->grad_written) return;
  *grad = (anet__grad_call){.call = node->call, .dout = node->grad, .clamped = node->masks};
  for (int32_t i = 0; i < node->call.inputs; i++) node->wanted |= route_input(tape, v, i, grad);
  for (int32_t p = 0; p < ANET_MAX_PARAMS; p++) {
    if (node->learns[p] < 0) continue;
    grad->dparam[p] = tape->param[node->learns[p]].grad;
    node->wanted = true;
  }
}

/* ---- a step ------------------------------------------------------------------------------- */

static void clear_run(const void *context, size_t begin, size_t end)
{
  float *grads = ((const anet_tape *)context)->grads;
  memset(grads + begin, 0, (end - begin) * sizeof *grads);
}

static int run_step(anet_tape *tape, const float *const *in, int32_t n, const anet_loss *losses,
                    const float *const *target, int32_t count, double seed, anet_step_stats *stats)
{
  for (int32_t v = 0; v < tape->count; v++) tape->node[v].grad_written = false;
  ANET_TRY(forward(tape, in, n, true, seed));
  tape->state = ANET_TAPE_NEW;
  run_losses(tape, n, losses, target, count, stats);
  return anet__tape_run_backward(tape, n);
}

int anet_tape_step(anet_tape *tape, const float *const *in, int32_t n, const anet_loss *losses,
                   const float *const *target, int32_t count, double seed, anet_step_stats *stats)
{
  ANET_TRY(check_batch(tape, in, n));
  ANET_TRY(check_losses(tape, losses, target, count));
  ANET_TRY(anet__tape_refresh(tape));
  *stats = (anet_step_stats){0};
  keep_stats(tape);
  anet__split(tape->pool, tape->grads_count, 1, clear_run, tape);
  const int rc = run_step(tape, in, n, losses, target, count, seed, stats);
  if (rc) {
    anet__tape_undo(tape);
    return rc;
  }
  tape->loss = stats->loss;
  tape->state = ANET_TAPE_STEP;
  return ANET_OK;
}
