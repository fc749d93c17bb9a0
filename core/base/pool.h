/* A pool of threads that all run one function on numbered parts of a job. The caller works too,
 * so a pool of 1 has no thread of its own. Whoever is free takes the next part, and no result may
 * depend on which worker ran it. */
#ifndef ANET_POOL_H
#define ANET_POOL_H

#include "base/compiler.h"
#include "anet.h"

typedef void (*anet__job)(void *context, int32_t part, int32_t worker);

/* Runs job(context, 0 .. parts-1, worker) and returns when all are done. A NULL pool runs them
 * here, as worker 0. Not reentrant: a job never runs another job on its own pool. */
void anet__pool_run(anet_pool *pool, anet__job job, void *context, int32_t parts);
anet_pool *anet__pool_retain(anet_pool *pool);     /* gives pool back; NULL is fine */
int32_t anet__pool_workers(const anet_pool *pool); /* 1 for NULL */

/* Whether the flag that the pool's owner watches is set: it then stays set until the call has
 * returned. A job may leave out its work once it is, where its caller asks again afterwards and
 * throws away what was made. */
bool anet__pool_stopped(const anet_pool *pool); /* false for NULL */
int anet__pool_check(const anet_pool *pool);    /* ANET_STOPPED, with a message */

/* The slice [*begin, *end) of `count` items that part `part` of `parts` does. */
void anet__slice(int32_t count, int32_t part, int32_t parts, int32_t *begin, int32_t *end);

#endif
