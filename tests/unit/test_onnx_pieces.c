/* ONNX files that have in pieces what is one op here: activations, layer norms, constants that lie
 * otherwise. */
#include "graph/net.h"
#include "support/draft.h"
#include "support/fault.h"

static const int64_t image[4] = {-1, 3, 4, 5};

/* ---- clips ---------------------------------------------------------------------------------- */

TEST(clips_become_what_they_are)
{
  float low[3] = {0, 0, -1}, high[3] = {6, 1e9F, 2};
  static const char *const op[] = {"relu6", "clip", "clip"};
  for (int32_t i = 0; i < 3; i++) {
    draft d;
    draft_new(&d, 13, 4, image);
    draft_node(&d, "Clip", "x low high", "y");
    draft_array(&d, "low", 0, NULL, low + i, NULL);
    draft_array(&d, "high", 0, NULL, high + i, NULL);
    anet_net *net = draft_import(&d);
    anet_node node;
    CHECK_OK(anet_net_node(net, net->output[0], &node));
    CHECK_EQ_S(node.op, op[i]);
    CHECK_EQ_S(node.name, "y");
    anet_net_release(net);
  }
}

/* ---- functions in pieces --------------------------------------------------------------------- */

static double swish(double x)
{
  return x / (1 + exp(-x));
}

static double hard_sigmoid(double x)
{
  return fmin(fmax(x + 3, 0), 6) / 6;
}

static double hard_swish(double x)
{
  return x * hard_sigmoid(x);
}

static double mish(double x)
{
  return x * tanh(log1p(exp(x)));
}

static double gelu(double x)
{
  return 0.5 * x * erfc(-x / sqrt(2));
}

static double swish_of_more(double x)
{
  return x / (1 + exp(-x - 1));
}

static double softplus_as_mish(double x)
{
  return log1p(exp(x)) * tanh(log1p(exp(x)));
}

static double wide_gelu(double x)
{
  return 0.5 * x * erfc(-x / 2);
}

static double shifted_gelu(double x)
{
  return gelu(x) + 1;
}

/* Nodes as "Op inputs > output; …". op NULL: it only looks like one, and stays in pieces. */
static const struct {
  const char *nodes, *op;
  double (*want)(double x);
} pieces[] = {
    {"Sigmoid x > s; Mul x s > y", "swish", swish},
    {"Sigmoid x > s; Mul s x > y", "swish", swish},
    {"Add x three > a; Clip a zero six > b; Mul x b > c; Div c six > y", "hard_swish", hard_swish},
    {"Add x three > a; Clip a zero six > b; Div b six > c; Mul c x > y", "hard_swish", hard_swish},
    {"Add x three > a; Clip a zero six > b; Div b six > y", "hard_sigmoid", hard_sigmoid},
    {"Softplus x > s; Tanh s > t; Mul x t > y", "mish", mish},
    {"Div x root > a; Erf a > e; Add e one > f; Mul x f > h; Mul h half > y", "gelu", gelu},
    {"Mul x half > h; Div x root > a; Erf a > e; Add one e > f; Mul f h > y", "gelu", gelu},
    {"Div x root > a; Erf a > e; Add e one > f; Mul f half > g; Mul g x > y", "gelu", gelu},
    {"Add x one > z; Sigmoid z > s; Mul x s > y", NULL, swish_of_more},
    {"Softplus x > s; Tanh s > t; Mul s t > y", NULL, softplus_as_mish},
    {"Div x two > a; Erf a > e; Add e one > f; Mul x f > h; Mul h half > y", NULL, wide_gelu},
    {"Div x root > a; Erf a > e; Add e one > f; Mul x f > h; Mul h half > g; Add g one > y", NULL,
     shifted_gelu},
};

static void draft_pieces(draft *d, const char *nodes)
{
  static float number[] = {0, 0.5F, 1, 1.4142135F, 2, 3, 6};
  static const char *const name[] = {"zero", "half", "one", "root", "two", "three", "six"};
  draft_new(d, 13, 4, image);
  char *rest = (char *)anet__onnx_text(&d->model.pool, "%s", nodes);
  for (char *end; rest; rest = end ? end + 2 : NULL) {
    if ((end = strchr(rest, ';'))) *end = 0;
    char *output = strstr(rest, " > "), *inputs = strchr(rest, ' ');
    *output = 0;
    *inputs = 0;
    draft_node(d, rest, inputs + 1, output + 3);
  }
  for (int32_t i = 0; i < ANET_COUNT(number); i++)
    if (strstr(nodes, name[i])) draft_array(d, name[i], 0, NULL, &number[i], NULL);
}

