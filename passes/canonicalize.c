/* canonicalize - brings what means the same into one form.
 *
 * A table of small rules, each for one op; a rule gives the value that takes the op's place, or
 * none. The rules are tried until no one fires. Every rule keeps f32 results to the bit, except for
 * three that are marked "rounds": they change the last digit of an f32, never a quantized model.
 */
#include <math.h>
#include <string.h>

#include "passes/rewrite.h"

typedef struct Rule {
    const QccOpDef *def;
    /* *to: the value that takes the place of the op's result; unchanged (NULL): does not apply. */
    QccStatus (*apply)(QccPassCtx *ctx, QccOp *op, QccValue **to);
} Rule;

static QccValue *operand(const QccOp *op, int i)
{
    return op->in[i].value;
}

static bool same_type(const QccValue *a, const QccValue *b)
{
    return a->type == b->type;
}

/* The other operand when one of the two is a constant that is x everywhere and adds no dimensions.
 */
static QccValue *beside_splat(const QccOp *op, float x, bool commutes)
{
    for (int i = commutes ? 0 : 1; i < 2; i++) {
        float found;
        if (!qcc_const_is_splat(operand(op, i), &found) || found != x) continue;
        QccValue *other = operand(op, 1 - i);
        if (same_type(other, &op->out[0])) return other;
    }
    return NULL;
}

/* ---- arithmetic ---------------------------------------------------------------------------- */

/* x + 0 -> x. The zero must be -0 for x = -0 to stay, which nothing quantized can tell. (rounds) */
static QccStatus add_zero(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    (void)ctx;
    *to = beside_splat(op, 0, true);
    return QCC_OK;
}

static QccStatus sub_zero(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    (void)ctx;
    *to = beside_splat(op, 0, false);
    return QCC_OK;
}

static QccStatus mul_one(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    (void)ctx;
    *to = beside_splat(op, 1, true);
    return QCC_OK;
}

/* x / 1 -> x; x / c -> x * (1 / c) where the reciprocal is exact: c a power of two. */
static QccStatus div_by_const(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    *to = beside_splat(op, 1, false);
    const float *data;
    QccValue *divisor = operand(op, 1);
    if (*to || !qcc_const_is_f32(divisor, &data)) return QCC_OK;
    int64_t n = qcc_type_count(divisor->type), dim[QCC_MAX_RANK];
    float *inverse = QCC_NEW_ARRAY(qcc_pass_scratch(ctx), n + 1, float);
    for (int64_t i = 0; i < n; i++) {
        int exponent;
        if (fabsf(frexpf(data[i], &exponent)) != 0.5f) return QCC_OK;
        inverse[i] = 1 / data[i];
        if (!isnormal(inverse[i])) return QCC_OK;
    }
    qcc_type_extents(divisor->type, dim);
    QccValue *in[] = {operand(op, 0), qcc_const_f32(op->graph, op, divisor->name,
                                                    divisor->type->rank, dim, inverse)};
    return qcc_make(to, op->graph, op, &qcc_op_mul, op->loc, in, 2, NULL);
}

/* x - c -> x + (-c): exact, and add may carry a bias. */
static QccStatus sub_const(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    QCC_TRY(sub_zero(ctx, op, to));
    const float *data;
    QccValue *c = operand(op, 1);
    if (*to || !qcc_const_is_f32(c, &data)) return QCC_OK;
    int64_t n = qcc_type_count(c->type), dim[QCC_MAX_RANK];
    float *negated = QCC_NEW_ARRAY(qcc_pass_scratch(ctx), n + 1, float);
    for (int64_t i = 0; i < n; i++) negated[i] = -data[i];
    qcc_type_extents(c->type, dim);
    QccValue *in[] = {operand(op, 0),
                      qcc_const_f32(op->graph, op, c->name, c->type->rank, dim, negated)};
    return qcc_make(to, op->graph, op, &qcc_op_add, op->loc, in, 2, NULL);
}

/* clip to [0, inf) -> relu; clip without bounds -> x. */
static QccStatus clip_to_relu(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    (void)ctx;
    const QccScalarAttrs *a = QCC_ATTRS(op, QccScalarAttrs);
    QccValue *x = operand(op, 0);
    if (isinf(a->lo) && isinf(a->hi) && a->lo < 0 && a->hi > 0) *to = x;
    if (*to || a->lo != 0 || !isinf(a->hi)) return QCC_OK;
    return qcc_make(to, op->graph, op, &qcc_op_relu, op->loc, &x, 1, NULL);
}

