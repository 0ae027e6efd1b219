/* scatter_elements - x, with y[o, indices[o, i, k], k] replaced by or combined with updates[o, i,
 * k].
 *
 * Updates are taken in row-major order. Negative indices count from the end; what lies outside is
 * the nearest one.
 */
#include <string.h>

#include "ir/ops/index.h"

static const QccField attrs[] = {{"axis", QCC_FIELD_INT, offsetof(QccScatterAttrs, axis), "0", 0, 0,
                                  NULL, "the dimension of x that indices run along"},
                                 {"reduction", QCC_FIELD_ENUM, offsetof(QccScatterAttrs, reduction),
                                  "none", 0, 0, qcc_scatter_names,
                                  "how an update meets what is there; none: it takes its place"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccScatterAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    QCC_TRY(qcc_op_need_index(op, 1));
    QCC_TRY(qcc_op_need_bytes(op, 2));
    const QccType *x = qcc_op_real(op, 0), *index = op->in[1].value->type, *u = qcc_op_real(op, 2);
    QCC_TRY(qcc_op_axis(op, &a->axis, x->rank));
    bool fits = index->rank == x->rank && u->rank == x->rank && u->dtype == x->dtype;
    for (int i = 0; fits && i < x->rank; i++) {
        bool numbers = !x->dim[i].sym[0] && !index->dim[i].sym[0];
        fits = qcc_dim_equal(&index->dim[i], &u->dim[i]) &&
               (i == a->axis || qcc_dim_equal(&x->dim[i], &index->dim[i]) ||
                (numbers && index->dim[i].n <= x->dim[i].n));
    }
    if (!fits)
        return qcc_op_error(op,
                            "'scatter_elements' needs an index for each update, within x's extents "
                            "but for dimension %lld; x is %s, indices are %s, updates are %s",
                            (long long)a->axis, qcc_op_type_text(op, 0), qcc_op_type_text(op, 1),
                            qcc_op_type_text(op, 2));
    return qcc_infer_same(op, result);
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccScatterAttrs *a = op->attrs;
    int rank = result->type->rank;
    int64_t index[QCC_MAX_RANK] = {0}, stride[QCC_MAX_RANK], n = result->dim[a->axis];
    if (result->count == 0) return QCC_OK;
    memcpy(result->data, in[0].data, (size_t)qcc_dtype_size(result->type->dtype, result->count));
    qcc_dense_strides(rank, result->dim, stride);
    for (int64_t i = 0; i < in[2].count; i++) {
        int64_t at = qcc_index_at(&in[1], i, n) * stride[a->axis];
        for (int d = 0; d < rank; d++)
            if (d != a->axis) at += index[d] * stride[d];
        qcc_scatter_one(a->reduction, result, at, &in[2], i);
        for (int d = rank - 1; d >= 0 && ++index[d] == in[2].dim[d]; d--) index[d] = 0;
    }
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    int64_t dim[QCC_MAX_RANK];
    qcc_type_extents(type, dim);
    QccScatterAttrs a = {.axis = qcc_random_range(random, -type->rank, type->rank - 1)};
    a.reduction = (int)qcc_random_range(random, QCC_SCATTER_NONE, QCC_SCATTER_MAX);
    int axis = (int)(a.axis < 0 ? a.axis + type->rank : a.axis);
    for (int i = 0; i < type->rank; i++) dim[i] = qcc_random_range(random, 1, dim[i]);
    dim[axis] = qcc_random_range(random, 1, 9);
    QccValue *in[3] = {qcc_sample_param(s, type), NULL, NULL};
    in[1] = qcc_sample_indices(s, type->rank, dim, type->dim[axis].n);
    in[2] = qcc_sample_param(s, qcc_sample_shape(s, type->rank, dim));
    qcc_sample_op(s, &qcc_op_scatter_elements, in, 3, &a);
}

const QccOpDef qcc_op_scatter_elements = {
    .name = "scatter_elements",
    .summary = "x with updates at the indices along an axis",
    .min_in = 3,
    .max_in = 3,
    .nout = 1,
    .attr_size = sizeof(QccScatterAttrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
    .sample = sample,
};
