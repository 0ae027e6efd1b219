/* quantize_weights - weights to i8 in [-127, 127], biases to i32 on the accumulator's scale.
 *
 *   sw[c] = max|w[c]| / 127        w8 = round(w / sw)        (of 7 bits: 64 in the place of 127)
 *   sb[c] = (f32)((double)sx * sw[c])      b32 = round(b / sb)
 *
 * sw[c] is larger where b would leave 30 bits or sb the range of scales (a dead channel of 1e-30),
 * and free where a channel has only zeros: then it is chosen so that the bias keeps 24 bits.
 *
 * Rounding errors of weights do not average out: each meets the mean of what it is multiplied with,
 * and together they move the whole channel, the more the fewer weights it has. `bias: corrected`
 * takes that away (M. Nagel et al., "Data-Free Quantization through Weight Equalization and Bias
 * Correction", ICCV 2019, section 4.2; the means are measured):
 *
 *   b[c] - sum over i of (sw[c] * w8[c][i] - w[c][i]) * mean(x[i])
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/qmath.h"
#include "passes/context.h"
#include "passes/quantize.h"

enum { BIAS_BITS = 30, ZERO_CHANNEL_BITS = 23 };

/* The greatest weight. */
static int greatest(const QccQuantizer *z)
{
    return z->opts->weight_bits == 7 ? 64 : 127;
}

static float largest(const float *w, int64_t n)
{
    float max = 0;
    for (int64_t i = 0; i < n; i++) {
        if (fabsf(w[i]) > max) max = fabsf(w[i]);
    }
    return max;
}

static float limited(double scale)
{
    if (!(scale > QCC_SCALE_MIN)) return QCC_SCALE_MIN;
    return scale < QCC_SCALE_MAX ? (float)scale : QCC_SCALE_MAX;
}

static float scale_for(float max_w, float bias, float sx, int steps)
{
    double b = fabs((double)bias), least = 2 * (double)QCC_SCALE_MIN / sx;
    if (max_w == 0) return b > 0 ? limited(fmax(ldexp(b / sx, -ZERO_CHANNEL_BITS), least)) : 1;
    double by_weights = (double)max_w / steps, by_bias = ldexp(b / sx, -BIAS_BITS);
    return limited(fmax(fmax(by_weights, by_bias), least));
}

static void choose_scales(QccQuantizer *z, const float *w, const float *b, float sx,
                          QccWeights *out)
{
    int64_t n = out->per_channel;
    float common = 0;
    for (int64_t c = 0; c < out->channels; c++) {
        out->scale[c] = scale_for(largest(w + c * n, n), b ? b[c] : 0, sx, greatest(z));
        /* A channel of zeros fits any scale: it has no say in a common one. */
        bool counts = largest(w + c * n, n) > 0;
        if (counts && out->scale[c] > common) common = out->scale[c];
    }
    if (z->opts->weights != QCC_WEIGHTS_PER_TENSOR) return;
    if (common == 0) common = 1;
    for (int64_t c = 0; c < out->channels; c++) {
        float needed = limited(ldexp(b ? fabs((double)b[c]) / sx : 0, -BIAS_BITS));
        if (needed > common) common = needed;
    }
    for (int64_t c = 0; c < out->channels; c++) out->scale[c] = common;
}

static double mean_of(const QccChannels *x, int64_t c)
{
    return x->count[c] ? x->sum[c] / (double)x->count[c] : 0;
}

/* The biases without what the rounding of the weights adds to them on the mean of the data. Weights
 * are [channels][...][inputs of the channel's group], in conv2d as in fc. */
static float *correct_bias(QccQuantizer *z, const QccOp *op, const QccChannels *x, const float *w,
                           const float *b, const QccWeights *q)
{
    const QccType *t = qcc_op_in(op, op->def->quant.weight)->type;
    float *corrected = QCC_NEW_ARRAY(z->scratch, q->channels + 1, float);
    int64_t inputs = t->dim[t->rank - 1].n, n = q->per_channel;
    int64_t groups = inputs ? x->n / inputs : 1;
    for (int64_t c = 0; c < q->channels; c++) {
        int64_t first = c / (q->channels / groups) * inputs;
        double shift = 0;
        for (int64_t i = 0; i < n; i++) {
            double error = (double)q->scale[c] * q->w[c * n + i] - (double)w[c * n + i];
            shift += error * mean_of(x, first + i % inputs);
        }
        corrected[c] = (float)((b ? (double)b[c] : 0) - shift);
    }
    return corrected;
}

