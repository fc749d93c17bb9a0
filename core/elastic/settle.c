/* Norms that were put into an option take the statistics of images, and gain and shift that undo
 * them: the function stays as it was, and training, which normalises by the batch, begins at it. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/piece.h"
#include "elastic/supernet.h"
#include "kernel/kernel.h"
#include "plan/stream.h"

enum { BATCH = 8, GAMMA = 0, BETA, MEAN, VARIANCE };

typedef struct settler {
  anet_net *piece;
  int32_t norm[ANET_MAX_OUTPUTS], norms; /* nodes */
  anet__stream front, back;              /* oracle up to the entry; what the norms read */
  double *sum;                    /* (norms) pairs of sums and squares, channels each; owned */
  size_t first[ANET_MAX_OUTPUTS]; /* where a norm's begin */
} settler;

static int32_t channels_of(const settler *s, int32_t i)
{
  return s->piece->node[s->norm[i]].shape.dim[2];
}

static void find_norms(settler *s)
{
  for (int32_t v = 0; v < s->piece->count; v++)
    if (s->norms < ANET_MAX_OUTPUTS && s->piece->node[v].shape.rank == 3 &&
        anet__norm_is_neutral(anet__net_at(s->piece, v)))
      s->norm[s->norms++] = v;
}

static int settler_new(settler *s, const anet_net *oracle, int32_t entry, int32_t batch,
                       anet_pool *pool)
{
  int32_t reads[ANET_MAX_OUTPUTS];
  anet_net *net;
  size_t floats = 0;
  ANET_TRY(anet__net_extract(oracle, oracle->input, 1, &entry, 1, NULL, &net));
  int rc = anet__stream_new(net, batch, pool, &s->front);
  anet_net_release(net);
  if (rc) return rc;
  for (int32_t i = 0; i < s->norms; i++) {
    reads[i] = s->piece->node[s->norm[i]].in[0];
    s->first[i] = floats;
    floats += 2 * (size_t)channels_of(s, i);
  }
  ANET_TRY(anet__net_extract(s->piece, s->piece->input, 1, reads, s->norms, NULL, &net));
  rc = anet__stream_new(net, batch, pool, &s->back);
  anet_net_release(net);
  if (rc) return rc;
  s->sum = anet__alloc_array(floats, sizeof *s->sum);
  return s->sum ? ANET_OK : ANET_NOMEM;
}

static int measure(settler *s, const float *in, size_t size, int32_t count)
{
  const anet__kernels *kernels = anet__kernels_best();
  for (int32_t i = 0; i < count; i += BATCH) {
    const int32_t n = ANET_MIN(BATCH, count - i);
    ANET_TRY(anet__stream_run(&s->front, in + (size_t)i * size, n));
    ANET_TRY(anet__stream_run(&s->back, s->front.out[0], n));
    for (int32_t k = 0; k < s->norms; k++) {
      const anet_shape *shape = &s->piece->node[s->norm[k]].shape;
      double *sum = s->sum + s->first[k];
      kernels->moments(sum, sum + channels_of(s, k), s->back.out[k],
                       n * shape->dim[0] * shape->dim[1], shape->dim[2]);
    }
  }
  return ANET_OK;
}

static void write_norm(const settler *s, int32_t i, int32_t count)
{
  anet__node *norm = &s->piece->node[s->norm[i]];
  const double rows = (double)count * norm->shape.dim[0] * norm->shape.dim[1];
  const int32_t channels = channels_of(s, i);
  for (int32_t c = 0; c < channels; c++) {
    const double mean = s->sum[s->first[i] + (size_t)c] / rows;
    const double square = s->sum[s->first[i] + (size_t)(channels + c)] / rows;
    const double variance = fmax(square - mean * mean, 0);
    anet__f32(norm->param[GAMMA])[c] = (float)sqrt(variance + (double)norm->attr.epsilon);
    anet__f32(norm->param[BETA])[c] += (float)mean;
    anet__f32(norm->param[MEAN])[c] = (float)mean;
    anet__f32(norm->param[VARIANCE])[c] = (float)variance;
  }
  for (int32_t p = 0; p < norm->params; p++) atomic_fetch_add(&norm->param[p]->storage->version, 1);
}

int anet_supernet_settle(anet_supernet *supernet, int32_t option, const float *in, int32_t count,
                         anet_pool *pool)
{
  const anet_net *oracle = supernet->oracle;
  if (option < 0 || option >= supernet->space->options)
    return anet_fail(ANET_RANGE, "settle: option %d, want 0 to %d", option,
                     supernet->space->options - 1);
  if (count < 1) return anet_fail(ANET_RANGE, "settle: got %d images, want 1 or more", count);
  if (oracle->inputs != 1)
    return anet_fail(ANET_UNSUPPORTED, "settle: the oracle has %d inputs, want 1", oracle->inputs);
  const anet_option *o = &supernet->space->option[option];
  settler s = {.piece = supernet->piece[option]};
  if (o->kind == ANET_KEEP || o->kind == ANET_SKIP || o->kind == ANET_INT8) return ANET_OK;
  find_norms(&s);
  if (s.norms == 0) return ANET_OK;
  int rc = settler_new(&s, oracle, supernet->blocks->block[o->position].face.entry,
                       ANET_MIN(count, BATCH), pool);
  if (!rc) rc = measure(&s, in, anet__shape_size(&oracle->node[oracle->input[0]].shape), count);
  for (int32_t i = 0; !rc && i < s.norms; i++) write_norm(&s, i, count);
  anet__free(s.sum);
  anet__stream_free(&s.back);
  anet__stream_free(&s.front);
  return rc;
}
