/* source - samples of one parameter: their shape, reading, layout, scaling. */
#include "frontend/data.h"
#include "frontend/frontend.h"
#include "ir/elements.h"
#include "ir/qmath.h"

#include <math.h>
#include <string.h>

/* ---- shapes ------------------------------------------------------------------------------- */

static const char *shape_text(QccArena *arena, int rank, const int64_t *dim)
{
    QccBuf buf;
    qcc_buf_init(&buf, arena);
    qcc_buf_puts(&buf, "[");
    for (int i = 0; i < rank; i++) qcc_buf_printf(&buf, "%s%lld", i ? "," : "", (long long)dim[i]);
    qcc_buf_puts(&buf, "]");
    return buf.data;
}

static const char *type_text(QccArena *arena, const QccType *t)
{
    QccBuf buf;
    qcc_buf_init(&buf, arena);
    qcc_type_print(&buf, t);
    return buf.data;
}

/* Whether dim[rank] are the extents of the parameter from dimension `skip` on. */
static bool fits(const QccType *t, int skip, int rank, const int64_t *dim)
{
    if (t->rank != rank + skip) return false;
    for (int i = 0; i < rank; i++) {
        const QccDim *d = &t->dim[i + skip];
        if (!d->sym[0] ? d->n != dim[i] : dim[i] < 1) return false;
    }
    return true;
}

/* A sample is a row of a batch, or the whole parameter where there is no batch. */
static bool fits_param(const QccType *t, int rank, const int64_t *dim)
{
    return fits(t, 1, rank, dim) || fits(t, 0, rank, dim);
}

/* [h,w,c] as it comes out of qcc_image_prepare. */
static QccStatus image_shape(QccSource *s, QccDiags *d, QccLoc loc, int64_t hwc[3])
{
    const QccPreprocess *p = &s->preprocess;
    const QccType *t = s->param->type;
    bool nhwc = p->layout == QCC_LAYOUT_NHWC;
    if (s->rows) {
        memcpy(hwc, s->rows->dim + 1, 3 * sizeof *hwc);
    } else {
        hwc[2] = 3;
        for (int i = 0; i < 2; i++) {
            const QccDim *extent = t->rank == 4 ? &t->dim[(nhwc ? 1 : 2) + i] : NULL;
            hwc[i] = extent && !extent->sym[0] ? extent->n : -1;
        }
    }
    if (s->rows && p->resize) {
        int64_t h = hwc[0], w = hwc[1], shorter = h < w ? h : w;
        if (shorter < 1) return qcc_error(d, loc, "has images without pixels");
        if (!qcc_mul_i64(&h, h, p->resize) || !qcc_mul_i64(&w, w, p->resize)) {
            return qcc_error(d, loc, "has images that are too large");
        }
        hwc[0] = h / shorter;
        hwc[1] = w / shorter;
    }
    if (p->crop) hwc[0] = hwc[1] = p->crop;
    if (hwc[0] < 1 || hwc[1] < 1) {
        return qcc_error(d, loc, "the size of images is not known; say 'crop' in 'preprocess'");
    }
    if (p->channels == QCC_CHANNELS_GRAY) hwc[2] = 1;
    return QCC_OK;
}

static QccStatus check_image(QccSource *s, QccDiags *d, QccLoc loc)
{
    const QccPreprocess *p = &s->preprocess;
    const QccBlob *r = s->rows;
    bool image = !r || (r->dtype == QCC_U8 && r->rank == 4 && (r->dim[3] == 1 || r->dim[3] == 3));
    bool wanted = p->resize || p->crop || p->channels == QCC_CHANNELS_BGR;
    if (wanted && !image) {
        return qcc_error(d, loc, "resize, crop and bgr are for images, u8[n,h,w,c]; '%s' has %s",
                         s->param->name, qcc_dtype_name(r->dtype));
    }
    s->image = image && (!r || wanted || p->channels == QCC_CHANNELS_GRAY);
    return QCC_OK;
}

/* The channel's dimension of a sample, -1 where it is not known. */
static int channel_dim(const QccSource *s)
{
    if (s->preprocess.layout == QCC_LAYOUT_ANY || s->rank < 1) return -1;
    return s->preprocess.layout == QCC_LAYOUT_NHWC ? s->rank - 1 : 0;
}

