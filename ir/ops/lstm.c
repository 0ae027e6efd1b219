/* lstm - long short-term memory, step by step (recurrent.h); gates i, o, f, c; peepholes p of i, o,
 * f. Each y is h, then c.
 *
 *   i = f(xi + h * ri + pi c)    f = f(xf + h * rf + pf c), or 1 - i when coupled
 *   n = g(xc + h * rc)           c = f c + i n
 *   o = f(xo + h * ro + po c)    h = o h(c)
 */
#include "ir/ops/recurrent.h"

enum { X, R, PEEPHOLES, LENGTHS, FIRST, FIRST_CELL, OPERANDS };
enum { INPUT, OUTPUT, FORGET, CELL, GATES };

static const QccField attrs[] = {QCC_RECURRENT_ACTIVATION("f", 0, "sigmoid"),
                                 QCC_RECURRENT_ACTIVATION("g", 1, "tanh"),
                                 QCC_RECURRENT_ACTIVATION("h", 2, "tanh"),
                                 QCC_RECURRENT_FIELDS,
                                 {"coupled", QCC_FIELD_BOOL, offsetof(QccRecurrentAttrs, option),
                                  "false", 0, 0, NULL, "the forget gate is 1 - the input gate"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QCC_TRY(qcc_recurrent_infer(op, result, GATES, 2, LENGTHS, FIRST));
    return qcc_recurrent_vector(op, PEEPHOLES, 3);
}

/* A gate sees the cell. */
static void peep(QccRecurrent *r, int gate)
{
    if (!qcc_op_has(r->op, PEEPHOLES)) return;
    const float *p = (const float *)r->in[PEEPHOLES].data + gate * r->hidden;
    for (int64_t i = 0; i < r->hidden; i++) {
        float t = p[i] * r->c[i];
        r->gate[gate][i] = r->gate[gate][i] + t;
    }
}

static void step(QccRecurrent *r)
{
    const QccRecurrentAttrs *a = r->op->attrs;
    float *in = r->gate[INPUT], *out = r->gate[OUTPUT], *forget = r->gate[FORGET];
    float *fresh = r->gate[CELL];
    peep(r, INPUT);
    qcc_recurrent_apply(r, 0, in);
    if (a->option) {
        for (int64_t i = 0; i < r->hidden; i++) forget[i] = 1 - in[i];
    } else {
        peep(r, FORGET);
        qcc_recurrent_apply(r, 0, forget);
    }
    qcc_recurrent_apply(r, 1, fresh);
    for (int64_t i = 0; i < r->hidden; i++) {
        float kept = forget[i] * r->c[i], added = in[i] * fresh[i];
        r->c[i] = kept + added;
        r->spare[i] = r->c[i];
    }
    peep(r, OUTPUT);
    qcc_recurrent_apply(r, 0, out);
    qcc_recurrent_apply(r, 2, r->spare);
    for (int64_t i = 0; i < r->hidden; i++) r->h[i] = out[i] * r->spare[i];
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    qcc_recurrent_eval(op, in, result, GATES, GATES, 2, LENGTHS, FIRST, step, arena);
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    QccValue *in[OPERANDS] = {0};
    QccRecurrentAttrs a = {.option = qcc_random_bool(random)};
    int nin = qcc_recurrent_sample(random, s, in, GATES, 2, LENGTHS, FIRST, &a);
    int64_t peepholes = 3 * in[R]->type->dim[1].n;
    if (qcc_random_bool(random))
        in[PEEPHOLES] = qcc_sample_const(s, qcc_sample_shape(s, 1, &peepholes));
    qcc_sample_op(s, &qcc_op_lstm, in, nin, &a);
}

const QccOpDef qcc_op_lstm = {
    .name = "lstm",
    .summary = "long short-term memory over the steps of x[s,b,4*h]; then the final h and c",
    .min_in = 2,
    .max_in = OPERANDS,
    .nout = 1,
    .attr_size = sizeof(QccRecurrentAttrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
    .sample = sample,
};
