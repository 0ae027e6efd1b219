/* onnx_pool - MaxPool, AveragePool, LpPool, their global forms, MaxUnpool.
 *
 * Over three spatial dimensions a pool is one over [h,w] and then one over [d,1]: a maximum of
 * maxima, and a mean of means, whose counts multiply.
 */
#include "frontend/onnx_window.h"

#include <math.h>
#include <string.h>

static QccPoolAttrs pool_attrs(const QccOnnxWindow *w, int first, bool ceil, bool include_pad)
{
    int h = first, v = first + 1;
    return (QccPoolAttrs){.kernel = {2, {w->kernel[h], w->kernel[v]}},
                          .stride = {2, {w->stride[h], w->stride[v]}},
                          .pad = {4, {w->before[h], w->before[v], w->after[h], w->after[v]}},
                          .dilation = {2, {w->dilation[h], w->dilation[v]}},
                          .ceil = ceil,
                          .include_pad = include_pad};
}

/* [n,d,h,w,c] by a pool of height d over [n,d,h*w,c]. */
static QccStatus pool_depth(QccOnnxNode *n, QccValue **y, const QccOnnxWindow *w, bool ceil,
                            bool include_pad)
{
    const QccDim *d = (*y)->type->dim;
    QccDim dim[5] = {d[0], d[1], d[2], d[3], d[4]}, flat[4] = {d[0], d[1], d[2], d[4]};
    flat[2].n *= d[3].n;
    QccOnnxWindow depth = {.kernel = {w->kernel[0], 1},
                           .stride = {w->stride[0], 1},
                           .dilation = {w->dilation[0], 1},
                           .before = {w->before[0]},
                           .after = {w->after[0]}};
    QccPoolAttrs attrs = pool_attrs(&depth, 0, ceil, include_pad);
    QCC_TRY(qcc_onnx_reshape(n, y, *y, NULL, 4, flat));
    QCC_TRY(qcc_onnx_emit(n, y, n->row->def, NULL, y, 1, &attrs));
    dim[1] = (*y)->type->dim[1];
    return qcc_onnx_reshape(n, y, *y, NULL, 5, dim);
}

static QccStatus emit_pool(QccOnnxNode *n, QccValue *x, const QccOnnxWindow *w, bool ceil,
                           bool include_pad)
{
    QccValue *y;
    QCC_TRY(qcc_onnx_take_last(n, &x, x));
    if (w->dims == 2) {
        QccPoolAttrs attrs = pool_attrs(w, 0, ceil, include_pad);
        QCC_TRY(qcc_onnx_emit(n, &y, n->row->def, qcc_onnx_name(n, "_nhwc"), &x, 1, &attrs));
        return qcc_onnx_give_first(n, 0, y, w->n);
    }
    QccPoolAttrs attrs = pool_attrs(w, 1, ceil, include_pad);
    QccDim batch = x->type->dim[0], depth = x->type->dim[1];
    for (int i = 1; i < 4; i++) {
        if (x->type->dim[i].sym[0]) return qcc_onnx_needs_shape(n, "a dynamic extent of three");
    }
    QCC_TRY(qcc_onnx_depth_to_batch(n, &x, x));
    QCC_TRY(qcc_onnx_emit(n, &y, n->row->def, NULL, &x, 1, &attrs));
    QCC_TRY(qcc_onnx_batch_to_depth(n, &y, y, batch, depth.n));
    QCC_TRY(pool_depth(n, &y, w, ceil, include_pad));
    return qcc_onnx_give_first(n, 0, y, w->n);
}

