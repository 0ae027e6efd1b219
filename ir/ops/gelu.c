/* gelu - y = x * P(X <= x) of the normal distribution (Hendrycks and Gimpel 2016).
 *
 *   exact:  f32: y = max(x, 0) - |x| * P(X < -|x|), a function of its own (docs/numerics.md)
 *           f64: y = (x * 1/2) * (1 + erf(x * sqrt(1/2)))
 *   tanh:   y = (x * 1/2) * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x * x * x)))
 *
 * products from the left, every operation rounded.
 */
#include "ir/ops/common.h"

static const QccField attrs[] = {{"tanh", QCC_FIELD_BOOL, offsetof(QccGeluAttrs, tanh), "false", 0,
                                  0, NULL, "the approximation by tanh; else exact, by erf"},
                                 {0}};

static int mul(QccExpr *e, int a, int b)
{
    return qcc_expr_op2(e, QCC_EX_mul, a, b);
}
static int add(QccExpr *e, int a, int b)
{
    return qcc_expr_op2(e, QCC_EX_add, a, b);
}

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccGeluAttrs *a = op->attrs;
    int x = arg[0], t;
    if (!a->tanh && e->node[x].type == QCC_EX_F32) return qcc_expr_gelu(e, x);
    if (a->tanh) {
        int cube = mul(e, mul(e, mul(e, qcc_expr_real(e, x, 0.044715), x), x), x);
        t = qcc_expr_tanh(e, mul(e, qcc_expr_real(e, x, 0.79788456080286536), add(e, x, cube)));
    } else {
        t = qcc_expr_erf(e, mul(e, x, qcc_expr_real(e, x, 0.70710678118654752)));
    }
    return mul(e, mul(e, x, qcc_expr_real(e, x, 0.5)), add(e, qcc_expr_real(e, x, 1), t));
}

static void sample(QccRandom *random, QccSample *s)
{
    QccGeluAttrs a = {.tanh = qcc_random_bool(random)};
    s->quantizable = true;
    qcc_sample_unary_of(s, &qcc_op_gelu, &a, QCC_SAMPLE_FLOATS);
}

const QccOpDef qcc_op_gelu = {
    .name = "gelu",
    .summary = "y = x * P(X <= x), X normally distributed",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .attr_size = sizeof(QccGeluAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_infer_function,
    .map = map,
    .sample = sample,
};
