/* lower - helpers of the ops' `lower`: kernels, their arguments, strides of merged dimensions. */
#include <assert.h>

#include "ir/kernel.h"
#include "ir/ops.h"

QccLoweredKernel *qcc_lower_kernel(QccKernelList *list, QccAnchor anchor, int rank,
                                   const int64_t *extent)
{
    list->kernel = qcc_grow(list->arena, list->kernel, list->n, &list->cap, sizeof *list->kernel);
    QccLoweredKernel *k = &list->kernel[list->n++];
    *k = (QccLoweredKernel){.kernel = QCC_NEW(list->arena, QccKernel)};
    k->kernel->anchor = anchor;
    k->kernel->rank = rank;
    for (int i = 0; i < rank; i++) k->kernel->extent[i] = extent[i];
    for (int i = 0; i < QCC_MAX_RANK; i++) {
        k->result_dim[i] = i;
        k->result_step[i] = 1;
        k->correction_dim[i] = 1;
    }
    return k;
}

/* ---- arguments ------------------------------------------------------------------------------ */

static int add_arg(QccLoweredKernel *k, QccDtype dtype, const int64_t *stride, QccSource source)
{
    QccKernel *kernel = k->kernel;
    int n = kernel->narg++;
    assert(n < QCC_KERNEL_ARGS);
    kernel->arg[n] = (QccKernelArg){.dtype = dtype};
    for (int i = 0; stride && i < kernel->rank; i++) kernel->arg[n].stride[i] = stride[i];
    k->source[n] = source;
    return n;
}

int qcc_lower_result(QccLoweredKernel *k, QccDtype dtype, const int64_t *stride,
                     const int64_t *index_offset)
{
    assert(k->kernel->narg == 0);
    return add_arg(k, dtype, stride,
                   (QccSource){.kind = QCC_SOURCE_RESULT, .index_offset = index_offset});
}

int qcc_lower_operand(QccLoweredKernel *k, int operand, QccDtype dtype, const int64_t *stride,
                      const int64_t *index_offset)
{
    return add_arg(
        k, dtype, stride,
        (QccSource){.kind = QCC_SOURCE_OPERAND, .index = operand, .index_offset = index_offset});
}

int qcc_lower_const_arg(QccLoweredKernel *k, const QccBlob *blob, const int64_t *stride)
{
    return add_arg(k, blob->dtype, stride, (QccSource){.kind = QCC_SOURCE_CONST, .blob = blob});
}

int qcc_lower_weight(QccLoweredKernel *k, int operand, const QccBlob *blob)
{
    return add_arg(k, blob->dtype, NULL,
                   (QccSource){.kind = QCC_SOURCE_WEIGHT, .index = operand, .blob = blob});
}

int qcc_lower_temp(QccKernelList *list, QccDtype dtype, int rank, const int64_t *dim)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= dim[i];
    list->temp =
        qcc_grow(list->arena, list->temp, list->ntemp, &list->temp_cap, sizeof *list->temp);
    list->temp[list->ntemp] = qcc_dtype_size(dtype, count);
    return list->ntemp++;
}

int qcc_lower_temp_arg(QccLoweredKernel *k, int temp, QccDtype dtype, const int64_t *stride)
{
    return add_arg(k, dtype, stride, (QccSource){.kind = QCC_SOURCE_TEMP, .index = temp});
}

/* ---- expressions ------------------------------------------------------------------------------
 */

QccExpr *qcc_lower_expr(QccKernelList *list)
{
    QccExpr *e = QCC_NEW(list->arena, QccExpr);
    qcc_expr_init(e, list->arena);
    return e;
}

int qcc_lower_arg_node(QccExpr *e, const QccLoweredKernel *k, int arg)
{
    return qcc_expr_arg(e, arg, qcc_expr_type_of(k->kernel->arg[arg].dtype));
}

bool qcc_lower_real(QccKernelList *list, QccLoweredKernel *k, const QccType *type, QccReal *real)
{
    float scale = 1;
    int32_t zero = 0;
    *real = (QccReal){-1, -1};
    if (!type->quant) return type->dtype == QCC_F32;
    if (type->quant->kind != QCC_QUANT_STATIC || !qcc_quant_is_tensor(type->quant, &scale, &zero))
        return false;
    QccBlob *zeros = qcc_blob(list->arena, QCC_I32, 0, NULL, &zero, true);
    QccBlob *scales = qcc_blob(list->arena, QCC_F32, 0, NULL, &scale, true);
    real->zero = qcc_lower_const_arg(k, zeros, NULL);
    real->scale = qcc_lower_const_arg(k, scales, NULL);
    return true;
}

int qcc_lower_real_node(QccExpr *e, const QccLoweredKernel *k, const QccReal *real, int x)
{
    if (real->zero < 0) return x;
    int centered = qcc_expr_op2(e, QCC_EX_sub, x, qcc_lower_arg_node(e, k, real->zero));
    int s = qcc_lower_arg_node(e, k, real->scale);
    return qcc_expr_op2(e, QCC_EX_mul, qcc_expr_cvt(e, QCC_EX_F32, centered), s);
}

/* ---- operands and strides ---------------------------------------------------------------------
 */

const QccBlob *qcc_lower_const(const QccOp *op, int operand)
{
    const QccValue *v = qcc_op_in(op, operand);
    while (v && !v->def && v->graph->parent) v = qcc_body_operand(v);
    return v ? qcc_value_const(v) : NULL;
}

int64_t qcc_lower_pitch(const QccKernelList *list, const QccOp *op, int index, int i)
{
    if (list->in[index]) return list->in[index]->pitch[i];
    const QccType *t = op->in[index].value->type;
    int64_t pitch = 1;
    for (int d = i + 1; d < t->rank; d++) pitch *= t->dim[d].n;
    return pitch;
}

bool qcc_lower_merge(const int64_t *dim, const int64_t *pitch, int first, int last, int64_t *extent,
                     int64_t *stride)
{
    *extent = 1;
    *stride = 0;
    for (int i = last; i >= first; i--) {
        if (dim[i] == 1) continue; /* wherever it lies, it is one place */
        if (*extent == 1)
            *stride = pitch[i];
        else if (pitch[i] != *stride * *extent)
            return false;
        *extent *= dim[i];
    }
    return true;
}

bool qcc_lower_strides(const QccLoweredKernel *k, int rank, const int64_t *dim,
                       const int64_t *stride, int64_t *out)
{
    for (int i = 0; i < k->kernel->rank; i++) out[i] = 0;
    for (int first = 0; first < rank;) {
        int last = first;
        while (last + 1 < rank && k->result_dim[last + 1] == k->result_dim[first]) last++;
        int64_t extent, step;
        if (!qcc_lower_merge(dim, stride, first, last, &extent, &step)) return false;
        if (extent > 1) out[k->result_dim[first]] = step;
        first = last + 1;
    }
    return true;
}