/* The place of each maximum, over x[n,c,...] as it is. */
static QccStatus emit_indices(QccOnnxNode *n, QccValue *x, const QccOnnxWindow *w, bool ceil,
                              bool column_major)
{
    QccMaxIndexAttrs attrs = {.kernel = {.n = w->n},
                              .stride = {.n = w->n},
                              .pad = {.n = 2 * w->n},
                              .dilation = {.n = w->n},
                              .ceil = ceil,
                              .column_major = column_major};
    for (int i = 0; i < w->n; i++) {
        attrs.kernel.v[i] = w->kernel[i];
        attrs.stride.v[i] = w->stride[i];
        attrs.dilation.v[i] = w->dilation[i];
        attrs.pad.v[i] = w->before[i];
        attrs.pad.v[w->n + i] = w->after[i];
    }
    const char *name = qcc_onnx_value_name(n->im, n->proto->output[1]);
    return qcc_onnx_emit(n, &n->out[1], &qcc_op_max_pool_index, name, &x, 1, &attrs);
}

QccStatus qcc_onnx_pool(QccOnnxNode *n)
{
    QccOnnxWindow window;
    QccValue *x = qcc_onnx_in(n, 0);
    QCC_TRY(qcc_onnx_window_init(n, &window, x->type));
    bool ceil = false, include_pad = false, column_major = false;
    QCC_TRY(qcc_onnx_window_read(n, &window, x->type));
    QCC_TRY(qcc_onnx_attr_bool(n, "ceil_mode", &ceil));
    QCC_TRY(qcc_onnx_attr_bool(n, "count_include_pad", &include_pad));
    QCC_TRY(qcc_onnx_attr_bool(n, "storage_order", &column_major));
    if (n->nout > 1 && n->proto->output[1][0]) {
        QCC_TRY(emit_indices(n, x, &window, ceil, column_major));
    }
    return emit_pool(n, x, &window, ceil, include_pad);
}

/* ---- global pools ------------------------------------------------------------------------- */

/* A pool whose window is the whole input, or a reduction where that is not possible. */
QccStatus qcc_onnx_global_pool(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    const QccType *t = x->type;
    bool whole = t->rank == 3 || t->rank == 4;
    for (int i = 2; i < t->rank; i++) {
        whole &= !t->dim[i].sym[0] && t->dim[i].n >= 1 && t->dim[i].n <= QCC_ONNX_WINDOW_MAX;
    }
    if (t->rank < 3) return qcc_onnx_wrong(n, "needs x[n,c,...], found rank %d", t->rank);
    if (!whole) {
        QccReduceAttrs reduce = {.axes = {.n = t->rank - 2}, .keep = true};
        for (int i = 2; i < t->rank; i++) reduce.axes.v[i - 2] = i;
        bool max = n->row->def == &qcc_op_max_pool;
        return qcc_onnx_emit_out(n, max ? &qcc_op_reduce_max : &qcc_op_reduce_mean, &x, 1, &reduce);
    }
    QccOnnxWindow window;
    QCC_TRY(qcc_onnx_window_init(n, &window, t));
    for (int i = 0; i < window.n; i++) window.kernel[i] = t->dim[2 + i].n;
    return emit_pool(n, x, &window, false, false);
}

/* ---- norms of windows --------------------------------------------------------------------- */

/* |x|^p, and of a sum the p-th root. */
static QccStatus power(QccOnnxNode *n, QccValue **x, double p, const char *name)
{
    QccValue *in[] = {*x, *x};
    if (p == 2) return qcc_onnx_emit(n, x, &qcc_op_mul, name, in, 2, NULL);
    QCC_TRY(qcc_onnx_emit(n, x, &qcc_op_abs, p == 1 ? name : NULL, in, 1, NULL));
    if (p == 1) return QCC_OK;
    QccValue *pow[] = {*x, NULL};
    QCC_TRY(qcc_onnx_real_like(n, &pow[1], *x, p));
    return qcc_onnx_emit(n, x, &qcc_op_pow, name, pow, 2, NULL);
}

