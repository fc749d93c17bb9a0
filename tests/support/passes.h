/* The passes over a graph that a file can make long, each timed. */
#ifndef ANET_PASSES_H
#define ANET_PASSES_H

#include "base/clock.h"
#include "graph/blocks.h"
#include "graph/net.h"
#include "graph/simplify.h"
#include "support/long.h"
#include "support/scratch.h"

#define PASS_MAP(X)                                                                                \
  X(import)                                                                                        \
  X(partial) X(store) X(save) X(open) X(load) X(blocks) X(groups) X(simplify) X(extract) X(plan)   \
      X(tape) X(export_onnx) X(export_c) X(release)

enum {
#define X(name) PASS_##name,
  PASS_MAP(X)
#undef X
      PASSES
};

static const char *const pass_name[PASSES] = {
#define X(name) #name,
    PASS_MAP(X)
#undef X
};

typedef struct passes {
  long_shape shape;
  const char *model, *bundle, *out;
  anet_net *net, *back, *part;
  anet_bundle *about;
} passes;

static inline int pass_import(passes *p, bool partial)
{
  const anet_onnx_desc desc = {.partial = partial};
  anet_net_release(p->net);
  anet_bundle_release(p->about);
  CHECK_OK(anet_bundle_new(&p->about));
  return anet_net_import_onnx(p->model, &desc, &p->net, p->about);
}

static inline int pass_blocks(passes *p)
{
  anet_blocks *blocks = NULL;
  const int rc = anet_blocks_find(p->net, &blocks);
  anet_blocks_release(blocks);
  return rc;
}

static inline int pass_groups(passes *p)
{
  anet__groups groups;
  const int rc = anet__groups_find(p->net, &groups);
  if (!rc) anet__groups_free(&groups);
  return rc;
}

static inline int pass_extract(passes *p)
{
  const anet_net *net = p->net;
  return anet__net_extract(net, net->input, net->inputs, net->output, net->outputs, NULL, &p->part);
}

static inline int pass_plan(passes *p)
{
  anet_plan *plan = NULL;
  const int rc = anet_plan_new(p->net, 1, &plan);
  anet_plan_release(plan);
  return rc;
}

static inline int pass_tape(passes *p)
{
  anet_tape *tape = NULL;
  const int rc = anet_tape_new(p->net, 2, NULL, &tape);
  anet_tape_release(tape);
  return rc;
}

static inline int pass_simplify(passes *p)
{
  anet_net *simple = NULL;
  const int rc = anet__net_simplify(p->net, &simple);
  anet_net_release(simple);
  return rc;
}

static inline int pass_release(passes *p)
{
  anet_net_release(p->net);
  anet_net_release(p->back);
  anet_net_release(p->part);
  anet_bundle_release(p->about);
  return ANET_OK;
}

static inline int pass_run(passes *p, int pass)
{
  const anet_c_desc c = {.name = "long_net"};
  switch (pass) {
    case PASS_import:
      return pass_import(p, p->shape == LONG_tail); /* else it cannot be */
    case PASS_partial:
      return pass_import(p, true);
    case PASS_store:
      return anet_bundle_set_net(p->about, p->net);
    case PASS_save:
      return anet_bundle_save(p->about, p->bundle);
    case PASS_open:
      anet_bundle_release(p->about);
      p->about = NULL;
      return anet_bundle_open(p->bundle, &p->about);
    case PASS_load:
      return anet_bundle_net(p->about, &p->back);
    case PASS_blocks:
      return pass_blocks(p);
    case PASS_groups:
      return pass_groups(p);
    case PASS_simplify:
      return pass_simplify(p);
    case PASS_extract:
      return pass_extract(p);
    case PASS_plan:
      return pass_plan(p);
    case PASS_tape:
      return pass_tape(p);
    case PASS_export_onnx:
      return anet_net_export_onnx(p->net, p->out, p->about);
    case PASS_export_c:
      return anet_net_export_c(p->net, p->out, &c);
    default:
      return pass_release(p);
  }
}

/* ms (PASSES) of each. */
static inline void passes_time(long_shape shape, int32_t count, const char *folder, double *ms)
{
  char path[3][SCRATCH_PATH];
  passes p = {.shape = shape,
              .model = test_scratch_path(folder, "long.onnx", path[0]),
              .bundle = test_scratch_path(folder, "long.anet", path[1]),
              .out = test_scratch_path(folder, "long.c", path[2])};
  long_write(shape, count, p.model);
  for (int pass = 0; pass < PASSES; pass++) {
    const int64_t began = anet__now_ns();
    const int rc = pass_run(&p, pass);
    ms[pass] = (double)(anet__now_ns() - began) / 1e6;
    test_checks++;
    if (rc)
      TEST_FAIL("%s, %d nodes, %s: %s", long_name[shape], count, pass_name[pass], anet_error());
  }
}

#endif
