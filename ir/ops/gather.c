/* gather - y is x with the index along an axis looked up: y[o, j..., k] = x[o, indices[j...], k].
 *
 * Negative indices count from the end; what lies outside is the nearest one.
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
    QccDim dim[2 * QCC_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < a->axis; i++) dim[rank++] = x->dim[i];
    for (int i = 0; i < index->rank; i++) dim[rank++] = index->dim[i];
    for (int i = (int)a->axis + 1; i < x->rank; i++) dim[rank++] = x->dim[i];
    if (rank > QCC_MAX_RANK)
        return qcc_op_error(op, "'gather' makes at most %d dimensions; of %s and %s they are %d",
                            QCC_MAX_RANK, qcc_op_type_text(op, 0), qcc_op_type_text(op, 1), rank);
    *result = qcc_type(op->graph->ir, x->dtype, rank, dim, NULL);
    return QCC_OK;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccAxisAttrs *a = op->attrs;
    QccLines x = qcc_lines(&in[0], a->axis);
    size_t size = (size_t)(qcc_dtype_size(result->type->dtype, 1) * x.inner);
    const char *from = in[0].data;
    char *to = result->data;
    if (in[0].count == 0) { /* nothing to look up */
        memset(to, 0, (size_t)qcc_dtype_size(result->type->dtype, result->count));
        return QCC_OK;
    }
    for (int64_t o = 0; o < x.outer; o++) {
        for (int64_t i = 0; i < in[1].count; i++, to += size) {
            int64_t at = qcc_index_at(&in[1], i, x.n);
            memcpy(to, from + (size_t)(o * x.n + at) * size, size);
        }
    }
    return QCC_OK;
}

/* One list of indices moves with its dimension. */
static bool permute(QccOp *op, const int *perm, int rank)
{
    return op->in[1].value->type->rank == 1 && qcc_permute_axis_attr(op, perm, rank);
}

/* A list of indices that are known and lie in few runs: copies. */
static bool lower_runs(const QccOp *op, QccKernelList *list, int64_t n)
{
    const QccAxisAttrs *a = op->attrs;
    const QccBlob *blob = qcc_lower_const(op, 1);
    if (!blob || blob->rank > 1) return false;
    QccTensor indices = qcc_tensor_view(op->in[1].value->type, blob->data);
    int64_t *source = QCC_NEW_ARRAY(list->arena, indices.count, int64_t);
    for (int64_t i = 0; i < indices.count; i++) source[i] = qcc_index_at(&indices, i, n);
    return qcc_lower_pick(op, list, (int)a->axis, blob->rank == 1, indices.count, source);
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccAxisAttrs *a = op->attrs;
    int64_t dim[QCC_MAX_RANK], stride[QCC_MAX_RANK] = {0}, index_stride[QCC_MAX_RANK] = {0};
    if (!qcc_type_extents(op->in[0].value->type, dim) || dim[a->axis] == 0)
        return QCC_ERROR_UNSUPPORTED;
    if (lower_runs(op, list, dim[a->axis])) return QCC_OK;
    int rank = op->out[0].type->rank, axis = (int)a->axis, n = op->in[1].value->type->rank;
    for (int i = 0; i < rank; i++) {
        if (i >= axis && i < axis + n)
            index_stride[i] = qcc_lower_pitch(list, op, 1, i - axis);
        else
            stride[i] = qcc_lower_pitch(list, op, 0, i < axis ? i : i - n + 1);
    }
    QccLoweredKernel *k = qcc_lower_picks(op, list, stride);
    if (!k) return QCC_ERROR_UNSUPPORTED;
    int index = qcc_lower_operand(k, 1, op->in[1].value->type->dtype, index_stride, NULL);
    QccExpr *e = qcc_lower_expr(list);
    int at = qcc_lower_position(e, k, index, dim[axis]);
    qcc_lower_picked(k, e, qcc_lower_times(e, at, qcc_lower_pitch(list, op, 0, axis)));
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccAxisAttrs a = {.axis = qcc_random_range(random, -type->rank, type->rank - 1)};
    int axis = (int)(a.axis < 0 ? a.axis + type->rank : a.axis);
    int64_t dim[2] = {qcc_random_range(random, 1, 9), qcc_random_range(random, 1, 3)};
    QccValue *in[2] = {qcc_sample_param(s, type), NULL};
    in[1] = qcc_sample_indices(s, (int)qcc_random_range(random, 0, 2), dim, type->dim[axis].n);
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_gather, in, 2, &a);
}

const QccOpDef qcc_op_gather = {
    .name = "gather",
    .summary = "x with the index along an axis looked up in a tensor of indices",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .traits = QCC_TRAIT_MOVE,
    .attr_size = sizeof(QccAxisAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = infer,
    .eval = eval,
    .permute = permute,
    .sample = sample,
    .lower = lower,
};
