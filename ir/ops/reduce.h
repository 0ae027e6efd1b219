/* reduce - what the reductions share: reduce_*, softmax, layer_norm.
 *
 * One order for each case of f32, so that every kernel gives the same bytes:
 *   - the reduced dimensions are the last ones: as one row, by 16 virtual lanes and the tree
 *     (qcc_sum_f32; the others go the same way). Compiled as ROWS.
 *   - they are neighbours before others: one accumulator an output, elements in row-major order of
 *     the operand, as in a pooling window. Compiled as POOL.
 *   - else: the rows of a copy in which they are the last ones.
 * Which case it is depends on rank and axes alone, not on extents. A mean is a true division of the
 * sum by (f32)n. Sums begin with 0, products with 1, max and min with -inf and inf:
 * acc = acc > x ? acc : x, or acc < x ? acc : x. f16 and bf16 go the same way and are rounded once,
 * f64 stays f64.
 *
 * Integers wrap, and a mean of them is cut off. Nothing reduced gives where it begins.
 */
#ifndef QCC_IR_OPS_REDUCE_H
#define QCC_IR_OPS_REDUCE_H

#include "ir/ops/common.h"

typedef enum QccReduceKind {
    QCC_REDUCE_SUM,
    QCC_REDUCE_MEAN,
    QCC_REDUCE_MAX,
    QCC_REDUCE_MIN,
    QCC_REDUCE_PROD
} QccReduceKind;

/* ---- the descriptors of reduce_* ------------------------------------------------------------- */

extern const QccField qcc_reduce_fields[];
QccStatus qcc_reduce_infer(QccOp *op, const QccType **result);
QccStatus qcc_reduce_eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                          QccReduceKind kind, QccArena *arena);
QccStatus qcc_reduce_unit(const QccOp *op, QccArena *arena, QccUnit *unit, QccReduceKind kind);
bool qcc_reduce_permute(QccOp *op, const int *perm, int rank);
QccStatus qcc_reduce_lower(const QccOp *op, QccKernelList *list, QccReduceKind kind);
void qcc_reduce_sample(QccRandom *r, QccSample *s, const QccOpDef *def);

/* ---- rows ---------------------------------------------------------------------------------------
 */

/* A row of n elements by 16 virtual lanes; a mean is not divided yet. */
float qcc_reduce_row(const float *x, int64_t n, QccReduceKind kind);
double qcc_reduce_row_f64(const double *x, int64_t n, QccReduceKind kind);

/* softmax (log: log_softmax) over rows of n elements of f64, `count` elements in all. */
void qcc_softmax_f64(const double *x, double *y, int64_t count, int64_t n, bool log,
                     QccArena *arena);

/* A ROWS kernel whose rows are the dimensions of operand 0 from `first` on, with the result and
 * operand 0 as arguments. The result's dimensions from `first` on lie in the row, too (of a reduced
 * one, they have extent 1 or are gone). NULL: this instance has none. */
QccLoweredKernel *qcc_rows_lower(const QccOp *op, QccKernelList *list, int first, bool reduced);

/* The element of operand 0 in such a kernel, as a real. */
int qcc_rows_real(QccExpr *e, const QccLoweredKernel *k, const QccReal *real);

/* Result of stage i as a node. */
int qcc_rows_stage(QccExpr *e, int i, QccExprType type);

#endif
