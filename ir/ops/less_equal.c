/* less_equal - whether a <= b, as bool; never for NaN. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_op2(e, QCC_EX_le, arg[0], arg[1]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    qcc_sample_binary_of(s, &qcc_op_less_equal, NULL, QCC_SAMPLE_FLOATS | QCC_SAMPLE_INTEGERS);
}

const QccOpDef qcc_op_less_equal = {
    .name = "less_equal",
    .summary = "whether a <= b",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = qcc_infer_compare,
    .map = map,
    .sample = sample,
};
