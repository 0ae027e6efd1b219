/* test_digits - the digits network, quantized: the same bytes on every bundle, number of threads
 * and floating-point environment of the host, today and tomorrow. */
#define _GNU_SOURCE
#define XXH_INLINE_ALL
#include <check.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "backend/target.h"
#include "runtime/qcc.h"

enum { IMAGES = 8, BATCH = 64, PIXELS = 24 * 24, CLASSES = 10 };

/* XXH3-64 of the logits of the first 8 test images, f32[8,10]. It changes when quantization gives
 * other parameters, never by a change of engine: then find out which, and say so in CHANGELOG.md.
 */
static const uint64_t golden = 0xc09898a01f930c1b;

static QccContext *context;
static QccModel *model; /* quantized */
static float image[BATCH * PIXELS];

static void print_diagnostic(void *user, const QccDiagnostic *d)
{
    (void)user;
    fprintf(stderr, "%s:%d: %s\n", d->file ? d->file : "", d->line, d->message);
}

static const char *file(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/models/digits/%s", getenv("QCC_SOURCE"), name);
    return path;
}

/* (x / 255 - mean) / std, as data.yaml says. */
static void load_images(void)
{
    QccTensorFile f;
    ck_assert_int_eq(qcc_tensor_load(&f, context, file("test_images.npy")), QCC_OK);
    ck_assert(f.dtype == QCC_U8 && f.rank == 4 && f.bytes >= sizeof image / sizeof *image);
    for (int i = 0; i < BATCH * PIXELS; i++)
        image[i] = ((float)((uint8_t *)f.data)[i] / 255.0F - 0.44F) / 0.3F;
    qcc_tensor_free(&f);
}

static QccModel *quantize(void)
{
    char pipeline[4096], data[4096];
    QccModel *m;
    ck_assert_int_eq(qcc_model_open(&m, context, file("digits.onnx")), QCC_OK);
    snprintf(data, sizeof data, "%s", file("calib.yaml"));
    snprintf(pipeline, sizeof pipeline, "%s/pipelines/ptq_int8.yaml", getenv("QCC_SOURCE"));
    QccPipelineOptions options = QCC_INIT(QccPipelineOptions);
    options.pipeline = pipeline;
    options.data = data;
    ck_assert_int_eq(qcc_model_transform(m, &options), QCC_OK);
    int64_t shape[] = {BATCH, 1, 24, 24};
    ck_assert_int_eq(qcc_model_set_shape(m, NULL, shape, 4), QCC_OK);
    return m;
}

static void setup(void)
{
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.diagnostic = print_diagnostic;
    options.module_path = getenv("QCC_LLVM_MODULE");
    ck_assert_int_eq(qcc_context_new(&context, &options), QCC_OK);
    load_images();
    model = quantize();
}

static void teardown(void)
{
    qcc_model_free(model);
    qcc_context_free(context);
}

static QccProgram *make_program(const QccModel *m, const char *target)
{
    QccProgram *program;
    QccProgramOptions options = QCC_INIT(QccProgramOptions);
    options.target = target;
    options.interpret = !target;
    ck_assert_int_eq(qcc_program_new(&program, m, &options), QCC_OK);
    return program;
}

static QccSession *make_session(const QccProgram *program, int threads)
{
    QccSession *session;
    QccSessionOptions options = QCC_INIT(QccSessionOptions);
    options.threads = threads;
    ck_assert_int_eq(qcc_session_new(&session, program, &options), QCC_OK);
    return session;
}

static void run(QccSession *session, float *logits)
{
    QccBuffer in = {.data = image, .dtype = QCC_F32}, out = {.data = logits, .dtype = QCC_F32};
    memset(logits, 0xff, BATCH * CLASSES * sizeof *logits);
    ck_assert_int_eq(qcc_session_run(session, &in, 1, &out, 1), QCC_OK);
}

static void run_new(const QccModel *m, const char *target, int threads, float *logits)
{
    QccProgram *program = make_program(m, target);
    QccSession *session = make_session(program, threads);
    run(session, logits);
    qcc_session_free(session);
    qcc_program_free(program);
}

/* ---- the tests ------------------------------------------------------------------------------- */

START_TEST(logits_are_golden)
{
    float logits[BATCH * CLASSES];
    run_new(model, NULL, 1, logits);
    uint64_t hash = XXH3_64bits(logits, IMAGES * CLASSES * sizeof *logits);
    ck_assert_msg(hash == golden, "the interpreter's logits hash to 0x%016llx",
                  (unsigned long long)hash);
}
END_TEST

START_TEST(bundles_and_threads_give_the_same)
{
    static const int threads[] = {1, 2, 4};
    int n;
    const QccTarget *target = qcc_targets(&n);
    float want[BATCH * CLASSES], got[BATCH * CLASSES];
    run_new(model, NULL, 1, want);
    for (int i = 0; i < n; i++) {
        if (!qcc_target_runs_here(&target[i])) {
            printf("%s: skipped, this machine does not run it\n", target[i].name);
            continue;
        }
        for (int k = 0; k < 3; k++) {
            run_new(model, target[i].name, threads[k], got);
            ck_assert_msg(memcmp(got, want, sizeof want) == 0, "%s, %d threads", target[i].name,
                          threads[k]);
        }
    }
}
END_TEST

/* Toward minus infinity; on x86 denormals are flushed and taken for 0 as well. */
static void set_odd_environment(void)
{
    fesetround(FE_DOWNWARD);
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
}

static bool is_odd_environment(void)
{
#if defined(__x86_64__)
    if ((_mm_getcsr() & 0x8040) != 0x8040) return false;
#endif
    return fegetround() == FE_DOWNWARD;
}

/* The threads of a pool have the environment of the one that made it: the host's. */
START_TEST(hosts_environment_is_not_seen)
{
    const char *host = qcc_target_host() ? qcc_target_host()->name : NULL;
    const char *engine[] = {NULL, host};
    float want[BATCH * CLASSES], got[BATCH * CLASSES];
    run_new(model, NULL, 1, want);
    set_odd_environment();
    volatile float third = 1.0F;
    third /= 3.0F;
    for (int i = 0; i < 6; i++) {
        run_new(model, engine[i % 2], 1 << i / 2, got);
        ck_assert(is_odd_environment());
        ck_assert_msg(memcmp(got, want, sizeof want) == 0, "%s, %d threads",
                      i % 2 ? host : "interpreter", 1 << i / 2);
    }
    QccModel *again = quantize();
    ck_assert(is_odd_environment());
    run_new(again, NULL, 1, got);
    ck_assert_msg(memcmp(got, want, sizeof want) == 0, "quantized in the host's environment");
    qcc_model_free(again);
    fesetenv(FE_DFL_ENV);
    ck_assert_msg(third < 1.0F / 3.0F, "the environment had no effect at all");
}
END_TEST

int main(void)
{
    if (!getenv("QCC_LLVM_MODULE")) {
        printf("skipped: no LLVM module (QCC_LLVM_MODULE is not set)\n");
        return 77;
    }
    Suite *suite = suite_create("digits");
    TCase *tcase = tcase_create("digits");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, logits_are_golden);
    tcase_add_test(tcase, bundles_and_threads_give_the_same);
    tcase_add_test(tcase, hosts_environment_is_not_seen);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
