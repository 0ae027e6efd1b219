/* depthwise - one filter a channel: vectors over channels, blocks of mr pixels x nr vectors.
 *
 *   for each unit (an output row), each block of channels, each block of pixels
 *     for each pair of taps: weights once; for each pixel
 *       acc += pmaddwd((a of tap 2t, a of tap 2t+1), weights)        f32: tap by tap, acc = fma
 *
 * With VNNI the bytes of four taps below each other are brought side by side, channel by channel.
 * What a column of A gives serves all pixels of the block whose taps stand in it:
 *
 *     for each column of the input, each four of its taps: transpose 4 x lanes bytes
 *       for each pixel and column of taps that meet there: acc += vpdpbusd(bytes, weights)
 *
 * Three taps leave a byte of the four: with a row of A in it, the same bytes serve the output row
 * below, by weights that are moved on. So a unit may be two rows (variant.chunk).
 *
 * Loads of A are whole vectors also at the last channels: A has slack behind it, its neighbours'
 * bytes meet lanes that are not stored.
 */
#include "backend/llvm/emit.h"

enum { STRAIGHT = 12 }; /* taps, up to which the loop over them is written out */

typedef struct Depthwise {
    QccEmit *e;
    const QccContractShape *c;
    bool f32, quads;
    QccQuads q;
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

/* Bytes (t, c) of four taps one after the other, as (c, t): dwords to where their channels are,
 * then 4 x 4 bytes within each 16; with tables of bytes, one instruction. */
static Val transpose(QccEmit *e, Val bytes)
{
    int n = e->lanes, dwords = n / 4;
    Val index[64];
    Typ words = emit_vector(e->i32, n), all = LLVMTypeOf(bytes);
    if (e->t->byte_tables) {
        for (int i = 0; i < 4 * n; i++) index[i] = emit_i32(e, i % 4 * n + i / 4);
        return LLVMBuildShuffleVector(e->b, bytes, LLVMGetPoison(all),
                                      LLVMConstVector(index, 4 * (unsigned)n), "");
    }
    for (int i = 0; i < n; i++) index[i] = emit_i32(e, i % 4 * dwords + i / 4);
    Val v = LLVMBuildShuffleVector(e->b, LLVMBuildBitCast(e->b, bytes, words, ""),
                                   LLVMGetPoison(words), LLVMConstVector(index, (unsigned)n), "");
    v = LLVMBuildBitCast(e->b, v, all, "");
    for (int i = 0; i < 4 * n; i++) index[i] = emit_i32(e, i / 16 * 16 + i % 4 * 4 + i % 16 / 4);
    return LLVMBuildShuffleVector(e->b, v, LLVMGetPoison(all),
                                  LLVMConstVector(index, 4 * (unsigned)n), "");
}

static Val join(QccEmit *e, Val a, Val b)
{
    unsigned n = 2 * LLVMGetVectorSize(LLVMTypeOf(a));
    Val index[64];
    for (unsigned i = 0; i < n; i++) index[i] = emit_i32(e, i);
    return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(index, n), "");
}

/* Four taps from the address on, `step` bytes apart, of which `count` exist. */
static Val load_quad(QccEmit *e, Val a, int64_t step, int64_t count)
{
    Typ type = emit_vector(e->i8, e->lanes);
    Val tap[4];
    for (int i = 0; i < 4; i++)
        tap[i] = i < count ? emit_load_vector(e, type, emit_atc(e, a, i * step), 1)
                           : LLVMConstNull(type);
    Val v = transpose(e, join(e, join(e, tap[0], tap[1]), join(e, tap[2], tap[3])));
    return LLVMBuildBitCast(e->b, v, emit_vector(e->i32, e->lanes), "");
}

enum { QUADS = 64, ROWS = 2 };

/* The weights of all fours. Of the output row below, they stand stride_h bytes further on in a
 * column's fours. */
static void load_quad_weights(const Depthwise *d, Val w, int rows, Val weights[ROWS][QUADS])
{
    QccEmit *e = d->e;
    Typ type = emit_vector(e->i32, e->lanes);
    Val on = emit_splat(e, emit_i32(e, 8 * d->c->stride_h), e->lanes);
    Val rest = emit_splat(e, emit_i32(e, 32 - 8 * d->c->stride_h), e->lanes);
    for (int64_t i = 0; i < d->q.columns * d->q.groups; i++) {
        weights[0][i] = emit_load_vector(e, type, emit_atc(e, w, i * d->padded * 4), 4);
        if (rows == 1) continue;
        weights[1][i] = LLVMBuildShl(e->b, weights[0][i], on, "");
        if (i % d->q.groups == 0) continue;
        Val before = LLVMBuildLShr(e->b, weights[0][i - 1], rest, "");
        weights[1][i] = LLVMBuildOr(e->b, weights[1][i], before, "");
    }
}

