/* sqrt - y = square root of x. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_op1(e, QCC_EX_sqrt, arg[0]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    qcc_sample_unary_of(s, &qcc_op_sqrt, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_sqrt = {
    .name = "sqrt",
    .summary = "y = square root of x",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
