/* parse - modules of the qir language: header, graph, samples, blobs (docs/qir.md).
 *
 *   blob lines -> table of blobs;   text -> tokens -> statements -> graph -> verifier
 */
#include <string.h>

#include "ir/base/base64.h"
#include "ir/parser.h"
#include "ir/type_table.h"

enum { VERSION = 1, SYMBOLS_MAX = 64, PROPS_MAX = 64, BLOBS_MAX = 1 << 24, ERRORS_MAX = 50 };

/* ---- diagnostics ---------------------------------------------------------------------------- */

/* While a text is parsed, whatever is posted about it gets the line it is about. */
typedef struct Shown {
    QccDiagnosticFn *fn;
    void *user;
    const char *file, *text;
    int64_t len;
    int errors;
} Shown;

static void show(void *user, const QccDiagnostic *diagnostic)
{
    Shown *s = user;
    QccDiagnostic d = *diagnostic;
    if (d.severity == QCC_ERROR && ++s->errors > ERRORS_MAX) return;
    char line[QCC_SOURCE_MAX];
    bool ours = d.file && !strcmp(d.file, s->file) && d.line > 0 && !d.source;
    if (ours && qcc_source_line(line, s->text, s->len, d.line, d.column)) d.source = line;
    s->fn(s->user, &d);
}

/* ---- blob lines ----------------------------------------------------------------------------- */

/* blob @0 i8 128x784 "base64": the data is looked for by hand, as it may be long. */
static QccStatus parse_blob_line(QccParser *p, int number, const QccBlob **blob)
{
    QccLexer *lx = &p->lx;
    QccToken t;
    QccDtype dtype;
    int rank;
    int64_t dim[QCC_MAX_RANK], n;
    QCC_TRY(qcc_lex_next(lx));
    QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_AT, "a blob as @0", &t));
    if (strcmp(t.name, qcc_sprintf(p->scratch, "%d", number)) != 0)
        return qcc_lex_error(lx, &t, "wanted blob @%d here", number);
    QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_WORD, "an element type", &t));
    if (!qcc_dtype_parse(&dtype, t.name, (int64_t)strlen(t.name)))
        return qcc_lex_error(lx, &t, "'%s' is no element type", t.name);
    QCC_TRY(qcc_parse_shape(p, dtype, &rank, dim));

    const char *quote = lx->at;
    while (quote < lx->end && *quote == ' ') quote++;
    t = lx->token;
    const char *begin = quote + 1;
    const char *end = quote < lx->end && *quote == '"' && begin < lx->end
                          ? memchr(begin, '"', (size_t)(lx->end - begin))
                          : NULL;
    if (!end || memchr(begin, '\n', (size_t)(end - begin)))
        return qcc_lex_error(lx, &t, "wanted the data in quotes behind the shape");
    bool sized = qcc_shape_count(&n, dtype, rank, dim);
    int64_t size = sized ? qcc_dtype_size(dtype, n) : 0;
    /* The text bounds what is allocated. */
    if (size / 3 > (end - begin) / 4)
        return qcc_lex_error(lx, &t, "the data is shorter than the %lld bytes of the shape",
                             (long long)size);
    void *data = qcc_alloc(p->arena, (size_t)size);
    if (!qcc_base64_read(data, size, begin, end - begin))
        return qcc_lex_error(lx, &t, "the data is not base64 of the %lld bytes of the shape",
                             (long long)size);
    *blob = qcc_blob(p->arena, dtype, rank, dim, data, false);
    lx->at = end + 1;
    QCC_TRY(qcc_lex_next(lx));
    if (lx->token.kind != QCC_TOKEN_NEWLINE && lx->token.kind != QCC_TOKEN_END)
        return qcc_lex_unexpected(lx, "the end of the line");
    return QCC_OK;
}

/* Reads the lines that begin with "blob " before anything else, as they come last. */
static void parse_blob_lines(QccParser *p, QccBlobTable *table)
{
    QccLexer *lx = &p->lx;
    const char *at = lx->text;
    int line = 1;
    while (at < lx->end) {
        const char *newline = memchr(at, '\n', (size_t)(lx->end - at));
        if (lx->end - at > 5 && !memcmp(at, "blob ", 5) && table->n < BLOBS_MAX) {
            table->blob =
                qcc_grow(p->scratch, table->blob, table->n, &table->cap, sizeof *table->blob);
            table->blob[table->n] = NULL; /* stays so when the line is wrong */
            lx->at = lx->line_start = at;
            lx->line = line;
            if (qcc_lex_next(lx) == QCC_OK)
                (void)parse_blob_line(p, table->n, &table->blob[table->n]);
            table->n++;
        }
        if (!newline) return;
        at = newline + 1;
        line++;
    }
}

