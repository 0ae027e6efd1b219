/* epilogue - what happens between an anchor's accumulator and the result, as one expression.
 *
 * A fused op, and every single op over quantized types, means: anchor (or none), then elementwise
 * steps over reals, then one rounding into the result's type. This file turns that into an
 * expression and its arguments. The interpreter evaluates it, the backend emits it.
 *
 *   contraction, requantized in one multiplication (all steps homogeneous):
 *       t = (f32)acc;  v = t * m;  v = v + (f32)(r - zr) * (f32)(sr / sy);  q = saturate(rne(v) +
 * zy) with other steps: u = t * (f32)unit;  steps in real units;  v = u * (f32)(1 / sy);  q = ...
 */
#ifndef QCC_IR_EPILOGUE_H
#define QCC_IR_EPILOGUE_H

#include "ir/op.h"

typedef enum QccEpilogueArgKind {
    QCC_EPILOGUE_OPERAND, /* elements of an operand of the op */
    QCC_EPILOGUE_TABLE    /* constants that were computed here: factors, offsets, zero points */
} QccEpilogueArgKind;

/* Argument k of the expression. Extents are 1 (broadcast) or the result's, right-aligned to the
 * result's rank. */
typedef struct QccEpilogueArg {
    QccEpilogueArgKind kind;
    int operand;    /* OPERAND: index in op->in */
    QccDtype dtype; /* as it lies in memory */
    int rank;
    int64_t dim[QCC_MAX_RANK];
    const void *data; /* TABLE: in the arena given to qcc_epilogue_build */
} QccEpilogueArg;

typedef struct QccEpilogue {
    const QccOp *anchor; /* the op whose accumulator (or f32 value) is `acc`; NULL: none */
    int *anchor_operand; /* anchor->in[i] is operand anchor_operand[i] of the fused op (or -1) */
    bool integer;        /* acc is the anchor's exact i32, else its f32 */
    QccExpr expr;        /* its result is i32 for integer results, in [qmin, qmax], else f32 ... */
    int narg;
    QccEpilogueArg *arg;
    QccDtype result; /* element type that is stored */
} QccEpilogue;

/* Builds the epilogue of `op`: a fused op, a map op, or an anchor with quantized operands or
 * result. The graph's symbols are bound. Fails when the op has no such form (with a diagnostic).
 * Everything lies in `arena`. */
QccStatus qcc_epilogue_build(QccEpilogue *out, const QccOp *op, QccArena *arena);

/* Whether `op` could be the anchor of a fused op / a step behind one; used by fuse-requant. */
bool qcc_is_anchor(const QccOp *op);
bool qcc_is_step(const QccOp *op);

#endif
