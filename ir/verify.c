/* verify - every invariant of types, graphs and ops.
 *
 * Whatever a file or a pass made goes through here, so nothing is taken for granted but that
 * pointers point to objects of their kind.
 */
#include <math.h>
#include <string.h>

#include "ir/base/table.h"
#include "ir/epilogue.h"
#include "ir/names.h"
#include "ir/ops.h"
#include "ir/qmath.h"
#include "ir/type_table.h"

enum { STEPS_MAX = 1 << 24 }; /* of a loop: no file makes the process run for ever */

/* ---- types ---------------------------------------------------------------------------------- */

/* Blocks, entries, scales and zero points. */
static QccStatus check_quant(QccDiags *d, QccLoc loc, const QccType *t)
{
    const QccQuant *q = t->quant;
    int64_t lo, hi;
    qcc_dtype_range(t->dtype, &lo, &hi);
    if (qcc_dtype_is_float(t->dtype) || t->dtype == QCC_BOOL || lo < INT32_MIN || hi > INT32_MAX)
        return qcc_error(d, loc, "%s cannot be quantized; wanted an integer of at most 32 bits",
                         qcc_dtype_name(t->dtype));
    if (q->qmin >= q->qmax || q->qmin < lo || q->qmax > hi)
        return qcc_error(d, loc, "quantized values lie in %d..%d, which is no range of %s", q->qmin,
                         q->qmax, qcc_dtype_name(t->dtype));
    for (int i = 0; i < QCC_MAX_RANK; i++) {
        if (!q->block[i]) continue;
        if (i >= t->rank)
            return qcc_error(d, loc, "quantization has %d dimensions, the shape has %d", i + 1,
                             t->rank);
        if (t->dim[i].sym[0])
            return qcc_error(d, loc, "dimension %d is quantized in blocks, but is symbolic", i);
        if (q->block[i] < 0 || t->dim[i].n % q->block[i])
            return qcc_error(d, loc, "blocks of %lld do not divide dimension %d, which is %lld",
                             (long long)q->block[i], i, (long long)t->dim[i].n);
    }
    if (!qcc_quant_fits(q, t->rank, t->dim))
        return qcc_error(d, loc, "the number of scales and zero points does not fit the shape");
    if (q->kind == QCC_QUANT_DYNAMIC) return QCC_OK;
    const float *scale = q->scale->data;
    const int32_t *zero = q->zero->data;
    int64_t n = q->scale->size / (int64_t)sizeof *scale;
    for (int64_t i = 0; i < n; i++) {
        if (!(scale[i] >= QCC_SCALE_MIN && scale[i] <= QCC_SCALE_MAX))
            return qcc_error(d, loc, "scale %lld is %.9g; it must lie in 2^-60..2^60", (long long)i,
                             (double)scale[i]);
        if (zero[i] < q->qmin || zero[i] > q->qmax)
            return qcc_error(d, loc, "zero point %lld is %d; it must lie in %d..%d", (long long)i,
                             zero[i], q->qmin, q->qmax);
    }
    return QCC_OK;
}

QccStatus qcc_type_check(QccIr *ir, QccLoc loc, const QccType *t)
{
    QccDiags *d = &ir->diags;
    int64_t most[QCC_MAX_RANK], n;
    for (int i = 0; i < t->rank; i++) {
        most[i] = t->dim[i].n;
        bool fits = most[i] >= 0;
        for (int k = 0; k < 2; k++) {
            if (t->dim[i].sym[k])
                fits = fits && qcc_mul_i64(&most[i], most[i], t->dim[i].sym[k]->max);
        }
        if (!fits) return qcc_error(d, loc, "dimension %d overflows", i);
    }
    if (!qcc_shape_count(&n, t->dtype, t->rank, most))
        return qcc_error(d, loc, "a tensor of more than 2^%d bytes", QCC_BYTES_MAX_LOG2);
    return t->quant ? check_quant(d, loc, t) : QCC_OK;
}

/* ---- graphs --------------------------------------------------------------------------------- */