/* ---- the head of the graph ------------------------------------------------------------------ */

static QccStatus parse_symbols(QccParser *p)
{
    QccLexer *lx = &p->lx;
    do {
        QccToken t;
        int64_t lo, hi;
        QCC_TRY(qcc_lex_next(lx));
        t = lx->token;
        if (t.kind != QCC_TOKEN_WORD && t.kind != QCC_TOKEN_STRING)
            return qcc_lex_unexpected(lx, "a symbol");
        QCC_TRY(qcc_lex_next(lx));
        QCC_TRY(qcc_lex_expect(lx, ':'));
        QCC_TRY(qcc_lex_i64(lx, &lo, "the least extent"));
        QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_RANGE, "'..'", NULL));
        QCC_TRY(qcc_lex_i64(lx, &hi, "the greatest extent"));
        if (lo < 1 || lo > hi)
            return qcc_lex_error(lx, &t, "extents lie in 1..; %lld..%lld is no range",
                                 (long long)lo, (long long)hi);
        for (int i = 0; i < p->graph->nsymbol; i++) {
            if (!strcmp(p->graph->symbol[i]->name, t.name))
                return qcc_lex_error(lx, &t, "symbol '%s' is given twice", t.name);
        }
        if (p->graph->nsymbol == SYMBOLS_MAX)
            return qcc_lex_error(lx, &t, "more than %d symbols", SYMBOLS_MAX);
        qcc_graph_symbol(p->graph, t.name, lo, hi);
    } while (qcc_lex_is(lx, ','));
    return qcc_lex_expect(lx, ';');
}

static QccStatus skip_newlines(QccLexer *lx)
{
    while (lx->token.kind == QCC_TOKEN_NEWLINE) QCC_TRY(qcc_lex_next(lx));
    return QCC_OK;
}

static QccStatus parse_param(QccParser *p)
{
    QccLexer *lx = &p->lx;
    QccToken t;
    const QccType *type;
    QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_VALUE, "a parameter as %x", &t));
    QCC_TRY(qcc_lex_expect(lx, ':'));
    QCC_TRY(qcc_parse_type(p, &type));
    if (qcc_graph_find_value(p->graph, t.name))
        return qcc_lex_error(lx, &t, "%%%s is defined already", t.name);
    QccValue *param = qcc_graph_add_param(p->graph, t.name, type);
    return qcc_parse_range(p, &param->has_range, &param->lo, &param->hi);
}

static QccStatus parse_params(QccParser *p)
{
    QccLexer *lx = &p->lx;
    lx->semicolons = true;
    QCC_TRY(qcc_lex_expect(lx, '('));
    if (qcc_lex_is_word(lx, "symbols")) QCC_TRY(parse_symbols(p));
    QCC_TRY(skip_newlines(lx));
    while (!qcc_lex_is(lx, ')')) {
        if (p->graph->nparam) QCC_TRY(qcc_lex_expect(lx, ','));
        QCC_TRY(skip_newlines(lx));
        QCC_TRY(parse_param(p));
        QCC_TRY(skip_newlines(lx));
    }
    lx->semicolons = false;
    return qcc_lex_next(lx);
}

static QccStatus parse_props(QccParser *p)
{
    QccLexer *lx = &p->lx;
    QCC_TRY(qcc_lex_next(lx));
    if (!qcc_lex_is(lx, '(')) return qcc_lex_unexpected(lx, "'('");
    do {
        QCC_TRY(qcc_lex_next(lx));
        QccToken t = lx->token;
        if (t.kind != QCC_TOKEN_WORD && t.kind != QCC_TOKEN_STRING)
            return qcc_lex_unexpected(lx, "a property");
        if (p->graph->nprop == PROPS_MAX)
            return qcc_lex_error(lx, &t, "more than %d properties", PROPS_MAX);
        qcc_graph_set_prop(p->graph, t.name);
        QCC_TRY(qcc_lex_next(lx));
    } while (qcc_lex_is(lx, ','));
    return qcc_lex_expect(lx, ')');
}

