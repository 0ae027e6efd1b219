/* pool - elements of a window combined, vectors over channels.
 *
 * Taps outside the input are left out by the bounds of the loops over ky and kx, which are computed
 * once a row and once a pixel. Bytes are combined by whole registers and widened at the end.
 */
#include "backend/llvm/emit.h"

typedef struct Window {
    Val lo, hi; /* the taps of one dimension that lie inside: [lo, hi) */
    Val origin; /* position of tap 0, may be negative */
} Window;

/* How many steps of `dil` it takes from 0 to reach at least `x`; 0 when x is negative. */
static Val steps_to(QccEmit *e, Val x, int64_t dil)
{
    return emit_divc(e, emit_addc(e, emit_max(e, x, emit_i64(e, 0)), dil - 1), dil);
}

static Window window(QccEmit *e, Val out, int64_t stride, int64_t pad, int64_t dil, int64_t taps,
                     int64_t extent)
{
    Window w;
    w.origin = emit_addc(e, emit_mulc(e, out, stride), -pad);
    Val before = LLVMBuildSub(e->b, emit_i64(e, 0), w.origin, "");
    w.lo = steps_to(e, before, dil);
    w.hi = emit_min(e, steps_to(e, emit_addc(e, before, extent), dil), emit_i64(e, taps));
    return w;
}

/* What the accumulators of a window are: vectors of `lanes` elements of one type. */
typedef struct Accumulator {
    bool bytes; /* 4 * e->lanes elements, else e->lanes */
    int lanes;
    Typ element; /* bytes: of the accumulator; they are widened behind the window */
    Val start;
} Accumulator;

static bool is_signed(QccDtype dtype)
{
    int64_t lo, hi;
    qcc_dtype_range(dtype, &lo, &hi);
    return lo < 0;
}

/* Where max and min of integers begin: at the end of the element type's range. */
static Val least_or_greatest(QccEmit *e, Typ element, int lanes)
{
    QccDtype dtype = e->k->arg[1].dtype;
    int64_t lo, hi;
    qcc_dtype_range(dtype, &lo, &hi);
    uint64_t v = (uint64_t)(e->k->u.pool.combine == QCC_COMBINE_MAX ? lo : hi);
    return emit_splat(e, LLVMConstInt(element, v, true), lanes);
}

/* Bytes are taken by whole registers. Their max and min are bytes, too; sums of up to 256 of them
 * fit in 16 bits. */
static Accumulator accumulator(QccEmit *e)
{
    const QccPoolShape *s = &e->k->u.pool;
    QccDtype dtype = e->k->arg[1].dtype;
    bool picks = s->combine == QCC_COMBINE_MAX || s->combine == QCC_COMBINE_MIN;
    bool bytes = qcc_dtype_bits(dtype) == 8 && s->combine != QCC_COMBINE_PROD;
    int wide = emit_wide(e, dtype);
    Accumulator a = {.bytes = bytes, .lanes = e->lanes, .element = emit_expr_type(e, wide)};
    if (bytes) {
        a.lanes = 4 * e->lanes;
        a.element = picks ? e->i8 : s->kh * s->kw <= 256 ? e->i16 : e->i32;
    }
    if (picks && (bytes || !qcc_dtype_is_float(dtype)))
        a.start = least_or_greatest(e, a.element, a.lanes);
    else if (bytes)
        a.start = LLVMConstNull(emit_vector(a.element, a.lanes));
    else
        a.start = emit_identity(e, s->combine, wide);
    return a;
}

/* acc and `count` elements at p. */
static Val take(QccEmit *e, const Accumulator *a, Val acc, Val p, int count)
{
    QccDtype dtype = e->k->arg[1].dtype;
    QccCombine how = e->k->u.pool.combine;
    if (!a->bytes) return emit_combine(e, how, acc, emit_load_wide(e, dtype, p, 1, count));
    Val x = emit_load_bytes(e, p, count);
    if (how == QCC_COMBINE_MAX)
        return emit_binary(e, is_signed(dtype) ? "llvm.smax" : "llvm.umax", acc, x);
    if (how == QCC_COMBINE_MIN)
        return emit_binary(e, is_signed(dtype) ? "llvm.smin" : "llvm.umin", acc, x);
    Typ wide = LLVMTypeOf(acc);
    x = is_signed(dtype) ? LLVMBuildSExt(e->b, x, wide, "") : LLVMBuildZExt(e->b, x, wide, "");
    return LLVMBuildAdd(e->b, acc, x, "");
}

/* Whether the result is the accumulator itself, in bytes that lie side by side. */
static bool stores_bytes(const QccEmit *e, const Accumulator *a)
{
    const QccKernel *k = e->k;
    const QccExpr *x = k->epilogue;
    bool plain = !x || x->node[x->result].op == QCC_EX_acc;
    return a->element == e->i8 && plain && qcc_dtype_bits(k->arg[0].dtype) == 8 &&
           k->arg[0].stride[3] == 1;
}

/* One of the four vectors of i32 that a register of bytes becomes. */
static Val quarter(QccEmit *e, Val acc, int i)
{
    Val pick[16];
    Typ i32 = emit_vector(e->i32, e->lanes);
    for (int l = 0; l < e->lanes; l++) pick[l] = emit_i32(e, (int64_t)i * e->lanes + l);
    Val v = LLVMBuildShuffleVector(e->b, acc, acc, LLVMConstVector(pick, (unsigned)e->lanes), "");
    if (LLVMTypeOf(v) == i32) return v;
    return is_signed(e->k->arg[1].dtype) ? LLVMBuildSExt(e->b, v, i32, "")
                                         : LLVMBuildZExt(e->b, v, i32, "");
}

