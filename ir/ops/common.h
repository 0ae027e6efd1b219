/* common - what the ops' files share: operand types, axes, extents, windows, copies, samples. */
#ifndef QCC_IR_OPS_COMMON_H
#define QCC_IR_OPS_COMMON_H

#include <stddef.h>

#include "ir/kernel.h"
#include "ir/ops.h"
#include "ir/qmath.h"

/* ---- operands ------------------------------------------------------------------------------ */

/* Whether operand i is there. */
bool qcc_op_has(const QccOp *op, int i);
/* The type of operand i as the op reads it: f32 for a quantized one. The operand is there. */
const QccType *qcc_op_real(const QccOp *op, int i);
/* The type as text, for messages; in the graph's arena. "nothing" for an absent operand. */
const char *qcc_op_type_text(const QccOp *op, int i);
/* Errors unless operands first..last are there and read as f32. */
QccStatus qcc_op_need_f32(const QccOp *op, int first, int last);
/* Errors unless they all read as f32, or are all f64, which ops compute through eval alone. */
QccStatus qcc_op_need_real(const QccOp *op, int first, int last);
/* Errors unless the list of an attribute has n entries. */
QccStatus qcc_op_need_ints(const QccOp *op, const char *name, const QccInts *v, int n);
/* Makes an axis that counts from the end count from the front; errors outside the rank. */
QccStatus qcc_op_axis(const QccOp *op, int64_t *axis, int rank);
/* The extent of a dimension that must be a number. */
QccStatus qcc_op_extent(const QccOp *op, int i, int d, int64_t *extent);
/* Whether operand i has a static quantization, i.e. takes part in an integer meaning. */
bool qcc_op_quantized(const QccOp *op, int i);
/* Scale and zero point of operand i; an error when it is not one pair for the tensor. */
QccStatus qcc_op_tensor_quant(const QccOp *op, int i, float *scale, int32_t *zero);

/* Element i of an integer tensor, as stored. */
int32_t qcc_load_integer(const QccTensor *t, int64_t i);
/* `unit` of an op over one quantized operand: its scale divided by n, the same everywhere. */
QccStatus qcc_unit_scale(const QccOp *op, int64_t n, QccArena *arena, QccUnit *unit);
/* The correction of such an op's kernel: -zero * n. Nothing for a real operand. */
QccStatus qcc_lower_correct_zero(const QccOp *op, QccKernelList *list, QccLoweredKernel *k,
                                 int64_t n);

/* Inference of elementwise ops that are meant for some element types only; operands of quantized
 * types read as f32. */
QccStatus qcc_infer_function(QccOp *op, const QccType **result); /* floats */
QccStatus qcc_infer_number(QccOp *op, const QccType **result);   /* all but bool */
QccStatus qcc_infer_integer(QccOp *op, const QccType **result);  /* integers; not bool */
QccStatus qcc_infer_bits(QccOp *op, const QccType **result);     /* integers and bool */
/* Operands as in qcc_infer_map, of any type; the result is bool. */
QccStatus qcc_infer_compare(QccOp *op, const QccType **result);

/* ---- attributes that move with a permutation ------------------------------------------------- */

/* Where dimension `axis` goes: the i with perm[i] == axis. */
int qcc_permute_axis(int64_t axis, const int *perm, int rank);
/* One entry a dimension, permuted in place. */
void qcc_permute_ints(QccInts *v, const int *perm, int rank);
/* Whether the dimensions from axis on stay the last ones (in any order). */
bool qcc_permute_keeps_tail(int64_t axis, const int *perm, int rank);
/* `permute` of ops whose QccAxisAttrs name one dimension. */
bool qcc_permute_axis_attr(QccOp *op, const int *perm, int rank);

/* ---- windows -------------------------------------------------------------------------------- */

/* Output extent of a window over dimension d of operand 0, with located errors. A symbolic extent
 * passes where the window leaves it as it is. */