TEST(pieces_become_the_op_that_they_are)
{
  float in[60], *data[1] = {in};
  for (int32_t i = 0; i < 60; i++) in[i] = 0.25F * (float)(i - 30);
  for (int32_t k = 0; k < ANET_COUNT(pieces); k++) {
    draft d;
    anet_node node;
    draft_pieces(&d, pieces[k].nodes);
    anet_net *net = draft_import(&d);
    CHECK_OK(anet_net_node(net, net->output[0], &node));
    CHECK_EQ_S(node.name, "y");
    if (pieces[k].op) CHECK_EQ_S(node.op, pieces[k].op);
    CHECK_EQ_I(net->count == 2, pieces[k].op != NULL);
    const outcome o = run_net(net, (const float *const *)data, 1);
    for (int32_t i = 0; i < 60; i++) CHECK_NEAR(o.out[i], pieces[k].want((double)in[i]), 2e-6);
    free(o.out);
    anet_net_release(net);
  }
}

static float norm_gamma[3] = {1, 2, 3}, norm_beta[3] = {0, 1, -1}, norm_epsilon[1] = {0.125F};

/* A layer norm over the channels, as a file has it that moves them last and back. */
static void draft_norm(draft *d)
{
  static const int64_t last[4] = {0, 2, 3, 1}, back[4] = {0, 3, 1, 2}, axis[1] = {-1};
  static float two[1] = {2};
  draft_new(d, 13, 4, image);
  draft_ints(draft_node(d, "Transpose", "x", "t"), "perm", last, 4);
  draft_ints(draft_node(d, "ReduceMean", "t", "mean"), "axes", axis, 1);
  draft_node(d, "Sub", "t mean", "less");
  draft_node(d, "Pow", "less two", "square");
  draft_ints(draft_node(d, "ReduceMean", "square", "variance"), "axes", axis, 1);
  draft_node(d, "Add", "variance epsilon", "more");
  draft_node(d, "Sqrt", "more", "root");
  draft_node(d, "Div", "less root", "even");
  draft_node(d, "Mul", "even gamma", "scaled");
  draft_node(d, "Add", "scaled beta", "shifted");
  draft_ints(draft_node(d, "Transpose", "shifted", "y"), "perm", back, 4);
  draft_array(d, "two", 0, NULL, two, NULL);
  draft_array(d, "epsilon", 0, NULL, norm_epsilon, NULL);
  draft_array(d, "gamma", 1, (int64_t[]){3}, norm_gamma, NULL);
  draft_array(d, "beta", 1, (int64_t[]){3}, norm_beta, NULL);
}

TEST(a_layer_norm_in_pieces)
{
  float in[60], *data[1] = {in};
  draft d;
  draft_norm(&d);
  anet_net *net = draft_import(&d);
  bool found = false;
  for (int32_t v = 0; v < net->count; v++) {
    found |= net->node[v].op == ANET_OP_LAYER_NORM;
    CHECK(net->node[v].op != ANET_OP_REDUCE_MEAN && net->node[v].op != ANET_OP_EXPAND);
  }
  CHECK(found);
  for (int32_t i = 0; i < 60; i++) in[i] = (float)(i * i % 7) - 3;
  const outcome o = run_net(net, (const float *const *)data, 1);
  for (int32_t p = 0; p < 20; p++) {
    const float *x = in + 3 * p;
    const double mean = ((double)x[0] + (double)x[1] + (double)x[2]) / 3;
    double variance = 0;
    for (int32_t c = 0; c < 3; c++) variance += ((double)x[c] - mean) * ((double)x[c] - mean) / 3;
    for (int32_t c = 0; c < 3; c++) {
      const double even = ((double)x[c] - mean) / sqrt(variance + 0.125);
      CHECK_NEAR(o.out[3 * p + c], even * (double)norm_gamma[c] + (double)norm_beta[c], 2e-6);
    }
  }
  free(o.out);
  anet_net_release(net);
}

/* A softmax over features, with the largest taken off or not; the sum is of other numbers where
 * `of` is not "e". */
