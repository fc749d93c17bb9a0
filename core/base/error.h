/* A status for code, a message for people. */
#ifndef ANET_ERROR_H
#define ANET_ERROR_H

#include "base/compiler.h"
#include "anet.h"

/* Leave a thread-local message that names the thing and both numbers; gives `code` back, so that
 * a check reads `return anet_fail(ANET_SHAPE, "conv '%s': got %d channels, want %d", ...)`.
 * Whatever the names in it hold, it is one line of UTF-8 without control characters. */
int anet_fail(int code, const char *format, ...) ANET_PRINTF(2, 3);

/* Put "prefix: " before the message that a callee left, and give `code` back. */
int anet__fail_in(int code, const char *format, ...) ANET_PRINTF(2, 3);

/* Pass a failure up. */
#define ANET_TRY(call)                                                                             \
  do {                                                                                             \
    int anet_try_rc = (call);                                                                      \
    if (anet_try_rc) return anet_try_rc;                                                           \
  } while (0)

#endif
