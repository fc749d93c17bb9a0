/* JSON from strangers, as jansson's values. jansson's own reader goes on where its buffer for a
 * word could not grow: digits are lost then, or it reads behind the buffer. Here every answer is
 * looked at, and nesting is bounded. */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"

enum { MOST_DEPTH = 128, MOST_DIGITS = 120 };

typedef struct reader {
  const char *begin, *at, *end, *where;
  int rc; /* of the failure that a NULL means */
} reader;

static json_t *read_value(reader *r, int32_t depth);

static void *refuse(reader *r, const char *want)
{
  int line = 1;
  const char *start = r->begin;
  for (const char *c = r->begin; c < r->at; c++)
    if (*c == '\n') line++, start = c + 1;
  r->rc = anet_fail(ANET_FORMAT, "%s: JSON, line %d, column %d: want %s", r->where, line,
                    (int)ANET_MIN(r->at - start, INT32_MAX - 1) + 1, want);
  return NULL;
}

static void *no_memory(reader *r)
{
  r->rc = anet_fail(ANET_NOMEM, "%s: no memory to read %zu bytes of JSON", r->where,
                    (size_t)(r->end - r->begin));
  return NULL;
}

static void skip_space(reader *r)
{
  while (r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at) r->at++;
}

/* The next byte that is no space; 0: there is none. */
static char peek(reader *r)
{
  skip_space(r);
  return r->at < r->end ? *r->at : 0;
}

static bool take(reader *r, char c)
{
  if (peek(r) != c) return false;
  r->at++;
  return true;
}

/* ---- texts -------------------------------------------------------------------------------------
 */

static bool read_hex(reader *r, uint32_t *out)
{
  *out = 0;
  for (int32_t i = 0; i < 4; i++, r->at++) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *digit = r->at < r->end && *r->at ? strchr(digits, *r->at) : NULL;
    if (!digit) return false;
    *out = *out << 4 | (uint32_t)((digit - digits) & 15);
  }
  return true;
}

static char *put_character(char *to, uint32_t code)
{
  static const uint8_t lead[4] = {0, 0xC0, 0xE0, 0xF0};
  const int32_t more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  *to++ = (char)(lead[more] | code >> 6 * more);
  for (int32_t i = more - 1; i >= 0; i--) *to++ = (char)(0x80 | (code >> 6 * i & 63));
  return to;
}

/* What stands behind \u, a pair of them where they are one character; false: it is none, or 0. */
static bool read_unicode(reader *r, char **to)
{
  uint32_t code, low;
  if (!read_hex(r, &code) || code == 0 || (code >= 0xDC00 && code < 0xE000)) return false;
  if (code >= 0xD800 && code < 0xDC00) {
    if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u') return false;
    r->at += 2;
    if (!read_hex(r, &low) || low < 0xDC00 || low >= 0xE000) return false;
    code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
  }
  *to = put_character(*to, code);
  return true;
}

/* Behind a \ ; what an escape stands for is never longer than itself. */
static bool read_escape(reader *r, char **to)
{
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  const char c = r->at < r->end ? *r->at++ : 0;
  if (c == 'u') return read_unicode(r, to);
  const char *name = c ? strchr(names, c) : NULL;
  if (name) *(*to)++ = values[name - names];
  return name != NULL;
}

/* Bytes up to the quote that ends a text, which begins at r->at. */
static size_t measure(const reader *r)
{
  const char *c = r->at;
  while (c < r->end && *c != '"') c += *c == '\\' ? 2 : 1;
  return (size_t)(ANET_MIN(c, r->end) - r->at);
}

/* A text, which begins with its quote; the caller frees it. */
static char *read_text(reader *r)
{
  r->at++;
  char *text = anet__alloc(measure(r) + 1), *to = text;
  const char *want = NULL;
  if (!text) return no_memory(r);
  while (!want && r->at < r->end && *r->at != '"') {
    const char c = *r->at++;
    if ((uint8_t)c < 0x20)
      want = "no control characters in a text";
    else if (c != '\\')
      *to++ = c;
    else if (!read_escape(r, &to))
      want = "an escape of JSON, not of a zero";
  }
  if (!want && r->at == r->end) want = "the end of a text";
  if (!want && !anet__json_is_text(text)) want = "texts in UTF-8";
  if (want) {
    anet__free(text);
    return refuse(r, want);
  }
  r->at++;
  return text;
}

static json_t *read_string(reader *r)
{
  char *text = read_text(r);
  if (!text) return NULL;
  json_t *value = json_string_nocheck(text);
  anet__free(text);
  return value ? value : no_memory(r);
}

/* ---- numbers -----------------------------------------------------------------------------------
 */

static const char *digits_end(const char *c)
{
  const size_t count = strspn(c, "0123456789");
  return count ? c + count : NULL;
}

