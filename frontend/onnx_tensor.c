/* onnx_tensor - TensorProto to blob: every element type, every way to store it. */
#include "frontend/extents.h"
#include "frontend/onnx.h"

#include <math.h>
#include <string.h>

typedef struct DtypeRow {
    const char *name; /* NULL: no such number */
    int dtype;        /* QccDtype; -1: does not exist here */
} DtypeRow;

/* By TensorProto.DataType; the numbers from 17 on are newer than some copies of onnx.proto. */
static const DtypeRow dtype_rows[] = {
    {NULL, -1},
    {"float", QCC_F32},
    {"uint8", QCC_U8},
    {"int8", QCC_I8},
    {"uint16", QCC_U16},
    {"int16", QCC_I16},
    {"int32", QCC_I32},
    {"int64", QCC_I64},
    {"string", -1},
    {"bool", QCC_BOOL},
    {"float16", QCC_F16},
    {"double", QCC_F64},
    {"uint32", QCC_U32},
    {"uint64", QCC_U64},
    {"complex64", -1},
    {"complex128", -1},
    {"bfloat16", QCC_BF16},
    {"float8e4m3fn", QCC_F8E4M3FN},
    {"float8e4m3fnuz", QCC_F8E4M3FNUZ},
    {"float8e5m2", QCC_F8E5M2},
    {"float8e5m2fnuz", QCC_F8E5M2FNUZ},
    {"uint4", QCC_U4},
    {"int4", QCC_I4},
    {"float4e2m1", QCC_F4E2M1},
    {"float8e8m0", -1},
    {"uint2", -1},
    {"int2", -1},
};
enum { DTYPE_COUNT = sizeof dtype_rows / sizeof dtype_rows[0] };

const char *qcc_onnx_dtype_name(QccArena *arena, int64_t number)
{
    if (number > 0 && number < DTYPE_COUNT) return dtype_rows[number].name;
    return qcc_sprintf(arena, "number %lld", (long long)number);
}

bool qcc_onnx_dtype(QccDtype *out, int64_t number)
{
    if (number <= 0 || number >= DTYPE_COUNT || dtype_rows[number].dtype < 0) return false;
    *out = (QccDtype)dtype_rows[number].dtype;
    return true;
}

static QccStatus check_dims(const QccOnnxTensorReader *r, const Onnx__TensorProto *t,
                            const char *what, QccDtype dtype, int64_t *count)
{
    if (t->n_dims > QCC_MAX_RANK) {
        return qcc_fail(r->d, QCC_ERROR_UNSUPPORTED, r->loc, "%s has %zu dimensions, at most %d",
                        what, t->n_dims, QCC_MAX_RANK);
    }
    int64_t bytes;
    if (!qcc_extents_count(count, &bytes, dtype, (int)t->n_dims, t->dims)) {
        return qcc_error(r->d, r->loc, "the extents of %s are negative or too large", what);
    }
    return QCC_OK;
}

static QccStatus wrong_length(const QccOnnxTensorReader *r, const char *what, size_t found,
                              int64_t wanted, const char *unit)
{
    return qcc_error(r->d, r->loc, "%s has %zu %s of data, its shape wants %lld", what, found, unit,
                     (long long)wanted);
}

static bool is_external(const Onnx__TensorProto *t)
{
    return t->has_data_location && t->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT;
}

static QccStatus find_raw(QccWireSpan *out, const QccOnnxTensorReader *r,
                          const Onnx__TensorProto *t, const char *what)
{
    uint32_t number = 0;
    if (t->raw_data.len == sizeof number) memcpy(&number, t->raw_data.data, sizeof number);
    if (t->raw_data.len != sizeof number || number >= (uint64_t)r->wire->nspan) {
        return qcc_error(r->d, r->loc, "%s has no raw data", what);
    }
    *out = r->wire->span[number];
    return QCC_OK;
}

