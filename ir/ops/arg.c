/* arg - arg_max and arg_min: where the extreme element along an axis lies. */
#include "ir/ops/arg.h"

const QccField qcc_arg_fields[] = {
    {"axis", QCC_FIELD_INT, offsetof(QccArgAttrs, axis), "0", 0, 0, NULL,
     "the dimension that is searched"},
    {"keep", QCC_FIELD_BOOL, offsetof(QccArgAttrs, keep), "true", 0, 0, NULL,
     "whether the dimension stays, with extent 1"},
    {"last", QCC_FIELD_BOOL, offsetof(QccArgAttrs, last), "false", 0, 0, NULL,
     "which of equal elements is meant: the last one, else the first"},
    {0}};

QccStatus qcc_arg_infer(QccOp *op, const QccType **result)
{
    QccArgAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    const QccType *x = qcc_op_real(op, 0);
    QCC_TRY(qcc_op_axis(op, &a->axis, x->rank));
    if (x->dim[a->axis].n == 0)
        return qcc_op_error(op, "'%s' needs an element along dimension %lld; x is %s",
                            op->def->name, (long long)a->axis, qcc_op_type_text(op, 0));
    QccDim dim[QCC_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (i != a->axis)
            dim[rank++] = x->dim[i];
        else if (a->keep)
            dim[rank++] = qcc_dim(1);
    }
    *result = qcc_type(op->graph->ir, QCC_I64, rank, dim, NULL);
    return QCC_OK;
}

void qcc_arg_eval(const QccOp *op, const QccTensor *x, const QccTensor *result, bool least)
{
    const QccArgAttrs *a = op->attrs;
    QccLines l = qcc_lines(x, a->axis);
    int64_t *y = result->data;
    for (int64_t i = 0; i < result->count; i++) {
        int64_t at = i / l.inner * l.n * l.inner + i % l.inner, best = 0, extreme = 0;
        for (int64_t k = 0; k < l.n; k++) {
            int64_t key = qcc_order_key(x, at + k * l.inner);
            bool beyond = least ? key < extreme : key > extreme;
            if (k > 0 && !beyond && !(a->last && key == extreme)) continue;
            best = k;
            extreme = key;
        }
        y[i] = best;
    }
}

/* ---- lowering -------------------------------------------------------------------------------- */

QccStatus qcc_arg_lower(const QccOp *op, QccKernelList *list, bool least)
{
    const QccArgAttrs *a = op->attrs;
    const QccType *x = op->in[0].value->type, *y = op->out[0].type;
    int64_t dim[QCC_MAX_RANK], extent[QCC_MAX_RANK], stride[QCC_MAX_RANK] = {0};
    int64_t result_stride[QCC_MAX_RANK] = {0}, count_stride[QCC_MAX_RANK] = {0};
    int axis = (int)a->axis, last = x->rank - 1;
    if (x->quant || qcc_dtype_bits(x->dtype) < 8 || !qcc_type_extents(x, dim))
        return QCC_ERROR_UNSUPPORTED;
    for (int i = 0, at = 0; i <= last; i++) { /* the axis comes last */
        int to = i == axis ? last : at++;
        extent[to] = dim[i];
        stride[to] = qcc_lower_pitch(list, op, 0, i);
        if (i != axis) result_stride[to] = list->result->pitch[y->rank == x->rank ? i : to];
    }
    count_stride[last] = 1;
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_ROWS, x->rank, extent);
    qcc_lower_result(k, y->dtype, result_stride, NULL);
    qcc_lower_operand(k, 0, x->dtype, stride, NULL);
    int count = qcc_lower_const_arg(k, qcc_lower_count(list, dim[axis]), count_stride);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    int at = qcc_lower_arg(list, k, count, least, a->last);
    e->result = qcc_expr_cvt(e, QCC_EX_I64, qcc_expr_arg(e, at, QCC_EX_I32));
    k->kernel->u.rows.reduced = true;
    return QCC_OK;
}

/* ---- sample ---------------------------------------------------------------------------------- */

void qcc_arg_sample(QccRandom *random, QccSample *s, const QccOpDef *def)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccArgAttrs a = {.axis = qcc_random_range(random, -type->rank, type->rank - 1),
                     .keep = qcc_random_bool(random),
                     .last = qcc_random_bool(random)};
    QccValue *x = qcc_sample_param(s, type);
    qcc_sample_op(s, def, &x, 1, &a);
}
