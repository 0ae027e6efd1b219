/* epilogue - what follows an accumulator, as one expression: the rules of docs/numerics.md.
 *
 *   op -> [anchor] + steps -> numbers -> map of every step -> number of the result -> rounding
 *
 * A "number" is an f32 node. A value inside that has a quantized type is rounded to it and read
 * like an operand of that type, so it ends one stretch of steps and the next one begins. The
 * numbers of a stretch are either quanta of its result ("scaled": every step is homogeneous, so one
 * factor per operand does it all) or real units.
 *
 *                           in quanta of the result y             in real units
 *   integer accumulator     (f32)acc * (f32)(unit / sy)           (f32)acc * (f32)unit
 *   quantized operand       (f32)(q - z) * (f32)(s / sy)          (f32)(q - z) * s
 *   plain operand, f32 acc  x * (f32)(1 / sy)                     x
 *   clip's bound            (f32)(bound / sy)                     bound
 *   result                  q = saturate(rne(v) + zy)             v = u * (f32)(1 / sy), then q
 */
#include "ir/epilogue.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ir/ops.h"
#include "ir/qmath.h"

enum {
    MAX_STEPS = 64, /* ops of a body */
    MAX_NODES = 4096
};

typedef struct Builder {
    QccEpilogue *out;
    QccExpr *e;
    const QccOp *op;
    QccArena *arena;
    int rank;
    int64_t dim[QCC_MAX_RANK]; /* of the result */
    bool real;                 /* numbers are f32; else elements of plain types, as they are */
    int *operand;              /* per operand of op: its number, -1 while there is none */
    /* Of the stretch at hand: */
    const QccType *type;      /* of its result */
    bool scaled;              /* numbers are quanta of its result */
    float trail_lo, trail_hi; /* real bounds of relu and clip behind all its other steps */
} Builder;

/* ---- tables -----------------------------------------------------------------------------------
 *
 * A table's extents follow from types alone (which dimensions have scales of their own), never from
 * values, so that ops of equal types share their kernel. */

/* Something with one positive factor per index of the result: a quantization, or an anchor's unit.
 * Neither: 1. */
typedef struct Scale {
    const QccType *type;
    const QccUnit *unit;
} Scale;

/* Extents of the indices that matter, right-aligned to the result's rank; multiplied into dim. */
static void scale_extents(const Builder *b, Scale s, int64_t *dim)
{
    if (s.unit) {
        for (int i = 0; i < b->rank; i++)
            if (s.unit->dim[i] != 1) dim[i] = s.unit->dim[i];
    }
    if (!s.type) return;
    int shift = b->rank - s.type->rank;
    for (int i = 0; i < s.type->rank; i++)
        if (s.type->quant->block[i] && s.type->dim[i].n != 1) dim[shift + i] = s.type->dim[i].n;
}

/* Entry of a quantization for a position of the result. */
static int64_t quant_entry(const Builder *b, const QccType *type, const int64_t *at)
{
    int64_t dim[QCC_MAX_RANK], index[QCC_MAX_RANK];
    int shift = b->rank - type->rank;
    for (int i = 0; i < type->rank; i++) {
        dim[i] = type->dim[i].n;
        index[i] = dim[i] == 1 ? 0 : at[shift + i];
    }
    return qcc_quant_index(type->quant, type->rank, dim, index);
}

static double scale_at(const Builder *b, Scale s, const int64_t *at)
{
    if (s.unit) {
        int64_t entry = 0;
        for (int i = 0; i < b->rank; i++)
            entry = entry * s.unit->dim[i] + (s.unit->dim[i] == 1 ? 0 : at[i]);
        return s.unit->value[entry];
    }
    if (!s.type) return 1;
    return ((const float *)s.type->quant->scale->data)[quant_entry(b, s.type, at)];
}

/* A table being filled: entries in row-major order over `dim`. */
typedef struct Table {
    QccEpilogueArg *arg;
    int number;
    int64_t count, at[QCC_MAX_RANK];
} Table;

