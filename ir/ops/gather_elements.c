/* gather_elements - y[o, i, k] = x[o, indices[o, i, k], k]: an index for each element.
 *
 * indices has x's rank, and but for the axis extents that x's reach. Negative indices count from
 * the end; what lies outside is the nearest one.
 */
#include <string.h>

#include "ir/ops/index.h"

static const QccField attrs[] = {{"axis", QCC_FIELD_INT, offsetof(QccAxisAttrs, axis), "0", 0, 0,
                                  NULL, "the dimension of x that indices run along"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccAxisAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    QCC_TRY(qcc_op_need_index(op, 1));
    const QccType *x = qcc_op_real(op, 0), *index = op->in[1].value->type;
    QCC_TRY(qcc_op_axis(op, &a->axis, x->rank));
    bool fits = index->rank == x->rank;
    for (int i = 0; fits && i < x->rank; i++) {
        bool numbers = !x->dim[i].sym[0] && !index->dim[i].sym[0];
        fits = i == a->axis || qcc_dim_equal(&x->dim[i], &index->dim[i]) ||
               (numbers && index->dim[i].n <= x->dim[i].n);
    }
    if (!fits)
        return qcc_op_error(op,
                            "'gather_elements' needs indices within x's extents but for dimension "
                            "%lld; x is %s, indices are %s",
                            (long long)a->axis, qcc_op_type_text(op, 0), qcc_op_type_text(op, 1));
    *result = qcc_type(op->graph->ir, x->dtype, index->rank, index->dim, NULL);
    return QCC_OK;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccAxisAttrs *a = op->attrs;
    int rank = result->type->rank;
    size_t size = (size_t)qcc_dtype_size(result->type->dtype, 1);
    int64_t index[QCC_MAX_RANK] = {0}, stride[QCC_MAX_RANK];
    qcc_dense_strides(rank, in[0].dim, stride);
    for (int64_t i = 0; i < result->count; i++) {
        char *to = (char *)result->data + (size_t)i * size;
        int64_t from = 0;
        for (int d = 0; d < rank; d++)
            if (d != a->axis) from += index[d] * stride[d];
        if (in[0].dim[a->axis] > 0) {
            from += qcc_index_at(&in[1], i, in[0].dim[a->axis]) * stride[a->axis];
            memcpy(to, (const char *)in[0].data + (size_t)from * size, size);
        } else {
            memset(to, 0, size);
        }
        for (int d = rank - 1; d >= 0 && ++index[d] == result->dim[d]; d--) index[d] = 0;
    }
    return QCC_OK;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccAxisAttrs *a = op->attrs;
    int64_t dim[QCC_MAX_RANK], stride[QCC_MAX_RANK], index_stride[QCC_MAX_RANK];
    if (!qcc_type_extents(op->in[0].value->type, dim) || dim[a->axis] == 0)
        return QCC_ERROR_UNSUPPORTED;
    for (int i = 0; i < op->out[0].type->rank; i++) {
        stride[i] = i == a->axis ? 0 : qcc_lower_pitch(list, op, 0, i);
        index_stride[i] = qcc_lower_pitch(list, op, 1, i);
    }
    QccLoweredKernel *k = qcc_lower_picks(op, list, stride);
    if (!k) return QCC_ERROR_UNSUPPORTED;
    int index = qcc_lower_operand(k, 1, op->in[1].value->type->dtype, index_stride, NULL);
    QccExpr *e = qcc_lower_expr(list);
    int at = qcc_lower_position(e, k, index, dim[a->axis]);
    qcc_lower_picked(k, e, qcc_lower_times(e, at, qcc_lower_pitch(list, op, 0, (int)a->axis)));
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    int64_t dim[QCC_MAX_RANK];
    qcc_type_extents(type, dim);
    QccAxisAttrs a = {.axis = qcc_random_range(random, -type->rank, type->rank - 1)};
    int axis = (int)(a.axis < 0 ? a.axis + type->rank : a.axis);
    for (int i = 0; i < type->rank; i++) {
        if (i == axis)
            dim[i] = qcc_random_range(random, 1, 9);
        else if (qcc_random_bool(random))
            dim[i] = qcc_random_range(random, 1, dim[i]);
    }
    QccValue *in[2] = {qcc_sample_param(s, type), NULL};
    in[1] = qcc_sample_indices(s, type->rank, dim, type->dim[axis].n);
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_gather_elements, in, 2, &a);
}

const QccOpDef qcc_op_gather_elements = {
    .name = "gather_elements",
    .summary = "y[o,i,k] = x[o,indices[o,i,k],k], i being the index along an axis",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .traits = QCC_TRAIT_MOVE,
    .attr_size = sizeof(QccAxisAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = infer,
    .eval = eval,
    .sample = sample,
    .lower = lower,
};
