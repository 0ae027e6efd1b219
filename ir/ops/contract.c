/* contract - what conv2d, fc and matmul share: sums of products in f32 and in exact integers. */
#include "ir/ops/contract.h"

#include <math.h>
#include <string.h>

/* ---- meaning ----------------------------------------------------------------------------------
 */

/* q - zero of every element. */
static const QccNumber *centered(const QccTensor *t, QccArena *arena)
{
    const QccQuant *q = t->type->quant;
    QccNumber *out = QCC_NEW_ARRAY(arena, t->count, QccNumber);
    int64_t index[QCC_MAX_RANK] = {0};
    for (int64_t i = 0; i < t->count; i++) {
        const int32_t *zero = q->zero->data;
        int64_t at = qcc_quant_index(q, t->type->rank, t->dim, index);
        out[i].i = qcc_load_integer(t, i) - zero[at];
        for (int d = t->type->rank - 1; d >= 0 && ++index[d] == t->dim[d]; d--) index[d] = 0;
    }
    return out;
}

bool qcc_product_is_integer(const QccOp *op)
{
    return qcc_op_quantized(op, 0) && qcc_op_quantized(op, 1);
}

QccStatus qcc_product_init(QccProduct *p, const QccOp *op, const QccTensor *in,
                           const QccTensor *result, bool has_bias, QccArena *arena)
{
    *p = (QccProduct){.y = result->data};
    p->integer = in[0].type->quant && in[1].type->quant;
    if (p->integer) {
        p->x = centered(&in[0], arena);
        p->w = centered(&in[1], arena);
    } else {
        p->x = in[0].data;
        p->w = in[1].data;
    }
    if (!has_bias) return QCC_OK;
    if (in[2].type->dtype != (p->integer ? QCC_I32 : QCC_F32))
        return qcc_op_error(op, "'%s' needs a bias of i32 over quantized operands; it is %s",
                            op->def->name, qcc_op_type_text(op, 2));
    p->bias = in[2].data;
    return QCC_OK;
}

/* acc[o] += x[o * step] * w[o], step 0 or 1. The same source, compiled for processors with and
 * without fma: one instruction, or a slow call of the C library with the same result. */
static inline __attribute__((always_inline)) void fma_row(QccNumber *restrict acc,
                                                          const QccNumber *restrict x, int step,
                                                          const QccNumber *restrict w, int64_t n)
{
    for (int64_t o = 0; o < n; o++) acc[o].f = fmaf(x[o * step].f, w[o].f, acc[o].f);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void
fma_row_avx2(QccNumber *acc, const QccNumber *x, int step, const QccNumber *w, int64_t n)
{
    if (step)
        fma_row(acc, x, 1, w, n);
    else
        fma_row(acc, x, 0, w, n);
}
#endif

static void multiply_add(bool integer, QccNumber *acc, const QccNumber *x, int step,
                         const QccNumber *w, int64_t n)
{
    if (integer) { /* unsigned: wraps */
        for (int64_t o = 0; o < n; o++)
            acc[o].i = (int32_t)((uint32_t)acc[o].i + (uint32_t)x[o * step].i * (uint32_t)w[o].i);
        return;
    }
#if defined(__x86_64__)
    if (__builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2")) {
        fma_row_avx2(acc, x, step, w, n);
        return;
    }
#endif
    fma_row(acc, x, step, w, n);
}

void qcc_product_step(bool integer, QccNumber *acc, QccNumber x, const QccNumber *w, int64_t n)
{
    multiply_add(integer, acc, &x, 0, w, n);
}

void qcc_product_pairs(bool integer, QccNumber *acc, const QccNumber *x, const QccNumber *w,
                       int64_t n)
{
    multiply_add(integer, acc, x, 1, w, n);
}

void qcc_product_bias(bool integer, QccNumber *acc, const QccNumber *bias, int64_t n)
{
    for (int64_t o = 0; o < n; o++) {
        if (integer)
            acc[o].i = (int32_t)((uint32_t)acc[o].i + (uint32_t)bias[o].i);
        else
            acc[o].f += bias[o].f;
    }
}

const QccNumber *qcc_product_transpose(const QccNumber *w, int64_t rows, int64_t cols,
                                       QccArena *arena)
{
    QccNumber *out = QCC_NEW_ARRAY(arena, rows * cols, QccNumber);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < cols; c++) out[c * rows + r] = w[r * cols + c];
    }
    return out;
}

