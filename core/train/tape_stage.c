/* Which nodes of a tape run together, and the scratch that they need for it. */
#include "base/alloc.h"
#include "base/error.h"
#include "op/band.h"
#include "op/taps.h"
#include "op/work.h"
#include "train/tape.h"
#include "base/place.h"

enum {
  CACHE = 1024 << 10,    /* bytes of a chunk: about what a core's own cache holds */
  PARTS = 32,            /* the most */
  PART_ROWS = 64,        /* the fewest pixels of a part: its sums must not count */
  PART_ROWS_BACK = 512,  /* the same where weights have gradients */
  PART_FLOATS = 1 << 20, /* that the weights' gradients of all parts may take */
  TILE_ROWS = 28,        /* a chunk of units is to be a whole number of register tiles */
  LONGEST = 32           /* nodes of a stage */
};

/* ---- cutting ------------------------------------------------------------------------------ */

static bool by_image(const anet__tape_node *node)
{
  return node->op->by_image;
}

/* Pixels that node v reads, or backward begins with: where they change, so does what a chunk is. */
static size_t pixels_of(const anet__tape_node *node, bool back)
{
  return anet__pixels(back || !node->call.inputs ? &node->call.out_shape : &node->call.in_shape[0]);
}

/* Is node v the clamp of a norm before the depthwise convolution that was just put? It has nothing
 * to run, but that the norm's sums can be made in this stage. */
static bool clamps_before(const anet_tape *tape, int32_t v)
{
  const anet__tape_node *node = &tape->node[v];
  return node->fused && anet__tape_batch_norm(tape, node->in[0]) && node->readers == 1 &&
         node->id != ANET_OP_ADD && tape->node[node->last_reader].id == ANET_OP_DEPTHWISE &&
         tape->order[tape->ordered - 1] == node->last_reader;
}

/* Put node v at the end of the stage in hand, or of a new one. `apart`: v cannot run in it. */
static void put_node(anet_tape *tape, int32_t v, int32_t *stages, int32_t from, bool apart)
{
  anet__tape_stage *s = &tape->stage[*stages - 1];
  const bool back = from > 0;
  if (*stages == from || apart || !s->by_image || !by_image(&tape->node[v]) ||
      s->count == LONGEST ||
      (pixels_of(&tape->node[tape->order[s->first]], back) != pixels_of(&tape->node[v], back) &&
       !(back && clamps_before(tape, v)))) {
    s = &tape->stage[(*stages)++];
    *s = (anet__tape_stage){.first = tape->ordered, .by_image = by_image(&tape->node[v])};
  }
  tape->order[tape->ordered++] = v;
  s->count++;
}

/* The node that writes value v. */
static int32_t head_of(const anet_tape *tape, int32_t v)
{
  while (tape->node[v].fused) v = tape->node[v].head;
  return v;
}

static bool runs(const anet_tape *tape, int32_t v)
{
  return tape->node[v].needed && tape->node[v].id != ANET_OP_INPUT;
}

static void cut_forward(anet_tape *tape)
{
  for (int32_t v = 0; v < tape->count; v++) {
    anet__tape_node *node = &tape->node[v];
    if (!runs(tape, v)) continue;
    if (node->fused) continue;
    const int32_t source = head_of(tape, node->in[0]);
    const bool apart = anet__tape_batch_norm(tape, v) && runs(tape, source) &&
                       tape->node[source].time == tape->forward - 1;
    put_node(tape, v, &tape->forward, 0, apart);
    for (int32_t u = v;; u = tape->node[u].last_reader) {
      tape->node[u].time = tape->forward - 1;
      if (u == node->tail) break;
    }
    if (anet__tape_batch_norm(tape, v) && runs(tape, source) && by_image(&tape->node[source]))
      node->measure = tape->node[source].time;
  }
}

static void cut_backward(anet_tape *tape)
{
  int32_t stages = tape->forward;
  for (int32_t v = tape->count - 1; v >= 0; v--) {
    anet__tape_node *node = &tape->node[v];
    if (!runs(tape, v) || !node->flows) continue;
    const int32_t reader = node->first_reader;
    const bool sums = anet__tape_batch_norm(tape, v) && reader >= 0;
    put_node(tape, v, &stages, tape->forward, sums && tape->node[reader].back_time == stages);
    node->back_time = stages;
    if (sums && by_image(&tape->node[reader])) node->measure_back = tape->node[reader].back_time;
  }
  tape->backward = stages - tape->forward;
}

