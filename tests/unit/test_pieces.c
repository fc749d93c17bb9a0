/* Nets of options and what is woven of them: names and order of shrinks, regions of subnets, taps,
 * segments; and that nothing is left behind where memory runs out. */
#include "elastic/piece.h"
#include "elastic/supernet.h"
#include "support/elastic.h"
#include "support/fault.h"
#include "support/nets.h"
#include "support/says.h"
#include "support/zoo.h"

static anet_net *resnet(void)
{
  return zoo_resnet20(16, (const int32_t[]){8, 12, 16}, 2, 5, 1);
}

static const anet_net *shrink(anet_supernet *s, int32_t position, float width,
                              const float *importance)
{
  const anet_option o = {.kind = ANET_SHRINK, .position = position, .span = 1, .width = width};
  CHECK_OK(anet_supernet_add(s, &o, importance));
  return s->piece[s->space->first[position + 1] - 1];
}

/* ---- shrinks -----------------------------------------------------------------------------------
 */

/* They learn, whatever the oracle does, and are told by the channels that they keep. */
TEST(shrinks_are_named_by_their_channels_and_learn)
{
  anet_net *net =
      zoo_resnet50(32, 16, (const int32_t[]){1, 1, 1, 1}, 5, 2); /* two hidden groups of 16 */
  anet_supernet *s;
  CHECK_OK(anet_supernet_new(net, &s));
  const anet_net *keep = s->piece[0], *half = shrink(s, 0, 0.5f, NULL);
  CHECK_EQ_I(s->space->option[1].hidden, 16);
  CHECK_EQ_I(half->count, keep->count);
  for (int32_t v = 1; v < half->count; v++) {
    char want[256];
    snprintf(want, sizeof want, "%s.s16", keep->node[v].name);
    CHECK_EQ_S(half->node[v].name, want);
    CHECK(keep->node[v].frozen && !half->node[v].frozen);
  }
  anet_supernet_release(s);
  anet_net_release(net);
}

/* Channels that matter alike keep their order: the first ones stay. */
TEST(equals_stay_in_order)
{
  anet_net *net = resnet();
  anet_supernet *s;
  const float alike[64] = {0};
  CHECK_OK(anet_supernet_new(net, &s));
  const anet_net *keep = s->piece[0], *half = shrink(s, 0, 0.5f, alike);
  CHECK_EQ_I(half->node[1].attr.channels, 4);
  for (int32_t c = 0; c < 4; c++)
    for (int32_t i = 0; i < 8; i++) {
      const int32_t at[] = {1, 2, i, c};
      CHECK_NEAR(anet_tensor_get(half->node[1].param[0], at),
                 anet_tensor_get(keep->node[1].param[0], at), 0);
    }
  anet_supernet_release(s);
  anet_net_release(net);
}

/* ---- subnets -----------------------------------------------------------------------------------
 */

/* Each node tells which position it stands for, each option is there once. */
TEST(regions_of_a_subnet)
{
  anet_net *net = resnet();
  for (int32_t v = 0; v < net->count; v++) net->node[v].region = 7; /* said of another space */
  anet_supernet *s = elastic_supernet(net);
  anet_rng rng;
  anet_rng_seed(&rng, 4);
  for (int32_t n = 0; n < 40; n++) {
    uint8_t genome[ANET_MAX_POSITIONS] = {0};
    int32_t want[8] = {0}, got[8] = {0}; /* nodes of each position, and of none */
    anet_net *subnet;
    if (n) CHECK_OK(anet_genome_sample(s->space, &rng, genome));
    CHECK_OK(anet_supernet_subnet(s, genome, &subnet));
    want[7] = net->count;
    for (int32_t p = 0; p < s->space->positions; p++) {
      want[7] -= s->blocks->block[p].face.nodes;
      if (genome[p] == ANET_COVERED) continue;
      want[p] = s->piece[anet_space_index(s->space, p, genome[p])]->count - 1; /* but its input */
    }
    for (int32_t v = 0; v < subnet->count; v++)
      got[subnet->node[v].region < 0 ? 7 : subnet->node[v].region]++;
    for (int32_t p = 0; p < 8; p++)
      if (got[p] != want[p])
        TEST_FAIL("genome %d, position %d: %d nodes, want %d", n, p, got[p], want[p]);
    anet_net_release(subnet);
  }
  anet_supernet_release(s);
  anet_net_release(net);
}

