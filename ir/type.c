/* type - interns types, quantizations and symbols by hash. */
#include "ir/type.h"

#include <assert.h>
#include <string.h>

#include "ir/base/table.h"
#include "ir/type_table.h"

static const struct {
    const char *name;
    int bits;
    bool is_float;
    int64_t min, max; /* 0, 0 for floats */
} dtypes[QCC_DTYPE_COUNT] = {
    [QCC_F32] = {"f32", 32, true, 0, 0},
    [QCC_F16] = {"f16", 16, true, 0, 0},
    [QCC_BF16] = {"bf16", 16, true, 0, 0},
    [QCC_F64] = {"f64", 64, true, 0, 0},
    [QCC_I4] = {"i4", 4, false, -8, 7},
    [QCC_U4] = {"u4", 4, false, 0, 15},
    [QCC_I8] = {"i8", 8, false, INT8_MIN, INT8_MAX},
    [QCC_U8] = {"u8", 8, false, 0, UINT8_MAX},
    [QCC_I16] = {"i16", 16, false, INT16_MIN, INT16_MAX},
    [QCC_U16] = {"u16", 16, false, 0, UINT16_MAX},
    [QCC_I32] = {"i32", 32, false, INT32_MIN, INT32_MAX},
    [QCC_U32] = {"u32", 32, false, 0, UINT32_MAX},
    [QCC_I64] = {"i64", 64, false, INT64_MIN, INT64_MAX},
    [QCC_BOOL] = {"bool", 8, false, 0, 1},
    [QCC_U64] = {"u64", 64, false, 0, INT64_MAX}, /* as far as an i64 tells */
    [QCC_F8E4M3FN] = {"f8e4m3fn", 8, true, 0, 0},
    [QCC_F8E4M3FNUZ] = {"f8e4m3fnuz", 8, true, 0, 0},
    [QCC_F8E5M2] = {"f8e5m2", 8, true, 0, 0},
    [QCC_F8E5M2FNUZ] = {"f8e5m2fnuz", 8, true, 0, 0},
    [QCC_F4E2M1] = {"f4e2m1", 4, true, 0, 0},
};

static bool is_dtype(QccDtype dtype)
{
    return (unsigned)dtype < QCC_DTYPE_COUNT;
}

const char *qcc_dtype_name(QccDtype dtype)
{
    return is_dtype(dtype) ? dtypes[dtype].name : NULL;
}

int qcc_dtype_bits(QccDtype dtype)
{
    return is_dtype(dtype) ? dtypes[dtype].bits : 0;
}

bool qcc_dtype_is_float(QccDtype dtype)
{
    return is_dtype(dtype) && dtypes[dtype].is_float;
}

bool qcc_dtype_is_minifloat(QccDtype dtype)
{
    return qcc_dtype_is_float(dtype) && dtypes[dtype].bits <= 8;
}

void qcc_dtype_range(QccDtype dtype, int64_t *min, int64_t *max)
{
    assert(is_dtype(dtype));
    *min = dtypes[dtype].min;
    *max = dtypes[dtype].max;
}

bool qcc_dtype_parse(QccDtype *dtype, const char *name, int64_t len)
{
    for (int i = 0; i < QCC_DTYPE_COUNT; i++) {
        if ((int64_t)strlen(dtypes[i].name) != len) continue;
        if (memcmp(dtypes[i].name, name, (size_t)len) != 0) continue;
        *dtype = (QccDtype)i;
        return true;
    }
    return false;
}

int64_t qcc_dtype_size(QccDtype dtype, int64_t n)
{
    int bits = qcc_dtype_bits(dtype);
    return bits == 4 ? n / 2 + n % 2 : n * (bits / 8);
}

/* ---- interning ------------------------------------------------------------------------------ */

struct QccTypeTable {
    QccTable types, quants, symbols;
};

QccTypeTable *qcc_type_table_new(QccArena *arena)
{
    QccTypeTable *t = QCC_NEW(arena, QccTypeTable);
    qcc_table_init(&t->types, arena);
    qcc_table_init(&t->quants, arena);
    qcc_table_init(&t->symbols, arena);
    return t;
}

static uint64_t mix(uint64_t hash, uint64_t x)
{
    hash = (hash ^ x) * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 29);
}

const QccSymbol *qcc_symbol(QccIr *ir, const char *name, int64_t min, int64_t max)
{
    uint64_t hash = mix(mix(qcc_hash(0, name, strlen(name)), (uint64_t)min), (uint64_t)max);
    int64_t at = -1;
    for (QccSymbol *s; (s = qcc_table_next(&ir->types->symbols, hash, &at));) {
        if (s->min == min && s->max == max && !strcmp(s->name, name)) return s;
    }
    QccSymbol *s = QCC_NEW(ir->arena, QccSymbol);
    *s = (QccSymbol){.name = qcc_strdup(ir->arena, name), .min = min, .max = max};
    qcc_table_add(&ir->types->symbols, hash, s);
    return s;
}

