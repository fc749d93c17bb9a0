/* ONNX: layouts, every op out and in again, arrays and their types, what is refused, and damage. */
#include <stdlib.h>

#include "../grad/opcases.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/rng.h"
#include "graph/net.h"
#include "onnx/onnx_layout.h"
#include "support/draft.h"
#include "support/fault.h"
#include "support/zoo.h"

/* ---- layouts -------------------------------------------------------------------------------- */

/* What is stored at each place, by naive index arithmetic. */
static void check_map(const anet__layout *l, const int32_t *want, const char *what)
{
  const size_t count = (size_t)anet__layout_count(l);
  int32_t *map = malloc(count * sizeof *map);
  anet__layout_map(l, map);
  test_checks++;
  if (memcmp(map, want, count * sizeof *map)) TEST_FAIL("%s: the map differs", what);
  free(map);
}

TEST(layouts_regroup_and_split)
{
  const int64_t image[4] = {-1, 6, 2, 3}, flat[2] = {-1, 36}, cut[5] = {-1, 2, 3, 2, 3};
  const int64_t mixed[3] = {-1, 4, 9};
  anet__layout l, m, n;
  int32_t want[36];
  CHECK_OK(anet__layout_image(true, 4, image, &l));
  for (int32_t p = 0; p < 6; p++)
    for (int32_t c = 0; c < 6; c++) want[p * 6 + c] = c * 6 + p;
  check_map(&l, want, "image");
  CHECK(anet__layout_reshape(&l, 2, flat, &m));
  check_map(&m, want, "flattened: the memory is the same");
  CHECK(anet__layout_reshape(&m, 5, cut, &n));
  check_map(&n, want, "cut: the memory is the same");
  CHECK_EQ_I(anet__layout_dim(&n, 2), 3);
  CHECK(!anet__layout_reshape(&l, 3, mixed, &n)); /* 4 cuts the channels, which are not together */
  const int32_t perm[5] = {0, 2, 1, 3, 4};
  CHECK(anet__layout_reshape(&l, 5, cut, &m));
  anet__layout_transpose(&m, perm, &n);
  CHECK_EQ_I(anet__layout_dim(&n, 1), 3);
  for (int32_t p = 0; p < 6; p++)
    for (int32_t c = 0; c < 6; c++) want[p * 6 + c] = (c % 3 * 2 + c / 3) * 6 + p;
  check_map(&n, want, "shuffled channels");
}

/* ---- nets out and in again ------------------------------------------------------------------ */

static void check_same(const outcome *a, const outcome *b, const char *name)
{
  double most = 1, worst = 0;
  test_checks++;
  if (a->count != b->count) {
    TEST_FAIL("%s: %zu elements, want %zu", name, b->count, a->count);
    return;
  }
  for (size_t i = 0; i < a->count; i++) {
    const double difference = fabs((double)a->out[i] - (double)b->out[i]);
    most = fmax(most, fabs((double)a->out[i]));
    if (!(difference <= worst) && !(isnan(a->out[i]) && isnan(b->out[i]))) worst = difference;
  }
  if (!(worst <= 1e-5 * most)) TEST_FAIL("%s: off by %g of %g", name, worst, most);
}

/* A net of the case's op alone; a constant is added to an input. */
static anet_net *case_net(const op_case *c)
{
  anet_net *net;
  int32_t in[ANET_MAX_INPUTS], value;
  CHECK_OK(anet_net_new(&net));
  const int32_t inputs = ANET_MAX(c->inputs, 1);
  for (int32_t i = 0; i < inputs; i++)
    CHECK_OK(
        anet_net_input(net, NULL, c->inputs ? &c->in[i] : &(anet_shape){3, {3, 4, 5}}, &in[i]));
  CHECK_OK(anet_net_add(net, c->op, "node", &c->attr, in, c->inputs, &value));
  if (c->inputs == 0)
    CHECK_OK(anet_net_add(net, "add", NULL, NULL, (int32_t[]){in[0], value}, 2, &value));
  CHECK_OK(anet_net_output(net, value));
  CHECK_OK(anet_net_init(net, 3));
  return net;
}

