/* store - narrows what an epilogue gives to the result's type, and stores it.
 *
 * Clamping to a narrow type's range and cutting to it is one saturating instruction on every x86
 * (packs, vpmovus): LLVM finds it when both stand side by side, so the expression's own min and max
 * are left as they are.
 */
#include <assert.h>

#include "backend/llvm/emit.h"

static Val splat_i32(QccEmit *e, int64_t x)
{
    return emit_splat(e, emit_i32(e, x), e->lanes);
}

/* Rounds to nearest, ties to even, by adding half a unit (and the last bit that stays) to the bits;
 * a NaN keeps its upper bits and becomes quiet. */
static Val f32_to_bf16(QccEmit *e, Val x)
{
    LLVMBuilderRef b = e->b;
    Val bits = LLVMBuildBitCast(b, x, emit_vector(e->i32, e->lanes), "");
    Val high = LLVMBuildLShr(b, bits, splat_i32(e, 16), "");
    Val half =
        LLVMBuildAdd(b, LLVMBuildAnd(b, high, splat_i32(e, 1), ""), splat_i32(e, 0x7fff), "");
    Val rounded = LLVMBuildLShr(b, LLVMBuildAdd(b, bits, half, ""), splat_i32(e, 16), "");
    Val nan = LLVMBuildFCmp(b, LLVMRealUNO, x, x, "");
    Val quiet = LLVMBuildOr(b, high, splat_i32(e, 0x40), "");
    return LLVMBuildTrunc(b, LLVMBuildSelect(b, nan, quiet, rounded, ""),
                          emit_vector(e->i16, e->lanes), "");
}

/* Ties to even: normal results by adding half a unit to the bits, denormal ones by adding 0.5,
 * whose last bit is worth the smallest f16. From 65520 on infinity; NaN is 0x7e00 and the sign. */
static Val f32_to_f16(QccEmit *e, Val x)
{
    LLVMBuilderRef b = e->b;
    Typ i32 = emit_vector(e->i32, e->lanes), f32 = emit_vector(e->f32, e->lanes);
    Val bits = LLVMBuildBitCast(b, x, i32, "");
    Val magnitude = LLVMBuildAnd(b, bits, splat_i32(e, 0x7fffffff), "");
    Val sign = LLVMBuildLShr(b, LLVMBuildXor(b, bits, magnitude, ""), splat_i32(e, 16), "");

    Val last =
        LLVMBuildAnd(b, LLVMBuildLShr(b, magnitude, splat_i32(e, 13), ""), splat_i32(e, 1), "");
    Val normal = LLVMBuildSub(b, magnitude, splat_i32(e, (112 << 23) - 0xfff), "");
    normal = LLVMBuildLShr(b, LLVMBuildAdd(b, normal, last, ""), splat_i32(e, 13), "");

    Val half = emit_splat(e, LLVMConstReal(e->f32, 0.5), e->lanes);
    Val small = LLVMBuildFAdd(b, LLVMBuildBitCast(b, magnitude, f32, ""), half, "");
    small = LLVMBuildSub(b, LLVMBuildBitCast(b, small, i32, ""), LLVMBuildBitCast(b, half, i32, ""),
                         "");

    Val is_small = LLVMBuildICmp(b, LLVMIntULT, magnitude, splat_i32(e, 113 << 23), "");
    Val is_large = LLVMBuildICmp(b, LLVMIntUGE, magnitude, splat_i32(e, 0x477ff000), "");
    Val is_nan = LLVMBuildICmp(b, LLVMIntUGT, magnitude, splat_i32(e, 0x7f800000), "");
    Val h = LLVMBuildSelect(b, is_small, small, normal, "");
    h = LLVMBuildSelect(b, is_large, splat_i32(e, 0x7c00), h, "");
    h = LLVMBuildSelect(b, is_nan, splat_i32(e, 0x7e00), h, "");
    return LLVMBuildTrunc(b, LLVMBuildOr(b, h, sign, ""), emit_vector(e->i16, e->lanes), "");
}

static Val narrow(QccEmit *e, QccDtype dtype, Val v)
{
    if (dtype == QCC_F16) return f32_to_f16(e, v);
    if (dtype == QCC_BF16) return f32_to_bf16(e, v);
    Typ type = emit_vector(emit_type(e, dtype), e->lanes);
    return LLVMTypeOf(v) == type ? v : LLVMBuildTrunc(e->b, v, type, "");
}

static void store_vector(QccEmit *e, Val v, Val p, int align)
{
    LLVMSetAlignment(LLVMBuildStore(e->b, v, p), (unsigned)align);
}

