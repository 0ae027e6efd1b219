/* contract - convolution and matrix product: blocks of pixels x vectors of output channels.
 *
 *   for each unit: a panel of output channels, a chunk of pixels of one output row
 *     for each block of mr pixels (one smaller block at the end of the row)
 *       acc[mr][nr] = 0, or the bias
 *       for each run of taps, for each K step in it          four bytes of A, or one f32
 *         nr vectors of B; mr times: broadcast A, nr multiply-adds
 *       for each vector, for each pixel: epilogue, store
 *
 * A is read where it lies: the taps are offsets, no copy is made. One skeleton serves every ISA and
 * type; what a K step is, is a row of `dots`. Blocks never overlap, not even to fill up the last
 * one, because the result may lie where an operand of the epilogue lay.
 *
 * A wide variant (i16 pairs) first puts what a unit reads of A on the stack, widened to 16 bits,
 * once for all panels: then a K step is a broadcast of two elements, and nothing takes bytes apart.
 *
 * Where the last vector of outputs is at most half full, it takes two K steps at once (its weights
 * stand in pairs, see pack.h): its sums are those of even and of odd steps, which are added behind.
 */
#include <assert.h>

#include "backend/llvm/emit.h"
#include "backend/variant.h"

typedef struct Contract Contract;

/* One kind of K step. */
typedef struct Dot {
    int a_elements;   /* of A per step */
    int b_vectors;    /* of B per step and vector of outputs */
    int instructions; /* for a step and vector, about */
    void (*multiply)(QccEmit *e, Val a, const Val *b, int stride, int n, Val *acc);
} Dot;

struct Contract {
    QccEmit *e;
    const QccContractShape *c;
    const Dot *dot;
    bool f32;
    int mr, nr;
    int64_t element;             /* bytes of one of A */
    int64_t outputs, cols;       /* output channels a group, of a panel */
    int64_t panels;              /* a group */
    int64_t chunk, chunks;       /* pixels; chunks of a row */
    int64_t runs, length, steps; /* runs of contiguous taps, elements and K steps of one */
    int64_t b_step;              /* bytes of B per K step */
    int64_t down;                /* elements of A from a row of taps to the next one */
    int64_t reach, pitch;        /* wide: elements that a pixel reads of a row; from row to row */
    Val widened;                 /* where they lie */
    bool pairs;                  /* the last vector of a group takes two K steps at once */
};

/* Where a unit or a block of it begins. */
typedef struct Place {
    Val a, b;
    Val at[QCC_KERNEL_ARGS];
} Place;

/* ---- K steps --------------------------------------------------------------------------------- */

static void dot_f32(QccEmit *e, Val a, const Val *b, int stride, int n, Val *acc)
{
    (void)stride;
    Val x = emit_splat(e, LLVMBuildBitCast(e->b, a, e->f32, ""), e->lanes);
    Typ f32 = emit_vector(e->f32, e->lanes);
    for (int j = 0; j < n; j++)
        acc[j] = emit_fma(e, x, LLVMBuildBitCast(e->b, b[j], f32, ""), acc[j]);
}

Val emit_quad(QccEmit *e, Val acc, Val a, Val b)
{
    const char *name =
        e->lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
    return emit_intrinsic(e, name, NULL, 0, (Val[]){acc, a, b}, 3);
}

static void dot_vnni(QccEmit *e, Val a, const Val *b, int stride, int n, Val *acc)
{
    (void)stride;
    Val x = emit_splat(e, a, e->lanes);
    for (int j = 0; j < n; j++) acc[j] = emit_quad(e, acc[j], x, b[j]);
}

Val emit_pairs(QccEmit *e, Val acc, Val a, Val b)
{
    if (e->t->dot == QCC_DOT_VNNI) {
        Typ i32 = emit_vector(e->i32, e->lanes);
        const char *fused =
            e->lanes == 16 ? "llvm.x86.avx512.vpdpwssd.512" : "llvm.x86.avx512.vpdpwssd.256";
        Val arg[3] = {acc, LLVMBuildBitCast(e->b, a, i32, ""), LLVMBuildBitCast(e->b, b, i32, "")};
        return emit_intrinsic(e, fused, NULL, 0, arg, 3);
    }
    Typ i16 = emit_vector(e->i16, 2 * e->lanes);
    const char *name = e->lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                       : e->lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                       : "llvm.x86.sse2.pmadd.wd";
    Val arg[2] = {LLVMBuildBitCast(e->b, a, i16, ""), LLVMBuildBitCast(e->b, b, i16, "")};
    return LLVMBuildAdd(e->b, acc, emit_intrinsic(e, name, NULL, 0, arg, 2), "");
}

