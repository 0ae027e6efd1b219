/* test_tune - tuning records: what is taken from one, and what is not. */
#define _GNU_SOURCE
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/variant.h"
#include "runtime/trial.h"
#include "runtime/tune.h"
#include "tests/kernel_random.h"

static QccMem mem;
static QccArena *arena;

static void setup(void)
{
    mem = (QccMem){0};
    arena = qcc_arena_new(&mem);
}

static void teardown(void)
{
    qcc_arena_free(arena);
}

/* ---- the content of a record ----------------------------------------------------------------- */

static const QccVariant list[] = {
    {.mr = 28, .nr = 2, .unroll = 4, .tiles = 2, .spread = 2, .stream = QCC_STREAM_B},
    {.mr = 6, .nr = 4, .unroll = 2, .chunk = 96, .n_outer = true},
    {.mr = 6, .nr = 4, .unroll = 2, .chunk = 96},
};
enum { N = sizeof list / sizeof *list };

static int parse(const char *text)
{
    return qcc_tuning_parse(text, strlen(text), arena, list, N);
}

static void check_contents(void *user)
{
    (void)user;
    ck_assert_int_eq(parse("choice 0 of 3\nvariant mr 28 nr 2 unroll 4 chunk 0 m-outer tiles 2 "
                           "spread 2 stream b\n"),
                     0);
    ck_assert_int_eq(parse("choice 1 of 3\nvariant mr 6 nr 4 unroll 2 chunk 96 n-outer\n"), 1);
    ck_assert_int_eq(parse("choice 2 of 3\nvariant mr 6 nr 4 unroll 2 chunk 96 m-outer\n"), 2);
    static const char *const bad[] = {
        "",
        "choice 0 of 3\n",
        "choice 3 of 3\nvariant mr 6 nr 4 unroll 2 chunk 96 m-outer\n", /* beyond the list */
        "choice -1 of 3\nvariant mr 6 nr 4 unroll 2 chunk 96 m-outer\n",
        "choice 1 of 3\nvariant mr 6 nr 4 unroll 2 chunk 96 m-outer\n",   /* that is number 2 */
        "choice 2 of 4\nvariant mr 6 nr 4 unroll 2 chunk 96 m-outer\n",   /* of another list */
        "choice 2 of 3\nvariant mr 6 nr 400 unroll 2 chunk 96 m-outer\n", /* nobody offers that */
        "choice 2 of 3\nvariant mr 6 nr 4 unroll 2 chunk 96 m-outer",
        "choice 2 of 3\nvariant mr 6 nr 4 unroll 2 chunk 96 m-outer\n\n",
        "choice 99999999999999999999 of 3\nvariant mr 6 nr 4 unroll 2 chunk 96 m-outer\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) ck_assert_int_eq(parse(bad[i]), -1);
}

/* A record with any one byte changed, or cut anywhere, names nothing. */
static void check_damaged(void *user)
{
    (void)user;
    for (int choice = 0; choice < N; choice++) {
        QccBuf text;
        qcc_buf_init(&text, arena);
        qcc_tuning_print(&text, list, N, choice);
        for (int64_t i = 0; i < text.len; i++) {
            char before = text.data[i];
            text.data[i] = (char)(before ^ 1 << i % 8);
            ck_assert_int_eq(qcc_tuning_parse(text.data, (size_t)text.len, arena, list, N), -1);
            text.data[i] = before;
            ck_assert_int_eq(qcc_tuning_parse(text.data, (size_t)i, arena, list, N), -1);
        }
        ck_assert_int_eq(qcc_tuning_parse(text.data, (size_t)text.len, arena, list, N), choice);
    }
}

START_TEST(contents)
{
    ck_assert(qcc_mem_protect(&mem, check_contents, NULL));
}
END_TEST

START_TEST(damaged)
{
    ck_assert(qcc_mem_protect(&mem, check_damaged, NULL));
}
END_TEST

/* ---- memory of a trial -----------------------------------------------------------------------
 */

/* Every argument reaches as far as that of a random kernel, which lies against pages that may not
 * be touched (test_kernels); packed weights as far as those of any candidate. */
static void check_trials(void *user)
{
    (void)user;
    enum { SEEDS = 60 };
    int tried = 0, n;
    const QccTarget *t = qcc_targets_tested(&n);
    for (int i = 0; i < SEEDS * ANCHORS; i++) {
        QccArena *scratch = qcc_arena_sub(arena);
        const QccTarget *target = &t[i % n];
        Case *c = random_case(scratch, &mem, (QccAnchor)(i % ANCHORS), (uint64_t)i, target);
        QccVariant candidate[QCC_CANDIDATES];
        QccTrial trial;
        int m = qcc_variant_candidates(&c->k, target, candidate, QCC_CANDIDATES);
        bool fits = qcc_trial_init(&trial, scratch, &c->k, target, candidate, m, 1 << 16);
        for (int a = 0; fits && a < c->k.narg; a++) {
            if (a != trial.weight) ck_assert_int_ge(trial.bytes[a], (int64_t)c->buffer[a].bytes);
            ck_assert(a == trial.weight || trial.arg[a] != NULL);
        }
        for (int j = 0; fits && trial.weight >= 0 && j < m; j++) {
            c->k.variant = candidate[j];
            ck_assert_int_ge(trial.bytes[trial.weight], qcc_pack_size(&c->k, target));
        }
        tried += fits;
        qcc_arena_free(scratch);
    }
    ck_assert_int_gt(tried, SEEDS);
}

START_TEST(trials)
{
    ck_assert(qcc_mem_protect(&mem, check_trials, NULL));
}
END_TEST

/* ---- records of others ----------------------------------------------------------------------- */

static char folder[64];
static int ignored; /* notes */

static void count_ignored(void *user, const QccDiagnostic *d)
{
    (void)user;
    if (strstr(d->message, "tuning record is ignored"))
        ignored++;
    else
        fprintf(stderr, "%d: %s\n", d->line, d->message);
}

static const char model_text[] = "qir 1\n"
                                 "graph @g(%x: u8[1,20,20,64] q(0.5: 3)) {\n"
                                 "  %w = const @0 : i8[64,1,1,64] q(0.25: 0)\n"
                                 "  %y = conv2d %x, %w : f32[1,20,20,64]\n"
                                 "  return %y\n"
                                 "}\n";

/* Makes the program and counts what was chosen by records and by measuring. */
static void make(QccTune tune, int *recorded, int *measured)
{
    QccContext *context;
    QccModel *model;
    QccProgram *program;
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.diagnostic = count_ignored;
    options.cache_dir = folder;
    options.module_path = getenv("QCC_LLVM_MODULE");
    ck_assert_int_eq(qcc_context_new(&context, &options), QCC_OK);
    enum { WEIGHTS = 5462 }; /* digits of base64 for 64 * 64 bytes, and two signs behind them */
    char zeros[WEIGHTS + 1], text[sizeof model_text + sizeof zeros + 64];
    memset(zeros, 'A', WEIGHTS);
    zeros[WEIGHTS] = '\0';
    snprintf(text, sizeof text, "%sblob @0 i8 64x1x1x64 \"%s==\"\n", model_text, zeros);
    ck_assert_int_eq(qcc_model_from_memory(&model, context, "test", text, strlen(text)), QCC_OK);
    QccProgramOptions how = QCC_INIT(QccProgramOptions);
    how.tune = tune;
    ignored = 0;
    ck_assert_int_eq(qcc_program_new(&program, model, &how), QCC_OK);
    QccInstance *instance = qcc_program_last_instance(program);
    ck_assert_int_ge(instance->tuned.open, 1);
    *recorded = instance->tuned.recorded;
    *measured = instance->tuned.measured;
    qcc_instance_unref(instance);
    qcc_program_free(program);
    qcc_model_free(model);
    qcc_context_free(context);
}

/* Reads the text of the entry, which follows its header of 64 bytes; false: it is no record. */
static bool read_record(const char *name, char *text, size_t room, size_t *size)
{
    char path[512];
    uint64_t text_size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    char entry[16384];
    size_t n = fread(entry, 1, sizeof entry, f);
    fclose(f);
    if (n < 64) return false;
    memcpy(&text_size, entry + 24, sizeof text_size);
    if (text_size > n - 64 || text_size > room || memcmp(entry + 64, "tuning", 6) != 0)
        return false;
    memcpy(text, entry + 64, text_size);
    *size = text_size;
    return true;
}

/* Gives every record in the folder this content, whole and with a right checksum. */
static void check_rewritten(void *user)
{
    const char *content = user;
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.cache_dir = folder;
    QccDiags none = {0};
    QccCache *cache = qcc_cache_open(arena, &none, &options);
    ck_assert_ptr_nonnull(cache);
    char text[16384];
    size_t size;
    int records = 0;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *d; (d = readdir(dir));) {
        if (d->d_name[0] == '.' || !read_record(d->d_name, text, sizeof text, &size)) continue;
        qcc_cache_store(cache, arena, text, size, content, strlen(content));
        records++;
    }
    closedir(dir);
    ck_assert_int_ge(records, 1);
}

