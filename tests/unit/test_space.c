/* Spaces and genomes: sizes that are known, uniform sampling, text, errors. */
#include <stdbool.h>
#include <stdlib.h>

#include "support/test.h"

static anet_option merge_at(int32_t position, int32_t span)
{
  return (anet_option){.kind = ANET_MERGE, .position = position, .span = span, .width = 1};
}

static anet_option shrink_at(int32_t position, float width)
{
  return (anet_option){.kind = ANET_SHRINK, .position = position, .span = 1, .width = width};
}

/* All merges over 2 .. most blocks that fit the trunks. */
static anet_space *space_of(const int32_t *trunk, int32_t positions, int32_t most)
{
  anet_space *space;
  CHECK_OK(anet_space_new(trunk, positions, &space));
  for (int32_t p = 0; p < positions; p++)
    for (int32_t span = 2; span <= most; span++) {
      const anet_option option = merge_at(p, span);
      if (p + span <= positions && trunk[p] == trunk[p + span - 1])
        CHECK_OK(anet_space_add(space, &option));
    }
  return space;
}

static void check_size(const anet_space *space, const char *want)
{
  char text[512];
  CHECK_OK(anet_space_size(space, text, sizeof text));
  CHECK_EQ_S(text, want);
}

static void check_trunks(const int32_t *blocks, int32_t trunks, const char *want)
{
  int32_t trunk[256], positions = 0;
  for (int32_t t = 0; t < trunks; t++)
    for (int32_t b = 0; b < blocks[t]; b++) trunk[positions++] = t;
  anet_space *space = space_of(trunk, positions, 3);
  check_size(space, want);
  anet_space_release(space);
}

TEST(sizes)
{
  check_trunks((const int32_t[]){16}, 1, "10609");        /* ResNet-50 */
  check_trunks((const int32_t[]){33}, 1, "334745777");    /* ResNet-101 */
  check_trunks((const int32_t[]){7, 6, 3}, 3, "4224");    /* ResNet-50 with a detector's taps */
  check_trunks((const int32_t[]){3, 4, 6, 3}, 4, "2688"); /* with a segmenter's */
  check_trunks((const int32_t[]){1}, 1, "1");
  check_trunks((const int32_t[]){256}, 1, /* tribonacci numbers, by Python's integers */
               "34796935957082855371882750194188523142001383274839666635652139388161");
}

/* Strided blocks of MobileNetV2: first of the groups at positions 1, 3, 6, 13. */
static bool two_strides(int32_t position, int32_t span)
{
  int32_t strided = 0;
  for (int32_t p = position; p < position + span; p++)
    strided += p == 1 || p == 3 || p == 6 || p == 13;
  return strided > 1;
}

TEST(size_of_mobilenetv2)
{
  const int32_t trunk[17] = {0};
  anet_space *space;
  CHECK_OK(anet_space_new(trunk, 17, &space));
  for (int32_t p = 1; p < 17; p++)
    for (int32_t span = 2; span <= 3 && p + span <= 17; span++) {
      const anet_option option = merge_at(p, span);
      if (!two_strides(p, span)) CHECK_OK(anet_space_add(space, &option));
    }
  check_size(space, "8904");
  for (int32_t p = 1; p <= 15; p++)
    for (int32_t w = 1; w <= 2; w++) {
      const anet_option option = shrink_at(p, 0.25f * (float)w);
      CHECK_OK(anet_space_add(space, &option));
    }
  check_size(space, "102895390");
  anet_space_release(space);
}

TEST(largest_size)
{
  int32_t trunk[256] = {0};
  char text[512];
  anet_space *space;
  CHECK_OK(anet_space_new(trunk, 256, &space));
  for (int32_t p = 0; p < 256; p++)
    for (int32_t g = 1; g < 36; g++) {
      const anet_option option = shrink_at(p, (float)g / 36);
      CHECK_OK(anet_space_add(space, &option));
    }
  CHECK_OK(anet_space_size(space, text, sizeof text)); /* 36^256 */
  CHECK_EQ_I(strlen(text), 399);
  CHECK(strncmp(text, "259083763114", 12) == 0);
  CHECK_FAILS(anet_space_size(space, text, 64), ANET_RANGE, "399");
  anet_option one_more = shrink_at(3, 0.999f);
  CHECK_FAILS(anet_space_add(space, &one_more), ANET_RANGE, "36");
  uint8_t genome[256];
  anet_rng rng;
  anet_rng_seed(&rng, 1);
  CHECK_OK(anet_genome_sample(space, &rng, genome));
  CHECK_OK(anet_genome_check(space, genome));
  anet_space_release(space);
}

