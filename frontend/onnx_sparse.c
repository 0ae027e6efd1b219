/* onnx_sparse - SparseTensorProto to blob: the values at their places, zeros elsewhere. */
#include "frontend/extents.h"
#include "frontend/onnx.h"

#include <string.h>

/* Where value i lies among `count` elements: a number, or one for each dimension. -1: nowhere. */
static int64_t place(const QccBlob *indices, int64_t i, int rank, const int64_t *dim, int64_t count)
{
    const int64_t *index = indices->data;
    if (indices->rank == 1) return index[i] >= 0 && index[i] < count ? index[i] : -1;
    int64_t at = 0;
    for (int k = 0; k < rank; k++) {
        int64_t x = index[i * rank + k];
        if (x < 0 || x >= dim[k]) return -1;
        at = at * dim[k] + x;
    }
    return at;
}

QccStatus qcc_onnx_sparse(const QccBlob **out, QccOnnxImport *im, QccLoc loc,
                          const Onnx__SparseTensorProto *s, const char *what)
{
    const QccBlob *values, *indices;
    int64_t count, size;
    int rank = (int)s->n_dims;
    im->tensors.loc = loc;
    if (!s->values || !s->indices || s->n_dims < 1)
        return qcc_error(im->d, loc, "%s lacks values, indices or extents", what);
    QCC_TRY(qcc_onnx_tensor(&values, &im->tensors, s->values, what));
    QCC_TRY(qcc_onnx_tensor(&indices, &im->tensors, s->indices, what));
    bool fits = values->rank == 1 && indices->dtype == QCC_I64 && s->n_dims <= QCC_MAX_RANK &&
                (indices->rank == 1 || (indices->rank == 2 && indices->dim[1] == rank)) &&
                indices->dim[0] == values->dim[0] && qcc_dtype_bits(values->dtype) >= 8;
    if (!fits) {
        return qcc_error(im->d, loc,
                         "%s needs values[n] of whole bytes and indices i64[n] or i64[n,rank]",
                         what);
    }
    if (!qcc_extents_count(&count, &size, values->dtype, rank, s->dims))
        return qcc_error(im->d, loc, "the extents of %s are negative or too large", what);
    if (size > QCC_ONNX_CONSTANTS_MAX - im->made) {
        return qcc_fail(im->d, QCC_ERROR_UNSUPPORTED, loc,
                        "%s is sparse: more than %d bytes in the whole model", what,
                        QCC_ONNX_CONSTANTS_MAX);
    }
    im->made += size;
    size_t bytes = (size_t)qcc_dtype_size(values->dtype, 1);
    char *data = qcc_alloc_aligned(im->arena, size ? (size_t)size : 1, 64);
    for (int64_t i = 0; i < values->dim[0]; i++) {
        int64_t at = place(indices, i, rank, s->dims, count);
        if (at < 0) {
            return qcc_error(im->d, loc, "value %lld of %s lies outside of it", (long long)i, what);
        }
        memcpy(data + (size_t)at * bytes, (const char *)values->data + (size_t)i * bytes, bytes);
    }
    *out = qcc_blob(im->arena, values->dtype, rank, s->dims, data, false);
    return QCC_OK;
}
