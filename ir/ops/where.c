/* where - y = c ? a : b, c being bool. */
#include "ir/ops/common.h"

/* Among numbers in quanta of the result, c is one as well: 0 or not. */
static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    (void)op;
    int chosen = qcc_expr_op2(e, QCC_EX_ne, arg[0], qcc_expr_real(e, arg[0], 0));
    return qcc_expr_op3(e, QCC_EX_select, chosen, arg[1], arg[2]);
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    int rank;
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < 3; i++) {
        if (!qcc_op_has(op, i)) return qcc_op_error(op, "'where' needs operand %d", i + 1);
    }
    QccDtype dtype = qcc_op_real(op, 1)->dtype;
    if (op->in[0].value->type->dtype != QCC_BOOL || qcc_op_real(op, 2)->dtype != dtype)
        return qcc_op_error(op,
                            "'where' needs bool and two operands of one type; they are %s, %s "
                            "and %s",
                            qcc_op_type_text(op, 0), qcc_op_type_text(op, 1),
                            qcc_op_type_text(op, 2));
    QCC_TRY(qcc_infer_broadcast(op, &rank, dim));
    *result = qcc_type(op->graph->ir, dtype, rank, dim, NULL);
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    uint32_t all = QCC_SAMPLE_FLOATS | QCC_SAMPLE_INTEGERS | 1 << QCC_BOOL;
    const QccType *type = qcc_sample_type(s, 0, 4);
    QccDtype dtype = qcc_sample_dtype(s, all);
    int small = (int)qcc_random_range(random, 0, 3); /* 3: none is a scalar */
    QccValue *in[3];
    for (int i = 0; i < 3; i++) {
        const QccType *t = i == small ? qcc_sample_shape(s, 0, NULL) : type;
        t = qcc_type_plain(s->graph->ir, t, i == 0 ? QCC_BOOL : dtype);
        in[i] = qcc_sample_param(s, t);
    }
    s->quantizable = dtype == QCC_F32;
    qcc_sample_op(s, &qcc_op_where, in, 3, NULL);
}

const QccOpDef qcc_op_where = {
    .name = "where",
    .summary = "y = c ? a : b, c being bool",
    .min_in = 3,
    .max_in = 3,
    .nout = 1,
    .traits = QCC_TRAIT_HOMOGENEOUS,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = infer,
    .map = map,
    .sample = sample,
};
