/* test_interp - graphs run by the reference interpreter: values, taps, memory, moves. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/interp.h"
#include "ir/ops.h"

/* Counts what is held, and fails from the `fail_at`-th allocation on. */
typedef struct Counter {
    int64_t held, calls, fail_at;
} Counter;

static void *counting(void *user, void *ptr, size_t size)
{
    Counter *c = user;
    if (size == 0) {
        c->held -= ptr != NULL;
        free(ptr);
        return NULL;
    }
    c->calls++;
    if (c->fail_at && c->calls >= c->fail_at) return NULL;
    c->held += ptr == NULL;
    return realloc(ptr, size);
}

typedef struct Bench {
    Counter counter;
    QccMem mem;
    QccIr *ir;
    QccArena *arena;
    QccGraph *graph;
    void (*fn)(struct Bench *);
    int errors;
} Bench;

static void on_diagnostic(void *user, const QccDiagnostic *d)
{
    Bench *b = user;
    b->errors += d->severity == QCC_ERROR;
}

static void run_bench(void *user)
{
    Bench *b = user;
    b->graph = qcc_graph_new(b->ir, b->arena, "test");
    b->fn(b);
}

static void in_bench(void (*fn)(Bench *))
{
    Bench b = {.fn = fn};
    b.mem = (QccMem){.realloc = counting, .user = &b.counter};
    b.ir = qcc_ir_new(&b.mem, on_diagnostic, &b);
    b.arena = qcc_arena_new(&b.mem);
    ck_assert(qcc_mem_protect(&b.mem, run_bench, &b));
    qcc_arena_free(b.arena);
    qcc_ir_free(b.ir);
    ck_assert_int_eq(b.counter.held, 0);
}

static const QccType *shape(Bench *b, QccDtype dtype, int rank, const int64_t *dim)
{
    return qcc_type_shape(b->ir, dtype, rank, dim);
}

static QccValue *add_op(Bench *b, const QccOpDef *def, QccValue *x, QccValue *y, const void *attrs)
{
    QccOp *op = NULL;
    QccValue *in[2] = {x, y};
    ck_assert_int_eq(qcc_op_new(&op, b->graph, NULL, def, (QccLoc){0}, NULL, in, y ? 2 : 1, attrs),
                     QCC_OK);
    return &op->out[0];
}

/* y = relu(x + c) * x with c = {-3, 1, 2} broadcast over x[2,3]; also returns x and c themselves.
 */
static void build_chain(Bench *b)
{
    const int64_t d[] = {2, 3}, cd[] = {3};
    static const float c[] = {-3, 1, 2};
    QccValue *x = qcc_graph_add_param(b->graph, "x", shape(b, QCC_F32, 2, d));
    QccBlob *blob = qcc_blob(b->arena, QCC_F32, 1, cd, c, false);
    QccValue *constant = qcc_const_new(b->graph, NULL, "c", blob, NULL);
    QccValue *sum = add_op(b, &qcc_op_add, x, constant, NULL);
    QccValue *dead = add_op(b, &qcc_op_neg, sum, NULL, NULL);
    qcc_value_rename(dead, "dead");
    QccValue *y = add_op(b, &qcc_op_relu, sum, NULL, NULL);
    y = add_op(b, &qcc_op_mul, y, x, NULL);
    QccValue *result[3] = {y, x, constant};
    qcc_graph_set_results(b->graph, result, 3);
}

static const float chain_x[6] = {1, 2, 3, 4, -5, 0.5f};
static const float chain_y[6] = {0, 6, 15, 4, -0.0f, 1.25f};

typedef struct Taps {
    int n;
    char names[200];
    double last_sum;
} Taps;

static QccStatus tap(void *user, const QccValue *value, const QccTensor *tensor)
{
    Taps *t = user;
    t->n++;
    if (strlen(t->names) + strlen(value->name) + 2 < sizeof t->names) {
        strcat(t->names, value->name);
        strcat(t->names, " ");
    }
    t->last_sum = 0;
    for (int64_t i = 0; i < tensor->count; i++) t->last_sum += qcc_tensor_real(tensor, i);
    return t->n == 100 ? QCC_ERROR_CANCELLED : QCC_OK;
}

