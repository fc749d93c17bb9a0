/* What is measured on images for options, where the answer is known: least squares find weights
 * that there are, in windows of any form and from every image; importance is what channels weigh
 * for all of their readers. */
#include <math.h>

#include "base/alloc.h"
#include "elastic/piece.h"
#include "elastic/supernet.h"
#include "support/nets.h"
#include "support/zoo.h"

enum { HEIGHT = 9, WIDTH = 7, IMAGES = 19, HIDDEN = 16, MOST = 1 << 18 };

static float images[MOST], entry[MOST], want[MOST], got[MOST];

/* Runs a net of one input and one output, an image at a time; gives the floats of all outputs. */
static int32_t run(anet_net *net, const float *in, int32_t n, float *out)
{
  anet_plan *plan;
  anet_workspace *workspace;
  anet_shape from, to;
  CHECK_OK(anet_plan_new(net, 1, &plan));
  CHECK_OK(anet_workspace_new(plan, NULL, &workspace));
  anet_plan_input_shape(plan, 0, &from);
  anet_plan_output_shape(plan, 0, &to);
  const size_t reads = anet__shape_size(&from), writes = anet__shape_size(&to);
  CHECK((size_t)n * writes <= MOST);
  for (int32_t i = 0; i < n; i++) {
    const float *image = in + (size_t)i * reads;
    float *answer = out + (size_t)i * writes;
    CHECK_OK(anet_run(plan, workspace, &image, &answer, 1));
  }
  anet_workspace_release(workspace);
  anet_plan_release(plan);
  return n * (int32_t)writes;
}

/* What block 0 reads of n images. */
static void run_front(const anet_supernet *s, const float *in, int32_t n, float *out)
{
  anet_net *front = NULL;
  CHECK_OK(anet__net_extract(s->oracle, s->oracle->input, 1, &s->blocks->block[0].face.entry, 1,
                             NULL, &front));
  run(front, in, n, out);
  anet_net_release(front);
}

/* ---- least squares -------------------------------------------------------------------------- */

/* The last convolution of a block. */
typedef struct form {
  int32_t kernel[2], stride[2], dilation[2], pad[4];
  bool bias, norm, shortcut;
} form;

static int32_t conv(anet_net *net, int32_t in, const form *f, int32_t channels)
{
  anet_attr attr = {.channels = channels, .bias = f->bias};
  memcpy(attr.kernel, f->kernel, sizeof attr.kernel);
  memcpy(attr.stride, f->stride, sizeof attr.stride);
  memcpy(attr.dilation, f->dilation, sizeof attr.dilation);
  memcpy(attr.pad, f->pad, sizeof f->pad);
  return net_put(net, "conv", NULL, &attr, in, -1);
}

/* A block whose last convolution does not look at the second half of the hidden channels. */
static anet_net *half_dead(const form *f)
{
  anet_net *net;
  int32_t image = -1;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_input(net, "image", &(anet_shape){3, {HEIGHT, WIDTH, 3}}, &image));
  const int32_t x = net_op(net, "relu", net_conv(net, NULL, image, 4, 3, 1, 1));
  int32_t y = net_op(net, "relu", net_conv(net, NULL, x, HIDDEN, 3, 1, 1));
  const int32_t last = y = conv(net, y, f, 4);
  if (f->norm) y = net_op(net, "norm", y);
  const form side = {{1, 1}, {f->stride[0], f->stride[1]}, {1, 1}, {0}, true, false, false};
  const bool strided = f->stride[0] > 1 || f->stride[1] > 1;
  if (f->shortcut) y = net_put(net, "add", NULL, NULL, y, strided ? conv(net, x, &side, 4) : x);
  y = net_op(net, "flatten", net_op(net, "global_pool", net_op(net, "relu", y)));
  CHECK_OK(anet_net_output(net, net_linear(net, "head", y, 3)));
  CHECK_OK(anet_net_init(net, 5));
  anet_tensor *w = anet_net_param(net, last, 0);
  for (int32_t i = 0; i < f->kernel[0]; i++)
    for (int32_t j = 0; j < f->kernel[1]; j++)
      for (int32_t c = HIDDEN / 2; c < HIDDEN; c++)
        for (int32_t o = 0; o < 4; o++) anet_tensor_set(w, (int32_t[]){i, j, c, o}, 0);
  return net;
}

/* A supernet whose option 1 is the block with the half of the channels that counts. */
static anet_supernet *half_of(const form *f)
{
  anet_net *net = half_dead(f);
  anet_supernet *s;
  CHECK_OK(anet_supernet_new(net, &s));
  CHECK_EQ_I(s->blocks->count, 1);
  CHECK_OK(
      anet_supernet_add(s, &(anet_option){.kind = ANET_SHRINK, .span = 1, .width = 0.5f}, NULL));
  CHECK_OK(anet_supernet_seal(s));
  CHECK_EQ_I(s->space->option[1].hidden, HIDDEN / 2);
  anet_net_release(net);
  return s;
}

