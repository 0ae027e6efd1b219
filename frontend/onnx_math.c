/* onnx_math - elementwise ops and matrix products. */
#include "frontend/onnx.h"

#include <math.h>
#include <string.h>

/* ---- elementwise -------------------------------------------------------------------------- */

static void all_inputs(QccOnnxNode *n, QccValue **in)
{
    for (int i = 0; i < n->nin; i++) in[i] = qcc_onnx_in(n, i);
}

QccStatus qcc_onnx_plain(QccOnnxNode *n)
{
    QccValue **in = QCC_NEW_ARRAY(n->im->scratch, n->nin, QccValue *);
    all_inputs(n, in);
    return qcc_onnx_emit_out(n, n->row->def, in, n->nin, NULL);
}

/* The second operand lies in the first one's dimensions from `axis` on, else in the last ones; the
 * slopes of PRelu in that of the channels. */
QccStatus qcc_onnx_by_axis(QccOnnxNode *n)
{
    QccValue *in[] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)};
    bool broadcast = false, slopes = n->row->def == &qcc_op_prelu;
    int rank = in[0]->type->rank, own = in[1]->type->rank;
    int64_t axis = slopes ? 1 : rank - own;
    QCC_TRY(qcc_onnx_attr_bool(n, "broadcast", &broadcast));
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &axis));
    if (axis < 0) axis += rank;
    if ((broadcast || (slopes && own == 1 && rank > 1)) && axis != rank - own) {
        QccDim dim[QCC_MAX_RANK];
        if (axis < 0 || axis > rank - own) return qcc_onnx_wrong(n, "has an axis out of range");
        for (int i = 0; i < rank - axis; i++) dim[i] = i < own ? in[1]->type->dim[i] : qcc_dim(1);
        bool one = slopes && qcc_type_count(in[1]->type) == 1;
        if (!one) QCC_TRY(qcc_onnx_reshape(n, &in[1], in[1], NULL, (int)(rank - axis), dim));
    }
    bool swapped = !strcmp(n->row->type, "Greater");
    QccValue *turned[] = {in[1], in[0]};
    return qcc_onnx_emit_out(n, n->row->def, swapped ? turned : in, 2, NULL);
}

/* a > b is b < a. */
QccStatus qcc_onnx_swapped(QccOnnxNode *n)
{
    QccValue *in[] = {qcc_onnx_in(n, 1), qcc_onnx_in(n, 0)};
    return qcc_onnx_emit_out(n, n->row->def, in, 2, NULL);
}

/* Max(a, b, c) is max(max(a, b), c); of one operand it is that operand. */
static QccStatus chain(QccOnnxNode *n, QccValue **out, const char *name)
{
    QccValue *sum = qcc_onnx_in(n, 0);
    for (int i = 1; i < n->nin; i++) {
        QccValue *in[] = {sum, qcc_onnx_in(n, i)};
        if (!in[1]) return qcc_onnx_wrong(n, "lacks input %d", i);
        QCC_TRY(qcc_onnx_emit(n, &sum, n->row->def, i == n->nin - 1 ? name : NULL, in, 2, NULL));
    }
    *out = sum;
    return QCC_OK;
}

QccStatus qcc_onnx_variadic(QccOnnxNode *n)
{
    return chain(n, &n->out[0], qcc_onnx_name(n, ""));
}

QccStatus qcc_onnx_mean(QccOnnxNode *n)
{
    QccValue *sum, *count;
    QCC_TRY(chain(n, &sum, NULL));
    QCC_TRY(qcc_onnx_real_like(n, &count, sum, n->nin));
    QccValue *in[] = {sum, count};
    return qcc_onnx_emit_out(n, &qcc_op_div, in, 2, NULL);
}

