/* What shares memory with what, what runs in whose epilogue, and for how long everything lives. */
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "train/tape.h"
#include "base/place.h"

/* ---- epilogues ---------------------------------------------------------------------------- */

/* The clamp that an op is: *high, from 0. */
static bool is_clamp(anet__op_id id, float *high)
{
  *high = id == ANET_OP_RELU6 ? 6.0f : INFINITY;
  return id == ANET_OP_RELU || id == ANET_OP_RELU6;
}

/* Is `value` that of a convolution without a bias, and its only reader a norm that is frozen
 * through and through? Then the norm runs in the convolution's epilogue, and backward it is but a
 * scale. */
static bool folds(const anet_tape *tape, int32_t value)
{
  const anet__tape_node *node = &tape->node[value];
  if (node->readers != 1 || node->output || node->call.post.shift) return false;
  if (node->id != ANET_OP_CONV && node->id != ANET_OP_DEPTHWISE) return false;
  const int32_t next = node->last_reader;
  return tape->node[next].id == ANET_OP_NORM && !anet__tape_batch_norm(tape, next) &&
         !anet__tape_fixed_norm(tape, next);
}

/* Can `value` go without memory: nobody but its only reader wants it, and its backward neither. */
static bool passes(const anet_tape *tape, int32_t value)
{
  const anet__tape_node *node = &tape->node[value], *reader = &tape->node[node->last_reader];
  if (node->readers != 1 || node->output) return false;
  if (node->flows && node->op->grad_needs_out) return false;
  return !(reader->flows && reader->op->grad_needs_in) || folds(tape, value);
}

/* The other input of addition `add` that `value` goes into, if the head can add it: same shape, and
 * computed before the head runs. -1: it cannot. */
static int32_t addend_of(const anet_tape *tape, int32_t add, int32_t value, int32_t head)
{
  const anet__tape_node *node = &tape->node[add];
  const int32_t other = node->in[0] == value ? node->in[1] : node->in[0];
  if (node->id != ANET_OP_ADD || other >= head) return -1;
  return anet__shape_equal(&node->call.in_shape[0], &node->call.in_shape[1]) ? other : -1;
}

static void fuse_from(anet_tape *tape, int32_t head)
{
  anet__tape_node *node = &tape->node[head];
  anet__post *post = &node->call.post;
  float high;
  while (passes(tape, node->tail)) {
    const int32_t next = tape->node[node->tail].last_reader;
    const bool clamp = is_clamp(tape->node[next].id, &high);
    if (node->tail == head && folds(tape, head)) {
      node->norm = next;
      tape->node[next].call.folded = true;
    } else if (clamp) {
      post->low = 0.0f;
      post->high = high;
    } else {
      if (node->addend >= 0) return;
      node->addend = addend_of(tape, next, node->tail, head);
      if (node->addend < 0) return;
    }
    tape->node[next].fused = true;
    tape->node[next].head = node->tail;
    node->tail = next;
    if (clamp) return;
  }
}

static void fuse(anet_tape *tape)
{
  for (int32_t v = 0; v < tape->count; v++)
    if (tape->node[v].needed && !tape->node[v].fused && tape->node[v].op->has_post)
      fuse_from(tape, v);
}

/* ---- values ------------------------------------------------------------------------------- */

static int32_t new_span(anet_tape *tape, int32_t first, int32_t last, size_t bytes)
{
  tape->span[tape->spans] = (anet__span){.first = first, .last = last, .bytes = bytes};
  return tape->spans++;
}

static size_t value_bytes(const anet_tape *tape, int32_t v)
{
  return (size_t)tape->batch * anet__shape_size(&tape->node[v].call.out_shape) * sizeof(float);
}

/* The last time that somebody reads a value. */
static int32_t value_end(const anet_tape *tape, int32_t value)
{
  const anet__tape_node *node = &tape->node[value];
  int32_t end = node->time;
  if (node->output) return anet__tape_end(tape);
  for (int32_t v = value; tape->node[v].fused; v = tape->node[v].head) /* a folded norm's clamp */
    if (tape->node[v].call.folded && tape->node[v].flows)
      end = ANET_MAX(end, tape->node[v].back_time);
  if (node->flows && node->op->grad_needs_out) end = node->back_time;
  for (int32_t r = tape->reader_of[value]; r < tape->reader_of[value + 1]; r++) {
    const anet__tape_node *reader = &tape->node[tape->reader[r]];
    end = ANET_MAX(end, reader->time);
    if (reader->flows && reader->op->grad_needs_in) end = ANET_MAX(end, reader->back_time);
  }
  return end;
}

/* Can `head` write its tail over the value of `from`, which it reads element by element? */
static bool may_overwrite(const anet_tape *tape, int32_t head, int32_t from)
{
  const anet__tape_node *node = &tape->node[head], *old = &tape->node[from];
  return old->value_span >= 0 && old->readers == 1 && !old->output &&
         !(old->flows && old->op->grad_needs_out) && !(node->flows && node->op->grad_needs_in) &&
         value_bytes(tape, from) == value_bytes(tape, node->tail);
}