static QccTensor view(const QccValue *value, const void *data)
{
    return qcc_tensor_view(value->type, data);
}

static void check_chain(Bench *b)
{
    build_chain(b);
    QccGraph *g = b->graph;
    float y[6] = {0}, x[6] = {0}, c[3] = {0};
    QccTensor in = view(g->param[0], chain_x);
    QccTensor out[3] = {view(qcc_graph_result(g, 0), y), view(qcc_graph_result(g, 1), x),
                        view(qcc_graph_result(g, 2), c)};
    Taps taps = {0};
    ck_assert_int_eq(qcc_interp_run(g, &in, out, tap, &taps), QCC_OK);
    ck_assert_mem_eq(y, chain_y, sizeof y);
    ck_assert_mem_eq(x, chain_x, sizeof x);
    ck_assert(c[0] == -3 && c[2] == 2);
    ck_assert_int_eq(taps.n, 6);
    ck_assert_ptr_eq(strstr(taps.names, "x c "), taps.names);
    ck_assert_ptr_nonnull(strstr(taps.names, " dead "));
    ck_assert(taps.last_sum == 26.25);

    /* results that are not wanted, and a tap that stops */
    memset(y, 0, sizeof y);
    out[1].data = out[2].data = NULL;
    taps = (Taps){.n = 98};
    ck_assert_int_eq(qcc_interp_run(g, &in, out, tap, &taps), QCC_ERROR_CANCELLED);
    ck_assert(y[1] == 0);
    ck_assert_int_eq(qcc_interp_run(g, &in, out, NULL, NULL), QCC_OK);
    ck_assert_mem_eq(y, chain_y, sizeof y);

    QccExecutor ex = qcc_interp_executor(b->ir);
    void *run;
    ck_assert_int_eq(ex.open(ex.self, &run, g), QCC_OK);
    for (int i = 0; i < 3; i++) {
        memset(y, 0, sizeof y);
        ck_assert_int_eq(ex.run(ex.self, run, &in, out, NULL, NULL), QCC_OK);
        ck_assert_mem_eq(y, chain_y, sizeof y);
    }
    ex.close(ex.self, run);
}

START_TEST(test_chain)
{
    in_bench(check_chain);
}
END_TEST

/* Every allocation fails once; nothing leaks, and the graph runs afterwards. */
static void check_memory(Bench *b)
{
    build_chain(b);
    QccGraph *g = b->graph;
    float y[6];
    QccTensor in = view(g->param[0], chain_x), out[3] = {view(qcc_graph_result(g, 0), y)};
    int failures = 0;
    int64_t held = b->counter.held;
    for (;; failures++) {
        b->counter.calls = 0;
        b->counter.fail_at = failures + 1;
        QccStatus status = qcc_interp_run(g, &in, out, NULL, NULL);
        b->counter.fail_at = 0;
        ck_assert_int_ge(b->counter.held, held); /* the context may have grown */
        if (status == QCC_OK) break;
        ck_assert_int_eq(status, QCC_ERROR_MEMORY);
        ck_assert_int_lt(failures, 1000);
    }
    ck_assert_int_gt(failures, 5);
    ck_assert_mem_eq(y, chain_y, sizeof y);
    held = b->counter.held;
    ck_assert_int_eq(qcc_interp_run(g, &in, out, NULL, NULL), QCC_OK);
    ck_assert_int_eq(b->counter.held, held);
}

START_TEST(test_memory)
{
    in_bench(check_memory);
}
END_TEST

static const QccType *quantized(Bench *b, QccDtype dtype, int rank, const int64_t *dim, float scale,
                                int32_t zero)
{
    return qcc_type_quantized(b->ir, shape(b, dtype, rank, dim), dtype,
                              qcc_quant_tensor(b->ir, dtype, scale, zero));
}

