/* expr - building, printing and evaluating scalar expressions.
 *
 * Compiled, like everything here, with -ffp-contract=off: a product and a sum are two roundings.
 */
#include "ir/expr.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "ir/elements.h"
#include "ir/type.h"

static const char *const op_name[] = {
#define X(name, nin) #name,
    QCC_EXPR_OPS(X)
#undef X
};

static const uint8_t op_arity[] = {
#define X(name, nin) nin,
    QCC_EXPR_OPS(X)
#undef X
};

static const char *const type_name[] = {"f32", "f64", "i32", "i64", "u64"};
static const uint8_t type_size[] = {4, 8, 4, 8, 8};

QccExprType qcc_expr_type_of(QccDtype dtype)
{
    switch (dtype) {
    case QCC_F64: return QCC_EX_F64;
    case QCC_U32:
    case QCC_I64: return QCC_EX_I64;
    case QCC_U64: return QCC_EX_U64;
    default: return qcc_dtype_is_float(dtype) ? QCC_EX_F32 : QCC_EX_I32;
    }
}

int qcc_expr_arity(QccExprOp op)
{
    return op_arity[op];
}

const char *qcc_expr_op_name(QccExprOp op)
{
    return op_name[op];
}

static bool is_float(int type)
{
    return type == QCC_EX_F32 || type == QCC_EX_F64;
}

/* ---- evaluation of one node over a block ------------------------------------------------------
 *
 * Every loop runs over a whole block, whose length is a constant, so that the compiler turns it
 * into vectors without asking about the rest or about overlap. Lanes past the end compute on what
 * an earlier block left there; nothing below can trap on any value. */

enum { BLOCK = 256 };

/* Rounds half to even, for the default rounding mode; in operations every machine has as vectors.
 */
static inline float rne_f32(float x)
{
    float magic = copysignf(0x1p23f, x);
    return fabsf(x) < 0x1p23f ? copysignf((x + magic) - magic, x) : x;
}

static inline double rne_f64(double x)
{
    double magic = copysign(0x1p52, x);
    return fabs(x) < 0x1p52 ? copysign((x + magic) - magic, x) : x;
}

/* The same source, compiled for processors with and without fma: one instruction, or a slow call of
 * the C library with the same result. */
static inline __attribute__((always_inline)) void fma_block(float *restrict r,
                                                            const float *restrict a,
                                                            const float *restrict b,
                                                            const float *restrict c)
{
    for (int i = 0; i < BLOCK; i++) r[i] = fmaf(a[i], b[i], c[i]);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void fma_block_avx2(float *r, const float *a,
                                                               const float *b, const float *c)
{
    fma_block(r, a, b, c);
}
#endif

static void step_fma(float *r, const void *const *in)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2")) {
        fma_block_avx2(r, in[0], in[1], in[2]);
        return;
    }
#endif
    fma_block(r, in[0], in[1], in[2]);
}

/* Expressions never convert what does not fit; these keep stray lanes from undefined behaviour. */
static inline int32_t f32_to_i32(float x)
{
    x = x > -0x1p31f ? x : -0x1p31f;
    return (int32_t)rne_f32(x < 0x1.fffffep30f ? x : 0x1.fffffep30f);
}

static inline int64_t f32_to_i64(float x)
{
    x = x > -0x1p63f ? x : -0x1p63f;
    return (int64_t)rne_f32(x < 0x1.fffffep62f ? x : 0x1.fffffep62f);
}

static inline int32_t f64_to_i32(double x)
{
    x = x > -0x1p31 ? x : -0x1p31;
    return (int32_t)rne_f64(x < 0x1.fffffffcp30 ? x : 0x1.fffffffcp30);
}

static inline int64_t f64_to_i64(double x)
{
    x = x > -0x1p63 ? x : -0x1p63;
    return (int64_t)rne_f64(x < 0x1.fffffffffffffp62 ? x : 0x1.fffffffffffffp62);
}

