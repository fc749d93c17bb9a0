/* Building a model of ONNX: nodes, their attributes, constants, and values in the order they are
 * stored. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "onnx/onnx_export.h"

enum { OUTPUTS = 2 }; /* most of a node */

/* Nodes of a net that came from such a file have names of this kind. */
static const char *made_name(anet__onnx_export *ex)
{
  const char *name;
  do name = anet__onnx_text(&ex->model.pool, "anet.part.%d", ++ex->parts);
  while (name && anet_net_find(ex->net, name) >= 0);
  return name;
}

const char *anet__onnx_emit(anet__onnx_export *ex, const char *op, const char *out,
                            const char *const *in, int32_t inputs)
{
  anet__onnx_model *m = &ex->model;
  anet__onnx_pool *pool = &m->pool;
  void *list = m->node;
  const int rc = anet__grow(&list, &ex->node_capacity, m->nodes, sizeof *m->node);
  m->node = list;
  if (rc) pool->rc = rc;
  if (rc) return NULL;
  anet__onnx_node *node = &m->node[m->nodes];
  *node = (anet__onnx_node){.op = op, .domain = "", .inputs = inputs, .outputs = 1};
  if (!out) out = made_name(ex);
  node->name = out;
  node->input = anet__onnx_take(pool, (size_t)inputs, sizeof *node->input);
  node->output = anet__onnx_take(pool, OUTPUTS, sizeof *node->output);
  node->attr = anet__onnx_take(pool, 8, sizeof *node->attr);
  if (!out || !node->input || !node->output || !node->attr) return NULL;
  for (int32_t i = 0; i < inputs; i++) {
    if (!in[i]) return NULL;
    node->input[i] = in[i];
  }
  node->output[0] = out;
  m->nodes++;
  return out;
}

const char *anet__onnx_emit_second(anet__onnx_export *ex)
{
  anet__onnx_node *node = &ex->model.node[ex->model.nodes - 1];
  const char *name = made_name(ex);
  ANET_ASSERT(node->outputs < OUTPUTS);
  if (name) node->output[node->outputs++] = name;
  return name;
}

const char *anet__onnx_emit_cast(anet__onnx_export *ex, const char *in, int32_t type,
                                 const char *out)
{
  const char *made = anet__onnx_emit(ex, "Cast", out, &in, 1);
  if (made) anet__onnx_emit_int(ex, "to", type);
  return made;
}

static anet__onnx_attr *add_attr(anet__onnx_export *ex, const char *name, anet__onnx_kind kind)
{
  anet__onnx_node *node = &ex->model.node[ex->model.nodes - 1];
  anet__onnx_attr *a = &node->attr[node->attrs++];
  *a = (anet__onnx_attr){.name = name, .kind = kind};
  return a;
}

int anet__onnx_emit_int(anet__onnx_export *ex, const char *name, int64_t value)
{
  add_attr(ex, name, ANET_ONNX_ATTR_INT)->i = value;
  return ANET_OK;
}

int anet__onnx_emit_real(anet__onnx_export *ex, const char *name, float value)
{
  add_attr(ex, name, ANET_ONNX_ATTR_REAL)->f = value;
  return ANET_OK;
}

int anet__onnx_emit_text(anet__onnx_export *ex, const char *name, const char *value)
{
  add_attr(ex, name, ANET_ONNX_ATTR_TEXT)->text = value;
  return ANET_OK;
}

int anet__onnx_emit_ints(anet__onnx_export *ex, const char *name, const int64_t *value,
                         int32_t count)
{
  int64_t *copy = anet__onnx_take(&ex->model.pool, (size_t)count, sizeof *copy);
  if (!copy) return ex->model.pool.rc;
  memcpy(copy, value, (size_t)count * sizeof *copy);
  anet__onnx_attr *a = add_attr(ex, name, ANET_ONNX_ATTR_INTS);
  a->ints = copy;
  a->count = (size_t)count;
  return ANET_OK;
}

/* "node.part", or where a node is called so, another name. */
static const char *part_name(anet__onnx_export *ex, int32_t value, const char *part)
{
  anet__onnx_pool *pool = &ex->model.pool;
  const char *name = anet__onnx_name(ex, value);
  if (!part[0]) return name;
  if (!(name = anet__onnx_text(pool, "%s.%s", name, part))) return NULL;
  char *free_one = anet__net_name_new(ex->net, name);
  if (!free_one) pool->rc = ANET_NOMEM;
  name = free_one ? anet__onnx_text(pool, "%s", free_one) : NULL;
  anet__free(free_one);
  return name;
}

const char *anet__onnx_emit_array(anet__onnx_export *ex, int32_t value, const char *part, bool real,
                                  int32_t rank, const int64_t *dim, anet__onnx_array **out)
{
  anet__onnx_model *m = &ex->model;
  void *list = m->initial;
  const int rc = anet__grow(&list, &ex->initial_capacity, m->initials, sizeof *m->initial);
  m->initial = list;
  if (rc) m->pool.rc = rc;
  if (rc || anet__onnx_array_new(&m->pool, real, rank, dim, out)) return NULL;
  const char *name = part_name(ex, value, part);
  if (name) m->initial[m->initials++] = (anet__onnx_named){name, *out};
  return name;
}

const char *anet__onnx_emit_number(anet__onnx_export *ex, int32_t value, const char *part, float k)
{
  anet__onnx_array *a;
  const char *name = anet__onnx_emit_array(ex, value, part, true, 0, NULL, &a);
  if (name) a->f[0] = k;
  return name;
}

const char *anet__onnx_emit_row(anet__onnx_export *ex, int32_t value, const char *part,
                                const int64_t *row, int32_t count)
{
  anet__onnx_array *a;
  const int64_t dim[1] = {count};
  const char *name = anet__onnx_emit_array(ex, value, part, false, 1, dim, &a);
  if (name) memcpy(a->i, row, (size_t)count * sizeof *row);
  return name;
}

/* Is there only one order of its elements? */
static bool is_trivial(const anet_shape *s)
{
  return s->rank != 3 || s->dim[2] == 1 || s->dim[0] * s->dim[1] == 1;
}

const char *anet__onnx_stored(anet__onnx_export *ex, int32_t value)
{
  static const int64_t perm[4] = {0, 2, 3, 1};
  const anet_shape *s = &anet__net_at(ex->net, value)->shape;
  const char *in[2] = {anet__onnx_name(ex, value)};
  if (s->rank != 3) return in[0];
  if (is_trivial(s)) {
    const int64_t dim[4] = {0, s->dim[0], s->dim[1], s->dim[2]};
    char part[32];
    snprintf(part, sizeof part, "nhwc.%d", ++ex->parts);
    in[1] = anet__onnx_emit_row(ex, value, part, dim, 4);
    return in[1] ? anet__onnx_emit(ex, "Reshape", NULL, in, 2) : NULL;
  }
  const char *out = anet__onnx_emit(ex, "Transpose", NULL, in, 1);
  return out && !anet__onnx_emit_ints(ex, "perm", perm, 4) ? out : NULL;
}

const char *anet__onnx_from_stored(anet__onnx_export *ex, const anet_shape *shape, const char *in,
                                   const char *out)
{
  static const int64_t perm[4] = {0, 3, 1, 2};
  const char *from[1] = {in};
  const bool image = shape->rank == 3;
  const char *made = anet__onnx_emit(ex, image ? "Transpose" : "Identity", out, from, 1);
  if (made && image && anet__onnx_emit_ints(ex, "perm", perm, 4)) return NULL;
  return made;
}
