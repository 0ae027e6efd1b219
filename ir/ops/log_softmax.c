/* log_softmax - y = (x - m) - log(s) over the dimensions from axis on, m the largest x, s the sum
 * of exp(x - m).
 *
 * A row is what lies in those dimensions. m and s go by 16 virtual lanes (reduce.h), exp and log
 * are those of expr.h; both subtractions are rounded.
 */
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
    const QccAxisAttrs *a = op->attrs;
    int64_t n = 1;
    for (int i = (int)a->axis; i < in[0].type->rank; i++) n *= in[0].dim[i];
    if (in[0].type->dtype == QCC_F64) {
        qcc_softmax_f64(in[0].data, result->data, result->count, n, true, arena);
        return QCC_OK;
    }
    const float *x = in[0].data;
    float *y = result->data, *e = QCC_NEW_ARRAY(arena, n, float);
    QccExprEval *exponential = qcc_expr_function(qcc_expr_exp_negative, QCC_EX_F32, arena);
    QccExprEval *log = qcc_expr_function(qcc_expr_log, QCC_EX_F32, arena);
    for (int64_t at = 0; at < result->count; at += n, x += n, y += n) {
        float most = qcc_reduce_row(x, n, QCC_REDUCE_MAX);
        for (int64_t i = 0; i < n; i++) y[i] = x[i] - most;
        qcc_expr_apply(exponential, n, y, e);
        float sum = qcc_reduce_row(e, n, QCC_REDUCE_SUM), by;
        qcc_expr_apply(log, 1, &sum, &by);
        for (int64_t i = 0; i < n; i++) y[i] -= by;
    }
    return QCC_OK;
}

static bool permute(QccOp *op, const int *perm, int rank)
{
    const QccAxisAttrs *a = op->attrs;
    return qcc_permute_keeps_tail(a->axis, perm, rank);
}

/* x - m, m being the result of stage 0. */
static int lowered(QccExpr *e, const QccLoweredKernel *k, const QccReal *real)
{
    int x = qcc_rows_real(e, k, real), m = qcc_rows_stage(e, 0, QCC_EX_F32);
    return qcc_expr_op2(e, QCC_EX_sub, x, m);
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccAxisAttrs *a = op->attrs;
    QccReal real;
    if (op->out[0].type->dtype == QCC_F64) return QCC_ERROR_UNSUPPORTED;
    QccLoweredKernel *k = qcc_rows_lower(op, list, (int)a->axis, false);
    if (!k || !qcc_lower_real(list, k, op->in[0].value->type, &real)) return QCC_ERROR_UNSUPPORTED;
    k->kernel->nanchor = k->kernel->narg - 1;
    QccExpr *x = qcc_lower_expr(list), *e = qcc_lower_expr(list);
    QccExpr *log = qcc_lower_expr(list), *y = qcc_lower_expr(list);
    x->result = qcc_rows_real(x, k, &real);
    e->result = qcc_expr_exp_negative(e, lowered(e, k, &real));
    log->result = qcc_expr_log(log, qcc_expr_acc(log, QCC_EX_F32));
    QccRowShape *rows = &k->kernel->u.rows;
    rows->nstage = 2;
    rows->stage[0].combine = QCC_COMBINE_MAX;
    rows->stage[0].term = x;
    rows->stage[1].combine = QCC_COMBINE_SUM;
    rows->stage[1].term = e;
    rows->stage[1].then = log;
    int node = lowered(y, k, &real);
    y->result = qcc_expr_op2(y, QCC_EX_sub, node, qcc_rows_stage(y, 1, QCC_EX_F32));
    k->kernel->epilogue = y;
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccAxisAttrs a = {.axis = qcc_random_range(random, -type->rank, type->rank - 1)};
    QccValue *x = qcc_sample_param(s, type);
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_log_softmax, &x, 1, &a);
}

const QccOpDef qcc_op_log_softmax = {
    .name = "log_softmax",
    .summary = "y = log(exp(x) / sum of exp(x)) over the dimensions from axis on",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_REDUCTION,
    .attr_size = sizeof(QccAxisAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = infer,
    .eval = eval,
    .permute = permute,
    .sample = sample,
    .lower = lower,
};
