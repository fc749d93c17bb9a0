/* From a net to an ONNX file: node by node, and its border as the source had it. */
#include "onnx/onnx_export.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/quantized.h"
#include "onnx/onnx_border.h"

typedef anet__onnx_export exporter;

static const anet__node *at(const exporter *ex, int32_t value)
{
  return anet__net_at(ex->net, value);
}

static anet__onnx_face face_of(const exporter *ex, int32_t value)
{
  const anet_shape *s = &at(ex, value)->shape;
  anet__onnx_face face = {
      .name = at(ex, value)->name, .type = ANET_ONNX_FLOAT, .rank = s->rank + 1, .dim = {-1}};
  for (int32_t i = 0; i < s->rank; i++) face.dim[anet__onnx_axis_of(s->rank, i)] = s->dim[i];
  return face;
}

/* An output whose source numbered its axes otherwise: the value itself gets another name. */
typedef struct border {
  bool foreign;
  char *name;
  anet__layout layout;
  int64_t dim[ANET_ONNX_RANK];
} border;

static bool is_usual(const exporter *ex, int32_t value, const border *b)
{
  const anet__onnx_face face = face_of(ex, value);
  anet__layout usual;
  bool same = face.rank == b->layout.axes;
  for (int32_t a = 1; same && a < face.rank; a++) same = face.dim[a] == b->dim[a];
  if (!same || anet__layout_image(true, face.rank, face.dim, &usual)) return false;
  if (face.rank != 4 && anet__layout_natural(true, face.rank, face.dim, &usual)) return false;
  return usual.atoms == b->layout.atoms && anet__layout_is_order(&usual, b->layout.order);
}

static int read_border(exporter *ex, anet_net *part, int32_t value, const anet_bundle *about,
                       border *b)
{
  anet__node *node = &part->node[value];
  ANET_TRY(anet__onnx_border_read(about, node->name, (int64_t)anet__shape_size(&node->shape),
                                  &b->layout, b->dim, &b->foreign));
  b->foreign = b->foreign && !is_usual(ex, value, b);
  if (!b->foreign) return ANET_OK;
  const char *inner;
  ANET_MADE(inner = anet__onnx_text(&ex->model.pool, "%s.stored", node->name));
  b->name = anet__strdup(node->name);
  return b->name ? anet__net_rename(part, value, inner) : ANET_NOMEM;
}

/* From the order in which it is stored, over its atoms, to the source's axes. */
static int emit_border(exporter *ex, int32_t value, const border *b)
{
  const anet__layout *l = &b->layout;
  int64_t stored[ANET_ATOMS + 1] = {0}, perm[ANET_ATOMS + 1] = {0}, dim[ANET_ONNX_RANK];
  for (int32_t k = 0; k < l->atoms; k++) {
    stored[k + 1] = l->size[l->order[k]];
    perm[l->order[k] + 1] = k + 1;
  }
  memcpy(dim, b->dim, sizeof dim);
  dim[0] = 0;
  const char *in[2] = {anet__onnx_stored(ex, value),
                       anet__onnx_emit_row(ex, value, "atoms", stored, l->atoms + 1)};
  ANET_MADE(in[0] = anet__onnx_emit(ex, "Reshape", NULL, in, 2));
  ANET_MADE(in[0] = anet__onnx_emit(ex, "Transpose", NULL, in, 1));
  ANET_TRY(anet__onnx_emit_ints(ex, "perm", perm, l->atoms + 1));
  ANET_MADE(in[1] = anet__onnx_emit_row(ex, value, "dims", dim, l->axes));
  const char *name;
  ANET_MADE(name = anet__onnx_text(&ex->model.pool, "%s", b->name));
  ANET_MADE(anet__onnx_emit(ex, "Reshape", name, in, 2));
  anet__onnx_face *face = &ex->model.output[ex->model.outputs++];
  *face = (anet__onnx_face){.name = name, .type = ANET_ONNX_FLOAT, .rank = l->axes};
  memcpy(face->dim, b->dim, sizeof face->dim);
  return ANET_OK;
}

static int check_outputs(const exporter *ex)
{
  const anet_net *net = ex->net;
  for (int32_t i = 0; i < net->outputs; i++) {
    bool twice = at(ex, net->output[i])->op == ANET_OP_INPUT;
    for (int32_t k = 0; k < i; k++) twice |= net->output[k] == net->output[i];
    if (twice)
      return anet_fail(ANET_UNSUPPORTED, "output %d, '%s', is an input or another output", i,
                       at(ex, net->output[i])->name);
  }
  return ANET_OK;
}

