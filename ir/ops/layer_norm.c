/* layer_norm - y = (x - mean) * r * scale + bias over the dimensions from axis on.
 *
 *   mean = sum(x) / n;  d = x - mean;  r = 1 / sqrt(sum(d * d) / n + epsilon);  y = d * r
 *
 * then y * scale and y + bias, where they are given: every operation is rounded, nothing is fused.
 * Sums go by 16 virtual lanes (reduce.h); division and square root are IEEE.
 */
#include "ir/ops/reduce.h"

#include <math.h>

static const QccField attrs[] = {{"axis", QCC_FIELD_INT, offsetof(QccAxisAttrs, axis), "-1", 0, 0,
                                  NULL, "the first of the dimensions that are normalized together"},
                                 {"epsilon", QCC_FIELD_FLOAT, offsetof(QccAxisAttrs, epsilon),
                                  "1e-05", 0, 1, NULL, "is added to the variance"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccAxisAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_real(op, 0, 0));
    const QccType *x = qcc_op_real(op, 0);
    QCC_TRY(qcc_op_axis(op, &a->axis, x->rank));
    int first = (int)a->axis;
    for (int i = 1; i < op->nin; i++) {
        if (!qcc_op_has(op, i)) continue;
        QCC_TRY(qcc_op_need_real(op, i, i));
        const QccType *t = qcc_op_real(op, i);
        bool fits = t->rank == x->rank - first && t->dtype == x->dtype;
        for (int d = 0; fits && d < t->rank; d++)
            fits = qcc_dim_equal(&t->dim[d], &x->dim[first + d]);
        if (!fits)
            return qcc_op_error(op,
                                "'layer_norm' needs scale and bias of x's shape from axis %d "
                                "on; x is %s and operand %d is %s",
                                first, qcc_op_type_text(op, 0), i + 1, qcc_op_type_text(op, i));
    }
    return qcc_infer_same(op, result);
}

static void rows_f64(const QccOp *op, const QccTensor *in, const QccTensor *result, int64_t n,
                     QccArena *arena)
{
    const QccAxisAttrs *a = op->attrs;
    const double *x = in[0].data, *scale = qcc_op_has(op, 1) ? in[1].data : NULL;
    const double *bias = qcc_op_has(op, 2) ? in[2].data : NULL;
    double *y = result->data, *square = QCC_NEW_ARRAY(arena, n, double);
    for (int64_t at = 0; at < result->count; at += n, x += n, y += n) {
        double mean = qcc_reduce_row_f64(x, n, QCC_REDUCE_SUM) / (double)n;
        for (int64_t i = 0; i < n; i++) {
            y[i] = x[i] - mean;
            square[i] = y[i] * y[i];
        }
        double variance = qcc_reduce_row_f64(square, n, QCC_REDUCE_SUM) / (double)n;
        double r = 1 / sqrt(variance + a->epsilon);
        for (int64_t i = 0; i < n; i++) {
            y[i] *= r;
            if (scale) y[i] *= scale[i];
            if (bias) y[i] += bias[i];
        }
    }
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    const QccAxisAttrs *a = op->attrs;
    const float *x = in[0].data, *scale = qcc_op_has(op, 1) ? in[1].data : NULL;
    const float *bias = qcc_op_has(op, 2) ? in[2].data : NULL;
    float *y = result->data, epsilon = (float)a->epsilon;
    int64_t n = 1;
    for (int i = (int)a->axis; i < in[0].type->rank; i++) n *= in[0].dim[i];
    if (in[0].type->dtype == QCC_F64) {
        rows_f64(op, in, result, n, arena);
        return QCC_OK;
    }
    float *square = QCC_NEW_ARRAY(arena, n, float);
    for (int64_t at = 0; at < result->count; at += n, x += n, y += n) {
        float mean = qcc_reduce_row(x, n, QCC_REDUCE_SUM) / (float)n;
        for (int64_t i = 0; i < n; i++) {
            y[i] = x[i] - mean;
            square[i] = y[i] * y[i];
        }
        float variance = qcc_reduce_row(square, n, QCC_REDUCE_SUM) / (float)n;
        float r = 1 / sqrtf(variance + epsilon);
        for (int64_t i = 0; i < n; i++) {
            y[i] *= r;
            if (scale) y[i] *= scale[i];
            if (bias) y[i] += bias[i];
        }
    }
    return QCC_OK;
}

static bool permute(QccOp *op, const int *perm, int rank)
{
    const QccAxisAttrs *a = op->attrs;
    for (int i = (int)a->axis; i < rank; i++) { /* scale and bias stay as they are */
        if (perm[i] != i) return false;
    }
    return true;
}

/* x - mean, mean being the result of stage 0. */
static int centered(QccExpr *e, const QccLoweredKernel *k, const QccReal *real)
{
    int x = qcc_rows_real(e, k, real), mean = qcc_rows_stage(e, 0, QCC_EX_F32);
    return qcc_expr_op2(e, QCC_EX_sub, x, mean);
}