static QccEpilogueArg *add_arg(Builder *b, QccDtype dtype)
{
    QccEpilogue *out = b->out;
    QccEpilogueArg *arg = QCC_NEW_ARRAY(b->arena, out->narg + 1, QccEpilogueArg);
    if (out->narg) memcpy(arg, out->arg, (size_t)out->narg * sizeof *arg);
    out->arg = arg;
    arg += out->narg++;
    arg->dtype = dtype;
    return arg;
}

static Table add_table(Builder *b, QccDtype dtype, Scale first, Scale second)
{
    Table t = {.number = b->out->narg, .count = 1};
    t.arg = add_arg(b, dtype);
    t.arg->kind = QCC_EPILOGUE_TABLE;
    t.arg->rank = b->rank;
    for (int i = 0; i < b->rank; i++) t.arg->dim[i] = 1;
    scale_extents(b, first, t.arg->dim);
    scale_extents(b, second, t.arg->dim);
    for (int i = 0; i < b->rank; i++) t.count *= t.arg->dim[i];
    t.arg->data = QCC_NEW_ARRAY(b->arena, t.count, int32_t); /* i32 or f32 */
    return t;
}

static void next_entry(Table *t)
{
    for (int d = t->arg->rank - 1; d >= 0 && ++t->at[d] == t->arg->dim[d]; d--) t->at[d] = 0;
}

/* (f32)(s / per), as a table. */
static int factor(Builder *b, Scale s, Scale per)
{
    Table t = add_table(b, QCC_F32, s, per);
    float *data = (float *)t.arg->data;
    for (int64_t i = 0; i < t.count; i++, next_entry(&t))
        data[i] = qcc_requant_factor(scale_at(b, s, t.at), (float)scale_at(b, per, t.at));
    return qcc_expr_arg(b->e, t.number, QCC_EX_F32);
}

static int zero_point(Builder *b, const QccType *type)
{
    Scale s = {.type = type};
    Table t = add_table(b, QCC_I32, s, s);
    int32_t *data = (int32_t *)t.arg->data;
    for (int64_t i = 0; i < t.count; i++, next_entry(&t))
        data[i] = ((const int32_t *)type->quant->zero->data)[quant_entry(b, type, t.at)];
    return qcc_expr_arg(b->e, t.number, QCC_EX_I32);
}

/* A clip's bound in quanta of the result. */
static float bound_in_quanta(double bound, double scale)
{
    double q = (double)(float)fmin(fmax(bound, -FLT_MAX), FLT_MAX) / scale;
    return (float)fmin(fmax(q, -FLT_MAX), FLT_MAX);
}

static int scaled_bound(Builder *b, double bound)
{
    Scale s = {.type = b->type};
    Table t = add_table(b, QCC_F32, s, s);
    float *data = (float *)t.arg->data;
    for (int64_t i = 0; i < t.count; i++, next_entry(&t))
        data[i] = bound_in_quanta(bound, scale_at(b, s, t.at));
    return qcc_expr_arg(b->e, t.number, QCC_EX_F32);
}

/* The stored value of a trailing bound: rounding and clamping commute, so this is what clamping
 * before the rounding would give. -1: no entry is tighter than the type's own limit. */
static int integer_bound(Builder *b, float bound, int32_t limit)
{
    const QccQuant *q = b->type->quant;
    Scale s = {.type = b->type};
    if (isinf(bound)) return -1;
    int narg = b->out->narg;
    Table t = add_table(b, QCC_I32, s, s);
    int32_t *data = (int32_t *)t.arg->data;
    bool binds = false;
    for (int64_t i = 0; i < t.count; i++, next_entry(&t)) {
        int32_t zero = ((const int32_t *)q->zero->data)[quant_entry(b, b->type, t.at)];
        float v = bound_in_quanta(bound, scale_at(b, s, t.at));
        data[i] = qcc_quantize_f32(v, 1, zero, q->qmin, q->qmax);
        binds |= data[i] != limit;
    }
    if (binds) return qcc_expr_arg(b->e, t.number, QCC_EX_I32);
    b->out->narg = narg; /* leave the table out again */
    return -1;
}

