/* layout - lets transpositions sink until they cancel, and reshapes behind what they part.
 *
 * Importers put a transposition before every op that wants channels last, and one behind it. Here
 *
 *   op(T(x), T(y), constant)  ->  T(op'(x, y, T^-1(constant)))
 *
 * for map ops, for quantize and dequantize, and for every op whose `permute` hook rewrites its
 * attributes; T^-1(T(x)) is x, T(constant) is a constant. What is left stands at the graph's
 * borders and before ops for which the order of dimensions means something. Likewise
 *
 *   map(R(x), y, constant)  ->  R(map(x, R^-1(y), constant))
 *
 * where a reshape stands between the op that computes x and a step that could follow it at once.
 */
#include <string.h>

#include "passes/rewrite.h"

enum { MOVED, CANCELLED, STATS, MAX_ROUNDS = 10000 };

typedef struct Layout {
    QccPassCtx *ctx;
    QccGraph *g;
    QccArena *scratch;
} Layout;

static const QccInts *perm_of(const QccOp *transpose)
{
    return &QCC_ATTRS(transpose, QccPermAttrs)->perm;
}

static bool equal(const QccInts *a, const QccInts *b)
{
    return a->n == b->n && !memcmp(a->v, b->v, (size_t)a->n * sizeof *a->v);
}

static QccInts inverse_of(const QccInts *perm)
{
    QccInts inverse = {.n = perm->n};
    for (int i = 0; i < perm->n; i++) inverse.v[perm->v[i]] = i;
    return inverse;
}

static bool is_one(const QccDim *d)
{
    return d->n == 1 && !d->sym[0];
}

/* Whether transposing a value of type t moves extents of 1 only: then it is a reshape. */
static bool moves_ones_only(const QccType *t, const QccInts *perm)
{
    int64_t last = -1;
    for (int i = 0; i < perm->n; i++) {
        if (is_one(&t->dim[perm->v[i]])) continue;
        if (perm->v[i] < last) return false;
        last = perm->v[i];
    }
    return true;
}

/* ---- may it sink --------------------------------------------------------------------------- */

/* Whether the op's meaning does not depend on the order of dimensions. */
static bool is_map(const QccOp *op)
{
    return op->def->map != NULL;
}

static bool is_single_pair(const QccType *t)
{
    return !t->quant || qcc_quant_is_tensor(t->quant, NULL, NULL);
}

/* The permutation that an operand arrives through; NULL: none. */
static const QccInts *arrives_by(const QccValue *value)
{
    QccOp *op = qcc_def_is(value, &qcc_op_transpose);
    return op && is_single_pair(op->out[0].type) ? perm_of(op) : NULL;
}

/* Whether operand `value` of a map op, which arrives by no transposition, can be given the order of
 * the others: constants and single numbers at no cost, what has extents of 1 by a reshape. */
static bool adapts(const QccValue *value, const QccInts *perm)
{
    int64_t dim[QCC_MAX_RANK];
    if (!is_single_pair(value->type) || value->type->rank > perm->n) return false;
    if (!qcc_type_extents(value->type, dim)) {
        return value->type->rank == perm->n && moves_ones_only(value->type, perm);
    }
    if (qcc_value_const(value) || qcc_type_count(value->type) == 1) return true;
    return value->type->rank == perm->n && moves_ones_only(value->type, perm);
}

/* Whether an operand is a vector along some axis, as batchnorm's parameters are: the op's
 * attributes say which axis, so its own order stays. */
static bool is_side_vector(const QccOp *op, const QccValue *value, const QccInts *perm)
{
    return !is_map(op) && value->type->rank < perm->n && qcc_value_const(value);
}

/* The permutation that can sink through op, or NULL. */
static const QccInts *sinks_through(const QccOp *op)
{
    if (op->nout != 1 || op->body || qcc_op_is(op, &qcc_op_transpose)) return NULL;
    if (!is_map(op) && !op->def->permute) return NULL;
    if (!is_single_pair(op->out[0].type)) return NULL;
    const QccInts *perm = NULL;
    int others = 0, arrived = 0;
    for (int i = 0; i < op->nin; i++) {
        const QccValue *value = qcc_op_in(op, i);
        const QccInts *by = value ? arrives_by(value) : NULL;
        if (!by) continue;
        if (perm && !equal(perm, by)) return NULL;
        perm = by;
        arrived++;
    }
    if (!perm || op->out[0].type->rank != perm->n) return NULL;
    QccInts inverse = inverse_of(perm);
    for (int i = 0; i < op->nin; i++) {
        const QccValue *value = qcc_op_in(op, i);
        if (!value || arrives_by(value)) continue;
        if (is_side_vector(op, value, perm)) continue;
        if (adapts(value, &inverse)) continue;
        if (value->type->rank != perm->n || !is_single_pair(value->type)) return NULL;
        others++;
    }
    /* Every other operand costs a transposition, every one that arrives saves one. */
    return others <= arrived - 1 ? perm : NULL;
}

