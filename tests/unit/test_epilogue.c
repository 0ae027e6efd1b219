/* test_epilogue - fused bodies, single ops over quantized types, their expressions and tables. */
#include <check.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/epilogue.h"
#include "ir/interp.h"
#include "ir/ops.h"
#include "ir/qmath.h"

/* A graph to build in, and everything it stands on. */
typedef struct Bench {
    QccMem mem;
    QccIr *ir;
    QccArena *arena;
    QccGraph *graph;
} Bench;

typedef struct Body {
    Bench *bench;
    void (*fn)(Bench *);
} Body;

static void run_bench(void *user)
{
    Body *b = user;
    b->fn(b->bench);
}

static void in_bench(void (*fn)(Bench *))
{
    Bench b = {0};
    b.ir = qcc_ir_new(&b.mem, NULL, NULL);
    b.arena = qcc_arena_new(&b.mem);
    b.graph = qcc_graph_new(b.ir, b.arena, "test");
    Body body = {&b, fn};
    ck_assert(qcc_mem_protect(&b.mem, run_bench, &body));
    qcc_arena_free(b.arena);
    qcc_ir_free(b.ir);
}

static const QccType *plain(Bench *b, QccDtype dtype, int rank, const int64_t *dim)
{
    return qcc_type_shape(b->ir, dtype, rank, dim);
}

static const QccType *quantized(Bench *b, QccDtype dtype, int rank, const int64_t *dim, float scale,
                                int32_t zero)
{
    return qcc_type_quantized(b->ir, plain(b, dtype, rank, dim), dtype,
                              qcc_quant_tensor(b->ir, dtype, scale, zero));
}

static QccOp *new_op(QccGraph *g, const QccOpDef *def, QccValue *const *in, int nin,
                     const void *attrs)
{
    QccOp *op = NULL;
    ck_assert_int_eq(qcc_op_new(&op, g, NULL, def, (QccLoc){0}, NULL, in, nin, attrs), QCC_OK);
    return op;
}

/* One op over parameters of these types, with the result's type set. */
static QccOp *single(Bench *b, const QccOpDef *def, const QccType *const *type, int nin,
                     const QccType *result, const void *attrs)
{
    QccValue *in[4];
    for (int i = 0; i < nin; i++) in[i] = qcc_graph_add_param(b->graph, NULL, type[i]);
    QccOp *op = new_op(b->graph, def, in, nin, attrs);
    if (result) qcc_value_set_type(&op->out[0], result);
    return op;
}

static void eval_op(Bench *b, const QccOp *op, const void *const *data, void *out)
{
    QccTensor in[8];
    for (int i = 0; i < op->nin; i++) in[i] = qcc_tensor_view(op->in[i].value->type, data[i]);
    QccTensor y = qcc_tensor_view(op->out[0].type, out);
    ck_assert_int_eq(qcc_interp_op(op, in, &y, b->arena), QCC_OK);
}

/* ---- the fused convolutions of tests/numerics/golden.py -------------------------------------- */

static int read_int(FILE *f)
{
    int x;
    ck_assert_int_eq(fscanf(f, "%d", &x), 1);
    return x;
}

static float read_f32(FILE *f)
{
    uint32_t u;
    float x;
    ck_assert_int_eq(fscanf(f, "%" SCNx32, &u), 1);
    memcpy(&x, &u, sizeof x);
    return x;
}

static void fill_body(QccOp *op, const char *kind)
{
    QccGraph *body = qcc_graph_new_body(op);
    QccConvAttrs conv = {
        .stride = {2, {1, 1}}, .pad = {4, {0, 0, 0, 0}}, .dilation = {2, {1, 1}}, .groups = 1};
    QccScalarAttrs clip = {.lo = 0, .hi = 2.5};
    QccValue *r = body->param[3];
    QccValue *v = &new_op(body, &qcc_op_conv2d, body->param, 3, &conv)->out[0];
    if (strcmp(kind, "clip") == 0) v = &new_op(body, &qcc_op_clip, &v, 1, &clip)->out[0];
    QccValue *pair[2] = {v, r};
    v = &new_op(body, strcmp(kind, "mul") == 0 ? &qcc_op_mul : &qcc_op_add, pair, 2, NULL)->out[0];
    if (strcmp(kind, "relu") == 0) v = &new_op(body, &qcc_op_relu, &v, 1, NULL)->out[0];
    qcc_graph_set_results(body, &v, 1);
}

