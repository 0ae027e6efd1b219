/* expr - an expression over vectors of f32 lanes: each node becomes the operation of the same name.
 *
 * No fast-math flag is ever set, and an fma is made only where the expression has one, so results
 * equal those of the interpreter bit for bit.
 */
#include <assert.h>
#include <string.h>

#include "backend/llvm/emit.h"

typedef struct Scope {
    QccEmit *e;
    const QccExpr *x;
    EmitOperand *operand;
    const Val *result;
    Val acc;
    int count;
    Val *value;    /* of each node */
    Val *truth;    /* of each comparison, as i1; else NULL */
    bool *uniform; /* of each node */
} Scope;

static bool is_float(int type)
{
    return type == QCC_EX_F32 || type == QCC_EX_F64;
}

static Typ vector_type(const Scope *s, int type)
{
    return emit_vector(emit_expr_type(s->e, type), s->e->lanes);
}

static Val operand(Scope *s, int number)
{
    if (number >= QCC_ROW_RESULT) return s->result[number - QCC_ROW_RESULT];
    EmitOperand *o = &s->operand[number];
    if (!o->value) o->value = emit_load_wide(s->e, o->dtype, o->at, o->step, s->count);
    return o->value;
}

static Val constant(const Scope *s, const QccExprNode *node)
{
    Typ type = emit_expr_type(s->e, node->type);
    Val v;
    if (node->type == QCC_EX_F32)
        v = LLVMConstBitCast(LLVMConstInt(s->e->i32,
                                          (union {
                                              float f;
                                              uint32_t u;
                                          }){node->imm.f32}
                                              .u,
                                          false),
                             type);
    else if (node->type == QCC_EX_F64)
        v = LLVMConstReal(type, node->imm.f64);
    else
        v = LLVMConstInt(type, (unsigned long long)node->imm.i, true);
    return emit_splat(s->e, v, s->e->lanes);
}

/* x/0 is 0; the least number by -1 wraps to itself. */
static Val divide_integers(Scope *s, int type, Val a, Val b)
{
    LLVMBuilderRef bl = s->e->b;
    Val zero = LLVMConstNull(vector_type(s, type)), ones = LLVMConstAllOnes(vector_type(s, type));
    Val by_zero = LLVMBuildICmp(bl, LLVMIntEQ, b, zero, "");
    if (type == QCC_EX_U64) {
        Val some = LLVMBuildSelect(bl, by_zero, LLVMBuildNeg(bl, ones, ""), b, "");
        return LLVMBuildSelect(bl, by_zero, zero, LLVMBuildUDiv(bl, a, some, ""), "");
    }
    Val by_minus_one = LLVMBuildICmp(bl, LLVMIntEQ, b, ones, "");
    Val plain = LLVMBuildSelect(bl, LLVMBuildOr(bl, by_zero, by_minus_one, ""),
                                LLVMBuildNeg(bl, ones, ""), b, "");
    Val q = LLVMBuildSDiv(bl, a, plain, "");
    q = LLVMBuildSelect(bl, by_minus_one, LLVMBuildNeg(bl, a, ""), q, "");
    return LLVMBuildSelect(bl, by_zero, zero, q, "");
}

static bool is_float_vector(Val v)
{
    LLVMTypeKind kind = LLVMGetTypeKind(LLVMGetElementType(LLVMTypeOf(v)));
    return kind == LLVMFloatTypeKind || kind == LLVMDoubleTypeKind;
}

Val emit_lesser(QccEmit *e, Val a, Val b)
{
    Val less = is_float_vector(a) ? LLVMBuildFCmp(e->b, LLVMRealOLT, a, b, "")
                                  : LLVMBuildICmp(e->b, LLVMIntSLT, a, b, "");
    return LLVMBuildSelect(e->b, less, a, b, "");
}

Val emit_greater(QccEmit *e, Val a, Val b)
{
    Val more = is_float_vector(a) ? LLVMBuildFCmp(e->b, LLVMRealOGT, a, b, "")
                                  : LLVMBuildICmp(e->b, LLVMIntSGT, a, b, "");
    return LLVMBuildSelect(e->b, more, a, b, "");
}

