/* Networks: building, reading, cutting, copying, JSON. */
#include <stdlib.h>
#include "support/test.h"
#include "base/alloc.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/error.h"
#include "graph/net.h"

static const anet_shape image = {3, {8, 8, 3}};

/* A chain on value `in`; gives the last value, or -1 after a failure. */
static int32_t add(anet_net *net, const char *op, const char *name, anet_attr attr, int32_t in)
{
  int32_t value;
  return anet_net_add(net, op, name, &attr, &in, 1, &value) ? -1 : value;
}

static anet_attr conv3(int32_t channels, int32_t stride)
{
  return (anet_attr){
      .kernel = {3, 3}, .stride = {stride, stride}, .pad = {1, 1, 1, 1}, .channels = channels};
}

/* image -> stem -> norm -> relu -> conv -> add(relu) -> pool -> fc. On failure *out is NULL. */
static int small_net(anet_net **out)
{
  anet_net *net;
  int32_t x, y, z;
  *out = NULL;
  int rc = anet_net_new(&net);
  if (rc) return rc;
  anet_attr none = {0}, fc = {.channels = 10, .bias = 1};
  if ((rc = anet_net_input(net, "image", &image, &x))) goto fail;
  anet_attr stem = conv3(8, 2), conv = conv3(8, 1);
  if ((rc = anet_net_add(net, "conv", "stem", &stem, &x, 1, &y))) goto fail;
  if ((rc = anet_net_add(net, "norm", "norm", &none, &y, 1, &y))) goto fail;
  if ((rc = anet_net_add(net, "relu", "relu", NULL, &y, 1, &y))) goto fail;
  if ((rc = anet_net_add(net, "conv", "conv", &conv, &y, 1, &z))) goto fail;
  if ((rc = anet_net_add(net, "add", NULL, NULL, (int32_t[]){y, z}, 2, &y))) goto fail;
  if ((rc = anet_net_add(net, "global_pool", "pool", NULL, &y, 1, &y))) goto fail;
  if ((rc = anet_net_add(net, "flatten", NULL, NULL, &y, 1, &y))) goto fail;
  if ((rc = anet_net_add(net, "linear", "fc", &fc, &y, 1, &y))) goto fail;
  if ((rc = anet_net_output(net, y))) goto fail;
  *out = net;
  return ANET_OK;
fail:
  anet_net_release(net);
  return rc;
}

TEST(build)
{
  anet_net *net;
  anet_node node;
  CHECK_OK(small_net(&net));
  if (!net) return;
  CHECK_EQ_I(anet_net_count(net), 9);
  CHECK_EQ_I(anet_net_inputs(net), 1);
  CHECK_EQ_I(anet_net_input_at(net, 0), 0);
  CHECK_EQ_I(anet_net_input_at(net, 1), -1);
  CHECK_EQ_I(anet_net_output_at(net, 0), 8);
  CHECK_EQ_I(anet_net_find(net, "conv"), 4);
  CHECK_EQ_I(anet_net_find(net, "nothing"), -1);
  CHECK_OK(anet_net_node(net, 1, &node));
  CHECK_EQ_S(node.op, "conv");
  CHECK_EQ_S(node.name, "stem");
  CHECK_EQ_I(node.shape.dim[0], 4);
  CHECK_EQ_I(node.shape.dim[2], 8);
  CHECK_EQ_I(node.region, -1);
  CHECK_EQ_I(node.attr.groups, 1);
  CHECK_NEAR(node.macs, 4 * 4 * 8 * 27, 0);
  CHECK_NEAR(node.bytes, 4 * (8 * 8 * 3 + 4 * 4 * 8 + 27 * 8), 0);
  CHECK_EQ_S(anet_net_param_name(net, 2, 0), "gamma");
  CHECK(anet_net_param_name(net, 2, 4) == NULL);
  CHECK(anet_net_param(net, 3, 0) == NULL);
  CHECK_FAILS(anet_net_node(net, 9, &node), ANET_RANGE, "9");
  anet_cost cost;
  anet_net_cost(net, &cost);
  CHECK_NEAR(cost.params, 27 * 8 + 16 + 72 * 8 + 80 + 10, 0);
  CHECK_NEAR(cost.param_bytes, 4 * (cost.params + 16), 0);
  anet_net_release(net);
}

