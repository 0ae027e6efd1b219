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

static void sample(QccRandom *r, QccSample *s)
{
    int64_t m = qcc_random_range(r, 1, 5), k = qcc_random_range(r, 1, 40);
    int64_t n = qcc_random_range(r, 1, 20), batch = qcc_random_range(r, 1, 2);
    int64_t a[3] = {batch, m, k}, b[2] = {k, n}, a_zero[2] = {m, 1};
    QccIr *ir = s->graph->ir;
    QccDtype ta = qcc_random_bool(r) ? QCC_U8 : QCC_I8, tb = qcc_random_bool(r) ? QCC_U8 : QCC_I8;
    QccValue *in[4] = {qcc_sample_param(s, qcc_type_shape(ir, ta, 3, a)),
                       qcc_sample_const(s, qcc_type_shape(ir, tb, 2, b))};
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
};