Val emit_combine(QccEmit *e, QccCombine how, Val a, Val b)
{
    bool f = is_float_vector(a);
    switch (how) {
    case QCC_COMBINE_SUM: return f ? LLVMBuildFAdd(e->b, a, b, "") : LLVMBuildAdd(e->b, a, b, "");
    case QCC_COMBINE_MAX: return emit_greater(e, a, b);
    case QCC_COMBINE_MIN: return emit_lesser(e, a, b);
    case QCC_COMBINE_PROD: break;
    }
    return f ? LLVMBuildFMul(e->b, a, b, "") : LLVMBuildMul(e->b, a, b, "");
}

Val emit_identity(QccEmit *e, QccCombine how, int type)
{
    Typ element = emit_expr_type(e, type);
    uint64_t least = type == QCC_EX_I32 ? 1ULL << 31 : 1ULL << 63;
    Val v = LLVMConstNull(element);
    bool f = is_float(type);
    if (how == QCC_COMBINE_PROD)
        v = f ? LLVMConstReal(element, 1) : LLVMConstInt(element, 1, false);
    if (how == QCC_COMBINE_MAX)
        v = f ? LLVMConstReal(element, -__builtin_inf()) : LLVMConstInt(element, least, false);
    if (how == QCC_COMBINE_MIN)
        v = f ? LLVMConstReal(element, __builtin_inf()) : LLVMConstInt(element, least - 1, false);
    return emit_splat(e, v, e->lanes);
}

/* cvtps2dq rounds by the environment, that is to nearest even, in one instruction; the generic
 * forms take two, or become scalar code. */
static Val round_to_i32(Scope *s, Val a)
{
    QccEmit *e = s->e;
    if (e->lanes == 4) return emit_intrinsic(e, "llvm.x86.sse2.cvtps2dq", NULL, 0, &a, 1);
    if (e->lanes == 8) return emit_intrinsic(e, "llvm.x86.avx.cvt.ps2dq.256", NULL, 0, &a, 1);
    Val arg[4] = {a, LLVMConstNull(emit_vector(e->i32, 16)), LLVMConstInt(e->i16, 0xffff, false),
                  emit_i32(e, 4)};
    return emit_intrinsic(e, "llvm.x86.avx512.mask.cvtps2dq.512", NULL, 0, arg, 4);
}

static Val convert(Scope *s, int to, int from, Val a)
{
    LLVMBuilderRef b = s->e->b;
    Typ type = vector_type(s, to);
    if (to == from) return a;
    if (is_float(from) && is_float(to))
        return to == QCC_EX_F64 ? LLVMBuildFPExt(b, a, type, "") : LLVMBuildFPTrunc(b, a, type, "");
    if (is_float(to))
        return from == QCC_EX_U64 ? LLVMBuildUIToFP(b, a, type, "")
                                  : LLVMBuildSIToFP(b, a, type, "");
    if (from == QCC_EX_F32 && to == QCC_EX_I32) return round_to_i32(s, a);
    if (is_float(from)) {
        a = emit_unary(s->e, "llvm.roundeven", a);
        return to == QCC_EX_U64 ? LLVMBuildFPToUI(b, a, type, "") : LLVMBuildFPToSI(b, a, type, "");
    }
    if (from == QCC_EX_I32) return LLVMBuildSExt(b, a, type, "");
    return to == QCC_EX_I32 ? LLVMBuildTrunc(b, a, type, "") : a;
}

