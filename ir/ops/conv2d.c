/* conv2d - y[n,oy,ox,o] = sum over ky, kx, c of x[n,iy,ix,c] * w[o,ky,kx,c], plus bias[o].
 *
 * iy = oy*stride - top + ky*dilation, likewise ix; c runs over the group of o. The sum goes by
 * (ky, kx, c) ascending. A tap in the padding is a tap that reads 0 (the zero point), not one that
 * is left out: compiled code finds such zeros in the halo around x. It makes a difference only to
 * the sign of a zero, and to weights that are infinite or NaN.
 */
#include "ir/ops/contract.h"

#include <math.h>

#define EXTENT_MAX 1048576

const QccField qcc_conv_fields[] = {
    {"stride", QCC_FIELD_INTS, offsetof(QccConvAttrs, stride), "[1,1]", 1, EXTENT_MAX, NULL,
     "[h, w]"},
    {"pad", QCC_FIELD_INTS, offsetof(QccConvAttrs, pad), "[0,0,0,0]", 0, EXTENT_MAX, NULL,
     "[top, left, bottom, right], zeros around x"},
    {"dilation", QCC_FIELD_INTS, offsetof(QccConvAttrs, dilation), "[1,1]", 1, EXTENT_MAX, NULL,
     "[h, w], the distance of neighbouring taps"},
    {"groups", QCC_FIELD_INT, offsetof(QccConvAttrs, groups), "1", 1, EXTENT_MAX, NULL,
     "parts that input and output channels fall into; as many as channels: depthwise"},
    {0}};

QccStatus qcc_conv_infer(const QccOp *op, QccDim dim[4])
{
    const QccConvAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_ints(op, "stride", &a->stride, 2));
    QCC_TRY(qcc_op_need_ints(op, "pad", &a->pad, 4));
    QCC_TRY(qcc_op_need_ints(op, "dilation", &a->dilation, 2));
    const QccType *x = qcc_op_real(op, 0), *w = qcc_op_real(op, 1);
    if (x->rank != 4 || w->rank != 4)
        return qcc_op_error(op, "'%s' needs x[n,h,w,c] and w[o,kh,kw,c/groups]; they are %s and %s",
                            op->def->name, qcc_op_type_text(op, 0), qcc_op_type_text(op, 1));
    int64_t c, k[4];
    QCC_TRY(qcc_op_extent(op, 0, 3, &c));
    for (int i = 0; i < 4; i++) QCC_TRY(qcc_op_extent(op, 1, i, &k[i]));
    if (a->groups < 1 || c % a->groups || k[0] % a->groups || c / a->groups != k[3])
        return qcc_op_error(op,
                            "'%s' needs x[n,h,w,c] and w[o,kh,kw,c/groups]; with groups=%lld, "
                            "c is %lld in x, w has %lld of it and %lld outputs",
                            op->def->name, (long long)a->groups, (long long)c, (long long)k[3],
                            (long long)k[0]);
    dim[0] = x->dim[0];
    dim[3] = w->dim[0];
    for (int i = 0; i < 2; i++)
        QCC_TRY(qcc_infer_window(op, 1 + i, k[1 + i], a->stride.v[i], a->dilation.v[i], a->pad.v[i],
                                 a->pad.v[2 + i], false, &dim[1 + i]));
    return QCC_OK;
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccDim dim[4];
    bool has_bias = qcc_op_has(op, 2);
    QCC_TRY(qcc_op_need_real(op, 0, has_bias ? 2 : 1));
    QCC_TRY(qcc_conv_infer(op, dim));
    if (has_bias) {
        const QccType *b = qcc_op_real(op, 2);
        if (b->rank != 1 || !qcc_dim_equal(&b->dim[0], &dim[3]))
            return qcc_op_error(op, "'conv2d' needs a bias for each of %lld outputs; it is %s",
                                (long long)dim[3].n, qcc_op_type_text(op, 2));
    }
    *result = qcc_type(op->graph->ir, qcc_op_real(op, 0)->dtype, 4, dim, NULL);
    return QCC_OK;
}

/* ---- meaning ----------------------------------------------------------------------------------
 */

