/* fused - y = what the ops of a body compute, rounded to the type of y.
 *
 * Inside, quantized operands are read as reals, values are exact i32 or f32, and a value that has a
 * quantized type is rounded to it. A fused op is made without a body; then its body is begun
 * (qcc_graph_new_body), filled and given its yield, and qcc_op_reinfer gives the result its type.
 */
#include "ir/ops.h"

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccIr *ir = op->graph->ir;
    /* Until the body is there, the result looks like the first operand. */
    result[0] = qcc_type_real(ir, op->in[0].value->type);
    if (!op->body || !qcc_graph_yield(op->body)) return QCC_OK;
    if (qcc_graph_result_count(op->body) != 1)
        return qcc_op_error(op, "'%s' yields %d values; wanted one", op->def->name,
                            qcc_graph_result_count(op->body));
    result[0] = qcc_type_real(ir, qcc_graph_result(op->body, 0)->type);
    return QCC_OK;
}

const QccOpDef qcc_op_fused = {
    .name = "fused",
    .summary = "a body of ops around at most one anchor, in one walk through memory",
    .min_in = 1,
    .max_in = -1,
    .nout = 1,
    .traits = QCC_TRAIT_FUSED,
    .infer = infer,
};
