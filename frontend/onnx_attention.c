/* onnx_attention - Attention and RotaryEmbedding, by the ops that attention is written with by
 * hand.
 *
 *   q[b,h,s,d] k[b,g,t,d] -> s = q k' * scale -> softcap -> + bias -> softmax -> p v[b,g,t,e]
 *
 * Where h heads of q share g heads of k and v, the rows of the h / g queries of a head stand one
 * behind the other, so that nothing is repeated: q[b,g,h/g*s,d].
 */
#include "frontend/onnx.h"

#include <math.h>
#include <string.h>

/* ---- parts -------------------------------------------------------------------------------- */

static QccStatus binary(QccOnnxNode *n, QccValue **out, const QccOpDef *def, QccValue *a,
                        QccValue *b)
{
    QccValue *in[] = {a, b};
    return qcc_onnx_emit(n, out, def, NULL, in, 2, NULL);
}

/* *x = *x (def) by */
static QccStatus scalar(QccOnnxNode *n, QccValue **x, const QccOpDef *def, double by)
{
    QccValue *c;
    QCC_TRY(qcc_onnx_real_like(n, &c, *x, by));
    return binary(n, x, def, *x, c);
}

static QccStatus cast(QccOnnxNode *n, QccValue **x, QccDtype to)
{
    QccCastAttrs attrs = {.to = (int)to};
    if ((*x)->type->dtype == to) return QCC_OK;
    return qcc_onnx_emit(n, x, &qcc_op_cast, NULL, x, 1, &attrs);
}

static QccStatus concat(QccOnnxNode *n, QccValue **out, QccValue *a, QccValue *b, int64_t axis)
{
    QccAxisAttrs attrs = {.axis = axis};
    QccValue *in[] = {a, b};
    return qcc_onnx_emit(n, out, &qcc_op_concat, NULL, in, 2, &attrs);
}

/* A number of heads that divides an extent. */
static QccStatus head_size(QccOnnxNode *n, const QccDim *hidden, int64_t heads, int64_t *size)
{
    if (hidden->sym[0]) return qcc_onnx_unsupported(n, "a dynamic hidden size");
    if (heads < 1 || hidden->n % heads) {
        return qcc_onnx_wrong(n, "has %lld heads over a hidden size of %lld", (long long)heads,
                              (long long)hidden->n);
    }
    *size = hidden->n / heads;
    return QCC_OK;
}

/* x[b,s,heads*d] -> [b,s,heads,d] */
static QccStatus split_heads(QccOnnxNode *n, QccValue **x, int64_t heads)
{
    int64_t size = 0;
    const QccType *t = (*x)->type;
    QCC_TRY(head_size(n, &t->dim[2], heads, &size));
    QccDim dim[] = {t->dim[0], t->dim[1], qcc_dim(heads), qcc_dim(size)};
    return qcc_onnx_reshape(n, x, *x, NULL, 4, dim);
}

/* ---- Attention ---------------------------------------------------------------------------- */

enum { Q, K, V, MASK, PAST_KEY, PAST_VALUE, NONPAD, INPUTS };
enum { Y, PRESENT_KEY, PRESENT_VALUE, SCORES };
enum { MODE_PRODUCT, MODE_SOFTCAP, MODE_BIAS, MODE_SOFTMAX };

typedef struct Attention {
    QccValue *in[INPUTS];
    bool flat, causal; /* flat: q[b,s,h*d] and so on */
    int64_t heads, groups;
    int64_t mode, precision;
    double scale, softcap;
    QccDim queries, keys;
    QccValue *bias; /* is added to the scores; NULL: none */
    bool may_mask_rows;
} Attention;

static bool wanted(const QccOnnxNode *n, int output)
{
    return output < n->nout && n->proto->output[output][0];
}

