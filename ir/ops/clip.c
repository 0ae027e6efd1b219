/* clip - y = min(max(x, lo), hi), of any element type; an infinite bound is none. NaN gives the
 * first bound that there is. */
#include "ir/ops/common.h"

#include <math.h>

static const QccField attrs[] = {{"lo", QCC_FIELD_FLOAT, offsetof(QccScalarAttrs, lo), "-inf", 0, 0,
                                  NULL, "the lower bound; -inf: none"},
                                 {"hi", QCC_FIELD_FLOAT, offsetof(QccScalarAttrs, hi), "inf", 0, 0,
                                  NULL, "the upper bound; inf: none"},
                                 {0}};

/* What integers can hold of a bound; beyond 2^62 no element comes near it. */
static int bound(QccExpr *e, QccExprType type, double x)
{
    double limit = type == QCC_EX_I32 ? 0x7fffffff : 0x1p62;
    int64_t i = (int64_t)fmin(fmax(x, -limit), limit);
    return qcc_expr_imm(e, type, x, i);
}

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccScalarAttrs *a = op->attrs;
    QccExprType type = e->node[arg[0]].type;
    int y = arg[0];
    if (a->lo != -INFINITY) y = qcc_expr_op2(e, QCC_EX_max, y, bound(e, type, a->lo));
    if (a->hi != INFINITY) y = qcc_expr_op2(e, QCC_EX_min, y, bound(e, type, a->hi));
    return y;
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccScalarAttrs *a = op->attrs;
    if (!(a->lo <= a->hi))
        return qcc_op_error(op, "'clip' needs lo <= hi; they are %g and %g", a->lo, a->hi);
    return qcc_infer_map(op, result);
}

static void sample(QccRandom *random, QccSample *s)
{
    QccScalarAttrs a = {.lo = -INFINITY, .hi = INFINITY};
    if (qcc_random_bool(random)) a.lo = qcc_random_f32(random, -2, 0);
    if (qcc_random_bool(random)) a.hi = qcc_random_f32(random, 0, 6);
    s->quantizable = true;
    qcc_sample_unary(s, &qcc_op_clip, &a);
}

const QccOpDef qcc_op_clip = {
    .name = "clip",
    .summary = "y = min(max(x, lo), hi)",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .attr_size = sizeof(QccScalarAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = infer,
    .map = map,
    .sample = sample,
};
