/* Norm statistics anew from data, for a subnet whose norms were measured in another network. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "train/tape.h"

enum { MEAN = 2, VARIANCE = 3 }; /* parameters of a norm */

/* What a norm has seen: mean and sum of squared differences from it, merged batch by batch (Chan,
 * Golub & LeVeque 1979), which stays exact where a sum of squares would cancel. */
typedef struct seen {
  double rows;
  double *mean, *square; /* (channels) */
} seen;

typedef struct work {
  anet_net *net; /* in the making */
  anet_tape *tape;
  seen *seen;    /* (net->count); norms only */
  double *block; /* the sums of all norms */
} work;

static bool is_norm(const anet_net *net, int32_t v)
{
  return net->node[v].op == ANET_OP_NORM;
}

static int32_t channels_of(const anet_net *net, int32_t v)
{
  return net->node[v].param[MEAN]->shape.dim[0];
}

/* ---- the net ------------------------------------------------------------------------------ */

static int own_param(anet_net *net, int32_t v, int32_t p)
{
  anet_tensor *from = net->node[v].param[p], *own;
  ANET_TRY(anet_tensor_new(ANET_F32, &from->shape, &own));
  int rc = anet_tensor_copy(own, from);
  if (!rc) rc = anet_net_set_param(net, v, p, own);
  anet_tensor_release(own);
  return rc;
}

/* A net of the same numbers that shares all but the statistics. */
static int share_net(const anet_net *net, anet_net **out)
{
  int32_t value;
  ANET_TRY(anet_net_new(out));
  for (int32_t v = 0; v < net->count; v++) {
    ANET_TRY(anet__net_append(*out, &net->node[v], net->node[v].in, &value));
    if (!is_norm(net, v)) continue;
    ANET_TRY(own_param(*out, v, MEAN));
    ANET_TRY(own_param(*out, v, VARIANCE));
  }
  for (int32_t i = 0; i < net->outputs; i++) ANET_TRY(anet_net_output(*out, net->output[i]));
  return ANET_OK;
}

static int work_new(anet_net *net, int32_t batch, anet_pool *pool, work *w)
{
  size_t channels = 0;
  ANET_TRY(share_net(net, &w->net));
  ANET_TRY(anet__tape_new_statistics(w->net, batch, pool, &w->tape));
  for (int32_t v = 0; v < net->count; v++)
    if (is_norm(net, v)) channels += (size_t)channels_of(net, v);
  w->seen = anet__alloc_array((size_t)net->count, sizeof *w->seen);
  w->block = anet__alloc_array(2 * channels, sizeof *w->block);
  if (!w->seen || !w->block) return ANET_NOMEM;
  double *at = w->block;
  for (int32_t v = 0; v < net->count; v++) {
    if (!is_norm(net, v)) continue;
    w->seen[v].mean = at;
    w->seen[v].square = at + channels_of(net, v);
    at += 2 * channels_of(net, v);
  }
  return ANET_OK;
}

/* ---- statistics --------------------------------------------------------------------------- */

/* The batch's own statistics are what the norm's parameters hold now. */
static void merge(const work *w, int32_t v, int32_t n)
{
  const anet__node *node = &w->net->node[v];
  const float *mean = anet__f32(node->param[MEAN]), *variance = anet__f32(node->param[VARIANCE]);
  seen *s = &w->seen[v];
  const int32_t channels = channels_of(w->net, v);
  const double rows = (double)n * (double)anet__shape_size(&node->shape) / channels;
  const double all = s->rows + rows;
  for (int32_t c = 0; c < channels; c++) {
    const double shift = (double)mean[c] - s->mean[c];
    s->mean[c] += shift * rows / all;
    s->square[c] += (double)variance[c] * (rows - 1) + shift * shift * s->rows * rows / all;
  }
  s->rows = all;
}

static int check_finite(const anet_net *net, int32_t v, const char *what, const float *x, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (!isfinite(x[i]))
      return anet_fail(ANET_COLLAPSED, "calibrate: %s of '%s' is %g at %zu", what,
                       net->node[v].name, (double)x[i], i);
  return ANET_OK;
}

static int check_outputs(const work *w, int32_t n)
{
  for (int32_t i = 0; i < w->net->outputs; i++) {
    const int32_t v = w->net->output[i];
    const size_t count = (size_t)n * anet__shape_size(&w->net->node[v].shape);
    ANET_TRY(check_finite(w->net, v, "the output", anet_tape_value(w->tape, v), count));
  }
  return ANET_OK;
}

static int measure(const work *w, const float *in, int32_t count, int32_t batch)
{
  const size_t image = anet__shape_size(&w->net->node[w->net->input[0]].shape);
  for (int32_t begin = 0; begin < count; begin += batch) {
    const int32_t n = ANET_MIN(batch, count - begin);
    const float *images = in + (size_t)begin * image;
    ANET_TRY(anet_tape_forward(w->tape, &images, n, 1, 0));
    ANET_TRY(check_outputs(w, n));
    for (int32_t v = 0; v < w->net->count; v++)
      if (is_norm(w->net, v) && w->tape->node[v].needed) merge(w, v, n);
  }
  return ANET_OK;
}

static int store(const work *w)
{
  for (int32_t v = 0; v < w->net->count; v++) {
    if (!is_norm(w->net, v) || w->seen[v].rows == 0) continue;
    const seen *s = &w->seen[v];
    const int32_t channels = channels_of(w->net, v);
    float *mean = anet__f32(w->net->node[v].param[MEAN]);
    float *variance = anet__f32(w->net->node[v].param[VARIANCE]);
    for (int32_t c = 0; c < channels; c++) {
      mean[c] = (float)s->mean[c];
      variance[c] = (float)(s->square[c] / fmax(s->rows - 1, 1));
    }
    ANET_TRY(check_finite(w->net, v, "the mean", mean, (size_t)channels));
    ANET_TRY(check_finite(w->net, v, "the variance", variance, (size_t)channels));
  }
  return ANET_OK;
}

int anet_net_calibrate(anet_net *net, const float *in, int32_t count, int32_t batch,
                       anet_pool *pool, anet_net **out)
{
  work w = {0};
  int rc;
  *out = NULL;
  if (net->inputs != 1)
    return anet_fail(ANET_UNSUPPORTED, "calibrate: the net has %d inputs, want 1", net->inputs);
  if (count < 2 || batch < 2)
    return anet_fail(ANET_RANGE, "calibrate: %d images in batches of %d, want 2 or more", count,
                     batch);
  if ((rc = work_new(net, batch, pool, &w)) || (rc = measure(&w, in, count, batch)) ||
      (rc = store(&w)))
    goto done;
  *out = w.net;
  w.net = NULL;
done:
  anet__free(w.block);
  anet__free(w.seen);
  anet_tape_release(w.tape);
  anet_net_release(w.net);
  return rc;
}
