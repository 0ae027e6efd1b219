/* fold-batchnorm - a batch normalization goes into the weights of the conv2d or fc before it.
 *
 *   y = (conv(x, w) + b - mean) * a + beta,  a = gamma / sqrt(var + eps)
 *     = conv(x, w * a) + (b - mean) * a + beta
 *
 * Computed in double from the f32 parameters, rounded once to f32.
 */
#include <math.h>

#include "passes/rewrite.h"

enum { X, GAMMA, BETA, MEAN, VAR, PARAMS };

/* The parameters of a batchnorm over n channels; false when one is no plain f32 constant. */
static bool read_params(const QccOp *bn, int64_t n, const float **param)
{
    for (int i = GAMMA; i < PARAMS; i++) {
        if (!qcc_const_is_f32(qcc_op_in(bn, i), &param[i])) return false;
        if (qcc_type_count(qcc_op_in(bn, i)->type) != n) return false;
    }
    return true;
}

/* Whether the batchnorm's channel axis is the last one: that of conv2d's and fc's outputs. */
static bool last_axis(const QccOp *bn)
{
    int64_t axis = QCC_ATTRS(bn, QccAxisAttrs)->axis;
    int rank = bn->out[0].type->rank;
    return axis == rank - 1 || axis == -1;
}

static QccStatus fold(QccPassCtx *ctx, QccOp *bn, bool *done)
{
    QccOp *op = bn->in[X].value->def;
    *done = false;
    if (!op || op->def->quant.kind != QCC_QUANT_AFFINE || !last_axis(bn)) return QCC_OK;
    if (qcc_sole_user(&op->out[0]) != bn || op->def->quant.weight_axis != 0) return QCC_OK;

    QccValue *weight = qcc_op_in(op, op->def->quant.weight);
    int bias_at = op->def->quant.bias;
    QccValue *bias = bias_at ? qcc_op_in(op, bias_at) : NULL;
    const float *w, *b = NULL, *p[PARAMS] = {0};
    if (!bias_at || !qcc_const_is_f32(weight, &w)) return QCC_OK;
    if (bias && !qcc_const_is_f32(bias, &b)) return QCC_OK;
    int64_t n = weight->type->dim[0].n, per_channel = n ? qcc_type_count(weight->type) / n : 0;
    if (!n || !read_params(bn, n, p)) return QCC_OK;

    QccArena *scratch = qcc_pass_scratch(ctx);
    double eps = QCC_ATTRS(bn, QccAxisAttrs)->epsilon;
    float *new_w = QCC_NEW_ARRAY(scratch, n * per_channel + 1, float);
    float *new_b = QCC_NEW_ARRAY(scratch, n, float);
    for (int64_t c = 0; c < n; c++) {
        double a = (double)p[GAMMA][c] / sqrt((double)p[VAR][c] + eps);
        if (!isfinite(a)) {
            qcc_pass_warn(ctx, bn, "variance of channel %lld is %g: not folded", (long long)c,
                          (double)p[VAR][c]);
            return QCC_OK;
        }
        for (int64_t i = c * per_channel; i < (c + 1) * per_channel; i++) {
            new_w[i] = (float)((double)w[i] * a);
        }
        double old = b ? (double)b[c] : 0;
        new_b[c] = (float)((old - (double)p[MEAN][c]) * a + (double)p[BETA][c]);
    }

    QccGraph *g = bn->graph;
    int64_t dim[QCC_MAX_RANK];
    if (!qcc_type_extents(weight->type, dim)) return QCC_OK;
    const char *w_name = weight->name;
    const char *b_name = bias ? bias->name : qcc_sprintf(g->arena, "%s.bias", op->out[0].name);
    qcc_value_rename(weight, qcc_sprintf(g->arena, "%s.unfolded", w_name));
    if (bias) qcc_value_rename(bias, qcc_sprintf(g->arena, "%s.unfolded", b_name));
    QccValue *folded_w = qcc_const_f32(g, op, w_name, weight->type->rank, dim, new_w);
    QccValue *folded_b = qcc_const_f32(g, op, b_name, 1, &n, new_b);

    /* A new op, as the bias may be an operand that the old one has no place for. */
    QccValue **in = QCC_NEW_ARRAY(scratch, bias_at + 1, QccValue *);
    for (int i = 0; i < op->nin && i <= bias_at; i++) in[i] = op->in[i].value;
    in[op->def->quant.weight] = folded_w;
    in[bias_at] = folded_b;
    QccValue *result;
    QCC_TRY(qcc_make(&result, g, bn, op->def, op->loc, in, bias_at + 1, op->attrs));
    qcc_op_replace(bn, result);
    *done = true;
    return QCC_OK;
}

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    (void)opts;
    QCC_FOR_OPS(op, g)
    {
        if (op->def != &qcc_op_batchnorm) continue;
        bool done;
        QCC_TRY(fold(ctx, op, &done));
        qcc_pass_count(ctx, done ? 0 : 1, 1);
    }
    qcc_remove_dead(g);
    return QCC_OK;
}

const QccPassDef qcc_pass_fold_batchnorm = {
    .abi = QCC_PASS_ABI,
    .name = "fold-batchnorm",
    .summary = "put batch normalizations into the weights before them",
    .stats = (const char *const[]){"folded", "left standing", NULL},
    .run = run,
};