/* Two elements of A that have been widened. */
static void dot_wide16(QccEmit *e, Val a, const Val *b, int stride, int n, Val *acc)
{
    (void)stride;
    Val x = emit_splat(e, a, e->lanes);
    for (int j = 0; j < n; j++) acc[j] = emit_pairs(e, acc[j], x, b[j]);
}

/* Bytes as they are: their products are added two and two in 16 bits, which the weights allow. */
static void dot_madd8(QccEmit *e, Val a, const Val *b, int stride, int n, Val *acc)
{
    (void)stride;
    const char *name = e->lanes == 16  ? "llvm.x86.avx512.pmaddubs.w.512"
                       : e->lanes == 8 ? "llvm.x86.avx2.pmadd.ub.sw"
                                       : "llvm.x86.ssse3.pmadd.ub.sw.128";
    Typ bytes = emit_vector(e->i8, 4 * e->lanes);
    Val x = LLVMBuildBitCast(e->b, emit_splat(e, a, e->lanes), bytes, "");
    Val ones = emit_splat(e, LLVMConstInt(e->i16, 1, false), 2 * e->lanes);
    for (int j = 0; j < n; j++) {
        Val arg[2] = {x, LLVMBuildBitCast(e->b, b[j], bytes, "")};
        acc[j] = emit_pairs(e, acc[j], emit_intrinsic(e, name, NULL, 0, arg, 2), ones);
    }
}

/* Bytes 0 and 2, then 1 and 3, as pairs of i16: exact, since 2 * 255 * 128 is far below 2^31. */
static void dot_madd16(QccEmit *e, Val a, const Val *b, int stride, int n, Val *acc)
{
    Val x = emit_splat(e, a, e->lanes);
    Val low = emit_splat(e, emit_i32(e, 0x00ff00ff), e->lanes);
    Val even = LLVMBuildAnd(e->b, x, low, "");
    Val eight = emit_splat(e, LLVMConstInt(e->i16, 8, false), 2 * e->lanes);
    Val odd = LLVMBuildLShr(e->b, LLVMBuildBitCast(e->b, x, emit_vector(e->i16, 2 * e->lanes), ""),
                            eight, "");
    for (int j = 0; j < n; j++) {
        acc[j] = emit_pairs(e, acc[j], even, b[j]);
        acc[j] = emit_pairs(e, acc[j], odd, b[stride + j]);
    }
}

/* The same of B as it is made in the run, four bytes a column. */
static void dot_bytes16(QccEmit *e, Val a, const Val *b, int stride, int n, Val *acc)
{
    (void)stride;
    Val half[2 * EMIT_CARRY];
    Typ i16 = emit_vector(e->i16, 2 * e->lanes), i32 = emit_vector(e->i32, e->lanes);
    Val eight = emit_splat(e, LLVMConstInt(e->i16, 8, false), 2 * e->lanes);
    for (int j = 0; j < n; j++) {
        Val x = LLVMBuildBitCast(e->b, b[j], i16, "");
        Val even = LLVMBuildAShr(e->b, LLVMBuildShl(e->b, x, eight, ""), eight, "");
        half[j] = LLVMBuildBitCast(e->b, even, i32, "");
        half[n + j] = LLVMBuildBitCast(e->b, LLVMBuildAShr(e->b, x, eight, ""), i32, "");
    }
    dot_madd16(e, a, half, n, n, acc);
}

