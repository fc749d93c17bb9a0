#include "elastic/piece.h"

int anet__piece_keep(const anet_blocks *blocks, int32_t position, int32_t *map, anet_net **out)
{
  const anet_block *face = &blocks->block[position].face;
  return anet__net_extract(blocks->net, &face->entry, 1, &face->exit, 1, map, out);
}

int anet__piece_skip(const anet_blocks *blocks, int32_t position, anet_net **out)
{
  const int32_t entry = blocks->block[position].face.entry;
  return anet__net_extract(blocks->net, &entry, 1, &entry, 1, NULL, out);
}
