/* onnx_resize - Resize, Upsample and GridSample.
 *
 *   sizes or scales -> for each axis that changes: which place of x a position means
 *     nearest         gather by the rounded places
 *     linear, cubic   resize
 *     places outside  (tf_crop_and_resize) leave a border, which pad fills
 */
#include "frontend/onnx.h"

#include <math.h>
#include <string.h>

enum { EXTENT_MAX = 1 << 24 };

typedef enum Coordinates {
    HALF_PIXEL,
    HALF_PIXEL_SYMMETRIC,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_HALF_PIXEL,
    TF_CROP
} Coordinates;

static const char *const coordinates[] = {
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
    "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize", NULL};

typedef enum Rounding { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL } Rounding;

static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil",
                                        NULL};
static const char *const methods[] = {"linear", "cubic", "nearest", NULL};
static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};

/* How one axis is resized. */
typedef struct Axis {
    int64_t in, out;
    double scale;      /* new extent per old one */
    double start, end; /* TF_CROP: the part of x, 0 and 1 being its ends */
} Axis;

typedef struct Resize {
    int method; /* QccSampling */
    int coordinates, rounding, policy;
    bool antialias, exclude;
    double a, outside;
    Axis axis[QCC_MAX_RANK];
} Resize;

/* ---- places ------------------------------------------------------------------------------- */

/* The place in x of position i, in f64 as the ONNX project's reference computes it. */
static double place_of(const Resize *r, const Axis *a, double i)
{
    double in = (double)a->in, wide = a->scale * in; /* the new extent before it was cut */
    switch ((Coordinates)r->coordinates) {
    case ALIGN_CORNERS: return wide == 1 ? 0 : i * (in - 1) / (wide - 1);
    case ASYMMETRIC: return i / a->scale;
    case TF_HALF_PIXEL: return (i + 0.5) / a->scale;
    case TF_CROP:
        if (wide == 1) return (a->end - a->start) * (in - 1) / 2 + a->start * (in - 1);
        return i * (a->end - a->start) * (in - 1) / (wide - 1) + a->start * (in - 1);
    case PYTORCH_HALF_PIXEL: return wide == 1 ? 0 : (i + 0.5) / a->scale - 0.5;
    case HALF_PIXEL_SYMMETRIC:
        return in / 2 * (1 - (double)a->out / wide) + (i + 0.5) / a->scale - 0.5;
    case HALF_PIXEL: break;
    }
    return (i + 0.5) / a->scale - 0.5;
}

static int64_t nearest(const Resize *r, const Axis *a, double place)
{
    double low = floor(place), ratio = place - low;
    bool up = r->rounding == PREFER_FLOOR  ? ratio > 0.5
              : r->rounding == PREFER_CEIL ? ratio >= 0.5
              : r->rounding == CEIL        ? ratio > 0
                                           : false;
    return (int64_t)fmin(fmax(low + (up ? 1 : 0), 0), (double)(a->in - 1));
}

/* Positions whose place lies in x: [from, to). Only a crop has others. */
static void find_inside(const Resize *r, const Axis *a, int64_t *from, int64_t *to)
{
    *from = 0;
    *to = a->out;
    if (r->coordinates != TF_CROP) return;
    double last = (double)(a->in - 1);
    for (int64_t i = 0; i < a->out; i++) {
        double place = place_of(r, a, (double)i);
        bool inside = place >= 0 && place <= last;
        /* Places ascend or descend, so those inside follow each other. */
        if (!inside && *from == i) *from = i + 1;
        if (!inside && *from <= i && *to == a->out) *to = i;
    }
    if (*to < *from) *to = *from;
}

/* ---- one axis ----------------------------------------------------------------------------- */

static QccStatus emit_nearest(QccOnnxNode *n, const Resize *r, int axis, int64_t from, int64_t to,
                              QccValue **x)
{
    const Axis *a = &r->axis[axis];
    int64_t count = to - from;
    QCC_TRY(qcc_onnx_make_room(n, count * (int64_t)sizeof(int64_t)));
    int64_t *index = QCC_NEW_ARRAY(n->im->arena, count + 1, int64_t);
    bool same = count == a->in;
    for (int64_t i = 0; i < count; i++) {
        index[i] = nearest(r, a, place_of(r, a, (double)(from + i)));
        same = same && index[i] == i;
    }
    if (same) return QCC_OK;
    const QccBlob *blob = qcc_blob(n->im->arena, QCC_I64, 1, &count, index, false);
    QccValue *in[2] = {*x, qcc_const_new(n->im->graph, NULL, NULL, blob, NULL)};
    QccAxisAttrs attrs = {.axis = axis};
    return qcc_onnx_emit(n, x, &qcc_op_gather, NULL, in, 2, &attrs);
}

