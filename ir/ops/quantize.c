/* quantize - reals to stored values: the identity, whose result has a quantized type. The division
 * by the scale and the rounding are those of any quantized result (docs/numerics.md). */
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
    qcc_sample_unary(s, &qcc_op_quantize, NULL);
}

const QccOpDef qcc_op_quantize = {
    .name = "quantize",
    .summary = "stored values of reals: the result has a quantized type",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
