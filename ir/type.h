/* type - element types, shapes with symbols, quantization; interned, so equal means same address.
 */
#ifndef QCC_IR_TYPE_H
#define QCC_IR_TYPE_H

#include "ir/base/buf.h"
#include "ir/ir.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

/* Read-only data shared by constants and types; never changed once it is reachable. */
typedef struct QccBlob {
    QccDtype dtype;
    int rank;
    int64_t dim[QCC_MAX_RANK];
    const void *data; /* dense, row-major; i4/u4 packed */
    int64_t size;     /* bytes */
    uint64_t hash;    /* XXH3-64 of the data */
} QccBlob;

/* A named extent that is bound when a program is made. Interned: same name and bounds, same
 * address. */
typedef struct QccSymbol {
    const char *name;
    int64_t min, max; /* bounds, both included; at least 1 */
} QccSymbol;

/* n * sym[0] * sym[1]; absent symbols are NULL, and sym[0] is filled first. */
typedef struct QccDim {
    int64_t n; /* at least 0 */
    const QccSymbol *sym[2];
} QccDim;

typedef enum QccQuantKind {
    QCC_QUANT_STATIC, /* scale and zero are constants of the type */
    QCC_QUANT_DYNAMIC /* they are run-time values, operands of the users */
} QccQuantKind;

/* real = scale * (q - zero). scale and zero hold one entry per block, row-major over the
 * dimensions whose block is not 0. Scales lie in [2^-60, 2^60]. */
typedef struct QccQuant {
    QccQuantKind kind;
    int64_t block[QCC_MAX_RANK]; /* per dimension: 0 whole, 1 per index, g groups of g */
    const QccBlob *scale;        /* f32; NULL when dynamic */
    const QccBlob *zero;         /* i32, as many entries as scale; NULL when dynamic */
    int32_t qmin, qmax;          /* both included */
} QccQuant;

typedef struct QccType {
    QccDtype dtype;
    int rank;
    QccDim dim[QCC_MAX_RANK];
    const QccQuant *quant; /* NULL: plain */
} QccType;

/* ---- making types ------------------------------------------------------------------------ */

/* The interned type; dims and quant are copied. */
const QccType *qcc_type(QccIr *ir, QccDtype dtype, int rank, const QccDim *dim,
                        const QccQuant *quant);
/* The same with constant extents, plain. */
const QccType *qcc_type_shape(QccIr *ir, QccDtype dtype, int rank, const int64_t *dim);
/* `t` with another element type and no quantization. */
const QccType *qcc_type_plain(QccIr *ir, const QccType *t, QccDtype dtype);
/* What an op reads of `t`: f32 for a quantized type, `t` itself otherwise. */
const QccType *qcc_type_real(QccIr *ir, const QccType *t);
/* `t` with another quantization (NULL: none) and element type. */
const QccType *qcc_type_quantized(QccIr *ir, const QccType *t, QccDtype dtype,
                                  const QccQuant *quant);

/* The interned symbol. */
const QccSymbol *qcc_symbol(QccIr *ir, const char *name, int64_t min, int64_t max);

/* Interned quantization of one pair for the whole tensor. qmin and qmax are the dtype's. */
const QccQuant *qcc_quant_tensor(QccIr *ir, QccDtype dtype, float scale, int32_t zero);
/* One pair per index of `axis` of a tensor of `rank`; n entries; zero NULL: all 0. */
const QccQuant *qcc_quant_axis(QccIr *ir, QccDtype dtype, int rank, int axis, int64_t n,
                               const float *scale, const int32_t *zero, int32_t qmin, int32_t qmax);

/* Whether one pair serves the whole tensor; then scale and zero are set (each may be NULL). */
bool qcc_quant_is_tensor(const QccQuant *q, float *scale, int32_t *zero);
/* Entries of a quantization over extents dim[rank] (product over blocked dimensions). */
int64_t qcc_quant_count(const QccQuant *q, int rank, const int64_t *dim);
/* Index into scale/zero of the element at index[rank] of a tensor with extents dim[rank]. */
int64_t qcc_quant_index(const QccQuant *q, int rank, const int64_t *dim, const int64_t *index);

/* ---- asking ------------------------------------------------------------------------------- */

/* Whether both have the same extents, symbols included. */
bool qcc_type_same_shape(const QccType *a, const QccType *b);
/* Extents as numbers; false when a symbol is in the way. */
bool qcc_type_extents(const QccType *t, int64_t *dim);
/* Elements and bytes; -1 when a symbol is in the way. Types are checked not to overflow. */
int64_t qcc_type_count(const QccType *t);
int64_t qcc_type_bytes(const QccType *t);
bool qcc_dim_equal(const QccDim *a, const QccDim *b);
QccDim qcc_dim(int64_t n);

/* The range of an integer element type; {0,0} for floats. */
void qcc_dtype_range(QccDtype dtype, int64_t *min, int64_t *max);
bool qcc_dtype_is_float(QccDtype dtype);
/* Of 8 or 4 bits: a way to store numbers, which only the interpreter computes with. */
bool qcc_dtype_is_minifloat(QccDtype dtype);
bool qcc_dtype_parse(QccDtype *dtype, const char *name, int64_t len);
/* Bytes of n elements (nibbles round up). */
int64_t qcc_dtype_size(QccDtype dtype, int64_t n);

/* Whether a type that came from a file or from inference may be worked with: no overflow (2^48
 * bytes at the symbols' upper bounds), a quantization that is valid and fits the shape. Posts what
 * is wrong at `loc`. Making a type checks nothing; the verifier and qcc_op_new call this. */
QccStatus qcc_type_check(QccIr *ir, QccLoc loc, const QccType *t);
/* Whether `quant` (may be NULL) has the right number of entries for this shape. */
bool qcc_quant_fits(const QccQuant *quant, int rank, const QccDim *dim);

/* "2*N*S" */
void qcc_dim_print(QccBuf *buf, const QccDim *d);
/* "u8[1,56,56,64] q(0.0311: 61)"; long lists of scales as their hash. */
void qcc_type_print(QccBuf *buf, const QccType *t);

/* ---- blobs -------------------------------------------------------------------------------- */

/* A blob over `data`, which is borrowed (copy: false; it must live as long as the arena) or copied.
 * i4/u4 are packed. */
QccBlob *qcc_blob(QccArena *arena, QccDtype dtype, int rank, const int64_t *dim, const void *data,
                  bool copy);

#pragma GCC visibility pop

#endif
