/* expand - x repeated where its extent is 1, as numpy broadcasts it to a shape. */
#include "ir/ops/common.h"

static const QccField attrs[] = {{"shape", QCC_FIELD_INTS, offsetof(QccShapeAttrs, shape), NULL, -1,
                                  281474976710656.0, NULL,
                                  "extents, the last one that of x's last dimension; 1 or -1: x's"},
                                 QCC_SYMBOLS_FIELD(QccShapeAttrs),
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccShapeAttrs *a = op->attrs;
    const QccInts *shape = &a->shape;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    const QccType *x = qcc_op_real(op, 0);
    if (shape->n > QCC_MAX_RANK)
        return qcc_op_error(op, "'expand' makes at most %d dimensions; shape has %d", QCC_MAX_RANK,
                            shape->n);
    int rank = shape->n > x->rank ? shape->n : x->rank;
    QccDim dim[QCC_MAX_RANK], given[QCC_MAX_RANK];
    QCC_TRY(qcc_op_dims(op, shape, &a->symbols, given));
    for (int i = 0; i < rank; i++) {
        int own = i - (rank - x->rank), entry = i - (rank - shape->n);
        QccDim d = own < 0 ? qcc_dim(1) : x->dim[own];
        QccDim wanted = entry < 0 ? qcc_dim(1) : given[entry];
        bool keeps = wanted.n < 0 || (wanted.n == 1 && !wanted.sym[0]);
        dim[i] = keeps ? d : wanted;
        if (keeps || (d.n == 1 && !d.sym[0]) || qcc_dim_equal(&d, &wanted)) continue;
        QccBuf text;
        qcc_buf_init(&text, op->graph->arena);
        qcc_dim_print(&text, &wanted);
        return qcc_op_error(op,
                            "'expand' needs an extent of 1 where it repeats; x is %s, and %s are "
                            "wanted in dimension %d",
                            qcc_op_type_text(op, 0), text.data, i);
    }
    *result = qcc_type(op->graph->ir, x->dtype, rank, dim, NULL);
    return QCC_OK;
}

/* Strides of x over the result's dimensions: 0 where it repeats. */
static void repeat(int rank, int own_rank, const int64_t *dim, const int64_t *pitch, int64_t *out)
{
    for (int i = 0; i < rank; i++) {
        int own = i - (rank - own_rank);
        out[i] = own < 0 || dim[own] == 1 ? 0 : pitch[own];
    }
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)op;
    (void)arena;
    int rank = result->type->rank, own = in[0].type->rank;
    int64_t pitch[QCC_MAX_RANK], from[QCC_MAX_RANK], to[QCC_MAX_RANK];
    qcc_dense_strides(own, in[0].dim, pitch);
    qcc_dense_strides(rank, result->dim, to);
    repeat(rank, own, in[0].dim, pitch, from);
    size_t size = (size_t)qcc_dtype_size(result->type->dtype, 1);
    if (result->count)
        qcc_copy_strided(rank, result->dim, size, result->data, to, in[0].data, from);
    return QCC_OK;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccType *x = op->in[0].value->type, *y = op->out[0].type;
    int64_t xd[QCC_MAX_RANK], yd[QCC_MAX_RANK], pitch[QCC_MAX_RANK], stride[QCC_MAX_RANK];
    if (!qcc_type_extents(x, xd) || !qcc_type_extents(y, yd)) return QCC_ERROR_UNSUPPORTED;
    for (int i = 0; i < x->rank; i++) pitch[i] = qcc_lower_pitch(list, op, 0, i);
    repeat(y->rank, x->rank, xd, pitch, stride);
    return qcc_lower_copy(op, list, 0, yd, NULL, stride, NULL) ? QCC_OK : QCC_ERROR_UNSUPPORTED;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    int64_t dim[QCC_MAX_RANK];
    qcc_type_extents(type, dim);
    QccShapeAttrs a = {.shape = {.n = type->rank}};
    int skip = (int)qcc_random_range(random, 0, type->rank);
    for (int i = 0; i < type->rank; i++) {
        a.shape.v[i] = dim[i];
        if (qcc_random_bool(random))
            dim[i] = 1;
        else if (i >= skip && qcc_random_bool(random))
            a.shape.v[i] = -1;
    }
    QccValue *x = qcc_sample_param(s, qcc_sample_shape(s, type->rank - skip, dim + skip));
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_expand, &x, 1, &a);
}

const QccOpDef qcc_op_expand = {
    .name = "expand",
    .summary = "x repeated along dimensions of extent 1",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_MOVE,
    .attr_size = sizeof(QccShapeAttrs),
    .attrs = attrs,
    .extents = offsetof(QccShapeAttrs, shape),
    .symbols = offsetof(QccShapeAttrs, symbols),
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = infer,
    .eval = eval,
    .sample = sample,
    .lower = lower,
};
