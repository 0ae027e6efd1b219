/* onnx - the importer's own vocabulary: values by name, nodes as the import functions see them.
 *
 *   file -> wire.c (scan, reduce) -> protobuf-c -> onnx.c (graph, nodes) -> onnx_ops.c (the table)
 *                onnx_tensor.c (initializers)  onnx_scope.c (names)         -> onnx_*.c (functions)
 *                onnx_wide.c (narrow floats)
 *                                              onnx_call.c (calls, If)
 */
#ifndef QCC_FRONTEND_ONNX_H
#define QCC_FRONTEND_ONNX_H

#include "frontend/wire.h"
#include "ir/base/table.h"
#include "ir/graph.h"
#include "ir/op.h"
#include "ir/ops.h"

#include <onnx.pb-c.h>

/* Imports a ModelProto; see qcc_import. */
QccStatus qcc_onnx_import(QccModule **out, QccIr *ir, QccArena *arena, const char *file,
                          const char *path, const void *bytes, int64_t size,
                          const QccInputShape *shapes, int nshape);

/* Reads a TensorProto alone, as the ONNX project's operator tests store them. *name lives in
 * `arena`; bytes are borrowed for its life. */
QccStatus qcc_onnx_read_tensor(const QccBlob **out, const char **name, QccIr *ir, QccArena *arena,
                               const char *file, const void *bytes, int64_t size);

/* ---- element types and tensors ------------------------------------------------------------ */

/* "float16", or "number 99" in `arena`. */
const char *qcc_onnx_dtype_name(QccArena *arena, int64_t number);
/* False for an element type that does not exist here. */
bool qcc_onnx_dtype(QccDtype *out, int64_t number);

/* What reading a tensor needs besides the tensor. */
typedef struct QccOnnxTensorReader {
    QccArena *arena;     /* of the blobs */
    QccArena *scratch;   /* of names in messages */
    const QccWire *wire; /* raw data by number */
    QccDiags *d;
    QccLoc loc;
    int64_t denormals; /* constants that became 0, counted over all tensors */
    QccTable read;     /* blobs, by what they were read from */
    const char *path;  /* of the model, beside which external data lies; NULL: in memory */
    QccTable files;    /* of external data */
} QccOnnxTensorReader;

/* A tensor's data, in place where it is aligned. f32 denormals become 0. `what` names it in
 * messages. */
QccStatus qcc_onnx_tensor(const QccBlob **out, QccOnnxTensorReader *r, const Onnx__TensorProto *t,
                          const char *what);

/* onnx_external.c: where the data of a tensor lies that wants `size` bytes of another file. */
QccStatus qcc_onnx_external(QccWireSpan *out, QccOnnxTensorReader *r, const Onnx__TensorProto *t,
                            const char *what, int64_t size);

/* The numbers of an attribute. */
const QccBlob *qcc_onnx_list(QccOnnxTensorReader *r, QccDtype dtype, size_t n, const void *values);

/* ---- import ------------------------------------------------------------------------------- */

/* A list of extents, some of which have symbols; or (rank 0) one of them. Numbers may be negative.
 * What is computed from Shape stands for such a list and for no value; see onnx_dims.c. */
typedef struct QccOnnxDims {
    QccDtype dtype;
    int rank, n;
    QccDim v[QCC_INTS_MAX];
} QccOnnxDims;

/* What a name of the file stands for. */
typedef struct QccOnnxValue {
    const char *name;
    QccValue *value;               /* NULL: an initializer that no op has used yet */
    const QccBlob *blob;           /* of an initializer, else NULL */
    const QccOnnxDims *dims;       /* NULL, or what it is instead of a value */
    const char *unsupported;       /* what it is, where no op here can read it; else NULL */
    struct QccOnnxValue *integers; /* of a quantized value, once a node has asked for them */
} QccOnnxValue;

typedef struct QccOnnxSymbol {
    const char *param; /* as in the file */
    QccDim dim;        /* a symbol, or the number that it was given */
} QccOnnxSymbol;

/* A function of the model; calls of it are inlined. */
typedef struct QccOnnxFunction {
    const Onnx__FunctionProto *proto;
    const char *domain, *overload;          /* "": none */
    const Onnx__AttributeProto **attribute; /* those that have a default */
    int64_t nattribute;
    bool active; /* being inlined */
    bool listed; /* its nodes have been looked through for what is unsupported */
} QccOnnxFunction;

