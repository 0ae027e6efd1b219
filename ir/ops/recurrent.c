/* recurrent - what rnn, gru and lstm share: steps over a sequence, states, activations. */
#include "ir/ops/recurrent.h"

#include <math.h>
#include <string.h>

/* ---- activations ------------------------------------------------------------------------------
 */

/* In the order of the names below. */
enum {
    SIGMOID,
    TANH,
    RELU,
    AFFINE,
    LEAKY_RELU,
    THRESHOLDED_RELU,
    SCALED_TANH,
    HARD_SIGMOID,
    ELU,
    SOFTSIGN,
    SOFTPLUS
};

const char *const qcc_recurrent_activations[] = {
    "sigmoid",     "tanh",         "relu", "affine",   "leaky_relu", "thresholded_relu",
    "scaled_tanh", "hard_sigmoid", "elu",  "softsign", "softplus",   NULL};

static int select_of(QccExpr *e, QccExprOp op, int a, int b, int yes, int no)
{
    return qcc_expr_op3(e, QCC_EX_select, qcc_expr_op2(e, op, a, b), yes, no);
}

static int activation(QccExpr *e, int kind, float alpha, float beta, int x)
{
    int zero = qcc_expr_f32(e, 0), one = qcc_expr_f32(e, 1);
    int a = qcc_expr_f32(e, alpha), b = qcc_expr_f32(e, beta), t;
    switch (kind) {
    case SIGMOID: return qcc_expr_sigmoid(e, x);
    case TANH: return qcc_expr_tanh(e, x);
    case RELU: return qcc_expr_op2(e, QCC_EX_max, x, zero);
    case AFFINE: return qcc_expr_op2(e, QCC_EX_add, qcc_expr_op2(e, QCC_EX_mul, a, x), b);
    case LEAKY_RELU: return select_of(e, QCC_EX_lt, x, zero, qcc_expr_op2(e, QCC_EX_mul, a, x), x);
    case THRESHOLDED_RELU: return select_of(e, QCC_EX_lt, a, x, x, zero);
    case SCALED_TANH:
        t = qcc_expr_tanh(e, qcc_expr_op2(e, QCC_EX_mul, b, x));
        return qcc_expr_op2(e, QCC_EX_mul, a, t);
    case HARD_SIGMOID:
        t = qcc_expr_op2(e, QCC_EX_add, qcc_expr_op2(e, QCC_EX_mul, a, x), b);
        return qcc_expr_op2(e, QCC_EX_max, qcc_expr_op2(e, QCC_EX_min, t, one), zero);
    case ELU:
        t = qcc_expr_op2(e, QCC_EX_sub, qcc_expr_exp(e, x), one);
        return select_of(e, QCC_EX_lt, x, zero, qcc_expr_op2(e, QCC_EX_mul, a, t), x);
    case SOFTSIGN:
        t = qcc_expr_op2(e, QCC_EX_add, one, qcc_expr_op1(e, QCC_EX_abs, x));
        return qcc_expr_op2(e, QCC_EX_div, x, t);
    default: /* softplus: max(x, 0) + log(1 + exp(-|x|)) */
        t = qcc_expr_op1(e, QCC_EX_neg, qcc_expr_op1(e, QCC_EX_abs, x));
        t = qcc_expr_log(e, qcc_expr_op2(e, QCC_EX_add, one, qcc_expr_exp(e, t)));
        return qcc_expr_op2(e, QCC_EX_add, qcc_expr_op2(e, QCC_EX_max, x, zero), t);
    }
}

static QccExprEval *function(const QccRecurrentAttrs *a, int which, QccArena *arena)
{
    QccExpr *e = QCC_NEW(arena, QccExpr);
    qcc_expr_init(e, arena);
    int x = qcc_expr_arg(e, 0, QCC_EX_F32);
    if (a->clip < INFINITY) {
        x = qcc_expr_op2(e, QCC_EX_max, x, qcc_expr_f32(e, -(float)a->clip));
        x = qcc_expr_op2(e, QCC_EX_min, x, qcc_expr_f32(e, (float)a->clip));
    }
    e->result =
        activation(e, a->activation[which], (float)a->alpha[which], (float)a->beta[which], x);
    qcc_expr_prune(e);
    return qcc_expr_eval_new(e, arena);
}

