/* shift - y = a * 2^b, or a / 2^b, of the bits of integers; from their width on 0. */
#include "ir/ops/common.h"

static const QccField attrs[] = {
    {"right", QCC_FIELD_BOOL, offsetof(QccShiftAttrs, right), "false", 0, 0, NULL,
     "towards the low end, the sign coming after; else towards the high end"},
    {0}};

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccShiftAttrs *a = op->attrs;
    int64_t bits = qcc_dtype_bits(op->in[0].value->type->dtype);
    int few = qcc_expr_op2(e, QCC_EX_lt, arg[1], qcc_expr_real(e, arg[1], (double)bits));
    int some = qcc_expr_op2(e, QCC_EX_le, qcc_expr_real(e, arg[1], 0), arg[1]);
    int fits = qcc_expr_op2(e, QCC_EX_and, few, some), zero = qcc_expr_real(e, arg[0], 0);
    int by = qcc_expr_op3(e, QCC_EX_select, fits, arg[1], zero);
    int y = qcc_expr_op2(e, a->right ? QCC_EX_sar : QCC_EX_shl, arg[0], by);
    return qcc_expr_op3(e, QCC_EX_select, fits, y, zero);
}

static void sample(QccRandom *random, QccSample *s)
{
    QccShiftAttrs a = {.right = qcc_random_bool(random)};
    qcc_sample_binary_of(s, &qcc_op_shift, &a, QCC_SAMPLE_INTEGERS);
}

const QccOpDef qcc_op_shift = {
    .name = "shift",
    .summary = "the bits of a moved by b places",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .attr_size = sizeof(QccShiftAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = qcc_infer_integer,
    .map = map,
    .sample = sample,
};
