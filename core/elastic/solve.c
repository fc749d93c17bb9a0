/* Options started by least squares: an option's last convolution is solved so that what comes out
 * before its last activation is nearest to what the oracle has there. */
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "elastic/ridge.h"
#include "elastic/supernet.h"
#include "plan/stream.h"

enum { BATCH = 8, MOST_ROWS = 20000 };

/* Node numbers in the option's piece; -1: it has none. */
typedef struct ending {
  int32_t conv, norm, side; /* last convolution, its norm, the value that a shortcut adds */
} ending;

typedef struct solver {
  anet_net *piece;
  ending end;
  const anet_pool *pool;
  int32_t entry, target;    /* values of the oracle: what goes in, and what is to come out */
  bool shared;              /* other options share the convolution's memory */
  anet__stream front, back; /* oracle: entry, target; piece: what the convolution reads, side */
  anet__ridge ridge;
  double *weight, *shift; /* (inputs, outputs), (outputs) the convolution with its norm; owned */
  double *variance;       /* (outputs) of the solution's output; owned */
} solver;

/* ---- where the option ends
 * ----------------------------------------------------------------------- */

static int find_side(const anet_net *piece, int32_t sum, int32_t *side, int32_t *main)
{
  anet__flow flow;
  ANET_TRY(anet__flow_find(piece, &flow));
  const int32_t shortcut = anet__shortcut_find(&flow, sum);
  anet__flow_free(&flow);
  if (shortcut < 0) return ANET_OK;
  *side = piece->node[sum].in[shortcut];
  *main = piece->node[sum].in[1 - shortcut];
  return ANET_OK;
}

static int32_t before_activation(const anet_net *net, int32_t value)
{
  const anet__node *node = anet__net_at(net, value);
  return anet__op_activates(node->op) ? node->in[0] : value;
}

static int find_ending(const anet_net *piece, ending *end)
{
  int32_t v = before_activation(piece, piece->output[0]);
  *end = (ending){-1, -1, -1};
  if (piece->node[v].op == ANET_OP_ADD) ANET_TRY(find_side(piece, v, &end->side, &v));
  if (piece->node[v].op == ANET_OP_NORM) {
    end->norm = v;
    v = piece->node[v].in[0];
  }
  const anet__node *conv = anet__net_at(piece, v);
  if (conv->op != ANET_OP_CONV || conv->attr.groups != 1)
    return anet_fail(ANET_UNSUPPORTED, "solve: the option ends in %s '%s', not in a convolution",
                     anet__op_get(conv->op)->name, conv->name);
  end->conv = v;
  return ANET_OK;
}

/* ---- rows
 * ------------------------------------------------------------------------------------------ */

/* The pixels that the convolution reads for output pixel (y, x) of an image: its weights' order. */
static void read_patch(const anet__node *conv, const anet_shape *in, const float *image, int32_t y,
                       int32_t x, double *to)
{
  const anet_attr *a = &conv->attr;
  const int32_t channels = in->dim[2];
  for (int32_t i = 0; i < a->kernel[0]; i++)
    for (int32_t j = 0; j < a->kernel[1]; j++, to += channels) {
      const int32_t row = y * a->stride[0] - a->pad[0] + i * a->dilation[0];
      const int32_t column = x * a->stride[1] - a->pad[1] + j * a->dilation[1];
      const bool inside = row >= 0 && row < in->dim[0] && column >= 0 && column < in->dim[1];
      const size_t pixel = inside ? (size_t)row * (size_t)in->dim[1] + (size_t)column : 0;
      for (int32_t c = 0; c < channels; c++)
        to[c] = inside ? (double)image[pixel * (size_t)channels + (size_t)c] : 0;
    }
}

/* Row `pixel` of image `i` of the batch that the streams have just run. */
static void add_row(solver *s, int32_t i, int32_t pixel)
{
  const anet__node *conv = anet__net_at(s->piece, s->end.conv);
  const anet_shape *in = &s->piece->node[conv->in[0]].shape, *out = &conv->shape;
  const int32_t columns = out->dim[1], outputs = out->dim[2];
  const size_t at = ((size_t)i * (size_t)(out->dim[0] * columns) + (size_t)pixel) * (size_t)outputs;
  const float *target = s->front.out[1] + at, *side = s->end.side < 0 ? NULL : s->back.out[1] + at;
  double *x, *y;
  anet__ridge_next(&s->ridge, &x, &y);
  read_patch(conv, in, s->back.out[0] + (size_t)i * anet__shape_size(in), pixel / columns,
             pixel % columns, x);
  for (int32_t c = 0; c < outputs; c++) y[c] = (double)target[c] - (side ? (double)side[c] : 0);
}

