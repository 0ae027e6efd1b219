/* tensor - dense values at run time, read as reals. */
#include "ir/tensor.h"

#include <assert.h>
#include <string.h>

#include "ir/elements.h"
#include "ir/qmath.h"

QccTensor qcc_tensor_view(const QccType *type, const void *data)
{
    QccTensor t = {.type = type, .count = qcc_type_count(type), .data = (void *)data};
    bool bound = qcc_type_extents(type, t.dim);
    assert(bound && t.count >= 0 && "symbols are bound before a graph runs");
    (void)bound;
    return t;
}

QccTensor qcc_tensor_new(QccArena *arena, const QccType *type)
{
    int64_t bytes = qcc_type_bytes(type);
    assert(bytes >= 0 && "symbols are bound before a graph runs");
    return qcc_tensor_view(type, qcc_alloc(arena, (size_t)bytes));
}

/* Element i of an integer type. */
static int64_t integer(QccDtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case QCC_U4: return (((const uint8_t *)data)[i / 2] >> (i % 2 * 4)) & 15;
    case QCC_I4: {
        int64_t x = (((const uint8_t *)data)[i / 2] >> (i % 2 * 4)) & 15;
        return x < 8 ? x : x - 16;
    }
    case QCC_I8: return ((const int8_t *)data)[i];
    case QCC_U8: return ((const uint8_t *)data)[i];
    case QCC_I16: return ((const int16_t *)data)[i];
    case QCC_U16: return ((const uint16_t *)data)[i];
    case QCC_I32: return ((const int32_t *)data)[i];
    case QCC_U32: return ((const uint32_t *)data)[i];
    case QCC_I64:
    case QCC_U64: return ((const int64_t *)data)[i];
    case QCC_BOOL: return ((const uint8_t *)data)[i] != 0;
    default: break;
    }
    assert(!"an integer type");
    return 0;
}

/* Element i of a floating type; f64 is the only one that f32 does not hold. */
static double floating(QccDtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case QCC_F32: return (double)((const float *)data)[i];
    case QCC_F64: return ((const double *)data)[i];
    default: break;
    }
    float x;
    assert(qcc_dtype_is_float(dtype));
    qcc_widen(&x, dtype, data, i, 1);
    return (double)x;
}

/* The entry of scale and zero that serves element i. */
static int64_t entry(const QccTensor *t, int64_t i)
{
    int64_t index[QCC_MAX_RANK];
    for (int k = t->type->rank - 1; k >= 0; k--) {
        index[k] = i % t->dim[k];
        i /= t->dim[k];
    }
    return qcc_quant_index(t->type->quant, t->type->rank, t->dim, index);
}

double qcc_tensor_real(const QccTensor *t, int64_t i)
{
    QccDtype dtype = t->type->dtype;
    const QccQuant *q = t->type->quant;
    if (qcc_dtype_is_float(dtype)) return floating(dtype, t->data, i);
    if (dtype == QCC_U64) return (double)((const uint64_t *)t->data)[i];
    int64_t x = integer(dtype, t->data, i);
    if (!q || q->kind != QCC_QUANT_STATIC) return (double)x;
    int64_t k = entry(t, i);
    double scale = (double)((const float *)q->scale->data)[k];
    return scale * (double)(x - ((const int32_t *)q->zero->data)[k]);
}

void qcc_tensor_to_f32(float *out, const QccTensor *t)
{
    QccDtype dtype = t->type->dtype;
    const QccQuant *q = t->type->quant;
    if (dtype == QCC_F32) {
        if (t->count) memcpy(out, t->data, (size_t)t->count * sizeof *out);
        return;
    }
    float scale;
    int32_t zero;
    bool whole = qcc_quant_is_tensor(q, &scale, &zero);
    for (int64_t i = 0; i < t->count; i++) {
        if (qcc_dtype_is_float(dtype)) {
            out[i] = (float)floating(dtype, t->data, i);
            continue;
        }
        int64_t x = integer(dtype, t->data, i);
        if (!q || q->kind != QCC_QUANT_STATIC) {
            out[i] = (float)x;
            continue;
        }
        if (!whole) {
            int64_t k = entry(t, i);
            scale = ((const float *)q->scale->data)[k];
            zero = ((const int32_t *)q->zero->data)[k];
        }
        out[i] = (float)(x - zero) * scale;
    }
}