TEST(options)
{
  const int32_t trunk[5] = {0, 0, 0, 1, 1};
  anet_space *space;
  anet_option o;
  CHECK_FAILS(anet_space_new(trunk, 0, &space), ANET_RANGE, "0 positions");
  CHECK(!space);
  CHECK_FAILS(anet_space_new(trunk, 257, &space), ANET_RANGE, "257");
  CHECK_OK(anet_space_new(trunk, 5, &space));
  CHECK_EQ_I(anet_space_options(space), 5);
  o = merge_at(1, 2);
  CHECK_OK(anet_space_add(space, &o));
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "position 1");
  o = merge_at(0, 3);
  CHECK_OK(anet_space_add(space, &o));
  o = shrink_at(1, 0.5f);
  CHECK_OK(anet_space_add(space, &o));
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "gene 2");
  o = merge_at(2, 2);
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "trunk 0 at 3");
  o = merge_at(4, 2);
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "only 1");
  o = merge_at(5, 2);
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "position 5");
  o = merge_at(0, 1);
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "2 or more");
  o = merge_at(0, INT32_MAX);
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "left");
  o = shrink_at(0, 1.5f);
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "1.5");
  o = shrink_at(0, NAN);
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "width");
  o = (anet_option){.kind = ANET_KEEP, .span = 1, .width = 1};
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "keep");
  o = (anet_option){.kind = 9, .span = 1, .width = 1};
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "9");

  CHECK_EQ_I(anet_space_options(space), 8);
  CHECK_EQ_I(anet_space_genes(space, 1), 3);
  CHECK_EQ_I(anet_space_genes(space, 5), 0);
  CHECK_EQ_I(anet_space_index(space, 1, 2), 4);
  CHECK_EQ_I(anet_space_index(space, 1, 3), -1);
  CHECK_OK(anet_space_option(space, 4, &o));
  CHECK_EQ_I(o.kind, ANET_SHRINK);
  CHECK_EQ_I(o.position, 1);
  CHECK_EQ_I(o.gene, 2);
  CHECK_OK(anet_space_option(space, 1, &o));
  CHECK_EQ_I(o.span, 3);
  CHECK_FAILS(anet_space_option(space, 8, &o), ANET_RANGE, "8");
  anet_space_release(space);
}

TEST(text)
{
  const int32_t trunk[4] = {0};
  anet_space *space = space_of(trunk, 4, 3);
  uint8_t genome[4];
  char text[5];
  CHECK_OK(anet_genome_parse(space, "01-0", genome));
  CHECK_EQ_I(genome[2], ANET_COVERED);
  CHECK_OK(anet_genome_print(space, genome, text));
  CHECK_EQ_S(text, "01-0");
  CHECK_OK(anet_genome_parse(space, "2--0", genome));
  CHECK_FAILS(anet_genome_parse(space, "2-0-", genome), ANET_RANGE, "position 2");
  CHECK_FAILS(anet_genome_parse(space, "0-00", genome), ANET_RANGE, "covered by no option");
  CHECK_FAILS(anet_genome_parse(space, "0003", genome), ANET_RANGE, "position 3 has gene 3");
  CHECK_FAILS(anet_genome_parse(space, "000", genome), ANET_RANGE, "3 characters, want 4");
  CHECK_FAILS(anet_genome_parse(space, "00A0", genome), ANET_RANGE, "'A'");
  genome[0] = 7;
  CHECK_FAILS(anet_genome_print(space, genome, text), ANET_RANGE, "gene 7");
  anet_space_release(space);
}

static int compare_text(const void *a, const void *b)
{
  return strcmp(a, b);
}

/* Each of the 24 genomes of 6 positions with spans to 3 comes as often as the others. */
TEST(sampling_is_uniform)
{
  enum { DRAWS = 20000, KINDS = 24 };
  static char drawn[DRAWS][8];
  const int32_t trunk[6] = {0};
  anet_space *space = space_of(trunk, 6, 3);
  anet_rng rng;
  check_size(space, "24");
  anet_rng_seed(&rng, 7);
  for (int32_t i = 0; i < DRAWS; i++) {
    uint8_t genome[6];
    CHECK_OK(anet_genome_sample(space, &rng, genome));
    CHECK_OK(anet_genome_print(space, genome, drawn[i]));
  }
  qsort(drawn, DRAWS, sizeof drawn[0], compare_text);
  double chi_square = 0;
  int32_t kinds = 0;
  for (int32_t i = 0, run = 0; i < DRAWS; i++) {
    run++;
    if (i + 1 < DRAWS && strcmp(drawn[i], drawn[i + 1]) == 0) continue;
    const double expected = (double)DRAWS / KINDS;
    chi_square += (run - expected) * (run - expected) / expected;
    kinds++, run = 0;
  }
  CHECK_EQ_I(kinds, KINDS);
  CHECK(chi_square < 49.7); /* 0.999 quantile, 23 degrees of freedom */
  anet_space_release(space);
}

TEST_MAIN(CASE(sizes), CASE(size_of_mobilenetv2), CASE(largest_size), CASE(options), CASE(text),
          CASE(sampling_is_uniform))
