/* Norms of their own for options of blocks that have none. */
#include <stdlib.h>

#include "elastic/supernet.h"
#include "support/fault.h"
#include "support/test.h"
#include "support/zoo.h"

enum { IMAGES = 24, SIZE = 16 };

/* A merge and a shrink at the first position of a net without norms. */
static anet_supernet *make_supernet(int32_t norms)
{
  static const anet_option option[] = {{.kind = ANET_MERGE, .span = 2, .width = 1},
                                       {.kind = ANET_SHRINK, .span = 1, .width = 0.5F}};
  anet_net *net = zoo_edsr(SIZE, 16, 3, 7);
  anet_supernet *s = NULL;
  CHECK_OK(anet_supernet_new(net, &s));
  anet_supernet_norms(s, norms);
  for (int32_t i = 0; i < ANET_COUNT(option); i++) CHECK_OK(anet_supernet_add(s, &option[i], NULL));
  anet_net_release(net);
  return s;
}

static int32_t count_op(const anet_net *net, anet__op_id op)
{
  int32_t count = 0;
  for (int32_t v = 0; v < net->count; v++) count += net->node[v].op == op;
  return count;
}

/* A piece on images: as it runs, or as training sees it. */
static float *run_piece(anet_net *piece, const float *in, int32_t training)
{
  anet_tape *tape = NULL;
  const size_t size = IMAGES * anet__shape_size(&piece->node[piece->output[0]].shape);
  float *out = calloc(size, sizeof *out);
  CHECK_OK(anet_tape_new(piece, IMAGES, NULL, &tape));
  CHECK_OK(anet_tape_forward(tape, &in, IMAGES, training, 1));
  memcpy(out, anet_tape_value(tape, piece->output[0]), size * sizeof *out);
  anet_tape_release(tape);
  return out;
}

static void check_near(const float *a, const float *b, size_t count, double tolerance,
                       const char *what)
{
  double worst = 0, most = 0;
  for (size_t i = 0; i < count; i++) {
    worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    most = fmax(most, fabs((double)b[i]));
  }
  test_checks++;
  if (!(worst <= tolerance * most)) TEST_FAIL("%s: off by %g of %g", what, worst, most);
}

/* The oracle up to the first block: what its pieces read. */
static float *entry_of(const anet_supernet *s, const float *images)
{
  const int32_t entry = s->blocks->block[0].face.entry;
  anet_net *front = NULL;
  CHECK_OK(anet__net_extract(s->oracle, s->oracle->input, 1, &entry, 1, NULL, &front));
  float *out = run_piece(front, images, 0);
  anet_net_release(front);
  return out;
}

TEST(norms_change_nothing_at_first)
{
  anet_supernet *bare = make_supernet(0), *normed = make_supernet(1);
  const size_t pixels = (size_t)IMAGES * anet__shape_size(&bare->oracle->node[0].shape);
  float *images = malloc(pixels * sizeof *images);
  zoo_images(images, (int32_t)pixels, 3);
  float *in = entry_of(bare, images);
  CHECK_EQ_I(normed->space->options, bare->space->options);
  for (int32_t i = 0; i < bare->space->options; i++) {
    const int32_t kind = bare->space->option[i].kind;
    anet_net *a = bare->piece[i], *b = normed->piece[i];
    if (bare->space->option[i].position || kind == ANET_KEEP) {
      CHECK_EQ_I(count_op(b, ANET_OP_NORM), 0);
      continue;
    }
    CHECK_EQ_I(count_op(b, ANET_OP_NORM), count_op(a, ANET_OP_CONV));
    CHECK(count_op(b, ANET_OP_NORM) > 1);
    const size_t count = IMAGES * anet__shape_size(&a->node[a->output[0]].shape);
    float *want = run_piece(a, in, 0), *got = run_piece(b, in, 0);
    check_near(got, want, count, 1e-5, "added");
    free(got);
    CHECK_OK(anet_supernet_settle(normed, i, images, IMAGES, NULL));
    got = run_piece(b, in, 0);
    check_near(got, want, count, 1e-5, "settled");
    free(got);
    got = run_piece(b, in, 1);
    check_near(got, want, count, 1e-4, "settled, by the statistics of the batch");
    free(got);
    free(want);
  }
  free(in);
  free(images);
  anet_supernet_release(bare);
  anet_supernet_release(normed);
}

/* The norms of a net that has some are left alone. */
TEST(norms_that_are_there_stay)
{
  const int32_t width[3] = {8, 12, 16};
  const anet_option option = {.kind = ANET_SHRINK, .span = 1, .width = 0.5F};
  anet_net *net = zoo_resnet20(SIZE, width, 2, 10, 2);
  anet_supernet *s = NULL;
  CHECK_OK(anet_supernet_new(net, &s));
  anet_supernet_norms(s, 1);
  CHECK_OK(anet_supernet_add(s, &option, NULL));
  const int32_t at = s->space->first[1] - 1;
  CHECK_EQ_I(count_op(s->piece[at], ANET_OP_NORM), count_op(s->piece[at], ANET_OP_CONV));
  const float before = anet__f32(s->piece[at]->node[2].param[0])[0];
  float *images = calloc(IMAGES * SIZE * SIZE * 3, sizeof *images);
  CHECK_OK(anet_supernet_settle(s, at, images, IMAGES, NULL));
  CHECK_NEAR(anet__f32(s->piece[at]->node[2].param[0])[0], before, 0);
  CHECK_FAILS(anet_supernet_settle(s, 999, images, IMAGES, NULL), ANET_RANGE, "999");
  CHECK_FAILS(anet_supernet_settle(s, at, images, 0, NULL), ANET_RANGE, "0 images");
  CHECK_OK(anet_supernet_settle(s, at, images, 1, NULL));
  free(images);
  anet_supernet_release(s);
  anet_net_release(net);
}

static int add_and_settle(void *oracle)
{
  static float images[2 * SIZE * SIZE * 3];
  const anet_option option = {.kind = ANET_MERGE, .span = 2, .width = 1};
  anet_supernet *s = NULL;
  int rc = anet_supernet_new(oracle, &s);
  if (!rc) {
    anet_supernet_norms(s, 1);
    rc = anet_supernet_add(s, &option, NULL);
  }
  if (!rc) rc = anet_supernet_settle(s, 1, images, 2, NULL);
  anet_supernet_release(s);
  return rc;
}

TEST(every_allocation_may_fail)
{
  anet_net *net = zoo_edsr(SIZE, 8, 2, 7);
  test_each_allocation(add_and_settle, net);
  anet_net_release(net);
}

TEST_MAIN(CASE(norms_change_nothing_at_first), CASE(norms_that_are_there_stay),
          CASE(every_allocation_may_fail))