static QccStatus read_attention(QccOnnxNode *n, Attention *a)
{
    for (int i = 0; i < INPUTS; i++) a->in[i] = qcc_onnx_in(n, i);
    QCC_TRY(qcc_onnx_attr_bool(n, "is_causal", &a->causal));
    QCC_TRY(qcc_onnx_attr_int(n, "q_num_heads", &a->heads));
    QCC_TRY(qcc_onnx_attr_int(n, "kv_num_heads", &a->groups));
    QCC_TRY(qcc_onnx_attr_int(n, "qk_matmul_output_mode", &a->mode));
    QCC_TRY(qcc_onnx_attr_int(n, "softmax_precision", &a->precision));
    QCC_TRY(qcc_onnx_attr_float(n, "softcap", &a->softcap));
    if (a->mode < MODE_PRODUCT || a->mode > MODE_SOFTMAX)
        return qcc_onnx_wrong(n, "has qk_matmul_output_mode %lld", (long long)a->mode);
    int rank = a->in[Q]->type->rank;
    a->flat = rank == 3;
    for (int i = Q; i <= V; i++) {
        if (a->in[i]->type->rank != rank || (rank != 3 && rank != 4))
            return qcc_onnx_wrong(n, "needs q, k and v of rank 3 or 4, found rank %d",
                                  a->in[i]->type->rank);
        if (a->flat) QCC_TRY(split_heads(n, &a->in[i], i == Q ? a->heads : a->groups));
    }
    for (int i = PAST_KEY; i <= PAST_VALUE; i++) {
        if (!a->in[i] != !a->in[PAST_KEY])
            return qcc_onnx_wrong(n, "needs both past_key and past_value");
        if (a->in[i] && a->in[i]->type->rank != 4)
            return qcc_onnx_wrong(n, "needs a past of rank 4, found rank %d", a->in[i]->type->rank);
    }
    if (a->in[NONPAD] && a->in[PAST_KEY])
        return qcc_onnx_wrong(n, "has past_key as well as nonpad_kv_seqlen");
    return QCC_OK;
}

/* q, k and v as [b,heads,s,d], k and v with what is past before them. */
static QccStatus arrange(QccOnnxNode *n, Attention *a)
{
    static const int heads_first[] = {0, 2, 1, 3};
    for (int i = Q; i <= V && a->flat; i++)
        QCC_TRY(qcc_onnx_transpose(n, &a->in[i], a->in[i], NULL, heads_first));
    for (int i = K; i <= V; i++) {
        QccValue *past = a->in[PAST_KEY + i - K];
        if (past) QCC_TRY(concat(n, &a->in[i], past, a->in[i], 2));
        if (wanted(n, PRESENT_KEY + i - K)) n->out[PRESENT_KEY + i - K] = a->in[i];
    }
    const QccType *q = a->in[Q]->type, *k = a->in[K]->type, *v = a->in[V]->type;
    bool fits = !q->dim[1].sym[0] && !k->dim[1].sym[0] && !q->dim[3].sym[0] &&
                qcc_dim_equal(&k->dim[1], &v->dim[1]) && qcc_dim_equal(&k->dim[2], &v->dim[2]) &&
                qcc_dim_equal(&q->dim[3], &k->dim[3]);
    a->heads = q->dim[1].n;
    a->groups = k->dim[1].n;
    if (!fits || a->groups < 1 || a->heads < 1 || a->heads % a->groups || q->dim[3].n < 1)
        return qcc_onnx_wrong(n, "has q, k and v whose heads do not go together");
    a->queries = q->dim[2];
    a->keys = k->dim[2];
    a->scale = 1 / sqrt((double)q->dim[3].n);
    return qcc_onnx_attr_float(n, "scale", &a->scale);
}

/* A constant i64[rows,columns] (rank 2) of begin, begin + 1, ... along one of the two. */
static QccStatus count_up(QccOnnxNode *n, QccValue **out, int64_t rows, int64_t columns,
                          int64_t begin)
{
    int64_t dim[] = {rows, columns}, count = rows * columns;
    QCC_TRY(qcc_onnx_make_room(n, count * (int64_t)sizeof(int64_t)));
    int64_t *data = qcc_alloc_array(n->im->arena, count, sizeof *data);
    for (int64_t i = 0; i < count; i++) data[i] = begin + i;
    const QccBlob *blob = qcc_blob(n->im->arena, QCC_I64, 2, dim, data, false);
    *out = qcc_const_new(n->im->graph, NULL, NULL, blob, NULL);
    return QCC_OK;
}

/* How many keys each query may see, by position: [s,1], [b,1,s,1] or [b,1,1,1]. NULL: all. The last
 * query sees all that are there, one before it one less. */
static QccStatus visible_keys(QccOnnxNode *n, const Attention *a, QccValue **limit)
{
    *limit = NULL;
    if (!a->causal && !a->in[NONPAD]) return QCC_OK;
    if (a->keys.sym[0] || (a->causal && a->queries.sym[0]))
        return qcc_onnx_unsupported(n, "a mask by position over a dynamic extent");
    int64_t begin = 1;
    if (a->in[PAST_KEY]) begin += a->in[PAST_KEY]->type->dim[2].n;
    if (a->in[NONPAD]) begin -= a->queries.n;
    if (a->causal) QCC_TRY(count_up(n, limit, a->queries.n, 1, begin));
    if (!a->in[NONPAD]) return QCC_OK;
    QccValue *length = a->in[NONPAD];
    QccDim dim[] = {length->type->dim[0], qcc_dim(1), qcc_dim(1), qcc_dim(1)};
    if (length->type->rank != 1 || length->type->dtype != QCC_I64)
        return qcc_onnx_wrong(n, "needs nonpad_kv_seqlen as a vector of i64");
    QCC_TRY(qcc_onnx_reshape(n, &length, length, NULL, 4, dim));
    if (!*limit) {
        *limit = length;
        return QCC_OK;
    }
    return binary(n, limit, &qcc_op_add, length, *limit);
}

