/* product_bytes - conv_integer and matmul_integer as kernels.
 *
 *   A' = a around za'     a copy in u8: i8 moved up by 128, the padding filled with za'
 *   B' = b around zb'     constant, packed in i8: u8 moved down by 128
 *   y  = sum A' B' - za' sum B' - zb' (sum A' - n za')       modulo 2^32
 *
 * The sums of B' are constants. Those of A' are a product with ones, which falls away where zb' is
 * known to be 0.
 */
#include "ir/ops/contract.h"

/* What moves operand i to where the kernels want it. */
static int32_t shift_of(const QccOp *op, int i)
{
    QccDtype dtype = op->in[i].value->type->dtype;
    if (i == 0) return dtype == QCC_I8 ? 128 : 0;
    return dtype == QCC_U8 ? -128 : 0;
}

/* The zero point of operand i, moved likewise, in a kernel whose dimensions it varies along. */
static int zero_node(const QccOp *op, QccExpr *e, QccLoweredKernel *k, int i, const int64_t *stride)
{
    int shift = qcc_expr_i32(e, shift_of(op, i));
    if (!qcc_op_has(op, 2 + i)) return shift;
    int arg = qcc_lower_operand(k, 2 + i, op->in[i].value->type->dtype, stride, NULL);
    return qcc_expr_op2(e, QCC_EX_add, qcc_lower_arg_node(e, k, arg), shift);
}

/* Whether zb' is known to be 0. */
static bool is_centered(const QccOp *op)
{
    int32_t shift = shift_of(op, 1);
    if (!qcc_op_has(op, 3)) return shift == 0;
    const QccBlob *zero = qcc_lower_const(op, 3);
    for (int64_t i = 0; zero && i < zero->size; i++)
        if (((const uint8_t *)zero->data)[i] != (uint8_t)-shift) return false;
    return zero != NULL;
}

/* b as [co][inner] in i8. */
static const QccBlob *move_weights(const QccOp *op, QccArena *arena, const QccByteProduct *p,
                                   int64_t inner)
{
    int64_t dim[2] = {p->extent[3], inner};
    const uint8_t *from = qcc_lower_const(op, 1)->data;
    int8_t *to = QCC_NEW_ARRAY(arena, dim[0] * inner, int8_t);
    for (int64_t o = 0; o < dim[0]; o++)
        for (int64_t i = 0; i < inner; i++)
            to[o * inner + i] =
                (int8_t)(uint8_t)(from[o * p->o_stride + i * p->i_stride] + shift_of(op, 1));
    return qcc_blob(arena, QCC_I8, 2, dim, to, false);
}

static const QccBlob *ones(QccArena *arena, int64_t co, int64_t inner)
{
    int64_t dim[2] = {co, inner};
    int8_t *to = QCC_NEW_ARRAY(arena, co * inner, int8_t);
    for (int64_t i = 0; i < co * inner; i++) to[i] = 1;
    return qcc_blob(arena, QCC_I8, 2, dim, to, false);
}

/* i32 sums of each output's weights. */
static const QccBlob *sums(QccArena *arena, const QccBlob *w)
{
    uint32_t *to = QCC_NEW_ARRAY(arena, w->dim[0], uint32_t); /* unsigned: wraps */
    const int8_t *from = w->data;
    for (int64_t o = 0; o < w->dim[0]; o++)
        for (int64_t i = 0; i < w->dim[1]; i++) to[o] += (uint32_t)from[o * w->dim[1] + i];
    return qcc_blob(arena, QCC_I32, 1, w->dim, to, false);
}

/* A kernel over the index space with co outputs. Its result must be its first argument. */
static QccLoweredKernel *product(QccKernelList *list, const QccByteProduct *p, int64_t co)
{
    const QccContractShape *s = &p->shape;
    int64_t extent[4] = {p->extent[0], p->extent[1], p->extent[2], co};
    bool depthwise = s->groups > 1 && s->groups == co && s->ci == 1;
    QccLoweredKernel *k =
        qcc_lower_kernel(list, depthwise ? QCC_ANCHOR_DEPTHWISE : QCC_ANCHOR_CONTRACT, 4, extent);
    k->kernel->u.contract = *s;
    return k;
}