static const Dot dots_i8[] = {
    [QCC_DOT_MADD16] = {4, 2, 4, dot_madd16},
    [QCC_DOT_VNNI] = {4, 1, 1, dot_vnni},
    [QCC_DOT_MADD8] = {4, 1, 3, dot_madd8},
};
static const Dot dots_fours[] = {
    [QCC_DOT_MADD16] = {4, 1, 5, dot_bytes16},
    [QCC_DOT_VNNI] = {4, 1, 1, dot_vnni},
};
static const Dot dot_wide = {2, 1, 2, dot_wide16};
static const Dot dots_f32[] = {
    [false] = {1, 1, 30, dot_f32}, [true] = {1, 1, 1, dot_f32}}; /* by target.fma */

static bool takes_pairs(const Contract *t, int last)
{
    return t->pairs && last <= t->e->lanes / 2;
}

/* Two K steps of the last vector, from step number s on. */
static void emit_step_pair(const Contract *t, Val a, Val b, int64_t s, int mr, int nv, Val *acc)
{
    QccEmit *e = t->e;
    Typ vector = emit_vector(e->i32, e->lanes);
    int64_t pixel = t->c->stride_w * t->c->a_w;
    int64_t offset = s * t->b_step + (int64_t)(nv - 1) * 4 * e->lanes;
    Val weights = emit_load_vector(e, vector, emit_atc(e, b, offset), 4);
    for (int i = 0; i < mr; i++) {
        Val two = emit_load_vector(e, e->i64, emit_atc(e, a, i * pixel + s * 4), 1);
        Val x = LLVMBuildBitCast(e->b, emit_splat(e, two, e->lanes / 2), vector, "");
        Val *sum = &acc[i * nv + nv - 1];
        *sum = emit_quad(e, *sum, x, weights);
    }
}

/* Sums of even and odd steps side by side become those of `last` columns. */
static Val emit_join_pairs(const Contract *t, Val sums)
{
    QccEmit *e = t->e;
    Val even[16], odd[16];
    for (int i = 0; i < e->lanes; i++) {
        even[i] = emit_i32(e, 2 * i % e->lanes);
        odd[i] = emit_i32(e, 2 * i % e->lanes + 1);
    }
    unsigned n = (unsigned)e->lanes;
    return LLVMBuildAdd(e->b,
                        LLVMBuildShuffleVector(e->b, sums, sums, LLVMConstVector(even, n), ""),
                        LLVMBuildShuffleVector(e->b, sums, sums, LLVMConstVector(odd, n), ""), "");
}

/* `n` K steps from the addresses a and b on, for mr pixels and nv vectors, the last of B with
 * `last` columns that exist. */
static void emit_steps(const Contract *t, Val a, Val b, int64_t n, int mr, int nv, int last,
                       Val *acc)
{
    QccEmit *e = t->e;
    Typ vector = emit_vector(e->i32, e->lanes);
    int64_t pixel = t->c->stride_w * t->c->a_w * t->element;
    bool pairs = takes_pairs(t, last);
    int whole = nv - pairs;
    for (int64_t s = 0; s < n; s++) {
        Val bv[2 * EMIT_CARRY];
        if (pairs && s % 2 == 0) emit_step_pair(t, a, b, s, mr, nv, acc);
        for (int h = 0; h < t->dot->b_vectors; h++)
            for (int j = 0; j < whole; j++) {
                int64_t offset = s * t->b_step + (int64_t)(h * t->nr + j) * 4 * e->lanes;
                Val at = emit_atc(e, b, offset);
                if (t->c->b_strided && j == nv - 1)
                    bv[h * nv + j] = emit_load(e, QCC_I32, at, 1, last);
                else
                    bv[h * nv + j] = emit_load_vector(e, vector, at, 4);
            }
        for (int i = 0; i < mr && whole > 0; i++) {
            Val at = emit_atc(e, a, i * pixel + s * t->dot->a_elements * t->element);
            Val x = emit_load_vector(e, e->i32, at, (int)t->element);
            t->dot->multiply(e, x, bv, nv, whole, &acc[(size_t)i * (size_t)nv]);
        }
    }
}

/* How a loop walks over A: `per_run` iterations of `n` K steps in a run, then on by `to_run` to the
 * next one, and after the last run of a row of taps by `to_row`; bytes, from the end of the run. */
