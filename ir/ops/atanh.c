/* atanh - y = log((1 + x) / (1 - x)) / 2. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_atanh(e, arg[0]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    qcc_sample_unary_of(s, &qcc_op_atanh, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_atanh = {
    .name = "atanh",
    .summary = "y = log((1 + x) / (1 - x)) / 2",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