static QccStatus check_scaling(const QccSource *s, QccDiags *d, QccLoc loc)
{
    const QccPreprocess *p = &s->preprocess;
    const QccType *t = s->param->type;
    int most = p->nmean > p->nstd ? p->nmean : p->nstd, at = channel_dim(s);
    bool scales = p->scale != 1 || most;
    if (t->dtype != QCC_F32 && !t->quant && scales) {
        return qcc_error(d, loc, "'%s' is %s, so there is nothing to scale", s->param->name,
                         qcc_dtype_name(t->dtype));
    }
    if (qcc_dtype_bits(t->dtype) < 8) {
        return qcc_fail(d, QCC_ERROR_UNSUPPORTED, loc, "'%s' is %s, which no file holds",
                        s->param->name, qcc_dtype_name(t->dtype));
    }
    if (most <= 1) return QCC_OK;
    if (at < 0) return qcc_error(d, loc, "mean and std by channel need 'layout' in 'preprocess'");
    if ((p->nmean > 1 && p->nmean != s->dim[at]) || (p->nstd > 1 && p->nstd != s->dim[at])) {
        return qcc_error(d, loc, "mean and std have %d entries, samples %lld channels", most,
                         (long long)s->dim[at]);
    }
    return QCC_OK;
}

QccStatus qcc_source_fit(QccSource *s, QccArena *arena, QccDiags *d, QccLoc loc)
{
    const QccBlob *r = s->rows;
    if (r && r->rank < 1) return qcc_error(d, loc, "is a single number, wanted samples");
    if (!r && s->preprocess.layout == QCC_LAYOUT_ANY) s->preprocess.layout = QCC_LAYOUT_NCHW;
    QCC_TRY(check_image(s, d, loc));
    s->dtype = r ? r->dtype : QCC_U8;
    s->rank = r ? r->rank - 1 : 3;
    if (s->image) {
        QCC_TRY(image_shape(s, d, loc, s->dim));
    } else {
        memcpy(s->dim, r->dim + 1, (size_t)s->rank * sizeof *s->dim);
    }

    int64_t chw[3] = {s->dim[2], s->dim[0], s->dim[1]};
    bool may_transpose = s->rank == 3 && s->preprocess.layout == QCC_LAYOUT_NCHW;
    const QccType *t = s->param->type;
    if (may_transpose && fits_param(t, 3, chw) && (s->image || !fits_param(t, 3, s->dim))) {
        s->transpose = true;
        memcpy(s->dim, chw, sizeof chw);
    } else if (!fits_param(t, s->rank, s->dim)) {
        return qcc_error(d, loc, "has samples of %s%s, but input '%s' is %s",
                         shape_text(arena, s->rank, s->dim), may_transpose ? " (nhwc)" : "",
                         s->param->name, type_text(arena, t));
    }
    s->count = 1;
    for (int i = 0; i < s->rank; i++) {
        if (!qcc_mul_i64(&s->count, s->count, s->dim[i]) || s->count > INT32_MAX) {
            return qcc_error(d, loc, "has samples that are too large");
        }
    }
    return check_scaling(s, d, loc);
}

/* ---- reading ------------------------------------------------------------------------------ */

static const void *to_chw(QccArena *scratch, const void *hwc, const QccSource *s)
{
    size_t bytes = (size_t)qcc_dtype_bits(s->dtype) / 8;
    int64_t c = s->dim[0], hw = s->dim[1] * s->dim[2];
    if (c == 1) return hwc;
    char *to = qcc_alloc_array(scratch, s->count ? s->count : 1, bytes);
    for (int64_t k = 0; k < c; k++) {
        for (int64_t i = 0; i < hw; i++) {
            memcpy(to + (size_t)(k * hw + i) * bytes,
                   (const char *)hwc + (size_t)(i * c + k) * bytes, bytes);
        }
    }
    return to;
}

static QccStatus read_image(const void **out, const QccSource *s, QccArena *scratch, QccDiags *d,
                            QccLoc loc, int64_t index)
{
    QccImage image;
    if (s->rows) {
        const QccBlob *r = s->rows;
        image = (QccImage){.h = r->dim[1], .w = r->dim[2], .c = r->dim[3]};
        int64_t size = image.h * image.w * image.c;
        image.data = qcc_alloc_array(scratch, size ? size : 1, 1);
        memcpy(image.data, (const char *)r->data + index * size, (size_t)size);
    } else {
        const void *bytes;
        int64_t size;
        loc.file = s->path[index];
        QCC_TRY(qcc_map_file(scratch, d, loc.file, &bytes, &size));
        QCC_TRY(qcc_image_decode(&image, scratch, d, loc.file, bytes, size));
    }
    QCC_TRY(qcc_image_prepare(&image, scratch, d, loc, &image, &s->preprocess));
    int first = s->transpose ? 1 : 0;
    int64_t c = s->transpose ? s->dim[0] : s->dim[2];
    if (image.h != s->dim[first] || image.w != s->dim[first + 1] || image.c != c) {
        return qcc_error(d, loc, "is %lldx%lld after preprocessing, wanted %lldx%lld",
                         (long long)image.w, (long long)image.h, (long long)s->dim[first + 1],
                         (long long)s->dim[first]);
    }
    *out = image.data;
    return QCC_OK;
}

