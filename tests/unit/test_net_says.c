/* What networks and their plans refuse, word for word, and how much they take. */
#include "base/json.h"
#include "graph/blocks.h"
#include "plan/plan.h"
#include "support/nets.h"
#include "support/says.h"
#include "support/zoo.h"

/* image -> stem (a convolution) -> norm -> sum: 4 nodes. */
static anet_net *small_net(void)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  const int32_t x = net_conv(net, "stem", net_image(net, 8, 3), 8, 3, 1, 0);
  const int32_t y = net_put(net, "norm", "norm", NULL, x, -1);
  CHECK_OK(anet_net_output(net, net_put(net, "add", "sum", NULL, x, y)));
  return net;
}

static int add(anet_net *net, const char *op, int32_t a, int32_t b, int32_t inputs)
{
  const int32_t in[] = {a, b, 0, 0, 0, 0, 0, 0, 0};
  const anet_attr attr = {.kernel = {3, 3}, .channels = 4, .alpha = 0.5F};
  int32_t value;
  return anet_net_add(net, op, "a", &attr, in, inputs, &value);
}

TEST(nodes)
{
  anet_net *net = small_net();
  int32_t value;
  CHECK_SAYS(add(net, "konv", 0, 0, 1), ANET_ABSENT, "there is no op 'konv'");
  CHECK_SAYS(add(net, "conv", 0, 1, 2), ANET_RANGE, "conv 'a': got 2 inputs, want 1 to 1");
  CHECK_SAYS(add(net, "add", 0, 0, 1), ANET_RANGE, "add 'a': got 1 inputs, want 2 to 2");
  CHECK_SAYS(add(net, "add", 3, 4, 2), ANET_RANGE, "add 'a': input 1 is value 4, the net has 4");
  CHECK_SAYS(add(net, "add", -1, 2, 2), ANET_RANGE, "add 'a': input 0 is value -1, the net has 4");
  CHECK_SAYS(add(net, "conv", 0, 0, 9), ANET_RANGE, "conv 'a': got 9 inputs, the most is 8");
  CHECK_SAYS(add(net, "conv", 0, 0, -1), ANET_RANGE, "conv 'a': got -1 inputs, the most is 8");
  CHECK_SAYS(add(net, "input", 0, 0, 0), ANET_RANGE, "input 'a': inputs are not added as nodes");
  CHECK_SAYS(anet_net_add(net, "input", NULL, NULL, NULL, 0, &value), ANET_RANGE,
             "input '': inputs are not added as nodes");
  CHECK_SAYS(anet_net_add(net, "relu", "norm", NULL, &value, 1, &value), ANET_RANGE,
             "relu 'norm': the name is taken");
  const anet_attr endless = {.epsilon = INFINITY};
  value = 0;
  CHECK_SAYS(anet_net_add(net, "norm", "a", &endless, &value, 1, &value), ANET_RANGE,
             "norm 'a': epsilon is inf, want a finite number");
  anet_node node;
  CHECK_SAYS(anet_net_node(net, 4, &node), ANET_RANGE, "there is no node 4, the net has 4");
  CHECK_SAYS(anet_net_node(net, -1, &node), ANET_RANGE, "there is no node -1, the net has 4");
  CHECK_SAYS(anet_net_freeze(net, 4, 1), ANET_RANGE, "there is no node 4, the net has 4");
  CHECK_SAYS(anet_net_output(net, -1), ANET_RANGE, "there is no node -1, the net has 4");
  CHECK_SAYS(anet_net_output(net, 4), ANET_RANGE, "there is no node 4, the net has 4");
  CHECK_EQ_I(anet_net_count(net), 4);
  CHECK_OK(anet_net_node(net, 0, &node));
  CHECK_NEAR(node.bytes, 0, 0); /* an input moves nothing */
  CHECK(anet_net_param(net, 4, 0) == NULL && anet_net_param(net, -1, 0) == NULL);
  CHECK(anet_net_param(net, 2, -1) == NULL && anet_net_param(net, 2, 4) == NULL);
  CHECK_EQ_I(anet_net_output_at(net, -1), -1);
  CHECK_EQ_I(anet_net_output_at(net, 1), -1);
  CHECK_EQ_I(anet_net_input_at(net, -1), -1);
  anet_net_release(net);
}

