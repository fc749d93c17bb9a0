#include "base/json.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/utf8.h"

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

/* jansson does not look at every answer of what it calls: a failure is kept here. */
typedef struct line {
  char *text;
  size_t bytes, room;
  bool failed;
} line;

static int line_add(const char *text, size_t bytes, void *context)
{
  line *l = context;
  if (l->room - l->bytes <= bytes) { /* and a 0 */
    const size_t room = ANET_MAX(2 * l->room, l->bytes + bytes + 1);
    char *more = l->failed ? NULL : anet__alloc(room);
    if (!more) return l->failed = true, -1;
    if (l->bytes) memcpy(more, l->text, l->bytes);
    anet__free(l->text);
    l->text = more;
    l->room = room;
  }
  memcpy(l->text + l->bytes, text, bytes);
  l->bytes += bytes;
  l->text[l->bytes] = 0;
  return 0;
}

char *anet__json_text(const json_t *value)
{
  line l = {0};
  const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
  if (value && json_dump_callback(value, line_add, &l, flags) == 0 && !l.failed) return l.text;
  anet__free(l.text);
  anet_fail(ANET_NOMEM, "no memory to write a value as JSON");
  return NULL;
}

bool anet__json_is_text(const char *text)
{
  const uint8_t *at = (const uint8_t *)text;
  for (int32_t bytes; *at; at += bytes)
    if (!(bytes = anet__utf8(at, NULL))) return false;
  return true;
}

json_t *anet__json_message(const char *text)
{
  char *copy = anet__strdup(text);
  if (!copy) return NULL;
  for (char *at = copy; *at;) {
    const int32_t bytes = anet__utf8((const uint8_t *)at, NULL);
    if (!bytes) *at = '?';
    at += ANET_MAX(bytes, 1);
  }
  json_t *value = json_string(copy);
  anet__free(copy);
  return value;
}

json_t *anet__json_push(json_t *array, json_t *value)
{
  if (json_array_append_new(array, value) == 0) return array;
  json_decref(array);
  return NULL;
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

int anet__json_numbers(const json_t *object, const char *key, double low, int32_t count,
                       double *out)
{
  json_t *array = NULL;
  ANET_TRY(anet__json_array(object, key, &array));
  if (json_array_size(array) != (size_t)count)
    return anet_fail(ANET_FORMAT, "JSON: '%s' has %zu numbers, want %d", key,
                     json_array_size(array), count);
  for (int32_t i = 0; i < count; i++) {
    const json_t *item = json_array_get(array, (size_t)i);
    if (!json_is_number(item))
      return anet_fail(ANET_FORMAT, "JSON: item %d of '%s' is %s, want a number", i, key,
                       type_name(item));
    out[i] = json_number_value(item);
    if (out[i] < low)
      return anet_fail(ANET_FORMAT, "JSON: item %d of '%s' is %g, want at least %g", i, key, out[i],
                       low);
  }
  return ANET_OK;
}
