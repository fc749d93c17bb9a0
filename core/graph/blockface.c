/* What the public header shows of a block, beside its place in the net. */
#include <math.h>

#include "base/error.h"
#include "graph/blocks.h"

static int32_t ratio(int32_t in, int32_t out)
{
  return out > 0 ? (int32_t)lround((double)in / out) : 0;
}

/* Does it only thin out rows and columns by whole strides, as a merge over it will? */
static bool is_regular(const anet_block *face)
{
  if (face->in.rank != 3 || face->out.rank != 3) return false;
  for (int32_t i = 0; i < 2; i++) {
    const int32_t in = face->in.dim[i], out = face->out.dim[i], stride = ratio(in, out);
    if (stride < 1 || (out != in / stride && out != (in + stride - 1) / stride)) return false;
  }
  return true;
}

static bool is_strided(const anet_block *face)
{
  return ratio(face->in.dim[0], face->out.dim[0]) > 1 ||
         ratio(face->in.dim[1], face->out.dim[1]) > 1;
}

static int32_t most_span(const anet_blocks *blocks, int32_t index)
{
  enum { MOST = 8 };
  const anet_block *first = &blocks->block[index].face;
  bool strided = is_strided(first);
  int32_t span = 1;
  if (!is_regular(first)) return 1;
  for (int32_t i = index + 1; i < blocks->count && span < MOST; i++, span++) {
    const anet_block *face = &blocks->block[i].face;
    if (face->trunk != first->trunk || !is_regular(face) || (strided && is_strided(face))) break;
    strided |= is_strided(face);
  }
  return span;
}

static int fill_face(const anet_net *net, anet__block *block)
{
  anet_block *face = &block->face;
  anet_net *part;
  anet__groups groups;
  anet_cost cost;
  face->name = net->node[face->exit].name;
  face->in = net->node[face->entry].shape;
  face->out = net->node[face->exit].shape;
  face->stride = ratio(face->in.dim[0], face->out.dim[0]);
  face->can_skip = anet__shape_equal(&face->in, &face->out);
  ANET_TRY(anet__net_region(net, face->entry, block->node, face->nodes, &part));
  anet_net_cost(part, &cost);
  face->macs = cost.macs;
  face->params = cost.params;
  const int rc = anet__groups_find(part, &groups);
  anet_net_release(part);
  if (rc) return rc;
  for (int32_t g = 0; g < groups.count; g++)
    if (groups.first[g] >= 0 && groups.channels[g] > ANET_CHANNEL_STEP)
      face->hidden = groups.hidden;
  anet__groups_free(&groups);
  return ANET_OK;
}

/* Plain blocks may be gone from before and between trunks: numbers without gaps. */
int anet__blocks_face(anet_blocks *blocks)
{
  int32_t trunk = -1;
  for (int32_t i = 0, old = -1; i < blocks->count; i++) {
    anet_block *face = &blocks->block[i].face;
    trunk += face->trunk != old;
    old = face->trunk;
    face->trunk = trunk;
    ANET_TRY(fill_face(blocks->net, &blocks->block[i]));
  }
  for (int32_t i = 0; i < blocks->count; i++)
    blocks->block[i].face.most_span = most_span(blocks, i);
  return ANET_OK;
}
