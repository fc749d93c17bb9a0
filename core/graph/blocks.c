/* The block finder: chains of steps, read with a small grammar. */
#include "graph/blocks.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* ---- the grammar ----------------------------------------------------------------------------- */

/* Letters are those of chain.h; x? is an optional x; a last !x means that no x may follow. The
 * first pattern that fits is taken, at the first item where one does. */
static const struct {
  const char *pattern, *kind;
} grammar[] = {
    {"n?a?+a?", NULL}, /* residual: its kind is found by looking inside */
    {"pn?a?|a?", "fire"},
    {"|a?", "parallel"},
    {"pn?a?dn?a?s?a?pn?!a", "inverted"},
    {"dn?a?s?a?pn?!a", "inverted"}, /* without expansion */
    {"cn?a?s?a?pn?!a", "inverted"}, /* expansion and depthwise fused into one convolution */
    {"dn?a?s?a?pn?a", "separable"},
    {"pn?a?", "plain"},
    {"cn?a?", "plain"},
};

/* The index of the item of this token at `at` or behind those to pass over, or -1. */
static int32_t find_token(const anet__item *item, int32_t left, int32_t at, anet__token token)
{
  if (at >= left || (at > 0 && !item[at].joined) || item[at].passed < 0) return -1;
  at += item[at].passed;
  return item[at].token == token ? at : -1;
}

/* How many items from `item` on the pattern takes, or -1. An optional item is taken if it is there.
 */
static int32_t match(const anet__item *item, int32_t left, const char *pattern)
{
  int32_t taken = 0;
  while (*pattern) {
    const bool none = *pattern == '!', optional = pattern[1] == '?';
    const int32_t at = find_token(item, left, taken, (anet__token)pattern[none]);
    if (none) return at < 0 ? taken : -1;
    if (at < 0 && !optional) return -1;
    if (at >= 0) taken = at + 1;
    pattern += 1 + optional;
  }
  return taken;
}

/* ---- finding ----------------------------------------------------------------------------------
 */

typedef struct finder {
  anet_net *net;
  anet__flow flow;
  anet__chains chains;
  anet_blocks *blocks;
  int32_t capacity, frozen_capacity;
  int32_t *block_of;   /* (net->count) block of each node, -1: none; owned */
  bool *beside;        /* (net->count) nodes of chains without blocks; owned */
  const char **reason; /* (net->count) why a node stays frozen, NULL: it does not; owned */
  int32_t trunk;       /* of the last block */
  bool continues;      /* that block ends where the walk is, and no one else reads its exit */
} finder;

static bool is_plain(const anet__block *block)
{
  return strcmp(block->face.kind, "plain") == 0;
}

static int collect_nodes(finder *f, const anet__item *item, int32_t items, anet__block *block)
{
  int32_t count = 0;
  for (int32_t i = 0; i < items; i++) {
    anet__flow_mark(&f->flow, item[i].entry, item[i].exit);
    count += f->flow.marks + 1;
  }
  block->node = anet__alloc_array((size_t)count, sizeof *block->node);
  if (!block->node) return ANET_NOMEM;
  for (int32_t i = 0; i < items; i++) {
    anet__flow_mark(&f->flow, item[i].entry, item[i].exit);
    for (int32_t k = 0; k < f->flow.marks; k++) block->node[block->face.nodes++] = f->flow.mark[k];
    block->node[block->face.nodes++] = item[i].exit;
  }
  return ANET_OK;
}

static void find_shortcut(finder *f, const anet__item *item, int32_t items, anet__block *block)
{
  block->sum = block->shortcut = -1;
  for (int32_t i = 0; i < items; i++)
    if (item[i].token == ANET_TOKEN_SUM) block->sum = item[i].exit;
  if (block->sum < 0) return;
  block->shortcut = anet__shortcut_find(&f->flow, block->sum);
  block->face.kind = anet__residual_kind(&f->flow, block->sum, block->shortcut);
  if (block->shortcut < 0)
    block->sum = -1;
  else
    block->face.shortcut =
        f->net->node[block->sum].in[block->shortcut] == f->flow.dominator[block->sum];
}

static bool has_conv(const finder *f, const anet__block *block)
{
  for (int32_t i = 0; i < block->face.nodes; i++)
    if (anet__op_convolves(f->net->node[block->node[i]].op)) return true;
  return false;
}

