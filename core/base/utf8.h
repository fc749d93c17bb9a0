/* UTF-8, as far as the engine looks at texts. */
#ifndef ANET_UTF8_H
#define ANET_UTF8_H

#include "base/compiler.h"

/* Bytes of the character at `s`, a text that a 0 ends; *code (may be NULL): its code point. 0: there is
 * none (a stray or missing byte, too long a form, a surrogate, beyond the last character). */
int32_t anet__utf8(const uint8_t *s, uint32_t *code);

#endif
