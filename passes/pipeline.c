/* pipeline - reads a pipeline's YAML into steps.
 *
 *   qcc: 1
 *   passes:
 *     - NAME
 *     - NAME: {OPTION: VALUE, OPTION: [VALUE, VALUE]}
 *
 * Parsed event by event: nothing nests deeper than the grammar, and aliases are refused, so a file
 * cannot grow in memory beyond its own size.
 */
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "passes/pipeline.h"

enum { MAX_TEXT = 1 << 20, MAX_STEPS = 1000, MAX_ITEMS = 10000, FORMAT = 1 };

typedef struct Reader {
    QccPipeline *p;
    yaml_parser_t parser;
    yaml_event_t event;
    bool parser_open, event_held;
} Reader;

static void close_reader(void *user)
{
    Reader *r = user;
    if (r->event_held) yaml_event_delete(&r->event);
    if (r->parser_open) yaml_parser_delete(&r->parser);
    r->event_held = r->parser_open = false;
}

static QccLoc place_of(const Reader *r, yaml_mark_t mark)
{
    return (QccLoc){.file = r->p->file, .line = (int)mark.line + 1, .col = (int)mark.column + 1};
}

static QccLoc here(const Reader *r)
{
    return place_of(r, r->event.start_mark);
}

/* Reads the next event into r->event. */
static QccStatus advance(Reader *r)
{
    if (r->event_held) yaml_event_delete(&r->event);
    r->event_held = false;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        const char *problem = r->parser.problem ? r->parser.problem : "this is not YAML";
        /* A file that ends too early has its mark behind the last line. */
        return qcc_pipeline_error(r->p, place_of(r, r->parser.problem_mark), "%s", problem);
    }
    r->event_held = true;
    if (r->event.type != YAML_ALIAS_EVENT) return QCC_OK;
    return qcc_pipeline_error(r->p, here(r), "aliases are not allowed in a pipeline");
}

static QccStatus want(Reader *r, yaml_event_type_t type, const char *what)
{
    if (r->event.type == type) return QCC_OK;
    return qcc_pipeline_error(r->p, here(r), "here must stand %s", what);
}

/* The text of a scalar, in the pipeline's arena. */
static QccStatus scalar(Reader *r, const char *what, const char **text)
{
    QCC_TRY(want(r, YAML_SCALAR_EVENT, what));
    const char *value = (const char *)r->event.data.scalar.value;
    size_t len = r->event.data.scalar.length;
    if (memchr(value, 0, len)) {
        return qcc_pipeline_error(r->p, here(r), "a zero byte cannot stand in %s", what);
    }
    *text = qcc_strndup(r->p->arena, value, len);
    return QCC_OK;
}

/* ---- options ------------------------------------------------------------------------------- */

/* Gives the messages of qcc_field_parse the source line that they point into. */
typedef struct WithSource {
    const QccPipeline *p;
    QccDiags *outer;
    QccStatus status; /* of the last error */
} WithSource;

static void forward_with_source(void *user, const QccDiagnostic *diagnostic)
{
    WithSource *w = user;
    QccLoc loc = {.file = diagnostic->file, .line = diagnostic->line, .col = diagnostic->column};
    if (diagnostic->severity == QCC_ERROR) {
        w->status = qcc_pipeline_error(w->p, loc, "%s", diagnostic->message);
    } else {
        qcc_note(w->outer, loc, "%s", diagnostic->message);
    }
}

/* Parses one scalar into a member that is no list. */
static QccStatus set_scalar(QccPipeline *p, QccLoc loc, const QccField *field, const char *text,
                            void *opts)
{
    if (field->type == QCC_FIELD_STRING) {
        *(const char **)((char *)opts + field->offset) = text;
        return QCC_OK;
    }
    WithSource with = {.p = p, .outer = &p->ir->diags};
    QccDiags d = {.fn = forward_with_source, .user = &with};
    if (!qcc_field_parse(p->arena, &d, loc, field, text, (int64_t)strlen(text), opts))
        return QCC_OK;
    return with.status;
}

