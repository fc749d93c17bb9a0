/* Importing a part of an ONNX model: up to named outputs, or without an end that cannot be run. */
#include "base/alloc.h"
#include "graph/net.h"
#include "onnx/onnx.h"
#include "support/fault.h"
#include "support/scratch.h"
#include "support/test.h"

static char folder[SCRATCH_PATH];

enum { NODES = 12, NAMES = 6 };

/* A model of nodes with one output each, on an image 'x' (1, 2, 4, 4). */
typedef struct sketch {
  anet__onnx_model model;
  anet__onnx_face in[2], out[4];
  anet__onnx_node node[NODES];
  const char *name[NODES][NAMES];
  anet__onnx_array array[2];
  anet__onnx_named initial[2];
  float weight[4];
  int64_t axis[1];
} sketch;

static void sketch_new(sketch *s)
{
  *s = (sketch){.model = {.pool = {.left = SIZE_MAX}, .opset = 13, .inputs = 1},
                .in = {{"x", ANET_ONNX_FLOAT, 4, {1, 2, 4, 4}}},
                .weight = {1, 2, 3, 4},
                .axis = {1}};
  s->array[0] =
      (anet__onnx_array){.real = true, .rank = 4, .dim = {2, 2, 1, 1}, .count = 4, .f = s->weight};
  s->array[1] = (anet__onnx_array){.rank = 1, .dim = {1}, .count = 1, .i = s->axis};
  s->initial[0] = (anet__onnx_named){"w", &s->array[0]};
  s->initial[1] = (anet__onnx_named){"axis", &s->array[1]};
  s->model.input = s->in;
  s->model.output = s->out;
  s->model.node = s->node;
  s->model.initial = s->initial;
  s->model.initials = 2;
}

/* what: "output op input …". */
static void sketch_node(sketch *s, const char *what)
{
  const int32_t at = s->model.nodes++;
  char *text = anet__onnx_text(&s->model.pool, "%s", what);
  const char **name = s->name[at];
  int32_t used = 0;
  for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) name[used++] = word;
  s->node[at] = (anet__onnx_node){.op = name[1],
                                  .name = name[0],
                                  .domain = "",
                                  .input = name + 2,
                                  .output = name,
                                  .inputs = used - 2,
                                  .outputs = 1};
}

static void sketch_output(sketch *s, const char *name)
{
  s->out[s->model.outputs++] =
      (anet__onnx_face){.name = name, .type = ANET_ONNX_FLOAT, .rank = 4, .dim = {1, 2, 4, 4}};
}

static const char *sketch_write(sketch *s, char *path)
{
  test_scratch_path(folder, "sketch.onnx", path);
  CHECK_OK(anet__onnx_write(path, &s->model));
  anet__onnx_pool_free(&s->model.pool);
  return path;
}

/* A convolution, a branch, an op that nobody has behind it, and what follows that. */
static void sketch_detector(sketch *s)
{
  sketch_new(s);
  sketch_node(s, "a Conv x w");
  sketch_node(s, "b Relu a");
  sketch_node(s, "c Sigmoid a");
  sketch_node(s, "unused Odd b");
  sketch_node(s, "d Odd b c axis");
  sketch_node(s, "e Relu d");
  sketch_output(s, "e");
  sketch_output(s, "a");
}

static const anet_onnx_desc partial = {.partial = 1};

/* Outputs by name, with spaces between. */
static void check_outputs(const anet_net *net, const char *want)
{
  char text[200] = "";
  for (int32_t i = 0; i < net->outputs; i++) {
    strcat(text, i ? " " : "");
    strcat(text, net->node[net->output[i]].name);
  }
  CHECK_EQ_S(text, want);
}

