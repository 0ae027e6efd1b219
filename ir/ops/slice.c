/* slice - y[i] = x[begin + i * step] in every dimension, as far as end (exclusive). */
#include "ir/ops/common.h"

static const QccField attrs[] = {
    {"begin", QCC_FIELD_INTS, offsetof(QccSliceAttrs, begin), NULL, 0, 0, NULL,
     "the first index, a dimension each"},
    {"end", QCC_FIELD_INTS, offsetof(QccSliceAttrs, end), NULL, 0, 0, NULL,
     "where it stops, exclusive; -1 behind a negative step: with index 0; "
     "9223372036854775807: with the whole extent"},
    {"step", QCC_FIELD_INTS, offsetof(QccSliceAttrs, step), NULL, 0, 0, NULL,
     "the distance of neighbours, negative: backwards, not 0"},
    QCC_SYMBOLS_FIELD(QccSliceAttrs),
    {0}};

static int64_t least(const QccDim *d)
{
    int64_t n = d->n;
    for (int k = 0; k < 2 && d->sym[k]; k++)
        if (!qcc_mul_i64(&n, n, d->sym[k]->min)) return INT64_MAX;
    return n;
}

/* As many elements as a symbol says, from the first one on. Whether there are so many shows when
 * the symbols are bound, unless none of theirs are. */
static QccStatus infer_symbolic(const QccOp *op, int d, const QccDim *in, const QccDim *end,
                                QccDim *out)
{
    const QccSliceAttrs *a = op->attrs;
    bool possible = in->sym[0] ? qcc_dim_equal(in, end) : least(end) <= in->n;
    if (a->begin.v[d] != 0 || a->step.v[d] != 1 || !possible)
        return qcc_op_error(op,
                            "'slice' takes as many elements as a symbol says from the first on, by "
                            "steps of 1, and no more than there are; x is %s, dimension %d begins "
                            "at %lld with step %lld",
                            qcc_op_type_text(op, 0), d, (long long)a->begin.v[d],
                            (long long)a->step.v[d]);
    *out = *end;
    return QCC_OK;
}

static QccStatus infer_dim(const QccOp *op, int d, const QccDim *given, QccDim *out)
{
    QccSliceAttrs *a = op->attrs;
    int64_t begin = a->begin.v[d], step = a->step.v[d], extent, count;
    const QccDim *in = &op->in[0].value->type->dim[d];
    if (given->sym[0]) return infer_symbolic(op, d, in, given, out);
    *out = *in;
    if (begin == 0 && step == 1 && a->end.v[d] == INT64_MAX && in->sym[0]) return QCC_OK;
    if (in->sym[0] && step > 0 && a->end.v[d] <= least(in))
        extent = least(in); /* what is always there */
    else
        QCC_TRY(qcc_op_extent(op, 0, d, &extent));
    if (step > 0 && a->end.v[d] == INT64_MAX) a->end.v[d] = extent;
    int64_t end = a->end.v[d];
    bool forward = step > 0 && begin >= 0 && begin <= extent && end >= 0 && end <= extent;
    bool backward = step < 0 && begin >= -1 && begin < extent && end >= -1 && end < extent;
    if (!forward && !backward)
        return qcc_op_error(op,
                            "'slice' needs begin and end within the extent and a step; in "
                            "dimension %d they are %lld, %lld and %lld, and the extent is %lld",
                            d, (long long)begin, (long long)end, (long long)step,
                            (long long)extent);
    if (forward)
        count = end > begin ? (end - begin - 1) / step + 1 : 0;
    else
        count = begin > end ? (end - begin + 1) / step + 1 : 0;
    *out = qcc_dim(count);
    return QCC_OK;
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccSliceAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    const QccType *x = qcc_op_real(op, 0);
    QCC_TRY(qcc_op_need_ints(op, "begin", &a->begin, x->rank));
    QCC_TRY(qcc_op_need_ints(op, "end", &a->end, x->rank));
    QCC_TRY(qcc_op_need_ints(op, "step", &a->step, x->rank));
    QccDim dim[QCC_MAX_RANK], end[QCC_MAX_RANK];
    QCC_TRY(qcc_op_dims(op, &a->end, &a->symbols, end));
    for (int i = 0; i < x->rank; i++) QCC_TRY(infer_dim(op, i, &end[i], &dim[i]));
    *result = qcc_type(op->graph->ir, x->dtype, x->rank, dim, NULL);
    return QCC_OK;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccSliceAttrs *a = op->attrs;
    int rank = in[0].type->rank;
    int64_t from[QCC_MAX_RANK], to[QCC_MAX_RANK], first = 0;
    if (result->count == 0) return QCC_OK;
    qcc_dense_strides(rank, in[0].dim, from);
    qcc_dense_strides(rank, result->dim, to);
    for (int i = 0; i < rank; i++) {
        first += a->begin.v[i] * from[i];
        /* one element: its step may be as large as it likes */
        from[i] = result->dim[i] > 1 ? from[i] * a->step.v[i] : 0;
    }
    size_t size = (size_t)qcc_dtype_size(result->type->dtype, 1);
    const char *origin = (const char *)in[0].data + first * (int64_t)size;
    qcc_copy_strided(rank, result->dim, size, result->data, to, origin, from);
    return QCC_OK;
}