typedef struct Walk {
    int64_t n, per_run, runs_per_row;
    int64_t to_run, to_row;
} Walk;

static Walk walk_of(const Contract *t)
{
    const QccContractShape *c = t->c;
    int64_t least = t->pairs ? 2 : 1, n = t->e->k->variant.unroll;
    if (n < least) n = least;
    while (t->steps % n || n % least) n--;
    Walk w = {.n = n, .per_run = t->steps / n, .runs_per_row = t->runs == c->kh ? 1 : c->kw};
    int64_t run = t->steps * t->dot->a_elements, tap = c->dil_w * c->a_w;
    w.to_run = (tap - run) * t->element;
    w.to_row = (t->down - (w.runs_per_row - 1) * tap - run) * t->element;
    return w;
}

/* All K steps in one loop: nested loops would carry the accumulators through each of them, which
 * costs the code generator more than these counters cost the code. */
static void emit_k_loop(const Contract *t, Val a, Val b, int mr, int nv, int last, Val *acc)
{
    QccEmit *e = t->e;
    Walk w = walk_of(t);
    int n = mr * nv;
    enum { A, B, LEFT, ROW, EXTRA };
    Val carry[EMIT_CARRY];
    for (int i = 0; i < n; i++) carry[i] = acc[i];
    carry[n + A] = a;
    carry[n + B] = b;
    carry[n + LEFT] = emit_i64(e, w.per_run);
    carry[n + ROW] = emit_i64(e, w.runs_per_row);
    int extra = t->runs == 1 ? LEFT : w.runs_per_row == 1 ? ROW : EXTRA;
    EmitLoop l;
    emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, t->runs * w.per_run), 1, n + extra, carry);
    for (int i = 0; i < n; i++) acc[i] = l.carry[i];
    Val here = emit_opaque(e, l.carry[n + A]), weights = emit_opaque(e, l.carry[n + B]);
    emit_steps(t, here, weights, w.n, mr, nv, last, acc);
    for (int i = 0; i < n; i++) carry[i] = acc[i];
    a = emit_atc(e, here, w.n * t->dot->a_elements * t->element);
    if (t->runs > 1) {
        Val left = emit_addc(e, l.carry[n + LEFT], -1), zero = emit_i64(e, 0);
        Val run_ends = LLVMBuildICmp(e->b, LLVMIntEQ, left, zero, "");
        Val jump = emit_i64(e, w.to_row);
        if (w.runs_per_row > 1) {
            Val row = emit_addc(e, l.carry[n + ROW], -1);
            Val row_ends = LLVMBuildICmp(e->b, LLVMIntEQ, row, zero, "");
            jump = LLVMBuildSelect(e->b, row_ends, jump, emit_i64(e, w.to_run), "");
            row = LLVMBuildSelect(e->b, row_ends, emit_i64(e, w.runs_per_row), row, "");
            carry[n + ROW] = LLVMBuildSelect(e->b, run_ends, row, l.carry[n + ROW], "");
        }
        a = emit_at(e, a, LLVMBuildSelect(e->b, run_ends, jump, zero, ""));
        carry[n + LEFT] = LLVMBuildSelect(e->b, run_ends, emit_i64(e, w.per_run), left, "");
    }
    carry[n + A] = a;
    carry[n + B] = emit_atc(e, weights, w.n * t->b_step);
    emit_loop_end(e, &l, carry);
    for (int i = 0; i < n; i++) acc[i] = l.carry[i];
}

