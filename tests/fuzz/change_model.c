/* Changes to JSON by what it means: numbers, texts that stand elsewhere, members and items that
 * come, go and move between files. Bytes that are no JSON, and a fifth of the others, are changed
 * as libFuzzer changes any. */
#include "base/json.h"
#include "fuzz/change.h"

/* One of all values below the root, each as likely as another. */
typedef struct spot {
  anet_rng *rng;
  uint32_t seen;
  json_t *owner, *value; /* value is the owner's, under `key` or at `index`; NULL: there is none */
  const char *key;
  size_t index;
} spot;

static void meet(spot *s, json_t *owner, const char *key, size_t index, json_t *value)
{
  if (anet__rng_below(s->rng, ++s->seen) > 0) return;
  s->owner = owner;
  s->key = key;
  s->index = index;
  s->value = value;
}

static void walk(spot *s, json_t *owner)
{
  const char *key;
  json_t *value;
  json_object_foreach (owner, key, value) {
    meet(s, owner, key, 0, value);
    walk(s, value);
  }
  for (size_t i = 0; i < json_array_size(owner); i++) {
    meet(s, owner, NULL, i, json_array_get(owner, i));
    walk(s, json_array_get(owner, i));
  }
}

static spot any_spot(anet_rng *rng, json_t *root)
{
  spot s = {.rng = rng};
  walk(&s, root);
  return s;
}

static void put(const spot *s, json_t *value)
{
  if (s->key)
    json_object_set_new(s->owner, s->key, value);
  else
    json_array_set_new(s->owner, s->index, value);
}

static void drop(const spot *s)
{
  if (s->key)
    json_object_del(s->owner, s->key);
  else
    json_array_remove(s->owner, s->index);
}

/* A copy of a value of `from`, of the kind that stands there if one is met. */
static void put_other(const spot *s, json_t *from)
{
  spot other = any_spot(s->rng, from);
  for (int32_t i = 0; i < 20 && other.value && json_typeof(other.value) != json_typeof(s->value);
       i++)
    other = any_spot(s->rng, from);
  if (other.value) put(s, json_deep_copy(other.value));
}

/* A copy of a value of `from` as one more item or member beside the spot. */
static void put_beside(const spot *s, json_t *from)
{
  const spot other = any_spot(s->rng, from);
  if (!other.value) return;
  if (json_is_array(s->owner))
    json_array_insert_new(s->owner, s->index, json_deep_copy(other.value));
  else if (other.key)
    json_object_set_new(s->owner, other.key, json_deep_copy(other.value));
}

static void change(anet_rng *rng, json_t *root, json_t *from)
{
  const spot s = any_spot(rng, root);
  const uint32_t kind = anet__rng_below(rng, 12);
  if (!s.value) return;
  if (kind == 0)
    drop(&s);
  else if (kind == 1)
    put_beside(&s, from);
  else if (kind == 2 || json_is_string(s.value) || json_is_array(s.value) ||
           json_is_object(s.value))
    put_other(&s, from);
  else if (json_is_integer(s.value) && kind > 3)
    put(&s, json_integer(fuzz_whole(rng)));
  else {
    const double real = (double)fuzz_real(rng);
    put(&s, json_real(isfinite(real) ? real : 1e300));
  }
}

static json_t *read_json(const uint8_t *data, size_t bytes)
{
  return json_loadb((const char *)data, bytes, 0, NULL);
}

static size_t write_json(const json_t *json, uint8_t *out, size_t most)
{
  const size_t bytes = json_dumpb(json, (char *)out, most, JSON_COMPACT);
  return bytes <= most ? bytes : 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed)
{
  anet_rng rng;
  anet_rng_seed(&rng, seed);
  json_t *json = read_json(data, bytes);
  if (!json || anet__rng_below(&rng, 5) == 0) {
    json_decref(json);
    return LLVMFuzzerMutate(data, bytes, most);
  }
  for (uint32_t i = 1 + anet__rng_below(&rng, 3); i > 0; i--) change(&rng, json, json);
  const size_t written = write_json(json, data, most);
  json_decref(json);
  return written ? written : LLVMFuzzerMutate(data, bytes, most);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_bytes, const uint8_t *other,
                                 size_t other_bytes, uint8_t *out, size_t most, unsigned seed)
{
  anet_rng rng;
  anet_rng_seed(&rng, seed);
  json_t *json = read_json(one, one_bytes), *from = read_json(other, other_bytes);
  size_t written = 0;
  if (json && from) {
    const spot s = any_spot(&rng, json);
    if (s.value) anet__rng_below(&rng, 2) ? put_other(&s, from) : put_beside(&s, from);
    written = write_json(json, out, most);
  }
  json_decref(json);
  json_decref(from);
  return written;
}
