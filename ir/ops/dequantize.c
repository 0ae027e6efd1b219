/* dequantize - stored values to reals: the identity, whose operand has a quantized type. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    (void)e;
    return arg[0];
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_unary(s, &qcc_op_dequantize, NULL);
}

const QccOpDef qcc_op_dequantize = {
    .name = "dequantize",
    .summary = "reals of stored values: the operand has a quantized type",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_HOMOGENEOUS,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
