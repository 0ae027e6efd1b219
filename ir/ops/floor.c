/* floor - y = the largest integer that is not above x. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_op1(e, QCC_EX_floor, arg[0]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    qcc_sample_unary_of(s, &qcc_op_floor, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_floor = {
    .name = "floor",
    .summary = "y = the largest integer that is not above x",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
