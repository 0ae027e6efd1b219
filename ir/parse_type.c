/* parse_type - types, quantizations, shapes and lists of numbers of the qir language. */
#include <math.h>
#include <string.h>

#include "ir/parser.h"
#include "ir/type_table.h"

/* ---- lists of numbers ----------------------------------------------------------------------- */

QccStatus qcc_parse_numbers(QccParser *p, QccNumbers *numbers)
{
    QccLexer *lx = &p->lx;
    *numbers = (QccNumbers){0};
    QCC_TRY(qcc_lex_expect(lx, '['));
    while (!qcc_lex_is(lx, ']')) {
        if (numbers->n) QCC_TRY(qcc_lex_expect(lx, ','));
        if (lx->token.kind != QCC_TOKEN_NUMBER && lx->token.kind != QCC_TOKEN_WORD)
            return qcc_lex_unexpected(lx, "a number");
        numbers->token =
            qcc_grow(p->scratch, numbers->token, numbers->n, &numbers->cap, sizeof *numbers->token);
        numbers->token[numbers->n++] = lx->token;
        QCC_TRY(qcc_lex_next(lx));
    }
    return qcc_lex_next(lx);
}

static void put_integer(void *data, QccDtype dtype, int64_t i, int64_t x)
{
    switch (qcc_dtype_bits(dtype)) {
    case 4: ((uint8_t *)data)[i / 2] |= (uint8_t)((x & 15) << (i % 2 * 4)); break;
    case 8: ((uint8_t *)data)[i] = (uint8_t)x; break;
    case 16: ((uint16_t *)data)[i] = (uint16_t)x; break;
    case 32: ((uint32_t *)data)[i] = (uint32_t)x; break;
    default: ((int64_t *)data)[i] = x;
    }
}

static QccStatus put_number(QccParser *p, void *data, QccDtype dtype, int64_t i, const QccToken *t)
{
    const char *rest;
    if (dtype == QCC_F32) {
        rest = qcc_read_f32((float *)data + i, t->begin, t->end);
    } else if (dtype == QCC_F64) {
        rest = qcc_read_f64((double *)data + i, t->begin, t->end);
    } else if (qcc_dtype_is_float(dtype)) {
        return qcc_lex_error(&p->lx, t, "%s is written as a blob", qcc_dtype_name(dtype));
    } else {
        int64_t x, lo, hi;
        qcc_dtype_range(dtype, &lo, &hi);
        rest = qcc_read_i64(&x, t->begin, t->end);
        if (rest == t->end && (x < lo || x > hi))
            return qcc_lex_error(&p->lx, t, "%lld does not fit %s, which holds %lld..%lld",
                                 (long long)x, qcc_dtype_name(dtype), (long long)lo, (long long)hi);
        if (rest == t->end) put_integer(data, dtype, i, x);
    }
    if (rest != t->end)
        return qcc_lex_error(&p->lx, t, "'%.*s' is no %s",
                             t->end - t->begin > 40 ? 40 : (int)(t->end - t->begin), t->begin,
                             qcc_dtype_name(dtype));
    return QCC_OK;
}

QccStatus qcc_numbers_blob(QccParser *p, const QccNumbers *numbers, QccDtype dtype, int rank,
                           const int64_t *dim, const QccBlob **blob)
{
    void *data = qcc_alloc(p->arena, (size_t)qcc_dtype_size(dtype, numbers->n));
    for (int64_t i = 0; i < numbers->n; i++)
        QCC_TRY(put_number(p, data, dtype, i, &numbers->token[i]));
    *blob = qcc_blob(p->arena, dtype, rank, dim, data, false);
    return QCC_OK;
}

/* ---- blobs ---------------------------------------------------------------------------------- */

