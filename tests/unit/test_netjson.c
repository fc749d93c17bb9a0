/* The JSON of a net, word for word: what stands in it, what is refused and how that is told. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "graph/net.h"
#include "support/nets.h"
#include "support/says.h"

/* Text with ' for ". */
static json_t *json_of(const char *quoted)
{
  json_t *json = NULL;
  char *text = strdup(quoted);
  for (char *c = text; *c; c++)
    if (*c == '\'') *c = '"';
  CHECK_OK(anet__json_parse(text, strlen(text), "test", &json));
  free(text);
  return json;
}

static int no_params(void *context, const char *name, anet_tensor **out)
{
  (void)context, (void)out;
  return anet_fail(ANET_FORMAT, "there is no '%s'", name);
}

static int read(const char *quoted, anet_net **out)
{
  json_t *json = json_of(quoted);
  const int rc = anet__net_from_json(json, no_params, NULL, out);
  json_decref(json);
  return rc;
}

static void check_written(const anet_net *net, const char *quoted)
{
  json_t *want = json_of(quoted), *got;
  CHECK_OK(anet__net_to_json(net, &got));
  if (!json_equal(got, want)) {
    char *text = anet__json_text(got);
    TEST_FAIL("got %s, want %s", text, quoted);
    anet__free(text);
  }
  json_decref(want);
  json_decref(got);
}

/* What is as usual is left out: attributes, a node that learns, one outside all regions. */
TEST(what_is_usual_is_left_out)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  const int32_t x = net_image(net, 8, 3);
  const int32_t y = net_put(net, "max_pool", "pool", &(anet_attr){.kernel = {2, 2}}, x, -1);
  const int32_t z = net_put(net, "leaky_relu", "leaky", &(anet_attr){.alpha = 0.25F}, y, -1);
  const anet_attr odd = {.pad = {1, 0, 2, 0}, .mode = ANET_PAD_REFLECT, .alpha = 0.5F};
  const int32_t p = net_put(net, "pad", "odd", &odd, z, -1);
  net->node[y].region = 0;
  net->node[z].frozen = true;
  net->node[p].region = 255;
  CHECK_OK(anet_net_output(net, p));
  CHECK_OK(anet_net_output(net, x));
  static const char *const text =
      "{'inputs': ['image'], 'outputs': ['odd', 'image'], 'nodes': ["
      "{'name': 'image', 'op': 'input', 'shape': [8, 8, 3]},"
      "{'name': 'pool', 'op': 'max_pool', 'in': ['image'], 'kernel': [2, 2], 'region': 0},"
      "{'name': 'leaky', 'op': 'leaky_relu', 'in': ['pool'], 'alpha': 0.25, 'frozen': true},"
      "{'name': 'odd', 'op': 'pad', 'in': ['leaky'], 'pad': [1, 0, 2, 0], 'mode': 1, 'alpha': 0.5,"
      " 'region': 255}]}";
  check_written(net, text);
  anet_net *back;
  CHECK_OK(read(text, &back));
  check_written(back, text);
  CHECK_EQ_I(back->node[x].region, -1);
  CHECK(!back->node[y].frozen && back->node[z].frozen);
  anet_net_release(back);
  anet_net_release(net);
}

TEST(a_name_that_is_no_text_is_told)
{
  anet_net *net;
  json_t *json;
  CHECK_OK(anet_net_new(&net));
  net_put(net, "relu", "\xff", NULL, net_image(net, 2, 1), -1);
  CHECK_SAYS(anet__net_to_json(net, &json), ANET_FORMAT,
             "net: the name '\\xff' of node 1 is not UTF-8; rename it");
  CHECK(json == NULL);
  anet_net_release(net);
}

#define X "{'name':'x','op':'input','shape':[8,8,3]}"
#define NODES(more) "{'inputs':['x'],'outputs':[],'nodes':[" X more "]}"
#define RELU(more) NODES(",{'name':'r','op':'relu'" more "}")