/* min(max(x, lo), hi) with constants: max or min of a constant -> clip. */
static QccStatus bound_to_clip(QccOp *op, bool lower, QccValue **to)
{
    for (int i = 0; i < 2; i++) {
        float bound;
        QccValue *x = operand(op, 1 - i);
        if (!qcc_const_is_splat(operand(op, i), &bound) || isnan(bound)) continue;
        if (!same_type(x, &op->out[0]) || x->type->dtype != QCC_F32) continue;
        QccScalarAttrs a;
        memset(&a, 0, sizeof a);
        qcc_fields_init(op->graph->arena, qcc_op_clip.attrs, &a);
        a.lo = lower ? (double)bound : -INFINITY;
        a.hi = lower ? INFINITY : (double)bound;
        return qcc_make(to, op->graph, op, &qcc_op_clip, op->loc, &x, 1, &a);
    }
    return QCC_OK;
}

static QccStatus max_to_clip(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    (void)ctx;
    return bound_to_clip(op, true, to);
}

static QccStatus min_to_clip(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    (void)ctx;
    return bound_to_clip(op, false, to);
}

/* clip(clip(x)) and clip(relu(x)) -> one clip, when the inner range reaches into the outer one. */
static QccStatus clip_of_clip(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    QCC_TRY(clip_to_relu(ctx, op, to));
    QccOp *inner = operand(op, 0)->def;
    bool of_relu = qcc_op_is(inner, &qcc_op_relu), of_clip = qcc_op_is(inner, &qcc_op_clip);
    if (*to || (!of_relu && !of_clip) || operand(op, 0)->type->quant) return QCC_OK;
    QccScalarAttrs a = *QCC_ATTRS(op, QccScalarAttrs);
    double lo = of_relu ? 0 : QCC_ATTRS(inner, QccScalarAttrs)->lo;
    double hi = of_relu ? INFINITY : QCC_ATTRS(inner, QccScalarAttrs)->hi;
    a.lo = a.lo > lo ? a.lo : lo;
    a.hi = a.hi < hi ? a.hi : hi;
    if (a.lo > a.hi) return QCC_OK;
    QccValue *x = operand(inner, 0);
    return qcc_make(to, op->graph, op, &qcc_op_clip, op->loc, &x, 1, &a);
}

/* relu(relu(x)) -> relu(x); relu(clip(x, lo, hi)) -> clip(x, max(lo, 0), hi) */
static QccStatus relu_of_bounded(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    (void)ctx;
    QccValue *x = operand(op, 0);
    QccOp *clip = qcc_def_is(x, &qcc_op_clip);
    if (x->type->quant) return QCC_OK;
    if (qcc_def_is(x, &qcc_op_relu)) *to = x;
    if (!clip) return QCC_OK;
    QccScalarAttrs a = *QCC_ATTRS(clip, QccScalarAttrs);
    if (a.lo >= 0) {
        *to = x;
    } else if (a.hi >= 0) {
        QccValue *in = operand(clip, 0);
        a.lo = 0;
        return qcc_make(to, op->graph, op, &qcc_op_clip, op->loc, &in, 1, &a);
    }
    return QCC_OK;
}

/* What the value is half of: v of v * 1/2; else NULL. */
static QccValue *whole_of(const QccValue *value)
{
    const QccOp *mul = qcc_def_is(value, &qcc_op_mul);
    return mul ? beside_splat(mul, 0.5f, true) : NULL;
}

/* x of 1 + erf(x / sqrt 2), which is twice the normal distribution; else NULL. */
static QccValue *normal_of(const QccValue *value)
{
    const QccOp *add = qcc_def_is(value, &qcc_op_add);
    const QccOp *erf = add ? qcc_def_is(beside_splat(add, 1, true), &qcc_op_erf) : NULL;
    if (!erf) return NULL;
    const QccOp *div = qcc_def_is(operand(erf, 0), &qcc_op_div);
    const QccOp *mul = qcc_def_is(operand(erf, 0), &qcc_op_mul);
    if (div) return beside_splat(div, 1.41421356f, false);
    return mul ? beside_splat(mul, 0.70710678f, true) : NULL;
}

/* x * 1/2 * (1 + erf(x / sqrt 2)), multiplied in whatever order -> gelu. (rounds: the division
 * becomes a product, and products change places) */
