/* The texts of a bundle, unwrapped so that damage meets them directly: a JSON object of texts
 * ("net", "supernet", "windows", "input", "table", "ladder"), and "tensors", a list of {"names": [...],
 * "shape": [...]}. */
#include <stdlib.h>
#include <string.h>

#include "anet.h"
#include "base/json.h"
#include "fuzz/fuzz.h"

const char door_name[] = "model";
/* A node that a net names in some 40 bytes takes some 500, one of a piece as much again; of a
 * tensor, the elements come beside that (MOST_ELEMENTS). */
const double door_ratio = 1000;

enum { MOST_ELEMENTS = 1 << 20 }; /* of all tensors */

static void put_tensor(anet_bundle *bundle, const json_t *entry, double *left)
{
  const json_t *dims = json_object_get(entry, "shape"), *names = json_object_get(entry, "names");
  anet_shape shape = {.rank = (int32_t)json_array_size(dims)};
  anet_tensor *tensor = NULL;
  double count = 1;
  if (json_array_size(dims) > ANET_MAX_RANK) return;
  for (int32_t i = 0; i < shape.rank; i++) {
    const json_int_t dim = json_integer_value(json_array_get(dims, (size_t)i));
    if (dim < 0 || dim > MOST_ELEMENTS) return;
    shape.dim[i] = (int32_t)dim;
    count *= (double)dim;
  }
  if (count > *left || anet_tensor_new(ANET_F32, &shape, &tensor)) return;
  *left -= count;
  for (size_t i = 0; i < json_array_size(names); i++) {
    const char *name = json_string_value(json_array_get(names, i));
    if (name) (void)anet_bundle_set_tensor(bundle, name, tensor);
  }
  anet_tensor_release(tensor);
}

static void fill(anet_bundle *bundle, json_t *json)
{
  const char *key;
  json_t *value;
  double left = MOST_ELEMENTS;
  json_object_foreach (json, key, value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    for (size_t i = 0; strcmp(key, "tensors") == 0 && i < json_array_size(value); i++)
      put_tensor(bundle, json_array_get(value, i), &left);
    if (text) (void)anet_bundle_set_text(bundle, key, text);
    free(text);
  }
}

void door_open(const uint8_t *data, size_t bytes)
{
  json_t *json = json_loadb((const char *)data, bytes, 0, NULL);
  anet_bundle *bundle = NULL;
  if (!json || anet_bundle_new(&bundle)) return json_decref(json);
  fill(bundle, json);
  fuzz_visit_bundle(bundle);
  anet_bundle_release(bundle);
  json_decref(json);
}