TEST(what_is_refused)
{
  static const struct {
    const char *text, *message;
  } bad[] = {
      {NODES("," X), "net: two nodes 'x'"},
      {NODES(",{'name':'r','op':'rely','in':['x']}"), "net: 'r': no op 'rely'"},
      {RELU(",'in':['x','y']"), "net: relu 'r': 'in' names 'y', no earlier node"},
      {RELU(",'in':['x',7]"), "net: relu 'r': item 1 of 'in' is no string"},
      {RELU(",'in':['x','x','x','x','x','x','x','x','x']"),
       "net: relu 'r': 'in' has 9 names, the most is 8"},
      {RELU(",'in':['x','x']"), "net: relu 'r': got 2 inputs, want 1 to 1"},
      {RELU(",'in':['r']"), "net: relu 'r': 'in' names 'r', no earlier node"},
      {RELU(",'in':['x'],'colour':1"), "net: relu 'r': there is no place for 'colour'"},
      {RELU(",'in':['x'],'shape':[1]"), "net: relu 'r': there is no place for 'shape'"},
      {RELU(",'in':['x'],'frozen':1"), "net: relu 'r': there is no place for 'frozen'"},
      {RELU(",'in':['x'],'region':256"), "net: relu 'r': JSON: 'region' is 256, want -1 .. 255"},
      {RELU(",'in':['x'],'region':-2"), "net: relu 'r': JSON: 'region' is -2, want -1 .. 255"},
      {RELU(",'in':['x'],'kernel':[3]"), "net: relu 'r': 'kernel' is no array of 2 numbers"},
      {RELU(",'in':['x'],'kernel':3"), "net: relu 'r': 'kernel' is no array of 2 numbers"},
      {RELU(",'in':['x'],'pad':[1,2,3]"), "net: relu 'r': 'pad' is no array of 4 numbers"},
      {RELU(",'in':['x'],'channels':2147483648"),
       "net: relu 'r': 'channels' is no integer of 32 bits"},
      {RELU(",'in':['x'],'channels':-2147483649"),
       "net: relu 'r': 'channels' is no integer of 32 bits"},
      {RELU(",'in':['x'],'channels':1.5"), "net: relu 'r': 'channels' is no integer of 32 bits"},
      {RELU(",'in':['x'],'alpha':'x'"), "net: relu 'r': 'alpha' is no number"},
      {NODES(",{'name':'l','op':'linear','in':[],'channels':3}"),
       "net: linear 'l': got 0 inputs, want 1 to 1"},
      {NODES(",{'name':'l','op':'linear','in':['x','x'],'channels':3}"),
       "net: linear 'l': got 2 inputs, want 1 to 1"},
      {NODES(",{'name':'c','op':'conv','in':['x'],'kernel':[3,3],'channels':4}"),
       "net: conv 'c': there is no 'c.weight'"},
      {"{'nodes':[{'name':'x','op':'input','shape':[8,0]}]}",
       "net: input 'x': dimension 1 of 'shape' is not in 1 .. 2147483647"},
      {"{'nodes':[{'name':'x','op':'input','shape':[8,8,2147483648]}]}",
       "net: input 'x': dimension 2 of 'shape' is not in 1 .. 2147483647"},
      {"{'nodes':[{'name':'x','op':'input','shape':[8,1.5]}]}",
       "net: input 'x': dimension 1 of 'shape' is not in 1 .. 2147483647"},
      {"{'nodes':[{'name':'x','op':'input','shape':[1,1,1,1,1,1]}]}",
       "net: input 'x': 'shape' has 6 dimensions, the most is 5"},
      {"{'nodes':[{'name':'x','op':'input','shape':[1,1,1,1,1]}]}",
       "net: input 'x': rank 5, want 1 to 4 dimensions above 0"},
      {"{'inputs':['x'],'outputs':[],'nodes':[" X ",{'name':'y','op':'input','shape':[1]}]}",
       "net: 'inputs' has 1 names, not the 2 nodes of op input in order"},
      {"{'inputs':['y','x'],'outputs':[],'nodes':[" X ",{'name':'y','op':'input','shape':[1]}]}",
       "net: 'inputs' has 2 names, not the 2 nodes of op input in order"},
      {"{'inputs':['x'],'outputs':['y'],'nodes':[" X "]}",
       "net: 'outputs' names 'y', no earlier node"},
      {"{'inputs':['x'],'outputs':[3],'nodes':[" X "]}", "net: item 0 of 'outputs' is no string"},
  };
  for (int32_t i = 0; i < ANET_COUNT(bad); i++) {
    anet_net *net = (anet_net *)bad;
    const int rc = read(bad[i].text, &net);
    CHECK(rc != ANET_OK && net == NULL);
    CHECK_EQ_S(anet_error(), bad[i].message);
  }
}

/* The largest and least of each are taken. */
TEST(what_is_just_taken)
{
  static const char *const good[] = {
      RELU(",'in':['x'],'region':255"),
      RELU(",'in':['x'],'region':-1"),
      RELU(",'in':['x'],'region':0"),
      RELU(",'in':['x'],'channels':2147483647"),
      RELU(",'in':['x'],'channels':-2147483648"),
      RELU(",'in':['x'],'frozen':false"),
      RELU(",'in':['x'],'alpha':3"),
      "{'inputs':['x'],'outputs':[],'nodes':[{'name':'x','op':'input','shape':[1,1,1,1]}]}",
      "{'inputs':['x'],'outputs':[],'nodes':[{'name':'x','op':'input','shape':[2147483647]}]}",
      NODES(",{'name':'c','op':'concat','in':['x','x','x','x','x','x','x','x']}"),
  };
  for (int32_t i = 0; i < ANET_COUNT(good); i++) {
    anet_net *net;
    CHECK_OK(read(good[i], &net));
    anet_net_release(net);
  }
}

/* 64 outputs fit, 65 do not. */
TEST(how_many_outputs)
{
  for (int32_t count = 64; count <= 65; count++) {
    char text[1024] = "{'inputs':['x'],'nodes':[" X "],'outputs':['x'";
    anet_net *net;
    for (int32_t i = 1; i < count; i++) strcat(text, ",'x'");
    strcat(text, "]}");
    if (count == 64) {
      CHECK_OK(read(text, &net));
      CHECK_EQ_I(net->outputs, 64);
      anet_net_release(net);
    } else {
      CHECK_SAYS(read(text, &net), ANET_FORMAT, "net: 'outputs' has 65 names, the most is 64");
    }
  }
}

TEST_MAIN(CASE(what_is_usual_is_left_out), CASE(a_name_that_is_no_text_is_told),
          CASE(what_is_refused), CASE(what_is_just_taken), CASE(how_many_outputs))