QccStatus qcc_onnx_scalars(QccOnnxNode *n)
{
    static const struct {
        const QccOpDef *def;
        float alpha;
    } defaults[] = {
        {&qcc_op_leaky_relu, 0.01F}, {&qcc_op_hard_sigmoid, 0.2F}, {&qcc_op_selu, 1.67326319F}};
    QccScalarAttrs attrs = {.alpha = 1, .beta = 0.5, .gamma = (double)1.05070102F};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        if (n->row->def == defaults[i].def) attrs.alpha = (double)defaults[i].alpha;
    }
    QCC_TRY(qcc_onnx_attr_float(n, "alpha", &attrs.alpha));
    if (n->row->def == &qcc_op_hard_sigmoid) QCC_TRY(qcc_onnx_attr_float(n, "beta", &attrs.beta));
    if (n->row->def == &qcc_op_selu) QCC_TRY(qcc_onnx_attr_float(n, "gamma", &attrs.gamma));
    QccValue *x = qcc_onnx_in(n, 0);
    return qcc_onnx_emit_out(n, n->row->def, &x, 1, &attrs);
}

QccStatus qcc_onnx_shrink(QccOnnxNode *n)
{
    QccShrinkAttrs attrs = {.lambda = 0.5};
    QCC_TRY(qcc_onnx_attr_float(n, "lambd", &attrs.lambda));
    QCC_TRY(qcc_onnx_attr_float(n, "bias", &attrs.bias));
    QccValue *x = qcc_onnx_in(n, 0);
    return qcc_onnx_emit_out(n, &qcc_op_shrink, &x, 1, &attrs);
}

QccStatus qcc_onnx_is_inf(QccOnnxNode *n)
{
    QccSignAttrs attrs = {.positive = true, .negative = true};
    QCC_TRY(qcc_onnx_attr_bool(n, "detect_positive", &attrs.positive));
    QCC_TRY(qcc_onnx_attr_bool(n, "detect_negative", &attrs.negative));
    QccValue *x = qcc_onnx_in(n, 0);
    return qcc_onnx_emit_out(n, &qcc_op_is_inf, &x, 1, &attrs);
}

QccStatus qcc_onnx_mod(QccOnnxNode *n)
{
    QccModAttrs attrs = {0};
    QCC_TRY(qcc_onnx_attr_bool(n, "fmod", &attrs.truncated));
    QccValue *in[] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)};
    return qcc_onnx_emit_out(n, &qcc_op_mod, in, 2, &attrs);
}

QccStatus qcc_onnx_bit_shift(QccOnnxNode *n)
{
    const char *direction = "";
    QCC_TRY(qcc_onnx_attr_string(n, "direction", &direction));
    if (strcmp(direction, "LEFT") && strcmp(direction, "RIGHT")) {
        return qcc_onnx_wrong(n, "has direction '%s', wanted LEFT or RIGHT", direction);
    }
    QccShiftAttrs attrs = {.right = !strcmp(direction, "RIGHT")};
    QccValue *in[] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)};
    return qcc_onnx_emit_out(n, &qcc_op_shift, in, 2, &attrs);
}

/* A bound that is known, in order and exact as a double becomes an attribute. */
static bool bound_known(const QccOnnxNode *n, int i)
{
    const QccBlob *blob = qcc_onnx_blob(n, i);
    return blob && (blob->dtype != QCC_I64 || fabs(qcc_onnx_real(n, blob, 0)) < ldexp(1, 53));
}

/* min(max(x, lo), hi); the bound comes first, so that a NaN in x stays. */
static QccStatus clip_by_values(QccOnnxNode *n)
{
    static const QccOpDef *const def[] = {&qcc_op_max, &qcc_op_min};
    QccValue *y = qcc_onnx_in(n, 0);
    for (int i = 0; i < 2; i++) {
        if (!qcc_onnx_has(n, 1 + i)) continue;
        QccValue *in[] = {qcc_onnx_in(n, 1 + i), y};
        bool last = i == 1 || !qcc_onnx_has(n, 2);
        QCC_TRY(qcc_onnx_emit(n, &y, def[i], last ? qcc_onnx_name(n, "") : NULL, in, 2, NULL));
    }
    n->out[0] = y;
    return QCC_OK;
}

