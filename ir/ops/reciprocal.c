/* reciprocal - y = 1 / x. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_op2(e, QCC_EX_div, qcc_expr_real(e, arg[0], 1), arg[0]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    qcc_sample_unary_of(s, &qcc_op_reciprocal, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_reciprocal = {
    .name = "reciprocal",
    .summary = "y = 1 / x",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
