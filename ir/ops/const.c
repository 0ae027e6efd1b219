/* const - y = the data of a blob. */
#include "ir/ops.h"

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccBlob *blob = QCC_ATTRS(op, QccConstAttrs)->blob;
    if (!blob) return qcc_op_error(op, "'%s' has no data", op->def->name);
    result[0] = qcc_type_shape(op->graph->ir, blob->dtype, blob->rank, blob->dim);
    return QCC_OK;
}

const QccOpDef qcc_op_const = {
    .name = "const",
    .summary = "a constant",
    .nout = 1,
    .traits = QCC_TRAIT_CONSTANT,
    .attr_size = sizeof(QccConstAttrs),
    .infer = infer,
};
