/* rnn - h = f(x + h * r), step by step (recurrent.h). */
#include "ir/ops/recurrent.h"

enum { X, R, LENGTHS, FIRST, OPERANDS };

static const QccField attrs[] = {
    QCC_RECURRENT_ACTIVATION("f", 0, "tanh"), QCC_RECURRENT_FIELDS, {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    return qcc_recurrent_infer(op, result, 1, 1, LENGTHS, FIRST);
}

static void step(QccRecurrent *r)
{
    qcc_recurrent_apply(r, 0, r->gate[0]);
    for (int64_t i = 0; i < r->hidden; i++) r->h[i] = r->gate[0][i];
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    qcc_recurrent_eval(op, in, result, 1, 1, 1, LENGTHS, FIRST, step, arena);
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    QccValue *in[OPERANDS] = {0};
    QccRecurrentAttrs a = {0};
    int nin = qcc_recurrent_sample(random, s, in, 1, 1, LENGTHS, FIRST, &a);
    qcc_sample_op(s, &qcc_op_rnn, in, nin, &a);
}

const QccOpDef qcc_op_rnn = {
    .name = "rnn",
    .summary = "h = f(x + h * r) over the steps of x[s,b,h]; then the final h",
    .min_in = 2,
    .max_in = OPERANDS,
    .nout = 1,
    .attr_size = sizeof(QccRecurrentAttrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
    .sample = sample,
};
