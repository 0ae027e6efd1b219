/* onnx_quant - quantized values of the file: by which scale, and as which value of the graph. */
#ifndef QCC_FRONTEND_ONNX_QUANT_H
#define QCC_FRONTEND_ONNX_QUANT_H

#include "frontend/onnx.h"

/* Where the parameters of one tensor stand among the inputs, and what they are. */
typedef struct QccOnnxParams {
    int scale, zero; /* inputs */
    int64_t axis, block;
    QccDtype dtype; /* of the values; the zero point's, when there is one */
    const QccQuant *quant;
} QccOnnxParams;

/* Reads p->quant for a tensor of the shape of x. */
QccStatus qcc_onnx_params(QccOnnxNode *n, const QccType *x, QccOnnxParams *p);

/* Posts when element `at` of the scales in input i is none that values may have. */
QccStatus qcc_onnx_check_scale(const QccOnnxNode *n, int i, int64_t at, float scale);

/* Input i as a quantized value: a constant of that type, a parameter of that type, or what was
 * made with the same scale. */
QccStatus qcc_onnx_stored(QccOnnxNode *n, int i, QccOnnxParams *p, QccValue **out);

/* Input i, i32[o] in steps of sx * sw[o]; NULL when it is absent. */
QccStatus qcc_onnx_stored_bias(QccOnnxNode *n, int i, const QccValue *x, const QccValue *w,
                               QccValue **bias);

/* *y = x in u8, with the scale and the zero point of the run by which x, widened to hold 0, fills
 * it. */
QccStatus qcc_onnx_quantize_dynamic(QccOnnxNode *n, QccValue *x, QccValue **y, QccValue **scale,
                                    QccValue **point);

#endif