TEST(outputs_are_64_at_most)
{
  anet_net *net = small_net();
  for (int32_t i = 1; i < 64; i++) CHECK_OK(anet_net_output(net, i % 4));
  CHECK_SAYS(anet_net_output(net, 0), ANET_RANGE, "a net has 64 outputs at most");
  CHECK_EQ_I(anet_net_outputs(net), 64);
  anet_net_release(net);
}

/* Up to 8 of 1 to 4 dimensions, and 2^31 - 1 elements. */
TEST(inputs)
{
  anet_net *net;
  int32_t value;
  CHECK_OK(anet_net_new(&net));
  CHECK_SAYS(anet_net_input(net, "x", &(anet_shape){0, {0}}, &value), ANET_SHAPE,
             "input 'x': rank 0, want 1 to 4 dimensions above 0");
  CHECK_SAYS(anet_net_input(net, "x", &(anet_shape){5, {1, 1, 1, 1, 1}}, &value), ANET_SHAPE,
             "input 'x': rank 5, want 1 to 4 dimensions above 0");
  CHECK_SAYS(anet_net_input(net, NULL, &(anet_shape){2, {3, 0}}, &value), ANET_SHAPE,
             "input '': rank 2, want 1 to 4 dimensions above 0");
  CHECK_SAYS(anet_net_input(net, "x", &(anet_shape){3, {32768, 65536, 1}}, &value), ANET_SHAPE,
             "input 'x': a value may have 2147483647 elements at most");
  CHECK_EQ_I(anet_net_count(net), 0);
  CHECK_OK(anet_net_input(net, "most", &(anet_shape){1, {INT32_MAX}}, &value));
  CHECK_OK(anet_net_input(net, "four", &(anet_shape){4, {1, 1, 1, 1}}, &value));
  for (int32_t i = 2; i < 8; i++)
    CHECK_OK(anet_net_input(net, NULL, &(anet_shape){1, {1}}, &value));
  CHECK_SAYS(anet_net_input(net, "x", &(anet_shape){1, {1}}, &value), ANET_RANGE,
             "input 'x': a net has 8 inputs at most");
  CHECK_EQ_I(anet_net_inputs(net), 8);
  /* what is dropped from the end takes its inputs along, and no others */
  anet__net_truncate(net, 7);
  CHECK_EQ_I(anet_net_inputs(net), 7);
  CHECK_OK(anet_net_add(net, "relu", NULL, NULL, &(int32_t){1}, 1, &value));
  CHECK_OK(anet_net_input(net, "last", &(anet_shape){1, {1}}, &value));
  CHECK_EQ_I(anet_net_input_at(net, 7), 8);
  anet__net_truncate(net, 8);
  CHECK_EQ_I(anet_net_inputs(net), 7);
  CHECK_EQ_I(anet_net_input_at(net, 6), 6);
  anet_net_release(net);
}

/* ---- parameters --------------------------------------------------------------------------------
 */

static anet_tensor *window(const anet_shape *whole, const anet_shape *size)
{
  const int32_t begin[ANET_MAX_RANK] = {0};
  anet_tensor *large, *cut = NULL;
  CHECK_OK(anet_tensor_new(ANET_F32, whole, &large));
  CHECK_OK(anet_tensor_view(large, begin, size, &cut));
  anet_tensor_release(large);
  return cut;
}

