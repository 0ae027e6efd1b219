/* not - y = not x of bool; of integers, every bit turned over. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    if (op->in[0].value->type->dtype == QCC_BOOL)
        return qcc_expr_op2(e, QCC_EX_xor, arg[0], qcc_expr_i32(e, 1));
    return qcc_expr_op2(e, QCC_EX_xor, arg[0], qcc_expr_real(e, arg[0], -1));
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    qcc_sample_unary_of(s, &qcc_op_not, NULL, QCC_SAMPLE_INTEGERS | 1 << QCC_BOOL);
}

const QccOpDef qcc_op_not = {
    .name = "not",
    .summary = "y = not x of bool; the bits of integers turned over",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = qcc_infer_bits,
    .map = map,
    .sample = sample,
};