QccStatus qcc_product_need_bytes(const QccOp *op)
{
    for (int i = 0; i < op->nin; i++) {
        if (!qcc_op_has(op, i) && i >= 2) continue;
        if (!qcc_op_has(op, i))
            return qcc_op_error(op, "'%s' needs operand %d", op->def->name, i + 1);
        const QccType *t = op->in[i].value->type, *of = op->in[i % 2].value->type;
        bool fits = (t->dtype == QCC_U8 || t->dtype == QCC_I8) && !t->quant &&
                    t->dtype == of->dtype && t->rank <= of->rank;
        for (int d = 0; fits && d < t->rank; d++) {
            const QccDim *own = &t->dim[d], *whole = &of->dim[of->rank - t->rank + d];
            fits = qcc_dim_equal(own, whole) || (i >= 2 && own->n == 1 && !own->sym[0]);
        }
        if (!fits)
            return qcc_op_error(op,
                                "'%s' needs u8 or i8 and zero points that broadcast to them; "
                                "operand %d is %s",
                                op->def->name, i + 1, qcc_op_type_text(op, i));
    }
    return QCC_OK;
}

/* Operand i minus its zero point. */
static const QccNumber *without_zero(const QccOp *op, const QccTensor *in, int i, QccArena *arena)
{
    const QccTensor *t = &in[i], *zero = qcc_op_has(op, 2 + i) ? &in[2 + i] : NULL;
    QccNumber *out = QCC_NEW_ARRAY(arena, t->count, QccNumber);
    int64_t index[QCC_MAX_RANK] = {0}, stride[QCC_MAX_RANK] = {0}, dense[QCC_MAX_RANK];
    int rank = t->type->rank;
    if (zero) {
        int skip = rank - zero->type->rank;
        qcc_dense_strides(zero->type->rank, zero->dim, dense);
        for (int d = skip; d < rank; d++) stride[d] = zero->dim[d - skip] > 1 ? dense[d - skip] : 0;
    }
    for (int64_t at = 0; at < t->count; at++) {
        int64_t from = 0;
        for (int d = 0; d < rank; d++) from += index[d] * stride[d];
        out[at].i = qcc_load_integer(t, at) - (zero ? qcc_load_integer(zero, from) : 0);
        for (int d = rank - 1; d >= 0 && ++index[d] == t->dim[d]; d--) index[d] = 0;
    }
    return out;
}

void qcc_product_bytes(QccProduct *p, const QccOp *op, const QccTensor *in, const QccTensor *result,
                       QccArena *arena)
{
    *p = (QccProduct){.integer = true, .y = result->data};
    p->x = without_zero(op, in, 0, arena);
    p->w = without_zero(op, in, 1, arena);
}

QccStatus qcc_product_unit(const QccOp *op, int axis, QccArena *arena, QccUnit *unit)
{
    float sx = 1;
    QCC_TRY(qcc_op_tensor_quant(op, 0, &sx, NULL));
    const QccType *w = op->in[1].value->type, *y = op->out[0].type;
    int64_t dim[QCC_MAX_RANK], index[QCC_MAX_RANK] = {0};
    bool known = w->quant && w->quant->kind == QCC_QUANT_STATIC && qcc_type_extents(w, dim);
    for (int i = 0; known && i < w->rank; i++) known = i == axis || w->quant->block[i] == 0;
    if (!known)
        return qcc_op_error(op, "'%s' needs weights with one scale an output channel; w is %s",
                            op->def->name, qcc_op_type_text(op, 1));
    unit->rank = y->rank;
    for (int i = 0; i < y->rank; i++) unit->dim[i] = 1;
    if (y->rank > 0) unit->dim[y->rank - 1] = dim[axis];
    unit->value = QCC_NEW_ARRAY(arena, dim[axis], double);
    for (int64_t o = 0; o < dim[axis]; o++) {
        index[axis] = o;
        const float *sw = w->quant->scale->data;
        unit->value[o] = (double)sx * sw[qcc_quant_index(w->quant, w->rank, dim, index)];
    }
    return QCC_OK;
}