static void check_conv(Bench *b)
{
    const char *source = getenv("QCC_SOURCE");
    char path[4096], kind[16];
    snprintf(path, sizeof path, "%s/tests/numerics/golden_fused.txt", source ? source : "..");
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "cannot open %s", path);
    int cases = 0;
    for (; fscanf(f, "%15s", kind) == 1; cases++) {
        float sx = read_f32(f);
        int zx = read_int(f);
        float sw[2];
        sw[0] = read_f32(f);
        sw[1] = read_f32(f);
        float sr = read_f32(f);
        int zr = read_int(f);
        float sy = read_f32(f);
        int zy = read_int(f);
        uint8_t x[12], r[8], y[8], want[8];
        int8_t w[6];
        int32_t bias[2];
        for (int i = 0; i < 12; i++) x[i] = (uint8_t)read_int(f);
        for (int i = 0; i < 6; i++) w[i] = (int8_t)read_int(f);
        for (int i = 0; i < 2; i++) bias[i] = read_int(f);
        for (int i = 0; i < 8; i++) r[i] = (uint8_t)read_int(f);
        for (int i = 0; i < 8; i++) want[i] = (uint8_t)read_int(f);

        const int64_t xd[] = {1, 2, 2, 3}, wd[] = {2, 1, 1, 3}, bd[] = {2}, rd[] = {1, 2, 2, 2};
        const QccQuant *wq = qcc_quant_axis(b->ir, QCC_I8, 4, 0, 2, sw, NULL, -127, 127);
        float sb[2] = {sx * sw[0], sx * sw[1]}; /* for the type only */
        const QccQuant *bq =
            qcc_quant_axis(b->ir, QCC_I32, 1, 0, 2, sb, NULL, INT32_MIN, INT32_MAX);
        const QccType *type[4] = {quantized(b, QCC_U8, 4, xd, sx, zx),
                                  qcc_type_quantized(b->ir, plain(b, QCC_I8, 4, wd), QCC_I8, wq),
                                  qcc_type_quantized(b->ir, plain(b, QCC_I32, 1, bd), QCC_I32, bq),
                                  quantized(b, QCC_U8, 4, rd, sr, zr)};
        QccOp *op = single(b, &qcc_op_fused, type, 4, NULL, NULL);
        fill_body(op, kind);
        ck_assert_int_eq(qcc_op_reinfer(op), QCC_OK);
        qcc_value_set_type(&op->out[0], quantized(b, QCC_U8, 4, rd, sy, zy));

        QccEpilogue ep;
        ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_OK);
        ck_assert(ep.integer && ep.anchor->def == &qcc_op_conv2d);
        for (int i = 0; i < 3; i++) ck_assert_int_eq(ep.anchor_operand[i], i);
        eval_op(b, op, (const void *const[]){x, w, bias, r}, y);
        for (int i = 0; i < 8; i++)
            ck_assert_msg(y[i] == want[i], "%s, case %d: y[%d] is %d, wanted %d", kind, cases, i,
                          y[i], want[i]);
    }
    fclose(f);
    ck_assert_int_eq(cases, 30);
}

START_TEST(test_conv)
{
    in_bench(check_conv);
}
END_TEST

/* ---- single ops -------------------------------------------------------------------------------
 */

