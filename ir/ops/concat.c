/* concat - the operands one behind the other along an axis. */
#include "ir/ops/common.h"

static const QccField attrs[] = {{"axis", QCC_FIELD_INT, offsetof(QccAxisAttrs, axis), NULL, 0, 0,
                                  NULL, "the dimension that grows"},
                                 {0}};

/* a += b: numbers, or multiples of the same symbols. */
static bool add_dim(QccDim *a, const QccDim *b)
{
    return a->sym[0] == b->sym[0] && a->sym[1] == b->sym[1] && qcc_add_i64(&a->n, a->n, b->n);
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccAxisAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    const QccType *x = qcc_op_real(op, 0);
    QCC_TRY(qcc_op_axis(op, &a->axis, x->rank));
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < x->rank; i++) dim[i] = x->dim[i];
    for (int k = 1; k < op->nin; k++) {
        QCC_TRY(qcc_op_need_bytes(op, k));
        const QccType *t = qcc_op_real(op, k);
        bool fits = t->rank == x->rank && t->dtype == x->dtype;
        for (int i = 0; fits && i < x->rank; i++)
            fits = i == a->axis ? add_dim(&dim[i], &t->dim[i]) : qcc_dim_equal(&dim[i], &t->dim[i]);
        if (!fits)
            return qcc_op_error(op,
                                "'concat' needs operands that differ in dimension %lld alone; "
                                "operand 1 is %s, operand %d is %s",
                                (long long)a->axis, qcc_op_type_text(op, 0), k + 1,
                                qcc_op_type_text(op, k));
    }
    *result = qcc_type(op->graph->ir, x->dtype, x->rank, dim, NULL);
    return QCC_OK;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccAxisAttrs *a = op->attrs;
    int rank = result->type->rank;
    int64_t from[QCC_MAX_RANK], to[QCC_MAX_RANK];
    qcc_dense_strides(rank, result->dim, to);
    size_t size = (size_t)qcc_dtype_size(result->type->dtype, 1);
    char *origin = result->data;
    for (int i = 0; i < op->nin; i++) {
        qcc_dense_strides(rank, in[i].dim, from);
        qcc_copy_strided(rank, in[i].dim, size, origin, to, in[i].data, from);
        origin += in[i].dim[a->axis] * to[a->axis] * (int64_t)size;
    }
    return QCC_OK;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccAxisAttrs *a = op->attrs;
    int64_t at = 0;
    for (int i = 0; i < op->nin; i++) {
        const QccType *t = op->in[i].value->type;
        int64_t dim[QCC_MAX_RANK], stride[QCC_MAX_RANK];
        if (!qcc_type_extents(t, dim)) return QCC_ERROR_UNSUPPORTED;
        int64_t *to = QCC_NEW_ARRAY(list->arena, QCC_MAX_RANK, int64_t);
        to[a->axis] = at;
        at += dim[a->axis];
        if (dim[a->axis] == 0) continue;
        for (int d = 0; d < t->rank; d++) stride[d] = qcc_lower_pitch(list, op, i, d);
        if (!qcc_lower_copy(op, list, i, dim, to, stride, NULL)) return QCC_ERROR_UNSUPPORTED;
    }
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    int64_t dim[QCC_MAX_RANK];
    qcc_type_extents(type, dim);
    QccAxisAttrs a = {.axis = qcc_random_range(random, -type->rank, type->rank - 1)};
    int axis = (int)(a.axis < 0 ? a.axis + type->rank : a.axis);
    int n = (int)qcc_random_range(random, 1, 4);
    QccValue *in[4];
    for (int i = 0; i < n; i++) {
        dim[axis] = qcc_random_range(random, 1, 9);
        in[i] = qcc_sample_param(s, qcc_sample_shape(s, type->rank, dim));
    }
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_concat, in, n, &a);
}

const QccOpDef qcc_op_concat = {
    .name = "concat",
    .summary = "the operands one behind the other along an axis",
    .min_in = 1,
    .max_in = -1,
    .nout = 1,
    .traits = QCC_TRAIT_MOVE,
    .attr_size = sizeof(QccAxisAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = infer,
    .eval = eval,
    .permute = qcc_permute_axis_attr,
    .sample = sample,
    .lower = lower,
};