/* One tap of one output pixel: `x` is the input pixel, `w` this tap of the weights as [c][o], so
 * that neighbouring outputs lie side by side. */
static void tap(const QccProduct *p, int64_t groups, int64_t ci, int64_t co, const QccNumber *x,
                const QccNumber *w, QccNumber *y)
{
    if (ci == 1 && co == 1) { /* depthwise: a row of products in place of groups of one */
        qcc_product_pairs(p->integer, y, x, w, groups);
        return;
    }
    for (int64_t g = 0; g < groups; g++) {
        for (int64_t c = 0; c < ci; c++)
            qcc_product_step(p->integer, y + g * co, x[g * ci + c], w + (c * groups + g) * co, co);
    }
}

/* One output pixel; `nothing` is a pixel of zeros. */
static void pixel(const QccProduct *p, const QccConvAttrs *a, const int64_t *xd, const int64_t *wd,
                  const QccNumber *w, const QccNumber *image, const QccNumber *nothing, int64_t oy,
                  int64_t ox, QccNumber *y)
{
    for (int64_t ky = 0; ky < wd[1]; ky++) {
        for (int64_t kx = 0; kx < wd[2]; kx++, w += wd[3] * wd[0]) {
            int64_t iy = oy * a->stride.v[0] - a->pad.v[0] + ky * a->dilation.v[0];
            int64_t ix = ox * a->stride.v[1] - a->pad.v[1] + kx * a->dilation.v[1];
            bool inside = iy >= 0 && iy < xd[1] && ix >= 0 && ix < xd[2];
            const QccNumber *x = inside ? image + (iy * xd[2] + ix) * xd[3] : nothing;
            tap(p, a->groups, wd[3], wd[0] / a->groups, x, w, y);
        }
    }
    if (p->bias) qcc_product_bias(p->integer, y, p->bias, wd[0]);
}

void qcc_conv_run(const QccProduct *p, const QccConvAttrs *a, const QccTensor *in,
                  const QccTensor *result, QccArena *arena)
{
    const int64_t *xd = in[0].dim, *wd = in[1].dim, *yd = result->dim;
    const QccNumber *w = qcc_product_transpose(p->w, wd[0], wd[1] * wd[2] * wd[3], arena);
    const QccNumber *nothing = QCC_NEW_ARRAY(arena, xd[3], QccNumber);
    for (int64_t i = 0; i < result->count; i++) p->y[i].i = 0;
    QccNumber *y = p->y;
    for (int64_t n = 0; n < yd[0]; n++) {
        const QccNumber *image = p->x + n * xd[1] * xd[2] * xd[3];
        for (int64_t oy = 0; oy < yd[1]; oy++) {
            for (int64_t ox = 0; ox < yd[2]; ox++, y += yd[3])
                pixel(p, a, xd, wd, w, image, nothing, oy, ox, y);
        }
    }
}

/* One output over f64, likewise by fma; a tap in the padding reads 0. */
static double output_f64(const QccConvAttrs *a, const QccTensor *in, int64_t n, int64_t oy,
                         int64_t ox, int64_t o)
{
    const int64_t *xd = in[0].dim, *wd = in[1].dim;
    const double *x = in[0].data, *w = in[1].data;
    int64_t first = o / (wd[0] / a->groups) * wd[3];
    double sum = 0;
    w += o * wd[1] * wd[2] * wd[3];
    for (int64_t ky = 0; ky < wd[1]; ky++) {
        for (int64_t kx = 0; kx < wd[2]; kx++) {
            int64_t iy = oy * a->stride.v[0] - a->pad.v[0] + ky * a->dilation.v[0];
            int64_t ix = ox * a->stride.v[1] - a->pad.v[1] + kx * a->dilation.v[1];
            bool inside = iy >= 0 && iy < xd[1] && ix >= 0 && ix < xd[2];
            int64_t at = ((n * xd[1] + iy) * xd[2] + ix) * xd[3] + first;
            for (int64_t c = 0; c < wd[3]; c++) sum = fma(inside ? x[at + c] : 0, *w++, sum);
        }
    }
    return sum;
}