static bool stage_by_image(const anet_tape *tape, int32_t time)
{
  return tape->stage[time].by_image;
}

/* Can the value of a norm, and of the clamp behind it, be made again? Only a convolution reads it,
 * in the same stage, and backward that is as cheap as to read it. */
static bool made_again(const anet_tape *tape, int32_t head)
{
  const anet__tape_node *node = &tape->node[head], *tail = &tape->node[node->tail];
  if (node->id != ANET_OP_NORM || node->addend >= 0) return false;
  if (tail->readers != 1 || tail->output) return false;
  const anet__tape_node *reader = &tape->node[tail->last_reader];
  if (reader->flows && !node->flows) return false; /* what it is made from would have to stay */
  return reader->op->by_image && !reader->op->in_place && reader->time == node->time;
}

static void place_value(anet_tape *tape, int32_t head)
{
  const anet__tape_node *node = &tape->node[head];
  anet__tape_node *tail = &tape->node[node->tail];
  const int32_t end = value_end(tape, node->tail);
  tail->value_again = end > node->time && made_again(tape, head);
  tail->value_local = tail->value_again || (end == node->time && stage_by_image(tape, end));
  if (tail->value_local) return;
  int32_t from = -1;
  if (node->op->in_place && may_overwrite(tape, head, node->in[0])) from = node->in[0];
  if (from < 0) {
    tail->value_span = new_span(tape, node->time, end, value_bytes(tape, node->tail));
    return;
  }
  tape->node[from].overwritten = true;
  tail->value_span = tape->node[from].value_span;
  tape->span[tail->value_span].last = ANET_MAX(tape->span[tail->value_span].last, end);
}

static void place_saved(anet_tape *tape, int32_t v)
{
  anet__tape_node *node = &tape->node[v];
  const size_t bytes = node->op->saved ? node->op->saved(&node->call) : 0;
  const int32_t first = node->measure < 0 ? node->time : node->measure;
  if (bytes)
    node->saved_span = new_span(tape, first, node->flows ? node->back_time : node->time, bytes);
}

/* ---- gradients ---------------------------------------------------------------------------- */

/* The gradient of a value is written first by the loss or by its last reader, and read at the
 * value's own backward time. An addition passes its gradient on as it is, and ops that work in
 * place can turn theirs into their input's where it stands; so one memory can serve a group of
 * gradients, as long as none of them is written while another is still to be read. */

/* The order of backward passes; finer than stages, within which they run in this order too. */
static int32_t order_back(const anet_tape *tape, int32_t v)
{
  return tape->count - v;
}

/* What is known of the gradients that share a span. */
typedef struct sharing {
  anet_tape *tape;
  int32_t *latest;  /* (spans) when the last of them is read; owned */
  int32_t *soonest; /* (spans) of those that are written again, later than now, the value that is
                       first; -1: none; owned */
  int32_t *left, *right, *rank; /* (count) those as a leftist heap; one block, owned by left */
} sharing;

static int32_t written_again(const sharing *s, int32_t value)
{
  return order_back(s->tape, s->tape->node[value].other_reader);
}

/* Two heaps as one; as deep as the logarithm of what is in them. */
static int32_t merge(const sharing *s, int32_t a, int32_t b)
{
  if (a < 0 || b < 0) return ANET_MAX(a, b);
  if (written_again(s, b) < written_again(s, a)) {
    const int32_t other = a;
    a = b;
    b = other;
  }
  s->right[a] = merge(s, s->right[a], b);
  const int32_t left = s->left[a], right = s->right[a];
  if (left < 0 || s->rank[left] < s->rank[right]) {
    s->left[a] = right;
    s->right[a] = left;
  }
  s->rank[a] = s->right[a] < 0 ? 1 : s->rank[s->right[a]] + 1;
  return a;
}

/* When is a gradient in the span written again, after `now`? */
static int32_t next_write(const sharing *s, int32_t span, int32_t now)
{
  int32_t *root = &s->soonest[span];
  while (*root >= 0 && written_again(s, *root) <= now)
    *root = merge(s, s->left[*root], s->right[*root]);
  return *root < 0 ? INT32_MAX : written_again(s, *root);
}

/* Can the gradient of `value` take over the memory of that of its last reader v? `changed`: v's
 * backward changes the numbers as it does so. */
static bool may_join(const sharing *s, int32_t value, int32_t v, bool changed)
{
  const anet_tape *tape = s->tape;
  const anet__tape_node *node = &tape->node[value], *from = &tape->node[v];
  if (from->grad_local) return false;
  if (!node->flows || node->output || node->last_reader != v || node->grad_span >= 0) return false;
  if (value_bytes(tape, value) != value_bytes(tape, v) || node->other_reader == v) return false;
  const int32_t now = order_back(tape, v), end = order_back(tape, value);
  const int32_t write = node->other_reader < 0 ? INT32_MAX : order_back(tape, node->other_reader);
  const int32_t read = s->latest[from->grad_span];
  if (read > now && (write <= read || changed)) return false;
  return next_write(s, from->grad_span, now) > end;
}