static void add_operands(QccLoweredKernel *k, const QccByteProduct *p, const QccBlob *w)
{
    qcc_lower_temp_arg(k, p->a, QCC_U8, NULL);
    qcc_lower_weight(k, 1, w);
    k->kernel->nanchor = 2;
}

QccStatus qcc_lower_bytes(const QccOp *op, QccKernelList *list, const QccByteProduct *p)
{
    const QccContractShape *s = &p->shape;
    int64_t inner = s->kh * s->kw * s->ci, co = p->extent[3], stride[4], sum_dim[4];
    bool centered = is_centered(op), by_channel = s->groups == co;
    if (!centered && s->groups > 1 && !by_channel) return QCC_ERROR_UNSUPPORTED;
    int sum = -1;
    if (!centered) {
        for (int i = 0; i < 4; i++) sum_dim[i] = i < 3 ? p->extent[i] : s->groups;
        qcc_dense_strides(4, sum_dim, stride);
        sum = qcc_lower_temp(list, QCC_I32, 4, sum_dim);
        QccLoweredKernel *k = product(list, p, s->groups);
        qcc_lower_temp_arg(k, sum, QCC_I32, stride);
        add_operands(k, p, ones(list->arena, s->groups, inner));
        if (s->groups == 1) stride[3] = 0;
    }
    const QccBlob *w = move_weights(op, list->arena, p, inner);
    QccLoweredKernel *k = product(list, p, co);
    qcc_lower_result(k, QCC_I32, p->result, NULL);
    add_operands(k, p, w);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    int za = zero_node(op, e, k, 0, p->a_zero);
    int by_output = qcc_lower_const_arg(k, sums(list->arena, w), (const int64_t[4]){0, 0, 0, 1});
    int term = qcc_expr_op2(e, QCC_EX_mul, za, qcc_lower_arg_node(e, k, by_output));
    int y = qcc_expr_op2(e, QCC_EX_sub, qcc_expr_acc(e, QCC_EX_I32), term);
    if (!centered) {
        int zb = zero_node(op, e, k, 1, p->b_zero);
        int of_a = qcc_lower_arg_node(e, k, qcc_lower_temp_arg(k, sum, QCC_I32, stride));
        int all = qcc_expr_op2(e, QCC_EX_mul, za, qcc_expr_i32(e, (int32_t)inner));
        term = qcc_expr_op2(e, QCC_EX_mul, zb, qcc_expr_op2(e, QCC_EX_sub, of_a, all));
        y = qcc_expr_op2(e, QCC_EX_sub, y, term);
    }
    e->result = y;
    return QCC_OK;
}

int qcc_lower_unsigned(const QccOp *op, QccKernelList *list, const int64_t *dim,
                       const int64_t *before, const int64_t *pitch)
{
    int rank = op->in[0].value->type->rank;
    int64_t own[QCC_MAX_RANK], stride[QCC_MAX_RANK], origin = 0;
    bool padded = false;
    qcc_type_extents(op->in[0].value->type, own);
    qcc_dense_strides(rank, dim, stride);
    int temp = qcc_lower_temp(list, QCC_U8, rank, dim);
    for (int i = 0; i < rank; i++) {
        padded |= own[i] != dim[i];
        origin += before[i] * stride[i];
    }
    if (padded) {
        QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, rank, dim);
        qcc_lower_temp_arg(k, temp, QCC_U8, stride);
        QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
        e->result = zero_node(op, e, k, 0, NULL);
    }
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, rank, own);
    k->source[qcc_lower_temp_arg(k, temp, QCC_U8, stride)].offset = origin;
    int x = qcc_lower_operand(k, 0, op->in[0].value->type->dtype, pitch, NULL);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    e->result =
        qcc_expr_op2(e, QCC_EX_add, qcc_lower_arg_node(e, k, x), qcc_expr_i32(e, shift_of(op, 0)));
    return temp;
}
