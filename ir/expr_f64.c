/* expr_f64 - elementary functions in f64, as expressions.
 *
 * An argument of another type is widened (exactly, but for large i64), and the result rounded to
 * f32 once. The schemes are Sun's fdlibm's; the coefficients are our own, by tests/numerics/fit.py,
 * whose largest weighted error stands beside each table. No fma: not every processor has one.
 */
#include <math.h>

#include "ir/expr_build.h"
#include "ir/type.h"

/* ln 2 in two parts; k * hi is exact for |k| < 2^20. */
static const double ln2_hi = 0x1.62e42feep-1, ln2_lo = 0x1.a39ef35793c76p-33;
/* pi / 2, and what it lacks. */
static const double half_pi = 0x1.921fb54442d18p+0, half_pi_lo = 0x1.1a62633145c07p-54;

static const double exp_c[] = {/* 2^-60.3 */
                               0x1p-1,
                               0x1.555555555555bp-3,
                               0x1.5555555555503p-5,
                               0x1.111111110ec54p-7,
                               0x1.6c16c16c30462p-10,
                               0x1.a01a01b3823e1p-13,
                               0x1.a01a0136ab572p-16,
                               0x1.71ddf0162fcc0p-19,
                               0x1.27e5b3f015b27p-22,
                               0x1.af6bfb4754061p-26,
                               0x1.1e3dd5fbdc867p-29};
static const double log_c[] = {/* 2^-61.5 */
                               0x1.5555555555555p-1, 0x1.9999999999e01p-2, 0x1.249249242b1b2p-2,
                               0x1.c71c725929e34p-3, 0x1.745cde27e7248p-3, 0x1.3b20ade52d37ep-3,
                               0x1.0f5c947275dabp-3, 0x1.0f64f023ae38dp-3};
static const double sin_c[] = {/* 2^-57.3 */
                               -0x1.5555555555555p-3,  0x1.111111111110bp-7,
                               -0x1.a01a01a018ae1p-13, 0x1.71de3a5339450p-19,
                               -0x1.ae6452980ffe4p-26, 0x1.612092942177dp-33,
                               -0x1.aaa536752e6fap-41};
static const double cos_c[] = {/* 2^-59.9 */
                               0x1.555555555554cp-5,  -0x1.6c16c16c1517cp-10,
                               0x1.a01a019cb1926p-16, -0x1.27e4f809cfaf1p-22,
                               0x1.1ee9ebd1b1b0ep-29, -0x1.8fae8fc1c15eap-37};
static const double atan_c[] = {/* 2^-59.4 */
                                -0x1.555555555553dp-2, 0x1.9999999995890p-3,  -0x1.24924922aef53p-3,
                                0x1.c71c70e6cdb19p-4,  -0x1.745cf8f378079p-4, 0x1.3b111ac1e8100p-4,
                                -0x1.10ebcb0994464p-4, 0x1.df10587dc1395p-5,  -0x1.9cd75ccf8d12ep-5,
                                0x1.37e104a302665p-5,  -0x1.2582537c3749fp-6};
static const double sinh_c[] = {/* 2^-56.5 */
                                0x1.5555555555555p-3,  0x1.1111111111111p-7,  0x1.a01a01a019fbdp-13,
                                0x1.71de3a557431fp-19, 0x1.ae645673db8d8p-26, 0x1.61246b20c3103p-33,
                                0x1.ae75567fc188ep-41, 0x1.9a7f5934f0c3fp-49};
static const double erf_c[] = {/* 2^-56.2 */
                               0x1.06eba8214db69p-3,  -0x1.812746b0379e6p-2,
                               0x1.ce2f21a042b1fp-4,  -0x1.b82ce3128493ap-6,
                               0x1.565bcd0daf67dp-8,  -0x1.c02db3d8ce7adp-11,
                               0x1.f9a3219e0ac51p-14, -0x1.f4d1df047632ep-17,
                               0x1.b9deef388bbb7p-20, -0x1.5f1d2433a2758p-23,
                               0x1.f7a35a75b0d0bp-27, -0x1.3868b2fb845a9p-30,
                               0x1.05747f1727b97p-34};
