/* propagate-scales - moves conversions to where real values begin and end, and cancels them.
 *
 *   quantize(dequantize(q))           -> q, when the types are equal
 *   quantize(move(x, y))              -> move(quantize(x), quantize(y))
 *   move(dequantize(q), ...)          -> dequantize(move(q, ...)), when the scales are equal
 *
 * `move` stands for every op that copies elements, and for max_pool and reduce_max, which choose
 * among them: rounding is monotone, so it commutes with both. Nothing here changes a value. The
 * scales that concat and its like share were chosen by quantize, which knows the ranges.
 */
#include "passes/rewrite.h"

enum { CANCELLED, HOISTED, SUNK, MAX_ROUNDS = 1000 };

static bool is_quantized(const QccValue *value)
{
    return value->type->quant && value->type->quant->kind == QCC_QUANT_STATIC;
}

/* Whether the op chooses or copies elements of its operands, so that rounding commutes with it. */
static bool chooses(const QccOp *op)
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

/* The same op over other operands, its result of type `like` but for the shape. */
static QccStatus remake(QccOp *op, QccOp *before, QccValue *const *in, const QccType *like,
                        QccValue **out)
{
    QccGraph *g = op->graph;
    QCC_TRY(qcc_make(out, g, before, op->def, op->loc, in, op->nin, op->attrs));
    qcc_value_set_type(*out, qcc_type_quantized(g->ir, (*out)->type, like->dtype, like->quant));
    return QCC_OK;
}

/* The stored values that `value`, an operand before op, has in type `like`. */
static QccStatus quantized_as(QccOp *op, QccValue *value, const QccType *like, QccValue **out)
{
    QccOp *dequantize = qcc_def_is(value, &qcc_op_dequantize);
    if (dequantize && is_quantized(dequantize->in[0].value)) value = dequantize->in[0].value;
    *out = value;
    if (value->type->quant == like->quant && value->type->dtype == like->dtype) return QCC_OK;
    return qcc_make_quantize(out, op->graph, op, value, like->dtype, like->quant);
}

/* quantize(move(x, ...)) -> move(quantize(x), ...) */
static QccStatus hoist(QccPassCtx *ctx, QccOp *quantize, bool *done)
{
    QccValue *value = quantize->in[0].value, *result;
    QccOp *op = value->def;
    *done = false;
    const QccType *like = quantize->out[0].type;
    if (!op || !chooses(op) || value->type->quant || value->type->dtype != QCC_F32) return QCC_OK;
    if (qcc_sole_user(value) != quantize || !is_quantized(&quantize->out[0])) return QCC_OK;
    if (!qcc_quant_is_tensor(like->quant, NULL, NULL)) return QCC_OK;
    for (int i = 0; i < op->nin; i++) {
        if (!qcc_op_in(op, i)) return QCC_OK;
    }
    QccValue **in = QCC_NEW_ARRAY(qcc_pass_scratch(ctx), op->nin, QccValue *);
    for (int i = 0; i < op->nin; i++) {
        in[i] = op->in[i].value;
        if (!qcc_op_is_index(op, i)) QCC_TRY(quantized_as(op, op->in[i].value, like, &in[i]));
    }
    const char *name = value->name;
    QCC_TRY(remake(op, op, in, like, &result));
    qcc_op_replace(quantize, result);
    qcc_op_remove(op);
    qcc_value_rename(result, name);
    qcc_pass_count(ctx, HOISTED, 1);
    *done = true;
    return QCC_OK;
}

/* move(dequantize(q), ...) -> dequantize(move(q, ...)) */
static QccStatus sink(QccPassCtx *ctx, QccOp *op, bool *done)
{
    const QccType *like = NULL;
    QccValue **in = QCC_NEW_ARRAY(qcc_pass_scratch(ctx), op->nin + 1, QccValue *), *moved, *real;
    *done = false;
    if (op->out[0].type->quant) return QCC_OK;
    for (int i = 0; i < op->nin; i++) {
        in[i] = qcc_op_in(op, i);
        if (qcc_op_is_index(op, i)) continue;
        QccOp *dequantize = qcc_def_is(in[i], &qcc_op_dequantize);
        if (!dequantize) return QCC_OK;
        in[i] = dequantize->in[0].value;
        const QccType *t = in[i]->type;
        if (!is_quantized(in[i]) || !qcc_quant_is_tensor(t->quant, NULL, NULL)) return QCC_OK;
        if (like && (like->quant != t->quant || like->dtype != t->dtype)) return QCC_OK;
        like = t;
    }
    if (!like) return QCC_OK;
    QCC_TRY(remake(op, op, in, like, &moved));
    if (op->out[0].has_range) qcc_value_set_range(moved, op->out[0].lo, op->out[0].hi);
    QCC_TRY(qcc_make_dequantize(&real, op->graph, op, moved));
    const char *name = op->out[0].name;
    qcc_op_replace(op, real);
    qcc_value_rename(real, qcc_sprintf(real->graph->arena, "%s.f", name));
    qcc_value_rename(moved, name);
    qcc_pass_count(ctx, SUNK, 1);
    *done = true;
    return QCC_OK;
}

/* quantize(dequantize(q)) and quantize(q) of q's own type -> q */
static bool cancel(QccPassCtx *ctx, QccOp *quantize)
{
    QccValue *value = quantize->in[0].value;
    QccOp *dequantize = qcc_def_is(value, &qcc_op_dequantize);
    if (dequantize) value = dequantize->in[0].value;
    if (value->type != quantize->out[0].type) return false;
    qcc_op_replace(quantize, value);
    qcc_pass_count(ctx, CANCELLED, 1);
    return true;
}

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    (void)opts;
    bool changed = true;
    for (int round = 0; changed && round < MAX_ROUNDS; round++) {
        changed = false;
        QCC_FOR_OPS(op, g)
        {
            bool done = false;
            if (op->def == &qcc_op_quantize) {
                done = cancel(ctx, op);
                if (!done) QCC_TRY(hoist(ctx, op, &done));
            } else if (chooses(op)) {
                QCC_TRY(sink(ctx, op, &done));
            }
            changed = changed || done;
        }
        changed = qcc_remove_dead(g) > 0 || changed;
    }
    return QCC_OK;
}

const QccPassDef qcc_pass_propagate_scales = {
    .abi = QCC_PASS_ABI,
    .name = "propagate-scales",
    .summary = "move conversions to where real values begin and end, and cancel them",
    .stats = (const char *const[]){[CANCELLED] = "conversions cancelled",
                                   [HOISTED] = "quantize moved up",
                                   [SUNK] = "dequantize moved down",
                                   NULL},
    .needs = (const char *const[]){"quantized", NULL},
    .run = run,
};
