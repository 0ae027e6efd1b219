/* arg_max - the index of the greatest element along an axis. */
#include "ir/ops/arg.h"

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    qcc_arg_eval(op, &in[0], result, false);
    return QCC_OK;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    return qcc_arg_lower(op, list, false);
}

static void sample(QccRandom *random, QccSample *s)
{
    qcc_arg_sample(random, s, &qcc_op_arg_max);
}

const QccOpDef qcc_op_arg_max = {
    .name = "arg_max",
    .summary = "the index of the greatest element along an axis",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .attr_size = sizeof(QccArgAttrs),
    .attrs = qcc_arg_fields,
    .infer = qcc_arg_infer,
    .eval = eval,
    .sample = sample,
    .lower = lower,
};
