/* expr_math - elementary functions and the requantization, as expressions.
 *
 * Range reduction after Cody and Waite (Software Manual for the Elementary Functions, 1980); log
 * follows the scheme of Sun's fdlibm (s = f / (2 + f)). The coefficients are our own, derived by
 * tests/numerics/fit.py, whose output stands behind each table: the largest weighted error of the
 * polynomial. The errors of the functions are in docs/numerics.md, and tests/unit/test_qmath.c
 * holds them against values of 60 digits.
 *
 * Operations that choose by comparison put the constant first where a NaN must pass through: min
 * and max give their second operand when either is NaN.
 */
#include "ir/expr_build.h"

#include <math.h>

int qcc_horner_f32(QccExpr *e, int x, const float *c, int n)
{
    int p = F32(c[n - 1]);
    for (int i = n - 2; i >= 0; i--) p = OP3(fma, p, x, F32(c[i]));
    return p;
}

int qcc_horner_f64(QccExpr *e, int x, const double *c, int n)
{
    int p = F64(c[n - 1]);
    for (int i = n - 2; i >= 0; i--) p = OP2(add, OP2(mul, p, x), F64(c[i]));
    return p;
}

static bool is_f64(const QccExpr *e, int x)
{
    return e->node[x].type == QCC_EX_F64;
}

/* ln 2 in two parts; k * hi is exact for |k| < 256. */
static const float ln2_hi = 0x1.62e4p-1f, ln2_lo = 0x1.7f7d1cp-20f;

/* x = n ln 2 + r with n = rne(x / ln 2), for |x| < 90. Adding 1.5 * 2^23 rounds to an integer that
 * then stands in the low bits, so that no conversion is needed; `bias` goes with it. */
typedef struct Reduced {
    int n, r;
    int bits; /* an i32 whose nine lowest bits are n + bias */
} Reduced;

static Reduced reduce(QccExpr *e, int x, float bias)
{
    float integers = 0x1.8p23f + bias;
    int z = OP3(fma, x, F32(0x1.715476p+0f), F32(integers));
    int n = OP2(sub, z, F32(integers));
    int r = OP3(fma, n, F32(-ln2_lo), OP3(fma, n, F32(-ln2_hi), x));
    return (Reduced){n, r, BITS(I32, z)};
}

/* 2^n, from the bits of n + 127. */
static int power_of_2(QccExpr *e, int bits)
{
    return BITS(F32, OP2(shl, bits, I32(23)));
}

/* e^r = 1 + r + r^2 q(r): 2^-28.2 */
#define EXP_Q 0x1.fffffcp-2f, 0x1.55548cp-3f, 0x1.555858p-5f, 0x1.123dep-7f, 0x1.6ac746p-10f
static const float exp_1[] = {1, 1, EXP_Q}, exp_q[] = {EXP_Q};
#undef EXP_Q
static const float exp_lo = -87.33654f, exp_hi = 88.72283f; /* e^lo >= 2^-126, e^hi < 2^128 */

/* e^x = 2^n e^r. 2^n may be too large where e^x is not, so n goes to the exponent as it is. */
int qcc_expr_exp(QccExpr *e, int x)
{
    if (is_f64(e, x)) return qcc_exp_f64(e, x);
    x = CVT(F32, x);
    Reduced d = reduce(e, x, 0);
    int p = BITS(I32, HORNER_F32(d.r, exp_1));
    int y = BITS(F32, OP2(add, p, OP2(shl, d.bits, I32(23))));
    y = OP3(select, OP2(lt, x, F32(exp_lo)), F32(0), y);
    return OP3(select, OP2(le, x, F32(exp_hi)), y, OP2(add, x, F32(INFINITY))); /* NaN as well */
}

int qcc_expr_exp_negative(QccExpr *e, int x)
{
    if (is_f64(e, x)) return qcc_exp_f64(e, x);
    x = CVT(F32, x);
    Reduced d = reduce(e, x, 127);
    int y = OP2(mul, HORNER_F32(d.r, exp_1), power_of_2(e, d.bits));
    return OP3(select, OP2(lt, x, F32(exp_lo)), F32(0), y);
}

