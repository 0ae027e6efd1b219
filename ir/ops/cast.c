/* cast - x as another element type.
 *
 *   to bool        x != 0, so NaN is true
 *   float -> int   cut towards 0; what does not fit saturates, NaN is 0
 *   int -> int     the low bits; from 8 bits on to 4, too
 *   to a float     to nearest even, once; of 8 and 4 bits, what is too large becomes the greatest
 *                  number, or with `overflow` an infinity or NaN, if there are any
 */
#include "ir/ops/common.h"
#include "ir/qmath.h"

/* In the order of QccDtype. */
static const char *const dtypes[] = {
    "f32", "f16",      "bf16",       "f64",    "i4",         "u4",     "i8",
    "u8",  "i16",      "u16",        "i32",    "u32",        "i64",    "bool",
    "u64", "f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz", "f4e2m1", NULL};
static const QccField attrs[] = {{"to", QCC_FIELD_ENUM, offsetof(QccCastAttrs, to), "f32", 0, 0,
                                  dtypes, "the element type of the result"},
                                 {"overflow", QCC_FIELD_BOOL, offsetof(QccCastAttrs, overflow),
                                  "false", 0, 0, NULL,
                                  "what is too large for a float of 8 bits is an infinity or NaN"},
                                 {0}};

static bool is_float(QccExprType type)
{
    return type == QCC_EX_F32 || type == QCC_EX_F64;
}

/* An f64 as the f32 that rounds to 16 bits as x itself does: what is inexact becomes odd (Boldo and
 * Melquiond, "When double rounding is odd", 2005). */
static int to_odd(QccExpr *e, int x)
{
    int y = qcc_expr_cvt(e, QCC_EX_F32, x), back = qcc_expr_cvt(e, QCC_EX_F64, y);
    int bits = qcc_expr_bits(e, QCC_EX_I32, y), one = qcc_expr_i32(e, 1);
    int ax = qcc_expr_op1(e, QCC_EX_abs, x), ay = qcc_expr_op1(e, QCC_EX_abs, back);
    int even = qcc_expr_op2(e, QCC_EX_xor, qcc_expr_op2(e, QCC_EX_and, bits, one), one);
    int under = qcc_expr_op2(e, QCC_EX_and, even, qcc_expr_op2(e, QCC_EX_lt, ay, ax));
    int over = qcc_expr_op2(e, QCC_EX_and, even, qcc_expr_op2(e, QCC_EX_lt, ax, ay));
    bits = qcc_expr_op2(e, QCC_EX_sub, qcc_expr_op2(e, QCC_EX_add, bits, under), over);
    return qcc_expr_bits(e, QCC_EX_F32, bits);
}

/* To within what a float of 8 bits holds; a NaN stays one. */
static int saturate(QccExpr *e, int x, QccDtype to)
{
    double most = (double)qcc_minifloat_max(to);
    x = qcc_expr_op2(e, QCC_EX_max, qcc_expr_real(e, x, -most), x);
    return qcc_expr_op2(e, QCC_EX_min, qcc_expr_real(e, x, most), x);
}

static int map(const QccOp *op, QccExpr *e, const int *arg)
{
    const QccCastAttrs *a = op->attrs;
    QccDtype to = a->to;
    QccExprType type = qcc_expr_type_of(to), from = e->node[arg[0]].type;
    if (to == QCC_BOOL) return qcc_expr_op2(e, QCC_EX_ne, arg[0], qcc_expr_real(e, arg[0], 0));
    if (is_float(from) && !is_float(type)) return qcc_expr_to_integer(e, arg[0], to);
    bool narrow = qcc_dtype_bits(to) < 32 && is_float(type);
    int x = from == QCC_EX_F64 && narrow ? to_odd(e, arg[0]) : qcc_expr_cvt(e, type, arg[0]);
    return !a->overflow && qcc_dtype_is_minifloat(to) ? saturate(e, x, to) : x;
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccCastAttrs *a = op->attrs;
    QCC_TRY(qcc_infer_same(op, result));
    *result = qcc_type_plain(op->graph->ir, *result, a->to);
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    QccCastAttrs a = {.to = (int)qcc_random_range(random, 0, QCC_DTYPE_COUNT - 1),
                      .overflow = qcc_random_bool(random)};
    qcc_sample_unary_of(s, &qcc_op_cast, &a, (1u << QCC_DTYPE_COUNT) - 1);
}

const QccOpDef qcc_op_cast = {
    .name = "cast",
    .summary = "x as another element type",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .attr_size = sizeof(QccCastAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_FLOAT},
    .infer = infer,
    .map = map,
    .sample = sample,
};