/* ---- sinking ------------------------------------------------------------------------------- */

/* Operand `value` in the order before the transposition by perm. */
static QccStatus undo(Layout *l, QccOp *op, QccValue *value, const QccInts *perm, QccValue **out)
{
    if (arrives_by(value)) {
        *out = value->def->in[0].value;
        return QCC_OK;
    }
    QccInts inverse = inverse_of(perm);
    int64_t dim[QCC_MAX_RANK], full[QCC_MAX_RANK];
    int rank = value->type->rank;
    *out = value;
    if (is_side_vector(op, value, perm)) return QCC_OK;
    if (qcc_type_extents(value->type, dim) && rank < perm->n) {
        if (qcc_type_count(value->type) == 1 && rank == 0) return QCC_OK;
        for (int i = 0; i < perm->n; i++)
            full[i] = i < perm->n - rank ? 1 : dim[i - perm->n + rank];
        QCC_TRY(qcc_make_reshape(out, l->g, op, value, perm->n, full, l->scratch));
    }
    QCC_TRY(qcc_make_transpose(out, l->g, op, *out, &inverse, l->scratch));
    if (qcc_value_const(*out)) {
        qcc_value_rename(*out, qcc_sprintf(l->g->arena, "%s.t", value->name));
    }
    return QCC_OK;
}

/* Puts `move(op(in))` in the place of op: of op's quantization, range and name. */
static QccStatus replace_below(Layout *l, QccOp *op, QccValue *const *in, const void *attrs,
                               const QccOpDef *move, const void *move_attrs)
{
    QccValue *result, *moved;
    const QccType *old = op->out[0].type;
    QCC_TRY(qcc_make(&result, l->g, op, op->def, op->loc, in, op->nin, attrs));
    if (old->quant) {
        qcc_value_set_type(result,
                           qcc_type_quantized(l->g->ir, result->type, old->dtype, old->quant));
    }
    if (op->out[0].has_range) qcc_value_set_range(result, op->out[0].lo, op->out[0].hi);
    const char *name = op->out[0].name;
    QCC_TRY(qcc_make(&moved, l->g, op, move, op->loc, &result, 1, move_attrs));
    if (old->quant) {
        qcc_value_set_type(moved,
                           qcc_type_quantized(l->g->ir, moved->type, old->dtype, old->quant));
    }
    qcc_op_replace(op, moved);
    /* The op's name stays with what computes; the move is called after it. */
    qcc_value_rename(moved, qcc_sprintf(l->g->arena, "%s.t", name));
    qcc_value_rename(result, name);
    qcc_pass_count(l->ctx, MOVED, 1);
    return QCC_OK;
}

static QccStatus sink(Layout *l, QccOp *op, const QccInts *by, bool *done)
{
    QccInts perm = *by;
    QccValue **in = QCC_NEW_ARRAY(l->scratch, op->nin + 1, QccValue *);
    int old_to_new[QCC_MAX_RANK];
    QccInts inverse = inverse_of(&perm);
    for (int i = 0; i < perm.n; i++) old_to_new[i] = (int)inverse.v[i];

    /* The hook sees the op as it stands and may refuse; the attributes are kept until then. */
    void *attrs = qcc_alloc(l->scratch, op->def->attr_size + 1);
    if (op->def->attr_size) memcpy(attrs, op->attrs, op->def->attr_size);
    *done = false;
    if (!is_map(op) && !op->def->permute(op, old_to_new, perm.n)) return QCC_OK;
    void *permuted = qcc_alloc(l->scratch, op->def->attr_size + 1);
    if (op->def->attr_size) {
        memcpy(permuted, op->attrs, op->def->attr_size);
        memcpy(op->attrs, attrs, op->def->attr_size);
    }

    for (int i = 0; i < op->nin; i++) {
        QccValue *value = qcc_op_in(op, i);
        if (value) QCC_TRY(undo(l, op, value, &perm, &in[i]));
    }
    QccPermAttrs after = {.perm = perm};
    *done = true;
    return replace_below(l, op, in, permuted, &qcc_op_transpose, &after);
}

