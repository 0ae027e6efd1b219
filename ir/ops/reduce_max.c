/* reduce_max - the largest value over the axes; reduce.h says in which order. */
#include "ir/ops/reduce.h"

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    return qcc_reduce_eval(op, in, result, QCC_REDUCE_MAX, arena);
}

static QccStatus unit(const QccOp *op, QccArena *arena, QccUnit *u)
{
    return qcc_reduce_unit(op, arena, u, QCC_REDUCE_MAX);
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    return qcc_reduce_lower(op, list, QCC_REDUCE_MAX);
}

static void sample(QccRandom *random, QccSample *s)
{
    qcc_reduce_sample(random, s, &qcc_op_reduce_max);
}

const QccOpDef qcc_op_reduce_max = {
    .name = "reduce_max",
    .summary = "the largest value over the axes",
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
