/* rewrite - small steps that passes share: reading constants, making them, replacing values. */
#ifndef QCC_PASSES_REWRITE_H
#define QCC_PASSES_REWRITE_H

#include "passes/qcc_pass.h"

/* The reals of a constant in scratch, quantization applied; NULL when the value is none or has no
 * floating-point or quantized type. *n (may be NULL): elements. */
const float *qcc_const_reals(QccArena *scratch, const QccValue *value, int64_t *n);
/* Whether the value is a plain f32 constant; then *data are its elements. */
bool qcc_const_is_f32(const QccValue *value, const float **data);
/* Whether every element of a plain f32 constant is the same; then *x is it. */
bool qcc_const_is_splat(const QccValue *value, float *x);
/* A plain f32 constant before `before`; data is copied. */
QccValue *qcc_const_f32(QccGraph *g, QccOp *before, const char *name, int rank, const int64_t *dim,
                        const float *data);

/* The only op that uses the value, and uses it once; else NULL. The yield counts. */
QccOp *qcc_sole_user(const QccValue *value);
/* Whether `op` is an op of this kind. NULL is none. */
bool qcc_op_is(const QccOp *op, const QccOpDef *def);
/* The op that computes the value when it is of this kind, else NULL. */
QccOp *qcc_def_is(const QccValue *value, const QccOpDef *def);

/* Whether a product of two activations can compute on stored values: the number of products that it
 * adds up for each result is known, and they are few enough for exact sums. */
bool qcc_depth_fits(const QccOp *op);

/* Makes an op and gives its first result. */
QccStatus qcc_make(QccValue **out, QccGraph *g, QccOp *before, const QccOpDef *def, QccLoc loc,
                   QccValue *const *in, int nin, const void *attrs);
/* A quantize (dequantize) of `value` before `before`. */
QccStatus qcc_make_quantize(QccValue **out, QccGraph *g, QccOp *before, QccValue *value,
                            QccDtype dtype, const QccQuant *quant);
QccStatus qcc_make_dequantize(QccValue **out, QccGraph *g, QccOp *before, QccValue *value);

/* `to` takes the place of `op`'s only result, with its name and range; op goes. */
void qcc_op_replace(QccOp *op, QccValue *to);

/* Evaluates an op whose operands are all constants and puts a constant in its place. *done: false
 * when that cannot be (symbols, several results) or when the result is larger than `limit` bytes
 * and than the operands. */
QccStatus qcc_fold_op(QccOp *op, int64_t limit, QccArena *scratch, bool *done);

/* A transposition of `value` before `before`; evaluated at once for a constant. */
QccStatus qcc_make_transpose(QccValue **out, QccGraph *g, QccOp *before, QccValue *value,
                             const QccInts *perm, QccArena *scratch);
/* A reshape to constant extents; likewise. */
QccStatus qcc_make_reshape(QccValue **out, QccGraph *g, QccOp *before, QccValue *value, int rank,
                           const int64_t *dim, QccArena *scratch);

/* Removes every op that nothing needs, in bodies of loops too. Returns how many. */
int64_t qcc_remove_dead(QccGraph *g);

/* Calls fn for g and for the bodies of its loops, at any depth, innermost first. */
QccStatus qcc_visit_graphs(QccGraph *g, QccStatus (*fn)(QccGraph *g, void *user), void *user);

/* Numbers for pointers: each pointer's is the order in which it was first added. */
typedef struct QccPtrMap {
    QccArena *arena;
    int n, slots; /* slots: a power of two, or 0 */
    const void **key;
    int *number;
} QccPtrMap;

void qcc_ptr_map_init(QccPtrMap *map, QccArena *arena);
int qcc_ptr_map_add(QccPtrMap *map, const void *key);
int qcc_ptr_map_find(const QccPtrMap *map, const void *key); /* -1: not there */

/* The first op after the value's definition, before which a user of it may stand. */
QccOp *qcc_op_after(const QccValue *value);

#endif