QccStatus qcc_quantize_weights(QccQuantizer *z, const QccOp *op, const QccQuant *x, QccWeights *out,
                               bool *fits)
{
    const QccQuantRule *rule = &op->def->quant;
    const QccValue *weight = qcc_op_in(op, rule->weight), *bias = qcc_op_in(op, rule->bias);
    QccArena *scratch = z->scratch;
    const float *w = NULL, *b = NULL;
    float sx = 1;
    qcc_const_is_f32(weight, &w);
    if (bias) qcc_const_is_f32(bias, &b);
    if (x) qcc_quant_is_tensor(x, &sx, NULL);

    int64_t channels = weight->type->dim[0].n, count = qcc_type_count(weight->type);
    int64_t n = channels ? count / channels : 0;
    int most = greatest(z);
    *out = (QccWeights){.channels = channels, .per_channel = n};
    out->scale = QCC_NEW_ARRAY(scratch, channels + 1, float);
    out->bias_scale = QCC_NEW_ARRAY(scratch, channels + 1, float);
    out->w = QCC_NEW_ARRAY(scratch, count + 1, int8_t);
    choose_scales(z, w, b, sx, out);
    for (int64_t i = 0; i < count; i++)
        out->w[i] = (int8_t)qcc_quantize_f32(w[i], out->scale[i / n], 0, -most, most);
    const QccChannels *means = z->opts->bias == QCC_BIAS_CORRECTED
                                   ? qcc_pass_observed_channels(z->ctx, op->in[0].value)
                                   : NULL;
    if (means) b = correct_bias(z, op, means, w, b, out);
    if (!bias && b && largest(b, channels) == 0) b = NULL;
    if (b) out->bias = QCC_NEW_ARRAY(scratch, channels + 1, int32_t);

    *fits = true;
    for (int64_t c = 0; c < channels; c++) {
        int64_t sum = 0;
        for (int64_t i = c * n; i < (c + 1) * n; i++) sum += abs(out->w[i]);
        double unit = (double)sx * (double)out->scale[c];
        if (unit > (double)QCC_SCALE_MAX) *fits = false;
        out->bias_scale[c] = limited(unit);
        int32_t q = b ? qcc_quantize_f32(b[c], out->bias_scale[c], 0, -INT32_MAX, INT32_MAX) : 0;
        if (b) out->bias[c] = q;
        if (!qcc_accumulator_fits(sum, q < 0 ? -(int64_t)q : q)) *fits = false;
    }
    QccIr *ir = z->g->ir;
    if (z->opts->weights == QCC_WEIGHTS_PER_TENSOR && channels) {
        const float *one = out->scale;
        QccQuant per_tensor = *qcc_quant_tensor(ir, QCC_I8, one[0], 0);
        per_tensor.qmin = -most;
        per_tensor.qmax = most;
        const QccType *t = qcc_type_quantized(ir, weight->type, QCC_I8, &per_tensor);
        out->quant = t->quant;
    } else {
        out->quant = qcc_quant_axis(ir, QCC_I8, weight->type->rank, rule->weight_axis, channels,
                                    out->scale, NULL, -most, most);
    }
    return QCC_OK;
}

/* The name of a constant whose quantized twin is to have it. */
static const char *take_name(QccQuantizer *z, QccValue *value)
{
    const char *name = value->name;
    qcc_value_rename(value, qcc_sprintf(z->g->arena, "%s.f32", name));
    return name;
}

/* The quantized twin of a weight, shared by all ops that read it with the same scales. */
static QccValue *place_weight(QccQuantizer *z, QccValue *weight, const QccWeights *w)
{
    int known = z->placed.n, at = qcc_ptr_map_add(&z->placed, weight);
    if (at == known) {
        z->placed_w = qcc_grow(z->scratch, z->placed_w, at, &z->placed_cap, sizeof *z->placed_w);
        z->placed_w[at] = NULL;
    }
    QccValue *twin = z->placed_w[at];
    if (twin && twin->type->quant == w->quant) return twin;
    int64_t dim[QCC_MAX_RANK];
    qcc_type_extents(weight->type, dim);
    QccBlob *blob = qcc_blob(z->g->arena, QCC_I8, weight->type->rank, dim, w->w, true);
    twin = qcc_const_new(z->g, qcc_op_after(weight), take_name(z, weight), blob, w->quant);
    z->placed_w[at] = twin;
    return twin;
}

/* Puts a new op in the place of `op`, which has no room for its last operand. */
static QccStatus add_operand(QccQuantizer *z, QccOp *op, QccValue *last)
{
    QccValue **in = QCC_NEW_ARRAY(z->scratch, op->nin + 1, QccValue *), *result;
    for (int i = 0; i < op->nin; i++) in[i] = op->in[i].value;
    in[op->nin] = last;
    QCC_TRY(qcc_make(&result, z->g, op, op->def, op->loc, in, op->nin + 1, op->attrs));
    qcc_value_set_type(result, op->out[0].type);
    qcc_op_replace(op, result);
    return QCC_OK;
}

QccStatus qcc_place_weights(QccQuantizer *z, QccOp *op, const QccWeights *w)
{
    const QccQuantRule *rule = &op->def->quant;
    QccValue *weight = op->in[rule->weight].value, *bias = qcc_op_in(op, rule->bias);
    qcc_op_set_operand(op, rule->weight, place_weight(z, weight, w));
    if (!w->bias) return QCC_OK;
    QccBlob *blob = qcc_blob(z->g->arena, QCC_I32, 1, &w->channels, w->bias, true);
    const QccQuant *quant = qcc_quant_axis(z->g->ir, QCC_I32, 1, 0, w->channels, w->bias_scale,
                                           NULL, INT32_MIN, INT32_MAX);
    const char *name =
        bias ? take_name(z, bias) : qcc_sprintf(z->g->arena, "%s.bias", op->out[0].name);
    QccValue *twin = qcc_const_new(z->g, op, name, blob, quant);
    if (op->nin <= rule->bias) return add_operand(z, op, twin);
    qcc_op_set_operand(op, rule->bias, twin);
    return QCC_OK;
}
