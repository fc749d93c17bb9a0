/* The nets of options. Each reads its first block's entry and makes its last block's exit. */
#ifndef ANET_PIECE_H
#define ANET_PIECE_H

#include "graph/blocks.h"

/* The block itself: shares the oracle's parameters. map (oracle's count, may be NULL): as
 * anet__net_extract. */
int anet__piece_keep(const anet_blocks *blocks, int32_t position, int32_t *map, anet_net **out);
/* A net whose input is its output. */
int anet__piece_skip(const anet_blocks *blocks, int32_t position, anet_net **out);
/* One new block instead of `span`: see elastic/merge.c. */
int anet__piece_merge(const anet_blocks *blocks, int32_t position, int32_t span, anet_net **out);

/* A copy of a block with each hidden group's channels sorted by falling importance. importance:
 * (channels of all hidden groups, one group after the other), or NULL: by weight norm. */
int anet__piece_rank(const anet_net *block, const float *importance, anet_net **out);
/* The ranked block with a share of its hidden channels: windows of its weights, norms of its own.
 * ANET_RANGE: no channel would go, or there are none. */
int anet__piece_shrink(const anet_net *ranked, float width, anet_net **out);

/* Put a norm that changes nothing behind each convolution of a piece that has none; *piece is replaced. */
int anet__piece_renorm(anet_net **piece);
/* Is it such a norm, as it was put there? */
bool anet__norm_is_neutral(const anet__node *node);

/* Give a clone of a node that makes channels (conv, linear, reshape) another number of them. */
void anet__node_set_channels(anet__node *node, int32_t channels);
/* Channels of all hidden groups of a net. */
int anet__piece_hidden(const anet_net *piece, int32_t *out);
enum { ANET_PIECE_NAME = 256 }; /* bytes of a name of an option's node */

#endif