static QccStatus root(QccOnnxNode *n, QccValue **x, double p, const char *name)
{
    if (p == 1) return QCC_OK;
    if (p == 2) return qcc_onnx_emit(n, x, &qcc_op_sqrt, name, x, 1, NULL);
    QccValue *pow[] = {*x, NULL};
    QCC_TRY(qcc_onnx_real_like(n, &pow[1], *x, 1 / p));
    return qcc_onnx_emit(n, x, &qcc_op_pow, name, pow, 2, NULL);
}

static QccStatus read_p(QccOnnxNode *n, double *p)
{
    int64_t number = 2;
    QCC_TRY(qcc_onnx_attr_int(n, "p", &number));
    if (number < 1 || number > 1024) {
        return qcc_onnx_wrong(n, "has p %lld, wanted 1 to 1024", (long long)number);
    }
    *p = (double)number;
    return QCC_OK;
}

/* The sum over a window is a depthwise convolution with ones. */
QccStatus qcc_onnx_lp_pool(QccOnnxNode *n)
{
    double p;
    bool ceil = false;
    QccOnnxWindow w;
    QccValue *x = qcc_onnx_in(n, 0), *y;
    const QccType *t = x->type;
    QCC_TRY(qcc_onnx_window_init(n, &w, t));
    QCC_TRY(qcc_onnx_window_read(n, &w, t));
    QCC_TRY(qcc_onnx_attr_bool(n, "ceil_mode", &ceil));
    QCC_TRY(read_p(n, &p));
    if (t->dim[1].sym[0] || t->dim[1].n < 1) return qcc_onnx_needs_shape(n, "dynamic channels");
    int64_t dim[QCC_MAX_RANK] = {t->dim[1].n}, count = dim[0];
    for (int i = 0; i < w.dims; i++) {
        dim[1 + i] = w.kernel[i];
        if (!qcc_mul_i64(&count, count, dim[1 + i]) || count > QCC_ONNX_WINDOW_MAX) {
            return qcc_onnx_unsupported(n, "so large a window");
        }
        if (i >= w.n || !ceil) continue;
        int64_t out; /* a window that begins late reads zeros behind the padding */
        if (t->dim[2 + i].sym[0]) return qcc_onnx_needs_shape(n, "ceil_mode over dynamic extents");
        QCC_TRY(qcc_onnx_window_extent(n, &w, i, t->dim[2 + i].n, true, &out));
        int64_t reach = (out - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] + 1;
        int64_t after = reach - w.before[i] - t->dim[2 + i].n;
        if (after > w.after[i]) w.after[i] = after;
    }
    dim[1 + w.dims] = 1;
    QCC_TRY(qcc_onnx_make_room(n, count * (int64_t)sizeof(float)));
    float *ones = qcc_alloc_array(n->im->arena, count, sizeof *ones);
    for (int64_t i = 0; i < count; i++) ones[i] = 1;
    const QccBlob *blob = qcc_blob(n->im->arena, QCC_F32, w.dims + 2, dim, ones, false);
    QccValue *weights = qcc_const_new(n->im->graph, NULL, NULL, blob, NULL);
    QCC_TRY(power(n, &x, p, NULL));
    QCC_TRY(qcc_onnx_take_last(n, &x, x));
    QCC_TRY(qcc_onnx_emit_conv(n, &y, x, weights, NULL, &w, dim[0]));
    QCC_TRY(root(n, &y, p, NULL));
    return qcc_onnx_give_first(n, 0, y, w.n);
}

QccStatus qcc_onnx_global_lp_pool(QccOnnxNode *n)
{
    double p;
    QccValue *x = qcc_onnx_in(n, 0);
    int rank = x->type->rank;
    QCC_TRY(read_p(n, &p));
    if (rank < 3) return qcc_onnx_wrong(n, "needs x[n,c,...], found rank %d", rank);
    QccReduceAttrs a = {.axes = {.n = rank - 2}, .keep = true};
    for (int i = 2; i < rank; i++) a.axes.v[i - 2] = i;
    QCC_TRY(power(n, &x, p, NULL));
    QCC_TRY(qcc_onnx_emit(n, &x, &qcc_op_reduce_sum, NULL, &x, 1, &a));
    QCC_TRY(root(n, &x, p, qcc_onnx_name(n, "")));
    n->out[0] = x;
    return QCC_OK;
}

