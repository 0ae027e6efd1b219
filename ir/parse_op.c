/* parse_op - the statements of graphs and bodies. */
#include <string.h>

#include "ir/names.h"
#include "ir/ops.h"
#include "ir/parser.h"

enum { DEPTH_MAX = 4, OPERANDS_MAX = 1 << 16 };

/* A statement as it is written, before the op is made. */
typedef struct Statement {
    QccToken op; /* its name */
    int64_t nresult, result_cap;
    QccToken *result;
    const QccOpDef *def;
    QccValue **in;
    int64_t nin, in_cap;
    bool has_data;
    const QccBlob *blob; /* const @0 */
    QccNumbers numbers;  /* const [1,2] */
    QccToken data;       /* where it begins */
    void *attrs;
    int64_t ntype, type_cap;
    struct Typed {
        const QccType *type;
        QccToken at;
        bool has_range;
        float lo, hi;
    } *typed;
    const char *loc_file, *loc_node;
    QccToken *param; /* of a loop's body */
    int64_t nparam, param_cap;
} Statement;

/* ---- names that are lost -------------------------------------------------------------------- */

static bool is_lost(const QccParser *p, const char *name)
{
    int64_t at = -1;
    uint64_t hash = qcc_hash(0, name, strlen(name));
    for (const char *s; (s = qcc_table_next(&p->lost, hash, &at));) {
        if (!strcmp(s, name)) return true;
    }
    return false;
}

static void lose(QccParser *p, const Statement *s)
{
    for (int64_t i = 0; i < s->nresult; i++) {
        const char *name = s->result[i].name;
        if (!is_lost(p, name))
            qcc_table_add(&p->lost, qcc_hash(0, name, strlen(name)), (void *)name);
    }
}

/* ---- parts of a statement ------------------------------------------------------------------- */

static QccStatus find_value(QccParser *p, const QccToken *t, QccValue **value)
{
    *value = qcc_graph_find_value(p->graph, t->name);
    if (*value) return QCC_OK;
    if (is_lost(p, t->name)) return QCC_ERROR_INPUT; /* has been reported */
    for (const QccOp *op = p->graph->parent; op; op = op->graph->parent) {
        if (qcc_graph_find_value(op->graph, t->name))
            return qcc_lex_error(
                &p->lx, t, "%%%s is defined outside of the body; make it an operand", t->name);
    }
    return qcc_lex_error(&p->lx, t, "there is no value %%%s before this line", t->name);
}

static QccStatus parse_results(QccParser *p, Statement *s)
{
    QccLexer *lx = &p->lx;
    for (;;) {
        s->result = qcc_grow(p->scratch, s->result, s->nresult, &s->result_cap, sizeof *s->result);
        QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_VALUE, "a result as %y", &s->result[s->nresult]));
        s->nresult++;
        if (!qcc_lex_is(lx, ',')) break;
        QCC_TRY(qcc_lex_next(lx));
    }
    return qcc_lex_expect(lx, '=');
}

static bool begins_operand(const QccLexer *lx)
{
    return lx->token.kind == QCC_TOKEN_VALUE || qcc_lex_is_word(lx, "_");
}

static QccStatus parse_operands(QccParser *p, Statement *s)
{
    QccLexer *lx = &p->lx;
    if (!begins_operand(lx)) return QCC_OK;
    for (;;) {
        if (!begins_operand(lx)) return qcc_lex_unexpected(lx, "an operand as %x or _");
        if (s->nin == OPERANDS_MAX)
            return qcc_lex_error(lx, &lx->token, "more than %d operands", OPERANDS_MAX);
        s->in = qcc_grow(p->scratch, s->in, s->nin, &s->in_cap, sizeof(QccValue *));
        s->in[s->nin] = NULL;
        if (lx->token.kind == QCC_TOKEN_VALUE) QCC_TRY(find_value(p, &lx->token, &s->in[s->nin]));
        s->nin++;
        QCC_TRY(qcc_lex_next(lx));
        if (!qcc_lex_is(lx, ',')) return QCC_OK;
        QCC_TRY(qcc_lex_next(lx));
    }
}