static bool same_blob(const QccBlob *a, const QccBlob *b)
{
    if (a == b) return true;
    if (!a || !b) return false;
    return a->dtype == b->dtype && a->hash == b->hash && a->size == b->size &&
           !memcmp(a->data, b->data, (size_t)a->size);
}

static bool same_quant(const QccQuant *a, const QccQuant *b)
{
    return a->kind == b->kind && !memcmp(a->block, b->block, sizeof a->block) &&
           a->qmin == b->qmin && a->qmax == b->qmax && same_blob(a->scale, b->scale) &&
           same_blob(a->zero, b->zero);
}

/* Of a list of scales (f32) or zero points (i32). */
static int64_t entries(const QccBlob *blob)
{
    return blob->size / 4;
}

/* The context outlives the graphs whose blobs these are. */
static const QccBlob *keep_list(QccIr *ir, const QccBlob *blob)
{
    if (!blob) return NULL;
    int64_t n = entries(blob);
    return qcc_blob(ir->arena, blob->dtype, 1, &n, blob->data, true);
}

static const QccQuant *intern_quant(QccIr *ir, const QccQuant *q)
{
    if (!q) return NULL;
    uint64_t hash = mix(0, (uint64_t)q->kind);
    for (int i = 0; i < QCC_MAX_RANK; i++) hash = mix(hash, (uint64_t)q->block[i]);
    hash = mix(mix(hash, (uint64_t)q->qmin), (uint64_t)q->qmax);
    hash = mix(hash, q->scale ? q->scale->hash : 0);
    hash = mix(hash, q->zero ? q->zero->hash : 0);
    int64_t at = -1;
    for (QccQuant *old; (old = qcc_table_next(&ir->types->quants, hash, &at));) {
        if (old == q || same_quant(old, q)) return old;
    }
    QccQuant *kept = QCC_NEW(ir->arena, QccQuant);
    *kept = *q;
    kept->scale = keep_list(ir, q->scale);
    kept->zero = keep_list(ir, q->zero);
    qcc_table_add(&ir->types->quants, hash, kept);
    return kept;
}

/* One form for each meaning: symbols in the order of their names, none where the number is 0. */
static QccDim canonical(QccDim d)
{
    assert(d.n >= 0 && (d.sym[0] || !d.sym[1]));
    if (!d.n) return (QccDim){0};
    if (d.sym[1] && strcmp(d.sym[0]->name, d.sym[1]->name) > 0) {
        const QccSymbol *first = d.sym[1];
        d.sym[1] = d.sym[0];
        d.sym[0] = first;
    }
    return d;
}

bool qcc_dim_equal(const QccDim *a, const QccDim *b)
{
    if (a->n != b->n) return false;
    if (!a->n) return true;
    return (a->sym[0] == b->sym[0] && a->sym[1] == b->sym[1]) ||
           (a->sym[0] == b->sym[1] && a->sym[1] == b->sym[0]);
}

QccDim qcc_dim(int64_t n)
{
    return (QccDim){.n = n};
}

bool qcc_type_same_shape(const QccType *a, const QccType *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++) {
        if (!qcc_dim_equal(&a->dim[i], &b->dim[i])) return false;
    }
    return true;
}

static bool same_type(const QccType *a, const QccType *b)
{
    return a->dtype == b->dtype && a->quant == b->quant && qcc_type_same_shape(a, b);
}

const QccType *qcc_type(QccIr *ir, QccDtype dtype, int rank, const QccDim *dim,
                        const QccQuant *quant)
{
    assert(is_dtype(dtype) && rank >= 0 && rank <= QCC_MAX_RANK);
    QccType t = {.dtype = dtype, .rank = rank, .quant = intern_quant(ir, quant)};
    uint64_t hash = mix(mix(mix(0, (uint64_t)dtype), (uint64_t)rank), (uintptr_t)t.quant);
    for (int i = 0; i < rank; i++) {
        t.dim[i] = canonical(dim[i]);
        hash = mix(hash, (uint64_t)t.dim[i].n);
        hash = mix(hash, (uintptr_t)t.dim[i].sym[0]);
        hash = mix(hash, (uintptr_t)t.dim[i].sym[1]);
    }
    int64_t at = -1;
    for (QccType *old; (old = qcc_table_next(&ir->types->types, hash, &at));) {
        if (same_type(old, &t)) return old;
    }
    QccType *kept = QCC_NEW(ir->arena, QccType);
    *kept = t;
    qcc_table_add(&ir->types->types, hash, kept);
    return kept;
}

const QccType *qcc_type_shape(QccIr *ir, QccDtype dtype, int rank, const int64_t *dim)
{
    QccDim d[QCC_MAX_RANK];
    assert(rank >= 0 && rank <= QCC_MAX_RANK);
    for (int i = 0; i < rank; i++) d[i] = qcc_dim(dim[i]);
    return qcc_type(ir, dtype, rank, d, NULL);
}