/* Whose attributes the nodes of a function refer to. */
typedef struct QccOnnxCall {
    const QccOnnxFunction *function;
    const Onnx__NodeProto *node;
} QccOnnxCall;

/* The names that nodes see. */
typedef struct QccOnnxScope QccOnnxScope;
struct QccOnnxScope {
    QccOnnxScope *outer;     /* around a branch; NULL: a model's graph, a function */
    const QccOnnxCall *call; /* NULL: outside of functions */
    const char *path;        /* before the names of nodes in messages: "", "/layer0/block/" */
    QccTable names;
};

typedef struct QccOnnxImport {
    QccIr *ir;
    QccArena *arena;   /* of the graph */
    QccArena *scratch; /* of the import */
    QccDiags *d;
    const char *file;
    QccGraph *graph;
    int64_t opset; /* of the model, or of the function that is being inlined */
    QccOnnxTensorReader tensors;
    QccOnnxScope *scope; /* of the nodes that are being imported */
    QccOnnxValue absent; /* stands for an input that a call does not give */
    QccTable functions;
    int depth;                   /* calls and branches around the nodes that are being imported */
    int64_t inlined;             /* nodes that calls and branches have made */
    const QccInputShape *shapes; /* given from outside */
    int nshape;
    bool many; /* dynamic extents, which may differ */
    QccOnnxSymbol *symbol;
    int64_t nsymbol, symbol_cap;
    QccTable permuted; /* copies of weights, by weight and permutation */
    QccTable widened;  /* f16 and bf16 as f32, see onnx_wide.c */
    int64_t made;      /* bytes of constants that the file asks for and does not hold */
} QccOnnxImport;

typedef struct QccOnnxNode QccOnnxNode;

/* One row of the table: how nodes of this type are imported from this opset on, up to the next
 * row of the type. */
typedef struct QccOnnxRow {
    const char *type;
    int since;
    int min_in, max_in; /* inputs; -1: any number */
    QccStatus (*import)(QccOnnxNode *n);
    const QccOpDef *def; /* for functions that serve several types */
} QccOnnxRow;

struct QccOnnxNode {
    QccOnnxImport *im;
    const Onnx__NodeProto *proto;
    const QccOnnxRow *row;
    QccLoc loc;
    int nin, nout;
    QccOnnxValue **in; /* NULL: absent */
    QccValue **out;    /* to be set by the import function */
    QccOnnxDims *dims; /* what the first output is instead; see qcc_onnx_give_dims */
    bool *attr_seen;   /* one an attribute of the proto; others are refused afterwards */
};

/* The row for a node in an opset. NULL: none; *since is then the first opset that has it, 0: no
 * opset has. */
const QccOnnxRow *qcc_onnx_find_row(const Onnx__NodeProto *p, int64_t opset, int *since);
/* Whether the node takes quantized values as they are, since it moves them or knows of scales. To
 * all others they are integers. */
bool qcc_onnx_on_stored(const QccOnnxNode *n);

/* Posts QCC_ERROR_UNSUPPORTED at the node: "'Conv' with ...". */
QccStatus qcc_onnx_unsupported(const QccOnnxNode *n, const char *fmt, ...) QCC_PRINTF(2, 3);
/* Posts QCC_ERROR_INPUT at the node: "'Conv' ...". */
QccStatus qcc_onnx_wrong(const QccOnnxNode *n, const char *fmt, ...) QCC_PRINTF(2, 3);

/* ---- names and graphs in graphs -------------------------------------------------------------- */

/* onnx_scope.c: a scope in `outer`; lookup outwards from im->scope, NULL when there is none; a new
 * name, false (NULL) when the scope has it already. Names are borrowed. */
QccOnnxScope *qcc_onnx_scope_new(QccOnnxImport *im, QccOnnxScope *outer, const char *path);
QccOnnxValue *qcc_onnx_find(const QccOnnxImport *im, const char *name);
bool qcc_onnx_define(QccOnnxScope *scope, const char *name, QccOnnxValue *value);
QccOnnxValue *qcc_onnx_add_value(QccOnnxImport *im, const char *name);
/* "/layer0/block/" for what stands in a node. */
const char *qcc_onnx_inner_path(QccOnnxImport *im, QccLoc loc);

