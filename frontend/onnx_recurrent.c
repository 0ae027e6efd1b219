/* onnx_recurrent - RNN, GRU and LSTM: a product for the inputs of all steps, then a scan of the
 * steps.
 *
 *   x[s,b,i] -> fc with w[g*h,i] and wb + rb -> scan, whose body adds the product of the state with
 *     r[g*h,h] and computes the cell -> last states, stacked h, for each direction
 *
 * Sequences of their own lengths: a mask [s,b,1] goes along, and where it is false a state stays
 * and the output is 0. Run backwards, a sequence so begins at its own end.
 */
#include "frontend/onnx.h"

#include <math.h>
#include <string.h>

/* An activation as the node asks for it. */
typedef struct Function {
    int which;
    double alpha, beta;
} Function;

typedef struct Recurrent {
    int gates, states;
    int dirs;
    bool backward; /* the first direction */
    bool batch_first, coupled, reset_after;
    double clip; /* bounds what activations get; inf: nothing does */
    QccDim steps, batch;
    int64_t hidden;
    Function function[2][3]; /* f, g, h of each direction */
    QccValue *mask;          /* bool[s,b,1]: within its length; NULL: all are */
    QccValue *zeros;         /* [b,h]: states that the node does not give */
} Recurrent;

/* ---- attributes --------------------------------------------------------------------------- */

typedef struct Activation {
    const char *name;
    double alpha, beta;  /* the defaults */
    const QccOpDef *def; /* of alpha and beta, or neither; NULL: more than one op */
} Activation;

enum { SIGMOID, TANH, AFFINE, SCALED_TANH }; /* the first rows */

static const Activation activations[] = {
    [SIGMOID] = {"Sigmoid", 0, 0, &qcc_op_sigmoid},
    [TANH] = {"Tanh", 0, 0, &qcc_op_tanh},
    [AFFINE] = {"Affine", 1, 0, NULL},
    [SCALED_TANH] = {"ScaledTanh", 1, 1, NULL},
    {"Relu", 0, 0, &qcc_op_relu},
    {"LeakyRelu", 0.01, 0, &qcc_op_leaky_relu},
    {"ThresholdedRelu", 1, 0, &qcc_op_thresholded_relu},
    {"HardSigmoid", 0.2, 0.5, &qcc_op_hard_sigmoid},
    {"Elu", 1, 0, &qcc_op_elu},
    {"Softsign", 0, 0, &qcc_op_softsign},
    {"Softplus", 0, 0, &qcc_op_softplus},
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
    return r->gates == 4 ? 3 : r->gates == 3 ? 2 : 1;
}

static QccStatus read_activations(QccOnnxNode *n, Recurrent *r)
{
    static const int defaults[3] = {SIGMOID, TANH, TANH};
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
        Function *f = &r->function[i / count][i % count];
        int which = count == 1 ? TANH : defaults[i % count];
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
        bool has_beta = row->beta != 0 || which == AFFINE;
        bool has_alpha = row->alpha != 0 || has_beta;
        *f = (Function){which, row->alpha, row->beta};
        if (has_alpha && alpha && next_alpha < alpha->n_floats)
            f->alpha = (double)alpha->floats[next_alpha++];
        if (has_beta && beta && next_beta < beta->n_floats)
            f->beta = (double)beta->floats[next_beta++];
    }
    return QCC_OK;
}

