/* emit - thin helpers over LLVM's builder: constants, addresses, loops, intrinsics. */
#include "backend/llvm/emit.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

_Noreturn void qcc_emit_fail(QccEmit *e, QccStatus status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    e->status = status;
    e->error = qcc_vsprintf(e->arena, fmt, args);
    va_end(args);
    longjmp(*e->fail, 1);
}

/* ---- constants ------------------------------------------------------------------------------- */

Val emit_i32(QccEmit *e, int64_t x)
{
    return LLVMConstInt(e->i32, (unsigned long long)x, true);
}

Val emit_i64(QccEmit *e, int64_t x)
{
    return LLVMConstInt(e->i64, (unsigned long long)x, true);
}

Typ emit_vector(Typ element, int lanes)
{
    return LLVMVectorType(element, (unsigned)lanes);
}

Val emit_splat(QccEmit *e, Val x, int lanes)
{
    if (LLVMIsConstant(x)) {
        Val v[64];
        assert(lanes <= 64);
        for (int i = 0; i < lanes; i++) v[i] = x;
        return LLVMConstVector(v, (unsigned)lanes);
    }
    Typ type = emit_vector(LLVMTypeOf(x), lanes);
    Val one = LLVMBuildInsertElement(e->b, LLVMGetPoison(type), x, emit_i32(e, 0), "");
    return LLVMBuildShuffleVector(e->b, one, LLVMGetPoison(type),
                                  LLVMConstNull(emit_vector(e->i32, lanes)), "");
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool is_number(Val v, int64_t x)
{
    return LLVMIsAConstantInt(v) && LLVMConstIntGetSExtValue(v) == x;
}

Val emit_add(QccEmit *e, Val a, Val b)
{
    if (is_number(a, 0)) return b;
    if (is_number(b, 0)) return a;
    return LLVMBuildAdd(e->b, a, b, "");
}

Val emit_addc(QccEmit *e, Val a, int64_t b)
{
    return emit_add(e, a, emit_i64(e, b));
}

Val emit_mulc(QccEmit *e, Val a, int64_t b)
{
    if (b == 1) return a;
    if (b == 0) return emit_i64(e, 0);
    return LLVMBuildMul(e->b, a, emit_i64(e, b), "");
}

Val emit_divc(QccEmit *e, Val a, int64_t b)
{
    return b == 1 ? a : LLVMBuildUDiv(e->b, a, emit_i64(e, b), "");
}

Val emit_modc(QccEmit *e, Val a, int64_t b)
{
    return b == 1 ? emit_i64(e, 0) : LLVMBuildURem(e->b, a, emit_i64(e, b), "");
}

Val emit_min(QccEmit *e, Val a, Val b)
{
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, a, b, ""), a, b, "");
}

Val emit_max(QccEmit *e, Val a, Val b)
{
    return LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSGT, a, b, ""), a, b, "");
}

Val emit_at(QccEmit *e, Val p, Val bytes)
{
    if (is_number(bytes, 0)) return p;
    return LLVMBuildGEP2(e->b, e->i8, p, &bytes, 1, "");
}

Val emit_atc(QccEmit *e, Val p, int64_t bytes)
{
    return emit_at(e, p, emit_i64(e, bytes));
}

Val emit_arg(QccEmit *e, int number)
{
    return LLVMBuildLoad2(e->b, e->ptr, emit_atc(e, e->args, 8 * (int64_t)number), "");
}

void emit_place(QccEmit *e, Val *at, const Val *index, int n)
{
    for (int a = 0; a < e->k->narg; a++) {
        if (a > 0 && a <= e->k->nanchor) continue;
        Val offset = emit_i64(e, 0);
        for (int d = 0; d < n; d++)
            offset = emit_add(e, offset, emit_mulc(e, index[d], e->k->arg[a].stride[d]));
        at[a] = emit_at(e, emit_arg(e, a), emit_mulc(e, offset, emit_size(e, e->k->arg[a].dtype)));
    }
}

Val emit_opaque(QccEmit *e, Val p)
{
    Typ type = LLVMFunctionType(e->ptr, &e->ptr, 1, false);
    Val nothing =
        LLVMGetInlineAsm(type, "", 0, "=r,0", 4, false, false, LLVMInlineAsmDialectATT, false);
    return LLVMBuildCall2(e->b, type, nothing, &p, 1, "");
}

/* ---- control --------------------------------------------------------------------------------- */

static LLVMBasicBlockRef block(QccEmit *e)
{
    return LLVMAppendBasicBlockInContext(e->context, e->fn, "");
}

void emit_loop_begin(QccEmit *e, EmitLoop *l, Val from, Val to, int64_t step, int n, Val *carry)
{
    assert(n <= EMIT_CARRY);
    l->head = block(e);
    l->exit = block(e);
    l->limit = to;
    l->step = emit_i64(e, step);
    l->n = n;
    l->before = LLVMGetInsertBlock(e->b);
    if (n) memcpy(l->first, carry, (size_t)n * sizeof *carry);
    Val some = LLVMBuildICmp(e->b, LLVMIntSLT, from, to, "");
    if (is_number(some, -1))
        LLVMBuildBr(e->b, l->head);
    else
        LLVMBuildCondBr(e->b, some, l->head, l->exit);
    bool always = is_number(some, -1);
    LLVMPositionBuilderAtEnd(e->b, l->head);
    l->i = LLVMBuildPhi(e->b, e->i64, "");
    LLVMAddIncoming(l->i, &from, &l->before, 1);
    for (int k = 0; k < n; k++) {
        l->carry[k] = LLVMBuildPhi(e->b, LLVMTypeOf(carry[k]), "");
        LLVMAddIncoming(l->carry[k], &carry[k], &l->before, 1);
    }
    if (always) l->before = NULL;
}