/* ---- numbers ----------------------------------------------------------------------------------
 */

static int mul(Builder *b, int x, int y)
{
    return qcc_expr_op2(b->e, QCC_EX_mul, x, y);
}

/* What `s` counts in becomes the numbers' unit. */
static int to_number(Builder *b, int x, Scale s)
{
    Scale per = {.type = b->scaled ? b->type : NULL};
    x = qcc_expr_cvt(b->e, QCC_EX_F32, x);
    if (!s.type && !s.unit && !per.type) return x;
    return mul(b, x, factor(b, s, per));
}

static bool all_zero(const QccBlob *zero)
{
    const int32_t *z = zero->data;
    for (int64_t i = 0; i < zero->size / 4; i++)
        if (z[i]) return false;
    return true;
}

/* q - z, exactly. Elements of 32 bits need a subtraction of 64. */
static int centered(Builder *b, int q, const QccType *type)
{
    if (all_zero(type->quant->zero)) return q;
    if (qcc_dtype_bits(type->dtype) < 32)
        return qcc_expr_op2(b->e, QCC_EX_sub, q, zero_point(b, type));
    q = qcc_expr_cvt(b->e, QCC_EX_I64, q);
    return qcc_expr_op2(b->e, QCC_EX_sub, q, qcc_expr_cvt(b->e, QCC_EX_I64, zero_point(b, type)));
}

/* The one real that operand i is, as a constant; NULL: it is none. Such a number is a table like
 * any other, so that a chain of steps with constants is still a map of one operand. */
static const void *scalar_constant(const Builder *b, int i)
{
    const QccValue *value = b->op->in[i].value;
    const QccBlob *blob = qcc_value_const(value);
    bool one = blob && blob->dtype == QCC_F32 && blob->size == (int64_t)sizeof(float);
    return one && !value->type->quant ? blob->data : NULL;
}

/* Operand i of the op, as a number. */
static int operand_number(Builder *b, int i)
{
    if (b->operand[i] >= 0) return b->operand[i];
    const QccType *type = b->op->in[i].value->type;
    int number = b->out->narg;
    QccEpilogueArg *arg = add_arg(b, type->dtype);
    arg->data = b->real ? scalar_constant(b, i) : NULL;
    arg->kind = arg->data ? QCC_EPILOGUE_TABLE : QCC_EPILOGUE_OPERAND;
    arg->operand = i;
    arg->rank = type->rank;
    for (int d = 0; d < type->rank; d++) arg->dim[d] = type->dim[d].n;
    int x = qcc_expr_arg(b->e, number, qcc_expr_type_of(type->dtype));
    if (type->quant)
        x = to_number(b, centered(b, x, type), (Scale){.type = type});
    else if (b->real)
        x = to_number(b, x, (Scale){0});
    return b->operand[i] = x;
}

static QccStatus anchor_number(Builder *b, int *number)
{
    const QccOp *anchor = b->out->anchor;
    Scale s = {0};
    QccUnit unit = {0};
    if (b->out->integer) {
        QCC_TRY(anchor->def->unit(anchor, b->arena, &unit));
        s.unit = &unit;
    }
    *number = to_number(b, qcc_expr_acc(b->e, b->out->integer ? QCC_EX_I32 : QCC_EX_F32), s);
    return QCC_OK;
}

/* ---- result -----------------------------------------------------------------------------------
 */

static QccStatus finish_quantized(Builder *b, int v)
{
    const QccQuant *q = b->type->quant;
    bool bounded = qcc_epilogue_fits(b->out, v, b->arena);
    int zero = all_zero(q->zero) ? -1 : zero_point(b, b->type);
    int lo = integer_bound(b, b->trail_lo, q->qmin);
    int hi = integer_bound(b, b->trail_hi, q->qmax);
    qcc_expr_requantize(b->e, v, zero, lo, hi, q->qmin, q->qmax, bounded);
    return QCC_OK;
}