/* The fused form of an inverted residual is told from two plain convolutions by its expansion. */
static bool is_false_friend(const finder *f, const anet__item *item, const char *pattern)
{
  const anet__node *entry = anet__net_at(f->net, item->entry);
  if (pattern[0] != ANET_TOKEN_SPATIAL || !strchr(pattern, '!')) return false;
  item += item->passed;
  const int32_t expanded = f->net->node[item->exit].attr.channels;
  return entry->op == ANET_OP_INPUT || expanded <= entry->shape.dim[2];
}

/* Blocks that follow each other are of one trunk if they end alike: in the same activation, or in
 * none. What a merge puts out is then of the kind that its readers know. */
static bool ends_alike(const finder *f, const anet__block *a, const anet__block *b)
{
  const anet__op_id x = f->net->node[a->face.exit].op, y = f->net->node[b->face.exit].op;
  const bool acts = anet__op_activates(x);
  return is_plain(a) == is_plain(b) && acts == anet__op_activates(y) && (!acts || x == y);
}

static int add_block(finder *f, const anet__item *item, int32_t items, const char *kind)
{
  anet_blocks *all = f->blocks;
  anet__block block = {
      .face = {.kind = kind, .entry = item[0].entry, .exit = item[items - 1].exit}};
  ANET_TRY(anet__grow((void **)&all->block, &f->capacity, all->count, sizeof *all->block));
  ANET_TRY(collect_nodes(f, item, items, &block));
  find_shortcut(f, item, items, &block);
  if (!has_conv(f, &block)) {
    anet__free(block.node);
    f->continues = false;
    return ANET_OK;
  }
  const bool follows =
      f->continues && item->joined && ends_alike(f, &all->block[all->count - 1], &block);
  block.face.trunk = follows ? f->trunk : ++f->trunk;
  f->continues = true;
  all->block[all->count++] = block;
  return ANET_OK;
}

/* The block that begins at this item: how many items it takes, 1 if there is none. */
static int read_item(finder *f, const anet__item *item, int32_t left, int32_t *taken)
{
  for (int32_t g = 0; g < ANET_COUNT(grammar); g++) {
    *taken = match(item, left, grammar[g].pattern);
    if (*taken > 0 && !is_false_friend(f, item, grammar[g].pattern))
      return add_block(f, item, *taken, grammar[g].kind);
  }
  *taken = 1;
  f->continues = false;
  return ANET_OK;
}

static int read_chain(finder *f, const anet__item *item, int32_t items)
{
  f->continues = false;
  for (int32_t i = 0, taken; i < items; i += taken)
    ANET_TRY(read_item(f, item + i, items - i, &taken));
  return ANET_OK;
}

/* ---- plain blocks ------------------------------------------------------------------------------
 */

static bool is_output(const anet_net *net, int32_t value)
{
  for (int32_t i = 0; i < net->outputs; i++)
    if (net->output[i] == value) return true;
  return false;
}

/* A plain convolution is only a block where nothing larger is, and neither stem nor head. */
static void drop_plain(finder *f)
{
  const anet_net *net = f->net;
  anet_blocks *b = f->blocks;
  bool composite = false, stem = true;
  for (int32_t i = 0; i < b->count; i++) composite |= !is_plain(&b->block[i]);
  int32_t kept = 0;
  for (int32_t i = 0; i < b->count; i++) {
    const anet_block *face = &b->block[i].face;
    const bool first = stem;
    stem = false;
    if (is_plain(&b->block[i]) && (composite || first || is_output(net, face->exit)))
      anet__free(b->block[i].node);
    else
      b->block[kept++] = b->block[i];
  }
  b->count = kept;
}

/* ---- what stays frozen
 * --------------------------------------------------------------------------- */

/* A norm or an activation has the reason of what it reads. */
static const char *reason_of(const finder *f, int32_t node, int32_t first, int32_t last)
{
  const anet__op_id op = f->net->node[node].op;
  if (f->blocks->count == 0) return "there are no blocks";
  if (node < first) return "stem";
  if (node > last) return "head";
  if (f->beside[node]) return "a branch beside the blocks";
  if (anet__op_convolves(op)) return "a plain convolution between blocks";
  if (op == ANET_OP_MAX_POOL || op == ANET_OP_AVG_POOL) return "pooling between blocks";
  if (op == ANET_OP_NORM || anet__op_activates(op)) {
    const char *reason = f->reason[f->net->node[node].in[0]];
    if (reason) return reason;
  }
  return "an operation between blocks";
}

