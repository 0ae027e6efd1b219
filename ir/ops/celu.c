/* celu - y = x < 0 ? alpha * (e^(x / alpha) - 1) : x. */
#include "ir/ops/common.h"

static const QccField attrs[] = {{"alpha", QCC_FIELD_FLOAT, offsetof(QccScalarAttrs, alpha), "1", 0,
                                  0, NULL, "minus the limit for large negative x; not 0"},
                                 {0}};

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccScalarAttrs *a = op->attrs;
    int alpha = qcc_expr_real(e, arg[0], a->alpha);
    int negative = qcc_expr_op2(e, QCC_EX_lt, arg[0], qcc_expr_real(e, arg[0], 0));
    int curve = qcc_expr_expm1(e, qcc_expr_op2(e, QCC_EX_div, arg[0], alpha));
    curve = qcc_expr_op2(e, QCC_EX_mul, alpha, curve);
    return qcc_expr_op3(e, QCC_EX_select, negative, curve, arg[0]);
}

static void sample(QccRandom *random, QccSample *s)
{
    QccScalarAttrs a = {.alpha = qcc_random_f32(random, 0.5F, 2)};
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_celu, &a, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_celu = {
    .name = "celu",
    .summary = "y = x < 0 ? alpha * (e^(x / alpha) - 1) : x",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .attr_size = sizeof(QccScalarAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
