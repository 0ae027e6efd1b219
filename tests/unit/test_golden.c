/* test_golden - every file below tests/golden is a case: qir text with expectations in comments.
 *
 *     ; PIPELINE: [canonicalize, dce]     runs these passes (a YAML list) over the module
 *     ; ERROR: 4:8: message               an error is posted there, and beginning so; each in turn
 *     ; CHECK: text                       the result contains it, behind what CHECK found before
 *     ;> line                             the result, whole, with big blobs as their hashes
 *
 * A file with neither is what its own printing gives, comments and empty lines aside. Whatever
 * comes out must print, parse and print the same again. QCC_UPDATE=1 rewrites ;> and ERROR lines.
 */
#include <dirent.h>
#include <stdlib.h>

#include "frontend/frontend.h"
#include "passes/manager.h"
#include "tests/unit/ir_test.h"

enum { CASES_MAX = 4096, PATH_BYTES = 1024 };

typedef struct Case {
    Fixture *f;
    char path[PATH_BYTES];
    const char *text; /* of the file */
    int64_t len;
    QccModule *module;
    QccStatus status;
    char errors[8192]; /* "line:col: message\n" for each */
} Case;

/* ---- files ---------------------------------------------------------------------------------- */

static const char *source_root(void)
{
    const char *root = getenv("QCC_SOURCE");
    return root ? root : ".";
}