/* The sum over all taps. A handful of multiplies is written out. */
static void emit_sum(const Contract *t, Val a, Val b, int mr, int nv, int last, Val *acc)
{
    enum { STRAIGHT = 128 };
    QccEmit *e = t->e;
    if (t->runs * t->steps * mr * nv * t->dot->instructions > STRAIGHT) {
        emit_k_loop(t, a, b, mr, nv, last, acc);
        return;
    }
    int64_t per_row = t->runs == t->c->kh ? 1 : t->c->kw;
    a = emit_opaque(e, a);
    b = emit_opaque(e, b);
    for (int64_t r = 0; r < t->runs; r++) {
        int64_t offset = r / per_row * t->down + r % per_row * t->c->dil_w * t->c->a_w;
        emit_steps(t, emit_atc(e, a, offset * t->element), emit_atc(e, b, r * t->steps * t->b_step),
                   t->steps, mr, nv, last, acc);
    }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void emit_block(const Contract *t, const Place *p, int mr, int nv, int last)
{
    QccEmit *e = t->e;
    Val acc[EMIT_CARRY];
    const QccExpr *epilogue = emit_block_start(e, p->at, acc, mr, nv, last);
    Val start[EMIT_CARRY];
    bool pairs = takes_pairs(t, last);
    for (int i = 0; i < mr && pairs; i++) {
        Val *sum = &acc[i * nv + nv - 1];
        start[i] = *sum;
        *sum = LLVMConstNull(LLVMTypeOf(*sum));
    }
    emit_sum(t, p->a, p->b, mr, nv, last, acc);
    for (int i = 0; i < mr && pairs; i++) {
        Val *sum = &acc[i * nv + nv - 1];
        *sum = LLVMBuildAdd(e->b, emit_join_pairs(t, *sum), start[i], "");
    }
    emit_block_epilogue(e, epilogue, p->at, acc, mr, nv, last);
}

/* Pixels of a chunk of a row. */
static Val pixels_of(const Contract *t, Val chunk)
{
    QccEmit *e = t->e;
    Val last = emit_i64(e, t->e->k->extent[2] - (t->chunks - 1) * t->chunk);
    if (t->chunks == 1) return last;
    Val is_last = LLVMBuildICmp(e->b, LLVMIntEQ, chunk, emit_i64(e, t->chunks - 1), "");
    return LLVMBuildSelect(e->b, is_last, last, emit_i64(e, t->chunk), "");
}

/* The blocks of one unit: `first` is its first pixel, relative to `p`; in the last chunk of a row
 * the tail follows. */
static void emit_pixels(const Contract *t, const Place *p, Val chunk, int nv, int last)
{
    QccEmit *e = t->e;
    int64_t ow = e->k->extent[2];
    int64_t last_chunk = ow - (t->chunks - 1) * t->chunk;
    Val is_last = LLVMBuildICmp(e->b, LLVMIntEQ, chunk, emit_i64(e, t->chunks - 1), "");
    Val pixels = pixels_of(t, chunk);
    int tail = (int)(ow % t->mr);
    if (t->chunks > 1 || last_chunk >= t->mr) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_addc(e, pixels, 1 - t->mr), t->mr, 0, NULL);
        Place block = *p;
        block.a = emit_at(e, p->a, emit_mulc(e, l.i, t->c->stride_w * t->c->a_w * t->element));
        emit_advance(e, block.at, p->at, 2, l.i);
        emit_block(t, &block, t->mr, nv, last);
        emit_loop_end(e, &l, NULL);
    }
    if (!tail) return;
    LLVMBasicBlockRef join = t->chunks > 1 ? emit_if_begin(e, is_last) : NULL;
    Val x = emit_i64(e, last_chunk - tail);
    Place block = *p;
    block.a = emit_at(e, p->a, emit_mulc(e, x, t->c->stride_w * t->c->a_w * t->element));
    emit_advance(e, block.at, p->at, 2, x);
    emit_block(t, &block, tail, nv, last);
    if (join) emit_if_end(e, join);
}

/* What a unit reads of A from the address a on, widened to 16 bits, unless the unit before has done
 * that. */