static void stir(anet_net *net, anet_rng *rng)
{
  for (int32_t v = 0; v < net->count; v++)
    for (int32_t p = 0; p < net->node[v].params; p++) {
      float *data = anet__f32(net->node[v].param[p]);
      for (int32_t i = 0; i < (int32_t)anet_tensor_count(net->node[v].param[p]); i++)
        data[i] = 0.5F + 0.25F * anet__rng_normal(rng) * (p == 3 ? 0.1F : 1);
    }
}

TEST(every_op_goes_out_and_in)
{
  enum { N = 2 };
  char path[SCRATCH_PATH], text[256];
  test_scratch_path(draft_folder, "case.onnx", path);
  for (int32_t k = 0; k < ANET_COUNT(op_cases); k++) {
    const op_case *c = &op_cases[k];
    float *in[ANET_MAX_INPUTS] = {0};
    anet_net *net = case_net(c), *back = NULL;
    anet_rng rng;
    anet_rng_seed(&rng, k);
    stir(net, &rng);
    for (int32_t i = 0; i < net->inputs; i++) {
      const size_t count = N * anet__shape_size(&net->node[net->input[i]].shape);
      in[i] = malloc(count * sizeof **in);
      for (size_t e = 0; e < count; e++) in[i][e] = op_case_input(c->op, anet__rng_normal(&rng));
    }
    op_case_text(c, text);
    const int rc = anet_net_export_onnx(net, path, NULL);
    test_checks++;
    const bool channels = strcmp(c->op, "avg_pool") == 0;
    if (rc && !(rc == ANET_UNSUPPORTED && channels)) TEST_FAIL("%s: %s", text, anet_error());
    if (!rc) CHECK_OK(anet_net_import_onnx(path, NULL, &back, NULL));
    if (back) {
      const outcome a = run_net(net, (const float *const *)in, N);
      const outcome b = run_net(back, (const float *const *)in, N);
      check_same(&a, &b, text);
      test_checks++;
      if (!anet__shape_equal(&a.shape, &b.shape) && a.shape.rank == 3)
        TEST_FAIL("%s: comes back with another shape", text);
      CHECK_EQ_S(back->node[back->output[0]].name, net->node[net->output[0]].name);
      free(a.out);
      free(b.out);
    }
    for (int32_t i = 0; i < net->inputs; i++) free(in[i]);
    anet_net_release(net);
    anet_net_release(back);
  }
}

/* Structures of the well-known families: the same blocks are found, and the same comes out. */
static void check_family(anet_net *net, const char *name)
{
  char path[SCRATCH_PATH];
  anet_net *back = NULL;
  anet_blocks *a = NULL, *b = NULL;
  test_scratch_path(draft_folder, "family.onnx", path);
  CHECK_OK(anet_net_export_onnx(net, path, NULL));
  CHECK_OK(anet_net_import_onnx(path, NULL, &back, NULL));
  CHECK_OK(anet_blocks_find(net, &a));
  if (!back) return;
  CHECK_OK(anet_blocks_find(back, &b));
  CHECK_EQ_I(anet_blocks_count(b), anet_blocks_count(a));
  for (int32_t i = 0; i < ANET_MIN(anet_blocks_count(a), anet_blocks_count(b)); i++) {
    anet_block x, y;
    CHECK_OK(anet_blocks_get(a, i, &x));
    CHECK_OK(anet_blocks_get(b, i, &y));
    CHECK_EQ_S(y.kind, x.kind);
    CHECK_EQ_I(y.hidden, x.hidden);
    CHECK_EQ_I(y.most_span, x.most_span);
    CHECK_EQ_I(y.trunk, x.trunk);
  }
  const anet_shape *shape = &net->node[net->input[0]].shape;
  const int32_t count = (int32_t)anet__shape_size(shape);
  float *image = calloc((size_t)count, sizeof *image);
  zoo_images(image, count, 4);
  if (net->outputs == 1) {
    const outcome want = run_net(net, (const float *const *)&image, 1);
    const outcome got = run_net(back, (const float *const *)&image, 1);
    check_same(&want, &got, name);
    free(want.out);
    free(got.out);
  }
  free(image);
  anet_blocks_release(a);
  anet_blocks_release(b);
  anet_net_release(back);
  anet_net_release(net);
}

