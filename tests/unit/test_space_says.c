/* What spaces, genomes, fronts and supernets refuse, word for word. */
#include "elastic/supernet.h"
#include "support/nets.h"
#include "support/says.h"
#include "support/zoo.h"

static anet_option at(int32_t kind, int32_t position, int32_t span, float width)
{
  return (anet_option){.kind = kind, .position = position, .span = span, .width = width};
}

/* Trunks of 3 and 3 positions; a merge over 1 and 2, two shrinks at 4. */
static anet_space *small_space(void)
{
  static const int32_t trunk[6] = {5, 5, 5, 8, 8, 8};
  const anet_option more[] = {at(ANET_MERGE, 1, 2, 1), at(ANET_SHRINK, 4, 1, 0.25f),
                              at(ANET_SHRINK, 4, 1, 0.5f)};
  anet_space *space;
  CHECK_OK(anet_space_new(trunk, 6, &space));
  for (int32_t i = 0; i < ANET_COUNT(more); i++) CHECK_OK(anet_space_add(space, &more[i]));
  return space;
}

TEST(options_that_no_space_takes)
{
  static const struct {
    anet_option option;
    const char *message;
  } bad[] = {
      {{ANET_SKIP, 6, 0, 1, 1, 0}, "option: position 6, want 0 to 5"},
      {{ANET_SKIP, -1, 0, 1, 1, 0}, "option: position -1, want 0 to 5"},
      {{ANET_KEEP, 2, 0, 1, 1, 0}, "position 2 has its keep already"},
      {{ANET_OPTION_COUNT, 2, 0, 1, 1, 0}, "position 2: option kind 5, want 0 to 4"},
      {{-1, 3, 0, 1, 1, 0}, "position 3: option kind -1, want 0 to 4"},
      {{ANET_MERGE, 2, 0, 1, 1, 0}, "position 2: a merge over 1 blocks, want 2 or more"},
      {{ANET_SKIP, 1, 0, 2, 1, 0}, "position 1: an option over 2 blocks, want 1"},
      {{ANET_SHRINK, 2, 0, 0, 0.5f, 0}, "position 2: an option over 0 blocks, want 1"},
      {{ANET_SHRINK, 3, 0, 1, 1.5f, 0},
       "position 3: a shrink to width 1.5, want one between 0 and 1"},
      {{ANET_SHRINK, 3, 0, 1, 1, 0}, "position 3: a shrink to width 1, want one between 0 and 1"},
      {{ANET_SHRINK, 3, 0, 1, 0, 0}, "position 3: a shrink to width 0, want one between 0 and 1"},
      {{ANET_SKIP, 3, 0, 1, 0.5f, 0}, "position 3: an option of width 0.5, want 1"},
      {{ANET_MERGE, 3, 0, 2, 2, 0}, "position 3: an option of width 2, want 1"},
      {{ANET_MERGE, 4, 0, 3, 1, 0}, "position 4: an option over 3 blocks, but only 2 are left"},
      {{ANET_MERGE, 1, 0, 4, 1, 0}, "position 1: an option over 4 blocks leaves trunk 5 at 3"},
      {{ANET_MERGE, 1, 0, 2, 1, 0},
       "position 1: gene 1 is such an option already (span 2, width 1, 0 hidden)"},
      {{ANET_SHRINK, 4, 0, 1, 0.5f, 7},
       "position 4: gene 2 is such an option already (span 1, width 0.5, 7 hidden)"},
  };
  anet_space *space = small_space();
  anet_option o;
  for (int32_t i = 0; i < ANET_COUNT(bad); i++)
    CHECK_SAYS(anet_space_add(space, &bad[i].option), ANET_RANGE, bad[i].message);
  CHECK_EQ_I(anet_space_options(space), 9);
  CHECK_SAYS(anet_space_option(space, 9, &o), ANET_RANGE, "option 9, want 0 to 8");
  CHECK_SAYS(anet_space_option(space, -1, &o), ANET_RANGE, "option -1, want 0 to 8");
  CHECK_EQ_I(anet_space_genes(space, -1), 0);
  CHECK_EQ_I(anet_space_index(space, 1, -1), -1);
  anet_space_release(space);
  CHECK_SAYS(anet_space_new(NULL, 0, &space), ANET_RANGE, "space: got 0 positions, want 1 to 256");
  CHECK_SAYS(anet_space_new(NULL, 257, &space), ANET_RANGE,
             "space: got 257 positions, want 1 to 256");
}

