/* From nodes to steps, and where their values live. A plan would not do: it packs weights and
 * measures methods for this machine, and fuses within regions only. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/place.h"
#include "codegen/cexport.h"

/* ---- steps ----------------------------------------------------------------------------------- */

/* At inference these only rename their input. */
static bool vanishes(anet__op_id op)
{
  return op == ANET_OP_IDENTITY || op == ANET_OP_DROPOUT || op == ANET_OP_FLATTEN ||
         op == ANET_OP_RESHAPE;
}

/* Ops whose weights take in a scale and a shift a channel. */
static bool folds(anet__op_id op)
{
  return op == ANET_OP_CONV || op == ANET_OP_DEPTHWISE || op == ANET_OP_LINEAR;
}

/* Ops whose function ends with a clamp. */
static bool clamps(anet__op_id op)
{
  return folds(op) || op == ANET_OP_ADD || op == ANET_OP_NORM || op == ANET_OP_SCALE;
}

static bool is_clamp(const anet__node *node, float *low, float *high)
{
  *low = node->op == ANET_OP_CLIP ? node->attr.alpha : 0;
  *high = node->op == ANET_OP_CLIP ? node->attr.beta : node->op == ANET_OP_RELU6 ? 6 : INFINITY;
  return node->op == ANET_OP_RELU || node->op == ANET_OP_RELU6 || node->op == ANET_OP_CLIP;
}

/* Backwards, so that all readers of a value were counted before its own node is asked for. */
static void count_readers(const anet__c_program *p)
{
  const anet_net *net = p->net;
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = anet__net_at(net, v);
    p->source[v] = vanishes(node->op) ? p->source[node->in[0]] : v;
    p->reader[v] = p->step_of[v] = -1;
  }
  for (int32_t i = 0; i < net->outputs; i++) p->readers[p->source[net->output[i]]]++;
  for (int32_t v = net->count - 1; v >= 0; v--) {
    const anet__node *node = anet__net_at(net, v);
    if (p->source[v] != v || !p->readers[v]) continue;
    for (int32_t i = 0; i < node->inputs; i++) {
      p->readers[p->source[node->in[i]]]++;
      p->reader[p->source[node->in[i]]] = v;
    }
  }
}

/* The other operand of an addition that reads the step's value, if it has the same shape and is
 * there before the step runs; else -1. Of two branches the later thus takes the addition. */
static int32_t addend(const anet__c_program *p, const anet__c_step *step, const anet__node *node)
{
  const anet_net *net = p->net;
  const int32_t side = p->source[node->in[0]] == step->value;
  const int32_t other = p->source[node->in[side]];
  const anet__op_id op = net->node[other].op;
  const bool there = op == ANET_OP_INPUT || op == ANET_OP_CONSTANT || p->step_of[other] >= 0;
  const bool alike =
      anet__shape_equal(&net->node[node->in[0]].shape, &net->node[node->in[1]].shape);
  return there && alike && other != step->value ? other : -1;
}

/* Takes the one reader of the step's value into the step, if that can still do its work. Order:
 * scales and shifts, then the addition, then clamps. */
static bool absorb(const anet__c_program *p, anet__c_step *step, int32_t number)
{
  const anet__node *made = anet__net_at(p->net, step->value);
  const int32_t value = p->readers[step->value] == 1 ? p->reader[step->value] : -1;
  if (value < 0) return false;
  const anet__node *node = anet__net_at(p->net, value);
  const bool clamped = step->low > -INFINITY || step->high < INFINITY;
  const bool open = folds(p->net->node[step->node].op) && !clamped && step->add < 0;
  float low, high;
  if (is_clamp(node, &low, &high)) {
    step->low = fminf(fmaxf(step->low, low), high);
    step->high = fminf(fmaxf(step->high, low), high);
  } else if (open && (node->op == ANET_OP_NORM || node->op == ANET_OP_SCALE)) {
    if (anet__channels(&node->shape) != anet__channels(&made->shape)) return false;
    step->bias = true;
  } else if (open && node->op == ANET_OP_ADD) {
    step->add = addend(p, step, node);
    if (step->add < 0) return false;
  } else {
    return false;
  }
  p->step_of[value] = number;
  step->value = value;
  return true;
}