static void eval_f64(const QccOp *op, const QccTensor *in, const QccTensor *result)
{
    const int64_t *yd = result->dim;
    const double *bias = qcc_op_has(op, 2) ? in[2].data : NULL;
    double *y = result->data;
    for (int64_t at = 0; at < result->count; at++) {
        int64_t o = at % yd[3], ox = at / yd[3] % yd[2], oy = at / yd[3] / yd[2] % yd[1];
        y[at] = output_f64(op->attrs, in, at / yd[3] / yd[2] / yd[1], oy, ox, o);
        if (bias) y[at] += bias[o];
    }
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    QccProduct p;
    if (result->type->dtype == QCC_F64) {
        eval_f64(op, in, result);
        return QCC_OK;
    }
    QCC_TRY(qcc_product_init(&p, op, in, result, qcc_op_has(op, 2), arena));
    qcc_conv_run(&p, op->attrs, in, result, arena);
    return QCC_OK;
}

static QccStatus unit(const QccOp *op, QccArena *arena, QccUnit *u)
{
    return qcc_product_unit(op, 0, arena, u);
}

/* ---- lowering ---------------------------------------------------------------------------------
 */

/* Weights that are values of the run: the windows are copied side by side, [g][n,oh,ow][kh,kw,ci],
 * and each group is a product of matrices. */
static QccStatus lower_windows(const QccOp *op, QccKernelList *list)
{
    enum { GROUPS_MAX = 16, RANK = 7 };
    const QccConvAttrs *a = op->attrs;
    const QccType *x = op->in[0].value->type, *w = op->in[1].value->type;
    int64_t y[QCC_MAX_RANK], wd[QCC_MAX_RANK], stride[RANK];
    if (x->dtype != QCC_F32 || w->dtype != QCC_F32 || a->groups > GROUPS_MAX ||
        !qcc_type_extents(w, wd) || !qcc_type_extents(op->out[0].type, y))
        return QCC_ERROR_UNSUPPORTED;
    const int64_t *pitch = list->in[0]->pitch;
    int64_t co = wd[0] / a->groups, depth = wd[1] * wd[2] * wd[3];
    const int64_t extent[RANK] = {a->groups, y[0], y[1], y[2], wd[1], wd[2], wd[3]};
    const int64_t from[RANK] = {wd[3],
                                pitch[0],
                                pitch[1] * a->stride.v[0],
                                pitch[2] * a->stride.v[1],
                                pitch[1] * a->dilation.v[0],
                                pitch[2] * a->dilation.v[1],
                                1};
    qcc_dense_strides(RANK, extent, stride);
    int64_t *origin = QCC_NEW_ARRAY(list->arena, 4, int64_t);
    origin[1] = -a->pad.v[0];
    origin[2] = -a->pad.v[1];
    int windows = qcc_lower_temp(list, QCC_F32, RANK, extent), turned = qcc_product_turn(op, list);
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, RANK, extent);
    qcc_lower_temp_arg(k, windows, QCC_F32, stride);
    qcc_lower_operand(k, 0, QCC_F32, from, origin);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    e->result = qcc_lower_arg_node(e, k, 1);
    const int64_t space[4] = {y[0], y[1], y[2], co};
    for (int64_t g = 0; g < a->groups; g++) {
        int64_t *to = QCC_NEW_ARRAY(list->arena, 4, int64_t);
        to[3] = g * co;
        k = qcc_lower_kernel(list, QCC_ANCHOR_CONTRACT, 4, space);
        QccContractShape *shape = &k->kernel->u.contract;
        *shape = qcc_row_product_shape(depth, stride[1], stride[3]);
        shape->a_h = stride[2];
        qcc_lower_result(k, op->out[0].type->dtype, list->result->pitch, to);
        k->source[qcc_lower_temp_arg(k, windows, QCC_F32, NULL)].offset = g * stride[0];
        qcc_product_lower_turned(op, list, k, turned, g * co);
    }
    return QCC_OK;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccConvAttrs *a = op->attrs;
    const QccBlob *w = qcc_lower_const(op, 1);
    const QccLayout *x = list->in[0];
    int64_t yd[QCC_MAX_RANK];
    if (op->out[0].type->dtype == QCC_F64) return QCC_ERROR_UNSUPPORTED;
    if (!x || !qcc_type_extents(op->out[0].type, yd)) return QCC_ERROR_UNSUPPORTED;
    for (int i = 0; i < 2; i++) { /* the padding must be there to be read */
        if (x->halo_before[1 + i] < a->pad.v[i] || x->halo_after[1 + i] < a->pad.v[2 + i])
            return QCC_ERROR_UNSUPPORTED;
    }
    if (!w) return lower_windows(op, list);
    bool depthwise = a->groups > 1 && a->groups == w->dim[0] && w->dim[3] == 1;
    QccLoweredKernel *k =
        qcc_lower_kernel(list, depthwise ? QCC_ANCHOR_DEPTHWISE : QCC_ANCHOR_CONTRACT, 4, yd);
    k->kernel->u.contract = qcc_conv_shape(a, w->dim, x->pitch);
    qcc_lower_result(k, op->out[0].type->dtype, list->result->pitch, NULL);
    int64_t *origin = QCC_NEW_ARRAY(list->arena, 4, int64_t);
    origin[1] = -a->pad.v[0];
    origin[2] = -a->pad.v[1];
    int64_t inner = w->dim[1] * w->dim[2] * w->dim[3];
    return qcc_product_lower(op, list, k, origin, w, inner, 1, qcc_op_has(op, 2));
}

