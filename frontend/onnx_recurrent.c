/* onnx_recurrent - RNN, GRU and LSTM: a product for the inputs of all steps, then the steps.
 *
 *   x[s,b,i] -> fc with w[g*h,i] and wb + rb -> op -> y[s+1,b,h], each direction
 *   Y: rows before the last of all directions; Y_h, Y_c: the last row
 */
#include "frontend/onnx.h"

#include <math.h>
#include <string.h>

typedef struct Recurrent {
    const QccOpDef *def;
    int gates, states;
    int dirs;
    bool batch_first, lstm, reset_after;
    QccDim steps, batch;
    int64_t hidden;
    QccRecurrentAttrs attrs[2]; /* of each direction */
} Recurrent;

/* ---- attributes --------------------------------------------------------------------------- */

typedef struct Activation {
    const char *name;
    double alpha, beta; /* the defaults */
} Activation;

/* In the order of the ops' names (ir/ops/recurrent.c). */
static const Activation activations[] = {
    {"Sigmoid", 0, 0},      {"Tanh", 0, 0},
    {"Relu", 0, 0},         {"Affine", 1, 0},
    {"LeakyRelu", 0.01, 0}, {"ThresholdedRelu", 1, 0},
    {"ScaledTanh", 1, 1},   {"HardSigmoid", 0.2, 0.5},
    {"Elu", 1, 0},          {"Softsign", 0, 0},
    {"Softplus", 0, 0},
};
enum { ACTIVATIONS = sizeof activations / sizeof activations[0] };

/* ONNX takes the names in any case. */
static bool same_name(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!b[i] || (a[i] | 32) != (b[i] | 32)) return false;
    }
    return !b[len];
}

static int find_activation(const char *name, size_t len)
{
    for (int i = 0; i < ACTIVATIONS; i++) {
        if (same_name(name, activations[i].name, len)) return i;
    }
    return -1;
}

/* How many names a direction has: of f, of f and g, of f, g and h. */
static int activation_count(const Recurrent *r)
{
    return r->lstm ? 3 : r->gates == 3 ? 2 : 1;
}

static QccStatus read_activations(QccOnnxNode *n, Recurrent *r)
{
    static const int defaults[3] = {0, 1, 1}; /* sigmoid, tanh, tanh */
    int count = activation_count(r);
    const Onnx__AttributeProto *names = qcc_onnx_attr(n, "activations");
    const Onnx__AttributeProto *alpha = qcc_onnx_attr(n, "activation_alpha");
    const Onnx__AttributeProto *beta = qcc_onnx_attr(n, "activation_beta");
    if (names && names->n_strings != (size_t)(count * r->dirs)) {
        return qcc_onnx_wrong(n, "has %zu activations, wanted %d", names->n_strings,
                              count * r->dirs);
    }
    size_t next_alpha = 0, next_beta = 0; /* these lists skip activations without the parameter */
    for (int i = 0; i < count * r->dirs; i++) {
        QccRecurrentAttrs *a = &r->attrs[i / count];
        int which = count == 1 ? 1 : defaults[i % count], at = i % count;
        if (names) {
            const char *name = (const char *)names->strings[i].data;
            size_t len = names->strings[i].len;
            which = find_activation(name, len);
            if (which < 0) {
                return qcc_onnx_wrong(n, "has activation '%.*s', which does not exist",
                                      len < 40 ? (int)len : 40, name);
            }
        }
        const Activation *row = &activations[which];
        bool has_beta = row->beta != 0 || !strcmp(row->name, "Affine");
        bool has_alpha = row->alpha != 0 || has_beta;
        a->activation[at] = which;
        a->alpha[at] = row->alpha;
        a->beta[at] = row->beta;
        if (has_alpha && alpha && next_alpha < alpha->n_floats)
            a->alpha[at] = (double)alpha->floats[next_alpha++];
        if (has_beta && beta && next_beta < beta->n_floats)
            a->beta[at] = (double)beta->floats[next_beta++];
    }
    return QCC_OK;
}

