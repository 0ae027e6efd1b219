/* onnx_conv - Conv and the pools: from NCHW and OIHW to what the ops here take, NHWC and OHWI.
 *
 *   x[n,c,h,w] -> transpose -> op over [n,h,w,c] -> transpose -> y[n,c,oh,ow]
 *
 * The transposes between such ops cancel later. One spatial dimension becomes two, the second of 1.
 */
#include "frontend/onnx.h"

#include <string.h>

enum { WINDOW_MAX = 1 << 24 }; /* bounds kernels, strides, dilations and pads */

/* What Conv and the pools have in common, per spatial dimension. */
typedef struct Window {
    int n; /* spatial dimensions of the node: 1 or 2 */
    int64_t kernel[2], stride[2], dilation[2], before[2], after[2];
} Window;

static const int to_nhwc[] = {0, 2, 3, 1}, to_nchw[] = {0, 3, 1, 2};

/* [n,c,l] becomes [n,c,l,1]. */
static QccStatus make_2d(QccOnnxNode *n, QccValue **x)
{
    if ((*x)->type->rank == 4) return QCC_OK;
    QccDim dim[4];
    memcpy(dim, (*x)->type->dim, 3 * sizeof *dim);
    dim[3] = qcc_dim(1);
    return qcc_onnx_reshape(n, x, *x, NULL, 4, dim);
}

/* The input in NHWC. */
static QccStatus take_nhwc(QccOnnxNode *n, QccValue **out, QccValue *x)
{
    QCC_TRY(make_2d(n, &x));
    const char *name = qcc_onnx_value_name(n->im, qcc_sprintf(n->im->scratch, "%s_nhwc", x->name));
    return qcc_onnx_transpose(n, out, x, name, to_nhwc);
}

/* Output 0 of the node from its result in NHWC. */
static QccStatus give_nchw(QccOnnxNode *n, QccValue *y, int spatial)
{
    if (spatial == 2) return qcc_onnx_transpose(n, &n->out[0], y, qcc_onnx_name(n, ""), to_nchw);
    QCC_TRY(qcc_onnx_transpose(n, &y, y, NULL, to_nchw));
    return qcc_onnx_reshape(n, &n->out[0], y, qcc_onnx_name(n, ""), 3, y->type->dim);
}

static QccStatus spatial_rank(const QccOnnxNode *n, const QccValue *x, int *spatial)
{
    *spatial = x->type->rank - 2;
    if (!x->type->quant && !qcc_dtype_is_float(x->type->dtype)) {
        return qcc_onnx_unsupported(n, "of %s", qcc_dtype_name(x->type->dtype));
    }
    if (*spatial == 1 || *spatial == 2) return QCC_OK;
    if (*spatial < 1) return qcc_onnx_wrong(n, "needs x[n,c,...], found rank %d", x->type->rank);
    return qcc_onnx_unsupported(n, "%d spatial dimensions", *spatial);
}

/* An attribute of `want` numbers within [min, WINDOW_MAX], if it is there. */
static QccStatus window_ints(QccOnnxNode *n, const char *name, int want, int64_t min, int64_t *v,
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
        if (list.v[i] < min || list.v[i] > WINDOW_MAX) {
            return qcc_onnx_wrong(n, "has %lld in attribute '%s', wanted %lld to %d",
                                  (long long)list.v[i], name, (long long)min, WINDOW_MAX);
        }
        v[i] = list.v[i];
    }
    return QCC_OK;
}

/* SAME_*: as many outputs as ceil(in / stride); the odd one of the padding goes to the end (UPPER)
 * or to the beginning. */
static QccStatus same_pads(const QccOnnxNode *n, Window *w, const QccType *x, bool upper)
{
    for (int i = 0; i < w->n; i++) {
        const QccDim *d = &x->dim[2 + i];
        if (d->sym[0]) return qcc_onnx_unsupported(n, "auto_pad over a dynamic extent");
        int64_t out = d->n / w->stride[i] + (d->n % w->stride[i] != 0);
        int64_t reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
        int64_t total = (out - 1) * w->stride[i] + reach - d->n;
        if (total < 0) total = 0;
        w->before[i] = upper ? total / 2 : total - total / 2;
        w->after[i] = total - w->before[i];
    }
    return QCC_OK;
}