/* ---- parts and chunks --------------------------------------------------------------------- */

/* Bytes that an image of node v moves; backward its gradients too. */
static size_t image_bytes(const anet__tape_node *node, bool back)
{
  size_t floats = anet__shape_size(&node->call.out_shape);
  for (int32_t i = 0; i < node->call.inputs; i++)
    floats += (back ? 2 : 1) * anet__shape_size(&node->call.in_shape[i]);
  return floats * sizeof(float);
}

static size_t packed_bytes(const anet__tape_node *node, bool back)
{
  const anet__op *op = node->op;
  size_t (*size)(const anet__call *) = back ? op->pack_back_size : op->pack_size;
  return size ? size(&node->call) * sizeof(float) : 0;
}

static size_t largest_param(const anet_tape *tape, const anet__tape_node *node)
{
  size_t most = 0;
  for (int32_t p = 0; p < ANET_MAX_PARAMS; p++)
    if (node->learns[p] >= 0) most = ANET_MAX(most, tape->param[node->learns[p]].count);
  return most;
}

/* Does node v treat each pixel on its own? */
static bool by_pixel(const anet__tape_node *node)
{
  const anet__call *call = &node->call;
  const anet_attr *a = &node->attr;
  if (call->out_shape.rank != 3) return false;
  for (int32_t i = 0; i < call->inputs; i++)
    if (call->in_shape[i].rank != 3 || call->in_shape[i].dim[0] != call->out_shape.dim[0] ||
        call->in_shape[i].dim[1] != call->out_shape.dim[1])
      return false;
  if (node->id == ANET_OP_DEPTHWISE) return false;
  return node->id != ANET_OP_CONV || (a->kernel[0] * a->kernel[1] == 1 && !anet__taps_padded(a));
}

/* The units that the stage's images can be cut into. */
static int32_t units_of(const anet_tape *tape, const anet__tape_stage *s)
{
  const size_t pixels = anet__pixels(&tape->node[tape->order[s->first]].call.out_shape);
  for (int32_t i = 0; i < s->count; i++) {
    const anet__tape_node *node = &tape->node[tape->order[s->first + i]];
    if (!by_pixel(node) || anet__pixels(&node->call.out_shape) != pixels) return 1;
  }
  return (int32_t)pixels;
}

/* A stage of one part lets its nodes share themselves out. */
static void cut_images(anet_tape *tape, anet__tape_stage *s, bool back)
{
  size_t bytes = 1, last = 0, pixels = 1, weights = 0, packed = 0;
  s->units = s->by_image ? units_of(tape, s) : 1;
  s->part = s->chunk = tape->batch * s->units;
  for (int32_t i = 0; i < s->count; i++) {
    const anet__tape_node *node = &tape->node[tape->order[s->first + i]];
    const size_t now = image_bytes(node, back);
    bytes = ANET_MAX(bytes, last + now); /* two that follow each other share what is between */
    last = now;
    packed = ANET_MAX(packed, packed_bytes(node, back));
    pixels = ANET_MAX(pixels, anet__pixels(&node->call.out_shape));
    if (back && node->id != ANET_OP_NORM) weights = ANET_MAX(weights, largest_param(tape, node));
  }
  if (!s->by_image) return;
  const size_t rows = (size_t)tape->batch * pixels;
  size_t parts = ANET_MIN((size_t)PARTS, rows / PART_ROWS);
  if (weights) parts = ANET_MIN(parts, ANET_MIN(rows / PART_ROWS_BACK, 1 + PART_FLOATS / weights));
  parts = ANET_MAX((size_t)1, ANET_MIN(parts, (size_t)tape->batch));
  s->part = (tape->batch + (int32_t)parts - 1) / (int32_t)parts * s->units;
  if (parts == 1) return;
  /* weights pass by once a chunk: what they are worth, images may take too */
  const size_t fit = (CACHE + packed) / (bytes / (size_t)s->units);
  s->chunk = (int32_t)ANET_MAX((size_t)1, ANET_MIN(fit, (size_t)s->part));
  if (s->chunk > TILE_ROWS) s->chunk -= s->chunk % TILE_ROWS;
}