static QccStatus read_attributes(QccOnnxNode *n, Recurrent *r)
{
    const char *direction = "forward";
    double clip = INFINITY;
    int64_t hidden = 0;
    bool coupled = false;
    QCC_TRY(qcc_onnx_attr_string(n, "direction", &direction));
    QCC_TRY(qcc_onnx_attr_bool(n, "layout", &r->batch_first));
    QCC_TRY(qcc_onnx_attr_float(n, "clip", &clip));
    QCC_TRY(qcc_onnx_attr_int(n, "hidden_size", &hidden));
    if (r->lstm) QCC_TRY(qcc_onnx_attr_bool(n, "input_forget", &coupled));
    if (r->gates == 3) QCC_TRY(qcc_onnx_attr_bool(n, "linear_before_reset", &r->reset_after));
    bool both = !strcmp(direction, "bidirectional"), reverse = !strcmp(direction, "reverse");
    if (!both && !reverse && strcmp(direction, "forward")) {
        return qcc_onnx_wrong(n, "has direction '%s', which does not exist", direction);
    }
    r->dirs = both ? 2 : 1;
    for (int d = 0; d < r->dirs; d++) {
        r->attrs[d] = (QccRecurrentAttrs){.clip = clip > 0 ? clip : (double)INFINITY,
                                          .reverse = reverse || d == 1,
                                          .option = coupled || r->reset_after};
    }
    QCC_TRY(read_activations(n, r));

    const QccType *x = qcc_onnx_in(n, 0)->type, *w = qcc_onnx_in(n, 1)->type;
    const QccType *recurrence = qcc_onnx_in(n, 2)->type;
    if (x->rank != 3 || w->rank != 3 || recurrence->rank != 3) {
        return qcc_onnx_wrong(n, "needs X, W and R of rank 3");
    }
    const QccDim *h = &recurrence->dim[2];
    if (h->sym[0] || h->n < 1 || (hidden && hidden != h->n)) {
        return qcc_onnx_wrong(n, "needs a hidden_size that is the one of R");
    }
    if (recurrence->dim[0].n != r->dirs || w->dim[0].n != r->dirs) {
        return qcc_onnx_wrong(n, "needs W and R for %d directions", r->dirs);
    }
    r->hidden = h->n;
    r->steps = x->dim[r->batch_first ? 1 : 0];
    r->batch = x->dim[r->batch_first ? 0 : 1];
    return QCC_OK;
}

/* ---- parts of operands -------------------------------------------------------------------- */

/* Indices [begin, end) along a dimension. */
static QccStatus part(QccOnnxNode *n, QccValue **out, QccValue *x, int axis, int64_t begin,
                      int64_t end)
{
    int rank = x->type->rank;
    QccSliceAttrs a = {.begin = {.n = rank}, .end = {.n = rank}, .step = {.n = rank}};
    for (int i = 0; i < rank; i++) {
        a.end.v[i] = INT64_MAX;
        a.step.v[i] = 1;
    }
    a.begin.v[axis] = begin;
    a.end.v[axis] = end;
    return qcc_onnx_emit(n, out, &qcc_op_slice, NULL, &x, 1, &a);
}

/* Index d of the first dimension, which goes. A constant stays one. */
static QccStatus direction(QccOnnxNode *n, QccValue **out, QccValue *x, int d)
{
    const QccType *t = x->type;
    const QccBlob *blob = qcc_value_const(x);
    if (t->dim[0].sym[0] || d >= t->dim[0].n) return qcc_onnx_wrong(n, "lacks a direction");
    if (blob && blob->dtype == QCC_F32) {
        int64_t count = 1;
        for (int i = 1; i < blob->rank; i++) count *= blob->dim[i];
        const QccBlob *own = qcc_blob(n->im->arena, QCC_F32, blob->rank - 1, blob->dim + 1,
                                      (const float *)blob->data + d * count, false);
        *out = qcc_const_new(n->im->graph, NULL, NULL, own, NULL);
        return QCC_OK;
    }
    QCC_TRY(part(n, out, x, 0, d, d + 1));
    return qcc_onnx_reshape(n, out, *out, NULL, t->rank - 1, t->dim + 1);
}

/* [batch,dirs,h] -> [dirs,batch,h], when the batch comes first. */
static QccStatus batch_inside(QccOnnxNode *n, const Recurrent *r, QccValue **x)
{
    static const int swap[] = {1, 0, 2};
    if (!*x || !r->batch_first) return QCC_OK;
    if ((*x)->type->rank != 3) return qcc_onnx_wrong(n, "needs operands of rank 3");
    return qcc_onnx_transpose(n, x, *x, NULL, swap);
}

/* wb + rb of a direction; of the gate that is reset after the product, wb alone, and *own is rb. */
static QccStatus biases(QccOnnxNode *n, const Recurrent *r, int d, QccValue **sum, QccValue **own)
{
    QccValue *b = qcc_onnx_in(n, 3);
    int64_t g = r->gates * r->hidden, inner = g - r->hidden;
    *sum = *own = NULL;
    if (!b) return QCC_OK;
    QCC_TRY(direction(n, &b, b, d));
    if (b->type->rank != 1 || b->type->dim[0].n != 2 * g) {
        return qcc_onnx_wrong(n, "needs B of %lld numbers", (long long)(2 * g));
    }
    QccValue *w, *rb, *in[2];
    QCC_TRY(part(n, &w, b, 0, 0, g));
    QCC_TRY(part(n, &rb, b, 0, g, 2 * g));
    if (r->reset_after) {
        QccPadAttrs zeros = {.before = {1, {0}}, .after = {1, {r->hidden}}};
        QCC_TRY(part(n, own, rb, 0, inner, g));
        QCC_TRY(part(n, &rb, rb, 0, 0, inner));
        QCC_TRY(qcc_onnx_emit(n, &rb, &qcc_op_pad, NULL, &rb, 1, &zeros));
    }
    in[0] = w;
    in[1] = rb;
    return qcc_onnx_emit(n, sum, &qcc_op_add, NULL, in, 2, NULL);
}

