#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

enum { MESSAGE_BYTES = 512 };

/* One of the two mutable globals: what the thread's last failure left. */
static _Thread_local char message[MESSAGE_BYTES];

/* ---- one printable line -------------------------------------------------------------------- */

/* Code points that steer a terminal or end a line: C0, DEL, C1, line separators, overrides of the
 * direction of writing. */
static bool is_control(uint32_t code)
{
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

/* message = text, where it is not printable as \xNN a byte, whole characters as far as they fit. */
static void set_message(const char *text)
{
  const unsigned char *s = (const unsigned char *)text;
  char *to = message, *end = message + MESSAGE_BYTES - 1;
  uint32_t code;
  for (int bytes; *s; s += bytes) {
    bytes = anet__utf8(s, &code);
    const bool plain = bytes > 0 && !is_control(code);
    bytes = ANET_MAX(bytes, 1);
    if (end - to < (plain ? bytes : 4 * bytes)) break;
    for (int i = 0; i < bytes; i++) {
      if (plain)
        *to++ = (char)s[i];
      else
        to += snprintf(to, 5, "\\x%02x", s[i]);
    }
  }
  *to = '\0';
}

/* ---- leaving and reading it ---------------------------------------------------------------- */

int anet_fail(int code, const char *format, ...)
{
  char text[MESSAGE_BYTES]; /* an argument may point into the message */
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  set_message(text);
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
  set_message(text);
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
