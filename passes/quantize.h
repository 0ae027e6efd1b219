/* quantize - the plan of the pass quantize, and the weights it makes. Private to the two files. */
#ifndef QCC_PASSES_QUANTIZE_H
#define QCC_PASSES_QUANTIZE_H

#include "passes/chain.h"
#include "passes/rewrite.h"

typedef struct QccQuantizeOpts {
    enum { QCC_WEIGHTS_PER_CHANNEL, QCC_WEIGHTS_PER_TENSOR } weights;
    enum { QCC_ACTIVATIONS_ASYMMETRIC, QCC_ACTIVATIONS_SYMMETRIC } activations;
    enum { QCC_BIAS_ROUNDED, QCC_BIAS_CORRECTED } bias;
    int64_t weight_bits; /* 8 or 7 */
    QccStrings only, exclude;
} QccQuantizeOpts;

/* Quantized weight and bias of a contraction, in scratch. */
typedef struct QccWeights {
    int64_t channels, per_channel;
    float *scale; /* [channels]; per tensor: all equal */
    int8_t *w;    /* [channels][per_channel] */
    const QccQuant *quant;
    float *bias_scale; /* [channels] */
    int32_t *bias;     /* [channels]; NULL: none is needed */
} QccWeights;

typedef struct QccOpPlan {
    QccOp *op;
    bool eligible; /* the scopes select it and it has a quantized form */
    bool banned;   /* its accumulator may overflow */
    bool in;       /* reads quantized operands */
    bool rooted;   /* computes on what a quantized contraction has computed */
    QccWeights weights;
} QccOpPlan;

/* A value that is read quantized. */
typedef struct QccValuePlan {
    QccValue *value;
    int parent, members; /* groups of one scale, by union-find */
    float lo, hi;        /* of the group, at its root */
    const QccQuant *quant;
} QccValuePlan;

typedef struct QccQuantizer {
    QccPassCtx *ctx;
    QccGraph *g;
    const QccQuantizeOpts *opts;
    QccArena *scratch;
    QccPtrMap ops, values, placed;
    int n, nvalue, nplaced;
    int64_t cap, value_cap, placed_cap;
    QccOpPlan *plan;    /* in topological order */
    QccChainLink *link; /* one per plan */
    QccValuePlan *value;
    QccValue **placed_w; /* quantized twins of weights, by `placed` over the original values */
} QccQuantizer;

/* Whether the value is computed: a parameter or an op's result, no constant. */
bool qcc_is_data(const QccValue *value);

/* Quantizes weight and bias of a contraction whose operand 0 has the quantization x. *fits: every
 * accumulator stays within 32 bits. */
QccStatus qcc_quantize_weights(QccQuantizer *z, const QccOp *op, const QccQuant *x, QccWeights *out,
                               bool *fits);
/* Puts them into the graph, in place of the op's operands. Equal weights stay shared. */
QccStatus qcc_place_weights(QccQuantizer *z, QccOp *op, const QccWeights *w);

#endif
