/* gru - gated recurrent unit, step by step (recurrent.h); gates z, r, h.
 *
 *   z = f(xz + h * rz)    r = f(xr + h * rr)
 *   n = g(xh + (r h) * rh), or with reset_after  n = g(xh + r (h * rh + bias))
 *   h = (1 - z) n + z h
 */
#include "ir/ops/recurrent.h"

enum { X, R, BIAS, LENGTHS, FIRST, OPERANDS };
enum { Z, RESET, HIDDEN, GATES };

static const QccField attrs[] = {QCC_RECURRENT_ACTIVATION("f", 0, "sigmoid"),
                                 QCC_RECURRENT_ACTIVATION("g", 1, "tanh"),
                                 QCC_RECURRENT_FIELDS,
                                 {"reset_after", QCC_FIELD_BOOL,
                                  offsetof(QccRecurrentAttrs, option), "false", 0, 0, NULL,
                                  "the reset gate multiplies the product with h, not h"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QCC_TRY(qcc_recurrent_infer(op, result, GATES, 1, LENGTHS, FIRST));
    return qcc_recurrent_vector(op, BIAS, 1);
}

static void step(QccRecurrent *r)
{
    const QccRecurrentAttrs *a = r->op->attrs;
    const float *bias = qcc_op_has(r->op, BIAS) ? r->in[BIAS].data : NULL;
    float *z = r->gate[Z], *reset = r->gate[RESET], *n = r->gate[HIDDEN];
    qcc_recurrent_apply(r, 0, z);
    qcc_recurrent_apply(r, 0, reset);
    if (a->option) {
        qcc_recurrent_product(r, r->h, HIDDEN, r->spare);
        for (int64_t i = 0; i < r->hidden; i++) {
            float t = bias ? r->spare[i] + bias[i] : r->spare[i];
            r->spare[i] = reset[i] * t;
        }
    } else {
        for (int64_t i = 0; i < r->hidden; i++) reset[i] = reset[i] * r->h[i];
        qcc_recurrent_product(r, reset, HIDDEN, r->spare);
        for (int64_t i = 0; i < r->hidden && bias; i++) r->spare[i] = r->spare[i] + bias[i];
    }
    for (int64_t i = 0; i < r->hidden; i++) n[i] = n[i] + r->spare[i];
    qcc_recurrent_apply(r, 1, n);
    for (int64_t i = 0; i < r->hidden; i++) {
        float fresh = (1 - z[i]) * n[i], kept = z[i] * r->h[i];
        r->h[i] = fresh + kept;
    }
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    qcc_recurrent_eval(op, in, result, GATES, HIDDEN, 1, LENGTHS, FIRST, step, arena);
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    QccValue *in[OPERANDS] = {0};
    QccRecurrentAttrs a = {.option = qcc_random_bool(random)};
    int nin = qcc_recurrent_sample(random, s, in, GATES, 1, LENGTHS, FIRST, &a);
    int64_t h = in[R]->type->dim[1].n;
    if (qcc_random_bool(random)) in[BIAS] = qcc_sample_const(s, qcc_sample_shape(s, 1, &h));
    qcc_sample_op(s, &qcc_op_gru, in, nin, &a);
}

const QccOpDef qcc_op_gru = {
    .name = "gru",
    .summary = "a gated recurrent unit over the steps of x[s,b,3*h]; then the final h",
    .min_in = 2,
    .max_in = OPERANDS,
    .nout = 1,
    .attr_size = sizeof(QccRecurrentAttrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
    .sample = sample,
};