/* ---- reshapes ------------------------------------------------------------------------------ */

/* Whether only steps read the value, `besides` apart. */
static bool only_steps_read(const QccValue *value, const QccOp *besides)
{
    for (const QccUse *use = value->uses; use; use = use->next)
        if (use->user != besides && !is_map(use->user)) return false;
    return true;
}

/* Whether a step may follow what computes the value at once. `besides` reads it too. */
static bool may_be_followed(const QccValue *value, const QccOp *besides)
{
    const QccOp *op = value->def;
    bool computed = op && (is_map(op) || op->def->traits & QCC_TRAIT_CONTRACTION);
    return computed && only_steps_read(value, besides);
}

/* The reshape that operand `value` of a step arrives through, when what computes its operand could
 * be followed by the step; or NULL. */
static QccOp *parted_by(const QccValue *value)
{
    QccOp *reshape = qcc_def_is(value, &qcc_op_reshape);
    if (!reshape || !is_single_pair(value->type) || !only_steps_read(value, NULL)) return NULL;
    return may_be_followed(reshape->in[0].value, reshape) ? reshape : NULL;
}

/* The extents of a type as those of a reshape: one symbolic one is what is left. */
static bool as_shape(const QccType *t, QccShapeAttrs *attrs)
{
    int open = 0;
    *attrs = (QccShapeAttrs){.shape.n = t->rank};
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i].n == 0) return false; /* would mean: copy */
        bool symbolic = t->dim[i].sym[0] != NULL;
        attrs->shape.v[i] = symbolic ? -1 : t->dim[i].n;
        open += symbolic;
    }
    return open <= 1;
}

/* Whether an operand means the same beside values of type `to` as beside those of type `from`: a
 * single number, or extents of the last dimensions, which the reshape leaves alone. */
static bool broadcasts_alike(const QccType *t, const QccType *from, const QccType *to)
{
    if (t->rank > to->rank) return false;
    int first = 0;
    while (first < t->rank && is_one(&t->dim[first])) first++;
    for (int k = 1; k <= t->rank - first; k++) {
        if (!qcc_dim_equal(&from->dim[from->rank - k], &to->dim[to->rank - k])) return false;
    }
    return true;
}

/* Whether operand `value` of a step can stand beside what is before the reshape. Not so what the
 * step could follow as well: one of the two is parted from it in any case. */
static bool stands_beside(const QccValue *value, const QccOp *reshape)
{
    const QccType *from = reshape->out[0].type, *to = reshape->in[0].value->type;
    if (!value || !is_single_pair(value->type)) return false;
    if (broadcasts_alike(value->type, from, to)) return true;
    return qcc_type_same_shape(value->type, from) &&
           (qcc_def_is(value, &qcc_op_reshape) || !may_be_followed(value, NULL));
}

/* A value of the reshape's result's extents in those of its operand. */
static QccStatus undo_reshape(Layout *l, QccOp *op, const QccOp *reshape, QccValue *value,
                              QccValue **out)
{
    const QccType *to = reshape->in[0].value->type, *type = value->type;
    const QccOp *by = qcc_def_is(value, &qcc_op_reshape);
    QccShapeAttrs attrs;
    *out = by ? by->in[0].value : value;
    if (qcc_type_same_shape((*out)->type, to)) return QCC_OK;
    *out = value;
    if (!qcc_type_same_shape(type, reshape->out[0].type)) return QCC_OK;
    as_shape(to, &attrs);
    QCC_TRY(qcc_make(out, l->g, op, &qcc_op_reshape, op->loc, &value, 1, &attrs));
    if (type->quant)
        qcc_value_set_type(*out,
                           qcc_type_quantized(l->g->ir, (*out)->type, type->dtype, type->quant));
    return QCC_OK;
}