/* Stores a list of scalars into a member of list type. */
static QccStatus set_list(QccPipeline *p, QccLoc loc, const QccField *field,
                          const char *const *item, int n, void *opts)
{
    if (field->type == QCC_FIELD_STRINGS) {
        QccStrings *strings = (QccStrings *)((char *)opts + field->offset);
        strings->n = n;
        strings->v = item;
        return QCC_OK;
    }
    QccBuf buf;
    qcc_buf_init(&buf, p->arena);
    qcc_buf_puts(&buf, "[");
    for (int i = 0; i < n; i++) {
        if (i) qcc_buf_puts(&buf, ",");
        qcc_buf_puts(&buf, item[i]);
    }
    qcc_buf_puts(&buf, "]");
    return set_scalar(p, loc, field, buf.data, opts);
}

static bool is_list(const QccField *field)
{
    return field->type == QCC_FIELD_STRINGS || field->type == QCC_FIELD_INTS;
}

/* At the value of an option: a scalar, or for lists a sequence of them. */
static QccStatus read_value(Reader *r, QccStep *step, const QccField *field)
{
    QccPipeline *p = r->p;
    QccOptionPlace *place = &step->place[field - step->def->opts];
    QccLoc loc = here(r);
    const char *what = is_list(field) ? "a value or a list of values" : "one value";
    const char **item = NULL;
    int64_t item_cap = 0, loc_cap = 0;
    place->loc = loc;

    if (!is_list(field) || r->event.type == YAML_SCALAR_EVENT) {
        const char *text;
        QCC_TRY(scalar(r, what, &text));
        QCC_TRY(advance(r));
        if (!is_list(field)) return set_scalar(p, loc, field, text, step->opts);
        item = qcc_grow(p->arena, item, 0, &item_cap, sizeof *item);
        item[0] = text;
        place->item = qcc_grow(p->arena, NULL, 0, &loc_cap, sizeof *place->item);
        place->item[0] = loc;
        place->nitem = 1;
        return set_list(p, loc, field, item, 1, step->opts);
    }

    QCC_TRY(want(r, YAML_SEQUENCE_START_EVENT, what));
    QCC_TRY(advance(r));
    int n = 0;
    while (r->event.type != YAML_SEQUENCE_END_EVENT) {
        if (n == MAX_ITEMS) {
            return qcc_pipeline_error(p, here(r), "a list has at most %d items", MAX_ITEMS);
        }
        place->item = qcc_grow(p->arena, place->item, n, &loc_cap, sizeof *place->item);
        place->item[n] = here(r);
        item = qcc_grow(p->arena, item, n, &item_cap, sizeof *item);
        QCC_TRY(scalar(r, "an item of the list, a plain value", &item[n]));
        n++;
        QCC_TRY(advance(r));
    }
    place->nitem = n;
    QCC_TRY(advance(r));
    return set_list(p, loc, field, item, n, step->opts);
}

static QccStatus unknown_option(const QccPipeline *p, const QccPassDef *def, QccLoc loc,
                                const char *name)
{
    QccStatus status = qcc_pipeline_error(p, loc, "pass '%s' has no option '%s'", def->name, name);
    QccBuf buf;
    qcc_buf_init(&buf, p->arena);
    for (const QccField *f = def->opts; f && f->name; f++) {
        qcc_buf_printf(&buf, "%s%s", buf.len ? ", " : "", f->name);
    }
    qcc_note(&p->ir->diags, loc, "%s%s", buf.len ? "its options are " : "it has no options",
             buf.len ? buf.data : "");
    return status;
}

/* At the value of a pass: a mapping of options, or nothing. */
static QccStatus read_options(Reader *r, QccStep *step)
{
    if (r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.length == 0) return advance(r);
    QCC_TRY(want(r, YAML_MAPPING_START_EVENT, "the options of the pass, as {option: value}"));
    QCC_TRY(advance(r));
    while (r->event.type != YAML_MAPPING_END_EVENT) {
        const char *name;
        QccLoc loc = here(r);
        QCC_TRY(scalar(r, "the name of an option", &name));
        int index = qcc_step_field(step, name);
        if (index < 0) return unknown_option(r->p, step->def, loc, name);
        if (step->place[index].loc.line) {
            return qcc_pipeline_error(r->p, loc, "option '%s' is given twice", name);
        }
        QCC_TRY(advance(r));
        QCC_TRY(read_value(r, step, &step->def->opts[index]));
    }
    return advance(r);
}

/* ---- steps --------------------------------------------------------------------------------- */

