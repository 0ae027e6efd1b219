/* test_memory - an allocator that fails on purpose: every call of qcc.h ends in QCC_ERROR_MEMORY,
 * leaves nothing behind, and works again afterwards. */
#define _GNU_SOURCE
#include <check.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qcc.h"

/* Allocation number `fail_at` fails, and all after it when `forever`. Any thread may ask. */
typedef struct Allocator {
    pthread_mutex_t lock;
    long count, fail_at, live; /* fail_at -1: none */
    bool forever;
} Allocator;

static void *allocate(void *user, void *p, size_t size)
{
    Allocator *a = user;
    pthread_mutex_lock(&a->lock);
    bool fails = size && (a->count == a->fail_at || (a->forever && a->count > a->fail_at));
    if (size) a->count++;
    if (size && !p && !fails) a->live++;
    if (!size && p) a->live--;
    pthread_mutex_unlock(&a->lock);
    if (fails) return NULL;
    if (size) return realloc(p, size);
    free(p);
    return NULL;
}

typedef struct Case {
    Allocator allocator;
    const char *source;   /* the source tree */
    const char *pipeline; /* NULL: the model runs as it is */
    bool interpret;
    const char *cache; /* folder of compiled kernels; NULL: none */
    char said[256];    /* the last error */
} Case;

static void hear(void *user, const QccDiagnostic *d)
{
    Case *c = user;
    if (d->severity == QCC_ERROR) snprintf(c->said, sizeof c->said, "%s", d->message);
}

static bool count_bytes(void *user, const void *bytes, size_t size)
{
    (void)bytes;
    *(size_t *)user += size;
    return true;
}

static QccStatus run_program(const QccProgram *p)
{
    static const float image[24 * 24];
    float logits[10];
    QccSession *s = NULL;
    QccSessionOptions options = QCC_INIT(QccSessionOptions);
    options.threads = 1;
    QccStatus status = qcc_session_new(&s, p, &options);
    QccBuffer in = {.data = (void *)(uintptr_t)image, .dtype = QCC_F32};
    QccBuffer out = {.data = logits, .dtype = QCC_F32};
    if (status == QCC_OK) status = qcc_session_run(s, &in, 1, &out, 1);
    qcc_session_free(s);
    return status;
}

static QccStatus use_model(Case *c, QccModel *m)
{
    char pipeline[4096], data[4096];
    size_t printed = 0;
    static const char *const set[] = {"calibrate.samples=1", NULL};
    QccPipelineOptions transform = QCC_INIT(QccPipelineOptions);
    snprintf(pipeline, sizeof pipeline, "%s/pipelines/%s.yaml", c->source, c->pipeline);
    snprintf(data, sizeof data, "%s/models/digits/calib.yaml", c->source);
    transform.pipeline = pipeline;
    transform.data = data;
    transform.set = set;
    QccStatus status = c->pipeline ? qcc_model_transform(m, &transform) : QCC_OK;
    if (status == QCC_OK) status = qcc_model_print(m, QCC_PRINT_BINARY, count_bytes, &printed);
    if (status != QCC_OK) return status;
    QccProgram *p = NULL;
    QccProgramOptions options = QCC_INIT(QccProgramOptions);
    options.interpret = c->interpret;
    options.taps = true;
    status = qcc_program_new(&p, m, &options);
    if (status == QCC_OK) status = run_program(p);
    qcc_program_free(p);
    return status;
}

/* From nothing to a result, and all the way back. */
static QccStatus whole_way(Case *c)
{
    char path[4096];
    QccContext *context = NULL;
    QccModel *m = NULL;
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.diagnostic = hear;
    options.diagnostic_user = c;
    options.realloc = allocate;
    options.realloc_user = &c->allocator;
    options.no_cache = !c->cache;
    options.cache_dir = c->cache;
    options.threads = 2;
    if (c->interpret) options.module_path = "/nowhere"; /* calibrates by the interpreter */
    snprintf(path, sizeof path, "%s/models/digits/digits.onnx", c->source);
    QccStatus status = qcc_context_new(&context, &options);
    if (status == QCC_OK) status = qcc_model_open(&m, context, path);
    if (status == QCC_OK) status = use_model(c, m);
    qcc_model_free(m);
    qcc_context_free(context);
    return status;
}

static QccStatus attempt(Case *c, long fail_at, bool forever)
{
    c->allocator.count = 0;
    c->allocator.fail_at = fail_at;
    c->allocator.forever = forever;
    c->said[0] = 0;
    QccStatus status = whole_way(c);
    ck_assert_msg(c->allocator.live == 0, "%ld blocks are left after allocation %ld failed",
                  c->allocator.live, fail_at);
    return status;
}

/* The first `dense` allocations fail one by one, of the others some `samples`. */
static void fail_everywhere(Case *c, long dense, long samples)
{
    const char *source = getenv("QCC_SOURCE");
    c->source = source ? source : ".";
    pthread_mutex_init(&c->allocator.lock, NULL);
    QccStatus status = attempt(c, -1, false);
    if (c->cache) status = attempt(c, -1, false); /* the first one compiled */
    ck_assert_msg(status == QCC_OK, "%s", c->said);
    long total = c->allocator.count, step = total > dense ? (total - dense) / samples + 1 : 1;
    for (long n = 0; n < total; n += n < dense ? 1 : step) {
        for (int forever = 0; forever < 2; forever++) {
            status = attempt(c, n, forever);
            ck_assert_msg(status == QCC_ERROR_MEMORY,
                          "allocation %ld of %ld failed, and so: %s, %s", n, total,
                          qcc_status_name(status), c->said);
        }
    }
    printf("%s, %s: %ld allocations\n", c->interpret ? "interpreted" : "compiled",
           c->pipeline ? c->pipeline : "as it is", total);
    pthread_mutex_destroy(&c->allocator.lock);
}

START_TEST(test_interpreted)
{
    fail_everywhere(&(Case){.interpret = true}, 60, 60);
}
END_TEST

START_TEST(test_quantized)
{
    fail_everywhere(&(Case){.interpret = true, .pipeline = "ptq_int8"}, 0, 60);
}
END_TEST

/* By kernels from a cache, so that no time goes into compiling. */
START_TEST(test_compiled)
{
    if (!getenv("QCC_LLVM_MODULE")) {
        printf("compiled code: skipped, QCC_LLVM_MODULE is not set\n");
        return;
    }
    char folder[] = "/tmp/qcc-memory-XXXXXX", command[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    fail_everywhere(&(Case){.cache = folder, .pipeline = "ptq_int8"}, 0, 60);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("memory");
    TCase *tc = tcase_create("memory");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_interpreted);
    tcase_add_test(tc, test_quantized);
    tcase_add_test(tc, test_compiled);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
