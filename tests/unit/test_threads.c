/* test_threads - what qcc.h promises of threads: sessions of one program run at once, whether their
 * steps are kernels or go through eval, while the context's thread makes other models and programs.
 * The thread sanitizer looks on where it is built in; the bytes are compared everywhere. */
#define _GNU_SOURCE
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qcc.h"

enum { THREADS = 4, RUNS = 24, SIZES = 3, ROW = 12, LARGEST = 8 };

/* Sorting goes through eval; the rest are kernels. */
static const char text[] = "qir 1\n"
                           "graph @mixed(symbols N: 1..8; %x: f32[N,12]) {\n"
                           "  %a = tanh %x : f32[N,12]\n"
                           "  %s = softmax %a : f32[N,12]\n"
                           "  %i = top_k %s {k: 12, axis: 1} : i64[N,12]\n"
                           "  %v = gather_elements %s, %i {axis: 1} : f32[N,12]\n"
                           "  %y = add %v, %x : f32[N,12]\n"
                           "  return %y\n"
                           "}\n";

static void hear(void *user, const QccDiagnostic *d)
{
    (void)user;
    if (d->severity == QCC_ERROR) fprintf(stderr, "%s\n", d->message);
}

typedef struct Shared {
    const QccProgram *program;
    float expected[SIZES][LARGEST * ROW];
    atomic_int wrong;
} Shared;

static int rows_of(int size)
{
    static const int rows[SIZES] = {1, 3, LARGEST};
    return rows[size];
}

static QccStatus run(QccSession *session, float *y, int size)
{
    float x[LARGEST * ROW];
    int64_t shape[] = {rows_of(size), ROW};
    for (int i = 0; i < shape[0] * ROW; i++) x[i] = (float)((i * 29 + size) % 23 - 11) / 8;
    QccBuffer in = {.data = x, .dtype = QCC_F32, .shape = shape};
    QccBuffer out = {.data = y, .dtype = QCC_F32};
    return qcc_session_run(session, &in, 1, &out, 1);
}

static void *run_often(void *user)
{
    Shared *s = user;
    QccSessionOptions options = QCC_INIT(QccSessionOptions);
    options.threads = 1;
    QccSession *session;
    if (qcc_session_new(&session, s->program, &options) != QCC_OK) {
        atomic_fetch_add(&s->wrong, 1);
        return NULL;
    }
    for (int i = 0; i < RUNS; i++) {
        float y[LARGEST * ROW];
        int size = i % SIZES;
        if (run(session, y, size) != QCC_OK ||
            memcmp(y, s->expected[size], (size_t)rows_of(size) * ROW * sizeof *y) != 0)
            atomic_fetch_add(&s->wrong, 1);
    }
    qcc_session_free(session);
    return NULL;
}

/* What an application may do meanwhile on the context's thread. */
static void use_context(QccContext *context)
{
    for (int i = 0; i < 4; i++) {
        QccModel *model;
        QccProgram *program;
        QccProgramOptions options = QCC_INIT(QccProgramOptions);
        options.interpret = true;
        ck_assert_int_eq(qcc_model_from_memory(&model, context, "m", text, sizeof text - 1),
                         QCC_OK);
        ck_assert_int_eq(qcc_program_new(&program, model, &options), QCC_OK);
        qcc_program_free(program);
        qcc_model_free(model);
    }
}

static void check_sessions(bool interpret)
{
    QccContext *context;
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.diagnostic = hear;
    ck_assert_int_eq(qcc_context_new(&context, &options), QCC_OK);
    QccModel *model;
    QccProgram *reference, *program;
    QccProgramOptions how = QCC_INIT(QccProgramOptions);
    how.interpret = true;
    ck_assert_int_eq(qcc_model_from_memory(&model, context, "m", text, sizeof text - 1), QCC_OK);
    ck_assert_int_eq(qcc_program_new(&reference, model, &how), QCC_OK);
    how.interpret = interpret;
    ck_assert_int_eq(qcc_program_new(&program, model, &how), QCC_OK);
    qcc_model_free(model);

    Shared shared = {.program = program};
    QccSession *session;
    ck_assert_int_eq(qcc_session_new(&session, reference, NULL), QCC_OK);
    for (int i = 0; i < SIZES; i++) ck_assert_int_eq(run(session, shared.expected[i], i), QCC_OK);
    qcc_session_free(session);

    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, run_often, &shared), 0);
    use_context(context);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    ck_assert_int_eq(atomic_load(&shared.wrong), 0);
    qcc_program_free(program);
    qcc_program_free(reference);
    qcc_context_free(context);
}

START_TEST(interpreted)
{
    check_sessions(true);
}
END_TEST

START_TEST(compiled)
{
    if (!getenv("QCC_LLVM_MODULE")) {
        printf("compiled code: skipped, QCC_LLVM_MODULE is not set\n");
        return;
    }
    check_sessions(false);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("threads");
    TCase *t = tcase_create("sessions");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, interpreted);
    tcase_add_test(t, compiled);
    SRunner *r = srunner_create(s);
    /* One process: the sanitizers' reports are complete, and a crash is the test's own. */
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