static inline uint64_t f32_to_u64(float x)
{
    x = x > 0 ? x : 0;
    return (uint64_t)rne_f32(x < 0x1.fffffep63f ? x : 0x1.fffffep63f);
}

static inline uint64_t f64_to_u64(double x)
{
    x = x > 0 ? x : 0;
    return (uint64_t)rne_f64(x < 0x1.fffffffffffffp63 ? x : 0x1.fffffffffffffp63);
}

#define EACH(R, A, value)                                                                          \
    do {                                                                                           \
        R *restrict r_ = r;                                                                        \
        const A *restrict a = in[0], *restrict b = in[1], *restrict c = in[2];                     \
        (void)a, (void)b, (void)c;                                                                 \
        for (int i = 0; i < BLOCK; i++) r_[i] = (value);                                           \
        return;                                                                                    \
    } while (0)

#define ARITHMETIC(T, U)                                                                           \
    case QCC_EX_add: EACH(T, T, (T)((U)a[i] + (U)b[i]));                                           \
    case QCC_EX_sub: EACH(T, T, (T)((U)a[i] - (U)b[i]));                                           \
    case QCC_EX_mul: EACH(T, T, (T)((U)a[i] * (U)b[i]));                                           \
    case QCC_EX_min: EACH(T, T, a[i] < b[i] ? a[i] : b[i]);                                        \
    case QCC_EX_max: EACH(T, T, a[i] > b[i] ? a[i] : b[i]);                                        \
    case QCC_EX_lt: EACH(int32_t, T, a[i] < b[i]);                                                 \
    case QCC_EX_le: EACH(int32_t, T, a[i] <= b[i]);                                                \
    case QCC_EX_eq: EACH(int32_t, T, a[i] == b[i]);                                                \
    case QCC_EX_ne: EACH(int32_t, T, a[i] != b[i])

#define SELECT(T)                                                                                  \
    case QCC_EX_select: {                                                                          \
        T *restrict r_ = r;                                                                        \
        const int32_t *restrict a = in[0];                                                         \
        const T *restrict b = in[1], *restrict c = in[2];                                          \
        for (int i = 0; i < BLOCK; i++) r_[i] = a[i] ? b[i] : c[i];                                \
        return;                                                                                    \
    }

