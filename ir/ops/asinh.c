/* asinh - y = log(x + sqrt(x^2 + 1)). */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_asinh(e, arg[0]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_asinh, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_asinh = {
    .name = "asinh",
    .summary = "y = log(x + sqrt(x^2 + 1))",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