/* A transpose of equal types moves bytes; between scales it goes through reals. */
static void check_move(Bench *b)
{
    const int64_t d[] = {2, 3}, t[] = {3, 2};
    QccPermAttrs perm = {.perm = {2, {1, 0}}};
    QccValue *x = qcc_graph_add_param(b->graph, "x", quantized(b, QCC_U8, 2, d, 0.5f, 4));
    QccValue *same = add_op(b, &qcc_op_transpose, x, NULL, &perm);
    qcc_value_set_type(same, quantized(b, QCC_U8, 2, t, 0.5f, 4));
    QccValue *other = add_op(b, &qcc_op_transpose, x, NULL, &perm);
    qcc_value_set_type(other, quantized(b, QCC_I8, 2, t, 0.25f, -1));
    QccValue *real = add_op(b, &qcc_op_transpose, x, NULL, &perm);
    QccValue *result[3] = {same, other, real};
    qcc_graph_set_results(b->graph, result, 3);
    const uint8_t data[6] = {4, 5, 6, 7, 0, 255};
    uint8_t y[6];
    int8_t z[6];
    float r[6];
    QccTensor in = view(x, data), out[3] = {view(same, y), view(other, z), view(real, r)};
    ck_assert_int_eq(qcc_interp_run(b->graph, &in, out, NULL, NULL), QCC_OK);
    ck_assert_mem_eq(y, ((uint8_t[]){4, 7, 5, 0, 6, 255}), 6);
    ck_assert_mem_eq(z, ((int8_t[]){-1, 5, 1, -9, 3, 127}), 6); /* 2 (q - 4) - 1 */
    ck_assert(r[0] == 0 && r[1] == 1.5f && r[3] == -2 && r[5] == 125.5f);
}

START_TEST(test_move)
{
    in_bench(check_move);
}
END_TEST

/* softmax has no integer meaning: dequantized operand, f32 inside, one rounding. */
static void check_float_anchor(Bench *b)
{
    const int64_t d[] = {1, 4};
    QccAxisAttrs axis = {.axis = 1};
    QccValue *x = qcc_graph_add_param(b->graph, "x", quantized(b, QCC_U8, 2, d, 0.5f, 10));
    QccValue *y = add_op(b, &qcc_op_softmax, x, NULL, &axis);
    qcc_value_set_type(y, quantized(b, QCC_U8, 2, d, 0x1p-8f, 0));
    qcc_graph_set_results(b->graph, &y, 1);
    const uint8_t data[4] = {10, 12, 14, 10}; /* 0 1 2 0 */
    uint8_t out[4];
    QccTensor in = view(x, data), result = view(y, out);
    ck_assert_int_eq(qcc_interp_run(b->graph, &in, &result, NULL, NULL), QCC_OK);
    /* e^x / (2 + e + e^2) = .08260 .22452 .61029 .08260, times 256: 21.1 57.5 156.2 21.1 */
    ck_assert_mem_eq(out, ((uint8_t[]){21, 57, 156, 21}), 4);
}

START_TEST(test_float_anchor)
{
    in_bench(check_float_anchor);
}
END_TEST

/* Symbols must be bound. */
static void check_symbol(Bench *b)
{
    QccDim dim = {.n = 1, .sym = {qcc_graph_symbol(b->graph, "N", 1, 8), NULL}};
    QccValue *x = qcc_graph_add_param(b->graph, "x", qcc_type(b->ir, QCC_F32, 1, &dim, NULL));
    QccValue *y = add_op(b, &qcc_op_relu, x, NULL, NULL);
    qcc_graph_set_results(b->graph, &y, 1);
    QccTensor none[1] = {{0}};
    ck_assert_int_eq(qcc_interp_run(b->graph, none, none, NULL, NULL), QCC_ERROR_INPUT);
    ck_assert_int_eq(b->errors, 1);
}

START_TEST(test_symbol)
{
    in_bench(check_symbol);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("interp");
    TCase *tcase = tcase_create("interp");
    tcase_add_test(tcase, test_chain);
    tcase_add_test(tcase, test_memory);
    tcase_add_test(tcase, test_move);
    tcase_add_test(tcase, test_float_anchor);
    tcase_add_test(tcase, test_symbol);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
