/* onnx_einsum - Einsum, as products of matrices.
 *
 *   each operand    diagonals of repeated labels; extents of 1 that broadcast are dropped
 *   a, b            labels that nothing else needs are summed; [batch,m,k] x [batch,k,n]
 *   the last one    what the result lacks is summed; transposed into the result's order
 */
#include "frontend/onnx.h"

#include <ctype.h>
#include <string.h>

/* Letters, then the dimensions of `...`, counted from the last one. */
enum { LETTERS = 52, LABELS = LETTERS + QCC_MAX_RANK };

/* A value with a label for each dimension. */
typedef struct Term {
    QccValue *value;
    int n;
    int label[QCC_MAX_RANK];
} Term;

static int letter_of(char c)
{
    return c >= 'a' ? c - 'a' + 26 : c - 'A'; /* the order of characters: capitals first */
}

static int find(const Term *t, int label)
{
    for (int i = 0; i < t->n; i++)
        if (t->label[i] == label) return i;
    return -1;
}

/* ---- the equation ------------------------------------------------------------------------- */

/* The labels of one term, text[0..len) without blanks; `rank` of a value, or that of the result
 * with `dots` dimensions for its ellipsis. */
static QccStatus parse_term(QccOnnxNode *n, const char *text, size_t len, int rank, int dots,
                            Term *t)
{
    int letters = 0;
    for (size_t i = 0; i < len; i++) letters += isalpha((unsigned char)text[i]) != 0;
    if (rank >= 0) dots = rank - letters;
    t->n = 0;
    bool seen = false;
    for (size_t i = 0; i < len; i++) {
        bool ellipsis = !seen && i + 3 <= len && !strncmp(text + i, "...", 3);
        int more = ellipsis ? dots : 1;
        if (more < 0 || t->n + more > QCC_MAX_RANK)
            return qcc_onnx_wrong(n, "has a term '%.*s' that does not fit its operand", (int)len,
                                  text);
        if (ellipsis) {
            for (int k = dots - 1; k >= 0; k--) t->label[t->n++] = LETTERS + k;
            seen = true;
            i += 2;
        } else if (isalpha((unsigned char)text[i])) {
            t->label[t->n++] = letter_of(text[i]);
        } else {
            return qcc_onnx_wrong(n, "has '%c' in its equation", text[i]);
        }
    }
    if (rank >= 0 && t->n != rank)
        return qcc_onnx_wrong(n, "has a term '%.*s' for an operand of %d dimensions", (int)len,
                              text, rank);
    return QCC_OK;
}

/* Without an arrow: the ellipsis, then what appears once, in the order of letters. */
static QccStatus implicit_result(QccOnnxNode *n, const Term *term, int nterm, int dots, Term *out)
{
    int count[LETTERS] = {0};
    for (int k = 0; k < nterm; k++)
        for (int i = 0; i < term[k].n; i++)
            if (term[k].label[i] < LETTERS) count[term[k].label[i]]++;
    out->n = 0;
    for (int k = dots - 1; k >= 0; k--) out->label[out->n++] = LETTERS + k;
    for (int i = 0; i < LETTERS; i++) {
        if (count[i] != 1) continue;
        if (out->n == QCC_MAX_RANK) return qcc_onnx_unsupported(n, "too many dimensions");
        out->label[out->n++] = i;
    }
    return QCC_OK;
}

static QccStatus parse(QccOnnxNode *n, const char *equation, Term *term, Term *out)
{
    size_t len = 0;
    char *text = qcc_strdup(n->im->scratch, equation);
    for (const char *c = equation; *c; c++)
        if (!isspace((unsigned char)*c)) text[len++] = *c;
    text[len] = 0;
    char *arrow = strstr(text, "->"), *at = text;
    char *end = arrow ? arrow : text + len;
    int dots = 0;
    for (int k = 0; k < n->nin; k++) {
        char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end;
        if ((k + 1 < n->nin) != (comma != NULL))
            return qcc_onnx_wrong(n, "needs a term for each of %d operands", n->nin);
        term[k].value = qcc_onnx_in(n, k);
        if (!term[k].value) return qcc_onnx_wrong(n, "lacks input %d", k);
        QCC_TRY(parse_term(n, at, (size_t)(stop - at), term[k].value->type->rank, 0, &term[k]));
        for (int i = 0; i < term[k].n; i++)
            if (term[k].label[i] - LETTERS >= dots) dots = term[k].label[i] - LETTERS + 1;
        at = stop + 1;
    }
    if (!arrow) return implicit_result(n, term, n->nin, dots, out);
    return parse_term(n, arrow + 2, strlen(arrow + 2), -1, dots, out);
}

/* ---- one term ----------------------------------------------------------------------------- */

static QccStatus permute(QccOnnxNode *n, Term *t, const int *perm)
{
    Term old = *t;
    bool same = true;
    for (int i = 0; i < t->n; i++) {
        t->label[i] = old.label[perm[i]];
        same = same && perm[i] == i;
    }
    return same ? QCC_OK : qcc_onnx_transpose(n, &t->value, t->value, NULL, perm);
}

