/* pool - what max_pool and avg_pool share. */
#include "ir/ops/pool.h"

#include <math.h>

/* Plain bytes have a largest one as well. */
static bool is_byte(const QccType *t)
{
    return !t->quant && (t->dtype == QCC_U8 || t->dtype == QCC_I8);
}

QccStatus qcc_pool_infer(QccOp *op, const QccType **result)
{
    const QccPoolAttrs *a = op->attrs;
    bool bytes = op->def == &qcc_op_max_pool && qcc_op_has(op, 0) && is_byte(qcc_op_real(op, 0));
    if (!bytes) QCC_TRY(qcc_op_need_real(op, 0, 0));
    QCC_TRY(qcc_op_need_ints(op, "kernel", &a->kernel, 2));
    QCC_TRY(qcc_op_need_ints(op, "stride", &a->stride, 2));
    QCC_TRY(qcc_op_need_ints(op, "pad", &a->pad, 4));
    QCC_TRY(qcc_op_need_ints(op, "dilation", &a->dilation, 2));
    const QccType *x = qcc_op_real(op, 0);
    if (x->rank != 4)
        return qcc_op_error(op, "'%s' needs x[n,h,w,c]; it is %s", op->def->name,
                            qcc_op_type_text(op, 0));
    QccDim dim[4] = {x->dim[0], {0}, {0}, x->dim[3]};
    for (int i = 0; i < 2; i++) {
        int64_t k = a->kernel.v[i], d = a->dilation.v[i], span = (k - 1) * d;
        int64_t before = a->pad.v[i], after = a->pad.v[2 + i];
        if (before > span || after > span)
            return qcc_op_error(op,
                                "'%s' needs a pad smaller than the window; in dimension %d they "
                                "are %lld, %lld and %lld",
                                op->def->name, 1 + i, (long long)before, (long long)after,
                                (long long)span + 1);
        QCC_TRY(
            qcc_infer_window(op, 1 + i, k, a->stride.v[i], d, before, after, a->ceil, &dim[1 + i]));
    }
    *result = qcc_type(op->graph->ir, x->dtype, 4, dim, NULL);
    return QCC_OK;
}

/* ---- meaning ----------------------------------------------------------------------------------
 */

/* The taps [*first, *end) of output o whose positions along dimension i lie in [lo, hi). Computed,
 * not tried one by one: a window may be far larger than x. */
static void tap_range(const QccPoolAttrs *a, int i, int64_t o, int64_t lo, int64_t hi,
                      int64_t *first, int64_t *end)
{
    int64_t origin = o * a->stride.v[i] - a->pad.v[i], step = a->dilation.v[i];
    *first = origin < lo ? (lo - origin + step - 1) / step : 0;
    *end = hi > origin ? (hi - origin + step - 1) / step : 0;
    if (*end > a->kernel.v[i]) *end = a->kernel.v[i];
    if (*first > *end) *first = *end;
}

static int64_t taps_between(const QccPoolAttrs *a, int i, int64_t o, int64_t lo, int64_t hi)
{
    int64_t first, end;
    tap_range(a, i, o, lo, hi, &first, &end);
    return end - first;
}

int64_t qcc_pool_taps(const QccPoolAttrs *a, int64_t ih, int64_t iw, int64_t oy, int64_t ox,
                      bool padded)
{
    int64_t h = padded ? taps_between(a, 0, oy, -a->pad.v[0], ih + a->pad.v[2])
                       : taps_between(a, 0, oy, 0, ih);
    int64_t w = padded ? taps_between(a, 1, ox, -a->pad.v[1], iw + a->pad.v[3])
                       : taps_between(a, 1, ox, 0, iw);
    return h * w;
}

static void combine_f32(float *acc, const float *x, int64_t n, bool max)
{
    for (int64_t c = 0; c < n; c++) {
        if (max)
            acc[c] = acc[c] > x[c] ? acc[c] : x[c];
        else
            acc[c] += x[c];
    }
}

static void combine_f64(double *acc, const double *x, int64_t n, bool max)
{
    for (int64_t c = 0; c < n; c++) {
        if (max)
            acc[c] = acc[c] > x[c] ? acc[c] : x[c];
        else
            acc[c] += x[c];
    }
}

static void combine_i32(int32_t *acc, const QccTensor *x, int64_t at, int64_t n, int32_t zero,
                        bool max)
{
    for (int64_t c = 0; c < n; c++) {
        int32_t q = qcc_load_integer(x, at + c) - zero;
        if (max)
            acc[c] = acc[c] > q ? acc[c] : q;
        else
            acc[c] = (int32_t)((uint32_t)acc[c] + (uint32_t)q);
    }
}