/* A call that fails names the node and leaves the net as it was. */
TEST(refuse)
{
  anet_net *net;
  int32_t value, bad = 99, both[2] = {1, 0};
  anet_attr attr = conv3(8, 1), endless = {.alpha = INFINITY};
  anet_shape flat = {1, {0}};
  CHECK_OK(small_net(&net));
  if (!net) return;
  CHECK_FAILS(anet_net_add(net, "konv", "a", &attr, &both[0], 1, &value), ANET_ABSENT, "konv");
  CHECK_FAILS(anet_net_add(net, "conv", "stem", &attr, &both[0], 1, &value), ANET_RANGE, "stem");
  CHECK_FAILS(anet_net_add(net, "conv", "a", &attr, &bad, 1, &value), ANET_RANGE, "99");
  CHECK_FAILS(anet_net_add(net, "conv", "a", &attr, both, 2, &value), ANET_RANGE, "conv 'a'");
  CHECK_FAILS(anet_net_add(net, "conv", "a", &attr, both, 9, &value), ANET_RANGE, "9");
  CHECK_FAILS(anet_net_add(net, "linear", "a", &attr, both, 1, &value), ANET_SHAPE, "'a': input");
  CHECK_FAILS(anet_net_add(net, "add", "a", NULL, both, 2, &value), ANET_SHAPE, "add 'a'");
  CHECK_FAILS(anet_net_add(net, "input", "a", NULL, NULL, 0, &value), ANET_RANGE, "'a'");
  CHECK_FAILS(anet_net_add(net, "leaky_relu", "a", &endless, both, 1, &value), ANET_RANGE, "alpha");
  CHECK_FAILS(anet_net_input(net, "b", &flat, &value), ANET_SHAPE, "'b'");
  CHECK_FAILS(anet_net_input(net, "stem", &image, &value), ANET_RANGE, "taken");
  CHECK_FAILS(anet_net_output(net, 9), ANET_RANGE, "9");
  CHECK_FAILS(anet_net_freeze(net, 9, 1), ANET_RANGE, "9");
  CHECK_FAILS(anet_net_init(net, NAN), ANET_RANGE, "seed");
  CHECK_FAILS(anet_net_set_param(net, 1, 0, anet_net_param(net, 2, 0)), ANET_SHAPE, "(8)");
  CHECK_FAILS(anet_net_set_param(net, 1, 1, anet_net_param(net, 2, 0)), ANET_RANGE, "stem");
  CHECK_EQ_I(anet_net_count(net), 9);
  CHECK_EQ_I(anet_net_inputs(net), 1);
  CHECK_OK(anet_net_input(net, "one", &(anet_shape){1, {1}}, &value));
  CHECK_FAILS(anet_net_add(net, "reshape", "a", NULL, &value, 1, &value), ANET_SHAPE, "no axes");
  anet_net_release(net);
}

TEST(names)
{
  anet_net *net;
  int32_t x;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, NULL, &image, &x));
  for (int32_t i = 0; i < 3; i++) x = add(net, "relu", NULL, (anet_attr){0}, x);
  CHECK_EQ_S(net->node[0].name, "input");
  CHECK_EQ_S(net->node[1].name, "relu");
  CHECK_EQ_S(net->node[3].name, "relu_3");
  anet_net_release(net);
  anet_net *many;
  int32_t last;
  anet_node node;
  CHECK_OK(anet_net_new(&many));
  CHECK_OK(anet_net_input(many, NULL, &(anet_shape){1, {1}}, &last));
  CHECK_OK(
      anet_net_add(many, "relu", "relu_9", NULL, &last, 1, &last)); /* in the way of the others */
  for (int32_t i = 0; i < 100; i++)
    CHECK_OK(anet_net_add(many, "relu", NULL, NULL, &last, 1, &last));
  for (int32_t v = 0; v < anet_net_count(many); v++) {
    CHECK_OK(anet_net_node(many, v, &node));
    CHECK_EQ_I(anet_net_find(many, node.name), v);
  }
  anet_net_release(many);
}