/* A number for each scale of the result's type. */
static int of_scales(Builder *b, float (*fn)(float scale))
{
    Scale s = {.type = b->type};
    Table t = add_table(b, QCC_F32, s, s);
    float *data = (float *)t.arg->data;
    for (int64_t i = 0; i < t.count; i++, next_entry(&t)) data[i] = fn((float)scale_at(b, s, t.at));
    return qcc_expr_arg(b->e, t.number, QCC_EX_F32);
}

static float itself(float scale)
{
    return scale;
}

static float beyond_bytes(float scale)
{
    return 1024 * scale;
}

static float reciprocal(float scale)
{
    return 1 / scale;
}

static float reciprocal_rest(float scale)
{
    float r = reciprocal(scale);
    return fmaf(-r, scale, 1) / scale;
}

/* x / scale as far as bytes tell: the reciprocal in two parts, hi + lo, gives fma(x, hi, x lo)
 * (Brisebarre, Muller and Raina, "Accelerating correctly rounded floating-point division when the
 * divisor is known in advance", 2004), which is nearly always the quotient. Where it is not, both
 * lie on the same side of every n + 1/2 with n of up to 9 bits: that was looked at for all 2^23
 * significands of a scale (test_epilogue looks at some of them). x is clamped first, since the two
 * parts of an infinity would be NaN. */
static int byte_quotient(Builder *b, int x)
{
    QccExpr *e = b->e;
    int most = of_scales(b, beyond_bytes);
    int least = qcc_expr_op1(e, QCC_EX_neg, most);
    int v = qcc_expr_op2(e, QCC_EX_min, qcc_expr_op2(e, QCC_EX_max, x, least), most);
    v = qcc_expr_op3(e, QCC_EX_select, qcc_expr_op2(e, QCC_EX_eq, x, x), v, qcc_expr_f32(e, 0));
    int hi = of_scales(b, reciprocal), lo = of_scales(b, reciprocal_rest);
    return qcc_expr_op3(e, QCC_EX_fma, v, hi, mul(b, v, lo));
}

/* `quantize` of a plain value: a true division, as in ONNX, or what gives the same. */
static QccStatus finish_quantize(Builder *b)
{
    b->real = true;
    int x = operand_number(b, 0);
    bool bytes = qcc_dtype_bits(b->type->dtype) <= 8;
    return finish_quantized(b, bytes ? byte_quotient(b, x)
                                     : qcc_expr_op2(b->e, QCC_EX_div, x, of_scales(b, itself)));
}

/* The number of the stretch's result, in quanta of it. */
static int in_quanta(Builder *b, int v)
{
    return b->scaled ? v : mul(b, v, factor(b, (Scale){0}, (Scale){.type = b->type}));
}

/* The stored value of an inner result less its zero point, as an f32 node: what finish_quantized
 * would store, its bounds moved by the zero point. Integers of 16 bits are exact in f32. */
static int round_inside(Builder *b, int v)
{
    const QccQuant *q = b->type->quant;
    v = in_quanta(b, v);
    if (!qcc_epilogue_fits(b->out, v, b->arena)) {
        int number = qcc_expr_op2(b->e, QCC_EX_eq, v, v);
        v = qcc_expr_op3(b->e, QCC_EX_select, number, v, qcc_expr_f32(b->e, 0));
    }
    Scale s = {.type = b->type};
    Table lo = add_table(b, QCC_F32, s, s), hi = add_table(b, QCC_F32, s, s);
    float *least = (float *)lo.arg->data, *most = (float *)hi.arg->data;
    for (int64_t i = 0; i < lo.count; i++, next_entry(&lo)) {
        int32_t zero = ((const int32_t *)q->zero->data)[quant_entry(b, b->type, lo.at)];
        double scale = scale_at(b, s, lo.at);
        float low = bound_in_quanta(b->trail_lo, scale), high = bound_in_quanta(b->trail_hi, scale);
        least[i] = (float)(qcc_quantize_f32(low, 1, zero, q->qmin, q->qmax) - zero);
        most[i] = (float)(qcc_quantize_f32(high, 1, zero, q->qmin, q->qmax) - zero);
    }
    v = qcc_expr_op1(b->e, QCC_EX_rne, v);
    v = qcc_expr_op2(b->e, QCC_EX_max, v, qcc_expr_arg(b->e, lo.number, QCC_EX_F32));
    return qcc_expr_op2(b->e, QCC_EX_min, v, qcc_expr_arg(b->e, hi.number, QCC_EX_F32));
}