/* Of quantized values the accumulator; bytes go the same way, their zero being 0. */
static QccStatus eval_windows(const QccOp *op, const QccTensor *in, const QccTensor *result,
                              bool max)
{
    const QccPoolAttrs *a = op->attrs;
    bool f64 = in[0].type->dtype == QCC_F64, quant = !f64 && in[0].type->dtype != QCC_F32;
    const int64_t *xd = in[0].dim, *yd = result->dim;
    int32_t zero = 0;
    int64_t least = 0, most, c = yd[3], pixels = c ? result->count / c : 0;
    if (in[0].type->quant) QCC_TRY(qcc_op_tensor_quant(op, 0, NULL, &zero));
    if (quant) qcc_dtype_range(in[0].type->dtype, &least, &most);
    for (int64_t pixel = 0; pixel < pixels; pixel++) {
        int64_t ox = pixel % yd[2], oy = pixel / yd[2] % yd[1], n = pixel / yd[2] / yd[1];
        float *f = (float *)result->data + pixel * c;
        double *d = (double *)result->data + pixel * c;
        int32_t *q = (int32_t *)result->data + pixel * c;
        for (int64_t i = 0; i < c && f64; i++) d[i] = max ? -(double)INFINITY : 0;
        for (int64_t i = 0; i < c && !f64 && !quant; i++) f[i] = max ? -INFINITY : 0;
        for (int64_t i = 0; i < c && quant; i++) q[i] = max ? (int32_t)least - zero : 0;
        int64_t ky, ky_end, kx_first, kx_end;
        tap_range(a, 0, oy, 0, xd[1], &ky, &ky_end);
        tap_range(a, 1, ox, 0, xd[2], &kx_first, &kx_end);
        for (; ky < ky_end; ky++) {
            for (int64_t kx = kx_first; kx < kx_end; kx++) {
                int64_t iy = oy * a->stride.v[0] - a->pad.v[0] + ky * a->dilation.v[0];
                int64_t ix = ox * a->stride.v[1] - a->pad.v[1] + kx * a->dilation.v[1];
                int64_t from = ((n * xd[1] + iy) * xd[2] + ix) * c;
                if (quant)
                    combine_i32(q, &in[0], from, c, zero, max);
                else if (f64)
                    combine_f64(d, (const double *)in[0].data + from, c, max);
                else
                    combine_f32(f, (const float *)in[0].data + from, c, max);
            }
        }
    }
    return QCC_OK;
}

QccStatus qcc_pool_eval(const QccOp *op, const QccTensor *in, const QccTensor *result, bool max,
                        QccArena *arena)
{
    if (!is_byte(in[0].type)) return eval_windows(op, in, result, max);
    QccTensor acc = *result;
    int32_t *q = QCC_NEW_ARRAY(arena, result->count, int32_t);
    acc.data = q;
    QCC_TRY(eval_windows(op, in, &acc, max));
    for (int64_t i = 0; i < result->count; i++) ((uint8_t *)result->data)[i] = (uint8_t)q[i];
    return QCC_OK;
}

/* ---- lowering ---------------------------------------------------------------------------------
 */

QccLoweredKernel *qcc_pool_lower(const QccOp *op, QccKernelList *list, bool max)
{
    const QccPoolAttrs *a = op->attrs;
    const QccType *x = op->in[0].value->type;
    const QccLayout *layout = list->in[0];
    int64_t xd[QCC_MAX_RANK], yd[QCC_MAX_RANK];
    if (!layout || !qcc_type_extents(x, xd) || !qcc_type_extents(op->out[0].type, yd)) return NULL;
    if (x->quant ? qcc_dtype_bits(x->dtype) != 8 : x->dtype != QCC_F32 && !is_byte(x)) return NULL;
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_POOL, 4, yd);
    k->kernel->u.pool = (QccPoolShape){.combine = max ? QCC_COMBINE_MAX : QCC_COMBINE_SUM,
                                       .ih = xd[1],
                                       .iw = xd[2],
                                       .kh = a->kernel.v[0],
                                       .kw = a->kernel.v[1],
                                       .stride_h = a->stride.v[0],
                                       .stride_w = a->stride.v[1],
                                       .dil_h = a->dilation.v[0],
                                       .dil_w = a->dilation.v[1],
                                       .pad_top = a->pad.v[0],
                                       .pad_left = a->pad.v[1],
                                       .a_n = layout->pitch[0],
                                       .a_h = layout->pitch[1],
                                       .a_w = layout->pitch[2]};
    qcc_lower_result(k, op->out[0].type->dtype, list->result->pitch, NULL);
    qcc_lower_operand(k, 0, x->dtype, NULL, NULL);
    k->kernel->nanchor = 1;
    return k;
}

/* ---- sample -----------------------------------------------------------------------------------
 */

void qcc_pool_sample(QccRandom *r, QccSample *s, const QccOpDef *def)
{
    QccPoolAttrs a = {
        .kernel = {2, {0}}, .stride = {2, {0}}, .pad = {4, {0}}, .dilation = {2, {0}}};
    int64_t x[4] = {qcc_random_range(r, 1, 2), 0, 0, qcc_random_range(r, 1, 40)};
    for (int i = 0; i < 2; i++) {
        a.kernel.v[i] = qcc_random_range(r, 1, 4);
        a.stride.v[i] = qcc_random_range(r, 1, 3);
        a.dilation.v[i] = qcc_random_range(r, 0, 3) ? 1 : 2;
        int64_t span = (a.kernel.v[i] - 1) * a.dilation.v[i];
        int64_t pad_max = a.dilation.v[i] > 1 ? 1 : a.kernel.v[i] / 2;
        a.pad.v[i] = qcc_random_range(r, 0, pad_max < span ? pad_max : span);
        a.pad.v[2 + i] = qcc_random_range(r, 0, pad_max < span ? pad_max : span);
        x[1 + i] = span + qcc_random_range(r, 1, 7);
    }
    a.ceil = qcc_random_bool(r);
    a.include_pad = qcc_random_bool(r) && def == &qcc_op_avg_pool;
    const QccType *type = qcc_sample_shape(s, 4, x);
    bool bytes = def == &qcc_op_max_pool && qcc_random_range(r, 0, 7) == 0;
    if (bytes) type = qcc_type_plain(s->graph->ir, type, qcc_random_bool(r) ? QCC_U8 : QCC_I8);
    QccValue *in = qcc_sample_param(s, type);
    s->quantizable = !bytes;
    qcc_sample_op(s, def, &in, 1, &a);
}
