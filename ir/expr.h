/* expr - scalar expressions: the one meaning of elementwise ops and of epilogues.
 *
 * A list of nodes in order of evaluation; a node names earlier nodes by index. The interpreter
 * evaluates it over blocks of elements, the backend emits it over vectors, and both give the same
 * bytes: every operation is IEEE single or exact integer arithmetic, in the order written.
 */
#ifndef QCC_IR_EXPR_H
#define QCC_IR_EXPR_H

#include "ir/base/buf.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

typedef enum QccExprType { QCC_EX_F32, QCC_EX_F64, QCC_EX_I32, QCC_EX_I64 } QccExprType;

/* name, operands, meaning. T is the node's type; comparisons give i32 0 or 1. */
/* clang-format off */
#define QCC_EXPR_OPS(X)                                                                             \
    X(arg, 0)    /* argument imm: u8, i8, u16, i16, bool, i32 widen to i32; u32, i64 to i64;        \
                    f16, bf16, f32 to f32; f64 */                                                   \
    X(acc, 0)    /* the anchor's accumulator: i32, or f32 */                                        \
    X(imm, 0)    /* a constant of type T */                                                         \
    X(add, 2)                                                                                       \
    X(sub, 2)                                                                                       \
    X(mul, 2)    /* integers wrap */                                                                \
    X(div, 2)    /* IEEE for floats; integers truncate, x/0 = 0 */                                  \
    X(min, 2)    /* a < b ? a : b, so b when either is NaN */                                       \
    X(max, 2)    /* a > b ? a : b */                                                                \
    X(neg, 1) X(abs, 1) X(sqrt, 1)                                                                  \
    X(floor, 1) X(ceil, 1) X(trunc, 1) X(rne, 1) /* floats to integral floats; rne: ties to even */ \
    X(fma, 3)    /* a * b + c, rounded once; floats */                                              \
    X(lt, 2) X(le, 2) X(eq, 2) X(ne, 2)          /* ordered but ne; result i32 */                   \
    X(select, 3) /* a (i32) != 0 ? b : c */                                                         \
    X(and, 2) X(or, 2) X(xor, 2)                                                                    \
    X(shl, 2) X(shr, 2) X(sar, 2)                /* i32 and i64; the amount lies in [0, bits) */    \
    X(bits, 1)   /* reinterprets f32 <-> i32, f64 <-> i64 */                                        \
    X(cvt, 1)    /* converts to T: int -> float to nearest even; float -> int rounds to nearest     \
                    even, the value being known to fit (else see qcc_expr_to_i32); between sizes */ \
    X(lut, 1)    /* byte imm-th argument [a + 128 for i8 | a for u8]: a table of 256 bytes, u8 */
/* clang-format on */

typedef enum QccExprOp {
#define X(name, nin) QCC_EX_##name,
    QCC_EXPR_OPS(X)
#undef X
        QCC_EXPR_OP_COUNT
} QccExprOp;

typedef struct QccExprNode {
    uint8_t op;    /* QccExprOp */
    uint8_t type;  /* QccExprType of the result */
    int16_t in[3]; /* node indices; -1: none */
    union {
        float f32;
        double f64;
        int64_t i; /* i32, i64, and the argument number of arg and lut */
    } imm;
} QccExprNode;

typedef struct QccExpr {
    QccArena *arena;
    QccExprNode *node;
    int n;
    int64_t cap;
    int result; /* node index; -1 while empty */
} QccExpr;

void qcc_expr_init(QccExpr *e, QccArena *arena);

/* Each returns the new node's index. Equal nodes are shared (hash-consing by linear search), and
 * constants are folded where that is exact. Operand types must agree (an assertion). */
int qcc_expr_arg(QccExpr *e, int number, QccExprType type);
int qcc_expr_acc(QccExpr *e, QccExprType type);
int qcc_expr_f32(QccExpr *e, float x);
int qcc_expr_i32(QccExpr *e, int32_t x);
int qcc_expr_imm(QccExpr *e, QccExprType type, double f, int64_t i);
int qcc_expr_op1(QccExpr *e, QccExprOp op, int a);
int qcc_expr_op2(QccExpr *e, QccExprOp op, int a, int b);
int qcc_expr_op3(QccExpr *e, QccExprOp op, int a, int b, int c);
int qcc_expr_cvt(QccExpr *e, QccExprType type, int a);
int qcc_expr_bits(QccExpr *e, QccExprType type, int a);
int qcc_expr_lut(QccExpr *e, int argument, int a);

/* Copies `from`'s nodes into e, with arg[k] in place of argument k, and returns the result. */
int qcc_expr_inline(QccExpr *e, const QccExpr *from, const int *arg);

/* Drops nodes that the result does not need. */
void qcc_expr_prune(QccExpr *e);

/* Evaluates n elements. arg[k] points to the k-th argument's first element, already widened to its
 * node type; stride 0 or 1 (in elements). acc likewise (or NULL). out has the result's type.
 * lut arguments point to 256 bytes. scratch is an arena for blocks. */
void qcc_expr_eval(const QccExpr *e, int64_t n, const void *const *arg, const uint8_t *stride,
                   const void *acc, void *out, QccArena *scratch);

/* One line a node, canonical: "3 = mul f32 1 2". Part of a kernel's text. */
void qcc_expr_print(QccBuf *buf, const QccExpr *e);

/* Operands of an op, and its name. */
int qcc_expr_arity(QccExprOp op);
const char *qcc_expr_op_name(QccExprOp op);

/* ---- elementary functions over f32 nodes, each one polynomial in one fixed order -------------
 * (qmath.c; errors and ranges in docs/numerics.md; denormal results are 0) */
int qcc_expr_exp(QccExpr *e, int x);
int qcc_expr_log(QccExpr *e, int x);
int qcc_expr_tanh(QccExpr *e, int x);
int qcc_expr_erf(QccExpr *e, int x);
int qcc_expr_sigmoid(QccExpr *e, int x);
/* x to the power y: exp(y * log|x|) with the exact special cases of C's pow. */
int qcc_expr_pow(QccExpr *e, int x, int y);

/* ---- the quantization steps as nodes (docs/numerics.md) -------------------------------------- */

/* i32 node: saturate(round_half_even(v) + zero) to [qmin, qmax] of an f32 node v in quanta. v is
 * clamped to what i32 can hold first unless `bounded` (|v| < 2^30 has been proven); NaN gives
 * zero's clamp: see docs/numerics.md. */
int qcc_expr_requantize(QccExpr *e, int v, int zero, int32_t qmin, int32_t qmax, bool bounded);

#pragma GCC visibility pop

#endif