static QccStatus parse_graph(QccParser *p)
{
    QccLexer *lx = &p->lx;
    QccToken name;
    if (!qcc_lex_is_word(lx, "graph")) return qcc_lex_unexpected(lx, "'graph'");
    QCC_TRY(qcc_lex_next(lx));
    QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_AT, "the name of the graph as @main", &name));
    p->graph = qcc_graph_new(p->ir, p->arena, name.name);
    QCC_TRY(parse_params(p));
    if (qcc_lex_is_word(lx, "props")) QCC_TRY(parse_props(p));
    QCC_TRY(qcc_lex_expect(lx, '{'));
    if (lx->token.kind != QCC_TOKEN_NEWLINE) return qcc_lex_unexpected(lx, "the end of the line");
    qcc_parse_ops(p);
    return QCC_OK;
}

/* ---- what travels with the graph ------------------------------------------------------------ */

/* One blob per parameter, of equal counts. The rest of the shape is that of the stored samples: who
 * reads them (frontend/dataset.c) knows what preprocessing makes of it. */
static QccStatus check_sample(QccParser *p, const QccToken *t, const QccBlob *blob,
                              const QccValue *param, int64_t count)
{
    if (blob->rank > 0 && blob->dim[0] == count) return QCC_OK;
    return qcc_lex_error(&p->lx, t, "wanted %lld samples of parameter %%%s, as of the first",
                         (long long)count, param->name);
}

static QccStatus parse_samples(QccParser *p, QccModule *m)
{
    QccLexer *lx = &p->lx;
    int64_t cap = 0;
    int n = 0;
    if (m->nsamples) return qcc_lex_unexpected(lx, "'samples' once");
    do {
        QCC_TRY(qcc_lex_next(lx));
        QccToken t = lx->token;
        if (n == p->graph->nparam)
            return qcc_lex_error(lx, &t, "samples for more than the %d parameters", n);
        m->samples = qcc_grow(p->arena, m->samples, n, &cap, sizeof(QccBlob *));
        QCC_TRY(qcc_parse_blob_ref(p, &m->samples[n]));
        QCC_TRY(check_sample(p, &t, m->samples[n], p->graph->param[n],
                             m->samples[0]->rank > 0 ? m->samples[0]->dim[0] : 0));
        n++;
    } while (qcc_lex_is(lx, ','));
    if (n != p->graph->nparam) return qcc_lex_unexpected(lx, "samples for every parameter");
    m->nsamples = n;
    return QCC_OK;
}

static QccStatus parse_labels(QccParser *p, QccModule *m)
{
    if (m->labels) return qcc_lex_unexpected(&p->lx, "'labels' once");
    QCC_TRY(qcc_lex_next(&p->lx));
    QccToken t = p->lx.token;
    QCC_TRY(qcc_parse_blob_ref(p, &m->labels));
    if (m->labels->dtype != QCC_I64 || m->labels->rank != 1 || !m->nsamples ||
        m->labels->dim[0] != m->samples[0]->dim[0])
        return qcc_lex_error(&p->lx, &t, "wanted an i64 for every sample");
    return QCC_OK;
}

static QccStatus parse_preprocess(QccParser *p, QccModule *m)
{
    QccToken t;
    if (m->preprocess) return qcc_lex_unexpected(&p->lx, "'preprocess' once");
    QCC_TRY(qcc_lex_next(&p->lx));
    QCC_TRY(qcc_lex_take(&p->lx, QCC_TOKEN_STRING, "YAML in quotes", &t));
    m->preprocess = qcc_strdup(p->arena, t.name);
    return QCC_OK;
}

static QccStatus parse_extra(QccParser *p, QccModule *m)
{
    QccLexer *lx = &p->lx;
    if (qcc_lex_is_word(lx, "samples")) return parse_samples(p, m);
    if (qcc_lex_is_word(lx, "labels")) return parse_labels(p, m);
    if (qcc_lex_is_word(lx, "preprocess")) return parse_preprocess(p, m);
    if (qcc_lex_is_word(lx, "blob") && lx->token.col == 1 && !p->contained) {
        qcc_lex_skip_line(lx); /* has been read */
        return QCC_OK;
    }
    return qcc_lex_unexpected(lx, p->contained ? "samples, labels or preprocess"
                                               : "samples, labels, preprocess or a blob line");
}

/* ---- modules -------------------------------------------------------------------------------- */