QccStatus qcc_onnx_add_functions(QccOnnxImport *im, const Onnx__ModelProto *m,
                                 ProtobufCAllocator *allocator);
/* The function that a node calls; NULL: it is an operator. */
QccOnnxFunction *qcc_onnx_find_function(QccOnnxImport *im, const Onnx__NodeProto *p);
bool qcc_onnx_function_takes(const QccOnnxFunction *f, const char *attribute);
/* The node with the attributes of the call in place of references to them. */
const Onnx__NodeProto *qcc_onnx_resolve(QccOnnxImport *im, const Onnx__NodeProto *p);

/* onnx_wide.c: imports by the node's row, computing narrow floats in f32 where ops need that. */
QccStatus qcc_onnx_import_row(QccOnnxNode *n);

enum { QCC_ONNX_DEPTH_MAX = 64 }; /* calls and branches in each other */

/* onnx_call.c: counts nodes that come from inside of another, and how deep that is (im->depth,
 * which whoever leaves takes back); the nodes of the function, in place of the node. */
QccStatus qcc_onnx_enter(QccOnnxImport *im, QccLoc loc, const char *type, size_t nodes);
QccStatus qcc_onnx_call(QccOnnxImport *im, QccOnnxFunction *f, const Onnx__NodeProto *p,
                        QccLoc loc);

/* onnx.c: nodes, in im->scope; initializers and nodes of a graph, after naming all that cannot be
 * imported; the version of the standard operators among `n` imports, `absent` when there is none;
 * the value behind a name, the constant of an initializer being made on first use, NULL when it is
 * of a kind that does not exist here. */
QccStatus qcc_onnx_import_nodes(QccOnnxImport *im, Onnx__NodeProto **node, size_t n);
QccStatus qcc_onnx_import_body(QccOnnxImport *im, const Onnx__GraphProto *g);
int64_t qcc_onnx_opset(Onnx__OperatorSetIdProto **import, size_t n, int64_t absent);
QccValue *qcc_onnx_value(QccOnnxImport *im, QccOnnxValue *v);

/* onnx_sparse.c: a sparse tensor as a dense one, which counts as a constant that the file asks for.
 */
QccStatus qcc_onnx_sparse(const QccBlob **out, QccOnnxImport *im, QccLoc loc,
                          const Onnx__SparseTensorProto *s, const char *what);

/* ---- inputs ------------------------------------------------------------------------------- */

/* Input i as a value, NULL when it is absent. Makes the constant of an initializer on first use. */
QccValue *qcc_onnx_in(QccOnnxNode *n, int i);
/* The data of input i, NULL when it is absent or not constant. */
const QccBlob *qcc_onnx_blob(const QccOnnxNode *n, int i);
/* Whether input i is given at all. */
bool qcc_onnx_has(const QccOnnxNode *n, int i);

/* Element i of a blob; integers exactly up to 2^53. */
double qcc_onnx_real(const QccOnnxNode *n, const QccBlob *blob, int64_t i);
/* Input i, which must be a constant of one element, as a real; *value stays when it is absent. */
QccStatus qcc_onnx_scalar_in(const QccOnnxNode *n, int i, const char *what, double *value);
/* The data of input i, which must be constant; NULL when it is absent. `what` names it. */
QccStatus qcc_onnx_blob_in(const QccOnnxNode *n, int i, const char *what, const QccBlob **blob);
/* Input i, which must be a constant list of i32 or i64; *given says whether it is there. */
QccStatus qcc_onnx_ints_in(const QccOnnxNode *n, int i, const char *what, QccInts *v, bool *given);

/* ---- extents with symbols, onnx_dims.c ---------------------------------------------------- */

/* Input i as a list of extents, constant or not; *given: it is there. `what` names it. */
QccStatus qcc_onnx_dims_in(const QccOnnxNode *n, int i, const char *what, QccOnnxDims *d,
                           bool *given);
/* Whether all are numbers. */
bool qcc_onnx_dims_known(const QccOnnxDims *d);
/* A list of numbers as a constant. */
QccValue *qcc_onnx_const_dims(QccOnnxNode *n, const QccOnnxDims *d, const char *name);
/* Makes the list the node's first output: a constant where all are numbers. */
void qcc_onnx_give_dims(QccOnnxNode *n, const QccOnnxDims *d);
/* Computes the node if it makes such a list of others; *done: it has. Posts what reads one and
 * cannot. */