/* ---- bands -------------------------------------------------------------------------------- */

/* Are the stage's sums, if any, those of a norm of this value (backward: gradient)? */
static bool sums_are_of(const anet_tape *tape, const anet__tape_stage *s, int32_t value, bool back)
{
  if (s->norms == 0) return true;
  const anet__tape_node *norm = &tape->node[tape->measured[s->norm]], *of = &tape->node[value];
  if (s->norms > 1) return false;
  return back ? norm->grad_span == of->grad_span && !norm->grad_local : norm->in[0] == value;
}

static bool band_forward(const anet_tape *tape, const anet__tape_stage *s)
{
  const int32_t first = tape->order[s->first], last = tape->order[s->first + s->count - 1];
  const anet__tape_node *norm = &tape->node[first], *d = &tape->node[last];
  return s->count == 2 && norm->id == ANET_OP_NORM && norm->addend < 0 &&
         d->id == ANET_OP_DEPTHWISE && d->in[0] == norm->tail && d->addend < 0 &&
         tape->node[norm->tail].value_local && !tape->node[d->tail].value_local &&
         sums_are_of(tape, s, d->tail, false);
}

static bool band_backward(const anet_tape *tape, const anet__tape_stage *s)
{
  if (s->count < 2 || s->count > 3) return false;
  const int32_t *v = &tape->order[s->first];
  const anet__tape_node *norm = &tape->node[v[0]], *d = &tape->node[v[1]];
  const anet__tape_node *in = &tape->node[d->in[0]];
  if (norm->id != ANET_OP_NORM || d->id != ANET_OP_DEPTHWISE || norm->in[0] != v[1]) return false;
  if (s->count == 3 && (v[2] != d->in[0] || !tape->node[in->in[0]].masks)) return false;
  return !norm->call.folded && !anet__tape_fixed_norm(tape, v[0]) && !norm->grad_local &&
         d->grad_local && !in->grad_local && sums_are_of(tape, s, d->in[0], true);
}

/* Values and gradients were placed. Sums of weights' gradients are small, so parts need not be
 * large; one part alone is better shared op by op. */
static void find_band(anet_tape *tape, anet__tape_stage *s, bool back)
{
  if (!s->by_image || !(back ? band_backward(tape, s) : band_forward(tape, s))) return;
  const anet__tape_node *d = &tape->node[tape->order[s->first + 1]];
  const size_t rows = (size_t)tape->batch * anet__pixels(&d->call.out_shape);
  const int32_t most = (int32_t)ANET_MIN((size_t)PARTS, rows / PART_ROWS);
  const int32_t parts = ANET_MIN(most, tape->batch);
  s->band = parts > 1 && anet__band_fits(&d->call);
  if (s->band) s->part = s->chunk = (tape->batch + parts - 1) / parts;
}

static void add_norm(anet_tape *tape, anet__tape_stage *s, int32_t v)
{
  tape->measured[s->norm + s->norms++] = v;
}

/* Norms by the stage that makes their sums: counted, then put. Backward stages are numbered by
 * their time less one. */
static void list_norms(anet_tape *tape)
{
  anet__tape_stage *stage = tape->stage;
  for (int32_t v = 0; v < tape->count; v++) {
    const anet__tape_node *node = &tape->node[v];
    if (node->measure >= 0) stage[node->measure].norms++;
    if (node->measure_back >= 0) stage[node->measure_back - 1].norms++;
  }
  for (int32_t i = 0; i < tape->forward + tape->backward; i++) {
    stage[i].norm = tape->measures;
    tape->measures += stage[i].norms;
    stage[i].norms = 0;
  }
  for (int32_t v = 0; v < tape->count; v++) {
    const anet__tape_node *node = &tape->node[v];
    if (node->measure >= 0) add_norm(tape, &stage[node->measure], v);
    if (node->measure_back >= 0) add_norm(tape, &stage[node->measure_back - 1], v);
  }
}