static void check_single(Bench *b)
{
    const int64_t d[] = {4};
    const QccType *f32 = plain(b, QCC_F32, 1, d);
    uint8_t q[4];
    float x[4] = {0.75f, -0.25f, 100, NAN}, y[4];

    /* quantize divides: 0.75 / 0.5 = 1.5 -> 2; -0.5 -> -0 -> 10; saturates; NaN is the zero */
    QccOp *op = single(b, &qcc_op_quantize, &f32, 1, quantized(b, QCC_U8, 1, d, 0.5f, 10), NULL);
    eval_op(b, op, (const void *const[]){x}, q);
    ck_assert_mem_eq(q, ((uint8_t[]){12, 10, 210, 10}), 4);

    const QccType *u8 = quantized(b, QCC_U8, 1, d, 0.5f, 10);
    op = single(b, &qcc_op_dequantize, &u8, 1, NULL, NULL);
    eval_op(b, op, (const void *const[]){q}, y);
    ck_assert(y[0] == 1 && y[1] == 0 && y[2] == 100);

    /* relu to another scale: (q - 10) * 0.5 / 0.25 + 3, at least 3 */
    const uint8_t p[4] = {10, 11, 3, 255};
    op = single(b, &qcc_op_relu, &u8, 1, quantized(b, QCC_U8, 1, d, 0.25f, 3), NULL);
    eval_op(b, op, (const void *const[]){p}, q);
    ck_assert_mem_eq(q, ((uint8_t[]){3, 5, 3, 255}), 4);

    /* a plain f32 operand beside a quantized one, broadcast: 0.5 (q - 10) + 0.3, in steps of 0.1 */
    const QccType *mixed[2] = {u8, plain(b, QCC_F32, 0, NULL)};
    const float addend = 0.3f;
    op = single(b, &qcc_op_add, mixed, 2, quantized(b, QCC_I8, 1, d, 0.1f, -4), NULL);
    eval_op(b, op, (const void *const[]){p, &addend}, q);
    ck_assert_mem_eq(q, ((int8_t[]){-1, 4, -36, 127}), 4);

    /* f32 result of quantized operands: reals */
    op = single(b, &qcc_op_add, mixed, 2, NULL, NULL);
    eval_op(b, op, (const void *const[]){p, &addend}, y);
    ck_assert(y[0] == 0.3f && y[1] == 0.5f + 0.3f && y[2] == -3.5f + 0.3f);

    /* plain integers stay integers, f16 computes in f32 */
    const QccType *i64 = plain(b, QCC_I64, 1, d);
    const int64_t big[4] = {1LL << 40, -5, 0, INT64_MAX};
    int64_t sum[4];
    const QccType *two[2] = {i64, i64};
    op = single(b, &qcc_op_add, two, 2, NULL, NULL);
    eval_op(b, op, (const void *const[]){big, big}, sum);
    ck_assert(sum[0] == 1LL << 41 && sum[1] == -10 && sum[3] == -2);
    const QccType *f16 = plain(b, QCC_F16, 1, d);
    const uint16_t h[4] = {0x3c00, 0xc000, 0x7bff, 0x0001}; /* 1, -2, 65504, 2^-24 */
    uint16_t g[4];
    two[0] = two[1] = f16;
    op = single(b, &qcc_op_add, two, 2, NULL, NULL);
    eval_op(b, op, (const void *const[]){h, h}, g);
    ck_assert_mem_eq(g, ((uint16_t[]){0x4000, 0xc400, 0x7c00, 0x0002}), 8);
}

START_TEST(test_single)
{
    in_bench(check_single);
}
END_TEST

/* Scales per axis of operand and result; the tables have the extents that the types ask for. */
static void check_axis(Bench *b)
{
    const int64_t d[] = {2, 3};
    const float s[3] = {1, 2, 4}, t[2] = {0.5f, 2};
    const int32_t z[3] = {0, 1, 2}, zt[2] = {5, -5};
    const QccQuant *in = qcc_quant_axis(b->ir, QCC_I8, 2, 1, 3, s, z, -128, 127);
    const QccQuant *out = qcc_quant_axis(b->ir, QCC_I8, 2, 0, 2, t, zt, -128, 127);
    const QccType *type = qcc_type_quantized(b->ir, plain(b, QCC_I8, 2, d), QCC_I8, in);
    QccOp *op = single(b, &qcc_op_neg, &type, 1,
                       qcc_type_quantized(b->ir, plain(b, QCC_I8, 2, d), QCC_I8, out), NULL);
    const int8_t x[6] = {1, 2, 3, 4, 5, 6};
    int8_t y[6];
    eval_op(b, op, (const void *const[]){x}, y);
    /* -(x - z) * s / t + zt: rows {1, 1, 1}*{1, 2, 4} / .5 and {4, 4, 4}*{1, 2, 4} / 2 */
    ck_assert_mem_eq(y, ((int8_t[]){3, 1, -3, -7, -9, -13}), 6);

    QccEpilogue ep;
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_OK);
    ck_assert_int_eq(ep.narg, 4); /* x, its zeros, factors, the result's zeros */
    const int64_t want[4][2] = {{2, 3}, {1, 3}, {2, 3}, {2, 1}};
    for (int i = 0; i < 4; i++) ck_assert_mem_eq(ep.arg[i].dim, want[i], sizeof want[i]);
    uint8_t table[256];
    ck_assert(!qcc_epilogue_table(&ep, table, b->arena));
}

