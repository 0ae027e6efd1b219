/* memory - loads of whole and partial vectors, and the widening of their elements. */
#include <assert.h>

#include "backend/llvm/emit.h"

int64_t emit_size(QccEmit *e, QccDtype dtype)
{
    int bits = qcc_dtype_bits(dtype);
    if (bits < 8)
        qcc_emit_fail(e, QCC_ERROR_UNSUPPORTED, "kernels take no elements of type %s",
                      qcc_dtype_name(dtype));
    return bits / 8;
}

Typ emit_type(QccEmit *e, QccDtype dtype)
{
    if (dtype == QCC_F32) return e->f32;
    if (dtype == QCC_F64) return e->f64;
    switch (emit_size(e, dtype)) {
    case 1: return e->i8;
    case 2: return e->i16;
    case 4: return e->i32;
    default: return e->i64;
    }
}

int emit_wide(QccEmit *e, QccDtype dtype)
{
    (void)emit_size(e, dtype);
    return qcc_expr_type_of(dtype);
}

Typ emit_expr_type(QccEmit *e, int type)
{
    const Typ types[] = {[QCC_EX_F32] = e->f32,
                         [QCC_EX_F64] = e->f64,
                         [QCC_EX_I32] = e->i32,
                         [QCC_EX_I64] = e->i64,
                         [QCC_EX_U64] = e->i64};
    return types[type];
}

Val emit_load_vector(QccEmit *e, Typ type, Val p, int align)
{
    Val v = LLVMBuildLoad2(e->b, type, p, "");
    LLVMSetAlignment(v, (unsigned)align);
    return v;
}

/* The first `count` of `lanes` elements, and no byte more: a masked load where the ISA has one for
 * this size, else pieces of 16, 8, 4, 2 and 1 elements that are put together. */
static Val load_partial(QccEmit *e, Typ element, int lanes, int size, Val p, int count)
{
    Typ type = emit_vector(element, lanes);
    Val pick[64];
    if (e->lanes == 16) {
        for (int i = 0; i < lanes; i++) pick[i] = LLVMConstInt(e->i1, i < count, false);
        Typ over[2] = {type, e->ptr};
        Val arg[4] = {p, emit_i32(e, size), LLVMConstVector(pick, (unsigned)lanes),
                      LLVMConstNull(type)};
        return emit_intrinsic(e, "llvm.masked.load", over, 2, arg, 4);
    }
    Val all = LLVMConstNull(type);
    for (int done = 0, piece = lanes; piece > 0; piece /= 2) {
        if (!(count & piece)) continue;
        Val part = emit_load_vector(e, emit_vector(element, piece),
                                    emit_atc(e, p, (int64_t)done * size), size);
        for (int i = 0; i < lanes; i++) pick[i] = emit_i32(e, i < piece ? i : 0);
        part = LLVMBuildShuffleVector(e->b, part, part, LLVMConstVector(pick, (unsigned)lanes), "");
        for (int i = 0; i < lanes; i++)
            pick[i] = emit_i32(e, i >= done && i < done + piece ? lanes + i - done : i);
        all = LLVMBuildShuffleVector(e->b, all, part, LLVMConstVector(pick, (unsigned)lanes), "");
        done += piece;
    }
    return all;
}

Val emit_load_bytes(QccEmit *e, Val p, int count)
{
    return emit_load_few_bytes(e, p, 4 * e->lanes, count);
}

Val emit_load_few_bytes(QccEmit *e, Val p, int lanes, int count)
{
    if (count < lanes) return load_partial(e, e->i8, lanes, 1, p, count);
    return emit_load_vector(e, emit_vector(e->i8, lanes), p, 1);
}

Val emit_load(QccEmit *e, QccDtype dtype, Val p, int64_t step, int count)
{
    Typ element = emit_type(e, dtype);
    int size = (int)emit_size(e, dtype);
    assert(count >= 1 && count <= e->lanes);
    if (step == 0) return emit_splat(e, emit_load_vector(e, element, p, size), e->lanes);
    if (step == 1 && count == e->lanes)
        return emit_load_vector(e, emit_vector(element, e->lanes), p, size);
    if (step == 1) return load_partial(e, element, e->lanes, size, p, count);
    Val all = LLVMConstNull(emit_vector(element, e->lanes));
    for (int i = 0; i < count; i++) {
        Val one = emit_load_vector(e, element, emit_atc(e, p, i * step * size), size);
        all = LLVMBuildInsertElement(e->b, all, one, emit_i32(e, i), "");
    }
    return all;
}

/* f16 to f32 in integers and one exact multiplication, since x86-64-v2 has no conversion: exponent
 * and mantissa moved into place are 2^112 too small, denormals included. */
static Val f16_to_f32(QccEmit *e, Val h)
{
    int n = e->lanes;
    Typ i32 = emit_vector(e->i32, n), f32 = emit_vector(e->f32, n);
    LLVMBuilderRef b = e->b;
    Val x = LLVMBuildZExt(b, h, i32, "");
    Val magnitude = LLVMBuildAnd(b, x, emit_splat(e, emit_i32(e, 0x7fff), n), "");
    Val moved = LLVMBuildShl(b, magnitude, emit_splat(e, emit_i32(e, 13), n), "");
    Val scaled = LLVMBuildFMul(b, LLVMBuildBitCast(b, moved, f32, ""),
                               emit_splat(e, LLVMConstReal(e->f32, 0x1p112), n), "");
    Val special =
        LLVMBuildICmp(b, LLVMIntUGE, magnitude, emit_splat(e, emit_i32(e, 0x7c00), n), "");
    Val infinite = LLVMBuildOr(b, moved, emit_splat(e, emit_i32(e, 0x7f800000), n), "");
    Val bits = LLVMBuildSelect(b, special, infinite, LLVMBuildBitCast(b, scaled, i32, ""), "");
    Val sign = LLVMBuildShl(b, LLVMBuildAnd(b, x, emit_splat(e, emit_i32(e, 0x8000), n), ""),
                            emit_splat(e, emit_i32(e, 16), n), "");
    return LLVMBuildBitCast(b, LLVMBuildOr(b, bits, sign, ""), f32, "");
}

Val emit_load_wide(QccEmit *e, QccDtype dtype, Val p, int64_t step, int count)
{
    return emit_widen(e, dtype, emit_load(e, dtype, p, step, count));
}

Val emit_widen(QccEmit *e, QccDtype dtype, Val v)
{
    Typ i32 = emit_vector(e->i32, e->lanes);
    switch (dtype) {
    case QCC_I8:
    case QCC_I16: return LLVMBuildSExt(e->b, v, i32, "");
    case QCC_U8:
    case QCC_U16:
    case QCC_BOOL: return LLVMBuildZExt(e->b, v, i32, "");
    case QCC_U32: return LLVMBuildZExt(e->b, v, emit_vector(e->i64, e->lanes), "");
    case QCC_F16: return f16_to_f32(e, v);
    case QCC_BF16: {
        Val x = LLVMBuildZExt(e->b, v, i32, "");
        x = LLVMBuildShl(e->b, x, emit_splat(e, emit_i32(e, 16), e->lanes), "");
        return LLVMBuildBitCast(e->b, x, emit_vector(e->f32, e->lanes), "");
    }
    default: return v;
    }
}

void emit_prefetch(QccEmit *e, Val p)
{
    enum { READ = 0, INTO_L2 = 2, DATA = 1 };
    Val arg[4] = {p, emit_i32(e, READ), emit_i32(e, INTO_L2), emit_i32(e, DATA)};
    emit_intrinsic(e, "llvm.prefetch", &e->ptr, 1, arg, 4);
}
