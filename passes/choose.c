/* choose - ops that copy elements or choose among them, see choose.h. */
#include "passes/choose.h"

bool qcc_is_stored(const QccValue *value)
{
    return value->type->quant && value->type->quant->kind == QCC_QUANT_STATIC;
}

bool qcc_op_chooses(const QccOp *op)
{
    if (op->nout != 1 || op->nin == 0) return false;
    if (op->def == &qcc_op_max_pool || op->def == &qcc_op_reduce_max) return true;
    if (op->def == &qcc_op_reduce_min) return true;
    if (!(op->def->traits & QCC_TRAIT_MOVE)) return false;
    /* Padding with 0 is padding with the zero point; another number might not be representable. */
    if (op->def != &qcc_op_pad) return true;
    const QccPadAttrs *a = op->attrs;
    return a->mode != QCC_PAD_CONSTANT || a->value == 0;
}

QccStatus qcc_remake_chooser(QccValue **out, QccOp *op, QccValue *const *in, const QccType *like)
{
    QccGraph *g = op->graph;
    QCC_TRY(qcc_make(out, g, op, op->def, op->loc, in, op->nin, op->attrs));
    qcc_value_set_type(*out, qcc_type_quantized(g->ir, (*out)->type, like->dtype, like->quant));
    return QCC_OK;
}

QccStatus qcc_sink_dequantize(QccOp *op, QccArena *scratch, bool *done)
{
    const QccType *like = NULL;
    QccValue **in = QCC_NEW_ARRAY(scratch, op->nin + 1, QccValue *), *moved, *real;
    *done = false;
    if (!qcc_op_chooses(op) || op->out[0].type->quant) return QCC_OK;
    for (int i = 0; i < op->nin; i++) {
        in[i] = qcc_op_in(op, i);
        if (qcc_op_is_index(op, i)) continue;
        QccOp *dequantize = qcc_def_is(in[i], &qcc_op_dequantize);
        if (!dequantize) return QCC_OK;
        in[i] = dequantize->in[0].value;
        const QccType *t = in[i]->type;
        if (!qcc_is_stored(in[i]) || !qcc_quant_is_tensor(t->quant, NULL, NULL)) return QCC_OK;
        if (like && (like->quant != t->quant || like->dtype != t->dtype)) return QCC_OK;
        like = t;
    }
    if (!like) return QCC_OK;
    QCC_TRY(qcc_remake_chooser(&moved, op, in, like));
    if (op->out[0].has_range) qcc_value_set_range(moved, op->out[0].lo, op->out[0].hi);
    QCC_TRY(qcc_make_dequantize(&real, op->graph, op, moved));
    const char *name = op->out[0].name;
    qcc_op_replace(op, real);
    qcc_value_rename(real, qcc_sprintf(real->graph->arena, "%s.f", name));
    qcc_value_rename(moved, name);
    *done = true;
    return QCC_OK;
}
