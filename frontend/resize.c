/* resize - Pillow's antialiased bilinear resampling, crops and channels, on u8. */
#include "frontend/data.h"

#include <math.h>
#include <string.h>

enum { PIXELS_MAX = 1 << 26 };

/* The weights of one output position: weight[0..n) for input positions first .. first + n. */
typedef struct Taps {
    int64_t first, n;
    int32_t *weight;
} Taps;

/* Pillow's Resample.c: the triangle filter, widened by the scale when the image shrinks; weights
 * are rounded to 22 bits, half away from zero. */
enum { WEIGHT_BITS = 32 - 8 - 2 };

static Taps *make_taps(QccArena *arena, int64_t in, int64_t out)
{
    double scale = (double)in / (double)out;
    double support = scale < 1 ? 1 : scale; /* the triangle's is 1 */
    int64_t most = (int64_t)ceil(support) * 2 + 1;
    Taps *taps = QCC_NEW_ARRAY(arena, out, Taps);
    int32_t *weights = QCC_NEW_ARRAY(arena, out * most, int32_t);
    double *w = QCC_NEW_ARRAY(arena, most, double);
    for (int64_t i = 0; i < out; i++) {
        double center = ((double)i + 0.5) * scale, sum = 0;
        int64_t first = (int64_t)(center - support + 0.5), last;
        if (first < 0) first = 0;
        last = (int64_t)(center + support + 0.5);
        if (last > in) last = in;
        taps[i] = (Taps){first, last - first, weights + i * most};
        for (int64_t k = 0; k < taps[i].n; k++) {
            double x = fabs(((double)(k + first) - center + 0.5) * (1.0 / support));
            w[k] = x < 1 ? 1 - x : 0;
            sum += w[k];
        }
        for (int64_t k = 0; k < taps[i].n; k++) {
            double normal = sum != 0 ? w[k] / sum : w[k];
            taps[i].weight[k] = (int32_t)(0.5 + normal * (1 << WEIGHT_BITS));
        }
    }
    return taps;
}

/* Resamples `count` lines of `out` positions; positions of the input are `step` bytes apart, lines
 * are line_in and line_out bytes apart. */
static uint8_t filter(const uint8_t *in, int64_t step, const Taps *t)
{
    int32_t sum = 1 << (WEIGHT_BITS - 1);
    in += t->first * step;
    for (int64_t k = 0; k < t->n; k++) sum += in[k * step] * t->weight[k];
    int32_t q = sum >> WEIGHT_BITS;
    return (uint8_t)(q < 0 ? 0 : q > 255 ? 255 : q);
}

static QccImage new_image(QccArena *arena, int64_t h, int64_t w, int64_t c)
{
    return (QccImage){h, w, c, qcc_alloc_array(arena, h * w, (size_t)c)};
}

static QccImage resize_width(QccArena *arena, const QccImage *in, int64_t w)
{
    if (w == in->w) return *in;
    QccImage out = new_image(arena, in->h, w, in->c);
    const Taps *taps = make_taps(arena, in->w, w);
    for (int64_t y = 0; y < in->h; y++) {
        const uint8_t *line = in->data + y * in->w * in->c;
        uint8_t *to = out.data + y * w * in->c;
        for (int64_t x = 0; x < w; x++) {
            for (int64_t c = 0; c < in->c; c++) *to++ = filter(line + c, in->c, &taps[x]);
        }
    }
    return out;
}

static QccImage resize_height(QccArena *arena, const QccImage *in, int64_t h)
{
    if (h == in->h) return *in;
    QccImage out = new_image(arena, h, in->w, in->c);
    const Taps *taps = make_taps(arena, in->h, h);
    int64_t pitch = in->w * in->c;
    for (int64_t y = 0; y < h; y++) {
        for (int64_t x = 0; x < pitch; x++) {
            out.data[y * pitch + x] = filter(in->data + x, pitch, &taps[y]);
        }
    }
    return out;
}

QccStatus qcc_image_resize(QccImage *out, QccArena *arena, QccDiags *d, QccLoc loc,
                           const QccImage *in, int64_t size)
{
    int64_t shorter = in->h < in->w ? in->h : in->w, longer = in->h < in->w ? in->w : in->h;
    int64_t scaled = size * longer / shorter;
    if (scaled > PIXELS_MAX / size) {
        return qcc_error(d, loc, "is %lldx%lld, too long to be resized to %lld", (long long)in->w,
                         (long long)in->h, (long long)size);
    }
    QccImage wide = resize_width(arena, in, in->w <= in->h ? size : scaled);
    *out = resize_height(arena, &wide, in->w <= in->h ? scaled : size);
    return QCC_OK;
}

/* Half of a difference, the odd one to even. */
static int64_t margin(int64_t rest)
{
    int64_t half = rest / 2;
    return rest % 2 && half % 2 ? half + 1 : half;
}

QccStatus qcc_image_crop(QccImage *out, QccArena *arena, QccDiags *d, QccLoc loc,
                         const QccImage *in, int64_t size)
{
    if (in->h < size || in->w < size) {
        return qcc_error(d, loc, "is %lldx%lld, smaller than the crop of %lld", (long long)in->w,
                         (long long)in->h, (long long)size);
    }
    int64_t top = margin(in->h - size), left = margin(in->w - size);
    *out = new_image(arena, size, size, in->c);
    for (int64_t y = 0; y < size; y++) {
        memcpy(out->data + y * size * in->c, in->data + ((top + y) * in->w + left) * in->c,
               (size_t)(size * in->c));
    }
    return QCC_OK;
}

void qcc_image_channels(QccImage *out, QccArena *arena, const QccImage *in, QccChannels channels)
{
    *out = *in;
    if (in->c != 3 || channels == QCC_CHANNELS_RGB) return;
    *out = new_image(arena, in->h, in->w, channels == QCC_CHANNELS_GRAY ? 1 : 3);
    const uint8_t *p = in->data;
    for (int64_t i = 0; i < in->h * in->w; i++, p += 3) {
        if (channels == QCC_CHANNELS_GRAY) {
            out->data[i] = (uint8_t)((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16);
        } else {
            for (int c = 0; c < 3; c++) out->data[3 * i + c] = p[2 - c];
        }
    }
}

QccStatus qcc_image_prepare(QccImage *out, QccArena *arena, QccDiags *d, QccLoc loc,
                            const QccImage *in, const QccPreprocess *p)
{
    QccImage from = *in, to = *in; /* two, because a step reads what it was given to the end */
    if (p->resize) QCC_TRY(qcc_image_resize(&to, arena, d, loc, &from, p->resize));
    from = to;
    if (p->crop) QCC_TRY(qcc_image_crop(&to, arena, d, loc, &from, p->crop));
    from = to;
    qcc_image_channels(out, arena, &from, p->channels);
    return QCC_OK;
}
