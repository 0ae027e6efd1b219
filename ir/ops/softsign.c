/* softsign - y = x / (1 + |x|). */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    int size = qcc_expr_op1(e, QCC_EX_abs, arg[0]);
    size = qcc_expr_op2(e, QCC_EX_add, qcc_expr_real(e, arg[0], 1), size);
    return qcc_expr_op2(e, QCC_EX_div, arg[0], size);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_softsign, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_softsign = {
    .name = "softsign",
    .summary = "y = x / (1 + |x|)",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FIXED, .scale = 1.0F / 128, .zero = 128},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
