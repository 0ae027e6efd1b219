/* reverse_sequence - the first length[b] steps of each sequence b in reverse order, the others as
 * they are.
 */
#include <string.h>

#include "ir/ops/index.h"

static const QccField attrs[] = {{"batch_axis", QCC_FIELD_INT,
                                  offsetof(QccSequenceAttrs, batch_axis), "1", 0, 0, NULL,
                                  "the dimension that counts sequences"},
                                 {"time_axis", QCC_FIELD_INT, offsetof(QccSequenceAttrs, time_axis),
                                  "0", 0, 0, NULL, "the dimension that counts steps"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccSequenceAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    QCC_TRY(qcc_op_need_index(op, 1));
    const QccType *x = qcc_op_real(op, 0), *length = op->in[1].value->type;
    QCC_TRY(qcc_op_axis(op, &a->batch_axis, x->rank));
    QCC_TRY(qcc_op_axis(op, &a->time_axis, x->rank));
    if (a->batch_axis == a->time_axis || length->rank != 1 ||
        !qcc_dim_equal(&length->dim[0], &x->dim[a->batch_axis]))
        return qcc_op_error(op,
                            "'reverse_sequence' needs two dimensions and a length for each index "
                            "of the first; they are %lld and %lld, x is %s, lengths are %s",
                            (long long)a->batch_axis, (long long)a->time_axis,
                            qcc_op_type_text(op, 0), qcc_op_type_text(op, 1));
    return qcc_infer_same(op, result);
}

/* The length of sequence b, between 0 and n. */
static int64_t length_at(const QccTensor *length, int64_t b, int64_t n)
{
    int64_t v = length->type->dtype == QCC_I64 ? ((const int64_t *)length->data)[b]
                                               : ((const int32_t *)length->data)[b];
    return v < 0 ? 0 : v > n ? n : v;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccSequenceAttrs *a = op->attrs;
    int rank = result->type->rank;
    size_t size = (size_t)qcc_dtype_size(result->type->dtype, 1);
    int64_t index[QCC_MAX_RANK] = {0}, stride[QCC_MAX_RANK], n = result->dim[a->time_axis];
    qcc_dense_strides(rank, result->dim, stride);
    for (int64_t i = 0; i < result->count; i++) {
        int64_t t = index[a->time_axis], length = length_at(&in[1], index[a->batch_axis], n);
        int64_t from = t < length ? i + (length - 1 - 2 * t) * stride[a->time_axis] : i;
        memcpy((char *)result->data + (size_t)i * size,
               (const char *)in[0].data + (size_t)from * size, size);
        for (int d = rank - 1; d >= 0 && ++index[d] == result->dim[d]; d--) index[d] = 0;
    }
    return QCC_OK;
}

/* Element t of a sequence lies length - 1 - 2 t steps from where it comes from. */
static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccSequenceAttrs *a = op->attrs;
    int64_t dim[QCC_MAX_RANK], pitch[QCC_MAX_RANK];
    int64_t time_stride[QCC_MAX_RANK] = {0}, length_stride[QCC_MAX_RANK] = {0};
    if (!qcc_type_extents(op->out[0].type, dim)) return QCC_ERROR_UNSUPPORTED;
    for (int i = 0; i < op->out[0].type->rank; i++) pitch[i] = qcc_lower_pitch(list, op, 0, i);
    time_stride[a->time_axis] = 1;
    length_stride[a->batch_axis] = qcc_lower_pitch(list, op, 1, 0);
    QccLoweredKernel *k = qcc_lower_picks(op, list, pitch);
    if (!k) return QCC_ERROR_UNSUPPORTED;
    int time = qcc_lower_const_arg(k, qcc_lower_count(list, dim[a->time_axis]), time_stride);
    int arg = qcc_lower_operand(k, 1, op->in[1].value->type->dtype, length_stride, NULL);
    QccExpr *e = qcc_lower_expr(list);
    int zero = qcc_expr_imm(e, QCC_EX_I64, 0, 0);
    int t = qcc_expr_cvt(e, QCC_EX_I64, qcc_lower_arg_node(e, k, time));
    int length = qcc_expr_cvt(e, QCC_EX_I64, qcc_lower_arg_node(e, k, arg));
    length = qcc_expr_op2(e, QCC_EX_min, qcc_expr_op2(e, QCC_EX_max, length, zero),
                          qcc_expr_imm(e, QCC_EX_I64, 0, dim[a->time_axis]));
    int last = qcc_expr_op2(e, QCC_EX_sub, length, qcc_expr_imm(e, QCC_EX_I64, 0, 1));
    int steps = qcc_expr_op2(e, QCC_EX_sub, last, qcc_expr_op2(e, QCC_EX_add, t, t));
    int inside = qcc_expr_op2(e, QCC_EX_lt, t, length);
    steps = qcc_expr_op3(e, QCC_EX_select, inside, steps, zero);
    qcc_lower_picked(k, e, qcc_lower_times(e, steps, pitch[a->time_axis]));
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 2, 4);
    int64_t batch = qcc_random_range(random, 0, type->rank - 1);
    int64_t time = (batch + qcc_random_range(random, 1, type->rank - 1)) % type->rank;
    QccSequenceAttrs a = {.batch_axis = batch, .time_axis = time};
    QccValue *in[2] = {qcc_sample_param(s, type), NULL};
    in[1] = qcc_sample_indices(s, 1, &type->dim[batch].n, type->dim[time].n + 1);
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_reverse_sequence, in, 2, &a);
}

const QccOpDef qcc_op_reverse_sequence = {
    .name = "reverse_sequence",
    .summary = "the first steps of each sequence in reverse order",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .traits = QCC_TRAIT_MOVE,
    .attr_size = sizeof(QccSequenceAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = infer,
    .eval = eval,
    .sample = sample,
    .lower = lower,
};
