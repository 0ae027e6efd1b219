/* expr_build - shorthands of the files that build functions as expressions (expr_math.c,
 * expr_f64.c): nodes of one expression, which must be called `e`.
 */
#ifndef QCC_IR_EXPR_BUILD_H
#define QCC_IR_EXPR_BUILD_H

#include "ir/expr.h"

#define OP1(op, a)       qcc_expr_op1(e, QCC_EX_##op, (a))
#define OP2(op, a, b)    qcc_expr_op2(e, QCC_EX_##op, (a), (b))
#define OP3(op, a, b, c) qcc_expr_op3(e, QCC_EX_##op, (a), (b), (c))
#define F32(x)           qcc_expr_f32(e, (x))
#define F64(x)           qcc_expr_imm(e, QCC_EX_F64, (x), 0)
#define I32(x)           qcc_expr_i32(e, (x))
#define I64(x)           qcc_expr_imm(e, QCC_EX_I64, 0, (x))
#define CVT(type, a)     qcc_expr_cvt(e, QCC_EX_##type, (a))
#define BITS(type, a)    qcc_expr_bits(e, QCC_EX_##type, (a))

/* c[0] + x * (c[1] + x * (...)): in f32 by fma from the highest order down, in f64 by a product
 * and a sum. */
int qcc_horner_f32(QccExpr *e, int x, const float *c, int n);
int qcc_horner_f64(QccExpr *e, int x, const double *c, int n);
#define HORNER_F32(x, c) qcc_horner_f32(e, (x), (c), (int)(sizeof(c) / sizeof *(c)))
#define HORNER_F64(x, c) qcc_horner_f64(e, (x), (c), (int)(sizeof(c) / sizeof *(c)))

/* Functions of f64 nodes, which the functions of expr.h give where their argument is one. */
int qcc_exp_f64(QccExpr *e, int x);
int qcc_expm1_f64(QccExpr *e, int x);
int qcc_log_f64(QccExpr *e, int x);
int qcc_log1p_f64(QccExpr *e, int x);
int qcc_tanh_f64(QccExpr *e, int x);
int qcc_erf_f64(QccExpr *e, int x);

#endif
