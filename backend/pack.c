/* pack - weights in the order in which the kernels of a target read them.
 *
 * CONTRACT, cols = nr*lanes, per group of channels, per panel of cols outputs, per run of taps:
 *   f32:          for each element e:       w[e] of each column            f32[cols]
 *   i8, VNNI, MADD8:  for each four e..e+3:     w[e..e+3] of each column       i8[cols][4]
 *                 columns in pairs of fours:  w[e..e+7] of each              i8[columns][8]
 *   i8, MADD16:   for each four e..e+3:     (w[e], w[e+2]) of each column  i16[cols][2]
 *                                           (w[e+1], w[e+3]) likewise      i16[cols][2]
 *     wide:       for each two e, e+1:      (w[e], w[e+1]) of each column  i16[cols][2]
 *   i8, tiles:    for each 16 outputs, run of taps and 64 bytes of it, 16 times:
 *                 for each four e..e+3:     w[e..e+3] of each output       i8[16][4]
 * so that four bytes of A, broadcast, meet MADD16's halves as a & 0x00ff00ff and a >> 8 (16 bit).
 *
 * DEPTHWISE, channels padded to a multiple of lanes:
 *   i8, VNNI:     taps 4t .. 4t+3 of a column, each channel    i8[column][four][channels][4]
 *   i8, MADD16:   taps 2t and 2t+1 of a column, widened        i16[column][pair][channels][2]
 * More taps than qcc_depthwise_columns takes, and f32, in the order (ky, kx):
 *   i8:           taps 2t and 2t+1 of each channel, widened    i16[pair][channels][2]
 *   f32:          w of each channel         f32[tap][channels]
 *
 * Whatever lies past a run, past the channels or past the taps is zero: what A holds there does not
 * matter for integers. f32 runs are never padded.
 */
#include "backend/pack.h"

#include <assert.h>
#include <string.h>

typedef struct Shape {
    int64_t outputs; /* per group */
    int64_t taps;
    int64_t cols; /* of a panel */
    int64_t panels;
    int64_t runs, length; /* length of a run in elements of one output's weights */
} Shape;

static int64_t round_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b * b;
}

static Shape shape_of(const QccKernel *k, const QccTarget *t)
{
    const QccContractShape *c = &k->u.contract;
    Shape s = {.taps = c->kh * c->kw};
    if (k->anchor == QCC_ANCHOR_DEPTHWISE) {
        s.outputs = c->groups;
        s.cols = round_up(c->groups, t->lanes);
        return s;
    }
    s.outputs = k->extent[3] / c->groups;
    s.cols = (int64_t)k->variant.nr * t->lanes;
    s.panels = (s.outputs + s.cols - 1) / s.cols;
    qcc_contract_runs(k, &s.runs, &s.length);
    return s;
}

void qcc_contract_runs(const QccKernel *k, int64_t *runs, int64_t *length)
{
    const QccContractShape *c = &k->u.contract;
    bool whole_row = c->kw > 1 && c->dil_w == 1 && c->groups == 1 && c->a_w == c->ci;
    *runs = whole_row ? c->kh : c->kh * c->kw;
    *length = whole_row ? c->kw * c->ci : c->ci;
}

QccDot qcc_contract_dot(const QccKernel *k, const QccTarget *t)
{
    bool fits = t->dot == QCC_DOT_MADD16 && k->u.contract.pairs_fit;
    return fits ? QCC_DOT_MADD8 : t->dot;
}

bool qcc_pairs_fit(const QccKernel *k, const QccTarget *t, const void *w)
{
    enum { MOST = 128 }; /* 255 * 128 < 2^15 <= 255 * 129 */
    const QccContractShape *c = &k->u.contract;
    if (t->dot != QCC_DOT_MADD16 || k->anchor != QCC_ANCHOR_CONTRACT) return false;
    if (k->arg[2].dtype != QCC_I8 || c->b_strided) return false;
    int64_t runs, length;
    qcc_contract_runs(k, &runs, &length);
    const int8_t *run = w;
    for (int64_t r = 0; r < k->extent[3] * runs; r++, run += length)
        for (int64_t e = 0; e < length; e += 2) {
            int a = run[e], b = e + 1 < length ? run[e + 1] : 0;
            int above = (a > 0 ? a : 0) + (b > 0 ? b : 0),
                below = (a < 0 ? a : 0) + (b < 0 ? b : 0);
            if (above > MOST || below < -MOST) return false;
        }
    return true;
}

int64_t qcc_contract_step(const QccKernel *k)
{
    return k->arg[2].dtype == QCC_F32 ? 1 : k->variant.wide ? 2 : 4;
}

