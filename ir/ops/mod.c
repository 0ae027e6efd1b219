/* mod - y = what is left of a when multiples of b are taken off; with the sign of b, or of a.
 *
 * Integers: a - q * b, where q = a / b is cut; then b is added if the signs are to agree. x mod 0
 * is x. Floats: exact, as C's fmod, for operands of up to 32 bits: the multiples are taken off from
 * the largest down, each quotient of at most 29 bits times 24 bits of b, which f64 holds. f64: one
 * quotient, exact while it is below 2^53 and the product is (a - q * b rounds twice otherwise).
 */
#include <math.h>

#include "ir/ops/common.h"

static int op2(QccExpr *e, QccExprOp op, int a, int b)
{
    return qcc_expr_op2(e, op, a, b);
}

static int choose(QccExpr *e, int which, int a, int b)
{
    return qcc_expr_op3(e, QCC_EX_select, which, a, b);
}

/* r - q * b with q = trunc(r / b), which division may have rounded up by one; r and b not negative.
 */
static int take_off(QccExpr *e, int r, int b)
{
    int q = qcc_expr_op1(e, QCC_EX_trunc, op2(e, QCC_EX_div, r, b));
    int left = op2(e, QCC_EX_sub, r, op2(e, QCC_EX_mul, q, b));
    int below = op2(e, QCC_EX_lt, left, qcc_expr_real(e, r, 0));
    return choose(e, below, op2(e, QCC_EX_add, left, b), left);
}

/* fmod of f64 nodes; narrow: they hold f32 numbers. */
static int remainder_of(QccExpr *e, int a, int b, bool narrow)
{
    int r = qcc_expr_op1(e, QCC_EX_abs, a), d = qcc_expr_op1(e, QCC_EX_abs, b);
    int infinite = qcc_expr_real(e, a, INFINITY), zero = qcc_expr_real(e, a, 0);
    for (int step = narrow ? 9 : 0; step >= 0; step--)
        r = take_off(e, r, op2(e, QCC_EX_mul, d, qcc_expr_real(e, a, ldexp(1, 29 * step))));
    int minus = op2(e, QCC_EX_lt, a, zero);
    r = choose(e, minus, qcc_expr_op1(e, QCC_EX_neg, r), r);
    r = choose(e, op2(e, QCC_EX_eq, r, zero), op2(e, QCC_EX_mul, a, zero), r); /* 0 with a's sign */
    int finite = op2(e, QCC_EX_lt, qcc_expr_op1(e, QCC_EX_abs, a), infinite);
    int within = op2(e, QCC_EX_and, finite, op2(e, QCC_EX_eq, d, infinite));
    r = choose(e, within, a, r); /* of a multiple of infinity nothing is taken off */
    int valid = op2(e, QCC_EX_and, finite, op2(e, QCC_EX_lt, zero, d));
    return choose(e, valid, r, qcc_expr_real(e, a, NAN));
}

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccModAttrs *attrs = op->attrs;
    int a = arg[0], b = arg[1], r;
    QccExprType type = e->node[a].type;
    if (type == QCC_EX_F32)
        r = qcc_expr_cvt(
            e, QCC_EX_F32,
            remainder_of(e, qcc_expr_cvt(e, QCC_EX_F64, a), qcc_expr_cvt(e, QCC_EX_F64, b), true));
    else if (type == QCC_EX_F64)
        r = remainder_of(e, a, b, false);
    else
        r = op2(e, QCC_EX_sub, a, op2(e, QCC_EX_mul, op2(e, QCC_EX_div, a, b), b));
    if (attrs->truncated) return r;
    int zero = qcc_expr_real(e, r, 0);
    int differs = op2(e, QCC_EX_ne, op2(e, QCC_EX_lt, r, zero), op2(e, QCC_EX_lt, b, zero));
    int some = op2(e, QCC_EX_and, op2(e, QCC_EX_ne, r, zero), op2(e, QCC_EX_ne, b, zero));
    return choose(e, op2(e, QCC_EX_and, differs, some), op2(e, QCC_EX_add, r, b), r);
}

static const QccField attrs[] = {{"truncated", QCC_FIELD_BOOL, offsetof(QccModAttrs, truncated),
                                  "false", 0, 0, NULL, "the sign is a's, as of C's fmod; else b's"},
                                 {0}};

static void sample(QccRandom *random, QccSample *s)
{
    QccModAttrs a = {.truncated = qcc_random_bool(random)};
    qcc_sample_binary_of(s, &qcc_op_mod, &a, QCC_SAMPLE_FLOATS | QCC_SAMPLE_INTEGERS);
}

const QccOpDef qcc_op_mod = {
    .name = "mod",
    .summary = "what is left of a when multiples of b are taken off",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .attr_size = sizeof(QccModAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = qcc_infer_number,
    .map = map,
    .sample = sample,
};
