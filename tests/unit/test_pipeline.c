/* test_pipeline - pipelines: YAML, located errors, order, --set, nearest names. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes/pipeline.h"

/* Everything that was posted, one message a line: "file:line:col: severity: message". */
typedef struct Log {
    char text[8192];
    size_t len;
    char source[256]; /* of the last message that had one */
} Log;

static void log_message(void *user, const QccDiagnostic *d)
{
    static const char *const severity[] = {"note", "warning", "error"};
    Log *log = user;
    int n = snprintf(log->text + log->len, sizeof log->text - log->len, "%s:%d:%d: %s: %s\n",
                     d->file ? d->file : "", d->line, d->column, severity[d->severity], d->message);
    ck_assert_int_gt(n, 0);
    log->len += (size_t)n;
    ck_assert_uint_lt(log->len, sizeof log->text);
    if (d->source) snprintf(log->source, sizeof log->source, "%s", d->source);
}

typedef struct Fixture {
    Log log;
    QccMem mem;
    QccIr *ir;
    QccArena *arena;
    QccPassRegistry *registry;
    QccPipeline *p;
    QccStatus status;
} Fixture;

static Fixture *open_fixture(void)
{
    Fixture *f = calloc(1, sizeof *f);
    ck_assert_ptr_nonnull(f);
    f->ir = qcc_ir_new(&f->mem, log_message, &f->log);
    ck_assert_ptr_nonnull(f->ir);
    f->arena = qcc_arena_new(&f->mem);
    ck_assert_ptr_nonnull(f->arena);
    return f;
}

static void close_fixture(Fixture *f)
{
    qcc_arena_free(f->arena);
    qcc_ir_free(f->ir);
    free(f);
}

typedef struct Call {
    Fixture *f;
    const char *text;
    int64_t len;
    const char *const *set;
} Call;

static void parse_protected(void *user)
{
    Call *c = user;
    c->f->registry = qcc_pass_registry_new(c->f->arena);
    c->f->status = qcc_pipeline_parse(&c->f->p, c->f->registry, c->f->ir, c->f->arena, "dir/p.yaml",
                                      c->text, c->len, c->set, NULL);
}

static Fixture *parse_with(const char *text, const char *const *set)
{
    Fixture *f = open_fixture();
    Call call = {.f = f, .text = text, .len = (int64_t)strlen(text), .set = set};
    ck_assert(qcc_mem_protect(&f->mem, parse_protected, &call));
    return f;
}

/* What the log must begin with; the rest of it are notes. */
static void expect_error(const char *text, const char *want)
{
    Fixture *f = parse_with(text, NULL);
    ck_assert_int_ne(f->status, QCC_OK);
    ck_assert_msg(!strncmp(f->log.text, want, strlen(want)), "for:\n%s\nwanted: %s\nis: %s", text,
                  want, f->log.text);
    close_fixture(f);
}

static void expect_in_log(const char *text, const char *want)
{
    Fixture *f = parse_with(text, NULL);
    ck_assert_msg(strstr(f->log.text, want), "wanted: %s\nis: %s", want, f->log.text);
    close_fixture(f);
}

START_TEST(reads_steps_and_options)
{
    Fixture *f = parse_with("qcc: 1\n"
                            "passes:\n"
                            "  - dce\n"
                            "  - calibrate: {method: percentile, percentile: 99.5, samples: 16}\n"
                            "  - quantize:\n"
                            "      weights: per-tensor\n"
                            "      exclude: [fc, \"a:b\"]\n"
                            "      only: conv2d\n",
                            NULL);
    ck_assert_msg(f->status == QCC_OK, "%s", f->log.text);
    ck_assert_int_eq(f->p->nstep, 3);
    static const char *const want[] = {
        "dce", "calibrate: {method: \"percentile\", percentile: 99.5, samples: 16}",
        "quantize: {weights: per-tensor, only: [\"conv2d\"], exclude: [\"fc\",\"a:b\"]}"};
    for (int i = 0; i < 3; i++) {
        QccBuf buf;
        qcc_buf_init(&buf, f->arena);
        qcc_step_print(&buf, &f->p->step[i]);
        ck_assert_str_eq(buf.data, want[i]);
    }
    ck_assert_int_eq(f->p->step[1].loc.line, 4);
    ck_assert_int_eq(f->p->step[1].loc.col, 5);
    ck_assert(qcc_pipeline_needs_data(f->p));
    ck_assert_ptr_null(qcc_pipeline_data(f->p));
    close_fixture(f);
}
END_TEST

START_TEST(data_is_relative_to_the_file)
{
    Fixture *f = parse_with("{qcc: 1, passes: [calibrate: {data: d.yaml}]}", NULL);
    ck_assert_msg(f->status == QCC_OK, "%s", f->log.text);
    ck_assert_str_eq(qcc_pipeline_data(f->p), "dir/d.yaml");
    close_fixture(f);
    f = parse_with("{qcc: 1, passes: [calibrate: {data: \"random:8\"}]}", NULL);
    ck_assert_str_eq(qcc_pipeline_data(f->p), "random:8");
    close_fixture(f);
    f = parse_with("{qcc: 1, passes: [calibrate: {data: /x/d.yaml}]}", NULL);
    ck_assert_str_eq(qcc_pipeline_data(f->p), "/x/d.yaml");
    close_fixture(f);
}
END_TEST