/* ---- results ------------------------------------------------------------------------------ */

static QccStatus join(QccOnnxNode *n, QccValue **out, QccValue **v, int count, int axis)
{
    QccAxisAttrs a = {.axis = axis};
    *out = v[0];
    return count == 1 ? QCC_OK : qcc_onnx_emit(n, out, &qcc_op_concat, NULL, v, count, &a);
}

static bool wanted(const QccOnnxNode *n, int output)
{
    return output < n->nout && n->proto->output[output][0];
}

/* Y from y[s+1,b,width] of each direction. */
static QccStatus give_steps(QccOnnxNode *n, const Recurrent *r, QccValue *const *y)
{
    static const int batch_first[] = {2, 0, 1, 3};
    QccValue *v[2] = {0};
    QccDim dim[] = {r->steps, qcc_dim(1), r->batch, qcc_dim(r->hidden)};
    n->out[0] = y[0];
    if (!wanted(n, 0)) return QCC_OK;
    for (int d = 0; d < r->dirs; d++) {
        QCC_TRY(part(n, &v[d], y[d], 0, 0, r->steps.n));
        if (r->states > 1) QCC_TRY(part(n, &v[d], v[d], 2, 0, r->hidden));
        QCC_TRY(qcc_onnx_reshape(n, &v[d], v[d], NULL, 4, dim));
    }
    QCC_TRY(join(n, &n->out[0], v, r->dirs, 1));
    if (!r->batch_first) return QCC_OK;
    return qcc_onnx_transpose(n, &n->out[0], n->out[0], NULL, batch_first);
}

/* Y_h or Y_c: state `i` of the last rows. */
static QccStatus give_last(QccOnnxNode *n, const Recurrent *r, QccValue *const *y, int output,
                           int i)
{
    QccValue *v[2] = {0};
    if (!wanted(n, output)) return QCC_OK;
    for (int d = 0; d < r->dirs; d++) {
        QCC_TRY(part(n, &v[d], y[d], 0, r->steps.n, r->steps.n + 1));
        if (r->states > 1) QCC_TRY(part(n, &v[d], v[d], 2, i * r->hidden, (i + 1) * r->hidden));
    }
    QCC_TRY(join(n, &n->out[output], v, r->dirs, 0));
    return batch_inside(n, r, &n->out[output]);
}

/* ---- the node ----------------------------------------------------------------------------- */

/* y[s+1,b,...] of one direction over x[s,b,i]. */
static QccStatus emit_direction(QccOnnxNode *n, const Recurrent *r, int d, QccValue *x,
                                QccValue *const *state, QccValue **y)
{
    enum { GATED, RECURRENCE };
    QccValue *w, *bias, *own, *in[8] = {0};
    int at = 2;
    QCC_TRY(direction(n, &w, qcc_onnx_in(n, 1), d));
    QCC_TRY(direction(n, &in[RECURRENCE], qcc_onnx_in(n, 2), d));
    QCC_TRY(biases(n, r, d, &bias, &own));
    QccValue *product[] = {x, w, bias};
    QCC_TRY(qcc_onnx_emit(n, &in[GATED], &qcc_op_fc, NULL, product, bias ? 3 : 2, NULL));
    if (r->gates == 3) in[at++] = own;
    if (r->lstm) {
        QccValue *p = qcc_onnx_in(n, 7);
        if (p) QCC_TRY(direction(n, &in[at], p, d));
        at++;
    }
    in[at++] = qcc_onnx_in(n, 4);
    for (int i = 0; i < r->states; i++, at++) {
        if (state[i]) QCC_TRY(direction(n, &in[at], state[i], d));
    }
    return qcc_onnx_emit(n, y, r->def, NULL, in, at, &r->attrs[d]);
}

QccStatus qcc_onnx_recurrent(QccOnnxNode *n)
{
    static const int swap[] = {1, 0, 2};
    Recurrent r = {.def = n->row->def, .gates = 1, .states = 1};
    r.lstm = r.def == &qcc_op_lstm;
    if (r.lstm) r.gates = 4;
    if (r.lstm) r.states = 2;
    if (r.def == &qcc_op_gru) r.gates = 3;
    QCC_TRY(read_attributes(n, &r));
    if (r.steps.sym[0]) return qcc_onnx_unsupported(n, "a dynamic number of steps");
    QccValue *x = qcc_onnx_in(n, 0), *y[2], *state[2] = {0};
    if (r.batch_first) QCC_TRY(qcc_onnx_transpose(n, &x, x, NULL, swap));
    for (int i = 0; i < r.states; i++) {
        state[i] = qcc_onnx_in(n, 5 + i);
        QCC_TRY(batch_inside(n, &r, &state[i]));
    }
    for (int d = 0; d < r.dirs; d++) QCC_TRY(emit_direction(n, &r, d, x, state, &y[d]));
    QCC_TRY(give_last(n, &r, y, 1, 0));
    if (r.lstm) QCC_TRY(give_last(n, &r, y, 2, 1));
    return give_steps(n, &r, y);
}
