/* depthwise - one filter a channel.
 *
 * Bytes, up to 64 taps, in panels of 4 vectors of channels:
 *
 *   for each panel: weights and operands of the epilogue once
 *     for each unit (an output row), each block of mr pixels
 *       for each column of the input, each group of its taps (two, with VNNI four)
 *         the taps of a channel side by side, by unpacking
 *         for each pixel and column of taps that meet there: acc += dot(bytes, weights)
 *         a pixel that has had its last column: epilogue
 *
 * Unpacking works on the 128-bit parts of registers and leaves channels in another order: part l of
 * vector j has channels 16 l + 4 j .. 16 l + 4 j + 3. Weights and operands are brought into that
 * order, and packing the results to bytes undoes it.
 *
 * f32, and more taps: blocks of mr pixels x nr vectors.
 *
 *   for each unit, each block of channels, each block of pixels
 *     for each pair of taps: weights once; for each pixel
 *       acc += pmaddwd((a of tap 2t, a of tap 2t+1), weights)        f32: tap by tap, acc = fma
 *
 * Loads of A are whole vectors also at the last channels: A has slack behind it, its neighbours'
 * bytes meet lanes that are not stored.
 */
#include <string.h>

#include "backend/llvm/emit.h"

enum { STRAIGHT = 12 }; /* taps, up to which the loop over them is written out */

typedef struct Depthwise {
    QccEmit *e;
    const QccContractShape *c;
    bool f32;
    QccColumns q;
    int64_t element; /* bytes of one of A */
    int64_t padded;  /* channels, as they are packed */
    int64_t taps;
} Depthwise;

/* Where in A tap t lies relative to the first, in bytes. */
static Val tap_offset(const Depthwise *d, Val t)
{
    QccEmit *e = d->e;
    Val ky = emit_divc(e, t, d->c->kw), kx = emit_modc(e, t, d->c->kw);
    return emit_add(e, emit_mulc(e, ky, d->c->dil_h * d->c->a_h * d->element),
                    emit_mulc(e, kx, d->c->dil_w * d->c->a_w * d->element));
}

static Val load_bytes(QccEmit *e, Val p)
{
    Val v = emit_load_vector(e, emit_vector(e->i8, e->lanes), p, 1);
    return LLVMBuildZExt(e->b, v, emit_vector(e->i32, e->lanes), "");
}

/* One step: two taps of u8, or one of f32, from tap number t on. `alone`: an odd last tap. */
static void emit_step(const Depthwise *d, Val a, Val w, Val t, bool alone, int mr, int nv, Val *acc)
{
    QccEmit *e = d->e;
    Val first = emit_at(e, a, tap_offset(d, t));
    Val second = d->f32 || alone ? NULL : emit_at(e, a, tap_offset(d, emit_addc(e, t, 1)));
    Val row = emit_divc(e, t, d->f32 ? 1 : 2);
    w = emit_at(e, w, emit_mulc(e, row, d->padded * 4));
    Typ type = emit_vector(d->f32 ? e->f32 : e->i32, e->lanes);
    int64_t pixel = d->c->stride_w * d->c->a_w * d->element;
    for (int j = 0; j < nv; j++) {
        Val weights = emit_load_vector(e, type, emit_atc(e, w, (int64_t)j * e->lanes * 4), 4);
        for (int i = 0; i < mr; i++) {
            int64_t offset = i * pixel + (int64_t)j * e->lanes * d->element;
            Val *sum = &acc[i * nv + j];
            if (d->f32) {
                Val x = emit_load_vector(e, type, emit_atc(e, first, offset), 4);
                *sum = emit_fma(e, x, weights, *sum);
                continue;
            }
            Val x = load_bytes(e, emit_atc(e, first, offset));
            if (second) {
                Val y = load_bytes(e, emit_atc(e, second, offset));
                y = LLVMBuildShl(e->b, y, emit_splat(e, emit_i32(e, 16), e->lanes), "");
                x = LLVMBuildOr(e->b, x, y, "");
            }
            *sum = emit_pairs(e, *sum, x, weights);
        }
    }
}