START_TEST(foreign_records)
{
    if (!getenv("QCC_LLVM_MODULE")) {
        printf("records of others: skipped, QCC_LLVM_MODULE is not set\n");
        return;
    }
    strcpy(folder, "/tmp/qcc-tune-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    int recorded, measured;
    make(QCC_TUNE_FAST, &recorded, &measured);
    ck_assert_int_eq(recorded, 0);
    ck_assert_int_ge(measured, 1);
    int kernels = measured;
    make(QCC_TUNE_OFF, &recorded, &measured);
    ck_assert_int_eq(recorded, kernels);
    ck_assert_int_eq(measured + ignored, 0);

    static const char *const strange[] = {
        "choice 7 of 8\nvariant mr 200 nr 200 unroll 1000000 chunk 1 n-outer\n",
        "choice 2147483648 of 8\n",
        "",
    };
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        ck_assert(qcc_mem_protect(&mem, check_rewritten, (void *)(uintptr_t)strange[i]));
        make(QCC_TUNE_OFF, &recorded, &measured);
        ck_assert_int_eq(recorded + measured, 0);
        ck_assert_int_eq(ignored, kernels);
    }
    make(QCC_TUNE_FAST, &recorded, &measured);
    ck_assert_int_eq(measured, kernels);
    make(QCC_TUNE_OFF, &recorded, &measured);
    ck_assert_int_eq(recorded, kernels);
    ck_assert_int_eq(ignored, 0);

    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tune");
    TCase *c = tcase_create("tune");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, contents);
    tcase_add_test(c, damaged);
    tcase_add_test(c, trials);
    tcase_add_test(c, foreign_records);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
