/* widen-floats - values of f16 and bf16 become f32, so that a model of half precision is quantized
 * like any other.
 *
 *   op -> cast f16 -> relu over f16 -> cast f32 -> op    becomes    op -> relu over f32 -> op
 *
 * The roundings in between go. They cost more than they keep: what follows rounds to 8 bits.
 * Parameters and results keep their types, by casts; so do loops, whose bodies stay as they are.
 */
#include "passes/rewrite.h"

enum { WIDENED, REMOVED };

static bool is_narrow(const QccType *t)
{
    return !t->quant && (t->dtype == QCC_F16 || t->dtype == QCC_BF16);
}

static QccStatus cast(QccValue **out, QccGraph *g, QccOp *before, QccValue *x, QccDtype to)
{
    QccCastAttrs attrs = {.to = (int)to};
    QccLoc loc = x->def ? x->def->loc : (QccLoc){0};
    return qcc_make(out, g, before, &qcc_op_cast, loc, &x, 1, &attrs);
}

/* Every use of a narrow value reads its widened copy, which stands right behind it. */
static QccStatus widen_value(QccPassCtx *ctx, QccValue *narrow)
{
    QccValue *wide;
    if (!narrow->uses) return QCC_OK;
    QCC_TRY(cast(&wide, narrow->graph, qcc_op_after(narrow), narrow, QCC_F32));
    qcc_value_replace(narrow, wide);
    qcc_op_set_operand(wide->def, 0, narrow);
    if (narrow->has_range) qcc_value_set_range(wide, narrow->lo, narrow->hi);
    qcc_pass_count(ctx, WIDENED, 1);
    return QCC_OK;
}

static QccStatus widen_const(QccPassCtx *ctx, QccOp *op)
{
    int64_t dim[QCC_MAX_RANK];
    QccValue *narrow = &op->out[0];
    qcc_type_extents(narrow->type, dim);
    const float *real = qcc_const_reals(qcc_pass_scratch(ctx), narrow, NULL);
    qcc_op_replace(op, qcc_const_f32(op->graph, op, NULL, narrow->type->rank, dim, real));
    qcc_pass_count(ctx, WIDENED, 1);
    return QCC_OK;
}

/* A cast whose operand is f32 by now. */
static bool is_rounding(const QccOp *op)
{
    if (op->def != &qcc_op_cast || op->in[0].value->type->dtype != QCC_F32) return false;
    const QccCastAttrs *a = op->attrs;
    return !op->in[0].value->type->quant &&
           (a->to == QCC_F32 || a->to == QCC_F16 || a->to == QCC_BF16);
}

/* The value before it goes by its name, unless others read that one, too. */
static void remove_rounding(QccOp *op)
{
    QccValue *x = op->in[0].value;
    const char *name = op->out[0].name;
    bool alone = x->def && qcc_sole_user(x) == op;
    qcc_op_replace(op, x);
    if (alone) qcc_value_rename(x, name);
}

/* An operand that was of `type` before it was widened is so again, and has the name that it had. */
static QccStatus keep_type(QccOp *op, int i, const QccType *type)
{
    QccValue *x = op->in[i].value;
    const char *name = x->name;
    if (!is_narrow(type) || x->type->dtype != QCC_F32) return QCC_OK;
    if (x->def) qcc_value_rename(x, qcc_sprintf(op->graph->arena, "%s.f", name));
    QCC_TRY(cast(&x, op->graph, op, x, type->dtype));
    qcc_value_rename(x, name);
    qcc_op_set_operand(op, i, x);
    return QCC_OK;
}

static QccStatus widen_op(QccPassCtx *ctx, QccOp *op)
{
    if (op->def == &qcc_op_const) return is_narrow(op->out[0].type) ? widen_const(ctx, op) : QCC_OK;
    if (is_rounding(op)) {
        remove_rounding(op);
        qcc_pass_count(ctx, REMOVED, 1);
        return QCC_OK;
    }
    if (op->body) {
        for (int i = 0; i < op->nin; i++)
            if (op->in[i].value) QCC_TRY(keep_type(op, i, op->body->param[i]->type));
        for (int i = 0; i < op->nout; i++)
            if (is_narrow(op->out[i].type)) QCC_TRY(widen_value(ctx, &op->out[i]));
        return QCC_OK;
    }
    bool narrow = false;
    for (int i = 0; i < op->nout; i++) narrow |= is_narrow(op->out[i].type);
    if (narrow && op->def == &qcc_op_cast) ((QccCastAttrs *)op->attrs)->to = QCC_F32;
    if (narrow) qcc_pass_count(ctx, WIDENED, 1);
    return qcc_op_reinfer(op);
}

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    (void)opts;
    QccOp *yield = qcc_graph_yield(g);
    QccArena *scratch = qcc_pass_scratch(ctx);
    const QccType **type = QCC_NEW_ARRAY(scratch, yield->nin + 1, const QccType *);
    bool any = false;
    for (int i = 0; i < yield->nin; i++) type[i] = yield->in[i].value->type;
    for (int i = 0; i < g->nparam; i++) any |= is_narrow(g->param[i]->type);
    QCC_FOR_OPS(op, g)
    {
        for (int i = 0; i < op->nout; i++) any |= is_narrow(op->out[i].type);
    }
    if (!any) return QCC_OK;
    QccOp *first = g->first;
    for (int i = 0; i < g->nparam; i++)
        if (is_narrow(g->param[i]->type)) QCC_TRY(widen_value(ctx, g->param[i]));
    for (QccOp *op = first, *next; op != yield; op = next) {
        next = op->next;
        QCC_TRY(widen_op(ctx, op));
    }
    for (int i = 0; i < yield->nin; i++) QCC_TRY(keep_type(yield, i, type[i]));
    return QCC_OK;
}

const QccPassDef qcc_pass_widen_floats = {
    .abi = QCC_PASS_ABI,
    .name = "widen-floats",
    .summary = "compute in f32 what a model of half precision rounds to f16 or bf16",
    .stats = (const char *const[]){"values widened", "roundings removed", NULL},
    .run = run,
};
