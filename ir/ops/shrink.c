/* shrink - y = x < -lambda ? x + bias : x > lambda ? x - bias : 0. */
#include "ir/ops/common.h"

static const QccField attrs[] = {{"lambda", QCC_FIELD_FLOAT, offsetof(QccShrinkAttrs, lambda),
                                  "0.5", 0, 0, NULL, "what the size of x must exceed"},
                                 {"bias", QCC_FIELD_FLOAT, offsetof(QccShrinkAttrs, bias), "0", 0,
                                  0, NULL, "what is taken off it then"},
                                 {0}};

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccShrinkAttrs *a = op->attrs;
    int x = arg[0], bias = qcc_expr_real(e, x, a->bias);
    int below = qcc_expr_op2(e, QCC_EX_lt, x, qcc_expr_real(e, x, -a->lambda));
    int above = qcc_expr_op2(e, QCC_EX_lt, qcc_expr_real(e, x, a->lambda), x);
    int y = qcc_expr_op3(e, QCC_EX_select, above, qcc_expr_op2(e, QCC_EX_sub, x, bias),
                         qcc_expr_real(e, x, 0));
    return qcc_expr_op3(e, QCC_EX_select, below, qcc_expr_op2(e, QCC_EX_add, x, bias), y);
}

static void sample(QccRandom *random, QccSample *s)
{
    QccShrinkAttrs a = {.lambda = qcc_random_f32(random, 0, 1),
                        .bias = qcc_random_f32(random, 0, 1)};
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_shrink, &a, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_shrink = {
    .name = "shrink",
    .summary = "y = x < -lambda ? x + bias : x > lambda ? x - bias : 0",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .attr_size = sizeof(QccShrinkAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
