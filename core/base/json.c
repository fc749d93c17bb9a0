#include "base/json.h"

#include "base/alloc.h"
#include "base/error.h"

int anet__json_parse(const char *text, size_t bytes, const char *where, json_t **out)
{
  json_error_t error;
  *out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
  if (*out) return ANET_OK;
  if (json_error_code(&error) == json_error_out_of_memory)
    return anet_fail(ANET_NOMEM, "%s: no memory to read %zu bytes of JSON", where, bytes);
  return anet_fail(ANET_FORMAT, "%s: JSON, line %d, column %d: %s", where, error.line, error.column,
                   error.text);
}

char *anet__json_text(const json_t *value)
{
  const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
  const size_t bytes = json_dumpb(value, NULL, 0, flags);
  if (bytes == 0) {
    anet_fail(ANET_NOMEM, "cannot write a value as JSON");
    return NULL;
  }
  char *text = anet__alloc(bytes + 1);
  if (text) json_dumpb(value, text, bytes, flags);
  return text;
}

static const char *type_name(const json_t *value)
{
  if (!value) return "missing";
  switch (json_typeof(value)) {
    case JSON_OBJECT:
      return "an object";
    case JSON_ARRAY:
      return "an array";
    case JSON_STRING:
      return "a string";
    case JSON_INTEGER:
      return "an integer";
    case JSON_REAL:
      return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
      return "a boolean";
    default:
      return "null";
  }
}

static int wrong_type(const char *key, const json_t *found, const char *want)
{
  return anet_fail(ANET_FORMAT, "JSON: '%s' is %s, want %s", key, type_name(found), want);
}

int anet__json_int(const json_t *object, const char *key, int64_t low, int64_t high, int64_t *out)
{
  const json_t *found = json_object_get(object, key);
  if (!json_is_integer(found)) return wrong_type(key, found, "an integer");
  const long long value = json_integer_value(found);
  if (value < low || value > high)
    return anet_fail(ANET_FORMAT, "JSON: '%s' is %lld, want %lld .. %lld", key, value,
                     (long long)low, (long long)high);
  *out = value;
  return ANET_OK;
}

int anet__json_number(const json_t *object, const char *key, double *out)
{
  const json_t *found = json_object_get(object, key);
  if (!json_is_number(found)) return wrong_type(key, found, "a number");
  *out = json_number_value(found);
  return ANET_OK;
}

int anet__json_string(const json_t *object, const char *key, const char **out)
{
  const json_t *found = json_object_get(object, key);
  if (!json_is_string(found)) return wrong_type(key, found, "a string");
  *out = json_string_value(found);
  return ANET_OK;
}

int anet__json_array(const json_t *object, const char *key, json_t **out)
{
  json_t *found = json_object_get(object, key);
  if (!json_is_array(found)) return wrong_type(key, found, "an array");
  *out = found;
  return ANET_OK;
}

int anet__json_object(const json_t *object, const char *key, json_t **out)
{
  json_t *found = json_object_get(object, key);
  if (!json_is_object(found)) return wrong_type(key, found, "an object");
  *out = found;
  return ANET_OK;
}
