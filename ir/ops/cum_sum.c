/* cum_sum - y[i] = x[0] + ... + x[i] along an axis, added in this order; reverse: from the end.
 *
 * Floats add in f32 (f64), and each sum is rounded to the element type when it is stored; integers
 * wrap.
 */
#include "ir/elements.h"
#include "ir/ops/index.h"

static const QccField attrs[] = {{"axis", QCC_FIELD_INT, offsetof(QccCumSumAttrs, axis), "0", 0, 0,
                                  NULL, "the dimension to sum along"},
                                 {"exclusive", QCC_FIELD_BOOL, offsetof(QccCumSumAttrs, exclusive),
                                  "false", 0, 0, NULL,
                                  "without the element itself: the first sum is 0"},
                                 {"reverse", QCC_FIELD_BOOL, offsetof(QccCumSumAttrs, reverse),
                                  "false", 0, 0, NULL, "from the last element to the first"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccCumSumAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    QCC_TRY(qcc_op_axis(op, &a->axis, qcc_op_real(op, 0)->rank));
    return qcc_infer_same(op, result);
}

/* One line of n elements, `step` apart; U is the type to add in: unsigned, where integers wrap. */
#define SUM(T, U)                                                                                  \
    do {                                                                                           \
        T sum = 0, element;                                                                        \
        for (int64_t i = 0; i < n; i++, at += step) {                                              \
            qcc_widen(&element, dtype, x->data, at, 1);                                            \
            T next = (T)((U)sum + (U)element);                                                     \
            qcc_narrow(y->data, dtype, at, exclusive ? &sum : &next, 1);                           \
            sum = next;                                                                            \
        }                                                                                          \
    } while (0)

static void sum_line(const QccTensor *x, const QccTensor *y, int64_t at, int64_t step, int64_t n,
                     bool exclusive)
{
    QccDtype dtype = x->type->dtype;
    switch (qcc_expr_type_of(dtype)) {
    case QCC_EX_F32: SUM(float, float); break;
    case QCC_EX_F64: SUM(double, double); break;
    case QCC_EX_I32: SUM(int32_t, uint32_t); break;
    default: SUM(int64_t, uint64_t); break;
    }
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccCumSumAttrs *a = op->attrs;
    QccLines l = qcc_lines(&in[0], a->axis);
    if (result->count == 0) return QCC_OK;
    for (int64_t line = 0; line < l.outer * l.inner; line++) {
        int64_t at = line / l.inner * l.n * l.inner + line % l.inner, step = l.inner;
        if (a->reverse) {
            at += (l.n - 1) * l.inner;
            step = -step;
        }
        sum_line(&in[0], result, at, step, l.n, a->exclusive);
    }
    return QCC_OK;
}

static bool permute(QccOp *op, const int *perm, int rank)
{
    QccCumSumAttrs *a = op->attrs;
    a->axis = qcc_permute_axis(a->axis, perm, rank);
    return true;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccCumSumAttrs a = {.axis = qcc_random_range(random, -type->rank, type->rank - 1),
                        .exclusive = qcc_random_bool(random),
                        .reverse = qcc_random_bool(random)};
    QccValue *x = qcc_sample_param(s, type);
    qcc_sample_op(s, &qcc_op_cum_sum, &x, 1, &a);
}

const QccOpDef qcc_op_cum_sum = {
    .name = "cum_sum",
    .summary = "running sums along an axis",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .attr_size = sizeof(QccCumSumAttrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
    .permute = permute,
    .sample = sample,
};