/* Shrinks are alike by width, or by the channels that they leave once those are known. */
TEST(which_options_are_alike)
{
  anet_space *space = small_space();
  anet_option o = at(ANET_SHRINK, 0, 1, 0.4f);
  o.hidden = 8;
  CHECK_OK(anet_space_add(space, &o));
  o.width = 0.45f;
  CHECK_SAYS(anet_space_add(space, &o), ANET_RANGE,
             "position 0: gene 1 is such an option already (span 1, width 0.45, 8 hidden)");
  o.hidden = 12;
  CHECK_OK(anet_space_add(space, &o));
  o.width = 0.6f, o.hidden = 0; /* not known */
  CHECK_OK(anet_space_add(space, &o));
  o.width = 0.7f;
  CHECK_OK(anet_space_add(space, &o));
  o = at(ANET_SKIP, 0, 1, 1);
  CHECK_OK(anet_space_add(space, &o));
  o.kind = ANET_INT8; /* of another kind */
  CHECK_OK(anet_space_add(space, &o));
  CHECK_FAILS(anet_space_add(space, &o), ANET_RANGE, "gene 6 is such an option");
  o = at(ANET_MERGE, 0, 2, 1);
  CHECK_OK(anet_space_add(space, &o));
  o.span = 3; /* of another span */
  CHECK_OK(anet_space_add(space, &o));
  anet_space_release(space);
}

TEST(a_position_has_36_genes_at_most)
{
  anet_space *space = small_space();
  anet_option o;
  for (int32_t g = 1; g <= 36; g++) {
    o = at(ANET_SHRINK, 2, 1, (float)g / 40);
    if (g < 36)
      CHECK_OK(anet_space_add(space, &o));
    else
      CHECK_SAYS(anet_space_add(space, &o), ANET_RANGE,
                 "position 2: has 36 options, the most is 36");
  }
  CHECK_EQ_I(anet_space_genes(space, 2), 36);
  for (int32_t g = 0; g < 36; g++) {
    CHECK_OK(anet_space_option(space, anet_space_index(space, 2, g), &o));
    CHECK_EQ_I(o.gene, g);
    CHECK_EQ_I(o.position, 2);
  }
  anet_space_release(space);
}

TEST(genomes)
{
  anet_space *space = small_space();
  uint8_t genome[6];
  char text[8];
  static const struct {
    const char *text, *message;
  } bad[] = {
      {"0100000", "genome '0100000' has 7 characters, want 6"},
      {"00000", "genome '00000' has 5 characters, want 6"},
      {"0000A0", "genome '0000A0': position 4 has 'A', want 0-9, a-z or -"},
      {"015000", "genome: position 2 has gene 5, but the option before covers it up to 2"},
      {"00-000", "genome: position 2 is covered by no option"},
      {"01--00", "genome: position 3 is covered by no option"},
      {"000030", "genome: position 4 has gene 3, want 0 to 2"},
      {"00000z", "genome: position 5 has gene 35, want 0 to 0"},
  };
  for (int32_t i = 0; i < ANET_COUNT(bad); i++)
    CHECK_SAYS(anet_genome_parse(space, bad[i].text, genome), ANET_RANGE, bad[i].message);
  CHECK_OK(anet_space_size(space, text, 3)); /* merged or not, and 3 genes */
  CHECK_EQ_S(text, "6");
  CHECK_OK(anet_space_size(space, text, 2));
  CHECK_SAYS(anet_space_size(space, text, 1), ANET_RANGE,
             "space: its size has 1 digits, the text has room for 0");
  anet_space_release(space);
}

