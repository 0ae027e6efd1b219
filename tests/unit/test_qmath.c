/* test_qmath - qmath and the elementary functions against vectors by tests/numerics/golden.py. */
#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/expr.h"
#include "ir/qmath.h"
#include "ir/type.h"

static float from_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static uint32_t to_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static FILE *open_golden(const char *name)
{
    const char *source = getenv("QCC_SOURCE");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/numerics/%s", source ? source : "..", name);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "cannot open %s", path);
    return f;
}

/* How many floats lie between a and b; NaN only equals NaN, and 0 only zero of the same sign. */
static int64_t ulps(float a, float b)
{
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? 0 : INT64_MAX;
    int64_t x = (int32_t)to_bits(a), y = (int32_t)to_bits(b);
    if ((x < 0) != (y < 0)) return INT64_MAX;
    return x < y ? y - x : x - y;
}

static int build_function(QccExpr *e, const char *name)
{
    int x = qcc_expr_arg(e, 0, QCC_EX_F32);
    if (strcmp(name, "exp") == 0) return qcc_expr_exp(e, x);
    if (strcmp(name, "log") == 0) return qcc_expr_log(e, x);
    if (strcmp(name, "tanh") == 0) return qcc_expr_tanh(e, x);
    if (strcmp(name, "erf") == 0) return qcc_expr_erf(e, x);
    if (strcmp(name, "sigmoid") == 0) return qcc_expr_sigmoid(e, x);
    ck_assert_str_eq(name, "pow");
    return qcc_expr_pow(e, x, qcc_expr_arg(e, 1, QCC_EX_F32));
}

typedef struct Limit {
    const char *name;
    int64_t ulps; /* what docs/numerics.md promises, counted from the correctly rounded value */
    int seen;
} Limit;

/* ---- functions in f64: both types, by name ---- */

static const struct {
    const char *name;
    QccExprFunction *function; /* NULL: pow */
    int64_t ulps, wide; /* what docs/numerics.md promises, of f32 (0: elsewhere) and of f64 */
} functions[] = {
    {"sin", qcc_expr_sin, 1, 4},     {"cos", qcc_expr_cos, 1, 4},
    {"tan", qcc_expr_tan, 1, 4},     {"asin", qcc_expr_asin, 1, 4},
    {"acos", qcc_expr_acos, 1, 4},   {"atan", qcc_expr_atan, 1, 4},
    {"sinh", qcc_expr_sinh, 1, 4},   {"cosh", qcc_expr_cosh, 1, 4},
    {"asinh", qcc_expr_asinh, 1, 4}, {"acosh", qcc_expr_acosh, 1, 4},
    {"atanh", qcc_expr_atanh, 1, 4}, {"expm1", qcc_expr_expm1, 4, 4},
    {"log1p", qcc_expr_log1p, 4, 4}, {"exp", qcc_expr_exp, 0, 2},
    {"log", qcc_expr_log, 0, 2},     {"tanh", qcc_expr_tanh, 0, 4},
    {"erf", qcc_expr_erf, 0, 4},     {"sigmoid", qcc_expr_sigmoid, 0, 4},
    {"pow", NULL, 0, 1 << 10},
};
enum { NFUNCTION = sizeof functions / sizeof *functions };

static int64_t ulps_f64(double a, double b)
{
    int64_t x, y;
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? 0 : INT64_MAX;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    if ((x < 0) != (y < 0)) return INT64_MAX;
    return x < y ? y - x : x - y;
}

static double read_number(FILE *f, bool wide)
{
    uint32_t narrow;
    double x;
    if (!wide) {
        ck_assert_int_eq(fscanf(f, "%" SCNx32, &narrow), 1);
        return (double)from_bits(narrow);
    }
    ck_assert_int_eq(fscanf(f, "%la", &x), 1);
    return x;
}

