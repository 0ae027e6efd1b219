/* kernel - what the backend compiles: LLVM-free descriptions with a canonical text.
 *
 * A kernel computes one result over an index space. Weights, scales, offsets and zero points are
 * arguments, so that equal shapes share a kernel; extents, strides, element types and the epilogue
 * are part of the description. Whatever changes the code stands in the text, and nothing else does:
 * the text is what is hashed and compared.
 *
 *   for each work unit in [begin, end):          (a part of the index space, see qcc_kernel_work)
 *     for each output index in it:
 *       acc = anchor over arg[1..nanchor]         (none for a map)
 *       arg[0][index] = epilogue(acc, arg[1 + nanchor ..][index])
 */
#ifndef QCC_IR_KERNEL_H
#define QCC_IR_KERNEL_H

#include "ir/expr.h"
#include "ir/op.h"

typedef enum QccAnchor {
    QCC_ANCHOR_MAP,       /* no accumulator; also copies, transposes, slices: by strides */
    QCC_ANCHOR_CONTRACT,  /* implicit-GEMM convolution and matrix product */
    QCC_ANCHOR_DEPTHWISE, /* one filter a channel, vectors over channels */
    QCC_ANCHOR_POOL,      /* max or sum over a window, vectors over channels */
    QCC_ANCHOR_ROWS       /* reductions over the last dimension: softmax, norms, reduce_* */
} QccAnchor;

enum { QCC_KERNEL_ARGS = 24, QCC_ROW_STAGES = 3 };

/* How an argument is reached: element (i0, i1, ...) of the index space lies at
 * base + sum(i * stride), in elements. Strides of 0 broadcast. For anchors' operands the strides
 * are in the anchor's own record below. */
typedef struct QccKernelArg {
    QccDtype dtype;
    int64_t stride[QCC_MAX_RANK];
} QccKernelArg;

/* CONTRACT, DEPTHWISE: index space [n, oh, ow, co] (a matrix product: [batch, 1, m, n]).
 *   acc[n,y,x,o] = sum over ky, kx, c ascending of
 *       A[n*a_n + (y*sh + ky*dh)*a_h + (x*sw + kx*dw)*a_w + g*ci + c] * B[o][ky][kx][c]
 * with g = o / (co / groups). A points at the first tap of output (0,0): padding lies before it in
 * memory, as halo. u8 x i8 gives exact i32; f32 uses fma, one accumulator per output. The sum is
 * raw: zero points enter by an epilogue argument (bias - zx * sum of weights).
 * B is packed (backend/pack.h), except `b_strided`, of a matrix product, where B is made in the
 * run, for each n and y its own (or the same, at strides of 0): f32    B[n*b_n + y*b_h + c*b_k + o]
 *   bytes  B[n*b_n + y*b_h + c/4*b_k + 4*o + c%4]; fours of a column lie side by side, filled up
 *          with zeros to QCC_FOURS_DEPTH(ci) bytes of a column
 * A may be read up to `slack` bytes past a run of taps (the plan provides them), the last row of
 * such a B as well. */
typedef struct QccContractShape {
    int64_t kh, kw, stride_h, stride_w, dil_h, dil_w;
    int64_t ci;            /* input channels per group; K of a matrix product */
    int64_t groups;        /* DEPTHWISE: the number of channels */
    int64_t a_n, a_h, a_w; /* strides of A in elements */
    bool b_strided;
    int64_t b_n, b_h, b_k;
    bool pairs_fit; /* bytes: B is such that products of two neighbours of a run can be added in 16
                       bits, whatever A holds (qcc_pairs_fit) */
} QccContractShape;

/* So many bytes of a column are there, of k that mean something: whole fours, and whole tiles where
 * one does not hold them all. */
#define QCC_FOURS_DEPTH(k) ((k) <= 64 ? ((k) + 3) / 4 * 4 : ((k) + 63) / 64 * 64)

/* How elements become one, in the type that they widen to: acc + x, acc > x ? acc : x,
 * acc < x ? acc : x, acc * x. Begins with the identity: 0; -inf or the least number of the type;
 * inf or the greatest; 1. Integers wrap. */
typedef enum QccCombine {
    QCC_COMBINE_SUM,
    QCC_COMBINE_MAX,
    QCC_COMBINE_MIN,
    QCC_COMBINE_PROD
} QccCombine;

/* POOL: index space [n, oh, ow, c]. Taps outside [0,ih) x [0,iw) are skipped. acc is combined tap
 * by tap, (ky, kx) ascending, in the type that elements widen to; max and min of integers begin
 * with the least and the greatest value of the element type. */