TEST(figures)
{
  anet_space *space = small_space();
  double cost[9] = {0}, damage[9] = {0};
  uint8_t genome[6];
  anet_front *front;
  int32_t found;
  cost[6] = -0.5; /* position 4, gene 1 */
  CHECK_SAYS(anet_space_front(space, cost, damage, &front), ANET_RANGE,
             "position 4, gene 1: cost -0.5, want a finite one of at least 0");
  cost[6] = INFINITY;
  CHECK_SAYS(anet_space_best(space, cost, damage, 1, 1, genome, &found), ANET_RANGE,
             "position 4, gene 1: cost inf, want a finite one of at least 0");
  cost[6] = 0, damage[7] = INFINITY;
  CHECK_SAYS(anet_space_front(space, cost, damage, &front), ANET_RANGE,
             "position 4, gene 2: damage inf, want a finite one");
  damage[7] = -1;
  for (int32_t i = 0; i < 9; i++) cost[i] = 0.5;
  cost[7] = 2;
  CHECK_SAYS(anet_space_best(space, cost, damage, 2.25, 1, genome, &found), ANET_INFEASIBLE,
             "no genome costs 2.25 or less: the least is 2.5");
  CHECK_SAYS(anet_space_best(space, cost, damage, NAN, 1, genome, &found), ANET_RANGE,
             "best: the budget is not a number");
  CHECK_SAYS(anet_space_best(space, cost, damage, 2, -3, genome, &found), ANET_RANGE,
             "best: got k = -3, want 1 or more");
  CHECK_OK(anet_space_front(space, cost, damage, &front));
  CHECK_EQ_I(anet_front_count(front), 2);
  CHECK_SAYS(anet_front_get(front, 2, genome, cost, damage), ANET_RANGE,
             "front: point 2, want 0 to 1");
  CHECK_SAYS(anet_front_get(front, -1, genome, cost, damage), ANET_RANGE,
             "front: point -1, want 0 to 1");
  anet_front_release(front);
  anet_space_release(space);
}

/* ---- supernets ------------------------------------------------------------------------------- */

TEST(options_that_no_supernet_takes)
{
  anet_net *oracle = zoo_resnet20(16, (const int32_t[]){8, 12, 16}, 2, 5, 1), *thin;
  anet_supernet *s;
  anet_option o;
  char want[256];
  CHECK_OK(anet_supernet_new(oracle, &s));
  const anet__block *block = s->blocks->block;
  CHECK_SAYS(anet_supernet_seal(s), ANET_STATE,
             "supernet: nothing is elastic, all 6 positions have keep alone");
  const int32_t outside[] = {-1, 6};
  for (int32_t i = 0; i < 2; i++) {
    o = at(ANET_SKIP, outside[i], 1, 1);
    snprintf(want, sizeof want, "option: position %d, want 0 to 5", outside[i]);
    CHECK_SAYS(anet_supernet_add(s, &o, NULL), ANET_RANGE, want);
  }
  o = at(ANET_MERGE, 1, 4, 1);
  snprintf(want, sizeof want, "position 1: a merge over 4 blocks, at most 3 fit from '%s' on",
           block[1].face.name);
  CHECK_SAYS(anet_supernet_add(s, &o, NULL), ANET_RANGE, want);
  o = at(ANET_SKIP, 2, 1, 1);
  snprintf(want, sizeof want, "position 2: '%s' changes the shape and cannot be skipped",
           block[2].face.name);
  CHECK_SAYS(anet_supernet_add(s, &o, NULL), ANET_RANGE, want);
  o = at(ANET_SHRINK, 3, 1, 0.99f);
  CHECK_SAYS(anet_supernet_add(s, &o, NULL), ANET_RANGE,
             "position 3: shrink: width 0.99 of 12 hidden channels leaves all of them");
  o = at(ANET_INT8, 3, 1, 1);
  CHECK_SAYS(anet_supernet_add(s, &o, NULL), ANET_UNSUPPORTED,
             "position 3: a block in bytes needs ranges: anet_supernet_quantize measures them");
  o = at(ANET_SKIP, 1, 1, 1);
  CHECK_SAYS(anet_space_add(anet_supernet_space(s), &o), ANET_STATE,
             "space: it is a supernet's, options are added to that");
  CHECK(anet_supernet_piece(s, -1) == NULL);
  CHECK(anet_supernet_piece(s, 0) != NULL);
  CHECK_OK(anet_supernet_add(s, &o, NULL));
  CHECK_OK(anet_supernet_seal(s));
  o.position = 3;
  CHECK_SAYS(anet_supernet_add(s, &o, NULL), ANET_STATE,
             "supernet: it is sealed, no option can be added");
  anet_supernet_release(s);
  anet_net_release(oracle);

  thin = zoo_mobilenetv2(32, 4, 5, 5); /* its first block has no expansion, so nothing hidden */
  CHECK_OK(anet_supernet_new(thin, &s));
  o = at(ANET_SHRINK, 0, 1, 0.5f);
  snprintf(want, sizeof want, "position 0: '%s' has no hidden channels to narrow",
           s->blocks->block[0].face.name);
  CHECK_SAYS(anet_supernet_add(s, &o, NULL), ANET_UNSUPPORTED, want);
  anet_supernet_release(s);
  anet_net_release(thin);
}