static void check_functions(void *user)
{
    FILE *f = open_golden("golden_functions.txt");
    char name[16];
    int seen[NFUNCTION][2] = {{0}};
    QccArena *arena = qcc_arena_new(user);
    while (fscanf(f, "%15s", name) == 1) {
        char *suffix = strstr(name, "_f64");
        bool wide = suffix != NULL;
        if (wide) *suffix = '\0';
        int k = 0;
        while (k < NFUNCTION && strcmp(functions[k].name, name) != 0) k++;
        ck_assert_msg(k < NFUNCTION, "%s is no function", name);
        double in[2] = {read_number(f, wide)};
        if (!functions[k].function) in[1] = read_number(f, wide);
        double want = read_number(f, wide);

        QccExpr e;
        qcc_expr_init(&e, arena);
        int x = qcc_expr_arg(&e, 0, wide ? QCC_EX_F64 : QCC_EX_F32);
        if (functions[k].function)
            functions[k].function(&e, x);
        else
            qcc_expr_pow(&e, x, qcc_expr_arg(&e, 1, QCC_EX_F64));
        qcc_expr_prune(&e);
        float narrow = (float)in[0], y;
        double z;
        const void *arg[2] = {wide ? (const void *)&in[0] : &narrow, &in[1]};
        qcc_expr_eval(&e, 1, arg, (const uint8_t[]){1, 1}, NULL, wide ? (void *)&z : &y, arena);
        int64_t off = wide ? ulps_f64(z, want) : ulps(y, (float)want);
        ck_assert_msg(off <= (wide ? functions[k].wide : functions[k].ulps),
                      "%s(%a) is %a, wanted %a: %lld ulp", name, in[0], wide ? z : (double)y, want,
                      (long long)off);
        seen[k][wide]++;
    }
    for (int k = 0; k < NFUNCTION; k++) {
        ck_assert_int_ge(seen[k][1], 60);
        if (functions[k].ulps) ck_assert_int_ge(seen[k][0], 60);
    }
    fclose(f);
    qcc_arena_free(arena);
}

START_TEST(test_functions)
{
    QccMem mem = {0};
    ck_assert(qcc_mem_protect(&mem, check_functions, &mem));
}
END_TEST

static void check_math(void *user)
{
    QccMem *mem = user;
    Limit limit[] = {{"exp", 2, 0}, {"log", 2, 0},     {"tanh", 4, 0},
                     {"erf", 4, 0}, {"sigmoid", 4, 0}, {"pow", 1, 0}};
    FILE *f = open_golden("golden_math.txt");
    char name[16];
    QccArena *arena = qcc_arena_new(mem);
    while (fscanf(f, "%15s", name) == 1) {
        uint32_t in[2] = {0, 0}, want;
        ck_assert_int_eq(fscanf(f, "%" SCNx32, &in[0]), 1);
        if (strcmp(name, "pow") == 0) ck_assert_int_eq(fscanf(f, "%" SCNx32, &in[1]), 1);
        ck_assert_int_eq(fscanf(f, "%" SCNx32, &want), 1);
        QccExpr e;
        qcc_expr_init(&e, arena);
        build_function(&e, name);
        qcc_expr_prune(&e);
        float x[2] = {from_bits(in[0]), from_bits(in[1])}, y;
        const void *arg[2] = {&x[0], &x[1]};
        qcc_expr_eval(&e, 1, arg, (const uint8_t[]){1, 1}, NULL, &y, arena);
        for (size_t k = 0; k < sizeof limit / sizeof *limit; k++) {
            if (strcmp(limit[k].name, name) != 0) continue;
            limit[k].seen++;
            ck_assert_msg(ulps(y, from_bits(want)) <= limit[k].ulps,
                          "%s(%a, %a) is %a, wanted %a within %d ulp", name, x[0], x[1], y,
                          from_bits(want), (int)limit[k].ulps);
        }
    }
    for (size_t k = 0; k < sizeof limit / sizeof *limit; k++) ck_assert_int_ge(limit[k].seen, 100);
    fclose(f);
    qcc_arena_free(arena);
}

