/* From a file to a net: its inputs, then node after node, then its outputs. */
#include "onnx/onnx_import.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/simplify.h"
#include "onnx/onnx_border.h"
#include "onnx/onnx_ops.def"
#include "onnx/onnx_partial.h"

/* ---- the tables ----------------------------------------------------------------------------- */

#define X(onnx, handler) anet__onnx_handler anet__onnx_op_##handler;
ANET_ONNX_OP_MAP(X)
#undef X

anet__onnx_handler *anet__onnx_handler_find(const char *op)
{
  static const struct {
    const char *name;
    anet__onnx_handler *handler;
  } table[] = {
#define X(onnx, handler) {#onnx, anet__onnx_op_##handler},
      ANET_ONNX_OP_MAP(X)
#undef X
  };
  for (int32_t i = 0; i < ANET_COUNT(table); i++)
    if (strcmp(table[i].name, op) == 0) return table[i].handler;
  return NULL;
}

/* ---- inputs --------------------------------------------------------------------------------- */

static int check_face(const anet__onnx_import *im, const anet__onnx_face *face)
{
  char text[ANET_SHAPE_TEXT];
  if (face->type && !anet__onnx_type_name(face->type))
    return anet__onnx_unsupported("input '%s' has element type %d, want numbers or booleans",
                                  face->name, face->type);
  if (face->rank < 0)
    return anet__onnx_unsupported("input '%s' has no shape; export the model with one", face->name);
  for (int32_t a = im->whole || face->rank < 2 ? 0 : 1; a < face->rank; a++)
    if (face->dim[a] < 0)
      return anet__onnx_unsupported(
          "input '%s' has shape %s: only the batch may stay open; export it "
          "with fixed sizes",
          face->name, anet__onnx_dims_text(face->rank, face->dim, text));
  return ANET_OK;
}

/* Images are stored with their channels last, all else as ONNX does. */
static int face_shape(const anet__onnx_face *face, bool batch, anet_shape *shape)
{
  *shape = (anet_shape){0};
  if (batch && face->rank == 4) {
    *shape = (anet_shape){3, {(int32_t)face->dim[2], (int32_t)face->dim[3], (int32_t)face->dim[1]}};
    return ANET_OK;
  }
  for (int32_t a = batch ? 1 : 0; a < face->rank; a++) {
    if (!batch && face->dim[a] == 1 && face->rank >= ANET_MAX_RANK) continue;
    if (shape->rank == ANET_MAX_RANK - 1)
      return anet__onnx_unsupported("input '%s' has %d axes", face->name, face->rank);
    shape->dim[shape->rank++] = (int32_t)face->dim[a];
  }
  if (shape->rank == 0) *shape = (anet_shape){1, {1}};
  return ANET_OK;
}

/* The value that the caller gives for an input, as an array; NULL: none. */
static int given_array(anet__onnx_import *im, const char *name, int32_t type,
                       anet__onnx_array **out)
{
  const bool real = !type || anet__onnx_is_real(type);
  const anet_onnx_desc *desc = im->desc;
  anet_tensor *value = NULL;
  int64_t dim[ANET_MAX_RANK];
  *out = NULL;
  for (int32_t i = 0; desc && i < desc->constants; i++)
    if (strcmp(desc->name[i], name) == 0) value = desc->value[i];
  if (!value) return ANET_OK;
  if (value->type != ANET_F32 || !anet_tensor_dense(value))
    return anet_fail(ANET_STATE, "the constant for input '%s' is no dense f32 tensor", name);
  for (int32_t i = 0; i < value->shape.rank; i++) dim[i] = value->shape.dim[i];
  im->model.pool.left += (size_t)anet_tensor_count(value) * sizeof(int64_t) + sizeof **out;
  ANET_TRY(anet__onnx_array_new(&im->model.pool, real, value->shape.rank, dim, out));
  if (type) (*out)->type = type;
  for (size_t i = 0; i < (*out)->count; i++) anet__onnx_put(*out, i, (double)anet__f32(value)[i]);
  return ANET_OK;
}

