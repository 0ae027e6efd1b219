/* onnx_microsoft - what optimizers write into domain com.microsoft: operators that were several. */
#include "frontend/onnx.h"

#include <string.h>

/* Gelu of x, or of x + bias; FastGelu by tanh. */
QccStatus qcc_onnx_bias_gelu(QccOnnxNode *n)
{
    QccGeluAttrs attrs = {.tanh = !strcmp(n->row->type, "FastGelu")};
    QccValue *in[] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)}, *x = in[0];
    if (in[1]) QCC_TRY(qcc_onnx_emit(n, &x, &qcc_op_add, NULL, in, 2, NULL));
    return qcc_onnx_emit_out(n, &qcc_op_gelu, &x, 1, &attrs);
}

/* x * sigmoid(alpha * x) */
QccStatus qcc_onnx_quick_gelu(QccOnnxNode *n)
{
    QccScalarAttrs attrs = {.alpha = (double)1.702F};
    QccValue *x = qcc_onnx_in(n, 0);
    QCC_TRY(qcc_onnx_attr_float(n, "alpha", &attrs.alpha));
    return qcc_onnx_emit_out(n, &qcc_op_swish, &x, 1, &attrs);
}

/* alpha * a * b, the last two dimensions of either turned round before. */
QccStatus qcc_onnx_fused_matmul(QccOnnxNode *n)
{
    static const char *const trans[] = {"transA", "transB"}, *const batch[] = {"transBatchA",
                                                                               "transBatchB"};
    double alpha = 1;
    QccValue *in[2];
    QCC_TRY(qcc_onnx_attr_float(n, "alpha", &alpha));
    for (int i = 0; i < 2; i++) {
        bool turn = false, moved = false;
        int perm[QCC_MAX_RANK];
        in[i] = qcc_onnx_in(n, i);
        int rank = in[i]->type->rank;
        QCC_TRY(qcc_onnx_attr_bool(n, trans[i], &turn));
        QCC_TRY(qcc_onnx_attr_bool(n, batch[i], &moved));
        if (moved) return qcc_onnx_unsupported(n, "%s", batch[i]);
        if (!turn || rank < 2) continue;
        for (int k = 0; k < rank; k++) perm[k] = k;
        perm[rank - 2] = rank - 1;
        perm[rank - 1] = rank - 2;
        QCC_TRY(qcc_onnx_transpose_weight(n, &in[i], in[i], perm));
    }
    QCC_TRY(qcc_onnx_over(n, in, 2, qcc_onnx_matmul));
    if (alpha == 1) return QCC_OK;
    QccValue *scaled[] = {n->out[0], NULL};
    QCC_TRY(qcc_onnx_real_like(n, &scaled[1], scaled[0], alpha));
    return qcc_onnx_emit_out(n, &qcc_op_mul, scaled, 2, NULL);
}

/* The activation behind a convolution. */
static QccStatus activate(QccOnnxNode *n, const char *name, const Onnx__AttributeProto *params)
{
    static const struct {
        const char *name;
        const QccOpDef *def;
        size_t params; /* in the order alpha, beta or min, max */
    } known[] = {{"Relu", &qcc_op_relu, 0},
                 {"Sigmoid", &qcc_op_sigmoid, 0},
                 {"Tanh", &qcc_op_tanh, 0},
                 {"LeakyRelu", &qcc_op_leaky_relu, 1},
                 {"HardSigmoid", &qcc_op_hard_sigmoid, 2},
                 {"Clip", &qcc_op_clip, 2}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name)) continue;
        if ((params ? params->n_floats : 0) != known[i].params)
            return qcc_onnx_wrong(n, "needs %zu activation_params", known[i].params);
        QccScalarAttrs attrs = {0};
        double a = known[i].params > 0 ? (double)params->floats[0] : 0;
        double b = known[i].params > 1 ? (double)params->floats[1] : 0;
        attrs.alpha = attrs.lo = a;
        attrs.beta = attrs.hi = b;
        if (known[i].def == &qcc_op_clip && !(a <= b))
            return qcc_onnx_wrong(n, "clips to %g and %g", a, b);
        return qcc_onnx_emit_out(n, known[i].def, &n->out[0], 1, known[i].params ? &attrs : NULL);
    }
    return qcc_onnx_unsupported(n, "activation '%s'", name);
}

/* act(conv(x, w, b) + z) */
QccStatus qcc_onnx_fused_conv(QccOnnxNode *n)
{
    const char *activation = "";
    QccValue *in[] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1), qcc_onnx_in(n, 2)};
    QccValue *sum[] = {NULL, qcc_onnx_in(n, 3)};
    QCC_TRY(qcc_onnx_attr_string(n, "activation", &activation));
    const Onnx__AttributeProto *params = qcc_onnx_attr(n, "activation_params");
    QCC_TRY(qcc_onnx_over(n, in, in[2] ? 3 : 2, qcc_onnx_conv));
    sum[0] = n->out[0];
    if (sum[1]) QCC_TRY(qcc_onnx_emit_out(n, &qcc_op_add, sum, 2, NULL));
    return activation[0] ? activate(n, activation, params) : QCC_OK;
}