/* A net that makes `out` of `in`, an image each. */
static anet_net *piece(int32_t size, int32_t in, int32_t out)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  CHECK_OK(anet_net_output(net, net_conv(net, NULL, net_image(net, size, in), out, 1, 1, 0)));
  return net;
}

TEST(pieces_that_do_not_fit)
{
  anet_net *oracle = zoo_resnet20(16, (const int32_t[]){8, 12, 16}, 2, 5, 1);
  const anet_option o = at(ANET_MERGE, 1, 2, 1);
  anet_supernet *s;
  int32_t value;
  CHECK_OK(anet_supernet_new(oracle, &s));
  anet_net *other = piece(16, 12, 8), *flat = piece(16, 8, 8), *two = piece(16, 8, 8),
           *split = piece(16, 8, 8);
  CHECK_SAYS(anet__supernet_add_piece(s, &o, other), ANET_SHAPE,
             "position 1: a piece takes (16, 16, 12), want (16, 16, 8)");
  CHECK_SAYS(anet__supernet_add_piece(s, &o, flat), ANET_SHAPE,
             "position 1: a piece makes (16, 16, 8), want (8, 8, 12)");
  CHECK_OK(anet_net_input(two, NULL, &(anet_shape){1, {1}}, &value));
  CHECK_SAYS(anet__supernet_add_piece(s, &o, two), ANET_SHAPE,
             "position 1: a piece has 2 inputs and 1 outputs, want 1 and 1");
  CHECK_OK(anet_net_output(split, 0));
  CHECK_OK(anet_net_output(split, 0));
  CHECK_SAYS(anet__supernet_add_piece(s, &o, split), ANET_SHAPE,
             "position 1: a piece has 1 inputs and 3 outputs, want 1 and 1");
  CHECK_EQ_I(anet_space_options(anet_supernet_space(s)), 6);
  anet_net_release(other);
  anet_net_release(flat);
  anet_net_release(two);
  anet_net_release(split);
  anet_supernet_release(s);
  anet_net_release(oracle);
}

TEST_MAIN(CASE(options_that_no_space_takes), CASE(which_options_are_alike),
          CASE(a_position_has_36_genes_at_most), CASE(genomes), CASE(figures),
          CASE(options_that_no_supernet_takes), CASE(pieces_that_do_not_fit))