void emit_table_parts(QccEmit *e, Val table, Val *part)
{
    int bytes = 4 * e->lanes;
    if (e->t->byte_tables) {
        for (int i = 0; i < 4; i++)
            part[i] = emit_load_vector(e, emit_vector(e->i8, 64), emit_atc(e, table, 64 * i), 1);
        return;
    }
    Val last = NULL, pick[64];
    for (int l = 0; l < bytes; l++) pick[l] = emit_i32(e, l % 16);
    for (int i = 0; i < EMIT_TABLE; i++) {
        Val own = emit_load_vector(e, emit_vector(e->i8, 16), emit_atc(e, table, 16 * i), 1);
        Val more = i % 8 ? LLVMBuildXor(e->b, own, last, "") : own;
        part[i] =
            LLVMBuildShuffleVector(e->b, more, more, LLVMConstVector(pick, (unsigned)bytes), "");
        last = own;
    }
}

/* A shuffle looks 16 bytes up, by four bits, and gives 0 where the index is negative. Of each half
 * of the table, part i stands for what is at index i * 16 and beyond, as the difference to the part
 * before it: the index goes down by 16 from part to part, until it is negative and stays so. */
static Val look_up_by_shuffles(QccEmit *e, const Val *part, Val index)
{
    const char *name = e->lanes == 4   ? "llvm.x86.ssse3.pshuf.b.128"
                       : e->lanes == 8 ? "llvm.x86.avx2.pshuf.b"
                                       : "llvm.x86.avx512.pshuf.b.512";
    Val all = LLVMConstNull(LLVMTypeOf(index));
    Val step = emit_splat(e, LLVMConstInt(e->i8, 16, false), 4 * e->lanes);
    Val half = emit_splat(e, LLVMConstInt(e->i8, 128, false), 4 * e->lanes);
    Val at = index;
    for (int i = 0; i < EMIT_TABLE; i++) {
        if (i == EMIT_TABLE / 2) at = LLVMBuildXor(e->b, index, half, "");
        Val some = emit_intrinsic(e, name, NULL, 0, (Val[]){part[i], at}, 2);
        all = LLVMBuildXor(e->b, all, some, "");
        at = emit_binary(e, "llvm.ssub.sat", at, step);
    }
    return all;
}

Val emit_table(QccEmit *e, const Val *part, Val index)
{
    if (!e->t->byte_tables) return look_up_by_shuffles(e, part, index);
    const char *name = "llvm.x86.avx512.vpermi2var.qi.512";
    Val half[2];
    for (size_t i = 0; i < 2; i++)
        half[i] = emit_intrinsic(e, name, NULL, 0, (Val[]){part[2 * i], index, part[2 * i + 1]}, 3);
    Val upper = LLVMBuildICmp(e->b, LLVMIntSLT, index, LLVMConstNull(LLVMTypeOf(index)), "");
    return LLVMBuildSelect(e->b, upper, half[1], half[0], "");
}

/* The lanes of an i32 vector as bytes, looked up among 48 that do not matter. */
static Val look_up_in_registers(QccEmit *e, Val table, Val index)
{
    Val pick[64], part[EMIT_TABLE];
    Val bytes = LLVMBuildTrunc(e->b, index, emit_vector(e->i8, e->lanes), "");
    for (int i = 0; i < 64; i++) pick[i] = emit_i32(e, i % e->lanes);
    bytes = LLVMBuildShuffleVector(e->b, bytes, bytes, LLVMConstVector(pick, 64), "");
    emit_table_parts(e, table, part);
    bytes = emit_table(e, part, bytes);
    bytes =
        LLVMBuildShuffleVector(e->b, bytes, bytes, LLVMConstVector(pick, (unsigned)e->lanes), "");
    return LLVMBuildZExt(e->b, bytes, emit_vector(e->i32, e->lanes), "");
}

/* Without tables in registers a byte a lane, one by one: a gather would read three bytes past the
 * table. */
