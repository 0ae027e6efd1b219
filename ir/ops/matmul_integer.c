/* matmul_integer - y[...,m,n] = sum over k of (a - a_zero) * (b - b_zero), exactly, in i32.
 *
 * a[...,m,k], b[...,k,n] and their zero points are bytes; zero points broadcast and may be values
 * of the run. Sums wrap.
 */
#include "ir/ops/contract.h"

static QccStatus infer(QccOp *op, const QccType **result)
{
    QCC_TRY(qcc_product_need_bytes(op));
    return qcc_matmul_infer(op, QCC_I32, result);
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    QccProduct p;
    qcc_product_bytes(&p, op, in, result, arena);
    qcc_matmul_run(&p, in, result);
    return QCC_OK;
}

/* The zero point of a may differ by row, that of b by column. */
static bool zero_strides(const QccOp *op, QccKernelList *list, QccByteProduct *p)
{
    if (qcc_op_has(op, 2)) {
        const QccType *t = op->in[2].value->type;
        bool rows = t->rank >= 2 && t->dim[t->rank - 2].n > 1;
        if (qcc_type_count(t) != (rows ? t->dim[t->rank - 2].n : 1)) return false;
        if (rows) p->a_zero[2] = qcc_lower_pitch(list, op, 2, t->rank - 2);
    }
    if (qcc_op_has(op, 3)) {
        const QccType *t = op->in[3].value->type;
        bool columns = t->rank >= 1 && t->dim[t->rank - 1].n > 1;
        if (qcc_type_count(t) != (columns ? t->dim[t->rank - 1].n : 1)) return false;
        if (columns) p->b_zero[3] = qcc_lower_pitch(list, op, 3, t->rank - 1);
    }
    return true;
}

/* Whether b is one constant matrix. */
static bool is_packed(const QccOp *op)
{
    const QccBlob *b = qcc_lower_const(op, 1);
    if (!b || b->rank > op->in[0].value->type->rank) return false;
    for (int i = 0; i < b->rank - 2; i++)
        if (b->dim[i] != 1) return false;
    return true;
}

/* Where b is one, the leading dimensions of a are a batch. */
static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccBlob *b = qcc_lower_const(op, 1);
    const QccType *y = op->out[0].type;
    int rank = op->in[0].value->type->rank, last = rank - 1;
    int64_t a[QCC_MAX_RANK], pitch[QCC_MAX_RANK], yd[QCC_MAX_RANK];
    const int64_t before[QCC_MAX_RANK] = {0};
    QccByteProduct p = {.extent = {1, 1, 1, 1}};
    if (!qcc_type_extents(op->in[0].value->type, a) || !qcc_type_extents(y, yd) ||
        !zero_strides(op, list, &p))
        return QCC_ERROR_UNSUPPORTED;
    if (!is_packed(op)) return qcc_matmul_lower_bytes(op, list, p.a_zero, p.b_zero);
    int64_t k = b->dim[b->rank - 2], n = b->dim[b->rank - 1];
    p.result_dim[last - 1] = 2;
    p.result_dim[last] = 3;
    if (!qcc_lower_merge(yd, list->result->pitch, 0, last - 2, &p.extent[0], &p.result[0]))
        return QCC_ERROR_UNSUPPORTED;
    for (int i = 0; i < rank; i++) pitch[i] = qcc_lower_pitch(list, op, 0, i);
    p.extent[2] = a[last - 1];
    p.extent[3] = n;
    p.result[2] = list->result->pitch[last - 1];
    p.result[3] = list->result->pitch[last];
    p.a = qcc_lower_unsigned(op, list, a, before, pitch);
    p.o_stride = 1;
    p.i_stride = n;
    p.shape = qcc_row_product_shape(k, a[last - 1] * k, k);
    return qcc_lower_bytes(op, list, &p);
}

static void sample(QccRandom *r, QccSample *s)
{
    int64_t m = qcc_random_range(r, 1, 5), k = qcc_random_range(r, 1, 40);
    int64_t n = qcc_random_range(r, 1, 20), batch = qcc_random_range(r, 1, 2);
    int64_t a[3] = {batch, m, k}, b[2] = {k, n}, a_zero[2] = {m, 1}, own_b[3] = {batch, k, n};
    bool own = qcc_random_bool(r);
    QccIr *ir = s->graph->ir;
    QccDtype ta = qcc_random_bool(r) ? QCC_U8 : QCC_I8, tb = qcc_random_bool(r) ? QCC_U8 : QCC_I8;
    const QccType *type_b = qcc_type_shape(ir, tb, 2 + own, own ? own_b : b);
    QccValue *in[4] = {qcc_sample_param(s, qcc_type_shape(ir, ta, 3, a))};
    in[1] = qcc_random_bool(r) ? qcc_sample_const(s, type_b) : qcc_sample_param(s, type_b);
    if (qcc_random_bool(r)) in[2] = qcc_sample_param(s, qcc_type_shape(ir, ta, 2, a_zero));
    if (qcc_random_bool(r)) in[3] = qcc_sample_const(s, qcc_type_shape(ir, tb, 1, &n));
    qcc_sample_op(s, &qcc_op_matmul_integer, in, 4, NULL);
}

const QccOpDef qcc_op_matmul_integer = {
    .name = "matmul_integer",
    .summary = "exact product of bytes a[...,m,k] and b[...,k,n], in i32",
    .min_in = 2,
    .max_in = 4,
    .nout = 1,
    .infer = infer,
    .eval = eval,
    .sample = sample,
    .lower = lower,
};