QccStatus qcc_infer_window(const QccOp *op, int d, int64_t kernel, int64_t stride, int64_t dilation,
                           int64_t before, int64_t after, bool ceil, QccDim *out);

/* ---- raw elements -----------------------------------------------------------------------------
 */

/* dst[sum i*dst_stride] = src[sum i*src_stride] over an index space; strides in elements of `size`
 * bytes. */
void qcc_copy_strided(int rank, const int64_t *extent, size_t size, void *dst,
                      const int64_t *dst_stride, const void *src, const int64_t *src_stride);
void qcc_dense_strides(int rank, const int64_t *dim, int64_t *stride);
/* Errors when operand i has elements of less than a byte, which do not move one by one. */
QccStatus qcc_op_need_bytes(const QccOp *op, int i);
/* The element that a real number is in a tensor of this type, as raw bytes (8 are enough). */
void qcc_element_of(const QccType *type, double real, void *out);

/* The element type as which a kernel moves elements of `type`: integers as wide, so that no bit of
 * a NaN is touched on the way; f32 stays, its bits are safe. */
QccDtype qcc_moved_as(QccDtype type);
/* A MAP kernel of raw elements with only the result, at `to` (NULL: the origin), as yet. */
QccLoweredKernel *qcc_lower_move(const QccOp *op, QccKernelList *list, const int64_t *extent,
                                 const int64_t *stride, const int64_t *to);
/* A MAP kernel that copies raw elements: extents, strides of the result from its position `to`,
 * strides of the operand from its position `from` (both may be NULL: the origin). false: operand
 * and result are not equally quantized, or their elements have no kernel type. */
bool qcc_lower_copy(const QccOp *op, QccKernelList *list, int operand, const int64_t *extent,
                    const int64_t *to, const int64_t *src_stride, const int64_t *from);
/* The same with strides of the result other than its own. */
bool qcc_lower_copy_steps(const QccOp *op, QccKernelList *list, int operand, const int64_t *extent,
                          const int64_t *to_stride, const int64_t *to, const int64_t *src_stride,
                          const int64_t *from);
/* Likewise, one value everywhere. */
bool qcc_lower_fill(const QccOp *op, QccKernelList *list, const int64_t *extent, const int64_t *to,
                    double real);

/* ---- samples ----------------------------------------------------------------------------------
 */

/* A random f32 type of a rank in [lo, hi] with extents 1..7 (sometimes beyond 16 in the last). */
const QccType *qcc_sample_type(QccSample *s, int lo, int hi);
const QccType *qcc_sample_shape(QccSample *s, int rank, const int64_t *dim);
/* One elementwise op over a random shape; two operands broadcast, sometimes from a constant. */
void qcc_sample_unary(QccSample *s, const QccOpDef *def, const void *attrs);
void qcc_sample_binary(QccSample *s, const QccOpDef *def);
/* One of the types 1 << QccDtype in `dtypes`; half the time f32 where it is among them, always
 * where there are none. */
QccDtype qcc_sample_dtype(QccSample *s, uint32_t dtypes);
enum {
    QCC_SAMPLE_FLOATS = 1 << QCC_F32 | 1 << QCC_F16 | 1 << QCC_BF16 | 1 << QCC_F64,
    QCC_SAMPLE_INTEGERS = 1 << QCC_I8 | 1 << QCC_U8 | 1 << QCC_I16 | 1 << QCC_U16 | 1 << QCC_I32 |
                          1 << QCC_U32 | 1 << QCC_I64 | 1 << QCC_U64
};
/* The same over one of `dtypes`; an instance that is not of f32 is not for quantized types. */
void qcc_sample_unary_of(QccSample *s, const QccOpDef *def, const void *attrs, uint32_t dtypes);
void qcc_sample_binary_of(QccSample *s, const QccOpDef *def, const void *attrs, uint32_t dtypes);

#endif
