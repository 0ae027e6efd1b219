/* qmath - the numerics contract in C: parameters, roundings, narrow floats, sums. */
#include "ir/qmath.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Not rint: that one depends on the rounding mode, and is a call on x86-64-v1. */
float qcc_rne_f32(float x)
{
    float magic = copysignf(0x1p23f, x);
    return fabsf(x) < 0x1p23f ? copysignf((x + magic) - magic, x) : x;
}

double qcc_rne_f64(double x)
{
    double magic = copysign(0x1p52, x);
    return fabs(x) < 0x1p52 ? copysign((x + magic) - magic, x) : x;
}

int32_t qcc_quantize_f32(float x, float scale, int32_t zero, int32_t qmin, int32_t qmax)
{
    float v = x / scale;
    if (isnan(v)) v = 0;
    if (v < -0x1p30f) v = -0x1p30f;
    if (v > 0x1p30f) v = 0x1p30f;
    int64_t q = (int64_t)qcc_rne_f32(v) + zero;
    return (int32_t)(q < qmin ? qmin : q > qmax ? qmax : q);
}

float qcc_dequantize(int32_t q, float scale, int32_t zero)
{
    return (float)((int64_t)q - zero) * scale;
}

static float clamp_scale(double scale)
{
    if (!(scale > QCC_SCALE_MIN)) return QCC_SCALE_MIN; /* also NaN */
    if (scale > QCC_SCALE_MAX) return QCC_SCALE_MAX;
    return (float)scale;
}

void qcc_choose_qparams(float lo, float hi, int32_t qmin, int32_t qmax, bool symmetric,
                        int32_t symmetric_zero, float *scale, int32_t *zero)
{
    double low = lo < 0 ? lo : 0, high = hi > 0 ? hi : 0;
    bool usable = isfinite(lo) && isfinite(hi) && lo <= hi && low < high;
    *scale = 1;
    *zero = symmetric ? symmetric_zero : qmin;
    if (!usable) return;
    if (symmetric) {
        double below = (double)symmetric_zero - qmin, above = (double)qmax - symmetric_zero;
        *scale = clamp_scale((-low > high ? -low : high) / (below < above ? below : above));
        return;
    }
    *scale = clamp_scale((high - low) / ((double)qmax - qmin));
    double z = qcc_rne_f64(qmin - low / *scale);
    *zero = (int32_t)(z < qmin ? qmin : z > qmax ? qmax : z);
}

float qcc_requant_factor(double unit, float out_scale)
{
    return clamp_scale(unit / out_scale);
}

/* ---- narrow floats --------------------------------------------------------------------------- */

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float of_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

float qcc_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;
    if (magnitude >= 0x7c00) return of_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    if (magnitude < 0x0400) /* denormal: an integer times 2^-24 */
        return of_bits(sign | bits_of((float)magnitude * 0x1p-24f));
    return of_bits(sign | ((magnitude << 13) + ((127 - 15) << 23)));
}

uint16_t qcc_f32_to_f16(float x)
{
    uint32_t u = bits_of(x), sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x47800000) return (uint16_t)(sign | 0x7c00); /* from 2^16 on */
    if (magnitude < 0x38800000) { /* below 2^-14: the addition rounds to a multiple of 2^-24 */
        float aligned = of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (bits_of(aligned) - bits_of(0.5f)));
    }
    magnitude += 0xfff + (magnitude >> 13 & 1); /* ties to even; may carry up to infinity */
    return (uint16_t)(sign | ((magnitude - ((127 - 15) << 23)) >> 13));
}

float qcc_bf16_to_f32(uint16_t h)
{
    return of_bits((uint32_t)h << 16);
}

uint16_t qcc_f32_to_bf16(float x)
{
    uint32_t u = bits_of(x);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 0x40); /* stays a NaN */
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* Codes without their sign grow with the numbers they stand for, denormals included. */
typedef struct Minifloat {
    int mantissa, bias;
    uint8_t sign, max, overflow, nan;
    bool one_zero; /* the code of -0 is the NaN */
} Minifloat;

static Minifloat minifloat(QccDtype dtype)
{
    switch (dtype) {
    case QCC_F8E4M3FN: return (Minifloat){3, 7, 0x80, 0x7e, 0x7f, 0x7f, false};
    case QCC_F8E4M3FNUZ: return (Minifloat){3, 8, 0x80, 0x7f, 0x80, 0x80, true};
    case QCC_F8E5M2: return (Minifloat){2, 15, 0x80, 0x7b, 0x7c, 0x7e, false};
    case QCC_F8E5M2FNUZ: return (Minifloat){2, 16, 0x80, 0x7f, 0x80, 0x80, true};
    default: assert(dtype == QCC_F4E2M1); return (Minifloat){1, 1, 0x08, 0x07, 0x07, 0x07, false};
    }
}

static float magnitude_of(const Minifloat *f, int code)
{
    int exponent = code >> f->mantissa, mantissa = code & ((1 << f->mantissa) - 1);
    if (exponent == 0) return ldexpf((float)mantissa, 1 - f->bias - f->mantissa);
    return ldexpf((float)(mantissa + (1 << f->mantissa)), exponent - f->bias - f->mantissa);
}

float qcc_minifloat_to_f32(QccDtype dtype, uint8_t code)
{
    Minifloat f = minifloat(dtype);
    int magnitude = code & (f.sign - 1);
    if (f.one_zero && code == f.nan) return NAN;
    float x = magnitude <= f.max                               ? magnitude_of(&f, magnitude)
              : magnitude == f.overflow && f.overflow != f.nan ? INFINITY
                                                               : NAN;
    return code & f.sign ? -x : x;
}

uint8_t qcc_f32_to_minifloat(QccDtype dtype, float x)
{
    Minifloat f = minifloat(dtype);
    int sign = signbit(x) ? f.sign : 0, exponent = 1 - f.bias, code = f.overflow;
    if (isnan(x)) return (uint8_t)(f.nan | (f.nan == f.max ? 0 : sign));
    if (isfinite(x) && x != 0) {
        int own = ilogbf(x);
        exponent = own > exponent ? own : exponent;
    }
    if (exponent <= f.sign) { /* far below what would overflow an int: in steps of the last place */
        float steps = rintf(ldexpf(fabsf(x), f.mantissa - exponent));
        if (isfinite(x)) code = ((exponent + f.bias - 1) << f.mantissa) + (int)steps;
    }
    if (code > f.max) code = f.overflow;
    if (f.one_zero && (code == 0 || code == f.nan)) return (uint8_t)code;
    return (uint8_t)(code | sign);
}

float qcc_minifloat_max(QccDtype dtype)
{
    Minifloat f = minifloat(dtype);
    return magnitude_of(&f, f.max);
}

/* ---- sums ------------------------------------------------------------------------------------ */

float qcc_sum_f32(const float *x, int64_t n, int64_t stride)
{
    float lane[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) lane[k] += x[(i + k) * stride];
    for (int k = 0; i + k < n; k++) lane[k] += x[(i + k) * stride];
    for (int width = 8; width >= 1; width /= 2)
        for (int k = 0; k < width; k++) lane[k] += lane[k + width];
    return lane[0];
}

bool qcc_accumulator_fits(int64_t sum_abs_w, int64_t abs_bias)
{
    if (sum_abs_w < 0 || abs_bias < 0 || sum_abs_w > INT32_MAX || abs_bias > INT32_MAX)
        return false;
    return 255 * sum_abs_w + abs_bias <= INT32_MAX;
}
