/* The oracle cut at the blocks' boundaries. A walk over a genome keeps a frame of the oracle's
 * values that are alive: it begins with the oracle's inputs; a segment reads some of them and
 * writes others; an option reads its first block's entry and writes its last block's exit. In a
 * chain one value is alive at a time; a value that was tapped stays in the frame until its readers
 * have run. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/supernet.h"

typedef struct cutter {
  const anet_supernet *supernet;
  int32_t *at;    /* (count) a frozen node runs when the walk reaches this position; blocks' nodes
                     and inputs: -1; owned */
  int32_t *until; /* (count) values: the position that they are alive at; owned */
} cutter;

/* A frozen node runs as soon as what it reads is there, so that the paths that share a beginning
 * share it too. */
static void place_nodes(cutter *c)
{
  const anet_net *oracle = c->supernet->oracle;
  const anet_blocks *blocks = c->supernet->blocks;
  for (int32_t p = 0; p < blocks->count; p++) {
    for (int32_t n = 0; n < blocks->block[p].face.nodes; n++) c->at[blocks->block[p].node[n]] = -1;
    c->until[blocks->block[p].face.exit] = p + 1;
  }
  for (int32_t v = 0; v < oracle->count; v++) {
    const anet__node *node = anet__net_at(oracle, v);
    if (node->op == ANET_OP_INPUT) c->at[v] = -1;
    if (c->at[v] < 0) continue;
    for (int32_t i = 0; i < node->inputs; i++) c->at[v] = ANET_MAX(c->at[v], c->until[node->in[i]]);
    c->until[v] = c->at[v];
  }
}

static int append_value(int32_t value, int32_t most, int32_t *list, int32_t *count)
{
  for (int32_t i = 0; i < *count; i++)
    if (list[i] == value) return ANET_OK;
  if (*count == most)
    return anet_fail(ANET_UNSUPPORTED, "supernet: over %d values pass a boundary", most);
  list[(*count)++] = value;
  return ANET_OK;
}

static int find_reads(const cutter *c, anet__segment *s)
{
  const anet_net *oracle = c->supernet->oracle;
  for (int32_t v = 0; v < oracle->count; v++) {
    const anet__node *node = anet__net_at(oracle, v);
    for (int32_t i = 0; c->at[v] == s->at && i < node->inputs; i++)
      if (c->at[node->in[i]] != s->at)
        ANET_TRY(append_value(node->in[i], ANET_MAX_INPUTS, s->read, &s->reads));
  }
  return ANET_OK;
}

/* Values that blocks, later segments and the oracle's readers want. */
static int find_writes(const cutter *c, anet__segment *s)
{
  const anet_net *oracle = c->supernet->oracle;
  for (int32_t v = 0; v < oracle->count; v++) {
    const anet__node *node = anet__net_at(oracle, v);
    for (int32_t i = 0; c->at[v] != s->at && i < node->inputs; i++)
      if (c->at[node->in[i]] == s->at)
        ANET_TRY(append_value(node->in[i], ANET_MAX_OUTPUTS, s->write, &s->writes));
  }
  for (int32_t i = 0; i < oracle->outputs; i++)
    if (c->at[oracle->output[i]] == s->at)
      ANET_TRY(append_value(oracle->output[i], ANET_MAX_OUTPUTS, s->write, &s->writes));
  return ANET_OK;
}

static int add_segment(const cutter *c, int32_t at, anet__segments *out)
{
  anet__segment *s = &out->segment[out->count];
  *s = (anet__segment){.at = at};
  ANET_TRY(find_reads(c, s));
  ANET_TRY(find_writes(c, s));
  if (s->writes == 0) return ANET_OK; /* no nodes there, or none that anyone reads */
  ANET_TRY(anet__net_extract(c->supernet->oracle, s->read, s->reads, s->write, s->writes, NULL,
                             &s->net));
  out->count++;
  return ANET_OK;
}

static int cut(cutter *c, anet__segments *out)
{
  const int32_t positions = c->supernet->blocks->count;
  const size_t count = (size_t)c->supernet->oracle->count;
  c->at = anet__alloc_array(count, sizeof *c->at);
  c->until = anet__alloc_array(count, sizeof *c->until);
  out->segment = anet__alloc_array((size_t)positions + 1, sizeof *out->segment);
  if (!c->at || !c->until || !out->segment) return ANET_NOMEM;
  place_nodes(c);
  for (int32_t at = 0; at <= positions; at++) ANET_TRY(add_segment(c, at, out));
  return ANET_OK;
}

int anet__supernet_segments(const anet_supernet *supernet, anet__segments *out)
{
  cutter c = {.supernet = supernet};
  *out = (anet__segments){0};
  const int rc = cut(&c, out);
  anet__free(c.at);
  anet__free(c.until);
  if (rc) anet__segments_free(out);
  return rc;
}

void anet__segments_free(anet__segments *segments)
{
  for (int32_t i = 0; i < segments->count; i++) anet_net_release(segments->segment[i].net);
  anet__free(segments->segment);
  *segments = (anet__segments){0};
}