static QccStatus parse_attr(QccParser *p, Statement *s, uint64_t *given)
{
    QccLexer *lx = &p->lx;
    QccToken key;
    const char *begin, *end;
    QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_WORD, "the name of an attribute", &key));
    const QccField *field = qcc_field_find(s->def->attrs, key.name);
    if (!field)
        return qcc_lex_error(lx, &key, "'%s' has no attribute '%s'", s->def->name, key.name);
    uint64_t bit = (uint64_t)1 << ((field - s->def->attrs) & 63);
    if (*given & bit) return qcc_lex_error(lx, &key, "'%s' is given twice", key.name);
    *given |= bit;
    if (!qcc_lex_is(lx, ':')) return qcc_lex_unexpected(lx, "':'");
    QCC_TRY(qcc_lex_next(lx));
    QccToken value = lx->token;
    QCC_TRY(qcc_lex_raw(lx, &begin, &end));
    return qcc_field_parse(p->arena, lx->diags, qcc_lex_loc(lx, &value), field, begin, end - begin,
                           s->attrs);
}

/* Whether the { that is current opens a body: nothing but a comment stands behind it. */
static bool opens_body(const QccLexer *lx)
{
    const char *at = lx->at;
    while (at < lx->end && (*at == ' ' || *at == '\t' || *at == '\r')) at++;
    return at == lx->end || *at == '\n' || *at == ';';
}

static QccStatus parse_attrs(QccParser *p, Statement *s)
{
    QccLexer *lx = &p->lx;
    uint64_t given = 0;
    s->attrs = qcc_alloc(p->scratch, s->def->attr_size);
    qcc_fields_init(p->arena, s->def->attrs, s->attrs);
    if (qcc_lex_is(lx, '{') && !opens_body(lx)) {
        do {
            QCC_TRY(qcc_lex_next(lx));
            QCC_TRY(parse_attr(p, s, &given));
        } while (qcc_lex_is(lx, ','));
        QCC_TRY(qcc_lex_expect(lx, '}'));
    }
    for (const QccField *f = s->def->attrs; f && f->name; f++) {
        if (!f->init && !(given & (uint64_t)1 << ((f - s->def->attrs) & 63)))
            return qcc_lex_error(lx, &s->op, "'%s' needs its attribute '%s'", s->def->name,
                                 f->name);
    }
    return QCC_OK;
}

static QccStatus parse_types(QccParser *p, Statement *s)
{
    QccLexer *lx = &p->lx;
    if (!qcc_lex_is(lx, ':')) return QCC_OK;
    do {
        QCC_TRY(qcc_lex_next(lx));
        s->typed = qcc_grow(p->scratch, s->typed, s->ntype, &s->type_cap, sizeof *s->typed);
        struct Typed *t = &s->typed[s->ntype++];
        t->at = lx->token;
        QCC_TRY(qcc_parse_type(p, &t->type));
        QCC_TRY(qcc_parse_range(p, &t->has_range, &t->lo, &t->hi));
    } while (qcc_lex_is(lx, ','));
    return QCC_OK;
}

static QccStatus parse_loc(QccParser *p, Statement *s)
{
    QccLexer *lx = &p->lx;
    QccToken first, second;
    if (!qcc_lex_is_word(lx, "loc")) return QCC_OK;
    QCC_TRY(qcc_lex_next(lx));
    QCC_TRY(qcc_lex_expect(lx, '('));
    QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_STRING, "the name of a node", &first));
    s->loc_node = first.name;
    if (lx->token.kind == QCC_TOKEN_STRING) {
        QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_STRING, "the name of a node", &second));
        s->loc_file = first.name;
        s->loc_node = second.name;
    }
    return qcc_lex_expect(lx, ')');
}