/* e^r - 1 without the cancellation. */
static int expm1_reduced(QccExpr *e, int r)
{
    return OP3(fma, HORNER_F32(r, exp_q), OP2(mul, r, r), r);
}

/* Where n is 0, that of r. */
int qcc_expr_expm1(QccExpr *e, int x)
{
    if (is_f64(e, x)) return qcc_expm1_f64(e, x);
    x = CVT(F32, x);
    Reduced d = reduce(e, x, 0);
    int whole = OP2(sub, qcc_expr_exp(e, x), F32(1));
    return OP3(select, OP2(eq, d.n, F32(0)), expm1_reduced(e, d.r), whole);
}

/* |x| = 2^k m with m in [sqrt(1/2), sqrt(2)), for finite x but 0; k is i32. Denormals are scaled
 * up first. */
static void split(QccExpr *e, int x, int *k, int *m)
{
    int tiny = OP2(lt, x, F32(0x1p-126f));
    int bits = BITS(I32, OP3(select, tiny, OP2(mul, x, F32(0x1p24f)), x));
    int up = OP2(sar, OP2(sub, bits, I32(0x3f3504f3)), I32(23));
    *m = BITS(F32, OP2(sub, bits, OP2(shl, up, I32(23))));
    *k = OP2(sub, up, OP3(select, tiny, I32(24), I32(0)));
}

/* log x = k ln 2 + log(1 + f); with s = f / (2 + f): log(1 + f) = 2 atanh s = f - f^2/2 +
 * s (f^2/2 + R(s^2)). */
int qcc_expr_log(QccExpr *e, int x)
{
    static const float c[] = {0x1.555554p-1f, 0x1.999c26p-2f, 0x1.23d3ep-2f,
                              0x1.f13aeap-3f}; /* 2^-35.2 */
    if (is_f64(e, x)) return qcc_log_f64(e, x);
    x = CVT(F32, x);
    int k, m;
    split(e, x, &k, &m);
    k = CVT(F32, k);
    int f = OP2(sub, m, F32(1));
    int s = OP2(div, f, OP2(add, F32(2), f));
    int z = OP2(mul, s, s);
    int r = OP2(mul, z, HORNER_F32(z, c));
    int half = OP2(mul, F32(0.5f), OP2(mul, f, f));
    int low = OP3(fma, s, OP2(add, half, r), OP2(mul, k, F32(ln2_lo)));
    int y = OP3(fma, k, F32(ln2_hi), OP2(sub, f, OP2(sub, half, low)));
    y = OP3(select, OP2(eq, x, F32(INFINITY)), x, y);
    y = OP3(select, OP2(eq, x, F32(0)), F32(-INFINITY), y);
    return OP3(select, OP2(le, F32(0), x), y, F32(NAN)); /* negative, or NaN */
}

/* With w = 1 + x as rounded, x - (w - 1) is what that lost. */
int qcc_expr_log1p(QccExpr *e, int x)
{
    if (is_f64(e, x)) return qcc_log1p_f64(e, x);
    x = CVT(F32, x);
    int w = OP2(add, x, F32(1));
    int lost = OP2(div, OP2(sub, x, OP2(sub, w, F32(1))), w);
    int inside = OP2(and, OP2(lt, F32(0), w), OP2(lt, w, F32(INFINITY)));
    return OP2(add, qcc_expr_log(e, w), OP3(select, inside, lost, F32(0)));
}

/* |y| with the sign of x. */
static int with_sign_of(QccExpr *e, int x, int y)
{
    int sign = OP2(and, BITS(I32, x), I32(INT32_MIN));
    return BITS(F32, OP2(or, sign, OP2(and, BITS(I32, y), I32(INT32_MAX))));
}

/* e^x - 1 for |x| <= 24, without cancellation: 2^n (e^r - 1) + (2^n - 1). */
static int expm1_near(QccExpr *e, int x)
{
    Reduced d = reduce(e, x, 127);
    int s = power_of_2(e, d.bits);
    return OP3(fma, s, expm1_reduced(e, d.r), OP2(sub, s, F32(1)));
}