int anet__tape_stages(anet_tape *tape)
{
  const size_t count = (size_t)tape->count;
  tape->stage = anet__alloc_array(2 * count, sizeof *tape->stage);
  tape->order = anet__alloc_array(2 * count, sizeof *tape->order);
  tape->measured = anet__alloc_array(2 * count, sizeof *tape->measured);
  if (!tape->stage || !tape->order || !tape->measured) return ANET_NOMEM;
  cut_forward(tape);
  cut_backward(tape);
  list_norms(tape);
  for (int32_t i = 0; i < tape->forward + tape->backward; i++)
    cut_images(tape, &tape->stage[i], i >= tape->forward);
  return ANET_OK;
}

/* ---- scratch ------------------------------------------------------------------------------ */

static size_t parts_of(const anet_tape *tape, const anet__tape_stage *s)
{
  return (size_t)((tape->batch * s->units + s->part - 1) / s->part);
}

static size_t sums_floats(const anet_tape *tape, const anet__tape_stage *s, int32_t v)
{
  const size_t channels = (size_t)anet__channels(&tape->node[v].call.out_shape);
  return parts_of(tape, s) * 2 * channels * (sizeof(double) / sizeof(float));
}

/* Weights packed once for all chunks, and what only a norm without a stage to measure it needs. */
static void take_node(anet_tape *tape, const anet__tape_stage *s, int32_t v, bool back,
                      size_t *floats)
{
  anet__tape_node *node = &tape->node[v];
  const anet__op *op = node->op;
  if (back && op->pack_back)
    node->packed_back_at = anet__take(floats, op->pack_back_size(&node->call));
  if (!back && op->pack) node->packed_at = anet__take(floats, op->pack_size(&node->call));
  const bool own = anet__tape_batch_norm(tape, v) || (back && anet__tape_fixed_norm(tape, v));
  if (own && (back ? node->measure_back : node->measure) < 0)
    *(back ? &node->sums_back_at : &node->sums_at) = anet__take(floats, sums_floats(tape, s, v));
  for (int32_t p = 0; back && node->id != ANET_OP_NORM && p < ANET_MAX_PARAMS; p++)
    if (node->learns[p] >= 0)
      node->partial_at[p] =
          anet__take(floats, (parts_of(tape, s) - 1) * tape->param[node->learns[p]].count);
}

/* What one worker needs for a chunk, packed weights being there. */
static size_t chunk_floats(const anet__tape_node *node, const anet__tape_stage *s, bool back)
{
  static const float there = 0;
  anet__call call = node->call;
  call.n = s->chunk;
  anet__tape_unit(s, &call);
  call.packed = node->op->pack ? &there : NULL;
  call.packed_back = back && node->op->pack_back ? &there : NULL;
  if (!node->op->scratch) return 0;
  return (node->op->scratch(&call, back) + sizeof(float) - 1) / sizeof(float);
}

/* Something that a chunk keeps for itself, while nodes first .. last of the stage run. */
typedef struct locals {
  anet__span *span;
  size_t **at; /* where its offset goes, in bytes first */
  int32_t count;
} locals;

static void add_local(locals *l, const anet__tape_node *node, const anet__tape_stage *s,
                      int32_t first, int32_t last, size_t *at)
{
  const size_t unit = anet__shape_size(&node->call.out_shape) / (size_t)s->units;
  l->span[l->count] =
      (anet__span){.first = first, .last = last, .bytes = (size_t)s->chunk * unit * sizeof(float)};
  l->at[l->count++] = at;
}

/* Where in the stage node v runs. */
static int32_t place_of(const anet_tape *tape, const anet__tape_stage *s, int32_t v)
{
  int32_t i = 0;
  while (i < s->count && tape->order[s->first + i] != v) i++;
  return i;
}

/* The last place in the stage at which value v is read. */
static int32_t last_place(const anet_tape *tape, const anet__tape_stage *s, int32_t v, int32_t i)
{
  for (int32_t r = tape->reader_of[v]; r < tape->reader_of[v + 1]; r++)
    i = ANET_MAX(i, place_of(tape, s, head_of(tape, tape->reader[r])));
  return i;
}

