/* The oracle, its options and their weights. */
#ifndef ANET_SUPERNET_H
#define ANET_SUPERNET_H

#include "elastic/space.h"
#include "graph/blocks.h"

/* Invariants: piece[i] is the net of option i of the space, with one input of the shape of its
 * first block's entry and one output of the shape of its last block's exit; keep's pieces share the
 * oracle's parameters and are frozen; shrinks of a position share one buffer a parameter, in
 * order of importance, each a prefix of it (until least squares gives one a last convolution of its
 * own). */
struct anet_supernet {
  atomic_int refs;
  anet_net *oracle;     /* retained, frozen */
  anet_blocks *blocks;
  anet_space *space;
  anet_net **piece;     /* (options) retained; in the order of the space's options */
  int32_t piece_capacity;
  anet_net **ranked;    /* (positions) the block with its hidden channels in order of importance, of
                           which its shrinks are prefixes; NULL: it has none yet */
  bool norms;           /* options of blocks without norms get some */
  bool sealed;
};

/* As anet_supernet_add with a piece that is there already (retained), for a supernet read from a file:
 * its input and output must have the shapes of the option's blocks. */
int anet__supernet_add_piece(anet_supernet *supernet, const anet_option *option, anet_net *piece);

/* The oracle cut at the blocks' boundaries, for running piece by piece. Segment s runs before
 * position at[s] (at = positions: after the last). Values alive across a boundary travel in the
 * frame: see elastic/segments.c. */
typedef struct anet__segment {
  int32_t at;       /* runs when the walk reaches this position */
  anet_net *net;    /* inputs: the values `reads`, outputs: the values `writes` */
  int32_t reads, read[ANET_MAX_INPUTS];    /* oracle's value numbers */
  int32_t writes, write[ANET_MAX_OUTPUTS];
} anet__segment;
typedef struct anet__segments {
  anet__segment *segment;
  int32_t count;
} anet__segments;
int anet__supernet_segments(const anet_supernet *supernet, anet__segments *out);
void anet__segments_free(anet__segments *segments);

#endif