static QccStatus finish(Builder *b, int v)
{
    if (b->type->quant) return finish_quantized(b, in_quanta(b, v));
    b->e->result = v;
    if (b->e->node[v].type == qcc_expr_type_of(b->type->dtype)) return QCC_OK;
    return qcc_op_error(b->op, "'%s' has no elementwise meaning over these element types",
                        b->op->def->name);
}

/* ---- steps ------------------------------------------------------------------------------------
 */

static bool scales_through(const QccOp *op)
{
    return (op->def->traits & QCC_TRAIT_HOMOGENEOUS) || op->def == &qcc_op_clip;
}

/* One step over numbers. */
static int apply(Builder *b, const QccOp *op, const int *arg)
{
    if (!b->scaled || op->def != &qcc_op_clip) return op->def->map(op, b->e, arg);
    const QccScalarAttrs *a = op->attrs;
    int v = arg[0];
    if (a->lo != -INFINITY) v = qcc_expr_op2(b->e, QCC_EX_max, v, scaled_bound(b, a->lo));
    if (a->hi != INFINITY) v = qcc_expr_op2(b->e, QCC_EX_min, v, scaled_bound(b, a->hi));
    return v;
}

/* A single elementwise op. */
static QccStatus build_map(Builder *b)
{
    const QccOp *op = b->op;
    bool quantized = b->type->quant != NULL;
    if (op->def == &qcc_op_quantize && quantized && !op->in[0].value->type->quant)
        return finish_quantize(b);
    for (int i = 0; i < op->nin; i++) {
        if (!op->in[i].value)
            return qcc_op_error(op, "'%s' needs operand %d", op->def->name, i + 1);
        quantized |= op->in[i].value->type->quant != NULL;
    }
    b->real = quantized;
    b->scaled = b->type->quant && (scales_through(op) || op->def == &qcc_op_quantize);
    int *arg = QCC_NEW_ARRAY(b->arena, op->nin, int);
    for (int i = 0; i < op->nin; i++) arg[i] = operand_number(b, i);
    return finish(b, apply(b, op, arg));
}

/* ---- anchors and bodies -----------------------------------------------------------------------
 */

/* Whether the anchor has its exact integer meaning: all operands quantized, the bias i32. */
static bool is_integer(const QccOp *anchor)
{
    const QccQuantRule *rule = &anchor->def->quant;
    if (!anchor->def->unit) return false;
    for (int i = 0; i < anchor->nin; i++) {
        const QccValue *v = anchor->in[i].value;
        bool bias = rule->kind == QCC_QUANT_AFFINE && rule->bias > 0 && i == rule->bias;
        if (!v) continue;
        if (bias ? v->type->dtype != QCC_I32 : !v->type->quant) return false;
    }
    return true;
}

static QccStatus set_anchor(Builder *b, const QccOp *anchor)
{
    QccEpilogue *out = b->out;
    int64_t dim[QCC_MAX_RANK];
    const QccType *type = anchor->out[0].type;
    bool same = type->rank == b->rank && qcc_type_extents(type, dim);
    for (int i = 0; same && i < b->rank; i++) same = dim[i] == b->dim[i];
    if (!same)
        return qcc_op_error(b->op, "'%s' needs a result as large as that of its anchor '%s'",
                            b->op->def->name, anchor->def->name);
    out->anchor = anchor;
    out->integer = is_integer(anchor);
    out->anchor_operand = QCC_NEW_ARRAY(b->arena, anchor->nin + 1, int);
    for (int i = 0; i < anchor->nin; i++) {
        const QccValue *v = anchor->in[i].value;
        out->anchor_operand[i] = !v ? -1 : anchor == b->op ? i : v->index;
        if (v && anchor != b->op && v->def)
            return qcc_op_error(b->op, "the anchor '%s' of a fused op reads operands only",
                                anchor->def->name);
    }
    return QCC_OK;
}

