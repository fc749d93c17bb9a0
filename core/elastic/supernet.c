#include "elastic/supernet.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/piece.h"

/* ---- life ------------------------------------------------------------------------------------ */

static int make_space(anet_supernet *s)
{
  const int32_t count = s->blocks->count;
  int32_t trunk[ANET_MAX_POSITIONS];
  if (count == 0) return anet_fail(ANET_STATE, "supernet: nothing is elastic, there are no blocks");
  for (int32_t p = 0; p < count && p < ANET_MAX_POSITIONS; p++)
    trunk[p] = s->blocks->block[p].face.trunk;
  ANET_TRY(anet_space_new(trunk, count, &s->space)); /* refuses more positions */
  s->space->bound = true;
  return ANET_OK;
}

static int make_keeps(anet_supernet *s)
{
  const int32_t count = s->blocks->count;
  s->piece = anet__alloc_array((size_t)count, sizeof(anet_net *));
  s->ranked = anet__alloc_array((size_t)count, sizeof(anet_net *));
  if (!s->piece || !s->ranked) return ANET_NOMEM;
  s->piece_capacity = count;
  for (int32_t p = 0; p < count; p++) ANET_TRY(anet__piece_keep(s->blocks, p, NULL, &s->piece[p]));
  return ANET_OK;
}

int anet_supernet_new(anet_net *oracle, anet_supernet **out)
{
  *out = NULL;
  anet_supernet *s = anet__alloc(sizeof *s);
  if (!s) return ANET_NOMEM;
  atomic_init(&s->refs, 1);
  s->oracle = anet_net_retain(oracle);
  int rc = anet_net_freeze(oracle, -1, 1);
  if (rc || (rc = anet_blocks_find(oracle, &s->blocks)) || (rc = make_space(s)) ||
      (rc = make_keeps(s))) {
    anet_supernet_release(s);
    return rc;
  }
  *out = s;
  return ANET_OK;
}

anet_supernet *anet_supernet_retain(anet_supernet *supernet)
{
  if (supernet) atomic_fetch_add(&supernet->refs, 1);
  return supernet;
}

void anet_supernet_release(anet_supernet *supernet)
{
  if (!supernet || atomic_fetch_sub(&supernet->refs, 1) != 1) return;
  const int32_t positions = supernet->space ? supernet->space->positions : 0;
  const int32_t options = supernet->space ? supernet->space->options : 0;
  for (int32_t i = 0; supernet->piece && i < options; i++) anet_net_release(supernet->piece[i]);
  for (int32_t p = 0; supernet->ranked && p < positions; p++) anet_net_release(supernet->ranked[p]);
  anet__free(supernet->piece);
  anet__free(supernet->ranked);
  anet_space_release(supernet->space);
  anet_blocks_release(supernet->blocks);
  anet_net_release(supernet->oracle);
  anet__free(supernet);
}

/* ---- options -----------------------------------------------------------------------------------
 */

static int check_blocks(const anet_supernet *s, const anet_option *o)
{
  if (s->sealed) return anet_fail(ANET_STATE, "supernet: it is sealed, no option can be added");
  if (o->position < 0 || o->position >= s->blocks->count)
    return anet_fail(ANET_RANGE, "option: position %d, want 0 to %d", o->position,
                     s->blocks->count - 1);
  const anet_block *face = &s->blocks->block[o->position].face;
  if (o->kind == ANET_MERGE && o->span > face->most_span)
    return anet_fail(ANET_RANGE, "position %d: a merge over %d blocks, at most %d fit from '%s' on",
                     o->position, o->span, face->most_span, face->name);
  if (o->kind == ANET_SKIP && !face->can_skip)
    return anet_fail(ANET_RANGE, "position %d: '%s' changes the shape and cannot be skipped",
                     o->position, face->name);
  if (o->kind == ANET_SHRINK && face->hidden == 0)
    return anet_fail(ANET_UNSUPPORTED, "position %d: '%s' has no hidden channels to narrow",
                     o->position, face->name);
  return ANET_OK;
}

static int check_piece(const anet_supernet *s, const anet_option *o, const anet_net *piece)
{
  char got[ANET_SHAPE_TEXT], want[ANET_SHAPE_TEXT];
  if (piece->inputs != 1 || piece->outputs != 1)
    return anet_fail(ANET_SHAPE, "position %d: a piece has %d inputs and %d outputs, want 1 and 1",
                     o->position, piece->inputs, piece->outputs);
  const anet_shape *in = &piece->node[piece->input[0]].shape;
  const anet_shape *out = &piece->node[piece->output[0]].shape;
  const anet_shape *entry = &s->blocks->block[o->position].face.in;
  const anet_shape *exit = &s->blocks->block[o->position + o->span - 1].face.out;
  if (!anet__shape_equal(in, entry))
    return anet_fail(ANET_SHAPE, "position %d: a piece takes %s, want %s", o->position,
                     anet__shape_text(in, got), anet__shape_text(entry, want));
  if (!anet__shape_equal(out, exit))
    return anet_fail(ANET_SHAPE, "position %d: a piece makes %s, want %s", o->position,
                     anet__shape_text(out, got), anet__shape_text(exit, want));
  return ANET_OK;
}

