/* fc - y[...,n] = sum over k of x[...,k] * w[n,k], k ascending, plus bias[n]. */
#include "ir/ops/contract.h"

#include <math.h>

static QccStatus infer(QccOp *op, const QccType **result)
{
    bool has_bias = qcc_op_has(op, 2);
    QCC_TRY(qcc_op_need_real(op, 0, has_bias ? 2 : 1));
    const QccType *x = qcc_op_real(op, 0), *w = qcc_op_real(op, 1);
    if (x->rank < 1 || w->rank != 2)
        return qcc_op_error(op, "'fc' needs x[...,k] and w[n,k]; they are %s and %s",
                            qcc_op_type_text(op, 0), qcc_op_type_text(op, 1));
    int64_t k, n, wk;
    QCC_TRY(qcc_op_extent(op, 0, x->rank - 1, &k));
    QCC_TRY(qcc_op_extent(op, 1, 0, &n));
    QCC_TRY(qcc_op_extent(op, 1, 1, &wk));
    if (k != wk)
        return qcc_op_error(op, "'fc' needs x[m,k] and w[n,k]; k is %lld in x and %lld in w",
                            (long long)k, (long long)wk);
    if (has_bias) {
        const QccType *b = qcc_op_real(op, 2);
        if (b->rank != 1 || !qcc_dim_equal(&b->dim[0], &w->dim[0]))
            return qcc_op_error(op, "'fc' needs a bias for each of %lld outputs; it is %s",
                                (long long)n, qcc_op_type_text(op, 2));
    }
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < x->rank; i++) dim[i] = x->dim[i];
    dim[x->rank - 1] = w->dim[0];
    *result = qcc_type(op->graph->ir, x->dtype, x->rank, dim, NULL);
    return QCC_OK;
}

static void rows_f64(const QccOp *op, const QccTensor *in, const QccTensor *result)
{
    const double *x = in[0].data, *w = in[1].data, *bias = qcc_op_has(op, 2) ? in[2].data : NULL;
    double *y = result->data;
    int64_t n = in[1].dim[0], k = in[1].dim[1];
    for (int64_t at = 0; at < result->count; at++) {
        double sum = 0;
        for (int64_t i = 0; i < k; i++) sum = fma(x[at / n * k + i], w[at % n * k + i], sum);
        y[at] = bias ? sum + bias[at % n] : sum;
    }
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    QccProduct p;
    if (result->type->dtype == QCC_F64) {
        rows_f64(op, in, result);
        return QCC_OK;
    }
    QCC_TRY(qcc_product_init(&p, op, in, result, qcc_op_has(op, 2), arena));
    int64_t n = in[1].dim[0], k = in[1].dim[1];
    const QccNumber *w = qcc_product_transpose(p.w, n, k, arena);
    int64_t rows = n ? result->count / n : 0;
    for (int64_t i = 0; i < result->count; i++) p.y[i].i = 0;
    for (int64_t m = 0; m < rows; m++) {
        QccNumber *y = p.y + m * n;
        for (int64_t i = 0; i < k; i++)
            qcc_product_step(p.integer, y, p.x[m * k + i], w + i * n, n);
        if (p.bias) qcc_product_bias(p.integer, y, p.bias, n);
    }
    return QCC_OK;
}

static QccStatus unit(const QccOp *op, QccArena *arena, QccUnit *u)
{
    return qcc_product_unit(op, 0, arena, u);
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccBlob *w = qcc_lower_const(op, 1);
    const QccLayout *x = list->in[0];
    int64_t dim[QCC_MAX_RANK], m, a_w, y_pitch;
    int last = op->out[0].type->rank - 1;
    bool real = op->in[0].value->type->dtype == QCC_F32 && op->in[1].value->type->dtype == QCC_F32;
    if (op->out[0].type->dtype == QCC_F64) return QCC_ERROR_UNSUPPORTED;
    if ((!w && !real) || !x || !qcc_type_extents(op->out[0].type, dim))
        return QCC_ERROR_UNSUPPORTED;
    const int64_t *pitch = list->result->pitch;
    if (!qcc_lower_merge(dim, x->pitch, 0, last - 1, &m, &a_w) ||
        !qcc_lower_merge(dim, pitch, 0, last - 1, &m, &y_pitch) || x->pitch[last] != 1)
        return QCC_ERROR_UNSUPPORTED;
    int64_t extent[4] = {1, 1, m, dim[last]}, stride[4] = {0, 0, y_pitch, pitch[last]};
    int turned = w ? -1 : qcc_product_turn(op, list);
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_CONTRACT, 4, extent);
    k->kernel->u.contract = qcc_row_product_shape(op->in[1].value->type->dim[1].n, 0, a_w);
    for (int i = 0; i <= last; i++) k->result_dim[i] = i < last ? 2 : 3;
    qcc_lower_result(k, op->out[0].type->dtype, stride, NULL);
    if (w) return qcc_product_lower(op, list, k, NULL, w, w->dim[1], 1, qcc_op_has(op, 2));
    qcc_lower_operand(k, 0, QCC_F32, NULL, NULL);
    qcc_product_lower_turned(op, list, k, turned, 0);
    return QCC_OK;
}

static void sample(QccRandom *r, QccSample *s)
{
    int64_t x[3] = {qcc_random_range(r, 1, 3), qcc_random_range(r, 1, 9),
                    qcc_random_range(r, 1, 70)};
    int64_t w[2] = {qcc_random_range(r, 1, 40), x[2]};
    int skip = (int)qcc_random_range(r, 0, 2);
    QccValue *in[3] = {qcc_sample_param(s, qcc_sample_shape(s, 3 - skip, x + skip)), NULL, NULL};
    int nin = 2;
    bool known = qcc_random_range(r, 0, 7) > 0;
    const QccType *type = qcc_sample_shape(s, 2, w);
    in[1] = known ? qcc_sample_const(s, type) : qcc_sample_param(s, type);
    if (qcc_random_bool(r)) in[nin++] = qcc_sample_const(s, qcc_sample_shape(s, 1, w));
    s->quantizable = known;
    qcc_sample_op(s, &qcc_op_fc, in, nin, NULL);
}

const QccOpDef qcc_op_fc = {
    .name = "fc",
    .summary = "product of x[...,k] and the transposed w[n,k], plus bias[n]",
    .min_in = 2,
    .max_in = 3,
    .nout = 1,
    .traits = QCC_TRAIT_CONTRACTION | QCC_TRAIT_HOMOGENEOUS,
    .quant = {.kind = QCC_QUANT_AFFINE, .weight = 1, .weight_axis = 0, .bias = 2},
    .infer = infer,
    .eval = eval,
    .unit = unit,
    .sample = sample,
    .lower = lower,
};
