/* onnx_conv - Conv and ConvTranspose: from NCHW and OIHW to what the ops here take, NHWC and OHWI.
 *
 *   x[n,c,h,w] -> transpose -> op over [n,h,w,c] -> transpose -> y[n,c,oh,ow]
 *
 * The transposes between such ops cancel later.
 */
#include "frontend/onnx_window.h"

#include <string.h>

/* The kernel is what the weights w[a,b,k...] say, and an attribute may say again. */
QccStatus qcc_onnx_conv_window(QccOnnxNode *n, QccOnnxWindow *window, const QccType *x,
                               const QccType *w, int64_t *groups)
{
    QCC_TRY(qcc_onnx_window_init(n, window, x));
    if (w->rank != x->rank) {
        return qcc_onnx_wrong(n, "has x of rank %d and w of rank %d", x->rank, w->rank);
    }
    int64_t kernel[QCC_ONNX_SPATIAL];
    for (int i = 0; i < window->n; i++) {
        const QccDim *d = &w->dim[2 + i];
        if (d->sym[0]) return qcc_onnx_needs_shape(n, "a kernel of dynamic extent");
        if (d->n < 1 || d->n > QCC_ONNX_WINDOW_MAX) {
            return qcc_onnx_wrong(n, "has a kernel of extent %lld", (long long)d->n);
        }
        kernel[i] = window->kernel[i] = d->n;
    }
    QCC_TRY(qcc_onnx_window_read(n, window, x));
    if (memcmp(kernel, window->kernel, (size_t)window->n * sizeof *kernel)) {
        return qcc_onnx_wrong(n, "has a kernel_shape that is not the one of w");
    }
    *groups = 1;
    QCC_TRY(qcc_onnx_attr_int(n, "group", groups));
    if (*groups < 1) return qcc_onnx_wrong(n, "has %lld groups", (long long)*groups);
    return QCC_OK;
}

/* ---- Conv --------------------------------------------------------------------------------- */

QccStatus qcc_onnx_conv_weight(QccOnnxNode *n, QccValue **w)
{
    static const int to_ohwi[] = {0, 2, 3, 1}, to_odhwi[] = {0, 2, 3, 4, 1};
    const QccType *t = (*w)->type;
    if (t->rank == 5) return qcc_onnx_transpose_weight(n, w, *w, to_odhwi);
    if (t->rank == 3) {
        QccDim dim[4] = {t->dim[0], t->dim[1], t->dim[2], qcc_dim(1)};
        QCC_TRY(qcc_onnx_reshape(n, w, *w, NULL, 4, dim));
    }
    return qcc_onnx_transpose_weight(n, w, *w, to_ohwi);
}

QccStatus qcc_onnx_conv(QccOnnxNode *n)
{
    int64_t groups;
    QccOnnxWindow window;
    QccValue *x = qcc_onnx_in(n, 0), *w = qcc_onnx_in(n, 1), *bias = qcc_onnx_in(n, 2), *y;
    QCC_TRY(qcc_onnx_conv_window(n, &window, x->type, w->type, &groups));
    QCC_TRY(qcc_onnx_take_last(n, &x, x));
    QCC_TRY(qcc_onnx_conv_weight(n, &w));
    QCC_TRY(qcc_onnx_emit_conv(n, &y, x, w, bias, &window, groups));
    return qcc_onnx_give_first(n, 0, y, window.n);
}

/* ---- ConvTranspose ------------------------------------------------------------------------
 *
 * Output u = i * stride + k * dilation (before the padding is cut off) belongs to phase
 * p = u mod stride. Of a phase, outputs q = (u - p) / stride are an ordinary convolution of stride
 * 1: y[q] = sum over j of x[q - j] * w[k], where k * dilation = p + j * stride; taps j for which
 * there is no such k have weight 0. So all phases are one convolution with stride^dims times as
 * many output channels, whose result is then interleaved:
 *
 *   [n,q...,m*s*s] -> reshape [n,q...,m,s,s] -> transpose [n,q,s,q,s,m] -> reshape -> slice
 */

typedef struct Transposed {
    QccOnnxWindow w;                                   /* of the node */
    int64_t taps[QCC_ONNX_SPATIAL];                    /* of the convolution */
    int64_t in[QCC_ONNX_SPATIAL], q[QCC_ONNX_SPATIAL]; /* extents of x and of a phase */
    int64_t out[QCC_ONNX_SPATIAL];                     /* extents of y */
    int64_t groups, ci, m, phases;                     /* ci: of a group; m: all outputs */
} Transposed;