static QccStatus mul_to_gelu(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    QCC_TRY(mul_one(ctx, op, to));
    QccValue *outer = whole_of(&op->out[0]);
    const QccOp *mul = outer ? qcc_def_is(outer, &qcc_op_mul) : op;
    for (int i = 0; i < 2 && mul && !*to; i++) {
        QccValue *a = operand(mul, i), *b = operand(mul, 1 - i);
        QccValue *whole = outer ? a : whole_of(a);
        if (!whole || (normal_of(whole) != b && normal_of(b) != whole)) continue;
        QccValue *x = normal_of(b) == whole ? whole : b;
        if (x->type->dtype != QCC_F32 || !same_type(x, &op->out[0])) continue;
        QccGeluAttrs attrs = {.tanh = false};
        QCC_TRY(qcc_make(to, op->graph, op, &qcc_op_gelu, op->loc, &x, 1, &attrs));
    }
    return QCC_OK;
}

/* ---- shapes -------------------------------------------------------------------------------- */

/* transpose by the identity -> x; transpose of transpose -> one. */
static QccStatus merge_transposes(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    const QccInts *perm = &QCC_ATTRS(op, QccPermAttrs)->perm;
    QccValue *x = operand(op, 0);
    bool identity = true;
    for (int i = 0; i < perm->n; i++) identity = identity && perm->v[i] == i;
    if (identity) {
        if (same_type(x, &op->out[0])) *to = x;
        return QCC_OK;
    }
    QccOp *inner = qcc_def_is(x, &qcc_op_transpose);
    if (!inner || x->type->quant) return QCC_OK;
    const QccInts *first = &QCC_ATTRS(inner, QccPermAttrs)->perm;
    QccInts both = {.n = perm->n};
    for (int i = 0; i < perm->n; i++) both.v[i] = first->v[perm->v[i]];
    return qcc_make_transpose(to, op->graph, op, operand(inner, 0), &both, qcc_pass_scratch(ctx));
}

/* reshape to the same shape -> x; reshape of reshape -> one, when the extents are known. */
static QccStatus merge_reshapes(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    QccValue *x = operand(op, 0);
    if (same_type(x, &op->out[0])) {
        *to = x;
        return QCC_OK;
    }
    QccOp *inner = qcc_def_is(x, &qcc_op_reshape);
    int64_t dim[QCC_MAX_RANK];
    if (!inner || x->type->quant || !qcc_type_extents(op->out[0].type, dim)) return QCC_OK;
    for (int i = 0; i < op->out[0].type->rank; i++) {
        if (dim[i] == 0) return QCC_OK; /* 0 would mean: copy */
    }
    return qcc_make_reshape(to, op->graph, op, operand(inner, 0), op->out[0].type->rank, dim,
                            qcc_pass_scratch(ctx));
}

/* An op that leaves shape and elements as they are. */
static QccStatus drop_if_same_type(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    (void)ctx;
    if (op->nin == 1 && same_type(operand(op, 0), &op->out[0])) *to = operand(op, 0);
    return QCC_OK;
}

static QccStatus drop_whole_slice(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    const QccInts *step = &QCC_ATTRS(op, QccSliceAttrs)->step;
    for (int i = 0; i < step->n; i++) {
        if (step->v[i] != 1) return QCC_OK;
    }
    return drop_if_same_type(ctx, op, to);
}

/* ---- contractions -------------------------------------------------------------------------- */

/* matmul with a constant matrix w[k,n] -> fc with w transposed: the form whose weights are
 * quantized and packed. */
static QccStatus matmul_to_fc(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    QccValue *w = operand(op, 1);
    if (!qcc_value_const(w) || w->type->rank != 2 || w->type->quant) return QCC_OK;
    if (w->type->dtype != QCC_F32 || operand(op, 0)->type->rank < 2) return QCC_OK;
    QccInts swap = {.n = 2, .v = {1, 0}};
    QccValue *in[2] = {operand(op, 0), NULL};
    QCC_TRY(qcc_make_transpose(&in[1], op->graph, op, w, &swap, qcc_pass_scratch(ctx)));
    return qcc_make(to, op->graph, op, &qcc_op_fc, op->loc, in, 2, NULL);
}

/* The constant b[c] that `value` adds along the last dimension: b[c], b[1,c], b[1,1,1,c], ...; or
 * NULL. */
static QccStatus channel_vector(QccPassCtx *ctx, QccOp *op, QccValue *value, int64_t channels,
                                QccValue **b)
{
    const float *data;
    *b = NULL;
    int64_t dim[QCC_MAX_RANK];
    int rank = value->type->rank;
    if (!qcc_const_is_f32(value, &data) || !qcc_type_extents(value->type, dim)) return QCC_OK;
    if (rank == 0 || dim[rank - 1] != channels) return QCC_OK;
    for (int i = 0; i + 1 < rank; i++) {
        if (dim[i] != 1) return QCC_OK;
    }
    *b = value;
    if (rank == 1) return QCC_OK;
    return qcc_make_reshape(b, op->graph, op, value, 1, &channels, qcc_pass_scratch(ctx));
}

