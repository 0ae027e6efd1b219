/* elements - runs of stored elements, widened to the types of expressions and narrowed again. */
#include "ir/elements.h"

#include <string.h>

#include "ir/qmath.h"

#define WIDEN(R, T, value)                                                                         \
    do {                                                                                           \
        const T *restrict x = (const T *)data + first;                                             \
        R *restrict r = out;                                                                       \
        for (int64_t i = 0; i < n; i++) r[i] = (value);                                            \
        return;                                                                                    \
    } while (0)

static int32_t nibble(const uint8_t *data, int64_t i)
{
    return data[i / 2] >> (i % 2 * 4) & 15;
}

void qcc_widen(void *out, QccDtype dtype, const void *data, int64_t first, int64_t n)
{
    int32_t *narrow = out;
    switch (dtype) {
    case QCC_I4:
        for (int64_t i = 0; i < n; i++) narrow[i] = (nibble(data, first + i) ^ 8) - 8;
        return;
    case QCC_U4:
        for (int64_t i = 0; i < n; i++) narrow[i] = nibble(data, first + i);
        return;
    case QCC_I8: WIDEN(int32_t, int8_t, x[i]);
    case QCC_U8: WIDEN(int32_t, uint8_t, x[i]);
    case QCC_BOOL: WIDEN(int32_t, uint8_t, x[i] != 0);
    case QCC_I16: WIDEN(int32_t, int16_t, x[i]);
    case QCC_U16: WIDEN(int32_t, uint16_t, x[i]);
    case QCC_I32: WIDEN(int32_t, int32_t, x[i]);
    case QCC_U32: WIDEN(int64_t, uint32_t, x[i]);
    case QCC_I64: WIDEN(int64_t, int64_t, x[i]);
    case QCC_U64: WIDEN(uint64_t, uint64_t, x[i]);
    case QCC_F16: WIDEN(float, uint16_t, qcc_f16_to_f32(x[i]));
    case QCC_BF16: WIDEN(float, uint16_t, qcc_bf16_to_f32(x[i]));
    case QCC_F8E4M3FN:
    case QCC_F8E4M3FNUZ:
    case QCC_F8E5M2:
    case QCC_F8E5M2FNUZ: WIDEN(float, uint8_t, qcc_minifloat_to_f32(dtype, x[i]));
    case QCC_F4E2M1:
        for (int64_t i = 0; i < n; i++)
            ((float *)out)[i] = qcc_minifloat_to_f32(dtype, (uint8_t)nibble(data, first + i));
        return;
    case QCC_F32: memcpy(out, (const float *)data + first, (size_t)n * 4); return;
    case QCC_F64: memcpy(out, (const double *)data + first, (size_t)n * 8); return;
    default: return;
    }
}

#define NARROW(R, T, value)                                                                        \
    do {                                                                                           \
        const T *restrict x = in;                                                                  \
        R *restrict r = (R *)data + first;                                                         \
        for (int64_t i = 0; i < n; i++) r[i] = (value);                                            \
        return;                                                                                    \
    } while (0)

static void narrow_f4(uint8_t *to, const float *in, int64_t n)
{
    for (int64_t i = 0; i < n; i += 2) {
        uint8_t high = i + 1 < n ? qcc_f32_to_minifloat(QCC_F4E2M1, in[i + 1]) : 0;
        to[i / 2] = (uint8_t)(qcc_f32_to_minifloat(QCC_F4E2M1, in[i]) | high << 4);
    }
}

static void narrow_nibbles(uint8_t *to, const int32_t *in, int64_t n)
{
    for (int64_t i = 0; i < n; i += 2) {
        int32_t high = i + 1 < n ? in[i + 1] : 0;
        to[i / 2] = (uint8_t)((in[i] & 15) | (high & 15) << 4);
    }
}

void qcc_narrow(void *data, QccDtype dtype, int64_t first, const void *in, int64_t n)
{
    switch (dtype) {
    case QCC_I4:
    case QCC_U4: narrow_nibbles((uint8_t *)data + first / 2, in, n); return;
    case QCC_I8:
    case QCC_U8: NARROW(uint8_t, int32_t, (uint8_t)x[i]);
    case QCC_BOOL: NARROW(uint8_t, int32_t, x[i] != 0);
    case QCC_I16:
    case QCC_U16: NARROW(uint16_t, int32_t, (uint16_t)x[i]);
    case QCC_I32: NARROW(int32_t, int32_t, x[i]);
    case QCC_U32: NARROW(uint32_t, int64_t, (uint32_t)x[i]);
    case QCC_I64: NARROW(int64_t, int64_t, x[i]);
    case QCC_U64: NARROW(uint64_t, uint64_t, x[i]);
    case QCC_F16: NARROW(uint16_t, float, qcc_f32_to_f16(x[i]));
    case QCC_BF16: NARROW(uint16_t, float, qcc_f32_to_bf16(x[i]));
    case QCC_F8E4M3FN:
    case QCC_F8E4M3FNUZ:
    case QCC_F8E5M2:
    case QCC_F8E5M2FNUZ: NARROW(uint8_t, float, qcc_f32_to_minifloat(dtype, x[i]));
    case QCC_F4E2M1: narrow_f4((uint8_t *)data + first / 2, in, n); return;
    case QCC_F32: memcpy((float *)data + first, in, (size_t)n * 4); return;
    case QCC_F64: memcpy((double *)data + first, in, (size_t)n * 8); return;
    default: return;
    }
}

void qcc_store_real(void *data, QccDtype dtype, int64_t i, float x)
{
    double wide = (double)x;
    bool f64 = qcc_expr_type_of(dtype) == QCC_EX_F64;
    qcc_narrow(data, dtype, i, f64 ? (const void *)&wide : &x, 1);
}