static Val emit_widened(const Contract *t, Val a, Val unit, Val panel, Val chunk)
{
    QccEmit *e = t->e;
    const QccContractShape *c = t->c;
    int step = 4 * e->lanes, half = 2 * e->lanes;
    Val pixels = emit_addc(e, pixels_of(t, chunk), -1);
    Val span = emit_addc(e, emit_mulc(e, pixels, c->stride_w * c->a_w), t->reach);
    Val first = LLVMBuildICmp(e->b, LLVMIntEQ, unit, e->begin, "");
    Val fresh = LLVMBuildICmp(e->b, LLVMIntEQ, panel, emit_i64(e, 0), "");
    LLVMBasicBlockRef join = NULL;
    if (!e->k->variant.n_outer) join = emit_if_begin(e, LLVMBuildOr(e->b, first, fresh, ""));
    EmitLoop row, l;
    emit_loop_begin(e, &row, emit_i64(e, 0), emit_i64(e, c->kh), 1, 0, NULL);
    Val from = emit_at(e, a, emit_mulc(e, row.i, c->dil_h * c->a_h));
    Val to = emit_at(e, t->widened, emit_mulc(e, row.i, 2 * t->pitch));
    emit_loop_begin(e, &l, emit_i64(e, 0), span, step, 0, NULL);
    for (int h = 0; h < 2; h++) {
        Val at = emit_atc(e, emit_at(e, from, l.i), (int64_t)h * half);
        Val bytes = emit_load_vector(e, emit_vector(e->i8, half), at, 1);
        Val x = LLVMBuildZExt(e->b, bytes, emit_vector(e->i16, half), "");
        Val out = emit_atc(e, emit_at(e, to, emit_mulc(e, l.i, 2)), (int64_t)h * step);
        LLVMSetAlignment(LLVMBuildStore(e->b, x, out), 4);
    }
    emit_loop_end(e, &l, NULL);
    emit_loop_end(e, &row, NULL);
    if (join) emit_if_end(e, join);
    return t->widened;
}

/* A unit: which panel, which chunk of which row; then code for full panels and for the last one of
 * a group where it is narrower. */
static void emit_unit(const Contract *t, Val unit)
{
    QccEmit *e = t->e;
    const QccKernel *k = e->k;
    const QccContractShape *c = t->c;
    int64_t panels = t->panels * c->groups;
    Val panel, chunk, y, n, rest;
    if (k->variant.n_outer) {
        chunk = emit_modc(e, unit, t->chunks);
        rest = emit_divc(e, unit, t->chunks);
        y = emit_modc(e, rest, k->extent[1]);
        rest = emit_divc(e, rest, k->extent[1]);
        n = emit_modc(e, rest, k->extent[0]);
        panel = emit_divc(e, rest, k->extent[0]);
    } else {
        panel = emit_modc(e, unit, panels);
        rest = emit_divc(e, unit, panels);
        chunk = emit_modc(e, rest, t->chunks);
        rest = emit_divc(e, rest, t->chunks);
        y = emit_modc(e, rest, k->extent[1]);
        n = emit_divc(e, rest, k->extent[1]);
    }
    Val group = c->groups == 1 ? emit_i64(e, 0) : emit_divc(e, panel, t->panels);
    Val in_group = c->groups == 1 ? panel : emit_modc(e, panel, t->panels);
    Val x = emit_mulc(e, chunk, t->chunk);
    Val channel = emit_add(e, emit_mulc(e, group, t->outputs), emit_mulc(e, in_group, t->cols));

    Place p;
    Val a = emit_add(e, emit_mulc(e, n, c->a_n), emit_mulc(e, y, c->stride_h * c->a_h));
    a = emit_add(e, a, emit_mulc(e, x, c->stride_w * c->a_w));
    a = emit_add(e, a, emit_mulc(e, group, c->ci));
    p.a = emit_at(e, emit_arg(e, 1), emit_mulc(e, a, t->f32 ? 4 : 1));
    if (t->widened) p.a = emit_widened(t, p.a, unit, panel, chunk);
    Val b = emit_mulc(e, panel, t->runs * t->steps * t->b_step);
    if (c->b_strided) {
        b = emit_add(e, emit_mulc(e, n, c->b_n), emit_mulc(e, y, c->b_h));
        b = emit_add(e, emit_mulc(e, b, t->element), emit_mulc(e, channel, 4));
    }
    p.b = emit_at(e, emit_arg(e, 2), b);
    emit_place(e, p.at, (Val[]){n, y, x, channel}, 4);

    int64_t rest_cols = t->outputs - (t->panels - 1) * t->cols;
    int nv = (int)((rest_cols + e->lanes - 1) / e->lanes);
    int last = (int)(rest_cols - (int64_t)(nv - 1) * e->lanes);
    if (rest_cols == t->cols || t->panels == 1) {
        emit_pixels(t, &p, chunk, nv, last);
        return;
    }
    Val is_last = LLVMBuildICmp(e->b, LLVMIntEQ, in_group, emit_i64(e, t->panels - 1), "");
    LLVMBasicBlockRef join = emit_if_begin(e, LLVMBuildNot(e->b, is_last, ""));
    emit_pixels(t, &p, chunk, t->nr, e->lanes);
    emit_if_end(e, join);
    join = emit_if_begin(e, is_last);
    emit_pixels(t, &p, chunk, nv, last);
    emit_if_end(e, join);
}