QccStatus qcc_parse_blob_ref(QccParser *p, const QccBlob **blob)
{
    QccToken t;
    if (p->lx.token.kind == QCC_TOKEN_PUNCT && *p->lx.token.begin == '@')
        return qcc_lex_unexpected(&p->lx, "the number of a blob");
    QCC_TRY(qcc_lex_take(&p->lx, QCC_TOKEN_AT, "a blob as @0", &t));
    int64_t i;
    const char *end = t.name + strlen(t.name);
    if (qcc_read_i64(&i, t.name, end) != end || i < 0)
        return qcc_lex_error(&p->lx, &t, "a blob has a number, not the name '%s'", t.name);
    if (i >= p->blobs->n)
        return qcc_lex_error(&p->lx, &t, "there is no blob @%lld; there are %d", (long long)i,
                             p->blobs->n);
    *blob = p->blobs->blob[i];
    /* A blob line that was wrong has been reported. */
    return *blob ? QCC_OK : QCC_ERROR_INPUT;
}

/* The numbers of 1x0x64. */
static bool split_shape(const QccToken *t, int *rank, int64_t *dim)
{
    const char *at = t->begin;
    *rank = 0;
    do {
        if (*rank == QCC_MAX_RANK) return false;
        if (*rank) at++;
        at = qcc_read_i64(&dim[*rank], at, t->end);
        if (!at || dim[*rank] < 0) return false;
        ++*rank;
    } while (at < t->end && *at == 'x');
    return at == t->end;
}

QccStatus qcc_parse_shape(QccParser *p, QccDtype dtype, int *rank, int64_t *dim)
{
    QccLexer *lx = &p->lx;
    int64_t n;
    *rank = 0;
    if (!qcc_lex_is_word(lx, "scalar")) {
        if (lx->token.kind != QCC_TOKEN_NUMBER || !split_shape(&lx->token, rank, dim))
            return qcc_lex_unexpected(lx, "a shape as 128x784");
    }
    if (!qcc_shape_count(&n, dtype, *rank, dim))
        return qcc_lex_error(lx, &lx->token, "a tensor of more than 2^%d bytes",
                             QCC_BYTES_MAX_LOG2);
    return QCC_OK;
}

/* ---- quantization --------------------------------------------------------------------------- */

/* The block sizes behind `block`; entries: how many scales they ask for. */
static QccStatus parse_blocks(QccParser *p, int rank, const QccDim *dim, QccQuant *q,
                              int64_t *entries)
{
    QccLexer *lx = &p->lx;
    QccToken t = lx->token;
    int n = 0;
    QCC_TRY(qcc_lex_next(lx));
    int64_t block[QCC_MAX_RANK] = {0};
    if (lx->token.kind != QCC_TOKEN_NUMBER || !split_shape(&lx->token, &n, block))
        return qcc_lex_unexpected(lx, "blocks as 1x0");
    t = lx->token;
    if (n != rank)
        return qcc_lex_error(lx, &t, "blocks for %d dimensions; the shape has %d", n, rank);
    *entries = 1;
    for (int i = 0; i < n; i++) {
        q->block[i] = block[i];
        if (!block[i]) continue;
        if (dim[i].sym[0])
            return qcc_lex_error(lx, &t, "dimension %d is quantized in blocks, but is symbolic", i);
        if (dim[i].n % block[i])
            return qcc_lex_error(lx, &t, "blocks of %lld do not divide dimension %d, which is %lld",
                                 (long long)block[i], i, (long long)dim[i].n);
        if (!qcc_mul_i64(entries, *entries, dim[i].n / block[i]))
            return qcc_lex_error(lx, &t, "too many blocks");
    }
    return qcc_lex_next(lx);
}

/* A list of n numbers, inline or a blob. */
static QccStatus parse_list(QccParser *p, QccDtype dtype, int64_t n, const QccBlob **out)
{
    QccLexer *lx = &p->lx;
    QccToken t = lx->token;
    const QccBlob *blob = NULL;
    if (qcc_lex_is(lx, '[')) {
        QccNumbers numbers;
        QCC_TRY(qcc_parse_numbers(p, &numbers));
        QCC_TRY(qcc_numbers_blob(p, &numbers, dtype, 1, &numbers.n, &blob));
    } else {
        QCC_TRY(qcc_parse_blob_ref(p, &blob));
    }
    *out = blob;
    if (!blob || blob->dtype != dtype || blob->rank != 1 || blob->dim[0] != n)
        return qcc_lex_error(lx, &t, "wanted %lld numbers of type %s here", (long long)n,
                             qcc_dtype_name(dtype));
    return QCC_OK;
}