static int no_dot(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* Visits the files below a folder in order; the path of file number *left ends in `found`. */
static bool walk(const char *folder, int *left, char found[PATH_BYTES])
{
    struct dirent **entry;
    int n = scandir(folder, &entry, no_dot, alphasort);
    bool done = false;
    for (int i = 0; i < n; i++) {
        char path[PATH_BYTES];
        int len = snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
        free(entry[i]);
        if (done || len >= PATH_BYTES) continue;
        bool is_qir = len > 4 && !strcmp(path + len - 4, ".qir");
        if (is_qir && (*left)-- == 0) {
            memcpy(found, path, (size_t)len + 1);
            done = true;
        } else if (!is_qir) {
            done = walk(path, left, found);
        }
    }
    if (n >= 0) free(entry);
    return done;
}

static void read_file(Case *c)
{
    FILE *file = fopen(c->path, "rb");
    ck_assert_msg(file != NULL, "%s cannot be opened", c->path);
    QccBuf buf;
    qcc_buf_init(&buf, c->f->arena);
    char part[4096];
    size_t n;
    do {
        n = fread(part, 1, sizeof part, file);
        qcc_buf_add(&buf, part, (int64_t)n);
    } while (n == sizeof part);
    fclose(file);
    c->text = buf.data ? buf.data : "";
    c->len = buf.len;
}

static void write_file(const Case *c, const QccBuf *text)
{
    FILE *file = fopen(c->path, "wb");
    ck_assert_msg(file != NULL, "%s cannot be written", c->path);
    ck_assert_uint_eq(fwrite(text->data, 1, (size_t)text->len, file), (size_t)text->len);
    ck_assert_int_eq(fclose(file), 0);
}

/* ---- directives ----------------------------------------------------------------------------- */

/* Whether the line is "; WORD: rest"; *rest is a copy up to the line's end. */
static bool directive(Fixture *f, const char *line, const char *word, const char **rest)
{
    size_t n = strlen(word);
    if (strncmp(line, word, n) != 0) return false;
    *rest = qcc_strndup(f->arena, line + n, strcspn(line + n, "\n"));
    return true;
}

static const char *next_line(const char *line)
{
    const char *newline = strchr(line, '\n');
    return newline ? newline + 1 : line + strlen(line);
}

static bool is_empty(const char *line)
{
    size_t n = strspn(line, " \t\r");
    return line[n] == '\n' || !line[n] || line[n] == ';';
}

/* Lines of the text that are neither comments nor empty, without comments at their ends. */
static const char *without_comments(Case *c)
{
    QccBuf buf;
    qcc_buf_init(&buf, c->f->arena);
    for (const char *line = c->text; *line; line = next_line(line)) {
        if (!is_empty(line)) qcc_buf_add(&buf, line, next_line(line) - line);
    }
    return buf.data ? buf.data : "";
}

/* The ;> lines as the text they stand for; NULL: there are none. */
static const char *expected_output(Case *c)
{
    QccBuf buf;
    qcc_buf_init(&buf, c->f->arena);
    for (const char *line = c->text; *line; line = next_line(line)) {
        if (strncmp(line, ";>", 2) != 0) continue;
        line += line[2] == ' ' ? 3 : 2;
        qcc_buf_add(&buf, line, next_line(line) - line);
    }
    return buf.data;
}

static bool has_directive(Case *c, const char *word)
{
    const char *rest;
    for (const char *line = c->text; *line; line = next_line(line)) {
        if (directive(c->f, line, word, &rest)) return true;
    }
    return false;
}

/* ---- running -------------------------------------------------------------------------------- */

static void keep_error(void *user, const QccDiagnostic *d)
{
    Case *c = user;
    if (d->severity != QCC_ERROR) return;
    size_t n = strlen(c->errors);
    snprintf(c->errors + n, sizeof c->errors - n, "%d:%d: %s\n", d->line, d->column, d->message);
}

/* The module's own samples serve as calibration data. */
static QccStatus open_samples(void *user, QccDataset **data, const QccGraph *g)
{
    Case *c = user;
    (void)g;
    return qcc_dataset_of_module(data, c->f->arena, c->module);
}

static QccStatus run_pipeline(Case *c, const char *passes)
{
    Fixture *f = c->f;
    const char *yaml = qcc_sprintf(f->arena, "qcc: 1\npasses: %s\n", passes);
    QccPassRegistry *registry = qcc_pass_registry_new(f->arena);
    QccPipeline *pipeline;
    QCC_TRY(qcc_pipeline_parse(&pipeline, registry, f->ir, f->arena, c->path, yaml,
                               (int64_t)strlen(yaml), NULL, c->module->graph));
    QccPassRun run = {.verify_each = true, .data_user = c};
    if (c->module->nsamples) run.open_data = open_samples;
    return qcc_pipeline_run(pipeline, c->module, &run);
}

static const char *print(Case *c, const QccModule *m, QccBlobStyle style)
{
    QccBuf buf;
    qcc_buf_init(&buf, c->f->arena);
    qcc_module_print(&buf, m, style, NULL);
    return buf.data;
}

/* print(parse(print(m))) == print(m) */
static void check_round_trip(Case *c)
{
    const char *once = print(c, c->module, QCC_BLOBS_INLINE);
    QccModule *again;
    QccStatus status = qcc_module_parse(&again, c->f->ir, c->f->arena, "printed", once,
                                        (int64_t)strlen(once), NULL);
    ck_assert_msg(status == QCC_OK, "%s: what was printed does not parse: %s\n%s", c->path,
                  c->errors, once);
    const char *twice = print(c, again, QCC_BLOBS_INLINE);
    ck_assert_msg(!strcmp(once, twice), "%s: printed\n%s\nand then\n%s", c->path, once, twice);
}

/* Each ERROR line begins the error that was posted at its turn. */
static void check_errors(Case *c)
{
    const char *at = c->errors, *want;
    for (const char *line = c->text; *line; line = next_line(line)) {
        if (!directive(c->f, line, "; ERROR: ", &want)) continue;
        ck_assert_msg(!strncmp(at, want, strlen(want)), "%s: wanted %s\nfound %s", c->path, want,
                      *at ? at : "no more errors");
        at = next_line(at);
    }
    ck_assert_msg(!*at, "%s: unexpected: %s", c->path, at);
}

static void check_contains(Case *c, const char *output)
{
    const char *want;
    for (const char *line = c->text; *line; line = next_line(line)) {
        if (!directive(c->f, line, "; CHECK: ", &want)) continue;
        const char *at = strstr(output, want);
        ck_assert_msg(at != NULL, "%s: wanted '%s' in\n%s", c->path, want, output);
        output = at + strlen(want);
    }
}

/* The file with its ;> and ERROR lines as they should be. */
static void update(Case *c, const char *output)
{
    QccBuf buf;
    qcc_buf_init(&buf, c->f->arena);
    for (const char *line = c->text; *line; line = next_line(line)) {
        bool old = !strncmp(line, ";>", 2) || !strncmp(line, "; ERROR: ", 9);
        if (!old) qcc_buf_add(&buf, line, next_line(line) - line);
    }
    const char *before = output ? ";> " : "; ERROR: ";
    for (const char *line = output ? output : c->errors; *line; line = next_line(line)) {
        qcc_buf_puts(&buf, before);
        qcc_buf_add(&buf, line, next_line(line) - line);
    }
    write_file(c, &buf);
    printf("%s: rewritten\n", c->path);
}

static void run_case(Case *c)
{
    Fixture *f = c->f;
    f->ir->diags.fn = keep_error;
    f->ir->diags.user = c;
    read_file(c);
    c->status = qcc_module_parse(&c->module, f->ir, f->arena, c->path, c->text, c->len, NULL);
    const char *passes = NULL;
    for (const char *line = c->text; *line && c->status == QCC_OK; line = next_line(line)) {
        if (directive(f, line, "; PIPELINE: ", &passes)) c->status = run_pipeline(c, passes);
    }
    bool updating = getenv("QCC_UPDATE") && !has_directive(c, "; CHECK: ");
    if (c->status != QCC_OK) {
        if (updating && has_directive(c, "; ERROR: ")) {
            update(c, NULL);
        } else {
            check_errors(c);
            ck_assert_msg(has_directive(c, "; ERROR: "), "%s: failed", c->path);
        }
        return;
    }
    check_round_trip(c);
    const char *output = print(c, c->module, QCC_BLOBS_ELIDED), *want = expected_output(c);
    if (updating && (want || passes)) {
        update(c, output);
        return;
    }
    check_errors(c);
    check_contains(c, output);
    if (want) {
        ck_assert_msg(!strcmp(output, want), "%s: wanted\n%s\nfound\n%s", c->path, want, output);
    } else if (!has_directive(c, "; CHECK: ")) {
        const char *whole = print(c, c->module, QCC_BLOBS_INLINE);
        want = without_comments(c);
        ck_assert_msg(!strcmp(whole, want), "%s: printed as\n%s", c->path, whole);
    }
}

static void run_numbered(Fixture *f, int number)
{
    Case c = {.f = f};
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s/tests/golden", source_root());
    ck_assert(walk(folder, &number, c.path));
    run_case(&c);
}

typedef struct Numbered {
    Fixture f;
    int number;
} Numbered;

static void protected_case(void *user)
{
    Numbered *n = user;
    run_numbered(&n->f, n->number);
}

START_TEST(test_file)
{
    Numbered n = {.number = _i};
    set_up(&n.f);
    ck_assert(qcc_mem_protect(&n.f.mem, protected_case, &n));
    tear_down(&n.f);
}
END_TEST

int main(void)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s/tests/golden", source_root());
    int count = CASES_MAX;
    walk(folder, &count, path);
    count = CASES_MAX - count;
    if (!count) {
        printf("no files in %s\n", folder);
        return 1;
    }
    Suite *suite = suite_create("golden");
    TCase *tc = tcase_create("golden");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_file, 0, count);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