QccStatus qcc_onnx_clip(QccOnnxNode *n)
{
    QccScalarAttrs attrs = {.lo = -INFINITY, .hi = INFINITY};
    if (n->row->since < 11) {
        QCC_TRY(qcc_onnx_attr_float(n, "min", &attrs.lo));
        QCC_TRY(qcc_onnx_attr_float(n, "max", &attrs.hi));
    } else {
        for (int i = 1; i <= 2; i++) {
            if (qcc_onnx_has(n, i) && !bound_known(n, i)) return clip_by_values(n);
        }
        QCC_TRY(qcc_onnx_scalar_in(n, 1, "min", &attrs.lo));
        QCC_TRY(qcc_onnx_scalar_in(n, 2, "max", &attrs.hi));
    }
    if (attrs.lo > attrs.hi) attrs.lo = attrs.hi; /* then that is the result everywhere */
    QccValue *x = qcc_onnx_in(n, 0);
    return qcc_onnx_emit_out(n, &qcc_op_clip, &x, 1, &attrs);
}

QccStatus qcc_onnx_gelu(QccOnnxNode *n)
{
    const char *how = "none";
    QCC_TRY(qcc_onnx_attr_string(n, "approximate", &how));
    if (strcmp(how, "none") && strcmp(how, "tanh")) {
        return qcc_onnx_wrong(n, "has approximate '%s', wanted none or tanh", how);
    }
    QccGeluAttrs attrs = {.tanh = !strcmp(how, "tanh")};
    QccValue *x = qcc_onnx_in(n, 0);
    return qcc_onnx_emit_out(n, &qcc_op_gelu, &x, 1, &attrs);
}

/* ---- matrix products ---------------------------------------------------------------------- */

static QccStatus scale_by(QccOnnxNode *n, QccValue **x, double factor)
{
    if (factor == 1) return QCC_OK;
    QccValue *in[] = {*x, NULL};
    QCC_TRY(qcc_onnx_real_like(n, &in[1], *x, factor));
    return qcc_onnx_emit(n, x, &qcc_op_mul, NULL, in, 2, NULL);
}

/* alpha * A' * B' + beta * C becomes fc(A', B) where C is a bias of n, else fc and add. */
/* Of integers, where there are no factors. */
static QccStatus other_gemm(QccOnnxNode *n, QccValue *a, QccValue *b, QccValue *c, double alpha,
                            double beta, bool trans_a, bool trans_b)
{
    static const int swap[] = {1, 0};
    if (alpha != 1 || (c && beta != 1))
        return qcc_onnx_unsupported(n, "alpha and beta over %s", qcc_dtype_name(a->type->dtype));
    if (trans_a) QCC_TRY(qcc_onnx_transpose(n, &a, a, NULL, swap));
    if (trans_b) QCC_TRY(qcc_onnx_transpose(n, &b, b, NULL, swap));
    QccValue *in[] = {a, b}, *sum[] = {NULL, c};
    if (!c) return qcc_onnx_emit_out(n, &qcc_op_matmul, in, 2, NULL);
    QCC_TRY(qcc_onnx_emit(n, &sum[0], &qcc_op_matmul, NULL, in, 2, NULL));
    return qcc_onnx_emit_out(n, &qcc_op_add, sum, 2, NULL);
}