static int add_input(anet__onnx_import *im, const anet__onnx_face *face)
{
  anet__onnx_array *given;
  ANET_TRY(given_array(im, face->name, face->type, &given));
  if (given) {
    const anet__onnx_value constant = {.array = given, .node = -1};
    return anet__onnx_bind(im, face->name, &constant);
  }
  const bool batch = !im->whole && face->rank >= 2;
  anet__onnx_value value = {.type = face->type};
  anet_shape shape;
  ANET_TRY(check_face(im, face));
  ANET_TRY(batch && face->rank == 4
               ? anet__layout_image(true, 4, face->dim, &value.layout)
               : anet__layout_natural(batch, face->rank, face->dim, &value.layout));
  ANET_TRY(face_shape(face, batch, &shape));
  ANET_TRY(anet_net_input(im->net, face->name, &shape, &value.node));
  if (batch && face->dim[0] > 0) im->batch = face->dim[0];
  return anet__onnx_bind(im, face->name, &value);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static bool is_constant(anet__onnx_import *im, const anet__onnx_node *node)
{
  const anet__onnx_value *value;
  for (int32_t i = 0; i < node->inputs; i++)
    if (node->input[i][0] && (anet__onnx_get(im, node, i, &value) || !value->array)) return false;
  return true;
}

static bool is_own(const anet__onnx_node *node)
{
  return !node->domain[0] || strcmp(node->domain, "ai.onnx") == 0;
}

static const char *name_of(const anet__onnx_node *node)
{
  return node->name[0] ? node->name : node->outputs ? node->output[0] : "";
}

static int node_fail(const anet__onnx_import *im, const anet__onnx_node *node, int rc)
{
  return anet__fail_in(rc, "%s '%s' (opset %lld)", node->op, name_of(node),
                       (long long)im->model.opset);
}

static int no_handler(const anet__onnx_import *im, const anet__onnx_node *node)
{
  static const char *const advice =
      ": simplify the model (constant folding), export it with plain ops, name outputs before this "
      "node, or, where no convolution comes after it, leave it out (partial)";
  const bool own = is_own(node);
  const int rc = anet_fail(
      ANET_UNSUPPORTED, "op '%s%s%s' of node '%s' is not one this engine has%s",
      own ? "" : node->domain, own ? "" : ":", node->op, name_of(node), im->partial ? "" : advice);
  return node_fail(im, node, rc);
}

static bool is_known(const anet__onnx_node *node)
{
  return is_own(node) && (anet__onnx_handler_find(node->op) || anet__onnx_folder_find(node->op));
}

/* Before anything is built: a model that cannot be imported says so by its op, not by its inputs.
 */
static int check_ops(const anet__onnx_import *im)
{
  for (int32_t i = 0; i < im->model.nodes; i++)
    if (!is_known(&im->model.node[i])) return no_handler(im, &im->model.node[i]);
  return ANET_OK;
}

static int import_node(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_folder *folder = anet__onnx_folder_find(node->op);
  anet__onnx_handler *handler = anet__onnx_handler_find(node->op);
  const int32_t first = im->values;
  int rc = ANET_ABSENT;
  if (folder && (is_constant(im, node) || !handler)) rc = folder(im, node);
  if (rc == ANET_ABSENT && handler) rc = handler(im, node);
  if (rc == ANET_ABSENT) return no_handler(im, node);
  if (rc) return node_fail(im, node, rc);
  anet__onnx_set_types(im, node, first);
  return ANET_OK;
}

/* What cannot be imported is left out, and with it what reads it. */
static int import_or_leave(anet__onnx_import *im, int32_t index)
{
  const anet__onnx_node *node = &im->model.node[index];
  const char *why = anet__onnx_reads_left(im, node);
  char own[512];
  if (why) return anet__onnx_leave(im, index, why);
  const int rc = is_known(node) ? import_node(im, node) : no_handler(im, node);
  if (rc != ANET_UNSUPPORTED) return rc;
  snprintf(own, sizeof own, "%s", anet_error());
  return anet__onnx_leave(im, index, own);
}

static int add_or_leave(anet__onnx_import *im, const anet__onnx_face *face)
{
  const int rc = add_input(im, face);
  char why[512];
  if (rc != ANET_UNSUPPORTED || !im->partial) return rc;
  snprintf(why, sizeof why, "%s", anet_error());
  return anet__onnx_leave_input(im, face->name, why);
}

/* ---- outputs -------------------------------------------------------------------------------- */

/* Outputs lie as ONNX has them, or as images do: that is what the border can say. */
static int tidy(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v)
{
  int64_t dim[ANET_ONNX_RANK];
  anet__layout now, image, natural;
  anet__layout_dims(&v->layout, dim);
  const bool plain = anet__layout_reshape(&v->layout, v->layout.axes, dim, &now);
  ANET_TRY(anet__layout_natural(v->layout.batch, v->layout.axes, dim, &natural));
  ANET_TRY(anet__layout_image(v->layout.batch, v->layout.axes, dim, &image));
  const bool is_natural =
      plain && now.atoms == natural.atoms && anet__layout_is_order(&now, natural.order);
  const bool is_image = plain && v->layout.axes == 4 && now.atoms == image.atoms &&
                        anet__layout_is_order(&now, image.order);
  const bool as_image = v->layout.axes == 4 && v->layout.batch;
  if (!is_natural && !is_image) {
    ANET_TRY(as_image ? anet__onnx_store_image(im, node, v)
                      : anet__onnx_store_natural(im, node, v));
    now = as_image ? image : natural;
  }
  v->layout = now;
  return ANET_OK;
}

/* The name of an output belongs to its last node: who has it gets another. */
static int free_name(anet__onnx_import *im, const char *name)
{
  const int32_t owner = anet_net_find(im->net, name);
  if (owner < 0) return ANET_OK;
  const char *other = anet__onnx_text(&im->model.pool, "%s.inner", name);
  return other ? anet__net_rename(im->net, owner, other) : im->model.pool.rc;
}

/* The node of an output is called as the output is. An input that is an output too keeps its name.
 */
static int add_output(anet__onnx_import *im, const char *name)
{
  const char *input[1] = {name};
  const anet__onnx_node node = {
      .op = "output", .name = name, .input = input, .output = input, .inputs = 1, .outputs = 1};
  anet__onnx_value value;
  ANET_TRY(anet__onnx_get_value(im, &node, 0, &value));
  ANET_TRY(tidy(im, &node, &value));
  const anet__node *from = anet__net_at(im->net, value.node);
  const bool is_input = from->op == ANET_OP_INPUT;
  if (!is_input && strcmp(from->name, name) != 0) ANET_TRY(free_name(im, name));
  if (is_input || strcmp(anet__net_at(im->net, value.node)->name, name) != 0)
    ANET_TRY(anet__onnx_add(im, &node, "", "identity", NULL, &value.node, 1, &value.node));
  *anet__onnx_find(im, name) = value;
  return anet_net_output(im->net, value.node);
}

static int simplify(anet__onnx_import *im)
{
  anet_net *simple;
  ANET_TRY(anet__net_simplify(im->net, &simple));
  if (!simple) return ANET_OK;
  anet_net_release(im->net);
  im->net = simple;
  return ANET_OK;
}

static int build(anet__onnx_import *im)
{
  anet__onnx_model *m = &im->model;
  ANET_TRY(anet__onnx_name_outputs(m, im->desc));
  if (im->partial && !(im->why = anet__onnx_take(&m->pool, (size_t)m->nodes, sizeof *im->why)))
    return m->pool.rc;
  if (!im->partial) ANET_TRY(check_ops(im));
  for (int32_t i = 0; i < m->initials; i++) {
    const anet__onnx_value value = {.array = m->initial[i].array, .node = -1};
    ANET_TRY(anet__onnx_bind(im, m->initial[i].name, &value));
  }
  for (int32_t i = 0; i < m->inputs; i++) ANET_TRY(add_or_leave(im, &m->input[i]));
  for (int32_t i = 0; i < m->nodes; i++)
    ANET_TRY(im->partial ? import_or_leave(im, i) : import_node(im, &m->node[i]));
  if (im->partial) ANET_TRY(anet__onnx_cut_end(im));
  if (m->outputs == 0) return anet_fail(ANET_FORMAT, "it has no outputs");
  for (int32_t i = 0; i < m->outputs; i++) ANET_TRY(add_output(im, m->output[i].name));
  if (im->partial || (im->desc && im->desc->outputs)) ANET_TRY(anet__onnx_trim(im));
  return simplify(im);
}

/* ---- the public face ------------------------------------------------------------------------ */

static void drop(anet__onnx_import *im)
{
  anet_net_release(im->net);
  anet__free(im->value);
  anet__index_free(&im->names);
  anet__onnx_free(&im->model);
}

static int import_as(const char *path, const anet_onnx_desc *desc, bool whole, bool partial,
                     anet__onnx_import *im)
{
  *im = (anet__onnx_import){.desc = desc, .whole = whole, .partial = partial, .batch = -1};
  ANET_TRY(anet__onnx_read(path, &im->model));
  int rc = anet_net_new(&im->net);
  if (!rc) rc = build(im);
  if (rc == ANET_OK) return ANET_OK;
  drop(im);
  return anet__fail_in(rc, "'%s'", path);
}

/* Can axis 0 be taken for one more axis of a single image? */
static int is_fixed(const char *path, const anet_onnx_desc *desc, bool *out)
{
  anet__onnx_model m;
  bool fixed = true;
  ANET_TRY(anet__onnx_read(path, &m));
  for (int32_t i = 0; i < m.inputs; i++) {
    bool given = false;
    for (int32_t k = 0; desc && k < desc->constants; k++)
      given |= strcmp(desc->name[k], m.input[i].name) == 0;
    for (int32_t a = 0; !given && a < m.input[i].rank; a++) fixed &= m.input[i].dim[a] > 0;
  }
  anet__onnx_free(&m);
  *out = fixed;
  return ANET_OK;
}

/* As images of a batch, or else, where the file fixes all sizes, as one image of one axis more. */
static int import_either(const char *path, const anet_onnx_desc *desc, bool partial,
                         anet__onnx_import *im)
{
  char why[512];
  bool fixed;
  const int rc = import_as(path, desc, false, partial, im);
  if (rc != ANET_UNSUPPORTED && rc != ANET_SHAPE) return rc;
  snprintf(why, sizeof why, "%s", anet_error());
  ANET_TRY(is_fixed(path, desc, &fixed));
  const int whole = fixed ? import_as(path, desc, true, partial, im) : rc;
  if (whole == ANET_OK || whole == ANET_NOMEM) return whole;
  return anet_fail(rc, "%s", why);
}

int anet_net_import_onnx(const char *path, const anet_onnx_desc *desc, anet_net **out,
                         anet_bundle *about)
{
  anet__onnx_import im;
  *out = NULL;
  int rc = import_either(path, desc, false, &im);
  if (rc == ANET_UNSUPPORTED && desc && desc->partial) rc = import_either(path, desc, true, &im);
  if (rc) return rc;
  if (about) rc = anet__onnx_border_write(&im, about);
  if (!rc && about) rc = anet__onnx_left_write(&im, about);
  if (!rc && about) rc = anet_bundle_set_net(about, im.net);
  if (!rc) *out = anet_net_retain(im.net);
  drop(&im);
  return rc;
}

int anet_onnx_input(const char *path, int32_t index, char *name, int32_t bytes)
{
  anet__onnx_model m;
  ANET_TRY(anet__onnx_read(path, &m));
  const bool there = index >= 0 && index < m.inputs;
  const int rc = there ? ANET_OK
                       : anet_fail(ANET_ABSENT, "'%s': there is no input %d, it has %d", path,
                                   index, m.inputs);
  if (there && bytes > 0) snprintf(name, (size_t)bytes, "%s", m.input[index].name);
  anet__onnx_free(&m);
  return rc;
}
