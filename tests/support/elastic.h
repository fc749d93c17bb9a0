/* Supernets with everything in them. */
#ifndef ANET_ELASTIC_H
#define ANET_ELASTIC_H

#include "support/test.h"

/* Merges of up to three blocks, half widths and skips, wherever they fit; not sealed. */
static inline anet_supernet *elastic_supernet(anet_net *oracle)
{
  anet_supernet *supernet = NULL;
  CHECK_OK(anet_supernet_new(oracle, &supernet));
  const anet_blocks *blocks = anet_supernet_blocks(supernet);
  for (int32_t p = 0; p < anet_blocks_count(blocks); p++) {
    anet_block block;
    CHECK_OK(anet_blocks_get(blocks, p, &block));
    for (int32_t span = 2; span <= 3 && span <= block.most_span; span++) {
      const anet_option merge = {.kind = ANET_MERGE, .position = p, .span = span, .width = 1};
      CHECK_OK(anet_supernet_add(supernet, &merge, NULL));
    }
    const anet_option half = {.kind = ANET_SHRINK, .position = p, .span = 1, .width = 0.5F};
    if (block.hidden >= 8) CHECK_OK(anet_supernet_add(supernet, &half, NULL));
    const anet_option skip = {.kind = ANET_SKIP, .position = p, .span = 1, .width = 1};
    if (block.can_skip) CHECK_OK(anet_supernet_add(supernet, &skip, NULL));
  }
  return supernet;
}

#endif
