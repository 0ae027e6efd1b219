/* leaky_relu - y = x < 0 ? alpha * x : x. */
#include "ir/ops/common.h"

static const QccField attrs[] = {{"alpha", QCC_FIELD_FLOAT, offsetof(QccScalarAttrs, alpha), "0.01",
                                  0, 0, NULL, "the slope of the negative half"},
                                 {0}};

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccScalarAttrs *a = op->attrs;
    int negative = qcc_expr_op2(e, QCC_EX_lt, arg[0], qcc_expr_real(e, arg[0], 0));
    int scaled = qcc_expr_op2(e, QCC_EX_mul, arg[0], qcc_expr_real(e, arg[0], a->alpha));
    return qcc_expr_op3(e, QCC_EX_select, negative, scaled, arg[0]);
}

static void sample(QccRandom *random, QccSample *s)
{
    QccScalarAttrs a = {.alpha = qcc_random_f32(random, 0, 0.5F)};
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_leaky_relu, &a, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_leaky_relu = {
    .name = "leaky_relu",
    .summary = "y = x < 0 ? alpha * x : x",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_HOMOGENEOUS,
    .attr_size = sizeof(QccScalarAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
