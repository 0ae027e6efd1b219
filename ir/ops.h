/* ops - attributes of the built-in ops that passes, frontend and backend look into. */
#ifndef QCC_IR_OPS_H
#define QCC_IR_OPS_H

#include "ir/op.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

/* const: the data; its element type and shape are the blob's. */
typedef struct QccConstAttrs {
    const QccBlob *blob;
} QccConstAttrs;

/* conv2d: x[n,h,w,c], w[o,kh,kw,c/groups], optional b[o] -> y[n,oh,ow,o]. Always NHWC / OHWI; the
 * f32 sum runs over (kh, kw, c) ascending. depthwise: groups == c. */
typedef struct QccConvAttrs {
    QccInts stride;   /* [h, w] */
    QccInts pad;      /* [top, left, bottom, right] of zeros */
    QccInts dilation; /* [h, w] */
    int64_t groups;
} QccConvAttrs;

/* matmul over two activations of bytes adds up at most so many products: no sum overflows. */
enum { QCC_MATMUL_DEPTH = INT32_MAX / (255 * 255) };

/* max_pool, avg_pool: x[n,h,w,c] -> y[n,oh,ow,c]. */
typedef struct QccPoolAttrs {
    QccInts kernel;   /* [h, w] */
    QccInts stride;   /* [h, w] */
    QccInts pad;      /* [top, left, bottom, right]; positions there do not exist (max) or count
                         according to include_pad (avg) */
    QccInts dilation; /* [h, w] */
    bool ceil;        /* the output extent rounds up */
    bool include_pad; /* avg: divide by the whole window (padding included), else by what exists */
} QccPoolAttrs;

/* max_pool_index: x[n,c,...] -> where the largest value of each window lies, counted over the whole
 * of x. */
typedef struct QccMaxIndexAttrs {
    QccInts kernel, stride, dilation; /* one entry a spatial dimension */
    QccInts pad;                      /* all befores, then all afters */
    bool ceil;                        /* the output extent rounds up */
    bool column_major;                /* the last spatial dimension counts slowest */
} QccMaxIndexAttrs;

/* softmax and layer_norm normalize over all dimensions from `axis` on, as if they were one;
 * batchnorm: the channels' dimension; concat: the one that grows.
 * layer_norm: x, optional scale, optional bias, both of x's shape from axis on.
 * batchnorm: x, scale[c], bias[c], mean[c], variance[c]. */
typedef struct QccAxisAttrs {
    int64_t axis;   /* may be negative: from the end; once inferred it is not */
    double epsilon; /* norms only */
} QccAxisAttrs;

/* fake_quant: x, scale, zero, which broadcast. */
typedef struct QccFakeQuantAttrs {
    int64_t qmin, qmax; /* both included */
} QccFakeQuantAttrs;

/* scan: operands are `states` first states, then `scanned` sequences, then what is the same at
 * every step; results are the last states, then `stacked` sequences. */
typedef struct QccScanAttrs {
    int64_t states, scanned, stacked;
    bool reverse;
} QccScanAttrs;

/* reduce_*: over `axes` (empty: all), sorted and not negative once inferred. */
typedef struct QccReduceAttrs {
    QccInts axes;
    bool keep; /* extents of 1 stay */
} QccReduceAttrs;

/* clip: min(max(x, lo), hi); -inf and inf: no bound. leaky_relu: alpha. hard_sigmoid: alpha,
 * beta: max(0, min(1, alpha * x + beta)). elu, celu, thresholded_relu, swish: alpha. selu: alpha,
 * gamma. */
typedef struct QccScalarAttrs {
    double lo, hi, alpha, beta, gamma;
} QccScalarAttrs;

/* is_inf: which infinities count. */
typedef struct QccSignAttrs {
    bool positive, negative;
} QccSignAttrs;

/* shift: right (with the sign), else left. */
typedef struct QccShiftAttrs {
    bool right;
} QccShiftAttrs;

/* mod: the sign is the dividend's, as of C's fmod; else the divisor's. */
typedef struct QccModAttrs {
    bool truncated;
} QccModAttrs;

/* shrink: below -lambda bias is added, above lambda taken away; 0 between. */
typedef struct QccShrinkAttrs {
    double lambda, bias;
} QccShrinkAttrs;

/* cast: the QccDtype of the result. */
typedef struct QccCastAttrs {
    int to;
    bool overflow; /* floats of 8 bits: what is too large is no number */
} QccCastAttrs;

/* reshape: the new extents; at most one -1 (inferred), 0 copies the operand's extent. `symbols`:
 * what multiplies them, see qcc_op_dims. */
typedef struct QccShapeAttrs {
    QccInts shape;
    QccStrings symbols;
} QccShapeAttrs;