QccStatus qcc_onnx_gemm(QccOnnxNode *n)
{
    static const int swap[] = {1, 0};
    double alpha = 1, beta = 1;
    bool trans_a = false, trans_b = false, broadcast = false; /* of C: later always */
    QCC_TRY(qcc_onnx_attr_float(n, "alpha", &alpha));
    QCC_TRY(qcc_onnx_attr_float(n, "beta", &beta));
    QCC_TRY(qcc_onnx_attr_bool(n, "transA", &trans_a));
    QCC_TRY(qcc_onnx_attr_bool(n, "transB", &trans_b));
    if (n->im->opset < 7) QCC_TRY(qcc_onnx_attr_bool(n, "broadcast", &broadcast));
    QccValue *a = qcc_onnx_in(n, 0), *b = qcc_onnx_in(n, 1), *c = qcc_onnx_in(n, 2);
    if (a->type->rank != 2 || b->type->rank != 2) {
        return qcc_onnx_wrong(n, "needs two matrices, found rank %d and %d", a->type->rank,
                              b->type->rank);
    }
    if (c && beta == 0) c = NULL;
    if (!qcc_dtype_is_float(a->type->dtype))
        return other_gemm(n, a, b, c, alpha, beta, trans_a, trans_b);
    if (trans_a) QCC_TRY(qcc_onnx_transpose(n, &a, a, NULL, swap));
    if (!trans_b) QCC_TRY(qcc_onnx_transpose_weight(n, &b, b, swap));

    /* A bias [1,n] is one as well. */
    if (c && c->type->rank == 2 && c->type->dim[0].n == 1 && !c->type->dim[0].sym[0] &&
        qcc_dim_equal(&c->type->dim[1], &b->type->dim[0])) {
        QCC_TRY(qcc_onnx_reshape(n, &c, c, NULL, 1, &c->type->dim[1]));
    }
    bool bias = c && alpha == 1 && beta == 1 && c->type->rank == 1 &&
                qcc_dim_equal(&c->type->dim[0], &b->type->dim[0]);
    QccValue *y, *in[] = {a, b, c};
    if (bias || (!c && alpha == 1)) {
        return qcc_onnx_emit_out(n, &qcc_op_fc, in, bias ? 3 : 2, NULL);
    }
    QCC_TRY(qcc_onnx_emit(n, &y, &qcc_op_fc, NULL, in, 2, NULL));
    QCC_TRY(scale_by(n, &y, alpha));
    if (c) {
        QCC_TRY(scale_by(n, &c, beta));
        QccValue *sum[] = {y, c};
        return qcc_onnx_emit_out(n, &qcc_op_add, sum, 2, NULL);
    }
    n->out[0] = y;
    return QCC_OK;
}

/* Whether the weights of a product are known, perhaps quantized. */
static bool is_weight(const QccValue *w)
{
    if (qcc_value_const(w)) return true;
    return w->def && w->def->def == &qcc_op_dequantize && qcc_value_const(qcc_op_in(w->def, 0));
}

QccStatus qcc_onnx_matmul(QccOnnxNode *n)
{
    static const int swap[] = {1, 0};
    QccValue *in[] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)};
    const QccType *a = in[0]->type, *b = in[1]->type;
    if (a->rank < 1 || b->rank < 1) return qcc_onnx_wrong(n, "needs vectors or matrices");
    if (a->rank >= 2 && b->rank == 2 && is_weight(in[1]) && b->dtype == QCC_F32) {
        QCC_TRY(qcc_onnx_transpose_weight(n, &in[1], in[1], swap));
        return qcc_onnx_emit_out(n, &qcc_op_fc, in, 2, NULL);
    }
    if (a->rank >= 2 && b->rank >= 2) return qcc_onnx_emit_out(n, &qcc_op_matmul, in, 2, NULL);

    /* A vector is a matrix of one row on the left, of one column on the right; that extent of 1 is
     * not in the result. */
    QccDim dim[QCC_MAX_RANK];
    int rank = 0;
    if (a->rank == 1) {
        QccDim row[] = {qcc_dim(1), a->dim[0]};
        QCC_TRY(qcc_onnx_reshape(n, &in[0], in[0], NULL, 2, row));
        for (int i = 0; i < b->rank - 2; i++) dim[rank++] = b->dim[i];
        if (b->rank >= 2) dim[rank++] = b->dim[b->rank - 1];
    } else {
        for (int i = 0; i < a->rank - 1; i++) dim[rank++] = a->dim[i];
    }
    if (b->rank == 1) {
        QccDim column[] = {b->dim[0], qcc_dim(1)};
        QCC_TRY(qcc_onnx_reshape(n, &in[1], in[1], NULL, 2, column));
    }
    QccValue *y;
    QCC_TRY(qcc_onnx_emit(n, &y, &qcc_op_matmul, NULL, in, 2, NULL));
    return qcc_onnx_reshape(n, &n->out[0], y, qcc_onnx_name(n, ""), rank, dim);
}