static Val look_up(Scope *s, const QccExprNode *node, Val index)
{
    QccEmit *e = s->e;
    Val table = s->operand[node->imm.i].at;
    if (e->t->byte_tables) return look_up_in_registers(e, table, index);
    Val in_table = LLVMBuildAnd(e->b, index, emit_splat(e, emit_i32(e, 255), e->lanes), "");
    Val all = LLVMConstNull(emit_vector(e->i8, e->lanes));
    for (int i = 0; i < s->count; i++) {
        Val at = LLVMBuildExtractElement(e->b, in_table, emit_i32(e, i), "");
        at = LLVMBuildZExt(e->b, at, e->i64, "");
        Val byte = emit_load_vector(e, e->i8, emit_at(e, table, at), 1);
        all = LLVMBuildInsertElement(e->b, all, byte, emit_i32(e, i), "");
    }
    return LLVMBuildZExt(e->b, all, emit_vector(e->i32, e->lanes), "");
}

/* Whether node n is `op` of a constant and of node *inner. */
static bool is_bounded(const QccExpr *x, int n, QccExprOp op, int64_t *bound, int *inner)
{
    const QccExprNode *node = &x->node[n];
    if (node->op != op || node->type != QCC_EX_I32) return false;
    for (int i = 0; i < 2; i++) {
        if (x->node[node->in[i]].op != QCC_EX_imm) continue;
        *bound = x->node[node->in[i]].imm.i;
        *inner = node->in[1 - i];
        return true;
    }
    return false;
}

bool emit_saturates(const QccExpr *x, QccDtype dtype, QccExpr *raw)
{
    if (!x || (dtype != QCC_U8 && dtype != QCC_I8)) return false;
    int64_t least, greatest, bound[2];
    int inner, rest;
    qcc_dtype_range(dtype, &least, &greatest);
    bool min = x->node[x->result].op == QCC_EX_min;
    QccExprOp outer = min ? QCC_EX_min : QCC_EX_max, other = min ? QCC_EX_max : QCC_EX_min;
    if (!is_bounded(x, x->result, outer, &bound[0], &inner)) return false;
    if (!is_bounded(x, inner, other, &bound[1], &rest)) return false;
    for (int i = 0; i < 2; i++)
        if (bound[i] < least || bound[i] > greatest) return false;
    *raw = *x;
    if (bound[0] != (min ? greatest : least)) return true;
    raw->result = bound[1] == (min ? least : greatest) ? rest : inner;
    return true;
}

int emit_addend(QccEmit *e, const QccExpr *x, QccExpr *rest)
{
    int acc = -1, sum = -1;
    for (int i = 0; x && i < x->n; i++) {
        const QccExprNode *node = &x->node[i];
        if (node->op == QCC_EX_acc && node->type == QCC_EX_I32) acc = i;
        for (int k = 0; acc >= 0 && k < qcc_expr_arity(node->op); k++) {
            if (node->in[k] != acc) continue;
            if (sum >= 0 || node->op != QCC_EX_add) return -1;
            sum = i;
        }
    }
    if (sum < 0 || x->result == acc) return -1;
    int16_t other = x->node[sum].in[x->node[sum].in[0] == acc];
    if (x->node[other].op != QCC_EX_arg) return -1;
    *rest = *x;
    rest->node = QCC_NEW_ARRAY(e->arena, x->n, QccExprNode);
    memcpy(rest->node, x->node, (size_t)x->n * sizeof *x->node);
    rest->node[sum] = x->node[acc];
    return (int)x->node[other].imm.i;
}

/* Whether a node is known to be the same in every lane. */
static bool is_uniform(const Scope *s, const QccExprNode *node)
{
    if (node->op == QCC_EX_acc) return false;
    if (node->op == QCC_EX_arg && node->imm.i >= QCC_ROW_RESULT) return true;
    if ((node->op == QCC_EX_arg || node->op == QCC_EX_load) && s->operand[node->imm.i].step != 0)
        return false;
    for (int k = 0; k < qcc_expr_arity(node->op); k++)
        if (!s->uniform[node->in[k]]) return false;
    return true;
}

