#include "measure/table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/error.h"

int anet__table_new(int32_t options, anet_table **out)
{
  *out = NULL;
  if (options < 0)
    return anet_fail(ANET_RANGE, "latency table: %d options, want 0 or more", options);
  anet_table *table = anet__alloc(sizeof *table);
  if (!table) return ANET_NOMEM;
  atomic_init(&table->refs, 1);
  table->options = options;
  table->ms = anet__alloc_array((size_t)options, sizeof *table->ms);
  table->error = anet__alloc_array((size_t)options, sizeof *table->error);
  table->cold_ms = anet__alloc_array((size_t)options, sizeof *table->cold_ms);
  if (!table->ms || !table->error || !table->cold_ms) {
    anet_table_release(table);
    return ANET_NOMEM;
  }
  *out = table;
  return ANET_OK;
}

anet_table *anet_table_retain(anet_table *table)
{
  if (table) atomic_fetch_add(&table->refs, 1);
  return table;
}

void anet_table_release(anet_table *table)
{
  if (!table || atomic_fetch_sub(&table->refs, 1) != 1) return;
  anet__free(table->ms);
  anet__free(table->error);
  anet__free(table->cold_ms);
  anet__free(table);
}

void anet_table_read(const anet_table *table, anet_table_info *out)
{
  *out = (anet_table_info){
      .options = table->options,
      .batch = table->batch,
      .threads = table->threads,
      .rounds = table->rounds,
      .fixed_ms = table->fixed_ms,
      .oracle_ms = table->oracle_ms,
      .oracle_error = table->oracle_error,
      .disturbed = table->disturbed,
      .median_error = table->median_error,
      .p95_error = table->p95_error,
      .drift = table->drift,
      .seconds = table->seconds,
      .fingerprint = table->fingerprint,
  };
}

int anet_table_get(const anet_table *table, int32_t option, double *ms, double *error,
                   double *cold_ms)
{
  if (option < 0 || option >= table->options)
    return anet_fail(ANET_RANGE, "latency table: option %d, want 0 .. %d", option,
                     table->options - 1);
  if (ms) *ms = table->ms[option];
  if (error) *error = table->error[option];
  if (cold_ms) *cold_ms = table->cold_ms[option];
  return ANET_OK;
}

int anet_table_predict(const anet_table *table, const anet_space *space, const uint8_t *genome,
                       double *ms)
{
  if (anet_space_options(space) != table->options)
    return anet_fail(ANET_SHAPE, "latency table: it has %d options, the space %d", table->options,
                     anet_space_options(space));
  ANET_TRY(anet_genome_check(space, genome));
  *ms = table->fixed_ms;
  for (int32_t p = 0; p < anet_space_positions(space); p++)
    if (genome[p] != ANET_COVERED) *ms += table->ms[anet_space_index(space, p, genome[p])];
  return ANET_OK;
}

/* The fingerprint's fields are parted by '/'; names the first that differs. */
static int fail_stale(const char *then, const char *now)
{
  static const char *const name[] = {"processor", "threads", "governor", "kernels", "version"};
  for (int32_t i = 0; i < ANET_COUNT(name); i++) {
    const size_t was = strcspn(then, "/"), is = strcspn(now, "/");
    if (was != is || memcmp(then, now, was) != 0)
      return anet_fail(ANET_STALE, "latency table: %s was '%.*s', is now '%.*s': profile anew",
                       name[i], (int)was, then, (int)is, now);
    then += was + (then[was] == '/');
    now += is + (now[is] == '/');
  }
  return anet_fail(ANET_STALE, "latency table: '%s' was more than a fingerprint holds", then);
}

int anet_table_check(const anet_table *table, int32_t threads)
{
  char now[ANET_FINGERPRINT_BYTES];
  anet__cpu_fingerprint(threads ? threads : anet__cpu_count(), now, sizeof now);
  return strcmp(table->fingerprint, now) == 0 ? ANET_OK : fail_stale(table->fingerprint, now);
}
