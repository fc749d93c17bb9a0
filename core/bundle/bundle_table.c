/* The latency table in a bundle: one JSON text, "table". */
#include <math.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "bundle/bundle.h"
#include "elastic/space.h"
#include "measure/table.h"

static json_t *numbers_json(const double *values, int32_t count)
{
  json_t *array = json_array();
  for (int32_t i = 0; i < count; i++) array = anet__json_push(array, json_real(values[i]));
  return array;
}

int anet_bundle_set_table(anet_bundle *bundle, anet_table *table)
{
  const int32_t n = table->options;
  return anet__bundle_set_json(
      bundle, "table",
      json_pack("{s:s, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o}", "fingerprint",
                table->fingerprint, "batch", (int)table->batch, "threads", (int)table->threads,
                "rounds", (int)table->rounds, "fixed_ms", table->fixed_ms, "oracle_ms",
                table->oracle_ms, "median_error", table->median_error, "p95_error",
                table->p95_error, "drift", table->drift, "oracle_error", table->oracle_error,
                "disturbed", table->disturbed, "seconds", table->seconds, "ms",
                numbers_json(table->ms, n), "error", numbers_json(table->error, n), "cold_ms",
                numbers_json(table->cold_ms, n)));
}

static int read_counts(const json_t *json, anet_table *table)
{
  int64_t batch, threads, rounds;
  ANET_TRY(anet__json_int(json, "batch", 1, INT32_MAX, &batch));
  ANET_TRY(anet__json_int(json, "threads", 1, INT32_MAX, &threads));
  ANET_TRY(anet__json_int(json, "rounds", 0, INT32_MAX, &rounds));
  table->batch = (int32_t)batch;
  table->threads = (int32_t)threads;
  table->rounds = (int32_t)rounds;
  return ANET_OK;
}

static int read_table(const json_t *json, anet_table *table)
{
  const struct {
    const char *key;
    double *value;
  } single[] = {
      {"fixed_ms", &table->fixed_ms},
      {"oracle_ms", &table->oracle_ms},
      {"median_error", &table->median_error},
      {"p95_error", &table->p95_error},
      {"drift", &table->drift},
      {"seconds", &table->seconds},
  };
  const char *fingerprint = NULL;
  ANET_TRY(anet__json_string(json, "fingerprint", &fingerprint));
  if (strlen(fingerprint) >= sizeof table->fingerprint)
    return anet_fail(ANET_FORMAT, "table: a fingerprint of %zu bytes, at most %zu",
                     strlen(fingerprint), sizeof table->fingerprint - 1);
  strcpy(table->fingerprint, fingerprint);
  ANET_TRY(read_counts(json, table));
  for (int32_t i = 0; i < ANET_COUNT(single); i++)
    ANET_TRY(anet__json_number(json, single[i].key, single[i].value));
  if (json_object_get(json, "oracle_error")) /* absent from files of 0.1.0 */
    ANET_TRY(anet__json_number(json, "oracle_error", &table->oracle_error));
  if (json_object_get(json, "disturbed"))
    ANET_TRY(anet__json_number(json, "disturbed", &table->disturbed));
  ANET_TRY(anet__json_numbers(json, "ms", -INFINITY, table->options, table->ms));
  ANET_TRY(anet__json_numbers(json, "error", 0, table->options, table->error));
  return anet__json_numbers(json, "cold_ms", -INFINITY, table->options, table->cold_ms);
}

int anet_bundle_table(anet_bundle *bundle, anet_table **out)
{
  json_t *json = NULL, *ms = NULL;
  *out = NULL;
  ANET_TRY(anet__bundle_json(bundle, "table", &json));
  int rc = anet__json_array(json, "ms", &ms);
  if (!rc && json_array_size(ms) > ANET_MAX_POSITIONS * ANET_MAX_GENES)
    rc = anet_fail(ANET_FORMAT, "table: %zu options, at most %d", json_array_size(ms),
                   ANET_MAX_POSITIONS * ANET_MAX_GENES);
  if (!rc) rc = anet__table_new((int32_t)json_array_size(ms), out);
  if (!rc && (rc = read_table(json, *out))) {
    anet_table_release(*out);
    *out = NULL;
  }
  json_decref(json);
  return rc;
}