static int add_rows(solver *s, const float *in, size_t size, int32_t count)
{
  const anet_shape *out = &s->piece->node[s->end.conv].shape;
  const int64_t pixels = (int64_t)out->dim[0] * out->dim[1], all = pixels * count;
  const int64_t step = (all + MOST_ROWS - 1) / MOST_ROWS;
  int64_t next = 0; /* the next row to take, among all */
  for (int32_t i = 0; i < count; i += BATCH) {
    const int32_t n = ANET_MIN(BATCH, count - i);
    ANET_TRY(anet__stream_run(&s->front, in + (size_t)i * size, n));
    ANET_TRY(anet__stream_run(&s->back, s->front.out[0], n));
    for (; next < pixels * (i + n); next += step) {
      ANET_TRY(anet__pool_check(s->pool));
      add_row(s, (int32_t)(next / pixels) - i, (int32_t)(next % pixels));
    }
  }
  return ANET_OK;
}

/* ---- weights
 * ---------------------------------------------------------------------------------------- */

enum { GAMMA, BETA, MEAN, VARIANCE };

/* The convolution as it is, with what its norm does: weight and shift. */
static void read_weights(solver *s)
{
  const anet__node *conv = anet__net_at(s->piece, s->end.conv);
  const anet__node *norm = s->end.norm < 0 ? NULL : anet__net_at(s->piece, s->end.norm);
  const anet_tensor *w = conv->param[0];
  const int32_t outputs = w->shape.dim[3], channels = w->shape.dim[2];
  for (int32_t o = 0; o < outputs; o++) {
    double scale = 1, shift = conv->attr.bias ? (double)anet__f32(conv->param[1])[o] : 0;
    if (norm) {
      scale = anet__f32(norm->param[GAMMA])[o] /
              sqrt((double)anet__f32(norm->param[VARIANCE])[o] + (double)norm->attr.epsilon);
      shift = (shift - anet__f32(norm->param[MEAN])[o]) * scale + anet__f32(norm->param[BETA])[o];
    }
    s->shift[o] = shift;
    for (int32_t i = 0; i < s->ridge.inputs; i++)
      s->weight[(size_t)i * (size_t)outputs + (size_t)o] =
          scale *
          (double)anet__f32(w)[i / channels * w->stride[1] + i % channels * w->stride[2] + o];
  }
}

/* A dense copy of the parameter instead of a window that other options see too. */
static int unshare(anet_net *piece, int32_t node, int32_t index)
{
  anet_tensor *own, *shared = piece->node[node].param[index];
  ANET_TRY(anet_tensor_new(ANET_F32, &shared->shape, &own));
  const int rc = anet_net_set_param(piece, node, index, own);
  anet_tensor_release(own);
  return rc;
}

static void touch(anet__node *node)
{
  for (int32_t p = 0; p < node->params; p++) atomic_fetch_add(&node->param[p]->storage->version, 1);
}

/* A norm gets the statistics of what the convolution now puts out, and gain and shift that undo
 * them: so training, which uses those of a batch, begins at the same function. */
static void write_norm(const solver *s, anet__node *norm)
{
  const anet__ridge *r = &s->ridge;
  for (int32_t o = 0; o < r->outputs; o++) {
    anet__f32(norm->param[GAMMA])[o] = (float)sqrt(s->variance[o] + (double)norm->attr.epsilon);
    anet__f32(norm->param[BETA])[o] = (float)(r->sum_y[o] / r->rows);
    anet__f32(norm->param[MEAN])[o] = (float)anet__ridge_mean(r, r->cross, o);
    anet__f32(norm->param[VARIANCE])[o] = (float)s->variance[o];
  }
  touch(norm);
}

static int write_weights(solver *s)
{
  anet__node *conv = &s->piece->node[s->end.conv];
  const anet__ridge *r = &s->ridge;
  for (int32_t p = 0; s->shared && p < conv->params; p++)
    ANET_TRY(unshare(s->piece, s->end.conv, p));
  float *weight = anet__f32(conv->param[0]);
  for (size_t i = 0; i < (size_t)r->inputs * (size_t)r->outputs; i++)
    weight[i] = (float)r->cross[i];
  for (int32_t o = 0; conv->attr.bias && o < r->outputs; o++)
    anet__f32(conv->param[1])[o] =
        s->end.norm < 0 ? (float)(r->sum_y[o] / r->rows - anet__ridge_mean(r, r->cross, o)) : 0;
  touch(conv);
  if (s->end.norm >= 0) write_norm(s, &s->piece->node[s->end.norm]);
  return ANET_OK;
}