/* "(%h, %x)": what the body of a loop calls its operands */
static QccStatus parse_params(QccParser *p, Statement *s)
{
    QccLexer *lx = &p->lx;
    if (!(s->def->traits & QCC_TRAIT_LOOP)) return QCC_OK;
    QCC_TRY(qcc_lex_expect(lx, '('));
    for (;;) {
        s->param = qcc_grow(p->scratch, s->param, s->nparam, &s->param_cap, sizeof *s->param);
        QCC_TRY(qcc_lex_take(lx, QCC_TOKEN_VALUE, "a parameter as %x", &s->param[s->nparam]));
        s->nparam++;
        if (!qcc_lex_is(lx, ',')) break;
        QCC_TRY(qcc_lex_next(lx));
    }
    if (s->nparam != s->nin)
        return qcc_lex_error(lx, &s->op, "%lld parameters for %lld operands", (long long)s->nparam,
                             (long long)s->nin);
    return qcc_lex_expect(lx, ')');
}

static QccStatus parse_data(QccParser *p, Statement *s)
{
    s->data = p->lx.token;
    s->has_data = true;
    if (qcc_lex_is(&p->lx, '[')) return qcc_parse_numbers(p, &s->numbers);
    return qcc_parse_blob_ref(p, &s->blob);
}

/* ---- making the op -------------------------------------------------------------------------- */

static QccStatus set_const(QccParser *p, Statement *s)
{
    QccLexer *lx = &p->lx;
    const QccType *t = s->ntype == 1 ? s->typed[0].type : NULL;
    int64_t dim[QCC_MAX_RANK];
    if (!t) return qcc_lex_error(lx, &s->op, "'%s' needs its type", s->def->name);
    if (!qcc_type_extents(t, dim))
        return qcc_lex_error(lx, &s->typed[0].at, "a constant has constant extents");
    if (!s->blob) {
        if (s->numbers.n != qcc_type_count(t))
            return qcc_lex_error(lx, &s->data, "%lld numbers; the type has %lld elements",
                                 (long long)s->numbers.n, (long long)qcc_type_count(t));
        QCC_TRY(qcc_numbers_blob(p, &s->numbers, t->dtype, t->rank, dim, &s->blob));
    }
    ((QccConstAttrs *)s->attrs)->blob = s->blob;
    return QCC_OK;
}

static QccStatus set_types(QccParser *p, const Statement *s, QccOp *op)
{
    for (int i = 0; i < s->ntype; i++) {
        const struct Typed *t = &s->typed[i];
        QccValue *value = &op->out[i];
        if (!qcc_type_fits(op, value->type, t->type))
            return qcc_type_misfit(op, qcc_lex_loc(&p->lx, &t->at), value->type, t->type);
        qcc_value_set_type(value, t->type);
        value->has_range = t->has_range;
        value->lo = t->lo;
        value->hi = t->hi;
    }
    return QCC_OK;
}

static QccStatus check_free(QccParser *p, const QccToken *t)
{
    const char *name = t->name;
    if (qcc_graph_find_value(p->graph, name))
        return qcc_lex_error(&p->lx, t, "%%%s is defined already", name);
    if (!qcc_name_is_free(p->graph, name))
        return qcc_lex_error(&p->lx, t,
                             "%%%s is the name of a value in a graph around or a body "
                             "within this one",
                             name);
    return QCC_OK;
}

/* A body whose parameters have the names that stand there. */
static QccStatus new_loop(QccParser *p, const Statement *s, QccOp *op)
{
    const char **name = QCC_NEW_ARRAY(p->scratch, s->nparam, const char *);
    for (int i = 0; i < s->nparam; i++) name[i] = s->param[i].name;
    QccGraph *body = qcc_graph_new_loop(op, name);
    for (int i = 0; i < s->nparam; i++)
        if (strcmp(body->param[i]->name, name[i]) != 0)
            return qcc_lex_error(&p->lx, &s->param[i], "%%%s is the name of another value",
                                 name[i]);
    return QCC_OK;
}