static QccStatus sink_reshape(Layout *l, QccOp *op, bool *done)
{
    QccOp *reshape = NULL;
    QccShapeAttrs unused;
    *done = false;
    if (!is_map(op) || op->nout != 1 || !is_single_pair(op->out[0].type)) return QCC_OK;
    for (int i = 0; i < op->nin && !reshape; i++)
        if (op->in[i].value) reshape = parted_by(op->in[i].value);
    if (!reshape || !qcc_type_same_shape(op->out[0].type, reshape->out[0].type)) return QCC_OK;
    if (!as_shape(reshape->in[0].value->type, &unused)) return QCC_OK;
    for (int i = 0; i < op->nin; i++)
        if (!stands_beside(op->in[i].value, reshape)) return QCC_OK;
    QccValue **in = QCC_NEW_ARRAY(l->scratch, op->nin, QccValue *);
    for (int i = 0; i < op->nin; i++)
        QCC_TRY(undo_reshape(l, op, reshape, op->in[i].value, &in[i]));
    *done = true;
    return replace_below(l, op, in, op->attrs, &qcc_op_reshape, reshape->attrs);
}

/* ---- cancelling ---------------------------------------------------------------------------- */

/* T1(T2(x)) -> T(x), or x. */
static QccStatus merge(Layout *l, QccOp *op, bool *done)
{
    const QccInts *second = perm_of(op);
    QccValue *x = op->in[0].value;
    QccOp *inner = qcc_def_is(x, &qcc_op_transpose);
    QccInts both = *second;
    bool identity = true;
    *done = false;
    if (inner) {
        for (int i = 0; i < both.n; i++) both.v[i] = perm_of(inner)->v[second->v[i]];
        x = inner->in[0].value;
    }
    for (int i = 0; i < both.n; i++) identity = identity && both.v[i] == i;
    if (!inner && !identity) return QCC_OK;
    if (!identity) {
        const QccType *old = op->out[0].type;
        QccPermAttrs attrs = {.perm = both};
        QCC_TRY(qcc_make(&x, l->g, op, &qcc_op_transpose, op->loc, &x, 1, &attrs));
        if (old->quant) {
            qcc_value_set_type(x, qcc_type_quantized(l->g->ir, x->type, old->dtype, old->quant));
        }
    } else if (x->type != op->out[0].type) {
        return QCC_OK;
    }
    qcc_op_replace(op, x);
    qcc_pass_count(l->ctx, CANCELLED, identity ? 2 : 1);
    *done = true;
    return QCC_OK;
}

/* T(constant), T(dequantize(constant)), T(dequantize(quantize(constant))): the constant moves. */
static QccStatus move_into_constant(Layout *l, QccOp *op, bool *done)
{
    QccOp *chain[3];
    int n = 0;
    QccValue *value = op->in[0].value;
    *done = false;
    while (n < 2 &&
           (qcc_def_is(value, &qcc_op_dequantize) || qcc_def_is(value, &qcc_op_quantize))) {
        chain[n++] = value->def;
        value = value->def->in[0].value;
    }
    if (!qcc_value_const(value)) return QCC_OK;
    QccInts perm = *perm_of(op);
    QccValue *moved;
    QCC_TRY(qcc_make_transpose(&moved, l->g, op, value, &perm, l->scratch));
    /* A quantization per index of an axis follows the axis. */
    for (int i = n - 1; i >= 0; i--) {
        const QccType *old = chain[i]->out[0].type;
        QCC_TRY(qcc_make(&moved, l->g, op, chain[i]->def, chain[i]->loc, &moved, 1, NULL));
        if (!old->quant) continue;
        const QccQuant *q = old->quant;
        for (int k = 0; k < perm.n; k++) {
            if (old->quant->block[perm.v[k]] != 1) continue;
            q = qcc_quant_axis(l->g->ir, old->dtype, perm.n, k, old->dim[perm.v[k]].n,
                               old->quant->scale->data, old->quant->zero->data, old->quant->qmin,
                               old->quant->qmax);
        }
        qcc_value_set_type(moved, qcc_type_quantized(l->g->ir, moved->type, old->dtype, q));
    }
    qcc_op_replace(op, moved);
    qcc_pass_count(l->ctx, CANCELLED, 1);
    *done = true;
    return QCC_OK;
}

