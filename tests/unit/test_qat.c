/* test_qat - what strip-fake-quant makes of a trained int8 model gives the bytes of the model with
 * its quantize and dequantize nodes, which the interpreter computes in float.
 *
 * The models are tests/onnx/qdq_*; make_onnx.py says what each is about, and onnx_operators
 * compares what they mean with numpy.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/random.h"
#include "ir/ops.h"
#include "runtime/context.h"

enum { RUNS = 40, ELEMENTS = 512 };

typedef struct Case {
    const char *name;
    double step; /* 0: every byte is equal; else the scale of the result, and one step may be off */
    float unit;  /* inputs are multiples of a quarter of it, so that ties come up */
    int inside;  /* conversions that are left: from one scale to another */
    bool rounded; /* a bias had to be rounded */
} Case;

static const Case cases[] = {
    {"qdq_residual", 0, 0.0625F, 0, false},
    {"qdq_bottleneck", 0, 0.0625F, 0, false},
    {"qdq_concat", 0, 0.125F, 1, false},
    {"qdq_roundings", 0, 0.25F, 2, false},
    {"qdq_moves", 0, 0.125F, 0, false},
    {"qdq_island", 0, 0.125F, 0, false},
    /* Rounding errors of f32, and of a bias, next to a tie; see docs/numerics.md. */
    {"qdq_odd_scales", 0.0713, 0.031F, 0, false},
    {"qdq_free_bias", 0.5, 0.125F, 0, true},
};

typedef struct Heard {
    char statistics[4096];
} Heard;

static bool hear(void *user, const void *bytes, size_t size)
{
    Heard *heard = user;
    size_t n = strlen(heard->statistics);
    snprintf(heard->statistics + n, sizeof heard->statistics - n, "%.*s", (int)size,
             (const char *)bytes);
    return true;
}

static void say(void *user, const QccDiagnostic *d)
{
    (void)user;
    if (d->severity == QCC_ERROR) printf("%s\n", d->message);
}

static const char *in_source(char path[4096], const char *folder, const char *name,
                             const char *file)
{
    const char *root = getenv("QCC_SOURCE");
    snprintf(path, 4096, "%s/%s/%s%s", root ? root : ".", folder, name, file);
    return path;
}

static QccProgram *program_of(const QccModel *model, bool interpret)
{
    QccProgramOptions options = QCC_INIT(QccProgramOptions);
    options.interpret = interpret;
    QccProgram *program;
    ck_assert_int_eq(qcc_program_new(&program, model, &options), QCC_OK);
    ck_assert_int_eq(qcc_program_input_count(program), 1);
    ck_assert_int_eq(qcc_program_output_count(program), 1);
    return program;
}

static int64_t count_of(const QccTensorInfo *info)
{
    int64_t n = 1;
    for (int i = 0; i < info->rank; i++) n *= info->shape[i];
    ck_assert_int_le(n, ELEMENTS);
    return n;
}

/* Runs on the input and gives the number of elements of the result. */
static int64_t run(const QccProgram *program, float *x, float *y)
{
    QccSession *session;
    QccTensorInfo info;
    ck_assert_int_eq(qcc_session_new(&session, program, NULL), QCC_OK);
    QccBuffer in = {.data = x, .dtype = QCC_F32}, out = {.data = y, .dtype = QCC_F32};
    ck_assert_int_eq(qcc_session_run(session, &in, 1, &out, 1), QCC_OK);
    qcc_session_free(session);
    ck_assert_int_eq(qcc_program_output(program, 0, &info), QCC_OK);
    return count_of(&info);
}

/* Conversions that neither begin with a parameter nor end in a result of the graph. */
static int conversions_inside(const QccGraph *g)
{
    int n = 0;
    QCC_FOR_OPS(op, g)
    {
        if (op->def == &qcc_op_quantize) n += op->in[0].value->def != NULL;
        if (op->def != &qcc_op_dequantize) continue;
        for (const QccUse *use = op->out[0].uses; use; use = use->next)
            n += use->user != qcc_graph_yield(g);
    }
    return n;
}

static void compare(const Case *c, const float *meant, const float *y, int64_t n, int seed)
{
    for (int64_t i = 0; i < n; i++) {
        double off = fabs((double)y[i] - (double)meant[i]);
        ck_assert_msg(c->step > 0 ? off < 1.001 * c->step : !memcmp(&y[i], &meant[i], sizeof *y),
                      "%s, seed %d: element %lld is %.9g, and the model means %.9g", c->name, seed,
                      (long long)i, (double)y[i], (double)meant[i]);
    }
}

START_TEST(stripping_loses_nothing)
{
    const Case *c = &cases[_i];
    char path[4096];
    Heard heard = {0};
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.diagnostic = say;
    QccContext *context;
    QccModel *whole, *stripped;
    ck_assert_int_eq(qcc_context_new(&context, &options), QCC_OK);
    in_source(path, "tests/onnx", c->name, "/model.onnx");
    ck_assert_int_eq(qcc_model_open(&whole, context, path), QCC_OK);
    ck_assert_int_eq(qcc_model_open(&stripped, context, path), QCC_OK);
    QccPipelineOptions pipeline = QCC_INIT(QccPipelineOptions);
    pipeline.pipeline = in_source(path, "pipelines", "qat_int8", ".yaml");
    pipeline.stats = true;
    pipeline.print = hear;
    pipeline.print_user = &heard;
    ck_assert_int_eq(qcc_model_transform(stripped, &pipeline), QCC_OK);
    ck_assert_int_eq(conversions_inside(stripped->module->graph), c->inside);
    ck_assert_msg(!strstr(heard.statistics, "biases rounded") == !c->rounded, "%s",
                  heard.statistics);

    /* Without the module, the interpreter speaks for both. */
    bool compiled = qcc_context_codegen(context, false) && qcc_target_host();
    if (!compiled) puts("compiled code: skipped, this build has no LLVM module");
    QccProgram *meant = program_of(whole, true), *made = program_of(stripped, true);
    QccProgram *code = compiled ? program_of(stripped, false) : NULL;
    QccTensorInfo info;
    ck_assert_int_eq(qcc_program_input(meant, 0, &info), QCC_OK);
    int64_t count = count_of(&info);
    for (int seed = 1; seed <= RUNS; seed++) {
        float x[ELEMENTS], wanted[ELEMENTS], y[ELEMENTS];
        QccRandom random;
        qcc_random_init(&random, (uint64_t)seed);
        int64_t most = seed % 4 == 0 ? 2000 : 100;
        for (int64_t i = 0; i < count; i++)
            x[i] = (float)qcc_random_range(&random, -most, most) * (c->unit / 4);
        int64_t n = run(meant, x, wanted);
        ck_assert_int_eq(run(made, x, y), n);
        compare(c, wanted, y, n, seed);
        if (!code) continue;
        float z[ELEMENTS];
        ck_assert_int_eq(run(code, x, z), n);
        ck_assert_mem_eq(y, z, (size_t)n * sizeof *y);
    }
    qcc_program_free(code);
    qcc_program_free(made);
    qcc_program_free(meant);
    qcc_model_free(stripped);
    qcc_model_free(whole);
    qcc_context_free(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("qat");
    TCase *tc = tcase_create("qat");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, stripping_loses_nothing, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