TEST(families_keep_their_blocks)
{
  const int32_t three[3] = {8, 12, 16}, four[4] = {1, 2, 1, 1};
  check_family(zoo_resnet20(16, three, 2, 10, 1), "resnet20");
  check_family(zoo_resnet50(32, 8, four, 10, 1), "resnet50");
  check_family(zoo_detector(64, 8, four, 1), "detector");
  check_family(zoo_mobilenetv2(64, 8, 10, 1), "mobilenetv2");
  check_family(zoo_efficientnet(32, 10, 1), "efficientnet");
  check_family(zoo_mobilenetv1(32, 8, 10, 1), "mobilenetv1");
  check_family(zoo_squeezenet(32, 8, 10, 1), "squeezenet");
  check_family(zoo_vgg(32, 8, 1, 10, 1), "vgg");
  check_family(zoo_preact(16, 8, 2, 10, 1), "preact");
  check_family(zoo_edsr(12, 8, 2, 1), "edsr");
  check_family(zoo_unet(16, 8, 1), "unet");
  check_family(zoo_oddities(16, 10, 1), "oddities");
  check_family(zoo_densenet(16, 10, 10, 1), "densenet");
  check_family(zoo_inception(16, 2, 10, 1), "inception");
}

/* ---- files made by hand --------------------------------------------------------------------- */

static const int64_t image[4] = {-1, 3, 4, 5};

/* A batch that is open; Flatten, then a matrix whose rows are in ONNX's order. */
TEST(features_follow_their_memory)
{
  float w[60];
  draft d;
  for (int32_t i = 0; i < 60; i++) w[i] = (float)i;
  draft_new(&d, 13, 4, image);
  draft_node(&d, "Flatten", "x", "f");
  draft_node(&d, "Gemm", "f w", "y");
  draft_array(&d, "w", 2, (int64_t[]){60, 1}, w, NULL);
  anet_net *net = draft_import(&d);
  float in[60] = {0}, *data[1] = {in};
  in[(1 * 5 + 2) * 3 + 2] = 1; /* row 1, column 2, channel 2 */
  const outcome o = run_net(net, (const float *const *)data, 1);
  CHECK_NEAR(o.out[0], 2 * 20 + 1 * 5 + 2, 0);
  free(o.out);
  anet_net_release(net);
}

/* Shape, Gather, Concat, Reshape: all known before anything runs. */
TEST(arithmetic_on_shapes_is_folded)
{
  int64_t zero[1] = {0}, rest[1] = {-1};
  draft d;
  draft_new(&d, 13, 4, image);
  draft_node(&d, "Shape", "x", "shape");
  draft_int(draft_node(&d, "Gather", "shape zero", "n"), "axis", 0);
  draft_int(draft_node(&d, "Concat", "n rest", "to"), "axis", 0);
  draft_node(&d, "Reshape", "x to", "flat");
  draft_node(&d, "Relu", "flat", "y");
  draft_array(&d, "zero", 1, (int64_t[]){1}, NULL, zero);
  draft_array(&d, "rest", 1, (int64_t[]){1}, NULL, rest);
  anet_net *net = draft_import(&d);
  CHECK_EQ_I(net->node[net->output[0]].shape.dim[0], 60);
  CHECK_EQ_I(net->node[1].op, ANET_OP_FLATTEN);
  CHECK_EQ_I(net->node[2].op, ANET_OP_RELU);
  for (int32_t v = 0; v < net->count; v++) CHECK(net->node[v].op != ANET_OP_CONSTANT);
  CHECK_EQ_S(net->node[net->output[0]].name, "y");
  float in[60], *data[1] = {in};
  for (int32_t i = 0; i < 60; i++) in[i] = (float)(i % 3 * 20 + i / 3); /* in ONNX's order */
  const outcome o = run_net(net, (const float *const *)data, 1);
  for (int32_t i = 0; i < 60; i++) CHECK_NEAR(o.out[i], i, 0);
  free(o.out);
  anet_net_release(net);
}