/* fc(x, w) + b -> fc(x, w, b), and conv2d likewise. (rounds: the sum then begins with b or ends
 * with it, as the op says) */
static QccStatus add_to_bias(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    QCC_TRY(add_zero(ctx, op, to));
    for (int i = 0; i < 2 && !*to; i++) {
        QccOp *anchor = operand(op, i)->def;
        if (!anchor || anchor->def->quant.kind != QCC_QUANT_AFFINE) continue;
        int at = anchor->def->quant.bias, weight = anchor->def->quant.weight;
        if (!at || qcc_op_in(anchor, at) || qcc_sole_user(&anchor->out[0]) != op) continue;
        if (!same_type(&anchor->out[0], &op->out[0])) continue;
        const QccType *w = operand(anchor, weight)->type;
        if (w->dim[anchor->def->quant.weight_axis].sym[0]) continue;
        int64_t channels = w->dim[anchor->def->quant.weight_axis].n;
        QccValue *b;
        QCC_TRY(channel_vector(ctx, op, operand(op, 1 - i), channels, &b));
        if (!b) continue;
        QccValue **in = QCC_NEW_ARRAY(qcc_pass_scratch(ctx), at + 1, QccValue *);
        for (int k = 0; k < at; k++) in[k] = qcc_op_in(anchor, k);
        in[at] = b;
        QCC_TRY(qcc_make(to, op->graph, op, anchor->def, anchor->loc, in, at + 1, anchor->attrs));
    }
    return QCC_OK;
}

/* ---- quantization -------------------------------------------------------------------------- */

/* quantize(dequantize(q)) with the type of q -> q: (q - zero) * scale / scale rounds back to q. */
static QccStatus quantize_of_dequantize(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    (void)ctx;
    QccOp *inner = qcc_def_is(operand(op, 0), &qcc_op_dequantize);
    if (inner && operand(inner, 0)->type == op->out[0].type) *to = operand(inner, 0);
    return QCC_OK;
}

/* dequantize of what is real already -> x. */
static QccStatus dequantize_real(QccPassCtx *ctx, QccOp *op, QccValue **to)
{
    return drop_if_same_type(ctx, op, to);
}

/* By name of the op; the order among rules for one op is the order in which they are tried. */
static const Rule rules[] = {
    {&qcc_op_add, add_to_bias},
    {&qcc_op_clip, clip_of_clip},
    {&qcc_op_concat, drop_if_same_type},
    {&qcc_op_dequantize, dequantize_real},
    {&qcc_op_div, div_by_const},
    {&qcc_op_expand, drop_if_same_type},
    {&qcc_op_matmul, matmul_to_fc},
    {&qcc_op_max, max_to_clip},
    {&qcc_op_min, min_to_clip},
    {&qcc_op_mul, mul_to_gelu},
    {&qcc_op_pad, drop_if_same_type},
    {&qcc_op_quantize, quantize_of_dequantize},
    {&qcc_op_relu, relu_of_bounded},
    {&qcc_op_reshape, merge_reshapes},
    {&qcc_op_slice, drop_whole_slice},
    {&qcc_op_sub, sub_const},
    {&qcc_op_transpose, merge_transposes},
};

enum { RULES = sizeof rules / sizeof *rules, MAX_ROUNDS = 100 };

static QccStatus visit(QccPassCtx *ctx, QccOp *op, bool *changed)
{
    for (int i = 0; i < RULES; i++) {
        if (rules[i].def != op->def) continue;
        QccValue *to = NULL;
        QCC_TRY(rules[i].apply(ctx, op, &to));
        if (!to) continue;
        qcc_op_replace(op, to);
        qcc_pass_count(ctx, 0, 1);
        *changed = true;
        return QCC_OK;
    }
    return QCC_OK;
}

static QccStatus canonicalize(QccGraph *g, void *user)
{
    QccPassCtx *ctx = user;
    bool changed = true;
    for (int round = 0; changed && round < MAX_ROUNDS; round++) {
        changed = false;
        QCC_FOR_OPS(op, g) QCC_TRY(visit(ctx, op, &changed));
        qcc_remove_dead(g);
    }
    return QCC_OK;
}

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    (void)opts;
    return qcc_visit_graphs(g, canonicalize, ctx);
}

const QccPassDef qcc_pass_canonicalize = {
    .abi = QCC_PASS_ABI,
    .name = "canonicalize",
    .summary = "bring what means the same into one form, and drop what does nothing",
    .stats = (const char *const[]){"rules applied", NULL},
    .run = run,
};
