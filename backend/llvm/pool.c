/* pool - max or sum over a window, vectors over channels.
 *
 * Taps outside the input are left out by the bounds of the loops over ky and kx, which are computed
 * once a row and once a pixel. Max works on elements as they are and is widened at the end.
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

static Val start_value(QccEmit *e, QccDtype dtype)
{
    int n = e->lanes;
    if (dtype == QCC_F32) {
        Val infinity = LLVMConstReal(e->f32, -__builtin_inf());
        return emit_splat(e, infinity, n);
    }
    unsigned bits = (unsigned)qcc_dtype_bits(dtype);
    bool is_signed = dtype == QCC_I8 || dtype == QCC_I16 || dtype == QCC_I32;
    Val least = LLVMConstInt(emit_type(e, dtype), is_signed ? 1ULL << (bits - 1) : 0, false);
    return emit_splat(e, least, n);
}

/* max of elements as they lie in memory. */
static Val combine_max(QccEmit *e, QccDtype dtype, Val a, Val b)
{
    if (dtype == QCC_F32) return emit_greater(e, a, b);
    bool is_signed = dtype == QCC_I8 || dtype == QCC_I16 || dtype == QCC_I32;
    return emit_binary(e, is_signed ? "llvm.smax" : "llvm.umax", a, b);
}

static Val widen(QccEmit *e, QccDtype dtype, Val v)
{
    Typ i32 = emit_vector(e->i32, e->lanes);
    if (dtype == QCC_F32 || dtype == QCC_I32) return v;
    return dtype == QCC_I8 || dtype == QCC_I16 ? LLVMBuildSExt(e->b, v, i32, "")
                                               : LLVMBuildZExt(e->b, v, i32, "");
}

/* One output pixel, nv vectors of channels. `a` stands at the channel, in row and column 0. */
static void emit_window(QccEmit *e, Val a, const Window *wy, const Window *wx, const Val *at,
                        int nv, int last)
{
    const QccPoolShape *s = &e->k->u.pool;
    QccDtype dtype = e->k->arg[1].dtype;
    int64_t size = emit_size(e, dtype);
    Val acc[EMIT_CARRY];
    Val zero = LLVMConstNull(emit_vector(dtype == QCC_F32 ? e->f32 : e->i32, e->lanes));
    for (int j = 0; j < nv; j++) acc[j] = s->max ? start_value(e, dtype) : zero;

    EmitLoop ly, lx;
    emit_loop_begin(e, &ly, wy->lo, wy->hi, 1, nv, acc);
    Val y = emit_add(e, wy->origin, emit_mulc(e, ly.i, s->dil_h));
    Val row = emit_at(e, a, emit_mulc(e, y, s->a_h * size));
    emit_loop_begin(e, &lx, wx->lo, wx->hi, 1, nv, ly.carry);
    Val x = emit_add(e, wx->origin, emit_mulc(e, lx.i, s->dil_w));
    Val p = emit_at(e, row, emit_mulc(e, x, s->a_w * size));
    for (int j = 0; j < nv; j++) {
        int count = j == nv - 1 ? last : e->lanes;
        Val from = emit_atc(e, p, (int64_t)j * e->lanes * size);
        if (s->max) {
            acc[j] = combine_max(e, dtype, lx.carry[j], emit_load(e, dtype, from, 1, count));
            continue;
        }
        Val v = emit_load_wide(e, dtype, from, 1, count);
        acc[j] = dtype == QCC_F32 ? LLVMBuildFAdd(e->b, lx.carry[j], v, "")
                                  : LLVMBuildAdd(e->b, lx.carry[j], v, "");
    }
    emit_loop_end(e, &lx, acc);
    emit_loop_end(e, &ly, lx.carry);
    for (int j = 0; j < nv; j++) acc[j] = s->max ? widen(e, dtype, ly.carry[j]) : ly.carry[j];
    emit_block_epilogue(e, at, acc, 1, nv, last);
}

void emit_pool(QccEmit *e)
{
    const QccKernel *k = e->k;
    const QccPoolShape *s = &k->u.pool;
    QccDtype dtype = k->arg[1].dtype;
    if (emit_wide(e, dtype) != QCC_EX_I32 && dtype != QCC_F32)
        qcc_emit_fail(e, QCC_ERROR_UNSUPPORTED, "no pooling of %s", qcc_dtype_name(dtype));
    int nr = k->variant.nr < 1 ? 1 : k->variant.nr > 8 ? 8 : k->variant.nr;
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
    int64_t wide = (int64_t)nr * e->lanes, whole = k->extent[3] / wide * wide;
    if (whole) {
        EmitLoop lc;
        emit_loop_begin(e, &lc, emit_i64(e, 0), emit_i64(e, whole), wide, 0, NULL);
        emit_advance(e, here, pixel, 3, lc.i);
        emit_window(e, emit_at(e, a, emit_mulc(e, lc.i, size)), &wy, &wx, here, nr, e->lanes);
        emit_loop_end(e, &lc, NULL);
    }
    int rest = (int)(k->extent[3] - whole);
    if (rest) {
        int nv = (rest + e->lanes - 1) / e->lanes;
        emit_advance(e, here, pixel, 3, emit_i64(e, whole));
        emit_window(e, emit_atc(e, a, whole * size), &wy, &wx, here, nv,
                    rest - (nv - 1) * e->lanes);
    }
    emit_loop_end(e, &lx, NULL);
    emit_loop_end(e, &unit, NULL);
}