/* The sums of mr pixels, of `rows` rows, over one vector of channels: acc[(row * mr + i) * stride].
 */
static void emit_quads(const Depthwise *d, Val a, Val w, int rows, int mr, int stride, Val *acc)
{
    QccEmit *e = d->e;
    const QccContractShape *c = d->c;
    Val weights[ROWS][QUADS];
    load_quad_weights(d, w, rows, weights);
    int64_t pixel = c->stride_w * c->a_w, column = c->dil_w * c->a_w;
    int64_t step = c->kh > 1 ? c->dil_h * c->a_h : column;
    int64_t depth = d->q.depth + (rows - 1) * c->stride_h;
    for (int64_t first = 0; first < mr * d->q.columns; first++) {
        int64_t x = first / d->q.columns * pixel + first % d->q.columns * column;
        int64_t met = first; /* the pairs of pixel and column of taps that meet at x */
        for (int64_t p = 0; p < first && met == first; p++)
            if (p / d->q.columns * pixel + p % d->q.columns * column == x) met = p;
        if (met < first) continue;
        for (int64_t g = 0; g < d->q.groups; g++) {
            Val quad = load_quad(e, emit_atc(e, a, x + 4 * g * step), step, depth - 4 * g);
            for (int64_t p = rows * first; p < rows * mr * d->q.columns; p++) {
                int64_t row = p % rows, i = p / rows / d->q.columns, k = p / rows % d->q.columns;
                if (i * pixel + k * column != x) continue;
                Val *sum = &acc[(row * mr + i) * stride];
                *sum = emit_quad(e, *sum, quad, weights[row][k * d->q.groups + g]);
            }
        }
    }
}

/* A block by fours of taps; `at` stands at the first of its rows. */
static void emit_quad_block(const Depthwise *d, Val a, Val w, const Val *at, int rows, int mr,
                            int nv, int last)
{
    QccEmit *e = d->e;
    Val acc[EMIT_CARRY], row[ROWS][QCC_KERNEL_ARGS];
    const QccExpr *epilogue = NULL;
    for (int r = 0; r < rows; r++) {
        emit_advance(e, row[r], at, 1, emit_i64(e, r));
        epilogue = emit_block_start(e, row[r], acc + r * mr * nv, mr, nv, last);
    }
    for (int j = 0; j < nv; j++)
        emit_quads(d, emit_atc(e, a, (int64_t)j * e->lanes),
                   emit_atc(e, w, (int64_t)j * e->lanes * 4), rows, mr, nv, acc + j);
    for (int r = 0; r < rows; r++)
        emit_block_epilogue(e, epilogue, row[r], acc + r * mr * nv, mr, nv, last);
}

static void emit_block(const Depthwise *d, Val a, Val w, const Val *at, int rows, int mr, int nv,
                       int last)
{
    QccEmit *e = d->e;
    Val acc[EMIT_CARRY] = {NULL};
    int64_t step = d->f32 ? 1 : 2, whole = d->taps / step * step;
    a = emit_opaque(e, a);
    if (d->quads) {
        emit_quad_block(d, a, w, at, rows, mr, nv, last);
        return;
    }
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

/* The pixels of some rows, for nv vectors of channels. */
static void emit_pixels(const Depthwise *d, Val a, Val w, const Val *at, int rows, int nv, int last)
{
    QccEmit *e = d->e;
    int64_t ow = e->k->extent[2], pixel = d->c->stride_w * d->c->a_w * d->element;
    int mr = e->k->variant.mr, tail = (int)(ow % mr);
    Val here[QCC_KERNEL_ARGS];
    if (ow >= mr) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, ow - tail), mr, 0, NULL);
        emit_advance(e, here, at, 2, l.i);
        emit_block(d, emit_at(e, a, emit_mulc(e, l.i, pixel)), w, here, rows, mr, nv, last);
        emit_loop_end(e, &l, NULL);
    }
    if (!tail) return;
    emit_advance(e, here, at, 2, emit_i64(e, ow - tail));
    emit_block(d, emit_atc(e, a, (ow - tail) * pixel), w, here, rows, tail, nv, last);
}

