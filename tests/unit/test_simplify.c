/* Activations, norms and softmax that were written in pieces become one op, and only those. */
#include "base/alloc.h"
#include "graph/simplify.h"
#include "support/fault.h"
#include "support/nets.h"
#include "support/test.h"

enum { SIZE = 4, CHANNELS = 6, COUNT = SIZE * SIZE * CHANNELS };

static anet_net *net_new(int32_t *x)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  *x = net_image(net, SIZE, CHANNELS);
  return net;
}

static int32_t line(anet_net *net, int32_t x, float a, float b)
{
  return net_put(net, "affine", NULL, &(anet_attr){.alpha = a, .beta = b}, x, -1);
}

static void run(anet_net *net, const float *in, float *out)
{
  anet_plan *plan;
  anet_workspace *workspace;
  CHECK_OK(anet_plan_new(net, 1, &plan));
  CHECK_OK(anet_workspace_new(plan, NULL, &workspace));
  CHECK_OK(anet_run(plan, workspace, &in, &out, 1));
  anet_workspace_release(workspace);
  anet_plan_release(plan);
}

/* want: the op that stands for all of the net; NULL: it stays as it is. Numbers stay too. */
static void check(anet_net *net, int32_t last, const char *want, const char *what)
{
  float in[COUNT], one[COUNT], other[COUNT];
  anet_net *simple;
  fill_normal(in, COUNT, 3);
  CHECK_OK(anet__net_rename(net, last, "last"));
  CHECK_OK(anet_net_output(net, last));
  CHECK_OK(anet__net_simplify(net, &simple));
  const char *got = NULL;
  if (simple) {
    const int32_t output = simple->output[0];
    got = simple->count == 2 ? anet__op_get(simple->node[output].op)->name : "several";
    CHECK_EQ_S(simple->node[output].name, "last");
    CHECK_EQ_S(simple->node[0].name, "image");
    run(net, in, one);
    run(simple, in, other);
    for (int32_t i = 0; i < COUNT; i++)
      if (!(fabsf(one[i] - other[i]) <= 2e-4F * (1 + fabsf(one[i]))))
        TEST_FAIL("%s: number %d is %g, was %g", what, i, other[i], one[i]);
  }
  if (!got != !want || (got && strcmp(got, want) != 0))
    TEST_FAIL("%s becomes %s, want %s", what, got ? got : "nothing else",
              want ? want : "nothing else");
  anet_net_release(simple);
  anet_net_release(net);
}

/* ---- activations -------------------------------------------------------------------------------
 */

/* outer * x * (scale * gate(inner(d x + e)) + shift); a gate alone where it is no product. */
typedef struct activation {
  const char *want, *gate, *inner;
  float d, e, scale, shift, outer;
  bool alone;
} activation;

static void check_activation(const activation *a, bool swapped, int32_t nth)
{
  int32_t x;
  char what[64];
  anet_net *net = net_new(&x);
  int32_t g = a->d == 1 && a->e == 0 ? x : line(net, x, a->d, a->e);
  if (a->inner) g = net_op(net, a->inner, g);
  g = net_op(net, a->gate, g);
  if (a->scale != 1 || a->shift != 0) g = line(net, g, a->scale, a->shift);
  if (!a->alone) g = net_put(net, "mul", NULL, NULL, swapped ? g : x, swapped ? x : g);
  if (a->outer != 1) g = line(net, g, a->outer, 0);
  snprintf(what, sizeof what, "activation %d%s", nth, swapped ? " swapped" : "");
  check(net, g, a->want, what);
}

