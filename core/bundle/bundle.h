/* A bundle in memory: texts and named tensors. What a file holds and nothing more. */
#ifndef ANET_BUNDLE_H
#define ANET_BUNDLE_H

#include <jansson.h>
#include "anet.h"
#include "base/compiler.h"
#include "base/index.h"

struct anet__storage;

typedef struct anet__entry {
  char *name;           /* owned */
  anet_tensor *tensor;  /* retained; any window, written densely */
} anet__entry;

/* Invariants: names are unique, non-empty and do not start with '_' (padding and metadata do). */
struct anet_bundle {
  json_t *text;         /* object of strings, owned */
  anet__entry *entry;   /* (entries) owned */
  int32_t entries, capacity;
  anet__index names;    /* of entries: by their names */
  anet__index storages; /* of entries: by the storage of a tensor that they have, or had */
};

/* The name of the first entry whose tensor lies in this storage; NULL: none does. */
const char *anet__bundle_stored(const anet_bundle *bundle, const struct anet__storage *storage);

/* The file format (bundle/safetensors.c). */
int anet__safetensors_read(const char *path, anet_bundle *bundle);
int anet__safetensors_write(const char *path, const anet_bundle *bundle);

/* Store a JSON value under a text key; the value is consumed. Read one: ANET_ABSENT names the key. */
int anet__bundle_set_json(anet_bundle *bundle, const char *key, json_t *value);
int anet__bundle_json(const anet_bundle *bundle, const char *key, json_t **out);

#endif