static anet_tensor *last_weights(const anet_supernet *s)
{
  const anet_net *piece = s->piece[1];
  int32_t last = 0;
  for (int32_t v = 0; v < piece->count; v++)
    if (piece->node[v].op == ANET_OP_CONV && piece->node[v].param[0]->shape.dim[2] == HIDDEN / 2)
      last = v;
  CHECK(last > 0);
  return piece->node[last].param[0];
}

/* Element i of a window into weights. */
static void place(const anet_tensor *w, int32_t i, int32_t at[4])
{
  for (int32_t k = 3; k >= 0; i /= w->shape.dim[k], k--) at[k] = i % w->shape.dim[k];
}

static void scramble(const anet_supernet *s)
{
  anet_rng rng = {{1, 2, 3, 4}};
  anet_tensor *w = last_weights(s);
  for (int32_t i = 0; i < (int32_t)anet__shape_size(&w->shape); i++) {
    int32_t at[4];
    place(w, i, at);
    anet_tensor_set(w, at, (double)anet__rng_normal(&rng));
  }
  atomic_fetch_add(&w->storage->version, 1);
}

/* The option beside the block, on images that nothing was solved on; relative to its largest value.
 */
static double distance(const anet_supernet *s)
{
  static float others[IMAGES * HEIGHT * WIDTH * 3];
  double most = 0, largest = 1e-6;
  fill_normal(others, ANET_COUNT(others), 77);
  run_front(s, others, IMAGES, entry);
  const int32_t count = run(s->piece[0], entry, IMAGES, want);
  CHECK_EQ_I(run(s->piece[1], entry, IMAGES, got), count);
  for (int32_t i = 0; i < count; i++) {
    most = fmax(most, fabs((double)want[i] - (double)got[i]));
    largest = fmax(largest, fabs((double)want[i]));
  }
  return most / largest;
}