static QccStatus emit_between(QccOnnxNode *n, const Resize *r, int axis, int64_t from, int64_t to,
                              QccValue **x)
{
    const Axis *a = &r->axis[axis];
    QccResizeAttrs attrs = {.axis = axis,
                            .extent = to - from,
                            .first = place_of(r, a, (double)from),
                            .step = place_of(r, a, 1) - place_of(r, a, 0),
                            .a = r->a,
                            .stretch = 1,
                            .method = r->method,
                            .exclude = r->exclude};
    if (r->antialias && a->scale < 1) attrs.stretch = 1 / a->scale;
    if (attrs.first == 0 && attrs.step == 1 && attrs.extent == a->in) return QCC_OK;
    return qcc_onnx_emit(n, x, &qcc_op_resize, NULL, x, 1, &attrs);
}

static QccStatus emit_axis(QccOnnxNode *n, const Resize *r, int axis, QccValue **x)
{
    const Axis *a = &r->axis[axis];
    int64_t from, to;
    if (a->out < 0 || a->out > EXTENT_MAX || a->in < 1)
        return qcc_onnx_wrong(n, "makes extent %lld of %lld", (long long)a->out, (long long)a->in);
    find_inside(r, a, &from, &to);
    if (r->method == QCC_SAMPLE_NEAREST)
        QCC_TRY(emit_nearest(n, r, axis, from, to, x));
    else
        QCC_TRY(emit_between(n, r, axis, from, to, x));
    if (to - from == a->out) return QCC_OK;
    int rank = (*x)->type->rank;
    QccPadAttrs pad = {.before = {.n = rank}, .after = {.n = rank}, .value = r->outside};
    pad.before.v[axis] = from;
    pad.after.v[axis] = a->out - to;
    return qcc_onnx_emit(n, x, &qcc_op_pad, NULL, x, 1, &pad);
}

/* ---- attributes and inputs ---------------------------------------------------------------- */

/* The number of an attribute's word in `names`. */
static QccStatus read_word(QccOnnxNode *n, const char *name, const char *const *names, int *out)
{
    const char *word = names[*out];
    QCC_TRY(qcc_onnx_attr_string(n, name, &word));
    for (*out = 0; names[*out]; ++*out)
        if (!strcmp(names[*out], word)) return QCC_OK;
    return qcc_onnx_unsupported(n, "%s '%s'", name, word);
}

/* Input i as reals, for `count` axes; *given: it is there and not empty. */
static QccStatus reals_in(QccOnnxNode *n, int i, const char *what, int64_t count, double *v,
                          bool *given)
{
    const QccBlob *blob;
    QCC_TRY(qcc_onnx_blob_in(n, i, what, &blob));
    *given = blob && blob->size > 0;
    if (!*given) return QCC_OK;
    if (blob->rank != 1 || blob->dim[0] != count)
        return qcc_onnx_wrong(n, "needs %lld numbers as %s", (long long)count, what);
    for (int64_t k = 0; k < count; k++) v[k] = qcc_onnx_real(n, blob, k);
    return QCC_OK;
}

static QccStatus set_scale(QccOnnxNode *n, Axis *a, double scale)
{
    double out = floor((double)a->in * scale);
    if (!(scale > 0) || !(out < EXTENT_MAX)) return qcc_onnx_wrong(n, "has a scale of %g", scale);
    a->scale = scale;
    a->out = (int64_t)out;
    return QCC_OK;
}

/* One scale for all axes that change, so that none is larger, or smaller, than its size. */
static void keep_ratio(Resize *r, const QccInts *axes, const double *size)
{
    bool larger = r->policy == 2;
    double scale = 0;
    for (int i = 0; i < axes->n; i++) {
        double s = size[i] / (double)r->axis[axes->v[i]].in;
        if (i == 0 || (larger ? s > scale : s < scale)) scale = s;
    }
    for (int i = 0; i < axes->n; i++) {
        Axis *a = &r->axis[axes->v[i]];
        double out = scale * (double)a->in;
        a->out = (int64_t)floor(out + 0.5); /* halves go up */
        a->scale = scale;
    }
}

static QccStatus set_sizes(QccOnnxNode *n, Resize *r, const QccInts *axes, const double *size)
{
    for (int i = 0; i < axes->n; i++) {
        Axis *a = &r->axis[axes->v[i]];
        if (!(size[i] >= 0 && size[i] < EXTENT_MAX) || a->in < 1)
            return qcc_onnx_wrong(n, "makes extent %g of %lld", size[i], (long long)a->in);
        a->out = (int64_t)size[i];
        a->scale = size[i] / (double)a->in;
    }
    if (r->policy != 0) keep_ratio(r, axes, size);
    return QCC_OK;
}

