/* op - the descriptor of an op: everything about it, in ir/ops/NAME.c. Its address is its identity.
 */
#ifndef QCC_IR_OP_H
#define QCC_IR_OP_H

#include "ir/base/field.h"
#include "ir/base/random.h"
#include "ir/expr.h"
#include "ir/graph.h"
#include "ir/tensor.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

typedef struct QccKernelList QccKernelList; /* ir/kernel.h */

/* What passes and the backend may rely on. */
enum {
    QCC_TRAIT_CONSTANT = 1 << 0,    /* has a blob, no operands */
    QCC_TRAIT_CONTRACTION = 1 << 1, /* sums of products: conv2d, fc, matmul */
    QCC_TRAIT_POOLING = 1 << 2,
    QCC_TRAIT_REDUCTION = 1 << 3,
    QCC_TRAIT_MOVE = 1 << 4, /* copies elements of any type, computes none: eval works on raw
                                elements of equally quantized operand and result */
    QCC_TRAIT_VIEW = 1 << 5, /* a MOVE whose result is its first operand's bytes in another shape */
    QCC_TRAIT_HOMOGENEOUS = 1 << 6, /* f(k*x) = k*f(x) for k > 0, over all data operands: relu,
                                       add; a body of these is requantized in one multiplication */
    QCC_TRAIT_COMMUTATIVE = 1 << 7,
    QCC_TRAIT_TERMINATOR = 1 << 8,
    QCC_TRAIT_FUSED = 1 << 9, /* has a body whose parameters are the operands */
    QCC_TRAIT_LOOP = 1 << 10, /* has a body that runs once a step, with parameters of its own */
    QCC_TRAIT_BODY = QCC_TRAIT_FUSED | QCC_TRAIT_LOOP,
    QCC_TRAIT_SELECT = 1 << 11 /* each result is one of operand 0's elements, chosen by order: works
                                  on stored elements where both are equally quantized */
};

typedef enum QccQuantRuleKind {
    QCC_QUANT_FLOAT,       /* has no quantized form */
    QCC_QUANT_AFFINE,      /* contraction: operand 0 an activation, a constant weight, a bias */
    QCC_QUANT_ELEMENTWISE, /* operands and result quantized, each on its own scale */
    QCC_QUANT_SAME_SCALE,  /* operands and result share one scale and zero */
    QCC_QUANT_FIXED        /* the result's scale and zero are given here: softmax, sigmoid */
} QccQuantRuleKind;

typedef struct QccQuantRule {
    QccQuantRuleKind kind;
    int weight, weight_axis; /* AFFINE: operand, and its dimension of output channels (negative:
                                from the end) */
    int bias;                /* AFFINE: operand, may be absent; 0: the op has none */
    float scale;             /* FIXED; where less than half of its range is seen, it is not used */
    int32_t zero;            /* FIXED, for u8 */
} QccQuantRule;

/* Of an op with integer meaning: real value = accumulator * unit. One entry per output index over
 * the dimensions that matter: dim[i] is 1 or the result's extent. */
typedef struct QccUnit {
    int rank; /* the result's */
    int64_t dim[QCC_MAX_RANK];
    double *value;
} QccUnit;

/* A graph being filled with one random instance of an op. */
typedef struct QccSample {
    QccGraph *graph;
    QccRandom *random;
    bool quantizable; /* set by the op: the instance may be given quantized types */
} QccSample;

struct QccOpDef {
    const char *name, *summary;
    int min_in, max_in;              /* operands; max_in -1: any number */
    int nout;                        /* results */
    int (*count)(const void *attrs); /* results, where the attributes say how many; or NULL */
    uint32_t traits;
    size_t attr_size;
    const QccField *attrs;
    size_t extents, symbols; /* where attributes hold extents with symbols, see qcc_op_dims: the
                                offsets of a QccInts and a QccStrings; both 0: nowhere */
    QccQuantRule quant;

    /* Result types from operand types (quantized ones read as f32) and attributes. Posts what does
     * not fit at op->loc. Must be right for every operand, also symbolic; result types are plain.
     */
    QccStatus (*infer)(QccOp *op, const QccType **result);

    /* Elementwise ops: builds the meaning over argument nodes (one per operand, already real or
     * plain values) and returns the node of the result. Operands broadcast as in numpy. */
    int (*map)(const QccOp *op, QccExpr *e, const int *arg);

    /* The others: plain C, obviously right; f32 sums in the order that docs/numerics.md gives.
     *  - real operands and result: as they are (f32, or what infer says);
     *  - MOVE: raw elements, operand and result equally quantized (padding is the zero point);
     *  - ops with `unit` and quantized data operands: the result is i32 and receives the exact
     *    accumulator, i.e. sum of (qx - zx) * (qw - zw), plus an i32 bias.
     * Tensors are dense. `arena` is scratch. */
    QccStatus (*eval)(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena);