#define FLOATING(T, f, bits_type)                                                                  \
    case QCC_EX_div: EACH(T, T, a[i] / b[i]);                                                      \
    case QCC_EX_neg: EACH(T, T, -a[i]);                                                            \
    case QCC_EX_abs: EACH(T, T, fabs##f(a[i]));                                                    \
    case QCC_EX_sqrt: EACH(T, T, sqrt##f(a[i]));                                                   \
    case QCC_EX_floor: EACH(T, T, floor##f(a[i]));                                                 \
    case QCC_EX_ceil: EACH(T, T, ceil##f(a[i]));                                                   \
    case QCC_EX_trunc: EACH(T, T, trunc##f(a[i]));                                                 \
    case QCC_EX_bits: memcpy(r, in[0], BLOCK * sizeof(T)); return

/* Two's complement by unsigned arithmetic; amounts of shifts are masked like the machines do. */
#define INTEGER(T, U, bits)                                                                        \
    case QCC_EX_neg: EACH(T, T, (T)(0 - (U)a[i]));                                                 \
    case QCC_EX_and: EACH(T, T, a[i] & b[i]);                                                      \
    case QCC_EX_or: EACH(T, T, a[i] | b[i]);                                                       \
    case QCC_EX_xor: EACH(T, T, a[i] ^ b[i]);                                                      \
    case QCC_EX_shl: EACH(T, T, (T)((U)a[i] << (b[i] & (bits - 1))));                              \
    case QCC_EX_shr: EACH(T, T, (T)((U)a[i] >> (b[i] & (bits - 1))));                              \
    case QCC_EX_sar: EACH(T, T, a[i] >> (b[i] & (bits - 1)));                                      \
    case QCC_EX_bits: memcpy(r, in[0], BLOCK * sizeof(T)); return

#define SIGNED(T, U)                                                                               \
    case QCC_EX_div: EACH(T, T, b[i] == 0 ? 0 : b[i] == -1 ? (T)(0 - (U)a[i]) : a[i] / b[i]);      \
    case QCC_EX_abs: EACH(T, T, a[i] < 0 ? (T)(0 - (U)a[i]) : a[i])

static void step_f32(int op, void *r, const void *const *in)
{
    switch (op) {
        ARITHMETIC(float, float);
        FLOATING(float, f, int32_t);
        SELECT(float)
    case QCC_EX_rne: EACH(float, float, rne_f32(a[i]));
    case QCC_EX_fma: step_fma(r, in); return;
    }
}

static void step_f64(int op, void *r, const void *const *in)
{
    switch (op) {
        ARITHMETIC(double, double);
        FLOATING(double, , int64_t);
        SELECT(double)
    case QCC_EX_rne: EACH(double, double, rne_f64(a[i]));
    case QCC_EX_fma: EACH(double, double, fma(a[i], b[i], c[i]));
    }
}

static void step_i32(int op, void *r, const void *const *in)
{
    switch (op) {
        ARITHMETIC(int32_t, uint32_t);
        INTEGER(int32_t, uint32_t, 32);
        SIGNED(int32_t, uint32_t);
        SELECT(int32_t)
    }
}

static void step_i64(int op, void *r, const void *const *in)
{
    switch (op) {
        ARITHMETIC(int64_t, uint64_t);
        INTEGER(int64_t, uint64_t, 64);
        SIGNED(int64_t, uint64_t);
        SELECT(int64_t)
    }
}

static void step_u64(int op, void *r, const void *const *in)
{
    switch (op) {
        ARITHMETIC(uint64_t, uint64_t);
        INTEGER(uint64_t, uint64_t, 64);
        SELECT(uint64_t)
    case QCC_EX_div: EACH(uint64_t, uint64_t, b[i] == 0 ? 0 : a[i] / b[i]);
    case QCC_EX_abs: EACH(uint64_t, uint64_t, a[i]);
    }
}

#define CONVERT(to, T, from, F, value)                                                             \
    case QCC_EX_TYPE_COUNT *QCC_EX_##to + QCC_EX_##from: EACH(T, F, value)

static void step_cvt(int to, int from, void *r, const void *const *in)
{
    switch (QCC_EX_TYPE_COUNT * to + from) {
        CONVERT(F32, float, F64, double, (float)a[i]);
        CONVERT(F32, float, I32, int32_t, (float)a[i]);
        CONVERT(F32, float, I64, int64_t, (float)a[i]);
        CONVERT(F32, float, U64, uint64_t, (float)a[i]);
        CONVERT(F64, double, F32, float, a[i]);
        CONVERT(F64, double, I32, int32_t, a[i]);
        CONVERT(F64, double, I64, int64_t, (double)a[i]);
        CONVERT(F64, double, U64, uint64_t, (double)a[i]);
        CONVERT(I32, int32_t, F32, float, f32_to_i32(a[i]));
        CONVERT(I32, int32_t, F64, double, f64_to_i32(a[i]));
        CONVERT(I32, int32_t, I64, int64_t, (int32_t)(uint32_t)a[i]);
        CONVERT(I32, int32_t, U64, uint64_t, (int32_t)(uint32_t)a[i]);
        CONVERT(I64, int64_t, F32, float, f32_to_i64(a[i]));
        CONVERT(I64, int64_t, F64, double, f64_to_i64(a[i]));
        CONVERT(I64, int64_t, I32, int32_t, a[i]);
        CONVERT(I64, int64_t, U64, uint64_t, (int64_t)a[i]);
        CONVERT(U64, uint64_t, F32, float, f32_to_u64(a[i]));
        CONVERT(U64, uint64_t, F64, double, f64_to_u64(a[i]));
        CONVERT(U64, uint64_t, I32, int32_t, (uint64_t)(int64_t)a[i]);
        CONVERT(U64, uint64_t, I64, int64_t, (uint64_t)a[i]);
    }
}

/* Any node but arg, acc, imm, lut and load. `from` is the type of its first operand. */
static void step(const QccExprNode *node, int from, void *r, const void *const *in)
{
    bool compares = node->op >= QCC_EX_lt && node->op <= QCC_EX_ne;
    if (node->op == QCC_EX_cvt) {
        step_cvt(node->type, from, r, in);
        return;
    }
    switch (compares ? from : node->type) {
    case QCC_EX_F32: step_f32(node->op, r, in); break;
    case QCC_EX_F64: step_f64(node->op, r, in); break;
    case QCC_EX_I32: step_i32(node->op, r, in); break;
    case QCC_EX_I64: step_i64(node->op, r, in); break;
    case QCC_EX_U64: step_u64(node->op, r, in); break;
    }
}

/* Whether imm is the number of an argument. */
static bool names_argument(const QccExprNode *node)
{
    return node->op == QCC_EX_arg || node->op == QCC_EX_lut || node->op == QCC_EX_load;
}

/* ---- building -------------------------------------------------------------------------------- */

void qcc_expr_init(QccExpr *e, QccArena *arena)
{
    *e = (QccExpr){.arena = arena, .result = -1};
}

/* The index of a node equal to `node`, which is added when there is none. */
static int intern(QccExpr *e, const QccExprNode *node)
{
    for (int i = 0; i < e->n; i++)
        if (memcmp(&e->node[i], node, sizeof *node) == 0) return e->result = i;
    assert(e->n < INT16_MAX);
    e->node = qcc_grow(e->arena, e->node, e->n, &e->cap, sizeof *e->node);
    e->node[e->n] = *node;
    return e->result = e->n++;
}

static QccExprNode node_of(int op, int type)
{
    QccExprNode node;
    memset(&node, 0, sizeof node); /* nodes are compared as bytes */
    node.op = (uint8_t)op;
    node.type = (uint8_t)type;
    node.in[0] = node.in[1] = node.in[2] = -1;
    return node;
}

int qcc_expr_arg(QccExpr *e, int number, QccExprType type)
{
    QccExprNode node = node_of(QCC_EX_arg, type);
    node.imm.i = number;
    return intern(e, &node);
}

int qcc_expr_acc(QccExpr *e, QccExprType type)
{
    QccExprNode node = node_of(QCC_EX_acc, type);
    return intern(e, &node);
}

int qcc_expr_imm(QccExpr *e, QccExprType type, double f, int64_t i)
{
    QccExprNode node = node_of(QCC_EX_imm, type);
    if (type == QCC_EX_F32) node.imm.f32 = isnan(f) ? NAN : (float)f;
    if (type == QCC_EX_F64) node.imm.f64 = isnan(f) ? NAN : f;
    if (type == QCC_EX_I32) node.imm.i = (int32_t)i;
    if (type == QCC_EX_I64 || type == QCC_EX_U64) node.imm.i = i;
    return intern(e, &node);
}

int qcc_expr_f32(QccExpr *e, float x)
{
    return qcc_expr_imm(e, QCC_EX_F32, x, 0);
}

int qcc_expr_i32(QccExpr *e, int32_t x)
{
    return qcc_expr_imm(e, QCC_EX_I32, 0, x);
}

int qcc_expr_real(QccExpr *e, int like, double x)
{
    QccExprType type = e->node[like].type;
    return qcc_expr_imm(e, type, x, is_float(type) ? 0 : (int64_t)x);
}

/* Writes an immediate's value as its type lies in memory. */
static void imm_store(const QccExprNode *node, void *to)
{
    int32_t narrow = (int32_t)node->imm.i;
    switch (node->type) {
    case QCC_EX_F32: memcpy(to, &node->imm.f32, 4); break;
    case QCC_EX_F64: memcpy(to, &node->imm.f64, 8); break;
    case QCC_EX_I32: memcpy(to, &narrow, 4); break;
    case QCC_EX_I64:
    case QCC_EX_U64: memcpy(to, &node->imm.i, 8); break;
    }
}

/* Computes a node whose operands are constants, by the code that evaluates it later. A NaN stays
 * with the machine: its sign and payload are not part of the contract. */
static bool fold(const QccExpr *e, const QccExprNode *node, QccExprNode *folded)
{
    double buffer[4][BLOCK] = {{0}}; /* 8 bytes a lane: enough for every type */
    const void *in[3] = {buffer[1], buffer[2], buffer[3]};
    for (int k = 0; k < op_arity[node->op]; k++) {
        const QccExprNode *operand = &e->node[node->in[k]];
        if (operand->op != QCC_EX_imm) return false;
        imm_store(operand, buffer[k + 1]);
    }
    step(node, e->node[node->in[0]].type, buffer[0], in);
    *folded = node_of(QCC_EX_imm, node->type);
    if (node->type == QCC_EX_I32) {
        int32_t narrow;
        memcpy(&narrow, buffer[0], sizeof narrow);
        folded->imm.i = narrow;
    } else {
        memcpy(&folded->imm, buffer[0], type_size[node->type]);
    }
    if (node->type == QCC_EX_F32) return !isnan(folded->imm.f32);
    if (node->type == QCC_EX_F64) return !isnan(folded->imm.f64);
    return true;
}

static int add_node(QccExpr *e, const QccExprNode *node)
{
    QccExprNode folded;
    return intern(e, fold(e, node, &folded) ? &folded : node);
}

static int operand_type(const QccExpr *e, int a)
{
    assert(a >= 0 && a < e->n);
    return e->node[a].type;
}

int qcc_expr_op1(QccExpr *e, QccExprOp op, int a)
{
    int type = operand_type(e, a);
    assert(op_arity[op] == 1 && op < QCC_EX_bits);
    assert(op == QCC_EX_neg || op == QCC_EX_abs || is_float(type));
    QccExprNode node = node_of(op, type);
    node.in[0] = (int16_t)a;
    return add_node(e, &node);
}

int qcc_expr_op2(QccExpr *e, QccExprOp op, int a, int b)
{
    int type = operand_type(e, a);
    assert(op_arity[op] == 2 && type == operand_type(e, b));
    assert(op < QCC_EX_and || !is_float(type));
    QccExprNode node = node_of(op, op >= QCC_EX_lt && op <= QCC_EX_ne ? QCC_EX_I32 : type);
    node.in[0] = (int16_t)a;
    node.in[1] = (int16_t)b;
    return add_node(e, &node);
}

int qcc_expr_op3(QccExpr *e, QccExprOp op, int a, int b, int c)
{
    int type = operand_type(e, b);
    assert(op_arity[op] == 3 && type == operand_type(e, c));
    assert(operand_type(e, a) == (op == QCC_EX_select ? QCC_EX_I32 : type));
    assert(op == QCC_EX_select || is_float(type));
    if (op == QCC_EX_select && b == c) return e->result = b;
    if (op == QCC_EX_select && e->node[a].op == QCC_EX_imm)
        return e->result = e->node[a].imm.i ? b : c;
    QccExprNode node = node_of(op, type);
    node.in[0] = (int16_t)a;
    node.in[1] = (int16_t)b;
    node.in[2] = (int16_t)c;
    return add_node(e, &node);
}

int qcc_expr_cvt(QccExpr *e, QccExprType type, int a)
{
    if (operand_type(e, a) == (int)type) return e->result = a;
    QccExprNode node = node_of(QCC_EX_cvt, type);
    node.in[0] = (int16_t)a;
    return add_node(e, &node);
}

int qcc_expr_bits(QccExpr *e, QccExprType type, int a)
{
    int from = operand_type(e, a);
    assert(type_size[from] == type_size[type] && is_float(from) != is_float(type));
    QccExprNode node = node_of(QCC_EX_bits, type);
    node.in[0] = (int16_t)a;
    (void)from;
    return add_node(e, &node);
}

int qcc_expr_lut(QccExpr *e, int argument, int a)
{
    assert(operand_type(e, a) == QCC_EX_I32);
    QccExprNode node = node_of(QCC_EX_lut, QCC_EX_I32);
    node.in[0] = (int16_t)a;
    node.imm.i = argument;
    return intern(e, &node);
}

int qcc_expr_load(QccExpr *e, int argument, QccExprType type, int a)
{
    assert(operand_type(e, a) == QCC_EX_I64);
    QccExprNode node = node_of(QCC_EX_load, type);
    node.in[0] = (int16_t)a;
    node.imm.i = argument;
    return intern(e, &node);
}

int qcc_expr_inline(QccExpr *e, const QccExpr *from, const int *arg)
{
    int *map = QCC_NEW_ARRAY(e->arena, from->n + 1, int);
    for (int i = 0; i < from->n; i++) {
        QccExprNode node = from->node[i];
        if (node.op == QCC_EX_arg) {
            map[i] = arg[node.imm.i];
            assert(operand_type(e, map[i]) == node.type);
            continue;
        }
        for (int k = 0; k < op_arity[node.op]; k++) node.in[k] = (int16_t)map[node.in[k]];
        if (node.op == QCC_EX_select)
            map[i] = qcc_expr_op3(e, QCC_EX_select, node.in[0], node.in[1], node.in[2]);
        else
            map[i] =
                op_arity[node.op] && !names_argument(&node) ? add_node(e, &node) : intern(e, &node);
    }
    return e->result = map[from->result];
}

bool qcc_expr_has(const QccExpr *e, QccExprOp op)
{
    for (int i = 0; e && i < e->n; i++)
        if (e->node[i].op == op) return true;
    return false;
}

void qcc_expr_prune(QccExpr *e)
{
    if (e->result < 0) return;
    int *to = QCC_NEW_ARRAY(e->arena, e->n, int); /* 1: needed; then the new index */
    to[e->result] = 1;
    for (int i = e->result; i >= 0; i--)
        for (int k = 0; to[i] && k < op_arity[e->node[i].op]; k++) to[e->node[i].in[k]] = 1;
    int n = 0;
    for (int i = 0; i <= e->result; i++) {
        if (!to[i]) continue;
        QccExprNode node = e->node[i];
        for (int k = 0; k < op_arity[node.op]; k++) node.in[k] = (int16_t)to[node.in[k]];
        e->node[n] = node;
        to[i] = n++;
    }
    e->n = n;
    e->result = n - 1;
}

void qcc_expr_print(QccBuf *buf, const QccExpr *e)
{
    for (int i = 0; i < e->n; i++) {
        const QccExprNode *node = &e->node[i];
        qcc_buf_printf(buf, "%d = %s %s", i, op_name[node->op], type_name[node->type]);
        for (int k = 0; k < op_arity[node->op]; k++) qcc_buf_printf(buf, " %d", node->in[k]);
        if (names_argument(node)) qcc_buf_printf(buf, " #%lld", (long long)node->imm.i);
        if (node->op == QCC_EX_imm) {
            qcc_buf_puts(buf, " ");
            if (node->type == QCC_EX_F32) qcc_buf_f32(buf, node->imm.f32);
            if (node->type == QCC_EX_F64) qcc_buf_f64(buf, node->imm.f64);
            if (!is_float(node->type)) qcc_buf_printf(buf, "%lld", (long long)node->imm.i);
        }
        qcc_buf_puts(buf, "\n");
    }
    qcc_buf_printf(buf, "result %d\n", e->result);
}

/* ---- evaluation over many elements ----------------------------------------------------------- */

struct QccExprEval {
    const QccExpr *expr;
    void **value;  /* per node: a block */
    bool *uniform; /* per node, in one run: equal for every element */
};

QccExprEval *qcc_expr_eval_new(const QccExpr *e, QccArena *arena)
{
    QccExprEval *v = QCC_NEW(arena, QccExprEval);
    v->expr = e;
    v->value = QCC_NEW_ARRAY(arena, e->n, void *);
    v->uniform = QCC_NEW_ARRAY(arena, e->n, bool);
    for (int i = 0; i < e->n; i++)
        v->value[i] = qcc_alloc_aligned(arena, (size_t)BLOCK * type_size[e->node[i].type], 64);
    return v;
}

/* The whole block becomes the element at `from`. */
static void fill(void *to, const void *from, size_t size)
{
    if (size == 4) {
        uint32_t bits;
        memcpy(&bits, from, sizeof bits);
        for (int i = 0; i < BLOCK; i++) ((uint32_t *)to)[i] = bits;
    } else {
        uint64_t bits;
        memcpy(&bits, from, sizeof bits);
        for (int i = 0; i < BLOCK; i++) ((uint64_t *)to)[i] = bits;
    }
}

static void lookup(int32_t *r, const int32_t *index, const uint8_t *table)
{
    for (int i = 0; i < BLOCK; i++) r[i] = table[index[i] & 255];
}

static void load(void *r, int type, const int64_t *index, const QccExprMemory *m, int64_t first,
                 int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        qcc_widen((char *)r + i * type_size[type], m->dtype, m->data,
                  (first + i) * m->step + index[i], 1);
}

void qcc_expr_eval_run(QccExprEval *v, int64_t n, const void *const *arg, const uint8_t *stride,
                       const void *acc, void *out)
{
    const QccExpr *e = v->expr;
    size_t out_size = type_size[e->node[e->result].type];
    for (int64_t done = 0; done < n; done += BLOCK) {
        int64_t count = n - done < BLOCK ? n - done : BLOCK;
        for (int i = 0; i < e->n; i++) {
            const QccExprNode *node = &e->node[i];
            size_t size = type_size[node->type];
            if (done > 0 && v->uniform[i]) continue;
            if (node->op == QCC_EX_imm) {
                double imm; /* room for any type */
                imm_store(node, &imm);
                fill(v->value[i], &imm, size);
                v->uniform[i] = true;
            } else if (node->op == QCC_EX_arg) {
                const char *from = arg[node->imm.i];
                v->uniform[i] = stride[node->imm.i] == 0;
                if (v->uniform[i])
                    fill(v->value[i], from, size);
                else
                    memcpy(v->value[i], from + done * (int64_t)size, (size_t)count * size);
            } else if (node->op == QCC_EX_acc) {
                v->uniform[i] = false;
                memcpy(v->value[i], (const char *)acc + done * (int64_t)size, (size_t)count * size);
            } else {
                const void *in[3] = {NULL, NULL, NULL};
                v->uniform[i] = true;
                for (int k = 0; k < op_arity[node->op]; k++) {
                    in[k] = v->value[node->in[k]];
                    v->uniform[i] &= v->uniform[node->in[k]];
                }
                if (node->op == QCC_EX_lut) {
                    lookup(v->value[i], in[0], arg[node->imm.i]);
                } else if (node->op == QCC_EX_load) {
                    v->uniform[i] = false; /* elements that follow each other, from one index */
                    load(v->value[i], node->type, in[0], arg[node->imm.i], done, count);
                } else {
                    step(node, e->node[node->in[0]].type, v->value[i], in);
                }
            }
        }
        memcpy((char *)out + done * (int64_t)out_size, v->value[e->result],
               (size_t)count * out_size);
    }
}

void qcc_expr_eval(const QccExpr *e, int64_t n, const void *const *arg, const uint8_t *stride,
                   const void *acc, void *out, QccArena *scratch)
{
    qcc_expr_eval_run(qcc_expr_eval_new(e, scratch), n, arg, stride, acc, out);
}

QccExprEval *qcc_expr_function(QccExprFunction *f, QccExprType type, QccArena *arena)
{
    QccExpr *e = QCC_NEW(arena, QccExpr);
    qcc_expr_init(e, arena);
    e->result = f(e, qcc_expr_arg(e, 0, type));
    qcc_expr_prune(e);
    return qcc_expr_eval_new(e, arena);
}

void qcc_expr_apply(QccExprEval *f, int64_t n, const void *x, void *y)
{
    qcc_expr_eval_run(f, n, (const void *const[]){x}, (const uint8_t[]){1}, NULL, y);
}
