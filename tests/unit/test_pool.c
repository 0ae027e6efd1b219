/* test_pool - every unit of work is done once, whatever the threads and the sizes, one piece of
 * work after the other; two pools at once; a thread that is held up holds up nothing but its chunk.
 */
#define _GNU_SOURCE
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/pool.h"

enum { UNITS = 1000, PIECES = 3000 };

typedef struct Count {
    atomic_int done[UNITS];
    int64_t work, chunk;
    atomic_int wrong;
} Count;

/* Units of a chunk, whose bounds follow from the sizes. */
static void count_units(void *user, int64_t begin, int64_t end)
{
    Count *c = user;
    bool fits = begin >= 0 && begin % c->chunk == 0 && end <= c->work && begin < end &&
                (end - begin == c->chunk || end == c->work);
    if (!fits) atomic_fetch_add(&c->wrong, 1);
    for (int64_t i = begin; fits && i < end; i++) atomic_fetch_add(&c->done[i], 1);
}

static void run_pieces(QccPool *pool)
{
    Count *c = calloc(1, sizeof *c);
    int expected[UNITS] = {0};
    for (int i = 0; i < PIECES; i++) {
        c->work = 1 + (int64_t)i * 37 % UNITS;
        c->chunk = 1 + (int64_t)i * 11 % 150;
        qcc_pool_run(pool, count_units, c, c->work, c->chunk);
        for (int64_t k = 0; k < c->work; k++) expected[k]++;
        if (i % 500 == 0) usleep(1000); /* the others fall asleep */
    }
    qcc_pool_run(pool, count_units, c, 0, 1);
    ck_assert_int_eq(atomic_load(&c->wrong), 0);
    for (int i = 0; i < UNITS; i++) ck_assert_int_eq(atomic_load(&c->done[i]), expected[i]);
    free(c);
}

START_TEST(units_are_done_once)
{
    static const int threads[] = {0, 1, 2, 3, 8}; /* 0: no pool */
    QccMem mem = {0};
    QccArena *arena = qcc_arena_new(&mem);
    QccPool *pool = NULL;
    if (threads[_i] > 0) {
        pool = qcc_pool_new(arena, threads[_i]);
        ck_assert_ptr_nonnull(pool);
    }
    run_pieces(pool);
    qcc_arena_free(arena);
}
END_TEST

static void *run_alone(void *user)
{
    (void)user;
    QccMem mem = {0};
    QccArena *arena = qcc_arena_new(&mem);
    run_pieces(qcc_pool_new(arena, 2));
    qcc_arena_free(arena);
    return NULL;
}

START_TEST(pools_do_not_meet)
{
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, run_alone, NULL), 0);
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
}
END_TEST

/* ---- a thread that is held up ---------------------------------------------------------------- */

typedef struct Holding {
    pthread_t caller;
    atomic_bool held, let_go;
    atomic_int done;
} Holding;

/* The first chunk that another thread takes lasts until the caller has done all the others. */
static void hold(void *user, int64_t begin, int64_t end)
{
    Holding *h = user;
    bool other = !pthread_equal(pthread_self(), h->caller);
    if (other && !atomic_exchange(&h->held, true)) {
        while (!atomic_load(&h->let_go)) usleep(100);
    } else if (!other) {
        /* Not before the other one has come. */
        while (!atomic_load(&h->held)) usleep(100);
    }
    if (atomic_fetch_add(&h->done, (int)(end - begin)) + (int)(end - begin) == 99)
        atomic_store(&h->let_go, true);
}

START_TEST(others_take_what_is_left)
{
    QccMem mem = {0};
    QccArena *arena = qcc_arena_new(&mem);
    QccPool *pool = qcc_pool_new(arena, 2);
    ck_assert_ptr_nonnull(pool);
    Holding h = {.caller = pthread_self()};
    qcc_pool_run(pool, hold, &h, 100, 1);
    ck_assert_int_eq(atomic_load(&h.done), 100);
    qcc_arena_free(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pool");
    TCase *tcase = tcase_create("pool");
    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, units_are_done_once, 0, 5);
    tcase_add_test(tcase, pools_do_not_meet);
    tcase_add_test(tcase, others_take_what_is_left);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