/* Pads and extents: out is given (output_shape, SAME_*), or follows from the pads. */
static QccStatus transposed_extents(QccOnnxNode *n, Transposed *t, const QccType *x)
{
    bool has_shape, given;
    int64_t extra[QCC_ONNX_SPATIAL] = {0};
    const char *mode = "NOTSET";
    QCC_TRY(qcc_onnx_window_ints(n, "output_padding", t->w.n, 0, extra, &given));
    QCC_TRY(qcc_onnx_window_ints(n, "output_shape", t->w.n, 1, t->out, &has_shape));
    QCC_TRY(qcc_onnx_attr_string(n, "auto_pad", &mode));
    bool same = !strncmp(mode, "SAME_", 5), upper = !strcmp(mode, "SAME_UPPER");
    for (int i = 0; i < t->w.dims; i++) {
        t->in[i] = 1;
        if (i < t->w.n) {
            if (x->dim[2 + i].sym[0]) return qcc_onnx_needs_shape(n, "a dynamic extent");
            t->in[i] = x->dim[2 + i].n;
        }
        int64_t span = (t->w.kernel[i] - 1) * t->w.dilation[i] + 1, full;
        if (t->in[i] < 1) return qcc_onnx_wrong(n, "has an input without elements");
        if (!qcc_mul_i64(&full, t->in[i] - 1, t->w.stride[i]) ||
            !qcc_add_i64(&full, full, span + extra[i])) {
            return qcc_onnx_wrong(n, "has too large an output");
        }
        if (i < t->w.n && (has_shape || same)) {
            if (!has_shape) t->out[i] = t->in[i] * t->w.stride[i];
            int64_t total = full > t->out[i] ? full - t->out[i] : 0;
            t->w.before[i] = upper ? total / 2 : total - total / 2;
        } else {
            t->out[i] = full - t->w.before[i] - t->w.after[i];
        }
        if (t->out[i] < 1) return qcc_onnx_wrong(n, "has an output without elements");
        t->taps[i] = (span - 1) / t->w.stride[i] + 1;
        t->q[i] = (t->w.before[i] + t->out[i] - 1) / t->w.stride[i] + 1;
        t->phases *= t->w.stride[i];
        if (t->phases > QCC_ONNX_WINDOW_MAX) return qcc_onnx_unsupported(n, "so large strides");
    }
    return QCC_OK;
}

/* w[c, m/groups, k...] -> [m * phases, taps..., c/groups] */
static QccStatus transposed_weight(QccOnnxNode *n, const Transposed *t, QccValue **w)
{
    enum { COUNT_MAX = 1 << 28 }; /* far from overflow; see qcc_onnx_make_room */
    int dims = t->w.dims, rank = dims + 2;
    int64_t dim[QCC_MAX_RANK] = {t->m * t->phases}, count = t->m * t->phases, at = 0;
    for (int i = 1; i < rank; i++) {
        dim[i] = i <= dims ? t->taps[i - 1] : t->ci;
        if (!qcc_mul_i64(&count, count, dim[i]) || count > COUNT_MAX) {
            return qcc_onnx_unsupported(n, "so large a kernel between its strides");
        }
    }
    int64_t held = (*w)->type->dim[0].n * (*w)->type->dim[1].n;
    for (int i = 0; i < dims; i++) held *= t->w.kernel[i];
    if (count > held) QCC_TRY(qcc_onnx_make_room(n, (count - held) * (int64_t)sizeof(float)));
    int64_t kernel = 1, per_group = t->m / t->groups, index[QCC_MAX_RANK] = {0};
    for (int i = 0; i < dims; i++) kernel *= t->w.kernel[i];
    int64_t *source = QCC_NEW_ARRAY(n->im->scratch, count + 1, int64_t);
    int64_t *channel = QCC_NEW_ARRAY(n->im->scratch, dim[0] + 1, int64_t);
    for (; at < count; at++) {
        int64_t m = index[0] / t->phases, phase = index[0] % t->phases, k = 0, weight = 1;
        bool exists = true;
        for (int i = dims - 1; i >= 0; i--) {
            int64_t p = phase % t->w.stride[i], j = t->taps[i] - 1 - index[1 + i];
            phase /= t->w.stride[i];
            int64_t reach = p + j * t->w.stride[i], tap = reach / t->w.dilation[i];
            exists &= reach % t->w.dilation[i] == 0 && tap < t->w.kernel[i];
            k += tap * weight;
            weight *= t->w.kernel[i];
        }
        int64_t c = m / per_group * t->ci + index[rank - 1];
        source[at] = exists ? (c * per_group + m % per_group) * kernel + k : -1;
        channel[index[0]] = m % per_group;
        for (int d = rank - 1; d >= 0 && ++index[d] == dim[d]; d--) index[d] = 0;
    }
    return qcc_onnx_remap_weight(n, w, *w, rank, dim, source, 1, channel);
}

