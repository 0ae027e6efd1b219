/* test_truncation - a model that is cut short anywhere is a located error. With arguments, cuts
 * those models instead of the digits network: each file, and the model.bin that it becomes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qcc.h"

enum { STEP = 64, NAME_MAX = 4096 };

typedef struct Bytes {
    char *data;
    size_t size;
} Bytes;

/* What the context said since it was last looked at. */
typedef struct Said {
    int located, nowhere;
    char last[256];
} Said;

static void hear(void *user, const QccDiagnostic *d)
{
    Said *said = user;
    if (d->severity != QCC_ERROR) return;
    if (d->file && strcmp(d->file, "cut") == 0)
        said->located++;
    else
        said->nowhere++;
    snprintf(said->last, sizeof said->last, "%s", d->message);
}

static bool append(void *user, const void *bytes, size_t size)
{
    Bytes *b = user;
    char *grown = realloc(b->data, b->size + size);
    if (!grown) return false;
    memcpy(grown + b->size, bytes, size);
    b->data = grown;
    b->size += size;
    return true;
}

static Bytes read_file(const char *path)
{
    Bytes b = {0};
    char part[1 << 14];
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s cannot be read", path);
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;) ck_assert(append(&b, part, n));
    fclose(f);
    return b;
}

static QccContext *new_context(Said *said)
{
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.diagnostic = hear;
    options.diagnostic_user = said;
    options.no_cache = true;
    options.threads = 1;
    QccContext *c;
    ck_assert_int_eq(qcc_context_new(&c, &options), QCC_OK);
    return c;
}

/* Every cut gets a block of its exact size, so that the sanitizer sees the first byte read past
 * it, and a context of its own every now and then, so that none grows without end. */
static void cut_everywhere(const char *name, Bytes whole)
{
    Said said = {0};
    QccContext *c = NULL;
    long cuts = 0;
    for (size_t n = 0; n < whole.size; n += STEP, cuts++) {
        if (cuts % 256 == 0) {
            qcc_context_free(c);
            c = new_context(&said);
        }
        char *cut = malloc(n ? n : 1);
        ck_assert_ptr_nonnull(cut);
        memcpy(cut, whole.data, n);
        said = (Said){0};
        QccModel *m = NULL;
        QccStatus status = qcc_model_from_memory(&m, c, "cut", cut, n);
        ck_assert_msg(status == QCC_ERROR_INPUT, "%s cut to %zu bytes: %s, %s", name, n,
                      qcc_status_name(status), said.last);
        ck_assert_msg(said.located > 0 && !said.nowhere, "%s cut to %zu bytes: no place in '%s'",
                      name, n, said.last);
        ck_assert_ptr_null(m);
        free(cut);
    }
    qcc_context_free(c);
    printf("%s: %zu bytes, %ld cuts, each a located error\n", name, whole.size, cuts);
}

static void cut_model(const char *path)
{
    Said said = {0};
    QccContext *c = new_context(&said);
    Bytes file = read_file(path), bin = {0};
    QccModel *m;
    ck_assert_msg(qcc_model_from_memory(&m, c, path, file.data, file.size) == QCC_OK, "%s: %s",
                  path, said.last);
    ck_assert_int_eq(qcc_model_print(m, QCC_PRINT_BINARY, append, &bin), QCC_OK);
    qcc_model_free(m);
    qcc_context_free(c);

    char name[NAME_MAX];
    snprintf(name, sizeof name, "the model.bin of %s", path);
    cut_everywhere(path, file);
    cut_everywhere(name, bin);
    free(file.data);
    free(bin.data);
}

static char **model; /* given on the command line */

START_TEST(test_given)
{
    cut_model(model[_i]);
}
END_TEST

START_TEST(test_digits)
{
    const char *source = getenv("QCC_SOURCE");
    char path[NAME_MAX];
    snprintf(path, sizeof path, "%s/models/digits/digits.onnx", source ? source : ".");
    cut_model(path);
}
END_TEST

int main(int argc, char **argv)
{
    model = argv + 1;
    Suite *s = suite_create("truncation");
    TCase *tc = tcase_create("truncation");
    tcase_set_timeout(tc, 600);
    if (argc > 1)
        tcase_add_loop_test(tc, test_given, 0, argc - 1);
    else
        tcase_add_test(tc, test_digits);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