/* The shortcut without weights of ResNets on CIFAR: every second pixel, more channels. */
TEST(shortcuts_that_pad_channels)
{
  const int64_t one[2] = {1, 1}, two[2] = {2, 2};
  int64_t pads[8] = {0, 2, 0, 0, 0, 1, 0, 0};
  draft d;
  draft_new(&d, 13, 4, image);
  anet__onnx_node *pool = draft_node(&d, "MaxPool", "x", "p");
  draft_ints(pool, "kernel_shape", one, 2);
  draft_ints(pool, "strides", two, 2);
  draft_node(&d, "Pad", "p pads", "y");
  draft_array(&d, "pads", 1, (int64_t[]){8}, NULL, pads);
  anet_net *net = draft_import(&d);
  float in[60], *data[1] = {in};
  for (int32_t i = 0; i < 60; i++) in[i] = (float)(i + 1);
  const outcome o = run_net(net, (const float *const *)data, 1);
  CHECK_EQ_I(o.shape.dim[0], 2);
  CHECK_EQ_I(o.shape.dim[1], 3);
  CHECK_EQ_I(o.shape.dim[2], 6);
  for (int32_t y = 0; y < 2; y++)
    for (int32_t x = 0; x < 3; x++)
      for (int32_t c = 0; c < 6; c++) {
        const float want = c < 2 || c > 4 ? 0 : in[((2 * y) * 5 + 2 * x) * 3 + c - 2];
        CHECK_NEAR(o.out[(y * 3 + x) * 6 + c], want, 0);
      }
  free(o.out);
  anet_net_release(net);
}

/* A scalar has no axes; here it has one, of 1. */
TEST(scalars_have_an_axis)
{
  static const char *const op[] = {"Reshape", "Expand"};
  int64_t none[1] = {0};
  const float in[1] = {3}, *data[1] = {in};
  for (int32_t k = 0; k < 2; k++) {
    draft d;
    draft_new(&d, 13, k ? 0 : 1, (int64_t[]){1});
    draft_node(&d, op[k], "x none", "s");
    draft_node(&d, "Sqrt", "s", "y");
    draft_array(&d, "none", 1, (int64_t[]){0}, NULL, none);
    anet_net *net = draft_import(&d);
    const outcome o = run_net(net, data, 1);
    CHECK_EQ_I(o.shape.rank, 1);
    CHECK_NEAR(o.out[0], sqrt(3.0), 1e-6);
    free(o.out);
    anet_net_release(net);
  }
}

/* Places that a net holds go out as what they stand for: whole, and within the axis. */
TEST(places_go_out_as_they_act)
{
  const float place[5] = {NAN, -1, 1.5F, 99, -99};
  const float in[5] = {10, 11, 12, 13, 14}, want[5] = {10, 14, 11, 14, 10}, *data[1] = {in};
  char path[SCRATCH_PATH];
  anet_net *net = NULL, *back = NULL;
  int32_t x, places, y;
  test_scratch_path(draft_folder, "places.onnx", path);
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "x", &(anet_shape){1, {5}}, &x));
  CHECK_OK(anet_net_add(net, "constant", "places", &(anet_attr){.dim = {5}}, NULL, 0, &places));
  CHECK_OK(anet_net_add(net, "gather", "y", NULL, (int32_t[]){x, places}, 2, &y));
  CHECK_OK(anet_net_output(net, y));
  CHECK_OK(anet_net_init(net, 1));
  for (int32_t i = 0; i < 5; i++) anet_tensor_set(anet_net_param(net, places, 0), &i, place[i]);
  CHECK_OK(anet_net_export_onnx(net, path, NULL));
  CHECK_OK(anet_net_import_onnx(path, NULL, &back, NULL));
  const outcome here = run_net(net, data, 1), there = run_net(back, data, 1);
  for (int32_t i = 0; i < 5; i++) CHECK(here.out[i] == want[i] && there.out[i] == want[i]);
  free(here.out);
  free(there.out);
  anet_net_release(back);
  anet_net_release(net);
}

/* ---- what is refused ------------------------------------------------------------------------ */