static QccStatus unknown_pass(const QccPipeline *p, QccLoc loc, const char *name)
{
    QccStatus status = qcc_pipeline_error(p, loc, "there is no pass '%s'", name);
    const char **names = QCC_NEW_ARRAY(p->arena, p->registry->npass + 1, const char *);
    for (int i = 0; i < p->registry->npass; i++) names[i] = p->registry->pass[i]->name;
    const char *nearest = qcc_nearest_name(p->arena, name, names);
    if (nearest) {
        qcc_note(&p->ir->diags, loc, "did you mean '%s'?", nearest);
    } else {
        qcc_note(&p->ir->diags, loc, "`qcc passes` lists the passes there are");
    }
    return status;
}

/* At the name of a pass; adds a step with the pass's defaults. */
static QccStatus add_step(Reader *r, QccStep **out)
{
    QccPipeline *p = r->p;
    QccLoc loc = here(r);
    const char *name;
    QCC_TRY(scalar(r, "the name of a pass", &name));
    const QccPassDef *def = qcc_pass_find(p->registry, name);
    if (!def) return unknown_pass(p, loc, name);
    if (p->nstep == MAX_STEPS) {
        return qcc_pipeline_error(p, loc, "a pipeline has at most %d passes", MAX_STEPS);
    }
    p->step = qcc_grow(p->arena, p->step, p->nstep, &p->step_cap, sizeof *p->step);
    QccStep *step = &p->step[p->nstep++];
    *step = (QccStep){.def = def, .loc = loc, .nfield = qcc_field_count(def->opts)};
    step->opts = qcc_alloc(p->arena, def->opts_size ? def->opts_size : 1);
    step->place = QCC_NEW_ARRAY(p->arena, step->nfield + 1, QccOptionPlace);
    if (def->opts) qcc_fields_init(p->arena, def->opts, step->opts);
    *out = step;
    return advance(r);
}

static QccStatus read_step(Reader *r)
{
    QccStep *step;
    if (r->event.type == YAML_SCALAR_EVENT) return add_step(r, &step);
    QCC_TRY(want(r, YAML_MAPPING_START_EVENT, "the name of a pass, or {name: {option: value}}"));
    QCC_TRY(advance(r));
    QCC_TRY(add_step(r, &step));
    QCC_TRY(read_options(r, step));
    QCC_TRY(want(r, YAML_MAPPING_END_EVENT,
                 "the next pass in an item of its own ('- name'); options are indented below the "
                 "pass"));
    return advance(r);
}

static QccStatus read_steps(Reader *r)
{
    QCC_TRY(want(r, YAML_SEQUENCE_START_EVENT, "a list of passes"));
    QCC_TRY(advance(r));
    while (r->event.type != YAML_SEQUENCE_END_EVENT) QCC_TRY(read_step(r));
    return advance(r);
}

static QccStatus read_format(Reader *r)
{
    const char *text;
    QccLoc loc = here(r);
    QCC_TRY(scalar(r, "the version of the format, 1", &text));
    if (strcmp(text, "1") != 0) {
        return qcc_pipeline_error(r->p, loc, "the format's version is '%s', wanted is %d", text,
                                  FORMAT);
    }
    return advance(r);
}

static QccStatus read_document(Reader *r)
{
    bool format_seen = false, passes_seen = false;
    QccLoc top = here(r);
    QCC_TRY(want(r, YAML_MAPPING_START_EVENT, "a pipeline: 'qcc: 1' and 'passes: [...]'"));
    QCC_TRY(advance(r));
    while (r->event.type != YAML_MAPPING_END_EVENT) {
        const char *key;
        QccLoc loc = here(r);
        QCC_TRY(scalar(r, "'qcc' or 'passes'", &key));
        bool is_format = !strcmp(key, "qcc"), is_passes = !strcmp(key, "passes");
        if (!is_format && !is_passes) {
            return qcc_pipeline_error(r->p, loc, "a pipeline has no '%s', only 'qcc' and 'passes'",
                                      key);
        }
        bool *seen = is_format ? &format_seen : &passes_seen;
        if (*seen) return qcc_pipeline_error(r->p, loc, "'%s' is given twice", key);
        *seen = true;
        QCC_TRY(advance(r));
        QCC_TRY(is_format ? read_format(r) : read_steps(r));
    }
    if (!format_seen) return qcc_pipeline_error(r->p, top, "the line 'qcc: 1' is missing");
    if (!passes_seen) return qcc_pipeline_error(r->p, top, "the list 'passes:' is missing");
    return advance(r);
}

