/* Random genomes by their number: the draw is a number below the size of the space, whose genome is
 * found here by counting with integers of 128 bits. */
#include "base/rng.h"
#include "elastic/space.h"
#include "support/test.h"

typedef unsigned __int128 wide;

static const uint32_t base = 1000000000;

/* Genomes from each position on. */
static void count_genomes(const anet_space *space, wide *ways)
{
  ways[space->positions] = 1;
  for (int32_t p = space->positions - 1; p >= 0; p--) {
    ways[p] = 0;
    for (int32_t i = space->first[p]; i < space->first[p + 1]; i++)
      ways[p] += ways[p + space->option[i].span];
  }
}

/* Limbs in base 10^9, the least first, the uppermost no larger than the size's, until the number is
 * below. */
static wide draw_below(wide n, anet_rng *rng)
{
  wide number;
  do {
    wide unit = 1;
    number = 0;
    for (; n / unit >= base; unit *= base) number += unit * anet__rng_below(rng, base);
    number += unit * anet__rng_below(rng, (uint32_t)(n / unit) + 1);
  } while (number >= n);
  return number;
}

/* The genome of this number, among those in the order of their options. */
static void genome_of(const anet_space *space, const wide *ways, wide number, uint8_t *genome)
{
  memset(genome, ANET_COVERED, (size_t)space->positions);
  for (int32_t p = 0; p < space->positions;) {
    int32_t i = space->first[p];
    for (; number >= ways[p + space->option[i].span]; i++)
      number -= ways[p + space->option[i].span];
    genome[p] = (uint8_t)space->option[i].gene;
    p += space->option[i].span;
  }
}

/* Up to 24 positions, in trunks, with what options fit: from one genome to 10^36. */
static anet_space *random_space(anet_rng *rng)
{
  int32_t trunk[24];
  anet_space *space;
  const int32_t positions = anet_rng_int(rng, 1, 24), crowd = anet_rng_int(rng, 0, 35);
  for (int32_t p = 0; p < positions; p++)
    trunk[p] = p && anet_rng_int(rng, 0, 5) > 0 ? trunk[p - 1] : p;
  CHECK_OK(anet_space_new(trunk, positions, &space));
  for (int32_t p = 0; p < positions; p++)
    for (int32_t n = anet_rng_int(rng, crowd / 2, crowd); n > 0; n--) {
      anet_option o = {.kind = ANET_SHRINK, .position = p, .span = 1, .width = (float)n / 36};
      if (anet_rng_int(rng, 0, 2) == 0)
        o = (anet_option){
            .kind = ANET_MERGE, .position = p, .span = anet_rng_int(rng, 2, 5), .width = 1};
      anet_space_add(space, &o); /* what does not fit is not added */
    }
  return space;
}

static void print_wide(wide n, char text[40])
{
  char digits[40];
  int32_t count = 0;
  for (; n; n /= 10) digits[count++] = (char)('0' + (int)(n % 10));
  for (int32_t i = 0; i < count; i++) text[i] = digits[count - 1 - i];
  text[count] = 0;
}

TEST(a_draw_is_a_number_below_the_size)
{
  int32_t large = 0;
  for (int32_t seed = 0; seed < 300; seed++) {
    anet_rng rng;
    wide ways[25];
    char got[64], want[40];
    anet_rng_seed(&rng, seed);
    anet_space *space = random_space(&rng);
    count_genomes(space, ways);
    large += ways[0] > (wide)base * base;
    print_wide(ways[0], want);
    CHECK_OK(anet_space_size(space, got, sizeof got));
    CHECK_EQ_S(got, want);
    for (int32_t n = 0; n < 20; n++) {
      uint8_t genome[24], other[24];
      anet_rng mine = rng;
      CHECK_OK(anet_genome_sample(space, &rng, genome));
      CHECK_OK(anet_genome_check(space, genome));
      genome_of(space, ways, draw_below(ways[0], &mine), other);
      if (memcmp(genome, other, (size_t)space->positions) != 0)
        TEST_FAIL("seed %d, draw %d of %s: another genome than its number's", seed, n, want);
      CHECK(memcmp(&rng, &mine, sizeof rng) == 0);
    }
    anet_space_release(space);
  }
  if (large < 20) TEST_FAIL("only %d spaces have three limbs", large);
}

/* Sums that fill a limb to the last: 10 genes each at 9, 18, 27 positions. */
TEST(powers_of_the_base)
{
  static const int32_t trunk[27];
  for (int32_t limbs = 1; limbs <= 3; limbs++) {
    char got[64], want[64];
    anet_space *space;
    CHECK_OK(anet_space_new(trunk, 9 * limbs, &space));
    for (int32_t p = 0; p < 9 * limbs; p++)
      for (int32_t g = 1; g < 10; g++) {
        const anet_option o = {
            .kind = ANET_SHRINK, .position = p, .span = 1, .width = (float)g / 10};
        CHECK_OK(anet_space_add(space, &o));
      }
    snprintf(want, sizeof want, "1%0*d", 9 * limbs, 0);
    CHECK_OK(anet_space_size(space, got, sizeof got));
    CHECK_EQ_S(got, want);
    anet_space_release(space);
  }
}

TEST_MAIN(CASE(a_draw_is_a_number_below_the_size), CASE(powers_of_the_base))