START_TEST(test_math)
{
    QccMem mem = {0};
    ck_assert(qcc_mem_protect(&mem, check_math, &mem));
}
END_TEST

/* acc * (f32)(unit / scale), then the same with a residual, by the functions of qmath. */
static void check_requantize(FILE *f)
{
    int64_t acc;
    double unit;
    uint32_t scale, rscale;
    int zero, want, r, zr, want_residual;
    ck_assert_int_eq(fscanf(f, "%" SCNd64 " %la %" SCNx32 " %d %d %d %d %" SCNx32 " %d", &acc,
                            &unit, &scale, &zero, &want, &r, &zr, &rscale, &want_residual),
                     9);
    float t = (float)(int32_t)acc, m = qcc_requant_factor(unit, from_bits(scale));
    float v = t * m;
    ck_assert_int_eq(qcc_quantize_f32(v, 1, zero, 0, 255), want);
    float residual = (float)(r - zr) * qcc_requant_factor(from_bits(rscale), from_bits(scale));
    ck_assert_int_eq(qcc_quantize_f32(v + residual, 1, zero, 0, 255), want_residual);
}

START_TEST(test_quant)
{
    FILE *f = open_golden("golden_quant.txt");
    char name[16];
    int n = 0;
    for (; fscanf(f, "%15s", name) == 1; n++) {
        uint32_t a, b, want_bits;
        int zero, qmin, qmax, want, symmetric, middle;
        int64_t i, j;
        double unit;
        if (strcmp(name, "quantize") == 0) {
            ck_assert_int_eq(fscanf(f, "%" SCNx32 " %" SCNx32 " %d %d %d %d", &a, &b, &zero, &qmin,
                                    &qmax, &want),
                             6);
            int32_t got = qcc_quantize_f32(from_bits(a), from_bits(b), zero, qmin, qmax);
            ck_assert_msg(got == want, "quantize(%a, %a) is %d, wanted %d", from_bits(a),
                          from_bits(b), got, want);
        } else if (strcmp(name, "dequantize") == 0) {
            ck_assert_int_eq(
                fscanf(f, "%" SCNd64 " %" SCNx32 " %d %" SCNx32, &i, &a, &zero, &want_bits), 4);
            ck_assert_uint_eq(to_bits(qcc_dequantize((int32_t)i, from_bits(a), zero)), want_bits);
        } else if (strcmp(name, "requantize") == 0) {
            check_requantize(f);
        } else if (strcmp(name, "factor") == 0) {
            ck_assert_int_eq(fscanf(f, "%la %" SCNx32 " %" SCNx32, &unit, &a, &want_bits), 3);
            ck_assert_uint_eq(to_bits(qcc_requant_factor(unit, from_bits(a))), want_bits);
        } else if (strcmp(name, "qparams") == 0) {
            ck_assert_int_eq(fscanf(f, "%" SCNx32 " %" SCNx32 " %d %d %d %d %" SCNx32 " %d", &a, &b,
                                    &qmin, &qmax, &symmetric, &middle, &want_bits, &want),
                             8);
            float scale;
            int32_t got;
            qcc_choose_qparams(from_bits(a), from_bits(b), qmin, qmax, symmetric, middle, &scale,
                               &got);
            ck_assert_msg(to_bits(scale) == want_bits && got == want,
                          "qparams [%a, %a] to [%d, %d]: %a %d, wanted %a %d", from_bits(a),
                          from_bits(b), qmin, qmax, scale, got, from_bits(want_bits), want);
        } else {
            ck_assert_str_eq(name, "fits");
            ck_assert_int_eq(fscanf(f, "%" SCNd64 " %" SCNd64 " %d", &i, &j, &want), 3);
            ck_assert_int_eq(qcc_accumulator_fits(i, j), want);
        }
    }
    ck_assert_int_ge(n, 500);
    fclose(f);
}
END_TEST