TEST(activations)
{
  static const float sixth = 1.0F / 6, root = 0.70710678F;
  const activation all[] = {
      {"swish", "sigmoid", NULL, 1, 0, 1, 0, 1, false},
      {"hard_swish", "hard_sigmoid", NULL, 1, 0, 1, 0, 1, false},
      {"hard_swish", "relu6", NULL, 1, 3, sixth, 0, 1, false},
      {"hard_swish", "relu6", NULL, 1, 3, 1, 0, sixth, false},
      {"mish", "tanh", "softplus", 1, 0, 1, 0, 1, false},
      {"gelu", "erf", NULL, root, 0, 0.5F, 0.5F, 1, false},
      {"gelu", "erf", NULL, root, 0, 1, 1, 0.5F, false},
      {"gelu", "erf", NULL, 0.7071F, 0, 0.5F, 0.5F, 1, false}, /* as rounded as files are */
      {"hard_sigmoid", "relu6", NULL, 1, 3, sixth, 0, 1, true},
      {NULL, "sigmoid", NULL, 1.1F, 0, 1, 0, 1, false},
      {NULL, "sigmoid", NULL, 1, 0.1F, 1, 0, 1, false},
      {NULL, "sigmoid", NULL, 1, 0, 1, 0.1F, 1, false},
      {NULL, "sigmoid", NULL, 1, 0, 1.1F, 0, 1, false},
      {"several", "sigmoid", NULL, 1, 0, 1, 0, 2, false},
      {NULL, "relu6", NULL, 1, 2, sixth, 0, 1, false},
      {NULL, "relu6", NULL, 1, 3, 0.2F, 0, 1, false},
      {NULL, "relu6", NULL, 1, 3, sixth, 0.5F, 1, true},
      {NULL, "relu6", NULL, 1, 2, sixth, 0, 1, true},
      {NULL, "relu", NULL, 1, 3, sixth, 0, 1, true},
      {NULL, "tanh", NULL, 1, 0, 1, 0, 1, false},
      {NULL, "tanh", "sigmoid", 1, 0, 1, 0, 1, false},
      {NULL, "erf", NULL, 0.7F, 0, 0.5F, 0.5F, 1, false},
      {NULL, "erf", NULL, root, 0, 0.5F, 0.6F, 1, false},
      {NULL, "sigmoid", NULL, 1, 0, 1, 0, 1, true},
      {NULL, "erf", NULL, 1, 0, 0.5F, 0.5F, 1, false},
      {NULL, "relu6", NULL, 1, 0, sixth, 0, 1, false},
      {NULL, "relu6", NULL, 1, 3, sixth * 1.0005F, 0, 1, false},
  };
  for (int32_t i = 0; i < ANET_COUNT(all); i++)
    for (int32_t swapped = 0; swapped < 2; swapped++) check_activation(&all[i], swapped, i);
}

/* A factor of x before the product counts, a shift does not fit, nor another factor than x. */
TEST(factors)
{
  static const struct {
    float a, b;
    const char *want;
  } cases[] = {{0.5F, 0, "gelu"}, {0.5F, 0.1F, NULL}, {0.6F, 0, NULL}};
  for (int32_t i = 0; i < ANET_COUNT(cases); i++) {
    int32_t x;
    anet_net *net = net_new(&x);
    const int32_t gate = line(net, net_op(net, "erf", line(net, x, 0.70710678F, 0)), 1, 1);
    check(net, net_put(net, "mul", NULL, NULL, line(net, x, cases[i].a, cases[i].b), gate),
          cases[i].want, "a factor before");
  }
  int32_t x;
  anet_net *net = net_new(&x);
  const int32_t gate = net_op(net, "sigmoid", x);
  check(net, net_put(net, "mul", NULL, NULL, net_op(net, "tanh", x), gate), NULL, "another factor");
  net = net_new(&x);
  check(net, line(net, net_put(net, "mul", NULL, NULL, x, net_op(net, "sigmoid", x)), 1, 0.5F),
        "several", "a shifted product");
}

