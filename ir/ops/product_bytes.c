/* product_bytes - products of bytes whose zero points, or both operands, are values of the run.
 *
 *   A' = a around za'     in u8: i8 is moved up by 128 (a copy), padding is filled with za'
 *   B' = b around zb'     in i8: u8 is moved down by 128; packed when constant, else put in fours
 *   y  = sum A' B' - za' sum B' - zb' (sum A' - n za')       modulo 2^32
 *
 * Sums of B' are constants, or a product of ones with B'; those of A' are sums of rows, or a
 * product with ones. Either falls away where the zero point that it is multiplied with is known to
 * be 0. The zero points are those of quantized types (matmul), or operands 2 and 3 (conv_integer,
 * matmul_integer).
 */
#include "ir/ops/contract.h"

/* What moves operand i to where the kernels want it. */
static int32_t shift_of(const QccOp *op, int i)
{
    QccDtype dtype = op->in[i].value->type->dtype;
    if (i == 0) return dtype == QCC_I8 ? 128 : 0;
    return dtype == QCC_U8 ? -128 : 0;
}

/* The zero point that the type of operand i gives it; false: operand 2 + i does, or it is 0. */
static bool typed_zero(const QccOp *op, int i, int32_t *zero)
{
    const QccQuant *q = op->in[i].value->type->quant;
    *zero = 0;
    return q && qcc_quant_is_tensor(q, NULL, zero);
}

static int moved(QccExpr *e, int x, int32_t shift)
{
    return shift ? qcc_expr_op2(e, QCC_EX_add, x, qcc_expr_i32(e, shift)) : x;
}

/* The zero point of operand i, moved likewise, in a kernel whose dimensions it varies along. */
static int zero_node(const QccOp *op, QccKernelList *list, QccExpr *e, QccLoweredKernel *k, int i,
                     const int64_t *stride)
{
    int32_t zero;
    if (typed_zero(op, i, &zero)) {
        zero += shift_of(op, i);
        const QccBlob *blob = qcc_blob(list->arena, QCC_I32, 0, NULL, &zero, true);
        return qcc_lower_arg_node(e, k, qcc_lower_const_arg(k, blob, NULL));
    }
    int shift = shift_of(op, i);
    if (!qcc_op_has(op, 2 + i)) return qcc_expr_i32(e, shift);
    int arg = qcc_lower_operand(k, 2 + i, op->in[i].value->type->dtype, stride, NULL);
    return moved(e, qcc_lower_arg_node(e, k, arg), shift);
}

