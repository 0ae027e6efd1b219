/* fake_quant - the reals that x would be if it were quantized: y = (q - zero) * scale,
 * q = max(min(rne(x / scale) + zero, qmax), qmin), in f32. A NaN gives qmax.
 *
 * scale and zero are f32 operands that broadcast, so that training can move them.
 */
#include "ir/ops/common.h"

enum { LIMIT = 1 << 23 }; /* integers that f32 holds exactly */

static const QccField attrs[] = {{"qmin", QCC_FIELD_INT, offsetof(QccFakeQuantAttrs, qmin), "0",
                                  -LIMIT, LIMIT, NULL, "the least quantized value"},
                                 {"qmax", QCC_FIELD_INT, offsetof(QccFakeQuantAttrs, qmax), "255",
                                  -LIMIT, LIMIT, NULL, "the largest quantized value"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccFakeQuantAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_f32(op, 0, 2));
    if (a->qmin > a->qmax)
        return qcc_op_error(op, "'fake_quant' needs qmin <= qmax; they are %lld and %lld",
                            (long long)a->qmin, (long long)a->qmax);
    return qcc_infer_map(op, result);
}

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccFakeQuantAttrs *a = op->attrs;
    int q = qcc_expr_op1(e, QCC_EX_rne, qcc_expr_op2(e, QCC_EX_div, arg[0], arg[1]));
    q = qcc_expr_op2(e, QCC_EX_add, q, arg[2]);
    q = qcc_expr_op2(e, QCC_EX_min, q, qcc_expr_f32(e, (float)a->qmax));
    q = qcc_expr_op2(e, QCC_EX_max, q, qcc_expr_f32(e, (float)a->qmin));
    return qcc_expr_op2(e, QCC_EX_mul, qcc_expr_op2(e, QCC_EX_sub, q, arg[2]), arg[1]);
}

static void sample(QccRandom *r, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    int64_t dim[QCC_MAX_RANK], last = 1;
    qcc_type_extents(type, dim);
    if (qcc_random_bool(r)) last = dim[type->rank - 1]; /* per channel */
    float *scale = QCC_NEW_ARRAY(s->graph->arena, last, float);
    float *zero = QCC_NEW_ARRAY(s->graph->arena, last, float);
    for (int64_t i = 0; i < last; i++) {
        scale[i] = qcc_random_f32(r, 0.005F, 0.05F);
        zero[i] = (float)qcc_random_range(r, -20, 20);
    }
    QccArena *arena = s->graph->arena;
    QccFakeQuantAttrs a = {.qmin = -128, .qmax = 127};
    QccValue *in[] = {
        qcc_sample_param(s, type),
        qcc_const_new(s->graph, NULL, NULL, qcc_blob(arena, QCC_F32, 1, &last, scale, false), NULL),
        qcc_const_new(s->graph, NULL, NULL, qcc_blob(arena, QCC_F32, 1, &last, zero, false), NULL)};
    qcc_sample_op(s, &qcc_op_fake_quant, in, 3, &a);
}

const QccOpDef qcc_op_fake_quant = {
    .name = "fake_quant",
    .summary = "x as it would be after quantization by scale and zero",
    .min_in = 3,
    .max_in = 3,
    .nout = 1,
    .attr_size = sizeof(QccFakeQuantAttrs),
    .attrs = attrs,
    .infer = infer,
    .map = map,
    .sample = sample,
};