START_TEST(test_axis)
{
    in_bench(check_axis);
}
END_TEST

static int count_op(const QccEpilogue *ep, QccExprOp op)
{
    int n = 0;
    for (int i = 0; i < ep->expr.n; i++) n += ep->expr.node[i].op == op;
    return n;
}

/* Which steps the expression has: that is what kernels are shared by. */
static void check_structure(Bench *b)
{
    const int64_t d[] = {4};
    const QccType *in = quantized(b, QCC_U8, 1, d, 0.5f, 10);
    QccEpilogue ep;

    /* relu whose bound is the type's: just requantize, bounded, no select, one max */
    QccOp *op = single(b, &qcc_op_relu, &in, 1, quantized(b, QCC_U8, 1, d, 0.25f, 0), NULL);
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_OK);
    ck_assert_int_eq(count_op(&ep, QCC_EX_select), 0);
    ck_assert(ep.expr.node[ep.expr.result].op == QCC_EX_min);
    uint8_t table[256];
    ck_assert(qcc_epilogue_table(&ep, table, b->arena));
    for (int q = 0; q < 256; q++) {
        int want = 2 * (q - 10);
        ck_assert_int_eq(table[q], want < 0 ? 0 : want > 255 ? 255 : want);
    }

    /* a factor of 2^31 cannot be bounded: the clamp and the test for NaN stay */
    op = single(b, &qcc_op_neg, &in, 1, quantized(b, QCC_U8, 1, d, 0x1p-32f, 3), NULL);
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_OK);
    ck_assert_int_eq(count_op(&ep, QCC_EX_select), 1);
    ck_assert(qcc_epilogue_table(&ep, table, b->arena));
    ck_assert(table[9] == 255 && table[10] == 3 && table[11] == 0);

    /* where a NaN becomes the least byte, a maximum is both */
    op = single(b, &qcc_op_neg, &in, 1, quantized(b, QCC_U8, 1, d, 0x1p-32f, 0), NULL);
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_OK);
    ck_assert_int_eq(count_op(&ep, QCC_EX_select), 0);
    ck_assert(qcc_epilogue_table(&ep, table, b->arena));
    ck_assert(table[9] == 255 && table[10] == 0 && table[11] == 0);

    /* i8 tables are indexed by the stored byte */
    const QccType *i8 = quantized(b, QCC_I8, 1, d, 1, 0);
    op = single(b, &qcc_op_neg, &i8, 1, i8, NULL);
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_OK);
    ck_assert(qcc_epilogue_table(&ep, table, b->arena));
    ck_assert(table[1] == 0xff && table[0xff] == 1 && table[0x80] == 127);

    /* equal types, other values: the same expression */
    QccBuf one, two;
    qcc_buf_init(&one, b->arena);
    qcc_buf_init(&two, b->arena);
    op = single(b, &qcc_op_gelu, &in, 1, quantized(b, QCC_U8, 1, d, 0.25f, 7), NULL);
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_OK);
    qcc_expr_print(&one, &ep.expr);
    in = quantized(b, QCC_U8, 1, d, 0.75f, 5);
    op = single(b, &qcc_op_gelu, &in, 1, quantized(b, QCC_U8, 1, d, 0.125f, 77), NULL);
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_OK);
    qcc_expr_print(&two, &ep.expr);
    ck_assert_str_eq(one.data, two.data);

    /* zero points of 0 are not taken away, nor added */
    const QccType *unmoved = quantized(b, QCC_U8, 1, d, 0.75f, 0);
    op = single(b, &qcc_op_neg, &in, 1, in, NULL);
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_OK);
    ck_assert_int_eq(count_op(&ep, QCC_EX_sub) + count_op(&ep, QCC_EX_add), 2);
    op = single(b, &qcc_op_neg, &unmoved, 1, unmoved, NULL);
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_OK);
    ck_assert_int_eq(count_op(&ep, QCC_EX_sub) + count_op(&ep, QCC_EX_add), 0);
}

START_TEST(test_structure)
{
    in_bench(check_structure);
}
END_TEST

/* ---- roundings inside ------------------------------------------------------------------------ */