/* Whether it is known to be 0. */
static bool is_centered(const QccOp *op, int i)
{
    int32_t shift = shift_of(op, i), typed;
    if (typed_zero(op, i, &typed)) return typed + shift == 0;
    if (!qcc_op_has(op, 2 + i)) return shift == 0;
    const QccBlob *zero = qcc_lower_const(op, 2 + i);
    for (int64_t j = 0; zero && j < zero->size; j++)
        if (((const uint8_t *)zero->data)[j] != (uint8_t)-shift) return false;
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

/* i32: what each output's weights sum up to, negative. */
static const QccBlob *sums(QccArena *arena, const QccBlob *w)
{
    uint32_t *to = QCC_NEW_ARRAY(arena, w->dim[0], uint32_t); /* unsigned: wraps */
    const int8_t *from = w->data;
    for (int64_t o = 0; o < w->dim[0]; o++)
        for (int64_t i = 0; i < w->dim[1]; i++) to[o] -= (uint32_t)from[o * w->dim[1] + i];
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

static int add_a(QccLoweredKernel *k, const QccByteProduct *p, const int64_t *stride)
{
    if (p->a < 0) return qcc_lower_operand(k, 0, QCC_U8, stride, NULL);
    return qcc_lower_temp_arg(k, p->a, QCC_U8, stride);
}

static void add_operands(QccLoweredKernel *k, const QccByteProduct *p, const QccBlob *w)
{
    add_a(k, p, NULL);
    if (w)
        qcc_lower_weight(k, 1, w);
    else
        qcc_lower_temp_arg(k, p->b, QCC_I8, NULL);
    k->kernel->nanchor = 2;
}

static bool is_uniform(const int64_t stride[4])
{
    return !stride[0] && !stride[1] && !stride[2] && !stride[3];
}

/* A temporary with n za' - sum A' for each row, times zb' where that is one number. stride: over
 * the index space. */
static int sum_rows(const QccOp *op, QccKernelList *list, const QccByteProduct *p, int64_t inner,
                    int64_t stride[4])
{
    const QccContractShape *s = &p->shape;
    int64_t dim[4] = {p->extent[0], p->extent[1], p->extent[2], s->groups};
    qcc_dense_strides(4, dim, stride);
    int temp = qcc_lower_temp(list, QCC_I32, 4, dim), sum;
    QccLoweredKernel *k;
    QccExpr *e = qcc_lower_expr(list);
    if (s->groups == 1) stride[3] = 0;
    if (s->kh * s->kw * s->groups == 1) {
        dim[3] = inner;
        k = qcc_lower_kernel(list, QCC_ANCHOR_ROWS, 4, dim);
        qcc_lower_temp_arg(k, temp, QCC_I32, stride);
        int a =
            add_a(k, p, (const int64_t[4]){s->a_n, s->stride_h * s->a_h, s->stride_w * s->a_w, 1});
        QccExpr *term = qcc_lower_expr(list);
        term->result = qcc_lower_arg_node(term, k, a);
        k->kernel->u.rows = (QccRowShape){
            .nstage = 1, .stage = {{.combine = QCC_COMBINE_SUM, .term = term}}, .reduced = true};
        sum = qcc_expr_arg(e, QCC_ROW_RESULT, QCC_EX_I32);
    } else {
        k = product(list, p, s->groups);
        qcc_lower_temp_arg(k, temp, QCC_I32, stride);
        add_operands(k, p, ones(list->arena, s->groups, inner));
        sum = qcc_expr_acc(e, QCC_EX_I32);
    }
    int za = zero_node(op, list, e, k, 0, p->a_zero);
    int all = qcc_expr_op2(e, QCC_EX_mul, za, qcc_expr_i32(e, (int32_t)inner));
    int y = qcc_expr_op2(e, QCC_EX_sub, all, sum);
    if (is_uniform(p->b_zero)) {
        int zb = zero_node(op, list, e, k, 1, NULL);
        y = qcc_expr_op2(e, QCC_EX_mul, zb, y);
    }
    e->result = y;
    k->kernel->epilogue = e;
    return temp;
}

/* A temporary with -sum B' for each column of a B in fours, times za' where that is one number. */
static int sum_columns(const QccOp *op, QccKernelList *list, const QccByteProduct *p,
                       int64_t stride[4])
{
    const QccContractShape *s = &p->shape;
    int64_t depth = QCC_FOURS_DEPTH(s->ci), dim[4] = {p->extent[0], p->extent[1], 1, p->extent[3]};
    if (s->b_n == 0) dim[0] = 1;
    if (s->b_h == 0) dim[1] = 1;
    qcc_dense_strides(4, dim, stride);
    int temp = qcc_lower_temp(list, QCC_I32, 4, dim);
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_CONTRACT, 4, dim);
    k->kernel->u.contract = *s;
    k->kernel->u.contract.a_n = k->kernel->u.contract.a_h = k->kernel->u.contract.a_w = 0;
    qcc_lower_temp_arg(k, temp, QCC_I32, stride);
    uint8_t *one = QCC_NEW_ARRAY(list->arena, depth, uint8_t);
    for (int64_t i = 0; i < depth; i++) one[i] = 1;
    qcc_lower_const_arg(k, qcc_blob(list->arena, QCC_U8, 1, &depth, one, false), NULL);
    qcc_lower_temp_arg(k, p->b, QCC_I8, NULL);
    k->kernel->nanchor = 2;
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    int y = qcc_expr_op1(e, QCC_EX_neg, qcc_expr_acc(e, QCC_EX_I32));
    if (is_uniform(p->a_zero)) {
        int za = zero_node(op, list, e, k, 0, NULL);
        y = qcc_expr_op2(e, QCC_EX_mul, za, y);
    }
    e->result = y;
    for (int i = 0; i < 4; i++)
        if (dim[i] == 1) stride[i] = 0;
    return temp;
}

QccStatus qcc_lower_bytes(const QccOp *op, QccKernelList *list, const QccByteProduct *p)
{
    const QccContractShape *s = &p->shape;
    int64_t inner = s->kh * s->kw * s->ci, co = p->extent[3], by_row[4],
            by_column[4] = {0, 0, 0, 1};
    bool row = !is_centered(op, 1), column = !is_centered(op, 0);
    if (row && s->groups > 1 && s->groups != co) return QCC_ERROR_UNSUPPORTED;
    int of_a = row ? sum_rows(op, list, p, inner, by_row) : -1;
    int of_b = column && s->b_strided ? sum_columns(op, list, p, by_column) : -1;
    const QccBlob *w = s->b_strided ? NULL : move_weights(op, list->arena, p, inner);
    QccLoweredKernel *k = product(list, p, co);
    for (int i = 0; i < op->out[0].type->rank; i++) k->result_dim[i] = p->result_dim[i];
    qcc_lower_result(k, op->out[0].type->dtype, p->result, NULL);
    add_operands(k, p, w);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    int y = qcc_expr_acc(e, QCC_EX_I32);
    if (column) {
        int arg = w ? qcc_lower_const_arg(k, sums(list->arena, w), by_column)
                    : qcc_lower_temp_arg(k, of_b, QCC_I32, by_column);
        int term = qcc_lower_arg_node(e, k, arg);
        if (w || !is_uniform(p->a_zero)) {
            int za = zero_node(op, list, e, k, 0, p->a_zero);
            term = qcc_expr_op2(e, QCC_EX_mul, za, term);
        }
        y = qcc_expr_op2(e, QCC_EX_add, y, term);
    }
    if (row) {
        int term = qcc_lower_arg_node(e, k, qcc_lower_temp_arg(k, of_a, QCC_I32, by_row));
        if (!is_uniform(p->b_zero)) {
            int zb = zero_node(op, list, e, k, 1, p->b_zero);
            term = qcc_expr_op2(e, QCC_EX_mul, zb, term);
        }
        y = qcc_expr_op2(e, QCC_EX_add, y, term);
    }
    e->result = y;
    return QCC_OK;
}

/* Whether the four bytes of a column lie side by side in operand 1 already, and all of them at
 * distances of whole fours. */
static bool has_fours(const int64_t *pitch, int rank)
{
    for (int i = 0; i < rank; i++)
        if (i != rank - 2 && pitch[i] % 4) return false;
    return pitch[rank - 2] == 1;
}

/* Fours [0, n) of a temporary of fours from operand 1 where it has them: they are moved as one
 * number. */
static void copy_fours(const QccOp *op, QccKernelList *list, int temp, const int64_t *dim,
                       const int64_t *pitch, int64_t n)
{
    int rank = op->in[1].value->type->rank;
    int64_t space[QCC_MAX_RANK], to[QCC_MAX_RANK], from[QCC_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        space[i] = dim[i];
        from[i] = i == rank - 2 ? 1 : pitch[i] / 4;
    }
    space[rank - 2] = QCC_FOURS_DEPTH(dim[rank - 2]) / 4;
    qcc_dense_strides(rank, space, to);
    space[rank - 2] = n;
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, rank, space);
    qcc_lower_temp_arg(k, temp, QCC_I32, to);
    int x = qcc_lower_operand(k, 1, QCC_I32, from, NULL);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    int four = qcc_lower_arg_node(e, k, x), top = shift_of(op, 1) ? -0x7f7f7f80 : 0;
    e->result = top ? qcc_expr_op2(e, QCC_EX_xor, four, qcc_expr_i32(e, top)) : four;
}