static bool same_values(const anet_tensor *a, const anet_tensor *b)
{
  size_t count = (size_t)anet_tensor_count(a);
  return anet__shape_equal(&a->shape, &b->shape) &&
         memcmp(anet__f32(a), anet__f32(b), count * sizeof(float)) == 0;
}

/* Whoever looks a name up finds what a scan would. */
static void check_found(const anet_net *net)
{
  int32_t wrong = 0;
  for (int32_t v = 0; v < net->count; v++) wrong += anet_net_find(net, net->node[v].name) != v;
  CHECK_EQ_I(wrong, 0);
  CHECK_EQ_I(anet_net_find(net, "nobody"), -1);
}

TEST(names_are_found_whatever_comes_and_goes)
{
  anet_net *net;
  anet_rng rng;
  int32_t x, had = 0;
  char name[32];
  anet_rng_seed(&rng, 1);
  CHECK_OK(anet_net_new(&net));
  CHECK_EQ_I(anet_net_find(net, "image"), -1);
  CHECK_OK(anet_net_input(net, "image", &image, &x));
  for (int32_t round = 0; round < 30; round++) {
    for (int32_t i = anet_rng_int(&rng, 0, 60); i > 0; i--)
      (void)add(net, "relu", i % 3 ? NULL : "same", (anet_attr){0}, net->count - 1);
    for (int32_t i = 0; i < 5; i++) {
      const int32_t v = anet_rng_int(&rng, 0, net->count - 1);
      snprintf(name, sizeof name, "other%d", had++);
      CHECK_OK(anet__net_rename(net, v, name));
      CHECK_EQ_I(anet_net_find(net, name), v);
    }
    check_found(net);
    snprintf(name, sizeof name, "%s", net->node[net->count - 1].name);
    anet__net_truncate(net, anet_rng_int(&rng, 1, net->count));
    if (net->count == 1) CHECK_EQ_I(anet_net_find(net, "same"), -1);
    check_found(net);
  }
  anet__net_truncate(net, 0);
  CHECK_EQ_I(anet_net_find(net, name), -1);
  anet_net_release(net);
}

/* Values depend on the seed and the names alone, and have the deviation that He et al. want. */
TEST(init)
{
  anet_net *net, *other;
  int32_t x, y;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_new(&other));
  CHECK_OK(anet_net_input(net, "x", &image, &x));
  CHECK_OK(anet_net_input(other, "x", &image, &y));
  y = add(other, "conv", "extra", conv3(3, 1), y);
  x = add(net, "conv", "stem", conv3(64, 1), x);
  y = add(other, "conv", "stem", conv3(64, 1), y);
  x = add(net, "norm", "norm", (anet_attr){0}, x);
  CHECK_OK(anet_net_init(net, 7));
  CHECK_OK(anet_net_init(other, 7));
  anet_tensor *weight = anet_net_param(net, 1, 0), *norm = anet_net_param(net, 2, 0);
  CHECK(same_values(weight, anet_net_param(other, 2, 0)));
  CHECK(!same_values(weight, anet_net_param(net, 2, 0)));
  CHECK(anet__f32(norm)[0] == 1 && anet__f32(anet_net_param(net, 2, 3))[63] == 1);
  CHECK(anet__f32(anet_net_param(net, 2, 1))[0] == 0);
  anet__param_spec spec[ANET_MAX_PARAMS];
  anet__net_specs(net, 1, spec);
  double square = 0, count = anet_tensor_count(weight);
  for (int32_t i = 0; i < count; i++) square += pow(anet__f32(weight)[i], 2) / count;
  CHECK_NEAR(square / (2 / spec[0].fan), 1, 0.1);
  CHECK_OK(anet_net_init(other, 8));
  CHECK(!same_values(weight, anet_net_param(other, 2, 0)));
  anet_net_release(net);
  anet_net_release(other);
}

