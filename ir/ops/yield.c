/* yield - what a graph or a body returns; `return` in the text at top level. */
#include "ir/ops.h"

static QccStatus infer(QccOp *op, const QccType **result)
{
    (void)op;
    (void)result;
    return QCC_OK;
}

const QccOpDef qcc_op_yield = {
    .name = "yield",
    .summary = "the results of a graph or a body",
    .max_in = -1,
    .traits = QCC_TRAIT_TERMINATOR,
    .infer = infer,
};