/* One number for all, or a list. */
static QccStatus parse_zeros(QccParser *p, int64_t n, const QccBlob **blob)
{
    if (p->lx.token.kind != QCC_TOKEN_NUMBER) return parse_list(p, QCC_I32, n, blob);
    QccToken t = p->lx.token;
    int64_t zero;
    QCC_TRY(qcc_lex_i64(&p->lx, &zero, "a zero point"));
    if (zero < INT32_MIN || zero > INT32_MAX)
        return qcc_lex_error(&p->lx, &t, "zero point %lld does not fit i32", (long long)zero);
    /* n is as long as the list of scales, so it is no number of a file's choice. */
    int32_t *data = QCC_NEW_ARRAY(p->scratch, n, int32_t);
    for (int64_t i = 0; i < n; i++) data[i] = (int32_t)zero;
    *blob = qcc_blob(p->scratch, QCC_I32, 1, &n, data, false);
    return QCC_OK;
}

static QccStatus parse_bounds(QccParser *p, QccQuant *q)
{
    QccToken t = p->lx.token;
    int64_t lo, hi;
    QCC_TRY(qcc_lex_next(&p->lx));
    QCC_TRY(qcc_lex_i64(&p->lx, &lo, "an integer"));
    QCC_TRY(qcc_lex_take(&p->lx, QCC_TOKEN_RANGE, "'..'", NULL));
    QCC_TRY(qcc_lex_i64(&p->lx, &hi, "an integer"));
    if (lo < INT32_MIN || hi > INT32_MAX || lo >= hi)
        return qcc_lex_error(&p->lx, &t, "%lld..%lld is no range of 32-bit integers", (long long)lo,
                             (long long)hi);
    q->qmin = (int32_t)lo;
    q->qmax = (int32_t)hi;
    return QCC_OK;
}

static QccStatus parse_scales(QccParser *p, int rank, const QccDim *dim, QccQuant *q)
{
    QccLexer *lx = &p->lx;
    int64_t n = 1;
    if (qcc_lex_is_word(lx, "dynamic")) {
        q->kind = QCC_QUANT_DYNAMIC;
        QCC_TRY(qcc_lex_next(lx));
        return qcc_lex_is_word(lx, "block") ? parse_blocks(p, rank, dim, q, &n) : QCC_OK;
    }
    if (!qcc_lex_is_word(lx, "block")) {
        float *scale = QCC_NEW(p->scratch, float);
        QCC_TRY(qcc_lex_f32(lx, scale));
        q->scale = qcc_blob(p->scratch, QCC_F32, 1, &n, scale, false);
        QCC_TRY(qcc_lex_expect(lx, ':'));
        return parse_zeros(p, 1, &q->zero);
    }
    QCC_TRY(parse_blocks(p, rank, dim, q, &n));
    QCC_TRY(qcc_lex_expect(lx, ':'));
    QCC_TRY(parse_list(p, QCC_F32, n, &q->scale));
    QCC_TRY(qcc_lex_expect(lx, ','));
    return parse_zeros(p, n, &q->zero);
}

static QccStatus parse_quant(QccParser *p, QccDtype dtype, int rank, const QccDim *dim, QccQuant *q)
{
    QccLexer *lx = &p->lx;
    QccToken t = lx->token;
    int64_t lo, hi;
    qcc_dtype_range(dtype, &lo, &hi);
    if (qcc_dtype_is_float(dtype) || dtype == QCC_BOOL || lo < INT32_MIN || hi > INT32_MAX)
        return qcc_lex_error(lx, &t, "%s cannot be quantized; wanted an integer of at most 32 bits",
                             qcc_dtype_name(dtype));
    *q = (QccQuant){.qmin = (int32_t)lo, .qmax = (int32_t)hi};
    QCC_TRY(qcc_lex_next(lx));
    QCC_TRY(qcc_lex_expect(lx, '('));
    QCC_TRY(parse_scales(p, rank, dim, q));
    if (qcc_lex_is_word(lx, "in")) QCC_TRY(parse_bounds(p, q));
    return qcc_lex_expect(lx, ')');
}