void emit_loop_end(QccEmit *e, EmitLoop *l, Val *next)
{
    LLVMBasicBlockRef last = LLVMGetInsertBlock(e->b);
    Val i = LLVMBuildAdd(e->b, l->i, l->step, "");
    LLVMAddIncoming(l->i, &i, &last, 1);
    for (int k = 0; k < l->n; k++) LLVMAddIncoming(l->carry[k], &next[k], &last, 1);
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, i, l->limit, ""), l->head, l->exit);
    LLVMMoveBasicBlockAfter(l->exit, last);
    LLVMPositionBuilderAtEnd(e->b, l->exit);
    for (int k = 0; k < l->n; k++) {
        Val phi = LLVMBuildPhi(e->b, LLVMTypeOf(next[k]), "");
        LLVMAddIncoming(phi, &next[k], &last, 1);
        if (l->before) LLVMAddIncoming(phi, &l->first[k], &l->before, 1);
        l->carry[k] = phi;
    }
}

LLVMBasicBlockRef emit_if_begin(QccEmit *e, Val condition)
{
    LLVMBasicBlockRef then = block(e), join = block(e);
    LLVMBuildCondBr(e->b, condition, then, join);
    LLVMPositionBuilderAtEnd(e->b, then);
    return join;
}

void emit_if_end(QccEmit *e, LLVMBasicBlockRef join)
{
    LLVMBuildBr(e->b, join);
    LLVMMoveBasicBlockAfter(join, LLVMGetInsertBlock(e->b));
    LLVMPositionBuilderAtEnd(e->b, join);
}

/* ---- intrinsics ------------------------------------------------------------------------------ */

Val emit_intrinsic(QccEmit *e, const char *name, Typ *over, int noverload, Val *arg, int narg)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    if (!id) qcc_emit_fail(e, QCC_ERROR_INTERNAL, "LLVM has no intrinsic '%s'", name);
    Val fn = LLVMGetIntrinsicDeclaration(e->module, id, over, (size_t)noverload);
    Typ type = LLVMIntrinsicGetType(e->context, id, over, (size_t)noverload);
    return LLVMBuildCall2(e->b, type, fn, arg, (unsigned)narg, "");
}

Val emit_unary(QccEmit *e, const char *name, Val a)
{
    Typ type = LLVMTypeOf(a);
    return emit_intrinsic(e, name, &type, 1, &a, 1);
}

Val emit_binary(QccEmit *e, const char *name, Val a, Val b)
{
    Typ type = LLVMTypeOf(a);
    return emit_intrinsic(e, name, &type, 1, (Val[]){a, b}, 2);
}

/* The product of two f32 is exact in f64. The sum p + c is not: rounded to f64 and again to f32 it
 * may err by the double rounding. So the first rounding is made to odd (Boldo and Melquiond, 2008:
 * "Emulation of FMA and correctly rounded sums"): where the error of the sum (Knuth's TwoSum) is
 * not zero and the last bit is even, the neighbour on the error's side is taken. The second
 * rounding then sees on which side of every tie the exact sum lies. */
static Val fma_by_f64(QccEmit *e, Val a, Val b, Val c)
{
    int lanes = (int)LLVMGetVectorSize(LLVMTypeOf(a));
    Typ wide = emit_vector(e->f64, lanes), bits = emit_vector(e->i64, lanes);
    LLVMBuilderRef s = e->b;
    Val x = LLVMBuildFPExt(s, a, wide, ""), y = LLVMBuildFPExt(s, b, wide, "");
    Val z = LLVMBuildFPExt(s, c, wide, "");
    Val p = LLVMBuildFMul(s, x, y, "");
    Val sum = LLVMBuildFAdd(s, p, z, "");
    Val t = LLVMBuildFSub(s, sum, p, "");
    Val error = LLVMBuildFAdd(s, LLVMBuildFSub(s, p, LLVMBuildFSub(s, sum, t, ""), ""),
                              LLVMBuildFSub(s, z, t, ""), "");
    Val zero = LLVMConstNull(bits), one = emit_splat(e, emit_i64(e, 1), lanes);
    Val raw = LLVMBuildBitCast(s, sum, bits, ""), other = LLVMBuildBitCast(s, error, bits, "");
    /* Infinities and NaN give a NaN error, which compares false and leaves the sum as it is. */
    Val inexact = LLVMBuildFCmp(s, LLVMRealONE, error, LLVMConstNull(wide), "");
    Val even = LLVMBuildICmp(s, LLVMIntEQ, LLVMBuildAnd(s, raw, one, ""), zero, "");
    Val apart = LLVMBuildICmp(s, LLVMIntSLT, LLVMBuildXor(s, raw, other, ""), zero, "");
    Val step = LLVMBuildSelect(s, apart, LLVMConstAllOnes(bits), one, "");
    step = LLVMBuildSelect(s, LLVMBuildAnd(s, inexact, even, ""), step, zero, "");
    Val odd = LLVMBuildBitCast(s, LLVMBuildAdd(s, raw, step, ""), wide, "");
    return LLVMBuildFPTrunc(s, odd, LLVMTypeOf(a), "");
}

Val emit_fma(QccEmit *e, Val a, Val b, Val c)
{
    Typ type = LLVMTypeOf(a);
    if (e->t->fma) return emit_intrinsic(e, "llvm.fma", &type, 1, (Val[]){a, b, c}, 3);
    if (LLVMGetElementType(type) == e->f64)
        qcc_emit_fail(e, QCC_ERROR_UNSUPPORTED, "%s has no f64 fma", e->t->name);
    return fma_by_f64(e, a, b, c);
}
