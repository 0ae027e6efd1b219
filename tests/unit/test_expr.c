/* test_expr - building, folding, printing and evaluating scalar expressions. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "ir/base/random.h"
#include "ir/expr.h"

static void in_arena(void (*fn)(QccArena *))
{
    QccMem mem = {0};
    QccArena *arena = qcc_arena_new(&mem);
    fn(arena);
    qcc_arena_free(arena);
}

static float eval2(QccArena *arena, QccExprOp op, float x, float y)
{
    QccExpr e;
    float out;
    qcc_expr_init(&e, arena);
    int a = qcc_expr_arg(&e, 0, QCC_EX_F32), b = qcc_expr_arg(&e, 1, QCC_EX_F32);
    qcc_expr_op2(&e, op, a, b);
    qcc_expr_eval(&e, 1, (const void *const[]){&x, &y}, (const uint8_t[]){1, 0}, NULL, &out, arena);
    return out;
}

static void text_is(QccArena *arena, const QccExpr *e, const char *want)
{
    QccBuf buf;
    qcc_buf_init(&buf, arena);
    qcc_expr_print(&buf, e);
    ck_assert_str_eq(buf.data, want);
}

static void check_print(QccArena *arena)
{
    QccExpr e;
    qcc_expr_init(&e, arena);
    int x = qcc_expr_arg(&e, 2, QCC_EX_I32);
    int unused = qcc_expr_op2(&e, QCC_EX_add, x, x);
    int f = qcc_expr_cvt(&e, QCC_EX_F32, x);
    int m = qcc_expr_op2(&e, QCC_EX_mul, f, qcc_expr_f32(&e, 0.5f));
    ck_assert_int_eq(qcc_expr_op2(&e, QCC_EX_mul, f, qcc_expr_f32(&e, 0.5f)), m);
    ck_assert_int_ne(unused, m);
    qcc_expr_op3(&e, QCC_EX_select, x, m, qcc_expr_imm(&e, QCC_EX_F32, -INFINITY, 0));
    qcc_expr_prune(&e);
    text_is(arena, &e,
            "0 = arg i32 #2\n"
            "1 = cvt f32 0\n"
            "2 = imm f32 0.5\n"
            "3 = mul f32 1 2\n"
            "4 = imm f32 -inf\n"
            "5 = select f32 0 3 4\n"
            "result 5\n");

    QccExpr into;
    qcc_expr_init(&into, arena);
    int seven = qcc_expr_i32(&into, 7);
    qcc_expr_inline(&into, &e, (const int[]){-1, -1, seven});
    qcc_expr_prune(&into);
    text_is(arena, &into, "0 = imm f32 3.5\nresult 0\n");
}

START_TEST(test_print)
{
    in_arena(check_print);
}
END_TEST

static void check_fold(QccArena *arena)
{
    QccExpr e;
    qcc_expr_init(&e, arena);
    int max = qcc_expr_i32(&e, INT32_MAX), one = qcc_expr_i32(&e, 1), zero = qcc_expr_i32(&e, 0);
    int most = qcc_expr_imm(&e, QCC_EX_U64, 0, -1), ten = qcc_expr_imm(&e, QCC_EX_U64, 0, 10);
    int odd = qcc_expr_imm(&e, QCC_EX_U64, 0, INT64_MIN | 1LL << 39 | 1);
    struct {
        int node;
        int64_t want;
    } row[] = {
        {qcc_expr_op2(&e, QCC_EX_add, max, one), INT32_MIN},
        {qcc_expr_op2(&e, QCC_EX_div, max, zero), 0},
        {qcc_expr_op2(&e, QCC_EX_div, qcc_expr_i32(&e, INT32_MIN), qcc_expr_i32(&e, -1)),
         INT32_MIN},
        {qcc_expr_op2(&e, QCC_EX_div, qcc_expr_i32(&e, -7), qcc_expr_i32(&e, 2)), -3},
        {qcc_expr_op2(&e, QCC_EX_shr, qcc_expr_i32(&e, -1), qcc_expr_i32(&e, 28)), 15},
        {qcc_expr_op2(&e, QCC_EX_sar, qcc_expr_i32(&e, -16), qcc_expr_i32(&e, 2)), -4},
        {qcc_expr_op2(&e, QCC_EX_shl, max, qcc_expr_i32(&e, 1)), -2},
        {qcc_expr_op1(&e, QCC_EX_abs, qcc_expr_i32(&e, -5)), 5},
        {qcc_expr_cvt(&e, QCC_EX_I32, qcc_expr_f32(&e, 2.5f)), 2},
        {qcc_expr_cvt(&e, QCC_EX_I32, qcc_expr_f32(&e, -3.5f)), -4},
        {qcc_expr_cvt(&e, QCC_EX_I64, qcc_expr_imm(&e, QCC_EX_F64, 0x1p40 + 0.5, 0)), 1LL << 40},
        {qcc_expr_cvt(&e, QCC_EX_I32, qcc_expr_imm(&e, QCC_EX_I64, 0, (1LL << 32) + 5)), 5},
        {qcc_expr_op2(&e, QCC_EX_div, most, ten), 1844674407370955161},
        {qcc_expr_op2(&e, QCC_EX_lt, ten, most), 1},
        {qcc_expr_op2(&e, QCC_EX_max, most, ten), -1},
        {qcc_expr_op2(&e, QCC_EX_sar, most, ten), (1LL << 54) - 1},
        {qcc_expr_cvt(&e, QCC_EX_U64, qcc_expr_i32(&e, -1)), -1},
        {qcc_expr_to_integer(&e, qcc_expr_f32(&e, 0x1p64f), QCC_U64), -1},
        {qcc_expr_to_integer(&e, qcc_expr_f32(&e, 0x1p63f), QCC_U64), INT64_MIN},
        {qcc_expr_to_integer(&e, qcc_expr_f32(&e, -3), QCC_U64), 0},
        {qcc_expr_bits(&e, QCC_EX_I64, qcc_expr_cvt(&e, QCC_EX_F64, most)), 0x43f0000000000000},
        /* one above the middle between two f32 */
        {qcc_expr_bits(&e, QCC_EX_I32, qcc_expr_cvt(&e, QCC_EX_F32, odd)), 0x5f000001},
        {qcc_expr_bits(&e, QCC_EX_I32, qcc_expr_f32(&e, 1)), 0x3f800000},
        {qcc_expr_op2(&e, QCC_EX_lt, qcc_expr_f32(&e, 1), qcc_expr_f32(&e, 2)), 1},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        ck_assert_int_eq(e.node[row[i].node].op, QCC_EX_imm);
        ck_assert_msg(e.node[row[i].node].imm.i == row[i].want, "row %zu is %lld", i,
                      (long long)e.node[row[i].node].imm.i);
    }
    int nan = qcc_expr_op2(&e, QCC_EX_div, qcc_expr_f32(&e, 0), qcc_expr_f32(&e, 0));
    ck_assert_int_eq(e.node[nan].op, QCC_EX_div); /* left to the machine */
    ck_assert_int_eq(qcc_expr_op3(&e, QCC_EX_select, one, nan, qcc_expr_f32(&e, 2)), nan);
    float minus = -0.0f;
    int negative = qcc_expr_f32(&e, minus);
    ck_assert_int_ne(negative, qcc_expr_f32(&e, 0)); /* other bits, another node */
}

