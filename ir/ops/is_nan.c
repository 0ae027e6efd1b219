/* is_nan - whether x is NaN, as bool. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_op2(e, QCC_EX_ne, arg[0], arg[0]);
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    QCC_TRY(qcc_infer_function(op, result));
    return qcc_infer_compare(op, result);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    qcc_sample_unary_of(s, &qcc_op_is_nan, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_is_nan = {
    .name = "is_nan",
    .summary = "whether x is NaN, as bool",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = infer,
    .map = map,
    .sample = sample,
};
