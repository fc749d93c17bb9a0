/* Makes every allocation of a call fail once. */
#ifndef ANET_FAULT_H
#define ANET_FAULT_H

#include "base/alloc.h"
#include "base/json.h"
#include "support/test.h"

/* Whether jansson's allocations fail and are counted as the engine's own; while it holds nothing. The engine itself
 * leaves jansson as it is, for its user may have it too. */
static inline void *test_counted_json(size_t bytes)
{
  return anet__alloc(bytes);
}
static inline void test_count_json(bool counted)
{
  json_set_alloc_funcs(counted ? test_counted_json : malloc, counted ? anet__free : free);
}

/* Calls run(context) with its first allocation failing, then its second, … until none does. A call
 * that met the failure must say ANET_NOMEM; each must give back all the memory it took. */
static inline void test_each_allocation(int (*run)(void *), void *context)
{
  for (int64_t nth = 0;; nth++) {
    anet__alloc_stats before, after;
    anet__alloc_read(&before);
    anet__alloc_arm(nth);
    const int rc = run(context);
    const bool fired = anet__alloc_fired();
    anet__alloc_arm(-1);
    anet__alloc_read(&after);
    test_checks++;
    if (rc != (fired ? ANET_NOMEM : ANET_OK))
      TEST_FAIL("allocation %" PRId64 " failed: %d (%s)", nth, rc, anet_error());
    if (after.live_bytes != before.live_bytes)
      TEST_FAIL("allocation %" PRId64 " failed: %zu bytes before, %zu after", nth,
                before.live_bytes, after.live_bytes);
    if (!fired) return;
  }
}

#endif