/* Dimensions i and j, of one label, become their diagonal: the last dimension. */
static QccStatus take_diagonal(QccOnnxNode *n, Term *t, int i, int j)
{
    int perm[QCC_MAX_RANK], at = 0, rank = t->n - 1;
    for (int d = 0; d < t->n; d++)
        if (d != i && d != j) perm[at++] = d;
    perm[at++] = i;
    perm[at] = j;
    QCC_TRY(permute(n, t, perm));
    QccDim dim[QCC_MAX_RANK], last = t->value->type->dim[rank];
    int64_t count;
    if (last.sym[0] || !qcc_dim_equal(&last, &t->value->type->dim[rank - 1]))
        return qcc_onnx_needs_shape(n, "a diagonal of unequal or dynamic extents");
    if (!qcc_mul_i64(&count, last.n, last.n)) return qcc_onnx_wrong(n, "is too large");
    for (int d = 0; d < rank; d++) dim[d] = t->value->type->dim[d];
    dim[rank - 1] = qcc_dim(count);
    QCC_TRY(qcc_onnx_reshape(n, &t->value, t->value, NULL, rank, dim));
    QccSliceAttrs a = {.begin = {.n = rank}, .end = {.n = rank}, .step = {.n = rank}};
    for (int d = 0; d < rank; d++) {
        a.end.v[d] = dim[d].sym[0] ? INT64_MAX : dim[d].n;
        a.step.v[d] = 1;
    }
    a.step.v[rank - 1] = last.n + 1;
    t->n = rank;
    return qcc_onnx_emit(n, &t->value, &qcc_op_slice, NULL, &t->value, 1, &a);
}

static QccStatus take_diagonals(QccOnnxNode *n, Term *t)
{
    for (int i = 0; i < t->n; i++) {
        for (int j = i + 1; j < t->n; j++) {
            if (t->label[i] != t->label[j]) continue;
            QCC_TRY(take_diagonal(n, t, i, j));
            i = -1; /* the order is another now */
            break;
        }
    }
    return QCC_OK;
}

static bool is_one(const QccDim *d)
{
    return d->n == 1 && !d->sym[0];
}

/* Drops dimensions of 1 where another term has more. */
static QccStatus drop_ones(QccOnnxNode *n, Term *t, const QccDim *extent)
{
    QccDim dim[QCC_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < t->n; i++) {
        const QccDim *d = &t->value->type->dim[i];
        if (is_one(d) && !is_one(&extent[t->label[i]])) continue;
        if (!qcc_dim_equal(d, &extent[t->label[i]]))
            return qcc_onnx_wrong(n, "has operands whose extents differ");
        dim[rank] = *d;
        t->label[rank++] = t->label[i];
    }
    if (rank == t->n) return QCC_OK;
    t->n = rank;
    return qcc_onnx_reshape(n, &t->value, t->value, NULL, rank, dim);
}

/* Sums over the labels that are not needed. */
static QccStatus sum_rest(QccOnnxNode *n, Term *t, const bool *needed)
{
    QccReduceAttrs attrs = {0};
    int rank = 0;
    for (int i = 0; i < t->n; i++) {
        if (needed[t->label[i]])
            t->label[rank++] = t->label[i];
        else
            attrs.axes.v[attrs.axes.n++] = i;
    }
    if (rank == t->n) return QCC_OK;
    t->n = rank;
    return qcc_onnx_emit(n, &t->value, &qcc_op_reduce_sum, NULL, &t->value, 1, &attrs);
}

/* ---- two terms ---------------------------------------------------------------------------- */

/* The dimensions that `take` names, as one. */
static QccStatus merge(QccOnnxNode *n, const Term *t, const int *take, int count, QccDim *out)
{
    *out = qcc_dim(1);
    int nsym = 0;
    for (int i = 0; i < count; i++) {
        const QccDim *d = &t->value->type->dim[take[i]];
        if (!qcc_mul_i64(&out->n, out->n, d->n)) return qcc_onnx_wrong(n, "is too large");
        for (int k = 0; k < 2 && d->sym[k]; k++) {
            if (nsym == 2) return qcc_onnx_needs_shape(n, "more than two dynamic extents");
            out->sym[nsym++] = d->sym[k];
        }
    }
    return QCC_OK;
}

/* The places in t of labels that are (batch), or are not, in `other`, and are needed or not. */
static int choose(const Term *t, const Term *other, const bool *needed, bool shared, bool kept,
                  int *place)
{
    int count = 0;
    for (int i = 0; i < t->n; i++) {
        bool both = find(other, t->label[i]) >= 0;
        if (both == shared && (!shared || needed[t->label[i]] == kept)) place[count++] = i;
    }
    return count;
}

