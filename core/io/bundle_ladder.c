/* The ladder in a bundle: the text "ladder", {"rungs": [{"genome", "predicted_ms", "measured_ms", "score", "calibrated"}]},
 * and the norm statistics of calibrated rungs as tensors "ladder/number/node.mean" and "….var", numbers from 1. */
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "elastic/space.h"
#include "graph/net.h"
#include "io/bundle.h"

enum { NAME_BYTES = 512, MOST_RUNGS = 256 };

static int read_rungs(const anet_bundle *bundle, json_t **ladder, json_t **rungs)
{
  ANET_TRY(anet__bundle_json(bundle, "ladder", ladder));
  ANET_TRY(anet__json_array(*ladder, "rungs", rungs));
  if (json_array_size(*rungs) > MOST_RUNGS)
    return anet_fail(ANET_FORMAT, "bundle: a ladder of %zu rungs, at most %d", json_array_size(*rungs), MOST_RUNGS);
  return ANET_OK;
}

/* The statistic of a norm that rung `index` has of its own, if it is one and there is. */
static int load_statistic(anet_bundle *bundle, anet_net *net, int32_t index, int32_t node, int32_t param)
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

static int load_rung(anet_bundle *bundle, anet_supernet *supernet, const json_t *rung, int32_t index,
                     anet_net **out)
{
  uint8_t genome[ANET_MAX_POSITIONS];
  const char *text = NULL;
  ANET_TRY(anet__json_string(rung, "genome", &text));
  ANET_TRY(anet_genome_parse(anet_supernet_space(supernet), text, genome));
  ANET_TRY(anet_supernet_subnet(supernet, genome, out));
  const int rc = json_is_true(json_object_get(rung, "calibrated")) ? load_statistics(bundle, *out, index) : ANET_OK;
  if (!rc) return ANET_OK;
  anet_net_release(*out);
  *out = NULL;
  return rc;
}

int anet_bundle_rung(anet_bundle *bundle, anet_supernet *supernet, int32_t index, anet_net **out)
{
  json_t *ladder = NULL, *rungs = NULL;
  *out = NULL;
  int rc = read_rungs(bundle, &ladder, &rungs);
  if (!rc && (index < 0 || (size_t)index >= json_array_size(rungs)))
    rc = anet_fail(ANET_RANGE, "bundle: rung %d of a ladder of %zu", index, json_array_size(rungs));
  if (!rc) rc = load_rung(bundle, supernet, json_array_get(rungs, (size_t)index), index, out);
  json_decref(ladder);
  return rc;
}

/* Compile rung `index` and add it. */
static int add_rung(anet_bundle *bundle, anet_supernet *supernet, const json_t *json, int32_t index, int32_t max_batch,
                    anet_ladder *ladder)
{
  anet_rung rung = {0};
  anet_net *net = NULL;
  anet_plan *plan = NULL;
  ANET_TRY(anet__json_string(json, "genome", &rung.genome));
  ANET_TRY(anet__json_number(json, "predicted_ms", &rung.predicted_ms));
  ANET_TRY(anet__json_number(json, "measured_ms", &rung.measured_ms));
  ANET_TRY(anet__json_number(json, "score", &rung.accuracy));
  ANET_TRY(load_rung(bundle, supernet, json, index, &net));
  int rc = anet_plan_new(net, max_batch, &plan);
  if (!rc) rc = anet_ladder_add(ladder, plan, &rung);
  anet_plan_release(plan);
  anet_net_release(net);
  return rc;
}

int anet_bundle_ladder(anet_bundle *bundle, int32_t max_batch, anet_ladder **out)
{
  json_t *ladder = NULL, *rungs = NULL;
  anet_supernet *supernet = NULL;
  *out = NULL;
  int rc = read_rungs(bundle, &ladder, &rungs);
  if (!rc) rc = anet_bundle_supernet(bundle, &supernet);
  if (!rc) rc = anet_ladder_new(out);
  for (size_t i = 0; !rc && i < json_array_size(rungs); i++)
    rc = add_rung(bundle, supernet, json_array_get(rungs, i), (int32_t)i, max_batch, *out);
  if (!rc) rc = anet_ladder_sort(*out);
  if (rc) {
    anet_ladder_release(*out);
    *out = NULL;
  }
  anet_supernet_release(supernet);
  json_decref(ladder);
  return rc;
}