QccStatus qcc_onnx_compute_dims(QccOnnxNode *n, bool *done);
/* qcc_onnx_unsupported, with the advice to fix the shape. */
QccStatus qcc_onnx_needs_shape(const QccOnnxNode *n, const char *what);

/* ---- attributes --------------------------------------------------------------------------- */

/* Each leaves *value as it is when the attribute is absent. */
QccStatus qcc_onnx_attr_int(QccOnnxNode *n, const char *name, int64_t *value);
QccStatus qcc_onnx_attr_bool(QccOnnxNode *n, const char *name, bool *value);
QccStatus qcc_onnx_attr_float(QccOnnxNode *n, const char *name, double *value);
QccStatus qcc_onnx_attr_ints(QccOnnxNode *n, const char *name, QccInts *v, bool *given);
/* The string, in the import's scratch. */
QccStatus qcc_onnx_attr_string(QccOnnxNode *n, const char *name, const char **value);
/* The attribute, marked as seen, or NULL. */
const Onnx__AttributeProto *qcc_onnx_attr(QccOnnxNode *n, const char *name);

/* Runs an import function over other inputs: values of the graph, NULL where one is absent. */
QccStatus qcc_onnx_over(QccOnnxNode *n, QccValue *const *in, int nin,
                        QccStatus (*import)(QccOnnxNode *n));

/* ---- making ops --------------------------------------------------------------------------- */

/* Makes an op at the end of the graph. `name` NULL: any. An op over small integer constants (shape
 * arithmetic) is computed at once. */
QccStatus qcc_onnx_emit(QccOnnxNode *n, QccValue **out, const QccOpDef *def, const char *name,
                        QccValue *const *in, int nin, const void *attrs);
/* The same, where the result is output 0 of the node. */
QccStatus qcc_onnx_emit_out(QccOnnxNode *n, const QccOpDef *def, QccValue *const *in, int nin,
                            const void *attrs);
/* A name after the node's first output: "conv1_nhwc". */
const char *qcc_onnx_name(const QccOnnxNode *n, const char *suffix);
/* The name that a value of the file gets in the graph. */
const char *qcc_onnx_value_name(QccOnnxImport *im, const char *name);

QccStatus qcc_onnx_transpose(QccOnnxNode *n, QccValue **out, QccValue *x, const char *name,
                             const int *perm);
/* Reshape to extents of the type system. */
QccStatus qcc_onnx_reshape(QccOnnxNode *n, QccValue **out, QccValue *x, const char *name, int rank,
                           const QccDim *dim);
/* Like transpose, but a constant, or a dequantized constant, stays one. */
QccStatus qcc_onnx_transpose_weight(QccOnnxNode *n, QccValue **out, QccValue *w, const int *perm);
/* Bytes of all constants that a model asks for but does not hold. */
enum { QCC_ONNX_CONSTANTS_MAX = 1 << 28 };
/* Counts bytes of such a constant; posts when a model asks for too many. Before they are allocated.
 */
QccStatus qcc_onnx_make_room(QccOnnxNode *n, int64_t bytes);
/* A constant of one f32. */
QccValue *qcc_onnx_f32(QccOnnxNode *n, float x);
/* A constant of one element of the type of `like`. */
QccStatus qcc_onnx_real_like(QccOnnxNode *n, QccValue **out, const QccValue *like, double x);
/* Before opset 7, refuses what is not marked as inference; the attribute is gone later. */
QccStatus qcc_onnx_is_test(QccOnnxNode *n);
/* A negative axis counts from the end; posts what is out of range. */
QccStatus qcc_onnx_axis(const QccOnnxNode *n, int rank, int64_t *axis);

/* ---- import functions, by file ------------------------------------------------------------ */

