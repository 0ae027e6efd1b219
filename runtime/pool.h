/* pool - threads that share out one piece of work at a time.
 *
 * The caller works too, and takes whatever the others do not come to take: work ends when every
 * chunk of it is done, not when every thread has been awake. So a thread that the system does not
 * run costs nothing but its share, which a barrier of all threads cannot promise. Between pieces of
 * work threads spin for some microseconds, then sleep.
 */
#ifndef QCC_RUNTIME_POOL_H
#define QCC_RUNTIME_POOL_H

#include "ir/base/arena.h"

typedef struct QccPool QccPool;

/* Does units [begin, end) of a piece of work; on any thread of the pool. */
typedef void QccPoolFn(void *user, int64_t begin, int64_t end);

/* A pool of `threads` threads, the caller's among them; it ends with the arena. NULL: there are not
 * enough threads to be had. */
QccPool *qcc_pool_new(QccArena *arena, int threads);

/* Calls fn over [0, work), in chunks of `chunk` units (the last may be smaller), in ascending order
 * as far as one thread is concerned, and returns when all are done. One caller at a time. `pool`
 * may be NULL: one thread. */
void qcc_pool_run(QccPool *pool, QccPoolFn *fn, void *user, int64_t work, int64_t chunk);

#endif