/* A place for what a unit reads of A, row below row. */
static void prepare_wide(Contract *t)
{
    const QccContractShape *c = t->c;
    if (!qcc_wide_fits(t->e->k, t->e->t))
        qcc_emit_fail(t->e, QCC_ERROR_INTERNAL, "this contraction cannot be wide");
    int64_t step = 4 * t->e->lanes;
    t->reach = (c->kw - 1) * c->dil_w * c->a_w + c->ci;
    int64_t span = (t->chunk - 1) * c->stride_w * c->a_w + t->reach;
    t->pitch = (span + step) / step * step; /* one more, where the last pair has but one */
    t->widened = emit_stack(t->e, 2 * c->kh * t->pitch);
    t->element = 2;
    t->down = t->pitch;
}

void emit_contract(QccEmit *e)
{
    const QccKernel *k = e->k;
    const QccContractShape *c = &k->u.contract;
    Contract t = {.e = e, .c = c, .mr = k->variant.mr, .nr = k->variant.nr};
    QccDtype a = k->arg[1].dtype, b = k->arg[2].dtype;
    t.f32 = a == QCC_F32;
    if (!(a == QCC_F32 && b == QCC_F32) && !(a == QCC_U8 && b == QCC_I8))
        qcc_emit_fail(e, QCC_ERROR_UNSUPPORTED, "a contraction takes u8 x i8 or f32, not %s x %s",
                      qcc_dtype_name(a), qcc_dtype_name(b));
    if (c->b_strided && c->kh * c->kw * c->groups != 1)
        qcc_emit_fail(e, QCC_ERROR_UNSUPPORTED, "B in rows is for matrix products only");
    if (qcc_kernel_work(k, e->lanes) == 0) return;
    if (k->variant.tiles) {
        emit_product(e);
        return;
    }
    if (t.mr < 1 || t.nr < 1 || t.mr * t.nr + 4 > EMIT_CARRY)
        qcc_emit_fail(e, QCC_ERROR_INTERNAL, "a block of %dx%d vectors", t.mr, t.nr);
    t.dot = t.f32             ? &dots_f32[e->t->fma]
            : k->variant.wide ? &dot_wide
            : c->b_strided    ? &dots_fours[e->t->dot]
                              : &dots_i8[qcc_contract_dot(k, e->t)];
    t.element = t.f32 ? 4 : 1;
    t.outputs = k->extent[3] / c->groups;
    t.cols = (int64_t)t.nr * e->lanes;
    t.panels = (t.outputs + t.cols - 1) / t.cols;
    int64_t ow = k->extent[2];
    t.chunk = k->variant.chunk > 0 && k->variant.chunk < ow ? k->variant.chunk : ow;
    if (t.chunk < ow && t.chunk % t.mr)
        qcc_emit_fail(e, QCC_ERROR_INTERNAL, "chunks of %lld pixels in blocks of %d",
                      (long long)t.chunk, t.mr);
    t.chunks = (ow + t.chunk - 1) / t.chunk;
    qcc_contract_runs(k, &t.runs, &t.length);
    t.steps = (t.length + t.dot->a_elements - 1) / t.dot->a_elements;
    t.pairs = qcc_paired_columns(k, e->t) < t.outputs;
    t.b_step = c->b_strided ? c->b_k * t.element : t.cols * 4 * t.dot->b_vectors;
    t.down = c->dil_h * c->a_h;
    if (k->variant.wide) prepare_wide(&t);

    EmitLoop l;
    emit_loop_begin(e, &l, e->begin, e->end, 1, 0, NULL);
    emit_unit(&t, l.i);
    emit_loop_end(e, &l, NULL);
}