static QccExpr *mean_of_acc(QccKernelList *list, int64_t n)
{
    QccExpr *e = qcc_lower_expr(list);
    int sum = qcc_expr_acc(e, QCC_EX_F32), count = qcc_expr_f32(e, (float)n);
    e->result = qcc_expr_op2(e, QCC_EX_div, sum, count);
    return e;
}

/* Adds operand i, which lies along the row, and returns its node; -1: it does not merge. */
static int along_row(const QccOp *op, QccKernelList *list, QccExpr *e, QccLoweredKernel *k, int i)
{
    const QccType *t = op->in[i].value->type;
    int64_t dim[QCC_MAX_RANK], pitch[QCC_MAX_RANK], stride[QCC_MAX_RANK] = {0}, n;
    if (t->quant || !qcc_type_extents(t, dim)) return -1;
    for (int d = 0; d < t->rank; d++) pitch[d] = qcc_lower_pitch(list, op, i, d);
    if (!qcc_lower_merge(dim, pitch, 0, t->rank - 1, &n, &stride[k->kernel->rank - 1])) return -1;
    return qcc_lower_arg_node(e, k, qcc_lower_operand(k, i, QCC_F32, stride, NULL));
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccAxisAttrs *a = op->attrs;
    QccReal real;
    if (op->out[0].type->dtype == QCC_F64) return QCC_ERROR_UNSUPPORTED;
    QccLoweredKernel *k = qcc_rows_lower(op, list, (int)a->axis, false);
    if (!k || !qcc_lower_real(list, k, op->in[0].value->type, &real)) return QCC_ERROR_UNSUPPORTED;
    int64_t n = k->kernel->extent[k->kernel->rank - 1];
    QccExpr *x = qcc_lower_expr(list), *square = qcc_lower_expr(list), *y = qcc_lower_expr(list);
    x->result = qcc_rows_real(x, k, &real);
    int d = centered(square, k, &real);
    square->result = qcc_expr_op2(square, QCC_EX_mul, d, d);
    /* Every new node becomes the result, so operands are held in variables; one statement a node
     * keeps the text the same whatever compiler built this. */
    QccExpr *r = mean_of_acc(list, n);
    int variance = r->result, epsilon = qcc_expr_f32(r, (float)a->epsilon);
    variance = qcc_expr_op2(r, QCC_EX_add, variance, epsilon);
    int deviation = qcc_expr_op1(r, QCC_EX_sqrt, variance), one = qcc_expr_f32(r, 1);
    r->result = qcc_expr_op2(r, QCC_EX_div, one, deviation);
    int value = centered(y, k, &real), rstd = qcc_rows_stage(y, 1, QCC_EX_F32);
    value = qcc_expr_op2(y, QCC_EX_mul, value, rstd);
    for (int i = 1; i < op->nin; i++) {
        if (!qcc_op_has(op, i)) continue;
        int v = along_row(op, list, y, k, i);
        if (v < 0) return QCC_ERROR_UNSUPPORTED;
        value = qcc_expr_op2(y, i == 1 ? QCC_EX_mul : QCC_EX_add, value, v);
    }
    y->result = value;
    QccRowShape *rows = &k->kernel->u.rows;
    rows->nstage = 2;
    rows->stage[0].combine = QCC_COMBINE_SUM;
    rows->stage[0].term = x;
    rows->stage[0].then = mean_of_acc(list, n);
    rows->stage[1].combine = QCC_COMBINE_SUM;
    rows->stage[1].term = square;
    rows->stage[1].then = r;
    k->kernel->epilogue = y;
    k->kernel->nanchor = k->kernel->narg - 1;
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    int64_t dim[QCC_MAX_RANK];
    qcc_type_extents(type, dim);
    QccAxisAttrs a = {.axis = qcc_random_range(random, 0, type->rank - 1), .epsilon = 1e-5};
    int rank = type->rank - (int)a.axis, nin = 1;
    QccValue *in[3] = {qcc_sample_param(s, type), NULL, NULL};
    if (qcc_random_bool(random)) {
        in[1] = qcc_sample_const(s, qcc_sample_shape(s, rank, dim + a.axis));
        nin = 2;
    }
    if (qcc_random_bool(random)) {
        in[2] = qcc_sample_const(s, qcc_sample_shape(s, rank, dim + a.axis));
        nin = 3;
    }
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_layer_norm, in, nin, &a);
}

const QccOpDef qcc_op_layer_norm = {
    .name = "layer_norm",
    .summary = "x with mean 0 and variance 1 over the dimensions from axis on, scaled and moved",
    .min_in = 1,
    .max_in = 3,
    .nout = 1,
    .traits = QCC_TRAIT_REDUCTION,
    .attr_size = sizeof(QccAxisAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = infer,
    .eval = eval,
    .permute = permute,
    .sample = sample,
    .lower = lower,
};