static void emit_block(const Depthwise *d, Val a, Val w, const Val *at, int mr, int nv, int last)
{
    QccEmit *e = d->e;
    Val acc[EMIT_CARRY] = {NULL};
    int64_t step = d->f32 ? 1 : 2, whole = d->taps / step * step;
    a = emit_opaque(e, a);
    const QccExpr *epilogue = emit_block_start(e, at, acc, mr, nv, last);
    if (d->taps <= STRAIGHT) {
        for (int64_t t = 0; t < whole; t += step)
            emit_step(d, a, w, emit_i64(e, t), false, mr, nv, acc);
    } else {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), step, mr * nv, acc);
        for (int i = 0; i < mr * nv; i++) acc[i] = l.carry[i];
        emit_step(d, a, w, l.i, false, mr, nv, acc);
        emit_loop_end(e, &l, acc);
        for (int i = 0; i < mr * nv; i++) acc[i] = l.carry[i];
    }
    if (whole < d->taps) emit_step(d, a, w, emit_i64(e, whole), true, mr, nv, acc);
    emit_block_epilogue(e, epilogue, at, acc, mr, nv, last);
}

/* The pixels of a row, for nv vectors of channels. */
static void emit_pixels(const Depthwise *d, Val a, Val w, const Val *at, int nv, int last)
{
    QccEmit *e = d->e;
    int64_t ow = e->k->extent[2], pixel = d->c->stride_w * d->c->a_w * d->element;
    int mr = e->k->variant.mr, tail = (int)(ow % mr);
    Val here[QCC_KERNEL_ARGS];
    if (ow >= mr) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, ow - tail), mr, 0, NULL);
        emit_advance(e, here, at, 2, l.i);
        emit_block(d, emit_at(e, a, emit_mulc(e, l.i, pixel)), w, here, mr, nv, last);
        emit_loop_end(e, &l, NULL);
    }
    if (!tail) return;
    emit_advance(e, here, at, 2, emit_i64(e, ow - tail));
    emit_block(d, emit_atc(e, a, (ow - tail) * pixel), w, here, tail, nv, last);
}

/* Where an output row begins in A, and in the result and its operands. */
static Val emit_row_start(const Depthwise *d, Val unit, Val *at)
{
    QccEmit *e = d->e;
    const QccContractShape *c = d->c;
    Val n = emit_divc(e, unit, e->k->extent[1]), y = emit_modc(e, unit, e->k->extent[1]);
    Val row = emit_add(e, emit_mulc(e, n, c->a_n), emit_mulc(e, y, c->stride_h * c->a_h));
    emit_place(e, at, (Val[]){n, y}, 2);
    return emit_at(e, emit_arg(e, 1), emit_mulc(e, row, d->element));
}

static void emit_unit(const Depthwise *d, Val unit)
{
    QccEmit *e = d->e;
    const QccKernel *k = e->k;
    int nr = k->variant.nr;
    Val at[QCC_KERNEL_ARGS], here[QCC_KERNEL_ARGS];
    Val pa = emit_row_start(d, unit, at), pw = emit_arg(e, 2);
    int64_t wide = (int64_t)nr * e->lanes, whole = k->extent[3] / wide * wide;
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), wide, 0, NULL);
        emit_advance(e, here, at, 3, l.i);
        emit_pixels(d, emit_at(e, pa, emit_mulc(e, l.i, d->element)),
                    emit_at(e, pw, emit_mulc(e, l.i, 4)), here, nr, e->lanes);
        emit_loop_end(e, &l, NULL);
    }
    int rest = (int)(k->extent[3] - whole);
    if (!rest) return;
    int nv = (rest + e->lanes - 1) / e->lanes;
    emit_advance(e, here, at, 3, emit_i64(e, whole));
    emit_pixels(d, emit_atc(e, pa, whole * d->element), emit_atc(e, pw, whole * 4), here, nv,
                rest - (nv - 1) * e->lanes);
}

