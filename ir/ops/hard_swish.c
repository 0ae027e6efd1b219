/* hard_swish - y = x * max(0, min(1, x / 6 + 1/2)), x / 6 being x * (f32)(1/6) as in ONNX. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    int x = arg[0];
    int gate = qcc_expr_op2(e, QCC_EX_mul, x, qcc_expr_real(e, x, 1.0 / 6));
    gate = qcc_expr_op2(e, QCC_EX_add, gate, qcc_expr_real(e, x, 0.5));
    gate = qcc_expr_op2(e, QCC_EX_min, gate, qcc_expr_real(e, x, 1));
    gate = qcc_expr_op2(e, QCC_EX_max, gate, qcc_expr_real(e, x, 0));
    return qcc_expr_op2(e, QCC_EX_mul, x, gate);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_hard_swish, NULL, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_hard_swish = {
    .name = "hard_swish",
    .summary = "y = x * max(0, min(1, x / 6 + 1/2))",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