START_TEST(says_where_the_order_is_wrong)
{
    expect_error("qcc: 1\npasses:\n  - quantize\n",
                 "dir/p.yaml:3:5: error: pass 'quantize' needs a calibrated graph, and no pass "
                 "before it makes one\n");
    expect_in_log("qcc: 1\npasses:\n  - quantize\n  - calibrate\n",
                  "dir/p.yaml:4:5: note: pass 'calibrate' makes one, but comes after it\n");
    expect_in_log("qcc: 1\npasses: [propagate-scales]\n",
                  "dir/p.yaml:2:10: note: pass 'quantize' makes one\n");
}
END_TEST

START_TEST(says_what_is_no_pipeline)
{
    expect_error("", "dir/p.yaml:1:1: error: here must stand a pipeline, but the file is empty\n");
    expect_error("- dce\n", "dir/p.yaml:1:1: error: here must stand a pipeline");
    expect_error("passes: [dce]\n", "dir/p.yaml:1:1: error: the line 'qcc: 1' is missing\n");
    expect_error("qcc: 1\n", "dir/p.yaml:1:1: error: the list 'passes:' is missing\n");
    expect_error("qcc: 2\npasses: []\n",
                 "dir/p.yaml:1:6: error: the format's version is '2', wanted is 1\n");
    expect_error("qcc: 1\npases: []\n",
                 "dir/p.yaml:2:1: error: a pipeline has no 'pases', only 'qcc' and 'passes'\n");
    expect_error("qcc: 1\nqcc: 1\npasses: []\n", "dir/p.yaml:2:1: error: 'qcc' is given twice\n");
    expect_error("qcc: 1\npasses: dce\n",
                 "dir/p.yaml:2:9: error: here must stand a list of passes\n");
    expect_error("qcc: 1\npasses: [dce\n", "dir/p.yaml:3:1: error: ");
    expect_error("qcc: 1\npasses: &a [dce]\nmore: *a\n",
                 "dir/p.yaml:3:1: error: a pipeline has no 'more'");
    expect_error("qcc: 1\npasses: [*a]\n",
                 "dir/p.yaml:2:10: error: aliases are not allowed in a pipeline\n");
    expect_error("qcc: 1\npasses: []\n---\nqcc: 1\n",
                 "dir/p.yaml:3:1: error: here must stand the end of the file; a pipeline is one "
                 "document\n");
    expect_error("qcc: 1\npasses:\n  - dce:\n    limit: 3\n",
                 "dir/p.yaml:4:5: error: here must stand the next pass in an item of its own");
}
END_TEST

START_TEST(says_what_is_no_pass_or_option)
{
    expect_error("qcc: 1\npasses:\n  - dce\n  - quantise\n",
                 "dir/p.yaml:4:5: error: there is no pass 'quantise'\n"
                 "dir/p.yaml:4:5: note: did you mean 'quantize'?\n");
    expect_error("qcc: 1\npasses: [nonsense]\n",
                 "dir/p.yaml:2:10: error: there is no pass 'nonsense'\n"
                 "dir/p.yaml:2:10: note: `qcc passes` lists the passes there are\n");
    expect_error("qcc: 1\npasses:\n  - fold-constants: {limits: 3}\n",
                 "dir/p.yaml:3:22: error: pass 'fold-constants' has no option 'limits'\n"
                 "dir/p.yaml:3:22: note: its options are limit\n");
    expect_error("qcc: 1\npasses:\n  - dce: {x: 3}\n",
                 "dir/p.yaml:3:11: error: pass 'dce' has no option 'x'\n"
                 "dir/p.yaml:3:11: note: it has no options\n");
    expect_error("qcc: 1\npasses:\n  - fold-constants: {limit: 3, limit: 4}\n",
                 "dir/p.yaml:3:32: error: option 'limit' is given twice\n");
    expect_error("qcc: 1\npasses:\n  - fold-constants: {limit: [3]}\n",
                 "dir/p.yaml:3:29: error: here must stand one value\n");
    expect_error("qcc: 1\npasses:\n  - fold-constants: 3\n",
                 "dir/p.yaml:3:21: error: here must stand the options of the pass");
    expect_error("qcc: 1\npasses:\n  - quantize: {only: [[a]]}\n",
                 "dir/p.yaml:3:23: error: here must stand an item of the list");
    expect_error("qcc: 1\npasses:\n  - quantize: {only: [\"a\\0b\"]}\n",
                 "dir/p.yaml:3:23: error: a zero byte cannot stand in an item of the list");
    /* What the table of options says comes with the place as well. */
    expect_error("qcc: 1\npasses:\n  - fold-constants: {limit: many}\n",
                 "dir/p.yaml:3:29: error: ");
    expect_error("qcc: 1\npasses:\n  - fold-constants: {limit: -1}\n", "dir/p.yaml:3:29: error: ");
    expect_error("qcc: 1\npasses:\n  - quantize: {weights: per-row}\n", "dir/p.yaml:3:25: error: ");
}
END_TEST