/* A window of a larger tensor serves as a parameter, and filling it leaves the rest alone. */
TEST(windows)
{
  anet_net *net;
  anet_tensor *whole, *window;
  int32_t begin[4] = {0, 0, 0, 2};
  CHECK_OK(small_net(&net));
  if (!net) return;
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){4, {3, 3, 3, 12}}, &whole));
  CHECK_OK(anet_tensor_view(whole, begin, &(anet_shape){4, {3, 3, 3, 8}}, &window));
  CHECK_OK(anet_net_set_param(net, 1, 0, window));
  CHECK_OK(anet_net_init(net, 1));
  anet_tensor *large, *cut;
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){4, {3, 5, 3, 8}}, &large));
  CHECK_OK(anet_tensor_view(large, (int32_t[4]){0}, &(anet_shape){4, {3, 3, 3, 8}}, &cut));
  CHECK_FAILS(anet_net_set_param(net, 1, 0, cut), ANET_UNSUPPORTED, "columns");
  anet_tensor_release(large);
  anet_tensor_release(cut);
  for (int32_t i = 0; i < 27 * 12; i++) {
    bool inside = i % 12 >= 2 && i % 12 < 10;
    if ((anet__f32(whole)[i] != 0) != inside) TEST_FAIL("element %d: %g", i, anet__f32(whole)[i]);
  }
  anet_tensor_release(whole);
  anet_tensor_release(window);
  anet_net_release(net);
}

TEST(copies)
{
  anet_net *net, *copy;
  anet_cost cost;
  CHECK_OK(small_net(&net));
  if (!net) return;
  CHECK_OK(anet_net_init(net, 1));
  CHECK_OK(anet_net_freeze(net, -1, 1));
  CHECK_OK(anet_net_copy(net, &copy));
  CHECK_EQ_I(copy->count, net->count);
  CHECK_EQ_I(copy->output[0], net->output[0]);
  for (int32_t v = 0; v < net->count; v++) {
    CHECK_EQ_S(copy->node[v].name, net->node[v].name);
    CHECK_EQ_I(copy->node[v].frozen, 1);
    for (int32_t i = 0; i < net->node[v].params; i++) {
      CHECK(copy->node[v].param[i] != net->node[v].param[i]);
      CHECK(same_values(copy->node[v].param[i], net->node[v].param[i]));
    }
  }
  /* a parameter that two nodes share counts once */
  int32_t value = add(copy, "norm", "again", (anet_attr){0}, 3);
  for (int32_t i = 0; i < 4; i++)
    CHECK_OK(anet_net_set_param(copy, value, i, anet_net_param(copy, 2, i)));
  anet_net_cost(net, &cost);
  double bytes = cost.param_bytes;
  anet_net_cost(copy, &cost);
  CHECK_NEAR(cost.param_bytes, bytes, 0);
  anet_net_release(net);
  anet_net_release(copy);
}

TEST(parts)
{
  anet_net *net, *part, *bad;
  int32_t map[9], out;
  CHECK_OK(small_net(&net));
  if (!net) return;
  int32_t entry = 3, exit = 5, stem = 1;
  CHECK_OK(anet__net_extract(net, &entry, 1, &exit, 1, map, &part));
  CHECK_EQ_I(part->count, 3);
  CHECK_EQ_I(map[0], -1);
  CHECK_EQ_I(map[4], 1);
  CHECK_EQ_I(part->output[0], map[5]);
  CHECK_EQ_S(part->node[0].name, "relu");
  CHECK(part->node[1].param[0] == net->node[4].param[0]);
  CHECK_OK(anet__net_extract(net, &stem, 1, &entry, 1, NULL, &bad));
  anet_net_release(bad);
  CHECK_FAILS(anet__net_extract(net, &exit, 1, &entry, 1, NULL, &bad), ANET_STATE, "image");
  CHECK(bad == NULL);
  CHECK_OK(anet__net_inline(net, part, &entry, 4, &out));
  CHECK_EQ_I(out, 10);
  CHECK_EQ_I(net->node[9].region, 4);
  CHECK_EQ_S(net->node[9].name, "conv_2");
  CHECK_FAILS(anet__net_inline(net, part, (int32_t[]){0}, 4, &out), ANET_SHAPE, "conv");
  CHECK_EQ_I(net->count, 11);
  int32_t *readers;
  CHECK_OK(anet__net_readers(net, &readers));
  CHECK_EQ_I(readers[3], 4);
  CHECK_EQ_I(readers[8], 1);
  anet__free(readers);
  anet_net_release(part);
  anet_net_release(net);
}

/* ---- JSON --------------------------------------------------------------------------------- */

