/* pow - y = a to the power b. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_pow(e, arg[0], arg[1]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    qcc_sample_binary(s, &qcc_op_pow);
}

const QccOpDef qcc_op_pow = {
    .name = "pow",
    .summary = "y = a to the power b",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