/* A fused op of two steps, first(a, b) and second of that (and c); `inner` is the type between. */
static QccOp *two_steps(Bench *b, const QccType *const *in, int nin, const QccOpDef *first,
                        const QccType *inner, const QccOpDef *second, const void *attrs,
                        const QccType *result)
{
    QccOp *fused = single(b, &qcc_op_fused, in, nin, NULL, NULL);
    QccGraph *body = qcc_graph_new_body(fused);
    QccValue *pair[2] = {&new_op(body, first, body->param, 2, NULL)->out[0]};
    if (inner) qcc_value_set_type(pair[0], inner);
    if (nin > 2) pair[1] = body->param[2];
    QccValue *v = &new_op(body, second, pair, nin - 1, attrs)->out[0];
    qcc_graph_set_results(body, &v, 1);
    ck_assert_int_eq(qcc_op_reinfer(fused), QCC_OK);
    if (result->quant) qcc_value_set_type(&fused->out[0], result);
    return fused;
}

/* x * w rounded to `inner`, plus r: the same bytes in one op as in two; likewise x + w, cut off,
 * and rounded twice. NaN and values beyond every integer come up. */
static void compare_inner(Bench *b, const QccType *inner, const QccType *result)
{
    enum { N = 256 };
    const int64_t d[] = {N};
    const QccType *u8 = quantized(b, QCC_U8, 1, d, 0.25f, 100), *f32 = plain(b, QCC_F32, 1, d);
    const QccType *in[] = {u8, f32, u8}, *pair[] = {inner, u8};
    QccScalarAttrs bounds = {.lo = -3, .hi = 7.2};
    uint8_t x[N], r[N];
    float w[N], stored[N], want[N], got[N]; /* elements of at most 4 bytes */
    for (int i = 0; i < N; i++) {
        x[i] = (uint8_t)i;
        r[i] = (uint8_t)(i * 37);
        w[i] = i % 16 == 3 ? NAN : i % 16 == 5 ? INFINITY : (float)(i % 11) * 0.125f - 0.25f;
    }
    size_t size = (size_t)qcc_dtype_size(result->dtype, N);

    QccOp *one = two_steps(b, in, 3, &qcc_op_mul, inner, &qcc_op_add, NULL, result);
    QccOp *mul = single(b, &qcc_op_mul, in, 2, inner, NULL);
    QccOp *add = single(b, &qcc_op_add, pair, 2, result->quant ? result : NULL, NULL);
    eval_op(b, mul, (const void *[]){x, w}, stored);
    eval_op(b, add, (const void *[]){stored, r}, want);
    eval_op(b, one, (const void *[]){x, w, r}, got);
    ck_assert_mem_eq(got, want, size);

    QccOp *cut = two_steps(b, in, 2, &qcc_op_add, NULL, &qcc_op_clip, &bounds, inner);
    QccOp *again = single(b, &qcc_op_relu, &inner, 1, result->quant ? result : NULL, NULL);
    QccOp *both = single(b, &qcc_op_fused, in, 2, NULL, NULL);
    QccGraph *body = qcc_graph_new_body(both);
    QccValue *v = &new_op(body, &qcc_op_add, body->param, 2, NULL)->out[0];
    v = &new_op(body, &qcc_op_clip, &v, 1, &bounds)->out[0];
    qcc_value_set_type(v, inner);
    v = &new_op(body, &qcc_op_relu, &v, 1, NULL)->out[0];
    qcc_graph_set_results(body, &v, 1);
    ck_assert_int_eq(qcc_op_reinfer(both), QCC_OK);
    if (result->quant) qcc_value_set_type(&both->out[0], result);
    eval_op(b, cut, (const void *[]){x, w}, stored);
    eval_op(b, again, (const void *[]){stored}, want);
    eval_op(b, both, (const void *[]){x, w}, got);
    ck_assert_mem_eq(got, want, size);
}

static void check_inner(Bench *b)
{
    const int64_t d[] = {256};
    const QccType *u8 = quantized(b, QCC_U8, 1, d, 0.3f, 17);
    const QccType *i8 = quantized(b, QCC_I8, 1, d, 0.0311f, 0);
    const QccType *i16 = quantized(b, QCC_I16, 1, d, 0x1p-40f, -3);
    const QccType *f32 = plain(b, QCC_F32, 1, d);
    compare_inner(b, u8, i8);
    compare_inner(b, i8, u8);
    compare_inner(b, i16, u8);
    compare_inner(b, i8, i16);
    compare_inner(b, u8, f32);
}