/* The numbers that golden.py sums, from its linear congruence. */
static float sum_of_seed(int n, uint32_t seed, int stride)
{
    float *x = malloc(sizeof *x * (size_t)(n * stride + 1));
    for (int i = 0; i < n * stride; i++) x[i] = NAN;
    for (int i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        int32_t k = (int32_t)(seed >> 8);
        x[i * stride] = (float)(k - (1 << 23)) / (float)(1 << (k & 15));
    }
    float sum = qcc_sum_f32(x, n, stride);
    free(x);
    return sum;
}

START_TEST(test_narrow)
{
    FILE *f = open_golden("golden_narrow.txt");
    char name[16];
    int lines = 0;
    for (; fscanf(f, "%15s", name) == 1; lines++) {
        uint32_t a, b, c;
        if (strcmp(name, "sum") == 0) {
            ck_assert_int_eq(fscanf(f, "%" SCNu32 " %" SCNu32 " %" SCNx32, &a, &b, &c), 3);
            ck_assert_uint_eq(to_bits(sum_of_seed((int)a, b, 1)), c);
            ck_assert_uint_eq(to_bits(sum_of_seed((int)a, b, 3)), c);
            continue;
        }
        ck_assert_int_eq(fscanf(f, "%" SCNx32 " %" SCNx32, &a, &b), 2);
        uint32_t got = strcmp(name, "from_f16") == 0 ? to_bits(qcc_f16_to_f32((uint16_t)a))
                       : strcmp(name, "to_f16") == 0 ? qcc_f32_to_f16(from_bits(a))
                                                     : qcc_f32_to_bf16(from_bits(a));
        ck_assert_msg(got == b, "%s of %08x is %08x, wanted %08x", name, (unsigned)a, (unsigned)got,
                      (unsigned)b);
    }
    ck_assert_int_ge(lines, 200);
    fclose(f);
    ck_assert_uint_eq(to_bits(qcc_bf16_to_f32(0xc049)), 0xc0490000);
}
END_TEST

START_TEST(test_minifloat)
{
    FILE *f = open_golden("golden_minifloat.txt");
    char format[16], way[8];
    uint32_t a, b;
    int lines = 0;
    for (; fscanf(f, "%15s %7s %" SCNx32 " %" SCNx32, format, way, &a, &b) == 4; lines++) {
        QccDtype dtype;
        ck_assert(qcc_dtype_parse(&dtype, format, (int64_t)strlen(format)));
        uint32_t got = strcmp(way, "to") == 0 ? qcc_f32_to_minifloat(dtype, from_bits(a))
                                              : to_bits(qcc_minifloat_to_f32(dtype, (uint8_t)a));
        ck_assert_msg(got == b, "%s %s %08x is %08x, wanted %08x", format, way, (unsigned)a,
                      (unsigned)got, (unsigned)b);
    }
    ck_assert_int_ge(lines, 3000);
    fclose(f);
    ck_assert(isnan(qcc_minifloat_to_f32(QCC_F8E4M3FN, 0xff)));
    ck_assert(isnan(qcc_minifloat_to_f32(QCC_F8E4M3FNUZ, 0x80)));
    ck_assert(isnan(qcc_minifloat_to_f32(QCC_F8E5M2, 0x7d)));
    ck_assert(qcc_minifloat_to_f32(QCC_F8E5M2, 0xfc) == -INFINITY);
    ck_assert(qcc_minifloat_max(QCC_F8E4M3FN) == 448 && qcc_minifloat_max(QCC_F8E4M3FNUZ) == 240);
    ck_assert(qcc_minifloat_max(QCC_F8E5M2) == 57344 && qcc_minifloat_max(QCC_F4E2M1) == 6);
}
END_TEST