static void join(const sharing *s, int32_t value, int32_t v)
{
  anet_tape *tape = s->tape;
  anet__tape_node *node = &tape->node[value];
  const int32_t number = tape->node[v].grad_span;
  anet__span *span = &tape->span[number];
  node->grad_span = number;
  node->grad_joined = true;
  span->last = ANET_MAX(span->last, node->back_time);
  s->latest[number] = ANET_MAX(s->latest[number], order_back(tape, value));
  s->left[value] = s->right[value] = -1;
  s->rank[value] = 1;
  if (node->other_reader >= 0) s->soonest[number] = merge(s, s->soonest[number], value);
}

/* Does clamp v run in the epilogue of a norm, directly? Then the norm's backward can take it along,
 * its bounds found again from the norm's input. */
static bool clamps_norm(const anet_tape *tape, int32_t v)
{
  const anet__tape_node *node = &tape->node[v], *in = &tape->node[node->in[0]];
  float high;
  return node->fused && is_clamp(node->id, &high) && in->id == ANET_OP_NORM &&
         (in->tail == v || in->call.folded);
}

/* Does the gradient of v stay with the chunk? Its only reader's backward pass makes it, and v's own
 * uses it up in the same stage, as does that of the norm that takes v along. What an addition
 * passes on needs no memory of its own anyway. */
static bool stays(const anet_tape *tape, int32_t v)
{
  const anet__tape_node *node = &tape->node[v];
  if (!node->flows || node->readers != 1 || node->output || !node->op->by_image) return false;
  const anet__tape_node *reader = &tape->node[node->last_reader];
  if (node->id == ANET_OP_ADD || reader->id == ANET_OP_ADD) return false;
  if (clamps_norm(tape, v) && tape->node[node->in[0]].back_time != node->back_time) return false;
  return node->back_time == reader->back_time && tape->stage[node->back_time - 1].by_image;
}

/* In the order of the backward pass: v's readers have been seen. */
static void place_grad(const sharing *s, int32_t v)
{
  anet_tape *tape = s->tape;
  anet__tape_node *node = &tape->node[v];
  const bool alike = node->id == ANET_OP_ADD &&
                     anet__shape_equal(&node->call.in_shape[0], &node->call.in_shape[1]);
  if (!node->flows) return;
  if (node->grad_span < 0 && stays(tape, v)) node->grad_local = true;
  if (node->grad_local) {
    if (clamps_norm(tape, v))
      tape->node[node->in[0]].masks = tape->node[node->in[0]].grad_local = true;
    return;
  }
  if (node->grad_span < 0) {
    const int32_t first =
        node->output ? anet__tape_loss_time(tape) : tape->node[node->last_reader].back_time;
    node->grad_span = new_span(tape, first, node->back_time, value_bytes(tape, v));
    s->latest[node->grad_span] = order_back(tape, v);
    s->soonest[node->grad_span] = -1;
  }
  for (int32_t i = 0; i < (alike ? 2 : 0); i++)
    if (may_join(s, node->in[i], v, false)) join(s, node->in[i], v);
  if (clamps_norm(tape, v) && may_join(s, node->in[0], v, false)) {
    join(s, node->in[0], v);
    tape->node[node->in[0]].masks = true;
  }
  if (node->op->in_place && node->call.inputs == 1 && !stays(tape, node->in[0]) &&
      may_join(s, node->in[0], v, true))
    join(s, node->in[0], v);
}

static int place_grads(anet_tape *tape)
{
  const size_t count = (size_t)tape->count;
  sharing s = {.tape = tape};
  s.latest = anet__alloc_array(count, 3 * sizeof *s.latest);
  s.soonest = anet__alloc_array(count, 3 * sizeof *s.soonest);
  s.left = anet__alloc_array(count, 3 * sizeof *s.left);
  s.right = s.left + count;
  s.rank = s.right + count;
  const int rc = s.latest && s.soonest && s.left ? ANET_OK : ANET_NOMEM;
  for (int32_t v = tape->count - 1; v >= 0 && !rc; v--) place_grad(&s, v);
  anet__free(s.latest);
  anet__free(s.soonest);
  anet__free(s.left);
  return rc;
}

/* ------------------------------------------------------------------------------------------- */

int anet__tape_layout(anet_tape *tape)
{
  /* a value, a gradient and saved state each */
  tape->span = anet__alloc_array((size_t)tape->count, 3 * sizeof *tape->span);
  if (!tape->span) return ANET_NOMEM;
  fuse(tape);
  ANET_TRY(anet__tape_stages(tape));
  for (int32_t v = 0; v < tape->count; v++) {
    const anet__tape_node *node = &tape->node[v];
    if (!node->needed || node->id == ANET_OP_INPUT) continue;
    if (!node->fused) place_value(tape, v);
    place_saved(tape, v);
  }
  ANET_TRY(place_grads(tape));
  return anet__spans_place(tape->span, tape->spans, &tape->block_bytes);
}
