/* mish - y = x * tanh(log(1 + e^x)) (Misra 2019).
 *
 * With u = e^-|x|, which never overflows, the tanh is a quotient:
 *
 *   x >= 0:  (1 + 2u) / (1 + 2u + 2u^2)
 *   x < 0:   (u^2 + 2u) / (u^2 + 2u + 2)
 */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    int x = arg[0], one = qcc_expr_real(e, x, 1), two = qcc_expr_real(e, x, 2);
    int u = qcc_expr_exp_negative(e, qcc_expr_op1(e, QCC_EX_neg, qcc_expr_op1(e, QCC_EX_abs, x)));
    int twice = qcc_expr_op2(e, QCC_EX_add, u, u), square = qcc_expr_op2(e, QCC_EX_mul, u, u);
    int negative = qcc_expr_op2(e, QCC_EX_lt, x, qcc_expr_real(e, x, 0));
    int above = qcc_expr_op3(e, QCC_EX_select, negative, square, one);
    above = qcc_expr_op2(e, QCC_EX_add, above, twice);
    int rest = qcc_expr_op2(e, QCC_EX_add, square, square);
    rest = qcc_expr_op3(e, QCC_EX_select, negative, two, rest);
    int gate = qcc_expr_op2(e, QCC_EX_div, above, qcc_expr_op2(e, QCC_EX_add, above, rest));
    return qcc_expr_op2(e, QCC_EX_mul, x, gate);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_mish, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_mish = {
    .name = "mish",
    .summary = "y = x * tanh(log(1 + e^x))",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
