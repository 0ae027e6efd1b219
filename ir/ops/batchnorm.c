/* batchnorm - y = (x - mean) / sqrt(variance + epsilon) * scale + bias, each of them a vector along
 * one axis. Operations in this order, each rounded.
 *
 * Vectors broadcast along the last dimension alone, so this is no map. fold-batchnorm usually takes
 * it away.
 */
#include "ir/ops/common.h"

#include <math.h>

static const QccField attrs[] = {{"axis", QCC_FIELD_INT, offsetof(QccAxisAttrs, axis), "-1", 0, 0,
                                  NULL, "the dimension of the channels"},
                                 {"epsilon", QCC_FIELD_FLOAT, offsetof(QccAxisAttrs, epsilon),
                                  "1e-05", 0, 1, NULL, "is added to the variance"},
                                 {0}};

enum { X, SCALE, BIAS, MEAN, VARIANCE };

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccAxisAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_real(op, X, VARIANCE));
    const QccType *x = qcc_op_real(op, X);
    QCC_TRY(qcc_op_axis(op, &a->axis, x->rank));
    for (int i = SCALE; i <= VARIANCE; i++) {
        const QccType *t = qcc_op_real(op, i);
        if (t->rank != 1 || !qcc_dim_equal(&t->dim[0], &x->dim[a->axis]))
            return qcc_op_error(op,
                                "'batchnorm' needs x and four vectors along dimension %lld of "
                                "it; x is %s and operand %d is %s",
                                (long long)a->axis, qcc_op_type_text(op, 0), i + 1,
                                qcc_op_type_text(op, i));
    }
    return qcc_infer_same(op, result);
}

static void channels_f64(const QccAxisAttrs *a, const QccTensor *in, const QccTensor *result,
                         int64_t channels, int64_t inner)
{
    const double *x = in[X].data, *scale = in[SCALE].data, *bias = in[BIAS].data;
    const double *mean = in[MEAN].data, *variance = in[VARIANCE].data;
    double *y = result->data;
    for (int64_t i = 0; i < result->count; i++) {
        int64_t c = i / inner % channels;
        y[i] = (x[i] - mean[c]) / sqrt(variance[c] + a->epsilon) * scale[c] + bias[c];
    }
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccAxisAttrs *a = op->attrs;
    const float *x = in[X].data, *scale = in[SCALE].data, *bias = in[BIAS].data;
    const float *mean = in[MEAN].data, *variance = in[VARIANCE].data;
    float *y = result->data, epsilon = (float)a->epsilon;
    int64_t channels = in[X].dim[a->axis], inner = 1;
    for (int i = (int)a->axis + 1; i < in[X].type->rank; i++) inner *= in[X].dim[i];
    if (in[X].type->dtype == QCC_F64) {
        channels_f64(a, in, result, channels, inner);
        return QCC_OK;
    }
    for (int64_t i = 0; i < result->count; i++) {
        int64_t c = i / inner % channels;
        y[i] = (x[i] - mean[c]) / sqrtf(variance[c] + epsilon) * scale[c] + bias[c];
    }
    return QCC_OK;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccAxisAttrs *a = op->attrs;
    const QccType *y = op->out[0].type;
    int64_t dim[QCC_MAX_RANK], stride[QCC_MAX_RANK] = {0};
    const QccType *x = op->in[X].value->type;
    QccReal real;
    if (op->out[0].type->dtype == QCC_F64) return QCC_ERROR_UNSUPPORTED;
    if (!list->in[X] || !qcc_type_extents(y, dim)) return QCC_ERROR_UNSUPPORTED;
    for (int i = SCALE; i <= VARIANCE; i++) {
        if (op->in[i].value->type->quant) return QCC_ERROR_UNSUPPORTED;
    }
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, y->rank, dim);
    QccExpr *e = qcc_lower_expr(list);
    int v[VARIANCE + 1];
    qcc_lower_result(k, y->dtype, list->result->pitch, NULL);
    v[X] = qcc_lower_arg_node(e, k, qcc_lower_operand(k, X, x->dtype, list->in[X]->pitch, NULL));
    if (!qcc_lower_real(list, k, x, &real)) return QCC_ERROR_UNSUPPORTED;
    v[X] = qcc_lower_real_node(e, k, &real, v[X]);
    stride[a->axis] = 1;
    for (int i = SCALE; i <= VARIANCE; i++)
        v[i] = qcc_lower_arg_node(e, k, qcc_lower_operand(k, i, QCC_F32, stride, NULL));
    int t = qcc_expr_op2(e, QCC_EX_add, v[VARIANCE], qcc_expr_f32(e, (float)a->epsilon));
    t = qcc_expr_op1(e, QCC_EX_sqrt, t);
    t = qcc_expr_op2(e, QCC_EX_div, qcc_expr_op2(e, QCC_EX_sub, v[X], v[MEAN]), t);
    t = qcc_expr_op2(e, QCC_EX_mul, t, v[SCALE]);
    e->result = qcc_expr_op2(e, QCC_EX_add, t, v[BIAS]);
    k->kernel->epilogue = e;
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccAxisAttrs a = {.axis = qcc_random_range(random, -type->rank, type->rank - 1),
                      .epsilon = 1e-5};
    int axis = (int)(a.axis < 0 ? a.axis + type->rank : a.axis);
    QccValue *in[VARIANCE + 1] = {qcc_sample_param(s, type)};
    int64_t n = type->dim[axis].n;
    for (int i = SCALE; i < VARIANCE; i++) in[i] = qcc_sample_const(s, qcc_sample_shape(s, 1, &n));
    float *variance = QCC_NEW_ARRAY(s->graph->arena, n + 1, float);
    for (int64_t i = 0; i < n; i++) variance[i] = qcc_random_f32(random, 0.1F, 2);
    QccBlob *blob = qcc_blob(s->graph->arena, QCC_F32, 1, &n, variance, false);
    in[VARIANCE] = qcc_const_new(s->graph, NULL, NULL, blob, NULL);
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_batchnorm, in, VARIANCE + 1, &a);
}

const QccOpDef qcc_op_batchnorm = {
    .name = "batchnorm",
    .summary = "y = (x - mean) / sqrt(variance + epsilon) * scale + bias",
    .min_in = 5,
    .max_in = 5,
    .nout = 1,
    .attr_size = sizeof(QccAxisAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = infer,
    .eval = eval,
    .permute = qcc_permute_axis_attr,
    .sample = sample,
    .lower = lower,
};