/* reshape(T(x)) -> reshape(x) when T moves extents of 1 only. */
static QccStatus reshape_of_ones(Layout *l, QccOp *op, bool *done)
{
    QccOp *inner = qcc_def_is(op->in[0].value, &qcc_op_transpose);
    int64_t dim[QCC_MAX_RANK];
    *done = false;
    if (!inner || op->out[0].type->quant) return QCC_OK;
    QccValue *x = inner->in[0].value, *result;
    const QccType *t = op->out[0].type;
    if (!moves_ones_only(x->type, perm_of(inner))) return QCC_OK;
    if (qcc_type_extents(t, dim)) {
        for (int i = 0; i < t->rank; i++) {
            if (dim[i] == 0) return QCC_OK;
        }
        QCC_TRY(qcc_make_reshape(&result, l->g, op, x, t->rank, dim, l->scratch));
    } else {
        /* With a symbol the attribute may copy extents by their place; places must agree. */
        const QccShapeAttrs *a = op->attrs;
        for (int i = 0; i < a->shape.n; i++) {
            if (a->shape.v[i] == 0 && !qcc_dim_equal(&x->type->dim[i], &inner->out[0].type->dim[i]))
                return QCC_OK;
        }
        QCC_TRY(qcc_make(&result, l->g, op, &qcc_op_reshape, op->loc, &x, 1, a));
        if (result->type != t) return QCC_OK;
    }
    qcc_op_replace(op, result);
    qcc_pass_count(l->ctx, CANCELLED, 1);
    *done = true;
    return QCC_OK;
}

/* fc(reshape(T(x)), w): the reshape makes rows of all but the first dimension. The columns of w are
 * put in the order before T instead. */
static QccStatus flatten_into_weights(Layout *l, QccOp *op, bool *done)
{
    QccOp *reshape = qcc_def_is(op->in[0].value, &qcc_op_reshape);
    QccOp *inner = reshape ? qcc_def_is(reshape->in[0].value, &qcc_op_transpose) : NULL;
    const float *unused;
    QccValue *w = op->in[1].value;
    *done = false;
    if (!inner || !qcc_const_is_f32(w, &unused)) return QCC_OK;
    const QccInts *perm = perm_of(inner);
    const QccType *flat = reshape->out[0].type, *t = inner->out[0].type;
    QccValue *x = inner->in[0].value;
    if (flat->rank != 2 || perm->v[0] != 0 || !qcc_dim_equal(&flat->dim[0], &t->dim[0]))
        return QCC_OK;
    if (flat->quant || t->quant || qcc_sole_user(&reshape->out[0]) != op) return QCC_OK;

    /* w[n, k] as w[n, dimensions behind T], transposed back, as w[n, k] again. */
    QccInts order = inverse_of(perm);
    int64_t apart[QCC_MAX_RANK], together[2] = {w->type->dim[0].n, w->type->dim[1].n};
    apart[0] = together[0];
    for (int i = 1; i < t->rank; i++) {
        if (t->dim[i].sym[0] || t->dim[i].n == 0) return QCC_OK;
        apart[i] = t->dim[i].n;
    }
    const char *name = w->name;
    QCC_TRY(qcc_make_reshape(&w, l->g, op, w, t->rank, apart, l->scratch));
    QCC_TRY(qcc_make_transpose(&w, l->g, op, w, &order, l->scratch));
    QCC_TRY(qcc_make_reshape(&w, l->g, op, w, 2, together, l->scratch));
    QccValue *row;
    QccShapeAttrs attrs = {.shape = {.n = 2, .v = {0, -1}}};
    QCC_TRY(qcc_make(&row, l->g, op, &qcc_op_reshape, reshape->loc, &x, 1, &attrs));
    if (reshape->out[0].has_range) {
        qcc_value_set_range(row, reshape->out[0].lo, reshape->out[0].hi);
    }
    const char *flat_name = reshape->out[0].name;
    qcc_value_rename(&reshape->out[0], qcc_sprintf(l->g->arena, "%s.old", flat_name));
    qcc_value_rename(row, flat_name);
    qcc_op_set_operand(op, 0, row);
    qcc_op_set_operand(op, 1, w);
    qcc_value_rename(w, qcc_sprintf(l->g->arena, "%s.t", name));
    qcc_pass_count(l->ctx, CANCELLED, 1);
    *done = true;
    return QCC_OK;
}

static bool is_reduction_by_axes(const QccOp *op)
{
    static const QccOpDef *const defs[] = {&qcc_op_reduce_max, &qcc_op_reduce_mean,
                                           &qcc_op_reduce_min, &qcc_op_reduce_sum};
    for (size_t i = 0; i < sizeof defs / sizeof *defs; i++) {
        if (op->def == defs[i]) return true;
    }
    return false;
}

