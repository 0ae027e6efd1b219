/* common - what the ops' files share: operand types, axes, extents, windows, copies, samples. */
#include "ir/ops/common.h"

#include <string.h>

#include "ir/elements.h"

/* ---- operands ------------------------------------------------------------------------------ */

bool qcc_op_has(const QccOp *op, int i)
{
    return i < op->nin && op->in[i].value;
}

const QccType *qcc_op_real(const QccOp *op, int i)
{
    return qcc_type_real(op->graph->ir, op->in[i].value->type);
}

const char *qcc_op_type_text(const QccOp *op, int i)
{
    if (!qcc_op_has(op, i)) return "nothing";
    QccBuf buf;
    qcc_buf_init(&buf, op->graph->arena);
    qcc_type_print(&buf, op->in[i].value->type);
    return buf.data;
}

QccStatus qcc_op_need_f32(const QccOp *op, int first, int last)
{
    for (int i = first; i <= last; i++) {
        if (!qcc_op_has(op, i))
            return qcc_op_error(op, "'%s' needs operand %d", op->def->name, i + 1);
        if (qcc_op_real(op, i)->dtype != QCC_F32)
            return qcc_op_error(op, "'%s' computes in f32; operand %d is %s", op->def->name, i + 1,
                                qcc_op_type_text(op, i));
    }
    return QCC_OK;
}

QccStatus qcc_op_need_real(const QccOp *op, int first, int last)
{
    if (!qcc_op_has(op, first) || qcc_op_real(op, first)->dtype != QCC_F64)
        return qcc_op_need_f32(op, first, last);
    for (int i = first; i <= last; i++) {
        if (!qcc_op_has(op, i) || qcc_op_real(op, i)->dtype != QCC_F64)
            return qcc_op_error(op, "'%s' computes in f64; operand %d is %s", op->def->name, i + 1,
                                qcc_op_has(op, i) ? qcc_op_type_text(op, i) : "absent");
    }
    return QCC_OK;
}

QccStatus qcc_op_need_ints(const QccOp *op, const char *name, const QccInts *v, int n)
{
    if (v->n == n) return QCC_OK;
    return qcc_op_error(op, "'%s' needs %d entries in %s; it has %d", op->def->name, n, name, v->n);
}

QccStatus qcc_op_axis(const QccOp *op, int64_t *axis, int rank)
{
    if (*axis < -rank || *axis >= rank)
        return qcc_op_error(op, "'%s' needs an axis in [%d, %d); it is %lld", op->def->name, -rank,
                            rank, (long long)*axis);
    if (*axis < 0) *axis += rank;
    return QCC_OK;
}

QccStatus qcc_op_extent(const QccOp *op, int i, int d, int64_t *extent)
{
    const QccDim *dim = &op->in[i].value->type->dim[d];
    *extent = dim->n;
    if (!dim->sym[0]) return QCC_OK;
    qcc_op_error(op, "'%s' needs a number as extent of dimension %d; operand %d is %s",
                 op->def->name, d, i + 1, qcc_op_type_text(op, i));
    qcc_note(&op->graph->ir->diags, op->loc, "--shape fixes what is symbolic");
    return QCC_ERROR_INPUT;
}

bool qcc_op_quantized(const QccOp *op, int i)
{
    const QccQuant *q = qcc_op_has(op, i) ? op->in[i].value->type->quant : NULL;
    return q && q->kind == QCC_QUANT_STATIC;
}

QccStatus qcc_op_tensor_quant(const QccOp *op, int i, float *scale, int32_t *zero)
{
    if (qcc_op_quantized(op, i) && qcc_quant_is_tensor(op->in[i].value->type->quant, scale, zero))
        return QCC_OK;
    return qcc_op_error(op, "'%s' needs one scale and zero point for operand %d; it is %s",
                        op->def->name, i + 1, qcc_op_type_text(op, i));
}

int32_t qcc_load_integer(const QccTensor *t, int64_t i)
{
    const uint8_t *bytes = t->data;
    int nibble = 0;
    switch (t->type->dtype) {
    case QCC_I8: return ((const int8_t *)t->data)[i];
    case QCC_U8: return bytes[i];
    case QCC_I16: return ((const int16_t *)t->data)[i];
    case QCC_U16: return ((const uint16_t *)t->data)[i];
    case QCC_I32: return ((const int32_t *)t->data)[i];
    default: nibble = (bytes[i / 2] >> (i % 2 * 4)) & 15;
    }
    return t->type->dtype == QCC_I4 ? (nibble ^ 8) - 8 : nibble;
}