static QccStatus read_attributes(QccOnnxNode *n, Recurrent *r)
{
    const char *direction = "forward";
    int64_t hidden = 0;
    double clip = 0;
    QCC_TRY(qcc_onnx_attr_string(n, "direction", &direction));
    QCC_TRY(qcc_onnx_attr_bool(n, "layout", &r->batch_first));
    QCC_TRY(qcc_onnx_attr_float(n, "clip", &clip));
    QCC_TRY(qcc_onnx_attr_int(n, "hidden_size", &hidden));
    if (r->gates == 4) QCC_TRY(qcc_onnx_attr_bool(n, "input_forget", &r->coupled));
    if (r->gates == 3) QCC_TRY(qcc_onnx_attr_bool(n, "linear_before_reset", &r->reset_after));
    bool both = !strcmp(direction, "bidirectional");
    r->backward = !strcmp(direction, "reverse");
    if (!both && !r->backward && strcmp(direction, "forward")) {
        return qcc_onnx_wrong(n, "has direction '%s', which does not exist", direction);
    }
    r->dirs = both ? 2 : 1;
    r->clip = clip > 0 ? clip : (double)INFINITY;
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

static QccStatus emit2(QccOnnxNode *n, QccValue **out, const QccOpDef *def, QccValue *a,
                       QccValue *b)
{
    QccValue *in[] = {a, b};
    return qcc_onnx_emit(n, out, def, NULL, in, 2, NULL);
}

/* Indices [begin, end) along a dimension. Of a constant, along the first one, a constant. */
static QccStatus part(QccOnnxNode *n, QccValue **out, QccValue *x, int axis, int64_t begin,
                      int64_t end)
{
    int rank = x->type->rank;
    const QccBlob *blob = qcc_value_const(x);
    if (blob && axis == 0 && blob->dtype == QCC_F32 && end <= blob->dim[0]) {
        int64_t count = 1, dim[QCC_MAX_RANK] = {end - begin};
        for (int i = 1; i < rank; i++) count *= dim[i] = blob->dim[i];
        const float *data = (const float *)blob->data + begin * count;
        const QccBlob *own = qcc_blob(n->im->arena, QCC_F32, rank, dim, data, false);
        *out = qcc_const_new(n->im->graph, NULL, NULL, own, NULL);
        return QCC_OK;
    }
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
    if (t->rank == 0 || t->dim[0].sym[0] || d >= t->dim[0].n)
        return qcc_onnx_wrong(n, "lacks a direction");
    QCC_TRY(part(n, out, x, 0, d, d + 1));
    const QccBlob *blob = qcc_value_const(*out);
    if (!blob) return qcc_onnx_reshape(n, out, *out, NULL, t->rank - 1, t->dim + 1);
    const QccBlob *own =
        qcc_blob(n->im->arena, blob->dtype, blob->rank - 1, blob->dim + 1, blob->data, false);
    *out = qcc_const_new(n->im->graph, NULL, NULL, own, NULL);
    return QCC_OK;
}

/* [batch,dirs,h] -> [dirs,batch,h], when the batch comes first. */
static QccStatus batch_inside(QccOnnxNode *n, const Recurrent *r, QccValue **x)
{
    static const int swap[] = {1, 0, 2};
    if (!*x || !r->batch_first) return QCC_OK;
    if ((*x)->type->rank != 3) return qcc_onnx_wrong(n, "needs operands of rank 3");
    return qcc_onnx_transpose(n, x, *x, NULL, swap);
}

/* What is added to the inputs of a direction: wb + rb; or wb alone, and *own is rb, which is then
 * added to the product with the state. */
static QccStatus biases(QccOnnxNode *n, const Recurrent *r, int d, QccValue **sum, QccValue **own)
{
    QccValue *b = qcc_onnx_in(n, 3), *rb;
    int64_t g = r->gates * r->hidden;
    *sum = *own = NULL;
    if (!b) return QCC_OK;
    QCC_TRY(direction(n, &b, b, d));
    if (b->type->rank != 1 || b->type->dim[0].n != 2 * g) {
        return qcc_onnx_wrong(n, "needs B of %lld numbers", (long long)(2 * g));
    }
    QCC_TRY(part(n, sum, b, 0, 0, g));
    QCC_TRY(part(n, &rb, b, 0, g, 2 * g));
    if (!r->reset_after) return emit2(n, sum, &qcc_op_add, *sum, rb);
    *own = rb;
    return QCC_OK;
}

/* ---- what may be dynamic ------------------------------------------------------------------- */

static QccValue *splat(QccOnnxNode *n, QccDtype dtype, int rank, const int64_t *dim,
                       const void *element)
{
    int64_t count = 1;
    size_t size = (size_t)qcc_dtype_size(dtype, 1);
    for (int i = 0; i < rank; i++) count *= dim[i];
    char *data = qcc_alloc_aligned(n->im->arena, (size_t)count * size, 64);
    for (int64_t i = 0; i < count; i++) memcpy(data + (size_t)i * size, element, size);
    return qcc_const_new(n->im->graph, NULL, NULL,
                         qcc_blob(n->im->arena, dtype, rank, dim, data, false), NULL);
}

/* `like` for each index of dimension `axis` of x[s,b,...], of which only that extent matters. */
static QccStatus repeat(QccOnnxNode *n, QccValue **out, QccValue *x, int axis, QccValue *like)
{
    QccReduceAttrs last = {.axes = {1, {2}}, .keep = true};
    QccReduceAttrs other = {.axes = {1, {1 - axis}}, .keep = true};
    QccValue *in[] = {NULL, like, like};
    QCC_TRY(qcc_onnx_emit(n, &x, &qcc_op_reduce_max, NULL, &x, 1, &last));
    QCC_TRY(qcc_onnx_emit(n, &x, &qcc_op_reduce_max, NULL, &x, 1, &other));
    QCC_TRY(emit2(n, &in[0], &qcc_op_less, x, x)); /* which never holds */
    return qcc_onnx_emit(n, out, &qcc_op_where, NULL, in, 3, NULL);
}

/* The first states where the node gives none: zeros[b,h]. x is [s,b,...]. */
static QccStatus make_zeros(QccOnnxNode *n, Recurrent *r, QccValue *x)
{
    const float zero = 0;
    int64_t dim[] = {1, r->hidden}, bytes;
    bool dynamic = r->batch.sym[0] != NULL;
    if (!dynamic) dim[0] = r->batch.n;
    if (!qcc_mul_i64(&bytes, dim[0], r->hidden) || !qcc_mul_i64(&bytes, bytes, sizeof zero))
        return qcc_onnx_wrong(n, "has states that are too large");
    QCC_TRY(qcc_onnx_make_room(n, bytes));
    r->zeros = splat(n, QCC_F32, 2, dim, &zero);
    if (!dynamic) return QCC_OK;
    QccDim whole[] = {r->batch, qcc_dim(r->hidden)};
    QCC_TRY(repeat(n, &r->zeros, x, 1, r->zeros));
    return qcc_onnx_reshape(n, &r->zeros, r->zeros, NULL, 2, whole);
}

/* The numbers of the steps, i32[s,1,1]. x is [s,b,...]. */
static QccStatus make_numbers(QccOnnxNode *n, const Recurrent *r, QccValue *x, QccValue **out)
{
    const int32_t one = 1;
    int64_t dim[] = {1, 1, 1}, bytes;
    if (r->steps.sym[0]) {
        QccCumSumAttrs from_0 = {.exclusive = true};
        QCC_TRY(repeat(n, out, x, 0, splat(n, QCC_I32, 3, dim, &one)));
        return qcc_onnx_emit(n, out, &qcc_op_cum_sum, NULL, out, 1, &from_0);
    }
    dim[0] = r->steps.n;
    if (!qcc_mul_i64(&bytes, dim[0], sizeof one)) return qcc_onnx_wrong(n, "has too many steps");
    QCC_TRY(qcc_onnx_make_room(n, bytes));
    int32_t *data = qcc_alloc_aligned(n->im->arena, (size_t)bytes + 1, 64);
    for (int64_t i = 0; i < dim[0]; i++) data[i] = (int32_t)i;
    const QccBlob *blob = qcc_blob(n->im->arena, QCC_I32, 3, dim, data, false);
    *out = qcc_const_new(n->im->graph, NULL, NULL, blob, NULL);
    return QCC_OK;
}

/* bool[s,b,1]: whether a step is within the length of its sequence. */
static QccStatus make_mask(QccOnnxNode *n, Recurrent *r, QccValue *x)
{
    QccValue *lengths = qcc_onnx_in(n, 4), *number;
    if (!lengths) return QCC_OK;
    if (lengths->type->rank != 1 || lengths->type->dtype != QCC_I32 ||
        !qcc_dim_equal(&lengths->type->dim[0], &r->batch))
        return qcc_onnx_wrong(n, "needs an int32 for each sequence as its lengths");
    QccDim row[] = {qcc_dim(1), r->batch, qcc_dim(1)};
    QCC_TRY(qcc_onnx_reshape(n, &lengths, lengths, NULL, 3, row));
    QCC_TRY(make_numbers(n, r, x, &number));
    return emit2(n, &r->mask, &qcc_op_less, number, lengths);
}

/* ---- a step ------------------------------------------------------------------------------- */

enum { MASK, WEIGHT, CANDIDATE, BIAS, PEEPHOLES, OPERANDS };

/* One direction: values outside of the loop, or those that stand for them in its body. */
typedef struct Cell {
    const Recurrent *r;
    const Function *function;
    QccValue *state[2];          /* h, c: [b,h] */
    QccValue *x;                 /* what the inputs add to the gates: [b,g*h] */
    QccValue *operand[OPERANDS]; /* NULL: absent */
} Cell;

/* A matrix in the form in which `product` multiplies by it. */
static QccStatus prepare_weight(QccOnnxNode *n, QccValue **w)
{
    static const int swap[] = {1, 0};
    if (qcc_value_const(*w) || (*w)->type->rank != 2) return QCC_OK;
    return qcc_onnx_transpose(n, w, *w, NULL, swap);
}

/* x * w + bias of what prepare_weight left. */
static QccStatus product(QccOnnxNode *n, QccValue **out, QccValue *x, QccValue *w, QccValue *bias)
{
    QccValue *in[] = {x, w, bias};
    if (qcc_value_const(w) || qcc_value_const(qcc_body_operand(w)))
        return qcc_onnx_emit(n, out, &qcc_op_fc, NULL, in, bias ? 3 : 2, NULL);
    QCC_TRY(emit2(n, out, &qcc_op_matmul, x, w));
    return bias ? emit2(n, out, &qcc_op_add, *out, bias) : QCC_OK;
}

/* Gates [i, i + count) of a sum over all of them. */
static QccStatus gate(QccOnnxNode *n, const Cell *c, QccValue **out, QccValue *sum, int i,
                      int count)
{
    return part(n, out, sum, 1, i * c->r->hidden, (i + count) * c->r->hidden);
}

static QccStatus scaled(QccOnnxNode *n, QccValue **v, double factor)
{
    return emit2(n, v, &qcc_op_mul, *v, qcc_onnx_f32(n, (float)factor));
}

/* v = function `which` of v clipped. */
static QccStatus activate(QccOnnxNode *n, const Cell *c, int which, QccValue **v)
{
    const Function *f = &c->function[which];
    const QccOpDef *def = activations[f->which].def;
    QccScalarAttrs a = {.lo = -c->r->clip, .hi = c->r->clip, .alpha = f->alpha, .beta = f->beta};
    if (c->r->clip < INFINITY) QCC_TRY(qcc_onnx_emit(n, v, &qcc_op_clip, NULL, v, 1, &a));
    if (def) return qcc_onnx_emit(n, v, def, NULL, v, 1, def->attrs ? &a : NULL);
    if (f->which == AFFINE) {
        QCC_TRY(scaled(n, v, f->alpha));
        return emit2(n, v, &qcc_op_add, *v, qcc_onnx_f32(n, (float)f->beta));
    }
    QCC_TRY(scaled(n, v, f->beta));
    QCC_TRY(qcc_onnx_emit(n, v, &qcc_op_tanh, NULL, v, 1, NULL));
    return scaled(n, v, f->alpha);
}

/* *v + a * b */
static QccStatus add_product(QccOnnxNode *n, QccValue **v, QccValue *a, QccValue *b)
{
    QccValue *both;
    QCC_TRY(emit2(n, &both, &qcc_op_mul, a, b));
    return emit2(n, v, &qcc_op_add, *v, both);
}

/* 1 - x */
static QccStatus complement(QccOnnxNode *n, QccValue **out, QccValue *x)
{
    return emit2(n, out, &qcc_op_sub, qcc_onnx_f32(n, 1), x);
}

/* h' = f(x + h r) */
static QccStatus rnn_step(QccOnnxNode *n, const Cell *c, QccValue **next)
{
    QCC_TRY(product(n, next, c->state[0], c->operand[WEIGHT], NULL));
    QCC_TRY(emit2(n, next, &qcc_op_add, c->x, *next));
    return activate(n, c, 0, next);
}

/*   z = f(xz + h rz)    r = f(xr + h rr)
 *   n = g(xn + (r h) rn), or reset after the product  n = g(xn + r (h rn + bias))
 *   h' = (1 - z) n + z h
 */
static QccStatus gru_step(QccOnnxNode *n, const Cell *c, QccValue **next)
{
    QccValue *h = c->state[0], *sum, *x, *both, *z, *r, *fresh, *keep;
    QCC_TRY(product(n, &sum, h, c->operand[WEIGHT], c->operand[BIAS]));
    QCC_TRY(gate(n, c, &x, c->x, 0, 2));
    both = sum;
    if (c->r->reset_after) QCC_TRY(gate(n, c, &both, sum, 0, 2));
    QCC_TRY(emit2(n, &both, &qcc_op_add, x, both));
    QCC_TRY(activate(n, c, 0, &both));
    QCC_TRY(gate(n, c, &z, both, 0, 1));
    QCC_TRY(gate(n, c, &r, both, 1, 1));
    if (c->r->reset_after) {
        QCC_TRY(gate(n, c, &fresh, sum, 2, 1));
        QCC_TRY(emit2(n, &fresh, &qcc_op_mul, r, fresh));
    } else {
        QCC_TRY(emit2(n, &fresh, &qcc_op_mul, r, h));
        QCC_TRY(product(n, &fresh, fresh, c->operand[CANDIDATE], NULL));
    }
    QCC_TRY(gate(n, c, &x, c->x, 2, 1));
    QCC_TRY(emit2(n, &fresh, &qcc_op_add, x, fresh));
    QCC_TRY(activate(n, c, 1, &fresh));
    QCC_TRY(complement(n, &keep, z));
    QCC_TRY(emit2(n, next, &qcc_op_mul, keep, fresh));
    return add_product(n, next, z, h);
}

/* One of an LSTM's gates: f(sum + peephole * cell). */
static QccStatus lstm_gate(QccOnnxNode *n, const Cell *c, QccValue **out, QccValue *sum, int i,
                           QccValue *cell)
{
    QCC_TRY(gate(n, c, out, sum, i, 1));
    QccValue *p = c->operand[PEEPHOLES];
    if (p) {
        QCC_TRY(part(n, &p, p, 0, i * c->r->hidden, (i + 1) * c->r->hidden));
        QCC_TRY(add_product(n, out, p, cell));
    }
    return activate(n, c, 0, out);
}

/*   i = f(xi + h ri + pi c)    f = f(xf + h rf + pf c), or 1 - i when coupled
 *   c' = f c + i g(xc + h rc)
 *   o = f(xo + h ro + po c')   h' = o h(c')
 */
static QccStatus lstm_step(QccOnnxNode *n, const Cell *c, QccValue **next)
{
    enum { INPUT, OUTPUT, FORGET, FRESH };
    QccValue *sum, *in, *forget, *out, *fresh, *shown;
    QCC_TRY(product(n, &sum, c->state[0], c->operand[WEIGHT], NULL));
    QCC_TRY(emit2(n, &sum, &qcc_op_add, c->x, sum));
    QCC_TRY(lstm_gate(n, c, &in, sum, INPUT, c->state[1]));
    if (c->r->coupled)
        QCC_TRY(complement(n, &forget, in));
    else
        QCC_TRY(lstm_gate(n, c, &forget, sum, FORGET, c->state[1]));
    QCC_TRY(gate(n, c, &fresh, sum, FRESH, 1));
    QCC_TRY(activate(n, c, 1, &fresh));
    QCC_TRY(emit2(n, &next[1], &qcc_op_mul, forget, c->state[1]));
    QCC_TRY(add_product(n, &next[1], in, fresh));
    QCC_TRY(lstm_gate(n, c, &out, sum, OUTPUT, next[1]));
    shown = next[1];
    QCC_TRY(activate(n, c, 2, &shown));
    return emit2(n, &next[0], &qcc_op_mul, out, shown);
}

/* What the body yields: next states, and the step's output. */
static QccStatus emit_step(QccOnnxNode *n, const Cell *c)
{
    const Recurrent *r = c->r;
    QccValue *next[3] = {0}, *mask = c->operand[MASK], *none = NULL;
    QCC_TRY((r->gates == 4 ? lstm_step : r->gates == 3 ? gru_step : rnn_step)(n, c, next));
    QccValue **output = &next[r->states];
    *output = next[0];
    if (mask) {
        none = qcc_onnx_f32(n, 0);
        QCC_TRY(qcc_onnx_emit(n, output, &qcc_op_where, NULL, (QccValue *[]){mask, next[0], none},
                              3, NULL));
    }
    for (int i = 0; mask && i < r->states; i++)
        QCC_TRY(qcc_onnx_emit(n, &next[i], &qcc_op_where, NULL,
                              (QccValue *[]){mask, next[i], c->state[i]}, 3, NULL));
    qcc_graph_set_results(n->im->graph, next, r->states + 1);
    return QCC_OK;
}

/* The scan over a cell whose values stand outside; inside, others take their places. */
static QccStatus emit_scan(QccOnnxNode *n, Cell *c, bool backward, QccOp **scan)
{
    const Recurrent *r = c->r;
    QccValue **place[2 + 1 + OPERANDS], *in[2 + 1 + OPERANDS];
    int nin = 0;
    for (int i = 0; i < r->states; i++) place[nin++] = &c->state[i];
    place[nin++] = &c->x;
    for (int i = 0; i < OPERANDS; i++)
        if (c->operand[i]) place[nin++] = &c->operand[i];
    for (int i = 0; i < nin; i++) in[i] = *place[i];
    QccScanAttrs a = {
        .states = r->states, .scanned = r->mask ? 2 : 1, .stacked = 1, .reverse = backward};
    QccGraph *outer = n->im->graph;
    QCC_TRY(qcc_op_new(scan, outer, NULL, &qcc_op_scan, n->loc, NULL, in, nin, &a));
    n->im->graph = qcc_graph_new_loop(*scan, NULL);
    for (int i = 0; i < nin; i++) *place[i] = n->im->graph->param[i];
    QccStatus status = emit_step(n, c);
    n->im->graph = outer;
    return status == QCC_OK ? qcc_op_reinfer(*scan) : status;
}

/* One direction over x[s,b,i]. */
static QccStatus emit_direction(QccOnnxNode *n, const Recurrent *r, int d, QccValue *x,
                                QccValue *const *first, QccOp **scan)
{
    QccValue *w, *bias;
    Cell c = {.r = r, .function = r->function[d]};
    QccValue **weight = &c.operand[WEIGHT];
    QCC_TRY(direction(n, &w, qcc_onnx_in(n, 1), d));
    QCC_TRY(direction(n, weight, qcc_onnx_in(n, 2), d));
    QCC_TRY(biases(n, r, d, &bias, &c.operand[BIAS]));
    if (r->gates == 3 && !r->reset_after) {
        QCC_TRY(part(n, &c.operand[CANDIDATE], *weight, 0, 2 * r->hidden, 3 * r->hidden));
        QCC_TRY(part(n, weight, *weight, 0, 0, 2 * r->hidden));
        QCC_TRY(prepare_weight(n, &c.operand[CANDIDATE]));
    }
    QCC_TRY(prepare_weight(n, weight));
    QCC_TRY(prepare_weight(n, &w));
    QCC_TRY(product(n, &c.x, x, w, bias));
    QccValue *peepholes = r->gates == 4 ? qcc_onnx_in(n, 7) : NULL;
    if (peepholes) QCC_TRY(direction(n, &c.operand[PEEPHOLES], peepholes, d));
    c.operand[MASK] = r->mask;
    for (int i = 0; i < r->states; i++) {
        c.state[i] = r->zeros;
        if (first[i]) QCC_TRY(direction(n, &c.state[i], first[i], d));
    }
    return emit_scan(n, &c, d ? true : r->backward, scan);
}

/* ---- results ------------------------------------------------------------------------------ */

/* Output `output` from result i of each direction, which gets a dimension for the directions. */
static QccStatus give(QccOnnxNode *n, const Recurrent *r, QccOp *const *scan, int output, int i,
                      int axis)
{
    static const int inside[] = {1, 0, 2}, batch_first[] = {2, 0, 1, 3};
    QccValue *v[2] = {0};
    if (output && (output >= n->nout || !n->proto->output[output][0])) return QCC_OK;
    for (int d = 0; d < r->dirs; d++) {
        const QccType *t = scan[d]->out[i].type;
        QccDim dim[4];
        for (int k = 0; k <= t->rank; k++) dim[k] = k == axis ? qcc_dim(1) : t->dim[k - (k > axis)];
        QCC_TRY(qcc_onnx_reshape(n, &v[d], &scan[d]->out[i], NULL, t->rank + 1, dim));
    }
    QccAxisAttrs a = {.axis = axis};
    n->out[output] = v[0];
    if (r->dirs > 1)
        QCC_TRY(qcc_onnx_emit(n, &n->out[output], &qcc_op_concat, NULL, v, r->dirs, &a));
    if (!r->batch_first) return QCC_OK;
    return qcc_onnx_transpose(n, &n->out[output], n->out[output], NULL,
                              axis ? batch_first : inside);
}

QccStatus qcc_onnx_recurrent(QccOnnxNode *n)
{
    static const int swap[] = {1, 0, 2};
    const char *type = n->proto->op_type;
    Recurrent r = {.gates = !strcmp(type, "LSTM") ? 4 : !strcmp(type, "GRU") ? 3 : 1};
    r.states = r.gates == 4 ? 2 : 1;
    QCC_TRY(read_attributes(n, &r));
    QccValue *x = qcc_onnx_in(n, 0), *first[2] = {0};
    QccOp *scan[2];
    if (r.batch_first) QCC_TRY(qcc_onnx_transpose(n, &x, x, NULL, swap));
    QCC_TRY(make_mask(n, &r, x));
    for (int i = 0; i < r.states; i++) {
        first[i] = qcc_onnx_in(n, 5 + i);
        QCC_TRY(batch_inside(n, &r, &first[i]));
        if (!first[i] && !r.zeros) QCC_TRY(make_zeros(n, &r, x));
    }
    for (int d = 0; d < r.dirs; d++) QCC_TRY(emit_direction(n, &r, d, x, first, &scan[d]));
    for (int i = 0; i < r.states; i++) QCC_TRY(give(n, &r, scan, 1 + i, i, 0));
    return give(n, &r, scan, 0, r.states, 1);
}