static void mark_blocks(finder *f, int32_t *first, int32_t *last)
{
  *first = INT_MAX;
  *last = -1;
  for (int32_t v = 0; v < f->net->count; v++) f->block_of[v] = -1, f->beside[v] = true;
  for (int32_t i = 0; i < f->blocks->count; i++) {
    const anet__block *block = &f->blocks->block[i];
    for (int32_t n = 0; n < block->face.nodes; n++) f->block_of[block->node[n]] = i;
    *first = ANET_MIN(*first, block->node[0]);
    *last = ANET_MAX(*last, block->face.exit);
  }
  for (int32_t c = 0; c < f->chains.count; c++) {
    bool blocks = false;
    for (int32_t i = f->chains.first[c]; i < f->chains.first[c + 1]; i++)
      blocks |= f->block_of[f->chains.item[i].exit] >= 0;
    for (int32_t i = f->chains.first[c]; blocks && i < f->chains.first[c + 1]; i++)
      f->beside[f->chains.item[i].exit] = false;
  }
}

static int add_frozen(finder *f, int32_t node, const char *reason)
{
  anet_blocks *b = f->blocks;
  anet_frozen *last = b->frozen_count ? &b->frozen[b->frozen_count - 1] : NULL;
  if (last && last->last == node - 1 && strcmp(last->reason, reason) == 0) {
    last->last = node;
    return ANET_OK;
  }
  ANET_TRY(
      anet__grow((void **)&b->frozen, &f->frozen_capacity, b->frozen_count, sizeof *b->frozen));
  b->frozen[b->frozen_count++] = (anet_frozen){node, node, reason};
  return ANET_OK;
}

static int fill_frozen(finder *f)
{
  int32_t first, last;
  mark_blocks(f, &first, &last);
  for (int32_t v = 0; v < f->net->count; v++)
    if (f->block_of[v] < 0 && f->net->node[v].op != ANET_OP_INPUT)
      ANET_TRY(add_frozen(f, v, f->reason[v] = reason_of(f, v, first, last)));
  return ANET_OK;
}

/* ---- the public face
 * ----------------------------------------------------------------------------- */

static int find(finder *f)
{
  const size_t count = (size_t)f->net->count;
  f->block_of = anet__alloc_array(count, sizeof *f->block_of);
  f->beside = anet__alloc_array(count, sizeof *f->beside);
  f->reason = anet__alloc_array(count, sizeof *f->reason);
  if (!f->block_of || !f->beside || !f->reason) return ANET_NOMEM;
  ANET_TRY(anet__flow_find(f->net, &f->flow));
  ANET_TRY(anet__chains_find(&f->flow, &f->chains));
  for (int32_t c = 0; c < f->chains.count; c++) {
    const int32_t first = f->chains.first[c];
    ANET_TRY(read_chain(f, f->chains.item + first, f->chains.first[c + 1] - first));
  }
  drop_plain(f);
  ANET_TRY(anet__blocks_face(f->blocks));
  return fill_frozen(f);
}

int anet_blocks_find(anet_net *net, anet_blocks **out)
{
  finder f = {.net = net, .trunk = -1};
  *out = NULL;
  if (!(f.blocks = anet__alloc(sizeof *f.blocks))) return ANET_NOMEM;
  atomic_init(&f.blocks->refs, 1);
  f.blocks->net = anet_net_retain(net);
  const int rc = find(&f);
  anet__flow_free(&f.flow);
  anet__chains_free(&f.chains);
  anet__free(f.block_of);
  anet__free(f.beside);
  anet__free(f.reason);
  if (rc)
    anet_blocks_release(f.blocks);
  else
    *out = f.blocks;
  return rc;
}

void anet_blocks_release(anet_blocks *blocks)
{
  if (!blocks || atomic_fetch_sub(&blocks->refs, 1) != 1) return;
  for (int32_t i = 0; i < blocks->count; i++) anet__free(blocks->block[i].node);
  anet__free(blocks->block);
  anet__free(blocks->frozen);
  anet_net_release(blocks->net);
  anet__free(blocks);
}

int32_t anet_blocks_count(const anet_blocks *blocks)
{
  return blocks->count;
}

int anet_blocks_get(const anet_blocks *blocks, int32_t index, anet_block *out)
{
  if (index < 0 || index >= blocks->count)
    return anet_fail(ANET_RANGE, "block %d, want 0 to %d", index, blocks->count - 1);
  *out = blocks->block[index].face;
  return ANET_OK;
}

int32_t anet_blocks_frozen_count(const anet_blocks *blocks)
{
  return blocks->frozen_count;
}

int anet_blocks_frozen(const anet_blocks *blocks, int32_t index, anet_frozen *out)
{
  if (index < 0 || index >= blocks->frozen_count)
    return anet_fail(ANET_RANGE, "frozen run %d, want 0 to %d", index, blocks->frozen_count - 1);
  *out = blocks->frozen[index];
  return ANET_OK;
}