QccStatus qcc_unit_scale(const QccOp *op, int64_t n, QccArena *arena, QccUnit *unit)
{
    float scale = 1;
    QCC_TRY(qcc_op_tensor_quant(op, 0, &scale, NULL));
    unit->rank = op->out[0].type->rank;
    for (int i = 0; i < unit->rank; i++) unit->dim[i] = 1;
    unit->value = QCC_NEW(arena, double);
    *unit->value = (double)scale / (double)n;
    return QCC_OK;
}

QccStatus qcc_lower_correct_zero(const QccOp *op, QccKernelList *list, QccLoweredKernel *k,
                                 int64_t n)
{
    int32_t zero = 0;
    if (!op->in[0].value->type->quant) return QCC_OK;
    QCC_TRY(qcc_op_tensor_quant(op, 0, NULL, &zero));
    int32_t *correction = QCC_NEW(list->arena, int32_t);
    *correction = (int32_t)(-zero * n);
    k->correction = correction;
    return QCC_OK;
}

typedef bool Accepts(QccDtype dtype);

static bool is_number(QccDtype dtype)
{
    return dtype != QCC_BOOL;
}

static bool is_bits(QccDtype dtype)
{
    return !qcc_dtype_is_float(dtype);
}

static bool is_integer(QccDtype dtype)
{
    return is_bits(dtype) && is_number(dtype);
}

static QccStatus infer_of(QccOp *op, const QccType **result, Accepts *accepts, const char *what)
{
    QCC_TRY(qcc_infer_map(op, result));
    if (accepts((*result)->dtype)) return QCC_OK;
    return qcc_op_error(op, "'%s' computes over %s; x is %s", op->def->name, what,
                        qcc_op_type_text(op, 0));
}

QccStatus qcc_infer_function(QccOp *op, const QccType **result)
{
    return infer_of(op, result, qcc_dtype_is_float, "floats");
}

QccStatus qcc_infer_number(QccOp *op, const QccType **result)
{
    return infer_of(op, result, is_number, "numbers");
}

QccStatus qcc_infer_integer(QccOp *op, const QccType **result)
{
    return infer_of(op, result, is_integer, "integers");
}

QccStatus qcc_infer_bits(QccOp *op, const QccType **result)
{
    return infer_of(op, result, is_bits, "integers and bool");
}

QccStatus qcc_infer_compare(QccOp *op, const QccType **result)
{
    QCC_TRY(qcc_infer_map(op, result));
    *result = qcc_type_plain(op->graph->ir, *result, QCC_BOOL);
    return QCC_OK;
}

/* ---- attributes that move with a permutation ------------------------------------------------- */

int qcc_permute_axis(int64_t axis, const int *perm, int rank)
{
    int i = 0;
    while (i < rank && perm[i] != axis) i++;
    return i;
}

void qcc_permute_ints(QccInts *v, const int *perm, int rank)
{
    QccInts old = *v;
    for (int i = 0; i < rank; i++) v->v[i] = old.v[perm[i]];
}

bool qcc_permute_keeps_tail(int64_t axis, const int *perm, int rank)
{
    for (int i = 0; i < rank; i++) {
        if ((i >= axis) != (perm[i] >= axis)) return false;
    }
    return true;
}

bool qcc_permute_axis_attr(QccOp *op, const int *perm, int rank)
{
    QccAxisAttrs *a = op->attrs;
    a->axis = qcc_permute_axis(a->axis, perm, rank);
    return true;
}

/* ---- windows -------------------------------------------------------------------------------- */

/* Taps that a dilated kernel spans; 0 on overflow. */
static int64_t span_of(int64_t kernel, int64_t dilation)
{
    int64_t span;
    if (!qcc_mul_i64(&span, kernel - 1, dilation) || !qcc_add_i64(&span, span, 1)) return 0;
    return span;
}

int64_t qcc_window_extent(int64_t in, int64_t kernel, int64_t stride, int64_t dilation,
                          int64_t before, int64_t after, bool ceil)
{
    int64_t span = span_of(kernel, dilation), padded;
    if (kernel < 1 || stride < 1 || dilation < 1 || span < 1) return -1;
    if (!qcc_add_i64(&padded, in, before) || !qcc_add_i64(&padded, padded, after)) return -1;
    if (span > padded) return -1;
    int64_t out = (padded - span) / stride + 1;
    if (!ceil || (padded - span) % stride == 0) return out;
    /* one more window, unless it would begin behind what exists */
    return out * stride < in + before ? out + 1 : out;
}

