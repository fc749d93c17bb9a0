/* JSON by jansson, with the engine's errors: readers that name the key and what was found. */
#ifndef ANET_JSON_H
#define ANET_JSON_H

#include <jansson.h>
#include "base/compiler.h"

/* Parse text; where = what it is part of, for the message. ANET_FORMAT, ANET_NOMEM. */
int anet__json_parse(const char *text, size_t bytes, const char *where, json_t **out);
/* One line of text that the caller frees with anet__free. */
char *anet__json_text(const json_t *value);

/* Typed getters: ANET_FORMAT names `key` when it is missing, of another type or out of range. */
int anet__json_int(const json_t *object, const char *key, int64_t low, int64_t high, int64_t *out);
int anet__json_number(const json_t *object, const char *key, double *out);
int anet__json_string(const json_t *object, const char *key, const char **out);
int anet__json_array(const json_t *object, const char *key, json_t **out);
int anet__json_object(const json_t *object, const char *key, json_t **out);

#endif
