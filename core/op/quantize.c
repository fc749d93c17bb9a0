/* quantize: any shape. attr: alpha, beta: the range [alpha, beta] that 256 levels divide; it contains 0, which is
 * a level. In floats, each element becomes its nearest level's value; plans that can store the levels instead, as bytes, and
 * run what reads them on whole numbers (op/bytes.h). Its gradient goes straight through inside the range
 * (Bengio et al. 2013). */
#include <math.h>

#include "base/error.h"
#include "kernel/int8.h"
#include "op/bytes.h"
#include "op/work.h"

enum { COST = 2 };

typedef struct job {
  const anet__call *call;
  const anet__grad_call *grad; /* backward */
  anet__levels levels;
} job;

static int quantize_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  const float span = a->beta - a->alpha;
  if (!(a->alpha <= 0 && a->beta >= 0 && span > 0 && isfinite(255.0F / span) && isfinite(span)))
    return anet_fail(ANET_RANGE, "quantize: the range is %g to %g, want one that contains 0",
                     (double)a->alpha, (double)a->beta);
  return anet__same_shape(a, in, inputs, out);
}

static void floats_run(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  const anet__levels l = j->levels;
  const float *x = j->call->in[0];
  float *y = j->call->out;
  for (size_t i = begin; i < end; i++) {
    const float level = rintf(x[i] * l.levels + l.zero);
    y[i] = (fminf(fmaxf(level, 0.0F), 255.0F) - l.zero) / l.levels;
  }
}

static void bytes_run(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  const anet__int8 *table = anet__int8_for(j->call->kernels->isa);
  table->quantize((uint8_t *)j->call->out + begin, j->call->in[0] + begin, end - begin,
                  j->levels.levels, j->levels.zero);
}

static void quantize_forward(const anet__call *c)
{
  const job j = {.call = c, .levels = anet__levels_of(c->attr)};
  anet__split(c->pool, anet__total(c), COST, c->bytes.out ? bytes_run : floats_run, &j);
}

static void grad_run(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  const anet__grad_call *g = j->grad;
  g->call.kernels->clamp_grad(g->din[0] + begin, g->dout + begin, g->call.in[0] + begin,
                              end - begin, g->call.attr->alpha, g->call.attr->beta, g->add[0]);
}

static void quantize_backward(const anet__grad_call *g)
{
  const job j = {.call = &g->call, .grad = g};
  if (g->din[0]) anet__split(g->call.pool, anet__total(&g->call), COST, grad_run, &j);
}

const anet__op anet__op_quantize = {.name = "quantize",
                                    .min_inputs = 1,
                                    .max_inputs = 1,
                                    .by_image = true,
                                    .grad_needs_in = true,
                                    .shape = quantize_shape,
                                    .forward = quantize_forward,
                                    .backward = quantize_backward};
