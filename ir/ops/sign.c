/* sign - y = -1, 0 or 1 as x is below, at or above 0; -0 and NaN stay. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    int zero = qcc_expr_real(e, arg[0], 0);
    int above = qcc_expr_op2(e, QCC_EX_lt, zero, arg[0]);
    int y = qcc_expr_op3(e, QCC_EX_select, above, qcc_expr_real(e, arg[0], 1), arg[0]);
    int below = qcc_expr_op2(e, QCC_EX_lt, arg[0], zero);
    return qcc_expr_op3(e, QCC_EX_select, below, qcc_expr_real(e, arg[0], -1), y);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    qcc_sample_unary_of(s, &qcc_op_sign, NULL, QCC_SAMPLE_FLOATS | QCC_SAMPLE_INTEGERS);
}

const QccOpDef qcc_op_sign = {
    .name = "sign",
    .summary = "y = -1, 0 or 1 as x is below, at or above 0",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = qcc_infer_number,
    .map = map,
    .sample = sample,
};