/* ---- columns of taps, in panels of channels -------------------------------------------------- */

enum { VECTORS = 4, GROUPS = 64 };

/* What all pixels of a panel share. One that is narrower than registers takes several pixels at
 * once, one of each part of a row: so each of them has its neighbours as others have. */
typedef struct Panel {
    const Depthwise *d;
    int width;    /* of a pixel, in bytes: channels at most */
    int channels; /* that exist */
    int parts;
    int64_t length, part[4]; /* pixels of a part, and where one begins; the last ones may overlap */
    Val weights[GROUPS][VECTORS];
    Val start[VECTORS];       /* of the sums */
    const QccExpr *saturated; /* NULL: sums go back into the order of channels */
    EmitOperand operand[VECTORS][QCC_KERNEL_ARGS];
} Panel;

/* Bytes or pairs of bytes of two vectors in turns, in each part those of one half. */
static Val unpack(QccEmit *e, Val a, Val b, int size, int half)
{
    int part = 16 / size, n = e->lanes * 4 / size;
    Typ type = emit_vector(size == 1 ? e->i8 : e->i16, n);
    Val index[64];
    for (int i = 0; i < n; i++)
        index[i] = emit_i32(e, i % 2 * n + i / part * part + half * part / 2 + i % part / 2);
    return LLVMBuildShuffleVector(e->b, LLVMBuildBitCast(e->b, a, type, ""),
                                  LLVMBuildBitCast(e->b, b, type, ""),
                                  LLVMConstVector(index, (unsigned)n), "");
}

static Val join(QccEmit *e, Val a, Val b)
{
    unsigned n = 2 * LLVMGetVectorSize(LLVMTypeOf(a));
    Val index[64];
    for (unsigned i = 0; i < n; i++) index[i] = emit_i32(e, i);
    return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(index, n), "");
}

/* A tap of all parts. */
static Val load_tap(const Panel *p, Val a)
{
    QccEmit *e = p->d->e;
    int64_t pixel = p->d->c->stride_w * p->d->c->a_w;
    Val v[4];
    for (int i = 0; i < p->parts; i++)
        v[i] = emit_load_vector(e, emit_vector(e->i8, p->width), emit_atc(e, a, p->part[i] * pixel),
                                1);
    for (int n = p->parts; n > 1; n /= 2)
        for (int i = 0; i < n / 2; i++) v[i] = join(e, v[2 * i], v[2 * i + 1]);
    return v[0];
}

/* A group of taps from the address on, `step` bytes apart, of which `count` exist; what stands in
 * the place of the others is met by a weight of zero. Four bytes a channel, or two i16. */
static void load_group(const Panel *p, Val a, int64_t step, int64_t count, Val *group)
{
    QccEmit *e = p->d->e;
    Typ bytes = emit_vector(e->i8, 4 * e->lanes);
    Val tap[4], pair[2][2];
    for (int i = 0; i < 4; i++)
        tap[i] = i < count ? load_tap(p, emit_atc(e, a, i * step)) : tap[i - 1];
    for (int half = 0; half < 2; half++) {
        pair[0][half] = unpack(e, tap[0], tap[1], 1, half);
        pair[1][half] = unpack(e, tap[2], tap[3], 1, half);
    }
    for (int j = 0; j < VECTORS; j++) {
        bool fours = p->d->q.taps == 4;
        Val other = fours ? pair[1][j / 2] : LLVMConstNull(bytes);
        group[j] = unpack(e, pair[0][j / 2], other, fours ? 2 : 1, j % 2);
        group[j] = LLVMBuildBitCast(e->b, group[j], emit_vector(e->i32, e->lanes), "");
    }
}

