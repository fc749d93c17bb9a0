/* Functions of one number, element by element, any shape; attr: alpha a, beta b where the formula
 * names them. Those that networks pass often have kernels and are in activation.c; these are plain
 * loops. */
#include <math.h>

#include "op/work.h"

enum { COST = 16 };

/* clang-format off
 * X(name, f(x), f'(x)) */
#define UNARY_MAP(X)                                                                               \
  X(affine, a *x + b, a)                                                                           \
  X(softsign, x / (1.0F + fabsf(x)), 1.0F / ((1.0F + fabsf(x)) * (1.0F + fabsf(x))))               \
  X(threshold, x > a ? x : 0.0F, x > a ? 1.0F : 0.0F)                                              \
  X(sqrt, sqrtf(x), 0.5F / sqrtf(x))                                                               \
  X(log, logf(x), 1.0F / x)                                                                        \
  X(abs, fabsf(x), x > 0 ? 1.0F : x < 0 ? -1.0F : 0.0F)                                            \
  X(reciprocal, 1.0F / x, -1.0F / (x * x))                                                         \
  X(power, powf(x, a), a *powf(x, a - 1.0F))                                                       \
  X(sin, sinf(x), cosf(x))                                                                         \
  X(cos, cosf(x), -sinf(x))                                                                        \
  X(floor, floorf(x), 0.0F)                                                                        \
  X(ceil, ceilf(x), 0.0F)                                                                          \
  X(round, rintf(x), 0.0F)                                                                         \
  X(trunc, truncf(x), 0.0F)                                                                        \
  X(sign, (float)((x > 0) - (x < 0)), 0.0F)
/* clang-format on */

#define X(lower, f, slope)                                                                         \
  static void lower##_run(const void *context, size_t begin, size_t end)                           \
  {                                                                                                \
    const anet__call *c = context;                                                                 \
    ANET_UNUSED const float a = c->attr->alpha, b = c->attr->beta;                                 \
    for (size_t i = begin; i < end; i++) {                                                         \
      const float x = c->in[0][i];                                                                 \
      c->out[i] = f;                                                                               \
    }                                                                                              \
  }                                                                                                \
  static void lower##_forward(const anet__call *c)                                                 \
  {                                                                                                \
    anet__split(c->pool, anet__total(c), COST, lower##_run, c);                                    \
  }                                                                                                \
  static void lower##_grad_run(const void *context, size_t begin, size_t end)                      \
  {                                                                                                \
    const anet__grad_call *g = context;                                                            \
    ANET_UNUSED const float a = g->call.attr->alpha, b = g->call.attr->beta;                       \
    for (size_t i = begin; i < end; i++) {                                                         \
      ANET_UNUSED const float x = g->call.in[0][i];                                                \
      const float v = g->dout[i] * (slope);                                                        \
      g->din[0][i] = g->add[0] ? g->din[0][i] + v : v;                                             \
    }                                                                                              \
  }                                                                                                \
  static void lower##_backward(const anet__grad_call *g)                                           \
  {                                                                                                \
    if (g->din[0]) anet__split(g->call.pool, anet__total(&g->call), COST, lower##_grad_run, g);    \
  }                                                                                                \
  const anet__op anet__op_##lower = {.name = #lower,                                               \
                                     .min_inputs = 1,                                              \
                                     .max_inputs = 1,                                              \
                                     .in_place = true,                                             \
                                     .grad_needs_in = true,                                        \
                                     .shape = anet__same_shape,                                    \
                                     .forward = lower##_forward,                                   \
                                     .backward = lower##_backward};
UNARY_MAP(X)
#undef X