static void list_locals(anet_tape *tape, const anet__tape_stage *s, bool back, locals *l)
{
  for (int32_t i = 0; i < s->count; i++) {
    const int32_t v = tape->order[s->first + i];
    anet__tape_node *node = &tape->node[v], *tail = &tape->node[node->tail];
    if (!back && tail->value_local)
      add_local(l, tail, s, i, last_place(tape, s, node->tail, i), &tail->value_at);
    const bool own = back && node->grad_local && !node->masks;
    if (own) {
      const anet__tape_node *in = &tape->node[node->in[0]];
      const int32_t end = in->masks && in->grad_local ? place_of(tape, s, node->in[0]) : i;
      add_local(l, node, s, place_of(tape, s, node->last_reader), end, &node->grad_at);
    }
    for (int32_t k = 0; back && k < node->call.inputs; k++)
      if (tape->node[node->in[k]].value_again)
        add_local(l, &tape->node[node->in[k]], s, i, i, &tape->node[node->in[k]].value_back_at);
  }
}

/* Places what chunks keep for themselves behind the `floats` of a worker. */
static int place_locals(anet_tape *tape, const anet__tape_stage *s, bool back, size_t *floats)
{
  const size_t most = (size_t)s->count * (1 + ANET_MAX_INPUTS);
  size_t bytes = 0, begin = 0;
  locals l = {.span = anet__alloc_array(most, sizeof *l.span),
              .at = anet__alloc_array(most, sizeof *l.at)};
  int rc = l.span && l.at ? ANET_OK : ANET_NOMEM;
  anet__take(&begin, *floats);
  if (!rc) list_locals(tape, s, back, &l);
  if (!rc) rc = anet__spans_place(l.span, l.count, &bytes);
  for (int32_t i = 0; !rc && i < l.count; i++) *l.at[i] = begin + l.span[i].offset / sizeof(float);
  for (int32_t i = 0; !rc && back && i < s->count; i++) { /* a norm's is its clamp's */
    anet__tape_node *node = &tape->node[tape->order[s->first + i]];
    if (node->masks && node->grad_local) node->grad_at = tape->node[node->last_reader].grad_at;
  }
  *floats = begin + bytes / sizeof(float);
  anet__free(l.at);
  anet__free(l.span);
  return rc;
}

/* Packing itself uses the scratch of an unpacked call, which takes the workers' place. */
static size_t packing_floats(const anet__tape_node *node)
{
  anet__call call = node->call;
  call.n = 1;
  return node->op->pack_back ? node->op->scratch(&call, true) / sizeof(float) : 0;
}

static int stage_floats(anet_tape *tape, anet__tape_stage *s, bool back, size_t *most)
{
  size_t floats = 0, worker = 0, packing = 0;
  find_band(tape, s, back);
  for (int32_t i = 0; i < s->count; i++) {
    const int32_t v = tape->order[s->first + i];
    take_node(tape, s, v, back, &floats);
    worker = ANET_MAX(worker, chunk_floats(&tape->node[v], s, back));
    if (s->band && i == 1) worker = ANET_MAX(worker, anet__band_floats(&tape->node[v].call, back));
    if (back) packing = ANET_MAX(packing, packing_floats(&tape->node[v]));
  }
  for (int32_t i = 0; i < s->norms; i++) {
    const int32_t v = tape->measured[s->norm + i];
    *(back ? &tape->node[v].sums_back_at : &tape->node[v].sums_at) =
        anet__take(&floats, sums_floats(tape, s, v));
  }
  s->worker = floats;
  if (!s->band) ANET_TRY(place_locals(tape, s, back, &worker));
  s->worker_floats = worker;
  const size_t all = worker * (size_t)anet__pool_workers(tape->pool);
  *most = ANET_MAX(*most, floats + ANET_MAX(all, packing));
  return ANET_OK;
}

int anet__tape_stage_scratch(anet_tape *tape, size_t *floats)
{
  *floats = 0;
  for (int32_t i = 0; i < tape->forward + tape->backward; i++)
    if (tape->stage[i].by_image)
      ANET_TRY(stage_floats(tape, &tape->stage[i], i >= tape->forward, floats));
  return ANET_OK;
}