static void draft_softmax(draft *d, bool shifted, const char *of)
{
  static const int64_t row[2] = {-1, 5}, axis[1] = {-1};
  draft_new(d, 11, 2, row);
  if (shifted) {
    draft_ints(draft_node(d, "ReduceMax", "x", "most"), "axes", axis, 1);
    draft_node(d, "Sub", "x most", "less");
  }
  draft_node(d, "Exp", shifted ? "less" : "x", "e");
  draft_ints(draft_node(d, "ReduceSum", of, "sum"), "axes", axis, 1);
  draft_node(d, "Div", "e sum", "y");
}

TEST(a_softmax_in_pieces)
{
  float in[5] = {1, -2, 3, 0.5F, 2}, *data[1] = {in};
  double sum = 0;
  for (int32_t i = 0; i < 5; i++) sum += exp((double)in[i]);
  for (int32_t shifted = 0; shifted < 2; shifted++) {
    draft d;
    anet_answers answers;
    draft_softmax(&d, shifted, "e");
    anet_net *net = draft_import(&d);
    CHECK_EQ_I(net->count, 2);
    CHECK_EQ_I(net->node[net->output[0]].op, ANET_OP_SOFTMAX);
    CHECK_OK(anet_net_answers(net, 0, &answers));
    CHECK_EQ_I(answers.kind, ANET_ANSWER_PROBABILITIES);
    const outcome o = run_net(net, (const float *const *)data, 1);
    for (int32_t i = 0; i < 5; i++) CHECK_NEAR(o.out[i], exp((double)in[i]) / sum, 1e-6);
    free(o.out);
    anet_net_release(net);
  }
  draft d;
  draft_softmax(&d, false, "x"); /* exp(x) over the sum of x */
  anet_net *net = draft_import(&d);
  CHECK(net->node[net->output[0]].op == ANET_OP_DIV);
  anet_net_release(net);
}

/* An image less a grid of anchors, 0, 1, 2, … in ONNX's order, or the other way round. */
static void draft_grid(draft *d, const char *inputs)
{
  static float grid[60];
  for (int32_t i = 0; i < 60; i++) grid[i] = (float)i;
  draft_new(d, 13, 4, image);
  draft_node(d, "Sub", inputs, "y");
  draft_array(d, "grid", 4, (int64_t[]){1, 3, 4, 5}, grid, NULL);
}

TEST(constants_lie_as_what_they_meet)
{
  static const char *const inputs[2] = {"x grid", "grid x"};
  float in[60], *data[1] = {in};
  for (int32_t i = 0; i < 60; i++) in[i] = 0.5F;
  for (int32_t k = 0; k < 2; k++) {
    draft d;
    draft_grid(&d, inputs[k]);
    anet_net *net = draft_import(&d);
    CHECK_EQ_I(net->count, 3);
    const outcome o = run_net(net, (const float *const *)data, 1);
    for (int32_t i = 0; i < 60; i++) {
      const double constant = i % 3 * 20 + i / 3;
      CHECK_NEAR(o.out[i], k ? constant - 0.5 : 0.5 - constant, 0);
    }
    free(o.out);
    anet_net_release(net);
  }
}

TEST(every_allocation_may_fail)
{
  char path[SCRATCH_PATH];
  draft d;
  draft_pieces(&d, pieces[0].nodes);
  test_each_allocation(draft_drop, (void *)draft_write(&d, path));
  draft_norm(&d);
  test_each_allocation(draft_drop, (void *)draft_write(&d, path));
  draft_softmax(&d, true, "e");
  test_each_allocation(draft_drop, (void *)draft_write(&d, path));
  draft_grid(&d, "x grid");
  test_each_allocation(draft_drop, (void *)draft_write(&d, path));
}

int main(int argc, char **argv)
{
  static const test_case cases[] = {
      CASE(clips_become_what_they_are),      CASE(pieces_become_the_op_that_they_are),
      CASE(a_layer_norm_in_pieces),          CASE(a_softmax_in_pieces),
      CASE(constants_lie_as_what_they_meet), CASE(every_allocation_may_fail),
  };
  test_scratch_new(draft_folder);
  const int rc = test_run(cases, ANET_COUNT(cases), argc, argv);
  test_scratch_remove(draft_folder);
  return rc;
}