    /* Ops with an integer meaning: what one step of the accumulator is worth, in double from the
     * operands' scales. */
    QccStatus (*unit)(const QccOp *op, QccArena *arena, QccUnit *unit);

    /* Rewrites the attributes so that the op, applied to operands whose dimensions are permuted
     * (new dimension i is old perm[i]), gives the equally permuted result; a result of fewer
     * dimensions (a reduction that does not keep them) is as before. false: cannot, and nothing is
     * changed. NULL: for map ops trivially yes, for the others no. */
    bool (*permute)(QccOp *op, const int *perm, int rank);

    /* Fills the graph with a random valid instance: parameters, constants, one op, the yield. */
    void (*sample)(QccRandom *random, QccSample *sample);

    /* Describes the anchor part of the op as one kernel (sometimes after helpers that fill
     * temporaries): index space, anchor record, anchor operands, correction. The backend adds the
     * epilogue, packs the weights and chooses the variant. NULL: map ops are lowered from their
     * map, MOVE ops need a lower unless they are views; what has none runs through eval and is
     * reported. QCC_ERROR_UNSUPPORTED without a message: this instance has no kernel. */
    QccStatus (*lower)(const QccOp *op, QccKernelList *list);
};

/* ---- for ops' samples --------------------------------------------------------------------- */

QccValue *qcc_sample_param(QccSample *s, const QccType *type);
/* A constant with random values: floats in [-2, 2], integers over the whole range. */
QccValue *qcc_sample_const(QccSample *s, const QccType *type);
/* Makes the op, checks that inference took it (an assertion: a sample is valid), and yields its
 * results. attrs NULL: the defaults. */
QccOp *qcc_sample_op(QccSample *s, const QccOpDef *def, QccValue *const *in, int nin,
                     const void *attrs);

/* ---- for ops' inference ------------------------------------------------------------------- */

/* How many results an op with these attributes has. */
int qcc_op_count(const QccOpDef *def, const void *attrs);

/* Posts an error at the op: "'fc' needs x[m,k] and w[n,k]; ..." */
QccStatus qcc_op_error(const QccOp *op, const char *fmt, ...) QCC_PRINTF(2, 3);
/* The shape that numpy's broadcasting gives the operands. Error when they do not fit. */
QccStatus qcc_infer_broadcast(const QccOp *op, int *rank, QccDim *dim);
/* Inference of a map op: broadcast shape, element type of operand 0. */
QccStatus qcc_infer_map(QccOp *op, const QccType **result);
/* Same type as operand 0, read as real. */
QccStatus qcc_infer_same(QccOp *op, const QccType **result);

/* ---- extents in attributes ---------------------------------------------------------------- */

/* Attributes that are extents may have symbols: entry i of `symbols` names those that number i is
 * multiplied with, "", "S" or "N*S". The list is as long as that of the numbers, or empty. */

/* The extents; what is no extent (-1, 0) is a number without symbols. Posts names that are no
 * symbols of the graph. */
QccStatus qcc_op_dims(const QccOp *op, const QccInts *number, const QccStrings *symbols,
                      QccDim *dim);
/* The other way round, for n extents; no list of symbols where there are none. */
void qcc_dims_split(QccArena *arena, QccInts *number, QccStrings *symbols, int n,
                    const QccDim *dim);
/* Fields of a list of symbols. */
#define QCC_SYMBOLS_FIELD(type)                                                                    \
    {"symbols",                                                                                    \
     QCC_FIELD_STRINGS,                                                                            \
     offsetof(type, symbols),                                                                      \
     "[]",                                                                                         \
     0,                                                                                            \
     0,                                                                                            \
     NULL,                                                                                         \
     "what multiplies each: \"\", \"S\" or \"N*S\""}

/* ---- for those who run ops ---------------------------------------------------------------- */

/* Whether operand i is plain integers beside data of another type: indices, lengths. They are
 * neither quantized nor moved. */
bool qcc_op_is_index(const QccOp *op, int i);
/* Whether a MOVE may copy stored elements: they mean the same before and after. Scales along an
 * axis move with it, so only one pair for the whole tensor is simple enough. */
bool qcc_op_moves_raw(const QccOp *op);
/* The same of a SELECT. */
bool qcc_op_selects_raw(const QccOp *op);

/* The built-in ops, from ops.def. */
#define QCC_OP(name) extern const QccOpDef qcc_op_##name;
#include "ir/ops.def"
#undef QCC_OP

#pragma GCC visibility pop

#endif
