/* hardmax - 1 where the first largest value of a row lies, 0 elsewhere; a row is what lies in the
 * dimensions from axis on. A NaN is larger than everything. */
#include "ir/elements.h"
#include "ir/ops/index.h"
#include "ir/ops/reduce.h"

static const QccField attrs[] = {{"axis", QCC_FIELD_INT, offsetof(QccAxisAttrs, axis), "-1", 0, 0,
                                  NULL, "the first of the dimensions that belong together"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccAxisAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_real(op, 0, 0));
    QCC_TRY(qcc_op_axis(op, &a->axis, qcc_op_real(op, 0)->rank));
    return qcc_infer_same(op, result);
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccAxisAttrs *a = op->attrs;
    int64_t n = 1;
    for (int i = (int)a->axis; i < in[0].type->rank; i++) n *= in[0].dim[i];
    for (int64_t at = 0; at < result->count; at += n) {
        int64_t best = at;
        for (int64_t i = at; i < at + n; i++) {
            qcc_store_real(result->data, result->type->dtype, i, 0);
            if (qcc_order_key(&in[0], i) > qcc_order_key(&in[0], best)) best = i;
        }
        qcc_store_real(result->data, result->type->dtype, best, 1);
    }
    return QCC_OK;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    int64_t stride[QCC_MAX_RANK] = {0};
    if (op->out[0].type->dtype != QCC_F32 || op->in[0].value->type->quant)
        return QCC_ERROR_UNSUPPORTED;
    QccLoweredKernel *k =
        qcc_rows_lower(op, list, (int)((const QccAxisAttrs *)op->attrs)->axis, false);
    if (!k) return QCC_ERROR_UNSUPPORTED;
    int last = k->kernel->rank - 1;
    stride[last] = 1;
    int count = qcc_lower_const_arg(k, qcc_lower_count(list, k->kernel->extent[last]), stride);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    int at = qcc_expr_arg(e, qcc_lower_arg(list, k, count, false, false), QCC_EX_I32);
    int hit = qcc_expr_op2(e, QCC_EX_eq, at, qcc_lower_arg_node(e, k, count));
    e->result = qcc_expr_cvt(e, QCC_EX_F32, hit);
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccAxisAttrs a = {.axis = qcc_random_range(random, -type->rank, type->rank - 1)};
    QccValue *x = qcc_sample_param(s, type);
    qcc_sample_op(s, &qcc_op_hardmax, &x, 1, &a);
}

const QccOpDef qcc_op_hardmax = {
    .name = "hardmax",
    .summary = "1 at the first largest value over the dimensions from axis on, 0 elsewhere",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_REDUCTION,
    .attr_size = sizeof(QccAxisAttrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
    .sample = sample,
    .lower = lower,
};