TEST(refusals_name_the_thing)
{
  draft d;
  draft_new(&d, 13, 4, image);
  draft_node(&d, "NonMaxSuppression", "x", "y");
  draft_refused(&d, ANET_UNSUPPORTED, "NonMaxSuppression");
  CHECK(strstr(anet_error(), "opset 13") && strstr(anet_error(), "'y'"));
  draft_new(&d, 13, 4, image);
  draft_node(&d, "Relu", "nothing", "y");
  draft_refused(&d, ANET_FORMAT, "'nothing'");
  draft_new(&d, 13, 4, (int64_t[]){-1, 3, -1, -1});
  draft_node(&d, "Relu", "x", "y");
  draft_refused(&d, ANET_UNSUPPORTED, "(?, 3, ?, ?)");
  float w[9] = {0};
  draft_new(&d, 13, 4, image);
  draft_node(&d, "Conv", "x w", "y");
  draft_array(&d, "w", 4, (int64_t[]){1, 1, 3, 3}, w, NULL);
  draft_refused(&d, ANET_SHAPE, "(1, 1, 3, 3)");
  static int64_t pads[8] = {0, 0, INT64_MIN, 0, 0, 0, 0, 0};
  draft_new(&d, 13, 4, image);
  draft_node(&d, "Pad", "x pads", "y");
  draft_array(&d, "pads", 1, (int64_t[]){8}, NULL, pads);
  draft_refused(&d, ANET_UNSUPPORTED, "pads axis 2");
  draft_new(&d, 13, 4, image);
  draft_ints(draft_node(&d, "Transpose", "x", "y"), "perm", (int64_t[]){0, 1, 2, (1LL << 32) + 3}, 4);
  draft_refused(&d, ANET_FORMAT, "perm");
  float nan[2] = {0, NAN};
  draft_new(&d, 13, 4, image);
  draft_node(&d, "Gather", "w places", "some");
  draft_node(&d, "Add", "x some", "y");
  draft_array(&d, "w", 1, (int64_t[]){5}, w, NULL);
  draft_array(&d, "places", 1, (int64_t[]){2}, nan, NULL);
  draft_refused(&d, ANET_RANGE, "an axis of 5");
  draft_new(&d, 13, 4, image);
  draft_node(&d, "Relu", "x", "other");
  draft_refused(&d, ANET_FORMAT, "'y'");
}

static void draft_refused_memory(draft *d)
{
  anet_memory before, after;
  anet_memory_mark();
  anet_memory_read(&before);
  draft_refused(d, ANET_RANGE, "more than such a file may");
  anet_memory_read(&after);
  CHECK(after.live_bytes <= before.live_bytes);
  CHECK(after.peak_bytes - before.live_bytes < 1 << 27);
}

/* Small files that ask for much: a constant of 2^31 elements, and parameters of as many channels. */
TEST(small_files_get_little_memory)
{
  static const char *const norm[][2] = {
      {"LayerNormalization", "x one one"}, {"LayerNormalization", "x"}, {"PRelu", "x one"}};
  int64_t shape[3] = {65536, 32768, 4};
  const int64_t row[2] = {-1, 1 << 28}, deep[4] = {-1, 1 << 28, 1, 1};
  float one = 1;
  draft d;
  draft_new(&d, 13, 4, image);
  draft_node(&d, "ConstantOfShape", "shape", "much");
  draft_node(&d, "Add", "x much", "y");
  draft_array(&d, "shape", 1, (int64_t[]){3}, NULL, shape);
  draft_refused_memory(&d);
  for (int32_t i = 0; i < ANET_COUNT(norm); i++) {
    draft_new(&d, 17, 2, row);
    draft_node(&d, norm[i][0], norm[i][1], "y");
    draft_array(&d, "one", 1, (int64_t[]){1}, &one, NULL);
    draft_refused_memory(&d);
  }
  draft_new(&d, 17, 4, deep);
  draft_node(&d, "InstanceNormalization", "x one one", "y");
  draft_array(&d, "one", 1, (int64_t[]){1}, &one, NULL);
  draft_refused_memory(&d);
}

/* ---- damage --------------------------------------------------------------------------------- */