/* What one block makes and the next one takes is one output. */
TEST(values_are_tapped_once)
{
  anet_net *net = resnet(), *taps;
  anet_supernet *s;
  int32_t entry[ANET_MAX_POSITIONS], exit[ANET_MAX_POSITIONS];
  CHECK_OK(anet_supernet_new(net, &s));
  CHECK_OK(anet_supernet_taps(s, &taps, entry, exit));
  CHECK_EQ_I(entry[0], 1);
  for (int32_t p = 0; p < 6; p++) {
    CHECK_EQ_I(exit[p], p + 2);
    if (p) CHECK_EQ_I(entry[p], exit[p - 1]);
  }
  CHECK_EQ_I(anet_net_outputs(taps), 8); /* the oracle's own, the first entry, six exits */
  anet_net_release(taps);
  anet_supernet_release(s);
  anet_net_release(net);
}

/* ---- segments ----------------------------------------------------------------------------------
 */

/* Nine blocks in a row. Two concats that both wait for the last one read `taps` of them together.
 */
static anet_net *tapped(int32_t taps)
{
  anet_net *net;
  int32_t exit[9], two[2] = {0};
  CHECK_OK(anet_net_new(&net));
  int32_t x = net_conv(net, NULL, net_image(net, 8, 3), 4, 3, 1, 0);
  for (int32_t b = 0; b < 9; b++) x = exit[b] = net_basic(net, x, 4, 1);
  for (int32_t i = 0; i < 2; i++) {
    int32_t in[ANET_MAX_INPUTS], count = 0;
    for (int32_t b = 8 - i; b > 8 - taps; b -= 2) in[count++] = exit[b];
    if (i) in[count++] = exit[8];
    CHECK_OK(anet_net_add(net, "concat", NULL, NULL, in, count, &two[i]));
  }
  for (int32_t i = 0; i < 2; i++) CHECK_OK(anet_net_output(net, two[i]));
  CHECK_OK(anet_net_init(net, 3));
  return net;
}

TEST(a_segment_reads_8_values_at_most)
{
  for (int32_t taps = 8; taps <= 9; taps++) {
    anet_net *net = tapped(taps);
    anet_supernet *s;
    anet__segments segments;
    CHECK_OK(anet_supernet_new(net, &s));
    CHECK_EQ_I(s->space->positions, 9);
    if (taps == 8) {
      CHECK_OK(anet__supernet_segments(s, &segments));
      CHECK_EQ_I(segments.count, 2);
      CHECK_EQ_I(segments.segment[0].at, 0);
      CHECK_EQ_I(segments.segment[0].reads, 1);
      CHECK_EQ_I(segments.segment[0].writes, 1);
      CHECK_EQ_I(segments.segment[1].at, 9);
      CHECK_EQ_I(segments.segment[1].reads, 8);
      CHECK_EQ_I(segments.segment[1].writes, 2);
      CHECK_EQ_I(segments.segment[1].net->outputs, 2);
    } else {
      CHECK_SAYS(anet__supernet_segments(s, &segments), ANET_UNSUPPORTED,
                 "supernet: over 8 values pass a boundary");
      CHECK_EQ_I(segments.count, 0);
      CHECK(segments.segment == NULL);
    }
    anet__segments_free(&segments);
    anet_supernet_release(s);
    anet_net_release(net);
  }
}

/* ---- memory ------------------------------------------------------------------------------------
 */

