/* strip-fake-quant - the quantize and dequantize nodes of a trained int8 model become types.
 *
 *   dequantize(constant), dequantize(quantize(constant))  -> a quantized constant
 *   op(dequantize(q), dequantize(w), b)                   -> op(q, w, b): ops read stored values as
 *                                                            the reals that dequantize gives
 *   quantize(op(...)), read by nothing else               -> op(...), of the quantized type
 *   quantize(dequantize(q))                               -> quantize(q), from scale to scale
 *   move(dequantize(q))                                   -> dequantize(move(q)), so that an op
 *                                                            behind it finds the stored values
 *
 * No rounding of a result goes and none is added: each quantize is the rounding of one result,
 * before and after. A bias that does not lie on its accumulator's scale is rounded to it, and
 * counted; docs/numerics.md says what that is worth. What has no integer form keeps its
 * conversions, with the reason (`report: true` tells them all).
 */
#include <math.h>
#include <string.h>

#include "ir/qmath.h"
#include "passes/choose.h"

enum { WEIGHTS, READS, RESULTS, BIASES, LEFT };

typedef struct Opts {
    bool report;
} Opts;

static const QccField fields[] = {
    {"report", QCC_FIELD_BOOL, offsetof(Opts, report), "false", 0, 0, NULL,
     "warn for each conversion that is left, with the op that needs it"},
    {0}};

/* The value itself when it is stored quantized, or the one behind its dequantize, or NULL. */
static QccValue *stored(QccValue *value)
{
    if (value && qcc_is_stored(value)) return value;
    QccOp *dequantize = qcc_def_is(value, &qcc_op_dequantize);
    return dequantize && qcc_is_stored(dequantize->in[0].value) ? dequantize->in[0].value : NULL;
}

/* ---- constants ----------------------------------------------------------------------------- */

/* Evaluates quantize(constant), or dequantize(constant), whatever reads it. */
static QccStatus fold_conversions(QccPassCtx *ctx, QccGraph *g, const QccOpDef *def)
{
    QCC_FOR_OPS(op, g)
    {
        if (op->def != def || !qcc_value_const(op->in[0].value)) continue;
        bool done;
        QCC_TRY(qcc_fold_op(op, INT64_MAX, qcc_pass_scratch(ctx), &done));
    }
    qcc_remove_dead(g);
    return QCC_OK;
}

/* sx * sw[c] for every output channel; false when x has more than one scale. */
static bool accumulator_scales(QccArena *scratch, const QccOp *op, const QccValue *x,
                               const QccValue *w, float **out)
{
    float sx, sw;
    int axis = op->def->quant.weight_axis;
    if (!qcc_quant_is_tensor(x->type->quant, &sx, NULL)) return false;
    int64_t n = w->type->dim[axis].n;
    float *scale = QCC_NEW_ARRAY(scratch, n + 1, float);
    bool single = qcc_quant_is_tensor(w->type->quant, &sw, NULL);
    for (int i = 0; i < w->type->rank && !single; i++) {
        if (w->type->quant->block[i] != (i == axis ? 1 : 0)) return false;
    }
    for (int64_t c = 0; c < n; c++) {
        float s = single ? sw : ((const float *)w->type->quant->scale->data)[c];
        scale[c] = (float)((double)sx * (double)s);
        if (!(scale[c] >= QCC_SCALE_MIN && scale[c] <= QCC_SCALE_MAX)) return false;
    }
    *out = scale;
    return true;
}

/* A bias on the accumulator's scale: as it was stored when the scales agree, else rounded to it. */
static QccStatus make_bias(QccPassCtx *ctx, QccOp *op, QccValue *bias, const float *scale,
                           int64_t n, QccValue **out)
{
    bool rounded = false;
    QccGraph *g = op->graph;
    QccArena *scratch = qcc_pass_scratch(ctx);
    const QccQuant *quant =
        qcc_quant_axis(g->ir, QCC_I32, 1, 0, n, scale, NULL, INT32_MIN, INT32_MAX);
    QccValue *from = stored(bias) ? stored(bias) : bias;
    int64_t count = 0;
    const float *real = qcc_const_reals(scratch, from, &count);
    *out = NULL;
    if (!real || count != n) return QCC_OK;
    int32_t *q = QCC_NEW_ARRAY(scratch, n + 1, int32_t);
    for (int64_t c = 0; c < n; c++) {
        double exact = (double)real[c];
        /* (f32)q * scale may have lost digits of a large q: the stored number itself knows better.
         */
        if (from->type->quant && from->type->dtype == QCC_I32) {
            float s;
            int32_t zero;
            const QccQuant *old = from->type->quant;
            if (!qcc_quant_is_tensor(old, &s, &zero)) {
                s = ((const float *)old->scale->data)[c];
                zero = ((const int32_t *)old->zero->data)[c];
            }
            int32_t raw = ((const int32_t *)qcc_value_const(from)->data)[c];
            exact = ((double)raw - zero) * (double)s;
        }
        double steps = exact / (double)scale[c], v = qcc_rne_f64(steps);
        if (!(fabs(v) < 2147483647.0)) return QCC_OK;
        /* A scale that was multiplied in another order is off by a few 2^-24 of the steps. */
        rounded = rounded || fabs(v - steps) > 1e-6 * fabs(steps);
        q[c] = (int32_t)v;
    }
    QccBlob *blob = qcc_blob(g->arena, QCC_I32, 1, &n, q, true);
    const char *name = bias->name;
    qcc_value_rename(bias, qcc_sprintf(g->arena, "%s.f32", name));
    *out = qcc_const_new(g, op, name, blob, quant);
    qcc_pass_count(ctx, BIASES, rounded);
    return QCC_OK;
}