static bool permute(QccOp *op, const int *perm, int rank)
{
    QccSliceAttrs *a = op->attrs;
    const char **symbols = QCC_NEW_ARRAY(op->graph->arena, rank, const char *);
    qcc_permute_ints(&a->begin, perm, rank);
    qcc_permute_ints(&a->end, perm, rank);
    qcc_permute_ints(&a->step, perm, rank);
    for (int i = 0; i < a->symbols.n; i++) symbols[i] = a->symbols.v[perm[i]];
    a->symbols.v = symbols;
    return true;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccSliceAttrs *a = op->attrs;
    int64_t dim[QCC_MAX_RANK], stride[QCC_MAX_RANK];
    if (!qcc_type_extents(op->out[0].type, dim)) return QCC_ERROR_UNSUPPORTED;
    int64_t *first = QCC_NEW_ARRAY(list->arena, QCC_MAX_RANK, int64_t);
    for (int i = 0; i < a->begin.n; i++) {
        first[i] = a->begin.v[i];
        stride[i] = dim[i] > 1 ? qcc_lower_pitch(list, op, 0, i) * a->step.v[i] : 0;
    }
    return qcc_lower_copy(op, list, 0, dim, NULL, stride, first) ? QCC_OK : QCC_ERROR_UNSUPPORTED;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    int rank = type->rank;
    QccSliceAttrs a = {.begin = {.n = rank}, .end = {.n = rank}, .step = {.n = rank}};
    for (int i = 0; i < rank; i++) {
        int64_t extent = type->dim[i].n, lo = qcc_random_range(random, 0, extent - 1);
        int64_t hi = qcc_random_range(random, lo, extent - 1);
        bool backward = qcc_random_range(random, 0, 3) == 0;
        a.begin.v[i] = backward ? hi : lo;
        a.end.v[i] = backward ? lo - 1 : hi + 1;
        a.step.v[i] = qcc_random_range(random, 1, 3) * (backward ? -1 : 1);
    }
    QccValue *x = qcc_sample_param(s, type);
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_slice, &x, 1, &a);
}

const QccOpDef qcc_op_slice = {
    .name = "slice",
    .summary = "a part of x: from begin to end by step in every dimension",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_MOVE,
    .attr_size = sizeof(QccSliceAttrs),
    .attrs = attrs,
    .extents = offsetof(QccSliceAttrs, end),
    .symbols = offsetof(QccSliceAttrs, symbols),
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = infer,
    .eval = eval,
    .permute = permute,
    .sample = sample,
    .lower = lower,
};