static int find_segments(void *supernet)
{
  anet__segments segments;
  const int rc = anet__supernet_segments(supernet, &segments);
  if (rc) CHECK(segments.count == 0 && segments.segment == NULL);
  if (!rc) anet__segments_free(&segments);
  return rc;
}

static int find_taps(void *supernet)
{
  anet_net *net;
  int32_t entry[ANET_MAX_POSITIONS], exit[ANET_MAX_POSITIONS];
  const int rc = anet_supernet_taps(supernet, &net, entry, exit);
  CHECK((rc != 0) == (net == NULL));
  anet_net_release(net);
  return rc;
}

static int weave(void *supernet)
{
  static const uint8_t genome[ANET_MAX_POSITIONS] = {1, ANET_COVERED, 0, 0};
  anet_net *net;
  const int rc = anet_supernet_subnet(supernet, genome, &net);
  CHECK((rc != 0) == (net == NULL));
  anet_net_release(net);
  return rc;
}

static int narrow(void *block)
{
  anet_net *ranked = NULL, *narrow = NULL;
  int rc = anet__piece_rank(block, NULL, &ranked);
  CHECK((rc != 0) == (ranked == NULL));
  if (!rc) rc = anet__piece_shrink(ranked, 0.5f, &narrow);
  CHECK((rc != 0) == (narrow == NULL));
  anet_net_release(narrow);
  anet_net_release(ranked);
  return rc;
}

static int merge_two(void *blocks)
{
  anet_net *net;
  const int rc = anet__piece_merge(blocks, 1, 2, &net);
  CHECK((rc != 0) == (net == NULL));
  anet_net_release(net);
  return rc;
}

/* Pieces, then all of it; a refused one leaves nothing either. */
static int add_options(void *oracle)
{
  static const anet_option option[] = {
      {ANET_SHRINK, 0, 0, 1, 0.5f, 0}, {ANET_SKIP, 1, 0, 1, 1, 0}, {ANET_MERGE, 1, 0, 2, 1, 0}};
  anet_supernet *s;
  int rc = anet_supernet_new(oracle, &s);
  for (int32_t i = 0; i < ANET_COUNT(option) && !rc; i++) {
    const int32_t options = s->space->options;
    rc = anet_supernet_add(s, &option[i], NULL);
    CHECK_EQ_I(s->space->options, options + !rc);
  }
  anet_supernet_release(s);
  return rc;
}

TEST(every_allocation_may_fail)
{
  anet_net *net = resnet(), *detector = zoo_detector(32, 12, (const int32_t[]){1, 2, 2, 1}, 3);
  anet_supernet *s = elastic_supernet(net), *tapped;
  CHECK_OK(anet_supernet_new(detector, &tapped));
  test_each_allocation(find_segments, s);
  test_each_allocation(find_segments, tapped);
  test_each_allocation(find_taps, tapped);
  test_each_allocation(weave, s);
  test_each_allocation(narrow, s->piece[0]);
  test_each_allocation(merge_two, s->blocks);
  test_each_allocation(add_options, net);
  anet_net *ranked, *none;
  anet__alloc_stats before, after;
  CHECK_OK(anet__piece_rank(s->piece[0], NULL, &ranked));
  anet__alloc_read(&before);
  CHECK_FAILS(anet__piece_shrink(ranked, 0.99f, &none), ANET_RANGE, "leaves all");
  anet__alloc_read(&after);
  CHECK(none == NULL);
  CHECK_EQ_I(after.live_bytes, before.live_bytes);
  anet_net_release(ranked);
  anet_supernet_release(tapped);
  anet_supernet_release(s);
  anet_net_release(detector);
  anet_net_release(net);
}

TEST_MAIN(CASE(shrinks_are_named_by_their_channels_and_learn), CASE(equals_stay_in_order),
          CASE(regions_of_a_subnet), CASE(values_are_tapped_once),
          CASE(a_segment_reads_8_values_at_most), CASE(every_allocation_may_fail))
