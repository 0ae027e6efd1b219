/* reduce_min - the smallest value over the axes; reduce.h says in which order. */
#include "ir/ops/reduce.h"

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    return qcc_reduce_eval(op, in, result, QCC_REDUCE_MIN, arena);
}

static QccStatus unit(const QccOp *op, QccArena *arena, QccUnit *u)
{
    return qcc_reduce_unit(op, arena, u, QCC_REDUCE_MIN);
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    return qcc_reduce_lower(op, list, QCC_REDUCE_MIN);
}

static void sample(QccRandom *random, QccSample *s)
{
    qcc_reduce_sample(random, s, &qcc_op_reduce_min);
}

const QccOpDef qcc_op_reduce_min = {
    .name = "reduce_min",
    .summary = "the smallest value over the axes",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_REDUCTION | QCC_TRAIT_HOMOGENEOUS | QCC_TRAIT_SELECT,
    .attr_size = sizeof(QccReduceAttrs),
    .attrs = qcc_reduce_fields,
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = qcc_reduce_infer,
    .eval = eval,
    .unit = unit,
    .permute = qcc_reduce_permute,
    .sample = sample,
    .lower = lower,
};