/* The mask over all keys: those that it does not reach are masked. */
static QccStatus whole_mask(QccOnnxNode *n, const Attention *a, QccValue **mask)
{
    const QccType *t = (*mask)->type;
    if (t->rank < 1 || t->rank > 4)
        return qcc_onnx_wrong(n, "needs a mask of rank 1 to 4, found rank %d", t->rank);
    const QccDim *last = &t->dim[t->rank - 1];
    if (last->sym[0] || a->keys.sym[0] || last->n == 1 || last->n >= a->keys.n) return QCC_OK;
    QccPadAttrs attrs = {.before = {.n = t->rank}, .after = {.n = t->rank}};
    attrs.after.v[t->rank - 1] = a->keys.n - last->n;
    if (t->dtype != QCC_BOOL) attrs.value = -(double)INFINITY;
    return qcc_onnx_emit(n, mask, &qcc_op_pad, NULL, mask, 1, &attrs);
}

/* a->bias: 0 or the mask's numbers where a key may be seen, -inf elsewhere. */
static QccStatus make_bias(QccOnnxNode *n, Attention *a)
{
    QccValue *limit, *mask = a->in[MASK], *allowed = NULL;
    QccDtype dtype = a->in[Q]->type->dtype;
    QCC_TRY(visible_keys(n, a, &limit));
    if (limit) {
        QCC_TRY(count_up(n, &allowed, 1, a->keys.n, 0));
        QCC_TRY(binary(n, &allowed, &qcc_op_less, allowed, limit));
    }
    if (mask) {
        bool choice = mask->type->dtype == QCC_BOOL;
        if (!choice) QCC_TRY(cast(n, &mask, dtype));
        QCC_TRY(whole_mask(n, a, &mask));
        if (choice && allowed) {
            QCC_TRY(binary(n, &allowed, &qcc_op_and, allowed, mask));
        } else if (choice) {
            allowed = mask;
        } else {
            a->bias = mask;
        }
    }
    a->may_mask_rows = mask || a->in[NONPAD];
    if (!allowed) return QCC_OK;
    QccValue *in[] = {allowed, a->bias, NULL};
    if (!a->bias) QCC_TRY(qcc_onnx_real_like(n, &in[1], a->in[Q], 0));
    QCC_TRY(qcc_onnx_real_like(n, &in[2], a->in[Q], -(double)INFINITY));
    return qcc_onnx_emit(n, &a->bias, &qcc_op_where, NULL, in, 3, NULL);
}

/* [b,h,s,x] -> [b,g,h/g*s,x], and back with `queries`. */
static QccStatus group(QccOnnxNode *n, const Attention *a, QccValue **x)
{
    if (a->heads == a->groups) return QCC_OK;
    const QccType *t = (*x)->type;
    QccDim dim[] = {t->dim[0], qcc_dim(a->groups), t->dim[2], t->dim[3]};
    if (!qcc_mul_i64(&dim[2].n, dim[2].n, a->heads / a->groups))
        return qcc_onnx_wrong(n, "has too many heads");
    return qcc_onnx_reshape(n, x, *x, NULL, 4, dim);
}

static QccStatus ungroup(QccOnnxNode *n, const Attention *a, QccValue **x)
{
    if (a->heads == a->groups) return QCC_OK;
    const QccType *t = (*x)->type;
    QccDim dim[] = {t->dim[0], qcc_dim(a->heads), a->queries, t->dim[3]};
    return qcc_onnx_reshape(n, x, *x, NULL, 4, dim);
}

static void give_scores(QccOnnxNode *n, const Attention *a, int mode, QccValue *scores)
{
    if (a->mode == mode && wanted(n, SCORES)) n->out[SCORES] = scores;
}

