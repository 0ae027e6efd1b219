/* expr - scalar expressions: the one meaning of elementwise ops and of epilogues.
 *
 * A list of nodes in order of evaluation; a node names earlier nodes by index. The interpreter
 * evaluates it over blocks of elements, the backend emits it over vectors, and both give the same
 * bytes: every operation is IEEE single or exact integer arithmetic, in the order written.
 */
#ifndef QCC_IR_EXPR_H
#define QCC_IR_EXPR_H

#include "ir/base/buf.h"
#include "runtime/qcc.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

typedef enum QccExprType {
    QCC_EX_F32,
    QCC_EX_F64,
    QCC_EX_I32,
    QCC_EX_I64,
    QCC_EX_U64,
    QCC_EX_TYPE_COUNT
} QccExprType;

/* name, operands, meaning. T is the node's type; comparisons give i32 0 or 1. Signs and payloads of
 * NaNs are not part of the meaning.
 *   arg     argument imm: u8, i8, u16, i16, bool, i32 widen to i32; u32, i64 to i64;
 *           f16, bf16, f32 to f32; f64; u64
 *   acc     the anchor's accumulator: i32, or f32
 *   imm     a constant of type T
 *   add sub mul  integers wrap
 *   div     IEEE for floats; integers truncate, x/0 = 0
 *   min     a < b ? a : b, so b when either is NaN
 *   max     a > b ? a : b
 *   floor ceil trunc rne  floats to integral floats; rne: ties to even
 *   fma     a * b + c, rounded once; floats
 *   lt le eq ne  ordered but ne; the result is i32
 *   select  a (i32) != 0 ? b : c
 *   and or xor shl shr sar  integers; the amount of a shift lies in [0, bits); sar of u64 is shr
 *   bits    reinterprets f32 <-> i32, f64 <-> i64 and u64
 *   cvt     converts to T: int -> float to nearest even; float -> int rounds to nearest even, the
 *           value being known to fit (clamp it first: machines differ); between integers the low
 *           bits, the sign going on
 *   lut     byte a & 255 of the imm-th argument, which is a table of 256 bytes; i32 in [0, 255]
 *   load    the element of the imm-th argument that lies a (i64) elements from where `arg` would
 *           read it, widened to T; the builder of the expression sees to it that there is one */
#define QCC_EXPR_OPS(X)                                                                            \
    X(arg, 0)                                                                                      \
    X(acc, 0)                                                                                      \
    X(imm, 0)                                                                                      \
    X(add, 2)                                                                                      \
    X(sub, 2)                                                                                      \
    X(mul, 2)                                                                                      \
    X(div, 2)                                                                                      \
    X(min, 2)                                                                                      \
    X(max, 2)                                                                                      \
    X(neg, 1)                                                                                      \
    X(abs, 1)                                                                                      \
    X(sqrt, 1)                                                                                     \
    X(floor, 1)                                                                                    \
    X(ceil, 1)                                                                                     \
    X(trunc, 1)                                                                                    \
    X(rne, 1)                                                                                      \
    X(fma, 3)                                                                                      \
    X(lt, 2)                                                                                       \
    X(le, 2)                                                                                       \
    X(eq, 2)                                                                                       \
    X(ne, 2)                                                                                       \
    X(select, 3)                                                                                   \
    X(and, 2)                                                                                      \
    X(or, 2)                                                                                       \
    X(xor, 2)                                                                                      \
    X(shl, 2)                                                                                      \
    X(shr, 2)                                                                                      \
    X(sar, 2)                                                                                      \
    X(bits, 1)                                                                                     \
    X(cvt, 1)                                                                                      \
    X(lut, 1)                                                                                      \
    X(load, 1)

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
        int64_t i; /* i32, i64, the bits of u64, and the argument number of arg, lut and load */
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
/* x as a constant of the type of node `like`: rounded to f32, cut to an integer that it fits. */
int qcc_expr_real(QccExpr *e, int like, double x);
int qcc_expr_imm(QccExpr *e, QccExprType type, double f, int64_t i);
int qcc_expr_op1(QccExpr *e, QccExprOp op, int a);
int qcc_expr_op2(QccExpr *e, QccExprOp op, int a, int b);
int qcc_expr_op3(QccExpr *e, QccExprOp op, int a, int b, int c);
int qcc_expr_cvt(QccExpr *e, QccExprType type, int a);
int qcc_expr_bits(QccExpr *e, QccExprType type, int a);
int qcc_expr_lut(QccExpr *e, int argument, int a);
int qcc_expr_load(QccExpr *e, int argument, QccExprType type, int a);

/* Copies `from`'s nodes into e, with arg[k] in place of argument k, and returns the result. */
int qcc_expr_inline(QccExpr *e, const QccExpr *from, const int *arg);

/* Whether a node of that kind is in it; `e` may be NULL, which has none. */
bool qcc_expr_has(const QccExpr *e, QccExprOp op);

