/* A policy's own Lua state: no way out, and bounds on memory, steps, time and stack.
 *
 * The state has no JIT, an allocator with a cap, and only the globals that lua/anet/policy/
 * prelude.lua grants. A count hook charges the instructions of every call, coroutines included;
 * allocations and what C does on the policy's behalf are charged by size. The prices are such that
 * a step takes no more than some 50 ns, so that the steps of a call bound its time. Once a call is
 * over its budget the hook raises at every instruction: no pcall can hide it.
 *
 * What one instruction may cost is bounded too: a text that a policy makes has at most 64 KB, and
 * the collector runs between instructions, when so much was allocated, and not by itself. So the
 * same policy does the same in every process.
 *
 * Nothing that a policy can call calls back into Lua, but resume, whose depth is bounded;
 * its text is parsed on a stack of our own. So 256 KB of stack are enough for a host. Values cross
 * as plain data.
 */
#ifndef ANET_SANDBOX_H
#define ANET_SANDBOX_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct anet__sandbox anet__sandbox;

typedef struct anet__sandbox_desc {
  const char *text; /* of the policy; never bytecode */
  size_t size;
  const char *name;             /* for messages */
  double steps;                 /* of one call; 0: 50 million */
  double seconds;               /* processor time of one call, a net below the steps; 0: 10 */
  double bytes;                 /* of everything; 0: 64 MiB */
  const volatile int32_t *stop; /* once it is not 0 a call ends as over its budget; or NULL */
} anet__sandbox_desc;

/* ANET_POLICY where the policy is no policy or fails while loading; the message says why. */
int anet__sandbox_new(const anet__sandbox_desc *desc, anet__sandbox **out);
void anet__sandbox_release(anet__sandbox *sandbox);

/* Push the arguments of a question, at most 16; gives how many. It may raise on `to`. */
typedef int anet__sandbox_push(lua_State *to, void *data);

/* Ask for `method` of the prelude's dispatcher. *results values are then on the stack of
 * anet__sandbox_state from 1 on, until the next question. ANET_POLICY with the policy's own
 * message. */
int anet__sandbox_ask(anet__sandbox *sandbox, const char *method, anet__sandbox_push *push,
                      void *data, int *results);
lua_State *anet__sandbox_state(anet__sandbox *sandbox);

/* Push the value at `index` of one state on another as plain data: nil, booleans, numbers, strings
 * and tables of them; no metamethod of it runs. A string or table that is met again is the same one
 * there. At most 2^20 values and `most_bytes` of strings. NULL, or why not (nothing is pushed
 * then). */
const char *anet__sandbox_copy(lua_State *from, int index, lua_State *to, double most_bytes);

const char *anet__sandbox_name(const anet__sandbox *sandbox); /* borrowed */

/* Steps charged and bytes held, for reports and tests. */
double anet__sandbox_steps(const anet__sandbox *sandbox);
double anet__sandbox_bytes(const anet__sandbox *sandbox);

/* For natives, before they go on: charge steps, and say how many bytes they hold now outside the
 * state (0 when they are done). false: that is over the budget, and the native must end in an
 * error. */
bool anet__sandbox_spend(lua_State *L, double steps, double bytes);

/* Add what the prelude gets from C about spaces, and about tables, to the table on top. */
void anet__sandbox_natives(lua_State *L);
void anet__sandbox_keys(lua_State *L);

#endif