/* ---- types ---------------------------------------------------------------------------------- */

static QccStatus parse_symbol(QccParser *p, const QccSymbol **symbol)
{
    QccLexer *lx = &p->lx;
    QccToken t = lx->token;
    if (t.kind != QCC_TOKEN_WORD && t.kind != QCC_TOKEN_STRING)
        return qcc_lex_unexpected(lx, "an extent");
    const QccGraph *g = p->graph;
    while (g->parent) g = g->parent->graph;
    for (int i = 0; i < g->nsymbol; i++) {
        if (strcmp(g->symbol[i]->name, t.name) != 0) continue;
        *symbol = g->symbol[i];
        return qcc_lex_next(lx);
    }
    return qcc_lex_error(lx, &t, "'%s' is no symbol of this graph", t.name);
}

/* 64, N, 2*N, N*S, 4*N*S */
static QccStatus parse_dim(QccParser *p, QccDim *d)
{
    QccLexer *lx = &p->lx;
    QccToken t = lx->token;
    int nsymbol = 0;
    *d = qcc_dim(1);
    if (t.kind == QCC_TOKEN_NUMBER) {
        QCC_TRY(qcc_lex_i64(lx, &d->n, "an extent"));
        if (d->n < 0) return qcc_lex_error(lx, &t, "an extent of %lld", (long long)d->n);
        if (!qcc_lex_is(lx, '*')) return QCC_OK;
        QCC_TRY(qcc_lex_next(lx));
    }
    for (;;) {
        if (nsymbol == 2)
            return qcc_lex_error(lx, &lx->token, "more than two symbols in an extent");
        QCC_TRY(parse_symbol(p, &d->sym[nsymbol++]));
        if (!qcc_lex_is(lx, '*')) return QCC_OK;
        QCC_TRY(qcc_lex_next(lx));
    }
}

QccStatus qcc_parse_type(QccParser *p, const QccType **type)
{
    QccLexer *lx = &p->lx;
    QccToken t;
    QccDtype dtype;
    QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_WORD, "a type as f32[1,10]", &t));
    if (!qcc_dtype_parse(&dtype, t.name, (int64_t)strlen(t.name)))
        return qcc_lex_error(lx, &t, "'%s' is no element type", t.name);
    QCC_TRY(qcc_lex_expect(lx, '['));
    QccDim dim[QCC_MAX_RANK];
    int rank = 0;
    while (!qcc_lex_is(lx, ']')) {
        if (rank) QCC_TRY(qcc_lex_expect(lx, ','));
        if (rank == QCC_MAX_RANK)
            return qcc_lex_error(lx, &lx->token, "more than %d dimensions", QCC_MAX_RANK);
        QCC_TRY(parse_dim(p, &dim[rank++]));
    }
    QCC_TRY(qcc_lex_next(lx));
    QccQuant quant;
    bool quantized = qcc_lex_is_word(lx, "q");
    if (quantized) QCC_TRY(parse_quant(p, dtype, rank, dim, &quant));
    *type = qcc_type(p->ir, dtype, rank, dim, quantized ? &quant : NULL);
    return qcc_type_check(p->ir, qcc_lex_loc(lx, &t), *type);
}

QccStatus qcc_parse_range(QccParser *p, bool *has_range, float *lo, float *hi)
{
    QccLexer *lx = &p->lx;
    *has_range = qcc_lex_is_word(lx, "range");
    if (!*has_range) return QCC_OK;
    QccToken t = lx->token;
    QCC_TRY(qcc_lex_next(lx));
    QCC_TRY(qcc_lex_expect(lx, '('));
    QCC_TRY(qcc_lex_f32(lx, lo));
    QCC_TRY(qcc_lex_expect(lx, ','));
    QCC_TRY(qcc_lex_f32(lx, hi));
    if (!isfinite(*lo) || !isfinite(*hi) || *lo > 0 || *hi < 0)
        return qcc_lex_error(lx, &t, "a range is finite and holds 0");
    return qcc_lex_expect(lx, ')');
}