QccStatus qcc_infer_window(const QccOp *op, int d, int64_t kernel, int64_t stride, int64_t dilation,
                           int64_t before, int64_t after, bool ceil, QccDim *out)
{
    const QccDim *in = &op->in[0].value->type->dim[d];
    if (in->sym[0] && stride == 1 && before + after + 1 == span_of(kernel, dilation)) {
        *out = *in;
        return QCC_OK;
    }
    int64_t extent;
    QCC_TRY(qcc_op_extent(op, 0, d, &extent));
    int64_t n = qcc_window_extent(extent, kernel, stride, dilation, before, after, ceil);
    if (n < 0)
        return qcc_op_error(op,
                            "'%s' needs a window that fits into dimension %d; a kernel of %lld "
                            "with dilation %lld does not fit into %lld + %lld + %lld",
                            op->def->name, d, (long long)kernel, (long long)dilation,
                            (long long)before, (long long)extent, (long long)after);
    *out = qcc_dim(n);
    return QCC_OK;
}

/* ---- raw elements -----------------------------------------------------------------------------
 */

void qcc_dense_strides(int rank, const int64_t *dim, int64_t *stride)
{
    int64_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= dim[i];
    }
}

void qcc_copy_strided(int rank, const int64_t *extent, size_t size, void *dst,
                      const int64_t *dst_stride, const void *src, const int64_t *src_stride)
{
    if (rank == 0) {
        memcpy(dst, src, size);
        return;
    }
    if (rank == 1 && dst_stride[0] == 1 && src_stride[0] == 1) {
        memcpy(dst, src, (size_t)extent[0] * size);
        return;
    }
    char *to = dst;
    const char *from = src;
    for (int64_t i = 0; i < extent[0]; i++) {
        qcc_copy_strided(rank - 1, extent + 1, size, to, dst_stride + 1, from, src_stride + 1);
        to += dst_stride[0] * (int64_t)size;
        from += src_stride[0] * (int64_t)size;
    }
}

QccStatus qcc_op_need_bytes(const QccOp *op, int i)
{
    if (!qcc_op_has(op, i)) return qcc_op_error(op, "'%s' needs operand %d", op->def->name, i + 1);
    if (qcc_dtype_bits(op->in[i].value->type->dtype) >= 8) return QCC_OK;
    return qcc_op_error(op, "'%s' moves whole bytes; operand %d is %s", op->def->name, i + 1,
                        qcc_op_type_text(op, i));
}

static int64_t to_integer(double x, QccDtype dtype)
{
    int64_t min, max;
    qcc_dtype_range(dtype, &min, &max);
    if (!(x > (double)min)) return min;
    return x < (double)max ? (int64_t)x : max;
}

void qcc_element_of(const QccType *type, double real, void *out)
{
    int64_t i;
    float scale = 1;
    int32_t zero = 0;
    memset(out, 0, 8);
    if (type->quant && qcc_quant_is_tensor(type->quant, &scale, &zero)) {
        i = qcc_quantize_f32((float)real, scale, zero, type->quant->qmin, type->quant->qmax);
    } else {
        float f = (float)real;
        if (type->dtype == QCC_F64) {
            memcpy(out, &real, sizeof real);
            return;
        }
        if (qcc_dtype_is_float(type->dtype)) {
            qcc_narrow(out, type->dtype, 0, &f, 1);
            return;
        }
        i = to_integer(real, type->dtype);
    }
    switch (qcc_dtype_bits(type->dtype)) { /* by value, so that it is right on any byte order */
    case 8: *(uint8_t *)out = (uint8_t)i; break;
    case 16: memcpy(out, &(uint16_t){(uint16_t)i}, 2); break;
    case 32: memcpy(out, &(uint32_t){(uint32_t)i}, 4); break;
    default: memcpy(out, &i, 8);
    }
}

QccDtype qcc_moved_as(QccDtype type)
{
    switch (qcc_dtype_bits(type)) {
    case 8: return QCC_U8;
    case 16: return QCC_U16;
    case 32: return type == QCC_F32 ? QCC_F32 : QCC_I32;
    default: return type == QCC_F64 ? QCC_F64 : QCC_I64;
    }
}

QccLoweredKernel *qcc_lower_move(const QccOp *op, QccKernelList *list, const int64_t *extent,
                                 const int64_t *stride, const int64_t *to)
{
    const QccType *type = op->out[0].type;
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, type->rank, extent);
    qcc_lower_result(k, qcc_moved_as(type->dtype), stride, to);
    return k;
}

bool qcc_lower_copy(const QccOp *op, QccKernelList *list, int operand, const int64_t *extent,
                    const int64_t *to, const int64_t *src_stride, const int64_t *from)
{
    return qcc_lower_copy_steps(op, list, operand, extent, list->result->pitch, to, src_stride,
                                from);
}

bool qcc_lower_copy_steps(const QccOp *op, QccKernelList *list, int operand, const int64_t *extent,
                          const int64_t *to_stride, const int64_t *to, const int64_t *src_stride,
                          const int64_t *from)
{
    const QccType *in = op->in[operand].value->type, *out = op->out[0].type;
    if (in->dtype != out->dtype || in->quant != out->quant || qcc_dtype_bits(in->dtype) < 8)
        return false;
    QccLoweredKernel *k = qcc_lower_move(op, list, extent, to_stride, to);
    int arg = qcc_lower_operand(k, operand, qcc_moved_as(in->dtype), src_stride, from);
    QccExpr *e = qcc_lower_expr(list);
    e->result = qcc_lower_arg_node(e, k, arg);
    k->kernel->epilogue = e;
    return true;
}