TEST(an_end_is_left_out)
{
  char path[SCRATCH_PATH];
  sketch s;
  anet_net *net;
  anet_bundle *about;
  sketch_detector(&s);
  CHECK_FAILS(anet_net_import_onnx(sketch_write(&s, path), NULL, &net, NULL), ANET_UNSUPPORTED,
              "'Odd'");
  CHECK(strstr(anet_error(), "partial"));
  CHECK_OK(anet_bundle_new(&about));
  CHECK_OK(anet_net_import_onnx(path, &partial, &net, about));
  check_outputs(net, "a b c");
  const char *left = anet_bundle_text(about, "left_out");
  CHECK(left && strstr(left, "\"Odd\":1") && strstr(left, "\"outputs\":[\"e\"]"));
  CHECK(left && strstr(left, "\"reads\":[\"b\",\"c\"]") && strstr(left, "opset 13"));
  CHECK(strstr(anet_bundle_text(about, "border"), "\"name\":\"c\""));
  anet_bundle_release(about);
  anet_net_release(net);
}

TEST(what_is_whole_stays_whole)
{
  char path[SCRATCH_PATH];
  sketch s;
  anet_net *net;
  anet_bundle *about;
  sketch_new(&s);
  sketch_node(&s, "a Relu x");
  sketch_node(&s, "unused Odd a");
  sketch_output(&s, "a");
  CHECK_OK(anet_bundle_new(&about));
  CHECK_OK(anet_net_import_onnx(sketch_write(&s, path), &partial, &net, about));
  check_outputs(net, "a");
  CHECK(anet_bundle_text(about, "left_out") == NULL);
  anet_bundle_release(about);
  anet_net_release(net);
}

static void refused(sketch *s, const char *word)
{
  char path[SCRATCH_PATH];
  anet_net *net;
  CHECK_FAILS(anet_net_import_onnx(sketch_write(s, path), &partial, &net, NULL), ANET_UNSUPPORTED,
              word);
  CHECK(strstr(anet_error(), "'Odd'"));
}

/* Where a convolution needs the unknown op, it is not the end; where all does, nothing is left. */
TEST(a_middle_is_refused)
{
  sketch s;
  sketch_new(&s);
  sketch_node(&s, "a Conv x w");
  sketch_node(&s, "b Odd a");
  sketch_node(&s, "c Conv b w");
  sketch_node(&s, "d Add c a");
  sketch_output(&s, "d");
  refused(&s, "1 convolution would be, 'c' the first");
  sketch_new(&s);
  sketch_node(&s, "a Odd x");
  sketch_output(&s, "a");
  refused(&s, "nothing is left");
}

/* A second input, of what is left out alone, goes with it: one that could be imported, and one of
 * whole numbers, which could not. */
static void check_input(int32_t type)
{
  char path[SCRATCH_PATH];
  sketch s;
  anet_net *net;
  sketch_new(&s);
  s.in[s.model.inputs++] = (anet__onnx_face){"size", type, 2, {1, 2}};
  sketch_node(&s, "a Conv x w");
  sketch_node(&s, "b Odd a size");
  sketch_output(&s, "b");
  CHECK_OK(anet_net_import_onnx(sketch_write(&s, path), &partial, &net, NULL));
  CHECK_EQ_I(anet_net_inputs(net), 1);
  check_outputs(net, "a");
  anet_net_release(net);
}

TEST(inputs_go_with_it)
{
  check_input(ANET_ONNX_FLOAT);
  check_input(ANET_ONNX_INT64);
}

/* An input that cannot be imported is an output too: that output is lost, with no node between. */
TEST(an_input_that_is_an_output)
{
  char path[SCRATCH_PATH];
  sketch s;
  anet_net *net;
  for (int32_t k = 0; k < 2; k++) {
    sketch_new(&s);
    s.in[s.model.inputs++] = (anet__onnx_face){"lost", ANET_ONNX_FLOAT, 4, {1, 2, -1, -1}};
    sketch_node(&s, "a Conv x w");
    sketch_output(&s, "lost");
    if (k == 1) break;
    sketch_output(&s, "a");
    CHECK_OK(anet_net_import_onnx(sketch_write(&s, path), &partial, &net, NULL));
    check_outputs(net, "a");
    anet_net_release(net);
  }
  CHECK_FAILS(anet_net_import_onnx(sketch_write(&s, path), &partial, &net, NULL), ANET_UNSUPPORTED,
              "input 'lost' has shape (1, 2, ?, ?)");
}