static int find_in(void *context, const char *name, anet_tensor **out)
{
  anet_net *net = context;
  char full[128];
  for (int32_t v = 0; v < net->count; v++)
    for (int32_t i = 0; i < net->node[v].params; i++) {
      snprintf(full, sizeof full, "%s.%s", net->node[v].name, anet_net_param_name(net, v, i));
      if (strcmp(full, name) == 0) return *out = net->node[v].param[i], ANET_OK;
    }
  return anet_fail(ANET_FORMAT, "there is no '%s'", name);
}

TEST(json_round_trip)
{
  anet_net *net, *back = NULL;
  json_t *json;
  CHECK_OK(small_net(&net));
  if (!net) return;
  CHECK_OK(anet_net_freeze(net, -1, 1));
  anet_attr odd = {.pad = {1, 0, 2, 0}, .mode = ANET_PAD_CONSTANT, .alpha = 0.1f};
  int32_t value = add(net, "pad", "odd", odd, 1);
  CHECK_OK(anet_net_output(net, value));
  net->node[4].region = 3;
  CHECK_OK(anet__net_to_json(net, &json));
  char *text = anet__json_text(json);
  CHECK_OK(anet__net_from_json(json, find_in, net, &back));
  json_decref(json);
  if (back) {
    for (int32_t v = 0; v < net->count; v++) {
      const anet__node *a = &net->node[v], *b = &back->node[v];
      CHECK_EQ_S(b->name, a->name);
      CHECK_EQ_I(b->op, a->op);
      CHECK_EQ_I(b->region, a->region);
      CHECK_EQ_I(b->frozen, a->frozen);
      CHECK(memcmp(&b->attr, &a->attr, sizeof a->attr) == 0);
      CHECK(memcmp(b->in, a->in, sizeof a->in) == 0);
      CHECK(anet__shape_equal(&b->shape, &a->shape));
      for (int32_t i = 0; i < a->params; i++) CHECK(a->param[i] == b->param[i]);
    }
    CHECK_EQ_I(back->outputs, 2);
    CHECK_OK(anet__net_to_json(back, &json));
    char *again = anet__json_text(json);
    CHECK_EQ_S(again, text);
    json_decref(json);
    anet__free(again);
  }
  anet__free(text);
  anet_net_release(back);
  anet_net_release(net);
}

#define IMAGE "{'name':'x','op':'input','shape':[8,8,3]}"
#define NODES(more) "{'inputs':['x'],'outputs':[],'nodes':[" IMAGE more "]}"

static int read_text(const char *quoted, anet_net *weights, anet_net **out)
{
  char text[4096];
  json_t *json = NULL;
  *out = NULL;
  snprintf(text, sizeof text, "%s", quoted);
  for (char *c = text; *c; c++)
    if (*c == '\'') *c = '"';
  int rc = anet__json_parse(text, strlen(text), "test", &json);
  if (!rc) rc = anet__net_from_json(json, find_in, weights, out);
  json_decref(json);
  return rc;
}

TEST(json_refuses)
{
  static const struct {
    const char *text, *word;
  } bad[] = {
      {"[]", "nodes"},
      {"{'nodes':3}", "nodes"},
      {"{'nodes':[3]}", "name"},
      {"{'nodes':[{'name':'x'}]}", "op"},
      {"{'nodes':[" IMAGE "]}", "inputs"},
      {"{'inputs':[],'outputs':[],'nodes':[" IMAGE "]}", "inputs"},
      {"{'inputs':['x'],'outputs':['y'],'nodes':[" IMAGE "]}", "'y'"},
      {NODES("," IMAGE), "'x'"},
      {NODES(",{'name':'r','op':'rely','in':['x']}"), "rely"},
      {NODES(",{'name':'r','op':'relu','in':['y']}"), "'y'"},
      {NODES(",{'name':'r','op':'relu','in':[7]}"), "'in'"},
      {NODES(",{'name':'r','op':'relu','in':'x'}"), "'in'"},
      {NODES(",{'name':'r','op':'relu','in':['x'],'colour':1}"), "colour"},
      {NODES(",{'name':'r','op':'relu','in':['x'],'shape':[1]}"), "shape"},
      {NODES(",{'name':'r','op':'relu','in':['x'],'region':-7}"), "region"},
      {NODES(",{'name':'r','op':'relu','in':['x'],'frozen':1}"), "frozen"},
      {NODES(",{'name':'c','op':'conv','in':['x'],'kernel':[3]}"), "kernel"},
      {NODES(",{'name':'c','op':'conv','in':['x'],'kernel':[3,1.5]}"), "kernel"},
      {NODES(",{'name':'c','op':'conv','in':['x'],'channels':99999999999}"), "channels"},
      {NODES(",{'name':'c','op':'leaky_relu','in':['x'],'alpha':'x'}"), "alpha"},
  };
  for (int32_t i = 0; i < ANET_COUNT(bad); i++) {
    anet_net *net, *none;
    CHECK_OK(anet_net_new(&none));
    CHECK_FAILS(read_text(bad[i].text, none, &net), ANET_FORMAT, bad[i].word);
    CHECK(net == NULL);
    anet_net_release(none);
  }
  anet_net *net, *none;
  CHECK_OK(anet_net_new(&none));
  CHECK_FAILS(read_text(NODES(",{'name':'r','op':'relu'}"), none, &net), ANET_RANGE, "'r'");
  CHECK_FAILS(read_text("{'nodes':[{'name':'x','op':'input'}]}", none, &net), ANET_SHAPE, "'x'");
  CHECK_OK(read_text(NODES(""), none, &net));
  anet_net_release(net);
  anet_net_release(none);
}