static const double erf_1[] = {/* 2^-58.8 */
                               0x1.b2ff7e4f54542p-1,   0x1.942741b25c3b3p-1,
                               0x1.b847f67ccb38cp-5,   -0x1.8f40178063d46p-7,
                               0x1.19d90dc871606p-9,   -0x1.699a3dde0c9b1p-13,
                               -0x1.10353d6a59151p-14, 0x1.440d695c36f88p-15,
                               -0x1.8198d91e5d92fp-17, 0x1.019aed9473b83p-19,
                               0x1.94a2bc558fa86p-24,  -0x1.a4f5665e61b78p-23,
                               0x1.410e1dad5bbddp-24,  -0x1.0f08a20f883f9p-26,
                               0x1.ae5a5debc4023p-30};
static const double erf_2[] = {/* 2^-60.7 */
                               0x1.aeb665363ea2bp+0,   0x1.bc5630f3f8683p-1,
                               0x1.c9fadda99ceb2p-6,   -0x1.786e4f5d0bb19p-8,
                               0x1.1cd5eb4414f9cp-10,  -0x1.735db5f3d6b37p-13,
                               0x1.5e682993601f9p-16,  -0x1.8111b9739875ep-24,
                               -0x1.f40e445858a77p-21, 0x1.870aa447591ebp-22,
                               -0x1.9bbaa9c71949fp-24, 0x1.4c4ac99a89a33p-26,
                               -0x1.8b33312984f2bp-29, 0x1.0a8ada75ea5e2p-32,
                               0x1.900a1ec87ffa0p-37,  -0x1.e6be2ccba23e2p-38,
                               0x1.072910f6250ffp-40,  -0x1.b70caa8cd1621p-45};

/* y, which is not negative, with the sign of x. */
static int with_sign_of(QccExpr *e, int x, int y)
{
    int sign = OP2(and, BITS(I64, x), I64(INT64_MIN));
    return BITS(F64, OP2(or, sign, BITS(I64, y)));
}

/* ---- powers and logarithms --------------------------------------------------------------------
 */

/* e^x = 2^n e^r, as in expr_math.c; *n and e^r - 1 in *r. */
static int power_of_e(QccExpr *e, int x, int *n, int *r)
{
    static const double lo = -708.396418532264, hi = 709.782712893384;
    int c = OP2(max, F64(lo), OP2(min, F64(hi), x));
    int z = OP2(add, OP2(mul, c, F64(0x1.71547652b82fep+0)), F64(0x1.8p52));
    *n = OP2(sub, z, F64(0x1.8p52));
    int s = OP2(sub, OP2(sub, c, OP2(mul, *n, F64(ln2_hi))), OP2(mul, *n, F64(ln2_lo)));
    *r = OP2(add, s, OP2(mul, OP2(mul, s, s), HORNER_F64(s, exp_c)));
    int p = OP2(add, *r, F64(1));
    int y = BITS(F64, OP2(add, BITS(I64, p), OP2(shl, BITS(I64, z), I64(52))));
    y = OP3(select, OP2(lt, x, F64(lo)), F64(0), y);
    y = OP3(select, OP2(lt, F64(hi), x), F64(INFINITY), y);
    return OP3(select, OP2(eq, x, x), y, x);
}

int qcc_exp_f64(QccExpr *e, int x)
{
    int n, r;
    return power_of_e(e, x, &n, &r);
}

int qcc_expm1_f64(QccExpr *e, int x)
{
    int n, r, y = power_of_e(e, x, &n, &r);
    return OP3(select, OP2(eq, n, F64(0)), r, OP2(sub, y, F64(1)));
}

/* x = 2^k m with m in [sqrt(1/2), sqrt(2)); log x = k ln 2 + 2 atanh s, s = (m - 1) / (m + 1). */
int qcc_log_f64(QccExpr *e, int x)
{
    int tiny = OP2(lt, x, F64(0x1p-1022));
    int bits = BITS(I64, OP3(select, tiny, OP2(mul, x, F64(0x1p54)), x));
    int up = OP2(sar, OP2(sub, bits, I64(0x3fe6a09e667f3bcd)), I64(52));
    int m = BITS(F64, OP2(sub, bits, OP2(shl, up, I64(52))));
    int k = CVT(F64, OP2(sub, CVT(I32, up), OP3(select, tiny, I32(54), I32(0))));
    int f = OP2(sub, m, F64(1));
    int s = OP2(div, f, OP2(add, F64(2), f)), z = OP2(mul, s, s);
    int r = OP2(mul, z, HORNER_F64(z, log_c));
    int half = OP2(mul, F64(0.5), OP2(mul, f, f));
    int low = OP2(add, OP2(mul, s, OP2(add, half, r)), OP2(mul, k, F64(ln2_lo)));
    int y = OP2(add, OP2(mul, k, F64(ln2_hi)), OP2(sub, f, OP2(sub, half, low)));
    y = OP3(select, OP2(eq, x, F64(INFINITY)), x, y);
    y = OP3(select, OP2(eq, x, F64(0)), F64(-INFINITY), y);
    return OP3(select, OP2(le, F64(0), x), y, F64(NAN));
}

