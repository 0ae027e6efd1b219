/* test_pass_files - runs every tests/golden/passes/ *.qir through the pipeline that it names.
 *
 *   ; PIPELINE: [canonicalize, quantize: {weights: per-tensor}]
 *   qir 1 ...
 *   ; EXPECT
 *   ; the module afterwards, a line each        or   ; ERROR: the first message, as LINE:COL: TEXT
 *
 * QCC_UPDATE=1 writes what is found in place of what was expected: the difference is to be read.
 */
#include <dirent.h>
#include <stdlib.h>

#include "passes/manager.h"
#include "tests/unit/ir_test.h"

enum { MOST_FILES = 200, MOST_TEXT = 1 << 16 };

static char folder[4096];
static char *file_name[MOST_FILES];
static int nfile;
static int current;

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    char *text = calloc(1, MOST_TEXT);
    size_t n = fread(text, 1, MOST_TEXT - 1, file);
    fclose(file);
    ck_assert_uint_lt(n, MOST_TEXT - 1);
    return text;
}

/* The module after the pipeline, or the first message, as lines that begin "; ". */
static void run_file(Fixture *f, const char *path, const char *text, char *found)
{
    const char *pipeline = strstr(text, "; PIPELINE: ");
    ck_assert_msg(pipeline != NULL, "%s: no pipeline", path);
    pipeline += strlen("; PIPELINE: ");
    char *yaml =
        qcc_sprintf(f->arena, "qcc: 1\npasses: %.*s\n", (int)strcspn(pipeline, "\n"), pipeline);

    QccModule *m = NULL;
    QccPipeline *p = NULL;
    QccPassRegistry *registry = qcc_pass_registry_new(f->arena);
    QccPassRun run = {.verify_each = true};
    QccStatus status = qcc_module_parse(&m, f->ir, f->arena, "", text, (int64_t)strlen(text), NULL);
    if (!status) {
        status = qcc_pipeline_parse(&p, registry, f->ir, f->arena, "", yaml, (int64_t)strlen(yaml),
                                    NULL, m->graph);
    }
    if (!status) status = qcc_pipeline_run(p, m, &run);
    if (status) {
        ck_assert_msg(f->said[0] != 0, "%s failed and said nothing", path);
        snprintf(found, MOST_TEXT, "; ERROR: %.*s\n", (int)strcspn(f->said, "\n") - 1, f->said + 1);
        return;
    }
    size_t n = (size_t)snprintf(found, MOST_TEXT, "; EXPECT\n");
    for (const char *s = print_module(f, m); *s;) {
        int len = (int)strcspn(s, "\n");
        n += (size_t)snprintf(found + n, MOST_TEXT - n, "; %.*s\n", len, s);
        s += len + (s[len] == '\n');
    }
}

static void check_file(Fixture *f)
{
    char *path = qcc_sprintf(f->arena, "%s/%s", folder, file_name[current]);
    char *text = read_whole(path), *found = calloc(1, MOST_TEXT);
    char *want = strstr(text, "; EXPECT\n"), *error = strstr(text, "; ERROR: ");
    if (!want) want = error ? error : text + strlen(text);
    char *expected = qcc_strdup(f->arena, want);
    *want = 0; /* what is expected is no input */
    run_file(f, path, text, found);
    if (getenv("QCC_UPDATE")) {
        FILE *file = fopen(path, "wb");
        ck_assert(file && fputs(text, file) >= 0 && fputs(found, file) >= 0 && !fclose(file));
    } else {
        ck_assert_msg(!strcmp(expected, found), "%s: wanted\n%s\nfound\n%s", path, expected, found);
    }
    free(text);
    free(found);
}

START_TEST(file_gives_what_it_says)
{
    current = _i;
    with_ir(check_file);
}
END_TEST

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(void)
{
    const char *source = getenv("QCC_SOURCE");
    snprintf(folder, sizeof folder, "%s/tests/golden/passes", source ? source : ".");
    DIR *dir = opendir(folder);
    if (!dir) {
        printf("skipped: %s cannot be read\n", folder);
        return 77;
    }
    for (struct dirent *e; (e = readdir(dir)) && nfile < MOST_FILES;) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && !strcmp(dot, ".qir")) file_name[nfile++] = strdup(e->d_name);
    }
    closedir(dir);
    qsort(file_name, (size_t)nfile, sizeof *file_name, by_name);
    Suite *suite = suite_create("pass_files");
    TCase *tc = tcase_create("pass_files");
    tcase_add_loop_test(tc, file_gives_what_it_says, 0, nfile);
    suite_add_tcase(suite, tc);
    int failed = run_suite(suite);
    for (int i = 0; i < nfile; i++) free(file_name[i]);
    return failed;
}
