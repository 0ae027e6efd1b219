/* hard_sigmoid - y = max(0, min(1, alpha * x + beta)); multiply, then add. */
#include "ir/ops/common.h"

static const QccField attrs[] = {
    {"alpha", QCC_FIELD_FLOAT, offsetof(QccScalarAttrs, alpha), "0.2", 0, 0, NULL, "the slope"},
    {"beta", QCC_FIELD_FLOAT, offsetof(QccScalarAttrs, beta), "0.5", 0, 0, NULL, "the value at 0"},
    {0}};

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccScalarAttrs *a = op->attrs;
    int y = qcc_expr_op2(e, QCC_EX_mul, arg[0], qcc_expr_real(e, arg[0], a->alpha));
    y = qcc_expr_op2(e, QCC_EX_add, y, qcc_expr_real(e, arg[0], a->beta));
    y = qcc_expr_op2(e, QCC_EX_min, y, qcc_expr_real(e, arg[0], 1));
    return qcc_expr_op2(e, QCC_EX_max, y, qcc_expr_real(e, arg[0], 0));
}

static void sample(QccRandom *random, QccSample *s)
{
    QccScalarAttrs a = {.alpha = qcc_random_f32(random, 0.1F, 0.4F), .beta = 0.5};
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_hard_sigmoid, &a, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_hard_sigmoid = {
    .name = "hard_sigmoid",
    .summary = "y = max(0, min(1, alpha * x + beta))",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .attr_size = sizeof(QccScalarAttrs),
    .attrs = attrs,
    /* both ends of [0, 1] are reached, and 1 matters: it lets a gated value through as it is */
    .quant = {.kind = QCC_QUANT_FIXED, .scale = 1.0F / 255, .zero = 0},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