/* Lines of lines are lines; those of another value are none. */
TEST(lines)
{
  int32_t x;
  anet_net *net = net_new(&x);
  int32_t gate = net_op(net, "erf", line(net, x, 0.70710678F, 0));
  gate = line(net, line(net, line(net, line(net, gate, 4, 4), 0.5F, 1), 0.5F, 0.5F), 0.5F, -0.5F);
  check(net, net_put(net, "mul", NULL, NULL, x, gate), "gelu", "a line of lines");
  net = net_new(&x);
  gate = net_op(net, "relu6", line(net, net_op(net, "tanh", x), 1, 3));
  check(net, net_put(net, "mul", NULL, NULL, x, line(net, gate, 1.0F / 6, 0)), "several",
        "the gate of another value");
}

/* ---- rows --------------------------------------------------------------------------------------
 */

/* One number a row, repeated. */
static int32_t repeat(anet_net *net, int32_t x)
{
  const anet_attr column = {.dim = {SIZE, SIZE, 1}}, whole = {.dim = {SIZE, SIZE, CHANNELS}};
  return net_put(net, "expand", NULL, &whole, net_put(net, "reshape", NULL, &column, x, -1), -1);
}

static int32_t rows(anet_net *net, const char *op, int32_t x)
{
  return repeat(net, net_op(net, op, x));
}

TEST(softmax)
{
  for (int32_t kind = 0; kind < 5; kind++) {
    int32_t x;
    anet_net *net = net_new(&x);
    int32_t y = x;
    if (kind == 1) y = net_put(net, "sub", NULL, NULL, x, rows(net, "reduce_max", x));
    if (kind == 2) y = line(net, x, 2, 0);
    const int32_t e = net_op(net, kind == 3 ? "softplus" : "exp", y);
    y = net_put(net, "div", NULL, NULL, e, rows(net, kind == 4 ? "reduce_mean" : "reduce_sum", e));
    check(net, y, kind < 2 ? "softmax" : kind == 2 ? "several" : NULL, "softmax");
  }
}

/* kind 0 and 1: by a product and a power; 2: without epsilon; else something is another. */
TEST(layer_norm)
{
  for (int32_t kind = 0; kind < 10; kind++) {
    int32_t x;
    anet_net *net = net_new(&x);
    const int32_t less =
        net_put(net, "sub", NULL, NULL, x, rows(net, kind == 9 ? "reduce_max" : "reduce_mean", x));
    int32_t square = kind == 1 || kind == 3
                         ? net_put(net, "power", NULL,
                                   &(anet_attr){.alpha = kind == 3 ? 4 : 2, .beta = 0}, less, -1)
                         : net_put(net, "mul", NULL, NULL, less, kind == 4 ? x : less);
    if (kind == 4) square = net_op(net, "abs", square);
    if (kind == 6) square = net_put(net, "mul", NULL, NULL, x, less);
    if (kind == 7) square = net_put(net, "mul", NULL, NULL, less, x);
    const int32_t variance = line(net, net_op(net, "reduce_mean", square), kind == 5 ? 2 : 1,
                                  kind == 8   ? -0.01F
                                  : kind == 2 ? 0
                                              : 0.25F);
    const int32_t root = repeat(net, net_op(net, "sqrt", variance));
    check(net, net_put(net, "div", NULL, NULL, less, root), kind < 3 ? "layer_norm" : NULL,
          "layer norm");
  }
}

/* ---- memory ------------------------------------------------------------------------------------
 */

static int simplify(void *net)
{
  anet_net *out;
  const int rc = anet__net_simplify(net, &out);
  CHECK((rc != 0) == (out == NULL));
  anet_net_release(out);
  return rc;
}

TEST(every_allocation_may_fail)
{
  int32_t x;
  anet_net *net = net_new(&x);
  x = net_put(net, "mul", NULL, NULL, x, net_op(net, "sigmoid", x));
  CHECK_OK(anet_net_output(net, net_conv(net, NULL, x, 8, 3, 1, 1)));
  test_each_allocation(simplify, net);
  anet_net_release(net);
}

TEST_MAIN(CASE(activations), CASE(factors), CASE(lines), CASE(softmax), CASE(layer_norm),
          CASE(every_allocation_may_fail))