START_TEST(test_rne)
{
    static const struct {
        float x, want;
    } row[] = {{0.5f, 0},
               {1.5f, 2},
               {2.5f, 2},
               {-0.5f, -0.0f},
               {-1.5f, -2},
               {-0.3f, -0.0f},
               {0x1p22f + 0.5f, 0x1p22f},
               {0x1p23f + 1, 0x1p23f + 1},
               {-0x1.fffffep22f, -0x1p23f},
               {INFINITY, INFINITY},
               {0.49999997f, 0},
               {1e30f, 1e30f}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        ck_assert_uint_eq(to_bits(qcc_rne_f32(row[i].x)), to_bits(row[i].want));
        double d = qcc_rne_f64(row[i].x);
        ck_assert_msg(d == row[i].want && !signbit(d) == !signbit(row[i].want), "%a is %a",
                      row[i].x, d);
    }
    ck_assert(isnan(qcc_rne_f32(NAN)));
    ck_assert(qcc_rne_f64(0x1p52 - 0.5) == 0x1p52);
    ck_assert(qcc_rne_f64(0x1p51 + 0.5) == 0x1p51);
}
END_TEST

static void check_exp_array(void *user)
{
    QccArena *arena = qcc_arena_new(user);
    enum { N = 1000 };
    float x[N], y[N];
    for (int i = 0; i < N; i++) x[i] = (float)(i - 500) / 7;
    QccExprEval *f = qcc_expr_function(qcc_expr_exp, QCC_EX_F32, arena);
    qcc_expr_apply(f, N, x, y);
    for (int i = 0; i < N; i++) {
        double want = exp(x[i]); /* of the C library: some 2^-53 */
        ck_assert(want < 0x1p-126 ? y[i] == 0 : fabs(y[i] - want) <= 1.5e-7 * want);
    }
    qcc_expr_apply(f, N, x, x);
    ck_assert_mem_eq(x, y, sizeof x);
    qcc_arena_free(arena);
}

START_TEST(test_exp_array)
{
    QccMem mem = {0};
    ck_assert(qcc_mem_protect(&mem, check_exp_array, &mem));
}
END_TEST

/* Beside the C library's erfc: within 2^-23 of x, and no worse than 2 ulp above 0. */
static void check_gelu(void *user)
{
    QccArena *arena = qcc_arena_new(user);
    enum { N = 20000 };
    float *x = QCC_NEW_ARRAY(arena, N, float), *y = QCC_NEW_ARRAY(arena, N, float);
    for (int i = 0; i < N; i++) x[i] = (float)(i - N / 2) / 1500;
    static const float odd[] = {-INFINITY, INFINITY, NAN, -1e38F, 1e38F, -5.7F, 5.7F, 0x1p-120F};
    memcpy(x, odd, sizeof odd);
    QccExpr e;
    qcc_expr_init(&e, arena);
    qcc_expr_gelu(&e, qcc_expr_arg(&e, 0, QCC_EX_F32));
    qcc_expr_prune(&e);
    qcc_expr_eval(&e, N, (const void *const[]){x}, (const uint8_t[]){1}, NULL, y, arena);
    ck_assert(y[0] == 0 && y[1] == INFINITY && isnan(y[2]));
    for (int i = 3; i < N; i++) {
        double want = x[i] * 0.5 * erfc(-x[i] * sqrt(0.5)), off = fabs(y[i] - want);
        ck_assert_msg(off <= fabs(x[i]) * 0x1p-23, "gelu(%a) is %a, wanted %a", x[i], y[i], want);
        if (x[i] > 0) ck_assert_int_le(ulps(y[i], (float)want), 2);
    }
    qcc_arena_free(arena);
}

START_TEST(test_gelu)
{
    QccMem mem = {0};
    ck_assert(qcc_mem_protect(&mem, check_gelu, &mem));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("qmath");
    TCase *tcase = tcase_create("qmath");
    tcase_add_test(tcase, test_math);
    tcase_add_test(tcase, test_functions);
    tcase_add_test(tcase, test_quant);
    tcase_add_test(tcase, test_narrow);
    tcase_add_test(tcase, test_minifloat);
    tcase_add_test(tcase, test_rne);
    tcase_add_test(tcase, test_exp_array);
    tcase_add_test(tcase, test_gelu);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
