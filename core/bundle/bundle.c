/* The bundle handle: texts and named tensors, saved and opened whole. */
#include <string.h>
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "bundle/bundle.h"
#include "tensor/tensor.h"

int anet_bundle_new(anet_bundle **out)
{
  *out = NULL;
  anet_bundle *bundle = anet__alloc(sizeof *bundle);
  if (!bundle) return ANET_NOMEM;
  bundle->text = json_object();
  if (!bundle->text) {
    anet__free(bundle);
    return anet_fail(ANET_NOMEM, "bundle: no memory for its texts");
  }
  *out = bundle;
  return ANET_OK;
}

void anet_bundle_release(anet_bundle *bundle)
{
  if (!bundle) return;
  for (int32_t i = 0; i < bundle->entries; i++) {
    anet__free(bundle->entry[i].name);
    anet_tensor_release(bundle->entry[i].tensor);
  }
  anet__free(bundle->entry);
  anet__index_free(&bundle->names);
  anet__index_free(&bundle->storages);
  json_decref(bundle->text);
  anet__free(bundle);
}

int anet_bundle_open(const char *path, anet_bundle **out)
{
  anet_bundle *bundle = NULL;
  *out = NULL;
  ANET_TRY(anet_bundle_new(&bundle));
  int rc = anet__safetensors_read(path, bundle);
  if (rc)
    anet_bundle_release(bundle);
  else
    *out = bundle;
  return rc;
}

int anet_bundle_save(anet_bundle *bundle, const char *path)
{
  return anet__safetensors_write(path, bundle);
}

int anet_bundle_set_text(anet_bundle *bundle, const char *key, const char *text)
{
  if (!text) return json_object_del(bundle->text, key), ANET_OK;
  if (!anet__json_is_text(key) || !anet__json_is_text(text))
    return anet_fail(ANET_FORMAT, "bundle: the text of '%s' is not UTF-8", key);
  if (json_object_set_new(bundle->text, key, json_string(text)))
    return anet_fail(ANET_NOMEM, "bundle: no memory for the text of '%s'", key);
  return ANET_OK;
}

const char *anet_bundle_text(const anet_bundle *bundle, const char *key)
{
  return json_string_value(json_object_get(bundle->text, key));
}

int anet__bundle_set_json(anet_bundle *bundle, const char *key, json_t *value)
{
  char *text = anet__json_text(value);
  json_decref(value);
  if (!text) return anet_fail(ANET_NOMEM, "bundle: no memory for the text of '%s'", key);
  int rc = anet_bundle_set_text(bundle, key, text);
  anet__free(text);
  return rc;
}

int anet__bundle_json(const anet_bundle *bundle, const char *key, json_t **out)
{
  const char *text = anet_bundle_text(bundle, key);
  *out = NULL;
  if (!text) return anet_fail(ANET_ABSENT, "bundle: it holds no %s", key);
  return anet__json_parse(text, strlen(text), key, out);
}

static anet__entry *find_entry(const anet_bundle *bundle, const char *name)
{
  const uint64_t hash = anet__hash_text(ANET_HASH_NONE, name);
  for (int32_t i = -1; (i = anet__index_find(&bundle->names, hash, i)) >= 0;) {
    anet__entry *entry = &bundle->entry[bundle->names.item[i].value];
    if (strcmp(entry->name, name) == 0) return entry;
  }
  return NULL;
}

const char *anet__bundle_stored(const anet_bundle *bundle, const struct anet__storage *storage)
{
  const uint64_t hash = anet__hash_pointer(storage);
  int32_t first = INT32_MAX;
  for (int32_t i = -1; (i = anet__index_find(&bundle->storages, hash, i)) >= 0;) {
    const int32_t entry = bundle->storages.item[i].value;
    if (bundle->entry[entry].tensor->storage == storage) first = ANET_MIN(first, entry);
  }
  return first == INT32_MAX ? NULL : bundle->entry[first].name;
}

static int add_entry(anet_bundle *bundle, const char *name, anet_tensor *tensor)
{
  ANET_TRY(anet__grow((void **)&bundle->entry, &bundle->capacity, bundle->entries,
                      sizeof *bundle->entry));
  char *copy = anet__strdup(name);
  if (!copy) return ANET_NOMEM;
  const int rc =
      anet__index_add(&bundle->names, anet__hash_text(ANET_HASH_NONE, name), bundle->entries);
  if (rc) {
    anet__free(copy);
    return rc;
  }
  bundle->entry[bundle->entries++] = (anet__entry){copy, anet_tensor_retain(tensor)};
  return ANET_OK;
}

int anet_bundle_set_tensor(anet_bundle *bundle, const char *name, anet_tensor *tensor)
{
  if (!name[0] || name[0] == '_')
    return anet_fail(ANET_RANGE, "bundle: '%s' cannot name a tensor: empty or with a leading '_'",
                     name);
  if (!anet__json_is_text(name))
    return anet_fail(ANET_FORMAT, "bundle: the name '%s' of a tensor is not UTF-8", name);
  anet__entry *entry = find_entry(bundle, name);
  const int32_t number = entry ? (int32_t)(entry - bundle->entry) : bundle->entries;
  if (entry && entry->tensor == tensor) return ANET_OK;
  ANET_TRY(anet__index_add(&bundle->storages, anet__hash_pointer(tensor->storage), number));
  if (!entry) return add_entry(bundle, name, tensor);
  anet_tensor_retain(tensor);
  anet_tensor_release(entry->tensor);
  entry->tensor = tensor;
  return ANET_OK;
}

anet_tensor *anet_bundle_tensor(anet_bundle *bundle, const char *name)
{
  const anet__entry *entry = find_entry(bundle, name);
  return entry ? entry->tensor : NULL;
}

int32_t anet_bundle_tensors(const anet_bundle *bundle)
{
  return bundle->entries;
}

const char *anet_bundle_tensor_name(const anet_bundle *bundle, int32_t index)
{
  return index >= 0 && index < bundle->entries ? bundle->entry[index].name : NULL;
}
