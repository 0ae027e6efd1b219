/* onnx_window - windows of Conv, ConvTranspose and the pools, and channels-last values. */
#include "frontend/onnx_window.h"
#include "ir/ops/common.h"

#include <string.h>

/* ---- attributes --------------------------------------------------------------------------- */

QccStatus qcc_onnx_window_init(const QccOnnxNode *n, QccOnnxWindow *w, const QccType *x)
{
    int spatial = x->rank - 2;
    if (spatial < 1) return qcc_onnx_wrong(n, "needs x[n,c,...], found rank %d", x->rank);
    if (spatial > QCC_ONNX_SPATIAL) {
        return qcc_onnx_unsupported(n, "%d spatial dimensions", spatial);
    }
    *w = (QccOnnxWindow){
        .n = spatial, .dims = spatial == 3 ? 3 : 2, .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
    for (int i = spatial; i < w->dims; i++) w->kernel[i] = 1;
    return QCC_OK;
}

QccStatus qcc_onnx_window_ints(QccOnnxNode *n, const char *name, int want, int64_t min, int64_t *v,
                               bool *given)
{
    QccInts list = {0};
    QCC_TRY(qcc_onnx_attr_ints(n, name, &list, given));
    if (!*given) return QCC_OK;
    if (list.n != want) {
        return qcc_onnx_wrong(n, "needs %d numbers in attribute '%s', found %d", want, name,
                              list.n);
    }
    for (int i = 0; i < want; i++) {
        if (list.v[i] < min || list.v[i] > QCC_ONNX_WINDOW_MAX) {
            return qcc_onnx_wrong(n, "has %lld in attribute '%s', wanted %lld to %d",
                                  (long long)list.v[i], name, (long long)min, QCC_ONNX_WINDOW_MAX);
        }
        v[i] = list.v[i];
    }
    return QCC_OK;
}

/* SAME_*: as many outputs as ceil(in / stride); the odd one of the padding goes to the end (UPPER)
 * or to the beginning. */
static QccStatus same_pads(const QccOnnxNode *n, QccOnnxWindow *w, const QccType *x, bool upper)
{
    for (int i = 0; i < w->n; i++) {
        const QccDim *d = &x->dim[2 + i];
        if (d->sym[0]) return qcc_onnx_needs_shape(n, "auto_pad over a dynamic extent");
        int64_t out = d->n / w->stride[i] + (d->n % w->stride[i] != 0);
        int64_t reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
        int64_t total = (out - 1) * w->stride[i] + reach - d->n;
        if (total < 0) total = 0;
        w->before[i] = upper ? total / 2 : total - total / 2;
        w->after[i] = total - w->before[i];
    }
    return QCC_OK;
}

QccStatus qcc_onnx_window_read(QccOnnxNode *n, QccOnnxWindow *w, const QccType *x)
{
    bool given;
    int64_t pads[2 * QCC_ONNX_SPATIAL] = {0};
    const char *mode = "NOTSET";
    QCC_TRY(qcc_onnx_window_ints(n, "kernel_shape", w->n, 1, w->kernel, &given));
    QCC_TRY(qcc_onnx_window_ints(n, "strides", w->n, 1, w->stride, &given));
    QCC_TRY(qcc_onnx_window_ints(n, "dilations", w->n, 1, w->dilation, &given));
    QCC_TRY(qcc_onnx_window_ints(n, "pads", 2 * w->n, 0, pads, &given));
    QCC_TRY(qcc_onnx_attr_string(n, "auto_pad", &mode));
    if (!w->kernel[0]) return qcc_onnx_wrong(n, "lacks the attribute 'kernel_shape'");

    if (!strcmp(mode, "SAME_UPPER")) return same_pads(n, w, x, true);
    if (!strcmp(mode, "SAME_LOWER")) return same_pads(n, w, x, false);
    if (!strcmp(mode, "VALID")) return QCC_OK;
    if (strcmp(mode, "NOTSET") && mode[0]) {
        return qcc_onnx_wrong(n, "has auto_pad '%s', which does not exist", mode);
    }
    for (int i = 0; i < w->n; i++) {
        w->before[i] = pads[i];
        w->after[i] = pads[w->n + i];
    }
    return QCC_OK;
}

QccStatus qcc_onnx_window_extent(const QccOnnxNode *n, const QccOnnxWindow *w, int i, int64_t in,
                                 bool ceil, int64_t *out)
{
    *out = qcc_window_extent(in, w->kernel[i], w->stride[i], w->dilation[i], w->before[i],
                             w->after[i], ceil);
    if (*out >= 0) return QCC_OK;
    return qcc_onnx_wrong(n, "has a window of %lld taps that does not fit into %lld + %lld + %lld",
                          (long long)w->kernel[i], (long long)w->before[i], (long long)in,
                          (long long)w->after[i]);
}

/* ---- channels last ------------------------------------------------------------------------ */

static const int to_nhwc[] = {0, 2, 3, 1}, to_nchw[] = {0, 3, 1, 2};
static const int to_ndhwc[] = {0, 2, 3, 4, 1}, to_ncdhw[] = {0, 4, 1, 2, 3};

QccStatus qcc_onnx_take_last(QccOnnxNode *n, QccValue **out, QccValue *x)
{
    const char *name = qcc_onnx_value_name(n->im, qcc_sprintf(n->im->scratch, "%s_nhwc", x->name));
    if (x->type->rank == 3) { /* [n,c,l] becomes [n,c,l,1] */
        QccDim dim[4];
        memcpy(dim, x->type->dim, 3 * sizeof *dim);
        dim[3] = qcc_dim(1);
        QCC_TRY(qcc_onnx_reshape(n, &x, x, NULL, 4, dim));
    }
    return qcc_onnx_transpose(n, out, x, name, x->type->rank == 5 ? to_ndhwc : to_nhwc);
}

QccStatus qcc_onnx_give_first(QccOnnxNode *n, int index, QccValue *y, int spatial)
{
    const char *name = qcc_onnx_value_name(n->im, n->proto->output[index]);
    QccValue **out = &n->out[index];
    if (spatial == 3) return qcc_onnx_transpose(n, out, y, name, to_ncdhw);
    if (spatial == 2) return qcc_onnx_transpose(n, out, y, name, to_nchw);
    QCC_TRY(qcc_onnx_transpose(n, &y, y, NULL, to_nchw));
    return qcc_onnx_reshape(n, out, y, name, 3, y->type->dim);
}

QccStatus qcc_onnx_depth_to_batch(QccOnnxNode *n, QccValue **out, QccValue *x)
{
    const QccDim *d = x->type->dim;
    QccDim dim[4] = {d[0], d[2], d[3], d[4]};
    if (d[1].sym[0]) return qcc_onnx_needs_shape(n, "a dynamic depth");
    if (!qcc_mul_i64(&dim[0].n, d[0].n, d[1].n)) return qcc_onnx_wrong(n, "has too large an input");
    return qcc_onnx_reshape(n, out, x, NULL, 4, dim);
}

QccStatus qcc_onnx_batch_to_depth(QccOnnxNode *n, QccValue **out, QccValue *x, QccDim batch,
                                  int64_t depth)
{
    const QccDim *d = x->type->dim;
    QccDim dim[5] = {batch, qcc_dim(depth), d[1], d[2], d[3]};
    return qcc_onnx_reshape(n, out, x, NULL, 5, dim);
}

/* ---- convolution -------------------------------------------------------------------------- */

static QccStatus conv_2d(QccOnnxNode *n, QccValue **out, QccValue *x, QccValue *w, QccValue *bias,
                         const QccOnnxWindow *p, int first, int64_t groups, const char *name)
{
    int h = first, v = first + 1; /* the window's dimensions */
    QccConvAttrs attrs = {
        .stride = {2, {p->stride[h], p->stride[v]}},
        .pad = {4, {p->before[h], p->before[v], p->after[h], p->after[v]}},
        .dilation = {2, {p->dilation[h], p->dilation[v]}},
        .groups = groups,
    };
    QccValue *in[] = {x, w, bias};
    return qcc_onnx_emit(n, out, &qcc_op_conv2d, name, in, bias ? 3 : 2, &attrs);
}

/* w[o,kh,kw,c] of tap `kz` of w[o,kd,kh,kw,c]. */
static QccStatus depth_tap(QccOnnxNode *n, QccValue **out, QccValue *w, int64_t kz)
{
    int64_t wd[QCC_MAX_RANK];
    if (!qcc_type_extents(w->type, wd)) return qcc_onnx_needs_shape(n, "weights of dynamic extent");
    int64_t dim[4] = {wd[0], wd[2], wd[3], wd[4]}, inner = wd[2] * wd[3] * wd[4];
    int64_t *source = QCC_NEW_ARRAY(n->im->scratch, wd[0] * inner + 1, int64_t);
    int64_t *channel = QCC_NEW_ARRAY(n->im->scratch, wd[0] + 1, int64_t);
    for (int64_t o = 0; o < wd[0]; o++) {
        channel[o] = o;
        for (int64_t i = 0; i < inner; i++) source[o * inner + i] = (o * wd[1] + kz) * inner + i;
    }
    return qcc_onnx_remap_weight(n, out, w, 4, dim, source, 0, channel);
}

/* Every stride-th depth from `begin` on. */
static QccStatus depths(QccOnnxNode *n, QccValue **out, QccValue *x, int64_t begin, int64_t step,
                        int64_t count)
{
    QccSliceAttrs a = {.begin = {5, {0}}, .end = {5, {0}}, .step = {5, {1, 1, 1, 1, 1}}};
    for (int i = 0; i < 5; i++) a.end.v[i] = INT64_MAX;
    a.begin.v[1] = begin;
    a.end.v[1] = begin + (count - 1) * step + 1;
    a.step.v[1] = step;
    return qcc_onnx_emit(n, out, &qcc_op_slice, NULL, &x, 1, &a);
}

static QccStatus conv_3d(QccOnnxNode *n, QccValue **out, QccValue *x, QccValue *w, QccValue *bias,
                         const QccOnnxWindow *p, int64_t groups)
{
    enum { DEPTH_MAX = 256 };
    int64_t od;
    QccDim batch = x->type->dim[0], depth = x->type->dim[1];
    if (depth.sym[0]) return qcc_onnx_needs_shape(n, "a dynamic depth");
    if (p->kernel[0] > DEPTH_MAX) {
        return qcc_onnx_unsupported(n, "a kernel of depth %lld, at most %d",
                                    (long long)p->kernel[0], DEPTH_MAX);
    }
    QCC_TRY(qcc_onnx_window_extent(n, p, 0, depth.n, false, &od));
    if (p->before[0] || p->after[0]) {
        QccPadAttrs pad = {.before = {5, {0, p->before[0]}}, .after = {5, {0, p->after[0]}}};
        QCC_TRY(qcc_onnx_emit(n, &x, &qcc_op_pad, NULL, &x, 1, &pad));
    }
    QccValue *sum = NULL;
    for (int64_t kz = 0; kz < p->kernel[0]; kz++) {
        QccValue *part, *tap;
        QCC_TRY(depths(n, &part, x, kz * p->dilation[0], p->stride[0], od));
        QCC_TRY(qcc_onnx_depth_to_batch(n, &part, part));
        QCC_TRY(depth_tap(n, &tap, w, kz));
        QCC_TRY(conv_2d(n, &part, part, tap, kz == 0 ? bias : NULL, p, 1, groups, NULL));
        QccValue *in[] = {sum, part};
        if (sum) QCC_TRY(qcc_onnx_emit(n, &part, &qcc_op_add, NULL, in, 2, NULL));
        sum = part;
    }
    return qcc_onnx_batch_to_depth(n, out, sum, batch, od);
}

QccStatus qcc_onnx_emit_conv(QccOnnxNode *n, QccValue **out, QccValue *x, QccValue *w,
                             QccValue *bias, const QccOnnxWindow *window, int64_t groups)
{
    if (window->dims == 3) return conv_3d(n, out, x, w, bias, window, groups);
    return conv_2d(n, out, x, w, bias, window, 0, groups, qcc_onnx_name(n, "_nhwc"));
}

/* ---- weights ------------------------------------------------------------------------------ */

/* The quantization of a remapped weight: one pair, or a pair for each output channel. */
static const QccQuant *remap_quant(QccOnnxNode *n, const QccType *w, QccDtype dtype, int rank,
                                   int64_t channels, int axis, const int64_t *channel)
{
    const QccQuant *q = w->quant;
    int64_t index[QCC_MAX_RANK] = {0}, dim[QCC_MAX_RANK];
    if (qcc_quant_is_tensor(q, NULL, NULL)) return q;
    for (int i = 0; i < w->rank; i++) {
        if (q->block[i] && i != axis) return NULL;
    }
    qcc_type_extents(w, dim);
    float *scale = QCC_NEW_ARRAY(n->im->scratch, channels, float);
    int32_t *zero = QCC_NEW_ARRAY(n->im->scratch, channels, int32_t);
    for (int64_t o = 0; o < channels; o++) {
        index[axis] = channel[o];
        int64_t at = qcc_quant_index(q, w->rank, dim, index);
        scale[o] = ((const float *)q->scale->data)[at];
        zero[o] = ((const int32_t *)q->zero->data)[at];
    }
    return qcc_quant_axis(n->im->ir, dtype, rank, 0, channels, scale, zero, q->qmin, q->qmax);
}

QccStatus qcc_onnx_remap_weight(QccOnnxNode *n, QccValue **out, QccValue *w, int rank,
                                const int64_t *dim, const int64_t *source, int axis,
                                const int64_t *channel)
{
    QccOnnxImport *im = n->im;
    QccValue *q = w->def && w->def->def == &qcc_op_dequantize ? qcc_op_in(w->def, 0) : NULL;
    QccValue *from = q ? q : w;
    const QccBlob *blob = qcc_value_const(from);
    const QccQuant *quant = NULL;
    if (!blob || qcc_dtype_bits(blob->dtype) < 8) {
        return qcc_onnx_unsupported(n, "weights that are not constant");
    }
    if (from->type->quant) {
        quant = remap_quant(n, from->type, blob->dtype, rank, dim[0], axis, channel);
        if (!quant) return qcc_onnx_unsupported(n, "weights with scales that are not per channel");
    }
    int64_t count = 1, inner;
    for (int i = 0; i < rank; i++) count *= dim[i];
    inner = dim[0] ? count / dim[0] : 0;
    size_t size = (size_t)qcc_dtype_bits(blob->dtype) / 8;
    char *data = qcc_alloc_aligned(im->arena, (size_t)count * size + 1, 64);
    for (int64_t i = 0; i < count; i++) {
        char *to = data + (size_t)i * size;
        if (source[i] >= 0) {
            memcpy(to, (const char *)blob->data + (size_t)source[i] * size, size);
            continue;
        }
        memset(to, 0, size);
        if (!quant) continue;
        int64_t at = quant->zero->size > 4 ? i / inner : 0;
        int32_t zero = ((const int32_t *)quant->zero->data)[at];
        QccType one = {.dtype = blob->dtype};
        char element[8];
        qcc_element_of(&one, zero, element);
        memcpy(to, element, size);
    }
    const char *name = qcc_onnx_value_name(im, qcc_sprintf(im->scratch, "%s_o", w->name));
    blob = qcc_blob(im->arena, blob->dtype, rank, dim, data, false);
    if (!quant) {
        *out = qcc_const_new(im->graph, NULL, name, blob, NULL);
        return QCC_OK;
    }
    const char *qname = qcc_onnx_value_name(im, qcc_sprintf(im->scratch, "%s_q", name));
    QccValue *c = qcc_const_new(im->graph, NULL, qname, blob, quant);
    return qcc_onnx_emit(n, out, &qcc_op_dequantize, name, &c, 1, NULL);
}