typedef struct Verifier {
    QccIr *ir;
    QccArena *arena; /* scratch */
    const QccGraph *root;
    QccTable seen; /* values that are defined so far and visible */
} Verifier;

static uint64_t address_hash(const void *p)
{
    return qcc_hash(0, &p, sizeof(void *));
}

static bool is_seen(const Verifier *v, const QccValue *value)
{
    uint64_t hash = address_hash(value);
    int64_t at = -1;
    for (void *p; (p = qcc_table_next(&v->seen, hash, &at));) {
        if (p == value) return true;
    }
    return false;
}

static QccStatus check_symbols(const Verifier *v, QccLoc loc, const QccType *t)
{
    for (int i = 0; i < 2 * t->rank; i++) {
        const QccSymbol *s = t->dim[i / 2].sym[i % 2];
        int k = 0;
        while (s && k < v->root->nsymbol && v->root->symbol[k] != s) k++;
        if (s && k == v->root->nsymbol)
            return qcc_error(&v->ir->diags, loc, "symbol '%s' is none of graph '%s'", s->name,
                             v->root->name);
    }
    return QCC_OK;
}

static QccStatus check_value(Verifier *v, QccLoc loc, QccValue *value, const QccGraph *g)
{
    QccDiags *d = &v->ir->diags;
    if (!value->type || !value->name || value->graph != g)
        return qcc_error(d, loc, "a value lacks its type, its name or its graph");
    bool loop = g->parent && g->parent->def->traits & QCC_TRAIT_LOOP;
    bool follows = g->parent && !loop && !value->def; /* named after its operand */
    if (!follows && qcc_name_find(g, value->name) != value)
        return qcc_error(d, loc, "the name '%s' is not this value's alone", value->name);
    QCC_TRY(qcc_type_check(v->ir, loc, value->type));
    QCC_TRY(check_symbols(v, loc, value->type));
    if (value->has_range &&
        !(isfinite(value->lo) && isfinite(value->hi) && value->lo <= 0 && value->hi >= 0))
        return qcc_error(d, loc, "the range of '%s' does not hold 0, or is not finite",
                         value->name);
    qcc_table_add(&v->seen, address_hash(value), value);
    return QCC_OK;
}

static QccStatus check_uses(const Verifier *v, const QccOp *op)
{
    QccDiags *d = &v->ir->diags;
    for (int i = 0; i < op->nin; i++) {
        const QccUse *use = &op->in[i];
        if (use->user != op || use->index != i)
            return qcc_error(d, op->loc, "operand %d of '%s' names another user", i, op->def->name);
        if (!use->value) continue;
        if (!is_seen(v, use->value) || use->value->graph != op->graph)
            return qcc_error(d, op->loc, "operand %d of '%s' is not defined before it", i,
                             op->def->name);
        const QccUse *before = use->prev ? use->prev->next : use->value->uses;
        if (before != use || (use->next && use->next->prev != use))
            return qcc_error(d, op->loc, "the list of uses of '%s' is broken", use->value->name);
    }
    return QCC_OK;
}

static QccStatus check_operand_count(const QccOp *op)
{
    const QccOpDef *def = op->def;
    if (op->nin < def->min_in || (def->max_in >= 0 && op->nin > def->max_in))
        return qcc_op_error(op, "'%s' has %d operands; wanted %d to %d", op->def->name, op->nin,
                            def->min_in, def->max_in);
    bool optional = !(def->traits & (QCC_TRAIT_BODY | QCC_TRAIT_TERMINATOR));
    for (int i = 0; i < op->nin; i++) {
        if (!op->in[i].value && (i < def->min_in || !optional))
            return qcc_op_error(op, "'%s' needs its operand %d", op->def->name, i);
    }
    if (op->nout != qcc_op_count(def, op->attrs))
        return qcc_op_error(op, "'%s' has %d results; wanted %d", op->def->name, op->nout,
                            qcc_op_count(def, op->attrs));
    return QCC_OK;
}

