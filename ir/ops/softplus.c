/* softplus - y = log(1 + e^x) = max(x, 0) + log(1 + e^-|x|). */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    int minus = qcc_expr_op1(e, QCC_EX_neg, qcc_expr_op1(e, QCC_EX_abs, arg[0]));
    int rest = qcc_expr_log1p(e, qcc_expr_exp_negative(e, minus));
    int zero = qcc_expr_real(e, arg[0], 0);
    return qcc_expr_op2(e, QCC_EX_add, qcc_expr_op2(e, QCC_EX_max, zero, arg[0]), rest);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_softplus, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_softplus = {
    .name = "softplus",
    .summary = "y = log(1 + e^x)",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