QccStatus qcc_source_read(const void **out, const QccSource *s, QccArena *scratch, QccDiags *d,
                          QccLoc loc, int64_t index)
{
    if (s->image) {
        QCC_TRY(read_image(out, s, scratch, d, loc, index));
    } else {
        *out = (const char *)s->rows->data + index * qcc_dtype_size(s->dtype, s->count);
    }
    if (s->transpose) *out = to_chw(scratch, *out, s);
    return QCC_OK;
}

/* ---- scaling and conversion --------------------------------------------------------------- */

/* y = (x * scale - mean) / std, in double, rounded once. */
static float scaled(const QccSource *s, double x, int64_t channel)
{
    const QccPreprocess *p = &s->preprocess;
    double y = x * p->scale;
    if (p->nmean) y -= p->mean[p->nmean > 1 ? channel : 0];
    if (p->nstd) y /= p->std[p->nstd > 1 ? channel : 0];
    return (float)y;
}

static QccStatus convert_integer(QccDiags *d, QccLoc loc, const QccSource *s, double x, void *to,
                                 QccDtype dtype)
{
    int64_t lo, hi;
    qcc_dtype_range(dtype, &lo, &hi);
    /* What a double cannot tell from 2^63 is out of range as well. */
    if (!(x >= (double)lo && x <= (double)hi) || x != floor(x) || x >= 0x1p63) {
        return qcc_error(d, loc, "%g does not fit into '%s', which is %s", x, s->param->name,
                         qcc_dtype_name(dtype));
    }
    int64_t v = (int64_t)x;
    memcpy(to, &v, (size_t)qcc_dtype_bits(dtype) / 8); /* little-endian */
    return QCC_OK;
}

QccStatus qcc_source_convert(const QccSource *s, QccDiags *d, QccLoc loc, const void *raw,
                             const QccTensor *to)
{
    const QccType *t = s->param->type;
    if (to->count != s->count) {
        return qcc_error(d, loc, "has samples of %lld elements, '%s' takes %lld",
                         (long long)s->count, s->param->name, (long long)to->count);
    }
    const QccPreprocess *p = &s->preprocess;
    bool real = t->quant || qcc_dtype_is_float(t->dtype);
    bool as_it_is = !t->quant && p->scale == 1 && !p->nmean && !p->nstd;
    if (s->dtype == t->dtype && (!real || as_it_is)) {
        memcpy(to->data, raw, (size_t)qcc_dtype_size(s->dtype, s->count));
        return QCC_OK;
    }
    float scale = 1;
    int32_t zero = 0;
    if (t->quant && !qcc_quant_is_tensor(t->quant, &scale, &zero)) {
        return qcc_fail(d, QCC_ERROR_UNSUPPORTED, loc, "'%s' has more than one scale",
                        s->param->name);
    }
    /* The elements' types are those of files, plain, so a view without its own type will do. */
    QccType plain = {.dtype = s->dtype, .rank = 1, .dim = {{.n = s->count}}};
    QccTensor x = {.type = &plain, .dim = {s->count}, .count = s->count};
    memcpy(&x.data, &raw, sizeof raw);
    int at = channel_dim(s);
    int64_t inner = 1, channels = at < 0 ? 1 : s->dim[at];
    for (int i = at + 1; at >= 0 && i < s->rank; i++) inner *= s->dim[i];
    size_t bytes = (size_t)qcc_dtype_bits(t->dtype) / 8;
    for (int64_t i = 0; i < s->count; i++) {
        double value = s->dtype == QCC_U8 ? ((const uint8_t *)raw)[i] : qcc_tensor_real(&x, i);
        char *element = (char *)to->data + (size_t)i * bytes;
        if (!real) {
            QCC_TRY(convert_integer(d, loc, s, value, element, t->dtype));
            continue;
        }
        float y = scaled(s, value, i / inner % channels);
        if (t->quant) {
            int32_t q = qcc_quantize_f32(y, scale, zero, t->quant->qmin, t->quant->qmax);
            memcpy(element, &q, bytes);
        } else {
            qcc_store_real(to->data, t->dtype, i, y);
        }
    }
    return QCC_OK;
}