/* ---- sample -----------------------------------------------------------------------------------
 */

static void sample(QccRandom *r, QccSample *s)
{
    int64_t groups = qcc_random_range(r, 0, 2) ? 1 : qcc_random_range(r, 2, 20);
    int64_t ci = qcc_random_range(r, 1, groups > 1 ? 2 : 19);
    int64_t co = qcc_random_range(r, 1, groups > 1 ? 2 : 37);
    QccConvAttrs a = {.stride = {2, {0}}, .pad = {4, {0}}, .dilation = {2, {0}}, .groups = groups};
    int64_t x[4] = {qcc_random_range(r, 1, 2), 0, 0, ci * groups};
    int64_t w[4] = {co * groups, 0, 0, ci};
    for (int i = 0; i < 2; i++) {
        w[1 + i] = qcc_random_range(r, 1, 3);
        a.stride.v[i] = qcc_random_range(r, 1, 3);
        a.dilation.v[i] = qcc_random_range(r, 1, 2);
        a.pad.v[i] = qcc_random_range(r, 0, 2);
        a.pad.v[2 + i] = qcc_random_range(r, 0, 2);
        x[1 + i] = (w[1 + i] - 1) * a.dilation.v[i] + qcc_random_range(r, 1, 7);
    }
    QccValue *in[3] = {qcc_sample_param(s, qcc_sample_shape(s, 4, x)), NULL, NULL};
    int nin = 2;
    bool known = qcc_random_range(r, 0, 7) > 0;
    const QccType *type = qcc_sample_shape(s, 4, w);
    in[1] = known ? qcc_sample_const(s, type) : qcc_sample_param(s, type);
    if (qcc_random_bool(r)) in[nin++] = qcc_sample_const(s, qcc_sample_shape(s, 1, w));
    s->quantizable = known;
    qcc_sample_op(s, &qcc_op_conv2d, in, nin, &a);
}

const QccOpDef qcc_op_conv2d = {
    .name = "conv2d",
    .summary = "convolution of x[n,h,w,c] with w[o,kh,kw,c/groups], plus bias[o]",
    .min_in = 2,
    .max_in = 3,
    .nout = 1,
    .traits = QCC_TRAIT_CONTRACTION | QCC_TRAIT_HOMOGENEOUS,
    .attr_size = sizeof(QccConvAttrs),
    .attrs = qcc_conv_fields,
    .quant = {.kind = QCC_QUANT_AFFINE, .weight = 1, .weight_axis = 0, .bias = 2},
    .infer = infer,
    .eval = eval,
    .unit = unit,
    .sample = sample,
    .lower = lower,
};