/* Whether no accumulator can leave 32 bits. */
static bool fits(const QccOp *op, const QccValue *w, const QccValue *bias)
{
    const QccQuant *q = w->type->quant;
    const QccBlob *blob = qcc_value_const(w);
    if (w->type->dtype != QCC_I8 && w->type->dtype != QCC_U8) return false;
    int64_t n = w->type->dim[op->def->quant.weight_axis].n;
    int64_t each = n ? qcc_type_count(w->type) / n : 0;
    bool single = qcc_quant_is_tensor(q, NULL, NULL);
    for (int64_t c = 0; c < n; c++) {
        int64_t zero = ((const int32_t *)q->zero->data)[single ? 0 : c], sum = 0;
        for (int64_t i = c * each; i < (c + 1) * each; i++) {
            int64_t v = w->type->dtype == QCC_I8 ? ((const int8_t *)blob->data)[i]
                                                 : ((const uint8_t *)blob->data)[i];
            sum += v < zero ? zero - v : v - zero;
        }
        int64_t b = bias ? ((const int32_t *)qcc_value_const(bias)->data)[c] : 0;
        if (!qcc_accumulator_fits(sum, b < 0 ? -b : b)) return false;
    }
    return true;
}

/* ---- ops ----------------------------------------------------------------------------------- */

/* A contraction reads stored values when its data, its weight and its bias all can. `why`: what is
 * in the way. */
static QccStatus strip_contraction(QccPassCtx *ctx, QccOp *op, const char **why)
{
    const QccQuantRule *rule = &op->def->quant;
    QccValue *x = stored(op->in[0].value), *w = stored(op->in[rule->weight].value);
    QccValue *bias = rule->bias ? qcc_op_in(op, rule->bias) : NULL, *new_bias = NULL;
    *why = NULL;
    if (!x || !w) {
        *why = x ? "its weight is not quantized" : "its data is not quantized";
        return QCC_OK;
    }
    float *scale;
    if (!qcc_value_const(w) || rule->weight_axis != 0) {
        *why = "its weight is no constant";
    } else if (x->type->dtype != QCC_U8 && x->type->dtype != QCC_I8) {
        *why = "its data is not of 8 bits";
    } else if (!accumulator_scales(qcc_pass_scratch(ctx), op, x, w, &scale)) {
        *why = "its scales are neither one per tensor nor one per output channel";
    }
    if (*why) return QCC_OK;
    if (bias) {
        QCC_TRY(make_bias(ctx, op, bias, scale, w->type->dim[0].n, &new_bias));
        if (!new_bias) *why = "its bias is no constant, or too large for 32 bits";
    }
    if (!*why && !fits(op, w, new_bias)) *why = "its accumulator may not fit 32 bits";
    if (*why) return QCC_OK;
    qcc_op_set_operand(op, 0, x);
    qcc_op_set_operand(op, rule->weight, w);
    if (bias) qcc_op_set_operand(op, rule->bias, new_bias);
    qcc_pass_count(ctx, WEIGHTS, 1);
    qcc_pass_count(ctx, READS, 1);
    return QCC_OK;
}

/* So does a product of two activations. */
static QccStatus strip_product(QccPassCtx *ctx, QccOp *op, const char **why)
{
    for (int i = 0; i < 2 && !*why; i++) {
        const QccValue *x = stored(op->in[i].value);
        if (!x)
            *why = "a factor is not quantized";
        else if (qcc_dtype_bits(x->type->dtype) != 8)
            *why = "a factor is not of 8 bits";
        else if (!qcc_quant_is_tensor(x->type->quant, NULL, NULL))
            *why = "a factor has more than one scale";
    }
    if (!*why && !qcc_depth_fits(op)) *why = "its sums may be too long";
    for (int i = 0; i < 2 && !*why; i++) {
        qcc_op_set_operand(op, i, stored(op->in[i].value));
        qcc_pass_count(ctx, READS, 1);
    }
    return QCC_OK;
}