START_TEST(test_fold)
{
    in_arena(check_fold);
}
END_TEST

static void check_nan(QccArena *arena)
{
    ck_assert(eval2(arena, QCC_EX_min, NAN, 3) == 3);
    ck_assert(isnan(eval2(arena, QCC_EX_min, 3, NAN)));
    ck_assert(eval2(arena, QCC_EX_max, NAN, 3) == 3);
    ck_assert(isnan(eval2(arena, QCC_EX_max, 3, NAN)));
    ck_assert(!signbit(eval2(arena, QCC_EX_min, -0.0f, 0.0f))); /* the second of equals */
    ck_assert(signbit(eval2(arena, QCC_EX_max, 0.0f, -0.0f)));
}

START_TEST(test_nan)
{
    in_arena(check_nan);
}
END_TEST

/* fma against the C library's, roundings that need more than double included. */
static void check_fma(QccArena *arena)
{
    enum { N = 20000 };
    static const float edge[] = {0,
                                 -0.0f,
                                 1,
                                 -1,
                                 0x1p-126f,
                                 0x1p-149f,
                                 0x1p127f,
                                 INFINITY,
                                 -INFINITY,
                                 0x1.fffffep127f,
                                 0x1.000002p0f,
                                 0x1p-24f,
                                 -0x1p-25f,
                                 0x1.8p-25f,
                                 3};
    enum { EDGES = sizeof edge / sizeof *edge };
    float *x[3], *y = qcc_alloc_array(arena, N, 4);
    QccRandom r;
    qcc_random_init(&r, 1);
    for (int k = 0; k < 3; k++) {
        x[k] = qcc_alloc_array(arena, N, 4);
        for (int i = 0; i < N; i++) {
            uint32_t bits = qcc_random_u32(&r);
            if (i % 2) bits = (bits & 0x807fffff) | 0x3f800000; /* near 1: cancellation */
            if (i % 8 == 7) bits &= 0xfff00000;                 /* short: ties */
            memcpy(&x[k][i], &bits, 4);
            if (i < EDGES * EDGES * EDGES)
                x[k][i] = edge[(k == 0 ? i : k == 1 ? i / EDGES : i / EDGES / EDGES) % EDGES];
        }
    }
    QccExpr e;
    qcc_expr_init(&e, arena);
    qcc_expr_op3(&e, QCC_EX_fma, qcc_expr_arg(&e, 0, QCC_EX_F32), qcc_expr_arg(&e, 1, QCC_EX_F32),
                 qcc_expr_arg(&e, 2, QCC_EX_F32));
    qcc_expr_eval(&e, N, (const void *const[]){x[0], x[1], x[2]}, (const uint8_t[]){1, 1, 1}, NULL,
                  y, arena);
    for (int i = 0; i < N; i++) {
        float want = fmaf(x[0][i], x[1][i], x[2][i]);
        bool same = isnan(want) ? isnan(y[i]) : memcmp(&want, &y[i], 4) == 0;
        ck_assert_msg(same, "fma(%a, %a, %a) is %a, wanted %a", x[0][i], x[1][i], x[2][i], y[i],
                      want);
    }
}

