/* How much hidden channels matter, measured on data. */
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/piece.h"
#include "elastic/supernet.h"
#include "kernel/kernel.h"
#include "plan/stream.h"

enum { BATCH = 16 };

/* The block's nodes that weigh hidden channels, and what they read, in the block's own numbers. */
typedef struct gauge {
  const anet_net *block;
  anet__groups groups;
  int32_t reader[ANET_MAX_OUTPUTS]; /* nodes */
  int32_t readers;
  double *sum;    /* (channels of the widest) what moments gives beside squares; owned */
  double *square; /* (readers, widest) owned */
  double *weight; /* (widest) owned */
  int32_t widest;
} gauge;

static int find_readers(gauge *g)
{
  ANET_TRY(anet__groups_find(g->block, &g->groups));
  for (int32_t v = 0; v < g->block->count; v++) {
    const anet__node *node = anet__net_at(g->block, v);
    if (!anet__node_weighs(node) || g->groups.first[g->groups.of[node->in[0]]] < 0) continue;
    if (g->readers == ANET_MAX_OUTPUTS)
      return anet_fail(ANET_UNSUPPORTED, "importance: a block has over %d hidden layers",
                       ANET_MAX_OUTPUTS);
    g->reader[g->readers++] = v;
    g->widest = ANET_MAX(g->widest, g->groups.channels[g->groups.of[node->in[0]]]);
  }
  const size_t widest = (size_t)g->widest;
  g->sum = anet__alloc_array(widest, sizeof *g->sum);
  g->weight = anet__alloc_array(widest, sizeof *g->weight);
  g->square = anet__alloc_array(widest * (size_t)g->readers, sizeof *g->square);
  return g->sum && g->weight && g->square ? ANET_OK : ANET_NOMEM;
}

/* The block with what its readers read as outputs. */
static int extract_reads(const gauge *g, anet_net **out)
{
  int32_t value[ANET_MAX_OUTPUTS];
  for (int32_t i = 0; i < g->readers; i++) value[i] = g->block->node[g->reader[i]].in[0];
  return anet__net_extract(g->block, g->block->input, 1, value, g->readers, NULL, out);
}

static void add_squares(gauge *g, const anet__stream *stream, int32_t n)
{
  for (int32_t i = 0; i < g->readers; i++) {
    const anet_shape *shape = &stream->plan->output[i];
    const int32_t channels = anet__shape_channels(shape);
    const size_t rows = (size_t)n * anet__shape_size(shape) / (size_t)channels;
    anet__kernels_best()->moments(g->sum, g->square + (size_t)i * (size_t)g->widest, stream->out[i],
                                  (int32_t)rows, channels);
  }
}

static int measure(gauge *g, const anet_supernet *s, int32_t entry, const float *in, int32_t count,
                   anet_pool *pool)
{
  const anet_net *oracle = s->oracle;
  anet_net *before = NULL, *reads = NULL;
  anet__stream front = {0}, back = {0};
  const size_t size = anet__shape_size(&oracle->node[oracle->input[0]].shape);
  int rc = anet__net_extract(oracle, oracle->input, 1, &entry, 1, NULL, &before);
  if (!rc) rc = extract_reads(g, &reads);
  if (!rc) rc = anet__stream_new(before, ANET_MIN(count, BATCH), pool, &front);
  if (!rc) rc = anet__stream_new(reads, ANET_MIN(count, BATCH), pool, &back);
  for (int32_t i = 0; !rc && i < count; i += BATCH) {
    const int32_t n = ANET_MIN(BATCH, count - i);
    rc = anet__stream_run(&front, in + (size_t)i * size, n);
    if (!rc) rc = anet__stream_run(&back, front.out[0], n);
    if (!rc) add_squares(g, &back, n);
  }
  anet__stream_free(&back);
  anet__stream_free(&front);
  anet_net_release(reads);
  anet_net_release(before);
  return rc;
}

static void write_importance(gauge *g, int32_t count, float *importance)
{
  for (int32_t c = 0; c < g->groups.hidden; c++) importance[c] = 0;
  for (int32_t i = 0; i < g->readers; i++) {
    const anet__node *node = anet__net_at(g->block, g->reader[i]);
    const int32_t group = g->groups.of[node->in[0]], channels = g->groups.channels[group];
    const anet_shape *shape = &g->block->node[node->in[0]].shape;
    const double rows = (double)count * (double)anet__shape_size(shape) / channels;
    for (int32_t c = 0; c < channels; c++) g->weight[c] = 0;
    anet__weight_squares(node, g->weight);
    for (int32_t c = 0; c < channels; c++)
      importance[g->groups.first[group] + c] +=
          (float)sqrt(g->square[(size_t)i * (size_t)g->widest + (size_t)c] / rows * g->weight[c]);
  }
}

static int check(const anet_supernet *s, int32_t position, int32_t count)
{
  if (position < 0 || position >= s->blocks->count)
    return anet_fail(ANET_RANGE, "importance: position %d, want 0 to %d", position,
                     s->blocks->count - 1);
  if (count < 1) return anet_fail(ANET_RANGE, "importance: got %d images, want 1 or more", count);
  if (s->oracle->inputs != 1)
    return anet_fail(ANET_UNSUPPORTED, "importance: the oracle has %d inputs, want 1",
                     s->oracle->inputs);
  const anet_block *face = &s->blocks->block[position].face;
  if (face->hidden == 0)
    return anet_fail(ANET_UNSUPPORTED, "importance: '%s' has no hidden channels", face->name);
  return ANET_OK;
}

int anet_supernet_importance(anet_supernet *supernet, int32_t position, const float *in,
                             int32_t count, anet_pool *pool, float *importance)
{
  ANET_TRY(check(supernet, position, count));
  gauge g = {.block = supernet->piece[supernet->space->first[position]]};
  int rc = find_readers(&g);
  if (!rc)
    rc = measure(&g, supernet, supernet->blocks->block[position].face.entry, in, count, pool);
  if (!rc) write_importance(&g, count, importance);
  anet__free(g.sum);
  anet__free(g.weight);
  anet__free(g.square);
  anet__groups_free(&g.groups);
  return rc;
}