/* Where the number at c ends, as JSON writes them; NULL: there is none. *real: it has a point or an
 * exponent. */
static const char *number_end(const char *c, bool *real)
{
  c += *c == '-';
  const char *end = *c == '0' ? c + 1 : digits_end(c);
  *real = false;
  if (end && *end == '.') *real = true, end = digits_end(end + 1);
  if (end && (*end == 'e' || *end == 'E')) {
    *real = true;
    end += end[1] == '+' || end[1] == '-' ? 2 : 1;
    end = digits_end(end);
  }
  return end;
}

/* strtod wants the point of the program's language. */
static double real_of(char *text)
{
  char *point = strchr(text, '.');
  if (point) *point = localeconv()->decimal_point[0];
  return strtod(text, NULL);
}

static json_t *read_number(reader *r)
{
  char text[MOST_DIGITS + 1];
  size_t length = 0;
  bool real;
  while (r->at + length < r->end && r->at[length] && strchr("+-.0123456789eE", r->at[length]))
    length++;
  if (length == 0 || length > MOST_DIGITS)
    return refuse(r, length ? "a shorter number" : "a value");
  memcpy(text, r->at, length);
  text[length] = 0;
  const char *end = number_end(text, &real);
  if (!end || *end) return refuse(r, "a number");
  errno = 0;
  const double value = real ? real_of(text) : 0;
  const long long whole = real ? 0 : strtoll(text, NULL, 10);
  if (!isfinite(value) || (!real && errno == ERANGE)) return refuse(r, "a smaller number");
  r->at += length;
  json_t *number = real ? json_real(value) : json_integer(whole);
  return number ? number : no_memory(r);
}

/* ---- the rest ----------------------------------------------------------------------------------
 */

static json_t *read_array(reader *r, int32_t depth)
{
  json_t *array = json_array();
  r->at++;
  if (!array) return no_memory(r);
  if (take(r, ']')) return array;
  do {
    json_t *item = read_value(r, depth);
    if (!item || json_array_append_new(array, item)) {
      if (item) no_memory(r);
      json_decref(array);
      return NULL;
    }
  } while (take(r, ','));
  if (take(r, ']')) return array;
  json_decref(array);
  return refuse(r, "',' or ']'");
}

/* One key and its value; false: r->rc says why not. */
static bool read_member(reader *r, json_t *object, int32_t depth)
{
  if (peek(r) != '"') return refuse(r, "a key") != NULL;
  char *key = read_text(r);
  json_t *value = NULL;
  if (!key) return false;
  if (json_object_get(object, key))
    refuse(r, "no duplicate keys");
  else if (!take(r, ':'))
    refuse(r, "':'");
  else
    value = read_value(r, depth);
  const bool bad = value && json_object_set_new_nocheck(object, key, value);
  anet__free(key);
  if (bad) no_memory(r);
  return value && !bad;
}

static json_t *read_object(reader *r, int32_t depth)
{
  json_t *object = json_object();
  r->at++;
  if (!object) return no_memory(r);
  if (take(r, '}')) return object;
  do {
    if (!read_member(r, object, depth)) {
      json_decref(object);
      return NULL;
    }
  } while (take(r, ','));
  if (take(r, '}')) return object;
  json_decref(object);
  return refuse(r, "',' or '}'");
}

static json_t *read_word(reader *r)
{
  static const char *const words[] = {"true", "false", "null"};
  for (int32_t i = 0; i < ANET_COUNT(words); i++) {
    const size_t length = strlen(words[i]);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, words[i], length) != 0) continue;
    r->at += length;
    return i == 0 ? json_true() : i == 1 ? json_false() : json_null();
  }
  return read_number(r);
}

/* depth: how much deeper it may nest. */
static json_t *read_value(reader *r, int32_t depth)
{
  const char c = peek(r);
  if ((c == '{' || c == '[') && depth == 0) return refuse(r, "less than 128 levels");
  if (c == '{') return read_object(r, depth - 1);
  if (c == '[') return read_array(r, depth - 1);
  return c == '"' ? read_string(r) : read_word(r);
}

int anet__json_parse(const char *text, size_t bytes, const char *where, json_t **out)
{
  reader r = {.begin = text, .at = text, .end = text + bytes, .where = where};
  const char first = peek(&r);
  *out = NULL;
  if (first != '{' && first != '[') return refuse(&r, "'{' or '['"), r.rc;
  json_t *value = read_value(&r, MOST_DEPTH);
  if (!value) return r.rc;
  skip_space(&r);
  if (r.at < r.end) {
    json_decref(value);
    return refuse(&r, "nothing after the value"), r.rc;
  }
  *out = value;
  return ANET_OK;
}
