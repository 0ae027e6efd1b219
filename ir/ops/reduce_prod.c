/* reduce_prod - the product over the axes; reduce.h says in which order. */
#include "ir/ops/reduce.h"

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    return qcc_reduce_eval(op, in, result, QCC_REDUCE_PROD, arena);
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    return qcc_reduce_lower(op, list, QCC_REDUCE_PROD);
}

static void sample(QccRandom *random, QccSample *s)
{
    qcc_reduce_sample(random, s, &qcc_op_reduce_prod);
}

const QccOpDef qcc_op_reduce_prod = {
    .name = "reduce_prod",
    .summary = "the product over the axes",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_REDUCTION,
    .attr_size = sizeof(QccReduceAttrs),
    .attrs = qcc_reduce_fields,
    .infer = qcc_reduce_infer,
    .eval = eval,
    .sample = sample,
    .lower = lower,
};
