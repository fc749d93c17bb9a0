/* JSON by jansson, with the engine's errors: readers that name the key and what was found. */
#ifndef ANET_JSON_H
#define ANET_JSON_H

#include <jansson.h>
#include "base/compiler.h"

/* An object or an array of text; where = what it is part of, for the message. ANET_FORMAT, ANET_NOMEM. */
int anet__json_parse(const char *text, size_t bytes, const char *where, json_t **out);
/* One line of text that the caller frees with anet__free; NULL: ANET_NOMEM. */
char *anet__json_text(const json_t *value);

/* Whether jansson takes a text: UTF-8. Only then does json_string give NULL for want of memory alone. */
bool anet__json_is_text(const char *text);
/* A message, which may quote anything or be cut off: bytes that are no UTF-8 become '?'. */
json_t *anet__json_message(const char *text);
/* The array with `value` behind it; where either is NULL or there is no memory, NULL, and both are freed. So a list
 * is made in a loop, and looked at once. */
json_t *anet__json_push(json_t *array, json_t *value);

/* Typed getters: ANET_FORMAT names `key` when it is missing, of another type or out of range. */
int anet__json_int(const json_t *object, const char *key, int64_t low, int64_t high, int64_t *out);
int anet__json_number(const json_t *object, const char *key, double *out);
int anet__json_string(const json_t *object, const char *key, const char **out);
int anet__json_array(const json_t *object, const char *key, json_t **out);
int anet__json_object(const json_t *object, const char *key, json_t **out);
/* An array of exactly `count` numbers, each at least `low`. */
int anet__json_numbers(const json_t *object, const char *key, double low, int32_t count, double *out);

#endif