int64_t qcc_paired_columns(const QccKernel *k, const QccTarget *t)
{
    enum { STEPS = 12, VECTORS = 8 }; /* fewer K steps, more vectors: not worth the code */
    int64_t outputs = k->extent[3] / k->u.contract.groups, runs, length;
    assert(k->anchor == QCC_ANCHOR_CONTRACT);
    if (k->arg[2].dtype != QCC_I8 || t->dot != QCC_DOT_VNNI) return outputs;
    if (k->variant.tiles || k->u.contract.b_strided) return outputs;
    qcc_contract_runs(k, &runs, &length);
    int64_t steps = (length + 3) / 4, last = outputs % t->lanes;
    bool half = last > 0 && last <= t->lanes / 2;
    if (!half || steps % 2 || runs * steps < STEPS || outputs > VECTORS * t->lanes) return outputs;
    return outputs - last;
}

bool qcc_depthwise_columns(const QccKernel *k, const QccTarget *t, QccColumns *q)
{
    enum { MOST_TAPS = 64 }; /* the code for them is straight-line */
    const QccContractShape *c = &k->u.contract;
    bool some = k->anchor == QCC_ANCHOR_DEPTHWISE && k->arg[2].dtype == QCC_I8 &&
                c->kh <= MOST_TAPS && c->kw <= MOST_TAPS && c->kh * c->kw <= MOST_TAPS;
    if (!some) return false;
    *q = (QccColumns){.columns = c->kh > 1 ? c->kw : 1,
                      .depth = c->kh > 1 ? c->kh : c->kw,
                      .taps = t->dot == QCC_DOT_VNNI ? 4 : 2};
    q->groups = (q->depth + q->taps - 1) / q->taps;
    return true;
}

int64_t qcc_column_weight(const QccColumns *q, int64_t channels, int64_t tap, int64_t o)
{
    int64_t column = tap % q->columns, d = tap / q->columns;
    return ((column * q->groups + d / q->taps) * channels + o) * q->taps + d % q->taps;
}

QccTileSteps qcc_tile_steps(int64_t length)
{
    QccTileSteps s = {.steps = (length + QCC_TILE_BYTES - 1) / QCC_TILE_BYTES,
                      .bytes = QCC_TILE_BYTES};
    if (s.steps == 1) s.bytes = round_up(length, 4);
    return s;
}

int64_t qcc_tile_weight(int64_t runs, int64_t length, int64_t o, int64_t run, int64_t e)
{
    int64_t steps = qcc_tile_steps(length).steps;
    int64_t tile = (o / 16 * runs + run) * steps + e / QCC_TILE_BYTES;
    int64_t byte = e % QCC_TILE_BYTES;
    return tile * QCC_TILE_SIZE + byte / 4 * 64 + o % 16 * 4 + byte % 4;
}

int64_t qcc_pack_size(const QccKernel *k, const QccTarget *t)
{
    const QccContractShape *c = &k->u.contract;
    if (c->b_strided) return 0;
    Shape s = shape_of(k, t);
    bool f32 = k->arg[2].dtype == QCC_F32;
    QccColumns q;
    if (qcc_depthwise_columns(k, t, &q)) return q.columns * q.groups * s.cols * 4;
    if (k->anchor == QCC_ANCHOR_DEPTHWISE)
        return f32 ? s.taps * s.cols * 4 : (s.taps + 1) / 2 * s.cols * 4;
    if (k->variant.tiles)
        return round_up(s.outputs, 16) / 16 * s.runs * qcc_tile_steps(s.length).steps *
               QCC_TILE_SIZE;
    int64_t element = f32 ? 4 : qcc_contract_dot(k, t) == QCC_DOT_MADD16 ? 2 : 1;
    int64_t length = round_up(s.length, qcc_contract_step(k));
    return c->groups * s.panels * s.runs * length * s.cols * element;
}

/* One panel of f32: `valid` of `cols` columns exist; column j's weights begin at w + j*depth. */
static float *pack_panel_f32(float *out, const Shape *s, const float *w, int64_t valid)
{
    int64_t depth = s->runs * s->length;
    for (int64_t e = 0; e < depth; e++, out += s->cols)
        for (int64_t j = 0; j < valid; j++) out[j] = w[j * depth + e];
    return out;
}

/* n of at most 4 bytes: nearly always 4, which is one instruction and no call. */
static inline void copy_few(int8_t *to, const int8_t *from, int64_t n)
{
    if (n == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, (size_t)n);
}

/* Bytes of one K step, of column j from w + j*depth on. From column `paired` on, those of an odd
 * step stand beside those of the step before. */
static void pack_step(int8_t *out, const Shape *s, const int8_t *w, int64_t valid, int64_t paired,
                      int64_t odd, int64_t bytes)
{
    int64_t depth = s->runs * s->length, j = 0;
    for (; j < valid && j < paired; j++) copy_few(out + 4 * j, w + j * depth, bytes);
    out -= odd * 4 * (s->cols - 1);
    for (; j < valid; j++) copy_few(out + 4 * (2 * j - paired), w + j * depth, bytes);
}

