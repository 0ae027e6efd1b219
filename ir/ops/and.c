/* and - y = a and b, of bool and of the bits of integers. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    return qcc_expr_op2(e, QCC_EX_and, arg[0], arg[1]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    qcc_sample_binary_of(s, &qcc_op_and, NULL, QCC_SAMPLE_INTEGERS | 1 << QCC_BOOL);
}

const QccOpDef qcc_op_and = {
    .name = "and",
    .summary = "y = a and b, of bool and of the bits of integers",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .traits = QCC_TRAIT_COMMUTATIVE,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = qcc_infer_bits,
    .map = map,
    .sample = sample,
};
