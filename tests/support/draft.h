/* ONNX files made by hand, node by node, and what the nets that they become give. */
#ifndef ANET_DRAFT_H
#define ANET_DRAFT_H

#include <stdlib.h>

#include "onnx/onnx.h"
#include "support/scratch.h"
#include "support/test.h"

static char draft_folder[SCRATCH_PATH]; /* the test program makes and removes it */

enum { ATTRS = 4, ARRAYS = 8, NODES = 12 };

/* A model of one input "x" and one output "y". */
typedef struct draft {
  anet__onnx_model model;
  anet__onnx_face in, out;
  anet__onnx_node node[NODES];
  anet__onnx_attr attr[NODES][ATTRS];
  const char *name[NODES][8];
  anet__onnx_named initial[ARRAYS];
  anet__onnx_array array[ARRAYS];
} draft;

static inline void draft_new(draft *d, int64_t opset, int32_t rank, const int64_t *dim)
{
  *d = (draft){.model = {.pool = {.left = SIZE_MAX}, .opset = opset, .inputs = 1, .outputs = 1},
               .in = {.name = "x", .type = ANET_ONNX_FLOAT, .rank = rank},
               .out = {.name = "y", .type = ANET_ONNX_FLOAT, .rank = 2, .dim = {-1, 1}}};
  memcpy(d->in.dim, dim, (size_t)rank * sizeof *dim);
  d->model.input = &d->in;
  d->model.output = &d->out;
  d->model.node = d->node;
  d->model.initial = d->initial;
}

/* inputs: names with spaces between. */
static inline anet__onnx_node *draft_node(draft *d, const char *op, const char *inputs,
                                          const char *output)
{
  const int32_t at = d->model.nodes++;
  anet__onnx_node *node = &d->node[at];
  char *text = anet__onnx_text(&d->model.pool, "%s", inputs);
  d->name[at][0] = output;
  int32_t used = 1;
  for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) d->name[at][used++] = word;
  *node = (anet__onnx_node){.op = op,
                            .name = output,
                            .domain = "",
                            .input = d->name[at] + 1,
                            .output = d->name[at],
                            .inputs = used - 1,
                            .outputs = 1,
                            .attr = d->attr[at]};
  return node;
}

static inline void draft_int(anet__onnx_node *node, const char *name, int64_t value)
{
  node->attr[node->attrs++] =
      (anet__onnx_attr){.name = name, .kind = ANET_ONNX_ATTR_INT, .i = value};
}

static inline void draft_ints(anet__onnx_node *node, const char *name, const int64_t *value,
                              size_t count)
{
  node->attr[node->attrs++] =
      (anet__onnx_attr){.name = name, .kind = ANET_ONNX_ATTR_INTS, .ints = value, .count = count};
}

static inline void draft_array(draft *d, const char *name, int32_t rank, const int64_t *dim,
                               float *f, int64_t *i)
{
  anet__onnx_array *a = &d->array[d->model.initials];
  *a = (anet__onnx_array){.real = f != NULL, .rank = rank, .count = 1, .f = f, .i = i};
  for (int32_t k = 0; k < rank; k++) {
    a->dim[k] = dim[k];
    a->count *= (size_t)dim[k];
  }
  d->initial[d->model.initials++] = (anet__onnx_named){name, a};
}

static inline const char *draft_write(draft *d, char *path)
{
  test_scratch_path(draft_folder, "draft.onnx", path);
  CHECK_OK(anet__onnx_write(path, &d->model));
  anet__onnx_pool_free(&d->model.pool);
  return path;
}

static inline anet_net *draft_import(draft *d)
{
  char path[SCRATCH_PATH];
  anet_net *net = NULL;
  CHECK_OK(anet_net_import_onnx(draft_write(d, path), NULL, &net, NULL));
  return net;
}

static inline void draft_refused(draft *d, int status, const char *word)
{
  char path[SCRATCH_PATH];
  anet_net *net = NULL;
  CHECK_FAILS(anet_net_import_onnx(draft_write(d, path), NULL, &net, NULL), status, word);
  CHECK(net == NULL);
}

/* Imports a file and drops what it gives, for test_each_allocation. */
static inline int draft_drop(void *path)
{
  anet_net *net = NULL;
  anet_bundle *about = NULL;
  int rc = anet_bundle_new(&about);
  if (!rc) rc = anet_net_import_onnx(path, NULL, &net, about);
  anet_bundle_release(about);
  anet_net_release(net);
  return rc;
}

/* ---- what they give ------------------------------------------------------------------------- */

typedef struct outcome {
  float *out;
  size_t count; /* of all images */
  anet_shape shape;
} outcome;

/* The first output of n images; o.out is the caller's to free. */
static inline outcome run_net(anet_net *net, const float *const *in, int32_t n)
{
  outcome o = {0};
  anet_plan *plan = NULL;
  anet_workspace *work = NULL;
  CHECK_OK(anet_plan_new(net, n, &plan));
  CHECK_OK(anet_workspace_new(plan, NULL, &work));
  CHECK_OK(anet_plan_output_shape(plan, 0, &o.shape));
  o.count = (size_t)n;
  for (int32_t i = 0; i < o.shape.rank; i++) o.count *= (size_t)o.shape.dim[i];
  o.out = calloc(o.count, sizeof *o.out);
  CHECK_OK(anet_run(plan, work, in, &o.out, n));
  anet_workspace_release(work);
  anet_plan_release(plan);
  return o;
}

#endif