enum { REPEATS_MAX = 64 };

/* How often a resize repeats each element, whatever the extent; 0: it does something else. */
static int64_t repeats_of(const Resize *r, const Axis *a)
{
    static const int64_t extents[] = {1, 3, 8};
    int64_t k = a->scale >= 1 && a->scale <= REPEATS_MAX ? (int64_t)a->scale : 0;
    if (r->method != QCC_SAMPLE_NEAREST || r->coordinates == TF_CROP || (double)k != a->scale)
        return 0;
    for (size_t e = 0; e < sizeof extents / sizeof *extents; e++) {
        Axis some = {.in = extents[e], .out = k * extents[e], .scale = a->scale, .end = 1};
        for (int64_t i = 0; i < some.out; i++)
            if (nearest(r, &some, place_of(r, &some, (double)i)) != i / k) return 0;
    }
    return k;
}

/* [..., n, ...] -> [..., n, 1, ...] -> [..., n, k, ...] -> [..., k*n, ...] */
static QccStatus emit_repeats(QccOnnxNode *n, int axis, int64_t k, QccValue **x)
{
    const QccType *t = (*x)->type;
    QccDim apart[QCC_MAX_RANK + 1], together[QCC_MAX_RANK];
    QccShapeAttrs expand = {.shape = {.n = t->rank + 1}};
    if (t->rank == QCC_MAX_RANK) return qcc_onnx_unsupported(n, "%d dimensions", t->rank);
    for (int i = 0; i <= t->rank; i++) {
        apart[i] = i == axis + 1 ? qcc_dim(1) : t->dim[i > axis ? i - 1 : i];
        expand.shape.v[i] = i == axis + 1 ? k : -1;
    }
    memcpy(together, t->dim, sizeof together);
    if (!qcc_mul_i64(&together[axis].n, together[axis].n, k))
        return qcc_onnx_wrong(n, "makes an extent that is too large");
    QCC_TRY(qcc_onnx_reshape(n, x, *x, NULL, t->rank + 1, apart));
    QCC_TRY(qcc_onnx_emit(n, x, &qcc_op_expand, NULL, x, 1, &expand));
    return qcc_onnx_reshape(n, x, *x, NULL, t->rank, together);
}

/* Elements along a dynamic extent are repeated, or it stays as it is. */
static QccStatus emit_axes(QccOnnxNode *n, const Resize *r, const QccInts *axes, QccValue *x)
{
    QccValue *first = x;
    for (int i = 0; i < axes->n; i++) {
        int axis = (int)axes->v[i];
        const Axis *a = &r->axis[axis];
        if (!first->type->dim[axis].sym[0]) {
            QCC_TRY(emit_axis(n, r, axis, &x));
        } else if (a->scale != 1) {
            int64_t k = repeats_of(r, a);
            if (k == 0)
                return qcc_onnx_needs_shape(n, "of a dynamic extent, other than by a whole "
                                               "number, nearest");
            QCC_TRY(emit_repeats(n, axis, k, &x));
        }
    }
    n->out[0] = x;
    if (x != first) qcc_value_rename(x, qcc_onnx_name(n, ""));
    return QCC_OK;
}

/* Fills in/out of every axis of x as unchanged. */
static void init_axes(Resize *r, const QccType *t, QccInts *all)
{
    *all = (QccInts){.n = t->rank};
    for (int i = 0; i < t->rank; i++) {
        all->v[i] = i;
        r->axis[i] = (Axis){.in = t->dim[i].n, .out = t->dim[i].n, .scale = 1, .end = 1};
    }
}

static QccStatus scale_axes(QccOnnxNode *n, Resize *r, const QccInts *axes, const double *scale)
{
    for (int i = 0; i < axes->n; i++) QCC_TRY(set_scale(n, &r->axis[axes->v[i]], scale[i]));
    return QCC_OK;
}

/* Sizes some of which are dynamic: what multiplies the same symbols of x. */
static QccStatus sizes_of_dims(QccOnnxNode *n, const QccInts *axes, const QccOnnxDims *sizes,
                               double *size, bool *given)
{
    *given = true;
    if (sizes->n != axes->n) return qcc_onnx_wrong(n, "needs %d numbers as sizes", axes->n);
    for (int i = 0; i < axes->n; i++) {
        const QccDim *in = &qcc_onnx_in(n, 0)->type->dim[axes->v[i]], *out = &sizes->v[i];
        QccDim scaled = *in;
        scaled.n = out->n;
        if (!qcc_dim_equal(&scaled, out))
            return qcc_onnx_needs_shape(n, "to a size that is no multiple of the dynamic extent");
        size[i] = (double)out->n;
    }
    return QCC_OK;
}

