/* onnx_reduce - the reductions; those that no op here means are a reduction between maps:
 *
 *   ReduceL1 sum(|x|)   ReduceL2 sqrt(sum(x * x))   ReduceSumSquare sum(x * x)
 *   ReduceLogSum log(sum(x))   ReduceLogSumExp m + log(sum(exp(x - m))), m = max(x)
 */
#include "frontend/onnx.h"

#include <math.h>
#include <string.h>

/* Reads axes and keepdims; *noop: nothing is reduced. */
static QccStatus read_axes(QccOnnxNode *n, const QccType *x, QccReduceAttrs *attrs, bool *noop)
{
    bool given, as_input = n->row->max_in == 2;
    *attrs = (QccReduceAttrs){.keep = true};
    *noop = false;
    QCC_TRY(qcc_onnx_attr_bool(n, "keepdims", &attrs->keep));
    if (as_input) {
        QCC_TRY(qcc_onnx_ints_in(n, 1, "axes", &attrs->axes, &given));
        QCC_TRY(qcc_onnx_attr_bool(n, "noop_with_empty_axes", noop));
    } else {
        QCC_TRY(qcc_onnx_attr_ints(n, "axes", &attrs->axes, &given));
    }
    *noop = (*noop && attrs->axes.n == 0) || x->rank == 0;
    for (int i = 0; i < attrs->axes.n && x->rank; i++) {
        QCC_TRY(qcc_onnx_axis(n, x->rank, &attrs->axes.v[i]));
        for (int k = 0; k < i; k++) {
            if (attrs->axes.v[k] == attrs->axes.v[i]) {
                return qcc_onnx_wrong(n, "has an axis twice");
            }
        }
    }
    return QCC_OK;
}

QccStatus qcc_onnx_reduce(QccOnnxNode *n)
{
    bool noop;
    QccReduceAttrs attrs;
    QccValue *x = qcc_onnx_in(n, 0);
    QCC_TRY(read_axes(n, x->type, &attrs, &noop));
    if (noop) {
        n->out[0] = x;
        return QCC_OK;
    }
    return qcc_onnx_emit_out(n, n->row->def, &x, 1, &attrs);
}

static QccStatus unary(QccOnnxNode *n, QccValue **x, const QccOpDef *def)
{
    return qcc_onnx_emit(n, x, def, NULL, x, 1, NULL);
}

static QccStatus binary(QccOnnxNode *n, QccValue **x, const QccOpDef *def, QccValue *a, QccValue *b)
{
    QccValue *in[] = {a, b};
    return qcc_onnx_emit(n, x, def, NULL, in, 2, NULL);
}

/* Whether a reduced extent is 0. */
static bool reduces_nothing(const QccType *x, const QccReduceAttrs *a)
{
    bool empty = false;
    for (int i = 0; i < x->rank; i++) {
        bool reduced = a->axes.n == 0;
        for (int k = 0; k < a->axes.n; k++) reduced |= a->axes.v[k] == i;
        empty |= reduced && x->dim[i].n == 0;
    }
    return empty;
}

/* The largest element where it is finite, so that infinities do not meet: inf - inf. */
static QccStatus finite_max(QccOnnxNode *n, QccValue **m, QccValue *x, const QccReduceAttrs *keep)
{
    double most = x->type->dtype == QCC_F16 ? 65504 : 0x1.fep127; /* of bf16, exact in all others */
    QccValue *lo, *hi;
    QCC_TRY(qcc_onnx_real_like(n, &lo, x, -most));
    QCC_TRY(qcc_onnx_real_like(n, &hi, x, most));
    QCC_TRY(qcc_onnx_emit(n, m, &qcc_op_reduce_max, NULL, &x, 1, keep));
    QCC_TRY(binary(n, m, &qcc_op_max, *m, lo));
    return binary(n, m, &qcc_op_min, *m, hi);
}

QccStatus qcc_onnx_reduce_log_sum_exp(QccOnnxNode *n)
{
    bool noop;
    QccReduceAttrs attrs, keep;
    QccValue *x = qcc_onnx_in(n, 0), *m = NULL;
    QCC_TRY(read_axes(n, x->type, &attrs, &noop));
    if (!qcc_dtype_is_float(x->type->dtype)) {
        return qcc_onnx_unsupported(n, "of %s", qcc_dtype_name(x->type->dtype));
    }
    if (noop) { /* log(exp(x)) */
        n->out[0] = x;
        return QCC_OK;
    }
    keep = attrs;
    keep.keep = true;
    bool empty = reduces_nothing(x->type, &attrs);
    if (!empty) {
        QCC_TRY(finite_max(n, &m, x, &keep));
        QCC_TRY(binary(n, &x, &qcc_op_sub, x, m));
    }
    QCC_TRY(unary(n, &x, &qcc_op_exp));
    QCC_TRY(qcc_onnx_emit(n, &x, &qcc_op_reduce_sum, NULL, &x, 1, &attrs));
    if (empty) return qcc_onnx_emit_out(n, &qcc_op_log, &x, 1, NULL);
    QCC_TRY(unary(n, &x, &qcc_op_log));
    if (!attrs.keep) QCC_TRY(qcc_onnx_reshape(n, &m, m, NULL, x->type->rank, x->type->dim));
    QccValue *in[] = {x, m};
    return qcc_onnx_emit_out(n, &qcc_op_add, in, 2, NULL);
}

/* What is done to each element and to the sum, by the node's type. */
QccStatus qcc_onnx_reduce_between(QccOnnxNode *n)
{
    bool noop;
    QccReduceAttrs attrs;
    QccValue *x = qcc_onnx_in(n, 0);
    const char *type = n->row->type;
    const QccOpDef *after = !strcmp(type, "ReduceL2")       ? &qcc_op_sqrt
                            : !strcmp(type, "ReduceLogSum") ? &qcc_op_log
                                                            : NULL;
    QCC_TRY(read_axes(n, x->type, &attrs, &noop));
    if (!strcmp(type, "ReduceL1")) QCC_TRY(unary(n, &x, &qcc_op_abs));
    if (!strcmp(type, "ReduceL2") || !strcmp(type, "ReduceSumSquare")) {
        QCC_TRY(binary(n, &x, &qcc_op_mul, x, x));
    }
    if (!noop && !after) return qcc_onnx_emit_out(n, &qcc_op_reduce_sum, &x, 1, &attrs);
    if (!noop) QCC_TRY(qcc_onnx_emit(n, &x, &qcc_op_reduce_sum, NULL, &x, 1, &attrs));
    if (after) return qcc_onnx_emit_out(n, after, &x, 1, NULL);
    n->out[0] = x;
    return QCC_OK;
}
