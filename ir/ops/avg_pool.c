/* avg_pool - the sum of the values in a window that exist, divided by n: how many they are, or with
 * include_pad how many there are with the padding.
 *
 * f32: a true division of the sum by (f32)n. Integers: the exact sum, and the unit is scale / n.
 */
#include "ir/ops/pool.h"

static const QccField attrs[] = {QCC_POOL_FIELDS,
                                 {"include_pad", QCC_FIELD_BOOL,
                                  offsetof(QccPoolAttrs, include_pad), "false", 0, 0, NULL,
                                  "divide by the window with its padding"},
                                 {0}};

/* n of each output pixel; at least 1. dim [1, oh, ow, 1], or all 1 where n is the same everywhere.
 */
static void divisors(const QccPoolAttrs *a, const int64_t *xd, const int64_t *yd, bool padded,
                     QccArena *arena, int64_t *dim, int64_t **n)
{
    int64_t oh = yd[1], ow = yd[2];
    *n = QCC_NEW_ARRAY(arena, oh * ow + 1, int64_t);
    (*n)[0] = 1;
    bool same = true;
    for (int64_t i = 0; i < oh * ow; i++) {
        int64_t taps = qcc_pool_taps(a, xd[1], xd[2], i / ow, i % ow, padded);
        (*n)[i] = taps > 0 ? taps : 1;
        same = same && (*n)[i] == (*n)[0];
    }
    for (int i = 0; i < 4; i++) dim[i] = 1;
    if (same) return;
    dim[1] = oh;
    dim[2] = ow;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    QCC_TRY(qcc_pool_eval(op, in, result, false, arena));
    if (in[0].type->quant) return QCC_OK;
    const QccPoolAttrs *a = op->attrs;
    int64_t dim[4], *n, c = result->dim[3], pixels = c ? result->count / c : 0;
    divisors(a, in[0].dim, result->dim, a->include_pad, arena, dim, &n);
    bool f64 = result->type->dtype == QCC_F64;
    float *y = result->data;
    double *wide = result->data;
    for (int64_t i = 0; i < pixels; i++) {
        int64_t by = n[dim[1] * dim[2] == 1 ? 0 : i % (dim[1] * dim[2])];
        for (int64_t k = 0; k < c && f64; k++) *wide++ /= (double)by;
        for (int64_t k = 0; k < c && !f64; k++) *y++ /= (float)by;
    }
    return QCC_OK;
}

static QccStatus unit(const QccOp *op, QccArena *arena, QccUnit *u)
{
    const QccPoolAttrs *a = op->attrs;
    float scale = 1;
    int64_t xd[QCC_MAX_RANK], yd[QCC_MAX_RANK], *n;
    QCC_TRY(qcc_op_tensor_quant(op, 0, &scale, NULL));
    if (!qcc_type_extents(op->in[0].value->type, xd) || !qcc_type_extents(op->out[0].type, yd))
        return qcc_op_error(op, "'avg_pool' over quantized values needs extents that are numbers");
    divisors(a, xd, yd, a->include_pad, arena, u->dim, &n);
    u->rank = 4;
    int64_t count = u->dim[1] * u->dim[2];
    u->value = QCC_NEW_ARRAY(arena, count, double);
    for (int64_t i = 0; i < count; i++) u->value[i] = (double)scale / (double)n[i];
    return QCC_OK;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccPoolAttrs *a = op->attrs;
    int64_t xd[QCC_MAX_RANK], yd[QCC_MAX_RANK], dim[4], *n;
    QccLoweredKernel *k = qcc_pool_lower(op, list, false);
    if (!k) return QCC_ERROR_UNSUPPORTED;
    qcc_type_extents(op->in[0].value->type, xd);
    qcc_type_extents(op->out[0].type, yd);
    if (op->in[0].value->type->quant) { /* a zero point for each tap that exists */
        int32_t zero = 0;
        QCC_TRY(qcc_op_tensor_quant(op, 0, NULL, &zero));
        int32_t *correction = QCC_NEW_ARRAY(list->arena, yd[1] * yd[2] + 1, int32_t);
        for (int64_t i = 0; i < yd[1] * yd[2]; i++)
            correction[i] =
                (int32_t)(-zero * qcc_pool_taps(a, xd[1], xd[2], i / yd[2], i % yd[2], false));
        k->correction = correction;
        k->correction_dim[1] = yd[1];
        k->correction_dim[2] = yd[2];
        return QCC_OK;
    }
    divisors(a, xd, yd, a->include_pad, list->arena, dim, &n);
    int64_t count = dim[1] * dim[2], stride[4] = {0, count > 1 ? dim[2] : 0, count > 1, 0};
    float *by = QCC_NEW_ARRAY(list->arena, count, float);
    for (int64_t i = 0; i < count; i++) by[i] = (float)n[i];
    QccBlob *blob = qcc_blob(list->arena, QCC_F32, 4, dim, by, false);
    QccExpr *e = qcc_lower_expr(list);
    int divisor = qcc_lower_arg_node(e, k, qcc_lower_const_arg(k, blob, stride));
    e->result = qcc_expr_op2(e, QCC_EX_div, qcc_expr_acc(e, QCC_EX_F32), divisor);
    k->kernel->epilogue = e;
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    qcc_pool_sample(random, s, &qcc_op_avg_pool);
}

const QccOpDef qcc_op_avg_pool = {
    .name = "avg_pool",
    .summary = "the mean of each window of x[n,h,w,c]",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_POOLING | QCC_TRAIT_HOMOGENEOUS,
    .attr_size = sizeof(QccPoolAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = qcc_pool_infer,
    .eval = eval,
    .unit = unit,
    .sample = sample,
    .lower = lower,
};