/* reduce(T(x)) over axes that go away -> reduce'(x), when the dimensions that stay keep their
 * order.
 */
static QccStatus reduce_away(Layout *l, QccOp *op, bool *done)
{
    QccOp *inner = qcc_def_is(op->in[0].value, &qcc_op_transpose);
    QccReduceAttrs attrs = *QCC_ATTRS(op, QccReduceAttrs);
    *done = false;
    if (!inner || attrs.keep || op->out[0].type->quant || attrs.axes.n == 0) return QCC_OK;
    const QccInts *perm = perm_of(inner);
    bool reduced[QCC_MAX_RANK] = {0};
    for (int i = 0; i < attrs.axes.n; i++) {
        int64_t axis = attrs.axes.v[i];
        if (axis < 0 || axis >= perm->n) return QCC_OK;
        reduced[axis] = true;
    }
    int64_t last = -1;
    bool over[QCC_MAX_RANK] = {0};
    for (int i = 0; i < perm->n; i++) {
        over[perm->v[i]] = reduced[i];
        if (reduced[i]) continue;
        if (perm->v[i] < last) return QCC_OK;
        last = perm->v[i];
    }
    attrs.axes.n = 0;
    for (int i = 0; i < perm->n; i++) {
        if (over[i]) attrs.axes.v[attrs.axes.n++] = i;
    }
    QccValue *x = inner->in[0].value, *result;
    QCC_TRY(qcc_make(&result, l->g, op, op->def, op->loc, &x, 1, &attrs));
    qcc_op_replace(op, result);
    qcc_pass_count(l->ctx, CANCELLED, 1);
    *done = true;
    return QCC_OK;
}

/* ---- the pass ------------------------------------------------------------------------------ */

static QccStatus visit(Layout *l, QccOp *op, bool *done)
{
    *done = false;
    if (op->def == &qcc_op_transpose) {
        QCC_TRY(move_into_constant(l, op, done));
        return *done ? QCC_OK : merge(l, op, done);
    }
    if (op->def == &qcc_op_reshape) return reshape_of_ones(l, op, done);
    if (op->def == &qcc_op_fc) return flatten_into_weights(l, op, done);
    if (is_reduction_by_axes(op)) {
        QCC_TRY(reduce_away(l, op, done));
        if (*done) return QCC_OK;
    }
    const QccInts *perm = sinks_through(op);
    return perm ? sink(l, op, perm, done) : sink_reshape(l, op, done);
}

/* A transposition that only moves extents of 1 is a view: says so. */
static QccStatus view_of_ones(Layout *l, QccOp *op)
{
    QccValue *x = op->in[0].value, *view;
    int64_t dim[QCC_MAX_RANK];
    const QccType *t = op->out[0].type;
    if (t->quant || !qcc_type_extents(t, dim) || !moves_ones_only(x->type, perm_of(op)))
        return QCC_OK;
    for (int i = 0; i < t->rank; i++) {
        if (dim[i] == 0) return QCC_OK; /* would mean: copy */
    }
    QCC_TRY(qcc_make_reshape(&view, l->g, op, x, t->rank, dim, l->scratch));
    qcc_op_replace(op, view);
    return QCC_OK;
}

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    (void)opts;
    Layout l = {.ctx = ctx, .g = g, .scratch = qcc_pass_scratch(ctx)};
    bool changed = true;
    for (int round = 0; changed && round < MAX_ROUNDS; round++) {
        changed = false;
        /* In topological order a transposition sinks as far as it can in one round. */
        QCC_FOR_OPS(op, g)
        {
            bool done;
            QCC_TRY(visit(&l, op, &done));
            changed = changed || done;
        }
        changed = qcc_remove_dead(g) > 0 || changed;
    }
    QCC_FOR_OPS(op, g)
    {
        if (op->def == &qcc_op_transpose) QCC_TRY(view_of_ones(&l, op));
    }
    return QCC_OK;
}

const QccPassDef qcc_pass_layout = {
    .abi = QCC_PASS_ABI,
    .name = "layout",
    .summary =
        "let transpositions sink until they cancel, and reshapes behind the steps of a chain",
    .stats = (const char *const[]){[MOVED] = "ops in another order",
                                   [CANCELLED] = "transpositions cancelled",
                                   [STATS] = NULL},
    .run = run,
};