TEST(outputs_by_name)
{
  static const char *const want[2] = {"c", "b"}, *const none[1] = {"nothing"};
  const anet_onnx_desc two = {.outputs = 2, .output = want}, bad = {.outputs = 1, .output = none};
  char path[SCRATCH_PATH];
  sketch s;
  anet_net *net;
  sketch_detector(&s);
  CHECK_OK(anet_net_import_onnx(sketch_write(&s, path), &two, &net, NULL));
  check_outputs(net, "c b");
  CHECK_EQ_I(anet_net_count(net), 4);
  anet_net_release(net);
  CHECK_FAILS(anet_net_import_onnx(path, &bad, &net, NULL), ANET_RANGE, "'nothing'");
}

/* As sketch_detector, of ops that ONNX has, in an opset in which axes were attributes. */
static void sketch_end(sketch *s)
{
  static const int64_t axes[1] = {1};
  static anet__onnx_attr attr;
  attr = (anet__onnx_attr){.name = "axes", .kind = ANET_ONNX_ATTR_INTS, .ints = axes, .count = 1};
  sketch_new(s);
  s->model.opset = 11;
  sketch_node(s, "a Conv x w");
  sketch_node(s, "b Relu a");
  sketch_node(s, "c Sigmoid a");
  sketch_node(s, "d NonMaxSuppression b c");
  sketch_node(s, "e Gather d axis");
  sketch_node(s, "f Squeeze e");
  s->node[5].attr = &attr;
  s->node[5].attrs = 1;
  sketch_output(s, "f");
  sketch_output(s, "a");
}

static bool has_input(const anet__onnx_node *node, const char *name)
{
  for (int32_t i = 0; i < node->inputs; i++)
    if (strcmp(node->input[i], name) == 0) return true;
  return false;
}

/* Through a bundle's file, behind a net of the same outputs; and that comes in again as it did. */
TEST(an_end_comes_back)
{
  char path[SCRATCH_PATH], kept[SCRATCH_PATH], again[SCRATCH_PATH];
  sketch s;
  anet_net *net;
  anet_bundle *about;
  anet__onnx_model model;
  sketch_end(&s);
  CHECK_OK(anet_bundle_new(&about));
  CHECK_OK(anet_net_import_onnx(sketch_write(&s, path), &partial, &net, about));
  CHECK(!strstr(anet_bundle_text(about, "left_out"), "gone"));
  anet_net_release(net);
  CHECK_OK(anet_bundle_save(about, test_scratch_path(folder, "kept.anet", kept)));
  anet_bundle_release(about);
  CHECK_OK(anet_bundle_open(kept, &about));
  CHECK_OK(anet_bundle_net(about, &net));
  CHECK_OK(anet_net_export_onnx(net, test_scratch_path(folder, "again.onnx", again), about));
  CHECK_OK(anet__onnx_read(again, &model));
  CHECK_EQ_I(model.outputs, 2);
  CHECK_EQ_S(model.output[0].name, "f");
  CHECK_EQ_S(model.output[1].name, "a");
  const anet__onnx_node *last = &model.node[model.nodes - 1];
  CHECK_EQ_S(last->op, "Squeeze");
  CHECK(last->attrs == 0 && has_input(last, "e") && has_input(last, "f.axes"));
  anet__onnx_free(&model);
  anet_net_release(net);
  CHECK_OK(anet_net_import_onnx(again, &partial, &net, about));
  check_outputs(net, "a b c");
  anet_net_release(net);
  anet_bundle_release(about);
}

/* Of another net it reads what is not there; one without a name for its op in opset 17 stays away.
 */