/* softmax(scores + bias); 0 in rows that see no key. */
static QccStatus probabilities(QccOnnxNode *n, const Attention *a, QccValue **p)
{
    QccAxisAttrs last = {.axis = 3};
    QccReduceAttrs row = {.axes = {1, {-1}}, .keep = true};
    QccDtype dtype = (*p)->type->dtype;
    if (a->bias) QCC_TRY(binary(n, p, &qcc_op_add, *p, a->bias));
    give_scores(n, a, MODE_BIAS, *p);
    if (a->precision == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE) QCC_TRY(cast(n, p, QCC_F64));
    QCC_TRY(qcc_onnx_emit(n, p, &qcc_op_softmax, NULL, p, 1, &last));
    QCC_TRY(cast(n, p, dtype));
    if (a->may_mask_rows) {
        QccValue *most, *in[3] = {NULL, NULL, *p};
        QCC_TRY(qcc_onnx_emit(n, &most, &qcc_op_reduce_max, NULL, &a->bias, 1, &row));
        QCC_TRY(qcc_onnx_real_like(n, &in[1], *p, -(double)INFINITY));
        QCC_TRY(binary(n, &in[0], &qcc_op_equal, most, in[1]));
        QCC_TRY(qcc_onnx_real_like(n, &in[1], *p, 0));
        QCC_TRY(qcc_onnx_emit(n, p, &qcc_op_where, NULL, in, 3, NULL));
    }
    give_scores(n, a, MODE_SOFTMAX, *p);
    return QCC_OK;
}

QccStatus qcc_onnx_attention(QccOnnxNode *n)
{
    static const int turn[] = {0, 1, 3, 2}, heads_last[] = {0, 2, 1, 3};
    Attention a = {0};
    QccValue *k, *x;
    QCC_TRY(read_attention(n, &a));
    QCC_TRY(arrange(n, &a));
    QCC_TRY(make_bias(n, &a));
    x = a.in[Q];
    QCC_TRY(group(n, &a, &x));
    QCC_TRY(qcc_onnx_transpose(n, &k, a.in[K], NULL, turn));
    QCC_TRY(binary(n, &x, &qcc_op_matmul, x, k));
    QCC_TRY(scalar(n, &x, &qcc_op_mul, a.scale));
    QCC_TRY(ungroup(n, &a, &x));
    give_scores(n, &a, MODE_PRODUCT, x);
    if (a.softcap > 0) {
        QCC_TRY(scalar(n, &x, &qcc_op_div, a.softcap));
        QCC_TRY(qcc_onnx_emit(n, &x, &qcc_op_tanh, NULL, &x, 1, NULL));
        QCC_TRY(scalar(n, &x, &qcc_op_mul, a.softcap));
    }
    give_scores(n, &a, MODE_SOFTCAP, x);
    QCC_TRY(probabilities(n, &a, &x));
    QCC_TRY(cast(n, &x, a.in[V]->type->dtype));
    QCC_TRY(group(n, &a, &x));
    QCC_TRY(binary(n, &x, &qcc_op_matmul, x, a.in[V]));
    QCC_TRY(ungroup(n, &a, &x));
    if (a.flat) {
        QCC_TRY(qcc_onnx_transpose(n, &x, x, NULL, heads_last));
        const QccType *t = x->type;
        QccDim dim[] = {t->dim[0], t->dim[1], qcc_dim(t->dim[2].n * t->dim[3].n)};
        QCC_TRY(qcc_onnx_reshape(n, &x, x, NULL, 3, dim));
    }
    n->out[Y] = x;
    return cast(n, &n->out[Y], a.in[Q]->type->dtype);
}

/* ---- RotaryEmbedding ----------------------------------------------------------------------
 *
 *   x[b,s,h,d] = the first 2r of d as pairs (u, w), then what is not rotated
 *   y = (u cos - w sin, u sin + w cos), then what is not rotated
 */

/* x[..., begin, begin + step, ... below end] */
static QccStatus part(QccOnnxNode *n, QccValue **out, QccValue *x, int64_t begin, int64_t end,
                      int64_t step)
{
    int rank = x->type->rank, last = rank - 1;
    QccSliceAttrs a = {.begin = {.n = rank}, .end = {.n = rank}, .step = {.n = rank}};
    for (int i = 0; i < rank; i++) {
        a.end.v[i] = x->type->dim[i].sym[0] ? INT64_MAX : x->type->dim[i].n;
        a.step.v[i] = 1;
    }
    a.begin.v[last] = begin;
    a.end.v[last] = end;
    a.step.v[last] = step;
    return qcc_onnx_emit(n, out, &qcc_op_slice, NULL, &x, 1, &a);
}

/* The cache's rows of the positions: [b,s,r] -> [b,s,1,r]. Models of ONNX 1.18 have longer rows, of
 * which the first elements count. */