int anet__c_fuse(anet__c_program *p)
{
  const anet_net *net = p->net;
  count_readers(p);
  p->step = anet__alloc_array((size_t)net->count, sizeof *p->step);
  if (!p->step) return ANET_NOMEM;
  for (int32_t v = 0; v < net->count; v++) {
    const anet__op_id op = net->node[v].op;
    if (op == ANET_OP_INPUT || p->source[v] != v || !p->readers[v] || p->step_of[v] >= 0) continue;
    anet__c_step *step = &p->step[p->steps];
    *step = (anet__c_step){.node = v, .value = v, .add = -1, .low = -INFINITY, .high = INFINITY};
    step->bias = (folds(op) || op == ANET_OP_CONV_TRANSPOSE) && net->node[v].attr.bias;
    p->step_of[v] = p->steps;
    while (clamps(op) && absorb(p, step, p->steps)) continue;
    p->steps++;
  }
  return ANET_OK;
}

/* ---- walks -------------------------------------------------------------------------------------
 */

void anet__c_walk_simplify(anet__c_walk *w)
{
  int32_t rank = 0;
  for (int32_t i = 0; i < w->rank; i++) {
    if (w->size[i] == 1) continue;
    if (rank && w->step[rank - 1] == w->step[i] * w->size[i]) {
      w->size[rank - 1] *= w->size[i];
      w->step[rank - 1] = w->step[i];
      continue;
    }
    w->size[rank] = w->size[i];
    w->step[rank++] = w->step[i];
  }
  if (!rank) w->size[rank] = w->step[rank] = 1, rank++;
  w->rank = rank;
}

/* The walk that makes atoms in the order `to` of atoms that lie in the order `from`. */
static bool reorder(const anet_c_face *f, const int32_t *from, const int32_t *to, anet__c_walk *w)
{
  size_t step[ANET_C_AXES], at = 1;
  for (int32_t i = f->atoms - 1; i >= 0; i--) {
    step[from[i]] = at;
    at *= (size_t)f->atom[from[i]];
  }
  w->rank = f->atoms;
  for (int32_t i = 0; i < f->atoms; i++) {
    w->size[i] = (size_t)f->atom[to[i]];
    w->step[i] = step[to[i]];
  }
  anet__c_walk_simplify(w);
  return w->rank > 1 || w->step[0] > 1;
}