static QccStatus parse_version(QccParser *p)
{
    QccLexer *lx = &p->lx;
    QccToken t;
    int64_t version;
    QCC_TRY(skip_newlines(lx));
    if (!qcc_lex_is_word(lx, "qir")) return qcc_lex_unexpected(lx, "'qir 1'");
    QCC_TRY(qcc_lex_next(lx));
    t = lx->token;
    QCC_TRY(qcc_lex_i64(lx, &version, "a version number"));
    if (version > VERSION) {
        qcc_lex_error(lx, &t, "this is qir %lld; this version of qcc reads qir %d",
                      (long long)version, VERSION);
        return QCC_ERROR_UNSUPPORTED;
    }
    if (version != VERSION)
        return qcc_lex_error(lx, &t, "there is no qir %lld", (long long)version);
    QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_NEWLINE, "the end of the line", NULL));
    return skip_newlines(lx);
}

static QccStatus parse_module(QccParser *p, QccModule *m)
{
    QccLexer *lx = &p->lx;
    QCC_TRY(parse_version(p));
    QCC_TRY(parse_graph(p));
    m->graph = p->graph;
    while (lx->token.kind != QCC_TOKEN_END) {
        bool blank = lx->token.kind == QCC_TOKEN_NEWLINE;
        if (!blank && parse_extra(p, m) == QCC_OK && lx->token.kind != QCC_TOKEN_NEWLINE &&
            lx->token.kind != QCC_TOKEN_END)
            qcc_lex_unexpected(lx, "the end of the line");
        qcc_lex_skip_line(lx);
        if (lx->token.kind == QCC_TOKEN_NEWLINE) (void)qcc_lex_next(lx);
    }
    if (p->ir->diags.errors != p->errors) return QCC_ERROR_INPUT;
    return qcc_graph_verify(m->graph);
}

typedef struct Parse {
    QccModule *out;
    QccIr *ir;
    QccArena *arena;
    const char *file, *text;
    int64_t len;
    const QccBlobTable *table;
    QccStatus status;
} Parse;

static void parse(void *user)
{
    Parse *a = user;
    QccParser p = {.ir = a->ir, .arena = a->arena, .scratch = qcc_arena_sub(a->arena)};
    QccBlobTable own = {0};
    p.errors = a->ir->diags.errors;
    p.blobs = a->table ? a->table : &own;
    p.contained = a->table != NULL;
    qcc_table_init(&p.lost, p.scratch);
    const char *file = qcc_strdup(a->arena, a->file ? a->file : "text");
    a->out = QCC_NEW(a->arena, QccModule);
    if (!a->table) {
        QccLexer empty = {.diags = &a->ir->diags, .arena = p.scratch, .file = file};
        empty.text = a->text;
        empty.end = a->text + a->len;
        p.lx = empty;
        parse_blob_lines(&p, &own);
    }
    a->status = qcc_lex_init(&p.lx, &a->ir->diags, p.scratch, file, a->text, a->len);
    if (a->status == QCC_OK) a->status = parse_module(&p, a->out);
    if (a->status == QCC_OK && a->ir->diags.errors != p.errors) a->status = QCC_ERROR_INPUT;
    qcc_arena_free(p.scratch);
}

QccStatus qcc_module_parse(QccModule **out, QccIr *ir, QccArena *arena, const char *file,
                           const char *text, int64_t len, const QccBlobTable *table)
{
    *out = NULL;
    Shown shown = {.fn = ir->diags.fn, .user = ir->diags.user, .file = file ? file : "text"};
    shown.text = text;
    shown.len = len;
    if (shown.fn) {
        ir->diags.fn = show;
        ir->diags.user = &shown;
    }
    Parse a = {.ir = ir, .arena = arena, .file = file, .text = text, .len = len, .table = table};
    /* Caught here, so that the diagnostics go back to where they were. */
    bool whole = qcc_mem_protect(ir->mem, parse, &a);
    if (shown.fn) {
        ir->diags.fn = shown.fn;
        ir->diags.user = shown.user;
    }
    if (!whole) return QCC_ERROR_MEMORY;
    if (shown.errors > ERRORS_MAX)
        qcc_note(&ir->diags, (QccLoc){.file = shown.file}, "%d more errors are not shown",
                 shown.errors - ERRORS_MAX);
    if (a.status == QCC_OK) *out = a.out;
    return a.status;
}
