/* unsign - i8 activations become u8, which is all that kernels of contractions know.
 *
 *   %x: i8 q(s: z)   ->   %x: u8 q(s: z + 128)      the same reals, every stored byte with its top
 * bit flipped
 *
 * At the borders, where the types are the caller's, a quantize of scale s / s = 1 converts exactly.
 */
#include "backend/lower.h"

#include "ir/graph.h"
#include "ir/ops.h"

enum { SHIFT = 128 };

static bool is_signed(const QccType *t)
{
    return t->dtype == QCC_I8 && t->quant && t->quant->kind == QCC_QUANT_STATIC;
}

static const QccType *shifted(QccGraph *g, const QccType *t)
{
    QccQuant q = *t->quant;
    const int32_t *zero = q.zero->data;
    int64_t n = q.zero->size / (int64_t)sizeof *zero;
    int32_t *moved = QCC_NEW_ARRAY(g->arena, n, int32_t);
    for (int64_t i = 0; i < n; i++) moved[i] = zero[i] + SHIFT;
    q.zero = qcc_blob(g->arena, QCC_I32, q.zero->rank, q.zero->dim, moved, false);
    q.qmin += SHIFT;
    q.qmax += SHIFT;
    return qcc_type_quantized(g->ir, t, QCC_U8, &q);
}

/* Whether the body's contraction, or the op itself, reads a signed activation. */
static bool reads_signed(const QccOp *op)
{
    if (op->body)
        for (const QccOp *inner = op->body->first; inner; inner = inner->next)
            if (reads_signed(inner)) return true;
    if (!(op->def->traits & QCC_TRAIT_CONTRACTION)) return false;
    const QccValue *x = op->in[0].value;
    return is_signed(x->type) && !qcc_value_const(x);
}

static QccStatus convert(QccValue **out, QccGraph *g, QccOp *before, const char *name, QccValue *v,
                         const QccType *type)
{
    QccOp *op;
    QccLoc loc = v->def ? v->def->loc : (QccLoc){0};
    QCC_TRY(qcc_op_new(&op, g, before, &qcc_op_quantize, loc, name, &v, 1, NULL));
    qcc_value_set_type(&op->out[0], type);
    *out = &op->out[0];
    return QCC_OK;
}

/* A constant among the operands of a MOVE has the type of the others. */
static void shift_constants(QccGraph *g, QccOp *op)
{
    for (int i = 0; i < op->nin; i++) {
        QccValue *v = op->in[i].value;
        const QccBlob *blob = v ? qcc_value_const(v) : NULL;
        if (!blob || !is_signed(v->type)) continue;
        uint8_t *data = QCC_NEW_ARRAY(g->arena, blob->size, uint8_t);
        for (int64_t j = 0; j < blob->size; j++)
            data[j] = (uint8_t)(((const uint8_t *)blob->data)[j] ^ SHIFT);
        const QccBlob *moved = qcc_blob(g->arena, QCC_U8, blob->rank, blob->dim, data, false);
        const QccQuant *q = shifted(g, v->type)->quant;
        qcc_op_set_operand(op, i, qcc_const_new(g, op, NULL, moved, q));
    }
}

/* Results of the graph keep their types and names. *first: the first of the new ops, or the yield.
 */
static QccStatus convert_results(QccGraph *g, QccOp **first)
{
    QccOp *end = qcc_graph_yield(g);
    QccOp *before = end->prev;
    for (int i = 0; i < end->nin; i++) {
        QccValue *v = end->in[i].value, *result;
        if (!v->def || (v->def->def->traits & QCC_TRAIT_CONSTANT) || !is_signed(v->type)) continue;
        const char *name = v->name;
        qcc_value_rename(v, qcc_sprintf(g->arena, "%s_u8", name));
        QCC_TRY(convert(&result, g, end, name, v, v->type));
        qcc_op_set_operand(end, i, result);
    }
    *first = before ? before->next : g->first;
    return QCC_OK;
}

static QccStatus convert_params(QccGraph *g)
{
    QccOp *end = qcc_graph_yield(g);
    for (int i = 0; i < g->nparam; i++) {
        QccValue *x = g->param[i], *u;
        if (!is_signed(x->type) || !x->uses) continue;
        QCC_TRY(convert(&u, g, g->first, NULL, x, shifted(g, x->type)));
        qcc_value_replace(x, u);
        qcc_op_set_operand(u->def, 0, x);
        for (int j = 0; j < end->nin; j++)
            if (end->in[j].value == u) qcc_op_set_operand(end, j, x);
    }
    return QCC_OK;
}

QccStatus qcc_unsign(QccGraph *g)
{
    bool any = false;
    QCC_FOR_OPS(op, g) any |= reads_signed(op);
    if (!any) return QCC_OK;
    QccOp *stop;
    QCC_TRY(convert_results(g, &stop));
    QCC_TRY(convert_params(g));
    for (QccOp *op = g->first; op != stop; op = op->next) {
        if (op->def->traits & QCC_TRAIT_CONSTANT) continue;
        if (op->def->traits & QCC_TRAIT_MOVE) shift_constants(g, op);
        for (int i = 0; i < op->nout; i++)
            if (is_signed(op->out[i].type))
                qcc_value_set_type(&op->out[i], shifted(g, op->out[i].type));
    }
    return QCC_OK;
}