/* Fours [first, first + n) of a temporary of fours, bytes [0, bytes) of each, from operand 1
 * (pitch) moved to i8; pitch NULL: zeros. dim: the operand's. */
static void fill_fours(const QccOp *op, QccKernelList *list, int temp, const int64_t *dim,
                       const int64_t *pitch, int64_t first, int64_t n, int64_t bytes)
{
    int rank = op->in[1].value->type->rank;
    int64_t space[QCC_MAX_RANK], to[QCC_MAX_RANK], from[QCC_MAX_RANK];
    if (n < 1 || bytes < 1) return;
    for (int i = 0; i < rank - 2; i++) {
        space[i] = dim[i];
        from[i] = pitch ? pitch[i] : 0;
    }
    space[rank - 2] = QCC_FOURS_DEPTH(dim[rank - 2]) / 4;
    space[rank - 1] = dim[rank - 1];
    space[rank] = 4;
    qcc_dense_strides(rank + 1, space, to);
    space[rank - 2] = n;
    space[rank] = bytes;
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, rank + 1, space);
    k->source[qcc_lower_temp_arg(k, temp, QCC_I8, to)].offset = first * to[rank - 2];
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    e->result = qcc_expr_i32(e, 0);
    if (!pitch) return;
    from[rank - 2] = 4 * pitch[rank - 2];
    from[rank - 1] = pitch[rank - 1];
    from[rank] = pitch[rank - 2];
    int x = qcc_lower_operand(k, 1, op->in[1].value->type->dtype, from, NULL);
    k->source[x].offset = 4 * first * pitch[rank - 2];
    e->result = moved(e, qcc_lower_arg_node(e, k, x), shift_of(op, 1));
}

int qcc_lower_fours(const QccOp *op, QccKernelList *list, const int64_t *dim, const int64_t *pitch)
{
    int rank = op->in[1].value->type->rank;
    int64_t depth = dim[rank - 2], whole = depth / 4, fours = QCC_FOURS_DEPTH(depth) / 4;
    int64_t temp_dim[QCC_MAX_RANK];
    for (int i = 0; i < rank; i++) temp_dim[i] = dim[i];
    temp_dim[rank - 2] = 4 * fours;
    int temp = qcc_lower_temp(list, QCC_I8, rank, temp_dim);
    if (whole && has_fours(pitch, rank))
        copy_fours(op, list, temp, dim, pitch, whole);
    else
        fill_fours(op, list, temp, dim, pitch, 0, whole, 4);
    fill_fours(op, list, temp, dim, NULL, whole, fours - whole, 4);
    fill_fours(op, list, temp, dim, pitch, whole, 1, depth % 4);
    return temp;
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
        e->result = zero_node(op, list, e, k, 0, NULL);
    }
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, rank, own);
    k->source[qcc_lower_temp_arg(k, temp, QCC_U8, stride)].offset = origin;
    int x = qcc_lower_operand(k, 0, op->in[0].value->type->dtype, pitch, NULL);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    e->result = moved(e, qcc_lower_arg_node(e, k, x), shift_of(op, 0));
    return temp;
}
