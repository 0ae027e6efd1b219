/* max - y = a > b ? a : b. b where either is NaN: that is why it does not commute. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_op2(e, QCC_EX_max, arg[0], arg[1]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_binary_of(s, &qcc_op_max, NULL, QCC_SAMPLE_FLOATS | QCC_SAMPLE_INTEGERS);
}

const QccOpDef qcc_op_max = {
    .name = "max",
    .summary = "y = a > b ? a : b",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .traits = QCC_TRAIT_HOMOGENEOUS,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_map,
    .map = map,
    .sample = sample,
};