/* Vectors of consecutive bytes in the order of unpacked ones, or back: all consist of parts of
 * four.
 */
static void reorder(QccEmit *e, const Val *v, bool back, Val *out)
{
    int parts = e->lanes / 4;
    for (int j = 0; j < VECTORS; j++) {
        Val part[4], index[4];
        for (int l = 0; l < parts; l++) {
            int n = j * parts + l, from = back ? n % 4 * parts + n / 4 : 4 * l + j;
            for (int i = 0; i < 4; i++) index[i] = emit_i32(e, from % parts * 4 + i);
            part[l] = LLVMBuildShuffleVector(e->b, v[from / parts], v[from / parts],
                                             LLVMConstVector(index, 4), "");
        }
        for (int n = parts; n > 1; n /= 2)
            for (int i = 0; i < n / 2; i++) part[i] = join(e, part[2 * i], part[2 * i + 1]);
        out[j] = part[0];
    }
}

/* An operand of the panel's first `count` channels, the same for each pixel. */
static void load_operand(const Panel *p, QccDtype dtype, Val at, int64_t step, int count, Val *out)
{
    QccEmit *e = p->d->e;
    Val v[VECTORS];
    for (int j = 0; j < VECTORS; j++) {
        int first = j * e->lanes % p->width,
            n = count - first < e->lanes ? count - first : e->lanes;
        Val here = emit_atc(e, at, first * step * emit_size(e, dtype));
        v[j] = n > 0 ? emit_load_wide(e, dtype, here, step, n) : LLVMConstNull(LLVMTypeOf(v[0]));
    }
    reorder(e, v, false, out);
}

/* Whether results can be packed as they are: bytes side by side, each a function of its sum and its
 * channel. */
static bool is_packed(const QccKernel *k, const QccExpr *x, QccExpr *raw)
{
    for (int a = k->nanchor + 1; a < k->narg; a++)
        for (int dim = 0; dim < 3; dim++)
            if (k->arg[a].stride[dim]) return false;
    return k->arg[0].stride[3] == 1 && !qcc_expr_has(x, QCC_EX_load) &&
           emit_saturates(x, k->arg[0].dtype, raw);
}

/* Weights and operands, from channel c on. */
static void load_panel(Panel *p, Val c)
{
    const Depthwise *d = p->d;
    QccEmit *e = d->e;
    const QccKernel *k = e->k;
    int padded = (p->channels + e->lanes - 1) / e->lanes * e->lanes;
    Val w = emit_at(e, emit_arg(e, 2), emit_mulc(e, c, 4));
    for (int64_t i = 0; i < d->q.columns * d->q.groups; i++)
        load_operand(p, QCC_I32, emit_atc(e, w, i * d->padded * 4), 1, padded, p->weights[i]);
    for (int j = 0; j < VECTORS; j++) p->start[j] = LLVMConstNull(emit_vector(e->i32, e->lanes));
    QccExpr *rest = QCC_NEW(e->arena, QccExpr), *raw = QCC_NEW(e->arena, QccExpr);
    int addend = emit_addend(e, k->epilogue, rest);
    if (!is_packed(k, addend < 0 ? k->epilogue : rest, raw)) return;
    p->saturated = raw;
    for (int a = k->nanchor + 1; a < k->narg; a++) {
        const QccKernelArg *arg = &k->arg[a];
        Val value[VECTORS], at = emit_arg(e, a);
        at = emit_at(e, at, emit_mulc(e, c, arg->stride[3] * emit_size(e, arg->dtype)));
        load_operand(p, arg->dtype, at, arg->stride[3], p->channels, value);
        for (int j = 0; j < VECTORS; j++) {
            p->operand[j][a] = (EmitOperand){arg->dtype, arg->stride[3], at, value[j]};
            if (a == addend) p->start[j] = value[j];
        }
    }
}