/* A file with a convolution, a norm and a linear layer. */
static size_t whole_file(char *path, char **bytes)
{
  size_t count = 0;
  anet_net *net;
  int32_t v;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "image", &(anet_shape){3, {6, 6, 3}}, &v));
  CHECK_OK(anet_net_add(net, "conv", "c", &(anet_attr){.kernel = {3, 3}, .channels = 4, .bias = 1},
                        &v, 1, &v));
  CHECK_OK(anet_net_add(net, "norm", "n", NULL, &v, 1, &v));
  CHECK_OK(anet_net_add(net, "relu6", "r", NULL, &v, 1, &v));
  CHECK_OK(anet_net_add(net, "flatten", "f", NULL, &v, 1, &v));
  CHECK_OK(anet_net_add(net, "linear", "l", &(anet_attr){.channels = 5, .bias = 1}, &v, 1, &v));
  CHECK_OK(anet_net_output(net, v));
  CHECK_OK(anet_net_init(net, 1));
  test_scratch_path(draft_folder, "whole.onnx", path);
  CHECK_OK(anet_net_export_onnx(net, path, NULL));
  anet_net_release(net);
  CHECK_OK(anet__file_read(path, 1 << 24, bytes, &count));
  return count;
}

static void import_bytes(const char *data, size_t bytes)
{
  char path[SCRATCH_PATH];
  anet_net *net = NULL;
  test_scratch_write(draft_folder, "damaged.onnx", data, bytes);
  const int rc =
      anet_net_import_onnx(test_scratch_path(draft_folder, "damaged.onnx", path), NULL, &net, NULL);
  test_checks++;
  if ((rc == ANET_OK) != (net != NULL)) TEST_FAIL("status %d and %s net", rc, net ? "a" : "no");
  anet_net_release(net);
}

TEST(damaged_files_are_refused_cleanly)
{
  char path[SCRATCH_PATH], *bytes;
  anet__alloc_stats before, after;
  const size_t count = whole_file(path, &bytes);
  anet_rng rng;
  anet_rng_seed(&rng, 9);
  anet__alloc_read(&before);
  for (size_t cut = 0; cut < count; cut += cut < 300 ? 1 : 97) import_bytes(bytes, cut);
  for (int32_t i = 0; i < 600; i++) {
    char *damaged = malloc(count);
    memcpy(damaged, bytes, count);
    for (int32_t k = anet_rng_int(&rng, 1, 4); k > 0; k--) {
      const uint32_t at = anet__rng_below(&rng, (uint32_t)(i % 2 ? count : ANET_MIN(count, 400)));
      damaged[at] = (char)anet_rng_int(&rng, 0, 255);
    }
    import_bytes(damaged, count);
    free(damaged);
  }
  anet__alloc_read(&after);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
  anet__free(bytes);
}

/* Graphs inside attributes inside graphs: the reader must not follow them down. */
TEST(deep_nests_are_refused)
{
  enum { DEEP = 100000 };
  char *data = malloc(8 * DEEP), *at = data + 8 * DEEP, path[SCRATCH_PATH];
  size_t size = 0;
  anet_net *net = NULL;
  static const unsigned char key[] = {0x0a, 0x2a, 0x32}; /* node, attribute, graph */
  for (int32_t i = 0; i < DEEP; i++) {
    unsigned char length[10];
    int32_t used = 0;
    for (size_t rest = size; used == 0 || rest; rest >>= 7)
      length[used++] = (unsigned char)((rest & 127) | (rest >> 7 ? 128 : 0));
    at -= used + 1;
    at[0] = (char)key[i % 3];
    memcpy(at + 1, length, (size_t)used);
    size += (size_t)used + 1;
  }
  test_scratch_write(draft_folder, "deep.onnx", at, size);
  CHECK_FAILS(anet_net_import_onnx(test_scratch_path(draft_folder, "deep.onnx", path), NULL, &net, NULL),
              ANET_FORMAT, "ModelProto");
  free(data);
}

static int export_and_drop(void *path)
{
  char to[SCRATCH_PATH];
  anet_net *net = NULL;
  int rc = anet_net_import_onnx(path, NULL, &net, NULL);
  if (!rc) rc = anet_net_export_onnx(net, test_scratch_path(draft_folder, "again.onnx", to), NULL);
  anet_net_release(net);
  return rc;
}

TEST(every_allocation_may_fail)
{
  char path[SCRATCH_PATH], *bytes;
  whole_file(path, &bytes);
  anet__free(bytes);
  test_each_allocation(draft_drop, path);
  test_each_allocation(export_and_drop, path);
}