/* With w = 1 + x as rounded, x - (w - 1) is what that lost. */
int qcc_log1p_f64(QccExpr *e, int x)
{
    int w = OP2(add, x, F64(1));
    int lost = OP2(div, OP2(sub, x, OP2(sub, w, F64(1))), w);
    int inside = OP2(and, OP2(lt, F64(0), w), OP2(lt, w, F64(INFINITY)));
    return OP2(add, qcc_log_f64(e, w), OP3(select, inside, lost, F64(0)));
}

/* ---- angles -----------------------------------------------------------------------------------
 */

/* x = (n + r / (pi / 2)) pi / 2 with |r| <= pi / 4 and n in 0..3 (f64). After Payne and Hanek:
 * products with 24-bit pieces of 2 / pi are exact, since x is cut in two halves of at most 29 bits;
 * multiples of 4 are taken out of each at once, and what the sum of the rest loses is kept. For
 * |x| < 2^64, which every difficult f32 is far within; all 8 pieces reach to 2^128. */
static void turn(QccExpr *e, int x, bool narrow, int *n, int *r)
{
    static const double two_over_pi[] = {0xa2f983p-24,  0x6e4e44p-48,  0x1529fcp-72,
                                         0x2757d1p-96,  0xf534ddp-120, 0xc0db62p-144,
                                         0x95993cp-168, 0x439041p-192};
    int high = BITS(F64, OP2(and, BITS(I64, x), I64(-0x20000000)));
    int part[2] = {narrow ? x : high, OP2(sub, x, high)};
    int sum = -1, lost = F64(0);
    for (int k = 0; k < 8; k++) {
        for (int i = 0; i < (narrow ? 1 : 2); i++) {
            int p = OP2(mul, part[i], F64(two_over_pi[k]));
            int whole = OP1(trunc, OP2(mul, p, F64(0.25)));
            p = OP2(sub, p, OP2(mul, whole, F64(4)));
            if (sum < 0) {
                sum = p;
                continue;
            }
            /* Knuth's exact sum of two */
            int next = OP2(add, sum, p), back = OP2(sub, next, sum);
            int error = OP2(add, OP2(sub, sum, OP2(sub, next, back)), OP2(sub, p, back));
            lost = OP2(add, lost, error);
            sum = next;
        }
    }
    int whole = OP1(rne, sum);
    *r = OP2(mul, OP2(add, OP2(sub, sum, whole), lost), F64(half_pi));
    *n = OP2(sub, whole, OP2(mul, OP1(floor, OP2(mul, whole, F64(0.25))), F64(4)));
}

static int sin_of(QccExpr *e, int r)
{
    int z = OP2(mul, r, r);
    return OP2(add, r, OP2(mul, OP2(mul, r, z), HORNER_F64(z, sin_c)));
}

static int cos_of(QccExpr *e, int r)
{
    int z = OP2(mul, r, r);
    int rest = OP2(mul, OP2(mul, z, z), HORNER_F64(z, cos_c));
    return OP2(add, OP2(sub, F64(1), OP2(mul, F64(0.5), z)), rest);
}

static int is_odd(QccExpr *e, int n)
{
    return OP2(or, OP2(eq, n, F64(1)), OP2(eq, n, F64(3)));
}

static int sin_f64(QccExpr *e, int x, bool narrow)
{
    int n, r;
    turn(e, x, narrow, &n, &r);
    int y = OP3(select, is_odd(e, n), cos_of(e, r), sin_of(e, r));
    y = OP3(select, OP2(le, F64(2), n), OP1(neg, y), y);
    return OP3(select, OP2(eq, x, F64(0)), x, y); /* -0 */
}

static int cos_f64(QccExpr *e, int x, bool narrow)
{
    int n, r;
    turn(e, x, narrow, &n, &r);
    int y = OP3(select, is_odd(e, n), sin_of(e, r), cos_of(e, r));
    int minus = OP2(or, OP2(eq, n, F64(1)), OP2(eq, n, F64(2)));
    return OP3(select, minus, OP1(neg, y), y);
}

