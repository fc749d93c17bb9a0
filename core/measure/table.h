/* The latency table: what every option costs on one machine. */
#ifndef ANET_TABLE_H
#define ANET_TABLE_H

#include <stdatomic.h>
#include "anet.h"
#include "base/compiler.h"

enum { ANET_FINGERPRINT_BYTES = 512 };

/* Plain values, so that a file can hold them; nobody changes one that is shared.
 * Invariant: options >= 0 and the three arrays have that many entries, in the order of the space.
 */
struct anet_table {
  atomic_int refs;
  int32_t options, batch, threads, rounds;
  double *ms, *error, *cold_ms; /* (options) owned; error: of the median, in ms */
  double fixed_ms, oracle_ms;
  double oracle_error, disturbed;
  double median_error, p95_error, drift, seconds;
  char fingerprint[ANET_FINGERPRINT_BYTES]; /* by anet__cpu_fingerprint */
};

int anet__table_new(int32_t options, anet_table **out); /* all zero */

#endif
