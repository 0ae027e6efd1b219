/* max_pool - the largest of the values in a window that exist. */
#include "ir/ops/pool.h"

static const QccField attrs[] = {QCC_POOL_FIELDS, {0}};

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    return qcc_pool_eval(op, in, result, true, arena);
}

static QccStatus unit(const QccOp *op, QccArena *arena, QccUnit *u)
{
    return qcc_unit_scale(op, 1, arena, u);
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    QccLoweredKernel *k = qcc_pool_lower(op, list, true);
    if (!k) return QCC_ERROR_UNSUPPORTED;
    return qcc_op_selects_raw(op) ? QCC_OK : qcc_lower_correct_zero(op, list, k, 1);
}

static void sample(QccRandom *random, QccSample *s)
{
    qcc_pool_sample(random, s, &qcc_op_max_pool);
}

const QccOpDef qcc_op_max_pool = {
    .name = "max_pool",
    .summary = "the largest value in each window of x[n,h,w,c]",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_POOLING | QCC_TRAIT_HOMOGENEOUS | QCC_TRAIT_SELECT,
    .attr_size = sizeof(QccPoolAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = qcc_pool_infer,
    .eval = eval,
    .unit = unit,
    .sample = sample,
    .lower = lower,
};