TEST(an_end_that_does_not_fit)
{
  char path[SCRATCH_PATH], again[SCRATCH_PATH];
  sketch s;
  anet_net *net, *other;
  anet_bundle *about;
  CHECK_OK(anet_bundle_new(&about));
  sketch_end(&s);
  CHECK_OK(anet_net_import_onnx(sketch_write(&s, path), &partial, &net, about));
  sketch_new(&s);
  sketch_node(&s, "a Relu x");
  sketch_output(&s, "a");
  CHECK_OK(anet_net_import_onnx(sketch_write(&s, path), NULL, &other, NULL));
  test_scratch_path(folder, "again.onnx", again);
  CHECK_FAILS(anet_net_export_onnx(other, again, about), ANET_STATE, "'b'");
  anet_net_release(other);
  anet_net_release(net);
  anet_bundle_release(about);
  CHECK_OK(anet_bundle_new(&about));
  sketch_detector(&s);
  CHECK_OK(anet_net_import_onnx(sketch_write(&s, path), &partial, &net, about));
  CHECK(strstr(anet_bundle_text(about, "left_out"), "Odd of opset 13"));
  CHECK_OK(anet_net_export_onnx(net, again, about));
  anet_net_release(net);
  anet_bundle_release(about);
}

/* Exports are of floats, so what read whole numbers would read them as what they are not. */
TEST(whole_numbers_do_not_cross)
{
  static anet__onnx_attr to = {.name = "to", .kind = ANET_ONNX_ATTR_INT, .i = ANET_ONNX_INT64};
  char path[SCRATCH_PATH];
  sketch s;
  anet_net *net;
  anet_bundle *about;
  sketch_new(&s);
  sketch_node(&s, "a Conv x w");
  sketch_node(&s, "b Cast a");
  s.node[1].attr = &to;
  s.node[1].attrs = 1;
  sketch_node(&s, "c NonMaxSuppression a b");
  sketch_output(&s, "c");
  CHECK_OK(anet_bundle_new(&about));
  CHECK_OK(anet_net_import_onnx(sketch_write(&s, path), &partial, &net, about));
  CHECK(strstr(anet_bundle_text(about, "left_out"), "f32"));
  CHECK(anet_bundle_tensor(about, "onnx.tail") == NULL);
  anet_net_release(net);
  anet_bundle_release(about);
}

static int export_and_drop(void *path)
{
  char again[SCRATCH_PATH];
  anet_net *net = NULL;
  anet_bundle *about = NULL;
  int rc = anet_bundle_new(&about);
  if (!rc) rc = anet_net_import_onnx(path, &partial, &net, about);
  if (!rc) rc = anet_net_export_onnx(net, test_scratch_path(folder, "again.onnx", again), about);
  anet_bundle_release(about);
  anet_net_release(net);
  return rc;
}

static int import_and_drop(void *path)
{
  anet_net *net = NULL;
  anet_bundle *about = NULL;
  int rc = anet_bundle_new(&about);
  if (!rc) rc = anet_net_import_onnx(path, &partial, &net, about);
  anet_bundle_release(about);
  anet_net_release(net);
  return rc;
}

TEST(every_allocation_may_fail)
{
  char path[SCRATCH_PATH];
  sketch s;
  sketch_detector(&s);
  sketch_write(&s, path);
  test_each_allocation(import_and_drop, path);
  sketch_end(&s);
  sketch_write(&s, path);
  test_each_allocation(export_and_drop, path);
}

int main(int argc, char **argv)
{
  static const test_case cases[] = {
      CASE(an_end_is_left_out),         CASE(what_is_whole_stays_whole),
      CASE(a_middle_is_refused),        CASE(inputs_go_with_it),
      CASE(an_input_that_is_an_output), CASE(outputs_by_name),
      CASE(an_end_comes_back),          CASE(an_end_that_does_not_fit),
      CASE(whole_numbers_do_not_cross), CASE(every_allocation_may_fail),
  };
  test_scratch_new(folder);
  const int rc = test_run(cases, ANET_COUNT(cases), argc, argv);
  test_scratch_remove(folder);
  return rc;
}
