/* relu - y = max(x, 0), of any element type. NaN and -0 give 0. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    QccExprType type = e->node[arg[0]].type;
    return qcc_expr_op2(e, QCC_EX_max, arg[0], qcc_expr_imm(e, type, 0, 0));
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_relu, NULL, QCC_SAMPLE_FLOATS | QCC_SAMPLE_INTEGERS);
}

const QccOpDef qcc_op_relu = {
    .name = "relu",
    .summary = "y = max(x, 0)",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_HOMOGENEOUS,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_map,
    .map = map,
    .sample = sample,
};