static QccStatus parse_body(QccParser *p, const Statement *s, QccOp *op)
{
    QccLexer *lx = &p->lx;
    QccToken brace = lx->token;
    if (!op->body && !(s->def->traits & QCC_TRAIT_BODY))
        return qcc_lex_error(lx, &brace, "'%s' has no body", s->def->name);
    if (p->depth == DEPTH_MAX)
        return qcc_lex_error(lx, &brace, "bodies nested more than %d deep", DEPTH_MAX);
    QCC_TRY(qcc_lex_next(lx));
    int errors = lx->diags->errors;
    QccGraph *outer = p->graph;
    QccStatus status = QCC_OK;
    if (s->def->traits & QCC_TRAIT_LOOP)
        status = new_loop(p, s, op);
    else
        qcc_graph_new_body(op);
    p->graph = op->body;
    p->depth++;
    qcc_parse_ops(p);
    p->depth--;
    p->graph = outer;
    if (status != QCC_OK || lx->diags->errors != errors) return QCC_ERROR_INPUT;
    return qcc_op_reinfer(op);
}

/* `body` is set once the lines of a body have been read. */
static QccStatus make_op(QccParser *p, Statement *s, bool *body)
{
    QccLexer *lx = &p->lx;
    const QccOpDef *def = s->def;
    int nout = qcc_op_count(def, s->attrs);
    if (s->nresult != nout)
        return qcc_lex_error(lx, &s->op, "'%s' has %d results, not %lld", def->name, nout,
                             (long long)s->nresult);
    if (s->ntype && s->ntype != nout)
        return qcc_lex_error(lx, &s->op, "%lld types for %d results", (long long)s->ntype, nout);
    if (s->has_data) QCC_TRY(set_const(p, s));
    for (int64_t i = 0; i < s->nresult; i++) QCC_TRY(check_free(p, &s->result[i]));

    QccOp *op;
    QccLoc loc = qcc_lex_loc(lx, &s->op);
    loc.node = s->loc_node;
    QCC_TRY(qcc_op_new(&op, p->graph, NULL, def, loc, s->nresult ? s->result[0].name : NULL, s->in,
                       (int)s->nin, s->attrs));
    for (int i = 1; i < op->nout; i++) qcc_name_release(&op->out[i]); /* passing ones */
    for (int i = 1; i < op->nout; i++) {
        QccStatus status = check_free(p, &s->result[i]);
        qcc_name_value(&op->out[i], s->result[i].name);
        QCC_TRY(status);
    }
    if (qcc_lex_is(lx, '{')) {
        *body = opens_body(lx);
        QCC_TRY(parse_body(p, s, op));
    } else if (def->traits & QCC_TRAIT_BODY) {
        return qcc_lex_unexpected(lx, "the body in { }");
    }
    QCC_TRY(set_types(p, s, op));
    if (s->loc_file)
        op->loc = (QccLoc){.file = qcc_strdup(p->arena, s->loc_file), .node = op->loc.node};
    return QCC_OK;
}

static QccStatus end_line(QccParser *p)
{
    if (p->lx.token.kind == QCC_TOKEN_END) return QCC_OK;
    return qcc_lex_take(&p->lx, QCC_TOKEN_NEWLINE, "the end of the line", NULL);
}

/* return %y, or yield %y in a body */
static QccStatus parse_yield(QccParser *p, Statement *s)
{
    const char *wanted = p->graph->parent ? "yield" : "return";
    if (strcmp(s->op.name, wanted) != 0)
        return qcc_lex_error(&p->lx, &s->op, "wanted '%s' here", wanted);
    QCC_TRY(qcc_lex_next(&p->lx));
    QCC_TRY(parse_operands(p, s));
    for (int64_t i = 0; i < s->nin; i++) {
        if (!s->in[i]) return qcc_lex_error(&p->lx, &s->op, "a result that is absent");
    }
    qcc_graph_set_results(p->graph, s->in, (int)s->nin);
    p->graph->last->loc = qcc_lex_loc(&p->lx, &s->op);
    return end_line(p);
}

