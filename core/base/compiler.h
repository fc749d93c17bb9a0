/* What the engine asks of the compiler, in one place: GNU C, little endian, 64 bit. */
#ifndef ANET_COMPILER_H
#define ANET_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANET_LIKELY(x) __builtin_expect(!!(x), 1)
#define ANET_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ANET_ALIGNED(n) __attribute__((aligned(n)))
#define ANET_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define ANET_MUST_USE __attribute__((warn_unused_result))
#define ANET_UNUSED __attribute__((unused))
#define ANET_TYPEOF(x) __typeof__(x)
#define ANET_COUNT(array) ((int32_t)(sizeof(array) / sizeof((array)[0])))

#define ANET_MIN(a, b) ((a) < (b) ? (a) : (b))
#define ANET_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Every buffer the engine hands to a kernel starts on this boundary. */
enum { ANET_ALIGN = 64 };

/* For our own bugs, never for a caller's mistake (that is a status). Traps in debug builds only,
 * so that sanitizers and debuggers stop at the place; release builds pay nothing. */
#ifdef NDEBUG
#define ANET_ASSERT(condition) ((void)0)
#else
#define ANET_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())
#endif

#endif