/* Of t = |x|: v / (v + 2) with v = e^2t - 1; from 10 on that is 1. */
int qcc_expr_tanh(QccExpr *e, int x)
{
    if (is_f64(e, x)) return qcc_tanh_f64(e, x);
    x = CVT(F32, x);
    int t = OP2(min, F32(10), OP1(abs, x));
    int v = expm1_near(e, OP2(add, t, t));
    return with_sign_of(e, x, OP2(div, v, OP2(add, v, F32(2))));
}

/* Of t = |x|: 1 - e^(-t - t G(t)); from 4 on that is 1. */
int qcc_expr_erf(QccExpr *e, int x)
{
    static const float g[] = {0x1.06eba8p-3f,   0x1.45f3p-1f,    0x1.a4f8c4p-4f,
                              -0x1.39b7cap-6f,  -0x1.63792p-13f, 0x1.b7447ap-10f,
                              -0x1.4e28fep-11f, 0x1.f28906p-14f, -0x1.3b00d2p-17f}; /* 2^-27.8 */
    if (is_f64(e, x)) return qcc_erf_f64(e, x);
    x = CVT(F32, x);
    int t = OP2(min, F32(4), OP1(abs, x)), minus = OP1(neg, t);
    int less = expm1_near(e, OP3(fma, minus, HORNER_F32(t, g), minus));
    return with_sign_of(e, x, less);
}

/* max(x, 0) - |x| P(X < -|x|). With h = |x| / 2 that is h p^2, p = sqrt(2 P(X < -2h)) being a
 * polynomial; from 2.7 on it is 0, and h is clamped all the same: then bounds.c can tell how large
 * y may be. */
int qcc_expr_gelu(QccExpr *e, int x)
{
    static const float c[] = {1,
                              -0x1.98847p-1f,
                              -0x1.45e9f8p-2f,
                              0x1.1c21bap-2f,
                              0x1.650ec6p-3f,
                              -0x1.b59220p-4f,
                              -0x1.cd6aaep-6f,
                              -0x1.770edep-6f,
                              0x1.15e6dap-4f,
                              -0x1.68b618p-5f,
                              0x1.c3571cp-7f,
                              -0x1.202f04p-9f,
                              0x1.2f7566p-13f}; /* 2^-27.1 */
    int h = OP2(min, F32(2.7f), OP1(abs, OP2(mul, x, F32(0.5f)))), more = OP2(max, F32(0), x);
    int p = HORNER_F32(h, c);
    int y = OP3(fma, OP1(neg, OP2(mul, h, p)), p, more);
    return OP3(select, OP2(lt, h, F32(2.7f)), y, more);
}

/* With u = e^-|x|, which never overflows: 1 / (1 + u), or u / (1 + u) below zero. */
int qcc_expr_sigmoid(QccExpr *e, int x)
{
    if (!is_f64(e, x)) x = CVT(F32, x);
    int u = qcc_expr_exp_negative(e, OP1(neg, OP1(abs, x))), one = qcc_expr_real(e, x, 1);
    int top = OP3(select, OP2(lt, x, qcc_expr_real(e, x, 0)), u, one);
    return OP2(div, top, OP2(add, one, u));
}

