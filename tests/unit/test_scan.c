/* test_scan - loops, interpreted and lowered: values worked out by hand, states, order, emptiness,
 * nesting.
 */
#include "backend/reference.h"
#include "ir/ops.h"
#include "tests/unit/ir_test.h"
#include "tests/unit/run_lowered.h"

enum { VALUES = 16 };

/* A graph over i32 and what it gives. */
typedef struct Example {
    const char *text;
    int nin, nout;
    int32_t in[4][VALUES], out[4][VALUES];
    int count[4]; /* elements of each result */
    int evals;    /* steps that are not compiled: loops within loops */
} Example;

static const Example examples[] = {
    /* sums: before and after each step, and the last one */
    {"graph @g(%h: i32[2], %x: i32[4,2], %k: i32[2]) {\n"
     "  %l, %y, %z = scan %h, %x, %k {stacked: 2} (%s, %t, %f) {\n"
     "    %a = add %s, %t\n"
     "    %m = mul %a, %f\n"
     "    yield %a, %s, %m\n"
     "  }\n"
     "  return %l, %y, %z\n"
     "}\n",
     3,
     3,
     {{1, 2}, {1, 1, 2, 2, 3, 3, 4, 4}, {10, -1}},
     {{11, 12}, {1, 2, 2, 3, 4, 5, 7, 8}, {20, -3, 40, -5, 70, -8, 110, -12}},
     {2, 8, 8},
     0},
    {"graph @g(%h: i32[2], %x: i32[4,2]) {\n"
     "  %l, %y = scan %h, %x {stacked: 1, reverse: true} (%s, %t) {\n"
     "    %a = add %s, %t\n"
     "    yield %a, %s\n"
     "  }\n"
     "  return %l, %y\n"
     "}\n",
     2,
     2,
     {{1, 2}, {1, 1, 2, 2, 3, 3, 4, 4}},
     {{11, 12}, {10, 11, 8, 9, 5, 6, 1, 2}},
     {2, 8},
     0},
    /* Fibonacci: states that change places */
    {"graph @g(%a: i32[], %b: i32[], %x: i32[7]) {\n"
     "  %l, %n, %y = scan %a, %b, %x {states: 2, stacked: 1} (%s, %t, %u) {\n"
     "    %v = add %s, %t\n"
     "    yield %t, %v, %s\n"
     "  }\n"
     "  return %l, %n, %y\n"
     "}\n",
     3,
     3,
     {{0}, {1}, {0}},
     {{13}, {21}, {0, 1, 1, 2, 3, 5, 8}},
     {1, 1, 7},
     0},
    /* no steps, no states */
    {"graph @g(%h: i32[2], %x: i32[0,2]) {\n"
     "  %l = scan %h, %x (%s, %t) {\n"
     "    %a = add %s, %t\n"
     "    yield %a\n"
     "  }\n"
     "  %y = scan %x {states: 0, stacked: 1} (%t2) {\n"
     "    yield %t2\n"
     "  }\n"
     "  return %l, %y\n"
     "}\n",
     2,
     2,
     {{5, 6}},
     {{5, 6}},
     {2, 0},
     0},
    /* a loop within a loop: sums of rows, then of all */
    {"graph @g(%z: i32[], %x: i32[2,3]) {\n"
     "  %all, %rows = scan %z, %x, %z {stacked: 1} (%s, %row, %zero) {\n"
     "    %r = scan %zero, %row (%c, %e) {\n"
     "      %n = add %c, %e\n"
     "      yield %n\n"
     "    }\n"
     "    %a = add %s, %r\n"
     "    yield %a, %r\n"
     "  }\n"
     "  return %all, %rows\n"
     "}\n",
     2,
     2,
     {{0}, {1, 2, 3, 40, 50, 60}},
     {{156}, {6, 150}},
     {1, 2},
     1},
};

static void check_result(const Example *x, int i, const void *data)
{
    for (int k = 0; k < x->count[i]; k++)
        ck_assert_int_eq(((const int32_t *)data)[k], x->out[i][k]);
}

static void run_reference(const Lowered *run, const QccStep *step, void *const *arg)
{
    QccArena *scratch = qcc_arena_new(run->user);
    qcc_kernel_reference(run->l->kernel[step->kernel], run->l->target, arg, 0, step->work, scratch);
    qcc_arena_free(scratch);
}

/* The steps of its lowering, over guarded buffers. */
static void check_lowered(Fixture *f, const Example *x, const QccGraph *g, const QccTensor *in)
{
    QccLowered *l;
    ck_assert_int_eq(qcc_lower(&l, f->arena, g, qcc_target_find("x86-64-v3"), NULL), QCC_OK);
    int evals = 0;
    for (int i = 0; i < l->nstep; i++) evals += l->step[i].kind == QCC_STEP_EVAL;
    ck_assert_int_eq(evals, x->evals);
    Lowered run = {.kernel = run_reference, .user = &f->mem};
    lowered_open(&run, l, in);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(lowered_run(&run, &f->mem), QCC_OK);
        ck_assert(lowered_is_intact(&run, in));
        for (int i = 0; i < x->nout; i++) check_result(x, i, run.output[i].data);
    }
    lowered_close(&run);
}

static void check(Fixture *f, const Example *x)
{
    QccModule *m;
    const char *text = qcc_sprintf(f->arena, "qir 1\n%s", x->text);
    ck_assert_msg(qcc_module_parse(&m, f->ir, f->arena, "scan.qir", text, (int64_t)strlen(text),
                                   NULL) == QCC_OK,
                  "%s", f->said);
    QccTensor in[4], out[4];
    for (int i = 0; i < x->nin; i++) in[i] = qcc_tensor_view(m->graph->param[i]->type, x->in[i]);
    for (int i = 0; i < x->nout; i++)
        out[i] = qcc_tensor_new(f->arena, qcc_graph_result(m->graph, i)->type);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(qcc_interp_run(m->graph, in, out, NULL, NULL), QCC_OK);
        for (int i = 0; i < x->nout; i++) {
            ck_assert_int_eq(out[i].count, x->count[i]);
            check_result(x, i, out[i].data);
        }
    }
    check_lowered(f, x, m->graph, in);
}

static void all(Fixture *f)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) check(f, &examples[i]);
}

START_TEST(test_values)
{
    with_ir(all);
}
END_TEST

/* A copy has the names of the original, and removing the loop gives its names back. */
static void copies(Fixture *f)
{
    QccModule *m;
    const char *text = qcc_sprintf(f->arena, "qir 1\n%s", examples[0].text);
    ck_assert_int_eq(
        qcc_module_parse(&m, f->ir, f->arena, "scan.qir", text, (int64_t)strlen(text), NULL),
        QCC_OK);
    QccModule copy = {.graph = qcc_graph_clone(m->graph, f->arena)};
    ck_assert_int_eq(qcc_graph_verify(copy.graph), QCC_OK);
    ck_assert_str_eq(print_module(f, &copy), print_module(f, m));
    QccValue *h = copy.graph->param[0];
    qcc_graph_set_results(copy.graph, &h, 1);
    qcc_op_remove(copy.graph->first);
    ck_assert_int_eq(qcc_value_use_count(h), 1);
    qcc_value_rename(h, "s");
    ck_assert_str_eq(h->name, "s");
}

START_TEST(test_copies)
{
    with_ir(copies);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scan");
    TCase *tcase = tcase_create("scan");
    tcase_add_test(tcase, test_values);
    tcase_add_test(tcase, test_copies);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