QccStatus qcc_onnx_resize(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    Resize r = {.method = QCC_SAMPLE_NEAREST, .a = -0.75};
    QccInts all, axes;
    bool has_axes, has_roi, has_scales, has_sizes;
    double roi[2 * QCC_MAX_RANK], scale[QCC_MAX_RANK], size[QCC_MAX_RANK];
    init_axes(&r, x->type, &all);
    QCC_TRY(read_word(n, "mode", methods, &r.method));
    QCC_TRY(read_word(n, "coordinate_transformation_mode", coordinates, &r.coordinates));
    QCC_TRY(read_word(n, "nearest_mode", roundings, &r.rounding));
    QCC_TRY(read_word(n, "keep_aspect_ratio_policy", policies, &r.policy));
    QCC_TRY(qcc_onnx_attr_bool(n, "antialias", &r.antialias));
    QCC_TRY(qcc_onnx_attr_bool(n, "exclude_outside", &r.exclude));
    QCC_TRY(qcc_onnx_attr_float(n, "cubic_coeff_a", &r.a));
    QCC_TRY(qcc_onnx_attr_float(n, "extrapolation_value", &r.outside));
    QCC_TRY(qcc_onnx_attr_ints(n, "axes", &axes, &has_axes));
    if (!has_axes) axes = all;
    if (axes.n > QCC_MAX_RANK) return qcc_onnx_wrong(n, "has %d axes", axes.n);
    for (int i = 0; i < axes.n; i++) QCC_TRY(qcc_onnx_axis(n, x->type->rank, &axes.v[i]));
    QCC_TRY(reals_in(n, 1, "roi", 2 * (int64_t)axes.n, roi, &has_roi));
    QCC_TRY(reals_in(n, 2, "scales", axes.n, scale, &has_scales));
    if (qcc_onnx_has(n, 3) && n->in[3]->dims)
        QCC_TRY(sizes_of_dims(n, &axes, n->in[3]->dims, size, &has_sizes));
    else
        QCC_TRY(reals_in(n, 3, "sizes", axes.n, size, &has_sizes));
    if (has_scales == has_sizes) return qcc_onnx_wrong(n, "needs either scales or sizes");
    if (has_sizes)
        QCC_TRY(set_sizes(n, &r, &axes, size));
    else
        QCC_TRY(scale_axes(n, &r, &axes, scale));
    for (int i = 0; has_roi && i < axes.n; i++) {
        Axis *a = &r.axis[axes.v[i]];
        a->start = roi[i];
        a->end = roi[axes.n + i];
        if (!isfinite(a->start) || !isfinite(a->end)) return qcc_onnx_wrong(n, "has an odd roi");
    }
    return emit_axes(n, &r, &axes, x);
}

/* Upsample, and Resize of opset 10: places are i / scale, rounded down. */
QccStatus qcc_onnx_upsample(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    Resize r = {.method = QCC_SAMPLE_NEAREST, .coordinates = ASYMMETRIC, .rounding = FLOOR};
    QccInts all;
    double scale[QCC_MAX_RANK];
    bool given = true;
    init_axes(&r, x->type, &all);
    QCC_TRY(read_word(n, "mode", methods, &r.method));
    if (n->row->min_in == 2) {
        QCC_TRY(reals_in(n, 1, "scales", all.n, scale, &given));
    } else {
        const Onnx__AttributeProto *list = qcc_onnx_attr(n, "scales");
        given = list && list->n_floats == (size_t)all.n;
        for (int i = 0; given && i < all.n; i++) scale[i] = (double)list->floats[i];
    }
    if (!given) return qcc_onnx_wrong(n, "needs a scale for each dimension");
    QCC_TRY(scale_axes(n, &r, &all, scale));
    return emit_axes(n, &r, &all, x);
}

/* ---- GridSample --------------------------------------------------------------------------- */

QccStatus qcc_onnx_grid_sample(QccOnnxNode *n)
{
    static const char *const modes[] = {"linear", "cubic", "nearest", NULL};
    static const char *const old_modes[] = {"bilinear", "bicubic", "nearest", NULL};
    static const char *const paddings[] = {"zeros", "border", "reflection", NULL};
    QccValue *in[2] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)};
    QccGridSampleAttrs attrs = {0};
    QCC_TRY(read_word(n, "mode", n->row->since < 20 ? old_modes : modes, &attrs.method));
    QCC_TRY(read_word(n, "padding_mode", paddings, &attrs.outside));
    QCC_TRY(qcc_onnx_attr_bool(n, "align_corners", &attrs.align));
    return qcc_onnx_emit_out(n, &qcc_op_grid_sample, in, 2, &attrs);
}
