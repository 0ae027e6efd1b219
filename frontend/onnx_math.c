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

/* An exponent of another type than the base is converted where it is known. */
QccStatus qcc_onnx_pow(QccOnnxNode *n)
{
    QccValue *in[] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)};
    QccDtype base = in[0]->type->dtype, exponent = in[1]->type->dtype;
    const QccBlob *blob = qcc_onnx_blob(n, 1);
    if (!qcc_dtype_is_float(base)) {
        return qcc_onnx_unsupported(n, "of %s", qcc_dtype_name(base));
    }
    if (base != exponent) {
        if (!blob || base != QCC_F32) {
            return qcc_onnx_unsupported(n, "%s to the power of %s", qcc_dtype_name(base),
                                        qcc_dtype_name(exponent));
        }
        int64_t count = qcc_type_count(in[1]->type);
        float *x = qcc_alloc_array(n->im->arena, count ? count : 1, sizeof *x);
        for (int64_t i = 0; i < count; i++) x[i] = (float)qcc_onnx_real(n, blob, i);
        blob = qcc_blob(n->im->arena, QCC_F32, blob->rank, blob->dim, x, false);
        in[1] = qcc_const_new(n->im->graph, NULL, NULL, blob, NULL);
    }
    return qcc_onnx_emit_out(n, &qcc_op_pow, in, 2, NULL);
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
    QccValue *sum;
    QCC_TRY(chain(n, &sum, NULL));
    QccValue *in[] = {sum, qcc_onnx_f32(n, (float)n->nin)};
    return qcc_onnx_emit_out(n, &qcc_op_div, in, 2, NULL);
}

QccStatus qcc_onnx_scalars(QccOnnxNode *n)
{
    bool leaky = n->row->def == &qcc_op_leaky_relu;
    QccScalarAttrs attrs = {.alpha = leaky ? (double)0.01f : (double)0.2f, .beta = 0.5};
    QCC_TRY(qcc_onnx_attr_float(n, "alpha", &attrs.alpha));
    if (!leaky) QCC_TRY(qcc_onnx_attr_float(n, "beta", &attrs.beta));
    QccValue *x = qcc_onnx_in(n, 0);
    return qcc_onnx_emit_out(n, n->row->def, &x, 1, &attrs);
}

QccStatus qcc_onnx_clip(QccOnnxNode *n)
{
    QccScalarAttrs attrs = {.lo = -INFINITY, .hi = INFINITY};
    if (n->row->since < 11) {
        QCC_TRY(qcc_onnx_attr_float(n, "min", &attrs.lo));
        QCC_TRY(qcc_onnx_attr_float(n, "max", &attrs.hi));
    } else {
        QCC_TRY(qcc_onnx_scalar_in(n, 1, "min", &attrs.lo));
        QCC_TRY(qcc_onnx_scalar_in(n, 2, "max", &attrs.hi));
    }
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
    QccValue *in[] = {*x, qcc_onnx_f32(n, (float)factor)};
    return qcc_onnx_emit(n, x, &qcc_op_mul, NULL, in, 2, NULL);
}

/* alpha * A' * B' + beta * C becomes fc(A', B) where C is a bias of n, else fc and add. */
QccStatus qcc_onnx_gemm(QccOnnxNode *n)
{
    static const int swap[] = {1, 0};
    double alpha = 1, beta = 1;
    bool trans_a = false, trans_b = false;
    QCC_TRY(qcc_onnx_attr_float(n, "alpha", &alpha));
    QCC_TRY(qcc_onnx_attr_float(n, "beta", &beta));
    QCC_TRY(qcc_onnx_attr_bool(n, "transA", &trans_a));
    QCC_TRY(qcc_onnx_attr_bool(n, "transB", &trans_b));
    QccValue *a = qcc_onnx_in(n, 0), *b = qcc_onnx_in(n, 1), *c = qcc_onnx_in(n, 2);
    if (a->type->rank != 2 || b->type->rank != 2) {
        return qcc_onnx_wrong(n, "needs two matrices, found rank %d and %d", a->type->rank,
                              b->type->rank);
    }
    if (c && beta == 0) c = NULL;
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
    if (a->rank >= 2 && b->rank == 2 && is_weight(in[1])) {
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