/* One address for all lanes, or one for each. */
static Val load(Scope *s, const QccExprNode *node, Val index)
{
    QccEmit *e = s->e;
    const EmitOperand *o = &s->operand[node->imm.i];
    int64_t size = emit_size(e, o->dtype);
    if (s->uniform[node->in[0]]) {
        Val first = LLVMBuildExtractElement(e->b, index, emit_i32(e, 0), "");
        Val at = emit_at(e, o->at, emit_mulc(e, first, size));
        return emit_load_wide(e, o->dtype, at, o->step, s->count);
    }
    Val all = LLVMConstNull(emit_vector(emit_type(e, o->dtype), e->lanes));
    for (int i = 0; i < s->count; i++) {
        Val at = LLVMBuildExtractElement(e->b, index, emit_i32(e, i), "");
        at = emit_at(e, o->at, emit_mulc(e, emit_addc(e, at, i * o->step), size));
        Val one = emit_load_vector(e, emit_type(e, o->dtype), at, (int)size);
        all = LLVMBuildInsertElement(e->b, all, one, emit_i32(e, i), "");
    }
    return emit_widen(e, o->dtype, all);
}

/* i1 vectors; LLVM's integers have no sign of their own. */
static Val compare(Scope *s, QccExprOp op, int type, Val a, Val b)
{
    static const LLVMRealPredicate real[] = {LLVMRealOLT, LLVMRealOLE, LLVMRealOEQ, LLVMRealUNE};
    static const LLVMIntPredicate with_sign[] = {LLVMIntSLT, LLVMIntSLE, LLVMIntEQ, LLVMIntNE};
    static const LLVMIntPredicate without[] = {LLVMIntULT, LLVMIntULE, LLVMIntEQ, LLVMIntNE};
    int which = (int)op - QCC_EX_lt;
    if (is_float(type)) return LLVMBuildFCmp(s->e->b, real[which], a, b, "");
    const LLVMIntPredicate *integer = type == QCC_EX_U64 ? without : with_sign;
    return LLVMBuildICmp(s->e->b, integer[which], a, b, "");
}

static Val lesser(Scope *s, int type, Val a, Val b)
{
    if (type != QCC_EX_U64) return emit_lesser(s->e, a, b);
    return LLVMBuildSelect(s->e->b, compare(s, QCC_EX_lt, type, a, b), a, b, "");
}

static Val greater(Scope *s, int type, Val a, Val b)
{
    if (type != QCC_EX_U64) return emit_greater(s->e, a, b);
    return LLVMBuildSelect(s->e->b, compare(s, QCC_EX_lt, type, b, a), a, b, "");
}

/* By the comparison itself where there is one, not by the number that it gives: LLVM would make
 * that number and compare it. */
static Val choose(Scope *s, int condition, Val b, Val c)
{
    Val some = s->truth[condition], a = s->value[condition];
    if (!some) some = LLVMBuildICmp(s->e->b, LLVMIntNE, a, LLVMConstNull(LLVMTypeOf(a)), "");
    return LLVMBuildSelect(s->e->b, some, b, c, "");
}