bool qcc_type_fits(const QccOp *op, const QccType *inferred, const QccType *type)
{
    if (inferred == type) return true;
    if (!type->quant || !qcc_type_same_shape(inferred, type)) return false;
    if (op->def->traits & QCC_TRAIT_CONSTANT) return inferred->dtype == type->dtype;
    return inferred->dtype == QCC_F32;
}

QccStatus qcc_type_misfit(const QccOp *op, QccLoc loc, const QccType *inferred, const QccType *type)
{
    QccBuf text;
    qcc_buf_init(&text, op->graph->arena);
    qcc_type_print(&text, inferred);
    qcc_buf_puts(&text, ", not ");
    qcc_type_print(&text, type);
    return qcc_error(&op->graph->ir->diags, loc, "'%s' gives %s", op->def->name, text.data);
}

static QccStatus check_types(Verifier *v, QccOp *op)
{
    const QccType **type = QCC_NEW_ARRAY(v->arena, op->nout, const QccType *);
    for (const QccField *f = op->def->attrs; f && f->name; f++)
        QCC_TRY(qcc_field_check(&v->ir->diags, op->loc, f, op->attrs));
    QCC_TRY(op->def->infer(op, type));
    for (int i = 0; i < op->nout; i++) {
        const QccType *is = op->out[i].type;
        if (!is || !qcc_type_fits(op, type[i], is))
            return is ? qcc_type_misfit(op, op->loc, type[i], is)
                      : qcc_op_error(op, "'%s' has a result without a type", op->def->name);
    }
    return QCC_OK;
}

/* ---- particular ops ------------------------------------------------------------------------- */

static int64_t integer(QccDtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case QCC_U4: return (((const uint8_t *)data)[i / 2] >> (i % 2 * 4)) & 15;
    case QCC_I4: return (((((const uint8_t *)data)[i / 2] >> (i % 2 * 4)) & 15) ^ 8) - 8;
    case QCC_I8: return ((const int8_t *)data)[i];
    case QCC_U8: return ((const uint8_t *)data)[i];
    case QCC_I16: return ((const int16_t *)data)[i];
    case QCC_U16: return ((const uint16_t *)data)[i];
    default: return ((const int32_t *)data)[i];
    }
}

/* The data of a constant is in the range that its type promises. */
static QccStatus check_const(const QccOp *op)
{
    const QccBlob *blob = QCC_ATTRS(op, QccConstAttrs)->blob;
    const QccType *t = op->out[0].type;
    int64_t n = qcc_type_count(t);
    if (n < 0 || blob->size != qcc_dtype_size(t->dtype, n))
        return qcc_op_error(op, "'%s' has %lld bytes of data", op->def->name,
                            (long long)blob->size);
    const uint8_t *byte = blob->data;
    for (int64_t i = 0; t->dtype == QCC_BOOL && i < n; i++) {
        if (byte[i] > 1)
            return qcc_op_error(op, "'%s' has a bool that is %d", op->def->name, byte[i]);
    }
    if (!t->quant) return QCC_OK;
    int64_t lo, hi;
    qcc_dtype_range(t->dtype, &lo, &hi);
    if (lo == t->quant->qmin && hi == t->quant->qmax) return QCC_OK;
    for (int64_t i = 0; i < n; i++) {
        int64_t x = integer(t->dtype, blob->data, i);
        if (x < t->quant->qmin || x > t->quant->qmax)
            return qcc_op_error(op, "'%s' has a value %lld outside of its range %d..%d",
                                op->def->name, (long long)x, t->quant->qmin, t->quant->qmax);
    }
    return QCC_OK;
}

/* The bias of an integer contraction is in units of its accumulator: scale (f32)(sx * sw[c]), zero
 * point 0. */