/* onnx_attention.c */
QccStatus qcc_onnx_attention(QccOnnxNode *n);
QccStatus qcc_onnx_rotary_embedding(QccOnnxNode *n);
/* onnx_conv.c */
QccStatus qcc_onnx_conv(QccOnnxNode *n);
QccStatus qcc_onnx_conv_transpose(QccOnnxNode *n);
/* onnx_pool.c */
QccStatus qcc_onnx_pool(QccOnnxNode *n);
QccStatus qcc_onnx_lp_pool(QccOnnxNode *n);
QccStatus qcc_onnx_global_pool(QccOnnxNode *n);
QccStatus qcc_onnx_global_lp_pool(QccOnnxNode *n);
QccStatus qcc_onnx_lp_normalization(QccOnnxNode *n);
QccStatus qcc_onnx_max_unpool(QccOnnxNode *n);
/* onnx_norm.c */
QccStatus qcc_onnx_batchnorm(QccOnnxNode *n);
QccStatus qcc_onnx_layer_norm(QccOnnxNode *n);
QccStatus qcc_onnx_rms_norm(QccOnnxNode *n);
QccStatus qcc_onnx_skip_norm(QccOnnxNode *n);
QccStatus qcc_onnx_instance_norm(QccOnnxNode *n);
QccStatus qcc_onnx_group_norm(QccOnnxNode *n);
QccStatus qcc_onnx_mean_variance(QccOnnxNode *n);
QccStatus qcc_onnx_lrn(QccOnnxNode *n);
QccStatus qcc_onnx_softmax_from(QccOnnxNode *n); /* the op of the row; before opset 13 */
QccStatus qcc_onnx_softmax(QccOnnxNode *n);
/* onnx_reduce.c */
QccStatus qcc_onnx_reduce(QccOnnxNode *n); /* the op of the row */
QccStatus qcc_onnx_reduce_between(QccOnnxNode *n);
QccStatus qcc_onnx_reduce_log_sum_exp(QccOnnxNode *n);
/* onnx_scan.c */
QccStatus qcc_onnx_loop(QccOnnxNode *n);
QccStatus qcc_onnx_scan(QccOnnxNode *n);
QccStatus qcc_onnx_scan_batch(QccOnnxNode *n); /* before opset 9 */
/* onnx_recurrent.c */
QccStatus qcc_onnx_recurrent(QccOnnxNode *n); /* RNN, GRU, LSTM */
/* onnx_quant.c */
QccStatus qcc_onnx_integers(QccOnnxNode *n, QccOnnxValue **v); /* a quantized value as integers */
QccStatus qcc_onnx_quantize(QccOnnxNode *n);
QccStatus qcc_onnx_dequantize(QccOnnxNode *n);
QccStatus qcc_onnx_dynamic_quantize(QccOnnxNode *n);
QccStatus qcc_onnx_qlinear_conv(QccOnnxNode *n);
QccStatus qcc_onnx_qlinear_matmul(QccOnnxNode *n);
QccStatus qcc_onnx_conv_integer(QccOnnxNode *n);
QccStatus qcc_onnx_matmul_integer(QccOnnxNode *n);
/* onnx_math.c */
QccStatus qcc_onnx_plain(QccOnnxNode *n);    /* the op of the row, no attributes */
QccStatus qcc_onnx_variadic(QccOnnxNode *n); /* a chain of the op of the row */
QccStatus
qcc_onnx_by_axis(QccOnnxNode *n); /* before opset 7: operand 1 broadcasts from an axis on */
QccStatus qcc_onnx_swapped(QccOnnxNode *n); /* the op of the row, operands turned round */
QccStatus qcc_onnx_mean(QccOnnxNode *n);
QccStatus qcc_onnx_scalars(QccOnnxNode *n); /* alpha, beta and gamma as attributes */
QccStatus qcc_onnx_shrink(QccOnnxNode *n);
QccStatus qcc_onnx_is_inf(QccOnnxNode *n);
QccStatus qcc_onnx_mod(QccOnnxNode *n);
QccStatus qcc_onnx_bit_shift(QccOnnxNode *n);
QccStatus qcc_onnx_clip(QccOnnxNode *n);
QccStatus qcc_onnx_gelu(QccOnnxNode *n);
QccStatus qcc_onnx_gemm(QccOnnxNode *n);
QccStatus qcc_onnx_matmul(QccOnnxNode *n);
/* onnx_shape.c */
QccStatus qcc_onnx_cast(QccOnnxNode *n);
QccStatus qcc_onnx_cast_like(QccOnnxNode *n);
QccStatus qcc_onnx_concat(QccOnnxNode *n);
QccStatus qcc_onnx_constant(QccOnnxNode *n);
QccStatus qcc_onnx_constant_of_shape(QccOnnxNode *n);
QccStatus qcc_onnx_dropout(QccOnnxNode *n);
QccStatus qcc_onnx_expand(QccOnnxNode *n);
QccStatus qcc_onnx_flatten(QccOnnxNode *n);
QccStatus qcc_onnx_identity(QccOnnxNode *n);
QccStatus qcc_onnx_pad(QccOnnxNode *n);
QccStatus qcc_onnx_reshape_to(QccOnnxNode *n);
QccStatus qcc_onnx_shape(QccOnnxNode *n);
QccStatus qcc_onnx_slice(QccOnnxNode *n);
QccStatus qcc_onnx_squeeze(QccOnnxNode *n);
QccStatus qcc_onnx_transpose_dims(QccOnnxNode *n);
QccStatus qcc_onnx_unsqueeze(QccOnnxNode *n);
/* onnx_move.c */
QccStatus qcc_onnx_center_crop_pad(QccOnnxNode *n);
QccStatus qcc_onnx_depth_to_space(QccOnnxNode *n);
QccStatus qcc_onnx_one_hot(QccOnnxNode *n);
QccStatus qcc_onnx_space_to_depth(QccOnnxNode *n);
QccStatus qcc_onnx_split(QccOnnxNode *n);
QccStatus qcc_onnx_tile(QccOnnxNode *n);
QccStatus qcc_onnx_trilu(QccOnnxNode *n);
/* onnx_index.c */
QccStatus qcc_onnx_arg(QccOnnxNode *n);
QccStatus qcc_onnx_compress(QccOnnxNode *n);
QccStatus qcc_onnx_cum_sum(QccOnnxNode *n);
QccStatus qcc_onnx_gather(QccOnnxNode *n);
QccStatus qcc_onnx_gather_elements(QccOnnxNode *n);
QccStatus qcc_onnx_gather_nd(QccOnnxNode *n);
QccStatus qcc_onnx_non_zero(QccOnnxNode *n);
QccStatus qcc_onnx_reverse_sequence(QccOnnxNode *n);
QccStatus qcc_onnx_scatter(QccOnnxNode *n);
QccStatus qcc_onnx_top_k(QccOnnxNode *n);
QccStatus qcc_onnx_unique(QccOnnxNode *n);
/* onnx_call.c */
QccStatus qcc_onnx_if(QccOnnxNode *n);
/* onnx_qlinear.c */
QccStatus qcc_onnx_dynamic_matmul(QccOnnxNode *n);
QccStatus qcc_onnx_matmul_nbits(QccOnnxNode *n);
QccStatus qcc_onnx_matmul_to_float(QccOnnxNode *n);
QccStatus qcc_onnx_qgemm(QccOnnxNode *n);
QccStatus qcc_onnx_qlinear_binary(QccOnnxNode *n); /* the op of the row */
QccStatus qcc_onnx_qlinear_concat(QccOnnxNode *n);
QccStatus qcc_onnx_qlinear_global_pool(QccOnnxNode *n);
QccStatus qcc_onnx_qlinear_pool(QccOnnxNode *n);
QccStatus qcc_onnx_qlinear_softmax(QccOnnxNode *n);
QccStatus qcc_onnx_qlinear_unary(QccOnnxNode *n); /* the op of the row */
/* onnx_microsoft.c */
QccStatus qcc_onnx_bias_gelu(QccOnnxNode *n);
QccStatus qcc_onnx_fused_conv(QccOnnxNode *n);
QccStatus qcc_onnx_fused_matmul(QccOnnxNode *n);
QccStatus qcc_onnx_quick_gelu(QccOnnxNode *n);
/* onnx_generate.c */
QccStatus qcc_onnx_eye_like(QccOnnxNode *n);
QccStatus qcc_onnx_range(QccOnnxNode *n);
QccStatus qcc_onnx_size(QccOnnxNode *n);
/* onnx_signal.c */
QccStatus qcc_onnx_mel_weights(QccOnnxNode *n);
QccStatus qcc_onnx_window(QccOnnxNode *n); /* that of the operator's name */
/* onnx_einsum.c */
QccStatus qcc_onnx_einsum(QccOnnxNode *n);
/* onnx_resize.c */
QccStatus qcc_onnx_grid_sample(QccOnnxNode *n);
QccStatus qcc_onnx_resize(QccOnnxNode *n);
QccStatus qcc_onnx_upsample(QccOnnxNode *n);

#endif