/* Raw data: little-endian, dense; used in place where it is aligned. */
static QccStatus from_raw(const void **data, bool *owned, QccOnnxTensorReader *r,
                          const Onnx__TensorProto *t, const char *what, QccDtype dtype,
                          int64_t count)
{
    QccWireSpan span;
    int64_t size = qcc_dtype_size(dtype, count);
    if (is_external(t)) {
        QCC_TRY(qcc_onnx_external(&span, r, t, what, size));
    } else {
        QCC_TRY(find_raw(&span, r, t, what));
    }
    if (span.size != size) return wrong_length(r, what, (size_t)span.size, size, "bytes");
    *data = span.data;
    if ((uintptr_t)span.data % (uintptr_t)qcc_dtype_size(dtype, 1)) {
        void *copy = qcc_alloc_aligned(r->arena, (size_t)size, 64);
        memcpy(copy, span.data, (size_t)size);
        *data = copy;
        *owned = true;
    }
    return QCC_OK;
}

static bool is_nibble(QccDtype dtype)
{
    return qcc_dtype_bits(dtype) < 8;
}

/* int32_data carries every integer of up to 32 bits, the bits of f16, bf16 and 8-bit floats, and
 * bytes of two nibbles, the first one low. */
static QccStatus from_int32(void *data, const QccOnnxTensorReader *r, const Onnx__TensorProto *t,
                            const char *what, QccDtype dtype)
{
    int64_t min = dtype == QCC_I4 ? INT8_MIN : 0; /* some writers give such a byte a sign */
    int64_t max = qcc_dtype_bits(dtype) <= 8 ? UINT8_MAX : UINT16_MAX;
    if (!qcc_dtype_is_float(dtype) && !is_nibble(dtype)) qcc_dtype_range(dtype, &min, &max);
    int64_t bytes = qcc_dtype_size(dtype, 1);
    for (size_t i = 0; i < t->n_int32_data; i++) {
        int32_t v = t->int32_data[i];
        if (v < min || v > max) {
            return qcc_error(r->d, r->loc, "element %zu of %s is %d, out of range of %s", i, what,
                             v, qcc_dtype_name(dtype));
        }
        memcpy((char *)data + i * (size_t)bytes, &v, (size_t)bytes); /* little-endian */
    }
    return QCC_OK;
}

static QccStatus from_typed(const void **out, const QccOnnxTensorReader *r,
                            const Onnx__TensorProto *t, const char *what, QccDtype dtype,
                            int64_t count)
{
    size_t found = t->n_int32_data;
    const void *source = t->int32_data;
    switch (dtype) {
    case QCC_F32: found = t->n_float_data, source = t->float_data; break;
    case QCC_F64: found = t->n_double_data, source = t->double_data; break;
    case QCC_I64: found = t->n_int64_data, source = t->int64_data; break;
    case QCC_U64:
    case QCC_U32: found = t->n_uint64_data, source = t->uint64_data; break;
    default: break;
    }
    int64_t wanted = is_nibble(dtype) ? qcc_dtype_size(dtype, count) : count;
    if (found != (uint64_t)wanted) return wrong_length(r, what, found, wanted, "elements");
    size_t size = (size_t)qcc_dtype_size(dtype, count);
    void *data = qcc_alloc_aligned(r->arena, size ? size : 1, 64);
    *out = data;
    if (dtype == QCC_U32) {
        for (size_t i = 0; i < found; i++) {
            if (t->uint64_data[i] > UINT32_MAX) {
                return qcc_error(r->d, r->loc, "element %zu of %s is out of range of u32", i, what);
            }
            ((uint32_t *)data)[i] = (uint32_t)t->uint64_data[i];
        }
    } else if (source == t->int32_data) {
        return from_int32(data, r, t, what, dtype);
    } else if (found) {
        memcpy(data, source, size);
    }
    return QCC_OK;
}

static bool is_denormal(float x)
{
    return fpclassify(x) == FP_SUBNORMAL;
}

/* Results that would be denormal are 0 everywhere in qcc, so constants are as well. */
static const void *flush_denormals(QccOnnxTensorReader *r, const void *data, bool owned,
                                   int64_t count)
{
    const float *x = data;
    int64_t first = 0;
    while (first < count && !is_denormal(x[first])) first++;
    if (first == count) return data;
    float *y = owned ? (float *)(uintptr_t)x : NULL;
    if (!y) {
        y = qcc_alloc_aligned(r->arena, (size_t)count * sizeof *y, 64);
        memcpy(y, x, (size_t)count * sizeof *y);
    }
    for (int64_t i = first; i < count; i++) {
        if (!is_denormal(y[i])) continue;
        y[i] = 0;
        r->denormals++;
    }
    return y;
}