static int tan_f64(QccExpr *e, int x, bool narrow)
{
    int n, r;
    turn(e, x, narrow, &n, &r);
    int s = sin_of(e, r), c = cos_of(e, r), odd = is_odd(e, n);
    int y = OP2(div, OP3(select, odd, OP1(neg, c), s), OP3(select, odd, s, c));
    return OP3(select, OP2(eq, x, F64(0)), x, y);
}

/* Of t = |x|: pi/2 + atan(-1 / t) from tan(3/8 pi) on, pi/4 + atan((t - 1) / (t + 1)) from
 * tan(pi/8) on. */
static int atan_f64(QccExpr *e, int x, bool narrow)
{
    (void)narrow;
    int t = OP1(abs, x);
    int large = OP2(lt, F64(0x1.3504f333f9de6p+1), t),
        middle = OP2(lt, F64(0x1.a827999fcef32p-2), t);
    int u = OP3(select, middle, OP2(div, OP2(sub, t, F64(1)), OP2(add, t, F64(1))), t);
    u = OP3(select, large, OP2(div, F64(-1), t), u);
    int from = OP3(select, middle, F64(half_pi / 2), F64(0));
    int low = OP3(select, middle, F64(half_pi_lo / 2), F64(0));
    from = OP3(select, large, F64(half_pi), from);
    low = OP3(select, large, F64(half_pi_lo), low);
    int z = OP2(mul, u, u);
    int p = OP2(add, OP2(mul, OP2(mul, u, z), HORNER_F64(z, atan_c)), low);
    return with_sign_of(e, x, OP2(add, from, OP2(add, u, p)));
}

static int asin_f64(QccExpr *e, int x, bool narrow)
{
    int side = OP2(mul, OP2(sub, F64(1), x), OP2(add, F64(1), x));
    return atan_f64(e, OP2(div, x, OP1(sqrt, side)), narrow);
}

static int acos_f64(QccExpr *e, int x, bool narrow)
{
    int side = OP1(sqrt, OP2(div, OP2(sub, F64(1), x), OP2(add, F64(1), x)));
    return OP2(mul, F64(2), atan_f64(e, side, narrow));
}

/* ---- hyperbolic functions ---------------------------------------------------------------------
 */

/* e^t / 2, which overflows later than e^t. */
static int half_power(QccExpr *e, int t)
{
    int h = qcc_exp_f64(e, OP2(mul, t, F64(0.5)));
    return OP2(mul, OP2(mul, F64(0.5), h), h);
}

/* Of t = |x|: t + t^3 P(t^2) below 1, else e^t / 2 - e^-t / 2. */
static int sinh_f64(QccExpr *e, int x, bool narrow)
{
    (void)narrow;
    int t = OP1(abs, x), z = OP2(mul, t, t);
    int small = OP2(add, t, OP2(mul, OP2(mul, t, z), HORNER_F64(z, sinh_c)));
    int half = half_power(e, t);
    int large = OP2(sub, half, OP2(div, F64(0.25), half));
    return with_sign_of(e, x, OP3(select, OP2(lt, t, F64(1)), small, large));
}

static int cosh_f64(QccExpr *e, int x, bool narrow)
{
    (void)narrow;
    int half = half_power(e, OP1(abs, x));
    return OP2(add, half, OP2(div, F64(0.25), half));
}

/* u / (u + 2) with u = e^2t - 1; from t = 22 on that is 1. */
int qcc_tanh_f64(QccExpr *e, int x)
{
    int t = OP2(min, F64(22), OP1(abs, x));
    int u = qcc_expm1_f64(e, OP2(add, t, t));
    return with_sign_of(e, x, OP2(div, u, OP2(add, u, F64(2))));
}

/* log(2t) where t^2 swallows the 1. */
static int log_of_twice(QccExpr *e, int t)
{
    return OP2(add, qcc_log_f64(e, t), F64(0x1.62e42fefa39efp-1));
}

/* log(t + sqrt(t^2 + 1)) = log1p(t + t^2 / (1 + sqrt(t^2 + 1))). */
static int asinh_f64(QccExpr *e, int x, bool narrow)
{
    (void)narrow;
    int t = OP1(abs, x), z = OP2(mul, t, t);
    int root = OP2(add, F64(1), OP1(sqrt, OP2(add, z, F64(1))));
    int y = qcc_log1p_f64(e, OP2(add, t, OP2(div, z, root)));
    return with_sign_of(e, x, OP3(select, OP2(lt, F64(0x1p28), t), log_of_twice(e, t), y));
}