bool qcc_lower_fill(const QccOp *op, QccKernelList *list, const int64_t *extent, const int64_t *to,
                    double real)
{
    const QccType *type = op->out[0].type;
    if (qcc_dtype_bits(type->dtype) < 8) return false;
    char element[8];
    qcc_element_of(type, real, element);
    QccLoweredKernel *k = qcc_lower_move(op, list, extent, list->result->pitch, to);
    QccBlob *blob = qcc_blob(list->arena, qcc_moved_as(type->dtype), 0, NULL, element, true);
    int arg = qcc_lower_const_arg(k, blob, NULL);
    QccExpr *e = qcc_lower_expr(list);
    e->result = qcc_lower_arg_node(e, k, arg);
    k->kernel->epilogue = e;
    return true;
}

/* ---- samples ----------------------------------------------------------------------------------
 */

const QccType *qcc_sample_shape(QccSample *s, int rank, const int64_t *dim)
{
    return qcc_type_shape(s->graph->ir, QCC_F32, rank, dim);
}

const QccType *qcc_sample_type(QccSample *s, int lo, int hi)
{
    int rank = (int)qcc_random_range(s->random, lo, hi);
    int64_t dim[QCC_MAX_RANK];
    for (int i = 0; i < rank; i++) dim[i] = qcc_random_range(s->random, 1, 7);
    if (rank > 0 && qcc_random_bool(s->random)) dim[rank - 1] = qcc_random_range(s->random, 1, 40);
    return qcc_sample_shape(s, rank, dim);
}

QccDtype qcc_sample_dtype(QccSample *s, uint32_t dtypes)
{
    bool f32 = dtypes >> QCC_F32 & 1;
    if (!dtypes || (f32 && qcc_random_bool(s->random))) return QCC_F32;
    for (;;) {
        int dtype = (int)qcc_random_range(s->random, 0, QCC_DTYPE_COUNT - 1);
        if (dtypes >> dtype & 1) return dtype;
    }
}

/* Chooses an element type; one that is not f32 is not for quantization. */
static const QccType *typed(QccSample *s, const QccType *type, QccDtype dtype)
{
    if (dtype != QCC_F32) s->quantizable = false;
    return qcc_type_plain(s->graph->ir, type, dtype);
}

void qcc_sample_unary_of(QccSample *s, const QccOpDef *def, const void *attrs, uint32_t dtypes)
{
    QccDtype dtype = qcc_sample_dtype(s, dtypes);
    QccValue *x = qcc_sample_param(s, typed(s, qcc_sample_type(s, 0, 4), dtype));
    qcc_sample_op(s, def, &x, 1, attrs);
}

void qcc_sample_unary(QccSample *s, const QccOpDef *def, const void *attrs)
{
    qcc_sample_unary_of(s, def, attrs, 0);
}

/* A type that broadcasts to `type`: trailing dimensions of it, some of them 1. */
static const QccType *broadcast_type(QccSample *s, const QccType *type)
{
    int64_t dim[QCC_MAX_RANK];
    qcc_type_extents(type, dim);
    int skip = (int)qcc_random_range(s->random, 0, type->rank);
    for (int i = skip; i < type->rank; i++) {
        if (qcc_random_range(s->random, 0, 3) == 0) dim[i] = 1;
    }
    return qcc_sample_shape(s, type->rank - skip, dim + skip);
}

void qcc_sample_binary_of(QccSample *s, const QccOpDef *def, const void *attrs, uint32_t dtypes)
{
    QccDtype dtype = qcc_sample_dtype(s, dtypes);
    const QccType *type = qcc_sample_type(s, 0, 4), *other = type;
    if (qcc_random_bool(s->random)) other = broadcast_type(s, type);
    type = typed(s, type, dtype);
    other = typed(s, other, dtype);
    QccValue *in[2] = {qcc_sample_param(s, type), NULL};
    bool constant = qcc_random_range(s->random, 0, 3) == 0;
    in[1] = constant ? qcc_sample_const(s, other) : qcc_sample_param(s, other);
    if (qcc_random_bool(s->random)) { /* the smaller operand may come first, too */
        QccValue *first = in[0];
        in[0] = in[1];
        in[1] = first;
    }
    qcc_sample_op(s, def, in, 2, attrs);
}

void qcc_sample_binary(QccSample *s, const QccOpDef *def)
{
    qcc_sample_binary_of(s, def, NULL, 0);
}