const QccType *qcc_type_plain(QccIr *ir, const QccType *t, QccDtype dtype)
{
    return qcc_type(ir, dtype, t->rank, t->dim, NULL);
}

const QccType *qcc_type_real(QccIr *ir, const QccType *t)
{
    return t->quant ? qcc_type_plain(ir, t, QCC_F32) : t;
}

const QccType *qcc_type_quantized(QccIr *ir, const QccType *t, QccDtype dtype,
                                  const QccQuant *quant)
{
    return qcc_type(ir, dtype, t->rank, t->dim, quant);
}

/* ---- quantization --------------------------------------------------------------------------- */

const QccQuant *qcc_quant_tensor(QccIr *ir, QccDtype dtype, float scale, int32_t zero)
{
    int64_t lo, hi, one = 1;
    qcc_dtype_range(dtype, &lo, &hi);
    assert(lo >= INT32_MIN && hi <= INT32_MAX);
    QccBlob s = {.dtype = QCC_F32, .rank = 1, .dim = {one}, .data = &scale, .size = sizeof scale};
    QccBlob z = {.dtype = QCC_I32, .rank = 1, .dim = {one}, .data = &zero, .size = sizeof zero};
    s.hash = qcc_blob_hash(s.data, s.size);
    z.hash = qcc_blob_hash(z.data, z.size);
    QccQuant q = {.scale = &s, .zero = &z, .qmin = (int32_t)lo, .qmax = (int32_t)hi};
    return intern_quant(ir, &q);
}

const QccQuant *qcc_quant_axis(QccIr *ir, QccDtype dtype, int rank, int axis, int64_t n,
                               const float *scale, const int32_t *zero, int32_t qmin, int32_t qmax)
{
    assert(axis >= 0 && axis < rank && rank <= QCC_MAX_RANK);
    assert(!qcc_dtype_is_float(dtype));
    (void)dtype;
    (void)rank;
    QccArena *scratch = qcc_arena_sub(ir->arena);
    if (!zero) zero = QCC_NEW_ARRAY(scratch, n, int32_t);
    QccQuant q = {.qmin = qmin, .qmax = qmax};
    q.block[axis] = 1;
    q.scale = qcc_blob(scratch, QCC_F32, 1, &n, scale, false);
    q.zero = qcc_blob(scratch, QCC_I32, 1, &n, zero, false);
    const QccQuant *kept = intern_quant(ir, &q);
    qcc_arena_free(scratch);
    return kept;
}

bool qcc_quant_is_tensor(const QccQuant *q, float *scale, int32_t *zero)
{
    if (!q || q->kind != QCC_QUANT_STATIC || entries(q->scale) != 1) return false;
    if (scale) memcpy(scale, q->scale->data, sizeof *scale);
    if (zero) memcpy(zero, q->zero->data, sizeof *zero);
    return true;
}

int64_t qcc_quant_count(const QccQuant *q, int rank, const int64_t *dim)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++) {
        if (q->block[i]) n *= dim[i] / q->block[i];
    }
    return n;
}

int64_t qcc_quant_index(const QccQuant *q, int rank, const int64_t *dim, const int64_t *index)
{
    int64_t at = 0;
    for (int i = 0; i < rank; i++) {
        if (q->block[i]) at = at * (dim[i] / q->block[i]) + index[i] / q->block[i];
    }
    return at;
}

bool qcc_quant_fits(const QccQuant *q, int rank, const QccDim *dim)
{
    if (!q) return true;
    int64_t n = 1;
    for (int i = 0; i < QCC_MAX_RANK; i++) {
        if (!q->block[i]) continue;
        if (i >= rank || q->block[i] < 0 || dim[i].sym[0] || dim[i].n % q->block[i]) return false;
        if (!qcc_mul_i64(&n, n, dim[i].n / q->block[i])) return false;
    }
    if (q->kind == QCC_QUANT_DYNAMIC) return !q->scale && !q->zero;
    return q->scale && q->zero && q->scale->dtype == QCC_F32 && q->zero->dtype == QCC_I32 &&
           entries(q->scale) == n && entries(q->zero) == n;
}

/* ---- asking --------------------------------------------------------------------------------- */

bool qcc_type_extents(const QccType *t, int64_t *dim)
{
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i].sym[0]) return false;
        dim[i] = t->dim[i].n;
    }
    return true;
}

int64_t qcc_type_count(const QccType *t)
{
    int64_t n = 1;
    bool fits = true, empty = false;
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i].sym[0]) return -1;
        if (!t->dim[i].n) empty = true;
        fits = fits && qcc_mul_i64(&n, n, t->dim[i].n);
    }
    return empty ? 0 : fits ? n : -1;
}

int64_t qcc_type_bytes(const QccType *t)
{
    int64_t n = qcc_type_count(t);
    return n < 0 || n > INT64_MAX / 8 ? -1 : qcc_dtype_size(t->dtype, n);
}