START_TEST(test_fma)
{
    in_arena(check_fma);
}
END_TEST

/* Blocks, rests of blocks, broadcast arguments, the accumulator, tables. */
static void check_blocks(QccArena *arena)
{
    QccExpr e;
    uint8_t table[256];
    for (int i = 0; i < 256; i++) table[i] = (uint8_t)(255 - i);
    qcc_expr_init(&e, arena);
    int sum =
        qcc_expr_op2(&e, QCC_EX_add, qcc_expr_acc(&e, QCC_EX_I32), qcc_expr_arg(&e, 0, QCC_EX_I32));
    int scaled = qcc_expr_op2(&e, QCC_EX_mul, sum, qcc_expr_arg(&e, 1, QCC_EX_I32));
    qcc_expr_op2(&e, QCC_EX_sub, scaled, qcc_expr_lut(&e, 2, sum));
    enum { N = 1000 };
    int32_t acc[N], x[N], out[N + 1], three = 3;
    for (int i = 0; i < N; i++) acc[i] = i, x[i] = 7 * i - 5000;
    for (int n = 0; n <= N; n += n < 20 ? 1 : 245) {
        out[n] = 12345;
        qcc_expr_eval(&e, n, (const void *const[]){x, &three, table}, (const uint8_t[]){1, 0, 0},
                      acc, out, arena);
        for (int i = 0; i < n; i++) {
            int32_t s = acc[i] + x[i];
            ck_assert_int_eq(out[i], 3 * s - (255 - (s & 255)));
        }
        ck_assert_int_eq(out[n], 12345);
    }
}

START_TEST(test_blocks)
{
    in_arena(check_blocks);
}
END_TEST

static int32_t requantized(QccArena *arena, float v, int32_t zero, int lo, bool bounded)
{
    QccExpr e;
    int32_t out;
    qcc_expr_init(&e, arena);
    int low = lo < 0 ? -1 : qcc_expr_i32(&e, lo);
    qcc_expr_requantize(&e, qcc_expr_arg(&e, 0, QCC_EX_F32), zero ? qcc_expr_i32(&e, zero) : -1,
                        low, -1, 0, 255, bounded);
    qcc_expr_eval(&e, 1, (const void *const[]){&v}, (const uint8_t[]){1}, NULL, &out, arena);
    return out;
}

static void check_requantize(QccArena *arena)
{
    for (int bounded = 0; bounded < 2; bounded++) {
        ck_assert_int_eq(requantized(arena, 2.5f, 10, -1, bounded), 12);
        ck_assert_int_eq(requantized(arena, 3.5f, 10, -1, bounded), 14);
        ck_assert_int_eq(requantized(arena, 3.5f, 0, -1, bounded), 4);
        ck_assert_int_eq(requantized(arena, -12.4f, 10, -1, bounded), 0);
        ck_assert_int_eq(requantized(arena, -2, 10, 9, bounded), 9);
        ck_assert_int_eq(requantized(arena, 1e6f, 10, -1, bounded), 255);
    }
    ck_assert_int_eq(requantized(arena, NAN, 10, -1, false), 10);
    ck_assert_int_eq(requantized(arena, INFINITY, 10, -1, false), 255);
    ck_assert_int_eq(requantized(arena, -1e30f, 10, -1, false), 0);
    ck_assert_int_eq(requantized(arena, NAN, 0, -1, false), 0);
    ck_assert_int_eq(requantized(arena, INFINITY, 0, -1, false), 255);
    ck_assert_int_eq(requantized(arena, -INFINITY, 0, -1, false), 0);
}

START_TEST(test_requantize)
{
    in_arena(check_requantize);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("expr");
    TCase *tcase = tcase_create("expr");
    tcase_add_test(tcase, test_print);
    tcase_add_test(tcase, test_fold);
    tcase_add_test(tcase, test_nan);
    tcase_add_test(tcase, test_fma);
    tcase_add_test(tcase, test_blocks);
    tcase_add_test(tcase, test_requantize);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