/* 2^t with t = y log2|x|, in f64, rounded to f32 at the end. */
static int pow_magnitude(QccExpr *e, int ax, int y)
{
    static const double l[] = {0x1.71547652b82fep+1, 0x1.ec709dc3a048p-1,  0x1.2776c50ee3411p-1,
                               0x1.a61762d71cef8p-2, 0x1.484afb48352f9p-2, 0x1.0ca169f7a1c81p-2,
                               0x1.c46c3f2561d9bp-3, 0x1.b5a48ec7b122bp-3}; /* 2^-54.5 */
    static const double p[] = {0x1.62e42fefa3a19p-1,  0x1.ebfbdff82c5bbp-3,  0x1.c6b08d703cf4p-5,
                               0x1.3b2ab6fb9cd5ep-7,  0x1.5d87fe9d6813cp-10, 0x1.4309131840a17p-13,
                               0x1.ffcb5426853ecp-17, 0x1.62bfb1b5a5ea6p-20, 0x1.b675aad343f6p-24,
                               0x1.e63ec8ac83428p-28}; /* 2^-52 */
    int k, m;
    split(e, ax, &k, &m);
    m = CVT(F64, m);
    int s = OP2(div, OP2(sub, m, F64(1)), OP2(add, m, F64(1)));
    int log2 = OP2(add, CVT(F64, k), OP2(mul, s, HORNER_F64(OP2(mul, s, s), l)));
    log2 = OP3(select, OP2(eq, ax, F32(0)), F64(-INFINITY), log2);
    log2 = OP3(select, OP2(eq, ax, F32(INFINITY)), F64(INFINITY), log2);
    int t = OP2(mul, CVT(F64, y), log2);
    int c = OP2(max, F64(-200), OP2(min, F64(200), t));
    int z = OP2(add, c, F64(0x1.8p52));
    int r = OP2(sub, c, OP2(sub, z, F64(0x1.8p52)));
    int power = OP2(add, OP2(mul, r, HORNER_F64(r, p)), F64(1));
    int amount = qcc_expr_imm(e, QCC_EX_I64, 0, 52);
    power = BITS(F64, OP2(add, BITS(I64, power), OP2(shl, BITS(I64, z), amount)));
    power = OP3(select, OP2(lt, t, F64(-126)), F64(0), power);
    power = OP3(select, OP2(eq, t, t), power, t);
    return CVT(F32, power);
}

/* The same for f64, by e^(y log|x|): the rounding of the exponent counts up to 2^-43 of the result.
 */
static int pow_magnitude_f64(QccExpr *e, int ax, int y)
{
    return qcc_exp_f64(e, OP2(mul, y, qcc_log_f64(e, ax)));
}

/* The special cases are those of C (F.10.4.4). */
int qcc_expr_pow(QccExpr *e, int x, int y)
{
    bool wide = is_f64(e, x);
    x = wide ? x : CVT(F32, x);
    y = wide ? CVT(F64, y) : CVT(F32, y);
    int zero = qcc_expr_real(e, x, 0), one = qcc_expr_real(e, x, 1);
    int infinite = qcc_expr_real(e, x, INFINITY);
    int ax = OP1(abs, x), half = OP2(mul, y, qcc_expr_real(e, x, 0.5));
    int whole = OP2(eq, OP1(floor, y), y);
    int odd = OP2(and, whole, OP2(ne, OP1(floor, half), half));
    int minus = wide ? OP2(lt, BITS(I64, x), I64(0)) : OP2(lt, BITS(I32, x), I32(0)); /* also -0 */
    int r = wide ? pow_magnitude_f64(e, ax, y) : pow_magnitude(e, ax, y);
    r = OP3(select, OP2(and, minus, odd), OP1(neg, r), r);
    int finite = OP2(and, OP2(lt, x, zero), OP2(lt, ax, infinite));
    r = OP3(select, OP2(and, finite, OP2(eq, whole, I32(0))), qcc_expr_real(e, x, NAN), r);
    r = OP3(select, OP2(eq, x, x), r, x);
    int ends = OP2(and, OP2(eq, ax, one), OP2(eq, OP1(abs, y), infinite));
    int always = OP2(or, ends, OP2(or, OP2(eq, x, one), OP2(eq, y, zero)));
    return OP3(select, always, one, r);
}

/* The clamp to [qmin, qmax] comes last, where it costs nothing: the pack to narrow integers does
 * it.
 */
int qcc_expr_requantize(QccExpr *e, int v, int zero, int lo, int hi, int32_t qmin, int32_t qmax,
                        bool bounded)
{
    if (!bounded) {
        /* One instruction of AVX-512 chooses between a maximum and 0. Where 0 is the least that the
         * clamp leaves, the maximum does it. */
        v = zero < 0 && qmin == 0 ? OP2(max, v, F32(0))
                                  : OP3(select, OP2(eq, v, v), OP2(max, v, F32(-0x1p30f)), F32(0));
        v = OP2(min, v, F32(0x1p30f));
    }
    int q = CVT(I32, v);
    if (zero >= 0) q = OP2(add, q, zero);
    if (lo >= 0) q = OP2(max, q, lo);
    if (hi >= 0) q = OP2(min, q, hi);
    return OP2(min, OP2(max, q, I32(qmin)), I32(qmax));
}