typedef struct QccPoolShape {
    QccCombine combine;
    int64_t ih, iw, kh, kw, stride_h, stride_w, dil_h, dil_w, pad_top, pad_left;
    int64_t a_n, a_h, a_w; /* strides of A in elements; A points at input (0,0) */
} QccPoolShape;

/* One reduction over a row: combine(lanes) of `term`, whose arguments are the kernel's row
 * arguments and, as arguments 100, 101, ..., the results of earlier stages.
 * 16 virtual lanes begin with the identity; lane i combines elements i, i+16, ... in turn, lane =
 * op(lane, x), lanes that have no element left stay as they are (a NaN included: no filling up with
 * the identity); then the tree lane[i] = op(lane[i], lane[i + w]) for w = 8, 4, 2, 1. */
typedef struct QccRowStage {
    QccCombine combine;
    QccExpr *term; /* per element */
    QccExpr *then; /* of the combined value (acc) and earlier stages; NULL: itself */
} QccRowStage;
enum { QCC_ROW_RESULT = 100 };

/* ROWS: index space [outer..., row]; arguments from 1 on are row arguments (QccKernelArg strides
 * over that space). `reduced`: the result has one element a row (its last stride is 0 and the
 * epilogue sees only stage results and arguments that do not vary along the row). */
typedef struct QccRowShape {
    int nstage;
    QccRowStage stage[QCC_ROW_STAGES];
    bool reduced;
} QccRowShape;

/* The operand of a product that is not worth a place in L1, since it comes from beyond each time.
 */
typedef enum QccStream { QCC_STREAM_NONE, QCC_STREAM_A, QCC_STREAM_B } QccStream;

/* The choice among byte-identical codes for a kernel; part of the text behind the key. */
typedef struct QccVariant {
    int mr;       /* outputs (pixels) held at once; ROWS: rows of a work unit */
    int nr;       /* vectors of output channels held at once; ROWS: rows side by side, which divide
                     mr */
    int unroll;   /* K steps per loop iteration */
    int chunk;    /* pixels per work unit (a multiple of mr); 0: a whole output row. With tiles: K
                     steps of a pass (they divide all), for one run of taps; 0: all in one */
    bool n_outer; /* output channels are the outer loop */
    bool wide; /* CONTRACT of bytes by pairs of 16 bits: what is read of A is widened once a chunk,
                  for the panels that pass over it */
    /* CONTRACT of bytes on a target with tiles: */
    int tiles;  /* that the mr pixels are divided into, at most 16 pixels each; 0: vectors */
    bool flat;  /* the pixels of an image are one row, with what lies between its rows */
    int spread; /* pixels a K step whose epilogue the next block's K steps carry along; 0: each
                   block's epilogue stands behind it */
    QccStream stream; /* the operand that is loaded past L1 */
    bool seeded;      /* sums begin with what the epilogue adds to them, where they can */
    bool late;        /* with spread, not with passes: each block's epilogue stands behind the K
                         steps of the block after the next one */
    bool ahead;       /* not with passes: each block brings a part of B for the next panel near */
} QccVariant;

/* How the pixels of a kernel lie in tiles. Tile t of a line holds the `rows` positions from
 * min(t * rows, length - rows) on; a tile that had to move back holds pixels of its neighbour,
 * whose results are made once. A block is `tiles` tiles in a row, over the ends of lines. */
typedef struct QccTiling {
    int64_t lines;  /* output rows, or (flat) images */
    int64_t length; /* positions of a line */
    int64_t pitch;  /* flat: positions from row to row; those past the row's end are no pixels */
    int64_t rows;   /* positions of a tile */
    int64_t tiles;  /* of a line */
    int64_t blocks; /* of the kernel */
    int64_t group;  /* panels of a unit: 1, or with passes over K as many as 32 KiB of sums are */
} QccTiling;

typedef struct QccKernel {
    QccAnchor anchor;
    int rank;
    int64_t extent[QCC_MAX_RANK]; /* the index space; adjacent dimensions are merged where strides
                                     allow, for maps */
    int narg;
    int nanchor; /* arguments 1..nanchor have the strides of the anchor's record; of MAP and ROWS
                    none has, whatever an op's lower says (0 in a finished kernel) */
    QccKernelArg arg[QCC_KERNEL_ARGS]; /* 0: the result */
    QccExpr *epilogue;                 /* argument k is arg[k]; acc is the anchor's */
    union {
        QccContractShape contract;
        QccPoolShape pool;
        QccRowShape rows;
    } u;
    QccVariant variant;
} QccKernel;

