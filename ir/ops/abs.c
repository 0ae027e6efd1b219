/* abs - y = |x|. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_op1(e, QCC_EX_abs, arg[0]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_abs, NULL, QCC_SAMPLE_FLOATS | QCC_SAMPLE_INTEGERS);
}

const QccOpDef qcc_op_abs = {
    .name = "abs",
    .summary = "y = |x|",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_HOMOGENEOUS,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_map,
    .map = map,
    .sample = sample,
};