/* What is the same for every image has a batch of 1. It must meet others in what broadcasts: gather
 * sees to it itself. */
static int check_batches(exporter *ex)
{
  const anet_net *net = ex->net;
  ANET_MADE(ex->alone = anet__onnx_take(&ex->model.pool, (size_t)net->count, sizeof *ex->alone));
  for (int32_t v = 0; v < net->count; v++) {
    const anet__node *node = at(ex, v);
    int32_t alone = 0, last = -1;
    for (int32_t i = 0; i < node->inputs; i++)
      if (ex->alone[node->in[i]]) alone++, last = node->in[i];
    ex->alone[v] = node->op != ANET_OP_INPUT && alone == node->inputs;
    const bool repeats = node->op == ANET_OP_ADD || node->op == ANET_OP_MUL ||
                         node->op == ANET_OP_MATMUL || node->op == ANET_OP_GATHER ||
                         (node->op >= ANET_OP_SUB && node->op <= ANET_OP_WHERE);
    if (alone && !ex->alone[v] && !repeats)
      return anet_fail(ANET_UNSUPPORTED,
                       "'%s' reads '%s', a constant, which it does not repeat for every image",
                       node->name, at(ex, last)->name);
  }
  for (int32_t i = 0; i < net->outputs; i++)
    if (ex->alone[net->output[i]])
      return anet_fail(ANET_UNSUPPORTED, "output '%s' is the same for every image: a constant",
                       at(ex, net->output[i])->name);
  return ANET_OK;
}

static int build(exporter *ex, const border *b)
{
  anet__onnx_model *m = &ex->model;
  const anet_net *net = ex->net;
  ANET_TRY(check_batches(ex));
  ANET_MADE(m->input = anet__onnx_take(&m->pool, (size_t)net->inputs, sizeof *m->input));
  ANET_MADE(m->output = anet__onnx_take(&m->pool, (size_t)net->outputs, sizeof *m->output));
  for (int32_t i = 0; i < net->inputs; i++) m->input[m->inputs++] = face_of(ex, net->input[i]);
  for (int32_t v = 0; v < net->count; v++) {
    anet__onnx_exporter *run = anet__onnx_exporter_find(at(ex, v)->op);
    const int rc = run ? run(ex, v) : ANET_OK;
    if (rc) return anet__node_fail(at(ex, v), rc);
  }
  for (int32_t i = 0; i < net->outputs; i++) {
    if (b[i].foreign)
      ANET_TRY(emit_border(ex, net->output[i], &b[i]));
    else
      m->output[m->outputs++] = face_of(ex, net->output[i]);
  }
  return ANET_OK;
}

/* What the outputs need, with weights as plans have them: a net of its own, whose names may be
 * changed. */
static int extract(const anet_net *net, anet_net **out)
{
  anet_net *part = NULL;
  *out = NULL;
  ANET_TRY(anet__net_extract(net, net->input, net->inputs, net->output, net->outputs, NULL, &part));
  const int rc = anet__quantized_round(part, out);
  anet_net_release(part);
  return rc;
}

int anet_net_export_onnx(const anet_net *net, const char *path, const anet_bundle *about)
{
  exporter ex = {.model = {.pool = {.left = SIZE_MAX}, .opset = ANET_ONNX_OPSET}};
  border b[ANET_MAX_OUTPUTS] = {0};
  anet_net *part = NULL;
  void *tail = NULL;
  int rc = extract(net, &part);
  ex.net = part;
  if (!rc) rc = check_outputs(&ex);
  for (int32_t i = 0; !rc && i < part->outputs; i++)
    rc = read_border(&ex, part, part->output[i], about, &b[i]);
  if (!rc) rc = build(&ex, b);
  if (!rc) rc = anet__onnx_tail_read(about, &ex.model.pool, &tail);
  ex.model.tail = tail;
  if (!rc) rc = anet__onnx_write(path, &ex.model);
  for (int32_t i = 0; i < ANET_MAX_OUTPUTS; i++) anet__free(b[i].name);
  anet__free(ex.model.node);
  anet__free(ex.model.initial);
  anet__onnx_free(&ex.model);
  anet_net_release(part);
  return rc;
}