/* Reads the attributes; w->kernel holds the default, 0 where there is none. */
static QccStatus read_window(QccOnnxNode *n, Window *w, const QccType *x)
{
    bool given;
    int64_t pads[4] = {0};
    const char *mode = "NOTSET";
    QCC_TRY(window_ints(n, "kernel_shape", w->n, 1, w->kernel, &given));
    QCC_TRY(window_ints(n, "strides", w->n, 1, w->stride, &given));
    QCC_TRY(window_ints(n, "dilations", w->n, 1, w->dilation, &given));
    QCC_TRY(window_ints(n, "pads", 2 * w->n, 0, pads, &given));
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

static Window new_window(int n)
{
    return (Window){.n = n, .kernel = {0, 1}, .stride = {1, 1}, .dilation = {1, 1}};
}

static QccInts pair(const int64_t *v)
{
    return (QccInts){.n = 2, .v = {v[0], v[1]}};
}

static QccInts pads_of(const Window *w)
{
    return (QccInts){.n = 4, .v = {w->before[0], w->before[1], w->after[0], w->after[1]}};
}

QccStatus qcc_onnx_conv(QccOnnxNode *n)
{
    int spatial;
    QccValue *x = qcc_onnx_in(n, 0), *w = qcc_onnx_in(n, 1), *bias = qcc_onnx_in(n, 2);
    QCC_TRY(spatial_rank(n, x, &spatial));
    if (w->type->rank != x->type->rank) {
        return qcc_onnx_wrong(n, "has x of rank %d and w of rank %d", x->type->rank, w->type->rank);
    }
    Window window = new_window(spatial);
    int64_t kernel[2] = {1, 1}, groups = 1;
    for (int i = 0; i < spatial; i++) {
        const QccDim *d = &w->type->dim[2 + i];
        if (d->sym[0]) return qcc_onnx_unsupported(n, "a kernel of dynamic extent");
        if (d->n < 1 || d->n > WINDOW_MAX) {
            return qcc_onnx_wrong(n, "has a kernel of extent %lld", (long long)d->n);
        }
        kernel[i] = window.kernel[i] = d->n;
    }
    QCC_TRY(read_window(n, &window, x->type));
    QCC_TRY(qcc_onnx_attr_int(n, "group", &groups));
    if (memcmp(kernel, window.kernel, (size_t)spatial * sizeof *kernel)) {
        return qcc_onnx_wrong(n, "has a kernel_shape that is not the one of w");
    }
    if (groups < 1) return qcc_onnx_wrong(n, "has %lld groups", (long long)groups);

    QCC_TRY(take_nhwc(n, &x, x));
    QCC_TRY(make_2d(n, &w));
    QCC_TRY(qcc_onnx_transpose_weight(n, &w, w, to_nhwc)); /* OIHW -> OHWI moves the same way */
    QccConvAttrs attrs = {.stride = pair(window.stride),
                          .pad = pads_of(&window),
                          .dilation = pair(window.dilation),
                          .groups = groups};
    QccValue *y, *in[] = {x, w, bias};
    QCC_TRY(
        qcc_onnx_emit(n, &y, &qcc_op_conv2d, qcc_onnx_name(n, "_nhwc"), in, bias ? 3 : 2, &attrs));
    return give_nchw(n, y, spatial);
}

static QccStatus emit_pool(QccOnnxNode *n, QccValue *x, const QccPoolAttrs *attrs)
{
    QccValue *y;
    int spatial = x->type->rank - 2;
    QCC_TRY(take_nhwc(n, &x, x));
    QCC_TRY(qcc_onnx_emit(n, &y, n->row->def, qcc_onnx_name(n, "_nhwc"), &x, 1, attrs));
    return give_nchw(n, y, spatial);
}

QccStatus qcc_onnx_pool(QccOnnxNode *n)
{
    int spatial;
    QccValue *x = qcc_onnx_in(n, 0);
    QCC_TRY(spatial_rank(n, x, &spatial));
    Window window = new_window(spatial);
    bool ceil = false, include_pad = false;
    int64_t storage_order = 0; /* of the indices, which are not computed */
    QCC_TRY(read_window(n, &window, x->type));
    QCC_TRY(qcc_onnx_attr_bool(n, "ceil_mode", &ceil));
    QCC_TRY(qcc_onnx_attr_bool(n, "count_include_pad", &include_pad));
    QCC_TRY(qcc_onnx_attr_int(n, "storage_order", &storage_order));
    QccPoolAttrs attrs = {.kernel = pair(window.kernel),
                          .stride = pair(window.stride),
                          .pad = pads_of(&window),
                          .dilation = pair(window.dilation),
                          .ceil = ceil,
                          .include_pad = include_pad};
    return emit_pool(n, x, &attrs);
}

/* A pool whose window is the whole input. */
QccStatus qcc_onnx_global_pool(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    const QccType *t = x->type;
    bool whole = t->rank == 3 || t->rank == 4;
    for (int i = 2; i < t->rank; i++) {
        whole &= !t->dim[i].sym[0] && t->dim[i].n >= 1 && t->dim[i].n <= WINDOW_MAX;
    }
    if (!whole) {
        if (t->rank < 3) return qcc_onnx_wrong(n, "needs x[n,c,...], found rank %d", t->rank);
        QccReduceAttrs reduce = {.axes = {.n = t->rank - 2}, .keep = true};
        for (int i = 2; i < t->rank; i++) reduce.axes.v[i - 2] = i;
        bool max = n->row->def == &qcc_op_max_pool;
        return qcc_onnx_emit_out(n, max ? &qcc_op_reduce_max : &qcc_op_reduce_mean, &x, 1, &reduce);
    }
    const int64_t one[] = {1, 1};
    int64_t extent[] = {t->dim[2].n, t->rank == 4 ? t->dim[3].n : 1};
    QccPoolAttrs attrs = {
        .kernel = pair(extent), .stride = pair(one), .pad = {.n = 4}, .dilation = pair(one)};
    return emit_pool(n, x, &attrs);
}