static QccStatus at_positions(QccOnnxNode *n, QccValue **cache, QccValue *positions, int64_t half)
{
    if (positions) {
        QccAxisAttrs attrs = {.axis = 0};
        QccValue *in[] = {*cache, positions};
        QCC_TRY(qcc_onnx_emit(n, cache, &qcc_op_gather, NULL, in, 2, &attrs));
    }
    const QccType *t = (*cache)->type;
    if (t->rank != 3 || t->dim[2].sym[0] || t->dim[2].n < half)
        return qcc_onnx_wrong(n, "needs caches whose rows have %lld elements", (long long)half);
    if (t->dim[2].n > half) QCC_TRY(part(n, cache, *cache, 0, half, 1));
    t = (*cache)->type;
    QccDim dim[] = {t->dim[0], t->dim[1], qcc_dim(1), t->dim[2]};
    return qcc_onnx_reshape(n, cache, *cache, NULL, 4, dim);
}

/* *out = a c + b d, or a c - b d */
static QccStatus rotated(QccOnnxNode *n, QccValue **out, const QccOpDef *def, QccValue *a,
                         QccValue *c, QccValue *b, QccValue *d)
{
    QccValue *ac, *bd;
    QCC_TRY(binary(n, &ac, &qcc_op_mul, a, c));
    QCC_TRY(binary(n, &bd, &qcc_op_mul, b, d));
    return binary(n, out, def, ac, bd);
}

QccStatus qcc_onnx_rotary_embedding(QccOnnxNode *n)
{
    static const int swap[] = {0, 2, 1, 3};
    bool pairs = false;
    int64_t heads = 0, rotary = 0;
    QccValue *x = qcc_onnx_in(n, 0), *cosine = qcc_onnx_in(n, 1), *sine = qcc_onnx_in(n, 2);
    QccValue *positions = qcc_onnx_in(n, 3), *u, *w, *y[2];
    const QccType *given = x->type;
    QCC_TRY(qcc_onnx_attr_bool(n, "interleaved", &pairs));
    QCC_TRY(qcc_onnx_attr_int(n, "num_heads", &heads));
    QCC_TRY(qcc_onnx_attr_int(n, "rotary_embedding_dim", &rotary));
    if (given->rank == 3) {
        QCC_TRY(split_heads(n, &x, heads));
    } else if (given->rank == 4) {
        QCC_TRY(qcc_onnx_transpose(n, &x, x, NULL, swap));
    } else {
        return qcc_onnx_wrong(n, "needs x of rank 3 or 4, found rank %d", given->rank);
    }
    const QccType *t = x->type;
    if (t->dim[3].sym[0]) return qcc_onnx_unsupported(n, "a dynamic head size");
    int64_t size = t->dim[3].n;
    if (!rotary) rotary = size;
    if (rotary < 2 || rotary > size || rotary % 2)
        return qcc_onnx_wrong(n, "rotates %lld of %lld elements", (long long)rotary,
                              (long long)size);
    QCC_TRY(at_positions(n, &cosine, positions, rotary / 2));
    QCC_TRY(at_positions(n, &sine, positions, rotary / 2));
    QCC_TRY(part(n, &u, x, 0, pairs ? rotary : rotary / 2, pairs ? 2 : 1));
    QCC_TRY(part(n, &w, x, pairs ? 1 : rotary / 2, rotary, pairs ? 2 : 1));
    QCC_TRY(rotated(n, &y[0], &qcc_op_sub, u, cosine, w, sine));
    QCC_TRY(rotated(n, &y[1], &qcc_op_add, u, sine, w, cosine));
    QccDim dim[] = {t->dim[0], t->dim[1], t->dim[2], qcc_dim(rotary / 2), qcc_dim(1)};
    for (int i = 0; i < 2 && pairs; i++) QCC_TRY(qcc_onnx_reshape(n, &y[i], y[i], NULL, 5, dim));
    QCC_TRY(concat(n, &u, y[0], y[1], pairs ? 4 : 3));
    dim[3] = qcc_dim(rotary);
    if (pairs) QCC_TRY(qcc_onnx_reshape(n, &u, u, NULL, 4, dim));
    if (rotary < size) {
        QCC_TRY(part(n, &w, x, rotary, size, 1));
        QCC_TRY(concat(n, &u, u, w, 3));
    }
    if (given->rank == 4) return qcc_onnx_transpose(n, &n->out[0], u, qcc_onnx_name(n, ""), swap);
    return qcc_onnx_reshape(n, &n->out[0], u, qcc_onnx_name(n, ""), 3, given->dim);
}
