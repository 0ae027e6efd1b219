/* qmath - the numerics contract in C: quantization parameters, rounding, elementary functions.
 *
 * The same input gives the same bytes on every machine; docs/numerics.md is the text of the
 * contract. Nobody rounds by hand elsewhere. No function here depends on the rounding mode other
 * than the default, on fused contraction or on the C library's transcendental functions.
 */
#ifndef QCC_IR_QMATH_H
#define QCC_IR_QMATH_H

#include "ir/type.h"

#define QCC_SCALE_MIN 0x1p-60f
#define QCC_SCALE_MAX 0x1p60f

/* Rounds half to even. */
float qcc_rne_f32(float x);
double qcc_rne_f64(double x);

/* saturate(round_half_even(x / scale) + zero) to [qmin, qmax]; a true f32 division; NaN: zero. */
int32_t qcc_quantize_f32(float x, float scale, int32_t zero, int32_t qmin, int32_t qmax);
/* (f32)(q - zero) * scale, the subtraction exact. */
float qcc_dequantize(int32_t q, float scale, int32_t zero);

/* Scale and zero point for reals in [lo, hi] (widened to hold 0). Asymmetric: zero in [qmin, qmax],
 * scale = (hi - lo) / (qmax - qmin), and 0 is exact. Symmetric: zero = the middle value that the
 * element type gives 0 (0 for signed, 128 for u8). An empty or non-finite range gives scale 1; the
 * scale is clamped to [2^-60, 2^60]. */
void qcc_choose_qparams(float lo, float hi, int32_t qmin, int32_t qmax, bool symmetric,
                        int32_t symmetric_zero, float *scale, int32_t *zero);

/* Requantization factor (f32)((double)unit / out_scale), clamped to [2^-60, 2^60]; unit is
 * sx * sw[c] as the exact double product. */
float qcc_requant_factor(double unit, float out_scale);

/* f16 and bf16 to and from f32, ties to even. */
float qcc_f16_to_f32(uint16_t h);
uint16_t qcc_f32_to_f16(float x);
float qcc_bf16_to_f32(uint16_t h);
uint16_t qcc_f32_to_bf16(float x);

/* The floats of 8 and 4 bits (OCP 8-bit Floating Point Specification 1.0; for those without
 * negative zero, Noune et al., arXiv:2206.02915; OCP Microscaling Formats 1.0), one in the low bits
 * of a byte. Ties to even; what is too large becomes an infinity, else a NaN, else the greatest
 * number, whichever the format has. */
float qcc_minifloat_to_f32(QccDtype dtype, uint8_t code);
uint8_t qcc_f32_to_minifloat(QccDtype dtype, float x);
/* The greatest finite number. */
float qcc_minifloat_max(QccDtype dtype);

/* Sum of x[0..n) at a stride: 16 virtual lanes (lane i takes i, i+16, ...) from zero, then the tree
 * 8, 4, 2, 1. */
float qcc_sum_f32(const float *x, int64_t n, int64_t stride);

/* Whether every accumulator of a contraction fits: 255 * sum|w| + |b| < 2^31 for each output. */
bool qcc_accumulator_fits(int64_t sum_abs_w, int64_t abs_bias);

#endif
