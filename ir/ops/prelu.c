/* prelu - y = x < 0 ? slope * x : x, the slope being the second operand. */
#include "ir/ops/common.h"

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    int negative = qcc_expr_op2(e, QCC_EX_lt, arg[0], qcc_expr_real(e, arg[0], 0));
    int scaled = qcc_expr_op2(e, QCC_EX_mul, arg[0], arg[1]);
    return qcc_expr_op3(e, QCC_EX_select, negative, scaled, arg[0]);
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    s->quantizable = true;
    qcc_sample_binary_of(s, &qcc_op_prelu, NULL, QCC_SAMPLE_FLOATS | QCC_SAMPLE_INTEGERS);
}

const QccOpDef qcc_op_prelu = {
    .name = "prelu",
    .summary = "y = x < 0 ? slope * x : x",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_number,
    .map = map,
    .sample = sample,
};