TEST(parameters)
{
  anet_net *net = small_net();
  anet_tensor *bytes, *cut, *deep;
  const anet_shape shape = net->node[1].param[0]->shape;
  const int32_t x = net_put(net, "depthwise", "deep", &(anet_attr){.kernel = {3, 3}}, 1, -1);
  CHECK_SAYS(anet_net_set_param(net, 1, 0, anet_net_param(net, 2, 0)), ANET_SHAPE,
             "conv 'stem': weight has shape (8), want (3, 3, 3, 8)");
  CHECK_SAYS(anet_net_set_param(net, 1, 1, anet_net_param(net, 1, 0)), ANET_RANGE,
             "conv 'stem': there is no parameter 1, it has 1");
  CHECK_SAYS(anet_net_set_param(net, 2, -1, anet_net_param(net, 1, 0)), ANET_RANGE,
             "norm 'norm': there is no parameter -1, it has 4");
  CHECK_SAYS(anet_net_set_param(net, 5, 0, anet_net_param(net, 1, 0)), ANET_RANGE,
             "there is no node 5, the net has 5");
  CHECK_OK(anet_tensor_new(ANET_U8, &shape, &bytes));
  CHECK_SAYS(anet_net_set_param(net, 1, 0, bytes), ANET_SHAPE,
             "conv 'stem': weight is u8, want f32");
  cut = window(&(anet_shape){4, {3, 5, 3, 8}}, &shape);
  CHECK_SAYS(anet_net_set_param(net, 1, 0, cut), ANET_UNSUPPORTED,
             "conv 'stem': weight is a window that cuts the kernel's columns");
  deep = window(&(anet_shape){3, {3, 5, 8}}, &(anet_shape){3, {3, 3, 8}});
  CHECK_SAYS(anet_net_set_param(net, x, 0, deep), ANET_UNSUPPORTED,
             "depthwise 'deep': weight is a window that cuts the kernel's columns");
  anet__node lender = net->node[1];
  lender.attr.bias = 1;
  int32_t value;
  CHECK_SAYS(anet__net_append(net, &lender, (int32_t[]){0}, &value), ANET_SHAPE,
             "conv 'stem_2': got 1 parameters, want 2");
  CHECK_EQ_I(net->count, 5);
  anet_tensor_release(bytes);
  anet_tensor_release(cut);
  anet_tensor_release(deep);
  anet_net_release(net);
}

/* Plans keep packed copies: they must see that values were drawn anew. */
TEST(drawn_values_are_new_ones)
{
  anet_net *net = small_net();
  uint32_t before[ANET_MAX_PARAMS];
  for (int32_t v = 1; v < 3; v++) {
    for (int32_t p = 0; p < net->node[v].params; p++)
      before[p] = atomic_load(&net->node[v].param[p]->storage->version);
    CHECK_OK(anet_net_init(net, v));
    for (int32_t p = 0; p < net->node[v].params; p++)
      CHECK(atomic_load(&net->node[v].param[p]->storage->version) != before[p]);
  }
  CHECK_OK(anet_net_init(net, 0x1p53));
  CHECK_OK(anet_net_init(net, -0x1p53));
  CHECK_SAYS(anet_net_init(net, 0x1p53 + 2), ANET_RANGE, "the seed 9.0072e+15 is not within 2^53");
  anet_net_release(net);
}

/* A parameter that stands in two places counts once. */
TEST(shared_parameters_count_once)
{
  anet_net *net = small_net();
  anet_cost apart, shared;
  anet_net_cost(net, &apart);
  CHECK_NEAR(apart.param_bytes, 4 * (27 * 8 + 4 * 8), 0);
  CHECK_NEAR(apart.params, 27 * 8 + 2 * 8, 0);
  CHECK_NEAR(apart.macs, 64 * (27 * 8 + 8), 0); /* of the norm one each */
  CHECK_NEAR(apart.activation_bytes, 4 * 64 * (3 + 3 * 8), 0);
  CHECK_OK(anet_net_set_param(net, 2, 1, anet_net_param(net, 2, 0))); /* beta is gamma */
  CHECK_OK(anet_net_set_param(net, 2, 3, anet_net_param(net, 2, 2))); /* variance is mean */
  anet_net_cost(net, &shared);
  CHECK_NEAR(shared.param_bytes, 4 * (27 * 8 + 2 * 8), 0);
  CHECK_NEAR(shared.params, 27 * 8 + 8, 0);
  anet_net_release(net);
}

/* ---- parts -------------------------------------------------------------------------------------
 */