static QccStatus check_bias(const QccOp *op)
{
    const QccQuantRule *rule = &op->def->quant;
    if (rule->kind != QCC_QUANT_AFFINE || rule->bias <= 0) return QCC_OK;
    const QccValue *x = qcc_op_in(op, 0), *w = qcc_op_in(op, rule->weight),
                   *b = qcc_op_in(op, rule->bias);
    if (!b || b->type->dtype != QCC_I32 || !b->type->quant) return QCC_OK;
    const QccQuant *qb = b->type->quant, *qw = w->type->quant;
    if (!x->type->quant || !qw)
        return qcc_op_error(op, "'%s' has an i32 bias; then its operands must be quantized too",
                            op->def->name);
    if (x->type->quant->kind != QCC_QUANT_STATIC || qw->kind != QCC_QUANT_STATIC) return QCC_OK;
    float sx;
    if (qb->kind != QCC_QUANT_STATIC || !qcc_quant_is_tensor(x->type->quant, &sx, NULL))
        return qcc_op_error(op, "'%s' has an i32 bias; then its activation needs one scale",
                            op->def->name);
    int64_t bdim[QCC_MAX_RANK], wdim[QCC_MAX_RANK], windex[QCC_MAX_RANK] = {0};
    if (!qcc_type_extents(b->type, bdim) || !qcc_type_extents(w->type, wdim) || b->type->rank != 1)
        return qcc_op_error(op,
                            "'%s' has an i32 bias; then it and the weight need constant extents",
                            op->def->name);
    for (int k = 0; k < w->type->rank; k++) {
        if (qw->block[k] && k != rule->weight_axis && wdim[k] != qw->block[k])
            return qcc_op_error(
                op,
                "'%s' has an i32 bias; then the weight's scale may only change along "
                "dimension %d",
                op->def->name, rule->weight_axis);
    }
    for (int64_t c = 0; c < bdim[0]; c++) {
        if (c >= wdim[rule->weight_axis])
            return qcc_op_error(op, "'%s' has more biases than output channels", op->def->name);
        windex[rule->weight_axis] = c;
        int64_t wi = qcc_quant_index(qw, w->type->rank, wdim, windex);
        int64_t bi = qcc_quant_index(qb, 1, bdim, &c);
        float want = (float)((double)sx * (double)((const float *)qw->scale->data)[wi]);
        float got = ((const float *)qb->scale->data)[bi];
        int32_t zero = ((const int32_t *)qb->zero->data)[bi];
        if (got != want || zero)
            return qcc_op_error(
                op,
                "'%s': bias %lld has scale %.9g and zero point %d; wanted %.9g (that of "
                "the activation times that of the weight) and 0",
                op->def->name, (long long)c, (double)got, zero, (double)want);
    }
    return QCC_OK;
}

static QccStatus verify_ops(Verifier *v, const QccGraph *g);

static QccStatus check_fused(Verifier *v, const QccOp *op)
{
    const QccGraph *body = op->body;
    QccDiags *d = &v->ir->diags;
    int anchors = 0;
    const uint32_t anchor = QCC_TRAIT_CONTRACTION | QCC_TRAIT_POOLING | QCC_TRAIT_REDUCTION;
    for (const QccOp *inner = body->first; inner; inner = inner->next) {
        if (inner->def->traits & QCC_TRAIT_BODY)
            return qcc_error(d, inner->loc, "'%s' within the body of another", inner->def->name);
        if (inner->def->traits & anchor && ++anchors > 1)
            return qcc_error(d, inner->loc,
                             "'%s' is a second contraction, pooling or reduction in one body",
                             inner->def->name);
        if (inner->def->traits & QCC_TRAIT_CONSTANT) continue;
        for (int i = 0; i < inner->nout; i++) {
            const QccType *t = inner->out[i].type;
            if (t->quant && !qcc_type_rounds(t))
                return qcc_error(d, inner->loc,
                                 "values within a body are rounded to at most 16 bits, with scales "
                                 "that are known");
        }
    }
    return verify_ops(v, body);
}