/* x / norm of x along an axis; where the norm is 0, so is x, and so is the result. */
QccStatus qcc_onnx_lp_normalization(QccOnnxNode *n)
{
    double p;
    int64_t axis = -1;
    QccValue *x = qcc_onnx_in(n, 0), *sum = x;
    QCC_TRY(read_p(n, &p));
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &axis));
    QCC_TRY(qcc_onnx_axis(n, x->type->rank, &axis));
    if (p > 2) return qcc_onnx_wrong(n, "has p %g, wanted 1 or 2", p);
    QccReduceAttrs a = {.axes = {1, {axis}}, .keep = true};
    QCC_TRY(power(n, &sum, p, NULL));
    QCC_TRY(qcc_onnx_emit(n, &sum, &qcc_op_reduce_sum, NULL, &sum, 1, &a));
    QCC_TRY(root(n, &sum, p, NULL));
    QccValue *least[] = {sum, NULL};
    QCC_TRY(qcc_onnx_real_like(n, &least[1], sum, 0x1p-126));
    QCC_TRY(qcc_onnx_emit(n, &sum, &qcc_op_max, NULL, least, 2, NULL));
    QccValue *in[] = {x, sum};
    return qcc_onnx_emit_out(n, &qcc_op_div, in, 2, NULL);
}

/* ---- MaxUnpool ---------------------------------------------------------------------------- */

/* Indices count in the extents that the pads give; a larger output_shape adds zeros behind. */
QccStatus qcc_onnx_max_unpool(QccOnnxNode *n)
{
    bool has_shape;
    QccInts shape = {0};
    QccOnnxWindow w;
    QccValue *in[] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)}, *y;
    const QccType *t = in[0]->type;
    QCC_TRY(qcc_onnx_window_init(n, &w, t));
    QCC_TRY(qcc_onnx_window_read(n, &w, t));
    QCC_TRY(qcc_onnx_ints_in(n, 2, "output_shape", &shape, &has_shape));
    if (has_shape && shape.n != t->rank) {
        return qcc_onnx_wrong(n, "has %d numbers in output_shape, wanted %d", shape.n, t->rank);
    }
    QccShapeAttrs extents = {.shape = {.n = w.n}};
    QccPadAttrs pad = {.before = {.n = t->rank}, .after = {.n = t->rank}};
    bool larger = false;
    for (int i = 0; i < w.n; i++) {
        const QccDim *d = &t->dim[2 + i];
        int64_t extent = 0;
        if (d->sym[0]) return qcc_onnx_needs_shape(n, "a dynamic extent");
        bool fits = qcc_mul_i64(&extent, d->n - 1, w.stride[i]) &&
                    qcc_add_i64(&extent, extent, w.kernel[i] - w.before[i] - w.after[i]);
        if (!fits || extent < 1) return qcc_onnx_wrong(n, "has an output without elements");
        extents.shape.v[i] = extent;
        if (!has_shape) continue;
        pad.after.v[2 + i] = shape.v[2 + i] - extent;
        if (pad.after.v[2 + i] < 0) {
            return qcc_onnx_unsupported(n, "an output_shape smaller than what was pooled");
        }
        larger |= pad.after.v[2 + i] > 0;
    }
    if (!larger) return qcc_onnx_emit_out(n, &qcc_op_max_unpool, in, 2, &extents);
    QCC_TRY(qcc_onnx_emit(n, &y, &qcc_op_max_unpool, NULL, in, 2, &extents));
    return qcc_onnx_emit_out(n, &qcc_op_pad, &y, 1, &pad);
}