TEST(parts)
{
  anet_net *net = small_net(), *part = net;
  const int32_t far[] = {1, 4}, both[] = {2, 3}, sum[] = {3};
  CHECK_SAYS(anet__net_extract(net, far, 2, sum, 1, NULL, &part), ANET_RANGE,
             "there is no value 4, the net has 4");
  CHECK(part == NULL);
  part = net;
  CHECK_SAYS(anet__net_extract(net, sum, 1, &(int32_t){-1}, 1, NULL, &part), ANET_RANGE,
             "there is no value -1, the net has 4");
  CHECK(part == NULL);
  CHECK_SAYS(anet__net_extract(net, sum, 1, both, 1, NULL, &part), ANET_STATE,
             "the part needs input 'image', which is not among its entries");
  /* a region that reads what is not its own */
  part = net;
  CHECK_SAYS(anet__net_region(net, 2, sum, 1, &part), ANET_RANGE,
             "add 'sum': input 0 is value -1, the net has 1");
  CHECK(part == NULL);
  CHECK_OK(anet__net_region(net, 1, both, 2, &part));
  CHECK_EQ_I(part->count, 3);
  CHECK_EQ_I(part->output[0], 2);
  CHECK_EQ_I(part->node[2].in[0], 0);
  CHECK_EQ_I(part->node[2].in[1], 1);
  CHECK_EQ_S(part->node[0].name, "stem");
  anet_net_release(part);
  anet_net_release(net);
}

/* ---- plans, answers, blocks
 * ---------------------------------------------------------------------- */

TEST(plans)
{
  anet_net *net = small_net(), *wide;
  anet_plan *plan;
  anet_shape shape;
  int32_t x;
  CHECK_SAYS(anet_plan_new(net, 0, &plan), ANET_RANGE, "plan: the batch is 0, want 1 or more");
  CHECK_OK(anet_plan_new(net, 2, &plan));
  CHECK_SAYS(anet_plan_input_shape(plan, 1, &shape), ANET_RANGE,
             "plan: there is no input 1, it has 1");
  CHECK_SAYS(anet_plan_input_shape(plan, -1, &shape), ANET_RANGE,
             "plan: there is no input -1, it has 1");
  CHECK_SAYS(anet_plan_output_shape(plan, 1, &shape), ANET_RANGE,
             "plan: there is no output 1, it has 1");
  CHECK_SAYS(anet_plan_output_shape(plan, -1, &shape), ANET_RANGE,
             "plan: there is no output -1, it has 1");
  anet_plan_release(plan);
  CHECK_OK(anet_net_new(&wide));
  CHECK_OK(
      anet_net_input(wide, "wide", &(anet_shape){1, {715827882}}, &x)); /* a third of 2^31 - 2 */
  CHECK_SAYS(anet_plan_new(wide, 3, &plan), ANET_STATE, "plan: the net has no output");
  CHECK_OK(anet_net_output(wide, x));
  CHECK_SAYS(anet_plan_new(wide, 4, &plan), ANET_RANGE,
             "plan: 4 images of 'wide' have more than 2147483647 elements");
  CHECK_OK(anet_plan_new(wide, 3, &plan));
  anet_plan_release(plan);
  anet_net_release(wide);
  anet_net_release(net);
}

TEST(answers_and_blocks)
{
  anet_net *net = zoo_resnet20(16, (const int32_t[]){8, 12, 16}, 2, 5, 1);
  anet_blocks *blocks;
  anet_answers answers;
  anet_block block;
  anet_frozen frozen;
  CHECK_SAYS(anet_net_answers(net, 1, &answers), ANET_RANGE, "answers: output 1 of a net with 1");
  CHECK_SAYS(anet_net_answers(net, -1, &answers), ANET_RANGE, "answers: output -1 of a net with 1");
  CHECK_OK(anet_blocks_find(net, &blocks));
  CHECK_SAYS(anet_blocks_get(blocks, 6, &block), ANET_RANGE, "block 6, want 0 to 5");
  CHECK_SAYS(anet_blocks_get(blocks, -1, &block), ANET_RANGE, "block -1, want 0 to 5");
  CHECK_EQ_I(anet_blocks_frozen_count(blocks), 2);
  CHECK_SAYS(anet_blocks_frozen(blocks, 2, &frozen), ANET_RANGE, "frozen run 2, want 0 to 1");
  CHECK_SAYS(anet_blocks_frozen(blocks, -1, &frozen), ANET_RANGE, "frozen run -1, want 0 to 1");
  anet_blocks_release(blocks);
  anet_net_release(net);
}

TEST_MAIN(CASE(nodes), CASE(outputs_are_64_at_most), CASE(inputs), CASE(parameters),
          CASE(drawn_values_are_new_ones), CASE(shared_parameters_count_once), CASE(parts),
          CASE(plans), CASE(answers_and_blocks))