START_TEST(errors_carry_the_line_of_source)
{
    Fixture *f = parse_with("qcc: 1\npasses:\n  - fold-constants: {limit: many}\n", NULL);
    ck_assert(!strncmp(f->log.source, "  - fold-constants: {limit: many}", 33));
    close_fixture(f);
}
END_TEST

START_TEST(set_changes_options)
{
    const char *const set[] = {"fold-constants.limit=77", "quantize.exclude=[a, b]",
                               "calibrate.data=x.yaml", NULL};
    Fixture *f =
        parse_with("qcc: 1\npasses: [fold-constants: {limit: 5}, calibrate, quantize]\n", set);
    ck_assert_msg(f->status == QCC_OK, "%s", f->log.text);
    QccBuf buf;
    qcc_buf_init(&buf, f->arena);
    for (int i = 0; i < f->p->nstep; i++) qcc_step_print(&buf, &f->p->step[i]);
    ck_assert_str_eq(buf.data, "fold-constants: {limit: 77}calibrate: {data: \"x.yaml\"}"
                               "quantize: {exclude: [\"a\",\"b\"]}");
    /* A path on the command line is relative to where one stands, not to the pipeline. */
    ck_assert_str_eq(qcc_pipeline_data(f->p), "x.yaml");
    close_fixture(f);
}
END_TEST

static void expect_set_error(const char *assignment, QccStatus status, const char *want)
{
    const char *const set[] = {assignment, NULL};
    Fixture *f = parse_with("qcc: 1\npasses: [dce, fold-constants]\n", set);
    ck_assert_int_eq(f->status, status);
    ck_assert_msg(strstr(f->log.text, want), "wanted: %s\nis: %s", want, f->log.text);
    close_fixture(f);
}

START_TEST(set_says_what_is_wrong)
{
    expect_set_error("limit=3", QCC_ERROR_USAGE, "wanted is pass.option=value");
    expect_set_error("fold.limit=3", QCC_ERROR_USAGE, "there is no pass 'fold'");
    expect_set_error("quantize.weights=per-tensor", QCC_ERROR_USAGE,
                     "--set quantize.weights=per-tensor:0:0: error: the pipeline has no pass "
                     "'quantize'");
    expect_set_error("fold-constants.x=3", QCC_ERROR_USAGE, "has no option 'x'");
    expect_set_error("fold-constants.limit=x", QCC_ERROR_USAGE, "--set fold-constants.limit=x:");
}
END_TEST

START_TEST(finds_nearest_names)
{
    Fixture *f = open_fixture();
    const char *const names[] = {"quantize", "dce", "layout", NULL};
    ck_assert_str_eq(qcc_nearest_name(f->arena, "quantise", names), "quantize");
    ck_assert_str_eq(qcc_nearest_name(f->arena, "dec", names), "dce");
    ck_assert_str_eq(qcc_nearest_name(f->arena, "lay-out", names), "layout");
    ck_assert_ptr_null(qcc_nearest_name(f->arena, "calibrate", names));
    close_fixture(f);
}
END_TEST

/* Every installed pipeline must be one. */
START_TEST(ready_pipelines_parse)
{
    static const char *const names[] = {"float", "ptq_int8", "ptq_int8_per_tensor", "qat_int8",
                                        "debug"};
    const char *source = getenv("QCC_SOURCE");
    if (!source) {
        puts("skipped: QCC_SOURCE is not set");
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[4096], text[16384];
        snprintf(path, sizeof path, "%s/pipelines/%s.yaml", source, names[i]);
        FILE *file = fopen(path, "rb");
        ck_assert_msg(file != NULL, "%s", path);
        size_t n = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[n] = 0;
        Fixture *f = parse_with(text, NULL);
        ck_assert_msg(f->status == QCC_OK, "%s: %s", path, f->log.text);
        close_fixture(f);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pipeline");
    TCase *tc = tcase_create("pipeline");
    tcase_add_test(tc, reads_steps_and_options);
    tcase_add_test(tc, data_is_relative_to_the_file);
    tcase_add_test(tc, says_where_the_order_is_wrong);
    tcase_add_test(tc, says_what_is_no_pipeline);
    tcase_add_test(tc, says_what_is_no_pass_or_option);
    tcase_add_test(tc, errors_carry_the_line_of_source);
    tcase_add_test(tc, set_changes_options);
    tcase_add_test(tc, set_says_what_is_wrong);
    tcase_add_test(tc, finds_nearest_names);
    tcase_add_test(tc, ready_pipelines_parse);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