static void store_partial(QccEmit *e, Val v, int size, Val p, int count)
{
    Typ type = LLVMTypeOf(v);
    int lanes = (int)LLVMGetVectorSize(type);
    Val pick[64];
    if (e->lanes == 16) {
        for (int i = 0; i < lanes; i++) pick[i] = LLVMConstInt(e->i1, i < count, false);
        Typ over[2] = {type, e->ptr};
        Val arg[4] = {v, p, emit_i32(e, size), LLVMConstVector(pick, (unsigned)lanes)};
        emit_intrinsic(e, "llvm.masked.store", over, 2, arg, 4);
        return;
    }
    for (int done = 0, piece = lanes; piece > 0; piece /= 2) {
        if (!(count & piece)) continue;
        for (int i = 0; i < piece; i++) pick[i] = emit_i32(e, done + i);
        Val part = LLVMBuildShuffleVector(e->b, v, v, LLVMConstVector(pick, (unsigned)piece), "");
        store_vector(e, part, emit_atc(e, p, (int64_t)done * size), size);
        done += piece;
    }
}

void emit_store_bytes(QccEmit *e, Val value, Val p, int count)
{
    if (count == (int)LLVMGetVectorSize(LLVMTypeOf(value)))
        store_vector(e, value, p, 1);
    else
        store_partial(e, value, 1, p, count);
}

Val emit_pack(QccEmit *e, QccDtype dtype, const Val *value)
{
    static const char *const name[3][3] = {
        {"llvm.x86.sse2.packssdw.128", "llvm.x86.avx2.packssdw", "llvm.x86.avx512.packssdw.512"},
        {"llvm.x86.sse2.packuswb.128", "llvm.x86.avx2.packuswb", "llvm.x86.avx512.packuswb.512"},
        {"llvm.x86.sse2.packsswb.128", "llvm.x86.avx2.packsswb", "llvm.x86.avx512.packsswb.512"}};
    Val words[2];
    for (size_t i = 0; i < 2; i++)
        words[i] = emit_intrinsic(e, name[0][e->lanes / 8], NULL, 0,
                                  (Val[]){value[2 * i], value[2 * i + 1]}, 2);
    return emit_intrinsic(e, name[1 + (dtype == QCC_I8)][e->lanes / 8], NULL, 0, words, 2);
}

Val emit_saturate(QccEmit *e, QccDtype dtype, const Val *value)
{
    Val pick[16], bytes = emit_pack(e, dtype, value);
    int parts = e->lanes / 4;
    for (int i = 0; i < e->lanes; i++) pick[i] = emit_i32(e, i % parts * 4 + i / parts);
    Val fours = LLVMBuildBitCast(e->b, bytes, emit_vector(e->i32, e->lanes), "");
    Val order = LLVMConstVector(pick, (unsigned)e->lanes);
    fours = LLVMBuildShuffleVector(e->b, fours, fours, order, "");
    return LLVMBuildBitCast(e->b, fours, emit_vector(e->i8, 4 * e->lanes), "");
}

void emit_store_part(QccEmit *e, Val bytes, int from, int count, Val p)
{
    Val pick[64];
    int n = e->lanes;
    while (n < count) n *= 2;
    for (int i = 0; i < n; i++) pick[i] = emit_i32(e, from + i);
    Val part = LLVMBuildShuffleVector(e->b, bytes, bytes, LLVMConstVector(pick, (unsigned)n), "");
    if (count == n)
        store_vector(e, part, p, 1);
    else
        store_partial(e, part, 1, p, count);
}

void emit_store(QccEmit *e, QccDtype dtype, Val value, Val p, int64_t step, int count)
{
    int size = (int)emit_size(e, dtype);
    Val v = narrow(e, dtype, value);
    assert(count >= 1 && count <= e->lanes);
    if (count > 1 && step != 1) {
        for (int i = 0; i < count; i++)
            store_vector(e, LLVMBuildExtractElement(e->b, v, emit_i32(e, i), ""),
                         emit_atc(e, p, i * step * size), size);
    } else if (count == e->lanes) {
        store_vector(e, v, p, size);
    } else {
        store_partial(e, v, size, p, count);
    }
}

void emit_store_run(QccEmit *e, QccDtype dtype, const Val *value, int n, Val p, int count)
{
    int64_t bytes = e->lanes * emit_size(e, dtype);
    int i = 0;
    /* Two and two side by side, so that narrowing fills whole registers. */
    for (; dtype != QCC_F16 && dtype != QCC_BF16 && i + 1 < n && (i + 2 < n || count == e->lanes);
         i += 2) {
        Val pick[32];
        for (int l = 0; l < 2 * e->lanes; l++) pick[l] = emit_i32(e, l);
        Val pair = LLVMBuildShuffleVector(e->b, value[i], value[i + 1],
                                          LLVMConstVector(pick, 2 * (unsigned)e->lanes), "");
        Typ type = emit_vector(emit_type(e, dtype), 2 * e->lanes);
        if (LLVMTypeOf(pair) != type) pair = LLVMBuildTrunc(e->b, pair, type, "");
        store_vector(e, pair, emit_atc(e, p, i * bytes), (int)emit_size(e, dtype));
    }
    for (; i < n; i++)
        emit_store(e, dtype, value[i], emit_atc(e, p, i * bytes), 1, i + 1 < n ? e->lanes : count);
}