static QccStatus parse_statement(QccParser *p, Statement *s, bool *body)
{
    QccLexer *lx = &p->lx;
    if (qcc_graph_yield(p->graph)) return qcc_lex_unexpected(lx, "'}' after the results");
    if (lx->token.kind == QCC_TOKEN_VALUE) QCC_TRY(parse_results(p, s));
    s->op = lx->token;
    if (lx->token.kind != QCC_TOKEN_WORD) return qcc_lex_unexpected(lx, "an op");
    if (!strcmp(s->op.name, "return") || !strcmp(s->op.name, "yield")) return parse_yield(p, s);
    s->def = qcc_ir_find_op(p->ir, s->op.name);
    if (!s->def) return qcc_lex_error(lx, &s->op, "there is no op '%s'", s->op.name);
    QCC_TRY(qcc_lex_next(lx));
    if (s->def == &qcc_op_const) QCC_TRY(parse_data(p, s));
    QCC_TRY(parse_operands(p, s));
    QCC_TRY(parse_attrs(p, s));
    QCC_TRY(parse_types(p, s));
    QCC_TRY(parse_loc(p, s));
    QCC_TRY(parse_params(p, s));
    QCC_TRY(make_op(p, s, body));
    return end_line(p);
}

/* ---- recovery ------------------------------------------------------------------------------- */

/* Whether the line that ends before `newline` ends in {, comments aside. */
static bool line_opens(const char *begin, const char *end)
{
    char last = 0;
    for (const char *at = begin; at < end && *at != ';'; at++) {
        if (*at == '"') {
            const char *rest = qcc_read_quoted(NULL, NULL, at, end);
            if (!rest) return false;
            at = rest - 1;
        }
        if (*at != ' ' && *at != '\t' && *at != '\r') last = *at;
    }
    return last == '{';
}

/* Goes behind the line of a statement that failed, and behind the body that it opens. */
static void recover(QccParser *p, const char *begin)
{
    QccLexer *lx = &p->lx;
    int64_t depth = 0;
    for (;;) {
        qcc_lex_skip_line(lx);
        if (line_opens(begin, lx->token.begin)) depth++;
        if (lx->token.kind == QCC_TOKEN_END) return;
        /* The next line: its first token may itself be bad, then it is skipped as it is. */
        begin = lx->at;
        (void)qcc_lex_next(lx);
        if (depth && qcc_lex_is(lx, '}'))
            depth--;
        else if (!depth)
            return;
        if (!depth) {
            qcc_lex_skip_line(lx);
            return;
        }
    }
}

void qcc_parse_ops(QccParser *p)
{
    QccLexer *lx = &p->lx;
    for (;;) {
        while (lx->token.kind == QCC_TOKEN_NEWLINE) {
            if (qcc_lex_next(lx) != QCC_OK) recover(p, lx->token.begin);
        }
        if (qcc_lex_is(lx, '}') || lx->token.kind == QCC_TOKEN_END) break;
        Statement s = {0};
        bool body = false;
        const char *begin = lx->token.begin;
        if (parse_statement(p, &s, &body) == QCC_OK) continue;
        lose(p, &s);
        recover(p, body ? lx->token.begin : begin);
    }
    if (lx->token.kind == QCC_TOKEN_END) {
        qcc_lex_unexpected(lx, "'}'");
        return;
    }
    if (!qcc_graph_yield(p->graph) && lx->diags->errors == p->errors)
        qcc_lex_error(lx, &lx->token, "wanted '%s' before '}'",
                      p->graph->parent ? "yield" : "return");
    (void)qcc_lex_next(lx);
}
