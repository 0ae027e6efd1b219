/* gather_nd - rows of indices name places in x, each of them an element or what lies below it.
 *
 *   y[b..., j..., k...] = x[b..., indices[b..., j..., :]..., k...]
 *
 * b are the first `batch` dimensions, shared by x and indices. Negative indices count from the end;
 * what lies outside is the nearest one.
 */
#include <string.h>

#include "ir/ops/index.h"

static const QccField attrs[] = {{"batch", QCC_FIELD_INT, offsetof(QccGatherNdAttrs, batch), "0", 0,
                                  7, NULL, "leading dimensions that x and indices share"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    int batch = (int)((QccGatherNdAttrs *)op->attrs)->batch;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    QCC_TRY(qcc_op_need_index(op, 1));
    const QccType *x = qcc_op_real(op, 0), *index = op->in[1].value->type;
    int last = index->rank - 1;
    bool fits = batch <= last && batch < x->rank && !index->dim[last].sym[0] &&
                index->dim[last].n >= 1 && index->dim[last].n <= x->rank - batch;
    for (int i = 0; fits && i < batch; i++) fits = qcc_dim_equal(&x->dim[i], &index->dim[i]);
    int rank = 0, depth = fits ? (int)index->dim[last].n : 0;
    fits = fits && last + x->rank - batch - depth <= QCC_MAX_RANK;
    if (!fits)
        return qcc_op_error(op,
                            "'gather_nd' needs rows of indices into x behind %d shared dimensions, "
                            "and at most %d dimensions in y; x is %s, indices are %s",
                            batch, QCC_MAX_RANK, qcc_op_type_text(op, 0), qcc_op_type_text(op, 1));
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < last; i++) dim[rank++] = index->dim[i];
    for (int i = batch + depth; i < x->rank; i++) dim[rank++] = x->dim[i];
    *result = qcc_type(op->graph->ir, x->dtype, rank, dim, NULL);
    return QCC_OK;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    int batch = (int)((const QccGatherNdAttrs *)op->attrs)->batch, last = in[1].type->rank - 1;
    int64_t depth = in[1].dim[last], below = 1, batches = 1;
    for (int i = 0; i < batch; i++) batches *= in[0].dim[i];
    for (int64_t i = batch + depth; i < in[0].type->rank; i++) below *= in[0].dim[i];
    size_t size = (size_t)(qcc_dtype_size(result->type->dtype, 1) * below);
    char *to = result->data;
    if (result->count == 0) return QCC_OK;
    if (in[0].count == 0) {
        memset(to, 0, (size_t)qcc_dtype_size(result->type->dtype, result->count));
        return QCC_OK;
    }
    int64_t rows = in[1].count / depth;
    for (int64_t row = 0; row < rows; row++, to += size) {
        int64_t at = row / (rows / batches);
        for (int64_t d = 0; d < depth; d++) {
            int64_t n = in[0].dim[batch + d];
            at = at * n + qcc_index_at(&in[1], row * depth + d, n);
        }
        memcpy(to, (const char *)in[0].data + (size_t)at * size, size);
    }
    return QCC_OK;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccType *index = op->in[1].value->type;
    int batch = (int)((const QccGatherNdAttrs *)op->attrs)->batch, last = index->rank - 1;
    int depth = (int)index->dim[last].n;
    int64_t dim[QCC_MAX_RANK], stride[QCC_MAX_RANK] = {0}, index_stride[QCC_MAX_RANK] = {0};
    if (!qcc_type_extents(op->in[0].value->type, dim)) return QCC_ERROR_UNSUPPORTED;
    for (int i = 0; i < op->out[0].type->rank; i++) {
        if (i < last) index_stride[i] = qcc_lower_pitch(list, op, 1, i);
        if (i < batch) stride[i] = qcc_lower_pitch(list, op, 0, i);
        if (i >= last) stride[i] = qcc_lower_pitch(list, op, 0, i - last + batch + depth);
    }
    QccLoweredKernel *k = qcc_lower_picks(op, list, stride);
    if (!k) return QCC_ERROR_UNSUPPORTED;
    QccExpr *e = qcc_lower_expr(list);
    int offset = qcc_expr_imm(e, QCC_EX_I64, 0, 0);
    for (int d = 0; d < depth; d++) {
        if (dim[batch + d] == 0) return QCC_ERROR_UNSUPPORTED;
        int64_t *from = QCC_NEW_ARRAY(list->arena, QCC_MAX_RANK, int64_t);
        from[last] = d;
        int arg = qcc_lower_operand(k, 1, index->dtype, index_stride, from);
        int at = qcc_lower_position(e, k, arg, dim[batch + d]);
        at = qcc_lower_times(e, at, qcc_lower_pitch(list, op, 0, batch + d));
        offset = qcc_expr_op2(e, QCC_EX_add, offset, at);
    }
    qcc_lower_picked(k, e, offset);
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccGatherNdAttrs a = {.batch = qcc_random_range(random, 0, type->rank - 1)};
    int64_t dim[QCC_MAX_RANK], least = 7;
    int rank = (int)a.batch;
    qcc_type_extents(type, dim);
    for (int i = rank; i < type->rank; i++) least = dim[i] < least ? dim[i] : least;
    if (qcc_random_bool(random)) dim[rank++] = qcc_random_range(random, 1, 5);
    dim[rank++] = qcc_random_range(random, 1, type->rank - a.batch);
    QccValue *in[2] = {qcc_sample_param(s, type), NULL};
    in[1] = qcc_sample_indices(s, rank, dim, least);
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_gather_nd, in, 2, &a);
}

const QccOpDef qcc_op_gather_nd = {
    .name = "gather_nd",
    .summary = "the parts of x that rows of indices name",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .traits = QCC_TRAIT_MOVE,
    .attr_size = sizeof(QccGatherNdAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = infer,
    .eval = eval,
    .sample = sample,
    .lower = lower,
};