static QccStatus read_tensor(const QccBlob **out, QccOnnxTensorReader *r,
                             const Onnx__TensorProto *t, const char *what)
{
    QccDtype dtype;
    if (!qcc_onnx_dtype(&dtype, t->data_type)) {
        return qcc_fail(r->d, QCC_ERROR_UNSUPPORTED, r->loc, "%s has element type %s", what,
                        qcc_onnx_dtype_name(r->scratch, t->data_type));
    }
    if (t->segment) {
        return qcc_fail(r->d, QCC_ERROR_UNSUPPORTED, r->loc, "%s is stored in segments", what);
    }
    int64_t count;
    QCC_TRY(check_dims(r, t, what, dtype, &count));
    const void *data = NULL;
    bool raw = t->has_raw_data || is_external(t), owned = !raw;
    if (raw) {
        QCC_TRY(from_raw(&data, &owned, r, t, what, dtype, count));
    } else {
        QCC_TRY(from_typed(&data, r, t, what, dtype, count));
    }
    for (int64_t i = 0; dtype == QCC_BOOL && i < count; i++) {
        if (((const uint8_t *)data)[i] > 1) {
            return qcc_error(r->d, r->loc, "element %lld of %s is no bool", (long long)i, what);
        }
    }
    if (dtype == QCC_F32) data = flush_denormals(r, data, owned, count);
    *out = qcc_blob(r->arena, dtype, (int)t->n_dims, t->dims, data, false);
    return QCC_OK;
}

/* What stands in a function is read once, however often it is called. */
typedef struct Read {
    const void *from;
    const QccBlob *blob;
} Read;

static Read *find_read(QccOnnxTensorReader *r, const void *from)
{
    int64_t at = -1;
    uint64_t hash = qcc_hash(0, &from, sizeof(const void *));
    Read *read;
    while ((read = qcc_table_next(&r->read, hash, &at)))
        if (read->from == from) return read;
    read = QCC_NEW(r->scratch, Read);
    read->from = from;
    qcc_table_add(&r->read, hash, read);
    return read;
}

QccStatus qcc_onnx_tensor(const QccBlob **out, QccOnnxTensorReader *r, const Onnx__TensorProto *t,
                          const char *what)
{
    Read *read = find_read(r, t);
    if (!read->blob) QCC_TRY(read_tensor(&read->blob, r, t, what));
    *out = read->blob;
    return QCC_OK;
}

const QccBlob *qcc_onnx_list(QccOnnxTensorReader *r, QccDtype dtype, size_t n, const void *values)
{
    int64_t count = (int64_t)n;
    if (!n) return qcc_blob(r->arena, dtype, 1, &count, values, true); /* they are all at NULL */
    Read *read = find_read(r, values);
    if (!read->blob) read->blob = qcc_blob(r->arena, dtype, 1, &count, values, true);
    return read->blob;
}

static void *pb_alloc(void *arena, size_t size)
{
    return qcc_alloc(arena, size);
}

static void pb_free(void *arena, void *pointer)
{
    (void)arena, (void)pointer; /* all at once, with the arena */
}

QccStatus qcc_onnx_read_tensor(const QccBlob **out, const char **name, QccIr *ir, QccArena *arena,
                               const char *file, const void *bytes, int64_t size)
{
    QccWire wire;
    QccLoc loc = {.file = file};
    QCC_TRY(qcc_wire_reduce(&wire, arena, &ir->diags, file, QCC_WIRE_TENSOR, bytes, size));
    ProtobufCAllocator allocator = {.alloc = pb_alloc, .free = pb_free, .allocator_data = arena};
    const Onnx__TensorProto *t = onnx__tensor_proto__unpack(&allocator, (size_t)wire.reduced.len,
                                                            (const uint8_t *)wire.reduced.data);
    if (!t) return qcc_error(&ir->diags, loc, "is not a TensorProto");
    QccOnnxTensorReader r = {
        .arena = arena, .scratch = arena, .wire = &wire, .d = &ir->diags, .loc = loc};
    qcc_table_init(&r.read, arena);
    qcc_table_init(&r.files, arena);
    *name = t->name ? t->name : "";
    return qcc_onnx_tensor(out, &r, t, "the tensor");
}
