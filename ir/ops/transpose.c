/* transpose - dimension i of y is dimension perm[i] of x. */
#include "ir/ops/common.h"

static const QccField attrs[] = {{"perm", QCC_FIELD_INTS, offsetof(QccPermAttrs, perm), NULL, 0, 7,
                                  NULL, "a dimension of x for each dimension of y"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccInts *perm = &((QccPermAttrs *)op->attrs)->perm;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    const QccType *x = qcc_op_real(op, 0);
    QCC_TRY(qcc_op_need_ints(op, "perm", perm, x->rank));
    bool seen[QCC_MAX_RANK] = {false};
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < x->rank; i++) {
        int64_t from = perm->v[i];
        if (from < 0 || from >= x->rank || seen[from])
            return qcc_op_error(op,
                                "'transpose' needs each of %d dimensions once in perm; entry %d "
                                "is %lld",
                                x->rank, i, (long long)from);
        seen[from] = true;
        dim[i] = x->dim[from];
    }
    *result = qcc_type(op->graph->ir, x->dtype, x->rank, dim, NULL);
    return QCC_OK;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccInts *perm = &((QccPermAttrs *)op->attrs)->perm;
    int rank = in[0].type->rank;
    int64_t from[QCC_MAX_RANK], stride[QCC_MAX_RANK], to[QCC_MAX_RANK];
    qcc_dense_strides(rank, in[0].dim, from);
    qcc_dense_strides(rank, result->dim, to);
    for (int i = 0; i < rank; i++) stride[i] = from[perm->v[i]];
    size_t size = (size_t)qcc_dtype_size(result->type->dtype, 1);
    qcc_copy_strided(rank, result->dim, size, result->data, to, in[0].data, stride);
    return QCC_OK;
}

/* x'[j] is x[p[j]], y'[i] is y[p[i]] = x[perm[p[i]]]: that is x'[where p has perm[p[i]]]. */
static bool permute(QccOp *op, const int *p, int rank)
{
    QccInts *perm = &((QccPermAttrs *)op->attrs)->perm, old = *perm;
    for (int i = 0; i < rank; i++) perm->v[i] = qcc_permute_axis(old.v[p[i]], p, rank);
    return true;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccInts *perm = &((QccPermAttrs *)op->attrs)->perm;
    int64_t dim[QCC_MAX_RANK], stride[QCC_MAX_RANK];
    if (!qcc_type_extents(op->out[0].type, dim)) return QCC_ERROR_UNSUPPORTED;
    for (int i = 0; i < perm->n; i++) stride[i] = qcc_lower_pitch(list, op, 0, (int)perm->v[i]);
    return qcc_lower_copy(op, list, 0, dim, NULL, stride, NULL) ? QCC_OK : QCC_ERROR_UNSUPPORTED;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccPermAttrs a = {.perm = {.n = type->rank}};
    for (int i = 0; i < type->rank; i++) { /* Fisher and Yates */
        int at = (int)qcc_random_range(random, 0, i);
        a.perm.v[i] = a.perm.v[at];
        a.perm.v[at] = i;
    }
    QccValue *x = qcc_sample_param(s, type);
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_transpose, &x, 1, &a);
}

const QccOpDef qcc_op_transpose = {
    .name = "transpose",
    .summary = "x with its dimensions in another order",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_MOVE,
    .attr_size = sizeof(QccPermAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = infer,
    .eval = eval,
    .permute = permute,
    .sample = sample,
    .lower = lower,
};