static int8_t *pack_panel_vnni(int8_t *out, const Shape *s, const int8_t *w, int64_t valid,
                               int64_t paired)
{
    int64_t whole = s->length & -4;
    for (int64_t r = 0; r < s->runs; r++, w += s->length) {
        for (int64_t e = 0; e < whole; e += 4, out += 4 * s->cols)
            pack_step(out, s, w + e, valid, paired, e / 4 % 2, 4);
        if (whole == s->length) continue;
        pack_step(out, s, w + whole, valid, paired, whole / 4 % 2, s->length - whole);
        out += 4 * s->cols;
    }
    return out;
}

/* Pairs of i16 for steps of 4 bytes, of which the even ones come first, or of 2 (wide): constants
 * where it is called, since loading waits for it. */
static inline int16_t *pack_panel_pairs(int16_t *out, const Shape *s, const int8_t *w,
                                        int64_t valid, int64_t step)
{
    int64_t depth = s->runs * s->length, apart = step / 4; /* 1: even and odd bytes */
    for (int64_t r = 0; r < s->runs; r++)
        for (int64_t e = 0; e < s->length; e += step, out += step * s->cols)
            for (int64_t j = 0; j < valid; j++)
                for (int64_t b = 0; b < step && e + b < s->length; b++) {
                    int64_t at = (b & apart) * 2 * s->cols + 2 * j + (b >> apart);
                    out[at] = w[j * depth + r * s->length + e + b];
                }
    return out;
}

static void pack_depthwise(void *out, const Shape *s, bool f32, const void *w)
{
    const float *wf = w;
    const int8_t *wi = w;
    float *of = out;
    int16_t *oi = out;
    for (int64_t c = 0; c < s->outputs; c++)
        for (int64_t tap = 0; tap < s->taps; tap++)
            if (f32)
                of[tap * s->cols + c] = wf[c * s->taps + tap];
            else
                oi[(tap / 2 * s->cols + c) * 2 + tap % 2] = wi[c * s->taps + tap];
}

static void pack_columns(void *out, const Shape *s, const QccColumns *q, const int8_t *w)
{
    for (int64_t c = 0; c < s->outputs; c++)
        for (int64_t tap = 0; tap < s->taps; tap++) {
            int64_t at = qcc_column_weight(q, s->cols, tap, c);
            if (q->taps == 4)
                ((int8_t *)out)[at] = w[c * s->taps + tap];
            else
                ((int16_t *)out)[at] = w[c * s->taps + tap];
        }
}

static void pack_tiles(int8_t *out, const Shape *s, const int8_t *w)
{
    for (int64_t o = 0; o < s->outputs; o++)
        for (int64_t run = 0; run < s->runs; run++, w += s->length)
            for (int64_t e = 0; e < s->length; e += 4) {
                int64_t n = s->length - e < 4 ? s->length - e : 4;
                copy_few(out + qcc_tile_weight(s->runs, s->length, o, run, e), w + e, n);
            }
}

void qcc_pack(void *out, const QccKernel *k, const QccTarget *t, const void *w)
{
    const QccContractShape *c = &k->u.contract;
    assert(!c->b_strided && (!c->pairs_fit || qcc_pairs_fit(k, t, w)));
    Shape s = shape_of(k, t);
    bool f32 = k->arg[2].dtype == QCC_F32;
    memset(out, 0, (size_t)qcc_pack_size(k, t));
    QccColumns q;
    if (qcc_depthwise_columns(k, t, &q)) {
        pack_columns(out, &s, &q, w);
        return;
    }
    if (k->anchor == QCC_ANCHOR_DEPTHWISE) {
        pack_depthwise(out, &s, f32, w);
        return;
    }
    if (k->variant.tiles) {
        pack_tiles(out, &s, w);
        return;
    }
    int64_t depth = s.runs * s.length, paired = qcc_paired_columns(k, t);
    for (int64_t g = 0; g < c->groups; g++) {
        for (int64_t p = 0; p < s.panels; p++) {
            int64_t first = g * s.outputs + p * s.cols;
            int64_t rest = s.outputs - p * s.cols;
            int64_t valid = rest < s.cols ? rest : s.cols;
            if (f32)
                out = pack_panel_f32(out, &s, (const float *)w + first * depth, valid);
            else if (qcc_contract_dot(k, t) != QCC_DOT_MADD16)
                out = pack_panel_vnni(out, &s, (const int8_t *)w + first * depth, valid,
                                      paired - p * s.cols);
            else if (k->variant.wide)
                out = pack_panel_pairs(out, &s, (const int8_t *)w + first * depth, valid, 2);
            else
                out = pack_panel_pairs(out, &s, (const int8_t *)w + first * depth, valid, 4);
        }
    }
}
