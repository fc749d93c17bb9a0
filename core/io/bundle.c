/* The bundle handle: texts and named tensors, saved and opened whole. */
#include <string.h>
#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "io/bundle.h"

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
  for (int32_t i = 0; i < bundle->entries; i++)
    if (strcmp(bundle->entry[i].name, name) == 0) return &bundle->entry[i];
  return NULL;
}

int anet_bundle_set_tensor(anet_bundle *bundle, const char *name, anet_tensor *tensor)
{
  if (!name[0] || name[0] == '_')
    return anet_fail(ANET_RANGE, "bundle: '%s' cannot name a tensor: empty or with a leading '_'",
                     name);
  if (!anet__json_is_text(name))
    return anet_fail(ANET_FORMAT, "bundle: the name '%s' of a tensor is not UTF-8", name);
  anet__entry *entry = find_entry(bundle, name);
  if (entry) {
    anet_tensor_retain(tensor);
    anet_tensor_release(entry->tensor);
    entry->tensor = tensor;
    return ANET_OK;
  }
  ANET_TRY(anet__grow((void **)&bundle->entry, &bundle->capacity, bundle->entries, sizeof *entry));
  char *copy = anet__strdup(name);
  if (!copy) return ANET_NOMEM;
  bundle->entry[bundle->entries++] = (anet__entry){copy, anet_tensor_retain(tensor)};
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