void qcc_recurrent_apply(const QccRecurrent *r, int which, float *v)
{
    qcc_expr_eval_run(r->function[which], r->hidden, (const void *const[]){v}, (const uint8_t[]){1},
                      NULL, v);
}

/* ---- types ------------------------------------------------------------------------------------
 */

static bool is_shape(const QccOp *op, int i, QccDtype dtype, int rank, const QccDim *dim)
{
    const QccType *t = qcc_op_real(op, i);
    bool fits = t->dtype == dtype && t->rank == rank;
    for (int d = 0; fits && d < rank; d++) fits = qcc_dim_equal(&t->dim[d], &dim[d]);
    return fits;
}

QccStatus qcc_recurrent_vector(const QccOp *op, int i, int n)
{
    if (!qcc_op_has(op, i)) return QCC_OK;
    QccDim dim = qcc_op_real(op, 1)->dim[1];
    dim.n *= n;
    if (is_shape(op, i, QCC_F32, 1, &dim)) return QCC_OK;
    return qcc_op_error(op, "'%s' needs f32[%lld] as operand %d; it is %s", op->def->name,
                        (long long)dim.n, i + 1, qcc_op_type_text(op, i));
}

QccStatus qcc_recurrent_infer(const QccOp *op, const QccType **result, int gates, int states,
                              int lens, int first)
{
    QCC_TRY(qcc_op_need_f32(op, 0, 1));
    const QccType *x = qcc_op_real(op, 0), *r = qcc_op_real(op, 1);
    int64_t g, h, all, steps;
    bool fits = x->rank == 3 && r->rank == 2;
    if (fits) {
        QCC_TRY(qcc_op_extent(op, 0, 0, &steps));
        QCC_TRY(qcc_op_extent(op, 0, 2, &all));
        QCC_TRY(qcc_op_extent(op, 1, 0, &g));
        QCC_TRY(qcc_op_extent(op, 1, 1, &h));
        fits = all == g && h <= g && g == gates * h;
    }
    if (!fits)
        return qcc_op_error(op, "'%s' needs x[s,b,%d*h] and r[%d*h,h]; they are %s and %s",
                            op->def->name, gates, gates, qcc_op_type_text(op, 0),
                            qcc_op_type_text(op, 1));
    QccDim dim[3] = {qcc_dim(steps), x->dim[1], qcc_dim(h)};
    if (qcc_op_has(op, lens) && !is_shape(op, lens, QCC_I32, 1, &dim[1]))
        return qcc_op_error(op, "'%s' needs an i32 for each sequence as operand %d; it is %s",
                            op->def->name, lens + 1, qcc_op_type_text(op, lens));
    for (int i = first; i < first + states; i++) {
        if (qcc_op_has(op, i) && !is_shape(op, i, QCC_F32, 2, &dim[1]))
            return qcc_op_error(op, "'%s' needs f32[b,h] as operand %d; it is %s", op->def->name,
                                i + 1, qcc_op_type_text(op, i));
    }
    dim[0].n++;
    dim[2].n *= states;
    *result = qcc_type(op->graph->ir, QCC_F32, 3, dim, NULL);
    return QCC_OK;
}

/* ---- meaning ----------------------------------------------------------------------------------
 */

void qcc_recurrent_product(const QccRecurrent *r, const float *h, int gate, float *out)
{
    const float *row = (const float *)r->in[1].data + gate * r->hidden * r->hidden;
    for (int64_t o = 0; o < r->hidden; o++, row += r->hidden) {
        float sum = 0;
        for (int64_t k = 0; k < r->hidden; k++) sum = fmaf(h[k], row[k], sum);
        out[o] = sum;
    }
}

