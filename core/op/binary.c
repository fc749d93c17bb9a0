/* Functions of two numbers, element by element, of inputs of one shape: sub, div, minimum, maximum,
 * pow; mod (the remainder has the sign of the first); equal, less, less_equal (1 or 0). (add and mul
 * have files of their own: they have kernels, and take a row of channels.) At equals minimum and
 * maximum give the gradient to the first. */
#include <math.h>

#include "base/error.h"
#include "op/work.h"

enum { COST = 4 };

static int binary_shape(const char *op, const anet_shape *in, anet_shape *out)
{
  char a[ANET_SHAPE_TEXT], b[ANET_SHAPE_TEXT];
  if (!anet__shape_equal(&in[0], &in[1]))
    return anet_fail(ANET_SHAPE, "%s: inputs %s and %s differ", op, anet__shape_text(&in[0], a),
                     anet__shape_text(&in[1], b));
  *out = in[0];
  return ANET_OK;
}

/* clang-format off
 * X(name, f(x, y), df/dx, df/dy) */
#define BINARY_MAP(X)                                                                              \
  X(sub, x - y, 1.0F, -1.0F)                                                                       \
  X(div, x / y, 1.0F / y, -x / (y * y))                                                            \
  X(minimum, x <= y ? x : y, x <= y ? 1.0F : 0.0F, x <= y ? 0.0F : 1.0F)                           \
  X(maximum, x >= y ? x : y, x >= y ? 1.0F : 0.0F, x >= y ? 0.0F : 1.0F)                           \
  X(pow, powf(x, y), y *powf(x, y - 1.0F), powf(x, y) * logf(x))                                   \
  X(mod, fmodf(x, y), 1.0F, -truncf(x / y))                                                        \
  X(equal, x == y ? 1.0F : 0.0F, 0.0F, 0.0F)                                                       \
  X(less, x < y ? 1.0F : 0.0F, 0.0F, 0.0F)                                                         \
  X(less_equal, x <= y ? 1.0F : 0.0F, 0.0F, 0.0F)
/* clang-format on */

#define GRADIENT(index, slope)                                                                     \
  if (g->din[index]) {                                                                             \
    const float v = g->dout[i] * (slope);                                                          \
    g->din[index][i] = g->add[index] ? g->din[index][i] + v : v;                                   \
  }

#define X(lower, f, slope_x, slope_y)                                                              \
  static int lower##_shape(const anet_attr *attr, const anet_shape *in, int32_t inputs,            \
                           anet_shape *out)                                                        \
  {                                                                                                \
    return binary_shape(#lower, in, out);                                                          \
  }                                                                                                \
  static void lower##_run(const void *context, size_t begin, size_t end)                           \
  {                                                                                                \
    const anet__call *c = context;                                                                 \
    for (size_t i = begin; i < end; i++) {                                                         \
      const float x = c->in[0][i], y = c->in[1][i];                                                \
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
    for (size_t i = begin; i < end; i++) {                                                         \
      ANET_UNUSED const float x = g->call.in[0][i], y = g->call.in[1][i];                          \
      GRADIENT(0, slope_x)                                                                         \
      GRADIENT(1, slope_y)                                                                         \
    }                                                                                              \
  }                                                                                                \
  static void lower##_backward(const anet__grad_call *g)                                           \
  {                                                                                                \
    anet__split(g->call.pool, anet__total(&g->call), 2 * COST, lower##_grad_run, g);               \
  }                                                                                                \
  const anet__op anet__op_##lower = {.name = #lower,                                               \
                                     .min_inputs = 2,                                              \
                                     .max_inputs = 2,                                              \
                                     .in_place = true,                                             \
                                     .grad_needs_in = true,                                        \
                                     .shape = lower##_shape,                                       \
                                     .forward = lower##_forward,                                   \
                                     .backward = lower##_backward};
BINARY_MAP(X)
#undef X