/* The results of a pixel of each part. */
static void finish_pixels(Panel *p, const Val *acc, const Val *at)
{
    QccEmit *e = p->d->e;
    const QccKernelArg *to = &e->k->arg[0];
    int nv = (p->channels + e->lanes - 1) / e->lanes, last = p->channels - (nv - 1) * e->lanes;
    EmitVector vector[VECTORS];
    Val out[VECTORS], here[QCC_KERNEL_ARGS], bytes = NULL;
    if (p->saturated) {
        for (int j = 0; j < VECTORS; j++)
            vector[j] = (EmitVector){.operand = p->operand[j], .acc = acc[j], .count = e->lanes};
        emit_exprs(e, p->saturated, vector, VECTORS, out);
        bytes = emit_pack(e, to->dtype, out);
    } else {
        reorder(e, acc, true, out);
    }
    for (int i = 0; i < p->parts; i++) {
        emit_advance(e, here, at, 2, emit_i64(e, p->part[i]));
        if (!bytes)
            emit_block_epilogue(e, e->k->epilogue, here, out + i * VECTORS / p->parts, 1, nv, last);
        else if (p->parts == 1)
            emit_store_bytes(e, bytes, here[0], p->channels);
        else
            emit_store_part(e, bytes, i * p->width, p->channels, here[0]);
    }
}

/* Where column k of pixel i's taps begins, of which n is i * columns + k, in bytes. */
static int64_t column_at(const Depthwise *d, int64_t n)
{
    const QccContractShape *c = d->c;
    return (n / d->q.columns * c->stride_w + n % d->q.columns * c->dil_w) * c->a_w;
}

/* Whether an earlier one stands there too. */
static bool is_met(const Depthwise *d, int64_t n)
{
    for (int64_t m = 0; m < n; m++)
        if (column_at(d, m) == column_at(d, n)) return true;
    return false;
}

/* What stands at column n goes to all sums that it belongs to; `end` columns there are. */
static void add_column(const Panel *p, Val a, int64_t n, int64_t end, Val acc[][VECTORS])
{
    const Depthwise *d = p->d;
    const QccColumns *q = &d->q;
    int64_t x = column_at(d, n);
    int64_t step = d->c->kh > 1 ? d->c->dil_h * d->c->a_h : d->c->dil_w * d->c->a_w;
    Val (*dot)(QccEmit *, Val, Val, Val) = q->taps == 4 ? emit_quad : emit_pairs;
    for (int64_t g = 0; g < q->groups; g++) {
        int64_t first = g * q->taps, rest = q->depth - first;
        Val group[VECTORS];
        load_group(p, emit_atc(d->e, a, x + first * step), step, rest < q->taps ? rest : q->taps,
                   group);
        for (int64_t m = n; m < end; m++) {
            if (column_at(d, m) != x) continue;
            const Val *weights = p->weights[m % q->columns * q->groups + g];
            Val *sum = acc[m / q->columns];
            for (int j = 0; j < VECTORS; j++) sum[j] = dot(d->e, sum[j], group[j], weights[j]);
        }
    }
}

/* mr pixels of each part. They are finished as soon as they can be: few sums are alive at a time.
 */
static void emit_columns(Panel *p, Val a, const Val *at, int mr)
{
    QccEmit *e = p->d->e;
    Val acc[EMIT_CARRY][VECTORS], here[QCC_KERNEL_ARGS];
    int64_t columns = p->d->q.columns;
    a = emit_opaque(e, a);
    for (int i = 0; i < mr; i++) memcpy(acc[i], p->start, sizeof p->start);
    for (int64_t n = 0; n < mr * columns; n++) {
        if (!is_met(p->d, n)) add_column(p, a, n, mr * columns, acc);
        if (n % columns < columns - 1) continue;
        emit_advance(e, here, at, 2, emit_i64(e, n / columns));
        finish_pixels(p, acc[n / columns], here);
    }
}