/* Damaged text is refused or read; it never breaks anything. */
TEST(json_damage)
{
  anet_net *net, *back;
  json_t *json;
  anet_rng rng;
  char damaged[4096];
  CHECK_OK(small_net(&net));
  if (!net) return;
  CHECK_OK(anet__net_to_json(net, &json));
  char *text = anet__json_text(json);
  json_decref(json);
  anet_rng_seed(&rng, 3);
  for (int32_t round = 0; round < 3000; round++) {
    snprintf(damaged, sizeof damaged, "%s", text);
    for (int32_t i = anet_rng_int(&rng, 1, 3); i > 0; i--) {
      static const char with[] = "0123456789-,[]{}:\"aex";
      damaged[anet_rng_int(&rng, 0, (int32_t)strlen(text) - 1)] =
          with[anet_rng_int(&rng, 0, (int32_t)sizeof with - 2)];
    }
    if (anet__json_parse(damaged, strlen(damaged), "test", &json)) continue;
    if (anet__net_from_json(json, find_in, net, &back)) CHECK(back == NULL && anet_error()[0]);
    anet_net_release(back);
    json_decref(json);
  }
  anet__free(text);
  anet_net_release(net);
}

/* ---- no memory ------------------------------------------------------------------------------ */

static int everything(void)
{
  anet_net *net = NULL, *copy = NULL, *part = NULL, *back = NULL;
  json_t *json = NULL;
  int32_t entry = 3, exit = 5, out;
  int rc = small_net(&net);
  if (!rc) rc = anet_net_copy(net, &copy);
  if (!rc) rc = anet__net_extract(net, &entry, 1, &exit, 1, NULL, &part);
  if (!rc) rc = anet__net_inline(net, part, &entry, 0, &out);
  if (!rc) rc = anet__net_to_json(copy, &json);
  if (!rc) rc = anet__net_from_json(json, find_in, copy, &back);
  json_decref(json);
  anet_net_release(net);
  anet_net_release(copy);
  anet_net_release(part);
  anet_net_release(back);
  return rc;
}

TEST(every_allocation_fails_once)
{
  anet_memory before, after;
  anet_memory_read(&before);
  for (int32_t k = 0;; k++) {
    anet__alloc_arm(k);
    int rc = everything();
    bool fired = anet__alloc_fired();
    anet__alloc_arm(-1);
    anet_memory_read(&after);
    CHECK_EQ_I(rc, fired ? ANET_NOMEM : ANET_OK);
    CHECK_EQ_I(after.live_bytes, before.live_bytes);
    if (!fired) break;
  }
}

TEST_MAIN(CASE(build), CASE(refuse), CASE(names), CASE(names_are_found_whatever_comes_and_goes),
          CASE(init), CASE(windows), CASE(copies), CASE(parts), CASE(json_round_trip),
          CASE(json_refuses), CASE(json_damage), CASE(every_allocation_fails_once))