/* ---- solving
 * ---------------------------------------------------------------------------------------- */

static int solver_new(solver *s, const anet_net *oracle, int32_t count, anet_pool *pool)
{
  const anet__node *conv = anet__net_at(s->piece, s->end.conv);
  const anet_shape *shape = &conv->param[0]->shape;
  const int32_t batch = ANET_MIN(count, BATCH), outputs = shape->dim[3];
  const int32_t inputs = shape->dim[0] * shape->dim[1] * shape->dim[2];
  const int32_t front[2] = {s->entry, s->target}, back[2] = {conv->in[0], s->end.side};
  anet_net *net;
  ANET_TRY(anet__net_extract(oracle, oracle->input, 1, front, 2, NULL, &net));
  int rc = anet__stream_new(net, batch, pool, &s->front);
  anet_net_release(net);
  if (rc) return rc;
  ANET_TRY(
      anet__net_extract(s->piece, s->piece->input, 1, back, s->end.side < 0 ? 1 : 2, NULL, &net));
  rc = anet__stream_new(net, batch, pool, &s->back);
  anet_net_release(net);
  if (rc) return rc;
  ANET_TRY(anet__ridge_new(inputs, outputs, &s->ridge));
  s->weight = anet__alloc_array((size_t)inputs * (size_t)outputs, sizeof *s->weight);
  s->shift = anet__alloc_array((size_t)outputs, sizeof *s->shift);
  s->variance = anet__alloc_array((size_t)outputs, sizeof *s->variance);
  return s->weight && s->shift && s->variance ? ANET_OK : ANET_NOMEM;
}

static void solver_free(solver *s)
{
  anet__free(s->weight);
  anet__free(s->shift);
  anet__free(s->variance);
  anet__ridge_free(&s->ridge);
  anet__stream_free(&s->back);
  anet__stream_free(&s->front);
}

/* Weights that are no better than what was there are not written. */
static int solve(solver *s, const float *in, size_t size, int32_t count, double ridge)
{
  const bool intercept = s->end.norm >= 0 || s->piece->node[s->end.conv].attr.bias;
  double error;
  ANET_TRY(add_rows(s, in, size, count));
  anet__ridge_end(&s->ridge, intercept);
  read_weights(s);
  const double before = anet__ridge_error(&s->ridge, s->weight, s->shift);
  ANET_TRY(anet__ridge_solve(&s->ridge, ridge, &error, s->variance));
  if (!isfinite(error))
    return anet_fail(ANET_COLLAPSED, "solve: the activations of option '%s' are not finite",
                     s->piece->node[s->end.conv].name);
  return error < before || !isfinite(before) ? write_weights(s) : ANET_OK;
}

static int check(const anet_supernet *s, int32_t option, int32_t count, double ridge)
{
  if (option < 0 || option >= s->space->options)
    return anet_fail(ANET_RANGE, "solve: option %d, want 0 to %d", option, s->space->options - 1);
  const anet_option *o = &s->space->option[option];
  if (o->kind == ANET_KEEP || o->kind == ANET_SKIP || o->kind == ANET_INT8)
    return anet_fail(ANET_UNSUPPORTED, "solve: position %d, gene %d has no weights of its own",
                     o->position, o->gene);
  if (count < 1) return anet_fail(ANET_RANGE, "solve: got %d images, want 1 or more", count);
  if (!(ridge >= 0) || !isfinite(ridge))
    return anet_fail(ANET_RANGE, "solve: ridge %g, want a finite one of at least 0", ridge);
  if (s->oracle->inputs != 1)
    return anet_fail(ANET_UNSUPPORTED, "solve: the oracle has %d inputs, want 1",
                     s->oracle->inputs);
  return ANET_OK;
}

int anet_supernet_solve(anet_supernet *supernet, int32_t option, const float *in, int32_t count,
                        double ridge, anet_pool *pool)
{
  ANET_TRY(check(supernet, option, count, ridge));
  const anet_net *oracle = supernet->oracle;
  const anet_option *o = &supernet->space->option[option];
  const anet__block *block = supernet->blocks->block;
  solver s = {.piece = supernet->piece[option],
              .pool = pool,
              .shared = o->kind == ANET_SHRINK,
              .entry = block[o->position].face.entry,
              .target = before_activation(oracle, block[o->position + o->span - 1].face.exit)};
  int rc = find_ending(s.piece, &s.end);
  if (!rc) rc = solver_new(&s, oracle, count, pool);
  if (!rc)
    rc = solve(&s, in, anet__shape_size(&oracle->node[oracle->input[0]].shape), count, ridge);
  solver_free(&s);
  return rc;
}
