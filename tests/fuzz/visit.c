#include <stdlib.h>

#include "anet.h"
#include "fuzz/fuzz.h"

/* What is cheap enough to run on every input. */
static const double MOST_MACS = 1e5, MOST_BYTES = 1e5;

static float *room(const anet_shape *shape)
{
  size_t count = 1;
  for (int32_t i = 0; i < shape->rank; i++) count *= (size_t)shape->dim[i];
  return calloc(count ? count : 1, sizeof(float));
}

static void run(const anet_plan *plan)
{
  anet_plan_info info;
  anet_workspace *work = NULL;
  float *in[ANET_MAX_INPUTS] = {0}, *out[ANET_MAX_OUTPUTS] = {0};
  anet_shape shape;
  anet_plan_read(plan, &info);
  for (int32_t i = 0; i < info.inputs; i++)
    if (!anet_plan_input_shape(plan, i, &shape)) in[i] = room(&shape);
  for (int32_t i = 0; i < info.outputs; i++)
    if (!anet_plan_output_shape(plan, i, &shape)) out[i] = room(&shape);
  if (!anet_workspace_new((anet_plan *)plan, NULL, &work))
    (void)anet_run(plan, work, (const float *const *)in, out, 1);
  anet_workspace_release(work);
  for (int32_t i = 0; i < info.inputs; i++) free(in[i]);
  for (int32_t i = 0; i < info.outputs; i++) free(out[i]);
}

void fuzz_visit(anet_net *net)
{
  anet_blocks *blocks = NULL;
  anet_plan *plan = NULL;
  anet_cost cost;
  anet_block block;
  anet_net_cost(net, &cost);
  if (!anet_blocks_find(net, &blocks))
    for (int32_t i = 0; i < anet_blocks_count(blocks); i++)
      (void)anet_blocks_get(blocks, i, &block);
  anet_blocks_release(blocks);
  const int cheap = cost.macs <= MOST_MACS && cost.activation_bytes <= MOST_BYTES;
  if (!anet_plan_new(net, 1, &plan) && cheap) run(plan);
  anet_plan_release(plan);
}

void fuzz_visit_bundle(anet_bundle *bundle)
{
  anet_net *net = NULL, *rung = NULL;
  anet_supernet *supernet = NULL;
  anet_table *table = NULL;
  anet_input input;
  (void)anet_bundle_input(bundle, &input);
  (void)anet_bundle_table(bundle, &table);
  if (!anet_bundle_net(bundle, &net)) fuzz_visit(net);
  if (!anet_bundle_supernet(bundle, &supernet)) {
    fuzz_visit(anet_supernet_oracle(supernet));
    (void)anet_bundle_rung(bundle, supernet, 0, &rung);
  }
  anet_supernet_release(supernet);
  anet_net_release(net);
  anet_net_release(rung);
  anet_table_release(table);
}
