/* atan - y = the angle in [-pi/2, pi/2] whose tangent is x. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_atan(e, arg[0]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_atan, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_atan = {
    .name = "atan",
    .summary = "y = the angle in [-pi/2, pi/2] whose tangent is x",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