/* log(x + sqrt(x^2 - 1)) = log1p(d + sqrt(d (d + 2))) with d = x - 1. */
static int acosh_f64(QccExpr *e, int x, bool narrow)
{
    (void)narrow;
    int d = OP2(sub, x, F64(1));
    int root = OP1(sqrt, OP2(mul, d, OP2(add, d, F64(2))));
    int y = qcc_log1p_f64(e, OP2(add, d, root));
    y = OP3(select, OP2(lt, F64(0x1p28), x), log_of_twice(e, x), y);
    return OP3(select, OP2(lt, x, F64(1)), F64(NAN), y);
}

/* log((1 + t) / (1 - t)) / 2 = log1p(2t / (1 - t)) / 2. */
static int atanh_f64(QccExpr *e, int x, bool narrow)
{
    (void)narrow;
    int t = OP1(abs, x);
    int y = qcc_log1p_f64(e, OP2(div, OP2(add, t, t), OP2(sub, F64(1), t)));
    return with_sign_of(e, x, OP2(mul, F64(0.5), y));
}

/* Of t = |x|: t + t P(t^2) below 1, else 1 - e^(-t - t G(t)), G in two parts; from 6 on that is
 * 1. */
int qcc_erf_f64(QccExpr *e, int x)
{
    int t = OP2(min, F64(6), OP1(abs, x));
    int small = OP2(add, t, OP2(mul, t, HORNER_F64(OP2(mul, t, t), erf_c)));
    int g1 = HORNER_F64(OP2(sub, t, F64(1)), erf_1), g2 = HORNER_F64(OP2(sub, t, F64(2)), erf_2);
    int g = OP3(select, OP2(lt, t, F64(2)), g1, g2);
    int large = qcc_exp_f64(e, OP1(neg, OP2(add, t, OP2(mul, t, g))));
    large = OP2(sub, F64(1), large);
    return with_sign_of(e, x, OP3(select, OP2(lt, t, F64(1)), small, large));
}

/* ---- any argument -----------------------------------------------------------------------------
 */

#define FUNCTION(name)                                                                             \
    int qcc_expr_##name(QccExpr *e, int x)                                                         \
    {                                                                                              \
        bool narrow = e->node[x].type != QCC_EX_F64;                                               \
        int y = name##_f64(e, narrow ? CVT(F64, CVT(F32, x)) : x, narrow);                         \
        return narrow ? CVT(F32, y) : y;                                                           \
    }
FUNCTION(sin)
FUNCTION(cos)
FUNCTION(tan)
FUNCTION(asin)
FUNCTION(acos)
FUNCTION(atan)
FUNCTION(sinh)
FUNCTION(cosh)
FUNCTION(asinh)
FUNCTION(acosh)
FUNCTION(atanh)
#undef FUNCTION

/* 64 bits: the largest float below the limit; what lies above it saturates by a comparison. */
static int to_wide_integer(QccExpr *e, int x, bool is_signed)
{
    bool narrow = e->node[x].type == QCC_EX_F32;
    double end = is_signed ? 0x1p63 : 0x1p64, ulp = narrow ? 0x1p-24 : 0x1p-53;
    QccExprType type = is_signed ? QCC_EX_I64 : QCC_EX_U64;
    int limit = qcc_expr_imm(e, e->node[x].type, end, 0);
    int most = qcc_expr_imm(e, e->node[x].type, end * (1 - ulp), 0);
    int least = qcc_expr_imm(e, e->node[x].type, is_signed ? -end : 0, 0);
    int y = qcc_expr_cvt(e, type, OP1(trunc, OP2(max, OP2(min, x, most), least)));
    int greatest = qcc_expr_imm(e, type, 0, is_signed ? INT64_MAX : -1);
    return OP3(select, OP2(lt, x, limit), y, greatest);
}

int qcc_expr_to_integer(QccExpr *e, int x, QccDtype to)
{
    int64_t min, max;
    qcc_dtype_range(to, &min, &max);
    bool wide = qcc_expr_type_of(to) == QCC_EX_I64;
    int nothing = qcc_expr_real(e, x, 0);
    x = OP3(select, OP2(eq, x, x), x, nothing);
    if (to == QCC_I64 || to == QCC_U64) return to_wide_integer(e, x, to == QCC_I64);
    /* 32-bit limits are no f32: compare in f64, where they are exact. */
    if (max > 1 << 24) x = CVT(F64, x);
    x = OP2(min, OP2(max, x, qcc_expr_real(e, x, (double)min)), qcc_expr_real(e, x, (double)max));
    x = OP1(trunc, x);
    return wide ? CVT(I64, x) : CVT(I32, x);
}