/* ---- lowering ---------------------------------------------------------------------------------
 */

/* Weights as [co][inner]; integers as i8 around 0 (u8 with zero 128 names the same reals). NULL:
 * the kernels know no such weights. */
static const QccBlob *kernel_weights(const QccOp *op, QccArena *arena, const QccBlob *w, int64_t co,
                                     int64_t inner, int64_t o_stride, int64_t i_stride)
{
    const QccQuant *q = op->in[1].value->type->quant;
    bool integer = qcc_product_is_integer(op);
    int32_t shift = w->dtype == QCC_U8 ? 128 : 0;
    if (integer) {
        if (w->dtype != QCC_I8 && w->dtype != QCC_U8) return NULL;
        const int32_t *zero = q->zero->data;
        for (int64_t i = 0; i < q->zero->size / 4; i++) {
            if (zero[i] != shift) return NULL;
        }
    } else if (w->dtype != QCC_F32) {
        return NULL;
    }
    int64_t size = integer ? 1 : 4, dim[2] = {co, inner};
    if (!shift && i_stride == 1 && o_stride == inner && w->size == co * inner * size) {
        QccBlob *same = QCC_NEW(arena, QccBlob); /* as they lie */
        *same = *w;
        same->rank = 2;
        memcpy(same->dim, dim, sizeof dim);
        return same;
    }
    char *data = qcc_alloc_array(arena, co * inner, (size_t)size);
    const uint8_t *from = w->data;
    for (int64_t o = 0; o < co; o++) {
        for (int64_t i = 0; i < inner; i++) {
            int64_t src = o * o_stride + i * i_stride, dst = o * inner + i;
            if (integer)
                data[dst] = (char)(from[src] - shift);
            else
                memcpy(data + dst * size, from + src * size, (size_t)size);
        }
    }
    return qcc_blob(arena, integer ? QCC_I8 : QCC_F32, 2, dim, data, false);
}

/* The sum of n bytes, modulo 2^32. Some at a time fit 16 bits, of which vectors hold more. */
static uint32_t sum_bytes(const int8_t *q, int64_t n)
{
    enum { BLOCK = 128 };
    uint32_t sum = 0;
    for (; n >= BLOCK; n -= BLOCK, q += BLOCK) {
        int16_t part = 0;
        for (int i = 0; i < BLOCK; i++) part = (int16_t)(part + q[i]);
        sum += (uint32_t)part;
    }
    for (int64_t i = 0; i < n; i++) sum += (uint32_t)q[i];
    return sum;
}

/* Behind the sum, the bias of outputs from `first` on. */
static void add_bias(const QccOp *op, QccKernelList *list, QccLoweredKernel *k, int64_t first)
{
    if (!qcc_op_has(op, 2)) return;
    int last = k->kernel->rank - 1;
    int64_t stride[QCC_MAX_RANK] = {0}, *from = QCC_NEW_ARRAY(list->arena, 1, int64_t);
    stride[last] = 1;
    *from = first;
    int bias = qcc_lower_operand(k, 2, QCC_F32, stride, from);
    QccExpr *e = qcc_lower_expr(list);
    int acc = qcc_expr_acc(e, QCC_EX_F32);
    e->result = qcc_expr_op2(e, QCC_EX_add, acc, qcc_lower_arg_node(e, k, bias));
    k->kernel->epilogue = e;
}

