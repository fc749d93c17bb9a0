/* relu, relu6, clip, and what ANET_ACT_MAP lists: element by element, any shape. attr: alpha
 * (leaky_relu, elu; clip, with beta: its bounds), mode (gelu: 1 approximates by tanh). Clamps take
 * their gradient from the output, others from the input. */
#include <math.h>

#include "base/error.h"
#include "op/work.h"

enum { CLAMP_COST = 1, ACT_COST = 8 };

typedef struct job {
  const anet__call *call;
  const anet__grad_call *grad; /* backward */
  float low, high;             /* clamps */
  anet__act kind;              /* the others */
} job;

static void clamp_run(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  j->call->kernels->affine_clamp(j->call->out + begin, j->call->in[0] + begin, end - begin, 1.0F,
                                 0.0F, j->low, j->high);
}

static void clamp_grad_run(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  const anet__grad_call *g = j->grad;
  j->call->kernels->clamp_grad(g->din[0] + begin, g->dout + begin, j->call->out + begin,
                               end - begin, j->low, j->high, g->add[0]);
}

static void act_run(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  j->call->kernels->act(j->call->out + begin, j->call->in[0] + begin, end - begin, j->kind,
                        j->call->attr->alpha);
}

static void act_grad_run(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  const anet__grad_call *g = j->grad;
  j->call->kernels->act_grad(g->din[0] + begin, g->dout + begin, j->call->in[0] + begin,
                             end - begin, j->kind, j->call->attr->alpha, g->add[0]);
}

static void clamp_forward(const anet__call *c, float low, float high)
{
  const job j = {.call = c, .low = low, .high = high};
  anet__split(c->pool, anet__total(c), CLAMP_COST, clamp_run, &j);
}

static void clamp_backward(const anet__grad_call *g, float low, float high)
{
  const job j = {.call = &g->call, .grad = g, .low = low, .high = high};
  if (g->din[0]) anet__split(g->call.pool, anet__total(&g->call), CLAMP_COST, clamp_grad_run, &j);
}

static anet__act kind_of(const anet_attr *attr, anet__act kind)
{
  return kind == ANET_ACT_GELU && attr->mode ? ANET_ACT_GELU_TANH : kind;
}

static void act_forward(const anet__call *c, anet__act kind)
{
  const job j = {.call = c, .kind = kind_of(c->attr, kind)};
  anet__split(c->pool, anet__total(c), ACT_COST, act_run, &j);
}

static void act_backward(const anet__grad_call *g, anet__act kind)
{
  const job j = {.call = &g->call, .grad = g, .kind = kind_of(g->call.attr, kind)};
  if (g->din[0]) anet__split(g->call.pool, anet__total(&g->call), ACT_COST, act_grad_run, &j);
}

#define CLAMP(lower, low, high)                                                                    \
  static void lower##_forward(const anet__call *c)                                                 \
  {                                                                                                \
    clamp_forward(c, low, high);                                                                   \
  }                                                                                                \
  static void lower##_backward(const anet__grad_call *g)                                           \
  {                                                                                                \
    clamp_backward(g, low, high);                                                                  \
  }                                                                                                \
  const anet__op anet__op_##lower = {.name = #lower,                                               \
                                     .min_inputs = 1,                                              \
                                     .max_inputs = 1,                                              \
                                     .in_place = true,                                             \
                                     .by_image = true,                                             \
                                     .grad_needs_out = true,                                       \
                                     .shape = anet__same_shape,                                    \
                                     .forward = lower##_forward,                                   \
                                     .backward = lower##_backward};
CLAMP(relu, 0.0F, INFINITY)
CLAMP(relu6, 0.0F, 6.0F)

static int clip_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  if (a->alpha > a->beta)
    return anet_fail(ANET_RANGE, "clip: the lower bound %g is above the upper %g", (double)a->alpha,
                     (double)a->beta);
  return anet__same_shape(a, in, inputs, out);
}

static void clip_forward(const anet__call *c)
{
  clamp_forward(c, c->attr->alpha, c->attr->beta);
}

static void clip_backward(const anet__grad_call *g)
{
  clamp_backward(g, g->call.attr->alpha, g->call.attr->beta);
}

const anet__op anet__op_clip = {.name = "clip",
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .in_place = true,
                                .grad_needs_out = true,
                                .shape = clip_shape,
                                .forward = clip_forward,
                                .backward = clip_backward};

#define ACT(upper, lower)                                                                          \
  static void lower##_forward(const anet__call *c)                                                 \
  {                                                                                                \
    act_forward(c, ANET_ACT_##upper);                                                              \
  }                                                                                                \
  static void lower##_backward(const anet__grad_call *g)                                           \
  {                                                                                                \
    act_backward(g, ANET_ACT_##upper);                                                             \
  }                                                                                                \
  const anet__op anet__op_##lower = {.name = #lower,                                               \
                                     .min_inputs = 1,                                              \
                                     .max_inputs = 1,                                              \
                                     .in_place = true,                                             \
                                     .grad_needs_in = true,                                        \
                                     .shape = anet__same_shape,                                    \
                                     .forward = lower##_forward,                                   \
                                     .backward = lower##_backward};
ANET_ACT_MAP(ACT)
