/* choose - ops that copy elements or choose among them: conversions commute with these.
 *
 * Every MOVE, max_pool, reduce_max and reduce_min: rounding is monotone, so it does not matter
 * whether stored values or their reals are chosen among.
 */
#ifndef QCC_PASSES_CHOOSE_H
#define QCC_PASSES_CHOOSE_H

#include "passes/rewrite.h"

/* Whether the value is quantized with scales that are known. */
bool qcc_is_stored(const QccValue *value);

/* Whether the op chooses or copies elements of its operands. */
bool qcc_op_chooses(const QccOp *op);

/* The same op over other operands, before it; the result has the element type and quantization of
 * `like`. */
QccStatus qcc_remake_chooser(QccValue **out, QccOp *op, QccValue *const *in, const QccType *like);

/* op(dequantize(q), ...) -> dequantize(op(q, ...)), when all operands are dequantized from one
 * scale. *done: false when that cannot be; nothing is changed then. Changes no value. */
QccStatus qcc_sink_dequantize(QccOp *op, QccArena *scratch, bool *done);

#endif
