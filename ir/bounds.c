/* bounds - intervals over an epilogue's nodes prove that a number fits the conversion to i32.
 *
 * An infinite end means "anything, also NaN" but where min or max has just excluded that. */
#include <math.h>

#include "ir/epilogue.h"

typedef struct Interval {
    double lo, hi;
} Interval;

static const Interval anything = {-INFINITY, INFINITY};

static bool is_finite(Interval x)
{
    return x.lo > -INFINITY && x.hi < INFINITY;
}

static Interval arg_interval(const QccEpilogue *epi, const QccExprNode *node)
{
    const QccEpilogueArg *arg = &epi->arg[node->imm.i];
    if (arg->kind == QCC_EPILOGUE_OPERAND) {
        int64_t min, max;
        qcc_dtype_range(arg->dtype, &min, &max);
        return qcc_dtype_is_float(arg->dtype) ? anything : (Interval){(double)min, (double)max};
    }
    int64_t count = 1;
    for (int d = 0; d < arg->rank; d++) count *= arg->dim[d];
    Interval r = {INFINITY, -INFINITY};
    for (int64_t i = 0; i < count; i++) {
        double x =
            arg->dtype == QCC_I32 ? ((const int32_t *)arg->data)[i] : ((const float *)arg->data)[i];
        r.lo = fmin(r.lo, x);
        r.hi = fmax(r.hi, x);
    }
    return r;
}

/* A contraction's accumulator may take all of i32; other anchors add up elements of an operand,
 * each of them once at most. */
static Interval acc_interval(const QccEpilogue *epi, const QccExprNode *node)
{
    const QccOp *anchor = epi->anchor;
    double most = 0x1p31;
    if (node->type != QCC_EX_I32) return anything;
    if (anchor && !(anchor->def->traits & QCC_TRAIT_CONTRACTION)) {
        const QccType *x = anchor->in[0].value->type;
        double sum = ldexp((double)qcc_type_count(x), qcc_dtype_bits(x->dtype));
        if (sum >= 0) most = fmin(most, sum); /* else extents are not known */
    }
    return (Interval){-most, most};
}

static Interval product(Interval x, Interval y)
{
    double p[4] = {x.lo * y.lo, x.lo * y.hi, x.hi * y.lo, x.hi * y.hi};
    return (Interval){fmin(fmin(p[0], p[1]), fmin(p[2], p[3])),
                      fmax(fmax(p[0], p[1]), fmax(p[2], p[3]))};
}

static Interval node_interval(const QccEpilogue *epi, const QccExprNode *node, const Interval *in)
{
    Interval x = node->in[0] >= 0 ? in[node->in[0]] : anything;
    Interval y = node->in[1] >= 0 ? in[node->in[1]] : anything;
    Interval z = node->in[2] >= 0 ? in[node->in[2]] : anything;
    switch (node->op) {
    case QCC_EX_arg: return arg_interval(epi, node);
    case QCC_EX_acc: return acc_interval(epi, node);
    case QCC_EX_imm:
        if (node->type == QCC_EX_F32) return (Interval){node->imm.f32, node->imm.f32};
        if (node->type == QCC_EX_F64) return (Interval){node->imm.f64, node->imm.f64};
        return (Interval){(double)node->imm.i, (double)node->imm.i};
    case QCC_EX_min: /* y when either is NaN */
        return is_finite(y) ? (Interval){fmin(x.lo, y.lo), is_finite(x) ? fmin(x.hi, y.hi) : y.hi}
                            : anything;
    case QCC_EX_max:
        return is_finite(y) ? (Interval){is_finite(x) ? fmax(x.lo, y.lo) : y.lo, fmax(x.hi, y.hi)}
                            : anything;
    case QCC_EX_select:
        return is_finite(y) && is_finite(z) ? (Interval){fmin(y.lo, z.lo), fmax(y.hi, z.hi)}
                                            : anything;
    default: break;
    }
    if (!is_finite(x)) return anything;
    switch (node->op) {
    case QCC_EX_cvt: return x;
    case QCC_EX_neg: return (Interval){-x.hi, -x.lo};
    case QCC_EX_abs: return (Interval){0, fmax(-x.lo, x.hi)};
    case QCC_EX_rne: return (Interval){x.lo - 1, x.hi + 1};
    default: break;
    }
    if (!is_finite(y)) return anything;
    switch (node->op) {
    case QCC_EX_add: return (Interval){x.lo + y.lo, x.hi + y.hi};
    case QCC_EX_sub: return (Interval){x.lo - y.hi, x.hi - y.lo};
    case QCC_EX_mul: return product(x, y);
    case QCC_EX_fma:
        if (!is_finite(z)) return anything;
        return (Interval){product(x, y).lo + z.lo, product(x, y).hi + z.hi};
    default: return anything;
    }
}

bool qcc_epilogue_fits(const QccEpilogue *epi, int v, QccArena *scratch)
{
    const QccExpr *e = &epi->expr;
    Interval *r = QCC_NEW_ARRAY(scratch, e->n, Interval);
    for (int i = 0; i <= v; i++) {
        Interval x = node_interval(epi, &e->node[i], r);
        enum { SLACK = 1 << 20 }; /* more than any rounding, which is monotone, moves an end by */
        double limit = e->node[i].type == QCC_EX_I32 ? 0x1p31 : 0x1p126;
        r[i] = (Interval){x.lo - fabs(x.lo) / SLACK, x.hi + fabs(x.hi) / SLACK};
        if (e->node[i].type >= QCC_EX_I32) r[i] = x;
        if (is_finite(x) && (x.lo < -limit || x.hi > limit)) r[i] = anything; /* may wrap */
    }
    return r[v].lo > -0x1p30 && r[v].hi < 0x1p30;
}