/* bias[m] for every phase. */
static QccStatus repeat_bias(QccOnnxNode *n, QccValue **bias, int64_t phases)
{
    if (!*bias || phases == 1) return QCC_OK;
    if ((*bias)->type->rank != 1) return qcc_onnx_wrong(n, "needs a bias[m]");
    QccDim column[] = {(*bias)->type->dim[0], qcc_dim(1)}, flat = column[0];
    QccShapeAttrs all = {.shape = {2, {column[0].n, phases}}};
    flat.n *= phases;
    const QccBlob *blob = qcc_value_const(*bias);
    if (blob && blob->dtype == QCC_F32) { /* stays a constant */
        float *data = qcc_alloc_array(n->im->arena, flat.n, sizeof *data);
        for (int64_t i = 0; i < flat.n; i++) data[i] = ((const float *)blob->data)[i / phases];
        blob = qcc_blob(n->im->arena, QCC_F32, 1, &flat.n, data, false);
        *bias = qcc_const_new(n->im->graph, NULL, NULL, blob, NULL);
        return QCC_OK;
    }
    QCC_TRY(qcc_onnx_reshape(n, bias, *bias, NULL, 2, column));
    QCC_TRY(qcc_onnx_emit(n, bias, &qcc_op_expand, NULL, bias, 1, &all));
    return qcc_onnx_reshape(n, bias, *bias, NULL, 1, &flat);
}

static QccStatus interleave(QccOnnxNode *n, const Transposed *t, QccValue **y)
{
    int dims = t->w.dims, perm[QCC_MAX_RANK] = {0}, rank = 2 * dims + 2;
    QccDim dim[QCC_MAX_RANK] = {(*y)->type->dim[0]};
    if (t->phases > 1) {
        for (int i = 0; i < dims; i++) {
            dim[1 + i] = (*y)->type->dim[1 + i];
            dim[dims + 2 + i] = qcc_dim(t->w.stride[i]);
            perm[1 + 2 * i] = 1 + i;
            perm[2 + 2 * i] = dims + 2 + i;
        }
        dim[dims + 1] = qcc_dim(t->m);
        perm[rank - 1] = dims + 1;
        QCC_TRY(qcc_onnx_reshape(n, y, *y, NULL, rank, dim));
        QCC_TRY(qcc_onnx_transpose(n, y, *y, NULL, perm));
        for (int i = 0; i < dims; i++) dim[1 + i].n *= t->w.stride[i];
        QCC_TRY(qcc_onnx_reshape(n, y, *y, NULL, dims + 2, dim));
    }
    QccSliceAttrs a = {.begin = {dims + 2, {0}}, .end = {dims + 2, {0}}, .step = {dims + 2, {0}}};
    bool whole = true;
    for (int i = 0; i < dims + 2; i++) {
        a.end.v[i] = INT64_MAX;
        a.step.v[i] = 1;
        if (i < 1 || i > dims) continue;
        a.begin.v[i] = t->w.before[i - 1];
        a.end.v[i] = t->w.before[i - 1] + t->out[i - 1];
        whole &= a.begin.v[i] == 0 && a.end.v[i] == (*y)->type->dim[i].n;
    }
    return whole ? QCC_OK : qcc_onnx_emit(n, y, &qcc_op_slice, NULL, y, 1, &a);
}

QccStatus qcc_onnx_conv_transpose(QccOnnxNode *n)
{
    Transposed t = {.phases = 1};
    QccValue *x = qcc_onnx_in(n, 0), *w = qcc_onnx_in(n, 1), *bias = qcc_onnx_in(n, 2), *y;
    QCC_TRY(qcc_onnx_conv_window(n, &t.w, x->type, w->type, &t.groups));
    QCC_TRY(transposed_extents(n, &t, x->type));
    const QccDim *c = &w->type->dim[0], *m = &w->type->dim[1];
    if (c->sym[0] || m->sym[0]) return qcc_onnx_needs_shape(n, "weights of dynamic extent");
    if (c->n < 1 || m->n < 1 || c->n % t.groups || !qcc_dim_equal(c, &x->type->dim[1])) {
        return qcc_onnx_wrong(n, "needs x[n,c,...] and w[c,m/groups,...] with c in %lld groups",
                              (long long)t.groups);
    }
    t.ci = c->n / t.groups;
    if (!qcc_mul_i64(&t.m, m->n, t.groups) || t.m > QCC_ONNX_WINDOW_MAX) {
        return qcc_onnx_wrong(n, "has too many groups");
    }
    QCC_TRY(transposed_weight(n, &t, &w));
    QCC_TRY(repeat_bias(n, &bias, t.phases));
    QccOnnxWindow phase = {
        .n = t.w.n, .dims = t.w.dims, .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
    for (int i = 0; i < t.w.dims; i++) {
        phase.kernel[i] = t.taps[i];
        phase.before[i] = t.taps[i] - 1;
        phase.after[i] = t.q[i] > t.in[i] ? t.q[i] - t.in[i] : 0;
    }
    QCC_TRY(qcc_onnx_take_last(n, &x, x));
    QCC_TRY(qcc_onnx_emit_conv(n, &y, x, w, bias, &phase, t.groups));
    QCC_TRY(interleave(n, &t, &y));
    return qcc_onnx_give_first(n, 0, y, t.w.n);
}