/* Epilogue and store of nv accumulators, the last with `last` channels. */
static void finish(QccEmit *e, const Accumulator *a, const Val *at, const Val *acc, int nv,
                   int last)
{
    if (!a->bytes) {
        emit_block_epilogue(e, e->k->epilogue, at, acc, 1, nv, last);
        return;
    }
    Val part[EMIT_CARRY];
    bool whole = stores_bytes(e, a);
    for (int j = 0; j < nv; j++) {
        if (whole)
            emit_store_bytes(e, acc[j], emit_atc(e, at[0], (int64_t)j * a->lanes),
                             j == nv - 1 ? last : a->lanes);
        for (int i = 0; i < 4 && !whole; i++) part[4 * j + i] = quarter(e, acc[j], i);
    }
    int n = (last + e->lanes - 1) / e->lanes;
    if (whole) return;
    emit_block_epilogue(e, e->k->epilogue, at, part, 1, 4 * (nv - 1) + n,
                        last - (n - 1) * e->lanes);
}

/* One output pixel, nv accumulators, the last with `last` channels. `a` stands at the channel, in
 * row and column 0. */
static void emit_window(QccEmit *e, const Accumulator *accumulator, Val a, const Window *wy,
                        const Window *wx, const Val *at, int nv, int last)
{
    const QccPoolShape *s = &e->k->u.pool;
    int64_t size = emit_size(e, e->k->arg[1].dtype);
    Val acc[EMIT_CARRY];
    for (int j = 0; j < nv; j++) acc[j] = accumulator->start;

    EmitLoop ly, lx;
    emit_loop_begin(e, &ly, wy->lo, wy->hi, 1, nv, acc);
    Val y = emit_add(e, wy->origin, emit_mulc(e, ly.i, s->dil_h));
    Val row = emit_at(e, a, emit_mulc(e, y, s->a_h * size));
    emit_loop_begin(e, &lx, wx->lo, wx->hi, 1, nv, ly.carry);
    Val x = emit_add(e, wx->origin, emit_mulc(e, lx.i, s->dil_w));
    Val p = emit_at(e, row, emit_mulc(e, x, s->a_w * size));
    for (int j = 0; j < nv; j++) {
        Val from = emit_atc(e, p, (int64_t)j * accumulator->lanes * size);
        acc[j] = take(e, accumulator, lx.carry[j], from, j == nv - 1 ? last : accumulator->lanes);
    }
    emit_loop_end(e, &lx, acc);
    emit_loop_end(e, &ly, lx.carry);
    finish(e, accumulator, at, ly.carry, nv, last);
}

void emit_pool(QccEmit *e)
{
    const QccKernel *k = e->k;
    const QccPoolShape *s = &k->u.pool;
    QccDtype dtype = k->arg[1].dtype;
    Accumulator acc = accumulator(e);
    int nr = k->variant.nr < 1 ? 1 : k->variant.nr > 8 ? 8 : k->variant.nr;
    if (acc.bytes) nr = (nr + 3) / 4;
    int64_t size = emit_size(e, dtype);
    if (qcc_kernel_work(k, e->lanes) == 0) return;

    EmitLoop unit, lx;
    Val at[QCC_KERNEL_ARGS], pixel[QCC_KERNEL_ARGS], here[QCC_KERNEL_ARGS];
    emit_loop_begin(e, &unit, e->begin, e->end, 1, 0, NULL);
    Val n = emit_divc(e, unit.i, k->extent[1]), y = emit_modc(e, unit.i, k->extent[1]);
    Val a = emit_at(e, emit_arg(e, 1), emit_mulc(e, n, s->a_n * size));
    emit_place(e, at, (Val[]){n, y}, 2);
    Window wy = window(e, y, s->stride_h, s->pad_top, s->dil_h, s->kh, s->ih);
    emit_loop_begin(e, &lx, emit_i64(e, 0), emit_i64(e, k->extent[2]), 1, 0, NULL);
    Window wx = window(e, lx.i, s->stride_w, s->pad_left, s->dil_w, s->kw, s->iw);
    emit_advance(e, pixel, at, 2, lx.i);
    int64_t wide = (int64_t)nr * acc.lanes, whole = k->extent[3] / wide * wide;
    if (whole) {
        EmitLoop lc;
        emit_loop_begin(e, &lc, emit_i64(e, 0), emit_i64(e, whole), wide, 0, NULL);
        emit_advance(e, here, pixel, 3, lc.i);
        emit_window(e, &acc, emit_at(e, a, emit_mulc(e, lc.i, size)), &wy, &wx, here, nr,
                    acc.lanes);
        emit_loop_end(e, &lc, NULL);
    }
    int rest = (int)(k->extent[3] - whole);
    if (rest) {
        int nv = (rest + acc.lanes - 1) / acc.lanes;
        emit_advance(e, here, pixel, 3, emit_i64(e, whole));
        emit_window(e, &acc, emit_atc(e, a, whole * size), &wy, &wx, here, nv,
                    rest - (nv - 1) * acc.lanes);
    }
    emit_loop_end(e, &lx, NULL);
    emit_loop_end(e, &unit, NULL);
}
