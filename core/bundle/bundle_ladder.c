/* The ladder in a bundle: the text "ladder", {"oracle": rung, "rungs": [rung …]}, a rung being
 * {"genome", "predicted_ms", "measured_ms", "score", "calibrated"}; and the norm statistics of
 * calibrated rungs as tensors "ladder/number/node.mean" and "….var", numbers from 1 in the order of
 * the text. That order is fastest first, but was that of budgets, the oracle first, up to version
 * 0.1: what is read is put in order here. */
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "bundle/bundle.h"
#include "edge/ladder.h"
#include "elastic/space.h"
#include "graph/net.h"

enum { NAME_BYTES = 512, MOST_RUNGS = 256 };

/* A ladder as it was read. Rung i, fastest first, is entry order[i] of the list; genomes belong to
 * the JSON. */
typedef struct listing {
  json_t *json, *list; /* owned; borrowed from it */
  anet_rung face[MOST_RUNGS];
  int32_t order[MOST_RUNGS], count;
} listing;

static int read_rung(const json_t *json, anet_rung *out)
{
  ANET_TRY(anet__json_string(json, "genome", &out->genome));
  ANET_TRY(anet__json_number(json, "predicted_ms", &out->predicted_ms));
  ANET_TRY(anet__json_number(json, "measured_ms", &out->measured_ms));
  ANET_TRY(anet__json_number(json, "score", &out->accuracy));
  return anet__rung_check(out);
}

/* On failure too, the caller releases out->json. */
static int read_ladder(const anet_bundle *bundle, listing *out)
{
  out->json = NULL;
  ANET_TRY(anet__bundle_json(bundle, "ladder", &out->json));
  ANET_TRY(anet__json_array(out->json, "rungs", &out->list));
  const size_t count = json_array_size(out->list);
  if (count > MOST_RUNGS)
    return anet_fail(ANET_FORMAT, "bundle: a ladder of %zu rungs, at most %d", count, MOST_RUNGS);
  for (size_t i = 0; i < count; i++)
    ANET_TRY(read_rung(json_array_get(out->list, i), &out->face[i]));
  out->count = anet_rung_order(out->face, (int32_t)count, out->order);
  return ANET_OK;
}

/* The statistic of a norm that entry `index` has of its own, if it is one and there is. */
static int load_statistic(anet_bundle *bundle, anet_net *net, int32_t index, int32_t node,
                          int32_t param)
{
  const char *what = anet_net_param_name(net, node, param);
  char name[NAME_BYTES];
  if (strcmp(what, "mean") != 0 && strcmp(what, "var") != 0) return ANET_OK;
  snprintf(name, sizeof name, "ladder/%d/%s.%s", index + 1, net->node[node].name, what);
  anet_tensor *stored = anet_bundle_tensor(bundle, name);
  return stored ? anet_net_set_param(net, node, param, stored) : ANET_OK;
}

static int load_statistics(anet_bundle *bundle, anet_net *net, int32_t index)
{
  for (int32_t v = 0; v < net->count; v++)
    for (int32_t p = 0; net->node[v].op == ANET_OP_NORM && p < net->node[v].params; p++)
      ANET_TRY(load_statistic(bundle, net, index, v, p));
  return ANET_OK;
}

/* The net of rung `index`. */
static int load_rung(anet_bundle *bundle, anet_supernet *supernet, const listing *ladder,
                     int32_t index, anet_net **out)
{
  uint8_t genome[ANET_MAX_POSITIONS];
  const int32_t entry = ladder->order[index];
  const json_t *calibrated =
      json_object_get(json_array_get(ladder->list, (size_t)entry), "calibrated");
  ANET_TRY(anet_genome_parse(anet_supernet_space(supernet), ladder->face[entry].genome, genome));
  ANET_TRY(anet_supernet_subnet(supernet, genome, out));
  const int rc = json_is_true(calibrated) ? load_statistics(bundle, *out, entry) : ANET_OK;
  if (!rc) return ANET_OK;
  anet_net_release(*out);
  *out = NULL;
  return rc;
}

int anet_bundle_rung(anet_bundle *bundle, anet_supernet *supernet, int32_t index, anet_net **out)
{
  listing ladder;
  *out = NULL;
  int rc = read_ladder(bundle, &ladder);
  if (!rc && (index < 0 || index >= ladder.count))
    rc = anet_fail(ANET_RANGE, "bundle: rung %d of a ladder of %d", index, ladder.count);
  if (!rc) rc = load_rung(bundle, supernet, &ladder, index, out);
  json_decref(ladder.json);
  return rc;
}

/* Compile rung `index` and add it. */
static int add_rung(anet_bundle *bundle, anet_supernet *supernet, const listing *from,
                    int32_t index, int32_t max_batch, anet_ladder *ladder)
{
  anet_net *net = NULL;
  anet_plan *plan = NULL;
  ANET_TRY(load_rung(bundle, supernet, from, index, &net));
  int rc = anet_plan_new(net, max_batch, &plan);
  if (!rc) rc = anet_ladder_add(ladder, plan, &from->face[from->order[index]]);
  anet_plan_release(plan);
  anet_net_release(net);
  return rc;
}

int anet_bundle_ladder(anet_bundle *bundle, int32_t max_batch, anet_ladder **out)
{
  listing ladder;
  anet_supernet *supernet = NULL;
  *out = NULL;
  int rc = read_ladder(bundle, &ladder);
  if (!rc) rc = anet_bundle_supernet(bundle, &supernet);
  if (!rc) rc = anet_ladder_new(out);
  for (int32_t i = 0; !rc && i < ladder.count; i++)
    rc = add_rung(bundle, supernet, &ladder, i, max_batch, *out);
  if (rc) {
    anet_ladder_release(*out);
    *out = NULL;
  }
  anet_supernet_release(supernet);
  json_decref(ladder.json);
  return rc;
}