/* Drops nodes that the result does not need. */
void qcc_expr_prune(QccExpr *e);

/* Evaluates n elements. arg[k] points to the k-th argument's first element, already widened to its
 * node type; stride 0 or 1 (in elements). acc likewise (or NULL). out has the result's type.
 * lut arguments point to 256 bytes, load arguments to a QccExprMemory. scratch is an arena for
 * blocks. */
typedef struct QccExprMemory {
    const void *data; /* of element type dtype; lane i reads from element i * step on */
    QccDtype dtype;
    int64_t step;
} QccExprMemory;
void qcc_expr_eval(const QccExpr *e, int64_t n, const void *const *arg, const uint8_t *stride,
                   const void *acc, void *out, QccArena *scratch);

/* The same for callers with many runs: the blocks are allocated once. `e` is borrowed. */
typedef struct QccExprEval QccExprEval;
QccExprEval *qcc_expr_eval_new(const QccExpr *e, QccArena *arena);
void qcc_expr_eval_run(QccExprEval *v, int64_t n, const void *const *arg, const uint8_t *stride,
                       const void *acc, void *out);

/* One of the functions below, of a real of `type` (f32 or f64) and with such a result, for runs:
 * y[i] = f(x[i]); y may be x. */
typedef int QccExprFunction(QccExpr *e, int x);
QccExprEval *qcc_expr_function(QccExprFunction *f, QccExprType type, QccArena *arena);
void qcc_expr_apply(QccExprEval *f, int64_t n, const void *x, void *y);

/* One line a node, canonical: "0 = arg i32 #2", "1 = imm f32 0.5", "3 = mul f32 0 1"; then "result
 * 3". Part of a kernel's text. */
void qcc_expr_print(QccBuf *buf, const QccExpr *e);

/* Operands of an op, and its name. */
int qcc_expr_arity(QccExprOp op);
const char *qcc_expr_op_name(QccExprOp op);

/* ---- elementary functions, each in one fixed order of operations -----------------------------
 * (errors and ranges in docs/numerics.md; denormal results of exp, log and pow are 0). An f64 node
 * gives an f64 node; one of another type is converted to f32 first, and the result is f32. */

/* expr_math.c: f32 by polynomials of its own. pow takes its type from x. */
int qcc_expr_exp(QccExpr *e, int x);
/* The same number in fewer steps, for an x that is not above 0, or NaN. */
int qcc_expr_exp_negative(QccExpr *e, int x);
int qcc_expr_expm1(QccExpr *e, int x);
int qcc_expr_log(QccExpr *e, int x);
int qcc_expr_log1p(QccExpr *e, int x);
int qcc_expr_tanh(QccExpr *e, int x);
int qcc_expr_erf(QccExpr *e, int x);
int qcc_expr_sigmoid(QccExpr *e, int x);
/* x times the probability that a normally distributed number lies below x; f32 alone. */
int qcc_expr_gelu(QccExpr *e, int x);
/* x to the power y, with the special cases of C's pow; f32 through f64, so below 1 ulp. */
int qcc_expr_pow(QccExpr *e, int x, int y);

/* expr_f64.c: f32 computed in f64 and rounded once. */
int qcc_expr_sin(QccExpr *e, int x);
int qcc_expr_cos(QccExpr *e, int x);
int qcc_expr_tan(QccExpr *e, int x);
int qcc_expr_asin(QccExpr *e, int x);
int qcc_expr_acos(QccExpr *e, int x);
int qcc_expr_atan(QccExpr *e, int x);
int qcc_expr_sinh(QccExpr *e, int x);
int qcc_expr_cosh(QccExpr *e, int x);
int qcc_expr_asinh(QccExpr *e, int x);
int qcc_expr_acosh(QccExpr *e, int x);
int qcc_expr_atanh(QccExpr *e, int x);

/* A float node as an integer of element type `to`: cut towards 0, saturated, NaN is 0. */
int qcc_expr_to_integer(QccExpr *e, int x, QccDtype to);

/* ---- the quantization steps as nodes (docs/numerics.md) -------------------------------------- */

/* i32 node: saturate(round_half_even(v) + zero) to [qmin, qmax] of an f32 node v in quanta and an
 * i32 node zero (-1: it is 0); first to the i32 nodes lo and hi, where there are such (-1: none).
 * Unless `bounded` (|v| < 2^30 and not NaN has been proven), v is clamped to +-2^30 first, and a
 * NaN counts as 0, so it gives zero. */
int qcc_expr_requantize(QccExpr *e, int v, int zero, int lo, int hi, int32_t qmin, int32_t qmax,
                        bool bounded);

/* The node type that elements of `dtype` widen to. */
QccExprType qcc_expr_type_of(QccDtype dtype);

#pragma GCC visibility pop

#endif