START_TEST(test_inner)
{
    in_bench(check_inner);
}
END_TEST

/* quantize does not divide: next to every n + 1/2, where the two ways to a quotient might part, and
 * for what is no number or too large for one, it gives what a division does. */
enum { SCALES = 512, TIES = 260, NEAR = 4, NUMBERS = 2 * TIES * (2 * NEAR + 1) + 8 };

static void fill_numbers(float *x, float scale)
{
    const float odd[8] = {INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, 1e-45F, -0.0F, 0x1p-126F};
    memcpy(x, odd, sizeof odd);
    x += 8;
    for (int n = 0; n < TIES; n++) {
        for (int near = -NEAR; near <= NEAR; near++, x += 2) {
            float tie = scale * ((float)n + 0.5F);
            uint32_t bits;
            memcpy(&bits, &tie, sizeof bits);
            bits += (uint32_t)near;
            memcpy(x, &bits, sizeof bits);
            x[1] = -x[0];
        }
    }
}

static void check_quotients(Bench *b)
{
    static float x[SCALES][NUMBERS], scale[SCALES];
    static uint8_t q[SCALES][NUMBERS];
    static int32_t zero[SCALES];
    uint32_t random = 1;
    for (int i = 0; i < SCALES; i++) {
        random = random * 1664525 + 1013904223;
        /* The whole range of scales; some of the significands are powers of two, or next to one. */
        float m = 1 + (float)(random >> 9) * 0x1p-23F;
        if (i % 16 < 3) m = 1 + (float)(i % 16) * 0x1p-23F;
        if (i % 16 == 3) m = 2 - 0x1p-23F;
        scale[i] = ldexpf(m, i % 120 - 60);
        zero[i] = i % 256;
        fill_numbers(x[i], scale[i]);
    }
    const int64_t d[] = {SCALES, NUMBERS};
    const QccType *f32 = plain(b, QCC_F32, 2, d);
    const QccQuant *quant = qcc_quant_axis(b->ir, QCC_U8, 2, 0, SCALES, scale, zero, 0, 255);
    QccOp *op =
        single(b, &qcc_op_quantize, &f32, 1, qcc_type_quantized(b->ir, f32, QCC_U8, quant), NULL);
    eval_op(b, op, (const void *const[]){x}, q);
    for (int i = 0; i < SCALES; i++)
        for (int j = 0; j < NUMBERS; j++)
            ck_assert_msg(q[i][j] == qcc_quantize_f32(x[i][j], scale[i], zero[i], 0, 255),
                          "%a / %a + %d is stored as %d", x[i][j], scale[i], zero[i], q[i][j]);
}

START_TEST(test_quotients)
{
    in_bench(check_quotients);
}
END_TEST

/* What has no such form is refused, not computed wrongly. */
static void check_refused(Bench *b)
{
    const int64_t d[] = {4};
    const QccType *f32 = plain(b, QCC_F32, 1, d);
    QccEpilogue ep;
    QccOp *op = single(b, &qcc_op_quantize, &f32, 1, quantized(b, QCC_I32, 1, d, 0.5f, 0), NULL);
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_ERROR_INPUT);
    op = single(b, &qcc_op_fused, &f32, 1, NULL, NULL);
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_ERROR_INPUT);
    QccGraph *body = qcc_graph_new_body(op);
    QccValue *v = &new_op(body, &qcc_op_quantize, body->param, 1, NULL)->out[0];
    qcc_graph_set_results(body, &v, 1);
    ck_assert_int_eq(qcc_epilogue_build(&ep, op, b->arena), QCC_ERROR_INPUT);
}

START_TEST(test_refused)
{
    in_bench(check_refused);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("epilogue");
    TCase *tcase = tcase_create("epilogue");
    tcase_add_test(tcase, test_conv);
    tcase_add_test(tcase, test_single);
    tcase_add_test(tcase, test_axis);
    tcase_add_test(tcase, test_structure);
    tcase_add_test(tcase, test_inner);
    tcase_add_test(tcase, test_quotients);
    tcase_add_test(tcase, test_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