/* A body that computes: its anchor and its steps, in order. */
typedef struct Body {
    const QccGraph *graph;
    const QccOp *op[MAX_STEPS + 1];
    int n;
    int number[MAX_STEPS + 1]; /* of each value in the stretch at hand; -1: not made yet */
    int stored[MAX_STEPS + 1]; /* what was rounded, less its zero point; -1: nothing was */
    const QccValue *result;
} Body;

static QccStatus check_inside(const Builder *b, const QccOp *inner)
{
    const QccType *type = inner->out[0].type;
    int64_t dim[QCC_MAX_RANK];
    if (!type->quant && type->dtype == QCC_F32) return QCC_OK;
    bool rounds = qcc_type_rounds(type) && type->rank == b->rank && qcc_type_extents(type, dim) &&
                  !memcmp(dim, b->dim, (size_t)b->rank * sizeof *dim);
    return rounds ? QCC_OK
                  : qcc_op_error(b->op,
                                 "values inside a fused op are f32, or quantized to at most 16 "
                                 "bits and as large as the result; that of '%s' is neither",
                                 inner->def->name);
}

static QccStatus read_body(Builder *b, Body *body)
{
    const QccOp *op = b->op, *anchor = NULL;
    *body = (Body){.graph = op->body};
    if (!op->body || !qcc_graph_yield(op->body) || qcc_graph_result_count(op->body) != 1 ||
        op->nout != 1 || op->body->nparam != op->nin)
        return qcc_op_error(op, "a fused op needs a body of one result");
    body->result = qcc_graph_result(op->body, 0);
    for (int i = 0; i < op->nin; i++) {
        if (op->in[i].value && op->in[i].value->type != op->body->param[i]->type)
            return qcc_op_error(op, "operand %d of a fused op differs in type inside", i + 1);
    }
    QCC_FOR_OPS(inner, op->body)
    {
        bool step = qcc_is_step(inner) || inner->def == &qcc_op_dequantize;
        if (!step && (!qcc_is_anchor(inner) || anchor))
            return qcc_op_error(op, "a fused op has one anchor and elementwise steps; '%s' is %s",
                                inner->def->name, anchor ? "a second anchor" : "neither");
        QCC_TRY(check_inside(b, inner));
        if (!step) anchor = inner;
        if (body->n == (anchor ? MAX_STEPS + 1 : MAX_STEPS))
            return qcc_op_error(op, "a fused op has at most %d steps", MAX_STEPS);
        body->stored[body->n] = -1;
        body->op[body->n++] = inner;
    }
    return anchor ? set_anchor(b, anchor) : QCC_OK;
}

/* Takes relu and clip off the end of ops first to *end of a stretch whose numbers are quanta: they
 * become bounds of the stored value. From the last step inwards, each bound is clamped by those
 * behind it. Gives the value that is left to round. */
static const QccValue *take_trailing(Builder *b, const Body *body, int first, int *end,
                                     const QccValue *result)
{
    float lo = -INFINITY, hi = INFINITY;
    for (; *end > first; --*end) {
        const QccOp *op = body->op[*end - 1];
        bool relu = op->def == &qcc_op_relu;
        if (!relu && op->def != &qcc_op_clip) break;
        /* Whoever else reads a value that is rounded reads it rounded. */
        bool alone = result->type->quant || qcc_value_use_count(result) == 1;
        if (&op->out[0] != result || !alone) break;
        const QccScalarAttrs *a = op->attrs;
        float low = relu ? 0 : (float)a->lo, high = relu ? INFINITY : (float)a->hi;
        lo = fminf(fmaxf(low, lo), hi);
        hi = fminf(fmaxf(high, lo), hi);
        result = op->in[0].value;
    }
    b->trail_lo = lo;
    b->trail_hi = hi;
    return result;
}