int qcc_product_turn(const QccOp *op, QccKernelList *list)
{
    const QccType *w = op->in[1].value->type;
    int64_t dim[QCC_MAX_RANK], stride[QCC_MAX_RANK], pitch[QCC_MAX_RANK];
    qcc_type_extents(w, dim);
    qcc_dense_strides(w->rank, dim, stride);
    int temp = qcc_lower_temp(list, QCC_F32, w->rank, dim);
    for (int i = 0; i < w->rank; i++) {
        stride[i] = i == 0 ? 1 : stride[i] * dim[0];
        pitch[i] = qcc_lower_pitch(list, op, 1, i);
    }
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, w->rank, dim);
    qcc_lower_temp_arg(k, temp, QCC_F32, stride);
    qcc_lower_operand(k, 1, QCC_F32, pitch, NULL);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    e->result = qcc_lower_arg_node(e, k, 1);
    return temp;
}

void qcc_product_lower_turned(const QccOp *op, QccKernelList *list, QccLoweredKernel *k, int turned,
                              int64_t first)
{
    k->source[qcc_lower_temp_arg(k, turned, QCC_F32, NULL)].offset = first;
    k->kernel->nanchor = 2;
    k->kernel->u.contract.b_strided = true;
    k->kernel->u.contract.b_k = op->in[1].value->type->dim[0].n;
    add_bias(op, list, k, first);
}

QccStatus qcc_product_lower(const QccOp *op, QccKernelList *list, QccLoweredKernel *k,
                            const int64_t *origin, const QccBlob *w, int64_t o_stride,
                            int64_t i_stride, bool has_bias)
{
    const QccType *x = op->in[0].value->type;
    bool integer = qcc_product_is_integer(op);
    int last = k->kernel->rank - 1;
    int64_t co = k->kernel->extent[last];
    const QccContractShape *shape = &k->kernel->u.contract;
    int64_t inner = shape->kh * shape->kw * shape->ci;
    if (integer ? x->dtype != QCC_U8 : x->dtype != QCC_F32 || x->quant)
        return QCC_ERROR_UNSUPPORTED;
    const QccBlob *packed = kernel_weights(op, list->arena, w, co, inner, o_stride, i_stride);
    if (!packed) return QCC_ERROR_UNSUPPORTED;

    qcc_lower_operand(k, 0, x->dtype, NULL, origin);
    qcc_lower_weight(k, 1, packed);
    k->kernel->nanchor = 2;
    if (!integer) {
        if (has_bias) add_bias(op, list, k, 0);
        return QCC_OK;
    }
    const QccBlob *bias = has_bias ? qcc_lower_const(op, 2) : NULL;
    if (has_bias && (!bias || bias->dtype != QCC_I32)) return QCC_ERROR_UNSUPPORTED;
    int32_t zero = 0;
    if (!qcc_quant_is_tensor(x->quant, NULL, &zero)) return QCC_ERROR_UNSUPPORTED;
    uint32_t *correction = QCC_NEW_ARRAY(list->arena, co, uint32_t); /* unsigned: wraps */
    const int8_t *q = packed->data;
    for (int64_t o = 0; o < co; o++) {
        uint32_t sum = zero ? sum_bytes(q + o * inner, inner) : 0;
        correction[o] = (bias ? ((const uint32_t *)bias->data)[o] : 0) - (uint32_t)zero * sum;
    }
    k->correction = (const int32_t *)correction;
    k->correction_dim[last] = co;
    return QCC_OK;
}

QccContractShape qcc_conv_shape(const QccConvAttrs *attrs, const int64_t w[4], const int64_t a[3])
{
    return (QccContractShape){.kh = w[1],
                              .kw = w[2],
                              .stride_h = attrs->stride.v[0],
                              .stride_w = attrs->stride.v[1],
                              .dil_h = attrs->dilation.v[0],
                              .dil_w = attrs->dilation.v[1],
                              .ci = w[3],
                              .groups = attrs->groups,
                              .a_n = a[0],
                              .a_h = a[1],
                              .a_w = a[2]};
}

QccContractShape qcc_row_product_shape(int64_t k, int64_t a_n, int64_t a_w)
{
    return (QccContractShape){.kh = 1,
                              .kw = 1,
                              .stride_h = 1,
                              .stride_w = 1,
                              .dil_h = 1,
                              .dil_w = 1,
                              .ci = k,
                              .groups = 1,
                              .a_n = a_n,
                              .a_w = a_w};
}