/* Steps of loops within loops multiply. */
static QccStatus check_loop(Verifier *v, const QccOp *op)
{
    int64_t steps = 1;
    for (const QccOp *loop = op; loop; loop = loop->graph->parent) {
        QccDim n = qcc_scan_steps(loop);
        bool fits = qcc_mul_i64(&steps, steps, n.n);
        for (int k = 0; k < 2 && n.sym[k]; k++)
            fits = fits && qcc_mul_i64(&steps, steps, n.sym[k]->max);
        if (!fits || steps > STEPS_MAX)
            return qcc_op_error(op, "'%s' may take more than %d steps, those around it multiplied",
                                op->def->name, STEPS_MAX);
    }
    for (const QccOp *inner = op->body->first; inner; inner = inner->next) {
        for (int i = 0; i < inner->nout; i++) {
            if (inner->out[i].type->quant && !(inner->def->traits & QCC_TRAIT_CONSTANT))
                return qcc_error(&v->ir->diags, inner->loc,
                                 "values within a loop are not quantized");
        }
    }
    return verify_ops(v, op->body);
}

static QccStatus check_body(Verifier *v, const QccOp *op)
{
    const QccGraph *body = op->body;
    if (!body || body->parent != op || body->nparam != op->nin || !qcc_graph_yield(body))
        return qcc_op_error(op, "'%s' needs a body with a parameter for each operand and a yield",
                            op->def->name);
    for (int i = 0; i < body->nparam; i++) {
        QccValue *param = body->param[i];
        if (param->type != qcc_body_param_type(op, i))
            return qcc_op_error(op,
                                "'%s' has a body whose parameter %d is not of its operand's type",
                                op->def->name, i);
        QCC_TRY(check_value(v, op->loc, param, body));
    }
    return op->def->traits & QCC_TRAIT_LOOP ? check_loop(v, op) : check_fused(v, op);
}

static QccStatus verify_op(Verifier *v, QccOp *op, const QccGraph *g)
{
    if (op->graph != g || (op->next && op->next->prev != op) || (!op->next && g->last != op))
        return qcc_error(&v->ir->diags, op->loc, "the list of ops of '%s' is broken", g->name);
    if (!op->next != !!(op->def->traits & QCC_TRAIT_TERMINATOR))
        return qcc_error(&v->ir->diags, op->loc,
                         op->next ? "'%s' before the end of its graph"
                                  : "'%s' at the end of a graph; wanted its results",
                         op->def->name);
    QCC_TRY(check_operand_count(op));
    QCC_TRY(check_uses(v, op));
    if (op->def->traits & QCC_TRAIT_BODY) QCC_TRY(check_body(v, op));
    QCC_TRY(check_types(v, op));
    if (op->def->traits & QCC_TRAIT_CONSTANT) QCC_TRY(check_const(op));
    QCC_TRY(check_bias(op));
    for (int i = 0; i < op->nout; i++) QCC_TRY(check_value(v, op->loc, &op->out[i], g));
    return QCC_OK;
}

static QccStatus verify_ops(Verifier *v, const QccGraph *g)
{
    if (!g->last)
        return qcc_error(&v->ir->diags, (QccLoc){0}, "graph '%s' returns nothing", g->name);
    for (QccOp *op = g->first; op; op = op->next) QCC_TRY(verify_op(v, op, g));
    return QCC_OK;
}

QccStatus qcc_graph_verify(const QccGraph *g)
{
    Verifier v = {.ir = g->ir, .arena = qcc_arena_sub(g->arena), .root = g};
    qcc_table_init(&v.seen, v.arena);
    QccStatus status = QCC_OK;
    for (int i = 0; i < g->nsymbol && status == QCC_OK; i++) {
        const QccSymbol *s = g->symbol[i];
        if (s->min < 1 || s->min > s->max)
            status =
                qcc_error(&g->ir->diags, (QccLoc){0}, "symbol '%s' has no values in %lld..%lld",
                          s->name, (long long)s->min, (long long)s->max);
    }
    for (int i = 0; i < g->nparam && status == QCC_OK; i++)
        status = check_value(&v, (QccLoc){0}, g->param[i], g);
    if (status == QCC_OK) status = verify_ops(&v, g);
    qcc_arena_free(v.arena);
    return status;
}