static QccStatus read_stream(Reader *r)
{
    QCC_TRY(advance(r)); /* the stream's start */
    QCC_TRY(advance(r));
    QCC_TRY(want(r, YAML_DOCUMENT_START_EVENT, "a pipeline, but the file is empty"));
    QCC_TRY(advance(r));
    QCC_TRY(read_document(r));
    QCC_TRY(advance(r)); /* past the document's end */
    return want(r, YAML_STREAM_END_EVENT, "the end of the file; a pipeline is one document");
}

QccStatus qcc_pipeline_parse(QccPipeline **out, const QccPassRegistry *r, QccIr *ir,
                             QccArena *arena, const char *file, const char *text, int64_t len,
                             const char *const *set, const QccGraph *g)
{
    QccLoc top = {.file = file};
    if (len > MAX_TEXT) {
        return qcc_error(&ir->diags, top, "a pipeline has at most %d bytes, this has %lld",
                         MAX_TEXT, (long long)len);
    }
    QccPipeline *p = QCC_NEW(arena, QccPipeline);
    p->registry = r;
    p->ir = ir;
    p->arena = arena;
    p->file = qcc_strdup(arena, file);
    p->text = qcc_strndup(arena, text, (size_t)len);
    p->len = len;

    Reader *reader = QCC_NEW(arena, Reader);
    reader->p = p;
    if (!yaml_parser_initialize(&reader->parser)) {
        return qcc_fail(&ir->diags, QCC_ERROR_MEMORY, top, "out of memory");
    }
    reader->parser_open = true;
    qcc_arena_defer(arena, close_reader, reader);
    yaml_parser_set_input_string(&reader->parser, (const unsigned char *)text, (size_t)len);
    QccStatus status = read_stream(reader);
    close_reader(reader);
    QCC_TRY(status);

    for (int i = 0; set && set[i]; i++) QCC_TRY(qcc_pipeline_set(p, set[i]));
    QCC_TRY(qcc_pipeline_check_order(p, g));
    *out = p;
    return QCC_OK;
}

/* ---- --set pass.option=value ---------------------------------------------------------------- */

/* Splits "[a, b]" or "a" at its commas, in place of YAML's lists. */
static const char *const *split(QccArena *arena, const char *text, int *n)
{
    size_t len = strlen(text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    const char **item = NULL;
    int64_t cap = 0;
    const char *end = text + len;
    *n = 0;
    while (text < end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma ? comma : end;
        while (text < stop && *text == ' ') text++;
        item = qcc_grow(arena, item, *n, &cap, sizeof *item);
        item[(*n)++] = qcc_strndup(arena, text, (size_t)(stop - text));
        text = comma ? comma + 1 : end;
    }
    return item;
}

QccStatus qcc_pipeline_set(QccPipeline *p, const char *assignment)
{
    QccDiags *d = &p->ir->diags;
    QccLoc loc = {.file = qcc_sprintf(p->arena, "--set %s", assignment)};
    const char *dot = strchr(assignment, '.');
    const char *equals = strchr(assignment, '=');
    if (!dot || !equals || dot > equals) {
        return qcc_fail(d, QCC_ERROR_USAGE, loc, "wanted is pass.option=value");
    }
    const char *pass = qcc_strndup(p->arena, assignment, (size_t)(dot - assignment));
    const char *option = qcc_strndup(p->arena, dot + 1, (size_t)(equals - dot - 1));
    const char *value = qcc_strdup(p->arena, equals + 1);
    if (!qcc_pass_find(p->registry, pass)) return unknown_pass(p, loc, pass);

    bool found = false;
    for (int i = 0; i < p->nstep; i++) {
        QccStep *step = &p->step[i];
        if (strcmp(step->def->name, pass) != 0) continue;
        found = true;
        int index = qcc_step_field(step, option);
        if (index < 0) return unknown_option(p, step->def, loc, option);
        const QccField *field = &step->def->opts[index];
        step->place[index] = (QccOptionPlace){.loc = loc};
        if (is_list(field)) {
            int n;
            const char *const *item = split(p->arena, value, &n);
            QCC_TRY(set_list(p, loc, field, item, n, step->opts));
        } else {
            QCC_TRY(set_scalar(p, loc, field, value, step->opts));
        }
    }
    if (found) return QCC_OK;
    return qcc_fail(d, QCC_ERROR_USAGE, loc, "the pipeline has no pass '%s'", pass);
}
