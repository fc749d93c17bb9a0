/* Dominators and regions of random graphs against what their definitions say, word for word. */
#include "graph/flow.h"

#include "base/rng.h"
#include "graph/tree.h"
#include "support/nets.h"

enum { MOST = 60 };

/* ---- trees --------------------------------------------------------------------------------------
 */

TEST(ancestors)
{
  enum { NODES = 500 };
  anet__tree tree;
  anet_rng rng;
  anet_rng_seed(&rng, 1);
  for (int32_t shape = 0; shape < 3; shape++) {
    CHECK_OK(anet__tree_new(NODES, &tree));
    for (int32_t n = 1; n < NODES; n++)
      anet__tree_hang(&tree, n,
                      shape == 0   ? n - 1
                      : shape == 1 ? n / 2
                                   : anet_rng_int(&rng, 0, n - 1));
    for (int32_t i = 0; i < 4000; i++) {
      int32_t a = anet_rng_int(&rng, 0, NODES - 1), b = anet_rng_int(&rng, 0, NODES - 1), x = a,
              y = b;
      const int32_t depth = anet_rng_int(&rng, 0, tree.depth[a]);
      while (x != y)
        if (tree.depth[x] >= tree.depth[y])
          x = tree.parent[x];
        else
          y = tree.parent[y];
      CHECK_EQ_I(anet__tree_meet(&tree, a, b), x);
      for (x = a; tree.depth[x] > depth;) x = tree.parent[x];
      CHECK_EQ_I(anet__tree_up(&tree, a, depth), x);
    }
    anet__tree_free(&tree);
  }
}

/* ---- graphs -------------------------------------------------------------------------------------
 */

/* Nodes of one or two inputs, mostly of what came just before; some are outputs, some are read by
 * nobody. */
static anet_net *random_net(anet_rng *rng, int32_t inputs)
{
  static const char *const one[] = {"relu", "sigmoid", "identity", "resize"};
  anet_net *net = NULL;
  const int32_t count = anet_rng_int(rng, 3, MOST - 1), reach = anet_rng_int(rng, 1, 12);
  CHECK_OK(anet_net_new(&net));
  for (int32_t i = 0; i < inputs; i++) {
    int32_t value;
    CHECK_OK(anet_net_input(net, NULL, &(anet_shape){3, {2, 2, 1}}, &value));
  }
  while (net->count < count) {
    const int32_t last = net->count - 1;
    const int32_t a = anet_rng_int(rng, ANET_MAX(0, last - reach), last),
                  b = anet_rng_int(rng, ANET_MAX(0, last - reach), last);
    const int32_t kind = anet_rng_int(rng, 0, 20);
    const anet_attr same = {.dim = {2, 2}};
    int32_t value, in[2] = {a, b};
    if (kind < 9)
      CHECK_OK(anet_net_add(net, kind % 2 ? "add" : "mul", NULL, NULL, in, 2, &value));
    else
      CHECK_OK(anet_net_add(net, kind == 20 ? "resize" : one[kind % 3], NULL,
                            kind == 20 ? &same : NULL, in, 1, &value));
  }
  for (int32_t i = anet_rng_int(rng, 1, 3); i > 0; i--)
    CHECK_OK(anet_net_output(net, i == 1 ? net->count - 1 : anet_rng_int(rng, 0, net->count - 1)));
  return net;
}

/* reach[a][b]: is there a way from a to b that does not touch `without`? */
static void find_reach(const anet_net *net, int32_t without, bool reach[MOST][MOST])
{
  for (int32_t a = 0; a < net->count; a++)
    for (int32_t b = 0; b < net->count; b++) {
      reach[a][b] = a == b && a != without;
      for (int32_t i = 0; b > a && b != without && i < net->node[b].inputs; i++)
        reach[a][b] |= reach[a][net->node[b].in[i]];
    }
}

/* Does every way from where nothing comes before to v touch d? */
static bool dominates(const anet_net *net, int32_t d, int32_t v)
{
  bool reach[MOST][MOST];
  if (d == v) return false;
  find_reach(net, d, reach);
  for (int32_t s = 0; s < net->count; s++)
    if (net->node[s].inputs == 0 && reach[s][v]) return false;
  return true;
}

typedef struct naive {
  int32_t dominator[MOST], next[MOST];
  bool closed[MOST];
} naive;

/* Between entry and exit: what comes of the one and leads to the other. */
static bool is_inside(const anet_net *net, bool reach[MOST][MOST], int32_t entry, int32_t exit,
                      int32_t v)
{
  return v > entry && v < exit && v < net->count && reach[v][exit];
}

static void find_naive(const anet_net *net, const int32_t *readers, naive *n)
{
  bool reach[MOST][MOST];
  for (int32_t v = 0; v < net->count; v++) {
    n->dominator[v] = n->next[v] = -1;
    n->closed[v] = false;
    for (int32_t d = 0; d < v; d++)
      if (dominates(net, d, v)) n->dominator[v] = d;
  }
  for (int32_t v = 0; v < net->count; v++) {
    const int32_t entry = n->dominator[v];
    bool nest = false;
    if (net->node[v].inputs < 2 || entry < 0) continue;
    n->closed[v] = true;
    find_reach(net, entry, reach);
    for (int32_t u = entry + 1; u < v; u++) {
      int32_t reads = 0;
      if (!is_inside(net, reach, entry, v, u)) continue;
      for (int32_t r = u + 1; r <= v; r++)
        for (int32_t i = 0;
             (r == v || is_inside(net, reach, entry, v, r)) && i < net->node[r].inputs; i++)
          reads += net->node[r].in[i] == u;
      n->closed[v] &= reads == readers[u];
      nest |= net->node[u].op == ANET_OP_RESIZE;
      nest |= net->node[u].op == ANET_OP_ADD && n->closed[u] && n->dominator[u] != entry;
    }
    if (n->closed[v] && !nest) n->next[entry] = v;
  }
}

TEST(regions_are_what_they_should_be)
{
  anet_rng rng;
  int32_t closed = 0, regions = 0;
  for (int32_t seed = 0; seed < 400; seed++) {
    naive want;
    anet__flow flow;
    anet_rng_seed(&rng, seed);
    anet_net *net = random_net(&rng, seed % 7 == 0 ? 2 : 1);
    CHECK_OK(anet__flow_find(net, &flow));
    find_naive(net, flow.readers, &want);
    for (int32_t v = 0; v < net->count; v++) {
      test_checks++;
      if (flow.dominator[v] != want.dominator[v])
        TEST_FAIL("seed %d: dominator of %d is %d, want %d", seed, v, flow.dominator[v],
                  want.dominator[v]);
      if (want.next[v] >= 0 && flow.next[v] != want.next[v])
        TEST_FAIL("seed %d: the region of %d ends at %d, want %d", seed, v, flow.next[v],
                  want.next[v]);
      if (want.next[v] < 0 && flow.next[v] >= 0 && net->node[flow.next[v]].inputs != 1)
        TEST_FAIL("seed %d: a region of %d ends at %d, want none", seed, v, flow.next[v]);
      closed += want.closed[v];
      regions += want.next[v] >= 0;
    }
    anet__flow_free(&flow);
    anet_net_release(net);
  }
  printf("%d closed regions, %d of them steps of chains\n", closed, regions);
  CHECK(closed > 500 && regions > 300 && closed > regions + 100);
}

TEST_MAIN(CASE(ancestors), CASE(regions_are_what_they_should_be))