static Val emit_node(Scope *s, const QccExprNode *node, Val *truth)
{
    QccEmit *e = s->e;
    LLVMBuilderRef bl = e->b;
    Val a = node->in[0] >= 0 ? s->value[node->in[0]] : NULL;
    Val b = node->in[1] >= 0 ? s->value[node->in[1]] : NULL;
    Val c = node->in[2] >= 0 ? s->value[node->in[2]] : NULL;
    int from = node->in[0] >= 0 ? s->x->node[node->in[0]].type : node->type;
    bool f = is_float(from);
    switch ((QccExprOp)node->op) {
    case QCC_EX_arg: return operand(s, (int)node->imm.i);
    case QCC_EX_acc: assert(s->acc); return s->acc;
    case QCC_EX_imm: return constant(s, node);
    case QCC_EX_add: return f ? LLVMBuildFAdd(bl, a, b, "") : LLVMBuildAdd(bl, a, b, "");
    case QCC_EX_sub: return f ? LLVMBuildFSub(bl, a, b, "") : LLVMBuildSub(bl, a, b, "");
    case QCC_EX_mul: return f ? LLVMBuildFMul(bl, a, b, "") : LLVMBuildMul(bl, a, b, "");
    case QCC_EX_div: return f ? LLVMBuildFDiv(bl, a, b, "") : divide_integers(s, node->type, a, b);
    case QCC_EX_min: return lesser(s, from, a, b);
    case QCC_EX_max: return greater(s, from, a, b);
    case QCC_EX_neg: return f ? LLVMBuildFNeg(bl, a, "") : LLVMBuildNeg(bl, a, "");
    case QCC_EX_abs:
        if (f) return emit_unary(e, "llvm.fabs", a);
        return from == QCC_EX_U64 ? a : emit_greater(e, a, LLVMBuildNeg(bl, a, ""));
    case QCC_EX_sqrt: return emit_unary(e, "llvm.sqrt", a);
    case QCC_EX_floor: return emit_unary(e, "llvm.floor", a);
    case QCC_EX_ceil: return emit_unary(e, "llvm.ceil", a);
    case QCC_EX_trunc: return emit_unary(e, "llvm.trunc", a);
    case QCC_EX_rne: return emit_unary(e, "llvm.roundeven", a);
    case QCC_EX_fma: return emit_fma(e, a, b, c);
    case QCC_EX_lt:
    case QCC_EX_le:
    case QCC_EX_eq:
    case QCC_EX_ne:
        *truth = compare(s, (QccExprOp)node->op, from, a, b);
        return LLVMBuildZExt(bl, *truth, vector_type(s, QCC_EX_I32), "");
    case QCC_EX_select: return choose(s, node->in[0], b, c);
    case QCC_EX_and: return LLVMBuildAnd(bl, a, b, "");
    case QCC_EX_or: return LLVMBuildOr(bl, a, b, "");
    case QCC_EX_xor: return LLVMBuildXor(bl, a, b, "");
    case QCC_EX_shl: return LLVMBuildShl(bl, a, b, "");
    case QCC_EX_shr: return LLVMBuildLShr(bl, a, b, "");
    case QCC_EX_sar:
        return from == QCC_EX_U64 ? LLVMBuildLShr(bl, a, b, "") : LLVMBuildAShr(bl, a, b, "");
    case QCC_EX_bits: return LLVMBuildBitCast(bl, a, vector_type(s, node->type), "");
    case QCC_EX_cvt: return convert(s, node->type, from, a);
    case QCC_EX_lut: return look_up(s, node, a);
    case QCC_EX_load: return load(s, node, a);
    case QCC_EXPR_OP_COUNT: break;
    }
    qcc_emit_fail(e, QCC_ERROR_INTERNAL, "an expression has operation %d, unknown here", node->op);
}

void emit_exprs(QccEmit *e, const QccExpr *x, EmitVector *v, int n, Val *value)
{
    Scope *scope = QCC_NEW_ARRAY(e->arena, n, Scope);
    for (int w = 0; w < n; w++) {
        value[w] = v[w].acc; /* no epilogue: the accumulator itself */
        if (!x) continue;
        scope[w] = (Scope){.e = e,
                           .x = x,
                           .operand = v[w].operand,
                           .result = v[w].result,
                           .acc = v[w].acc,
                           .count = v[w].count};
        scope[w].value = QCC_NEW_ARRAY(e->arena, x->n, Val);
        scope[w].truth = QCC_NEW_ARRAY(e->arena, x->n, Val);
        scope[w].uniform = QCC_NEW_ARRAY(e->arena, x->n, bool);
    }
    for (int i = 0; x && i <= x->result; i++)
        for (int w = 0; w < n; w++) {
            Scope *s = &scope[w];
            s->value[i] = emit_node(s, &x->node[i], &s->truth[i]);
            s->uniform[i] = is_uniform(s, &x->node[i]);
            if (i == x->result) value[w] = s->value[i];
        }
}

Val emit_expr(QccEmit *e, const QccExpr *x, EmitOperand *operand, const Val *result, Val acc,
              int count)
{
    Val value;
    emit_exprs(e, x, &(EmitVector){operand, result, acc, count}, 1, &value);
    return value;
}