/* transpose: result dimension i is operand dimension perm[i]. */
typedef struct QccPermAttrs {
    QccInts perm;
} QccPermAttrs;

/* slice: one entry a dimension; begin and end lie within the extent (end exclusive; for a negative
 * step end may be -1), step is not 0. `symbols`: what multiplies the ends, see qcc_op_dims. */
typedef struct QccSliceAttrs {
    QccInts begin, end, step;
    QccStrings symbols;
} QccSliceAttrs;

typedef enum QccPadMode {
    QCC_PAD_CONSTANT,
    QCC_PAD_REFLECT,
    QCC_PAD_EDGE,
    QCC_PAD_WRAP
} QccPadMode;

/* pad: `before` and `after` one entry a dimension, not negative. */
typedef struct QccPadAttrs {
    QccInts before, after;
    int mode;     /* QccPadMode */
    double value; /* a real number; for constant */
} QccPadAttrs;

/* gather and gather_elements have QccAxisAttrs. gather_nd: `batch` leading dimensions are shared by
 * x and indices. */
typedef struct QccGatherNdAttrs {
    int64_t batch;
} QccGatherNdAttrs;

typedef enum QccScatter {
    QCC_SCATTER_NONE, /* the last update stays */
    QCC_SCATTER_ADD,
    QCC_SCATTER_MUL,
    QCC_SCATTER_MIN,
    QCC_SCATTER_MAX
} QccScatter;

/* scatter_elements; scatter_nd has no axis. */
typedef struct QccScatterAttrs {
    int64_t axis;
    int reduction; /* QccScatter */
} QccScatterAttrs;

/* arg_max, arg_min: keep: the dimension stays, with extent 1; last: of equal elements the last. */
typedef struct QccArgAttrs {
    int64_t axis;
    bool keep, last;
} QccArgAttrs;

/* top_k: the indices of the k greatest (else least) elements. */
typedef struct QccTopKAttrs {
    int64_t axis, k;
    bool largest;
} QccTopKAttrs;

/* cum_sum: exclusive: without the element itself; reverse: from the end. */
typedef struct QccCumSumAttrs {
    int64_t axis;
    bool exclusive, reverse;
} QccCumSumAttrs;

/* reverse_sequence: the dimensions that count sequences and their steps. */
typedef struct QccSequenceAttrs {
    int64_t batch_axis, time_axis;
} QccSequenceAttrs;

typedef enum QccSampling { QCC_SAMPLE_LINEAR, QCC_SAMPLE_CUBIC, QCC_SAMPLE_NEAREST } QccSampling;

/* resize: position i of `axis` is sampled at first + i * step; see ir/ops/resize.c. */
typedef struct QccResizeAttrs {
    int64_t axis, extent;
    double first, step;
    double a;       /* cubic: the slope at 1 */
    double stretch; /* how much wider the filter is, at least 1 */
    int method;     /* QccSampling: linear or cubic */
    bool exclude;   /* leave out taps outside x, instead of repeating its edges */
} QccResizeAttrs;

typedef enum QccOutside { QCC_OUTSIDE_ZEROS, QCC_OUTSIDE_BORDER, QCC_OUTSIDE_MIRROR } QccOutside;

/* grid_sample: align: -1 and 1 are the centers of the outer elements, else their outer edges. */
typedef struct QccGridSampleAttrs {
    int method;  /* QccSampling */
    int outside; /* QccOutside */
    bool align;
} QccGridSampleAttrs;

/* matmul: a[...,m,k] x b[...,k,n], leading dimensions broadcast. fc: x[m,k] (or [...,k]),
 * w[n,k], optional b[n]. gelu: approximate by tanh or exact by erf. */
typedef struct QccGeluAttrs {
    bool tanh;
} QccGeluAttrs;

/* quantize and dequantize have no attributes: both infer f32, and whoever makes a quantize then
 * gives its result the quantized type (qcc_value_set_type). quantize divides by the scale, as in
 * ONNX. */

#define QCC_ATTRS(op, T) ((T *)(op)->attrs)

/* Of an op with a body: the type that parameter i has, which follows from the operand. */
const QccType *qcc_body_param_type(const QccOp *op, int i);
/* The operand that a parameter of a body is at every step; NULL: it changes from step to step, or
 * is none. */
QccValue *qcc_body_operand(const QccValue *param);
/* How often the body of a scan runs. */
QccDim qcc_scan_steps(const QccOp *op);

/* Output extent of a window along one dimension; -1: the window does not fit. */
int64_t qcc_window_extent(int64_t in, int64_t kernel, int64_t stride, int64_t dilation,
                          int64_t before, int64_t after, bool ceil);

#pragma GCC visibility pop

#endif