/* Code of a kernel: arg[k] points at element (0, 0, ...) of argument k. Runs the work units
 * [begin, end). Thread-safe over disjoint ranges. Needs the default floating-point environment. */
typedef void QccKernelFn(void *const *arg, int64_t begin, int64_t end);
#define QCC_KERNEL_SYMBOL "qcc_kernel"

/* The tiling that a variant with tiles says. */
QccTiling qcc_kernel_tiling(const QccKernel *k);
/* Whether each of its blocks has but one B. */
bool qcc_kernel_blocks_fit(const QccKernel *k);

/* Number of independent work units of a kernel (for a given vector width in f32 lanes):
 * MAP: the first extent (rank 1: blocks of 4096); POOL and DEPTHWISE: n * oh;
 * ROWS: ceil(rows / mr);
 * CONTRACT: n * oh * ceil(ow / chunk) * panels; the unit index counts, fastest first:
 * n_outer ? pixel chunks, oh, n, panels : panels, pixel chunks, oh, n. With tiles: blocks of tiles
 * in the place of chunks, oh, n, and groups of panels. Nothing to do: 0. */
int64_t qcc_kernel_work(const QccKernel *k, int lanes);

/* CONTRACT: panels of output channels, groups * ceil(co / groups / (nr * lanes)); none spans two
 * groups. */
int64_t qcc_kernel_panels(const QccKernel *k, int lanes);

/* ROWS: rows of a work unit; the last one may have fewer. */
int64_t qcc_kernel_rows(const QccKernel *k);

/* Multiply-adds count two; for reports. */
int64_t qcc_kernel_operations(const QccKernel *k);

/* Bytes of memory that a run has to read and to write, each of them once, whatever the order: what
 * windows leave out, gaps of strides and tables are not among them, weights are, unpacked. For
 * reports. */
int64_t qcc_kernel_bytes(const QccKernel *k);

/* The canonical text; with or without the variant line (tuning records omit it). */
void qcc_kernel_print(QccBuf *buf, const QccKernel *k, bool variant);

/* The line that the text ends in: "variant mr 6 nr 4 ...". */
void qcc_variant_print(QccBuf *buf, const QccVariant *v);

/* "conv 1x56x56x64 k3x3 u8", for profiles. */
void qcc_kernel_title(QccBuf *buf, const QccKernel *k);

/* ---- what an op's `lower` fills -------------------------------------------------------------- */

/* Physical layout of a value, decided by the plan before kernels are made. Pitches in elements. A
 * value with halos leaves no other gaps: what lies between its first element and its last, halos
 * included, is its own or halo. Halos of neighbours along a dimension may be the same elements. */
typedef struct QccLayout {
    int rank;
    int64_t dim[QCC_MAX_RANK], pitch[QCC_MAX_RANK];
    int64_t halo_before[QCC_MAX_RANK], halo_after[QCC_MAX_RANK];
} QccLayout;

/* Where a kernel argument comes from. */
typedef enum QccSourceKind {
    QCC_SOURCE_RESULT,  /* the op's result `index` */
    QCC_SOURCE_OPERAND, /* the op's operand `index` */
    QCC_SOURCE_WEIGHT,  /* the constant operand `index`, which the backend packs for the kernel */
    QCC_SOURCE_CONST,   /* a blob made by the lowering: factors, corrections */
    QCC_SOURCE_TEMP,    /* a temporary of the lowering */
    QCC_SOURCE_REPEATED /* the op's operand `index`, copied to the shape of the result; of epilogues
                         */
} QccSourceKind;

typedef struct QccSource {
    QccSourceKind kind;
    int index;               /* RESULT, OPERAND, WEIGHT, TEMP */
    const QccBlob *blob;     /* CONST; WEIGHT: the operand's data, as i8 or f32 [co][kh][kw][ci] */
    int64_t offset;          /* in elements, added to the logical origin */
    const QccLayout *repeat; /* REPEATED: the operand as the result's dimensions read it */
    const int64_t *index_offset; /* RESULT, OPERAND: a logical position that becomes the origin
                                    (rank entries, may be negative into the halo); NULL: zeros */
} QccSource;

/* `lower` leaves in kernel->epilogue how the op's own value comes from the anchor's acc and the
 * arguments that lower has added: f32 as `eval` gives it (acc + bias, acc / n, exp(x - max) / sum;
 * stage results are arguments 100, ...), the raw element of a MOVE, or the raw i32 accumulator.
 * NULL: acc itself. The backend puts that value in the place of `acc` in the op's epilogue, and
 * adds the arguments of the latter behind those that are there (narg). */
