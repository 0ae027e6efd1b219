/* onnx_generate - ops whose result is known at import: sizes, ranges, identity matrices. */
#include "frontend/extents.h"
#include "frontend/onnx.h"
#include "ir/elements.h"

#include <math.h>
#include <string.h>

static void give_const(QccOnnxNode *n, const QccBlob *blob)
{
    n->out[0] = qcc_const_new(n->im->graph, NULL, qcc_onnx_name(n, ""), blob, NULL);
}

QccStatus qcc_onnx_size(QccOnnxNode *n)
{
    int64_t count = qcc_type_count(qcc_onnx_in(n, 0)->type);
    if (count < 0) return qcc_onnx_needs_shape(n, "of a dynamic extent");
    give_const(n, qcc_blob(n->im->arena, QCC_I64, 0, NULL, &count, true));
    return QCC_OK;
}

/* Zeroed memory for a constant. */
static QccStatus make_room(QccOnnxNode *n, void **data, QccDtype dtype, int rank,
                           const int64_t *dim)
{
    int64_t count, size;
    if (!qcc_extents_count(&count, &size, dtype, rank, dim))
        return qcc_onnx_wrong(n, "has a result that is too large");
    QCC_TRY(qcc_onnx_make_room(n, size));
    *data = qcc_alloc_aligned(n->im->arena, (size_t)size + 8, 64);
    memset(*data, 0, (size_t)size);
    return QCC_OK;
}

/* ---- range -------------------------------------------------------------------------------- */

static QccStatus integer_range(QccOnnxNode *n, QccDtype dtype, const int64_t bound[3])
{
    int64_t start = bound[0], limit = bound[1], delta = bound[2], span, count = 0;
    bool up = delta > 0;
    if (up ? start < limit : start > limit) {
        const int64_t most = INT64_MAX / 2;
        if (start < -most || start > most || limit < -most || limit > most)
            return qcc_onnx_wrong(n, "has a range too large");
        span = limit - start;
        /* Division towards zero of numbers of one sign, rounded up. */
        count = (span - (up ? 1 : -1)) / delta + 1;
    }
    void *data;
    QCC_TRY(make_room(n, &data, dtype, 1, &count));
    for (int64_t i = 0; i < count; i++) {
        int64_t wide = start + i * delta;
        int32_t narrow = (int32_t)wide;
        bool is_wide = qcc_expr_type_of(dtype) != QCC_EX_I32;
        qcc_narrow(data, dtype, i, is_wide ? (void *)&wide : (void *)&narrow, 1);
    }
    give_const(n, qcc_blob(n->im->arena, dtype, 1, &count, data, false));
    return QCC_OK;
}

static QccStatus real_range(QccOnnxNode *n, QccDtype dtype, const double bound[3])
{
    double steps = ceil((bound[1] - bound[0]) / bound[2]);
    if (!(steps < 1e9)) return qcc_onnx_wrong(n, "has a range too large");
    int64_t count = steps > 0 ? (int64_t)steps : 0;
    void *data;
    QCC_TRY(make_room(n, &data, dtype, 1, &count));
    for (int64_t i = 0; i < count; i++) {
        double wide = bound[0] + (double)i * bound[2];
        float narrow = (float)wide;
        qcc_narrow(data, dtype, i, dtype == QCC_F64 ? (void *)&wide : (void *)&narrow, 1);
    }
    give_const(n, qcc_blob(n->im->arena, dtype, 1, &count, data, false));
    return QCC_OK;
}

