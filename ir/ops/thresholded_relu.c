/* thresholded_relu - y = x > alpha ? x : 0. */
#include "ir/ops/common.h"

static const QccField attrs[] = {{"alpha", QCC_FIELD_FLOAT, offsetof(QccScalarAttrs, alpha), "1", 0,
                                  0, NULL, "what x must exceed"},
                                 {0}};

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccScalarAttrs *a = op->attrs;
    int above = qcc_expr_op2(e, QCC_EX_lt, qcc_expr_real(e, arg[0], a->alpha), arg[0]);
    return qcc_expr_op3(e, QCC_EX_select, above, arg[0], qcc_expr_real(e, arg[0], 0));
}

static void sample(QccRandom *random, QccSample *s)
{
    QccScalarAttrs a = {.alpha = qcc_random_f32(random, 0, 2)};
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_thresholded_relu, &a, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_thresholded_relu = {
    .name = "thresholded_relu",
    .summary = "y = x > alpha ? x : 0",
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