int anet__supernet_add_piece(anet_supernet *supernet, const anet_option *option, anet_net *piece)
{
  anet_space *space = supernet->space;
  const int32_t options = space->options;
  ANET_TRY(check_blocks(supernet, option));
  ANET_TRY(anet__grow((void **)&supernet->piece, &supernet->piece_capacity, options,
                      sizeof(anet_net *)));
  ANET_TRY(anet__space_check(space, option)); /* so that its span may be used */
  ANET_TRY(check_piece(supernet, option, piece));
  ANET_TRY(anet__space_insert(space, option));
  const int32_t at = space->first[option->position + 1] - 1;
  memmove(supernet->piece + at + 1, supernet->piece + at,
          (size_t)(options - at) * sizeof(anet_net *));
  supernet->piece[at] = anet_net_retain(piece);
  return ANET_OK;
}

static int make_shrink(anet_supernet *s, const anet_option *o, const float *importance,
                       anet_net **out)
{
  anet_net **ranked = &s->ranked[o->position];
  if (!*ranked)
    ANET_TRY(anet__piece_rank(s->piece[s->space->first[o->position]], importance, ranked));
  return anet__piece_shrink(*ranked, o->width, out);
}

static int make_piece(anet_supernet *s, const anet_option *o, const float *importance,
                      anet_net **out)
{
  switch (o->kind) {
    case ANET_MERGE:
      return anet__piece_merge(s->blocks, o->position, o->span, out);
    case ANET_SHRINK:
      return make_shrink(s, o, importance, out);
    default:
      return anet__piece_skip(s->blocks, o->position, out);
  }
}

void anet_supernet_norms(anet_supernet *supernet, int32_t norms)
{
  supernet->norms = norms != 0;
}

int anet_supernet_add(anet_supernet *supernet, const anet_option *option, const float *importance)
{
  anet_option made = *option;
  anet_net *piece = NULL;
  ANET_TRY(check_blocks(supernet, option));
  ANET_TRY(anet__space_check(supernet->space, option));
  if (option->kind == ANET_INT8)
    return anet_fail(ANET_UNSUPPORTED,
                     "position %d: a block in bytes needs ranges: anet_supernet_quantize measures them",
                     option->position);
  int rc = make_piece(supernet, option, importance, &piece);
  if (!rc && supernet->norms) rc = anet__piece_renorm(&piece);
  if (rc) {
    anet_net_release(piece);
    return anet__fail_in(rc, "position %d", option->position);
  }
  rc = anet__piece_hidden(piece, &made.hidden);
  if (!rc) rc = anet__supernet_add_piece(supernet, &made, piece);
  anet_net_release(piece);
  return rc;
}

int anet_supernet_seal(anet_supernet *supernet)
{
  const anet_space *space = supernet->space;
  if (space->options == space->positions)
    return anet_fail(ANET_STATE, "supernet: nothing is elastic, all %d positions have keep alone",
                     space->positions);
  supernet->sealed = true;
  return ANET_OK;
}

/* ---- access ------------------------------------------------------------------------------------
 */

anet_net *anet_supernet_oracle(anet_supernet *supernet)
{
  return supernet->oracle;
}

anet_blocks *anet_supernet_blocks(anet_supernet *supernet)
{
  return supernet->blocks;
}

anet_space *anet_supernet_space(anet_supernet *supernet)
{
  return supernet->space;
}

anet_net *anet_supernet_piece(anet_supernet *supernet, int32_t option)
{
  return option >= 0 && option < supernet->space->options ? supernet->piece[option] : NULL;
}

/* ---- bytes --------------------------------------------------------------------------------------
 */

/* A walk over the parameters of the oracle and then of the options; keeps share the oracle's. */
typedef struct walk {
  const anet_supernet *supernet;
  int32_t option; /* -1: the oracle */
  int32_t node, param;
} walk;

static const anet_net *net_at(const walk *w)
{
  const anet_supernet *s = w->supernet;
  if (w->option < 0) return s->oracle;
  return s->space->option[w->option].kind == ANET_KEEP ? NULL : s->piece[w->option];
}

/* The memory of the next parameter, or NULL at the end. */
static const anet__storage *next_storage(walk *w)
{
  for (; w->option < w->supernet->space->options; w->option++, w->node = 0) {
    const anet_net *net = net_at(w);
    for (; net && w->node < net->count; w->node++, w->param = 0)
      if (w->param < net->node[w->node].params)
        return net->node[w->node].param[w->param++]->storage;
  }
  return NULL;
}

static bool seen_before(const walk *until, const anet__storage *storage)
{
  walk w = {.supernet = until->supernet, .option = -1};
  const anet__storage *before = next_storage(&w);
  while (before != storage) before = next_storage(&w);
  return w.option != until->option || w.node != until->node || w.param != until->param;
}

double anet_supernet_bytes(const anet_supernet *supernet)
{
  walk w = {.supernet = supernet, .option = -1};
  double bytes = 0;
  for (const anet__storage *s; (s = next_storage(&w));)
    if (!seen_before(&w, s)) bytes += (double)s->bytes;
  return bytes;
}
