#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 512 };

/* One of the two mutable globals: what the thread's last failure left. */
static _Thread_local char message[MESSAGE_BYTES];

int anet_fail(int code, const char *format, ...)
{
  char text[MESSAGE_BYTES]; /* an argument may point into the message */
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  memcpy(message, text, sizeof text);
  return code;
}

int anet__fail_in(int code, const char *format, ...)
{
  char text[2 * MESSAGE_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(text, MESSAGE_BYTES, format, args);
  va_end(args);

  const size_t used = strlen(text);
  snprintf(text + used, sizeof text - used, ": %s", message);
  memcpy(message, text, MESSAGE_BYTES - 1); /* its last byte stays 0 */
  return code;
}

const char *anet_error(void)
{
  return message;
}

const char *anet_status_text(int status)
{
  switch (status) {
#define X(name, number, text)                                                                      \
  case ANET_##name:                                                                                \
    return text;
    ANET_STATUS_MAP(X)
#undef X
    default:
      return "unknown status";
  }
}
