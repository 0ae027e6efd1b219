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
#include "passes/choose.h"

enum { CANCELLED, HOISTED, SUNK, MAX_ROUNDS = 1000 };

/* The stored values that `value`, an operand before op, has in type `like`. */
static QccStatus quantized_as(QccOp *op, QccValue *value, const QccType *like, QccValue **out)
{
    QccOp *dequantize = qcc_def_is(value, &qcc_op_dequantize);
    if (dequantize && qcc_is_stored(dequantize->in[0].value)) value = dequantize->in[0].value;
    *out = value;
    if (value->type->quant == like->quant && value->type->dtype == like->dtype) return QCC_OK;
    return qcc_make_quantize(out, op->graph, op, value, like->dtype, like->quant);
}

/* Whether the op only arranges the stored values of one operand anew, and none but it reads them:
 * then what computes them can round them a second time. */
static bool rearranges_stored(const QccOp *op)
{
    bool arranges = op->def->traits & QCC_TRAIT_VIEW || op->def == &qcc_op_transpose;
    return arranges && op->nin == 1 && qcc_op_moves_raw(op) && qcc_is_stored(&op->out[0]) &&
           qcc_sole_user(op->in[0].value) == op;
}

/* quantize(move(x, ...)) -> move(quantize(x), ...) */
static QccStatus hoist(QccPassCtx *ctx, QccOp *quantize, bool *done)
{
    QccValue *value = quantize->in[0].value, *result;
    QccOp *op = value->def;
    *done = false;
    const QccType *like = quantize->out[0].type;
    bool real = !value->type->quant && value->type->dtype == QCC_F32;
    if (!op || !(real ? qcc_op_chooses(op) : rearranges_stored(op))) return QCC_OK;
    if (qcc_sole_user(value) != quantize || !qcc_is_stored(&quantize->out[0])) return QCC_OK;
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
    QCC_TRY(qcc_remake_chooser(&result, op, in, like));
    qcc_op_replace(quantize, result);
    qcc_op_remove(op);
    qcc_value_rename(result, name);
    qcc_pass_count(ctx, HOISTED, 1);
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
            } else if (qcc_op_chooses(op)) {
                QCC_TRY(qcc_sink_dequantize(op, qcc_pass_scratch(ctx), &done));
                qcc_pass_count(ctx, SUNK, done);
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