/* Whether a quantize goes from one scale for a tensor to another: that is one table of bytes. */
static bool converts_pairs(const QccOp *op)
{
    const QccValue *from = stored(op->in[0].value);
    return from && qcc_quant_is_tensor(from->type->quant, NULL, NULL) &&
           qcc_quant_is_tensor(op->out[0].type->quant, NULL, NULL);
}

static QccStatus strip_op(QccPassCtx *ctx, QccOp *op, const char **why)
{
    *why = NULL;
    switch (op->def->quant.kind) {
    case QCC_QUANT_AFFINE:
        return op->def->quant.bias ? strip_contraction(ctx, op, why) : strip_product(ctx, op, why);
    case QCC_QUANT_FLOAT: *why = "it has no integer form"; return QCC_OK;
    case QCC_QUANT_SAME_SCALE: return QCC_OK; /* see run: conversions have been moved past it */
    case QCC_QUANT_ELEMENTWISE:
    case QCC_QUANT_FIXED: break;
    }
    if (op->def == &qcc_op_dequantize) return QCC_OK;
    if (op->def == &qcc_op_quantize && !converts_pairs(op)) return QCC_OK;
    for (int i = 0; i < op->nin; i++) {
        QccOp *dequantize = qcc_def_is(qcc_op_in(op, i), &qcc_op_dequantize);
        if (!dequantize || !qcc_is_stored(dequantize->in[0].value)) continue;
        qcc_op_set_operand(op, i, dequantize->in[0].value);
        qcc_pass_count(ctx, READS, 1);
    }
    return QCC_OK;
}

static bool reads_stored(const QccOp *op)
{
    for (int i = 0; i < op->nin; i++) {
        const QccValue *value = qcc_op_in(op, i);
        if (value && qcc_is_stored(value)) return true;
    }
    return false;
}

/* quantize(op(...)) -> op(...) of the quantized type. */
static void strip_result(QccPassCtx *ctx, QccOp *quantize)
{
    QccValue *value = quantize->in[0].value;
    QccOp *op = value->def;
    if (!op || op->nout != 1 || value->type->quant || qcc_sole_user(value) != quantize) return;
    if (op->def->quant.kind == QCC_QUANT_FLOAT || op->def->quant.kind == QCC_QUANT_SAME_SCALE)
        return;
    if (op->def == &qcc_op_dequantize || !reads_stored(op)) return;
    QccValue *rounded = &quantize->out[0];
    if (!qcc_quant_is_tensor(rounded->type->quant, NULL, NULL)) return;
    const QccType *type = rounded->type;
    qcc_op_set_operand(quantize, 0, op->in[0].value);
    qcc_value_set_type(value, type);
    qcc_value_replace(rounded, value);
    qcc_op_remove(quantize);
    qcc_pass_count(ctx, RESULTS, 1);
}

/* Reports the ops that still read dequantized values. */
static void report(QccPassCtx *ctx, QccOp *op, const char *why, bool tell)
{
    bool reads = false;
    for (int i = 0; i < op->nin; i++) {
        reads = reads || qcc_def_is(qcc_op_in(op, i), &qcc_op_dequantize);
    }
    if (!reads || !why) return;
    qcc_pass_count(ctx, LEFT, 1);
    qcc_pass_remark(ctx, op, "%s", why);
    if (tell) qcc_pass_warn(ctx, op, "'%s' computes in float: %s", op->def->name, why);
}

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    const Opts *o = opts;
    QCC_TRY(fold_conversions(ctx, g, &qcc_op_quantize));
    QCC_FOR_OPS(op, g)
    {
        const char *why;
        bool sunk = false;
        QCC_TRY(qcc_sink_dequantize(op, qcc_pass_scratch(ctx), &sunk));
        if (sunk) continue;
        QCC_TRY(strip_op(ctx, op, &why));
        report(ctx, op, why, o->report);
    }
    QCC_FOR_OPS(op, g)
    {
        if (op->def == &qcc_op_quantize) strip_result(ctx, op);
    }
    qcc_remove_dead(g);
    /* Ops that are left in float have kernels for constant weights only. */
    return fold_conversions(ctx, g, &qcc_op_dequantize);
}

const QccPassDef qcc_pass_strip_fake_quant = {
    .abi = QCC_PASS_ABI,
    .name = "strip-fake-quant",
    .summary = "turn the quantize and dequantize nodes of a trained int8 model into types",
    .opts_size = sizeof(Opts),
    .opts = fields,
    .stats = (const char *const[]){[WEIGHTS] = "contractions made integer",
                                   [READS] = "dequantize nodes stripped",
                                   [RESULTS] = "quantize nodes stripped",
                                   [BIASES] = "biases rounded to the accumulator",
                                   [LEFT] = "ops left in float",
                                   NULL},
    .makes = (const char *const[]){"quantized", NULL},
    .run = run,
};