/* `rows` rows of outputs from row y of image n on. */
static void emit_rows_of(const Depthwise *d, Val n, Val y, int rows)
{
    QccEmit *e = d->e;
    const QccKernel *k = e->k;
    const QccContractShape *c = d->c;
    int nr = k->variant.nr;
    Val row = emit_add(e, emit_mulc(e, n, c->a_n), emit_mulc(e, y, c->stride_h * c->a_h));
    Val pa = emit_at(e, emit_arg(e, 1), emit_mulc(e, row, d->element)), pw = emit_arg(e, 2);
    Val at[QCC_KERNEL_ARGS], here[QCC_KERNEL_ARGS];
    emit_place(e, at, (Val[]){n, y}, 2);
    int64_t wide = (int64_t)nr * e->lanes, whole = k->extent[3] / wide * wide;
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), wide, 0, NULL);
        emit_advance(e, here, at, 3, l.i);
        emit_pixels(d, emit_at(e, pa, emit_mulc(e, l.i, d->element)),
                    emit_at(e, pw, emit_mulc(e, l.i, 4)), here, rows, nr, e->lanes);
        emit_loop_end(e, &l, NULL);
    }
    int rest = (int)(k->extent[3] - whole);
    if (!rest) return;
    int nv = (rest + e->lanes - 1) / e->lanes;
    emit_advance(e, here, at, 3, emit_i64(e, whole));
    emit_pixels(d, emit_atc(e, pa, whole * d->element), emit_atc(e, pw, whole * 4), here, rows, nv,
                rest - (nv - 1) * e->lanes);
}

static void emit_unit(const Depthwise *d, Val unit)
{
    QccEmit *e = d->e;
    int64_t oh = e->k->extent[1], rows = qcc_kernel_rows(e->k), units = (oh + rows - 1) / rows;
    int last = (int)(oh - (units - 1) * rows);
    Val n = emit_divc(e, unit, units), number = emit_modc(e, unit, units);
    Val y = emit_mulc(e, number, rows);
    if (last == rows) {
        emit_rows_of(d, n, y, last);
        return;
    }
    Val is_last = LLVMBuildICmp(e->b, LLVMIntEQ, number, emit_i64(e, units - 1), "");
    LLVMBasicBlockRef join = emit_if_begin(e, LLVMBuildNot(e->b, is_last, ""));
    emit_rows_of(d, n, y, (int)rows);
    emit_if_end(e, join);
    join = emit_if_begin(e, is_last);
    emit_rows_of(d, n, y, last);
    emit_if_end(e, join);
}

void emit_depthwise(QccEmit *e)
{
    const QccKernel *k = e->k;
    QccDtype a = k->arg[1].dtype, b = k->arg[2].dtype;
    int64_t block = (int64_t)k->variant.mr * k->variant.nr, rows = qcc_kernel_rows(k);
    Depthwise d = {.e = e, .c = &k->u.contract, .f32 = a == QCC_F32};
    if (!(a == QCC_F32 && b == QCC_F32) && !(a == QCC_U8 && b == QCC_I8))
        qcc_emit_fail(e, QCC_ERROR_UNSUPPORTED, "depthwise takes u8 x i8 or f32, not %s x %s",
                      qcc_dtype_name(a), qcc_dtype_name(b));
    d.quads = qcc_depthwise_quads(k, e->t, &d.q);
    if (block < 1 || block * rows > EMIT_CARRY || rows > (d.quads ? d.q.rows : 1))
        qcc_emit_fail(e, QCC_ERROR_INTERNAL, "a block of %dx%d vectors, %d rows", k->variant.mr,
                      k->variant.nr, (int)rows);
    if (qcc_kernel_work(k, e->lanes) == 0) return;
    d.taps = d.c->kh * d.c->kw;
    d.element = d.f32 ? 4 : 1;
    d.padded = (k->extent[3] + e->lanes - 1) / e->lanes * e->lanes;

    EmitLoop unit;
    emit_loop_begin(e, &unit, e->begin, e->end, 1, 0, NULL);
    emit_unit(&d, unit.i);
    emit_loop_end(e, &unit, NULL);
}
