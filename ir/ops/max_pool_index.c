/* max_pool_index - where the largest value in each window of x[n,c,...] lies, counted over x.
 *
 * The first of equal values in row-major order counts; a NaN is never larger, as in max_pool. A
 * window in which nothing is larger than -inf gives its first tap. With column_major the spatial
 * dimensions count the other way round: the first one fastest.
 */
#include "ir/ops/common.h"

enum { EXTENT_MAX = 1048576 };

static const QccField attrs[] = {
    {"kernel", QCC_FIELD_INTS, offsetof(QccMaxIndexAttrs, kernel), NULL, 1, EXTENT_MAX, NULL,
     "taps, a spatial dimension each"},
    {"stride", QCC_FIELD_INTS, offsetof(QccMaxIndexAttrs, stride), NULL, 1, EXTENT_MAX, NULL,
     "a spatial dimension each"},
    {"dilation", QCC_FIELD_INTS, offsetof(QccMaxIndexAttrs, dilation), NULL, 1, EXTENT_MAX, NULL,
     "the distance of neighbouring taps, a spatial dimension each"},
    {"pad", QCC_FIELD_INTS, offsetof(QccMaxIndexAttrs, pad), NULL, 0, EXTENT_MAX, NULL,
     "before every spatial dimension, then behind them, less than the kernel spans"},
    {"ceil", QCC_FIELD_BOOL, offsetof(QccMaxIndexAttrs, ceil), "false", 0, 0, NULL,
     "the output extent rounds up, unless the last window would begin behind x"},
    {"column_major", QCC_FIELD_BOOL, offsetof(QccMaxIndexAttrs, column_major), "false", 0, 0, NULL,
     "the first spatial dimension counts fastest"},
    {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccMaxIndexAttrs *a = op->attrs;
    if (!qcc_op_has(op, 0)) return qcc_op_error(op, "'max_pool_index' needs operand 1");
    const QccType *x = qcc_op_real(op, 0);
    int n = x->rank - 2;
    if (n < 1 || (x->dtype != QCC_F32 && x->dtype != QCC_U8 && x->dtype != QCC_I8))
        return qcc_op_error(op, "'max_pool_index' needs x[n,c,...] of f32, u8 or i8; it is %s",
                            qcc_op_type_text(op, 0));
    QCC_TRY(qcc_op_need_ints(op, "kernel", &a->kernel, n));
    QCC_TRY(qcc_op_need_ints(op, "stride", &a->stride, n));
    QCC_TRY(qcc_op_need_ints(op, "dilation", &a->dilation, n));
    QCC_TRY(qcc_op_need_ints(op, "pad", &a->pad, 2 * n));
    QccDim dim[QCC_MAX_RANK] = {x->dim[0], x->dim[1]};
    for (int i = 0; i < n; i++) {
        int64_t before = a->pad.v[i], after = a->pad.v[n + i];
        int64_t span = (a->kernel.v[i] - 1) * a->dilation.v[i];
        if (before > span || after > span)
            return qcc_op_error(op, "'max_pool_index' needs a pad smaller than the window");
        QCC_TRY(qcc_infer_window(op, 2 + i, a->kernel.v[i], a->stride.v[i], a->dilation.v[i],
                                 before, after, a->ceil, &dim[2 + i]));
    }
    *result = qcc_type(op->graph->ir, QCC_I64, x->rank, dim, NULL);
    return QCC_OK;
}

/* Taps [*first, *end) of output o that lie in x. */
static void tap_range(const QccMaxIndexAttrs *a, int i, int64_t o, int64_t extent, int64_t *first,
                      int64_t *end)
{
    int64_t origin = o * a->stride.v[i] - a->pad.v[i], step = a->dilation.v[i];
    *first = origin < 0 ? (step - 1 - origin) / step : 0;
    *end = extent > origin ? (extent - origin + step - 1) / step : 0;
    if (*end > a->kernel.v[i]) *end = a->kernel.v[i];
}

/* The largest value of one window of one image, as an index into the image. */
static int64_t largest(const QccMaxIndexAttrs *a, const QccTensor *x, int64_t image,
                       const int64_t *out)
{
    int n = x->type->rank - 2;
    int64_t first[QCC_MAX_RANK], end[QCC_MAX_RANK], tap[QCC_MAX_RANK], best = -1;
    double most = 0;
    for (int i = 0; i < n; i++) {
        tap_range(a, i, out[i], x->dim[2 + i], &first[i], &end[i]);
        if (first[i] >= end[i]) return 0;
        tap[i] = first[i];
    }
    for (int d = 0; d >= 0;) {
        int64_t at = 0, place = 0;
        for (int i = 0; i < n; i++) {
            int k = a->column_major ? n - 1 - i : i;
            int64_t p = out[i] * a->stride.v[i] - a->pad.v[i] + tap[i] * a->dilation.v[i];
            int64_t q = out[k] * a->stride.v[k] - a->pad.v[k] + tap[k] * a->dilation.v[k];
            at = at * x->dim[2 + i] + p;
            place = place * x->dim[2 + k] + q;
        }
        double v = x->type->dtype == QCC_F32 ? (double)((const float *)x->data)[image + at]
                                             : qcc_load_integer(x, image + at);
        if (best < 0 || v > most) {
            best = place;
            most = v;
        }
        for (d = n - 1; d >= 0 && ++tap[d] == end[d]; d--) tap[d] = first[d];
    }
    return best;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    int rank = in[0].type->rank;
    int64_t *y = result->data, size = 1, outputs = 1, index[QCC_MAX_RANK] = {0};
    for (int i = 2; i < rank; i++) {
        size *= in[0].dim[i];
        outputs *= result->dim[i];
    }
    for (int64_t i = 0; i < result->count; i++) {
        int64_t image = i / outputs * size;
        y[i] = image + largest(op->attrs, &in[0], image, index + 2);
        for (int d = rank - 1; d >= 0 && ++index[d] == result->dim[d]; d--) index[d] = 0;
    }
    return QCC_OK;
}

static void sample(QccRandom *r, QccSample *s)
{
    int n = (int)qcc_random_range(r, 1, 3);
    QccMaxIndexAttrs a = {
        .kernel = {.n = n}, .stride = {.n = n}, .dilation = {.n = n}, .pad = {.n = 2 * n}};
    int64_t dim[QCC_MAX_RANK] = {qcc_random_range(r, 1, 2), qcc_random_range(r, 1, 3)};
    for (int i = 0; i < n; i++) {
        a.kernel.v[i] = qcc_random_range(r, 1, 3);
        a.stride.v[i] = qcc_random_range(r, 1, 3);
        a.dilation.v[i] = qcc_random_range(r, 1, 2);
        int64_t span = (a.kernel.v[i] - 1) * a.dilation.v[i];
        a.pad.v[i] = qcc_random_range(r, 0, span);
        a.pad.v[n + i] = qcc_random_range(r, 0, span);
        dim[2 + i] = span + qcc_random_range(r, 1, 5);
    }
    a.ceil = qcc_random_bool(r);
    a.column_major = qcc_random_bool(r);
    QccValue *x = qcc_sample_param(s, qcc_sample_shape(s, n + 2, dim));
    qcc_sample_op(s, &qcc_op_max_pool_index, &x, 1, &a);
}

const QccOpDef qcc_op_max_pool_index = {
    .name = "max_pool_index",
    .summary = "where the largest value in each window of x[n,c,...] lies",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_POOLING,
    .attr_size = sizeof(QccMaxIndexAttrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
    .sample = sample,
};