/* ---- arrays --------------------------------------------------------------------------------- */

TEST(arrays_go_out_and_in)
{
  static const char *const name[] = {"a.npy", "a.pb"};
  char path[SCRATCH_PATH];
  anet_tensor *t, *back;
  CHECK_OK(anet_tensor_new(ANET_F32, &(anet_shape){3, {2, 3, 5}}, &t));
  for (int32_t i = 0; i < 30; i++) ((float *)anet_tensor_data(t))[i] = (float)i / 7;
  for (int32_t k = 0; k < ANET_COUNT(name); k++) {
    test_scratch_path(draft_folder, name[k], path);
    CHECK_OK(anet_tensor_save(t, path));
    CHECK_OK(anet_tensor_load(path, &back));
    CHECK(memcmp(anet_tensor_data(t), anet_tensor_data(back), 30 * sizeof(float)) == 0);
    anet_shape shape;
    anet_tensor_shape(back, &shape);
    CHECK_EQ_I(shape.rank, 3);
    CHECK_EQ_I(shape.dim[2], 5);
    anet_tensor_release(back);
  }
  CHECK_FAILS(anet_tensor_save(t, test_scratch_path(draft_folder, "a.txt", path)), ANET_UNSUPPORTED,
              ".npy");
  const int32_t axis[3] = {2, 0, 1};
  CHECK_OK(anet_tensor_transpose(t, axis, &back));
  CHECK_NEAR(anet_tensor_get(back, (int32_t[]){4, 1, 2}), 29.0 / 7, 1e-6);
  anet_tensor_release(back);
  CHECK_FAILS(anet_tensor_transpose(t, (int32_t[]){0, 0, 1}, &back), ANET_RANGE, "axis 0");
  anet_tensor_release(t);
}

/* As NumPy 1.24 writes them: other types, and what cannot be. */
TEST(arrays_of_numpy)
{
  char path[SCRATCH_PATH], file[256] =
                               "\x93NUMPY\x01\x00\x76\x00"
                               "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }";
  anet_tensor *t;
  const int16_t data[4] = {1, -2, 300, -400};
  memset(file + strlen(file + 10) + 10, ' ', 128 - 10 - strlen(file + 10));
  file[127] = '\n';
  memcpy(file + 128, data, sizeof data);
  test_scratch_write(draft_folder, "i2.npy", file, 136);
  CHECK_OK(anet_tensor_load(test_scratch_path(draft_folder, "i2.npy", path), &t));
  for (int32_t i = 0; i < 4; i++) CHECK_NEAR(((float *)anet_tensor_data(t))[i], data[i], 0);
  anet_tensor_release(t);
  test_scratch_write(draft_folder, "i2.npy", file, 134);
  CHECK_FAILS(anet_tensor_load(path, &t), ANET_FORMAT, "6 bytes");
  test_scratch_write(draft_folder, "i2.npy", file, 60);
  CHECK_FAILS(anet_tensor_load(path, &t), ANET_FORMAT, "cut off");
  memcpy(strstr(file + 10, "False"), "True ", 5);
  test_scratch_write(draft_folder, "i2.npy", file, 136);
  CHECK_FAILS(anet_tensor_load(path, &t), ANET_UNSUPPORTED, "Fortran");
}

int main(int argc, char **argv)
{
  static const test_case cases[] = {
      CASE(layouts_regroup_and_split),
      CASE(every_op_goes_out_and_in),
      CASE(families_keep_their_blocks),
      CASE(features_follow_their_memory),
      CASE(arithmetic_on_shapes_is_folded),
      CASE(shortcuts_that_pad_channels),
      CASE(scalars_have_an_axis),
      CASE(places_go_out_as_they_act),
      CASE(refusals_name_the_thing),
      CASE(small_files_get_little_memory),
      CASE(damaged_files_are_refused_cleanly),
      CASE(deep_nests_are_refused),
      CASE(every_allocation_may_fail),
      CASE(arrays_go_out_and_in),
      CASE(arrays_of_numpy),
  };
  test_count_json(true);
  test_scratch_new(draft_folder);
  const int rc = test_run(cases, ANET_COUNT(cases), argc, argv);
  test_scratch_remove(draft_folder);
  return rc;
}