typedef struct QccLoweredKernel {
    QccKernel *kernel;
    QccSource source[QCC_KERNEL_ARGS];
    /* The kernel dimension that dimension i of the op's result lies in; several adjacent ones may
     * lie in one, row-major. See qcc_lower_strides. */
    int result_dim[QCC_MAX_RANK];
    /* How far apart, along dimension i of the op's result, neighbours of the index space lie: 1, or
     * more of a kernel that makes a part of the result. */
    int64_t result_step[QCC_MAX_RANK];
    /* What must be added to the kernel's raw i32 accumulator (over stored q, without zero points)
     * to get the exact accumulator that `eval` computes: -zx * sum(w) + bias a channel, -z * n a
     * pixel, ... Added with wrapping. Extents 1 or the index space's; NULL: nothing. */
    int64_t correction_dim[QCC_MAX_RANK];
    const int32_t *correction;
} QccLoweredKernel;

typedef struct QccTarget QccTarget; /* backend/target.h */

struct QccKernelList {
    QccIr *ir;
    QccArena *arena;
    const QccTarget *target;
    const QccLayout *const *in; /* layouts of the operands (NULL for constants and absent ones) */
    const QccLayout *result;
    int n;
    int64_t cap;
    QccLoweredKernel *kernel;
    int ntemp;
    int64_t temp_cap;
    int64_t *temp; /* bytes of each temporary */
};

/* ---- helpers of ops' `lower` (ir/lower.c) ---------------------------------------------------- */

/* A new kernel at the end of the list, with an empty index space of `rank` dimensions. Pointers to
 * earlier ones stay valid only until then. */
QccLoweredKernel *qcc_lower_kernel(QccKernelList *list, QccAnchor anchor, int rank,
                                   const int64_t *extent);

/* Each adds an argument (the first one must be the result) and returns its number. stride: one per
 * kernel dimension; NULL: zeros. */
int qcc_lower_result(QccLoweredKernel *k, QccDtype dtype, const int64_t *stride,
                     const int64_t *index_offset);
int qcc_lower_operand(QccLoweredKernel *k, int operand, QccDtype dtype, const int64_t *stride,
                      const int64_t *index_offset);
int qcc_lower_const_arg(QccLoweredKernel *k, const QccBlob *blob, const int64_t *stride);
int qcc_lower_weight(QccLoweredKernel *k, int operand, const QccBlob *blob);
/* A temporary of dense elements; returns its number. As an argument it may be the result of one
 * kernel and an operand of later ones. */
int qcc_lower_temp(QccKernelList *list, QccDtype dtype, int rank, const int64_t *dim);
int qcc_lower_temp_arg(QccLoweredKernel *k, int temp, QccDtype dtype, const int64_t *stride);

/* An empty expression in the list's arena. */
QccExpr *qcc_lower_expr(QccKernelList *list);
/* Argument number `arg` as a node of its natural type. */
int qcc_lower_arg_node(QccExpr *e, const QccLoweredKernel *k, int arg);
/* How elements of a type are read as real f32: for a quantized one (f32)(q - zero) * scale. */
typedef struct QccReal {
    int zero, scale; /* arguments; -1: elements are reals */
} QccReal;
/* Adds the arguments that the type needs. false: it is neither f32 nor quantized by one pair for
 * the tensor. */
bool qcc_lower_real(QccKernelList *list, QccLoweredKernel *k, const QccType *type, QccReal *real);
/* The real of node x, an element. */
int qcc_lower_real_node(QccExpr *e, const QccLoweredKernel *k, const QccReal *real, int x);

/* The data of a constant operand, also through the parameters of fused bodies; else NULL. */
const QccBlob *qcc_lower_const(const QccOp *op, int operand);
/* Pitch of dimension i of operand `index` (dense for constants), in elements. */
int64_t qcc_lower_pitch(const QccKernelList *list, const QccOp *op, int index, int i);
/* Merges the adjacent dimensions [first, last] of a layout into one: extent and stride. false: the
 * pitches do not allow it. An empty run has extent 1, stride 0. */
bool qcc_lower_merge(const int64_t *dim, const int64_t *pitch, int first, int last, int64_t *extent,
                     int64_t *stride);
/* Strides over the kernel's dimensions from strides over those of the op's result (rank, dim):
 * false when dimensions that the kernel has merged do not merge in this argument. */
bool qcc_lower_strides(const QccLoweredKernel *k, int rank, const int64_t *dim,
                       const int64_t *stride, int64_t *out);

#endif
