/* index - what ops share that pick elements by number: indices, lines along an axis, order. */
#ifndef QCC_IR_OPS_INDEX_H
#define QCC_IR_OPS_INDEX_H

#include "ir/ops/common.h"

/* ---- indices --------------------------------------------------------------------------------- */

/* Errors unless operand i is there and a plain i32 or i64. */
QccStatus qcc_op_need_index(const QccOp *op, int i);
/* Element i of such a tensor as a position among n > 0: negative numbers count from the end, and
 * what lies outside becomes the nearest position, so that no index can reach beyond the data. */
int64_t qcc_index_at(const QccTensor *indices, int64_t i, int64_t n);

/* ---- lines along an axis --------------------------------------------------------------------- */

/* Element (o, i, k) of a tensor lies at (o * n + i) * inner + k, i being the index along the axis.
 */
typedef struct QccLines {
    int64_t outer, n, inner;
} QccLines;

QccLines qcc_lines(const QccTensor *t, int64_t axis);

/* ---- order ----------------------------------------------------------------------------------- */

/* Elements in the order of their values, as numbers that compare alike: a NaN comes after
 * everything, the two zeros are equal. `t` is plain. */
/* An unsigned node of 64 bits as a signed one in the same order; and back, after which it is still
 * i64. */
int qcc_lower_signed(QccExpr *e, int x);

int64_t qcc_order_key(const QccTensor *t, int64_t i);

/* The same of a node of a plain element type: i32 or i64. */
int qcc_lower_key(QccExpr *e, int x);

/* Two stages of a ROWS kernel, by which its rows of argument 1 are searched; `count` is an argument
 * that counts along them (qcc_lower_count). Returns the argument, an i32, that is the index found:
 * of the greatest key (least: the least one), the first or the last of equal ones. */
int qcc_lower_arg(QccKernelList *list, QccLoweredKernel *k, int count, bool least, bool last);

/* ---- reductions of scattered elements -------------------------------------------------------- */

extern const char *const qcc_scatter_names[]; /* NULL-terminated, for an attribute's row */

/* y[at] = y[at] combined with u[from], both of the same type; floats as f32 or f64, rounded after
 * each step; integers wrap; min and max are those of ir/expr.h. */
void qcc_scatter_one(QccScatter how, const QccTensor *y, int64_t at, const QccTensor *u,
                     int64_t from);

/* ---- lowering -------------------------------------------------------------------------------- */

/* What each of n positions along an axis of the result is made of: count[i] positions of the
 * operand, at index[i * width], with weights. */
typedef struct QccTaps {
    int64_t n;
    int width;            /* entries kept for each position */
    const int *count;     /* NULL: 1 each */
    const int64_t *index; /* within the operand's extent */
    const float *weight;  /* NULL: elements are copied */
} QccTaps;

/* Positions first, first + step, ... that are made alike: the same weights, and indices that grow
 * by `delta` from one to the next. */
typedef struct QccRun {
    int64_t first, step, n, delta;
} QccRun;

enum { QCC_RUNS_MAX = 32 };

/* The fewest runs that were found; 0: there are more than QCC_RUNS_MAX. */
int qcc_find_runs(QccRun run[QCC_RUNS_MAX], const QccTaps *taps);

/* Kernels for operand 0 with the positions source[n] picked along `axis`; keeps: the result has
 * that axis, else n is 1. false: see qcc_lower_copy, or the picks are too irregular. */
bool qcc_lower_pick(const QccOp *op, QccKernelList *list, int axis, bool keeps, int64_t n,
                    const int64_t *source);

/* A MAP kernel over the result, each element of which is read from operand 0 at a place of its own;
 * the caller adds what says where (qcc_lower_operand and so on), then calls qcc_lower_picked.
 * stride: of operand 0 over the result, as far as it does not depend on an index. NULL: there is
 * none. */
QccLoweredKernel *qcc_lower_picks(const QccOp *op, QccKernelList *list, const int64_t *stride);
/* The position among n that argument `arg`, an index, names (see qcc_index_at): an i64 node. */
int qcc_lower_position(QccExpr *e, const QccLoweredKernel *k, int arg, int64_t n);
/* The kernel's expression: operand 0, `offset` elements (an i64 node) further. */
void qcc_lower_picked(QccLoweredKernel *k, QccExpr *e, int offset);
/* 0, 1, ... n - 1 in i32, for arguments that say where along a dimension they stand. */
const QccBlob *qcc_lower_count(QccKernelList *list, int64_t n);
/* i, an i64 node, times a number. */
int qcc_lower_times(QccExpr *e, int i, int64_t by);

/* ---- samples --------------------------------------------------------------------------------- */

/* An operand of i64 indices below n (also negative ones): a constant, or a parameter, whose values
 * may be anything. */
QccValue *qcc_sample_indices(QccSample *s, int rank, const int64_t *dim, int64_t n);

#endif
