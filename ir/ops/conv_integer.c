/* conv_integer - y[n,oy,ox,o] = sum of (x - x_zero) * (w - w_zero) over a window, exactly, in i32.
 *
 * x[n,h,w,c], w[o,kh,kw,c/groups] and their zero points are bytes; zero points broadcast and may be
 * values of the run. The padding adds nothing. Sums wrap.
 */
#include "ir/ops/contract.h"

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccDim dim[4];
    QCC_TRY(qcc_product_need_bytes(op));
    QCC_TRY(qcc_conv_infer(op, dim));
    *result = qcc_type(op->graph->ir, QCC_I32, 4, dim, NULL);
    return QCC_OK;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    QccProduct p;
    qcc_product_bytes(&p, op, in, result, arena);
    qcc_conv_run(&p, op->attrs, in, result, arena);
    return QCC_OK;
}

/* Whether a zero point is one for the tensor, or one for each index of dimension 0. */
static bool zero_strides(const QccOp *op, QccKernelList *list, int i, int dim, int64_t *stride)
{
    if (!qcc_op_has(op, i)) return true;
    const QccType *t = op->in[i].value->type;
    bool each = dim >= 0 && t->rank == 4 && t->dim[0].n > 1;
    if (qcc_type_count(t) != (each ? t->dim[0].n : 1)) return false;
    if (each) stride[dim] = qcc_lower_pitch(list, op, i, 0);
    return true;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccConvAttrs *a = op->attrs;
    const QccBlob *w = qcc_lower_const(op, 1);
    int64_t x[4], padded[4], pitch[4];
    QccByteProduct p = {.a = -1, .result_dim = {0, 1, 2, 3}};
    if (!w || !qcc_type_extents(op->in[0].value->type, x) ||
        !qcc_type_extents(op->out[0].type, p.extent) || !zero_strides(op, list, 2, -1, p.a_zero) ||
        !zero_strides(op, list, 3, 3, p.b_zero))
        return QCC_ERROR_UNSUPPORTED;
    const int64_t before[4] = {0, a->pad.v[0], a->pad.v[1], 0};
    for (int i = 0; i < 4; i++) {
        padded[i] = x[i] + before[i] + (i == 1 || i == 2 ? a->pad.v[1 + i] : 0);
        pitch[i] = qcc_lower_pitch(list, op, 0, i);
        p.result[i] = list->result->pitch[i];
    }
    p.a = qcc_lower_unsigned(op, list, padded, before, pitch);
    p.o_stride = w->dim[1] * w->dim[2] * w->dim[3];
    p.i_stride = 1;
    int64_t rows = padded[2] * padded[3];
    p.shape = qcc_conv_shape(a, w->dim, (int64_t[]){padded[1] * rows, rows, padded[3]});
    return qcc_lower_bytes(op, list, &p);
}

static void sample(QccRandom *r, QccSample *s)
{
    int64_t groups = qcc_random_range(r, 1, 2), c = qcc_random_range(r, 1, 4);
    int64_t x[4] = {1, qcc_random_range(r, 3, 6), qcc_random_range(r, 3, 6), c * groups};
    int64_t w[4] = {groups * qcc_random_range(r, 1, 3), 3, qcc_random_range(r, 1, 3), c};
    int64_t zero[4] = {w[0], 1, 1, 1};
    QccConvAttrs a = {
        .stride = {2, {1, 2}}, .pad = {4, {1, 0, 0, 1}}, .dilation = {2, {1, 1}}, .groups = groups};
    QccIr *ir = s->graph->ir;
    QccDtype tx = qcc_random_bool(r) ? QCC_U8 : QCC_I8, tw = qcc_random_bool(r) ? QCC_U8 : QCC_I8;
    QccValue *in[4] = {qcc_sample_param(s, qcc_type_shape(ir, tx, 4, x)),
                       qcc_sample_const(s, qcc_type_shape(ir, tw, 4, w))};
    if (qcc_random_bool(r)) in[2] = qcc_sample_param(s, qcc_type_shape(ir, tx, 0, NULL));
    if (qcc_random_bool(r)) in[3] = qcc_sample_const(s, qcc_type_shape(ir, tw, 4, zero));
    qcc_sample_op(s, &qcc_op_conv_integer, in, 4, &a);
}

const QccOpDef qcc_op_conv_integer = {
    .name = "conv_integer",
    .summary = "exact convolution of bytes x[n,h,w,c] with bytes w[o,kh,kw,c/groups], in i32",
    .min_in = 2,
    .max_in = 4,
    .nout = 1,
    .attr_size = sizeof(QccConvAttrs),
    .attrs = qcc_conv_fields,
    .infer = infer,
    .eval = eval,
    .sample = sample,
    .lower = lower,
};
