/* dropout: in training each element is zero with probability attr.alpha, else divided by
 * 1 - alpha; the identity otherwise, and where the node is frozen. The choice is a function of the
 * call's seed alone, so backward draws it again. */
#include "base/error.h"
#include "base/rng.h"
#include "op/work.h"

enum { RUN = 4096 }; /* elements that share a generator */

static int dropout_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  if (!(a->alpha >= 0.0F && a->alpha < 1.0F))
    return anet_fail(ANET_RANGE, "dropout: probability %g is not within [0, 1)", (double)a->alpha);
  return anet__same_shape(a, in, inputs, out);
}

static bool drops(const anet__call *c)
{
  return c->training && !c->frozen && c->attr->alpha > 0.0F;
}

typedef struct job {
  const anet__call *call;
  float *to;
  const float *from;
  bool add;
} job;

static void dropout_runs(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  const float drop = j->call->attr->alpha, keep = 1.0F / (1.0F - drop);
  const size_t total = anet__total(j->call);
  for (size_t r = begin; r < end; r++) {
    anet_rng rng;
    anet__rng_at(&rng, j->call->seed, r);
    for (size_t i = r * RUN; i < ANET_MIN((r + 1) * RUN, total); i++) {
      const float v = anet__rng_uniform(&rng) < drop ? 0.0F : keep * j->from[i];
      j->to[i] = j->add ? j->to[i] + v : v;
    }
  }
}

static void dropout_run(const anet__call *c, float *to, const float *from, bool add)
{
  const job j = {c, to, from, add};
  if (drops(c))
    anet__split(c->pool, (anet__total(c) + RUN - 1) / RUN, 4 * RUN, dropout_runs, &j);
  else
    anet__copy(c, to, from, anet__total(c), add);
}

static void dropout_forward(const anet__call *c)
{
  dropout_run(c, c->out, c->in[0], false);
}

static void dropout_backward(const anet__grad_call *g)
{
  if (g->din[0]) dropout_run(&g->call, g->din[0], g->dout, g->add[0]);
}

const anet__op anet__op_dropout = {
    .name = "dropout",
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = true,
    .shape = dropout_shape,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
