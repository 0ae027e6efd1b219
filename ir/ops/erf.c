/* erf - y = erf(x), the error function. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_erf(e, arg[0]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_erf, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_erf = {
    .name = "erf",
    .summary = "y = erf(x), the error function",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FIXED,
              .scale = 1.0F / 128,
              .zero = 128}, /* the result lies in [-1, 1] */
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