/* The number of a value of the body. */
static QccStatus value_number(Builder *b, Body *body, const QccValue *value, int *out)
{
    if (!value) return qcc_op_error(b->op, "a step of a fused op lacks an operand");
    if (!value->def) {
        if (value->graph != body->graph || !b->op->in[value->index].value)
            return qcc_op_error(b->op, "a step of a fused op reads what is no operand");
        *out = operand_number(b, value->index);
        return QCC_OK;
    }
    int i = 0;
    while (i < body->n && body->op[i] != value->def) i++;
    if (i == body->n) return qcc_op_error(b->op, "a step of a fused op reads what is not inside");
    if (body->number[i] < 0 && body->stored[i] >= 0)
        body->number[i] = to_number(b, body->stored[i], (Scale){.type = value->type});
    else if (body->number[i] < 0 && value->def == b->out->anchor)
        QCC_TRY(anchor_number(b, &body->number[i]));
    else if (body->number[i] < 0)
        return qcc_op_error(b->op, "a step of a fused op reads a real from before a rounding");
    *out = body->number[i];
    return QCC_OK;
}

/* The steps from `first` up to `end`, and the number of their result. */
static QccStatus build_stretch(Builder *b, Body *body, int first, int end, const QccType *type,
                               int *v)
{
    const QccValue *result = end == body->n ? body->result : &body->op[end - 1]->out[0];
    b->type = type;
    b->scaled = type->quant != NULL;
    b->trail_lo = -INFINITY;
    b->trail_hi = INFINITY;
    for (int i = first; i < end; i++)
        b->scaled &= body->op[i] == b->out->anchor || scales_through(body->op[i]);
    for (int i = 0; i < b->op->nin; i++) b->operand[i] = -1;
    for (int i = 0; i < body->n; i++) body->number[i] = -1;
    if (b->scaled) result = take_trailing(b, body, first, &end, result);
    for (int i = first; i < end; i++) {
        const QccOp *step = body->op[i];
        if (step == b->out->anchor) continue;
        int *arg = QCC_NEW_ARRAY(b->arena, step->nin, int);
        for (int k = 0; k < step->nin; k++)
            QCC_TRY(value_number(b, body, step->in[k].value, &arg[k]));
        body->number[i] = apply(b, step, arg);
        if (b->e->n > MAX_NODES) return qcc_op_error(b->op, "a fused op has too many steps");
    }
    return value_number(b, body, result, v);
}

static QccStatus build_body(Builder *b)
{
    Body body;
    QCC_TRY(read_body(b, &body));
    const QccType *type = b->type;
    int first = 0, v;
    b->real = true;
    for (int i = 0; i < body.n; i++) {
        const QccType *inner = body.op[i]->out[0].type;
        if (!inner->quant) continue;
        QCC_TRY(build_stretch(b, &body, first, i + 1, inner, &v));
        body.stored[i] = round_inside(b, v);
        first = i + 1;
    }
    QCC_TRY(build_stretch(b, &body, first, body.n, type, &v));
    return finish(b, v);
}

/* An anchor by itself. */
static QccStatus build_anchor(Builder *b)
{
    int v;
    QCC_TRY(set_anchor(b, b->op));
    b->real = true;
    b->scaled = b->type->quant != NULL;
    QCC_TRY(anchor_number(b, &v));
    return finish(b, v);
}

/* Leaves out arguments that no node needs, and renumbers the others. */
static void prune_args(QccEpilogue *out, QccArena *arena)
{
    int *to = QCC_NEW_ARRAY(arena, out->narg + 1, int), n = 0; /* 1: needed; then the new number */
    for (int i = 0; i < out->expr.n; i++)
        if (out->expr.node[i].op == QCC_EX_arg) to[out->expr.node[i].imm.i] = 1;
    for (int i = 0; i < out->narg; i++) {
        if (!to[i]) continue;
        out->arg[n] = out->arg[i];
        to[i] = n++;
    }
    out->narg = n;
    for (int i = 0; i < out->expr.n; i++) {
        QccExprNode *node = &out->expr.node[i];
        if (node->op == QCC_EX_arg) node->imm.i = to[node->imm.i];
    }
}