/* a := the product of a and b, with the labels batch, m, n. */
static QccStatus multiply(QccOnnxNode *n, Term *a, Term *b, const bool *needed)
{
    int batch[QCC_MAX_RANK], m[QCC_MAX_RANK], k[QCC_MAX_RANK], cols[QCC_MAX_RANK];
    int nb = choose(a, b, needed, true, true, batch), nk = choose(a, b, needed, true, false, k);
    int nm = choose(a, b, needed, false, true, m), nn = choose(b, a, needed, false, true, cols);
    if (nb + nm + nn > QCC_MAX_RANK || nb + 2 > QCC_MAX_RANK)
        return qcc_onnx_unsupported(n, "products of %d dimensions", nb + nm + nn);
    Term y = {.n = 0};
    QccDim left[QCC_MAX_RANK], right[QCC_MAX_RANK], full[QCC_MAX_RANK];
    int pa[QCC_MAX_RANK], pb[QCC_MAX_RANK], na = 0, nbp = 0;
    for (int i = 0; i < nb; i++) {
        left[i] = right[i] = full[y.n] = a->value->type->dim[batch[i]];
        y.label[y.n++] = a->label[batch[i]];
        pa[na++] = batch[i];
        pb[nbp++] = find(b, a->label[batch[i]]);
    }
    for (int i = 0; i < nm; i++) {
        full[y.n] = a->value->type->dim[m[i]];
        y.label[y.n++] = a->label[m[i]];
        pa[na++] = m[i];
    }
    for (int i = 0; i < nk; i++) {
        pa[na++] = k[i];
        pb[nbp++] = find(b, a->label[k[i]]);
    }
    for (int i = 0; i < nn; i++) {
        full[y.n] = b->value->type->dim[cols[i]];
        y.label[y.n++] = b->label[cols[i]];
        pb[nbp++] = cols[i];
    }
    QCC_TRY(merge(n, a, m, nm, &left[nb]));
    QCC_TRY(merge(n, a, k, nk, &left[nb + 1]));
    right[nb] = left[nb + 1];
    QCC_TRY(merge(n, b, cols, nn, &right[nb + 1]));
    QCC_TRY(permute(n, a, pa));
    QCC_TRY(permute(n, b, pb));
    QccValue *in[2];
    QCC_TRY(qcc_onnx_reshape(n, &in[0], a->value, NULL, nb + 2, left));
    QCC_TRY(qcc_onnx_reshape(n, &in[1], b->value, NULL, nb + 2, right));
    QCC_TRY(qcc_onnx_emit(n, &y.value, &qcc_op_matmul, NULL, in, 2, NULL));
    QCC_TRY(qcc_onnx_reshape(n, &y.value, y.value, NULL, y.n, full));
    *a = y;
    return QCC_OK;
}

/* ---- all ---------------------------------------------------------------------------------- */

static void mark(bool *needed, const Term *t)
{
    for (int i = 0; i < t->n; i++) needed[t->label[i]] = true;
}

QccStatus qcc_onnx_einsum(QccOnnxNode *n)
{
    const char *equation = NULL;
    Term *term = QCC_NEW_ARRAY(n->im->scratch, n->nin, Term), out = {0};
    QccDim extent[LABELS];
    QCC_TRY(qcc_onnx_attr_string(n, "equation", &equation));
    if (!equation) return qcc_onnx_wrong(n, "has no equation");
    QCC_TRY(parse(n, equation, term, &out));
    for (int i = 0; i < LABELS; i++) extent[i] = qcc_dim(1);
    for (int k = 0; k < n->nin; k++) {
        QCC_TRY(take_diagonals(n, &term[k]));
        for (int i = 0; i < term[k].n; i++) {
            QccDim *e = &extent[term[k].label[i]];
            if (is_one(e)) *e = term[k].value->type->dim[i];
        }
    }
    for (int k = 0; k < n->nin; k++) QCC_TRY(drop_ones(n, &term[k], extent));
    for (int k = 0; k < n->nin; k++) {
        bool needed[LABELS] = {false};
        mark(needed, &out);
        for (int i = k + 1; i < n->nin; i++) mark(needed, &term[i]);
        if (k > 0) {
            bool both[LABELS];
            memcpy(both, needed, sizeof both);
            mark(both, &term[0]);
            QCC_TRY(sum_rest(n, &term[k], both));
            QCC_TRY(multiply(n, &term[0], &term[k], needed));
        } else {
            QCC_TRY(sum_rest(n, &term[0], needed));
        }
    }
    int perm[QCC_MAX_RANK];
    for (int i = 0; i < out.n; i++) {
        perm[i] = find(&term[0], out.label[i]);
        if (perm[i] < 0 || find(&out, out.label[i]) != i)
            return qcc_onnx_wrong(n, "has a label in its result that no operand has, or one twice");
    }
    QCC_TRY(permute(n, &term[0], perm));
    n->out[0] = term[0].value;
    return QCC_OK;
}