static void emit_panel_row(Panel *p, Val a, const Val *at)
{
    QccEmit *e = p->d->e;
    int64_t pixel = p->d->c->stride_w * p->d->c->a_w;
    int mr = e->k->variant.mr, tail = (int)(p->length % mr);
    Val here[QCC_KERNEL_ARGS];
    if (p->length >= mr) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, p->length - tail), mr, 0, NULL);
        emit_advance(e, here, at, 2, l.i);
        emit_columns(p, emit_at(e, a, emit_mulc(e, l.i, pixel)), here, mr);
        emit_loop_end(e, &l, NULL);
    }
    if (!tail) return;
    emit_advance(e, here, at, 2, emit_i64(e, p->length - tail));
    emit_columns(p, emit_atc(e, a, (p->length - tail) * pixel), here, tail);
}

/* All units, for `channels` channels from c on. */
static void emit_panel(const Depthwise *d, Val c, int width, int channels)
{
    QccEmit *e = d->e;
    Panel p = {.d = d, .width = width, .channels = channels, .parts = 4 * e->lanes / width};
    Val at[QCC_KERNEL_ARGS], here[QCC_KERNEL_ARGS];
    int64_t ow = e->k->extent[2];
    p.length = (ow + p.parts - 1) / p.parts;
    for (int i = 0; i < p.parts; i++)
        p.part[i] = i * p.length < ow - p.length ? i * p.length : ow - p.length;
    load_panel(&p, c);
    EmitLoop unit;
    emit_loop_begin(e, &unit, e->begin, e->end, 1, 0, NULL);
    Val a = emit_row_start(d, unit.i, at);
    emit_advance(e, here, at, 3, c);
    emit_panel_row(&p, emit_at(e, a, c), here);
    emit_loop_end(e, &unit, NULL);
}

/* Panels stand outside of the rows: so the input rows that outputs share stay in L1. */
static void emit_panels(const Depthwise *d)
{
    QccEmit *e = d->e;
    int width = 4 * e->lanes, all = (int)e->k->extent[3], whole = all / width * width;
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), width, 0, NULL);
        emit_panel(d, l.i, width, width);
        emit_loop_end(e, &l, NULL);
    }
    if (whole == all) return;
    while (width > 16 && all - whole <= width / 2) width /= 2;
    emit_panel(d, emit_i64(e, whole), width, all - whole);
}

void emit_depthwise(QccEmit *e)
{
    const QccKernel *k = e->k;
    QccDtype a = k->arg[1].dtype, b = k->arg[2].dtype;
    Depthwise d = {.e = e, .c = &k->u.contract, .f32 = a == QCC_F32};
    if (!(a == QCC_F32 && b == QCC_F32) && !(a == QCC_U8 && b == QCC_I8))
        qcc_emit_fail(e, QCC_ERROR_UNSUPPORTED, "depthwise takes u8 x i8 or f32, not %s x %s",
                      qcc_dtype_name(a), qcc_dtype_name(b));
    bool columns = qcc_depthwise_columns(k, e->t, &d.q);
    int64_t block = columns ? k->variant.mr : (int64_t)k->variant.mr * k->variant.nr;
    if (block < 1 || block > EMIT_CARRY)
        qcc_emit_fail(e, QCC_ERROR_INTERNAL, "a block of %dx%d vectors", k->variant.mr,
                      k->variant.nr);
    if (qcc_kernel_work(k, e->lanes) == 0) return;
    d.taps = d.c->kh * d.c->kw;
    d.element = d.f32 ? 4 : 1;
    d.padded = (k->extent[3] + e->lanes - 1) / e->lanes * e->lanes;

    if (columns) {
        emit_panels(&d);
        return;
    }
    EmitLoop unit;
    emit_loop_begin(e, &unit, e->begin, e->end, 1, 0, NULL);
    emit_unit(&d, unit.i);
    emit_loop_end(e, &unit, NULL);
}
