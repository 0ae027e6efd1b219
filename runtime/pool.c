/* pool - threads that share out one piece of work at a time, see pool.h.
 *
 * A piece of work is open while `left`, the chunks that nobody has taken, is above 0. Whoever
 * decrements it from a positive number has that chunk, and with it the right to read the fields
 * that describe the work, which do not change before the chunk is counted in `done`. So no thread
 * has to be asked whether it has left off.
 */
#define _GNU_SOURCE
#include "runtime/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Pauses before a thread sleeps: 20 to 70 us, a few small steps of a program. */
enum { SPINS = 1500 };

struct QccPool {
    int nworker;
    pthread_t *worker;
    QccPoolFn *fn;
    void *user;
    int64_t work, chunk, chunks;
    _Alignas(64) atomic_int_least64_t left; /* of this line the spinning threads ask */
    _Alignas(64) atomic_int_least64_t done;
    _Alignas(64)
        atomic_int sleeping; /* workers; the caller too, while it waits for the last chunk */
    atomic_bool ends;
    pthread_mutex_t lock; /* of those who fall asleep, against those who wake them */
    pthread_cond_t opened, finished;
};

static void relax(void)
{
#if defined(__x86_64__)
    _mm_pause();
#endif
}

/* ---- waiting --------------------------------------------------------------------------------- */

static bool is_open(QccPool *p)
{
    return atomic_load(&p->left) > 0 || atomic_load(&p->ends);
}

static bool is_done(QccPool *p)
{
    return atomic_load(&p->done) == p->chunks;
}

/* Spins, then sleeps. Whoever makes the condition true does so before it looks at `sleeping`, and
 * whoever sleeps has added itself there before it looks at the condition: one of them sees the
 * other. */
static void wait_for(QccPool *p, bool (*ready)(QccPool *p), pthread_cond_t *cond)
{
    for (int i = 0; i < SPINS; i++) {
        if (ready(p)) return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleeping, 1);
    while (!ready(p)) pthread_cond_wait(cond, &p->lock);
    atomic_fetch_sub(&p->sleeping, 1);
    pthread_mutex_unlock(&p->lock);
}

static void wake(QccPool *p, pthread_cond_t *cond)
{
    if (atomic_load(&p->sleeping) == 0) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(cond);
    pthread_mutex_unlock(&p->lock);
}

/* ---- working --------------------------------------------------------------------------------- */

static void take_chunks(QccPool *p)
{
    int64_t left;
    while (atomic_load(&p->left) > 0 && (left = atomic_fetch_sub(&p->left, 1)) > 0) {
        int64_t chunks = p->chunks, begin = (chunks - left) * p->chunk, end = begin + p->chunk;
        p->fn(p->user, begin, end < p->work ? end : p->work);
        if (atomic_fetch_add(&p->done, 1) + 1 == chunks) wake(p, &p->finished);
    }
}

static void *work_on(void *user)
{
    QccPool *p = user;
    while (!atomic_load(&p->ends)) {
        wait_for(p, is_open, &p->opened);
        take_chunks(p);
    }
    return NULL;
}

void qcc_pool_run(QccPool *pool, QccPoolFn *fn, void *user, int64_t work, int64_t chunk)
{
    if (work <= 0) return;
    if (!pool || chunk >= work) {
        for (int64_t begin = 0; begin < work; begin += chunk)
            fn(user, begin, begin + chunk < work ? begin + chunk : work);
        return;
    }
    pool->fn = fn;
    pool->user = user;
    pool->work = work;
    pool->chunk = chunk;
    pool->chunks = (work + chunk - 1) / chunk;
    atomic_store(&pool->done, 0);
    atomic_store(&pool->left, pool->chunks);
    wake(pool, &pool->opened);
    take_chunks(pool);
    wait_for(pool, is_done, &pool->finished);
}

/* ---- making ---------------------------------------------------------------------------------- */

static void end_pool(void *user)
{
    QccPool *p = user;
    atomic_store(&p->ends, true);
    wake(p, &p->opened);
    for (int i = 0; i < p->nworker; i++) pthread_join(p->worker[i], NULL);
    pthread_cond_destroy(&p->opened);
    pthread_cond_destroy(&p->finished);
    pthread_mutex_destroy(&p->lock);
}

QccPool *qcc_pool_new(QccArena *arena, int threads)
{
    QccPool *p = qcc_alloc_aligned(arena, sizeof *p, 64);
    *p = (QccPool){.worker = QCC_NEW_ARRAY(arena, threads, pthread_t)};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->opened, NULL);
    pthread_cond_init(&p->finished, NULL);
    qcc_arena_defer(arena, end_pool, p);
    /* Signals are for the host's threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (p->nworker < threads - 1 &&
           pthread_create(&p->worker[p->nworker], NULL, work_on, p) == 0)
        p->nworker++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p->nworker == threads - 1 ? p : NULL;
}