static QccStatus check_args(const Builder *b)
{
    for (int i = 0; i < b->out->narg; i++) {
        const QccEpilogueArg *arg = &b->out->arg[i];
        int shift = b->rank - arg->rank;
        bool fits = shift >= 0;
        for (int d = 0; fits && d < arg->rank; d++)
            fits = arg->dim[d] == 1 || arg->dim[d] == b->dim[shift + d];
        if (!fits)
            return qcc_op_error(b->op, "operand %d of '%s' does not broadcast to the result",
                                arg->operand + 1, b->op->def->name);
    }
    return QCC_OK;
}

/* ---- the interface ----------------------------------------------------------------------------
 */

static QccStatus check_type(const QccOp *op, const QccType *type, bool result)
{
    int64_t dim[QCC_MAX_RANK];
    if (!qcc_type_extents(type, dim))
        return qcc_op_error(op, "'%s' has symbolic extents, which must be bound", op->def->name);
    const QccQuant *q = type->quant;
    if (!q) return QCC_OK;
    if (q->kind != QCC_QUANT_STATIC)
        return qcc_op_error(op, "'%s' has a dynamic scale, which must be resolved", op->def->name);
    if (result && (q->qmin < -32768 || q->qmax > 65535 || qcc_dtype_bits(type->dtype) > 16))
        return qcc_op_error(op, "'%s' needs a result of at most 16 bits, else plain f32",
                            op->def->name);
    return QCC_OK;
}

QccStatus qcc_epilogue_build(QccEpilogue *out, const QccOp *op, QccArena *arena)
{
    *out = (QccEpilogue){0};
    if (op->nout != 1) return qcc_op_error(op, "'%s' has no one result", op->def->name);
    Builder b = {.out = out,
                 .e = &out->expr,
                 .op = op,
                 .arena = arena,
                 .type = op->out[0].type,
                 .rank = op->out[0].type->rank,
                 .trail_lo = -INFINITY,
                 .trail_hi = INFINITY};
    for (int i = 0; i < op->nin; i++)
        if (op->in[i].value) QCC_TRY(check_type(op, op->in[i].value->type, false));
    QCC_TRY(check_type(op, b.type, true));
    qcc_type_extents(b.type, b.dim);
    b.operand = QCC_NEW_ARRAY(arena, op->nin + 1, int);
    for (int i = 0; i < op->nin; i++) b.operand[i] = -1;
    out->result = b.type->dtype;
    qcc_expr_init(&out->expr, arena);
    if (op->def->traits & QCC_TRAIT_FUSED)
        QCC_TRY(build_body(&b));
    else if (op->def->map)
        QCC_TRY(build_map(&b));
    else if (op->def->eval)
        QCC_TRY(build_anchor(&b));
    else
        return qcc_op_error(op, "'%s' has neither a map nor an accumulator", op->def->name);
    qcc_expr_prune(&out->expr);
    prune_args(out, arena);
    return check_args(&b);
}

bool qcc_type_rounds(const QccType *type)
{
    return type->quant && type->quant->kind == QCC_QUANT_STATIC &&
           qcc_dtype_bits(type->dtype) <= 16;
}

bool qcc_is_anchor(const QccOp *op)
{
    uint32_t others = QCC_TRAIT_CONSTANT | QCC_TRAIT_MOVE | QCC_TRAIT_VIEW | QCC_TRAIT_TERMINATOR |
                      QCC_TRAIT_BODY;
    return op->def->eval && op->nout == 1 && !(op->def->traits & others);
}

bool qcc_is_step(const QccOp *op)
{
    return op->def->map && op->nout == 1 && op->def != &qcc_op_quantize &&
           op->def != &qcc_op_dequantize;
}
