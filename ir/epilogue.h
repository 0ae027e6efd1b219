/* epilogue - what happens between an anchor's accumulator and the result, as one expression.
 *
 * A fused op, and every single op over quantized types, means: anchor (or none), then elementwise
 * steps over reals, some of which may be rounded on the way, then rounding into the result's type.
 * This file turns that into an expression and its arguments. The interpreter evaluates it, the
 * backend emits it; the formulas are in docs/numerics.md and at the head of epilogue.c.
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
    const void *data; /* TABLE: in the arena given to qcc_epilogue_build, or a blob's */
} QccEpilogueArg;

typedef struct QccEpilogue {
    const QccOp *anchor; /* the op whose accumulator (or f32 value) is `acc`; NULL: none */
    int *anchor_operand; /* anchor->in[i] is operand anchor_operand[i] of the fused op (or -1) */
    bool integer;        /* acc is the anchor's exact i32, else its f32 */
    QccExpr expr; /* its result has the type that elements of `result` widen to; stored values
                     of a quantized result lie in [qmin, qmax] */
    int narg;
    QccEpilogueArg *arg;
    QccDtype
        result; /* element type that is stored: i32 narrows exactly, f32 to f16 or bf16 rounds */
} QccEpilogue;

/* Builds the epilogue of `op`: a fused op, a map op, or an anchor with quantized operands or
 * result. The graph's symbols are bound. Fails when the op has no such form (with a diagnostic).
 * Everything lies in `arena`. */
QccStatus qcc_epilogue_build(QccEpilogue *out, const QccOp *op, QccArena *arena);

/* Whether |v| < 2^30 for node v of the expression so far, whatever the arguments hold, roundings
 * included. */
bool qcc_epilogue_fits(const QccEpilogue *epilogue, int v, QccArena *scratch);

/* Computes the result from dense operands in[op->nin] and, with an anchor, its dense accumulator
 * (i32 or f32, of the result's extents). */
void qcc_epilogue_eval(const QccEpilogue *epilogue, const QccTensor *in, const void *acc,
                       const QccTensor *out, QccArena *scratch);

/* The stored result of every stored byte (read as unsigned) of the only operand: for a map from one
 * 8-bit tensor to 8 bits whose tables are scalars. false: it is not of that kind. */
bool qcc_epilogue_table(const QccEpilogue *epilogue, uint8_t out[256], QccArena *scratch);

/* Whether a value of this type can stand inside a fused op, rounded to it: scales that are known,
 * and at most 16 bits, which f32 holds. */
bool qcc_type_rounds(const QccType *type);

/* Whether `op` could be the anchor of a fused op / a step behind one; used by fuse-requant. */
bool qcc_is_anchor(const QccOp *op);
bool qcc_is_step(const QccOp *op);

#endif
