/* max_unpool - y[n,c,...] of zeros, with x[i] at place index[i], counted over the whole of y.
 *
 * Where places repeat, the last one counts. An index outside y is ignored.
 */
#include "ir/ops/common.h"

#include <string.h>

static const QccField attrs[] = {{"shape", QCC_FIELD_INTS, offsetof(QccShapeAttrs, shape), NULL, 1,
                                  1048576, NULL, "the spatial extents of y"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccShapeAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    QCC_TRY(qcc_op_need_bytes(op, 1));
    const QccType *x = qcc_op_real(op, 0), *index = qcc_op_real(op, 1);
    bool fits = x->rank >= 3 && x->rank == index->rank && index->dtype == QCC_I64;
    for (int i = 0; fits && i < x->rank; i++) fits = qcc_dim_equal(&x->dim[i], &index->dim[i]);
    if (!fits)
        return qcc_op_error(op,
                            "'max_unpool' needs x[n,c,...] and an i64 for each; they are %s "
                            "and %s",
                            qcc_op_type_text(op, 0), qcc_op_type_text(op, 1));
    QCC_TRY(qcc_op_need_ints(op, "shape", &a->shape, x->rank - 2));
    QccDim dim[QCC_MAX_RANK] = {x->dim[0], x->dim[1]};
    for (int i = 2; i < x->rank; i++) dim[i] = qcc_dim(a->shape.v[i - 2]);
    *result = qcc_type(op->graph->ir, x->dtype, x->rank, dim, NULL);
    return QCC_OK;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)op;
    (void)arena;
    size_t size = (size_t)qcc_dtype_size(result->type->dtype, 1);
    const int64_t *place = in[1].data;
    const char *x = in[0].data;
    char *y = result->data;
    memset(y, 0, (size_t)result->count * size);
    for (int64_t i = 0; i < in[0].count; i++) {
        if (place[i] < 0 || place[i] >= result->count) continue;
        memcpy(y + (size_t)place[i] * size, x + (size_t)i * size, size);
    }
    return QCC_OK;
}

static void sample(QccRandom *r, QccSample *s)
{
    int64_t dim[] = {qcc_random_range(r, 1, 2), qcc_random_range(r, 1, 3),
                     qcc_random_range(r, 1, 4), qcc_random_range(r, 1, 4)};
    QccShapeAttrs a = {.shape = {2, {dim[2] * 2, dim[3] + 1}}};
    int64_t count = dim[0] * dim[1] * dim[2] * dim[3];
    int64_t all = dim[0] * dim[1] * a.shape.v[0] * a.shape.v[1];
    int64_t *place = QCC_NEW_ARRAY(s->graph->arena, count, int64_t);
    for (int64_t i = 0; i < count; i++) place[i] = qcc_random_range(r, -1, all);
    const QccBlob *blob = qcc_blob(s->graph->arena, QCC_I64, 4, dim, place, false);
    QccValue *in[] = {qcc_sample_param(s, qcc_sample_shape(s, 4, dim)),
                      qcc_const_new(s->graph, NULL, NULL, blob, NULL)};
    qcc_sample_op(s, &qcc_op_max_unpool, in, 2, &a);
}

const QccOpDef qcc_op_max_unpool = {
    .name = "max_unpool",
    .summary = "zeros, with the values of x at the places that max_pool_index gave",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .attr_size = sizeof(QccShapeAttrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
    .sample = sample,
};
