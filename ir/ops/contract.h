/* contract - what conv2d, fc and matmul share: sums of products in f32 and in exact integers.
 *
 *   f32:     y = 0;  y = fma(x, w, y) for k ascending;  y = y + bias
 *   integer: y = sum of (qx - zx) * (qw - zw), plus the i32 bias, modulo 2^32 (that it does not
 * wrap is proven by whoever quantizes)
 */
#ifndef QCC_IR_OPS_CONTRACT_H
#define QCC_IR_OPS_CONTRACT_H

#include "ir/ops/common.h"

/* An f32, or an integer that the zero point has been taken from. */
typedef union QccNumber {
    float f;
    int32_t i;
} QccNumber;

/* The operands of one contraction, as numbers. */
typedef struct QccProduct {
    bool integer;
    const QccNumber *x, *w, *bias; /* bias NULL: none */
    QccNumber *y;
} QccProduct;

/* Reads operands 0, 1 and (has_bias) 2: integers when both 0 and 1 are quantized. */
QccStatus qcc_product_init(QccProduct *p, const QccOp *op, const QccTensor *in,
                           const QccTensor *result, bool has_bias, QccArena *arena);

/* acc[o] += x * w[o] for o < n, the f32 way or the integer way. */
void qcc_product_step(bool integer, QccNumber *acc, QccNumber x, const QccNumber *w, int64_t n);
/* acc[o] += x[o] * w[o], likewise. */
void qcc_product_pairs(bool integer, QccNumber *acc, const QccNumber *x, const QccNumber *w,
                       int64_t n);
/* acc[o] += bias[o] */
void qcc_product_bias(bool integer, QccNumber *acc, const QccNumber *bias, int64_t n);
/* w[rows][cols] -> [cols][rows] */
const QccNumber *qcc_product_transpose(const QccNumber *w, int64_t rows, int64_t cols,
                                       QccArena *arena);

/* ---- whole contractions ------------------------------------------------------------------------
 */

extern const QccField qcc_conv_fields[];
/* What a convolution by weights of extents w[o][kh][kw][ci] looks like over rows of x at strides
 * a[n][h][w]; and a product of rows of k. */
QccContractShape qcc_conv_shape(const QccConvAttrs *attrs, const int64_t w[4], const int64_t a[3]);
QccContractShape qcc_row_product_shape(int64_t k, int64_t a_n, int64_t a_w);
/* The result's shape, from attributes and the shapes of operands 0 and 1. */
QccStatus qcc_conv_infer(const QccOp *op, QccDim dim[4]);
QccStatus qcc_matmul_infer(const QccOp *op, QccDtype dtype, const QccType **result);
/* The sums of products; `in` and `result` give the shapes. */
void qcc_conv_run(const QccProduct *p, const QccConvAttrs *a, const QccTensor *in,
                  const QccTensor *result, QccArena *arena);
void qcc_matmul_run(const QccProduct *p, const QccTensor *in, const QccTensor *result);

/* conv_integer, matmul_integer: operands 0 and 1 are plain bytes (u8, i8), 2 and 3 their zero
 * points, absent or of the same type and broadcasting to them. Errors unless that is so. */
QccStatus qcc_product_need_bytes(const QccOp *op);
/* Their numbers without zero points. */
void qcc_product_bytes(QccProduct *p, const QccOp *op, const QccTensor *in, const QccTensor *result,
                       QccArena *arena);

/* `unit` of a contraction whose output channels are the result's last dimension and dimension
 * `axis` of operand 1: scale of x times scale of each channel of w. */
QccStatus qcc_product_unit(const QccOp *op, int axis, QccArena *arena, QccUnit *unit);

/* Their kernels, and those of matmul where nothing is packed beforehand (product_bytes.c). */
typedef struct QccByteProduct {
    QccContractShape shape;
    int a;             /* a temporary that qcc_lower_unsigned has made; -1: operand 0 as it lies */
    int b;             /* b_strided: a temporary that qcc_lower_fours has made */
    int64_t extent[4]; /* the index space [n, oh, ow, co], */
    int result_dim[QCC_MAX_RANK]; /* and what of it each of the result's dimensions lies in */
    int64_t result[4]; /* strides over it: the result's, of the zero points of a and of b */
    int64_t a_zero[4], b_zero[4];
    int64_t o_stride, i_stride; /* of a constant b over outputs and what is summed */
} QccByteProduct;
QccStatus qcc_lower_bytes(const QccOp *op, QccKernelList *list, const QccByteProduct *p);
/* A temporary of the given extents with operand 0 in u8, before[i] elements into dimension i; the
 * rest is filled with its zero point, one for all. pitch: the operand's. */
int qcc_lower_unsigned(const QccOp *op, QccKernelList *list, const int64_t *dim,
                       const int64_t *before, const int64_t *pitch);
/* A temporary with operand 1, b[...][k][n] of extents dim at these pitches, in i8 and in fours of a
 * column (QccContractShape): [...][fours][n][4]. b has fewer than QCC_MAX_RANK dimensions. */
int qcc_lower_fours(const QccOp *op, QccKernelList *list, const int64_t *dim, const int64_t *pitch);
/* Kernels of matmul and matmul_integer over any operands of bytes; strides of the zero points over
 * [n, y, m, columns]. */
QccStatus qcc_matmul_lower_bytes(const QccOp *op, QccKernelList *list, const int64_t *a_zero,
                                 const int64_t *b_zero);

/* ---- lowering ---------------------------------------------------------------------------------
 */

/* Whether operands 0 and 1 are both quantized (else both must be f32). */
bool qcc_product_is_integer(const QccOp *op);

/* Adds A, B and, for f32, the bias with its addition; for integers the correction
 * bias[o] - zx * sum(w[o]). `w` is the operand's data, w(o, i) = w[o * o_stride + i * i_stride]
 * with o < co, i < inner. QCC_ERROR_UNSUPPORTED when the types have no kernel. */
QccStatus qcc_product_lower(const QccOp *op, QccKernelList *list, QccLoweredKernel *k,
                            const int64_t *origin, const QccBlob *w, int64_t o_stride,
                            int64_t i_stride, bool has_bias);

/* f32 weights w[o][...] that are values of the run: a temporary with the outputs as its last
 * dimension, and the rest of a kernel over it whose A has been added. The kernel's outputs are
 * those from `first` on. */
int qcc_product_turn(const QccOp *op, QccKernelList *list);
void qcc_product_lower_turned(const QccOp *op, QccKernelList *list, QccLoweredKernel *k, int turned,
                              int64_t first);

#endif
