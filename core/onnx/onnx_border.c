#include "onnx/onnx_border.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "bundle/bundle.h"

/* ---- writing -------------------------------------------------------------------------------- */

static json_t *face_json(const anet__onnx_value *v)
{
  const char *type = anet__onnx_type_name(anet__onnx_type_of(v));
  const anet__layout *l = &v->layout;
  json_t *dims = json_array(), *atoms = json_array(), *order = json_array();
  for (int32_t a = l->batch ? 1 : 0; a < l->axes; a++)
    dims = anet__json_push(dims, json_integer(anet__layout_dim(l, a)));
  for (int32_t i = 0; i < l->atoms; i++) {
    atoms = anet__json_push(atoms, json_integer(l->size[i]));
    order = anet__json_push(order, json_integer(l->order[i]));
  }
  return json_pack("{s:o, s:s, s:b, s:o, s:o, s:o}", "name", anet__json_message(v->name), "type",
                   type ? type : "float", "batch", (int)l->batch, "dims", dims, "atoms", atoms,
                   "order", order);
}

static json_t *faces_json(const anet__onnx_import *im, const anet__onnx_face *face, int32_t count)
{
  json_t *list = json_array();
  for (int32_t i = 0; i < count; i++) {
    const anet__onnx_value *value = anet__onnx_find(im, face[i].name);
    if (value && !value->array) list = anet__json_push(list, face_json(value));
  }
  return list;
}

int anet__onnx_border_write(const anet__onnx_import *im, anet_bundle *about)
{
  const anet__onnx_model *m = &im->model;
  return anet__bundle_set_json(about, "border",
                               json_pack("{s:s, s:I, s:o, s:o, s:o}", "format", "onnx", "opset",
                                         (json_int_t)m->opset, "producer",
                                         anet__json_message(m->producer), "inputs",
                                         faces_json(im, m->input, m->inputs), "outputs",
                                         faces_json(im, m->output, m->outputs)));
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Whole numbers of an array, low .. high each; -1: they are not. */
static int32_t read_numbers(const json_t *face, const char *key, int64_t low, int64_t high,
                            int32_t most, int64_t *out)
{
  const json_t *array = json_object_get(face, key);
  if (!json_is_array(array) || json_array_size(array) > (size_t)most) return -1;
  const int32_t count = (int32_t)json_array_size(array);
  for (int32_t i = 0; i < count; i++) {
    const json_t *item = json_array_get(array, (size_t)i);
    out[i] = json_integer_value(item);
    if (!json_is_integer(item) || out[i] < low || out[i] > high) return -1;
  }
  return count;
}

static bool read_layout(const json_t *face, int64_t count, anet__layout *l, int64_t *dim)
{
  int64_t atom[ANET_ATOMS], order[ANET_ATOMS], all = 1;
  int32_t seen = 0;
  anet__layout flat;
  dim[0] = -1;
  const int32_t axes = read_numbers(face, "dims", 1, INT32_MAX, ANET_ONNX_RANK - 1, dim + 1);
  const int32_t atoms = read_numbers(face, "atoms", 2, INT32_MAX, ANET_ATOMS, atom);
  if (axes < 0 || atoms < 0 || !json_is_true(json_object_get(face, "batch"))) return false;
  if (read_numbers(face, "order", 0, atoms - 1, ANET_ATOMS, order) != atoms) return false;
  flat = (anet__layout){.batch = true, .axes = 1, .atoms = atoms, .first = {0, atoms}};
  for (int32_t i = 0; i < atoms; i++) {
    if ((all *= atom[i]) > count) return false;
    flat.size[i] = (int32_t)atom[i];
    flat.order[i] = (int32_t)order[i];
    seen |= 1 << order[i];
  }
  return all == count && seen == (1 << atoms) - 1 && anet__layout_reshape(&flat, axes + 1, dim, l);
}

int anet__onnx_border_read(const anet_bundle *about, const char *name, int64_t count,
                           anet__layout *layout, int64_t *dim, bool *found)
{
  json_t *json = NULL;
  *found = false;
  if (!about || !anet_bundle_text(about, "border")) return ANET_OK;
  ANET_TRY(anet__bundle_json(about, "border", &json));
  const json_t *outputs = json_object_get(json, "outputs");
  for (size_t i = 0; i < json_array_size(outputs); i++) {
    const json_t *face = json_array_get(outputs, i);
    const char *own = json_string_value(json_object_get(face, "name"));
    if (own && strcmp(own, name) == 0) *found = read_layout(face, count, layout, dim);
  }
  json_decref(json);
  return ANET_OK;
}