TEST(weights_that_there_are_are_found)
{
  static const form forms[] = {
      {{3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, true, false, true},
      {{3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, false, true, true},
      {{3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, false, false, true},
      {{3, 3}, {1, 1}, {1, 2}, {1, 2, 1, 2}, true, false, true},
      {{3, 3}, {1, 1}, {2, 1}, {2, 1, 2, 1}, false, true, true},
      {{3, 3}, {1, 2}, {1, 1}, {1, 1, 1, 1}, true, false, true},
      {{3, 3}, {2, 1}, {1, 1}, {1, 1, 1, 1}, true, true, true},
      {{1, 3}, {1, 1}, {1, 1}, {0, 1, 0, 1}, true, false, true},
      {{3, 1}, {1, 1}, {1, 1}, {1, 0, 1, 0}, false, true, true},
      {{1, 5}, {1, 1}, {1, 1}, {0, 2, 0, 2}, true, false, true},
  };
  fill_normal(images, IMAGES * HEIGHT * WIDTH * 3, 7);
  for (int i = 0; i < ANET_COUNT(forms); i++) {
    anet_supernet *s = half_of(&forms[i]);
    CHECK_NEAR(distance(s), 0, 1e-5); /* it is the block before */
    scramble(s);
    CHECK(distance(s) > 0.2);
    CHECK_OK(anet_supernet_solve(s, 1, images, IMAGES, 1e-9, NULL));
    const double off = distance(s);
    test_checks++;
    if (!(off < 2e-3)) TEST_FAIL("form %d: off by %g", i, off);
    anet_supernet_release(s);
  }
}

static const form plain = {{3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, true, false, true};

/* With a penalty so great that hardly any weights are left. */
TEST(worse_weights_are_not_written)
{
  anet_supernet *s = half_of(&plain);
  anet_tensor *w = last_weights(s);
  double before[9 * HIDDEN / 2 * 4];
  int32_t at[4];
  CHECK_EQ_I((int)anet__shape_size(&w->shape), ANET_COUNT(before));
  for (int32_t i = 0; i < ANET_COUNT(before); i++)
    place(w, i, at), before[i] = anet_tensor_get(w, at);
  fill_normal(images, IMAGES * HEIGHT * WIDTH * 3, 7);
  CHECK_OK(anet_supernet_solve(s, 1, images, IMAGES, 1e6, NULL));
  CHECK(last_weights(s) == w);
  for (int32_t i = 0; i < ANET_COUNT(before); i++) {
    place(w, i, at);
    CHECK_NEAR(anet_tensor_get(w, at), before[i], 0);
  }
  CHECK_NEAR(distance(s), 0, 1e-5);
  scramble(s); /* but where what is there is worse still, they are */
  const double scrambled = distance(s);
  CHECK_OK(anet_supernet_solve(s, 1, images, IMAGES, 1e6, NULL));
  CHECK(distance(s) < scrambled && distance(s) > 0.01);
  anet_supernet_release(s);
}

/* More pixels than are looked at: those are spread over all images, and channels that only the last
 * ones show are not missed. */
TEST(every_image_counts)
{
  enum { MANY = 400 };
  const size_t size = HEIGHT * WIDTH * 3;
  anet_supernet *s = half_of(&plain);
  float *many = anet__alloc_array(MANY * size, sizeof *many);
  CHECK(MANY * HEIGHT * WIDTH > 20000);
  fill_normal(many + (MANY - 40) * size, 40 * size, 7); /* what is before is dark */
  scramble(s);
  CHECK_OK(anet_supernet_solve(s, 1, many, MANY, 1e-9, NULL));
  CHECK(distance(s) < 2e-3);
  anet__free(many);
  anet_supernet_release(s);
}

/* ---- importance ------------------------------------------------------------------------------ */

/* Root mean square of each channel that a node of the block reads, times the norm of its weights;
 * added to where the channels lie in the block's list. */
static void add_weight(const anet_net *block, const anet__groups *groups, int32_t v, float *out)
{
  const anet__node *node = &block->node[v];
  const int32_t first = groups->first[groups->of[node->in[0]]];
  const anet_shape *w = &node->param[0]->shape;
  const int32_t channels = w->dim[w->rank - 2], outputs = w->dim[w->rank - 1];
  const int32_t taps = w->rank == 4 ? w->dim[0] * w->dim[1] : 1;
  anet_net *part;
  CHECK_OK(anet__net_extract(block, block->input, 1, node->in, 1, NULL, &part));
  const int32_t values = run(part, entry, IMAGES, got);
  anet_net_release(part);
  for (int32_t c = 0; c < channels; c++) {
    double square = 0, weight = 0;
    for (int32_t i = c; i < values; i += channels) square += (double)got[i] * (double)got[i];
    for (int32_t i = 0; i < taps * outputs; i++) {
      const int32_t tap = i / outputs, kernel = w->rank == 4 ? w->dim[1] : 1;
      const int32_t at[4] = {tap / kernel, tap % kernel, c, i % outputs};
      weight += pow(anet_tensor_get(node->param[0], w->rank == 4 ? at : at + 2), 2);
    }
    out[first + c] += (float)sqrt(square / (values / channels) * weight);
  }
}

static bool is_plain(const anet__node *node)
{
  return (node->op == ANET_OP_CONV && node->attr.groups == 1) || node->op == ANET_OP_LINEAR;
}

/* Blocks all of whose readers are plain; gives how many readers they have in all. */
static int32_t check_importance(anet_net *net)
{
  anet_supernet *s;
  int32_t all = 0;
  CHECK_OK(anet_supernet_new(net, &s));
  fill_normal(images, (size_t)IMAGES * anet__shape_size(&net->node[net->input[0]].shape), 3);
  for (int32_t p = 0; p < s->blocks->count; p++) {
    static float importance[4096], expected[4096];
    const anet_net *block = s->piece[s->space->first[p]];
    anet__groups groups;
    anet_net *front;
    bool simple = s->blocks->block[p].face.hidden > 0;
    if (!simple) continue;
    CHECK_OK(anet__net_extract(s->oracle, s->oracle->input, 1, &s->blocks->block[p].face.entry, 1,
                               NULL, &front));
    run(front, images, IMAGES, entry);
    anet_net_release(front);
    CHECK_OK(anet__groups_find(block, &groups));
    memset(expected, 0, sizeof expected);
    int32_t readers = 0;
    for (int32_t v = 0; v < block->count; v++) {
      const anet__node *node = &block->node[v];
      if (!anet__node_weighs(node) || groups.first[groups.of[node->in[0]]] < 0) continue;
      simple &= is_plain(node);
      if (simple) add_weight(block, &groups, v, expected);
      readers++;
    }
    CHECK_OK(anet_supernet_importance(s, p, images, IMAGES, NULL, importance));
    for (int32_t c = 0; simple && c < groups.hidden; c++)
      CHECK_NEAR(importance[c], expected[c], 1e-4 * (double)expected[c] + 1e-7);
    all += simple ? readers : 0;
    anet__groups_free(&groups);
  }
  anet_supernet_release(s);
  anet_net_release(net);
  return all;
}

TEST(importance_is_of_all_readers_and_images)
{
  CHECK(check_importance(zoo_squeezenet(32, 8, 5, 8)) >= 16); /* fires: two read the same map */
  CHECK(check_importance(zoo_resnet20(16, (const int32_t[]){8, 12, 16}, 2, 5, 1)) >= 6);
  CHECK(check_importance(zoo_inception(16, 4, 5, 16)) >= 2);
}

TEST_MAIN(CASE(weights_that_there_are_are_found), CASE(worse_weights_are_not_written),
          CASE(every_image_counts), CASE(importance_is_of_all_readers_and_images))