static void first_state(const QccTensor *in, int operand, int64_t b, int64_t hidden, float *state)
{
    memset(state, 0, (size_t)hidden * sizeof *state);
    if (in)
        memcpy(state, (const float *)in[operand].data + b * hidden, (size_t)hidden * sizeof *state);
}

void qcc_recurrent_eval(const QccOp *op, const QccTensor *in, const QccTensor *result, int gates,
                        int summed, int states, int lens, int first, QccRecurrentStep *step,
                        QccArena *arena)
{
    const QccRecurrentAttrs *a = op->attrs;
    int64_t steps = in[0].dim[0], batch = in[0].dim[1], h = in[1].dim[1], width = states * h;
    QccRecurrent r = {.op = op, .in = in, .hidden = h};
    r.spare = QCC_NEW_ARRAY(arena, h, float);
    for (int i = 0; i < gates; i++) r.gate[i] = QCC_NEW_ARRAY(arena, h, float);
    for (int i = 0; i < 3; i++) r.function[i] = function(a, i, arena);
    float *y = result->data, *state = QCC_NEW_ARRAY(arena, width, float);
    r.h = state;
    r.c = state + h;
    memset(y, 0, (size_t)result->count * sizeof *y);
    for (int64_t b = 0; b < batch; b++) {
        int64_t length = qcc_op_has(op, lens) ? ((const int32_t *)in[lens].data)[b] : steps;
        if (length < 0) length = 0;
        if (length > steps) length = steps;
        for (int i = 0; i < states; i++)
            first_state(qcc_op_has(op, first + i) ? in : NULL, first + i, b, h, state + i * h);
        for (int64_t t = 0; t < length; t++) {
            int64_t at = (a->reverse ? length - 1 - t : t) * batch + b;
            const float *x = (const float *)in[0].data + at * gates * h;
            for (int g = 0; g < gates; g++) {
                if (g < summed)
                    qcc_recurrent_product(&r, r.h, g, r.gate[g]);
                else
                    memset(r.gate[g], 0, (size_t)h * sizeof *x);
                for (int64_t i = 0; i < h; i++) r.gate[g][i] = x[g * h + i] + r.gate[g][i];
            }
            step(&r);
            memcpy(y + at * width, state, (size_t)width * sizeof *y);
        }
        memcpy(y + (steps * batch + b) * width, state, (size_t)width * sizeof *y);
    }
}

/* ---- sample -----------------------------------------------------------------------------------
 */

int qcc_recurrent_sample(QccRandom *random, QccSample *s, QccValue **in, int gates, int states,
                         int lens, int first, QccRecurrentAttrs *a)
{
    int64_t steps = qcc_random_range(random, 1, 4), batch = qcc_random_range(random, 1, 3);
    int64_t h = qcc_random_range(random, 1, 20);
    int64_t x[] = {steps, batch, gates * h}, r[] = {gates * h, h}, state[] = {batch, h};
    in[0] = qcc_sample_param(s, qcc_sample_shape(s, 3, x));
    in[1] = qcc_sample_const(s, qcc_sample_shape(s, 2, r));
    if (qcc_random_bool(random)) {
        int32_t *length = QCC_NEW_ARRAY(s->graph->arena, batch, int32_t);
        for (int64_t i = 0; i < batch; i++) length[i] = (int32_t)qcc_random_range(random, 0, steps);
        QccBlob *blob = qcc_blob(s->graph->arena, QCC_I32, 1, &batch, length, false);
        in[lens] = qcc_const_new(s->graph, NULL, NULL, blob, NULL);
    }
    for (int i = first; i < first + states; i++) {
        if (qcc_random_bool(random)) in[i] = qcc_sample_param(s, qcc_sample_shape(s, 2, state));
    }
    for (int i = 0; i < 3; i++) {
        a->activation[i] = (int)qcc_random_range(random, SIGMOID, SOFTPLUS);
        a->alpha[i] = 0.5;
        a->beta[i] = 0.25;
    }
    a->clip = qcc_random_bool(random) ? 2 : (double)INFINITY;
    a->reverse = qcc_random_bool(random);
    return first + states;
}