/* 0, 1, ... as far as a symbol says: the sums of ones before each place. */
static QccStatus range_of_dims(QccOnnxNode *n)
{
    const QccOnnxDims *limit = n->in[1]->dims;
    double start, delta;
    QCC_TRY(qcc_onnx_scalar_in(n, 0, "start", &start));
    QCC_TRY(qcc_onnx_scalar_in(n, 2, "delta", &delta));
    if (start != 0 || delta != 1 || limit->n != 1)
        return qcc_onnx_needs_shape(n, "a dynamic range that is not 0, 1, 2, ...");
    QccOnnxDims one = {.dtype = limit->dtype, .rank = 1, .n = 1, .v = {qcc_dim(1)}};
    QccValue *x = qcc_onnx_const_dims(n, &one, NULL);
    QccShapeAttrs shape = {0};
    qcc_dims_split(n->im->scratch, &shape.shape, &shape.symbols, 1, limit->v);
    QCC_TRY(qcc_onnx_emit(n, &x, &qcc_op_expand, NULL, &x, 1, &shape));
    QccCumSumAttrs sum = {.exclusive = true};
    return qcc_onnx_emit_out(n, &qcc_op_cum_sum, &x, 1, &sum);
}

QccStatus qcc_onnx_range(QccOnnxNode *n)
{
    if (n->in[1]->dims) return range_of_dims(n);
    static const char *const what[3] = {"start", "limit", "delta"};
    double real[3] = {0};
    int64_t integer[3] = {0};
    QccDtype dtype = QCC_F32;
    for (int i = 0; i < 3; i++) {
        QCC_TRY(qcc_onnx_scalar_in(n, i, what[i], &real[i]));
        const QccBlob *blob = qcc_onnx_blob(n, i);
        if (i > 0 && blob->dtype != dtype) return qcc_onnx_wrong(n, "needs inputs of one type");
        dtype = blob->dtype;
        if (qcc_dtype_is_float(dtype)) continue;
        if (dtype == QCC_I64 || dtype == QCC_U64)
            integer[i] = *(const int64_t *)blob->data;
        else
            integer[i] = (int64_t)real[i];
    }
    if (!(real[2] != 0)) return qcc_onnx_wrong(n, "needs a delta other than 0");
    return qcc_dtype_is_float(dtype) ? real_range(n, dtype, real)
                                     : integer_range(n, dtype, integer);
}

/* ---- identity matrices -------------------------------------------------------------------- */

QccStatus qcc_onnx_eye_like(QccOnnxNode *n)
{
    const QccType *t = qcc_onnx_in(n, 0)->type;
    int64_t dim[QCC_MAX_RANK], number = 0, k = 0;
    QccDtype dtype = t->dtype;
    QCC_TRY(qcc_onnx_attr_int(n, "dtype", &number));
    QCC_TRY(qcc_onnx_attr_int(n, "k", &k));
    if (t->rank != 2) return qcc_onnx_wrong(n, "needs a matrix");
    if (!qcc_type_extents(t, dim)) return qcc_onnx_needs_shape(n, "of a dynamic extent");
    if (number && !qcc_onnx_dtype(&dtype, number))
        return qcc_onnx_unsupported(n, "of %s", qcc_onnx_dtype_name(n->im->scratch, number));
    if (qcc_dtype_bits(dtype) < 8) return qcc_onnx_unsupported(n, "of %s", qcc_dtype_name(dtype));
    void *data;
    QCC_TRY(make_room(n, &data, dtype, 2, dim));
    const union {
        float f32;
        double f64;
        int32_t i32;
        int64_t i64;
    } one[] = {[QCC_EX_F32] = {.f32 = 1},
               [QCC_EX_F64] = {.f64 = 1},
               [QCC_EX_I32] = {.i32 = 1},
               [QCC_EX_I64] = {.i64 = 1},
               [QCC_EX_U64] = {.i64 = 1}};
    for (int64_t i = 0; i < dim[0]; i++) {
        /* compared this way, nothing overflows */
        if (k < -i || k >= dim[1] - i) continue;
        qcc_narrow(data, dtype, i * dim[1] + i + k, &one[qcc_expr_type_of(dtype)], 1);
    }
    give_const(n, qcc_blob(n->im->arena, dtype, 2, dim, data, false));
    return QCC_OK;
}
