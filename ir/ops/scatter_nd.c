/* scatter_nd - x, with the parts that rows of indices name replaced by or combined with updates.
 *
 *   y[indices[j..., :]..., k...] = updates[j..., k...]
 *
 * Updates are taken in row-major order. Negative indices count from the end; what lies outside is
 * the nearest one.
 */
#include <string.h>

#include "ir/ops/index.h"

static const QccField attrs[] = {{"reduction", QCC_FIELD_ENUM, offsetof(QccScatterAttrs, reduction),
                                  "none", 0, 0, qcc_scatter_names,
                                  "how an update meets what is there; none: it takes its place"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QCC_TRY(qcc_op_need_bytes(op, 0));
    QCC_TRY(qcc_op_need_index(op, 1));
    QCC_TRY(qcc_op_need_bytes(op, 2));
    const QccType *x = qcc_op_real(op, 0), *index = op->in[1].value->type, *u = qcc_op_real(op, 2);
    int last = index->rank - 1;
    bool fits = last >= 0 && !index->dim[last].sym[0] && index->dim[last].n >= 1 &&
                index->dim[last].n <= x->rank && u->dtype == x->dtype &&
                u->rank == last + x->rank - index->dim[last].n;
    for (int i = 0; fits && i < u->rank; i++) {
        const QccDim *want =
            i < last ? &index->dim[i] : &x->dim[i - last + (int)index->dim[last].n];
        fits = qcc_dim_equal(&u->dim[i], want);
    }
    if (!fits)
        return qcc_op_error(op,
                            "'scatter_nd' needs rows of indices into x, and for each a part of x; "
                            "x is %s, indices are %s, updates are %s",
                            qcc_op_type_text(op, 0), qcc_op_type_text(op, 1),
                            qcc_op_type_text(op, 2));
    return qcc_infer_same(op, result);
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccScatterAttrs *a = op->attrs;
    int64_t depth = in[1].dim[in[1].type->rank - 1], below = 1;
    for (int64_t i = depth; i < in[0].type->rank; i++) below *= in[0].dim[i];
    if (result->count == 0) return QCC_OK;
    memcpy(result->data, in[0].data, (size_t)qcc_dtype_size(result->type->dtype, result->count));
    for (int64_t row = 0; row < in[1].count / depth; row++) {
        int64_t at = 0;
        for (int64_t d = 0; d < depth; d++)
            at = at * in[0].dim[d] + qcc_index_at(&in[1], row * depth + d, in[0].dim[d]);
        for (int64_t k = 0; k < below; k++)
            qcc_scatter_one(a->reduction, result, at * below + k, &in[2], row * below + k);
    }
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccScatterAttrs a = {.reduction =
                             (int)qcc_random_range(random, QCC_SCATTER_NONE, QCC_SCATTER_MAX)};
    int64_t dim[QCC_MAX_RANK], index[2] = {qcc_random_range(random, 1, 5), 0}, least = 7;
    int depth = (int)qcc_random_range(random, 1, type->rank), first = qcc_random_bool(random);
    index[1] = depth;
    qcc_type_extents(type, dim);
    for (int i = 0; i < depth; i++) least = dim[i] < least ? dim[i] : least;
    QccValue *in[3] = {qcc_sample_param(s, type), NULL, NULL};
    in[1] = qcc_sample_indices(s, 2 - first, index + first, least);
    dim[depth - 1] = index[0]; /* in front of the extents below */
    in[2] = qcc_sample_param(
        s, qcc_sample_shape(s, type->rank - depth + 1 - first, dim + depth - 1 + first));
    qcc_sample_op(s, &qcc_op_scatter_nd, in, 3, &a);
}

const QccOpDef qcc_op_scatter_nd = {
    .name = "scatter_nd",
    .summary = "x with updates in the parts that rows of indices name",
    .min_in = 3,
    .max_in = 3,
    .nout = 1,
    .attr_size = sizeof(QccScatterAttrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
    .sample = sample,
};
