/* pow - y = a to the power b, of the type of a.
 *
 * Two integers: by squaring, wrapping; a power above 64 counts as 64 or 65, whichever is as odd,
 * and a negative one gives 1 / a^-b cut towards 0. Else in floats, integers being converted; a
 * result for integers is cut and saturates.
 */
#include "ir/ops/common.h"

static int op2(QccExpr *e, QccExprOp op, int a, int b)
{
    return qcc_expr_op2(e, op, a, b);
}

static int choose(QccExpr *e, int which, int a, int b)
{
    return qcc_expr_op3(e, QCC_EX_select, which, a, b);
}

static int whole_power(QccExpr *e, int a, int b)
{
    int zero = qcc_expr_real(e, a, 0), one = qcc_expr_real(e, a, 1);
    int odd = op2(e, QCC_EX_and, b, one);
    int many = op2(e, QCC_EX_lt, qcc_expr_real(e, a, 63), b);
    int n = choose(e, many, op2(e, QCC_EX_or, qcc_expr_real(e, a, 64), odd), b);
    int y = one, square = a;
    for (int bit = 1; bit <= 64; bit *= 2) {
        int set = op2(e, QCC_EX_ne, op2(e, QCC_EX_and, n, qcc_expr_real(e, a, bit)), zero);
        y = choose(e, set, op2(e, QCC_EX_mul, y, square), y);
        if (bit < 64) square = op2(e, QCC_EX_mul, square, square);
    }
    /* 1 / a is not 0 for 1 and -1 alone; x / 0 is 0 */
    int inverse = op2(e, QCC_EX_div, one, a);
    inverse =
        choose(e, op2(e, QCC_EX_ne, odd, zero), inverse, op2(e, QCC_EX_mul, inverse, inverse));
    return choose(e, op2(e, QCC_EX_lt, b, zero), inverse, y);
}

static bool is_integer(const QccExpr *e, int a)
{
    return e->node[a].type != QCC_EX_F32 && e->node[a].type != QCC_EX_F64;
}

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    int a = arg[0], b = arg[1];
    if (!is_integer(e, a)) return qcc_expr_pow(e, a, b);
    QccDtype dtype = op->in[0].value->type->dtype;
    if (!is_integer(e, b)) return qcc_expr_to_integer(e, qcc_expr_pow(e, a, b), dtype);
    bool narrow = e->node[a].type == QCC_EX_I32 && e->node[b].type == QCC_EX_I32;
    QccExprType type = narrow ? QCC_EX_I32 : QCC_EX_I64;
    int y = whole_power(e, qcc_expr_cvt(e, type, a), qcc_expr_cvt(e, type, b));
    return qcc_expr_cvt(e, qcc_expr_type_of(dtype), y);
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    int rank;
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < 2; i++) {
        if (!qcc_op_has(op, i)) return qcc_op_error(op, "'pow' needs operand %d", i + 1);
        if (qcc_op_real(op, i)->dtype == QCC_BOOL)
            return qcc_op_error(op, "'pow' computes over numbers; operand %d is %s", i + 1,
                                qcc_op_type_text(op, i));
    }
    QCC_TRY(qcc_infer_broadcast(op, &rank, dim));
    *result = qcc_type(op->graph->ir, qcc_op_real(op, 0)->dtype, rank, dim, NULL);
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    (void)random;
    qcc_sample_binary_of(s, &qcc_op_pow, NULL, QCC_SAMPLE_FLOATS | QCC_SAMPLE_INTEGERS);
}

const QccOpDef qcc_op_pow = {
    .name = "pow",
    .summary = "y = a to the power b",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = infer,
    .map = map,
    .sample = sample,
};
