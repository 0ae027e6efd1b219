/* onnx_window - windows of Conv, ConvTranspose and the pools, and channels-last values.
 *
 * Operands come as x[n,c,...] with one to three spatial dimensions. What is made of them works over
 * [n,h,w,c] or, for three, [n,d,h,w,c]; one spatial dimension becomes two, the second of 1.
 */
#ifndef QCC_FRONTEND_ONNX_WINDOW_H
#define QCC_FRONTEND_ONNX_WINDOW_H

#include "frontend/onnx.h"

enum {
    QCC_ONNX_SPATIAL = 3,
    QCC_ONNX_WINDOW_MAX = 1 << 24 /* bounds kernels, strides, dilations and pads */
};

/* A window, per spatial dimension. */
typedef struct QccOnnxWindow {
    int n;    /* spatial dimensions of the node: 1 to 3 */
    int dims; /* the same of the channels-last form: 2 or 3 */
    int64_t kernel[QCC_ONNX_SPATIAL], stride[QCC_ONNX_SPATIAL], dilation[QCC_ONNX_SPATIAL];
    int64_t before[QCC_ONNX_SPATIAL], after[QCC_ONNX_SPATIAL];
} QccOnnxWindow;

/* Strides and dilations of 1, no pads, no kernel (0) in the node's dimensions. Posts what is wrong
 * with the rank of x[n,c,...]. */
QccStatus qcc_onnx_window_init(const QccOnnxNode *n, QccOnnxWindow *w, const QccType *x);
/* Reads kernel_shape (needed where w->kernel is 0), strides, dilations, pads and auto_pad. */
QccStatus qcc_onnx_window_read(QccOnnxNode *n, QccOnnxWindow *w, const QccType *x);
/* An attribute of `want` numbers within [min, QCC_ONNX_WINDOW_MAX], if it is there. */
QccStatus qcc_onnx_window_ints(QccOnnxNode *n, const char *name, int want, int64_t min, int64_t *v,
                               bool *given);
/* Output extent along dimension i of an input extent; posts a window that does not fit. */
QccStatus qcc_onnx_window_extent(const QccOnnxNode *n, const QccOnnxWindow *w, int i, int64_t in,
                                 bool ceil, int64_t *out);

/* The window of a convolution by w[a,b,k...], with its groups. */
QccStatus qcc_onnx_conv_window(QccOnnxNode *n, QccOnnxWindow *w, const QccType *x,
                               const QccType *weight, int64_t *groups);
/* w[o,c,k...] channels last, in the window's dims. */
QccStatus qcc_onnx_conv_weight(QccOnnxNode *n, QccValue **w);

/* x[n,c,...] channels last. */
QccStatus qcc_onnx_take_last(QccOnnxNode *n, QccValue **out, QccValue *x);
/* Output `index` of the node from its channels-last form. */
QccStatus qcc_onnx_give_first(QccOnnxNode *n, int index, QccValue *y, int spatial);

/* [n,d,h,w,c] <-> [n*d,h,w,c]; d is a number. */
QccStatus qcc_onnx_depth_to_batch(QccOnnxNode *n, QccValue **out, QccValue *x);
QccStatus qcc_onnx_batch_to_depth(QccOnnxNode *n, QccValue **out, QccValue *x, QccDim batch,
                                  int64_t depth);

/* Convolution of a channels-last x with constant w[o,k...,c/groups] of the window's dims; over
 * three dimensions, the sum over the taps of depth, ascending, of convolutions of two. bias may be
 * NULL.
 */
QccStatus qcc_onnx_emit_conv(QccOnnxNode *n, QccValue **out, QccValue *x, QccValue *w,
                             QccValue *bias, const QccOnnxWindow *window, int64_t groups);

/* ---- weights ------------------------------------------------------------------------------ */

/* A constant, or a dequantized one, of which element i is element source[i] of w, -1: zero.
 * Dimension 0 of the result are output channels; channel[o] is the index of o along dimension
 * `axis` of w, where the scales of a quantized w lie. Posts what is not constant. */
QccStatus qcc_onnx_remap_weight(QccOnnxNode *n, QccValue **out, QccValue *w, int rank,
                                const int64_t *dim, const int64_t *source, int axis,
                                const int64_t *channel);

#endif
