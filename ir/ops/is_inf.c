/* is_inf - whether x is infinite, as bool; of one sign only, if so wanted. */
#include <math.h>

#include "ir/ops/common.h"

static const QccField attrs[] = {{"positive", QCC_FIELD_BOOL, offsetof(QccSignAttrs, positive),
                                  "true", 0, 0, NULL, "inf counts"},
                                 {"negative", QCC_FIELD_BOOL, offsetof(QccSignAttrs, negative),
                                  "true", 0, 0, NULL, "-inf counts"},
                                 {0}};

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccSignAttrs *a = op->attrs;
    int plus = qcc_expr_op2(e, QCC_EX_eq, arg[0], qcc_expr_real(e, arg[0], INFINITY));
    int minus = qcc_expr_op2(e, QCC_EX_eq, arg[0], qcc_expr_real(e, arg[0], -INFINITY));
    if (!a->positive && !a->negative) return qcc_expr_i32(e, 0);
    if (!a->positive) return minus;
    return a->negative ? qcc_expr_op2(e, QCC_EX_or, plus, minus) : plus;
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    QCC_TRY(qcc_infer_function(op, result));
    return qcc_infer_compare(op, result);
}

static void sample(QccRandom *random, QccSample *s)
{
    QccSignAttrs a = {.positive = qcc_random_bool(random), .negative = qcc_random_bool(random)};
    qcc_sample_unary_of(s, &qcc_op_is_inf, &a, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_is_inf = {
    .name = "is_inf",
    .summary = "whether x is infinite",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .attr_size = sizeof(QccSignAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = infer,
    .map = map,
    .sample = sample,
};