static const int32_t plain[ANET_C_AXES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

bool anet__c_walk_in(const anet__c_program *p, int32_t index, anet__c_walk *walk)
{
  const anet_c_face *face = p->desc->input ? &p->desc->input[index] : NULL;
  return face && reorder(face, plain, face->order, walk);
}

bool anet__c_walk_out(const anet__c_program *p, int32_t index, anet__c_walk *walk)
{
  const anet_c_face *face = p->desc->output ? &p->desc->output[index] : NULL;
  return face && reorder(face, face->order, plain, walk);
}

/* ---- places ------------------------------------------------------------------------------------
 */

/* Time 0: inputs are put in order; i + 1: step i runs; steps + 1: outputs are written. */
typedef struct placing {
  const anet__c_program *p;
  int32_t *last; /* (values) the time when it is read last */
  int32_t *span; /* (values) its span */
  anet__span *spans;
  int32_t count;
} placing;

static void find_last_reads(const placing *g)
{
  const anet__c_program *p = g->p;
  for (int32_t i = 0; i < p->steps; i++) {
    const anet__node *node = anet__net_at(p->net, p->step[i].node);
    for (int32_t k = 0; k < node->inputs; k++) g->last[p->source[node->in[k]]] = i + 1;
    if (p->step[i].add >= 0) g->last[p->step[i].add] = i + 1;
  }
  for (int32_t i = 0; i < p->net->outputs; i++)
    g->last[p->source[p->net->output[i]]] = p->steps + 1;
}

/* An output is written where it belongs by the step that makes it, if it is in the engine's order
 * there. */
static void place_outputs(const anet__c_program *p)
{
  anet__c_walk walk;
  for (int32_t i = 0; i < p->net->outputs; i++) {
    const int32_t value = p->source[p->net->output[i]];
    const anet__op_id op = p->net->node[value].op;
    if (op == ANET_OP_INPUT || op == ANET_OP_CONSTANT || p->place[value].kind) continue;
    if (anet__c_walk_out(p, i, &walk)) continue;
    p->place[value] = (anet__c_place){.kind = ANET_C_OUTPUT, .index = i};
  }
}

static void open_span(placing *g, int32_t value, int32_t time)
{
  const size_t floats = anet__shape_size(&g->p->net->node[value].shape);
  g->p->place[value].kind = ANET_C_ARENA;
  g->span[value] = g->count;
  g->spans[g->count++] = (anet__span){
      .first = time, .last = ANET_MAX(g->last[value], time), .bytes = floats * sizeof(float)};
}

static void place_inputs(placing *g)
{
  anet__c_walk walk;
  for (int32_t i = 0; i < g->p->net->inputs; i++) {
    const int32_t value = g->p->net->input[i];
    g->p->place[value] = (anet__c_place){.kind = ANET_C_INPUT, .index = i};
    if (g->p->readers[value] && anet__c_walk_in(g->p, i, &walk)) open_span(g, value, 0);
  }
}

/* The value whose memory the step's output takes over, or -1: the first input of an op that works
 * element by element, read here once and for the last time. */
static int32_t replaced(const placing *g, int32_t number)
{
  const anet__c_program *p = g->p;
  const anet__c_step *step = &p->step[number];
  const anet__node *node = anet__net_at(p->net, step->node);
  if (!node->inputs || !anet__op_get(node->op)->in_place) return -1;
  const int32_t value = p->source[node->in[0]];
  const bool alike = anet__shape_equal(&p->net->node[node->in[0]].shape, &node->shape);
  const bool twice = node->inputs > 1 && p->source[node->in[1]] == value;
  const bool ours = p->place[value].kind == ANET_C_ARENA && g->last[value] == number + 1;
  return alike && ours && !twice ? value : -1;
}

static void place_steps(placing *g)
{
  const anet__c_program *p = g->p;
  for (int32_t i = 0; i < p->steps; i++) {
    const anet__c_step *step = &p->step[i];
    anet__c_place *place = &p->place[step->value];
    if (p->net->node[step->node].op == ANET_OP_CONSTANT) {
      *place = (anet__c_place){.kind = ANET_C_WEIGHTS, .offset = step->weight[0]};
      continue;
    }
    if (place->kind == ANET_C_OUTPUT) continue;
    const int32_t over = replaced(g, i);
    if (over < 0) {
      open_span(g, step->value, i + 1);
      continue;
    }
    place->kind = ANET_C_ARENA;
    g->span[step->value] = g->span[over];
    g->spans[g->span[over]].last = ANET_MAX(g->last[step->value], i + 1);
  }
}

static int place_all(placing *g, anet__c_program *p)
{
  size_t bytes;
  find_last_reads(g);
  place_outputs(p);
  place_inputs(g);
  place_steps(g);
  ANET_TRY(anet__spans_place(g->spans, g->count, &bytes));
  for (int32_t v = 0; v < p->net->count; v++)
    if (p->place[v].kind == ANET_C_ARENA)
      p->place[v].offset = g->spans[g->span[v]].offset / sizeof(float);
  p->arena = ANET_MAX(bytes, ANET_ALIGN) / sizeof(float);
  return ANET_OK;
}

int anet__c_place_values(anet__c_program *p)
{
  const size_t values = (size_t)p->net->count;
  placing g = {.p = p};
  g.last = anet__alloc_array(2 * values, sizeof *g.last);
  g.spans = anet__alloc_array(values, sizeof *g.spans);
  p->place = anet__alloc_array(values, sizeof *p->place);
  g.span = g.last ? g.last + values : NULL;
  const int rc = g.last && g.spans && p->place ? place_all(&g, p) : ANET_NOMEM;
  anet__free(g.spans);
  anet__free(g.last);
  return rc;
}
